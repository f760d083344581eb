"""The ledger opened: reading, small changes, and the writer that serves a gateway.

::

    ledger = open_ledger(path)            # makes the file and brings its tables up to date
    writer = ledger.writer()              # a Book with a thread of its own, for dispatch and gateway
    ...
    await writer.aclose()                 # everything that was appended is committed
    ledger.close()

A ledger and each of its writers hold connections of their own. Several processes may write to one file: a gateway, a
Python client and the command line; see docs/decisions/0007-the-ledger.md.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from crossover.errors import StoreError
from crossover.ledger import keys
from crossover.ledger.chain import add_audit
from crossover.ledger.files import closed_on_error, connect, own_file, told, transaction
from crossover.ledger.schema import MIGRATIONS, Migration, migrate, refuse_strange, version_of
from crossover.ledger.words import Key
from crossover.ledger.writer import CAPACITY, FLUSH_S, LOOK_S, Writer


class Ledger:
    """One open ledger. Use it in the thread that opened it; close it, or use it as a context manager."""

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Callable[[], float], readonly: bool) -> None:
        self.path = path
        self.clock = clock
        self.readonly = readonly
        self._connection = connection

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; a writer made from it goes on."""
        self._connection.close()

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a SELECT. Raises StoreError."""
        with told(self.path):
            return self._connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Everything read inside is of one moment, whoever writes meanwhile. For short questions: it holds the log."""
        with told(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end, rolled back where anything is raised. Raises StoreError."""
        if self.readonly:
            raise StoreError("the ledger was opened to be read only", file=str(self.path))
        with told(self.path), transaction(self._connection):
            yield self._connection

    def writer(
        self,
        *,
        flush_s: float = FLUSH_S,
        capacity: int = CAPACITY,
        look_s: float = LOOK_S,
        on_keys: Callable[[dict[str, Key]], None] | None = None,
    ) -> Writer:
        """A book with a thread of its own; ``capacity`` rows may wait. What dead writers left is read back.

        ``on_keys`` is called in that thread with all keys, now and within ``look_s`` seconds of any change.
        """
        if self.readonly:
            raise StoreError("the ledger was opened to be read only", file=str(self.path))
        return Writer(self.path, clock=self.clock, flush_s=flush_s, capacity=capacity, look_s=look_s, on_keys=on_keys)

    def copy_to(self, target: Path) -> None:
        """Copy everything that is committed now to one new file; whoever writes meanwhile goes on writing."""
        with told(self.path):
            own_file(target)
            with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
                self._connection.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # no log beside it: whoever opens it to write makes one

    def load_keys(self) -> dict[str, Key]:
        """Hash → key, revoked and expired ones included."""
        with told(self.path):
            return keys.load(self._connection)

    def audit(self, action: str, facts: Mapping[str, str | int]) -> None:
        """Add an entry to the audit: an action and the names it concerns, never a value or a secret."""
        with self.change() as connection:
            add_audit(connection, action, facts, self.clock())


def open_ledger(
    path: Path | str,
    *,
    clock: Callable[[], float] = time.time,
    readonly: bool = False,
    migrations: tuple[Migration, ...] = MIGRATIONS,
) -> Ledger:
    """Open a ledger; without ``readonly`` the file is made where there is none, and its tables brought up to date.

    Raises StoreError: no such file (only with ``readonly``), not a ledger, damaged, written by a newer Crossover, on
    a network file system, read-only, disk full. A file of an older format can only be opened for writing.
    """
    place = Path(path)
    connection = connect(place, write=not readonly)
    with closed_on_error(connection), told(place):
        if readonly:
            version = version_of(connection)
            refuse_strange(version, len(migrations), str(place))
            if version != len(migrations):
                raise StoreError(
                        "the ledger is empty or of an older format", file=str(place),
                        hint="`crossover serve` or `crossover ledger repair` brings it up to date",
                    )  # fmt: skip
        else:
            migrate(connection, str(place), clock(), migrations)
    return Ledger(place, connection, clock, readonly)


def outdated(path: Path | str, migrations: tuple[Migration, ...] = MIGRATIONS) -> bool:
    """Whether a ledger is of an older format, which whoever opens it to write brings up to date.

    Raises StoreError as :func:`open_ledger` does.
    """
    place = Path(path)
    connection = connect(place, write=False)
    with contextlib.closing(connection), told(place):
        version = version_of(connection)
        refuse_strange(version, len(migrations), str(place))
        return (version or 0) < len(migrations)
