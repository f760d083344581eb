"""Speaking to Ollama. Lines are those of its documentation and source, 2026-11-27."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crossover.chat import (
    NOBODY,
    ChatChunk,
    ChatRequest,
    Delta,
    EmbedRequest,
    Finish,
    Media,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolDelta,
    ToolResult,
    Unknown,
)
from crossover.errors import UpstreamError, UpstreamKind
from crossover.usage import Usage
from crossover.wire import ollama
from crossover.wire.words import Outgoing, Profile
from tests.wire import streams

PROFILE = Profile(model="llama3.1:8b", context=8192)
ASK = (Message("user", (Text("hi"),)),)
F = Tool(name="f", description="does", parameters={"type": "object"})


def write(messages: tuple[Message, ...] = ASK, profile: Profile = PROFILE, **more: Any) -> Outgoing:
    return ollama.write_request(ChatRequest(model="alias", messages=messages, dialect="openai", **more), profile)


def body(messages: tuple[Message, ...] = ASK, profile: Profile = PROFILE, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write(messages, profile, **more).body)
    return found


def said(role: Any, *parts: Part | str) -> Message:
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def test_the_context_is_always_stated_and_nothing_is_ever_cut() -> None:
    outgoing = write()
    assert outgoing.path == "/chat"
    assert json.loads(outgoing.body) == {
        "model": "llama3.1:8b",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
        "options": {"num_ctx": 8192},
        "truncate": False,
        "shift": False,
    }


def test_the_context_is_the_same_for_every_request_of_a_model() -> None:
    tree = {"model": "a", "messages": [{"role": "user", "content": "x"}], "options": {"num_ctx": 2048, "min_p": 0.1}}
    outgoing = ollama.write_request(ollama.read_request(tree, NOBODY), PROFILE)
    assert json.loads(outgoing.body)["options"] == {"num_ctx": 8192, "min_p": 0.1}
    assert outgoing.dropped == ("num_ctx",), "another size would load the model anew for everybody"
    assert tree["options"] == {"num_ctx": 2048, "min_p": 0.1}, "the client's own body is not touched"


def test_options_of_the_deployment_are_below_those_of_the_request() -> None:
    profile = Profile(model="m", options={"num_gpu": 1, "temperature": 0.1})
    assert body(profile=profile)["options"] == {"num_gpu": 1, "temperature": 0.1}
    assert body(profile=profile, temperature=0.9)["options"] == {"num_gpu": 1, "temperature": 0.9}


@pytest.mark.parametrize(("said_", "written"), [("5m", "5m"), ("-1", -1), ("0", 0), ("1h30m", "1h30m")])
def test_how_long_the_model_stays(said_: str, written: Any) -> None:
    assert body(profile=Profile(model="m", keep_alive=said_))["keep_alive"] == written


def test_sampling_is_written_only_where_it_was_said() -> None:
    found = body(
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        seed=3,
        stop=("a",),
    )
    assert found["options"] == {
        "num_predict": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 4,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "seed": 3,
        "stop": ["a"],
        "num_ctx": 8192,
    }


def test_messages() -> None:
    found = body(
        (
            said("developer", "rules"),
            said("user", "a", "b", Media("image", data="AAAA"), Media("image", url="data:image/png;base64,BBBB")),
            said("assistant", Thinking("t", "sig"), "ok", ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "")),
            said("tool", ToolResult("c1", (Text("1"),)), ToolResult("c2", (Text("2"),), "g")),
            said("system", "late"),
        )
    )
    assert found["messages"] == [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": "a\nb", "images": ["AAAA", "BBBB"]},
        {
            "role": "assistant",
            "content": "ok",
            "thinking": "t",
            "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "c2", "function": {"name": "g", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "1", "tool_name": "f", "tool_call_id": "c1"},
        {"role": "tool", "content": "2", "tool_name": "g", "tool_call_id": "c2"},
        {"role": "system", "content": "late"},
    ]


@pytest.mark.parametrize(
    "part",
    [
        Media("image", url="https://x/y.png"),
        Media("audio", data="A"),
        Media("file", data="A"),
        Media("video", data="A"),
        Unknown("x", {}),
    ],
)
def test_what_the_dialect_cannot_carry_is_another_targets(part: Part) -> None:
    with pytest.raises(UpstreamError) as caught:
        write((said("user", part),))
    assert (caught.value.upstream, caught.value.accepted) == ("unsupported", False)


def test_tools() -> None:
    assert body(tools=(F, Tool(name="g")))["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "does", "parameters": {"type": "object"}}},
        {
            "type": "function",
            "function": {"name": "g", "description": "", "parameters": {"type": "object", "properties": {}}},
        },
    ]
    assert "tools" not in body(tools=(F,), tool_choice=ToolChoice(mode="none"))
    assert "tools" in body(tools=(F,), tool_choice=ToolChoice(mode="auto"))


@pytest.mark.parametrize("choice", [ToolChoice(mode="required"), ToolChoice(mode="named", name="f")])
def test_a_tool_cannot_be_forced(choice: ToolChoice) -> None:
    with pytest.raises(UpstreamError, match="tool_choice"):
        write(tools=(F,), tool_choice=choice)


@pytest.mark.parametrize(
    ("output", "written"),
    [
        (OutputFormat(kind="json"), "json"),
        (OutputFormat(kind="schema", schema={"type": "object"}, strict=True), {"type": "object"}),
        (OutputFormat(kind="text"), None),
    ],
)
def test_format(output: OutputFormat, written: Any) -> None:
    assert body(output=output).get("format") == written


@pytest.mark.parametrize(
    ("reasoning", "field", "written"),
    [
        (Reasoning(effort="high"), None, True),
        (Reasoning(), None, True),
        (Reasoning(effort="none"), None, False),
        (Reasoning(budget_tokens=0), None, False),
        (Reasoning(effort="xhigh"), "levels", "high"),
        (Reasoning(budget_tokens=9), "levels", "medium"),
        (None, None, None),
    ],
)
def test_thinking(reasoning: Reasoning | None, field: str | None, written: Any) -> None:
    assert body(profile=Profile(model="m", reasoning_field=field), reasoning=reasoning).get("think") == written


def test_log_probabilities_are_asked_for() -> None:
    found = body(logprobs=True, top_logprobs=3)
    assert (found["logprobs"], found["top_logprobs"]) == (True, 3)


def test_what_is_harmless_is_dropped_and_named() -> None:
    outgoing = write(user="u", parallel_tools=True, metadata={"a": "b"}, extra={"service_tier": "auto"})
    assert set(outgoing.dropped) == {"user", "parallel_tool_calls", "metadata", "service_tier"}


@pytest.mark.parametrize("more", [{"n": 2}, {"logit_bias": {"1": 1.0}}, {"extra": {"audio": {}}}])
def test_what_matters_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError) as caught:
        write(**more)
    assert caught.value.upstream == "unsupported"


def test_the_same_dialect_is_sent_as_it_came() -> None:
    tree = {
        "model": "alias",
        "messages": [{"role": "user", "content": "x", "odd": 1}],
        "options": {"mirostat": 1, "seed": 3},
        "keep_alive": "1h",
        "truncate": True,
        "from_the_future": [1],
    }
    request = ollama.read_request(tree, NOBODY)
    outgoing = ollama.write_request(request, Profile(model="m", keep_alive="5m", drops=frozenset({"seed"})))
    assert json.loads(outgoing.body) == {
        **tree,
        "model": "m",
        "options": {"mirostat": 1},
        "stream": True,
        "shift": False,
    }, "a client of this dialect that asks for cutting gets it"
    assert outgoing.dropped == ("seed",)


# --------------------------------------------------------------------------------------------------------------- read


def line(content: str = "", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more.pop("message", {})}
    return {"model": "o", "created_at": "2026-11-27T10:00:00Z", "message": message, "done": False, **more}


DONE: dict[str, Any] = {"done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2}
CALLS = {
    "tool_calls": [
        {"id": "a", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}},
        {"function": {"name": "g"}},
    ]
}


def test_a_whole_answer() -> None:
    data = json.dumps(line("Hi", message={"thinking": "h", **CALLS}, **DONE)).encode()
    response = ollama.read_response(data)
    (choice,) = response.choices
    thinking, text, first, second = choice.message.parts
    assert (thinking, text, first) == (Thinking("h"), Text("Hi"), ToolCall("a", "f", '{"x":1}'))
    assert isinstance(second, ToolCall)
    assert (second.name, second.arguments) == ("g", "{}")
    assert second.id
    assert choice.finish == "tool_calls"
    assert response.usage == Usage(input=3, output=2)
    assert (response.model, response.raw, response.dialect) == ("o", data, "ollama")


def test_log_probabilities() -> None:
    rows = [{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -2}]}]
    (choice,) = ollama.read_response(json.dumps(line("Hi", logprobs=rows, **DONE)).encode()).choices
    assert choice.logprobs == {
        "content": [
            {
                "token": "Hi",
                "logprob": -0.5,
                "bytes": [72, 105],
                "top_logprobs": [{"token": "Ho", "logprob": -2, "bytes": [72, 111]}],
            }
        ]
    }


@pytest.mark.parametrize(
    ("reason", "finish"), [("stop", "stop"), ("length", "length"), ("", "stop"), ("from_the_future", "length")]
)
def test_reasons_to_stop(reason: str, finish: Finish) -> None:
    row = line("Hi", **{**DONE, "done_reason": reason})
    assert ollama.read_response(json.dumps(row).encode()).choices[0].finish == finish
    assert deltas(stream(row))[-1].finish == finish


@pytest.mark.parametrize(("reason", "kind"), [("load", "empty"), ("unload", "empty"), ("error", "server_error")])
def test_answers_that_are_none(reason: str, kind: UpstreamKind) -> None:
    row = line("", **{**DONE, "done_reason": reason})
    for read in (lambda: ollama.read_response(json.dumps(row).encode()), lambda: stream(row)):
        with pytest.raises(UpstreamError) as caught:
            read()
        assert caught.value.upstream == kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"<html>", "malformed"),
        (json.dumps(line("Hi")).encode(), "cut"),
        (b'{"error":"model runner has unexpectedly stopped"}', "server_error"),
    ],
)
def test_what_is_no_answer(data: bytes, kind: UpstreamKind) -> None:
    with pytest.raises(UpstreamError) as caught:
        ollama.read_response(data)
    assert caught.value.upstream == kind


def stream(*rows: dict[str, Any], size: int = 1 << 20) -> list[ChatChunk]:
    return streams.read(ollama.StreamReader(), streams.lines(*rows), size)


def deltas(chunks: list[ChatChunk]) -> list[Delta]:
    return [delta for chunk in chunks for delta in chunk.deltas]


ROWS = (line(message={"thinking": "h"}), line("H"), line("é"), line(message=CALLS), line(**DONE))


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
def test_a_stream_in_pieces_of_any_size(size: int) -> None:
    chunks = stream(*ROWS, size=size)
    found = deltas(chunks)
    assert found[:4] == [
        Delta(thinking="h"),
        Delta(text="H"),
        Delta(text="é"),
        Delta(tool=ToolDelta(index=0, id="a", name="f", arguments='{"x":1}')),
    ]
    assert found[4].tool is not None
    assert (found[4].tool.index, found[4].tool.name, found[4].tool.arguments) == (1, "g", "{}")
    assert found[5] == Delta(finish="tool_calls"), "calls came before the end, which says stop"
    assert chunks[-1].last
    assert chunks[-1].usage == Usage(input=3, output=2)
    assert b"".join(chunk.raw or b"" for chunk in chunks) == streams.lines(*ROWS)


@pytest.mark.parametrize("count", range(len(ROWS)))
def test_a_stream_without_its_end_is_cut(count: int) -> None:
    reader = ollama.StreamReader()
    reader.feed(streams.lines(*ROWS[:count]))
    with pytest.raises(UpstreamError) as caught:
        reader.eof()
    assert caught.value.upstream == "cut"


def test_the_last_line_may_lack_its_end() -> None:
    chunks = streams.read(ollama.StreamReader(), streams.lines(*ROWS)[:-1])
    assert chunks[-1].last


def test_a_malformed_line_is_skipped_and_counted() -> None:
    reader = ollama.StreamReader()
    assert streams.read(reader, streams.lines(ROWS[0]) + b"{oops\n" + streams.lines(ROWS[-1]))[-1].last
    assert reader.malformed == 1


def test_an_error_at_status_200_is_an_error() -> None:
    reader = ollama.StreamReader()
    assert len(reader.feed(streams.lines(ROWS[1]))) == 1
    with pytest.raises(UpstreamError) as caught:
        reader.feed(streams.lines({"error": "an error was encountered while running the model"}))
    assert (caught.value.upstream, caught.value.accepted) == ("server_error", True)


def test_an_error_inside_may_name_its_status() -> None:
    with pytest.raises(UpstreamError) as caught:
        stream({"error": "the input length exceeds the context length", "status": 400})
    assert (caught.value.upstream, caught.value.accepted) == ("context_length", False)


def test_words_that_came_with_an_error_in_one_read_are_not_lost() -> None:
    reader = ollama.StreamReader()
    chunks = reader.feed(streams.lines(ROWS[1], {"error": "boom"}))
    assert deltas(chunks) == [Delta(text="H")]
    with pytest.raises(UpstreamError):
        reader.feed(b"")


@pytest.mark.parametrize(
    ("status", "words", "kind", "accepted"),
    [
        (404, 'model "nope" not found, try pulling it first', "not_found", False),
        (503, "server busy, please try again. maximum pending requests exceeded", "overloaded", False),
        (400, "the input length exceeds the context length", "context_length", False),
        (500, "the input length exceeds the context length", "context_length", False),
        (400, '"llama3" does not support tools', "unsupported", False),
        (400, '"llama3" does not support thinking', "unsupported", False),
        (400, "invalid options: odd", "bad_request", False),
        (401, "unauthorized", "auth", False),
        (429, "too many requests", "rate_limited", False),
        (499, "request canceled", "server_error", True),
        (500, "model requires more system memory (9 GiB) than is available (4 GiB)", "server_error", True),
    ],
)
def test_refusals(status: int, words: str, kind: UpstreamKind, accepted: bool) -> None:
    caught = ollama.read_error(status, {}, json.dumps({"error": words}).encode())
    assert (caught.upstream, caught.accepted, caught.message) == (kind, accepted, words)


# ---------------------------------------------------------------------------------------------------------- embeddings


def test_texts_to_embed_are_never_cut() -> None:
    request = EmbedRequest(model="a", inputs=("x", "y"), dimensions=8, user="u", dialect="openai")
    outgoing = ollama.write_embed(request, Profile(model="e", context=512, keep_alive="-1"))
    assert outgoing.path == "/embed"
    assert outgoing.dropped == ("user",)
    assert json.loads(outgoing.body) == {
        "model": "e",
        "input": ["x", "y"],
        "dimensions": 8,
        "options": {"num_ctx": 512},
        "truncate": False,
        "keep_alive": -1,
    }


def test_the_same_dialect_embeds_as_it_came() -> None:
    tree = {"model": "a", "input": "x", "truncate": True, "odd": 1}
    outgoing = ollama.write_embed(ollama.read_embed(tree, NOBODY), Profile(model="e"))
    assert json.loads(outgoing.body) == {**tree, "model": "e"}


def test_token_ids_are_another_targets() -> None:
    with pytest.raises(UpstreamError):
        ollama.write_embed(EmbedRequest(model="a", inputs=((1, 2),)), PROFILE)


def test_vectors() -> None:
    response = ollama.read_embedded(b'{"model":"e","embeddings":[[1,2.5]],"prompt_eval_count":7}')
    assert (response.vectors, response.usage, response.model) == (((1.0, 2.5),), Usage(input=7), "e")
    with pytest.raises(UpstreamError):
        ollama.read_embedded(b'{"embeddings":[]}')
    with pytest.raises(UpstreamError):
        ollama.read_embedded(b'{"error":"boom"}')
