"""What Gemini's clients send and get. Shapes were checked with the official SDK (google-genai 3.6), 2026-11-27."""

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
    EmbedRequest,
    EmbedResponse,
    Finish,
    Media,
    Message,
    OutputFormat,
    Part,
    Reasoning,
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
from crossover.wire import gemini

USAGE = Usage(input=100, output=50, cached_read=20, reasoning=10)
HI = {"role": "user", "parts": [{"text": "hi"}]}


def read(*contents: Any, stream: bool = False, **more: Any) -> ChatRequest:
    tree = {"contents": list(contents) or [HI], **more}
    return gemini.read_request(tree, NOBODY, model="gemini-x", stream=stream)


def config(**fields: Any) -> ChatRequest:
    return read(generationConfig=fields)


def parts_of(*parts: dict[str, Any], role: str = "user") -> tuple[Part, ...]:
    return read({"role": role, "parts": list(parts)}).messages[0].parts


# What the official client sends for system instruction, tools, schema, thinking and sampling.
SDK = {
    "contents": [{"parts": [{"text": "hi"}], "role": "user"}],
    "systemInstruction": {"parts": [{"text": "be nice"}], "role": "user"},
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "get_weather",
                    "parameters": {"properties": {"city": {"min_length": 2, "type": "STRING"}}, "type": "OBJECT"},
                }
            ]
        }
    ],
    "generationConfig": {
        "temperature": 0.5,
        "topK": 40.0,
        "stopSequences": ["X"],
        "responseMimeType": "application/json",
        "responseSchema": {"properties": {"a": {"nullable": True, "type": "STRING"}}, "type": "OBJECT"},
        "thinkingConfig": {"include_thoughts": True, "thinking_level": "LOW"},
    },
}


def test_what_the_official_client_sends() -> None:
    request = gemini.read_request(SDK, NOBODY, model="gemini-x", stream=True)
    assert request.messages == (Message("system", (Text("be nice"),)), Message("user", (Text("hi"),)))
    assert (request.model, request.stream, request.include_usage) == ("gemini-x", True, True)
    assert (request.temperature, request.top_k, request.stop) == (0.5, 40, ("X",))
    assert request.tools[0].parameters == {
        "properties": {"city": {"minLength": 2, "type": "string"}},
        "type": "object",
    }
    schema = {"properties": {"a": {"type": ["string", "null"]}}, "type": "object"}
    assert request.output == OutputFormat(kind="schema", schema=schema)
    assert request.reasoning == Reasoning(effort="low")
    assert request.extra is None
    assert (request.dialect, request.tree) == ("gemini", SDK)


def test_names_with_underscores_are_the_same_fields() -> None:
    tree = {
        "contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]}],
        "system_instruction": {"parts": [{"text": "a"}]},
        "generation_config": {"max_output_tokens": 5, "candidate_count": 2},
        "tool_config": {"function_calling_config": {"mode": "none"}},
    }
    request = gemini.read_request(tree, NOBODY, model="m", stream=False)
    assert request.messages[0] == Message("system", (Text("a"),))
    assert request.messages[1].parts == (Media("image", data="AAAA", mime="image/png"),)
    assert (request.max_tokens, request.n, request.tool_choice) == (5, 2, ToolChoice(mode="none"))
    assert request.extra is None


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({"text": "a"}, Text("a")),
        ({"text": "a", "thought": True}, Thinking("a")),
        ({"text": "a", "thought": True, "thoughtSignature": "U0lH"}, Thinking("a", "U0lH")),
        (
            {"fileData": {"mimeType": "video/mp4", "fileUri": "https://x"}},
            Media("video", url="https://x", mime="video/mp4"),
        ),
        ({"inlineData": {"mimeType": "audio/wav", "data": "A"}}, Media("audio", data="A", mime="audio/wav")),
        ({"inlineData": {"mimeType": "application/pdf", "data": "A"}}, Media("file", data="A", mime="application/pdf")),
        ({"executableCode": {"code": "1"}}, Unknown("executableCode", {"executableCode": {"code": "1"}})),
    ],
)
def test_parts(row: dict[str, Any], part: Part) -> None:
    assert parts_of(row) == (part,)


