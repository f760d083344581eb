"""The bootstrap against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from crossover.evaluation.bootstrap import bootstrap


@pytest.mark.parametrize("values", [[-1.0, 0.0, 1.0], list(np.linspace(-0.9, 0.8, 70))])
def test_bounds_are_those_of_scipy(values: list[float]) -> None:
    sample = np.random.default_rng(3).choice(values, 300)
    distinct, counts = np.unique(sample, return_counts=True)
    low, high = bootstrap(distinct, counts.astype(float), 0.05)
    theirs = stats.bootstrap(
        (sample,), np.mean, confidence_level=0.9, method="percentile", n_resamples=2000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-2)


def test_the_same_seed_gives_the_same_interval_and_nothing_gives_everything() -> None:
    values, counts = np.linspace(-1, 1, 100), np.ones(100)
    assert bootstrap(values, counts, 0.05, seed=4) == bootstrap(values, counts, 0.05, seed=4)
    assert bootstrap(values, counts, 0.05, seed=4) != bootstrap(values, counts, 0.05, seed=5)
    assert bootstrap(values[:0], counts[:0], 0.05) == (-1.0, 1.0)
    assert bootstrap(np.array([0.5]), np.array([1.0]), 0.05) == (0.5, 0.5)
