"""The exact server: what it answers, in what order, and that it survives nonsense. Its times are the benchmark's."""

from __future__ import annotations

import asyncio
import json

from crossover.loadtest.exact import BESIDE, Exact, ExactServer
from crossover.loadtest.targets import Direct
from crossover.transport import Transport
from tests.loadtest.test_targets import ASK, asked, backend, work


async def said(url: str, body: bytes) -> bytes:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    writer.write(head + body)
    writer.write_eof()
    data = await reader.read()
    writer.close()
    return data


def test_it_answers_as_many_tokens_as_were_asked_for() -> None:
    async def whole() -> bytes:
        async with ExactServer(Exact(ttft_s=0, itl_s=0)) as server:
            body = {"messages": [{"role": "user", "content": "a b"}], "max_tokens": 3}
            return await said(server.url, json.dumps(body).encode())

    data = asyncio.run(whole())
    assert data.startswith(b"HTTP/1.1 200")
    assert data.count(b'" word"') == 3
    assert f'"prompt_tokens":{BESIDE + 2}'.encode() in data
    assert data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_nonsense_is_refused() -> None:
    async def whole(body: bytes) -> bytes:
        async with ExactServer(Exact()) as server:
            return await said(server.url, body)

    for body in (b"{", b"[]", b'{"messages": 5}', b'{"messages": [], "max_tokens": "many"}'):
        assert asyncio.run(whole(body)).startswith(b"HTTP/1.1 400")


def test_a_client_that_leaves_gives_its_place_back() -> None:
    async def one(transport: Transport) -> None:
        async with ExactServer(Exact(ttft_s=3600, slots=1)) as server:
            target = Direct(backend(transport, server.url))
            tasks = [asyncio.create_task(asked(target, ASK)) for _ in range(3)]
            while (server.busy, len(server.waiting)) != (1, 2):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            while server.busy:
                await asyncio.sleep(0)

    work(one)
