"""A look at a judge that grades by rubrics: what it gives for answers that say nothing.

It gates nothing, because a rubric may rightly like them (a non-answer can be polite); the report shows it beside the
verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from crossover.errors import ScoringError
from crossover.evaluation.controls import Canary, canary, shuffled
from crossover.evaluation.run import Outcome
from crossover.evaluation.samples.words import Sample, many
from crossover.evaluation.scorers.registry import Scorers
from crossover.evaluation.scorers.words import Answered

LOOKED_AT = 10  # samples
_FAKES: tuple[tuple[Canary, str], ...] = (
    ("null", "a constant non-answer"),
    ("echo", "the question repeated"),
    ("padded", "real answers with padding"),
)
_NEAR = 0.1  # of the scale: nearer than this, a non-answer is as good as an answer in its eyes


async def looked_at(
    samples: Sequence[Sample], outcomes: Mapping[tuple[str, str], Outcome], reference: str, scorers: Scorers, seed: int
) -> str | None:
    """What the judge gives for the reference's answers and for canaries, in a sentence; None where no rubric is used.

    Raises what calls raise beyond a failure.
    """
    rows = [
        msgspec.structs.replace(sample, checks=checks, combine="mean", threshold=None)
        for sample in samples
        if (checks := tuple(check for check in scorers.checks(sample) if check.scorer.startswith("rubric")))
        and (answer := outcomes[sample.id, reference].answer) is not None
        and answer.text.strip()
    ]
    if not rows:
        return None
    rows = [rows[at] for at in shuffled(len(rows), seed)[:LOOKED_AT]]
    real = await _mean([(row, _answer(outcomes, row, reference)) for row in rows], scorers)
    given = {}
    for kind, name in _FAKES:
        fakes = [(row, canary(kind, row.question, _answer(outcomes, row, reference), "")) for row in rows]
        given[name] = await _mean(fakes, scorers)
    if real is None or any(value is None for value in given.values()):
        return "the judge that grades by rubrics could not be looked at: it gave no grades"
    parts = ", ".join(f"{name} {value:.2f}" for name, value in given.items())
    empty = max(value for name, value in list(given.items())[:2] if value is not None)
    warning = "; it hardly tells answers from non-answers: look at its grades" if empty > real - _NEAR else ""
    return f"the judge gives, on {many(len(rows), 'sample')}: real answers {real:.2f}, {parts}{warning}"


def _answer(outcomes: Mapping[tuple[str, str], Outcome], sample: Sample, name: str) -> str:
    answer = outcomes[sample.id, name].answer
    return "" if answer is None else answer.text


async def _mean(rows: Sequence[tuple[Sample, str]], scorers: Scorers) -> float | None:
    """The mean grade; None where there is none."""
    grades = []
    for sample, text in rows:
        try:
            grades.append((await scorers.score(sample, Answered(text=text))).value)
        except ScoringError:
            continue
    return sum(grades) / len(grades) if grades else None
