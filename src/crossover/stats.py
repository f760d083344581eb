"""Plain mathematics: quantiles and the normal distribution. No product word stands here."""

from __future__ import annotations

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
