"""A whole load test: how the target counts, then its stages one after the other, each kept as soon as it has ended."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

import msgspec
import numpy as np

from crossover.errors import UpstreamError
from crossover.loadtest import sweep
from crossover.loadtest.arrivals import schedule
from crossover.loadtest.drive import Heard, Limits, Log, Purse, drive
from crossover.loadtest.measure import figures
from crossover.loadtest.prompts import PROBE_WORDS, Scale, Source, Synthetic, calibrate
from crossover.loadtest.targets import Tape, Target
from crossover.loadtest.words import Ask, Load, Run, ServerSide, Stage
from crossover.workload import Slo, Trace

ALONE = 10  # requests one at a time before the highest rate is sought: what the target does without any load
USUAL_S = 10.0
LONGEST_S = 60.0  # of a closed loop where nothing is said
LONGEST_TRIAL_S = 600.0
SETTLE_S = 0.05
LEAST_TRIAL = 50  # requests of one trial of a rate


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: one load, a sweep of concurrency to the knee, or the highest rate under ``slo``.

    ``load`` is the one load, or the style and the first rate of the search. ``requests`` and ``duration_s`` bound each
    stage (None: as many as the kind needs), ``warmup`` requests come before what is measured. ``most`` is the highest
    concurrency or rate that is tried. Where no bound is said a closed loop takes ``usual_s``, and ``least`` answers.
    """

    kind: Literal["one", "sweep", "max_rate"]
    load: Load
    limits: Limits
    requests: int | None = None
    duration_s: float | None = None
    warmup: int | None = None
    most: float = math.inf
    slo: Slo | None = None
    trace: Trace | None = None
    seed: int = 0
    usual_s: float = USUAL_S
    least: int = 100


class Watcher(Protocol):
    """Reads the engine's own metrics around a stage."""

    async def begin(self) -> None:
        """Before the stage."""
        ...

    async def end(self) -> ServerSide | None:
        """After it; what happened."""
        ...


Keep = Callable[[Stage], None]
Begun = Callable[[Load], Heard]  # told of every stage that begins; hears of its answers


