"""Evidence: one figure, where it comes from, when it was checked, how far it may be off.

PLAN prefers measured over published over assumed. A prediction of the product's own models is ``assumed`` until a
measurement replaces it, and says whether it lies inside the calibration.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Literal

import msgspec

SourceKind = Literal["measured", "published", "assumed"]
PREFERENCE: dict[SourceKind, int] = {"measured": 0, "published": 1, "assumed": 2}
STALE_AFTER_DAYS = 90


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a datum was read, and when someone last compared the two.

    ``verified`` is False for a figure typed from a secondary place that nobody has compared with the maker's own.
    """

    text: str
    url: str = ""
    checked: dt.date
    verified: bool = True
    licence: str = ""

    def stale(self, today: dt.date) -> bool:
        """Whether the datum was last checked more than 90 days before ``today``."""
        return (today - self.checked).days > STALE_AFTER_DAYS


class Band(msgspec.Struct, frozen=True):
    """An 80 % interval and its middle: the 10th, 50th and 90th percentile."""

    p10: float
    p50: float
    p90: float


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One figure about one subject.

    ``subject`` names what it is about (a deployment, a model, a price list), ``metric`` what was counted, ``unit`` in
    what. ``low`` and ``high`` are an 80 % interval where one is known, ``n`` the number of observations behind a
    measurement, ``expires`` the day after which the figure is no longer believed.
    """

    subject: str
    metric: str
    value: float
    unit: str
    kind: SourceKind
    source: str
    when: dt.date
    method: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    expires: dt.date | None = None
    verified: bool = True
    context: dict[str, float | str] = msgspec.field(default_factory=dict)

    def valid(self, today: dt.date) -> bool:
        """Whether the figure may still be used on ``today``."""
        return self.expires is None or today <= self.expires


def best(rows: Iterable[Evidence], subject: str, metric: str, today: dt.date) -> Evidence | None:
    """The figure to believe: measured before published before assumed, then the newest; None where none is valid."""
    fitting = [row for row in rows if row.subject == subject and row.metric == metric and row.valid(today)]
    return min(fitting, key=lambda row: (PREFERENCE[row.kind], -row.when.toordinal()), default=None)
