"""The gate of a cascade: what was taken out of an answer, and that the rest of it still reaches the client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from crossover.chat import ChatChunk, ChatRequest, Message, Text
from crossover.routing.cascade import Gate
from crossover.routing.words import Cascade, Judged
from crossover.wire.openai_stream import StreamReader, StreamWriter

ASKED = ChatRequest(model="any", messages=(Message("user", (Text("hello"),)),), stream=True)
ANSWER = b"".join(
    b'data: {"id":"chatcmpl-1","model":"small","object":"chat.completion.chunk","choices":[' + piece + b"]}\n\n"
    for piece in (
        b'{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}',
        b'{"index":0,"delta":{"content":"bil"},"finish_reason":null,"logprobs":{"content":[{"token":"bil","logprob":-0.1,'
        b'"top_logprobs":[{"token":"bil","logprob":-0.1},{"token":"del","logprob":-3.0}]}]}}',
        b'{"index":0,"delta":{"content":"ling"},"finish_reason":null,"logprobs":{"content":[{"token":"ling",'
        b'"logprob":-0.2,"top_logprobs":[]}]}}',
        b'{"index":0,"delta":{},"finish_reason":"stop"}',
    )
)  # as llama.cpp streams it where log probabilities are asked for


async def _source() -> AsyncGenerator[ChatChunk, None]:
    for chunk in StreamReader().feed(ANSWER + b"data: [DONE]\n\n"):
        yield chunk


async def _through(gate: Gate) -> bytes:
    writer = StreamWriter(ASKED)
    written = b"".join([writer.write(chunk) async for chunk in gate.stream(_source())])
    return written + writer.end()


def _said(written: bytes) -> str:
    rows = [msgspec.json.decode(line[6:]) for line in written.splitlines() if line.startswith(b"data: {")]
    return "".join(choice["delta"].get("content") or "" for row in rows for choice in row["choices"])


def _gate(*, quiet: bool) -> Gate:
    return Gate(Cascade(judge=lambda shown: Judged(False, shown.text)), ASKED, quiet=quiet)


def test_a_client_that_wanted_no_log_probabilities_gets_the_words_all_the_same() -> None:
    gate = _gate(quiet=True)
    written = asyncio.run(_through(gate))
    assert _said(written) == "billing"
    assert b"logprob" not in written
    assert written.count(b'"id":"chatcmpl-1"') == 4  # one answer, also for whoever puts it together
    assert gate.judge(whole=True).why == "billing"


def test_a_client_that_wanted_them_gets_the_pieces_as_they_came() -> None:
    written = asyncio.run(_through(_gate(quiet=False)))
    assert written.startswith(ANSWER)
