"""How long the dialects take, in microseconds, and as a ratio to reading or writing the same JSON without looking at it.

Run: python benchmarks/wire_speed.py
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


def micros(work: Callable[[], Any]) -> float:
    """The best of seven runs, in microseconds a call."""
    timer = timeit.Timer(work)
    count = max(1, timer.autorange()[0] // 4)
    return min(timer.repeat(7, count)) / count * 1e6


def row(name: str, work: Callable[[], Any], plain: float) -> None:
    took = micros(work)
    print(f"{name:44} {took:9.2f} µs   {took / plain:6.2f} × plain JSON ({plain:.2f} µs)")


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
    b'"item_id":"msg_67c9fdcf","output_index":0,"content_index":0,"delta":" Hello","logprobs":[],"obfuscation":"aB3"}\n\n'
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


def requests() -> None:
    for size, messages in ((1000, 2), (20_000, 20)):
        data = chat_body(size, messages)
        plain = micros(lambda data=data: msgspec.json.decode(data))  # type: ignore[misc]
        body = msgspec.json.decode(data)
        request = openai.read_request(body)
        print(f"chat request of {len(data)} bytes, {messages} messages")
        row("  openai.read_request (after decoding)", lambda body=body: openai.read_request(body), plain)  # type: ignore[misc]
        encode = micros(lambda body=body: msgspec.json.encode(body))  # type: ignore[misc]
        row(
            "  openai.write_request, same dialect",
            lambda request=request: openai.write_request(request, PROFILE),  # type: ignore[misc]
            encode,
        )
        other = msgspec.structs.replace(request, dialect=None, tree=None)
        row(
            "  openai.write_request, from the words",
            lambda other=other: openai.write_request(other, PROFILE),  # type: ignore[misc]
            encode,
        )
    data = responses_body(1000)
    body = msgspec.json.decode(data)
    plain = micros(lambda: msgspec.json.decode(data))
    row("responses.read_request, 1 kB", lambda: responses.read_request(body), plain)


def streams() -> None:
    plain = micros(lambda: msgspec.json.decode(CHUNK[6:-2]))
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
    plain = micros(lambda: msgspec.json.decode(sse.data_of(DELTA)))
    events = responses.StreamReader()
    row("  responses.StreamReader.feed", lambda: events.feed(DELTA), plain)
    answer = responses.StreamWriter(request)
    row("  responses.StreamWriter.write, other dialect", lambda: answer.write(other), plain)


def answers() -> None:
    plain = micros(lambda: msgspec.json.decode(ANSWER))
    print(f"answer of {len(ANSWER)} bytes")
    row("  openai.read_response", lambda: openai.read_response(ANSWER), plain)
    request = ChatRequest(model="gpt-4o", messages=(Message("user", (Text("hi"),)),))
    response = ChatResponse(
        choices=(Choice(message=Message("assistant", (Text(WORDS * 8),)), finish="stop"),),
        usage=Usage(input=19, output=160),
        dialect="anthropic",
    )
    row("  openai.write_response, other dialect", lambda: openai.write_response(response, request), plain)


if __name__ == "__main__":
    requests()
    streams()
    answers()
