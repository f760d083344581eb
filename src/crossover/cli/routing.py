"""The work behind ``crossover route``: examples in, a policy or the facts of a dry run out."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.cli import route_data
from crossover.cli.route_data import Asked
from crossover.errors import InputError
from crossover.learning import artifact, drift, risk
from crossover.learning.model import Learned, decide
from crossover.learning.train import Origin, Wish, losses_of, train
from crossover.reports.route import dollars_of, share

EXAMPLES = 5
_LINE = 160  # characters of a prompt that are shown


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Which comparisons of which ledger: of this alias, since then."""

    file: Path | None
    alias: str
    since: str


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line; ``book``: calibrate the policy ``after`` anew from the ledger."""

    asked: Asked
    loss: float
    confidence: float
    calibrations: int
    after: Path | None
    method: str | None
    seed: int
    now: dt.datetime
    book: Book | None


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A dry run: its sentence, facts in words, prompts that would be kept and lost (why, prompt), and plain data."""

    headline: str
    rows: list[tuple[str, str]]
    examples: list[tuple[str, str]]
    facts: dict[str, Any]


def learn(wanted: Training) -> Learned:
    """A policy with its card. Raises InputError and FileError for all that is wrong."""
    before = None if wanted.after is None else artifact.load(wanted.after)
    wish = Wish(
        kind=wanted.asked.kind if before is None or wanted.book is None else before.kind,
        loss=wanted.loss, confidence=wanted.confidence, calibrations=wanted.calibrations,
        used=_used(before, wanted), year=wanted.now.year, seed=wanted.seed, method=_method(wanted.method),
    )  # fmt: skip
    made = wanted.now.isoformat(timespec="seconds")
    if wanted.book is not None:
        from crossover.learning.recalibrate import recalibrated

        if before is None:
            hint = "Its weights stay; the ledger keeps scores and losses, and no prompt to learn from"
            raise InputError("which policy is to be calibrated anew?", field="--after", hint=hint)
        rows = _compared(wanted.book, before)
        origin = Origin(
            made=made, source=f"the ledger, {wanted.book.alias}", weak=before.card.weak, strong=before.card.strong,
            digest=before.card.digest,
        )  # fmt: skip
        return recalibrated(before, rows, wish, origin)
    found = route_data.read(wanted.asked)
    origin = Origin(
        made=made, source=found.source, weak=found.weak, strong=found.strong, digest=found.digest, notes=found.notes
    )
    return train(found.examples, wish, origin)


def over_results(learned: Learned, asked: Asked) -> Tried:
    """What the policy would have kept of these results, and lost."""
    found = route_data.read(asked)
    weak, strong = found.examples.weak, found.examples.strong
    verdicts = [decide(learned, one) for one in found.examples.signals]
    kept = np.array([not one.escalate for one in verdicts])
    losses = np.where(kept, losses_of(weak, strong), 0.0)
    quality = float(np.where(kept, weak, strong).mean())
    stays, size, lost = int(kept.sum()), len(kept), float(losses.mean())
    rows = [
        ("quality", f"{quality:.3f}; all {found.strong}: {strong.mean():.3f}, all {found.weak}: {weak.mean():.3f}"),
        (
            "lost",
            f"{share(lost)} of the quality: {int((losses > 0).sum()):,} of {size:,} answers are worse"
            f"{_held(learned, np.asarray(losses, dtype=np.float64))}",
        ),
    ]
    dollars = _dollars(learned, found.examples.weak_cost, found.examples.strong_cost, stays / size)
    rows += dollars[1]
    worst = sorted((number for number in range(size) if losses[number] > 0), key=lambda number: -losses[number])
    return Tried(
        headline=f"{stays:,} of {size:,} prompts ({share(stays / size)}) would stay with {found.weak}, "
        f"{size - stays:,} go to {found.strong}",
        rows=[*rows, *(("note", note) for note in found.notes)],
        examples=[(verdicts[number].why, _one_line(found.prompts[number])) for number in worst[:EXAMPLES]],
        facts={
            "prompts": size, "kept": stays, "lost": round(lost, 6), "promised": _promised(learned),
            "quality": round(quality, 6), "quality_strong": round(float(strong.mean()), 6),
            "quality_weak": round(float(weak.mean()), 6),
            "weak": found.weak, "strong": found.strong, **dollars[0],
        },
    )  # fmt: skip


