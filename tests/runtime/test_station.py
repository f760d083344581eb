"""A station: what is kept and for how long, and what a deployment says of its model."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from crossover.config import Paths
from crossover.config.load import load
from crossover.deployment import Timeouts
from crossover.ledger import keys
from crossover.ledger.store import open_ledger
from crossover.providers.http import HttpBackend
from crossover.runtime import station
from crossover.transport import endpoint, head
from crossover.wire import openai
from tests.ledger.parts import DAY, NOON, record, write


def test_months_that_are_no_longer_kept_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load("[retention]\nrecords = 60\n", {})
    waits: list[float] = []

    async def no_waiting(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 1:
            raise asyncio.CancelledError

    async def use() -> list[str]:
        with open_ledger(tmp_path / "ledger.db") as ledger:
            write(ledger, (record("old", time=NOON - 900 * DAY), record("new", time=ledger.clock())))
        opened = await station.open_station(settings, Paths(config=tmp_path, data=tmp_path, models=tmp_path))
        try:
            monkeypatch.setattr("crossover.runtime.station.asyncio.sleep", no_waiting)
            with pytest.raises(asyncio.CancelledError):
                await opened.forget()
        finally:
            monkeypatch.undo()
            await opened.aclose()
        with open_ledger(tmp_path / "ledger.db", readonly=True) as ledger:
            return [str(name) for (name,) in ledger.rows("SELECT id FROM records")]

    assert asyncio.run(use()) == ["new"]
    assert waits == [station.FIRST_FORGET_S, station.FORGET_S]


def test_parameters_that_one_model_does_not_accept_are_those_of_its_deployment(tmp_path: Path) -> None:
    text = """
[zones.cloud]
operator = "provider"
party = "anthropic"
[deployments.claude]
provider = "anthropic"
api_key = "${KEY}"
model = "claude-x"
zone = "cloud"
drops = ["temperature"]
reasoning_field = "budget_tokens"
"""

    async def use() -> tuple[frozenset[str], str | None]:
        settings = load(text, {"KEY": "sk-not-a-key"})
        opened = await station.open_station(settings, Paths(config=tmp_path, data=tmp_path, models=tmp_path))
        try:
            backend = opened.dispatcher.plant.backends["claude"]
            assert isinstance(backend, HttpBackend)
            return backend.profile.drops, backend.profile.reasoning_field
        finally:
            await opened.aclose()

    drops, field = asyncio.run(use())
    assert "temperature" in drops
    assert field == "budget_tokens"


def test_a_budget_for_a_key_that_nobody_has_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_ledger(tmp_path / "ledger.db") as ledger:
        alice, _ = keys.create(ledger, "alice")
    text = f'[budgets.team]\nusd = 1\nkeys = ["alice", "{alice.id}", "bob"]\n[budgets.all]\nusd = 9\n'

    async def use() -> None:
        await (
            await station.open_station(load(text, {}), Paths(config=tmp_path, data=tmp_path, models=tmp_path))
        ).aclose()

    asyncio.run(use())
    assert [row.getMessage() for row in caplog.records] == [
        f"budgets.team counts nothing for 'alice': no key has that id; the id of alice is {alice.id}",
        "budgets.team counts nothing for 'bob': no key has that id; `crossover keys list` shows ids",
    ]


PAID = """
[zones.cloud]
operator = "provider"
party = "openai"
[deployments.plain]
provider = "openai"
api_key = "${KEY}"
model = "gpt-4o-mini"
zone = "cloud"
[deployments.flex]
provider = "openai"
api_key = "${KEY}"
model = "gpt-4o-mini"
zone = "cloud"
options = { service_tier = "flex" }
"""


def test_a_tier_that_a_client_asks_for_cannot_change_the_price(tmp_path: Path) -> None:
    async def use() -> tuple[HttpBackend, HttpBackend]:
        opened = await station.open_station(
            load(PAID, {"KEY": "sk-not-a-key"}), Paths(config=tmp_path, data=tmp_path, models=tmp_path)
        )
        try:
            plain, flex = (opened.dispatcher.plant.backends[name] for name in ("plain", "flex"))
            assert isinstance(plain, HttpBackend)
            assert isinstance(flex, HttpBackend)
            return plain, flex
        finally:
            await opened.aclose()

    plain, flex = asyncio.run(use())
    tree = {"model": "x", "messages": [{"role": "user", "content": "hi"}], "service_tier": "priority"}
    sent = openai.write_request(openai.read_request(tree), plain.profile)
    assert b"priority" not in sent.body
    assert sent.dropped == ("service_tier",)
    sent = openai.write_request(openai.read_request(tree), flex.profile)
    assert b'"service_tier":"flex"' in sent.body
    assert b"priority" not in sent.body


def test_another_day_brings_another_plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use() -> None:
        opened = await station.open_station(
            load(PAID, {"KEY": "sk-not-a-key"}), Paths(config=tmp_path, data=tmp_path, models=tmp_path)
        )
        before, tomorrow, turns = opened.dispatcher.plant, opened.day + dt.timedelta(days=1), 0

        async def no_waiting(_seconds: float) -> None:
            nonlocal turns
            turns += 1
            if turns > 2:
                raise asyncio.CancelledError

        try:
            monkeypatch.setattr(station, "_today", lambda: tomorrow)
            monkeypatch.setattr("crossover.runtime.station.asyncio.sleep", no_waiting)
            with pytest.raises(asyncio.CancelledError):
                await opened.watch_engines()
            assert opened.day == tomorrow
            assert opened.dispatcher.plant is not before
        finally:
            monkeypatch.undo()
            await opened.aclose()

    asyncio.run(use())


def test_an_embedded_engine_answers_nobody_but_its_gateway(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    text = '[zones.here]\noperator = "own"\n[deployments.tiny]\nprovider = "embedded"\n'
    text += 'model = "crossover-tiny"\nzone = "here"\n'

    async def use() -> tuple[int, str]:
        opened = await station.open_station(load(text, {}), Paths(config=tmp_path, data=tmp_path, models=tmp_path))
        try:
            place = endpoint(opened.inside.address(opened.settings.deployments["tiny"]))
            body = b'{"messages":[{"role":"user","content":"classify: hello"}]}'
            asked = head(place, "POST", "/chat/completions", (("content-type", "application/json"),))
            with await opened.transport.send(place, asked, body, Timeouts()) as reply:
                await reply.read()
            request = openai.read_request({"model": "tiny", "messages": [{"role": "user", "content": "classify: hi"}]})
            return reply.status, (await opened.dispatcher.complete(request)).text
        finally:
            await opened.aclose()

    status, answer = asyncio.run(use())
    assert status == 401
    assert answer
