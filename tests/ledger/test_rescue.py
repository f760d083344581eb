from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from crossover.errors import FileError, StoreError
from crossover.ledger import care, keys, queries, rescue
from crossover.ledger.spill import spill, spill_of
from crossover.ledger.store import open_ledger
from crossover.ledger.words import Budget
from tests.ledger.parts import DAY, NOON, local, opened, record, ticking, write, writing

TEAM = (Budget(name="team", limit=1000, period="day"),)
CLOCK = ticking()


def filled(path: Path, count: int = 600) -> None:
    with opened(path) as ledger:
        keys.create(ledger, "mine")
        with writing(ledger) as writer:
            for number in range(count):
                writer.append(record(f"r{number}", time=NOON - (number % 2) * 30 * DAY))
            asyncio.run(writer.reserve("open", TEAM, 5, NOON))


def hurt(path: Path, pages: list[int]) -> None:
    """Overwrite pages of a file, counted from 0."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)


def pages_of(path: Path, table: str) -> list[int]:
    """The pages of a table's leaves, as SQLite counts them, less one."""
    with open_ledger(path, readonly=True) as ledger:
        found = ledger.rows("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno", (table,))
    return [row[0] - 1 for row in found]


def test_a_whole_ledger_is_only_summed_anew(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    filled(path)
    with opened(path) as ledger, ledger.change() as connection:
        connection.execute("UPDATE rollups SET cost = 1")
    spill(spill_of(path, "deadbeef"), [record("spilled")])
    done = rescue.repair(path, clock=CLOCK)
    assert (done.kept, done.left, done.unread) == (None, (), ())
    with opened(path) as ledger:
        assert care.check(ledger) == []
        assert queries.one(ledger, "spilled") is not None
        assert [each.id for each in queries.unsettled(ledger)] == ["open"]


def test_what_can_be_read_of_a_damaged_file_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    filled(path)
    leaves = pages_of(path, "records_2026_11")
    assert len(leaves) > 4
    hurt(path, leaves[2:4])
    damaged = path.read_bytes()
    with pytest.raises(StoreError, match="crossover ledger repair"), open_ledger(path, readonly=True) as ledger:
        list(queries.records(ledger, 0, NOON + DAY))
    done = rescue.repair(path, clock=CLOCK)
    assert done.kept is not None
    assert done.kept.read_bytes() == damaged
    assert "records_2026_11" in done.unread
    with opened(path) as ledger:
        ids = {row[0] for row in ledger.rows("SELECT id FROM records")}
        assert {"r0", "r598"} <= ids  # from the start to the damage, and from the end back to it
        assert {f"r{n}" for n in range(1, 600, 2)} <= ids  # the other month is whole
        assert len(ids) < 600
        assert [key.name for key in keys.listed(ledger)] == ["mine"]
        assert [each.id for each in queries.unsettled(ledger)] == ["open"]
        assert queries.total(ledger, 0, NOON + DAY).requests == len(ids)
        assert care.check(ledger) == []
        write(ledger, [record("goes-on")])
        assert queries.one(ledger, "goes-on") == record("goes-on")


def flipped(content: bytes, chance: random.Random, count: int) -> bytes:
    """The content with some bytes changed."""
    found = bytearray(content)
    for _ in range(count):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


def test_a_name_in_the_schema_that_is_no_text_hides_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    filled(path, 50)
    content = path.read_bytes()
    assert content.count(b"CREATE TABLE evidence") == 1
    path.write_bytes(content.replace(b"CREATE TABLE evidence", b"CREATE TABLE \x97vidence"))
    assert repaired(path) == ""
    with opened(path) as ledger:
        assert ledger.rows("SELECT count(*) FROM records") == [(50,)]
        assert care.check(ledger) == []


def test_a_copy_that_broke_off_gives_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    filled(path, 50)
    with opened(path) as ledger:
        write(ledger, [local(f"late{n}") for n in range(2000)])  # at the end of the file
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    assert repaired(path) == ""
    with opened(path) as ledger:
        assert 50 < ledger.rows("SELECT count(*) FROM records")[0][0] < 2050


def repaired(path: Path) -> str:
    """What a repair says that cannot be done; empty where it is."""
    try:
        rescue.repair(path, clock=CLOCK)
    except StoreError as error:
        return error.sentence()
    return ""


def test_damage_anywhere_ends_in_a_ledger_or_a_sentence(tmp_path: Path) -> None:
    chance = random.Random(7)
    whole = tmp_path / "whole.db"
    filled(whole, 200)
    content = whole.read_bytes()
    for number in range(12):
        path = tmp_path / f"{number}.db"
        path.write_bytes(content)
        if number % 3 == 0:
            hurt(path, chance.sample(range(len(content) // 4096), 3))
        elif number % 3 == 1:
            path.write_bytes(content[: chance.randrange(len(content))])
        else:
            path.write_bytes(flipped(content, chance, 20))
        said = repaired(path)
        if said:
            assert "\n" not in said
            assert path.exists()
            continue
        with opened(path) as ledger:
            assert [each.kind for each in care.check(ledger) if each.kind in ("file", "roll-ups", "budgets")] == []
            write(ledger, [record("goes-on")])
            assert queries.one(ledger, "goes-on") is not None


def test_a_file_of_which_nothing_can_be_read_is_left_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"\xa5" * 8192)
    with pytest.raises(StoreError, match="Restore a backup"):
        rescue.repair(path, clock=CLOCK)
    assert [each.name for each in tmp_path.iterdir()] == ["ledger.db"]


def test_there_is_nothing_to_repair(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no ledger here"):
        rescue.repair(tmp_path / "ledger.db", clock=CLOCK)
    assert list(tmp_path.iterdir()) == []


def test_nobody_repairs_or_restores_under_a_gateway(tmp_path: Path) -> None:
    path, backup = tmp_path / "ledger.db", tmp_path / "backup.db"
    filled(path, 1)
    with opened(path) as ledger:
        care.backup(ledger, backup)
        with writing(ledger):
            with pytest.raises(StoreError, match="Stop it first"):
                rescue.repair(path, clock=CLOCK)
            with pytest.raises(StoreError, match="Stop it first"):
                rescue.restore(path, backup, clock=CLOCK)


# ------------------------------------------------------------------------------------------------------------ restore


def test_a_backup_takes_the_place_of_the_ledger_which_is_kept(tmp_path: Path) -> None:
    path, backup = tmp_path / "ledger.db", tmp_path / "backup.db"
    filled(path, 10)
    with opened(path) as ledger:
        care.backup(ledger, backup)
        write(ledger, [record("after")])
    kept = rescue.restore(path, backup, clock=CLOCK)
    assert kept is not None
    with opened(path) as ledger:
        assert queries.one(ledger, "after") is None
        assert queries.one(ledger, "r3") is not None
        assert care.check(ledger) == []
    with opened(kept) as ledger:
        assert queries.one(ledger, "after") is not None
    again = rescue.restore(path, backup, clock=CLOCK)  # within the same second
    assert again not in (None, kept)


def test_a_backup_is_restored_where_there_was_no_ledger(tmp_path: Path) -> None:
    path, backup = tmp_path / "new" / "ledger.db", tmp_path / "backup.db"
    filled(tmp_path / "old.db", 10)
    with opened(tmp_path / "old.db") as ledger:
        care.backup(ledger, backup)
    assert rescue.restore(path, backup, clock=CLOCK) is None
    with opened(path) as ledger:
        assert ledger.rows("SELECT count(*) FROM records") == [(10,)]


def test_a_backup_of_an_older_format_is_brought_up_to_date(tmp_path: Path) -> None:
    from tests.ledger.test_schema import frozen

    backup = frozen(tmp_path / "backup.db")
    rescue.restore(tmp_path / "ledger.db", backup, clock=CLOCK)
    with opened(tmp_path / "ledger.db") as ledger:
        assert queries.one(ledger, "req_1") == record()


@pytest.mark.parametrize("kind", ["absent", "text", "empty", "damaged", "itself"])
def test_a_backup_that_is_none_changes_nothing(tmp_path: Path, kind: str) -> None:
    path, backup = tmp_path / "ledger.db", tmp_path / "backup.db"
    filled(path)
    if kind == "text":
        backup.write_text("not a database at all, not even nearly" * 500)
    elif kind == "empty":
        backup.touch()
    elif kind == "damaged":
        with opened(path) as ledger:
            care.backup(ledger, backup)
        hurt(backup, pages_of(backup, "records_2026_11")[1:3])
    before = sorted(each.name for each in tmp_path.iterdir())
    with pytest.raises((FileError, StoreError)) as caught:
        rescue.restore(path, path if kind == "itself" else backup, clock=CLOCK)
    assert caught.value.sentence().count("\n") == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == before
    with opened(path) as ledger:
        assert care.check(ledger) == []
