"""Survey: which own machines could win. Bound every way cheaply, simulate every configuration that could still win."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable

import msgspec

from crossover.capacity.arrivals import Arrivals
from crossover.capacity.calibration import deployment_key
from crossover.capacity.sizing import Effort
from crossover.capacity.words import Serving
from crossover.catalog import match
from crossover.deployment import Zone
from crossover.planner import fleet as fleets
from crossover.planner.candidates import OWN, Enumeration, Purchasing, ServingSpec, grouped
from crossover.planner.constraints import refusal_of_zone, sensitivity_of
from crossover.planner.costing import Facts
from crossover.planner.estimates import (
    Terms,
    least_machine_usd,
    own_factor,
    own_facts,
    peak_rps,
    signed,
    terms,
)
from crossover.planner.evidence import GAP, SPEEDS
from crossover.planner.question import Question
from crossover.planner.words import Refused

NOTICEABLE = 0.995  # even its bound must save half a percent of the whole: less is no win, and costs a simulation
LEAST_SIMULATED = 3
MOST_UNMET = 400  # so many refusals in a row, cheapest first, and the SLO is taken to be out of reach
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


class _Bound(msgspec.Struct, frozen=True, kw_only=True):
    """All ways of paying for one configuration, with the least the cheapest of them can cost a month.

    ``serving`` is None while only the physical ceiling was used: the first, cheapest bound.
    """

    ways: tuple[Purchasing, ...]
    usd_month: float
    serving: Serving | None
    measured: bool
    evaluated: bool

    @property
    def shows(self) -> set[str]:
        """What a reader wants to see at least once: models, ways of paying, this machine, what was measured."""
        said = {way.spec.model.name for way in self.ways} | {str(way.purchase) for way in self.ways}
        said |= {f"here {way.spec.model.name}" for way in self.ways if way.offer is not None and way.party == OWN}
        spec = self.ways[0].spec
        said |= {f"evaluated {spec.model.name} {spec.quantisation.name}"} if self.evaluated else set()
        return said | ({f"measured {spec.key}"} if self.measured else set())


class _Search:
    """Best-first search over configurations: the one with the lowest bound is bounded tighter, then simulated."""

    def __init__(self, question: Question, context: int, arrivals: Arrivals) -> None:
        self.question, self.context, self.arrivals = question, context, arrivals
        self.terms: dict[tuple[str, ...], Terms] = {}
        self.heap: list[tuple[float, int, _Bound]] = []
        self.pushed = 0
        self.beside: dict[tuple[str, str, str], ServingSpec] = {}  # a measured one of each model, device and engine
        self.evaluated = {
            (match.short(str(row.context.get("model", ""))).casefold(), str(row.context.get("quantisation", "")))
            for row in question.evidence
            if row.metric == GAP
        }
        self.subjects = {row.subject for row in question.evidence if row.metric in SPEEDS}
        self.fixed_usd: float | None = None
        self.by_factor: dict[float, tuple[Arrivals, float]] = {}

    def add(self, ways: tuple[Purchasing, ...]) -> None:
        """Add a configuration with its first bound: what its devices can compute at most, at their bare price."""
        spec = ways[0].spec
        replicas = self._replicas(fleets.physical_rps(spec, self._requests(spec)[1]))
        if self.fixed_usd is None:
            first = self._terms(ways[0])
            self.fixed_usd = first.people_usd + first.operations_usd
        prices = (
            math.ceil(replicas / way.replicas_per_machine) * least_machine_usd(self.question, way) for way in ways
        )
        key = deployment_key(spec.model, spec.quantisation, spec.accelerator, spec.count, spec.engine)
        least = min(prices) + self.fixed_usd
        measured = key in self.subjects
        evaluated = (match.short(spec.model.name).casefold(), spec.quantisation.name) in self.evaluated
        if measured:
            self.beside[spec.model.name, spec.accelerator.name, spec.engine] = spec
        self._push(_Bound(ways=ways, usd_month=least, serving=None, measured=measured, evaluated=evaluated))

    def tighten(self, bound: _Bound) -> None:
        """Replace the first bound by that of the throughput model, at the whole price."""
        spec = bound.ways[0].spec
        serving = self._serving(spec, bound.measured)
        replicas = self._replicas(fleets.ceiling_rps(serving, self._requests(spec)[0]))
        least = math.inf
        for way in bound.ways:
            paid = self._terms(way)
            machines = math.ceil(replicas / way.replicas_per_machine)
            each = paid.machine_usd_month + paid.operations_usd_machine
            least = min(least, machines * each + paid.people_usd + paid.operations_usd)
        self._push(msgspec.structs.replace(bound, usd_month=least, serving=serving))

    def _serving(self, spec: ServingSpec, measured: bool) -> Serving:
        """As measured, else scaled like another format that was measured on this device and engine, else predicted."""
        evidence = self.question.evidence
        beside = None if measured else self.beside.get((spec.model.name, spec.accelerator.name, spec.engine))
        if beside is None:
            return fleets.serving_of(spec, self.context, evidence)
        return fleets.serving_beside(spec, beside, self.context, evidence)

    def _requests(self, spec: ServingSpec) -> tuple[Arrivals, float]:
        """Requests with answers as long as this model writes them, and the mean tokens of one that must be computed."""
        factor = own_factor(self.question, spec.model)
        if factor not in self.by_factor:
            rows = self.arrivals if factor == 1.0 else fleets.with_answers(self.arrivals, factor)
            self.by_factor[factor] = (rows, float(rows.fresh_tokens.mean() + rows.output_tokens.mean()))
        return self.by_factor[factor]

    def _replicas(self, ceiling_rps: float) -> int:
        return max(1, math.ceil(peak_rps(self.question) / ceiling_rps)) + self.question.spare

    def _push(self, bound: _Bound) -> None:
        heapq.heappush(self.heap, (bound.usd_month, self.pushed, bound))
        self.pushed += 1

    def pop(self) -> _Bound:
        """The configuration with the lowest bound."""
        return heapq.heappop(self.heap)[2]

    def known_terms(self, way: Purchasing) -> Terms | None:
        """Terms that do not hang on the load: those of rented machines, whose power is in the rent."""
        return self._terms(way) if way.offer is not None else None

    def _terms(self, way: Purchasing) -> Terms:
        """Terms of the cheapest case (no load, so idle power only), read once per machine."""
        offer = way.offer
        device = way.spec.accelerator.name
        key = (
            (offer.cloud, offer.instance, offer.region, str(way.purchase), str(way.spec.model.reasoning))
            if offer is not None
            else (device, str(way.spec.count), str(way.spec.model.reasoning))
        )
        if key not in self.terms:
            answer = self.question.workload.output.mean * own_factor(self.question, way.spec.model)
            self.terms[key] = terms(self.question, way, 0.0, answer)
        return self.terms[key]


def survey(
    question: Question, enumeration: Enumeration, arrivals: Arrivals, effort: Effort, progress: Progress
) -> Survey:
    """Simulate the configurations whose lower bound could still win, cheapest bound first."""
    ways, refused = _permitted(question, enumeration.purchasing)
    groups: dict[str, list[Purchasing]] = {}
    for way in ways:
        groups.setdefault(way.spec.key, []).append(way)
    search = _Search(question, enumeration.context, arrivals)
    for group in groups.values():
        search.add(tuple(group))
    options: list[OwnOption] = []
    done: list[fleets.Fleet] = []
    shown: set[str] = set()
    simulations, unmet, best = 0, 0, math.inf
    while search.heap:
        bound = search.pop()
        could_win = bound.usd_month < best * NOTICEABLE
        if not could_win and len(done) >= LEAST_SIMULATED and bound.shows <= shown:
            continue
        if bound.serving is None:
            search.tighten(bound)
            continue
        spec = bound.ways[0].spec
        progress(len(done) + unmet, len(groups), spec.key)
        load = fleets.with_longer(question.workload, own_factor(question, spec.model))
        most = question.scope.max_replicas
        answer = fleets.search(spec, bound.serving, load, question.slo, effort, most, question.seed)
        simulations += answer.simulations
        if isinstance(answer, fleets.Unmet):
            unmet += len(bound.ways)
            refused.append(_out_of_reach(bound, answer, most))
            if unmet > MOST_UNMET and not done:
                break
            continue
        done.append(answer)
        shown |= bound.shows
        options.extend(own_option(question, way, answer, search.known_terms(way)) for way in bound.ways)
        least = min(_point(option) for option in options[-len(bound.ways) :])
        best = min(best, least)
    return Survey(
        options=tuple(sorted(options, key=_point)),
        fleets=tuple(done),
        refused=grouped(refused),
        bounded=len(ways) - len(options) - unmet,
        simulations=simulations,
    )


def _out_of_reach(bound: _Bound, answer: fleets.Unmet, most: int) -> Refused:
    """The refusal of every way of paying for machines that no number of replicas makes fast enough."""
    return Refused(
        kind="self",
        example=bound.ways[0].id.split(":", 1)[1],
        count=len(bound.ways),
        stage="slo" if answer.target else "limits",
        reason=answer.reason,
        rule=f"the SLO must hold: {answer.target.label}" if answer.target else f"at most {most} replicas",
    )


def own_option(question: Question, way: Purchasing, fleet: fleets.Fleet, known: Terms | None = None) -> OwnOption:
    """One way of paying for a simulated fleet, as facts."""
    utilisation = min(1.0, fleet.peak.utilisation / question.workload.peak_factor)
    answer = question.workload.output.mean * own_factor(question, way.spec.model)
    paid = known or terms(question, way, utilisation, answer)
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
        party = way.party
        if party not in verdicts:
            zone = Zone(
                name=party,
                operator=way.operator,
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


def _point(option: OwnOption) -> float:
    """Dollars a month as stated, without chance."""
    machines = option.facts.machines
    if machines is None:
        raise ValueError("a self-hosted option has machines")
    paid = math.ceil((option.fleet.replicas + machines.spare) / machines.replicas_per_machine)
    each = machines.machine_usd_month + machines.operations_usd_machine
    return paid * each + option.facts.people_usd + option.facts.operations_usd
