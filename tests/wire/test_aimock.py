"""Every dialect against an independent emulator of the providers: the npm package ``@copilotkit/aimock``.

Optional: ``npm i --prefix DIR @copilotkit/aimock`` and CROSSOVER_TEST_AIMOCK=DIR. Where the emulator differs from the
providers it is said here, and the providers are right: Ollama's thinking comes as ``reasoning_content``, its counts
are 0, tools end a Gemini answer with FUNCTION_CALL, and Gemini's ``batchEmbedContents`` is missing.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from crossover.chat import ChatChunk, ChatRequest, Message, Text, Thinking, Tool, ToolCall
from crossover.errors import UpstreamError
from crossover.usage import Usage
from crossover.wire import anthropic, gemini, ollama, openai
from crossover.wire.words import Profile
from tests.wire import streams

HELLO = "Hello, wörld! This answer is longer than one piece."
COUNTS = {"input_tokens": 11, "output_tokens": 7, "promptTokenCount": 11, "candidatesTokenCount": 7}
FIXTURES = {
    "fixtures": [
        {
            "match": {"userMessage": "say hello"},
            "response": {"content": HELLO, "reasoning": "Let me think.", "usage": COUNTS},
        },
        {
            "match": {"userMessage": "call tools"},
            "response": {
                "toolCalls": [
                    {"name": "weather", "arguments": '{"city":"Paris"}', "id": "call_1"},
                    {"name": "now", "arguments": "{}"},
                ]
            },
        },
        {
            "match": {"userMessage": "fail"},
            "response": {"error": {"message": "Rate limit exceeded", "type": "rate_limit_error"}, "status": 429},
        },
        # Pieces 30 ms apart, so that the first are on their way before the connection is closed.
        {
            "match": {"userMessage": "break"},
            "response": {"content": HELLO},
            "latency": 30,
            "truncateAfterChunks": 2,
        },
    ]
}
TOOLS = tuple(Tool(name=name, parameters={"type": "object", "properties": {}}) for name in ("weather", "now"))


class Dialect(NamedTuple):
    name: str
    wire: Any
    base: str


DIALECTS = pytest.mark.parametrize(
    "dialect",
    [
        Dialect("openai", openai, "/v1"),
        Dialect("anthropic", anthropic, "/v1"),
        Dialect("gemini", gemini, "/v1beta"),
        Dialect("ollama", ollama, "/api"),
    ],
    ids=lambda dialect: dialect.name,
)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    place = os.environ.get("CROSSOVER_TEST_AIMOCK", "")  # noqa: TID251 - a test setting, not the product's
    script = Path(place) / "node_modules/@copilotkit/aimock/dist/cli.js"
    if not place or not script.is_file():
        pytest.skip("no emulator (npm i --prefix DIR @copilotkit/aimock, then CROSSOVER_TEST_AIMOCK=DIR)")
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on the path")
    fixtures = tmp_path_factory.mktemp("aimock") / "fixtures.json"
    fixtures.write_text(json.dumps(FIXTURES), encoding="utf-8")
    command = [node, str(script), "-p", "0", "-f", str(fixtures)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        address = next(line.rsplit("/", 1)[1] for line in process.stdout if "listening on" in line)
        host, _, port = address.strip().partition(":")
        yield host, int(port)
        process.terminate()


def ask(
    emulator: tuple[str, int], dialect: Dialect, words: str, *, stream: bool, **more: Any
) -> tuple[int, dict[str, str], list[bytes]]:
    """Status, headers and body, in the pieces in which it came until it broke off."""
    request = ChatRequest(model="m", messages=(Message("user", (Text(words),)),), stream=stream, **more)
    outgoing = dialect.wire.write_request(request, Profile(model="test-model", context=4096))
    connection = http.client.HTTPConnection(*emulator, timeout=20)
    headers = {"content-type": "application/json", "authorization": "Bearer k", "x-api-key": "k", "x-goog-api-key": "k"}
    try:
        connection.request("POST", dialect.base + outgoing.path, outgoing.body, {**headers, "anthropic-version": "x"})
        reply = connection.getresponse()
        pieces: list[bytes] = []
        try:
            while piece := reply.read1():
                pieces.append(piece)
        except (http.client.HTTPException, OSError):
            pass  # it broke off, as it was told to
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, pieces
    finally:
        connection.close()


def streamed(dialect: Dialect, pieces: list[bytes]) -> list[ChatChunk]:
    reader = dialect.wire.StreamReader()
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    chunks += reader.eof()
    assert reader.malformed == 0
    return chunks


@DIALECTS
def test_words(emulator: tuple[str, int], dialect: Dialect) -> None:
    status, _, pieces = ask(emulator, dialect, "say hello", stream=False)
    assert status == 200
    response = dialect.wire.read_response(b"".join(pieces))
    assert response.text == HELLO
    _, _, pieces = ask(emulator, dialect, "say hello", stream=True)
    chunks = streamed(dialect, pieces)
    deltas = [delta for chunk in chunks for delta in chunk.deltas]
    assert "".join(delta.text for delta in deltas) == HELLO
    assert [delta.finish for delta in deltas if delta.finish] == ["stop"]
    assert chunks[-1].last
    expected = Usage() if dialect.name == "ollama" else Usage(input=11, output=7)
    assert response.usage == streams.last_usage(chunks) == expected
    if dialect.name != "ollama":
        thoughts = "".join(part.text for part in response.choices[0].message.parts if isinstance(part, Thinking))
        assert thoughts == "".join(delta.thinking for delta in deltas) == "Let me think."


@DIALECTS
def test_calls(emulator: tuple[str, int], dialect: Dialect) -> None:
    _, _, pieces = ask(emulator, dialect, "call tools", stream=False, tools=TOOLS)
    (choice,) = dialect.wire.read_response(b"".join(pieces)).choices
    calls = [part for part in choice.message.parts if isinstance(part, ToolCall)]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("weather", {"city": "Paris"}), ("now", {})]
    assert len({call.id for call in calls}) == 2
    assert choice.finish == "tool_calls"
    _, _, pieces = ask(emulator, dialect, "call tools", stream=True, tools=TOOLS)
    arguments = {0: "", 1: ""}
    names: dict[int, str] = {}
    finish = None
    for delta in (delta for chunk in streamed(dialect, pieces) for delta in chunk.deltas):
        finish = delta.finish or finish
        if delta.tool is not None:
            arguments[delta.tool.index] += delta.tool.arguments
            names[delta.tool.index] = delta.tool.name or names[delta.tool.index]
    assert names == {0: "weather", 1: "now"}
    assert [json.loads(text) for text in arguments.values()] == [{"city": "Paris"}, {}]
    assert finish == "tool_calls"


@DIALECTS
@pytest.mark.parametrize("stream", [False, True])
def test_refusals(emulator: tuple[str, int], dialect: Dialect, stream: bool) -> None:
    status, headers, pieces = ask(emulator, dialect, "fail", stream=stream)
    error = dialect.wire.read_error(status, headers, b"".join(pieces))
    assert (error.upstream, error.accepted) == ("rate_limited", False)
    assert "Rate limit exceeded" in error.message


@DIALECTS
def test_a_stream_that_breaks_off(emulator: tuple[str, int], dialect: Dialect) -> None:
    _, _, pieces = ask(emulator, dialect, "break", stream=True)
    with pytest.raises(UpstreamError) as caught:
        streamed(dialect, pieces)
    assert caught.value.upstream == "cut"
