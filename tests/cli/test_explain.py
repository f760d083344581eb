"""crossover explain: one request whole, from real rows; ids by their beginning, hostile text, wrong ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossover.cli.explain import _show
from crossover.ledger.words import Alternative, AttemptRow, Record
from crossover.providers.faulty import FaultyServer
from tests.cli.shell import call, quiet_home, refused
from tests.ledger.parts import local, opened, record, write
from tests.serving import config, in_thread, rows

LEDGER = Path("home") / "data" / "ledger.db"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)


def story(request_id: str, *words: str) -> str:
    """What is said, on one line: where lines break is not what is tested."""
    done = call("explain", request_id, *words)
    assert (done.code, done.err) == (0, ""), done
    return " ".join(done.out.split())


def book(*records: Record) -> None:
    LEDGER.parent.mkdir(parents=True, exist_ok=True)
    with opened(LEDGER) as ledger:
        write(ledger, records)


def test_a_fallback_from_end_to_end(tmp_path: Path) -> None:
    """A real walk: the preferred deployment refuses connections, the other one answers."""
    down = '[deployments.down]\nprovider = "openai-compatible"\nmodel = "m"\nzone = "cloud"\nquality = 9\n'
    down += 'base_url = "http://127.0.0.1:9/v1"\nprice = { input = 1, output = 4 }\n'
    best = '[aliases.best]\ndeployments = ["down", "api"]\npolicy = "quality_first"\n'
    with in_thread(lambda: FaultyServer("openai")) as (server, _):
        (tmp_path / "crossover.toml").write_text(config(server.url, deployment=down, more=best))
        assert call("chat", "--model", "best", "hello").code == 0
    (row,) = rows(tmp_path / LEDGER)
    said = story(row.id)
    assert f"Request {row.id}, " in said
    assert "through the python door" in said
    assert "Asked for best (streamed)" in said
    assert "Decision quality_first: down, its stated quality is highest" in said
    assert "Answered by api (openai-compatible, the-model) in zone cloud, paid by the token" in said
    assert "Tokens 12 in; 4 out" in said
    assert "Price $0.000056 (crossover.toml)" in said
    assert "down refused" in said
    assert "api ok 200" in said
    assert "Not asked" not in said, "who was asked in vain is among the attempts"
    assert "down $0.000028 yes" in said


def test_an_own_machine_costs_a_share_of_its_hour_and_nothing_more() -> None:
    book(local("req_1", refused=(("far", "blocked by a rule"),), tier="hard", categories=("health",), key="key_1"))
    said = story("req_1")
    assert "Sensitivity hard (health)" in said
    assert "Key key_1" in said
    assert "own machine" in said
    assert "Price $0.000009 (list); nothing had to be paid for it" in said
    assert "Not asked deployment reason far blocked by a rule" in said
    assert "Elsewhere it would have cost deployment price permitted mini $0.000027 yes" in said


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"status": "cancelled", "http_status": 499}, "Result cancelled (HTTP 499)"),
        ({"status": "error", "error": "refused", "http_status": 502}, "Result error refused (HTTP 502)"),
        ({"deployment": "", "cost_known": False, "price_source": ""}, "Answered by nobody"),
        ({"deployment": "", "cost_known": False, "price_source": ""}, "Price not known (nobody answered)"),
        ({"deployment": "", "cost": 0, "marginal": 0, "price_source": ""}, "Price $0 Attempts"),
        ({"decision": ""}, "Decision none was made"),
        ({"dropped": ("seed", "top_k")}, "Left out seed, top_k: the deployment has no word for it"),
        ({"input_basis": "estimated"}, "100 in (estimated); 20 out"),
        ({"cached_read": 60, "reasoning": 5}, "100 in, 60 of them cached; 20 out, 5 of them reasoning"),
        ({"ttft_ms": 0.0}, "0 ms waiting, whole after 800 ms"),
        ({"marginal": 1_000_000}, "$0.000001 had to be paid for it"),
    ],
)
def test_every_kind_of_end(facts: dict[str, Any], words: str) -> None:
    book(record("req_1", **facts))
    assert words in story("req_1")


def test_the_beginning_of_an_id_is_enough_where_it_is_one() -> None:
    book(record("req_abc1"), record("req_abc2"), record("req_xyz"))
    assert "Request req_xyz, " in story("req_x")
    assert "Request req_abc1, " in story("req_abc1")
    said = refused("explain", "req_abc")
    assert "several requests begin with 'req_abc'" in said
    assert "req_abc1" in said
    assert "req_abc2" in said


def test_without_an_id_the_request_whose_row_came_last() -> None:
    book(record("req_old", time=1_800_000_000.0), record("req_new", time=1_805_000_000.0))
    assert "Request req_new, " in story("latest")
    done = call("explain", "--json")
    assert json.loads(done.out)["id"] == "req_new"
    book(record("req_older_and_longer", time=1_804_999_000.0))  # began before, ended after
    assert "Request req_older_and_longer, " in story("latest")


def test_the_latest_of_none() -> None:
    book()
    assert "no request is in" in refused("explain")


def test_json_is_the_row_whole() -> None:
    book(local("req_1"))
    said = json.loads(call("explain", "req_1", "--json").out)
    assert (said["id"], said["deployment"], said["cost"]) == ("req_1", "box", 9_000_000)
    assert said["attempts"][0]["outcome"] == "ok"
    assert said["alternatives"][0]["deployment"] == "mini"


@pytest.mark.parametrize("id_", ["req_2", "%", "_", "'; DROP TABLE records --", ""])
def test_an_id_that_no_row_has(id_: str) -> None:
    book(record("req_1"), record("other"))
    assert f"no request {id_!r}" in refused("explain", id_) or id_ == ""


def test_a_ledger_that_is_not_there(tmp_path: Path) -> None:
    done = call("explain", "req_1", "--ledger", "absent.db")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("crossover: absent.db: ")
    assert not (tmp_path / "absent.db").exists()
    assert call("explain", "--ledger", "absent.db").err == done.err


def test_text_from_outside_is_neither_markup_nor_a_command_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    nasty = "[bold red]x[/]\x1b]0;owned\x07\u202e"
    _show(
        record(
            "req_1",
            asked=nasty,
            decision=nasty,
            refused=((nasty, nasty),),
            dropped=(nasty,),
            alternatives=(Alternative(nasty, 1),),
            attempts=(AttemptRow(deployment=nasty, outcome=nasty, start_ms=0, duration_ms=1),),
        )
    )
    out = capsys.readouterr().out
    assert "[bold red]x[/]" in out
    assert not set("\x1b\x07\u202e") & set(out)


def test_what_was_said_is_shown_only_where_it_is_kept(tmp_path: Path) -> None:
    with in_thread(lambda: FaultyServer("openai")) as (server, _):
        (tmp_path / "crossover.toml").write_text(config(server.url))
        assert call("chat", "--model", "api", "a question of mine").code == 0
        (tmp_path / "crossover.toml").write_text(config(server.url, more="[retention]\nbodies = true\n"))
        assert call("chat", "--model", "api", "another question").code == 0
    first, second = rows(tmp_path / LEDGER)
    assert "question of mine" not in story(first.id)
    said = story(second.id)
    assert '"content":"another question"' in said
    assert "Answer" in said
    plain = json.loads(call("explain", second.id, "--json").out)
    assert plain["answer"]
    assert "another question" in plain["question"]
    assert "answer" not in json.loads(call("explain", first.id, "--json").out)
