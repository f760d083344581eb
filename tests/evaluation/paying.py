"""A program that evaluates and is killed: every call that is paid leaves a mark before its answer comes.

It pays for so many calls and then stands still, so that the kill finds it in the middle however slow the machine is.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from crossover.evaluation.run import run
from tests.evaluation.parts import Model, calls, candidate, exactly, log, samples


def main(folder: Path, count: int, at_once: int, most: int) -> None:
    """Run ``count`` samples; says ``paid`` for every call, ``done`` at the end; stands still after ``most`` calls."""
    left = iter(range(most))
    marks = os.open(folder / "paid", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(prompt: str) -> str:
        if next(left, None) is None:
            sys.stdin.read()
        os.write(marks, f"{prompt}\n".encode())
        sys.stdout.write("paid\n")
        sys.stdout.flush()
        return "right"

    async def work() -> None:
        with log(folder / "out") as open_:
            await run(samples(count), [candidate("a", Model(say))], calls(open_), exactly(), concurrency=at_once)

    asyncio.run(work())
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
