"""crossover dashboard: a link that opens, and every mistake in one sentence."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import httpx
import pytest

from crossover.runtime.dashboard import listen
from tests.cli.process import PATIENCE_S, running
from tests.cli.shell import call, quiet_home, refused
from tests.dashboard import parts


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)


def test_the_link_opens_the_ledger_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    path = parts.ledger_of_a_week(tmp_path / "ledger.db", 20)
    with running("dashboard", "--ledger", str(path), "--port", "0", folder=tmp_path) as process:
        found = re.search(r"(http://127\.0\.0\.1:\d+)/login#(xod-\S+)", process.until("Open"))
        assert found is not None
        with httpx.Client(base_url=found[1], timeout=PATIENCE_S) as client:
            assert client.post("/login", data={"token": found[2]}, headers={"origin": found[1]}).status_code == 303
            page = client.get("/?period=all").text
        assert "Paid to APIs" in page
        assert "read only" in page
        process.signal(signal.SIGINT)
        done = process.done()
    assert done.code == 130
    assert "Traceback" not in done.err
    assert not (tmp_path / "home").exists()  # a token of one run leaves nothing behind


def test_a_ledger_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = call("dashboard", "--ledger", str(tmp_path / "none.db"))
    assert done.code == 1
    assert "there is no ledger here yet" in done.err
    assert done.err.count("\n") == 1


def test_a_new_token_is_printed_once(tmp_path: Path) -> None:
    first, second = (call("dashboard", "--new-token").out.strip() for _ in range(2))
    assert first.startswith("xod-")
    assert first != second
    assert second not in (tmp_path / "home" / "data" / "dashboard.json").read_text()


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    path = parts.empty_ledger(tmp_path / "ledger.db")
    with listen(0) as taken:
        said = refused("dashboard", "--ledger", str(path), "--port", str(taken.getsockname()[1]))
    assert "cannot be listened on" in said
