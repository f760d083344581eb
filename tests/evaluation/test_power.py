"""Forecasts: against the textbook, against direct computation, and what they say of impossible questions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import InputError
from crossover.evaluation.power import decisive_sum, fixed_size, needed, power_table, rounded_up
from crossover.evaluation.sequential import log_wealth, stakes_for

SIGNS = np.array([-1.0, 0.0, 1.0])


@pytest.mark.parametrize(("discordance", "expected"), [(0.2, 495), (0.27, 668), (0.3, 742)])
def test_the_textbook_for_non_inferiority(discordance: float, expected: int) -> None:
    # (1.6449 + 0.8416)² × discordance / margin²
    assert fixed_size(0.05, discordance, 0.0) == expected


def test_the_textbook_takes_the_nearer_answer() -> None:
    assert fixed_size(0.05, 0.3, 0.05) == 184  # ten points above the margin
    assert fixed_size(0.05, 0.3, -0.2) == 41  # twenty points below zero
    assert fixed_size(0.0, 0.3, 0.0) is None


@given(st.integers(50, 3000), st.floats(0.03, 0.6), st.sampled_from([-0.05, 0.0, 0.05]))
def test_the_decisive_sum_is_where_the_fortune_reaches_its_mark(n: int, spread: float, null: float) -> None:
    stakes = stakes_for(0.05)
    total = float(decisive_sum(n, spread, null, 0.05, stakes))
    won, lost = (n * spread + total) / 2, (n * spread - total) / 2
    if math.isinf(total):
        assert log_wealth(SIGNS, [0, n * (1 - spread), n * spread], null, stakes) < math.log(20) + 1e-6
    else:
        assert log_wealth(SIGNS, [lost, n * (1 - spread), won], null, stakes) == pytest.approx(math.log(20), abs=1e-6)


def test_what_a_table_promises_comes_true() -> None:
    (row,) = power_table([0.05], [0.2], [0.0])
    assert row.n is not None
    assert row.even is not None
    stakes, users = stakes_for(0.05), 2000
    for size, wanted in ((row.n, 0.8), (row.even, 0.5)):
        counts = np.random.default_rng(5).multinomial(size, [0.1, 0.8, 0.1], size=users)
        above = log_wealth(SIGNS, counts, -0.05, stakes) >= math.log(20)
        behind = log_wealth(SIGNS, counts[:, ::-1], 0.0, stakes) >= math.log(20)
        assert (above | behind).mean() == pytest.approx(wanted, abs=0.05)


def test_a_table_has_a_row_for_all_that_can_be() -> None:
    rows = power_table([0.02, 0.05], [0.03, 0.2], [0.0, -0.05, 0.1])
    assert [(row.margin, row.discordance, row.gap) for row in rows] == [
        (margin, discordance, gap)
        for margin in (0.02, 0.05)
        for discordance, gaps in ((0.03, (0.0,)), (0.2, (0.0, -0.05, 0.1)))
        for gap in gaps
    ]
    assert {row.gap: row.likely for row in rows if row.margin == 0.05} == {
        0.0: "not_worse",
        -0.05: "worse",
        0.1: "not_worse",
    }
    for row in rows:
        assert row.fixed is not None
        assert row.n is not None
        assert row.even is not None
        assert row.fixed < row.n
        assert row.even < row.n


def test_a_margin_of_nothing_cannot_tell_equals_apart() -> None:
    (row,) = power_table([0.0], [0.3], [0.0])
    assert (row.n, row.even, row.fixed, row.likely) == (None, None, None, "inconclusive")


@pytest.mark.parametrize(
    ("margins", "discordances", "gaps"),
    [([1.0], [0.2], [0]), ([-0.1], [0.2], [0]), ([0.05], [0.0], [0]), ([0.05], [1.2], [0]), ([0.05], [0.1], [0.2])],
)
def test_impossible_questions_are_refused(margins: list[float], discordances: list[float], gaps: list[float]) -> None:
    with pytest.raises(InputError):
        power_table(margins, discordances, gaps)


def test_percents_are_recognised() -> None:
    with pytest.raises(InputError, match=r"did you mean 0\.05"):
        power_table([5], [0.2])


def test_the_need_shrinks_with_what_is_known_and_grows_with_the_chance() -> None:
    first = needed(n=100, gap=0.0, spread=0.2, margin=0.05)
    later = needed(n=600, gap=0.0, spread=0.2, margin=0.05)
    assert first.even is not None
    assert first.more is not None
    assert first.safe is not None
    assert later.more is not None
    assert first.even < first.more < first.safe
    assert later.more < first.more
    wider = needed(n=100, gap=0.0, spread=0.4, margin=0.05)
    assert wider.more is not None
    assert wider.more > first.more
    strict = needed(n=100, gap=0.0, spread=0.2, margin=0.05, alpha=0.01)
    assert strict.more is not None
    assert strict.more > first.more


def test_no_million_will_do() -> None:
    assert needed(n=100, gap=0.0, spread=0.4, margin=0.0003).more is None
    assert needed(n=500_000, gap=0.0, spread=0.4, margin=0.0).more is None


@given(st.floats(0.01, 1e6))
def test_rounded_numbers_are_near_above(amount: float) -> None:
    number = rounded_up(amount)
    assert number is not None
    assert amount - 1e-3 <= number <= max(amount * 1.34, 10)


@pytest.mark.parametrize(
    ("amount", "number"), [(0.2, 10), (11, 20), (201, 250), (1001, 1100), (12_345, 13_000), (1e6, 1_000_000)]
)
def test_numbers_that_people_say(amount: float, number: int) -> None:
    assert rounded_up(amount) == number


def test_beyond_a_million_there_is_no_number() -> None:
    assert rounded_up(1e6 + 1) is None
    assert rounded_up(math.inf) is None
