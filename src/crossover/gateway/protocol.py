"""uvicorn's HTTP/1.1 protocol, hardened: deadlines, caps, and a client that leaves ends the work done for it.

What uvicorn with httptools leaves open and this closes: a header sent one byte a second for ever, a megabyte of
headers, ten thousand headers, a body without end. A request is handed to the application only when all of it has
arrived, so a slow sender never holds a task. Deadlines are kept in one number per connection and looked at by one
sweeper; no request pays for a timer.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes and seconds a client may take; ``connections`` at once, ``keep_alive`` seconds between two requests."""

    header_bytes: int = 32 * 1024
    headers: int = 100
    body_bytes: int = 32 * 1024 * 1024
    header_s: float = 10.0
    body_s: float = 60.0
    keep_alive_s: float = 75.0
    connections: int = 4096


_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    413: b"Content Too Large",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}
_NEVER = float("inf")


class HardenedProtocol(HttpToolsProtocol):
    """One connection. ``limits`` is set by :func:`protocol_class`."""

    limits = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False
        self.deadline = _NEVER  # on the loop's clock; the sweeper closes what is past it
        self.waiting_for = "header"
        self._header_bytes = 0
        self._refused = False
        self._task: asyncio.Task[None] | None = None
        self._unstarted: tuple[RequestResponseCycle, Any] | None = None

    # ------------------------------------------------------------------------------------------------- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept, unless there are too many already."""
        super().connection_made(transport)
        self._wait("header", self.limits.header_s)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, b"too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: what was done for it stops now."""
        super().connection_lost(exc)
        self.deadline = _NEVER
        self._unstarted = None
        self.pipeline.clear()
        task = self._task
        if task is not None and not task.done() and self.cycle is not None and not self.cycle.response_complete:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what a refused client still sends is dropped unseen."""
        if not self._refused:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets one sentence and no second chance."""
        self._refuse(400, msg.encode("ascii", "replace"))

    # --------------------------------------------------------------------------------------------- a request arrives

    def on_message_begin(self) -> None:
        """The first byte of a request starts the clock for its headers."""
        super().on_message_begin()
        self._header_bytes = 0
        self._wait("header", self.limits.header_s)

    def on_url(self, url: bytes) -> None:
        """A part of the target; its length counts as header bytes."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._count(len(name) + len(value) + 4)
        if not self._refused:
            if len(self.headers) >= self.limits.headers:
                self._refuse(431, b"too many headers")
                return
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are here: refuse what is too large before its body is read."""
        if self._refused:
            return
        stated = next((value for name, value in self.headers if name == b"content-length"), b"0")
        if len(stated) > 15 or int(stated) > self.limits.body_bytes:
            self._refuse(413, b"the body is too large")
            return
        self._wait("body", self.limits.body_s)
        super().on_headers_complete()
        if self.expect_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.cycle.waiting_for_100_continue = False

    def on_body(self, body: bytes) -> None:
        """A piece of the body, up to the cap."""
        if self._refused or self.cycle.response_complete:
            return
        self.cycle.body += body
        if len(self.cycle.body) > self.limits.body_bytes:
            self._refuse(413, b"the body is too large")

    def on_message_complete(self) -> None:
        """The request is whole: now it becomes work."""
        if self._refused:
            return
        self.deadline = _NEVER
        super().on_message_complete()
        if self._unstarted is not None and self._unstarted[0] is self.cycle:
            cycle, app = self._unstarted
            self._unstarted = None
            self._start_asgi_task(cycle, app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.more_body:
            self._unstarted = (cycle, app)
            return
        task = self._task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_response_complete(self) -> None:
        """Answered: go on with what was sent ahead, or wait for the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._wait("request", self.limits.keep_alive_s)

    # ------------------------------------------------------------------------------------------------- limits at work

    def expire(self) -> None:
        """The deadline has passed: a half-sent request is answered with 408, an idle connection is just closed."""
        if self.waiting_for == "request" or (self.waiting_for == "header" and not self._header_bytes):
            self.transport.close()
        else:
            self._refuse(408, b"the request took too long to arrive")

    def _wait(self, what: str, seconds: float) -> None:
        self.waiting_for = what
        self.deadline = self.loop.time() + seconds

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self.limits.header_bytes and not self._refused:
            self._refuse(431, b"the headers are too large")

    def _refuse(self, status: int, sentence: bytes) -> None:
        """Answer on the connection itself and close it; a response under way is not written into."""
        self._refused = True
        self.deadline = _NEVER
        self._unstarted = None
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = b'{"error":{"message":"%b","type":"invalid_request_error","param":null,"code":null}}' % sentence
            self.transport.write(
                b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (status, _REASONS[status], len(body), body)
            )
        self.transport.close()


def protocol_class(limits: Limits) -> type[HardenedProtocol]:
    """The protocol with these limits, for uvicorn's ``http`` option."""
    return type("Protocol", (HardenedProtocol,), {"limits": limits})


async def sweep(connections: set[Any], every_s: float = 0.25) -> None:
    """Close connections whose deadline has passed; runs until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(every_s)
        now = loop.time()
        for connection in [one for one in connections if one.deadline < now]:
            connection.expire()
