"""How fast answers came and what requests would have cost elsewhere, from a sample of the rows of a period.

Latencies are not rolled up. Where a period has more than SAMPLE rows, clusters of neighbouring rows are read, spread
evenly over it, so that the question costs the same with ten thousand rows and with ten million. Times are Unix
seconds, durations milliseconds, money picodollars.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from crossover.ledger.places import Stretch, stretches
from crossover.ledger.rows import MICRO
from crossover.ledger.schema import CHILDREN
from crossover.ledger.store import Ledger

SAMPLE = 5_000  # rows read at most
CLUSTER = 50  # rows that stand side by side
FEWEST = 8  # answers from which a percentile of a part of the period is worth a point on a curve


class Quantiles(msgspec.Struct, frozen=True):
    """The 50th and the 95th percentile (nearest rank) of ``count`` values."""

    p50: float
    p95: float
    count: int


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of the answers of one deployment (or of all): to the first token, in all, in the queue.

    ``first`` is that of streamed answers, None where there was none.
    """

    first: Quantiles | None
    total: Quantiles
    queue: Quantiles


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What a sample says of a period. ``read`` of ``rows`` rows were looked at; as many: nothing is estimated.

    ``parts`` are the first tokens by equal parts of the period (None: too few). ``faults`` counts (deployment, code) of
    what did not end well. ``own`` is what the sampled requests would have cost on own machines, token by token, and
    ``own_known`` for how many of them a price there is known.
    """

    read: int
    rows: int
    all: Speed | None
    by: dict[str, Speed]
    parts: tuple[Quantiles | None, ...]
    faults: dict[tuple[str, str], int]
    own: int
    own_known: int

    @property
    def estimated(self) -> bool:
        """Whether only a part of the rows was read."""
        return self.read < self.rows


_Row = tuple[int, int, str, int, str, str, float, float, float, int]  # as _COLUMNS
_COLUMNS = (
    "r.number, r.time, coalesce(d.deployment, ''), coalesce(d.local, 0), r.status, r.error, r.ttft_ms, r.total_ms, "
    "r.queue_ms, r.cost"
)


def pace(ledger: Ledger, since: float, until: float, parts: int = 1, sample: int = SAMPLE) -> Pace:
    """What a sample of the period says; ``parts`` equal parts of it get first tokens of their own."""
    places = stretches(ledger, since, until)
    rows = sum(map(len, places))
    begin, end = round(since * MICRO), round(until * MICRO)
    read = own = own_known = 0
    speeds: dict[str, list[tuple[float, float, float]]] = {}
    firsts: list[list[float]] = [[] for _ in range(parts)]
    faults: dict[tuple[str, str], int] = {}
    for place in clusters(places, sample):
        found = [row for row in _rows(ledger, place) if begin <= row[1] < end]
        elsewhere = _own_prices(ledger, place)
        for number, time, deployment, local, status, error, first, total, queue, cost in found:
            read += 1
            price = cost if local else elsewhere.get(number)
            if price is not None and deployment:
                own, own_known = own + price, own_known + 1
            if status == "ok":
                speeds.setdefault(deployment, []).append((first, total, queue))
                if first > 0:
                    firsts[min(parts - 1, int((time - begin) / (end - begin) * parts))].append(first)
            else:
                fault = (deployment, error or status)
                faults[fault] = faults.get(fault, 0) + 1
    every = [each for found in speeds.values() for each in found]
    return Pace(
        read=read, rows=rows if rows > sample else read, all=_speed(every) if every else None,
        by={name: _speed(each) for name, each in sorted(speeds.items())},
        parts=tuple(quantiles(part) if len(part) >= FEWEST else None for part in firsts),
        faults=faults, own=own, own_known=own_known,
    )  # fmt: skip


def clusters(places: Sequence[Stretch], sample: int) -> Iterator[Stretch]:
    """The stretches themselves where they hold few rows, else clusters spread evenly over them."""
    rows = sum(map(len, places))
    if rows <= sample:
        yield from places
        return
    count = max(1, sample // CLUSTER)
    for cluster in range(count):
        at = (2 * cluster + 1) * rows // (2 * count) - CLUSTER // 2
        for place in places:
            if at < len(place):
                low = place.low + max(0, min(at, len(place) - CLUSTER))
                yield Stretch(place.month, low, min(low + CLUSTER, place.high))
                break
            at -= len(place)


def _rows(ledger: Ledger, place: Stretch) -> list[_Row]:
    return ledger.rows(
        f"SELECT {_COLUMNS} FROM records_{place.month} r LEFT JOIN decisions_{place.month} d ON d.id = r.decision "
        "WHERE r.number >= ? AND r.number < ?",
        (place.low, place.high),
    )


def _own_prices(ledger: Ledger, place: Stretch) -> dict[int, int]:
    """Number of a row → the lowest price of its alternatives on own machines."""
    found: list[tuple[Any, ...]] = ledger.rows(
        f"SELECT number / {CHILDREN}, min(cost) FROM alternatives_{place.month} "
        f"WHERE number >= ? AND number < ? AND local = 1 GROUP BY number / {CHILDREN}",
        (place.low * CHILDREN, place.high * CHILDREN),
    )
    return dict(found)


def _speed(found: Sequence[tuple[float, float, float]]) -> Speed:
    firsts = [first for first, _, _ in found if first > 0]  # 0: it was not streamed, or nobody noted it
    return Speed(
        first=quantiles(firsts) if firsts else None,
        total=quantiles([total for _, total, _ in found]),
        queue=quantiles([queue for _, _, queue in found]),
    )


def quantiles(values: Sequence[float]) -> Quantiles:
    """Percentiles by nearest rank: the smallest value that at least that share of all is not above."""
    ordered = sorted(values)
    p50, p95 = (ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.95))
    return Quantiles(p50, p95, len(ordered))
