"""From rows to figures: latencies of the measured requests, rates of the time the load was on, goodput under an SLO.

A failed request has no latency. Under an SLO it counts as one that never came: it is infinitely late at every
percentile and meets no limit. A request that was still under way when the run ended is in no latency either; how many
there were is said, because leaving the slowest out flatters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.loadtest.quantiles import grouped_spread, order_interval, quantile, rate, spread
from crossover.loadtest.words import UNFINISHED, Figures, Rate, Run, Shot, SloCheck, Spread
from crossover.workload import Slo, SloMetric, SloTarget

STEADY_SHARE = 0.5  # of the whole time: a load that was on for less has no steady part
LATE_S = 0.005  # sending later than this is worth a word
PIECES_FEW = 1.15  # output tokens a piece up to which a piece counts as a token
Floats = NDArray[np.float64]


def figures(run: Run, slo: Slo | None = None, *, confidence: float = 0.95) -> Figures:
    """What a run comes to. ``confidence`` is that of the quantiles; rates always have a 95 % interval."""

    def of(shots: Sequence[Shot], value: Callable[[Shot], float]) -> Spread | None:
        return spread(np.array([value(shot) for shot in shots]), confidence=confidence)

    measured = [shot for shot in run.shots if not shot.warmup]
    answered = [shot for shot in measured if shot.ok]
    failed = [shot for shot in measured if shot.error and shot.error != UNFINISHED]
    start, end = window(run, measured)
    requests_per_s, output_per_s, input_per_s = _rates(run, start, end)
    pieces = sum(len(shot.times) for shot in answered)
    output = sum(shot.output for shot in answered)
    prompt = sum(shot.input for shot in answered)
    good = None if slo is None else sum(_good(shot, slo) for shot in answered)
    finished = len(answered) + len(failed)
    made = Figures(
        requests=len(measured),
        warmup=len(run.shots) - len(measured),
        ok=len(answered),
        errors=dict(Counter(shot.error for shot in failed).most_common()),
        unfinished=len(measured) - finished,
        window_s=end - start,
        requests_per_s=requests_per_s,
        output_tokens_per_s=output_per_s,
        input_tokens_per_s=input_per_s,
        in_flight=_in_flight(run, start, end),
        ttft=of(answered, lambda shot: shot.ttft),
        visible=of(answered, _visible) if any(shot.reasoning or _thought(shot) for shot in answered) else None,
        itl=_gaps(answered, confidence),
        tpot=of(answered, lambda shot: shot.tpot),
        e2e=of(answered, lambda shot: shot.e2e),
        send_delay=of(measured, lambda shot: shot.sent - shot.scheduled),
        input_tokens=prompt / len(answered) if answered else 0.0,
        output_tokens=output / len(answered) if answered else 0.0,
        cached_share=sum(shot.cached for shot in answered) / prompt if prompt else 0.0,
        pieces=output / pieces if pieces else 0.0,
        measured_tokens=all(shot.output_basis == "measured" for shot in answered),
        good=good,
        goodput_rps=None if good is None or not finished else requests_per_s.value * good / max(len(answered), 1),
        slo=() if slo is None else tuple(check(answered, len(failed), target) for target in slo.targets),
        connect=of([shot for shot in measured if shot.connect_s > 0], lambda shot: shot.connect_s),
        server=of([shot for shot in answered if shot.server_s is not None], lambda shot: shot.server_s or 0.0),
    )
    return _noted(made, run)


def window(run: Run, measured: Sequence[Shot]) -> tuple[float, float]:
    """The time that rates are counted over: while the load was on, or all of it where that was too short."""
    if not measured:
        return 0.0, 0.0
    start = min(shot.sent for shot in measured)
    end = max(shot.ended for shot in measured)
    steady = min(run.load_end, end)
    return (start, steady) if steady - start >= STEADY_SHARE * (end - start) else (start, end)


def _rates(run: Run, start: float, end: float) -> tuple[Rate, Rate, Rate]:
    """Answers, output tokens and input tokens a second, of whatever arrived in this time."""
    whole = [shot for shot in run.shots if shot.ok]
    ended = np.array([shot.ended for shot in whole])
    # Only what was answered counts as work: tokens of requests that failed are lost to the caller.
    arrived = np.concatenate([np.frombuffer(shot.times) for shot in whole if shot.times] or [np.empty(0)])
    weights = np.concatenate(
        [np.full(len(shot.times), shot.output / len(shot.times)) for shot in whole if shot.times] or [np.empty(0)]
    )
    first = np.array([shot.times[0] if shot.times else shot.ended for shot in whole])
    prompts = np.array([float(shot.input) for shot in whole])
    return (
        rate(ended, np.ones(len(whole)), start, end),
        rate(arrived, weights, start, end),
        rate(first, prompts, start, end),
    )


def _in_flight(run: Run, start: float, end: float) -> float:
    """The mean number of requests under way."""
    if end <= start:
        return 0.0
    return sum(max(min(shot.ended, end) - max(shot.sent, start), 0.0) for shot in run.shots) / (end - start)


def _visible(shot: Shot) -> float:
    return math.nan if shot.visible is None else shot.visible - shot.sent


def _thought(shot: Shot) -> bool:
    return bool(shot.times) and shot.visible != shot.times[0]


def gaps(shot: Shot) -> list[float]:
    """Seconds between the pieces of an answer."""
    return [later - earlier for earlier, later in pairwise(shot.times)]


def _gaps(shots: Sequence[Shot], confidence: float) -> Spread | None:
    rows = [np.diff(np.frombuffer(shot.times)) for shot in shots if len(shot.times) > 1]
    if not rows:
        return None
    owner = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return grouped_spread(np.concatenate(rows), owner, confidence=confidence)


# ---------------------------------------------------------------------------------------------------------------- SLO


def values_of(shots: Sequence[Shot], metric: SloMetric) -> Floats:
    """One metric of these answers; of ``itl`` every gap."""
    if metric == "itl":
        return np.array([gap for shot in shots for gap in gaps(shot)])
    of: dict[SloMetric, Callable[[Shot], float]] = {
        "ttft": lambda shot: shot.ttft, "tpot": lambda shot: shot.tpot, "e2e": lambda shot: shot.e2e,
    }  # fmt: skip
    found = np.array([of[metric](shot) for shot in shots])
    kept: Floats = found[~np.isnan(found)]
    return kept


def check(answered: Sequence[Shot], failed: int, target: SloTarget) -> SloCheck:
    """Whether one limit held: of gaps those of answers alone, of the rest a failed request is infinitely late."""
    values = values_of(answered, target.metric)
    if target.metric != "itl":
        values = np.concatenate([values, np.full(failed, np.inf)])
    reached = quantile(np.sort(values), target.percentile / 100)
    held = reached < target.limit_s  # False for NaN: what was not measured did not hold
    return SloCheck(
        label=target.label,
        limit_s=target.limit_s,
        reached_s=reached if math.isfinite(reached) else None,
        met=bool(held),
    )


def _good(shot: Shot, slo: Slo) -> bool:
    """Whether one answer met every limit; of its gaps the one at the limit's percentile counts."""
    for target in slo.targets:
        values = values_of((shot,), target.metric)
        if values.size and not quantile(np.sort(values), target.percentile / 100) < target.limit_s:
            return False
        if not values.size and target.metric == "ttft":
            return False
    return True


