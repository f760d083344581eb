"""The work behind ``crossover loadtest``: from flags to a report, and the exit code that says what was asked of it."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import math
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import typer

from crossover import __version__
from crossover.cli.loadtest_flags import course_of, described, source_of, trace_of
from crossover.config import environment, paths
from crossover.config.load import Loaded
from crossover.errors import (
    ContradictionError,
    CutShortError,
    FileError,
    InputError,
    ThresholdError,
    UnknownNameError,
    UpstreamError,
)
from crossover.evidence import Evidence
from crossover.loadtest.compare import pairs
from crossover.loadtest.conduct import Begun, Course, calibrated, conduct
from crossover.loadtest.drive import Heard
from crossover.loadtest.evidence import evidence
from crossover.loadtest.network import distance
from crossover.loadtest.prompts import Scale, Source
from crossover.loadtest.records import Writer
from crossover.loadtest.records import read as read_session
from crossover.loadtest.words import Load, Session, Stage
from crossover.reports import loadtest as words
from crossover.runtime.aim import Aim, at_deployment, at_name, at_url, purse
from crossover.runtime.rivals import with_files
from crossover.workload import Slo, parse_slo

GATES = ("slo", "slower")


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line; see its help."""

    target: str | None = None
    targets: tuple[str, ...] = ()
    url: str | None = None
    model: str | None = None
    api_key_env: str | None = None
    routed: bool = False
    config: Path | None = None
    read: Path | None = None
    concurrency: int | None = None
    rate: float | None = None
    arrivals: str | None = None
    burstiness: float | None = None
    ramp: str | None = None
    trace: Path | None = None
    columns: str | None = None
    time_scale: float | None = None
    sweep: bool = False
    max_rate: bool = False
    slo: str = ""
    input_tokens: str | None = None
    output_tokens: str | None = None
    preset: str | None = None
    prompts: Path | None = None
    shared_prefix: float | None = None
    ignore_eos: bool | None = None
    seed: int | None = None
    requests: int | None = None
    duration: float | None = None
    warmup: int | None = None
    most: float | None = None
    timeout: float = 120.0
    max_usd: float = 1.0
    compare: bool = False
    rounds: int | None = None
    against: list[Path] | None = None
    out: Path | None = None
    html: Path | None = None
    as_json: bool = False
    quiet: bool = False
    fail_if: list[str] | None = None
    no_evidence: bool = False
    subject: str | None = None
    ledger: Path | None = None


class Kept(msgspec.Struct):
    """What has been measured so far, and what it cost."""

    session: Session | None = None
    spent_usd: float | None = None


def load_test(flags: Flags) -> None:
    """Carry the test out, or read an earlier one; show it, keep it, judge it."""
    if flags.compare:
        from crossover.cli.loadtest_compare import compare

        compare(flags)
        return
    slo = checked(flags)
    before = [(str(place), read_session(place)) for place in flags.against or ()]
    if flags.read is not None:
        session = read_session(flags.read)
        _finish(flags, slo, Kept(session=session), before, written=None)
        return
    kept, interrupted = Kept(), False
    try:
        _run(flags, slo, kept)
    except KeyboardInterrupt:
        interrupted = True
        if kept.session is None or not kept.session.stages:
            raise
    assert kept.session is not None
    written = None if flags.no_evidence or interrupted else leave(flags, evidence(kept.session, slo))
    _finish(flags, slo, kept, before, written=written, judged=not interrupted)
    if interrupted:
        raise CutShortError


def checked(flags: Flags) -> Slo:
    """Everything that can be wrong before anything is opened. Raises InputError."""
    slo = parse_slo(flags.slo)
    _several(flags)
    for gate in flags.fail_if or ():
        if gate not in GATES:
            raise UnknownNameError("reason to fail", gate, GATES, field="--fail-if")
    if "slo" in (flags.fail_if or ()) and not slo.targets:
        raise ContradictionError("--fail-if slo needs limits", hint='Add --slo "ttft_p95<1s"', field="--fail-if")
    if "slower" in (flags.fail_if or ()) and not flags.against:
        raise ContradictionError("--fail-if slower needs an earlier run", hint="Add --against FILE", field="--fail-if")
    for place, flag in ((flags.html, "--html"), (flags.out, "--out")):
        if place is not None:
            from crossover.reports.files import check

            check(place)  # before the work, not after it
            if any(place == other for other in (flags.against or ())) or place == flags.read:
                raise ContradictionError(f"{place} is read, so it cannot be written", field=flag)
    named = [name for name, on in (("TARGET", flags.target), ("--url", flags.url), ("--read", flags.read)) if on]
    if len(named) > 1:
        raise ContradictionError(f"{' and '.join(named)} each say what is tested", hint="Keep one", field=named[1])
    if (flags.url is None) != (flags.model is None):
        said, lacks = ("--url", "--model") if flags.model is None else ("--model", "--url")
        raise ContradictionError(f"{said} needs {lacks}", field=said)
    if flags.url is None and flags.api_key_env is not None:
        raise ContradictionError("a deployment's key is in crossover.toml", hint="Drop it", field="--api-key-env")
    for value, flag in ((flags.timeout, "--timeout"), (flags.max_usd, "--max-usd")):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{value:g} is out of range", hint="Write a number above 0", field=flag)
    return slo


