"""``crossover serve``: the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from crossover.config.load import Loaded
    from crossover.runtime.serve import Open

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def serve(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The configuration file.")] = None,
    host: Annotated[str | None, typer.Option(help="Listen on this address instead of server.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Listen on this port, not server.port; 0: any.")
    ] = None,
    ledger: Annotated[Path | None, typer.Option(help="The ledger's file instead of the usual one.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what goes wrong.")] = False,
) -> None:
    """Serve one interface over every model: routed, priced, recorded.

    Without a configuration the models of this machine are served, or the embedded one. SIGTERM and Ctrl-C end it in
    order: requests under way are finished, every row is written. A second one ends it at once.
    """
    import asyncio
    import logging
    import signal

    from crossover.config import environment, paths
    from crossover.config.load import load
    from crossover.runtime.serve import serve as run

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("crossover").setLevel(logging.WARNING if quiet else logging.INFO)
    environ = environment()

    def read(file: Path) -> Loaded:
        return at_address(load(file, environ), host, port)

    async def all_of_it() -> signal.Signals | None:
        loaded = await settings(config, host, port)
        return await run(
            loaded,
            paths(),
            ledger=ledger,
            loader=read,
            on_open=(lambda _opened: None) if quiet else lambda opened: _greet(opened, loaded, paths().data),
        )

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        ended_by = runner.run(all_of_it())
    if ended_by is signal.SIGINT:
        raise KeyboardInterrupt


async def settings(config: Path | None, host: str | None = None, port: int | None = None) -> Loaded:
    """The configuration in force for a command that runs here."""
    from crossover.config import environment
    from crossover.config.load import find, load

    environ = environment()
    file = find(config, environ, Path.cwd())
    if file is not None:
        return at_address(load(file, environ), host, port)
    from crossover.runtime.found import defaults

    return at_address(await defaults(), host, port)


def at_address(loaded: Loaded, host: str | None, port: int | None) -> Loaded:
    """With the address that flags state, checked like one in the file."""
    import msgspec

    from crossover.config.check import check_server

    server = loaded.settings.server
    stated = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    if not stated:
        return loaded
    server = msgspec.structs.replace(server, **stated)
    changed = msgspec.structs.replace(loaded.settings, server=server)
    check_server(changed)
    return msgspec.structs.replace(loaded, settings=changed)


def loop_factory() -> Callable[[], AbstractEventLoop] | None:
    """The event loop of a gateway: uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:  # Windows has none; asyncio's own loop serves too
        return None
    return uvloop.new_event_loop


def _greet(opened: Open, loaded: Loaded, data: Path) -> None:
    """What a person wants to know first: where, what, how to ask, and where to look."""
    say = typer.echo
    for note in loaded.notes:
        say(f"· {note}")
    plant = opened.station.dispatcher.plant
    say(f"Crossover serves {opened.url}/v1")
    width = max((len(name) for name in plant.routes), default=0)
    for name, route in plant.routes.items():
        say(f"  {name:{width}}  → {', '.join(route.targets)} ({route.policy})")
    keys = opened.station.settings.require_keys or (
        opened.station.keys and opened.station.settings.require_keys is None
    )
    say("A key is needed." if keys else "No key is needed from this machine; nobody else is served.")
    first = next(iter(plant.routes), "auto")
    body = f'{{"model": "{first}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    say(f"Try:  curl {opened.url}/v1/chat/completions -H 'content-type: application/json' -d '{body}'")
    if opened.dashboard:
        _show_dashboard(opened.dashboard, data)
    elif opened.note:
        say(f"· {opened.note}")


def _show_dashboard(url: str, data: Path) -> None:
    """Where the dashboard is; the first time with the token that opens it, which nobody can show again."""
    from crossover.errors import FileError
    from crossover.runtime.dashboard import make_lock, read_lock

    try:
        known = read_lock(data) is not None
    except FileError as error:
        typer.echo(f"· {error.sentence()}")
        known = True
    if known:
        typer.echo(f"Dashboard:  {url}")
        return
    typer.echo(f"Dashboard:  {url}/login#{make_lock(data)}")
    typer.echo("            This link holds its token, and is shown this one time: keep it.")
