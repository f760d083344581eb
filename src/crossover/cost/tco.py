"""Total cost of ownership: what running one's own models costs beside the machines, line by line.

People are a fixed cost, not a multiple of the compute bill. The popular rule "1.5 to 2 times compute" is calculated
beside the sum as a cross-check and is never part of it. Defaults are data with a source or marked as assumed
(``data/assumptions.csv``), each with a range.
"""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec

from crossover.cost.hosting import HostingCost
from crossover.cost.lines import Assumed, Kind, Line, assumed, exact, line, total
from crossover.money import HOURS_PER_MONTH, Usd

_MONTHS_PER_YEAR = 12
_BYTES_PER_GB = 10**9


class Tco(msgspec.Struct, frozen=True, kw_only=True):
    """A month of ownership. ``lines`` (the machines' first) add up to ``usd_month``; ``one_off_usd`` is paid once.

    ``fixed_usd_month`` is the part that does not grow with machines (people, load balancer). ``low`` and ``high`` add
    up the ends of all ranges, which is wider than an 80 % interval of the sum. ``cross_check`` is 1.5 and 2 times the
    machines.
    """

    lines: tuple[Line, ...]
    usd_month: Usd
    low: Usd
    high: Usd
    one_off_usd: Usd
    fixed_usd_month: Usd
    cross_check: tuple[Usd, Usd]

    @property
    def inside_cross_check(self) -> bool:
        """Whether the itemised sum lies within the popular rule."""
        return self.cross_check[0] <= self.usd_month <= self.cross_check[1]


def tco(
    machines: HostingCost,
    *,
    fte: float | None = None,
    fte_cost_month: float | None = None,
    migration_usd: float = 0.0,
    monitoring_usd_month: float | None = None,
    updates_per_year: float | None = None,
    update_parallel_hours: float | None = None,
    redundancy: HostingCost | None = None,
    egress_gb_month: float = 0.0,
    storage_gb: float | None = None,
    load_balancer_usd_month: float | None = None,
) -> Tco:
    """Total cost of ownership of ``machines``, with None for a default from the data.

    ``redundancy`` are machines that stand by and are not in ``machines`` yet. ``egress_gb_month`` is data sent to
    clients (see :func:`egress_gb`), ``storage_gb`` what is stored in all. Raises InputError for impossible numbers.
    """
    fixed = [
        _people(fte, fte_cost_month),
        _default("load balancer", "operations", "load_balancer_usd_month", load_balancer_usd_month),
    ]
    count = machines.machines + (redundancy.machines if redundancy else 0)
    scaling = [
        _monitoring(count, monitoring_usd_month),
        _updates(machines, updates_per_year, update_parallel_hours),
        _egress(egress_gb_month),
        _storage(count, storage_gb),
    ]
    spare = [] if redundancy is None else [_spare(redundancy)]
    lines = [*machines.lines, *spare, *fixed, *(row for row in scaling if row.usd_month or row.high)]
    compute = machines.usd_month + (redundancy.usd_month if redundancy else Decimal(0))
    return Tco(
        lines=tuple(lines),
        usd_month=total(lines),
        low=sum((row.low for row in lines), Decimal(0)),
        high=sum((row.high for row in lines), Decimal(0)),
        one_off_usd=exact(migration_usd, "migration_usd", high=1e10),
        fixed_usd_month=total(fixed),
        cross_check=(compute * assumed("cross_check_low").value, compute * assumed("cross_check_high").value),
    )


def payback_months(one_off_usd: float, saving_usd_month: float) -> float | None:
    """Months until a monthly saving has paid the one-off cost; None: never, because nothing is saved."""
    if not saving_usd_month > 0:
        return None
    return max(0.0, one_off_usd) / saving_usd_month


def egress_gb(requests_month: float, output_tokens: float) -> float:
    """GB (10^9 bytes) of streamed answers a month, at the assumed bytes on the wire per token."""
    return requests_month * output_tokens * float(assumed("wire_bytes_per_output_token").value) / _BYTES_PER_GB


