"""Thresholds that keep a promise: exact risk control on prompts that nothing was learned from.

The loss of a prompt is what is lost by keeping it (0 where it is not kept); the promise is about its mean over all
requests. Thresholds are tested in a fixed order, from "keep nothing" upwards, each at the whole error, until the first
that cannot be shown to be safe (Learn then Test: A. Angelopoulos, S. Bates, E. Candès, M. Jordan, L. Lei, Learn then
Test: Calibrating Predictive Algorithms to Achieve Risk Control; fixed-sequence testing). The thresholds are places of
the scores that were *trained* on: the calibration has no part in choosing what is tested.

A test of right and wrong is exact (the binomial; Clopper and Pearson's bound turned round). Graded losses are tested by
bets against "the mean is above the limit" (Ville's inequality; I. Waudby-Smith and A. Ramdas) or by Hoeffding and
Bentkus's bound (S. Bates and others, Distribution-free, risk-controlling prediction sets).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.stats import clopper_pearson

Floats = NDArray[np.float64]
Test = Literal["exact", "betting", "hoeffding-bentkus"]
# Shares of what can be lost in a bet against a limit a: bets of s/(1 - a), spread evenly over orders of magnitude.
STAKES = tuple(float(stake) for stake in np.geomspace(0.02, 0.98, 24))


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The highest threshold that is safe. ``threshold`` None: not even the lowest is.

    ``kept`` is the share of the calibration that stays and ``observed`` the mean loss there; ``upper`` bounds the true
    loss. ``needed``: so many more prompts for calibration are likely needed (0 where something may be kept; None: no
    number will do).
    """

    threshold: float | None
    kept: float
    observed: float
    upper: float
    needed: int | None
    test: Test


def p_value(losses: Floats, limit: float, test: Test) -> float:
    """A bound on the chance to see losses so low if their mean were above ``limit``. Losses lie in [0, 1]."""
    size = len(losses)
    if size == 0 or limit <= 0:
        return 1.0
    if limit >= 1:
        return 0.0
    if test == "exact":
        return binomial_below(round(float(losses.sum())), size, limit)
    if test == "betting":
        return _betting(losses, limit)
    mean = float(losses.mean())
    hoeffding = math.exp(-size * _relative_entropy(min(mean, limit), limit))
    return min(1.0, hoeffding, math.e * binomial_below(math.ceil(size * mean - 1e-9), size, limit))


def choose(scores: Floats, losses: Floats, steps: Sequence[float], *, limit: float, delta: float, test: Test) -> Chosen:
    """The highest of the rising ``steps`` that is safe, with a chance of at most ``delta`` that it is not.

    ``losses`` are what each prompt would lose by being kept; a prompt is kept where its score is at most the step. A
    score of infinity is never kept.
    """
    best: float | None = None
    for step in steps:
        if p_value(np.where(scores <= step, losses, 0.0), limit, test) > delta:
            break
        best = step
    kept = scores <= best if best is not None else np.zeros(len(scores), dtype=bool)
    lost = np.where(kept, losses, 0.0)
    return Chosen(
        threshold=best,
        kept=float(kept.mean()) if len(scores) else 0.0,
        observed=float(lost.mean()) if len(scores) else 0.0,
        upper=upper(lost, delta, test),
        needed=0 if best is not None else needed(scores, losses, steps, limit=limit, delta=delta),
        test=test,
    )


def upper(losses: Floats, delta: float, test: Test) -> float:
    """The least limit that these losses show: the mean lies above it with a chance of at most ``delta``."""
    if len(losses) == 0:
        return 1.0
    if test == "exact":
        return clopper_pearson(round(float(losses.sum())), len(losses), 1 - 2 * delta)[1]
    low, high = float(losses.mean()), 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if p_value(losses, middle, test) <= delta else (middle, high)
    return high


def loss_free(limit: float, delta: float) -> int:
    """So many prompts without any loss are needed to promise ``limit``: (1 - limit)^n ≤ delta."""
    return math.ceil(math.log(delta) / math.log1p(-limit))


def needed(
    scores: Floats, losses: Floats, steps: Sequence[float], *, limit: float, delta: float, share: float = 0.1
) -> int | None:
    """How many more prompts likely let a first ``share`` of them stay; None where they lose too much for any number.

    What was seen goes on as it was; the count is that of right and wrong, also for graded losses.
    """
    size = len(scores)
    least = loss_free(limit, delta)
    if size < least:
        return least - size
    finite = [step for step in steps if math.isfinite(step)]
    step = next(
        (each for each in finite if float((scores <= each).mean()) >= share), finite[-1] if finite else math.inf
    )
    rate = float(np.where(scores <= step, losses, 0.0).mean())
    if rate >= limit * 0.95:
        return None
    low, high = size, 1_000 * least
    if binomial_below(round(rate * high), high, limit) > delta:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if binomial_below(math.ceil(rate * middle), middle, limit) <= delta else (middle, high)
        )
    return max(high - size, 1)


def binomial_below(count: int, size: int, share: float) -> float:
    """The chance of at most ``count`` of ``size`` where each happens with ``share`` (strictly between 0 and 1)."""
    if count >= size:
        return 1.0
    if count < 0:
        return 0.0
    logs = [
        math.lgamma(size + 1) - math.lgamma(k + 1) - math.lgamma(size - k + 1)
        + k * math.log(share) + (size - k) * math.log1p(-share)
        for k in range(count + 1)
    ]  # fmt: skip
    largest = max(logs)
    return min(1.0, math.exp(largest) * math.fsum(math.exp(each - largest) for each in logs))


def _betting(losses: Floats, limit: float) -> float:
    """One over the fortune after betting on low losses; each bet is fair or worse if the mean is above the limit."""
    stakes = np.array(STAKES) / (1 - limit)
    grown = np.log1p(stakes[:, None] * (limit - losses)[None, :]).sum(axis=1)
    largest = float(grown.max())
    fortune = largest + math.log(float(np.exp(grown - largest).mean()))
    return math.exp(-fortune) if fortune > 0 else 1.0


def _relative_entropy(one: float, other: float) -> float:
    found = 0.0
    if one > 0:
        found += one * math.log(one / other)
    if one < 1:
        found += (1 - one) * math.log((1 - one) / (1 - other))
    return found
