"""What a call to a model costs this process: the transport beside a bare protocol, and aiohttp where it is installed.

    python benchmarks/transport_speed.py [--calls 10000] [--repeats 5] [--loop uvloop]

A tiny raw server runs in a process of its own on loopback. Measured is processor time of the client's process, user
and system, per buffered call (1 kB asked, 1 kB answered, one connection) and per streamed chunk (200 bytes in a chunk
of its own, sent one by one). The bare protocol parses nothing: it is the event loop and the kernel, the floor. Runs are
interleaved and the least counts. "Above the floor" is what the transport itself costs.
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
from typing import cast

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
CHUNKS = 500
BODY = b"{" + b" " * 1022 + b"}"
PAUSE_S = 0.0002  # between chunks, so that each arrives alone

Run = Callable[[str, int], Awaitable[float]]


class Server(asyncio.Protocol):
    """Answers /b whole and /s in chunks; knows that a request of this benchmark ends with its body's brace."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not data.endswith(b"}"):
            return
        if data.startswith(b"POST /s"):
            self.task = asyncio.ensure_future(self.stream())
        else:
            self.transport.write(ANSWER)

    async def stream(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport.write(HEADERS + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(CHUNKS):
            until = loop.time() + PAUSE_S
            while loop.time() < until:
                await asyncio.sleep(0)
            self.transport.write(CHUNK)
        self.transport.write(b"0\r\n\r\n")


def serve(pipe: Pipe, use_uvloop: bool) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
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
    left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.left -= len(data)
        if self.waiter is not None:
            self.waiter.set_result(None)
            self.waiter = None


async def bare(port: int, path: str, calls: int) -> float:
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(Bare, "127.0.0.1", port)
    request = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(BODY)}\r\n\r\n".encode() + BODY
    whole = len(ANSWER) if path == "/b" else len(HEADERS) + 30 + CHUNKS * len(CHUNK) + 5
    begin = time.process_time()
    for _ in range(calls):
        client.left = whole
        client.transport.write(request)
        while client.left > 0:
            client.waiter = loop.create_future()
            await client.waiter
    spent = time.process_time() - begin
    client.transport.close()
    return spent


async def ours(port: int, path: str, calls: int) -> float:
    transport = Transport()
    place = endpoint(f"http://127.0.0.1:{port}")
    start = head(place, "POST", path, [("content-type", "application/json"), ("authorization", "Bearer sk-0123456789")])
    timeouts = Timeouts()
    begin = time.process_time()
    for _ in range(calls):
        reply = await transport.send(place, start, BODY, timeouts)
        if path == "/b":
            await reply.read()
        else:
            while await reply.piece():
                pass
    spent = time.process_time() - begin
    await transport.aclose()
    return spent


async def other(port: int, path: str, calls: int) -> float:
    aiohttp = importlib.import_module("aiohttp")
    timeout = aiohttp.ClientTimeout(total=600, sock_connect=5, sock_read=30)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        begin: float = time.process_time()
        for _ in range(calls):
            async with session.post(f"http://127.0.0.1:{port}{path}", data=BODY) as answer:
                if path == "/b":
                    await answer.read()
                else:
                    async for _ in answer.content.iter_any():
                        pass
        return time.process_time() - begin


def clients() -> dict[str, Callable[[int, str, int], Awaitable[float]]]:
    found: dict[str, Callable[[int, str, int], Awaitable[float]]] = {"bare protocol": bare, "transport": ours}
    return {**found, "aiohttp": other} if importlib.util.find_spec("aiohttp") else found


async def measure(port: int, calls: int, repeats: int) -> None:
    print(f"{'':16s}{'buffered call, µs':>20s}{'streamed chunk, µs':>20s}")
    best = {name: [float("inf"), float("inf")] for name in clients()}
    for _ in range(repeats):
        for name, call in clients().items():
            best[name][0] = min(best[name][0], await call(port, "/b", calls) / calls * 1e6)
            streams = max(calls // CHUNKS // 2, 1)
            best[name][1] = min(best[name][1], await call(port, "/s", streams) / streams / CHUNKS * 1e6)
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
