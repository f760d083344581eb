"""Evidence in a plan: what counts and what does not, who is proved good enough, and that every figure says so."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from crossover.catalog.items import Catalog
from crossover.evidence import Evidence
from crossover.planner.evidence import weigh
from crossover.planner.plan import plan
from crossover.planner.question import Preferences, Question, Scope
from crossover.planner.words import Option, Plan
from crossover.workload import parse_slo
from tests.planner.conftest import DAY, small_question

KEY = "meta-llama/Llama-3.3-70B-Instruct|fp8|2xH100 SXM|vllm"
LOAD: dict[str, float | str] = {"concurrency": 32, "input_tokens": 500, "output_tokens": 300}


def measured(subject: str, metric: str, value: float, **fields: Any) -> Evidence:
    row = Evidence(
        subject=subject, metric=metric, value=value, unit="s", kind="measured", source="crossover loadtest", when=DAY
    )  # fmt: skip
    return msgspec.structs.replace(row, **fields)


def verdict(model: str, said: str = "not_worse", **fields: Any) -> Evidence:
    context: dict[str, float | str] = {
        "model": model, "verdict": said, "margin": 0.05, "reference": "gpt", "reference_model": "gpt-4o",
        **fields.pop("context", {}),
    }  # fmt: skip
    return measured("cand", "quality_gap", -0.01, **{"n": 400, "context": context, **fields})


def asked(catalog: Catalog, *rows: Evidence, **changes: Any) -> Plan:
    return plan(small_question(recorded=rows, **{"draws": 20, **changes}), catalog)


def own(made: Plan) -> list[Option]:
    return [option for option in made.options if option.kind == "self"]


# What counts


@pytest.mark.parametrize(
    ("row", "standing"),
    [
        (measured("x", "tpot_s", 1.0, context=LOAD), "used"),
        (measured("x", "tpot_s", 1.0), "shown"),
        (measured("x", "ttft_p95_s", 1.0, when=DAY - dt.timedelta(days=90)), "used"),
        (measured("x", "tpot_s", 1.0, when=DAY - dt.timedelta(days=91)), "expired"),
        (measured("x", "tpot_s", 1.0, expires=DAY - dt.timedelta(days=1)), "expired"),
        (measured("x", "ttft_p95_s", 1.0, kind="published", when=dt.date(2020, 1, 1)), "used"),
        (measured("x", "tpot_s", 1.0, context={"digest": "a", "model": "m"}), "changed"),
        (measured("x", "ttft_p95_s", 1.0, context={"digest": "b", "model": "m"}), "used"),
        (measured("x", "ttft_p95_s", 1.0, context={"digest": "a", "model": "unknown"}), "used"),
        (measured("cand", "quality", 1.0, context={"identity": "a"}), "changed"),
        (measured("x", "quality", 1.0, verified=False), "unverified"),
    ],
)
def test_where_a_figure_stands(row: Evidence, standing: str) -> None:
    question = small_question(recorded=(row,), identities=(("digest:m", "b"), ("identity:cand", "b")))
    weighed = weigh(question)
    assert weighed.standing[0][1] == standing
    assert bool(weighed.usable) == (standing == "used")


def test_measured_before_published_before_assumed_then_the_newest() -> None:
    days = (DAY - dt.timedelta(days=1), DAY)
    rows = [measured("x", "ttft_p95_s", 3.0, when=day) for day in days]
    rows += [measured("x", "ttft_p95_s", 2.0, kind="published"), measured("x", "ttft_p95_s", 1.0, kind="assumed")]
    weighed = weigh(small_question(recorded=tuple(rows)))
    assert [(row.kind, row.when) for row in weighed.usable] == [("measured", DAY)]
    assert [state for _, state, _ in weighed.standing] == ["superseded", "used", "superseded", "superseded"]


def test_loads_of_one_sweep_stand_beside_each_other() -> None:
    rows = tuple(measured("x", "tpot_s", 1.0, context={**LOAD, "concurrency": clients}) for clients in (1, 2, 4))
    assert weigh(small_question(recorded=rows)).usable == rows


def test_an_expired_figure_is_shown_and_moves_nothing(catalog: Catalog) -> None:
    old = measured(KEY, "tpot_s", 0.9, context=LOAD, when=DAY - dt.timedelta(days=200))
    plain, with_old = asked(catalog), asked(catalog, old)
    assert [option.usd_month for option in own(with_old)] == [option.usd_month for option in own(plain)]
    assert [(row.standing, row.subject) for row in with_old.evidence] == [("expired", KEY)]
    assert any("too old" in note for note in with_old.notes)


# Speed


def test_a_measured_speed_moves_the_plan_and_says_so(catalog: Catalog) -> None:
    slow = measured(KEY, "tpot_s", 0.06, context=LOAD, n=255)
    plain, moved = asked(catalog), asked(catalog, slow)

    def replicas(made: Plan) -> int:
        return next(option.replicas for option in own(made) if "2 × H100" in option.title)

    assert replicas(moved) > replicas(plain)
    option = next(option for option in own(moved) if option.speed == "measured")
    assert "2 × H100" in option.title
    assert [row.metric for row in option.measured] == ["tpot_s"]
    assert option.slo[0].basis == "measured"
    assert "measured speed" in option.slo[0].note
    assert option.calibrated
    assert any("refit to 1 measured" in reason for reason in option.reasons)
    assert any(row.kind == "measured" and KEY in row.name for row in moved.assumptions)
    others = [option for option in own(moved) if "A100" in option.title]
    assert others
    assert all(option.speed == "assumed" for option in others)
    before = {option.id: option.usd_month for option in own(plain)}
    assert all(option.usd_month == before[option.id] for option in others)  # another device: nothing moved


@pytest.mark.parametrize(
    ("value", "load"), [(0.1, {}), (0.0, LOAD), (0.1, {**LOAD, "concurrency": "many"}), (float("inf"), LOAD)]
)
def test_a_strange_row_of_the_ledger_fails_no_plan(
    catalog: Catalog, value: float, load: dict[str, float | str]
) -> None:
    made = asked(catalog, measured(KEY, "tpot_s", value, context=load))
    assert {option.speed for option in made.options} == {"assumed"}


def test_a_sweep_with_its_knee_stands_behind_the_option(catalog: Catalog) -> None:
    rates = {16: 400.0, 32: 600.0, 64: 610.0}
    rows = [
        measured(KEY, "output_tokens_per_s", rate, unit="tokens/s", context={**LOAD, "concurrency": clients})
        for clients, rate in rates.items()
    ]
    knee = measured(KEY, "knee_concurrency", 32, unit="requests", context={**LOAD, "concurrency": 32})
    option = next(option for option in own(asked(catalog, *rows, knee)) if option.speed == "measured")
    assert {row.metric for row in option.measured} == {"output_tokens_per_s", "knee_concurrency"}
    assert option.replica_rps < 600 / 300 * 1.3  # one replica carries about what it was seen to carry


def test_without_evidence_nothing_is_said_to_be_measured(small_plan: Plan) -> None:
    assert small_plan.evidence == ()
    assert small_plan.proofs == ()
    assert {option.speed for option in small_plan.options} == {"assumed"}


def test_a_latency_is_found_under_either_class(catalog: Catalog) -> None:
    rows = [measured("api:groq/llama-3.3-70b-versatile", "ttft_p95_s", 0.3, n=n) for n in (20, 200)]
    rows[1] = msgspec.structs.replace(rows[1], value=0.4)
    made = asked(catalog, *rows, slo=parse_slo("ttft_p95<1s"))
    option = next(option for option in made.options if option.id == "hosted:groq/llama-3.3-70b-versatile")
    assert option.slo[0].reached_s == 0.4  # of two alike the one with more behind it
    assert option.slo[0].met
    assert option.slo[0].basis == "measured"
    assert "n = 200" in option.slo[0].note


# Quality


def test_a_verdict_stands_beside_its_option(catalog: Catalog) -> None:
    made = asked(catalog, verdict("Llama-3.3-70B-Instruct"))
    with_words = [option for option in made.options if option.quality]
    assert {option.model for option in with_words} == {"meta-llama/Llama-3.3-70B-Instruct"}
    assert with_words[0].quality[0].words == f"not worse than gpt-4o by more than 5 points (n = 400, {DAY})"
    assert any("format" in option.quality[0].note for option in with_words if option.kind == "self")


def test_the_words_of_the_advice_change_with_a_proof(catalog: Catalog) -> None:
    scope = Scope(kinds=("hosted",), models=("llama 3.3 70b",))
    unproved, proved = (asked(catalog, *rows, scope=scope) for rows in ((), (verdict("llama-3.3-70b-versatile"),)))
    assert "once its answers are proved" in unproved.verdict.action
    assert "once its answers are proved" not in proved.verdict.action
    assert "not worse than gpt-4o" in proved.verdict.caveat
    worse = asked(catalog, verdict("llama-3.3-70b-versatile", "worse_than_margin"), scope=scope)
    assert "think twice" in worse.verdict.caveat


def needing_proof(catalog: Catalog, *rows: Evidence, **changes: Any) -> Plan:
    return asked(catalog, *rows, preferences=Preferences(proof=True), **changes)


def test_a_proof_can_be_required(catalog: Catalog) -> None:
    made = needing_proof(catalog, verdict("Llama-3.3-70B-Instruct", context={"quantisation": "fp8"}))
    assert {option.model for option in made.options} == {"meta-llama/Llama-3.3-70B-Instruct", "gpt-4o"}
    refusals = [row for row in made.refused if row.stage == "quality"]
    assert refusals
    assert all(row.rule == "a proof of quality is asked for" for row in refusals)
    assert [rule.rule for rule in made.rules if rule.rule == "quality proof"] == ["quality proof"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (verdict("Llama-3.3-70B-Instruct", "inconclusive"), "not decided against gpt-4o"),
        (verdict("Llama-3.3-70B-Instruct", "worse"), "worse than gpt-4o"),
        (verdict("Llama-3.3-70B-Instruct", when=DAY - dt.timedelta(days=100)), "100 days old"),
        (
            verdict("Llama-3.3-70B-Instruct", context={"reference_model": "gpt-4o-mini"}),
            "which is not the model in use",
        ),
        (verdict("Llama-3.3-70B-Instruct", verified=False), "fewer people"),
        (verdict("some-other-model"), "no evaluation of it"),
    ],
)
def test_what_is_no_proof(catalog: Catalog, row: Evidence, says: str) -> None:
    made = needing_proof(catalog, row, scope=Scope(kinds=("hosted",), models=("llama 3.3 70b",)))
    assert {option.id for option in made.options} <= {"api:openai/gpt-4o"}
    assert any(says in refused.reason for refused in made.refused if refused.stage == "quality")


def test_what_was_evaluated_is_simulated_though_it_cannot_win(catalog: Catalog) -> None:
    scope = Scope(kinds=("self",), models=("llama 3.3 70b",), devices=("H100 SXM", "A100 80GB SXM", "L40S"))
    row = verdict("Llama-3.3-70B-Instruct", "inconclusive", context={"quantisation": "bf16"})
    plain, made = asked(catalog, scope=scope), asked(catalog, row, scope=scope)

    def formats(found: Plan) -> set[str | None]:
        return {option.deployment.model.quantisation for option in own(found)}

    assert "bf16" not in formats(plain)
    assert "bf16" in formats(made)
    assert all(bool(option.quality) == (option.deployment.model.quantisation == "bf16") for option in own(made))


def test_weights_of_another_format_are_not_proved(catalog: Catalog) -> None:
    row = verdict("Llama-3.3-70B-Instruct", context={"quantisation": "bf16"})
    made = needing_proof(catalog, row, scope=small_question().scope)
    assert not own(made)
    assert any(option.kind == "hosted" for option in made.options)


def test_todays_model_needs_no_proof(catalog: Catalog) -> None:
    made = needing_proof(catalog)
    assert [option.id for option in made.options] == ["api:openai/gpt-4o"]


def test_it_stays_pure(catalog: Catalog) -> None:
    rows = (measured(KEY, "tpot_s", 0.02, context=LOAD), verdict("Llama-3.3-70B-Instruct"))
    first, second = asked(catalog, *rows), asked(catalog, *rows)
    assert msgspec.json.encode(first) == msgspec.json.encode(second)


def test_a_question_is_plain_values() -> None:
    row = verdict("Llama-3.3-70B-Instruct")
    assert msgspec.json.decode(msgspec.json.encode(row), type=Evidence) == row
    assert isinstance(small_question(recorded=(row,)), Question)
