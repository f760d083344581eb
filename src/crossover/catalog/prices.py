"""Token prices of hosted models as of a date, from the genai-prices library, with the user's own overrides.

The library is wrapped, never copied: names are matched by its own rules and every price is the one it holds. A
:class:`RateCard` is what one model costs at one moment in one way of processing; it is plain data, so that a plan can
price a million requests without calling the library again. Prices are US dollars per million tokens, as ``Decimal``.

What the library does silently is said aloud here: a missing cached, cache-write or batch price means that the standard
price is charged, and a date before its records means that the oldest known price is used. Both become notes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from crossover.errors import InputError, UnknownNameError
from crossover.money import TOKENS_PER_MTOK, Usd
from crossover.usage import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

Processing: TypeAlias = Literal["standard", "batch"]
DEFAULT_TIER = "default"
_SHOWN_OFFERS = 6
_GO_BETWEENS = ("huggingface_", "openrouter")  # resell others' offers, so they are named last
NO_CACHED_PRICE = "no price for cached input; it is charged as other input"
NO_WRITE_PRICE = "no price for cache writes; they are charged as other input"
_RATES = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_5m": "cache_write_5m_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
}


class PricedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model as one provider sells it. ``model`` is the provider's own id, ``asked`` the name it was found by.

    ``per_token`` is False for models sold by the hour, page or character only. ``others`` lists ``provider/model`` of
    other sellers when it was found by a bare name.
    """

    provider: str
    model: str
    name: str
    context_window: int | None = None
    deprecated: bool = False
    per_token: bool = True
    comments: str = ""
    url: str = ""
    asked: str = ""
    others: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The name that is never ambiguous: ``provider/model``."""
        return f"{self.provider}/{self.model}"


class Rate(msgspec.Struct, frozen=True):
    """A price per million tokens that may step with the size of the prompt.

    ``tiers`` holds (threshold in input tokens, price), rising. Above a threshold its price counts for *all* tokens.
    """

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, input_tokens: float) -> Decimal:
        """The price for a request with this many input tokens."""
        price = self.base
        for start, tier_price in self.tiers:
            if input_tokens > start:
                price = tier_price
        return price


class TokenPrices(msgspec.Struct, frozen=True, kw_only=True):
    """Prices per million tokens for prompts of one size, with every gap filled by the price that is charged then."""

    input: Decimal
    cached_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    output: Decimal
    reasoning: Decimal
    per_request: Decimal
    source: str
    as_of: dt.date | None
    dated: bool
    note: str


class RateCard(msgspec.Struct, frozen=True, kw_only=True):
    """What one model costs at one moment in one way of processing; None where the seller has no such price.

    ``as_of`` is the first day of the price where the library dates it; ``dated`` says whether it does. ``per_request``
    is charged once per request, in dollars.
    """

    provider: str
    model: str
    processing: Processing
    service_tier: str
    input: Rate | None
    output: Rate | None
    cached_read: Rate | None
    cache_write: Rate | None
    cache_write_5m: Rate | None
    cache_write_1h: Rate | None
    reasoning: Rate | None
    per_request: Decimal
    source: str
    url: str
    as_of: dt.date | None
    dated: bool
    notes: tuple[str, ...] = ()

    @property
    def thresholds(self) -> tuple[int, ...]:
        """The prompt sizes in tokens above which prices change, rising; empty for flat prices."""
        rates = (getattr(self, name) for name in _RATES)
        return tuple(sorted({start for rate in rates if rate is not None for start, _ in rate.tiers}))

    def at(self, input_tokens: float) -> TokenPrices:
        """The prices for a request with this many input tokens, gaps filled as the seller would charge them."""

        def price(*rates: Rate | None) -> Decimal:
            return next((rate.at(input_tokens) for rate in rates if rate is not None), Decimal(0))

        return TokenPrices(
            input=price(self.input),
            cached_read=price(self.cached_read, self.input),
            cache_write_5m=price(self.cache_write_5m, self.cache_write, self.input),
            cache_write_1h=price(self.cache_write_1h, self.cache_write, self.input),
            output=price(self.output),
            reasoning=price(self.reasoning, self.output),
            per_request=self.per_request,
            source=self.source,
            as_of=self.as_of,
            dated=self.dated,
            note="; ".join(self.notes),
        )

    def cost(self, usage: Usage) -> Usd:
        """Exact dollars for one request with this usage. Images are billed as the input tokens they were counted as."""
        prices = self.at(usage.input)
        fresh = usage.input - usage.cached_read - usage.cache_write_5m - usage.cache_write_1h
        total = (
            prices.input * fresh
            + prices.cached_read * usage.cached_read
            + prices.cache_write_5m * usage.cache_write_5m
            + prices.cache_write_1h * usage.cache_write_1h
            + prices.output * (usage.output - usage.reasoning)
            + prices.reasoning * usage.reasoning
        )
        return total / TOKENS_PER_MTOK + self.per_request


class PriceOverride(msgspec.Struct, frozen=True, kw_only=True):
    """The user's own price for ``model`` (``provider/model``), per million tokens; None keeps the list price.

    A cached or cache-write price that is kept is never above the overridden input price.
    """

    model: str
    input: Decimal | None = None
    output: Decimal | None = None
    cached_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    processing: Processing = "standard"
    source: str = "user"

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached_read", "cache_write_5m", "cache_write_1h"):
            value: Decimal | None = getattr(self, name)
            if value is not None and not (value.is_finite() and value >= 0):
                raise InputError(f"a price of {value} dollars per million tokens is not possible", field=name)


class Provisioned(msgspec.Struct, frozen=True, kw_only=True):
    """Reserved throughput sold by the hour: dollars per unit and hour, and what one unit carries.

    ``tokens_per_minute`` counts input tokens; one output token takes ``output_weight`` of them. ``units`` None sizes
    the reservation for the busiest hour.
    """

    usd_per_unit_hour: Decimal
    tokens_per_minute: float
    output_weight: float = 1.0
    units: int | None = None
    minimum_units: int = 1
    source: str = "user"

    def __post_init__(self) -> None:
        if not (self.usd_per_unit_hour.is_finite() and self.usd_per_unit_hour >= 0):
            raise InputError(f"a unit cannot cost {self.usd_per_unit_hour} dollars an hour", field="usd_per_unit_hour")
        if not 0 < self.tokens_per_minute < 1e12:
            raise InputError("a unit must carry some tokens per minute", field="tokens_per_minute")
        if not 0 < self.output_weight < 1e4:
            raise InputError("the weight of an output token must lie above zero", field="output_weight")
        if (self.units is not None and self.units < 1) or self.minimum_units < 1:
            raise InputError("at least one unit must be reserved", field="units")


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What the user agreed with a provider: a discount in percent, a minimum spend a month, reserved throughput."""

    discount_percent: Decimal = Decimal(0)
    minimum_usd_month: Decimal = Decimal(0)
    provisioned: Provisioned | None = None
    source: str = "user"

    def __post_init__(self) -> None:
        if not (self.discount_percent.is_finite() and 0 <= self.discount_percent <= 100):
            raise InputError(
                f"a discount of {self.discount_percent} % is not possible",
                hint="Write a number from 0 to 100",
                field="discount_percent",
            )
        if not (self.minimum_usd_month.is_finite() and self.minimum_usd_month >= 0):
            raise InputError(f"a minimum spend of {self.minimum_usd_month} is not possible", field="minimum_usd_month")


