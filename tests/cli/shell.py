"""Runs a command line in this process: exit code, output, errors. Fast, and the environment is the test's own."""

from __future__ import annotations

import contextlib
import io
from typing import NamedTuple

import pytest

from crossover.cli.main import run

LOAD = ("--requests-per-day", "10000", "--input-tokens", "500", "--output-tokens", "300")
PLAIN = ("plan", *LOAD, "--model", "gpt-4o-mini")
API = ("--kind", "api", "--draws", "20")
OWN_DEVICE = ("--device", "H100 SXM", "--open-model", "llama 3.1 8b", "--purchase", "on_demand", "--draws", "50")
OWN = ("--kind", "self", *OWN_DEVICE)


class Done(NamedTuple):
    """What a command left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str


def call(*words: str) -> Done:
    """Run ``crossover`` with these words."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(words))
    return Done(code, out.getvalue(), err.getvalue())


def refused(*words: str) -> str:
    """Run a line that must be refused: exit code 2 and one sentence, which is given back."""
    done = call(*words)
    assert done.code == 2, done
    assert done.out == ""
    assert "Traceback" not in done.err
    assert done.err.startswith("crossover: ")
    assert done.err.count("\n") == 1, done.err
    return done.err.removeprefix("crossover: ").rstrip("\n")


def quiet_home(monkeypatch: pytest.MonkeyPatch, folder: object) -> None:
    """No settings, no catalog and no colours of the person who runs the tests."""
    for name in ("CROSSOVER_CONFIG", "CROSSOVER_DATA", "CROSSOVER_DEBUG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CROSSOVER_HOME", str(folder))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
