"""A comparison of targets as a report: what terminal, page and JSON have in common. No rendering, no measuring here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from crossover.loadtest.contest import HIGHER, Edge, Mean, Row, Side, rows
from crossover.loadtest.measure import figures
from crossover.loadtest.words import DEFINITIONS, Figures
from crossover.reports.figures import plural
from crossover.reports.loadtest import EXPLAINED, METRICS, NONE, TITLES, number, seconds
from crossover.workload import Slo

HEAD = ("ttft", 0.5), ("output_tokens_per_s", None)  # what the first sentences are about
SHOWN = ("ttft", 0.5), ("ttft", 0.95), ("itl", 0.5), ("e2e", 0.5), ("output_tokens_per_s", None)
NAMES = {**METRICS, "goodput_rps": "goodput/s"}
MEANING = (
    "a figure is the mean of its rounds (geometric; goodput's arithmetic), in brackets its 95 % interval; × is the "
    "mean ratio within a round. Two targets are told apart where the interval of their ratio leaves 1 out. Over all "
    "pairs of one figure these intervals hold together, over all figures they do not: of twenty one may be chance"
)
Key = tuple[str, float | None]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is shown. ``absent`` did not answer (name and why); ``shots`` are figures of all rounds by side.

    ``evidence`` is how many figures went into the ledger (None: none were to); ``spent_usd`` None: nothing is paid.
    """

    sides: tuple[Side, ...]
    slo: Slo
    rows: tuple[Row, ...]
    rounds: tuple[tuple[Figures, ...], ...]
    absent: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    evidence: int | None = None
    spent_usd: float | None = None
    made_on: str = ""


def report(
    sides: Sequence[Side],
    slo: Slo,
    *,
    absent: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    evidence: int | None = None,
    spent_usd: float | None = None,
    made_on: str = "",
) -> Report:
    """The report of a comparison, with a note for everything that makes it less fair than it looks."""
    limits = slo if slo.targets else None
    made = tuple(tuple(figures(stage.run, limits) for stage in side.session.stages) for side in sides)
    return Report(
        sides=tuple(sides), slo=slo, rows=rows(sides, limits), rounds=made, absent=tuple(absent),
        notes=(*notes, *_caveats(sides, made)), evidence=evidence, spent_usd=spent_usd, made_on=made_on,
    )  # fmt: skip


def _caveats(sides: Sequence[Side], made: Sequence[Sequence[Figures]]) -> Iterator[str]:
    """What a reader must know before believing who is better."""
    for side, rounds in zip(sides, made, strict=True):
        failed, unfinished = sum(one.failed for one in rounds), sum(one.unfinished for one in rounds)
        if failed or unfinished:
            total = sum(one.requests for one in rounds)
            yield f"{side.name}: {failed + unfinished:,} of {total:,} requests failed, and are in no latency."
        if side.left:
            yield f"{side.name} left after {plural(len(rounds), 'round')}: {side.left}."
        if any(one.ok and not one.measured_tokens for one in rounds):
            yield f"{side.name} does not count its tokens: its pieces are counted instead."
        if any(one.cached_share > 0.2 for one in rounds):
            share = max(one.cached_share for one in rounds)
            yield f"{side.name} read {share * 100:.0f} % of its prompts from a cache: its first tokens are flattered."
    yield from _unequal(sides, made)
    if len({side.session.subject.url for side in sides if side.session.subject.url}) > 1 and any(
        side.session.subject.outside for side in sides
    ):
        yield "One of them is elsewhere: its latencies hold the network, and its load is shared with others."


def _unequal(sides: Sequence[Side], made: Sequence[Sequence[Figures]]) -> Iterator[str]:
    """Where the same load was not the same work."""
    for what, name in (("answers", "output"), ("prompts", "input")):
        means = {
            side.name: float(np.mean([getattr(one, f"{name}_tokens") for one in rounds if one.ok] or [0.0]))
            for side, rounds in zip(sides, made, strict=True)
        }
        kept = {key: value for key, value in means.items() if value > 0}
        if len(kept) > 1 and max(kept.values()) > 1.1 * min(kept.values()):
            said = ", ".join(f"{key} {number(value)}" for key, value in kept.items())
            more = ": ends and totals are of other lengths (--ignore-eos)" if name == "output" else ""
            yield f"Their {what} were not equally long, in {name} tokens on average ({said}){more}."


