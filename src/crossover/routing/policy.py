"""Decide: enumerate → filter → rank → explain. Gives an order; carries nothing out.

Policies, each one row of :data:`POLICIES`:

- ``local_first``: own machines, the least busy first; then the cheapest paid one.
- ``cheapest``: by marginal cost. A running own machine with a free place costs nothing more.
- ``fastest``: by the time answers took lately (to the first token where they are streamed); what nobody has timed for
  a while is tried first, and full machines last.
- ``quality_first``: by the quality the configuration states; then the cheapest.
- ``pinned``: the first deployment of the list and no other.
- ``complexity``, ``route``: simple work goes to the weaker models, the rest to the stronger ones: a guess before.
- ``cascade``: the weaker models first; what they answered is judged before the client gets it.

Whatever the policy, among the *fallbacks* healthy local deployments come before paid ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec

from crossover.routing.eligibility import Ask, Law, refusal
from crossover.routing.health import Health
from crossover.routing.words import Decision, Guess, PolicyName, Refusal, Route, Target
from crossover.usage import Usage

_TYPICAL_OUTPUT = 300  # tokens of an answer whose length nobody stated, to compare prices only


class Conditions(msgspec.Struct, frozen=True):
    """How things stand now. ``busy`` maps a deployment to (calls in flight, waiting).

    ``streamed`` says whether the answer is wanted in pieces: its speed is then the time to the first. ``guess`` says
    whether the request is one for the ``strong`` deployments; None: nobody guessed, and it is not.
    """

    health: Health
    law: Law
    busy: Mapping[str, tuple[int, int]]
    now: float
    streamed: bool = True
    guess: Guess | None = None
    strong: frozenset[str] = frozenset()


Rank = Callable[[Target, int, Ask, Conditions], tuple[float, ...]]


def decide(route: Route, targets: Mapping[str, Target], ask: Ask, conditions: Conditions) -> Decision:
    """The deployments of this route that may answer, best first, and why each other may not.

    An empty order means that nothing is permitted. Pure: same arguments, same decision.
    """
    names = route.targets[:1] if route.policy == "pinned" else route.targets
    eligible: list[Target] = []
    refused: list[Refusal] = []
    for name in names:
        target = targets[name]
        against = refusal(target, ask, conditions.law, conditions.health, conditions.now)
        if against is None:
            eligible.append(target)
        else:
            refused.append(against)
    if len(names) < len(route.targets):
        why = f"the policy pins {route.name} to {names[0]}"
        refused += [Refusal(name, "pinned", why) for name in route.targets[len(names) :]]
    if len(eligible) > 1:
        eligible = _ranked(route.policy, eligible, ask, conditions)
    if len(route.targets) == 1 and eligible and conditions.guess is None:
        return _alone(route.policy, eligible[0].id)
    return Decision(
        policy=route.policy,
        order=tuple([target.id for target in eligible]),
        refused=tuple(refused),
        reason=_reason(route, targets, eligible, conditions) + _kept_back(refused, eligible),
    )


@lru_cache(maxsize=4096)
def _alone(policy: PolicyName, name: str) -> Decision:
    """The decision for the only deployment of a route: most requests of most gateways, and always the same."""
    why = _WHY[policy] if policy == "pinned" else "the only one on the list"
    return Decision(policy=policy, order=(name,), refused=(), reason=f"{policy}: {name}, {why}")


def marginal_cost(target: Target, ask: Ask) -> int:
    """Picodollars that this request would add to the bill; 0 on a machine that runs anyway.

    A deployment whose price nobody knows costs more than any other: it cannot be called cheap.
    """
    if target.local:
        return 0
    if not target.price.known:
        return 1 << 62
    output = ask.output_tokens if ask.output_tokens is not None else _TYPICAL_OUTPUT
    return target.price.cost(Usage(input=ask.input_tokens, output=output))


def full(target: Target, conditions: Conditions) -> bool:
    """Whether every place of the deployment is taken."""
    return target.concurrency > 0 and conditions.busy.get(target.id, (0, 0))[0] >= target.concurrency


def _ranked(policy: PolicyName, eligible: list[Target], ask: Ask, conditions: Conditions) -> list[Target]:
    rank = POLICIES[policy]
    keyed = sorted((rank(target, place, ask, conditions), place) for place, target in enumerate(eligible))
    order = [eligible[place] for _, place in keyed]
    first, rest = order[0], order[1:]
    return [first, *(target for target in rest if target.local), *(target for target in rest if not target.local)]


def _load(target: Target, conditions: Conditions) -> float:
    """Calls in flight and waiting per place: among equals the least busy comes first."""
    flying, waiting = conditions.busy.get(target.id, (0, 0))
    return (flying + waiting) / (target.concurrency or 1)


def _local_first(target: Target, place: int, ask: Ask, conditions: Conditions) -> tuple[float, ...]:
    if target.local:
        return (0.0, float(full(target, conditions)), _load(target, conditions), place)
    return (1.0, float(marginal_cost(target, ask)), place)


def _cheapest(target: Target, place: int, ask: Ask, conditions: Conditions) -> tuple[float, ...]:
    return (float(marginal_cost(target, ask)), float(full(target, conditions)), _load(target, conditions), place)


def _fastest(target: Target, place: int, _ask: Ask, conditions: Conditions) -> tuple[float, ...]:
    seen = conditions.health.seconds(target.id, conditions.now, streamed=conditions.streamed)
    return (float(full(target, conditions)), -1.0 if seen is None else seen, place)


def _quality_first(target: Target, place: int, ask: Ask, _conditions: Conditions) -> tuple[float, ...]:
    quality = -1e9 if target.quality is None else target.quality
    return (-quality, float(marginal_cost(target, ask)), place)


def _listed(_target: Target, place: int, _ask: Ask, _conditions: Conditions) -> tuple[float, ...]:
    return (place,)


def _by_strength(target: Target, place: int, ask: Ask, conditions: Conditions) -> tuple[float, ...]:
    wanted = conditions.guess is not None and conditions.guess.strong
    other = (target.id in conditions.strong) is not wanted
    return (float(other), *_local_first(target, place, ask, conditions))


POLICIES: dict[PolicyName, Rank] = {
    "local_first": _local_first,
    "cheapest": _cheapest,
    "fastest": _fastest,
    "quality_first": _quality_first,
    "pinned": _listed,
    "complexity": _by_strength,
    "cascade": _by_strength,
    "route": _by_strength,
}

_WHY: dict[PolicyName, str] = {
    "local_first": "own machines come first",
    "cheapest": "it adds the least to the bill",
    "fastest": "it answered fastest lately",
    "quality_first": "its stated quality is highest",
    "pinned": "the policy names it and no other",
    "complexity": "own machines come first",
    "cascade": "it is asked first",
    "route": "own machines come first",
}


_HOME = frozenset({"privacy", "law", "local_only"})  # refusals that say why a request stays at home


def _kept_back(refused: list[Refusal], order: list[Target]) -> str:
    """Why others may not have it, where that is what the request holds or what was said of it."""
    if not order:
        return ""
    kept = next((row for row in refused if row.code in _HOME), None)
    return "" if kept is None else f"; {kept.reason}"


def _unjudged(route: Route) -> bool:
    """Whether the cascade of this route lets streams pass as they are."""
    return route.cascade is not None and route.cascade.stream == "never"


def _reason(route: Route, targets: Mapping[str, Target], order: list[Target], conditions: Conditions) -> str:
    """Why the first is first, in one line."""
    policy = route.policy
    if not order:
        return f"{policy}: no deployment of {route.name} may answer"
    first, why = order[0], _WHY[policy]
    guess = conditions.guess
    if policy == "pinned":
        pass
    elif guess is not None:
        why = guess.why
        if guess.strong is not (first.id in conditions.strong):
            why += f", and no {'stronger' if guess.strong else 'weaker'} model may answer"
    elif policy == "cascade" and conditions.streamed and _unjudged(route) and first.id not in route.strong:
        why = "it is asked first, and nobody judges a stream here"
    elif len(order) == 1:
        why = "the only one left" if len(route.targets) > 1 else "the only one on the list"
    elif policy == "local_first" and not first.local:
        own = any(targets[name].local for name in route.targets)
        why = "no own machine may answer" if own else "no own machine is on the list, and it costs least"
    elif (
        policy == "fastest"
        and conditions.health.seconds(first.id, conditions.now, streamed=conditions.streamed) is None
    ):
        why = "nobody has timed it lately"
    elif policy == "quality_first" and first.quality is None:
        why = "no quality is stated, and it costs least"
    return f"{policy}: {first.id}, {why}"
