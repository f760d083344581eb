"""A scan in a terminal: the findings by file, then the figures, and last the line for PLAN."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from crossover.privacy.policy import Action
from crossover.reports import figures
from crossover.reports import privacy as words
from crossover.reports.paper import Paper, joined, plain_table
from crossover.reports.privacy import Listed, Report
from crossover.sensitivity import Tier
from crossover.traffic.scan.words import Hit, State

TIER_COLOURS: dict[Tier, str] = {"hard": "red", "soft": "yellow", "none": ""}
STATE_COLOURS: dict[State, str] = {"hard": "red", "soft": "yellow", "unread": "magenta", "clean": "green"}
ACTION_COLOURS: dict[Action, str] = {"allow": "green", "redact": "yellow", "local_only": "red", "block": "red"}
MOST_REMARKS = 12
_KIND = 24  # characters of a kind
_PLACE = 9  # characters of a place before what follows is moved to the right


def render(report: Report, console: Console, *, listing: bool = True) -> None:
    """Print the scan; ``listing`` False leaves out the single findings.

    Never raises for odd text or a narrow console: long lines are cut, what the encoding lacks is replaced.
    """
    paper = Paper(console)
    if listing:
        for listed in report.files:
            _file(listed, report, paper)
    _kinds(report, paper)
    _shares(report, paper)
    _profiles(report, paper)
    _remarks(report, paper)
    _end(report, paper)


def _file(listed: Listed, report: Report, paper: Paper) -> None:
    count = listed.count
    aside = ""
    if count is not None:
        aside = f"{figures.plural(count.records, 'record')}, {figures.plural(count.findings, 'finding')}"
    paper.section(listed.name, aside)
    wide = min(max([len(hit.kind) for hit in listed.hits], default=0), _KIND)
    for hit in listed.hits:
        _hit(hit, report, paper, wide)
    if listed.more:
        paper.line(f"{listed.more:,} more in this file (--limit)", lead=" " * (_PLACE + 2), style="dim")


def _hit(hit: Hit, report: Report, paper: Paper, wide: int) -> None:
    colour = TIER_COLOURS[hit.tier]
    place = f"{hit.spot.line}:{hit.spot.column}"
    done = words.action(hit, report.profile)
    head = Text(f"{place:>{_PLACE}}  ", style="dim")
    head.append(f"{words.title(hit.kind)[:_KIND]:<{wide}}  ", style=f"bold {colour}")
    head.append(f"{words.tier_word(hit.category, hit.tier):<18} ")
    head.append(f"{hit.score:.2f}  ", style="dim")
    head.append(words.ACTION_TITLES[done], style=ACTION_COLOURS[done])
    room = max(paper.width - _PLACE - 3, 20)
    path = hit.spot.path
    if path and not paper.narrow and head.cell_len + len(path) + 2 < paper.width:
        head.append(f"  {path}", style="dim")
        path = ""
    paper.put(head)
    if len(path) > room // 2 - 2:
        path = "…" + path[-(room // 2 - 3) :]
    line = Text(" " * (_PLACE + 2))
    if path:
        line.append(f"{path}  ", style="dim")
        room -= len(path) + 2
    for piece in words.context(hit, room, show=report.show):
        style = {"value": f"reverse {colour}", "other": colour, "plain": ""}[piece.role]
        line.append(piece.text, style=style)
    line.truncate(paper.width - 1, overflow="ellipsis")
    paper.put(line)


def _kinds(report: Report, paper: Paper) -> None:
    survey = report.survey
    if not survey.kinds:
        return
    paper.section("What was found")
    table = plain_table(
        ("kind", "left"), ("category", "left"), ("tier", "left"), ("findings", "right"), ("records", "right"),
        ("of all", "right"),
    )  # fmt: skip
    for kind in survey.kinds:
        table.add_row(
            Text(words.title(kind.kind), style=f"bold {TIER_COLOURS[kind.tier]}"),
            Text(kind.category),
            Text(kind.tier),
            Text(f"{kind.findings:,}"),
            Text(f"{kind.records:,}"),
            Text(words.percent(kind.records / survey.records)),
        )
    paper.indented(table)


def _shares(report: Report, paper: Paper) -> None:
    survey = report.survey
    if not survey.records:
        return
    paper.section("Records", "95 %: Wilson's interval")
    wide = max(min(paper.width - 54, 40), 0)
    columns = [("state", "left"), ("records", "right"), ("of all", "right"), ("95 %", "right"), ("", "left")]
    table = plain_table(*columns)
    for state, count in words.states(survey):
        colour = STATE_COLOURS[state]
        bar = "█" * (max(round(wide * count / survey.records), 1) if count else 0)
        table.add_row(
            Text(words.STATE_TITLES[state], style=f"bold {colour}"),
            Text(f"{count:,}"),
            Text(words.percent(count / survey.records)),
            Text(words.interval(count, survey.records), style="dim"),
            Text(bar, style=colour),
        )
    paper.indented(table)
    for state in ("hard", "soft", "unread"):
        if survey.states.get(state):
            paper.line(f"{words.STATE_TITLES[state]}: {words.STATE_WORDS[state]}", style="dim")


def _profiles(report: Report, paper: Paper) -> None:
    survey = report.survey
    if not survey.records:
        return
    paper.section("What could go to an API", "records, by profile")
    table = plain_table(("  profile", "left"), *((name, "right") for name in words.ACTION_TITLES.values()))
    for name, counts in survey.profiles.items():
        chosen = name == report.profile.name
        cells = [
            joined([(f"{counts.get(one, 0):,}", "bold" if chosen else ""),
                    (words.percent(counts.get(one, 0) / survey.records), "dim")], "  ")
            if counts.get(one, 0) else Text(figures.NONE, style="dim")
            for one in words.ACTION_TITLES
        ]  # fmt: skip
        table.add_row(Text(f"{'▶' if chosen else ' '} {name}", style="bold" if chosen else ""), *cells)
    paper.indented(table)


def _remarks(report: Report, paper: Paper) -> None:
    found = list(words.remarks(report))
    if not found:
        return
    paper.section("Notes")
    for text in found[:MOST_REMARKS]:
        paper.line(text, lead=" • ")
    if len(found) > MOST_REMARKS:
        paper.line(f"{len(found) - MOST_REMARKS:,} more (--json has them)", lead="   ", style="dim")


def _end(report: Report, paper: Paper) -> None:
    paper.blank()
    colour = "green" if report.survey.records and not report.inside else "red"
    bar = Text(" ▌ ", style=f"bold {colour}")
    paper.line(Text(words.headline(report), style="bold"), lead=bar, bar=True)
    if report.survey.records:
        paper.line(words.plan_line(report), lead=bar, bar=True)
        paper.line(words.plan_reason(report), lead=bar, bar=True, style="dim")
    paper.blank()
