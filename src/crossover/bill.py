"""The words of a bill: what somebody else says was used and is owed. Plain values; reading them is ``traffic.bills``.

Money is exact dollars. What a bill does not say is None, never 0.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from crossover.money import Usd

Basis = Literal["bucket", "day"]  # whether a line's window was stated as moments, or as a day of an unknown time zone


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one model used in one window (Unix seconds, UTC; the end is not in it). ``input`` includes ``cached``.

    ``batch``: at the price of a batch. ``basis`` ``day``: only a date was written, so its time zone is a guess.
    """

    start: float
    end: float
    model: str
    requests: int | None = None
    input: int | None = None
    cached: int | None = None
    output: int | None = None
    usd: Usd | None = None
    batch: bool = False
    basis: Basis = "bucket"


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of one machine that are billed in one window. ``usd_per_hour`` None: the bill states no rate."""

    start: float
    end: float
    machine: str
    hours: float
    usd_per_hour: Usd | None = None


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read. ``provider`` is a name of the registry, or empty where the file does not say."""

    provider: str
    title: str
    lines: tuple[Line, ...] = ()
    hours: tuple[Hours, ...] = ()
    notes: tuple[str, ...] = ()
