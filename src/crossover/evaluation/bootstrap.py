"""The bootstrap: an interval for one look at any scores, by drawing whole units again."""

from __future__ import annotations

import numpy as np

from crossover.evaluation.sequential import Floats

DRAWS = 2000
_FEW = 64  # so many distinct values or fewer are drawn as counts, which costs the same for any sample
_AT_ONCE = 4_000_000


def bootstrap(
    values: Floats, counts: Floats, alpha: float, *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """The ``alpha`` and ``1 - alpha`` quantiles of the mean over samples drawn again with replacement.

    ``counts`` says how often each of ``values`` was seen. Estimated: right for large samples only. The same sample and
    seed give the same interval. (-1, 1) of nothing.
    """
    size = int(counts.sum())
    if size == 0:
        return -1.0, 1.0
    chance = np.random.default_rng(seed)
    if values.size <= _FEW:
        means = chance.multinomial(size, counts / size, size=draws) @ values / size
    else:
        sample = np.repeat(values, counts.astype(np.int64))
        at_once = max(_AT_ONCE // size, 1)
        parts = [min(at_once, draws - start) for start in range(0, draws, at_once)]
        means = np.concatenate([sample[chance.integers(0, size, (part, size))].mean(axis=1) for part in parts])
    low, high = np.quantile(means, [alpha, 1 - alpha])
    return float(low), float(high)
