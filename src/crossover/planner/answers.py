"""Answers: break-evens, tornado, flip conditions, curves and reach of one plan, from the facts of its options."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from crossover.planner.costing import Facts
from crossover.planner.crossings import between, staircase, with_band
from crossover.planner.draws import Draws, draw
from crossover.planner.estimated import Estimated
from crossover.planner.hybrids import Hybrid
from crossover.planner.levers import levers_of
from crossover.planner.outlook import curve, flips, tornado, volumes
from crossover.planner.question import Question
from crossover.planner.verdict import POPULAR_CLAIM, reach_of
from crossover.planner.words import (
    KIND_TITLES,
    BreakEven,
    Flip,
    Option,
    OptionKind,
    Reach,
    ReplicaCurve,
    TornadoBar,
    VolumeCurve,
)

CURVE_DRAWS = 200
BAND_DRAWS = 200
CURVE_MEMBERS = 12  # per class: the cheapest at today's volume, and so the ones that may be cheapest near it
BANDS = 6  # pairs that get an interval; the others are exact crossings of the point estimates
BREAK_EVEN_REPLICAS = 64
FLIP_OPTIONS = 25  # the cheapest of all, and then of own machines and APIs: where a flip leads to


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What explains a ranking. ``tornado_pair`` names the two options whose saving the tornado shows."""

    break_evens: tuple[BreakEven, ...]
    tornado: tuple[TornadoBar, ...]
    tornado_pair: tuple[str, str] | None
    flips: tuple[Flip, ...]
    curves: tuple[VolumeCurve, ...]
    replica_curve: ReplicaCurve | None
    reach: tuple[Reach, ...]


def answers(
    question: Question,
    facts: Sequence[Facts],
    hybrids: Sequence[Hybrid],
    ranking: Sequence[Option],
    today: Option | None,
    estimated: Estimated,
) -> Answers:
    """Everything beside the ranking itself."""
    ranges = estimated.ranges
    by_id = {row.id: row for row in facts}
    ordered = [by_id[option.id] for option in ranking]
    paid = [row for row in ordered if row.kind in {"api", "hosted"}]
    own = [row for row in ordered if row.kind == "self"]
    if today is not None:
        paid.sort(key=lambda row: row.id != today.id)
    small = draw(CURVE_DRAWS, question.seed, ranges)
    reference = paid[0] if paid else None
    best_own = next((option for option in ranking if option.kind == "self"), None)
    levers = levers_of(question, reference, own[0] if own else None, best_own)
    variants = [variant for hybrid in hybrids for variant in hybrid.variants]
    free = [by_id[option.id] for option in ranking if not option.demoted_by and option.kind != "hybrid"]
    free = [*free[:FLIP_OPTIONS], *[row for row in free[FLIP_OPTIONS:] if row.kind in {"self", "api"}][:FLIP_OPTIONS]]
    titles = {option.id: option.title for option in ranking}
    titles.update({variant.id: _hybrid_title(hybrid) for hybrid in hybrids for variant in hybrid.variants})
    return Answers(
        break_evens=_break_evens(
            question, _one_seller_each(ranking, paid), own, draw(BAND_DRAWS, question.seed, ranges)
        ),
        tornado=tornado(reference, own[0], ranges, levers) if reference is not None and own else (),
        tornado_pair=(reference.id, own[0].id) if reference is not None and own else None,
        flips=flips([*free, *variants], titles, ranges, levers) if free else (),
        curves=_curves(question, ordered, hybrids, today, small),
        replica_curve=_replica_curve(hybrids),
        reach=_reach(question, ranking, today, estimated),
    )


def _one_seller_each(ranking: Sequence[Option], paid: list[Facts]) -> list[Facts]:
    """Of each model the cheapest seller; the first of ``paid`` (today's) always."""
    model_of = {option.id: (option.kind, option.model) for option in ranking}
    chosen: dict[tuple[str, str], Facts] = {}
    for index, row in enumerate(paid):
        kind, name = model_of[row.id]
        chosen.setdefault((kind if index else "first", name), row)
    return list(chosen.values())


def _break_evens(question: Question, paid: list[Facts], own: list[Facts], draws: Draws) -> tuple[BreakEven, ...]:
    """Every model sold per token (its cheapest seller, and those the user named) with every self-hosted option.

    The first few pairs get an interval.
    """
    most = min(question.scope.max_replicas, BREAK_EVEN_REPLICAS)
    rows: list[BreakEven] = []
    steps = [staircase(machines, most) for machines in own]
    for seller in paid:
        for machines, steps_of in zip(own, steps, strict=True):
            row = between(seller, machines, steps_of)
            rows.append(with_band(row, seller, machines, draws) if len(rows) < BANDS else row)
    return tuple(rows)


def _curves(
    question: Question, ordered: list[Facts], hybrids: Sequence[Hybrid], today: Option | None, draws: Draws
) -> tuple[VolumeCurve, ...]:
    grid = volumes(question.workload.requests_per_day)
    kinds: tuple[OptionKind, ...] = ("api", "hosted", "self", "hybrid")
    rows: list[VolumeCurve] = []
    for kind in kinds:
        members = [facts for facts in ordered if facts.kind == kind][:CURVE_MEMBERS]
        title = f"cheapest {KIND_TITLES[kind]}"
        if today is not None and today.kind == kind and kind in {"api", "hosted"}:
            members = [facts for facts in members if facts.id == today.id] or [
                facts for facts in ordered if facts.id == today.id
            ]
            title = f"today: {today.title}"
        if kind == "hybrid":
            members = [variant for hybrid in hybrids[:2] for variant in hybrid.variants][: 2 * CURVE_MEMBERS]
        if members:
            rows.append(curve(kind, members, title, members[0].id, grid, draws))
    return tuple(rows)


def _replica_curve(hybrids: Sequence[Hybrid]) -> ReplicaCurve | None:
    """The curve of the hybrid with the lowest cost that has more than one number of replicas to choose from."""
    fitting = [row for row in hybrids if row.facts.local_share is None]
    if not fitting:
        return None
    chosen = min(fitting, key=lambda row: min(point.own_usd_month + point.overflow_usd_month for point in row.points))
    best = min(chosen.points, key=lambda point: point.own_usd_month + point.overflow_usd_month)
    return ReplicaCurve(
        option=chosen.facts.id,
        title=_hybrid_title(chosen),
        overflow_to=chosen.target.candidate.id,
        best=best.replicas,
        points=chosen.points,
    )


def _hybrid_title(row: Hybrid) -> str:
    from crossover.planner.estimates import api_title, own_title

    return f"{own_title(row.own.way)} with peaks to {api_title(row.target.candidate)}"


def _reach(
    question: Question, ranking: Sequence[Option], today: Option | None, estimated: Estimated
) -> tuple[Reach, ...]:
    """The user's own budget, and a fifth of today's bill, which is what articles promise."""
    order = {facts.id: index for index, facts in enumerate(estimated.facts)}
    costs = estimated.costs[[order[option.id] for option in ranking]] if ranking else estimated.costs
    rows: list[Reach] = []
    if question.costs.target_usd_month is not None:
        rows.append(reach_of(question.costs.target_usd_month, "your budget", ranking, costs))
    if today is not None and len(ranking) > 1:
        target = POPULAR_CLAIM * today.usd_month
        rows.append(reach_of(target, f"{POPULAR_CLAIM:.0%} of today's bill", ranking, costs))
    return tuple(rows)
