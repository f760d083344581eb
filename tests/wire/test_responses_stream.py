"""Streams of the Responses API: what targets send, where streams break, and what clients get."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from crossover.chat import Caller, ChatChunk, ChatRequest, Delta, Finish, Message, Text, ToolDelta
from crossover.errors import RequestError, UpstreamError
from crossover.usage import Usage
from crossover.wire.responses import StreamReader, StreamWriter, read_request
from tests.wire.sdk import sdk

EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


def event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + json.dumps({"type": kind, **fields}).encode() + b"\n\n"


CREATED = event("response.created", response={"id": "resp_1", "model": "m1", "instructions": "Be brief."})
USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "output_tokens_details": {"reasoning_tokens": 1}}


def ended(status: str = "completed", **fields: Any) -> bytes:
    return event(f"response.{status}", response={"id": "resp_1", "status": status, "usage": USAGE, **fields})


def said(text: str) -> bytes:
    return event(
        "response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=text, logprobs=[]
    )


def read(*reads: bytes) -> list[ChatChunk]:
    reader = StreamReader()
    return [chunk for data in reads for chunk in reader.feed(data)] + reader.eof()


def deltas(*reads: bytes) -> list[Delta]:
    return [delta for chunk in read(*reads) for delta in chunk.deltas]


def asked(**fields: Any) -> ChatRequest:
    return read_request({"model": "m", "input": "hi", "stream": True, **fields}, Caller(request_id="r1"))


# ----------------------------------------------------------------------------------------------------------- reading


def test_a_usual_stream_and_every_event_is_a_chunk() -> None:
    events = [
        CREATED,
        event("response.in_progress", response={"id": "resp_1"}),
        event("response.output_item.added", output_index=0, item={"type": "message", "id": "msg_1"}),
        event("response.content_part.added", output_index=0, part={"type": "output_text"}),
        said("hel"),
        said("lo"),
        event("response.output_text.done", text="hello"),
        event("response.of.tomorrow", odd=1),
        ended(),
    ]
    chunks = read(*events)
    assert [chunk.raw for chunk in chunks] == events
    assert [chunk.semantic for chunk in chunks] == [False] * 4 + [True] * 2 + [False] * 3
    assert [delta for chunk in chunks for delta in chunk.deltas] == [
        Delta(text="hel"),
        Delta(text="lo"),
        Delta(finish="stop"),
    ]
    assert (chunks[-1].last, chunks[-1].usage) == (True, Usage(input=3, output=2, reasoning=1))
    assert {(chunk.id, chunk.model, chunk.dialect) for chunk in chunks} == {("resp_1", "m1", "responses")}


@given(st.lists(st.integers(0, 900), max_size=8))
def test_where_a_read_ends_does_not_matter(cuts: list[int]) -> None:
    stream = CREATED + said("日本🙂") + ended()
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    assert read(*[stream[a:b] for a, b in pairwise(places)]) == read(stream)


def test_thinking_refusals_and_probabilities() -> None:
    row = {"token": "a", "logprob": -0.1, "top_logprobs": []}
    found = deltas(
        event("response.reasoning_summary_part.added", summary_index=0, part={}),
        event("response.reasoning_summary_text.delta", delta="hm"),
        event("response.reasoning_summary_part.added", summary_index=1, part={}),
        event("response.reasoning_text.delta", delta="raw"),
        event("response.refusal.delta", delta="no"),
        event("response.output_text.delta", delta="a", logprobs=[row]),
        ended(),
    )
    assert found == [
        Delta(thinking="hm"),
        Delta(thinking="\n\n"),
        Delta(thinking="raw"),
        Delta(refusal="no"),
        Delta(text="a", logprobs={"content": [row], "refusal": None}),
        Delta(finish="stop"),
    ]


def test_parallel_calls_in_fragments() -> None:
    def item(call: str, **fields: Any) -> dict[str, Any]:
        return {"type": "function_call", "call_id": call, "name": "f", "arguments": "", **fields}

    found = deltas(
        event("response.output_item.added", output_index=1, item=item("c0")),
        event("response.output_item.added", output_index=2, item=item("c1")),
        event("response.function_call_arguments.delta", output_index=1, delta='{"a"'),
        event("response.function_call_arguments.delta", output_index=2, delta="{}"),
        event("response.function_call_arguments.delta", output_index=1, delta=":1}"),
        event("response.output_item.done", output_index=1, item=item("c0", arguments='{"a":1}')),
        event("response.output_item.done", output_index=3, item=item("c2", arguments='{"whole":1}')),
        ended(),
    )
    assert [delta.tool for delta in found] == [
        ToolDelta(index=0, id="c0", name="f"),
        ToolDelta(index=1, id="c1", name="f"),
        ToolDelta(index=0, arguments='{"a"'),
        ToolDelta(index=1, arguments="{}"),
        ToolDelta(index=0, arguments=":1}"),
        ToolDelta(index=2, id="c2", name="f", arguments='{"whole":1}'),
        None,
    ]
    assert found[-1].finish == "tool_calls"


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("steered", "length")]
)
def test_an_answer_that_is_not_whole(reason: str, finish: str) -> None:
    assert deltas(ended("incomplete", incomplete_details={"reason": reason})) == [Delta(finish=finish)]  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------------------- streams that break


def failing(*reads: bytes) -> tuple[list[ChatChunk], UpstreamError]:
    reader = StreamReader()
    chunks: list[ChatChunk] = []
    try:
        for data in reads:
            chunks += reader.feed(data)
        chunks += reader.eof()
    except UpstreamError as error:
        return chunks, error
    pytest.fail("the stream did not break")


@pytest.mark.parametrize(
    ("reads", "kind"),
    [
        ([], "empty"),
        ([b": ping\n\n"], "empty"),
        ([CREATED], "cut"),
        ([CREATED, said("a")], "cut"),
        ([CREATED, b'data: {"type": "response.comp'], "cut"),
        ([b"data: {\n\n"], "malformed"),
        ([b'{"id": "resp_1", "output": []}'], "malformed"),
        ([b'{"error": {"message": "boom", "code": 503}}'], "overloaded"),
        ([CREATED, event("error", code="server_error", message="boom", param=None)], "server_error"),
        ([event("error", code="rate_limit_exceeded", message="slow")], "rate_limited"),
        ([event("error", error={"type": "insufficient_quota", "message": "no"})], "quota"),
        ([ended("failed", error={"code": "server_error", "message": "boom"})], "server_error"),
        ([ended("failed", error=None)], "server_error"),
        ([ended("cancelled")], "server_error"),
    ],
)
def test_a_stream_that_breaks_is_never_an_answer(reads: list[bytes], kind: str) -> None:
    assert failing(*reads)[1].upstream == kind


def test_what_came_before_an_error_in_the_same_read_is_kept() -> None:
    chunks, error = failing(CREATED + said("a") + ended("failed", error={"message": "boom"}))
    assert [chunk.deltas for chunk in chunks] == [(), (Delta(text="a"),)]
    assert error.usage == Usage(input=3, output=2, reasoning=1)


def test_one_malformed_event_does_not_end_a_stream() -> None:
    reader = StreamReader()
    chunks = reader.feed(said("a") + b"data: {oops\n\n" + said("b") + ended() + b"data: [DONE]\n\n")
    assert reader.eof() == []
    assert ([delta.text for chunk in chunks for delta in chunk.deltas], reader.malformed) == (["a", "b", ""], 1)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["delta", "item", "response", "output_index", "error", "usage"]), inner, max_size=4
        ),
    ),
    max_leaves=12,
)
KINDS = ["response.created", "response.output_text.delta", "response.output_item.done", "response.completed", "error"]


@given(st.lists(st.tuples(st.sampled_from(KINDS), JSON), max_size=4))
def test_any_json_is_chunks_or_an_upstream_error(rows: list[tuple[str, Any]]) -> None:
    reads = [json.dumps({"type": kind, **tree} if type(tree) is dict else tree).encode() for kind, tree in rows]
    with suppress(UpstreamError):
        read(*(b"data: " + data + b"\n\n" for data in reads))


# ----------------------------------------------------------------------------------------------------------- writing


def write(chunks: list[ChatChunk], request: ChatRequest) -> bytes:
    writer = StreamWriter(request, created=9)
    return b"".join([writer.write(chunk) for chunk in chunks]) + writer.end(None)


def test_the_same_dialect_keeps_its_bytes_and_its_end() -> None:
    reads = [CREATED, said("a"), ended()]
    assert write(read(*reads), asked()) == b"".join(reads)


CHUNKS = [
    ChatChunk(deltas=(Delta(),), model="claude"),
    ChatChunk(deltas=(Delta(thinking="h"),)),
    ChatChunk(deltas=(Delta(thinking="m"),)),
    ChatChunk(deltas=(Delta(signature="SI"),)),
    ChatChunk(deltas=(Delta(signature="G"),)),
    ChatChunk(deltas=(Delta(thinking="more", signature="SIG2"),)),
    ChatChunk(deltas=(Delta(redacted="RED"),)),
    ChatChunk(deltas=(Delta(text="hel"), Delta(text="lo"))),
    ChatChunk(deltas=(Delta(tool=ToolDelta(index=0, id="c0", name="f")),)),
    ChatChunk(deltas=(Delta(tool=ToolDelta(index=1, id="c1", name="g")),)),
    ChatChunk(deltas=(Delta(tool=ToolDelta(index=0, arguments='{"a":')),)),
    ChatChunk(deltas=(Delta(tool=ToolDelta(index=0, arguments="1}")),)),
    ChatChunk(deltas=(Delta(finish="tool_calls"),), usage=Usage(input=3, output=2)),
    ChatChunk(last=True),
]


def rows_of(stream: bytes) -> list[dict[str, Any]]:
    found = []
    for block in stream.decode().removesuffix("\n\n").split("\n\n"):
        head, _, data = block.partition("\n")
        row = json.loads(data.removeprefix("data: "))
        assert head == f"event: {row['type']}"
        found.append(row)
    return found


def test_a_stream_of_another_dialect_is_what_the_sdk_reads() -> None:
    request = asked(
        instructions="Be brief.", tools=[{"type": "function", "name": "f", "parameters": {}, "strict": True}]
    )
    stream = write(CHUNKS, request)
    rows = rows_of(stream)
    assert [row["sequence_number"] for row in rows] == list(range(len(rows)))
    for row in rows:
        EVENT.validate_python(row)
    assert [row["type"] for row in rows[:2]] == ["response.created", "response.in_progress"]
    with sdk(200, stream) as client, client.responses.stream(model="m", input="hi") as events:
        found = events.get_final_response()
    assert (found.id, found.model, found.status, found.created_at) == ("resp_r1", "claude", "completed", 9)
    assert [item.type for item in found.output] == ["reasoning"] * 3 + ["message"] + ["function_call"] * 2
    assert found.output_text == "hello"
    assert found.usage is not None
    assert found.usage.total_tokens == 5
    items = [item.model_dump(exclude_none=True) for item in found.output]
    again = asked(input=[{key: value for key, value in item.items() if key != "parsed_arguments"} for item in items])
    (message,) = again.messages
    assert [(type(part).__name__, *msgspec_values(part)) for part in message.parts] == [
        ("Thinking", "hm", "SIG", None),
        ("Thinking", "more", "SIG2", None),
        ("Thinking", "", None, "RED"),
        ("Text", "hello", None),
        ("ToolCall", "c0", "f", '{"a":1}', None),
        ("ToolCall", "c1", "g", "{}", None),
    ]


def msgspec_values(part: Any) -> tuple[Any, ...]:
    return tuple(getattr(part, field) for field in part.__struct_fields__)


def test_items_open_and_close_in_order() -> None:
    kinds = [
        row["type"].removeprefix("response.")
        for row in rows_of(write([ChatChunk(deltas=(Delta(thinking="a"), Delta(text="b")))], asked()))
    ]
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_what_is_written_reads_as_the_same_words() -> None:
    chunks = [
        ChatChunk(deltas=(Delta(thinking="hm"),)),
        ChatChunk(deltas=(Delta(text="a"),)),
        ChatChunk(deltas=(Delta(refusal="no"),)),
        ChatChunk(deltas=(Delta(tool=ToolDelta(index=0, id="c0", name="f")),)),
        ChatChunk(deltas=(Delta(tool=ToolDelta(index=0, arguments="{}")),)),
        ChatChunk(deltas=(Delta(finish="tool_calls"),)),
    ]
    assert deltas(write(chunks, asked())) == [delta for chunk in chunks for delta in chunk.deltas]


@given(st.lists(st.builds(Delta, text=st.text(max_size=5), thinking=st.text(max_size=5)), max_size=8))
def test_no_character_is_lost_on_the_way(given_deltas: list[Delta]) -> None:
    found = deltas(write([ChatChunk(deltas=(delta,)) for delta in given_deltas], asked()))
    for field in ("text", "thinking"):
        assert "".join(getattr(delta, field) for delta in found) == "".join(
            getattr(delta, field) for delta in given_deltas
        )


@pytest.mark.parametrize("finish", get_args(Finish))
def test_every_end_is_one_the_sdk_knows(finish: Finish) -> None:
    row = rows_of(write([ChatChunk(deltas=(Delta(text="a"), Delta(finish=finish)))], asked()))[-1]
    EVENT.validate_python(row)
    found = Response.model_validate(row["response"])
    whole = finish in {"stop", "tool_calls"}
    assert found.status == ("completed" if whole else "incomplete")
    assert (found.incomplete_details is None) is whole


def test_an_end_before_anything_began() -> None:
    assert [row["type"] for row in rows_of(write([], asked()))][-1] == "response.completed"


def test_probabilities_are_passed_on() -> None:
    row = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    rows = rows_of(write([ChatChunk(deltas=(Delta(text="a", logprobs={"content": [row]}),))], asked()))
    assert [found["logprobs"] for found in rows if "logprobs" in found] == [[row], [row]]


@pytest.mark.parametrize("began", [True, False])
def test_a_stream_that_fails_says_so(began: bool) -> None:
    writer = StreamWriter(asked())
    stream = writer.write(ChatChunk(deltas=(Delta(text="a"),))) if began else b""
    stream += writer.error(UpstreamError("the stream ended before the answer did", upstream="cut"))
    assert writer.end(None) == b""
    row = rows_of(stream)[-1]
    EVENT.validate_python(row)
    found = Response.model_validate(row["response"])
    assert found.error is not None
    assert (found.status, found.error.code) == ("failed", "server_error")
    row = rows_of(StreamWriter(asked()).error(RequestError("slow", status=429)))[-1]
    assert row["response"]["error"]["code"] == "rate_limit_exceeded"


def test_words_from_python_are_written_too() -> None:
    request = ChatRequest(model="m", messages=(Message("user", (Text("hi"),)),))
    for row in rows_of(write(CHUNKS, request)):
        EVENT.validate_python(row)
