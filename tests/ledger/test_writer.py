from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossover.errors import StoreError
from crossover.ledger import care, keys, queries
from crossover.ledger.memory import MemoryBook
from crossover.ledger.spill import read_back, spill, spill_of, spills
from crossover.ledger.store import Ledger
from crossover.ledger.words import Book, Budget
from crossover.ledger.writer import BODY_BYTES, Writer
from tests.ledger.parts import DAY, NOON, opened, record, write, writing

TEAM = (Budget(name="team", limit=1000, period="day"),)


def until(condition: Callable[[], bool], most: float = 10.0) -> None:
    """Wait for the thread; fails where it never comes to it."""
    end = time.monotonic() + most
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


def ask(writer: Writer, do: Callable[[sqlite3.Connection], Any]) -> Any:
    return asyncio.run(writer.change(do))


def count(ledger: Ledger) -> int:
    return int(ledger.rows("SELECT count(*) FROM records")[0][0])


def pragma(text: str) -> Callable[[sqlite3.Connection], None]:
    def do(connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA {text}").fetchall()

    return do


def test_it_is_a_book_and_so_is_memory(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as writer:
        books: tuple[Book, ...] = (writer, MemoryBook())
        for book in books:
            assert asyncio.run(book.reserve("a", (), 5, NOON)) is None
            book.append(record("a"))
            book.release("a")


def test_rows_are_committed_without_anyone_asking(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as writer:
        writer.append(record("a"))
        until(lambda: count(ledger) == 1)
        writer.append(record("b"))  # the thread sleeps by now
        until(lambda: count(ledger) == 2)
        until(lambda: writer.health().written == 2)
        assert writer.health().lag_s == 0.0
        assert writer.health().healthy


def test_closing_writes_everything(tmp_path: Path) -> None:
    async def serve(writer: Writer) -> None:
        for number in range(3456):
            writer.append(record(f"r{number}"))
        await writer.aclose()
        await writer.aclose()  # twice is once

    with opened(tmp_path / "ledger.db") as ledger:
        writer = ledger.writer()
        asyncio.run(serve(writer))
        assert count(ledger) == 3456
        assert care.check(ledger) == []
        writer.append(record("late"))
        assert writer.health().lost == 1
        assert not writer.health().healthy
    assert [path.name for path in tmp_path.iterdir() if "writer" in path.name] == []


def test_a_full_queue_loses_rows_and_says_so(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        writer = ledger.writer(capacity=5, flush_s=60.0)
        for number in range(8):
            writer.append(record(f"r{number}"))
        health = writer.health()
        assert (health.queued, health.lost, health.healthy) == (5, 3, False)
        writer.close()
        assert count(ledger) == 5


def test_while_another_process_holds_the_file_rows_wait_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger, writing(ledger, flush_s=0.0, look_s=0.01) as writer:
        ask(writer, pragma("busy_timeout = 1"))
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        for number in range(20):
            writer.append(record(f"r{number}"))
        until(lambda: writer.health().spilled == 20)
        assert not writer.health().healthy
        assert "busy" in writer.health().error
        with pytest.raises(StoreError, match="busy"):
            asyncio.run(writer.reserve("a", TEAM, 1, NOON))
        holder.execute("ROLLBACK")
        holder.close()
        until(lambda: writer.health().healthy and not writer.health().spilled)
        assert count(ledger) == 20
        assert spills(path) == {}
        assert care.check(ledger) == []


def test_a_full_disk_fails_reservations_and_loses_no_row(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        writer = ledger.writer(flush_s=0.0)
        ask(writer, pragma("max_page_count = 1"))  # SQLite takes it for the size there is: no page can be added
        for number in range(2000):
            writer.append(record(f"r{number}"))
        until(lambda: writer.health().spilled > 0)
        assert "disk is full" in writer.health().error
        ask(writer, pragma("max_page_count = 1000000"))
        writer.close()
        assert writer.health().lost == 0
        write(ledger, [])  # whoever opens it next reads back what waits
        assert count(ledger) == 2000
        assert spills(path) == {}
        assert care.check(ledger) == []


def test_a_few_rows_that_still_find_room_do_not_hide_that_others_wait(tmp_path: Path) -> None:
    """A full disk takes what fits into pages that are there already."""
    with opened(tmp_path / "ledger.db") as ledger, writing(ledger, flush_s=0.0, look_s=0.1) as writer:
        ask(writer, pragma("max_page_count = 1"))
        spill(spill_of(tmp_path / "ledger.db", writer.token), [record(f"r{number}") for number in range(500)])
        writer._spilled = 500  # as if they had come first and had not fitted
        until(lambda: "disk is full" in writer.health().error)  # the thread tried to read them back
        writer.append(record("small"))
        until(lambda: writer.health().written == 1)
        assert "disk is full" in writer.health().error
        assert not writer.health().healthy
        ask(writer, pragma("max_page_count = 1000000"))
        until(lambda: writer.health().healthy)
        assert (writer.health().spilled, count(ledger)) == (0, 501)


def test_where_neither_file_takes_rows_they_wait_in_memory_and_closing_says_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        writer = ledger.writer(flush_s=0.0)
        spill_of(path, writer.token).mkdir()  # nothing can be appended to a folder
        ask(writer, pragma("busy_timeout = 1"))
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        writer.append(record("a"))
        until(lambda: bool(writer.health().error) and writer.health().queued == 1)
        assert writer.health().lag_s > 0
        with pytest.raises(StoreError, match="1 rows could not be written"):
            writer.close()
        assert writer.health().lost == 1
        holder.close()


def test_a_spill_file_cut_short_gives_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    place = spill_of(path, "deadbeef")
    spill(place, [record("a"), record("b")])
    with place.open("ab") as file:
        file.write(b'{"id":"c","ti')
    assert [each.id for portion in read_back(place) for each in portion] == ["a", "b"]
    with opened(path) as ledger:
        write(ledger, [record("d")])
        assert sorted(row[0] for row in ledger.rows("SELECT id FROM records")) == ["a", "b", "d"]
    assert not place.exists()


def test_reading_back_twice_writes_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        write(ledger, [record("a")])
        spill(spill_of(path, "deadbeef"), [record("a"), record("b")])
        write(ledger, [])
        assert sorted(row[0] for row in ledger.rows("SELECT id FROM records")) == ["a", "b"]
        assert queries.total(ledger, 0, NOON + DAY).requests == 2


def test_the_rows_of_a_living_writer_are_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger, writing(ledger) as writer:
        spill(spill_of(path, writer.token), [record("a")])
        write(ledger, [])
        assert writer.token in spills(path)
        assert count(ledger) == 0


def test_a_change_of_keys_reaches_a_writer_that_runs(tmp_path: Path) -> None:
    heard: list[int] = []
    with opened(tmp_path / "ledger.db") as ledger:
        first, _ = keys.create(ledger, "first")
        with writing(ledger, look_s=0.01, on_keys=lambda found: heard.append(len(found))) as writer:
            assert list(writer.keys) == [first.hash]
            second, _ = keys.create(ledger, "second")
            until(lambda: second.hash in writer.keys)
            keys.revoke(ledger, "first")
            until(lambda: writer.keys[first.hash].revoked is not None)
            assert heard == [1, 2, 2]


def test_bodies_are_kept_apart_and_bounded(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        with writing(ledger) as writer:
            writer.append(record("a"))
            writer.keep_body("a", NOON, "why?", "because \ud800")
            writer.keep_body("b", NOON, "x" * BODY_BYTES, "")  # too much to wait in memory
        assert queries.bodies(ledger, "a") == ("why?", "because ?")
        assert queries.bodies(ledger, "b") is None


def test_one_bad_job_does_not_fail_the_others(tmp_path: Path) -> None:
    async def together(writer: Writer) -> list[Any]:
        def bad(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO nowhere VALUES (1)")

        wanted = [writer.reserve("a", TEAM, 10, NOON), writer.change(bad), writer.reserve("b", TEAM, 10, NOON)]
        return await asyncio.gather(*wanted, return_exceptions=True)

    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as writer:
        first, second, third = asyncio.run(together(writer))
        assert (first, third) == (None, None)
        assert isinstance(second, StoreError)
        assert queries.standings(ledger)[0].reserved == 20


def test_whoever_waits_when_the_ledger_closes_gets_an_answer(tmp_path: Path) -> None:
    async def close_under(writer: Writer) -> Any:
        waiting = asyncio.ensure_future(writer.reserve("a", TEAM, 10, NOON))
        await asyncio.sleep(0)
        await writer.aclose()
        return await waiting

    with opened(tmp_path / "ledger.db") as ledger:
        assert asyncio.run(close_under(ledger.writer())) is None


def test_whoever_leaves_when_the_ledger_is_closed_has_left(tmp_path: Path) -> None:
    async def leave(writer: Writer) -> None:
        waiting = asyncio.ensure_future(writer.reserve("a", TEAM, 10, NOON))
        await asyncio.sleep(0)
        writer.close()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    with opened(tmp_path / "ledger.db") as ledger:
        asyncio.run(leave(ledger.writer()))


def test_a_loop_that_has_ended_holds_up_nobody(tmp_path: Path) -> None:
    async def ask_and_leave(writer: Writer) -> None:
        task = asyncio.ensure_future(writer.reserve("a", TEAM, 10, NOON))
        await asyncio.sleep(0)
        task.cancel()

    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as writer:
        asyncio.run(ask_and_leave(writer))
        assert asyncio.run(writer.reserve("b", TEAM, 1000, NOON)) is None


def test_rows_of_two_months_go_to_two_segments(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("a"), record("b", time=NOON + 20 * DAY), record("c"), record("d", time=NOON - 40 * DAY)])
        months = [row[0] for row in ledger.rows("SELECT month FROM segments ORDER BY month")]
        assert months == ["2026_10", "2026_11", "2026_12"]
        assert [each.id for each in queries.records(ledger, 0, NOON + 30 * DAY)] == ["d", "a", "c", "b"]


def test_a_month_pruned_under_a_writer_is_made_again(tmp_path: Path) -> None:
    old = NOON - 90 * DAY
    with opened(tmp_path / "ledger.db") as ledger, writing(ledger, flush_s=0.0) as writer:
        writer.append(record("a", time=old))
        until(lambda: writer.health().written == 1)
        assert care.prune(ledger, 30).months == {"2026_08": 1}
        writer.append(record("b", time=old))
        until(lambda: writer.health().written == 2)
        found = queries.one(ledger, "b")
        assert found == record("b", time=old)  # with its decision, which the writer had seen before


def test_many_threads_may_append(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        with writing(ledger) as writer:

            def work(name: int) -> None:
                for number in range(200):
                    writer.append(record(f"{name}-{number}"))

            threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert count(ledger) == 800


def test_memory_keeps_the_latest_rows() -> None:
    book = MemoryBook(most=2)
    for number in range(5):
        book.append(record(f"r{number}"))
    assert [each.id for each in book.records] == ["r3", "r4"]
    assert book.health().written == 5
    assert book.health().healthy
