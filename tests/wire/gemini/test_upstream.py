"""Speaking to Gemini. Pieces are those of its documentation and of the official SDK's types, 2026-11-27."""

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
from crossover.usage import Usage
from crossover.wire import gemini
from crossover.wire.words import Outgoing, Profile
from tests.wire import streams

PROFILE = Profile(model="gemini-3-flash")
OLD = Profile(model="gemini-2.5-flash")
ASK = (Message("user", (Text("hi"),)),)
F = Tool(name="f", description="does", parameters={"type": "object", "properties": {"a": {"type": "string"}}})


def write(messages: tuple[Message, ...] = ASK, profile: Profile = PROFILE, **more: Any) -> Outgoing:
    return gemini.write_request(ChatRequest(model="alias", messages=messages, dialect="openai", **more), profile)


def body(messages: tuple[Message, ...] = ASK, profile: Profile = PROFILE, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write(messages, profile, **more).body)
    return found


def said(role: Any, *parts: Part | str) -> Message:
    return Message(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-x", False, "/models/gemini-x:generateContent"),
        ("gemini-x", True, "/models/gemini-x:streamGenerateContent?alt=sse"),
        ("tunedModels/t", False, "/tunedModels/t:generateContent"),
        ("publishers/google/models/g", False, "/publishers/google/models/g:generateContent"),
        ("a b?c", False, "/models/a%20b%3Fc:generateContent"),
    ],
)
def test_the_model_and_the_method_are_in_the_path(model: str, stream: bool, path: str) -> None:
    assert write(profile=Profile(model=model), stream=stream).path == path


def test_the_least_that_the_api_takes() -> None:
    assert body() == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_all_system_messages_are_one_wherever_they_stand() -> None:
    found = body((said("system", "a", "b"), said("user", "hi"), said("developer", "c")))
    assert found["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}
    assert len(found["contents"]) == 1


def test_neighbours_of_one_role_are_one_content_and_the_user_begins() -> None:
    found = body((said("assistant", "Welcome"), said("user", "a"), said("user", "b"), said("assistant", "c")))
    assert [(row["role"], len(row["parts"])) for row in found["contents"]] == [
        ("user", 1),
        ("model", 1),
        ("user", 2),
        ("model", 1),
    ]


def test_results_bear_the_name_of_their_tool_and_the_id_of_their_call() -> None:
    found = body(
        (
            said("user", "go"),
            said("assistant", ToolCall("call_a", "f", '{"x":1}', "U0lH"), ToolCall("call_b", "f")),
            said("tool", ToolResult("call_b", (Text("2"),), is_error=True), ToolResult("call_a", (Text('{"t": 1}'),))),
            said("user", "and?"),
        )
    )
    assert found["contents"][1]["parts"] == [
        {"functionCall": {"id": "call_a", "name": "f", "args": {"x": 1}}, "thoughtSignature": "U0lH"},
        {"functionCall": {"id": "call_b", "name": "f", "args": {}}},
    ]
    assert found["contents"][2]["parts"] == [
        {"functionResponse": {"id": "call_a", "name": "f", "response": {"output": '{"t": 1}'}}},
        {"functionResponse": {"id": "call_b", "name": "f", "response": {"error": "2"}}},
        {"text": "and?"},
    ]


def test_ids_that_were_made_up_are_not_sent() -> None:
    call = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "U0lH"}]}
    result = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "1"}}}]}
    tree = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}, call, result]}
    request = gemini.read_request(tree, NOBODY, model="m", stream=False)
    found = body(request.messages)
    assert found["contents"][1:] == [call, result]


def test_long_numbers_in_results_stay_exact() -> None:
    text = '{"id": 12345678901234567890}'
    found = body((said("assistant", ToolCall("a", "f")), said("tool", ToolResult("a", (Text(text),)))))
    assert found["contents"][2]["parts"][0]["functionResponse"]["response"] == {"output": text}


