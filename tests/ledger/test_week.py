from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from crossover.ledger import week
from crossover.ledger.week import Week
from crossover.ledger.words import PICO, Alternative
from tests.ledger.parts import DAY, HOUR, NOON, away, local, opened, record, stayed, stopped, write

DOLLAR = PICO
BOX = Alternative("box", DOLLAR // 10, local=True)


def gathered(path: Path, rows: list[Any], hourly: dict[str, int] | None = None) -> Week:
    with opened(path, now=NOON + 10 * HOUR) as ledger:
        write(ledger, rows)
        return week.gather(ledger, NOON, NOON + 7 * DAY, hourly or {})


def test_money_adds_up_in_all_three_ways(tmp_path: Path) -> None:
    paid = record("paid", cost=DOLLAR, marginal=DOLLAR, alternatives=(BOX,))
    own = local("own", cost=DOLLAR // 10, alternatives=(Alternative("mini", DOLLAR),))
    lost = record("lost", cost=2 * DOLLAR, marginal=2 * DOLLAR, cost_known=False)
    found = gathered(tmp_path / "l.db", [paid, own, lost], {"box": DOLLAR})
    assert found.machines_paid == 10 * DOLLAR  # until now: nobody pays for hours to come
    assert found.paid == 13 * DOLLAR
    assert found.all_api == 4 * DOLLAR  # two compared at a dollar each, and what had none to compare as it was
    assert found.all_local == 12 * DOLLAR  # the idle hours take the paid request; the other has no machine
    assert found.idle == 10 * DOLLAR - DOLLAR // 10
    assert found.total.saved == DOLLAR


def test_without_priced_hours_all_local_is_not_known(tmp_path: Path) -> None:
    found = gathered(tmp_path / "l.db", [record("paid", alternatives=(BOX,))])
    assert found.all_local is None
    assert week.plain(found)["all_local_usd"] is None


def test_more_than_idle_hours_hold_is_more_hours(tmp_path: Path) -> None:
    much = Alternative("box", 30 * DOLLAR, local=True)
    found = gathered(tmp_path / "l.db", [local("own", cost=0), record("paid", alternatives=(much,))], {"box": DOLLAR})
    assert found.all_local == 10 * DOLLAR + 20 * DOLLAR


def test_flows_models_and_tiers(tmp_path: Path) -> None:
    found = gathered(tmp_path / "l.db", [away("a"), away("b", asked="chat"), stayed("c"), stopped("d")])
    assert [(one.asked, one.deployment, one.requests) for one in found.flows] == [
        ("chat", "mini", 1), ("support", "", 1), ("support", "box", 1), ("support", "mini", 1),
    ]  # fmt: skip
    assert [(one.name, one.local, one.requests) for one in found.models] == [
        ("gpt-4o-mini", False, 2), ("qwen", True, 1),
    ]  # fmt: skip
    hard, none = found.tiers
    assert (hard.tier, hard.requests, hard.left, hard.stayed, hard.nowhere) == ("hard", 1, 0, 1, 0)
    assert hard.categories == ("health",)
    assert (none.left, none.nowhere) == (2, 1)


def test_the_period_before_is_as_long(tmp_path: Path) -> None:
    found = gathered(tmp_path / "l.db", [record("now"), record("then", time=NOON - DAY), record("old", time=0.0)])
    assert (found.total.requests, found.before.requests) == (1, 1)


def test_own_measurements_are_told_apart(tmp_path: Path) -> None:
    found = gathered(tmp_path / "l.db", [record("a"), record("b", door="eval"), record("c", door="loadtest")])
    assert found.measuring == 2


def test_advice_names_what_costs_most_first(tmp_path: Path) -> None:
    rows = [
        record("p", cost=DOLLAR, marginal=DOLLAR, alternatives=(BOX,)),
        record(
            "b", cost=3 * DOLLAR, marginal=3 * DOLLAR, alternatives=(BOX,), refused=(("box", "x"),), codes=("busy",)
        ),
        local("o", alternatives=(Alternative("mini", DOLLAR),)),
        record("e", status="error", error="overloaded", marginal=0),
    ]
    said = week.advice(gathered(tmp_path / "l.db", rows, {"box": DOLLAR}))
    assert said[0].startswith("box stood idle for 100% of what its hours cost ($10.00)")
    assert said[1].startswith("The machines cost $9.00 more than the APIs they stood in for")
    assert said[2].startswith("Give box more places")
    assert "$3.00 more elsewhere" in said[2]
    assert said[3].startswith("Put box before the others for support")
    assert said[4].startswith("25.0% of requests failed, most often overloaded at mini")


def test_a_quiet_week_needs_no_change(tmp_path: Path) -> None:
    found = gathered(tmp_path / "l.db", [])
    assert week.advice(found) == []
    assert found.all_api == found.paid == 0


def test_plain_data_is_exact_and_complete(tmp_path: Path) -> None:
    facts = json.loads(json.dumps(week.plain(gathered(tmp_path / "l.db", [record("a", alternatives=(BOX,))]))))
    assert facts["missed"] == [
        {"reason": "policy", "asked": "support", "deployment": "box", "local": True, "requests": 1,
         "amount_usd": "0.000027"}
    ]  # fmt: skip
    assert facts["missed_usd"] == facts["total"]["paid_usd"] == "0.000027"
    assert facts["models"][0]["paid_usd"] == "0.000027"
    shown = set(facts) | {"measuring", "tiers", "faults", "home", "key_names", "rows"}
    assert {field.name for field in msgspec.structs.fields(Week)} <= shown
