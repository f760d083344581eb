from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossover.errors import FileError, ThresholdError
from crossover.ledger import audit, audit_file
from crossover.ledger.audit import Checked, Mark
from crossover.ledger.audit_file import export_lines, verify_file, write
from tests.ledger.parts import DAY, NOON, opened
from tests.ledger.parts import write as commit
from tests.ledger.test_audit import aged, some


def exported(folder: Path) -> Path:
    """A file with six entries, on lines 2 to 7."""
    with opened(folder / "ledger.db") as ledger:
        commit(ledger, some())
        assert write(folder / "audit.jsonl", export_lines(ledger)) == 6
    return folder / "audit.jsonl"


def fault_of(done: Checked) -> tuple[str, int, int | None]:
    assert done.fault is not None
    assert "\n" not in done.fault.sentence()
    return done.fault.kind, done.fault.number, done.fault.line


def test_a_file_is_verified_without_its_ledger(tmp_path: Path) -> None:
    file = exported(tmp_path)
    with opened(tmp_path / "ledger.db") as ledger:
        whole = audit.verify(ledger)
    for path in tmp_path.glob("ledger.db*"):
        path.unlink()
    done = verify_file(file)
    assert done.good
    assert (done.entries, done.requests, done.left, done.head) == (6, 6, 3, whole.head)
    assert (done.first, done.last, done.begin) == (whole.first, whole.last, audit.ORIGIN)
    assert verify_file(file, whole.head).good
    assert fault_of(verify_file(file, Mark(9, "a" * 64)))[0] == "cut"


def test_a_line_is_an_entry_that_other_programs_can_read(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in exported(tmp_path).read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {"crossover_audit": 1, "begin": {"number": 0, "hash": "0" * 64}, "since": "", "until": ""}
    assert lines[1]["number"] == 1
    assert lines[1]["time"] == "2026-11-17T14:00:01.000000Z"
    assert lines[1]["entry"]["to"][0]["party"] == "openai"
    assert lines[2]["previous"] == lines[1]["hash"]
    assert lines[-1] == {"entries": 6, "end": {"number": 6, "hash": lines[-2]["hash"]}}


def test_a_period_stands_for_itself(tmp_path: Path) -> None:
    path, file = tmp_path / "ledger.db", tmp_path / "day.jsonl"
    aged(path)
    with opened(path, NOON + 2 * DAY) as ledger:
        hashes = dict(ledger.rows("SELECT number, hash FROM audit"))
        assert write(file, export_lines(ledger, NOON + DAY, NOON + 2 * DAY)) == 5  # with the one behind
        assert write(tmp_path / "none.jsonl", export_lines(ledger, NOON + 9 * DAY)) == 0
        assert write(tmp_path / "rest.jsonl", export_lines(ledger, until=NOON + DAY)) == 5
    done = verify_file(file)
    assert (done.good, done.entries, done.begin) == (True, 5, Mark(4, hashes[4]))
    assert verify_file(file, Mark(4, hashes[4])).good
    assert verify_file(file, Mark(9, hashes[9])).good
    assert fault_of(verify_file(file, Mark(4, "0" * 64))) == ("edited", 4, None)
    assert fault_of(verify_file(file, Mark(3, hashes[3]))) == ("cut", 3, None)
    assert verify_file(tmp_path / "none.jsonl").entries == 0


def test_what_is_left_of_a_cut_chain_is_exported(tmp_path: Path) -> None:
    path, file = tmp_path / "ledger.db", tmp_path / "audit.jsonl"
    aged(path)
    with opened(path, NOON + 2 * DAY + 60) as ledger:
        audit.cut(ledger, 1)
        write(file, export_lines(ledger))
    assert (verify_file(file).good, verify_file(file).begin.number) == (True, 8)


def edit(place: int, change: Callable[[dict[str, Any]], object]) -> Callable[[list[bytes]], list[bytes]]:
    def do(lines: list[bytes]) -> list[bytes]:
        facts = json.loads(lines[place])
        change(facts)
        return [*lines[:place], json.dumps(facts, separators=(",", ":")).encode() + b"\n", *lines[place + 1 :]]

    return do


def swap(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], lines[4], lines[3], *lines[5:]]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (edit(3, lambda facts: facts["entry"].update(key="key_9")), ("edited", 3, 4)),
        (edit(3, lambda facts: facts.update(time="2026-11-17T14:00:03.000001Z")), ("edited", 3, 4)),
        (edit(3, lambda facts: facts.update(time="2026-11-17 14:00:03Z")), ("unreadable", 3, 4)),
        (edit(3, lambda facts: facts.update(time="2026-11-17T14:00:03")), ("unreadable", 3, 4)),
        (edit(3, lambda facts: facts.update(hash="0" * 64)), ("edited", 3, 4)),
        (edit(3, lambda facts: facts.update(number="3")), ("unreadable", 3, 4)),
        (edit(3, lambda facts: facts.update(note="all is well")), ("unreadable", 3, 4)),
        (edit(7, lambda facts: facts.update(entries=5)), ("cut", 7, 8)),
        (edit(7, lambda facts: facts["end"].update(number=9)), ("cut", 7, 8)),
        (swap, ("missing", 3, 4)),
        (lambda lines: [*lines[:3], *lines[4:]], ("missing", 3, 4)),
        (lambda lines: [*lines[:4], lines[3], *lines[4:]], ("out of order", 3, 5)),
        (lambda lines: [*lines[:5], lines[7]], ("cut", 5, 6)),
        (lambda lines: lines[:-1], ("cut", 7, 7)),
        (lambda lines: lines[:1], ("cut", 1, 1)),
        (lambda lines: [*lines[:4], lines[4][:40]], ("cut", 4, 5)),
        (lambda lines: [*lines[:4], lines[4][:-1]], ("cut", 4, 5)),
        (lambda lines: [*lines[:4], b"\n", *lines[4:]], ("unreadable", 4, 5)),
        (lambda lines: [*lines[:4], b"\xff\xfe\x00\n", *lines[4:]], ("unreadable", 4, 5)),
        (lambda lines: [*lines[:4], b"[" * 5000 + b"\n", *lines[4:]], ("unreadable", 4, 5)),
        (lambda lines: [*lines[:4], b"x" * 3_000_000 + b"\n", *lines[4:]], ("cut", 4, 5)),
        (lambda lines: [*lines, lines[1]], ("unreadable", 7, 9)),
        (lambda lines: [*lines, b"\n"], ("unreadable", 7, 9)),
    ],
)
def test_the_line_that_is_wrong_is_named(
    tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], fault: tuple[str, int, int]
) -> None:
    file = exported(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(change(lines)))
    done = verify_file(file)
    assert fault_of(done) == fault
    assert not done.good
    assert done.entries == min(fault[1], 7) - 1 or fault[0] == "out of order"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"{}\n", "this is no export of the audit"),
        (b"id,time\n", "this is no export of the audit"),
        (b"\x00\xff\xfe\n", "this is no export of the audit"),
        (b"SQLite format 3\x00" + b"\x00" * 100, "it is a database"),
        (b'{"crossover_audit":2,"begin":{"number":0,"hash":""}}\n', "has format 2 and this Crossover knows 1"),
    ],
)
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "other.jsonl"
    file.write_bytes(content)
    with pytest.raises(FileError, match=said) as caught:
        verify_file(file)
    assert caught.value.line == 1


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        verify_file(tmp_path / "none.jsonl")
    with pytest.raises(FileError, match="cannot be read"):
        verify_file(tmp_path)


