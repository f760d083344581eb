"""What a call to a model costs this process: the transport beside a bare protocol, and aiohttp where it is installed.

    python benchmarks/transport_speed.py [--calls 10000] [--repeats 5] [--loop uvloop]

A tiny raw server runs in a process of its own on loopback. Measured is processor time of the client's process, user
and system, per buffered call (1 kB asked, 1 kB answered, one connection) and per streamed chunk (200 bytes in a chunk
of its own, each asked for by a byte on another connection, which every client pays alike). The bare protocol parses
nothing: it is the event loop and the kernel, the floor. Runs are interleaved and the least counts. "Above the floor"
is what the transport itself costs.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe
from typing import TypeAlias, cast

from crossover.deployment import Timeouts
from crossover.transport import Transport, endpoint, head

BARS = {"buffered": 18.0, "streamed": 8.0}
HEADERS = (
    b"HTTP/1.1 200 OK\r\ndate: Mon, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\ncontent-type: application/json\r\n"
    b"x-request-id: 0123456789abcdef\r\nx-ratelimit-remaining-requests: 9999\r\nx-ratelimit-remaining-tokens: 99999\r\n"
    b"openai-processing-ms: 123\r\nstrict-transport-security: max-age=31536000\r\n"
)
ANSWER = HEADERS + b"content-length: 1024\r\n\r\n" + b"a" * 1024
CHUNK = b"c8\r\n" + b"data: " + b"b" * 192 + b"\n\n" + b"\r\n"
CHUNKS = 500  # in a stream
STREAMS = 4  # in a repeat
BODY = b"{" + b" " * 1022 + b"}"
SAID = [("content-type", "application/json"), ("authorization", "Bearer sk-0123456789")]

Calls: TypeAlias = Callable[[int, int], Awaitable[float]]
Stream: TypeAlias = Callable[[int, Callable[[], None]], Awaitable[float]]


class Server(asyncio.Protocol):
    """Answers /b whole and /s in chunks: one for every dot that comes on any other connection."""

    def __init__(self, streams: list[asyncio.Transport]) -> None:
        self.streams = streams
        self.sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if data == b".":
            self.sent += 1
            self.streams[-1].write(CHUNK if self.sent % (CHUNKS + 1) else b"0\r\n\r\n")
        elif data.startswith(b"POST /s"):
            self.streams.append(self.transport)
            self.transport.write(HEADERS + b"transfer-encoding: chunked\r\n\r\n")
        elif data.endswith(b"}"):  # a request of this benchmark ends with its body's brace
            self.transport.write(ANSWER)


def serve(pipe: Pipe, use_uvloop: bool) -> None:
    streams: list[asyncio.Transport] = []

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Server(streams), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    run(main(), use_uvloop)


def run(work: Awaitable[None], use_uvloop: bool) -> None:
    async def main() -> None:
        await work

    if use_uvloop:
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())


class Bare(asyncio.Protocol):
    """Counts bytes: the cheapest client there can be."""

    waiter: asyncio.Future[None] | None = None
    got = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.got += len(data)
        if self.waiter is not None:
            self.waiter.set_result(None)
            self.waiter = None

    async def until(self, count: int) -> None:
        while self.got < count:
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter
        self.got = 0


async def connect(port: int) -> Bare:
    return (await asyncio.get_running_loop().create_connection(Bare, "127.0.0.1", port))[1]


def request(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(BODY)}\r\n\r\n".encode() + BODY


async def bare_calls(port: int, calls: int) -> float:
    client, data = await connect(port), request("/b")
    begin = time.process_time()
    for _ in range(calls):
        client.transport.write(data)
        await client.until(len(ANSWER))
    spent = time.process_time() - begin
    client.transport.close()
    return spent


async def bare_stream(port: int, more: Callable[[], None]) -> float:
    client = await connect(port)
    client.transport.write(request("/s"))
    await client.until(len(HEADERS))
    client.got = 0
    begin = time.process_time()
    for _ in range(CHUNKS):
        more()
        await client.until(len(CHUNK))
    spent = time.process_time() - begin
    more()
    client.transport.close()
    return spent


async def our_calls(port: int, calls: int) -> float:
    transport, place, timeouts = Transport(), endpoint(f"http://127.0.0.1:{port}"), Timeouts()
    start = head(place, "POST", "/b", SAID)
    begin = time.process_time()
    for _ in range(calls):
        reply = await transport.send(place, start, BODY, timeouts)
        await reply.read()
    spent = time.process_time() - begin
    await transport.aclose()
    return spent


async def our_stream(port: int, more: Callable[[], None]) -> float:
    transport, place = Transport(), endpoint(f"http://127.0.0.1:{port}")
    reply = await transport.send(place, head(place, "POST", "/s", SAID), BODY, Timeouts())
    begin = time.process_time()
    for _ in range(CHUNKS):
        more()
        await reply.piece()
    spent = time.process_time() - begin
    more()
    await transport.aclose()
    return spent


async def other_calls(port: int, calls: int) -> float:
    aiohttp = importlib.import_module("aiohttp")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600, sock_read=30)) as session:
        begin: float = time.process_time()
        for _ in range(calls):
            async with session.post(f"http://127.0.0.1:{port}/b", data=BODY) as answer:
                await answer.read()
        return time.process_time() - begin


async def other_stream(port: int, more: Callable[[], None]) -> float:
    aiohttp = importlib.import_module("aiohttp")
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600, sock_read=30)) as session,
        session.post(f"http://127.0.0.1:{port}/s", data=BODY) as answer,
    ):
        begin: float = time.process_time()
        for _ in range(CHUNKS):
            more()
            await answer.content.readany()
        spent = time.process_time() - begin
        more()
        return spent


CLIENTS: dict[str, tuple[Calls, Stream]] = {
    "bare protocol": (bare_calls, bare_stream),
    "transport": (our_calls, our_stream),
    "aiohttp": (other_calls, other_stream),
}


async def measure(port: int, calls: int, repeats: int) -> None:
    pacer = await connect(port)
    names = [name for name in CLIENTS if name != "aiohttp" or importlib.util.find_spec("aiohttp")]
    best = {name: [float("inf"), float("inf")] for name in names}
    for _ in range(repeats):
        for name in names:
            best[name][0] = min(best[name][0], await CLIENTS[name][0](port, calls) / calls * 1e6)
        for _ in range(STREAMS):
            for name in names:
                spent = await CLIENTS[name][1](port, lambda: pacer.transport.write(b"."))
                best[name][1] = min(best[name][1], spent / CHUNKS * 1e6)
    pacer.transport.close()
    report(best)


def report(best: dict[str, list[float]]) -> None:
    print(f"{'':16s}{'buffered call, µs':>20s}{'streamed chunk, µs':>20s}")
    floor = best["bare protocol"]
    for name, (buffered, streamed) in best.items():
        print(f"{name:16s}{buffered:11.1f} ({buffered / floor[0]:4.1f}x){streamed:12.1f} ({streamed / floor[1]:4.1f}x)")
    over = [mine - low for mine, low in zip(best["transport"], floor, strict=True)]
    verdicts = ["within" if over[i] <= bar else "above" for i, bar in enumerate(BARS.values())]
    print(
        f"above the floor: {over[0]:.1f} µs per call ({verdicts[0]} the bar of {BARS['buffered']:g}), "
        f"{over[1]:.1f} µs per chunk ({verdicts[1]} the bar of {BARS['streamed']:g})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    said = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(there, said.loop == "uvloop"), daemon=True
    )
    server.start()
    try:
        run(measure(here.recv(), said.calls, said.repeats), said.loop == "uvloop")
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
