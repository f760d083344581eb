"""Two runs compared: how much slower or faster, and whether the rows show a difference at all.

Answers are drawn anew from each run, with all their gaps (Poisson bootstrap), and the ratio of the two quantiles is
looked at in many such draws; of rates the spread over ten parts of the time. What differs between one run and the next
on the same machine (other tenants, heat, a cache that is full by now) is in no such interval: repeat runs for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.loadtest.measure import figures
from crossover.loadtest.words import Figures, Rate, Run, Session, Shot, Stage

DRAWS = 400
MOST_VALUES = 60_000  # of one metric; more are thinned out, which changes no quantile that can be told
SHARES = (0.5, 0.95)

Change = Literal["better", "worse", "none shown"]
Metric = Literal["ttft", "itl", "tpot", "e2e", "output_tokens_per_s", "requests_per_s"]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of both runs. ``ratio`` is after over before with its 95 % interval; None: not to be told."""

    metric: Metric
    share: float | None
    before: float
    after: float
    ratio: float
    low: float | None
    high: float | None
    change: Change


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two stages under the same load, or under two loads where ``alike`` is False."""

    before: Stage
    after: Stage
    alike: bool
    rows: tuple[Compared, ...]


def pairs(before: Session, after: Session, seed: int = 0) -> tuple[Pair, ...]:
    """The stages of both under equal loads; where there are none, the last of each."""
    found = [
        (one, next((other for other in before.stages if other.run.load == one.run.load), None)) for one in after.stages
    ]
    matched = [(old, new, True) for new, old in found if old is not None]
    if not matched and before.stages and after.stages:
        matched = [(before.stages[-1], after.stages[-1], False)]
    return tuple(
        Pair(before=old, after=new, alike=alike, rows=compare(old.run, new.run, np.random.default_rng(seed)))
        for old, new, alike in matched
    )


def compare(before: Run, after: Run, rng: np.random.Generator) -> tuple[Compared, ...]:
    """Every figure that both runs have."""
    rows: list[Compared] = []
    for metric, values_of in _LATENCIES.items():
        old, new = values_of(_answered(before)), values_of(_answered(after))
        if not old[0].size or not new[0].size:
            continue
        for share, first, second in zip(SHARES, _drawn(*old, rng), _drawn(*new, rng), strict=True):
            rows.append(_latency(metric, share, first, second))
    one, two = figures(before), figures(after)
    rows += [_rate("output_tokens_per_s", one, two), _rate("requests_per_s", one, two)]
    return tuple(rows)


_Values = tuple[NDArray[np.float64], NDArray[np.int64]]


def _answered(run: Run) -> list[Shot]:
    return [shot for shot in run.shots if shot.ok and not shot.warmup]


def _each(of: Callable[[Shot], float]) -> Callable[[Sequence[Shot]], _Values]:
    def values(shots: Sequence[Shot]) -> _Values:
        found = np.array([of(shot) for shot in shots], dtype=np.float64)
        found = found[~np.isnan(found)]
        return found, np.arange(len(found))

    return values


def _gaps(shots: Sequence[Shot]) -> _Values:
    rows = [np.diff(np.frombuffer(shot.times)) for shot in shots if len(shot.times) > 1]
    if not rows:
        return np.empty(0), np.empty(0, dtype=np.int64)
    owner = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    step = math.ceil(len(owner) / MOST_VALUES)
    return np.concatenate(rows)[::step], owner[::step]


_LATENCIES: dict[Metric, Callable[[Sequence[Shot]], _Values]] = {
    "ttft": _each(lambda shot: shot.ttft),
    "itl": _gaps,
    "tpot": _each(lambda shot: shot.tpot),
    "e2e": _each(lambda shot: shot.e2e),
}


def _drawn(
    values: NDArray[np.float64], owner: NDArray[np.int64], rng: np.random.Generator
) -> list[tuple[float, NDArray[np.float64]]]:  # fmt: skip
    """For each share the quantile, and the same quantile in ``DRAWS`` draws of the answers."""
    order = np.argsort(values, kind="stable")
    values, owner = values[order], owner[order]
    groups = int(owner.max()) + 1
    drawn = np.empty((len(SHARES), DRAWS))
    for draw in range(DRAWS):
        weight = np.cumsum(rng.poisson(1.0, groups)[owner])
        at = np.searchsorted(weight, np.multiply(SHARES, weight[-1]))
        drawn[:, draw] = values[np.minimum(at, len(values) - 1)]
    return [(float(np.quantile(values, share)), drawn[row]) for row, share in enumerate(SHARES)]


def _latency(
    metric: Metric, share: float, before: tuple[float, NDArray[np.float64]], after: tuple[float, NDArray[np.float64]]
) -> Compared:  # fmt: skip
    old, new = before[0], after[0]
    if old <= 0:
        return Compared(
            metric=metric, share=share, before=old, after=new, ratio=math.inf if new > 0 else 1.0, low=None, high=None,
            change="none shown",
        )  # fmt: skip
    drawn = after[1] / np.maximum(before[1], 1e-9)
    low, high = (float(value) for value in np.quantile(drawn, (0.025, 0.975)))
    change: Change = "worse" if low > 1 else "better" if high < 1 else "none shown"
    return Compared(
        metric=metric, share=share, before=old, after=new, ratio=new / old, low=low, high=high, change=change
    )


def _rate(metric: Literal["output_tokens_per_s", "requests_per_s"], before: Figures, after: Figures) -> Compared:
    old: Rate = getattr(before, metric)
    new: Rate = getattr(after, metric)
    ratio = new.value / old.value if old.value > 0 else math.inf if new.value > 0 else 1.0
    low = high = None
    change: Change = "none shown"
    if old.high is not None and new.high is not None and old.value > 0 and new.value > 0:
        half = math.hypot((old.high - old.value) / old.value, (new.high - new.value) / new.value)
        low, high = ratio * math.exp(-half), ratio * math.exp(half)
        change = "better" if low > 1 else "worse" if high < 1 else "none shown"
    return Compared(
        metric=metric, share=None, before=old.value, after=new.value, ratio=ratio, low=low, high=high, change=change
    )
