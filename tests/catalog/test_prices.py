"""Token prices: names, equality with the library, notes where it falls back in silence, the user's own prices."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.catalog import prices
from crossover.catalog.prices import Contract, PriceOverride, Processing, Provisioned, Rate
from crossover.errors import InputError, UnknownNameError
from crossover.usage import Usage

DAY = dt.date(2026, 11, 1)


def _library(
    usage: Usage, model: prices.PricedModel, moment: dt.datetime, processing: str, service_tier: str = "default"
) -> Decimal:
    """The library called directly, as its own documentation does."""
    context = {"processing": "batch"} if processing == "batch" else {}
    if service_tier != "default":
        context["service_tier"] = service_tier
    return genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input,
            cache_read_tokens=usage.cached_read,
            cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
            cache_write_5m_tokens=usage.cache_write_5m,
            cache_write_1h_tokens=usage.cache_write_1h,
            output_tokens=usage.output,
            output_reasoning_tokens=usage.reasoning,
        ),
        model.model,
        provider_id=model.provider,
        genai_request_timestamp=moment,
        price_context=context or None,
    ).total_price


def _findable() -> list[prices.PricedModel]:
    """Models that the library itself finds by their id."""
    snapshot = get_snapshot()
    by_id = {provider.id: provider for provider in snapshot.providers}
    return [
        m
        for m in prices.list_models()
        if by_id[m.provider].find_model(m.model, all_providers=snapshot.providers) is not None
    ]


def _usage(rng: random.Random) -> Usage:
    whole = rng.choice((0, 1, 500, 20_000, 199_999, 200_000, 200_001, 1_500_000))
    read = rng.randint(0, whole)
    short = rng.randint(0, whole - read)
    long = rng.randint(0, whole - read - short)
    output = rng.choice((0, 1, 300, 70_000))
    return Usage(
        input=whole,
        cached_read=read,
        cache_write_5m=short,
        cache_write_1h=long,
        output=output,
        reasoning=rng.randint(0, output),
    )


def test_a_thousand_random_prices_equal_the_library() -> None:
    rng = random.Random(20261123)
    models = _findable()
    for _ in range(1000):
        model = rng.choice(models)
        usage = _usage(rng)
        moment = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=rng.randrange(1100 * 24 * 60))
        processing: Processing = rng.choice(("standard", "batch"))
        tier = rng.choice(("default", "default", "priority", "flex"))
        ours = prices.price(usage, model, moment, processing=processing, service_tier=tier)
        assert abs(ours - _library(usage, model, moment, processing, tier)) <= Decimal("1e-12"), (
            model.id,
            usage,
            moment,
        )


def test_models_with_special_prices_equal_the_library() -> None:
    """Every model with tiers, variants, hours or a price per request, not only those that chance picks."""
    rng = random.Random(7)
    for model in _findable():
        card = prices.rate_card(model, DAY)
        special = card.thresholds or card.per_request or card.cache_write_1h or card.reasoning
        if not special and model.provider != "deepseek":
            continue
        usage = _usage(rng)
        for processing in ("standard", "batch"):
            moment = dt.datetime(2026, 11, 1, rng.randrange(24), rng.randrange(60), tzinfo=dt.UTC)
            ours = prices.price(usage, model, moment, processing=processing)
            assert ours == _library(usage, model, moment, processing), model.id


def test_borrowed_models_equal_the_library() -> None:
    """Azure sells OpenAI's models at OpenAI's prices, without its batch variants."""
    model = prices.resolve("azure/gpt-4o-mini")
    usage = Usage(input=1000, output=100, cached_read=400)
    moment = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    for processing in ("standard", "batch"):
        assert prices.price(usage, model, moment, processing=processing) == _library(usage, model, moment, processing)


def test_hours_of_the_day_change_the_price() -> None:
    model = prices.resolve("deepseek/deepseek-chat")
    usage = Usage(input=1_000_000)
    night = dt.datetime(2026, 11, 1, 20, tzinfo=dt.UTC)
    noon = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
    assert prices.price(usage, model, night) < prices.price(usage, model, noon)
    elsewhere = dt.datetime(2026, 11, 1, 14, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert prices.price(usage, model, elsewhere) == prices.price(usage, model, noon)
    hours = prices.hourly_cards(model, DAY)
    assert len(hours) == 24
    assert {card.at(0).input for card in hours} == {Decimal("0.135"), Decimal("0.27")}
    flat = prices.hourly_cards(prices.resolve("gpt-4o"), DAY)
    assert all(card is flat[0] for card in flat)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("GPT-4o-mini", "openai/gpt-4o-mini"),
        ("openai/gpt-4o", "openai/gpt-4o"),
        ("gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("claude-3-5-sonnet-20241022", "anthropic/claude-3-5-sonnet"),
        ("anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("groq/llama-3.1-8b-instant", "groq/llama-3.1-8b-instant"),
        ("llama-3.1-8b-instant", "groq/llama-3.1-8b-instant"),
        ("fireworks/gpt-oss-120b", "fireworks/gpt-oss-120b"),
        ("openrouter/openai/gpt-4o", "openrouter/openai/gpt-4o"),
        ("azure/gpt-4o", "azure/gpt-4o"),
        (" gpt-4o ", "openai/gpt-4o"),
    ],
)
def test_names_are_found(name: str, found: str) -> None:
    assert prices.resolve(name).id == found


def test_a_bare_name_lists_its_other_sellers() -> None:
    model = prices.resolve("gpt-4o")
    assert model.asked == "gpt-4o"
    assert "github-copilot/gpt-4o" in model.others
    assert prices.resolve("gpt-4o", provider="azure").id == "azure/gpt-4o"


def test_every_listed_model_resolves_by_its_id_to_itself() -> None:
    for model in prices.list_models():
        assert prices.resolve(model.id).id == model.id


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean") as caught:
        prices.resolve("gpt-4oo")
    assert "gpt-4o" in caught.value.nearest
    with pytest.raises(UnknownNameError) as caught:
        prices.resolve("opnai/gpt-4o")
    assert "openai/gpt-4o" in caught.value.nearest
    with pytest.raises(UnknownNameError, match="unknown provider 'opnai'"):
        prices.resolve("gpt-4o", provider="opnai")
    with pytest.raises(UnknownNameError, match="unknown model of openai"):
        prices.resolve("gpt-4z", provider="openai")
    for nonsense in ("", "/", "gpt-4o/", "🙂"):
        with pytest.raises(UnknownNameError):
            prices.resolve(nonsense)


def test_a_name_of_several_sellers_without_maker_asks_which() -> None:
    with pytest.raises(InputError, match="several providers") as caught:
        prices.resolve("meta-llama/llama-3.3-70b-instruct")
    assert "novita/meta-llama/llama-3.3-70b-instruct" in str(caught.value)


def test_gaps_and_dates_become_notes() -> None:
    gpt = prices.resolve("gpt-4o")
    early = prices.price_vector(gpt, dt.date(2026, 1, 1), processing="batch")
    assert "no batch price is held before 2026-10-14; the standard price is used" in early.note
    assert early.input == Decimal("2.5")
    late = prices.price_vector(gpt, DAY, processing="batch")
    assert (late.input, late.output, late.cached_read) == (Decimal("1.25"), Decimal(5), Decimal("1.25"))
    assert "without a date" in late.note
    assert not late.dated
    groq = prices.price_vector(prices.resolve("groq/llama-3.1-8b-instant"), DAY, processing="batch")
    assert groq.cached_read == groq.input
    assert "no price for cached input" in groq.note
    assert "no batch price is held; the standard price is used" in groq.note
    dated = prices.price_vector(prices.resolve("anthropic/claude-sonnet-4-6"), DAY)
    assert (dated.dated, dated.as_of) == (True, dt.date(2026, 3, 13))
    before = prices.price_vector(prices.resolve("anthropic/claude-sonnet-4-6"), dt.date(2026, 3, 12))
    assert (before.dated, before.as_of) == (False, None)
    assert "before 2026-03-13" in before.note


def test_tiers_step_with_the_prompt() -> None:
    model = prices.resolve("anthropic/claude-sonnet-4-5")
    assert prices.rate_card(model, DAY).thresholds == (200_000,)
    assert prices.price_vector(model, DAY, input_tokens=200_000).input == Decimal(3)
    assert prices.price_vector(model, DAY, input_tokens=200_001).input == Decimal(6)


def test_batch_is_no_service_tier() -> None:
    model = prices.resolve("gpt-4o")
    with pytest.raises(InputError, match="way of processing"):
        prices.rate_card(model, DAY, service_tier="batch")
    with pytest.raises(UnknownNameError, match="priority"):
        prices.rate_card(model, DAY, service_tier="priorty")
    assert prices.price_vector(model, DAY, service_tier="priority").input == Decimal("4.25")


def test_overrides_and_discounts() -> None:
    model = prices.resolve("gpt-4o")
    override = PriceOverride(model="openai/gpt-4o", input=Decimal(1), source="contract 17")
    card = prices.rate_card(model, DAY, overrides=(override,))
    assert (card.at(0).input, card.at(0).cached_read, card.at(0).output) == (Decimal(1), Decimal(1), Decimal(10))
    assert "contract 17" in card.at(0).note
    contract = Contract(discount_percent=Decimal("12.5"))
    cut = prices.rate_card(model, DAY, contract=contract, overrides=(override,)).at(0)
    assert (cut.input, cut.output) == (Decimal(1), Decimal("8.75"))
    untouched = prices.rate_card(model, DAY, processing="batch", overrides=(override,)).at(0)
    assert untouched.input == Decimal("1.25")


def test_impossible_terms_are_refused() -> None:
    with pytest.raises(InputError, match="discount"):
        Contract(discount_percent=Decimal(101))
    with pytest.raises(InputError, match="minimum"):
        Contract(minimum_usd_month=Decimal("NaN"))
    with pytest.raises(InputError, match="not possible"):
        PriceOverride(model="gpt-4o", input=Decimal(-1))
    with pytest.raises(InputError, match="some tokens"):
        Provisioned(usd_per_unit_hour=Decimal(1), tokens_per_minute=0)
    with pytest.raises(InputError, match="at least one"):
        Provisioned(usd_per_unit_hour=Decimal(1), tokens_per_minute=1, units=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 400_000), st.integers(0, 100_000), st.integers(0, 100_000))
def test_more_tokens_never_cost_less(tokens: int, more: int, output: int) -> None:
    model = prices.resolve("anthropic/claude-sonnet-4-5")
    small = prices.price(Usage(input=tokens, output=output), model, DAY)
    assert prices.price(Usage(input=tokens + more, output=output), model, DAY) >= small
    assert prices.price(Usage(input=tokens, output=output + more), model, DAY) >= small


def test_a_rate_knows_its_tiers() -> None:
    rate = Rate(Decimal(1), ((10, Decimal(2)), (20, Decimal(3))))
    assert [rate.at(n) for n in (0, 10, 11, 20, 21)] == [Decimal(n) for n in (1, 1, 2, 2, 3)]
