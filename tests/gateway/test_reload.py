"""Hot reload: a bad file changes nothing and says so, a good one is taken while requests are under way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crossover.config.load import Loaded, load
from crossover.engines.embedded import default_model
from crossover.providers.answers import Answer as Said
from crossover.providers.faulty import Fault, FaultyServer, Seen, Step
from tests.gateway.house import House, asked, chat, configured, deployed, house, records, run, until

ENV = {"KEY": "k"}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is looked at all the time, and is taken as soon as it stands still."""
    monkeypatch.setattr("crossover.runtime.serve.LOOK_S", 0.005)
    monkeypatch.setattr("crossover.config.watch.SETTLE_SECONDS", 0.0)


def read(file: Path) -> Loaded:
    return load(file, ENV)


def write(file: Path, text: str) -> None:
    """Whole or not at all, as careful editors do."""
    part = file.with_suffix(".part")
    part.write_text(text)
    part.replace(file)


@contextlib.asynccontextmanager
async def watched(folder: Path, text: str) -> AsyncIterator[tuple[House, Path]]:
    """A gateway that looks after its file."""
    file = folder / "crossover.toml"
    write(file, text)
    async with house(read(file), folder, loader=read) as at:
        yield at, file


def served(folder: Path, server: FaultyServer) -> contextlib.AbstractAsyncContextManager[tuple[House, Path]]:
    """A gateway before this server."""
    return watched(folder, configured(deployed("a", server)))


def embedded(model: Path, concurrency: int) -> str:
    """A configuration with a model file that runs inside the gateway."""
    return f"""
[zones.here]
operator = "own"
[deployments.own]
provider = "embedded"
model = "{model}"
zone = "here"
concurrency = {concurrency}
"""


