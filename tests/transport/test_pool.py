"""Connections kept and used again, the keep-alive race, giving up, and the requests that go out."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from crossover.errors import UpstreamError
from crossover.transport import Endpoint, Transport, endpoint, head
from crossover.transport import connection as connections
from crossover.transport import dial as dials
from tests.transport.servers import (
    OK,
    TIMEOUTS,
    Clock,
    Peer,
    Run,
    answering,
    client,
    failure,
    hanging,
    keeping,
    pieces,
    post,
    serving,
    until,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
needs_acks = pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="this kernel does not tell acknowledged bytes")


# ------------------------------------------------------------------------------------------------- closed at once


def test_a_server_that_closes_at_once_is_a_reset_and_not_a_wait(run: Run) -> None:
    """The loop may have seen the end before the request is written: then nobody is there to fail its reply."""

    async def closing(peer: Peer) -> None:
        peer.reset()

    async def work() -> None:
        async with serving(closing) as server, client() as transport:
            for _ in range(20):
                with pytest.raises(UpstreamError) as caught:
                    await post(transport, server)
                assert caught.value.upstream == "reset"
            assert transport.stats.busy == 0

    run(work())


def test_a_connection_that_ended_before_it_was_used_carries_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def closing(peer: Peer) -> None:
        peer.finish()
        peer.writer.close()

    async def work() -> None:
        dial = dials.dial

        async def late(*told: Any) -> Any:
            connection = await dial(*told)
            await until(lambda: not connection._open)
            return connection

        monkeypatch.setattr("crossover.transport.pool.dial", late)
        async with serving(closing) as server, client() as transport:
            with pytest.raises(UpstreamError) as caught:
                await post(transport, server)
            assert (caught.value.upstream, caught.value.accepted) == ("reset", False)

    run(work())


# ------------------------------------------------------------------------------------------------------- used again


def test_one_connection_serves_one_call_after_the_other(run: Run) -> None:
    async def work() -> None:
        async with serving(keeping([OK] * 20)) as server, client() as transport:
            for _ in range(20):
                assert await (await post(transport, server)).read() == b"hello"
                assert transport.stats.idle == 1
            assert transport.stats.made == server.accepted == 1

    run(work())


def test_a_reply_knows_how_long_its_connection_took(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, dial = Clock(), dials.dial

    async def slow(*told: Any) -> Any:
        clock.now += 0.25
        return await dial(*told)

    async def work() -> None:
        monkeypatch.setattr("crossover.transport.pool.dial", slow)
        async with serving(keeping([OK, OK])) as server, client(clock=clock) as transport:
            took = []
            for _ in range(2):
                with await post(transport, server) as reply:
                    took.append(reply.connect_s)
                    await reply.read()
            assert took == [0.25, 0.0]

    run(work())


def test_calls_at_the_same_time_have_a_connection_each(run: Run) -> None:
    async def work() -> None:
        async with serving(keeping([OK] * 3)) as server, client() as transport:

            async def call() -> bytes:
                return await (await post(transport, server)).read()

            assert await asyncio.gather(*(call() for _ in range(20))) == [b"hello"] * 20
            assert transport.stats.made == transport.stats.idle == 20
            assert await asyncio.gather(*(call() for _ in range(20))) == [b"hello"] * 20
            assert transport.stats.made == 20

    run(work())


def test_no_more_idle_connections_are_kept_than_asked(run: Run) -> None:
    async def work() -> None:
        async with serving(keeping([OK])) as server, client(idle_per_endpoint=3) as transport:
            replies = await asyncio.gather(*(post(transport, server) for _ in range(10)))
            for reply in replies:
                await reply.read()
            assert transport.stats.idle == 3

    run(work())


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"connection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"more",
        OK + OK,
    ],
    ids=["close said", "HTTP/1.0", "bytes left over", "two answers"],
)
def test_connections_that_are_not_used_again(answer: bytes, run: Run) -> None:
    async def work() -> None:
        async with serving(keeping([answer, answer])) as server, client() as transport:
            for _ in range(2):
                assert await (await post(transport, server)).read() == b"hello"
                assert transport.stats.idle == 0
            assert server.accepted == 2

    run(work())


def test_http_1_0_with_keep_alive_is_used_again(run: Run) -> None:
    answer = b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello"

    async def work() -> None:
        async with serving(keeping([answer, answer])) as server, client() as transport:
            for _ in range(2):
                assert await (await post(transport, server)).read() == b"hello"
            assert server.accepted == 1

    run(work())


def test_endpoints_never_share_a_connection(run: Run) -> None:
    async def work() -> None:
        async with serving(keeping([OK] * 9)) as server, client() as transport:
            places = [
                endpoint(server.url),
                endpoint(server.url + "/v1"),
                Endpoint(scheme="http", host="localhost", port=server.port),
                Endpoint(scheme="http", host="127.0.0.1", port=server.port, ca_file="a.pem"),
                endpoint("http://a.example", proxy=server.url),
                endpoint("http://b.example", proxy=server.url),
                endpoint("http://b.example", proxy=server.url.replace("//", "//user@")),
            ]
            for place in places:
                await (await post(transport, place)).read()
            assert transport.stats.made == len(places)
            for place in places:
                await (await post(transport, place)).read()
            assert transport.stats.made == len(places)

    run(work())


def test_what_a_server_sends_unasked_costs_it_the_connection(run: Run) -> None:
    """An answer that lies in wait for the next request must never be taken for that request's answer."""

    async def handler(peer: Peer) -> None:
        await peer.answer(OK)
        if peer.number == 0:
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        else:
            await peer.answer(OK)
        await peer.gone()

    async def work() -> None:
        async with serving(handler) as server, client() as transport:
            assert await (await post(transport, server)).read() == b"hello"
            await until(lambda: transport.stats.idle == 0)
            assert await (await post(transport, server)).read() == b"hello"

    run(work())


