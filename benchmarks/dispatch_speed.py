"""What the dispatcher itself costs: microseconds of CPU per answer and per streamed chunk, with backends in memory.

``python benchmarks/dispatch_speed.py`` prints the best of several rounds, and what it adds to calling the backend
directly. No socket, no ledger and no wire format: only deciding, trying, pricing and making the record.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from crossover import sensitivity
from crossover.chat import (
    Caller,
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
from crossover.cost.request import PriceList, Step
from crossover.deployment import Deployment, ModelId, PerToken, Timeouts, Zone
from crossover.dispatch import Dispatcher, Plant
from crossover.ledger.words import Budget, Record
from crossover.routing.eligibility import Laws
from crossover.routing.health import Health
from crossover.routing.places import Places
from crossover.routing.words import BreakerRule, Route, Target
from crossover.usage import Usage

ROUNDS = 40
CALLS = 1_000
CHUNKS = 100
USED = Usage(input=250, output=40)
REQUEST = ChatRequest(
    model="chat",
    messages=(Message("system", (Text("Be brief."),)), Message("user", (Text("word " * 200),))),
    caller=Caller(request_id="r-1", key="k-1", door="openai"),
)
ANSWER = ChatResponse(choices=(Choice(message=Message("assistant", (Text("ok"),)), finish="stop"),), usage=USED)
PIECE = ChatChunk(deltas=(Delta(text="word "),), raw=b"data: {}\n\n", dialect="openai")
END = ChatChunk(usage=USED, last=True)


class InMemory:
    """Answers at once."""

    async def complete(self, _request: ChatRequest) -> ChatResponse:
        return ANSWER

    async def stream(self, _request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        for _ in range(CHUNKS):
            yield PIECE
        yield END

    async def embed(self, _request: EmbedRequest) -> EmbedResponse:
        return EmbedResponse(vectors=((0.0,),))


class Forgetful:
    """A ledger that keeps nothing."""

    def append(self, record: Record) -> None:
        pass

    async def reserve(self, _request_id: str, _budgets: tuple[Budget, ...], _amount: int, _now: float) -> Budget | None:
        return None

    def release(self, request_id: str) -> None:
        pass


def target(name: str) -> Target:
    zone = Zone(name="cloud", operator="provider", party="someone")
    return Target(
        deployment=Deployment(id=name, model=ModelId(name="m"), zone=zone, billing=PerToken(provider="p", model="m")),
        provider="p",
        can=frozenset({"chat", "tools"}),
        price=PriceList(steps=(Step(0, 150_000, 75_000, 0, 0, 600_000, 600_000),), source="list"),
        timeouts=Timeouts(),
        context=128_000,
    )


def dispatcher(targets: int, *, budgets: bool = False) -> Dispatcher:
    names = tuple(f"t{number}" for number in range(targets))
    limits = (Budget(name="all", limit=10**15, period="month"),) if budgets else ()
    plant = Plant(
        targets={name: target(name) for name in names},
        routes={"chat": Route(name="chat", targets=names, policy="cheapest")},
        backends={name: InMemory() for name in names},
        places={name: Places(0, 0) for name in names},
        health=Health(names, BreakerRule()),
        law=Laws(None, dt.date.today),
        budgets=lambda _caller, _route: limits,
    )
    return Dispatcher(plant, Forgetful(), estimate=lambda _request: 250, label=sensitivity.label)


async def answers(backend: InMemory | Dispatcher) -> None:
    for _ in range(CALLS):
        await backend.complete(REQUEST)


async def chunks(backend: InMemory | Dispatcher) -> None:
    for _ in range(CALLS // CHUNKS):
        async for _chunk in backend.stream(REQUEST):
            pass


def microseconds(work: Callable[[], Coroutine[Any, Any, None]]) -> float:
    """CPU microseconds per call, the best of several rounds."""
    took = []
    for _ in range(ROUNDS):
        before = time.process_time()
        asyncio.run(work())
        took.append(time.process_time() - before)
    return min(took) / CALLS * 1e6


def main() -> None:
    bare = InMemory()
    print(f"{'':44}{'µs':>8}{'µs over bare':>14}")
    direct = microseconds(lambda: answers(bare))
    print(f"{'complete(), backend alone':44}{direct:8.2f}")
    for text, backend in (
        ("complete(), one target", dispatcher(1)),
        ("complete(), one target, budget", dispatcher(1, budgets=True)),
        ("complete(), three targets", dispatcher(3)),
    ):
        took = microseconds(lambda backend=backend: answers(backend))  # type: ignore[misc]
        print(f"{text:44}{took:8.2f}{took - direct:14.2f}")
    direct = microseconds(lambda: chunks(bare))
    took = microseconds(lambda: chunks(dispatcher(1)))
    print(f"{'streamed chunk, backend alone':44}{direct:8.2f}")
    print(f"{'streamed chunk, one target':44}{took:8.2f}{took - direct:14.2f}")


if __name__ == "__main__":
    main()
