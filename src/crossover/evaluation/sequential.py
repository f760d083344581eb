"""A confidence sequence by betting: a bound of a mean that stays true however often somebody looks.

Whoever believes that a mean is at most ``null`` must accept bets of the form *stake × (value - null)*. Each bet is fair
or worse under that belief, so a fortune of 1 grows beyond 1/alpha with a chance of at most alpha, at any time, ever
(Ville's inequality; for bounded means I. Waudby-Smith and A. Ramdas, Estimating means of bounded random variables by
betting). A fortune spread over several fixed stakes is such a bet too. It depends on the values and not on their order,
so nothing has to be remembered from one look to the next.

Values are differences of two scores and lie in [-1, 1]. A sample is a table of ``values`` and of how often each
occurred (``counts``, the last axis; leading axes are different samples), which need not be whole numbers.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

TYPICAL_DISCORDANCE = 0.22  # the best stake is about margin / discordance; models disagree on 10 to 40 % of prompts
SPREAD = 0.8  # of the stakes around that, as a standard deviation of their logarithm
ALL_IN, ALL_IN_SHARE = 0.1, 0.97  # a part of the fortune for models that hardly ever disagree, as two quantisations
ZERO_MARGIN = 0.05  # a margin of 0 leaves open which gap matters: the stakes are placed for this one
STEPS = 28
LARGEST = 0.999
PRECISION = 1e-6  # of a bound; it errs to the outside


class Stakes(msgspec.Struct, frozen=True):
    """How a fortune is spread: ``shares`` of what can be lost (between 0 and 1), and the logarithm of their weights."""

    shares: Floats
    log_weights: Floats


def stakes_for(margin: float) -> Stakes:
    """Stakes for deciding about gaps as large as ``margin``; declared before, like the margin itself."""
    centre = math.log((margin or ZERO_MARGIN) / TYPICAL_DISCORDANCE)
    logs = np.linspace(min(centre - 3 * SPREAD, -2.5), math.log(LARGEST), STEPS)
    bell = np.exp(-0.5 * ((logs - centre) / SPREAD) ** 2)
    weights = np.append(bell / bell.sum() * (1 - ALL_IN), ALL_IN)
    return Stakes(np.append(np.exp(logs), ALL_IN_SHARE), np.log(weights))


def log_wealth(values: ArrayLike, counts: ArrayLike, null: float, stakes: Stakes) -> Floats:
    """The logarithm of the fortune after betting against "the mean is at most ``null``" (-1 < null < 1)."""
    grown = _log_growth(np.asarray(values, dtype=np.float64), null, stakes)
    return log_sum(np.asarray(counts, dtype=np.float64) @ grown + stakes.log_weights)


def lower_bound(values: ArrayLike, counts: ArrayLike, alpha: float, stakes: Stakes) -> float:
    """The bound that the mean falls below with a chance of at most ``alpha`` over all looks together; -1 of nothing."""
    data, weights = np.asarray(values, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if weights.sum() <= 0:
        return -1.0
    low, high = -1.0 + 1e-12, float(data @ weights / weights.sum())  # at the sample's own mean nothing is won
    if high <= low or log_wealth(data, weights, low, stakes) < -math.log(alpha):
        return -1.0
    while high - low > PRECISION:
        middle = (low + high) / 2
        if log_wealth(data, weights, middle, stakes) >= -math.log(alpha):
            low = middle
        else:
            high = middle
    return low


def log_sum(terms: Floats) -> Floats:
    """The logarithm of the sum of exponentials along the last axis."""
    largest = terms.max(axis=-1, keepdims=True)
    total: Floats = largest[..., 0] + np.log(np.exp(terms - largest).sum(axis=-1))
    return total


def _log_growth(values: Floats, null: float, stakes: Stakes) -> Floats:
    """What one value does to the fortune at each stake: a row per value, a column per stake."""
    # share 1 stakes all that can be lost, which is when the value is -1
    return np.log1p(stakes.shares * (values[:, None] - null) / (1 + null))
