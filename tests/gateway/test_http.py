"""The HTTP door against clients that are slow, greedy, sloppy, old or hostile. Every test is a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httptools
import msgspec
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossover.gateway.http import Connection, Limits, Request, tls
from crossover.gateway.server import Server
from tests.gateway.house import Client, asked, connected, door, only, request, run, until

LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
H = b"POST /echo HTTP/1.1\r\nhost: localhost\r\n"
CLOSE = {"connection": "close"}
SMALL = Limits(header_bytes=2000, headers=10, body_bytes=5000)


class Desk:
    """A handler that says back what it was asked, and can be told to wait, to stream or to say much."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.pieces = 0

    async def __call__(self, asked: Request, out: Connection) -> None:
        self.asked.append(asked)
        self.begun.set()
        try:
            await self._answer(asked, out)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def _answer(self, asked: Request, out: Connection) -> None:
        kind = b"content-type: text/plain\r\n"
        if asked.path == b"/wait":
            await self.gate.wait()
        if asked.path == b"/big":
            out.answer(200, kind, bytes(4_000_000))
        elif asked.path in (b"/stream", b"/endless"):
            out.start(200, kind, b"first;")
            while asked.path == b"/endless":
                self.pieces += 1
                await out.piece(bytes(20_000))
            await self.gate.wait()
            await out.piece(b"second;")
            out.end(b"last")
        elif asked.path == b"/broken":
            raise RuntimeError("nobody catches this")
        elif asked.path != b"/silent":
            out.answer(200, kind, asked.method + b" " + asked.path + b" " + asked.body)


@contextlib.asynccontextmanager
async def opened(limits: Limits | None = None) -> AsyncIterator[tuple[Desk, Server, Client]]:
    """A desk behind a door, and a client of it."""
    desk = Desk()
    async with door(desk, limits) as (server, url), connected(url) as client:
        await until(lambda: bool(server.connections))
        yield desk, server, client
        desk.gate.set()


async def refused(client: Client, *status: int) -> str:
    """The sentence with which the door refuses; afterwards it closes."""
    answer = await client.answer()
    assert answer.status in status, answer
    assert answer.headers["connection"] == "close"
    assert answer.error["type"] == "invalid_request_error"
    assert await client.closed()
    return str(answer.error["message"])


# ---------------------------------------------------------------------------------------------------- in good order


@LOOPS
def test_a_connection_is_used_again_and_again(loop: str) -> None:
    async def work() -> None:
        async with opened() as (desk, server, client):
            for number in range(3):
                client.ask("POST", f"/echo?secret={number}", b"body")
                answer = await client.answer()
                assert answer.body == b"POST /echo body"
                assert "connection" not in answer.headers
                assert answer.headers["date"].endswith(" GMT")
            assert only(server).deadline > asyncio.get_running_loop().time() + 60  # it may stay a while
            assert desk.asked[0].headers[b"host"] == b"localhost"

    run(work(), loop=loop)


def test_a_client_that_says_close_is_closed() -> None:
    async def work() -> None:
        async with opened() as (_, _, client):
            client.ask("POST", "/echo", b"x", connection="close")
            answer = await client.answer()
            assert answer.headers["connection"] == "close"
            assert await client.closed()

    run(work())


@pytest.mark.parametrize("keep", [b"", b"connection: keep-alive\r\n"])
def test_http_1_0_is_answered_and_closed(keep: bytes) -> None:
    async def work() -> None:
        async with opened() as (_, _, client):
            client.send(b"POST /echo HTTP/1.0\r\nhost: a\r\n" + keep + b"content-length: 2\r\n\r\nhi")
            answer = await client.answer()
            assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"POST /echo hi", "close")
            assert await client.closed()

    run(work())


@LOOPS
def test_http_1_0_is_never_sent_chunks(loop: str) -> None:
    async def work() -> None:
        async with opened() as (desk, _, client):
            desk.gate.set()
            client.send(b"GET /stream HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n")
            answer = await client.answer()
            assert "transfer-encoding" not in answer.headers
            assert answer.body == b"first;second;last"

    run(work(), loop=loop)


