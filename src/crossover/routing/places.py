"""Places: how many calls a deployment takes at once, and who waits for one.

An own machine is slower for everybody when it is overfull, and engines queue without bound; so the queue is kept here,
where a deadline can end it.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Places:
    """The places of one deployment; ``limit`` 0 means no limit. First come, first served.

    Each ``take`` or ``wait`` that gave True is followed by one ``give``. Both limits may be changed at any time with
    ``change``; calls under way go on.
    """

    __slots__ = ("_waiting", "flying", "limit", "queue")

    def __init__(self, limit: int, queue: int) -> None:
        self.limit = limit
        self.queue = queue
        self.flying = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    @property
    def busy(self) -> tuple[int, int]:
        """(calls in flight, waiting)."""
        return self.flying, len(self._waiting)

    def take(self) -> bool:
        """Take a place if one is free and nobody waits for it."""
        if self.limit and (self.flying >= self.limit or self._waiting):
            return False
        self.flying += 1
        return True

    async def wait(self, seconds: float) -> bool:
        """Wait for a place at most so long; False where none came, or where the queue is full."""
        if len(self._waiting) >= self.queue or seconds <= 0:
            return False
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            async with asyncio.timeout(seconds):
                await mine
        except TimeoutError:
            return self._leave(mine)
        except asyncio.CancelledError:
            if self._leave(mine):
                self.give()
            raise
        return True

    def give(self) -> None:
        """Give a place back; it goes to whoever waits longest."""
        self.flying -= 1
        self._hand_out()

    def change(self, limit: int, queue: int) -> None:
        """Other limits from now on; who waits goes on at once where there is room now."""
        self.limit, self.queue = limit, queue
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and (not self.limit or self.flying < self.limit):
            heir = self._waiting.popleft()
            if not heir.done():
                heir.set_result(None)
                self.flying += 1

    def _leave(self, mine: asyncio.Future[None]) -> bool:
        """Stop waiting; True where the place arrived in the same moment and is held now."""
        if mine.done() and not mine.cancelled():
            return True
        if mine in self._waiting:
            self._waiting.remove(mine)
        return False
