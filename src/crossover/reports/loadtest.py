"""A load test as a report: what terminal, page and JSON have in common. No rendering, and no measuring here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from crossover.loadtest.compare import Compared, Pair
from crossover.loadtest.conduct import point_of, trial_of
from crossover.loadtest.measure import figures
from crossover.loadtest.servers import Metric, rows_of
from crossover.loadtest.sweep import Point, bent, bracket, knee
from crossover.loadtest.words import DEFINITIONS, Figures, Load, Quantile, Session, Spread, Stage
from crossover.reports.figures import plural
from crossover.workload import Slo

NONE = "–"
FAR_S = 0.002  # a way there and back that is worth a word
TITLES = {
    "ttft": "time to first token",
    "visible": "first token shown",
    "itl": "between pieces",
    "tpot": "per output token",
    "e2e": "end to end",
}
EXPLAINED = ("ttft", "itl", "tpot", "e2e", "rates", "interval")
CHANGES = {"better": "better", "worse": "worse", "none shown": "no difference shown"}
METRICS = {
    "ttft": "first token",
    "itl": "between pieces",
    "tpot": "per output token",
    "e2e": "end to end",
    "output_tokens_per_s": "output tokens/s",
    "requests_per_s": "answers/s",
}


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A stage with its figures."""

    stage: Stage
    figures: Figures


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier session that this one is held against."""

    name: str
    label: str
    pairs: tuple[Pair, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is shown. ``low`` and ``high`` bracket the highest rate under the SLO, where one was sought.

    ``spent_usd`` is None where nothing is paid per token; ``evidence`` how many figures went into the ledger (None:
    none were to).
    """

    session: Session
    slo: Slo
    stages: tuple[Shown, ...]
    best: Point | None = None
    bent: bool = False
    sought: bool = False
    low: float | None = None
    high: float | None = None
    beside: tuple[Beside, ...] = ()
    spent_usd: float | None = None
    evidence: int | None = None
    made_on: str = ""


def report(
    session: Session,
    slo: Slo,
    *,
    beside: Sequence[Beside] = (),
    spent_usd: float | None = None,
    evidence: int | None = None,
    made_on: str = "",
) -> Report:
    """The report of a session: one load, a sweep or a search, as its stages are."""
    stages = sorted(session.stages, key=lambda one: (not one.run.load.closed, one.run.load.concurrency, _rate(one)))
    shown = tuple(Shown(stage=one, figures=figures(one.run, slo if slo.targets else None)) for one in stages)
    closed = [one.run for one in session.stages if one.run.load.closed]
    opened = [one.run for one in session.stages if not one.run.load.closed]
    points = [point_of(run) for run in closed] if len(closed) > 1 else []
    sought = bool(closed) and bool(opened) and bool(slo.targets)
    low, high = bracket([trial_of(run, slo) for run in opened]) if sought else (None, None)
    return Report(
        session=session, slo=slo, stages=shown, best=knee(points), bent=bent(points) if points else False,
        sought=sought, low=low, high=high, beside=tuple(beside), spent_usd=spent_usd, evidence=evidence,
        made_on=made_on,
    )  # fmt: skip


def _rate(stage: Stage) -> float:
    return stage.run.load.rate_rps


def main_stage(found: Report) -> Shown | None:
    """The stage whose figures are shown in full: the knee of a sweep, the highest rate that held, else the last."""
    for one in found.stages:
        load = one.stage.run.load
        if found.sought:
            if not load.closed and load.rate_rps == found.low:
                return one
        elif found.best is not None and load.concurrency == found.best.concurrency:
            return one
    return found.stages[-1] if found.stages else None


def headline(found: Report) -> str:
    """The result in one sentence."""
    main = main_stage(found)
    if main is None or not main.figures.ok:
        kinds = main.figures.errors if main is not None else {}
        said = f": {', '.join(f'{kind} {count:,}' for kind, count in kinds.items())}" if kinds else ""
        return f"No answer was measured{said}"
    if found.sought:
        return _rate_line(found)
    made, load = main.figures, main.stage.run.load
    rate = f"{number(made.output_tokens_per_s.value)} tokens/s"
    first = f"first token after {time_at(made.ttft, 0.5)} (p50), {time_at(made.ttft, 0.95)} (p95)"
    if found.best is not None:
        return f"{'Knee' if found.bent else 'Best'} at {load.label}: {rate}, {first}; {_most(found)}"
    return f"{load.label}: {rate}, {number(made.requests_per_s.value)} answers/s, {first}"


