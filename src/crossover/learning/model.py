"""What was learned, and how it decides: a few weighted sums, a threshold, and a card that says what is promised.

A score says how much better the stronger model is expected to answer: the larger, the more is gained by asking it. A
request is kept where its score is at most the threshold. Nothing here needs numpy.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from operator import add, mul
from typing import Literal

import msgspec

from crossover.learning.features import FEATURES, Signals, hashed, sources

LEAST_PULL = 1e-3  # of a feature that is named among the reasons
MOST_SPREADS = 3.0  # a value further from the middle counts as this far: one odd prompt must not lead
Kind = Literal["cascade", "route"]
Bound = Literal["exact", "betting"]


class Scaled(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A feature by name, and what is taken off it and divided by, to be of the size 1."""

    name: str
    centre: float
    spread: float


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One weighted sum: a weight for each feature, and for buckets of hashed words; the score is the heads' sum."""

    bias: float
    weights: tuple[float, ...]
    words: dict[int, float] = {}


class Promise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for requests like those of the calibration: ``loss`` is lost at most, with so much ``confidence``.

    ``kept`` is the share of the calibration's prompts that stays. ``bound``: by which exact bound. ``loss`` is a share
    of the score's range: of right and wrong, of answers that are wrong and would have been right. ``differs`` bounds
    (95 % sure) the share of requests that stay with another answer than the stronger model's and lose nothing by it:
    who compares the words of two answers sees those too. 0: not known.
    """

    loss: float
    confidence: float
    kept: float
    bound: Bound
    observed: float
    differs: float = 0.0


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The chance of a broken promise in a year, shared by so many calibrations; ``used`` of them ``spent`` so much."""

    delta: float
    calibrations: int
    spent: float
    year: int
    used: int = 1


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A point of the cost–quality curve on prompts that nothing was learned from.

    ``kept`` is the share that stays, ``quality`` the mean score, ``loss`` the mean of what was lost. ``cost`` is
    dollars per 1,000 requests where prices are known.
    """

    threshold: float
    kept: float
    quality: float
    loss: float
    cost: float | None = None


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it comes from and what it promises. ``digest`` says by which models (and which settings) the answers were.

    ``trained``, ``calibrated`` and ``reported`` count prompts; no prompt is in two of them. ``apgr`` and
    ``length_apgr`` are of the report's part; ``gain_over_length`` is the mean quality that cross-validation shows over
    the length rule, with two standard errors. ``learned`` False: it is the length rule with a threshold.
    """

    made: str
    source: str
    weak: str
    strong: str
    digest: str
    trained: int
    calibrated: int
    reported: int
    promise: Promise | None
    words: str
    budget: Budget | None = None
    learned: bool = True
    apgr: float | None = None
    length_apgr: float | None = None
    gain_over_length: tuple[float, float] | None = None
    weak_score: float | None = None
    strong_score: float | None = None
    curve: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()


class Learned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy as it lies in a file. ``threshold`` None: nothing may be kept, because nothing could be promised.

    ``calibration`` are points (score, expected gain) with rising scores; the gain between them is a straight line.
    """

    version: int
    kind: Kind
    features: tuple[Scaled, ...]
    heads: tuple[Head, ...]
    calibration: tuple[tuple[float, float], ...]
    threshold: float | None
    card: Card
    buckets: int = 4096


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to ask the stronger model. ``score`` None: a fact is not known without which there is no promise.

    ``gain`` is what is expected to be gained by asking it, in points of the score from 0 to 1. ``why`` is a sentence.
    """

    escalate: bool
    score: float | None
    gain: float | None
    why: str


def score(learned: Learned, signals: Signals) -> float | None:
    """How much the stronger model is needed; None where a feature that counts is not known."""
    values = scaled(learned, signals)
    return None if isinstance(values, str) else _summed(learned, values, signals)


def gain(learned: Learned, signals: Signals) -> float:
    """The expected gain of the stronger model, -1 to 1; 1 where too little is known to say."""
    found = score(learned, signals)
    return 1.0 if found is None else gain_at(learned, found)


def gain_at(learned: Learned, value: float) -> float:
    """The expected gain at a score; outside of what was seen, that of the nearest point."""
    points = learned.calibration
    if not points:
        return max(-1.0, min(1.0, value))
    at = bisect_right(points, (value, math.inf))
    if at == 0 or at == len(points):
        return points[min(at, len(points) - 1)][1]
    (left, low), (right, high) = points[at - 1], points[at]
    return low + (high - low) * (value - left) / (right - left) if right > left else high


def decide(learned: Learned, signals: Signals) -> Verdict:
    """Keep what is at most the threshold; escalate the rest, and all of which too little is known."""
    values = scaled(learned, signals)
    if isinstance(values, str):
        what = FEATURES[values].name.replace(".", "'s ", 1).replace("_", " ")
        return Verdict(
            escalate=True, score=None, gain=None, why=f"the {what} is not known, and the promise counts on it"
        )
    found = _summed(learned, values, signals)
    expected = gain_at(learned, found)
    if learned.threshold is None:
        return Verdict(escalate=True, score=found, gain=expected, why=learned.card.words)
    escalate = found > learned.threshold
    side = "above" if escalate else "not above"
    why = f"expected gain {expected:+.2f}, score {found:.3f} is {side} {learned.threshold:.3f}"
    return Verdict(escalate=escalate, score=found, gain=expected, why=f"{why}{_because(learned, values, escalate)}")


def scaled(learned: Learned, signals: Signals) -> list[float] | str:
    """The features of the size 1, or the name of the first that is not known."""
    values: list[float] = []
    prompt, answer = sources(signals)
    for row in learned.features:
        feature = FEATURES[row.name]
        source = answer if feature.of_answer else prompt
        value = None if source is None else feature.how(source)
        if value is None:
            return row.name
        far = (value - row.centre) / row.spread
        values.append(far if -MOST_SPREADS < far < MOST_SPREADS else math.copysign(MOST_SPREADS, far))
    return values


def _summed(learned: Learned, values: list[float], signals: Signals) -> float:
    total = 0.0
    found: set[int] | None = None
    for head in learned.heads:
        value = head.bias + sum(map(mul, head.weights, values))
        if head.words:
            if found is None:
                prompt, _ = sources(signals)
                found = hashed(prompt.words, learned.buckets) if prompt is not None else set()
            if found:
                value += sum(map(head.words.__getitem__, found & head.words.keys())) / math.sqrt(len(found))
        total += value
    return total


def _because(learned: Learned, values: list[float], escalate: bool) -> str:
    """The two features that spoke most for what was decided."""
    pulls = [0.0] * len(values)
    for head in learned.heads:
        pulls = list(map(add, pulls, map(mul, head.weights, values)))
    words = []
    for _ in range(min(2, len(pulls))):
        pull = max(pulls) if escalate else min(pulls)
        if abs(pull) < LEAST_PULL or (pull > 0) != escalate:
            break
        number = pulls.index(pull)
        feature = FEATURES[learned.features[number].name]
        words.append(feature.high if values[number] > 0 else feature.low)
        pulls[number] = 0.0
    return f": {', '.join(words)}" if words else ""
