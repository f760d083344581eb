"""Rescue: what can be read of a damaged ledger goes into a new one, and a backup takes the place of a ledger.

Whatever was there is kept beside it under a name with the time; nothing is deleted.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from crossover.errors import FileError, StoreError
from crossover.ledger.audit import REPAIRED
from crossover.ledger.care import Finding, check, mend_sums, refuse_while_written, renew_periods
from crossover.ledger.files import DAMAGED, connect, no_ledger, told
from crossover.ledger.schema import (
    CHILDREN,
    MIGRATIONS,
    SEGMENT_TABLES,
    add_segment,
    refuse_strange,
    segments_of,
    version_of,
)
from crossover.ledger.store import Ledger, open_ledger

_LASTING = ("meta", "budgets", "reservations", "keys", "evidence", "grades", "audit", "rollups")
_SEGMENT = re.compile(r"records_(\d{4}_\d{2})")
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)  # names in the schema may be damaged too
MOST_BYTES = 2**40  # a length beyond it is damage itself
_BESIDE = ("", "-wal", "-shm")  # a database, its log, and the log's index


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair did. ``kept`` is where the damaged file is now, None where it was not damaged.

    ``rows`` counts what was read from it by table, ``unread`` names tables of which a part could not be read.
    """

    kept: Path | None
    roll_ups: int
    rows: dict[str, int]
    unread: tuple[str, ...]
    periods: tuple[str, ...]
    left: tuple[Finding, ...]


def repair(path: Path, *, clock: Callable[[], float] = time.time) -> Repaired:
    """Put a ledger right: sums anew from the rows; a damaged file is read row by row into a new one first.

    Raises StoreError while somebody writes to it, and where nothing can be read: then a backup is the way.
    """
    if not path.is_file():
        raise no_ledger(path)
    refuse_while_written(path)
    kept: Path | None = None
    rows: dict[str, int] = {}
    unread: list[str] = []
    if _damaged(path, clock):
        kept, rows, unread = _read_into_new(path, clock)
    with open_ledger(path, clock=clock) as ledger:
        ledger.writer().close()  # reads back what waits in spill files, marks reservations of the dead
        periods = renew_periods(ledger)
        roll_ups = mend_sums(ledger)
        left = check(ledger)
        ledger.audit(REPAIRED, {"damaged": int(kept is not None)})
    return Repaired(
        kept=kept, roll_ups=roll_ups, rows=rows, unread=tuple(unread), periods=tuple(periods), left=tuple(left)
    )


def _damaged(path: Path, clock: Callable[[], float]) -> bool:
    try:
        with open_ledger(path, clock=clock) as ledger:
            return any(finding.kind == "file" for finding in check(ledger))
    except StoreError as error:
        name = getattr(error.__cause__, "sqlite_errorname", "") or ""
        if error.message == DAMAGED or name.startswith(("SQLITE_NOTADB", "SQLITE_ERROR")):
            return True
        raise


def _read_into_new(path: Path, clock: Callable[[], float]) -> tuple[Path, dict[str, int], list[str]]:
    part, readable = path.with_name(path.name + ".part"), path.with_name(path.name + ".read")
    _remove(part)
    rows: dict[str, int] = {}
    unread: list[str] = []
    old = _open_damaged(path, readable)
    try:
        months = _months(old, path)
        with open_ledger(part, clock=clock) as fresh:
            with fresh.change() as connection:
                for month in sorted(set(months) - set(segments_of(connection))):
                    add_segment(connection, month)
            tables = [*_LASTING, *(f"{table}_{month}" for month in months for table in SEGMENT_TABLES)]
            for table in tables:
                rows[table], whole = _copy(old, fresh, table)
                if not whole:
                    unread.append(table)
            for month in months:
                _leave_out_orphans(fresh, month)
        kept = _aside(path, "damaged", clock())
        with told(path):
            part.replace(path)
    finally:
        old.close()
        _remove(readable)
        _remove(part)
    return kept, rows, unread


def _open_damaged(path: Path, whole: Path) -> sqlite3.Connection:
    """A connection to a copy, which has the length that the file says of itself: SQLite reads none that is shorter."""
    with told(path):
        for end in ("", "-wal"):
            if path.with_name(path.name + end).exists():
                shutil.copyfile(path.with_name(path.name + end), whole.with_name(whole.name + end))
        with whole.open("r+b") as file:
            head = file.read(32)  # https://sqlite.org/fileformat.html: 16 page size, 28 number of pages
            pages, size = int.from_bytes(head[28:32], "big"), int.from_bytes(head[16:18], "big")
            length = pages * (65_536 if size == 1 else size)
            if head.startswith(b"SQLite format 3") and whole.stat().st_size < length < MOST_BYTES:
                file.truncate(length)
        old = sqlite3.connect(whole, isolation_level=None)
        old.text_factory = lambda text: text.decode("utf-8", "replace")
        with contextlib.suppress(*_UNREADABLE):
            old.execute("PRAGMA writable_schema = ON")  # a damaged line of the schema must not hide all the others
        return old