def _most(found: Report) -> str:
    """The highest throughput of a sweep, and where it was."""
    if not found.bent:
        return "the load was not raised beyond it"
    top = max(found.stages, key=lambda one: one.figures.output_tokens_per_s.value)
    load = top.stage.run.load
    if found.best is not None and load.concurrency == found.best.concurrency:
        return "more at once bring no more, they only wait"
    return f"the most are {number(top.figures.output_tokens_per_s.value)} tokens/s, at {load.label}"


def _rate_line(found: Report) -> str:
    said = ", ".join(target.label for target in found.slo.targets)
    if found.low is None:
        return f"Not even {number(found.high or 0)} requests/s meet {said}"
    beyond = f"; {number(found.high)} do not" if found.high is not None else ", and nothing higher was tried"
    return f"{number(found.low)} requests/s meet {said}{beyond}"


def facts(found: Report) -> list[str]:
    """What was tested and how, in short pieces."""
    session = found.session
    said = [session.subject.label, session.asked]
    if session.per_word is not None:
        said.append(f"the target counts {session.per_word:.3g} tokens a word")
    if session.round_trip_s is not None:
        tls = f", TLS {seconds(session.tls_s)} more" if session.tls_s is not None else ""
        said.append(f"network: {seconds(session.round_trip_s)} there and back{tls}")
    if found.spent_usd is not None:
        said.append(f"about ${found.spent_usd:.4f} spent")
    elif session.subject.outside:
        said.append("what it costs is not known here")
    said.append(f"seed {session.seed}")
    return said


def network(made: Figures, session: Session) -> list[str]:
    """What of the time to first token was not the model, as far as it can be told."""
    said = []
    if made.connect is not None:
        share = made.connect.n / max(made.requests, 1)
        said.append(
            f"{made.connect.n:,} of {made.requests:,} requests ({share * 100:.0f} %) made a new connection, which took "
            f"{seconds(made.connect.at(0.5).value)} (p50) and is in their time to first token"
        )
    if made.server is not None and made.ttft is not None:
        said.append(
            f"the server says that it worked {seconds(made.server.at(0.5).value)} (p50) until it began to answer"
        )
    elif session.round_trip_s is not None and session.round_trip_s >= FAR_S and made.ttft is not None:
        model = max(made.ttft.at(0.5).value - session.round_trip_s, 0.0)
        said.append(
            f"without the way there and back the time to first token is about {seconds(model)} (p50)"
        )  # fmt: skip
    return said


def server_rows(shown: Shown) -> list[tuple[Metric, float]]:
    """What the engine counted, with what each figure is."""
    server = shown.stage.server
    if server is None:
        return []
    return [(row, server.values[row.key]) for row in rows_of(server.engine) if row.key in server.values]


def definitions() -> list[tuple[str, str]]:
    """What the figures mean, printed beside them."""
    names = {"rates": "rates", "interval": "(low–high)", "goodput": "goodput", "send_delay": "send delay"}
    return [(TITLES.get(key, names.get(key, key)), text) for key, text in DEFINITIONS.items() if key in EXPLAINED]


def latencies(made: Figures) -> list[tuple[str, Spread]]:
    """The latencies that there are, in order, by their key."""
    found = {"ttft": made.ttft, "visible": made.visible, "itl": made.itl, "tpot": made.tpot, "e2e": made.e2e}
    return [(key, one) for key, one in found.items() if one is not None]


# ------------------------------------------------------------------------------------------------------------- figures


def seconds(value: float | None) -> str:
    """A time with three significant digits: ``1.24 s``, ``45.6 ms``, ``0.38 ms``."""
    if value is None or not math.isfinite(value):
        return NONE
    if abs(value) >= 1:
        return f"{value:.3g} s" if abs(value) < 1000 else f"{value:,.0f} s"
    return f"{value * 1000:.3g} ms" if value else "0 ms"


def interval(one: Quantile) -> str:
    """A quantile's interval, in the unit of its value: ``38.1–39.7``; an open end is not bounded by so few values."""
    factor = 1.0 if abs(one.value) >= 1 else 1000.0
    low = "" if one.low is None else f"{one.low * factor:.3g}"
    high = "" if one.high is None else f"{one.high * factor:.3g}"
    if not low and not high:
        return "few values"
    return f"{low or '?'}–{high or '?'}"


def time_at(found: Spread | None, share: float) -> str:
    """A quantile as a time."""
    return NONE if found is None else seconds(found.at(share).value)


