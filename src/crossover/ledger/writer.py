"""The writer: the one thread that puts rows into the ledger, and the book that dispatch and gateway hold.

``append`` and ``release`` never wait. Rows are committed together every 100 ms; reservations that wait at the same
moment share one transaction, and whoever waits is woken when it is committed. While the file cannot be written, rows
go to a spill file beside it and are read back later; only when neither takes them do they wait in memory, and only
when that is full too is a row lost, which :meth:`Writer.health` counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from crossover.errors import StoreError
from crossover.ledger import keys
from crossover.ledger.budgets import mark_unsettled, reserve, settle, take_back
from crossover.ledger.files import Presence, connect, lives, meaning, transaction
from crossover.ledger.pen import BAD_ROW, Body, Pen
from crossover.ledger.spill import read_back, spill, spill_of, spills
from crossover.ledger.words import Budget, Health, Key, Record

FLUSH_S = 0.1
LOOK_S = 1.0  # how often changes by other processes (keys) are looked for, and a failed file is tried again
AT_ONCE = 1000  # rows in one transaction: reservations that come meanwhile wait a few milliseconds
CAPACITY = 20_000  # rows that may wait, about 30 MB
BODY_BYTES = 32 * 1024 * 1024  # of prompts and answers that may wait; beyond it they are not kept
_FAILURES = (sqlite3.Error, OSError, *BAD_ROW)


class _Job(msgspec.Struct):
    """Something to do inside the next transaction, and who waits for it."""

    do: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any] | None = None
    loop: asyncio.AbstractEventLoop | None = None


class Writer:
    """A :class:`crossover.ledger.words.Book` over one file. Made by ``Ledger.writer``; close it to end its thread."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time, flush_s: float = FLUSH_S,
                 capacity: int = CAPACITY, look_s: float = LOOK_S,
                 on_keys: Callable[[dict[str, Key]], None] | None = None,
                 ) -> None:  # fmt: skip
        self._path, self._clock, self._flush_s, self._capacity = path, clock, flush_s, capacity
        self._look_s = look_s
        self._connection = connect(path, write=True, any_thread=True)
        self._presence = Presence(path)
        self.token = self._presence.token
        self._pen = Pen(self._connection)
        self._rows: deque[Record] = deque()
        self._bodies: deque[Body] = deque()
        self._body_bytes = 0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._idle = False
        self._closing = False
        self._written = self._spilled = self._lost = 0
        self._in_hand = 0  # rows that are being written now
        self._error = ""  # what is wrong with the file; it stands until every row is in it
        self._failed = False  # … the last time that rows were written
        self._drained = time.monotonic()
        self._keys: dict[str, Key] = {}
        self._on_keys = on_keys
        self._seen = (-1, -1)  # data_version of the connection, number of the last change of a key
        try:
            with transaction(self._connection):
                mark_unsettled(self._connection, lambda token: token == self.token or lives(path, token))
            self._look_at_keys()
            self._recover()
        except (sqlite3.Error, OSError) as error:
            self._presence.leave()
            self._connection.close()
            raise meaning(error, path) from error
        self._thread = threading.Thread(target=self._run, name="crossover-ledger", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------------------------ the side of the event loop

    def append(self, record: Record) -> None:
        """Take a row; it is committed within 250 ms, and its reservation settled in the same transaction."""
        if len(self._rows) >= self._capacity or self._closing:
            self._lost += 1
            return
        self._rows.append(record)
        if self._idle:
            self._idle = False
            self._jobs.put(None)

    def keep_body(self, request_id: str, at: float, asked: str, answered: str) -> None:
        """Keep what was asked and answered (only where the user wants bodies kept); dropped where too many wait."""
        size = len(asked) + len(answered)
        if self._body_bytes + size <= BODY_BYTES and not self._closing:
            self._body_bytes += size
            self._bodies.append((request_id, at, asked, answered))

    async def reserve(self, request_id: str, budgets: tuple[Budget, ...], amount: int, now: float) -> Budget | None:
        """Set ``amount`` aside in every budget at once; None when it is committed, else the first that is too small.

        Raises StoreError where the ledger cannot be written: then nothing is set aside.
        """
        if not budgets or amount <= 0:
            return None
        token, made = self.token, False

        def do(connection: sqlite3.Connection) -> Budget | None:
            nonlocal made
            short = reserve(connection, request_id, budgets, amount, now, token)
            made = short is None
            return short

        def undo(connection: sqlite3.Connection) -> None:
            if made:
                take_back(connection, request_id, amount)

        try:
            found: Budget | None = await self._ask(do)
        except asyncio.CancelledError:
            with contextlib.suppress(StoreError):  # closed meanwhile: then it stays charged until somebody settles it
                self._put(_Job(undo))  # whoever wanted it has left; what earlier attempts cost is still to be settled
            raise
        return found

    def release(self, request_id: str) -> None:
        """Give a reservation back: nothing was spent. Without one nothing happens."""
        self._put(_Job(lambda connection: settle(connection, {request_id: 0})))

    async def change(self, do: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run a few statements inside the next transaction and give their result; StoreError where it fails."""
        return await self._ask(do)

    @property
    def keys(self) -> dict[str, Key]:
        """Hash → key, at most a second old; never changed, only replaced, so hold it no longer than a request."""
        return self._keys

    def health(self) -> Health:
        """How the ledger does now; cheap enough for every request."""
        queued = len(self._rows) + self._in_hand
        alive = self._thread.is_alive()
        return Health(
            healthy=alive and not self._error and queued < self._capacity,
            queued=queued,
            lag_s=time.monotonic() - self._drained if queued else 0.0,
            written=self._written,
            spilled=self._spilled,
            lost=self._lost,
            mended=self._pen.mended,
            error=self._error or ("" if alive else "the writer has ended"),
        )

    def close(self) -> None:
        """Write what waits and end the thread. Raises StoreError where rows could neither be written nor spilled."""
        if not self._closing:
            self._closing = True
            self._jobs.put(None)
            self._thread.join()
            self._connection.close()
            self._presence.leave()
        if self._rows:
            lost = len(self._rows)
            self._lost += lost
            self._rows.clear()
            raise StoreError(f"{lost} rows could not be written: {self._error}", file=str(self._path))

    async def aclose(self) -> None:
        """:meth:`close` without holding up the event loop."""
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def _put(self, job: _Job) -> None:
        if self._closing or not self._thread.is_alive():
            raise StoreError("the ledger is closed", file=str(self._path))
        self._jobs.put(job)

    async def _ask(self, do: Callable[[sqlite3.Connection], Any]) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._put(_Job(do, future, loop))
        return await future

    # ----------------------------------------------------------------------------------------- the side of the thread

    def _run(self) -> None:
        due = 0.0  # when waiting rows are to be written
        look = time.monotonic() + self._look_s
        try:
            while True:
                jobs = self._wait(due, look)
                if jobs:
                    self._do(jobs)
                now = time.monotonic()
                if self._rows or self._bodies:
                    due = due or now + self._flush_s
                    if now >= due or self._closing:
                        self._flush()
                        due = now + self._look_s if self._failed else 0.0
                if now >= look:
                    self._look_around()
                    look = now + self._look_s
                if self._closing and self._jobs.empty():
                    self._flush()
                    return
        finally:
            self._refuse_waiting()

    def _wait(self, due: float, look: float) -> list[_Job]:
        """The jobs that wait, or none when it is time to write or to look around."""
        self._idle = True  # an append that comes from here on sends a sign
        if self._rows:
            self._idle = False
        timeout = min(due or look, look) - time.monotonic()
        if self._rows and not due:
            timeout = 0.0
        found: list[_Job] = []
        with contextlib.suppress(queue.Empty):
            job = self._jobs.get(timeout=max(0.0, timeout)) if timeout > 0 else self._jobs.get_nowait()
            while True:
                if job is not None:
                    found.append(job)
                job = self._jobs.get_nowait()
        return found

    def _do(self, jobs: list[_Job]) -> None:
        """Do all jobs in one transaction, then wake whoever waits."""
        results: list[Any] = []
        failed: StoreError | None = None
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [job.do(self._connection) for job in jobs]
            self._connection.execute("COMMIT")
        except _FAILURES as error:
            self._roll_back()
            if len(jobs) > 1:  # one bad job must not fail the others
                for job in jobs:
                    self._do([job])
                return
            failed = _told(error, self._path)
        waiting: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any, StoreError | None]]] = {}
        for number, job in enumerate(jobs):
            if job.future is not None and job.loop is not None:
                result = None if failed else results[number]
                waiting.setdefault(job.loop, []).append((job.future, result, failed))
        for loop, answers in waiting.items():
            with contextlib.suppress(RuntimeError):  # a loop that has ended waits for nothing
                loop.call_soon_threadsafe(_wake, answers)

    def _flush(self) -> None:
        """Write the rows that wait now, in portions; what comes meanwhile waits for the next time."""
        started = time.monotonic()
        left = len(self._rows)
        self._do_waiting()  # what was released before a row came is released before that row settles
        while left > 0 or self._bodies:
            self._in_hand = min(left, AT_ONCE)
            rows = [self._rows.popleft() for _ in range(self._in_hand)]
            bodies = [self._bodies.popleft() for _ in range(min(len(self._bodies), AT_ONCE))]
            left -= len(rows)
            safe = self._write(rows, bodies)
            self._in_hand = 0
            if not safe:
                return
            if left > 0:
                self._do_waiting()
        self._drained = started

    def _do_waiting(self) -> None:
        jobs: list[_Job] = []
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    jobs.append(job)
        if jobs:
            self._do(jobs)

    def _write(self, rows: list[Record], bodies: list[Body]) -> bool:
        """Whether the rows are safe: in the file, or else in the spill file. Otherwise they wait on, first in line."""
        try:
            self._pen.write(rows, bodies, self._clock())
        except _FAILURES as error:
            self._roll_back()
            self._error, self._failed = _told(error, self._path).sentence(), True
            self._bodies.extendleft(reversed(bodies))
            try:
                spill(spill_of(self._path, self.token), rows)
            except (OSError, ValueError):
                self._rows.extendleft(reversed(rows))
                return False
            self._spilled += len(rows)
            return True
        self._written += len(rows)
        self._body_bytes -= sum(len(asked) + len(answered) for _, _, asked, answered in bodies)
        self._failed = False
        if not self._spilled:  # else a few rows found room where many did not, and those wait beside the file
            self._error = ""
        return True

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _look_around(self) -> None:
        """Once a second: changed keys; and where rows were spilled, whether the file takes them by now."""
        try:
            self._look_at_keys()
            if self._spilled:
                self._recover()
            if not self._rows:
                self._error = ""
        except _FAILURES as error:
            self._roll_back()
            self._error = _told(error, self._path).sentence()

    def _look_at_keys(self) -> None:
        version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        if version != self._seen[0]:
            change = keys.changes_of(self._connection)
            if change != self._seen[1]:
                self._keys = keys.load(self._connection)
                if self._on_keys is not None:
                    self._on_keys(self._keys)
            self._seen = (version, change)

    def _recover(self) -> None:
        """Read back what this writer, and writers that are dead, could not write."""
        for token, path in spills(self._path).items():
            if token != self.token and lives(self._path, token):
                continue
            for portion in read_back(path):
                missing = [record for record in portion if not self._pen.has(record.id)]
                self._pen.write(missing, (), self._clock())
                self._written += len(missing)
            path.unlink()
            if token == self.token:
                self._spilled = 0
                self._error = ""

    def _refuse_waiting(self) -> None:
        """The thread ends: whoever waits for a job hears so."""
        closed: StoreError | None = StoreError("the ledger is closed", file=str(self._path))
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None and job.future is not None and job.loop is not None:
                    with contextlib.suppress(RuntimeError):
                        job.loop.call_soon_threadsafe(_wake, [(job.future, None, closed)])


def _wake(answers: list[tuple[asyncio.Future[Any], Any, StoreError | None]]) -> None:
    for future, result, failed in answers:
        if not future.done():
            if failed is None:
                future.set_result(result)
            else:
                future.set_exception(failed)


def _told(error: Exception, path: Path) -> StoreError:
    if isinstance(error, (sqlite3.Error, OSError)):
        return meaning(error, path)
    return StoreError(f"the ledger refused a row: {error}", file=str(path))
