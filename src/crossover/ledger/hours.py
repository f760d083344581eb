"""Sums over time from the roll-ups: one row for each span of hours, own machines and APIs apart.

A page that shows a period asks once and adds up the rest: whole sums, shares and curves come from the same rows.
Money is picodollars, times are Unix seconds; spans are whole hours of UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from crossover.ledger.queries import Idle, hours_of
from crossover.ledger.store import Ledger

Who = Literal["local", "api", "nobody"]
HOUR = 3600
SPANS = (1, 2, 3, 6, 12, 24, 48, 168, 720)  # hours of one span that people can read off an axis
_MICRO = 10**6
# Sums of money may exceed a bigint: whole microdollars and the rest apart.
_COLUMNS = (
    "sum(requests), sum(ok), sum(errors), sum(refused), sum(cancelled), sum(truncated), sum(unpriced), sum(estimated), "
    "sum(input_tokens), sum(cached_read), sum(output_tokens), sum(cost / 1000000), sum(cost % 1000000), "
    "sum(marginal / 1000000), sum(marginal % 1000000), sum(compared), sum(all_api / 1000000), sum(all_api % 1000000), "
    "sum(compared_marginal / 1000000), sum(compared_marginal % 1000000)"
)


class Sums(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Sums over requests of one span; as in :class:`crossover.ledger.queries.Totals`."""

    requests: int = 0
    ok: int = 0
    errors: int = 0
    refused: int = 0
    cancelled: int = 0
    truncated: int = 0
    unpriced: int = 0
    estimated: int = 0
    input_tokens: int = 0
    cached_read: int = 0
    output_tokens: int = 0
    cost: int = 0
    marginal: int = 0
    compared: int = 0
    all_api: int = 0
    compared_marginal: int = 0

    @property
    def saved(self) -> int:
        """What was saved against the cheapest permitted API for every request; below 0: it cost more."""
        return self.all_api - self.compared_marginal

    @property
    def failed(self) -> int:
        """Requests that ended otherwise than well, through no wish of the client."""
        return self.errors + self.truncated


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of a period: ``spans`` begin at ``since`` and last ``step`` seconds each, those without traffic too."""

    since: int
    step: int
    spans: tuple[dict[Who, Sums], ...]

    def whole(self, who: Who | None = None) -> Sums:
        """The sums of the whole period, of all or of one side."""
        return added([sums for span in self.spans for name, sums in span.items() if who is None or name == who])

    def each(self, who: Who | None = None) -> list[Sums]:
        """The sums of every span, of all or of one side."""
        return [added([sums for name, sums in span.items() if who is None or name == who]) for span in self.spans]


def added(parts: list[Sums]) -> Sums:
    """The sums of several."""
    if len(parts) == 1:
        return parts[0]
    return Sums(**{name: sum(getattr(part, name) for part in parts) for name in Sums.__struct_fields__})


def span_of(since: float, until: float, most: int) -> int:
    """Hours of one span, so that a period has at most so many of them."""
    first, last = hours_of(since, until)
    return next((span for span in SPANS if (last - first) <= span * most), SPANS[-1])


def begin(ledger: Ledger) -> float | None:
    """The moment at which the oldest hour of the roll-ups begins; None: there is none."""
    found = ledger.rows("SELECT min(hour) FROM hours")[0][0]
    return None if found is None else float(found * HOUR)


def hours(ledger: Ledger, since: float, until: float, span: int = 1) -> Hours:
    """The sums of a period by spans of ``span`` hours; both ends are widened to whole spans."""
    first, last = hours_of(since, until)
    first -= first % span
    found = ledger.rows(
        f"SELECT hour / ? AS part, CASE WHEN deployment = '' THEN 'nobody' WHEN local = 1 THEN 'local' ELSE 'api' END "
        f"AS who, {_COLUMNS} FROM hours WHERE hour >= ? AND hour < ? GROUP BY part, who",
        (span, first, last),
    )
    spans: list[dict[Who, Sums]] = [{} for _ in range(max(1, -(-(last - first) // span)))]
    for part, who, *values in found:
        spans[part - first // span][who] = _sums(values)
    return Hours(since=first * HOUR, step=span * HOUR, spans=tuple(spans))


def _sums(values: list[int]) -> Sums:
    plain, money = values[:11], values[11:]
    cost, marginal = (money[at] * _MICRO + money[at + 1] for at in (0, 2))
    all_api, compared_marginal = (money[at] * _MICRO + money[at + 1] for at in (5, 7))
    return Sums(
        **dict(zip(Sums.__struct_fields__, plain, strict=False)),
        cost=cost, marginal=marginal, compared=money[4], all_api=all_api, compared_marginal=compared_marginal,
    )  # fmt: skip


def zones(ledger: Ledger, since: float, until: float) -> list[tuple[str, bool, int]]:
    """(zone, whether it is the user's own, requests answered there), most of them first."""
    found = ledger.rows(
        "SELECT zone, max(local), sum(requests) FROM hours WHERE hour >= ? AND hour < ? AND deployment <> '' "
        "GROUP BY zone ORDER BY 3 DESC, zone",
        hours_of(since, until),
    )
    return [(str(zone), bool(local), int(requests)) for zone, local, requests in found]


def by_deployment(ledger: Ledger, since: float, until: float) -> dict[str, Sums]:
    """The sums of every deployment (``""``: nobody answered), those with most requests first."""
    found = ledger.rows(
        f"SELECT deployment, {_COLUMNS} FROM hours WHERE hour >= ? AND hour < ? GROUP BY deployment "
        "ORDER BY sum(requests) DESC, deployment",
        hours_of(since, until),
    )
    return {str(name): _sums(values) for name, *values in found}


def by_key(ledger: Ledger, since: float, until: float) -> dict[str, Sums]:
    """The sums of every key (``""``: without one); both ends are widened to whole days of UTC."""
    first, last = hours_of(since, until)
    found = ledger.rows(
        f"SELECT key, {_COLUMNS} FROM days WHERE day >= ? AND day < ? GROUP BY key", (first // 24, -(-last // 24))
    )
    return {str(name): _sums(values) for name, *values in found}


def idle(ledger: Ledger, hourly: Mapping[str, int], since: float, until: float) -> list[Idle]:
    """What stood idle of machines paid by the hour, as :func:`crossover.ledger.queries.idle` counts it."""
    first = dict(ledger.rows("SELECT deployment, min(hour) FROM hours GROUP BY deployment"))
    start = min(first.values(), default=until / HOUR)
    priced = {name: sums.cost for name, sums in by_deployment(ledger, since, until).items()}
    return [
        Idle(deployment=name, hours=lasted, paid=round(each * lasted), priced=priced.get(name, 0))
        for name, each in sorted(hourly.items())
        for lasted in [max(0.0, (until - max(since, first.get(name, start) * HOUR)) / HOUR)]
    ]
