"""Monthly token bills: exactness, monotony, tiers under distributions, batch, contracts, reserved throughput."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover import workload as words
from crossover.catalog import prices
from crossover.catalog.prices import Contract, PriceOverride, Provisioned
from crossover.cost import tokens
from crossover.errors import InputError
from crossover.usage import Usage
from crossover.workload import Lengths, Trace, Workload

DAY = dt.date(2026, 11, 1)
TIERED = prices.resolve("anthropic/claude-sonnet-4-5")
GPT = prices.resolve("openai/gpt-4o")
MINI = prices.resolve("openai/gpt-4o-mini")


def load(per_day: float = 10_000, into: Lengths | float = 500, out: Lengths | float = 300, **more: float) -> Workload:
    base = Workload(
        name="test",
        requests_per_day=per_day,
        input=into if isinstance(into, Lengths) else words.constant(into),
        output=out if isinstance(out, Lengths) else words.constant(out),
    )
    return msgspec.structs.replace(base, **more)


@pytest.mark.parametrize(
    ("model", "per_day", "dollars"),
    [
        (MINI, 10_000, "76.5"),
        (GPT, 10_000, "1275"),
        (MINI, 1000, "7.65"),
        (GPT, 1000, "127.5"),
        (GPT, 500_000, "63750"),
    ],
)
def test_constant_lengths_are_exact(model: prices.PricedModel, per_day: int, dollars: str) -> None:
    cost = tokens.monthly(load(per_day), model, DAY)
    assert cost.usd_month == Decimal(dollars)
    assert cost.usd_per_request * 30 * per_day == cost.usd_month
    assert cost.at(per_day) == pytest.approx(float(dollars))
    assert cost.linear


def test_forty_thousand_dollars() -> None:
    assert round(tokens.monthly(load(313_725), GPT, DAY).usd_month) == 40_000


def test_a_month_equals_its_requests_priced_one_by_one() -> None:
    cost = tokens.monthly(load(100, 1000, 200, cached_share=0.4), GPT, DAY)
    one = prices.price(Usage(input=1000, cached_read=400, output=200), GPT, DAY)
    assert cost.usd_month == one * 3000
    assert [row.name for row in cost.lines] == ["input tokens", "cached input tokens", "output tokens"]
    assert sum(row.usd_month for row in cost.lines) == cost.usd_month


def test_no_requests_cost_nothing() -> None:
    cost = tokens.monthly(load(0), GPT, DAY)
    assert cost.usd_month == 0
    assert cost.usd_per_request > 0


def test_batch_share_saves_half_of_its_part() -> None:
    plain = tokens.monthly(load(), GPT, DAY).usd_month
    half = tokens.monthly(load(batch_share=0.5), GPT, DAY)
    assert half.usd_month == plain * Decimal("0.75")
    assert "batch discount" in [row.name for row in half.lines]
    early = tokens.monthly(load(batch_share=0.5), GPT, dt.date(2026, 1, 1))
    assert early.usd_month == plain
    assert any("no batch price is held before" in note for note in early.notes)


def test_blended_prices_rebuild_the_bill() -> None:
    cost = tokens.monthly(
        load(batch_share=0.3, cached_share=0.2), GPT, DAY, contract=Contract(discount_percent=Decimal(7))
    )
    rebuilt = (
        cost.usd_per_input_mtok * cost.input_tokens_month + cost.usd_per_output_mtok * cost.output_tokens_month
    ) / 1_000_000
    assert float(rebuilt) == pytest.approx(float(cost.usd_month), rel=1e-12)


def test_discount_override_and_minimum() -> None:
    contract = Contract(discount_percent=Decimal(20), minimum_usd_month=Decimal(2000))
    cost = tokens.monthly(load(), GPT, DAY, contract=contract)
    assert cost.usd_month == 2000
    named = {row.name: row.usd_month for row in cost.lines}
    assert named["contract discount"] == Decimal(-255)
    assert named["unused minimum spend"] == Decimal(980)
    assert cost.at(1) == 2000
    own = tokens.monthly(load(), GPT, DAY, overrides=(PriceOverride(model="openai/gpt-4o", output=Decimal(5)),))
    assert own.usd_month == Decimal(825)


def test_cache_writes_are_counted_or_noted() -> None:
    read = tokens.monthly(load(cached_share=0.5), TIERED, DAY)
    assert any("charges for writing the cache" in note for note in read.notes)
    written = tokens.monthly(load(cached_share=0.5), TIERED, DAY, cache_write_share=0.1)
    assert written.usd_month > read.usd_month
    assert "cache writes" in [row.name for row in written.lines]


def test_hours_of_the_day_are_weighted_by_the_profile() -> None:
    model = prices.resolve("deepseek/deepseek-chat")
    flat = tokens.monthly(load(), model, DAY).usd_month
    night = tuple(168 / 56 if hour % 24 >= 16 else 0.0 for hour in range(168))
    cheap = tokens.monthly(msgspec.structs.replace(load(), profile=night), model, DAY).usd_month
    assert cheap < flat


@pytest.mark.parametrize(
    "lengths",
    [
        words.lognormal(150_000, 1.0),
        words.quantiles(((0.0, 0.0), (0.5, 100_000.0), (0.9, 300_000.0), (1.0, 1_000_000.0))),
        words.quantiles(((0.1, 50_000.0), (0.8, 400_000.0))),
    ],
)
def test_tiers_are_integrated_over_the_distribution(lengths: Lengths) -> None:
    """The closed form against a fine numerical integration over the quantiles."""
    cost = tokens.monthly(load(1000, lengths, 1000), TIERED, DAY)
    shares = (np.arange(20_000) + 0.5) / 20_000
    card = prices.rate_card(TIERED, DAY)
    total = 0.0
    for share in shares:
        size = words.length_at(lengths, float(share))
        at = card.at(size)
        total += (float(at.input) * size + float(at.output) * 1000) / 1e6
    assert float(cost.usd_per_request) == pytest.approx(total / len(shares), rel=5e-3)
    assert any("independent" in note for note in cost.notes)


def test_a_trace_is_priced_row_by_row() -> None:
    rng = np.random.default_rng(1)
    into = rng.integers(1, 500_000, 300)
    out = rng.integers(1, 5000, 300)
    trace = Trace(name="t", arrival_s=np.arange(300.0), input_tokens=into, output_tokens=out)
    workload = msgspec.structs.replace(load(300, 1, 1), trace=trace)
    cost = tokens.monthly(workload, TIERED, DAY)
    exact = sum(prices.price(Usage(input=int(a), output=int(b)), TIERED, DAY) for a, b in zip(into, out, strict=True))
    assert float(cost.usd_month) == pytest.approx(float(exact) * 30, rel=1e-12)


def test_token_ratio_scales_tokens_and_range() -> None:
    ratio = tokens.TokenRatio(input=1.1, output=2, low=0.8, high=1.5)
    cost = tokens.monthly(load(), GPT, DAY, ratio=ratio)
    assert cost.usd_month == Decimal("1312.5") + Decimal(1800) - Decimal("900")
    assert (cost.low, cost.high) == (cost.usd_month * Decimal("0.8"), cost.usd_month * Decimal("1.5"))
    thinking = tokens.assumed_ratio(same_family=False, reasoning=True)
    plain = tokens.assumed_ratio(same_family=True)
    assert thinking.output > plain.output == 1.0
    assert thinking.low < plain.low < 1 < plain.high < thinking.high


def test_a_ratio_moves_requests_across_price_steps() -> None:
    below = tokens.monthly(load(1, 150_000, 0), TIERED, DAY).usd_per_request
    above = tokens.monthly(load(1, 150_000, 0), TIERED, DAY, ratio=tokens.TokenRatio(input=1.5)).usd_per_request
    assert above == below * Decimal("1.5") * 2


def test_provisioned_throughput() -> None:
    terms = Provisioned(usd_per_unit_hour=Decimal(2), tokens_per_minute=10_000, output_weight=4)
    cost = tokens.monthly(load(14_400, peak_factor=2), GPT, DAY, contract=Contract(provisioned=terms))
    # 10 requests a minute × (500 + 4 × 300) × 2 at the peak = 34,000 a minute: 4 units
    assert cost.usd_month == Decimal(2) * 4 * 720
    assert not cost.linear
    two = msgspec.structs.replace(terms, units=1)
    less = tokens.monthly(load(14_400), GPT, DAY, contract=Contract(provisioned=two))
    named = {row.name: row.usd_month for row in less.lines}
    assert named["provisioned throughput"] == Decimal(1440)
    whole = tokens.monthly(load(14_400), GPT, DAY).usd_month
    assert float(less.usd_month) == pytest.approx(1440 + float(whole) * 7 / 17)


def test_per_request_is_the_list_price() -> None:
    assert tokens.per_request(GPT, DAY, input_tokens=500, output_tokens=300) == Decimal("0.00425")
    batch = tokens.per_request(GPT, DAY, input_tokens=500, output_tokens=300, processing="batch")
    assert batch == Decimal("0.002125")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requests_per_day", -1.0),
        ("requests_per_day", float("nan")),
        ("requests_per_day", float("inf")),
        ("batch_share", 1.5),
        ("cached_share", -0.1),
    ],
)
def test_impossible_numbers_are_refused(field: str, value: float) -> None:
    with pytest.raises(InputError, match="out of range"):
        tokens.monthly(msgspec.structs.replace(load(), **{field: value}), GPT, DAY)


VOLUMES = st.floats(0, 1e7)
TOKENS = st.floats(0, 400_000)


@settings(max_examples=60, deadline=None)
@given(VOLUMES, st.floats(0, 1e6), TOKENS, st.floats(0, 1e5), st.floats(0, 20_000), st.floats(0, 3))
def test_more_volume_or_tokens_never_cost_less(
    volume: float, more: float, into: float, longer: float, out: float, sigma: float
) -> None:
    def cost(v: float, i: float, o: float) -> Decimal:
        return tokens.monthly(load(v, words.lognormal(i, sigma), o), TIERED, DAY).usd_month

    base = cost(volume, into, out)
    slack = base * Decimal("1e-9") + Decimal("1e-9")
    assert cost(volume + more, into, out) >= base - slack
    assert cost(volume, into + longer, out) >= base - slack
    assert cost(volume, into, out + longer) >= base - slack


@settings(max_examples=40, deadline=None)
@given(st.decimals(0, 1000, places=4), st.decimals(0, 1000, places=4), st.integers(0, 10**7))
def test_a_higher_price_never_costs_less(price: Decimal, more: Decimal, per_day: int) -> None:
    def cost(value: Decimal) -> Decimal:
        own = PriceOverride(model="openai/gpt-4o", input=value)
        return tokens.monthly(load(per_day, cached_share=0.3), GPT, DAY, overrides=(own,)).usd_month

    assert cost(price + more) >= cost(price)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 10**4))
def test_constant_bills_are_exact_decimals(per_day: int, into: int, out: int) -> None:
    cost = tokens.monthly(load(per_day, into, out), GPT, DAY)
    assert cost.usd_month * 1_000_000 == per_day * 30 * (into * Decimal("2.5") + out * Decimal(10))
