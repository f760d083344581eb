from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from crossover.cli import eval_report
from crossover.errors import FileError
from crossover.evaluation.log import NAME, VERSION, Header, line_of
from crossover.evaluation.results import REPORT
from tests.reports import evaluations


def command(*words: str) -> str:
    app = typer.Typer()
    eval_report.register(app)
    found = CliRunner().invoke(app, list(words))
    if found.exception is not None:
        raise found.exception
    return found.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    header = Header(
        version=VERSION, started="2026-11-27", file="tickets.jsonl", samples={}, candidates=("small-7b",),
        reference="large-api", scorer="choice", margin=0.05, errors="as-wrong", seed=7,
    )  # fmt: skip
    (tmp_path / NAME).write_bytes(line_of(header))
    (tmp_path / REPORT).write_bytes(msgspec.json.encode(evaluations.two(60).findings))
    return tmp_path


def test_a_page_is_written(folder: Path) -> None:
    page = folder / "eval.html"
    assert "Report:" in command(str(folder), "--html", str(page))
    assert "small-7b against large-api" in page.read_text(encoding="utf-8")


def test_json_and_the_terminal_show_the_same_verdict(folder: Path) -> None:
    found = json.loads(command(str(folder), "--json"))
    assert found["versus"][0]["comparison"]["verdict"] == evaluations.two(60).findings.versus[0].comparison.verdict
    assert "small-7b against large-api" in command(str(folder))


def test_no_folder_of_results(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no report here"):
        command(str(tmp_path))
