from __future__ import annotations

import msgspec

from crossover.planner.words import BreakEven, Crossing
from crossover.reports import phrases
from tests.reports import plans


def crossing(*pairs: tuple[float, str]) -> BreakEven:
    return msgspec.convert(
        {"api": "a", "own": "b", "crossings": [{"requests_per_day": v, "cheaper_above": s} for v, s in pairs]},
        BreakEven,
    )


def test_several_crossings_read_as_ranges() -> None:
    assert phrases.crossings(crossing((94_682, "own"))) == "above 94,700/day"
    assert phrases.crossings(crossing((94_682, "api"))) == "below 94,700/day"
    three = crossing((1e5, "own"), (1.2e5, "api"), (1.5e5, "own"))
    assert phrases.crossings(three) == "100,000–120,000/day and above 150,000/day"
    assert phrases.crossings(crossing((1e5, "own"), (2e5, "api"))) == "100,000–200,000/day"
    five = crossing((1e6, "own"), (1.1e6, "api"), (1.2e6, "own"), (1.3e6, "api"), (1.4e6, "own"))
    assert phrases.crossings(five) == "in steps from 1 million/day, always above 1.4 million/day"
    assert "3 ranges" in phrases.crossings(crossing(*((v * 1e5, "own" if v % 2 else "api") for v in range(1, 7))))
    assert isinstance(three.crossings[0], Crossing)


def test_no_crossing_says_so() -> None:
    assert "no crossing" in phrases.crossings(crossing())
    assert phrases.break_even_range(crossing()) == "–"


def test_the_best_of_each_class_and_today_are_always_shown() -> None:
    plan = plans.sample()
    rows = phrases.shown(plan, 4)
    assert [rank for rank, _ in rows] == sorted(rank for rank, _ in rows)
    assert {option.kind for _, option in rows} == {"api", "hosted", "self", "hybrid"}
    assert plan.today in {option.id for _, option in rows}
    every = phrases.shown(plan, 1000)
    assert len({(option.kind, option.model) for _, option in every}) == len(
        {(option.kind, option.model) for option in plan.options if option.kind != "api"}
    ) + len({option.model for _, option in every if option.kind == "api"})


def test_sellers_of_one_model_are_one_row() -> None:
    plan = plans.sample()
    hosted = next(option for option in plan.options if option.kind == "hosted")
    twin = msgspec.structs.replace(hosted, id="hosted:elsewhere/same", usd_month=hosted.usd_month * 2)
    both = msgspec.structs.replace(plan, options=(*plan.options, twin))
    assert twin.id not in {option.id for _, option in phrases.shown(both, 1000)}
    assert "sellers, $" in phrases.sellers(hosted, both)
    assert phrases.sellers(next(option for option in plan.options if option.kind == "api"), both) == ""


def test_flags_and_marks() -> None:
    plan = plans.sample()
    by_id = {option.id: option for option in plan.options}
    assert phrases.flags(by_id["self/mi300x"], plan) == ["extrapolated"]
    assert phrases.flags(by_id["openai/gpt-4o-mini"], plan) == ["demoted: frontier needed"]
    found = {item.name: phrases.marks(item, plan) for item in plan.assumptions}
    assert found["interruptions of spot instances"] == ["unverified", "stale"]
    assert found["H100 SXM on RunPod"] == ["stale"]
    assert found["price of openai/gpt-4o"] == []


def test_a_unit_is_written_once() -> None:
    assert phrases.span("$4,623/month", "$12,167/month") == "$4,623 … $12,167/month"
    assert phrases.span("7.9 requests/s and replica", "17 requests/s and replica") == "7.9 … 17 requests/s and replica"
    assert phrases.span("−25 %", "+25 %") == "−25 … +25 %"
    assert phrases.span("$1.90/h", "free") == "$1.90/h … free"
    assert phrases.span("low", "high") == "low … high"


def test_the_pairs_that_matter_come_first() -> None:
    plan = plans.sample()
    assert [(item.api, item.own) for item in phrases.reference_pairs(plan, 6)] == [
        (plans.TODAY, plans.OWN),
        (plans.TODAY, plans.HYBRID),
        (plans.HOSTED, plans.OWN),
    ]
    assert "over GPT-4o (OpenAI)" in phrases.tornado_pair(plan)
    assert phrases.reference_pairs(plans.smallest(), 6) == []
    assert "own machines" in phrases.tornado_pair(plans.smallest())


def test_payback_words() -> None:
    option = plans.sample().options[0]
    assert phrases.payback(option) == "1.7 months"
    never = msgspec.structs.replace(option, payback_months=None, saving_usd_month=-5.0)
    assert phrases.payback(never) == "never"
    assert phrases.payback(msgspec.structs.replace(never, one_off_usd=0.0)) == "–"


def test_refused_are_grouped_with_the_largest_first() -> None:
    groups = phrases.refused_by_stage(plans.sample())
    assert [(stage, count) for stage, count, _ in groups] == [
        ("memory", 18),
        ("slo", 14),
        ("compliance", 6),
        ("lifecycle", 3),
    ]
