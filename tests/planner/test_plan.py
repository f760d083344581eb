"""The plan as a whole: what it must show, that it is pure, and what survives strange questions."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from crossover.catalog.items import Catalog
from crossover.errors import UnknownNameError
from crossover.evidence import Evidence
from crossover.planner.plan import plan
from crossover.planner.question import Costs, Preferences, Question, Scope
from crossover.planner.words import Plan
from crossover.workload import Slo, parse_slo
from tests.planner.conftest import small_question


def workload_with(question: Question, **changes: object) -> Question:
    return msgspec.structs.replace(question, workload=msgspec.structs.replace(question.workload, **changes))


def test_today_costs_what_the_price_list_says(small_plan: Plan) -> None:
    today = next(option for option in small_plan.options if option.id == small_plan.today)
    assert today.id == "api:openai/gpt-4o"
    assert today.usd_month == pytest.approx(313_725 * 30 * (500 * 2.5 + 300 * 10) / 1e6, rel=1e-9)
    assert today.usd_month == pytest.approx(40_000, rel=1e-4)


def test_every_class_is_ranked(small_plan: Plan) -> None:
    assert {option.kind for option in small_plan.options} == {"api", "hosted", "self", "hybrid"}


def test_hosted_70b_lies_where_its_sellers_put_it(small_plan: Plan) -> None:
    costs = {option.id: option.usd_month for option in small_plan.options if option.kind == "hosted"}
    assert costs["hosted:groq/llama-3.3-70b-versatile"] == pytest.approx(5_007, rel=0.01)


def test_lines_add_up_to_the_estimate(small_plan: Plan) -> None:
    for option in small_plan.options:
        assert sum(line.usd_month for line in option.lines) == pytest.approx(option.usd_month, rel=1e-6), option.id


def test_ranked_by_cost_within_the_same_demotion(small_plan: Plan) -> None:
    keys = [(len(option.demoted_by), option.usd_month) for option in small_plan.options]
    assert keys == sorted(keys)


def test_bands_hold_the_estimate_and_chances_sum_to_one(small_plan: Plan) -> None:
    assert sum(option.p_cheapest for option in small_plan.options) == pytest.approx(1.0)
    for option in small_plan.options:
        assert option.usd_band.p10 <= option.usd_band.p50 <= option.usd_band.p90
        assert option.usd_band.p10 * 0.5 < option.usd_month < option.usd_band.p90 * 2


def test_own_options_say_how_many_and_why(small_plan: Plan) -> None:
    for option in small_plan.options:
        if option.kind == "self":
            assert option.replicas >= 1
            assert option.spare_replicas == 1
            assert option.machines >= 1
            assert option.peak is not None
            assert all(check.met for check in option.slo)
            people = [line for line in option.lines if line.kind == "people"]
            assert sum(line.usd_month for line in people) == pytest.approx(7_500)


def test_payback_is_one_off_over_saving(small_plan: Plan) -> None:
    for option in small_plan.options:
        if option.saving_usd_month is not None and option.saving_usd_month > 0:
            assert option.payback_months == pytest.approx(60_000 / option.saving_usd_month)


def test_same_question_same_plan(catalog: Catalog, small_plan: Plan) -> None:
    assert msgspec.json.encode(plan(small_question(), catalog)) == msgspec.json.encode(small_plan)


def test_adding_a_device_does_not_move_the_others(catalog: Catalog, small_plan: Plan) -> None:
    scope = Scope(models=("llama 3.3 70b",), devices=("H100 SXM",), quantisations=("fp8",))
    fewer = plan(small_question(scope=scope), catalog)
    before = {option.id: option.usd_band for option in small_plan.options if option.kind == "self"}
    for option in fewer.options:
        if option.kind == "self" and option.id in before:
            assert option.usd_band == before[option.id]


def test_plan_survives_json(small_plan: Plan) -> None:
    encoded = msgspec.json.encode(small_plan)
    assert msgspec.json.decode(encoded, type=Plan) == small_plan


def test_verdict_names_an_option_and_three_reasons(small_plan: Plan) -> None:
    assert small_plan.verdict.option in {option.id for option in small_plan.options}
    assert len(small_plan.verdict.reasons) == 3
    assert "quality" in small_plan.verdict.caveat


def test_a_fifth_of_the_bill_is_judged(small_plan: Plan) -> None:
    assert small_plan.reach[0].target_usd == pytest.approx(8_000, rel=1e-3)
    assert "reachable" in small_plan.reach[0].sentence


def test_small_traffic_stays_on_the_api(catalog: Catalog) -> None:
    question = workload_with(small_question(), requests_per_day=50, models=("gpt-4o-mini",))
    answer = plan(question, catalog)
    assert answer.options[0].kind in {"api", "hosted"}
    assert all(option.usd_month > answer.options[0].usd_month for option in answer.options if option.kind == "self")


def test_unmeetable_slo_refuses_own_machines_and_says_by_how_much(catalog: Catalog) -> None:
    answer = plan(small_question(slo=parse_slo("ttft_p95<1ms")), catalog)
    refused = [row for row in answer.refused if row.stage == "slo"]
    assert refused
    assert "ttft_p95<1ms cannot be met" in refused[0].reason
    assert not [option for option in answer.options if option.kind == "self"]


def test_regime_without_agreements_refuses_the_api(catalog: Catalog) -> None:
    answer = plan(small_question(regimes=("hipaa",)), catalog)
    assert "api" not in {option.kind for option in answer.options}
    row = next(row for row in answer.refused if row.kind == "api")
    assert row.stage == "compliance"
    assert row.source
    assert row.checked is not None


def test_declared_agreement_lets_the_api_in(catalog: Catalog) -> None:
    signed = (("openai", frozenset({"baa"})),)
    answer = plan(small_question(regimes=("hipaa",), agreements=signed), catalog)
    assert "api:openai/gpt-4o" in {option.id for option in answer.options}


def test_everything_refused_still_answers(catalog: Catalog) -> None:
    answer = plan(small_question(regimes=("hipaa",), scope=Scope(kinds=("api", "hosted"))), catalog)
    assert answer.options == ()
    assert answer.verdict.headline == "No option passes every filter"
    assert answer.verdict.option == ""


def test_sensitive_share_adds_a_split(catalog: Catalog) -> None:
    question = workload_with(small_question(), sensitive_share=0.2)
    answer = plan(question, catalog)
    splits = [option for option in answer.options if "|sensitive|" in option.id]
    assert splits
    assert splits[0].overflow_share == pytest.approx(0.8)


def test_retired_model_is_refused(catalog: Catalog) -> None:
    question = workload_with(small_question(scope=Scope(kinds=("api",))), models=("claude-3-5-sonnet-latest",))
    answer = plan(question, catalog)
    assert any(row.stage == "lifecycle" and "2025-10-28" in row.reason for row in answer.refused)


def test_unknown_names_are_named(catalog: Catalog) -> None:
    with pytest.raises(UnknownNameError, match="gpt-4o"):
        plan(workload_with(small_question(), models=("gpt-4oo",)), catalog)
    with pytest.raises(UnknownNameError, match="H100"):
        plan(small_question(scope=Scope(devices=("H10O",))), catalog)


def test_team_without_experience_ranks_own_machines_lower(catalog: Catalog) -> None:
    answer = plan(small_question(preferences=Preferences(team="none")), catalog)
    assert any(rule.rule == "team" for rule in answer.rules)


def test_own_target_is_judged_first(catalog: Catalog) -> None:
    answer = plan(small_question(costs=Costs(target_usd_month=1_000), scope=Scope(kinds=("api",))), catalog)
    assert answer.reach[0].target_usd == 1_000


def test_prices_as_of_a_date(catalog: Catalog) -> None:
    answer = plan(small_question(as_of=dt.date(2026, 1, 15), scope=Scope(kinds=("api",))), catalog)
    assert answer.prices_as_of == dt.date(2026, 1, 15)


def test_counts_add_up(small_plan: Plan) -> None:
    counts = small_plan.counts
    assert counts.enumerated == len(small_plan.options) + counts.bounded + counts.refused
    assert counts.refused == sum(row.count for row in small_plan.refused)


def test_figures_that_match_nothing_are_named(catalog: Catalog) -> None:
    row = Evidence(
        subject="nobody",
        metric="tpot_s",
        value=0.02,
        unit="s",
        kind="measured",
        source="test",
        when=dt.date(2026, 11, 1),
    )
    answer = plan(small_question(evidence=(row,), scope=Scope(kinds=("api",))), catalog)
    assert any("1 of 1 measured figures match no option" in note for note in answer.notes)


def test_a_measured_api_latency_is_held_against_the_slo(catalog: Catalog) -> None:
    row = Evidence(
        subject="api:openai/gpt-4o",
        metric="ttft_p95_s",
        value=1.4,
        unit="s",
        kind="measured",
        source="our own load test",
        when=dt.date(2026, 11, 1),
    )
    answer = plan(small_question(evidence=(row,), scope=Scope(kinds=("api",))), catalog)
    today = next(option for option in answer.options if option.id == answer.today)
    assert today.slo[0].met is False
    assert today.slo[0].reached_s == 1.4


def test_a_measured_token_ratio_replaces_the_assumed_one(catalog: Catalog) -> None:
    def ratio(value: float) -> Evidence:
        return Evidence(
            subject="meta-llama/Llama-3.3-70B-Instruct",
            metric="output_token_ratio",
            value=value,
            unit="×",
            kind="measured",
            source="both models on the same prompts",
            when=dt.date(2026, 11, 1),
            low=value * 0.98,
            high=value * 1.02,
        )

    scope = Scope(kinds=("hosted",), models=("llama 3.3 70b",))
    plain = plan(small_question(scope=scope), catalog)
    wordy = plan(small_question(scope=scope, evidence=(ratio(2.0),)), catalog)
    key = "hosted:groq/llama-3.3-70b-versatile"
    before, after = (next(row for row in answer.options if row.id == key) for answer in (plain, wordy))
    assert after.usd_month == pytest.approx(313_725 * 30 * (500 * 0.59 + 600 * 0.79) / 1e6, rel=1e-6)
    assert after.usd_month > before.usd_month
    assert after.usd_band.p90 / after.usd_band.p10 < before.usd_band.p90 / before.usd_band.p10


def test_growth_is_said_because_a_cost_may_lie_below_its_range(catalog: Catalog) -> None:
    load = msgspec.structs.replace(small_question().workload, growth_per_month=0.1)
    assert any("twelve months" in row for row in plan(small_question(workload=load), catalog).notes)


def test_without_an_slo_own_machines_are_sized_loosely_and_it_is_said(catalog: Catalog) -> None:
    answer = plan(small_question(slo=Slo()), catalog)
    assert answer.workload.slo == ()
    assert any("within 10 s" in note for note in answer.notes)
    assert all(option.slo == () for option in answer.options if option.kind in {"api", "hosted"})


def test_batch_traffic_needs_no_first_token(catalog: Catalog) -> None:
    answer = plan(workload_with(small_question(slo=Slo()), batch_share=1.0), catalog)
    assert any("must only keep up" in note for note in answer.notes)


def test_undated_prices_are_counted(catalog: Catalog) -> None:
    answer = plan(small_question(as_of=dt.date(2025, 6, 1), scope=Scope(kinds=("api", "hosted"))), catalog)
    assert any("have no dated price" in note for note in answer.notes)
