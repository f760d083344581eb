"""``crossover loadtest --compare``: engines found or named, measured in turns, shown, kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossover.ledger.facts import evidence
from crossover.ledger.store import open_ledger
from crossover.loadtest.exact import Exact, ExactServer
from crossover.loadtest.records import read
from tests.cli.shell import call, quiet_home, refused
from tests.cli.test_loadtest import beside

QUICK = ("--concurrency", "2", "--requests", "8", "--input-tokens", "30", "--output-tokens", "4", "--rounds", "3")


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)

    async def nothing(*_words: Any, **_more: Any) -> tuple[()]:
        return ()

    monkeypatch.setattr("crossover.runtime.found.discover", nothing)  # whatever runs on the machine of the tests


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    """The addresses of a quick server and of one that needs 50 ms to begin."""
    with (
        beside(ExactServer(Exact(ttft_s=0, itl_s=0))) as one,
        beside(ExactServer(Exact(ttft_s=0.05, itl_s=0))) as other,
    ):
        yield f"{one.url}/v1", f"{other.url}/v1"


def configured(file: Path, one: str, other: str) -> None:
    rows = ['[zones.here]\noperator = "own"\n']
    rows += [
        f'[deployments.{name}]\nprovider = "openai-compatible"\nmodel = "m"\nzone = "here"\nbase_url = "{url}"\n'
        for name, url in (("quick", one), ("slow", other), ("dead", "http://127.0.0.1:9/v1"))
    ]
    file.write_text("".join(rows), encoding="utf-8")


def test_named_targets_are_measured_in_turns_and_kept(servers: tuple[str, str], tmp_path: Path) -> None:
    configured(tmp_path / "crossover.toml", *servers)
    done = call("loadtest", "--compare", "slow", "quick", "dead", *QUICK, "--html", "c.html", "--out", "run.jsonl")
    assert done.code == 0, done.err
    assert "How far apart" in done.out
    assert "dead takes no part" in " ".join(done.out.split())
    assert "told apart" in (tmp_path / "c.html").read_text(encoding="utf-8")
    for name in ("quick", "slow"):
        assert len(read(tmp_path / f"run.{name}.jsonl").stages) == 3
    with open_ledger(tmp_path / "home" / "data" / "ledger.db", readonly=True) as ledger:
        rows = {(row.subject, row.metric): row for row in evidence(ledger)}
    assert rows["slow", "ttft_p50_s"].value >= 0.05
    assert rows["quick", "ttft_p50_s"].value > 0
    assert rows["slow", "ttft_p50_s"].n == 24


def test_addresses_are_targets_and_their_model_is_asked_for(servers: tuple[str, str]) -> None:
    done = call("loadtest", "--compare", *servers, *QUICK, "--json", "--no-evidence")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [one["subject"]["url"] for one in found["targets"]] == list(servers)
    row = next(one for one in found["figures"] if (one["metric"], one["share"]) == ("ttft", 0.5))
    assert [mean["target"] for mean in row["means"]] == list(servers)
    assert len(row["pairs"]) == 1


def test_what_does_not_answer_is_told(tmp_path: Path, servers: tuple[str, str]) -> None:
    configured(tmp_path / "crossover.toml", *servers)
    assert "fewer than two targets answer (dead:" in call("loadtest", "--compare", "quick", "dead", *QUICK).err
    assert "unknown alias, deployment or model 'quik'" in refused("loadtest", "--compare", "quik", "slow", *QUICK)


def test_without_names_everything_here_is_compared(tmp_path: Path, servers: tuple[str, str]) -> None:
    configured(tmp_path / "crossover.toml", *servers)
    done = call("loadtest", "--compare", *QUICK, "--json", "--no-evidence", "--model", "m")
    assert done.code == 0, done.err
    assert [one["name"] for one in json.loads(done.out)["targets"]] == ["quick", "slow"]


def test_two_model_files_are_compared_on_the_embedded_engine(tmp_path: Path) -> None:
    from crossover.engines.embedded import default_model

    (tmp_path / "copy.gguf").write_bytes(default_model().read_bytes())
    done = call("loadtest", "--compare", str(default_model()), "copy.gguf", *QUICK, "--json")
    assert done.code == 0, done.err
    assert [one["name"] for one in json.loads(done.out)["targets"]] == ["crossover-tiny-small", "copy"]
