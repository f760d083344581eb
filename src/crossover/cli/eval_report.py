"""``crossover eval report``: what a run found, shown again from its folder: in the terminal, as a page, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add ``report`` to the commands of ``crossover eval``."""
    app.command("report", help="Show what a run found once more, from its folder; --html writes a page.")(report)


def report(
    results: Annotated[Path, typer.Argument(help="The folder of results that crossover eval run wrote.")],
    html: Annotated[Path | None, typer.Option(help="Write a page that works offline.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Read the folder and show it; nobody is asked."""
    from crossover.evaluation.summary import read_summary

    summary = read_summary(results)
    if html is not None:
        from crossover.reports import evaluation_html

        typer.echo(f"Report: {evaluation_html.write(summary, html)}", err=True)
    if as_json:
        from crossover.cli.evaluating import dumped

        typer.echo(dumped(summary.findings))
    elif html is None:
        from crossover.reports.evaluation import render
        from crossover.reports.terminal import console

        render(summary.findings, console())