def hanging(text: str) -> Step:
    return Fault(kind="slow_first_byte", answer=Said(text=text))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text + "\n[nonsense", "is no TOML"),
        (lambda text: text.replace('zone = "away"', 'zone = "awai"'), "Did you mean away"),
        (lambda text: text.replace('"${KEY}"', '"${NO_SUCH_KEY}"'), "NO_SUCH_KEY is not set"),
        (lambda text: text.replace('model = "model-of-a"', 'model = ""'), "is empty"),
        (lambda text: "", None),
    ],
    ids=["no TOML", "unknown zone", "no variable", "empty model", "empty file"],
)
def test_a_bad_file_changes_nothing_and_is_said_once(
    tmp_path: Path, spoil: object, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(spoil)

    async def work() -> None:
        async with FaultyServer("openai", lambda _seen: Said()) as server:
            text = configured(deployed("a", server))
            async with watched(tmp_path, text) as (at, file):
                plant = at.station.dispatcher.plant
                write(file, spoil(text))
                if said is None:  # an empty file is a good one: nothing is served any more
                    await until(lambda: at.station.dispatcher.plant is not plant)
                    assert (await at.chat(chat())).status == 404
                else:
                    await until(lambda: "the old one goes on" in caplog.text)
                    for _ in range(20):
                        await asyncio.sleep(0.005)
                    assert caplog.text.count("the old one goes on") == 1
                    assert said in caplog.text
                    assert "crossover.toml:" in caplog.text
                    assert at.station.dispatcher.plant is plant
                    assert (await at.chat(chat())).status == 200
                write(file, text.replace("auto", "again"))
                await until(lambda: "again" in at.station.dispatcher.plant.routes)
                assert (await at.chat(chat("again"))).status == 200

    with caplog.at_level(logging.INFO):
        run(work())


def test_what_lacks_a_model_file_is_said_once_and_taken_when_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is written down before ``crossover models pull`` has ended."""
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    monkeypatch.setattr("crossover.runtime.serve.AGAIN_S", 0.0)
    model = tmp_path / "late.gguf"

    async def work() -> None:
        async with FaultyServer("openai") as server, served(tmp_path, server) as (at, file):
            plant = at.station.dispatcher.plant
            write(file, embedded(model, 1))
            await until(lambda: "no model file of this name" in caplog.text)
            for _ in range(20):
                await asyncio.sleep(0.005)
            assert caplog.text.count("the old one goes on") == 1
            assert at.station.dispatcher.plant is plant
            part = model.with_suffix(".part")
            part.write_bytes(default_model().read_bytes())
            part.rename(model)
            await until(lambda: "own" in at.station.dispatcher.plant.routes)
            assert (await at.chat(chat("own"))).status == 200
            assert "until a restart" not in caplog.text
            write(file, embedded(model, 2))
            await until(lambda: "deployments.own: its engine runs on as it was started" in caplog.text)

    with caplog.at_level(logging.INFO):
        run(work())


def test_requests_under_way_end_where_they_began(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            FaultyServer("openai", hanging("old")) as old,
            FaultyServer("openai", lambda _seen: Said(text="new")) as new,
            served(tmp_path, old) as (at, file),
        ):
            bodies = (chat(), chat(stream=True))
            before = [asyncio.create_task(asked(at.url, "POST", "/v1/chat/completions", each)) for each in bodies]
            await old.arrived(2)
            write(file, configured(deployed("a", new), deployed("b", new)))
            await until(lambda: "b" in at.station.dispatcher.plant.targets)
            assert (await at.chat(chat())).text == "new"
            old.release()
            assert [(await each).text for each in before] == ["old", "old"]
            assert at.station.dispatcher.plant.places["a"].busy == (0, 0)
        assert [row.status for row in records(tmp_path / "ledger.db")] == ["ok"] * 3

    run(work())


def test_places_are_counted_across_a_reload(tmp_path: Path) -> None:
    """Two calls under way take two places, also of the limit that comes later."""

    async def work() -> None:
        async with FaultyServer("openai", hanging("slow")) as server:
            text = configured(deployed("a", server, zone="here", more="concurrency = 2"))
            async with watched(tmp_path, text) as (at, file):
                tasks = [asyncio.create_task(at.chat(chat())) for _ in range(2)]
                await server.arrived(2)
                assert (await at.chat(chat())).status == 503, "busy"
                write(file, text.replace("concurrency = 2", "concurrency = 3"))
                await until(lambda: at.station.dispatcher.plant.targets["a"].concurrency == 3)
                tasks.append(asyncio.create_task(at.chat(chat())))
                await server.arrived(3)
                assert (await at.chat(chat())).status == 503
                server.release()
                assert [(await task).status for task in tasks] == [200] * 3

    run(work())


def test_who_rests_goes_on_resting(tmp_path: Path) -> None:
    async def work() -> None:
        top = "[breaker]\nfailures = 1\nrest = 60"
        async with FaultyServer("openai", "server_error") as bad, FaultyServer("openai") as good:
            text = configured(deployed("bad", bad), deployed("good", good), top=top)
            async with watched(tmp_path, text) as (at, file):
                assert (await at.chat(chat("bad"))).status == 502
                write(file, text + deployed("more", good))
                await until(lambda: "more" in at.station.dispatcher.plant.targets)
                assert (await at.chat(chat("bad"))).status == 503
                assert (await at.chat(chat())).headers["x-crossover-deployment"] == "good"
                assert len(bad.journal) == 1

    run(work())


def test_what_left_the_file_is_served_no_more(tmp_path: Path) -> None:
    async def work() -> None:
        async with FaultyServer("openai") as server:
            both = configured(deployed("a", server), deployed("b", server))
            async with watched(tmp_path, both) as (at, file):
                write(file, configured(deployed("a", server), top="require_keys = true"))
                await until(lambda: "b" not in at.station.dispatcher.plant.targets)
                assert (await at.chat(chat("b"))).status == 401, "keys are required now as well"
                assert "b" not in (await at.ask("GET", "/ready")).body.decode()

    run(work())


def test_who_moved_to_another_address_is_asked_at_once(tmp_path: Path) -> None:
    """Whoever puts a wrong address right does not wait for the rest that it earned."""

    async def work() -> None:
        top = "[breaker]\nfailures = 1\nrest = 60"
        async with (
            FaultyServer("openai", lambda _seen: "server_error") as wrong,
            FaultyServer("openai") as right,
            watched(tmp_path, configured(deployed("a", wrong), top=top)) as (at, file),
        ):
            assert (await at.chat(chat())).status == 502
            assert (await at.chat(chat())).status == 503
            write(file, configured(deployed("a", right), deployed("b", right), top=top))
            await until(lambda: "b" in at.station.dispatcher.plant.targets)
            assert (await at.chat(chat("a"))).status == 200

    run(work())


def test_what_counts_only_after_a_restart_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with FaultyServer("openai") as server:
            text = configured(deployed("a", server))
            async with watched(tmp_path, text) as (at, file):
                write(file, text.replace("drain = 2.0", "drain = 1.0\nbody_limit = 5000"))
                await until(lambda: "will count after a restart" in caplog.text)
                assert "server.body_limit will count after a restart" in caplog.text
                assert (await at.chat(chat(said="x" * 20_000))).status == 200

    with caplog.at_level(logging.INFO):
        run(work())


@pytest.mark.parametrize("watching", [True, False])
def test_a_new_secret_in_a_file_is_taken(tmp_path: Path, watching: bool, caplog: pytest.LogCaptureFixture) -> None:
    """By the watcher; and where the old one is refused before that, by the request itself."""
    secret, good = tmp_path / "secret", ["first"]

    def step(seen: Seen) -> Step:
        return Said() if seen.headers["authorization"] == f"Bearer {good[0]}" else "auth"

    async def work() -> None:
        async with FaultyServer("openai", step) as server:
            write(secret, "first")
            secret.chmod(0o600)
            text = configured(deployed("a", server)).replace('"${KEY}"', '"file:secret"')
            write(tmp_path / "crossover.toml", text)
            loaded = read(tmp_path / "crossover.toml")
            async with house(loaded, tmp_path, loader=read if watching else None) as at:
                assert (await at.chat(chat())).status == 200
                for number in range(5):
                    good[0] = f"renewed-{number}"
                    write(secret, good[0])
                    assert (await at.chat(chat())).status == 200
                assert at.station.loaded is loaded or watching
                good[0] = "unknown here"
                secret.unlink()
                refused = await at.chat(chat())
                assert (refused.status, refused.error["code"]) == (502, "authentication_error")
                assert "renewed" not in refused.body.decode()

    run(work())
    assert "renewed" not in caplog.text
