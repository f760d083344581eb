"""Asking found engines: the real llama.cpp, and servers that answer as the documentation of the others says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import pytest

from crossover.engines.discover import identify
from crossover.engines.embedded import Running, default_model
from crossover.engines.gguf import read
from crossover.engines.inspect import health, inspect, load
from crossover.engines.words import Engine, EngineKind, Load
from crossover.transport import Transport
from tests.engines.servers import Asked, Said, serving
from tests.engines.test_answers import PS, SHOWN, TAGS

Result = TypeVar("Result")


def run(work: Callable[[Transport], Awaitable[Result]]) -> Result:
    async def inner() -> Result:
        transport = Transport()
        try:
            return await work(transport)
        finally:
            await transport.aclose()

    return asyncio.run(inner())


def inspected(url: str) -> Engine:
    async def look(transport: Transport) -> Engine:
        found = await identify(transport, url)
        assert found is not None
        return await inspect(transport, found)

    return run(look)


def ollama(asked: Asked) -> Said:
    if asked.path == "/api/show":
        name = msgspec.json.decode(asked.body)["model"]
        return Said(200, SHOWN[name]) if name in SHOWN else Said(404, {"error": "not found"})
    fixed: dict[str, Any] = {"/api/tags": TAGS, "/api/ps": PS, "/api/version": {"version": "0.13.0"}}
    return Said(200, b"Ollama is running") if asked.path == "/" else Said(200, fixed.get(asked.path))


def test_ollama_is_asked_for_each_model_what_only_show_says() -> None:
    with serving(ollama) as server:
        engine = inspected(server.url)
    assert engine.version == "0.13.0"
    by_name = {model.name: model for model in engine.models}
    assert by_name["gemma3:latest"].max_context == 131072
    assert by_name["mine:latest"].cloud  # renamed: its tag does not tell
    assert by_name["deepseek-v3.1:671b-cloud"].cloud  # its /api/show failed: its tag tells
    assert not by_name["nomic-embed-text:latest"].cloud
    assert engine.load == Load()


def test_the_real_llama_cpp(engine: Running) -> None:
    told = inspected(f"{engine.url}/v1")
    (model,) = told.models
    assert (model.name, model.quantisation, model.context, model.max_context) == (engine.model, "Q8_0", 512, 512)
    assert model.parameters == read(default_model()).parameters
    assert model.loaded
    assert not model.cloud
    assert "completion" in model.can
    assert told.load.slots == 4
    assert told.load.running is not None
    assert told.load.waiting is not None


def test_vllm() -> None:
    listing = {"object": "list", "data": [{"id": "m", "owned_by": "vllm", "max_model_len": 4096}]}
    metrics = b'vllm:num_requests_running{model_name="m"} 2.0\nvllm:num_requests_waiting{model_name="m"} 1.0\n'
    table = {
        "/v1/models": Said(200, listing),
        "/version": Said(200, {"version": "0.19.0"}),
        "/metrics": Said(200, metrics, {"content-type": "text/plain"}),
    }
    with serving(table) as server:
        engine = inspected(server.url)
    assert (engine.version, engine.models[0].context, engine.load.running) == ("0.19.0", 4096, 2)


def test_sglang_without_metrics() -> None:
    table = {
        "/v1/models": Said(200, {"data": [{"id": "m", "owned_by": "sglang", "max_model_len": 32768}]}),
        "/get_model_info": Said(200, {"is_generation": True, "has_image_understanding": False}),
    }
    with serving(table) as server:
        engine = inspected(server.url)
    assert engine.models[0].can == {"completion"}
    assert (engine.models[0].context, engine.load) == (32768, Load())


def test_lm_studio_and_mlx() -> None:
    studio = {
        "/lmstudio-greeting": Said(200, {"lmstudio": True}),
        "/api/v0/models": Said(200, {"data": [{"id": "a", "type": "embeddings", "state": "loaded"}]}),
    }
    with serving(studio) as server:
        assert inspected(server.url).models[0].can == {"embedding"}
    mlx = {"/v1/models": Said(200, {"object": "list", "data": [{"id": "x/y", "object": "model", "created": 1}]})}
    with serving(mlx, "BaseHTTP/0.6 Python/3.12.1") as server:
        assert inspected(server.url).models[0].name == "x/y"


def test_an_engine_that_goes_silent_is_an_engine_without_facts() -> None:
    answered: list[str] = []

    def once(asked: Asked) -> Said:
        answered.append(asked.path)
        return Said(200, b"Ollama is running") if asked.path == "/" else Said(500, b"panic")

    with serving(once) as server:
        engine = inspected(server.url)
    assert (engine.models, engine.version) == ((), None)


def test_load_alone(engine: Running) -> None:
    async def look(transport: Transport) -> Load:
        found = await identify(transport, engine.url)
        assert found is not None
        return await load(transport, found)

    assert run(look).slots == 4


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("llamacpp", 200, "ready"),
        ("llamacpp", 503, "loading"),
        ("sglang", 503, "loading"),
        ("vllm", 503, "dead"),
        ("vllm", 200, "ready"),
        ("ollama", 200, "ready"),
        ("ollama", 500, "dead"),
        ("mlx", 404, "dead"),
    ],
)
def test_health(kind: EngineKind, status: int, expected: str) -> None:
    with serving(lambda _: Said(status)) as server:
        assert run(lambda transport: health(transport, kind, f"{server.url}/v1")) == expected


def test_health_of_the_real_one_and_of_none(engine: Running) -> None:
    assert run(lambda transport: health(transport, "llamacpp", engine.url)) == "ready"
    with serving({}) as server:
        url = server.url
    assert run(lambda transport: health(transport, "llamacpp", url)) == "dead"
