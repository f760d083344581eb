"""Engines of this machine: who is where, who is dead, and what is only relayed to a cloud."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from crossover.config.load import load
from crossover.config.settings import DeploymentSettings
from crossover.engines.words import Engine, EngineModel, Found, Load
from crossover.errors import FileError, InputError
from crossover.providers.registry import providers
from crossover.runtime import found as finding
from crossover.runtime.engines import Inside, Seen, look
from crossover.transport import Transport
from tests.engines.servers import Asked, Said, serving
from tests.gateway.house import chat, house, run, until

SHOWN = {"capabilities": ["completion"], "model_info": {"general.architecture": "x", "x.context_length": 4096}}


def ollama(*, cloud: tuple[str, ...] = (), here: tuple[str, ...] = (), loaded: tuple[str, ...] = ()) -> Any:
    """What an Ollama says of its models."""

    def answer(asked: Asked) -> Said:
        rows = [{"name": name, "model": name, "size": 1000, "details": {}} for name in here]
        rows += [{"name": name, "model": name, "size": 300, "remote_host": "https://ollama.com"} for name in cloud]
        table: dict[str, Any] = {
            "/api/version": {"version": "0.20.0"},
            "/api/tags": {"models": rows},
            "/api/ps": {"models": [{"name": name, "model": name} for name in loaded]},
            "/api/show": SHOWN,
            "/": b"Ollama is running",
            "/api/chat": {
                "model": "m", "message": {"role": "assistant", "content": "from here"}, "done": True,
                "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2,
            },
        }  # fmt: skip
        return Said(body=table[asked.path]) if asked.path in table else Said(404)

    return answer


def settings_with(url: str, *models: str, provider: str = "ollama") -> str:
    rows = "".join(
        f'[deployments."d-{model}"]\nprovider = "{provider}"\nmodel = "{model}"\nzone = "here"\nbase_url = "{url}"\n'
        for model in models
    )
    return f'[server]\nport = 0\n[zones.here]\noperator = "own"\n{rows}'


def looked(text: str) -> Seen:
    async def work() -> Seen:
        transport = Transport()
        try:
            return await look(load(text, {}).settings, transport)
        finally:
            await transport.aclose()

    return asyncio.run(work())


def test_what_ollama_sends_elsewhere_is_barred_from_a_zone_of_ones_own() -> None:
    with serving(
        ollama(cloud=("gpt-big:latest",), here=("small:latest", "big:7b"), loaded=("small:latest",))
    ) as server:
        seen = looked(settings_with(server.url, "gpt-big", "small", "big:7b", "missing"))
    assert set(seen.barred) == {"d-gpt-big", "d-missing"}
    assert "elsewhere" in seen.barred["d-gpt-big"]
    assert "has not said" in seen.barred["d-missing"]
    assert seen.cold == {"d-big:7b"}, "it must be loaded first: that takes longer"
    assert set(seen.health.values()) == {"ready"}


def test_an_ollama_that_does_not_answer_is_believed_nothing() -> None:
    seen = looked(settings_with("http://127.0.0.1:9", "small"))
    assert seen.health == {"d-small": "dead"}
    assert set(seen.barred) == {"d-small"}


def test_a_relayed_model_gets_no_request(tmp_path: Path) -> None:
    """Declared as local, served on this machine, answered elsewhere: not one byte of a prompt goes there."""

    async def work(url: str) -> None:
        async with house(settings_with(url, "gpt-big", "small"), tmp_path) as at:
            good = await at.chat(chat("small"))
            assert (good.status, good.text) == (200, "from here")
            refused = await at.chat(chat("gpt-big", said="my secret"))
            assert refused.status == 422
            assert "elsewhere" in refused.error["message"]

    with serving(ollama(cloud=("gpt-big:latest",), here=("small:latest",), loaded=("small:latest",))) as server:
        run(work(server.url))
        assert not [asked for asked in server.asked if b"secret" in asked.body]


def test_an_engine_that_dies_rests_and_is_back_as_soon_as_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("crossover.runtime.station.LOOK_S", 0.01)
    alive = [True]

    def answer(asked: Asked) -> Said:
        if not alive[0]:
            return Said(500)
        whole = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}]}
        return Said(body=whole if asked.method == "POST" else {})

    async def work(url: str) -> None:
        async with house(settings_with(url, "m", provider="vllm"), tmp_path) as at:
            assert (await at.chat(chat("m"))).status == 200
            alive[0] = False
            breaker = at.station.dispatcher.plant.health.of("d-m")
            await until(lambda: "health check" in breaker.why)
            resting = await at.chat(chat("m"))
            assert (resting.status, resting.error["code"]) == (503, "no_target")
            assert (await at.ask("GET", "/ready")).status == 503
            alive[0] = True
            await until(lambda: "d-m answers again" in caplog.text)
            assert (await at.chat(chat("m"))).status == 200
            assert (await at.ask("GET", "/ready")).status == 200

    with caplog.at_level(logging.INFO), serving(answer) as server:
        run(work(server.url))


def test_an_engine_that_is_dead_at_the_start_is_not_called_ready(tmp_path: Path) -> None:
    async def work() -> None:
        async with house(settings_with("http://127.0.0.1:9", "m", provider="vllm"), tmp_path) as at:
            assert (await at.ask("GET", "/ready")).tree["deployments"] == {"d-m": "resting"}

    run(work())


# ------------------------------------------------------------------------------------------------- inside this process


def test_a_model_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = '[zones.here]\noperator = "own"\n[deployments.a]\nprovider = "embedded"\nmodel = "no-such"\nzone = "here"\n'

    async def work() -> None:
        inside = Inside(tmp_path)
        with pytest.raises(FileError, match="no model file of this name") as caught:
            await inside.start(load(text, {}).settings)
        assert "crossover models pull" in caught.value.sentence()
        await inside.stop()

    asyncio.run(work())


def test_what_does_not_run_here_has_no_address(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not run in this process"):
        Inside(tmp_path).address(DeploymentSettings(provider="embedded", model="m", zone="here"))


# ------------------------------------------------------------------------------------------------- found without a file


@pytest.mark.parametrize(
    ("kind", "base", "stated"),
    [
        ("ollama", "http://127.0.0.1:11434/api", None),
        ("ollama", "http://127.0.0.1:11434", None),
        ("ollama", "http://127.0.0.1:11500/api", "http://127.0.0.1:11500/api"),
        ("vllm", "http://127.0.0.1:8123/v1", "http://127.0.0.1:8123/v1"),
    ],
)
def test_an_engine_at_its_usual_address_needs_none_in_the_file(kind: Any, base: str, stated: str | None) -> None:
    found = Found(kind=kind, title=kind, url=base, base_url=base, dialect="openai")
    engine = Engine(found=found, models=(), load=Load(slots=4))
    model = finding.model_of(engine, EngineModel(name="m", context=8192), providers())
    assert (model.base_url, model.context, model.concurrency, model.embeds) == (stated, 8192, 4, False)
    again = load(
        f'[zones.here]\noperator = "own"\n[deployments.a]\nprovider = "{model.provider}"\nmodel = "m"\nzone = "here"\n'
        + (f'base_url = "{model.base_url}"\n' if model.base_url else ""),
        {},
    )
    assert again.settings.deployments["a"].base_url == stated