# ---------------------------------------------------------------------------------------------------------- names


def list_models() -> tuple[PricedModel, ...]:
    """Every model of every provider, by provider and model."""
    return tuple(
        _priced(provider, model) for provider in _providers() for model in sorted(provider.models, key=lambda m: m.id)
    )


@lru_cache(maxsize=4096)
def resolve(name: str, provider: str | None = None) -> PricedModel:
    """The model that ``gpt-4o``, ``openai/gpt-4o`` or (``gpt-4o``, provider ``openai``) names.

    A bare name means its maker's own offer where the maker sells it; else the one seller that has it. Raises
    UnknownNameError with the nearest names, and InputError where several sell it and none is the maker.
    """
    wanted = name.strip()
    if provider is not None:
        seller = _provider(provider)
        if seller is None:
            raise UnknownNameError("provider", provider, (known.id for known in _providers()), field="provider")
        found = _find(seller, wanted)
        if found is None:
            raise UnknownNameError(f"model of {seller.id}", wanted, (model.id for model in seller.models))
        return _priced(seller, found, asked=name)
    head, slash, tail = wanted.partition("/")
    if slash and tail and (seller := _provider(head)) is not None and (found := _find(seller, tail)) is not None:
        return _priced(seller, found, asked=name)
    return _bare(wanted)