def test_a_connection_that_the_server_closed_is_forgotten(run: Run) -> None:
    async def work() -> None:
        async with serving(answering(OK)) as server, client() as transport:
            await (await post(transport, server)).read()
            await until(lambda: transport.stats.idle == 0)
            assert await (await post(transport, server)).read() == b"hello"

    run(work())


def test_a_server_that_closes_after_every_answer_without_saying_so(run: Run) -> None:
    async def work() -> None:
        async with serving(answering(OK)) as server, client() as transport:
            for _ in range(20):
                assert await (await post(transport, server)).read() == b"hello"
            assert server.accepted == 20

    run(work())


def test_a_server_that_closes_behind_its_answers_is_asked_on_new_connections(run: Run) -> None:
    """Whose end is on the way already takes the next request with it: the first such end is enough to know."""

    async def work() -> None:
        clock = Clock()
        async with serving(answering(OK)) as server, client(clock=clock) as transport:
            with await post(transport, server) as reply:
                await reply.read()
            await until(lambda: transport.stats.idle == 0)  # its end was seen before anything was lost
            for made in range(2, 12):
                with await post(transport, server) as reply:
                    assert await reply.read() == b"hello"
                assert transport.stats.made == made

    run(work())


def test_a_server_that_keeps_connections_after_all_is_trusted_again(run: Run) -> None:
    async def first_closes(peer: Peer) -> None:
        await peer.answer(OK)
        if peer.number:
            while True:
                await peer.answer(OK)

    async def work() -> None:
        clock = Clock()
        async with serving(first_closes) as server, client(clock=clock) as transport:
            ep = endpoint(server.url)
            with await post(transport, ep) as reply:
                await reply.read()
            await until(lambda: transport.stats.idle == 0)
            for made in (2, 3):
                with await post(transport, ep) as reply:
                    await reply.read()
                assert transport.stats.made == made
            clock.now += 1.0
            for _ in range(3):
                with await post(transport, ep) as reply:
                    await reply.read()
            assert transport.stats.made == 3

    run(work())


def test_an_end_long_after_an_answer_is_no_haste(run: Run) -> None:
    async def work() -> None:
        clock, ends = Clock(), asyncio.Event()

        async def later(peer: Peer) -> None:
            await peer.answer(OK)
            if not peer.number:
                await ends.wait()
            else:
                await peer.answer(OK)

        async with serving(later) as server, client(clock=clock) as transport:
            ep = endpoint(server.url)
            with await post(transport, ep) as reply:
                await reply.read()
            clock.now += 5.0
            ends.set()
            await until(lambda: transport.stats.idle == 0)
            for _ in range(2):
                with await post(transport, ep) as reply:
                    await reply.read()
            assert transport.stats.made == 2

    run(work())


