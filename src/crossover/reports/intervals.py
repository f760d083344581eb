"""Intervals of a gap as drawings: SVG with positions in percent, so that text keeps its size on every screen.

A Content-Security-Policy forbids styles in elements, so everything is an attribute or a class.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from crossover.evaluation.words import Comparison
from crossover.reports.markup import Markup, tag

_ROW = 62  # pixels of a candidate's row
_AXIS = 30
_EDGE = 3.0  # percent left free on both sides
_STEPS = (0.5, 1, 2, 5, 10, 20, 25, 50)  # points between two marks of an axis
_MOST_MARKS = 7


class Scale(msgspec.Struct, frozen=True):
    """From gaps to percent of a drawing's width; 0 in the middle, ``reach`` at both ends."""

    reach: float

    def at(self, gap: float) -> float:
        """The place of a gap, held within the drawing."""
        held = min(max(gap, -self.reach), self.reach)
        return _EDGE + (held + self.reach) / (2 * self.reach) * (100 - 2 * _EDGE)

    def marks(self) -> list[float]:
        """Gaps that an axis names."""
        points = self.reach * 100
        step = next((step for step in _STEPS if points / step <= (_MOST_MARKS - 1) / 2), 100)
        count = int(points / step + 1e-9)
        return [number * step / 100 for number in range(-count, count + 1)]


def scale_of(comparisons: Sequence[Comparison]) -> Scale:
    """A scale that holds every interval, and the margin with room to spare."""
    ends = [abs(end) for one in comparisons for end in (one.interval.low, one.interval.high)]
    margin = max((one.margin for one in comparisons), default=0.0)
    return Scale(min(max([*ends, margin * 1.6, 0.02]) * 1.06, 1.0))


def plot(rows: Sequence[tuple[str, str, Comparison]]) -> Markup:
    """One row for each (name, class of its colour, comparison): both intervals against zero and the margin."""
    comparisons = [one for _, _, one in rows]
    scale = scale_of(comparisons)
    height = len(rows) * _ROW + 10
    margin = max((one.margin for one in comparisons), default=0.0)
    low, high = scale.at(-margin), scale.at(margin)
    parts = [
        tag("rect", x=_percent(low), y="0", width=_percent(high - low), height=str(height), cls="within"),
        *_upright(low, height, "edge"),
        *_upright(high, height, "edge"),
        *_upright(scale.at(0.0), height, "zero"),
    ]
    for number, (name, colour, one) in enumerate(rows):
        parts += _row(name, colour, one, scale, number * _ROW + 10)
    marks = [mark for mark in scale.marks() if abs(abs(mark) - margin) * 100 > scale.reach * 12 or mark == 0]
    for mark in [*marks, *({-margin, margin} - {0.0})]:
        place = _percent(scale.at(mark))
        parts.append(tag("text", signed(mark), x=place, y=str(height + 20), text_anchor="middle", cls="mark"))
    return tag("svg", *parts, width="100%", height=str(height + _AXIS), cls="gaps", aria_hidden="true")


def small(low: float | None, high: float | None, gap: float, scale: Scale) -> Markup:
    """One interval in a line of a table."""
    zero = _percent(scale.at(0.0))
    parts = [tag("line", x1=zero, x2=zero, y1="0", y2="18", cls="zero")]
    if low is not None and high is not None:
        parts.append(_line(scale, low, high, 9, "look"))
    worse = "worse" if high is not None and high < 0 else "better" if low is not None and low > 0 else ""
    parts.append(tag("circle", cx=_percent(scale.at(gap)), cy="9", r="4", cls=f"dot {worse}".strip()))
    return tag("svg", *parts, width="100%", height="18", cls="gaps small", aria_hidden="true")


def signed(gap: float) -> str:
    """A gap in points with its sign: ``+2.5``, ``−5``, ``0``."""
    text = f"{abs(gap) * 100:.1f}".removesuffix(".0")
    return text if text == "0" else f"{'−' if gap < 0 else '+'}{text}"


def _row(name: str, colour: str, one: Comparison, scale: Scale, top: int) -> list[Markup]:
    """A candidate: its name, the interval of the verdict thick, the one of a single look thin below it."""
    parts = [tag("text", name, x=_percent(_EDGE), y=str(top + 12), cls="name")]
    if one.gap is None:
        return parts
    middle = top + 28
    parts.append(_line(scale, one.interval.low, one.interval.high, middle, f"sure {colour}"))
    if one.at_this_look is not None:
        parts.append(_line(scale, one.at_this_look.low, one.at_this_look.high, middle + 13, "look"))
    parts.append(tag("circle", cx=_percent(scale.at(one.gap)), cy=str(middle), r="7", cls=f"dot {colour}"))
    return parts


def _line(scale: Scale, low: float, high: float, y: int, cls: str) -> Markup:
    return tag("line", x1=_percent(scale.at(low)), x2=_percent(scale.at(high)), y1=str(y), y2=str(y), cls=cls)


def _upright(place: float, height: int, cls: str) -> list[Markup]:
    return [tag("line", x1=_percent(place), x2=_percent(place), y1="0", y2=str(height), cls=cls)]


def _percent(place: float) -> str:
    return f"{place:.3f}%"
