"""What calling a provider costs beside writing, sending and reading the request: the backend's own share.

    python benchmarks/backend_speed.py [--calls 20000] [--repeats 9]

No socket and no parsing: transport and dialect are stand-ins that give back what they hold, so that what is left is
the backend. Measured is processor time of a call, and, interleaved, of the same stand-ins called without it. The least
of the repeats counts; the difference is the backend's own.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from crossover.chat import ChatChunk, ChatRequest, ChatResponse, Choice, Delta, Message, Text
from crossover.deployment import Timeouts
from crossover.providers.estimate import estimate_request, estimate_text
from crossover.providers.http import HttpBackend
from crossover.providers.registry import profile, provider
from crossover.transport import Transport, endpoint
from crossover.usage import Usage
from crossover.wire.words import Outgoing

BARS = {"buffered": 4.0, "chunk": 1.0}
PROMPT = "The quick brown fox jumps over the lazy dog. " * 23
REQUEST = ChatRequest(model="m", messages=(Message("user", (Text(PROMPT),)),))
PIECES = [b"data: word\n\n"] * 200
CHUNK = [ChatChunk(deltas=(Delta(text="word "),))]
LAST = [ChatChunk(usage=Usage(input=1, output=200), last=True)]
OUTGOING = Outgoing(path="/chat/completions", body=b"{}")
RESPONSE = ChatResponse(choices=(Choice(message=Message("assistant", (Text("word"),)), finish="stop"),))


class Reader:
    """Reads nothing."""

    def feed(self, _: bytes) -> list[ChatChunk]:
        return CHUNK

    def eof(self) -> list[ChatChunk]:
        return LAST


class Dialect:
    """Writes and reads nothing."""

    StreamReader = Reader

    def write_request(self, *_: object) -> Outgoing:
        return OUTGOING

    def read_response(self, _: bytes) -> ChatResponse:
        return RESPONSE


class Reply:
    """Answers from memory what a real reply would."""

    status = 200

    def __init__(self, body: bytes, pieces: list[bytes]) -> None:
        self._kind = "text/event-stream" if pieces else "application/json"
        self.body = body
        self.pieces = iter(pieces)

    def header(self, _name: bytes) -> str:
        """The only one that is looked at."""
        return self._kind

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def read(self) -> bytes:
        return self.body

    async def piece(self) -> bytes:
        return next(self.pieces, b"")

    def close(self) -> None:
        pass


class Memory:
    """A transport without a network."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    async def send(self, *_: object, **__: object) -> Reply:
        return Reply(b"", self.pieces)


def backend(pieces: list[bytes]) -> HttpBackend:
    row = provider("openai")
    place = endpoint("http://127.0.0.1:1/v1")
    made = HttpBackend(row, profile(row, "m"), place, cast(Transport, Memory(pieces)), secret="key")
    made._wire = cast(Any, Dialect())
    return made


async def each(calls: int, call: Callable[[], Awaitable[Any]]) -> float:
    begin = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - begin) / calls * 1e6


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=9)
    asked = parser.parse_args()
    plain, flowing = backend([]), backend(PIECES)
    bare, bare_flowing, timeouts, dialect = Memory([]), Memory(PIECES), Timeouts(), Dialect()

    async def without() -> None:
        outgoing = dialect.write_request(REQUEST, None)
        with await bare.send(b"", b"", outgoing.body, timeouts) as reply:
            dialect.read_response(await reply.read())

    async def with_it() -> None:
        await plain.complete(REQUEST)

    async def stream_without() -> None:
        dialect.write_request(REQUEST, None)
        reply = await bare_flowing.send()
        reader = Reader()
        while data := await reply.piece():
            for _ in reader.feed(data):
                pass

    async def stream_with_it() -> None:
        async for _ in flowing.stream(REQUEST):
            pass

    times: dict[str, list[float]] = {"without": [], "with": [], "stream without": [], "stream with": []}
    for _ in range(asked.repeats):
        times["without"].append(await each(asked.calls, without))
        times["with"].append(await each(asked.calls, with_it))
        times["stream without"].append(await each(asked.calls // len(PIECES), stream_without))
        times["stream with"].append(await each(asked.calls // len(PIECES), stream_with_it))
    least = {name: min(rows) for name, rows in times.items()}
    own = least["with"] - least["without"]
    own_chunk = (least["stream with"] - least["stream without"]) / len(PIECES)
    print(f"buffered: {least['with']:.1f} µs, without the backend {least['without']:.1f}: own {own:.1f} µs")
    print(f"  bar {BARS['buffered']} µs: {own / BARS['buffered']:.2f} of it")
    print(f"streamed: {least['stream with'] / len(PIECES):.2f} µs a chunk, own {own_chunk:.2f} µs")
    print(f"  bar {BARS['chunk']} µs: {own_chunk / BARS['chunk']:.2f} of it")
    for size in (1_000, 20_000):
        text = (PROMPT * 20)[:size]
        request = ChatRequest(model="m", messages=(Message("user", (Text(text),)),))
        begin = time.process_time()
        for _ in range(asked.calls):
            estimate_text(text)
        middle = time.process_time()
        for _ in range(asked.calls):
            estimate_request(request)
        end = time.process_time()
        one, two = (middle - begin) / asked.calls * 1e6, (end - middle) / asked.calls * 1e6
        print(f"estimate of {size} characters: text {one:.1f} µs, request {two:.1f} µs")


if __name__ == "__main__":
    asyncio.run(main())
