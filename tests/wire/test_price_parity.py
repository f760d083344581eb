"""Streamed, buffered and hand-computed cost agree to the picodollar, for every way a server counts tokens.

Rows named after a bug are the regressions of other gateways, by their own issue numbers.
"""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import pytest

from crossover.chat import ChatChunk, ChatRequest
from crossover.cost.request import PriceList, Step
from crossover.errors import UpstreamError
from crossover.usage import Usage
from crossover.wire import anthropic, gemini, ollama, openai, responses
from tests.wire import streams

# Primes, so that no two mistakes cancel out.
INPUT, READ, WRITE_5M, WRITE_1H, OUTPUT, REASONING = 3_000_017, 300_007, 3_750_013, 6_000_011, 15_000_017, 17_000_023
LONG = Step(200_000, 6_000_047, 600_011, 7_500_013, 12_000_017, 22_500_011, 23_000_009)
PER_REQUEST = 1_009
PRICES = PriceList(
    steps=(Step(0, INPUT, READ, WRITE_5M, WRITE_1H, OUTPUT, REASONING), LONG), per_request=PER_REQUEST, source="test"
)


class Bill(NamedTuple):
    """What is to be paid, as somebody reading the provider's invoice would split it. None: nobody can know."""

    fresh: int = 0
    read: int = 0
    write_5m: int = 0
    write_1h: int = 0
    answer: int = 0
    reasoning: int = 0

    def picodollars(self) -> int:
        return (
            self.fresh * INPUT
            + self.read * READ
            + self.write_5m * WRITE_5M
            + self.write_1h * WRITE_1H
            + self.answer * OUTPUT
            + self.reasoning * REASONING
            + PER_REQUEST
        )


class Shape(NamedTuple):
    """One way to count: the same usage whole and streamed. ``cut``: the stream ends early, so there is no whole."""

    name: str
    dialect: ModuleType
    whole: bytes | None
    stream: bytes
    bill: Bill | None
    cut: bool = False
    estimated: tuple[bool, bool] = (False, False)  # input, output


# ------------------------------------------------------------------------------------------------------------- openai


def openai_whole(usage: Any, **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], **more}
    return json.dumps(body if usage is None else {**body, "usage": usage}).encode()


def piece(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices, **more}


def tail(**more: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [], **more}


HELLO = (piece({"role": "assistant"}), piece({"content": "Hi"}))
STOP = piece({}, "stop")


def openai_shape(name: str, usage: Any, bill: Bill | None, **more: Any) -> Shape:
    """The usual stream: the usage alone in the last chunk."""
    ends = () if usage is None else (tail(usage=usage),)
    return Shape(name, openai, openai_whole(usage), streams.plain(*HELLO, STOP, *ends, done=True), bill, **more)


def openai_stream(name: str, stream: bytes, usage: Any, bill: Bill | None) -> Shape:
    """An unusual stream of a usage that is the usual one in a whole answer."""
    return Shape(name, openai, openai_whole(usage), stream, bill)


def counted(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        **more,
    }


SMALL = counted(11, 7)
CACHED = counted(100, 7, prompt_tokens_details={"cached_tokens": 64})
THOUGHT = counted(11, 50, completion_tokens_details={"reasoning_tokens": 40})

