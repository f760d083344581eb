"""crossover serve as a process: what it says, how it ends, what it refuses. Every answered request is in its ledger."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from crossover.cli.serve import settings
from crossover.engines import discover
from crossover.ledger import keys
from crossover.ledger.store import open_ledger
from crossover.providers.answers import Answer
from crossover.providers.faulty import Fault, FaultyServer
from crossover.transport import Transport
from tests.cli.process import Process, running
from tests.cli.shell import quiet_home, refused
from tests.serving import config, in_thread, rows

LEDGER = Path("home") / "data" / "ledger.db"
Wait = Callable[[int], None]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)


class Upstream:
    """A model server in a thread that answers at once; what begins with "hang" waits for ``release``."""

    def __init__(self, server: FaultyServer, loop: asyncio.AbstractEventLoop) -> None:
        self.url = server.url
        self._server = server
        self._loop = loop

    def arrived(self, count: int) -> None:
        """Wait until so many requests have come."""
        asyncio.run_coroutine_threadsafe(self._server.arrived(count), self._loop).result(30)

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._server.release)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    def script(seen: object) -> Answer | Fault:
        words = seen.tree["messages"][0]["content"]  # type: ignore[attr-defined]
        return Fault(kind="slow_first_byte", answer=Answer(text=words)) if words == "hang" else Answer(text=words)

    with in_thread(lambda: FaultyServer("openai", script)) as (server, loop):
        (tmp_path / "crossover.toml").write_text(config(server.url))
        yield Upstream(server, loop)


def ask(url: str, words: str = "Hello", key: str = "", context: ssl.SSLContext | None = None) -> tuple[int, str]:
    """One request as any program sends it: status, and what was said."""
    place = urlsplit(url)
    assert place.hostname is not None
    if place.scheme == "https":
        line: http.client.HTTPConnection = http.client.HTTPSConnection(place.hostname, place.port, context=context)
    else:
        line = http.client.HTTPConnection(place.hostname, place.port)
    with closing(line):
        body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": words}]})
        line.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {key}"} if key else {})
        answer = line.getresponse()
        said = json.loads(answer.read())
    if answer.status != 200:
        return answer.status, str(said["error"]["message"])
    return answer.status, str(said["choices"][0]["message"]["content"])


def address(process: Process) -> str:
    """Where it says that it serves."""
    return process.until("Crossover serves ").split()[-1].removesuffix("/v1")


# -------------------------------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize(("name", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_order_and_no_row_is_lost(
    name: signal.Signals, code: int, upstream: Upstream, tmp_path: Path
) -> None:
    with running("serve", folder=tmp_path) as process:
        url = address(process)
        for number in range(20):
            assert ask(url, f"number {number}") == (200, f"number {number}")
        process.signal(name)
        done = process.done()
    assert done.code == code, done
    assert "Traceback" not in done.err
    assert done.err == ("" if code == 0 else "crossover: interrupted; nothing was left half-written\n")
    assert [row.status for row in rows(tmp_path / LEDGER)] == ["ok"] * 20
    with pytest.raises(ConnectionRefusedError):
        ask(url)


def test_what_is_under_way_is_finished_first(upstream: Upstream, tmp_path: Path) -> None:
    with running("serve", folder=tmp_path) as process, ThreadPoolExecutor() as pool:
        url = address(process)
        waiting: Future[tuple[int, str]] = pool.submit(ask, url, "hang")
        upstream.arrived(1)
        process.signal(signal.SIGTERM)
        refused_since(url)
        upstream.release()
        assert waiting.result(30) == (200, "hang")
        assert process.done().code == 0
    assert [row.status for row in rows(tmp_path / LEDGER)] == ["ok"]


def test_a_second_signal_ends_it_at_once(upstream: Upstream, tmp_path: Path) -> None:
    with running("serve", folder=tmp_path) as process, ThreadPoolExecutor() as pool:
        url = address(process)
        waiting = pool.submit(ask, url, "hang")
        upstream.arrived(1)
        process.signal(signal.SIGINT)
        refused_since(url)
        process.signal(signal.SIGINT)
        assert process.done().code == 130
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            waiting.result(30)
    assert [row.status for row in rows(tmp_path / LEDGER)] == ["cancelled"]


def refused_since(url: str) -> None:
    """Wait until nobody listens any more: the first signal has been heard."""
    place = urlsplit(url)
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((place.hostname, place.port)) != 0:
                return


# --------------------------------------------------------------------------------------------------------- what it says


def test_the_greeting_names_everything_that_can_be_asked_for(upstream: Upstream, tmp_path: Path) -> None:
    with running("serve", "--port", "0", folder=tmp_path) as process:
        process.until("Try:")
        process.signal(signal.SIGTERM)
        out = process.done().out
    assert "auto       → api (local_first)" in out
    assert "the-model  → api (pinned)" in out
    assert "No key is needed from this machine; nobody else is served." in out
    assert '"model": "auto"' in out


def test_with_a_key_the_greeting_says_so_and_nobody_else_is_served(upstream: Upstream, tmp_path: Path) -> None:
    with open_ledger(tmp_path / "own.db") as book:
        _, secret = keys.create(book, "mine")
    with running("serve", "--ledger", "own.db", folder=tmp_path) as process:
        url = address(process)
        process.until("A key is needed.")
        assert ask(url) == (401, "an API key is needed. Send Authorization: Bearer KEY")
        assert ask(url, key=secret) == (200, "Hello")
        process.signal(signal.SIGTERM)
        done = process.done()
    assert secret not in done.out + done.err
    assert rows(tmp_path / "own.db")[-1].status == "ok"
    assert not (tmp_path / LEDGER).exists()


def test_quiet_says_nothing(upstream: Upstream, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    with running("serve", "--quiet", "--port", str(port), folder=tmp_path) as process:
        while True:
            try:
                assert ask(f"http://127.0.0.1:{port}") == (200, "Hello")
                break
            except ConnectionRefusedError:
                continue
        process.signal(signal.SIGTERM)
        assert process.done() == (0, "", "")


def test_tls_by_files(upstream: Upstream, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(tmp_path / "cert.pem"), append=True)
    text = config(upstream.url).replace("port = 0", 'port = 0\ntls_cert = "cert.pem"\ntls_key = "key.pem"')
    (tmp_path / "crossover.toml").write_text(text)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with running("serve", folder=tmp_path) as process:
        url = address(process)
        assert url.startswith("https://")
        assert ask(url, context=context) == (200, "Hello")
        process.signal(signal.SIGTERM)
        assert process.done().code == 0


def test_a_changed_configuration_is_taken_and_a_wrong_one_is_said(upstream: Upstream, tmp_path: Path) -> None:
    file = tmp_path / "crossover.toml"
    right = file.read_text()
    with running("serve", folder=tmp_path) as process:
        url = address(process)
        process.until("Try:")
        file.write_text("policy = 3")
        complaint = process.complains("was not taken")
        assert "crossover.toml:1, field policy" in complaint
        assert ask(url) == (200, "Hello")
        file.write_text(right.replace("[aliases.auto]", "[aliases.other]"))
        process.complains("new configuration")
        assert ask(url)[0] == 404
        process.signal(signal.SIGTERM)
        assert process.done().code == 0


# ------------------------------------------------------------------------------------------------------------ bad input


def test_a_port_that_is_taken(upstream: Upstream, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        said = refused("serve", "--port", str(port))
    assert f"127.0.0.1:{port} cannot be listened on" in said
    assert "Choose another with --port" in said
    assert not (tmp_path / LEDGER).exists(), "nothing was started"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--config", "absent.toml"), "absent.toml"),
        (("--port", "99999"), "port"),
        (("--port", "-1"), "port"),
        (("--port", "many"), "--port"),
        (("--host", "0.0.0.0"), "require_keys"),
        (("--host", "not a host"), "host"),
        (("surplus",), "surplus"),
    ],
)
def test_flags_that_cannot_be(words: tuple[str, ...], said: str, upstream: Upstream) -> None:
    assert said in refused("serve", *words)


def test_a_file_that_is_wrong_is_one_sentence_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "crossover.toml").write_text("\n\npolicy = 'cheep'\n")
    said = refused("serve")
    assert "crossover.toml:3, field policy" in said
    assert "cheapest" in said


def test_a_model_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "crossover.toml").write_text(
        '[server]\nport = 0\n[zones.own]\noperator = "own"\n[deployments.a]\nprovider = "embedded"\n'
        'model = "nothing.gguf"\nzone = "own"\n[aliases.auto]\ndeployments = ["a"]\n'
    )
    assert "nothing.gguf: deployment a: no model file of this name" in refused("serve")


def test_a_ledger_that_is_none(upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is not a database, and it is long enough to be read as one" * 100)
    with running("serve", "--ledger", "text.db", folder=tmp_path) as process:
        done = process.done()
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("crossover: text.db: this is not a ledger")
    assert done.err.count("\n") == 1


# ---------------------------------------------------------------------------------------------- without a configuration


def test_without_a_file_the_embedded_model_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(transport: Transport, **_more: object) -> object:
        return await discover.discover(transport, ports=[])

    monkeypatch.setattr("crossover.runtime.found.discover", nothing)
    loaded = asyncio.run(settings(None, None, 0))
    assert loaded.file is None
    assert loaded.settings.server.port == 0
    assert list(loaded.settings.deployments) == ["embedded"]
    assert "no crossover.toml and no engine on this machine" in loaded.notes[0]
