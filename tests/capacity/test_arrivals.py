from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.capacity.arrivals import Arrivals, draw_tokens, hourly_levels, load_levels, peak_level, sample
from crossover.errors import InputError
from crossover.workload import FLAT_PROFILE, Trace, Workload, constant, lognormal, quantiles


def workload(
    requests_per_day: float = 86_400.0,
    *,
    peak_factor: float = 1.0,
    profile: tuple[float, ...] = FLAT_PROFILE,
    burstiness: float = 1.0,
    cached_share: float = 0.0,
    trace: Trace | None = None,
) -> Workload:
    return Workload(
        name="test",
        requests_per_day=requests_per_day,
        input=lognormal(1000, 1.0),
        output=quantiles(((0.0, 10), (0.5, 100), (1.0, 400))),
        cached_share=cached_share,
        peak_factor=peak_factor,
        profile=profile,
        burstiness=burstiness,
        trace=trace,
    )


def trace(count: int = 1000, *, seed: int = 0, cached: bool = False) -> Trace:
    """One request a second on average; every row can be told from its prompt, its answer is twice as long."""
    rng = np.random.default_rng(seed)
    arrival = np.cumsum(rng.exponential(1.0, count))
    prompt = np.arange(1, count + 1)
    return Trace(
        name="recorded",
        arrival_s=arrival - arrival[0],
        input_tokens=prompt,
        output_tokens=2 * prompt,
        cached_tokens=prompt // 2 if cached else None,
    )


def variation(times: np.ndarray) -> float:
    gaps = np.diff(times)
    return float(gaps.std() / gaps.mean())


def drawn(given_workload: Workload, level: float = 1.0, duration: float = 3600.0, seed: int = 0) -> Arrivals:
    return sample(given_workload, np.random.default_rng(seed), hours_level=level, duration_s=duration)


@settings(max_examples=30, deadline=None)
@given(
    rate=st.floats(0, 20_000),
    level=st.floats(0, 5),
    burstiness=st.floats(0, 20),
    seed=st.integers(0, 100),
    recorded=st.booleans(),
)
def test_columns_fit_together(rate: float, level: float, burstiness: float, seed: int, recorded: bool) -> None:
    asked = workload(rate * 10, burstiness=burstiness, cached_share=0.3, trace=trace(50) if recorded else None)
    columns = drawn(asked, level, 600, seed)
    for column in (columns.input_tokens, columns.output_tokens, columns.cached_tokens):
        assert len(column) == columns.requests
    assert (np.diff(columns.arrival_s) >= 0).all()
    assert (columns.arrival_s >= 0).all()
    assert (columns.arrival_s <= 600 * (1 + 1e-9)).all()
    assert (columns.input_tokens >= 1).all()
    assert (columns.cached_tokens <= columns.input_tokens).all()
    if not recorded:
        assert abs(len(columns.arrival_s) - rate * 10 / 86_400 * level * 600) <= 1


@pytest.mark.parametrize("burstiness", [0.0, 0.5, 1.0, 3.0])
def test_gaps_have_the_stated_variation(burstiness: float) -> None:
    columns = drawn(workload(10 * 86_400, burstiness=burstiness))
    assert variation(columns.arrival_s) == pytest.approx(burstiness, rel=0.08, abs=0.01)


def test_lengths_have_the_stated_mean() -> None:
    columns = drawn(workload(10 * 86_400))
    assert columns.input_tokens.mean() == pytest.approx(1000, rel=0.03)
    assert columns.output_tokens.mean() == pytest.approx(workload().output.mean, rel=0.01)
    assert np.log(columns.input_tokens).std() == pytest.approx(1.0, rel=0.03)
    rng = np.random.default_rng(0)
    assert set(draw_tokens(constant(7), rng, 5)) == {7}
    assert draw_tokens(constant(1.5), rng, 10_000).mean() == pytest.approx(1.5, rel=0.02)
    assert set(draw_tokens(constant(0), rng, 5)) == {1}


def test_a_trace_at_its_own_rate_is_replayed_as_recorded() -> None:
    recorded = trace(cached=True)
    period = recorded.span_s * 1000 / 999
    columns = drawn(workload(86_400 * 1000 / period, trace=recorded), duration=period)
    assert columns.arrival_s == pytest.approx(recorded.arrival_s)
    assert (columns.input_tokens == recorded.input_tokens).all()
    assert recorded.cached_tokens is not None
    assert (columns.cached_tokens == recorded.cached_tokens).all()


