"""What keeps a judge honest: canaries that must not win, length, kinship, and agreement with people.

A constant non-answer has won 77 % against a strong model on a public leaderboard, and longer answers win more often
with most judges (docs/eval.md has the sources). So a judge first compares answers whose worth is known: a canary that
wins more than :data:`MOST_WINS` of its comparisons closes the gate, and no verdict rests on this judge.
"""

from __future__ import annotations

import math
import random
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from crossover.errors import FileError, InputError
from crossover.evaluation.samples.read import parse_json
from crossover.evaluation.scorers.text import plain
from crossover.stats import wilson
from crossover.textfile import read_text

Winner = Literal["candidate", "reference", "tie"]
Canary = Literal["null", "echo", "swapped", "padded"]
CANARIES: tuple[Canary, ...] = ("null", "echo", "swapped", "padded")
MOST_WINS = 0.05
PER_CANARY = 20  # comparisons of each canary, each in both orders
FEWEST_LABELS = 30  # human labels before a judge's verdict may drive anything
FEWEST_AGREE = 0.7  # the lower bound of the agreement that is asked for then
NULL = "Thank you for your question. This is an important topic that deserves a careful and considered answer."
_PADDING = (
    "In summary, the points above address the question in a comprehensive and well-structured manner. It is worth "
    "noting that this answer has carefully taken all relevant aspects into account, and that further details can be "
    "provided at any time. To restate it once more for the sake of completeness: "
)
_ECHO_REST = 0.2  # of the question's length: what an echo may add
_CONSTANT = 0.8  # of a candidate's answers that are one and the same
_FEWEST_CONSTANT = 10
_DATA = Path(__file__).with_name("data") / "families.toml"


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One canary: comparisons that were judged, how many it won, and how many count after the rules for non-answers."""

    canary: Canary
    n: int
    won: int
    counted: int

    @property
    def share(self) -> float:
        """The share it won in the judge's eyes."""
        return self.won / self.n if self.n else 0.0

    @property
    def passed(self) -> bool:
        """Whether this canary leaves the gate open; one that was never judged does not."""
        return self.n > 0 and self.share <= MOST_WINS


class Length(msgspec.Struct, frozen=True, kw_only=True):
    """How much length decided: the candidate's share of wins (a tie counts half), and what it is at equal length."""

    share: float
    at_equal_length: float
    mean_ratio: float


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How often the judge said what people said: of ``n`` labelled samples, with a 95 % interval and Cohen's kappa."""

    n: int
    share: float
    low: float
    high: float
    kappa: float

    @property
    def enough(self) -> bool:
        """Whether the judge may stand in for people."""
        return self.n >= FEWEST_LABELS and self.low >= FEWEST_AGREE


