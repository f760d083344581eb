"""A run as a report shows it: what was found, who answered when, and which candidates nobody beats in everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from crossover.errors import FileError
from crossover.evaluation.findings import Findings, Side
from crossover.evaluation.log import NAME, Answer, Header, read
from crossover.evaluation.results import REPORT

Figure = Literal["per_thousand", "seconds"]
_SAME_COST, _SAME_TIME = 0.01, 0.1  # shares by which such figures differ without saying anything
FRONTIER = 3  # as many sides make a frontier


class Answering(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered behind a name: models and deployments with their numbers of answers, and from when until when.

    ``local`` answers came from this machine or an own one, ``reused`` were paid for in another run, ``redacted`` were
    asked with placeholders for what may not leave. Times are ISO 8601, UTC.
    """

    name: str
    answers: int
    models: Mapping[str, int]
    deployments: Mapping[str, int]
    local: int
    reused: int
    redacted: int
    first_at: str
    last_at: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the report of an evaluation shows. ``options`` are parameters of every request.

    Answers that were recorded elsewhere have findings alone.
    """

    findings: Findings
    started: str = ""
    seed: int = 0
    options: Mapping[str, Any] = {}
    answering: tuple[Answering, ...] = ()


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate, or the reference at a gap of 0, in quality, cost and time.

    ``low`` and ``high`` bound the gap as the verdict does. ``per_thousand``: dollars of a thousand answers;
    ``seconds``: median of a call; ``score``: mean over its own samples (None: a judge compared). ``beaten_by`` names
    one that is as good in everything and better in something, by these figures as they were measured; "" for a point
    of the frontier.
    """

    name: str
    gap: float
    low: float
    high: float
    per_thousand: float | None
    seconds: float | None
    score: float | None = None
    beaten_by: str = ""


def summary_of(found: Findings, header: Header, answers: Iterable[Answer]) -> Summary:
    """The summary of a run, from its findings and the file of its answers."""
    by_name: dict[str, list[Answer]] = {side.name: [] for side in found.sides}
    for answer in answers:
        if answer.asked in by_name:
            by_name[answer.asked].append(answer)
    return Summary(
        findings=found,
        started=header.started,
        seed=header.seed,
        options=header.options,
        answering=tuple(_answering(name, rows) for name, rows in by_name.items()),
    )


def read_summary(folder: Path) -> Summary:
    """The summary of a folder that a run left. Raises FileError where there is none, or it cannot be read."""
    path = folder / REPORT
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Findings)
    except FileNotFoundError:
        raise FileError("there is no report here", file=str(path), hint="`crossover eval run` writes one") from None
    except (OSError, msgspec.DecodeError) as error:
        raise FileError(f"cannot be read: {error}", file=str(path)) from None
    kept = read(folder / NAME)
    if kept.header is None:
        raise FileError("this is no file of results, or its first line is lost", file=str(folder / NAME))
    return summary_of(found, kept.header, kept.answers.values())


def points(found: Findings) -> tuple[Point, ...]:
    """The reference and every candidate that was compared, the best first."""
    sides = {side.name: side for side in found.sides}
    made = [_point(found.reference, 0.0, 0.0, 0.0, sides[found.reference])] if found.reference in sides else []
    for one in found.versus:
        gap, interval = one.comparison.gap, one.comparison.interval
        if gap is not None:
            made.append(_point(one.candidate, gap, interval.low, interval.high, sides[one.candidate]))
    placed = [msgspec.structs.replace(one, beaten_by=_beaten_by(one, made)) for one in made]
    return tuple(sorted(placed, key=lambda one: (-one.gap, one.name)))


def known(placed: Sequence[Point], field: Figure) -> bool:
    """Whether a figure is known of two of them and differs, so that they can be compared in it."""
    return len({getattr(one, field) for one in placed} - {None}) > 1


def _point(name: str, gap: float, low: float, high: float, side: Side) -> Point:
    return Point(
        name=name, gap=gap, low=low, high=high, seconds=side.seconds_p50, score=side.mean,
        per_thousand=None if side.seconds_p50 is None else side.per_thousand,
    )  # fmt: skip


def _beaten_by(one: Point, others: Sequence[Point]) -> str:
    """The best of those that are at least as good in all three, and better in one; an unknown figure beats nothing.

    Costs and times that lie closer than measurements do count as equal.
    """
    for other in sorted(others, key=lambda point: -point.gap):
        pairs = (
            (-one.gap, -other.gap, 0.0), (one.per_thousand, other.per_thousand, _SAME_COST),
            (one.seconds, other.seconds, _SAME_TIME),
        )  # fmt: skip
        known = [(ours, theirs, same) for ours, theirs, same in pairs if ours is not None and theirs is not None]
        if len(known) < len(pairs) and any((ours is None) != (theirs is None) for ours, theirs, _ in pairs):
            continue
        if all(theirs <= ours * (1 + same) for ours, theirs, same in known) and any(
            theirs * (1 + same) < ours for ours, theirs, same in known
        ):
            return other.name
    return ""


def _answering(name: str, answers: Sequence[Answer]) -> Answering:
    times = sorted(answer.at for answer in answers if answer.at)
    return Answering(
        name=name,
        answers=len(answers),
        models=dict(Counter(answer.model for answer in answers if answer.model).most_common()),
        deployments=dict(Counter(answer.deployment for answer in answers if answer.deployment).most_common()),
        local=sum(answer.local for answer in answers),
        reused=sum(answer.reused for answer in answers),
        redacted=sum(answer.redacted > 0 for answer in answers),
        first_at=times[0] if times else "",
        last_at=times[-1] if times else "",
    )