@pytest.mark.parametrize("keep", [True, False])
def test_a_stream_comes_in_chunks_also_where_the_connection_ends_with_it(keep: bool) -> None:
    async def work() -> None:
        async with opened() as (desk, _, client):
            desk.gate.set()
            client.send(request("GET", "/stream", **({} if keep else CLOSE)))
            answer = await client.answer()
            assert (answer.headers["transfer-encoding"], answer.body) == ("chunked", b"first;second;last")
            assert ("connection" in answer.headers) is not keep

    run(work())


def test_head_is_answered_without_a_body() -> None:
    async def work() -> None:
        async with opened() as (_, _, client):
            client.ask("HEAD", "/echo")
            answer = await client.answer(head=True)
            assert answer.headers["content-length"] == "11"
            client.ask("GET", "/echo")
            assert (await client.answer()).body == b"GET /echo "

    run(work())


@LOOPS
def test_a_body_in_chunks_is_put_together_and_its_trailers_are_no_headers(loop: str) -> None:
    async def work() -> None:
        async with opened() as (desk, _, client):
            client.send(H + b"transfer-encoding: Chunked\r\n\r\n3;note=x\r\nabc\r\n")
            await asyncio.sleep(0)
            client.send(b"2\r\nde\r\n0\r\nauthorization: Bearer stolen\r\nx-crossover-policy: pinned\r\n\r\n")
            assert (await client.answer()).body == b"POST /echo abcde"
            assert set(desk.asked[0].headers) == {b"host", b"transfer-encoding"}

    run(work(), loop=loop)


def test_who_asks_first_whether_to_go_on_is_told_so() -> None:
    async def work() -> None:
        async with opened(SMALL) as (desk, _, client):
            client.send(H + b"expect: 100-continue\r\ncontent-length: 4\r\n\r\n")
            assert (await client.answer()).status == 100
            assert not desk.asked
            client.send(b"body")
            assert (await client.answer()).body == b"POST /echo body"
        async with opened(SMALL) as (_, _, client):
            client.send(H + b"expect: 100-continue\r\ncontent-length: 400000\r\n\r\n")
            assert "too large" in await refused(client, 413)

    run(work())


@LOOPS
@pytest.mark.parametrize("split", [0, 40, 150, -1])
def test_an_upgrade_is_not_made_and_the_request_answered_as_it_is(loop: str, split: int) -> None:
    """Java's HttpClient offers h2c with its first request, also with a body."""
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAAA\r\n"
    data = H + offer + b"content-length: 5\r\n\r\nhello"

    async def work() -> None:
        async with opened() as (_, _, client):
            client.send(data[:split])
            await client.writer.drain()
            await asyncio.sleep(0)
            client.send(data[split:])
            answer = await client.answer()
            assert (answer.status, answer.body) == (200, b"POST /echo hello")
            client.send(data + data[:split])  # once more on the same connection, and the begin of a third time
            client.send(data[split:])
            assert (await client.answer()).body == b"POST /echo hello"

    run(work(), loop=loop)


def test_an_upgrade_sent_ahead_is_not_answered_and_ends_the_connection() -> None:
    async def work() -> None:
        async with opened() as (desk, _, client):
            upgrade = b"GET /b HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
            client.send(request("GET", "/wait") + request("GET", "/a") + upgrade * 3000)
            await desk.begun.wait()
            desk.gate.set()
            assert (await client.answer()).body == b"GET /wait "
            assert (await client.answer()).body == b"GET /a "
            assert await client.closed()

    run(work())


def test_requests_sent_ahead_are_answered_in_order() -> None:
    async def work() -> None:
        async with opened() as (desk, _, client):
            client.send(request("GET", "/wait") + b"".join(request("POST", f"/{n}", b"x" * n) for n in range(1, 50)))
            await desk.begun.wait()
            assert len(desk.asked) == 1  # one at a time
            desk.gate.set()
            assert (await client.answer()).body == b"GET /wait "
            for number in range(1, 50):
                assert (await client.answer()).body == f"POST /{number} {'x' * number}".encode()
            client.ask("GET", "/after")
            assert (await client.answer()).body == b"GET /after "

    run(work())


