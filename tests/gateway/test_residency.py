"""Residency: what must stay local never reaches a model that is not, whatever fails, in whatever part it is written.

Thousands of random requests go through the gateway's own door. Those that must stay local carry a canary in a random
part. Every deployment keeps what it received; in what paid ones received, the canary must not occur. Most deployments
answer from memory so that there can be many requests; the last test is the same over real sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from crossover.chat import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    EmbedRequest,
    EmbedResponse,
    Message,
    Text,
)
from crossover.config import Paths
from crossover.config.load import load
from crossover.config.settings import DeploymentSettings
from crossover.errors import UpstreamError, UpstreamKind
from crossover.gateway.app import Gateway
from crossover.ledger.keys import create
from crossover.ledger.store import open_ledger
from crossover.providers.faulty import Fault, FaultKind, FaultyServer, Seen, Step
from crossover.routing.policy import POLICIES
from crossover.runtime import plant as plants
from crossover.runtime.serve import access
from crossover.runtime.station import Station, open_station
from crossover.usage import Usage
from tests.gateway.house import asked, configured, deployed, handed, house, run

CANARY = "canary-4711-must-stay-here"
PUBLIC = "public-4712-may-go-anywhere"
KINDS: tuple[UpstreamKind, ...] = get_args(UpstreamKind)
EACH = 1500  # for each of four seeds
AT_ONCE = 25
USED = Usage(input=20, output=5)
CONFIG = """
require_keys = true
[server]
port = 0
[retries]
backoff = 0
[breaker]
failures = 5
rest = 0.1
rest_max = 0.2
[zones.here]
operator = "own"
[zones.lent]
operator = "rented"
party = "a landlord"
agreements = ["dpa"]
[zones.away]
operator = "provider"
party = "somebody"
[deployments.own]
provider = "vllm"
model = "one"
zone = "here"
concurrency = 3
queue = 2
queue_wait = 0.01
[deployments.second]
provider = "ollama"
model = "two"
zone = "here"
context = 8192
[deployments.lent]
provider = "vllm"
base_url = "http://127.0.0.1:9/v1"
model = "three"
zone = "lent"
concurrency = 2
[deployments.paid]
provider = "openai"
api_key = "${KEY}"
model = "gpt-4o-mini"
zone = "away"
[deployments.dear]
provider = "anthropic"
api_key = "${KEY}"
model = "claude-sonnet-4-5"
zone = "away"
quality = 9
[deployments.other]
provider = "gemini"
api_key = "${KEY}"
model = "gemini-2.5-flash"
zone = "away"
[aliases.auto]
deployments = ["own", "second", "lent", "paid", "dear", "other"]
overflow = true
[aliases.paid-first]
deployments = ["paid", "own", "other"]
policy = "quality_first"
[aliases.pinned-away]
deployments = ["dear", "own"]
policy = "pinned"
[aliases.private]
deployments = ["paid", "own", "dear", "second", "lent"]
policy = "fastest"
sensitivity = "local_only"
overflow = true
[aliases.ill]
deployments = ["other", "second", "paid"]
policy = "cheapest"
sensitivity = "health"
overflow = true
"""
NAMES = ("auto", "auto", "paid-first", "pinned-away", "private", "ill", "own", "paid", "dear", "gpt-4o-mini", "two")
STRICT = (
    "local_only",
    "hard",
    "health",
    "secrets",
    "soft,local_only",
    "personal",
    " Local_Only ",
)  # no agreement: none
LOOSE = ("none", "", "none,none")


# ----------------------------------------------------------------------------------------------------------- a request


def body_of(chance: random.Random, secret: str, model: str, stream: bool) -> tuple[dict[str, Any], str]:
    """A chat completion with the secret in one random part, and the name of the part."""
    user: dict[str, Any] = {"role": "user", "content": "What do you say?"}
    body: dict[str, Any] = {"model": model, "messages": [user]}
    part = chance.choice(PARTS)
    hidden = {"type": "object", "properties": {"x": {"type": "string", "description": secret}}}
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": f'{{"at": "{secret}"}}'}}
    tool = {"type": "function", "function": {"name": "look", "description": "looks", "parameters": {"type": "object"}}}
    url = f"data:image/png;base64,{secret}"
    parts: dict[str, Any] = {
        "system": lambda: body["messages"].insert(0, {"role": "system", "content": f"Know that {secret}."}),
        "developer": lambda: body["messages"].insert(0, {"role": "developer", "content": secret}),
        "user": lambda: user.update(content=f"Is {secret} true?"),
        "text part": lambda: user.update(content=[{"type": "text", "text": secret}, {"type": "text", "text": "?"}]),
        "image": lambda: user.update(content=[{"type": "image_url", "image_url": {"url": url}}]),
        "sound": lambda: user.update(
            content=[{"type": "input_audio", "input_audio": {"data": secret, "format": "wav"}}]
        ),
        "file": lambda: user.update(content=[{"type": "file", "file": {"file_data": url, "filename": secret}}]),
        "name": lambda: user.update(name=secret),
        "history": lambda: body["messages"].insert(0, {"role": "assistant", "content": f"I said {secret}."}),
        "unknown part": lambda: user.update(content=[{"type": "hologram", "hologram": {"depth": secret}}]),
        "arguments": lambda: body.update(
            tools=[tool],
            messages=[user, {"role": "assistant", "content": None, "tool_calls": [call]},
                      {"role": "tool", "tool_call_id": "c1", "content": "seen"}],
        ),
        "result": lambda: body.update(
            tools=[tool],
            messages=[user, {"role": "assistant", "content": None,
                             "tool_calls": [{**call, "function": {"name": "look", "arguments": "{}"}}]},
                      {"role": "tool", "tool_call_id": "c1", "content": secret}],
        ),
        "tool": lambda: body.update(tools=[{"type": "function", "function": {"name": "look", "parameters": hidden}}]),
        "tool text": lambda: body.update(
            tools=[{"type": "function", "function": {"name": "look", "description": secret}}]
        ),
        "schema": lambda: body.update(
            response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": hidden}}
        ),
        "metadata": lambda: body.update(metadata={"note": secret}),
        "key of metadata": lambda: body.update(metadata={secret: "x"}),
        "user field": lambda: body.update(user=secret),
        "stop": lambda: body.update(stop=[secret]),
        "unknown field": lambda: body.update(somebodys_extension={"deep": [{"er": secret}]}),
    }  # fmt: skip
    parts[part]()
    if stream:
        body["stream"] = True
    if chance.random() < 0.3:
        body["max_tokens"] = chance.choice((1, 50, 4000))
    if chance.random() < 0.1:
        body["n"] = 2
    return body, part


PARTS = (
    "system", "developer", "user", "text part", "image", "sound", "file", "name", "history", "unknown part",
    "arguments", "result", "tool", "tool text", "schema", "metadata", "key of metadata", "user field", "stop",
    "unknown field",
)  # fmt: skip


class Made(msgspec.Struct, frozen=True):
    """A request, and whether it must stay local."""

    path: str
    body: bytes
    headers: dict[str, str]
    local: bool
    part: str


def made(chance: random.Random, keys: dict[str, str], names: tuple[str, ...] = NAMES) -> Made:
    """A random request. Every source of a label is drawn by itself; the strictest one counts."""
    model = chance.choice(names)
    key = "local" if chance.random() < 0.2 else "plain"
    header = chance.choice(STRICT) if chance.random() < 0.2 else chance.choice((*LOOSE, None, None, None))
    stated = chance.choice(STRICT) if chance.random() < 0.2 else chance.choice((*LOOSE, None, None, None))
    local = model in ("private", "ill") or key == "local" or header in STRICT or stated in STRICT
    secret = CANARY if local else PUBLIC
    headers = {"authorization": f"Bearer {keys[key]}"}
    if header is not None:
        headers["x_crossover_sensitivity"] = header
    if chance.random() < 0.5:
        headers["x_crossover_policy"] = chance.choice(sorted(POLICIES))
    if chance.random() < 0.1:
        headers["x_crossover_deadline"] = chance.choice(("0.005", "0.03", "5"))
    if chance.random() < 0.15 and not (stated in STRICT and not local):
        strict = local and model not in ("private", "ill") and key != "local" and header not in STRICT
        if not strict:  # embeddings have no metadata, so a label there cannot be what keeps it
            embed = {"model": model, "input": [secret, "x"], "user": secret}
            return Made("/v1/embeddings", msgspec.json.encode(embed), headers, local, "input")
    body, part = body_of(chance, secret, model, chance.random() < 0.5)
    if stated is not None:
        body["metadata"] = {**body.get("metadata", {}), "sensitivity": stated}
    return Made("/v1/chat/completions", msgspec.json.encode(body), headers, local, part)


# ---------------------------------------------------------------------------------------------------- from memory


class Recorder:
    """A deployment that keeps what it was given and fails in every way there is."""

    def __init__(self, world: World, name: str, zone: str) -> None:
        self.world, self.name, self.zone = world, name, zone

    def _took(self, request: ChatRequest | EmbedRequest) -> None:
        sent = msgspec.structs.replace(request, clearance=None)  # a pass is an object, nothing that is sent
        self.world.received[self.zone].append(msgspec.json.encode(sent))
        self.world.calls[self.name] += 1

    def _failure(self) -> UpstreamError:
        chance = self.world.chance
        kind = chance.choice(KINDS)
        wait = chance.choice((None, None, 0.0, 0.01)) if kind in ("rate_limited", "overloaded") else None
        return UpstreamError("it failed", upstream=kind, accepted=chance.random() < 0.5, retry_after_s=wait)

    async def complete(self, request: ChatRequest) -> ChatResponse:
        self._took(request)
        await self._dawdle()
        chance = self.world.chance.random()
        if chance < 0.35:
            raise self._failure()
        text = "" if chance < 0.5 else "fine"
        choice = Choice(message=Message("assistant", (Text(text),) if text else ()), finish="stop")
        return ChatResponse(choices=(choice,), usage=USED if text else None)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        self._took(request)
        chance = self.world.chance
        await self._dawdle()
        for _ in range(chance.randrange(4)):
            if chance.random() < 0.25:
                raise self._failure()
            yield ChatChunk(deltas=(Delta(text=chance.choice(("", "", "word "))),))
        if chance.random() < 0.2:
            return
        if chance.random() < 0.3:
            raise self._failure()
        yield ChatChunk(deltas=(Delta(text="end"),))
        yield ChatChunk(deltas=(Delta(finish="stop"),), usage=USED, last=True)

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        self._took(request)
        await self._dawdle()
        if self.world.chance.random() < 0.45:
            raise self._failure()
        return EmbedResponse(vectors=((1.0,),) * len(request.inputs), usage=Usage(input=3))

    async def _dawdle(self) -> None:
        draw = self.world.chance.random()
        if draw < 0.3:
            await asyncio.sleep(0)
        elif draw < 0.4:
            await asyncio.sleep(0.002)


class World:
    """A station whose deployments are recorders, also after a reload."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.received: dict[str, list[bytes]] = {"here": [], "lent": [], "away": []}
        self.calls: Counter[str] = Counter()
        self.parts: Counter[str] = Counter()
        self.answered: Counter[int] = Counter()

    def backend(self, name: str, one: DeploymentSettings, *_more: Any) -> Recorder:
        """In place of :func:`crossover.runtime.plant.backend`."""
        return Recorder(self, name, one.zone)

    async def one(self, gateway: Gateway, request: Made) -> None:
        """Ask, and perhaps leave before the answer."""
        task = asyncio.create_task(handed(gateway, "POST", request.path, request.body, **request.headers))
        if self.chance.random() < 0.1:
            for _ in range(self.chance.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            answer = await task
            self.answered[answer.status] += 1
        if request.local:
            self.parts[request.part] += 1

    async def stir(self, station: Station) -> None:
        """Things change meanwhile: breakers open and close, engines bar models, the configuration is loaded anew."""
        now, breakers = time.monotonic(), station.dispatcher.plant.health.breakers
        breaker = breakers[self.chance.choice(sorted(breakers))]
        draw = self.chance.random()
        if draw < 0.2:
            breaker.trip(now, "drawn")
        elif draw < 0.7:
            for one in breakers.values():
                one.recovered()
        elif draw < 0.8:
            breaker.pause(now, "drawn", 0.05)
        elif draw < 0.9:
            await station.reload(station.loaded)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_must_stay_reaches_a_model_elsewhere(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(seed)
    monkeypatch.setattr(plants, "backend", world.backend)
    monkeypatch.setattr("crossover.runtime.station.look", nobody_looks)

    async def work() -> None:
        with open_ledger(tmp_path / "ledger.db") as ledger:
            keys = {
                "plain": create(ledger, "plain")[1],
                "local": create(ledger, "local", sensitivity="local_only", policy="quality_first")[1],
            }
        paths = Paths(config=tmp_path, data=tmp_path, models=tmp_path)
        station = await open_station(load(CONFIG, {"KEY": "k"}), paths, ledger=tmp_path / "ledger.db")
        gateway = Gateway(
            station.dispatcher, access(station.settings, station), metrics=station.metrics, tick=time.monotonic,
            ready=station.ready, started=0,
        )  # fmt: skip
        for _ in range(0, EACH, AT_ONCE):
            await asyncio.gather(*(world.one(gateway, made(world.chance, keys)) for _ in range(AT_ONCE)))
            await world.stir(station)
        plant = station.dispatcher.plant
        assert all(places.busy == (0, 0) for places in plant.places.values())
        assert station.writer.health().lost == 0
        await station.aclose()

    run(work())
    leaked = [data for data in world.received["away"] if CANARY.encode() in data]
    assert not leaked, leaked[:1]
    # and the test is not passed by doing nothing:
    assert sum(PUBLIC.encode() in data for data in world.received["away"]) > 100
    assert sum(CANARY.encode() in data for data in world.received["here"]) > 150
    assert sum(CANARY.encode() in data for data in world.received["lent"]) > 10
    assert set(world.calls) == {"own", "second", "lent", "paid", "dear", "other"}
    assert set(PARTS) | {"input"} == set(world.parts)
    assert world.answered[200] > 200
    assert not world.answered[500]


async def nobody_looks(*_told: Any) -> Any:
    """In place of asking engines that are not there."""
    from crossover.runtime.engines import Seen as Looked

    return Looked()


# -------------------------------------------------------------------------------------------------- over real sockets

FAULTS: tuple[FaultKind, ...] = tuple(kind for kind in get_args(FaultKind) if kind not in ("refuse", "tls"))
TOP = """
[retries]
backoff = 0
[timeouts]
first_byte = 0.15
whole = 0.15
gap = 0.1
total = 2.0
[breaker]
failures = 1000
minimum = 1000
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_that_must_stay_is_sent_to_a_server_elsewhere(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)

    def step(_seen: Seen) -> Step:
        kind = chance.choice(FAULTS)
        return Fault(kind=kind, after=chance.randrange(3)) if chance.random() < 0.5 else Fault(kind="unfinished")

    async def work() -> None:
        async with contextlib.AsyncExitStack() as stack:
            servers = [
                FaultyServer("openai", step), FaultyServer("openai", "refuse"), FaultyServer("openai", step),
                FaultyServer("anthropic", step), FaultyServer("gemini", step), FaultyServer("openai", "tls"),
            ]  # fmt: skip
            started = [await stack.enter_async_context(server) for server in servers]
            own, gone, *away = started
            rows = [deployed("own", own, zone="here", more="concurrency = 8"), deployed("gone", gone, zone="here")]
            rows += [deployed(f"away{number}", server) for number, server in enumerate(away)]
            text = configured(*rows, top=TOP, alias="overflow = true")
            text += '[aliases.private]\ndeployments = ["away0", "own", "away1", "gone"]\nsensitivity = "local_only"\n'
            names = ("auto", "auto", "auto", "private", "own", "away0", "model-of-away1")
            with open_ledger(tmp_path / "ledger.db") as ledger:
                keys = {"plain": create(ledger, "a")[1], "local": create(ledger, "b", sensitivity="local_only")[1]}
            at = await stack.enter_async_context(house(text, tmp_path, environ={"KEY": "k"}))
            requests = [made(chance, keys, names) for _ in range(200)]
            for start in range(0, len(requests), 20):
                await asyncio.gather(
                    *(asked(at.url, "POST", one.path, one.body, **one.headers) for one in requests[start : start + 20]),
                    return_exceptions=True,
                )
            sent = [seen.body + str(seen.headers).encode() + seen.path.encode() for s in away for seen in s.journal]
            kept = [seen.body for seen in own.journal]
        assert not [data for data in sent if CANARY.encode() in data]
        assert sum(PUBLIC.encode() in data for data in sent) > 20
        assert sum(CANARY.encode() in data for data in kept) > 20

    run(work())
