"""Plan: the current decision, where today's volume lies on its curves, and what would change the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from crossover.dashboard.words import Scheme, Source

DAY = 86_400.0
_LEAST = 600.0  # seconds of a ledger from which a volume a day can be said


def plan(source: Source, asked: Mapping[str, str]) -> dict[str, Any]:
    """Everything the page shows."""
    del asked
    found = source.plan()
    volume = today(source)
    return {
        "planned": found,
        "scheme": found.scheme,
        "volume": volume,
        "bill": None if found.scheme is None else bills(found.scheme, volume),
        "drawn": None if found.scheme is None else drawn(found.scheme, volume),
        "now": source.now(),
    }


def today(source: Source) -> float:
    """Requests a day at the rate of the last 24 hours, or of as much as there is; 0: none, or nobody can tell yet."""
    now, begin = source.now(), source.begin()
    if begin is None:
        return 0.0
    seconds = min(DAY, now - begin)
    if seconds < _LEAST:
        return 0.0
    return source.hours(now - DAY, now, 1).whole().requests / seconds * DAY


def drawn(scheme: Scheme, volume: float) -> dict[str, Any]:
    """What the script draws: the curves with their intervals, and the dot."""
    return {
        "kind": "crossing",
        "volume": volume or None,
        "planned": scheme.volume,
        "curves": [{"kind": one.kind, "title": one.title, "points": one.points} for one in scheme.curves],
    }


def bills(scheme: Scheme, volume: float) -> list[tuple[str, str, float]]:
    """(kind, title, dollars a month) of every class at a volume, cheapest first; [] where it is on no curve."""
    found = [(one.kind, one.title, at(one.points, volume)) for one in scheme.curves]
    return sorted(((kind, title, usd) for kind, title, usd in found if usd is not None), key=lambda row: row[2])


def at(points: tuple[tuple[float, float, float, float], ...], volume: float) -> float | None:
    """The middle of a curve at a volume, between its points on both logarithmic axes."""
    for before, after in pairwise(points):
        if before[0] <= volume <= after[0] and before[0] > 0 and min(before[2], after[2]) > 0:
            share = math.log(volume / before[0]) / math.log(after[0] / before[0])
            return math.exp(math.log(before[2]) + share * math.log(after[2] / before[2]))
    return None