def test_what_is_sent_ahead_is_bounded() -> None:
    async def work() -> None:
        async with opened() as (desk, server, client):
            client.send(request("GET", "/wait"))
            await desk.begun.wait()
            one = request("POST", "/ahead", bytes(50_000))
            for _ in range(400):  # 20 MB, of which the door takes one read and the kernel's buffers the rest
                client.send(one)
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert len(only(server)._ahead) < 40
            assert client.writer.transport.get_write_buffer_size() > 0
            desk.gate.set()
            await client.answer()
            for _ in range(400):
                assert len((await client.answer()).body) > 50_000

    run(work())


# --------------------------------------------------------------------------------------------------- greedy and slow


@LOOPS
@pytest.mark.parametrize(
    "start",
    [
        b"GET /" + b"a" * 3000,
        H + b"x: " + b"a" * 3000,
        H + b"a" * 3000,
        H + b"".join(b"x-%d: %b\r\n" % (n, b"a" * 400) for n in range(9)),
        H + b"".join(b"x-%d: y\r\n" % n for n in range(12)),
    ],
    ids=["target", "value", "name", "together", "count"],
)
def test_headers_are_capped(start: bytes, loop: str) -> None:
    async def work() -> None:
        async with opened(SMALL) as (desk, _, client):
            client.send(start + b" HTTP/1.1\r\n\r\n" if start.startswith(b"GET") else start + b"\r\n\r\n")
            answer = await client.answer()
            assert answer.status in (431, 400)
            if b"a" * 3000 not in start or start.startswith(b"GET") or b"x: " in start:
                assert answer.status == 431
            assert await client.closed()
            assert not desk.asked

    run(work(), loop=loop)


@pytest.mark.parametrize("start", [b"GET /", H + b"x: ", H + b"x", H + b"transfer-encoding: chunked\r\n\r\n1;"])
def test_a_line_without_end_is_not_kept_in_memory(start: bytes) -> None:
    """The parser collects a line until it ends: what comes is counted before it says anything."""

    async def work() -> None:
        async with opened(SMALL) as (_, server, client):
            client.send(start)
            connection, sent = only(server), 0
            while not connection._deaf and sent < 4_000_000:
                client.send(b"a" * 10_000)
                sent += 10_000
                await asyncio.sleep(0)
            assert sent < 1_000_000
            assert "headers are too large" in await refused(client, 431)

    run(work())