OPENAI = [
    openai_shape("openai", SMALL, Bill(fresh=11, answer=7)),
    openai_shape("openai cached inside the prompt", CACHED, Bill(fresh=36, read=64, answer=7)),
    openai_shape(
        "openai all cached", counted(64, 7, prompt_tokens_details={"cached_tokens": 64}), Bill(0, 64, answer=7)
    ),
    openai_shape("litellm#18599 reasoning inside the completion", THOUGHT, Bill(fresh=11, answer=10, reasoning=40)),
    openai_shape(
        "openai reasoning only",
        counted(11, 40, completion_tokens_details={"reasoning_tokens": 40}),
        Bill(fresh=11, reasoning=40),
    ),
    openai_shape(
        "openai everything",
        counted(
            1000,
            100,
            prompt_tokens_details={"cached_tokens": 512, "audio_tokens": 0},
            completion_tokens_details={"reasoning_tokens": 60, "accepted_prediction_tokens": 0},
        ),
        Bill(fresh=488, read=512, answer=40, reasoning=60),
    ),
    openai_shape("openai details null", counted(11, 7, prompt_tokens_details=None), Bill(fresh=11, answer=7)),
    openai_shape(
        "openrouter cache writes",
        counted(100, 7, prompt_tokens_details={"cached_tokens": 20, "cache_write_tokens": 30}),
        Bill(fresh=50, read=20, write_5m=30, answer=7),
    ),
    openai_shape("openai no usage", None, None),
    openai_shape("openai usage of zeros says nothing", counted(0, 0), None),
    openai_shape("openai usage null", None, None),
    openai_shape(
        "deepseek cache hits",
        counted(100, 7, prompt_cache_hit_tokens=64, prompt_cache_miss_tokens=36),
        Bill(fresh=36, read=64, answer=7),
    ),
    openai_shape("moonshot cached beside the details", counted(100, 7, cached_tokens=64), Bill(36, 64, answer=7)),
    openai_shape(
        "xai reasoning beside the completion",
        {
            "prompt_tokens": 11,
            "completion_tokens": 10,
            "total_tokens": 61,
            "completion_tokens_details": {"reasoning_tokens": 40},
        },
        Bill(fresh=11, answer=10, reasoning=40),
    ),
    openai_shape("openai only a total", {"prompt_tokens": 11, "total_tokens": 18}, Bill(fresh=11, answer=7)),
    openai_stream(
        "litellm#36168 usage in a chunk with choices",
        streams.plain(*HELLO, piece({}, "stop", usage=CACHED), done=True),
        CACHED,
        Bill(fresh=36, read=64, answer=7),
    ),
    openai_stream(
        "litellm#36168 usage in a chunk with words",
        streams.plain(HELLO[0], piece({"content": "Hi"}, "stop", usage=SMALL), done=True),
        SMALL,
        Bill(fresh=11, answer=7),
    ),
    openai_stream(
        "vllm usage in every chunk",
        streams.plain(
            piece({"role": "assistant"}, usage=counted(11, 0)),
            piece({"content": "Hi"}, usage=counted(11, 3)),
            piece({}, "stop", usage=SMALL),
            tail(usage=SMALL),
            done=True,
        ),
        SMALL,
        Bill(fresh=11, answer=7),
    ),
    openai_stream(
        "openai usage null until the end",
        streams.plain(*({**row, "usage": None} for row in (*HELLO, STOP)), tail(usage=SMALL), done=True),
        SMALL,
        Bill(fresh=11, answer=7),
    ),
    openai_stream(
        "groq usage beside the chunk",
        streams.plain(*HELLO, piece({}, "stop", x_groq={"id": "r", "usage": SMALL}), done=True),
        SMALL,
        Bill(fresh=11, answer=7),
    ),
    openai_stream(
        "moonshot usage inside the choice",
        streams.plain(
            *HELLO, tail(choices=[{"index": 0, "delta": {}, "finish_reason": "stop", "usage": SMALL}]), done=True
        ),
        SMALL,
        Bill(fresh=11, answer=7),
    ),
    Shape(
        "llama.cpp timings",
        openai,
        openai_whole(None, timings={"cache_n": 4, "prompt_n": 7, "predicted_n": 9}),
        streams.plain(*HELLO, piece({}, "stop", timings={"cache_n": 4, "prompt_n": 7, "predicted_n": 9}), done=True),
        Bill(fresh=7, read=4, answer=9),
    ),
    Shape(
        "bifrost#6972 abort with running usage",
        openai,
        None,
        streams.plain(piece({"content": "Hi"}, usage=counted(11, 1)), piece({"content": "."}, usage=counted(11, 3))),
        Bill(fresh=11, answer=3),
        cut=True,
    ),
    Shape("openai-openapi#539 abort without usage", openai, None, streams.plain(*HELLO), None, cut=True),
]