# ------------------------------------------------------------------------------------------------------------ sentences


def row_of(found: Report, key: Key) -> Row | None:
    """The row of one figure."""
    return next((row for row in found.rows if (row.metric, row.share) == key), None)


def headlines(found: Report) -> list[str]:
    """The result in one sentence, or two."""
    said = [line for key in HEAD if (line := _headline(found, key)) is not None]
    return said or ["Nothing could be compared"]


def _headline(found: Report, key: Key) -> str | None:
    row = row_of(found, key)
    if row is None or row.leader is None:
        return None
    mean = row.means[row.leader]
    assert mean is not None
    name, value = found.sides[row.leader].name, value_of(row, mean.value)
    what = "the first token" if key[0] == "ttft" else "output tokens a second"
    others = [side for side, one in enumerate(row.means) if one is not None and side != row.leader]
    if not others:
        return None
    if len(row.best) == 1:
        first = key[0] == "ttft"
        more = "takes {} times as long" if first else "{} times as many"
        ratios = [(found.sides[side].name, edge_of(row, row.leader, side)) for side in others]
        said = ", ".join(f"{one} {more.format(f'{edge.ratio:.3g}')}" for one, edge in ratios if edge and edge.ratio)
        lead = f"gives the first token soonest, after {value} (p50)" if first else f"writes the most, {value} tokens/s"
        return f"{name} {lead}; {said}"
    if len(row.best) == len(others) + 1:
        return f"No difference shown in {what}: {_spread(found, row)}"
    names = ", ".join(found.sides[side].name for side in row.best)
    return f"Ahead in {what}, and not told apart: {names} ({_spread(found, row, row.best)})"


def _spread(found: Report, row: Row, sides: Sequence[int] | None = None) -> str:
    chosen = range(len(row.means)) if sides is None else sides
    kept = [(found.sides[side].name, mean) for side in chosen if (mean := row.means[side]) is not None]
    return ", ".join(f"{name} {value_of(row, mean.value)}" for name, mean in kept)


def edge_of(row: Row, first: int, second: int) -> Edge | None:
    """The pair of two sides, seen from the first; None where there is none."""
    for edge in row.edges:
        if (edge.first, edge.second) == (first, second):
            return edge
        if (edge.second, edge.first) == (first, second):
            return msgspec.structs.replace(
                edge, first=first, second=second, ratio=_over(edge.ratio), low=_over(edge.high), high=_over(edge.low)
            )  # fmt: skip
    return None


def _over(value: float | None) -> float | None:
    if value is None:
        return None
    return 1 / value if value > 0 else math.inf


def times(edge: Edge | None) -> str:
    """How far the second is from the first: ``× 1.42 (1.31–1.54)``; with the word where chance could have made it."""
    if edge is None:
        return NONE
    if edge.ratio is None:
        return "differs" if edge.told else "no difference shown"
    bounds = "" if edge.low is None or edge.high is None else f" ({edge.low:.3g}–{edge.high:.3g})"
    return f"× {edge.ratio:.3g}{bounds}" + ("" if edge.told else ", no difference shown")


def differences(found: Report) -> list[tuple[str, str]]:
    """Of every figure who is best and how far the others are, in words."""
    made = []
    for row in found.rows:
        if row.leader is None:
            continue
        mean = row.means[row.leader]
        assert mean is not None
        said = [f"{found.sides[row.leader].name} {value_of(row, mean.value)}{interval(row, mean)}"]
        for side, other in enumerate(row.means):
            if other is not None and side != row.leader:
                said.append(f"{found.sides[side].name} {times(edge_of(row, row.leader, side))}")
        made.append((name_of(row), "; ".join(said)))
    return made


# -------------------------------------------------------------------------------------------------------------- figures


