"""Runs an evaluation: every sample through every candidate, each answer scored as soon as it is there.

Samples are taken in an order shuffled by the seed, and no candidate runs ahead of the others: wherever a run ends, what
is there are pairs. Every so many samples, in that order and never in the order of answers (quick answers are no random
part), the verdicts are looked at; where the user wants that, the run ends once all are settled. Failed calls and
scorers that fail are kept apart from bad answers; what they count as was declared.
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
from crossover.evaluation.words import Verdict

State = Literal["scored", "failed", "unscored", "withheld", "missing"]
FLUSH_S = 2.0
LOOK_EVERY = 25  # samples; later a fortieth of those there are, so that looking stays cheap
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


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on each candidate after the first ``samples`` of a run."""

    samples: int
    verdicts: Mapping[str, Verdict]

    @property
    def settled(self) -> int:
        """The number of candidates with a verdict."""
        return sum(verdict != "inconclusive" for verdict in self.verdicts.values())

    @property
    def all_settled(self) -> bool:
        """Whether nothing is open."""
        return self.settled == len(self.verdicts)


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A run as far as it came: outcomes by (sample, candidate), and what ended it early (None: nothing did).

    ``settled`` is the first look at which nothing was open; ``stopped``: the run ended there, as was wanted.
    """

    outcomes: Mapping[tuple[str, str], Outcome]
    ended: CrossoverError | None = None
    settled: Look | None = None
    stopped: bool = False


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is: answers that are there of all that are wanted, failures, dollars so far, the last look."""

    done: int
    total: int
    failed: int
    spent: float
    look: Look | None = None


Tell = Callable[[Progress], None]
Verdicts = Callable[[Sequence[Sample], Mapping[tuple[str, str], Outcome]], Mapping[str, Verdict]]


async def run(
    samples: Sequence[Sample],
    candidates: Sequence[Candidate],
    calls: Calls,
    scorers: Scorers | None,
    *,
    concurrency: int = 8,
    seed: int = 0,
    tell: Tell = lambda _progress: None,
    verdicts: Verdicts | None = None,
    stop: bool = False,
) -> Ran:
    """Ask and score everything; ``concurrency`` calls of each candidate at once, within its own limits.

    ``scorers`` None: answers are only gathered (a judge compares them later). ``verdicts`` looks at a part of the run
    (None: nobody does); with ``stop`` the run ends once it finds nothing open. A spent budget and a candidate that
    fails again and again end the run early, which is no error of this function. Raises StoreError where answers cannot
    be written down, and what cancels it.
    """
    order = in_order(samples, seed)
    run_ = _Run(candidates, calls, scorers, _Looks(order, verdicts, stop), concurrency, tell)
    waiting = iter(enumerate(order))
    width = min(concurrency * max(len(candidates), 1), _LONGEST_WAIT, max(len(order), 1))
    flusher = asyncio.ensure_future(_flush(calls))
    workers: list[asyncio.Future[None]] = []
    try:
        while True:
            workers = [asyncio.ensure_future(run_.work(waiting)) for _ in range(width)]
            await asyncio.gather(*workers)
            # What was under way at the look is answered now, and counts too: then, too, nothing may be open.
            if run_.ended is not None or not run_.looks.enough or run_.looks.still_settled(run_.outcomes):
                break
    finally:
        for task in (flusher, *workers):
            task.cancel()
        await asyncio.gather(flusher, *workers, return_exceptions=True)
    for sample in order:
        for candidate in candidates:
            at = (sample.id, candidate.name)
            if at not in run_.outcomes:
                run_.outcomes[at] = Outcome(sample=sample.id, candidate=candidate.name, state="missing")
    stopped = run_.ended is None and run_.looks.enough and run_.looks.counted < len(order)
    return Ran(outcomes=run_.outcomes, ended=run_.ended, settled=run_.looks.settled, stopped=stopped)


def in_order(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """The samples in a random order, those of one group side by side: a group counts once it is whole."""
    units: dict[str | int, list[Sample]] = {}
    for number, sample in enumerate(samples):
        units.setdefault(number if sample.group is None else sample.group, []).append(sample)
    rows = list(units.values())
    random.Random(seed).shuffle(rows)  # noqa: S311 - an order, not a secret
    return [sample for row in rows for sample in row]


async def _flush(calls: Calls) -> None:
    """Bring answers to the disk every few seconds, beside the calls."""
    while True:
        await asyncio.sleep(FLUSH_S)
        await asyncio.to_thread(calls.log.flush)


class _Looks:
    """The looks at one run. ``counted`` samples from the first on are whole; ``enough``: the run may end."""

    def __init__(self, order: Sequence[Sample], verdicts: Verdicts | None, stop: bool) -> None:
        self.total = len(order)
        self.counted = 0
        self.enough = False
        self.last: Look | None = None
        self.settled: Look | None = None
        self._order = order
        self._verdicts = verdicts
        self._stop = stop
        self._next = LOOK_EVERY
        self._whole: set[int] = set()

    def add(self, number: int, outcomes: Mapping[tuple[str, str], Outcome]) -> None:
        """The sample of this place is whole at every candidate; look, if it is time."""
        self._whole.add(number)
        while self.counted in self._whole:
            self._whole.remove(self.counted)
            self.counted += 1
        if self._verdicts is None or self.counted < self._next:
            return
        self._look(self._verdicts, outcomes)
        self._next = self.counted + max(LOOK_EVERY, self.counted // 40)
        self.enough = self._stop and self.last is not None and self.last.all_settled

    def still_settled(self, outcomes: Mapping[tuple[str, str], Outcome]) -> bool:
        """Look at all that is there by now; False takes ``enough`` back."""
        assert self._verdicts is not None
        self._look(self._verdicts, outcomes)
        self.enough = self.last is not None and self.last.all_settled
        return self.enough

    def _look(self, verdicts: Verdicts, outcomes: Mapping[tuple[str, str], Outcome]) -> None:
        until, order = self.counted, self._order
        while (
            0 < until < self.total and order[until].group is not None and order[until].group == order[until - 1].group
        ):
            until -= 1
        self.last = Look(samples=until, verdicts=verdicts(order[:until], outcomes))
        if self.settled is None and self.last.all_settled:
            self.settled = self.last


class _Run:
    """The work of one run: workers take samples until none is left or something ended it."""

    def __init__(
        self, candidates: Sequence[Candidate], calls: Calls, scorers: Scorers | None, looks: _Looks, concurrency: int,
        tell: Tell,
    ) -> None:  # fmt: skip
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        self.ended: CrossoverError | None = None
        self.looks = looks
        self._candidates = candidates
        self._calls = calls
        self._scorers = scorers
        self._places = {candidate.name: asyncio.Semaphore(concurrency) for candidate in candidates}
        self._total = looks.total * len(candidates)
        self._failed = 0
        self._tell = tell

    async def work(self, waiting: Iterator[tuple[int, Sample]]) -> None:
        """Take one sample after another."""
        for number, sample in waiting:
            await asyncio.gather(*(self._one(sample, candidate) for candidate in self._candidates))
            if self.ended is not None:
                return
            self.looks.add(number, self.outcomes)
            if self.looks.enough:
                return

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
                done=len(self.outcomes),
                total=self._total,
                failed=self._failed,
                spent=float(self._calls.purse.spent),
                look=self.looks.last,
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
