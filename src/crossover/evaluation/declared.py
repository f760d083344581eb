"""What a user declares before a run, and what of it must stay the same when the run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from crossover.errors import ContradictionError
from crossover.evaluation.findings import Rule
from crossover.evaluation.log import VERSION, Header, Log, changed
from crossover.evaluation.samples.words import Sample, many

Gate = Literal["worse", "unproven"]
GATES: tuple[Gate, ...] = ("worse", "unproven")
_NAMED = 8  # samples named in a note


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a run. ``scorer`` judges samples that bring no checks; "" says that all of them do."""

    file: str
    candidates: tuple[str, ...]
    reference: str
    scorer: str
    margin: float
    errors: Rule
    seed: int = 0
    budget: Decimal | None = None
    options: dict[str, Any] = {}


def begin(log: Log, declared: Declared, samples: Sequence[Sample], now: str) -> tuple[str, ...]:
    """Write down what was declared, or hold it against what was; what changed since comes back as notes.

    Raises ContradictionError where the margin, the reference or the rule for errors is another one: they were declared
    before the first answer, and changing them now would be choosing the verdict.
    """
    marks = [(sample.id, sample.fingerprint()) for sample in samples]
    before = log.header
    if before is None:
        log.append(
            Header(
                version=VERSION,
                started=now,
                file=declared.file,
                samples=dict(marks),
                candidates=declared.candidates,
                reference=declared.reference,
                scorer=declared.scorer,
                margin=declared.margin,
                errors=declared.errors,
                seed=declared.seed,
                options=declared.options,
            )
        )
        return ()
    for name, flag in (("margin", "--margin"), ("reference", "--reference"), ("errors", "--errors")):
        said, is_now = getattr(before, name), getattr(declared, name)
        if said != is_now:
            raise ContradictionError(
                f"this run declared {name} {said!r} before its first answer, and now it would be {is_now!r}",
                hint="Go on with the old one, or begin anew with another --out", field=flag,
            )  # fmt: skip
    notes = _changes(before, marks, {sample.id: sample.line for sample in samples})
    if before.scorer != declared.scorer:
        notes.append(
            f"scored by {declared.scorer or 'the samples'} now, and by {before.scorer or 'the samples'} when the run "
            "began: a scorer that is chosen after looking at answers proves little"
        )
    if set(before.candidates) != set(declared.candidates):
        notes.append(
            f"the candidates were {', '.join(before.candidates)} when the run began: the promise holds for those of "
            "now together, and not for a choice among all that were ever tried"
        )
    if log.damaged:
        lines = ", ".join(str(line) for line in log.damaged[:_NAMED])
        notes.append(f"damaged lines of {log.path.name} are not used, and their calls are made again: {lines}")
    return tuple(notes)


def _changes(before: Header, marks: list[tuple[str, str]], lines: dict[str, int]) -> list[str]:
    """What changed in the file of samples since the run began."""
    other, new, gone = changed(before.samples, marks)
    rows = []
    if other:
        named = ", ".join(f"{name} (line {lines[name]})" for name in other[:_NAMED])
        more = f" and {len(other) - _NAMED} more" if len(other) > _NAMED else ""
        rows.append(f"changed since the run began, and asked anew where the question did: {named}{more}")
    if new:
        rows.append(f"new since the run began: {many(len(new), 'sample')}")
    if gone:
        named = ", ".join(gone[:_NAMED]) + (" …" if len(gone) > _NAMED else "")
        rows.append(f"no longer in the file, so not counted: {many(len(gone), 'sample')} ({named})")
    return rows
