"""The work behind ``crossover eval run``: from flags to findings, through the dispatcher or a gateway."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from crossover.errors import ContradictionError, InputError, ThresholdError, UnknownNameError
from crossover.evaluation.calls import Candidate, Patience
from crossover.evaluation.controls import read_labels
from crossover.evaluation.declared import GATES, Declared
from crossover.evaluation.estimate import Estimate, estimates
from crossover.evaluation.findings import ERRORS, Findings
from crossover.evaluation.log import NAME, Answer, Log, open_log, read
from crossover.evaluation.power import check_margin, check_share, power_table
from crossover.evaluation.proof import evidence_of
from crossover.evaluation.results import write_results
from crossover.evaluation.run import Look, Progress, in_order
from crossover.evaluation.samples.read import read_samples, with_groups
from crossover.evaluation.samples.words import Sample, many
from crossover.evaluation.sequential import TYPICAL_DISCORDANCE
from crossover.evaluation.session import Manner, Session, check, session
from crossover.evaluation.words import PHRASES
from crossover.evidence import Evidence
from crossover.money import show, usd

if TYPE_CHECKING:
    from crossover.runtime.evaluating import Room

USUAL_SCORER = "normalised"
BEST_TOKENS = 2  # log-probabilities of so many at each place: the chosen one's, and how far it is ahead
ASKING = frozenset({"judge", "rubric", "embedding"})  # scorers that ask a model
_UNPROVEN = frozenset({"worse", "worse_than_margin", "inconclusive"})
_WORSE = frozenset({"worse", "worse_than_margin"})


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    samples: Path
    candidates: tuple[str, ...]
    reference: str
    scorer: str | None = None
    margin: float = 0.05
    errors: str = "as-wrong"
    out: Path | None = None
    resume: bool = False
    reuse: tuple[Path, ...] = ()
    budget: str | None = None
    concurrency: int = 8
    limit: int | None = None
    seed: int = 0
    max_tokens: int | None = None
    temperature: float | None = None
    timeout: float = 300.0
    tries: int = 4
    stop_when_settled: bool = False
    power: float = 0.8
    logprobs: bool = False
    whole: bool = False
    allow_code: bool = False
    judge: str | None = None
    rubric: str | None = None
    labels: Path | None = None
    embedder: str | None = None
    url: str | None = None
    config: Path | None = None
    ledger: Path | None = None
    skip_broken: bool = False
    fail_if: tuple[str, ...] = ()
    dry_run: bool = False
    html: Path | None = None
    as_json: bool = False

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return self.out or Path(f"{self.samples.stem}-eval")


def evaluate(flags: Flags) -> None:
    """Run it, print and write down what was found, and say by the exit code what the user wanted to know."""
    work = prepared(flags)
    try:
        done = asyncio.run(_evaluate(flags, work))
    except KeyboardInterrupt:
        _say_kept(flags.folder)
        raise
    if done is None:
        return
    write_results(flags.folder, done)
    _put(done.findings, flags)
    if flags.html is not None:
        from crossover.evaluation.summary import read_summary
        from crossover.reports import evaluation_html

        typer.echo(f" Report: {evaluation_html.write(read_summary(flags.folder), flags.html)}", err=True)
    if done.ended is not None:
        done.ended.told = True
        raise done.ended
    gate(done.findings, flags.fail_if)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is made of before a model is opened."""

    declared: Declared
    samples: list[Sample]
    notes: list[str]
    manner: Manner


def prepared(flags: Flags) -> Work:
    """Everything of a run that can be looked at before a model is opened. Raises InputError for all that is wrong."""
    check_margin(flags.margin)
    check_share("--power", flags.power)
    if flags.html is not None:
        from crossover.reports.files import check as check_file

        check_file(flags.html)  # before the work, not after it
    errors = next((rule for rule in ERRORS if rule == flags.errors), None)
    if errors is None:
        raise UnknownNameError("rule", flags.errors, ERRORS, field="--errors")
    check_gates(flags.fail_if)
    if flags.reference in flags.candidates:
        said = f"{flags.reference} is the reference and a candidate"
        raise ContradictionError(said, hint="Compare two names", field="--candidate")
    if len(set(flags.candidates)) < len(flags.candidates):
        raise InputError("a candidate is named twice", field="--candidate")
    found = read_samples(flags.samples, skip_broken=flags.skip_broken)
    samples = with_groups(found.samples)
    notes = list(found.notes)
    if found.broken:
        notes.append(f"left out: {many(len(found.broken), 'broken row')} of the file")
    if flags.limit is not None and flags.limit < len(samples):
        samples = _some(samples, flags.limit, flags.seed)
        notes.append(f"{len(samples):,} of {many(len(found.samples), 'sample')}, drawn with seed {flags.seed}")
    bring = all(sample.checks for sample in samples)
    options: dict[str, object] = {"max_tokens": flags.max_tokens, "temperature": flags.temperature}
    options |= {"logprobs": True, "top_logprobs": BEST_TOKENS} if flags.logprobs else {}
    declared = Declared(
        file=str(flags.samples),
        candidates=flags.candidates,
        reference=flags.reference,
        scorer=flags.scorer or ("" if bring else USUAL_SCORER),
        margin=flags.margin,
        errors=errors,
        seed=flags.seed,
        budget=None if flags.budget is None else _budget(flags.budget),
        options={name: value for name, value in options.items() if value is not None},
    )
    manner = Manner(
        concurrency=flags.concurrency,
        patience=Patience(tries=flags.tries, deadline_s=flags.timeout),
        streamed=not flags.whole,
        more=_reused(flags.reuse),
        allow_code=flags.allow_code,
        judge=flags.judge or "",
        embedder=flags.embedder or "",
        skip_broken=flags.skip_broken,
        rubric=flags.rubric or "",
        labels={} if flags.labels is None else read_labels(flags.labels),
        stop_when_settled=flags.stop_when_settled,
        power=flags.power,
    )
    check(declared, samples, manner)
    return Work(declared=declared, samples=samples, notes=notes, manner=manner)


