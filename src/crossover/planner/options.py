"""Options: puts the figures of one candidate together as a reader sees them. No figure is made here."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.capacity.calibration import deployment_key
from crossover.capacity.words import SimResult
from crossover.cost.lines import Line
from crossover.cost.tco import payback_months
from crossover.deployment import PerHour
from crossover.evidence import Band, Evidence, SourceKind
from crossover.money import DAYS_PER_MONTH
from crossover.planner.candidates import needed_context
from crossover.planner.constraints import remains_of_zone
from crossover.planner.costing import Bill, bill
from crossover.planner.draws import Range, certain
from crossover.planner.estimates import (
    Priced,
    api_deployment,
    api_title,
    itemised,
    own_deployment,
    own_factor,
    own_title,
)
from crossover.planner.evidence import KNEE, SPEEDS, figure, latency_of
from crossover.planner.hybrids import Hybrid
from crossover.planner.outlook import band
from crossover.planner.question import DEFAULT_SLO, Question
from crossover.planner.survey import OwnOption
from crossover.planner.words import CostLine, Figure, Launch, Option, SloCheck
from crossover.workload import Slo, SloTarget

Floats = NDArray[np.float64]
REASONING = "it thinks before it answers: {:.3g} × the stated answer is billed, and answers come later"


def of_tokens(question: Question, row: Priced, costs: Floats, chance: float) -> Option:
    """An option billed by the token."""
    candidate = row.candidate
    total = float(row.cost.usd_month)
    caveats = list(row.cost.notes)
    if row.reasoning_factor != 1.0:
        caveats.append(REASONING.format(row.reasoning_factor))
    if candidate.note:
        caveats.append(candidate.note)
    deployment = api_deployment(question, candidate)
    caveats.extend(remains_of_zone(question, deployment.zone))
    return Option(
        id=candidate.id,
        kind=candidate.kind,
        title=api_title(candidate),
        model=candidate.open_model.name if candidate.open_model is not None else candidate.priced.model,
        deployment=deployment,
        usd_month=total,
        usd_band=band(costs),
        p_cheapest=chance,
        usd_per_request=float(row.cost.usd_per_request),
        usd_per_mtok=per_mtok(question, total),
        lines=tuple(_line(line) for line in row.cost.lines),
        slo=_unmeasured(question, candidate.id),
        measured=_latencies(question, candidate.id),
        capability=candidate.capability,
        score=candidate.score,
        benchmark=candidate.benchmark,
        caveats=tuple(caveats),
    )


def of_machines(question: Question, row: OwnOption, costs: Floats, chance: float, ranges: dict[str, Range]) -> Option:
    """A self-hosted option."""
    sums = bill(row.facts, certain(ranges))
    total, paid = float(sums.total[0]), round(float(sums.paid_machines[0]))
    answer = question.workload.output.mean * own_factor(question, row.way.spec.model)
    owned = itemised(question, row.way, paid, row.utilisation, answer)
    serving = row.fleet.serving
    deployment = own_deployment(question, row.way, row.terms.billing)
    return Option(
        id=row.way.id,
        kind="self",
        title=own_title(row.way),
        model=row.way.spec.model.name,
        deployment=deployment,
        usd_month=total,
        usd_band=band(costs),
        p_cheapest=chance,
        usd_per_request=per_request(question, total),
        usd_per_mtok=per_mtok(question, total),
        lines=tuple(_line(line) for line in owned.lines),
        replicas=round(float(sums.replicas[0])),
        spare_replicas=question.spare,
        machines=paid,
        replica_rps=row.fleet.capacity_rps,
        peak=row.fleet.peak,
        slo=_simulated(question.slo, row.fleet.peak, _speed(row)),
        speed=_speed(row),
        measured=_speeds(question, row),
        utilisation=row.utilisation,
        tco_cross_check_usd=(float(owned.cross_check[0]), float(owned.cross_check[1])),
        capability=row.way.spec.model.capability,
        score=row.way.spec.model.score,
        benchmark=row.way.spec.model.benchmark,
        calibrated=serving.calibrated,
        launch=_launch(question, row),
        reasons=_own_reasons(question, row, total, ranges),
        caveats=(*_own_caveats(question, row), *remains_of_zone(question, deployment.zone)),
    )


def of_hybrid(question: Question, row: Hybrid, costs: Floats, chance: float, ranges: dict[str, Range]) -> Option:
    """Own machines with somebody else's beside them."""
    sums = bill(row.facts, certain(ranges))
    total, paid = float(sums.total[0]), round(float(sums.paid_machines[0]))
    replicas = round(float(sums.replicas[0]))
    answer = question.workload.output.mean * own_factor(question, row.own.way.spec.model)
    owned = itemised(question, row.own.way, paid, row.own.utilisation, answer)
    target = api_title(row.target.candidate)
    spilled = float(sums.overflow_share[0])
    split = row.facts.local_share is not None
    what = f"{spilled:.0%} of requests that may leave" if split else f"{spilled:.1%} of requests overflow"
    lines = [_line(line) for line in owned.lines]
    lines.append(
        CostLine(
            name=f"{'rest' if split else 'overflow'} to {target}", kind="overflow", usd_month=_tokens(sums), note=what
        )
    )
    title = f"{own_title(row.own.way)}, {'the rest' if split else 'peaks'} to {target}"
    deployment = own_deployment(question, row.own.way, row.own.terms.billing)
    return Option(
        id=row.facts.id,
        kind="hybrid",
        title=title,
        model=row.own.way.spec.model.name,
        deployment=deployment,
        usd_month=total,
        usd_band=band(costs),
        p_cheapest=chance,
        usd_per_request=per_request(question, total),
        usd_per_mtok=per_mtok(question, total),
        lines=tuple(lines),
        replicas=replicas,
        spare_replicas=question.spare if split else 0,
        machines=paid,
        replica_rps=row.own.fleet.capacity_rps,
        overflow_share=spilled,
        overflow_to=row.target.candidate.id,
        peak=row.own.fleet.peak,
        slo=_simulated(question.slo, row.own.fleet.peak, _speed(row.own)),
        speed=_speed(row.own),
        measured=_speeds(question, row.own),
        utilisation=next((point.utilisation for point in row.points if point.replicas == replicas), None),
        tco_cross_check_usd=(float(owned.cross_check[0]), float(owned.cross_check[1])),
        capability=row.own.way.spec.model.capability,
        score=row.own.way.spec.model.score,
        benchmark=row.own.way.spec.model.benchmark,
        calibrated=row.own.fleet.serving.calibrated,
        launch=_launch(question, row.own),
        caveats=(
            *_own_caveats(question, row.own),
            "latency is that of the own machines; nobody measured how fast the share sent elsewhere is answered",
        ),
    )