def test_an_image_in_a_result_is_beside_it() -> None:
    result = ToolResult("a", (Text("see"), Media("image", data="AAAA", mime="image/png")))
    found = body((said("assistant", ToolCall("a", "f")), said("tool", result)))
    response = found["contents"][2]["parts"][0]["functionResponse"]
    assert response["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]


def test_results_and_calls_must_match() -> None:
    with pytest.raises(RequestError):
        write((said("user", "hi"), said("tool", ToolResult("zz", ()))))
    with pytest.raises(RequestError):
        write((said("user", "hi"), said("assistant", ToolCall("a", "f"))))


def test_calls_of_other_models_bear_the_documented_signature_where_one_is_demanded() -> None:
    messages = (
        said("user", "hi"),
        said("assistant", ToolCall("a", "f"), ToolCall("b", "f")),
        said("tool", ToolResult("a", ()), ToolResult("b", ())),
    )
    first, second = body(messages)["contents"][1]["parts"]
    assert first["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in second
    assert "thoughtSignature" not in body(messages, OLD)["contents"][1]["parts"][0]


def test_signatures_go_back_byte_for_byte_at_their_part() -> None:
    parts = (Thinking("h", "U0lH"), Text("x"), Thinking("", "AAB/_-=="), ToolCall("a", "f", "{}", "Zm9v"))
    found = body((said("user", "hi"), Message("assistant", parts), said("tool", ToolResult("a", ()))))
    assert found["contents"][1]["parts"] == [
        {"text": "h", "thought": True, "thoughtSignature": "U0lH"},
        {"text": "x"},
        {"text": "", "thoughtSignature": "AAB/_-=="},
        {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "Zm9v"},
    ]


@pytest.mark.parametrize(
    ("part", "row"),
    [
        (Media("image", data="iVBORw0KGgoA"), {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgoA"}}),
        (Media("image", url="data:image/gif;base64,R0"), {"inlineData": {"mimeType": "image/gif", "data": "R0"}}),
        (
            Media("image", url="https://x/y.jpg?z"),
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x/y.jpg?z"}},
        ),
        (Media("audio", data="A", mime="audio/wav"), {"inlineData": {"mimeType": "audio/wav", "data": "A"}}),
        (Media("file", data="JVBERi0x"), {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0x"}}),
        (
            Media("video", url="https://v", mime="video/mp4"),
            {"fileData": {"mimeType": "video/mp4", "fileUri": "https://v"}},
        ),
        (Refused("no"), {"text": "no"}),
    ],
)
def test_parts(part: Part, row: dict[str, Any]) -> None:
    assert body((said("user", part),))["contents"][0]["parts"] == [row]


@pytest.mark.parametrize("part", [Media("image", url="https://x/picture"), Unknown("input_widget", {})])
def test_what_the_dialect_cannot_carry_is_another_targets(part: Part) -> None:
    with pytest.raises(UpstreamError) as caught:
        write((said("user", part),))
    assert (caught.value.upstream, caught.value.accepted) == ("unsupported", False)


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice(mode="auto"), {"mode": "AUTO"}),
        (ToolChoice(mode="required"), {"mode": "ANY"}),
        (ToolChoice(mode="none"), {"mode": "NONE"}),
        (ToolChoice(mode="named", name="f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tools_and_their_choice(choice: ToolChoice, written: dict[str, Any]) -> None:
    found = body(tools=(F, Tool(name="g")), tool_choice=choice)
    assert found["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "does", "parametersJsonSchema": F.parameters},
                {"name": "g"},
            ]
        }
    ]
    assert found["toolConfig"] == {"functionCallingConfig": written}


def test_the_configuration() -> None:
    found = body(
        max_tokens=5,
        temperature=1.5,
        top_p=0.9,
        top_k=4,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        seed=3,
        n=2,
        stop=("a", "b"),
        logprobs=True,
        top_logprobs=3,
        output=OutputFormat(kind="schema", schema={"type": "object"}),
    )
    assert found["generationConfig"] == {
        "maxOutputTokens": 5,
        "temperature": 1.5,
        "topP": 0.9,
        "topK": 4,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "seed": 3,
        "candidateCount": 2,
        "stopSequences": ["a", "b"],
        "responseLogprobs": True,
        "logprobs": 3,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }


def test_any_json() -> None:
    assert body(output=OutputFormat(kind="json"))["generationConfig"] == {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("reasoning", "profile", "written"),
    [
        (Reasoning(effort="high"), PROFILE, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (Reasoning(effort="none"), PROFILE, {"thinkingLevel": "MINIMAL", "includeThoughts": False}),
        (Reasoning(effort="xhigh"), PROFILE, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (Reasoning(effort="low"), OLD, {"thinkingBudget": 1024, "includeThoughts": True}),
        (Reasoning(effort="medium"), OLD, {"thinkingBudget": 8192, "includeThoughts": True}),
        (Reasoning(effort="high"), OLD, {"thinkingBudget": 24576, "includeThoughts": True}),
        (Reasoning(effort="none"), OLD, {"thinkingBudget": 0, "includeThoughts": False}),
        (Reasoning(budget_tokens=5), PROFILE, {"thinkingBudget": 5, "includeThoughts": True}),
        (Reasoning(), OLD, {"includeThoughts": True}),
        (
            Reasoning(effort="low"),
            Profile(model="mine", reasoning_field="thinking_budget"),
            {"thinkingBudget": 1024, "includeThoughts": True},
        ),
    ],
)
def test_how_much_to_think(reasoning: Reasoning, profile: Profile, written: dict[str, Any]) -> None:
    assert body(profile=profile, reasoning=reasoning)["generationConfig"]["thinkingConfig"] == written


def test_what_is_harmless_is_dropped_and_named() -> None:
    outgoing = write(user="u", metadata={"a": "b"}, parallel_tools=False, extra={"store": True})
    assert set(outgoing.dropped) == {"user", "metadata", "parallel_tool_calls", "store"}


@pytest.mark.parametrize("more", [{"logit_bias": {"1": 1.0}}, {"extra": {"audio": {}}}])
def test_what_matters_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError) as caught:
        write(**more)
    assert caught.value.upstream == "unsupported"


def test_the_same_dialect_is_sent_as_it_came() -> None:
    tree: dict[str, Any] = {
        "contents": [{"role": "user", "parts": [{"text": "hi", "videoMetadata": {"fps": 1}}]}],
        "safetySettings": [{"category": "X", "threshold": "OFF"}],
        "generationConfig": {"temperature": 1.0, "seed": 3, "speechConfig": {"a": 1}},
        "tools": [{"googleSearch": {}}],
    }
    request = gemini.read_request(tree, NOBODY, model="alias", stream=True)
    assert json.loads(gemini.write_request(request, PROFILE).body) == tree
    limited = gemini.write_request(request, Profile(model="m", drops=frozenset({"seed"})))
    assert json.loads(limited.body)["generationConfig"] == {"temperature": 1.0, "speechConfig": {"a": 1}}
    assert limited.dropped == ("seed",)
    assert "seed" in tree["generationConfig"], "the client's own body is not touched: a fallback reads it again"


# --------------------------------------------------------------------------------------------------------------- read


def candidate(*parts: dict[str, Any], reason: str | None = "STOP", **more: Any) -> dict[str, Any]:
    row = {"content": {"role": "model", "parts": list(parts)}, **more}
    return row if reason is None else {**row, "finishReason": reason}


def whole(*candidates: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"candidates": list(candidates), "modelVersion": "g", "responseId": "r", **more}).encode()


PARTS = (
    {"text": "h", "thought": True, "thoughtSignature": "U0lH"},
    {"text": "Hi"},
    {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "Zm9v"},
    {"functionCall": {"name": "f", "id": "own"}},
)


def test_a_whole_answer() -> None:
    data = whole(candidate(*PARTS))
    response = gemini.read_response(data)
    (choice,) = response.choices
    thinking, text, first, second = choice.message.parts
    assert (thinking, text) == (Thinking("h", "U0lH"), Text("Hi"))
    assert isinstance(first, ToolCall)
    assert first == ToolCall(first.id, "f", '{"a":1}', "Zm9v")
    assert first.id
    assert second == ToolCall("own", "f", "{}")
    assert choice.finish == "tool_calls", "STOP with a call is a call"
    assert (response.id, response.model, response.raw, response.dialect) == ("r", "g", data, "gemini")


def test_several_candidates() -> None:
    response = gemini.read_response(
        whole(candidate({"text": "a"}), candidate({"text": "b"}, index=1, reason="MAX_TOKENS"))
    )
    assert [(row.index, row.message.text, row.finish) for row in response.choices] == [
        (0, "a", "stop"),
        (1, "b", "length"),
    ]


def test_an_image_in_an_answer() -> None:
    (choice,) = gemini.read_response(whole(candidate({"inlineData": {"mimeType": "image/png", "data": "A"}}))).choices
    assert choice.message.parts == (Media("image", data="A", mime="image/png"),)


def test_log_probabilities() -> None:
    said = {
        "chosenCandidates": [{"token": "Hi", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "Ho", "logProbability": -2.0}]}],
    }
    (choice,) = gemini.read_response(whole(candidate({"text": "Hi"}, logprobsResult=said))).choices
    (row,) = choice.logprobs["content"]
    assert (row["token"], row["logprob"], row["bytes"]) == ("Hi", -0.5, [72, 105])
    assert row["top_logprobs"][0]["token"] == "Ho"


FINISHES: list[tuple[str, Finish]] = [
    ("STOP", "stop"),
    ("MAX_TOKENS", "length"),
    ("SAFETY", "content_filter"),
    ("RECITATION", "content_filter"),
    ("LANGUAGE", "content_filter"),
    ("BLOCKLIST", "content_filter"),
    ("PROHIBITED_CONTENT", "content_filter"),
    ("SPII", "content_filter"),
    ("OTHER", "content_filter"),
    ("IMAGE_SAFETY", "content_filter"),
    ("FROM_THE_FUTURE", "length"),
]
FAILURES = [
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "FINISH_REASON_UNSPECIFIED",
    "NO_IMAGE",
    "IMAGE_OTHER",
    "PUP_LIMITED_DISABLED",
    "SOME_NEW_ERROR",
]


@pytest.mark.parametrize(("reason", "finish"), FINISHES)
def test_reasons_to_stop_whole_and_streamed(reason: str, finish: Finish) -> None:
    row = candidate({"text": "x"}, reason=reason)
    assert gemini.read_response(whole(row)).choices[0].finish == finish
    assert deltas(stream({"candidates": [row]}))[-1].finish == finish


@pytest.mark.parametrize("reason", FAILURES)
def test_answers_that_failed_are_none_and_are_paid(reason: str) -> None:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 1}
    row = {"candidates": [candidate(reason=reason)], "usageMetadata": usage}
    for read in (lambda: gemini.read_response(json.dumps(row).encode()), lambda: stream(row)):
        with pytest.raises(UpstreamError) as caught:
            read()
        assert caught.value.upstream in ("server_error", "bad_request")
        assert caught.value.accepted
        assert caught.value.usage == Usage(input=3, output=1)


def test_a_whole_answer_without_a_reason_is_none() -> None:
    with pytest.raises(UpstreamError):
        gemini.read_response(whole(candidate({"text": "x"}, reason=None)))


def test_a_blocked_prompt_is_an_answer_that_was_filtered() -> None:
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}
    (choice,) = gemini.read_response(json.dumps(body).encode()).choices
    assert (choice.message.parts, choice.finish) == ((), "content_filter")
    chunks = stream(body)
    assert deltas(chunks) == [Delta(finish="content_filter")]
    assert chunks[-1].last


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"<html>", "malformed"),
        (b'{"candidates":[]}', "empty"),
        (b"{}", "empty"),
        (b'{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}', "overloaded"),
    ],
)
def test_what_is_no_answer(data: bytes, kind: UpstreamKind) -> None:
    with pytest.raises(UpstreamError) as caught:
        gemini.read_response(data)
    assert caught.value.upstream == kind


