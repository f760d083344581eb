"""Cascades, guesses before the call, and chance: who answers, what is paid, and that nothing widens the list."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from crossover.chat import ChatChunk, ChatRequest, ChatResponse, Choice, Delta, Message, OutputFormat, Text
from crossover.errors import NoTargetError, RequestError, UpstreamError
from crossover.routing.eligibility import Law
from crossover.routing.guess import Seen
from crossover.routing.words import Cascade, Guess, Judged, Retries, Route, Shown
from crossover.runtime.rules import GOOD, judge_of, simple_or_not
from crossover.usage import Usage
from tests.dispatch_parts import House, Scripted, answer, ask, end, failure, local, pieces, say, target, text_of

SMALL, BIG = "small", "big"


class Notes:
    """A watch that writes down what it sees."""

    def __init__(self, doubt: str = "") -> None:
        self.said = doubt
        self.seen: list[Seen] = []

    def doubt(self, route: str) -> str:
        return self.said

    def served(self, seen: Seen) -> None:
        self.seen.append(seen)


def bad_is_bad(shown: Shown) -> Judged:
    return Judged("bad" in shown.text, "its answer is bad" if "bad" in shown.text else GOOD)


def cascade(**more: Any) -> Cascade:
    return Cascade(**{"judge": bad_is_bad, **more})


def house(
    *, small: Scripted | None = None, big: Scripted | None = None, rule: Cascade | None = None, **more: Any
) -> House:
    scripts = {name: one for name, one in ((SMALL, small), (BIG, big)) if one is not None}
    route = {"strong": frozenset({BIG}), "cascade": rule or cascade(), **more.pop("route", {})}
    return House(
        more.pop("targets", (local(SMALL), target(BIG))),
        policy=more.pop("policy", "cascade"), scripts=scripts, route=route, **more,
    )  # fmt: skip


def complete(of: House, request: ChatRequest | None = None) -> ChatResponse:
    return asyncio.run(of.dispatcher.complete(request or ask()))


def reason(response: ChatResponse) -> str:
    assert response.served is not None
    return response.served.reason


# ------------------------------------------------------------------------------------------ whole answers


def test_a_good_answer_of_the_weaker_model_counts() -> None:
    at = house(small=Scripted(answer("good")))
    response = complete(at)
    assert response.text == "good"
    assert at.calls() == {SMALL: 1, BIG: 0}
    assert reason(response) == f"cascade: small, it is asked first; {GOOD}"
    assert at.book.row.marginal == 0
    assert at.balanced()


def test_what_is_not_good_enough_is_passed_on_and_both_are_paid() -> None:
    at = house(small=Scripted(answer("bad")), big=Scripted(answer("better")))
    response = complete(at)
    assert response.text == "better"
    assert reason(response) == "cascade: small, it is asked first; small: its answer is bad; so big"
    row = at.book.row
    assert [(one.deployment, one.outcome) for one in row.attempts] == [(SMALL, "escalated"), (BIG, "ok")]
    assert row.cost == sum(one.cost for one in row.attempts)
    assert row.deployment == BIG
    assert at.balanced()


def test_other_weaker_models_are_not_asked_after_one_was_not_good_enough() -> None:
    at = house(targets=(local(SMALL), local("tiny"), target(BIG)), small=Scripted(answer("bad")))
    complete(at)
    assert at.calls() == {SMALL: 1, "tiny": 0, BIG: 1}


def test_the_first_answer_counts_where_no_stronger_one_comes() -> None:
    at = house(
        small=Scripted(answer("bad", usage=Usage(input=3, output=5))),
        big=Scripted(failure("overloaded"), failure("overloaded")),
    )
    response = complete(at)
    assert response.text == "bad"
    assert "no stronger model answered, so this answer counts" in reason(response)
    row = at.book.row
    assert (row.status, row.deployment, row.local, row.output_tokens) == ("ok", SMALL, True, 5)
    assert at.balanced()


def test_a_failing_weaker_model_is_no_verdict() -> None:
    at = house(small=Scripted(failure("refused")), retries=Retries(attempts=1))
    response = complete(at)
    assert response.text == "fine"
    assert "its answer" not in reason(response)
    assert [one.outcome for one in at.book.row.attempts] == ["refused", "ok"]


def test_where_no_stronger_one_may_answer_nothing_is_judged() -> None:
    at = house(small=Scripted(answer("bad")), law=lambda row, _ask: "not there" if row.id == BIG else None)
    assert complete(at).text == "bad"
    assert at.calls() == {SMALL: 1, BIG: 0}


def test_without_fallbacks_a_cascade_still_passes_on() -> None:
    at = house(small=Scripted(answer("bad")), retries=Retries(fallbacks=0))
    assert complete(at).text == "fine"


def test_several_answers_are_not_judged() -> None:
    at = house(small=Scripted(answer("bad")))
    assert complete(at, msgspec.structs.replace(ask(), n=2)).text == "bad"


def test_a_client_that_leaves_while_the_stronger_is_asked_leaves_nothing_behind() -> None:
    async def leave() -> None:
        gate = asyncio.Event()
        at = house(small=Scripted(answer("bad")), big=Scripted(gate))
        task = asyncio.create_task(at.dispatcher.complete(ask()))
        await at.backends[BIG].entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert at.book.row.status == "cancelled"
        assert at.balanced()

    asyncio.run(leave())


# ------------------------------------------------------------------------------------------ log probabilities


def test_log_probabilities_are_asked_for_and_stay_here() -> None:
    seen: list[ChatRequest] = []
    said = {"content": [{"token": "x", "logprob": -0.5, "top_logprobs": [{"token": "x", "logprob": -0.5}]}]}

    class Telling(Scripted):
        async def complete(self, request: ChatRequest) -> ChatResponse:
            seen.append(request)
            response = await super().complete(request)
            choice = msgspec.structs.replace(response.choices[0], logprobs=said)
            return msgspec.structs.replace(response, choices=(choice,), raw=b"raw")

    shown: list[Shown] = []

    def judge(what: Shown) -> Judged:
        shown.append(what)
        return Judged(False, GOOD)

    at = house(small=Telling(), rule=cascade(judge=judge))
    response = complete(at)
    assert seen[0].logprobs
    assert seen[0].top_logprobs == 2
    assert shown[0].logprobs == ((-0.5, None),)
    assert response.choices[0].logprobs is None
    assert response.raw is None
    again = complete(at, msgspec.structs.replace(ask(2), logprobs=True))
    assert again.choices[0].logprobs == said
    assert again.raw == b"raw"


def test_a_model_without_log_probabilities_is_not_asked_for_them() -> None:
    seen: list[ChatRequest] = []

    class Silent(Scripted):
        async def complete(self, request: ChatRequest) -> ChatResponse:
            seen.append(request)
            return await super().complete(request)

    complete(house(targets=(local(SMALL, can=frozenset({"chat"})), target(BIG)), small=Silent()))
    assert not seen[0].logprobs


# ------------------------------------------------------------------------------------------ streams


def stream(of: House, request: ChatRequest | None = None) -> list[ChatChunk]:
    return asyncio.run(pieces(of, request or ask()))


def test_a_stream_is_held_back_until_it_is_judged() -> None:
    at = house(small=Scripted([say("it is "), say("bad"), end()]), big=Scripted([say("bet"), say("ter"), end()]))
    chunks = stream(at)
    assert text_of(chunks) == "better"
    assert chunks[0].served is not None
    assert chunks[0].served.deployment == BIG
    assert chunks[-1].served is not None
    assert chunks[-1].served.cost is not None
    assert at.balanced()


def test_a_good_stream_comes_whole_in_its_own_pieces() -> None:
    at = house(small=Scripted([say("it is "), say("good"), end()]))
    chunks = stream(at)
    assert [text_of([chunk]) for chunk in chunks] == ["it is ", "good", ""]
    assert at.calls() == {SMALL: 1, BIG: 0}


def test_the_beginning_of_a_stream_may_decide() -> None:
    rule = cascade(stream="first", first_tokens=2)
    at = house(small=Scripted([say("a "), say("good "), say("start, a bad end"), end()]), rule=rule)
    assert text_of(stream(at)) == "a good start, a bad end"
    at = house(small=Scripted([say("a "), say("bad "), say("start"), end()]), rule=rule)
    assert text_of(stream(at)) == "fine"
    assert at.backends[SMALL].cancelled == 1, "the rest was not waited for"
    assert at.balanced()


def test_half_an_answer_is_compared_with_nothing() -> None:
    watch = Notes()
    at = house(
        small=Scripted([say("a "), say("bad "), say("start"), end()]), rule=cascade(stream="first", first_tokens=2),
        route={"explore": 0.5}, watch=watch,
    )  # fmt: skip
    stream(at)
    assert [seen.first for seen in watch.seen] == [("", "")], "whoever compares asks again"


def test_streams_may_go_unjudged() -> None:
    at = house(small=Scripted([say("bad"), end()]), rule=cascade(stream="never"))
    chunks = stream(at)
    assert text_of(chunks) == "bad"
    assert chunks[0].served is not None
    assert chunks[0].served.reason == "cascade: small, it is asked first, and nobody judges a stream here"


def test_a_held_stream_counts_where_no_stronger_one_comes() -> None:
    at = house(small=Scripted([say("ba"), say("d"), end()]), big=Scripted(failure("overloaded"), failure("overloaded")))
    chunks = stream(at)
    assert text_of(chunks) == "bad"
    assert chunks[0].served is not None
    assert chunks[0].served.deployment == SMALL
    assert chunks[-1].last
    assert at.book.row.status == "ok"
    assert at.balanced()


def test_of_a_stream_judged_by_its_beginning_nothing_is_left_to_give() -> None:
    rule = cascade(stream="first", first_tokens=1)
    at = house(
        small=Scripted([say("bad"), end()]), big=Scripted(failure("overloaded"), failure("overloaded")), rule=rule
    )
    with pytest.raises(UpstreamError):
        stream(at)
    assert at.balanced()


def test_a_stream_that_breaks_while_it_is_held_back_is_a_failure_nobody_sees() -> None:
    at = house(small=Scripted([say("go"), failure("reset", accepted=True)]))
    assert text_of(stream(at)) == "fine"


def test_a_client_that_leaves_a_held_stream_cancels_it() -> None:
    async def leave() -> None:
        gate = asyncio.Event()
        at = house(small=Scripted([say("go"), gate, end()]))
        async with aclosing(at.dispatcher.stream(ask())) as source:
            task = asyncio.ensure_future(anext(source))
            await at.backends[SMALL].entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert at.backends[SMALL].cancelled == 1
        assert at.balanced()

    asyncio.run(leave())


# ------------------------------------------------------------------------------------------ second opinions


def test_a_second_own_model_is_asked_and_recorded() -> None:
    shown: list[Shown] = []

    def judge(what: Shown) -> Judged:
        shown.append(what)
        return Judged(what.second != what.text, "the two own models disagree")

    other = Route(name="other", targets=("other",), policy="pinned")
    at = house(
        targets=(local(SMALL), target(BIG), local("other")), rule=cascade(judge=judge, second="other"), more=(other,),
    )  # fmt: skip
    response = complete(at)
    assert shown[0].second == "fine"
    assert response.text == "fine"
    assert [row.door for row in at.book.rows] == ["second", "python"]


def test_a_second_model_that_fails_says_nothing() -> None:
    shown: list[Shown] = []

    def judge(what: Shown) -> Judged:
        shown.append(what)
        return Judged(False, GOOD)

    at = house(rule=cascade(judge=judge, second="nobody"))
    assert complete(at).text == "fine"
    assert shown[0].second is None


# ---------------------------------------------------------------------------------------------- guesses before a call


def guessing(strong: bool) -> dict[str, Any]:
    return {"complexity": lambda _request: Guess(strong, "by the rule"), "cascade": None}


@pytest.mark.parametrize(("strong", "first"), [(False, SMALL), (True, BIG)])
def test_a_guess_says_who_is_asked_first(strong: bool, first: str) -> None:
    at = house(policy="complexity", route=guessing(strong))
    response = complete(at)
    assert reason(response) == f"complexity: {first}, by the rule"
    assert at.calls()[first] == 1


def test_where_the_stronger_may_not_answer_the_weaker_does() -> None:
    law = lambda row, _ask: "not there" if row.id == BIG else None  # noqa: E731
    at = house(policy="complexity", route=guessing(True), law=law)
    assert reason(complete(at)) == "complexity: small, by the rule, and no stronger model may answer; not there"


def test_what_nobody_trained_is_refused() -> None:
    with pytest.raises(RequestError, match="nobody has trained"):
        complete(house(policy="route", route={"cascade": None}))


def test_the_shipped_rule_tells_a_greeting_from_a_task() -> None:
    def asked(text: str) -> Guess:
        return simple_or_not(msgspec.structs.replace(ask(), messages=(Message("user", (Text(text),)),)))

    assert not asked("What are your opening hours?").strong
    hard = "Prove that the algorithm terminates, step by step. Then write the code in Rust and explain why:\n" * 6
    assert asked(hard).strong


# -------------------------------------------------------------------------------------------- chance, doubt, watching


def test_chance_passes_on_as_often_as_the_route_says() -> None:
    watch = Notes()
    at = house(route={"explore": 0.2}, watch=watch, seed=7)

    async def many() -> None:
        for number in range(500):
            await at.dispatcher.complete(ask(number))

    asyncio.run(many())
    explored = [seen for seen in watch.seen if seen.drawn]
    assert len(watch.seen) == 500
    assert 70 <= len(explored) <= 130
    assert all(seen.kept and seen.first == (SMALL, "fine") and seen.deployment == BIG for seen in explored)
    assert all(seen.answer == "fine" for seen in watch.seen)


def test_a_doubted_rule_gives_way_to_the_stronger_model() -> None:
    at = house(watch=Notes("its promise is in doubt"))
    assert reason(complete(at)) == "cascade: big, its promise is in doubt"
    assert at.calls() == {SMALL: 0, BIG: 1}


def barring(names: frozenset[str]) -> Law:
    return lambda row, _ask: "no" if row.id in names else None


def test_nothing_that_was_refused_is_ever_asked() -> None:
    """Whatever a judge, chance and failures do: a deployment that the filter refused gets no byte."""
    chance = random.Random(11)
    for seed in range(200):
        forbidden = {name for name in (SMALL, "tiny", BIG, "huge") if chance.random() < 0.4}
        at = House(
            (local(SMALL), local("tiny"), target(BIG), target("huge")), policy="cascade", seed=seed,
            scripts={name: Scripted(answer("bad"), failure("overloaded")) for name in (SMALL, BIG)},
            law=barring(frozenset(forbidden)),
            route={"strong": frozenset({BIG, "huge"}), "cascade": cascade(), "explore": 0.5},
        )  # fmt: skip
        try:
            complete(at)
        except NoTargetError:
            assert len(forbidden) == 4
        assert all(at.calls()[name] == 0 for name in forbidden)
        assert at.balanced()


# ------------------------------------------------------------------------------------------------- what the shape tells


def shown(text: str, **more: Any) -> Shown:
    request = msgspec.structs.replace(ask(), **more.pop("request", {}))
    return Shown(request=request, text=text, **more)


SCHEMA = OutputFormat(
    kind="schema", schema={"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}
)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (shown("fine"), None),
        (shown("fin", finish="length", request={"max_tokens": None}), "cut off"),
        (shown("fin", finish="length"), None),
        (shown("", finish="content_filter"), "withheld"),
        (shown('{"total": 3}', request={"output": SCHEMA}), None),
        (shown('{"total": "3"}', request={"output": SCHEMA}), "does not fit the schema"),
        (shown("total: 3", request={"output": SCHEMA}), "not the JSON"),
        (shown('```json\n{"total": 3}\n```', request={"output": SCHEMA}), "not the JSON"),
        (shown('{"to', whole=False, request={"output": SCHEMA}), None),
        (shown("", calls=(("delete_all", "{}"),)), "a tool that there is not"),
    ],
)
def test_an_answer_of_no_use_is_passed_on_without_training(what: Shown, why: str | None) -> None:
    judged = judge_of(None, None)(what)
    assert judged.escalate is (why is not None)
    assert why is None or why in judged.why


def test_an_unsure_answer_is_passed_on_where_the_user_says_how_sure_it_must_be() -> None:
    judge = judge_of(None, 0.8)
    assert judge(shown("x", logprobs=((-0.5, None),))).why == "its answer is unsure (0.61 of 0.80)"
    assert not judge(shown("x", logprobs=((-0.1, None),))).escalate
    assert not judge(shown("x")).escalate, "nobody knows how sure it is"


def test_delta_and_choice_without_index_are_the_first() -> None:
    assert Choice(message=Message("assistant", ()), finish="stop").index == Delta().choice == 0
