"""Percentiles of latencies: over requests, and over tokens that come as (value, count)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crossover.capacity.words import Percentiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Dense where service levels are named, so that a plot and any percentile can be read off the curve.
SHARES: tuple[float, ...] = (*(round(0.02 * step, 2) for step in range(50)), 0.99, 0.995, 0.999, 1.0)
_NAMED = (0.5, 0.9, 0.95, 0.99)
_WANTED = np.array((*_NAMED, *SHARES))
NOTHING = Percentiles(mean=0.0, p50=0.0, p90=0.0, p95=0.0, p99=0.0, shares=(), values=())


def summary(values: NDArray[np.float64]) -> Percentiles:
    """Mean, percentiles and curve of seconds; the percentile is the smallest value that reaches the share."""
    if not values.size:
        return NOTHING
    ordered = np.sort(values)
    found = ordered[_rank(_WANTED, values.size)].tolist()
    return _percentiles(float(ordered.mean()), found)


def weighted_summary(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Percentiles:
    """The same over ``values`` that count ``weights`` times each."""
    if not values.size:
        return NOTHING
    found = _weighted(values, weights, _WANTED).tolist()
    # Not a matrix product: its threads would cost more than they save.
    return _percentiles(float((values * weights).sum() / weights.sum()), found)


def percentile(values: NDArray[np.float64], share: float) -> float:
    """One percentile (share 0..1) of seconds; 0 where nothing was measured."""
    if not values.size:
        return 0.0
    rank = int(_rank(np.array([share]), values.size)[0])
    return float(np.partition(values, rank)[rank])


def weighted_percentile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    """One percentile of values that count ``weights`` times each; 0 where nothing was measured."""
    return float(_weighted(values, weights, np.array([share]))[0]) if values.size else 0.0


def _weighted(
    values: NDArray[np.float64], weights: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Like ``stats.weighted_quantiles``, several times faster: equal values need no stable order."""
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    index = np.searchsorted(cumulated, shares * cumulated[-1] * (1 - 1e-12), side="left")
    found: NDArray[np.float64] = values[order[np.minimum(index, values.size - 1)]]
    return found


def _rank(shares: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    rank: NDArray[np.int64] = np.clip(np.ceil(shares * count * (1 - 1e-12)) - 1, 0, count - 1).astype(np.int64)
    return rank


def _percentiles(mean: float, found: list[float]) -> Percentiles:
    p50, p90, p95, p99 = found[: len(_NAMED)]
    return Percentiles(mean=mean, p50=p50, p90=p90, p95=p95, p99=p99, shares=SHARES, values=tuple(found[len(_NAMED) :]))
