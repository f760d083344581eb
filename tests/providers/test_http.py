"""One backend over every dialect, against a server that fails on command."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import pytest
import trustme

from crossover.chat import ChatChunk, ChatRequest, EmbedRequest, Message, Text, Tool, ToolCall
from crossover.deployment import Timeouts
from crossover.errors import InputError, UpstreamError, UpstreamKind
from crossover.providers.answers import Answer, Call, FakeDialect
from crossover.providers.faulty import Fault, FaultKind, FaultyServer, Script, Seen
from crossover.providers.http import HttpBackend
from crossover.providers.registry import Provider, profile, provider
from crossover.transport import Transport, endpoint
from crossover.usage import Usage

DIALECTS: tuple[FakeDialect, ...] = get_args(FakeDialect)
EMBEDDING: tuple[FakeDialect, ...] = ("openai", "gemini", "ollama")
ROWS = {"openai": "openai", "anthropic": "anthropic", "gemini": "gemini", "ollama": "ollama"}
BASES = {"openai": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "ollama": "/api"}
SECRET = "sk-very-secret-and-long-0123456789"
# Long enough for a busy machine to answer, short enough to wait for: only tests about time-outs reach them.
PATIENT = Timeouts(connect=20, first_byte=20, gap=20, total=60)
SHORT = Timeouts(connect=20, first_byte=0.15, whole=0.15, gap=0.15, total=20)
REQUEST = ChatRequest(model="alias", messages=(Message("user", (Text("How are you?"),)),))
EMBED = EmbedRequest(model="alias", inputs=("one", "two"))
BODY_LIMIT = 256 * 1024


class Rig:
    """A server, a transport and a backend that calls the one through the other."""

    def __init__(self, server: FaultyServer, transport: Transport) -> None:
        self.server = server
        self.transport = transport

    def backend(self, timeouts: Timeouts = PATIENT, row: Provider | None = None, **more: Any) -> HttpBackend:
        row = row or provider(ROWS[self.server.dialect])
        place = endpoint(self.server.url + BASES[self.server.dialect], ca_file=more.pop("ca_file", None))
        more.setdefault("secret", SECRET)
        return HttpBackend(row, profile(row, "model-1"), place, self.transport, timeouts=timeouts, **more)


def run(
    use: Callable[[Rig], Awaitable[None]],
    script: Script = (),
    dialect: FakeDialect = "openai",
    tls: ssl.SSLContext | None = None,
) -> None:
    async def main() -> None:
        async with FaultyServer(dialect, script, tls) as server:
            transport = Transport(body_limit=BODY_LIMIT)
            try:
                await use(Rig(server, transport))
            finally:
                await transport.aclose()

    asyncio.run(main())


async def collect(backend: HttpBackend, request: ChatRequest = REQUEST) -> list[ChatChunk]:
    return [chunk async for chunk in backend.stream(request)]


async def failing(call: Awaitable[Any]) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await call
    return caught.value


def said(chunks: list[ChatChunk]) -> str:
    return "".join(delta.text for chunk in chunks for delta in chunk.deltas)


# ------------------------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize("dialect", DIALECTS)
def test_streamed_and_whole_say_the_same_with_the_same_usage(dialect: FakeDialect) -> None:
    usage = Usage(input=100, output=20) if dialect == "ollama" else Usage(input=100, output=20, cached_read=40)
    answer = Answer(text="All is well here.", calls=(Call(name="f", arguments='{"a":1}'),), finish="tool_calls")
    answer = Answer(**{**{f: getattr(answer, f) for f in answer.__struct_fields__}, "usage": usage})

    async def use(rig: Rig) -> None:
        backend = rig.backend()
        whole = await backend.complete(REQUEST)
        chunks = await collect(backend)
        assert whole.text == said(chunks) == answer.text
        assert whole.choices[0].finish == "tool_calls"
        assert [d.finish for c in chunks for d in c.deltas if d.finish] == ["tool_calls"]
        (call,) = [part for part in whole.choices[0].message.parts if isinstance(part, ToolCall)]
        assert (call.name, json.loads(call.arguments)) == ("f", {"a": 1})
        arguments = "".join(d.tool.arguments for c in chunks for d in c.deltas if d.tool)
        assert json.loads(arguments) == {"a": 1}
        counted = [chunk.usage for chunk in chunks if chunk.usage is not None][-1]
        assert whole.usage == counted == usage
        assert [chunk.last for chunk in chunks].count(True) == 1
        assert chunks[-1].last
        assert whole.dialect == dialect
        await backend.aclose()

    run(use, answer, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_called_decides_whether_a_stream_is_asked_for(dialect: FakeDialect) -> None:
    async def use(rig: Rig) -> None:
        backend = rig.backend()
        streaming = ChatRequest(model="alias", messages=REQUEST.messages, stream=True)
        assert (await backend.complete(streaming)).text
        assert said(await collect(backend))

    run(use, dialect=dialect)


@pytest.mark.parametrize("dialect", EMBEDDING)
def test_embeddings_come_back_in_order(dialect: FakeDialect) -> None:
    async def use(rig: Rig) -> None:
        response = await rig.backend().embed(EMBED)
        assert response.vectors == ((0.25, -0.5, 1.0), (0.25, -0.5, 1.0))

    run(use, dialect=dialect)


def test_a_dialect_without_embeddings_says_so_before_anything_is_sent() -> None:
    async def use(rig: Rig) -> None:
        error = await failing(rig.backend().embed(EMBED))
        assert (error.upstream, error.accepted, error.provider) == ("unsupported", False, "anthropic")
        assert not rig.server.journal

    run(use, dialect="anthropic")


@pytest.mark.parametrize(
    ("dialect", "header", "value"),
    [
        ("openai", "authorization", f"Bearer {SECRET}"),
        ("anthropic", "x-api-key", SECRET),
        ("gemini", "x-goog-api-key", SECRET),
        ("ollama", "authorization", f"Bearer {SECRET}"),
    ],
)
def test_each_provider_gets_its_key_in_its_own_header(dialect: FakeDialect, header: str, value: str) -> None:
    async def use(rig: Rig) -> None:
        await rig.backend(headers=(("X-Team", "blue"),)).complete(REQUEST)
        seen = rig.server.journal[0]
        assert seen.headers[header] == value
        assert seen.headers["x-team"] == "blue"
        assert seen.headers["content-type"] == "application/json"
        if dialect == "anthropic":
            assert seen.headers["anthropic-version"] == "2023-06-01"
        assert SECRET not in seen.path
        assert SECRET.encode() not in seen.body

    run(use, dialect=dialect)


def test_azure_and_keyless_engines() -> None:
    async def use(rig: Rig) -> None:
        await rig.backend(row=provider("azure-openai")).complete(REQUEST)
        await rig.backend(row=provider("embedded")).complete(REQUEST)
        await rig.backend(row=provider("vllm"), secret=None).complete(REQUEST)
        first, second, third = rig.server.journal
        assert first.headers["api-key"] == SECRET
        for seen in (second, third):
            assert not {"authorization", "api-key", "x-api-key"} & set(seen.headers)

    run(use)


def test_the_users_own_header_counts_last() -> None:
    async def use(rig: Rig) -> None:
        await rig.backend(headers=(("Authorization", "Basic abc"),)).complete(REQUEST)
        assert rig.server.journal[0].headers["authorization"] == "Basic abc"

    run(use)


def test_a_header_that_cannot_be_sent_is_refused_when_the_backend_is_made() -> None:
    async def use(rig: Rig) -> None:
        with pytest.raises(InputError) as caught:
            rig.backend(secret=f"{SECRET}\r\nx-evil: 1")
        assert SECRET not in str(caught.value)

    run(use)


def test_connections_are_used_again_after_whole_and_streamed_answers() -> None:
    async def use(rig: Rig) -> None:
        backend = rig.backend()
        for _ in range(3):
            await backend.complete(REQUEST)
            await collect(backend)
        assert rig.server.connections == 1

    run(use)


def test_what_was_left_out_is_said() -> None:
    request = ChatRequest(model="alias", messages=REQUEST.messages, seed=7, user="me")

    async def use(rig: Rig) -> None:
        backend = rig.backend(row=provider("mistral"))
        assert set((await backend.complete(request)).dropped) >= {"seed", "user"}
        chunks = await collect(backend, request)
        assert set(chunks[0].dropped) >= {"seed", "user"}
        assert not any(chunk.dropped for chunk in chunks[1:])
        assert "seed" not in rig.server.journal[0].tree

    run(use)


def test_what_is_the_point_of_a_call_is_not_left_out() -> None:
    async def use(rig: Rig) -> None:
        request = ChatRequest(model="alias", messages=REQUEST.messages, logprobs=True)
        backend = rig.backend(row=provider("groq"))
        for call in (backend.complete, lambda request: collect(backend, request)):
            error = await failing(call(request))
            assert (error.upstream, error.accepted, error.provider) == ("unsupported", False, "groq")
        assert not rig.server.journal

    run(use)


def test_tools_travel() -> None:
    async def use(rig: Rig) -> None:
        tool = Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}})
        await rig.backend().complete(ChatRequest(model="alias", messages=REQUEST.messages, tools=(tool,)))
        assert b"weather" in rig.server.journal[0].body

    for dialect in DIALECTS:
        run(use, dialect=dialect)


# ------------------------------------------------------------------------------------------------------------- faults

NOT_ACCEPTED, ACCEPTED = False, True
FAULTS: list[tuple[FaultKind, UpstreamKind, UpstreamKind, bool]] = [
    # fault, what a whole answer becomes, what a stream becomes, whether the work may have been done
    ("refuse", "refused", "refused", NOT_ACCEPTED),
    ("tls", "tls", "tls", NOT_ACCEPTED),
    ("reset", "reset", "reset", ACCEPTED),
    ("close", "reset", "reset", ACCEPTED),
    ("cut", "cut", "cut", ACCEPTED),
    ("inband_error", "server_error", "server_error", ACCEPTED),
    ("empty", "empty", "empty", ACCEPTED),
    ("oversized", "malformed", "malformed", ACCEPTED),
    ("html", "malformed", "malformed", ACCEPTED),
    ("redirect", "malformed", "malformed", NOT_ACCEPTED),
    ("bad_request", "bad_request", "bad_request", NOT_ACCEPTED),
    ("context_length", "context_length", "context_length", NOT_ACCEPTED),
    ("auth", "auth", "auth", NOT_ACCEPTED),
    ("quota", "quota", "quota", NOT_ACCEPTED),
    ("forbidden", "auth", "auth", NOT_ACCEPTED),
    ("not_found", "not_found", "not_found", NOT_ACCEPTED),
    ("rate_limited", "rate_limited", "rate_limited", NOT_ACCEPTED),
    ("server_error", "server_error", "server_error", ACCEPTED),
    ("bad_gateway", "server_error", "server_error", ACCEPTED),
    ("overloaded", "overloaded", "overloaded", NOT_ACCEPTED),
    ("unavailable", "overloaded", "overloaded", NOT_ACCEPTED),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("fault", "whole", "streamed", "accepted"), FAULTS, ids=[row[0] for row in FAULTS])
def test_every_fault_is_called_by_its_name(
    fault: FaultKind, whole: UpstreamKind, streamed: UpstreamKind, accepted: bool, dialect: FakeDialect
) -> None:
    async def use(rig: Rig) -> None:
        backend = rig.backend()
        for expected, call in ((whole, backend.complete), (streamed, lambda request: collect(backend, request))):
            error = await failing(call(REQUEST))
            assert error.upstream == expected, str(error)
            assert error.accepted is accepted, str(error)
            assert error.provider == backend.row.name
            assert SECRET not in f"{error} {error!r} {error.as_dict()}"

    run(use, fault, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("fault", "stream", "expected"),
    [
        ("hang", False, "first_byte_timeout"),
        ("hang", True, "first_byte_timeout"),
        ("slow_first_byte", False, "first_byte_timeout"),
        ("slow_first_byte", True, "first_byte_timeout"),
        ("stall", False, "gap_timeout"),
        ("stall", True, "gap_timeout"),
    ],
)
def test_silence_has_an_end(fault: FaultKind, stream: bool, expected: UpstreamKind, dialect: FakeDialect) -> None:
    async def use(rig: Rig) -> None:
        backend = rig.backend(SHORT)
        error = await failing(collect(backend) if stream else backend.complete(REQUEST))
        assert (error.upstream, error.accepted) == (expected, True)
        await rig.server.journal[0].gone.wait()

    run(use, fault, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_slow_is_not_wrong(dialect: FakeDialect) -> None:
    async def use(rig: Rig) -> None:
        call = asyncio.create_task(collect(rig.backend()))
        await rig.server.arrived(1)
        rig.server.release()
        assert said(await call) == Answer().text

    for fault in ("slow_first_byte", "stall"):
        run(use, fault, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_ends_without_its_end_was_cut(dialect: FakeDialect) -> None:
    async def use(rig: Rig) -> None:
        error = await failing(collect(rig.backend()))
        assert (error.upstream, error.accepted) == ("cut", True)

    run(use, "unfinished", dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_broken_event_does_not_kill_a_stream_that_goes_on(dialect: FakeDialect) -> None:
    async def use(rig: Rig) -> None:
        assert said(await collect(rig.backend())) == Answer().text
        error = await failing(rig.backend().complete(REQUEST))
        assert error.upstream == "malformed"

    run(use, "malformed", dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fault", ["cut", "inband_error"])
def test_what_came_before_a_fault_is_not_lost(fault: FaultKind, dialect: FakeDialect) -> None:
    async def use(rig: Rig) -> None:
        chunks: list[ChatChunk] = []

        async def listen() -> None:
            async for chunk in rig.backend().stream(REQUEST):
                chunks[:] += [chunk]

        await failing(listen())
        assert said(chunks) == "All is "
        assert not any(chunk.last for chunk in chunks)

    run(use, Fault(kind=fault, after=2), dialect)


def test_how_long_to_wait_is_read_where_it_is_said() -> None:
    async def use(rig: Rig) -> None:
        waits = [(await failing(rig.backend().complete(REQUEST))).retry_after_s for _ in range(2)]
        assert waits == [7.0, None]

    run(use, [Fault(kind="rate_limited", retry_after="7"), "rate_limited"])


def test_a_redirect_is_said_to_be_one() -> None:
    async def use(rig: Rig) -> None:
        error = await failing(rig.backend().complete(REQUEST))
        assert "redirect (307)" in str(error)
        assert len(rig.server.journal) == 1

    run(use, "redirect")


def test_an_error_may_be_long_without_end() -> None:
    """The status of an endless error page is what counts; its body is read in part."""

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 503 Busy\r\ncontent-type: text/plain\r\n\r\n")
            try:
                while True:
                    writer.write(b"busy " * 1000)
                    await writer.drain()
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        transport = Transport()
        row = provider("openai")
        place = endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        error = await failing(HttpBackend(row, profile(row, "m"), place, transport).complete(REQUEST))
        assert (error.upstream, error.upstream_status) == ("overloaded", 503)
        assert len(str(error)) < 1000
        await transport.aclose()
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"message":"slow down","type":"rate_limit_error","code":429}}', "rate_limited"),
        (b'{"error":{"message":"broken","type":"server_error"}}', "server_error"),
        (
            b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}',
            "malformed",
        ),
        (b"[]", "malformed"),
    ],
)
def test_one_document_where_a_stream_was_asked_for(body: bytes, expected: UpstreamKind) -> None:
    """Some hosts answer 200 and an error, some do not stream at all."""

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: Application/JSON\r\n")
            writer.write(f"content-length: {len(body)}\r\n\r\n".encode() + body)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        transport = Transport()
        row = provider("openrouter")
        place = endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        error = await failing(collect(HttpBackend(row, profile(row, "m"), place, transport)))
        assert (error.upstream, error.provider) == (expected, "openrouter")
        await transport.aclose()
        server.close()

    asyncio.run(main())


def test_tls_that_nobody_vouches_for_is_refused_and_vouched_for_is_not(tmp_path: Any) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))

    async def use(rig: Rig) -> None:
        error = await failing(rig.backend().complete(REQUEST))
        assert (error.upstream, error.accepted) == ("tls", False)
        assert not rig.server.journal
        assert (await rig.backend(ca_file=str(bundle)).complete(REQUEST)).text == Answer().text

    run(use, tls=context)


# ------------------------------------------------------------------------------------------------------------ secrets


@pytest.mark.parametrize("place", ["key", "header"])
@pytest.mark.parametrize("before", [0, 386])
def test_a_key_that_the_target_repeats_is_not_passed_on(place: str, before: int) -> None:
    """Also where it stands in a header of the user's own, and where its text is shortened in the middle of it."""
    key = "plain-words-of-no-known-shape"

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            said = head.decode() if not before else "x" * before + key
            body = json.dumps({"error": {"message": said, "code": key, "type": key}}).encode()
            writer.write(b"HTTP/1.1 401 No\r\ncontent-type: application/json\r\n")
            writer.write(f"content-length: {len(body)}\r\n\r\n".encode() + body)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        transport = Transport()
        row = provider("openai")
        address = endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        given: dict[str, Any] = (
            {"secret": key} if place == "key" else {"headers": (("x-team", f"Token {key}"),), "hidden": (key,)}
        )
        backend = HttpBackend(row, profile(row, "m"), address, transport, **given)
        error = await failing(backend.complete(REQUEST))
        assert error.upstream == "auth"
        assert key[:5] not in f"{error} {error!r} {error.as_dict()} {error.code}"
        await transport.aclose()
        server.close()

    asyncio.run(main())