def check_gates(names: Sequence[str]) -> None:
    """Raise UnknownNameError for a condition that there is not."""
    for name in names:
        if name not in GATES:
            raise UnknownNameError("condition", name, GATES, field="--fail-if")


def gate(found: Findings, names: Sequence[str]) -> None:
    """Raise ThresholdError where a verdict is one that the user said must fail."""
    failing = (_WORSE if "worse" in names else frozenset()) | (_UNPROVEN if "unproven" in names else frozenset())
    hit = [one for one in found.versus if one.comparison.verdict in failing]
    if hit:
        said = "; ".join(f"{one.candidate} is {PHRASES[one.comparison.verdict]}" for one in hit)
        raise ThresholdError(f"{said} (against {found.reference}, --fail-if {' and '.join(names)})", told=True)


def _some(samples: list[Sample], count: int, seed: int) -> list[Sample]:
    """So many samples by chance, in the order of the file; a larger draw holds the smaller one.

    A group stays whole, because it counts as one: there may be a few samples more.
    """
    order = in_order(samples, seed)
    while count < len(order) and order[count].group is not None and order[count].group == order[count - 1].group:
        count += 1
    drawn = {sample.id for sample in order[:count]}
    return [sample for sample in samples if sample.id in drawn]


def _budget(text: str) -> Decimal:
    amount = usd(text, field="--budget")
    if amount <= 0:
        raise InputError("a budget is more than nothing", field="--budget")
    return amount


async def _evaluate(flags: Flags, work: Work) -> Session | None:
    """The run inside its opened room; None for a dry run."""
    declared, more = work.declared, work.manner.more
    async with _room(flags) as room:
        candidates = [room.candidate(name, declared.options) for name in declared.candidates]
        candidates.append(room.candidate(declared.reference, declared.options, "--reference"))
        work.notes.extend(_silent(candidates, declared.options))
        _check_prices([*candidates, *_asked_by_scorers(room, declared, flags)], work.samples, declared)
        if flags.dry_run:
            kept = read(flags.folder / NAME).answers if (flags.folder / NAME).exists() else {}
            _put_estimates(estimates(work.samples, candidates, {**more, **kept}, _tokens), work, flags)
            return None
        with open_log(flags.folder, resume=flags.resume) as log:
            done = await _with_bar(flags, work, candidates, log, room)
        leave_evidence(done, room, candidates, f"crossover eval {flags.folder}")
    return done


async def _with_bar(flags: Flags, work: Work, candidates: Sequence[Candidate], log: Log, room: Room) -> Session:
    from crossover.reports.progress import progress

    def ready(samples: Sequence[Sample]) -> None:
        if not flags.as_json:
            _announce(estimates(samples, candidates, {**work.manner.more, **log.answers}, _tokens))

    with progress(enabled=not flags.as_json, left=True) as report:

        def tell(state: Progress) -> None:
            failed = f" · {state.failed:,} failed" if state.failed else ""
            report(state.done, state.total, f"{show(state.spent)} so far{failed}{_looked(state.look)}")

        return await session(
            work.declared, work.samples, candidates, log, lookup=lambda name: room.candidate(name, {}),
            manner=work.manner, notes=work.notes, ready=ready, tell=tell,
        )  # fmt: skip


def _looked(look: Look | None) -> str:
    """What the last look showed, for the progress bar."""
    if look is None:
        return ""
    if len(look.verdicts) == 1:
        return f" · {PHRASES[next(iter(look.verdicts.values()))]} after {look.samples:,}"
    return f" · {look.settled} of {len(look.verdicts)} settled after {look.samples:,}"


@asynccontextmanager
async def _room(flags: Flags) -> AsyncIterator[Room]:
    """The dispatcher of the configuration in force, or the gateway of ``--url``."""
    from crossover.config import api_key, environment, paths
    from crossover.config.load import find, load
    from crossover.runtime.evaluating import open_gateway, open_room
    from crossover.runtime.found import defaults

    if flags.url is not None:
        if flags.config is not None:
            said = "a gateway has its own configuration"
            raise ContradictionError(said, hint="Keep --url or --config", field="--config")
        async with open_gateway(flags.url, api_key(), flags.timeout) as room:
            yield room
        return
    environ = environment()
    file = find(flags.config, environ, Path())
    loaded = await defaults() if file is None else load(file, environ)
    async with open_room(loaded, paths(), ledger=flags.ledger) as room:
        yield room


