"""The scorer ``code``: the answer's program passes the sample's tests, in a process of its own with limits.

Limits are of time, processor, memory and file size, and where the system allows it the process has no network and no
view of other processes (Linux user namespaces). It can still read the files that its user can read: run answers of a
model you do not trust inside a container. So it is off unless the user says ``--allow-code``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from crossover.errors import InputError
from crossover.evaluation.scorers.words import Given, Score, ScoringError

_FENCE = re.compile(r"```[ \t]*([A-Za-z0-9_+-]*)[^\n]*\n(.*?)```", re.DOTALL)
_PYTHON = frozenset({"", "python", "py", "python3"})
_MOST_OUTPUT = 64 * 2**10


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a program may use: seconds, bytes of memory, bytes of a file."""

    seconds: float = 10.0
    memory: int = 2 * 2**30
    file: int = 16 * 2**20


# Runs before the program in its process. A word that only it knows says that the tests came to their end: a program
# that leaves early, with whatever exit code, has not passed.
_LAUNCHER = """\
import os, runpy, sys
seconds, memory, size = (int(word) for word in sys.argv[1:4])
token = sys.stdin.readline()
sys.stdin = open(os.devnull)
try:
    import resource
    for kind, most in (("RLIMIT_CPU", seconds), ("RLIMIT_AS", memory), ("RLIMIT_FSIZE", size), ("RLIMIT_CORE", 0)):
        resource.setrlimit(getattr(resource, kind), (most, most))
except (ImportError, OSError, ValueError):
    pass
inside = False
if sys.platform == "linux":
    import ctypes
    # CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC (linux/sched.h)
    inside = ctypes.CDLL(None, use_errno=True).unshare(0x10000000 | 0x40000000 | 0x20000000 | 0x08000000) == 0
child = os.fork() if inside else 0
if child:
    status = os.waitpid(child, 0)[1]
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
sys.argv[1:] = []
runpy.run_path("program.py", run_name="__main__")
sys.stdout.flush()
os.write(1, ("\\n" + token).encode())
"""


async def code(given: Given, limits: Limits) -> Score:
    """Right where the program and the tests run to their end. Raises ScoringError where there are no tests."""
    tests = given.value if isinstance(given.value, str) else given.sample.tests
    if not tests.strip():
        raise ScoringError("the sample has no tests")
    passed, detail = await run(f"{program_of(given.answer.text)}\n\n{tests}\n", limits)
    return Score(float(passed), detail)


def program_of(answer: str) -> str:
    """The program in an answer: its longest fenced block of Python, else all of it."""
    blocks = [body for language, body in _FENCE.findall(answer) if language.casefold() in _PYTHON]
    return str(max(blocks, key=len)) if blocks else answer


async def run(program: str, limits: Limits) -> tuple[bool, str]:
    """Whether a program ran to its end, and the last line it complained with."""
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="crossover-code-", ignore_cleanup_errors=True) as folder:
        try:
            (Path(folder) / "program.py").write_text(program, encoding="utf-8")
        except UnicodeEncodeError:
            return False, "the program is no text"
        words = (str(int(limits.seconds) + 1), str(limits.memory), str(limits.file))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _LAUNCHER, *words,
            cwd=folder, env={"HOME": folder, "TMPDIR": folder, "PATH": os.defpath, "LANG": "C.UTF-8"},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(limits.seconds):
                said = await _output(process, token)
                await process.wait()
        except TimeoutError:
            return False, f"not done after {limits.seconds:g} s"
        finally:
            _kill(process)
            await process.wait()
    if said.rstrip().endswith(token):
        return True, ""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return False, lines[-1].strip()[:200] if lines else f"it ended with code {process.returncode}"


async def _output(process: asyncio.subprocess.Process, token: str) -> str:
    """The end of what a process says, however much that is."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(f"{token}\n".encode())
        await process.stdin.drain()
        process.stdin.close()
    kept = b""
    while piece := await process.stdout.read(_MOST_OUTPUT):
        kept = (kept + piece)[-_MOST_OUTPUT:]
    return kept.decode("utf-8", "replace")


def _kill(process: asyncio.subprocess.Process) -> None:
    """End it and everything it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode is None:
            process.kill()


def refused() -> InputError:
    """That programs written by a model are not run unasked."""
    return InputError(
        "the scorer code runs programs that a model wrote",
        hint="Say --allow-code, inside a container if you do not trust the model",
        field="--scorer",
    )
