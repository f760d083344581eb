"""Workload: distributions of lengths with true means, and promises read and written alike."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crossover.errors import InputError
from crossover.workload import (
    SLO_METRICS,
    Lengths,
    Slo,
    SloTarget,
    Trace,
    constant,
    length_at,
    lognormal,
    parse_slo,
    quantiles,
    scaled,
)

GRID = ((np.arange(2_000) + 0.5) / 2_000).tolist()  # shares in the middle of equal parts: their mean is the mean


@st.composite
def points(draw: st.DrawFn) -> tuple[tuple[float, float], ...]:
    shares = draw(st.lists(st.integers(0, 100), min_size=2, max_size=6, unique=True).map(sorted))
    tokens = draw(st.lists(st.integers(0, 100_000), min_size=len(shares), max_size=len(shares)).map(sorted))
    return tuple((share / 100, float(count)) for share, count in zip(shares, tokens, strict=True))


lengths = st.one_of(
    st.floats(0, 1e6).map(constant),
    st.builds(lognormal, st.floats(1, 1e5), st.floats(0, 2)),
    points().map(quantiles),
)


def mean_of(distribution: Lengths) -> float:
    return float(np.mean([length_at(distribution, share) for share in GRID]))


@settings(max_examples=15)
@given(points())
def test_the_mean_of_quantiles_is_true(rows: tuple[tuple[float, float], ...]) -> None:
    distribution = quantiles(rows)
    assert mean_of(distribution) == pytest.approx(distribution.mean, rel=1e-3, abs=100.0)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 1.2])
def test_the_mean_of_a_lognormal_is_true(sigma: float) -> None:
    assert mean_of(lognormal(500, sigma)) == pytest.approx(500, rel=0.02)


@given(lengths, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_share_is_never_shorter(distribution: Lengths, first: float, second: float) -> None:
    low, high = sorted([first, second])
    assert 0 <= length_at(distribution, low) <= length_at(distribution, high) * (1 + 1e-12)


@given(lengths, st.floats(0.01, 10), st.floats(0, 1))
def test_scaling_scales_the_mean_and_every_quantile(distribution: Lengths, factor: float, share: float) -> None:
    longer = scaled(distribution, factor)
    assert longer.mean == pytest.approx(distribution.mean * factor)
    assert length_at(longer, share) == pytest.approx(length_at(distribution, share) * factor)


def test_quantiles_by_hand() -> None:
    distribution = quantiles(((0.0, 0.0), (0.5, 100.0), (1.0, 300.0)))
    assert distribution.mean == 125
    assert [length_at(distribution, share) for share in (0, 0.25, 0.5, 0.75, 1)] == [0, 50, 100, 200, 300]


def test_the_first_and_the_last_pair_are_the_ends() -> None:
    distribution = quantiles(((0.5, 100.0), (0.9, 300.0)))
    assert length_at(distribution, 0.1) == 100
    assert length_at(distribution, 0.99) == 300


@pytest.mark.parametrize("tokens", [-1, math.nan, math.inf, 1e9])
def test_absurd_lengths_are_refused(tokens: float) -> None:
    for make in (constant, lambda value: lognormal(value, 1), lambda value: quantiles(((0.0, 0.0), (1.0, value)))):
        with pytest.raises(InputError, match="cannot have"):
            make(tokens)
    with pytest.raises(InputError, match="cannot have"):
        scaled(constant(1), tokens)


@pytest.mark.parametrize("sigma", [-0.1, 6, math.nan, math.inf])
def test_absurd_sigmas_are_refused(sigma: float) -> None:
    with pytest.raises(InputError, match="sigma"):
        lognormal(500, sigma)


@pytest.mark.parametrize(
    "rows",
    [
        (),
        ((0.5, 1.0),),
        ((0.5, 1.0), (0.5, 2.0)),
        ((0.9, 1.0), (0.5, 2.0)),
        ((-0.1, 1.0), (0.5, 2.0)),
        ((0.5, 1.0), (1.1, 2.0)),
        ((0.1, 5.0), (0.9, 2.0)),
        ((math.nan, 5.0), (0.9, 20.0)),
        ((0.1, 5.0), (math.nan, 20.0)),
    ],
)
def test_broken_quantiles_are_refused(rows: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(InputError):
        quantiles(rows)


def test_a_trace_knows_its_size() -> None:
    empty = np.zeros(0)
    none = Trace(name="t", arrival_s=empty, input_tokens=empty.astype(int), output_tokens=empty.astype(int))
    assert (none.requests, none.span_s) == (0, 0.0)
    count = np.array([1, 1, 1])
    some = Trace(name="t", arrival_s=np.array([0, 1.5, 9]), input_tokens=count, output_tokens=count)
    assert (some.requests, some.span_s) == (3, 9.0)


def test_promises_are_read() -> None:
    assert parse_slo("ttft_p95<1s, itl_p99.9 <= 50ms").targets == (
        SloTarget("ttft", 95, 1.0),
        SloTarget("itl", 99.9, 0.05),
    )
    assert parse_slo("TTFT_P95<1S").targets == (SloTarget("ttft", 95, 1.0),)
    assert parse_slo("") == parse_slo(" , ") == Slo()


@given(
    st.lists(
        st.tuples(st.sampled_from(SLO_METRICS), st.integers(1, 999), st.integers(1, 10**6)),
        min_size=1,
        max_size=4,
        unique_by=lambda row: (row[0], row[1]),
    )
)
def test_a_promise_survives_its_label(rows: list[tuple[str, int, int]]) -> None:
    targets = tuple(SloTarget(metric, tenths / 10, ms / 1000) for metric, tenths, ms in rows)  # type: ignore[arg-type]
    # the label keeps six digits, which every limit of people has
    assume(all(float(f"{row.limit_s:g}") == row.limit_s for row in targets))
    back = parse_slo(",".join(target.label for target in targets)).targets
    assert [(row.metric, row.percentile) for row in back] == [(row.metric, row.percentile) for row in targets]
    assert [row.limit_s for row in back] == pytest.approx([row.limit_s for row in targets])


@pytest.mark.parametrize("limit_s", [1e-7, 0.001, 0.9996, 1.0, 60.0, 600_000.0, 1e6, 86_400_000.0])
def test_a_label_can_always_be_read_back(limit_s: float) -> None:
    (back,) = parse_slo(SloTarget("e2e", 99, limit_s).label).targets
    assert back.limit_s == pytest.approx(limit_s)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fast", "is not an SLO"),
        ("ttft<1s", "is not an SLO"),
        ("ttft_p95<1", "is not an SLO"),
        ("ttft_p95<-1s", "is not an SLO"),
        ("ttft_p95<nans", "is not an SLO"),
        ("ttft_p95<infs", "is not an SLO"),
        ("ttft_p95<1s;itl_p95<1s", "is not an SLO"),
        ("latency_p95<1s", "unknown SLO metric 'latency'. Known: ttft"),
        ("ttft_p9.5.5<1s", "no readable number"),
        ("ttft_p95<1.2.3s", "no readable number"),
        ("ttft_p0<1s", "percentile 0 must lie"),
        ("ttft_p100<1s", "percentile 100 must lie"),
        ("ttft_p95<0ms", "cannot be met"),
        ("ttft_p95<1s,ttft_p95<2s", "two limits"),
    ],
)
def test_broken_promises_are_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says.replace(".", r"\.")) as caught:
        parse_slo(text)
    assert caught.value.field == "slo"


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InputError):
        assert all(target.limit_s > 0 for target in parse_slo(text).targets)
