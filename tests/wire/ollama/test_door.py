"""What Ollama's clients send and get. Shapes were checked with the official client (ollama 0.6), 2026-11-27."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crossover.chat import (
    NOBODY,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    EmbedResponse,
    Finish,
    Media,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Refused,
    Text,
    Thinking,
    ToolCall,
    ToolDelta,
    ToolResult,
    Unknown,
)
from crossover.errors import NoTargetError, RequestError, UpstreamError
from crossover.usage import Usage
from crossover.wire import ollama

HI = {"role": "user", "content": "hi"}


def read(*messages: Any, **more: Any) -> ChatRequest:
    return ollama.read_request({"model": "m", "messages": list(messages) or [HI], **more}, NOBODY)


def test_a_request_streams_unless_it_says_otherwise() -> None:
    assert read().stream
    assert not read(stream=False).stream


def test_options() -> None:
    request = read(
        options={
            "num_predict": 5,
            "temperature": 0,
            "top_p": 0.9,
            "top_k": 40,
            "seed": 3,
            "stop": "X",
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
            "num_ctx": 8192,
            "num_gpu": 1,
            "min_p": 0.05,
        },
        keep_alive="5m",
        logprobs=True,
        top_logprobs=2,
    )
    assert (request.max_tokens, request.temperature, request.top_p, request.top_k, request.seed) == (5, 0, 0.9, 40, 3)
    assert (request.stop, request.presence_penalty, request.frequency_penalty) == (("X",), 0.1, 0.2)
    assert (request.logprobs, request.top_logprobs) == (True, 2)
    assert request.extra == {"min_p": 0.05}, "how the machine runs is no part of the question, min_p is"


@pytest.mark.parametrize("most", [-1, -2, 0])
def test_no_end_is_no_maximum(most: int) -> None:
    assert read(options={"num_predict": most}).max_tokens is None


@pytest.mark.parametrize(
    ("said", "output"),
    [
        ("json", OutputFormat(kind="json")),
        ({"type": "object"}, OutputFormat(kind="schema", schema={"type": "object"})),
        ("", None),
        (None, None),
    ],
)
def test_format(said: Any, output: OutputFormat | None) -> None:
    assert read(format=said).output == output


@pytest.mark.parametrize(
    ("said", "reasoning"),
    [(True, Reasoning()), (False, Reasoning(budget_tokens=0)), ("high", Reasoning(effort="high")), (None, None)],
)
def test_thinking_asked_for(said: Any, reasoning: Reasoning | None) -> None:
    assert read(think=said).reasoning == reasoning


def test_a_conversation_with_tools() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
    request = read(
        {"role": "system", "content": "s"},
        {"role": "user", "content": "see", "images": ["AAAA"]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "t",
            "tool_calls": [
                {"function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "own", "function": {"name": "g", "arguments": {}}},
                {"function": {"name": "f", "arguments": {"a": 2}}},
            ],
        },
        {"role": "tool", "content": "F1", "tool_name": "f"},
        {"role": "tool", "content": "G", "tool_call_id": "own"},
        {"role": "tool", "content": "F2"},
        tools=[tool],
    )
    assert request.messages[1].parts == (Text("see"), Media("image", data="AAAA"))
    thinking, *calls = request.messages[2].parts
    assert thinking == Thinking("t")
    ids = [part.id for part in calls if isinstance(part, ToolCall)]
    assert ids[1] == "own"
    results = [message.parts[0] for message in request.messages[3:]]
    assert results == [
        ToolResult(ids[0], (Text("F1"),), "f"),
        ToolResult("own", (Text("G"),), "g"),
        ToolResult(ids[2], (Text("F2"),), "f"),
    ]
    assert request.tools[0].parameters == {"type": "object"}


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        ({"messages": [HI]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": [3]}, "messages[0]"),
        ({"model": "m", "messages": [{"role": "robot"}]}, "messages[0].role"),
        ({"model": "m", "messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"model": "m", "messages": [{"role": "user", "images": "A"}]}, "messages[0].images"),
        (
            {"model": "m", "messages": [{"role": "assistant", "tool_calls": [{}]}]},
            "messages[0].tool_calls[0].function",
        ),
        ({"model": "m", "messages": [HI], "options": {"seed": "x"}}, "options.seed"),
        ({"model": "m", "messages": [HI], "stream": 1}, "stream"),
        ({"model": "m", "messages": [HI], "format": "xml"}, "format"),
        ({"model": "m", "messages": [HI], "think": 3}, "think"),
    ],
)
def test_what_is_wrong_is_named(tree: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        ollama.read_request(tree, NOBODY)
    assert (caught.value.status, caught.value.field) == (400, field)


# ------------------------------------------------------------------------------------------------------------- answers


def answer(*parts: Part, finish: Finish = "stop", usage: Usage | None = None, logprobs: Any = None) -> dict[str, Any]:
    choice = Choice(message=Message("assistant", parts), finish=finish, logprobs=logprobs)
    response = ChatResponse(choices=(choice,), model="m", created=1_700_000_000, usage=usage)
    found: dict[str, Any] = json.loads(ollama.write_response(response, read(stream=False)))
    return found


def test_a_whole_answer() -> None:
    usage = Usage(input=3, output=2)
    found = answer(Thinking("h"), Text("Hi"), ToolCall("t", "f", '{"a":1}'), finish="tool_calls", usage=usage)
    assert found == {
        "model": "m",
        "created_at": "2023-11-14T22:13:20Z",
        "message": {
            "role": "assistant",
            "content": "Hi",
            "thinking": "h",
            "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": {"a": 1}}}],
        },
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 3,
        "eval_count": 2,
    }


@pytest.mark.parametrize(
    ("finish", "reason"), [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter")]
)
def test_reasons_to_stop(finish: Finish, reason: str) -> None:
    assert answer(Text("x"), finish=finish)["done_reason"] == reason


def test_unknown_usage_is_left_out() -> None:
    assert "eval_count" not in answer(Text("x"))


def test_what_an_answer_cannot_hold_does_not_spoil_it() -> None:
    parts = (Text("a"), Unknown("x", {}), Media("image", url="https://x"), Refused("b"))
    assert answer(*parts)["message"]["content"] == "a\nb"


def test_log_probabilities() -> None:
    rows = [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]
    assert answer(Text("Hi"), logprobs={"content": rows})["logprobs"] == rows


def test_the_targets_own_bytes_are_passed_on() -> None:
    response = ChatResponse(choices=(), raw=b'{"odd": "bytes"}', dialect="ollama")
    assert ollama.write_response(response, read()) == b'{"odd": "bytes"}'


def one(**delta: Any) -> ChatChunk:
    return ChatChunk(deltas=(Delta(**delta),))


def call(index: int, arguments: str = "", **more: Any) -> ChatChunk:
    return one(tool=ToolDelta(index=index, arguments=arguments, **more))


def written(*chunks: ChatChunk) -> list[dict[str, Any]]:
    writer = ollama.StreamWriter(read())
    data = b"".join(writer.write(chunk) for chunk in chunks) + writer.end(None)
    return [json.loads(line) for line in data.splitlines()]


def test_a_stream_of_thoughts_words_and_whole_calls() -> None:
    found = written(
        ChatChunk(model="m2"),
        one(thinking="h"),
        one(text="Hi"),
        call(0, id="t1", name="f"),
        call(0, '{"a":1}'),
        call(1, id="t2", name="g"),
        one(finish="tool_calls"),
        ChatChunk(usage=Usage(input=3, output=2), last=True),
    )
    assert [row["message"] for row in found] == [
        {"role": "assistant", "content": "", "thinking": "h"},
        {"role": "assistant", "content": "Hi"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "t1", "function": {"name": "f", "arguments": {"a": 1}}}],
        },
        {"role": "assistant", "content": "", "tool_calls": [{"id": "t2", "function": {"name": "g", "arguments": {}}}]},
        {"role": "assistant", "content": ""},
    ]
    assert [row["done"] for row in found] == [False] * 4 + [True], "calls come before the end"
    last = found[-1]
    assert (last["done_reason"], last["prompt_eval_count"], last["eval_count"], last["model"]) == ("stop", 3, 2, "m2")


def test_the_targets_own_lines_are_passed_on() -> None:
    writer = ollama.StreamWriter(read())
    raw = b'{"done":true}\n'
    assert writer.write(ChatChunk(raw=raw, dialect="ollama")) == raw
    assert writer.write(ChatChunk(last=True)) == b""
    assert writer.end(None) == b""


def test_a_stream_that_fails_says_so_and_is_never_done() -> None:
    writer = ollama.StreamWriter(read())
    data = writer.write(one(text="He")) + writer.error(UpstreamError("the stream broke", upstream="cut"))
    lines = [json.loads(line) for line in data.splitlines()]
    assert lines[-1] == {"error": "the stream broke"}
    assert not any(line.get("done") for line in lines)


def test_errors_are_a_sentence() -> None:
    assert ollama.write_error(RequestError("bad", hint="Do good")) == (400, b'{"error":"bad. Do good"}')
    assert ollama.write_error(NoTargetError("none"))[0] == 503


# ---------------------------------------------------------------------------------------------------------- embeddings


@pytest.mark.parametrize(("said", "inputs"), [("a", ("a",)), (["a", "b"], ("a", "b"))])
def test_texts_to_embed(said: Any, inputs: tuple[str, ...]) -> None:
    request = ollama.read_embed({"model": "m", "input": said, "dimensions": 4, "truncate": True}, NOBODY)
    assert (request.inputs, request.dimensions, request.extra) == (inputs, 4, None)


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        ({"model": "m"}, "input"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": [1]}, "input[0]"),
        ({"input": "a"}, "model"),
    ],
)
def test_what_is_wrong_with_an_embedding_is_named(tree: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        ollama.read_embed(tree, NOBODY)
    assert caught.value.field == field


def test_vectors() -> None:
    request = ollama.read_embed({"model": "m", "input": "a"}, NOBODY)
    response = EmbedResponse(vectors=((1.0, 2.0),), usage=Usage(input=3))
    assert json.loads(ollama.write_embedded(response, request)) == {
        "model": "m",
        "embeddings": [[1.0, 2.0]],
        "prompt_eval_count": 3,
    }
