"""One HTTP/1.1 connection of a client: parsed by httptools, bounded in bytes and time, answered with single writes.

Why not an ASGI server: the bar for the whole gateway is 100 µs a request, and handing a request through ASGI costs
half of it (docs/decisions/0008-an-own-http-door.md). Parsing is llhttp's; what is ours is small and hard:

- a request becomes work only when all of it has arrived within its deadlines and caps, so a slow sender holds no task;
- a client that leaves cancels the work done for it, streamed or not;
- requests sent ahead (pipelining) wait their turn, and reading stops meanwhile;
- what is no HTTP, or smells of smuggling (two hosts, a length beside chunks), is refused and the connection closed.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias, cast

import httptools
import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes and seconds a client may take; ``connections`` at once, ``keep_alive`` seconds between two requests."""

    header_bytes: int = 32 * 1024
    headers: int = 100
    body_bytes: int = 32 * 1024 * 1024
    header_s: float = 10.0
    body_s: float = 60.0
    keep_alive_s: float = 75.0
    connections: int = 4096


class Request:
    """One whole request. ``headers`` has lower-case names; a header sent twice is joined by commas."""

    __slots__ = ("body", "client", "headers", "keep_alive", "method", "path")

    def __init__(self, client: str) -> None:
        self.client = client
        self.method = b""
        self.path = b""
        self.headers: dict[bytes, bytes] = {}
        self.body: bytes = b""
        self.keep_alive = True


Handler: TypeAlias = Callable[[Request, "Connection"], Awaitable[None]]

_NEVER = float("inf")
_ONCE = frozenset({b"host", b"authorization", b"content-length", b"transfer-encoding", b"content-type"})
_STATUS = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LINGER_S = 1.0  # a refused client may still be sending: closing at once would reset before it has read why


