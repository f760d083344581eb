"""A world for walls: requests, what happens to them on their way, and deployments that all answer from memory.

Everything of a request is drawn from its own number: a failure names the seed and the number, and comes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple, Protocol, cast

import msgspec

from crossover.errors import DetectionError, UpstreamError, UpstreamKind
from crossover.gateway.app import Gateway
from crossover.gateway.http import Connection, Request
from crossover.privacy.clearance import Desk
from crossover.privacy.detector import BASE_S, PER_CHARACTER_S
from crossover.privacy.words import Finding
from crossover.providers import answers
from crossover.providers.answers import FakeDialect
from crossover.transport import Endpoint
from tests.gateway.canaries import Canary, unfolded
from tests.gateway.house import Answer, Paper
from tests.gateway.laws import PLACES, PORTS, Action, Law

# ------------------------------------------------------------------------------------------------------------ a request

Trouble = Literal["", "raises", "gives up", "is late", "fails to redact", "breaks", "cannot look again"]


class Arrived(NamedTuple):
    """What a deployment received."""

    deployment: str
    data: bytes  # head and body, as they would go over the line


class Asked(msgspec.Struct, kw_only=True):
    """One request, and what became of it."""

    seed: str
    path: str
    body: bytes
    headers: dict[str, str]
    key: str
    model: str
    canaries: list[Canary]
    labels: tuple[str, ...]
    stream: bool
    trouble: Trouble
    patience: int  # steps after which its client leaves; negative: it stays
    chance: random.Random  # for what happens to it
    arrived: list[Arrived] = []
    law: Law | None = None  # in force when it began
    failed: bool = False  # a detector did while it looked at it
    id: str = ""
    answer: Answer | None = None
    told: bool = False  # a model's own error text repeated what it was told

    @property
    def points_at_somebody(self) -> bool:
        """Whether it holds anything that says whose health it speaks of."""
        marks = [mark for canary in self.canaries if not canary.never for mark in canary.marks]
        return any(
            mark.category in ("identifiers", "financial") or mark.kind in ("person", "address") for mark in marks
        )

    def action(self, zone: str, category: str, kind: str, *, soft: bool = False) -> Action:
        """What may happen to a finding under the law in force when it began."""
        assert self.law is not None
        return self.law.action(self.key, self.model, zone, category, kind, soft=soft)

    def __str__(self) -> str:
        kind = "stream" if self.stream else "whole"
        return (
            f"request {self.seed} ({kind} {self.path}, {self.model}, key {self.key}, {self.trouble or 'no trouble'}): "
            + "; ".join(map(str, self.canaries))
        )


FAILS = frozenset({"raises", "gives up", "is late"})
NOW: ContextVar[Asked | None] = ContextVar("NOW", default=None)


def find_trouble(text: str, field: str = "") -> Sequence[Finding]:
    """A detector that was plugged in: it finds nothing, and fails where the request of the moment is to see it fail."""
    del field
    asked = NOW.get()
    if asked is None or asked.trouble not in FAILS or len(text) < 8:
        return ()
    asked.failed = True
    if asked.trouble == "raises":
        raise asked.chance.choice((ValueError, KeyError, RuntimeError, MemoryError, RecursionError, StopIteration))(
            text
        )
    if asked.trouble == "gives up":
        raise DetectionError("this text cannot be looked at")
    late = time.thread_time() + BASE_S + PER_CHARACTER_S * len(text) + 0.002
    while time.thread_time() < late:
        pass
    return ()


def troubled(desk: Desk) -> Desk:
    """The desk whose look at a whole request, or at one text again, fails where it is to fail."""

    async def classify(request: Any) -> Any:
        asked = NOW.get()
        if asked is not None and asked.trouble == "breaks":
            asked.failed = True
            raise ZeroDivisionError(str(request))
        return await desk.classify(request)

    def findings(text: str, field: str = "") -> Any:
        asked = NOW.get()
        if asked is not None and asked.trouble == "fails to redact":
            raise asked.chance.choice((DetectionError, ValueError))(text)
        if asked is not None and asked.trouble == "cannot look again" and asked.chance.random() < 0.5:
            raise DetectionError("this text cannot be looked at again")
        return desk.findings(text, field)

    return msgspec.structs.replace(desk, classify=classify, findings=findings)


# -------------------------------------------------------------------------------------------------------- the network


class Said:
    """An answer, in the place of :class:`crossover.transport.Reply`: pieces, and how it ends."""

    def __init__(
        self, status: int, kind: str, pieces: Iterable[bytes], end: UpstreamError | None = None, wait: str = ""
    ) -> None:
        self.status = status
        self.headers = {"content-type": kind} | ({"retry-after": wait} if wait else {})
        self._pieces = [piece for piece in pieces if piece]
        self._end = end

    def header(self, name: bytes) -> str:
        """One header."""
        return self.headers.get(name.decode(), "")

    async def read(self) -> bytes:
        """All of it."""
        if self._end is not None:
            raise self._end
        return b"".join(self._pieces)

    async def piece(self) -> bytes:
        """The next of it."""
        await asyncio.sleep(0)
        if self._pieces:
            return self._pieces.pop(0)
        if self._end is not None:
            raise self._end
        return b""

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> Said:
        return self

    def __exit__(self, *_: object) -> None:
        return None


_ERRORS = (
    (400, "invalid_request_error"), (400, "context_length_exceeded"), (401, "authentication_error"),
    (402, "insufficient_quota"), (403, "permission_error"), (404, "not_found_error"), (429, "rate_limit_error"),
    (500, "api_error"), (502, "api_error"), (503, "unavailable"), (529, "overloaded_error"),
)  # fmt: skip
_BROKEN: tuple[tuple[UpstreamKind, bool], ...] = (
    ("refused", False), ("tls", False), ("connect_timeout", False), ("reset", True), ("cut", True), ("reset", False),
    ("malformed", True), ("first_byte_timeout", True), ("total_timeout", True),
)  # fmt: skip
NOT_SENT = frozenset({"refused", "tls", "connect_timeout"})
_STREAMS = {"openai": "text/event-stream", "anthropic": "text/event-stream", "gemini": "text/event-stream"}


class Network:
    """In the place of :class:`crossover.transport.Transport`: keeps what is sent, and repeats it or fails."""

    faults = 0.4

    async def send(self, place: Endpoint, head: bytes, body: bytes, _waits: object, *, cold: bool = False) -> Said:
        """What this place says to a request."""
        del cold
        asked, name = NOW.get(), PORTS[place.port]
        assert asked is not None, "a request that nobody made"
        chance = asked.chance
        fault = chance.random() < self.faults
        broken = chance.choice(_BROKEN) if fault and chance.random() < 0.3 else None
        if broken is None or broken[0] not in NOT_SENT:
            asked.arrived.append(Arrived(name, head + b"\r\n\r\n" + body))
        if chance.random() < 0.3:
            await asyncio.sleep(0 if chance.random() < 0.8 else 0.002)
        if broken is not None:
            raise UpstreamError("it failed", upstream=broken[0], accepted=broken[1])
        dialect, tree = PLACES[name].dialect, msgspec.json.decode(body)
        echo = "\n".join(text for text, _ in unfolded(body.decode()))
        if fault and chance.random() < 0.5:
            return self._error(asked, dialect, echo)
        return self._answer(asked, head, dialect, tree, echo, fault)

    @staticmethod
    def _error(asked: Asked, dialect: FakeDialect, echo: str) -> Said:
        chance = asked.chance
        status, word = chance.choice(_ERRORS)
        told = "it cannot be"
        if chance.random() < 0.3:
            told, asked.told = f"invalid value: {echo}", True
        body = answers.error_body(dialect, status, word, told)
        if chance.random() < 0.2:
            return Said(200, "text/html", [b"<html>Please log in</html>"])
        wait = chance.choice(("0", "0.01", "60")) if status in (429, 503) else ""
        return Said(status, "application/json", [body], wait=wait)

    def _answer(
        self, asked: Asked, head: bytes, dialect: FakeDialect, tree: dict[str, Any], echo: str, fault: bool
    ) -> Said:
        chance, path = asked.chance, head.split(b" ", 2)[1]
        model = str(tree.get("model", "m"))
        if b"mbed" in path:
            count = tree.get("input", tree.get("requests", ""))
            count = len(count) if isinstance(count, list) else 1
            body = answers.embedded(dialect, answers.Answer(), model, count)
            return Said(200, "application/json", [body[: len(body) // 2] if fault else body])
        calls = (answers.Call(name="look", arguments=json.dumps({"said": echo})),) if chance.random() < 0.2 else ()
        answer = answers.Answer(text=echo, thinking=echo if chance.random() < 0.1 else "", calls=calls)
        stream = b"stream" in path if dialect == "gemini" else bool(tree.get("stream", dialect == "ollama"))
        if not stream:
            body = answers.buffered(dialect, answer, model)
            if dialect == "openai" and tree.get("n") == 2:
                body = _twice(body)
            return Said(200, "application/json", [body[: len(body) // 2] if fault else body])
        events = answers.streamed(dialect, answer, model, include_usage=True)
        sent = [*events.head, *events.pieces, *events.tail]
        if dialect == "openai" and tree.get("n") == 2:
            sent = [twin for event in sent for twin in (event, _of_second(event))]
        pieces, end = _cut(b"".join(sent), chance), None
        if fault:
            pieces = pieces[: chance.randrange(len(pieces))]
            end = UpstreamError("it was cut", upstream="cut") if chance.random() < 0.5 else None
        return Said(200, _STREAMS.get(dialect, "application/x-ndjson"), pieces, end)

    async def aclose(self) -> None:
        """Nothing to close."""


def _twice(body: bytes) -> bytes:
    tree = msgspec.json.decode(body)
    tree["choices"].append({**tree["choices"][0], "index": 1})
    return msgspec.json.encode(tree)


def _of_second(event: bytes) -> bytes:
    if b'"choices":[{"index":0' not in event:
        return b""
    return event.replace(b'"choices":[{"index":0', b'"choices":[{"index":1', 1)


def _cut(data: bytes, chance: random.Random) -> list[bytes]:
    """The bytes in a few pieces, cut anywhere."""
    places = sorted({0, len(data), *(chance.randrange(len(data)) for _ in range(chance.randrange(1, 7)))})
    return [data[start:end] for start, end in itertools.pairwise(places)]


# ------------------------------------------------------------------------------------------------------------- asking


class World(Protocol):
    """What changes while requests are under way."""

    law: Law


async def ask(gateway: Gateway, asked: Asked, world: World) -> None:
    """Hand a request to a gateway; it is noted which law it began under and what it was told."""
    request, paper = Request("127.0.0.1"), Paper()
    request.method, request.path, request.body = b"POST", asked.path.encode(), asked.body
    request.headers = {name.encode(): value.encode() for name, value in {"host": "localhost", **asked.headers}.items()}
    NOW.set(asked)
    asked.law = world.law  # the gateway takes up its plant before anything else can happen
    try:
        await gateway(request, cast(Connection, paper))
        asked.answer = paper.read()
    finally:
        asked.id = request.id


async def ask_and_leave(gateway: Gateway, asked: Asked, world: World) -> None:
    """Ask, and perhaps leave before the answer."""
    task = asyncio.create_task(ask(gateway, asked, world))
    if asked.patience >= 0:
        for _ in range(asked.patience):
            await asyncio.sleep(0)
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