def test_trailers_without_end_are_not_kept_in_memory() -> None:
    async def work() -> None:
        async with opened(SMALL) as (_, server, client):
            client.send(H + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: ")
            connection, sent = only(server), 0
            while not connection._deaf and sent < 4_000_000:
                client.send(b"a" * 10_000)
                sent += 10_000
                await asyncio.sleep(0)
            assert sent < 1_000_000
            await refused(client, 431)

    run(work())


def test_a_body_in_small_pieces_is_no_endless_header() -> None:
    async def work() -> None:
        async with opened(SMALL) as (_, _, client):
            client.send(H + b"transfer-encoding: chunked\r\n\r\n")
            for _ in range(4000):
                client.send(b"1;" + b"e" * 200 + b"\r\na\r\n")
                await client.writer.drain()
            client.send(b"0\r\n\r\n")
            assert (await client.answer()).body == b"POST /echo " + b"a" * 4000

    run(work())


@LOOPS
@pytest.mark.parametrize("length", [b"5001", b"99999999999999", b"9999999999999999"])
def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(length: bytes, loop: str) -> None:
    async def work() -> None:
        async with opened(SMALL) as (desk, _, client):
            client.send(H + b"content-length: " + length + b"\r\n\r\n")
            assert await refused(client, 413) == "the body is too large"
            assert not desk.asked

    run(work(), loop=loop)


@LOOPS
def test_a_body_that_grows_too_large_is_refused_and_its_sender_hears_why(loop: str) -> None:
    """The client is still sending: were the connection closed at once, a reset would eat the answer."""

    async def work() -> None:
        async with opened(SMALL) as (desk, server, client):
            client.send(H + b"transfer-encoding: chunked\r\n\r\n")
            for _ in range(100):
                client.send(b"3e8\r\n" + bytes(1000) + b"\r\n")
            assert await refused(client, 413) == "the body is too large"
            client.close()
            await until(lambda: not server.connections)
            assert not desk.asked

    run(work(), loop=loop)


def test_a_body_of_just_the_size_is_taken() -> None:
    async def work() -> None:
        async with opened(SMALL) as (_, _, client):
            client.ask("POST", "/echo", b"a" * 5000)
            assert len((await client.answer()).body) == 5011

    run(work())


@pytest.mark.parametrize(
    ("sent", "within"),
    [
        (b"", 10.0),
        (b"\r\n\r\n", 10.0),
        (b"POST /echo HT", 10.0),
        (H, 10.0),
        (H + b"content-length: 9\r\n\r\nhal", 60.0),
    ],
    ids=["nothing", "blank lines", "half a line", "half the headers", "half a body"],
)
def test_slow_requests_end_at_their_deadline(sent: bytes, within: float) -> None:
    async def work() -> None:
        async with opened() as (desk, server, client):
            client.send(sent)
            await until(lambda: not sent.strip() or only(server)._arriving)
            now = asyncio.get_running_loop().time()
            server.sweep(now + within - 1.0)
            assert not only(server)._deaf, "before its time"
            server.sweep(now + within + 0.1)
            if sent.strip():
                assert "too long" in await refused(client, 408)
            else:
                assert await client.closed()
            assert not desk.asked

    run(work())


def test_a_client_that_drips_does_not_move_its_deadline() -> None:
    async def work() -> None:
        async with opened() as (_, server, client):
            client.send(H)
            await until(lambda: only(server)._arriving)
            deadline = only(server).deadline
            for _ in range(20):
                client.send(b"x: y\r\n")
                await client.writer.drain()
                await asyncio.sleep(0)
            assert only(server).deadline == deadline
            client.send(b"content-length: 100\r\n\r\n")
            await until(lambda: only(server).deadline != deadline)
            deadline = only(server).deadline
            for _ in range(20):
                client.send(b"y")
                await client.writer.drain()
                await asyncio.sleep(0)
            assert only(server).deadline == deadline

    run(work())


def test_work_under_way_has_no_deadline_of_the_door() -> None:
    async def work() -> None:
        async with opened() as (desk, server, client):
            client.ask("GET", "/wait")
            await desk.begun.wait()
            server.sweep(asyncio.get_running_loop().time() + 100_000)
            desk.gate.set()
            assert (await client.answer()).status == 200

    run(work())


def test_idle_connections_are_closed() -> None:
    async def work() -> None:
        async with opened() as (_, server, client):
            client.ask("GET", "/echo")
            await client.answer()
            now = asyncio.get_running_loop().time()
            server.sweep(now + 74)
            client.ask("GET", "/echo")
            await client.answer()
            server.sweep(asyncio.get_running_loop().time() + 76)
            assert await client.closed()
            await until(lambda: not server.connections)

    run(work())


def test_a_refused_client_that_stays_is_cut() -> None:
    async def work() -> None:
        async with opened() as (_, server, client):
            client.send(b"nonsense\r\n\r\n")
            assert (await client.answer()).status == 400
            assert server.connections  # it may still be reading what was said
            server.sweep(asyncio.get_running_loop().time() + 2)
            await until(lambda: not server.connections)

    run(work())


# ----------------------------------------------------------------------------------------------------------- hostile

CHUNKED = b"transfer-encoding: chunked\r\n"
SMUGGLING = {
    "length and chunks": H + b"content-length: 3\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunks and length": H + CHUNKED + b"content-length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": H + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "the same length twice": H + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    "a list of lengths": H + b"content-length: 3, 3\r\n\r\nabc",
    "a signed length": H + b"content-length: +3\r\n\r\nabc",
    "a negative length": H + b"content-length: -1\r\n\r\n",
    "a length in hex": H + b"content-length: 0x3\r\n\r\nabc",
    "an empty length": H + b"content-length: \r\n\r\n",
    "a length beyond numbers": H + b"content-length: 99999999999999999999999999\r\n\r\n",
    "chunked, then identity": H + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": H + b"transfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "not quite chunked": H + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": H + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked behind a tab": H + b"transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nhost: a\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "a chunk that ends in LF": H + CHUNKED + b"\r\n3\nabc\r\n0\r\n\r\n",
    "a chunk longer than it says": H + CHUNKED + b"\r\n3\r\nabcd\r\n0\r\n\r\n",
    "no size of a chunk": H + CHUNKED + b"\r\nzz\r\nabc\r\n0\r\n\r\n",
    "a chunk beyond numbers": H + CHUNKED + b"\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a negative chunk": H + CHUNKED + b"\r\n-3\r\nabc\r\n0\r\n\r\n",
    "a blank before a chunk": H + CHUNKED + b"\r\n 3\r\nabc\r\n0\r\n\r\n",
    "lines that end in LF": b"POST / HTTP/1.1\nhost: a\n\n",
    "one line that ends in LF": H + b"x: a\ny: b\r\n\r\n",
    "a folded line": H + b"x: a\r\n b: c\r\n\r\n",
    "CR in a value": H + b"x: a\rb\r\n\r\n",
    "NUL in a value": H + b"x: a\x00b\r\n\r\n",
    "a blank before the colon": H + b"content-length : 3\r\n\r\nabc",
    "no name": H + b": a\r\n\r\n",
    "no colon": H + b"hello\r\n\r\n",
    "two hosts": H + b"host: evil\r\n\r\n",
    "two keys": H + b"authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n",
    "two types": H + b"content-type: a\r\ncontent-type: b\r\n\r\n",
    "no method": b"@@@ / HTTP/1.1\r\nhost: a\r\n\r\n",
    "an unknown method": b"BREW / HTTP/1.1\r\nhost: a\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nhost: a\r\n\r\n",
    "a target that is none": b"GET \x80\x81 HTTP/1.1\r\nhost: a\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING)
def test_what_could_be_read_in_two_ways_is_refused(data: bytes) -> None:
    async def work() -> None:
        async with opened() as (desk, _, client):
            client.send(data + request("GET", "/smuggled"))
            await refused(client, 400, 501)
            assert not desk.asked

    run(work())


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),
        (H + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ],
    ids=["HTTP/2.0", "HTTP/0.9", "gzip"],
)
def test_what_is_not_spoken_here_is_said(data: bytes, status: int) -> None:
    async def work() -> None:
        async with opened() as (desk, _, client):
            client.send(data)
            await refused(client, status)
            assert not desk.asked

    run(work())