def _several(flags: Flags) -> None:
    """What only a comparison takes. Raises ContradictionError."""
    if flags.compare:
        return
    if flags.rounds is not None:
        raise ContradictionError("rounds are those of a comparison", hint="Add --compare", field="--rounds")
    if len(flags.targets) > 1:
        file = next((name for name in flags.targets if name.endswith(".jsonl")), None)
        hint = "Add --compare to measure them in turns" if file is None else f"An earlier run: --against {file}"
        raise ContradictionError("one target at a time", hint=hint, field="TARGET")


# -------------------------------------------------------------------------------------------------------------- running


def _run(flags: Flags, slo: Slo, kept: Kept) -> None:
    from crossover.cli.serve import loop_factory

    seed = secrets.randbelow(2**31) if flags.seed is None else flags.seed
    trace = trace_of(flags)
    course = course_of(flags, slo, trace, seed)
    source = source_of(flags, trace, seed)
    gc.collect()
    gc.freeze()  # what is here stays: no pause of ours in the middle of a measurement
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_measure(flags, course, source, kept))


async def _measure(flags: Flags, course: Course, source: Source, kept: Kept) -> None:
    aim = await _aimed(flags)
    try:
        outside_prompts(flags, aim)
        await _stages(flags, course, source, aim, kept)
    finally:
        await aim.close()


def outside_prompts(flags: Flags, aim: Aim) -> None:
    """The user's own prompts do not go to a provider unseen. Raises ContradictionError."""
    if aim.subject.outside and flags.prompts is not None and not flags.routed and aim.subject.deployment:
        raise ContradictionError(
            f"{aim.subject.deployment} is a provider's, and --prompts may hold anything",
            hint="Add --routed: then they go through the privacy gate, as in service",
            field="--prompts",
        )


async def _stages(flags: Flags, course: Course, source: Source, aim: Aim, kept: Kept) -> None:
    try:
        source, scale = await calibrated(aim.target, source)
    except UpstreamError as error:
        error.message = f"{aim.subject.label} does not answer: {error.message}"
        raise
    kept.session = await session_of(flags, course, aim, scale)
    money = purse(aim, flags.max_usd)
    writer = None if flags.out is None else Writer(flags.out, kept.session)

    def keep(stage: Stage) -> None:
        assert kept.session is not None
        kept.session = msgspec.structs.replace(kept.session, stages=(*kept.session.stages, stage))
        kept.spent_usd = None if money is None else money.spent_usd
        if writer is not None:
            writer.stage(stage)

    try:
        with _progress(flags) as begun:
            await conduct(course, aim.target, source, keep=keep, begun=begun, watch=aim.watch, purse=money)
    finally:
        if writer is not None:
            writer.close()


async def session_of(flags: Flags, course: Course, aim: Aim, scale: Scale) -> Session:
    """What is known of a test before its first stage."""
    away = None if aim.endpoint is None else await distance(aim.endpoint)
    return Session(
        subject=aim.subject,
        asked=described(flags),
        seed=course.seed,
        product=__version__,
        per_word=scale.per_word if scale.measured else None,
        round_trip_s=None if away is None else away.round_trip_s,
        tls_s=None if away is None else away.tls_s,
    )


@contextmanager
def _progress(flags: Flags) -> Iterator[Begun]:
    """A bar for each load, where a person is watching."""
    from crossover.reports.progress import progress

    with progress(enabled=not (flags.quiet or flags.as_json)) as report:

        def begun(load: Load) -> Heard:
            def heard(done: int, expected: int) -> None:
                report(done, expected, load.label)

            return heard

        yield begun


async def _aimed(flags: Flags) -> Aim:
    """What is to be tested, opened."""
    if flags.url is not None and flags.model is not None:
        aim = await at_url(
            flags.url, flags.model, api_key=key_of(flags), limit_s=flags.timeout, ignore_eos=flags.ignore_eos
        )
        return await planner_name(flags, aim)
    from crossover.cli.serve import settings

    loaded = await settings(flags.config)
    name = flags.target
    if name is None:
        names = [key for key, row in loaded.settings.deployments.items() if row.enabled]
        if len(names) != 1:
            hint = f"Name one of: {', '.join([*names, *loaded.settings.aliases])}" if names else "Or --url and --model"
            raise InputError("what is to be tested?", hint=hint, field="TARGET")
        name = names[0]
    loaded, (name,) = with_files(loaded, [name])
    return await aimed_at(name, flags, loaded)


