"""``crossover config``: is crossover.toml right, what does it say, and what may stand in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from crossover.config import colour_wanted, environment
from crossover.config.load import Loaded, find, load
from crossover.config.secrets import TEXT
from crossover.config.settings import DeploymentSettings, Secret, Settings
from crossover.errors import ContradictionError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Check crossover.toml, show what it says, print its schema for editors.",
)

File = Annotated[
    Path | None, typer.Argument(help="The file; else ./crossover.toml, else the one of the configuration folder.")
]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="The file, as other commands take it.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def check(file: File = None, config: Config = None, as_json: Json = False) -> None:
    """Read the file as the gateway would, and say what it serves or everything that is wrong with it."""
    loaded = _loaded(_one_of(file, config))
    if as_json:
        _print_json({**_place(loaded), "ok": True, **_summary(loaded.settings)})
        return
    console = _console()
    console.print(f"{loaded.file or 'no crossover.toml: the built-in settings'}: good", markup=False, soft_wrap=True)
    for table in _tables(loaded.settings):
        console.print(table)
    _print_notes(console, loaded)


@app.command()
def show(file: File = None, config: Config = None, as_json: Json = False) -> None:
    """Show every setting in force, defaults included; of a secret only where it comes from."""
    loaded = _loaded(_one_of(file, config))
    plain: dict[str, Any] = msgspec.to_builtins(loaded.settings, enc_hook=_masked, builtin_types=(Decimal,))
    if as_json:
        _print_json({**_place(loaded), "settings": plain})
        return
    console = _console()
    console.print(f"# {loaded.file or 'no crossover.toml: the built-in settings'}", markup=False, soft_wrap=True)
    for line in _toml_lines(plain, ()):
        console.print(line, markup=False, soft_wrap=True)


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    from crossover.config.schema import schema_text

    typer.echo(schema_text(), nl=False)


def _one_of(file: Path | None, config: Path | None) -> Path | None:
    if file is not None and config is not None and file != config:
        raise ContradictionError(f"{config} is one file, and {file} another", hint="Name one", field="--config")
    return file or config


def _loaded(file: Path | None) -> Loaded:
    environ = environment()
    place = find(file, environ, Path())
    if place is not None:
        return load(place, environ)
    from crossover.runtime.found import defaults

    return asyncio.run(defaults())


def _place(loaded: Loaded) -> dict[str, object]:
    return {
        "file": None if loaded.file is None else str(loaded.file),
        "digest": loaded.digest,
        "notes": list(loaded.notes),
    }


def _masked(value: object) -> str:
    """A secret as the place where it comes from; a header that is none as it is."""
    if isinstance(value, Secret):
        return value.value if value.origin == TEXT else value.origin
    raise NotImplementedError(f"{type(value).__name__} is no setting")


def _summary(settings: Settings) -> dict[str, object]:
    """What is served, as plain data without secrets."""
    return {
        "policy": settings.policy,
        "deployments": {
            name: {
                "provider": one.provider, "model": one.model, "zone": one.zone, "enabled": one.enabled,
                "api_key": None if one.api_key is None else one.api_key.origin,
            }
            for name, one in settings.deployments.items()
        },
        "aliases": {
            name: {"deployments": list(alias.deployments), "policy": alias.policy or settings.policy,
                   "sensitivity": alias.sensitivity, "overflow": alias.overflow}
            for name, alias in settings.aliases.items()
        },
        "zones": msgspec.to_builtins(settings.zones),
        "budgets": msgspec.to_builtins(settings.budgets, builtin_types=(Decimal,)),
    }  # fmt: skip


def _tables(settings: Settings) -> list[Table]:
    deployments = [
        (name, one.provider, one.model, _zone(settings, one), _state(one)) for name, one in settings.deployments.items()
    ]
    aliases = [
        (name, alias.policy or settings.policy, ", ".join(alias.deployments), alias.sensitivity or "–")
        for name, alias in settings.aliases.items()
    ]
    zones = [
        (name, zone.operator, zone.party, zone.country or "–", ", ".join(zone.agreements) or "–")
        for name, zone in settings.zones.items()
    ]
    budgets = [
        (name, f"${budget.usd:,}", budget.period, ", ".join(budget.keys), ", ".join(budget.aliases))
        for name, budget in settings.budgets.items()
    ]
    found: tuple[tuple[tuple[str, ...], Sequence[tuple[str, ...]]], ...] = (
        (("Deployment", "Provider", "Model", "Zone", "State"), deployments),
        (("Alias", "Policy", "Deployments, in order", "Label"), aliases),
        (("Zone", "Operator", "Party", "Country", "Agreements"), zones),
        (("Budget", "At most", "Per", "Keys", "Aliases"), budgets),
    )
    return [_table(heads, rows) for heads, rows in found if rows]


def _zone(settings: Settings, one: DeploymentSettings) -> str:
    return f"{one.zone} ({settings.zones[one.zone].operator})"


def _state(one: DeploymentSettings) -> str:
    if not one.enabled:
        return "disabled"
    return "ready" if one.api_key is None else f"key from {one.api_key.origin}"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _print_notes(console: Console, loaded: Loaded) -> None:
    for note in loaded.notes:
        console.print(f"Note: {note}", markup=False, soft_wrap=True)


def _toml_lines(table: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    """A table and those below it as TOML; what is not said has no line."""
    from crossover.textfile import dotted

    own = [
        f"{dotted((name,))} = {value:f}" if isinstance(value, Decimal) else f"{dotted((name,))} = {_json(value)}"
        for name, value in table.items()
        if value is not None and not isinstance(value, dict)
    ]
    below = [(name, value) for name, value in table.items() if isinstance(value, dict) and value]
    lines = (["", f"[{dotted(path)}]"] if path and own else []) + own
    return lines + [line for name, value in below for line in _toml_lines(value, (*path, name))]


def _console() -> Console:
    from rich.console import Console

    return Console(no_color=not colour_wanted(), highlight=False)


def _print_json(facts: object) -> None:
    typer.echo(_json(facts, indent=2))


def _json(value: object, indent: int | None = None) -> str:
    """Plain data as JSON; a price is a number."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=float)
