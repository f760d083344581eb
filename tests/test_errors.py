"""The tree of errors: one sentence, an exit code, facts as fields, nearest names."""

from __future__ import annotations

import inspect
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover import errors
from crossover.errors import (
    ContradictionError,
    CrossoverError,
    FileError,
    InputError,
    MissingExtraError,
    ThresholdError,
    UnknownNameError,
    fold,
    nearest,
)

DEVICES = ["RTX 4090", "RTX 5090", "H100 SXM", "Mac Studio M2 Ultra"]
RAISED = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)]
TREE = [cls for cls in RAISED if issubclass(cls, CrossoverError)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CrossoverError("x"), 1),
        (InputError("x"), 2),
        (UnknownNameError("model", "x", []), 2),
        (FileError("x"), 2),
        (ContradictionError("x"), 2),
        (MissingExtraError("eval", "grading"), 1),
        (ThresholdError("x"), 3),
    ],
)
def test_exit_codes(error: CrossoverError, code: int) -> None:
    assert error.exit_code == code
    assert error.as_dict()["exit_code"] == code


def test_one_tree_and_every_kind_is_its_own() -> None:
    assert TREE == RAISED
    assert len({cls.kind for cls in TREE}) == len(TREE)


def test_the_drawing_of_the_tree_is_the_tree() -> None:
    assert all(cls.__name__ in (errors.__doc__ or "") for cls in TREE)
    for cls in (UnknownNameError, FileError, ContradictionError):
        assert issubclass(cls, InputError)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({}, "it is wrong"),
        ({"hint": "Write 1"}, "it is wrong. Write 1"),
        ({"field": "--fte"}, "--fte: it is wrong"),
        ({"file": "a.csv"}, "a.csv: it is wrong"),
        ({"file": "a.csv", "line": 7}, "a.csv:7: it is wrong"),
        ({"line": 7}, "line 7: it is wrong"),
        ({"file": "a.csv", "line": 7, "field": "time", "hint": "Write 1"}, "a.csv:7, field time: it is wrong. Write 1"),
    ],
)
def test_the_sentence_says_where_what_and_what_would_be_right(facts: dict[str, object], sentence: str) -> None:
    error = InputError("it is wrong", **facts)  # type: ignore[arg-type]
    assert error.sentence() == str(error) == sentence
    assert {key: value for key, value in error.as_dict().items() if key in facts} == facts


def test_a_message_that_ends_with_a_full_stop_keeps_one() -> None:
    assert InputError("no.", hint="Yes").sentence() == "no. Yes"


def test_every_error_is_plain_json() -> None:
    unknown = UnknownNameError("device", "rtx4091", DEVICES, field="--device")
    facts = json.loads(json.dumps(unknown.as_dict()))
    assert facts["error"] == "unknown_name"
    assert facts["nearest"][0] == "RTX 4090"
    assert facts["hint"].startswith("Did you mean RTX 4090")
    assert "hint" not in ThresholdError("x").as_dict()


def test_an_unknown_name_like_nothing_offers_nothing() -> None:
    error = UnknownNameError("device", "zzzzqq", DEVICES)
    assert error.nearest == ()
    assert error.sentence() == "unknown device 'zzzzqq'"


def test_a_missing_part_says_how_to_install_it() -> None:
    assert "pip install 'crossover-llm[notebook]'" in MissingExtraError("notebook", "a DataFrame").sentence()


@pytest.mark.parametrize("typed", ["rtx 4090", "RTX-4090", "rtx4090", "RTX_4090", "rtx409", "rtx 4900"])
def test_the_nearest_name_comes_first(typed: str) -> None:
    assert nearest(typed, DEVICES)[0] == "RTX 4090"


def test_a_part_of_a_name_finds_it() -> None:
    assert nearest("ultra", DEVICES) == ("Mac Studio M2 Ultra",)
    assert nearest("", DEVICES) == ()


def test_names_that_fold_alike_count_once() -> None:
    assert nearest("h100", ["H100", "h-100", "H 100"]) == ("H100",)


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.sampled_from(DEVICES), st.sampled_from([" ", "-", "_", ""]))
def test_case_and_separators_do_not_count(name: str, separator: str) -> None:
    assert fold(name.replace(" ", separator).upper()) == fold(name)


@given(st.text(max_size=20), st.lists(st.text(max_size=12), max_size=6))
def test_nearest_names_are_known_names(name: str, known: list[str]) -> None:
    found = nearest(name, known)
    assert len(found) <= 3
    assert set(found) <= set(known)
