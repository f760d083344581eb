"""Quantiles with intervals that assume no distribution: plain mathematics.

Independent values: the interval lies between two of the sorted values, chosen so that the true quantile lies outside
with at most the stated chance (the count of values below it is binomial). Values that come in groups (the gaps of one
answer): the share below a candidate is a ratio over the groups, whose variance gives the number of independent values
that would be worth as much; Wilson's interval of the share for that number is read back through the sorted values
(Woodruff's method).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from crossover.loadtest.words import Quantile, Rate, Spread
from crossover.stats import normal_quantile

SHARES = (0.5, 0.9, 0.95, 0.99)
PARTS = 10  # of the time, for the interval of a rate
# Student's t with PARTS - 1 degrees of freedom, two-sided; a test holds them against scipy.
_T9 = {0.8: 1.3830287384, 0.95: 2.2621571628}
EXACT_BELOW = 100_000  # values; beyond, the binomial is as good as normal


def quantile(ordered: NDArray[np.float64], share: float) -> float:
    """The value at a share (0..1) of sorted values, linear between neighbours; NaN of nothing."""
    if not ordered.size:
        return math.nan
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    below = float(ordered[low])
    above = float(ordered[min(low + 1, len(ordered) - 1)])
    if not math.isfinite(above):
        return below if place == low else above  # failed requests count as infinitely slow
    return below + (above - below) * (place - low)


def order_interval(count: int, share: float, confidence: float = 0.95) -> tuple[int | None, int | None]:
    """Places (from 0) of the two of ``count`` sorted values between which the quantile lies with this confidence.

    None: even the first, or the last, value does not bound it.
    """
    tail = (1 - confidence) / 2
    if count <= 0 or not 0 < share < 1:
        return None, None
    if count > EXACT_BELOW:
        half = normal_quantile(1 - tail) * math.sqrt(count * share * (1 - share))
        low, high = math.floor(count * share - half), math.ceil(count * share + half)
        return (low if low >= 0 else None), (high if high < count else None)
    below = np.cumsum(_binomial(count, share))  # chance that at most k of the values lie below the quantile
    low = int(np.searchsorted(below, tail, side="right"))  # the value at this place is still below with 1 - tail
    high = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    return (low - 1 if low >= 1 else None), (high - 1 if high <= count else None)


def _binomial(count: int, share: float) -> NDArray[np.float64]:
    """The chances of 0..count successes."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    k = np.arange(count + 1)
    chances: NDArray[np.float64] = np.exp(
        logs[count] - logs[k] - logs[count - k] + k * math.log(share) + (count - k) * math.log1p(-share)
    )
    return chances


def spread(values: NDArray[np.float64], *, confidence: float = 0.95) -> Spread | None:
    """Independent values and their quantiles; None of nothing. NaN are left out."""
    ordered = np.sort(values[~np.isnan(values)])
    if not ordered.size:
        return None
    rows = []
    for share in SHARES:
        low, high = order_interval(len(ordered), share, confidence)
        rows.append(_row(ordered, share, low, high))
    return _spread(ordered, rows)


def grouped_spread(
    values: NDArray[np.float64], group: NDArray[np.int64], *, confidence: float = 0.95
) -> Spread | None:  # fmt: skip
    """Values that come in groups (``group`` numbers them from 0) and their quantiles; None of nothing."""
    if not values.size:
        return None
    order = np.argsort(values, kind="stable")
    ordered, owner = values[order], group[order]
    sizes = np.bincount(owner).astype(np.float64)
    rows = []
    for share in SHARES:
        worth = _worth(ordered, owner, sizes, share)
        low, high = _wilson(share, worth, confidence)
        last, tail = len(ordered) - 1, (1 - confidence) / 2
        # So few independent values could all lie on one side: then that end bounds nothing.
        first = math.floor(low * last) if (1 - share) ** worth <= tail else None
        final = math.ceil(high * last) if share**worth <= tail else None
        rows.append(_row(ordered, share, first, final))
    return _spread(ordered, rows)


def _wilson(share: float, worth: float, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a share seen in ``worth`` values, which need not be a whole number."""
    z2 = normal_quantile((1 + confidence) / 2) ** 2 / worth
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _worth(
    ordered: NDArray[np.float64], owner: NDArray[np.int64], sizes: NDArray[np.float64], share: float
) -> float:  # fmt: skip
    """How many independent values tell as much about this quantile as these groups do."""
    groups = int((sizes > 0).sum())
    if groups < 2:
        return 1.0
    mark = quantile(ordered, share)
    below = np.bincount(owner[ordered <= mark], minlength=len(sizes))
    total = float(sizes.sum())
    real = float(below.sum()) / total
    variance = groups / (groups - 1) * float(((below - real * sizes) ** 2).sum()) / total**2
    if variance <= 0 or not 0 < real < 1:
        return float(groups)
    return min(max(real * (1 - real) / variance, 1.0), total)


def _row(ordered: NDArray[np.float64], share: float, low: int | None, high: int | None) -> Quantile:
    value = quantile(ordered, share)
    return Quantile(
        share,
        value,
        None if low is None else min(float(ordered[low]), value),
        None if high is None else max(float(ordered[high]), value),
    )


def _spread(ordered: NDArray[np.float64], rows: list[Quantile]) -> Spread:
    return Spread(
        n=len(ordered),
        mean=float(ordered.mean()),
        least=float(ordered[0]),
        most=float(ordered[-1]),
        quantiles=tuple(rows),
    )


def rate(times: NDArray[np.float64], weights: NDArray[np.float64], start: float, end: float) -> Rate:
    """``weights`` per second of what happened at ``times`` from ``start`` to ``end``, its interval from ten parts."""
    length = end - start
    if length <= 0:
        return Rate(0.0)
    inside = (times > start) & (times <= end)
    total = float(weights[inside].sum())
    if inside.sum() < 2 * PARTS:
        return Rate(total / length)
    parts, _ = np.histogram(times[inside], bins=PARTS, range=(start, end), weights=weights[inside])
    half = _T9[0.95] * float(parts.std(ddof=1)) / math.sqrt(PARTS) * PARTS / length
    value = total / length
    return Rate(value, max(value - half, 0.0), value + half)


def narrowed(found: Rate) -> tuple[float | None, float | None]:
    """The 80 % interval of a rate whose 95 % interval is known."""
    if found.low is None or found.high is None:
        return None, None
    half = (found.high - found.value) * _T9[0.8] / _T9[0.95]
    return max(found.value - half, 0.0), found.value + half