# -------------------------------------------------------------------------------------------------------------- stream


def stream(*pieces: dict[str, Any], size: int = 1 << 20) -> list[ChatChunk]:
    return streams.read(gemini.StreamReader(), streams.plain(*pieces), size)


def deltas(chunks: list[ChatChunk]) -> list[Delta]:
    return [delta for chunk in chunks for delta in chunk.deltas]


PIECES = (
    {"candidates": [candidate({"text": "h", "thought": True}, reason=None)], "responseId": "r", "modelVersion": "g"},
    {"candidates": [candidate({"text": "Hé"}, reason=None)]},
    {
        "candidates": [
            candidate(
                {"functionCall": {"name": "f", "id": "a", "args": {"x": "}]"}}, "thoughtSignature": "U0lH"},
                {"functionCall": {"name": "g", "id": "b"}},
                reason=None,
            )
        ]
    },
    {"candidates": [candidate({"text": "", "thoughtSignature": "Zm9v"})], "usageMetadata": {"promptTokenCount": 3}},
)
EXPECTED = [
    Delta(thinking="h"),
    Delta(text="Hé"),
    Delta(tool=ToolDelta(index=0, id="a", name="f", arguments='{"x":"}]"}', signature="U0lH")),
    Delta(tool=ToolDelta(index=1, id="b", name="g", arguments="{}")),
    Delta(signature="Zm9v"),
    Delta(finish="tool_calls"),
]


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
def test_a_stream_in_pieces_of_any_size(size: int) -> None:
    chunks = stream(*PIECES, size=size)
    assert deltas(chunks) == EXPECTED
    assert chunks[-1].last
    assert b"".join(chunk.raw or b"" for chunk in chunks) == streams.plain(*PIECES)
    assert (chunks[0].id, chunks[0].model) == ("r", "g")


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_instead_of_events(size: int, indent: int | None) -> None:
    data = json.dumps(list(PIECES), indent=indent).encode()
    chunks = streams.read(gemini.StreamReader(), data, size)
    assert deltas(chunks) == EXPECTED
    again = b"".join(chunk.raw or b"" for chunk in chunks)
    assert deltas(streams.read(gemini.StreamReader(), again)) == EXPECTED, "what is passed on is server-sent events"