def test_a_good_request_before_nonsense_gets_no_answer_that_could_be_taken_for_the_other() -> None:
    async def work() -> None:
        async with opened() as (desk, _, client):
            client.send(request("GET", "/wait") + b"\x00\x01\x02 nonsense")
            assert await client.closed()
            assert len(desk.asked) <= 1

    run(work())


def test_data_behind_a_connection_that_ends_is_no_request() -> None:
    async def work() -> None:
        async with opened() as (desk, _, client):
            client.send(request("GET", "/wait", connection="close") + request("GET", "/smuggled"))
            assert await client.closed()
            assert all(one.path != b"/smuggled" for one in desk.asked)

    run(work())


@pytest.mark.parametrize("target", [b"http://evil.example/echo", b"*", b"evil:443", b"//evil/echo", b"/echo#part"])
def test_strange_targets_are_just_other_paths(target: bytes) -> None:
    async def work() -> None:
        async with opened() as (desk, _, client):
            method = b"CONNECT" if target == b"evil:443" else b"GET"
            client.send(method + b" " + target + b" HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert (await client.answer()).body == method + b" " + target + b" "
            assert desk.asked[0].path == target

    run(work())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(list(SMUGGLING.values())),
            st.sampled_from([H, b"\r\n", b"\r\n\r\n", CHUNKED, b"0\r\n\r\n", b"content-length: 3\r\n", b": ", b"GET "]),
        ),
        max_size=6,
    ),
    st.integers(0, 200),
)
def test_no_bytes_break_the_door(parts: list[bytes], cut: int) -> None:
    """Any bytes in any pieces: they are answered or refused, and the door stays open for others."""
    data = b"".join(parts)

    async def work() -> None:
        desk = Desk()
        async with door(desk) as (server, url):
            async with connected(url) as client:
                client.send(data[:cut])
                await asyncio.sleep(0)
                client.send(data[cut:])
                with contextlib.suppress(OSError):
                    client.writer.write_eof()
                with contextlib.suppress(ConnectionError):
                    said = await client.reader.read()
                    found = set(re.findall(rb"HTTP/1.1 (\d{3}) [A-Z]", said))
                    assert found <= {b"200", b"100", b"400", b"413", b"431", b"501", b"505"}
            await until(lambda: not server.connections)
            async with connected(url) as client:
                client.ask("GET", "/echo")
                assert (await client.answer()).body == b"GET /echo "

    run(work())


