from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.capacity.simulate import simulate
from crossover.capacity.words import Serving, SimResult
from crossover.errors import InputError
from crossover.workload import parse_slo
from tests.capacity.naive import Request, walk


def serving(
    *,
    base: float = 0.010,
    per_sequence: float = 0.0001,
    kv: float = 2e-8,
    prefill: float = 5e-5,
    square: float = 1e-10,
    fixed: float = 0.0,
    capacity: int = 100_000,
    slots: int = 64,
    chunk: int = 2048,
    prefill_step: float = 0.0,
) -> Serving:
    return Serving(
        step_s=tuple(base + per_sequence * count for count in range(slots + 1)),
        kv_s_per_token=kv,
        prefill_s_per_token=prefill,
        prefill_s_per_token2=square,
        fixed_s=fixed,
        kv_capacity_tokens=capacity,
        max_sequences=slots,
        chunk_tokens=chunk,
        decode_log_sd=0.1,
        prefill_log_sd=0.2,
        calibrated=True,
        prefill_step_s=prefill_step,
    )


def lengths(seed: int, count: int, rate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrival = np.cumsum(rng.exponential(1 / rate, count))
    return arrival, rng.integers(1, 3000, count), rng.integers(1, 200, count)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 40),
    rate=st.sampled_from([0.5, 5.0, 50.0]),
    capacity=st.sampled_from([3300, 8000, 100_000]),
    slots=st.sampled_from([1, 3, 64]),
    chunk=st.sampled_from([16, 500, 2048]),
    kv=st.sampled_from([0.0, 2e-8, 1e-6]),
)
def test_agrees_with_the_simulator_that_walks_every_step(
    seed: int, count: int, rate: float, capacity: int, slots: int, chunk: int, kv: float
) -> None:
    replica = serving(capacity=capacity, slots=slots, chunk=chunk, kv=kv, prefill_step=0.003)
    arrival, prompt, output = lengths(seed, count, rate)
    rng = np.random.default_rng(seed)
    cached = np.where(rng.random(count) < 0.3, (prompt * rng.random(count)).astype(int), 0)
    result = simulate(arrival, prompt, output, replica, cached_tokens=cached)
    rows = [Request(*row) for row in zip(arrival, prompt.tolist(), output.tolist(), cached.tolist(), strict=True)]
    busy = walk(rows, replica)

    assert result.completed == result.requests == count
    span = max(row.finished for row in rows) - arrival[0]
    assert result.span_s == pytest.approx(span, rel=1e-6)
    assert result.utilisation == pytest.approx(busy / span, rel=1e-6)
    ttft = np.array([row.first - row.arrival for row in rows])
    e2e = np.array([row.finished - row.arrival for row in rows])
    gaps = np.array([gap for row in rows for gap in row.gaps])
    several = output > 1
    tpot = (e2e - ttft)[several] / (output[several] - 1)
    for measured, expected in ((result.ttft, ttft), (result.e2e, e2e), (result.tpot, tpot)):
        assert measured.mean == pytest.approx(float(np.mean(expected)) if expected.size else 0.0, rel=1e-6)
        for share in (50, 95):
            wanted = np.percentile(expected, share, method="inverted_cdf") if expected.size else 0.0
            assert getattr(measured, f"p{share}") == pytest.approx(wanted, rel=1e-6)
    if gaps.size:
        assert result.itl.mean == pytest.approx(gaps.mean(), rel=1e-6)
        assert result.itl.p50 == pytest.approx(np.percentile(gaps, 50, method="inverted_cdf"), rel=0.01)
        assert result.itl.p95 == pytest.approx(np.percentile(gaps, 95, method="inverted_cdf"), rel=0.01)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    replicas=st.integers(0, 5),
    wait=st.one_of(st.none(), st.floats(0, 3)),
    queue=st.one_of(st.none(), st.integers(0, 5)),
    rate=st.sampled_from([2.0, 30.0, 300.0]),
)
def test_every_request_completes_or_goes_elsewhere_and_tokens_are_conserved(
    seed: int, replicas: int, wait: float | None, queue: int | None, rate: float
) -> None:
    arrival, prompt, output = lengths(seed, 120, rate)
    prompt[3] = 10**6  # fits nowhere
    replica = serving(slots=8, capacity=12_000)
    result = simulate(arrival, prompt, output, replica, replicas=replicas, overflow_wait_s=wait, max_queue=queue)
    assert result.completed + result.overflow_requests == result.requests == 120
    assert result.overflow_requests >= 1
    assert result.overflow_share == result.overflow_requests / 120
    served = result.output_tokens_per_s * result.span_s
    assert served + result.overflow_output_tokens == pytest.approx(output.sum())
    assert result.overflow_input_tokens >= 10**6
    assert 0 <= result.utilisation <= 1
    if not replicas:
        assert result.overflow_share == 1
        assert result.overflow_input_tokens == prompt.sum()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), rate=st.sampled_from([2.0, 10.0, 40.0]))
