"""A small question that a plan answers in well under a second, and the catalog it is asked of."""

from __future__ import annotations

import datetime as dt

import pytest

from crossover.catalog.items import Catalog
from crossover.catalog.load import load
from crossover.planner.plan import plan
from crossover.planner.question import Costs, Question, Scope
from crossover.planner.words import Plan
from crossover.workload import Workload, lognormal, parse_slo

DAY = dt.date(2026, 11, 23)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load()


def small_question(**changes: object) -> Question:
    """gpt-4o at 313,725 requests a day, looked at with one open model on two devices."""
    fields: dict[str, object] = {
        "workload": Workload(
            name="test",
            requests_per_day=313_725,
            input=lognormal(500, 0.8),
            output=lognormal(300, 0.7),
            models=("gpt-4o",),
            peak_factor=3.0,
        ),
        "today": DAY,
        "as_of": DAY,
        "slo": parse_slo("ttft_p95<1s"),
        "costs": Costs(fte=0.5, fte_cost_month=15_000, migration_usd=60_000),
        "scope": Scope(models=("llama 3.3 70b",), devices=("H100 SXM", "A100 80GB SXM"), quantisations=("fp8",)),
        "draws": 300,
    }
    return Question(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def small_plan(catalog: Catalog) -> Plan:
    return plan(small_question(), catalog)
