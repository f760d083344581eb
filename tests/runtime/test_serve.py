"""``serve`` from start to end: what cannot be opened says so and leaves nothing open; signals end it in order."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import sys
from pathlib import Path

import pytest
import trustme

from crossover.config import Paths
from crossover.config.load import load
from crossover.errors import CrossoverError, FileError, InputError, StoreError
from crossover.providers.faulty import Fault, FaultyServer
from crossover.runtime.serve import serve
from crossover.runtime.station import Station
from tests.cli.process import running
from tests.gateway.house import chat, configured, connected, deployed, house, records, request, run

ENV = {"KEY": "k"}
URL = "http://127.0.0.1:9"


async def refusing(url: str) -> None:
    """Until nobody listens there any more."""
    while True:
        try:
            async with connected(url):
                await asyncio.sleep(0.005)
        except ConnectionError:
            return


def failing(text: str, folder: Path) -> CrossoverError:
    """The error with which it does not start."""
    paths = Paths(config=folder, data=folder, models=folder)
    with pytest.raises(CrossoverError) as caught:
        asyncio.run(serve(load(text, ENV), paths, ledger=folder / "ledger.db"))
    return caught.value


def test_a_port_that_is_taken_is_said_and_costs_nothing(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        error = failing(configured(deployed("a", URL)).replace("port = 0", f"port = {port}"), tmp_path)
    assert isinstance(error, InputError)
    assert f"127.0.0.1:{port} cannot be listened on" in error.sentence()
    assert "--port" in error.sentence()
    assert not (tmp_path / "ledger.db").exists()


@pytest.mark.parametrize("content", [b"", b"no certificate"])
def test_a_certificate_that_is_none_is_said(tmp_path: Path, content: bytes) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_bytes(content)
    tls = f'port = 0\ntls_cert = "{tmp_path}/cert.pem"\ntls_key = "{tmp_path}/key.pem"'
    error = failing(configured(deployed("a", URL)).replace("port = 0", tls), tmp_path)
    assert isinstance(error, FileError)
    assert "cannot be used for TLS" in error.sentence()


def test_a_ledger_that_is_none_is_said_and_the_port_given_back(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database at all" * 100)
    assert isinstance(failing(configured(deployed("a", URL)), tmp_path), StoreError)


def test_a_deployment_that_cannot_be_built_leaves_nothing_open(tmp_path: Path) -> None:
    text = configured(deployed("a", URL)).replace('provider = "openai-compatible"', 'provider = "embedded"')
    text = text.replace(f'base_url = "{URL}/v1"', "").replace('zone = "away"', 'zone = "here"')
    text = text.replace("price.input = 1.0\nprice.output = 2.0\n", "").replace('api_key = "${KEY}"', "")
    error = failing(text, tmp_path)
    assert "no model file" in error.sentence()


def test_tls_by_files(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    tls = f'port = 0\ntls_cert = "{tmp_path}/cert.pem"\ntls_key = "{tmp_path}/key.pem"'

    async def work() -> None:
        async with FaultyServer("openai") as server:
            text = configured(deployed("a", server)).replace("port = 0", tls)
            async with house(text, tmp_path, environ=ENV) as at:
                assert at.url.startswith("https://")
                async with connected(at.url, context) as client:
                    for stream in (False, True):
                        client.send(request("POST", "/v1/chat/completions", chat(stream=stream)))
                        assert (await client.answer()).text == "All is well."

    run(work())


def test_ipv6(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 on this machine")

    async def work() -> None:
        async with FaultyServer("openai") as server:
            text = configured(deployed("a", server)).replace("port = 0", 'port = 0\nhost = "::1"')
            async with house(text, tmp_path, environ=ENV) as at:
                assert at.url.startswith("http://[::1]:")
                reader, writer = await asyncio.open_connection("::1", int(at.url.rsplit(":", 1)[1]))
                writer.write(b"GET /v1/models HTTP/1.1\r\nhost: [::1]:80\r\nconnection: close\r\n\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 200")
                writer.close()
                await writer.wait_closed()

    run(work())


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("second", [True, False])
def test_the_first_signal_waits_for_answers_and_the_second_does_not(tmp_path: Path, second: bool) -> None:
    file, ledger = tmp_path / "crossover.toml", tmp_path / "ledger.db"

    async def work() -> None:
        async with FaultyServer("openai", Fault(kind="stall")) as server:
            file.write_text(configured(deployed("a", server), drain=60.0))
            words = ("serve", "--config", str(file), "--ledger", str(ledger))
            with running(*words, folder=tmp_path, environ=ENV) as process:
                line = await asyncio.to_thread(process.until, "Crossover serves")
                async with connected(line.split()[2].removesuffix("/v1")) as client:
                    client.send(request("POST", "/v1/chat/completions", chat(stream=True)))
                    await client.reader.readuntil(b"All")
                    process.signal(signal.SIGTERM)
                    await refusing(line.split()[2].removesuffix("/v1"))  # it has heard the first
                    if second:
                        process.signal(signal.SIGTERM)
                        await server.journal[0].gone.wait()
                    else:
                        server.release()
                        assert b"[DONE]" in await client.reader.read()
                done = await asyncio.to_thread(process.done)
                assert done.code == 0, done
        (row,) = records(ledger)
        assert row.status == ("cancelled" if second else "ok")

    run(work())


def test_work_beside_the_requests_that_ends_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_station: Station) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(Station, "watch_engines", broken)

    async def work() -> None:
        async with (
            FaultyServer("openai") as server,
            house(configured(deployed("a", server)), tmp_path, environ=ENV) as at,
        ):
            assert (await at.chat(chat())).status == 200

    run(work())
    assert "the watch over engines has ended: ValueError" in caplog.text
    assert "secret" not in caplog.text