def with_saving(option: Option, today: Option | None, one_off_usd: float, savings: Floats | None) -> Option:
    """The same option with what it saves against today's, and when that has paid the one-off cost.

    ``savings`` are dollars a month in every future, shape (draws,).
    """
    if today is None or option.id == today.id or savings is None:
        return option
    if option.score is not None and today.score is not None and option.benchmark == today.benchmark:
        text = f"published {option.benchmark} score {option.score:g}, that of {today.title} {today.score:g}"
        option = msgspec.structs.replace(option, caveats=(text, *option.caveats))
    saving = today.usd_month - option.usd_month
    months = payback_months(one_off_usd, saving) if one_off_usd > 0 else None
    spread: Band | None = None
    if one_off_usd > 0 and float(np.quantile(savings, 0.1)) > 0:
        spread = band(one_off_usd / np.maximum(savings, 1e-9))
    return msgspec.structs.replace(
        option, one_off_usd=one_off_usd, saving_usd_month=saving, payback_months=months, payback_band=spread
    )


def per_request(question: Question, usd_month: float) -> float:
    """Dollars per request, idle hours included."""
    return usd_month / (question.workload.requests_per_day * DAYS_PER_MONTH)


def per_mtok(question: Question, usd_month: float) -> float:
    """Dollars per million tokens of the workload (input and output together), idle hours included."""
    load = question.workload
    tokens = load.requests_per_day * DAYS_PER_MONTH * (load.input.mean + load.output.mean)
    return usd_month / tokens * 1e6 if tokens > 0 else math.inf


def _tokens(sums: Bill) -> float:
    return float(sums.tokens[0])


def _line(line: Line) -> CostLine:
    return CostLine(name=line.name, kind=line.kind, usd_month=float(line.usd_month), note=line.note, basis=line.basis)


def _simulated(slo: Slo, peak: SimResult, speed: SourceKind) -> tuple[SloCheck, ...]:
    note = f"simulated with {'measured' if speed == 'measured' else 'predicted'} speed, busiest hour"
    return tuple(
        SloCheck(label=target.label, limit_s=target.limit_s, reached_s=reached, met=met, note=note, basis=speed)
        for target, met, reached in zip(slo.targets, peak.slo_met, peak.slo_reached_s, strict=True)
    )


def _launch(question: Question, row: OwnOption) -> Launch:
    """What a replica is started with: as many sequences as were simulated, and no more than its cache holds."""
    serving, spec = row.fleet.serving, row.way.spec
    context = min(needed_context(question.workload), spec.model.max_context)
    slots = serving.max_sequences if spec.engine == "vllm" else min(serving.max_sequences, spec.fit.max_sequences)
    return Launch(
        context=context, sequences=max(slots, 1), step_tokens=serving.chunk_tokens,
        cache_tokens=serving.kv_capacity_tokens,
    )  # fmt: skip


