"""One connection to a server.

The protocol does the least it can per packet: feed the parser, note what grew, wake who waits. A reply that is
complete leaves its connection at once; what was read stays with the reply.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from crossover.errors import UpstreamKind
from crossover.transport.endpoint import Endpoint
from crossover.transport.reply import ALL, HEAD, PIECE, Reply

MAX_HEADERS = 512  # real answers have some 20 to 40
JOIN_BELOW = 64 * 1024  # a body shorter than this is copied behind its head: one write, one packet
FOREVER = float("inf")

_BODIES = (b"POST ", b"PUT ", b"PATCH ")  # methods whose empty body is said to be empty (RFC 9110 8.6)
_TCP_INFO = getattr(socket, "TCP_INFO", None)
_BYTES_ACKED = struct.Struct("=120xQ")  # tcpi_bytes_acked in Linux's struct tcp_info, since 4.1


class Owner(Protocol):
    """What a connection tells the pool that made it."""

    def release(self, connection: Connection) -> None:
        """It has answered and can be used again."""

    def forget(self, connection: Connection) -> None:
        """It is gone."""

    def left(self, connection: Connection) -> None:
        """The server has ended it after an answer, and not in the middle of one."""


class Connection(asyncio.Protocol):
    """One connection. Busy while it has a reply; ``deadline`` and ``total_at`` are clock seconds."""

    __slots__ = (
        *("_acked", "_base", "_clock", "_coding", "_complete", "_excess", "_fault", "_feed", "_first", "_gap"),
        *("_heard", "_interim", "_keep", "_limit", "_loop", "_open", "_owner", "_parser", "_paused", "_poll", "_raw"),
        *(
            "_reply",
            "_sent",
            "_served",
            "_silent",
            "_socket",
            "_to_eof",
            "_transport",
            "body_limit",
            "deadline",
            "endpoint",
        ),
        *("idle_since", "label", "total_at"),
    )

    def __init__(
        self,
        endpoint: Endpoint,
        owner: Owner,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        header_limit: int,
        body_limit: int,
    ) -> None:
        self.endpoint = endpoint
        self.label = endpoint.label
        self.body_limit = body_limit
        self.idle_since = 0.0
        self.deadline = self.total_at = FOREVER
        self._owner = owner
        self._loop = loop
        self._clock = clock
        self._limit = header_limit
        self._transport: Any = None
        self._socket: Any = None
        self._poll: Any = None
        self._parser: Any = None
        self._feed: Callable[[bytes], None] = _nothing
        self._open = self._paused = self._served = False
        self._reply: Reply | None = None
        self._acked: int | None = None
        self._base: int | None = None  # acknowledged before the first request
        self._sent = 0  # bytes of requests so far
        self._gap = 0.0
        self._begin()

    def _begin(self) -> None:
        """Forget the last answer."""
        self._raw: list[tuple[bytes, bytes]] = []
        self._silent = 0  # bytes that arrived since the body last grew: headers, framing
        self._first = True  # nothing of the body has come
        self._heard = self._interim = self._complete = self._excess = self._keep = self._to_eof = False
        self._fault = ""
        self._coding = b""

    # -------------------------------------------------------------------------------------------------- for the pool

    @property
    def open(self) -> bool:
        """Whether it is connected, as far as the loop has seen."""
        return self._open and not self._transport.is_closing()

    def usable(self, rested: bool) -> bool:
        """Whether a request may go out on it: False where it is closed, also where the loop has not seen it yet.

        Notes what the peer has acknowledged when all before is: bytes are counted here, because asking the kernel for
        every request costs more than the request; inside TLS only the kernel knows. ``rested``: it was idle for a
        while, so its end may have come unseen.
        """
        if not self.open:
            return False
        if rested and self._poll is not None and self._poll.poll(0):  # an end, or bytes that nobody asked for
            return False
        self._acked = _acked(self._socket) if self._base is None else self._base + self._sent
        return True

    def ask(self, head: bytes, body: bytes, first_byte_at: float, gap: float, total_at: float) -> Reply:
        """Send a request; its reply, still to be waited for."""
        self._begin()
        self._gap = gap
        self.deadline = first_byte_at
        self.total_at = total_at
        self._reply = reply = Reply(self._loop, self, self.label, self.body_limit)
        if not (body or head.startswith(_BODIES)):
            head += b"\r\n"
        elif len(body) < JOIN_BELOW:
            head, body = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body), b""
        else:
            head = b"%bcontent-length: %d\r\n\r\n" % (head, len(body))
        self._sent += len(head) + len(body)
        self._transport.write(head)
        if body:
            self._transport.write(body)
        return reply

    def expire(self, now: float) -> None:
        """Fail the reply if it is late; for the sweep."""
        if now >= self.total_at:
            self.fail("total_timeout", f"{self.label} had not completed its answer when the time for all was up")
        elif now >= self.deadline and not self._paused:
            if self._first:
                self.fail("first_byte_timeout", f"{self.label} did not begin to answer in time")
            else:
                self.fail("gap_timeout", f"{self.label} fell silent for {self._gap:g} s in the middle of its answer")

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if self._open:
            self._open = False
            self._owner.forget(self)
            self._transport.abort()

    # ------------------------------------------------------------------------------------------------- for the reply

    def resume(self) -> None:
        """Read on, after the reader caught up. The gap begins anew: the silence was ours."""
        if self._paused:
            self._paused = False
            if self._open:
                self._transport.resume_reading()
                self.deadline = self._clock() + self._gap

    def fail(self, kind: UpstreamKind, text: str, untouched: bool = False) -> None:
        """End the reply with an error, and the connection with it. ``untouched``: no application saw the request."""
        reply = self._reply
        if reply is not None:
            self._reply = None
            reply._fail(kind, text, untouched)
        self.abort()

    def _nothing_arrived(self) -> bool:
        """Whether the kernel proves that no byte of this request was received."""
        acked = None if self._acked is None else _acked(self._socket)
        return acked is not None and self._acked is not None and acked <= self._acked

    # ------------------------------------------------------------------------------------------------ from the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket, with its TLS, is ready."""
        self._transport = transport
        self._socket = transport.get_extra_info("socket")
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(self._socket.fileno(), select.POLLIN)
        if transport.get_extra_info("ssl_object") is None:
            self._base = _acked(self._socket)
        self._parser = HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self._open = True

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        reply = self._reply
        if reply is None:  # nobody asked
            self.abort()
            return
        self._heard = True
        before = reply._size
        try:
            self._feed(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fault = self._fault or str(error)
        size = reply._size
        grown = size - before
        if self._first or not grown:
            self._silent += len(data) - grown
            if self._silent > self._limit:
                self._weigh(reply, grown)
        if self._complete and reply.status:
            self._finish(reply)
        elif self._fault:
            self.fail("malformed", f"{self.label} does not answer in proper HTTP/1.1: {self._fault}")
        else:
            if grown:
                self._first = False
                self._silent = 0
                self.deadline = self._clock() + self._gap
                if reply._sink is not None:
                    reply._size = 0
                elif size > reply._mark:
                    self._overflow(reply)
            if reply._waiter is not None:
                want = reply._want
                if (want == PIECE and size) or (want == HEAD and reply.status):
                    reply._wake()

    def eof_received(self) -> None:
        """The server will send no more: the proper end of a body without a length, else a cut."""
        reply = self._reply
        if reply is not None and self._to_eof and _said_goodbye(self._transport):
            self._keep = False
            self._finish(reply)
        else:
            self._ended(orderly=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._ended(orderly=exc is None)
        self._parser = None  # it holds this object, too
        self._feed = _nothing

    # ---------------------------------------------------------------------------------------------- from the parser

    def on_message_begin(self) -> None:
        """An answer begins; a second one was not asked for."""
        if self._complete:
            self._excess = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer. Their number and size are looked at when they are complete."""
        self._raw.append((name, value))
        if 15 < len(name) < 18:
            self._encoding(name.lower(), value.strip().lower())

    def on_headers_complete(self) -> None:
        """The headers are there: those of the answer, or of an interim one (100, 103), which says nothing to us."""
        status = self._parser.get_status_code()
        raw, self._raw = self._raw, []  # what follows are trailers, which nobody reads
        if status < 200:
            self._interim = True
            self._coding = b""
            if status == 101:
                self._fault = "it changes to another protocol, which was not asked for"
            return
        reply = self._reply
        if reply is None or reply.status or self._fault:
            return
        if len(raw) > MAX_HEADERS:
            self._fault = f"it has over {MAX_HEADERS} headers"
            return
        self._keep = self._parser.should_keep_alive()
        if not self._keep:
            names = {name.lower() for name, _ in raw}
            self._to_eof = not names & {b"content-length", b"transfer-encoding"} and status not in (204, 304)
        reply._raw = raw
        reply._coding = self._coding
        reply.status = status

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        reply = self._reply
        if reply is not None and not self._complete:
            reply._size += len(data)
            if reply._sink is None:
                reply._parts.append(data)
            elif reply._sink(data):
                reply._wake()

    def on_message_complete(self) -> None:
        """The end of the answer, or of an interim one."""
        if self._interim:
            self._interim = False
        else:
            self._complete = True

    # ------------------------------------------------------------------------------------------------------ within

    def _finish(self, reply: Reply) -> None:
        """The answer is complete: hand it over, and the connection back where nothing speaks against it."""
        self._reply = None
        self._served = True
        reply._end()
        self._acked = None
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        clean = self._keep and not self._excess and not self._fault
        if clean and self._open and not self._transport.get_write_buffer_size():
            self._owner.release(self)
        else:
            self.abort()

    def _ended(self, orderly: bool) -> None:
        """The server closed (``orderly``: with a FIN), or the connection broke.

        A FIN acknowledges what the server's machine had received when it was sent; one that leaves out the request
        was sent before the request came. A RST says nothing of the kind: its acknowledgement is not looked at.
        """
        reply = self._reply
        if self._served and self._open and (reply is None or not self._heard):
            self._owner.left(self)
        if reply is None:
            self.abort()
        elif reply.status:
            self.fail("cut", f"{self.label} closed the connection in the middle of its answer")
        elif self._heard:
            self.fail("cut", f"{self.label} closed the connection in the middle of its headers")
        else:
            untouched = orderly and self._nothing_arrived()
            self.fail("reset", f"{self.label} closed the connection before it answered", untouched)

    def _encoding(self, name: bytes, value: bytes) -> None:
        """Two headers that decide how the body is read."""
        if name == b"content-encoding":
            self._coding = self._coding + b", " + value if self._coding else value
        elif name == b"transfer-encoding" and value != b"chunked":
            self._fault = "its transfer encoding is not chunked alone"

    def _weigh(self, reply: Reply, grown: int) -> None:
        """More bytes came than headers may have, before the body or in the middle of it: find out which they are."""
        size = sum(len(name) + len(value) + 4 for name, value in reply._raw)
        if not reply.status or size > self._limit:
            reply.status = 0
            self._fault = f"its headers are over {self._limit} bytes"
        elif not grown and self._silent - size > self._limit:
            self._fault = f"over {self._limit} bytes came without any of the body"

    def _overflow(self, reply: Reply) -> None:
        """More came than is wanted now."""
        if reply._want == ALL:
            self.fail("malformed", f"{self.label} sent a body that is over the limit of {reply._mark} bytes")
        elif not self._paused:
            self._paused = True
            self._transport.pause_reading()


def _nothing(_: bytes) -> None:
    """What a connection that is gone does with bytes."""


def _said_goodbye(transport: Any) -> bool:
    """Whether an end is the server's own: inside TLS anyone on the way can forge one that no alert announced."""
    tls = transport.get_extra_info("ssl_object")
    try:
        return tls is None or not tls.read(1)  # empty after the closing alert (RFC 8446 6.1)
    except ssl.SSLError:
        return False  # more is expected


def _acked(sock: Any) -> int | None:
    """How many bytes the peer's kernel has acknowledged; None where this kernel does not say."""
    if _TCP_INFO is None:
        return None
    try:
        return int(_BYTES_ACKED.unpack(sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED.size))[0])
    except (OSError, struct.error):
        return None