async def aimed_at(name: str, flags: Flags, loaded: Loaded) -> Aim:
    """A deployment, called directly, or a name with its policy. Raises FileError for what looks like a file."""
    deployment = loaded.settings.deployments.get(name)
    if deployment is None and name not in loaded.settings.aliases:
        _no_file(name)
    if flags.routed or deployment is None or not deployment.enabled:
        return await at_name(name, loaded, paths(), ledger=flags.ledger, limit_s=flags.timeout)
    aim = await at_deployment(name, loaded, paths(), limit_s=flags.timeout, ignore_eos=flags.ignore_eos)
    return await planner_name(flags, aim)


def _no_file(name: str) -> None:
    """A target that looks like a file and is none that can be tested."""
    if name.casefold().endswith(".gguf"):
        raise FileError("no such model file", file=name, field="TARGET")
    if name.casefold().endswith(".jsonl"):
        hint = f"--against {name} compares with an earlier run, --read {name} shows one"
        raise FileError("is no target", file=name, hint=hint, field="TARGET")


async def planner_name(flags: Flags, aim: Aim) -> Aim:
    """With the planner's name for it: the one that was stated, or one that is certain."""
    from crossover.runtime import catalog_for
    from crossover.runtime.measured import speed_subject

    known_as = flags.subject or aim.subject.known_as
    if not known_as and not flags.no_evidence and aim.subject.engine:
        known_as = await speed_subject(aim.subject, catalog_for()) or ""
    return msgspec.structs.replace(aim, subject=msgspec.structs.replace(aim.subject, known_as=known_as))


def key_of(flags: Flags) -> str | None:
    """The key for --url, from the environment variable that was named."""
    if flags.api_key_env is None:
        return None
    value = environment().get(flags.api_key_env, "").strip()
    if not value:
        raise InputError(f"{flags.api_key_env} is not set", hint="It must hold the key", field="--api-key-env")
    return value


# -------------------------------------------------------------------------------------------------------------- the end


def leave(flags: Flags, rows: Sequence[Evidence]) -> int:
    """Write evidence into the ledger; how many figures."""
    from crossover.ledger.facts import add_evidence
    from crossover.ledger.store import open_ledger

    if rows:
        with open_ledger(flags.ledger or paths().data / "ledger.db") as ledger:
            add_evidence(ledger, rows)
    return len(rows)


def _finish(
    flags: Flags, slo: Slo, kept: Kept, before: list[tuple[str, Session]], *, written: int | None, judged: bool = True
) -> None:
    """Show the report, write the page, and raise what the exit code has to say."""
    assert kept.session is not None
    session = kept.session
    found = words.report(
        session,
        slo,
        beside=[
            words.Beside(name=name, label=one.subject.label, pairs=pairs(one, session)) for name, one in before
        ],
        spent_usd=kept.spent_usd,
        evidence=written,
        made_on=dt.datetime.now(dt.UTC).date().isoformat(),
    )  # fmt: skip
    if flags.html is not None and flags.as_json:
        _page(flags.html, found, said=False)
    if flags.as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(words.as_json(found)), indent=2).decode() + "\n")
    else:
        from crossover.reports.loadtest_terminal import render
        from crossover.reports.terminal import console

        render(found, console(), quiet=flags.quiet)
        if flags.html is not None:
            _page(flags.html, found, said=True)
    if judged:
        _judge(flags, found)


def _page(place: Path, found: words.Report, *, said: bool) -> None:
    from crossover.reports.loadtest_html import write

    write(found, place)
    if said:
        typer.echo(f"Report written to {place}", err=True)


def _judge(flags: Flags, found: words.Report) -> None:
    gates = flags.fail_if or ()
    missed, slower = words.missed(found), words.slower(found)
    if "slo" in gates and missed:
        raise ThresholdError(f"not met: {', '.join(missed)}", told=True)
    if "slower" in gates and slower:
        raise ThresholdError(f"slower than before: {'; '.join(slower)}", told=True)
    main = words.main_stage(found)
    if main is None or not main.figures.ok:
        stage = found.stages[-1] if found.stages else None
        message = next((shot.message for shot in stage.stage.run.shots if shot.message), "") if stage else ""
        error = UpstreamError(f"{words.headline(found)}. {message}".strip(), upstream="server_error")
        error.told = True
        raise error
