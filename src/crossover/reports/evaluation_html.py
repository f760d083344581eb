"""An evaluation as one HTML file: the verdict first, then what it rests on. Works offline and asks nobody for anything.

A Content-Security-Policy in the page allows exactly the scripts and the style sheet written into it, by their hashes.
The file holds prompts and answers: keep it as you keep them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from crossover.evaluation.advice import points as in_points
from crossover.evaluation.findings import Disagreement, Findings, Versus
from crossover.evaluation.summary import FRONTIER, Figure, Point, Summary, known, points
from crossover.evaluation.words import PHRASES, Comparison
from crossover.reports import evaluation_sections as sections
from crossover.reports import figures, files, html
from crossover.reports.evaluation_words import STANDING, caution, headline
from crossover.reports.intervals import plot, signed
from crossover.reports.markup import Child, Column, Markup, escape, items, join, table, tag

MOST_BYTES = 24_000_000  # of prompts and answers in a page
_TEXT = 20_000  # characters of an answer in a page

_PLOTS: tuple[tuple[str, Figure, str], ...] = (
    ("cost", "per_thousand", "Gap against dollars per 1,000 answers"),
    ("time", "seconds", "Gap against the median time of an answer"),
)


def page(summary: Summary) -> str:
    """The whole report as one HTML document."""
    found = summary.findings
    placed = points(found)
    drawn = len(placed) >= FRONTIER and (known(placed, "per_thousand") or known(placed, "seconds"))
    rows, cut = _embedded_rows(found)
    style = Markup(html.asset("report.css") + html.asset("evaluation.css"))
    scripts = ([html.asset("echarts.common.min.js")] if drawn else []) + [html.asset("evaluation.js")]
    policy = (
        f"default-src 'none'; script-src {' '.join(html.hashed(script) for script in scripts)}; "
        f"style-src {html.hashed(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    data = {
        "reference": _sound(found.reference),
        "margin": found.margin,
        "versus": rows,
        "points": [msgspec.structs.replace(one, name=_sound(one.name)) for one in placed] if drawn else [],
    }
    head = join(
        [
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name_="referrer", content="no-referrer"),
            tag("title", f"Crossover evaluation: {headline(found)}"),
            tag("link", rel="icon", href="data:,"),
            tag("style", style),
        ]
    )
    body = tag(
        "body",
        _top(summary),
        tag("main", *_sections(summary, placed if drawn else (), cut)),
        _footer(),
        tag("script", html.embedded(data), type_="application/json", id="data"),
        *(tag("script", script) for script in scripts),
    )
    return f"<!doctype html>\n{tag('html', tag('head', head), body, lang='en')}\n"


def write(summary: Summary, path: Path) -> Path:
    """Write the report to ``path``, whole or not at all, and return the place. Raises FileError."""
    return files.write(path, page(summary))


def _sections(summary: Summary, frontier: Sequence[Point], cut: int) -> list[Markup]:
    found = summary.findings
    made: list[tuple[str, str, Markup | None]] = [
        ("gap", "The gap against the margin", _gap(found)),
        ("more", "How many more samples", sections.more(found)),
        ("judge", "Can the judge be believed?", sections.judge(found)),
        ("sides", "Quality, cost and time", sections.sides(found)),
        ("frontier", "Who is beaten by nobody", _frontier(frontier, found)),
        ("tags", "By tag", sections.tags(found)),
        ("differ", "Where they differ", _differ(found, cut)),
        ("run", "What was run", sections.ran(summary)),
        ("notes", "Notes", sections.notes(found)),
    ]
    kept = [(anchor, title, content) for anchor, title, content in made if content is not None]
    links = items((tag("a", title, href=f"#{anchor}") for anchor, title, _ in kept), cls="")
    return [
        tag("nav", links, aria_label="Sections"),
        *(
            tag(
                "section", tag("h2", title, id=f"{anchor}-title"), content, id=anchor, aria_labelledby=f"{anchor}-title"
            )
            for anchor, title, content in kept
        ),
    ]


def _top(summary: Summary) -> Markup:
    found = summary.findings
    facts = [
        figures.plural(found.samples, "sample"),
        f"scored by {found.scorer}",
        f"margin {in_points(found.margin)}, declared before",
        "a failed call counts as wrong" if found.errors == "as-wrong" else "failed calls are left out",
    ]
    begun = [f"begun {_day(summary.started)}"] if summary.started else []
    ended = tag("p", tag("strong", "The run is not whole. "), found.ended, cls="caveat") if found.ended else None
    return tag(
        "header",
        tag("p", " · ".join(["Crossover evaluation", found.file, *begun]), cls="eyebrow"),
        tag("h1", headline(found)),
        tag("p", found.versus[0].comparison.advice, cls="action") if len(found.versus) == 1 else None,
        items(facts, cls="workload"),
        ended,
        *(tag("p", said, cls="caveat") for one in found.versus if (said := caution(one, found))),
        _cards(found),
        cls="top",
    )


def _day(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _cards(found: Findings) -> Markup:
    sides = {side.name: side for side in found.sides}
    cards = []
    for one in found.versus:
        comparison, colour = one.comparison, STANDING[one.comparison.verdict]
        side = sides.get(one.candidate)
        facts = []
        if side is not None and side.seconds_p50 is not None:  # else nobody was asked, and nobody knows what it costs
            facts = [] if side.per_thousand is None else [f"{figures.usd(side.per_thousand)} per 1,000"]
            facts.append(f"median {figures.seconds(side.seconds_p50)}")
        cards.append(
            tag(
                "div",
                tag("p", PHRASES[comparison.verdict], cls=f"kind {colour}"),
                tag("p", _gap_words(comparison), tag("span", " points"), cls="money"),
                tag("p", f"guaranteed: {_bounds(comparison)}", cls="small"),
                tag("p", one.candidate, cls="name"),
                tag("p", " · ".join(facts), cls="small"),
                cls=f"card {colour}",
            )
        )
    return join([tag("h2", "The verdicts", cls="hidden"), tag("div", *cards, cls="cards")])


def _gap_words(comparison: Comparison) -> str:
    return figures.NONE if comparison.gap is None else signed(comparison.gap)


def _bounds(comparison: Comparison) -> str:
    return f"{signed(comparison.interval.low)} to {signed(comparison.interval.high)}"


def _gap(found: Findings) -> Markup:
    rows = [(one.candidate, STANDING[one.comparison.verdict], one.comparison) for one in found.versus]
    keys = [
        tag("li", tag("i", cls="sure", aria_hidden="true"), "guaranteed: holds at every look, and decides"),
        tag("li", tag("i", cls="look", aria_hidden="true"), "at this look: the usual interval, for one look only"),
        tag("li", tag("i", cls="within", aria_hidden="true"), "within the margin"),
    ]
    caption = (
        f"Candidate less {found.reference}, in points of the score. Left of the shaded band a candidate is worse by "
        "more than you would accept."
    )
    columns = [
        Column("candidate"), Column("verdict"), Column("gap", number=True), Column("guaranteed", number=True),
        Column("at this look", number=True), Column("better on", number=True), Column("worse on", number=True),
        Column("equal on", number=True), Column("McNemar, exact", number=True),
    ]  # fmt: skip
    advice = [tag("p", tag("strong", f"{one.candidate}: "), one.comparison.advice) for one in found.versus]
    return tag(
        "figure",
        tag("figcaption", caption),
        tag("ul", *keys, cls="keys"),
        tag("div", plot(rows), role="img", aria_label="Intervals of every gap; the table below has the same figures"),
        table("The same figures", columns, [_gap_row(one) for one in found.versus]),
        *(advice if len(found.versus) > 1 else ()),
    )


def _gap_row(one: Versus) -> list[Child]:
    comparison, look = one.comparison, one.comparison.at_this_look
    return [
        one.candidate,
        tag("b", PHRASES[comparison.verdict], cls=STANDING[comparison.verdict]),
        _gap_words(comparison),
        _bounds(comparison),
        figures.NONE if look is None else f"{signed(look.low)} to {signed(look.high)}",
        f"{comparison.wins:,}",
        f"{comparison.losses:,}",
        f"{comparison.ties:,}",
        figures.NONE if comparison.mcnemar is None else _chance(comparison.mcnemar),
    ]


def _chance(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _frontier(placed: Sequence[Point], found: Findings) -> Markup | None:
    if not placed:
        return None
    caption = (
        "Filled: nobody is at least as good, as cheap and as fast, and better in one of them, by the figures as "
        "measured (estimated; where intervals overlap, places may change). Whiskers are the guaranteed intervals; the "
        f"broken lines are {found.reference} and the margin below it."
    )
    columns = [
        Column("#"), Column("name"), Column("score", number=True), Column("gap", number=True),
        Column("guaranteed", number=True), Column("$ per 1,000", number=True), Column("median", number=True),
        Column("beaten by"),
    ]  # fmt: skip
    rows: list[list[Child]] = [
        [
            str(rank), f"{one.name} (reference)" if one.name == found.reference else one.name,
            figures.NONE if one.score is None else f"{one.score * 100:.1f} %", signed(one.gap),
            figures.NONE if one.name == found.reference else f"{signed(one.low)} to {signed(one.high)}",
            "unknown" if one.per_thousand is None else figures.usd(one.per_thousand), figures.seconds(one.seconds),
            one.beaten_by or tag("b", "nobody", cls="right"),
        ]
        for rank, one in enumerate(placed, start=1)
    ]  # fmt: skip
    labels = {name: label for name, field, label in _PLOTS if known(placed, field)}
    plots = [
        tag("div", role="img", aria_label=f"{label}; the table below has the same figures", data_chart=name, cls="plot")
        for name, label in labels.items()
    ]
    return tag(
        "figure",
        tag("figcaption", caption),
        tag("div", *plots, cls="plots"),
        table("Everybody in quality, cost and time, the best first", columns, rows),
    )


# ------------------------------------------------------------------------------------------------------- disagreements


def _differ(found: Findings, cut: int) -> Markup | None:
    if not any(one.disagreements for one in found.versus):
        return tag("p", "On every sample that was compared, both sides have the same score.", cls="panel")
    counted = [
        f"{one.candidate} lost {sum(row.loss > 0 for row in one.disagreements):,} and won "
        f"{sum(row.loss < 0 for row in one.disagreements):,}"
        for one in found.versus
    ]
    who = None
    if len(found.versus) > 1:
        options = [tag("option", one.candidate, value=str(number)) for number, one in enumerate(found.versus)]
        who = tag("select", *options, id="who", aria_label="Candidate")
    tools = [
        tag("input", id="find", type_="search", placeholder="Search prompts and answers", aria_label="Search"),
        who,
        _select("kind", "Which", [("", "lost and won"), ("lost", "lost"), ("won", "won")]),
        _select("tag", "Tag", [("", "every tag")]),
        _select(
            "order", "Order", [("", "largest loss first"), ("won", "largest win first"), ("file", "as in the file")]
        ),
        tag("output", "", id="count"),
    ]
    hint = [tag("kbd", "j"), " ", tag("kbd", "k"), " next and previous, ", tag("kbd", "/"), " search. "]
    text = "Marked are the words that the other answer does not have."
    left_out = f" The page would be too large with all of them: {cut:,} with the smallest losses are only in --json."
    return tag(
        "div",
        tag("p", f"{'; '.join(counted)}. {text}{left_out if cut else ''}", cls="small"),
        tag("p", *hint, cls="small keyboard noprint"),
        tag("noscript", tag("p", "A script shows them; --json holds the same.", cls="caveat")),
        tag("div", *tools, cls="tools"),
        tag(
            "div",
            tag(
                "div",
                tag("ol", id="list", role="listbox", tabindex="0", aria_label="Samples with different scores"),
                tag("button", "Show more", id="further", type_="button", hidden=True),
            ),
            tag("div", id="detail", aria_live="polite"),
            cls="split",
        ),
        cls="panel",
    )


def _select(name: str, label: str, options: Sequence[tuple[str, str]]) -> Markup:
    return tag("select", *(tag("option", text, value=value) for value, text in options), id=name, aria_label=label)


def _embedded_rows(found: Findings) -> tuple[list[dict[str, Any]], int]:
    """The disagreements as the page's script takes them, the largest losses first; and how many had no room."""
    room, cut = MOST_BYTES // max(len(found.versus), 1), 0
    made = []
    for one in found.versus:
        size, rows = 0, []
        for row in one.disagreements:
            size += (
                sum(min(len(text), _TEXT) for text in (row.prompt, row.candidate, row.reference, *row.expected)) + 300
            )
            if size > room:
                break
            rows.append(_embedded_row(row))
        cut += len(one.disagreements) - len(rows)
        made.append({"candidate": _sound(one.candidate), "rows": rows})
    return made, cut


def _embedded_row(row: Disagreement) -> dict[str, Any]:
    return {
        "sample": _sound(row.sample),
        "line": row.line,
        "prompt": _short(row.prompt),
        "expected": [_short(text) for text in row.expected],
        "tags": [_sound(text) for text in row.tags],
        "ours": _short(row.candidate),
        "theirs": _short(row.reference),
        "our_score": row.candidate_score,
        "their_score": row.reference_score,
        "our_detail": _sound(row.candidate_detail[:500]),
        "their_detail": _sound(row.reference_detail[:500]),
        "loss": row.loss,
    }


def _short(text: str) -> str:
    sound = _sound(text)
    if len(sound) <= _TEXT:
        return sound
    return f"{sound[:_TEXT]}\n… ({len(sound) - _TEXT:,} more characters in the results folder)"


def _sound(text: str) -> str:
    """The text as it can be written down: half a surrogate pair cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _footer() -> Markup:
    return tag(
        "footer",
        tag("p", escape(
            "Guaranteed intervals hold at every look, and after any number of them (docs/eval-report.md); figures "
            "called estimated hold nearly, for one look. This page holds prompts and answers: keep it as you keep them."
        )),
    )  # fmt: skip