@pytest.mark.parametrize("factor", [0.05, 0.5, 3.0, 20.0, 500.0])
def test_a_trace_reaches_another_rate_with_pairs_kept(factor: float) -> None:
    duration = 3000 / factor
    columns = drawn(workload(86_400 * factor, trace=trace()), duration=duration)
    assert len(columns.arrival_s) == pytest.approx(3000, rel=0.08)
    assert (columns.output_tokens == 2 * columns.input_tokens).all()


def test_compression_keeps_bursts_and_copies_even_them_out() -> None:
    rng = np.random.default_rng(5)
    gaps = rng.gamma(1 / 25, 25.0, 3000)  # coefficient of variation 5
    arrival = np.cumsum(gaps)
    ones = np.ones(3000, dtype=np.int64)
    bursty = Trace(name="bursty", arrival_s=arrival - arrival[0], input_tokens=ones, output_tokens=ones)
    own = 3000 / arrival[-1] * 86_400
    plain = variation(bursty.arrival_s)
    assert variation(drawn(workload(4 * own, trace=bursty)).arrival_s) == pytest.approx(plain, rel=0.25)
    assert variation(drawn(workload(120 * own, trace=bursty), duration=300).arrival_s) < 0.6 * plain


@pytest.mark.parametrize("count", [1, 3])
def test_rows_without_a_clock_keep_their_lengths(count: int) -> None:
    at_once = Trace(
        name="once",
        arrival_s=np.zeros(count),
        input_tokens=np.full(count, 5),
        output_tokens=np.full(count, 9),
    )
    columns = drawn(workload(86_400, trace=at_once), duration=100)
    assert len(columns.arrival_s) == 100
    assert set(columns.output_tokens) == {9}


def test_no_request() -> None:
    assert len(drawn(workload(0)).arrival_s) == 0
    assert len(drawn(workload(0, trace=trace())).arrival_s) == 0
    assert len(drawn(workload(), duration=0).arrival_s) == 0


@settings(max_examples=50, deadline=None)
@given(
    peak=st.floats(1, 168),
    profile=st.one_of(
        st.just(FLAT_PROFILE),
        st.integers(0, 1000).map(lambda seed: tuple(np.random.default_rng(seed).random(168).tolist())),
        st.just((0.0,) * 167 + (1.0,)),
    ),
    k=st.integers(1, 12),
)
def test_a_week_keeps_its_volume_and_its_peak(peak: float, profile: tuple[float, ...], k: int) -> None:
    asked = workload(peak_factor=peak, profile=profile)
    hours = hourly_levels(asked)
    assert hours.mean() == pytest.approx(1)
    assert (hours >= 0).all()
    own = max(profile) / (sum(profile) / 168)
    assert peak_level(asked) == pytest.approx(max(peak, own), rel=1e-6)
    levels = load_levels(asked, k)
    assert 1 <= len(levels) <= k
    assert sum(count for count, _ in levels) == 168
    assert sum(count * level for count, level in levels) == pytest.approx(168)
    if k > 1:
        assert levels[0][1] == pytest.approx(hours.max())
    assert [level for _, level in levels] == sorted((level for _, level in levels), reverse=True)


def test_a_flat_week_is_one_level() -> None:
    assert load_levels(workload(), 6) == ((168.0, 1.0),)


def test_a_peak_of_a_flat_profile_becomes_a_daily_swing() -> None:
    hours = hourly_levels(workload(peak_factor=3.0))
    assert hours.max() == pytest.approx(3.0)
    assert np.allclose(hours[:24], hours[24:48])
    assert int((hours > 2.0).sum()) > 7 * 2


@pytest.mark.parametrize("peak", [0.0, 169.0, float("nan")])
def test_an_impossible_peak_is_refused(peak: float) -> None:
    with pytest.raises(InputError):
        hourly_levels(workload(peak_factor=peak))


def test_bad_values_are_refused() -> None:
    with pytest.raises(InputError):
        drawn(workload(), duration=float("nan"))
    with pytest.raises(InputError):
        drawn(workload(), level=-1)
    with pytest.raises(InputError):
        drawn(workload(burstiness=-1))
    with pytest.raises(InputError):
        load_levels(workload(), 0)
    with pytest.raises(InputError):
        hourly_levels(workload(profile=(1.0,) * 24))
