"""Streams of chat completions: what every host sends, where streams break, and what clients get."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any, get_args

import openai as official
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from crossover.chat import Caller, ChatChunk, ChatRequest, Delta, Finish, Message, Served, Text, ToolDelta
from crossover.errors import RequestError, UpstreamError
from crossover.usage import Usage
from crossover.wire.openai import StreamReader, StreamWriter
from tests.wire.sdk import sdk

DONE = b"data: [DONE]\n\n"


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps({"id": "a1", "model": "m1", **fields}).encode() + b"\n\n"


def piece(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **fields: Any) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish, **fields}
    return event(object="chat.completion.chunk", choices=[choice])


def read(*reads: bytes) -> list[ChatChunk]:
    reader = StreamReader()
    return [chunk for data in reads for chunk in reader.feed(data)] + reader.eof()


def deltas(*reads: bytes) -> list[Delta]:
    return [delta for chunk in read(*reads) for delta in chunk.deltas]


def asked(**fields: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message("user", (Text("hi"),)),), caller=Caller(request_id="r1"), **fields)


# ----------------------------------------------------------------------------------------------------------- reading


def test_a_usual_stream() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    events = [
        piece({"role": "assistant", "content": ""}),
        piece({"content": "hel"}),
        piece({"content": "lo"}),
        piece({}, "stop"),
        event(choices=[], usage=usage),
        DONE,
    ]
    chunks = read(*events)
    assert [chunk.deltas for chunk in chunks] == [
        (Delta(),),
        (Delta(text="hel"),),
        (Delta(text="lo"),),
        (Delta(finish="stop"),),
        (),
        (),
    ]
    assert [chunk.raw for chunk in chunks] == [*events[:-1], None]
    assert [chunk.semantic for chunk in chunks] == [False, True, True, False, False, False]
    assert [chunk.usage for chunk in chunks] == [None, None, None, None, Usage(input=3, output=2), None]
    assert [chunk.last for chunk in chunks] == [False] * 5 + [True]
    assert {(chunk.id, chunk.model, chunk.dialect) for chunk in chunks[:-1]} == {("a1", "m1", "openai")}


@given(st.lists(st.integers(0, 900), max_size=8))
def test_where_a_read_ends_does_not_matter(cuts: list[int]) -> None:
    stream = piece({"content": "日本🙂"}) + piece({"content": "b"}) + piece({}, "stop") + DONE
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reads = [stream[a:b] for a, b in pairwise(places)]
    assert read(*reads) == read(stream)


def test_comments_and_foreign_line_ends() -> None:
    stream = b": OPENROUTER PROCESSING\n\n" + piece({"content": "a"}).replace(b"\n", b"\r\n") + piece({}, "stop") + DONE
    assert deltas(stream) == [Delta(text="a"), Delta(finish="stop")]


def test_content_together_with_the_end() -> None:
    assert deltas(piece({"content": "a"}, "length"), DONE) == [Delta(text="a", finish="length")]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking(field: str) -> None:
    found = deltas(piece({field: "hm", "content": None}), piece({"content": "a"}), piece({}, "stop"))
    assert found == [Delta(thinking="hm"), Delta(text="a"), Delta(finish="stop")]


def test_thinking_with_its_seal() -> None:
    found = deltas(
        piece({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]}),
        piece({"reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "SIG"}]}),
        piece({"reasoning_details": [{"type": "reasoning.encrypted", "data": "RED"}]}),
        piece({}, "stop"),
    )
    assert found == [Delta(thinking="hm"), Delta(signature="SIG"), Delta(redacted="RED"), Delta(finish="stop")]


def test_content_in_pieces_of_their_own_type() -> None:
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]
    assert deltas(piece({"content": content}, "stop")) == [Delta(text="a", thinking="hm", finish="stop")]


def call(
    index: int | None = 0, call_id: str | None = None, name: str | None = None, arguments: Any = ""
) -> dict[str, Any]:
    row: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
    return {**row, **({} if index is None else {"index": index}), **({} if call_id is None else {"id": call_id})}


def test_parallel_calls_in_fragments() -> None:
    found = deltas(
        piece({"tool_calls": [call(0, "c0", "f")]}),
        piece({"tool_calls": [call(0, arguments='{"a"')]}),
        piece({"tool_calls": [call(1, "c1", "g", "{"), call(0, arguments=":1}")]}),
        piece({"tool_calls": [call(1, arguments="}")]}),
        piece({}, "tool_calls"),
    )
    assert [delta.tool for delta in found] == [
        ToolDelta(index=0, id="c0", name="f"),
        ToolDelta(index=0, arguments='{"a"'),
        ToolDelta(index=1, id="c1", name="g", arguments="{"),
        ToolDelta(index=0, arguments=":1}"),
        ToolDelta(index=1, arguments="}"),
        None,
    ]
    assert found[-1].finish == "tool_calls"


def test_calls_without_an_index_or_all_with_the_same() -> None:
    for index in (None, 0):
        found = deltas(
            piece({"tool_calls": [call(index, "c0", "f", "{}")]}),
            piece({"tool_calls": [call(index, "c1", "f", "{")]}),
            piece({"tool_calls": [call(index, arguments="}")]}, "stop"),
        )
        assert [delta.tool for delta in found] == [
            ToolDelta(index=0, id="c0", name="f", arguments="{}"),
            ToolDelta(index=1, id="c1", name="f", arguments="{"),
            ToolDelta(index=1, arguments="}"),
        ]
        assert found[-1].finish == "tool_calls"


def test_a_call_whose_id_comes_with_every_fragment() -> None:
    found = deltas(
        piece({"tool_calls": [call(0, "c0", "f", "{")]}),
        piece({"tool_calls": [call(0, "c0", "f", "}")]}, "tool_calls"),
    )
    assert [delta.tool for delta in found] == [
        ToolDelta(index=0, id="c0", name="f", arguments="{"),
        ToolDelta(index=0, arguments="}"),
    ]


def test_arguments_as_an_object_and_gemini_s_signature() -> None:
    row = {**call(0, "c0", "f", {"a": 1}), "extra_content": {"google": {"thought_signature": "SIG"}}}
    (delta,) = deltas(piece({"tool_calls": [row]}, "tool_calls"))
    assert delta.tool == ToolDelta(index=0, id="c0", name="f", arguments='{"a":1}', signature="SIG")


def test_the_function_call_of_old_is_semantic() -> None:
    (chunk, _) = read(piece({"function_call": {"name": "f", "arguments": "{"}}, "function_call"))
    assert chunk.semantic


def test_several_choices() -> None:
    chunks = read(
        event(choices=[{"index": index, "delta": {"content": str(index)}} for index in range(2)]),
        piece({}, "stop", index=1),
        piece({}, "length", index=0),
    )
    assert chunks[0].deltas == (Delta(text="0"), Delta(choice=1, text="1"))
    assert chunks[1].deltas == (Delta(choice=1, finish="stop"),)


def test_refusals_and_probabilities() -> None:
    logprobs: dict[str, Any] = {
        "content": [{"token": "a", "logprob": -0.1, "bytes": None, "top_logprobs": []}],
        "refusal": None,
    }
    found = deltas(piece({"content": "a"}, logprobs=logprobs), piece({"refusal": "no"}), piece({}, "stop"))
    assert found == [Delta(text="a", logprobs=logprobs), Delta(refusal="no"), Delta(finish="stop")]


@pytest.mark.parametrize(
    ("host", "events", "usage"),
    [
        ("azure begins with filters", [event(choices=[], prompt_filter_results=[{}]), piece({}, "stop")], None),
        (
            "in the last piece (deepseek)",
            [
                event(
                    choices=[{"delta": {}, "finish_reason": "stop"}], usage={"prompt_tokens": 3, "completion_tokens": 2}
                )
            ],
            Usage(input=3, output=2),
        ),
        (
            "groq",
            [
                event(
                    choices=[{"delta": {}, "finish_reason": "stop"}],
                    x_groq={"usage": {"prompt_tokens": 3, "completion_tokens": 2}},
                )
            ],
            Usage(input=3, output=2),
        ),
        (
            "moonshot, inside the choice",
            [piece({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2})],
            Usage(input=3, output=2),
        ),
        (
            "llama.cpp",
            [
                event(
                    choices=[{"delta": {}, "finish_reason": "stop"}],
                    timings={"prompt_n": 1, "cache_n": 2, "predicted_n": 2},
                )
            ],
            Usage(input=3, output=2, cached_read=2),
        ),
        (
            "vllm, in every chunk",
            [
                event(choices=[{"delta": {"content": "a"}}], usage={"prompt_tokens": 3, "completion_tokens": 1}),
                event(
                    choices=[{"delta": {}, "finish_reason": "stop"}], usage={"prompt_tokens": 3, "completion_tokens": 2}
                ),
            ],
            Usage(input=3, output=2),
        ),
        ("null", [event(choices=[{"delta": {}, "finish_reason": "stop"}], usage=None)], None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_hosts_put_usage(host: str, events: list[bytes], usage: Usage | None) -> None:
    found = [chunk.usage for chunk in read(*events, DONE) if chunk.usage is not None]
    assert (found[-1] if found else None) == usage


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
        ([b""], "empty"),
        ([DONE], "empty"),
        ([b": ping\n\n"], "empty"),
        ([event(choices=[], usage={"prompt_tokens": 1}), DONE], "empty"),
        ([piece({"role": "assistant"})], "cut"),
        ([piece({"content": "a"})], "cut"),
        ([piece({"content": "a"}), b'data: {"choices": [{"del'], "cut"),
        ([piece({"content": "a"}), piece({}, "stop", index=1)], "cut"),
        ([b"data: {\n\n"], "malformed"),
        ([b"data: {\n\n", b"data: x\n\n", DONE], "malformed"),
        ([b'{"error": {"message": "boom", "code": 503}}'], "overloaded"),
        ([b'{"id": "a", "choices": [{"message": {"content": "a"}}]}'], "malformed"),
        ([piece({"content": "a"}), event(error={"message": "boom"})], "server_error"),
        ([event(error="CUDA error")], "server_error"),
        ([event(error={"message": "slow down", "code": 429}, choices=[])], "rate_limited"),
        ([b'event: error\ndata: {"error": {"message": "boom"}}\n\n'], "server_error"),
        ([b'data: {"object": "error", "message": "boom", "code": 500}\n\n'], "server_error"),
        ([b'data: {"error": {"message": "boom"}, "choices": 5}\n\n'], "server_error"),
        ([piece({"content": "a"}, "error")], "server_error"),
        ([piece({}, "network_error")], "server_error"),
        ([piece({}, "insufficient_system_resource")], "overloaded"),
    ],
)
def test_a_stream_that_breaks_is_never_an_answer(reads: list[bytes], kind: str) -> None:
    assert failing(*reads)[1].upstream == kind


def test_what_came_before_an_error_in_the_same_read_is_kept() -> None:
    chunks, error = failing(piece({"content": "a"}) + event(error={"message": "boom"}))
    assert [chunk.deltas for chunk in chunks] == [(Delta(text="a"),)]
    assert error.message.endswith("boom")


def test_what_was_counted_for_work_in_vain_is_in_the_error() -> None:
    _, error = failing(event(choices=[{"delta": {"content": "a"}}], usage={"prompt_tokens": 3, "completion_tokens": 1}))
    assert (error.upstream, error.usage) == ("cut", Usage(input=3, output=1))


def test_one_malformed_chunk_does_not_end_a_stream() -> None:
    reader = StreamReader()
    stream = piece({"content": "a"}) + b"data: {oops\n\n" + piece({"content": "b"}) + piece({}, "stop") + DONE
    found = [delta.text for chunk in reader.feed(stream) for delta in chunk.deltas]
    assert reader.eof() == []
    assert (found, reader.malformed) == (["a", "b", ""], 1)


def test_hosts_that_never_send_done() -> None:
    chunks = read(piece({"content": "a"}), piece({}, "stop"))
    assert [chunk.last for chunk in chunks] == [False, False, True]


def test_done_ends_a_stream_whatever_follows() -> None:
    chunks = read(piece({"content": "a"}, "stop") + DONE, piece({"content": "after the end"}))
    assert [chunk.last for chunk in chunks] == [False, True]


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_any_bytes_are_chunks_or_an_upstream_error(reads: list[bytes]) -> None:
    with suppress(UpstreamError):
        read(*reads)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "index", "tool_calls", "function", "arguments", "finish_reason"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


@given(st.lists(JSON, max_size=3))
def test_any_json_is_chunks_or_an_upstream_error(trees: list[Any]) -> None:
    with suppress(UpstreamError):
        read(*(b"data: " + json.dumps(tree).encode() + b"\n\n" for tree in trees))


# ----------------------------------------------------------------------------------------------------------- writing


def through(*reads: bytes, include_usage: bool = False) -> bytes:
    writer = StreamWriter(asked(include_usage=include_usage))
    return b"".join([writer.write(chunk) for chunk in read(*reads)]) + writer.end(None)


USAGE = event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})


def test_the_same_dialect_keeps_its_bytes() -> None:
    reads = [b"event: x\nid: 7\n" + piece({"content": "a", "odd": 1}), piece({}, "stop")]
    assert through(*reads, DONE) == b"".join(reads) + DONE


def test_usage_goes_to_clients_that_asked_and_to_no_other() -> None:
    reads = [piece({"content": "a"}), piece({}, "stop")]
    assert through(*reads, USAGE, DONE) == b"".join(reads) + DONE
    assert through(*reads, USAGE, DONE, include_usage=True) == b"".join(reads) + USAGE + DONE


@pytest.mark.parametrize("include_usage", [True, False])
def test_clients_that_add_up_usage_see_it_once(include_usage: bool) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    stream = through(
        event(choices=[{"index": 0, "delta": {"content": "a"}}], usage={**usage, "completion_tokens": 1}, object="x"),
        event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=usage, object="x"),
        DONE,
        include_usage=include_usage,
    )
    found = [json.loads(row[6:]) for row in stream.decode().split("\n\n") if row and "[DONE]" not in row]
    counted = [row["usage"]["completion_tokens"] for row in found if row.get("usage")]
    assert counted == ([2] if include_usage else [])
    assert stream.endswith(DONE)
    assert len([row for row in found if row["choices"]]) == 2


def test_usage_that_only_the_dispatcher_knows() -> None:
    writer = StreamWriter(asked(include_usage=True))
    writer.write(read(piece({"content": "a"}, "stop"))[0])
    assert writer.write(ChatChunk(dialect="openai", usage=Usage(input=1, output=1))) == b""
    assert b'"total_tokens":2' in writer.end(None)
    assert writer.end(None) == DONE


CHUNKS = [
    ChatChunk(deltas=(Delta(),), id="msg_1", model="claude"),
    ChatChunk(deltas=(Delta(thinking="hm"),)),
    ChatChunk(deltas=(Delta(signature="SIG"),)),
    ChatChunk(deltas=(Delta(redacted="RED"),)),
    ChatChunk(deltas=(Delta(text="hel"), Delta(text="lo"))),
    ChatChunk(deltas=(Delta(tool=ToolDelta(index=0, id="c0", name="f", signature="GOOGLE")),)),
    ChatChunk(deltas=(Delta(tool=ToolDelta(index=1, id="c1", name="g", arguments="{}")),)),
    ChatChunk(deltas=(Delta(tool=ToolDelta(index=0, arguments='{"a":')),)),
    ChatChunk(deltas=(Delta(tool=ToolDelta(index=0, arguments="1}")),)),
    ChatChunk(deltas=(Delta(finish="tool_calls"),), usage=Usage(input=3, output=2)),
    ChatChunk(last=True),
]


def whole(stream: bytes) -> ChatCompletion:
    """What the SDK's own accumulation makes of a stream."""
    with sdk(200, stream) as client, client.chat.completions.stream(model="m", messages=[]) as events:
        return ChatCompletion.model_validate(events.get_final_completion().model_dump())


