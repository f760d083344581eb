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
    """Bytes and seconds a client may take; ``connections`` at once.

    ``keep_alive_s`` is the time between two requests, ``write_s`` how long a client may read nothing of its answer.
    """

    header_bytes: int = 32 * 1024
    headers: int = 100
    body_bytes: int = 32 * 1024 * 1024
    header_s: float = 10.0
    body_s: float = 60.0
    keep_alive_s: float = 75.0
    write_s: float = 60.0
    connections: int = 4096


class Request:
    """One whole request. ``headers`` has lower-case names; a header sent twice is joined by commas.

    ``chunks``: its client understands an answer in chunks (HTTP/1.1). ``id`` is what a handler names it by.
    """

    __slots__ = ("body", "chunks", "client", "headers", "id", "keep_alive", "method", "path")

    def __init__(self, client: str) -> None:
        self.client = client
        self.method = b""
        self.path = b""
        self.headers: dict[bytes, bytes] = {}
        self.body: bytes = b""
        self.keep_alive = True
        self.chunks = True
        self.id = ""


Handler: TypeAlias = Callable[[Request, "Connection"], Awaitable[None]]

_NEVER = float("inf")
_ONCE = frozenset({b"host", b"authorization", b"content-length", b"transfer-encoding", b"content-type"})
_STATUS = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_READ = 256 * 1024  # bytes that may come in one piece: a request's first piece may hold the end of the one before
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
        self._silent = 0  # bytes that came since the body last grew: headers, framing, trailers
        self._url: list[bytes] = []
        self._ahead: deque[Request] = deque()
        self._current: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._running = False  # … has begun; a connection is one of ``all`` until its work has ended
        self._started = False  # an answer has begun
        self._chunked = True  # … in chunks
        self._writable: asyncio.Future[None] | None = None
        self._deaf = False  # what the client sends from now on is not looked at
        self._draining = False
        self._arriving = False  # a request has begun and is not whole
        self._offered = False  # … that offers another protocol
        self._heading = False  # … and its headers are not whole: what comes as a header later is a trailer
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
        self._deaf = True
        self._ahead.clear()
        self.resume_writing()
        self.deadline = _NEVER
        if self._task is not None:
            self._task.cancel()
        if not self._running:
            self._all.discard(self)

    def eof_received(self) -> bool:
        """The client closed its side; no model is asked on for somebody who may not be there."""
        return False

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._deaf:
            return
        before = self._body_bytes
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._not_upgraded(data[stop.args[0] :])
        except (httptools.HttpParserError, httptools.HttpParserCallbackError):
            if not self._deaf:
                self._refuse(400, "this is no HTTP/1.1 request")
        if self._arriving and not self._deaf:
            self._weigh(len(data), self._body_bytes - before)

    def pause_writing(self) -> None:
        """The client reads slowly; if it reads nothing for long, it is taken for gone."""
        if self._writable is None:
            self._writable = self._loop.create_future()
            self.deadline = self._loop.time() + self._limits.write_s

    def resume_writing(self) -> None:
        """The client has caught up, or has left."""
        if self._writable is not None:
            if not self._writable.done():
                self._writable.set_result(None)
            self._writable = None
            if self._current is not None:
                self.deadline = _NEVER

    # --------------------------------------------------------------------------------------------- a request arrives

    def on_message_begin(self) -> None:
        """The first byte of a request starts the clock for its headers."""
        if self._deaf:
            return
        self._request = Request(self._client)
        self._url.clear()
        self._body.clear()
        self._body_bytes = self._header_bytes = self._silent = 0
        self._arriving = self._heading = True
        if self._current is None:
            self.deadline = self._loop.time() + self._limits.header_s

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._url.append(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header. A trailer is no header: it came after the checks, and nobody else on the way looked at it."""
        if self._deaf or not self._heading:
            return
        self._header_bytes += len(name) + len(value) + 4
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
        elif self._header_bytes > self._limits.header_bytes:
            self._refuse(431, "the headers are too large")

    def on_headers_complete(self) -> None:
        """All headers are here; what is too large is refused before its body is read."""
        self._heading = False
        if self._deaf:
            return
        request, parser, headers = self._request, self._parser, self._request.headers
        request.method = parser.get_method()
        request.path = b"".join(self._url).partition(b"?")[0]
        request.keep_alive = parser.should_keep_alive()
        if b"upgrade" in headers and parser.should_upgrade():
            self._offered = True
            return
        if parser.get_http_version() != "1.1" and not self._older(request):
            return
        stated = headers.get(b"content-length", b"0")
        if len(stated) > 15 or int(stated) > self._limits.body_bytes:
            self._refuse(413, "the body is too large")
        elif b"transfer-encoding" in headers and headers[b"transfer-encoding"].lower() != b"chunked":
            self._refuse(501, "no transfer encoding but chunked is known here")
        elif self._current is None:
            self.deadline = self._loop.time() + self._limits.body_s
            if b"expect" in headers and request.chunks and headers[b"expect"].lower() == b"100-continue":
                self._transport.write(_CONTINUE)

    def _not_upgraded(self, rest: bytes) -> None:
        """Another protocol was offered (h2c, by Java's client): the request is served as if it had not been.

        The parser has stopped behind the headers, so a new one is given them without the offer, and then the body.
        """
        last = self._ahead[-1] if self._ahead else self._current
        if not self._offered or last is not None:  # CONNECT, or an offer sent ahead, which no client makes
            if last is not None:
                last.keep_alive = False
            self._deaf = True
            return
        self._offered = False
        head = [
            b"%b %b HTTP/%b\r\n" % (self._request.method, b"".join(self._url), self._parser.get_http_version().encode())
        ]
        head += [b"%b: %b\r\n" % pair for pair in self._request.headers.items() if pair[0] != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        self.data_received(b"%b\r\n%b" % (b"".join(head), rest))

    def _older(self, request: Request) -> bool:
        """Whether an HTTP/1.0 request can be served: its answer ends with the connection, its body has a length."""
        request.chunks = request.keep_alive = False
        if self._parser.get_http_version() != "1.0":
            self._refuse(505, "HTTP/1.1 is spoken here")
        elif b"transfer-encoding" in request.headers:
            self._refuse(400, "HTTP/1.0 knows no transfer encoding")
        return not self._deaf

    def on_body(self, body: bytes) -> None:
        """A piece of the body, up to the cap."""
        if self._deaf:
            return
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._refuse(413, "the body is too large")
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: now it becomes work, or waits its turn."""
        if self._deaf or self._offered:
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
        self.deadline = _NEVER if self._writable is None else self._loop.time() + self._limits.write_s
        self._task = self._loop.create_task(self._run(request))

    async def _run(self, request: Request) -> None:
        """The work, and then the next request or the end."""
        self._running, done = True, False
        try:
            if self._writable is not None:  # nobody gets more answers who does not read those before
                await self._writable
            await self._handler(request, self)
            done = True
        finally:
            self._current = self._task = None
            self._running = False
            if not done:  # the client has left, or the server ends: an answer must not look whole
                self._all.discard(self)
                self._transport.abort()
        if self._transport.is_closing():
            self._all.discard(self)
        elif not request.keep_alive or self._draining or not self._started:
            self.deadline = self._loop.time() + self._limits.write_s
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
        if self._draining:
            request.keep_alive = False
        framing = b"transfer-encoding: chunked\r\n" if request.chunks else b""
        if not request.keep_alive:
            framing += b"connection: close\r\n"
        self._chunked = request.chunks
        piece = b"%x\r\n%b\r\n" % (len(first), first) if request.chunks and first else first
        self._transport.write(b"".join((_STATUS[status], self._date(), headers, framing, b"\r\n", piece)))

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
        """The deadline has passed: a half-sent request is told so, an idle connection is closed, a deaf one cut."""
        if self._deaf or self._current is not None or self._transport.is_closing():
            self._transport.abort()
        elif self._arriving:
            self._refuse(408, "the request took too long to arrive")
        else:
            self._transport.close()  # where the end of an answer is still unread, the next look cuts it

    def drain(self) -> None:
        """The server ends: an idle connection closes now, a busy one after its answer."""
        self._draining = True
        if self._current is None:
            self._transport.close()

    def cancel(self) -> None:
        """The server has waited long enough; the work is cancelled when the connection is gone."""
        self._transport.abort()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._limits.header_bytes and not self._deaf:
            self._refuse(431, "the headers are too large")

    def _weigh(self, came: int, grown: int) -> None:
        """Bytes that are no body and no whole header yet: the parser holds them, so they are counted as they come."""
        self._silent = 0 if grown > 0 else self._silent + came
        if self._silent > self._limits.header_bytes + _READ:
            self._refuse(431, "the headers are too large")

    def _refuse(self, status: int, sentence: str) -> None:
        """Say why on the connection itself and close it; never into an answer that has begun."""
        self._deaf = True
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
