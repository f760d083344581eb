"""``crossover route watch``: what was found while rules were in use: is the promise kept, is a shadow good enough?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from crossover.errors import FileError
from crossover.learning.drift import Drift, drift
from crossover.ledger.words import PICO

if TYPE_CHECKING:
    from crossover.ledger.grades import Grade
    from crossover.runtime.watch import Rule

USUAL = 0.05  # what a loss is held against where no policy promised anything


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one alias and one pair of models. Costs are mean dollars of an answer."""

    alias: str
    kind: str
    weak: str
    strong: str
    graders: tuple[str, ...]
    promised: float | None
    weak_cost: float
    strong_cost: float
    found: Drift


def register(app: typer.Typer) -> None:
    """Add ``watch`` to the commands of ``crossover route``."""
    app.command("watch")(watch)


def watch(
    alias: Annotated[str | None, typer.Option(help="Of one alias only.")] = None,
    since: Annotated[str, typer.Option(help="From when on: 24h, 7d, month, all, a day.")] = "all",
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="The ledger.", show_default="in the data folder")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration whose policies made the promises.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show what compared requests say: whether promises are kept, and what shadows of paid traffic found."""
    from crossover.cli.ledger_parts import place
    from crossover.ledger.grades import grades
    from crossover.ledger.periods import moment
    from crossover.ledger.store import open_ledger

    begin = moment(since, time.time(), "--since")
    with open_ledger(place(ledger, must_exist=True), readonly=True) as book:
        rows = grades(book, alias, begin)
    found = watched(rows, rules_of(config))
    if as_json:
        import json

        typer.echo(json.dumps(msgspec.to_builtins(found), ensure_ascii=False, indent=1))
        return
    _show(found)


def watched(rows: Sequence[Grade], rules: Mapping[str, Rule]) -> list[Watched]:
    """The bounds of every alias, pair of models and grader, audits before shadows.

    An audit's loss counts where the rule would have kept the request; a shadow's always, because it asks what would be
    lost if the own model answered everything. Audits from before a rule was made spoke of another one.
    """
    from crossover.runtime.rules import compared

    several: dict[tuple[str, str, str, str, str], list[Grade]] = {}
    for row in rows:
        rule = rules.get(row.route)
        if row.kind == "shadow" or rule is None or row.time >= rule.since:
            several.setdefault((row.kind, row.route, row.weak, row.strong, row.grader), []).append(row)
    found = []
    for (kind, alias, weak, strong, grader), group in sorted(several.items()):
        rule = rules.get(alias) if kind == "audit" else None
        limit = None if rule is None else rule.loss
        beside = rule.beside if rule is not None and grader == rule.grader else 0.0
        found.append(
            Watched(
                alias=alias, kind=kind, weak=weak, strong=strong, graders=(grader,),
                promised=limit, weak_cost=_mean([one.weak_cost for one in group]),
                strong_cost=_mean([one.strong_cost for one in group]),
                found=drift([compared(one) for one in group], limit or USUAL, beside=beside),
            )
        )  # fmt: skip
    return found


def rules_of(config: Path | None) -> dict[str, Rule]:
    """What is watched of each alias and what its policy promised; empty where there is no configuration.

    One that is wrong is a note, unless it was named: then FileError is raised.
    """
    from crossover.config import environment
    from crossover.config.load import find, load
    from crossover.runtime.rules import rule_of

    file = find(config, environment(), Path())
    if file is None:
        return {}
    try:
        aliases = load(file, environment()).settings.aliases
        return {name: rule_of(name, one) for name, one in aliases.items()}
    except FileError as error:
        if config is not None:
            raise
        typer.echo(f"Note: what was promised is not known: {error.sentence()}", err=True)
        return {}


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) / PICO if values else 0.0


def _show(found: Sequence[Watched]) -> None:
    from crossover.reports.paper import Paper
    from crossover.reports.terminal import console

    paper = Paper(console())
    if not found:
        paper.line("Nothing has been compared. watch.explore of an alias lets chance draw requests to compare.")
    for one in found:
        what = "checked by chance" if one.kind == "audit" else "shadow of paid traffic"
        paper.section(f"{one.alias}: {one.weak} in the place of {one.strong}", what)
        for line, style in lines(one):
            paper.line(line, style=style)


def lines(one: Watched) -> list[tuple[str, str]]:
    """What is said of it, with the style of each line."""
    found = one.found
    span = f"between {found.low * 100:.1f} and {found.high * 100:.1f} %, at every look"
    seen = f"{found.observed * 100:.1f} % lost in {found.count:,} compared requests: {span}"
    if one.kind == "audit" and one.promised is not None:
        style = "bold red" if found.left else "bold green" if found.held else ""
        said: list[tuple[str, str]] = [(found.words[:1].upper() + found.words[1:], style)]
    elif one.kind == "audit":
        said = [(seen, ""), ("No policy promised anything for this alias.", "dim")]
    else:
        proven = found.high <= USUAL
        said = [(seen, "bold green" if proven else "")]
        said.append((_switching(one, proven), ""))
    said.append((f"compared by {', '.join(one.graders)}", "dim"))
    return said


def _switching(one: Watched, proven: bool) -> str:
    from crossover.reports.route import dollars_of

    cheaper = one.weak_cost < one.strong_cost
    price = f"{dollars_of(1_000 * one.weak_cost)} for 1,000 answers instead of {dollars_of(1_000 * one.strong_cost)}"
    if proven and cheaper:
        return f"Switching is proven (at most {USUAL * 100:g} % lost) and cheaper: {price}"
    if proven:
        return f"Switching is proven (at most {USUAL * 100:g} % lost), and not cheaper: {price}"
    if one.found.low > USUAL:
        return f"Not good enough: more than {USUAL * 100:g} % is lost"
    return f"Not proven yet (at most {USUAL * 100:g} % lost is asked): {price}"
