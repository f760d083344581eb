"""From a name to a connection: what is not there, and what must never be reached."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from crossover.transport import Endpoint, endpoint
from tests.transport.servers import (
    OK,
    Run,
    client,
    failure,
    keeping,
    post,
    serving,
)

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def test_nobody_listens(run: Run) -> None:
    async def work() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, but not listening
            async with client() as transport:
                place = endpoint(f"http://127.0.0.1:{taken.getsockname()[1]}")
                error = await failure(post(transport, place))
                assert (error.upstream, error.accepted) == ("refused", False)
                assert "Connection refused" in str(error)
                assert transport.stats == transport.stats.__class__(busy=0, idle=0, dialing=0, made=0)

    run(work())


def _resolving(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str]]) -> None:
    """Names lead where a test says; both loops ask the same function."""

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        if host not in answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        families = {"4": socket.AF_INET, "6": socket.AF_INET6}
        return [(families["6" if ":" in a else "4"], socket.SOCK_STREAM, 6, "", (a, port)) for a in answers[host]]

    monkeypatch.setattr("crossover.transport.dial._getaddrinfo", getaddrinfo)


def test_a_name_that_leads_nowhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving(monkeypatch, {})

    async def work() -> None:
        async with client() as transport:
            error = await failure(post(transport, endpoint("http://nowhere.example")))
            assert (error.upstream, error.accepted) == ("refused", False)
            assert str(error) == "no address is known for the host nowhere.example: Name or service not known"

    run(work())


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1%1", "::ffff:169.254.169.254", "fd00:ec2::254"])
def test_a_name_that_leads_to_a_metadata_service(address: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving(monkeypatch, {"rebound.example": ["127.0.0.1", address]})

    async def work() -> None:
        async with client() as transport:
            error = await failure(post(transport, endpoint("http://rebound.example:1")))
            assert (error.upstream, error.accepted) == ("refused", False)
            assert "never connected to" in str(error)

    run(work())


def test_an_endpoint_made_by_hand_is_checked_at_the_latest_when_it_is_used(run: Run) -> None:
    async def work() -> None:
        async with client() as transport:
            place = Endpoint(scheme="http", host="169.254.169.254", port=80)
            assert "never connected to" in str(await failure(post(transport, place)))

    run(work())


def test_the_first_address_that_answers_is_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolving(monkeypatch, {"two.example": ["::1", "127.0.0.1"], "dead.example": ["::1", "127.0.0.2"]})

    async def work() -> None:
        async with serving(keeping([OK])) as server, client() as transport:
            place = endpoint(f"http://two.example:{server.port}")  # nobody listens on ::1
            assert await (await post(transport, place)).read() == b"hello"
            place = endpoint(f"http://dead.example:{server.port}")
            error = await failure(post(transport, place))
            assert (error.upstream, error.accepted) == ("refused", False)

    run(work())


def test_a_unix_socket(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        path = str(tmp_path / "s")
        async with serving(keeping([OK, OK]), uds=path) as server, client() as transport:
            place = Endpoint(scheme="http", host="localhost", port=80, uds=path)
            for _ in range(2):
                assert await (await post(transport, place)).read() == b"hello"
            assert server.accepted == 1
            gone = Endpoint(scheme="http", host="localhost", port=80, uds=path + "-gone")
            assert (await failure(post(transport, gone))).upstream == "refused"

    run(work())
