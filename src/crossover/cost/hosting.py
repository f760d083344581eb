"""What machines cost a month: rented on demand, reserved or spot, or bought and paid over their life.

Whole machines are paid for, busy or idle. A month is 720 hours unless told. Rented: hours × price. Owned: straight-line
over the life with a residual value, power = watts × PUE × hours with the draw weighted by utilisation, rent for space,
spare parts.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from crossover.cost.lines import Assumed, Line, assumed, exact, line, total
from crossover.deployment import Owned, PerHour
from crossover.errors import ContradictionError, InputError
from crossover.money import HOURS_PER_DAY, HOURS_PER_MONTH, TOKENS_PER_MTOK, Usd

_MONTHS_PER_YEAR = 12
_MAX_MACHINES = 1_000_000


class HostingCost(msgspec.Struct, frozen=True, kw_only=True):
    """A month of machines. Lines add up to ``usd_month``; ``low`` and ``high`` add up the ends of the lines' ranges.

    ``serving_hours`` are the hours of the month in which one machine answers requests. ``committed_usd`` is what a
    reservation binds in all, ``committed_months`` for how long; ``invested_usd`` is the price of bought machines.
    """

    lines: tuple[Line, ...]
    usd_month: Usd
    low: Usd
    high: Usd
    machines: int
    serving_hours: Decimal
    committed_usd: Usd = Decimal(0)
    committed_months: int = 0
    invested_usd: Usd = Decimal(0)
    notes: tuple[str, ...] = ()

    def usd_per_mtok(self, tokens_month: float) -> float:
        """Dollars per million tokens actually served in the month, idle hours included; infinite for none."""
        return float(self.usd_month) * TOKENS_PER_MTOK / tokens_month if tokens_month > 0 else float("inf")


def hosting(
    billing: PerHour | Owned,
    machines: int,
    *,
    utilisation: float = 1.0,
    hours_month: float = HOURS_PER_MONTH,
    fallback_usd_per_hour: Decimal | None = None,
) -> HostingCost:
    """A month of ``machines`` machines.

    ``utilisation`` (0..1) is the share of time a machine works: it moves the power bill of owned machines and nothing
    else. ``fallback_usd_per_hour`` is the on-demand price that stands in while spot capacity is away; without it those
    hours are not served. Raises InputError for impossible numbers.
    """
    if not 0 <= machines <= _MAX_MACHINES:
        raise InputError(f"{machines} machines are not possible", field="machines")
    hours = exact(hours_month, "hours_month", high=744)
    busy = exact(utilisation, "utilisation", high=1)
    if isinstance(billing, Owned):
        return _owned(billing, machines, busy, hours)
    price = exact(billing.usd_per_hour, "usd_per_hour", high=1e6)
    share = exact(billing.hours_per_day, "hours_per_day", high=HOURS_PER_DAY) / HOURS_PER_DAY
    if billing.purchase == "reserved":
        return _reserved(billing, machines, price, share, hours)
    if billing.purchase == "spot":
        return _spot(billing, machines, price, share * hours, fallback_usd_per_hour)
    note = f"{machines} × {billing.instance} × ${price}/h × {float(share * hours):g} h"
    return _sum(
        [line("machines on demand", "compute", price * machines * share * hours, note=note)], machines, share * hours
    )


def machines_for(replicas: int, accelerators_per_replica: int, accelerators_per_machine: int) -> int:
    """Whole machines to pay for: an 8-GPU instance is paid in full for one replica of four.

    A replica larger than a machine takes several whole ones; several replicas share a machine as far as they fit.
    """
    if min(replicas, accelerators_per_replica - 1, accelerators_per_machine - 1) < 0:
        raise InputError("replicas cannot be negative and need at least one accelerator each", field="replicas")
    if accelerators_per_replica > accelerators_per_machine:
        return replicas * -(-accelerators_per_replica // accelerators_per_machine)
    return -(-replicas // (accelerators_per_machine // accelerators_per_replica))


def _sum(
    lines: list[Line],
    machines: int,
    serving_hours: Decimal,
    *,
    committed_usd: Usd = Decimal(0),
    committed_months: int = 0,
    invested_usd: Usd = Decimal(0),
    notes: tuple[str, ...] = (),
) -> HostingCost:
    return HostingCost(
        lines=tuple(lines),
        usd_month=total(lines),
        low=sum((row.low for row in lines), Decimal(0)),
        high=sum((row.high for row in lines), Decimal(0)),
        machines=machines,
        serving_hours=serving_hours,
        committed_usd=committed_usd,
        committed_months=committed_months,
        invested_usd=invested_usd,
        notes=notes,
    )


def _reserved(billing: PerHour, machines: int, price: Usd, share: Decimal, hours: Decimal) -> HostingCost:
    """A reservation is paid around the clock for its whole term, whatever is used of it."""
    month = price * machines * hours
    note = f"{machines} × {billing.instance} × ${price}/h × {float(hours):g} h, {billing.term_months} months fixed"
    notes = ("a reservation is paid around the clock: switching it off at night saves nothing",) if share < 1 else ()
    return _sum(
        [line("reserved machines", "compute", month, note=note)],
        machines,
        hours * share,
        committed_usd=price * machines * HOURS_PER_MONTH * billing.term_months,
        committed_months=billing.term_months,
        notes=notes,
    )


def _spot(billing: PerHour, machines: int, price: Usd, hours: Decimal, fallback: Usd | None) -> HostingCost:
    """Spot hours: paid while capacity is there; restarts after interruptions are paid and answer nothing."""
    wanted = hours * machines
    missing = assumed("spot_unavailable_share")
    restart = assumed("spot_restart_hours")
    rate = assumed("spot_interruptions_per_day")
    stated = exact(billing.interruptions_per_day, "interruptions_per_day", high=1000)
    per_day = stated or rate.value  # nothing stated: the assumed rate and its range
    rarely, often = (stated, stated) if stated else (rate.low, rate.high)
    running = wanted * (1 - missing.value)
    lost = _lost(running, per_day, restart.value)
    lines = [
        line(
            "spot machines",
            "compute",
            price * running,
            low=price * wanted * (1 - missing.high),
            high=price * wanted * (1 - missing.low),
            note=f"{machines} × {billing.instance} × ${price}/h × {float(hours):g} h, "
            f"{float(missing.value):.0%} of them not to be had",
        )
    ]
    notes = [
        f"spot: {float(per_day):g} interruptions a day and machine ({'stated' if stated else 'assumed'}), "
        f"{lost / wanted if wanted else 0:.2%} of hours lost to restarts"
    ]
    if fallback is not None and fallback < price:
        notes.append(f"spot at ${price}/h is dearer than on demand at ${fallback}/h")
    if fallback is None:
        notes.append("no on-demand price stands in while spot capacity is away: those hours are not served")
        served = running - lost
    else:
        gap = wanted * missing.value + lost
        lines.append(
            line(
                "on demand while spot is away",
                "compute",
                fallback * gap,
                low=fallback * (wanted * missing.low + _lost(wanted, rarely, restart.low)),
                high=fallback * (wanted * missing.high + _lost(wanted, often, restart.high)),
                note=f"{gap:.1f} h × ${fallback}/h",
                basis="assumed",
            )
        )
        served = wanted
    return _sum(lines, machines, served / machines if machines else Decimal(0), notes=tuple(notes))


def _lost(running: Decimal, interruptions_per_day: Decimal, restart_hours: Decimal) -> Decimal:
    """Machine hours a month that go into restarts, never more than all of them."""
    return min(running, running / HOURS_PER_DAY * interruptions_per_day * restart_hours)


def _owned(billing: Owned, machines: int, busy: Decimal, hours: Decimal) -> HostingCost:
    price = exact(billing.price_usd, "price_usd", high=1e9)
    if not 1 <= billing.life_months <= 240:
        raise InputError(f"a life of {billing.life_months} months is not possible", field="life_months")
    residual = exact(billing.residual_share, "residual_share", high=1)
    watts, idle = exact(billing.watts, "watts", high=1e6), exact(billing.idle_watts, "idle_watts", high=1e6)
    if idle > watts > 0:
        raise ContradictionError(f"a machine draws {idle} W idle but {watts} W under load", field="idle_watts")
    pue = exact(billing.pue, "pue", low=1, high=10)
    kwh_price = exact(billing.usd_per_kwh, "usd_per_kwh", high=100)
    draw = idle + (watts - idle) * busy
    kwh = draw / 1000 * pue * hours * machines
    tariff = assumed("usd_per_kwh")
    parts = assumed("spare_parts_share_year")
    stated = kwh_price != tariff.value
    low_price, high_price = (kwh_price, kwh_price) if stated else (tariff.low, tariff.high)
    capital = price * (1 - residual) * machines / billing.life_months
    lines = [
        line(
            "machines over their life",
            "compute",
            capital,
            note=f"{machines} × ${price:,} over {billing.life_months} months, {residual:.0%} left at the end",
        ),
        line(
            "power",
            "power",
            kwh * kwh_price,
            low=kwh * low_price,
            high=kwh * high_price,
            note=f"{draw:.0f} W × PUE {float(pue):g} × {float(hours):g} h × {machines} × ${kwh_price}/kWh",
            basis="published" if stated else tariff.kind,
        ),
        _spare_parts(price * machines, parts),
    ]
    rent = exact(billing.colocation_usd_month, "colocation_usd_month", high=1e7)
    if rent:
        lines.append(line("colocation", "operations", rent * machines, note=f"{machines} × ${rent} a month"))
    return _sum(lines, machines, hours, invested_usd=price * machines)


def _spare_parts(price: Usd, parts: Assumed) -> Line:
    return line(
        "spare parts",
        "operations",
        price * parts.value / _MONTHS_PER_YEAR,
        low=price * parts.low / _MONTHS_PER_YEAR,
        high=price * parts.high / _MONTHS_PER_YEAR,
        note=f"{parts.value:.0%} of the price a year",
        basis="assumed",
    )