def _bare(name: str) -> PricedModel:
    """Find a name without a provider: the maker first, then a single seller."""
    sellers = [(seller, found) for seller in _providers() if (found := _find(seller, name, fallback=False)) is not None]
    sellers.sort(key=lambda pair: pair[0].id.startswith(_GO_BETWEENS))
    if not sellers:
        known = [known.id if "/" in name else known.model for known in list_models()]
        raise UnknownNameError("model", name, known)
    lowered = name.lower()
    makers = [pair for pair in sellers if pair[0].model_match is not None and pair[0].model_match.is_match(lowered)]
    if not makers and len(sellers) > 1:
        offers = [f"{seller.id}/{found.id}" for seller, found in sellers]
        more = f" and {len(offers) - _SHOWN_OFFERS} more" if len(offers) > _SHOWN_OFFERS else ""
        hint = f"Name one of them: {', '.join(offers[:_SHOWN_OFFERS])}{more}"
        raise InputError(f"{name!r} is sold by several providers", hint=hint, field="model")
    chosen = (makers or sellers)[0]
    others = tuple(f"{seller.id}/{found.id}" for seller, found in sellers if seller is not chosen[0])
    return _priced(*chosen, asked=name, others=others)


def _priced(provider: Provider, model: ModelInfo, *, asked: str = "", others: tuple[str, ...] = ()) -> PricedModel:
    newest = model.prices[-1].prices if isinstance(model.prices, list) else model.prices
    return PricedModel(
        provider=provider.id,
        model=model.id,
        name=model.name or model.id,
        context_window=model.context_window,
        deprecated=bool(model.deprecated),
        per_token=newest.input_mtok is not None and newest.output_mtok is not None,
        comments=model.price_comments or "",
        url=(provider.pricing_urls or [""])[0],
        asked=asked,
        others=others,
    )


def _providers() -> list[Provider]:
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot().providers


def _provider(name: str) -> Provider | None:
    from genai_prices.data_snapshot import find_provider_by_id

    return find_provider_by_id(_providers(), name)


def _find(provider: Provider, name: str, *, fallback: bool = True) -> ModelInfo | None:
    """A provider's model by its id, else by the library's matching rules.

    Ids come first because the library's rules leave some of its own ids out (``fireworks`` wants full paths).
    """
    lowered = name.lower()
    exact = next((model for model in provider.models if model.id.lower() == lowered), None)
    return exact or provider.find_model(lowered, all_providers=_providers() if fallback else None)


# --------------------------------------------------------------------------------------------------------- prices


def rate_card(
    model: PricedModel,
    date: dt.date | dt.datetime,
    *,
    processing: Processing = "standard",
    service_tier: str = DEFAULT_TIER,
    overrides: Iterable[PriceOverride] = (),
    contract: Contract | None = None,
) -> RateCard:
    """What a model costs at a moment. A plain date means 00:00 UTC of it; times without a zone are UTC.

    The user's override replaces a list price, and the contract's discount is taken off list prices only: a price that
    the user typed is what is paid. Raises InputError for a batch asked for as a service tier, UnknownNameError for a
    tier that no model has.
    """
    if service_tier == "batch":
        raise InputError(
            "batch is a way of processing, not a service tier", hint="Set processing to batch", field="service_tier"
        )
    card = _card(model.provider, model.model, _moment(model, date), processing, service_tier)
    if contract is not None and contract.discount_percent:
        card = _discounted(card, contract)
    for override in overrides:
        if override.model in (model.id, model.asked, model.model) and override.processing == processing:
            card = _overridden(card, override)
    return card


def price_vector(
    model: PricedModel,
    date: dt.date | dt.datetime,
    *,
    processing: Processing = "standard",
    service_tier: str = DEFAULT_TIER,
    input_tokens: float = 0,
) -> TokenPrices:
    """List prices per million tokens for a prompt of this size at a moment; see :func:`rate_card`."""
    return rate_card(model, date, processing=processing, service_tier=service_tier).at(input_tokens)


