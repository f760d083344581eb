"""OpenAI's chat completions: requests read and written, whole answers read and written, checked against the SDK."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

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
from crossover.wire import openai
from crossover.wire.words import Profile
from tests.wire.sdk import sdk

PROFILE = Profile(model="target-1")
HI: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
FUNCTION = {"name": "f", "description": "does f", "parameters": {"type": "object"}, "strict": True}


def read(**fields: Any) -> ChatRequest:
    return openai.read_request({"model": "m", "messages": HI, **fields})


def written(request: ChatRequest, **profile: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openai.write_request(request, Profile(model="target-1", **profile)).body)
    return found


def asked(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=messages or (Message("user", (Text("hi"),)),), **fields)


# ------------------------------------------------------------------------------------------------------ door, reading


def test_a_small_request() -> None:
    caller = Caller(request_id="r1", key="k1")
    body = {"model": "m", "messages": HI}
    assert openai.read_request(body, caller) == ChatRequest(
        model="m", messages=(Message("user", (Text("hi"),)),), dialect="openai", tree=body, caller=caller
    )


def test_every_parameter_has_its_word() -> None:
    request = read(
        tools=[{"type": "function", "function": FUNCTION}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        parallel_tool_calls=False,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True},
        },
        reasoning_effort="high",
        max_completion_tokens=7,
        max_tokens=5,
        temperature=0,
        top_p=0.5,
        top_k=40,
        presence_penalty=1,
        frequency_penalty=-1,
        seed=3,
        stop="END",
        n=2,
        logprobs=True,
        top_logprobs=2,
        logit_bias={"5": -100},
        user="u",
        metadata={"a": "b"},
        stream=True,
        stream_options={"include_usage": True},
    )
    assert request.tools == (Tool(name="f", description="does f", parameters={"type": "object"}, strict=True),)
    assert request.tool_choice == ToolChoice(mode="named", name="f")
    assert request.output == OutputFormat(kind="schema", name="a", schema={"type": "object"}, strict=True)
    assert request.reasoning == Reasoning(effort="high")
    assert (request.max_tokens, request.temperature, request.top_p, request.top_k) == (7, 0, 0.5, 40)
    assert (request.presence_penalty, request.frequency_penalty, request.seed, request.stop) == (1, -1, 3, ("END",))
    assert (request.n, request.logprobs, request.top_logprobs, request.logit_bias) == (2, True, 2, {"5": -100})
    assert (request.user, request.metadata, request.parallel_tools) == ("u", {"a": "b"}, False)
    assert (request.stream, request.include_usage, request.extra) == (True, True, None)


def test_null_says_nothing() -> None:
    fields: dict[str, Any] = dict.fromkeys(CompletionCreateParamsBase.__annotations__)
    request = read(**{**fields, "model": "m", "messages": HI})
    assert msgspec.structs.replace(request, tree=None, dialect=None) == asked()


def test_unknown_fields_are_kept() -> None:
    request = read(chat_template_kwargs={"enable_thinking": False}, service_tier="flex", audio=None)
    assert request.extra == {"chat_template_kwargs": {"enable_thinking": False}, "service_tier": "flex"}


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("tool_choice", {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, "tool_choice"),
        ("tool_choice", {"type": "custom", "custom": {"name": "x"}}, "tool_choice"),
        ("response_format", {"type": "grammar", "grammar": "root ::= x"}, "output"),
        ("tools", [{"type": "custom", "custom": {"name": "x"}}], "tools"),
    ],
)
def test_shapes_that_only_openai_knows_are_kept_aside(field: str, value: Any, word: str) -> None:
    request = read(**{field: value})
    assert request.extra == {field: value}
    assert not getattr(request, word)


PARTS: list[tuple[dict[str, Any], Part]] = [
    ({"type": "text", "text": "a"}, Text("a")),
    ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, Text("a", "5m")),
    ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, Text("a", "1h")),
    ({"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}, Text("a", "5m")),
    (
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
        Media("image", url="https://x/y.png", detail="low"),
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        Media("image", data="AAAA", mime="image/png"),
    ),
    ({"type": "video_url", "video_url": {"url": "https://x/y.mp4"}}, Media("video", url="https://x/y.mp4")),
    ({"type": "audio_url", "audio_url": {"url": "https://x/y.mp3"}}, Media("audio", url="https://x/y.mp3")),
    (
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        Media("audio", data="AAAA", mime="audio/mpeg"),
    ),
    (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
        Media("file", data="AAAA", mime="application/pdf", name="a.pdf"),
    ),
    ({"type": "file", "file": {"file_id": "file-1"}}, Unknown("file", {"type": "file", "file": {"file_id": "file-1"}})),
    ({"type": "holo", "holo": 1}, Unknown("holo", {"type": "holo", "holo": 1})),
]


@pytest.mark.parametrize(("row", "part"), PARTS)
def test_parts(row: dict[str, Any], part: Part) -> None:
    assert read(messages=[{"role": "user", "content": [row]}]).messages[0].parts == (part,)


def test_a_conversation_with_tools() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    google = {"google": {"thought_signature": "SIG"}}
    request = read(
        messages=[
            {"role": "developer", "content": "be brief", "name": "dev"},
            {"role": "user", "content": [{"type": "text", "text": "x"}]},
            {"role": "assistant", "content": None, "tool_calls": [call, {**call, "id": "c2", "extra_content": google}]},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
            {"role": "assistant", "content": "done", "refusal": None},
            {"role": "assistant", "content": None, "refusal": "I will not"},
        ]
    )
    assert request.messages == (
        Message("developer", (Text("be brief"),), "dev"),
        Message("user", (Text("x"),)),
        Message("assistant", (ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "f", '{"a":1}', "SIG"))),
        Message("tool", (ToolResult("c1", (Text("one"),), "f"),)),
        Message("tool", (ToolResult("c2", (Text("two"),), "f"),)),
        Message("assistant", (Text("done"),)),
        Message("assistant", (Refused("I will not"),)),
    )


def test_thinking_of_earlier_turns() -> None:
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "S"},
        {"type": "reasoning.encrypted", "data": "E"},
    ]
    request = read(
        messages=[
            {"role": "assistant", "content": "a", "reasoning_content": "hm"},
            {"role": "assistant", "content": "a", "reasoning": "hm"},
            {"role": "assistant", "content": "a", "reasoning": "hm", "reasoning_details": details},
        ]
    )
    assert request.messages == (
        Message("assistant", (Thinking("hm"), Text("a"))),
        Message("assistant", (Thinking("hm"), Text("a"))),
        Message("assistant", (Thinking("hm", signature="S"), Thinking(redacted="E"), Text("a"))),
    )


def test_the_shapes_before_tools_are_kept() -> None:
    row = {"role": "function", "name": "f", "content": "1"}
    call = {"name": "f", "arguments": "{}"}
    request = read(messages=[{"role": "assistant", "content": None, "function_call": call}, row])
    assert request.messages == (
        Message("assistant", (Unknown("function_call", call),)),
        Message("tool", (Unknown("function message", row),), "f"),
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": [], "content": "hi"}]}, "messages[0].role"),
        ({"messages": [*HI, {"role": "user"}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "a"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": ""}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "messages[0].tool_calls[0].function"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]},
            "messages[0].tool_calls[0].id",
        ),
        ({"messages": [{"role": "user", "content": "x", "name": 5}]}, "messages[0].name"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"function": {}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]}, "tools[0].function.parameters"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function.name"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"stream": 1}, "stream"),
        ({"stop": [1]}, "stop[0]"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(**fields)
    assert (caught.value.field, caught.value.status) == (field, 400)
    assert field in caught.value.message


def test_a_value_never_shows_in_an_error() -> None:
    with pytest.raises(RequestError) as caught:
        read(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": "my secret"}]}])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [None, [], "x", 5])
def test_a_body_that_is_no_object(body: Any) -> None:
    with pytest.raises(RequestError, match="JSON object"):
        openai.read_request(body)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "image_url", "url", "tool_calls", "function", "name", "id"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from([*CompletionCreateParamsBase.__annotations__]), JSON, max_size=6), JSON)
def test_any_json_is_a_request_or_a_request_error(fields: dict[str, Any], content: Any) -> None:
    message = {"role": "user", "content": content}
    with suppress(RequestError):
        assert openai.read_request({"model": "m", "messages": [message], **fields}).tree is not None


# -------------------------------------------------------------------------------------------------- upstream, writing


def test_the_same_dialect_gets_what_the_client_sent() -> None:
    fields = {"temperature": 0.1, "chat_template_kwargs": {"a": 1}, "messages": [{**HI[0], "weight": 1}]}
    assert written(read(**fields)) == {"model": "target-1", **fields}


def test_the_tree_itself_is_never_changed() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "developer", "content": [{"type": "text", "text": "a"}]}, *HI],
        "stream": True,
        "seed": 1,
        "max_tokens": 5,
    }
    before = json.dumps(body)
    openai.write_request(
        openai.read_request(body),
        Profile(model="t", flatten_text=True, drops=frozenset({"seed"}), max_tokens_field="x"),
    )
    assert json.dumps(body) == before


@pytest.mark.parametrize("same", [True, False])
def test_the_maximum_has_the_target_s_name(same: bool) -> None:
    request = read(max_completion_tokens=9) if same else asked(max_tokens=9)
    assert written(request)["max_tokens"] == 9
    body = written(request, max_tokens_field="max_completion_tokens")
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


def test_a_maximum_that_was_lowered_on_the_way_counts() -> None:
    request = msgspec.structs.replace(read(max_tokens=9000), max_tokens=100)
    assert written(request)["max_tokens"] == 100


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("include_usage", {"include_usage": True}),
        ("continuous", {"include_usage": True, "continuous_usage_stats": True}),
        ("none", None),
    ],
)
def test_usage_of_a_stream_is_always_asked_for(same: bool, how: str, options: dict[str, Any] | None) -> None:
    body = written(read(stream=True) if same else asked(stream=True), stream_usage=how)
    assert body["stream"] is True
    assert body.get("stream_options") == options


def test_stream_options_of_the_client_survive() -> None:
    body = written(read(stream=True, stream_options={"include_obfuscation": False}))
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_a_stream_that_became_a_whole_answer() -> None:
    request = msgspec.structs.replace(read(stream=True, stream_options={"include_usage": True}), stream=False)
    assert not {"stream", "stream_options"} & set(written(request))


@pytest.mark.parametrize("same", [True, False])
def test_developer_is_system_where_the_target_does_not_know_it(same: bool) -> None:
    request = (
        read(messages=[{"role": "developer", "content": "a"}, *HI])
        if same
        else asked(Message("developer", (Text("a"),)), Message("user", (Text("hi"),)))
    )
    assert [row["role"] for row in written(request)["messages"]] == ["system", "user"]
    assert [row["role"] for row in written(request, developer_role=True)["messages"]] == ["developer", "user"]


@pytest.mark.parametrize("same", [True, False])
def test_content_as_one_string(same: bool) -> None:
    request = (
        read(messages=[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])
        if same
        else asked(Message("user", (Text("a"), Text("b"))))
    )
    assert written(request, flatten_text=True)["messages"][0]["content"] == "a\nb"
    assert len(written(request)["messages"][0]["content"]) == 2


def test_an_image_for_a_target_of_text_refuses() -> None:
    request = read(messages=[{"role": "user", "content": [PARTS[4][0], PARTS[0][0]]}])
    with pytest.raises(UpstreamError) as caught:
        openai.write_request(request, Profile(model="t", flatten_text=True))
    assert (caught.value.upstream, caught.value.accepted) == ("unsupported", False)


@pytest.mark.parametrize("same", [True, False])
def test_what_a_target_does_not_accept(same: bool) -> None:
    drops = frozenset({"seed", "user", "logit_bias", "n"})
    fields: dict[str, Any] = {"seed": 1, "user": "u", "n": 1}
    outgoing = openai.write_request(read(**fields) if same else asked(**fields), Profile(model="t", drops=drops))
    assert sorted(outgoing.dropped) == ["seed", "user"]
    assert not drops & set(json.loads(outgoing.body))
    with pytest.raises(UpstreamError, match="logit_bias"):
        openai.write_request(
            read(logit_bias={"1": 1}) if same else asked(logit_bias={"1": 1}), Profile(model="t", drops=drops)
        )


def test_thinking_in_the_history_goes_where_the_target_wants_it() -> None:
    request = read(messages=[*HI, {"role": "assistant", "content": "a", "reasoning_content": "hm"}, *HI])
    assert written(request)["messages"][1] == {"role": "assistant", "content": "a"}
    assert written(request, reasoning_field="reasoning")["messages"][1]["reasoning"] == "hm"


def test_a_schema_for_a_target_that_only_promises_json() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    request = read(response_format=form, messages=[{"role": "system", "content": "Be brief."}, *HI])
    body = written(request, json_schema="json")
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][0]["content"].startswith("Be brief.\n\n")
    assert '"properties"' in body["messages"][0]["content"]
    assert written(read(response_format=form), json_schema="json")["messages"][0]["role"] == "system"
    with pytest.raises(UpstreamError, match="JSON schema"):
        written(request, json_schema="tool")


def test_options_of_a_target_fill_what_was_not_said() -> None:
    body = written(read(top_p=0.5), options={"top_p": 0.9, "chat_template_kwargs": {"a": 1}})
    assert (body["top_p"], body["chat_template_kwargs"]) == (0.5, {"a": 1})


def test_a_path_of_its_own() -> None:
    assert openai.write_request(read(), PROFILE).path == "/chat/completions"
    assert openai.write_request(read(), Profile(model="t", path="/deployments/t/chat")).path == "/deployments/t/chat"


def test_every_word_is_written() -> None:
    request = asked(
        Message("system", (Text("s"),)),
        Message(
            "user",
            (
                Text("look"),
                Media("image", url="https://x/y.png", detail="low"),
                Media("image", data="AAAA", mime="image/gif"),
                Media("audio", data="AAAA", mime="audio/mpeg"),
                Media("file", data="AAAA", mime="application/pdf", name="a.pdf"),
            ),
        ),
        Message("assistant", (Thinking("hm"), Text("I call"), ToolCall("c1", "f", '{"a":1}'))),
        Message("tool", (ToolResult("c1", (Text("r"), Media("image", url="https://x/z.png")), "f"),)),
        Message("assistant", (Refused("no"),)),
        tools=(Tool(name="f", description="does f", parameters={"type": "object"}),),
        tool_choice=ToolChoice(mode="named", name="f"),
        parallel_tools=False,
        output=OutputFormat(kind="schema", name="x", schema={"type": "object"}, strict=True, description="d"),
        reasoning=Reasoning(budget_tokens=5000),
        max_tokens=10,
        temperature=0.0,
        top_p=0.5,
        top_k=3,
        presence_penalty=0.0,
        frequency_penalty=0.5,
        seed=0,
        stop=("a", "b"),
        n=2,
        logprobs=True,
        top_logprobs=1,
        logit_bias={"5": 1.0},
        user="u",
        metadata={"a": "b"},
        extra={"chat_template_kwargs": {}},
    )
    assert written(request, reasoning_field="reasoning_content") == {
        "model": "target-1",
        "messages": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "data:image/gif;base64,AAAA"}},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
                ],
            },
            {
                "role": "assistant",
                "content": "I call",
                "reasoning_content": "hm",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/z.png"}}]},
            {"role": "assistant", "content": "no"},
        ],
        "chat_template_kwargs": {},
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "does f", "parameters": {"type": "object"}}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": True, "description": "d"},
        },
        "reasoning_effort": "medium",
        "temperature": 0.0,
        "top_p": 0.5,
        "top_k": 3,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.5,
        "seed": 0,
        "stop": ["a", "b"],
        "n": 2,
        "logprobs": True,
        "top_logprobs": 1,
        "logit_bias": {"5": 1.0},
        "user": "u",
        "metadata": {"a": "b"},
        "max_tokens": 10,
    }


def test_what_is_written_from_words_reads_as_the_same_words() -> None:
    request = asked(
        Message("system", (Text("s"),)),
        Message("user", (Text("a"), Media("image", data="AAAA", mime="image/png"))),
        Message("assistant", (Text("b"), ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}"))),
        Message("tool", (ToolResult("c1", (Text("1"),), "f"),)),
        Message("tool", (ToolResult("c2", (Text("2"),), "g"),)),
        tools=(Tool(name="f", parameters={"type": "object"}),),
        stop=("x",),
        stream=True,
        include_usage=True,
    )
    again = openai.read_request(json.loads(openai.write_request(request, PROFILE).body))
    assert msgspec.structs.replace(again, model="m", dialect=None, tree=None) == request


def test_media_in_results_of_parallel_calls_follow_all_results() -> None:
    picture = Media("image", url="https://x/y.png")
    rows = written(
        asked(
            Message("assistant", (ToolCall("c1", "f"), ToolCall("c2", "f"))),
            Message("tool", (ToolResult("c1", (picture,)),)),
            Message("tool", (ToolResult("c2", (Text("2"),)),)),
            Message("user", (Text("go on"),)),
        )
    )["messages"]
    assert [row["role"] for row in rows] == ["assistant", "tool", "tool", "user", "user"]


@pytest.mark.parametrize("part", [Unknown("holo", {}), Media("file", url="https://x/a.pdf")])
def test_what_no_word_of_the_dialect_fits_refuses(part: Part) -> None:
    with pytest.raises(UpstreamError) as caught:
        openai.write_request(asked(Message("user", (part,))), PROFILE)
    assert (caught.value.upstream, caught.value.accepted) == ("unsupported", False)


def test_fields_of_another_dialect_refuse_unless_harmless() -> None:
    outgoing = openai.write_request(asked(extra={"service_tier": "auto"}, dialect="anthropic"), PROFILE)
    assert outgoing.dropped == ("service_tier",)
    assert "service_tier" not in json.loads(outgoing.body)
    outgoing = openai.write_request(asked(extra={"service_tier": "flex"}, dialect="responses"), PROFILE)
    assert json.loads(outgoing.body)["service_tier"] == "flex"
    with pytest.raises(UpstreamError, match="container"):
        openai.write_request(asked(extra={"container": "c"}, dialect="anthropic"), PROFILE)


@pytest.mark.parametrize(("budget", "effort"), [(0, "none"), (1024, "low"), (8000, "medium"), (32000, "high")])
def test_a_budget_for_thinking_in_openai_s_words(budget: int, effort: str) -> None:
    assert written(asked(reasoning=Reasoning(budget_tokens=budget)))["reasoning_effort"] == effort


# ----------------------------------------------------------------------------------------------------------- answers


def answer(message: dict[str, Any] | None = None, **fields: Any) -> bytes:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "hello", **(message or {})},
        "finish_reason": "stop",
    }
    return json.dumps({"id": "a1", "created": 5, "model": "m1", "choices": [choice], **fields}).encode()


def test_a_whole_answer() -> None:
    body = answer(usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4})
    assert openai.read_response(body) == ChatResponse(
        choices=(Choice(message=Message("assistant", (Text("hello"),)), finish="stop"),),
        model="m1",
        id="a1",
        created=5,
        usage=Usage(input=3, output=1),
        raw=body,
        dialect="openai",
    )


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"content": None, "tool_calls": [CALL]}, (ToolCall("c1", "f", '{"a":1}'),)),
        ({"content": "", "tool_calls": [{**CALL, "id": None}]}, (ToolCall("call_0", "f", '{"a":1}'),)),
        (
            {"content": None, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {"a": 1}}}]},
            (ToolCall("c1", "f", '{"a":1}'),),
        ),
        ({"content": None, "refusal": "no"}, (Refused("no"),)),
        ({"reasoning_content": "hm"}, (Thinking("hm"), Text("hello"))),
        ({"reasoning": "hm"}, (Thinking("hm"), Text("hello"))),
        (
            {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "S"}]},
            (Thinking("hm", signature="S"), Text("hello")),
        ),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "hello"},
                ]
            },
            (Thinking("hm"), Text("hello")),
        ),
        ({"content": None, "audio": {"id": "x"}}, (Unknown("audio", {"id": "x"}),)),
    ],
)
def test_what_an_answer_says(message: dict[str, Any], parts: tuple[Part, ...]) -> None:
    assert openai.read_response(answer(message)).choices[0].message.parts == parts


def test_several_answers_with_their_probabilities() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}], "refusal": None}
    choices = [
        {"index": index, "message": {"content": str(index)}, "finish_reason": "length", "logprobs": logprobs}
        for index in range(3)
    ]
    response = openai.read_response(answer(choices=choices))
    assert [choice.message.text for choice in response.choices] == ["0", "1", "2"]
    assert {choice.finish for choice in response.choices} == {"length"}
    assert response.choices[1].logprobs == logprobs


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b"{", "malformed"),
        (b"[]", "malformed"),
        (b"<html>", "malformed"),
        (b"null", "malformed"),
        (b"{}", "empty"),
        (b'{"choices": []}', "empty"),
        (b'{"choices": null}', "empty"),
        (b'{"choices": {}}', "malformed"),
        (b'{"choices": [{}]}', "malformed"),
        (b'{"choices": [{"message": {"content": null}, "finish_reason": null}]}', "empty"),
        (b'{"error": {"message": "boom"}}', "server_error"),
        (b'{"error": {"message": "slow down", "code": 429}}', "rate_limited"),
        (b'{"error": "boom", "choices": []}', "server_error"),
        (b'{"object": "error", "message": "maximum context length is 5"}', "context_length"),
        (b'{"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}', "server_error"),
        (b"\xff\xfe", "malformed"),
        (b"[" * 100_000, "malformed"),
    ],
)
def test_answers_that_are_none(body: bytes, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        openai.read_response(body)
    assert caught.value.upstream == kind


def test_an_answer_without_a_reason_is_whole_where_it_says_something() -> None:
    body = b'{"choices": [{"message": {"content": "x"}, "finish_reason": null}]}'
    assert openai.read_response(body).choices[0].finish == "stop"


def test_an_answer_of_nothing_but_a_reason() -> None:
    assert openai.read_response(answer({"content": ""})).choices[0].message.parts == ()


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_an_upstream_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        openai.read_response(body)


@given(JSON)
def test_any_message_is_an_answer_or_an_upstream_error(tree: Any) -> None:
    body = json.dumps({"choices": [{"message": tree, "finish_reason": "stop"}, tree], "usage": tree}).encode()
    with suppress(UpstreamError):
        assert openai.read_response(body).raw == body


# ----------------------------------------------------------------------------------------------------- door, writing


def test_an_answer_of_the_same_dialect_keeps_its_bytes() -> None:
    response = openai.read_response(answer())
    assert openai.write_response(response, read()) is response.raw


@pytest.mark.parametrize("finish", get_args(Finish))
def test_an_answer_of_another_dialect_is_what_the_sdk_reads(finish: Finish) -> None:
    message = Message(
        "assistant",
        (
            Thinking("hm", signature="SIG"),
            Thinking(redacted="RED"),
            Text("hel"),
            Text("lo"),
            ToolCall("c1", "f", '{"a":1}', "GOOGLE"),
        ),
    )
    response = ChatResponse(
        choices=(Choice(message=message, finish=finish, logprobs={"content": None, "refusal": None}),),
        model="claude",
        id="msg_1",
        created=7,
        usage=Usage(input=10, output=5, cached_read=4, reasoning=2),
        dialect="anthropic",
        raw=b"not ours",
    )
    with sdk(200, openai.write_response(response, read())) as client:
        found = client.chat.completions.create(model="m", messages=[])
    assert ChatCompletion.model_validate(found.model_dump()) == found
    assert (found.id, found.model, found.created, found.object) == ("msg_1", "claude", 7, "chat.completion")
    said = found.choices[0].message
    assert found.choices[0].finish_reason == ("length" if finish == "pause" else finish)
    assert said.content == "hello"
    assert said.tool_calls is not None
    assert said.tool_calls[0].model_dump()["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert found.usage is not None
    assert found.usage.total_tokens == 15
    extra = said.model_extra or {}
    assert extra["reasoning_content"] == "hm"
    # What a client sends back is what was said, seals included.
    again = openai.read_request({"model": "m", "messages": [said.model_dump(exclude_none=True)]})
    assert again.messages[0].parts == (
        Thinking("hm", signature="SIG"),
        Thinking(redacted="RED"),
        Text("hello"),
        ToolCall("c1", "f", '{"a":1}', "GOOGLE"),
    )


def test_an_answer_without_usage_or_words() -> None:
    response = ChatResponse(choices=(Choice(message=Message("assistant", ()), finish="stop"),))
    body = json.loads(openai.write_response(response, read()))
    assert "usage" not in body
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "", "refusal": None}


def test_a_refusal_is_what_the_sdk_reads() -> None:
    response = ChatResponse(choices=(Choice(message=Message("assistant", (Refused("no"),)), finish="stop"),))
    found = ChatCompletion.model_validate_json(openai.write_response(response, read()))
    assert (found.choices[0].message.refusal, found.choices[0].message.content) == ("no", None)
