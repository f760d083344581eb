"""Runs an evaluation: every sample through every candidate, each answer scored as soon as it is there.

Samples are taken in an order shuffled by the seed, and no candidate runs ahead of the others: wherever a run ends, what
is there are pairs. Failed calls and scorers that fail are kept apart from bad answers; what they count as was declared.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from crossover.errors import BudgetSpentError, CrossoverError, FileError, ScoringError, StoppedError
from crossover.evaluation.calls import Calls, Candidate, key_of
from crossover.evaluation.estimate import requested
from crossover.evaluation.log import Answer, Failure
from crossover.evaluation.samples.words import Sample
from crossover.evaluation.scorers.registry import Scorers
from crossover.evaluation.scorers.words import Answered, Score

State = Literal["scored", "failed", "unscored", "withheld", "missing"]
FLUSH_S = 2.0
_LONGEST_WAIT = 256  # samples under way at most


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one sample at one candidate.

    ``scored``; ``failed``: nobody answered; ``unscored``: the scorer failed; ``withheld``: the rules let nobody answer;
    ``missing``: it was not asked, because the run ended before. ``score`` is there for ``scored`` alone.
    """

    sample: str
    candidate: str
    state: State
    score: Score | None = None
    answer: Answer | None = None
    why: str = ""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A run as far as it came: outcomes by (sample, candidate), and what ended it early (None: it is whole)."""

    outcomes: Mapping[tuple[str, str], Outcome]
    ended: CrossoverError | None = None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is: answers that are there of all that are wanted, failures, dollars so far."""

    done: int
    total: int
    failed: int
    spent: float


Tell = Callable[[Progress], None]


async def run(
    samples: Sequence[Sample],
    candidates: Sequence[Candidate],
    calls: Calls,
    scorers: Scorers | None,
    *,
    concurrency: int = 8,
    seed: int = 0,
    tell: Tell = lambda _progress: None,
) -> Ran:
    """Ask and score everything; ``concurrency`` calls of each candidate at once, within its own limits.

    ``scorers`` None: answers are only gathered (a judge compares them later). A spent budget and a candidate that fails
    again and again end the run early, which is no error of this function. Raises StoreError where answers cannot be
    written down, and what cancels it.
    """
    order = list(samples)
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    run_ = _Run(candidates, calls, scorers, len(order), concurrency, tell)
    waiting = iter(order)
    width = min(concurrency * max(len(candidates), 1), _LONGEST_WAIT, max(len(order), 1))
    flusher = asyncio.ensure_future(_flush(calls))
    workers = [asyncio.ensure_future(run_.work(waiting)) for _ in range(width)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in (flusher, *workers):
            task.cancel()
        await asyncio.gather(flusher, *workers, return_exceptions=True)
    for sample in order:
        for candidate in candidates:
            at = (sample.id, candidate.name)
            if at not in run_.outcomes:
                run_.outcomes[at] = Outcome(sample=sample.id, candidate=candidate.name, state="missing")
    return Ran(outcomes=run_.outcomes, ended=run_.ended)


async def _flush(calls: Calls) -> None:
    """Bring answers to the disk every few seconds, beside the calls."""
    while True:
        await asyncio.sleep(FLUSH_S)
        await asyncio.to_thread(calls.log.flush)


class _Run:
    """The work of one run: workers take samples until none is left or something ended it."""

    def __init__(
        self, candidates: Sequence[Candidate], calls: Calls, scorers: Scorers | None, samples: int, concurrency: int,
        tell: Tell,
    ) -> None:  # fmt: skip
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        self.ended: CrossoverError | None = None
        self._candidates = candidates
        self._calls = calls
        self._scorers = scorers
        self._places = {candidate.name: asyncio.Semaphore(concurrency) for candidate in candidates}
        self._total = samples * len(candidates)
        self._failed = 0
        self._tell = tell

    async def work(self, waiting: Iterator[Sample]) -> None:
        """Take one sample after another."""
        for sample in waiting:
            if self.ended is not None:
                return
            await asyncio.gather(*(self._one(sample, candidate) for candidate in self._candidates))

    async def _one(self, sample: Sample, candidate: Candidate) -> None:
        request = requested(sample, candidate)
        try:
            async with self._places[candidate.name]:
                if self.ended is not None and self._calls.known(key_of(candidate, request)) is None:
                    return
                found = await self._calls.ask(candidate, request, sample=sample.id, sensitivity=sample.sensitivity)
            outcome = await self._outcome(sample, candidate.name, found)
        except (BudgetSpentError, StoppedError) as error:
            self.ended = self.ended or error
            return
        self.outcomes[sample.id, candidate.name] = outcome
        self._failed += outcome.state in ("failed", "unscored")
        self._tell(
            Progress(
                done=len(self.outcomes), total=self._total, failed=self._failed, spent=float(self._calls.purse.spent)
            )
        )

    async def _outcome(self, sample: Sample, name: str, found: Answer | Failure) -> Outcome:
        if isinstance(found, Failure):
            state: State = "withheld" if found.withheld else "failed"
            return Outcome(sample=sample.id, candidate=name, state=state, why=f"{found.code}: {found.message}")
        return await scored(sample, name, found, self._scorers)


async def scored(sample: Sample, name: str, answer: Answer, scorers: Scorers | None) -> Outcome:
    """The outcome of an answer: its score, or why there is none."""
    if scorers is None:
        return Outcome(sample=sample.id, candidate=name, state="scored", answer=answer)
    try:
        score = await scorers.score(sample, Answered(text=answer.text, calls=answer.calls))
    except ScoringError as error:
        return Outcome(sample=sample.id, candidate=name, state="unscored", answer=answer, why=error.message)
    return Outcome(sample=sample.id, candidate=name, state="scored", score=score, answer=answer)


def judgeable(samples: Sequence[Sample], scorers: Scorers, file: str) -> tuple[list[Sample], list[FileError]]:
    """The samples that can be judged, and what is missing in the others."""
    fine: list[Sample] = []
    wrong: list[FileError] = []
    for sample in samples:
        missing = scorers.missing(sample)
        if missing is None:
            fine.append(sample)
        else:
            wrong.append(
                FileError(f"the sample {sample.id!r} cannot be judged: {missing}", file=file, line=sample.line)
            )
    return fine, wrong
