"""Machines: whole machines are paid, on demand, reserved, spot and owned."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.cost.hosting import hosting, machines_for
from crossover.cost.lines import assumed
from crossover.deployment import Owned, PerHour
from crossover.errors import ContradictionError, InputError

A10G = PerHour(cloud="aws", instance="g5.xlarge", usd_per_hour=Decimal("1.006"))
STUDIO = Owned(price_usd=Decimal(5400), watts=200, idle_watts=10)


def test_on_demand_is_hours_times_price() -> None:
    cost = hosting(A10G, 1)
    assert cost.usd_month == Decimal("724.32")
    assert hosting(A10G, 3).usd_month == Decimal("724.32") * 3
    third = hosting(msgspec.structs.replace(A10G, hours_per_day=8.0), 1)
    assert float(third.usd_month) == pytest.approx(724.32 / 3)
    assert cost.usd_per_mtok(1e9) == pytest.approx(0.72432)
    assert cost.usd_per_mtok(0) == float("inf")
    assert hosting(A10G, 0).usd_month == 0


def test_reserved_is_paid_around_the_clock() -> None:
    reserved = msgspec.structs.replace(
        A10G, purchase="reserved", term_months=12, usd_per_hour=Decimal("0.6"), hours_per_day=8.0
    )
    cost = hosting(reserved, 2)
    assert cost.usd_month == Decimal("0.6") * 2 * 720
    assert cost.committed_usd == cost.usd_month * 12
    assert cost.committed_months == 12
    assert "around the clock" in cost.notes[0]
    assert float(cost.serving_hours) == pytest.approx(240)


def test_spot_pays_restarts_and_needs_a_fallback() -> None:
    spot = msgspec.structs.replace(A10G, purchase="spot", usd_per_hour=Decimal("0.4"), interruptions_per_day=2.0)
    alone = hosting(spot, 1)
    missing = assumed("spot_unavailable_share").value
    assert alone.usd_month == Decimal("0.4") * 720 * (1 - missing)
    assert alone.serving_hours < 720 * (1 - missing)
    assert any("not served" in note for note in alone.notes)
    backed = hosting(spot, 1, fallback_usd_per_hour=Decimal("1.006"))
    assert backed.usd_month > alone.usd_month
    assert backed.serving_hours == 720
    assert backed.usd_month < hosting(A10G, 1).usd_month
    assert backed.low <= backed.usd_month <= backed.high
    odd = hosting(spot, 1, fallback_usd_per_hour=Decimal("0.1"))
    assert any("dearer than on demand" in note for note in odd.notes)


def test_spot_for_eight_hours_a_day() -> None:
    spot = msgspec.structs.replace(A10G, purchase="spot", usd_per_hour=Decimal("0.4"), hours_per_day=8.0)
    assert float(hosting(spot, 1).usd_month) == pytest.approx(0.4 * 240 * 0.95)


def test_owned_machines_are_paid_over_their_life() -> None:
    cost = hosting(STUDIO, 1, utilisation=0.5)
    named = {row.name: row.usd_month for row in cost.lines}
    assert named["machines over their life"] == Decimal(150)
    assert named["power"] == Decimal("0.105") * 720 * Decimal("0.15")
    assert named["spare parts"] == Decimal("13.5")
    assert cost.invested_usd == 5400
    rich = msgspec.structs.replace(
        STUDIO, residual_share=0.2, pue=1.5, colocation_usd_month=Decimal(100), usd_per_kwh=Decimal("0.3")
    )
    named = {row.name: row.usd_month for row in hosting(rich, 2, utilisation=1).lines}
    assert named["machines over their life"] == Decimal(240)
    assert named["power"] == Decimal("0.2") * Decimal("1.5") * 720 * 2 * Decimal("0.3")
    assert named["colocation"] == 200


def test_whole_instances_are_paid() -> None:
    assert machines_for(2, 4, 8) == 1
    assert machines_for(3, 4, 8) == 2
    assert machines_for(1, 8, 8) == 1
    assert machines_for(2, 3, 8) == 1
    assert machines_for(3, 3, 8) == 2  # two replicas of three leave two accelerators idle
    assert machines_for(2, 16, 8) == 4
    assert machines_for(0, 1, 8) == 0
    with pytest.raises(InputError):
        machines_for(-1, 1, 1)
    with pytest.raises(InputError):
        machines_for(1, 0, 1)


def test_impossible_machines_are_refused() -> None:
    with pytest.raises(InputError):
        hosting(A10G, -1)
    with pytest.raises(InputError):
        hosting(A10G, 1, utilisation=1.2)
    with pytest.raises(InputError):
        hosting(msgspec.structs.replace(A10G, usd_per_hour=Decimal("NaN")), 1)
    with pytest.raises(InputError):
        hosting(msgspec.structs.replace(A10G, hours_per_day=25.0), 1)
    with pytest.raises(InputError):
        hosting(msgspec.structs.replace(STUDIO, life_months=0), 1)
    with pytest.raises(ContradictionError):
        hosting(msgspec.structs.replace(STUDIO, idle_watts=500.0), 1)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(0, 50),
    st.decimals("0.01", 100, places=3),
    st.decimals(0, 50, places=3),
    st.sampled_from(["on_demand", "reserved", "spot"]),
)
def test_more_machines_or_a_higher_price_never_cost_less(
    machines: int, more: int, price: Decimal, dearer: Decimal, purchase: str
) -> None:
    def cost(count: int, hourly: Decimal) -> Decimal:
        billing = msgspec.structs.replace(A10G, usd_per_hour=hourly, purchase=purchase, term_months=12)
        return hosting(billing, count, fallback_usd_per_hour=Decimal(200) if purchase == "spot" else None).usd_month

    base = cost(machines, price)
    assert cost(machines + more, price) >= base
    assert cost(machines, price + dearer) >= base


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.integers(1, 16), st.integers(1, 16))
def test_machines_hold_all_replicas_and_no_more_than_needed(replicas: int, each: int, size: int) -> None:
    count = machines_for(replicas, each, size)
    if each <= size:
        assert count * (size // each) >= replicas
        assert (count - 1) * (size // each) < replicas or count == 0
    else:
        assert count * size >= replicas * each


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_busier_machine_never_uses_less_power(one: float, two: float) -> None:
    low, high = sorted((one, two))
    assert hosting(STUDIO, 1, utilisation=low).usd_month <= hosting(STUDIO, 1, utilisation=high).usd_month