def _months(old: sqlite3.Connection, path: Path) -> list[str]:
    try:
        names = [str(name) for (name,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    except _UNREADABLE as error:
        raise StoreError(
            "nothing of this file can be read", hint="Restore a backup: crossover ledger restore FILE", file=str(path)
        ) from error
    if len({"migrations", *_LASTING} & set(names)) < 3:
        raise StoreError("this is no ledger of Crossover", hint="Name another file", file=str(path))
    return sorted(found[1] for name in names if (found := _SEGMENT.fullmatch(name)))


def _copy(old: sqlite3.Connection, fresh: Ledger, table: str) -> tuple[int, bool]:
    """Copy what can be read of a table: from its start to the damage, then from its end back to it."""
    try:
        known = {row[1] for row in fresh.rows(f"PRAGMA table_info({table})")}
        names = [str(row[1]) for row in old.execute(f"PRAGMA table_info({table})") if row[1] in known]
    except _UNREADABLE:
        names = []
    if not names:
        return 0, False
    statement = (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) ON CONFLICT DO NOTHING"
    )
    read = f"SELECT rowid, {', '.join(names)} FROM {table}"
    with fresh.change() as connection:
        count, last, whole = _pour(old, f"{read} ORDER BY rowid", connection, statement)
        if not whole:
            backwards = f"{read} WHERE rowid > {last} ORDER BY rowid DESC"
            count += _pour(old, backwards, connection, statement)[0]
    return count, whole


def _leave_out_orphans(fresh: Ledger, month: str) -> None:
    """Attempts and alternatives of records that could not be read: their numbers are given to new records."""
    with fresh.change() as connection:
        for table in ("attempts", "alternatives"):
            connection.execute(
                f"DELETE FROM {table}_{month} WHERE number / {CHILDREN} NOT IN (SELECT number FROM records_{month})"
            )


def _pour(old: sqlite3.Connection, read: str, into: sqlite3.Connection, statement: str) -> tuple[int, int, bool]:
    """Insert rows until they end or cannot be read: how many, the number of the last, whether they ended."""
    count, last = 0, 0
    with contextlib.suppress(*_UNREADABLE):
        for row in old.execute(read):
            last = int(row[0])
            count += _put(into, statement, row[1:])
        return count, last, True
    return count, last, False


def _put(into: sqlite3.Connection, statement: str, row: tuple[Any, ...]) -> int:
    with contextlib.suppress(sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError):
        return max(0, into.execute(statement, row).rowcount)
    return 0  # damage made it no row of this table


# ------------------------------------------------------------------------------------------------------------ restore


def restore(path: Path, source: Path, *, clock: Callable[[], float] = time.time) -> Path | None:
    """Put a backup in the place of a ledger; where the ledger that was there is now (None: there was none).

    The backup is checked first. Raises FileError for one that is absent or damaged, StoreError while somebody writes.
    """
    if not source.is_file():
        raise FileError(
            "there is no such backup", hint="Name a file that crossover ledger backup wrote", file=str(source)
        )
    if path.exists() and path.samefile(source):
        raise FileError("this is the ledger itself", hint="Name the backup", file=str(source))
    refuse_while_written(path)
    part = path.with_name(path.name + ".part")
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    _remove(part)
    try:
        with told(source), contextlib.closing(connect(source, write=False)) as connection:
            refuse_strange(version_of(connection) or None, len(MIGRATIONS), str(source))
            Ledger(source, connection, clock, readonly=True).copy_to(part)
        with open_ledger(part, clock=clock) as copy:
            damage = [finding.text for finding in check(copy) if finding.kind == "file"]
        if damage:
            raise FileError(f"the backup is damaged: {damage[0]}", hint="Name another one", file=str(source))
        kept = _aside(path, "before-restore", clock()) if path.exists() else None
        with told(path):
            part.replace(path)
    finally:
        _remove(part)
    return kept


def _aside(path: Path, why: str, now: float) -> Path:
    """Move a ledger, with its log, to a name of its own beside it."""
    stamp = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    number, kept = 1, path.with_name(f"{path.name}.{why}-{stamp}")
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.{why}-{stamp}-{number}")
    with told(path):
        for end in _BESIDE:
            there = path.with_name(path.name + end)
            if there.exists():
                there.rename(kept.with_name(kept.name + end))
    return kept


def _remove(part: Path) -> None:
    for end in _BESIDE:
        part.with_name(part.name + end).unlink(missing_ok=True)