def name_of(row: Row) -> str:
    """What a row is: ``first token p95``."""
    return NAMES[row.metric] if row.share is None else f"{NAMES[row.metric]} p{row.share * 100:g}"


def value_of(row: Row, value: float) -> str:
    """A value in the row's unit."""
    return number(value) if row.share is None else seconds(value)


def interval(row: Row, mean: Mean) -> str:
    """`` (11.2–12.9)`` in the unit of the value; nothing where it is not known."""
    if mean.low is None or mean.high is None:
        return ""
    factor = 1.0 if row.share is None or mean.value >= 1 else 1000.0
    if row.share is None:
        return f" ({number(mean.low)}–{number(mean.high)})"
    return f" ({mean.low * factor:.3g}–{mean.high * factor:.3g})"


def better(row: Row) -> str:
    """Which way is better."""
    return "more is better" if row.metric in HIGHER else "less is better"


def facts(found: Report) -> list[str]:
    """What was done, in short pieces."""
    first = next((side.session for side in found.sides), None)
    stage = next((stage for side in found.sides for stage in side.session.stages), None)
    said = [] if first is None else [first.asked]
    if stage is not None:
        said.insert(0, stage.run.load.label)
    said.append(f"{plural(max((len(one) for one in found.rounds), default=0), 'round')}, in turns")
    if found.slo.targets:
        said.append(", ".join(target.label for target in found.slo.targets))
    if found.spent_usd is not None:
        said.append(f"about ${found.spent_usd:.4f} spent")
    if first is not None:
        said.append(f"seed {first.seed}")
    return said


def answers(found: Report, side: int) -> str:
    """How many answers stand behind a side's figures."""
    return plural(sum(one.ok for one in found.rounds[side]), "answer")


def definitions() -> list[tuple[str, str]]:
    """What the figures mean."""
    kept = [(TITLES.get(key, key), text) for key, text in DEFINITIONS.items() if key in EXPLAINED and key != "interval"]
    return [*kept, ("better and worse", MEANING)]


def remarks(found: Report) -> list[str]:
    """Everything to be said at the end."""
    said = [f"{name} takes no part: {why}." for name, why in found.absent]
    said += found.notes
    if found.evidence:
        said.append(f"{found.evidence:,} figures are in the ledger now, for the planner.")
    return said


# ----------------------------------------------------------------------------------------------------------------- JSON


def as_json(found: Report) -> dict[str, Any]:
    """The report as plain data; NaN (a round without this figure) becomes null."""
    return {
        "headline": ". ".join(headlines(found)),
        "made_on": found.made_on,
        "facts": facts(found),
        "slo": [target.label for target in found.slo.targets],
        "spent_usd": found.spent_usd,
        "evidence": found.evidence,
        "targets": [
            {
                "name": side.name, "subject": msgspec.to_builtins(side.session.subject),
                "tokens_per_word": side.session.per_word, "left": side.left,
                "rounds": [
                    {"begun": stage.begun, "stop": stage.run.stop, "figures": msgspec.to_builtins(made)}
                    for stage, made in zip(side.session.stages, rounds, strict=True)
                ],
            }
            for side, rounds in zip(found.sides, found.rounds, strict=True)
        ],
        "absent": [{"name": name, "why": why} for name, why in found.absent],
        "figures": [
            {
                "metric": row.metric, "share": row.share, "better": "higher" if row.metric in HIGHER else "lower",
                "means": [
                    None if mean is None else {"target": found.sides[side].name, **msgspec.to_builtins(mean)}
                    for side, mean in enumerate(row.means)
                ],
                "best": [found.sides[side].name for side in row.best],
                "pairs": [
                    {
                        "first": found.sides[edge.first].name, "second": found.sides[edge.second].name,
                        "ratio": edge.ratio, "low": edge.low, "high": edge.high, "told_apart": edge.told,
                    }
                    for edge in row.edges
                ],
            }
            for row in found.rows
        ],
        "notes": remarks(found),
        "definitions": dict(definitions()),
    }  # fmt: skip
