from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.errors import InputError, StoreError, UnknownNameError
from crossover.ledger import care, queries
from crossover.ledger.budgets import LARGEST_AMOUNT, Standing, since_of
from crossover.ledger.memory import MemoryBook
from crossover.ledger.store import Ledger
from crossover.ledger.words import Book, Budget, Period
from tests.ledger.parts import DAY, HOUR, NOON, opened, record, writing

TEAM = Budget(name="team", limit=1000, period="day")
KEY = Budget(name="key:1", limit=300, period="month")


def reserve(book: Book, id_: str, budgets: tuple[Budget, ...], amount: int, now: float = NOON) -> Budget | None:
    return asyncio.run(cast("Any", book.reserve(id_, budgets, amount, now)))  # type: ignore[no-any-return]


def standing(ledger: Ledger, name: str = "team") -> Standing:
    return next(each for each in queries.standings(ledger) if each.name == name)


@pytest.mark.parametrize(
    ("period", "now", "since"),
    [
        ("day", "2026-11-17T23:59:59", "2026-11-17"),
        ("week", "2026-11-17T12:00:00", "2026-11-16"),  # a Monday
        ("week", "2026-11-16T00:00:00", "2026-11-16"),
        ("week", "2026-11-15T23:59:59", "2026-11-09"),
        ("month", "2026-02-28T23:59:59", "2026-02-01"),
        ("month", "2027-01-01T00:00:00", "2027-01-01"),
        ("total", "2026-11-17T12:00:00", "1970-01-01"),
    ],
)
def test_periods_begin_in_utc(period: Period, now: str, since: str) -> None:
    moment = dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC).timestamp()
    assert since_of(period, moment) == dt.datetime.fromisoformat(since).replace(tzinfo=dt.UTC).timestamp()


def test_of_200_at_once_exactly_as_many_succeed_as_the_budget_holds(tmp_path: Path) -> None:
    async def all_at_once(book: Book) -> list[Budget | None]:
        budgets = (Budget(name="team", limit=37 * 11, period="month"),)
        return await asyncio.gather(*(book.reserve(f"r{n}", budgets, 11, NOON) for n in range(200)))

    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as writer:
        answers = asyncio.run(all_at_once(writer))
        assert answers.count(None) == 37
        assert standing(ledger).reserved == 37 * 11
        assert care.check(ledger) == []


def test_two_writers_of_one_file_share_a_budget(tmp_path: Path) -> None:
    async def both(first: Book, second: Book) -> list[Budget | None]:
        budgets = (Budget(name="team", limit=50, period="day"),)
        books = (first, second)
        return await asyncio.gather(*(books[n % 2].reserve(f"r{n}", budgets, 1, NOON) for n in range(120)))

    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as first, writing(ledger) as second:
        assert asyncio.run(both(first, second)).count(None) == 50


