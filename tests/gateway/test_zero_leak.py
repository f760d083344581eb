"""The zero-leak wall: of thousands of random requests, whatever fails, nothing reaches a place that may not have it.

Canaries of every kind stand in every place of requests, under random matrices. Everything any deployment was sent is
judged by the same matrices, read by a second reader (``walled.Law``). A failure names the seed and the place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import pytest

from crossover import AsyncClient, dispatch
from crossover.chat import ChatRequest, Served, substance
from crossover.config import Paths
from crossover.config.load import load
from crossover.egress import Guard
from crossover.errors import EgressError, ServingError
from crossover.gateway.app import Gateway
from crossover.ledger import audit
from crossover.ledger.chain import read_entry
from crossover.ledger.keys import create
from crossover.ledger.store import Ledger, open_ledger
from crossover.privacy.clearance import Cleared
from crossover.privacy.detector import Detector
from crossover.providers.answers import Answer as Said
from crossover.providers.faulty import Fault, FaultKind, FaultyServer, Seen, Step
from crossover.routing.policy import POLICIES
from crossover.runtime import desk as desks
from crossover.runtime.desk import detector
from crossover.runtime.engines import Seen as Looked
from crossover.runtime.serve import access
from crossover.runtime.station import Station, open_station
from crossover.wire import openai
from tests.gateway import laws, walled
from tests.gateway.canaries import EMBED_PLACES, PLACES, Canary, Mark, family, phrase, planted, standing_in, unfolded
from tests.gateway.house import Answer, House, connected, house, run
from tests.gateway.judging import Judge, Tally
from tests.gateway.laws import Law, law_of, written
from tests.gateway.walled import Arrived, Asked, Network, ask_and_leave

WORLDS, EACH = 20, 250
AT_ONCE = 25
LABELS = ("local_only", "hard", "health", "secrets", "financial", "personal", "soft")
TROUBLES: tuple[walled.Trouble, ...] = (
    "raises",
    "raises",
    "gives up",
    "fails to redact",
    "cannot look again",
    "breaks",
)


# ----------------------------------------------------------------------------------------------------------- a request


def drawn(seed: str, secrets: dict[str, str], looks: Detector, *, models: bool) -> Asked:
    """A random request, the same for the same seed. ``secrets`` are the keys by their names; without any no headers."""
    chance = random.Random(seed)
    embed = chance.random() < 0.12
    model, key = chance.choice(laws.NAMES), chance.choice(sorted(secrets)) if secrets else ""
    body, canaries = _body(seed, chance, looks, model, embed=embed, models=models)
    headers, labels = _headers(chance, secrets[key]) if secrets else ({}, [])
    if not embed:
        if chance.random() < 0.04:
            labels.append(label := chance.choice(LABELS))
            body["metadata"] = {**body.get("metadata", {}), "sensitivity": label}
        if chance.random() < 0.5:
            body["stream"] = True
        if chance.random() < 0.1:
            body["n"] = 2
        if chance.random() < 0.3:
            body["max_tokens"] = chance.choice((1, 50, 4000))
    if model == "ill":
        labels.append("health")
    if secrets and chance.random() < 0.05:
        one = phrase(chance, looks, "number")
        headers["x-note"] = one.bare
        canaries.append(Canary(one.name, "header", (Mark("financial", "payment_card", one.bare),), never=True))
    trouble = chance.choice(TROUBLES) if chance.random() < 0.12 else "is late" if chance.random() < 0.004 else ""
    return Asked(
        seed=seed,
        path="/v1/embeddings" if embed else "/v1/chat/completions",
        body=_written(chance, body),
        headers=headers,
        key=key,
        model=model,
        canaries=canaries,
        labels=tuple(labels),
        stream=bool(body.get("stream")),
        trouble=trouble,
        patience=chance.randrange(14) if chance.random() < 0.08 else -1,
        chance=chance,
    )


def _body(
    seed: str, chance: random.Random, looks: Detector, model: str, *, embed: bool, models: bool
) -> tuple[dict[str, Any], list[Canary]]:
    """A body with no, one or two canaries in it."""
    about = f"What do you say about topic {seed.replace(':', ' of ')}?"
    body: dict[str, Any] = {"model": model}
    if embed:
        body["input"] = [about]
    else:
        body["messages"] = [{"role": "user", "content": about}]
    canaries: list[Canary] = []
    for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 1, 2, 2, 2))):
        place = chance.choice(sorted(EMBED_PLACES if embed else PLACES))
        if family(place) in {family(canary.place) for canary in canaries}:
            continue
        for _turn in range(3):  # until the detector knows it there
            other = msgspec.json.decode(msgspec.json.encode(body))
            canary = planted(other, place, phrase(chance, looks, place, models=models), looks, chance)
            if canary.marks:
                body, canaries = other, [*canaries, canary]
                break
    return body, canaries


def _headers(chance: random.Random, secret: str) -> tuple[dict[str, str], list[str]]:
    """Headers, and the labels that follow from them."""
    headers, labels = {"authorization": f"Bearer {secret}"}, []
    if chance.random() < 0.05:
        headers["x-crossover-sensitivity"] = label = chance.choice(LABELS)
        labels.append(label)
    if chance.random() < 0.06:
        headers["x-department"] = department = chance.choice(("legal", "sales"))
        labels += ["custom"] if department == "legal" else []
    if chance.random() < 0.03:
        headers["X-Board".lower()] = "yes"
        labels.append("financial")
    if chance.random() < 0.3:
        headers["x-crossover-policy"] = chance.choice(sorted(POLICIES))
    if chance.random() < 0.05:
        headers["x-crossover-deadline"] = chance.choice(("0.001", "0.01", "5"))
    return headers, labels


def _written(chance: random.Random, body: dict[str, Any]) -> bytes:
    """The body as bytes; now and then with every letter of its texts escaped."""
    if chance.random() > 0.1:
        return msgspec.json.encode(body)
    return _escaped(body).encode()


def _escaped(node: Any) -> str:
    """JSON in which every letter of a string is an escape, but for the names of fields that the door reads."""
    if isinstance(node, dict):
        return "{" + ",".join(f"{_escaped(key)}:{_escaped(value)}" for key, value in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(_escaped, node)) + "]"
    if isinstance(node, str):
        units = node.encode("utf-16-be")
        return '"' + "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2)) + '"'
    return msgspec.json.encode(node).decode()


# ------------------------------------------------------------------------------------------------------------- a world


class World:
    """A station on a network of memory, its keys, and the law in force."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.models = seed % 4 == 3  # names and health are looked for as well, which takes longer
        self.chance = random.Random(seed)
        self.folder = folder
        self.judge = Judge()
        self.done: list[Asked] = []
        self.law: Law
        self.ids: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.station: Station
        self.gateway: Gateway

    def keys(self) -> None:
        """Keys in the ledger."""
        with open_ledger(self.folder / "ledger.db") as ledger:
            for name in ("first", "second", "third"):
                key, self.secrets[name] = create(ledger, name)
                self.ids[name] = key.id

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[World]:
        """The station with a first law; closed at the end, with every row in its file."""
        self.keys()
        self.law = law_of(self.chance)
        paths = Paths(config=self.folder, data=self.folder, models=self.folder)
        loaded = load(written(self.law, self.ids, models=self.models), {"KEY": "k"})
        self.station = station = await open_station(loaded, paths, ledger=self.folder / "ledger.db")
        self.gateway = Gateway(
            station.dispatcher, access(station.settings, station), metrics=station.metrics, tick=time.monotonic,
            ready=station.ready, started=0,
        )  # fmt: skip
        try:
            yield self
        finally:
            await station.aclose()

    async def batch(self, asked: list[Asked]) -> None:
        """Some requests at once, while the configuration may be loaded anew; then they are judged."""
        work = [ask_and_leave(self.gateway, one, self) for one in asked]
        await asyncio.gather(*work, self._stir())
        for one in asked:
            self.judge(one)
        _apart(asked)
        self.done += asked

    async def _stir(self) -> None:
        """Meanwhile breakers open and close, and the law changes."""
        for _ in range(self.chance.randrange(8)):
            await asyncio.sleep(0)
        station, now = self.station, time.monotonic()
        breakers = station.dispatcher.plant.health.breakers
        draw = self.chance.random()
        if draw < 0.3:
            breakers[self.chance.choice(sorted(breakers))].trip(now, "drawn")
        elif draw < 0.7:
            for one in breakers.values():
                one.recovered()
        else:
            law = law_of(self.chance)
            await station.reload(load(written(law, self.ids, models=self.models), {"KEY": "k"}))
            self.gateway.access = access(station.settings, station)
            self.law = law