# ---------------------------------------------------------------------------------------------------------- anthropic


def anthropic_whole(usage: Any) -> bytes:
    body = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [{"type": "text", "text": "Hi"}],
    }
    said = {} if usage is None else {"usage": usage}
    return json.dumps({**body, "stop_reason": "end_turn", "stop_sequence": None, **said}).encode()


def start(usage: Any) -> dict[str, Any]:
    message: dict[str, Any] = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [],
        "stop_reason": None,
    }
    return {"type": "message_start", "message": message if usage is None else {**message, "usage": usage}}


WORDS = (
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "content_block_stop", "index": 0},
)
END = {"type": "message_stop"}


def delta(usage: Any, reason: str | None = "end_turn") -> dict[str, Any]:
    found = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}}
    return found if usage is None else {**found, "usage": usage}


def anthropic_shape(name: str, first: Any, *last: Any, whole: Any, bill: Bill | None, **more: Any) -> Shape:
    deltas = [delta(usage, None) for usage in last[:-1]] + [delta(last[-1])]
    stream = streams.named(start(first), *WORDS, *deltas, END)
    return Shape(name, anthropic, anthropic_whole(whole), stream, bill, **more)


BREAKDOWN = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 12}
ANTHROPIC = [
    anthropic_shape(
        "anthropic",
        {"input_tokens": 11, "output_tokens": 1},
        {"output_tokens": 7},
        whole={"input_tokens": 11, "output_tokens": 7},
        bill=Bill(fresh=11, answer=7),
    ),
    anthropic_shape(
        "anthropic cached beside the input",
        {"input_tokens": 11, "cache_read_input_tokens": 64, "output_tokens": 1},
        {"output_tokens": 7},
        whole={"input_tokens": 11, "cache_read_input_tokens": 64, "output_tokens": 7},
        bill=Bill(fresh=11, read=64, answer=7),
    ),
    anthropic_shape(
        "anthropic write for five minutes by default",
        {"input_tokens": 11, "cache_creation_input_tokens": 42, "output_tokens": 1},
        {"output_tokens": 7},
        whole={"input_tokens": 11, "cache_creation_input_tokens": 42, "output_tokens": 7},
        bill=Bill(fresh=11, write_5m=42, answer=7),
    ),
    anthropic_shape(
        "anthropic write for an hour",
        {
            "input_tokens": 11,
            "cache_creation_input_tokens": 42,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 42},
            "output_tokens": 1,
        },
        {"output_tokens": 7},
        whole={
            "input_tokens": 11,
            "cache_creation_input_tokens": 42,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 42},
            "output_tokens": 7,
        },
        bill=Bill(fresh=11, write_1h=42, answer=7),
    ),
    anthropic_shape(
        "anthropic both writes",
        {"input_tokens": 11, "cache_creation_input_tokens": 42, "cache_creation": BREAKDOWN, "output_tokens": 1},
        {"output_tokens": 7},
        whole={
            "input_tokens": 11,
            "cache_creation_input_tokens": 42,
            "cache_creation": BREAKDOWN,
            "output_tokens": 7,
        },
        bill=Bill(fresh=11, write_5m=30, write_1h=12, answer=7),
    ),
    anthropic_shape(
        "litellm#42663 the total is larger than its breakdown",
        {"input_tokens": 11, "cache_creation_input_tokens": 100, "cache_creation": BREAKDOWN, "output_tokens": 1},
        {"output_tokens": 7},
        whole={
            "input_tokens": 11,
            "cache_creation_input_tokens": 100,
            "cache_creation": BREAKDOWN,
            "output_tokens": 7,
        },
        bill=Bill(fresh=11, write_5m=88, write_1h=12, answer=7),
    ),
    anthropic_shape(
        "litellm#42663 a breakdown without a total",
        {"input_tokens": 11, "cache_creation": BREAKDOWN, "output_tokens": 1},
        {"output_tokens": 7},
        whole={"input_tokens": 11, "cache_creation": BREAKDOWN, "output_tokens": 7},
        bill=Bill(fresh=11, write_5m=30, write_1h=12, answer=7),
    ),
    anthropic_shape(
        "litellm#42663 the breakdown is larger than its total",
        {"input_tokens": 11, "cache_creation_input_tokens": 5, "cache_creation": BREAKDOWN, "output_tokens": 1},
        {"output_tokens": 7},
        whole={"input_tokens": 11, "cache_creation_input_tokens": 5, "cache_creation": BREAKDOWN, "output_tokens": 7},
        bill=Bill(fresh=11, write_5m=30, write_1h=12, answer=7),
    ),
    anthropic_shape(
        "anthropic read and both writes",
        {
            "input_tokens": 11,
            "cache_read_input_tokens": 64,
            "cache_creation_input_tokens": 42,
            "cache_creation": BREAKDOWN,
            "output_tokens": 1,
        },
        {"output_tokens": 7},
        whole={
            "input_tokens": 11,
            "cache_read_input_tokens": 64,
            "cache_creation_input_tokens": 42,
            "cache_creation": BREAKDOWN,
            "output_tokens": 7,
        },
        bill=Bill(fresh=11, read=64, write_5m=30, write_1h=12, answer=7),
    ),
    anthropic_shape(
        "bifrost#5354 message_delta replaces, never adds",
        {"input_tokens": 11, "cache_read_input_tokens": 64, "output_tokens": 5},
        {"input_tokens": 11, "cache_read_input_tokens": 64, "output_tokens": 7},
        whole={"input_tokens": 11, "cache_read_input_tokens": 64, "output_tokens": 7},
        bill=Bill(fresh=11, read=64, answer=7),
    ),
    anthropic_shape(
        "bifrost#5354 several cumulative message_deltas",
        {"input_tokens": 11, "output_tokens": 1},
        {"output_tokens": 3},
        {"output_tokens": 5},
        {"output_tokens": 7},
        whole={"input_tokens": 11, "output_tokens": 7},
        bill=Bill(fresh=11, answer=7),
    ),
    anthropic_shape(
        "anthropic the last word on the input (server tools)",
        {"input_tokens": 11, "output_tokens": 1},
        {"input_tokens": 400, "cache_read_input_tokens": 9, "output_tokens": 7},
        whole={"input_tokens": 400, "cache_read_input_tokens": 9, "output_tokens": 7},
        bill=Bill(fresh=400, read=9, answer=7),
    ),
    anthropic_shape(
        "anthropic nulls in message_delta keep what was said",
        {"input_tokens": 11, "cache_read_input_tokens": 64, "output_tokens": 1},
        {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 7},
        whole={"input_tokens": 11, "cache_read_input_tokens": 64, "output_tokens": 7},
        bill=Bill(fresh=11, read=64, answer=7),
    ),
    anthropic_shape(
        "anthropic thinking inside the output",
        {"input_tokens": 11, "output_tokens": 1},
        {"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40}},
        whole={"input_tokens": 11, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40}},
        bill=Bill(fresh=11, answer=10, reasoning=40),
    ),
    anthropic_shape(
        "anthropic nothing fresh",
        {"input_tokens": 0, "cache_read_input_tokens": 64, "output_tokens": 1},
        {"output_tokens": 7},
        whole={"input_tokens": 0, "cache_read_input_tokens": 64, "output_tokens": 7},
        bill=Bill(read=64, answer=7),
    ),
    anthropic_shape("anthropic no usage", None, None, whole=None, bill=None),
    anthropic_shape(
        "anthropic input said at the end only",
        None,
        {"input_tokens": 11, "output_tokens": 7},
        whole={"input_tokens": 11, "output_tokens": 7},
        bill=Bill(fresh=11, answer=7),
    ),
    Shape(
        "anthropic aborted: the whole input and the output so far, which is a guess",
        anthropic,
        None,
        streams.named(start({"input_tokens": 11, "cache_read_input_tokens": 64, "output_tokens": 1}), *WORDS),
        Bill(fresh=11, read=64, answer=1),
        cut=True,
        estimated=(False, True),
    ),
    Shape(
        "anthropic cut after the usage",
        anthropic,
        None,
        streams.named(start({"input_tokens": 11, "output_tokens": 1}), *WORDS, delta({"output_tokens": 7})),
        Bill(fresh=11, answer=7),
        cut=True,
    ),
    Shape(
        "anthropic fails inside the stream",
        anthropic,
        None,
        streams.named(
            start({"input_tokens": 11, "output_tokens": 1}),
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        ),
        Bill(fresh=11, answer=1),
        cut=True,
        estimated=(False, True),
    ),
]

