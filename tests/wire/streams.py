"""Streams as servers send them, built from parsed events; used by the tests of every dialect."""

from __future__ import annotations

import json
from typing import Any, Protocol

from crossover.chat import ChatChunk
from crossover.usage import Usage


class Reader(Protocol):
    def feed(self, data: bytes) -> list[ChatChunk]: ...

    def eof(self) -> list[ChatChunk]: ...


def named(*events: dict[str, Any]) -> bytes:
    """Named server-sent events, as Anthropic sends them."""
    return b"".join(b"event: %b\ndata: %b\n\n" % (row["type"].encode(), json.dumps(row).encode()) for row in events)


def plain(*events: dict[str, Any], done: bool = False) -> bytes:
    """Server-sent events without names, as OpenAI and Gemini send them."""
    body = b"".join(b"data: %b\n\n" % json.dumps(row).encode() for row in events)
    return body + b"data: [DONE]\n\n" if done else body


def lines(*rows: dict[str, Any]) -> bytes:
    """Lines of JSON, as Ollama sends them."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def read(reader: Reader, data: bytes, size: int = 1 << 20) -> list[ChatChunk]:
    """All chunks of a stream that comes in pieces of ``size`` bytes."""
    chunks: list[ChatChunk] = []
    for start in range(0, len(data), size):
        chunks += reader.feed(data[start : start + size])
    return chunks + reader.eof()


def last_usage(chunks: list[ChatChunk]) -> Usage | None:
    """The usage that counts: the last one said."""
    said = [chunk.usage for chunk in chunks if chunk.usage is not None]
    return said[-1] if said else None
