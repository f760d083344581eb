"""``crossover init``: writes a first crossover.toml from what is found on this machine, and its schema beside it."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from crossover.errors import FileError

SCHEMA = "crossover.schema.json"  # what the first line of the file names

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("crossover.toml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there already.")] = False,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print the file instead of writing it.")] = False,
) -> None:
    """Write a commented crossover.toml from what is found: engines on this machine, names of API keys.

    Its schema, with which editors complete and check it, is written beside it.
    """
    from crossover.reports import files

    if not stdout:  # before anything is looked for
        files.check(file)
        files.check(file.with_name(SCHEMA))
        if file.exists() and not force:
            raise FileError("is there already", file=str(file), hint="--force writes over it, --stdout only prints")
    text, found = _write_up()
    if stdout:
        typer.echo(text, nl=False)
        return
    place = files.write(file, text)
    typer.echo(f"Wrote {place}")
    if place.is_file():  # and no pipe or device
        typer.echo(_schema_beside(place, force=force))
    for line in found:
        typer.echo(line)
    typer.echo(f"Next: crossover config check {file}")


def _schema_beside(file: Path, *, force: bool) -> str:
    """Write the schema beside the file, and say so; one that is there and differs stays unless forced."""
    from crossover.config.schema import schema_text
    from crossover.reports import files

    place, text = file.with_name(SCHEMA), schema_text()
    if place.exists() and not force and place.read_bytes() != text.encode():
        return f"Kept {place}, which differs: crossover config schema prints that of this version"
    return f"Wrote {files.write(place, text)}, with which editors complete and check it"


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
