"""What this machine serves already: engines on it, asked for their models, as plain values for a configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from crossover.config import environment
from crossover.config.defaults import default_settings
from crossover.config.found import FoundModel
from crossover.config.load import Loaded
from crossover.engines.discover import discover
from crossover.engines.inspect import inspect
from crossover.engines.words import Engine, EngineModel
from crossover.providers.registry import Provider, base_url, providers
from crossover.transport import Transport


async def found_engines() -> tuple[Engine, ...]:
    """Every engine found on its usual port, with its models and load."""
    transport = Transport()
    try:
        found = await discover(transport)
        return tuple(await asyncio.gather(*(inspect(transport, one) for one in found)))
    finally:
        await transport.aclose()


def models_of(engines: Iterable[Engine]) -> tuple[FoundModel, ...]:
    """Models of these engines; what an engine only relays to a cloud is left out."""
    known = providers()
    return tuple(model_of(engine, model, known) for engine in engines for model in engine.models if not model.cloud)


async def found_models() -> tuple[FoundModel, ...]:
    """Models of every engine found on its usual port; what an engine only relays to a cloud is left out."""
    return models_of(await found_engines())


async def defaults() -> Loaded:
    """The settings in force where there is no file: the models of this machine, else the embedded one."""
    return default_settings(await found_models(), environment())


def model_of(engine: Engine, model: EngineModel, known: Mapping[str, Provider]) -> FoundModel:
    """One model of an engine as a configuration could name it."""
    found = engine.found
    row = known[found.kind]
    usual = row.base_url is not None and base_url(row) == base_url(row, found.base_url)
    return FoundModel(
        name=model.name,
        provider=found.kind,
        base_url=None if usual else found.base_url,
        context=model.context or model.max_context,
        concurrency=engine.load.slots or 0,
        embeds="embedding" in model.can and "completion" not in model.can,
    )