# -------------------------------------------------------------------------------------------------------------- notes


def _noted(made: Figures, run: Run) -> Figures:
    """With a sentence for everything that a reader of the figures must know."""
    notes: list[str] = []
    if run.stop:
        notes.append(f"Ended early: {run.why}.")
    if made.unfinished:
        notes.append(
            f"{made.unfinished:,} requests were still under way at the end and are in no latency: the slow ones are "
            "missing."
        )
    if made.pieces > PIECES_FEW:
        notes.append(f"A piece carries {made.pieces:.3g} tokens on average: gaps are between pieces, not tokens.")
    if made.ok and made.measured_tokens and 0 < made.pieces < 1 / PIECES_FEW:
        notes.append(
            f"The target counts {made.pieces:.3g} tokens for every piece that came: its counts, and all figures per "
            "token, are doubtful."
        )
    if made.ok and not made.measured_tokens:
        notes.append("The target does not count its tokens: output is the number of pieces, input what was aimed at.")
    if made.send_delay is not None and not run.load.closed and made.send_delay.at(0.99).value > LATE_S:
        late = made.send_delay.at(0.99).value * 1000
        notes.append(f"This harness was late: 1 % of requests went out {late:.3g} ms or more after their time.")
    if made.ok:
        _, high = order_interval(made.ok, 0.99)
        if high is None:
            notes.append(f"{made.ok:,} answers cannot bound a p99 from above: it takes 368.")
    short = [shot for shot in run.shots if shot.ok and not shot.warmup and shot.output < 0.9 * shot.asked_output]
    if len(short) > made.ok / 2:
        notes.append(
            f"{len(short):,} of {made.ok:,} answers ended before the length asked for: the model chose to stop "
            "(--ignore-eos, where the engine knows it)."
        )
    return msgspec.structs.replace(made, notes=tuple(notes))
