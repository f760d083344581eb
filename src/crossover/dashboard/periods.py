"""The period a page speaks of: chosen by a word in the address, the same on every page."""

from __future__ import annotations

import msgspec

from crossover.ledger.hours import HOUR, span_of

DAY = 86_400.0
CHOICES: dict[str, tuple[str, float | None]] = {
    "24h": ("24 hours", DAY),
    "7d": ("7 days", 7 * DAY),
    "30d": ("30 days", 30 * DAY),
    "90d": ("90 days", 90 * DAY),
    "all": ("All", None),
}
USUAL = "7d"
SPANS = 60  # bars of a chart at most


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A period: whole spans of ``step`` hours from ``since``; ``until`` is now."""

    name: str
    title: str
    since: float
    until: float
    step: int
    begun: bool  # whether the ledger began before it: else rates count from the ledger's beginning

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return max(1.0, self.until - self.since)


def span(name: str, now: float, begin: float | None) -> Span:
    """The period of a word; an unknown word is the usual one. It never begins before the ledger does."""
    name = name if name in CHOICES else USUAL
    title, length = CHOICES[name]
    oldest = now - DAY if begin is None else begin
    since = oldest if length is None else max(now - length, min(oldest, now - DAY))
    step = span_of(since, now, SPANS)
    since -= since % (step * HOUR)
    return Span(name=name, title=title, since=since, until=now, step=step, begun=oldest < since)
