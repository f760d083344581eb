"""Sensitivity: two tiers, and a second opinion can only raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import InputError
from crossover.sensitivity import (
    CATEGORIES,
    DEFAULT_TIER,
    LABELS,
    NOT_SENSITIVE,
    TIERS,
    Category,
    Sensitivity,
    label,
    of,
    stricter,
    unspecified,
)

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


@given(known, known)
def test_a_tier_without_a_name_is_not_forgotten_beside_a_category(first: Sensitivity, second: Sensitivity) -> None:
    both = unspecified(stricter(first, second))
    assert both == max(unspecified(first), unspecified(second), key=TIERS.index)


def test_hard_and_health_is_more_than_health() -> None:
    assert unspecified(stricter(label("hard"), label("health"))) == "hard"
    assert unspecified(stricter(label("health"), label("financial"))) == "none"


@pytest.mark.parametrize("word", LABELS)
def test_every_label_is_read_whatever_its_case(word: str) -> None:
    assert label(word) == label(f" {word.upper()} ")
    assert word in {label(word).tier, *label(word).categories}


def test_a_category_brings_its_tier() -> None:
    assert label("none") == NOT_SENSITIVE
    assert label("soft") == Sensitivity("soft")
    assert label("health") == of(["health"])


@pytest.mark.parametrize("word", ["", "helth", "public", "hard,soft", "0", "none\n\x00"])
def test_a_label_nobody_knows_is_refused_and_never_taken_for_none(word: str) -> None:
    with pytest.raises(InputError, match="unknown sensitivity label") as caught:
        label(word, field="x-crossover-sensitivity")
    assert caught.value.hint
    assert caught.value.field == "x-crossover-sensitivity"


def test_the_nearest_label_is_offered() -> None:
    with pytest.raises(InputError, match="Did you mean health"):
        label("helth")
