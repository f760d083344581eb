"""Privacy: what stayed, what left, to whom, under which rule, and whether the audit that says so holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from crossover.dashboard.periods import span
from crossover.dashboard.words import Live, Source
from crossover.ledger.survey import Held, Survey


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """Requests by where they were answered."""

    name: str
    local: bool
    requests: int
    width: float


def privacy(source: Source, asked: Mapping[str, str], live: Live | None) -> dict[str, Any]:
    """Everything the page shows. Counts are those of the roll-ups, details those of the audit's latest entries."""
    now = source.now()
    period = span(asked.get("period", ""), now, source.begin())
    hours = source.hours(period.since, period.until, period.step)
    whole, local, api = hours.whole(), hours.whole("local"), hours.whole("api")
    found = source.survey(period.since, period.until)
    return {
        "period": period,
        "whole": whole,
        "local": local,
        "api": api,
        "nobody": hours.whole("nobody"),
        "zones": zones(source, period.since, period.until),
        "found": found,
        "held": held(found),
        "chain": source.chain(),
        "profile": "" if live is None else live.profile,
        "live": live,
        "now": now,
    }


def zones(source: Source, since: float, until: float) -> list[Zone]:
    """Where requests were answered, most of them first."""
    rows = source.zones(since, until)
    top = max([count for _, _, count in rows] or [1]) or 1
    return [
        Zone(name=name, local=local, requests=count, width=round(max(0.5, count / top * 100), 2))
        for name, local, count in rows
    ]


def held(found: Survey) -> list[tuple[str, Held]]:
    """What was found by category, the most frequent first."""
    return sorted(found.held.items(), key=lambda item: (-(item[1].left + item[1].stayed + item[1].stopped), item[0]))