# ------------------------------------------------------------------------------------------------------------- gemini


def candidate(text: str, reason: str | None = None) -> dict[str, Any]:
    row: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return row if reason is None else {**row, "finishReason": reason}


def gemini_piece(text: str, reason: str | None = None, usage: Any = None) -> dict[str, Any]:
    body: dict[str, Any] = {"candidates": [candidate(text, reason)], "modelVersion": "g"}
    return body if usage is None else {**body, "usageMetadata": usage}


def gemini_shape(name: str, usage: Any, bill: Bill | None, before: tuple[Any, ...] = ()) -> Shape:
    pieces = [gemini_piece("Hi", None, said) for said in before or (None,)]
    stream = streams.plain(*pieces, gemini_piece("!", "STOP", usage))
    return Shape(name, gemini, json.dumps(gemini_piece("Hi!", "STOP", usage)).encode(), stream, bill)


FULL = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}
GEMINI = [
    gemini_shape("gemini", FULL, Bill(fresh=11, answer=7)),
    gemini_shape(
        "gemini cached inside the prompt",
        {"promptTokenCount": 100, "cachedContentTokenCount": 64, "candidatesTokenCount": 7, "totalTokenCount": 107},
        Bill(fresh=36, read=64, answer=7),
    ),
    gemini_shape(
        "litellm#18599 thoughts beside the candidates",
        {"promptTokenCount": 11, "candidatesTokenCount": 10, "thoughtsTokenCount": 40, "totalTokenCount": 61},
        Bill(fresh=11, answer=10, reasoning=40),
    ),
    gemini_shape(
        "gemini thoughts and no candidates",
        {"promptTokenCount": 11, "thoughtsTokenCount": 40, "totalTokenCount": 51},
        Bill(fresh=11, reasoning=40),
    ),
    gemini_shape(
        "gemini results of tools are prompt",
        {"promptTokenCount": 11, "toolUsePromptTokenCount": 300, "candidatesTokenCount": 7, "totalTokenCount": 318},
        Bill(fresh=311, answer=7),
    ),
    gemini_shape(
        "gemini everything",
        {
            "promptTokenCount": 1000,
            "toolUsePromptTokenCount": 300,
            "cachedContentTokenCount": 512,
            "candidatesTokenCount": 40,
            "thoughtsTokenCount": 60,
            "totalTokenCount": 1400,
        },
        Bill(fresh=788, read=512, answer=40, reasoning=60),
    ),
    gemini_shape(
        "gemini the last usage counts",
        FULL,
        Bill(fresh=11, answer=7),
        before=({"promptTokenCount": 11, "totalTokenCount": 11}, {"promptTokenCount": 11, "candidatesTokenCount": 3}),
    ),
    gemini_shape(
        "gemini thoughts before words",
        {"promptTokenCount": 11, "candidatesTokenCount": 10, "thoughtsTokenCount": 40, "totalTokenCount": 61},
        Bill(fresh=11, answer=10, reasoning=40),
        before=({"promptTokenCount": 11, "thoughtsTokenCount": 40, "totalTokenCount": 51},),
    ),
    gemini_shape("gemini no usage", None, None),
    gemini_shape("gemini an empty usage", {}, None),
    gemini_shape(
        "gemini with underscores",
        {"prompt_token_count": 100, "cached_content_token_count": 64, "candidates_token_count": 7},
        Bill(fresh=36, read=64, answer=7),
    ),
    gemini_shape(
        "gemini details by kind are no more tokens",
        {**FULL, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 11}]},
        Bill(fresh=11, answer=7),
    ),
    Shape(
        "gemini a blocked prompt is paid",
        gemini,
        json.dumps({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 11}}).encode(),
        streams.plain({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 11}}),
        Bill(fresh=11),
    ),
    Shape(
        "gemini aborted: all that was counted so far",
        gemini,
        None,
        streams.plain(gemini_piece("Hi", None, {"promptTokenCount": 11, "candidatesTokenCount": 3})),
        Bill(fresh=11, answer=3),
        cut=True,
    ),
    Shape(
        "gemini a call that failed is paid",
        gemini,
        None,
        streams.plain(gemini_piece("", "MALFORMED_FUNCTION_CALL", FULL)),
        Bill(fresh=11, answer=7),
        cut=True,
    ),
    Shape(
        "gemini as one array",
        gemini,
        json.dumps(gemini_piece("Hi!", "STOP", FULL)).encode(),
        json.dumps([gemini_piece("Hi"), gemini_piece("!", "STOP", FULL)], indent=2).encode(),
        Bill(fresh=11, answer=7),
    ),
]

