from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.ledger import queries
from crossover.ledger.queries import Fault, Seen
from crossover.ledger.words import Alternative, AttemptRow, Budget
from tests.ledger.parts import DAY, HOUR, NOON, local, opened, record, write, writing

ALL = (0.0, NOON + 30 * DAY)
MILLIONTH = 10**6  # picodollars


def test_spend_by_each_thing(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [
            record("a", key="k1"), record("b", key="k1", asked="draft", time=NOON + DAY),
            local("c", key="k2"),
            record("d", deployment="", provider="", zone="", status="refused", cost=0, marginal=0),
        ])  # fmt: skip
        found = {by: [(g.name, g.totals.requests) for g in queries.spend(ledger, *ALL, by=by)] for by in queries.GROUPS}  # type: ignore[arg-type]
        assert found == {
            "key": [("k1", 2), ("", 1), ("k2", 1)],
            "alias": [("support", 3), ("draft", 1)],
            "deployment": [("mini", 2), ("", 1), ("box", 1)],
            "provider": [("openai", 2), ("", 1), ("ollama", 1)],
            "zone": [("us", 2), ("", 1), ("home", 1)],
            "day": [("20774", 3), ("20775", 1)],
        }


def test_periods_are_whole_hours_and_end_before_their_end(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("a", time=NOON), record("b", time=NOON + 59 * 60), record("c", time=NOON + HOUR)])
        assert queries.total(ledger, NOON + 600, NOON + HOUR).requests == 2
        assert queries.total(ledger, NOON + HOUR, NOON + HOUR + 1).requests == 1
        assert queries.total(ledger, NOON - HOUR, NOON).requests == 0
        assert queries.total(ledger, NOON + DAY, NOON + 2 * DAY) == queries.Totals()


def test_savings_are_against_the_cheapest_permitted_api(tmp_path: Path) -> None:
    dear = (Alternative("big", 90 * MILLIONTH), Alternative("cheap-but-abroad", 1 * MILLIONTH, permitted=False))
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [
            local("local", alternatives=(*dear, Alternative("mini", 30 * MILLIONTH))),
            local("nothing-permitted", alternatives=(Alternative("mini", 30 * MILLIONTH, permitted=False),)),
            record("paid", cost=30 * MILLIONTH, marginal=30 * MILLIONTH, alternatives=dear),
            record("paid-too-much", cost=90 * MILLIONTH, marginal=90 * MILLIONTH,
                   alternatives=(Alternative("mini", 30 * MILLIONTH),)),
            record("retried", cost=30 * MILLIONTH, marginal=60 * MILLIONTH, alternatives=dear),
        ])  # fmt: skip
        total = queries.total(ledger, *ALL)
    assert total.compared == 4
    assert total.all_api == (30 + 30 + 30 + 30) * MILLIONTH
    assert total.compared_marginal == (0 + 30 + 90 + 60) * MILLIONTH
    assert total.saved == -60 * MILLIONTH


def test_where_traffic_went(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [local("a"), local("b"), record("c"), record("d", deployment="", status="refused")])
        found = queries.where(ledger, *ALL)
    assert (found[True].requests, found[False].requests) == (2, 1)


def test_an_empty_ledger_answers(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        assert queries.total(ledger, *ALL) == queries.Totals()
        assert queries.spend(ledger, *ALL, by="key") == []
        assert queries.latencies(ledger, *ALL) == ([], 0)
        assert queries.faults(ledger, *ALL) == []
        assert queries.one(ledger, "x") is None
        assert list(queries.records(ledger, *ALL)) == []
        assert queries.where(ledger, *ALL)[True].requests == 0
        assert queries.idle(ledger, {"box": 10**12}, *ALL)[0].paid == 0


def test_idle_is_what_no_token_paid_for(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [local("a", cost=10**12), local("b", cost=5 * 10**11, time=NOON + HOUR)])
        (found,) = queries.idle(ledger, {"box": 2 * 10**12}, 0.0, NOON + 10 * HOUR)
    assert found.hours == 10  # from the first request on
    assert found.paid == 20 * 10**12
    assert found.idle == 20 * 10**12 - 15 * 10**11


def test_the_hours_of_a_machine_begin_with_its_own_first_request(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("a"), local("b", time=NOON + 4 * HOUR)])
        found = queries.idle(ledger, {"box": 10**12, "never": 10**12}, 0.0, NOON + 10 * HOUR)
    assert {each.deployment: each.hours for each in found} == {"box": 6, "never": 10}


