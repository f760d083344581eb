"""CPU that detection adds to a request through the real gateway: one never seen, and one seen before.

    python benchmarks/privacy_gateway.py

Chat requests of 1 kB go through the HTTP door, dispatcher, provider, dialect and price list as in
``gateway_speed.py`` (no socket, no ledger file), once with the shipped privacy and once with the profile ``off``, in
turns. Requests that were never seen are all different: prose and code as in ``privacy_speed.py``, clean. Printed: the
difference in processor time of one thread, between the best of many rounds each and between their medians.
"""

from __future__ import annotations

import asyncio
import random
import statistics
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
from crossover.privacy.detector import Detector, shipped
from crossover.runtime.serve import access
from crossover.runtime.station import Station, open_station
from gateway_speed import SETTINGS, Reply, Wire, answer
from privacy_speed import prompt

ROUNDS, EACH = 30, 40
OFF = '[privacy]\nprofile = "off"\n'  # how the other benchmark, whose settings these are, does without
BARS = {"never seen": 150, "seen before": 15}
Ask = Callable[[bytes], Awaitable[bytes]]


def clean(chance: random.Random, size: int, *, code: bool, look: Detector) -> str:
    """A text in which nothing is found: what is found is redacted as well, and that is another matter."""
    while look.scan(text := prompt(chance, size, code=code)):
        pass
    return text


def requests(seed: int, count: int, look: Detector) -> list[bytes]:
    """Whole HTTP requests of about 1 kB, none twice."""
    chance = random.Random(seed)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nContent-Type: application/json\r\n"
    found = []
    for number in range(count):
        messages = [
            {"role": role, "content": clean(chance, size, code=bool(number % 2), look=look)}
            for role, size in (("system", 240), ("user", 600))
        ]
        asked = msgspec.json.encode({"model": "mock-model", "messages": messages, "temperature": 0.2})
        found.append(head + b"Authorization: Bearer xo-1\r\nContent-Length: %d\r\n\r\n%b" % (len(asked), asked))
    return found


def door(station: Station) -> Ask:
    """A client's connection to a gateway behind which nothing but an answer stands."""
    data = answer()

    async def send(*_: object, **__: object) -> Reply:
        return Reply(data)

    cast("Any", station.transport).send = send
    cast("Any", station.writer).append = lambda _record: None
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

    async def ask(request: bytes) -> bytes:
        wire.written = asyncio.get_running_loop().create_future()
        connection.data_received(request)
        return cast("bytes", await wire.written)

    return ask


async def took(ask: Ask, some: list[bytes]) -> float:
    """Microseconds of processor time a request."""
    before = time.thread_time()
    for request in some:
        given = await ask(request)
        assert given.startswith(b"HTTP/1.1 200"), given
    return (time.thread_time() - before) / len(some) * 1e6


async def main() -> None:
    """Measure in turns, print the differences."""
    with tempfile.TemporaryDirectory() as folder:
        stations = []
        doors: dict[str, Ask] = {}
        for name, settings in (("with", SETTINGS.replace(OFF, "")), ("off", SETTINGS)):
            place = Path(folder) / name
            place.mkdir()
            loaded = load(settings, {"KEY": "sk-not-a-key"})
            stations.append(await open_station(loaded, Paths(config=place, data=place, models=place)))
            doors[name] = door(stations[-1])
        try:
            look = shipped()
            for ask in doors.values():
                await took(ask, requests(1, 600, look))
            times: dict[tuple[str, str], list[float]] = {}
            for number in range(ROUNDS):
                new = requests(1000 + number, EACH, look)
                for sort in BARS:  # the second time they were seen
                    for name, ask in doors.items():
                        times.setdefault((sort, name), []).append(await took(ask, new))
        finally:
            for station in stations:
                await station.aclose()
    for sort, bar in BARS.items():
        best, median = (
            how(times[sort, "with"]) - how(times[sort, "off"])
            for how in (min, cast("Callable[[list[float]], float]", statistics.median))
        )
        said = "met" if best <= bar else "FALLS SHORT"
        print(f"added by detection, {sort:12} {best:7.1f} µs (medians {median:.1f})  bar ≤ {bar} µs  {said}")
    for name, said in (("with", "with detection"), ("off", "without")):
        whole = ", ".join(f"{min(times[sort, name]):.1f} µs {sort}" for sort in BARS)
        print(f"  a whole request {said}: {whole}")


if __name__ == "__main__":
    asyncio.run(main())
