"""The promise itself, exactly: a bet is fair where the null is true, and the fortune seldom ever becomes large."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.evaluation.sequential import Stakes, log_wealth, lower_bound, stakes_for

SIGNS = np.array([-1.0, 0.0, 1.0])
margins = st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.3])


@given(margins)
def test_the_stakes_are_a_whole_fortune(margin: float) -> None:
    stakes = stakes_for(margin)
    assert np.exp(stakes.log_weights).sum() == pytest.approx(1.0)
    assert np.all((stakes.shares > 0) & (stakes.shares < 1))


@pytest.mark.parametrize("null", [-0.05, 0.0, 0.05])
@pytest.mark.parametrize("discordance", [0.06, 0.3, 1.0])
def test_at_the_null_a_bet_is_fair(null: float, discordance: float) -> None:
    lost, won = (discordance - null) / 2, (discordance + null) / 2
    n = 9
    expected = 0.0
    for w in range(n + 1):
        for x in range(n + 1 - w):
            chance = math.comb(n, w) * math.comb(n - w, x) * won**w * lost**x * (1 - discordance) ** (n - w - x)
            expected += chance * math.exp(log_wealth(SIGNS, [x, n - w - x, w], null, stakes_for(0.05)))
    assert expected == pytest.approx(1.0)


def ever(discordance: float, null: float, steps: int, stakes: Stakes, alpha: float) -> float:
    """The chance that somebody who looks after every pair ever refutes a true null: over all paths, no sampling."""
    lost, won = (discordance - null) / 2, (discordance + null) / 2
    alive = np.zeros((steps + 1, steps + 1))  # wins by losses
    alive[0, 0] = 1.0
    gone = 0.0
    for n in range(1, steps + 1):
        after = alive * (1 - discordance)
        after[1:] += alive[:-1] * won
        after[:, 1:] += alive[:, :-1] * lost
        w, x = np.nonzero(after > 0)
        refuted = log_wealth(SIGNS, np.stack([x, n - w - x, w], axis=1), null, stakes) >= -math.log(alpha)
        gone += float(after[w[refuted], x[refuted]].sum())
        after[w[refuted], x[refuted]] = 0.0
        alive = after
    return gone


@pytest.mark.parametrize("discordance", [0.1, 0.3])
def test_whoever_looks_after_every_pair_is_misled_within_the_promise(discordance: float) -> None:
    chance = ever(discordance, -0.05, 60, stakes_for(0.05), 0.2)
    assert 0.02 < chance < 0.2


def test_a_bound_is_where_the_fortune_reaches_its_mark() -> None:
    stakes, counts = stakes_for(0.05), [10, 70, 20]
    low = lower_bound(SIGNS, counts, 0.05, stakes)
    assert log_wealth(SIGNS, counts, low, stakes) == pytest.approx(math.log(20), abs=1e-3)
    assert log_wealth(SIGNS, counts, low - 1e-5, stakes) > math.log(20) > log_wealth(SIGNS, counts, low + 1e-5, stakes)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), margins, st.sampled_from([0.01, 0.05, 0.3]))
def test_bounds_stand_around_the_mean_and_mirror(data: list[float], margin: float, alpha: float) -> None:
    values, ones, stakes = np.array(data), np.ones(len(data)), stakes_for(margin)
    low, high = lower_bound(values, ones, alpha, stakes), -lower_bound(-values, ones, alpha, stakes)
    assert -1 <= low <= values.mean() + 1e-9
    assert values.mean() - 1e-9 <= high <= 1
    assert lower_bound(values, ones, alpha / 2, stakes) <= low


def test_equal_values_may_be_counted_and_samples_stacked() -> None:
    stakes = stakes_for(0.05)
    listed = log_wealth([0.5, 0.5, -1.0, 0.0], np.ones(4), -0.05, stakes)
    assert log_wealth([-1.0, 0.0, 0.5], [1, 1, 2], -0.05, stakes) == pytest.approx(float(listed))
    stacked = log_wealth(SIGNS, [[1, 2, 3], [4, 5, 6]], 0.0, stakes)
    assert stacked.tolist() == pytest.approx(
        [float(log_wealth(SIGNS, row, 0.0, stakes)) for row in ([1, 2, 3], [4, 5, 6])]
    )


def test_nothing_and_total_losses_bound_nothing() -> None:
    stakes = stakes_for(0.05)
    assert lower_bound([], [], 0.05, stakes) == -1.0
    assert lower_bound([0.0], [0], 0.05, stakes) == -1.0
    assert lower_bound([-1.0], [50], 0.05, stakes) == -1.0