def test_idle_connections_grow_old(run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        async with serving(keeping([OK] * 3)) as server, client(clock=clock, idle_s=60.0) as transport:
            await asyncio.gather(post(transport, server), post(transport, server))
            await until(lambda: transport.stats.idle == 2)
            clock.now += 30
            await (await post(transport, server)).read()
            clock.now += 30
            transport.sweep(clock.now)
            assert transport.stats.idle == 1
            clock.now += 30
            transport.sweep(clock.now)
            assert transport.stats.idle == 0

    run(work())


def test_an_old_connection_is_not_used_even_before_the_sweep_comes(run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        async with serving(keeping([OK] * 3)) as server, client(clock=clock, idle_s=60.0) as transport:
            await (await post(transport, server)).read()
            clock.now += 61
            await (await post(transport, server)).read()
            assert transport.stats.made == 2

    run(work())


# ------------------------------------------------------------------------------------------------ the keep-alive race


async def _idle(transport: Transport, server: Any) -> None:
    """One call made, and its connection idle."""
    await (await post(transport, server)).read()
    assert transport.stats.idle == 1


def test_a_close_that_the_loop_has_not_seen_is_seen_before_the_connection_is_used(run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        peers: list[Peer] = []

        async def handler(peer: Peer) -> None:
            peers.append(peer)
            await peer.answer(OK)
            await peer.answer(OK)

        async with serving(handler) as server, client(clock=clock) as transport:
            await _idle(transport, server)
            # the kernel has the end, the loop does not: nothing has been awaited
            peers[0].finish()
            reply = await post(transport, server)
            assert await reply.read() == b"hello"
            assert server.accepted == 2

    run(work())


@needs_acks
def test_a_request_that_no_one_received_is_sent_once_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server closes in the very moment the request goes out: after the look, before the write."""

    async def work() -> None:
        clock = Clock()
        peers: list[Peer] = []
        seen: list[bytes] = []

        async def handler(peer: Peer) -> None:
            peers.append(peer)
            while True:
                _, body = await peer.request()
                seen.append(body)
                await peer.send(OK)

        looked = connections.Connection.usable

        def then_closed(self: connections.Connection, rested: bool) -> bool:
            found = looked(self, rested)
            peers[0].finish()
            return found

        async with serving(handler) as server, client(clock=clock) as transport:
            await _idle(transport, server)
            monkeypatch.setattr(connections.Connection, "usable", then_closed)
            assert await (await post(transport, server, b"second")).read() == b"hello"
            assert seen == [b"{}", b"second"]
            assert transport.stats.made == 2

    run(work())


def test_a_request_that_was_received_is_never_sent_again(run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        seen: list[bytes] = []

        async def handler(peer: Peer) -> None:
            await peer.answer(OK)
            seen.append((await peer.request())[1])
            peer.reset()

        async with serving(handler) as server, client(clock=clock) as transport:
            await _idle(transport, server)
            error = await failure(post(transport, server, b"second"))
            assert (error.upstream, error.accepted) == ("reset", True)
            assert seen == [b"second"]
            assert server.accepted == 1

    run(work())


def test_where_the_kernel_does_not_say_the_request_counts_as_accepted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_TCP_INFO", None)

    async def work() -> None:
        clock = Clock()

        async def handler(peer: Peer) -> None:
            await peer.answer(OK)
            await peer.reader.readexactly(1)

        async with serving(handler) as server, client(clock=clock) as transport:
            await _idle(transport, server)
            error = await failure(post(transport, server))
            assert (error.upstream, error.accepted) == ("reset", True)
            assert server.accepted == 1

    run(work())


# ---------------------------------------------------------------------------------------------------------- giving up


@pytest.mark.parametrize("moment", ["before the headers", "reading", "piece"])
def test_cancelling_closes_the_connection_at_once(moment: str, run: Run) -> None:
    async def work() -> None:
        left = asyncio.Event()

        async def handler(peer: Peer) -> None:
            await peer.request()
            if moment != "before the headers":
                await peer.send(HEAD + b"content-length: 10\r\n\r\n")
            await peer.gone()
            left.set()

        async with serving(handler) as server, client() as transport:
            if moment == "before the headers":
                task = asyncio.ensure_future(post(transport, server))
                await until(lambda: transport.stats.busy == 1)
            else:
                reply = await post(transport, server)
                task = asyncio.ensure_future(reply.read() if moment == "reading" else reply.piece())  # type: ignore[arg-type]
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert transport.stats.busy == transport.stats.idle == 0
            await left.wait()

    run(work())


def test_cancelling_while_the_connection_is_made(run: Run) -> None:
    async def work() -> None:
        async with serving(keeping([OK])) as server, client() as transport:
            task = asyncio.ensure_future(post(transport, server))
            await until(lambda: transport.stats.dialing == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert transport.stats.dialing == transport.stats.busy == 0

    run(work())


def test_closing_a_reply_closes_the_connection_at_once(run: Run) -> None:
    async def work() -> None:
        left = asyncio.Event()

        async def handler(peer: Peer) -> None:
            await peer.answer(CHUNKED, b"5\r\nhello\r\n")
            await peer.gone()
            left.set()

        async with serving(handler) as server, client() as transport:
            with await post(transport, server) as reply:
                assert await reply.piece() == b"hello"
            assert transport.stats.busy == transport.stats.idle == 0
            assert (await failure(reply.piece())).upstream == "cut"
            reply.close()
            await left.wait()

    run(work())


def test_closing_a_complete_reply_keeps_the_connection(run: Run) -> None:
    async def work() -> None:
        async with serving(keeping([OK])) as server, client() as transport:
            with await post(transport, server) as reply:
                assert await reply.read() == b"hello"
            assert transport.stats.idle == 1

    run(work())


def test_closing_the_client_ends_everything(run: Run) -> None:
    async def work() -> None:
        async with serving(keeping([OK])) as server, serving(hanging) as silent:
            transport = Transport()
            await (await post(transport, server)).read()
            task = asyncio.ensure_future(failure(post(transport, silent)))
            await until(lambda: transport.stats.busy == 1)
            dialing = asyncio.ensure_future(failure(post(transport, silent)))
            await until(lambda: transport.stats.dialing == 1)
            await transport.aclose()
            assert (await task).upstream == "cut"
            assert (await dialing).upstream == "refused"
            assert (await failure(post(transport, server))).upstream == "refused"
            stats = transport.stats
            assert (stats.busy, stats.idle, stats.dialing) == (0, 0, 0)

    run(work())


def test_two_readers_of_one_reply_are_a_mistake(run: Run) -> None:
    async def work() -> None:
        async with serving(answering(CHUNKED, stay=True)) as server, client() as transport:
            reply = await post(transport, server)
            task = asyncio.ensure_future(reply.piece())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="two tasks"):
                await reply.piece()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(work())


def test_a_client_belongs_to_one_loop() -> None:
    transport = Transport()

    async def work() -> None:
        with pytest.raises(UpstreamError):
            await post(transport, Endpoint(scheme="http", host="169.254.1.1", port=80))

    asyncio.run(work())

    async def again() -> None:
        with pytest.raises(RuntimeError, match="event loop"):
            await post(transport, Endpoint(scheme="http", host="169.254.1.1", port=80))
        transport._timer = None

    asyncio.run(again())


# ------------------------------------------------------------------------------------------------------------ requests


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 3_000_000])
def test_the_request_arrives_as_it_was_given(size: int, run: Run) -> None:
    async def work() -> None:
        got: list[tuple[bytes, bytes]] = []

        async def handler(peer: Peer) -> None:
            got.append(await peer.request())
            await peer.send(OK)
            await peer.gone()

        body = bytes(index % 251 for index in range(size))
        async with serving(handler) as server, client() as transport:
            ep = endpoint(server.url + "/v1")
            start = head(ep, "POST", "/chat", [("x-a", "b")])
            await (await transport.send(ep, start, body, TIMEOUTS)).read()
            expected = f"POST /v1/chat HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nx-a: b\r\n"
            expected += f"accept-encoding: identity\r\ncontent-length: {size}\r\n\r\n"
            assert got == [(expected.encode(), body)]

    run(work())


def test_a_get_says_nothing_of_a_body(run: Run) -> None:
    async def work() -> None:
        got: list[bytes] = []

        async def handler(peer: Peer) -> None:
            got.append((await peer.request())[0])
            await peer.send(OK)

        async with serving(handler) as server, client() as transport:
            ep = endpoint(server.url)
            await (await transport.send(ep, head(ep, "GET", "/models", []), b"", TIMEOUTS)).read()
            assert b"content-length" not in got[0]

    run(work())


def test_pieces_arrive_as_they_are_sent(run: Run) -> None:
    async def work() -> None:
        go = asyncio.Semaphore(0)

        async def handler(peer: Peer) -> None:
            await peer.answer(CHUNKED)
            for number in range(5):
                await go.acquire()
                await peer.send(b"1\r\n%d\r\n" % number)
            await peer.send(b"0\r\n\r\n")
            await peer.gone()

        async with serving(handler) as server, client() as transport:
            reply = await post(transport, server)
            got = []
            for _ in range(5):
                go.release()
                got.append(await reply.piece())
            assert got == [b"0", b"1", b"2", b"3", b"4"]
            assert await pieces(reply) == []
            assert transport.stats.idle == 1

    run(work())