def test_more_replicas_never_make_the_median_worse(seed: int, rate: float) -> None:
    arrival, prompt, output = lengths(seed, 400, rate)
    medians = [simulate(arrival, prompt, output, serving(), replicas=count).ttft.p50 for count in (1, 2, 4)]
    assert medians[1] <= medians[0] * 1.1
    assert medians[2] <= medians[1] * 1.1


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    arrival, prompt, output = lengths(seed, 50, 20.0)
    order = np.random.default_rng(seed).permutation(50)
    straight = simulate(arrival, prompt, output, serving(), replicas=2)
    assert simulate(arrival[order], prompt[order], output[order], serving(), replicas=2) == straight


def test_one_request_alone_takes_its_prefill_and_its_steps() -> None:
    replica = serving(fixed=0.2, kv=0.0, square=0.0)
    result = simulate([5.0], [1000], [11], replica)
    assert result.ttft.p50 == pytest.approx(0.2 + 0.010 + 1000 * 5e-5)
    assert result.tpot.p50 == pytest.approx(0.0101)
    assert result.itl.p99 == pytest.approx(0.0101)
    assert result.e2e.p50 == pytest.approx(result.ttft.p50 + 10 * 0.0101)
    assert result.queue_s.p99 == 0
    assert result.utilisation == 1
    assert result.stable


def test_no_request_at_all() -> None:
    result = simulate([], [], [], serving(), replicas=3, slo=parse_slo("ttft_p95<1s"))
    assert (result.requests, result.completed, result.span_s, result.utilisation) == (0, 0, 0, 0)
    assert result.ttft.shares == ()
    assert result.stable


def test_a_request_larger_than_the_cache_is_sent_elsewhere() -> None:
    result = simulate([0, 1], [10**9, 10], [5, 5], serving())
    assert (result.completed, result.overflow_requests, result.overflow_input_tokens) == (1, 1, 10**9)


def test_a_replica_without_cache_serves_nothing() -> None:
    result = simulate([0, 1], [10, 10], [5, 5], serving(capacity=0))
    assert result.completed == 0
    assert result.overflow_share == 1


def test_gaps_are_weighted_by_the_sequences_that_wait() -> None:
    # Four sequences decode 100 tokens; the fifth's prompt stretches one step for all four of them.
    replica = serving(kv=0.0, per_sequence=0.0, square=0.0)
    result = simulate([0, 0, 0, 0, 0.5], [10] * 4 + [2000], [101] * 4 + [1], replica)
    gaps = 4 * 100
    assert result.itl.mean == pytest.approx((gaps * 0.010 + 4 * 2000 * 5e-5) / gaps)
    assert result.itl.values[-1] == pytest.approx(0.010 + 2000 * 5e-5)
    assert result.itl.p95 == pytest.approx(0.010)


def test_cached_tokens_shorten_the_prefill() -> None:
    replica = serving(square=0.0)
    cold = simulate([0.0], [2000], [2], replica).ttft.p50
    warm = simulate([0.0], [2000], [2], replica, cached_tokens=[1500]).ttft.p50
    assert cold - warm == pytest.approx(1500 * 5e-5)
    assert simulate([0.0], [2000], [2], replica, cached_tokens=[9999]).ttft.p50 == pytest.approx(0.010 + 5e-5)