async def calibrated(
    target: Target, source: Source, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> tuple[Source, Scale]:
    """The source scaled to how the target counts, from two requests of one token. Raises their ServingError.

    Own prompts are as they are: one of them is asked, so that a target that does not work is known before the load.
    Then a moment is waited: a server that ends connections behind its answers has done so by then, and is known.
    """
    synthetic = source if isinstance(source, Synthetic) else None
    asks = [source.ask(0)] if synthetic is None else [synthetic.probe(words) for words in PROBE_WORDS]
    counted = [await _probed(target, ask) for ask in asks]
    await sleep(SETTLE_S)
    if synthetic is None or not all(counted):
        return source, Scale()
    scale = calibrate(list(zip(PROBE_WORDS, counted, strict=True)))
    return (synthetic.scaled(scale), scale) if scale.measured else (source, scale)


async def _probed(target: Target, ask: Ask) -> int:
    """The tokens of a prompt as the target counts them; 0: it does not."""
    tape = Tape(time.perf_counter)
    try:
        await target.ask(ask, tape)
    except UpstreamError as error:
        if error.upstream == "context_length":
            return 0
        if error.upstream != "reset":
            raise
        tape = Tape(time.perf_counter)
        await target.ask(ask, tape)  # the first was lost to the end of the connection that it went out on
    return tape.usage.input if tape.usage is not None and tape.usage.input_basis == "measured" else 0


async def conduct(
    course: Course,
    target: Target,
    source: Source,
    *,
    keep: Keep,
    begun: Begun | None = None,
    watch: Watcher | None = None,
    purse: Purse | None = None,
    clock: Callable[[], float] = time.perf_counter,
    wall: Callable[[], float] = time.time,
    first: int = 0,
) -> None:
    """Carry out every stage; ``keep`` gets each when it has ended, also the one that a cancellation cuts short.

    Each stage asks made-up texts of its own, so that no stage finds those of another in a cache; ``first`` is the
    number of the first stage's.
    """
    numbers = itertools.count(first)

    async def stage(load: Load, limits: Limits, due: list[float] | None = None) -> Run:
        log, began, number = Log(load, purse), wall(), next(numbers)
        asked = source.later(number) if isinstance(source, Synthetic) else source
        heard = begun(load) if begun is not None else None
        server: ServerSide | None = None
        if watch is not None:
            await watch.begin()
        try:
            await drive(target, asked, load, limits, log, due=due, clock=clock, heard=heard)
        except asyncio.CancelledError:
            keep(Stage(run=log.run(), begun=began))
            raise
        finally:
            if watch is not None:
                server = await watch.end()
        run = log.run()
        keep(Stage(run=run, begun=began, server=server))
        return run

    if course.kind == "sweep":
        await _sweep(course, stage)
    elif course.kind == "max_rate":
        await _highest(course, stage)
    elif course.load.closed:
        await stage(course.load, closed_limits(course, course.load.concurrency))
    else:
        await stage(course.load, *open_limits(course, course.load))


_Carry = Callable[..., Awaitable[Run]]


def closed_limits(course: Course, concurrency: int, *, least: int | None = None, each: int = 8) -> Limits:
    """The bounds of a closed loop.

    Where nothing is said it takes the course's usual time, and as long as ``each`` answers of every client and
    ``least`` (the course's) in all need, up to a minute.
    """
    said = course.requests is not None or course.duration_s is not None
    return msgspec.structs.replace(
        course.limits,
        requests=course.requests,
        duration_s=course.duration_s or (LONGEST_S if said else course.usual_s),
        least=0 if said else max(course.least if least is None else least, each * concurrency),
        longest_s=LONGEST_S,
        warmup=concurrency if course.warmup is None else course.warmup,
    )


def open_limits(course: Course, load: Load) -> tuple[Limits, list[float]]:
    """The bounds of an open loop and when its requests are due, a second's worth of warm-up before."""
    rng = np.random.default_rng([course.seed, 2])
    steady = load.style != "trace" and load.to_rate_rps is None
    warmup = course.warmup if course.warmup is not None else max(1, math.ceil(load.rate_rps)) if steady else 0
    duration = course.duration_s
    if duration is None and course.requests is None:
        duration = 30.0 if load.style != "trace" else LONGEST_TRIAL_S
    ahead = 0.0 if not (steady and warmup) or duration is None else 2 * warmup / max(load.rate_rps, 1e-9) + 1.0
    due = schedule(
        load,
        rng,
        requests=None if course.requests is None else course.requests + warmup,
        duration_s=None if duration is None else duration + ahead,
        trace=course.trace,
    )
    limits = msgspec.structs.replace(course.limits, requests=course.requests, duration_s=duration, warmup=warmup)
    return limits, due.tolist()


async def _sweep(course: Course, stage: _Carry) -> None:
    points: list[sweep.Point] = []
    run: Run | None = None
    most = int(min(course.most, sweep.MOST_CONCURRENCY))
    while (concurrency := sweep.next_concurrency(points, most)) is not None and not _spent(run):
        run = await stage(Load(concurrency=concurrency), closed_limits(course, concurrency, least=24, each=4))
        points.append(point_of(run))


def point_of(run: Run) -> sweep.Point:
    """A closed loop as a point of the sweep's curve: output tokens a second, or answers where no tokens came."""
    made = figures(run)
    rate = made.output_tokens_per_s.value or made.requests_per_s.value
    return sweep.Point(concurrency=run.load.concurrency, throughput=rate, failed=run.stop == "errors" or not made.ok)


async def _highest(course: Course, stage: _Carry) -> None:
    """One at a time first; then rates from there on."""
    start = course.load.rate_rps
    alone = msgspec.structs.replace(course, requests=ALONE, duration_s=None, warmup=1)
    run = await stage(Load(concurrency=1), closed_limits(alone, 1))
    first = figures(run)
    if not first.ok:
        return
    trials: list[sweep.Trial] = []
    start = start or max(first.requests_per_s.value, sweep.LOWEST_RATE)
    while (rate := sweep.next_rate(trials, start, course.most)) is not None and not _spent(run):
        load = msgspec.structs.replace(course.load, rate_rps=rate)
        needed = (course.requests or LEAST_TRIAL) / rate
        duration = min(max(course.duration_s or 20.0, needed), LONGEST_TRIAL_S)
        trial = msgspec.structs.replace(course, requests=None, duration_s=duration, seed=course.seed + len(trials))
        run = await stage(load, *open_limits(trial, load))
        trials.append(trial_of(run, course.slo or Slo()))


def _spent(run: Run | None) -> bool:
    """Whether the budget has ended the last stage: then it ends the test."""
    return run is not None and run.stop == "budget"


def trial_of(run: Run, slo: Slo) -> sweep.Trial:
    """Whether a rate was carried: every limit of the SLO held, and it did not end early."""
    made = figures(run, slo)
    return sweep.Trial(rate_rps=run.load.rate_rps, met=not run.stop and made.ok > 0 and made.met)
