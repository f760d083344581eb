"""The listening side: accepts connections, sweeps deadlines, ends in order."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from email.utils import formatdate

from crossover.gateway.http import Connection, Handler, Limits

_SWEEP_S = 0.25
_LOOK_S = 0.02
_CANCEL_S = 2.0  # for work that was cancelled to end
_HANDSHAKE_S = 10.0


class Server:
    """One listening socket. ``open`` it, ``close`` it; all its connections are in ``connections``."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self._handler = handler
        self._limits = limits
        self.connections: set[Connection] = set()
        self._date = b""
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def open(self, listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        self._tell_time()
        self._server = await loop.create_server(
            lambda: Connection(self._handler, self._limits, self.connections, lambda: self._date),
            sock=listener,
            ssl=context,
            ssl_handshake_timeout=None if context is None else _HANDSHAKE_S,
        )
        self._sweeper = loop.create_task(self._sweep())

    async def close(self, patience_s: float, hurry: asyncio.Event | None = None) -> None:
        """Stop accepting; what is under way has ``patience_s`` seconds, or until ``hurry``; then it is broken off."""
        if self._server is not None:
            self._server.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        for connection in list(self.connections):
            connection.drain()
        while self.connections and loop.time() < until and not (hurry is not None and hurry.is_set()):
            await asyncio.sleep(_LOOK_S)
        for connection in list(self.connections):
            connection.cancel()
        until = loop.time() + _CANCEL_S
        while self.connections and loop.time() < until:  # what was cancelled runs to its end: its rows are written
            await asyncio.sleep(_LOOK_S)
        if self._sweeper is not None:
            self._sweeper.cancel()

    def sweep(self, now: float) -> None:
        """End what is late at this moment of the loop's clock."""
        for connection in [one for one in self.connections if one.deadline < now]:
            connection.expire()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._tell_time()
            self.sweep(loop.time())

    def _tell_time(self) -> None:
        self._date = f"date: {formatdate(time.time(), usegmt=True)}\r\n".encode()
