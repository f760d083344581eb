"""What is read of an answer: from the exact server on a real socket, from servers that fail, and from any Backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from crossover.chat import ChatChunk, ChatRequest, Delta, Served
from crossover.egress import Guard
from crossover.errors import EgressError, UpstreamError
from crossover.loadtest.drive import Limits, Log, drive
from crossover.loadtest.exact import BESIDE, Exact, ExactServer
from crossover.loadtest.prompts import Synthetic, calibrate
from crossover.loadtest.targets import Direct, Reading, Tape, Target, Through
from crossover.loadtest.words import Ask, Load, Run
from crossover.providers.answers import Answer
from crossover.providers.fakes import FakeBackend
from crossover.providers.faulty import Fault, FaultyServer, Step
from crossover.providers.http import HttpBackend
from crossover.providers.registry import profile, provider
from crossover.transport import Transport, endpoint
from crossover.usage import Usage
from tests.loadtest.test_prompts import tokens

ASK = Ask(messages=(("user", "one two three"),), input_tokens=3, output_tokens=4)
OWN = msgspec.structs.replace(ASK, synthetic=False)


def backend(transport: Transport, url: str, guard: Guard | None = None) -> HttpBackend:
    row = provider("openai-compatible")
    return HttpBackend(row, profile(row, "m"), endpoint(f"{url}/v1"), transport, guard=guard, place="api")


def tape() -> Tape:
    return Tape(time.perf_counter)


def work(one: Callable[[Transport], Awaitable[None]]) -> None:
    """Run something with a transport of its own."""

    async def whole() -> None:
        transport = Transport()
        try:
            await one(transport)
        finally:
            await transport.aclose()

    asyncio.run(asyncio.wait_for(whole(), 30))


async def asked(target: Target, ask: Ask = ASK) -> Tape:
    noted = tape()
    await target.ask(ask, noted)
    return noted


def test_the_exact_server_is_read_to_its_end() -> None:
    async def one(transport: Transport) -> None:
        async with ExactServer(Exact(ttft_s=0, itl_s=0, reasoning=1)) as server:
            target = Direct(backend(transport, server.url))
            for _ in range(2):
                noted = await asked(target)
                assert len(noted.times) == 4
                assert noted.usage == Usage(input=3 + BESIDE, output=4, reasoning=1)
                assert noted.finish == "length"
                assert noted.ended is not None
                assert noted.thought
                assert noted.visible is not None
                assert noted.sent <= noted.times[0] <= noted.times[-1] <= noted.ended
            assert transport.stats.made == 1  # the connection was kept

    work(one)


def test_a_whole_run_against_the_exact_server() -> None:
    async def one(transport: Transport) -> None:
        async with ExactServer(Exact(ttft_s=0, itl_s=0, slots=2)) as server:
            load = Load(concurrency=5)
            source = Synthetic(tokens(60, out=3), seed=1)
            found = await drive(Direct(backend(transport, server.url)), source, load, Limits(requests=20), Log(load))
            assert [shot.error for shot in found.shots] == [""] * 20
            assert {(shot.input, shot.output, shot.input_basis) for shot in found.shots} == {
                (60 + BESIDE, 3, "measured")
            }
            assert found.shots[0].connect_s > 0
            assert server.busy == 0

    work(one)


def test_prompts_are_calibrated_by_what_the_target_counts() -> None:
    async def one(transport: Transport) -> None:
        async with ExactServer(Exact(ttft_s=0, itl_s=0)) as server:
            target, source, counted = Direct(backend(transport, server.url)), Synthetic(tokens(500), seed=1), []
            for count in (48, 304):
                usage = (await asked(target, source.probe(count))).usage
                assert usage is not None
                counted.append((count, usage.input))
            scale = calibrate(counted)
            assert (scale.per_word, scale.beside) == (1.0, BESIDE)
            usage = (await asked(target, source.scaled(scale).ask(0))).usage
            assert usage is not None
            assert usage.input == 500

    work(one)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("rate_limited", "rate_limited"),
        ("auth", "auth"),
        ("html", "malformed"),
        ("reset", "reset"),
        ("empty", "empty"),
        ("inband_error", "server_error"),
        ("cut", "cut"),
        ("unfinished", "cut"),
        (Fault(kind="context_length"), "context_length"),
    ],
)
@pytest.mark.parametrize("way", ["direct", "through"])
def test_failures_have_their_kind(step: Step, kind: str, way: str) -> None:
    async def one(transport: Transport) -> None:
        async with FaultyServer("openai", script=step) as server:
            model = backend(transport, server.url)
            target = Direct(model) if way == "direct" else Through(model, "m", limit_s=9)
            with pytest.raises(UpstreamError) as caught:
                await asked(target)
            assert caught.value.upstream == kind
            assert transport.stats.busy == 0

    work(one)


def test_a_broken_event_is_no_token_and_no_failure() -> None:
    async def one(transport: Transport) -> None:
        async with FaultyServer("openai", script="malformed") as server:
            noted = await asked(Direct(backend(transport, server.url)))
            assert len(noted.times) == len(Answer().words)

    work(one)


def test_both_ways_note_the_same() -> None:
    async def one(transport: Transport) -> None:
        async with FaultyServer(
            "openai", script=Answer(text="a b c", thinking="hm", usage=Usage(input=9, output=4))
        ) as server:
            model = backend(transport, server.url)
            direct, through = await asked(Direct(model)), await asked(Through(model, "m", limit_s=9))
            for noted in (direct, through):
                assert noted.usage == Usage(input=9, output=4)
                assert noted.thought
                assert noted.finish == "stop"
            assert len(direct.times) == len(through.times)

    work(one)


def test_engines_are_told_what_only_they_know() -> None:
    async def one(transport: Transport) -> None:
        async with FaultyServer("openai", script=Answer()) as server:
            await asked(Direct(backend(transport, server.url), extra={"ignore_eos": True}))
            tree = server.journal[0].tree
            assert tree["ignore_eos"] is True
            assert tree["max_tokens"] == 4
            assert tree["stream"] is True
            assert tree["stream_options"] == {"include_usage": True}

    work(one)


# --------------------------------------------------------------------------------------------------- what may leave


@pytest.mark.parametrize("way", ["direct", "through"])
def test_only_synthetic_text_goes_outside_directly(way: str) -> None:
    async def one(transport: Transport) -> None:
        async with FaultyServer("openai", script=Answer()) as server:
            guard = Guard()
            model = backend(transport, server.url, guard)
            target: Target = (
                Direct(model, guard=guard)
                if way == "direct"
                else Through(model, "m", limit_s=9, guard=guard, place="api")
            )
            await asked(target)
            assert len(server.journal) == 1
            with pytest.raises(EgressError, match="own prompts"):
                await asked(target, OWN)
            assert len(server.journal) == 1

    work(one)


def test_a_backend_outside_without_our_guard_is_called_by_nobody() -> None:
    async def one(transport: Transport) -> None:
        async with FaultyServer("openai", script=Answer()) as server:
            with pytest.raises(EgressError):
                await asked(Direct(backend(transport, server.url, Guard())))
            assert not server.journal

    work(one)


# ------------------------------------------------------------------------------------------------------ any Backend


def test_any_backend_can_be_driven() -> None:
    load = Load(concurrency=2)

    async def whole() -> Run:
        fake = FakeBackend(Answer(text="a b", usage=Usage(input=5, output=2)))
        return await drive(
            Through(fake, "m", limit_s=9), Synthetic(tokens(20), seed=1), load, Limits(requests=6), Log(load)
        )

    found = asyncio.run(whole())
    assert [(shot.error, len(shot.times), shot.input, shot.output) for shot in found.shots] == [("", 2, 5, 2)] * 6


def test_who_answered_is_noted() -> None:
    class Routed(FakeBackend):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
            served = Served(request_id="r", deployment="tiny", model="m", zone="here", policy="pinned", reason="")
            yield ChatChunk(deltas=(Delta(text="a"),), served=served)
            yield ChatChunk(last=True)

    noted = asyncio.run(asked(Through(Routed(), "auto", limit_s=9)))
    assert noted.deployment == "tiny"


def test_a_backend_that_hangs_is_ended_in_time() -> None:
    fake = FakeBackend("hang")
    with pytest.raises(UpstreamError) as caught:
        asyncio.run(asked(Through(fake, "m", limit_s=0.001)))
    assert caught.value.upstream == "total_timeout"
    assert fake.cancelled == 1


# ---------------------------------------------------------------------------------------------------------- reading


def ticking() -> tuple[Tape, list[float]]:
    """A tape whose clock stands where the list says."""
    now = [1.0]
    return Tape(lambda: now[0]), now


def event(**fields: Any) -> bytes:
    return b"data: " + msgspec.json.encode(fields) + b"\n\n"


def piece(**delta: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": None}])


def test_what_carries_no_token_is_not_counted() -> None:
    noted, now = ticking()
    reading = Reading(noted)
    for data in (piece(role="assistant", content=""), b": ping\n\n", piece(), event(choices=[]), b"data: 5\n\n"):
        assert not reading.take(data)
    assert not noted.times
    now[0] = 2.0
    reading.take(piece(content="a") + piece(tool_calls=[{"index": 0}]) + piece(reasoning="b"))
    assert list(noted.times) == [2.0, 2.0, 2.0]
    assert noted.visible == 2.0
    half = piece(content="c")
    now[0] = 3.0
    reading.take(half[:20])
    now[0] = 4.0
    reading.take(half[20:])
    assert noted.times[-1] == 4.0


def test_usage_alone_is_an_answer_and_nothing_is_none() -> None:
    noted, _ = ticking()
    reading = Reading(noted)
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    assert reading.take(event(choices=[], usage=usage) + b"data: [DONE]\n\n" + piece(content="too late"))
    reading.check()
    assert noted.ended == 1.0
    assert not noted.times
    nothing = Reading(tape())
    assert nothing.take(b"data: [DONE]\n\n")
    with pytest.raises(UpstreamError, match="without an answer"):
        nothing.check()


def test_a_host_that_sends_no_done_has_ended_with_its_finish() -> None:
    noted, _ = ticking()
    reading = Reading(noted)
    reading.take(piece(content="a"))
    reading.take(event(choices=[{"delta": {}, "finish_reason": "stop"}]).strip())  # not even a last blank line
    reading.eof()
    assert noted.ended == 1.0
    assert noted.finish == "stop"
    cut = Reading(tape())
    cut.take(piece(content="a"))
    with pytest.raises(UpstreamError, match="before its answer did"):
        cut.eof()


def test_errors_in_the_stream_are_errors() -> None:
    reading = Reading(tape())
    assert reading.take(piece(content="a") + event(error={"message": "boom", "code": 500}))
    for ending in (reading.check, reading.eof):
        with pytest.raises(UpstreamError):
            ending()
