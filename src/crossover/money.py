"""Exact dollars. Prices and bills are ``Decimal`` and are rounded only when shown.

Two kinds of figures never mix silently:

- a **price** or a **bill** is exact: ``Usd`` (a ``Decimal``), per million tokens, per hour or in all;
- an **estimate** (it depends on a predicted speed, a forecast or a draw) is a ``float`` with an interval, made from
  exact prices at the edge by :func:`estimate`.

A month is 30 days = 720 hours unless the user says otherwise.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from crossover.errors import InputError

Usd: TypeAlias = Decimal

HOURS_PER_DAY = 24
DAYS_PER_MONTH = 30
HOURS_PER_MONTH = HOURS_PER_DAY * DAYS_PER_MONTH
SECONDS_PER_DAY = 86_400
TOKENS_PER_MTOK = 1_000_000


def usd(value: Decimal | int | float | str, *, field: str | None = None) -> Usd:
    """Exact dollars from what a user or a data file wrote; a float is read as its shortest decimal text.

    Raises InputError for text that is no number, for NaN and for infinities.
    """
    try:
        amount = Decimal(str(value).strip().removeprefix("$").replace(",", ""))
    except InvalidOperation:
        raise InputError(f"{value!r} is not an amount in dollars", hint="Write it like 1.99", field=field) from None
    if not amount.is_finite():
        raise InputError(f"{value!r} is not a finite amount in dollars", field=field)
    return amount


def per_mtok(price: Usd, tokens: int) -> Usd:
    """Dollars for ``tokens`` tokens at ``price`` dollars per million tokens."""
    return price * tokens / TOKENS_PER_MTOK


def per_hour(price: Usd, hours: Decimal | int) -> Usd:
    """Dollars for ``hours`` hours at ``price`` dollars per hour."""
    return price * hours


def estimate(amount: Usd) -> float:
    """An exact amount as the float that estimates are made of."""
    return float(amount)


def show(amount: Usd | float, *, cents: bool | None = None) -> str:
    """Dollars for people: ``$1,275``, ``$7.65``, ``$0.0000047``; cents below 100 dollars unless told."""
    value = float(amount)
    if not math.isfinite(value):
        return "n/a"
    sign = "−" if value < 0 else ""
    size = abs(value)
    if cents is True or (cents is None and 0.01 <= size < 100):
        return f"{sign}${size:,.2f}"
    if 0 < size < 0.01:
        return f"{sign}${Decimal(f'{size:.3g}'):f}" if size >= 1e-12 else f"{sign}${size:.2e}"
    return f"{sign}${size:,.0f}"