def _range(default: Assumed, stated: float | None, field: str) -> tuple[Decimal, Decimal, Decimal]:
    """(value, low, high): a stated figure has no range."""
    if stated is None:
        return default.value, default.low, default.high
    value = exact(stated, field, high=1e9)
    return value, value, value


def _people(fte: float | None, cost: float | None) -> Line:
    share = _range(assumed("fte"), fte, "fte")
    month = _range(assumed("fte_cost_month"), cost, "fte_cost_month")
    low, high = _product_range(share, month)
    return line(
        "people",
        "people",
        share[0] * month[0],
        low=low,
        high=high,
        note=f"{float(share[0]):g} of an engineer × ${month[0]:,} a month",
        basis="published" if fte is not None and cost is not None else "assumed",
    )


def _product_range(
    first: tuple[Decimal, Decimal, Decimal], second: tuple[Decimal, Decimal, Decimal]
) -> tuple[Decimal, Decimal]:
    """The 80 % range of a product of two independent log-normal figures, each given as (value, low, high)."""
    value = first[0] * second[0]

    def end(side: int) -> Decimal:
        logs = [math.log(row[side] / row[0]) if row[0] > 0 and row[side] > 0 else 0.0 for row in (first, second)]
        spread = math.hypot(*logs)  # a range is an estimate: floats are exact enough, and far faster
        return value * Decimal(repr(math.exp(spread if side == 2 else -spread)))

    return end(1), end(2)


def _default(name: str, kind: Kind, key: str, stated: float | None) -> Line:
    default = assumed(key)
    value, low, high = _range(default, stated, key)
    note = "stated" if stated is not None else default.source.text
    return line(
        name, kind, value, low=low, high=high, note=note, basis="published" if stated is not None else default.kind
    )


def _monitoring(machines: int, stated: float | None) -> Line:
    if stated is not None:
        return line("monitoring", "operations", exact(stated, "monitoring_usd_month", high=1e9), note="stated")
    each = assumed("monitoring_usd_machine_month")
    return line(
        "monitoring",
        "operations",
        each.value * machines,
        low=each.low * machines,
        high=each.high * machines,
        note=f"{machines} × ${each.value} a month",
        basis=each.kind,
    )


def _updates(machines: HostingCost, per_year: float | None, hours: float | None) -> Line:
    """New models run beside the old ones for a while: machine hours, since people's time is counted already."""
    often = _range(assumed("updates_per_year"), per_year, "updates_per_year")
    beside = _range(assumed("update_parallel_hours"), hours, "update_parallel_hours")
    hourly = machines.usd_month / HOURS_PER_MONTH
    low, high = _product_range(often, beside)
    factor = hourly / _MONTHS_PER_YEAR
    return line(
        "model updates",
        "operations",
        often[0] * beside[0] * factor,
        low=low * factor,
        high=high * factor,
        note=f"{float(often[0]):g} a year × {float(beside[0]):g} h of a second set of machines",
        basis="assumed",
    )


def _egress(gigabytes: float) -> Line:
    amount = exact(gigabytes, "egress_gb_month")
    price, free = assumed("egress_usd_gb"), assumed("egress_free_gb")
    billed = max(Decimal(0), amount - free.value)
    return line(
        "networking",
        "operations",
        billed * price.value,
        low=billed * price.low,
        high=billed * price.high,
        note=f"{amount:.0f} GB sent, {free.value} GB free, ${price.value}/GB",
        basis=price.kind,
    )


def _storage(machines: int, stated: float | None) -> Line:
    price, each = assumed("storage_usd_gb_month"), assumed("storage_gb_machine")
    size = _range(each, stated, "storage_gb")
    times = machines if stated is None else 1
    low, high = _product_range(size, (price.value, price.low, price.high))
    return line(
        "storage",
        "operations",
        size[0] * times * price.value,
        low=low * times,
        high=high * times,
        note=f"{float(size[0] * times):g} GB × ${price.value} a month",
        basis="assumed" if stated is None else price.kind,
    )


def _spare(redundancy: HostingCost) -> Line:
    return line(
        "machines in reserve",
        "compute",
        redundancy.usd_month,
        low=redundancy.low,
        high=redundancy.high,
        note=f"{redundancy.machines} standing by",
    )
