"""A learned policy as one HTML file that works offline: its promise, the cost–quality curve with the chosen point."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from crossover.learning.model import Learned, Step
from crossover.reports import files, html
from crossover.reports.markup import Column, Markup, escape, items, join, table, tag
from crossover.reports.route import (
    SPEAKS,
    chosen_step,
    dollars_of,
    facts,
    headline,
    points,
    quality_range,
    share,
    weights,
    what,
)

_HEIGHT, _TOP, _BOTTOM = 320, 18, 44  # pixels of the drawing and of its edges
_LEFT, _RIGHT = 9.0, 3.0  # percent


def page(learned: Learned) -> str:
    """The whole policy as one document. Nothing in it is a script."""
    style = Markup(html.asset("report.css") + html.asset("route.css"))
    policy = f"default-src 'none'; style-src {html.hashed(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    head = join(
        [
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name_="referrer", content="no-referrer"),
            tag("title", f"Crossover route: {headline(learned)}"),
            tag("link", rel="icon", href="data:,"),
            tag("style", style),
        ]
    )
    body = tag("body", _top(learned), tag("main", *_sections(learned)), _footer())
    return f"<!doctype html>\n{tag('html', tag('head', head), body, lang='en')}\n"


def write(learned: Learned, path: Path) -> Path:
    """Write the page to ``path``, whole or not at all, and return the place. Raises FileError."""
    return files.write(path, page(learned))


def _top(learned: Learned) -> Markup:
    return tag(
        "header",
        tag("p", "Crossover route", cls="eyebrow"),
        tag("h1", headline(learned)),
        tag("p", what(learned), cls="action"),
        cls="top",
    )


def _sections(learned: Learned) -> list[Markup]:
    card = learned.card
    made = [("rests", "What it rests on", items(f"{name}: {text}" for name, text in facts(learned)))]
    if card.curve:
        made.insert(0, ("curve", "What each threshold keeps and loses", _curve(learned)))
    made.append(("looks", SPEAKS, items(weights(learned))))
    if card.notes:
        made.append(("notes", "Notes", items(card.notes)))
    return [
        tag("section", tag("h2", title, id=f"{anchor}-title"), content, id=anchor, aria_labelledby=f"{anchor}-title")
        for anchor, title, content in made
    ]


def _curve(learned: Learned) -> Markup:
    card = learned.card
    dollars = any(step.cost is not None for step in card.curve)
    columns = [Column("stays local"), Column("quality", number=True), Column("lost", number=True)]
    columns += [Column("dollars per 1,000", number=True)] if dollars else []
    steps = points(learned, 40)
    chosen = next((number for number, step in enumerate(steps) if step.threshold == learned.threshold), None)
    rows = [
        [share(step.kept), f"{step.quality:.3f}", share(step.loss), *([dollars_of(step.cost)] if dollars else [])]
        for step in steps
    ]
    words = "Quality against the share that stays local, on prompts that nothing was learned from (estimated). "
    words += "The dashed line is what choosing by chance gives."
    figure = tag("figure", drawn(learned), tag("figcaption", words), cls="panel")
    return join([figure, table("Thresholds", columns, rows, chosen=chosen)])


def drawn(learned: Learned) -> Markup:
    """The curve as SVG with places in percent, so that text keeps its size on every screen."""
    card = learned.card
    low, high = quality_range(card)
    room = max((high - low) * 0.08, 0.005)
    low, high = low - room, high + room

    def x(kept: float) -> str:
        return f"{_LEFT + kept * (100 - _LEFT - _RIGHT):.3f}%"

    def y(quality: float) -> str:
        return f"{_TOP + (high - quality) / (high - low) * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    parts: list[Markup] = []
    for kept in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(tag("line", x1=x(kept), x2=x(kept), y1=str(_TOP), y2=str(_HEIGHT - _BOTTOM)))
        parts.append(tag("text", share(kept), x=x(kept), y=str(_HEIGHT - _BOTTOM + 18), text_anchor="middle"))
    parts.append(tag("text", "stays local", x=x(0.5), y=str(_HEIGHT - 6), text_anchor="middle"))
    weak, strong = card.weak_score, card.strong_score
    if weak is not None and strong is not None:
        parts.append(tag("line", x1=x(0), x2=x(1), y1=y(strong), y2=y(weak), cls="chance"))
        for value in (strong, weak):
            parts.append(tag("line", x1=x(0), x2=x(1), y1=y(value), y2=y(value), cls="side"))
            parts.append(tag("text", f"{value:.3f}", x=f"{_LEFT - 1:.3f}%", y=y(value), dy="4", text_anchor="end"))
    ends = [] if strong is None else [(0.0, strong)]
    line = [*ends, *((step.kept, step.quality) for step in card.curve)]
    for (one, first), (two, second) in pairwise(line):
        parts.append(tag("line", x1=x(one), x2=x(two), y1=y(first), y2=y(second), cls="line"))
    parts += _chosen(chosen_step(learned), x, y)
    label = f"Quality from {card.strong} alone to {card.weak} alone; {card.words}"
    return tag("svg", *parts, width="100%", height=str(_HEIGHT), cls="curve", role="img", aria_label=label)


def _chosen(step: Step | None, x: object, y: object) -> list[Markup]:
    assert callable(x)
    assert callable(y)
    if step is None:
        return []
    place, height = x(step.kept), y(step.quality)
    side = "end" if step.kept > 0.6 else "start"
    return [
        tag("line", x1=place, x2=place, y1=height, y2=str(_HEIGHT - _BOTTOM), cls="drop"),
        tag("circle", cx=place, cy=height, r="8", cls="chosen"),
        tag(
            "text", f"chosen: {share(step.kept)} stay, {step.quality:.3f}", x=place,
            y=str(_HEIGHT - _BOTTOM - 10), dx="-12" if side == "end" else "12", text_anchor=side, cls="note",
        ),
    ]  # fmt: skip


def _footer() -> Markup:
    return tag(
        "footer",
        tag("p", escape(
            "The promise is guaranteed for prompts like those of the calibration (docs/route.md); the curve is "
            "estimated on prompts apart. This page holds no prompt and no answer."
        )),
    )  # fmt: skip
