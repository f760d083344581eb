"""OpenAI's Responses API: requests read and written, whole answers read and written, checked against the SDK."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from crossover.chat import (
    Caller,
    ChatRequest,
    ChatResponse,
    Choice,
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
    ToolResult,
    Unknown,
)
from crossover.errors import RequestError, UpstreamError
from crossover.usage import Usage
from crossover.wire import responses
from crossover.wire.words import Profile
from tests.wire.sdk import sdk

PROFILE = Profile(model="target-1", developer_role=True)


def read(**fields: Any) -> ChatRequest:
    return responses.read_request({"model": "m", "input": "hi", **fields}, Caller(request_id="r1"))


def written(request: ChatRequest, **profile: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(responses.write_request(request, Profile(model="target-1", **profile)).body)
    return found


def asked(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=messages or (Message("user", (Text("hi"),)),), **fields)


# ------------------------------------------------------------------------------------------------------ door, reading


def test_a_small_request() -> None:
    request = read(instructions="Be brief.")
    assert request.messages == (Message("system", (Text("Be brief."),)), Message("user", (Text("hi"),)))
    assert (request.dialect, request.include_usage, request.extra) == ("responses", True, None)


def test_every_parameter_has_its_word() -> None:
    schema = {"type": "object"}
    request = read(
        tools=[{"type": "function", "name": "f", "description": "does f", "parameters": schema, "strict": True}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "a", "schema": schema, "strict": True}, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto"},
        max_output_tokens=7,
        temperature=0,
        top_p=0.5,
        top_logprobs=2,
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        user="u",
        metadata={"a": "b"},
        stream=True,
        stream_options={"include_obfuscation": False},
        store=False,
        background=False,
        truncation="disabled",
        previous_response_id=None,
    )
    assert request.tools == (Tool(name="f", description="does f", parameters=schema, strict=True),)
    assert request.tool_choice == ToolChoice(mode="named", name="f")
    assert request.output == OutputFormat(kind="schema", name="a", schema=schema, strict=True)
    assert request.reasoning == Reasoning(effort="high")
    assert (request.max_tokens, request.temperature, request.top_p, request.top_logprobs) == (7, 0, 0.5, 2)
    assert (request.logprobs, request.user, request.metadata) == (True, "u", {"a": "b"})
    assert (request.parallel_tools, request.stream) == (False, True)
    assert request.extra == {"store": False, "verbosity": "low"}


def test_null_says_nothing() -> None:
    fields: dict[str, Any] = dict.fromkeys(ResponseCreateParamsBase.__annotations__)
    request = read(**{**fields, "model": "m", "input": "hi"})
    assert msgspec.structs.replace(request, tree=None, dialect=None, caller=asked().caller) == asked(include_usage=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", [{"type": "web_search"}]),
        ("tool_choice", {"type": "web_search"}),
        ("truncation", "auto"),
        ("max_tool_calls", 3),
        ("include", ["web_search_call.results"]),
        ("prompt", {"id": "pmpt_1"}),
        ("service_tier", "flex"),
    ],
)
def test_what_only_this_api_knows_is_kept_aside(field: str, value: Any) -> None:
    assert read(**{field: value}).extra == {field: value}


def test_a_conversation_with_tools_and_thinking() -> None:
    request = read(
        input=[
            {"role": "developer", "content": "be brief"},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit"}},
                    {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                    {"type": "input_file", "file_url": "https://x/a.pdf"},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                    {"type": "input_image", "file_id": "file-1", "detail": "auto"},
                ],
            },
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "E",
            },
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {"type": "output_text", "text": "I call", "annotations": []},
                    {"type": "refusal", "refusal": "no"},
                ],
            },
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
            {"type": "function_call", "call_id": "c2", "name": "f", "arguments": ""},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
            {"role": "assistant", "content": "done"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        ]
    )
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    by_id = {"type": "input_image", "file_id": "file-1", "detail": "auto"}
    assert request.messages == (
        Message("developer", (Text("be brief"),)),
        Message(
            "user",
            (
                Text("look", "5m"),
                Media("image", url="https://x/y.png", detail="low"),
                Media("image", data="AAAA", mime="image/png", detail="auto"),
                Media("file", data="AAAA", mime="application/pdf", name="a.pdf"),
                Media("file", url="https://x/a.pdf"),
                Media("audio", data="AAAA", mime="audio/wav"),
                Unknown("input_image", by_id),
            ),
        ),
        Message(
            "assistant",
            (Thinking("hm"), Text("I call"), Refused("no"), ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "f", "{}")),
        ),
        Message("tool", (ToolResult("c1", (Text("one"),), "f"),)),
        Message("tool", (ToolResult("c2", (Text("two"),), "f"),)),
        Message("assistant", (Text("done"), Unknown("web_search_call", search))),
    )


@pytest.mark.parametrize(
    ("field", "value"), [("previous_response_id", "resp_1"), ("conversation", "conv_1"), ("background", True)]
)
def test_what_needs_a_memory_is_refused(field: str, value: Any) -> None:
    with pytest.raises(RequestError, match="kept between requests") as caught:
        read(**{field: value})
    assert (caught.value.code, caught.value.field, caught.value.status) == ("unsupported", field, 400)


def test_a_reference_to_an_item_is_refused() -> None:
    with pytest.raises(RequestError, match="none is kept here") as caught:
        read(input=[{"type": "item_reference", "id": "msg_1"}])
    assert caught.value.field == "input[0]"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ["hi"]}, "input[0]"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{}]}]}, "input[0].content[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": {}}]}]},
            "input[0].content[0].image_url",
        ),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]}, "input[0].arguments"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"type": 5}]}, "input[0].type"),
        ({"instructions": 5}, "instructions"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": "json"}, "text"),
        ({"reasoning": "high"}, "reasoning"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"include": "all"}, "include"),
        ({"include": [5]}, "include[0]"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(**fields)
    assert (caught.value.field, caught.value.status) == (field, 400)


def test_a_body_that_is_no_object() -> None:
    with pytest.raises(RequestError, match="JSON object"):
        responses.read_request("x")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "call_id", "output", "summary", "format", "name", "id"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from([*ResponseCreateParamsBase.__annotations__]), JSON, max_size=6), JSON)
def test_any_json_is_a_request_or_a_request_error(fields: dict[str, Any], item: Any) -> None:
    with suppress(RequestError):
        assert responses.read_request({"model": "m", "input": [item], **fields}).tree is not None


# -------------------------------------------------------------------------------------------------- upstream, writing


def test_the_same_dialect_gets_what_the_client_sent() -> None:
    fields: dict[str, Any] = {
        "input": [{"role": "user", "content": "hi", "odd": 1}],
        "tools": [{"type": "web_search"}],
        "store": True,
        "text": {"verbosity": "low"},
    }
    assert written(read(**fields)) == {"model": "target-1", **fields}


def test_developer_is_system_where_the_target_does_not_know_it() -> None:
    fields: dict[str, Any] = {"input": [{"role": "developer", "content": "a"}]}
    assert written(read(**fields))["input"][0]["role"] == "system"
    assert written(read(**fields), developer_role=True)["input"][0]["role"] == "developer"
    assert fields["input"][0]["role"] == "developer"


def test_a_maximum_that_was_lowered_on_the_way_counts() -> None:
    request = msgspec.structs.replace(read(max_output_tokens=9000, stream=True), max_tokens=100)
    body = written(request)
    assert (body["max_output_tokens"], body["stream"]) == (100, True)


def test_what_a_target_does_not_accept() -> None:
    drops = frozenset({"reasoning_effort", "metadata", "response_format", "seed"})
    request = read(reasoning={"effort": "low"}, metadata={"a": "b"}, text={"verbosity": "low"})
    outgoing = responses.write_request(request, Profile(model="t", drops=drops))
    assert sorted(outgoing.dropped) == ["metadata", "reasoning_effort"]
    assert json.loads(outgoing.body) == {"model": "t", "input": "hi", "text": {"verbosity": "low"}}
    verbose = responses.write_request(request, Profile(model="t", drops=frozenset({"verbosity", "store", "user"})))
    assert (verbose.dropped, json.loads(verbose.body)["text"]) == (("verbosity",), {})
    neutral = responses.write_request(
        read(store=False, user=None), Profile(model="t", drops=frozenset({"store", "user"}))
    )
    assert (neutral.dropped, json.loads(neutral.body)) == ((), {"model": "t", "input": "hi"})
    with pytest.raises(UpstreamError, match="response_format"):
        responses.write_request(read(text={"format": {"type": "json_object"}}), Profile(model="t", drops=drops))
    words = asked(seed=1, metadata={"a": "b"}, reasoning=Reasoning(effort="low"))
    assert responses.write_request(words, Profile(model="t", drops=drops)).dropped == (
        "reasoning_effort",
        "seed",
        "metadata",
    )


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"stop": ("x",)}, "stop"),
        ({"n": 2}, "n"),
        ({"logit_bias": {"1": 1.0}}, "logit_bias"),
        ({"extra": {"a": 1}, "dialect": "gemini"}, "a"),
    ],
)
def test_what_this_api_has_no_word_for_refuses(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(UpstreamError, match=f"support {name}") as caught:
        responses.write_request(asked(**fields), PROFILE)
    assert (caught.value.upstream, caught.value.accepted) == ("unsupported", False)


def test_a_schema_for_a_target_without_schemas_refuses() -> None:
    with pytest.raises(UpstreamError, match="JSON schema"):
        written(asked(output=OutputFormat(kind="schema", schema={})), json_schema="json")


def test_every_word_is_written() -> None:
    request = asked(
        Message("developer", (Text("d"),)),
        Message(
            "user",
            (
                Text("look"),
                Media("image", data="AAAA", mime="image/gif"),
                Media("file", data="AAAA", mime="application/pdf", name="a.pdf"),
                Media("file", url="https://x/a.pdf"),
                Media("audio", data="AAAA", mime="audio/wav"),
            ),
        ),
        Message("assistant", (Thinking("hm", signature="S"), Text("I call"), ToolCall("c1", "f", '{"a":1}'))),
        Message("tool", (ToolResult("c1", (Text("r"), Media("image", url="https://x/z.png")), "f"),)),
        Message("tool", (ToolResult("c2", (Text("a"), Text("b"))),)),
        Message("assistant", (Refused("no"),)),
        tools=(Tool(name="f", parameters={"type": "object"}),),
        tool_choice=ToolChoice(mode="named", name="f"),
        parallel_tools=False,
        output=OutputFormat(kind="schema", name="x", schema={"type": "object"}, strict=True),
        reasoning=Reasoning(budget_tokens=0),
        max_tokens=10,
        temperature=0.0,
        top_p=0.5,
        logprobs=True,
        top_logprobs=1,
        user="u",
        metadata={"a": "b"},
        stream=True,
        extra={"prompt_cache_key": "k"},
        dialect="openai",
    )
    assert written(request, developer_role=True) == {
        "model": "target-1",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "d"}]},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {"type": "input_image", "image_url": "data:image/gif;base64,AAAA", "detail": "auto"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                    {"type": "input_file", "file_url": "https://x/a.pdf"},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                ],
            },
            {"type": "message", "role": "assistant", "content": "I call"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
            {
                "type": "function_call_output",
                "call_id": "c1",
                "output": [
                    {"type": "input_text", "text": "r"},
                    {"type": "input_image", "image_url": "https://x/z.png", "detail": "auto"},
                ],
            },
            {"type": "function_call_output", "call_id": "c2", "output": "a\nb"},
            {"type": "message", "role": "assistant", "content": "no"},
        ],
        "store": False,
        "prompt_cache_key": "k",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}, "strict": True}},
        "reasoning": {"effort": "none"},
        "temperature": 0.0,
        "top_p": 0.5,
        "top_logprobs": 1,
        "include": ["message.output_text.logprobs"],
        "user": "u",
        "metadata": {"a": "b"},
        "max_output_tokens": 10,
        "stream": True,
    }


@pytest.mark.parametrize("part", [Unknown("holo", {}), Media("video", url="https://x/y.mp4")])
def test_what_no_word_of_the_dialect_fits_refuses(part: Part) -> None:
    with pytest.raises(UpstreamError) as caught:
        written(asked(Message("user", (part,))))
    assert (caught.value.upstream, caught.value.accepted) == ("unsupported", False)


# ----------------------------------------------------------------------------------------------------------- answers

TEXT = {"type": "output_text", "text": "hello", "annotations": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [TEXT]}


def answer(*output: dict[str, Any], **fields: Any) -> bytes:
    body = {"id": "resp_1", "object": "response", "created_at": 5.0, "model": "m1", "status": "completed"}
    return json.dumps({**body, "error": None, "output": list(output), **fields}).encode()


def test_a_whole_answer() -> None:
    usage = {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4, "input_tokens_details": {"cached_tokens": 2}}
    body = answer(MESSAGE, usage=usage)
    assert responses.read_response(body) == ChatResponse(
        choices=(Choice(message=Message("assistant", (Text("hello"),)), finish="stop"),),
        model="m1",
        id="resp_1",
        created=5,
        usage=Usage(input=3, output=1, cached_read=2),
        raw=body,
        dialect="responses",
    )


@pytest.mark.parametrize(
    ("output", "parts", "finish"),
    [
        (
            [{"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}],
            (ToolCall("c1", "f", '{"a":1}'),),
            "tool_calls",
        ),
        ([{**MESSAGE, "content": [{"type": "refusal", "refusal": "no"}]}], (Refused("no"),), "stop"),
        (
            [
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"text": "a"}, {"text": "b"}],
                    "encrypted_content": "E",
                },
                MESSAGE,
            ],
            (Thinking("a\n\nb"), Text("hello")),
            "stop",
        ),
        (
            [{"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"text": "raw"}]}, MESSAGE],
            (Thinking("raw"), Text("hello")),
            "stop",
        ),
        ([{"type": "reasoning", "id": "rs_1", "summary": []}, MESSAGE], (Text("hello"),), "stop"),
        (
            [{"type": "web_search_call", "id": "ws"}, MESSAGE],
            (Unknown("web_search_call", {"type": "web_search_call", "id": "ws"}), Text("hello")),
            "stop",
        ),
    ],
)
def test_what_an_answer_says(output: list[dict[str, Any]], parts: tuple[Part, ...], finish: str) -> None:
    choice = responses.read_response(answer(*output)).choices[0]
    assert (choice.message.parts, choice.finish) == (parts, finish)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("steered", "length"), (None, "length")],
)
def test_answers_that_are_not_whole(reason: str | None, finish: str) -> None:
    body = answer(MESSAGE, status="incomplete", incomplete_details={"reason": reason})
    assert responses.read_response(body).choices[0].finish == finish


def test_probabilities_are_in_the_shape_of_chat_completions() -> None:
    row = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    body = answer({**MESSAGE, "content": [{**TEXT, "logprobs": [row]}]})
    assert responses.read_response(body).choices[0].logprobs == {"content": [row], "refusal": None}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "empty"),
        (b"{", "malformed"),
        (b"[]", "malformed"),
        (b"{}", "malformed"),
        (answer(), "empty"),
        (answer(MESSAGE, status="in_progress"), "malformed"),
        (answer(MESSAGE, status="queued"), "malformed"),
        (answer(status="failed", error={"code": "server_error", "message": "boom"}), "server_error"),
        (answer(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"}), "rate_limited"),
        (answer(status="failed", error={"code": "invalid_prompt", "message": "bad"}), "bad_request"),
        (answer(status="cancelled"), "server_error"),
        (b'{"error": {"message": "boom"}}', "server_error"),
        (b'{"output": 5, "error": {"message": "boom"}}', "server_error"),
    ],
)
def test_answers_that_are_none(body: bytes, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        responses.read_response(body)
    assert caught.value.upstream == kind


def test_a_failure_keeps_what_was_counted() -> None:
    body = answer(status="failed", error={"code": "server_error"}, usage={"input_tokens": 3, "output_tokens": 1})
    with pytest.raises(UpstreamError) as caught:
        responses.read_response(body)
    assert caught.value.usage == Usage(input=3, output=1)


@given(st.lists(JSON, max_size=3))
def test_any_output_is_an_answer_or_an_upstream_error(output: list[Any]) -> None:
    body = json.dumps({"status": "completed", "output": output}).encode()
    with suppress(UpstreamError):
        assert responses.read_response(body).raw == body


# ----------------------------------------------------------------------------------------------------- door, writing


def test_an_answer_of_the_same_dialect_keeps_its_bytes() -> None:
    response = responses.read_response(answer(MESSAGE))
    assert responses.write_response(response, read()) is response.raw


REQUEST = {
    "instructions": "Be brief.",
    "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
    "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "text"}, "verbosity": "low"},
    "reasoning": {"effort": "low"},
    "metadata": {"a": "b"},
}


@pytest.mark.parametrize("finish", get_args(Finish))
def test_an_answer_of_another_dialect_is_what_the_sdk_reads(finish: Finish) -> None:
    row = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    parts: tuple[Part, ...] = (
        Thinking("hm", signature="SIG"),
        Thinking(redacted="RED"),
        Text("hello"),
        Refused("no"),
        ToolCall("c1", "f", '{"a":1}'),
        ToolCall("c2", "f", "{}"),
    )
    response = ChatResponse(
        choices=(Choice(message=Message("assistant", parts), finish=finish, logprobs={"content": [row]}),),
        model="claude",
        created=7,
        usage=Usage(input=10, output=5, cached_read=4, reasoning=2),
        dialect="anthropic",
        raw=b"not ours",
    )
    with sdk(200, responses.write_response(response, read(**REQUEST))) as client:
        found = client.responses.create(model="m", input="hi")
    Response.model_validate(found.model_dump())
    assert (found.id, found.model, found.instructions) == ("resp_r1", "claude", "Be brief.")
    assert found.output_text == "hello"
    whole = finish in {"stop", "tool_calls"}
    assert found.status == ("completed" if whole else "incomplete")
    assert (found.incomplete_details is None) is whole
    assert found.usage is not None
    assert found.usage.output_tokens_details.reasoning_tokens == 2
    assert [item.type for item in found.output] == [
        "reasoning",
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]
    # What a client sends back is what was said, seals included.
    items = [item.model_dump(exclude_none=True) for item in found.output]
    assert read(input=items).messages == (Message("assistant", parts),)


def test_what_was_sealed_elsewhere_never_goes_to_openai() -> None:
    response = ChatResponse(
        choices=(Choice(message=Message("assistant", (Thinking("hm", signature="SIG"), Text("hello"))), finish="stop"),)
    )
    items = json.loads(responses.write_response(response, read()))["output"]
    body = written(read(input=[*items, {"role": "user", "content": "go on"}]))
    assert [item.get("type", "message") for item in body["input"]] == ["message", "message"]
    assert "id" not in body["input"][0]


def test_openai_s_own_seal_is_not_taken_for_another_s() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E"}
    assert read(input=[item]).messages == (Message("assistant", (Thinking(),)),)
    assert written(read(input=[item]))["input"] == [item]


def test_an_answer_without_a_word() -> None:
    found = Response.model_validate_json(responses.write_response(ChatResponse(choices=()), read()))
    assert (found.output, found.status, found.usage) == ([], "completed", None)
