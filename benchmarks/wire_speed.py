"""How long the dialects take, in microseconds, and over reading or writing the same JSON without looking at it.

The two are timed in turns, so that a busy machine slows both. Run: python benchmarks/wire_speed.py
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import msgspec

from crossover.chat import ChatChunk, ChatRequest, ChatResponse, Choice, Delta, Message, Text
from crossover.usage import Usage
from crossover.wire import openai, responses, sse
from crossover.wire.words import Profile

PROFILE = Profile(model="gpt-4o-mini", max_tokens_field="max_completion_tokens", developer_role=True)
WORDS = "The quick brown fox jumps over the lazy dog, and then it rests beside the river until the morning comes. "


def row(name: str, work: Callable[[], Any], plain: Callable[[], Any]) -> None:
    """One line: the best of nine runs each of the work and of plain JSON."""
    timers = (timeit.Timer(work), timeit.Timer(plain))
    counts = [max(1, timer.autorange()[0] // 8) for timer in timers]
    runs = [[timer.timeit(count) / count * 1e6 for timer, count in zip(timers, counts, strict=True)] for _ in range(9)]
    took, bare = (min(run[side] for run in runs) for side in range(2))
    print(f"{name:44} {took:9.2f} µs   {took / bare:6.2f} × plain JSON ({bare:.2f} µs)")


def chat_body(size: int, messages: int) -> bytes:
    text = (WORDS * (size // len(WORDS) + 1))[: size // messages]
    roles = ["system", *(["user", "assistant"] * messages)][:messages]
    body = {
        "model": "gpt-4o",
        "messages": [{"role": role, "content": text} for role in roles],
        "temperature": 0.2,
        "max_tokens": 500,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return msgspec.json.encode(body)


def responses_body(size: int) -> bytes:
    text = (WORDS * (size // len(WORDS) + 1))[:size]
    return msgspec.json.encode({"model": "gpt-4o", "instructions": "Be brief.", "input": text, "temperature": 0.2})


CHUNK = (
    b'data: {"id":"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG","object":"chat.completion.chunk","created":1741570283,'
    b'"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,'
    b'"delta":{"content":" Hello"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aB3dE"}\n\n'
)
DELTA = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":9,'
    b'"item_id":"msg_67c9fdcf","output_index":0,"content_index":0,"delta":" Hello","logprobs":[],"obfuscation":"a"}\n\n'
)
ANSWER = msgspec.json.encode(
    {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": WORDS * 8, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 160,
            "total_tokens": 179,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
    }
)


def requests(size: int, messages: int) -> None:
    data = chat_body(size, messages)
    body = msgspec.json.decode(data)
    request = openai.read_request(body)
    other = msgspec.structs.replace(request, dialect=None, tree=None)
    print(f"chat request of {len(data)} bytes, {messages} messages")
    row("  openai.read_request (after decoding)", lambda: openai.read_request(body), lambda: msgspec.json.decode(data))
    row(
        "  openai.write_request, same dialect",
        lambda: openai.write_request(request, PROFILE),
        lambda: msgspec.json.encode(body),
    )
    row(
        "  openai.write_request, from the words",
        lambda: openai.write_request(other, PROFILE),
        lambda: msgspec.json.encode(body),
    )


def responses_requests() -> None:
    data = responses_body(1000)
    body = msgspec.json.decode(data)
    print(f"Responses request of {len(data)} bytes")
    row("  responses.read_request", lambda: responses.read_request(body), lambda: msgspec.json.decode(data))


def streams() -> None:
    def plain() -> Any:
        return msgspec.json.decode(CHUNK[6:-2])

    print(f"chunk of {len(CHUNK)} bytes")
    framer = sse.Framer()
    row("  sse.Framer.feed", lambda: framer.feed(CHUNK), plain)
    reader = openai.StreamReader()
    row("  openai.StreamReader.feed", lambda: reader.feed(CHUNK), plain)
    request = ChatRequest(model="gpt-4o", messages=(Message("user", (Text("hi"),)),))
    writer = openai.StreamWriter(request)
    chunk = reader.feed(CHUNK)[0]
    row("  openai.StreamWriter.write, same dialect", lambda: writer.write(chunk), plain)
    other = ChatChunk(deltas=(Delta(text=" Hello"),), dialect="anthropic")
    row("  openai.StreamWriter.write, other dialect", lambda: writer.write(other), plain)
    print(f"event of {len(DELTA)} bytes")
    data = sse.data_of(DELTA)
    events = responses.StreamReader()
    row("  responses.StreamReader.feed", lambda: events.feed(DELTA), lambda: msgspec.json.decode(data))


def answers() -> None:
    print(f"answer of {len(ANSWER)} bytes")
    row("  openai.read_response", lambda: openai.read_response(ANSWER), lambda: msgspec.json.decode(ANSWER))
    request = ChatRequest(model="gpt-4o", messages=(Message("user", (Text("hi"),)),))
    response = ChatResponse(
        choices=(Choice(message=Message("assistant", (Text(WORDS * 8),)), finish="stop"),),
        usage=Usage(input=19, output=160),
        dialect="anthropic",
    )
    row(
        "  openai.write_response, other dialect",
        lambda: openai.write_response(response, request),
        lambda: msgspec.json.decode(ANSWER),
    )


if __name__ == "__main__":
    requests(1000, 2)
    requests(20_000, 20)
    responses_requests()
    streams()
    answers()