def test_an_array_that_breaks_off_is_cut() -> None:
    reader = gemini.StreamReader()
    reader.feed(json.dumps(list(PIECES)).encode()[:-40])
    with pytest.raises(UpstreamError) as caught:
        reader.eof()
    assert caught.value.upstream == "cut"


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_stream_without_a_reason_is_cut(count: int) -> None:
    reader = gemini.StreamReader()
    reader.feed(streams.plain(*PIECES[:count]))
    with pytest.raises(UpstreamError) as caught:
        reader.eof()
    assert caught.value.upstream == "cut"


def test_one_of_two_candidates_without_a_reason_is_cut() -> None:
    reader = gemini.StreamReader()
    rows = [candidate({"text": "a"}), candidate({"text": "b"}, reason=None, index=1)]
    reader.feed(streams.plain({"candidates": rows}))
    with pytest.raises(UpstreamError):
        reader.eof()


def test_calls_of_each_candidate_are_counted_apart() -> None:
    call = {"functionCall": {"name": "f", "id": "a"}}
    rows = [candidate(call), candidate(call, index=1)]
    found = [delta.tool.index for delta in deltas(stream({"candidates": rows})) if delta.tool is not None]
    assert found == [0, 0]


def test_a_malformed_event_is_skipped_and_counted() -> None:
    reader = gemini.StreamReader()
    data = streams.plain(PIECES[0]) + b"data: {oops\n\n" + streams.plain(PIECES[3])
    assert streams.read(reader, data)[-1].last
    assert reader.malformed == 1


