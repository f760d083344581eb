"""What a conversation says survives the way into every dialect and back, as far as the dialect can carry it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.chat import (
    NOBODY,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    Finish,
    Media,
    Message,
    Part,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolDelta,
    ToolResult,
)
from crossover.errors import UpstreamError
from crossover.usage import Usage
from crossover.wire import anthropic, gemini, ollama, openai
from crossover.wire.words import Profile
from tests.wire import streams

FEW = settings(max_examples=20)  # each example is a whole conversation


class Dialect(NamedTuple):
    name: str
    wire: Any
    read: Callable[[dict[str, Any]], ChatRequest]


DIALECTS = [
    Dialect("anthropic", anthropic, lambda tree: anthropic.read_request(tree, NOBODY)),
    Dialect("gemini", gemini, lambda tree: gemini.read_request(tree, NOBODY, model="m", stream=False)),
    Dialect("ollama", ollama, lambda tree: ollama.read_request(tree, NOBODY)),
]
BY_NAME = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
PROFILE = Profile(model="m", context=4096)

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda text: text.strip() == text
)
TEXT = st.builds(Text, WORDS)
IMAGE = st.builds(
    lambda data: Media("image", data="iVBORw0KGgo" + data, mime="image/png"), st.sampled_from(["AA", "BB"])
)
NAME = st.sampled_from(["weather", "search", "now"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=5,
)
ARGUMENTS = st.dictionaries(WORDS, JSON, max_size=3).map(
    lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False)
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """System words, then turns of user and assistant, with calls that all get their results."""
    messages = [Message("system", (draw(TEXT),))] if draw(st.booleans()) else []
    number = 0
    for _ in range(draw(st.integers(1, 3))):
        messages.append(Message("user", tuple(draw(st.lists(TEXT | IMAGE, min_size=1, max_size=3)))))
        calls = []
        for _ in range(draw(st.integers(0, 3))):
            calls.append(ToolCall(f"call_{number}", draw(NAME), draw(ARGUMENTS)))
            number += 1
        messages.append(Message("assistant", (draw(TEXT), *calls)))
        if calls:
            results = [ToolResult(call.id, (draw(TEXT),), call.name) for call in calls]
            messages.append(Message("tool", tuple(results)))
    messages.append(Message("user", (draw(TEXT),)))
    return tuple(messages)


def flat(messages: tuple[Message, ...]) -> dict[str, Any]:
    """What was said, by kind and in order, however it is cut into messages."""
    parts = [(message.role, part) for message in messages for part in message.parts]
    return {
        "texts": [(role, part.text) for role, part in parts if isinstance(part, Text)],
        "images": [media(part) for _, part in parts if isinstance(part, Media)],
        "calls": [(part.id, part.name, json.loads(part.arguments)) for _, part in parts if isinstance(part, ToolCall)],
        "results": [
            (part.id, part.name, "".join(text.text for text in part.parts if isinstance(text, Text)))
            for _, part in parts
            if isinstance(part, ToolResult)
        ],
    }


def media(part: Media) -> str | None:
    return part.data


def joined(texts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Texts of one side in a row as one."""
    found: list[tuple[str, str]] = []
    for role, text in texts:
        if found and found[-1][0] == role:
            found[-1] = (role, f"{found[-1][1]}\n{text}")
        else:
            found.append((role, text))
    return found


@BY_NAME
@FEW
@given(conversations())
def test_words_images_calls_and_results_survive(dialect: Dialect, messages: tuple[Message, ...]) -> None:
    request = ChatRequest(model="a", messages=messages, dialect="openai")
    tree = json.loads(dialect.wire.write_request(request, PROFILE).body)
    tree.setdefault("model", "m")
    before, after = flat(messages), flat(dialect.read(tree).messages)
    assert joined(after["texts"]) == joined(before["texts"])
    for kind in ("images", "calls", "results"):
        assert after[kind] == before[kind]