def _speed(row: OwnOption) -> SourceKind:
    """Where the speed of own machines comes from: a prediction is assumed until somebody measured."""
    return "measured" if row.fleet.serving.points else "assumed"


def subject_of(row: OwnOption) -> str:
    """The name under which a speed of this configuration is filed."""
    spec = row.way.spec
    return deployment_key(spec.model, spec.quantisation, spec.accelerator, spec.count, spec.engine)


def _speeds(question: Question, row: OwnOption) -> tuple[Figure, ...]:
    """The measured speeds that this configuration was refit to, and the knee of a sweep."""
    subject = subject_of(row)
    return tuple(
        figure(found)
        for found in question.evidence
        if found.subject == subject and found.kind == "measured" and (found.metric in SPEEDS or found.metric == KNEE)
    )


def _latencies(question: Question, subject: str) -> tuple[Figure, ...]:
    """The latencies of a model sold per token that are held against the promises."""
    rows = (latency_of(question, subject, _promised(target)) for target in question.slo.targets)
    return tuple(figure(row) for row in rows if row is not None)


def _promised(target: SloTarget) -> str:
    return f"{target.metric}_p{target.percentile:g}_s"


def _unmeasured(question: Question, subject: str) -> tuple[SloCheck, ...]:
    """What is known of an API's latency: the user's own measurement, or nothing; no SLO, no question."""
    if question.slo == DEFAULT_SLO:
        return ()
    checks: list[SloCheck] = []
    for target in question.slo.targets:
        row = latency_of(question, subject, _promised(target))
        checks.append(
            SloCheck(
                label=target.label,
                limit_s=target.limit_s,
                reached_s=None if row is None else row.value,
                met=None if row is None else row.value < target.limit_s,
                note="not measured" if row is None else _brought(row),
                basis="assumed" if row is None else row.kind,
            )
        )
    return tuple(checks)


def _brought(row: Evidence) -> str:
    count = f", n = {row.n:,}" if row.n else ""
    return f"{row.kind}: {row.source}, {row.when}{count}"


def _own_reasons(question: Question, row: OwnOption, total: float, ranges: dict[str, Range]) -> tuple[str, ...]:
    """Why this many replicas, and what the one in reserve costs."""
    rows = [f"one replica fewer fails: {row.fleet.why_not_fewer}"] if row.fleet.replicas > 1 else []
    serving = row.fleet.serving
    if serving.points:
        factor = serving.factor
        moved = f"{factor:.2g} times as long as" if factor >= 1 else f"{1 / factor:.2g} times shorter than"
        rows.append(f"speed refit to {serving.points} measured figures: a step takes {moved} the model predicted")
    machines = row.facts.machines
    if question.spare and machines is not None:
        bare = msgspec.structs.replace(row.facts, machines=msgspec.structs.replace(machines, spare=0))
        without = float(bill(bare, certain(ranges)).total[0])
        rows.append(f"without a replica in reserve it would cost ${without:,.0f} a month instead of ${total:,.0f}")
    return tuple(rows)


def _own_caveats(question: Question, row: OwnOption) -> list[str]:
    caveats = [row.fleet.serving.note] if row.fleet.serving.note and not row.fleet.serving.calibrated else []
    spec = row.way.spec
    if spec.quantisation.bits < 5 and spec.quantisation.bits < spec.model.native_bits:
        change = spec.quantisation.perplexity_change
        worse = f" (perplexity {change:+.0%} measured on another model)" if change is not None else ""
        caveats.append(f"{spec.quantisation.name} loses some quality against the original weights{worse}")
    if row.fleet.too_large_share > 0:
        caveats.append(f"{row.fleet.too_large_share:.2%} of requests are too long for a replica and must go elsewhere")
    if spec.accelerator.kind == "consumer":
        caveats.append("a consumer card: see whether its maker's terms and warranty cover use in a data centre")
    if row.way.purchase == "reserved":
        caveats.append("a reservation binds for its whole term, whatever the traffic does")
    if row.way.purchase == "spot":
        caveats.append("spot machines can be taken away at any time; on-demand ones stand in")
        hours = row.terms.billing.hours_per_day if isinstance(row.terms.billing, PerHour) else 24.0
        if hours < 24:
            caveats.append(f"it answers {hours:g} h a day only: the traffic must be able to wait for them")
    factor = own_factor(question, spec.model)
    if spec.model.reasoning and factor != 1.0:
        caveats.append(REASONING.format(factor))
    return caveats
