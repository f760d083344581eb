"""A break-even that is reported is a crossing when recomputed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.cost.break_even import staircase_crossings
from crossover.planner.crossings import between, gap_at, staircase, with_band
from crossover.planner.draws import draw, read_ranges
from tests.planner.test_costing import machines, tokens

RANGES = read_ranges()


@settings(max_examples=80, deadline=None)
@given(
    st.floats(1e-5, 0.05), st.floats(50, 50_000), st.floats(0.05, 50), st.integers(1, 8), st.integers(0, 2)
)  # fmt: skip
def test_every_crossing_changes_the_sign(each: float, usd: float, rps: float, per_machine: int, spare: int) -> None:
    api = tokens(each)
    own = machines(machine_usd_month=usd, replica_rps=rps, replicas_per_machine=per_machine, spare=spare)
    row = between(api, own, staircase(own, 64))
    for crossing in row.crossings:
        volume = crossing.requests_per_day
        below, above = gap_at(api, own, volume * (1 - 1e-6), RANGES), gap_at(api, own, volume * (1 + 1e-6), RANGES)
        assert below * above <= 0, (volume, below, above)
        assert (above < 0) == (crossing.cheaper_above == "own")


def test_no_crossing_is_said() -> None:
    own = machines(machine_usd_month=1e9)
    row = between(tokens(1e-6), own, staircase(own, 64))
    assert row.crossings == ()
    assert row.note.startswith("no crossing")


def test_band_surrounds_the_crossing() -> None:
    api, own = tokens(0.004), machines()
    row = with_band(between(api, own, staircase(own, 64)), api, own, draw(400, 0, RANGES))
    assert row.band is not None
    assert row.share_crossing == pytest.approx(1.0)
    assert row.band.p10 < row.crossings[0].requests_per_day < row.band.p90


@settings(max_examples=80, deadline=None)
@given(st.floats(1e-5, 0.05), st.floats(50, 50_000), st.floats(0.05, 50), st.integers(1, 8), st.integers(0, 2))
def test_looking_between_loses_no_crossing(each: float, usd: float, rps: float, per_machine: int, spare: int) -> None:
    own = machines(machine_usd_month=usd, replica_rps=rps, replicas_per_machine=per_machine, spare=spare)
    steps = staircase(own, 64)
    found = [row.requests_per_day for row in between(tokens(each), own, steps).crossings]
    every = [row.requests_per_day for row in staircase_crossings(each, steps.edges, steps.costs)]
    assert found == pytest.approx(every)
