"""crossover chat: here and through a gateway, whole and streamed, piped and typed; every mistake is one sentence."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from crossover.ledger import keys
from crossover.ledger.store import open_ledger
from crossover.providers.answers import Answer
from crossover.providers.faulty import Fault, FaultyServer, Seen
from tests.cli.process import PATIENCE_S, START
from tests.cli.shell import call, quiet_home, refused
from tests.serving import config, gateway, in_thread, rows

LEDGER = Path("home") / "data" / "ledger.db"
TOLD = "[api in cloud · local_first: api, the only one on the list · $0.000056 · req_"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.delenv("CROSSOVER_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


def answer(seen: Seen) -> Answer | Fault:
    """Says the last message again; a "cut" breaks off after two words, an "error" is one."""
    words = seen.tree["messages"][-1]["content"]
    if words.startswith("cut"):
        return Fault(kind="cut", after=2, answer=Answer(text=words))
    return Fault(kind="server_error") if words.startswith("error") else Answer(text=words)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[FaultyServer]:
    with in_thread(lambda: FaultyServer("openai", answer)) as (server, _):
        (tmp_path / "crossover.toml").write_text(config(server.url))
        yield server


@pytest.fixture
def url(upstream: FaultyServer, tmp_path: Path) -> Iterator[str]:
    """The address of a gateway before the upstream."""
    text = (tmp_path / "crossover.toml").read_text()
    (tmp_path / "crossover.toml").unlink()
    with in_thread(lambda: gateway(tmp_path, text)) as (opened, _):
        yield opened.url


def piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


# ------------------------------------------------------------------------------------------------------------- answers


def test_the_answer_on_stdout_and_where_it_came_from_on_stderr(upstream: FaultyServer, tmp_path: Path) -> None:
    done = call("chat", "how", "are", "you", "--system", "Be brief.", "--max-tokens", "9")
    assert (done.code, done.out) == (0, "how are you\n")
    assert done.err.startswith(TOLD)
    asked = upstream.journal[0].tree
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "how are you"},
    ]
    assert asked["max_tokens"] == 9
    assert asked["stream"] is True
    (row,) = rows(tmp_path / LEDGER)
    assert (row.status, row.streamed, row.door) == ("ok", True, "python")


def test_json_holds_the_answer_its_usage_and_its_price(upstream: FaultyServer) -> None:
    done = call("chat", "--json", "hello")
    assert (done.code, done.err) == (0, "")
    said = json.loads(done.out)
    assert (said["text"], said["finish"], said["model"]) == ("hello", "stop", "the-model")
    assert (said["usage"]["input"], said["usage"]["output"]) == (12, 4)
    assert (said["served"]["deployment"], float(said["served"]["cost"])) == ("api", 0.000056)


def test_a_prompt_may_be_piped_in(upstream: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, "first line\nsecond line\n")
    assert call("chat").out == "first line\nsecond line\n"
    piped(monkeypatch, "piped\n")
    assert json.loads(call("chat", "--json").out)["text"] == "piped"
    piped(monkeypatch, " \n ")
    assert "there is nothing to ask" in refused("chat")


def test_words_win_over_what_is_piped(upstream: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, "piped\n")
    assert call("chat", "typed").out == "typed\n"


def test_policy_and_model(upstream: FaultyServer) -> None:
    assert "· cheapest: api, the only one on the list ·" in call("chat", "hello", "--policy", "cheapest").err
    assert "· pinned: api, the policy names it and no other ·" in call("chat", "hello", "--model", "the-model").err


def test_through_a_gateway(url: str, tmp_path: Path) -> None:
    done = call("chat", "hello", "--url", url)
    assert (done.code, done.out) == (0, "hello\n")
    assert done.err.startswith(TOLD)
    bare = url.removeprefix("http://")
    said = json.loads(call("chat", "hello", "--json", "--url", f"{bare}/v1").out)
    assert float(said["served"]["cost"]) == 0.000056
    assert not (tmp_path / LEDGER).exists(), "the gateway has the rows"


def test_the_key_of_a_gateway_is_read_from_the_environment(
    upstream: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ledger(tmp_path / "gateway.db") as book:
        _, secret = keys.create(book, "mine")
    text = (tmp_path / "crossover.toml").read_text()
    with in_thread(lambda: gateway(tmp_path, text)) as (opened, _):
        without = call("chat", "hello", "--url", opened.url)
        assert (without.code, without.out) == (1, "")
        assert "an API key is needed" in without.err
        monkeypatch.setenv("CROSSOVER_API_KEY", secret)
        done = call("chat", "hello", "--url", opened.url)
    assert (done.code, done.out) == (0, "hello\n")
    assert secret not in done.err


def test_the_embedded_model_answers(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    (tmp_path / "crossover.toml").write_text(
        '[zones.own]\noperator = "own"\n[deployments.tiny]\nprovider = "embedded"\nmodel = "crossover-tiny"\n'
        'zone = "own"\n[aliases.auto]\ndeployments = ["tiny"]\n'
    )
    done = call("chat", "classify: Where is my parcel?", "--max-tokens", "8")
    assert done.code == 0
    assert done.out.strip()
    assert "[tiny in own · local_first: tiny, the only one on the list · no price stated · req_" in done.err
    (row,) = rows(tmp_path / LEDGER)
    assert (row.local, row.status, row.marginal) == (True, "ok", 0)


# ------------------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policy", "cheep"), "--policy: unknown policy 'cheep'. Did you mean cheapest?"),
        (("--sensitivity", "hrd"), "--sensitivity: unknown sensitivity label 'hrd'. Did you mean hard?"),
        (("--max-tokens", "0"), "--max-tokens"),
        (("--config", "absent.toml"), "absent.toml"),
        (("--url", "ftp://nowhere"), "ftp"),
        (("--url", "http://127.0.0.1:1", "--config", "a.toml"), "a gateway has its own configuration"),
    ],
)
def test_flags_that_cannot_be(words: tuple[str, ...], said: str, upstream: FaultyServer) -> None:
    assert said in refused("chat", "hello", *words)
    assert upstream.journal == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hello", "--model", "nobody"), "no model 'nobody' here"),
        (("hello", "--sensitivity", "hard"), "labelled hard"),
        (("hello", "--sensitivity", "local_only, none"), "must stay local"),
        (("error",), "something broke"),
    ],
)
def test_what_is_not_answered(words: tuple[str, ...], said: str, upstream: FaultyServer) -> None:
    done = call("chat", *words)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("crossover: ")
    assert said in done.err
    assert done.err.count("\n") == 1
    as_json = call("chat", "--json", *words)
    assert as_json.code == 1
    assert json.loads(as_json.out)["exit_code"] == 1


def test_an_answer_that_breaks_off_is_an_error_below_what_came(upstream: FaultyServer, tmp_path: Path) -> None:
    done = call("chat", "cut after two words")
    assert (done.code, done.out) == (1, "cut after \n")
    assert done.err.startswith("crossover: ")
    assert [row.status for row in rows(tmp_path / LEDGER)] == ["truncated"]


def test_nobody_listens_there() -> None:
    done = call("chat", "hello", "--url", "127.0.0.1:1")
    assert (done.code, done.out) == (1, "")
    assert done.err == "crossover: no connection to 127.0.0.1:1: Connection refused\n"


def test_json_is_for_one_question(monkeypatch: pytest.MonkeyPatch, upstream: FaultyServer) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Screen())
    done = call("chat", "--json")
    assert done.code == 2
    assert "--json needs a prompt" in done.err


# ------------------------------------------------------------------------------------------------------- line by line


class Terminal:
    """A person at a terminal: types lines, reads what is said."""

    def __init__(self, master: int, popen: subprocess.Popen[bytes]) -> None:
        self._master = master
        self._popen = popen
        self.said = ""
        self._read = 0

    def until(self, text: str) -> None:
        """Read until the terminal shows this, behind what was waited for before."""
        while (at := self.said.find(text, self._read)) < 0:
            try:
                piece = os.read(self._master, 4096)
            except OSError:
                piece = b""
            assert piece, f"it ended without saying {text!r}: {self.said}"
            self.said += piece.decode("utf-8", "replace")
        self._read = at + len(text)

    def types(self, text: str) -> None:
        os.write(self._master, text.encode())

    def press_ctrl_c(self) -> None:
        """As a person does: once more where nothing happens (the line editor may miss one as it begins to wait)."""
        while self._popen.poll() is None:
            self._popen.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(5)

    def ended(self) -> int:
        """Its exit code."""
        return self._popen.wait()


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    """``crossover chat`` at a terminal."""
    master, slave = pty.openpty()
    env = {
        "HOME": str(folder), "CROSSOVER_HOME": str(folder / "home"), "NO_COLOR": "1", "PATH": "", "TERM": "dumb",
        "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip
    popen = subprocess.Popen(
        [sys.executable, "-c", START, "chat"], cwd=folder, env=env, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    watchdog = threading.Timer(PATIENCE_S, popen.kill)
    watchdog.start()
    try:
        with popen:
            yield Terminal(master, popen)
            popen.kill()
    finally:
        popen.kill()
        popen.wait()
        watchdog.cancel()
        watchdog.join()
        os.close(master)


def test_a_conversation_goes_on_and_ends_with_ctrl_d(upstream: FaultyServer, tmp_path: Path) -> None:
    with terminal(tmp_path) as person:
        person.until("› ")
        for words, said in (("hello", "req_"), ("error now", "crossover: "), ("again", "req_")):
            person.types(f"{words}\n")
            person.until(said)
            person.until("› ")
        person.types("\x04")
        assert person.ended() == 0
    last = upstream.journal[-1].tree["messages"]
    assert [row["content"] for row in last] == ["hello", "hello", "again"], "what failed is not repeated"
    assert [row.status for row in rows(tmp_path / LEDGER)] == ["ok", "error", "ok"]


def test_an_empty_line_ends_it(upstream: FaultyServer, tmp_path: Path) -> None:
    with terminal(tmp_path) as person:
        person.until("› ")
        person.types("\n")
        assert person.ended() == 0


def test_ctrl_c_at_the_prompt_ends_it_at_once(upstream: FaultyServer, tmp_path: Path) -> None:
    with terminal(tmp_path) as person:
        person.until("› ")
        person.press_ctrl_c()
        person.until("interrupted")
        assert person.ended() == 130
