"""Survey: which own machines could win. Bound every way cheaply, simulate every configuration that could still win."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import msgspec

from crossover.capacity.arrivals import Arrivals
from crossover.capacity.words import Serving
from crossover.deployment import Zone
from crossover.planner import fleet as fleets
from crossover.planner.candidates import Enumeration, Purchasing, ServingSpec, grouped
from crossover.planner.constraints import refusal_of_zone, sensitivity_of
from crossover.planner.costing import Facts
from crossover.planner.estimates import (
    Terms,
    output_factor,
    own_facts,
    peak_rps,
    signed,
    terms,
)
from crossover.planner.question import Question
from crossover.planner.words import Refused

CONTENDER = 1.25  # machines whose bound lies this far above the best simulated ones could still win in some future
LEAST_SIMULATED = 3
Progress = Callable[[int, int, str], None]


class OwnOption(msgspec.Struct, frozen=True, kw_only=True):
    """A self-hosted option: its way of paying, its terms, the fleet that was simulated, and its facts."""

    way: Purchasing
    terms: Terms
    fleet: fleets.Fleet
    facts: Facts
    utilisation: float


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """Self-hosted options that were simulated, refusals, and how many ways were only bounded."""

    options: tuple[OwnOption, ...]
    fleets: tuple[fleets.Fleet, ...]
    refused: tuple[Refused, ...]
    bounded: int
    simulations: int
    best_bound_usd: float | None


class _Bound(msgspec.Struct, frozen=True, kw_only=True):
    """A way of paying with the least it can cost a month."""

    way: Purchasing
    usd_month: float
    fixed_usd: float


def survey(
    question: Question, enumeration: Enumeration, arrivals: Arrivals, effort: fleets.Effort, progress: Progress
) -> Survey:
    """Simulate the configurations whose lower bound could still win, cheapest bound first."""
    ways, refused = _permitted(question, enumeration.purchasing)
    servings = {
        spec.key: _serving(question, enumeration, spec) for spec in {way.spec.key: way.spec for way in ways}.values()
    }
    seen: dict[tuple[str, ...], Terms] = {}
    bounds: dict[str, list[_Bound]] = {}
    for way in ways:
        bound = _bound(question, way, servings[way.spec.key], _stretched(arrivals, way.spec), seen)
        bounds.setdefault(way.spec.key, []).append(bound)
    order = sorted(bounds.values(), key=lambda rows: min(row.usd_month for row in rows))
    options: list[OwnOption] = []
    done: list[fleets.Fleet] = []
    simulations, best = 0, math.inf
    for index, rows in enumerate(order):
        least = min(rows, key=lambda row: row.usd_month)
        # people cost the same whatever is rented: only the rest decides between own machines
        if least.usd_month - least.fixed_usd > (best - least.fixed_usd) * CONTENDER and len(done) >= LEAST_SIMULATED:
            break
        spec = rows[0].way.spec
        progress(index, len(order), spec.key)
        answer = fleets.search(
            spec,
            servings[spec.key],
            _stretched(arrivals, spec),
            peak_rps(question),
            question.slo,
            effort,
            question.scope.max_replicas,
        )
        simulations += answer.simulations
        if isinstance(answer, fleets.Unmet):
            refused.append(
                Refused(kind="self", example=rows[0].way.id, count=len(rows), stage="slo", reason=answer.reason)
            )
            continue
        done.append(answer)
        for row in rows:
            option = own_option(question, row.way, answer)
            options.append(option)
            best = min(best, _point(option))
    simulated = len({option.way.id for option in options}) + sum(row.count for row in refused if row.stage == "slo")
    return Survey(
        options=tuple(sorted(options, key=_point)),
        fleets=tuple(done),
        refused=grouped(refused),
        bounded=len(ways) - simulated,
        simulations=simulations,
        best_bound_usd=min((row.usd_month for rows in order for row in rows), default=None),
    )


def own_option(question: Question, way: Purchasing, fleet: fleets.Fleet) -> OwnOption:
    """One way of paying for a simulated fleet, as facts."""
    utilisation = min(1.0, fleet.peak.utilisation / question.workload.peak_factor)
    answer = question.workload.output.mean * output_factor(way.spec.model)
    paid = terms(question, way, utilisation, answer)
    weight = fleet.input_weight
    spread = math.hypot(weight * fleet.serving.prefill_log_sd, (1 - weight) * fleet.serving.decode_log_sd)
    facts = own_facts(
        question,
        way,
        paid,
        replica_rps=fleet.capacity_rps,
        input_weight=weight,
        log_sd=spread,
        spare=question.spare,
    )
    return OwnOption(way=way, terms=paid, fleet=fleet, facts=facts, utilisation=utilisation)


def _permitted(question: Question, ways: Iterable[Purchasing]) -> tuple[list[Purchasing], list[Refused]]:
    """Ways whose place may process the traffic. A place is judged once."""
    verdicts: dict[str, Refused | None] = {}
    kept: list[Purchasing] = []
    refused: list[Refused] = []
    for way in ways:
        party = way.offer.cloud if way.offer is not None else "own"
        if party not in verdicts:
            zone = Zone(
                name=party,
                operator="rented" if way.offer is not None else "own",
                party=party,
                agreements=signed(question, party),
            )
            verdicts[party] = refusal_of_zone(question, zone, sensitivity_of(question), "self", way.id)
        verdict = verdicts[party]
        if verdict is None:
            kept.append(way)
        else:
            refused.append(verdict)
    return kept, refused


def _serving(question: Question, enumeration: Enumeration, spec: ServingSpec) -> Serving:
    return fleets.serving_of(spec, enumeration.context, question.evidence)


def _stretched(arrivals: Arrivals, spec: ServingSpec) -> Arrivals:
    """The same arrivals with the longer answers of a model that thinks before it answers."""
    factor = output_factor(spec.model)
    return arrivals if factor == 1.0 else fleets.with_answers(arrivals, factor)


def _bound(
    question: Question, way: Purchasing, serving: Serving, arrivals: Arrivals, seen: dict[tuple[str, ...], Terms]
) -> _Bound:
    """The least this way can cost: replicas at a rate none can exceed, idle power only."""
    offer = way.offer
    key = (
        (offer.cloud, offer.instance, offer.region, str(way.purchase))
        if offer is not None
        else (way.spec.accelerator.name, str(way.spec.count))
    )
    if key not in seen:
        seen[key] = terms(question, way, 0.0, question.workload.output.mean)
    paid = seen[key]
    replicas = max(1, math.ceil(peak_rps(question) / fleets.ceiling_rps(serving, arrivals))) + question.spare
    machines = math.ceil(replicas / way.replicas_per_machine)
    each = paid.machine_usd_month + paid.operations_usd_machine
    fixed = paid.people_usd + paid.operations_usd
    return _Bound(way=way, usd_month=machines * each + fixed, fixed_usd=fixed)


def _point(option: OwnOption) -> float:
    """Dollars a month as stated, without chance."""
    machines = option.facts.machines
    if machines is None:
        raise ValueError("a self-hosted option has machines")
    paid = math.ceil((option.fleet.replicas + machines.spare) / machines.replicas_per_machine)
    each = machines.machine_usd_month + machines.operations_usd_machine
    return paid * each + option.facts.people_usd + option.facts.operations_usd
