"""The scorer ``python:module:function``: the user's own, in a process of its own that is ended where it hangs.

The function gets the answer's text and the sample as a dict, and gives a number from 0 to 1, True or False, or a dict
with ``score`` and ``detail``.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

import msgspec

from crossover.errors import InputError
from crossover.evaluation.scorers.words import Given, Score, ScoringError

PATIENCE_S = 30.0
_ENDING_S = 5.0
_MOST_LINE = 64 * 2**20
_CHILD = "crossover.evaluation.scorers.child"


class Function:
    """One user's function. Calls wait for each other; close it with ``aclose``."""

    def __init__(self, name: str, patience_s: float = PATIENCE_S) -> None:
        if not all(part.strip() for part in name.rpartition(":")):
            raise InputError(
                f"{name!r} names no function", hint="Write python:module:function or python:file.py:function",
                field="--scorer",
            )  # fmt: skip
        self.name = name
        self._patience_s = patience_s
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def score(self, given: Given) -> Score:
        """The function's score. Raises ScoringError where it raises, hangs or gives no score."""
        asked = {"answer": given.answer.text, "sample": _plain(given)}
        async with self._turn:
            process = await self._started()
            said: dict[str, Any] | None = None
            try:
                async with asyncio.timeout(self._patience_s):
                    said = await self._ask(process, asked)
            except TimeoutError:
                raise ScoringError(f"{self.name} gave no score within {self._patience_s:g} s") from None
            finally:
                if said is None:  # it was left in the middle of an answer: the next question needs a new process
                    await self._end()
        if "error" in said:
            raise ScoringError(f"{self.name}: {said['error']}")
        return Score(said["score"], said["detail"])

    async def open(self) -> None:
        """Start it. Raises InputError where there is no such function."""
        async with self._turn:
            await self._started()

    async def aclose(self) -> None:
        """End the process; may be called twice."""
        async with self._turn:
            await self._end()

    async def _ask(self, process: asyncio.subprocess.Process, asked: dict[str, Any]) -> dict[str, Any]:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(msgspec.json.encode(asked) + b"\n")
            await process.stdin.drain()
        return await self._line(process)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", _CHILD, self.name,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_MOST_LINE,
        )  # fmt: skip
        self._process = process
        try:
            async with asyncio.timeout(PATIENCE_S):
                said = await self._line(process)
        except TimeoutError:
            said = {"broken": f"it was not imported within {PATIENCE_S:g} s"}
        if "broken" in said:
            await self._end()
            raise InputError(f"{self.name} cannot be used: {said['broken']}", field="--scorer")
        return process

    async def _line(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            with contextlib.suppress(TimeoutError):  # to kill a process while it ends would lose its code
                async with asyncio.timeout(_ENDING_S):
                    await process.wait()
            await self._end()
            return {"error": f"its process ended with code {process.returncode}"}
        said: dict[str, Any] = msgspec.json.decode(line)
        return said

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _plain(given: Given) -> dict[str, Any]:
    """A sample as a user's function sees it."""
    sample = given.sample
    return {
        "id": sample.id,
        "prompt": sample.prompt,
        "messages": [{"role": message.role, "content": message.text} for message in sample.messages],
        "expected": list(given.expected),
        "tags": list(sample.tags),
        "group": sample.group,
        "tool_calls": [{"name": name, "arguments": arguments} for name, arguments in given.answer.calls],
    }
