"""A scan as one HTML file: works offline, asks the network for nothing, runs no script, and holds no value by itself.

A Content-Security-Policy in the page allows exactly its own style sheet.
"""

from __future__ import annotations

from pathlib import Path

from crossover.privacy.policy import Action
from crossover.reports import figures, files, html
from crossover.reports import privacy as words
from crossover.reports.markup import Child, Column, Markup, escape, items, join, table, tag
from crossover.reports.privacy import Listed, Report
from crossover.traffic.scan.words import Hit

_CONTEXT = 110  # characters of what is shown around a value
_OPEN = 5  # files whose findings are not folded away
_ACTION_WORDS: dict[Action, str] = {
    "allow": "goes as it is",
    "redact": "goes with placeholders",
    "local_only": "stays on own machines",
    "block": "goes nowhere",
}


def page(report: Report) -> str:
    """The whole report as one HTML document."""
    title = f"Crossover privacy scan: {words.headline(report)}"
    return html.still(title, _body(report), "report.css", "privacy.css")


def write(report: Report, path: Path) -> Path:
    """Write the report to ``path``, whole or not at all, and return the place. Raises FileError."""
    return files.write(path, page(report))


def _body(report: Report) -> Markup:
    made = [
        ("profiles", "What could go to an API", _profiles(report)),
        ("kinds", "What was found", _kinds(report)),
        ("findings", "Findings", _findings(report)),
        ("notes", "Notes", _notes(report)),
    ]
    sections = [
        tag("section", tag("h2", title, id=f"{anchor}-title"), content, id=anchor, aria_labelledby=f"{anchor}-title")
        for anchor, title, content in made
        if content is not None
    ]
    return join([_top(report), tag("main", *sections), _footer(report)])


def _top(report: Report) -> Markup:
    survey = report.survey
    facts = [
        figures.plural(survey.records, "record"),
        figures.plural(survey.files, "file"),
        figures.plural(survey.findings, "finding"),
        f"{survey.bytes / 1e6:,.1f} MB" if survey.bytes >= 1e5 else f"{survey.bytes / 1e3:,.1f} kB",
    ]
    plan: list[Child] = []
    if survey.records:
        plan = [
            tag("p", tag("code", words.plan_line(report), cls="command")),
            tag("p", words.plan_reason(report), cls="small"),
        ]
    return tag(
        "header",
        tag("p", f"Crossover privacy scan · made {report.made_on} · detector {report.detector or '–'}", cls="eyebrow"),
        tag("h1", words.headline(report)),
        items(facts, cls="workload"),
        *plan,
        _cards(report),
        cls="top",
    )


def _cards(report: Report) -> Markup | None:
    survey = report.survey
    if not survey.records:
        return None
    cards = [
        tag(
            "div",
            tag("p", words.STATE_TITLES[state], cls=f"kind {state}"),
            tag("p", words.percent(count / survey.records), cls="money"),
            tag("p", f"{figures.plural(count, 'record')} · 95 %: {words.interval(count, survey.records)}", cls="small"),
            tag("p", words.STATE_WORDS[state], cls="small"),
            cls=f"card {state}",
        )
        for state, count in words.states(survey)
    ]
    return join([tag("h2", "Records by what they hold", cls="hidden"), tag("div", *cards, cls="cards")])


def _profiles(report: Report) -> Markup | None:
    survey = report.survey
    if not survey.records:
        return None
    keys = [
        tag("li", tag("i", cls=name, aria_hidden="true"), f"{words.ACTION_TITLES[name]}: {text}")
        for name, text in _ACTION_WORDS.items()
    ]
    columns = [Column("profile"), *(Column(name, number=True) for name in words.ACTION_TITLES.values()), Column("")]
    rows = []
    chosen = None
    for number, (name, counts) in enumerate(survey.profiles.items()):
        chosen = number if name == report.profile.name else chosen
        cells: list[Child] = [
            f"{counts.get(one, 0):,} · {words.percent(counts.get(one, 0) / survey.records)}"
            if counts.get(one, 0)
            else figures.NONE
            for one in words.ACTION_TITLES
        ]
        rows.append([name, *cells, _stack(counts, survey.records)])
    caption = "Records by what a place outside would get of them; the profile in force is marked"
    return tag("div", tag("ul", *keys, cls="keys"), table(caption, columns, rows, chosen=chosen), cls="panel")


