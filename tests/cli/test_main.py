"""The outermost door: exit codes, one sentence on stderr, JSON errors on stdout, and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crossover import __version__
from crossover.cli import plan as plan_command
from crossover.cli.main import COMMANDS, run
from crossover.errors import (
    ContradictionError,
    CrossoverError,
    FileError,
    MissingExtraError,
    ThresholdError,
    UnknownNameError,
)
from tests.cli.shell import PLAIN, call, quiet_home, refused

Raise = Callable[[BaseException], None]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet_home(monkeypatch, tmp_path)


@pytest.fixture
def planning_raises(monkeypatch: pytest.MonkeyPatch) -> Raise:
    """Makes ``crossover plan`` end with this exception."""

    def arm(error: BaseException) -> None:
        def broken(*_words: object, **_more: object) -> None:
            raise error

        monkeypatch.setattr(plan_command, "ask", broken)

    return arm


def test_version_and_help() -> None:
    assert call("--version") == (0, f"crossover {__version__}\n", "")
    for words in (["--help"], ["-h"]):
        done = call(*words)
        assert (done.code, done.err) == (0, "")
        assert all(name in done.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = call(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"Usage: crossover {name}" in done.out


def test_no_command_shows_the_help_and_is_a_usage_error() -> None:
    done = call()
    assert done.code == 2
    assert "Usage: crossover" in done.out + done.err


@pytest.mark.parametrize(("typed", "meant"), [("paln", "plan"), ("fitt", "fit"), ("catalogue", "catalog")])
def test_an_unknown_command_offers_the_nearest(typed: str, meant: str) -> None:
    assert f"Did you mean '{meant}'?" in refused(typed)


@pytest.mark.parametrize(
    "words",
    [["xyz"], ["--bogus"], ["plan", "--bogus"], ["plan", "extra"], ["plan", "--draws"], ["demo", "--draws", "1"]],
)
def test_usage_errors_are_one_sentence(words: list[str]) -> None:
    assert refused(*words)


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (CrossoverError("it failed"), 1, "error"),
        (MissingExtraError("eval", "grading"), 1, "missing_extra"),
        (UnknownNameError("model", "gpt-4p", ["gpt-4o"]), 2, "unknown_name"),
        (FileError("is broken", file="a.csv", line=3, field="time"), 2, "bad_file"),
        (ContradictionError("both cannot hold"), 2, "contradiction"),
        (ThresholdError("too dear"), 3, "threshold_not_met"),
        (ValueError("surprise"), 1, "unexpected"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_error_has_its_code_and_its_json(
    planning_raises: Raise, error: BaseException, code: int, kind: str
) -> None:
    planning_raises(error)
    plain, machine = call(*PLAIN), call(*PLAIN, "--json")
    assert (plain.code, plain.out) == (machine.code, "") == (code, "")
    assert plain.err == machine.err
    assert plain.err.count("\n") == 1
    assert "Traceback" not in plain.err
    facts = json.loads(machine.out)
    assert (facts["error"], facts["exit_code"]) == (kind, code)
    if isinstance(error, CrossoverError):
        assert plain.err == f"crossover: {error.sentence()}\n"
        assert facts == error.as_dict()


@pytest.mark.parametrize("words", [["plan", "--json"], ["plan", "--json", "--bogus"], ["paln", "--json"]])
def test_bad_input_is_json_too(words: list[str]) -> None:
    done = call(*words)
    facts = json.loads(done.out)
    assert (done.code, facts["exit_code"]) == (2, 2)
    assert facts["message"] in done.err


def test_an_unexpected_error_says_what_to_do(planning_raises: Raise) -> None:
    planning_raises(ZeroDivisionError("division by zero"))
    done = call(*PLAIN)
    assert "unexpected ZeroDivisionError: division by zero" in done.err
    assert "CROSSOVER_DEBUG=1" in done.err


def test_debug_shows_where_it_happened(planning_raises: Raise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_DEBUG", "1")
    planning_raises(ZeroDivisionError("here"))
    with pytest.raises(ZeroDivisionError, match="here"):
        run(list(PLAIN))


def test_debug_leaves_errors_of_the_user_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSOVER_DEBUG", "1")
    assert "how many requests a day" in refused("plan")


def test_a_reader_who_left_is_no_error(planning_raises: Raise) -> None:
    planning_raises(BrokenPipeError(32, "Broken pipe"))
    assert call(*PLAIN) == (0, "", "")


def test_an_output_without_a_name_is_the_terminal(planning_raises: Raise) -> None:
    planning_raises(OSError(28, "No space left on device"))
    assert call(*PLAIN) == (1, "", "crossover: the output cannot be written: No space left on device\n")


def shell_line(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of a real shell; ``crossover`` stands for the command."""
    environ = {**os.environ, "CROSSOVER_HOME": str(folder)}  # noqa: TID251 - handed on to a process of its own
    line = line.replace("crossover", f"{sys.executable} -m crossover")
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environ, check=False)


def test_pipes_and_full_disks_of_a_real_shell(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    piped = shell_line("crossover --help | true; exit ${PIPESTATUS[0]}", tmp_path)
    assert (piped.returncode, piped.stderr) == (0, "")
    full = shell_line("crossover plan --json > /dev/full", tmp_path)
    assert full.returncode == 2
    assert full.stderr.count("\n") == 1
    helped = shell_line("crossover --help > /dev/full", tmp_path)
    assert helped.returncode == 1
    assert helped.stderr == "crossover: the output cannot be written: No space left on device\n"


def test_commands_are_found_from_python(tmp_path: Path) -> None:
    done = shell_line("crossover --version", tmp_path)
    assert done.stdout == f"crossover {__version__}\n"


def test_no_command_shows_the_help_as_help() -> None:
    done = call()
    assert done.code == 2
    assert done.err.lstrip().startswith("Usage: crossover")


@pytest.mark.parametrize(
    ("flag", "value", "hint"),
    [
        ("--kind", "cloud", "Known: api, hosted, self, hybrid"),
        ("--team", "lots", "Known: none, some, strong"),
        ("--regime", "zzz", "hipaa"),
        ("--agreement", "openai=zzz", "baa"),
        ("--provisioned", "zzz", "usd_per_unit_hour="),
    ],
)
def test_a_word_like_none_of_the_few_known_ones_lists_them(flag: str, value: str, hint: str) -> None:
    load = ["--requests-per-day", "1000", "--input-tokens", "500", "--output-tokens", "300", "--model", "gpt-4o"]
    done = call("plan", *load, flag, value)
    assert done.code == 2
    assert hint in done.err
