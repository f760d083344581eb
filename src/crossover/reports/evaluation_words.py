"""What an evaluation's reports say in the same words everywhere: the headline, remarks on a side, a judge's failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Literal

from crossover.evaluation.controls import Control
from crossover.evaluation.findings import Findings, Side, Versus
from crossover.evaluation.words import Verdict
from crossover.reports.figures import plural

Standing = Literal["right", "wrong", "open"]
STANDING: dict[Verdict, Standing] = {
    "better": "right",
    "equivalent": "right",
    "not_worse": "right",
    "worse": "wrong",
    "worse_than_margin": "wrong",
    "inconclusive": "open",
}
_MOST_NAMES = 6
_MANY_FAILURES = 0.1  # share of answers
_LONGEST = 160  # characters of a reason
_CANARIES = {
    "null": "a constant non-answer",
    "echo": "the question repeated",
    "swapped": "the answer to another question",
    "padded": "the same answer with padding",
}


def headline(found: Findings) -> str:
    """The verdicts in one sentence."""
    if found.judge is not None and not found.judge.passed:
        return f"No verdict: the judge {found.judge.model} failed its controls"
    if len(found.versus) == 1:
        one = found.versus[0]
        return f"{one.candidate} against {found.reference}: {one.comparison.phrase}"
    good = [one.candidate for one in found.versus if STANDING[one.comparison.verdict] == "right"]
    others = len(found.versus)
    if not good:
        return f"None of {others} candidates is shown to be as good as {found.reference}"
    named = ", ".join(good[:3]) + (f" and {len(good) - 3} more" if len(good) > 3 else "")
    return f"{len(good)} of {others} candidates can stand in for {found.reference}: {named}"


def remarks(sides: Sequence[Side]) -> list[str]:
    """What must be known of the sides beside their figures; what is true of several is said once."""
    rows: dict[str, list[str]] = {}
    for side in sides:
        for text in _remarks(side):
            rows.setdefault(text, []).append(side.name)
    return [f"{', '.join(names)}: {text}" for text, names in rows.items()]


def _remarks(side: Side) -> Iterator[str]:
    if side.failures:
        yield f"failed: {counted(side.failures)}"
    if side.unscored:
        first = next(iter(side.unscorable), "")
        why = (
            f": {first[:_LONGEST]}{' …' if len(side.unscorable) > 1 or len(first) > _LONGEST else ''}" if first else ""
        )
        yield f"{plural(side.unscored, 'answer')} could not be scored{why}"
    if side.withheld:
        yield f"{plural(side.withheld, 'sample')} may not go there, so nobody answered"
    if side.missing:
        yield f"{plural(side.missing, 'sample')} not asked, because the run ended before"
    if side.cost and not side.paid:
        yield "what it costs is its share of the machine's hour; nobody sends a bill for it"
    if side.cut:
        yield f"{plural(side.cut, 'answer')} cut at the most tokens allowed"
    if side.doubtful:
        cost = "what they cost is not to be trusted either"
        yield f"{plural(side.doubtful, 'answer')} cannot have the tokens that the endpoint counted, so {cost}"
    if len(side.deployments) > 1:
        yield f"answered by {counted(side.deployments)}"


def caution(one: Versus, found: Findings) -> str:
    """What must stand beside a verdict that failures decide; "" where there are few."""
    if found.errors != "as-wrong" or not one.comparison.n:
        return ""
    sides = {side.name: side for side in found.sides}
    bad = [
        f"{many:,} of {plural(sides[name].asked, 'answer')} of {name}"
        for name in (one.candidate, found.reference)
        if name in sides and (many := sides[name].failed + sides[name].unscored) > sides[name].asked * _MANY_FAILURES
    ]
    if not bad:
        return ""
    return f"{' and '.join(bad)} failed and count as wrong: this may say more of the connection than of the model."


def counted(counts: Mapping[str, int]) -> str:
    """Names with their numbers: ``527 missing, 3 cut``."""
    named = ", ".join(f"{count:,} {name}" for name, count in list(counts.items())[:_MOST_NAMES])
    return named + (f" and {len(counts) - _MOST_NAMES} more" if len(counts) > _MOST_NAMES else "")


def failed_control(control: Control) -> str:
    """Why a canary closes the gate."""
    what = _CANARIES[control.canary]
    if not control.n:
        return f"{what} could not be judged"
    return f"{what} won {control.won} of {plural(control.n, 'comparison')} with the reference's answer"


def named(name: str, most: int) -> str:
    """A name that fits: of one that is too long the middle is left out, because its ends tell it from others."""
    if len(name) <= most:
        return name
    head = (most - 1) * 2 // 3
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def apart(names: Sequence[str], most: int) -> dict[str, str]:
    """Names that fit, as :func:`named`; of those that would look alike the place stays where they begin to differ."""
    shown = {name: named(name, most) for name in names}
    for name, short in shown.items():
        alike = [other for other in shown if named(other, most) == short]
        if len(alike) > 1:
            same = next(at for at in count() if len({one[at : at + 1] for one in alike}) > 1)  # names are unique
            begin = max(same - most // 2, 0)
            end = begin + most - (begin > 0)
            cut = name[begin : end - 1] + "…" if end < len(name) else name[begin:end]
            shown[name] = f"{'…' if begin else ''}{cut}"
    return shown
