"""Time-outs: of the connection, the first byte, the gap between two pieces, and of all. No test sleeps."""

from __future__ import annotations

import asyncio
import socket

import pytest

from crossover.deployment import Timeouts
from crossover.transport import endpoint
from tests.transport.servers import (
    TIMEOUTS,
    Clock,
    Peer,
    Run,
    answering,
    client,
    failure,
    hanging,
    post,
    serving,
    until,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(("cold", "wait"), [(False, TIMEOUTS.first_byte), (True, TIMEOUTS.cold)])
def test_no_first_byte(cold: bool, wait: float, run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        async with serving(hanging) as server, client(clock=clock) as transport:
            task = asyncio.ensure_future(failure(post(transport, server, cold=cold)))
            await until(lambda: transport.stats.busy == 1)
            transport.sweep(clock.now + wait - 0.1)
            assert transport.stats.busy == 1
            transport.sweep(clock.now + wait)
            error = await task
            assert (error.upstream, error.accepted, error.status) == ("first_byte_timeout", True, 504)

    run(work())


def test_headers_alone_are_no_first_byte(run: Run) -> None:
    """Streams send their headers at once and their first token when the prompt is read."""

    async def work() -> None:
        clock = Clock()
        async with serving(answering(CHUNKED, stay=True)) as server, client(clock=clock) as transport:
            reply = await post(transport, server)
            task = asyncio.ensure_future(failure(reply.piece()))
            transport.sweep(clock.now + TIMEOUTS.gap + 0.1)
            assert transport.stats.busy == 1
            transport.sweep(clock.now + TIMEOUTS.first_byte)
            assert (await task).upstream == "first_byte_timeout"

    run(work())


def test_a_header_sent_byte_by_byte_wins_no_time(run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        go = asyncio.Queue[bytes]()

        async def handler(peer: Peer) -> None:
            await peer.request()
            while True:
                await peer.send(await go.get())

        async with serving(handler) as server, client(clock=clock) as transport:
            task = asyncio.ensure_future(failure(post(transport, server)))
            await until(lambda: transport.stats.busy == 1)
            (busy,) = transport._busy
            for count in range(1, 6):
                go.put_nowait(b"HTTP/1.1 200 OK"[count - 1 : count])
                await until(lambda count=count: busy._silent == count)  # type: ignore[misc]
                clock.now += TIMEOUTS.first_byte / 5
                transport.sweep(clock.now)
            assert (await task).upstream == "first_byte_timeout"

    run(work())


def test_silence_between_two_pieces(run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        async with (
            serving(answering(CHUNKED, b"5\r\nhello\r\n", stay=True)) as server,
            client(clock=clock) as transport,
        ):
            reply = await post(transport, server)
            assert await reply.piece() == b"hello"
            task = asyncio.ensure_future(failure(reply.piece()))
            await asyncio.sleep(0)
            transport.sweep(clock.now + TIMEOUTS.gap - 0.1)
            assert transport.stats.busy == 1
            transport.sweep(clock.now + TIMEOUTS.gap)
            error = await task
            assert (error.upstream, error.accepted) == ("gap_timeout", True)

    run(work())


def test_every_piece_begins_the_gap_anew_until_the_time_for_all_is_up(run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        go = asyncio.Semaphore(0)

        async def handler(peer: Peer) -> None:
            await peer.answer(CHUNKED)
            while True:
                await go.acquire()
                await peer.send(b"1\r\nx\r\n")

        async with serving(handler) as server, client(clock=clock) as transport:
            reply = await post(transport, server)
            end = clock.now + TIMEOUTS.total
            while clock.now < end:
                go.release()
                assert await reply.piece() == b"x"
                clock.now += TIMEOUTS.gap - 1
                if clock.now < end:
                    transport.sweep(clock.now)
                    assert transport.stats.busy == 1
            transport.sweep(clock.now)
            assert (await failure(reply.piece())).upstream == "total_timeout"

    run(work())


def test_a_server_that_never_reads_the_request(run: Run) -> None:
    async def handler(peer: Peer) -> None:
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async def work() -> None:
        clock = Clock()
        async with serving(handler) as server, client(clock=clock) as transport:
            task = asyncio.ensure_future(failure(post(transport, server, b"x" * 20_000_000)))
            await until(lambda: transport.stats.busy == 1)
            transport.sweep(clock.now + TIMEOUTS.first_byte)
            error = await task
            assert (error.upstream, error.accepted) == ("first_byte_timeout", True)

    run(work())


def test_the_sweep_runs_by_itself(run: Run) -> None:
    async def work() -> None:
        quick = Timeouts(connect=5.0, first_byte=0.01, gap=5.0, total=5.0)
        async with serving(hanging) as server, client() as transport:
            assert (await failure(post(transport, server, timeouts=quick))).upstream == "first_byte_timeout"

    run(work())


def test_no_connection_in_time(run: Run) -> None:
    """A listener whose queue is full: the kernel lets us wait."""

    async def work() -> None:
        clock = Clock()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            crowd = []
            for _ in range(4):
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex(listener.getsockname())
                crowd.append(sock)
            try:
                async with client(clock=clock) as transport:
                    place = endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}")
                    task = asyncio.ensure_future(failure(post(transport, place)))
                    await until(lambda: transport.stats.dialing == 1)
                    transport.sweep(clock.now + TIMEOUTS.connect - 0.1)
                    assert transport.stats.dialing == 1
                    transport.sweep(clock.now + TIMEOUTS.connect)
                    error = await task
                    assert (error.upstream, error.accepted, error.status) == ("connect_timeout", False, 504)
                    assert transport.stats.dialing == 0
            finally:
                for sock in crowd:
                    sock.close()

    run(work())
