"""A sample and an answer for a scorer."""

from __future__ import annotations

from typing import Any

from crossover.chat import Message, Text
from crossover.evaluation.samples.words import Sample
from crossover.evaluation.scorers.words import Answered, Given, Score


def given(answer: str, *expected: str, argument: str = "", value: Any = None, **more: Any) -> Given:
    sample = Sample(id="s", messages=(Message("user", (Text("question"),)),), expected=expected, **more)
    return Given(sample=sample, answer=Answered(text=answer), expected=expected, argument=argument, value=value)


def right(score: Score) -> bool:
    assert score.value in (0.0, 1.0)
    return score.value == 1.0
