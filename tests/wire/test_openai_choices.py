"""Several choices of a server that counts each by itself: llama.cpp, by its answers to n = 3 and by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crossover.chat import ChatRequest, Message, Text
from crossover.usage import Usage
from crossover.wire.openai import StreamReader, StreamWriter, read_response
from tests.wire.streams import last_usage, plain, read

TIMINGS = {"cache_n": 21, "prompt_n": 1, "prompt_ms": 0.4, "predicted_n": 20, "predicted_ms": 25.5}
COUNTED = {"completion_tokens": 20, "prompt_tokens": 22, "total_tokens": 42}


def whole(*texts: str, usage: Any = COUNTED, timings: Any = TIMINGS, **message: Any) -> Usage | None:
    choices = [
        {"finish_reason": "stop", "index": index, "message": {"role": "assistant", "content": text, **message}}
        for index, text in enumerate(texts)
    ]
    body = {"choices": choices, "object": "chat.completion", "usage": usage, "timings": timings}
    return read_response(json.dumps(body).encode()).usage


def test_the_choices_beside_the_counted_one_are_estimated_by_their_length() -> None:
    used = whole("x" * 40, "x" * 20, "x" * 61)
    assert used == Usage(input=22, output=61, cached_read=21, output_basis="estimated")
    assert whole("x" * 40, "x" * 40, usage=None) == Usage(input=22, output=40, cached_read=21, output_basis="estimated")


def test_thoughts_and_calls_are_written_too() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
    used = whole("", "", tool_calls=[call])
    assert used is not None
    assert (used.output, used.output_basis) == (40, "estimated")
    used = whole("ab", "ab", reasoning_content="thinking about it")
    assert used is not None
    assert used.output == 40


def test_a_first_choice_without_a_word_counts_for_each() -> None:
    used = whole("", "later", "more")
    assert used is not None
    assert (used.output, used.output_basis) == (60, "estimated")


@pytest.mark.parametrize(
    ("texts", "usage", "timings"),
    [
        (("one",), COUNTED, TIMINGS),  # there is no other choice
        (("one", "two"), COUNTED, None),  # other servers add their choices up
        (("one", "two"), {**COUNTED, "completion_tokens": 45, "total_tokens": 67}, TIMINGS),  # added up as well
    ],
)
def test_what_was_counted_whole_stays_as_it_is(texts: tuple[str, ...], usage: dict[str, int], timings: Any) -> None:
    used = whole(*texts, usage=usage, timings=timings)
    assert used is not None
    assert (used.output, used.output_basis) == (usage["completion_tokens"], "measured")


# ------------------------------------------------------------------------------------------------------------- streams


def piece(index: int, text: str = "", finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "id": "c", "model": "m", "choices": [choice], **fields}


def counted(output: int, **more: Any) -> dict[str, Any]:
    """The chunk that says what one choice used."""
    usage = {**COUNTED, "completion_tokens": output, "total_tokens": 22 + output}
    return {
        "object": "chat.completion.chunk", "id": "c", "model": "m", "choices": [], "usage": usage,
        "timings": {**TIMINGS, "predicted_n": output}, **more,
    }  # fmt: skip


@pytest.mark.parametrize("size", [1 << 20, 11])
@pytest.mark.parametrize("one_after_the_other", [True, False])
def test_choices_that_are_counted_by_themselves_are_added_up(one_after_the_other: bool, size: int) -> None:
    pieces = [[piece(index, "word"), piece(index, finish="stop"), counted(20 + index)] for index in range(3)]
    turns = pieces if one_after_the_other else zip(*pieces, strict=True)
    used = last_usage(read(StreamReader(), plain(*(row for turn in turns for row in turn), done=True), size))
    assert used == Usage(input=22, output=63, cached_read=21)


def test_figures_on_the_way_are_not_added() -> None:
    """``timings_per_token`` says with every piece how far its choice has come."""
    rows = [
        piece(0, "a", timings={**TIMINGS, "predicted_n": 1}),
        piece(1, "b", timings={**TIMINGS, "predicted_n": 1}),
        piece(0, finish="stop"),
        counted(2),
        piece(1, "c", timings={**TIMINGS, "predicted_n": 2}),
        piece(1, finish="stop"),
        counted(3),
    ]
    assert last_usage(read(StreamReader(), plain(*rows, done=True))) == Usage(input=22, output=5, cached_read=21)


def test_one_choice_that_is_counted_twice_is_not_added_up() -> None:
    rows = [piece(0, "a"), piece(0, finish="stop"), counted(2), counted(2)]
    assert last_usage(read(StreamReader(), plain(*rows, done=True))) == Usage(input=22, output=2, cached_read=21)


def test_servers_that_count_all_choices_are_believed() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}
    rows = [
        *(piece(index, "a") for index in range(2)),
        *(piece(index, finish="stop") for index in range(2)),
        {"choices": [], "usage": usage},
        {"choices": [], "usage": usage},
    ]
    assert last_usage(read(StreamReader(), plain(*rows, done=True))) == Usage(input=3, output=9)


def test_a_client_gets_usage_once_and_of_all_choices() -> None:
    rows = [row for index in range(3) for row in (piece(index, "a"), piece(index, finish="stop"), counted(20))]
    asked = ChatRequest(model="m", messages=(Message("user", (Text("hi"),)),), include_usage=True)
    writer = StreamWriter(asked)
    chunks = read(StreamReader(), plain(*rows, done=True))
    said = b"".join(writer.write(chunk) for chunk in chunks) + writer.end(None)
    events = [json.loads(line[6:]) for line in said.decode().splitlines() if line and "[DONE]" not in line]
    used = [event["usage"] for event in events if event.get("usage")]
    assert [(one["completion_tokens"], one["total_tokens"]) for one in used] == [(60, 82)]
    assert said.endswith(b"data: [DONE]\n\n")
