"""A comparison of targets as one HTML file: works offline, asks the network for nothing, runs no script at all.

Drawings are SVG with positions in percent, so that text keeps its size. The page holds times and counts, no prompt and
no answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from crossover import __version__
from crossover.loadtest.contest import Row
from crossover.reports import contest as words
from crossover.reports import files, html
from crossover.reports.contest import Report
from crossover.reports.loadtest import NONE, number
from crossover.reports.markup import Child, Column, Markup, items, join, table, tag

_LANE, _AXIS, _EDGE = 48, 28, 4.0  # pixels of a target's lane and of the axis; percent left free on both sides
_LOG_FROM = 4.0  # largest over smallest value from which a scale is logarithmic
_STEPS = (1.0, 2.0, 5.0)


def page(found: Report) -> str:
    """The whole report as one HTML document."""
    style = Markup(html.asset("report.css") + html.asset("contest.css"))
    policy = f"default-src 'none'; style-src {html.hashed(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    first, *more = words.headlines(found)
    head = join(
        [
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name_="referrer", content="no-referrer"),
            tag("title", f"Crossover comparison: {first}"),
            tag("link", rel="icon", href="data:,"),
            tag("style", style),
        ]
    )
    top = tag(
        "header",
        tag("p", f"Crossover load test · compared {found.made_on} · Crossover {__version__}", cls="eyebrow"),
        tag("h1", first),
        *(tag("p", line, cls="action") for line in more),
        items(words.facts(found), cls="workload"),
        *(tag("p", note, cls="caveat") for note in found.notes),
        cls="top",
    )
    sections = [
        ("figures", "Figures", join([_strips(found), _figures(found)])),
        ("pairs", "How far apart", _pairs(found)),
        ("targets", "Who was compared", _targets(found)),
        ("meaning", "What the figures mean", _meaning()),
        ("notes", "Notes", tag("div", items(words.remarks(found)), cls="panel") if words.remarks(found) else None),
    ]
    body = [
        tag("section", tag("h2", title, id=f"{anchor}-title"), content, id=anchor, aria_labelledby=f"{anchor}-title")
        for anchor, title, content in sections
        if content is not None
    ]
    footer = tag("footer", tag("p", "This page holds times and counts, no prompt and no answer; it runs no script."))
    whole = tag("html", tag("head", head), tag("body", top, tag("main", *body), footer), lang="en")
    return f"<!doctype html>\n{whole}\n"


def write(found: Report, path: Path) -> Path:
    """Write the report to ``path``, whole or not at all, and return the place. Raises FileError."""
    return files.write(path, page(found))


# --------------------------------------------------------------------------------------------------------- the drawings


def _strips(found: Report) -> Markup:
    rows = [row for key in words.SHOWN if (row := words.row_of(found, key)) is not None]
    rows += [row for row in found.rows if row.metric == "goodput_rps"]
    key = "Rings are rounds, dots their means with 95 % intervals. Green: the best, and what is not told apart from it."
    return join([tag("p", key, cls="small"), tag("div", *(_strip(found, row) for row in rows), cls="strips")])


def _strip(found: Report, row: Row) -> Markup:
    caption = join([tag("b", words.name_of(row)), f" · {words.better(row)}"])
    return tag("figure", tag("figcaption", caption), _drawing(found, row))


def _drawing(found: Report, row: Row) -> Markup:
    means = [mean for mean in row.means if mean is not None]
    values = [value for mean in means for value in (*mean.rounds, mean.low, mean.high, mean.value) if _drawable(value)]
    scale = Scale([float(value) for value in values if value is not None])
    height = _LANE * len(row.means)
    parts: list[Markup] = []
    for mark in scale.marks():
        at = _percent(scale.at(mark))
        parts.append(tag("line", x1=at, x2=at, y1="0", y2=str(height), cls="grid"))
        parts.append(
            tag("text", words.value_of(row, mark), x=at, y=str(height + 18), text_anchor="middle", cls="mark")
        )  # fmt: skip
    for side, mean in enumerate(row.means):
        top, best = side * _LANE, " best" if side in row.best else ""
        middle = str(top + 31)
        value = NONE if mean is None else words.value_of(row, mean.value)
        name = f"{found.sides[side].name} · {value}"
        parts.append(tag("text", name, x=_percent(_EDGE), y=str(top + 16), cls="name"))
        if mean is None:
            continue
        if mean.low is not None and mean.high is not None:
            ends = _percent(scale.at(mean.low)), _percent(scale.at(mean.high))
            parts.append(tag("line", x1=ends[0], x2=ends[1], y1=middle, y2=middle, cls=f"span{best}"))
        parts += [
            tag("circle", cx=_percent(scale.at(one)), cy=middle, r="4", cls="round")
            for one in mean.rounds
            if _drawable(one)
        ]
        parts.append(tag("circle", cx=_percent(scale.at(mean.value)), cy=middle, r="6", cls=f"dot{best}"))
    return tag("svg", *parts, width="100%", height=str(height + _AXIS), cls="strip", aria_hidden="true")


class Scale:
    """From values to percent of a drawing's width: logarithmic where they are far apart and none is 0."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = min(values, default=0.0), max(values, default=1.0)
        self.log = low > 0 and high / low >= _LOG_FROM
        first, last = (math.log10(low), math.log10(high)) if self.log else (low, high)
        room = max((last - first) * 0.08, abs(last) * 0.02, 1e-9)
        self.first, self.last = first - room, last + room
        if not self.log:
            self.first = max(self.first, 0.0)

    def at(self, value: float) -> float:
        """The place of a value."""
        place = math.log10(value) if self.log and value > 0 else value
        held = min(max(place, self.first), self.last)
        return _EDGE + (held - self.first) / (self.last - self.first) * (100 - 2 * _EDGE)

    def marks(self) -> list[float]:
        """Round values that an axis names, three to six."""
        if self.log:
            decades = range(math.floor(self.first), math.ceil(self.last) + 1)
            steps = _STEPS if self.last - self.first < 2 else (1.0,)
            found = [step * 10.0**decade for decade in decades for step in steps]
            return [value for value in found if self.first <= math.log10(value) <= self.last]
        rough = (self.last - self.first) / 4
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next((unit * each for each in _STEPS if unit * each >= rough), unit * 10)
        count = math.floor(self.last / step)
        return [step * number for number in range(math.ceil(self.first / step), count + 1)]


