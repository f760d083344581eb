"""Certificates are verified, always; what is wrong with one is said, and nothing was sent."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from crossover.transport import Endpoint, endpoint
from tests.transport.servers import (
    OK,
    TIMEOUTS,
    Clock,
    Peer,
    Run,
    Server,
    answering,
    client,
    failure,
    keeping,
    pieces,
    post,
    serving,
    until,
)

HEAD = b"HTTP/1.1 200 OK\r\n"


class Authority:
    """A certificate authority, its file, and servers' settings from it."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.file)

    def settings(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        certificate = self.ca.issue_cert(
            *names, not_before=past - dt.timedelta(days=9) if expired else None, not_after=past if expired else None
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def at(server: Server, authority: Authority | None, host: str = "localhost") -> Endpoint:
    return endpoint(f"https://{host}:{server.port}/v1", ca_file=authority.file if authority else None)


def test_calls_over_tls_share_a_connection(authority: Authority, run: Run) -> None:
    async def work() -> None:
        chunked = HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
        tls = authority.settings("localhost")
        async with serving(keeping([OK, chunked, OK]), tls=tls) as server, client() as transport:
            place = at(server, authority)
            assert await (await post(transport, place)).read() == b"hello"
            assert b"".join(await pieces(await post(transport, place))) == b"hello"
            assert await (await post(transport, place)).read() == b"hello"
            assert server.accepted == 1

    run(work())


def test_a_large_body_both_ways(authority: Authority, run: Run) -> None:
    async def work() -> None:
        async def handler(peer: Peer) -> None:
            for _ in range(2):
                _, body = await peer.request()
                await peer.send(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
            await peer.gone()

        body = bytes(range(256)) * 12_000
        async with serving(handler, tls=authority.settings("localhost")) as server, client() as transport:
            assert await (await post(transport, at(server, authority), body)).read() == body
            reply = await post(transport, at(server, authority), body)
            assert b"".join(await pieces(reply)) == body

    run(work())


def test_an_address_can_have_a_certificate(authority: Authority, run: Run) -> None:
    async def work() -> None:
        tls = authority.settings("127.0.0.1")
        async with serving(keeping([OK]), tls=tls) as server, client() as transport:
            assert (await post(transport, at(server, authority, "127.0.0.1"))).status == 200

    run(work())


def _other(folder: Path) -> Authority:
    return Authority(folder)


WRONG: dict[str, tuple[Callable[[Authority], ssl.SSLContext], str]] = {
    "another name": (lambda ca: ca.settings("other.example"), "ostname mismatch"),
    "another authority": (lambda ca: Authority(Path(ca.file).parent.with_name("other")).settings("localhost"), ""),
    "expired": (lambda ca: ca.settings("localhost", expired=True), "expired"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_certificate_that_is_wrong(name: str, authority: Authority, run: Run, tmp_path: Path) -> None:
    make, says = WRONG[name]
    Path(authority.file).parent.with_name("other").mkdir(exist_ok=True)
    seen: list[bytes] = []

    async def handler(peer: Peer) -> None:
        seen.append(await peer.reader.read(1))

    async def work() -> None:
        async with serving(handler, tls=make(authority)) as server, client() as transport:
            error = await failure(post(transport, at(server, authority)))
            assert (error.upstream, error.accepted) == ("tls", False)
            assert says in str(error)
            assert str(error).startswith(f"the certificate of localhost:{server.port} is not to be trusted: ")
            assert transport.stats.busy == transport.stats.idle == transport.stats.dialing == 0
        assert seen in ([], [b""]), "not one byte of the request has left"

    run(work())


def test_the_systems_authorities_do_not_know_this_one(authority: Authority, run: Run) -> None:
    async def work() -> None:
        async with serving(keeping([OK]), tls=authority.settings("localhost")) as server, client() as transport:
            error = await failure(post(transport, at(server, None)))
            assert (error.upstream, error.accepted) == ("tls", False)

    run(work())


def test_a_server_that_speaks_no_tls(authority: Authority, run: Run) -> None:
    async def handler(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    async def work() -> None:
        async with serving(handler) as server, client() as transport:
            error = await failure(post(transport, at(server, authority)))
            assert (error.upstream, error.accepted) == ("tls", False)

    run(work())


def test_a_server_that_closes_during_the_handshake(authority: Authority, run: Run) -> None:
    async def handler(peer: Peer) -> None:
        await peer.reader.read(1)

    async def work() -> None:
        async with serving(handler) as server, client() as transport:
            error = await failure(post(transport, at(server, authority)))
            assert (error.upstream, error.accepted) == ("tls", False)

    run(work())


def test_a_server_that_never_answers_the_handshake(authority: Authority, run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        greeted = asyncio.Event()

        async def handler(peer: Peer) -> None:
            await peer.reader.read(1)
            greeted.set()
            await peer.gone()

        async with serving(handler) as server, client(clock=clock) as transport:
            task = asyncio.ensure_future(failure(post(transport, at(server, authority))))
            await greeted.wait()
            transport.sweep(clock.now + TIMEOUTS.connect)
            error = await task
            assert (error.upstream, error.accepted) == ("connect_timeout", False)
            assert transport.stats.dialing == 0

    run(work())


def test_a_file_that_holds_no_certificates(authority: Authority, run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")

    async def work() -> None:
        async with client() as transport:
            for path in (empty, tmp_path / "missing.pem"):
                place = Endpoint(scheme="https", host="127.0.0.1", port=1, ca_file=str(path))
                error = await failure(post(transport, place))
                assert (error.upstream, error.accepted) == ("tls", False)
                assert str(path) in str(error)

    run(work())


def test_a_cut_inside_tls_is_a_cut(authority: Authority, run: Run) -> None:
    async def work() -> None:
        answer = HEAD + b"content-length: 10\r\n\r\nhello"
        async with serving(answering(answer), tls=authority.settings("localhost")) as server, client() as transport:
            reply = await post(transport, at(server, authority))
            assert (await failure(reply.read())).upstream == "cut"

    run(work())


def test_the_end_of_a_body_without_length_must_be_said_inside_tls(authority: Authority, run: Run) -> None:
    """Without the closing alert, anyone on the way could have cut the body short (RFC 9112 9.8)."""

    async def cut(peer: Peer) -> None:
        await peer.answer(HEAD + b"connection: close\r\n\r\nhello")
        peer.finish()
        await peer.gone()

    async def work() -> None:
        tls = authority.settings("localhost")
        async with (
            serving(answering(HEAD + b"connection: close\r\n\r\nhello"), tls=tls) as server,
            client() as transport,
        ):
            assert await (await post(transport, at(server, authority))).read() == b"hello"
        async with serving(cut, tls=tls) as server, client() as transport:
            reply = await post(transport, at(server, authority))
            assert (await failure(reply.read())).upstream == "cut"

    run(work())


def test_cancelling_closes_a_tls_connection_at_once(authority: Authority, run: Run) -> None:
    async def work() -> None:
        left = asyncio.Event()

        async def handler(peer: Peer) -> None:
            await peer.request()
            await peer.gone()
            left.set()

        async with serving(handler, tls=authority.settings("localhost")) as server, client() as transport:
            task = asyncio.ensure_future(post(transport, at(server, authority)))
            await until(lambda: transport.stats.busy == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await left.wait()

    run(work())


def test_a_rested_tls_connection_is_used_again(authority: Authority, run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        tls = authority.settings("localhost")
        async with serving(keeping([OK, OK]), tls=tls) as server, client(clock=clock) as transport:
            place = at(server, authority)
            await (await post(transport, place)).read()
            clock.now += 1
            await (await post(transport, place)).read()
            assert transport.stats.made == 1

    run(work())
