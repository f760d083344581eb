"""Making a connection: names to addresses, the first address that answers, proxies, TLS."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from crossover.errors import UpstreamError, UpstreamKind
from crossover.transport.endpoint import Endpoint, blocked, literal, proxy_of

HEAD_START_S = 0.25  # how long one address is tried before the next is tried beside it (RFC 8305 5)
MAX_TUNNEL_HEAD = 16 * 1024  # bytes of a proxy's answer to CONNECT

SocketAddress: TypeAlias = tuple[int, tuple[Any, ...] | str]  # family, and what connect() takes
Made = TypeVar("Made", bound=asyncio.Protocol)


def trust(ca_file: str | None) -> ssl.SSLContext:
    """TLS settings: certificates and host names always verified, against ``ca_file`` alone where there is one.

    Raises UpstreamError ``tls`` where the file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise failed("tls", f"the certificates in {ca_file} cannot be read: {_reason(error)}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


async def dial(ep: Endpoint, make: Callable[[], Made], context: ssl.SSLContext | None, within_s: float) -> Made:
    """A connection to an endpoint, ready for requests; ``context`` for https.

    Raises UpstreamError, never accepted: ``refused`` (no such host, no one listening, the proxy says no, an address
    that is never connected to) or ``tls``.
    """
    loop = asyncio.get_running_loop()
    sock = await _reach(loop, ep)
    handed_over = False
    try:
        if context is not None and ep.proxy is not None and ep.uds is None:
            await _tunnel(loop, sock, ep)
        handed_over = True
        if context is None:
            _, made = await loop.create_connection(make, sock=sock)
        else:
            # the caller's deadline comes first; this one only has to be finite
            timeout = max(within_s, 1.0)
            _, made = await loop.create_connection(
                make, sock=sock, ssl=context, server_hostname=ep.host, ssl_handshake_timeout=timeout
            )
    except ssl.SSLCertVerificationError as error:
        raise failed("tls", f"the certificate of {ep.label} is not to be trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise failed("tls", f"no TLS connection to {ep.label}: {_reason(error)}") from None
    except OSError as error:
        kind: UpstreamKind = "refused" if context is None else "tls"
        raise failed(kind, f"the connection to {ep.label} broke while it was made: {_reason(error)}") from None
    finally:
        if not handed_over:
            sock.close()
    return made


async def _reach(loop: asyncio.AbstractEventLoop, ep: Endpoint) -> socket.socket:
    """A connected socket to the endpoint, its Unix socket or its proxy."""
    if ep.uds is not None:
        return await _connect(loop, (socket.AF_UNIX, ep.uds), ep.uds)
    if ep.proxy is not None:
        reason = blocked(ep.host)  # the proxy resolves the name: only the text can be checked here
        if reason is not None:
            raise failed("refused", f"{ep.host} is never connected to: {reason}")
        proxy = proxy_of(ep.proxy)
        return await _first(loop, await _resolve(loop, proxy.host, proxy.port), f"the proxy {proxy.host}:{proxy.port}")
    return await _first(loop, await _resolve(loop, ep.host, ep.port), ep.label)


async def _resolve(loop: asyncio.AbstractEventLoop, host: str, port: int) -> Sequence[SocketAddress]:
    """The addresses of a host, families in turn. One that is never connected to spoils all: names can be aimed."""
    address = literal(host)
    found: list[SocketAddress]
    if address is not None:
        found = [(socket.AF_INET if address.version == 4 else socket.AF_INET6, (str(address), port))]
    else:
        try:
            infos = await _getaddrinfo(loop, host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise failed("refused", f"no address is known for the host {host}: {_reason(error)}") from None
        found = [(family, place) for family, _, _, _, place in infos]
    for _, place in found:
        reason = blocked(str(place[0]))
        if reason is not None:
            raise failed("refused", f"{host} leads to {place[0]}, which is never connected to: {reason}")
    if not found:
        raise failed("refused", f"no address is known for the host {host}")
    first = found[0][0]
    sixes = [row for row in found if row[0] == first]
    fours = [row for row in found if row[0] != first]
    mixed = [row for pair in zip(sixes, fours, strict=False) for row in pair]
    return [*mixed, *sixes[len(fours) :], *fours[len(sixes) :]]


async def _getaddrinfo(loop: asyncio.AbstractEventLoop, host: str, port: int, *, type: int) -> Sequence[Any]:  # noqa: A002
    """The system's answer; on its own, because it is the one part of a connection that a test cannot bring along."""
    return await loop.getaddrinfo(host, port, type=type)


async def _first(loop: asyncio.AbstractEventLoop, places: Sequence[SocketAddress], label: str) -> socket.socket:
    """The first of the addresses that answers, each given a head start over the next."""
    if len(places) == 1:
        return await _connect(loop, places[0], label)
    waiting = list(places)
    running: set[asyncio.Task[socket.socket]] = set()
    error: UpstreamError | None = None
    try:
        while waiting or running:
            if waiting:
                running.add(loop.create_task(_connect(loop, waiting.pop(0), label)))
            timeout = HEAD_START_S if waiting else None
            done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task.exception() is None:
                    running.discard(task)
                    return task.result()
                running.discard(task)
                failure = task.exception()
                assert isinstance(failure, UpstreamError)
                error = failure
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_close_unused)
    assert error is not None
    raise error


def _close_unused(task: asyncio.Task[socket.socket]) -> None:
    """An attempt that won after all, when nobody wanted it any more."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connect(loop: asyncio.AbstractEventLoop, place: SocketAddress, label: str) -> socket.socket:
    family, address = place
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise failed("refused", f"no connection to {label}: {_reason(error)}") from None
    connected = False
    try:
        sock.setblocking(False)
        if not isinstance(address, str):  # a path is a Unix socket's
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await loop.sock_connect(sock, address)
        connected = True
    except OSError as error:
        raise failed("refused", f"no connection to {label}: {_reason(error)}") from None
    finally:
        if not connected:
            sock.close()
    return sock


async def _tunnel(loop: asyncio.AbstractEventLoop, sock: socket.socket, ep: Endpoint) -> None:
    """Ask a proxy for a way through (RFC 9110 9.3.6)."""
    assert ep.proxy is not None
    proxy = proxy_of(ep.proxy)
    label = f"the proxy {proxy.host}:{proxy.port}"
    lines = [f"CONNECT {ep.label} HTTP/1.1", f"host: {ep.label}"]
    if proxy.authorization is not None:
        lines.append(f"proxy-authorization: {proxy.authorization}")
    got = b""
    try:
        await loop.sock_sendall(sock, "\r\n".join((*lines, "", "")).encode("latin-1"))
        while b"\r\n\r\n" not in got:
            more = await loop.sock_recv(sock, 4096)
            got += more
            if not more or len(got) > MAX_TUNNEL_HEAD:
                raise failed("refused", f"{label} did not answer CONNECT in proper HTTP/1.1")
    except OSError as error:
        raise failed("refused", f"{label} broke the connection: {_reason(error)}") from None
    status = re.match(rb"HTTP/1\.[01] (\d{3})[ \r]", got)
    if status is None or not got.endswith(b"\r\n\r\n"):
        raise failed("refused", f"{label} did not answer CONNECT in proper HTTP/1.1")
    if not status[1].startswith(b"2"):
        raise failed("refused", f"{label} answered {status[1].decode()} when asked for {ep.label}")


def failed(kind: UpstreamKind, text: str) -> UpstreamError:
    """An error before any request was sent."""
    return UpstreamError(text, upstream=kind, accepted=False)


def _reason(error: BaseException) -> str:
    """What the system says, without numbers and brackets."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # the loops put the address into theirs, which is said already
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