def _apart(asked: list[Asked]) -> None:
    """No request was given a value of another one that was under way at the same time."""
    for one in asked:
        for other in asked:
            data = b"".join((b"" if other.answer is None else other.answer.body, *(row.data for row in other.arrived)))
            if other is one or not data:
                continue
            for value in _unique(one):
                if value.encode() in data:  # by chance the same was planted twice
                    own = "\n".join(text for text, _ in unfolded(other.body.decode()))
                    assert value in own, f"{value!r} of {one} was told to, or sent with, {other}"


def _unique(one: Asked) -> set[str]:
    return {mark.value for canary in one.canaries for mark in canary.marks if len(mark.value) > 9 and not canary.never}


def _in_the_books(folder: Path, done: list[Asked]) -> None:
    """Every request that left has its entry, and no value is in the file, nor in what stands beside it."""
    for file in sorted(folder.glob("ledger.db*")):
        _says_nothing(file.name, file.read_bytes(), done)
    with open_ledger(folder / "ledger.db", readonly=True) as ledger:
        checked = audit.verify(ledger)
        assert checked.fault is None, checked.fault
        assert not checked.differing, checked.differences
        entries = _left(ledger)
    assert sum(map(Counter.total, entries.values())) >= sum(map(Counter.total, map(_went, done)))
    for one in done:
        if one.id:
            said = entries.get(one.id, Counter())
            assert _went(one) <= said, f"{one} left to {_went(one)}, and the audit says {said}"


