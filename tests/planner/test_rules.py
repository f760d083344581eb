"""Rules are visible and do what they say."""

from __future__ import annotations

from crossover.planner.question import Preferences
from crossover.planner.rules import effects, ranked
from crossover.planner.words import Option, Plan
from tests.planner.conftest import small_question


def options(plan: Plan) -> list[Option]:
    return list(plan.options)


def test_silent_without_statements() -> None:
    assert {row.rule for row in effects(small_question())} == set()


def test_every_statement_has_its_rule() -> None:
    stated = Preferences(capability="large", quality_floor=70, team="none", fine_tuning=True, colocate=True)
    names = {row.rule for row in effects(small_question(preferences=stated))}
    assert names == {"capability", "quality floor", "team", "fine-tuning", "co-location"}


def test_colocation_ranks_outside_endpoints_lower(small_plan: Plan) -> None:
    rows = ranked(options(small_plan), small_question(preferences=Preferences(colocate=True)))
    assert rows[0].kind == "self"
    assert all("co-location" in row.demoted_by for row in rows if row.kind in {"api", "hosted"})


def test_fine_tuning_ranks_shared_weights_lower(small_plan: Plan) -> None:
    rows = ranked(options(small_plan), small_question(preferences=Preferences(fine_tuning=True)))
    assert all(row.demoted_by == ("fine-tuning",) for row in rows if row.kind == "hosted")


def test_team_rule_needs_a_managed_option_near_in_cost(small_plan: Plan) -> None:
    own = [row for row in small_plan.options if row.kind == "self"]
    rows = ranked(own, small_question(preferences=Preferences(team="none")))
    assert all(not row.demoted_by for row in rows)  # nothing managed to prefer
