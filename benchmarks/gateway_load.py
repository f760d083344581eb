"""The gateway as a process under load: start, memory, CPU a request and a chunk, latency added, growth.

    python benchmarks/gateway_load.py [--requests 200000]

A mock of a hosted API, the gateway and a *relay* (the same sockets and parser, no logic at all) each run as a process
of their own; the load comes from this one. CPU is read from the kernel's accounting of the whole process, so ratios to
the relay hold on a busy machine where seconds do not. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import httptools
import uvloop

HERE = Path(__file__).resolve()
TICKS = os.sysconf("SC_CLK_TCK")
TEXT = "the quick brown fox jumps over a lazy dog " * 9
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1750000000,
        "model": "mock",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 250, "completion_tokens": 100, "total_tokens": 350},
    }
).encode()
CHUNKS = 200
SETTINGS = """
[zones.up]
operator = "provider"
party = "mock"
[deployments.mock]
provider = "openai-compatible"
base_url = "http://127.0.0.1:{up}/v1"
api_key = "${{KEY}}"
model = "mock"
zone = "up"
price = {{ input = 2.5, output = 10 }}
[deployments.claude]
provider = "anthropic"
base_url = "http://127.0.0.1:{up}/v1"
api_key = "${{KEY}}"
model = "mock"
zone = "up"
price = {{ input = 2.5, output = 10 }}
"""


# ------------------------------------------------------------------------------------------------ servers to measure by


class Server(asyncio.Protocol):
    """An HTTP server that answers every POST: a mock API, or a relay to one."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.body: list[bytes] = []
        self.path = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.path = url

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        body, self.body = b"".join(self.body), []
        self.answer(body)

    def answer(self, body: bytes) -> None:
        """The mock: a whole answer, or a stream in the dialect of the path, one event every few milliseconds."""
        if b'"stream":true' in body or b'"stream": true' in body:
            self.task = asyncio.get_running_loop().create_task(self.stream(b"messages" in self.path))
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)
        self.transport.write(head + ANSWER)

    async def stream(self, anthropic: bool) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.transport.write(head)
        events = anthropic_events() if anthropic else openai_events()
        for event in events:
            self.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
            await asyncio.sleep(0.004)
        self.transport.write(b"0\r\n\r\n")


