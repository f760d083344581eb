"""Thresholds that keep a promise: the exact numbers, and that broken promises are as rare as promised."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crossover.learning import drift, risk

RNG = np.random.default_rng(5)


def test_the_first_prompt_that_may_stay() -> None:
    assert risk.loss_free(0.02, 0.05) == 149
    assert risk.loss_free(0.05, 0.05) == 59
    nothing = np.zeros(0)
    found = risk.choose(nothing, nothing, [0.0], limit=0.02, delta=0.05, test="exact")
    assert (found.threshold, found.needed) == (None, 149)
    scores, losses = np.zeros(148), np.zeros(148)
    assert risk.choose(scores, losses, [0.0], limit=0.02, delta=0.05, test="exact").needed == 1
    found = risk.choose(np.zeros(149), np.zeros(149), [0.0], limit=0.02, delta=0.05, test="exact")
    assert (found.threshold, found.kept, found.needed) == (0.0, 1.0, 0)


def test_the_binomial_is_exact() -> None:
    for count, size, share in ((0, 10, 0.2), (3, 50, 0.1), (12, 500, 0.05), (199, 200, 0.5), (-1, 5, 0.5), (5, 5, 0.1)):
        exact = sum(math.comb(size, k) * share**k * (1 - share) ** (size - k) for k in range(count + 1))
        assert risk.binomial_below(count, size, share) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("test", ["exact", "betting", "hoeffding-bentkus"])
def test_fewer_losses_allow_lower_limits(test: risk.Test) -> None:
    few, many = np.zeros(400), np.zeros(400)
    few[:4], many[:30] = 1, 1
    assert risk.upper(few, 0.05, test) < risk.upper(many, 0.05, test) < 0.2
    assert risk.p_value(few, 0.05, test) < 0.05 < risk.p_value(many, 0.05, test)
    assert risk.upper(few, 0.05, test) > 0.01
    assert risk.p_value(few, 1.0, test) == 0
    assert risk.p_value(np.zeros(0), 0.05, test) == 1


@pytest.mark.parametrize("test", ["exact", "betting", "hoeffding-bentkus"])
def test_broken_promises_are_rare(test: risk.Test) -> None:
    """Losses grow with the score; the true loss of every threshold is known."""
    broken, kept = 0, 0.0
    steps = [number / 20 for number in range(21)]
    for _ in range(120):
        scores = RNG.random(300)
        losses = (RNG.random(300) < 0.3 * scores).astype(float)  # true loss when t is kept: 0.15 t²
        found = risk.choose(scores, losses, steps, limit=0.05, delta=0.05, test=test)
        kept += found.kept
        broken += found.threshold is not None and 0.15 * found.threshold**2 > 0.05
    assert broken <= 120 * (0.05 + 2 * (0.05 * 0.95 / 120) ** 0.5)
    assert kept > 10  # and something stays


def test_what_is_not_known_never_stays() -> None:
    scores = np.where(np.arange(200) < 100, 0.0, np.inf)
    found = risk.choose(scores, np.zeros(200), [0.0, 1.0], limit=0.05, delta=0.05, test="exact")
    assert (found.threshold, found.kept) == (1.0, 0.5)


def test_too_much_lost_is_no_question_of_more() -> None:
    scores, losses = np.linspace(0, 1, 300), np.ones(300)
    found = risk.choose(scores, losses, list(np.linspace(0.1, 1, 10)), limit=0.05, delta=0.05, test="exact")
    assert (found.threshold, found.needed) == (None, None)
    losses[:30] = 0
    losses[3] = 1
    found = risk.choose(scores, losses, list(np.linspace(0.1, 1, 10)), limit=0.01, delta=0.05, test="exact")
    assert found.threshold is None
    assert found.needed is not None
    assert found.needed > 100


def rows(losses: list[float], probability: float = 0.05, *, kept: bool = True) -> list[drift.Compared]:
    return [
        drift.Compared(request=f"r{number}", probability=probability, kept=kept, loss=loss)
        for number, loss in enumerate(losses)
    ]


def test_a_promise_that_holds_and_one_that_is_broken() -> None:
    calm = drift.drift(rows([0.0] * 400), 0.05)
    assert (calm.left, calm.held) == (False, True)
    assert calm.words.startswith("the promise holds: 0.0 % lost in 400 compared requests")
    bad = drift.drift(rows([1.0, 0.0, 0.0, 0.0] * 60), 0.05)
    assert bad.left
    assert bad.low < 0.25 < bad.high
    assert "the promise is broken" in bad.words
    few = drift.drift(rows([1.0, 0.0]), 0.05)
    assert not few.left
    assert not few.held
    assert drift.drift([], 0.05).count == 0
    assert drift.drift(rows([1.0] * 100, kept=False), 0.05).high < 0.07  # what is not kept loses nothing


def test_looking_at_every_row_seldom_alarms() -> None:
    false = 0
    for _ in range(100):
        losses = (RNG.random(400) < 0.05).astype(float)
        false += any(drift.fortune(losses[:size], 0.05) >= np.log(20) for size in range(20, 400, 20))
    assert false <= 5 + 2 * 2.2


def test_rows_drawn_more_often_are_thinned() -> None:
    often, seldom = rows([0.0] * 4000, 0.4), rows([1.0] * 100, 0.1)
    seldom = [drift.Compared(request=f"s{row.request}", probability=0.1, kept=True, loss=1.0) for row in seldom]
    fair = drift.even([*often, *seldom])
    assert sum(row.probability == 0.1 for row in fair) == 100
    assert 900 < sum(row.probability == 0.4 for row in fair) < 1100
    assert drift.even(rows([0.0], 0.0)) == []
