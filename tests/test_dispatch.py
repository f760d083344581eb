"""How requests travel: in order, with retries and fallbacks, streams, budgets, queues and callers that leave."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest

from crossover.chat import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    EmbedRequest,
    EmbedResponse,
    Message,
    ToolCall,
    ToolDelta,
)
from crossover.errors import NoTargetError, RequestError, StoreError, UpstreamError, UpstreamKind
from crossover.ledger.words import Budget
from crossover.routing.faults import FAULTS
from crossover.routing.places import Places
from crossover.routing.words import BreakerRule, Retries, Target
from crossover.sensitivity import Sensitivity, label
from crossover.usage import Usage
from crossover.wire import openai
from tests.dispatch_parts import (
    PING,
    PROMPT,
    ROLE,
    House,
    Scripted,
    answer,
    ask,
    end,
    failure,
    local,
    pieces,
    say,
    target,
    text_of,
    until,
)

ONCE = Retries(attempts=1)
FORBIDS = {"cloud"}


def no_cloud(row: Target, _ask: Any) -> str | None:
    return "not there" if row.id in FORBIDS else None


def complete(house: House, request: ChatRequest | None = None) -> ChatResponse:
    return asyncio.run(house.dispatcher.complete(request or ask()))


def stream(house: House, request: ChatRequest | None = None) -> list[ChatChunk]:
    return asyncio.run(pieces(house, request or ask()))


def refusals(house: House) -> dict[str, str]:
    return dict(house.book.row.refused)


# -------------------------------------------------------------------------------------------------- answered at once


def test_an_answer_says_where_it_came_from_and_what_it_cost() -> None:
    house = House([target("cloud", price=(150_000, 600_000))])
    served = complete(house).served
    assert served is not None
    assert (served.deployment, served.model, served.zone) == ("cloud", "model-of-cloud", "zone-of-cloud")
    assert served.cost == Decimal("0.000027")  # 100 × 150,000 + 20 × 600,000 picodollars
    assert (served.attempts, served.local, served.request_id) == (1, False, "r-1")
    row = house.book.row
    assert (row.status, row.http_status, row.cost, row.marginal) == ("ok", 200, 27_000_000, 27_000_000)
    assert [attempt.outcome for attempt in row.attempts] == ["ok"]
    assert house.balanced()


def test_a_stream_is_priced_like_a_whole_answer() -> None:
    whole, streamed = House([target("cloud")]), House([target("cloud")])
    complete(whole)
    chunks = stream(streamed)
    assert text_of(chunks) == "fine"
    assert streamed.book.row.cost == whole.book.row.cost
    assert [chunk.served is not None for chunk in chunks] == [True, False, True]
    assert chunks[0].served is not None
    assert chunks[0].served.cost is None
    assert chunks[-1].last
    assert chunks[-1].served is not None
    assert chunks[-1].served.cost == Decimal(whole.book.row.cost) / 10**12
    assert streamed.book.row.streamed
    assert streamed.balanced()


def test_vectors_go_the_same_way() -> None:
    house = House([local("own"), target("cloud")], scripts={"own": Scripted(failure("refused"))}, retries=ONCE)
    response = asyncio.run(house.dispatcher.embed(EmbedRequest(model="chat", inputs=("a",))))
    assert response.served is not None
    assert response.served.deployment == "cloud"
    row = house.book.row
    assert (row.kind, row.input_tokens, row.output_tokens, row.status) == ("embed", 7, 0, "ok")
    assert row.id.startswith("req_"), "whoever brings no id gets one"


def test_two_requests_without_an_id_get_two() -> None:
    house = House([local("own")])
    for _ in range(2):
        complete(house, ChatRequest(model="chat", messages=()))
    assert len({row.id for row in house.book.rows}) == 2


# ------------------------------------------------------------------------------------------------ retry and fallback


def test_a_dead_replica_never_sends_a_request_to_the_paid_fallback_while_a_sibling_lives() -> None:
    dead = Scripted(*[failure("refused") for _ in range(100)])
    house = House([local("dead"), local("healthy"), target("paid")], scripts={"dead": dead})

    async def run() -> None:
        for number in range(40):
            await house.dispatcher.complete(ask(number))
            house.time.now += 1.0

    asyncio.run(run())
    assert house.backends["paid"].calls == 0
    assert house.backends["healthy"].calls == 40
    assert house.backends["dead"].calls < 10, "its breaker opened"
    assert {row.deployment for row in house.book.rows} == {"healthy"}


def test_forty_at_once_neither() -> None:
    dead = Scripted(*[failure("refused") for _ in range(100)])
    house = House([local("dead"), local("healthy", concurrency=4, queue=50), target("paid")], scripts={"dead": dead})

    async def run() -> None:
        await asyncio.gather(*(house.dispatcher.complete(ask(number)) for number in range(40)))

    asyncio.run(run())
    assert (house.backends["paid"].calls, house.backends["healthy"].calls) == (0, 40)
    assert house.balanced()


@pytest.mark.parametrize("kind", sorted(FAULTS))
@pytest.mark.parametrize("streamed", [False, True])
def test_every_fault_falls_back_or_is_the_callers(kind: UpstreamKind, streamed: bool) -> None:
    house = House([local("own"), target("cloud")], scripts={"own": Scripted(failure(kind))}, retries=ONCE)
    ways = stream if streamed else complete
    if FAULTS[kind].fallback:
        ways(house)
        assert house.calls() == {"own": 1, "cloud": 1}
        assert [row.outcome for row in house.book.row.attempts] == [kind, "ok"]
    else:
        with pytest.raises(UpstreamError) as caught:
            ways(house)
        assert caught.value.upstream == kind
        assert house.calls() == {"own": 1, "cloud": 0}
    assert house.balanced()


@pytest.mark.parametrize("kind", sorted(FAULTS))
@pytest.mark.parametrize("accepted", [False, True])
def test_only_what_was_not_accepted_is_asked_again(kind: UpstreamKind, accepted: bool) -> None:
    house = House([target("cloud")], scripts={"cloud": Scripted(failure(kind, accepted=accepted))})
    again = FAULTS[kind].retry and not accepted
    if again:
        complete(house)
        assert len(house.time.slept) == 1
        assert 0.125 <= house.time.slept[0] <= 0.25
    else:
        with pytest.raises(UpstreamError):
            complete(house)
    assert house.backends["cloud"].calls == 1 + again
    assert len(house.book.row.attempts) == 1 + again


def test_waits_double_up_to_their_maximum() -> None:
    house = House(
        [target("cloud")],
        scripts={"cloud": Scripted(*[failure("overloaded") for _ in range(9)])},
        retries=Retries(attempts=6, backoff=1.0, backoff_max=4.0),
        breaker=BreakerRule(failures=99, minimum=99),
    )
    with pytest.raises(UpstreamError):
        complete(house)
    assert house.backends["cloud"].calls == 6
    for slept, longest in zip(house.time.slept, [1, 2, 4, 4, 4], strict=True):
        assert longest / 2 <= slept <= longest


def test_a_client_that_retries_by_itself_is_not_multiplied() -> None:
    house = House([target("cloud")], scripts={"cloud": Scripted(failure("rate_limited"))})
    with pytest.raises(UpstreamError):
        complete(house, ask(retries_by_client=1))
    assert house.backends["cloud"].calls == 1


def test_a_short_retry_after_is_waited_for() -> None:
    house = House([target("cloud")], scripts={"cloud": Scripted(failure("rate_limited", retry_after_s=3.0))})
    complete(house)
    assert house.time.slept == [3.0]


def test_a_long_retry_after_rests_the_deployment() -> None:
    house = House([target("cloud")], scripts={"cloud": Scripted(failure("rate_limited", retry_after_s=30.0))})
    with pytest.raises(UpstreamError):
        complete(house)
    assert house.time.slept == []
    with pytest.raises(NoTargetError) as caught:
        complete(house, ask(2))
    assert (caught.value.status, caught.value.retry_after_s) == (503, 30.0)
    assert house.backends["cloud"].calls == 1
    house.time.now += 30.0
    complete(house, ask(3))


def test_a_retry_after_is_honoured_where_one_goes_on_instead_of_waiting() -> None:
    house = House([local("a"), local("b")], scripts={"a": Scripted(failure("overloaded", retry_after_s=2.0))})
    complete(house)
    complete(house, ask(2))
    assert house.calls() == {"a": 1, "b": 2}
    house.time.now += 2.0
    complete(house, ask(3))
    assert house.calls() == {"a": 2, "b": 2}


def test_an_own_machine_that_is_busy_for_a_moment_is_asked_again_before_money_is_spent() -> None:
    house = House([local("own"), target("paid")], scripts={"own": Scripted(failure("overloaded"))})
    complete(house)
    assert house.calls() == {"own": 2, "paid": 0}


def test_fallbacks_are_counted() -> None:
    rows = [local(name) for name in "abcdef"]
    house = House(rows, scripts={row.id: Scripted(failure("reset", accepted=True)) for row in rows})
    with pytest.raises(UpstreamError):
        complete(house)
    assert sum(house.calls().values()) == 4, "the first and three fallbacks"


def test_no_fallback_is_none() -> None:
    house = House([local("a"), local("b")], scripts={"a": Scripted(failure("reset"))}, retries=Retries(fallbacks=0))
    with pytest.raises(UpstreamError):
        complete(house)
    assert house.backends["b"].calls == 0


def test_pinned_falls_back_to_nobody() -> None:
    house = House([target("a"), target("b")], policy="pinned", scripts={"a": Scripted(failure("cut", accepted=True))})
    with pytest.raises(UpstreamError):
        complete(house)
    assert house.calls() == {"a": 1, "b": 0}


def test_a_place_is_free_while_one_waits_to_try_again() -> None:
    house = House([local("own", concurrency=1)], scripts={"own": Scripted(failure("overloaded"))})
    seen = []
    asleep = house.time.sleep

    async def sleep(seconds: float) -> None:
        seen.append(house.places["own"].flying)
        await asleep(seconds)

    house.time.sleep = sleep  # type: ignore[method-assign]
    house.dispatcher._clock = house.time.clock()
    complete(house)
    assert seen == [0]
    assert house.balanced()


# -------------------------------------------------------------------------------------------- what may never happen


def test_the_law_is_asked_again_after_a_wait() -> None:
    allowed = [True]
    busy = asyncio.Event()
    house = House(
        [target("cloud", concurrency=1, queue=1)],
        law=lambda *_: None if allowed[0] else "the rules changed",
        scripts={"cloud": Scripted(busy)},
    )

    async def run() -> None:
        first = asyncio.create_task(house.dispatcher.complete(ask(1)))
        second = asyncio.create_task(house.dispatcher.complete(ask(2)))
        await until(lambda: house.places["cloud"].busy == (1, 1))
        allowed[0] = False
        busy.set()
        await first
        with pytest.raises(NoTargetError) as caught:
            await second
        assert caught.value.status == 422

    asyncio.run(run())
    assert house.backends["cloud"].calls == 1
    assert house.balanced()


def test_a_retry_and_a_fallback_ask_the_law_again() -> None:
    for policy in ("local_first", "cheapest"):
        allowed = {"own": True, "cloud": True}

        def law(row: Target, _ask: Any, allowed: dict[str, bool] = allowed) -> str | None:
            return None if allowed[row.id] else "the rules changed"

        scripts = {"own": Scripted(failure("overloaded"))}
        house = House([local("own"), target("cloud")], policy=policy, law=law, scripts=scripts)
        asleep = house.time.sleep

        async def sleep(seconds: float, allowed: dict[str, bool] = allowed, asleep: Any = asleep) -> None:
            allowed.update(own=False, cloud=False)
            await asleep(seconds)

        house.time.sleep = sleep  # type: ignore[method-assign]
        house.dispatcher._clock = house.time.clock()
        with pytest.raises(UpstreamError):
            complete(house)
        assert house.calls() == {"own": 1, "cloud": 0}


def test_a_fallback_whose_breaker_opened_meanwhile_is_left_out() -> None:
    house = House([local("a"), local("b"), local("c")])
    gate = asyncio.Event()
    house.backends["a"].steps = [gate]

    async def run() -> None:
        house.backends["a"].steps = [[gate, failure("reset")]]
        task = asyncio.create_task(pieces(house, ask()))
        await house.backends["a"].entered.wait()
        house.health.of("b").trip(house.time.now, "dead")
        gate.set()
        await task

    asyncio.run(run())
    assert house.calls() == {"a": 1, "b": 0, "c": 1}
    assert refusals(house)["b"] == "b rests: dead"


def test_no_more_probes_than_one_even_when_many_ask_at_once() -> None:
    house = House(
        [local("own"), local("spare")],
        budgets=(Budget(name="all", limit=10**9, period="day"),),
        breaker=BreakerRule(rest=5.0),
    )
    gate = asyncio.Event()
    house.backends["own"].steps = [gate]
    house.health.of("own").trip(house.time.now, "dead")
    house.time.now += 5.0

    async def run() -> None:
        tasks = [asyncio.create_task(house.dispatcher.complete(ask(number))) for number in range(20)]
        await until(lambda: house.backends["spare"].calls == 19)
        assert house.backends["own"].under_way == 1
        gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert house.health.of("own").state(house.time.now) == "closed"
    assert house.balanced()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_probe_whose_caller_leaves_gives_its_place_back(streamed: bool) -> None:
    house = House([local("own")])
    house.backends["own"].steps = [asyncio.Event()]
    house.health.of("own").trip(house.time.now, "dead")
    house.time.now += 5.0

    async def run() -> None:
        call: Any = pieces(house, ask()) if streamed else house.dispatcher.complete(ask())
        task = asyncio.create_task(call)
        await house.backends["own"].entered.wait()
        assert not house.health.of("own").allows(house.time.now)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(run())
    assert house.health.of("own").allows(house.time.now)
    assert house.health.of("own").state(house.time.now) == "half_open"
    assert house.balanced()


def test_a_probe_that_starts_to_answer_has_answered() -> None:
    """A long answer must not keep everybody else away."""
    house = House([local("own")])
    house.health.of("own").trip(house.time.now, "dead")
    house.time.now += 5.0

    async def run() -> None:
        async with aclosing(house.dispatcher.stream(ask())) as chunks:
            await anext(chunks)
            assert house.health.of("own").state(house.time.now) == "closed"

    asyncio.run(run())
    assert house.balanced()


@pytest.mark.parametrize("kind", ["bad_request", "unsupported", "context_length"])
def test_a_request_that_never_left_says_nothing_of_the_deployment(kind: UpstreamKind) -> None:
    for status, state in ((None, "half_open"), (400, "closed")):
        house = House([local("own")], scripts={"own": Scripted(failure(kind, status=status))})
        house.health.of("own").trip(house.time.now, "dead")
        house.time.now += 5.0
        with pytest.raises(UpstreamError):
            complete(house)
        assert house.health.of("own").state(house.time.now) == state
        assert house.balanced()


@pytest.mark.parametrize("error", [RequestError("wrong"), NoTargetError("nobody"), KeyError("a mistake of ours")])
@pytest.mark.parametrize("streamed", [False, True])
def test_whatever_a_backend_raises_places_and_probes_come_back(error: Exception, streamed: bool) -> None:
    house = House([local("own", concurrency=1)], scripts={"own": Scripted(error)})
    house.health.of("own").trip(house.time.now, "dead")
    house.time.now += 5.0
    with pytest.raises(type(error)):
        (stream if streamed else complete)(house)
    assert house.balanced()
    row = house.book.row
    assert row.status == "error"
    assert row.http_status == {"wrong": 400, "nobody": 503}.get(str(error.args[0]), 500)
    assert len(row.attempts) == 1
    assert (row.cost > 0) == isinstance(error, KeyError), "what went nowhere costs nothing"


# ----------------------------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize("kind", sorted(kind for kind, fault in FAULTS.items() if fault.fallback))
def test_a_failure_before_the_first_word_is_invisible(kind: UpstreamKind) -> None:
    house = House(
        [local("own"), target("cloud")],
        scripts={
            "own": Scripted([ROLE, PING, failure(kind, accepted=True)]),
            "cloud": Scripted([ROLE, say("hi"), end()]),
        },
    )
    chunks = stream(house)
    assert text_of(chunks) == "hi"
    assert len(chunks) == 3, "the announcement of the one that failed never leaks"
    assert chunks[0].served is not None
    assert (chunks[0].served.deployment, chunks[0].served.attempts) == ("cloud", 2)
    assert house.book.row.status == "ok"
    assert house.balanced()


@pytest.mark.parametrize(
    "delta",
    [
        Delta(text="x"),
        Delta(thinking="x"),
        Delta(tool=ToolDelta(index=0, id="1", name="look")),
        Delta(refusal="x"),
        Delta(redacted="x"),
    ],
)
def test_a_failure_after_it_is_an_error_and_no_fallback(delta: Delta) -> None:
    first = ChatChunk(deltas=(delta,))
    house = House([local("own"), target("cloud")], scripts={"own": Scripted([ROLE, first, failure("reset")])})
    seen = []

    async def run() -> None:
        async for chunk in house.dispatcher.stream(ask()):
            seen.append(chunk)  # noqa: PERF401 - what was seen before the error is the point

    with pytest.raises(UpstreamError):
        asyncio.run(run())
    assert [chunk.deltas for chunk in seen] == [ROLE.deltas, first.deltas]
    assert house.calls() == {"own": 1, "cloud": 0}
    row = house.book.row
    assert (row.status, row.error, row.http_status) == ("truncated", "reset", 200)
    assert house.health.of("own")._row == 1
    assert house.balanced()


def test_what_was_written_before_a_break_is_priced() -> None:
    for error in (failure("cut", accepted=True), failure("server_error", accepted=True)):
        house = House([target("cloud", price=(10, 40))], scripts={"cloud": Scripted([say("x" * 400), error])})
        with pytest.raises(UpstreamError):
            stream(house)
        row = house.book.row
        assert (row.input_tokens, row.output_tokens, row.output_basis) == (PROMPT, 100, "estimated")
        assert row.cost == row.marginal == 10 * PROMPT + 40 * 100


@pytest.mark.parametrize(
    "items",
    [
        [],
        [ROLE],
        [PING, ROLE, PING],
        [ROLE, end(usage=None)],
        [end(usage=Usage(input=100))],
        [ChatChunk(usage=Usage(input=100)), end(usage=None)],
    ],
)
def test_an_empty_stream_is_a_failure(items: list[Any]) -> None:
    house = House([local("own"), target("cloud")], scripts={"own": Scripted(items)})
    assert text_of(stream(house)) == "fine"
    assert house.book.row.attempts[0].outcome == ("empty" if items and items[-1].last else "cut")
    assert house.health.of("own")._row == 1
    assert house.balanced()


@pytest.mark.parametrize(
    "items",
    [
        [ROLE, end(usage=Usage(input=100, output=50, reasoning=50), finish="length")],
        [end(usage=Usage(input=100, output=50, reasoning=50))],
        [ChatChunk(usage=Usage(input=100, output=7)), end(usage=None)],
        [ROLE, end(usage=None, finish="content_filter")],
        [ChatChunk(deltas=(Delta(finish="length"),)), ChatChunk(last=True)],
    ],
)
def test_an_answer_without_words_is_an_answer(items: list[Any]) -> None:
    house = House([local("own"), target("cloud")], scripts={"own": Scripted(items)})
    chunks = stream(house)
    assert len(chunks) == len(items)
    assert chunks[0].served is not None
    assert chunks[-1].served is not None
    assert chunks[-1].served.deployment == "own"
    assert house.calls() == {"own": 1, "cloud": 0}


def test_a_stream_that_stops_without_an_end_was_cut() -> None:
    house = House([local("own")], scripts={"own": Scripted([say("half an ans")])})
    with pytest.raises(UpstreamError) as caught:
        stream(house)
    assert caught.value.upstream == "cut"
    assert house.book.row.status == "truncated"


def test_nothing_after_the_end_reaches_the_client() -> None:
    items: list[Any] = [say("fine"), end(), say("and more"), failure("cut")]
    house = House([local("own")], scripts={"own": Scripted(items)})
    assert text_of(stream(house)) == "fine"
    assert house.book.row.status == "ok"
    assert house.health.of("own")._row == 0


def test_a_stream_of_one_piece() -> None:
    piece = ChatChunk(deltas=(Delta(text="all", finish="stop"),), usage=Usage(input=1, output=1), last=True)
    house = House([local("own")], scripts={"own": Scripted([piece])})
    (only,) = stream(house)
    assert only.served is not None
    assert only.served.cost is not None


def test_a_stream_that_announces_for_ever_is_no_answer() -> None:
    house = House([local("own"), target("cloud")], scripts={"own": Scripted([PING] * 5000)})
    assert text_of(stream(house)) == "fine"
    assert house.book.row.attempts[0].outcome == "malformed"


def test_the_last_usage_counts_whole() -> None:
    usages = [Usage(input=90, output=1), Usage(input=100, output=2), Usage(input=100, output=30, reasoning=10)]
    items: list[Any] = [ChatChunk(deltas=(Delta(text="x"),), usage=usage) for usage in usages]
    house = House([target("cloud", price=(10, 40))], scripts={"cloud": Scripted([*items, end(usage=None)])})
    stream(house)
    row = house.book.row
    assert (row.input_tokens, row.output_tokens, row.reasoning, row.output_basis) == (100, 30, 10, "measured")
    assert row.cost == 100 * 10 + 30 * 40


def test_parameters_that_were_dropped_are_named() -> None:
    first = ChatChunk(deltas=(Delta(),), dropped=("seed",))
    house = House([local("own")], scripts={"own": Scripted([first, say("x"), end()])})
    chunks = stream(house)
    assert chunks[0].served is not None
    assert chunks[0].served.dropped == ("seed",)
    assert house.book.row.dropped == ("seed",)


# ----------------------------------------------------------------------------------------------------- callers leave


@pytest.mark.parametrize("deadline_s", [None, 1000.0])
def test_whoever_closes_a_stream_early_ends_the_call_upstream(deadline_s: float | None) -> None:
    house = House([target("cloud", concurrency=1)], scripts={"cloud": Scripted([say("x" * 40), asyncio.Event()])})

    async def run() -> None:
        async with aclosing(house.dispatcher.stream(ask(deadline_s=deadline_s))) as chunks:
            await anext(chunks)
            assert house.places["cloud"].flying == 1
        assert house.backends["cloud"].cancelled == 1, "at once, not when it is collected"

    asyncio.run(run())
    row = house.book.row
    assert (row.status, row.http_status, row.error) == ("cancelled", 499, "")
    assert (row.input_tokens, row.output_tokens, row.output_basis) == (PROMPT, 10, "estimated")
    assert [attempt.outcome for attempt in row.attempts] == ["cancelled"]
    assert row.marginal == row.cost > 0
    assert house.balanced()


def test_whoever_stops_reading_at_the_end_has_the_whole_answer() -> None:
    house = House([target("cloud")])

    async def run() -> None:
        async with aclosing(house.dispatcher.stream(ask())) as chunks:
            async for chunk in chunks:
                if chunk.last:
                    break

    asyncio.run(run())
    row = house.book.row
    assert (row.status, row.output_basis, row.output_tokens) == ("ok", "measured", 20)
    assert house.balanced()


@pytest.mark.parametrize("streamed", [False, True])
def test_cancelled_while_the_model_works(streamed: bool) -> None:
    house = House([target("cloud", concurrency=1)], scripts={"cloud": Scripted(asyncio.Event())})

    async def run() -> None:
        call: Any = pieces(house, ask()) if streamed else house.dispatcher.complete(ask())
        task = asyncio.create_task(call)
        await house.backends["cloud"].entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert house.backends["cloud"].cancelled == 1, "at once, not when it is collected"

    asyncio.run(run())
    row = house.book.row
    assert (row.status, row.input_basis, row.input_tokens) == ("cancelled", "estimated", PROMPT)
    assert house.balanced()


def test_cancelled_while_waiting_for_a_place() -> None:
    gate = asyncio.Event()
    house = House([local("own", concurrency=1, queue=3)], scripts={"own": Scripted(gate)})

    async def run() -> None:
        first = asyncio.create_task(house.dispatcher.complete(ask(1)))
        await house.backends["own"].entered.wait()
        second = asyncio.create_task(house.dispatcher.complete(ask(2)))
        await until(lambda: house.places["own"].waiting == 1)
        second.cancel()
        await asyncio.wait([second])
        gate.set()
        await first

    asyncio.run(run())
    left = next(row for row in house.book.rows if row.id == "r-2")
    assert (left.status, left.attempts, left.cost, left.deployment) == ("cancelled", (), 0, "")
    assert house.balanced()


def test_cancelled_while_waiting_to_try_again() -> None:
    house = House(
        [target("cloud")],
        scripts={"cloud": Scripted(failure("overloaded"))},
        budgets=(Budget(name="small", limit=10**9, period="day"),),
    )
    asleep = asyncio.Event()

    async def sleep(seconds: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    house.time.sleep = sleep  # type: ignore[method-assign]
    house.dispatcher._clock = house.time.clock()

    async def run() -> None:
        task = asyncio.create_task(house.dispatcher.complete(ask()))
        await asleep.wait()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(run())
    row = house.book.row
    assert (row.status, row.marginal, row.reserved) == ("cancelled", 0, True)
    assert [attempt.outcome for attempt in row.attempts] == ["overloaded"]
    assert house.balanced()


def test_cancelled_while_the_ledger_reserves() -> None:
    """The reservation may have been made: the row settles it all the same."""
    house = House([target("cloud")], budgets=(Budget(name="small", limit=10**9, period="day"),))
    house.book.gate = asyncio.Event()

    async def run() -> None:
        task = asyncio.create_task(house.dispatcher.complete(ask()))
        await until(lambda: bool(house.book.reserved))
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(run())
    assert (house.book.row.status, house.book.row.reserved) == ("cancelled", True)
    assert house.balanced()
    assert house.book.spent == {"small": 0}


def test_a_generator_that_is_dropped_cleans_up_with_the_loop() -> None:
    house = House([target("cloud", concurrency=1)], scripts={"cloud": Scripted([say("x"), asyncio.Event()])})

    async def run() -> None:
        chunks = house.dispatcher.stream(ask())
        await anext(chunks)
        del chunks

    asyncio.run(run())
    assert house.book.row.status == "cancelled"
    assert house.balanced()


# ----------------------------------------------------------------------------------------------------------- budgets


def budget(limit: int) -> tuple[Budget, ...]:
    return (Budget(name="small", limit=limit, period="day"),)


MOST = 10 * 125 + 40 * 50  # the prompt with its margin and the stated maximum, at (10, 40)


def test_the_highest_price_is_set_aside_and_the_real_one_settled() -> None:
    house = House([target("cloud")], budgets=budget(10**6))
    complete(house)
    assert house.book.asked == [MOST]
    assert house.book.spent == {"small": 100 * 10 + 20 * 40}
    assert house.book.row.reserved
    assert house.balanced()


def test_without_a_stated_maximum_a_stated_rule_counts() -> None:
    house = House([target("cloud")], budgets=budget(10**6), reserve_output=1000)
    complete(house, ask(max_tokens=None))
    assert house.book.asked == [10 * 125 + 40 * 1000]


def test_a_request_too_dear_is_refused_and_recorded() -> None:
    house = House([target("cloud")], budgets=budget(MOST - 1))
    with pytest.raises(RequestError) as caught:
        complete(house)
    assert (caught.value.status, caught.value.code) == (429, "budget_exceeded")
    assert "small" in str(caught.value)
    row = house.book.row
    assert (row.status, row.http_status, row.error, row.reserved) == ("refused", 429, "budget_exceeded", False)
    assert row.refused[0][0] == "cloud"
    assert row.codes == ("budget",)
    assert house.backends["cloud"].calls == 0


def test_own_machines_still_answer_when_the_money_is_gone() -> None:
    house = House([target("cloud", quality=9), local("own")], policy="quality_first", budgets=budget(0))
    served = complete(house).served
    assert served is not None
    assert served.deployment == "own"
    assert "small" in refusals(house)["cloud"]


def test_an_answer_from_an_own_machine_sets_nothing_aside() -> None:
    house = House([local("own"), target("cloud")], budgets=budget(0))
    complete(house)
    assert house.book.asked == []
    assert (house.book.row.marginal, house.book.row.cost, house.book.row.reserved) == (0, 120, False)


def test_the_dear_one_is_left_out_and_the_cheap_one_answers() -> None:
    rows = [target("dear", quality=9, price=(1000, 4000)), target("cheap", quality=1)]
    house = House(rows, policy="quality_first", budgets=budget(MOST))
    served = complete(house).served
    assert served is not None
    assert served.deployment == "cheap"


def test_an_answer_says_why_those_before_it_did_not_answer() -> None:
    rows = [target("a", quality=9), target("b", quality=8, price=(0, 0)), target("c", quality=7, price=(0, 0))]
    script = {"b": Scripted(failure("tls"))}
    house = House(rows, policy="quality_first", budgets=budget(MOST - 1), scripts=script)
    said = "quality_first: a, its stated quality is highest; the budget small has too little left for a; b: tls; so c"
    served = complete(house).served
    assert served is not None
    assert served.reason == said
    assert house.book.row.decision == "quality_first: a, its stated quality is highest"


def test_a_price_nobody_knows_cannot_be_held_by_a_budget() -> None:
    house = House([target("cloud", price=None)], budgets=budget(10**9))
    with pytest.raises(NoTargetError) as caught:
        complete(house)
    assert caught.value.status == 422
    assert house.backends["cloud"].calls == 0
    complete(House([target("cloud", price=None)]))


def test_what_cannot_be_written_down_is_not_spent_and_own_machines_still_answer() -> None:
    async def broken(*_: object) -> None:
        raise StoreError("the disk is full")

    house = House([target("cloud"), target("own", operator="own")], policy="quality_first", budgets=budget(10**9))
    house.book.reserve = broken  # type: ignore[assignment, method-assign]
    served = complete(house).served
    assert served is not None
    assert served.deployment == "own"
    house = House([target("cloud")], budgets=budget(10**9))
    house.book.reserve = broken  # type: ignore[assignment, method-assign]
    with pytest.raises(NoTargetError, match="the ledger cannot be written") as caught:
        complete(house)
    assert caught.value.status == 503
    assert house.backends["cloud"].calls == 0


def test_a_second_paid_attempt_sets_aside_what_the_first_one_used() -> None:
    house = House(
        [target("a"), target("b")],
        policy="cheapest",
        scripts={"a": Scripted(failure("cut", accepted=True))},
        budgets=budget(10**6),
    )
    complete(house)
    assert house.book.asked == [MOST, 10 * PROMPT]  # the first attempt may have been billed for the prompt
    row = house.book.row
    assert house.book.spent["small"] == row.marginal == 10 * PROMPT + 100 * 10 + 20 * 40
    assert house.balanced()


def test_an_attempt_that_cost_nothing_leaves_its_reservation_to_the_next() -> None:
    house = House(
        [target("a"), target("b")], policy="cheapest", scripts={"a": Scripted(failure("refused"))}, budgets=budget(MOST)
    )
    complete(house)
    assert house.book.asked == [MOST]


def test_no_money_for_a_fallback_is_the_failure_of_the_first() -> None:
    house = House(
        [target("a"), target("b")],
        policy="cheapest",
        scripts={"a": Scripted(failure("cut", accepted=True))},
        budgets=budget(MOST),
    )
    with pytest.raises(UpstreamError) as caught:
        complete(house)
    assert caught.value.upstream == "cut"
    assert house.backends["b"].calls == 0
    assert house.balanced()


@pytest.mark.parametrize("streamed", [False, True])
def test_two_hundred_at_once_never_overspend(streamed: bool) -> None:
    house = House([target("cloud")], budgets=budget(10 * MOST), scripts={"cloud": Scripted()})
    house.backends["cloud"].steps = [answer(usage=Usage(input=125, output=50)) for _ in range(200)]

    async def run() -> list[Any]:
        def call(number: int) -> Any:
            return pieces(house, ask(number)) if streamed else house.dispatcher.complete(ask(number))

        return await asyncio.gather(*(call(number) for number in range(200)), return_exceptions=True)

    done = asyncio.run(run())
    refused = [one for one in done if isinstance(one, RequestError)]
    assert house.book.spent["small"] <= 10 * MOST
    assert house.backends["cloud"].calls == 200 - len(refused)
    assert len(house.book.rows) == 200
    assert house.balanced()


# ------------------------------------------------------------------------------------------------- queue and overflow


def full(house: House) -> None:
    """Every place of the own machine is taken."""
    for _ in range(house.places["own"].limit):
        assert house.places["own"].take()


def test_a_busy_machine_without_overflow_is_503_and_never_paid() -> None:
    house = House([local("own", concurrency=1), target("paid")])
    full(house)
    with pytest.raises(NoTargetError) as caught:
        complete(house)
    assert caught.value.status == 503
    assert {(name, code) for name, code, _ in caught.value.refused} == {("own", "busy"), ("paid", "overflow")}
    assert house.backends["paid"].calls == 0
    assert house.book.row.status == "refused"


def test_with_overflow_the_paid_one_answers() -> None:
    house = House([local("own", concurrency=1), target("paid")], overflow=True)
    full(house)
    served = complete(house).served
    assert served is not None
    assert served.deployment == "paid"
    assert "busy" in refusals(house)["own"]


def test_a_free_sibling_answers_instead_of_the_paid_one() -> None:
    house = House([local("own", concurrency=1), local("other"), target("paid")], overflow=True)
    full(house)
    complete(house)
    assert house.calls() == {"own": 0, "other": 1, "paid": 0}


def test_an_own_machine_that_failed_is_no_overflow() -> None:
    house = House([local("own"), target("paid")], scripts={"own": Scripted(failure("reset", accepted=True))})
    complete(house)
    assert house.calls() == {"own": 1, "paid": 1}


def test_waiting_is_worth_it_while_the_deadline_is_far() -> None:
    gate = asyncio.Event()
    house = House(
        [local("own", concurrency=1, queue=1), target("paid")], overflow=True, scripts={"own": Scripted(gate)}
    )

    async def run() -> None:
        first = asyncio.create_task(house.dispatcher.complete(ask(1)))
        await house.backends["own"].entered.wait()
        second = asyncio.create_task(house.dispatcher.complete(ask(2, deadline_s=1000.0)))
        await until(lambda: house.places["own"].waiting == 1)
        house.time.now += 2.0
        gate.set()
        await asyncio.gather(first, second)

    asyncio.run(run())
    assert house.calls() == {"own": 2, "paid": 0}
    row = next(row for row in house.book.rows if row.id == "r-2")
    assert row.queue_ms == 2000.0


@pytest.mark.parametrize(("overflow", "calls"), [(True, 1), (False, 0)])
def test_a_queue_that_would_break_the_deadline_overflows_where_that_is_allowed(overflow: bool, calls: int) -> None:
    house = House([local("own", concurrency=1, queue=5, queue_wait=1000.0), target("paid")], overflow=overflow)
    full(house)

    async def run() -> None:
        await house.dispatcher.complete(ask(deadline_s=0.02))

    if overflow:
        asyncio.run(run())
    else:
        with pytest.raises(NoTargetError):
            asyncio.run(run())
    assert house.calls() == {"own": 0, "paid": calls}
    assert house.places["own"].busy == (1, 0)


@pytest.mark.parametrize(
    ("overflow", "deadline_s", "waited"),
    [(True, None, 10.0), (True, 12.0, 6.0), (False, 12.0, 10.0), (False, 8.0, 8.0), (True, 1000.0, 10.0)],
)
def test_half_of_the_time_is_left_for_whoever_could_answer_then(
    overflow: bool, deadline_s: float | None, waited: float
) -> None:
    class Noting(Places):
        async def wait(self, seconds: float) -> bool:
            times.append(seconds)
            return False

    times: list[float] = []
    house = House([local("own", concurrency=1, queue=5), target("paid")], overflow=overflow)
    house.places["own"] = Noting(1, 5)
    full(house)
    if overflow:
        complete(house, ask(deadline_s=deadline_s))
    else:
        with pytest.raises(NoTargetError):
            complete(house, ask(deadline_s=deadline_s))
    assert times == [waited]


@pytest.mark.parametrize("streamed", [False, True])
def test_the_callers_deadline_ends_a_call_and_is_no_verdict(streamed: bool) -> None:
    """Else a caller with no patience could rest every deployment for everybody."""
    house = House([target("cloud"), target("other")], policy="pinned")
    house.backends["cloud"].steps = [asyncio.Event() for _ in range(5)]
    for number in range(5):
        with pytest.raises(UpstreamError) as caught:
            (stream if streamed else complete)(house, ask(number, deadline_s=0.005))
        assert (caught.value.upstream, caught.value.status) == ("total_timeout", 504)
    assert house.backends["cloud"].calls == house.backends["cloud"].cancelled == 5
    assert house.health.of("cloud").state(house.time.now) == "closed"
    assert {row.status for row in house.book.rows} == {"error"}
    assert house.balanced()


def test_a_deadline_in_the_middle_of_a_stream_is_an_error_the_client_sees() -> None:
    house = House([target("cloud")], scripts={"cloud": Scripted([say("x"), asyncio.Event()])})
    with pytest.raises(UpstreamError):
        stream(house, ask(deadline_s=0.01))
    assert house.book.row.status == "truncated"
    assert house.backends["cloud"].cancelled == 1
    assert house.balanced()


def test_a_deadline_that_nobody_touches_changes_nothing() -> None:
    house = House([target("cloud")])
    assert text_of(stream(house, ask(deadline_s=1000.0))) == "fine"
    complete(house, ask(2, deadline_s=1000.0))
    assert [row.status for row in house.book.rows] == ["ok", "ok"]


def test_a_time_out_of_the_backends_own_making_is_not_the_deadline() -> None:
    house = House([target("cloud")], scripts={"cloud": Scripted(TimeoutError())})
    with pytest.raises(TimeoutError):
        complete(house, ask(deadline_s=1000.0))


def test_no_time_left_means_no_further_attempt() -> None:
    house = House([local("a"), local("b")], scripts={"a": Scripted([failure("reset")])})
    backend = house.backends["a"]
    entered = backend._begin

    def late() -> Any:
        house.time.now += 10.0
        return entered()

    backend._begin = late  # type: ignore[method-assign]
    with pytest.raises(UpstreamError) as caught:
        stream(house, ask(deadline_s=5.0))
    assert caught.value.upstream in ("reset", "total_timeout")
    assert house.backends["b"].calls == 0


# ---------------------------------------------------------------------------------------------- wrong, and refused


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (ask(model="chatt"), 404, "model_not_found"),
        (ask(policy="cheapst"), 400, "unknown_policy"),
        (ask(sensitivity="hart"), 400, "unknown_name"),
        (ask(metadata={"sensitivity": 7}), 400, "bad_label"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_wrong_is_said_and_recorded(request_: ChatRequest, status: int, code: str, streamed: bool) -> None:
    house = House([local("own")])
    with pytest.raises(RequestError) as caught:
        (stream if streamed else complete)(house, request_)
    assert (caught.value.status, caught.value.code) == (status, code)
    row = house.book.row
    assert (row.status, row.http_status, row.error, row.id, row.key) == ("refused", status, code, "r-1", "k")
    assert house.backends["own"].calls == 0


def test_a_name_is_no_place_to_store_text_in() -> None:
    house = House([local("own")])
    with pytest.raises(RequestError):
        complete(house, ask(model="x" * 10_000))
    assert house.book.row.asked == "(no name)"


def test_rules_that_leave_nobody_are_422_and_what_may_pass_is_503() -> None:
    house = House([target("cloud")], law=no_cloud)
    with pytest.raises(NoTargetError) as caught:
        complete(house)
    assert caught.value.status == 422
    assert caught.value.refused == (("cloud", "law", "not there"),)
    house = House([target("cloud"), target("other")], law=no_cloud)
    house.health.of("other").pause(house.time.now, "rate_limited", 7.0)
    with pytest.raises(NoTargetError) as caught:
        complete(house)
    assert (caught.value.status, caught.value.retry_after_s) == (503, 7.0)
    house.time.now += 6.9
    with pytest.raises(NoTargetError) as caught:
        complete(house)
    assert caught.value.retry_after_s == 1.0, "not a fraction of a second"


@pytest.mark.parametrize(
    "where",
    [
        {"request": ask(sensitivity="local_only")},
        {"request": ask(metadata={"sensitivity": "local_only"})},
        {"house": {"local_only": True}},
    ],
)
def test_local_only_from_everywhere(where: dict[str, Any]) -> None:
    house = House([target("cloud"), local("own")], policy="pinned", **where.get("house", {}))
    with pytest.raises(NoTargetError):
        complete(house, where.get("request"))
    assert house.calls() == {"cloud": 0, "own": 0}


def test_a_label_beside_texts_to_embed_counts_as_well() -> None:
    """OpenAI's embeddings know no metadata: whoever sends a label there means it all the same."""
    house = House([target("cloud"), local("own")], policy="pinned")
    body = {"model": "chat", "input": "a", "metadata": {"sensitivity": "local_only"}}
    with pytest.raises(NoTargetError):
        asyncio.run(house.dispatcher.embed(openai.read_embed(body)))
    with pytest.raises(RequestError, match="metadata must be an object"):
        asyncio.run(house.dispatcher.embed(openai.read_embed({**body, "metadata": "local_only"})))
    assert house.calls() == {"cloud": 0, "own": 0}


