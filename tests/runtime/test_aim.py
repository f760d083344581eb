"""What a load test is aimed at: built from addresses and configurations, and closed whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from crossover.catalog.load import load as load_catalog
from crossover.config import Paths
from crossover.config.load import Loaded, load
from crossover.errors import EgressError, FileError, InputError, UnknownNameError, UpstreamError
from crossover.hardware import Gpu, Machine
from crossover.loadtest.targets import Direct, Tape, Through
from crossover.loadtest.words import Ask, Subject
from crossover.providers.answers import Answer
from crossover.providers.faulty import FaultyServer
from crossover.runtime.aim import Aim, at_deployment, at_name, at_url, purse
from crossover.runtime.measured import speed_subject
from crossover.usage import Usage
from tests.loadtest.virtual import shot

SYNTHETIC = Ask(messages=(("user", "time year people"),), input_tokens=3, output_tokens=4)
OWN = Ask(messages=(("user", "mine"),), input_tokens=1, output_tokens=4, synthetic=False)
EMBEDDED = find_spec("xllamacpp") is not None


def configuration(text: str) -> Loaded:
    return load(
        f'[zones.here]\noperator = "own"\n[zones.away]\noperator = "provider"\nparty = "x"\n{text}',
        {"KEY": "sk-12345678"},
    )


def places(folder: Path) -> Paths:
    return Paths(config=folder, data=folder, models=folder)


def work(one: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await one()

    asyncio.run(asyncio.wait_for(whole(), 30))


async def asked(aim: Aim, ask: Ask) -> Tape:
    tape = Tape(lambda: 0.0)
    await aim.target.ask(ask, tape)
    return tape


def test_an_address_on_this_machine_takes_everything() -> None:
    async def one() -> None:
        async with FaultyServer("openai", script=Answer()) as server:
            aim = await at_url(server.url, "m", api_key="sk-1", limit_s=9, ignore_eos=None)
            assert (aim.subject.url, aim.subject.outside, aim.subject.engine) == (f"{server.url}/v1", False, "")
            assert isinstance(aim.target, Direct)
            for ask in (SYNTHETIC, OWN):
                assert (await asked(aim, ask)).times
            assert purse(aim, 1.0) is None
            await aim.close()

    work(one)


def test_an_address_elsewhere_takes_made_up_text_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(*_: Any, **__: Any) -> Any:
        raise UpstreamError("nobody is there", upstream="refused", accepted=False)

    async def one() -> None:
        monkeypatch.setattr("crossover.transport.pool.dial", refuses)
        aim = await at_url("https://models.example.org/v1", "m", api_key=None, limit_s=9, ignore_eos=None)
        assert aim.subject.outside
        assert aim.watch is None
        with pytest.raises(EgressError, match="own prompts"):
            await asked(aim, OWN)
        with pytest.raises(UpstreamError, match="nobody is there"):
            await asked(aim, SYNTHETIC)
        await aim.close()

    work(one)


@pytest.mark.parametrize(("said", "sent"), [(None, False), (True, True), (False, False)])
def test_full_length_is_asked_for_where_it_is_known_or_said(said: bool | None, sent: bool) -> None:
    async def one() -> None:
        async with FaultyServer("openai", script=Answer()) as server:
            aim = await at_url(server.url, "m", api_key=None, limit_s=9, ignore_eos=said)
            await asked(aim, SYNTHETIC)
            assert ("ignore_eos" in server.journal[-1].tree) is sent
            await aim.close()

    work(one)


def test_a_deployment_is_called_as_it_is_configured(tmp_path: Path) -> None:
    async def one() -> None:
        async with FaultyServer("openai", script=Answer(usage=Usage(input=9, output=3))) as server:
            loaded = configuration(
                f'[deployments.api]\nprovider = "openai-compatible"\nmodel = "the-model"\nzone = "away"\n'
                f'base_url = "{server.url}/v1"\napi_key = "${{KEY}}"\nprice = {{ input = 1, output = 2 }}\n'
            )
            aim = await at_deployment("api", loaded, places(tmp_path), limit_s=9, ignore_eos=None)
            await asked(aim, SYNTHETIC)
            seen = server.journal[-1]
            assert seen.tree["model"] == "the-model"
            assert seen.headers["authorization"] == "Bearer sk-12345678"
            with pytest.raises(EgressError):
                await asked(aim, OWN)
            assert len(server.journal) == 1
            money = purse(aim, 0.00002)
            assert money is not None
            money.pay(shot(input=9, output=3, cached=0))
            money.pay(shot(input=9, output=3, cached=20))
            assert money.spent_usd == pytest.approx(3e-5)  # nine in, three out; more cached than were sent is as many
            assert money.empty
            await aim.close()

    work(one)


def test_a_hosted_model_is_known_to_the_planner(tmp_path: Path) -> None:
    async def one() -> None:
        loaded = configuration(
            '[deployments.big]\nprovider = "openai"\nmodel = "gpt-4o"\nzone = "away"\napi_key = "${KEY}"\n'
        )
        aim = await at_deployment("big", loaded, places(tmp_path), limit_s=9, ignore_eos=None)
        assert (aim.subject.id, aim.subject.known_as) == ("big", "api:openai/gpt-4o")
        await aim.close()

    work(one)


def test_an_ollama_that_has_not_said_where_a_model_runs_takes_made_up_text_only(tmp_path: Path) -> None:
    async def one() -> None:
        async with FaultyServer("ollama", script=Answer()) as server:
            loaded = configuration(
                f'[deployments.o]\nprovider = "ollama"\nmodel = "m"\nzone = "here"\nbase_url = "{server.url}/api"\n'
            )
            aim = await at_deployment("o", loaded, places(tmp_path), limit_s=9, ignore_eos=None)
            assert isinstance(aim.target, Through)
            assert aim.subject.outside
            with pytest.raises(EgressError):
                await asked(aim, OWN)
            assert (await asked(aim, SYNTHETIC)).times
            await aim.close()

    work(one)


def test_a_name_goes_through_the_policy(tmp_path: Path) -> None:
    async def one() -> None:
        async with FaultyServer("openai", script=Answer(usage=Usage(input=9, output=3))) as server:
            loaded = configuration(
                f'[deployments.api]\nprovider = "openai-compatible"\nmodel = "m"\nzone = "away"\n'
                f'base_url = "{server.url}/v1"\nprice = {{ input = 1, output = 2 }}\n'
                '[aliases.auto]\ndeployments = ["api"]\n'
            )
            aim = await at_name("auto", loaded, places(tmp_path), ledger=tmp_path / "l.db", limit_s=9)
            tape = await asked(aim, OWN)
            assert tape.deployment == "api"
            assert tape.ended is not None
            assert aim.subject.outside
            assert purse(aim, 1.0) is not None
            await aim.close()
            with pytest.raises(UnknownNameError, match="Did you mean auto"):
                await at_name("aut", loaded, places(tmp_path), ledger=tmp_path / "l.db", limit_s=9)

    work(one)


def test_what_cannot_be_aimed_at_is_said_and_closed(tmp_path: Path) -> None:
    async def one() -> None:
        loaded = configuration('[deployments.e]\nprovider = "embedded"\nmodel = "absent"\nzone = "here"\n')
        with pytest.raises(FileError):
            await at_deployment("e", loaded, places(tmp_path), limit_s=9, ignore_eos=None)
        with pytest.raises(UnknownNameError, match="Did you mean e"):
            await at_deployment("ee", loaded, places(tmp_path), limit_s=9, ignore_eos=None)
        with pytest.raises(InputError):
            await at_url("http://", "m", api_key=None, limit_s=9, ignore_eos=None)

    work(one)


@pytest.mark.skipif(not EMBEDDED, reason="the embedded engine is not installed")
def test_the_embedded_engine_is_started_watched_and_stopped(tmp_path: Path) -> None:
    async def one() -> None:
        loaded = configuration('[deployments.tiny]\nprovider = "embedded"\nmodel = "crossover-tiny"\nzone = "here"\n')
        aim = await at_deployment("tiny", loaded, places(tmp_path), limit_s=9, ignore_eos=None)
        assert aim.watch is not None
        await aim.watch.begin()
        tape = await asked(aim, SYNTHETIC)
        assert tape.usage is not None
        assert tape.usage.output == 4  # of full length: the engine knows how
        server = await aim.watch.end()
        assert server is not None
        assert server.values["output_tokens"] == 4
        await aim.close()

    work(one)


# --------------------------------------------------------------------------------------------------- the planner's name


OLLAMA = Subject(id="x", label="x", model="llama3.1:8b", url="http://127.0.0.1:9/api", engine="ollama")


def test_a_speed_is_the_planners_only_where_all_is_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = load_catalog(None)

    def machine(*gpus: Gpu) -> Machine:
        return Machine(system="Linux", cpu="c", cores=4, memory_gib=32, gpus=gpus)

    card = Gpu(name="NVIDIA GeForce RTX 4090", vendor="NVIDIA", memory_gib=24)

    async def named(subject: Subject, *gpus: Gpu, said: str | None = "Q4_K_M") -> str | None:
        from crossover.engines.words import Engine, EngineModel, Found

        found = Found(kind="ollama", title="Ollama", url="u", base_url="u", dialect="ollama")
        models = (EngineModel(name="llama3.1:8b", quantisation=said), EngineModel(name="mystery", quantisation=said))

        async def identify(*_: Any, **__: Any) -> Found:
            return found

        async def inspect(*_: Any, **__: Any) -> Engine:
            return Engine(found=found, models=models)

        monkeypatch.setattr("crossover.runtime.measured.identify", identify)
        monkeypatch.setattr("crossover.runtime.measured.inspect", inspect)
        return await speed_subject(subject, catalog, machine(*gpus))

    async def one() -> None:
        assert await named(OLLAMA, card) == "meta-llama/Llama-3.1-8B-Instruct|Q4_K_M|1xRTX 4090|ollama"
        assert await named(OLLAMA, card, card) is None  # which of the two?
        assert await named(OLLAMA, card, said=None) is None
        assert (
            await named(Subject(id="x", label="x", model="mystery", url="http://127.0.0.1:9", engine="ollama"), card)
            is None
        )
        assert await named(Subject(id="x", label="x", model="llama3.1:8b", url="u", engine=""), card) is None

    work(one)
