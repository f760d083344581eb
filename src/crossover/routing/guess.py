"""Guesses made before the call, and what is seen of answered requests by whoever checks the rules afterwards."""

from __future__ import annotations

import random
from typing import Any, Protocol

import msgspec

from crossover.chat import ChatRequest
from crossover.errors import RequestError
from crossover.ledger.words import AttemptRow
from crossover.routing.words import Guess, PolicyName, Route

GUESSING: frozenset[PolicyName] = frozenset(
    {"complexity", "cascade", "route"}
)  # these tell work for the stronger apart


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a watched route that was answered.

    ``first`` is (deployment, its answer) where a weaker model's answer was passed on, ``answer`` what the client got
    from ``deployment``. ``drawn``: chance chose it, with the probability of the route, to check the rule; then ``kept``
    says whether the rule would have let the weaker model answer, and ``score`` what it went by. ``time`` is the Unix
    second of its arrival.
    """

    id: str
    route: Route
    request: ChatRequest
    deployment: str
    answer: str
    first: tuple[str, str]
    drawn: bool
    kept: bool
    score: float | None
    time: float
    attempts: tuple[AttemptRow, ...]


class Watch(Protocol):
    """Who checks the rules of routes while they are used; ``runtime.watch`` is one."""

    def doubt(self, route: str) -> str:
        """Why the rule of this route is not to be trusted now, in a few words; empty where it is."""
        ...

    def served(self, seen: Seen) -> None:
        """Take note of a request that was answered; never waits."""
        ...


class Guessed(msgspec.Struct, frozen=True):
    """What is thought of a request before the call: None where nobody guesses. ``drawn`` and ``kept`` as in Seen."""

    guess: Guess | None = None
    drawn: bool = False
    kept: bool = True
    score: float | None = None


NOTHING = Guessed()


def guess(route: Route, request: Any, watch: Watch | None, chance: random.Random) -> Guessed:
    """What the route's policy thinks of the request, and whether chance chose it to check the rule.

    Raises RequestError where nobody has trained the rule that is asked for.
    """
    policy = route.policy
    if policy not in GUESSING or not isinstance(request, ChatRequest):
        return NOTHING
    if watch is not None and (doubt := watch.doubt(route.name)):
        return Guessed(Guess(True, doubt))
    if policy == "cascade":
        return NOTHING
    think = route.complexity if policy == "complexity" else route.learned
    if think is None:
        raise RequestError(
            f"nobody has trained a rule for {route.name}",
            code="not_trained",
            hint="`crossover route train` makes one; the policies complexity and cascade need none",
        )
    found = think(request)
    drawn_ = drawn(route, chance)
    said = Guess(True, by_chance(route)) if drawn_ and not found.strong else found
    return Guessed(said, drawn_, not found.strong, found.score)


def drawn(route: Route, chance: random.Random) -> bool:
    """Whether chance chooses this request to check the rule: a stronger model answers it, whatever the rule says."""
    return route.explore > 0 and chance.random() < route.explore


def by_chance(route: Route) -> str:
    """Why chance decided, in words."""
    return f"by chance, to check the rule ({route.explore:.1%} of all)"
