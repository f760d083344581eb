"""The server that fails on command, seen by a client that knows nothing but bytes."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import pytest

from crossover.errors import InputError
from crossover.providers.answers import Answer, Call, FakeDialect
from crossover.providers.faulty import Fault, FaultKind, FaultyServer, Script, Seen
from crossover.usage import Usage

CHAT: dict[str, str] = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:generateContent",
    "ollama": "/api/chat",
}
STREAM = {**CHAT, "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse"}
DIALECTS: tuple[FakeDialect, ...] = get_args(FakeDialect)
ANSWER = Answer(
    text="two words",
    thinking="hm",
    calls=(Call(name="weather", arguments='{"city":"Bern"}'),),
    finish="tool_calls",
    usage=Usage(input=100, output=20, cached_read=40, cache_write_5m=10, cache_write_1h=5, reasoning=8),
)


def run(script: Script, use: Callable[[FaultyServer], Awaitable[None]], dialect: FakeDialect = "openai") -> None:
    async def main() -> None:
        async with FaultyServer(dialect, script) as server:
            await use(server)

    asyncio.run(main())


async def connect(server: FaultyServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))


def post(path: str, tree: dict[str, Any]) -> bytes:
    body = json.dumps(tree).encode()
    return f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def ask(server: FaultyServer, path: str, tree: dict[str, Any]) -> bytes:
    """Everything that comes back, until the server closes or the answer is complete."""
    reader, writer = await connect(server)
    writer.write(post(path, tree))
    got = b""
    try:
        while not complete(got):
            data = await reader.read(65536)
            if not data:
                break
            got += data
    except ConnectionError:
        got += b"<reset>"
    writer.close()
    return got


def complete(got: bytes) -> bool:
    head, split, body = got.partition(b"\r\n\r\n")
    if not split:
        return False
    size = [line for line in head.split(b"\r\n") if line.startswith(b"content-length")]
    return len(body) >= int(size[0].split(b":")[1]) if size else body.endswith(b"0\r\n\r\n")


def status(got: bytes) -> int:
    return int(got.split(b" ")[1])


def body(got: bytes) -> Any:
    return json.loads(got.partition(b"\r\n\r\n")[2])


def test_the_journal_holds_what_arrived() -> None:
    async def use(server: FaultyServer) -> None:
        await ask(server, CHAT["openai"], {"model": "m", "messages": []})
        seen = server.journal[0]
        assert (seen.method, seen.path, seen.tree) == ("POST", CHAT["openai"], {"model": "m", "messages": []})
        assert seen.headers["host"] == "x"
        assert seen.answered
        assert not seen.gone.is_set()

    run((), use)


def test_each_dialect_says_exactly_the_usage_it_is_told() -> None:
    async def use(server: FaultyServer) -> None:
        told = body(await ask(server, CHAT[server.dialect], {"model": "m", "stream": False}))
        match server.dialect:
            case "openai":
                usage = told["usage"]
                assert (usage["prompt_tokens"], usage["completion_tokens"]) == (100, 20)
                assert usage["prompt_tokens_details"] == {"cached_tokens": 40}
                assert usage["completion_tokens_details"] == {"reasoning_tokens": 8}
            case "anthropic":
                usage = told["usage"]
                assert (usage["input_tokens"], usage["output_tokens"]) == (45, 20), "cached tokens are beside the input"
                assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (40, 15)
            case "gemini":
                usage = told["usageMetadata"]
                assert (usage["promptTokenCount"], usage["candidatesTokenCount"]) == (100, 12), "thoughts are beside"
                assert (usage["thoughtsTokenCount"], usage["cachedContentTokenCount"]) == (8, 40)
            case "ollama":
                assert (told["prompt_eval_count"], told["eval_count"]) == (100, 20)

    for dialect in DIALECTS:
        run(ANSWER, use, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_streamed_and_whole_say_the_same(dialect: FakeDialect) -> None:
    async def use(server: FaultyServer) -> None:
        whole = (await ask(server, CHAT[dialect], {"model": "m", "stream": False})).decode()
        parts = (await ask(server, STREAM[dialect], {"model": "m", "stream": True})).decode()
        for word in ("hm", "weather", "Bern"):
            assert word in whole
            assert word in parts
        assert "two words" in whole
        assert "two " in parts
        assert '"words"' in parts
        end = {"openai": "[DONE]", "anthropic": "message_stop", "gemini": "finishReason", "ollama": '"done":true'}
        assert end[dialect] in parts

    run(ANSWER, use, dialect)


def test_usage_comes_in_a_stream_only_where_it_was_asked_for() -> None:
    async def use(server: FaultyServer) -> None:
        tree = {"model": "m", "stream": True}
        assert b"prompt_tokens" not in await ask(server, CHAT["openai"], tree)
        assert b"prompt_tokens" in await ask(
            server, CHAT["openai"], {**tree, "stream_options": {"include_usage": True}}
        )

    run((), use)


def test_embeddings_are_one_vector_for_each_input() -> None:
    async def use(server: FaultyServer) -> None:
        told = body(await ask(server, "/v1/embeddings", {"model": "e", "input": ["a", "b"]}))
        assert [row["embedding"] for row in told["data"]] == [[0.25, -0.5, 1.0]] * 2

    run((), use)


def test_a_list_is_used_up_and_then_all_is_well() -> None:
    async def use(server: FaultyServer) -> None:
        got = [await ask(server, CHAT["openai"], {"model": "m"}) for _ in range(3)]
        assert [status(one) for one in got] == [429, 200, 200]
        assert b"retry-after: 7" in got[0]
        assert body(got[1])["choices"][0]["message"]["content"] == "hello"

    run([Fault(kind="rate_limited", retry_after="7"), Answer(text="hello")], use)


def test_a_function_decides_by_the_request() -> None:
    def script(seen: Seen) -> Answer | FaultKind:
        return "server_error" if seen.tree["model"] == "bad" else Answer()

    async def use(server: FaultyServer) -> None:
        assert status(await ask(server, CHAT["openai"], {"model": "bad"})) == 500
        assert status(await ask(server, CHAT["openai"], {"model": "good"})) == 200

    run(script, use)


def test_two_requests_on_one_connection() -> None:
    async def use(server: FaultyServer) -> None:
        reader, writer = await connect(server)
        for _ in range(2):
            writer.write(post(CHAT["openai"], {"model": "m"}))
            got = b""
            while not complete(got):
                got += await reader.read(65536)
        writer.close()
        assert server.connections == 1
        assert len(server.journal) == 2

    run((), use)


def test_refused_and_tls_hold_for_the_whole_server() -> None:
    async def use(server: FaultyServer) -> None:
        with pytest.raises(ConnectionRefusedError):
            await connect(server)

    run("refuse", use)
    with pytest.raises(InputError):
        FaultyServer(script=["refuse"])

    async def https(server: FaultyServer) -> None:
        assert server.url.startswith("https://")

    run("tls", https)


def test_a_reset_is_a_reset() -> None:
    async def use(server: FaultyServer) -> None:
        assert await ask(server, CHAT["openai"], {"model": "m"}) == b"<reset>"

    run("reset", use)


@pytest.mark.parametrize("kind", ["hang", "slow_first_byte", "stall"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_waits_goes_on_when_released(kind: FaultKind, stream: bool) -> None:
    async def use(server: FaultyServer) -> None:
        answer = asyncio.create_task(ask(server, CHAT["openai"], {"model": "m", "stream": stream}))
        await server.arrived(1)
        assert not answer.done()
        server.release()
        got = await answer
        assert complete(got) is (kind != "hang")

    run(kind, use)


def test_a_client_that_leaves_is_noticed() -> None:
    async def use(server: FaultyServer) -> None:
        reader, writer = await connect(server)
        writer.write(post(CHAT["openai"], {"model": "m", "stream": True}))
        seen = (await server.arrived(1))[0]
        await reader.read(10)
        writer.close()
        await seen.gone.wait()
        assert not seen.answered

    run("stall", use)


@pytest.mark.parametrize(
    ("kind", "stream", "expected"),
    [
        ("cut", True, False),
        ("cut", False, False),
        ("unfinished", True, True),
        ("empty", True, True),
        ("malformed", True, True),
        ("inband_error", True, True),
    ],
)
def test_how_a_spoilt_answer_ends(kind: FaultKind, stream: bool, expected: bool) -> None:
    async def use(server: FaultyServer) -> None:
        got = await ask(server, CHAT["openai"], {"model": "m", "stream": stream})
        assert status(got) == 200
        assert complete(got) is expected
        assert (b"[DONE]" in got) is (kind == "malformed")

    run(kind, use)


@pytest.mark.parametrize("kind", ["cut", "stall", "malformed"])
def test_after_says_how_much_comes_first(kind: FaultKind) -> None:
    async def use(server: FaultyServer) -> None:
        reader, writer = await connect(server)
        writer.write(post(CHAT["openai"], {"model": "m", "stream": True}))
        got = b""
        while b'"is "' not in got:
            got += await reader.read(65536)
        writer.close()
        assert b'"well."' not in got or kind == "malformed"

    run(Fault(kind=kind, after=2), use)


def test_every_fault_can_be_asked_for_in_every_dialect() -> None:
    async def use(server: FaultyServer) -> None:
        server.release()
        for stream in (False, True):
            reader, writer = await connect(server)
            path = (STREAM if stream else CHAT)[server.dialect]
            writer.write(post(path, {"model": "m", "stream": stream}))
            try:
                await reader.read(100)
            except ConnectionError:
                assert kind == "reset"
            writer.close()

    for kind in get_args(FaultKind):
        if kind not in {"refuse", "tls"}:
            for dialect in DIALECTS:
                run(kind, use, dialect)
