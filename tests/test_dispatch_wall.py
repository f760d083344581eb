"""Thousands of random requests against random faults: no request ever reaches a deployment that may not have it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any, get_args

import pytest

from crossover import dispatch
from crossover.account import Account
from crossover.chat import ChatChunk, ChatRequest, ChatResponse, Delta
from crossover.deployment import Operator
from crossover.errors import ServingError, UpstreamKind
from crossover.ledger.words import Budget
from crossover.routing.eligibility import Ask
from crossover.routing.policy import POLICIES
from crossover.routing.words import BreakerRule, Retries, Target
from crossover.sensitivity import TIERS
from crossover.usage import Usage
from tests.dispatch_parts import PING, ROLE, House, Scripted, answer, ask, end, failure, say, target, text_of

WORLDS, REQUESTS = 30, 25  # for each of five seeds: 3,750 requests
KINDS: tuple[UpstreamKind, ...] = get_args(UpstreamKind)
SMALL = Usage(input=100, output=10)
OPERATORS: tuple[Operator, ...] = ("own", "own", "rented", "provider", "provider")


class Rules:
    """Which tier may go where; changes at any time."""

    def __init__(self, names: list[str], chance: random.Random) -> None:
        self.chance = chance
        self.table = {(name, tier): chance.random() < 0.7 for name in names for tier in TIERS}

    def __call__(self, row: Target, asked: Ask) -> str | None:
        return None if self.table[row.id, asked.sensitivity.tier] else f"{row.id} may not have {asked.sensitivity.tier}"

    def change(self) -> None:
        key = self.chance.choice(sorted(self.table))
        self.table[key] = not self.table[key]


class Faulty(Scripted):
    """Fails in every way there is, by chance, and checks that it may have what it is given."""

    def __init__(self, world: World, row: Target) -> None:
        super().__init__()
        self.world, self.row = world, row

    def took(self, request: ChatRequest) -> None:
        label = request.caller.sensitivity or "none"
        tier = next((tier for tier in TIERS if tier == label), TIERS[0])
        name = request.caller.request_id
        assert self.world.rules.table[self.row.id, tier], f"{self.row.id} may not have {tier}"
        assert label != "local_only" or self.row.local, f"{name} must stay local"
        self.world.received.setdefault(name, []).append(self.row.id)

    def fault(self) -> ServingError | None:
        chance = self.world.chance
        if chance.random() < 0.5:
            return None
        after = chance.choice([None, None, 0.5, 3.0, 100.0])
        status = chance.choice([None, 400, 500])
        return failure(chance.choice(KINDS), accepted=chance.random() < 0.5, retry_after_s=after, status=status)

    async def pause(self) -> None:
        for _ in range(self.world.chance.randrange(4)):
            await asyncio.sleep(0)
        if self.world.chance.random() < 0.05:
            await self.world.gate.wait()

    async def complete(self, request: ChatRequest) -> ChatResponse:
        self.took(request)
        self.under_way += 1
        try:
            await self.pause()
            if (error := self.fault()) is not None:
                raise error
            if self.world.chance.random() < 0.1:
                return answer("", usage=None)
            return answer(self.row.id, usage=self.world.chance.choice([SMALL, None]))
        finally:
            self.under_way -= 1

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        self.took(request)
        self.under_way += 1
        chance = self.world.chance
        try:
            for item in [ROLE, PING, say(f"{self.row.id} "), ChatChunk(deltas=(Delta(thinking="x"),)), end(SMALL)]:
                await self.pause()
                if chance.random() < 0.3 and (error := self.fault()) is not None:
                    raise error
                if chance.random() < 0.1:
                    continue
                yield item
        finally:
            self.under_way -= 1


class World:
    """Some deployments, rules, a ledger and a clock, all drawn by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.gate = asyncio.Event()
        self.received: dict[str, list[str]] = {}
        rows = [
            target(
                f"t{number}", operator=chance.choice(OPERATORS), price=chance.choice([(10, 40), (1, 1), None]),
                concurrency=chance.choice([0, 0, 1, 2]), queue=chance.choice([0, 2, 9]),
                quality=chance.choice([None, 1, 2]),
            )
            for number in range(chance.randint(1, 6))
        ]  # fmt: skip
        self.rules = Rules([row.id for row in rows], chance)
        self.limit = chance.choice([0, 10_000, 10**9])
        self.retries = Retries(attempts=chance.randint(1, 3), fallbacks=chance.randint(0, 4))
        self.house = House(
            rows,
            policy=chance.choice(sorted(POLICIES)),
            scripts={row.id: Faulty(self, row) for row in rows},
            retries=self.retries,
            breaker=BreakerRule(failures=chance.choice([1, 3]), probes=chance.randint(1, 2), rest=1.0),
            law=self.rules,
            overflow=chance.random() < 0.5,
            budgets=chance.choice([(), (Budget(name="b", limit=self.limit, period="day"),)]),
            seed=chance.randrange(10**9),
        )

    async def request(self, number: int) -> Any:
        chance = self.chance
        asked = ask(
            number,
            sensitivity=chance.choice([None, *TIERS, "local_only"]),
            policy=chance.choice([None, None, *sorted(POLICIES)]),
            retries_by_client=chance.choice([0, 0, 1]),
            deadline_s=chance.choice([None, None, 1000.0]),
        )
        if chance.random() < 0.5:
            return await self.house.dispatcher.complete(asked)
        chunks = []
        stream = self.house.dispatcher.stream(asked)
        try:
            async for chunk in stream:
                chunks.append(chunk)
                if chance.random() < 0.03:
                    break
        finally:
            await stream.aclose()
        return chunks

    async def run(self) -> list[Any]:
        tasks: list[asyncio.Task[Any]] = []
        for number in range(REQUESTS):
            tasks.append(asyncio.create_task(self.request(number)))
            if self.chance.random() < 0.5:
                await asyncio.sleep(0)
            if self.chance.random() < 0.1:
                self.chance.choice(tasks).cancel()
            if self.chance.random() < 0.3:
                self.rules.change()
            if self.chance.random() < 0.1:
                name = self.chance.choice(sorted(self.house.places))
                self.house.health.of(name).trip(self.house.time.now, "dead")
            self.house.time.now += self.chance.choice([0.0, 0.1, 2.0])
        for _ in range(50):
            await asyncio.sleep(0)
        self.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)


