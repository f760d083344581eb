from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from crossover.errors import InputError
from crossover.ledger import audit, care
from crossover.ledger.audit import Checked, Mark, expected, verify
from crossover.ledger.chain import audit_hash, link
from crossover.ledger.store import Ledger, open_ledger
from crossover.ledger.words import Record
from tests.ledger.parts import (
    DAY,
    HOUR,
    NOON,
    away,
    call,
    local,
    opened,
    record,
    redacted,
    stayed,
    stopped,
    ticking,
    write,
)

LATER = NOON + 2 * HOUR  # in an hour that is audited from its begin


def some(count: int = 6, start: int = 1, time: float = LATER) -> list[Record]:
    """Requests that all have an entry."""
    kinds = (away, redacted, stayed, stopped)
    return [kinds[n % 4](f"r{n}", time=time + n) for n in range(start, start + count)]


def change(ledger: Ledger, *statements: str) -> None:
    with ledger.change() as connection:
        for statement in statements:
            connection.execute(statement)


def rehash(ledger: Ledger, number: int) -> None:
    """Give an entry the hash of what it says now."""
    row = ledger.rows("SELECT number, time, previous, entry FROM audit WHERE number = ?", (number,))[0]
    digest = audit_hash(*row)
    with ledger.change() as connection:
        connection.execute("UPDATE audit SET hash = ? WHERE number = ?", (digest, number))


def head(ledger: Ledger) -> Mark:
    return Mark(*ledger.rows("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")[0])


def fault_of(done: Checked) -> tuple[str, int]:
    assert done.fault is not None
    assert not done.good
    assert "\n" not in done.fault.sentence()
    return done.fault.kind, done.fault.number


# --------------------------------------------------------------------------------------------------------- the chain


def test_a_whole_chain_agrees_with_its_records(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        ledger.audit("key created", {"key": "key_1"})
        write(ledger, [*some(), local("clean")])
        done = verify(ledger)
        assert (done.good, done.entries, done.requests, done.left) == (True, 7, 6, 3)
        assert (done.first, done.last) == (NOON, LATER + 6)
        assert done.head == head(ledger)
        assert done.months == ("2026_11",)


def test_an_empty_ledger_is_whole(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        done = verify(ledger)
        assert (done.good, done.entries, done.first, done.head) == (True, 0, None, audit.ORIGIN)
        assert fault_of(verify(ledger, Mark(3, "a" * 64))) == ("cut", 1)


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (["UPDATE audit SET entry = '{}' WHERE number = 3"], ("edited", 3)),
        (["UPDATE audit SET entry = replace(entry, 'openai', 'nobody') WHERE number = 1"], ("edited", 1)),
        (["UPDATE audit SET time = time + 1 WHERE number = 6"], ("edited", 6)),
        (["UPDATE audit SET time = 'soon' WHERE number = 2"], ("edited", 2)),
        (["UPDATE audit SET hash = previous WHERE number = 2"], ("edited", 2)),
        (["UPDATE audit SET previous = hash WHERE number = 2"], ("edited", 2)),
        (["DELETE FROM audit WHERE number = 3"], ("missing", 3)),
        (["DELETE FROM audit WHERE number IN (3, 4)"], ("missing", 3)),
        (["DELETE FROM audit WHERE number = 1"], ("missing", 1)),
        (["DELETE FROM audit WHERE number = 3", "UPDATE audit SET number = 3 WHERE number = 6"], ("out of order", 3)),
        (
            [
                "UPDATE audit SET number = 99 WHERE number = 2",
                "UPDATE audit SET number = 2 WHERE number = 3",
                "UPDATE audit SET number = 3 WHERE number = 99",
            ],
            ("out of order", 2),
        ),
        (  # one is taken out and the others move up
            ["DELETE FROM audit WHERE number = 2", "UPDATE audit SET number = number - 1 WHERE number > 2"],
            ("out of order", 2),
        ),
        (["UPDATE audit SET number = 0 WHERE number = 5"], ("out of order", 0)),
    ],
)
def test_the_first_bad_entry_is_named(tmp_path: Path, statements: list[str], fault: tuple[str, int]) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, some())
        change(ledger, *statements)
        assert fault_of(verify(ledger)) == fault
        assert "audit" in [found.kind for found in care.check(ledger)]


def test_an_entry_changed_together_with_its_hash_is_found_at_the_next(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, some())
        change(ledger, "UPDATE audit SET entry = replace(entry, '\"left\":true', '\"left\":false') WHERE number = 4")
        rehash(ledger, 4)
        assert fault_of(verify(ledger)) == ("edited", 5)


def test_a_tail_that_is_cut_off_is_found_by_the_records_and_by_a_noted_head(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, some())
        noted = head(ledger)
        assert verify(ledger, noted).good
        assert verify(ledger, Mark(2, ledger.rows("SELECT hash FROM audit WHERE number = 2")[0][0])).good
        change(ledger, "DELETE FROM audit WHERE number > 4")
        done = verify(ledger)
        assert (done.fault, done.differing) == (None, 3)
        assert done.differences == (
            "the record of r5 names entry 5, which is gone",
            "the record of r6 names entry 6, which is gone",
            "2026-11-17: 3 answers came from outside, and the audit knows 2",
        )
        assert fault_of(verify(ledger, noted)) == ("cut", 5)
        change(ledger, "DELETE FROM records_2026_11 WHERE audit > 4", "DELETE FROM rollups")
        assert verify(ledger).good  # now only the noted head knows
        assert fault_of(verify(ledger, noted)) == ("cut", 5)


