"""kill -9 in the middle of a run: nothing is lost, nothing is there twice, and next to nothing is paid twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from crossover.evaluation.log import NAME, read

SAMPLES, AT_ONCE = 60, 4


def started(folder: Path, most: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.evaluation.paying", str(folder), str(SAMPLES), str(AT_ONCE), str(most)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_three_kills(tmp_path: Path) -> None:
    kept = 0
    for paid in (5, 17, 1):
        with started(tmp_path, paid) as process:
            assert process.stdout is not None
            for _ in range(paid):
                assert process.stdout.readline() == "paid\n"
            process.kill()
        answers = read(tmp_path / "out" / NAME).answers
        assert len(answers) >= max(kept + paid - AT_ONCE, kept), "what was answered is there"
        kept = len(answers)
    with started(tmp_path, SAMPLES + 1) as process:
        said, _ = process.communicate()
        assert said.endswith("done\n")
    found = read(tmp_path / "out" / NAME)
    marks = (tmp_path / "paid").read_text().splitlines()
    assert len(found.answers) == len({answer.sample for answer in found.answers.values()}) == SAMPLES
    assert found.damaged == ()
    assert len(set(marks)) == SAMPLES
    assert len(marks) - SAMPLES <= 3 * AT_ONCE
