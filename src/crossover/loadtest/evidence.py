"""What a load test leaves for the planner: measured figures with their 80 % interval, when and how they were taken.

A closed loop anchors the capacity model (``tpot_s``, ``ttft_s`` and ``output_tokens_per_s`` with the concurrency and
the lengths they were measured at); percentiles are named like the promises of an SLO (``ttft_p95_s``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import msgspec

from crossover.evidence import STALE_AFTER_DAYS, Evidence
from crossover.loadtest.conduct import point_of, trial_of
from crossover.loadtest.contest import FEWEST as FEWEST_ROUNDS
from crossover.loadtest.contest import Side
from crossover.loadtest.contest import rows as means_of
from crossover.loadtest.measure import figures
from crossover.loadtest.quantiles import narrowed
from crossover.loadtest.sweep import bent, bracket, knee
from crossover.loadtest.words import Figures, Session, Spread, Stage
from crossover.workload import Slo

FEWEST = 10  # answers behind a figure that is written down
_FEWEST_AT = {0.5: FEWEST, 0.95: 20}  # answers behind a percentile


def evidence(session: Session, slo: Slo | None = None) -> tuple[Evidence, ...]:
    """Everything worth keeping of a session: of stages that went through, and of the sweep or search as a whole."""
    rows: list[Evidence] = []
    sound = [stage for stage in session.stages if stage.run.stop not in ("errors", "interrupted")]
    for stage in sound:
        made = figures(stage.run, confidence=0.8)
        if made.ok >= FEWEST and stage.run.load.to_rate_rps is None:
            rows += _of_stage(session, stage, made)
    rows += _of_all(session, sound, slo)
    known_as = session.subject.known_as
    return (*rows, *(msgspec.structs.replace(row, subject=known_as) for row in rows if known_as))


def of_rounds(session: Session) -> tuple[Evidence, ...]:
    """What is worth keeping of one side of a comparison: its figures over all rounds, whose spread is in them."""
    sound = [stage for stage in session.stages if stage.run.stop not in ("errors", "interrupted")]
    made = [figures(stage.run) for stage in sound]
    answers = sum(one.ok for one in made)
    if len(sound) < FEWEST_ROUNDS or answers < FEWEST or sound[0].run.load.to_rate_rps is not None:
        return ()
    whole = msgspec.structs.replace(session, stages=tuple(sound))
    context = {**_context(session, sound[0], made[0]), "rounds": len(sound)}
    closed = sound[0].run.load.closed
    rows: list[Evidence] = []
    for row in means_of((Side(name="", session=whole),), confidence=0.8):
        mean = row.means[0]
        if mean is None or (row.share is None and not (closed and row.metric == "output_tokens_per_s")):
            continue
        names = [row.metric if row.share is None else f"{row.metric}_p{row.share * 100:g}_s"]
        if closed and row.share == 0.5 and row.metric in ("ttft", "tpot"):
            names.append(f"{row.metric}_s")
        unit = "s" if row.share is not None else "tokens/s"
        rows += [
            _row(session, sound[0], name, mean.value, unit, mean.low, mean.high, answers, context) for name in names
        ]
    known_as = session.subject.known_as
    return (*rows, *(msgspec.structs.replace(row, subject=known_as) for row in rows if known_as))


def _context(session: Session, stage: Stage, made: Figures) -> dict[str, float | str]:
    """How a figure was taken: lengths in tokens, the load, the model, and what is known of the engine."""
    load = stage.run.load
    context: dict[str, float | str] = {
        "input_tokens": round(made.input_tokens, 1), "output_tokens": round(made.output_tokens, 1),
        "load": load.label, "model": session.subject.model,
    }  # fmt: skip
    context |= {"concurrency": load.concurrency} if load.closed else {"rate_rps": round(load.rate_rps, 4)}
    if made.cached_share:
        context["cached_share"] = round(made.cached_share, 3)
    if session.subject.engine:
        context["engine"] = session.subject.engine
    if session.subject.digest:
        context["digest"] = session.subject.digest
    return context


def _of_stage(session: Session, stage: Stage, made: Figures) -> Iterator[Evidence]:
    load = stage.run.load
    context = _context(session, stage, made)
    for metric, found in (("ttft", made.ttft), ("itl", made.itl), ("tpot", made.tpot), ("e2e", made.e2e)):
        if found is not None:
            for share, fewest in _FEWEST_AT.items():
                if made.ok >= fewest:
                    yield _latency(session, stage, f"{metric}_p{share * 100:g}_s", found, share, made.ok, context)
    if load.closed:
        for metric, found in (("ttft_s", made.ttft), ("tpot_s", made.tpot)):
            if found is not None:
                yield _latency(session, stage, metric, found, 0.5, made.ok, context)
        rate = made.output_tokens_per_s
        low, high = narrowed(rate)
        yield _row(session, stage, "output_tokens_per_s", rate.value, "tokens/s", low, high, made.ok, context)


def _latency(
    session: Session, stage: Stage, metric: str, found: Spread, share: float, n: int, context: dict[str, float | str]
) -> Evidence:
    one = found.at(share)
    return _row(session, stage, metric, one.value, "s", one.low, one.high, n, context)


def _of_all(session: Session, stages: Sequence[Stage], slo: Slo | None) -> Iterator[Evidence]:
    """The knee of a sweep; the highest rate that met the SLO."""
    closed = [stage for stage in stages if stage.run.load.closed]
    points = [point_of(stage.run) for stage in closed]
    best = knee(points)
    if len(points) > 2 and best is not None and bent(points):
        stage = next(one for one in closed if one.run.load.concurrency == best.concurrency)
        made = figures(stage.run)
        context = {**_context(session, stage, made), "output_tokens_per_s": round(best.throughput, 1)}
        if made.ttft is not None:
            context["ttft_p50_s"] = round(made.ttft.at(0.5).value, 6)
        yield _row(session, stage, "knee_concurrency", best.concurrency, "requests", None, None, len(points), context)
    trials = [stage for stage in stages if not stage.run.load.closed]
    if slo is None or not slo.targets or len(trials) < 2:
        return
    low, high = bracket([trial_of(stage.run, slo) for stage in trials])
    if low is not None:
        stage = next(one for one in trials if one.run.load.rate_rps == low)
        said = ",".join(target.label for target in slo.targets)
        answers = sum(shot.ok and not shot.warmup for shot in stage.run.shots)
        context = {**_context(session, stage, figures(stage.run)), "slo": said}
        yield _row(session, stage, "max_rate_rps", low, "requests/s", low, high, answers, context)


def _row(
    session: Session,
    stage: Stage,
    metric: str,
    value: float,
    unit: str,
    low: float | None,
    high: float | None,
    n: int,
    context: dict[str, float | str],
) -> Evidence:  # fmt: skip
    when = dt.datetime.fromtimestamp(stage.begun, dt.UTC).date()
    return Evidence(
        subject=session.subject.id,
        metric=metric,
        value=value,
        unit=unit,
        kind="measured",
        source="crossover loadtest",
        when=when,
        method=f"{stage.run.load.label}; {session.asked}; {session.subject.label}",
        low=low,
        high=high,
        n=n,
        expires=when + dt.timedelta(days=STALE_AFTER_DAYS),
        context=context,
    )