def check(world: World, results: list[Any], orders: dict[str, tuple[str, ...]]) -> Counter[str]:
    house = world.house
    assert house.balanced()
    for result in results:
        assert not isinstance(result, Exception) or isinstance(result, ServingError), repr(result)
    rows = {row.id: row for row in house.book.rows}
    assert len(rows) == len(house.book.rows), "one row a request"
    for name, row in rows.items():
        tried = world.received.get(name, [])
        assert [attempt.deployment for attempt in row.attempts] == tried
        assert set(tried) <= set(orders[name]), "nothing outside the order is ever called"
        assert len(set(tried)) <= 1 + world.retries.fallbacks
        assert max(Counter(tried).values(), default=0) <= world.retries.attempts
        for before, after in zip(row.attempts, row.attempts[1:], strict=False):
            assert before.outcome != "ok"
            assert before.deployment != after.deployment or not before.accepted, "what was accepted is not asked again"
        assert row.cost == sum(attempt.cost for attempt in row.attempts)
        assert 0 <= row.marginal <= row.cost
        assert (row.status == "ok") == (bool(row.attempts) and row.attempts[-1].outcome == "ok")
        assert (row.status == "refused") <= (not tried)
        closed = {target for target, reason in row.refused if reason.startswith("overflow")}
        assert not closed & set(tried[1:])
    for number, result in enumerate(results):
        if isinstance(result, ChatResponse):
            assert rows[f"r-{number}"].deployment == result.text
        elif isinstance(result, list) and result:
            assert set(text_of(result).split()) <= {rows[f"r-{number}"].deployment}, "pieces of one target only"
    if world.limit:
        assert house.book.spent.get("b", 0) <= world.limit
    return Counter(row.status for row in rows.values())


@pytest.mark.parametrize("seed", range(5))
def test_no_fault_ever_widens_the_list(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    orders: dict[str, tuple[str, ...]] = {}

    class Noted(Account):
        def __init__(self, request_id: str, *rest: Any, **more: Any) -> None:
            super().__init__(request_id, *rest, **more)
            orders[request_id] = self.left

    monkeypatch.setattr(dispatch, "Account", Noted)
    seen: Counter[str] = Counter()
    for _ in range(WORLDS):

        async def world_of(chance: random.Random) -> tuple[World, list[Any]]:
            world = World(chance)
            return world, await world.run()

        world, results = asyncio.run(world_of(chance))
        seen += check(world, results, orders)
    assert seen.total() >= 700
    assert set(seen) == {"ok", "error", "truncated", "cancelled", "refused"}, "every end was seen"