def test_a_chain_made_anew_is_found_by_a_noted_head(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, some())
        noted = head(ledger)
        entries = ledger.rows("SELECT time, replace(entry, 'health', 'custom') FROM audit ORDER BY number")
        with ledger.change() as connection:
            connection.execute("DELETE FROM audit")
            connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", link(entries, 0, audit.ORIGIN.hash))
        assert verify(ledger).fault is None
        assert fault_of(verify(ledger, noted)) == ("edited", 6)


@pytest.mark.parametrize(
    "text", ["", "@", "12", "a@1", f"{'g' * 64}@1", f"{'a' * 64}@", f"{'a' * 64}@-1", f"{'a' * 64}@9{'9' * 20}"]
)
def test_what_is_no_noted_head_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="as `verify` printed it"):
        expected(text)


def test_a_noted_head_is_read_as_it_is_printed() -> None:
    mark = Mark(12, "ab" * 32)
    assert expected(f" {str(mark).upper()} ") == mark


# ------------------------------------------------------------------------------------------------------- the records


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM records_2026_11 WHERE id = 'r1'", "r1 has no record"),
        ("UPDATE records_2026_11 SET audit = 0 WHERE id = 'r3'", "the record of r3 names none"),
        ("UPDATE records_2026_11 SET audit = 2 WHERE id = 'r3'", "the record of r3 names entry 2"),
        ("UPDATE records_2026_11 SET key = 'key_2' WHERE id = 'r2'", "the record of r2 says otherwise"),
        ("UPDATE decisions_2026_11 SET away = 0", "the record of r1 says otherwise"),
    ],
)
def test_records_that_disagree_are_named(tmp_path: Path, statement: str, said: str) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, some(3))
        change(ledger, statement)
        done = verify(ledger)
        assert done.fault is None
        assert not done.good
        assert said in " | ".join(done.differences)


def test_a_request_that_left_without_an_entry_is_named(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [away("last")])
        change(ledger, "DELETE FROM audit", "UPDATE records_2026_11 SET audit = 0")
        assert verify(ledger).differences[0] == "last left without an entry"


def test_only_the_first_differences_are_told(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, some(40))
        change(ledger, "DELETE FROM records_2026_11 WHERE number <= 30", "DELETE FROM rollups")
        done = verify(ledger)
        assert (done.differing, len(done.differences)) == (30, 10)


