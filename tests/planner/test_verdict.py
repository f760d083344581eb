"""What the verdict says: a stated rule outweighs money, and sentences name what they compare."""

from __future__ import annotations

import msgspec

from crossover.planner.question import Preferences
from crossover.planner.rules import ranked
from crossover.planner.verdict import decide
from crossover.planner.words import Plan, Verdict
from tests.planner.conftest import small_question


def decided(plan: Plan, preferences: Preferences) -> Verdict:
    rows = ranked(list(plan.options), small_question(preferences=preferences))
    today = next(row for row in rows if row.id == plan.today)
    return decide(rows, today, {}, plan.break_evens, plan.refused, plan.reach, 750.0, plan.today)


def test_a_stated_rule_against_todays_option_is_not_answered_with_stay(small_plan: Plan) -> None:
    verdict = decided(small_plan, Preferences(colocate=True))
    assert verdict.headline.startswith("Move from gpt-4o")
    assert verdict.option.startswith("self:")
    assert "rule on co-location" in verdict.reasons[0]


def test_no_sentence_speaks_of_a_negative_saving(small_plan: Plan) -> None:
    verdict = decided(small_plan, Preferences(colocate=True))
    assert not any("\u2212$" in row or "-$" in row for row in verdict.reasons)


def test_the_crossing_is_told_with_both_names(small_plan: Plan) -> None:
    verdict = decide(small_plan.options, None, {}, small_plan.break_evens, (), (), 750.0)
    own, separator, rest = verdict.reasons[-1].partition(" costs less than ")
    names = {option.title for option in small_plan.options}
    assert separator
    assert own in names
    assert any(rest.startswith(name) for name in names)


def test_advice_to_stay_names_the_end_of_the_model(small_plan: Plan) -> None:
    today = next(row for row in small_plan.options if row.id == small_plan.today)
    ending = msgspec.structs.replace(today, caveats=("deprecated and ends on 2027-01-14; its maker names x (page)",))
    verdict = decide([ending], ending, {}, (), (), (), 750.0)
    assert (
        verdict.action
        == f"Keep {today.title} only for now: it is deprecated and ends on 2027-01-14; its maker names x."
    )


def test_an_unmeasured_endpoint_is_said_in_the_caveat(small_plan: Plan) -> None:
    assert small_plan.options[0].kind in {"api", "hosted"}
    assert "ttft_p95<1s is not known either" in small_plan.verdict.caveat
