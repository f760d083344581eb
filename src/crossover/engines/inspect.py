"""Asks a found engine for its models, its load and its health. Only the asking is here; ``answers`` reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from crossover.engines import answers
from crossover.engines.discover import Answer, fetch, row_of
from crossover.engines.words import Ability, Engine, EngineKind, Found, Health, Load
from crossover.transport import Transport

PATIENCE_S = 3.0
_SHOWS_AT_ONCE = 8
_CHAT: frozenset[Ability] = frozenset({"completion"})


async def inspect(transport: Transport, found: Found, *, patience: float = PATIENCE_S) -> Engine:
    """The engine with its models and load; what it does not answer within ``patience`` seconds stays unknown."""

    async def get(path: str) -> Answer:
        return await fetch(transport, found.url, path, patience=patience)

    async def show(name: str) -> Answer:
        return await fetch(transport, found.url, "/api/show", patience=patience, body={"model": name})

    if found.kind == "ollama":
        return await _ollama(found, get, show)
    return await _INSPECTORS[found.kind](found, get)


async def load(transport: Transport, found: Found, *, patience: float = PATIENCE_S) -> Load:
    """How busy the engine is; all None where it cannot say."""

    async def get(path: str) -> Answer:
        return await fetch(transport, found.url, path, patience=patience)

    reader = _LOADS.get(found.kind)
    return Load() if reader is None else await reader(get)


async def health(transport: Transport, kind: EngineKind, url: str, *, patience: float = PATIENCE_S) -> Health:
    """Whether an engine can take requests: ``loading`` may become ready by itself, ``dead`` is everything else."""
    row = row_of(kind)
    root = url.rstrip("/").removesuffix("/v1")
    answer = await fetch(transport, root, row.health, patience=patience)
    if answer.status == 200:
        return "ready"
    return row.unavailable if answer.status == 503 else "dead"


Get = Callable[[str], Awaitable[Answer]]


async def _ollama(found: Found, get: Get, show: Get) -> Engine:
    tags, running, version = await asyncio.gather(get("/api/tags"), get("/api/ps"), get("/api/version"))
    names = [one.name for one in answers.ollama_models(tags.json(), None, {})]
    gate = asyncio.Semaphore(_SHOWS_AT_ONCE)

    async def one(name: str) -> Any:
        async with gate:
            return (await show(name)).json()

    shown = dict(zip(names, await asyncio.gather(*(one(name) for name in names)), strict=True))
    models = answers.ollama_models(tags.json(), running.json(), shown)
    return Engine(found=found, models=models, version=_version(version))


async def _vllm(found: Found, get: Get) -> Engine:
    listing, version, busy = await asyncio.gather(get("/v1/models"), get("/version"), _vllm_load(get))
    return Engine(
        found=found, models=answers.listed_models(listing.json(), _CHAT), load=busy, version=_version(version)
    )


async def _sglang(found: Found, get: Get) -> Engine:
    listing, info, busy = await asyncio.gather(get("/v1/models"), get("/get_model_info"), _sglang_load(get))
    can = answers.sglang_abilities(info.json())
    return Engine(found=found, models=answers.listed_models(listing.json(), can), load=busy)


async def _lmstudio(found: Found, get: Get) -> Engine:
    listing = await get("/api/v0/models")
    return Engine(found=found, models=answers.lmstudio_models(listing.json()))


async def _llamacpp(found: Found, get: Get) -> Engine:
    listing, props, busy = await asyncio.gather(get("/v1/models"), get("/props"), _llamacpp_load(get))
    said = props.json()
    version = said.get("build_info") if isinstance(said, dict) else None
    return Engine(
        found=found,
        models=answers.llamacpp_models(listing.json(), said),
        load=busy,
        version=version if isinstance(version, str) else None,
    )


async def _mlx(found: Found, get: Get) -> Engine:
    listing = await get("/v1/models")
    return Engine(found=found, models=answers.listed_models(listing.json(), _CHAT))


async def _vllm_load(get: Get) -> Load:
    names = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "gpu_cache_usage_perc")
    return answers.vllm_load(answers.metrics(await _metrics(get), (f"vllm:{name}" for name in names)))


async def _sglang_load(get: Get) -> Load:
    names = ("num_running_reqs", "num_queue_reqs", "token_usage")
    return answers.sglang_load(answers.metrics(await _metrics(get), (f"sglang:{name}" for name in names)))


async def _llamacpp_load(get: Get) -> Load:
    slots, text = await asyncio.gather(get("/slots"), _metrics(get))
    names = ("llamacpp:requests_processing", "llamacpp:requests_deferred")
    return answers.llamacpp_load(slots.json(), answers.metrics(text, names))


async def _metrics(get: Get) -> str:
    answer = await get("/metrics")
    return answer.body.decode(errors="replace") if answer.status == 200 else ""


def _version(answer: Answer) -> str | None:
    said = answer.json()
    version = said.get("version") if isinstance(said, dict) else None
    return version if isinstance(version, str) else None


_INSPECTORS: dict[EngineKind, Callable[[Found, Get], Awaitable[Engine]]] = {
    "vllm": _vllm,
    "sglang": _sglang,
    "lmstudio": _lmstudio,
    "llamacpp": _llamacpp,
    "mlx": _mlx,
}
_LOADS: dict[EngineKind, Callable[[Get], Awaitable[Load]]] = {
    "vllm": _vllm_load,
    "sglang": _sglang_load,
    "llamacpp": _llamacpp_load,
}
