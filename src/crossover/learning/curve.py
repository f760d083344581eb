"""What a ranking of prompts is worth: quality against the share that goes to the stronger model.

APGR (average performance gap recovered) as in RouteLLM's code (lm-sys/RouteLLM, routellm/evals/evaluate.py): the area
under quality over the share of strong calls, by the trapezoid rule, between always weak (0) and always strong (1).
Chance gives 0.5. A cascade pays the local call always; so dollars stand beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def recovered(scores: Floats, weak: Floats, strong: Floats) -> Floats:
    """Mean quality when the 0, 1, 2 … n prompts of the highest scores go to the stronger model.

    Prompts of one score go in a random order: the mean of all such orders.
    """
    order = np.argsort(-scores, kind="stable")
    gains, ranked = (strong - weak)[order], scores[order]
    if len(ranked):
        begins = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
        sizes = np.diff(np.append(begins, len(ranked)))
        gains = np.repeat(np.add.reduceat(gains, begins) / sizes, sizes)
    total = np.append(0.0, np.cumsum(gains))
    return np.asarray(weak.mean() + total / max(len(gains), 1), dtype=np.float64)


def apgr(scores: Floats, weak: Floats, strong: Floats, points: int | None = None) -> float:
    """The gap recovered on average; NaN where both models are equally good on average.

    ``points``: so many equal steps of the share (RouteLLM's code takes 10); None: every prompt is a step.
    """
    curve = recovered(scores, weak, strong)
    gap = float(curve[-1] - curve[0])
    if gap == 0:
        return float("nan")
    if points is not None:
        places = np.linspace(0, len(curve) - 1, points + 1)
        curve = np.interp(places, np.arange(len(curve)), curve)
    return float((np.trapezoid(curve, dx=1 / (len(curve) - 1)) - curve[0]) / gap)


def area_difference(one: Floats, other: Floats, weak: Floats, strong: Floats) -> tuple[float, float]:
    """Mean quality over all shares by one ranking less that by the other, on the same prompts; its standard error.

    Divided by the gap of the models this is the difference of their APGR; undivided it means something without a gap.
    """
    gains, size = strong - weak, len(weak)
    if size < 2:
        return 0.0, float("inf")
    moved = gains * (_ranks(one) - _ranks(other)) / size
    return float(moved.mean()), float(moved.std(ddof=1)) / size**0.5


def auroc(scores: Floats, bad: Floats) -> float:
    """How often a bad one has the higher score of two; ties count half. NaN where all are alike."""
    positive = bad > 0.5
    above, below = int(positive.sum()), int((~positive).sum())
    if not above or not below:
        return float("nan")
    return float((_ranks(scores)[positive].sum() - above * (above + 1) / 2) / (above * below))


def _ranks(values: Floats) -> Floats:
    """From 1, the lowest; equal values share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[places], dtype=np.float64)