def test_all_budgets_or_none(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as writer:
        assert reserve(writer, "a", (TEAM, KEY), 200) is None
        assert reserve(writer, "b", (TEAM, KEY), 200) == KEY
        assert standing(ledger).reserved == 200
        assert standing(ledger, "key:1").reserved == 200


def test_a_row_settles_its_reservation_in_the_period_it_was_taken_from(tmp_path: Path) -> None:
    midnight = NOON + 12 * HOUR
    with opened(tmp_path / "ledger.db") as ledger:
        with writing(ledger) as writer:
            assert reserve(writer, "a", (TEAM,), 500, midnight - 1) is None
            assert reserve(writer, "b", (TEAM,), 700, midnight + 1) is None  # a new day
            writer.append(record("a", time=midnight + 2, marginal=450, reserved=True))
        found = ledger.rows("SELECT since, spent, reserved FROM budgets ORDER BY since")
        assert [row[1:] for row in found] == [(450, 0), (0, 700)]
        assert care.check(ledger) == []


def test_what_was_spent_may_exceed_what_was_set_aside(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        with writing(ledger) as writer:
            reserve(writer, "a", (TEAM,), 10)
            writer.append(record("a", marginal=5000, reserved=True))
        with writing(ledger) as writer:
            assert standing(ledger).spent == 5000
            assert reserve(writer, "b", (TEAM,), 1) == TEAM
            assert reserve(writer, "c", (TEAM,), 0) is None  # what costs nothing always passes


def test_release_gives_back_once(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        with writing(ledger) as writer:
            reserve(writer, "a", (TEAM,), 1000)
            assert reserve(writer, "b", (TEAM,), 1) == TEAM
            writer.release("a")
            writer.release("a")
            writer.release("nobody")
            assert reserve(writer, "b", (TEAM,), 1000) is None
            writer.append(record("a", marginal=77, reserved=True))  # it was released: charged to nothing
        assert (standing(ledger).spent, standing(ledger).reserved) == (0, 1000)


def test_a_clock_that_jumps_back_opens_no_old_period(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as writer:
        assert reserve(writer, "a", (TEAM,), 1000, NOON) is None
        assert reserve(writer, "b", (TEAM,), 1, NOON - DAY) == TEAM
        assert reserve(writer, "c", (TEAM,), 1, NOON + DAY) is None


def test_a_period_opened_by_a_clock_gone_wrong_is_taken_back(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        with writing(ledger) as writer:
            reserve(writer, "a", (TEAM,), 100, NOON)
            reserve(writer, "b", (TEAM,), 200, NOON + 900 * DAY)
        assert care.renew_periods(ledger) == ["team"]
        assert standing(ledger).since == since_of("day", NOON)
        assert standing(ledger).reserved == 300
        assert care.check(ledger) == []


def test_whoever_leaves_while_waiting_leaves_nothing_set_aside(tmp_path: Path) -> None:
    async def leave(book: Book) -> None:
        task = asyncio.ensure_future(cast("Any", book.reserve("a", (TEAM,), 900, NOON)))
        await asyncio.sleep(0)  # it has asked
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await book.reserve("b", (TEAM,), 1000, NOON) is None

    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as writer:
        asyncio.run(leave(writer))


def test_whoever_leaves_at_the_second_attempt_still_pays_for_the_first(tmp_path: Path) -> None:
    """Also across midnight, and where the second did not fit: only what this call set aside goes back."""

    async def leave(book: Book) -> None:
        assert await book.reserve("a", (TEAM, vast), 300, NOON) is None
        for amount, at in ((200, NOON), (200, NOON + DAY), (5000, NOON + DAY)):
            task = asyncio.ensure_future(cast("Any", book.reserve("a", (TEAM, vast), amount, at)))
            await asyncio.sleep(0)  # it has asked
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        book.append(record("a", status="cancelled", marginal=250, reserved=True))

    vast = Budget(name="vast", limit=10_000, period="total")
    with opened(tmp_path / "ledger.db") as ledger:
        with writing(ledger) as writer:
            asyncio.run(leave(writer))
        rows = ledger.rows("SELECT name, sum(spent), sum(reserved) FROM budgets GROUP BY name ORDER BY name")
        assert rows == [("team", 250, 0), ("vast", 250, 0)]
        assert care.check(ledger) == []


def test_amounts_no_row_can_hold_are_refused_or_cut(tmp_path: Path) -> None:
    vast = Budget(name="vast", limit=2**80, period="total")
    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as writer:
        assert reserve(writer, "a", (TEAM,), 2**90) == TEAM
        assert [reserve(writer, f"b{n}", (vast,), 2**90) for n in range(5)] == [None] * 4 + [vast]
        assert standing(ledger, "vast").reserved == 4 * LARGEST_AMOUNT


def test_reservations_of_a_dead_writer_stay_charged_until_someone_settles_them(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        with writing(ledger) as writer:
            reserve(writer, "dead", (TEAM, KEY), 250)
            assert care.mark_dead(ledger) == 0
            with pytest.raises(InputError, match="still under way"):
                care.settle_by_hand(ledger, "dead", 1)
        with writing(ledger) as writer:
            assert reserve(writer, "next", (TEAM,), 800) == TEAM
        assert [(each.id, each.amount) for each in queries.unsettled(ledger)] == [("dead", 250), ("dead", 250)]
        with pytest.raises(UnknownNameError, match="dead"):
            care.settle_by_hand(ledger, "daed", 1)
        with pytest.raises(InputError, match="below 0"):
            care.settle_by_hand(ledger, "dead", -1)
        assert care.settle_by_hand(ledger, "dead", 40) == 500
        assert (standing(ledger).spent, standing(ledger).reserved) == (40, 0)
        assert queries.unsettled(ledger) == []
        assert care.check(ledger) == []


def test_a_row_that_comes_late_settles_an_unsettled_reservation(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        with writing(ledger) as writer:
            reserve(writer, "late", (TEAM,), 250)
        with writing(ledger) as writer:
            assert len(queries.unsettled(ledger)) == 1
            writer.append(record("late", marginal=3, reserved=True))
        assert queries.unsettled(ledger) == []
        assert standing(ledger).spent == 3


def test_an_id_used_again_is_settled_again(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        for _ in range(2):
            with writing(ledger) as writer:
                reserve(writer, "twin", (TEAM,), 250)
                writer.append(record("twin", marginal=3, reserved=True))
        assert (standing(ledger).spent, standing(ledger).reserved) == (6, 0)


def test_nothing_is_set_aside_by_a_closed_ledger(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        writer = ledger.writer()
        writer.close()
        with pytest.raises(StoreError, match="closed"):
            reserve(writer, "a", (TEAM,), 1)


# ----------------------------------------------------------------------------------------- the file and memory agree


class Step(msgspec.Struct):
    """Something that happens to a book."""

    kind: Literal["reserve", "settle", "release"]
    id: str
    budgets: tuple[Budget, ...]
    amount: int
    hours: int


BUDGETS = st.builds(
    Budget, name=st.sampled_from(["a", "b"]), limit=st.integers(0, 60),
    period=st.sampled_from(["day", "week", "month", "total"]),
)  # fmt: skip
STEPS = st.builds(
    Step, kind=st.sampled_from(["reserve", "reserve", "settle", "release"]), id=st.sampled_from("pqrs"),
    budgets=st.lists(BUDGETS, max_size=3, unique_by=lambda each: (each.name, each.period)).map(tuple),
    amount=st.integers(-5, 40), hours=st.integers(-40, 1500),
)  # fmt: skip


async def live(book: Book, steps: list[Step]) -> list[Budget | None]:
    found: list[Budget | None] = []
    for number, step in enumerate(steps):
        now = NOON + step.hours * HOUR
        if step.kind == "reserve":
            found.append(await book.reserve(step.id, step.budgets, step.amount, now))
        elif step.kind == "release":
            book.release(step.id)
        else:
            book.append(record(step.id, time=now + number, marginal=step.amount, reserved=True))
            settled = getattr(book, "settled", None)
            if settled is not None:
                await settled()
    return found


@settings(max_examples=15)
@given(st.lists(STEPS, max_size=25))
def test_the_file_and_memory_decide_alike(steps: list[Step]) -> None:
    memory = MemoryBook()
    wanted = asyncio.run(live(memory, steps))
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "ledger.db") as ledger:
        writer = ledger.writer(flush_s=0.0)
        waiting = _Settled(writer)
        assert asyncio.run(live(waiting, steps)) == wanted
        writer.close()
        found = ledger.rows("SELECT name, period, since, spent, reserved FROM budgets ORDER BY name, period, since")
        assert found == [(e.name, e.period, e.since, e.spent, e.reserved) for e in memory.standings()]
        assert care.check(ledger) == []


class _Settled:
    """A writer whose rows are committed before the next step."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._appended = 0
        self.reserve, self.release = writer.reserve, writer.release

    def append(self, row: Any) -> None:
        self._appended += 1
        self._writer.append(row)

    async def settled(self) -> None:
        while self._writer.health().written < self._appended:
            await asyncio.sleep(0)
