"""Calls: once for each question, within limits and budget, again where that helps, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crossover.chat import ChatRequest, Message, Text
from crossover.errors import BudgetSpentError, NoTargetError, RequestError, ScoringError, StoppedError, UpstreamError
from crossover.evaluation.calls import Candidate, Patience, key_of
from crossover.evaluation.log import NAME, Answer, Failure, read
from crossover.providers.fakes import FakeBackend
from tests.evaluation.parts import Model, NoTime, calls, candidate, log


def asked(text: str, **more: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message("user", (Text(text),)),), **more)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


def busy(**more: Any) -> UpstreamError:
    return UpstreamError("busy", upstream="rate_limited", accepted=False, **more)


# --------------------------------------------------------------------------------------------------------------- once


def test_the_same_question_is_paid_once(tmp_path: Path) -> None:
    async def work() -> None:
        model = Model()
        one = candidate("c", model)
        with log(tmp_path) as open_:
            made = calls(open_)
            first = await made.ask(one, asked("a"), sample="s")
            again = await asyncio.gather(*(made.ask(one, asked("a")) for _ in range(5)))
            assert all(answer == first for answer in again)
            assert (len(model.prompts), made.made, made.kept) == (1, 1, 5)
        with log(tmp_path) as open_:
            assert await calls(open_).ask(one, asked("a")) == first
        assert len(model.prompts) == 1

    run(work())


def test_who_asks_the_same_at_once_waits_for_the_answer(tmp_path: Path) -> None:
    async def work() -> None:
        held = asyncio.Event()
        model = Model(held=held)
        one = candidate("c", model)
        with log(tmp_path) as open_:
            made = calls(open_)
            tasks = [asyncio.ensure_future(made.ask(one, asked("a"))) for _ in range(4)]
            while not model.prompts:
                await asyncio.sleep(0)
            tasks[0].cancel()  # who paid leaves: another one asks
            await asyncio.sleep(0)
            held.set()
            done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError)
        assert {answer.text for answer in done[1:] if isinstance(answer, Answer)} == {"right"}
        assert len(model.prompts) == 2

    run(work())


def test_what_makes_a_question_another_one() -> None:
    one = candidate("c", Model())
    key = key_of(one, asked("a"))
    assert key == key_of(candidate("other name", Model(), identity="c"), asked("a", stream=True))
    others = [asked("b"), asked("a", temperature=0.0), asked("a", max_tokens=3), asked("a", stop=("x",))]
    assert len({key, *(key_of(one, other) for other in others), key_of(candidate("d", Model()), asked("a"))}) == 6


def test_answers_of_another_run_are_used_and_not_paid(tmp_path: Path) -> None:
    async def work() -> None:
        one = candidate("c", Model())
        with log(tmp_path / "first") as open_:
            await calls(open_).ask(one, asked("a"))
        more = read(tmp_path / "first" / NAME).answers
        silent = candidate("c", Model(lambda _prompt: UpstreamError("no", upstream="auth")))
        with log(tmp_path / "second") as open_:
            answer = await calls(open_, more=more).ask(silent, asked("a"))
            assert isinstance(answer, Answer)
            assert answer.reused
        with log(tmp_path / "second") as open_:
            assert open_.spent() == 0

    run(work())


def test_what_is_kept_of_an_answer(tmp_path: Path) -> None:
    async def work() -> None:
        with log(tmp_path) as open_:
            streamed = await calls(open_).ask(candidate("c", Model("two words here")), asked("a"), sample="s")
            whole = await calls(open_, streamed=False).ask(candidate("d", Model("two")), asked("a"))
        assert isinstance(streamed, Answer)
        assert isinstance(whole, Answer)
        assert (streamed.text, streamed.finish, streamed.deployment, streamed.model) == (
            "two words here",
            "stop",
            "d",
            "the-model",
        )
        assert (streamed.cost, streamed.sample, streamed.usage is not None) == (Decimal("0.01"), "s", True)
        assert streamed.ttft_s is not None
        assert streamed.ttft_s < streamed.seconds
        assert streamed.itl_s == pytest.approx(0.001)
        assert (whole.text, whole.ttft_s, whole.itl_s) == ("two", None, None)

    run(work())


def test_tool_calls_and_log_probabilities_are_kept(tmp_path: Path) -> None:
    async def work() -> None:
        from crossover.providers.answers import Answer as Said
        from crossover.providers.answers import Call

        fake = FakeBackend(Said(text="", calls=(Call(name="f", arguments='{"x": 1}'),)))
        one = Candidate(name="c", backend=fake, model="c", identity="c")
        with log(tmp_path) as open_:
            streamed = await calls(open_).ask(one, asked("a"))
            whole = await calls(open_, streamed=False).ask(one, asked("b"))
        assert isinstance(streamed, Answer)
        assert isinstance(whole, Answer)
        assert streamed.calls == whole.calls == (("f", '{"x": 1}'),)
        assert streamed.cost == 0

    run(work())


# -------------------------------------------------------------------------------------------------------------- limits


def test_a_deployment_is_not_asked_more_than_it_takes(tmp_path: Path) -> None:
    async def work() -> None:
        model = Model()
        one, two = (candidate(name, model, limits=(("shared", 2), ("free", 0))) for name in "ab")
        with log(tmp_path) as open_:
            made = calls(open_)
            await asyncio.gather(*(made.ask(who, asked(f"{n}")) for n in range(10) for who in (one, two)))
        assert model.most_at_once == 2
        assert len(model.prompts) == 20

    run(work())


def test_a_budget_is_never_overspent(tmp_path: Path) -> None:
    async def work() -> None:
        model = Model(cost="0.004")
        one = candidate("c", model, highest=lambda _request: Decimal("0.01"))
        with log(tmp_path) as open_:
            made = calls(open_, "0.030")
            done = await asyncio.gather(*(made.ask(one, asked(f"{n}")) for n in range(20)), return_exceptions=True)
            assert made.purse.spent <= Decimal("0.030")
            answered = sum(isinstance(answer, Answer) for answer in done)
            assert answered == 6, "0.024 spent, and 0.01 more would be too much"
            assert all(isinstance(other, Answer | BudgetSpentError) for other in done)
        with log(tmp_path) as open_, pytest.raises(BudgetSpentError):
            await calls(open_, "0.030").ask(one, asked("x"))

    run(work())


def test_own_machines_cost_no_budget(tmp_path: Path) -> None:
    async def work() -> None:
        one = candidate("c", Model(local=True), paid=False)
        with log(tmp_path) as open_:
            made = calls(open_, "0.001")
            answer = await made.ask(one, asked("a"))
            assert isinstance(answer, Answer)
            assert answer.cost == Decimal("0.01"), "its share of the machine's hour"
            assert made.purse.spent == 0

    run(work())


def test_work_that_may_have_been_done_in_vain_counts(tmp_path: Path) -> None:
    async def work() -> None:
        one = candidate("c", Model(lambda _prompt: UpstreamError("cut", upstream="cut")))
        with log(tmp_path) as open_:
            made = calls(open_, "0.025", patience=Patience(tries=9))
            with pytest.raises(BudgetSpentError):
                await made.ask(one, asked("a"))
            assert made.purse.spent == Decimal("0.02")
        with log(tmp_path) as open_:
            assert open_.spent() == Decimal("0.02")

    run(work())


# ------------------------------------------------------------------------------------------------------------ failures


def test_what_passes_is_asked_again_with_growing_waits(tmp_path: Path) -> None:
    async def work() -> None:
        said: list[Any] = [
            busy(),
            UpstreamError("gone", upstream="reset"),
            NoTargetError("all rest", status=503),
            "right",
        ]
        time = NoTime()
        with log(tmp_path) as open_:
            answer = await calls(open_, time=time).ask(candidate("c", Model(lambda _prompt: said.pop(0))), asked("a"))
        assert isinstance(answer, Answer)
        assert time.waited == [1.0, 2.0, 4.0]

    run(work())


def test_who_asks_for_time_gets_it_within_reason(tmp_path: Path) -> None:
    async def work() -> None:
        said: list[Any] = [
            busy(retry_after_s=7.0),
            NoTargetError("all rest", status=503, retry_after_s=1000.0),
            RequestError("too many", status=429, code="rate_limited", retry_after_s=3.0),
            "right",
        ]
        time = NoTime()
        with log(tmp_path) as open_:
            answer = await calls(open_, time=time).ask(candidate("c", Model(lambda _prompt: said.pop(0))), asked("a"))
        assert isinstance(answer, Answer)
        assert time.waited == [7.0, 30.0, 4.0]

    run(work())


@pytest.mark.parametrize(
    "error",
    [
        UpstreamError("wrong", upstream="bad_request"),
        UpstreamError("too long", upstream="context_length"),
        RequestError("no", code="model_not_found"),
        RequestError("spent", status=429, code="budget_exceeded"),
        NoTargetError("may not leave", status=422),
    ],
)
def test_what_does_not_pass_is_asked_once(tmp_path: Path, error: Any) -> None:
    async def work() -> None:
        model = Model(lambda _prompt: error)
        with log(tmp_path) as open_:
            failure = await calls(open_).ask(candidate("c", model), asked("a"), sample="s")
        assert isinstance(failure, Failure)
        assert failure.withheld is (error.status == 422)
        assert len(model.prompts) == 1

    run(work())


def test_a_failure_is_asked_anew_when_a_run_goes_on(tmp_path: Path) -> None:
    async def work() -> None:
        with log(tmp_path) as open_:
            await calls(open_).ask(candidate("c", Model(lambda _prompt: RequestError("no"))), asked("a"))
        with log(tmp_path) as open_:
            assert isinstance(await calls(open_).ask(candidate("c", Model()), asked("a")), Answer)

    run(work())


@pytest.mark.parametrize(
    ("upstream", "calls_"), [("auth", 3), ("not_found", 3), ("bad_request", 20), ("rate_limited", 20)]
)
def test_who_fails_again_and_again_is_left_alone(tmp_path: Path, upstream: Any, calls_: int) -> None:
    async def work() -> None:
        model = Model(lambda _prompt: UpstreamError("no", upstream=upstream))
        with log(tmp_path) as open_:
            made = calls(open_, patience=Patience(tries=1))
            for number in range(calls_ - 1):
                assert isinstance(await made.ask(candidate("c", model), asked(f"{number}")), Failure)
            with pytest.raises(StoppedError, match=f"failed {calls_} times in a row"):
                await made.ask(candidate("c", model), asked("the last"))
        assert len(model.prompts) == calls_

    run(work())


def test_an_answer_in_between_starts_the_count_anew(tmp_path: Path) -> None:
    async def work() -> None:
        wrong = UpstreamError("no", upstream="auth")
        model = Model(lambda prompt: "right" if int(prompt) % 15 == 0 else wrong)
        with log(tmp_path) as open_:
            made = calls(open_)
            for number in range(60):
                await made.ask(candidate("c", model), asked(f"{number}"))
        assert len(model.prompts) == 60

    run(work())


# ------------------------------------------------------------------------------------------------------------- vectors


def test_a_text_is_embedded_once(tmp_path: Path) -> None:
    async def work() -> None:
        model = Model(vector=lambda text: (float(len(text)), 1.0))
        one = candidate("e", model)
        with log(tmp_path) as open_:
            assert await calls(open_).embed(one, ("a", "bb", "a")) == [(1.0, 1.0), (2.0, 1.0), (1.0, 1.0)]
        with log(tmp_path) as open_:
            assert await calls(open_).embed(one, ("bb", "ccc")) == [(2.0, 1.0), (3.0, 1.0)]
        assert model.prompts == ["a", "bb", "ccc"]

    run(work())


def test_who_cannot_embed_gives_no_score(tmp_path: Path) -> None:
    async def work() -> None:
        fake = FakeBackend(UpstreamError("no", upstream="unsupported"))
        with log(tmp_path) as open_, pytest.raises(ScoringError, match="unsupported"):
            await calls(open_).embed(Candidate(name="c", backend=fake, model="c", identity="c"), ("a",))

    run(work())
