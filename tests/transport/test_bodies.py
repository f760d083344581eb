"""Bodies: too large, compressed, faster than their reader."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable

import pytest

from crossover.transport.reply import HIGH_WATER, INFLATE_STEP
from tests.transport.servers import (
    OK,
    TIMEOUTS,
    Clock,
    Peer,
    Run,
    answering,
    client,
    failure,
    pieces,
    post,
    serving,
    until,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
TEXT = b"data: " + bytes(range(256)) * 40


def sized(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *headers, b"content-length: %d" % len(body), b"", body])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


# -------------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("size", [99, 100, 101, 200_000, 2_000_000])
def test_a_body_over_the_limit_is_given_up(size: int, run: Run) -> None:
    async def work() -> None:
        async with serving(answering(sized(b"x" * size), stay=True)) as server, client() as transport:
            reply = await post(transport, server)
            if size <= 100:
                assert await reply.read(100) == b"x" * size
                return
            error = await failure(reply.read(100))
            assert (error.upstream, error.accepted, error.upstream_status) == ("malformed", True, 200)
            assert "100 bytes" in str(error)
            assert (await failure(reply.read())).upstream == "malformed"
            assert (await failure(reply.piece())).upstream == "malformed"

    run(work())


def test_a_body_without_end_is_given_up_at_the_limit(run: Run) -> None:
    async def handler(peer: Peer) -> None:
        await peer.answer(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        while True:
            await peer.send(chunk(b"x" * 100_000))

    async def work() -> None:
        async with serving(handler) as server, client(body_limit=1_000_000) as transport:
            error = await failure((await post(transport, server)).read())
            assert error.upstream == "malformed"
            assert transport.stats.busy == 0

    run(work())


def test_the_rest_after_some_pieces(run: Run) -> None:
    async def work() -> None:
        go = asyncio.Event()

        async def handler(peer: Peer) -> None:
            await peer.answer(HEAD + b"content-length: 10\r\n\r\nhello")
            await go.wait()
            await peer.send(b"world")

        async with serving(handler) as server, client() as transport:
            reply = await post(transport, server)
            assert await reply.piece() == b"hello"
            go.set()
            assert await reply.read() == b"world"
            assert await reply.read() == b""

    run(work())


# --------------------------------------------------------------------------------------------------------- compression


CODED = {
    "gzip": (b"content-encoding: gzip", gzip.compress(TEXT)),
    "x-gzip": (b"Content-Encoding:  X-GZIP ", gzip.compress(TEXT)),
    "deflate": (b"content-encoding: deflate", zlib.compress(TEXT)),
    "identity": (b"content-encoding: identity", TEXT),
}


@pytest.mark.parametrize("name", CODED)
@pytest.mark.parametrize("streamed", [False, True], ids=["read", "pieces"])
@pytest.mark.parametrize("step", [1, 97, 10**9])
def test_what_was_compressed_unasked_is_undone(name: str, streamed: bool, step: int, run: Run) -> None:
    header, body = CODED[name]

    async def work() -> None:
        whole = sized(body, header)
        start = len(whole) - len(body)
        parts = [whole[:start], *(body[at : at + step] for at in range(0, min(len(body), 30 * step), step))]
        parts.append(body[30 * step :])
        async with serving(answering(*parts)) as server, client() as transport:
            reply = await post(transport, server)
            assert (b"".join(await pieces(reply)) if streamed else await reply.read()) == TEXT

    run(work())


def test_pieces_of_a_flushed_stream_arrive_as_they_are_sent(run: Run) -> None:
    async def work() -> None:
        go = asyncio.Semaphore(0)
        deflate = zlib.compressobj(wbits=31)

        async def handler(peer: Peer) -> None:
            await peer.answer(HEAD + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(3):
                await go.acquire()
                await peer.send(chunk(deflate.compress(b"event") + deflate.flush(zlib.Z_SYNC_FLUSH)))
            await peer.send(chunk(deflate.flush()) + b"0\r\n\r\n")

        async with serving(handler) as server, client() as transport:
            reply = await post(transport, server)
            for _ in range(3):
                go.release()
                assert await reply.piece() == b"event"
            assert await reply.piece() == b""

    run(work())


def test_a_bomb_does_not_go_off(run: Run) -> None:
    bomb = gzip.compress(bytes(50_000_000))  # some 50 kB

    async def work() -> None:
        answer = sized(bomb, b"content-encoding: gzip")
        async with serving(answering(answer)) as server, client(body_limit=1_000_000) as transport:
            error = await failure((await post(transport, server)).read())
            assert error.upstream == "malformed"
            assert "decompressed" in str(error)
            reply = await post(transport, server)
            sizes = [len(piece) for piece in await pieces(reply)]
            assert sum(sizes) == 50_000_000
            assert max(sizes) <= INFLATE_STEP

    run(work())


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"content-encoding: gzip", b"this is no gzip"),
        (b"content-encoding: gzip", gzip.compress(TEXT)[:-9]),
        (b"content-encoding: gzip", gzip.compress(TEXT)[:-1] + b"x"),
        (b"content-encoding: gzip", gzip.compress(TEXT) + b"more"),
        (b"content-encoding: deflate", gzip.compress(TEXT)),
        (b"content-encoding: br", b"x"),
        (b"content-encoding: gzip, gzip", b"x"),
        (b"content-encoding: zstd", b""),
    ],
    ids=["no gzip", "cut", "wrong sum", "more", "not deflate", "brotli", "twice", "zstd and empty"],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["read", "pieces"])
def test_what_cannot_be_decompressed(header: bytes, body: bytes, streamed: bool, run: Run) -> None:
    async def work() -> None:
        async with serving(answering(sized(body, header))) as server, client() as transport:
            reply = await post(transport, server)
            error = await failure(pieces(reply) if streamed else reply.read())
            assert (error.upstream, error.accepted) == ("malformed", True)

    run(work())


def test_an_encoding_said_twice_is_two_encodings(run: Run) -> None:
    async def work() -> None:
        answer = sized(gzip.compress(TEXT), b"content-encoding: gzip", b"content-encoding: gzip")
        async with serving(answering(answer)) as server, client() as transport:
            assert (await failure((await post(transport, server)).read())).upstream == "malformed"

    run(work())


def test_an_empty_body_is_empty_however_it_is_encoded(run: Run) -> None:
    async def work() -> None:
        answer = sized(b"", b"content-encoding: gzip")
        async with serving(answering(answer)) as server, client() as transport:
            assert await (await post(transport, server)).read() == b""
            assert await (await post(transport, server)).piece() == b""

    run(work())


# -------------------------------------------------------------------------------------------------------- back-pressure


def test_a_slow_reader_slows_the_server_and_loses_nothing(run: Run) -> None:
    total = 30_000_000

    async def work() -> None:
        sent = 0

        async def handler(peer: Peer) -> None:
            nonlocal sent
            await peer.answer(HEAD + b"content-length: %d\r\n\r\n" % total)
            while sent < total:
                await peer.send(b"x" * 100_000)
                sent += 100_000
            await peer.gone()

        async with serving(handler) as server, client() as transport:
            reply = await post(transport, server)
            (busy,) = transport._busy
            await until(lambda: busy._paused)
            for _ in range(200):
                await asyncio.sleep(0)
            held = sum(len(part) for part in reply._parts)
            assert HIGH_WATER < held < 3 * HIGH_WATER
            assert sent < total
            assert sum(len(piece) for piece in await pieces(reply)) == total
            assert transport.stats.idle == 1, "reading goes on, and the connection can be used again"

    run(work())


def test_a_slow_reader_is_not_the_servers_silence(run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        async with serving(answering(sized(b"x" * 3_000_000))) as server, client(clock=clock) as transport:
            reply = await post(transport, server)
            (busy,) = transport._busy
            await until(lambda: busy._paused)
            transport.sweep(clock.now + TIMEOUTS.gap * 3)
            assert sum(len(piece) for piece in await pieces(reply)) == 3_000_000

    run(work())


def test_the_time_for_all_runs_for_slow_readers_too(run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        async with serving(answering(sized(b"x" * 3_000_000))) as server, client(clock=clock) as transport:
            reply = await post(transport, server)
            (busy,) = transport._busy
            await until(lambda: busy._paused)
            transport.sweep(clock.now + TIMEOUTS.total)
            assert len(await reply.piece()) > HIGH_WATER
            assert (await failure(reply.piece())).upstream == "total_timeout"

    run(work())


def test_a_large_body_is_read_whole_after_a_pause(run: Run) -> None:
    async def work() -> None:
        async with serving(answering(sized(b"x" * 3_000_000), stay=True)) as server, client() as transport:
            reply = await post(transport, server)
            (busy,) = transport._busy
            await until(lambda: busy._paused)
            assert len(await reply.read()) == 3_000_000
            assert transport.stats.idle == 1

    run(work())


def test_a_complete_answer_needs_no_time(run: Run) -> None:
    """All of it is here: the connection serves others, and no time-out can take the answer away."""

    async def work() -> None:
        clock = Clock()
        async with serving(answering(OK, stay=True)) as server, client(clock=clock) as transport:
            reply = await post(transport, server)
            await until(lambda: transport.stats.idle == 1)
            transport.sweep(clock.now + 10 * TIMEOUTS.total)
            assert transport.stats.idle == 0
            assert await reply.read() == b"hello"

    run(work())


# ------------------------------------------------------------------------------------------------------------- pouring


def into(got: list[bytes]) -> Callable[[bytes], bool]:
    """A sink that never has enough."""

    def take(data: bytes) -> bool:
        got.append(data)
        return False

    return take


def test_a_body_is_poured_as_it_arrives(run: Run) -> None:
    async def work() -> None:
        go = [asyncio.Event() for _ in range(3)]

        async def handler(peer: Peer) -> None:
            await peer.answer(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk(b"a"))
            for event, data in zip(go, (chunk(b"b"), chunk(b"c"), b"0\r\n\r\n"), strict=True):
                await event.wait()
                await peer.send(data)
            await peer.answer(OK)

        async with serving(handler) as server, client() as transport:
            got: list[bytes] = []
            reply = await post(transport, server)
            pouring = asyncio.create_task(reply.pour(into(got)))
            for number, event in enumerate(go):
                await until(lambda number=number: len(got) > number)  # type: ignore[misc]
                event.set()
            assert await pouring is False
            assert got == [b"a", b"b", b"c"]
            with await post(transport, server) as again:
                assert await again.read() == b"hello"
            assert transport.stats.made == 1

    run(work())


def test_who_has_enough_may_read_the_rest(run: Run) -> None:
    async def work() -> None:
        go = asyncio.Event()

        async def handler(peer: Peer) -> None:
            await peer.answer(HEAD + b"content-length: 6\r\n\r\n")
            await peer.send(b"abc")
            await go.wait()
            await peer.send(b"def")

        async with serving(handler) as server, client() as transport:
            reply = await post(transport, server)
            assert await reply.pour(lambda data: data.endswith(b"c")) is True
            go.set()
            assert b"".join(await pieces(reply)) == b"def"

    run(work())


def test_what_had_arrived_is_poured_first(run: Run) -> None:
    async def work() -> None:
        async with serving(answering(sized(b"hello"))) as server, client() as transport:
            for enough in (True, False):
                got: list[bytes] = []
                reply = await post(transport, server)
                await until(lambda reply=reply: reply._done)  # type: ignore[misc]

                def sink(data: bytes, got: list[bytes] = got, enough: bool = enough) -> bool:
                    got.append(data)
                    return enough

                assert await reply.pour(sink) is enough
                assert got == [b"hello"]

    run(work())


def test_compressed_bodies_are_poured_inflated(run: Run) -> None:
    async def work() -> None:
        body = gzip.compress(TEXT)
        async with serving(answering(sized(body, b"content-encoding: gzip"))) as server, client() as transport:
            got: list[bytes] = []
            assert await (await post(transport, server)).pour(into(got)) is False
            assert b"".join(got) == TEXT

    run(work())


def test_a_body_that_breaks_off_while_it_is_poured_is_cut(run: Run) -> None:
    async def work() -> None:
        async def handler(peer: Peer) -> None:
            await peer.answer(HEAD + b"content-length: 9\r\n\r\nabc")
            peer.finish()

        async with serving(handler) as server, client() as transport:
            got: list[bytes] = []
            error = await failure((await post(transport, server)).pour(into(got)))
            assert error.upstream == "cut"
            assert b"".join(got) == b"abc"

    run(work())


def test_more_than_a_reader_could_hold_can_be_poured(run: Run) -> None:
    async def work() -> None:
        size = 4 * HIGH_WATER

        async def handler(peer: Peer) -> None:
            await peer.answer(HEAD + b"content-length: %d\r\n\r\n" % size)
            await peer.send(b"x" * size)

        async with serving(handler) as server, client() as transport:
            got: list[bytes] = []
            assert await (await post(transport, server)).pour(into(got)) is False
            assert sum(map(len, got)) == size

    run(work())


def test_a_silence_while_it_is_poured_is_a_gap(run: Run) -> None:
    async def handler(peer: Peer) -> None:
        await peer.answer(HEAD + b"content-length: 9\r\n\r\nabc")
        await peer.gone()

    async def work() -> None:
        clock = Clock()
        async with serving(handler) as server, client(clock=clock) as transport:
            got: list[bytes] = []
            reply = await post(transport, server)
            pouring = asyncio.create_task(reply.pour(into(got)))
            await until(lambda: bool(got))
            clock.now += TIMEOUTS.gap + 1
            transport.sweep(clock.now)
            assert (await failure(pouring)).upstream == "gap_timeout"

    run(work())