def test_an_image_in_a_stream_says_something() -> None:
    chunks = stream({"candidates": [candidate({"inlineData": {"mimeType": "image/png", "data": "A"}})]})
    assert chunks[0].semantic
    assert deltas(chunks)[0].media == Media("image", data="A", mime="image/png")


ERROR = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    "data",
    [
        streams.plain(ERROR),
        json.dumps(ERROR, indent=2).encode(),
        b"\n" + json.dumps(ERROR).encode() + b"\n\n",
        json.dumps([ERROR]).encode(),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_an_error_inside_the_stream(data: bytes, begun: bool) -> None:
    reader = gemini.StreamReader()
    if begun:
        reader.feed(streams.plain(PIECES[0]))
    with pytest.raises(UpstreamError) as caught:
        streams.read(reader, data)
    assert (caught.value.upstream, caught.value.message) == ("overloaded", "The model is overloaded.")
    assert caught.value.accepted is begun


def test_words_that_came_with_an_error_in_one_read_are_not_lost() -> None:
    reader = gemini.StreamReader()
    chunks = reader.feed(streams.plain(PIECES[1], ERROR))
    assert deltas(chunks) == [Delta(text="Hé")]
    with pytest.raises(UpstreamError):
        reader.feed(b"")


def error(code: int, message: str, status: str = "", details: Any = None) -> bytes:
    fields = {"code": code, "message": message, "status": status}
    return json.dumps({"error": fields if details is None else {**fields, "details": details}}).encode()


BAD_KEY = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
DELAY = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}]