def over_ledger(learned: Learned, book: Book) -> Tried:
    """What the policy's threshold would have kept of the requests that both models answered, and what is lost now."""
    rows = _compared(book, learned)
    scored = [row for row in rows if row.score is not None]
    then = [
        msgspec.structs.replace(row, kept=learned.threshold is not None and (row.score or 0.0) <= learned.threshold)
        for row in scored
    ]
    promised = _promised(learned) or 0.05
    now, after = drift.drift(rows, promised), drift.drift(then, promised)
    kept_now, kept_then = sum(row.kept for row in rows), sum(row.kept for row in then)
    moved = sum(one.kept != other.kept for one, other in zip(scored, then, strict=True))
    return Tried(
        headline=f"of {len(rows):,} compared requests {kept_now:,} were kept; this policy keeps {kept_then:,} of the "
        f"{len(scored):,} that have a score, and {moved:,} would go elsewhere",
        rows=[("now", now.words), ("then", after.words)],
        examples=[],
        facts={
            "compared": len(rows), "scored": len(scored), "kept": kept_now, "kept_then": kept_then, "moved": moved,
            "now": msgspec.to_builtins(now), "then": msgspec.to_builtins(after), "promised": promised,
        },
    )  # fmt: skip


def _compared(book: Book, learned: Learned) -> list[drift.Compared]:
    """The comparisons since the policy was made: the scores of another one before it mean something else."""
    from crossover.cli.ledger_parts import place
    from crossover.ledger.periods import moment

    made = dt.datetime.fromisoformat(learned.card.made)
    begin = (made if made.tzinfo is not None else made.replace(tzinfo=dt.UTC)).timestamp()
    since = max(moment(book.since, time.time(), "--since"), begin)
    return route_data.of_ledger(place(book.file, must_exist=True), book.alias, since)


def _used(before: Learned | None, wanted: Training) -> int:
    """How many calibrations of this year were made before. Raises InputError where their plan was another."""
    if before is None or before.card.budget is None or before.card.budget.year != wanted.now.year:
        return 0
    budget = before.card.budget
    same = budget.calibrations == wanted.calibrations and abs(budget.delta - (1 - wanted.confidence)) < 1e-9
    if not same:
        raise InputError(
            f"this year's doubt was shared by {budget.calibrations} calibrations of {1 - budget.delta:g}: it stays so",
            field="--calibrations", hint=f"--calibrations {budget.calibrations} --confidence {1 - budget.delta:g}",
        )  # fmt: skip
    return budget.used


def _method(name: str | None) -> Literal["learned", "length"] | None:
    return "learned" if name == "learned" else "length" if name == "length" else None


def _promised(learned: Learned) -> float | None:
    return None if learned.card.promise is None else learned.card.promise.loss


def _held(learned: Learned, losses: NDArray[np.float64]) -> str:
    """What was promised beside what was lost here, and whether that is more than chance (one look, 95 % sure)."""
    promised = _promised(learned)
    if promised is None:
        return ""
    more = ""
    if float(losses.mean()) > promised:
        test: risk.Test = "exact" if bool(np.isin(losses, (0.0, 1.0)).all()) else "betting"
        least = 1 - risk.upper(1 - losses, 0.05, test)
        more = ": these prompts are not like the calibration" if least > promised else ", and chance alone may do this"
    return f"; {share(promised)} are promised{more}"


def _dollars(
    learned: Learned, weak: float | None, strong: float | None, kept: float
) -> tuple[dict[str, float], list[tuple[str, str]]]:
    if weak is None or strong is None:
        return {}, []
    local = 1.0 if learned.kind == "cascade" else kept
    after, before = 1_000 * (local * weak + (1 - kept) * strong), 1_000 * strong
    words = f"{dollars_of(after)} for 1,000 requests; all to the stronger model: {dollars_of(before)}"
    return {"dollars_per_1000": after, "dollars_per_1000_strong": before}, [("cost", words)]


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"