def _stack(counts: object, total: int) -> Markup:
    """A bar of shares. Widths are attributes, since the policy of the page forbids styles in elements."""
    assert isinstance(counts, dict)
    parts: list[Markup] = []
    at = 0.0
    for name in words.ACTION_TITLES:
        wide = 100 * counts.get(name, 0) / total
        if wide:
            parts.append(tag("rect", x=f"{at:.3f}", y="0", width=f"{wide:.3f}", height="10", cls=name))
        at += wide
    return tag("svg", *parts, viewBox="0 0 100 10", preserveAspectRatio="none", cls="stack", aria_hidden="true")


def _kinds(report: Report) -> Markup | None:
    survey = report.survey
    if not survey.kinds:
        return None
    columns = [
        Column("kind"), Column("category"), Column("tier"), Column("findings", number=True),
        Column("records", number=True), Column("of all records", number=True),
    ]  # fmt: skip
    rows = [
        [
            tag("b", words.title(kind.kind), cls=kind.tier), kind.category, kind.tier, f"{kind.findings:,}",
            f"{kind.records:,}", words.percent(kind.records / survey.records),
        ]
        for kind in survey.kinds
    ]  # fmt: skip
    return tag("div", table("Findings by kind, the hard ones first", columns, rows), cls="panel")


def _findings(report: Report) -> Markup | None:
    if not report.files:
        return None
    said = "Values are shown as they are." if report.show else "Values are masked; what stands around them is not."
    folded = [_file(listed, report, open_=number < _OPEN) for number, listed in enumerate(report.files)]
    return tag("div", tag("p", said, cls="small"), *folded, cls="panel")


def _file(listed: Listed, report: Report, *, open_: bool) -> Markup:
    aside = ""
    if listed.count is not None:
        aside = f"{figures.plural(listed.count.records, 'record')}, {figures.plural(listed.count.findings, 'finding')}"
    columns = [
        Column("line:column"), Column("kind"), Column("category, tier"), Column("score", number=True),
        Column(f"under {report.profile.name}"), Column("text", wide=True),
    ]  # fmt: skip
    more = tag("p", f"{listed.more:,} more in this file", cls="small") if listed.more else None
    rows = [_row(hit, report) for hit in listed.hits]
    return tag(
        "details",
        tag("summary", tag("strong", listed.name), tag("span", aside, cls="small")),
        table(f"Findings in {listed.name}", columns, rows) if rows else None,
        more,
        open=open_,
        cls="file",
    )


def _row(hit: Hit, report: Report) -> list[Child]:
    pieces: list[Child] = []
    for piece in words.context(hit, _CONTEXT, show=report.show):
        if piece.role == "value":
            pieces.append(tag("mark", piece.text, cls=hit.tier))
        else:
            pieces.append(tag("span", piece.text, cls="dots") if piece.role == "other" else escape(piece.text))
    path = tag("span", hit.spot.path, cls="path") if hit.spot.path else None
    return [
        tag("span", f"{hit.spot.line}:{hit.spot.column}", cls="nowrap"),
        tag("b", words.title(hit.kind), cls=hit.tier),
        words.tier_word(hit.category, hit.tier),
        f"{hit.score:.2f}",
        words.ACTION_TITLES[words.action(hit, report.profile)],
        tag("div", path, tag("span", *pieces, cls="said")),
    ]


def _notes(report: Report) -> Markup | None:
    found = list(words.remarks(report))
    return tag("div", items(found), cls="panel") if found else None


def _footer(report: Report) -> Markup:
    values = "holds the values that were found: keep it as you keep them" if report.show else "holds masked values only"
    return tag(
        "footer",
        tag("p", f"This page {values}. What rules and models miss is not in it; see docs/privacy.md. "
            "Intervals are Wilson's, for records that are a fair sample of the traffic."),
    )  # fmt: skip
