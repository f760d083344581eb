"""What servers send, well-meant and hostile, and what becomes of it."""

from __future__ import annotations

import asyncio

import pytest

from crossover.errors import UpstreamKind
from tests.transport.servers import OK, Peer, Run, answering, client, failure, pieces, post, serving

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

GOOD = {
    "content-length": ((OK,), 200, b"hello"),
    "byte by byte": (tuple(OK[i : i + 1] for i in range(len(OK))), 200, b"hello"),
    "chunks": ((CHUNKED, b"3\r\nhel\r\n", b"2\r\nlo\r\n", b"0\r\n\r\n"), 200, b"hello"),
    "a chunk cut anywhere": ((CHUNKED + b"5", b"\r", b"\nhe", b"llo\r", b"\n0\r\n\r", b"\n"), 200, b"hello"),
    "chunk extensions": ((CHUNKED + b'5;name=value;q="a b"\r\nhello\r\n0;last\r\n\r\n',), 200, b"hello"),
    "trailers": ((CHUNKED + b"5\r\nhello\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n",), 200, b"hello"),
    "100 before": ((b"HTTP/1.1 100 Continue\r\n\r\n" + OK,), 200, b"hello"),
    "103 before, apart": ((b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", OK), 200, b"hello"),
    "many interim answers": ((b"HTTP/1.1 102 Processing\r\n\r\n" * 50, OK), 200, b"hello"),
    "HTTP/1.0 until the close": ((b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo"), 200, b"hello"),
    "HTTP/1.1 until the close": ((HEAD + b"connection: close\r\n\r\nhello",), 200, b"hello"),
    "no length and no word of closing": ((HEAD + b"\r\nhello",), 200, b"hello"),
    "empty until the close": ((b"HTTP/1.0 200 OK\r\n\r\n",), 200, b""),
    "no reason phrase": ((b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello",), 200, b"hello"),
    "204": ((b"HTTP/1.1 204 No Content\r\n\r\n",), 204, b""),
    "304 with the length of what it stands for": (
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",),
        304,
        b"",
    ),
    "length 0": ((HEAD + b"content-length: 0\r\n\r\n",), 200, b""),
    "redirect": ((b"HTTP/1.1 302 Found\r\nlocation: http://a/\r\ncontent-length: 2\r\n\r\nno",), 302, b"no"),
    "error": ((b"HTTP/1.1 529 Busy\r\ncontent-length: 4\r\n\r\nbusy",), 529, b"busy"),
    "longer than its length": ((OK + b"and more",), 200, b"hello"),
    "a second answer that nobody asked for": ((OK + OK,), 200, b"hello"),
    "garbage behind the last chunk": ((CHUNKED + b"5\r\nhello\r\n0\r\n\r\n\x00\xff",), 200, b"hello"),
    "upgrade offered": (
        (HEAD + b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 5\r\n\r\nhello",),
        200,
        b"hello",
    ),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("streamed", [False, True], ids=["read", "pieces"])
def test_answers_that_are_understood(name: str, streamed: bool, run: Run) -> None:
    parts, status, body = GOOD[name]

    async def work() -> None:
        async with serving(answering(*parts)) as server, client() as transport:
            reply = await post(transport, server)
            assert reply.status == status
            got = b"".join(await pieces(reply)) if streamed else await reply.read()
            assert got == body
            assert await reply.piece() == b""

    run(work())


# what is sent, whether the server then closes, and what the caller is told
BAD: dict[str, tuple[tuple[bytes, ...], bool, UpstreamKind]] = {
    "close before the headers": ((b"",), True, "reset"),
    "close in the middle of the headers": ((HEAD + b"content-le",), True, "cut"),
    "close after an interim answer": ((b"HTTP/1.1 100 Continue\r\n\r\n",), True, "cut"),
    "close in the middle of a body": ((HEAD + b"content-length: 10\r\n\r\nhello",), True, "cut"),
    "close before the body": ((HEAD + b"content-length: 10\r\n\r\n",), True, "cut"),
    "close in the middle of a chunk": ((CHUNKED + b"a\r\nhello",), True, "cut"),
    "close between chunks": ((CHUNKED + b"5\r\nhello\r\n",), True, "cut"),
    "close before the last line": ((CHUNKED + b"5\r\nhello\r\n0\r\n",), True, "cut"),
    "not HTTP": ((b"SSH-2.0-OpenSSH_9.6\r\n",), False, "malformed"),
    "a request": ((b"POST / HTTP/1.1\r\n\r\n",), False, "malformed"),
    "HTTP/2": ((b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",), False, "malformed"),
    "status with four digits": ((b"HTTP/1.1 2000 OK\r\n\r\n",), False, "malformed"),
    "header without a name": ((HEAD + b": value\r\n\r\n",), False, "malformed"),
    "header without a colon": ((HEAD + b"value\r\n\r\n",), False, "malformed"),
    "blank before the colon": ((HEAD + b"content-length : 5\r\n\r\nhello",), False, "malformed"),
    "NUL in a header": ((HEAD + b"a: b\x00c\r\n\r\n",), False, "malformed"),
    "lone CR in a header": ((HEAD + b"a: b\rc: d\r\n\r\n",), False, "malformed"),
    "two lengths": ((HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",), False, "malformed"),
    "the same length twice": ((HEAD + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello",), False, "malformed"),
    "a list of lengths": ((HEAD + b"content-length: 5, 5\r\n\r\nhello",), False, "malformed"),
    "negative length": ((HEAD + b"content-length: -5\r\n\r\nhello",), False, "malformed"),
    "length with a sign": ((HEAD + b"content-length: +5\r\n\r\nhello",), False, "malformed"),
    "garbage for a length": ((HEAD + b"content-length: five\r\n\r\nhello",), False, "malformed"),
    "a length beyond 64 bits": ((HEAD + b"content-length: 99999999999999999999\r\n\r\n",), False, "malformed"),
    "length and chunks": (
        (HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",),
        False,
        "malformed",
    ),
    "chunks and length": (
        (HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",),
        False,
        "malformed",
    ),
    "an encoding that is not chunked": ((HEAD + b"transfer-encoding: gzip\r\n\r\nhello",), False, "malformed"),
    "two transfer encodings": ((HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n",), False, "malformed"),
    "chunked in disguise": ((HEAD + b"transfer-encoding: xchunked\r\n\r\n",), False, "malformed"),
    "chunk size that is no number": ((CHUNKED + b"zz\r\nhello\r\n",), False, "malformed"),
    "negative chunk size": ((CHUNKED + b"-5\r\nhello\r\n",), False, "malformed"),
    "chunk size with 0x": ((CHUNKED + b"0x5\r\nhello\r\n",), False, "malformed"),
    "chunk size beyond 64 bits": ((CHUNKED + b"fffffffffffffffff\r\nhello\r\n",), False, "malformed"),
    "chunk longer than its size": ((CHUNKED + b"3\r\nhello\r\n",), False, "malformed"),
    "chunk size without CR": ((CHUNKED + b"5\nhello\r\n",), False, "malformed"),
    "another protocol": (
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",),
        False,
        "malformed",
    ),
    "another protocol, not said which": ((b"HTTP/1.1 101 Switching Protocols\r\n\r\n",), False, "malformed"),
    "10,000 headers": ((HEAD + b"a: b\r\n" * 10_000 + b"\r\n",), False, "malformed"),
    "600 headers": ((HEAD + b"a: b\r\n" * 600 + b"content-length: 5\r\n\r\nhello",), False, "malformed"),
    "one huge header": ((HEAD + b"a: " + b"b" * 70_000 + b"\r\ncontent-length: 5\r\n\r\nhello",), False, "malformed"),
    "one huge header, in pieces": ((HEAD + b"a: ", *([b"b" * 5000] * 20)), False, "malformed"),
    "a header name that never ends": ((HEAD, *([b"b" * 5000] * 20)), False, "malformed"),
    "a status line that never ends": ((b"HTTP/1.1 200 ", *([b"b" * 5000] * 20)), False, "malformed"),
    "interim answers without end": ((b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,), False, "malformed"),
    "a chunk extension that never ends": ((CHUNKED, b"5;", *([b"e" * 5000] * 20)), False, "malformed"),
    "trailers that never end": (
        (CHUNKED, b"5\r\nhello\r\n0\r\n", *([b"t: " + b"u" * 5000 + b"\r\n"] * 200)),
        False,
        "malformed",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("streamed", [False, True], ids=["read", "pieces"])
def test_answers_that_fail(name: str, streamed: bool, run: Run) -> None:
    parts, closes, kind = BAD[name]

    async def whole(transport: object, server: object) -> object:
        reply = await post(transport, server)  # type: ignore[arg-type]
        return b"".join(await pieces(reply)) if streamed else await reply.read()

    async def work() -> None:
        async with serving(answering(*parts, stay=not closes)) as server, client() as transport:
            error = await failure(whole(transport, server))
            assert error.upstream == kind
            assert error.accepted, "the request was written: the work may have been done"
            assert f"127.0.0.1:{server.port}" in str(error)
            assert transport.stats.busy == transport.stats.idle == 0

    run(work())


def test_what_came_before_the_cut_is_given_first(run: Run) -> None:
    async def work() -> None:
        async with serving(answering(CHUNKED, b"5\r\nhello\r\n")) as server, client() as transport:
            reply = await post(transport, server)
            assert await reply.piece() == b"hello"
            for _ in range(2):
                error = await failure(reply.piece())
                assert (error.upstream, error.upstream_status) == ("cut", 200)

    run(work())


def test_a_reset_in_the_middle_of_a_body_is_a_cut(run: Run) -> None:
    async def handler(peer: Peer) -> None:
        await peer.answer(HEAD + b"content-length: 10\r\n\r\nhello")
        await peer.reader.readexactly(1)  # the client says that it has read that far
        peer.reset()

    async def work() -> None:
        async with serving(handler) as server, client() as transport:
            reply = await post(transport, server)
            assert await reply.piece() == b"hello"
            reply._line._transport.write(b"!")  # type: ignore[union-attr]
            assert (await failure(reply.piece())).upstream == "cut"

    run(work())


def test_a_reset_instead_of_an_answer(run: Run) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    async def work() -> None:
        async with serving(handler) as server, client() as transport:
            error = await failure(post(transport, server))
            assert (error.upstream, error.accepted, error.upstream_status) == ("reset", True, None)
            assert server.accepted == 1, "what may have been accepted is not sent again"

    run(work())


def test_headers_are_read_by_lower_case_name(run: Run) -> None:
    answer = (
        HEAD + b"Content-Type:  application/json \r\nX-Empty:\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"x-odd!#$%&'*+-.^_`|~name: caf\xe9 \t\r\ncontent-length: 0\r\n\r\n"
    )

    async def work() -> None:
        async with serving(answering(answer)) as server, client() as transport:
            reply = await post(transport, server)
            assert reply.headers == {
                "content-type": "application/json",
                "x-empty": "",
                "set-cookie": "a=1, b=2",
                "x-odd!#$%&'*+-.^_`|~name": "café",
                "content-length": "0",
            }

    run(work())


def test_headers_of_interim_answers_and_trailers_are_not_the_answers(run: Run) -> None:
    answer = (
        b"HTTP/1.1 103 Early Hints\r\nx-hint: 1\r\ncontent-encoding: br\r\n\r\n"
        + HEAD
        + b"x-real: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-trailer: 1\r\n\r\n"
    )

    async def work() -> None:
        async with serving(answering(answer)) as server, client() as transport:
            reply = await post(transport, server)
            assert await reply.read() == b"ok"
            assert set(reply.headers) == {"x-real", "transfer-encoding"}

    run(work())


def test_the_limits_are_settings(run: Run) -> None:
    async def work() -> None:
        answer = HEAD + b"a: " + b"b" * 3000 + b"\r\ncontent-length: 5\r\n\r\nhello"
        async with serving(answering(answer)) as server, client(header_limit=2000) as transport:
            assert (await failure(post(transport, server))).upstream == "malformed"
        async with serving(answering(answer)) as server, client(header_limit=4000, body_limit=4) as transport:
            reply = await post(transport, server)
            assert (await failure(reply.read())).upstream == "malformed"

    run(work())


def test_many_small_chunks_in_one_packet_are_no_huge_header(run: Run) -> None:
    async def work() -> None:
        body = b"1\r\nx\r\n" * 20_000
        async with serving(answering(CHUNKED + body + b"0\r\n\r\n")) as server, client(header_limit=1000) as transport:
            assert await (await post(transport, server)).read() == b"x" * 20_000

    run(work())


@pytest.mark.parametrize("size", [10, 200_000, 5_000_000])
def test_an_answer_before_the_request_was_read(size: int, run: Run) -> None:
    """413 and the like: the server answers at once and closes, the rest of the body has nowhere to go."""

    async def handler(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig")

    async def work() -> None:
        async with serving(handler) as server, client() as transport:
            reply = await post(transport, server, b"x" * size)
            assert reply.status == 413
            assert await reply.read() == b"big"
            await until_gone(transport)

    async def until_gone(transport: object) -> None:
        while transport.stats.busy or transport.stats.idle:  # type: ignore[attr-defined]
            await asyncio.sleep(0)

    run(work())


def test_a_connection_whose_request_is_still_going_out_is_not_used_again(run: Run) -> None:
    """The answer is complete and says keep-alive, but the server never reads the rest of the request."""

    async def handler(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await peer.send(OK)
        await asyncio.Event().wait()

    async def work() -> None:
        async with serving(handler) as server, client() as transport:
            reply = await post(transport, server, b"x" * 20_000_000)
            assert await reply.read() == b"hello"
            assert transport.stats.idle == 0

    run(work())
