"""The demo: its preset is planned, its report is written, and a folder that cannot be made is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossover.cli import plan as plan_command
from tests.cli.shell import call, quiet_home, refused


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path / "home")


def test_the_demo_plans_the_preset_and_writes_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def small(question: object, *, quiet: bool) -> object:
        import msgspec

        from crossover.planner.question import Question, Scope

        assert isinstance(question, Question)
        asked.append(question)
        return original(msgspec.structs.replace(question, scope=Scope(kinds=("api",)), draws=20), quiet=quiet)

    original = plan_command.ask
    monkeypatch.setattr(plan_command, "ask", small)
    place = tmp_path / "deep" / "folder"
    done = call("demo", "--out", str(place))
    assert (done.code, done.err) == (0, "")
    assert "crossover plan --preset conversation" in done.out.replace("\n", " ")
    assert (place / "plan.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len(asked) == 1


def test_a_demo_folder_that_is_a_file(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("x")
    assert "cannot be made" in refused("demo", "--out", str(taken))