def test_a_signature_on_words_is_a_part_of_its_own() -> None:
    assert parts_of({"text": "a", "thoughtSignature": "U0lH"}, role="model") == (Text("a"), Thinking("", "U0lH"))


def test_calls_and_results_find_each_other_by_id_by_name_and_by_order() -> None:
    request = read(
        HI,
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "U0lH"},
                {"functionCall": {"name": "g"}},
                {"functionCall": {"name": "f", "args": {"x": 2}}},
                {"functionCall": {"name": "f", "args": {"x": 3}, "id": "own"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "g", "response": {"output": "G"}}},
                {"functionResponse": {"id": "own", "name": "f", "response": {"output": "F3"}}},
                {"functionResponse": {"name": "f", "response": {"output": "F1"}}},
                {"functionResponse": {"name": "f", "response": {"error": "F2"}}},
                {"text": "and?"},
            ],
        },
    )
    calls = request.messages[1].parts
    assert calls[0] == ToolCall(calls[0].id, "f", '{"x":1}', "U0lH")  # type: ignore[union-attr]
    assert calls[1].arguments == "{}"  # type: ignore[union-attr]
    ids = [part.id for part in calls if isinstance(part, ToolCall)]
    assert len(set(ids)) == 4
    results = request.messages[2]
    assert results.role == "tool"
    assert [(part.id, part.parts[0], part.is_error) for part in results.parts if isinstance(part, ToolResult)] == [
        (ids[1], Text("G"), False),
        ("own", Text("F3"), False),
        (ids[0], Text("F1"), False),
        (ids[2], Text("F2"), True),
    ]
    assert request.messages[3] == Message("user", (Text("and?"),))


