"""Many candidates in a terminal: every verdict on one axis, and who is beaten by nobody in quality, cost and time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rich.text import Text

from crossover.evaluation.advice import further, promise
from crossover.evaluation.findings import Findings
from crossover.evaluation.summary import FRONTIER, Figure, Point, known, points
from crossover.evaluation.words import PHRASES, Comparison, Interval
from crossover.money import show
from crossover.reports import figures
from crossover.reports.evaluation_axis import COLOURS, axis, bar, reach_of
from crossover.reports.evaluation_words import apart, caution, headline
from crossover.reports.intervals import signed
from crossover.reports.paper import Paper, plain_table

_AXIS, _LEAST_AXIS = 46, 20
_WIDE = 90
_PLOT = (60, 12)  # characters of the plot


def verdicts(found: Findings, paper: Paper) -> None:
    """A line for every candidate, its interval on an axis that all share, and the promise once."""
    lead = Text(" ▌ ", style="bold")
    paper.blank()
    paper.line(Text(headline(found), style="bold"), lead=lead, bar=True)
    conclusive = [one.comparison for one in found.versus if one.comparison.verdict != "inconclusive"]
    if conclusive:
        paper.line(promise(conclusive[0]), lead=lead, bar=True)
    paper.blank()
    names = list(apart([one.candidate for one in found.versus], max(paper.width // 4, 16)).values())
    said = [PHRASES[one.comparison.verdict] for one in found.versus]
    gaps = [_gap(one.comparison) for one in found.versus]
    left = paper.width - sum(max(map(len, column)) + 2 for column in (names, said, gaps)) - 3
    reach = reach_of(*(one.comparison for one in found.versus))
    width = min(left, _AXIS) if left >= _LEAST_AXIS else 0
    table = plain_table(
        ("", "left"), ("verdict", "left"), ("gap (guaranteed)", "left"), *((("", "left"),) if width else ())
    )
    for name, what, gap, one in zip(names, said, gaps, found.versus, strict=True):
        colour = COLOURS[one.comparison.verdict]
        drawn = bar(one.comparison, width, colour, reach) if one.comparison.gap is not None else Text()
        table.add_row(Text(name, style="bold"), Text(what, style=colour), gap, *((drawn,) if width else ()))
    if width:
        table.add_row("", "", "", axis(found.margin, width, reach))
    paper.indented(table, left=3)
    for advice, who in _advice(found).items():
        paper.line(f"{', '.join(who)}: {advice}", lead=" • ")
    for one in found.versus:
        if warning := caution(one, found):
            paper.line(warning, lead=" ! ", style="yellow")
        for why, count in one.left_out.items():
            paper.line(f"{one.candidate}: {figures.plural(count, 'pair')} left out: {why}", lead=" • ", style="dim")


def _advice(found: Findings) -> dict[str, list[str]]:
    """What to do about those that are open; the same advice once."""
    rows: dict[str, list[str]] = {}
    for one in found.versus:
        if one.comparison.verdict == "inconclusive":
            rows.setdefault(further(one.comparison), []).append(one.candidate)
    return rows


def frontier(found: Findings, paper: Paper) -> None:
    """Quality against cost and time, the best first; nothing where nobody knows cost or time, or there are only two."""
    placed = points(found)
    if len(placed) < FRONTIER or not (known(placed, "per_thousand") or known(placed, "seconds")):
        return
    paper.section("Who is beaten by nobody", "dim: another one is at least as good, as cheap and as fast")
    wide, most = paper.width >= _WIDE, max(paper.width // 4, 12)
    shown = apart([one.name for one in placed], most)
    ranks = {one.name: f"#{rank}" for rank, one in enumerate(placed, start=1)}
    table = plain_table(
        ("#", "right"), ("", "left"), ("score", "right"), ("gap", "right"), ("$ per 1,000", "right"), ("p50", "right"),
        ("beaten by", "left"),
    )  # fmt: skip
    for rank, one in enumerate(placed, start=1):
        mark = " (reference)" if one.name == found.reference else ""
        by = shown.get(one.beaten_by, "") if wide else ranks.get(one.beaten_by, "")
        table.add_row(
            str(rank),
            Text(f"{shown[one.name]}{mark if wide else ''}", style="dim" if one.beaten_by else "bold"),
            figures.NONE if one.score is None else f"{one.score * 100:.1f} %",
            figures.NONE if mark else f"{signed(one.gap)}{f' ({_bounds(one)})' if wide else ''}",
            "unknown" if one.per_thousand is None else show(one.per_thousand),
            figures.seconds(one.seconds),
            Text(by, style="dim") if one.beaten_by else Text("nobody", style="green"),
            style="dim" if one.beaten_by else "",
        )
    paper.indented(table)
    if paper.width < _PLOT[0] + 10:
        return
    paper.blank()
    field, what, written = next(row for row in _FIGURES if known(placed, row[0]))
    for line in plot(placed, field, what, written):
        paper.line(line, lead="   ")


_FIGURES: tuple[tuple[Figure, str, Callable[[float], str]], ...] = (
    ("per_thousand", "dollars per 1,000 answers", show),
    ("seconds", "median time of an answer", figures.seconds),
)


def plot(placed: Sequence[Point], field: Figure, what: str, written: Callable[[float], str]) -> list[Text]:
    """Gaps against a figure, each candidate as its rank; a logarithmic axis where all figures are above zero."""
    width, height = _PLOT
    shown = [
        (rank, one, float(value)) for rank, one in enumerate(placed, 1) if (value := getattr(one, field)) is not None
    ]
    if len({value for _, _, value in shown}) < 2:
        return []
    log = min(value for _, _, value in shown) > 0
    scale: Callable[[float], float] = math.log if log else float
    across = [scale(value) for _, _, value in shown]
    up = [one.gap for _, one, _ in shown]
    cells = [[Text(" ") for _ in range(width)] for _ in range(height)]
    for (rank, one, _), x, y in zip(shown, across, up, strict=True):
        column = round((x - min(across)) / (max(across) - min(across)) * (width - 2))
        row = round((max(up) - y) / ((max(up) - min(up)) or 1.0) * (height - 1))
        _put(str(rank), cells[row], column, "dim" if one.beaten_by else "bold green")
    label = max(len(signed(max(up))), len(signed(min(up))))
    ends = {0: signed(max(up)), height - 1: signed(min(up))}
    lines = [
        Text(f"{ends.get(number, ''):>{label}} ┤", style="dim").append_text(Text().join(row))
        for number, row in enumerate(cells)
    ]
    first, last = written(min(value for _, _, value in shown)), written(max(value for _, _, value in shown))
    middle = f"{what}{' (log scale)' if log else ''}".center(width - len(first) - len(last))
    return [*lines, Text(f"{'':>{label}}  {first}{middle}{last}", style="dim")]


def _put(rank: str, row: list[Text], column: int, style: str) -> None:
    """Write a rank into a row, at its place or as near to it as there is room beside others."""
    room = [
        begin
        for begin in range(len(row) - len(rank) + 1)
        if all(not cell.plain.strip() for cell in row[max(begin - 1, 0) : begin + len(rank) + 1])
    ]
    begin = min(room, key=lambda place: abs(place - column), default=min(column, len(row) - len(rank)))
    for place, digit in enumerate(rank):
        row[begin + place] = Text(digit, style=style)


def _gap(comparison: Comparison) -> str:
    if comparison.gap is None:
        return figures.NONE
    return f"{signed(comparison.gap)} ({_bounds(comparison.interval)})"


def _bounds(ends: Interval | Point) -> str:
    return f"{signed(ends.low)} to {signed(ends.high)}"
