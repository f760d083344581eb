"""Questions to the ledger: spend, savings, where traffic went, errors, latencies, one request whole, observed traffic.

Sums come from the roll-ups, one row per hour, key, name, deployment and zone, and never from the log; periods are whole
hours of UTC. Latencies and error codes are not rolled up: they are read from the latest rows, at most LATEST of them.
Money is picodollars, times are Unix seconds; a period holds ``since`` and ends before ``until``.

What was *saved* compares each request with the cheapest permitted API: the alternatives that the router knew, or what
answered where that was an API. Requests for which no API was permitted or priced are left out of the comparison.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from crossover.ledger import rows
from crossover.ledger.budgets import Reservation, Standing, reservations_of
from crossover.ledger.schema import ATTEMPT_COLUMNS, CHILDREN, RECORD_COLUMNS, SUM_COLUMNS, bounds_of
from crossover.ledger.store import Ledger
from crossover.ledger.words import Alternative, Record

By = Literal["key", "alias", "deployment", "provider", "zone", "day"]
GROUPS: dict[str, str] = {
    "key": "key", "alias": "asked", "deployment": "deployment", "provider": "provider", "zone": "zone",
    "day": "hour / 24",
}  # fmt: skip
LATEST = 200_000  # rows that latencies and error codes are read from at most
_AT_ONCE = 1000
_MICRO = 10**6
# A sum of money may exceed a bigint, which ends at 9.2 million dollars: whole microdollars and the rest are summed.
_MONEY = frozenset({"cost", "marginal", "all_api", "compared_marginal"})
_SUMS = ", ".join(
    f"sum({name} / {_MICRO}), sum({name} % {_MICRO})" if name in _MONEY else f"sum({name})" for name in SUM_COLUMNS
)


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over requests. ``cost`` prices all tokens, ``marginal`` is what had to be paid for them.

    ``compared`` requests had a permitted API with a price: there they would have cost ``all_api``, and they did cost
    ``compared_marginal``. ``estimated`` requests have an estimated count of tokens, ``unpriced`` ones no known price.
    """

    requests: int = 0
    ok: int = 0
    errors: int = 0
    refused: int = 0
    cancelled: int = 0
    truncated: int = 0
    attempts: int = 0
    estimated: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    cached_read: int = 0
    cache_written: int = 0
    output_tokens: int = 0
    reasoning: int = 0
    cost: int = 0
    marginal: int = 0
    compared: int = 0
    all_api: int = 0
    compared_marginal: int = 0

    @property
    def saved(self) -> int:
        """What the split saved against the cheapest permitted API for every request; below 0: it paid more."""
        return self.all_api - self.compared_marginal


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of one key, name, deployment, provider, zone or day (days since 1970-01-01 as text)."""

    name: str
    totals: Totals


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of answered requests of one deployment: 50th, 95th and 99th percentile of ``requests`` rows."""

    deployment: str
    requests: int
    first_token: tuple[float, float, float] | None
    total: tuple[float, float, float]
    queue: tuple[float, float, float]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """How often requests of one deployment ended with one error code (empty deployment: none was called)."""

    deployment: str
    error: str
    requests: int


