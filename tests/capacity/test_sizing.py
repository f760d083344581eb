from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.capacity.arrivals import peak_level, sample
from crossover.capacity.simulate import simulate
from crossover.capacity.sizing import (
    Effort,
    Hour,
    Sizing,
    Unmeetable,
    bound_of,
    size,
    work_per_request,
)
from crossover.capacity.words import Serving
from crossover.workload import Slo, Trace, Workload, constant, lognormal, parse_slo
from tests.capacity.test_simulate import serving

QUICK = Effort(search=600, final=0)
CHAT = parse_slo("ttft_p95<1s")


def workload(
    requests_per_day: float, *, peak: float = 1.0, prompt: float = 500, trace: Trace | None = None
) -> Workload:
    return Workload(
        name="test",
        requests_per_day=requests_per_day,
        input=lognormal(prompt, 0.7),
        output=lognormal(100, 0.7),
        peak_factor=peak,
        trace=trace,
    )


def sized(asked: Workload, replica: Serving, slo: Slo = CHAT, effort: Effort = QUICK) -> Sizing:
    found = size(asked, replica, slo, effort=effort)
    assert isinstance(found, Sizing), found
    return found


@pytest.mark.parametrize("volume", [20_000, 500_000, 3_000_000])
def test_the_answer_holds_and_one_less_does_not(volume: float) -> None:
    asked = workload(volume, peak=2)
    found = sized(asked, serving(), effort=Effort(search=2000, final=0))
    assert found.with_spare == found.replicas + found.spare == found.replicas + 1
    assert found.lower_bound <= found.replicas
    assert found.peak.stable
    assert all(found.peak.slo_met)
    assert found.peak.replicas == found.replicas
    assert found.peak_rps == pytest.approx(volume / 86_400 * 2)
    assert found.fewer.replicas == found.replicas - 1
    # Held against a longer, different draw of the same hour.
    rng = np.random.default_rng(99)
    rows = sample(asked, rng, hours_level=peak_level(asked), duration_s=min(20_000 / found.peak_rps, 3600))
    columns = (rows.arrival_s, rows.input_tokens, rows.output_tokens, serving())
    assert simulate(*columns, replicas=found.replicas + max(1, found.replicas // 20), slo=CHAT).slo_met == (True,)
    if found.fewer.target is not None:
        fewer = simulate(*columns, replicas=max(1, round(found.replicas * 0.9 - 0.6)), slo=CHAT)
        assert not fewer.stable or fewer.slo_met == (False,)


@settings(max_examples=12, deadline=None)
@given(
    volume=st.floats(1_000, 5_000_000),
    prompt=st.floats(10, 3000),
    capacity=st.sampled_from([20_000, 100_000]),
    slots=st.sampled_from([2, 64]),
    base=st.sampled_from([0.001, 0.02]),
)
def test_fewer_than_the_lower_bound_are_always_overloaded(
    volume: float, prompt: float, capacity: int, slots: int, base: float
) -> None:
    replica = serving(capacity=capacity, slots=slots, base=base)
    asked = workload(volume, prompt=prompt)
    drawn = hour(asked, 2000, replica)
    bound = bound_of(drawn.arrivals, replica, drawn.rate, drawn.arrivals.requests)
    assert bound >= 1
    if bound > 1:
        rate = volume / 86_400
        rows = sample(asked, np.random.default_rng(7), hours_level=1.0, duration_s=400 * bound / rate)
        few = bound - 1
        result = simulate(rows.arrival_s, rows.input_tokens, rows.output_tokens, replica, replicas=few, simulated=1)
        # However long the requests take to drain: the replica was busy for longer than requests came in.
        assert result.span_s * 1.05 > rows.duration_s
        assert result.utilisation > 0.9


def test_more_traffic_needs_no_fewer_replicas() -> None:
    counts = [sized(workload(volume), serving()).replicas for volume in (1e4, 3e5, 1e6, 4e6)]
    assert counts == sorted(counts)
    assert counts[-1] > 1


def test_a_large_fleet_is_sized_by_a_part_of_it() -> None:
    small, large = sized(workload(2e7), serving()), sized(workload(2e9), serving())
    assert large.replicas == pytest.approx(100 * small.replicas, rel=0.1)
    assert large.peak.output_tokens_per_s == pytest.approx(2e9 / 86_400 * 100, rel=0.1)


def test_a_promise_below_a_single_prefill_names_the_target_and_the_best_there_is() -> None:
    found = size(workload(10_000), serving(), parse_slo("itl_p95<50ms,ttft_p95<10ms"), effort=QUICK)
    assert isinstance(found, Unmeetable)
    assert found.target is not None
    assert found.target.metric == "ttft"
    assert found.best_possible_s > 0.01
    assert "ttft_p95<10ms cannot be met" in found.reason


def test_the_best_possible_is_what_an_idle_replica_reaches() -> None:
    tight = parse_slo("e2e_p50<1ms")
    found = size(workload(10), serving(), tight, effort=QUICK)
    assert isinstance(found, Unmeetable)
    asked = workload(10)
    rows = sample(asked, np.random.default_rng(0), hours_level=1.0, duration_s=3000 * 8640)
    idle = simulate(rows.arrival_s * 10, rows.input_tokens, rows.output_tokens, serving(), slo=tight)
    assert found.best_possible_s == pytest.approx(idle.slo_reached_s[0], rel=0.1)


def test_too_many_replicas_and_too_small_a_cache() -> None:
    found = size(workload(1e8), serving(), CHAT, most=3, effort=QUICK)
    assert isinstance(found, Unmeetable)
    assert "more than 3 replicas" in found.reason
    nowhere = size(workload(1e4), serving(capacity=10), Slo(), effort=QUICK)
    assert isinstance(nowhere, Unmeetable)
    assert "no request fits" in nowhere.reason


def test_requests_that_fit_nowhere_are_counted() -> None:
    found = sized(workload(50_000, prompt=3000), serving(capacity=4000), effort=Effort(search=3000, final=0))
    assert 0 < found.too_large_share < 0.5
    assert found.peak.overflow_share == pytest.approx(found.too_large_share, abs=0.03)


def test_no_traffic_needs_no_replica() -> None:
    found = sized(workload(0), serving())
    assert (found.replicas, found.with_spare, found.peak.requests) == (0, 0, 0)


def test_without_a_promise_the_queue_must_not_grow() -> None:
    found = sized(workload(3e6), serving(), Slo(), Effort(search=2000, final=0))
    assert found.peak.stable
    assert found.replicas <= sized(workload(3e6), serving()).replicas
    assert found.fewer.target is None


def test_bursts_need_more() -> None:
    rng = np.random.default_rng(1)
    arrival = np.cumsum(rng.gamma(1 / 100, 100.0, 4000))  # coefficient of variation 10
    rows = rng.integers(100, 900, 4000)
    bursty = Trace(name="bursty", arrival_s=arrival - arrival[0], input_tokens=rows, output_tokens=rows // 4)
    calm = Trace(name="calm", arrival_s=np.arange(4000.0), input_tokens=rows, output_tokens=rows // 4)
    counts = [sized(workload(1.2e6, trace=trace), serving()).replicas for trace in (calm, bursty)]
    assert counts[0] < counts[1]


def test_work_per_request_is_the_work_of_a_full_batch() -> None:
    # With every slot busy all the time, a constant load is served at exactly the bound.
    replica = serving(kv=0.0, square=0.0, slots=16, prefill=1e-6)
    asked = Workload(name="test", requests_per_day=86_400, input=constant(100), output=constant(101))
    rows = sample(asked, np.random.default_rng(0), hours_level=1.0, duration_s=1000)
    result = simulate(np.zeros(1000), rows.input_tokens, rows.output_tokens, replica)
    assert float(work_per_request(rows, replica).sum()) == pytest.approx(result.span_s, rel=0.03)


def hour(asked: Workload, requests: int = 1500, replica: Serving | None = None) -> Hour:
    return Hour(asked, replica or serving(), Slo(), 0, peak_level(asked), requests)


def test_overflow_falls_with_every_replica() -> None:
    asked = workload(2e6, peak=3)
    busy = hour(asked)
    runs = [busy.spill(replicas, 0.5) for replicas in (0, 1, 2, 4, 8, 30)]
    assert runs[0][1] == (1.0, 1.0, 1.0)
    for (_, before), (result, after) in pairwise(runs):
        assert all(0 <= b <= a + 0.01 for a, b in zip(before, after, strict=True))
        assert result.completed + result.overflow_requests == result.requests
    assert runs[-1][1][0] < 0.01


def test_more_load_overflows_more() -> None:
    busy = hour(workload(2e6))
    shares = [busy.spill(2, 0.5, faster)[1][0] for faster in (0.25, 1.0, 4.0)]
    assert shares == sorted(shares)


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_part_of_the_hour_stands_for_all_of_it(replicas: int) -> None:
    asked = workload(600_000)
    quick, shares = hour(asked).spill(replicas, 0.5)
    rows = sample(asked, np.random.default_rng(3), hours_level=1.0, duration_s=3600)
    full = simulate(
        rows.arrival_s, rows.input_tokens, rows.output_tokens, serving(), replicas=replicas, overflow_wait_s=0.5
    )
    assert shares[0] == pytest.approx(full.overflow_share, abs=0.03)
    assert quick.utilisation == pytest.approx(full.utilisation, abs=0.03)


def test_a_load_far_beyond_the_replicas_leaves_them_full() -> None:
    volumes = (4e6, 4e7, 4e9)
    served = [(1 - hour(workload(volume)).spill(1, 0.5)[1][0]) * volume for volume in volumes]
    assert served[1] == pytest.approx(served[0], rel=0.1)
    assert served[2] == pytest.approx(served[1], rel=0.02)