def test_a_backend_shows_where_it_calls_and_no_key() -> None:
    async def use(rig: Rig) -> None:
        backend = rig.backend()
        await backend.complete(REQUEST)
        assert repr(backend).startswith("HttpBackend(openai model-1 at 127.0.0.1:")
        assert SECRET not in repr(backend)

    run(use)


def test_a_secret_that_was_renewed_is_used_at_once() -> None:
    """A token in a file: refused, read anew, sent once more; refused again, it is an error."""

    def script(seen: Seen) -> FaultKind | Answer:
        return Answer() if seen.headers["authorization"] == "Bearer fresh" else "auth"

    async def use(rig: Rig) -> None:
        asked: list[str] = []

        def renew() -> str:
            asked[:] += ["asked"]
            return "fresh"

        backend = rig.backend(renew=renew)
        for _ in range(2):
            assert (await backend.complete(REQUEST)).text
        assert asked == ["asked"]
        assert said(await collect(backend))
        assert len(rig.server.journal) == 4
        error = await failing(rig.backend(renew=lambda: SECRET).complete(REQUEST))
        assert error.upstream == "auth"
        assert len(rig.server.journal) == 5

    run(use, script)


# -------------------------------------------------------------------------------------------------- leaving and loading


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_who_leaves_ends_the_call_at_the_target(fault: FaultKind, stream: bool, dialect: FakeDialect) -> None:
    async def use(rig: Rig) -> None:
        backend = rig.backend()
        call = asyncio.create_task(collect(backend) if stream else backend.complete(REQUEST))
        (seen,) = await rig.server.arrived(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await seen.gone.wait()

    run(use, fault, dialect)


def test_a_stream_that_is_closed_early_ends_the_call_at_the_target() -> None:
    async def use(rig: Rig) -> None:
        stream = rig.backend().stream(REQUEST)
        while not (await anext(stream)).semantic:
            pass
        await stream.aclose()
        await rig.server.journal[0].gone.wait()
        assert rig.transport.stats.busy == 0

    run(use, "stall")


def test_a_model_that_must_be_loaded_first_gets_its_own_time() -> None:
    loading = Timeouts(connect=20, first_byte=0.1, whole=0.1, gap=20, total=60, cold=20)

    async def use(rig: Rig) -> None:
        call = asyncio.create_task(rig.backend(loading, cold=lambda: True).complete(REQUEST))
        await rig.server.arrived(1)
        error = await failing(rig.backend(loading, cold=lambda: False).complete(REQUEST))
        assert error.upstream == "first_byte_timeout"
        rig.server.release()
        assert (await call).text

    run(use, "slow_first_byte", "ollama")
