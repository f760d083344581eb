"""``crossover doctor``: what works on this machine, what does not, and how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})

BROKEN = 3  # exit code where something is broken


@app.command()
def doctor(
    names: Annotated[list[str] | None, typer.Argument(help="Deployments to look at; all by default.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The configuration file.")] = None,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file instead of the usual one.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Ask each model a few short questions.")
    ] = True,
    paid: Annotated[
        bool, typer.Option("--paid", help="Also ask models of providers, which costs a fraction of a cent each.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what needs a look.")] = False,
) -> None:
    """Look at engines, models, configuration, ledger and machine; say what is wrong and how to mend it.

    Every model found is asked five short questions of made-up words; nothing that costs money is asked without --paid.
    Exit code 3 where something is broken, 0 otherwise: warnings are advice.
    """
    import asyncio
    import sys

    import msgspec

    from crossover.cli.serve import loop_factory
    from crossover.config import environment, paths
    from crossover.doctor.checks import findings
    from crossover.doctor.words import worst
    from crossover.reports import doctor as words
    from crossover.runtime.checkup import Wanted, checkup

    wanted = Wanted(config=config, ledger=ledger, names=tuple(names or ()), measure=measure, paid=paid)
    watched = not (as_json or quiet) and sys.stderr is not None and sys.stderr.isatty()

    def told(text: str) -> None:
        if watched:
            typer.echo(f"\r\x1b[2K{text} …", nl=False, err=True)

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        house = runner.run(checkup(wanted, paths(), environment(), told=told))
    if watched:
        typer.echo("\r\x1b[2K", nl=False, err=True)
    found = findings(house)
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(words.as_json(house, found)), indent=2).decode()
        sys.stdout.write(text + "\n")
    else:
        from crossover.reports.terminal import console

        words.render(house, found, console(), quiet=quiet)
    if worst(found) == "broken":
        raise typer.Exit(BROKEN)
