"""From pairs of scores to the differences a verdict counts: one per prompt, or one per group of prompts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import numpy as np

from crossover.errors import InputError
from crossover.evaluation.sequential import Floats
from crossover.evaluation.words import Pair


class Units(msgspec.Struct, frozen=True, kw_only=True):
    """The differences of all units as a table, and what was counted on the way.

    ``values`` are the distinct differences in rising order, ``counts`` how often each occurred.
    ``candidate`` and ``reference`` are the mean scores over prompts.
    """

    values: Floats
    counts: Floats
    n: int
    wins: int
    losses: int
    candidate: float | None
    reference: float | None
    unit: Literal["prompts", "groups"]

    @property
    def size(self) -> int:
        """The number of units."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """The mean difference; 0 of nothing."""
        return float(self.values @ self.counts) / self.size if self.size else 0.0

    @property
    def spread(self) -> float:
        """The mean square of the differences; 0 of nothing."""
        return float(self.values**2 @ self.counts) / self.size if self.size else 0.0

    @property
    def signs(self) -> bool:
        """Whether every unit is a prompt that is won, lost or equal, so that the exact tests for such counts apply."""
        return self.unit == "prompts" and bool(np.isin(self.values, (-1.0, 0.0, 1.0)).all())


def units_of(pairs: Iterable[Pair]) -> Units:
    """The units of some pairs: groups where any prompts share one (a prompt without a group stands alone).

    The difference of a group is the mean over its prompts. Raises InputError, with the pair's number, for a score that
    is no number from 0 to 1.
    """
    rows = list(pairs)
    candidate, reference = _scores(rows, "candidate"), _scores(rows, "reference")
    differences = candidate - reference
    named = [row.group for row in rows if row.group is not None]
    grouped = len(set(named)) < len(named)
    single = _means(rows, differences) if grouped else differences
    values, counts = np.unique(np.round(single, 12), return_counts=True)
    return Units(
        values=values,
        counts=counts.astype(np.float64),
        n=len(rows),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        candidate=float(candidate.mean()) if rows else None,
        reference=float(reference.mean()) if rows else None,
        unit="groups" if grouped else "prompts",
    )


def preference(first: float, second: float) -> Pair:
    """A pair from the two judgements of one prompt, one in each order of the answers.

    Each is 1 where the candidate's answer was preferred, 0 where the reference's was, 0.5 for a tie. Two judgements
    that do not agree are a tie: the order decided. The gap of such pairs is the share of wins less that of losses.
    """
    for value in (first, second):
        if value not in (0, 0.5, 1):
            raise InputError(f"a preference is 0, 0.5 or 1, not {value!r}", field="preference")
    settled = float(first) if first == second else 0.5
    return Pair(candidate=settled, reference=1 - settled)


def _scores(rows: Sequence[Pair], side: Literal["candidate", "reference"]) -> Floats:
    scores = np.array([getattr(row, side) for row in rows], dtype=np.float64)
    wrong = np.flatnonzero(~((scores >= 0) & (scores <= 1)))
    if wrong.size:
        value, number = scores[wrong[0]], int(wrong[0]) + 1
        what = "is missing (NaN)" if math.isnan(value) else f"is {value:g}"
        raise InputError(
            f"the {side}'s score of pair {number} {what}",
            hint="A score is a number from 0 to 1; a failed answer counts as 0 or is left out, as declared before",
            field=side,
        )
    return scores


def _means(rows: Sequence[Pair], differences: Floats) -> Floats:
    """One mean difference per group, in the order in which the groups appear."""
    places: dict[str | int, int] = {}
    index = [
        places.setdefault(row.group if row.group is not None else number, len(places))
        for number, row in enumerate(rows)
    ]
    means: Floats = np.bincount(index, weights=differences) / np.bincount(index)
    return means
