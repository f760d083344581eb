from __future__ import annotations

from fractions import Fraction

import pytest

from crossover.errors import InputError, ScoringError
from crossover.evaluation.scorers.values import choice, letter_in, number_in, numeric, tolerance
from tests.evaluation.scorers.parts import given, right


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The total is $1,234.50.", 1234.5),
        ("#### 70,000", 70000),
        ("1.234,56 €", 1234.56),
        ("12,5 kg", 12.5),
        ("so -5 and then 10-20", 20),
        ("−7", -7),
        ("about 15km away", 15),
        ("x = .5", 0.5),
        ("1e-3", 0.001),
        ("3/4.", 0.75),
        ("50%", 50),
        ("the 2nd one", None),
        ("v1.2.3 of H2O", None),
        ("none", None),
        ("1/0", None),
        ("The answer is 42. I checked 7 ways in 3 steps.", 42),
        ("answer: $9, and not 10", 9),
        (r"thus \boxed{17} since 3 < 4", 17),
        ("First the answer: 3. No, the answer is 4.", 4),
    ],
)
def test_the_number_of_an_answer(text: str, number: float | None) -> None:
    found = number_in(text)
    assert (None if found is None else float(found)) == number


def test_numbers_are_exact() -> None:
    assert number_in("0.1") == Fraction(1, 10)
    assert right(numeric(given("0.3", "0.30")))
    assert not right(numeric(given("0.300001", "0.3")))


@pytest.mark.parametrize(
    ("argument", "fine"), [("", False), ("0.5", False), ("1", True), ("1%", True), ("0.5%", False)]
)
def test_tolerance(argument: str, fine: bool) -> None:
    assert right(numeric(given("101", "100", argument=argument))) is fine


@pytest.mark.parametrize("text", ["x", "-1", "inf", "nan", "%"])
def test_no_tolerance(text: str) -> None:
    with pytest.raises(InputError):
        tolerance(text)


def test_an_expected_answer_without_a_number() -> None:
    with pytest.raises(ScoringError):
        numeric(given("4", "four"))


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("**C**.", "C"),
        ("The answer is A because it fits", "A"),
        ("The answer is a dog", None),
        ("answer: b", "B"),
        ("Answer: (D)", "D"),
        ("B. Cell division", "B"),
        ("I think (C) is right", "C"),
        ("A cat sat with B", "B"),
        ("Choose A or B", None),
        (r"\boxed{\text{D}}", "D"),
        ("The correct option is (J)", "J"),
        ("I would go for E", "E"),
        ("First I thought the answer is A. But the answer is C.", "C"),
        ("", None),
        ("none of them", None),
        ("Z", None),
    ],
)
def test_the_letter_of_an_answer(text: str, letter: str | None) -> None:
    assert letter_in(text, "ABCDEFGHIJ") == letter


def test_a_choice_by_its_words() -> None:
    assert right(choice(given("green.", "B", choices=("red", "green"))))
    assert right(choice(given("B", "green", choices=("red", "green"))))
    score = choice(given("C", "B", choices=("red", "green")))
    assert (score.value, score.detail) == (0.0, "no letter in it")
    with pytest.raises(ScoringError):
        choice(given("B", "blue", choices=("red", "green")))


def test_long_texts_take_no_time() -> None:
    number_in("1" * 100_000 + "a" + " " * 100_000)
    letter_in("answer:" + "*_ " * 50_000, "ABCD")
