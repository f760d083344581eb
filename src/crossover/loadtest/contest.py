"""Several targets under one load, in turns: what each does, who is better, and whether that is more than chance.

Machines are not the same from one minute to the next: other tenants, heat, clocks. So targets are measured in rounds,
one after the other within each round and in changing order, and what is compared is the ratio of two targets *within* a
round. How much those ratios differ from round to round is the noise: Student's interval of their mean logarithm holds
what changes between rounds and the sampling within them. Over all pairs of one figure the intervals hold together
(Bonferroni). Shares of requests and rates of good answers may be 0; they are compared by differences.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np

from crossover.loadtest.conduct import Course, Watcher, conduct
from crossover.loadtest.drive import Heard, Purse
from crossover.loadtest.measure import figures
from crossover.loadtest.prompts import Source
from crossover.loadtest.targets import Target
from crossover.loadtest.words import Figures, Load, Session, Spread, Stage
from crossover.stats import student_quantile
from crossover.workload import Slo

ROUNDS = 5
FEWEST = 3  # rounds behind an interval
ROUND_S = 3.0  # where nothing is said; a closed loop at least as long as LEAST answers and 8 of every client need
LEAST = 20
CONFIDENCE = 0.95

Metric = Literal["ttft", "itl", "tpot", "e2e", "output_tokens_per_s", "requests_per_s", "goodput_rps"]
FIGURES: tuple[tuple[Metric, float | None], ...] = (
    ("ttft", 0.5), ("ttft", 0.95), ("itl", 0.5), ("itl", 0.95), ("tpot", 0.5), ("e2e", 0.5), ("e2e", 0.95),
    ("output_tokens_per_s", None), ("requests_per_s", None), ("goodput_rps", None),
)  # fmt: skip
HIGHER: frozenset[Metric] = frozenset({"output_tokens_per_s", "requests_per_s", "goodput_rps"})


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One target; the stages of its session are its rounds, in order. ``left`` says why it ended before the others."""

    name: str
    session: Session
    left: str = ""