def test_months_that_are_pruned_keep_their_entries_and_their_count(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        write(ledger, some())
    with opened(path, NOON + 90 * DAY) as ledger:
        write(ledger, some(start=7, time=NOON + 90 * DAY + HOUR))
        assert care.prune(ledger, 30).months == {"2026_11": 6}
        done = verify(ledger)
        assert (done.good, done.requests, done.months) == (True, 12, ("2027_02",))
        # Who takes a request that left out of the chain, and makes the chain anew, is betrayed by the roll-ups.
        entries = ledger.rows("SELECT time, entry FROM audit WHERE entry NOT LIKE '%\"r4\"%' ORDER BY number")
        with ledger.change() as connection:
            connection.execute("DELETE FROM audit")
            connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", link(entries, 0, audit.ORIGIN.hash))
        done = verify(ledger)
        assert done.fault is None
        assert "2026-11-17: 3 answers came from outside, and the audit knows 2" in done.differences


def test_requests_of_before_the_audit_are_not_missed(tmp_path: Path) -> None:
    from tests.ledger.test_schema import frozen

    with opened(frozen(tmp_path / "ledger.db"), NOON + DAY) as ledger:
        write(ledger, [away("new", time=NOON + DAY + HOUR)])
        done = verify(ledger)
        assert (done.good, done.requests) == (True, 1)
        assert audit.audited_since(ledger) == NOON + DAY


def test_records_lost_in_a_repair_are_explained(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        ledger.audit("ledger repaired", {"damaged": 0})
        assert verify(ledger).repaired is None
        ledger.audit("ledger repaired", {"damaged": 1})
        assert verify(ledger).repaired == NOON


def test_a_ledger_that_is_written_to_is_verified_up_to_where_it_was(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        with open_ledger(ledger.path, clock=ticking()) as other:
            writer = other.writer(flush_s=0.0)
            for number in range(300):
                writer.append(away(f"r{number}", time=LATER))
                if number % 100 == 50:
                    assert verify(ledger).good
            writer.close()
        assert verify(ledger).entries == 300


# ---------------------------------------------------------------------------------------------------------- a cut


def aged(path: Path) -> None:
    """Entries of three days."""
    for day in range(3):
        with opened(path, NOON + day * DAY) as ledger:
            write(ledger, some(4, 1 + day * 4, NOON + day * DAY))


def test_what_is_left_of_a_cut_chain_is_verified(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    aged(path)
    with opened(path, NOON + 2 * DAY + HOUR) as ledger:
        noted = head(ledger)
        old = Mark(5, ledger.rows("SELECT hash FROM audit WHERE number = 5")[0][0])
        last = Mark(8, ledger.rows("SELECT hash FROM audit WHERE number = 8")[0][0])
        assert audit.cut(ledger, 1, dry_run=True) == 8
        assert audit.cut(ledger, 0) == 0
        assert audit.cut(ledger, 1) == 8
        done = verify(ledger, noted)
        assert (done.good, done.entries, done.begin) == (True, 5, last)
        assert verify(ledger, last).good
        assert fault_of(verify(ledger, Mark(8, "0" * 64))) == ("edited", 8)
        assert fault_of(verify(ledger, old)) == ("cut", 5)  # too old to prove anything now
        assert audit.cut(ledger, 1) == 0
        assert care.check(ledger) == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM audit WHERE number = 9", ("missing", 1)),
        ("UPDATE audit SET previous = hash WHERE number = 9", ("edited", 9)),
        ("UPDATE audit SET entry = replace(entry, '\"through\":8', '\"through\":7') WHERE number = 13", ("missing", 1)),
        ("DELETE FROM meta WHERE name = 'audit_cut'", ("missing", 1)),
        ("UPDATE meta SET value = '9' WHERE name = 'audit_cut'", ("missing", 1)),
        ("UPDATE audit SET entry = replace(entry, 'cut', 'kut') WHERE number = 13", ("missing", 1)),
    ],
)
def test_a_beginning_that_nobody_cut_is_missed(tmp_path: Path, statement: str, fault: tuple[str, int]) -> None:
    path = tmp_path / "ledger.db"
    aged(path)
    with opened(path, NOON + 2 * DAY + HOUR) as ledger:
        audit.cut(ledger, 1)
        change(ledger, statement)
        kind, number = fault_of(verify(ledger))
        assert (kind, number) == fault


def test_a_cut_that_broke_off_goes_on_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    aged(path)
    with opened(path, NOON + 2 * DAY + HOUR) as ledger:
        gone = ledger.rows("SELECT * FROM audit WHERE number BETWEEN 4 AND 8")
        audit.cut(ledger, 1)
        with ledger.change() as connection:
            connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", gone)
        done = verify(ledger)
        assert (done.good, done.begin.number) == (True, 3)
        change(ledger, "UPDATE audit SET time = time + 1 WHERE number = 6")
        assert fault_of(verify(ledger)) == ("edited", 6)
        assert audit.cut(ledger, 1) == 5
        assert verify(ledger).good


def test_cuts_follow_each_other_and_the_last_one_is_not_cut_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    aged(path)
    for day, gone in ((2, 8), (3, 4), (4, 0), (5, 0), (60, 0)):
        with opened(path, NOON + day * DAY + HOUR) as ledger:
            assert (day, audit.cut(ledger, 1)) == (day, gone)
            assert verify(ledger).good
    with opened(path, NOON + 61 * DAY) as ledger:
        assert ledger.rows("SELECT number FROM audit ORDER BY number") == [(13,), (14,)]


def test_pruning_cuts_where_it_is_told_to(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    aged(path)
    with opened(path, NOON + 2 * DAY + HOUR) as ledger:
        assert care.prune(ledger, 400).audit == 0
        assert care.prune(ledger, 400, 0, 1, dry_run=True).audit == 8
        assert care.prune(ledger, 400, 0, 1).audit == 8
        assert care.prune(ledger, 400, 0, 1).audit == 0


# --------------------------------------------------------------------------------------------------------------- size


def test_memory_does_not_grow_with_the_chain(tmp_path: Path) -> None:
    def peak(ledger: Ledger) -> int:
        tracemalloc.start()
        verify(ledger)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [away(f"a{n}", time=LATER) for n in range(1000)])
        small = peak(ledger)
        write(ledger, [away(f"b{n}", time=LATER) for n in range(1500)])
        assert peak(ledger) < small * 1.2


def test_hostile_numbers_and_texts_end_in_a_sentence(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, some(2))
        for entry in ("x" * 100_000, '{"action":"request"}', "null"):
            (row,) = link([(2**62, entry)], *_head(ledger))
            with ledger.change() as connection:
                connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", row)
        assert verify(ledger).entries == 5
        change(ledger, "UPDATE audit SET time = -1, entry = x'00ff' WHERE number = 4")
        assert fault_of(verify(ledger)) == ("edited", 4)


def _head(ledger: Ledger) -> tuple[int, str]:
    mark = head(ledger)
    return mark.number, mark.hash


def test_an_answer_from_outside_has_an_entry_whatever_its_attempts_say(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(
            ledger,
            [record("bare", time=LATER, attempts=()), record("odd", time=LATER, attempts=(call(outcome="reset"),))],
        )
        done = verify(ledger)
        assert (done.good, done.left) == (True, 2)
