"""The closed loop from measurement to plan: a sweep of the embedded engine, and a plan that stands on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import LOAD, call, quiet_home, refused

TOML = """
requests_per_day = 3_000_000
models = ["gpt-4o-mini"]
input = { quantiles = { p0 = 30, p50 = 58, p100 = 90 } }
output = { quantiles = { p0 = 20, p50 = 64, p100 = 110 } }
"""
CONFIG = """
[zones.home]
operator = "own"
[deployments.tiny]
provider = "embedded"
model = "crossover-tiny"
zone = "home"
"""
TINY = ("--open-model", "crossover-tiny", "--engine", "llamacpp", "--device", "CPU desktop DDR4", "--draws", "20")
HERE = ("--this-machine", "0.05", "--fte", "0", "--kind", "self", "--reserve", "0")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    quiet_home(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(home: Path, *words: str) -> dict[str, Any]:
    (home / "tickets.toml").write_text(TOML)
    done = call("plan", "--workload", str(home / "tickets.toml"), *TINY, *HERE, *words, "--json")
    assert (done.code, done.err) == (0, "")
    made: dict[str, Any] = json.loads(done.out)
    return made


def test_a_sweep_of_the_embedded_engine_reaches_the_plan(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp")
    from crossover import hardware

    machine = hardware.Machine(system="Linux", cpu="a processor", cores=2, memory_gib=16.0)
    monkeypatch.setattr(hardware, "detect", lambda: machine)  # a card in the machine would make the device uncertain
    before = planned(home)
    sweep = ("--sweep", "--most", "4", "--requests", "12", "--input-tokens", "60", "--output-tokens", "16")
    (home / "crossover.toml").write_text(CONFIG)
    done = call("loadtest", "tiny", *sweep, "--quiet", "--json")
    assert done.code == 0, done.err
    after, off = planned(home), planned(home, "--no-evidence")
    assert {option["speed"] for option in before["options"]} == {"assumed"}
    assert off["options"] == before["options"]
    assert off["evidence"] == []
    measured = next(option for option in after["options"] if option["speed"] == "measured")
    assert measured["title"] == "crossover-tiny Q8_0 on 1 × CPU desktop DDR4 (this machine)"
    assert {row["metric"] for row in measured["measured"]} >= {"tpot_s", "ttft_s", "output_tokens_per_s"}
    same = next(option for option in before["options"] if option["id"] == measured["id"])
    assert measured["replica_rps"] != same["replica_rps"]
    assert "extrapolated" not in json.dumps(measured["caveats"])
    text = " ".join(call("plan", "--workload", str(home / "tickets.toml"), *TINY, *HERE).out.split())
    assert "speed measured" in text
    assert "Measured · before published, before assumed" in text
    shown = call("plan", "--workload", str(home / "tickets.toml"), *TINY, *HERE, "--explain", measured["id"]).out
    assert "output tokens a second" in shown
    page = home / "plan.html"
    assert call("plan", "--workload", str(home / "tickets.toml"), *TINY, *HERE, "--html", str(page)).code == 0
    assert "What was measured" in page.read_text(encoding="utf-8")


def test_a_machine_of_ones_own_without_a_price_list(home: Path) -> None:
    made = planned(home)
    own = [option for option in made["options"] if option["kind"] == "self"]
    assert own
    assert all("this machine" in option["title"] for option in own)
    assert all(option["deployment"]["zone"]["operator"] == "own" for option in own)


def test_flags_that_cannot_be() -> None:
    plain = ("plan", *LOAD)
    assert "--no-evidence reads no ledger" in refused(*plain, "--no-evidence", "--ledger", "x.db")
    assert "--this-machine" in refused(*plain, "--this-machine", "nan")


def test_a_ledger_that_is_none(home: Path) -> None:
    (home / "x.db").write_text("no ledger")
    done = call("plan", *LOAD, "--ledger", str(home / "x.db"))
    assert done.code != 0
    assert "Traceback" not in done.err
    assert "x.db" in done.err