def test_a_broken_chain_is_not_handed_out(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        commit(ledger, some())
        with ledger.change() as connection:
            connection.execute("DELETE FROM audit WHERE number = 3")
        with pytest.raises(ThresholdError, match="missing: entry 3 is gone"):
            write(tmp_path / "audit.jsonl", export_lines(ledger))
        assert not [path.name for path in tmp_path.iterdir() if "audit" in path.name]


def test_an_export_overwrites_nothing(tmp_path: Path) -> None:
    file = exported(tmp_path)
    before = file.read_bytes()
    with opened(tmp_path / "ledger.db") as ledger, pytest.raises(FileError, match="exists"):
        write(file, export_lines(ledger))
    assert file.read_bytes() == before
    with opened(tmp_path / "ledger.db") as ledger, pytest.raises(FileError, match="cannot be written"):
        write(tmp_path / "no" / "where.jsonl", export_lines(ledger))


def test_an_entry_that_breaks_lines_is_not_written(tmp_path: Path) -> None:
    from crossover.ledger.chain import link

    with opened(tmp_path / "ledger.db") as ledger:
        with ledger.change() as connection:
            (row,) = link([(1, '{"action":"odd",\n"a":1}')], 0, audit.ORIGIN.hash)
            connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", row)
        with pytest.raises(ThresholdError, match="not what Crossover writes"):
            list(export_lines(ledger))


def test_the_format_is_the_one_that_is_out_there() -> None:
    """The file is never changed: others like it are in the hands of auditors."""
    done = verify_file(Path(__file__).with_name("audit_v1.jsonl"))
    assert (done.good, done.entries, done.requests, done.left) == (True, 2, 1, 1)
    assert audit_file.VERSION == 1
