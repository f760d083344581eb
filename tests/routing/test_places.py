from __future__ import annotations

import asyncio
import random

import pytest

from crossover.routing.places import Places
from tests.dispatch_parts import until


def test_without_a_limit_everybody_gets_a_place() -> None:
    places = Places(0, 0)
    assert all(places.take() for _ in range(1000))
    assert places.busy == (1000, 0)


def test_a_full_house_without_a_queue_sends_away() -> None:
    async def run() -> None:
        places = Places(2, 0)
        assert [places.take(), places.take(), places.take()] == [True, True, False]
        assert not await places.wait(10)
        places.give()
        assert places.take()

    asyncio.run(run())


def test_first_come_first_served_and_nobody_jumps_the_queue() -> None:
    async def run() -> None:
        places, order = Places(1, 5), []

        async def guest(name: str) -> None:
            assert await places.wait(60)
            order.append(name)

        places.take()
        guests = [asyncio.create_task(guest(name)) for name in "abc"]
        await until(lambda: places.waiting == 3)
        places.give()
        assert not places.take(), "the place is a's already"
        for name in "abc":
            await until(lambda name=name: name in order)  # type: ignore[misc]
            places.give()
        await asyncio.gather(*guests)
        assert order == ["a", "b", "c"]
        assert places.busy == (0, 0)

    asyncio.run(run())


def test_the_queue_has_an_end() -> None:
    async def run() -> None:
        places = Places(1, 1)
        places.take()
        first = asyncio.create_task(places.wait(60))
        await until(lambda: places.waiting == 1)
        assert not await places.wait(60)
        places.give()
        assert await first
        assert places.busy == (1, 0)

    asyncio.run(run())


def test_waiting_ends_with_time() -> None:
    async def run() -> None:
        places = Places(1, 1)
        places.take()
        assert not await places.wait(0.0)
        assert not await places.wait(1e-9)
        assert places.busy == (1, 0)
        places.give()
        assert places.busy == (0, 0)

    asyncio.run(run())


@pytest.mark.parametrize("given_first", [True, False])
def test_whoever_leaves_while_a_place_comes_does_not_keep_it(given_first: bool) -> None:
    async def run() -> None:
        places = Places(1, 2)
        places.take()
        leaving, staying = asyncio.create_task(places.wait(60)), asyncio.create_task(places.wait(60))
        await until(lambda: places.waiting == 2)
        if given_first:
            places.give()
            leaving.cancel()
        else:
            leaving.cancel()
            places.give()
        await asyncio.wait([leaving])
        assert leaving.cancelled()
        assert await staying
        assert places.busy == (1, 0)
        places.give()
        assert places.busy == (0, 0)

    asyncio.run(run())


def test_a_lower_limit_counts_as_calls_end_and_a_higher_one_lets_the_waiting_in() -> None:
    async def run() -> None:
        places = Places(3, 5)
        for _ in range(3):
            places.take()
        waiting = [asyncio.create_task(places.wait(60)) for _ in range(3)]
        await until(lambda: places.waiting == 3)
        places.limit = 1
        places.give()
        places.give()
        assert places.busy == (1, 3)
        places.limit = 3
        places.give()
        assert places.busy == (3, 0)
        assert all(await asyncio.gather(*waiting))

    asyncio.run(run())


@pytest.mark.parametrize("limit", [3, 0])
def test_a_higher_limit_lets_the_waiting_in_at_once(limit: int) -> None:
    """Not only when a call ends: the one that holds the only place may hang."""

    async def run() -> None:
        places = Places(1, 5)
        places.take()
        guests = [asyncio.create_task(places.wait(60)) for _ in range(2)]
        await until(lambda: places.waiting == 2)
        places.change(limit, 5)
        assert await asyncio.gather(*guests) == [True, True]
        assert places.busy == (3, 0)

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(20))
def test_places_balance_whatever_happens_in_whatever_order(seed: int) -> None:
    """Tasks take, wait, leave, are cancelled and time out; never more than the limit fly, and at the end nobody."""
    chance = random.Random(seed)

    async def guest(places: Places, seen: list[int]) -> None:
        if not places.take() and not await places.wait(chance.choice([1e-9, 60.0])):
            return
        try:
            seen.append(places.flying)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            places.give()

    async def run() -> None:
        places, seen = Places(chance.randint(1, 3), chance.randint(0, 6)), list[int]()
        guests = []
        for _ in range(60):
            guests.append(asyncio.create_task(guest(places, seen)))
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            if chance.random() < 0.4:
                chance.choice(guests).cancel()
        await asyncio.gather(*guests, return_exceptions=True)
        assert places.busy == (0, 0)
        assert max(seen) <= places.limit

    asyncio.run(run())