class Idle(msgspec.Struct, frozen=True, kw_only=True):
    """A machine paid by the hour: what its hours cost, what its tokens were priced at, and what stood idle."""

    deployment: str
    hours: float
    paid: int
    priced: int

    @property
    def idle(self) -> int:
        """Picodollars for hours that no token paid for; below 0 where tokens are priced above the machine."""
        return self.paid - self.priced


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One request as planning needs it: when it came (Unix seconds), and its tokens."""

    arrival: float
    input_tokens: int
    output_tokens: int
    cached_read: int


def usd(picodollars: int) -> Decimal:
    """Exact dollars."""
    return Decimal(picodollars).scaleb(-12)


def usd_text(picodollars: int) -> str:
    """Exact dollars as plain decimal text: ``0.0000185``."""
    text = format(usd(picodollars), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def hours_of(since: float, until: float) -> tuple[int, int]:
    """The first hour of a period and the one after its last; both ends are widened to whole hours."""
    return math.floor(since / 3600), math.ceil(until / 3600)


def total(ledger: Ledger, since: float, until: float) -> Totals:
    """Sums over everything in the period."""
    row = ledger.rows(f"SELECT {_SUMS} FROM rollups WHERE hour >= ? AND hour < ?", hours_of(since, until))[0]
    return _totals(row)


def spend(ledger: Ledger, since: float, until: float, by: By) -> list[Group]:
    """Sums by one thing: days in their order, everything else by what had to be paid, then by requests."""
    column = GROUPS[by]
    found = ledger.rows(
        f"SELECT {column}, {_SUMS} FROM rollups WHERE hour >= ? AND hour < ? GROUP BY {column} ORDER BY {column}",
        hours_of(since, until),
    )
    groups = [Group(name=str(row[0]), totals=_totals(row[1:])) for row in found]
    if by != "day":
        groups.sort(key=lambda group: (-group.totals.marginal, -group.totals.requests, group.name))
    return groups


def where(ledger: Ledger, since: float, until: float) -> dict[bool, Totals]:
    """Sums by whether an own or rented machine answered (True); requests that reached none are left out."""
    found = ledger.rows(
        f"SELECT local, {_SUMS} FROM rollups WHERE hour >= ? AND hour < ? AND deployment <> '' GROUP BY local",
        hours_of(since, until),
    )
    return {False: Totals(), True: Totals()} | {bool(row[0]): _totals(row[1:]) for row in found}


def _totals(row: Sequence[Any]) -> Totals:
    values = iter(row)
    found: dict[str, int] = {}
    for name in SUM_COLUMNS:
        value = int(next(values) or 0)
        found[name] = value * _MICRO + int(next(values) or 0) if name in _MONEY else value
    return Totals(**found)


def idle(ledger: Ledger, hourly: Mapping[str, int], since: float, until: float) -> list[Idle]:
    """What stood idle of machines paid by the hour: ``hourly`` picodollars by deployment.

    Hours are counted from the first request that went there, and of a machine without one from the first of the ledger:
    nobody knows whether a machine ran before.
    """
    first = began(ledger)
    start = min(first.values(), default=until / 3600)
    priced = {group.name: group.totals.cost for group in spend(ledger, since, until, "deployment")}
    found = []
    for name, each in sorted(hourly.items()):
        hours = max(0.0, (until - max(since, first.get(name, start) * 3600.0)) / 3600)
        found.append(Idle(deployment=name, hours=hours, paid=round(each * hours), priced=priced.get(name, 0)))
    return found


def began(ledger: Ledger) -> dict[str, int]:
    """Deployment → the hour (since 1970) of the first request that it answered or failed; ``""``: none was asked."""
    return dict(ledger.rows("SELECT deployment, min(hour) FROM rollups GROUP BY deployment"))


# ------------------------------------------------------------------------------------------------ from the latest rows


def latencies(ledger: Ledger, since: float, until: float, most: int = LATEST) -> tuple[list[Latency], int]:
    """Percentiles by deployment over the latest answered rows of the period, and over how many rows in all."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    count = 0
    for deployment, first, whole, queue in _latest(
        ledger, since, until, "d.deployment, r.ttft_ms, r.total_ms, r.queue_ms", "r.status = 'ok'", most
    ):
        found.setdefault(deployment, []).append((first, whole, queue))
        count += 1
    return [_latency(name, each) for name, each in sorted(found.items())], count


def _latency(deployment: str, found: list[tuple[float, float, float]]) -> Latency:
    firsts = sorted(first for first, _, _ in found if first > 0)  # 0: it was not streamed, or nobody noted it
    return Latency(
        deployment=deployment,
        requests=len(found),
        first_token=_percentiles(firsts) if firsts else None,
        total=_percentiles(sorted(whole for _, whole, _ in found)),
        queue=_percentiles(sorted(queue for _, _, queue in found)),
    )


def _percentiles(ordered: list[float]) -> tuple[float, float, float]:
    """Nearest rank: the smallest value that at least that share of all is not above."""
    return tuple(ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.95, 0.99))  # type: ignore[return-value]


def faults(ledger: Ledger, since: float, until: float, most: int = LATEST) -> list[Fault]:
    """Error codes by deployment among the latest rows of the period that did not end well, most frequent first."""
    found: dict[tuple[str, str], int] = {}
    for deployment, error, status in _latest(
        ledger, since, until, "d.deployment, r.error, r.status", "r.status <> 'ok'", most
    ):
        place = (deployment, error or status)
        found[place] = found.get(place, 0) + 1
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [Fault(deployment=name, error=error, requests=count) for (name, error), count in ordered]


def _latest(
    ledger: Ledger, since: float, until: float, columns: str, condition: str, most: int
) -> Iterator[tuple[Any, ...]]:
    for month in reversed(_months(ledger, since, until)):
        if most <= 0:
            return
        found = ledger.rows(
            f"SELECT {columns} FROM records_{month} r LEFT JOIN decisions_{month} d ON d.id = r.decision "
            f"WHERE r.time >= ? AND r.time < ? AND {condition} ORDER BY r.number DESC LIMIT ?",
            (round(since * rows.MICRO), round(until * rows.MICRO), most),
        )
        most -= len(found)
        yield from found


