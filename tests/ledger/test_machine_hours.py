from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crossover.bill import Hours
from crossover.errors import InputError
from crossover.ledger.machine_hours import FoundHours, hours_against
from crossover.ledger.words import PICO
from tests.ledger.parts import DAY, HOUR, NOON, local, opened, write

MIDNIGHT = NOON - 12 * HOUR


def held(path: Path, *billed: Hours, hourly: dict[str, int] | None = None, now: float = NOON + 9 * DAY) -> FoundHours:
    with opened(path / "l.db") as ledger:
        rows = [local(f"r{n}", time=MIDNIGHT + n * HOUR, cost=PICO // 10, input_tokens=500) for n in range(30)]
        write(ledger, rows)
        return hours_against(ledger, billed, hourly or {}, now)


def hours(count: float = 24.0, day: int = 0, machine: str = "box", rate: Any = Decimal(2)) -> Hours:
    start = MIDNIGHT + day * DAY
    return Hours(start=start, end=start + DAY, machine=machine, hours=count, usd_per_hour=rate)


def causes(found: FoundHours) -> list[str]:
    return [cause for span in found.spans for cause, _ in span.causes]


def test_a_bill_that_agrees(tmp_path: Path) -> None:
    found = held(tmp_path, hours(), hours(day=1), hourly={"box": 2 * PICO})
    assert (found.billed, found.own, found.share, causes(found)) == (96 * PICO, 96 * PICO, 0.0, [])
    first, second = found.spans
    assert (first.busy, second.busy, first.tokens) == (24, 6, 24 * 520)
    assert first.priced == 24 * PICO // 10
    assert second.idle == 48 * PICO - 6 * PICO // 10


@pytest.mark.parametrize(
    ("billed", "cause"),
    [
        (hours(10.0), "busier_than_billed"),
        (hours(8.0, day=1), "fewer_hours"),
        (hours(48.0), "more_hours"),
        (hours(rate=Decimal(3)), "rate"),
        (hours(machine="rack"), "unknown_machine"),
    ],
)
def test_why_hours_differ(tmp_path: Path, billed: Hours, cause: str) -> None:
    known = {"box": 2 * PICO} if billed.machine == "box" else {}
    found = held(tmp_path, billed, hourly=known)
    assert causes(found) == [cause]
    assert found.share > 0


def test_a_machine_that_the_bill_does_not_name(tmp_path: Path) -> None:
    found = held(tmp_path, hours(machine="rack"), hourly={"box": PICO, "rack": PICO})
    assert causes(found) == ["unknown_machine", "missing_in_bill"]
    assert found.spans[1].own == 24 * PICO


def test_a_rate_comes_from_the_bill_or_from_who_states_it(tmp_path: Path) -> None:
    found = held(tmp_path, hours(rate=None), hourly={"box": 2 * PICO})
    assert (found.billed, found.share) == (48 * PICO, 0.0)
    with pytest.raises(InputError, match="nobody says what an hour of box costs"):
        held(tmp_path / "b", hours(rate=None))


def test_hours_to_come_are_not_owed(tmp_path: Path) -> None:
    found = held(tmp_path, hours(12.0), hourly={"box": 2 * PICO}, now=NOON)
    assert (found.own, causes(found)) == (24 * PICO, ["busier_than_billed"])
