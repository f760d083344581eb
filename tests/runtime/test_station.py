"""A station: what is kept and for how long, and what a deployment says of its model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from crossover.config import Paths
from crossover.config.load import load
from crossover.ledger import keys
from crossover.ledger.store import open_ledger
from crossover.providers.http import HttpBackend
from crossover.runtime import station
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
