"""Speaking to Anthropic. Events are those of its documentation and of the official SDK's types, 2026-11-27."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crossover.chat import (
    NOBODY,
    ChatChunk,
    ChatRequest,
    Delta,
    Finish,
    Media,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Refused,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolDelta,
    ToolResult,
    Unknown,
)
from crossover.errors import RequestError, UpstreamError, UpstreamKind
from crossover.wire import anthropic
from crossover.wire.words import Outgoing, Profile
from tests.wire import streams

PROFILE = Profile(model="claude-x")
ASK = (Message("user", (Text("hi"),)),)
F = Tool(name="f", description="does", parameters={"type": "object", "properties": {}})


def write(messages: tuple[Message, ...] = ASK, profile: Profile = PROFILE, **more: Any) -> Outgoing:
    return anthropic.write_request(ChatRequest(model="alias", messages=messages, dialect="openai", **more), profile)


def body(messages: tuple[Message, ...] = ASK, profile: Profile = PROFILE, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write(messages, profile, **more).body)
    return found


def said(role: Any, *parts: Part | str) -> Message:
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def test_the_least_that_the_api_takes() -> None:
    outgoing = write()
    assert outgoing.path == "/messages"
    assert json.loads(outgoing.body) == {
        "model": "claude-x",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_a_maximum_is_the_requests_or_the_deployments() -> None:
    assert body(max_tokens=7)["max_tokens"] == 7
    assert body(profile=Profile(model="m", max_output=9))["max_tokens"] == 9


def test_all_system_messages_are_one_wherever_they_stand() -> None:
    found = body((said("system", "a"), said("user", "hi"), said("developer", Text("b", "1h")), said("system", "")))
    assert found["system"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert len(found["messages"]) == 1


def test_neighbours_of_one_role_are_one_message() -> None:
    found = body(
        (said("user", "a"), said("user", "b"), said("assistant", "c"), said("assistant", "d"), said("user", "e"))
    )
    assert [(row["role"], len(row["content"])) for row in found["messages"]] == [
        ("user", 2),
        ("assistant", 2),
        ("user", 1),
    ]


def test_a_conversation_never_starts_with_the_assistant() -> None:
    assert body((said("assistant", "Welcome"), said("user", "hi")))["messages"][0]["role"] == "user"
    assert body((said("system", "only rules"),))["messages"][0]["role"] == "user"


def test_results_come_first_in_the_order_of_the_calls() -> None:
    found = body(
        (
            said("user", "go"),
            said("assistant", "ok", ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g")),
            said("tool", ToolResult("b", (Text("2"),))),
            said("user", "and?"),
            said("tool", ToolResult("a", (Text("1"), Media("image", data="A", mime="image/png")), is_error=True)),
        )
    )
    last = found["messages"][-1]["content"]
    assert [block["type"] for block in last] == ["tool_result", "tool_result", "text"]
    assert [block["tool_use_id"] for block in last[:2]] == ["a", "b"]
    assert last[0]["is_error"] is True
    assert [block["type"] for block in last[0]["content"]] == ["text", "image"]
    assert found["messages"][1]["content"][1] == {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}


def test_a_result_without_a_call_is_refused() -> None:
    with pytest.raises(RequestError, match="'zz' has no call"):
        write((said("user", "hi"), said("tool", ToolResult("zz", (Text("1"),)))))


@pytest.mark.parametrize("after", [(), (said("user", "never mind"),), (said("tool", ToolResult("a", ())),)])
def test_a_call_without_a_result_is_refused(after: tuple[Message, ...]) -> None:
    with pytest.raises(RequestError, match=r"the call '[ab]' of the tool '[fg]' has no result"):
        write((said("user", "hi"), said("assistant", ToolCall("a", "f"), ToolCall("b", "g")), *after))


def test_ids_of_calls_and_results_stay_the_same_when_rewritten() -> None:
    found = body(
        (
            said("assistant", ToolCall("functions.f:0", "f")),
            said("tool", ToolResult("functions.f:0", (Text("1"),))),
        )
    )
    called = found["messages"][1]["content"][0]["id"]
    assert called == found["messages"][2]["content"][0]["tool_use_id"]
    assert ":" not in called


def test_thinking_goes_back_byte_for_byte_and_only_with_its_signature() -> None:
    parts = (
        Thinking("a", "U0lH+/=="),
        Thinking(redacted="EmwK"),
        Thinking("of another model"),
        Text("x"),
    )
    found = body((said("user", "hi"), Message("assistant", parts), said("user", "on")))
    assert found["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "a", "signature": "U0lH+/=="},
        {"type": "redacted_thinking", "data": "EmwK"},
        {"type": "text", "text": "x"},
    ]


def test_thinking_in_pieces_is_one_block_with_the_last_signature() -> None:
    found = body(
        (said("user", "hi"), said("assistant", Thinking("a"), Thinking("b"), Thinking("", "U0")), said("user", "x"))
    )
    assert found["messages"][1]["content"] == [{"type": "thinking", "thinking": "ab", "signature": "U0"}]


def test_images_and_files() -> None:
    held = Media("image", data="iVBORw0KGgoAAA")
    url = Media("image", url="https://x/y.png")
    inline = Media("image", url="data:image/webp;base64,UklGRg")
    pdf = Media("file", data="JVBERi0x", name="a.pdf")
    blocks = body((said("user", held, url, inline, pdf),))["messages"][0]["content"]
    assert [block["source"] for block in blocks] == [
        {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoAAA"},
        {"type": "url", "url": "https://x/y.png"},
        {"type": "base64", "media_type": "image/webp", "data": "UklGRg"},
        {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"},
    ]
    assert blocks[3]["title"] == "a.pdf"


@pytest.mark.parametrize(
    "part",
    [
        Media("audio", data="AAAA", mime="audio/wav"),
        Media("video", url="https://x"),
        Media("file", data="AAAA", mime="text/csv"),
        Unknown("input_widget", {"type": "input_widget"}),
    ],
)
def test_what_the_dialect_cannot_carry_is_another_targets(part: Part) -> None:
    with pytest.raises(UpstreamError) as caught:
        write((said("user", part),))
    assert (caught.value.upstream, caught.value.accepted) == ("unsupported", False)


def test_empty_words_and_white_space_at_the_end_are_not_sent() -> None:
    found = body((said("user", ""), said("user", "hi"), said("assistant", "begin \n")))
    assert found["messages"][0]["content"] == [{"type": "text", "text": "hi"}]
    assert found["messages"][1]["content"] == [{"type": "text", "text": "begin"}]


def test_a_refusal_in_the_history_is_words() -> None:
    found = body((said("user", "a"), said("assistant", Refused("no")), said("user", "b")))
    assert found["messages"][1]["content"] == [{"type": "text", "text": "no"}]


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (ToolChoice(mode="auto"), None, {"type": "auto"}),
        (ToolChoice(mode="required"), None, {"type": "any"}),
        (ToolChoice(mode="none"), False, {"type": "none"}),
        (ToolChoice(mode="named", name="f"), None, {"type": "tool", "name": "f"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="required"), False, {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choice(choice: ToolChoice | None, parallel: bool | None, written: Any) -> None:
    assert body(tools=(F,), tool_choice=choice, parallel_tools=parallel).get("tool_choice") == written


def test_tools() -> None:
    bare = Tool(name="g", strict=True, cache="5m")
    assert body(tools=(F, bare))["tools"] == [
        {"name": "f", "description": "does", "input_schema": {"type": "object", "properties": {}}},
        {
            "name": "g",
            "input_schema": {"type": "object", "properties": {}},
            "strict": True,
            "cache_control": {"type": "ephemeral"},
        },
    ]


@pytest.mark.parametrize(
    ("reasoning", "field", "more", "written"),
    [
        (Reasoning(effort="high"), None, {}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        (Reasoning(effort="minimal"), None, {}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        (Reasoning(), None, {}, {"thinking": {"type": "adaptive"}, "output_config": None}),
        (Reasoning(effort="none"), None, {}, {"thinking": {"type": "disabled"}, "output_config": None}),
        (Reasoning(budget_tokens=0), None, {}, {"thinking": {"type": "disabled"}, "output_config": None}),
        (
            Reasoning(budget_tokens=2000),
            None,
            {"max_tokens": 8000},
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        ),
        (
            Reasoning(budget_tokens=6000),
            "effort",
            {"max_tokens": 8000},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        (
            Reasoning(effort="medium"),
            "budget_tokens",
            {"max_tokens": 8000},
            {"thinking": {"type": "enabled", "budget_tokens": 4000}},
        ),
        (
            Reasoning(effort="low"),
            "budget_tokens",
            {"max_tokens": 2000},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
        (
            Reasoning(budget_tokens=50_000),
            None,
            {},
            {"thinking": {"type": "enabled", "budget_tokens": 50_000}, "max_tokens": 54_096},
        ),
        (
            Reasoning(budget_tokens=50_000),
            None,
            {"max_tokens": 3000},
            {"thinking": {"type": "enabled", "budget_tokens": 2999}, "max_tokens": 3000},
        ),
    ],
)
def test_how_much_to_think(reasoning: Reasoning, field: str | None, more: Any, written: dict[str, Any]) -> None:
    found = body(profile=Profile(model="m", reasoning_field=field), reasoning=reasoning, **more)
    for name, value in written.items():
        assert found.get(name) == value, name


def test_no_room_for_the_least_thinking_is_reported() -> None:
    outgoing = write(reasoning=Reasoning(budget_tokens=2000), max_tokens=500)
    assert "thinking" not in json.loads(outgoing.body)
    assert outgoing.dropped == ("reasoning_effort",)


def test_a_forced_tool_leaves_no_thinking_and_it_is_reported() -> None:
    outgoing = write(tools=(F,), tool_choice=ToolChoice(mode="required"), reasoning=Reasoning(effort="high"))
    assert "thinking" not in json.loads(outgoing.body)
    assert outgoing.dropped == ("reasoning_effort",)


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}


def test_structured_output_is_native() -> None:
    found = body(output=OutputFormat(kind="schema", schema=SCHEMA), reasoning=Reasoning(effort="low"))
    assert found["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {"n": {"type": "integer", "description": "{minimum: 3}"}},
                "required": ["n"],
                "additionalProperties": False,
            },
        },
        "effort": "low",
    }


@pytest.mark.parametrize(
    ("output", "profile"),
    [
        (OutputFormat(kind="json"), PROFILE),
        (OutputFormat(kind="schema", schema=SCHEMA), Profile(model="m", json_schema="tool")),
    ],
)
def test_without_it_a_tool_stands_for_the_answer(output: OutputFormat, profile: Profile) -> None:
    found = body(profile=profile, output=output)
    (tool,) = found["tools"]
    assert found["tool_choice"] == {"type": "tool", "name": tool["name"]}
    assert tool["input_schema"]["type"] == "object"
    answered = {
        "type": "message",
        "content": [{"type": "tool_use", "id": "t", "name": tool["name"], "input": {"n": 4}}],
        "stop_reason": "tool_use",
    }
    (choice,) = anthropic.read_response(json.dumps(answered).encode()).choices
    assert (choice.message.parts, choice.finish) == ((Text('{"n":4}'),), "stop")


def test_what_is_harmless_is_dropped_and_named() -> None:
    outgoing = write(seed=3, presence_penalty=0.5, metadata={"a": "b"}, user="u", extra={"verbosity": "low"})
    assert set(outgoing.dropped) == {"seed", "presence_penalty", "metadata", "verbosity"}
    found = json.loads(outgoing.body)
    assert found["metadata"] == {"user_id": "u"}
    assert "seed" not in found


@pytest.mark.parametrize(
    "more",
    [
        {"n": 2},
        {"logprobs": True},
        {"logit_bias": {"1": 1.0}},
        {"temperature": 1.5},
        {"extra": {"modalities": ["audio"]}},
    ],
)
def test_what_matters_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError) as caught:
        write(**more)
    assert caught.value.upstream == "unsupported"


def test_a_model_without_sampling_refuses_it() -> None:
    with pytest.raises(UpstreamError, match="temperature"):
        write(temperature=0.5, profile=Profile(model="m", drops=frozenset({"temperature"})))


def test_the_same_dialect_is_sent_as_it_came() -> None:
    tree = {
        "model": "alias",
        "max_tokens": 9,
        "system": "x",
        "messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "f"}}]}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "from_the_future": {"a": [1, 2.5, None]},
        "top_k": 3,
        "stream": True,
    }
    request = anthropic.read_request(tree, NOBODY)
    outgoing = anthropic.write_request(request, Profile(model="claude-y", drops=frozenset({"top_k"})))
    expected = {**tree, "model": "claude-y"}
    del expected["top_k"]
    assert json.loads(outgoing.body) == expected
    assert outgoing.dropped == ("top_k",)
    assert tree["model"] == "alias", "the client's own body is not touched: a fallback reads it again"


def test_the_same_dialect_without_a_maximum_gets_one() -> None:
    request = anthropic.read_request({"model": "a", "messages": [{"role": "user", "content": "x"}]}, NOBODY)
    assert json.loads(anthropic.write_request(request, PROFILE).body)["max_tokens"] == 4096


def test_python_callers_may_add_fields_of_the_dialect() -> None:
    request = ChatRequest(model="a", messages=ASK, extra={"service_tier": "standard_only"})
    assert json.loads(anthropic.write_request(request, PROFILE).body)["service_tier"] == "standard_only"


# --------------------------------------------------------------------------------------------------------------- read


def whole(**more: Any) -> bytes:
    body = {"id": "m1", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": "end_turn"}
    return json.dumps({**body, **more}).encode()


def test_a_whole_answer() -> None:
    content = [
        {"type": "thinking", "thinking": "h", "signature": "U0="},
        {"type": "redacted_thinking", "data": "Em"},
        {"type": "text", "text": "Hi", "citations": None},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    ]
    data = whole(content=content, stop_reason="tool_use")
    response = anthropic.read_response(data)
    (choice,) = response.choices
    assert choice.message.parts == (Thinking("h", "U0="), Thinking(redacted="Em"), Text("Hi"), ToolCall("t", "f", "{}"))
    assert choice.finish == "tool_calls"
    assert (response.id, response.model, response.raw, response.dialect) == ("m1", "c", data, "anthropic")


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause"),
        ("from_the_future", "length"),
    ],
)
def test_reasons_to_stop(reason: str, finish: Finish) -> None:
    assert anthropic.read_response(whole(stop_reason=reason)).choices[0].finish == finish


@pytest.mark.parametrize("reason", ["error", "network_error", "internal_failure", "timeout", "ERROR", None, ""])
def test_an_answer_that_failed_is_none(reason: str | None) -> None:
    with pytest.raises(UpstreamError) as caught:
        anthropic.read_response(whole(stop_reason=reason, usage={"input_tokens": 3, "output_tokens": 1}))
    assert caught.value.upstream == "server_error"
    assert caught.value.accepted
    assert caught.value.usage is not None, "what failed after it was counted is paid"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"<html>", "malformed"),
        (b"[]", "malformed"),
        (b'{"type":"message"}', "malformed"),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "overloaded"),
    ],
)
def test_what_is_no_answer(data: bytes, kind: UpstreamKind) -> None:
    with pytest.raises(UpstreamError) as caught:
        anthropic.read_response(data)
    assert caught.value.upstream == kind


# -------------------------------------------------------------------------------------------------------------- stream

START = {
    "type": "message_start",
    "message": {"id": "m1", "model": "c", "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}},
}
STOP = {"type": "message_stop"}


def end(reason: str = "end_turn") -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9}}


def block(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": fields}


def delta(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def stream(*events: dict[str, Any], size: int = 1 << 20) -> list[ChatChunk]:
    return streams.read(anthropic.StreamReader(), streams.named(*events), size)


def deltas(chunks: list[ChatChunk]) -> list[Delta]:
    return [delta for chunk in chunks for delta in chunk.deltas if delta != Delta()]


EVENTS = (
    START,
    block(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="hm"),
    delta(0, type="signature_delta", signature="U0"),
    delta(0, type="signature_delta", signature="lH"),
    stop(0),
    {"type": "ping"},
    block(1, type="redacted_thinking", data="Em"),
    stop(1),
    block(2, type="text", text=""),
    delta(2, type="text_delta", text="Hé"),
    delta(2, type="citations_delta", citation={}),
    stop(2),
    block(3, type="tool_use", id="t1", name="f", input={}),
    delta(3, type="input_json_delta", partial_json=""),
    delta(3, type="input_json_delta", partial_json='{"a":'),
    delta(3, type="input_json_delta", partial_json="1}"),
    stop(3),
    block(4, type="tool_use", id="t2", name="g", input={}),
    stop(4),
    end("tool_use"),
    STOP,
)


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
def test_a_stream_in_pieces_of_any_size(size: int) -> None:
    chunks = stream(*EVENTS, size=size)
    assert deltas(chunks) == [
        Delta(thinking="hm"),
        Delta(signature="U0"),
        Delta(signature="lH"),
        Delta(redacted="Em"),
        Delta(text="Hé"),
        Delta(tool=ToolDelta(index=0, id="t1", name="f")),
        Delta(tool=ToolDelta(index=0, arguments='{"a":')),
        Delta(tool=ToolDelta(index=0, arguments="1}")),
        Delta(tool=ToolDelta(index=1, id="t2", name="g")),
        Delta(tool=ToolDelta(index=1, arguments="{}")),
        Delta(finish="tool_calls"),
    ]
    assert chunks[-1].last
    assert not any(chunk.last for chunk in chunks[:-1])
    assert b"".join(chunk.raw or b"" for chunk in chunks) == streams.named(*EVENTS), "nothing of it is lost"
    assert chunks[0].id == "m1"


def test_a_preface_says_nothing_of_the_answer_yet() -> None:
    reader = anthropic.StreamReader()
    chunks = reader.feed(streams.named(START, {"type": "ping"}, block(0, type="text", text="")))
    assert not any(chunk.semantic for chunk in chunks)


def test_arguments_that_come_whole_with_the_start_are_kept() -> None:
    chunks = stream(START, block(0, type="tool_use", id="t", name="f", input={"a": 1}), stop(0), end("tool_use"), STOP)
    assert deltas(chunks)[1] == Delta(tool=ToolDelta(index=0, arguments='{"a":1}'))


def test_the_tool_that_stands_for_the_answer_streams_as_words() -> None:
    chunks = stream(
        START,
        block(0, type="tool_use", id="t", name="answer_in_json", input={}),
        delta(0, type="input_json_delta", partial_json='{"n":'),
        delta(0, type="input_json_delta", partial_json="4}"),
        stop(0),
        end("tool_use"),
        STOP,
    )
    assert deltas(chunks) == [Delta(text='{"n":'), Delta(text="4}"), Delta(finish="stop")]


def test_tools_of_the_server_are_no_calls_of_the_client() -> None:
    chunks = stream(
        START,
        block(0, type="server_tool_use", id="s", name="web_search", input={}),
        delta(0, type="input_json_delta", partial_json='{"q":1}'),
        stop(0),
        block(1, type="web_search_tool_result", tool_use_id="s", content=[]),
        stop(1),
        end("pause_turn"),
        STOP,
    )
    assert deltas(chunks) == [Delta(finish="pause")]


def test_events_of_tomorrow_are_passed_on_and_counted() -> None:
    reader = anthropic.StreamReader()
    chunks = streams.read(reader, streams.named(START, {"type": "weather"}, end(), STOP))
    assert len(chunks) == 4
    assert (reader.unknown, reader.malformed) == (1, 0)


def test_a_malformed_event_is_skipped_and_counted() -> None:
    reader = anthropic.StreamReader()
    data = streams.named(START) + b"event: x\ndata: {oops\n\n" + streams.named(end(), STOP)
    chunks = streams.read(reader, data)
    assert reader.malformed == 1
    assert chunks[-1].last


@pytest.mark.parametrize("count", [0, 1, 5, 10, len(EVENTS) - 1])
def test_a_stream_without_its_end_is_cut(count: int) -> None:
    reader = anthropic.StreamReader()
    reader.feed(streams.named(*EVENTS[:count]))
    with pytest.raises(UpstreamError) as caught:
        reader.eof()
    assert caught.value.upstream == "cut"
    assert caught.value.accepted


@pytest.mark.parametrize(
    ("kind", "upstream"),
    [
        ("overloaded_error", "overloaded"),
        ("rate_limit_error", "rate_limited"),
        ("api_error", "server_error"),
        ("timeout_error", "server_error"),
        ("invalid_request_error", "bad_request"),
        ("odd_error", "server_error"),
    ],
)
def test_an_error_inside_the_stream(kind: str, upstream: UpstreamKind) -> None:
    reader = anthropic.StreamReader()
    assert len(reader.feed(streams.named(START))) == 1
    with pytest.raises(UpstreamError) as caught:
        reader.feed(streams.named({"type": "error", "error": {"type": kind, "message": "Sorry"}}))
    assert (caught.value.upstream, caught.value.message, caught.value.accepted) == (upstream, "Sorry", True)
    with pytest.raises(UpstreamError):
        reader.eof()


def test_an_error_before_anything_was_not_accepted() -> None:
    with pytest.raises(UpstreamError) as caught:
        stream({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert not caught.value.accepted


def test_words_that_came_with_an_error_in_one_read_are_not_lost() -> None:
    reader = anthropic.StreamReader()
    error = {"type": "error", "error": {"type": "api_error", "message": "x"}}
    chunks = reader.feed(streams.named(START, delta(0, type="text_delta", text="Hi"), error))
    assert deltas(chunks) == [Delta(text="Hi")]
    assert reader.failed is not None
    with pytest.raises(UpstreamError):
        reader.feed(b"")


@pytest.mark.parametrize(
    ("status", "error", "kind", "accepted"),
    [
        (400, {"type": "invalid_request_error", "message": "max_tokens: Field required"}, "bad_request", False),
        (
            400,
            {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"},
            "context_length",
            False,
        ),
        (
            400,
            {"type": "invalid_request_error", "message": "Your credit balance is too low to access the Anthropic API."},
            "quota",
            False,
        ),
        (401, {"type": "authentication_error", "message": "invalid x-api-key"}, "auth", False),
        (402, {"type": "billing_error", "message": "pay"}, "quota", False),
        (403, {"type": "permission_error", "message": "no"}, "auth", False),
        (404, {"type": "not_found_error", "message": "model: nope"}, "not_found", False),
        (413, {"type": "request_too_large", "message": "big"}, "bad_request", False),
        (429, {"type": "rate_limit_error", "message": "slow"}, "rate_limited", False),
        (500, {"type": "api_error", "message": "Internal server error"}, "server_error", True),
        (504, {"type": "timeout_error", "message": "late"}, "server_error", True),
        (529, {"type": "overloaded_error", "message": "Overloaded"}, "overloaded", False),
    ],
)
def test_refusals(status: int, error: dict[str, str], kind: UpstreamKind, accepted: bool) -> None:
    caught = anthropic.read_error(status, {}, json.dumps({"type": "error", "error": error}).encode())
    assert (caught.upstream, caught.accepted, caught.upstream_status) == (kind, accepted, status)
    assert caught.message == error["message"]


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "12"}, 12.0),
        ({}, None),
        (
            {
                "date": "Fri, 27 Nov 2026 10:00:00 GMT",
                "anthropic-ratelimit-requests-reset": "2026-11-27T10:00:05Z",
                "anthropic-ratelimit-tokens-reset": "2026-11-27T10:00:30Z",
            },
            30.0,
        ),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], wait: float | None) -> None:
    data = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}'
    assert anthropic.read_error(429, headers, data).retry_after_s == wait


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"<html>502 Bad Gateway</html>", b"[1]", b'{"error":3}'])
def test_a_refusal_in_any_shape_is_an_error(data: bytes) -> None:
    caught = anthropic.read_error(502, {}, data)
    assert caught.upstream == "server_error"
    assert caught.message
