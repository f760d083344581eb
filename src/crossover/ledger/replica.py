"""A copy of the ledger's rows in DuckDB, for reports that add up millions of them; made anew from the ledger any time.

The ledger is opened to be read only and is never written. Each batch of rows is one transaction of the replica, with
the mark up to which it reaches: whoever kills the filling process loses at most the batch under way, and the next one
goes on from the mark. Months that the ledger forgot are forgotten here too; a month whose rows changed (a repair, a
backup put in its place) is filled anew. Prompts and answers are not copied.

DuckDB is in the extra ``analytics``; its file belongs to one process at a time.
"""

from __future__ import annotations

import contextlib
import time as clock
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from crossover.errors import InputError, MissingExtraError, StoreError
from crossover.ledger.schema import (
    ALTERNATIVE_COLUMNS,
    ATTEMPT_COLUMNS,
    CHILDREN,
    DECISION_COLUMNS,
    RECORD_COLUMNS,
)
from crossover.ledger.store import Ledger

if TYPE_CHECKING:
    import duckdb

FORMAT = "1"
BATCH = 50_000  # rows of requests in one transaction
TABLES: dict[str, tuple[str, ...]] = {
    "records": RECORD_COLUMNS,
    "decisions": DECISION_COLUMNS,
    "attempts": ATTEMPT_COLUMNS,
    "alternatives": ALTERNATIVE_COLUMNS,
}
# What is neither text nor a fraction is a whole number; a test holds this against the ledger's own tables.
_TEXTS: dict[str, frozenset[str]] = {
    "records": frozenset({"id", "key", "status", "error", "counts"}),
    "decisions": frozenset(DECISION_COLUMNS) - {"id", "local", "away"},
    "attempts": frozenset({"deployment", "outcome"}),
    "alternatives": frozenset({"deployment"}),
}
_FRACTIONS = frozenset({"queue_ms", "ttft_ms", "total_ms", "start_ms", "duration_ms"})
_TEXT_LIST = msgspec.json.Decoder(list[str]).decode
_FLOAT_LIST = msgspec.json.Decoder(list[float]).decode
_INT_LIST = msgspec.json.Decoder(list[int]).decode
_PRICE_LIST = msgspec.json.Decoder(list[int | None]).decode
Arrays = dict[str, Any]
_MEMORY = "1GB"
_AT_ONCE = 500  # decisions asked for in one question: SQLite takes no more than some thousand values
# What reports ask: a row a request, its decision beside it, money in exact dollars and time as such.
_VIEW = f"""
CREATE OR REPLACE VIEW requests AS
SELECT make_timestamp(r.time) AS moment, r.id, r.key, r.status, r.error, r.ttft_ms, r.total_ms, r.queue_ms,
  r.input_tokens, r.cached_read, r.output_tokens, r.reasoning, r.cost::DECIMAL(20, 0) * 0.000000000001 AS priced_usd,
  r.marginal::DECIMAL(20, 0) * 0.000000000001 AS paid_usd,
  r.best::DECIMAL(20, 0) * 0.000000000001 AS cheapest_api_usd,
  {", ".join(f"d.{name}" for name in DECISION_COLUMNS if name not in ("id", "privacy", "went", "refused", "dropped"))}
FROM records r LEFT JOIN decisions d ON d.month = r.month AND d.id = r.decision
"""


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What a filling did: rows of requests copied, with their attempts and alternatives; months forgotten or anew."""

    rows: int
    children: int
    seconds: float
    months: tuple[str, ...]
    forgotten: tuple[str, ...]
    anew: tuple[str, ...]
    total: int

    @property
    def rate(self) -> float:
        """Rows of requests a second."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0