@pytest.mark.parametrize(
    ("response", "text", "failed"),
    [
        ({"output": "sunny"}, "sunny", False),
        ({"output": {"t": 21}}, '{"t":21}', False),
        ({"error": "boom"}, "boom", True),
        ({"temperature": 21}, '{"temperature":21}', False),
        ({"output": "a", "more": 1}, '{"output":"a","more":1}', False),
        (None, "null", False),
    ],
)
def test_results_in_every_shape(response: Any, text: str, failed: bool) -> None:
    call = {"role": "model", "parts": [{"functionCall": {"name": "f"}}]}
    result = {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": response}}]}
    (part,) = read(HI, call, result).messages[2].parts
    assert isinstance(part, ToolResult)
    assert (part.parts, part.is_error) == ((Text(text),), failed)


@pytest.mark.parametrize(
    ("said", "choice", "tools"),
    [
        ({"mode": "AUTO"}, ToolChoice(mode="auto"), ["f", "g", "h"]),
        ({"mode": "ANY"}, ToolChoice(mode="required"), ["f", "g", "h"]),
        ({"mode": "NONE"}, ToolChoice(mode="none"), ["f", "g", "h"]),
        ({"mode": "VALIDATED"}, ToolChoice(mode="auto"), ["f", "g", "h"]),
        ({"mode": "ANY", "allowedFunctionNames": ["g"]}, ToolChoice(mode="named", name="g"), ["f", "g", "h"]),
        ({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}, ToolChoice(mode="required"), ["f", "g"]),
    ],
)
def test_tool_choice(said: dict[str, Any], choice: ToolChoice, tools: list[str]) -> None:
    request = read(
        tools=[{"functionDeclarations": [{"name": name} for name in "fgh"]}],
        toolConfig={"functionCallingConfig": said},
    )
    assert request.tool_choice == choice
    assert [tool.name for tool in request.tools] == tools


def test_tools_of_google_are_for_no_other_target() -> None:
    request = read(tools=[{"googleSearch": {}}, {"functionDeclarations": [{"name": "f"}]}])
    assert request.extra == {"server_tools": [{"googleSearch": {}}]}
    assert len(request.tools) == 1


@pytest.mark.parametrize(
    ("said", "reasoning"),
    [
        ({"thinkingLevel": "HIGH"}, Reasoning(effort="high")),
        ({"thinkingBudget": 0}, Reasoning(budget_tokens=0)),
        ({"thinkingBudget": 500}, Reasoning(budget_tokens=500)),
        ({"thinkingBudget": -1}, Reasoning()),
        ({"includeThoughts": True}, Reasoning()),
    ],
)
def test_thinking_asked_for(said: dict[str, Any], reasoning: Reasoning) -> None:
    assert config(thinkingConfig=said).reasoning == reasoning


def test_the_rest_of_the_configuration() -> None:
    request = config(
        topP=0.9,
        presencePenalty=0.1,
        frequencyPenalty=0.2,
        seed=3,
        responseLogprobs=True,
        logprobs=4,
        responseMimeType="application/json",
        responseModalities=["IMAGE"],
    )
    assert (request.top_p, request.presence_penalty, request.frequency_penalty, request.seed) == (0.9, 0.1, 0.2, 3)
    assert (request.logprobs, request.top_logprobs) == (True, 4)
    assert request.output == OutputFormat(kind="json")
    assert request.extra == {"responseModalities": ["IMAGE"]}


def test_fields_of_tomorrow() -> None:
    assert read(cachedContent="c", safetySettings=[]).extra == {"cachedContent": "c", "safetySettings": []}


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": "hi"}, "contents"),
        ({"contents": [3]}, "contents[0]"),
        ({"contents": [{"role": "robot", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": "hi"}]}, "contents[0].parts"),
        ({"contents": [{"parts": ["hi"]}]}, "contents[0].parts[0]"),
        ({"contents": [HI], "generationConfig": []}, None),
        ({"contents": [HI], "generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"contents": [HI], "generationConfig": {"topK": 1.5}}, "generationConfig.topK"),
        ({"contents": [HI], "generationConfig": {"stopSequences": "X"}}, "generationConfig.stopSequences"),
        ({"contents": [HI], "systemInstruction": {"parts": 3}}, "systemInstruction.parts"),
        ({"contents": [HI], "tools": {}}, None),
        ({"contents": [HI], "tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        (
            {"contents": [HI], "toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
    ],
)
def test_what_is_wrong_is_named(tree: dict[str, Any], field: str | None) -> None:
    if field is None:
        gemini.read_request(tree, NOBODY, model="m", stream=False)  # empty is not said
        return
    with pytest.raises(RequestError) as caught:
        gemini.read_request(tree, NOBODY, model="m", stream=False)
    assert (caught.value.status, caught.value.field) == (400, field)


# ------------------------------------------------------------------------------------------------------------- answers


def answer(*parts: Part, finish: Finish = "stop", usage: Usage | None = USAGE, logprobs: Any = None) -> dict[str, Any]:
    choice = Choice(message=Message("assistant", parts), finish=finish, logprobs=logprobs)
    response = ChatResponse(choices=(choice,), model="m", id="id1", usage=usage)
    found: dict[str, Any] = json.loads(gemini.write_response(response, read()))
    return found


def test_a_whole_answer() -> None:
    found = answer(Thinking("h", "U0lH"), Text("Hi"), ToolCall("t", "f", '{"a":1}', "U0lI"), finish="tool_calls")
    assert found == {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "h", "thought": True, "thoughtSignature": "U0lH"},
                        {"text": "Hi"},
                        {"functionCall": {"id": "t", "name": "f", "args": {"a": 1}}, "thoughtSignature": "U0lI"},
                    ],
                },
                "index": 0,
                "finishReason": "STOP",
            }
        ],
        "modelVersion": "m",
        "usageMetadata": {
            "promptTokenCount": 100,
            "candidatesTokenCount": 40,
            "thoughtsTokenCount": 10,
            "cachedContentTokenCount": 20,
            "totalTokenCount": 150,
        },
        "responseId": "id1",
    }


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("stop", "STOP"), ("length", "MAX_TOKENS"), ("content_filter", "SAFETY"), ("pause", "OTHER")],
)
def test_reasons_to_stop(finish: Finish, reason: str) -> None:
    assert answer(Text("x"), finish=finish)["candidates"][0]["finishReason"] == reason


def test_a_signature_that_is_no_base64_would_break_the_official_client() -> None:
    parts = answer(Thinking("h", "sig!"), ToolCall("t", "f", "{}", "not base64"))["candidates"][0]["content"]["parts"]
    assert all("thoughtSignature" not in part for part in parts)


def test_unknown_usage_is_left_out() -> None:
    assert "usageMetadata" not in answer(Text("x"), usage=None)


def test_log_probabilities() -> None:
    top = {"token": "Ho", "logprob": -2.0}
    said = {"content": [{"token": "Hi", "logprob": -0.5, "top_logprobs": [top]}]}
    assert answer(Text("Hi"), logprobs=said)["candidates"][0]["logprobsResult"] == {
        "chosenCandidates": [{"token": "Hi", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "Ho", "logProbability": -2.0}]}],
    }


