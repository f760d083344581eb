"""The words of scoring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from crossover.errors import ScoringError
from crossover.evaluation.samples.words import Sample


class Score(msgspec.Struct, frozen=True):
    """How good an answer is: ``value`` from 0 to 1, why in a few words, and the values of its parts (fields, tests)."""

    value: float
    detail: str = ""
    parts: Mapping[str, float] = {}


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a model said: its words, and its tool calls as JSON text."""

    text: str
    calls: tuple[tuple[str, str], ...] = ()


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a scorer is handed: the sample, the answer, the right answers, and what stands behind the scorer's colon.

    ``value`` is what a single check brings along (a pattern, a schema), else None.
    """

    sample: Sample
    answer: Answered
    expected: tuple[str, ...]
    argument: str
    value: Any = None


Rule: TypeAlias = Callable[[Given], Score]
Work: TypeAlias = Callable[[Given], Awaitable[Score]]


class Asking(Protocol):
    """Calls that scorers make: each is paid once and remembered."""

    async def judge(self, model: str, system: str, question: str) -> str:
        """What a model answers to a question."""
        ...

    async def embed(self, model: str, texts: tuple[str, ...]) -> list[tuple[float, ...]]:
        """The vectors of some texts."""
        ...


__all__ = ["Answered", "Asking", "Given", "Rule", "Score", "ScoringError", "Work", "verdict"]

RIGHT, WRONG = Score(1.0), Score(0.0)


def verdict(right: bool, detail: str = "") -> Score:
    """Right or wrong."""
    return Score(float(right), detail) if detail else RIGHT if right else WRONG
