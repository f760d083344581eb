"""Holm's correction against the principle it follows from."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.evaluation.holm import holm


def by_closure(p_values: list[float], place: int) -> float:
    """A hypothesis falls when every set of hypotheses with it falls by Bonferroni."""
    others = [p for number, p in enumerate(p_values) if number != place]
    sets = [(p_values[place], *rest) for size in range(len(p_values)) for rest in combinations(others, size)]
    return max(min(len(chosen) * min(chosen), 1.0) for chosen in sets)


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_is_the_closure_of_bonferroni(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx([by_closure(p_values, place) for place in range(len(p_values))])


def test_one_hypothesis_is_left_alone() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