def _drawable(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _percent(place: float) -> str:
    return f"{place:.3f}%"


# ----------------------------------------------------------------------------------------------------------- the tables


def _figures(found: Report) -> Markup:
    columns = [Column(""), *(Column(side.name, number=True) for side in found.sides)]
    rows: list[list[Child]] = []
    for row in found.rows:
        cells: list[Child] = [words.name_of(row)]
        for side, mean in enumerate(row.means):
            if mean is None:
                cells.append(NONE)
                continue
            value = words.value_of(row, mean.value)
            shown: Child = tag("b", value) if side in row.best else value
            cells.append(join([shown, tag("span", words.interval(row, mean).strip(), cls="note")]))
        rows.append(cells)
    caption = "Means of the rounds with 95 % intervals; bold: the best, and what is not told apart from it"
    return tag("div", table(caption, columns, rows), cls="panel")


def _pairs(found: Report) -> Markup:
    columns = [Column(""), *(Column(name) for name in ("the second over the first", "ratio (95 %)", ""))]
    rows: list[list[Child]] = []
    for row in found.rows:
        for edge in row.edges:
            flag = tag("span", "told apart", cls="flag good") if edge.told else tag("span", "none shown", cls="small")
            pair = f"{found.sides[edge.second].name} / {found.sides[edge.first].name}"
            ratio = NONE if edge.ratio is None else words.times(edge).partition(",")[0]
            rows.append([words.name_of(row), pair, ratio, flag])
    caption = "Every pair: the mean ratio within a round. The intervals of one figure hold together"
    return tag("div", table(caption, columns, rows), cls="panel")


def _targets(found: Report) -> Markup:
    columns = [Column(""), Column("what it is"), Column("engine"), *(
        Column(name, number=True) for name in ("answers", "failed", "tokens in", "tokens out", "tokens a word")
    )]  # fmt: skip
    rows: list[list[Child]] = []
    for side, made in zip(found.sides, found.rounds, strict=True):
        sound = [one for one in made if one.ok]
        count = max(len(sound), 1)
        failed = sum(one.failed + one.unfinished for one in made)
        rows.append(
            [
                side.name, side.session.subject.label, side.session.subject.engine or NONE,
                f"{sum(one.ok for one in made):,}", f"{failed:,}" if failed else NONE,
                number(sum(one.input_tokens for one in sound) / count),
                number(sum(one.output_tokens for one in sound) / count),
                NONE if side.session.per_word is None else f"{side.session.per_word:.3g}",
            ]
        )  # fmt: skip
    rows += [[name, why, NONE, *(NONE,) * 5] for name, why in found.absent]
    return tag("div", table("Targets, each asked directly unless it says otherwise", columns, rows), cls="panel")


def _meaning() -> Markup:
    return tag("div", items(join([tag("b", f"{name}: "), text]) for name, text in words.definitions()), cls="panel")
