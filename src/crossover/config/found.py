"""What was found on this machine, as plain values: models of local engines, and names of variables with API keys."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from crossover.catalog import prices
from crossover.catalog.items import HostedFacts
from crossover.catalog.match import lifecycle
from crossover.config.check import Known
from crossover.config.read import NAME
from crossover.errors import InputError

_TYPICAL_INPUT = 3  # tokens read for each one written: what a conversation looks like


class FoundModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that an engine on this machine serves.

    ``provider`` is a row of the registry, ``base_url`` None where the engine answers at its usual address. ``context``
    in tokens, ``concurrency`` calls it does at once (0: not known), ``embeds``: it makes embeddings and no chat.
    """

    name: str
    provider: str
    base_url: str | None = None
    context: int | None = None
    concurrency: int = 0
    embeds: bool = False


class FoundKey(msgspec.Struct, frozen=True, kw_only=True):
    """A variable of the environment that holds a key, by name only. ``model``: what it could be used for, if known."""

    provider: str
    variable: str
    model: str | None = None


def keys_in(
    environ: Mapping[str, str], known: Known, hosted: Sequence[HostedFacts] = (), today: dt.date | None = None
) -> tuple[FoundKey, ...]:
    """The hosted providers whose usual variable is set. With ``hosted`` facts, each with the model to begin with."""
    return tuple(
        FoundKey(
            provider=name,
            variable=row.key_env,
            model=first_model(row.price_provider, hosted, today) if today is not None and row.price_provider else None,
        )
        for name, row in known.items()
        if row.engine == "hosted" and row.key_env and environ.get(row.key_env, "").strip()
    )


def first_model(price_provider: str, hosted: Sequence[HostedFacts], today: dt.date) -> str | None:
    """The cheapest model of a provider that is of medium class at least and that nobody plans to switch off."""
    best: tuple[Decimal, str] | None = None
    for facts in hosted:
        provider, _, model = facts.id.partition("/")
        lasting = lifecycle(facts, today) == "active" and facts.ends_on is None
        if provider != price_provider or not lasting or facts.capability == "small":
            continue
        try:
            card = prices.rate_card(prices.resolve(facts.id), today)
        except InputError:  # the price list does not know it
            continue
        at = card.at(1_000)
        offer = (at.input * _TYPICAL_INPUT + at.output, model)
        best = offer if best is None else min(best, offer)
    return None if best is None else best[1]


def named(models: Sequence[FoundModel]) -> dict[str, FoundModel]:
    """Each model under a name of its own: its model name, with its provider before it where two share it."""
    found: dict[str, FoundModel] = {}
    for model in models:
        name = _name(model.name)
        if name in found:
            name = _name(f"{model.provider}-{name}")
        count = 2
        while name in found:
            name, count = f"{_name(model.provider)}-{_name(model.name)}-{count}", count + 1
        found[name] = model
    return found


def _name(text: str) -> str:
    """A text as a name that the configuration accepts: of a path its last part without the ending."""
    if text.casefold().endswith(".gguf"):
        text = re.split(r"[/\\]", text)[-1][: -len(".gguf")]
    text = re.sub(r"[^A-Za-z0-9._:/@+-]+", "-", text).lstrip("._:/@+-")[:100]
    return text if NAME.fullmatch(text) else "model"
