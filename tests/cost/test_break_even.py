"""Break-even: every crossing is one when recomputed, and none is missed."""

from __future__ import annotations

from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crossover.cost.break_even import Crossing, crossings, staircase_crossings, step_crossings
from crossover.errors import InputError

PRICE = st.floats(1e-6, 0.1)
MONEY = st.floats(0, 1e5)
CAPACITY = st.floats(10, 1e6)


def own_cost(volume: float, fixed: float, replica: float, capacity: float, spare: int, each: float = 0.0) -> float:
    full = next(k for k in count(1) if volume <= capacity * k)  # dividing rounds: 7 × c / c may be above 7
    return fixed + (full + spare) * replica + volume * 30 * each


def test_one_a10g_against_gpt_4o() -> None:
    """$724.32 a month and no limit: the price of 5,681 requests a day at $0.00425."""
    (found,) = step_crossings(0.00425, 0, 724.32, 1e9, max_replicas=1)
    assert found.requests_per_day == pytest.approx(5681, abs=1)
    assert found.cheaper_above == "own"


def test_replicas_are_steps_with_several_crossings() -> None:
    found = step_crossings(0.001, 10, 250, 10_000, spare=1, max_replicas=20)
    # the gap 260 + 250 k − 300 k closes inside steps 6 to 11, and opens again at the ends of steps 6 to 10
    assert [row.cheaper_above for row in found] == ["own", "api"] * 5 + ["own"]
    assert [row.requests_per_day for row in found[1::2]] == [60_000, 70_000, 80_000, 90_000, 100_000]
    assert found[0].requests_per_day == pytest.approx((260 + 6 * 250) / 0.03)


def test_never_when_each_replica_costs_more_than_it_replaces() -> None:
    assert step_crossings(0.0001, 0, 1000, 10_000) == ()
    assert step_crossings(0.0001, 0, 1000, 10_000, own_usd_per_request=0.01) == ()


def test_own_cheaper_from_the_start_loses_once() -> None:
    (found,) = step_crossings(0.0, 0, 100, 1000, api_fixed_usd_month=150)
    assert found == Crossing(requests_per_day=1000.0, cheaper_above="api")


def test_a_crossing_exactly_on_a_step() -> None:
    # own 300 a month, api 0.01 × 30 × n: level at exactly 1000, where the first replica is full; 300 more beyond
    assert step_crossings(0.01, 0, 300, 1000, max_replicas=3) == ()
    (found,) = staircase_crossings(0.01, [1000, 2000], [300, 300])
    assert found == Crossing(requests_per_day=1000.0, cheaper_above="own")


@settings(max_examples=150, deadline=None)
@given(PRICE, MONEY, MONEY, CAPACITY, st.integers(0, 3), st.floats(0, 0.01))
def test_every_reported_crossing_is_one_when_recomputed(
    price: float, fixed: float, replica: float, capacity: float, spare: int, each: float
) -> None:
    top = 30
    found = step_crossings(price, fixed, replica, capacity, spare=spare, own_usd_per_request=each, max_replicas=top)
    for row in found:
        width = max(row.requests_per_day, capacity) * 1e-7
        gaps = [
            own_cost(volume, fixed, replica, capacity, spare, each) - volume * 30 * price
            for volume in (row.requests_per_day - width, row.requests_per_day + width)
        ]
        scale = 1e-9 * (fixed + replica * (top + spare) + row.requests_per_day * 30 * (price + each)) + 1e-12
        if row.cheaper_above == "own":
            assert gaps[0] >= -scale
            assert gaps[1] <= scale
        elif row.requests_per_day < capacity * top:
            assert gaps[0] <= scale
            assert gaps[1] >= -scale
    sides = [row.cheaper_above for row in found]
    assert all(a != b for a, b in pairwise(sides))


