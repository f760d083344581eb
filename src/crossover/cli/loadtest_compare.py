"""The work behind ``crossover loadtest --compare``: several targets, one load, in turns, one page."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import msgspec
import typer

from crossover.cli.loadtest_flags import course_of, source_of, trace_of
from crossover.cli.loadtesting import Flags, aimed_at, checked, key_of, leave, outside_prompts, planner_name, session_of
from crossover.config.load import Loaded
from crossover.errors import ContradictionError, CutShortError, InputError, UpstreamError
from crossover.loadtest.conduct import Course, calibrated
from crossover.loadtest.contest import FEWEST, ROUNDS, Begun, Ready, Side, contest
from crossover.loadtest.drive import Heard
from crossover.loadtest.evidence import of_rounds
from crossover.loadtest.prompts import Source
from crossover.loadtest.records import Writer
from crossover.loadtest.words import Session, Stage
from crossover.reports import contest as words
from crossover.runtime.aim import Aim, at_url, offered, purse
from crossover.runtime.rivals import everything, field, with_files
from crossover.workload import Slo

MOST_ROUNDS = 100
_ALONE = (
    ("--sweep", "sweep"), ("--max-rate", "max_rate"), ("--read", "read"), ("--against", "against"), ("--url", "url"),
    ("--fail-if", "fail_if"), ("--subject", "subject"),
)  # fmt: skip


class Entry(msgspec.Struct, kw_only=True):
    """One side while it is measured."""

    name: str
    aim: Aim
    ready: Ready
    session: Session
    writer: Writer | None = None


class Kept(msgspec.Struct, kw_only=True):
    """What there is so far: entries, who did not take part, and what has to be said."""

    entries: list[Entry] = []
    absent: list[tuple[str, str]] = []
    notes: tuple[str, ...] = ()


def compare(flags: Flags) -> None:
    """Carry the comparison out, show it, keep it."""
    slo = _checked(flags)
    kept, interrupted = Kept(), False
    try:
        _run(flags, slo, kept)
    except KeyboardInterrupt:
        interrupted = True
        if not any(entry.session.stages for entry in kept.entries):
            raise
    sides = [Side(name=one.name, session=one.session, left=one.ready.gone) for one in kept.entries]
    written = (
        None
        if flags.no_evidence or interrupted
        else leave(flags, [row for side in sides for row in of_rounds(side.session)])
    )
    _finish(flags, slo, kept, sides, written)
    if interrupted:
        raise CutShortError
    if not any(stage.run.shots for side in sides for stage in side.session.stages):
        raise UpstreamError("nothing was measured", upstream="server_error")


def _checked(flags: Flags) -> Slo:
    for flag, name in _ALONE:
        if getattr(flags, name):
            hint = {"--url": "Write the address as a target: crossover loadtest --compare http://… NAME"}.get(flag)
            raise ContradictionError(f"{flag} does not go with --compare", hint=hint, field=flag)
    rounds = ROUNDS if flags.rounds is None else flags.rounds
    if not FEWEST <= rounds <= MOST_ROUNDS:
        hint = f"Write {FEWEST} to {MOST_ROUNDS}: fewer cannot tell a difference from chance"
        raise InputError(f"{rounds} is out of range", hint=hint, field="--rounds")
    if len(set(flags.targets)) < len(flags.targets):
        raise ContradictionError("a target is named twice", field="TARGET")
    if len(flags.targets) == 1:
        raise InputError("a comparison takes two targets", hint="Name another, or none: then all engines found here")
    if any(target.startswith(("http://", "https://")) for target in flags.targets):
        return checked(msgspec.structs.replace(flags, target=None, model=None, api_key_env=None))
    return checked(msgspec.structs.replace(flags, target=None, model=None))


# -------------------------------------------------------------------------------------------------------------- running


def _run(flags: Flags, slo: Slo, kept: Kept) -> None:
    from crossover.cli.serve import loop_factory

    seed = secrets.randbelow(2**31) if flags.seed is None else flags.seed
    trace = trace_of(flags)
    course, source = course_of(flags, slo, trace, seed), source_of(flags, trace, seed)
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_measure(flags, course, source, kept))


async def _measure(flags: Flags, course: Course, source: Source, kept: Kept) -> None:
    loaded, names = await _who(flags, kept)
    async with AsyncExitStack() as stack:
        for name in names:
            await _enter(flags, course, source, name, loaded, kept, stack)
        if len(kept.entries) < 2:
            said = "; ".join(f"{name}: {why}" for name, why in kept.absent)
            raise UpstreamError(f"fewer than two targets answer ({said})", upstream="server_error")

        def keep(number: int, stage: Stage) -> None:
            one = kept.entries[number]
            one.session = msgspec.structs.replace(one.session, stages=(*one.session.stages, stage))
            if one.writer is not None:
                one.writer.stage(stage)

        with _progress(flags) as begun:
            await contest(
                course, [one.ready for one in kept.entries], rounds=flags.rounds or ROUNDS, keep=keep, begun=begun
            )  # fmt: skip


async def _who(flags: Flags, kept: Kept) -> tuple[Loaded, tuple[str, ...]]:
    """The configuration in force, and the names of those who take part."""
    from crossover.cli.serve import settings

    loaded = await settings(flags.config)
    if flags.targets:
        return with_files(loaded, flags.targets)
    from crossover.runtime import catalog_for
    from crossover.runtime.found import found_models

    found = field(everything(loaded, await found_models()), catalog_for(), flags.model)
    kept.notes = found.notes
    return found.loaded, found.names


async def _enter(
    flags: Flags, course: Course, source: Source, name: str, loaded: Loaded, kept: Kept, stack: AsyncExitStack
) -> None:
    """Open one target and see how it counts; one that does not answer takes no part, and is told of."""
    try:
        aim = await _opened(flags, name, loaded)
        stack.push_async_callback(aim.close)
        outside_prompts(flags, aim)
        own, scale = await calibrated(aim.target, source)
    except UpstreamError as error:
        kept.absent.append((name, error.message))
        return
    session = await session_of(flags, course, aim, scale)
    writer = None
    if flags.out is not None:
        writer = Writer(_beside(flags.out, name), session)
        stack.callback(writer.close)
    ready = Ready(name=name, target=aim.target, source=own, watch=aim.watch, purse=purse(aim, flags.max_usd))
    kept.entries.append(Entry(name=name, aim=aim, ready=ready, session=session, writer=writer))


async def _opened(flags: Flags, name: str, loaded: Loaded) -> Aim:
    if not name.startswith(("http://", "https://")):
        return await aimed_at(name, flags, loaded)
    model = await offered(name, flags.model, key_of(flags))
    aim = await at_url(name, model, api_key=key_of(flags), limit_s=flags.timeout, ignore_eos=flags.ignore_eos)
    return await planner_name(flags, aim)


def _beside(place: Path, name: str) -> Path:
    """``run.jsonl`` and ``a/b`` → ``run.a-b.jsonl``."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")
    return place.with_name(f"{place.stem}.{plain}{place.suffix}")