class Controls(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of a judge. ``kin``: makers that it shares with what it judges."""

    model: str
    canaries: tuple[Control, ...]
    kin: tuple[str, ...] = ()
    order_decided: float = 0.0
    length: Mapping[str, Length] = {}
    agreement: Mapping[str, Agreement] = {}

    @property
    def failed(self) -> tuple[Control, ...]:
        """The canaries that close the gate."""
        return tuple(control for control in self.canaries if not control.passed)

    @property
    def passed(self) -> bool:
        """Whether a verdict may rest on this judge."""
        return not self.failed


# ------------------------------------------------------------------------------------------------------------ canaries


def canary(kind: Canary, question: str, answer: str, other: str) -> str:
    """A canary's answer beside the real ``answer``; ``other`` is the answer to another question."""
    if kind == "null":
        return NULL
    if kind == "echo":
        return question
    if kind == "swapped":
        return other
    return f"{answer}\n\n{_PADDING}{answer}\n\n{_PADDING}"


def shuffled(count: int, seed: int) -> list[int]:
    """A seeded order of so many samples."""
    order = list(range(count))
    random.Random(f"canaries {seed}").shuffle(order)  # noqa: S311 - an order, not a secret
    return order


# ---------------------------------------------------------------------------------------------------- what is no answer


def no_answer(question: str, answer: str, constant: str | None) -> bool:
    """Whether an answer says nothing: empty, the question once more, or what this candidate always says."""
    said, asked = plain(answer), plain(question)
    if not said:
        return True
    if asked and asked in said and len(said) - len(asked) <= _ECHO_REST * len(asked):
        return True
    return constant is not None and said == constant


def constant_of(questions: Sequence[str], answers: Sequence[str]) -> str | None:
    """What a candidate answers to nearly every one of many different questions; None where it does not."""
    if len(set(questions)) < _FEWEST_CONSTANT:
        return None
    text, count = Counter(plain(answer) for answer in answers).most_common(1)[0]
    return text if count >= _CONSTANT * len(answers) else None


# -------------------------------------------------------------------------------------------------------------- length


def length_of(outcomes: Sequence[float], candidate: Sequence[int], reference: Sequence[int]) -> Length | None:
    """The share of wins at equal length, by a logistic regression on the logarithm of the ratio of lengths.

    ``outcomes`` are 1, 0.5 or 0; lengths are characters. A small ridge keeps the slope finite where length decides all.
    None for fewer than ten comparisons.
    """
    if len(outcomes) < 10:
        return None
    won = np.asarray(outcomes, dtype=np.float64)
    ratio = np.log((np.asarray(candidate, dtype=np.float64) + 1) / (np.asarray(reference, dtype=np.float64) + 1))
    spread = float(ratio.std())
    scaled = np.tanh(ratio / spread) if spread > 1e-9 else np.zeros_like(ratio)
    table = np.column_stack((np.ones_like(scaled), scaled))
    ridge = np.diag((1e-6, 1e-2 * len(won)))
    weights = np.zeros(2)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-table @ weights))
        gradient = table.T @ (won - chance) - ridge @ weights
        curve = (table * (chance * (1 - chance))[:, None]).T @ table + ridge + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, gradient)
        weights = np.clip(weights + step, -30, 30)
        if float(np.abs(step).max()) < 1e-10:
            break
    return Length(
        share=float(won.mean()),
        at_equal_length=1 / (1 + math.exp(-float(weights[0]))),
        mean_ratio=float(np.exp(ratio.mean())),
    )


# ------------------------------------------------------------------------------------------------------ kin and people


def kin(judge: Sequence[str], judged: Sequence[str]) -> tuple[str, ...]:
    """Makers of models among both lists of names."""
    ours = {maker for name in judge for maker in makers(name)}
    return tuple(sorted(ours & {maker for name in judged for maker in makers(name)}))


def makers(name: str) -> frozenset[str]:
    """Whose a model is, by the words of its name; empty where no word is known."""
    said = re.sub(r"[^a-z0-9]+", "-", name.casefold())
    return frozenset(
        maker for word, maker in _makers().items() if re.search(rf"(?:^|-){re.escape(word)}(?=-|\d|$)", said)
    )


@lru_cache(maxsize=1)
def _makers() -> dict[str, str]:
    found: dict[str, str] = tomllib.loads(_DATA.read_text(encoding="utf-8"))["makers"]
    return found


def read_labels(path: Path) -> dict[str, Winner]:
    """What people preferred: JSON lines of ``{"id": …, "winner": "candidate" | "reference" | "tie"}``.

    Raises FileError with the line of what is wrong.
    """
    found: dict[str, Winner] = {}
    for number, line in enumerate(read_text(path, 64 * 2**20).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except InputError as error:
            raise FileError(error.message, file=str(path), line=number) from None
        winner = row.get("winner") if isinstance(row, dict) else None
        if winner not in ("candidate", "reference", "tie") or not isinstance(row.get("id"), str | int):
            hint = 'Write {"id": "…", "winner": "candidate"}, "reference" or "tie"'
            raise FileError("it is no label", file=str(path), line=number, hint=hint)
        found[str(row["id"])] = winner
    if not found:
        raise FileError("there is no label in it", file=str(path))
    return found


def agreement(judge: Mapping[str, Winner], people: Mapping[str, Winner]) -> Agreement | None:
    """How far a judge and people agree on the samples that both decided; None where there are none."""
    both = [name for name in people if name in judge]
    if not both:
        return None
    same = sum(judge[name] == people[name] for name in both)
    share = same / len(both)
    ours, theirs = Counter(judge[name] for name in both), Counter(people[name] for name in both)
    by_chance = sum(ours[word] * theirs[word] for word in ours) / len(both) ** 2
    low, high = wilson(same, len(both))
    kappa = (share - by_chance) / (1 - by_chance) if by_chance < 1 else 1.0
    return Agreement(n=len(both), share=share, low=low, high=high, kappa=kappa)
