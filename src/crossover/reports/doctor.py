"""A check-up as a report: in a terminal worst things first in words, then everything; and as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from crossover.doctor.words import STATES, Finding, House, State, worst
from crossover.reports.figures import plural
from crossover.reports.paper import Paper, joined

STYLES: dict[State, str] = {"ok": "green", "note": "cyan", "warning": "yellow", "broken": "red"}
MARKS: dict[State, str] = {"ok": "ok", "note": "note", "warning": "warn", "broken": "BROKEN"}
_WIDTH = max(map(len, MARKS.values())) + 2


def headline(findings: Sequence[Finding]) -> str:
    """The result in one sentence."""
    count = Counter(one.state for one in findings)
    if count["broken"]:
        verb = "is" if count["broken"] == 1 else "are"
        more = f", and {plural(count['warning'], 'warning')}" if count["warning"] else ""
        return f"{plural(count['broken'], 'thing')} {verb} broken{more}"
    if count["warning"]:
        return f"Nothing is broken; {plural(count['warning'], 'warning')}"
    return "All is well"


def render(house: House, findings: Sequence[Finding], console: Console, *, quiet: bool = False) -> None:
    """Print it; ``quiet`` leaves out what is well."""
    paper = Paper(console)
    paper.blank()
    python = ".".join(str(part) for part in house.python)
    facts = (f"Python {python}", house.machine.system, f"{plural(len(house.places), 'place')} looked at")
    paper.line(joined([("Check-up", "bold"), *((one, "dim") for one in facts)]))
    paper.blank()
    colour = STYLES[worst(tuple(findings))]
    paper.line(Text(headline(findings), style="bold"), lead=Text(" ▌ ", style=f"bold {colour}"), bar=True)
    names = {place.name for place in house.places}
    groups = (
        ("This machine", [one for one in findings if one.subject not in names]),
        ("Engines and models", [one for one in findings if one.subject in names]),
    )
    titles = {place.name: f"{place.name} ({place.title})" for place in house.places}
    for title, rows in groups:
        shown = [one for one in rows if not (quiet and one.state == "ok")]
        if shown:
            paper.section(title)
        for one in shown:
            _finding(paper, one, titles.get(one.subject, one.subject))


def _finding(paper: Paper, one: Finding, subject: str) -> None:
    lead = Text(f" {MARKS[one.state]:<{_WIDTH}}", style=STYLES[one.state])
    paper.line(Text.assemble((f"{subject}: ", "bold"), (one.says, "")), lead=lead)
    if one.fix:
        paper.line(Text.assemble(("→ ", "bold"), (f"{one.fix.rstrip('.')}.", "")), lead=" " * (_WIDTH + 1))


def as_json(house: House, findings: Sequence[Finding]) -> dict[str, Any]:
    """The check-up as plain data: ``state`` is the worst of all, ``checks`` each finding, ``places`` what answered."""
    return {
        "state": worst(tuple(findings)),
        "headline": headline(findings),
        "counts": {state: sum(one.state == state for one in findings) for state in STATES},
        "checks": msgspec.to_builtins(list(findings)),
        "places": [
            {
                "name": place.name, "model": place.model, "title": place.title, "url": place.url,
                "outside": place.outside, "configured": place.configured,
                "engine": None if place.engine is None else place.engine.found.kind,
                "version": None if place.engine is None else place.engine.version,
                "context": place.context or (None if place.known is None else place.known.context),
                "logprobs": place.logprobs, **msgspec.to_builtins(place.quick),
            }
            for place in house.places
        ],
        "machine": msgspec.to_builtins(house.machine),
        "ledger": house.ledger.path,
        "config": house.config.file,
    }  # fmt: skip