def test_latencies_by_nearest_rank(tmp_path: Path) -> None:
    rows = [record(f"r{n}", total_ms=float(n), ttft_ms=float(n) if n % 2 else 0.0) for n in range(1, 101)]
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [*rows, record("bad", status="error", total_ms=1e6)])
        ((found,), count) = queries.latencies(ledger, *ALL)
        assert count == 100
        assert found.total == (50.0, 95.0, 99.0)
        assert found.first_token == (49.0, 95.0, 99.0)
        ((latest,), count) = queries.latencies(ledger, *ALL, most=10)
        assert (count, latest.total[0]) == (10, 95.0)


def test_latencies_over_months_read_the_latest_first(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("old", total_ms=1.0, time=NOON - 30 * DAY), record("new", total_ms=2.0, ttft_ms=0.0)])
        ((found,), count) = queries.latencies(ledger, *ALL, most=1)
        assert (count, found.total[0], found.first_token) == (1, 2.0, None)
        assert queries.latencies(ledger, *ALL)[1] == 2


def test_faults_by_deployment_most_frequent_first(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [
            record("a", status="error", error="reset"), record("b", status="error", error="reset"),
            record("c", status="refused", error="budget_exceeded", deployment=""), record("d", status="cancelled"),
            record("e"),
        ])  # fmt: skip
        assert queries.faults(ledger, *ALL) == [
            Fault(deployment="mini", error="reset", requests=2),
            Fault(deployment="", error="budget_exceeded", requests=1),
            Fault(deployment="mini", error="cancelled", requests=1),
        ]


def test_one_request_whole_and_ids_that_begin_alike(tmp_path: Path) -> None:
    tried = (
        AttemptRow(deployment="box", outcome="reset", start_ms=0.5, duration_ms=3.0, accepted=False),
        AttemptRow(deployment="mini", outcome="ok", start_ms=4.0, duration_ms=90.0, upstream_status=200, cost=7),
    )
    whole = record(
        "req_abc", attempts=tried, refused=(("far", "abroad"),), alternatives=(Alternative("big", 5, False),)
    )
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [whole, record("req_abd", time=NOON + 1), record("other")])
        assert queries.one(ledger, "req_abc") == whole
        assert queries.one(ledger, "req_ab") is None
        assert queries.near(ledger, "req_ab") == ["req_abd", "req_abc"]
        assert queries.near(ledger, "%") == []
        assert queries.near(ledger, "' OR 1=1 --") == []


def test_the_search_for_an_id_uses_the_index(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("a"), record("b", time=NOON - 30 * DAY)])
        for view, column in (("records", "id"), ("attempts", "request"), ("alternatives", "request")):
            plan = ledger.rows(f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE {column} = 'a'")
            assert not [row[3] for row in plan if row[3].startswith("SCAN r")], view


def test_observed_traffic_for_planning(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [
            record("b", time=NOON + 2.5, cached_read=7), record("a", time=NOON), record("c", status="error"),
            record("d", asked="other"), record("e", door="eval"), record("f", door="loadtest"),
        ])  # fmt: skip
        found = list(queries.workload(ledger, *ALL, asked="support"))
        assert found == [Seen(NOON, 100, 20, 0), Seen(NOON + 2.5, 100, 20, 7)]
        assert len(list(queries.workload(ledger, *ALL))) == 3


def test_records_come_in_portions_without_a_seam(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [local(f"r{n}") for n in range(2500)])
        found = list(queries.records(ledger, *ALL))
    assert [each.id for each in found] == [f"r{n}" for n in range(2500)]
    assert all(len(each.attempts) == len(each.alternatives) == 1 for each in found)


def test_standings_show_the_period_in_force(tmp_path: Path) -> None:
    budget = Budget(name="team", limit=1000, period="day")
    with opened(tmp_path / "ledger.db") as ledger, writing(ledger) as writer:
        for days in range(3):
            asyncio.run(writer.reserve(f"r{days}", (budget,), 100 + days, NOON + days * DAY))
        assert [(each.name, each.reserved, each.limit) for each in queries.standings(ledger)] == [("team", 102, 1000)]


@given(st.integers(-(10**25), 10**25))
def test_dollars_are_exact(picodollars: int) -> None:
    text = queries.usd_text(picodollars)
    assert Decimal(text) * 10**12 == picodollars
    assert "E" not in text


@pytest.mark.parametrize(
    ("picodollars", "text"),
    [(0, "0"), (1, "0.000000000001"), (18_500_000, "0.0000185"), (10**13, "10"), (-5, "-0.000000000005")],
)
def test_dollars_as_text(picodollars: int, text: str) -> None:
    assert queries.usd_text(picodollars) == text
