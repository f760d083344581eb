"""Guesses made before the call, and what is seen of answered requests by whoever checks the rules afterwards."""

from __future__ import annotations

import random
from typing import Any, Protocol

import msgspec

from crossover.chat import ChatRequest
from crossover.errors import RequestError
from crossover.routing.words import Guess, PolicyName, Route

GUESSING: frozenset[PolicyName] = frozenset(
    {"complexity", "cascade", "route"}
)  # these tell work for the stronger apart


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a watched route that was answered.

    ``first`` is (deployment, its answer) where a weaker model's answer was passed on, ``answer`` what the client got
    from ``deployment``. ``explored``: chance sent it to a stronger model, with the probability of the route. ``time``
    is the Unix second of its arrival, ``cost`` picodollars.
    """

    id: str
    route: Route
    request: ChatRequest
    deployment: str
    answer: str
    first: tuple[str, str]
    explored: bool
    time: float
    cost: int
    total_ms: float


class Watch(Protocol):
    """Who checks the rules of routes while they are used; ``runtime.watch`` is one."""

    def doubt(self, route: str) -> str:
        """Why the rule of this route is not to be trusted now, in a few words; empty where it is."""
        ...

    def served(self, seen: Seen) -> None:
        """Take note of a request that was answered; never waits."""
        ...


def guess(route: Route, request: Any, watch: Watch | None, chance: random.Random) -> tuple[Guess | None, bool]:
    """(What the route's policy thinks of the request before the call, whether chance had its say).

    None where the policy does not guess. Raises RequestError where nobody has trained the rule that is asked for.
    """
    policy = route.policy
    if not route.strong or policy not in GUESSING or not isinstance(request, ChatRequest):
        return None, False
    if watch is not None and (doubt := watch.doubt(route.name)):
        return Guess(True, doubt), False
    if policy == "cascade":
        return None, False
    think = route.complexity if policy == "complexity" else route.learned
    if think is None:
        raise RequestError(
            f"nobody has trained a rule for {route.name}",
            code="not_trained",
            hint="`crossover route train` makes one; the policies complexity and cascade need none",
        )
    found = think(request)
    if not found.strong and drawn(route, chance):
        return Guess(True, by_chance(route)), True
    return found, False


def drawn(route: Route, chance: random.Random) -> bool:
    """Whether chance sends this one to a stronger model although the rule would not."""
    return route.explore > 0 and chance.random() < route.explore


def by_chance(route: Route) -> str:
    """Why chance decided, in words."""
    return f"chance asked a stronger model, to check the rule ({route.explore:.1%} of what it keeps)"
