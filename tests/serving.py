"""A gateway and fakes behind it for tests of clients and commands: on a loop of their own, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from crossover.config import Paths
from crossover.config.load import load
from crossover.ledger import queries
from crossover.ledger.store import open_ledger
from crossover.ledger.words import Record
from crossover.runtime.serve import Open, serve

T = TypeVar("T")
LONGEST_S = 60.0  # what waits for ever fails instead

PRICED = "price = { input = 2, output = 8 }"  # dollars per million tokens


def config(url: str, *, more: str = "", deployment: str = "") -> str:
    """A crossover.toml: one API at ``url``, the aliases ``auto`` and ``embed``."""
    return f"""
[server]
port = 0
[zones.own]
operator = "own"
[zones.cloud]
operator = "provider"
party = "someone"
[deployments.api]
provider = "openai-compatible"
model = "the-model"
zone = "cloud"
base_url = "{url}/v1"
{PRICED}
{deployment}
[retries]
attempts = 1
[aliases.auto]
deployments = ["api"]
[aliases.embed]
deployments = ["api"]
{more}
"""


def run(work: Coroutine[Any, Any, None]) -> None:
    """An asynchronous test."""
    asyncio.run(asyncio.wait_for(work, LONGEST_S))


@asynccontextmanager
async def gateway(folder: Path, text: str) -> AsyncIterator[Open]:
    """A gateway with this configuration; its ledger is ``gateway.db`` in the folder."""
    stop = asyncio.Event()
    opened: asyncio.Future[Open] = asyncio.get_running_loop().create_future()
    paths = Paths(config=folder, data=folder, models=folder)
    loaded = load(text, {})
    task = asyncio.create_task(serve(loaded, paths, ledger=folder / "gateway.db", on_open=opened.set_result, stop=stop))
    task.add_done_callback(lambda done: opened.cancel() if not opened.done() else None)
    try:
        yield await opened
    except asyncio.CancelledError:
        await task  # why it could not be opened
        raise
    finally:
        stop.set()
        await task


@contextmanager
def in_thread(make: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[tuple[T, asyncio.AbstractEventLoop]]:
    """What ``make`` makes, entered on a loop in a thread of its own, and that loop."""
    ready = threading.Event()
    found: list[Any] = []

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            async with make() as made:
                found.append((made, loop, stop))
                ready.set()
                await stop.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    assert ready.wait(LONGEST_S)
    assert found, "it could not be started"
    made, loop, stop = found[0]
    try:
        yield made, loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(LONGEST_S)


def rows(file: Path) -> list[Record]:
    """Everything in a ledger, in the order of its commits."""
    with open_ledger(file, readonly=True) as book:
        return list(queries.records(book, 0.0, 4e9))
