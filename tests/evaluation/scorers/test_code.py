"""Programs of models in a process of their own: they pass, fail, hang, leave early, eat memory."""

from __future__ import annotations

import asyncio
import sys

import pytest

from crossover.errors import ScoringError
from crossover.evaluation.scorers.code import Limits, code, program_of
from tests.evaluation.scorers.parts import given

TESTS = "assert add(1, 2) == 3\nassert add(-1, 1) == 0"
LIMITS = Limits(seconds=20)


def scored(answer: str, tests: str = TESTS, limits: Limits = LIMITS) -> tuple[float, str]:
    score = asyncio.run(code(given(answer, tests=tests), limits))
    return score.value, score.detail


def test_a_program_that_passes_its_tests() -> None:
    assert scored("Sure!\n```python\ndef add(a, b):\n    return a + b\n```\nDone.") == (1.0, "")
    assert scored("def add(a, b):\n    return a + b") == (1.0, "")


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ("def add(a, b):\n    return a - b", "AssertionError"),
        ("def add(a, b)", "SyntaxError"),
        ("no program at all", "SyntaxError"),
        ("import os\nos._exit(0)", "code 0"),
        ("import sys\nsys.exit(0)", ""),
        ("raise SystemExit", ""),
    ],
)
def test_a_program_that_does_not(answer: str, detail: str) -> None:
    value, said = scored(answer)
    assert value == 0
    assert detail in said


def test_a_program_that_hangs_is_ended() -> None:
    value, said = scored("while True: pass", limits=Limits(seconds=0.5))
    assert (value, said) == (0.0, "not done after 0.5 s")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and network are Linux's")
def test_memory_files_and_network_have_limits() -> None:
    small = Limits(seconds=20, memory=400 * 2**20, file=1000)
    assert "MemoryError" in scored("x = bytearray(10**9)", limits=small)[1]
    assert scored("open('big', 'wb').write(bytes(10**6))", limits=small)[0] == 0


def test_what_a_program_says_has_an_end() -> None:
    value, _ = scored("def add(a, b):\n    return a + b\nprint('x' * 10**7)")
    assert value == 1


def test_the_longest_block_is_the_program() -> None:
    assert program_of("```bash\npip install everything and more\n```\n```py\na = 1\n```\n```\nb\n```") == "a = 1\n"


def test_a_sample_without_tests() -> None:
    with pytest.raises(ScoringError, match="no tests"):
        scored("x = 1", tests=" ")
