"""The watch over rules: what is compared, what is asked of whom, when a promise is doubted."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from crossover.chat import Caller, ChatRequest, ChatResponse, Choice, Message, Served, Text
from crossover.errors import NoTargetError, StoreError
from crossover.ledger.grades import Grade
from crossover.ledger.words import AttemptRow
from crossover.routing.guess import Seen
from crossover.routing.words import Route
from crossover.runtime.rules import doubt_of
from crossover.runtime.watch import DAY_S, MOST_WAITING, Rule, RuleWatch
from crossover.sensitivity import label

CHAT = Route(
    name="chat", targets=("own", "api"), policy="cascade", strong=frozenset({"api"}), explore=0.1, shadow="candidate",
    shadow_share=1.0,
)  # fmt: skip


class House:
    """A watch with everything that was handed to it."""

    def __init__(self, *rules: Rule, answers: dict[str, str] | None = None, free: bool = True) -> None:
        self.asked: list[ChatRequest] = []
        self.kept: list[Grade] = []
        self.answers = answers or {}
        self.now = 1_000_000.0
        self.served: Served | None = None
        self.watch = RuleWatch(
            self._ask, self._save, local=lambda name: name != "api", free=lambda _name: free, doubting=doubt_of,
            chance=random.Random(1), wall=lambda: self.now,
        )  # fmt: skip
        self.watch.heed({rule.route: rule for rule in rules or (Rule(route="chat"),)}, {})

    async def _ask(self, request: ChatRequest) -> ChatResponse:
        self.asked.append(request)
        said = self.answers.get(request.model, "yes")
        if said == "nobody":
            raise NoTargetError("nobody may answer")
        choice = Choice(message=Message("assistant", (Text(said),)), finish="stop")
        return ChatResponse(choices=(choice,), served=self.served)

    async def _save(self, grade: Grade) -> None:
        if grade.request == "full":
            raise StoreError("the disk is full")
        self.kept.append(grade)

    def compare(self, *seen: Seen) -> list[Grade]:
        async def work() -> None:
            for one in seen:
                self.watch.served(one)
            while not self.watch._waiting.empty():
                await self.watch.step()

        asyncio.run(work())
        return self.kept


def seen(**more: Any) -> Seen:
    request = ChatRequest(
        model="chat", messages=(Message("user", (Text("Is it?"),)),),
        caller=Caller(key="k", sensitivity="soft", regimes=("gdpr",), policy="cascade", deadline_s=3.0),
    )  # fmt: skip
    rows = (
        AttemptRow(deployment="own", outcome="escalated", start_ms=0, duration_ms=40, cost=3),
        AttemptRow(deployment="api", outcome="ok", start_ms=40, duration_ms=400, cost=900),
    )
    facts: dict[str, Any] = {
        "id": "r", "route": msgspec.structs.replace(CHAT, shadow="", shadow_share=0.0), "request": request,
        "deployment": "api", "answer": "yes", "first": ("own", "yes"), "drawn": True, "kept": True, "score": 0.25,
        "time": 5.0, "attempts": rows,
    }  # fmt: skip
    return Seen(**{**facts, **more})


def test_an_audit_compares_the_two_answers_that_are_there() -> None:
    at = House()
    (grade,) = at.compare(seen())
    assert at.asked == []
    assert grade == Grade(
        request="r", time=5.0, route="chat", kind="audit", weak="own", strong="api", probability=0.1, kept=True,
        loss=0.0, grader="agreement", score=0.25, weak_cost=3, strong_cost=900, weak_ms=40, strong_ms=400,
    )  # fmt: skip
    assert House().compare(seen(first=("own", "no")))[0].loss == 1.0


def test_where_the_rule_guessed_before_the_call_the_own_model_is_asked_now() -> None:
    at = House(answers={"own": "no"})
    (grade,) = at.compare(seen(first=("", ""), kept=False))
    assert [request.model for request in at.asked] == ["own"]
    caller = at.asked[0].caller
    assert (caller.door, caller.sensitivity, caller.regimes, caller.policy) == ("shadow", "soft", ("gdpr",), None)
    assert (grade.loss, grade.kept) == (1.0, False)


@pytest.mark.parametrize("what", [{"drawn": False}, {"deployment": "own"}])
def test_what_chance_did_not_choose_or_the_stronger_did_not_answer_is_no_audit(what: dict[str, Any]) -> None:
    assert House().compare(seen(**what)) == []


def test_a_shadow_is_asked_what_a_paid_model_answered_and_nothing_else() -> None:
    at = House()
    (grade,) = at.compare(seen(route=CHAT, drawn=False))
    assert (grade.kind, grade.weak, grade.strong, grade.kept) == ("shadow", "candidate", "api", False)
    assert [request.model for request in at.asked] == ["candidate"]
    assert House().compare(seen(route=CHAT, drawn=False, deployment="own")) == []


def test_what_an_own_model_is_asked_costs_its_share_of_the_hour() -> None:
    at = House()
    at.served = Served("x", "candidate", "m", "home", "pinned", "", cost=Decimal("0.000002"), local=True)
    (grade,) = at.compare(seen(route=CHAT, drawn=False))
    assert grade.weak_cost == 2_000_000


def test_answers_that_may_differ_without_a_loss_are_no_doubt() -> None:
    said = ("own", "no"), *[("own", "yes")] * 9
    several = [seen(id=f"r{number}", first=said[number % 10]) for number in range(MOST_WAITING)]
    strict = House(Rule(route="chat", loss=0.02, per_day=1_000))
    strict.compare(*several)
    assert "the promise is broken" in strict.watch.doubt("chat")
    aware = House(Rule(route="chat", loss=0.02, beside=0.09, per_day=1_000))
    aware.compare(*several)
    assert aware.watch.doubt("chat") == ""


def test_what_another_grader_said_is_not_counted() -> None:
    at = House(Rule(route="chat", loss=0.02, per_day=1_000))
    rows = [*at.compare(*(seen(id=f"r{number}", first=("own", "no")) for number in range(50)))]
    assert at.watch.doubt("chat")
    at.watch.heed({"chat": Rule(route="chat", loss=0.02, grader="judge")}, {"chat": rows})
    assert at.watch.doubt("chat") == ""


def test_a_shadow_that_has_no_place_free_is_left_alone() -> None:
    at = House(free=False)
    assert at.compare(seen(route=CHAT, drawn=False)) == []
    assert (at.asked, at.watch.left_out) == ([], 1)


def test_a_judge_is_asked_in_both_orders_under_every_label_of_the_question() -> None:
    at = House(Rule(route="chat", grader="judge"), answers={"judge": '{"winner": "first"}'})
    labelled = msgspec.structs.replace(CHAT, shadow="", shadow_share=0.0, sensitivity=label("health"), local_only=True)
    (grade,) = at.compare(seen(first=("own", "no"), route=labelled))
    assert grade.loss == 0.0, "the order decided: a tie"
    assert len(at.asked) == 2
    words = set((at.asked[0].caller.sensitivity or "").split(","))
    assert {"soft", "health", "local_only"} <= words
    assert at.asked[0].caller.under == ("chat",)
    assert at.asked[0].caller.door == "judge"


def test_what_a_judge_does_not_decide_counts_as_lost_and_the_doubt_says_so() -> None:
    at = House(Rule(route="chat", grader="judge", loss=0.02), answers={"judge": "I like both"})
    grades = at.compare(*(seen(id=str(number), first=("own", "no")) for number in range(40)))
    assert {grade.loss for grade in grades} == {1.0}
    assert "judge named no winner in" in at.watch.doubt("chat")
    assert House(Rule(route="chat", grader="judge"), answers={"judge": "?"}).compare(seen())[0].loss == 0.0, "the same"


def test_what_fails_is_left_out_and_the_next_one_is_compared() -> None:
    at = House(answers={"own": "nobody"})
    grades = at.compare(seen(first=("", "")), seen(id="full"), seen(id="next"))
    assert [grade.request for grade in grades] == ["next"]
    assert (at.watch.left_out, at.watch.compared) == (2, 1)


def test_no_more_are_compared_than_a_day_allows() -> None:
    at = House(Rule(route="chat", per_day=2))
    assert len(at.compare(*(seen(id=str(number)) for number in range(5)))) == 2
    at.now += DAY_S + 1
    assert len(at.compare(seen(id="tomorrow"))) == 3


def test_when_nobody_compares_nothing_is_piled_up() -> None:
    at = House(Rule(route="chat", per_day=10**6))

    async def flood() -> None:
        for number in range(MOST_WAITING + 50):
            at.watch.served(seen(id=str(number)))

    asyncio.run(flood())
    assert at.watch.left_out == 50


def grade(number: int, loss: float, **more: Any) -> Grade:
    return Grade(
        request=str(number), time=float(number), route="chat", kind="audit", weak="own", strong="api", probability=0.1,
        kept=True, loss=loss, grader="agreement", **more,
    )  # fmt: skip


def test_a_broken_promise_is_doubted_and_stays_doubted() -> None:
    at = House(Rule(route="chat", loss=0.02))
    assert at.watch.doubt("chat") == ""
    at.compare(*(seen(id=str(number), first=("own", "no" if number % 5 == 0 else "yes")) for number in range(60)))
    assert "the promise is broken" in at.watch.doubt("chat")
    again = House(Rule(route="chat", loss=0.02))
    rows = [grade(number, float(number % 5 == 0)) for number in range(60)]
    fine = [grade(number, 0.0) for number in range(60, 900)]
    again.watch.heed({"chat": Rule(route="chat", loss=0.02)}, {"chat": [*rows, *fine]})
    assert again.watch.doubt("chat"), "it arose once"


def test_without_a_promise_there_is_nothing_to_doubt() -> None:
    at = House()
    at.compare(*(seen(id=str(number), first=("own", "no")) for number in range(60)))
    assert at.watch.doubt("chat") == ""
