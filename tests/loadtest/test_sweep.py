"""Sweeps: the knee of known curves, the highest rate of known limits, and that both come to an end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crossover.loadtest.drive import Limits, Log, drive
from crossover.loadtest.measure import figures
from crossover.loadtest.sweep import (
    MOST_TRIALS,
    Point,
    Trial,
    bent,
    bracket,
    knee,
    next_concurrency,
    next_rate,
)
from crossover.loadtest.words import Load
from tests.loadtest.virtual import Model, Plain, run


def swept(curve: Callable[[int], float], *, fails_from: int = 10**9, most: int = 4096) -> list[Point]:
    points: list[Point] = []
    while (at := next_concurrency(points, most)) is not None:
        assert at not in {point.concurrency for point in points}
        points.append(Point(concurrency=at, throughput=curve(at), failed=at >= fails_from))
    return points


@pytest.mark.parametrize("slots", [1, 4, 8, 12, 64])
def test_the_knee_of_a_server_with_slots_is_their_number(slots: int) -> None:
    points = swept(lambda at: 10.0 * min(at, slots))
    found = knee(points)
    assert found is not None
    assert found.concurrency == slots
    assert bent(points)
    assert max(point.concurrency for point in points) <= 8 * slots


def test_a_batch_that_slows_down_has_a_knee_in_the_bend() -> None:
    """A step of c sequences takes 10 + 0.5·c: throughput c/(10 + c/2), the most power at c = 20."""
    points = swept(lambda at: at / (10 + 0.5 * at))
    found = knee(points)
    assert found is not None
    assert 16 <= found.concurrency <= 24


def test_a_curve_that_never_bends_ends_at_the_limit_and_says_so() -> None:
    points = swept(float, most=64)
    assert [point.concurrency for point in points] == [1, 2, 4, 8, 16, 32, 64, 48]
    assert not bent(points)


def test_what_breaks_down_ends_a_sweep() -> None:
    points = swept(float, fails_from=16)
    assert max(point.concurrency for point in points) == 16
    found = knee(points)
    assert found is not None
    assert found.concurrency == 12
    assert knee(swept(lambda _at: 0.0)) is None
    assert knee(swept(float, fails_from=1)) is None


@pytest.mark.parametrize("limit", [0.05, 0.7, 3.0, 41.0, 900.0])
@pytest.mark.parametrize("start", [1.0, 100.0])
def test_the_highest_rate_is_found_to_a_tenth(limit: float, start: float) -> None:
    trials: list[Trial] = []
    while (rate := next_rate(trials, start)) is not None:
        trials.append(Trial(rate_rps=rate, met=rate <= limit))
    low, high = bracket(trials)
    assert low is not None
    assert high is not None
    assert low <= limit < high
    assert high <= low * 1.1 or len(trials) == MOST_TRIALS
    assert len(trials) <= MOST_TRIALS


def test_a_rate_that_nothing_meets_or_everything_meets_ends_too() -> None:
    trials: list[Trial] = []
    while (rate := next_rate(trials, 4.0)) is not None:
        trials.append(Trial(rate_rps=rate, met=False))
    assert bracket(trials)[0] is None
    assert len(trials) <= MOST_TRIALS
    trials = []
    while (rate := next_rate(trials, 4.0, most=50.0)) is not None:
        trials.append(Trial(rate_rps=rate, met=True))
    assert bracket(trials) == (50.0, None)


def test_a_lucky_trial_above_a_missed_one_does_not_count() -> None:
    trials = [Trial(rate_rps=4, met=True), Trial(rate_rps=8, met=False), Trial(rate_rps=16, met=True)]
    assert bracket(trials) == (4, 8)
    assert next_rate(trials, 4) == pytest.approx((4 * 8) ** 0.5)


def test_a_sweep_of_a_real_loop_finds_the_slots() -> None:
    """The whole chain in virtual time: drive, figures, sweep."""

    async def throughput(clock: Callable[[], float], at: int) -> float:
        load = Load(concurrency=at)
        found = await drive(
            Model(slots=6), Plain(out=10), load, Limits(requests=12 * at, warmup=at), Log(load), clock=clock
        )
        return figures(found).output_tokens_per_s.value

    points = swept(lambda at: run(lambda clock: throughput(clock, at)))
    found = knee(points)
    assert found is not None
    assert found.concurrency == 6
