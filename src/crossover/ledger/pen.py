"""The pen: puts a batch of records into the file in one transaction, with roll-ups and settled reservations.

Statements insert many rows at a time. That is not only faster: the interpreter's lock is given away once per
statement, and a busy event loop may keep it for milliseconds each time.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from crossover.ledger import budgets, chain, rows
from crossover.ledger.files import transaction
from crossover.ledger.schema import (
    ALTERNATIVE_COLUMNS,
    ATTEMPT_COLUMNS,
    BODY_COLUMNS,
    DECISION_COLUMNS,
    GROUP_COLUMNS,
    RECORD_COLUMNS,
    SHORT_COLUMNS,
    SUM_COLUMNS,
    add_segment,
    month_of,
    segments_of,
)
from crossover.ledger.words import Record

AT_ONCE = (64, 8, 1)  # rows in one statement: few sizes, so that every statement stays prepared
MOST_DECISIONS = 2000  # remembered ids; more of them are only looked up again
# What a batch raises that holds a row no database takes: two rows of one id, text that is no text, figures too large.
BAD_ROW = (sqlite3.IntegrityError, OverflowError, ValueError, TypeError, KeyError, sqlite3.InterfaceError)

Body = tuple[str, float, str, str]  # request id, Unix seconds, what was asked, what was answered

_ROLL_UP = {
    table: f" ON CONFLICT ({', '.join(groups)}) DO UPDATE SET "
    + ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUM_COLUMNS)
    for table, groups in {"rollups": GROUP_COLUMNS, **SHORT_COLUMNS}.items()
}


class Pen:
    """Writes through one connection, which belongs to it alone. ``mended`` counts rows that had to be changed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._schema = -1
        self._segments: set[str] = set()
        self._known: dict[str, dict[rows.Row, int]] = {}
        self._statements: dict[tuple[str, int], str] = {}
        self.mended = 0

    def write(self, records: Sequence[Record], bodies: Sequence[Body], now: float) -> None:
        """One transaction with all of it, or none. Raises sqlite3.Error; bad rows are mended, never left out."""
        spent: dict[str, int] = {}
        for record in records:
            if record.reserved:
                spent.setdefault(record.id, record.marginal)
        try:
            self._transaction(records, bodies, spent)
        except BAD_ROW:
            mended = [rows.mend(record, now) for record in records]
            self.mended += sum(before != after for before, after in zip(records, mended, strict=True))
            clean = [(_clean(id_), float(time), _clean(asked), _clean(answer)) for id_, time, asked, answer in bodies]
            self._transaction(self._with_own_ids(mended), clean, spent)

    def _transaction(self, records: Sequence[Record], bodies: Sequence[Body], spent: dict[str, int]) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self._forget)  # segments made in a transaction that fails are gone with it
            with transaction(self._connection):
                batch = self._put_all(records, bodies)
                if spent:
                    budgets.settle(self._connection, spent)
            stack.pop_all()
        self._remember(batch)

    def _forget(self) -> None:
        self._schema = -1

    def _put_all(self, records: Sequence[Record], bodies: Sequence[Body]) -> rows.Batch:
        self._refresh()
        last, before = chain.head(self._connection)
        batch = rows.batch_of(records, self._last_number, self._known, last)
        for month, each in batch.months.items():
            self._insert(f"records_{month}", len(RECORD_COLUMNS), each.records)
            self._insert(f"attempts_{month}", len(ATTEMPT_COLUMNS), each.attempts)
            self._insert(f"alternatives_{month}", len(ALTERNATIVE_COLUMNS), each.alternatives)
            decisions = [rows.decision_row(number, content) for content, number in each.decisions.items()]
            self._insert(f"decisions_{month}", len(DECISION_COLUMNS), decisions, " ON CONFLICT (id) DO NOTHING")
        self._add_up("rollups", batch.sums)
        for table, sums in rows.short_of(batch.sums).items():
            self._add_up(table, {group: [rows.within(one) for one in row] for group, row in sums.items()})
        if batch.audited:
            entries = ((round(each.time * rows.MICRO), chain.entry_of(each)) for each in batch.audited)
            self._insert("audit", 5, chain.link(entries, last, before))
        self._add_bodies(bodies)
        return batch

    def _add_up(self, table: str, sums: Mapping[rows.Row, Sequence[float]]) -> None:
        found = [(*group, *sums[group]) for group in sorted(sums)]
        if found:
            self._insert(table, len(found[0]), found, _ROLL_UP[table])

    def _refresh(self) -> None:
        """Forget what is known of the file where another process changed its tables."""
        schema = self._connection.execute("PRAGMA schema_version").fetchone()[0]
        if schema != self._schema:
            self._schema = schema
            self._segments = set(segments_of(self._connection))
            self._known.clear()

    def _remember(self, batch: rows.Batch) -> None:
        if sum(map(len, self._known.values())) > MOST_DECISIONS:
            self._known.clear()
        for month, each in batch.months.items():
            if each.decisions:
                self._known.setdefault(month, {}).update(each.decisions)

    def _last_number(self, month: str) -> int:
        self._make_segment(month)
        last = self._connection.execute(f"SELECT max(number) FROM records_{month}").fetchone()[0]
        return int(last or 0)

    def _make_segment(self, month: str) -> None:
        if month not in self._segments:
            add_segment(self._connection, month)
            self._segments.add(month)
            self._schema = self._connection.execute("PRAGMA schema_version").fetchone()[0]

    def _insert(self, table: str, width: int, found: Sequence[rows.Row], after: str = "") -> None:
        start = 0
        for size in AT_ONCE:
            while len(found) - start >= size:
                statement = self._statements.get((table, size))
                if statement is None:
                    marks = ", ".join(["(" + ", ".join("?" * width) + ")"] * size)
                    statement = self._statements[table, size] = f"INSERT INTO {table} VALUES {marks}{after}"
                portion = found[start : start + size]
                self._connection.execute(statement, list(itertools.chain.from_iterable(portion)))
                start += size

    def _add_bodies(self, bodies: Iterable[Body]) -> None:
        by_month: dict[str, list[rows.Row]] = {}
        for id_, time, question, answer in bodies:
            by_month.setdefault(month_of(time), []).append((id_, round(time * rows.MICRO), question, answer))
        for month, found in by_month.items():
            self._make_segment(month)
            self._insert(f"bodies_{month}", len(BODY_COLUMNS), found, " ON CONFLICT (id) DO NOTHING")

    def _with_own_ids(self, records: Sequence[Record]) -> list[Record]:
        """The records with ids that no row has yet: the second of an id becomes ``id~2``."""
        taken: set[str] = set()
        found: list[Record] = []
        for record in records:
            name, names = record.id, self._names(record.id)
            while name in taken or self.has(name):
                name = next(names)
            taken.add(name)
            if name != record.id:
                self.mended += 1
                record = _renamed(record, name)  # noqa: PLW2901
            found.append(record)
        return found

    @staticmethod
    def _names(name: str) -> Iterator[str]:
        return (f"{name}~{number}" for number in itertools.count(2))

    def has(self, id_: str) -> bool:
        """Whether a row of this id is committed."""
        found = self._connection.execute("SELECT count(*) FROM records WHERE id = ?", (id_,)).fetchone()[0]
        return bool(found)


def _clean(text: str) -> str:
    return str(text).encode("utf-8", "replace").decode()


def _renamed(record: Record, name: str) -> Record:
    return msgspec.structs.replace(record, id=name)
