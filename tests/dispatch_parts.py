"""What tests of routing and dispatch are made of: a clock that stands still, backends that follow a script, a book."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any, TypeAlias

from crossover import sensitivity
from crossover.chat import (
    Caller,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    Dialect,
    EmbedRequest,
    EmbedResponse,
    Finish,
    Message,
    Text,
)
from crossover.cost.request import UNKNOWN, PriceList, Step
from crossover.deployment import Deployment, ModelId, Operator, PerToken, Timeouts, Zone
from crossover.dispatch import Clock, Dispatcher, Plant
from crossover.errors import UpstreamError, UpstreamKind
from crossover.ledger.words import Budget, Record
from crossover.routing.eligibility import Ask, Law
from crossover.routing.health import Health
from crossover.routing.places import Places
from crossover.routing.words import BreakerRule, Need, PolicyName, Retries, Route, Target
from crossover.usage import Usage

WALL = 1_800_000_000.0
ALL: frozenset[Need] = frozenset({"chat", "embeddings", "tools", "images", "json", "schema", "logprobs", "n"})
PROMPT = 100  # tokens that the estimate says of every request
USED = Usage(input=100, output=20)


# ------------------------------------------------------------------------------------------------------------- routing


def target(
    name: str, *, operator: Operator = "provider", price: tuple[int, int] | None = (10, 40), concurrency: int = 0,
    queue: int = 0, queue_wait: float = 10.0, quality: float | None = None, can: frozenset[Need] = ALL,
    context: int | None = None, max_output: int | None = None, agreements: Iterable[str] = (),
    dialect: Dialect | None = None,
) -> Target:  # fmt: skip
    """A deployment. ``price`` is picodollars per token of input and output; None: nobody knows it."""
    known = (
        PriceList(steps=(Step(0, price[0], price[0], price[0], price[0], price[1], price[1]),)) if price else UNKNOWN
    )
    return Target(
        deployment=Deployment(
            id=name,
            model=ModelId(name=f"model-of-{name}"),
            zone=Zone(name=f"zone-of-{name}", operator=operator, party="someone", agreements=frozenset(agreements)),
            billing=PerToken(provider="p", model="m"),
        ),
        provider=f"provider-of-{name}",
        can=can,
        price=known,
        timeouts=Timeouts(),
        context=context,
        max_output=max_output,
        concurrency=concurrency,
        queue=queue,
        queue_wait=queue_wait,
        quality=quality,
        dialect=dialect,
    )


def local(name: str, **more: Any) -> Target:
    """A deployment on an own machine; its tokens have an average price that nobody pays per request."""
    return target(name, operator="own", **{"price": (1, 1), **more})


def anything_goes(_target: Target, _ask: Ask) -> str | None:
    return None


# ------------------------------------------------------------------------------------------------------------ backends


def failure(
    kind: UpstreamKind, *, accepted: bool = False, retry_after_s: float | None = None, status: int | None = None
) -> UpstreamError:
    return UpstreamError(
        f"it failed: {kind}", upstream=kind, accepted=accepted, retry_after_s=retry_after_s, upstream_status=status
    )


def answer(text: str = "fine", *, usage: Usage | None = USED, finish: Finish = "stop") -> ChatResponse:
    parts = (Text(text),) if text else ()
    return ChatResponse(choices=(Choice(message=Message("assistant", parts), finish=finish),), usage=usage)


def say(text: str) -> ChatChunk:
    return ChatChunk(deltas=(Delta(text=text),))


ROLE = ChatChunk(deltas=(Delta(),), id="announcement")
PING = ChatChunk()


def end(usage: Usage | None = USED, finish: Finish | None = "stop") -> ChatChunk:
    return ChatChunk(deltas=(Delta(finish=finish),), usage=usage, last=True)


Item: TypeAlias = ChatChunk | BaseException | asyncio.Event
Step_: TypeAlias = ChatResponse | EmbedResponse | BaseException | asyncio.Event | list[Item]


class Scripted:
    """A backend that follows a script, one step per call; at its end it answers well.

    A step is an answer, an exception to raise, an event to wait for before a good answer, or the items of a stream.
    """

    def __init__(self, *steps: Step_) -> None:
        self.steps = list(steps)
        self.calls = 0
        self.under_way = 0
        self.most = 0  # calls at one time
        self.cancelled = 0
        self.entered = asyncio.Event()

    def _begin(self) -> Step_ | None:
        self.calls += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.entered.set()
        return self.steps.pop(0) if self.steps else None

    async def complete(self, request: ChatRequest) -> ChatResponse:
        try:
            step = await self._step()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        return step if isinstance(step, ChatResponse) else answer()

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        try:
            step = await self._step()
        finally:
            self.under_way -= 1
        return step if isinstance(step, EmbedResponse) else EmbedResponse(vectors=((1.0,),), usage=Usage(input=7))

    async def _step(self) -> Step_ | None:
        step = self._begin()
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, asyncio.Event):
            await step.wait()
        return step

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        step = self._begin()
        if isinstance(step, BaseException | asyncio.Event):
            step = [step, say("fine"), end()]
        try:
            for item in step if isinstance(step, list) else [say("fi"), say("ne"), end()]:
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, asyncio.Event):
                    await item.wait()
                else:
                    yield item
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1


# ---------------------------------------------------------------------------------------------------- ledger and clock


class InMemoryBook:
    """Keeps rows and reservations; a row settles what is reserved under its id, as the real one does."""

    def __init__(self) -> None:
        self.rows: list[Record] = []
        self.reserved: dict[str, dict[str, int]] = {}  # by request, by budget
        self.spent: dict[str, int] = {}
        self.asked: list[int] = []  # amounts in the order in which they were asked for
        self.gate: asyncio.Event | None = None  # reservations wait for it, after they were made

    @property
    def row(self) -> Record:
        """The only row."""
        assert len(self.rows) == 1, [row.id for row in self.rows]
        return self.rows[0]

    def append(self, record: Record) -> None:
        self.rows.append(record)
        if record.reserved:
            for budget in self.reserved.pop(record.id, {}):
                self.spent[budget] = self.spent.get(budget, 0) + record.marginal

    async def reserve(self, request_id: str, budgets: tuple[Budget, ...], amount: int, now: float) -> Budget | None:
        assert now >= WALL
        self.asked.append(amount)
        for budget in budgets:
            held = sum(row.get(budget.name, 0) for row in self.reserved.values())
            if self.spent.get(budget.name, 0) + held + amount > budget.limit:
                return budget
        mine = self.reserved.setdefault(request_id, {})
        for budget in budgets:
            mine[budget.name] = mine.get(budget.name, 0) + amount
        if self.gate is not None:
            await self.gate.wait()
        return None

    def release(self, request_id: str) -> None:
        self.reserved.pop(request_id, None)


class StillClock:
    """Stands still until it is told otherwise; sleeping moves it."""

    def __init__(self, seed: int = 1) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.chance = random.Random(seed)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(tick=lambda: self.now, wall=lambda: WALL + self.now, sleep=self.sleep, chance=self.chance)


# ----------------------------------------------------------------------------------------------------------- dispatch


class House:
    """A dispatcher with everything that was handed to it."""

    def __init__(
        self, targets: Iterable[Target], *, policy: PolicyName = "local_first",
        scripts: Mapping[str, Scripted] | None = None,
        retries: Retries | None = None, breaker: BreakerRule | None = None, law: Law = anything_goes,
        overflow: bool = False, local_only: bool = False, budgets: tuple[Budget, ...] = (),
        seed: int = 1, route: Mapping[str, Any] | None = None, more: Iterable[Route] = (), **plant: Any,
    ) -> None:  # fmt: skip
        rows = {row.id: row for row in targets}
        self.backends = {name: (scripts or {}).get(name) or Scripted() for name in rows}
        self.places = {name: Places(row.concurrency, row.queue) for name, row in rows.items()}
        self.health = Health(rows, breaker or BreakerRule())
        self.time = StillClock(seed)
        self.book = InMemoryBook()
        chat = Route(
            name="chat", targets=tuple(rows), policy=policy, overflow=overflow, local_only=local_only, **(route or {})
        )
        self.plant = Plant(
            targets=rows,
            routes={"chat": chat, **{one.name: one for one in more}},
            backends=self.backends,
            places=self.places,
            health=self.health,
            law=law,
            retries=retries or Retries(),
            budgets=lambda _caller, _route: budgets,
            **plant,
        )
        self.dispatcher = Dispatcher(
            self.plant,
            self.book,
            estimate=lambda _request: PROMPT,
            label=sensitivity.label,
            clock=self.time.clock(),
        )

    def calls(self) -> dict[str, int]:
        """How often each deployment was called."""
        return {name: backend.calls for name, backend in self.backends.items()}

    def balanced(self) -> bool:
        """Whether every place, probe and reservation came back."""
        return (
            all(places.busy == (0, 0) for places in self.places.values())
            and all(breaker._probing == 0 for breaker in self.health.breakers.values())
            and not self.book.reserved
            and all(backend.under_way == 0 for backend in self.backends.values())
        )


def ask(number: int = 1, *, model: str = "chat", max_tokens: int | None = 50, **caller: Any) -> ChatRequest:
    """A request; further arguments are its caller's, but ``metadata``."""
    metadata = caller.pop("metadata", None)
    return ChatRequest(
        model=model,
        messages=(Message("user", (Text("hello"),)),),
        max_tokens=max_tokens,
        metadata=metadata,
        caller=Caller(request_id=f"r-{number}", key="k", **caller),
    )


async def pieces(house: House, request: ChatRequest) -> list[ChatChunk]:
    return [chunk async for chunk in house.dispatcher.stream(request)]


def text_of(chunks: Iterable[ChatChunk]) -> str:
    return "".join(delta.text for chunk in chunks for delta in chunk.deltas)


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until it holds; a test that waits for ever fails instead."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")
