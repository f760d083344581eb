"""``crossover ledger replica``: a copy of the ledger's rows for large reports, and questions to it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from crossover.cli.ledger_parts import File, Json, place, plain_console, print_json, print_table
from crossover.ledger.store import open_ledger

TOP = 1000  # rows of a question that are printed as a table


def replica(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Option(help="The file of the replica.", show_default="beside the ledger: ledger.duckdb")
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="Ask the replica this, in SQL, instead of filling it; it can only be read.")
    ] = None,
    ledger: File = None,
    as_json: Json = False,
) -> None:
    """Copy new rows of the ledger into DuckDB, where reports over millions of them take a moment; or ask it."""
    from crossover.ledger.replica import Filled, open_replica

    source = place(ledger, ctx)
    target = file or source.with_suffix(".duckdb")
    if query is not None:
        with open_replica(target, readonly=True) as copy:
            names, rows = copy.table(query)
        _print(names, rows, as_json=as_json)
        return
    with open_ledger(source, readonly=True) as book, open_replica(target) as copy:
        done: Filled = copy.fill(book)
    if as_json:
        print_json({
            "file": str(target), "rows": done.rows, "children": done.children, "seconds": round(done.seconds, 3),
            "total": done.total, "forgotten": done.forgotten, "anew": done.anew,
        })  # fmt: skip
        return
    for month in done.forgotten:
        typer.echo(f"Forgot {month.replace('_', '-')}, which the ledger has forgotten")
    for month in done.anew:
        typer.echo(f"Filled {month.replace('_', '-')} anew: its rows are not those that were copied")
    rate = f" in {done.seconds:,.1f} s, {done.rate:,.0f} a second" if done.rows else ""
    typer.echo(f"Copied {done.rows:,} requests{rate}; {target} holds {done.total:,}")


def _print(names: list[str], rows: list[tuple[Any, ...]], *, as_json: bool) -> None:
    if as_json:
        print_json([dict(zip(names, map(_plain, row), strict=True)) for row in rows])
        return
    figures = [bool(rows) and isinstance(rows[0][place_], int | float | Decimal) for place_ in range(len(names))]
    heads = [f">{name}" if is_figure else name for name, is_figure in zip(names, figures, strict=True)]
    more = f"{len(rows) - TOP:,} more with --json" if len(rows) > TOP else ""
    print_table(plain_console(), heads, [[_cell(value) for value in row] for row in rows[:TOP]], note=more)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, Decimal):
        text = f"{value:,f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _plain(value: object) -> object:
    """A value as JSON has it: money exact, as text."""
    if isinstance(value, Decimal):
        return _cell(value).replace(",", "")
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