class Mean(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of one side over its rounds: their (geometric) mean, a 95 % interval, and each round's (NaN: none)."""

    value: float
    low: float | None
    high: float | None
    rounds: tuple[float, ...]


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """Two sides (by number) and one figure: ``ratio`` is that of the second over the first (None: one of them is 0).

    ``low`` and ``high`` bound it, together with those of all other pairs. ``told``: they differ by more than chance.
    """

    first: int
    second: int
    ratio: float | None
    low: float | None
    high: float | None
    told: bool


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of every side (None where a side has none).

    ``leader`` is the side with the best mean, ``best`` all that are not told apart from it; empty where nobody has any.
    """

    metric: Metric
    share: float | None
    means: tuple[Mean | None, ...]
    edges: tuple[Edge, ...]
    leader: int | None
    best: tuple[int, ...]


# ------------------------------------------------------------------------------------------------------------- carrying


class Ready(msgspec.Struct, kw_only=True):
    """A target that can be asked, and what it is asked. ``gone`` says why it takes part no more."""

    name: str
    target: Target
    source: Source
    watch: Watcher | None = None
    purse: Purse | None = None
    gone: str = ""


Keep = Callable[[int, Stage], None]  # the number of the side, and its round
Begun = Callable[[str, int], Heard]  # the name of the side, and the round from 0


def bounded(course: Course) -> Course:
    """The course of one round: where nothing is said, short ones."""
    if course.requests is not None or course.duration_s is not None:
        return course
    if not course.load.closed:
        return msgspec.structs.replace(course, duration_s=2 * ROUND_S)
    return msgspec.structs.replace(course, usual_s=ROUND_S, least=LEAST)


def order(count: int, number: int) -> list[int]:
    """Who comes when in a round: turned by one place every second round, and backwards in between."""
    turned = [(place + number // 2) % count for place in range(count)]
    return turned[::-1] if number % 2 else turned


async def contest(
    course: Course, sides: Sequence[Ready], *, rounds: int, keep: Keep, begun: Begun | None = None
) -> None:  # fmt: skip
    """Carry out every round; ``keep`` gets each stage when it has ended. A side that fails or is spent leaves."""
    course = bounded(course)
    for number in range(rounds):
        for side in order(len(sides), number):
            one = sides[side]
            if one.gone:
                continue

            def kept(stage: Stage, side: int = side) -> None:
                if stage.run.stop in ("errors", "budget", "saturated"):
                    sides[side].gone = stage.run.why
                keep(side, stage)

            def told(_load: Load, name: str = one.name, number: int = number) -> Heard:
                assert begun is not None
                return begun(name, number)

            await conduct(
                course, one.target, one.source, keep=kept, begun=told if begun is not None else None, watch=one.watch,
                purse=one.purse, first=number * len(sides) + side,
            )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ comparing


def rows(sides: Sequence[Side], slo: Slo | None = None, confidence: float = CONFIDENCE) -> tuple[Row, ...]:
    """Every figure that at least one side has."""
    made = [[figures(stage.run, slo) for stage in side.session.stages] for side in sides]
    found = (_row(metric, share, made, confidence) for metric, share in FIGURES)
    return tuple(row for row in found if any(mean is not None for mean in row.means))


def _row(metric: Metric, share: float | None, made: Sequence[Sequence[Figures]], confidence: float) -> Row:
    values = [[_value(one, metric, share) for one in rounds] for rounds in made]
    linear = metric == "goodput_rps"
    means = tuple(_mean(one, confidence, linear=linear) for one in values)
    there = [side for side, mean in enumerate(means) if mean is not None]
    pairs = list(itertools.combinations(there, 2))
    level = 1 - (1 - confidence) / max(len(pairs), 1)
    edges = tuple(_edge(one, other, values[one], values[other], level, linear=linear) for one, other in pairs)
    sign = -1.0 if metric in HIGHER else 1.0
    leader = min(there, key=lambda side: sign * _of(means[side]), default=None)
    worse = {
        side
        for edge in edges
        if edge.told and leader in (edge.first, edge.second)
        for side in (edge.first, edge.second)
    } - {leader}
    return Row(
        metric=metric, share=share, means=means, edges=edges, leader=leader,
        best=tuple(side for side in there if side not in worse),
    )  # fmt: skip


def _of(mean: Mean | None) -> float:
    return math.nan if mean is None else mean.value


def _value(made: Figures, metric: Metric, share: float | None) -> float:
    """One figure of one round; NaN where it has none."""
    if not made.ok:
        return 0.0 if metric == "goodput_rps" and made.good is not None else math.nan
    if share is None:
        found = made.goodput_rps if metric == "goodput_rps" else getattr(made, metric).value
        return math.nan if found is None else float(found)
    spread: Spread | None = getattr(made, metric)
    return math.nan if spread is None else spread.at(share).value


def _mean(values: Sequence[float], confidence: float, *, linear: bool) -> Mean | None:
    kept = [value for value in values if not math.isnan(value) and (linear or value > 0)]
    if not kept:
        return None
    middle, half = _student(kept if linear else np.log(kept).tolist(), confidence)
    ends = (None, None) if half is None else (middle - half, middle + half)
    if linear:
        low, high = (None if end is None else max(end, 0.0) for end in ends)
        return Mean(value=middle, low=low, high=high, rounds=tuple(values))
    low, high = (None if end is None else math.exp(end) for end in ends)
    return Mean(value=math.exp(middle), low=low, high=high, rounds=tuple(values))


def _edge(
    first: int, second: int, one: Sequence[float], other: Sequence[float], confidence: float, *, linear: bool
) -> Edge:  # fmt: skip
    """Of the rounds that both have, the mean ratio (or difference) and whether its interval excludes equality."""
    both = [(a, b) for a, b in zip(one, other, strict=False) if not (math.isnan(a) or math.isnan(b))]
    if linear:
        means = [float(np.mean([pair[side] for pair in both])) if both else 0.0 for side in (0, 1)]
        middle, half = _student([b - a for a, b in both], confidence)
        told = half is not None and abs(middle) > half
        ratio = means[1] / means[0] if min(means) > 0 else None
        ends = (None, None) if half is None or ratio is None else (middle - half, middle + half)
        low, high = (None if end is None else max(1 + end / means[0], 0.0) for end in ends)
        return Edge(first=first, second=second, ratio=ratio, low=low, high=high, told=told)
    middle, half = _student([math.log(b / a) for a, b in both if a > 0 and b > 0], confidence)
    if math.isnan(middle):
        return Edge(first=first, second=second, ratio=None, low=None, high=None, told=False)
    if half is None:
        return Edge(first=first, second=second, ratio=math.exp(middle), low=None, high=None, told=False)
    low, high = math.exp(middle - half), math.exp(middle + half)
    return Edge(first=first, second=second, ratio=math.exp(middle), low=low, high=high, told=abs(middle) > half)


def _student(values: Sequence[float], confidence: float) -> tuple[float, float | None]:
    """The mean of a few values, and half the width of its interval; None of fewer than three."""
    if not values:
        return math.nan, None
    middle = float(np.mean(values))
    if len(values) < FEWEST:
        return middle, None
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return middle, student_quantile((1 + confidence) / 2, len(values) - 1) * error
