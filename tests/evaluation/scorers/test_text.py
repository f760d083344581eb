from __future__ import annotations

from collections.abc import Callable

import pytest

from crossover.errors import InputError, ScoringError
from crossover.evaluation.scorers import text
from crossover.evaluation.scorers.words import Given, Score
from tests.evaluation.scorers.parts import given, right


@pytest.mark.parametrize(
    ("scorer", "answer", "expected", "fine"),
    [
        (text.exact, " Paris\n", "Paris", True),
        (text.exact, "paris", "Paris", False),
        (text.normalised, "**Paris.**", "paris", True),
        (text.normalised, "ＰＡＲＩＳ", "paris", True),
        (text.normalised, "1,234.5", "1234.5", False),
        (text.normalised, "3.5", "35", False),
        (text.normalised, "yes,  no", "Yes no", True),
        (text.normalised, "Straße", "STRASSE", True),
        (text.contains, "It is Paris, of course", "Paris", True),
        (text.contains, "it is paris", "Paris", False),
        (text.icontains, "it is paris", "PARIS", True),
        (text.starts_with, "Paris it is", "Paris", True),
        (text.starts_with, " Paris", "Paris", False),
    ],
)
def test_words(scorer: Callable[[Given], Score], answer: str, expected: str, fine: bool) -> None:
    assert right(scorer(given(answer, expected))) is fine
    assert right(scorer(given(answer, "no such thing", expected))) is fine


def test_all_of_them() -> None:
    assert right(text.contains_all(given("a b c", value=["a", "c"])))
    score = text.icontains_all(given("a b", value=["A", "X"]))
    assert (score.value, score.detail) == (0.0, "without 'X'")


def test_equal_json() -> None:
    assert right(text.equals(given('{"b": 1, "a": [2]}', value={"a": [2], "b": 1})))
    assert not right(text.equals(given("no json", value={"a": 1})))
    assert right(text.equals(given("4", value=4)))


def test_patterns() -> None:
    assert right(text.regex(given("order A-123", argument=r"\b[A-Z]-\d+")))
    assert right(text.regex(given("abc", value="^a")))
    assert not right(text.regex(given("abc", "^b")))


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "["])
def test_a_pattern_that_cannot_be(pattern: str) -> None:
    with pytest.raises(InputError, match="is no pattern"):
        text.regex(given("x", argument=pattern))


def test_a_pattern_cannot_run_away() -> None:
    assert not right(text.regex(given("a" * 50_000 + "!", argument="^(a+)+$")))


def test_nothing_to_compare_with() -> None:
    with pytest.raises(ScoringError):
        text.contains(given("x"))


@pytest.mark.parametrize("answer", ["", " ", "\x00", "\ud800"])
def test_odd_answers_are_wrong_and_no_error(answer: str) -> None:
    assert not right(text.normalised(given(answer, "a")))
    assert not right(text.exact(given(answer, "a")))
    assert not right(text.icontains(given(answer, "a")))
