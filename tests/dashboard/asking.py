"""A browser without a window: asks the pages in this process, with or without the token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from crossover.dashboard.session import new_lock
from crossover.dashboard.words import Live
from crossover.runtime.dashboard import Book, pages
from tests.dashboard import parts

BASE = "http://127.0.0.1:4001"
ORIGIN = {"origin": BASE}


class Visit:
    """What a test asks with, and what it asks."""

    def __init__(self, client: httpx.AsyncClient, gate: parts.Standing, token: str) -> None:
        self.client, self.gate, self.token = client, gate, token

    async def text(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text[-500:]
        return answer.text

    async def post(self, path: str, **fields: str) -> httpx.Response:
        return await self.client.post(path, data=fields, headers=ORIGIN)


@asynccontextmanager
async def visit(book: Book, *, live: Live | None = None, known: bool = True) -> AsyncIterator[Visit]:
    lock, token = new_lock()
    gate = parts.Standing(live)
    app = pages(book, gate, lambda: lock, 4001)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        made = Visit(client, gate, token)
        if known:
            assert (await made.post("/login", token=token)).status_code == 303
        yield made


def asked(path: Path, do: Callable[[Visit], Coroutine[Any, Any, None]], **facts: Any) -> None:
    """Run a test with the pages of a ledger; ``live`` and ``known`` are those of :func:`visit`."""
    live, known = facts.pop("live", None), facts.pop("known", True)

    async def work() -> None:
        async with visit(parts.book(path, **facts), live=live, known=known) as made:
            await do(made)

    asyncio.run(work())
