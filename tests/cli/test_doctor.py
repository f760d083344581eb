"""``crossover doctor``: a real embedded engine, an Ollama that answers like one, and everything that can be broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossover.engines.words import Found
from crossover.ledger.store import open_ledger
from crossover.providers.faulty import FaultyServer
from tests.cli.shell import Done, call, quiet_home, refused
from tests.cli.test_loadtest import beside
from tests.engines.servers import Asked, Said, serving

ZONES = '[zones.here]\noperator = "own"\n[zones.there]\noperator = "provider"\nparty = "openai"\n'
TAGS = {"models": [{"name": "llama3.1:8b", "size": 5_000_000_000, "digest": "abc", "details": {}}]}
SHOW = {
    "capabilities": ["completion"],
    "model_info": {"general.architecture": "llama", "llama.context_length": 131072},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)

    async def nothing(*_words: Any, **_more: Any) -> tuple[()]:
        return ()

    monkeypatch.setattr("crossover.runtime.found.discover", nothing)  # whatever runs on the machine of the tests


def configured(*rows: str) -> None:
    Path("crossover.toml").write_text(ZONES + "".join(rows), encoding="utf-8")


def row(name: str, provider: str, url: str = "", **more: str) -> str:
    facts = {"provider": provider, "model": "m", "zone": "here", **({"base_url": url} if url else {}), **more}
    return f"[deployments.{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in facts.items())


def checks(done: Done) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["subject"], one["check"]): one for one in json.loads(done.out)["checks"]}


def ollama(asked: Asked) -> Said:
    """An old Ollama with one loaded model, which streams an answer of five tokens."""
    table: dict[str, Any] = {
        "/api/tags": TAGS, "/api/show": SHOW, "/api/version": {"version": "0.11.0"},
        "/api/ps": {"models": [{"name": "llama3.1:8b", "context_length": 4096}]},
    }  # fmt: skip
    if asked.path == "/":
        return Said(body=b"Ollama is running")
    if asked.path in table:
        return Said(body=table[asked.path])
    if asked.path != "/api/chat":
        return Said(404)
    lines = [{"model": "m", "message": {"role": "assistant", "content": "so "}, "done": False}] * 5
    end = {
        "model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop",
        "prompt_eval_count": 70, "eval_count": 5,
    }  # fmt: skip
    streamed = json.loads(asked.body).get("stream", True)
    whole = {**end, "message": {"role": "assistant", "content": "so so"}}
    text = "".join(json.dumps(one) + "\n" for one in ([*lines, end] if streamed else [whole]))
    return Said(body=text.encode(), headers={"content-type": "application/x-ndjson"})


def test_the_embedded_engine_is_measured(tmp_path: Path) -> None:
    configured(row("tiny", "embedded", model="crossover-tiny"))
    done = call("doctor", "tiny", "--json")
    assert done.code == 0, done
    found = json.loads(done.out)
    (place,) = found["places"]
    assert (place["n"], place["logprobs"], place["failed"]) == (4, True, "")
    assert place["ttft_s"] > 0
    assert place["tokens_per_s"] > 0
    assert "first token after" in checks(done)["tiny", "answers"]["says"]
    assert checks(done)["Ledger", "ledger"]["says"].startswith("none yet")
    assert not (tmp_path / "home" / "data").exists(), "looking makes nothing"


def test_an_old_ollama_with_a_small_context_is_told(tmp_path: Path) -> None:
    with serving(ollama) as server:
        configured(row("llama", "ollama", f"{server.url}/api", model="llama3.1:8b"))
        done = call("doctor", "llama", "--json")
        chats = [one for one in server.asked if one.path == "/api/chat"]
    assert done.code == 0, done
    found = checks(done)
    assert found["llama", "answers"]["state"] == "ok"
    assert "4,096 tokens of context of the 131,072" in found["llama", "context"]["says"]
    assert "deployments.llama.context" in found["llama", "context"]["fix"]
    assert "0.12.11 or newer" in found["llama", "version"]["fix"]
    assert found["llama", "logprobs"]["state"] == "note"
    assert len(chats) == 6, "five short requests, and one for log-probabilities"


def test_what_does_not_answer_is_broken_and_ends_with_three(tmp_path: Path) -> None:
    configured(row("dead", "vllm", "http://127.0.0.1:9/v1"), row("other", "openai-compatible", "http://127.0.0.1:9/v1"))
    done = call("doctor")
    assert done.code == 3
    assert "BROKEN  dead (vLLM): nothing answers at http://127.0.0.1:9/v1" in done.out
    assert "BROKEN  other (" in done.out
    assert "2 things are broken" in done.out
    assert "→ Start it, or correct its base_url and model." in done.out
    quiet = call("doctor", "-q", "dead", "--no-measure")
    assert quiet.code == 3
    assert "Python:" not in quiet.out


def test_nothing_paid_is_asked_unless_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "sk-secret")
    with beside(FaultyServer()) as server:
        paid = row("gpt", "openai-compatible", f"{server.url}/v1", zone="there", api_key="${KEY}")
        configured(paid)
        done = call("doctor", "gpt", "--json")
        assert done.code == 0, done
        assert "--paid sends 5 short requests" in checks(done)["gpt", "answers"]["says"]
        assert server.journal == []
        again = call("doctor", "gpt", "--paid", "--json")
        assert again.code == 0, again
        assert "first token after" in checks(again)["gpt", "answers"]["says"]
        assert len(server.journal) == 5
        assert "sk-secret" not in again.out + done.out


def test_a_place_that_refuses_says_what_it_said() -> None:
    with beside(FaultyServer(script="auth")) as server:
        configured(row("mine", "openai-compatible", f"{server.url}/v1"))
        done = call("doctor", "mine", "--json")
    assert done.code == 3
    assert checks(done)["mine", "answers"]["state"] == "broken"


def test_a_wrong_configuration_is_a_finding_and_the_rest_is_looked_at() -> None:
    configured('[deployments.x]\nprovider = "olama"\nmodel = "m"\nzone = "here"\n')
    done = call("doctor", "--no-measure", "--json")
    assert done.code == 3
    assert "Did you mean ollama" in checks(done)["crossover.toml", "config"]["says"]
    assert checks(done)["Python", "python"]["state"] == "ok"


def test_the_ledger_is_looked_into(tmp_path: Path) -> None:
    configured(row("tiny", "embedded", model="crossover-tiny"))
    place = tmp_path / "l.db"
    open_ledger(place).close()
    words = ("doctor", "tiny", "--no-measure", "--json", "--ledger", str(place))
    assert "whole" in checks(call(*words))["Ledger", "ledger"]["says"]
    place.write_bytes(b"no ledger at all" * 100)
    done = call(*words)
    assert done.code == 3
    assert checks(done)["Ledger", "ledger"]["state"] == "broken"
    place.write_bytes(b"")
    assert "older format" in checks(call(*words))["Ledger", "ledger"]["says"]


def test_the_gateways_port_is_looked_at() -> None:
    with serving({"/health": Said(body={"status": "ok"})}) as gateway, serving({}) as other:
        for server, words in ((gateway, "one answers at"), (other, "another program has")):
            server_table = f"[server]\nport = {server.port}\n"
            configured(row("tiny", "embedded", model="crossover-tiny"), server_table)
            found = checks(call("doctor", "tiny", "--no-measure", "--json"))
            assert words in found["Gateway", "port"]["says"]


def test_engines_found_here_are_looked_at_beside_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an engine that no file names one model is asked; what is missing of the package is no broken engine."""
    with serving(ollama) as server:
        found = Found(kind="ollama", title="Ollama", url=server.url, base_url=server.url, dialect="ollama")

        async def one(*_words: Any, **_more: Any) -> tuple[Found, ...]:
            return (found,)

        monkeypatch.setattr("crossover.runtime.found.discover", one)
        done = call("doctor", "--no-measure", "--json")
        assert [place["name"] for place in json.loads(done.out)["places"]] == ["llama3.1:8b", "embedded"]
        assert checks(done)["llama3.1:8b", "context"]["fix"].startswith("Start Ollama with OLLAMA_CONTEXT_LENGTH")
        assert ("Engines", "engines") not in checks(done)
        monkeypatch.setattr("crossover.runtime.checkup.util.find_spec", lambda _name: None)
        places = json.loads(call("doctor", "--no-measure", "--json").out)["places"]
        assert [place["name"] for place in places] == ["llama3.1:8b"]


def test_what_is_no_name_or_no_file_is_refused() -> None:
    configured(row("tiny", "embedded", model="crossover-tiny"))
    assert "Did you mean tiny?" in refused("doctor", "tiyn")
    assert "no such file" in refused("doctor", "--config", "absent.toml")
