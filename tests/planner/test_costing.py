"""Costing: monotone, consistent between its uses, and honest about whole machines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.planner.costing import Facts, MachineFacts, TokenFacts, bill, with_replicas
from crossover.planner.draws import certain, draw, read_ranges

RANGES = read_ranges()
OVERFLOW = ((0.0, 0.0, 0.0, 0.0), (1.0, 0.02, 0.03, 0.01), (2.0, 0.4, 0.45, 0.4))


def machines(**changes: object) -> Facts:
    fields: dict[str, object] = {
        "key": "spec", "machine_usd_month": 1000.0, "replicas_per_machine": 2, "replica_rps": 5.0, "log_sd": 0.2,
        "price_range": "rent_on_demand", "seller": "cloud/device", "input_weight": 0.3, "spare": 1,
    }  # fmt: skip
    own = MachineFacts(**{**fields, **changes})  # type: ignore[arg-type]
    return Facts(id="own", kind="self", requests_per_day=86_400, peak_rps=3.0, machines=own, people_usd=500.0)


def tokens(each: float = 0.004, minimum: float = 0.0) -> Facts:
    row = TokenFacts(
        input_usd=each / 4, output_usd=each * 3 / 4, seller="s/m", price_range="api_price", minimum_usd_month=minimum
    )
    return Facts(id="api", kind="api", requests_per_day=86_400, peak_rps=3.0, tokens=row)


def test_tokens_cost_requests_times_price() -> None:
    assert bill(tokens(), certain(RANGES)).total[0] == pytest.approx(86_400 * 30 * 0.004)


def test_minimum_spend_is_paid() -> None:
    assert bill(tokens(minimum=1e6), certain(RANGES)).total[0] == 1e6


def test_whole_machines_are_paid() -> None:
    sums = bill(machines(), certain(RANGES))
    assert sums.replicas[0] == 1
    assert sums.paid_machines[0] == 1  # one replica and one in reserve on a machine of two
    assert sums.total[0] == pytest.approx(1500.0)


@settings(max_examples=60, deadline=None)
@given(st.floats(1, 1e7), st.floats(1.0, 10.0))
def test_cost_never_falls_with_volume(volume: float, factor: float) -> None:
    still = certain(RANGES)
    for facts in (tokens(), machines(), with_replicas(machines(overflow=OVERFLOW), 2)):
        assert bill(facts, still, volume * factor).total[0] >= bill(facts, still, volume).total[0] - 1e-9


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["volume", "lengths", "peak", "rent_on_demand", "people"]), st.floats(1.0, 5.0))
def test_cost_never_falls_when_an_input_rises(name: str, factor: float) -> None:
    for facts in (tokens(), machines()):
        assert bill(facts, certain(RANGES, **{name: factor})).total[0] >= bill(facts, certain(RANGES)).total[0] - 1e-9


def test_faster_machines_never_cost_more() -> None:
    speeds = np.linspace(0.1, 5, 30)
    totals = bill(machines(), certain(RANGES, speed=speeds)).total
    assert (np.diff(totals) <= 1e-9).all()


def test_overflow_is_paid_by_the_token_and_bounded() -> None:
    own = machines(overflow=OVERFLOW).machines
    both = Facts(id="h", kind="hybrid", requests_per_day=86_400, peak_rps=3.0, machines=own, tokens=tokens().tokens)
    sums = bill(with_replicas(both, 1), certain(RANGES), np.array([1.0, 86_400.0, 1e9]))
    assert sums.overflow_share[0, 0] == pytest.approx(0.0, abs=1e-6)
    assert 0 < sums.overflow_share[1, 0] < 0.05
    assert 0.99 < sums.overflow_share[2, 0] <= 1.0


def test_volume_as_an_array_agrees_with_one_at_a_time() -> None:
    futures = draw(50, 1, RANGES)
    grid = np.array([10.0, 5_000.0, 2e6])
    together = bill(machines(), futures, grid).total
    for row, volume in zip(together, grid, strict=True):
        assert row == pytest.approx(bill(machines(), futures, float(volume)).total)


def test_one_cloud_can_be_moved_alone() -> None:
    other = machines(seller="elsewhere/device")
    moved = certain(RANGES, **{"rent_on_demand:cloud/device": 2.0})
    assert bill(machines(), moved).machines[0] == pytest.approx(2000.0)
    assert bill(other, moved).machines[0] == pytest.approx(1000.0)


def test_local_share_splits_the_traffic() -> None:
    own = machines().machines
    split = Facts(
        id="s",
        kind="hybrid",
        requests_per_day=86_400,
        peak_rps=3.0,
        machines=own,
        tokens=tokens().tokens,
        local_share=0.25,
    )
    sums = bill(split, certain(RANGES))
    assert sums.overflow_share[0] == pytest.approx(0.75)
    assert sums.tokens[0] == pytest.approx(0.75 * 86_400 * 30 * 0.004)
