"""How often `crossover loadtest --compare` tells equal targets apart, and how often it finds a real difference.

Rounds of made-up times: every target is slower or faster by chance in every round, as machines are, and all targets of
a round share its weather. Beside it what two runs read answer by answer would say (all answers of all rounds drawn
anew), which takes the noise between rounds for a difference.

    python benchmarks/loadtest_contest.py [FAMILIES]
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence

import numpy as np

from crossover.loadtest.compare import compare
from crossover.loadtest.contest import Side, rows
from crossover.loadtest.words import Load, Run, Session, Shot, Stage, Subject

ANSWERS, ROUNDS = 40, 5
NAIVE_EACH = 4  # of so many families one is also read answer by answer, which takes long
SUBJECT = Subject(id="made up", label="made up", model="made up")


def run_of(rng: np.random.Generator, slower: float) -> Run:
    """One round: answers with a log-normal time to the first token and of even gaps."""
    shots = []
    for number, (first, gap) in enumerate(
        zip(rng.lognormal(-2, 0.4, ANSWERS), rng.lognormal(-4, 0.3, ANSWERS), strict=True)
    ):
        sent = number * 0.3
        times = array("d", (sent + slower * (first + gap * piece) for piece in range(8)))
        shots.append(
            Shot(
                number=number, warmup=False, scheduled=sent, sent=sent, ended=times[-1], times=times, output=8, input=40
            )
        )
    return Run(load=Load(concurrency=2), shots=tuple(shots), load_end=shots[-1].sent)


def side(name: str, runs: Sequence[Run]) -> Side:
    stages = tuple(Stage(run=run, begun=0.0) for run in runs)
    return Side(name=name, session=Session(subject=SUBJECT, asked="", seed=0, product="", stages=stages))


def pooled(runs: Sequence[Run]) -> Run:
    return Run(load=runs[0].load, shots=tuple(shot for run in runs for shot in run.shots), load_end=runs[0].load_end)


def told(rng: np.random.Generator, count: int, noise: float, slower: float = 1.0) -> tuple[bool, list[list[Run]]]:
    """Whether any pair of a family is told apart by the median time to the first token; and the rounds of each."""
    weather = rng.lognormal(0, 0.5, ROUNDS)
    runs = [
        [run_of(rng, weather[at] * rng.lognormal(0, noise) * (slower if place else 1.0)) for at in range(ROUNDS)]
        for place in range(count)
    ]
    row = rows([side(str(place), one) for place, one in enumerate(runs)])[0]
    return any(edge.told for edge in row.edges), runs


def naive(rng: np.random.Generator, runs: list[list[Run]]) -> bool:
    return compare(pooled(runs[0]), pooled(runs[-1]), rng)[0].change != "none shown"


def main(families: int = 200) -> int:
    rng = np.random.default_rng(20261127)
    bar = 0.05 + 2 * math.sqrt(0.05 * 0.95 / families)
    failed = False
    print(f"{families} families each, {ROUNDS} rounds of {ANSWERS} answers; median time to the first token")
    for count, noise in ((2, 0.0), (2, 0.2), (3, 0.2), (4, 0.1)):
        found = [told(rng, count, noise) for _ in range(families)]
        ours = sum(one for one, _ in found) / families
        pairs = [naive(rng, runs) for _, runs in found[::NAIVE_EACH]]
        ok = ours <= bar
        failed |= not ok
        print(
            f"{count} equal targets, {noise:.0%} noise a round: a difference told in {ours:.1%} (bar {bar:.1%}) "
            f"{'pass' if ok else 'FALLS SHORT'}; answer by answer, first against last: "
            f"{sum(pairs) / len(pairs):.0%} of {len(pairs)}"
        )
    for slower, noise in ((1.2, 0.03), (1.3, 0.1), (2.0, 0.2)):
        share = sum(told(rng, 2, noise, slower)[0] for _ in range(families)) / families
        print(f"{slower} times as slow, {noise:.0%} noise a round: told in {share:.0%}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
