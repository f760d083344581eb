"""Total cost of ownership: itemised, people fixed, cross-check beside it, payback."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.cost import lines
from crossover.cost.hosting import hosting
from crossover.cost.tco import egress_gb, payback_months, tco
from crossover.deployment import PerHour
from crossover.errors import InputError, UnknownNameError

A10G = PerHour(cloud="aws", instance="g5.xlarge", usd_per_hour=Decimal("1.006"))


def test_people_are_fixed_and_not_a_multiple() -> None:
    small = tco(hosting(A10G, 1), fte=0.25, fte_cost_month=15_000)
    large = tco(hosting(A10G, 100), fte=0.25, fte_cost_month=15_000)
    people = {row.name: row for row in small.lines}["people"]
    assert people.usd_month == people.low == people.high == Decimal(3750)
    assert {row.name: row.usd_month for row in large.lines}["people"] == 3750
    assert small.fixed_usd_month == large.fixed_usd_month
    assert not small.inside_cross_check
    assert large.cross_check == (large.lines[0].usd_month * Decimal("1.5"), large.lines[0].usd_month * 2)


def test_every_line_adds_up_and_has_a_range() -> None:
    cost = tco(hosting(A10G, 2), migration_usd=60_000, redundancy=hosting(A10G, 1), egress_gb_month=1000)
    assert lines.total(cost.lines) == cost.usd_month
    assert cost.one_off_usd == 60_000
    names = [row.name for row in cost.lines]
    for name in (
        "machines in reserve",
        "people",
        "monitoring",
        "model updates",
        "networking",
        "storage",
        "load balancer",
    ):
        assert name in names
    assert all(row.low <= row.usd_month <= row.high for row in cost.lines)
    assert cost.low < cost.usd_month < cost.high
    assert {row.name: row.usd_month for row in cost.lines}["networking"] == Decimal(81)


def test_stated_figures_have_no_range() -> None:
    cost = tco(
        hosting(A10G, 1),
        fte=0,
        monitoring_usd_month=0,
        updates_per_year=0,
        storage_gb=0,
        load_balancer_usd_month=0,
    )
    assert cost.usd_month == cost.low == cost.high == hosting(A10G, 1).usd_month


def test_payback() -> None:
    assert payback_months(60_000, 10_000) == 6
    assert payback_months(0, 10) == 0
    assert payback_months(60_000, 0) is None
    assert payback_months(60_000, -5) is None
    assert payback_months(60_000, float("nan")) is None


def test_egress_follows_tokens() -> None:
    assert egress_gb(1_000_000, 300) == pytest.approx(75)
    assert egress_gb(0, 300) == 0


def test_impossible_figures_are_refused() -> None:
    with pytest.raises(InputError):
        tco(hosting(A10G, 1), fte=-1)
    with pytest.raises(InputError):
        tco(hosting(A10G, 1), migration_usd=float("nan"))
    with pytest.raises(UnknownNameError, match="fte_cost_month"):
        lines.assumed("fte_costs_month")


def test_every_assumption_has_a_range_and_a_source() -> None:
    for row in lines.assumptions():
        assert row.low <= row.value <= row.high, row.name
        assert row.source.text, row.name
        assert row.kind == "assumed" or row.source.url or row.name.startswith("cross_check"), row.name


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500), st.integers(0, 20), st.floats(0, 1e6))
def test_more_machines_never_cost_less(machines: int, more: int, gigabytes: float) -> None:
    base = tco(hosting(A10G, machines), egress_gb_month=gigabytes).usd_month
    assert tco(hosting(A10G, machines + more), egress_gb_month=gigabytes).usd_month >= base
    assert tco(hosting(A10G, machines), egress_gb_month=gigabytes * 2).usd_month >= base