def test_overload_is_reported_and_a_burst_is_not() -> None:
    arrival, prompt, output = lengths(1, 2000, 60.0)
    busy = simulate(arrival, prompt, output, serving())
    assert not busy.stable
    assert busy.utilisation > 0.95
    calm = simulate(arrival * 30, prompt, output, serving())
    assert calm.stable
    burst = arrival * 30
    burst[:200] = 0.0
    assert simulate(burst, prompt, output, serving()).stable


def test_overflow_keeps_the_wait_of_the_others_short() -> None:
    arrival, prompt, output = lengths(2, 2000, 60.0)
    capped = simulate(arrival, prompt, output, serving(), overflow_wait_s=0.5)
    assert capped.stable
    assert 0.3 < capped.overflow_share < 0.9
    # Nobody waits longer than allowed, but for the step during which the time ran out.
    assert capped.queue_s.values[-1] < 0.5 + 0.3
    open_ended = simulate(arrival, prompt, output, serving())
    assert capped.output_tokens_per_s > 0.85 * open_ended.output_tokens_per_s
    short = simulate(arrival, prompt, output, serving(), max_queue=4)
    assert short.queue_s.p99 < open_ended.queue_s.p50


def test_a_few_replicas_stand_for_many() -> None:
    arrival, prompt, output = lengths(3, 16_000, 160.0)
    whole = simulate(arrival, prompt, output, serving(), replicas=40)
    part = simulate(arrival, prompt, output, serving(), replicas=40, simulated=8)
    assert part.requests == 16_000 // 5
    assert part.replicas == 40
    for name in ("ttft", "itl", "e2e"):
        assert getattr(part, name).p50 == pytest.approx(getattr(whole, name).p50, rel=0.05)
        assert getattr(part, name).p95 == pytest.approx(getattr(whole, name).p95, rel=0.08)
    assert part.output_tokens_per_s == pytest.approx(whole.output_tokens_per_s, rel=0.05)
    assert part.utilisation == pytest.approx(whole.utilisation, rel=0.05)


def test_targets_are_held_at_their_percentile() -> None:
    arrival, prompt, output = lengths(4, 500, 3.0)
    slo = parse_slo("ttft_p95<10s,itl_p99<1ms,e2e_p50<100s,tpot_p90<1s")
    result = simulate(arrival, prompt, output, serving(), slo=slo)
    assert result.slo_met == (True, False, True, True)
    assert result.slo_reached_s == (result.ttft.p95, result.itl.p99, result.e2e.p50, result.tpot.p90)
    assert result.goodput_rps < 0.05  # only answers of one token, which have no gap
    free = simulate(arrival, prompt, output, serving())
    assert free.goodput_rps == pytest.approx(500 / free.span_s)


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        (([0, 1], [1], [1]), {}),
        (([0.0], [float("nan")], [1]), {}),
        (([0.0], [-1], [1]), {}),
        (([float("inf")], [1], [1]), {}),
        (([0.0], [1], [1]), {"replicas": -1}),
        (([0.0], [1], [1]), {"replicas": 2, "simulated": 3}),
        (([0.0], [1], [1]), {"overflow_wait_s": float("nan")}),
    ],
)
def test_columns_that_make_no_sense_are_refused(columns: tuple[list[float], ...], options: dict[str, float]) -> None:
    with pytest.raises(InputError):
        simulate(columns[0], columns[1], columns[2], serving(), **options)  # type: ignore[arg-type]


def replayed(place: Path, replica: Serving) -> SimResult:
    with (place / "traces" / "azure2023_conv.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    arrival = np.array([row["TIMESTAMP"][:26] for row in rows], dtype="datetime64[us]").astype(float) / 1e6
    prompt = [int(row["ContextTokens"]) for row in rows]
    output = [int(row["GeneratedTokens"]) for row in rows]
    return simulate(arrival - arrival[0], prompt, output, replica, slo=parse_slo("ttft_p95<1s"))


def test_a_recorded_hour_runs_through(shared_data: Path) -> None:
    replica = serving(base=0.008, per_sequence=3e-5, kv=4e-8, slots=256, capacity=400_000, chunk=8192)
    result = replayed(shared_data, replica)
    assert result.completed == result.requests == 19_366
    assert result.stable
    assert 0 < result.utilisation <= 1
    assert result.ttft.p50 < result.ttft.p95 < result.e2e.p95