@BY_NAME
@FEW
@given(
    st.lists(
        st.builds(
            Tool,
            name=st.sampled_from(["f", "g", "h"]),
            description=WORDS,
            parameters=st.just({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
        ),
        max_size=3,
    ),
    st.none() | st.integers(1, 10_000),
    st.none() | st.sampled_from([0.0, 0.25, 1.0]),
    st.lists(WORDS, max_size=3),
)
def test_tools_and_sampling_survive(
    dialect: Dialect, tools: list[Tool], most: int | None, temperature: float | None, stop: list[str]
) -> None:
    request = ChatRequest(
        model="a",
        messages=(Message("user", (Text("hi"),)),),
        tools=tuple(tools),
        max_tokens=most,
        temperature=temperature,
        stop=tuple(stop),
        dialect="openai",
    )
    tree = json.loads(dialect.wire.write_request(request, PROFILE).body)
    again = dialect.read({"model": "m", **tree})
    assert again.tools == request.tools
    assert again.temperature == temperature
    assert again.stop == request.stop
    assert again.max_tokens == (most or (4096 if dialect.name == "anthropic" else None))


@BY_NAME
def test_the_request_itself_is_never_touched(dialect: Dialect) -> None:
    messages = (
        Message("system", (Text("s", "1h"),)),
        Message("assistant", (Text("hello "), ToolCall("a", "f", '{"x":1}'))),
        Message("tool", (ToolResult("a", (Text("1"),)),)),
    )
    request = ChatRequest(model="a", messages=messages, dialect="openai", tools=(Tool(name="f"),))
    before = msgspec.json.encode(request)
    first = dialect.wire.write_request(request, PROFILE)
    assert msgspec.json.encode(request) == before
    assert dialect.wire.write_request(request, PROFILE) == first, "a fallback writes it again"


# ------------------------------------------------------------------------------------------------------------- answers

SIGNATURE = st.sampled_from([None, "U0lH", "AAB/_A=="])
FINISHES: list[Finish] = ["stop", "length"]


@st.composite
def answers(draw: st.DrawFn) -> ChatResponse:
    parts: list[Part] = []
    if draw(st.booleans()):
        parts.append(Thinking(draw(WORDS)))
    parts.append(draw(TEXT))
    calls = [ToolCall(f"c{number}", draw(NAME), draw(ARGUMENTS)) for number in range(draw(st.integers(0, 2)))]
    finish: Finish = "tool_calls" if calls else draw(st.sampled_from(FINISHES))
    return ChatResponse(
        choices=(Choice(message=Message("assistant", (*parts, *calls)), finish=finish),),
        model="m",
        usage=Usage(input=draw(st.integers(0, 100)), output=draw(st.integers(1, 100))),
    )


ALL = [*DIALECTS, Dialect("openai", openai, lambda tree: openai.read_request(tree, NOBODY))]
EVERY = pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
ASKED = ChatRequest(model="m", messages=(), stream=True, include_usage=True)


@EVERY
@FEW
@given(answers())
def test_a_whole_answer_survives(dialect: Dialect, answer: ChatResponse) -> None:
    again = dialect.wire.read_response(dialect.wire.write_response(answer, ASKED))
    before, after = answer.choices[0], again.choices[0]
    assert flat((after.message,)) == flat((before.message,))
    assert after.finish == before.finish
    assert again.usage == answer.usage
    thoughts = [[part.text for part in row.message.parts if isinstance(part, Thinking)] for row in (before, after)]
    assert thoughts[0] == thoughts[1]


def chunks_of(answer: ChatResponse, cut: int) -> list[ChatChunk]:
    """The answer as a target streams it, its texts and arguments in two pieces."""
    chunks = [ChatChunk(id="i", model="m")]
    number = 0
    for part in answer.choices[0].message.parts:
        if isinstance(part, Thinking):
            chunks += [one(thinking=piece) for piece in (part.text[:cut], part.text[cut:])]
        elif isinstance(part, Text):
            chunks += [one(text=piece) for piece in (part.text[:cut], part.text[cut:])]
        elif isinstance(part, ToolCall):
            chunks.append(one(tool=ToolDelta(index=number, id=part.id, name=part.name)))
            pieces = (part.arguments[:cut], part.arguments[cut:])
            chunks += [one(tool=ToolDelta(index=number, arguments=piece)) for piece in pieces]
            number += 1
    chunks.append(one(finish=answer.choices[0].finish))
    return [*chunks, ChatChunk(usage=answer.usage, last=True)]


def one(**delta: Any) -> ChatChunk:
    return ChatChunk(deltas=(Delta(**delta),))


def gathered(chunks: list[ChatChunk]) -> dict[str, Any]:
    """What a stream said, put together."""
    text, thinking, finish = "", "", None
    calls: dict[int, list[str]] = {}
    for delta in (delta for chunk in chunks for delta in chunk.deltas):
        text += delta.text
        thinking += delta.thinking
        finish = delta.finish or finish
        if delta.tool is not None:
            call = calls.setdefault(delta.tool.index, ["", "", ""])
            for place, value in enumerate((delta.tool.id, delta.tool.name, delta.tool.arguments)):
                call[place] += value or ""
    made = [(id_, name, json.loads(arguments or "{}")) for id_, name, arguments in calls.values()]
    return {"text": text, "thinking": thinking, "finish": finish, "calls": made}


@EVERY
@FEW
@given(answers(), st.integers(0, 5), st.sampled_from([1, 5, 1 << 20]))
def test_a_streamed_answer_survives(dialect: Dialect, answer: ChatResponse, cut: int, size: int) -> None:
    sent = chunks_of(answer, cut)
    writer = dialect.wire.StreamWriter(ASKED)
    data = b"".join(writer.write(chunk) for chunk in sent) + writer.end(None)
    received = streams.read(dialect.wire.StreamReader(), data, size)
    assert gathered(received) == gathered(sent)
    assert received[-1].last
    assert streams.last_usage(received) == answer.usage


@EVERY
@FEW
@given(answers(), st.integers(0, 5))
def test_a_stream_that_fails_is_never_read_as_whole(dialect: Dialect, answer: ChatResponse, count: int) -> None:
    writer = dialect.wire.StreamWriter(ASKED)
    sent = chunks_of(answer, 2)[:count]
    data = b"".join(writer.write(chunk) for chunk in sent) + writer.error(UpstreamError("it broke", upstream="cut"))
    seen: list[ChatChunk] = []
    with pytest.raises(UpstreamError) as caught:
        fed(dialect.wire.StreamReader(), data, seen)
    assert "it broke" in caught.value.message
    assert not any(chunk.last for chunk in seen)


def fed(reader: Any, data: bytes, seen: list[ChatChunk]) -> None:
    """All of a stream into a reader, keeping what came before it failed."""
    seen += reader.feed(data)
    seen += reader.eof()


# -------------------------------------------------------------------------------------------------------- hostile bytes

READERS = pytest.mark.parametrize("wire", [anthropic, gemini, ollama], ids=["anthropic", "gemini", "ollama"])
KEYS = st.sampled_from(
    [
        "type", "message", "content_block", "delta", "index", "usage", "content", "text", "input", "id", "name",
        "input_tokens", "output_tokens", "cache_creation", "stop_reason", "error", "candidates", "parts",
        "functionCall", "args", "finishReason", "usageMetadata", "promptTokenCount", "logprobsResult",
        "chosenCandidates", "topCandidates", "promptFeedback", "blockReason", "inlineData", "done", "done_reason",
        "tool_calls", "function", "arguments", "thinking", "logprobs", "eval_count", "embeddings", "values",
    ]
)  # fmt: skip
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
EVENT = st.dictionaries(KEYS, ODD, max_size=6)
TYPES = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "error"]


@READERS
@FEW
@given(EVENT, st.sampled_from(TYPES), st.sampled_from([200, 400, 429, 500]))
def test_no_answer_is_too_odd_to_be_read_or_refused(wire: Any, found: dict[str, Any], kind: str, status: int) -> None:
    for body in (found, {**found, "type": kind}):
        data = json.dumps(body).encode()
        for read in (wire.read_response, getattr(wire, "read_embedded", None)):
            if read is not None:
                refused_or_read(read, data)
        assert isinstance(wire.read_error(status, {}, data), UpstreamError)
        framed = data + b"\n" if wire is ollama else b"data: " + data + b"\n\n"
        refused_or_read(lambda given_: fed(wire.StreamReader(), given_, []), framed)


def refused_or_read(read: Callable[[bytes], object], data: bytes) -> None:
    try:
        read(data)
    except UpstreamError as error:
        assert error.message  # noqa: PT017


@READERS
@FEW
@given(st.binary(max_size=200), st.integers(1, 50))
def test_no_bytes_are_too_odd(wire: Any, data: bytes, size: int) -> None:
    refused_or_read(wire.read_response, data)
    assert isinstance(wire.read_error(500, {}, data), UpstreamError)
    refused_or_read(lambda given_: streams.read(wire.StreamReader(), given_, size), data)
