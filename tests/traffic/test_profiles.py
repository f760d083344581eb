"""Profiles: the peak is exact, the mean is one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import InputError
from crossover.traffic.profiles import daily_peak, from_weights, peak_of


@given(st.floats(1, 168))
def test_any_peak_is_exact_and_the_mean_is_one(factor: float) -> None:
    profile = daily_peak(factor)
    assert len(profile) == 168
    assert math.fsum(profile) / 168 == pytest.approx(1, abs=1e-9)
    assert max(profile) == pytest.approx(factor, rel=1e-9)
    assert min(profile) >= 0


def test_a_peak_of_one_is_flat() -> None:
    assert set(daily_peak(1)) == {1.0}
    assert len(set(daily_peak(1.5))) > 1


@pytest.mark.parametrize("factor", [0, 0.99, -1, 168.1, math.nan, math.inf])
def test_an_impossible_peak_is_refused(factor: float) -> None:
    with pytest.raises(InputError, match="busiest hour cannot be"):
        daily_peak(factor)


def test_the_busiest_hour_of_a_hill_is_in_the_afternoon() -> None:
    day = daily_peak(3)[:24]
    assert day.index(max(day)) == 14


@given(st.lists(st.floats(0, 1e6), min_size=24, max_size=24).filter(lambda weights: sum(weights) > 1e-3))
def test_weights_keep_their_proportions(weights: list[float]) -> None:
    profile = from_weights(weights)
    assert math.fsum(profile) / len(profile) == pytest.approx(1)
    assert peak_of(profile) == pytest.approx(max(weights) / (math.fsum(weights) / 24))
    assert profile[:24] == profile[24:48]


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ([1.0] * 7, "fits no day and no week"),
        ([0.0] * 24, "holds no traffic"),
        ([1.0] * 23 + [-1.0], "number 24 is -1"),
    ],
)
def test_weights_that_are_no_profile(weights: list[float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        from_weights(weights)
