"""What the commands about the ledger share: flags, the file, the hours of machines, tables."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossover.config import colour_wanted, paths
from crossover.errors import FileError, InputError
from crossover.ledger import queries
from crossover.ledger.files import no_ledger
from crossover.ledger.store import Ledger
from crossover.ledger.words import PICO
from crossover.money import show as dollars
from crossover.money import usd

if TYPE_CHECKING:
    from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output; money as exact decimal text.")]
File = Annotated[
    Path | None, typer.Option("--ledger", help="The file of the ledger.", show_default="in the data folder")
]
Since = Annotated[str, typer.Option(help="Begin (UTC): 24h, 7d, today, week, month, all, a day or a moment.")]
Until = Annotated[str, typer.Option(help="End (UTC), written like --since, or now.")]
Machine = Annotated[
    list[str] | None,
    typer.Option(
        help="DEPLOYMENT=DOLLARS an hour: show what stood idle of a machine; may be repeated.",
        show_default="price.per_hour of the configuration",
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="The configuration file that states what machines cost.")
]


def place(ledger: Path | None, ctx: typer.Context | None = None, *, must_exist: bool = False) -> Path:
    """The file of the ledger: the flag, the flag before the command's name, or the data folder."""
    above: Path | None = ctx.obj if ctx is not None else None
    found = ledger or above or paths().data / "ledger.db"
    if must_exist and not found.is_file():
        raise no_ledger(found)
    return found


def machines(book: Ledger, machine: Sequence[str] | None, config: Path | None) -> dict[str, int]:
    """Picodollars an hour by deployment: of the configuration where the ledger knows the name, and as stated."""
    seen = queries.began(book)  # a machine of the file that nothing went to may have been written down for another
    found = {name: each for name, each in _of_config(config).items() if name in seen}
    return found | hourly(machine or [])


def _of_config(config: Path | None) -> dict[str, int]:
    """Picodollars an hour of the machines of the configuration. One that nobody named and that is wrong is a note."""
    from crossover.config import environment
    from crossover.config.load import find, hourly

    file = find(config, environment(), Path())
    if file is None:
        return {}
    try:
        return {name: int(each * PICO) for name, each in hourly(file).items()}
    except FileError as error:
        if config is not None:
            raise
        typer.echo(f"Note: what stood idle of its machines is not shown: {error.sentence()}", err=True)
        return {}


def hourly(machines: Sequence[str]) -> dict[str, int]:
    """Picodollars an hour as stated by flags. Raises InputError."""
    found: dict[str, int] = {}
    for text in machines:
        name, equals, amount = text.rpartition("=")
        if not equals or not name:
            raise InputError(f"{text!r} is not DEPLOYMENT=DOLLARS", hint="For instance big-gpu=1.99", field="--machine")
        each = usd(amount, field="--machine")
        if not 0 <= each <= 10**6:
            raise InputError(f"{amount} is out of range", hint="Write dollars an hour", field="--machine")
        found[name] = int(each * PICO)
    return found


def write_lines(out: Path, lines: Iterable[str]) -> int:
    """Write a new file whole or not at all; how many lines."""
    if out.exists():
        raise FileError("a file of this name exists", hint="Name a new file", file=str(out))
    part = out.with_name(out.name + ".part")
    count = 0
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            for line in lines:
                file.write(line)
                count += 1
        part.replace(out)
    except OSError as error:
        raise FileError(f"it cannot be written: {error.strerror or error}", file=str(out)) from error
    finally:
        part.unlink(missing_ok=True)
    return count


def requests(count: int) -> str:
    """A number of requests in words."""
    return f"{count:,} request{'s' * (count != 1)}"


def share(part: int, whole: int) -> str:
    """A part of a whole in percent."""
    return f"{part / whole:.0%}" if whole else "–"


def money(picodollars: int) -> str:
    """Picodollars as dollars for people."""
    return dollars(queries.usd(picodollars))


def day(seconds: int) -> str:
    """A day in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat()


def minute(seconds: float) -> str:
    """A moment in UTC, to the minute."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M")


def print_json(facts: object) -> None:
    """One object on a line."""
    typer.echo(json.dumps(facts, ensure_ascii=False))


def plain_console() -> Console:
    """A console without markup and highlighting of its own."""
    from rich.console import Console

    return Console(no_color=not colour_wanted(), highlight=False)


def print_table(
    console: Console, heads: Sequence[str], cells: Iterable[Sequence[str]], *, title: str = "", note: str = ""
) -> None:
    """A table, its title above and a remark below; a heading that begins with ``>`` is of figures."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in heads:
        right = head.startswith(">")
        table.add_column(head.removeprefix(">"), justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    if title:
        console.print()
        console.print(title, markup=False)
    console.print(table)
    if note:
        console.print(note, markup=False)
