"""A gap with its bounds as characters on an axis, for the terminal reports of evaluations and votes."""

from __future__ import annotations

from rich.text import Text

from crossover.evaluation.words import Comparison, Verdict
from crossover.reports.evaluation_words import STANDING

_SHADES = {"right": "green", "wrong": "red", "open": "yellow"}
COLOURS: dict[Verdict, str] = {verdict: _SHADES[standing] for verdict, standing in STANDING.items()}


def reach_of(*comparisons: Comparison) -> float:
    """How far an axis reaches to both sides of zero, so that every interval and the margin are on it."""
    ends = [abs(end) for one in comparisons for end in (one.interval.low, one.interval.high)]
    margin = max((one.margin for one in comparisons), default=0.0)
    return min(max([*ends, margin * 1.5, 0.01]) * 1.1, 1.0)


def interval(comparison: Comparison, width: int, colour: str) -> tuple[Text, Text]:
    """The gap with its bounds on an axis with zero and the margin, and the axis in points below it."""
    reach = reach_of(comparison)
    return bar(comparison, width, colour, reach), axis(comparison.margin, width, reach)


def bar(comparison: Comparison, width: int, colour: str, reach: float) -> Text:
    """One interval in ``width`` characters, from ``-reach`` to ``reach``."""
    drawn = Text()
    margin, gap = comparison.margin, comparison.gap or 0.0
    start, end, middle = (
        _place(at, width, reach) for at in (comparison.interval.low, comparison.interval.high, gap)
    )  # fmt: skip
    marks = {_place(-margin, width, reach): ":", _place(margin, width, reach): ":"} if margin else {}
    marks[_place(0.0, width, reach)] = "│"
    for cell in range(width):
        if cell == middle:
            drawn.append("●", style=f"bold {colour}")
        elif start <= cell <= end:
            drawn.append("├" if cell == start else "┤" if cell == end else "─", style=colour)
        else:
            drawn.append(marks.get(cell, " "), style="dim")
    return drawn


def axis(margin: float, width: int, reach: float) -> Text:
    """Zero and the margin, named below a bar."""
    cells = [" "] * width
    names = [(0.0, "0"), (-margin, f"−{margin * 100:g}"), (margin, f"+{margin * 100:g}")] if margin else [(0.0, "0")]
    for value, name in names:
        begin = min(max(_place(value, width, reach) - len(name) // 2, 0), width - len(name))
        if all(char == " " for char in cells[max(begin - 1, 0) : begin + len(name) + 1]):
            cells[begin : begin + len(name)] = name
    return Text(f"{''.join(cells).rstrip()} points", style="dim")


def _place(value: float, width: int, reach: float) -> int:
    return round((min(max(value, -reach), reach) + reach) / (2 * reach) * (width - 1))
