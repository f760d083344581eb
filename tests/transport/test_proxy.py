"""Through a proxy: a tunnel for https, whole URLs for http, and passwords that nobody sees."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from crossover.transport import endpoint
from tests.transport.servers import OK, TIMEOUTS, Clock, Peer, Run, client, failure, keeping, post, serving, until
from tests.transport.test_tls import Authority

SECRET = "hunter2"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


async def tunnel(peer: Peer, port: int) -> None:
    """Both ways, until one side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
            sink.close()

    try:
        await asyncio.gather(one_way(peer.reader, writer), one_way(reader, peer.writer))
    finally:
        writer.close()


def test_https_goes_through_a_tunnel(authority: Authority, run: Run) -> None:
    async def work() -> None:
        asked: list[bytes] = []
        async with serving(keeping([OK] * 2), tls=authority.settings("target.example")) as target:

            async def handler(peer: Peer) -> None:
                asked.append((await peer.request())[0])
                await peer.send(b"HTTP/1.1 200 Connection established\r\nvia: a\r\n\r\n")
                await tunnel(peer, target.port)

            async with serving(handler) as proxy, client() as transport:
                place = endpoint(
                    "https://target.example/v1",
                    ca_file=authority.file,
                    proxy=f"http://user:{SECRET}@127.0.0.1:{proxy.port}",
                )
                for _ in range(2):
                    assert await (await post(transport, place)).read() == b"hello"
        assert asked == [
            b"CONNECT target.example:443 HTTP/1.1\r\nhost: target.example:443\r\n"
            b"proxy-authorization: Basic dXNlcjpodW50ZXIy\r\n\r\n"
        ]

    run(work())


def test_the_target_of_a_tunnel_is_verified(authority: Authority, run: Run) -> None:
    async def work() -> None:
        async with serving(keeping([OK]), tls=authority.settings("other.example")) as target:

            async def handler(peer: Peer) -> None:
                await peer.answer(b"HTTP/1.1 200 OK\r\n\r\n")
                await tunnel(peer, target.port)

            async with serving(handler) as proxy, client() as transport:
                place = endpoint("https://target.example", ca_file=authority.file, proxy=proxy.url)
                error = await failure(post(transport, place))
                assert (error.upstream, error.accepted) == ("tls", False)

    run(work())


def test_http_sends_the_whole_url(run: Run) -> None:
    async def work() -> None:
        got: list[bytes] = []

        async def handler(peer: Peer) -> None:
            for _ in range(2):
                got.append((await peer.request())[0])
                await peer.send(OK)

        async with serving(handler) as proxy, client() as transport:
            place = endpoint("http://target.example:81/v1", proxy=f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
            for _ in range(2):
                assert await (await post(transport, place)).read() == b"hello"
            assert transport.stats.made == 1
        assert got[0].startswith(b"POST http://target.example:81/v1/chat HTTP/1.1\r\nhost: target.example:81\r\n")
        assert b"proxy-authorization: Basic dXNlcjpodW50ZXIy\r\n" in got[0]

    run(work())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nbytes that nobody asked for",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: " + b"b" * 20_000,
        b"",
    ],
    ids=["407", "403", "502", "more than the head", "cut", "HTTP/2", "SSH", "huge", "nothing"],
)
def test_a_proxy_that_says_no(answer: bytes, run: Run) -> None:
    async def handler(peer: Peer) -> None:
        await peer.answer(answer)

    async def work() -> None:
        async with serving(handler) as proxy, client() as transport:
            place = endpoint("https://target.example", proxy=f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
            error = await failure(post(transport, place))
            assert (error.upstream, error.accepted) == ("refused", False)
            assert f"the proxy 127.0.0.1:{proxy.port}" in str(error)
            assert SECRET not in str(error)
            assert SECRET not in str(error.as_dict())

    run(work())


def test_a_proxy_that_hangs(run: Run) -> None:
    async def work() -> None:
        clock = Clock()
        asked = asyncio.Event()

        async def handler(peer: Peer) -> None:
            await peer.request()
            asked.set()
            await peer.gone()

        async with serving(handler) as proxy, client(clock=clock) as transport:
            place = endpoint("https://target.example", proxy=proxy.url)
            task = asyncio.ensure_future(failure(post(transport, place)))
            await asked.wait()
            transport.sweep(clock.now + TIMEOUTS.connect)
            error = await task
            assert (error.upstream, error.accepted) == ("connect_timeout", False)
            await until(lambda: transport.stats.dialing == 0)

    run(work())


def test_a_proxy_is_not_asked_for_a_metadata_service(run: Run) -> None:
    from crossover.transport import Endpoint

    async def work() -> None:
        async with serving(keeping([OK])) as proxy, client() as transport:
            place = Endpoint(scheme="http", host="169.254.169.254", port=80, proxy=proxy.url)
            error = await failure(post(transport, place))
            assert (error.upstream, error.accepted) == ("refused", False)
            assert proxy.accepted == 0

    run(work())
