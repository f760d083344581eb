"""Carries a load out: a closed loop of so many at once, or requests sent when they are due, whatever the answers do.

In an open loop nothing waits for anything: a request is sent when its time has come, however many are under way, so a
slow server cannot slow the questions down and hide its own queue (coordinated omission). Where too many are under way,
or more come than are answered, the run ends and says so. What the harness itself is late by is noted in every row.

Everything is bounded: requests, time, requests under way, failures, and the wait for the last answers. Cancelling ends
every request at once; what was measured until then is in the :class:`Log`.
"""

from __future__ import annotations

import asyncio
import bisect
import time
from collections.abc import Callable, Sequence

import msgspec

from crossover.errors import NoTargetError, RequestError, UpstreamError
from crossover.loadtest.prompts import Source
from crossover.loadtest.targets import Tape, Target
from crossover.loadtest.words import UNFINISHED, Ask, Load, Run, Shot, StopReason

JUDGED_FROM = 20  # finished requests before a share of failures says anything
HOPELESS = 5  # so many at the beginning, all failed: it will not get better
GROWN_FROM = 50  # requests due in the later half of the time before growth says anything
SAMPLE = 512  # answers whose times are looked at for the usual one
EARLY_S = 0.0005  # the loop's timers are whole milliseconds: half of one is on time
LOOK_S = 1.0  # how often growth is looked at
_NEVER = float("inf")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a run. The first ``warmup`` requests warm up; after them at most ``requests``, for ``duration_s``.

    In a closed loop time does not end it before ``least`` requests were sent, unless ``longest_s`` are over.

    ``failures`` is the share of failed requests that ends it, ``in_flight`` the most requests under way in an open
    loop, ``drain_s`` how long the last answers are waited for after the load has ended (after an early stop at most
    ``STOPPED_S``).
    """

    requests: int | None = None
    duration_s: float | None = None
    least: int = 0
    longest_s: float = 60.0
    warmup: int = 0
    failures: float = 0.1
    in_flight: int = 2048
    drain_s: float = 60.0


STOPPED_S = 2.0


class Purse:
    """What a test may cost, over all its stages: ``price`` gives the dollars of a request, known or estimated."""

    def __init__(self, limit_usd: float, price: Callable[[Shot], float]) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = 0.0
        self._price = price

    def pay(self, shot: Shot) -> None:
        """Take the price of a request out."""
        self.spent_usd += self._price(shot)

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return self.spent_usd >= self.limit_usd


class Log:
    """What has been measured so far; ``run`` makes the whole of it."""

    def __init__(self, load: Load, purse: Purse | None = None) -> None:
        self.load = load
        self.purse = purse
        self.shots: list[Shot] = []
        self.load_end: float | None = None
        self.last = 0.0  # when something last happened
        self.stop: StopReason = ""
        self.why = ""
        self.under_way = 0
        self.failed = 0

    def end(self, reason: StopReason, why: str) -> None:
        """Send no more; the first reason counts."""
        if not self.stop:
            self.stop, self.why = reason, why

    def run(self) -> Run:
        """The run as it is."""
        return Run(
            load=self.load,
            shots=tuple(sorted(self.shots, key=lambda shot: shot.number)),
            load_end=self.last if self.load_end is None else self.load_end,
            stop=self.stop,
            why=self.why,
        )


Heard = Callable[[int, int], None]  # how many answers there are, how many are expected (0: unknown)


async def drive(
    target: Target,
    source: Source,
    load: Load,
    limits: Limits,
    log: Log,
    *,
    due: Sequence[float] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    heard: Heard | None = None,
) -> Run:
    """Carry out ``load``; the run, also in ``log``. ``due`` is the schedule of an open loop, warm-up included.

    Failed requests are rows like others. Raises what is no failure of the target (EgressError, InputError), and
    CancelledError after everything under way has ended.
    """
    drill = _Drill(target, source, limits, log, clock, heard)
    try:
        if load.closed:
            await drill.closed(load.concurrency)
        else:
            await drill.open(due or ())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    except asyncio.CancelledError:
        log.end("interrupted", "it was interrupted")
        raise
    return log.run()


class _Drill:
    """One run while it is under way."""

    def __init__(
        self,
        target: Target,
        source: Source,
        limits: Limits,
        log: Log,
        clock: Callable[[], float],
        heard: Heard | None,
    ) -> None:
        self._target = target
        self._source = source
        self._limits = limits
        self._log = log
        zero = clock()
        self._clock: Callable[[], float] = lambda: clock() - zero
        self._heard = heard
        self._next = 0
        self._until = self._longest = _NEVER
        self._enough = limits.warmup + limits.least
        self._expected = 0 if limits.requests is None else limits.requests + limits.warmup
        self._answered: list[float] = []  # when answers were complete, rising, and how long they took
        self._took: list[float] = []
        self._looked = 0.0

    # -------------------------------------------------------------------------------------------------- closed loop

    async def closed(self, concurrency: int) -> None:
        """So many at once."""
        tasks: list[asyncio.Task[None]] = []
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(self._again(ended)) for _ in range(concurrency)]
            await ended.wait()
            await self._drain(tasks)

    async def _again(self, ended: asyncio.Event) -> None:
        """Ask, wait for the answer, ask anew."""
        while (number := self._taken()) is not None:
            await self._one(number, self._clock(), self._source.ask(number))
        if self._log.load_end is None:
            self._log.load_end = self._clock()
        ended.set()

    def _taken(self) -> int | None:
        """The next number; None where the load has ended."""
        number, now = self._next, self._clock()
        if self._log.stop or (now >= self._until and (number >= self._enough or now >= self._longest)):
            return None
        if self._limits.requests is not None and number >= self._limits.requests + self._limits.warmup:
            return None
        self._begin_time(number, now)
        self._next = number + 1
        return number

    def _begin_time(self, number: int, now: float) -> None:
        """The time that is measured begins with the first request after the warm-up."""
        if number == self._limits.warmup and self._limits.duration_s is not None:
            self._until = now + self._limits.duration_s
            self._longest = now + max(self._limits.longest_s, self._limits.duration_s)

    # ---------------------------------------------------------------------------------------------------- open loop

    async def open(self, due: Sequence[float]) -> None:
        """Each when it is due."""
        self._expected = len(due)
        tasks: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            for number, at in enumerate(due):
                ask = self._source.ask(number)
                await self._wait(at)
                now = self._clock()
                self._judge_growth(due, number, now)
                if self._log.stop or now >= self._until:
                    break
                self._begin_time(number, now)
                task = group.create_task(self._one(number, at, ask))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            self._log.load_end = self._clock()
            await self._drain(list(tasks))

    async def _wait(self, at: float) -> None:
        """Until a time. Sleeping is not exact, and long sleeps would not hear that the run has ended."""
        while not self._log.stop and (left := at - self._clock()) > EARLY_S:
            await asyncio.sleep(min(left, LOOK_S))

    def _judge_growth(self, due: Sequence[float], number: int, now: float) -> None:
        """End a run in which more requests come than are answered.

        In the later half of the time so far, if that is longer than most answers took, as many should have been
        answered as were sent: what came and what was answered differ by chance alone, about the root of their number.
        """
        log = self._log
        if log.under_way >= self._limits.in_flight:
            log.end("saturated", f"{log.under_way:,} requests were under way at once")
        if now - self._looked < LOOK_S or not self._took:
            return
        self._looked = now
        half = now / 2
        some = sorted(self._took[:: len(self._took) // SAMPLE + 1])
        came = number - bisect.bisect_left(due, half, hi=number)
        answered = len(self._answered) - bisect.bisect_left(self._answered, half)
        if some[len(some) // 2] < half and came >= GROWN_FROM and came - answered > 10 + 3 * came**0.5:
            log.end("saturated", f"of {came:,} requests of the last {half:.3g} s only {answered:,} were answered")

    # ------------------------------------------------------------------------------------------------- one request

    async def _one(self, number: int, scheduled: float, ask: Ask) -> None:
        """One request, from its sending to its row."""
        log, tape = self._log, Tape(self._clock)
        error = message = ""
        log.under_way += 1
        try:
            await self._target.ask(ask, tape)
            if tape.ended is None:
                raise UpstreamError("the stream stopped without saying that it is complete", upstream="cut")
        except UpstreamError as failure:
            error, message = failure.upstream, failure.message
        except RequestError as failure:
            error, message = failure.code, failure.message
        except NoTargetError as failure:
            error, message = "no_target", failure.message
        except asyncio.CancelledError:
            self._note(number, scheduled, ask, tape, UNFINISHED, "")
            raise
        finally:
            log.under_way -= 1
        self._note(number, scheduled, ask, tape, error, message)
        self._judge(error)

    def _note(self, number: int, scheduled: float, ask: Ask, tape: Tape, error: str, message: str) -> None:
        """The row of a request that has ended."""
        log, usage, now = self._log, tape.usage, self._clock()
        ended = now if tape.ended is None or error else tape.ended
        counted = len(tape.times)
        log.shots.append(
            Shot(
                number=number,
                warmup=number < self._limits.warmup,
                scheduled=scheduled,
                sent=tape.sent,
                ended=ended,
                times=tape.times,
                visible=tape.visible if tape.thought else (tape.times[0] if counted else None),
                connect_s=tape.connect_s,
                server_s=tape.server_s,
                asked_input=ask.input_tokens,
                asked_output=ask.output_tokens,
                input=usage.input if usage is not None and usage.input else ask.input_tokens,
                output=usage.output if usage is not None and usage.output else counted,
                cached=0 if usage is None else usage.cached_read,
                reasoning=0 if usage is None else usage.reasoning,
                input_basis="estimated" if usage is None or not usage.input else usage.input_basis,
                output_basis="estimated" if usage is None or not usage.output else usage.output_basis,
                finish=tape.finish,
                error=error,
                message=message[:300],
                deployment=tape.deployment,
            )
        )
        log.last = max(log.last, ended)
        if log.purse is not None:
            log.purse.pay(log.shots[-1])
            if log.purse.empty:
                log.end("budget", f"its ${log.purse.limit_usd:g} are spent")
        if not error:
            self._answered.append(ended)
            self._took.append(ended - tape.sent)
        if self._heard is not None:
            self._heard(len(log.shots), self._expected)

    def _judge(self, error: str) -> None:
        """End a run in which too much fails."""
        log = self._log
        log.failed += bool(error)
        finished = len(log.shots)
        hopeless = finished >= HOPELESS and log.failed == finished
        if hopeless or (finished >= JUDGED_FROM and log.failed > self._limits.failures * finished):
            kinds = sorted({shot.error for shot in log.shots if shot.error})
            log.end("errors", f"{log.failed:,} of {finished:,} requests failed ({', '.join(kinds)})")

    async def _drain(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for the last answers, then end what is still under way."""
        waiting = [task for task in tasks if not task.done()]
        if waiting:
            patience = min(STOPPED_S, self._limits.drain_s) if self._log.stop else self._limits.drain_s
            _, left = await asyncio.wait(waiting, timeout=patience)
            for task in left:
                task.cancel()
