"""Does a promise still hold? Bounds on the loss from compared requests, true at every look, and an alarm.

While a policy is in use, chance draws requests (1–5 %) for which both models are asked, whatever the policy says of
them, with a probability that is written down. Each is one observation of the loss: 0 where the policy would not have
kept it, else what was lost. The bounds come from bets (as in :mod:`crossover.learning.risk`): the true mean ever lies
outside of one of them with a chance of at most ``delta``, however often and whenever somebody looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.learning import risk

Floats = NDArray[np.float64]
STAKES = np.geomspace(0.005, 0.95, 32)  # shares of what can be lost in a bet that the mean is higher
LEAST = 1e-4


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One request that both models answered. ``probability``: with which chance drew it.

    ``score`` is what a policy went by; ``kept``: it would have let the weaker model answer. ``loss`` lies in [0, 1].
    """

    request: str
    probability: float
    kept: bool
    loss: float
    score: float | None = None


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the loss now: ``count`` observations, their mean, and bounds that hold at every look.

    ``left``: the loss is above what was promised, proven. ``held``: it is at most that, proven.
    """

    count: int
    observed: float
    low: float
    high: float
    left: bool
    held: bool
    words: str


def even(rows: Sequence[Compared]) -> list[Compared]:
    """The rows as if all had been drawn with the smallest probability of them: others are left out at random.

    What the chance of a row was depended on the request; equal chances make the rows a fair sample of all requests. The
    request's name throws the dice, so that the same rows give the same sample. Rows of no probability are left out.
    """
    drawn = [row for row in rows if row.probability > 0]
    least = min((row.probability for row in drawn), default=1.0)
    return [row for row in drawn if crc32(row.request.encode()) / 2**32 < least / row.probability]


def drift(rows: Sequence[Compared], promised: float, *, beside: float = 0.0, delta: float = 0.05) -> Drift:
    """Bounds on the mean loss by these rows against what was ``promised``. Half of ``delta`` is spent on each side.

    ``beside``: the rows count answers that differ, and so large a share may do so without a loss (``Promise.differs``).
    The promise is broken only above both together, and proven to hold below what was promised alone.
    """
    fair = even(rows)
    losses = np.array([row.loss if row.kept else 0.0 for row in fair])
    if not len(losses):
        return Drift(
            count=0, observed=0.0, low=0.0, high=1.0, left=False, held=False, words="nothing has been compared yet"
        )
    low, high = lower(losses, delta / 2), risk.upper(losses, delta / 2, "betting")
    left, held = low > promised + beside, high <= promised
    observed = float(losses.mean())
    between = f"between {low * 100:.1f} and {high * 100:.1f} %"
    seen = f"{observed * 100:.1f} % {'differ' if beside else 'lost'} in {len(losses):,} compared requests, {between}"
    verdict = "the promise is broken" if left else "the promise holds" if held else "the promise is not in doubt"
    return Drift(
        count=len(losses),
        observed=observed,
        low=low,
        high=high,
        left=left,
        held=held,
        words=f"{verdict}: {seen}; {promised * 100:g} % were promised{_beside(beside)}",
    )


def _beside(share: float) -> str:
    return f", and {share * 100:.1f} % beside them may differ without a loss" if share else ""


def lower(losses: Floats, delta: float) -> float:
    """The bound that the mean lies below with a chance of at most ``delta`` over all looks."""
    low, high = 0.0, float(losses.mean())
    if high <= LEAST or fortune(losses, LEAST) < -np.log(delta):
        return 0.0
    low = LEAST
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if fortune(losses, middle) >= -np.log(delta) else (low, middle)
    return low


def fortune(losses: Floats, mean: float) -> float:
    """The logarithm of what betting on higher losses made of 1, if each bet is fair at this mean (0 < mean < 1)."""
    grown = np.log1p((STAKES / mean)[:, None] * (losses - mean)[None, :]).sum(axis=1)
    largest = float(grown.max())
    return largest + float(np.log(np.exp(grown - largest).mean()))