# ------------------------------------------------------------------------------------------ who leaves, who stays


@LOOPS
@pytest.mark.parametrize("path", ["/wait", "/stream"])
@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_the_work_for_a_client_that_leaves_stops(path: str, how: str, loop: str) -> None:
    """Also for one that closes its own side only: nobody can tell it from one that has left."""

    async def work() -> None:
        async with opened() as (desk, server, client):
            client.ask("GET", path)
            await desk.begun.wait()
            if path == "/stream":
                await client.reader.readuntil(b"first;\r\n")
            if how == "half":
                client.writer.write_eof()
            elif how == "reset":
                raw = client.writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                client.writer.transport.abort()
            else:
                client.close()
            await desk.cancelled.wait()
            await until(lambda: not server.connections)

    run(work(), loop=loop)


def test_a_client_that_leaves_at_once_leaves_nothing_behind() -> None:
    """Request and end come in one breath: the work may be cancelled before it has begun."""

    async def work() -> None:
        desk = Desk()
        async with door(desk) as (server, url):
            for _ in range(50):
                async with connected(url) as client:
                    client.ask("GET", "/wait")
                    client.writer.write_eof()
            await until(lambda: not server.connections)

    run(work())


@LOOPS
def test_a_client_that_does_not_read_stops_the_stream_and_is_given_up_in_the_end(loop: str) -> None:
    async def work() -> None:
        async with opened() as (desk, server, client):
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.ask("GET", "/endless")
            await until(lambda: only(server)._writable is not None)
            made = desk.pieces
            for _ in range(20):
                await asyncio.sleep(0)
            assert desk.pieces == made, "no more is made than is taken"
            assert only(server)._transport.get_write_buffer_size() < 300_000
            now = asyncio.get_running_loop().time()
            server.sweep(now + 59)
            assert server.connections
            server.sweep(now + 61)
            await desk.cancelled.wait()
            await until(lambda: not server.connections)

    run(work(), loop=loop)


@LOOPS
def test_a_slow_reader_gets_everything(loop: str) -> None:
    async def work() -> None:
        async with opened() as (_, server, client):
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.ask("GET", "/big")
            await until(lambda: only(server)._writable is not None)
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert len((await client.answer()).body) == 4_000_000
            client.ask("GET", "/echo")
            await client.answer()

    run(work(), loop=loop)


@pytest.mark.parametrize("close", [True, False])
def test_an_answer_that_nobody_reads_is_dropped_in_the_end(close: bool) -> None:
    async def work() -> None:
        async with opened() as (desk, server, client):
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(request("GET", "/big", **(CLOSE if close else {})))
            await until(lambda: len(desk.asked) == 1 and only(server)._current is None)
            now = asyncio.get_running_loop().time()
            server.sweep(now + 100)
            server.sweep(now + 100)
            await until(lambda: not server.connections)

    run(work())


def test_who_does_not_read_answers_gets_no_further_ones() -> None:
    """Small requests with large answers would otherwise fill the memory."""

    async def work() -> None:
        async with opened() as (desk, server, client):
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(request("GET", "/big") * 30)
            await until(lambda: only(server)._writable is not None)
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(desk.asked) == 1
            server.sweep(asyncio.get_running_loop().time() + 61)
            await until(lambda: not server.connections)

    run(work())


def test_too_many_connections_are_told_so() -> None:
    async def work() -> None:
        desk = Desk()
        async with (
            door(desk, Limits(connections=2)) as (server, url),
            connected(url) as first,
            connected(url) as second,
            connected(url) as third,
        ):
            assert await refused(third, 503) == "too many connections"
            third.close()
            for client in (first, second):
                client.ask("GET", "/echo")
                assert (await client.answer()).status == 200
            first.close()
            await until(lambda: len(server.connections) == 1)
            async with connected(url) as fourth:
                fourth.ask("GET", "/echo")
                assert (await fourth.answer()).status == 200

    run(work())


