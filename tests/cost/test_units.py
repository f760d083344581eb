"""Units survive round trips: dollars through text, tokens through prices, bills through JSON."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover import workload as words
from crossover.catalog import prices
from crossover.cost import tokens
from crossover.cost.hosting import HostingCost, hosting
from crossover.cost.tco import Tco, tco
from crossover.cost.tokens import TokenCost
from crossover.deployment import PerHour
from crossover.money import HOURS_PER_MONTH, TOKENS_PER_MTOK, per_hour, per_mtok, usd

DOLLARS = st.decimals(0, 10**9, places=6)


@settings(max_examples=60, deadline=None)
@given(DOLLARS)
def test_dollars_survive_text(amount: Decimal) -> None:
    assert usd(str(amount)) == amount
    assert usd(f"${amount:,}") == amount


@settings(max_examples=60, deadline=None)
@given(st.decimals(0, 1000, places=4), st.integers(0, 10**12))
def test_tokens_survive_their_price(price: Decimal, count: int) -> None:
    assert per_mtok(price, count) * TOKENS_PER_MTOK == price * count
    assert per_mtok(price, TOKENS_PER_MTOK) == price
    assert per_hour(price, HOURS_PER_MONTH) / HOURS_PER_MONTH == price


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**7), st.integers(0, 10**5), st.integers(1, 500), st.decimals("0.01", 100, places=4))
def test_bills_survive_json(per_day: int, size: int, machines: int, hourly: Decimal) -> None:
    load = words.Workload(
        name="x", requests_per_day=per_day, input=words.constant(size), output=words.constant(size // 2)
    )
    bill = tokens.monthly(load, prices.resolve("gpt-4o"), dt.date(2026, 11, 1))
    assert msgspec.json.decode(msgspec.json.encode(bill), type=TokenCost) == bill
    rent = hosting(PerHour(cloud="c", instance="i", usd_per_hour=hourly), machines)
    assert msgspec.json.decode(msgspec.json.encode(rent), type=HostingCost) == rent
    assert rent.usd_month / machines / HOURS_PER_MONTH == hourly
    whole = tco(rent)
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Tco) == whole
