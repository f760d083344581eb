"""The backend against a real llama.cpp: what the fakes were written from memory for, an engine says for real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator

import pytest

from crossover.chat import ChatChunk, ChatRequest, EmbedRequest, Message, OutputFormat, Text
from crossover.deployment import Timeouts
from crossover.engines import embedded
from crossover.errors import UpstreamError
from crossover.providers.estimate import estimate_request
from crossover.providers.http import HttpBackend
from crossover.providers.registry import profile, provider
from crossover.transport import Transport, endpoint

TICKET = "classify: Hi, my parcel has not arrived yet. The order is 48213."


@pytest.fixture(scope="module")
def engine() -> Iterator[embedded.Running]:
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    if not embedded.shipped():
        pytest.skip("no model file is shipped in this checkout")
    with embedded.start(embedded.default_model()) as running:
        yield running


def run(engine: embedded.Running, use: Callable[[HttpBackend], Awaitable[None]]) -> None:
    async def main() -> None:
        transport = Transport()
        row = provider("embedded")
        patient = Timeouts(connect=20, first_byte=60, gap=60, total=120)
        place = endpoint(f"{engine.url}/v1")
        try:
            await use(HttpBackend(row, profile(row, engine.model), place, transport, timeouts=patient))
        finally:
            await transport.aclose()

    asyncio.run(main())


def ask(text: str = TICKET, max_tokens: int = 12, output: OutputFormat | None = None, n: int = 1) -> ChatRequest:
    messages = (Message("user", (Text(text),)),)
    return ChatRequest(
        model="any", messages=messages, max_tokens=max_tokens, temperature=0.0, output=output, logprobs=True, n=n
    )


async def collect(backend: HttpBackend, request: ChatRequest) -> list[ChatChunk]:
    return [chunk async for chunk in backend.stream(request)]


def test_streamed_and_whole_say_the_same_with_the_same_usage(engine: embedded.Running) -> None:
    async def use(backend: HttpBackend) -> None:
        whole = await backend.complete(ask())
        chunks = await collect(backend, ask())
        text = "".join(delta.text for chunk in chunks for delta in chunk.deltas)
        assert text == whole.text != ""
        counted = [chunk.usage for chunk in chunks if chunk.usage is not None][-1]
        assert whole.usage is not None
        assert (counted.input, counted.output) == (whole.usage.input, whole.usage.output)
        assert counted.output > 0
        assert chunks[-1].last
        assert whole.choices[0].logprobs, "asked for and promised by the row"

    run(engine, use)


def test_two_answers_at_once_are_two_choices(engine: embedded.Running) -> None:
    async def use(backend: HttpBackend) -> None:
        assert [choice.index for choice in (await backend.complete(ask(n=2))).choices] == [0, 1]

    run(engine, use)


def test_an_answer_of_a_schema_is_of_it(engine: embedded.Running) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}

    async def use(backend: HttpBackend) -> None:
        response = await backend.complete(ask(max_tokens=40, output=OutputFormat(kind="schema", schema=schema)))
        assert isinstance(json.loads(response.text)["ok"], bool)

    run(engine, use)


def test_texts_become_vectors(engine: embedded.Running) -> None:
    async def use(backend: HttpBackend) -> None:
        first, second = (await backend.embed(EmbedRequest(model="any", inputs=("one", "two")))).vectors
        assert len(first) == len(second) > 8
        assert first != second

    run(engine, use)


def test_a_prompt_that_does_not_fit_is_said_not_to(engine: embedded.Running) -> None:
    async def use(backend: HttpBackend) -> None:
        with pytest.raises(UpstreamError) as caught:
            await backend.complete(ask("ticket " * 3000))
        assert (caught.value.upstream, caught.value.accepted) == ("context_length", False)
        assert estimate_request(ask("ticket " * 3000)) > engine.context

    run(engine, use)


def test_an_engine_goes_on_after_someone_left(engine: embedded.Running) -> None:
    async def use(backend: HttpBackend) -> None:
        stream = backend.stream(ask(max_tokens=64))
        await anext(stream)
        await stream.aclose()
        assert (await backend.complete(ask())).text

    run(engine, use)
