"""The backend without a socket keeps the promises that a real one keeps."""

import asyncio

import pytest

from crossover.chat import Backend, ChatChunk, ChatRequest, EmbedRequest, Message, Text, ToolCall
from crossover.errors import UpstreamError
from crossover.providers.answers import Answer, Call
from crossover.providers.fakes import Broken, FakeBackend

REQUEST = ChatRequest(model="m", messages=(Message("user", (Text("hi"),)),))
GONE = UpstreamError("gone", upstream="refused", accepted=False)
CUT = UpstreamError("cut", upstream="cut")


async def chunks(backend: Backend) -> list[ChatChunk]:
    return [chunk async for chunk in backend.stream(REQUEST)]


def test_the_script_is_followed_and_its_last_step_repeated() -> None:
    async def main() -> None:
        backend = FakeBackend(GONE, "one", Answer(text="two"))
        with pytest.raises(UpstreamError, match="gone"):
            await backend.complete(REQUEST)
        assert [(await backend.complete(REQUEST)).text for _ in range(3)] == ["one", "two", "two"]
        assert backend.requests == [REQUEST] * 4

    asyncio.run(main())


def test_streamed_and_whole_say_the_same() -> None:
    async def main() -> None:
        answer = Answer(text="all is well", thinking="hm", calls=(Call(name="f", arguments="{}"),), finish="tool_calls")
        whole = await FakeBackend(answer).complete(REQUEST)
        parts = await chunks(FakeBackend(answer))
        deltas = [delta for chunk in parts for delta in chunk.deltas]
        assert "".join(delta.text for delta in deltas) == whole.text == "all is well"
        assert [delta.tool.name for delta in deltas if delta.tool] == ["f"]
        assert [part.name for part in whole.choices[0].message.parts if isinstance(part, ToolCall)] == ["f"]
        assert parts[-1].last
        assert parts[-1].usage == whole.usage == answer.usage

    asyncio.run(main())


def test_a_broken_stream_says_something_first() -> None:
    async def main() -> None:
        backend = FakeBackend(Broken(error=CUT, after=2))
        said: list[str] = []

        async def listen() -> None:
            async for chunk in backend.stream(REQUEST):
                said[:] += [chunk.deltas[0].text]

        with pytest.raises(UpstreamError, match="cut"):
            await listen()
        assert said == ["All ", "is "]
        with pytest.raises(UpstreamError, match="cut"):
            await backend.complete(REQUEST)
        with pytest.raises(UpstreamError, match="cut"):
            await backend.embed(EmbedRequest(model="m", inputs=("a",)))

    asyncio.run(main())


def test_silence_ends_by_release_or_by_leaving() -> None:
    async def main() -> None:
        backend = FakeBackend("hang")
        call = asyncio.create_task(backend.complete(REQUEST))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert backend.cancelled == 1
        backend.release()
        assert (await backend.complete(REQUEST)).text

    asyncio.run(main())


def test_leaving_a_stream_is_counted() -> None:
    async def main() -> None:
        backend = FakeBackend()
        stream = backend.stream(REQUEST)
        await anext(stream)
        await stream.aclose()
        assert backend.cancelled == 1
        await chunks(backend)
        assert backend.cancelled == 1
        await backend.aclose()

    asyncio.run(main())


def test_embeddings_are_one_vector_for_each_input() -> None:
    async def main() -> None:
        response = await FakeBackend(Answer(vector=(1.0,))).embed(EmbedRequest(model="m", inputs=("a", "b")))
        assert response.vectors == ((1.0,), (1.0,))

    asyncio.run(main())