def price(
    usage: Usage,
    model: PricedModel,
    date: dt.date | dt.datetime,
    *,
    processing: Processing = "standard",
    service_tier: str = DEFAULT_TIER,
) -> Usd:
    """Exact list price in dollars of one request, equal to what genai-prices calculates for it."""
    return rate_card(model, date, processing=processing, service_tier=service_tier).cost(usage)


def hourly_cards(
    model: PricedModel,
    date: dt.date,
    *,
    processing: Processing = "standard",
    service_tier: str = DEFAULT_TIER,
    overrides: Iterable[PriceOverride] = (),
    contract: Contract | None = None,
) -> tuple[RateCard, ...]:
    """The rate card of each of the 24 hours (UTC) of a day; all are one object where the price has no hours.

    A price that changes within an hour is taken at the middle of the hour.
    """
    chosen = tuple(overrides)

    def card(moment: dt.date | dt.datetime) -> RateCard:
        return rate_card(
            model, moment, processing=processing, service_tier=service_tier, overrides=chosen, contract=contract
        )

    if not _has_hours(model.provider, model.model):
        return (card(date),) * 24
    return tuple(card(dt.datetime(date.year, date.month, date.day, hour, 30, tzinfo=dt.UTC)) for hour in range(24))


@lru_cache(maxsize=4096)
def _has_hours(provider: str, model: str) -> bool:
    """Whether a model's price depends on the hour of the day."""
    from genai_prices.types import TimeOfDateConstraint

    info = _info(provider, model)
    constraints = [entry.constraint for entry in info.prices] if isinstance(info.prices, list) else []
    constraints += [variant.constraint for variant in info.price_variants or []]
    return any(isinstance(constraint, TimeOfDateConstraint) for constraint in constraints)


def _info(provider: str, model: str) -> ModelInfo:
    seller = _provider(provider)
    found = None if seller is None else _find(seller, model)
    if found is None:
        raise UnknownNameError("model", f"{provider}/{model}", (known.id for known in list_models()))
    return found


def _moment(model: PricedModel, date: dt.date | dt.datetime) -> dt.datetime:
    """The moment in UTC; cut to the day where hours make no difference, so that a day needs one card."""
    if not isinstance(date, dt.datetime):
        return dt.datetime(date.year, date.month, date.day, tzinfo=dt.UTC)
    moment = date.replace(tzinfo=dt.UTC) if date.tzinfo is None else date.astimezone(dt.UTC)
    if _has_hours(model.provider, model.model):
        return moment
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


@lru_cache(maxsize=8192)
def _card(provider: str, model: str, moment: dt.datetime, processing: Processing, service_tier: str) -> RateCard:
    import genai_prices

    info = _info(provider, model)
    seller = _provider(provider)
    assert seller is not None
    context = _context(processing, service_tier)
    # The library reads variants only of a provider's own models, never of those it borrows from another.
    own = any(info is candidate for candidate in seller.models)
    standard = info.get_prices(moment)
    prices = info.get_prices(moment, context if own else None)
    rates = {name: _rate(getattr(prices, key)) for name, key in _RATES.items()}
    as_of, dated, date_note = _dating(info, moment)
    notes = [date_note, *_gaps(rates)]
    if context and vars(prices) == vars(standard):
        notes.append(_no_variant(info, own=own, processing=processing, service_tier=service_tier))
    per_kilo = prices.requests_kcount
    return RateCard(
        provider=provider,
        model=model,
        processing=processing,
        service_tier=service_tier,
        **rates,
        per_request=Decimal(0) if per_kilo is None else _rate(per_kilo).base / 1000,  # type: ignore[union-attr]
        source=f"genai-prices {genai_prices.__version__}",
        url=(seller.pricing_urls or [""])[0],
        as_of=as_of,
        dated=dated,
        notes=tuple(filter(None, notes)),
    )


def _context(processing: Processing, service_tier: str) -> dict[str, str]:
    """The library's request context. Batch must be named as processing: as a service tier it is silently ignored."""
    context: dict[str, str] = {}
    if processing == "batch":
        context["processing"] = "batch"
    if service_tier != DEFAULT_TIER:
        if service_tier not in _service_tiers():
            raise UnknownNameError("service tier", service_tier, _service_tiers(), field="service_tier")
        context["service_tier"] = service_tier
    return context


