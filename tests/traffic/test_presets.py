"""Presets: they load, say where they come from, and match the traces they were computed from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossover.errors import UnknownNameError
from crossover.traffic.lengths import spread
from crossover.traffic.observed import facts_of
from crossover.traffic.presets import find, named_profile, names, preset, shapes
from crossover.traffic.trace import read_trace
from crossover.workload import length_at


@pytest.mark.parametrize("name", names())
def test_every_preset_is_a_whole_workload_with_sources(name: str) -> None:
    workload = preset(name)
    found = find(name)
    assert workload.requests_per_day > 0
    assert workload.peak_factor == pytest.approx(max(workload.profile))
    assert sum(workload.profile) / 168 == pytest.approx(1)
    assert found.sources
    assert all(source.url.startswith("https://") for source in found.sources)
    assert any("assumed" in note for note in workload.notes)
    for lengths in (workload.input, workload.output):
        shares = [share for share, _ in lengths.points]
        tokens = [value for _, value in lengths.points]
        assert shares == sorted(set(shares))
        assert tokens == sorted(tokens)
        middle = np.mean([length_at(lengths, (index + 0.5) / 2000) for index in range(2000)])
        assert middle == pytest.approx(lengths.mean, rel=0.12)


def test_the_five_presets_are_there() -> None:
    assert set(names()) == {"conversation", "code-completion", "rag", "agent", "batch-extraction"}


def test_what_nobody_checked_is_said() -> None:
    unchecked = [name for name in names() if not all(source.verified for source in find(name).sources)]
    assert all(any("not yet checked" in note for note in preset(name).notes) for name in unchecked)


def test_unknown_names_are_offered_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean conversation"):
        preset("conversations")
    with pytest.raises(UnknownNameError, match="Presets: conversation"):
        preset("zzzz")
    with pytest.raises(UnknownNameError, match="Did you mean office-hours"):
        named_profile("office hours")


@pytest.mark.parametrize("name", ["even", "office-hours", "evening", "night"])
def test_named_shapes(name: str) -> None:
    assert name in shapes()
    assert sum(named_profile(name)) / 168 == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "file"), [("conversation", "azure2023_conv.csv"), ("code-completion", "azure2023_code.csv")]
)
def test_presets_equal_the_traces_they_cite(shared_data: Path, name: str, file: str) -> None:
    seen, typed = facts_of(read_trace(shared_data / "traces" / file)), preset(name)
    assert seen.input is not None
    assert seen.output is not None
    assert typed.input.mean == pytest.approx(seen.input.mean, rel=1e-3)
    assert typed.output.mean == pytest.approx(seen.output.mean, rel=2e-3)
    assert typed.burstiness == pytest.approx(seen.burstiness, rel=0.01)
    for share in (0.1, 0.5, 0.9, 0.95):
        assert length_at(typed.input, share) == pytest.approx(length_at(seen.input, share), rel=0.01)


def test_the_assumed_spread_is_the_median_of_three_traces(shared_data: Path) -> None:
    sigmas: dict[str, list[float]] = {"input": [], "output": []}
    for file in ("azure2023_conv.csv", "azure2023_code.csv", "mooncake_conversation.jsonl"):
        trace = read_trace(shared_data / "traces" / file)
        for kind, tokens in (("input", trace.input_tokens), ("output", trace.output_tokens)):
            sigmas[kind].append(float(np.log(tokens[tokens > 0]).std()))
    assert spread().input_sigma == pytest.approx(np.median(sigmas["input"]), abs=0.01)
    assert spread().output_sigma == pytest.approx(np.median(sigmas["output"]), abs=0.01)