def _went(one: Asked) -> Counter[str]:
    """Where a request went outside."""
    return Counter(arrived.deployment for arrived in one.arrived if laws.outside(arrived.deployment))


def _says_nothing(where: str, data: bytes, done: list[Asked]) -> None:
    """No value that was planted stands in a file or a log."""
    found = set(
        standing_in(sorted({value for one in done for canary in one.canaries for value in canary.values}), data)
    )
    whose = [str(one) for one in done for canary in one.canaries if found.intersection(canary.values)]
    assert not found, f"{where} holds {sorted(found)[:3]} of {whose[:1]}"


def _left(ledger: Ledger) -> dict[str, Counter[str]]:
    """Where each request went outside, as the audit says."""
    found: dict[str, Counter[str]] = {}
    for *_, text in audit.rows_of(ledger):
        entry = read_entry(text)
        if entry is not None:
            found[entry.request] = Counter(went.deployment for went in entry.to if went.left)
    return found


async def nobody_looks(*_told: Any) -> Looked:
    """In place of asking engines that are not there."""
    return Looked()


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector beside the others, and a desk, that fail on command."""
    make = desks.desk

    def desk(*told: Any) -> Any:
        made = make(*told)
        return None if made is None else (walled.troubled(made[0]), made[1])

    monkeypatch.setattr("crossover.runtime.desk.presidio", lambda: walled.find_trouble)
    monkeypatch.setattr("crossover.privacy.presidio.installed", lambda: True)
    monkeypatch.setattr("crossover.runtime.station.desk", desk)
    monkeypatch.setattr("crossover.runtime.station.look", nobody_looks)


@pytest.fixture
def apart(plugged: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No sockets either."""
    monkeypatch.setattr("crossover.runtime.station.Transport", Network)


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("seed", range(WORLDS))
def test_nothing_reaches_a_place_that_may_not_have_it(
    tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = World(seed, tmp_path)

    async def work() -> None:
        async with world.open():
            looks = detector(world.station.settings.privacy)
            for start in range(0, EACH, AT_ONCE):
                seeds = [f"{seed}:{number}" for number in range(start, start + AT_ONCE)]
                await world.batch([drawn(one, world.secrets, looks, models=world.models) for one in seeds])
            plant = world.station.dispatcher.plant
            assert all(places.busy == (0, 0) for places in plant.places.values())
            assert world.station.writer.health().lost == 0
            while_open = {file.name: file.read_bytes() for file in tmp_path.glob("ledger.db*")}
        assert sum(map(len, while_open.values())) > 100_000
        for name, data in while_open.items():
            _says_nothing(f"{name}, still open,", data, world.done)

    run(work())
    _in_the_books(tmp_path, world.done)
    _says_nothing("the log", caplog.text.encode(), world.done)
    _was_no_walkover(world.judge.tally)


def _was_no_walkover(tally: Tally) -> None:
    """The wall is not passed by doing nothing: much left, much stayed, much was replaced and came back."""
    assert tally.requests == EACH
    assert set(tally.left) == {name for name in laws.PLACES if laws.outside(name)}
    assert tally.left.total() > 35
    assert tally.statuses[200] > 60
    assert min(tally.redacted, tally.stayed) > 5, tally
    assert min(tally.allowed, tally.restored) > 0, tally
    assert len(tally.places) > 40
    assert len(tally.kinds) > 15
    assert len(tally.troubles) > 4


# ------------------------------------------------------------------------------------------------- the other ways in


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("seed", [101, 103])
def test_nothing_of_a_python_program_reaches_a_place_that_may_not_have_it(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("KEY", "k")
    monkeypatch.setenv("CROSSOVER_HOME", str(tmp_path))
    world, judge = World(seed, tmp_path), Judge()
    world.law = law_of(world.chance)
    (tmp_path / "crossover.toml").write_text(written(world.law, {}, models=world.models))

    async def work() -> None:
        async with AsyncClient(config=tmp_path / "crossover.toml", ledger=tmp_path / "ledger.db") as client:
            settings = load(tmp_path / "crossover.toml", {"KEY": "k"}).settings
            looks = detector(settings.privacy)
            for start in range(0, 300, AT_ONCE):
                seeds = [f"{seed}:{number}" for number in range(start, start + AT_ONCE)]
                asked = [drawn(one, {}, looks, models=world.models) for one in seeds]
                work = [_by_client(client, one, world, words=number % 3 > 0) for number, one in enumerate(asked)]
                await asyncio.gather(*work)
                world.done += asked
                _apart(asked)
        for one in world.done:
            judge(one)

    run(work())
    _in_the_books(tmp_path, world.done)
    _says_nothing("the log", caplog.text.encode(), world.done)
    tally = judge.tally
    assert tally.left.total() > 40
    assert min(tally.redacted, tally.allowed, tally.stayed, tally.restored) > 3, tally


async def _by_client(client: AsyncClient, one: Asked, world: World, *, words: bool) -> None:
    """Ask by the Python client, with messages in ``words`` or as plain objects."""
    walled.NOW.set(one)
    one.law = world.law
    body = msgspec.json.decode(one.body)
    model, stream = body.pop("model"), body.pop("stream", False)
    try:
        if one.path == "/v1/embeddings":
            await client.embed(model, body.pop("input"), **body)
            return
        messages = body.pop("messages")
        if words:
            messages = openai.read_request({"model": model, "messages": messages}).messages
        if stream:
            said: dict[int, str] = {}
            served: Served | None = None
            async for chunk in client.stream(model, messages, **body):
                served = chunk.served or served
                for delta in chunk.deltas:
                    said[delta.choice] = said.get(delta.choice, "") + delta.text
        else:
            response = await client.chat(model, messages, **body)
            served, said = response.served, {row.index: row.message.text for row in response.choices}
    except (ServingError, ZeroDivisionError, ValueError) as error:  # the last two are troubles of the desk
        hint = getattr(error, "sentence", lambda: "")()
        one.answer = Answer(getattr(error, "status", 500), {}, hint.encode())
        return
    assert served is not None
    one.id = served.request_id
    rows = [{"index": index, "message": {"content": text}} for index, text in said.items()]
    headers = {"x-crossover-deployment": served.deployment, "content-type": "application/json"}
    headers |= {"x-crossover-redacted": str(served.redacted)} if served.redacted else {}
    one.answer = Answer(200, headers, msgspec.json.encode({"choices": rows}))


FAULTS: tuple[FaultKind, ...] = tuple(kind for kind in get_args(FaultKind) if kind not in ("refuse", "tls"))
HASTY = """
[breaker]
failures = 1000
minimum = 1000
[timeouts]
first_byte = 0.2
whole = 0.2
gap = 0.1
total = 2.0
"""


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize("seed", [201, 203])
def test_nothing_reaches_a_server_that_may_not_have_it(
    tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world, judge = World(seed, tmp_path), Judge()
    faults = random.Random(seed)

    def step(seen: Seen) -> Step:
        if faults.random() < 0.35:
            return Fault(kind=faults.choice(FAULTS), after=faults.randrange(3), answer=_echo(seen))
        return _echo(seen)

    async def work() -> None:
        async with contextlib.AsyncExitStack() as stack:
            servers = {name: FaultyServer(one.dialect, _script(name, step)) for name, one in laws.PLACES.items()}
            for server in servers.values():
                await stack.enter_async_context(server)
            world.keys()
            world.law = law_of(world.chance)
            urls = {name: server.url for name, server in servers.items()}
            text = written(world.law, world.ids, models=world.models, urls=urls, waits=HASTY)
            home = await stack.enter_async_context(house(text, tmp_path, environ={"KEY": "k"}))
            looks = detector(home.station.settings.privacy)
            asked = [drawn(f"{seed}:{number}", world.secrets, looks, models=world.models) for number in range(200)]
            for start in range(0, len(asked), AT_ONCE):
                await asyncio.gather(*(_by_socket(home, one, world) for one in asked[start : start + AT_ONCE]))
            _arrived(asked, servers)
            world.done = asked

    run(work())
    for one in world.done:
        judge(one)
    _in_the_books(tmp_path, world.done)
    _says_nothing("the log", caplog.text.encode(), world.done)
    assert judge.tally.left.total() > 25
    assert min(judge.tally.redacted, judge.tally.allowed, judge.tally.stayed) > 3, judge.tally


def _script(name: str, step: Callable[[Seen], Step]) -> Callable[[Seen], Step] | Literal["refuse", "tls"]:
    return "refuse" if name == "second" else "tls" if name == "cloud" else step


def _echo(seen: Seen) -> Said:
    return Said(text="\n".join(text for text, _ in unfolded(seen.body.decode())) or "nothing")


async def _by_socket(home: House, one: Asked, world: World) -> None:
    """Ask over a socket, and perhaps leave before the answer."""
    one.law, one.trouble = world.law, ""  # a server's tasks are not the client's: nothing fails there on command
    async with connected(home.url) as client:
        client.ask("POST", one.path, one.body, **one.headers)
        if one.patience >= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            one.answer = await client.answer()
    if one.answer is not None:
        one.id = one.answer.headers.get("x-crossover-request-id", "")
        one.told = one.answer.headers.get("x-crossover-upstream", "") != ""


def _arrived(asked: list[Asked], servers: dict[str, FaultyServer]) -> None:
    """What each server received, noted at the request that it is of."""
    numbered = {one.seed: one for one in asked}
    for name, server in servers.items():
        for seen in server.journal:
            (number,) = re.findall(r"topic (\d+) of (\d+)", seen.body.decode())
            head = f"{seen.path}\n" + "\n".join(f"{key}: {value}" for key, value in seen.headers.items())
            numbered[":".join(number)].arrived.append(Arrived(name, head.encode() + b"\r\n\r\n" + seen.body))


# --------------------------------------------------------------------------------------------- a mistake in the code


@pytest.mark.usefixtures("apart")
def test_a_way_round_the_clearance_reaches_nobody_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dispatcher that forgot to ask: what it calls at home answers, and nothing else is called."""
    world = World(7, tmp_path)

    async def waved_through(_desk: object, _guard: object, request: Any, *_: object) -> Cleared:
        return Cleared(request=request)

    monkeypatch.setattr(dispatch, "clear_in_turn", waved_through)

    async def work() -> None:
        async with world.open():
            looks = detector(world.station.settings.privacy)
            asked = [drawn(f"7:{number}", world.secrets, looks, models=True) for number in range(100)]
            for one in asked:
                one.trouble = ""
                await ask_and_leave(world.gateway, one, world)
            assert not [one for one in asked if _went(one)]
            assert [one for one in asked if one.arrived]
            refused = [one.answer for one in asked if one.answer is not None and one.answer.status == 500]
            assert refused
            assert all("nothing permits this call" in answer.error["message"] for answer in refused)

    run(work())


@pytest.mark.usefixtures("apart")
def test_a_backend_outside_answers_to_no_other_pass(tmp_path: Path) -> None:
    """Called directly, with no pass, with one of another place, another plant, or for other content."""
    world = World(8, tmp_path)

    async def work() -> None:
        async with world.open():
            asked = drawn("8:0", {}, detector(world.station.settings.privacy), models=False)
            walled.NOW.set(asked)
            plant = world.station.dispatcher.plant
            chat = openai.read_request({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
            embed = openai.read_embed({"model": "m", "input": "hello"})
            for name, backend in plant.backends.items():
                assert (backend.guard is not None) == laws.outside(name), name  # type: ignore[attr-defined]
                if not laws.outside(name):
                    continue
                for request in _unpermitted(chat, plant.guard, name):
                    with pytest.raises(EgressError):
                        await backend.complete(request)
                    with pytest.raises(EgressError):
                        await anext(backend.stream(request))
                with pytest.raises(EgressError):
                    await backend.embed(embed)
            assert not asked.arrived

    run(work())


def _unpermitted(request: ChatRequest, guard: Guard, name: str) -> list[ChatRequest]:
    """The request with every pass that does not open this place for it."""
    words, tree, *rest = substance(request)
    other = "dear" if name != "dear" else "paid"
    shown = [
        None,
        guard.permit(other, "", (words, tree, *rest)),
        Guard().permit(name, "", (words, tree, *rest)),
        guard.permit(name, "", (words, dict(request.tree or {}), *rest)),
        guard.permit(name, "", ((words, words), tree, *rest)),
    ]
    return [msgspec.structs.replace(request, clearance=one) for one in shown]
