"""The lines of a monthly bill, and the assumed figures behind some of them."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from crossover.errors import InputError, UnknownNameError
from crossover.evidence import Source, SourceKind
from crossover.money import Usd

Kind = Literal["tokens", "compute", "power", "people", "operations", "overflow"]
_DATA = Path(__file__).with_name("data")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a bill in dollars a month (negative: a discount), and the range it may lie in.

    ``low`` and ``high`` are the ends of an 80 % range where the line rests on an assumption, else equal to the line.
    """

    name: str
    kind: Kind
    usd_month: Usd
    low: Usd
    high: Usd
    note: str = ""
    basis: SourceKind = "published"


def line(
    name: str,
    kind: Kind,
    amount: Usd,
    *,
    low: Usd | None = None,
    high: Usd | None = None,
    note: str = "",
    basis: SourceKind = "published",
) -> Line:
    """A line without range unless one is given."""
    return Line(
        name=name,
        kind=kind,
        usd_month=amount,
        low=amount if low is None else low,
        high=amount if high is None else high,
        note=note,
        basis=basis,
    )


def total(lines: Iterable[Line]) -> Usd:
    """All lines added up."""
    return sum((row.usd_month for row in lines), Decimal(0))


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """A default that stands until the user states a figure: its value, its 80 % range, and where it comes from."""

    name: str
    value: Decimal
    low: Decimal
    high: Decimal
    unit: str
    kind: SourceKind
    source: Source
    note: str = ""


@lru_cache(maxsize=1)
def assumptions() -> tuple[Assumed, ...]:
    """Every default of the cost calculators, as shipped in ``data/assumptions.csv``."""
    with (_DATA / "assumptions.csv").open(encoding="utf-8", newline="") as file:
        return tuple(_row(row) for row in csv.DictReader(file))


@lru_cache(maxsize=1)
def _by_name() -> dict[str, Assumed]:
    return {row.name: row for row in assumptions()}


def assumed(name: str) -> Assumed:
    """One default by name."""
    rows = _by_name()
    if name not in rows:
        raise UnknownNameError("assumption", name, rows)
    return rows[name]


def _row(row: dict[str, str]) -> Assumed:
    return Assumed(
        name=row["name"],
        value=Decimal(row["value"]),
        low=Decimal(row["low"]),
        high=Decimal(row["high"]),
        unit=row["unit"],
        kind=msgspec.convert(row["kind"], SourceKind),
        source=Source(
            text=row["source"],
            url=row["url"],
            checked=dt.date.fromisoformat(row["checked"]),
            verified=row["verified"] == "true",
        ),
        note=row["note"],
    )


def exact(value: float | Decimal, field: str, *, low: float = 0.0, high: float = 1e15) -> Decimal:
    """A user's number as an exact decimal within bounds; raises InputError for NaN, infinities and absurd values."""
    amount = value if isinstance(value, Decimal) else Decimal(str(value))
    if not amount.is_finite() or not low <= amount <= high:
        raise InputError(f"{value} is out of range", hint=f"Write a number from {low:g} to {high:g}", field=field)
    return amount
