"""Runs ``crossover`` as a process of its own: for signals, ports and everything else that outlives a function."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cli.shell import Done

PATIENCE_S = 90.0  # a hanging process is killed, so that the test fails instead of waiting
# Who runs the tests in the background has told its children to ignore Ctrl-C.
START = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
START += "from crossover.cli.main import main; main()"


class Process:
    """A running command. ``said`` holds the lines of its output so far."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self._popen = popen
        self.said: list[str] = []

    def until(self, text: str) -> str:
        """The first line with this text; waits for it. Fails where the process ends before."""
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self.said.append(line)
            if text in line:
                return line
        raise AssertionError(f"it ended without saying {text!r}: {self.said} {self.done()}")

    def complains(self, text: str) -> str:
        """The first line of its complaints with this text; waits for it."""
        assert self._popen.stderr is not None
        return next(line for line in self._popen.stderr if text in line)

    def signal(self, name: signal.Signals) -> None:
        """Send a signal."""
        self._popen.send_signal(name)

    def done(self) -> Done:
        """Wait for its end: exit code, all it said, and its complaints."""
        out, err = self._popen.communicate()
        return Done(self._popen.returncode, "".join(self.said) + out, err)


@contextmanager
def running(*words: str, folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Process]:
    """``crossover`` with these words, in a folder and with places of its own."""
    env = {
        "PATH": "", "HOME": str(folder), "CROSSOVER_HOME": str(folder / "home"), "NO_COLOR": "1", "COLUMNS": "100",
        "PYTHONIOENCODING": "utf-8", **(environ or {}),
    }  # fmt: skip
    popen = subprocess.Popen(
        [sys.executable, "-c", START, *words],
        cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    watchdog = threading.Timer(PATIENCE_S, popen.kill)
    watchdog.start()
    try:
        with popen:
            yield Process(popen)
            popen.kill()
    finally:
        watchdog.cancel()
        watchdog.join()
