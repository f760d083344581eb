"""Quantiles against numpy, intervals and tests against scipy, against closed forms and against published examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from crossover.stats import (
    Z80,
    clopper_pearson,
    mcnemar,
    normal_quantile,
    student_quantile,
    tango,
    tango_score,
    weighted_quantiles,
    wilson,
)

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


totals = st.sampled_from([1, 2, 7, 30, 400, 5000, 20_000])
confidences = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@given(totals, st.floats(0, 1), confidences)
def test_wilson_and_clopper_pearson_are_those_of_scipy(total: int, share: float, confidence: float) -> None:
    count = round(share * total)
    test = scipy_stats.binomtest(count, total)
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        theirs = test.proportion_ci(confidence, method)
        assert ours(count, total, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_nothing_says_nothing_about_a_share() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert tango(0, 0, 0) == (-1.0, 1.0)
    assert clopper_pearson(0, 20)[0] == 0.0
    assert clopper_pearson(20, 20)[1] == 1.0


@given(totals, st.floats(0, 1))
def test_mcnemar_is_the_exact_binomial_test(discordant: int, share: float) -> None:
    wins = round(share * discordant)
    expected = scipy_stats.binomtest(wins, discordant).pvalue
    assert mcnemar(wins, discordant - wins) == pytest.approx(expected, abs=1e-12, rel=1e-9)


def test_mcnemar_of_nothing_is_1() -> None:
    assert mcnemar(0, 0) == 1.0


def quartic(wins: int, losses: int, total: int, z: float) -> tuple[float, float]:
    """Tango's bounds as the outer roots of a polynomial (Yang, Sun and Hardin, Statistics in Medicine 32, 2013)."""
    g, d, both = z * z, wins - losses, wins + losses
    roots = np.roots(
        [
            total**2 * (total / g + 1) ** 2,
            -total * d * (total / g + 1) * (4 * total / g + 1),
            2 * total * d**2 * (3 * total / g + 2) / g - total**2 * (both / g + 1),
            total * d * (2 * both / g + 1) - d**3 * (4 * total / g + 1) / g,
            d**2 * (d**2 / g - both) / g,
        ]
    )
    real = roots[np.abs(roots.imag) < 1e-7].real
    return float(real.min()), float(real.max())


@given(st.sampled_from([30, 200, 3000]), st.floats(0.01, 0.3), st.floats(0.01, 0.3), confidences)
def test_tango_bounds_are_roots_of_their_polynomial(total: int, won: float, lost: float, confidence: float) -> None:
    wins, losses = max(round(won * total), 1), max(round(lost * total), 1)
    z = normal_quantile((1 + confidence) / 2)
    low, high = tango(wins, losses, total, confidence)
    assert (low, high) == pytest.approx(quartic(wins, losses, total, z), abs=1e-9)
    assert tango_score(wins, losses, total, low) == pytest.approx(z, abs=1e-9)
    assert tango_score(wins, losses, total, high) == pytest.approx(-z, abs=1e-9)
    assert tango(losses, wins, total, confidence) == (-high, -low)


def test_tango_as_r_has_it() -> None:
    # PropCIs::scoreci.mp(25, 28, 618) at 90 %, as other projects pin it
    assert tango(28, 25, 618, 0.9) == pytest.approx((-0.0148, 0.0247), abs=5e-5)


def test_tango_at_the_edges() -> None:
    low, high = tango(0, 0, 100)
    assert low == -high == pytest.approx(-0.0370, abs=1e-4)  # z² / (n + z²)
    assert tango(50, 0, 50)[1] == 1.0
    assert tango(0, 50, 50)[0] == -1.0
    assert tango_score(0, 0, 10, 0.0) == 0.0
    assert tango_score(5, 0, 5, 1.0) == 0.0


@pytest.mark.parametrize("freedom", [1, 2, 4, 9, 60])
@pytest.mark.parametrize("share", [0.6, 0.9, 0.975, 0.9995, 0.025])
def test_student_quantiles_are_those_of_scipy(freedom: int, share: float) -> None:
    from scipy import stats

    assert student_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-9)
