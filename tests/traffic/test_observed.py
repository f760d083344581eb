"""What a trace says: volume, profile, burstiness."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crossover.errors import InputError
from crossover.traffic.facts import finish
from crossover.traffic.observed import burstiness, facts_of
from crossover.workload import Trace

HOUR = 3600.0


def trace_at(arrivals: NDArray[np.float64], start: str | None = None, cached: bool = False) -> Trace:
    tokens = np.full(arrivals.size, 100, dtype=np.int64)
    return Trace(
        name="t",
        arrival_s=arrivals - arrivals[0],
        input_tokens=tokens,
        output_tokens=tokens // 2,
        cached_tokens=tokens // 4 if cached else None,
        start=start,
    )


def test_an_hour_is_not_a_month() -> None:
    workload = finish(facts_of(trace_at(np.arange(3601.0), cached=True))).workload
    assert workload.requests_per_day == pytest.approx(86_400)
    assert workload.peak_factor == 1
    assert workload.cached_share == 0.25
    assert any("An hour of trace is not a month" in note for note in workload.notes)


def test_a_day_brings_its_own_profile() -> None:
    # Two and a half days from 06:30: ten requests an hour, and fifty between 14 and 15 h.
    minutes = np.concatenate([np.arange(0, 3600, 360.0) + hour * HOUR for hour in range(60)])
    start = 6.5 * HOUR
    clock = (minutes + start) // HOUR % 24
    extra = np.concatenate([np.arange(0, 3600, 90.0) + day * 86_400 + 14 * HOUR - start for day in range(3)])
    workload = finish(
        facts_of(trace_at(np.sort(np.concatenate([minutes, extra])), "2026-01-07T06:30:00+00:00"))
    ).workload
    day = workload.profile[:24]
    assert set(clock) == set(range(24))
    assert day.index(max(day)) == 14
    assert workload.peak_factor == pytest.approx(50 / (280 / 24), rel=0.05)
    assert workload.requests_per_day == pytest.approx(280, rel=0.05)
    assert any("2.5 days" in note and "UTC" in note for note in workload.notes)


def test_a_week_knows_its_weekend() -> None:
    # Two weeks from a Wednesday; every hour has four requests, weekends one.
    start_day = 2
    arrivals = [
        hour * HOUR + part * 600.0
        for hour in range(14 * 24)
        for part in range(1 if (hour // 24 + start_day) % 7 >= 5 else 4)
    ]
    workload = finish(facts_of(trace_at(np.array(arrivals), "2026-01-07T00:00:00"))).workload
    assert workload.profile[0] == pytest.approx(4 * workload.profile[5 * 24], rel=0.01)
    assert workload.requests_per_day == pytest.approx((5 * 96 + 2 * 24) / 7, rel=0.02)


@pytest.mark.parametrize("count", [1, 5])
def test_one_moment_has_no_rate(count: int) -> None:
    facts = facts_of(trace_at(np.zeros(count)))
    with pytest.raises(InputError, match="which has no rate"):
        finish(facts)


def test_burstiness_ignores_the_time_of_day() -> None:
    rng = np.random.default_rng(7)
    rates = 0.05 + 0.045 * np.sin(np.arange(48) / 24 * 2 * np.pi)
    arrivals = np.concatenate(
        [hour * HOUR + np.sort(rng.uniform(0, HOUR, int(rate * HOUR))) for hour, rate in enumerate(rates)]
    )
    assert burstiness(trace_at(arrivals)) == pytest.approx(1, abs=0.1)
    assert burstiness(trace_at(np.arange(100.0))) == pytest.approx(0, abs=1e-9)
    assert burstiness(trace_at(np.repeat(np.arange(100.0) * 60, 10))) > 2
