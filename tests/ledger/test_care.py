from __future__ import annotations

from pathlib import Path

import pytest

from crossover.errors import FileError
from crossover.ledger import care, queries
from crossover.ledger.store import Ledger, open_ledger
from tests.ledger.parts import DAY, NOON, local, opened, record, ticking, write, writing


def kinds(ledger: Ledger) -> list[str]:
    return [each.kind for each in care.check(ledger)]


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE rollups SET requests = requests + 1", "roll-ups"),
        ("DELETE FROM rollups", "roll-ups"),
        ("UPDATE hours SET cost = cost + 1", "roll-ups"),
        ("DELETE FROM days", "roll-ups"),
        ("UPDATE records_2026_11 SET cost = cost + 1 WHERE number = 2", "roll-ups"),
        ("DELETE FROM decisions_2026_11 WHERE local = 1", "rows"),
        ("UPDATE decisions_2026_11 SET reason = 'because' WHERE local = 0", "rows"),
        ("UPDATE decisions_2026_11 SET refused = 'no list' WHERE local = 0", "rows"),
        ("INSERT INTO attempts_2026_11 VALUES (999999, 'x', 'ok', 0, 0, 0, 1, 0, 0, 0)", "rows"),
        ("INSERT INTO alternatives_2026_11 VALUES (999999, 'x', 0, 1, 0)", "rows"),
        ("UPDATE records_2026_11 SET time = 0 WHERE number = 1", "rows"),
        ("INSERT INTO budgets VALUES ('team', 'day', 0, 0, 5, 9)", "budgets"),
        ("UPDATE audit SET entry = '{}' WHERE number = 1", "audit"),
        ("DELETE FROM audit WHERE number = 1", "audit"),
        ("UPDATE audit SET time = time + 1 WHERE number = 2", "audit"),
    ],
)
def test_a_check_finds_what_was_changed_behind_its_back(tmp_path: Path, statement: str, kind: str) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("a"), local("b"), record("c")])
        ledger.audit("first", {"what": "a"})
        ledger.audit("second", {"what": "b"})
        assert kinds(ledger) == []
        with ledger.change() as connection:
            connection.execute(statement)
        assert kind in kinds(ledger)


def test_sums_are_made_anew_from_the_rows(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("a"), local("b")])
        before = ledger.rows("SELECT * FROM rollups ORDER BY deployment")
        with ledger.change() as connection:
            connection.execute("UPDATE rollups SET cost = 0, requests = 77")
            connection.execute("INSERT INTO budgets VALUES ('team', 'day', 0, 3, 5, 9)")
        assert care.mend_sums(ledger) == 2
        assert ledger.rows("SELECT * FROM rollups ORDER BY deployment") == before
        assert ledger.rows("SELECT spent, reserved FROM budgets") == [(3, 0)]
        assert kinds(ledger) == []


def test_rows_that_wait_beside_the_file_are_found(tmp_path: Path) -> None:
    from crossover.ledger.spill import spill, spill_of

    with opened(tmp_path / "ledger.db") as ledger:
        spill(spill_of(ledger.path, "deadbeef"), [record("a")])
        assert kinds(ledger) == ["spill"]


# ------------------------------------------------------------------------------------------------------------ pruning


def three_months(ledger: Ledger) -> None:
    with writing(ledger) as writer:
        for number, time in enumerate((NOON - 65 * DAY, NOON - 35 * DAY, NOON - 35 * DAY, NOON)):
            writer.append(record(f"r{number}", time=time))
            writer.keep_body(f"r{number}", time, "the question", "the answer")


def test_pruning_drops_whole_months_and_keeps_their_sums(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        three_months(ledger)
        assert care.prune(ledger, 30, dry_run=True).months == {"2026_09": 1}  # October ended 17 days ago
        assert ledger.rows("SELECT count(*) FROM records") == [(4,)]
        assert care.prune(ledger, 16).months == {"2026_09": 1, "2026_10": 2}
        assert [each.id for each in queries.records(ledger, 0, NOON + DAY)] == ["r3"]
        assert queries.total(ledger, 0, NOON + DAY).requests == 4
        assert kinds(ledger) == []
        care.mend_sums(ledger)
        assert queries.total(ledger, 0, NOON + DAY).requests == 4  # a repair does not forget what has no rows
        assert care.prune(ledger, 16).months == {}


def test_the_month_of_the_clock_is_never_pruned(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record()])
    with open_ledger(tmp_path / "ledger.db", clock=ticking(NOON + 1000 * DAY)) as ledger:
        assert care.prune(ledger, 1).months == {"2026_11": 1}
        write(ledger, [record("later")])
        assert queries.one(ledger, "later") is not None
        assert kinds(ledger) == []


def test_bodies_go_before_their_rows(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        three_months(ledger)
        found = care.prune(ledger, 400, 16)
        assert (found.months, found.bodies) == ({}, {"2026_09": 1, "2026_10": 2})
        assert queries.bodies(ledger, "r1") is None
        assert queries.bodies(ledger, "r3") == ("the question", "the answer")
        assert ledger.rows("SELECT count(*) FROM records") == [(4,)]
        assert care.prune(ledger, 400, 16).bodies == {}


def test_pruned_bodies_are_overwritten_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        with writing(ledger) as writer:
            writer.keep_body("a", NOON - 65 * DAY, "a-very-secret-question " * 500, "")
        care.prune(ledger, 30)
    assert b"a-very-secret-question" not in path.read_bytes()


# ------------------------------------------------------------------------------------------------------------- backup


def test_a_backup_is_one_whole_file_taken_while_a_writer_works(tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    with opened(tmp_path / "ledger.db") as ledger:
        with writing(ledger, flush_s=0.0) as writer:
            for number in range(500):
                writer.append(record(f"r{number}"))
            size = care.backup(ledger, target)
        assert size == target.stat().st_size
        assert not target.with_name("backup.db-wal").exists()
    with open_ledger(target, readonly=True) as copy:
        assert kinds(copy) == []
    assert sorted(each.name for each in tmp_path.iterdir() if "part" in each.name) == []


def test_a_backup_overwrites_nothing(tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    target.write_text("precious")
    with opened(tmp_path / "ledger.db") as ledger, pytest.raises(FileError, match="exists"):
        care.backup(ledger, target)
    assert target.read_text() == "precious"
