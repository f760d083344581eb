"""Deployments: how each stands, what it carries, how fast it answers, what a million of its tokens really cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from crossover.dashboard.overview import hourly
from crossover.dashboard.periods import span
from crossover.dashboard.words import Live, Place, Source
from crossover.ledger.hours import Sums
from crossover.ledger.pace import Speed
from crossover.ledger.queries import Idle


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment. ``real`` is what all its tokens cost with idle hours (picodollars), None: nobody knows."""

    name: str
    place: Place | None
    totals: Sums
    speed: Speed | None
    idle: Idle | None

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.totals.input_tokens + self.totals.output_tokens

    @property
    def real(self) -> int | None:
        """What they cost: the machine's hours where it is paid by the hour, else their price."""
        if self.idle is not None:
            return self.idle.paid
        return None if self.totals.unpriced == self.totals.requests else self.totals.cost

    @property
    def used(self) -> float | None:
        """The share of a machine's hours that tokens paid for."""
        return None if self.idle is None or not self.idle.paid else min(1.0, self.idle.priced / self.idle.paid)


def deployments(source: Source, asked: Mapping[str, str], live: Live | None) -> dict[str, Any]:
    """Everything the page shows: those of the running gateway first, then those that only the ledger knows."""
    now = source.now()
    period = span(asked.get("period", ""), now, source.begin())
    pace = source.pace(period.since, period.until, 1)
    groups = {name: sums for name, sums in source.by_deployment(period.since, period.until).items() if name}
    idle = {one.deployment: one for one in source.idle(period.since, period.until, hourly(source, live))}
    places = {} if live is None else {place.name: place for place in live.places}
    names = [*places, *(name for name in groups if name not in places)]
    rows = [
        Row(
            name=name, place=places.get(name), totals=groups.get(name, Sums()), speed=pace.by.get(name),
            idle=idle.get(name),
        )
        for name in names
    ]  # fmt: skip
    return {"period": period, "rows": rows, "live": live, "pace": pace, "now": now}
