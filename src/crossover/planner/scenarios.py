"""What if: the same question with one thing different, and whether the answer would be another."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from crossover.catalog import match, prices
from crossover.catalog.items import Catalog, Offer
from crossover.catalog.prices import PricedModel, PriceOverride
from crossover.errors import InputError, UnknownNameError
from crossover.planner.candidates import OWN
from crossover.planner.plan import plan
from crossover.planner.question import Change, Question
from crossover.planner.survey import Progress
from crossover.planner.words import Plan, Scenario

FLAG = "--what-if"


def planned(question: Question, catalog: Catalog, progress: Progress | None = None) -> Plan:
    """The plan, with a row for every change that the question asks about. Raises InputError for a name nobody sells."""
    changed = [changed_by(change, question, catalog) for change in question.what_if]  # every slip before any work
    made = plan(question, catalog, progress)
    if not changed:
        return made
    rows = [_row("as it is", made, made.verdict.option)]
    for change, (other, its_catalog) in zip(question.what_if, changed, strict=True):
        rows.append(_row(change.words, plan(other, its_catalog, progress), made.verdict.option))
    return msgspec.structs.replace(made, scenarios=tuple(rows))


def _row(words: str, made: Plan, before: str) -> Scenario:
    best = next((option for option in made.options if option.id == made.verdict.option), None)
    today = next((option for option in made.options if option.id == made.today), None)
    return Scenario(
        change=words,
        headline=made.verdict.headline,
        option=made.verdict.option,
        title="nothing is left" if best is None else best.title,
        usd_month=None if best is None else best.usd_month,
        today_usd_month=None if today is None else today.usd_month,
        differs=made.verdict.option != before,
    )


def changed_by(change: Change, question: Question, catalog: Catalog) -> tuple[Question, Catalog]:
    """The question and the catalog with this one thing different."""
    load = question.workload
    if change.kind == "volume":
        volume = change.value if change.value is not None else load.requests_per_day * (change.factor or 1.0)
        load = msgspec.structs.replace(load, requests_per_day=volume)
        return msgspec.structs.replace(question, workload=load), catalog
    if change.kind == "growth":
        load = msgspec.structs.replace(load, growth_per_month=change.value or 0.0)
        return msgspec.structs.replace(question, workload=load), catalog
    if change.kind == "model":
        return _with_model(change.name, question, catalog), catalog
    return _with_price(change, question, catalog)


def _with_model(name: str, question: Question, catalog: Catalog) -> Question:
    """A model is looked at too: one that is sold, or open weights by name."""
    try:
        prices.resolve(name)
    except InputError:
        found = match.model(catalog, name)  # or the error that names the nearest
        scope = msgspec.structs.replace(question.scope, models=(*question.scope.models, found.name))
        return msgspec.structs.replace(question, scope=scope)
    load = question.workload
    return msgspec.structs.replace(
        question, workload=msgspec.structs.replace(load, models=tuple(dict.fromkeys((*load.models, name))))
    )


def _with_price(change: Change, question: Question, catalog: Catalog) -> tuple[Question, Catalog]:
    sold = list(_sold(question, catalog))
    wanted = _one_model(change.name)
    chosen = [
        model
        for model in dict.fromkeys(sold)
        if change.name in (model.provider, f"{model.provider}/{model.model}") or model == wanted
    ]
    clouds = {offer.cloud for offer in catalog.offers} - {OWN}
    if not chosen and change.name not in clouds:
        known = {model.provider for model in sold} | {f"{model.provider}/{model.model}" for model in sold} | clouds
        raise UnknownNameError("seller, model or cloud", change.name, sorted(known), field=FLAG)
    if change.factor is not None and change.name in clouds:
        factor = Decimal(str(change.factor))
        offers = tuple(_scaled(offer, factor) if offer.cloud == change.name else offer for offer in catalog.offers)
        catalog = msgspec.structs.replace(catalog, offers=offers)
    mine = {row.model: row for row in question.costs.price_overrides}
    made = {f"{model.provider}/{model.model}": _override(model, change, question, mine) for model in chosen}
    rows = (*(row for row in question.costs.price_overrides if row.model not in made), *made.values())
    costs = msgspec.structs.replace(question.costs, price_overrides=rows)
    return msgspec.structs.replace(question, costs=costs), catalog


def _sold(question: Question, catalog: Catalog) -> Iterator[PricedModel]:
    """Every model sold per token that a plan may look at."""
    for name in question.workload.models:
        yield prices.resolve(name)
    for name in (*(facts.id for facts in catalog.hosted), *(sold for model in catalog.models for sold in model.hosted)):
        provider, _, model = name.partition("/")
        yield prices.resolve(model, provider)


def _one_model(name: str) -> PricedModel | None:
    try:
        return prices.resolve(name)
    except InputError:
        return None


def _override(model: PricedModel, change: Change, question: Question, mine: dict[str, PriceOverride]) -> PriceOverride:
    name = f"{model.provider}/{model.model}"
    if change.prices is not None:
        return PriceOverride(model=name, input=change.prices[0], output=change.prices[1])
    factor = Decimal(str(change.factor))
    vector = prices.price_vector(model, question.as_of, input_tokens=round(question.workload.input.mean))
    stated = mine.get(name, PriceOverride(model=name))
    return PriceOverride(
        model=name,
        input=(vector.input if stated.input is None else stated.input) * factor,
        output=(vector.output if stated.output is None else stated.output) * factor,
        cached_read=(vector.cached_read if stated.cached_read is None else stated.cached_read) * factor,
    )


def _scaled(offer: Offer, factor: Decimal) -> Offer:
    def times(price: Decimal | None) -> Decimal | None:
        return None if price is None else price * factor

    return msgspec.structs.replace(
        offer,
        usd_per_hour=offer.usd_per_hour * factor,
        spot_usd_per_hour=times(offer.spot_usd_per_hour),
        reserved_1y_usd_per_hour=times(offer.reserved_1y_usd_per_hour),
        reserved_3y_usd_per_hour=times(offer.reserved_3y_usd_per_hour),
    )
