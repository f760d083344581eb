"""Estimated: everything that passed the filters, with its cost in every imagined future."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.planner.costing import Facts
from crossover.planner.draws import Draws, Range, draw
from crossover.planner.estimates import Priced
from crossover.planner.hybrids import Hybrid
from crossover.planner.outlook import totals
from crossover.planner.question import Question
from crossover.planner.survey import Survey

Floats = NDArray[np.float64]


class Estimated(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that passed the filters, in one order, with its cost in every future (options, draws)."""

    tokens: tuple[Priced, ...]
    own: Survey
    hybrids: tuple[Hybrid, ...]
    facts: tuple[Facts, ...]
    costs: Floats
    draws: Draws
    ranges: dict[str, Range]


def estimate(
    question: Question, tokens: list[Priced], found: Survey, hybrids: list[Hybrid], ranges: dict[str, Range]
) -> Estimated:
    """Costs of everything that passed, in the same imagined futures."""
    growth = None
    if question.workload.growth_per_month:
        # the mean volume over the months of a year, drawn between no growth and twice the stated one
        rate = question.workload.growth_per_month * np.random.default_rng([question.seed, 3]).uniform(
            0, 2, question.draws
        )
        growth = np.mean([(1 + rate) ** month for month in range(12)], axis=0)
    futures = draw(question.draws, question.seed, ranges, growth)
    facts = (
        *(row.facts for row in tokens),
        *((row.facts for row in found.options) if "self" in question.scope.kinds else ()),
        *(row.facts for row in hybrids),
    )
    costs = totals(facts, futures) if facts else np.zeros((0, question.draws))
    return Estimated(
        tokens=tuple(tokens),
        own=found,
        hybrids=tuple(hybrids),
        facts=tuple(facts),
        costs=costs,
        draws=futures,
        ranges=ranges,
    )