# ------------------------------------------------------------------------------------------------------------- ollama


def ollama_line(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "o", "created_at": "", "message": {"role": "assistant", "content": text}, "done": False, **more}


def ollama_shape(name: str, counts: dict[str, Any], bill: Bill | None, **more: Any) -> Shape:
    last = {"done": True, "done_reason": "stop", **counts}
    stream = streams.lines(ollama_line("Hi"), ollama_line("", **last))
    return Shape(name, ollama, json.dumps(ollama_line("Hi", **last)).encode(), stream, bill, **more)


OLLAMA = [
    ollama_shape("ollama", {"prompt_eval_count": 11, "eval_count": 7}, Bill(fresh=11, answer=7)),
    ollama_shape(
        "ollama with durations",
        {"prompt_eval_count": 11, "eval_count": 7, "total_duration": 10**9, "eval_duration": 10**8},
        Bill(fresh=11, answer=7),
    ),
    ollama_shape(
        "ollama a prompt wholly in its cache is not counted",
        {"eval_count": 7},
        Bill(answer=7),
        estimated=(True, False),
    ),
    ollama_shape("ollama only the prompt", {"prompt_eval_count": 11}, Bill(fresh=11), estimated=(False, True)),
    ollama_shape("ollama no counts", {}, None),
    ollama_shape("ollama zero is a count", {"prompt_eval_count": 0, "eval_count": 7}, Bill(answer=7)),
    Shape("ollama aborted", ollama, None, streams.lines(ollama_line("Hi")), None, cut=True),
    Shape(
        "ollama fails at status 200",
        ollama,
        None,
        streams.lines(ollama_line("Hi"), {"error": "an error was encountered while running the model"}),
        None,
        cut=True,
    ),
]

