"""``crossover dashboard``: the pages over a ledger, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

USUAL_PORT = 4002

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def dashboard(
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="The file of the ledger.", show_default="in the data folder")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen on this port of 127.0.0.1; 0: any.")] = USUAL_PORT,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration that says what machines cost an hour.")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="A plan to show: what crossover plan --json wrote.", metavar="FILE")
    ] = None,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Make a new token for the gateway's dashboard, and end.")
    ] = False,
) -> None:
    """Show a ledger as pages, read only: spend and savings, every request, deployments, quality, privacy, keys.

    A gateway that runs shows its own dashboard, with how it stands now: crossover serve prints where.
    """
    from crossover.config import paths
    from crossover.runtime.dashboard import make_lock

    if new_token:
        typer.echo(make_lock(paths().data))
        typer.echo("This opens the gateway's dashboard from now on; the token before it ends.", err=True)
        return
    show(ledger or paths().data / "ledger.db", port, config, plan)


def show(ledger: Path, port: int, config: Path | None, plan: Path | None) -> None:
    """Serve the pages over a ledger on this port of 127.0.0.1 (0: any) until somebody ends it."""
    import asyncio
    import contextlib

    from crossover.config import environment, paths
    from crossover.dashboard.session import new_lock
    from crossover.ledger.store import open_ledger
    from crossover.runtime import dashboard as room
    from crossover.runtime.schemes import Schemes, from_ledger

    with open_ledger(ledger, readonly=True):  # what is wrong with it is said before a page is opened
        pass
    lock, token = new_lock()  # for this run alone: nothing is written
    schemes = Schemes(plan or paths().data / "plan.json", from_ledger(ledger), stated=plan is not None)
    source = room.Book(ledger, room.house_of(ledger, config, environment()), plan=schemes)
    with contextlib.closing(room.listen(port)) as listener:
        port = listener.getsockname()[1]
        pages = room.pages(source, room.NoGate(), lambda: lock, port)
        typer.echo(f"Open  http://127.0.0.1:{port}/login#{token}")
        typer.echo("The link is for this run alone. Ctrl-C ends it.", err=True)
        asyncio.run(room.run(pages, listener))