@contextmanager
def _progress(flags: Flags) -> Iterator[Begun]:
    from crossover.reports.progress import progress

    rounds = flags.rounds or ROUNDS
    with progress(enabled=not (flags.quiet or flags.as_json)) as report:

        def begun(name: str, number: int) -> Heard:
            def heard(done: int, expected: int) -> None:
                report(done, expected, f"round {number + 1} of {rounds}: {name}")

            return heard

        yield begun


# -------------------------------------------------------------------------------------------------------------- the end


def _finish(flags: Flags, slo: Slo, kept: Kept, sides: Sequence[Side], written: int | None) -> None:
    money = [one.ready.purse.spent_usd for one in kept.entries if one.ready.purse is not None]
    found = words.report(
        sides, slo, absent=kept.absent, notes=kept.notes, evidence=written, spent_usd=sum(money) if money else None,
        made_on=dt.datetime.now(dt.UTC).date().isoformat(),
    )  # fmt: skip
    if flags.as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(words.as_json(found)), indent=2).decode() + "\n")
    else:
        from crossover.reports.contest_terminal import render
        from crossover.reports.terminal import console

        render(found, console(), quiet=flags.quiet)
    if flags.html is not None:
        from crossover.reports.contest_html import write

        write(found, flags.html)
        if not flags.as_json:
            typer.echo(f"Report written to {flags.html}", err=True)
