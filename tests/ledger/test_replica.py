from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossover.errors import InputError, StoreError
from crossover.ledger import queries, replica
from crossover.ledger.replica import TABLES, Filled, Replica, kind_of, open_replica
from crossover.ledger.schema import drop_segments
from crossover.ledger.store import open_ledger
from crossover.ledger.words import Alternative, Record
from tests.ledger.parts import DAY, NOON, RECORDS, local, opened, record, write


def filled(folder: Path, batch: int = 50_000) -> Filled:
    with open_ledger(folder / "l.db", readonly=True) as ledger, open_replica(folder / "r.duckdb") as copy:
        return copy.fill(ledger, batch=batch)


def some(count: int = 30, **facts: Any) -> list[Record]:
    return [
        record(f"r{n}", time=NOON + n, alternatives=(Alternative("box", n, local=True),), **facts) for n in range(count)
    ]


def whole(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every copied row of the ledger as SQLite has it, without the month."""
    with sqlite3.connect(path) as connection:
        months = [month for (month,) in connection.execute("SELECT month FROM segments ORDER BY month")]
        return {
            table: sorted(
                row
                for month in months
                for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}_{month}")
            )
            for table, columns in TABLES.items()
        }


def copied(copy: Replica) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(copy.rows(f"SELECT {', '.join(columns)} FROM {table}")) for table, columns in TABLES.items()}


def same(copy: list[tuple[Any, ...]], ledger: list[tuple[Any, ...]]) -> bool:
    """Equal, fractions to 15 digits."""

    def rounded(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(float(f"{value:.12g}") if isinstance(value, float) else value for value in row)

    def key(row: tuple[Any, ...]) -> tuple[str, ...]:
        return tuple(map(str, row))

    return sorted(map(rounded, copy), key=key) == sorted(map(rounded, ledger), key=key)


def test_the_kinds_of_columns_are_those_of_the_ledger(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        for table, columns in TABLES.items():
            found = ledger.rows(f"SELECT name, lower(type) FROM pragma_table_info('{table}_2026_11')")
            kinds = {"integer": "bigint", "double precision": "double"}
            assert {name: kinds.get(kind, kind) for name, kind in found} == {
                name: kind_of(table, name) for name in columns
            }, table


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(RECORDS, min_size=1, max_size=12, unique_by=lambda each: each.id))
def test_every_row_is_copied_as_it_is(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> None:
    folder = tmp_path_factory.mktemp("replica")
    with opened(folder / "l.db") as ledger:
        write(ledger, records)
    done = filled(folder, batch=5)
    assert (done.rows, done.total) == (len(records), len(records))
    expected = whole(folder / "l.db")
    with open_replica(folder / "r.duckdb", readonly=True) as copy:
        for table, rows in copied(copy).items():
            assert same(rows, expected[table]), table


def test_only_what_is_new_is_copied(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, some(20))
    first = filled(tmp_path, batch=7)
    assert (first.rows, first.children, first.months) == (20, 40, ("2026_11",))
    assert filled(tmp_path).rows == 0
    with opened(tmp_path / "l.db", now=NOON + 20 * DAY) as ledger:
        write(ledger, [local("new"), record("december", time=NOON + 20 * DAY)])
    second = filled(tmp_path)
    assert (second.rows, second.total, second.months) == (2, 22, ("2026_11", "2026_12"))


def test_the_ledger_is_never_written(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, some())
    before = hashlib.sha256((tmp_path / "l.db").read_bytes()).hexdigest()
    filled(tmp_path)
    assert hashlib.sha256((tmp_path / "l.db").read_bytes()).hexdigest() == before


KILLED = """
import os, signal, sys
from pathlib import Path
from crossover.ledger import replica
from crossover.ledger.store import open_ledger

folder, where = Path(sys.argv[1]), sys.argv[2]
commits = 0

class Dying(replica.Replica):
    def _commit(self, month, parts, mark):
        global commits
        commits += 1
        if where == "inside" and commits == 3:  # rows are written, and nobody says that it is done
            self._connection.execute("BEGIN")
            for table, arrays in parts:
                self._connection.register("batch", arrays)
                self._connection.execute(f"INSERT INTO {table} SELECT ?, * FROM batch", [month])
            os.kill(os.getpid(), signal.SIGKILL)
        super()._commit(month, parts, mark)
        if where == "between" and commits == 3:
            os.kill(os.getpid(), signal.SIGKILL)

with open_ledger(folder / "l.db", readonly=True) as ledger, replica.open_replica(folder / "r.duckdb") as copy:
    copy.__class__ = Dying
    copy.fill(ledger, batch=5)
"""


@pytest.mark.parametrize(("where", "reached"), [("inside", 10), ("between", 15)])
def test_a_killed_filling_goes_on_where_it_was(tmp_path: Path, where: str, reached: int) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, some(30))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), where], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    with open_replica(tmp_path / "r.duckdb", readonly=True) as copy:
        assert copy.rows("SELECT number FROM marks") == [(reached,)]
        for table in ("records", "attempts", "alternatives"):
            assert copy.rows(f"SELECT count(*) FROM {table}") == [(reached,)]
    assert filled(tmp_path, batch=5).rows == 30 - reached
    with open_replica(tmp_path / "r.duckdb", readonly=True) as copy:
        assert copied(copy) == whole(tmp_path / "l.db")


def test_what_the_ledger_forgot_is_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db", now=NOON + 20 * DAY) as ledger:
        write(ledger, [*some(5), record("december", time=NOON + 20 * DAY)])
    filled(tmp_path)
    with opened(tmp_path / "l.db", now=NOON + 20 * DAY) as ledger, ledger.change() as connection:
        drop_segments(connection, ["2026_11"])
    done = filled(tmp_path)
    assert (done.forgotten, done.total) == (("2026_11",), 1)
    with open_replica(tmp_path / "r.duckdb", readonly=True) as copy:
        assert copied(copy) == whole(tmp_path / "l.db")


def test_a_month_whose_rows_changed_is_filled_anew(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, some(9))
    filled(tmp_path)
    (tmp_path / "l.db").unlink()
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [record(f"other{n}") for n in range(9)])
    done = filled(tmp_path)
    assert (done.anew, done.rows, done.total) == (("2026_11",), 9, 9)


def test_prompts_and_answers_are_not_copied(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, some(2))
        with ledger.change() as connection:
            connection.execute("INSERT INTO bodies_2026_11 VALUES ('r1', 1, 'my secret question', 'an answer')")
    filled(tmp_path)
    assert b"my secret question" not in (tmp_path / "r.duckdb").read_bytes()


def test_sums_are_exact(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [record(f"r{n}", cost=10**18 + n, marginal=10**18 + n) for n in range(9)])
        total = queries.total(ledger, 0, NOON + DAY).marginal
    filled(tmp_path)
    with open_replica(tmp_path / "r.duckdb", readonly=True) as copy:
        ((found,),) = copy.rows("SELECT sum(paid_usd) FROM requests")
        ((at, asked),) = copy.rows("SELECT min(moment), any_value(asked) FROM requests")
    assert found == Decimal(total).scaleb(-12)
    assert (at.isoformat(), asked) == ("2026-11-17T12:00:00", "support")


def test_a_question_reads_nothing_else_and_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, some(2))
    filled(tmp_path)
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with open_replica(tmp_path / "r.duckdb", readonly=True) as copy:
        for question in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')", f"COPY records TO '{tmp_path}/x.csv'",
            "DELETE FROM records", "INSTALL httpfs", "SET enable_external_access = true",
            "SELECT * FROM nothing", "SELEC",
        ):  # fmt: skip
            with pytest.raises((InputError, StoreError)):
                copy.rows(question)
        assert copy.rows("SELECT count(*) FROM records") == [(2,)]


def test_files_that_are_no_replica_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="there is no replica here yet"):
        open_replica(tmp_path / "none.duckdb", readonly=True)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(StoreError, match="cannot be opened"):
        open_replica(tmp_path / "text")
    open_replica(tmp_path / "r.duckdb").close()
    monkeypatch.setattr(replica, "FORMAT", "2")
    with pytest.raises(StoreError, match="another format"):
        open_replica(tmp_path / "r.duckdb")


def test_one_process_at_a_time_fills(tmp_path: Path) -> None:
    holding = "import sys; from crossover.ledger.replica import open_replica; open_replica(sys.argv[1])"
    with open_replica(tmp_path / "r.duckdb"):
        done = subprocess.run(
            [sys.executable, "-c", holding, str(tmp_path / "r.duckdb")], capture_output=True, text=True, check=False
        )  # fmt: skip
    assert "another process has it open" in done.stderr
    assert (tmp_path / "r.duckdb").stat().st_mode & 0o077 == 0