@lru_cache(maxsize=1)
def _service_tiers() -> tuple[str, ...]:
    variants = (v for seller in _providers() for model in seller.models for v in model.price_variants or [])
    return tuple(sorted({v.when["service_tier"] for v in variants if "service_tier" in v.when}))


def _rate(value: Any) -> Rate | None:
    """The library's price as a Rate; it holds plain decimals and tiered prices."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        return Rate(value)
    return Rate(value.base, tuple((tier.start, tier.price) for tier in value.tiers))


def _gaps(rates: dict[str, Rate | None]) -> list[str]:
    """What the seller has no price for, and what is charged then."""
    if rates["input"] is None or rates["output"] is None:
        missing = " and ".join(name for name in ("input", "output") if rates[name] is None)
        return [f"no price per {missing} token is held; such tokens count as free here"]
    notes = []
    if rates["cached_read"] is None:
        notes.append(NO_CACHED_PRICE)
    if rates["cache_write"] is None and rates["cache_write_5m"] is None:
        notes.append(NO_WRITE_PRICE)
    return notes


def _no_variant(info: ModelInfo, *, own: bool, processing: Processing, service_tier: str) -> str:
    """Why a batch or tier price is not there, and what is charged then."""
    from genai_prices.types import StartDateConstraint

    what = "batch" if processing == "batch" else f"tier {service_tier}"
    named = ("processing", "batch") if processing == "batch" else ("service_tier", service_tier)
    starts = [
        variant.constraint.start_date
        for variant in (info.price_variants or [] if own else [])
        if variant.when.get(named[0]) == named[1] and isinstance(variant.constraint, StartDateConstraint)
    ]
    since = f" before {min(starts).isoformat()}" if starts else ""
    return f"no {what} price is held{since}; the standard price is used"


def _dating(info: ModelInfo, moment: dt.datetime) -> tuple[dt.date | None, bool, str]:
    """(first day of the price, whether the library dates it, note where it does not)."""
    from genai_prices.types import StartDateConstraint

    constraints = [entry.constraint for entry in info.prices] if isinstance(info.prices, list) else []
    starts = sorted(c.start_date for c in constraints if isinstance(c, StartDateConstraint))
    begun = [start for start in starts if start <= moment.date()]
    if begun:
        return begun[-1], True, ""
    if starts:
        return None, False, f"the price before {starts[0].isoformat()} has no first day in the library"
    return None, False, "the library holds one price without a date for this model"


def _each(card: RateCard, change: Any) -> dict[str, Rate | None]:
    rates = {name: getattr(card, name) for name in _RATES}
    return {name: None if rate is None else change(rate) for name, rate in rates.items()}


def _discounted(card: RateCard, contract: Contract) -> RateCard:
    kept = 1 - contract.discount_percent / 100

    def cut(rate: Rate) -> Rate:
        return Rate(rate.base * kept, tuple((start, tier * kept) for start, tier in rate.tiers))

    note = f"{contract.discount_percent} % contract discount ({contract.source})"
    return msgspec.structs.replace(
        card, **_each(card, cut), per_request=card.per_request * kept, notes=(*card.notes, note)
    )


def _overridden(card: RateCard, override: PriceOverride) -> RateCard:
    changed: dict[str, Rate | None] = {}
    for name in ("input", "output", "cached_read", "cache_write_5m", "cache_write_1h"):
        value: Decimal | None = getattr(override, name)
        if value is not None:
            changed[name] = Rate(value)
    if override.output is not None:
        changed["reasoning"] = None  # all output at one price
    if override.input is not None:
        for name in ("cached_read", "cache_write", "cache_write_5m", "cache_write_1h"):
            kept: Rate | None = getattr(card, name)
            if name not in changed and kept is not None:
                changed[name] = Rate(
                    min(kept.base, override.input), tuple((s, min(p, override.input)) for s, p in kept.tiers)
                )
    note = f"price overridden ({override.source})"
    return msgspec.structs.replace(
        card, **changed, source=f"{override.source}, else {card.source}", notes=(*card.notes, note)
    )
