"""A model server with exact latency, on a real socket: what a load test of known truth is made of.

::

    python -m crossover.loadtest.exact --ttft-ms 100 --itl-ms 20 [--slots 8] [--port 0]

It speaks OpenAI's chat completions as streams. The first piece of an answer comes ``ttft_s`` after the request, every
further one ``itl_s`` after the one before, one token each, as many as ``max_tokens`` says. The times are those of the
answer's begin, so delays do not add up. With ``slots`` only so many requests are answered at a time and the others
wait in order, which is how a full engine behaves. Every word of a prompt counts as a token, and so do ``BESIDE``
others. Listens on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import time
from collections import deque
from typing import Any, cast

import msgspec
from httptools import HttpParserError, HttpRequestParser

BESIDE = 7
MOST_TOKENS = 100_000
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_START = b'data: {"id":"exact","object":"chat.completion.chunk","created":1,"model":"exact","choices":['
_ROLE = _START + b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
_PIECE = _START + b'{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'
_THOUGHT = _START + b'{"index":0,"delta":{"reasoning_content":" hm"},"finish_reason":null}]}\n\n'
_FINISH = _START + b'{"index":0,"delta":{},"finish_reason":"length"}]}\n\n'
_END = b"data: [DONE]\n\n"


class Exact(msgspec.Struct, frozen=True, kw_only=True):
    """How it answers: seconds, how many at a time (0: all), and how many of the first tokens are reasoning."""

    ttft_s: float = 0.1
    itl_s: float = 0.02
    slots: int = 0
    reasoning: int = 0


class ExactServer:
    """Answers on 127.0.0.1. ``asked`` counts requests, ``waiting`` those without a slot."""

    def __init__(self, exact: Exact, *, port: int = 0) -> None:
        self.exact = exact
        self.asked = 0
        self.busy = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self._port = port
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()

    @property
    def url(self) -> str:
        """The address, without a path."""
        assert self._server is not None, "enter the server first"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> ExactServer:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self._port, backlog=4096)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [one.task for one in self._open if one.task is not None]
        for one in tuple(self._open):
            one.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def slot(self) -> None:
        """Wait for a place, in order."""
        if self.exact.slots and self.busy >= self.exact.slots:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append(turn)
            await turn
        else:
            self.busy += 1

    def free(self) -> None:
        """Hand a place to the next who still waits."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.busy -= 1


class _Connection(asyncio.Protocol):
    """One client; one request at a time."""

    def __init__(self, server: ExactServer) -> None:
        self.server = server
        self.parser = HttpRequestParser(self)
        self.body: list[bytes] = []
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.server._open.discard(self)
        if self.task is not None:
            self.task.cancel()

    def abort(self) -> None:
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except HttpParserError:
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        body, self.body = b"".join(self.body), []
        loop = asyncio.get_running_loop()
        self.server.asked += 1
        self.task = loop.create_task(self.answer(body, time.perf_counter()))

    async def answer(self, body: bytes, came: float) -> None:
        if not body:  # a GET, of whatever path
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(_MODELS), _MODELS))
            return
        try:
            asked = msgspec.json.decode(body)
            most = min(int(asked.get("max_tokens") or asked.get("max_completion_tokens") or 16), MOST_TOKENS)
            prompt = BESIDE + sum(len(str(one.get("content")).split()) for one in asked["messages"])
        except (msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError):
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}")
            return
        server = self.server
        if server.exact.slots:
            await server.slot()
            came = time.perf_counter()
        try:
            await self.stream(most, prompt, came)
        finally:
            if server.exact.slots:
                server.free()

    async def stream(self, most: int, prompt: int, came: float) -> None:
        exact, write = self.server.exact, self.transport.write
        write(_HEAD + _framed(_ROLE))
        piece, thought = _framed(_PIECE), _framed(_THOUGHT)
        for number in range(most):
            left = came + exact.ttft_s + number * exact.itl_s - time.perf_counter()
            if left > 0:
                await asyncio.sleep(left)
            write(thought if number < exact.reasoning else piece)
        write(b"".join((_framed(_FINISH), _framed(_usage(prompt, most, exact.reasoning)), _framed(_END), b"0\r\n\r\n")))


_MODELS = b'{"object":"list","data":[{"id":"exact","object":"model","owned_by":"crossover"}]}'


def _framed(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


def _usage(prompt: int, output: int, reasoning: int) -> bytes:
    usage: dict[str, Any] = {
        "prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output,
        "completion_tokens_details": {"reasoning_tokens": min(reasoning, output)},
    }  # fmt: skip
    return _START + b'],"usage":' + msgspec.json.encode(usage) + b"}\n\n"


async def _serve(exact: Exact, port: int) -> None:
    async with ExactServer(exact, port=port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m crossover.loadtest.exact", description=__doc__)
    parser.add_argument("--ttft-ms", type=float, default=100.0)
    parser.add_argument("--itl-ms", type=float, default=20.0)
    parser.add_argument("--slots", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    stated = parser.parse_args()
    exact = Exact(ttft_s=stated.ttft_ms / 1000, itl_s=stated.itl_ms / 1000, slots=stated.slots)
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(exact, stated.port))
    else:
        uvloop.run(_serve(exact, stated.port))


if __name__ == "__main__":
    main()