def _silent(candidates: Sequence[Candidate], options: Mapping[str, object]) -> list[str]:
    """A note on who gives no log-probabilities, where they were asked for."""
    names = [one.name for one in candidates if "logprobs" in options and "logprobs" not in one.options]
    return [f"no log-probabilities are given by {', '.join(names)}"] if names else []


def _check_prices(candidates: Sequence[Candidate], samples: Sequence[Sample], declared: Declared) -> None:
    """A budget needs prices that are known before a call."""
    if declared.budget is None:
        return
    for candidate in candidates:
        if candidate.paid and candidate.highest(samples[0].request(candidate.model)) is None:
            raise InputError(
                f"nobody knows the price of {candidate.name} before it is asked, so no budget can be kept",
                hint="State a price in crossover.toml; behind --url, give the gateway's key a budget",
                field="--budget",
            )


def _asked_by_scorers(room: Room, declared: Declared, flags: Flags) -> list[Candidate]:
    """The models that scorers ask, as far as flags name them."""
    name, _, model = declared.scorer.partition(":")
    own = model if name in ASKING else ""
    asked = ((own, "--scorer"), (flags.judge, "--judge"), (flags.embedder, "--embedder"))
    return [room.candidate(one, {}, field) for one, field in asked if one]


def _reused(folders: Sequence[Path]) -> dict[str, Answer]:
    """The answers of other runs."""
    found: dict[str, Answer] = {}
    for folder in folders:
        found |= read(folder / NAME if folder.is_dir() else folder).answers
    return found


def _tokens(request: object) -> int:
    from crossover.chat import ChatRequest
    from crossover.providers.estimate import estimate_request

    assert isinstance(request, ChatRequest)
    return estimate_request(request)


def leave_evidence(done: Session, room: Room, candidates: Sequence[Candidate], source: str) -> None:
    """Write the figures into the ledger that the calls are in; a run that ended early leaves none."""
    if room.station is None or done.ended is not None:
        return
    from crossover.ledger.facts import add_evidence

    models: dict[str, str] = {}
    for (_, name), outcome in done.outcomes.items():
        if outcome.answer is not None and outcome.answer.model:
            models.setdefault(name, outcome.answer.model)
    rows = evidence_of(
        done.findings,
        dt.datetime.now(dt.UTC).date(),
        source=source,
        identities={candidate.name: candidate.identity for candidate in candidates},
        models=models,
    )
    add_evidence(room.station.ledger, [_formatted(row, room) for row in rows])


def _formatted(row: Evidence, room: Room) -> Evidence:
    """With the format of the weights, where it is known: in another format they are another model."""
    form = room.format(row.subject)
    return msgspec.structs.replace(row, context={**row.context, "quantisation": form}) if form else row


# --------------------------------------------------------------------------------------------------------------- output


def _say_kept(folder: Path) -> None:
    """After Ctrl-C: what is there, and how to go on."""
    path = folder / NAME
    if path.exists():
        kept = len(read(path).answers)
        sys.stderr.write(f"crossover: {folder} keeps {many(kept, 'answer')}; the same line with --resume goes on\n")


def _announce(rows: Sequence[Estimate]) -> None:
    """What it will cost, before the first call."""
    new = sum(row.calls for row in rows)
    kept = sum(row.kept for row in rows)
    parts = [many(new, "call") + (f", {many(kept, 'answer')} there already" if kept else "")]
    parts += [
        f"{row.candidate}: price unknown" if row.highest is None else f"{row.candidate} at most {show(row.highest)}"
        for row in rows
        if row.paid and row.calls
    ]
    typer.echo("; ".join(parts), err=True)


def _put_estimates(rows: Sequence[Estimate], work: Work, flags: Flags) -> None:
    wanted = power_table([flags.margin], [TYPICAL_DISCORDANCE], [0.0], power=flags.power)[0]
    if flags.as_json:
        typer.echo(dumped({"samples": len(work.samples), "estimates": rows, "needed": wanted}))
        return
    from crossover.reports.evaluation import render_estimates
    from crossover.reports.terminal import console

    scorer = work.declared.scorer.partition(":")[0]
    asking = sorted({name for name in (scorer, *_scorers_of(work.samples)) if name in ASKING})
    render_estimates(rows, len(work.samples), wanted, asking, console(), budget=work.declared.budget)


def _scorers_of(samples: Sequence[Sample]) -> set[str]:
    return {check.scorer.partition(":")[0] for sample in samples for check in sample.checks}


def _put(found: Findings, flags: Flags) -> None:
    if flags.as_json:
        typer.echo(dumped(found))
        return
    from crossover.reports.evaluation import render
    from crossover.reports.terminal import console

    render(found, console())
    typer.echo(f" Results: {flags.folder}", err=True)


def dumped(value: object) -> str:
    """A struct, or plain values with structs in them, as JSON text that any encoding can take."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    return text.decode().encode("utf-8", "replace").decode()