@pytest.mark.parametrize("path", ["/broken", "/silent"])
def test_a_handler_that_fails_ends_its_connection_and_no_other(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        async with opened() as (_, server, client):
            client.ask("GET", path)
            assert await client.closed()
            await until(lambda: not server.connections)

    run(work())


# ------------------------------------------------------------------------------------------------------------- the end


@LOOPS
def test_the_end_lets_answers_finish_and_closes_idle_connections(loop: str) -> None:
    async def work() -> None:
        desk = Desk()
        async with door(desk) as (server, url), connected(url) as idle, connected(url) as whole, connected(url) as part:
            idle.ask("GET", "/echo")
            await idle.answer()
            whole.ask("GET", "/wait")
            part.ask("GET", "/stream")
            await part.reader.readuntil(b"first;\r\n")
            await until(lambda: len(desk.asked) == 3)
            ending = asyncio.create_task(server.close(10.0))
            assert await idle.closed()
            with pytest.raises(ConnectionRefusedError):
                await asked(url, "GET", "/echo")
            assert not ending.done()
            desk.gate.set()
            answer = await whole.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await part.reader.read() == b"7\r\nsecond;\r\n4\r\nlast\r\n0\r\n\r\n"
            await ending

    run(work(), loop=loop)


@pytest.mark.parametrize("hurried", [True, False])
def test_what_does_not_end_in_time_is_broken_off(hurried: bool) -> None:
    async def work() -> None:
        desk, hurry = Desk(), asyncio.Event()
        async with door(desk) as (server, url), connected(url) as client:
            client.ask("GET", "/stream")
            await client.reader.readuntil(b"first;\r\n")
            ending = asyncio.create_task(server.close(1000.0 if hurried else 0.0, hurry))
            hurry.set()
            await ending
            assert desk.cancelled.is_set(), "its work has ended when the server has"
            with contextlib.suppress(ConnectionError):
                assert b"0\r\n\r\n" not in await client.reader.read()

    run(work())


# ----------------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server called localhost and of a client that trusts it."""
    folder: Path = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return tls(str(folder / "cert.pem"), str(folder / "key.pem")), client


@LOOPS
def test_tls_carries_answers_streams_and_refusals(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext], loop: str
) -> None:
    async def work() -> None:
        desk = Desk()
        desk.gate.set()
        async with door(desk, SMALL, certificates[0]) as (server, url):
            async with connected(url, certificates[1]) as client:
                client.ask("POST", "/echo", b"secret")
                assert (await client.answer()).body == b"POST /echo secret"
                client.ask("GET", "/stream")
                assert (await client.answer()).body == b"first;second;last"
                client.send(H + b"content-length: 5001\r\n\r\n")
                assert (await client.answer()).status == 413
                assert await client.closed()
            await until(lambda: not server.connections)

    run(work(), loop=loop)


@LOOPS
def test_plain_http_on_a_tls_port_is_cut_and_the_port_stays_open(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext], loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with door(Desk(), None, certificates[0]) as (server, url):
            async with connected(url.replace("https", "http")) as client:
                client.ask("GET", "/echo")
                assert b"HTTP" not in await client.reader.read()
            async with connected(url, certificates[1]) as client:
                client.ask("GET", "/echo")
                assert (await client.answer()).status == 200
            await until(lambda: not server.connections)

    with caplog.at_level(logging.WARNING):
        run(work(), loop=loop)
    assert "Traceback" not in caplog.text


@LOOPS
def test_the_work_for_a_tls_client_that_leaves_stops(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext], loop: str
) -> None:
    async def work() -> None:
        desk = Desk()
        async with door(desk, None, certificates[0]) as (server, url):
            async with connected(url, certificates[1]) as client:
                client.ask("GET", "/wait")
                await desk.begun.wait()
                client.writer.transport.abort()
            await desk.cancelled.wait()
            await until(lambda: not server.connections)

    run(work(), loop=loop)


def test_old_tls_is_refused(certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    assert certificates[0].minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_parser_is_the_one_these_tests_were_written_for() -> None:
    """What llhttp refuses is most of what is tested here: an older one is more lenient."""
    assert tuple(map(int, httptools.__version__.split(".")[:2])) >= (0, 7)
    assert msgspec.json.encode({}) == b"{}"
