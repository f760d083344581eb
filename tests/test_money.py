"""Dollars: read exactly, added exactly, rounded only when shown."""

from __future__ import annotations

import math
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import InputError
from crossover.money import HOURS_PER_MONTH, estimate, per_hour, per_mtok, show, usd

CENTS = st.integers(-(10**12), 10**12).map(lambda cents: Decimal(cents) / 100)


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("1.99", "1.99"),
        (" $1,275.50 ", "1275.50"),
        (0.1, "0.1"),
        (3, "3"),
        (Decimal("0.000425"), "0.000425"),
        ("-2", "-2"),
        ("1e-3", "0.001"),
    ],
)
def test_amounts_are_read_exactly(written: object, amount: str) -> None:
    assert usd(written) == Decimal(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["", "free", "1.2.3", "1 99", "$", "€5"])
def test_what_is_no_amount_is_refused(written: str) -> None:
    with pytest.raises(InputError, match="is not an amount in dollars") as caught:
        usd(written, field="--price")
    assert caught.value.field == "--price"


@pytest.mark.parametrize("written", ["nan", "NaN", "inf", "-Infinity", math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(written: str | float) -> None:
    with pytest.raises(InputError, match="finite"):
        usd(written)


def test_a_month_has_720_hours() -> None:
    assert HOURS_PER_MONTH == 720
    assert per_hour(usd("1.006"), HOURS_PER_MONTH) == Decimal("724.320")


def test_a_price_per_million_tokens_is_exact() -> None:
    assert per_mtok(usd("0.15"), 500) == Decimal("0.000075")
    assert per_mtok(usd("2.5"), 0) == 0


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**6).map(lambda n: Decimal(n) / 1000))
def test_tokens_may_be_billed_together_or_apart(first: int, second: int, price: Decimal) -> None:
    assert per_mtok(price, first) + per_mtok(price, second) == per_mtok(price, first + second)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (1275, "$1,275"),
        (7.65, "$7.65"),
        (0.000425, "$0.000425"),
        (0, "$0"),
        (-3.5, "−$3.50"),
        (1234567.6, "$1,234,568"),
        (0.00000123, "$0.00000123"),
        (4.7e-6, "$0.0000047"),
        (1.5e-13, "$1.50e-13"),
        (99.99, "$99.99"),
        (math.nan, "n/a"),
        (math.inf, "n/a"),
    ],
)
def test_amounts_for_people(amount: float, text: str) -> None:
    assert show(amount) == text


def test_cents_on_demand() -> None:
    assert show(1275, cents=True) == "$1,275.00"
    assert show(12.6, cents=False) == "$13"


@given(CENTS)
def test_an_amount_shown_with_cents_is_read_back(amount: Decimal) -> None:
    assert usd(show(amount, cents=True).replace("−", "-").replace("-$", "-")) == amount


@given(st.floats(min_value=1e-9, max_value=1e12))
def test_what_is_shown_is_within_rounding_of_the_amount(amount: float) -> None:
    shown = float(usd(show(amount)))
    assert shown == pytest.approx(amount, rel=0.006, abs=0.0 if amount < 0.01 else 0.0051 if amount < 100 else 0.51)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_showing_never_fails(amount: float) -> None:
    assert re.fullmatch(r"n/a|−?\$[0-9,.]+(e-[0-9]+)?", show(amount))


@given(CENTS)
def test_an_estimate_is_a_float(amount: Decimal) -> None:
    assert estimate(amount) == pytest.approx(float(amount))
