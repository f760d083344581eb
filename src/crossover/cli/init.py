"""``crossover init``: writes a first crossover.toml from what is found on this machine."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from crossover.errors import FileError

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("crossover.toml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")] = False,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print the file instead of writing it.")] = False,
) -> None:
    """Write a commented crossover.toml from what is found: engines on this machine, names of API keys."""
    from crossover.reports import files

    if not stdout:  # before anything is looked for
        files.check(file)
        if file.exists() and not force:
            raise FileError("is there already", file=str(file), hint="--force writes over it, --stdout only prints")
    text, found = _write_up()
    if stdout:
        typer.echo(text, nl=False)
        return
    place = files.write(file, text)
    typer.echo(f"Wrote {place}")
    for line in found:
        typer.echo(line)
    typer.echo(f"Next: crossover config check {file}")


def _write_up() -> tuple[str, list[str]]:
    """The text, and one line for each thing that was found."""
    from crossover.catalog.load import load
    from crossover.config import environment
    from crossover.config.found import keys_in
    from crossover.config.written import usable, written
    from crossover.providers.registry import providers
    from crossover.runtime.found import found_models

    known = providers()
    models = asyncio.run(found_models())
    keys = keys_in(environment(), known, load().hosted, dt.datetime.now(dt.UTC).date())
    found = [f"Found {model.name} ({known[model.provider].title})" for model in models]
    for key in keys:
        use = f"may answer with {key.model}" if usable(key, known) else "stays disabled until you complete it"
        found.append(f"Found {key.variable}: {known[key.provider].title} {use}")
    if not found:
        found = ["Found no engine and no API key: the embedded model answers"]
    return written(models, keys, known), found
