"""Plain mathematics: quantiles, shares and the normal distribution. No product word stands here."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

_NORMAL = NormalDist()
Z80 = _NORMAL.inv_cdf(0.9)  # half-width of an 80 % interval in standard deviations


def normal_quantile(share: float) -> float:
    """The standard normal quantile of a share strictly between 0 and 1."""
    return _NORMAL.inv_cdf(share)


@functools.cache
def student_quantile(share: float, freedom: int) -> float:
    """Student's t quantile of a share strictly between 0 and 1, with ``freedom`` (at least 1) degrees of freedom."""
    if share < 0.5:
        return -student_quantile(1 - share, freedom)
    inside = _beta_quantile(2 * (1 - share), freedom / 2, 0.5)  # freedom / (freedom + t²) at this two-sided chance
    return math.sqrt(freedom * (1 - inside) / inside)


def wilson(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share, for ``count`` of ``total`` (0 ≤ count ≤ total); (0, 1) of nothing."""
    if total <= 0:
        return 0.0, 1.0
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    share, spread = count / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / total / 4)
    low = 0.0 if count == 0 else max(middle - half, 0.0)
    return low, 1.0 if count == total else min(middle + half, 1.0)


def weighted_quantiles(values: ArrayLike, weights: ArrayLike, shares: ArrayLike) -> NDArray[np.float64]:
    """The smallest value at which the cumulated weight reaches each share (0..1) of all weight.

    Values and weights have equal length; an empty input gives NaN for every share.
    """
    import numpy as np

    data = np.asarray(values, dtype=np.float64)
    mass = np.asarray(weights, dtype=np.float64)
    wanted = np.atleast_1d(np.asarray(shares, dtype=np.float64))
    if data.size == 0 or mass.sum() <= 0:
        return np.full(wanted.shape, np.nan)
    order = np.argsort(data, kind="stable")
    cumulated = np.cumsum(mass[order])
    index = np.searchsorted(cumulated, wanted * cumulated[-1] * (1 - 1e-12), side="left")
    chosen: NDArray[np.float64] = data[order][np.minimum(index, data.size - 1)]
    return chosen


def clopper_pearson(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's exact interval of a share, for ``count`` of ``total``; (0, 1) of nothing.

    Each bound is missed with a chance of at most half of ``1 - confidence``, whatever the true share and the total.
    """
    if total <= 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else _beta_quantile(tail, count, total - count + 1)
    return low, 1.0 if count == total else _beta_quantile(1 - tail, count + 1, total - count)


def mcnemar(wins: int, losses: int) -> float:
    """The exact two-sided p-value of so many wins and losses if both were equally likely; 1 of none."""
    discordant, fewer = wins + losses, min(wins, losses)
    if wins == losses:
        return 1.0
    # the chance of at most ``fewer`` heads in ``discordant`` tosses
    return min(2 * _beta_share(0.5, discordant - fewer, fewer + 1), 1.0)


def tango(wins: int, losses: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval of the difference of two shares on ``total`` pairs, of which some were won or lost.

    T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample design,
    Statistics in Medicine 17 (1998). (-1, 1) of nothing.
    """
    if total <= 0:
        return -1.0, 1.0
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    return -_tango_high(losses, wins, total, z), _tango_high(wins, losses, total, z)


def tango_score(wins: int, losses: int, total: int, difference: float) -> float:
    """How many standard deviations the wins less the losses lie above what a true ``difference`` makes expect."""
    excess = wins - losses - total * difference
    slope = difference * (2 * total - wins + losses) - wins - losses
    product = losses * difference * (1 - difference)
    root = math.sqrt(max(slope * slope + 8 * total * product, 0.0))
    # the likeliest chance of a loss under that difference, without cancellation
    lost = 2 * product / (slope + root) if slope > 0 else (root - slope) / (4 * total)
    variance = total * (2 * lost + difference * (1 - difference))
    if variance <= 0:
        return math.copysign(math.inf, excess) if excess else 0.0
    return excess / math.sqrt(variance)


def _tango_high(wins: int, losses: int, total: int, z: float) -> float:
    low, high = (wins - losses) / total, 1.0
    while (middle := (low + high) / 2) not in (low, high):
        if tango_score(wins, losses, total, middle) >= -z:
            low = middle
        else:
            high = middle
    return high


def _beta_quantile(share: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    while (middle := (low + high) / 2) not in (low, high):
        if _beta_share(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return high


def _beta_share(x: float, a: float, b: float) -> float:
    """The beta distribution's share below ``x``, by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side
        return 1 - _beta_share(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    fraction = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1 / ((1 + step * d) or tiny)
            c = (1 + step / c) or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction / a
