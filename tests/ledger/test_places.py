"""Where the rows of a moment stand, found without an index on time."""

from __future__ import annotations

from pathlib import Path

from crossover.ledger.places import Stretch, stretches
from tests.ledger.parts import DAY, HOUR, NOON, opened, record, write

MONTH = 30 * DAY


def test_the_rows_of_a_period_are_a_stretch(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [record(f"r{number:03}", time=NOON + number * 60) for number in range(200)])
        (found,) = stretches(ledger, NOON + 50 * 60, NOON + 60 * 60)
        assert (found, len(found)) == (Stretch("2026_11", 51, 61), 10)
        assert stretches(ledger, NOON + DAY, NOON + 2 * DAY) == []
        assert stretches(ledger, NOON - DAY, NOON) == []
        assert stretches(ledger, 0, 4e9) == [Stretch("2026_11", 1, 201)]


def test_every_month_has_its_own(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [record(f"r{month}", time=NOON + month * MONTH) for month in range(3)])
        assert [place.month for place in stretches(ledger, 0, 4e9)] == ["2026_11", "2026_12", "2027_01"]
        assert [place.month for place in stretches(ledger, NOON + HOUR, NOON + MONTH + 1)] == ["2026_12"]


def test_a_ledger_without_rows_has_none(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        assert stretches(ledger, 0, 4e9) == []


def test_a_row_out_of_order_moves_the_place_by_little(tmp_path: Path) -> None:
    times = [NOON + number * 60 for number in range(100)]
    times[40], times[60] = times[60], times[40]
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [record(f"r{number:03}", time=time) for number, time in enumerate(times)])
        (found,) = stretches(ledger, NOON + 50 * 60 - HOUR, NOON + 51 * 60 + HOUR)
        assert found.low <= 41
        assert found.high > 61