# ---------------------------------------------------------------------------------------------------------- responses


def responded(status: str, usage: Any, **more: Any) -> dict[str, Any]:
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
    body = {"id": "r", "object": "response", "model": "m", "status": status, "output": [message], **more}
    return body if usage is None else {**body, "usage": usage}


SPOKEN = (
    {"type": "response.created", "response": {"id": "r", "model": "m", "status": "in_progress", "usage": None}},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hi"},
)


def responses_shape(name: str, usage: Any, bill: Bill | None, status: str = "completed", **more: Any) -> Shape:
    body = responded(status, usage, **more)
    stream = streams.named(*SPOKEN, {"type": f"response.{status}", "response": body})
    return Shape(name, responses, json.dumps(body).encode(), stream, bill)


def spent(prompt: int, output: int, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + output,
    }


RESPONSES = [
    responses_shape("responses", spent(11, 7), Bill(fresh=11, answer=7)),
    responses_shape("responses cached inside the input", spent(100, 7, 64), Bill(fresh=36, read=64, answer=7)),
    responses_shape("responses reasoning inside the output", spent(11, 50, 0, 40), Bill(11, answer=10, reasoning=40)),
    responses_shape("responses everything", spent(1000, 100, 512, 60), Bill(488, 512, answer=40, reasoning=60)),
    responses_shape(
        "responses cut short by the maximum is paid",
        spent(11, 7),
        Bill(fresh=11, answer=7),
        "incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    ),
    responses_shape("responses no usage", None, None),
    Shape("responses aborted", responses, None, streams.named(*SPOKEN), None, cut=True),
    Shape(
        "responses fails after it was counted",
        responses,
        None,
        streams.named(
            *SPOKEN, {"type": "response.failed", "response": responded("failed", spent(11, 3), error={"code": "x"})}
        ),
        Bill(fresh=11, answer=3),
        cut=True,
    ),
]

SHAPES = [*OPENAI, *ANTHROPIC, *GEMINI, *OLLAMA, *RESPONSES]


def streamed(shape: Shape, size: int) -> Usage | None:
    reader = shape.dialect.StreamReader()
    chunks: list[ChatChunk] = []
    failed: UpstreamError | None = None
    try:
        for place in range(0, len(shape.stream), size):
            chunks += reader.feed(shape.stream[place : place + size])
        chunks += reader.eof()
        reader.feed(b"")  # an error that came behind chunks of the same read
    except UpstreamError as error:
        failed = error
    assert (failed is not None) == shape.cut, failed
    usage = streams.last_usage(chunks)
    if failed is None:
        return usage
    # Whoever only sees the error still knows what was counted.
    assert failed.usage is None or usage is None or failed.usage == usage
    return usage or failed.usage  # type: ignore[return-value]


def check(shape: Shape, usage: Usage | None, how: str) -> None:
    if shape.bill is None:
        assert usage is None, f"{how}: {usage} though the server said nothing"
        return
    assert usage is not None, f"{how}: no usage"
    assert PRICES.cost(usage) == shape.bill.picodollars(), f"{how}: {usage}"
    assert (usage.input_basis == "estimated", usage.output_basis == "estimated") == shape.estimated, how


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_streamed_and_whole_cost_what_the_invoice_says(shape: Shape) -> None:
    for size in (1 << 20, 1, 7):
        check(shape, streamed(shape, size), f"streamed in pieces of {size}")
    if shape.whole is not None:
        check(shape, shape.dialect.read_response(shape.whole).usage, "whole")


def test_the_wall_is_as_wide_as_it_says() -> None:
    assert len(SHAPES) >= 60
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)


def test_a_long_prompt_has_the_prices_of_long_prompts_with_all_its_cached_parts() -> None:
    usage = {"input_tokens": 1_000, "cache_read_input_tokens": 250_000, "output_tokens": 7}
    cost = 1_000 * LONG.input + 250_000 * LONG.cached_read + 7 * LONG.output + PER_REQUEST
    whole = anthropic.read_response(anthropic_whole(usage)).usage
    assert whole is not None
    assert PRICES.cost(whole) == cost


@pytest.mark.parametrize(
    "shape", [shape for shape in SHAPES if shape.whole and shape.bill], ids=lambda shape: shape.name
)
def test_what_a_door_tells_its_client_costs_the_same_read_back(shape: Shape) -> None:
    """An answer translated into another dialect and read there again is billed alike, down to its writes and reads."""
    assert shape.whole is not None
    assert shape.bill is not None
    response = msgspec.structs.replace(shape.dialect.read_response(shape.whole), raw=None)
    again = anthropic.read_response(anthropic.write_response(response, ChatRequest(model="m", messages=()))).usage
    assert again is not None
    assert PRICES.cost(again) == shape.bill.picodollars()
