"""The rule without training: visible points for what makes a request hard, read from ``data/complexity.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from crossover.learning.signals import PromptSignals

_DATA = Path(__file__).with_name("data") / "complexity.toml"


class Row(msgspec.Struct, frozen=True, kw_only=True, rename={"least": "from"}, forbid_unknown_fields=True):
    """Points for a fact (a field of the signals) of at least so much. ``words`` say it, ``reason`` why it counts."""

    fact: str
    least: float
    points: int
    words: str
    reason: str


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All rows, and from how many points on a request is complex."""

    limit: int
    row: tuple[Row, ...]


class Complexity(msgspec.Struct, frozen=True, kw_only=True):
    """What the rule says. ``reasons`` are words with their points, the weightiest first."""

    score: int
    limit: int
    level: Literal["simple", "complex"]
    reasons: tuple[tuple[str, int], ...]

    @property
    def why(self) -> str:
        """The decision in a sentence."""
        parts = ", ".join(f"{words} +{points}" for words, points in self.reasons) or "short, plain, one question"
        compared = "of" if self.level == "complex" else "under"
        return f"{self.level}: {self.score} points {compared} {self.limit} ({parts})"


@cache
def rule() -> Rule:
    """The rule of the package, read once."""
    return msgspec.convert(tomllib.loads(_DATA.read_text(encoding="utf-8")), Rule)


def complexity(signals: PromptSignals, by: Rule | None = None, *, limit: int | None = None) -> Complexity:
    """The points of a request. ``limit`` takes the place of the rule's own."""
    used = rule() if by is None else by
    best: dict[str, tuple[int, str]] = {}
    for row in used.row:
        value = getattr(signals, row.fact)
        if value >= row.least:
            words = row.words.format(value=value, language=signals.language)
            best[row.fact] = (row.points, words)
    found = sorted(best.values(), key=lambda pair: -pair[0])
    total = sum(points for points, _ in found)
    most = used.limit if limit is None else limit
    return Complexity(
        score=total,
        limit=most,
        level="complex" if total >= most else "simple",
        reasons=tuple((words, points) for points, words in found),
    )
