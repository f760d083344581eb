"""A user's own scorer: in a process of its own, which may print, raise, hang and die."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from crossover.errors import InputError, ScoringError
from crossover.evaluation.scorers.function import Function
from crossover.evaluation.scorers.words import Score
from tests.evaluation.scorers.parts import given

CODE = """\
import os, time
print("hello from the import")
def judge(answer, sample):
    print("and from a call")
    if answer == "raise": raise KeyError("x")
    if answer == "hang": time.sleep(60)
    if answer == "die": os._exit(3)
    if answer == "odd": return 7
    if answer == "dict": return {"score": 0.5, "detail": "half"}
    return answer == sample["expected"][0]
"""


@pytest.fixture
def place(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(CODE)
    return f"{tmp_path / 'mine.py'}:judge"


def scores(place: str, *answers: str, patience_s: float = 30.0) -> list[Score | str]:
    async def work() -> list[Score | str]:
        function = Function(place, patience_s)
        found: list[Score | str] = []
        try:
            await function.open()
            for answer in answers:
                try:
                    found.append(await function.score(given(answer, "yes")))
                except ScoringError as error:
                    found.append(error.message)
        finally:
            await function.aclose()
        return found

    return asyncio.run(work())


def test_a_function_scores_raises_and_goes_on(place: str) -> None:
    yes, no, half, raised, odd, died, again = scores(place, "yes", "no", "dict", "raise", "odd", "die", "yes")
    assert (yes, no, half) == (Score(1.0), Score(0.0), Score(0.5, "half"))
    assert "KeyError: 'x'" in str(raised)
    assert "it gave 7, which is no score from 0 to 1" in str(odd)
    assert "its process ended with code 3" in str(died)
    assert again == Score(1.0)


def test_a_function_that_hangs_is_ended(place: str) -> None:
    hung, fine = scores(place, "hang", "yes", patience_s=0.3)
    assert "no score within 0.3 s" in str(hung)
    assert fine == Score(1.0)


@pytest.mark.parametrize("name", ["nowhere:judge", "json:nothing", "no/such/file.py:f", "json:__name__"])
def test_no_such_function(name: str) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        scores(name)


@pytest.mark.parametrize("name", ["", "module", ":f", "module:"])
def test_no_name_of_a_function(name: str) -> None:
    with pytest.raises(InputError, match="names no function"):
        Function(name)
