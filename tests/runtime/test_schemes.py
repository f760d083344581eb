"""The plan of the page: a saved one, one that is being made, or why there is none."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import msgspec
import pytest

from crossover.dashboard.words import Planned
from crossover.errors import FileError, InputError
from crossover.planner.words import Plan
from crossover.runtime.schemes import Schemes, from_ledger, read_plan, scheme_of
from tests.dashboard import parts
from tests.reports import plans


def settled(schemes: Schemes) -> Planned:
    """What it says once the thread has ended."""
    schemes()
    for thread in threading.enumerate():
        if thread.name == "crossover-plan":
            thread.join()
    return schemes()


def test_a_saved_plan_is_shown_and_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    schemes = Schemes(file)
    assert schemes() == Planned()
    file.write_bytes(msgspec.json.encode(plans.sample()))
    found = schemes().scheme
    assert found == scheme_of(plans.sample(), "saved in plan.json")
    file.write_text("{}")
    assert "is no plan" in schemes().said


def test_a_plan_that_was_named_and_is_not_there_is_said(tmp_path: Path) -> None:
    assert "cannot be read" in Schemes(tmp_path / "none.json", stated=True)().said


@pytest.mark.parametrize("text", ["", "[]", "{", '{"verdict": 1}', "\x00"])
def test_what_is_no_plan_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(FileError, match="is no plan"):
        read_plan(tmp_path / "plan.json")


def test_a_plan_is_made_beside_and_kept(tmp_path: Path) -> None:
    made: list[int] = []
    now = [0.0]

    def make() -> tuple[Plan, str]:
        made.append(1)
        return plans.sample(), "a week"

    schemes = Schemes(tmp_path / "none.json", make, clock=lambda: now[0])
    assert schemes().working or made
    found = settled(schemes)
    assert found.scheme is not None
    assert found.scheme.source == "a week"
    assert settled(schemes) == found
    assert len(made) == 1
    now[0] = 4000.0
    settled(schemes)
    assert len(made) == 2


def test_a_plan_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    def make() -> tuple[Plan, str]:
        raise InputError("there is too little traffic")

    found = settled(Schemes(tmp_path / "none.json", make))
    assert (found.scheme, found.working) == (None, False)
    assert "too little traffic" in found.said


def test_a_scheme_holds_what_the_page_shows() -> None:
    plan = plans.sample()
    found = scheme_of(plan, "x")
    assert found.headline == plan.verdict.headline
    assert [curve.kind for curve in found.curves] == [curve.kind for curve in plan.curves]
    assert found.choices[0].title == plan.options[0].title
    assert len(found.turns) == len(plan.flips)
    assert scheme_of(plans.smallest(), "x").curves == ()


def test_a_ledger_with_too_little_says_so(tmp_path: Path) -> None:
    make = from_ledger(parts.empty_ledger(tmp_path / "ledger.db"))
    with pytest.raises(InputError, match="the ledger holds 0 answered requests"):
        make()


@pytest.mark.parametrize("said", [b"", b"{}", b"Killed"])
def test_a_planner_that_says_nothing_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    done = subprocess.CompletedProcess((), 0, said)
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_options: done)
    with pytest.raises(InputError, match="could not be made"):
        from_ledger(tmp_path / "ledger.db")()


def test_a_plan_from_the_ledger_says_what_it_rests_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess((), 0, msgspec.json.encode(plans.sample()))
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_options: done)
    plan, source = from_ledger(tmp_path / "ledger.db")()
    assert (plan, source) == (plans.sample(), plans.sample().workload.source)