def openai_events() -> list[bytes]:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "mock"}

    def event(choices: list[Any], **more: Any) -> bytes:
        return b"data: %b\n\n" % json.dumps({**base, "choices": choices, **more}).encode()

    piece = [{"index": 0, "delta": {"content": " word"}, "logprobs": None, "finish_reason": None}]
    usage = {"prompt_tokens": 9, "completion_tokens": CHUNKS, "total_tokens": 9 + CHUNKS}
    return [
        *[event(piece)] * CHUNKS,
        event([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
        event([], usage=usage) + b"data: [DONE]\n\n",
    ]


def anthropic_events() -> list[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())

    message: dict[str, Any] = {"id": "m", "type": "message", "role": "assistant", "model": "mock", "content": []}
    start = event("message_start", message={**message, "usage": {"input_tokens": 9, "output_tokens": 1}})
    block = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    piece = event("content_block_delta", index=0, delta={"type": "text_delta", "text": " word"})
    end = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": CHUNKS})
    return [start + block, *[piece] * CHUNKS, event("content_block_stop", index=0), end + event("message_stop")]


class Relay(Server):
    """Passes whole requests on and answers back, byte for byte: what any gateway must do at least."""

    upstream = 0
    idle: list[Any] = []  # noqa: RUF012

    def answer(self, body: bytes) -> None:
        self.task = asyncio.get_running_loop().create_task(self.relay(body))

    async def relay(self, body: bytes) -> None:
        if self.idle:
            behind = self.idle.pop()
        else:
            _, behind = await asyncio.get_running_loop().create_connection(Behind, "127.0.0.1", self.upstream)
        behind.front = self
        behind.transport.write(
            b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (self.path, len(body), body)
        )


class Behind(asyncio.Protocol):
    """The relay's other side."""

    front: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        front = self.front
        self.parser.feed_data(data)
        front.transport.write(data)

    def on_message_complete(self) -> None:
        self.front = None
        self.parser = httptools.HttpResponseParser(self)
        Relay.idle.append(self)


async def listen(kind: type[Server], port: int) -> None:
    server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# ---------------------------------------------------------------------------------------------------------------- load


class Client(asyncio.Protocol):
    """One keep-alive connection that asks and waits."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.done: asyncio.Future[None] | None = None
        self.first = 0.0

    def data_received(self, data: bytes) -> None:
        if not self.first and (b"word" in data or b"chatcmpl" in data):
            self.first = time.perf_counter()
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        assert self.done is not None
        assert self.parser.get_status_code() == 200
        self.done.set_result(None)

    async def ask(self, request: bytes) -> tuple[float, float]:
        """Seconds to the first word and to the end."""
        self.parser = httptools.HttpResponseParser(self)
        self.done, self.first = asyncio.get_running_loop().create_future(), 0.0
        start = time.perf_counter()
        self.transport.write(request)
        await self.done
        return self.first - start, time.perf_counter() - start


async def clients(port: int, count: int) -> list[Client]:
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Client, "127.0.0.1", port))[1] for _ in range(count)]


def request(model: str, *, size: int = 1000, stream: bool = False) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": (TEXT * 60)[: size - 80]}], "max_tokens": 256}
    if stream:
        body |= {"stream": True}
    data = json.dumps(body).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return head + b"Authorization: Bearer xo-x\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)


async def closed(port: int, data: bytes, requests: int, at_once: int = 32) -> None:
    """So many requests, each connection asking again as soon as it is answered."""
    left = requests

    async def work(client: Client) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await client.ask(data)
        client.transport.close()

    await asyncio.gather(*(work(client) for client in await clients(port, at_once)))


async def paced(port: int, data: bytes, rate: float, seconds: float) -> list[tuple[float, float]]:
    """Requests at a fixed rate, whatever the answers do."""
    pool = await clients(port, 24)
    found: list[tuple[float, float]] = []

    async def one() -> None:
        client = pool.pop()
        found.append(await client.ask(data))
        pool.append(client)

    start, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        if pool:
            tasks.append(asyncio.ensure_future(one()))
    await asyncio.gather(*tasks)
    for client in pool:
        client.transport.close()
    return found


# ------------------------------------------------------------------------------------------------------------ measuring


def cpu(pid: int) -> float:
    """Seconds of processor time, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> float:
    """Proportional set size in MB."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("Pss:")) / 1024


@contextlib.asynccontextmanager
async def process(*words: str, env: dict[str, str] | None = None) -> AsyncIterator[tuple[int, int]]:
    """(pid, port) of a part of this file run as a process of its own."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE), *words, stdout=subprocess.PIPE, env={**os.environ, **(env or {})}
    )
    assert started.stdout is not None
    port = int(await started.stdout.readline())
    try:
        yield started.pid, port
    finally:
        started.terminate()
        await started.wait()


@contextlib.asynccontextmanager
async def gateway(up: int) -> AsyncIterator[tuple[int, int, float]]:
    """(pid, port, seconds from the start to the first answer of /ready)."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "crossover.toml"
        file.write_text(SETTINGS.format(up=up))
        start = time.perf_counter()
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "crossover", "serve", "-c", str(file), "--port", "0",
            stdout=subprocess.PIPE, env={**os.environ, "KEY": "sk-mock", "CROSSOVER_HOME": folder},
        )  # fmt: skip
        assert started.stdout is not None
        port = 0
        while not port:
            line = (await started.stdout.readline()).decode()
            assert line, "the gateway did not start"
            if line.startswith("Crossover serves"):
                port = int(line.rpartition(":")[2].split("/")[0])
        ready = time.perf_counter() - start
        try:
            yield started.pid, port, ready
        finally:
            started.terminate()
            await started.wait()


async def spent(pid: int, work: Awaitable[object], count: int) -> float:
    """Microseconds of processor time for one of ``count``."""
    before = cpu(pid)
    await work
    return (cpu(pid) - before) / count * 1e6


def import_seconds(module: str) -> float:
    """Seconds to import it in a new process, the interpreter's own start taken off."""

    def once(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    return min(once(f"import {module}") for _ in range(5)) - min(once("pass") for _ in range(5))


async def main(requests: int) -> None:
    print(f"import of the client: {import_seconds('crossover.client'):.2f} s (bar 0.4)")
    async with (
        process("upstream") as (_, up),
        process("relay", str(up)) as (relay_pid, relay_port),
        gateway(up) as (pid, port, ready),
    ):
        print(f"start to ready: {ready:.2f} s (bar 1.5); idle memory {memory(pid):.0f} MB (bar 90)")
        await closed(port, request("mock"), 2000)
        for size, bar in ((1000, 100), (20_000, 170)):
            data = request("mock", size=size)
            ours, floor = [], []
            for _ in range(3):  # interleaved, so that a slow minute hits both
                ours.append(await spent(pid, closed(port, data, 5000), 5000))
                floor.append(await spent(relay_pid, closed(relay_port, data, 5000), 5000))
            mine, least = statistics.median(ours), statistics.median(floor)
            ratio = f"{mine / least:.1f} × the relay's {least:.0f}"
            print(f"CPU a request of {size:,} bytes: {mine:.0f} µs (bar {bar}), {ratio}")
        for model, bar in (("mock", 30), ("claude", 60)):
            data = request(model, stream=True)
            mine = await spent(pid, closed(port, data, 256, at_once=64), 256 * CHUNKS)
            print(f"CPU a streamed chunk, {model}: {mine:.1f} µs (bar {bar})")
        for name, data, part, limit in (
            ("latency added at 150/s, p50", request("mock"), 1, 0.5),
            ("first token added, p50", request("mock", stream=True), 0, 1.0),
        ):
            seconds = 6.0 if part else 3.0
            direct = await paced(up, data, 150 if part else 40, seconds)
            through = await paced(port, data, 150 if part else 40, seconds)
            added = statistics.median(row[part] for row in through) - statistics.median(row[part] for row in direct)
            print(f"{name}: {added * 1000:.2f} ms (bar {limit})")
        await closed(port, request("mock"), requests // 10)
        before = memory(pid)
        await closed(port, request("mock"), requests)
        grown = (memory(pid) - before) / (requests / 10_000)
        print(
            f"memory growth over {requests:,} requests: {grown:+.2f} MB per 10,000 (bar 1.05); now {memory(pid):.0f} MB"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["upstream"]:
        uvloop.run(listen(Server, 0))
    elif sys.argv[1:2] == ["relay"]:
        Relay.upstream = int(sys.argv[2])
        uvloop.run(listen(Relay, 0))
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--requests", type=int, default=200_000)
        uvloop.run(main(parser.parse_args().requests))
