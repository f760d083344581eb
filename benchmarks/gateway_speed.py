"""What one request costs in the gateway beyond the operating system: no socket, no disk, one thread.

    python benchmarks/gateway_speed.py [--profile | --instructions]

A request of 1 kB and one of 20 kB go through the real HTTP door, dispatcher, provider, dialect and price list; only the
two sockets and the ledger's file are left out, and detection is off. Printed: microseconds a request (the best of many
rounds, so that other work on the machine counts little) and its ratio to decoding and encoding the same JSON once, the
floor of any gateway. On a machine that others use, seconds swing by half and more; ``--instructions`` counts the
instructions of a request with valgrind's callgrind instead, and they repeat within half a percent.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import pstats
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import msgspec

from crossover.config import Paths
from crossover.config.load import load
from crossover.gateway.app import Gateway
from crossover.gateway.http import Connection, Limits
from crossover.ledger.words import Record
from crossover.runtime.serve import access
from crossover.runtime.station import Station, open_station

SETTINGS = """
[privacy]
profile = "off"
[zones.up]
operator = "provider"
party = "somebody"
[deployments.mock-model]
provider = "openai-compatible"
base_url = "http://127.0.0.1:9/v1"
api_key = "${KEY}"
model = "mock-model"
zone = "up"
[deployments.mock-model.price]
input = 2.5
output = 10
"""
WORDS = (
    "the quarterly report shows that customers ordered twice as many units while costs fell and tickets rose " * 3
).split()
COUNTED, REQUESTS = "--counted", 500
ROUNDS, EACH = (2, 100) if COUNTED in sys.argv else (40, 100)


def body(size: int) -> bytes:
    """A chat request of about so many bytes, as an SDK sends it."""
    chance = random.Random(size)

    def text(length: int) -> str:
        return " ".join(chance.choice(WORDS) for _ in range(length // 6))

    count = 1 if size < 5000 else 7
    messages = [{"role": "system", "content": text(260)}]
    messages += [{"role": ("user", "assistant")[n % 2], "content": text((size - 400) // count)} for n in range(count)]
    return msgspec.json.encode({"model": "mock-model", "messages": messages, "temperature": 0.2, "max_tokens": 256})


def answer() -> bytes:
    """An answer as hosted APIs send it."""
    message = {"role": "assistant", "content": " ".join(WORDS[:70]), "refusal": None}
    return msgspec.json.encode(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1750000000,
            "model": "mock-model",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 250, "completion_tokens": 100, "total_tokens": 350},
        }
    )


class Reply:
    """What the transport would give."""

    status = 200

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def header(self, _name: bytes) -> str:
        """The only one that is looked at."""
        return "application/json"

    async def read(self, _limit: int | None = None) -> bytes:
        """The whole answer."""
        return self._data

    def close(self) -> None:
        """Nothing is open."""


class Wire:
    """The client's side: takes what is written and says so."""

    def __init__(self) -> None:
        self.written = asyncio.get_running_loop().create_future()

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        """This machine."""
        return ("127.0.0.1", 1)

    def is_closing(self) -> bool:
        """It stays."""
        return False

    def write(self, data: bytes) -> None:
        """An answer."""
        if not self.written.done():
            self.written.set_result(data)


async def counted(once: Callable[[], Awaitable[bytes]]) -> None:
    """Let callgrind, in which this process runs, count a number of requests and nothing else."""
    for switch in ("on", "off"):
        subprocess.run(["callgrind_control", "-i", switch, str(os.getpid())], check=True, capture_output=True)
        if switch == "on":
            for _ in range(REQUESTS):
                await once()


def instructions() -> None:
    """Run this file again inside callgrind and print what a request took."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        wrapped = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", sys.executable]
        subprocess.run([*wrapped, __file__, COUNTED], check=True, capture_output=True)
        totals = [line for line in out.read_text().splitlines() if line.startswith("totals:")]
    print(f"   995 bytes  {int(totals[-1].split()[1]) / REQUESTS:,.0f} instructions")


async def measure(station: Station, size: int, profile: bool) -> None:
    """Print one row."""
    data = answer()

    async def send(*_: object, **__: object) -> Reply:
        return Reply(data)

    def drop(_record: Record) -> None:
        pass

    cast("Any", station.transport).send = send
    cast("Any", station.writer).append = drop
    gateway = Gateway(
        station.dispatcher,
        access(station.settings, station),
        metrics=station.metrics,
        tick=time.monotonic,
        ready=station.ready,
        started=0,
    )
    connection = Connection(gateway, Limits(), set(), lambda: b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n")
    wire = Wire()
    connection.connection_made(cast("Any", wire))
    asked = body(size)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nContent-Type: application/json\r\n"
    request = head + b"Authorization: Bearer xo-1\r\nContent-Length: %d\r\n\r\n%b" % (len(asked), asked)
    loop = asyncio.get_running_loop()

    async def once() -> bytes:
        wire.written = loop.create_future()
        connection.data_received(request)
        return cast("bytes", await wire.written)

    first = await once()
    assert first.startswith(b"HTTP/1.1 200"), first
    best = floor = float("inf")
    for _ in range(ROUNDS):
        start = time.thread_time()
        for _ in range(EACH):
            await once()
        middle = time.thread_time()
        for _ in range(EACH):
            msgspec.json.encode(msgspec.json.decode(asked))
            msgspec.json.decode(data)
        best, floor = min(best, middle - start), min(floor, time.thread_time() - middle)
    ratio = f"{best / floor:5.1f} × its JSON alone ({floor / EACH * 1e6:.1f} µs)"
    print(f"{len(asked):>6} bytes  {best / EACH * 1e6:7.1f} µs   {ratio}")
    if COUNTED in sys.argv:
        await counted(once)
    if profile:
        profiler = cProfile.Profile()
        profiler.enable()
        for _ in range(3000):
            await once()
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)


async def main() -> None:
    """Measure both sizes."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        loaded = load(SETTINGS, {"KEY": "sk-not-a-key"})
        station = await open_station(loaded, Paths(config=place, data=place, models=place))
        try:
            for size in (1000,) if COUNTED in sys.argv else (1000, 20_000):
                await measure(station, size, "--profile" in sys.argv and size == 1000)
        finally:
            await station.aclose()


if __name__ == "__main__":
    if "--instructions" in sys.argv:
        instructions()
    else:
        asyncio.run(main())