def _months(ledger: Ledger, since: float, until: float) -> list[str]:
    months = [month for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month")]
    return [month for month in months if bounds_of(month)[0] < until and bounds_of(month)[1] > since]


# -------------------------------------------------------------------------------------------------------------- rows


def one(ledger: Ledger, request_id: str) -> Record | None:
    """A request whole, with its attempts and alternatives; None where no row of this id is committed."""
    found = ledger.rows(f"SELECT {', '.join(rows.RECORD_SELECT)} FROM records WHERE id = ?", (request_id,))
    if not found:
        return None
    attempts = ledger.rows(
        f"SELECT {', '.join(ATTEMPT_COLUMNS[1:])} FROM attempts WHERE request = ? ORDER BY number", (request_id,)
    )
    others = ledger.rows(
        "SELECT deployment, cost, permitted, local FROM alternatives WHERE request = ? ORDER BY number", (request_id,)
    )
    return rows.record_of(found[0], attempts, map(_alternative, others))


def near(ledger: Ledger, start: str, most: int = 5) -> list[str]:
    """Ids of the latest requests that begin like this: for whoever copied half of one."""
    found = ledger.rows(
        "SELECT id FROM records WHERE id >= ? AND id < ? ORDER BY time_us DESC LIMIT ?", (start, f"{start}\uffff", most)
    )
    return [str(row[0]) for row in found]


def latest(ledger: Ledger) -> str | None:
    """The id of the newest request: of the newest month, the one whose row was written last. None: there is none."""
    for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month DESC"):
        found = ledger.rows(f"SELECT id FROM records_{month} ORDER BY number DESC LIMIT 1")
        if found:
            return str(found[0][0])
    return None


def bodies(ledger: Ledger, request_id: str) -> tuple[str, str] | None:
    """What was asked and answered, where bodies are kept."""
    found = ledger.rows("SELECT question, answer FROM bodies WHERE request = ?", (request_id,))
    return (str(found[0][0]), str(found[0][1])) if found else None


def records(ledger: Ledger, since: float, until: float) -> Iterator[Record]:
    """Every record of the period with its attempts and alternatives, in the order in which they were committed."""
    mine = [f"r.{name}" if name in RECORD_COLUMNS else f"d.{name}" for name in rows.RECORD_SELECT[1:]]
    begin, end = round(since * rows.MICRO), round(until * rows.MICRO)
    for month in _months(ledger, since, until):
        after = 0
        while True:
            found = ledger.rows(
                f"SELECT r.time, {', '.join(mine)} FROM records_{month} r LEFT JOIN decisions_{month} d "
                "ON d.id = r.decision WHERE r.number > ? AND r.time >= ? AND r.time < ? ORDER BY r.number LIMIT ?",
                (after, begin, end, _AT_ONCE),
            )
            if not found:
                break
            span = (found[0][1] * CHILDREN, (found[-1][1] + 1) * CHILDREN)
            attempts = _children(ledger, f"attempts_{month}", ATTEMPT_COLUMNS, span)
            others = _children(
                ledger, f"alternatives_{month}", ("number", "deployment", "cost", "permitted", "local"), span
            )
            for row in found:
                yield rows.record_of(row, attempts.get(row[1], ()), map(_alternative, others.get(row[1], ())))
            after = found[-1][1]


def _children(ledger: Ledger, table: str, columns: Sequence[str], span: tuple[int, int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in ledger.rows(
        f"SELECT {', '.join(columns)} FROM {table} WHERE number >= ? AND number < ? ORDER BY number", span
    ):
        found.setdefault(row[0] // CHILDREN, []).append(row[1:])
    return found


def _alternative(row: Sequence[Any]) -> Alternative:
    return Alternative(row[0], row[1], bool(row[2]), bool(row[3]))


def workload(ledger: Ledger, since: float, until: float, asked: str | None = None) -> Iterator[Seen]:
    """The traffic as it was observed, answered requests only, in the order of their arrival within each month.

    What Crossover asked by itself to measure (evaluations, load tests) is nobody's traffic.
    """
    for month in _months(ledger, since, until):
        found = ledger.rows(
            f"SELECT r.time, r.input_tokens, r.output_tokens, r.cached_read FROM records_{month} r "
            f"LEFT JOIN decisions_{month} d ON d.id = r.decision WHERE r.time >= ? AND r.time < ? "
            "AND r.status = 'ok' AND (? IS NULL OR d.asked = ?) "
            "AND coalesce(d.door, '') NOT IN ('eval', 'loadtest') ORDER BY r.time",
            (round(since * rows.MICRO), round(until * rows.MICRO), asked, asked),
        )
        for time, *tokens in found:
            yield Seen(time / rows.MICRO, *tokens)


# ------------------------------------------------------------------------------------------------------------ budgets


def standings(ledger: Ledger) -> list[Standing]:
    """The period in force of every budget that was ever asked, by name."""
    found = ledger.rows(
        "SELECT b.name, b.period, b.since, b.spent, b.reserved, b.ceiling FROM budgets b WHERE b.since = "
        "(SELECT max(o.since) FROM budgets o WHERE o.name = b.name AND o.period = b.period) ORDER BY b.name, b.period"
    )
    return [
        Standing(name=row[0], period=row[1], since=row[2], spent=row[3], reserved=row[4], limit=row[5]) for row in found
    ]


def unsettled(ledger: Ledger) -> list[Reservation]:
    """Reservations whose process died before the row was written; they stay charged until somebody settles them."""
    return reservations_of(
        ledger.rows(
            "SELECT id, budget, period, since, amount, time, owner, unsettled FROM reservations WHERE unsettled = 1 "
            "ORDER BY time, id, budget"
        )
    )
