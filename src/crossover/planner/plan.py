"""The plan: enumerate, filter, estimate, rank, explain. A pure function: same question and catalog, same plan."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover import __version__
from crossover.capacity.arrivals import peak_level
from crossover.capacity.calibration import deployment_key
from crossover.capacity.sizing import Effort
from crossover.catalog.items import Catalog
from crossover.catalog.prices import DEFAULT_TIER
from crossover.cost.lines import assumed
from crossover.money import HOURS_PER_MONTH, show
from crossover.planner import answers, options
from crossover.planner import fleet as fleets
from crossover.planner.assumptions import assumptions, notes
from crossover.planner.candidates import Enumeration, enumerate_all, grouped
from crossover.planner.constraints import screen_api, screen_quality
from crossover.planner.draws import Range, read_ranges
from crossover.planner.estimated import Estimated, estimate
from crossover.planner.estimates import Priced, peak_rps, priced
from crossover.planner.evidence import GAP, Book, Weighed, book_of, names_of, shown, weigh
from crossover.planner.hybrids import Hybrid, overflowing, splitting
from crossover.planner.outlook import chance_cheapest
from crossover.planner.question import DEFAULT_SLO, Question
from crossover.planner.rules import effects, ranked
from crossover.planner.survey import Progress, Survey, survey
from crossover.planner.verdict import ENGINEER_DAYS, decide
from crossover.planner.words import Counts, Option, Plan, Refused, WorkloadView
from crossover.workload import length_at

SCHEMA_VERSION = 1
SHORT_TRACE_S = 86_400.0
QUICK = Effort(search=500, final=500)
THOROUGH = Effort(search=3_000, final=20_000)
NO_SLO = (
    "No SLO was stated: own machines are sized so that 95 % of first tokens come within 10 s (--slo sets your own)."
)
GROWTH = (
    "The volume is expected to grow: costs and the ranking are those of today's volume; ranges and chances are those "
    "of its mean over the next twelve months, so a cost may lie below its own range."
)
BATCH_ONLY = "All requests can wait: own machines must only keep up, no first token is promised (--slo sets one)."
EMPTY = Survey(options=(), fleets=(), refused=(), bounded=0, simulations=0)
Floats = NDArray[np.float64]


def plan(question: Question, catalog: Catalog, progress: Progress | None = None) -> Plan:
    """The ranked decision for a question.

    ``progress`` is called with (done, total, what) while configurations are simulated. Raises InputError for a name or
    a number that cannot be.
    """
    weighed = weigh(question)
    stated, question = question, with_defaults(question, weighed)
    ranges = ranges_for(question)
    enumeration = enumerate_all(question, catalog)
    whole, partly, refused = screen_api(question, catalog, enumeration)
    book = book_of(question, weighed, catalog)
    if question.preferences.proof:
        whole, partly, enumeration, unproved = screen_quality(catalog, enumeration, whole, partly, book)
        refused += unproved
    tokens = sorted((priced(question, row) for row in whole), key=lambda row: row.cost.usd_month)
    effort = THOROUGH if question.workload.trace is not None else QUICK
    arrivals = fleets.busiest(question.workload, question.seed)
    found = survey(question, enumeration, arrivals, effort, progress or _silent) if enumeration.specs else EMPTY
    targets = _targets(tokens, enumeration.today)
    hybrids: list[Hybrid] = []
    if "hybrid" in question.scope.kinds:
        hybrids += overflowing(question, found, targets, ranges)
        outside = sorted((priced(question, row) for row in (*whole, *partly)), key=lambda row: row.cost.usd_month)
        hybrids += splitting(question, found, _targets(outside, enumeration.today), ranges)
    estimated = estimate(question, tokens, found, hybrids, ranges)
    rows = [with_proofs(row, book) for row in build(question, estimated, enumeration.today)]
    ranking = ranked(rows, question)
    all_refused = grouped([*refused, *enumeration.refused, *found.refused])
    first = (
        *stated.notes,
        *first_notes(stated, enumeration, tokens),
        *dropped_notes(weighed, subjects_of(enumeration)),
    )
    first = (*first, *paid_note(stated, ranking, enumeration.today))
    made = assemble(question, catalog, estimated, ranking, all_refused, enumeration.today, first)
    return msgspec.structs.replace(
        made,
        evidence=shown(weighed, ranking, subjects_of(enumeration)),
        recorded=stated.record,
        proofs=tuple(proof for _, _, proof in weighed.proofs),
    )


def paid_note(stated: Question, ranking: Sequence[Option], today_id: str | None) -> tuple[str, ...]:
    """What recorded traffic did cost, beside what the model in use would take for all of it."""
    today = next((row for row in ranking if row.id == today_id), None)
    if stated.record is None or today is None:
        return ()
    paid = show(stated.record.paid_usd_month)
    all_of_it = f"{today.title} would take all of it for {show(today.usd_month)}"
    return (f"As it was answered, by all its deployments, the recorded traffic cost {paid} a month; {all_of_it}.",)


def first_notes(stated: Question, enumeration: Enumeration, tokens: Sequence[Priced]) -> tuple[str, ...]:
    """What the user should hear before anything else."""
    rows: list[str] = []
    ending = next((row for row in enumeration.api if row.id == enumeration.today and row.note), None)
    if ending is not None:
        rows.append(f"{ending.priced.model} is {ending.note}.")
    rows.extend(enumeration.notes)
    if stated.costs.service_tier != DEFAULT_TIER:
        rows.append(f"The models you named are priced at the service tier {stated.costs.service_tier!r}.")
    undated = [row for row in tokens if not row.cost.dated]
    if undated and stated.as_of < stated.today:
        count = f"{len(undated)} of {len(tokens)} models sold per token"
        rows.append(f"{count} have no dated price in the library: theirs are today's, not those of {stated.as_of}.")
    if stated.workload.growth_per_month:
        rows.append(GROWTH)
    if not stated.slo.targets:
        rows.append(BATCH_ONLY if stated.workload.batch_share >= 1 else NO_SLO)
    rows.extend(unused_evidence(stated, enumeration))
    return tuple(rows)


def subjects_of(enumeration: Enumeration) -> frozenset[str]:
    """The names under which a speed or a latency of anything enumerated is filed."""
    keys = {
        deployment_key(spec.model, spec.quantisation, spec.accelerator, spec.count, spec.engine)
        for spec in enumeration.specs
    }
    return frozenset(keys | {row.id for row in enumeration.api})


def dropped_notes(weighed: Weighed, subjects: frozenset[str]) -> tuple[str, ...]:
    """What was measured once and counts no more."""
    names = {name for subject in subjects for name in names_of(subject)}
    rows = []
    for state, why in (("expired", "are too old"), ("changed", "are about what has been replaced since")):
        count = sum(
            standing == state and (row.subject in names or row.metric == GAP) for row, standing, _ in weighed.standing
        )
        if count:
            rows.append(f"{count} measured figures {why}: they are shown and not used. Measure again.")
    return tuple(rows)


def with_proofs(option: Option, book: Book) -> Option:
    """The option with what evaluations said of its model; of a hybrid that is the model on own machines."""
    of = option.deployment.model
    form = of.quantisation if option.kind in {"self", "hybrid"} else ""
    names = (option.model,) if option.kind in {"self", "hybrid"} else (of.name, option.model)
    return msgspec.structs.replace(option, quality=book.of(names, form or ""))


def unused_evidence(stated: Question, enumeration: Enumeration) -> tuple[str, ...]:
    """Measured figures whose subject is no option: most likely a typing slip."""
    known = set(subjects_of(enumeration))
    known |= {row.priced.model for row in enumeration.api} | {spec.model.name for spec in enumeration.specs}
    unused = [row.subject for row in stated.evidence if row.subject not in known and row.metric != GAP]
    if not unused:
        return ()
    example = f"{unused[0]!r}; subjects look like {min(known)!r}" if known else repr(unused[0])
    count = f"{len(unused)} of {len(stated.evidence)}"
    return (f"{count} measured figures match no option and were not used, such as {example}.",)


def with_defaults(question: Question, weighed: Weighed) -> Question:
    """The question with the peak factor that its profile really shows, and a loose promise where none was stated.

    Of the evidence only what counts is left.

    Traffic that can all wait for a batch needs no promise: own machines must only keep up.
    """
    load = msgspec.structs.replace(question.workload, peak_factor=peak_level(question.workload))
    stated = question.slo.targets or load.batch_share >= 1
    return msgspec.structs.replace(
        question, workload=load, slo=question.slo if stated else DEFAULT_SLO, evidence=weighed.usable, recorded=()
    )


def ranges_for(question: Question) -> dict[str, Range]:
    """The ranges in force; a trace shorter than a day makes the volume less certain."""
    ranges = read_ranges()
    trace = question.workload.trace
    if trace is not None and trace.span_s < SHORT_TRACE_S:
        ranges["volume"] = msgspec.structs.replace(ranges["volume_from_short_trace"], name="volume")
    return ranges


def build(question: Question, estimated: Estimated, today_id: str | None) -> list[Option]:
    """Every option with its figures, unranked."""
    if not estimated.facts:
        return []
    chances = dict(zip((facts.id for facts in estimated.facts), chance_cheapest(estimated.costs), strict=True))
    costs = dict(zip((facts.id for facts in estimated.facts), estimated.costs, strict=True))
    rows: list[Option] = []
    for token in estimated.tokens:
        key = token.candidate.id
        rows.append(options.of_tokens(question, token, costs[key], float(chances[key])))
    if "self" in question.scope.kinds:
        for own in estimated.own.options:
            key = own.way.id
            rows.append(options.of_machines(question, own, costs[key], float(chances[key]), estimated.ranges))
    for hybrid in estimated.hybrids:
        key = hybrid.facts.id
        rows.append(options.of_hybrid(question, hybrid, costs[key], float(chances[key]), estimated.ranges))
    today = next((row for row in rows if row.id == today_id), None)
    one_off = question.costs.migration_usd
    return [
        options.with_saving(row, today, one_off, None if today is None else costs[today.id] - costs[row.id])
        for row in rows
    ]


def assemble(
    question: Question,
    catalog: Catalog,
    estimated: Estimated,
    ranking: list[Option],
    refused: tuple[Refused, ...],
    today_id: str | None,
    first_notes: tuple[str, ...],
) -> Plan:
    """The plan with everything that explains it."""
    today = next((row for row in ranking if row.id == today_id), None)
    parts = answers.answers(question, estimated.facts, estimated.hybrids, ranking, today, estimated)
    costs = dict(zip((facts.id for facts in estimated.facts), estimated.costs, strict=True))
    saving_chance = (
        {} if today is None else {row.id: float((costs[row.id] < costs[today.id]).mean()) for row in ranking}
    )
    enumerated = len(ranking) + estimated.own.bounded + sum(row.count for row in refused)
    return Plan(
        schema_version=SCHEMA_VERSION,
        product_version=__version__,
        made_on=question.today,
        prices_as_of=question.as_of,
        hours_per_month=HOURS_PER_MONTH,
        workload=view(question),
        today=None if today is None else today.id,
        verdict=decide(
            ranking, today, saving_chance, parts.break_evens, refused, parts.reach, engineer_day_usd(question), today_id
        ),
        options=tuple(ranking),
        refused=refused,
        break_evens=parts.break_evens,
        tornado=parts.tornado,
        tornado_pair=parts.tornado_pair,
        flips=parts.flips,
        rules=effects(question),
        curves=parts.curves,
        replica_curve=parts.replica_curve,
        assumptions=assumptions(question, catalog, ranking, estimated.ranges),
        counts=Counts(
            enumerated=enumerated,
            refused=sum(row.count for row in refused),
            bounded=estimated.own.bounded,
            simulated=len(estimated.own.options) + len(estimated.hybrids),
            servings_simulated=len(estimated.own.fleets),
            draws=question.draws,
        ),
        notes=(*first_notes, *notes(question, catalog)),
        reach=parts.reach,
        seed=question.seed,
    )


def engineer_day_usd(question: Question) -> float:
    """What one day of an engineer costs: the yardstick for a saving that pays for a move."""
    stated = question.costs.fte_cost_month
    month = float(assumed("fte_cost_month").value) if stated is None else stated
    return month / ENGINEER_DAYS


def view(question: Question) -> WorkloadView:
    """The workload as the plan understood it."""
    load = question.workload
    return WorkloadView(
        name=load.name,
        source=load.source,
        requests_per_day=load.requests_per_day,
        input_tokens_mean=load.input.mean,
        output_tokens_mean=load.output.mean,
        input_tokens_p95=length_at(load.input, 0.95),
        output_tokens_p95=length_at(load.output, 0.95),
        peak_factor=load.peak_factor,
        peak_rps=peak_rps(question),
        cached_share=load.cached_share,
        batch_share=load.batch_share,
        sensitive_share=load.sensitive_share,
        burstiness=load.burstiness,
        slo=() if question.slo == DEFAULT_SLO else tuple(target.label for target in question.slo.targets),
        regimes=question.regimes,
        profile=load.profile,
        notes=load.notes,
    )


def _targets(tokens: list[Priced], today_id: str | None) -> list[Priced]:
    """Where a hybrid may send its peaks: today's model first, then the cheapest."""
    today = [row for row in tokens if row.candidate.id == today_id]
    return today + [row for row in tokens if row.candidate.id != today_id]


def _silent(_done: int, _total: int, _what: str) -> None:
    """No progress is shown."""