class Connection(asyncio.Protocol):
    """A client's connection. ``all`` holds the open ones; the sweeper looks at their ``deadline``."""

    def __init__(self, handler: Handler, limits: Limits, all_: set[Connection], date: Callable[[], bytes]) -> None:
        self._handler = handler
        self._limits = limits
        self._all = all_
        self._date = date
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._client = ""
        self._request = Request("")
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._url: list[bytes] = []
        self._ahead: deque[Request] = deque()
        self._current: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._started = False  # a response has begun
        self._chunked = False
        self._writable: asyncio.Future[None] | None = None
        self._refused = False
        self._draining = False
        self._arriving = False
        self.deadline = _NEVER

    # ------------------------------------------------------------------------------------------------- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here; unless there are too many already, it has so long to send a request."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if isinstance(peer, tuple) else ""
        self._all.add(self)
        self.deadline = self._loop.time() + self._limits.header_s
        if len(self._all) > self._limits.connections:
            self._refuse(503, "too many connections")

    def connection_lost(self, _exc: Exception | None) -> None:
        """The client is gone: what was being done for it stops now."""
        self._all.discard(self)
        self.deadline = _NEVER
        self._refused = True
        self._ahead.clear()
        self.resume_writing()
        if self._task is not None and not self._task.done():
            self._task.cancel()

    def eof_received(self) -> bool:
        """The client closed its side; no model is asked on for somebody who may not be there."""
        return False

    def data_received(self, data: bytes) -> None:
        """Bytes from the client. A refused client is no longer listened to."""
        if self._refused:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # nobody is upgraded: the request is answered as it is, and then it ends
            self._parser = httptools.HttpRequestParser(self)
            for request in (self._current, *self._ahead):
                if request is not None:
                    request.keep_alive = False
        except (httptools.HttpParserError, httptools.HttpParserCallbackError):
            if not self._refused:
                self._refuse(400, "this is no HTTP/1.1 request")

    def pause_writing(self) -> None:
        """The client reads slowly."""
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """The client has caught up, or has left."""
        if self._writable is not None:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None

    # --------------------------------------------------------------------------------------------- a request arrives

    def on_message_begin(self) -> None:
        """The first byte of a request starts the clock for its headers."""
        self._request = Request(self._client)
        self._url.clear()
        self._body.clear()
        self._body_bytes = self._header_bytes = 0
        self._arriving = True
        if self._current is None:
            self.deadline = self._loop.time() + self._limits.header_s

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._url.append(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if self._refused:
            return
        self._count(len(name) + len(value) + 4)
        headers = self._request.headers
        name = name.lower()
        if name in headers:
            if name in _ONCE:
                self._refuse(400, f"two {name.decode('latin-1')} headers")
                return
            value = headers[name] + b", " + value
        headers[name] = value
        if len(headers) > self._limits.headers:
            self._refuse(431, "too many headers")

    def on_headers_complete(self) -> None:
        """All headers are here; what is too large is refused before its body is read."""
        if self._refused:
            return
        request, parser = self._request, self._parser
        request.method = parser.get_method()
        request.path = b"".join(self._url).partition(b"?")[0]
        request.keep_alive = parser.should_keep_alive()
        stated = request.headers.get(b"content-length", b"0")
        if len(stated) > 15 or int(stated) > self._limits.body_bytes:
            self._refuse(413, "the body is too large")
            return
        if self._current is None:
            self.deadline = self._loop.time() + self._limits.body_s
        if request.headers.get(b"expect", b"").lower() == b"100-continue" and self._current is None:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """A piece of the body, up to the cap."""
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            if not self._refused:
                self._refuse(413, "the body is too large")
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: now it becomes work, or waits its turn."""
        if self._refused:
            return
        request, self._arriving = self._request, False
        request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        if self._current is None:
            self._begin(request)
        else:
            self._ahead.append(request)
            self._transport.pause_reading()

    def _begin(self, request: Request) -> None:
        self._current = request
        self._started = False
        self.deadline = _NEVER
        self._task = self._loop.create_task(self._run(request))

    async def _run(self, request: Request) -> None:
        """The work, and then the next request or the end."""
        try:
            await self._handler(request, self)
        except asyncio.CancelledError:
            self._transport.abort()  # the client has left, or the server ends: an answer must not look whole
            return
        self._current = self._task = None
        if self._transport.is_closing():
            return
        if not request.keep_alive or self._draining or not self._started:
            self._transport.close()
        elif self._ahead:
            self._begin(self._ahead.popleft())
            if not self._ahead:
                self._transport.resume_reading()
        else:
            wait = self._limits.header_s if self._arriving else self._limits.keep_alive_s
            self.deadline = self._loop.time() + wait

    # ------------------------------------------------------------------------------------------------------- answers

    @property
    def started(self) -> bool:
        """Whether the answer to the request under way has begun."""
        return self._started

    def abort(self) -> None:
        """Break off: an answer that has begun and cannot be ended must not look whole."""
        self._transport.abort()

    def answer(self, status: int, headers: bytes, body: bytes) -> None:
        """A whole answer in one write. ``headers`` are whole lines, each with its line end."""
        self._started = True
        request = self._current
        close = b"connection: close\r\n" if request is None or not request.keep_alive or self._draining else b""
        shown = b"" if request is not None and request.method == b"HEAD" else body
        self._transport.write(
            b"%b%b%b%bcontent-length: %d\r\n\r\n%b" % (_STATUS[status], self._date(), headers, close, len(body), shown)
        )

    def start(self, status: int, headers: bytes, first: bytes) -> None:
        """Begin a streamed answer with its first piece, in one write."""
        request = self._current
        assert request is not None
        self._started = True
        chunked = self._chunked = request.keep_alive = request.keep_alive and not self._draining
        framing = b"transfer-encoding: chunked\r\n\r\n" if chunked else b"connection: close\r\n\r\n"
        piece = b"%x\r\n%b\r\n" % (len(first), first) if chunked and first else first
        self._transport.write(b"".join((_STATUS[status], self._date(), headers, framing, piece)))

    async def piece(self, data: bytes) -> None:
        """A further piece; waits while the client reads slowly."""
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        if self._writable is not None:
            await self._writable

    def end(self, data: bytes = b"") -> None:
        """The last piece of a streamed answer."""
        if self._chunked:
            self._transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n")
        elif data:
            self._transport.write(data)

    # --------------------------------------------------------------------------------------------------------- limits

    def expire(self) -> None:
        """The deadline has passed: a half-sent request is told so, an idle connection is just closed."""
        if self._refused:
            self._transport.abort()
        elif self._arriving:
            self._refuse(408, "the request took too long to arrive")
        else:
            self._transport.close()

    def drain(self) -> None:
        """The server ends: an idle connection closes now, a busy one after its answer."""
        self._draining = True
        if self._current is None:
            self._transport.close()

    def cancel(self) -> None:
        """The server has waited long enough."""
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._limits.header_bytes and not self._refused:
            self._refuse(431, "the headers are too large")

    def _refuse(self, status: int, sentence: str) -> None:
        """Say why on the connection itself and close it; never into an answer that has begun."""
        self._refused = True
        if self._transport.is_closing():
            return
        if self._current is not None:
            self._transport.abort()
            return
        error = {"message": sentence, "type": "invalid_request_error", "param": None, "code": None}
        self.answer(status, b"content-type: application/json\r\n", msgspec.json.encode({"error": error}))
        if self._transport.can_write_eof():
            self._transport.write_eof()
            self.deadline = self._loop.time() + _LINGER_S
        else:
            self._transport.close()


def tls(cert: str, key: str) -> ssl.SSLContext:
    """The TLS context of a certificate file and its key. Raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    return context