class Replica:
    """One open replica. Close it, or use it as a context manager; one process at a time has it open for writing."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.path = path
        self._connection = connection

    def __enter__(self) -> Replica:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a question. Raises InputError for one that DuckDB does not understand."""
        return self.table(statement, values)[1]

    def table(self, statement: str, values: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The names of a question's columns, and its rows. Raises InputError."""
        with self._told():
            found = self._connection.execute(statement, list(values))
            return [column[0] for column in found.description or ()], found.fetchall()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except duckdb.IOException as error:
            raise StoreError(f"the replica cannot be used: {_short(error)}", file=str(self.path)) from None
        except duckdb.Error as error:
            raise InputError(f"DuckDB: {_short(error)}", field="--query") from None

    # ------------------------------------------------------------------------------------------------------- filling

    def fill(
        self,
        ledger: Ledger,
        *,
        batch: int = BATCH,
        timer: Callable[[], float] = clock.perf_counter,
        told: Callable[[str, int], None] = lambda _month, _rows: None,
    ) -> Filled:
        """Copy what the ledger has and the replica has not. ``told`` hears of each batch that is committed."""
        began = timer()
        months = [str(month) for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month")]
        marks = {month: (number, id_) for month, number, id_ in self.rows("SELECT month, number, id FROM marks")}
        forgotten = [month for month in sorted(marks) if month not in months]
        anew = [month for month in months if month in marks and not _still_there(ledger, month, *marks[month])]
        for month in (*forgotten, *anew):
            self._forget(month)
            del marks[month]
        rows = children = 0
        touched = []
        for month in months:
            for count, below in self._fill_month(ledger, month, marks.get(month, (0, ""))[0], batch):
                rows, children = rows + count, children + below
                touched.append(month)
                told(month, count)
        (total,) = self.rows("SELECT count(*) FROM records")[0]
        return Filled(
            rows=rows, children=children, seconds=timer() - began, months=tuple(dict.fromkeys(touched)),
            forgotten=tuple(forgotten), anew=tuple(anew), total=total,
        )  # fmt: skip

    def _fill_month(self, ledger: Ledger, month: str, after: int, batch: int) -> Iterator[tuple[int, int]]:
        """Batches of one month, each committed with its mark; the next is read while one is being written.

        SQLite walks over rows, and DuckDB takes them, without the interpreter's lock: two processors are used.
        """
        known = {id_ for (id_,) in self.rows("SELECT id FROM decisions WHERE month = ?", (month,))}
        with ThreadPoolExecutor(1) as writer:
            under_way: tuple[Future[None], tuple[int, int]] | None = None
            for parts, mark, sizes in _read(ledger, month, after, batch, known):
                if under_way is not None:
                    under_way[0].result()
                    yield under_way[1]
                under_way = writer.submit(self._commit, month, parts, mark), sizes
            if under_way is not None:
                under_way[0].result()
                yield under_way[1]

    def _commit(self, month: str, parts: Sequence[tuple[str, Arrays]], mark: tuple[int, str]) -> None:
        """One transaction: the rows of every table, and how far they reach."""
        connection = self._connection
        with self._told():
            connection.execute("BEGIN")
            for table, arrays in parts:
                if len(arrays[TABLES[table][0]]):
                    connection.register("batch", arrays)
                    connection.execute(f"INSERT INTO {table} SELECT ?, * FROM batch", [month])
                    connection.unregister("batch")
            connection.execute("DELETE FROM marks WHERE month = ?", [month])
            connection.execute("INSERT INTO marks VALUES (?, ?, ?)", [month, *mark])
            connection.execute("COMMIT")

    def _forget(self, month: str) -> None:
        with self._told():
            self._connection.execute("BEGIN")
            for table in (*TABLES, "marks"):
                self._connection.execute(f"DELETE FROM {table} WHERE month = ?", [month])
            self._connection.execute("COMMIT")


def kind_of(table: str, column: str) -> str:
    """``text``, ``double`` or ``bigint``."""
    if column in _TEXTS[table]:
        return "text"
    return "double" if column in _FRACTIONS else "bigint"


def _still_there(ledger: Ledger, month: str, number: int, id_: str) -> bool:
    """Whether the last row that was copied still is the row of that number."""
    return ledger.rows(f"SELECT id FROM records_{month} WHERE number = ?", (number,)) == [(id_,)]


def _read(
    ledger: Ledger, month: str, after: int, batch: int, known: set[int]
) -> Iterator[tuple[list[tuple[str, Arrays]], tuple[int, str], tuple[int, int]]]:
    """Batches of one month: the arrays of each table, the mark, and how many rows and children. Adds to ``known``."""
    while True:
        with ledger.at_once():
            above = ledger.rows(
                f"SELECT number FROM records_{month} WHERE number > ? ORDER BY number LIMIT 1 OFFSET ?",
                (after, batch - 1),
            ) or ledger.rows(f"SELECT max(number) FROM records_{month} WHERE number > ?", (after,))
            last = above[0][0]
            if last is None:
                return
            span = ((after + 1) * CHILDREN, (last + 1) * CHILDREN)
            records = _arrays(ledger, month, "records", "number > ? AND number <= ?", (after, last))
            children = [
                (table, _arrays(ledger, month, table, "number >= ? AND number < ?", span))
                for table in ("attempts", "alternatives")
            ]
            fresh = sorted(set(records["decision"].tolist()) - known)
            decisions = [
                ("decisions", _arrays(ledger, month, "decisions", f"id IN ({', '.join('?' * len(some))})", some))
                for some in (fresh[start : start + _AT_ONCE] for start in range(0, len(fresh), _AT_ONCE))
            ]
        known.update(fresh)
        mark = (int(last), str(records["id"][records["number"].argmax()]))
        yield (
            [("records", records), *children, *decisions],
            mark,
            (len(records["number"]), sum(len(each["number"]) for _, each in children)),
        )
        after = last


def _arrays(ledger: Ledger, month: str, table: str, condition: str, values: Sequence[int]) -> Arrays:
    """The columns of some rows as arrays. SQLite makes one JSON text of each column, in one walk over the rows.

    That is more than twice as fast as a Python object for every value: 24 columns of 50,000 rows are 1.2 million.
    Fractions have 15 significant digits.
    """
    columns = TABLES[table]
    wanted = ", ".join(f"json_group_array({name})" for name in columns)
    (texts,) = ledger.rows(f"SELECT {wanted} FROM {table}_{month} WHERE {condition}", values)
    return {name: _array(kind_of(table, name), name, text) for name, text in zip(columns, texts, strict=True)}


def _array(kind: str, name: str, text: str) -> Any:
    if kind == "text":
        return np.array(_TEXT_LIST(text), dtype=object)
    if kind == "double":
        return np.array(_FLOAT_LIST(text), dtype=np.float64)
    if name != "best" or "null" not in text:
        return np.array(_INT_LIST(text), dtype=np.int64)
    found = _PRICE_LIST(text)  # nobody has a price for it: None
    missing = np.array([value is None for value in found], dtype=np.bool_)
    return np.ma.array(np.array([value or 0 for value in found], dtype=np.int64), mask=missing)


def _short(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())


# ------------------------------------------------------------------------------------------------------------- the file


def open_replica(path: Path | str, *, readonly: bool = False) -> Replica:
    """Open a replica; without ``readonly`` the file is made where there is none.

    Raises MissingExtraError where DuckDB is not installed, StoreError for a file that is no replica, one of another
    format, one that another process has open, or (``readonly``) none.
    """
    duckdb = _duckdb()
    place = Path(path)
    if readonly and not place.is_file():
        raise StoreError("there is no replica here yet", hint="crossover ledger replica makes one", file=str(place))
    # Nothing is loaded, fetched or read beside the file itself, whatever a question asks for.
    config: dict[str, Any] = {
        "memory_limit": _MEMORY, "autoinstall_known_extensions": False, "autoload_known_extensions": False,
        "enable_external_access": False, "lock_configuration": True,
    }  # fmt: skip
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(str(place), read_only=readonly, config=config)
    except (duckdb.Error, OSError) as error:
        what = "another process has it open" if "lock" in str(error).lower() else _short(error)
        raise StoreError(f"the replica cannot be opened: {what}", file=str(place)) from None
    with contextlib.ExitStack() as stack:
        stack.callback(connection.close)
        if not readonly:
            place.chmod(0o600)
        _prepare(connection, place, readonly)
        stack.pop_all()
    return Replica(place, connection)


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("analytics", "the replica") from None
    return duckdb


def _prepare(connection: duckdb.DuckDBPyConnection, place: Path, readonly: bool) -> None:
    """Make the tables where there are none; refuse a file that holds something else. Raises StoreError."""
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if "marks" in tables:
        found = connection.execute("SELECT value FROM replica").fetchone()
        if found != (FORMAT,):
            raise StoreError("the replica has another format", hint="Remove the file: it is made anew", file=str(place))
        return
    if tables or readonly:
        raise StoreError("this is no replica of a ledger", hint="Name another file", file=str(place))
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE replica (value VARCHAR NOT NULL)")
    connection.execute("INSERT INTO replica VALUES (?)", [FORMAT])
    connection.execute("CREATE TABLE marks (month VARCHAR NOT NULL, number BIGINT NOT NULL, id VARCHAR NOT NULL)")
    kinds = {"text": "VARCHAR", "double": "DOUBLE", "bigint": "BIGINT"}
    for table, columns in TABLES.items():
        parts = [f"{name} {kinds[kind_of(table, name)]}" for name in columns]
        connection.execute(f"CREATE TABLE {table} (month VARCHAR NOT NULL, {', '.join(parts)})")
    connection.execute(_VIEW)
    connection.execute("COMMIT")