def number(value: float) -> str:
    """A rate or a count with three significant digits."""
    if not math.isfinite(value):
        return NONE
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def measured(metric: Metric, value: float) -> str:
    """A figure of an engine in its unit."""
    if metric.unit == "s":
        return seconds(value)
    if metric.unit == "share":
        return f"{value * 100:.1f} %"
    return f"{value:,.0f}"


def change_of(row: Compared) -> str:
    """How far apart two runs are: ``× 1.21 (1.15–1.28)``."""
    bounds = "" if row.low is None or row.high is None else f" ({row.low:.3g}–{row.high:.3g})"
    return f"× {row.ratio:.3g}{bounds}" if math.isfinite(row.ratio) else NONE


def value_of(row: Compared, value: float) -> str:
    """One side of a comparison in its unit."""
    return number(value) if row.share is None else seconds(value)


def name_of(row: Compared) -> str:
    """What is compared: ``first token p95``."""
    return METRICS[row.metric] if row.share is None else f"{METRICS[row.metric]} p{row.share * 100:g}"


def short_label(load: Load) -> str:
    """A load in few characters: ``8 at once``, ``12.5/s``."""
    if load.closed or load.style == "trace":
        return load.label
    rate = f"{load.rate_rps:.3g}"
    return f"{rate}/s" if load.to_rate_rps is None else f"{rate} → {load.to_rate_rps:.3g}/s"


def errors_of(made: Figures) -> str:
    """Failures by kind; "" where there are none."""
    said = [f"{kind} {count:,}" for kind, count in made.errors.items()]
    if made.unfinished:
        said.append(f"unfinished {made.unfinished:,}")
    return ", ".join(said)


def main_pair(one: Beside, found: Report) -> Pair | None:
    """Of a comparison the pair that matters most: that of the stage that is shown in full, else the last."""
    main = main_stage(found)
    same = next((pair for pair in one.pairs if main is not None and pair.after is main.stage), None)
    return same or (one.pairs[-1] if one.pairs else None)


def slower(found: Report) -> list[str]:
    """What an earlier run did better than this one."""
    return [
        f"{name_of(row)} at {pair.after.run.load.label}: {change_of(row)} of {one.name}"
        for one in found.beside
        for pair in one.pairs
        if pair.alike
        for row in pair.rows
        if row.change == "worse"
    ]


def missed(found: Report) -> list[str]:
    """The limits of the SLO that did not hold: at the highest rate sought, or in the stage that is shown in full."""
    main = main_stage(found)
    if not found.slo.targets or main is None:
        return []
    if found.sought and found.low is None:
        return [target.label for target in found.slo.targets]
    return [row.label for row in main.figures.slo if not row.met]


# ---------------------------------------------------------------------------------------------------------------- JSON


def as_json(found: Report) -> dict[str, Any]:
    """The report as plain data."""
    session = found.session
    return {
        "headline": headline(found),
        "subject": msgspec.to_builtins(session.subject),
        "asked": session.asked,
        "seed": session.seed,
        "product": session.product,
        "tokens_per_word": session.per_word,
        "round_trip_s": session.round_trip_s,
        "tls_s": session.tls_s,
        "spent_usd": found.spent_usd,
        "evidence": found.evidence,
        "slo": [target.label for target in found.slo.targets],
        "knee": None if found.best is None else {"concurrency": found.best.concurrency, "passed": found.bent},
        "highest_rate": {"held_rps": found.low, "missed_rps": found.high} if found.sought else None,
        "stages": [_stage(one) for one in found.stages],
        "compared": [
            {
                "name": one.name, "label": one.label,
                "pairs": [
                    {"load": pair.after.run.load.label, "alike": pair.alike, "rows": msgspec.to_builtins(pair.rows)}
                    for pair in one.pairs
                ],
            }
            for one in found.beside
        ],
        "definitions": DEFINITIONS,
    }  # fmt: skip


def _stage(one: Shown) -> dict[str, Any]:
    run = one.stage.run
    return {
        "load": {**msgspec.to_builtins(run.load), "label": run.load.label},
        "begun": one.stage.begun,
        "stop": run.stop,
        "why": run.why,
        "server": None if one.stage.server is None else msgspec.to_builtins(one.stage.server),
        "figures": msgspec.to_builtins(one.figures),
    }


def answers(made: Figures) -> str:
    """How many answers there were, and what else became of requests."""
    failed = errors_of(made)
    return plural(made.ok, "answer") + (f", {failed}" if failed else "")
