"""What the planner needs: opens the catalog and hands it over."""

from __future__ import annotations

from crossover.catalog.items import Catalog
from crossover.catalog.load import load
from crossover.config import paths
from crossover.planner.plan import plan
from crossover.planner.question import Question
from crossover.planner.survey import Progress
from crossover.planner.words import Plan


def catalog_for(question: Question | None = None) -> Catalog:
    """The shipped catalog with the user's own rows, priced as of the question's day."""
    folder = paths().config / "catalog"
    return load(folder if folder.is_dir() else None, as_of=None if question is None else question.as_of)


def plan_for(question: Question, progress: Progress | None = None) -> Plan:
    """The plan for a question with the catalog of this installation."""
    return plan(question, catalog_for(question), progress)
