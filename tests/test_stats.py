"""Quantiles, against numpy and against their own definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.stats import Z80, normal_quantile, weighted_quantiles, wilson

values = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40)
shares = st.lists(st.floats(0, 1), min_size=1, max_size=5)


def test_the_80_percent_interval_of_the_normal_distribution() -> None:
    assert pytest.approx(1.2815515655446004) == Z80
    assert normal_quantile(0.5) == pytest.approx(0.0)
    assert normal_quantile(0.1) == pytest.approx(-normal_quantile(0.9))


@given(values, shares)
def test_equal_weights_give_the_quantiles_of_numpy(data: list[float], wanted: list[float]) -> None:
    found = weighted_quantiles(data, [2.0] * len(data), wanted)
    expected = np.quantile(data, wanted, method="inverted_cdf")
    neighbour = np.quantile(data, np.maximum(np.asarray(wanted) - 1e-9, 0), method="inverted_cdf")
    # where a share falls on a step, rounding decides which of the two values at it is taken
    assert np.all((found == expected) | (found == neighbour))


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 5)), min_size=1, max_size=15), shares)
def test_a_weight_is_so_many_copies(rows: list[tuple[float, int]], wanted: list[float]) -> None:
    weighted = weighted_quantiles([value for value, _ in rows], [copies for _, copies in rows], wanted)
    copied = [value for value, copies in rows for _ in range(copies)]
    assert weighted.tolist() == weighted_quantiles(copied, np.ones(len(copied)), wanted).tolist()


@given(values, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_share_never_lies_lower(data: list[float], first: float, second: float) -> None:
    low, high = weighted_quantiles(data, np.ones(len(data)), sorted([first, second]))
    assert min(data) <= low <= high <= max(data)


def test_a_value_without_weight_is_never_taken_inside() -> None:
    assert weighted_quantiles([1, 2, 3], [1, 0, 1], [0.4, 0.6]).tolist() == [1, 3]


@pytest.mark.parametrize(("data", "weights"), [([], []), ([1.0, 2.0], [0.0, 0.0])])
def test_nothing_has_no_quantile(data: list[float], weights: list[float]) -> None:
    found = weighted_quantiles(data, weights, [0.1, 0.9])
    assert found.shape == (2,)
    assert all(math.isnan(value) for value in found)


def test_one_share_gives_one_value() -> None:
    assert weighted_quantiles([5.0, 7.0], [1.0, 1.0], 0.5).tolist() == [5.0]


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.2775328),  # as scipy.stats.binomtest gives them
        (1, 10, 0.017876213, 0.404150027),
        (14, 120, 0.070781178, 0.186333516),
        (120, 120, 0.968980834, 1.0),
        (3, 4000, 0.0002551, 0.002202904),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_intervals(count: int, total: int, low: float, high: float) -> None:
    assert wilson(count, total) == pytest.approx((low, high), abs=1e-8)
