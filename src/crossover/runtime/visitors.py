"""The process of the pages beside a gateway: started by the first visitor, ends with the gateway or when nobody comes.

Started as a program of its own by :mod:`crossover.runtime.admin`, with a listener and a way to the gateway open.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from crossover.dashboard.words import House, Live
from crossover.runtime.dashboard import Book, KeptLock, pages, run
from crossover.runtime.errand import Asked, Task, Told
from crossover.runtime.schemes import Schemes, from_ledger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_PRIORITY = 5  # the gateway goes first wherever both want a core
_ANSWER_S = 10.0
_IDLE_S = 900.0  # nobody came for so long: the next one starts a new process
_LOOK_S = 5.0
_LINE = 1 << 20


class Line:
    """The way to the gateway: a question at a time. Where it breaks, the gateway has ended, and so do the pages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stop: asyncio.Event) -> None:
        self._reader, self._writer, self._stop = reader, writer, stop
        self._turn = asyncio.Lock()
        self.bodies = False

    async def ask(self, asked: Asked) -> Told | None:
        """The answer; None where none came."""
        async with self._turn:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    self._writer.write(msgspec.json.encode(asked) + b"\n")
                    line = await self._reader.readline()
            except (TimeoutError, ConnectionError):  # a late answer would be taken for that of the next question
                self._stop.set()
                return None
            if not line:
                self._stop.set()
                return None
            return msgspec.json.decode(line, type=Told)

    async def look(self) -> Live | None:
        """How the gateway stands."""
        told = await self.ask(Asked(ask="look"))
        return None if told is None else told.live

    async def drain(self, deployment: str, on: bool) -> str:
        """Take a deployment out, or in again."""
        told = await self.ask(Asked(ask="drain", name=deployment, on=on))
        return "the gateway does not answer" if told is None else told.against


class Living(Book):
    """The ledger of a gateway that runs: whether bodies may be shown follows its configuration."""

    def told(self, live: Live | None) -> None:
        """Take over what the gateway says of itself."""
        if live is not None and live.bodies != self.house.bodies:
            self.house = msgspec.structs.replace(self.house, bodies=live.bodies)


class Gate:
    """The gateway as the pages ask it; what it says of itself is passed on to the source."""

    def __init__(self, line: Line, book: Living) -> None:
        self._line, self._book = line, book

    async def look(self) -> Live | None:
        """How the gateway stands."""
        found = await self._line.look()
        self._book.told(found)
        return found

    async def drain(self, deployment: str, on: bool) -> str:
        """Take a deployment out, or in again."""
        return await self._line.drain(deployment, on)


class Seen:
    """Notes when somebody last came."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.last = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        self.last = time.monotonic()
        await self._app(scope, receive, send)


async def serve(task: Task) -> None:
    """Serve the pages until the gateway ends, or nobody has come for a while."""
    control = socket.socket(fileno=task.control)
    control.setblocking(False)
    listener = socket.socket(fileno=task.listener)
    stop = asyncio.Event()
    reader, writer = await asyncio.open_connection(sock=control, limit=_LINE)
    line = Line(reader, writer, stop)
    ledger = Path(task.ledger)
    house = House(ledger=ledger.name, writable=True, live=True)
    book = Living(ledger, house, plan=Schemes(Path(task.data) / "plan.json", from_ledger(ledger)))
    seen = Seen(pages(book, Gate(line, book), KeptLock(Path(task.data)), task.port))
    watching = asyncio.create_task(_watch(line, seen, stop))
    try:
        await run(seen, listener, stop)
    finally:
        watching.cancel()
        writer.close()


async def _watch(line: Line, seen: Seen, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(_LOOK_S)
        await line.look()  # sets ``stop`` where the gateway is gone
        if time.monotonic() - seen.last > _IDLE_S:
            stop.set()


def main() -> None:
    """Run with the task on the command line."""
    with contextlib.suppress(OSError):
        os.nice(_PRIORITY)
        # Where Linux shares out processors by sessions (https://man7.org/linux/man-pages/man7/sched.7.html, "The
        # autogroup feature"), a priority counts within one only: the session itself, which is our own, has one too.
        Path("/proc/self/autogroup").write_text(str(_PRIORITY))
    asyncio.run(serve(msgspec.json.decode(sys.argv[1], type=Task)))


if __name__ == "__main__":
    main()
