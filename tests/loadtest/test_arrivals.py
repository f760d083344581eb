"""Schedules: rates, bursts, ramps and traces come out as stated, and a seed gives the same again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crossover.errors import InputError
from crossover.loadtest.arrivals import schedule
from crossover.loadtest.words import Load
from crossover.workload import Trace


def due(
    load: Load, *, requests: int | None = None, duration_s: float | None = None, seed: int = 1
) -> NDArray[np.float64]:
    return schedule(load, np.random.default_rng(seed), requests=requests, duration_s=duration_s)


def trace(*arrivals: float) -> Trace:
    ones = np.ones(len(arrivals), dtype=np.int64)
    return Trace(name="t", arrival_s=np.array(arrivals), input_tokens=ones, output_tokens=ones)


def test_a_constant_rate_is_even_from_the_start() -> None:
    assert due(Load(style="constant", rate_rps=4), requests=5).tolist() == [0, 0.25, 0.5, 0.75, 1.0]
    assert due(Load(style="constant", rate_rps=4), duration_s=1.0).tolist() == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("load", "variation"),
    [
        (Load(rate_rps=50), 1.0),
        (Load(style="gamma", rate_rps=50, burstiness=3), 3.0),
        (Load(style="gamma", rate_rps=50, burstiness=0.3), 0.3),
    ],
)
def test_gaps_have_the_stated_rate_and_burstiness(load: Load, variation: float) -> None:
    found = np.diff(due(load, requests=40_000))
    assert found.mean() == pytest.approx(1 / 50, rel=0.06)
    assert found.std() / found.mean() == pytest.approx(variation, rel=0.08)


def test_time_ends_a_schedule_and_nothing_is_cut_off_before() -> None:
    counts = [len(due(Load(style="gamma", rate_rps=20, burstiness=2), duration_s=30, seed=seed)) for seed in range(40)]
    assert np.mean(counts) == pytest.approx(600, rel=0.08)
    assert np.std(counts) > 20  # it is not the room that ends them


@pytest.mark.parametrize(("first", "last"), [(0.0, 20.0), (2.0, 20.0), (20.0, 2.0), (20.0, 0.0)])
def test_a_ramp_changes_the_rate_evenly(first: float, last: float) -> None:
    found = due(Load(style="constant", rate_rps=first, to_rate_rps=last), duration_s=100)
    assert len(found) == pytest.approx((first + last) / 2 * 100, abs=2)
    counts, _ = np.histogram(found, bins=10, range=(0, 100))
    wanted = [(first + (last - first) * (part + 0.5) / 10) * 10 for part in range(10)]
    assert counts == pytest.approx(wanted, abs=1.6)
    assert (np.diff(found) > 0).all()


def test_a_flat_ramp_is_a_constant_rate() -> None:
    flat = due(Load(style="constant", rate_rps=4, to_rate_rps=4), duration_s=2)
    assert flat.tolist() == due(Load(style="constant", rate_rps=4), duration_s=2).tolist()


def test_a_trace_is_replayed_faster_or_slower() -> None:
    load = Load(style="trace", time_scale=4.0)
    rng = np.random.default_rng()
    found = schedule(load, rng, requests=None, duration_s=None, trace=trace(0, 2, 2, 10))
    assert found.tolist() == [0, 0.5, 0.5, 2.5]
    assert schedule(load, rng, requests=2, duration_s=None, trace=trace(0, 2, 10)).tolist() == [0, 0.5]


def test_the_same_seed_gives_the_same_times() -> None:
    load = Load(style="gamma", rate_rps=7, burstiness=2)
    assert due(load, requests=50).tolist() == due(load, requests=50).tolist()
    assert due(load, requests=50).tolist() != due(load, requests=50, seed=2).tolist()


@pytest.mark.parametrize(
    ("load", "field"),
    [
        (Load(rate_rps=0), "--rate"),
        (Load(rate_rps=float("nan")), "--rate"),
        (Load(rate_rps=1e9), "--rate"),
        (Load(rate_rps=1, to_rate_rps=-1), "--rate"),
        (Load(rate_rps=1e-9), "--rate"),
        (Load(style="gamma", rate_rps=1, burstiness=0), "--burstiness"),
        (Load(style="gamma", rate_rps=1, burstiness=99), "--burstiness"),
        (Load(style="trace"), "--trace"),
    ],
)
def test_what_cannot_be_sent_is_named(load: Load, field: str) -> None:
    with pytest.raises(InputError) as caught:
        due(load, duration_s=10)
    assert caught.value.field == field


def test_an_end_is_needed() -> None:
    with pytest.raises(InputError, match="needs an end"):
        due(Load(rate_rps=1))
    with pytest.raises(InputError, match="ramp needs"):
        due(Load(rate_rps=1, to_rate_rps=2), requests=10)
    with pytest.raises(InputError, match="time scale"):
        schedule(
            Load(style="trace", time_scale=0), np.random.default_rng(), requests=1, duration_s=None, trace=trace(0)
        )