def test_labels_add_up() -> None:
    seen: list[Sensitivity] = []

    def law(_row: Target, asked: Any) -> str | None:
        seen.append(asked.sensitivity)
        return None

    house = House([local("own")], law=law, sensitivity=label("personal"))
    complete(house, ask(sensitivity="health", metadata={"sensitivity": "none"}))
    assert seen[0] == Sensitivity("hard", frozenset({"personal", "health"}))
    assert house.book.row.categories == ("health", "personal")
    assert house.book.row.tier == "hard"


def test_a_policy_for_one_request() -> None:
    house = House([local("own", quality=1), target("cloud", quality=2)])
    complete(house, ask(policy="quality_first"))
    assert house.calls() == {"own": 0, "cloud": 1}
    assert house.book.row.policy == "quality_first"


def test_fastest_learns_from_what_it_sees() -> None:
    house = House([target("slow"), target("quick")], policy="fastest")
    for name, seconds in (("slow", 2.0), ("quick", 0.1)):
        backend = house.backends[name]
        entered = backend._begin

        def late(seconds: float = seconds, entered: Any = entered) -> Any:
            house.time.now += seconds
            return entered()

        backend._begin = late  # type: ignore[method-assign]

    async def run() -> None:
        for number in range(6):
            await pieces(house, ask(number))

    asyncio.run(run())
    assert house.calls() == {"slow": 1, "quick": 5}


