"""Quantiles and their intervals: against scipy where it has them, and against their own promise by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from crossover.loadtest import quantiles
from crossover.loadtest.quantiles import grouped_spread, narrowed, order_interval, quantile, rate, spread
from crossover.loadtest.words import Rate


def test_a_quantile_lies_linear_between_its_neighbours() -> None:
    values = np.sort(np.random.default_rng(1).lognormal(size=101))
    for share in (0.0, 0.013, 0.5, 0.9, 0.95, 0.99, 1.0):
        assert quantile(values, share) == pytest.approx(float(np.quantile(values, share)), abs=1e-12)
    assert math.isnan(quantile(np.array([]), 0.5))


def test_what_never_came_is_infinitely_late() -> None:
    values = np.array([1.0, 2.0, math.inf, math.inf])
    assert quantile(values, 1 / 3) == 2.0
    assert quantile(values, 0.5) == math.inf


@pytest.mark.parametrize("count", [2, 5, 30, 99, 367, 368, 2000])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_order_statistics_bound_a_quantile_as_the_binomial_says(count: int, share: float) -> None:
    low, high = order_interval(count, share)
    below = stats.binom(count, share)
    # Outside on either side with at most 2.5 %, and one place further in it would be more.
    if low is not None:
        assert below.cdf(low) <= 0.025 < below.cdf(low + 1)
    else:
        assert below.cdf(0) > 0.025
    if high is not None:
        assert below.sf(high) <= 0.025 < below.sf(high - 1)
    else:
        assert below.sf(count - 1) > 0.025


def test_it_takes_368_values_to_bound_a_p99() -> None:
    assert order_interval(367, 0.99)[1] is None
    assert order_interval(368, 0.99)[1] == 367
    assert order_interval(0, 0.5) == (None, None)


def test_many_values_are_bounded_alike() -> None:
    below, beyond = quantiles.EXACT_BELOW, quantiles.EXACT_BELOW + 1
    for share in (0.5, 0.99):
        for exact, normal in zip(order_interval(below, share), order_interval(beyond, share), strict=True):
            assert exact is not None
            assert normal is not None
            assert abs(exact - normal) <= 3


def test_students_t_is_that_of_nine_degrees() -> None:
    for confidence, value in quantiles._T9.items():
        assert value == pytest.approx(stats.t.ppf((1 + confidence) / 2, quantiles.PARTS - 1), abs=1e-9)


def test_the_spread_of_values_holds_what_was_asked() -> None:
    found = spread(np.array([3.0, 1.0, 2.0, math.nan]))
    assert found is not None
    assert (found.n, found.mean, found.least, found.most) == (3, 2.0, 1.0, 3.0)
    assert found.at(0.5).value == 2.0
    assert found.at(0.5).low is None
    assert [row.share for row in found.quantiles] == list(quantiles.SHARES)
    assert spread(np.array([math.nan])) is None
    with pytest.raises(KeyError):
        found.at(0.2)


def grouped(rng: np.random.Generator, groups: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values whose level is that of their group: of 40 each, hardly more is known than of one."""
    sizes = rng.integers(20, 60, groups)
    level = np.repeat(rng.standard_normal(groups), sizes)
    return level + 0.2 * rng.standard_normal(len(level)), np.repeat(np.arange(groups), sizes)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_values_in_groups_are_bounded_by_their_groups(share: float) -> None:
    rng = np.random.default_rng(5)
    truth = math.sqrt(1.04) * stats.norm.ppf(share)
    held = naive = 0
    for _ in range(300):
        values, group = grouped(rng, 60)
        found = grouped_spread(values, group)
        assert found is not None
        row = found.at(share)
        held += (row.low or -9) <= truth <= (row.high or 9)
        alone = spread(values)
        assert alone is not None
        plain = alone.at(share)
        naive += (plain.low or -9) <= truth <= (plain.high or 9)
    assert held / 300 > 0.92
    assert naive / 300 < 0.5  # taking gaps for independent values would promise far too much


def test_few_groups_bound_little() -> None:
    found = grouped_spread(np.arange(100.0), np.repeat([0, 1], 50))
    assert found is not None
    assert (found.at(0.5).low, found.at(0.99).high) == (None, None)
    one = grouped_spread(np.arange(100.0), np.zeros(100, dtype=np.int64))
    assert one is not None
    assert one.at(0.5).high is None
    assert grouped_spread(np.array([]), np.array([], dtype=np.int64)) is None


def test_equal_values_have_no_width() -> None:
    found = grouped_spread(np.full(1000, 0.02), np.repeat(np.arange(50), 20))
    assert found is not None
    assert (found.at(0.5).low, found.at(0.5).value, found.at(0.5).high) == (0.02, 0.02, 0.02)


def test_a_rate_is_counted_over_its_time() -> None:
    times = np.arange(0, 100, 0.25)
    found = rate(times, np.full(len(times), 2.0), 10.0, 90.0)
    assert found.value == pytest.approx(8.0, rel=0.01)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 0.5
    low, high = narrowed(found)
    assert low is not None
    assert high is not None
    assert found.low < low < high < found.high


def test_a_short_time_has_no_interval() -> None:
    assert rate(np.array([1.0]), np.array([1.0]), 0.0, 2.0) == Rate(0.5)
    assert rate(np.array([1.0]), np.array([1.0]), 2.0, 2.0) == Rate(0.0)
    assert narrowed(Rate(0.5)) == (None, None)
