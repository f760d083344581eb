"""The dashboard beside a gateway: a process of its own, started by the first visitor, that ends in order."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import pytest

from crossover.config.settings import DashboardSettings, ServerSettings, Settings
from crossover.errors import InputError
from crossover.ledger.store import open_ledger
from crossover.providers.answers import Answer
from crossover.providers.faulty import FaultyServer
from crossover.runtime import admin
from crossover.runtime.dashboard import listen, make_lock
from crossover.runtime.serve import Open
from tests.serving import config, gateway, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a socket is handed to another process")
ASKED = {"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}


class House(NamedTuple):
    opened: Open
    pages: httpx.AsyncClient
    door: httpx.AsyncClient

    async def sign_in(self, token: str) -> None:
        answer = await self.pages.post("/login", data={"token": token}, headers={"origin": self.opened.dashboard})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")

    async def post(self, path: str, **fields: str) -> httpx.Response:
        return await self.pages.post(path, data=fields, headers={"origin": self.opened.dashboard})

    async def ask(self) -> int:
        return (await self.door.post("/v1/chat/completions", json=ASKED)).status_code


@asynccontextmanager
async def house(folder: Path, more: str = "") -> AsyncIterator[House]:
    async with FaultyServer("openai", lambda _seen: Answer(text="Hello")) as upstream:
        text = config(upstream.url, more=more)
        async with (
            gateway(folder, text) as opened,
            httpx.AsyncClient(base_url=opened.dashboard, timeout=60) as pages,
            httpx.AsyncClient(base_url=opened.url, timeout=60) as door,
        ):
            yield House(opened, pages, door)


def test_the_pages_show_the_gateway_and_can_drain_it(tmp_path: Path) -> None:
    token = make_lock(tmp_path)

    async def work() -> None:
        async with house(tmp_path) as here:
            assert await here.ask() == 200
            assert (await here.pages.get("/")).status_code == 303
            await here.sign_in(token)
            page = (await here.pages.get("/deployments")).text
            assert "1 of 1 deployment can answer now" in page
            assert (await here.post("/deployments/api/drain", on="1")).status_code == 303
            assert await here.ask() == 503
            ready = await here.door.get("/ready")
            assert (ready.status_code, ready.json()["deployments"]) == (503, {"api": "drained"})
            assert "Use again" in (await here.pages.get("/deployments")).text
            assert (await here.post("/deployments/api/drain", on="0")).status_code == 303
            assert await here.ask() == 200
            assert (await here.post("/deployments/none/drain", on="1")).status_code == 409

    run(work())
    with open_ledger(tmp_path / "gateway.db", readonly=True) as ledger:
        found = [msgspec.json.decode(row[0]) for row in ledger.rows("SELECT entry FROM audit ORDER BY number")]
    actions = [one["action"] for one in found if one["action"].startswith("deployment")]
    assert actions == ["deployment drained", "deployment used again"]


def test_a_key_that_is_made_on_the_page_opens_the_gateway(tmp_path: Path) -> None:
    token = make_lock(tmp_path)

    async def work() -> None:
        async with house(tmp_path) as here:
            await here.sign_in(token)
            made = re.search(r"xo-[\w-]{43}", (await here.post("/keys", name="desk")).text)
            assert made is not None
            async with asyncio.timeout(30):
                while await here.ask() != 401:  # the gateway looks for new keys once a second
                    await asyncio.sleep(0.05)
            here.door.headers["authorization"] = f"Bearer {made[0]}"
            assert await here.ask() == 200

    run(work())


def test_pages_that_died_come_back_with_the_next_visitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "_AGAIN_S", 0.0)
    pids: list[int] = []
    start = asyncio.create_subprocess_exec

    async def noted(*words: object, **options: object) -> asyncio.subprocess.Process:
        process = await start(*words, **options)  # type: ignore[arg-type]
        pids.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)

    async def work() -> None:
        async with house(tmp_path) as here:
            assert not pids  # nobody came yet
            assert (await here.pages.get("/login")).status_code == 200
            os.kill(pids[0], signal.SIGKILL)
            async with asyncio.timeout(50):
                while len(pids) < 2:
                    with_luck = here.pages.get("/login")
                    try:
                        await with_luck
                    except httpx.TransportError:
                        await asyncio.sleep(0.05)
            assert (await here.pages.get("/login")).status_code == 200
            assert await here.ask() == 200

    run(work())
    for pid in pids:  # all have ended with the gateway
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_gateway_can_do_without(tmp_path: Path) -> None:
    async def work() -> None:
        async with FaultyServer("openai", lambda _seen: Answer(text="Hello")) as upstream:
            text = config(upstream.url, more="[dashboard]\nenabled = false\n")
            async with gateway(tmp_path, text) as opened:
                assert (opened.dashboard, opened.note) == ("", "")

    run(work())


def settings(port: int | None, server: int = 4000) -> Settings:
    return Settings(server=ServerSettings(port=server), dashboard=DashboardSettings(port=port))


def test_a_stated_port_that_is_taken_is_an_error_and_an_unstated_one_a_note() -> None:
    with listen(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as caught:
            admin.bind(settings(port), 4000)
        assert caught.value.field == "dashboard.port"
        listener, note = admin.bind(settings(None), port - 1)
        assert listener is None
        assert "no dashboard" in note


def test_a_free_port_is_taken_where_the_gateway_takes_one() -> None:
    listener, note = admin.bind(settings(None, server=0), 4000)
    assert listener is not None
    assert note == ""
    with listener:
        assert listener.getsockname()[0] == "127.0.0.1"