def test_the_targets_own_bytes_are_passed_on() -> None:
    response = ChatResponse(choices=(), raw=b'{"odd": "bytes"}', dialect="gemini")
    assert gemini.write_response(response, read()) == b'{"odd": "bytes"}'


# ------------------------------------------------------------------------------------------------------------- streams


def one(**delta: Any) -> ChatChunk:
    return ChatChunk(deltas=(Delta(**delta),))


def call(index: int, arguments: str = "", **more: Any) -> ChatChunk:
    return one(tool=ToolDelta(index=index, arguments=arguments, **more))


def written(*chunks: ChatChunk, array: bool = False) -> list[dict[str, Any]]:
    writer = gemini.StreamWriter(read(stream=True), array=array)
    data = b"".join(writer.write(chunk) for chunk in chunks) + writer.end(None)
    if array:
        found: list[dict[str, Any]] = json.loads(data)
        return found
    assert data.endswith(b"\r\n\r\n")
    return [json.loads(piece.removeprefix("data: ")) for piece in data.decode().split("\r\n\r\n")[:-1]]


STREAM = (
    ChatChunk(id="id1", model="m"),
    one(thinking="h"),
    one(signature="U0lH"),
    one(text="He"),
    one(text="llo"),
    call(0, id="t1", name="f"),
    call(0, '{"a":'),
    call(0, "1}"),
    call(1, id="t2", name="g", signature="U0lI"),
    one(finish="tool_calls"),
    ChatChunk(usage=USAGE, last=True),
)


@pytest.mark.parametrize("array", [False, True])
def test_a_stream_of_thoughts_words_and_whole_calls(array: bool) -> None:
    found = written(*STREAM, array=array)
    parts = [part for row in found for part in row["candidates"][0]["content"]["parts"]]
    assert parts == [
        {"text": "h", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": "U0lH"},
        {"text": "He"},
        {"text": "llo"},
        {"functionCall": {"id": "t1", "name": "f", "args": {"a": 1}}},
        {"functionCall": {"id": "t2", "name": "g", "args": {}}, "thoughtSignature": "U0lI"},
    ]
    assert [row["candidates"][0].get("finishReason") for row in found] == [None] * (len(found) - 1) + ["STOP"]
    assert found[-1]["usageMetadata"]["totalTokenCount"] == 150
    assert found[-1]["responseId"] == "id1"


def test_several_answers_end_each_with_its_own_reason() -> None:
    found = written(one(text="a"), one(choice=1, text="b"), one(choice=1, finish="length"), one(finish="stop"))
    last = found[-1]["candidates"]
    assert [(row["index"], row["finishReason"]) for row in last] == [(0, "STOP"), (1, "MAX_TOKENS")]


def test_a_signature_after_words_is_not_a_thought() -> None:
    parts = [
        part
        for row in written(one(text="a"), one(signature="U0lH"))
        for part in row["candidates"][0]["content"]["parts"]
    ]
    assert parts[1] == {"text": "", "thoughtSignature": "U0lH"}


def test_an_image_is_passed_on() -> None:
    found = written(one(media=Media("image", data="AAAA", mime="image/png")), one(finish="stop"))
    part = found[0]["candidates"][0]["content"]["parts"][0]
    assert part == {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}


def test_an_empty_answer_still_has_a_reason() -> None:
    (found,) = written(one(finish="stop"))
    assert found["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("array", [False, True])
def test_the_targets_own_events_are_passed_on(array: bool) -> None:
    writer = gemini.StreamWriter(read(stream=True), array=array)
    chunk = ChatChunk(raw=b'data: {"candidates":[]}\r\n\r\n', dialect="gemini")
    data = writer.write(chunk) + writer.write(chunk) + writer.write(ChatChunk(last=True)) + writer.end(None)
    assert data == (b'[{"candidates":[]},\r\n{"candidates":[]}]' if array else (chunk.raw or b"") * 2)


@pytest.mark.parametrize("array", [False, True])
def test_a_stream_that_fails_says_so(array: bool) -> None:
    writer = gemini.StreamWriter(read(stream=True), array=array)
    data = writer.write(one(text="He")) + writer.error(UpstreamError("the stream broke", upstream="cut"))
    text = data.decode()
    last = json.loads(text)[-1] if array else json.loads(text.split("\r\n\r\n")[-2].removeprefix("data: "))
    assert last == {"error": {"code": 502, "message": "the stream broke", "status": "INTERNAL"}}
    assert "finishReason" not in text


def test_an_array_of_nothing_is_an_array() -> None:
    writer = gemini.StreamWriter(read(stream=True), array=True)
    assert writer.write(ChatChunk(raw=b": comment\n\n", dialect="gemini")) + writer.end(None) == b"[]"


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (RequestError("bad"), 400, "INVALID_ARGUMENT"),
        (RequestError("who", status=401), 401, "UNAUTHENTICATED"),
        (RequestError("no", status=403), 403, "PERMISSION_DENIED"),
        (RequestError("what", status=404), 404, "NOT_FOUND"),
        (RequestError("slow", status=429), 429, "RESOURCE_EXHAUSTED"),
        (NoTargetError("none"), 503, "UNAVAILABLE"),
        (UpstreamError("x", upstream="server_error"), 502, "INTERNAL"),
        (UpstreamError("x", upstream="gap_timeout"), 504, "DEADLINE_EXCEEDED"),
        (CrossoverError("x"), 500, "INTERNAL"),
    ],
)
def test_errors_in_the_dialects_own_shape(error: CrossoverError, status: int, name: str) -> None:
    said, data = gemini.write_error(error)
    assert said == status
    assert json.loads(data) == {"error": {"code": status, "message": error.message, "status": name}}


