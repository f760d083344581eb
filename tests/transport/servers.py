"""Servers of a test: real sockets on loopback that do exactly what a test says, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

from crossover.deployment import Timeouts
from crossover.errors import UpstreamError
from crossover.transport import Endpoint, Reply, Transport, endpoint, head

Handler = Callable[["Peer"], Awaitable[None]]
Run = Callable[[Coroutine[Any, Any, None]], None]

TIMEOUTS = Timeouts(connect=5.0, first_byte=20.0, gap=10.0, total=100.0, cold=50.0)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number  # 0 for the first connection of a server

    async def request(self) -> tuple[bytes, bytes]:
        """The next request: its head and its body."""
        start = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in start.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return start, await self.reader.readexactly(length)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *pieces: bytes) -> None:
        """Read one request, write these."""
        await self.request()
        for piece in pieces:
            await self.send(piece)

    async def gone(self) -> None:
        """Until the client has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def finish(self) -> None:
        """Close with a FIN, now: the client's kernel has it when this returns, its loop has not."""
        with socket.socket(fileno=os.dup(self.writer.get_extra_info("socket").fileno())) as sock:
            sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Close with a RST, not with a FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Server:
    """A server that runs ``handler`` on every connection and closes it afterwards."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.port = 0
        self.accepted = 0
        self.tasks: set[asyncio.Task[Any]] = set()
        self.failures: list[BaseException] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        number = self.accepted
        self.accepted += 1
        try:
            await self.handler(Peer(reader, writer, number))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            pass  # the test is over; raising would make asyncio log it
        except AssertionError as error:
            self.failures.append(error)
        finally:
            self.tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, *, tls: ssl.SSLContext | None = None, uds: str | None = None
) -> AsyncIterator[Server]:
    server = Server(handler)
    if uds is not None:
        listener = await asyncio.start_unix_server(server.serve, uds)
    else:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
        server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        for _ in range(5):
            await asyncio.sleep(0)  # a connection that is being accepted reaches its handler
        listener.close()
        while server.tasks:
            for task in tuple(server.tasks):
                task.cancel()
            await asyncio.wait(tuple(server.tasks))
    assert not server.failures, server.failures


@contextlib.asynccontextmanager
async def client(**options: Any) -> AsyncIterator[Transport]:
    transport = Transport(**options)
    try:
        yield transport
    finally:
        await transport.aclose()


async def post(
    transport: Transport, place: Endpoint | Server, body: bytes = b"{}", timeouts: Timeouts = TIMEOUTS, **options: Any
) -> Reply:
    ep = endpoint(place.url) if isinstance(place, Server) else place
    return await transport.send(ep, head(ep, "POST", "/chat", []), body, timeouts, **options)


async def failure(work: Awaitable[Any]) -> UpstreamError:
    """The error that this ends with."""
    try:
        found = await work
    except UpstreamError as error:
        return error
    raise AssertionError(f"no error, but {found!r}")


async def pieces(reply: Reply) -> list[bytes]:
    found = []
    while data := await reply.piece():
        found.append(data)
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something holds; the test's own time-out is the limit."""
    while not condition():
        await asyncio.sleep(0)


def answering(*parts: bytes, stay: bool = False) -> Handler:
    """A server that reads one request, writes these parts and closes, or stays until the client leaves."""

    async def handler(peer: Peer) -> None:
        await peer.answer(*parts)
        if stay:
            await peer.gone()

    return handler


def keeping(answers: Sequence[bytes]) -> Handler:
    """A server that answers each request of a connection with the next of these, then waits."""

    async def handler(peer: Peer) -> None:
        for answer in answers:
            await peer.answer(answer)
        await peer.gone()

    return handler


async def hanging(peer: Peer) -> None:
    """A server that reads a request and says nothing."""
    await peer.request()
    await peer.gone()
