"""Hybrids: own machines for the base load and the API for peaks, or own machines for what must not leave."""

from __future__ import annotations

import math

import msgspec

from crossover.planner import fleet as fleets
from crossover.planner.costing import Facts, bill, with_replicas
from crossover.planner.draws import Range, certain
from crossover.planner.estimates import Priced
from crossover.planner.question import Question
from crossover.planner.survey import OwnOption, Survey
from crossover.planner.words import ReplicaPoint

BASES = 2  # configurations that a hybrid is built on: the cheapest self-hosted ones
MOST_POINTS = 40


class Hybrid(msgspec.Struct, frozen=True, kw_only=True):
    """A hybrid with its best number of own replicas, the same with every other number, and the curve between them."""

    own: OwnOption
    target: Priced
    facts: Facts
    variants: tuple[Facts, ...]
    points: tuple[ReplicaPoint, ...]


def overflowing(question: Question, found: Survey, targets: list[Priced], ranges: dict[str, Range]) -> list[Hybrid]:
    """For the cheapest configurations the best number of own replicas with overflow to each target."""
    wait = fleets.overflow_wait_s(question.slo)
    rows: list[Hybrid] = []
    seen: set[str] = set()
    for own in found.options:
        key = own.way.spec.key
        if key in seen or len(seen) >= BASES:
            continue
        seen.add(key)
        shares = fleets.overflow(own.fleet, question.workload, wait)
        rows.extend(_best(own, target, shares, ranges) for target in _targets(own, targets))
    return rows


def splitting(question: Question, found: Survey, targets: list[Priced], ranges: dict[str, Range]) -> list[Hybrid]:
    """Own machines for the sensitive share, the cheapest permitted target for the rest."""
    share = question.workload.sensitive_share
    if not 0 < share < 1 or not found.options or not targets:
        return []
    own = found.options[0]
    return [_split(own, target, share, ranges) for target in targets[:2]]


def _targets(own: OwnOption, targets: list[Priced]) -> list[Priced]:
    """Where to overflow: the first target (today's model, or the cheapest), and who sells the same weights cheapest."""
    same = [
        target
        for target in targets
        if target.candidate.open_model is not None and target.candidate.open_model.name == own.way.spec.model.name
    ]
    cheapest = min(same, key=lambda target: target.cost.usd_month, default=None)
    chosen = targets[:1] + ([cheapest] if cheapest is not None else [])
    return list({target.candidate.id: target for target in chosen}.values())


def _best(
    own: OwnOption, target: Priced, shares: tuple[tuple[float, float, float, float], ...], ranges: dict[str, Range]
) -> Hybrid:
    machines = own.facts.machines
    if machines is None:
        raise ValueError("a hybrid needs own machines")
    base = Facts(
        id=f"hybrid:{own.way.id.split(':', 1)[1]}+{target.candidate.id.split(':', 1)[1]}",
        kind="hybrid",
        requests_per_day=own.facts.requests_per_day,
        peak_rps=own.facts.peak_rps,
        tokens=target.facts.tokens,
        machines=msgspec.structs.replace(machines, spare=0, overflow=shares),
        people_usd=own.facts.people_usd,
        people_log_sd=own.facts.people_log_sd,
        operations_usd=own.facts.operations_usd,
        operations_log_sd=own.facts.operations_log_sd,
    )
    still = certain(ranges)
    counts = _counts(own.fleet.replicas)
    variants = [with_replicas(base, count) for count in counts]
    none_usd = float(bill(_without(base), still).tokens[0])
    points = [
        ReplicaPoint(replicas=0, own_usd_month=0.0, overflow_usd_month=none_usd, overflow_share=1.0, utilisation=0.0)
    ]
    for count, facts in zip(counts, variants, strict=True):
        sums = bill(facts, still)
        spilled = float(sums.overflow_share[0])
        points.append(
            ReplicaPoint(
                replicas=count,
                own_usd_month=float((sums.machines + sums.people + sums.operations)[0]),
                overflow_usd_month=float(sums.tokens[0]),
                overflow_share=spilled,
                utilisation=min(1.0, own.utilisation * own.fleet.replicas / count * (1 - spilled)),
            )
        )
    sums_of = [point.own_usd_month + point.overflow_usd_month for point in points[1:]]
    best = min(range(len(sums_of)), key=sums_of.__getitem__)
    return Hybrid(own=own, target=target, facts=variants[best], variants=tuple(variants), points=tuple(points))


def _without(base: Facts) -> Facts:
    """No own machines at all: everything goes to the target, and nobody looks after machines."""
    return Facts(
        id=base.id, kind="hybrid", requests_per_day=base.requests_per_day, peak_rps=base.peak_rps, tokens=base.tokens
    )


def _counts(replicas: int) -> list[int]:
    """Numbers of own replicas to look at: all up to what carries the peak, thinned out where there are many."""
    if replicas <= MOST_POINTS:
        return list(range(1, replicas + 1))
    step = replicas / MOST_POINTS
    return sorted({max(1, round(index * step)) for index in range(1, MOST_POINTS + 1)})


def _split(own: OwnOption, target: Priced, share: float, ranges: dict[str, Range]) -> Hybrid:
    machines = own.facts.machines
    if machines is None:
        raise ValueError("a split needs own machines")
    facts = Facts(
        id=f"hybrid:{own.way.id.split(':', 1)[1]}|sensitive|{target.candidate.id.split(':', 1)[1]}",
        kind="hybrid",
        requests_per_day=own.facts.requests_per_day,
        peak_rps=own.facts.peak_rps,
        tokens=target.facts.tokens,
        machines=machines,
        people_usd=own.facts.people_usd,
        people_log_sd=own.facts.people_log_sd,
        operations_usd=own.facts.operations_usd,
        operations_log_sd=own.facts.operations_log_sd,
        local_share=share,
    )
    sums = bill(facts, certain(ranges))
    count = math.ceil(float(sums.replicas[0]))
    point = ReplicaPoint(
        replicas=count,
        own_usd_month=float((sums.machines + sums.people + sums.operations)[0]),
        overflow_usd_month=float(sums.tokens[0]),
        overflow_share=1 - share,
        utilisation=min(1.0, own.utilisation * own.fleet.replicas * share / max(count, 1)),
    )
    return Hybrid(own=own, target=target, facts=facts, variants=(facts,), points=(point,))
