"""The traffic of a period as a plan needs it: sums by the hour from the roll-ups, all else from a sample of rows.

Sums are exact. What no roll-up holds (how lengths spread, how arrivals bunch, what was sensitive, how fast answers
came) is read from blocks of neighbouring rows, spread evenly over the period: neighbours, because gaps between arrivals
would be lost otherwise. Answered requests count; what Crossover asked by itself to measure, and embeddings, do not:
they are taken out exactly where the period is short, else by their share of the sample. Arrays hold one entry a row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from crossover.ledger.rows import MICRO
from crossover.ledger.schema import STREAMED, bounds_of
from crossover.ledger.store import Ledger
from crossover.ledger.week import MEASURING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOUR = 3600
SAMPLE = 100_000  # rows a sample holds at most
READ = 500_000  # rows that are read at most to find so many of one key or route
BLOCK = 500  # neighbouring rows that are read together
SCANNED = 2_000_000  # rows up to which what is no traffic is counted, not estimated
MOST_NAMES = 1000


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Answered requests of one route, key or deployment. Money is picodollars; ``local`` ones own machines answered."""

    name: str
    requests: int
    local: int
    input_tokens: int
    cached_read: int
    output_tokens: int
    cost: int
    marginal: int


class Who(msgspec.Struct, frozen=True):
    """Who answered: deployment, row of the registry, model, and whether it was an own machine."""

    deployment: str
    provider: str
    model: str
    local: bool


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Sampled rows of traffic, in order of time within each block.

    ``tier``: 0 nobody looked, 1 none, 2 soft, 3 hard. ``ttft_ms`` is 0 where it was not streamed. ``who`` are places in
    ``answered_by``. ``of`` rows stood for choice (those that failed too), ``read`` answered ones were looked at,
    ``aside`` of these are no traffic.
    """

    time: NDArray[np.float64]
    block: NDArray[np.int64]
    input: NDArray[np.int64]
    output: NDArray[np.int64]
    cached: NDArray[np.int64]
    tier: NDArray[np.int8]
    ttft_ms: NDArray[np.float64]
    total_ms: NDArray[np.float64]
    who: NDArray[np.int64]
    answered_by: tuple[Who, ...]
    of: int
    read: int
    aside: int


class Hour(msgspec.Struct, frozen=True, gc=False):
    """One hour (since 1970, UTC): answered requests and their tokens, and what had to be paid (picodollars)."""

    hour: int
    requests: float
    input_tokens: float
    output_tokens: float
    cached_read: float
    marginal: float


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """The traffic of whole hours [``begin``, ``end``) since 1970. ``failed`` requests are in none of the sums.

    ``span`` is how many hours were watched: those, or less where the record is too short for whole ones.
    """

    begin: int
    end: int
    hours: tuple[Hour, ...]
    failed: int
    routes: tuple[Slice, ...]
    keys: tuple[Slice, ...]
    deployments: tuple[Slice, ...]
    sample: Sample
    exact: bool
    span: float

    @property
    def requests(self) -> float:
        """Answered requests of the whole period."""
        return math.fsum(hour.requests for hour in self.hours)


def observed(
    ledger: Ledger, since: float, until: float, *, key: str | None = None, route: str | None = None
) -> Observed:
    """What was observed from the first whole hour at or after ``since`` (Unix seconds) to the last before ``until``.

    The period begins with the first hour that holds a request, and so may hold nothing at all: then ``hours`` is empty.
    A record of less than two hours is taken as it is, from its first request to ``until``. ``key`` and ``route`` (what
    clients ask for) narrow it.
    """
    begin, end = math.ceil(since / HOUR), math.floor(until / HOUR)
    where, values = _condition(key, route)
    found = _hours(ledger, begin, end, where, values)
    answered = [row[0] for row in found if row[1]]
    short = len(answered) < 2
    if short:
        end = math.ceil(until / HOUR)
        found = _hours(ledger, begin, end, where, values)
        answered = [row[0] for row in found if row[1]]
    # Of the first hour that the ledger holds nobody knows how much of it the gateway was there.
    begin = end if not answered else answered[0] + (0 if short else 1)
    found = [row for row in found if row[0] >= begin]
    wanted = sum(row[1] for row in found)
    whole = wanted if not values else _answered(ledger, begin, end)
    sample = _sample(ledger, begin, end, key, route, size=math.ceil(SAMPLE * whole / wanted) if wanted else 0)
    aside, exact = _aside(ledger, begin, end, key, route, sample)
    routes, keys, deployments = _slices(ledger, begin, end, key, route)
    return Observed(
        begin=begin,
        end=end,
        hours=tuple(_hour(row, aside, sample) for row in found),
        failed=int(sum(row[6] - row[1] for row in found)),
        routes=routes,
        keys=keys,
        deployments=deployments,
        sample=sample,
        exact=exact,
        span=(until - max(since, float(sample.time.min()))) / HOUR if short and len(sample.time) else end - begin,
    )


def _hours(
    ledger: Ledger, begin: int, end: int, where: str, values: Sequence[str]
) -> list[tuple[int, int, int, int, int, int, int]]:  # fmt: skip
    """The roll-ups of each hour: hour, answered, input, output and cached tokens, microdollars paid, all requests."""
    return ledger.rows(
        f"SELECT hour, sum(ok), sum(input_tokens), sum(output_tokens), sum(cached_read), sum(marginal / {MICRO}), "
        f"sum(requests) FROM rollups WHERE hour >= ? AND hour < ?{where} GROUP BY hour ORDER BY hour",
        (begin, end, *values),
    )


def names(ledger: Ledger, column: str) -> list[str]:
    """Every ``key`` or ``asked`` name that any request came with."""
    return [name for (name,) in ledger.rows(f"SELECT DISTINCT {column} FROM rollups ORDER BY 1")]


def _condition(key: str | None, route: str | None) -> tuple[str, tuple[str, ...]]:
    parts = [(" AND key = ?", key), (" AND asked = ?", route)]
    return "".join(text for text, value in parts if value is not None), tuple(
        value for _, value in parts if value is not None
    )


def _hour(row: Sequence[Any], aside: dict[int, tuple[float, float, float, float]], sample: Sample) -> Hour:
    """One hour without what is no traffic: what was counted, or its share of the sample (under the hour -1)."""
    hour, ok, prompt, answer, cached, micro, _ = row
    if -1 in aside:
        left = 1 - sample.aside / max(sample.read, 1)
        return Hour(hour, ok * left, prompt * left, answer * left, cached * left, micro * MICRO * left)
    gone, less_in, less_out, less_cached = aside.get(hour, (0.0, 0.0, 0.0, 0.0))
    return Hour(hour, ok - gone, prompt - less_in, answer - less_out, cached - less_cached, micro * MICRO)


def _slices(
    ledger: Ledger, begin: int, end: int, key: str | None, route: str | None
) -> tuple[tuple[Slice, ...], tuple[Slice, ...], tuple[Slice, ...]]:
    """Sums by route, by key and by deployment, most requests first."""
    where, values = _condition(key, route)
    found = ledger.rows(
        "SELECT asked, key, deployment, sum(ok), sum(ok * local), sum(input_tokens), sum(cached_read), "
        f"sum(output_tokens), sum(cost / {MICRO}), sum(marginal / {MICRO}) FROM rollups "
        f"WHERE hour >= ? AND hour < ? AND ok > 0{where} GROUP BY asked, key, deployment",
        (begin, end, *values),
    )
    made = []
    for place in range(3):
        sums: dict[str, list[int]] = {}
        for row in found:
            old = sums.setdefault(row[place], [0] * 7)
            sums[row[place]] = [a + b for a, b in zip(old, row[3:], strict=True)]
        rows = [
            Slice(
                name=name, requests=row[0], local=row[1], input_tokens=row[2], cached_read=row[3], output_tokens=row[4],
                cost=row[5] * MICRO, marginal=row[6] * MICRO,
            )
            for name, row in sums.items()
        ]  # fmt: skip
        made.append(tuple(sorted(rows, key=lambda row: (-row.requests, row.name))[:MOST_NAMES]))
    return made[0], made[1], made[2]


# --------------------------------------------------------------------------------------------------------------- sample


class _Decision(msgspec.Struct, frozen=True):
    """What a sampled row shares with many others."""

    traffic: bool
    asked: str
    tier: int
    who: Who


_TIERS = {"none": 1, "soft": 2, "hard": 3}
_COLUMNS = "r.time, r.input_tokens, r.output_tokens, r.cached_read, r.ttft_ms, r.total_ms, r.flags, r.decision, r.key"


def _sample(ledger: Ledger, begin: int, end: int, key: str | None, route: str | None, *, size: int) -> Sample:
    """Rows of traffic among ``size`` rows (at most READ) of the period."""
    import numpy as np

    spans = [(month, *span) for month in _months(ledger, begin, end) if (span := _span(ledger, month, begin, end))]
    of = sum(high - low for _, low, high in spans)
    size = min(READ, size)
    kept: list[tuple[Any, ...]] = []
    answered_by: dict[Who, int] = {}
    read = aside = number = 0
    for month, low, high in spans:
        known = _decisions(ledger, month)
        blocks = _blocks(low, high, round(size * (high - low) / of))
        for first, last in blocks:
            number += 1
            rows = ledger.rows(
                f"SELECT {_COLUMNS} FROM records_{month} r WHERE r.number >= ? AND r.number < ? AND r.status = 'ok' "
                "AND r.time >= ? AND r.time < ? ORDER BY r.time",
                (first, last, begin * HOUR * MICRO, end * HOUR * MICRO),
            )
            for row in rows:
                decision = known.get(row[7], _LOST)
                if (key is not None and row[8] != key) or (route is not None and decision.asked != route):
                    continue
                read += 1
                if not decision.traffic:
                    aside += 1
                    continue
                place = answered_by.setdefault(decision.who, len(answered_by))
                first_ms = row[4] if row[6] & STREAMED else 0.0
                kept.append((row[0], number, row[1], row[2], row[3], decision.tier, first_ms, row[5], place))
    columns = list(zip(*kept, strict=True)) or [()] * 9
    return Sample(
        time=np.array(columns[0], dtype=np.float64) / MICRO,
        block=np.array(columns[1], dtype=np.int64),
        input=np.array(columns[2], dtype=np.int64),
        output=np.array(columns[3], dtype=np.int64),
        cached=np.array(columns[4], dtype=np.int64),
        tier=np.array(columns[5], dtype=np.int8),
        ttft_ms=np.array(columns[6], dtype=np.float64),
        total_ms=np.array(columns[7], dtype=np.float64),
        who=np.array(columns[8], dtype=np.int64),
        answered_by=tuple(answered_by),
        of=of,
        read=read,
        aside=aside,
    )


_LOST = _Decision(True, "", 0, Who("", "", "", False))


def _decisions(ledger: Ledger, month: str) -> dict[int, _Decision]:
    """The decisions of a month, by their number."""
    found = {}
    for number, kind, door, asked, tier, privacy, *who in ledger.rows(
        f"SELECT id, kind, door, asked, tier, privacy, deployment, provider, model, local FROM decisions_{month}"
    ):
        looked = privacy not in ("", "[]") and not privacy.startswith(('["off"', '[""'))
        found[number] = _Decision(
            kind == "chat" and door not in MEASURING,
            asked,
            _TIERS.get(tier, 0) if looked or tier != "none" else 0,
            Who(who[0], who[1], who[2], bool(who[3])),
        )
    return found


def _months(ledger: Ledger, begin: int, end: int) -> list[str]:
    months = [month for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month")]
    return [one for one in months if bounds_of(one)[0] < end * HOUR and bounds_of(one)[1] > begin * HOUR]


def _span(ledger: Ledger, month: str, begin: int, end: int) -> tuple[int, int] | None:
    """The numbers among which a month's rows of a period are, found by bisection.

    Rows are written nearly in order of their time; in a small month, which is read whole, they need not be.
    """
    ends = [ledger.rows(f"SELECT number FROM records_{month} ORDER BY number {way} LIMIT 1") for way in ("", "DESC")]
    if not ends[0]:
        return None
    low, high = ends[0][0][0], ends[1][0][0] + 1
    if high - low <= SAMPLE:
        return low, high
    return _bisect(ledger, month, low, high, begin), _bisect(ledger, month, low, high, end)


def _bisect(ledger: Ledger, month: str, low: int, high: int, hour: int) -> int:
    """The first number whose row came at or after an hour."""
    while low < high:
        middle = (low + high) // 2
        found = ledger.rows(
            f"SELECT number, time FROM records_{month} WHERE number >= ? ORDER BY number LIMIT 1", (middle,)
        )
        if not found or found[0][1] >= hour * HOUR * MICRO:
            high = middle
        else:
            low = found[0][0] + 1
    return low


def _blocks(low: int, high: int, size: int) -> Iterator[tuple[int, int]]:
    """Ranges of numbers, evenly spread, that hold ``size`` of those in [low, high); all where that is most of them."""
    count = high - low
    if size * 2 >= count:
        yield from ((first, min(first + BLOCK, high)) for first in range(low, high, BLOCK))
        return
    blocks = max(1, round(size / BLOCK))
    for place in range(blocks):
        first = low + (count - BLOCK) * (2 * place + 1) // (2 * blocks)
        yield first, first + BLOCK


def _answered(ledger: Ledger, begin: int, end: int) -> int:
    found = ledger.rows("SELECT sum(ok) FROM rollups WHERE hour >= ? AND hour < ?", (begin, end))
    return int(found[0][0] or 0)


def _aside(
    ledger: Ledger, begin: int, end: int, key: str | None, route: str | None, sample: Sample
) -> tuple[dict[int, tuple[float, float, float, float]], bool]:
    """What is no traffic, by hour, and whether it was counted: where there are too many rows, -1 stands for all."""
    found: dict[int, tuple[float, float, float, float]] = {}
    for month in _months(ledger, begin, end):
        ids = [number for number, one in _decisions(ledger, month).items()
               if not one.traffic and (route is None or one.asked == route)]  # fmt: skip
        if not ids:
            continue
        if sample.of > SCANNED:
            return {-1: (0.0, 0.0, 0.0, 0.0)}, False
        where = "" if key is None else " AND key = ?"
        rows = ledger.rows(
            f"SELECT time / {HOUR * MICRO}, count(*), sum(input_tokens), sum(output_tokens), sum(cached_read) "
            f"FROM records_{month} WHERE decision IN ({', '.join(map(str, ids))}) AND status = 'ok' "
            f"AND time >= ? AND time < ?{where} GROUP BY 1",
            (begin * HOUR * MICRO, end * HOUR * MICRO, *(() if key is None else (key,))),
        )
        for hour, *sums in rows:
            old = found.get(hour, (0.0, 0.0, 0.0, 0.0))
            found[hour] = tuple(a + b for a, b in zip(old, sums, strict=True))
    return found, True
