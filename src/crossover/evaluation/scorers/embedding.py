"""The scorer ``embedding:MODEL``: how near the answer's meaning is to a right answer's, by any deployment's vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crossover.errors import InputError
from crossover.evaluation.scorers.text import wanted
from crossover.evaluation.scorers.words import Asking, Given, Score, ScoringError


async def embedding(given: Given, asking: Asking) -> Score:
    """The cosine of the two vectors, 0 where it is negative; the best over the right answers."""
    if not given.argument:
        raise InputError("the scorer embedding needs a model", hint="Write embedding:MODEL", field="--scorer")
    if not given.answer.text.strip():
        return Score(0.0, "the answer is empty")
    rights = wanted(given)
    first, *others = await asking.embed(given.argument, (given.answer.text, *rights))
    if len(others) != len(rights):
        raise ScoringError(f"{given.argument} gave {len(others) + 1} vectors for {len(rights) + 1} texts")
    return Score(min(max(*(cosine(first, other) for other in others), 0.0), 1.0))


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of two vectors. Raises ScoringError where they have other lengths or point nowhere."""
    if len(one) != len(other):
        raise ScoringError(f"vectors of {len(one)} and {len(other)} numbers")
    lengths = math.hypot(*one) * math.hypot(*other)
    if not lengths or not math.isfinite(lengths):
        raise ScoringError("a vector that points nowhere")
    return math.fsum(a * b for a, b in zip(one, other, strict=True)) / lengths
