"""The client: connections kept for use again, time-outs by one sweep, and the request that goes out once."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

import msgspec

from crossover.deployment import Timeouts
from crossover.transport.connection import Connection
from crossover.transport.dial import dial, failed, trust
from crossover.transport.endpoint import Endpoint
from crossover.transport.reply import HEAD, Reply

SWEEP_S = 0.03  # how late a time-out may come
RESTED_S = 0.05  # a connection idle for this long is looked at before it is used again
HASTY_S = 0.25  # a server that ends a connection so soon after an answer keeps none, whatever its headers say
CALM_S = 5.0  # the same while nothing is under way and only idle connections age


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Connections now (``busy``, ``idle``, being made: ``dialing``), and ``made`` since the start."""

    busy: int
    idle: int
    dialing: int
    made: int


class Transport:
    """Sends requests. One per event loop; close it with ``aclose``.

    ``clock`` is monotonic seconds. Connections idle for ``idle_s`` are closed, and at most ``idle_per_endpoint`` are
    kept. ``header_limit`` and ``body_limit`` are bytes of one answer; the body's counts for ``read`` alone.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        idle_s: float = 60.0,
        idle_per_endpoint: int = 256,
        header_limit: int = 64 * 1024,
        body_limit: int = 64 * 1024 * 1024,
    ) -> None:
        self._clock = clock
        self._idle_s = idle_s
        self._idle_most = idle_per_endpoint
        self._header_limit = header_limit
        self._body_limit = body_limit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: dict[Endpoint, list[Connection]] = {}  # the last one used last: the coldest are first
        self._hasty: set[Endpoint] = set()  # whose connections ended right behind an answer: not used at once again
        self._busy: set[Connection] = set()
        self._dials: dict[asyncio.Task[Connection], float] = {}  # with the time by which they must be done
        self._late: set[asyncio.Task[Connection]] = set()
        self._contexts: dict[str | None, ssl.SSLContext] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._calm = True
        self._closed = False
        self._made = 0

    @property
    def stats(self) -> Stats:
        """How many connections there are."""
        idle = sum(len(rows) for rows in self._idle.values())
        return Stats(busy=len(self._busy), idle=idle, dialing=len(self._dials), made=self._made)

    async def send(self, ep: Endpoint, head: bytes, body: bytes, timeouts: Timeouts, *, cold: bool = False) -> Reply:
        """Send one request; its reply, once the headers are complete.

        ``head`` comes from ``head()`` for the same endpoint. ``cold`` waits ``timeouts.cold`` for the first byte.
        Cancelling closes the connection. Raises UpstreamError: ``refused``, ``tls``, ``connect_timeout`` (none
        accepted); ``reset``, ``cut``, ``malformed``, ``first_byte_timeout``, ``total_timeout``.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._bind(loop)
        now = self._clock()
        total_at = now + timeouts.total
        wait = timeouts.cold if cold else timeouts.first_byte
        asked, connect_s = now, 0.0
        connection = self._reused(ep, now)
        if connection is None:
            connection = await self._dial(ep, timeouts, total_at)
            now = self._clock()
            connect_s = now - asked
        while True:
            self._busy.add(connection)
            if self._calm:
                self._hurry()
            reply = connection.ask(head, body, now + wait, timeouts.gap, total_at)
            await reply._wait(HEAD)
            if reply.status:
                reply.connect_s = connect_s
                return reply
            error = reply._error
            assert error is not None
            if not reply._untouched:
                raise error
            connection = await self._dial(ep, timeouts, total_at)
            now = self._clock()
            connect_s = now - asked

    def sweep(self, now: float) -> None:
        """Fail what is late at ``now``, close what was idle for too long."""
        for connection in tuple(self._busy):
            if now >= connection.deadline or now >= connection.total_at:
                connection.expire(now)
        for task, deadline in tuple(self._dials.items()):
            if now >= deadline and task not in self._late:
                self._late.add(task)
                task.cancel()
        for ep, rows in tuple(self._idle.items()):
            while rows and now - rows[0].idle_since >= self._idle_s:
                rows[0].abort()
            if not rows:
                self._idle.pop(ep, None)

    async def aclose(self) -> None:
        """Close every connection at once; calls under way fail."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in tuple(self._dials):
            task.cancel()
        rows = [one for kept in self._idle.values() for one in kept]
        for connection in (*self._busy, *rows):
            connection.fail("cut", "the client was closed before the answer was complete")
        while self._dials:
            await asyncio.wait(tuple(self._dials))
        await asyncio.sleep(0)  # the loop closes sockets one step later

    # ------------------------------------------------------------------------------------------ for the connections

    def release(self, connection: Connection) -> None:
        """A connection has answered and can be used again."""
        self._busy.discard(connection)
        rows = self._idle.get(connection.endpoint)
        if rows is None:
            rows = self._idle[connection.endpoint] = []
        connection.idle_since = self._clock()
        rows.append(connection)
        if len(rows) > self._idle_most:
            rows[0].abort()

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._busy.discard(connection)
        rows = self._idle.get(connection.endpoint)
        if rows is not None and connection in rows:
            rows.remove(connection)

    def left(self, connection: Connection) -> None:
        """The server has ended a connection on its own account, after an answer."""
        if self._clock() - connection.idle_since < HASTY_S:
            self._hasty.add(connection.endpoint)

    # ------------------------------------------------------------------------------------------------------- within

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            raise RuntimeError("a Transport belongs to the event loop that first used it")
        self._loop = loop

    def _reused(self, ep: Endpoint, now: float) -> Connection | None:
        """The connection of this endpoint that was used last, if one is sound."""
        rows = self._idle.get(ep)
        if rows and ep in self._hasty:
            if now - rows[0].idle_since < HASTY_S:
                return None  # its end may be on the way already
            self._hasty.discard(ep)  # it was kept after all
        while rows:
            connection = rows.pop()
            idle = now - connection.idle_since
            if idle < self._idle_s and connection.usable(rested=idle >= RESTED_S):
                return connection
            connection.abort()
        return None

    async def _dial(self, ep: Endpoint, timeouts: Timeouts, total_at: float) -> Connection:
        """A new connection, made in a task of its own, so that the sweep can end it."""
        if self._closed:
            raise failed("refused", "this client is closed")
        loop = asyncio.get_running_loop()
        within = min(timeouts.connect, total_at - self._clock())
        task = loop.create_task(self._made_connection(loop, ep, timeouts.connect))
        self._dials[task] = self._clock() + within
        self._hurry()
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()
            task.add_done_callback(_abort_unused)
            raise
        finally:
            self._dials.pop(task, None)
            late = task in self._late
            self._late.discard(task)
        if task.cancelled():
            if late:
                raise failed("connect_timeout", f"no connection to {ep.label} within {within:g} s")
            raise failed("refused", "this client is closed")
        connection = task.result()
        if not connection.open:
            raise failed("reset", f"{ep.label} closed the connection before anything was sent")
        return connection

    async def _made_connection(self, loop: asyncio.AbstractEventLoop, ep: Endpoint, within_s: float) -> Connection:
        context = None
        if ep.scheme == "https":
            context = self._contexts.get(ep.ca_file)
            if context is None:
                context = self._contexts[ep.ca_file] = await asyncio.to_thread(trust, ep.ca_file)

        def make() -> Connection:
            return Connection(ep, self, loop, self._clock, self._header_limit, self._body_limit)

        connection = await dial(ep, make, context, within_s)
        self._made += 1
        return connection

    def _hurry(self) -> None:
        """Something is under way: sweep often."""
        if self._timer is not None:
            if not self._calm:
                return
            self._timer.cancel()
        self._calm = False
        assert self._loop is not None
        self._timer = self._loop.call_later(SWEEP_S, self._tick)

    def _tick(self) -> None:
        assert self._loop is not None
        self._timer = None
        self.sweep(self._clock())
        self._calm = not self._busy and not self._dials
        if not self._calm:
            self._timer = self._loop.call_later(SWEEP_S, self._tick)
        elif self._idle:
            self._timer = self._loop.call_later(CALM_S, self._tick)


def _abort_unused(task: asyncio.Task[Connection]) -> None:
    """A connection that was made after all, when its caller had left."""
    if not task.cancelled() and task.exception() is None:
        task.result().abort()