def test_how_long_to_wait_is_said() -> None:
    _, data = gemini.write_error(RequestError("slow", status=429, retry_after_s=37.0))
    assert json.loads(data)["error"]["details"] == [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}
    ]


# ---------------------------------------------------------------------------------------------------------- embeddings


def read_embed(tree: dict[str, Any]) -> EmbedRequest:
    return gemini.read_embed(tree, NOBODY, model="e")


ONE = {"content": {"parts": [{"text": "a"}, {"text": "b"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8}
MANY = {"requests": [{"model": "models/e", "content": {"parts": [{"text": text}]}} for text in "ab"]}


def test_one_text_and_many_texts() -> None:
    request = read_embed(ONE)
    assert (request.inputs, request.dimensions, request.extra) == (("a\nb",), 8, {"taskType": "RETRIEVAL_QUERY"})
    assert read_embed(MANY).inputs == ("a", "b")


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        ({}, "content"),
        ({"requests": []}, "requests"),
        ({"requests": [{"content": {"parts": [{}]}}]}, "requests[0].content.parts[0].text"),
        ({"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 0}, "outputDimensionality"),
    ],
)
def test_what_is_wrong_with_an_embedding_is_named(tree: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_embed(tree)
    assert caught.value.field == field


def test_vectors_in_the_shape_of_the_method() -> None:
    response = EmbedResponse(vectors=((1.0, 2.0), (3.0, 4.0)), usage=Usage(input=3))
    usage = {"promptTokenCount": 3, "totalTokenCount": 3}
    assert json.loads(gemini.write_embedded(response, read_embed(MANY))) == {
        "embeddings": [{"values": [1.0, 2.0]}, {"values": [3.0, 4.0]}],
        "usageMetadata": usage,
    }
    assert json.loads(gemini.write_embedded(response, read_embed(ONE)))["embedding"] == {"values": [1.0, 2.0]}


def test_vectors_in_base64_become_numbers() -> None:
    response = EmbedResponse(vectors=("AACAPwAAAEA=",))
    assert json.loads(gemini.write_embedded(response, read_embed(ONE)))["embedding"] == {"values": [1.0, 2.0]}
