"""Flags: what they make, what they refuse, what contradicts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import ContradictionError, CrossoverError, FileError, InputError
from crossover.traffic.flags import demand_from_flags, workload_from_flags

PLAIN: dict[str, Any] = {"requests_per_day": 10_000, "input_tokens": 500, "output_tokens": 300}


def trace_file(folder: Path, days: float = 0.04, count: int = 500) -> Path:
    path = folder / "trace.csv"
    gap = days * 86_400 / (count - 1)
    rows = "".join(f"{1_767_571_200 + index * gap:.3f},{100 + index},20\n" for index in range(count))
    path.write_text("time,input_tokens,output_tokens\n" + rows)
    return path


def test_flags_alone() -> None:
    workload = workload_from_flags(
        **PLAIN,
        peak_factor=3,
        cached_share=0.4,
        sensitive_share=0.2,
        models=["gpt-4o-mini", "gpt-4o", "gpt-4o"],
        growth=0.05,
    )
    assert (workload.requests_per_day, workload.input.mean, workload.output.mean) == (10_000, 500, 300)
    assert workload.models == ("gpt-4o-mini", "gpt-4o")
    assert workload.peak_factor == 3
    assert max(workload.profile) == pytest.approx(3)
    assert (workload.cached_share, workload.sensitive_share, workload.growth_per_month) == (0.4, 0.2, 0.05)
    assert workload.input.kind == "lognormal"
    assert any("log-normal" in note for note in workload.notes)


def test_slo_and_regimes_ride_along() -> None:
    demand = demand_from_flags(**PLAIN, slo="ttft_p95<1s,itl_p95<50ms", regimes=["hipaa"])
    assert [target.label for target in demand.slo.targets] == ["ttft_p95<1s", "itl_p95<50ms"]
    assert demand.regimes == ("hipaa",)


NUMBERS = ["requests_per_day", "input_tokens", "output_tokens", "peak_factor", "cached_share", "batch_share"]


@pytest.mark.parametrize("flag", [*NUMBERS, "sensitive_share", "growth", "burstiness"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -3.0, 1e30])
def test_absurd_numbers_are_refused_with_the_name_of_the_flag(flag: str, value: float) -> None:
    with pytest.raises(InputError) as caught:
        workload_from_flags(**{**PLAIN, flag: value})
    assert caught.value.field == f"--{flag.replace('_', '-')}"
    assert caught.value.exit_code == 2
    assert caught.value.hint


@pytest.mark.parametrize("flag", ["requests_per_day", "input_tokens", "output_tokens", "peak_factor"])
def test_zero_is_refused(flag: str) -> None:
    with pytest.raises(InputError, match="0 is out of range"):
        workload_from_flags(**{**PLAIN, flag: 0})


def test_a_percentage_is_put_right() -> None:
    with pytest.raises(InputError, match=r"Write 0\.4 for 40 %"):
        workload_from_flags(**PLAIN, cached_share=40)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({}, "how many requests a day is not known.*--preset"),
        ({"requests_per_day": 5}, "how long prompts are is not known"),
        ({"requests_per_day": 5, "input_tokens": 5}, "how long answers are is not known"),
        ({"preset": "rag", "workload": "x.toml"}, "--preset and --workload each bring the traffic"),
        ({**PLAIN, "columns": "time=a,input=b,output=c"}, "there is none"),
        ({**PLAIN, "models": [" "]}, "a model has no name"),
        ({**PLAIN, "slo": "fast"}, "is not an SLO"),
    ],
)
def test_missing_and_contradicting_flags(flags: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        demand_from_flags(**flags)


@pytest.mark.parametrize("flag", ["input_tokens", "output_tokens", "burstiness"])
def test_a_trace_contradicts_what_it_measured(tmp_path: Path, flag: str) -> None:
    flags: dict[str, Any] = {"trace": trace_file(tmp_path), flag: 5}
    with pytest.raises(ContradictionError, match=f"--{flag.replace('_', '-')} cannot"):
        workload_from_flags(**flags)


def test_a_trace_scaled_to_a_stated_volume(tmp_path: Path) -> None:
    path = trace_file(tmp_path)
    alone = workload_from_flags(trace=path)
    assert alone.requests_per_day == pytest.approx(499 / 0.04, rel=0.01)
    assert alone.trace is not None
    scaled = workload_from_flags(trace=path, requests_per_day=1000, peak_factor=2, name="mine")
    assert (scaled.requests_per_day, scaled.peak_factor, scaled.name) == (1000, 2, "mine")
    assert scaled.input.mean == alone.input.mean
    assert any("1,000 from --requests-per-day instead of" in note for note in scaled.notes)


def test_a_trace_of_days_contradicts_a_peak(tmp_path: Path) -> None:
    path = trace_file(tmp_path, days=2)
    assert workload_from_flags(trace=path).peak_factor > 1
    with pytest.raises(ContradictionError, match="--peak-factor cannot"):
        workload_from_flags(trace=path, peak_factor=2)


def test_a_trace_of_one_row_needs_a_volume(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("time,input_tokens,output_tokens\n5,7,3\n")
    with pytest.raises(InputError, match=r"one\.csv holds one request, which has no rate. Add --requests-per-day"):
        workload_from_flags(trace=path)
    assert workload_from_flags(trace=path, requests_per_day=10).input.mean == 7


def test_flags_over_a_preset() -> None:
    base = workload_from_flags(preset="conversation")
    top = workload_from_flags(
        preset="conversation", input_tokens=base.input.mean * 2, requests_per_day=5, peak_factor=4
    )
    assert top.input.points[-1][1] == pytest.approx(2 * base.input.points[-1][1])
    assert (top.requests_per_day, top.peak_factor, top.output) == (5, 4, base.output)
    assert any("keep the shape of preset conversation" in note for note in top.notes)
    shaped = workload_from_flags(preset="code-completion", peak_factor=2)
    assert max(shaped.profile) == pytest.approx(2)


def test_a_usage_export_is_recognised_behind_trace(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(
        "start_time,end_time,num_model_requests,model,input_tokens,output_tokens,input_cached_tokens\n"
        "1767571200,1767657600,100,gpt-4o,50000,10000,25000\n"
    )
    workload = workload_from_flags(trace=path)
    assert (workload.requests_per_day, workload.input.mean, workload.cached_share) == (100, 500, 0.5)
    assert workload.models == ("gpt-4o",)
    assert workload_from_flags(usage=path) == workload


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    for flag in ("trace", "usage", "workload"):
        flags: dict[str, Any] = {flag: tmp_path / "none"}
        with pytest.raises(FileError, match="no such file"):
            workload_from_flags(**flags)


_ANY = st.one_of(st.none(), st.floats(allow_nan=True), st.integers(-10, 10**12))


@given(st.fixed_dictionaries(dict.fromkeys([*NUMBERS, "growth", "burstiness"], _ANY)))
def test_any_numbers_give_a_workload_or_one_sentence(flags: dict[str, Any]) -> None:
    failure: CrossoverError | None = None
    try:
        workload = workload_from_flags(**flags)
    except CrossoverError as error:
        failure = error
    if failure is not None:
        assert failure.exit_code == 2
        assert "\n" not in failure.sentence()
    else:
        assert math.fsum(workload.profile) / 168 == pytest.approx(1)
        assert 0 < workload.requests_per_day < math.inf