@settings(max_examples=60, deadline=None)
@given(PRICE, MONEY, st.floats(1, 1e5), CAPACITY, st.integers(0, 2))
def test_no_crossing_is_missed(price: float, fixed: float, replica: float, capacity: float, spare: int) -> None:
    """Between two reported crossings the same side stays cheaper wherever one looks."""
    top = 12
    found = step_crossings(price, fixed, replica, capacity, spare=spare, max_replicas=top)
    for volume in np.linspace(capacity * 0.01, capacity * top, 211):
        gap = own_cost(float(volume), fixed, replica, capacity, spare) - volume * 30 * price
        if abs(gap) <= 1e-6 * (fixed + replica * (top + spare)):
            continue
        before = [row for row in found if row.requests_per_day < volume]
        cheaper = before[-1].cheaper_above if before else "api"
        assert cheaper == ("own" if gap < 0 else "api")


@settings(max_examples=40, deadline=None, derandomize=True)  # a crossing within a hair of a step is lost to rounding
@given(PRICE, MONEY, st.floats(1, 1e5), CAPACITY)
def test_bisection_agrees_with_the_closed_form(price: float, fixed: float, replica: float, capacity: float) -> None:
    top = 8
    closed = step_crossings(price, fixed, replica, capacity, max_replicas=top)
    general = crossings(
        lambda volume: volume * 30 * price,
        lambda volume: own_cost(volume, fixed, replica, capacity, 0),
        0,
        capacity * top,
        steps=[capacity * k for k in range(1, top)],
    )
    close = [row for row in closed if not any(abs(row.requests_per_day / capacity - k) < 1e-6 for k in range(top + 1))]
    for row in close:
        assert any(
            other.cheaper_above == row.cheaper_above
            and other.requests_per_day == pytest.approx(row.requests_per_day, rel=1e-6)
            for other in general
        )


def test_a_minimum_spend_moves_the_crossing() -> None:
    (free,) = step_crossings(0.01, 0, 300, 1e6, max_replicas=1)
    assert free.requests_per_day == pytest.approx(1000)
    (small,) = step_crossings(0.01, 0, 300, 1e6, max_replicas=1, api_minimum_usd_month=299)
    assert small.requests_per_day == pytest.approx(1000)
    assert step_crossings(0.01, 0, 300, 1e6, max_replicas=1, api_minimum_usd_month=301) == ()  # own always wins
    both = step_crossings(0.01, 0, 300, 5000, max_replicas=2, api_minimum_usd_month=400)
    assert both == ()
    # one replica (300) beats the minimum (400) up to 1,000 requests a day, two (600) lose to it until 0.3 n passes 600
    twice = step_crossings(0.01, 0, 300, 1000, max_replicas=3, api_minimum_usd_month=400)
    assert [(round(row.requests_per_day), row.cheaper_above) for row in twice] == [(1000, "api")]


@settings(max_examples=60, deadline=None)
@given(PRICE, st.floats(0, 1e5), st.floats(1, 1e5), CAPACITY)
def test_a_minimum_spend_agrees_with_looking(price: float, minimum: float, replica: float, capacity: float) -> None:
    top = 9
    assume(abs(replica - minimum) > 1e-6 * replica)  # level from the start: neither side is first
    found = step_crossings(price, 0, replica, capacity, max_replicas=top, api_minimum_usd_month=minimum)
    for volume in np.linspace(capacity * 0.013, capacity * top, 151):
        gap = own_cost(float(volume), 0, replica, capacity, 0) - max(minimum, float(volume) * 30 * price)
        if abs(gap) <= 1e-6 * (replica * top + minimum):
            continue
        before = [row for row in found if row.requests_per_day < volume]
        first = "own" if replica < minimum else "api"
        assert (before[-1].cheaper_above if before else first) == ("own" if gap < 0 else "api")


def test_curved_costs_cross_where_they_should() -> None:
    (found,) = crossings(lambda n: n**0.5, lambda n: 10.0, 1, 1000)
    assert found.requests_per_day == pytest.approx(100)
    assert found.cheaper_above == "own"


def test_impossible_input_is_refused() -> None:
    with pytest.raises(InputError):
        step_crossings(0.1, 0, 10, 0)
    with pytest.raises(InputError):
        step_crossings(float("nan"), 0, 10, 10)
    with pytest.raises(InputError):
        staircase_crossings(0.1, [2, 1], [1, 2])
    with pytest.raises(InputError):
        staircase_crossings(0.1, [], [])
    with pytest.raises(InputError):
        crossings(lambda n: n, lambda n: n, 5, 5)