def test_a_stream_of_another_dialect_is_what_the_sdk_reads() -> None:
    writer = StreamWriter(asked(include_usage=True), created=9)
    served = Served(
        request_id="r1", deployment="d", model="m", zone="z", policy="cheapest", reason="", cost=Decimal("0.1")
    )
    stream = b"".join([writer.write(chunk) for chunk in CHUNKS]) + writer.end(served)
    assert stream.endswith(DONE)
    rows = [json.loads(row[6:]) for row in stream.decode().split("\n\n") if row and "[DONE]" not in row]
    for row in rows:
        ChatCompletionChunk.model_validate(row)
    assert rows[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert {(row["id"], row["model"], row["created"]) for row in rows} == {("msg_1", "claude", 9)}
    assert [row["usage"] for row in rows[:-1]] == [None] * (len(rows) - 1)
    found = whole(stream)
    said = found.choices[0].message
    assert (said.content, found.choices[0].finish_reason) == ("hello", "tool_calls")
    assert [one.model_dump()["function"]["arguments"] for one in said.tool_calls or []] == ['{"a":1}', "{}"]
    assert found.usage is not None
    assert found.usage.total_tokens == 5


def test_what_is_written_reads_as_the_same_words() -> None:
    writer = StreamWriter(asked())
    stream = b"".join([writer.write(chunk) for chunk in CHUNKS]) + writer.end(None)
    written = [delta for chunk in CHUNKS for delta in chunk.deltas]
    assert deltas(stream) == written


@given(
    st.lists(
        st.builds(
            Delta,
            choice=st.integers(0, 2),
            text=st.text(max_size=5),
            thinking=st.text(max_size=5),
            refusal=st.text(max_size=5),
        ),
        max_size=8,
    )
)
def test_no_character_is_lost_on_the_way(given_deltas: list[Delta]) -> None:
    writer = StreamWriter(asked())
    ends = [Delta(choice=choice, finish="stop") for choice in range(3)]
    chunks = [ChatChunk(deltas=(delta,)) for delta in [*given_deltas, *ends]]
    found = deltas(b"".join([writer.write(chunk) for chunk in chunks]) + writer.end(None))
    for choice in range(3):
        for field in ("text", "thinking", "refusal"):
            before = "".join(getattr(delta, field) for delta in given_deltas if delta.choice == choice)
            assert "".join(getattr(delta, field) for delta in found if delta.choice == choice) == before


@pytest.mark.parametrize("finish", get_args(Finish))
def test_every_end_is_one_the_sdk_knows(finish: Finish) -> None:
    writer = StreamWriter(asked())
    row = json.loads(writer.write(ChatChunk(deltas=(Delta(finish=finish),)))[6:])
    assert ChatCompletionChunk.model_validate(row).choices[0].finish_reason is not None


def test_probabilities_and_refusals_are_passed_on() -> None:
    logprobs: dict[str, Any] = {
        "content": [{"token": "a", "logprob": -0.1, "bytes": None, "top_logprobs": []}],
        "refusal": None,
    }
    writer = StreamWriter(asked())
    row = json.loads(writer.write(ChatChunk(deltas=(Delta(refusal="no", logprobs=logprobs),)))[6:])
    found = ChatCompletionChunk.model_validate(row).choices[0]
    assert found.delta.refusal == "no"
    assert found.logprobs is not None
    assert found.logprobs.model_dump() == logprobs


def test_an_end_before_anything_began() -> None:
    writer = StreamWriter(asked(include_usage=True))
    assert writer.end(None) == DONE


def test_a_stream_that_fails_says_so_and_never_done() -> None:
    writer = StreamWriter(asked())
    stream = writer.write(ChatChunk(deltas=(Delta(text="a"),)))
    stream += writer.error(UpstreamError("the stream ended before the answer did", upstream="cut"))
    assert b"[DONE]" not in stream
    with sdk(200, stream) as client, pytest.raises(official.APIError, match="ended before"):
        list(client.chat.completions.create(model="m", messages=[], stream=True))
    row = json.loads(StreamWriter(asked()).error(RequestError("no", status=429))[6:])
    assert row["error"]["type"] == "rate_limit_error"
