"""What Anthropic's clients send and get. Shapes of answers were checked with the official SDK (2.14), 2026-11-27."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

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
    OutputFormat,
    Part,
    Reasoning,
    Refused,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolDelta,
    ToolResult,
    Unknown,
)
from crossover.errors import CrossoverError, NoTargetError, RequestError, UpstreamError
from crossover.usage import Usage
from crossover.wire import anthropic

USAGE = Usage(input=100, output=50, cached_read=20, cache_write_5m=5, cache_write_1h=3, reasoning=10)


def body(**more: Any) -> dict[str, Any]:
    return {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **more}


def read(**more: Any) -> ChatRequest:
    return anthropic.read_request(body(**more), NOBODY)


def talk(*messages: Any) -> tuple[Message, ...]:
    return read(messages=list(messages)).messages


def events(data: bytes) -> list[dict[str, Any]]:
    found = []
    for block in data.decode().split("\n\n"):
        if block:
            name, _, line = block.partition("\n")
            row = json.loads(line.removeprefix("data: "))
            assert name == f"event: {row['type']}"
            found.append(row)
    return found


def test_a_plain_request() -> None:
    request = read(system="be brief", temperature=0.5, top_p=0.9, top_k=40, stop_sequences=["END"], stream=True)
    assert request.messages == (Message("system", (Text("be brief"),)), Message("user", (Text("hi"),)))
    assert (request.max_tokens, request.temperature, request.top_p, request.top_k) == (100, 0.5, 0.9, 40)
    assert request.stop == ("END",)
    assert request.stream
    assert request.include_usage, "every stream of this dialect carries usage"
    assert request.dialect == "anthropic"
    assert request.tree == body(
        system="be brief", temperature=0.5, top_p=0.9, top_k=40, stop_sequences=["END"], stream=True
    )


def test_system_blocks_keep_their_marks_for_the_cache() -> None:
    blocks = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "c"},
    ]
    assert read(system=blocks).messages[0] == Message("system", (Text("a", "5m"), Text("b", "1h"), Text("c")))


def test_tool_results_become_a_message_of_their_own_with_the_name_of_their_tool() -> None:
    call = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    result = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "is_error": True,
        "cache_control": {"type": "ephemeral"},
        "content": [{"type": "text", "text": "sunny"}, image],
    }
    messages = talk(
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"type": "text", "text": "and?"}, result]},
    )
    assert messages[1] == Message("assistant", (ToolCall("t1", "weather", '{"city":"Paris"}'),))
    parts = (Text("sunny"), Media("image", data="AAAA", mime="image/png"))
    assert messages[2] == Message("tool", (ToolResult("t1", parts, "weather", True, "5m"),))
    assert messages[3] == Message("user", (Text("and?"),))


def test_a_result_may_be_text_or_nothing() -> None:
    calls: list[dict[str, Any]] = [{"type": "tool_use", "id": name, "name": "f", "input": {}} for name in ("a", "b")]
    results = [
        {"type": "tool_result", "tool_use_id": "a", "content": "x"},
        {"type": "tool_result", "tool_use_id": "b"},
    ]
    messages = talk({"role": "assistant", "content": calls}, {"role": "user", "content": results})
    assert messages[1].parts == (ToolResult("a", (Text("x"),), "f"), ToolResult("b", (), "f"))


def test_thinking_comes_byte_for_byte() -> None:
    signature = "EqQBCgIYAhIM+/=="
    blocks = [
        {"type": "thinking", "thinking": "hmm\u2028", "signature": signature},
        {"type": "redacted_thinking", "data": "EmwKAhgB//=="},
        {"type": "text", "text": "Hello"},
    ]
    messages = talk({"role": "user", "content": "hi"}, {"role": "assistant", "content": blocks})
    assert messages[1].parts == (
        Thinking("hmm\u2028", signature),
        Thinking(redacted="EmwKAhgB//=="),
        Text("Hello"),
    )


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            Media("image", url="https://x/y.png"),
        ),
        (
            {
                "type": "document",
                "title": "T",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "J"},
            },
            Media("file", data="J", mime="application/pdf", name="T"),
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
            Media("file", url="https://x/y.pdf", mime="application/pdf"),
        ),
        (
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            Text("T\nwords"),
        ),
    ],
)
def test_images_and_documents(block: dict[str, Any], part: Part) -> None:
    assert talk({"role": "user", "content": [block]})[0].parts == (part,)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "document", "citations": {"enabled": True}, "source": {"type": "text", "data": "x"}},
        {"type": "from_the_future", "x": [1]},
    ],
)
def test_what_no_word_fits_is_kept_as_it_came(block: dict[str, Any]) -> None:
    assert talk({"role": "user", "content": [block]})[0].parts == (Unknown(block["type"], block),)


def test_tools_and_who_runs_them() -> None:
    own = {
        "name": "f",
        "description": "does",
        "input_schema": {"type": "object"},
        "strict": True,
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
    }
    server = {"type": "web_search_20250305", "name": "web_search"}
    request = read(tools=[own, server])
    (tool,) = request.tools
    assert (tool.name, tool.description, tool.parameters, tool.strict, tool.cache) == (
        "f",
        "does",
        {"type": "object"},
        True,
        "1h",
    )
    assert request.extra == {"server_tools": [server]}, "no other target runs Anthropic's tools"


@pytest.mark.parametrize(
    ("said", "choice", "parallel"),
    [
        ({"type": "auto"}, ToolChoice(mode="auto"), None),
        ({"type": "any"}, ToolChoice(mode="required"), None),
        ({"type": "none"}, ToolChoice(mode="none"), None),
        ({"type": "tool", "name": "f"}, ToolChoice(mode="named", name="f"), None),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice(mode="auto"), False),
    ],
)
def test_tool_choice(said: dict[str, Any], choice: ToolChoice, parallel: bool | None) -> None:
    request = read(tool_choice=said)
    assert (request.tool_choice, request.parallel_tools) == (choice, parallel)


@pytest.mark.parametrize(
    ("said", "reasoning"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Reasoning(budget_tokens=2048)),
        ({"thinking": {"type": "disabled"}}, Reasoning(budget_tokens=0)),
        ({"thinking": {"type": "adaptive"}}, Reasoning()),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, Reasoning(effort="max")),
        ({"output_config": {"effort": "low"}}, Reasoning(effort="low")),
        ({}, None),
    ],
)
def test_thinking_asked_for(said: dict[str, Any], reasoning: Reasoning | None) -> None:
    assert read(**said).reasoning == reasoning


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_structured_output_by_its_new_and_its_old_name(field: str) -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    request = read(**{field: {"format": form} if field == "output_config" else form})
    assert request.output == OutputFormat(kind="schema", schema={"type": "object"})


def test_the_user_and_fields_of_tomorrow() -> None:
    request = read(metadata={"user_id": "u"}, inference_geo="eu", service_tier="auto")
    assert request.user == "u"
    assert request.extra == {"inference_geo": "eu", "service_tier": "auto"}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"model": ""}, "model"),
        ({"model": 3}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [3]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "f"}]}]},
            "messages[0].content[0].id",
        ),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"system": 3}, "system"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"metadata": {"user_id": 3}}, "metadata.user_id"),
    ],
)
def test_what_is_wrong_is_named(more: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(**more)
    assert caught.value.status == 400
    assert caught.value.field == field


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(RequestError):
        anthropic.read_request([], NOBODY)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------------- answers


def answer(*parts: Part, finish: Finish = "stop", usage: Usage | None = USAGE) -> dict[str, Any]:
    response = ChatResponse(
        choices=(Choice(message=Message("assistant", parts), finish=finish),), model="m", id="id1", usage=usage
    )
    found: dict[str, Any] = json.loads(anthropic.write_response(response, read()))
    return found


def test_a_whole_answer() -> None:
    parts = (Thinking("hmm", "U0lH"), Text("Hello"), ToolCall("t1", "f", '{"a": 1}'))
    assert answer(*parts, finish="tool_calls") == {
        "id": "id1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hmm", "signature": "U0lH"},
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 72,
            "cache_creation_input_tokens": 8,
            "cache_read_input_tokens": 20,
            "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 3},
            "output_tokens": 50,
            "output_tokens_details": {"thinking_tokens": 10},
        },
    }


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("pause", "pause_turn"),
    ],
)
def test_reasons_to_stop(finish: Finish, reason: str) -> None:
    assert answer(Text("x"), finish=finish)["stop_reason"] == reason


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "no json", '"text"'])
def test_arguments_that_are_no_object_are_wrapped_not_lost(arguments: str) -> None:
    (block,) = answer(ToolCall("t", "f", arguments))["content"]
    assert block["input"] == {"INVALID_JSON": arguments}


def test_no_arguments_are_an_empty_object() -> None:
    assert answer(ToolCall("t", "f", ""))["content"][0]["input"] == {}


def test_ids_of_other_dialects_are_written_in_letters_that_the_client_may_send_back() -> None:
    first, second = answer(ToolCall("functions.f:0", "f"), ToolCall("functions.f.0", "f"))["content"]
    assert first["id"] != second["id"]
    for block in (first, second):
        assert set(block["id"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def test_a_refusal_is_said() -> None:
    found = answer(Refused("I will not"), finish="content_filter")
    assert found["content"] == [{"type": "text", "text": "I will not"}]


def test_without_usage_the_dialect_says_zero() -> None:
    assert answer(Text("x"), usage=None)["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_the_targets_own_bytes_are_passed_on() -> None:
    response = ChatResponse(choices=(), raw=b'{"odd": "bytes"}', dialect="anthropic")
    assert anthropic.write_response(response, read()) == b'{"odd": "bytes"}'


# ------------------------------------------------------------------------------------------------------------- streams


def written(*chunks: ChatChunk) -> list[dict[str, Any]]:
    writer = anthropic.StreamWriter(read(stream=True))
    data = b"".join(writer.write(chunk) for chunk in chunks) + writer.end(None)
    return events(data)


def one(**delta: Any) -> ChatChunk:
    return ChatChunk(deltas=(Delta(**delta),))


def call(index: int, arguments: str = "", **more: Any) -> ChatChunk:
    return one(tool=ToolDelta(index=index, arguments=arguments, **more))


def test_a_stream_of_thoughts_words_and_calls() -> None:
    found = written(
        ChatChunk(id="id1", model="m"),
        one(thinking="h"),
        one(thinking="m"),
        one(signature="U0"),
        one(text="He"),
        one(text="llo"),
        call(0, id="t1", name="f"),
        call(0, '{"a":'),
        call(0, "1}"),
        call(1, id="t2", name="g"),
        one(finish="tool_calls"),
        ChatChunk(usage=USAGE, last=True),
    )
    assert [row["type"] for row in found] == [
        "message_start",
        *["content_block_start", *["content_block_delta"] * 3, "content_block_stop"],
        *["content_block_start", *["content_block_delta"] * 2, "content_block_stop"],
        *["content_block_start", *["content_block_delta"] * 2, "content_block_stop"],
        *["content_block_start", "content_block_stop"],
        "message_delta",
        "message_stop",
    ]
    assert found[0]["message"]["id"] == "id1"
    starts = [row["content_block"] for row in found if row["type"] == "content_block_start"]
    assert starts == [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "text", "text": ""},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
    ]
    deltas = [row["delta"] for row in found if row["type"] == "content_block_delta"]
    assert deltas[2] == {"type": "signature_delta", "signature": "U0"}
    assert deltas[-1] == {"type": "input_json_delta", "partial_json": "1}"}
    assert found[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert found[-2]["usage"]["output_tokens"] == 50
    assert found[-2]["usage"]["input_tokens"] == 72, "the last word on the input, though the start said nothing"


def test_blocks_are_numbered_in_the_order_they_start() -> None:
    found = written(one(text="a"), call(0, id="t", name="f"), one(text="b"), one(finish="stop"))
    assert [row["index"] for row in found if row["type"] == "content_block_start"] == [0, 1, 2]
    for row in found:
        if row["type"] == "content_block_delta":
            assert row["index"] in (0, 1, 2)


def test_fragments_of_interleaved_calls_find_their_block() -> None:
    found = written(
        call(0, id="a", name="f"),
        call(1, id="b", name="g"),
        call(0, '{"x":1}'),
        call(1, '{"y":2}'),
        one(finish="tool_calls"),
    )
    pieces = [(row["index"], row["delta"]["partial_json"]) for row in found if row["type"] == "content_block_delta"]
    assert pieces == [(0, '{"x":1}'), (1, '{"y":2}')]


def test_a_call_whose_name_comes_late_starts_with_its_name() -> None:
    found = written(call(0, '{"a"', id="t"), call(0, ":1}", name="f"), one(finish="tool_calls"))
    assert found[1]["content_block"] == {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    assert found[2]["delta"]["partial_json"] == '{"a":1}'


def test_a_call_without_an_id_gets_one() -> None:
    found = written(call(0, name="f"), one(finish="tool_calls"))
    assert found[1]["content_block"]["id"]


def test_an_image_is_a_block() -> None:
    found = written(one(media=Media("image", data="AAAA", mime="image/png")), one(finish="stop"))
    assert found[1]["content_block"]["source"] == {"type": "base64", "media_type": "image/png", "data": "AAAA"}


def test_redacted_thinking_is_a_block_of_its_own() -> None:
    found = written(one(thinking="a"), one(redacted="EmwK"), one(text="b"), one(finish="stop"))
    starts = [row["content_block"] for row in found if row["type"] == "content_block_start"]
    assert starts[1] == {"type": "redacted_thinking", "data": "EmwK"}


def test_a_refusal_in_words_ends_as_one() -> None:
    found = written(one(refusal="no"), one(finish="stop"))
    assert found[-2]["delta"]["stop_reason"] == "refusal"


def test_an_empty_answer_is_still_well_formed() -> None:
    assert [row["type"] for row in written(one(finish="stop"))] == ["message_start", "message_delta", "message_stop"]


def test_other_choices_are_left_out() -> None:
    found = written(one(text="a"), one(choice=1, text="b"), one(finish="stop"))
    assert [row["delta"]["text"] for row in found if row["type"] == "content_block_delta"] == ["a"]


def test_the_targets_own_events_are_passed_on() -> None:
    writer = anthropic.StreamWriter(read(stream=True))
    raw = b"event: ping\ndata: {}\n\n"
    assert writer.write(ChatChunk(raw=raw, dialect="anthropic")) == raw
    assert writer.write(ChatChunk(last=True)) == b""
    assert writer.end(None) == b"", "message_stop came with the target's own bytes"


def test_a_stream_that_fails_says_so_and_never_ends() -> None:
    writer = anthropic.StreamWriter(read(stream=True))
    data = writer.write(one(text="He")) + writer.error(UpstreamError("the stream broke", upstream="cut"))
    found = events(data)
    assert found[-1] == {"type": "error", "error": {"type": "api_error", "message": "the stream broke"}}
    assert "message_stop" not in {row["type"] for row in found}


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (RequestError("bad"), 400, "invalid_request_error"),
        (RequestError("who", status=401), 401, "authentication_error"),
        (RequestError("no", status=403), 403, "permission_error"),
        (RequestError("what", status=404), 404, "not_found_error"),
        (RequestError("big", status=413), 413, "request_too_large"),
        (RequestError("slow", status=429), 429, "rate_limit_error"),
        (NoTargetError("none"), 503, "overloaded_error"),
        (NoTargetError("never", status=422), 422, "invalid_request_error"),
        (UpstreamError("x", upstream="server_error"), 502, "api_error"),
        (UpstreamError("x", upstream="gap_timeout"), 504, "timeout_error"),
        (CrossoverError("x"), 500, "api_error"),
    ],
)
def test_errors_in_the_dialects_own_shape(error: CrossoverError, status: int, kind: str) -> None:
    said, data = anthropic.write_error(error)
    assert said == status
    assert json.loads(data) == {"type": "error", "error": {"type": kind, "message": error.message}}


def test_a_hint_follows_the_message() -> None:
    _, data = anthropic.write_error(RequestError("no such model 'x'", hint="Known: y"))
    assert json.loads(data)["error"]["message"] == "no such model 'x'. Known: y"


def test_chunks_that_were_only_looked_at_stay_as_they_are() -> None:
    chunk = one(text="a")
    again = msgspec.structs.replace(chunk)
    anthropic.StreamWriter(read()).write(chunk)
    assert chunk == again
