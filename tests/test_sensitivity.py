"""Sensitivity: two tiers, and a second opinion can only raise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossover.sensitivity import CATEGORIES, DEFAULT_TIER, NOT_SENSITIVE, TIERS, Category, Sensitivity, of, stricter

known = st.builds(Sensitivity, st.sampled_from(TIERS), st.frozensets(st.sampled_from(CATEGORIES)))


def test_every_category_has_a_tier() -> None:
    assert set(DEFAULT_TIER) == set(CATEGORIES)
    assert set(DEFAULT_TIER.values()) == {"soft", "hard"}


def test_the_hardest_category_decides() -> None:
    assert of([]) == NOT_SENSITIVE
    assert of(["personal"]).tier == "soft"
    assert of(["personal", "secrets"]) == Sensitivity("hard", frozenset({"personal", "secrets"}))


@given(known, known)
def test_the_order_of_two_opinions_does_not_matter(first: Sensitivity, second: Sensitivity) -> None:
    assert stricter(first, second) == stricter(second, first)


@given(known, known, known)
def test_three_opinions_may_be_taken_in_any_grouping(a: Sensitivity, b: Sensitivity, c: Sensitivity) -> None:
    assert stricter(stricter(a, b), c) == stricter(a, stricter(b, c))


@given(known, known)
def test_a_second_opinion_never_lowers(first: Sensitivity, second: Sensitivity) -> None:
    both = stricter(first, second)
    assert TIERS.index(both.tier) >= max(TIERS.index(first.tier), TIERS.index(second.tier))
    assert first.categories | second.categories == both.categories


@given(known)
def test_knowing_nothing_more_changes_nothing(known_before: Sensitivity) -> None:
    assert stricter(known_before, NOT_SENSITIVE) == stricter(known_before, known_before) == known_before


@given(st.lists(st.sampled_from(CATEGORIES)), st.lists(st.sampled_from(CATEGORIES)))
def test_categories_found_together_or_apart(first: list[Category], second: list[Category]) -> None:
    assert of([*first, *second]) == stricter(of(first), of(second))
