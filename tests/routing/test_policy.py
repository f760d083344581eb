from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.routing.eligibility import Ask
from crossover.routing.health import Health
from crossover.routing.policy import POLICIES, Conditions, decide, marginal_cost
from crossover.routing.words import BreakerRule, Decision, PolicyName, Route, Target
from tests.dispatch_parts import anything_goes, local, target

ASK = Ask(needs=frozenset({"chat"}), input_tokens=100, output_tokens=100)


def conditions(targets: list[Target], **more: Any) -> Conditions:
    facts = {"health": Health([row.id for row in targets], BreakerRule()), "law": anything_goes, "busy": {}, "now": 0.0}
    return Conditions(**{**facts, **more})


def decided(policy: PolicyName, targets: list[Target], ask: Ask = ASK, **more: Any) -> Decision:
    route = Route(name="chat", targets=tuple(row.id for row in targets), policy=policy)
    return decide(route, {row.id: row for row in targets}, ask, conditions(targets, **more))


def test_local_first_then_the_cheapest() -> None:
    rows = [target("dear", price=(9, 9)), local("own"), target("cheap", price=(1, 1)), local("rented")]
    found = decided("local_first", rows)
    assert found.order == ("own", "rented", "cheap", "dear")
    assert found.reason == "local_first: own, own machines come first"


def test_among_own_machines_the_least_busy_comes_first_and_a_full_one_last() -> None:
    rows = [local("a", concurrency=2), local("b", concurrency=4), local("c", concurrency=4)]
    busy = {"a": (2, 1), "b": (2, 0), "c": (1, 0)}
    assert decided("local_first", rows, busy=busy).order == ("c", "b", "a")


def test_on_a_running_own_machine_a_request_costs_nothing_more() -> None:
    rows = [target("gift", price=(0, 1)), local("own", price=(500, 500))]
    assert decided("cheapest", rows).order == ("own", "gift")
    assert marginal_cost(rows[1], ASK) == 0


def test_cheapest_weighs_input_and_output() -> None:
    rows = [target("long-answers", price=(10, 1)), target("long-questions", price=(1, 10))]
    assert decided("cheapest", rows, Ask(needs=ASK.needs, input_tokens=1000, output_tokens=10)).order[0] == rows[1].id
    assert decided("cheapest", rows, Ask(needs=ASK.needs, input_tokens=10, output_tokens=1000)).order[0] == rows[0].id


def test_a_price_that_nobody_knows_is_never_the_cheapest() -> None:
    rows = [target("unknown", price=None), target("dear", price=(10**9, 10**9))]
    for policy in ("cheapest", "local_first", "quality_first"):
        assert decided(policy, rows).order == ("dear", "unknown")


def test_fastest_by_what_was_seen_lately() -> None:
    rows = [target("slow"), target("quick"), target("new")]
    health = Health([row.id for row in rows], BreakerRule())
    health.took("slow", 0.0, 2.0, streamed=True)
    health.took("quick", 0.0, 0.2, streamed=True)
    health.took("new", 0.0, 0.001, streamed=False)
    found = decided("fastest", rows, health=health, now=1.0)
    assert found.order == ("new", "quick", "slow")
    assert found.reason == "fastest: new, nobody has timed it lately"
    health.took("new", 0.0, 5.0, streamed=True)
    found = decided("fastest", rows, health=health, now=1.0)
    assert found.order == ("quick", "slow", "new")
    assert found.reason == "fastest: quick, it answered fastest lately"
    assert decided("fastest", rows, health=health, now=601.0).order == ("slow", "quick", "new"), "that was long ago"


def test_a_full_machine_is_not_fast() -> None:
    rows = [local("full", concurrency=1), target("free")]
    assert decided("fastest", rows, busy={"full": (1, 0), "free": (9, 9)}).order[0] == "free"


def test_quality_first_then_the_cheaper() -> None:
    rows = [target("none"), target("good", quality=2), target("best", quality=3, price=(9, 9)), local("own", quality=3)]
    found = decided("quality_first", rows)
    assert found.order == ("own", "best", "good", "none")
    assert "highest" in found.reason
    assert "no quality is stated" in decided("quality_first", [target("a"), target("b")]).reason


def test_pinned_is_the_first_and_no_other() -> None:
    found = decided("pinned", [target("a"), local("b")])
    assert found.order == ("a",)
    assert [(row.target, row.code) for row in found.refused] == [("b", "pinned")]
    assert found.reason == "pinned: a, the policy names it and no other"


def test_among_fallbacks_own_machines_come_before_paid_ones() -> None:
    rows = [target("best", quality=9), target("second", quality=8), local("own", quality=1)]
    assert decided("quality_first", rows).order == ("best", "own", "second")


def test_each_reason_says_what_is_true() -> None:
    assert decided("local_first", [target("a"), target("b")]).reason.endswith(
        "no own machine is on the list, and it costs least"
    )
    rows = [local("own", can=frozenset({"embeddings"})), target("a"), target("b")]
    assert decided("local_first", rows).reason.endswith("no own machine may answer")
    assert decided("cheapest", rows[:2]).reason.endswith("the only one left")
    assert decided("cheapest", rows[1:2]).reason.endswith("the only one on the list")
    nobody = decided("cheapest", rows[:1])
    assert nobody.order == ()
    assert nobody.reason == "cheapest: no deployment of chat may answer"
    assert nobody.refused[0].reason == "own cannot do: chat"


TARGETS = st.lists(
    st.builds(
        lambda number, own, price, quality, concurrency: target(
            f"t{number}", operator="own" if own else "provider", price=price, quality=quality, concurrency=concurrency
        ),
        st.integers(0, 9),
        st.booleans(),
        st.none() | st.tuples(st.integers(0, 100), st.integers(0, 100)),
        st.none() | st.floats(-5, 5),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row.id,
)


@given(TARGETS, st.sampled_from(sorted(POLICIES)), st.data())
def test_every_deployment_is_in_the_order_or_refused_never_both(
    rows: list[Target], policy: PolicyName, data: st.DataObject
) -> None:
    names = [row.id for row in rows]
    forbidden = data.draw(st.sets(st.sampled_from(names)))
    resting = data.draw(st.sets(st.sampled_from(names)))
    busy = {name: (data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4))) for name in names}
    health = Health(names, BreakerRule())
    for name in resting:
        health.of(name).trip(0.0, "dead")
    asks = Ask(needs=ASK.needs, local_only=data.draw(st.booleans()))

    def decided_now() -> Decision:
        law = lambda row, _ask: "no" if row.id in forbidden else None  # noqa: E731
        return decided(policy, rows, asks, health=health, busy=busy, law=law, now=1.0)

    found = decided_now()
    assert found == decided_now(), "the same again"
    refused = [row.target for row in found.refused]
    assert sorted([*found.order, *refused]) == sorted(names)
    assert not set(found.order) & (forbidden | resting)
    own = {row.id for row in rows if row.local}
    if asks.local_only:
        assert set(found.order) <= own
    fallbacks = [name in own for name in found.order[1:]]
    assert fallbacks == sorted(fallbacks, reverse=True)


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_an_empty_list_gives_an_empty_order(policy: PolicyName) -> None:
    assert decided(policy, []).order == ()
