"""``crossover ledger week``: a period on one page, in the terminal or as HTML."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Annotated

import typer

from crossover.cli.ledger_parts import (
    Config,
    File,
    Json,
    Machine,
    Since,
    Until,
    machines,
    place,
    plain_console,
    print_json,
    print_table,
)
from crossover.ledger import periods
from crossover.ledger.store import open_ledger
from crossover.ledger.week import Week, gather, plain


def week(
    ctx: typer.Context,
    since: Since = "7d",
    until: Until = "now",
    html: Annotated[Path | None, typer.Option(help="Write the page to this file; it works offline.")] = None,
    machine: Machine = None,
    config: Config = None,
    ledger: File = None,
    as_json: Json = False,
) -> None:
    """Put a week on one page: spend, savings realised and missed, what went where, privacy, what to change next."""
    from crossover.reports import files, week_html

    if html is not None:
        files.check(html)
    begin, end = periods.period(since, until, time.time())
    with open_ledger(place(ledger, ctx), readonly=True) as book:
        found = gather(book, begin, end, machines(book, machine, config))
    if html is not None:
        made = files.write(html, week_html.page(found, dt.datetime.now(dt.UTC).date()))
        typer.echo(f"Wrote {made}", err=True)
    if as_json:
        print_json(plain(found))
    elif html is None:
        _print(found)


def _print(found: Week) -> None:
    from crossover.reports import week as words

    console = plain_console()
    console.print(words.title(found), markup=False)
    console.print(words.headline(found), markup=False, soft_wrap=True)
    if not found.total.requests:
        return
    for name, text in words.lines(found):
        console.print(f"{name:9} {text}", markup=False, soft_wrap=True)
    for one in words.tables(found):
        print_table(console, one.heads, one.rows, title=one.title, note=one.note)
    console.print("What to change next", markup=False)
    for number, text in enumerate(words.changes(found), 1):
        console.print(f"{number}. {text}", markup=False, soft_wrap=True)