@pytest.mark.parametrize(
    ("empty", "counts"),
    [
        (ChatResponse(choices=()), True),
        (answer("", usage=None), True),
        (answer("", usage=Usage(input=5)), True),
        (answer("", usage=Usage(input=5, output=9, reasoning=9)), False),
        (answer("", usage=None, finish="content_filter"), False),
        (answer("", usage=None, finish="length"), False),
        (ChatResponse(choices=(Choice(message=Message("assistant", (ToolCall("1", "f"),)), finish="stop"),)), False),
    ],
)
def test_an_empty_answer_is_a_failure_in_one_piece_too(empty: ChatResponse, counts: bool) -> None:
    house = House([local("own"), local("other")], scripts={"own": Scripted(empty)})
    complete(house)
    assert house.backends["other"].calls == counts


def test_no_vectors_are_no_answer() -> None:
    house = House([local("own")], scripts={"own": Scripted(EmbedResponse(vectors=()))})
    with pytest.raises(UpstreamError) as caught:
        asyncio.run(house.dispatcher.embed(EmbedRequest(model="chat", inputs=("a",))))
    assert caught.value.upstream == "empty"


def test_a_reload_leaves_requests_under_way_what_they_began_with() -> None:
    gate = asyncio.Event()
    house, after = House([local("own", concurrency=1)], scripts={"own": Scripted(gate)}), House([local("new")])

    async def run() -> None:
        task = asyncio.create_task(house.dispatcher.complete(ask(1)))
        await house.backends["own"].entered.wait()
        house.dispatcher.plant = after.plant
        await house.dispatcher.complete(ask(2))
        gate.set()
        await task

    asyncio.run(run())
    assert [row.deployment for row in house.book.rows] == ["new", "own"]
    assert house.balanced()


def test_bodies_are_kept_only_where_somebody_asks_for_them_and_only_of_the_answer_that_was_given() -> None:
    kept: list[tuple[str, str, str]] = []

    def keep(name: str, _time: float, asked: str, answered: str) -> None:
        kept.append((name, asked, answered))

    house = House([target("a")], keep=keep)
    answer = complete(house)
    assert kept[0][2] == answer.text
    assert answer.text
    house = House([target("a"), target("b")], policy="cheapest", scripts={"a": Scripted(failure("refused"))}, keep=keep)
    answer = complete(house)
    assert kept[-1][0] == house.book.row.id
    assert kept[-1][2] == answer.text
