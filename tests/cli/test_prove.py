"""The demo's evaluation: real tickets through the dispatcher, an honest verdict, results and a page."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from crossover.cli import prove as module
from crossover.cli.prove import prove, tickets
from crossover.errors import MissingExtraError
from crossover.ledger.facts import evidence
from crossover.ledger.store import open_ledger
from crossover.reports.paper import Paper
from tests.cli.shell import quiet_home


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")


def test_tickets_are_all_different() -> None:
    rows = [json.loads(line) for line in tickets().splitlines()]
    assert len(rows) == len({row["prompt"] for row in rows}) == module.TICKETS


def test_both_tiny_models_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp")
    monkeypatch.setattr(module, "TICKETS", 12)
    out = io.StringIO()
    for _ in range(2):
        prove(Paper(Console(file=out, width=100)), tmp_path, tmp_path / "eval.html")
    said = " ".join(out.getvalue().split())
    assert "tiny against sandbox:" in said
    assert "12 tickets that neither was trained on, 24 calls" in said
    assert (tmp_path / "eval.html").stat().st_size > 10_000
    assert (tmp_path / "demo.toml").exists(), "the line it prints can be typed"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["eval", "eval-2"]
    with open_ledger(tmp_path / "eval" / "ledger.db", readonly=True) as book:
        assert {row.metric for row in evidence(book)} == {"quality", "quality_gap"}


def test_without_a_model_there_is_the_line_that_installs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError):
        prove(Paper(Console(file=io.StringIO())), tmp_path, tmp_path / "eval.html")
    assert list(tmp_path.iterdir()) == []