@pytest.mark.parametrize(
    ("status", "data", "kind", "wait"),
    [
        (400, error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", BAD_KEY), "auth", None),
        (400, error(400, "Something about it", "INVALID_ARGUMENT", BAD_KEY), "auth", None),
        (400, error(400, "Invalid JSON payload", "INVALID_ARGUMENT"), "bad_request", None),
        (
            400,
            error(400, "The input token count (1300000) exceeds the maximum number of tokens allowed (1048576)."),
            "context_length",
            None,
        ),
        (403, error(403, "no", "PERMISSION_DENIED"), "auth", None),
        (404, error(404, "models/nope is not found", "NOT_FOUND"), "not_found", None),
        (
            429,
            error(429, "You exceeded your current quota, please check your plan", "RESOURCE_EXHAUSTED", DELAY),
            "rate_limited",
            37.0,
        ),
        (429, error(429, "Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED"), "quota", None),
        (500, error(500, "Internal error", "INTERNAL"), "server_error", None),
        (503, error(503, "overloaded", "UNAVAILABLE"), "overloaded", None),
        (504, error(504, "late", "DEADLINE_EXCEEDED"), "server_error", None),
        (400, b"[" + error(400, "in a list") + b"]", "bad_request", None),
        (502, b"<html>", "server_error", None),
    ],
)
def test_refusals(status: int, data: bytes, kind: UpstreamKind, wait: float | None) -> None:
    caught = gemini.read_error(status, {}, data)
    assert (caught.upstream, caught.retry_after_s, caught.upstream_status) == (kind, wait, status)
    assert caught.accepted is (kind == "server_error")


# ---------------------------------------------------------------------------------------------------------- embeddings


def test_texts_to_embed() -> None:
    request = EmbedRequest(model="a", inputs=("x", "y"), dimensions=8, user="u", dialect="openai")
    outgoing = gemini.write_embed(request, Profile(model="gemini-embedding-001"))
    assert outgoing.path == "/models/gemini-embedding-001:batchEmbedContents"
    assert outgoing.dropped == ("user",)
    assert json.loads(outgoing.body)["requests"] == [
        {"model": "models/gemini-embedding-001", "outputDimensionality": 8, "content": {"parts": [{"text": text}]}}
        for text in "xy"
    ]


def test_what_the_client_of_the_same_dialect_said_beside_the_text_is_kept() -> None:
    tree = {"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY"}
    outgoing = gemini.write_embed(gemini.read_embed(tree, NOBODY, model="e"), Profile(model="e"))
    assert json.loads(outgoing.body)["requests"][0]["taskType"] == "RETRIEVAL_QUERY"


def test_token_ids_are_another_targets() -> None:
    with pytest.raises(UpstreamError):
        gemini.write_embed(EmbedRequest(model="a", inputs=((1, 2),)), PROFILE)


def test_vectors() -> None:
    many = {"embeddings": [{"values": [1, 2.5]}, {"values": [3, 4]}], "usageMetadata": {"promptTokenCount": 7}}
    response = gemini.read_embedded(json.dumps(many).encode())
    assert (response.vectors, response.usage) == (((1.0, 2.5), (3.0, 4.0)), Usage(input=7))
    one = gemini.read_embedded(b'{"embedding":{"values":[1.0]}}')
    assert (one.vectors, one.usage) == (((1.0,),), None)


@pytest.mark.parametrize("data", [b"{}", b'{"embeddings":[{}]}', b'{"embeddings":[{"values":["x"]}]}'])
def test_no_vectors_is_an_error(data: bytes) -> None:
    with pytest.raises(UpstreamError):
        gemini.read_embedded(data)
