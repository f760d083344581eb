"""Bands, chances, tornado and flips agree with costing."""

from __future__ import annotations

import numpy as np
import pytest

from crossover.planner.draws import certain, draw, read_ranges
from crossover.planner.outlook import Lever, band, chance_cheapest, curve, flips, quantity, tornado, totals, volumes
from tests.planner.test_costing import machines, tokens

RANGES = read_ranges()
VOLUME = Lever(name="volume", title="volume", now=86_400, unit="requests/day", span=(0.001, 100.0))


def test_band_is_the_quantiles() -> None:
    row = band(np.arange(101.0))
    assert (row.p10, row.p50, row.p90) == (10.0, 50.0, 90.0)


def test_chances_sum_to_one_and_ties_go_to_the_first() -> None:
    costs = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 9.0]])
    assert chance_cheapest(costs) == pytest.approx([2 / 3, 1 / 3])


def test_flip_is_where_the_winner_changes() -> None:
    api, own = tokens(0.004), machines()
    found = flips([api, own], {"api": "the API", "own": "own machines"}, RANGES, [VOLUME])
    down = next(row for row in found if row.flips_at < row.now)
    assert down.winner == "api"
    assert "the API is cheapest with volume under" in down.sentence
    factor = down.flips_at / down.now
    above, below = certain(RANGES, volume=factor * 1.01), certain(RANGES, volume=factor * 0.99)
    assert np.argmin(totals([api, own], above)[:, 0]) == 1
    assert np.argmin(totals([api, own], below)[:, 0]) == 0


def test_tornado_widest_first_and_signed() -> None:
    levers = [VOLUME, Lever(name="people", title="people", now=500, unit="$/month")]
    bars = tornado(tokens(0.004), machines(), RANGES, levers)
    widths = [abs(bar.at_high_usd - bar.at_low_usd) for bar in bars]
    assert widths == sorted(widths, reverse=True)
    assert bars[0].name == "volume"
    assert bars[0].at_high_usd > bars[0].at_low_usd


def test_curve_takes_the_cheapest_member_at_each_volume() -> None:
    small = machines(machine_usd_month=100.0, replica_rps=0.5)
    large = machines(machine_usd_month=1000.0, replica_rps=50.0)
    futures = draw(100, 0, RANGES)
    grid = volumes(86_400)
    row = curve("self", [small, large], "own", "own", grid, futures)
    medians = np.quantile(totals([small, large], futures), 0.5, axis=1)
    today = next(point for point in row.points if point.requests_per_day == 86_400)
    assert today.p50 == pytest.approx(medians.min())
    assert len(row.points) == len(grid)


def test_own_draws_do_not_depend_on_other_options() -> None:
    first = totals([machines()], draw(50, 3, RANGES))[0]
    second = totals([tokens(), machines()], draw(50, 3, RANGES))[1]
    assert first == pytest.approx(second)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(94_683.2, "requests/day", "94,683 requests/day"), (1.9, "$/h", "$1.90/h"), (2.5, "×", "2.50 ×")],
)
def test_quantity(value: float, unit: str, shown: str) -> None:
    assert quantity(value, unit) == shown
