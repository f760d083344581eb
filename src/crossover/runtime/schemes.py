"""The current plan for the page that shows it: one that was saved, else one made from what the ledger recorded.

Making a plan takes seconds, so it happens in a thread of its own and the plan is kept for an hour; meanwhile the page
says that it is being made.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from crossover.dashboard.words import Choice, Curve, Planned, Scheme, Turn
from crossover.errors import CrossoverError, FileError, InputError

if TYPE_CHECKING:
    from crossover.planner.words import Plan, VolumeCurve

KEPT_S = 3600.0
AGAIN_S = 60.0  # before what failed is tried again
MOST_BYTES = 64 * 2**20
MOST_S = 300.0
_OPTIONS, _CROSSINGS = 12, 4
Make = Callable[[], "tuple[Plan, str]"]  # a plan, and what traffic it rests on


class Schemes:
    """Gives the current plan, at once. ``file`` is a saved one; ``make`` makes one where there is none."""

    def __init__(
        self, file: Path, make: Make | None = None, *, stated: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file, self._make, self._stated, self._clock = file, make, stated, clock
        self._guard = threading.Lock()
        self._planned = Planned(working=make is not None)
        self._until = 0.0
        self._working = False
        self._seen: tuple[int, int] | None = None

    def __call__(self) -> Planned:
        """The plan as far as there is one."""
        saved = self._saved()
        if saved is not None:
            return saved
        if self._make is None:
            return Planned()
        with self._guard:
            if not self._working and self._clock() >= self._until:
                self._working = True
                threading.Thread(target=self._work, args=(self._make,), name="crossover-plan", daemon=True).start()
            return self._planned

    def _saved(self) -> Planned | None:
        """The saved plan, read again when its file changes; None where there is none to show."""
        try:
            found = self._file.stat()
        except OSError as error:
            if self._stated:
                return Planned(said=f"{self._file} cannot be read: {error.strerror}")
            return None
        seen = (found.st_mtime_ns, found.st_size)
        if seen != self._seen:
            try:
                self._planned = Planned(scheme=scheme_of(read_plan(self._file), f"saved in {self._file.name}"))
            except FileError as error:
                self._planned = Planned(said=error.sentence())
            self._seen = seen
        return self._planned

    def _work(self, make: Make) -> None:
        kept = AGAIN_S
        try:
            plan, source = make()
            planned = Planned(scheme=scheme_of(plan, source))
            kept = KEPT_S
        except CrossoverError as error:
            planned = Planned(said=error.sentence())
        with self._guard:
            self._planned, self._until, self._working = planned, self._clock() + kept, False


def from_ledger(ledger: Path) -> Make:
    """Makes the plan of the last thirty days of a ledger: ``crossover plan --from-ledger``, as a process of its own.

    A planner takes hundreds of megabytes for some seconds; a process gives them back.
    """

    def make() -> tuple[Plan, str]:
        from crossover.planner.words import Plan

        words = (sys.executable, "-m", "crossover", "plan", "--from-ledger", "--ledger", str(ledger), "--json")
        try:
            done = subprocess.run(  # noqa: S603 - our own program; no shell reads the words
                words, capture_output=True, stdin=subprocess.DEVNULL, timeout=MOST_S, check=False
            )
            if done.returncode:
                said = msgspec.json.decode(done.stdout, type=_Said)
                raise InputError(said.message, hint=said.hint)
            plan = msgspec.json.decode(done.stdout, type=Plan)
        except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError) as error:
            hint = "Try it by itself: crossover plan --from-ledger"
            raise InputError(f"the plan could not be made: {type(error).__name__}", hint=hint) from None
        return plan, plan.workload.source

    return make


class _Said(msgspec.Struct, frozen=True):
    message: str
    hint: str | None = None


def read_plan(file: Path) -> Plan:
    """A plan as ``crossover plan --json`` wrote it. Raises FileError."""
    from crossover.planner.words import Plan

    hint = "Write it with: crossover plan … --json > plan.json"
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise FileError("is too large for a plan", file=str(file), hint=hint)
        return msgspec.json.decode(text, type=Plan)
    except (OSError, msgspec.DecodeError) as error:
        raise FileError(f"is no plan: {error}", file=str(file), hint=hint) from None


def scheme_of(plan: Plan, source: str) -> Scheme:
    """A plan as the page shows it."""
    from crossover.reports import figures, phrases

    titles = phrases.titles(plan)
    return Scheme(
        headline=plan.verdict.headline,
        action=plan.verdict.action,
        reasons=plan.verdict.reasons,
        caveat=plan.verdict.caveat,
        made=plan.made_on.isoformat(),
        source=source,
        volume=plan.workload.requests_per_day,
        curves=tuple(_curve(curve) for curve in plan.curves),
        crossings=tuple(
            f"{titles.get(one.own, one.own)} costs less than {titles.get(one.api, one.api)} {phrases.crossings(one)}"
            for one in [one for one in plan.break_evens if one.crossings][:_CROSSINGS]
        ),
        turns=tuple(
            Turn(
                lever=flip.name,
                now=f"{figures.count(flip.now)} {flip.unit}",
                needed=f"{figures.count(flip.flips_at)} {flip.unit}",
                then=flip.sentence,
            )
            for flip in plan.flips
        ),
        choices=tuple(
            Choice(
                rank=rank, kind=option.kind, title=option.title, usd=option.usd_month, low=option.usd_band.p10,
                high=option.usd_band.p90, cheapest=option.p_cheapest, today=option.id == plan.today,
            )
            for rank, option in phrases.shown(plan, _OPTIONS)
        ),
        notes=plan.notes,
    )  # fmt: skip


def _curve(curve: VolumeCurve) -> Curve:
    from crossover.planner.words import KIND_TITLES

    named = KIND_TITLES[curve.kind].casefold() in curve.title.casefold() or curve.title.startswith("today")
    return Curve(
        kind=curve.kind,
        title=curve.title if named else f"{KIND_TITLES[curve.kind]}: {curve.title}",
        points=tuple((point.requests_per_day, point.p10, point.p50, point.p90) for point in curve.points),
    )
