"""One evaluation from beginning to end: declared, asked, scored, compared. What stands outside is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from crossover.errors import (
    BudgetSpentError,
    ContradictionError,
    CrossoverError,
    FileError,
    InputError,
    ScoringError,
    StoppedError,
)
from crossover.evaluation import judge
from crossover.evaluation.calls import Calls, Candidate, Clock, Patience, Purse
from crossover.evaluation.controls import Controls, Winner
from crossover.evaluation.declared import Declared, begin
from crossover.evaluation.findings import Findings, findings, verdicts
from crossover.evaluation.grading import looked_at
from crossover.evaluation.log import Answer, Failure, Log
from crossover.evaluation.run import Outcome, Ran, Tell, Verdicts, judgeable, run
from crossover.evaluation.samples.words import Check, Sample, many
from crossover.evaluation.scorers.code import Limits
from crossover.evaluation.scorers.registry import JUDGE, Means, Scorers
from crossover.evaluation.scorers.words import Asking
from crossover.evaluation.words import Verdict

Lookup = Callable[[str], Candidate]


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is carried out; nothing of it changes what is found.

    ``concurrency`` calls of each candidate at once. ``streamed``: answers are listened to piece by piece, which gives
    the time to the first token. ``more`` are answers of other runs that may be used. ``judge`` and ``embedder`` are the
    models of checks that name none, ``rubric`` what a judge should look at, ``labels`` what people preferred.
    ``stop_when_settled``: the run ends once every candidate has a verdict. ``power``: the chance with which the number
    of samples settles it that is advised where something stays open.
    """

    concurrency: int = 8
    patience: Patience = Patience()
    streamed: bool = True
    more: Mapping[str, Answer] = {}
    allow_code: bool = False
    limits: Limits = Limits()
    judge: str = ""
    embedder: str = ""
    skip_broken: bool = False
    rubric: str = ""
    labels: Mapping[str, Winner] = {}
    stop_when_settled: bool = False
    power: float = 0.8


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What a session ends with. ``ended`` is what ended it before its end; ``made`` counts calls that went out."""

    findings: Findings
    outcomes: Mapping[tuple[str, str], Outcome]
    samples: tuple[Sample, ...]
    ended: CrossoverError | None
    made: int
    kept: int


async def session(
    declared: Declared,
    samples: Sequence[Sample],
    candidates: Sequence[Candidate],
    log: Log,
    *,
    lookup: Lookup,
    manner: Manner,
    clock: Clock | None = None,
    notes: Sequence[str] = (),
    ready: Callable[[Sequence[Sample]], None] = lambda _samples: None,
    tell: Tell = lambda _progress: None,
) -> Session:
    """Run it. ``candidates`` holds the reference too; ``lookup`` finds models that scorers ask.

    ``ready`` is told of the samples when nothing can be wrong any more and no call has been made, ``tell`` of progress.

    Raises InputError and FileError for what cannot be judged, ContradictionError for a run that was declared otherwise,
    StoreError where answers cannot be written down.
    """
    clock = clock or Clock()
    calls = Calls(
        log, Purse(declared.budget, log.spent()), patience=manner.patience, clock=clock, streamed=manner.streamed,
        more=manner.more,
    )  # fmt: skip
    asking = Asker(calls, lookup)
    judging, scorers = _scorers(declared, manner, asking)
    try:
        rows, said = await _fitting(samples, scorers, declared, manner)
        said = [*notes, *said, *_same(candidates), *begin(log, declared, rows, clock.now())]
        ready(rows)
        ran = await run(
            rows, candidates, calls, scorers, concurrency=manner.concurrency, seed=declared.seed, tell=tell,
            verdicts=None if scorers is None else _verdicts(declared), stop=manner.stop_when_settled,
        )  # fmt: skip
        said += _settled(ran, len(rows))
        if ran.stopped:
            rows = [row for row in rows if ran.outcomes[row.id, declared.reference].state != "missing"]
        after = await _after(rows, ran, declared, scorers, judging, asking, manner)
        said += after.notes
    finally:
        if scorers is not None:
            await scorers.aclose()
    found = findings(
        rows,
        ran.outcomes,
        [candidate.name for candidate in candidates],
        declared.reference,
        file=declared.file,
        scorer=declared.scorer or "the samples' own checks",
        margin=declared.margin,
        errors=declared.errors,
        seed=declared.seed,
        notes=[*said, *_unknown(calls)],
        ended="" if after.ended is None else after.ended.sentence(),
        judged=after.judged,
        power=manner.power,
    )
    return Session(
        findings=found, outcomes=ran.outcomes, samples=tuple(rows), ended=after.ended, made=calls.made, kept=calls.kept
    )


def _verdicts(declared: Declared) -> Verdicts:
    """A look at a part of the run."""
    names = (*declared.candidates, declared.reference)

    def look(samples: Sequence[Sample], outcomes: Mapping[tuple[str, str], Outcome]) -> Mapping[str, Verdict]:
        return verdicts(
            samples, outcomes, names, declared.reference, margin=declared.margin, errors=declared.errors
        )  # fmt: skip

    return look


def _settled(ran: Ran, total: int) -> list[str]:
    """A note where every verdict was there before the last sample."""
    if ran.settled is None or ran.settled.samples >= total * _WORTH_SAYING:
        return []
    first = many(ran.settled.samples, "sample")
    if ran.stopped:
        return [f"every verdict was there after {first} of {total:,}, so the run ended; --resume alone goes on with it"]
    return [f"every verdict was there after {first} already: --stop-when-settled ends a run there"]


_WORTH_SAYING = 0.8  # of the samples


class _After(msgspec.Struct, frozen=True, kw_only=True):
    """What models said once all answers were there, and what ended it early."""

    judged: judge.Judged | None = None
    notes: tuple[str, ...] = ()
    ended: CrossoverError | None = None


async def _after(
    rows: Sequence[Sample], ran: Ran, declared: Declared, scorers: Scorers | None, judging: str | None, asking: Asker,
    manner: Manner,
) -> _After:  # fmt: skip
    """A judge compares the answers, or one that grades is looked at. What ends it early is no error of this one."""
    try:
        if judging is not None:
            found = await judge.judged(
                rows, ran.outcomes, declared.candidates, declared.reference, judging, asking, manner,
                seed=declared.seed,
            )  # fmt: skip
            return _After(judged=found, ended=ran.ended)
        if scorers is not None and ran.ended is None:
            graded = await looked_at(rows, ran.outcomes, declared.reference, scorers, declared.seed)
            return _After(notes=() if graded is None else (graded,))
    except (BudgetSpentError, StoppedError) as error:
        nothing = (
            None if judging is None else judge.Judged(pairs={}, why={}, controls=Controls(model=judging, canaries=()))
        )
        return _After(judged=nothing, ended=ran.ended or error)
    return _After(ended=ran.ended)


def check(declared: Declared, samples: Sequence[Sample], manner: Manner) -> None:
    """Raise InputError for a scorer that cannot be, before anything is opened or written."""
    _, scorers = _scorers(declared, manner, _NOBODY)
    if scorers is not None:
        scorers.check(samples)


class Asker:
    """Calls that scorers and judges make, through the same log and budget."""

    def __init__(self, calls: Calls, lookup: Lookup) -> None:
        self._calls = calls
        self._lookup = lookup
        self._found: dict[str, Candidate] = {}

    async def judge(self, model: str, system: str, question: str) -> str:
        """What a model says, at temperature 0. Raises ScoringError where it says nothing."""
        from crossover.chat import ChatRequest, Message, Text

        messages = (Message("system", (Text(system),)), Message("user", (Text(question),)))
        request = ChatRequest(model=model, messages=messages, temperature=0.0, max_tokens=_MOST_SAID)
        found = await self._calls.ask(self._candidate(model), request)
        if isinstance(found, Failure):
            raise ScoringError(f"{model} could not be asked: {found.code}: {found.message}")
        return found.text

    async def embed(self, model: str, texts: tuple[str, ...]) -> list[tuple[float, ...]]:
        """The vectors of some texts. Raises ScoringError where there are none."""
        return await self._calls.embed(self._candidate(model), texts)

    def _candidate(self, model: str) -> Candidate:
        found = self._found.get(model)
        if found is None:
            found = self._found[model] = msgspec.structs.replace(self._lookup(model), name=f"scorer {model}")
        return found


_MOST_SAID = 1024  # tokens of a judge's reply


class _Nobody:
    """Stands for models while scorers are only looked at."""

    async def judge(self, model: str, system: str, question: str) -> str:
        """Never asked."""
        raise NotImplementedError

    async def embed(self, model: str, texts: tuple[str, ...]) -> list[tuple[float, ...]]:
        """Never asked."""
        raise NotImplementedError


_NOBODY = _Nobody()


def _scorers(declared: Declared, manner: Manner, asking: Asking) -> tuple[str | None, Scorers | None]:
    """(the judge's model, no scorers) for a run that a judge decides, else (None, its scorers)."""
    name, _, model = declared.scorer.partition(":")
    if name == JUDGE:
        if manner.stop_when_settled:
            said = "a judge compares when all answers are there, so no verdict can end the run before"
            raise ContradictionError(said, hint="Leave one of both out", field="--stop-when-settled")
        if not (model or manner.judge):
            raise InputError("judge needs a model", hint="Write judge:MODEL", field="--scorer")
        return model or manner.judge, None
    means = Means(
        asking=asking, allow_code=manner.allow_code, limits=manner.limits, judge=manner.judge, embedder=manner.embedder
    )
    default = (Check(scorer=declared.scorer),) if declared.scorer else ()
    return None, Scorers(default, means)


async def _fitting(
    samples: Sequence[Sample], scorers: Scorers | None, declared: Declared, manner: Manner
) -> tuple[list[Sample], list[str]]:
    """The samples that can be judged. Raises FileError with all others, unless they are to be left out."""
    if scorers is None:
        return list(samples), []
    await scorers.open(samples)
    fine, wrong = judgeable(samples, scorers, declared.file)
    if wrong and (not manner.skip_broken or not fine):
        first, rest = wrong[0], wrong[1:20]
        if len(wrong) > 20:
            rest.append(FileError(f"{len(wrong) - 20:,} more samples cannot be judged", file=declared.file))
        first.hint = "Choose another --scorer, or leave such samples out with --skip-broken"
        first.more = tuple(rest)
        raise first
    return fine, [f"left out, because nothing can judge them: {many(len(wrong), 'sample')}"] if wrong else []


def _same(candidates: Sequence[Candidate]) -> list[str]:
    """A note where two names are one: every answer is shared, and the comparison says nothing."""
    first: dict[str, str] = {}
    rows = []
    for candidate in candidates:
        other = first.setdefault(candidate.identity, candidate.name)
        if other != candidate.name:
            rows.append(f"{other} and {candidate.name} are answered by the same deployment: they share every answer")
    return rows


def _unknown(calls: Calls) -> list[str]:
    """A note where money was spent that nobody can count."""
    unknown = calls.purse.unknown
    return [f"price unknown: {many(unknown, 'call')}"] if unknown else []
