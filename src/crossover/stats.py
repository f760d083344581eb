"""Plain mathematics: quantiles, shares and the normal distribution. No product word stands here."""

from __future__ import annotations

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
