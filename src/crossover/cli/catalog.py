"""``crossover catalog``: what the catalog holds, with sources and dates, and the user's own rows."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from crossover.catalog import match, user
from crossover.catalog.items import Accelerator, Catalog, HostedFacts, Item, Offer, OpenModel, Quantisation, source_of
from crossover.catalog.load import load, stale_summary
from crossover.config import colour_wanted, paths
from crossover.errors import InputError, UnknownNameError, fold
from crossover.evidence import Source
from crossover.money import show as dollars

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Look up accelerators, prices, models and their sources; add your own rows.",
)

KINDS = ("accelerators", "models", "offers", "quantisations", "hosted")
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
_BOOKKEEPING = frozenset({"source", "field_sources", "price_source", "origin"})
_ADD_HELP = "accelerator, offer, model or quantisation."


@app.command("list")
def list_rows(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")] = "accelerators",
    as_json: Json = False,
) -> None:
    """List one table of the catalog."""
    catalog = _load()
    rows = _rows(catalog, kind)
    if as_json:
        _print_json(rows)
        return
    console = _console()
    _print_table(console, kind, rows)
    _print_legend(console, catalog, rows)


@app.command()
def search(text: Annotated[str, typer.Argument(help="Part of a name, maker, cloud or family.")]) -> None:
    """Find rows of any table whose name, alias or family contains the text."""
    catalog = _load()
    wanted = fold(text)
    console = _console()
    seen: list[Item] = []
    for kind in KINDS:
        rows = [row for row in _rows(catalog, kind) if any(wanted in fold(word) for word in _words(row))]
        if rows and wanted:
            console.print(f"\n{kind.capitalize()}", style="bold")
            _print_table(console, kind, rows)
            seen.extend(rows)
    if not seen:
        known = (word for kind in KINDS for row in _rows(catalog, kind) for word in _words(row))
        raise UnknownNameError("text", text, known)
    _print_legend(console, catalog, seen)


@app.command("show")
def show_row(
    name: Annotated[str, typer.Argument(help="A device, a model, a quantisation, provider/model or an instance.")],
    as_json: Json = False,
) -> None:
    """Show everything known about one row: each figure with its source and the day it was checked."""
    catalog = _load()
    rows = _find(catalog, name)
    if as_json:
        _print_json(rows)
        return
    console = _console()
    for row in rows:
        _print_row(console, catalog, row)


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help=_ADD_HELP)],
    fields: Annotated[
        list[str], typer.Argument(help='Fields as name=value, for instance memory_gib=24 "name=My GPU".')
    ],
    like: Annotated[str | None, typer.Option(help="Take every field not given from this row of the catalog.")] = None,
) -> None:
    """Add one row of your own; it wins over a shipped row of the same name."""
    values = _base(kind, like)
    for field in fields:
        name, equals, text = field.partition("=")
        if not equals:
            raise InputError(f"{field!r} is not name=value", hint="For instance memory_gib=24")
        values[name.strip()] = _value(name.strip(), text.strip())
    if kind == "offer" and isinstance(values.get("accelerator"), str):
        values["accelerator"] = match.accelerator(_load(), str(values["accelerator"])).name
    path, row = user.add(paths().config / "catalog", kind, values)
    _console().print(f"Added {_title(row)} to {path}", markup=False, soft_wrap=True)


def _load() -> Catalog:
    return load(paths().config / "catalog")


def _console() -> Console:
    from rich.console import Console

    return Console(no_color=not colour_wanted(), highlight=False)


def _rows(catalog: Catalog, kind: str) -> Sequence[Item]:
    tables: dict[str, Sequence[Item]] = {
        "accelerators": catalog.accelerators,
        "models": catalog.models,
        "offers": catalog.offers,
        "quantisations": catalog.quantisations,
        "hosted": catalog.hosted,
    }
    if kind not in tables:
        raise InputError(f"unknown table {kind!r}", hint=f"One of {', '.join(KINDS)}")
    return tables[kind]


def _words(row: Item) -> tuple[str, ...]:
    if isinstance(row, Offer):
        return (row.cloud, row.instance, row.accelerator)
    if isinstance(row, HostedFacts):
        return (row.id,)
    if isinstance(row, Accelerator):
        return (row.name, row.vendor, *row.aliases)
    return (row.name, row.family, *row.aliases) if isinstance(row, OpenModel) else (row.name, *row.aliases)


def _title(row: Item) -> str:
    if isinstance(row, Offer):
        return f"{row.cloud} {row.instance} {row.region}"
    return row.id if isinstance(row, HostedFacts) else row.name


def _find(catalog: Catalog, name: str) -> list[Item]:
    """Every row the name stands for; UnknownNameError with the nearest names where there is none."""
    found: list[Item] = []
    finders: tuple[Callable[[Catalog, str], Item], ...] = (match.accelerator, match.model, match.quantisation)
    for find in finders:
        try:
            found.append(find(catalog, name))
        except UnknownNameError:
            continue
    folded = fold(name)
    found += [row for row in catalog.hosted if folded in (fold(row.id), fold(row.id.partition("/")[2]))]
    found += [row for row in catalog.offers if folded in (fold(row.instance), fold(f"{row.cloud} {row.instance}"))]
    if not found:
        known = [word for kind in KINDS for row in _rows(catalog, kind) for word in _words(row)]
        known += [match.short(row.name) for row in catalog.models]
        raise UnknownNameError("name", name, known)
    return found


def _print_json(rows: Iterable[Item]) -> None:
    typer.echo(json.dumps([_plain(row) for row in rows], ensure_ascii=False))


def _plain(row: Item) -> dict[str, object]:
    facts: dict[str, object] = msgspec.to_builtins(row)
    facts["field_sources"] = {field: msgspec.to_builtins(source) for field, source in row.field_sources}
    return facts


def _doubt(row: Item, field: str) -> bool:
    """Whether nobody has compared this figure with its maker's own yet."""
    if field == "price_usd" and isinstance(row, Accelerator) and row.price_source is not None:
        return not row.price_source.verified
    return not source_of(row, field).verified


def _figure(row: Item, field: str, digits: int = 0) -> str:
    """One figure of a row as text, with a question mark where it is doubtful."""
    value = getattr(row, field)
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}" if isinstance(value, (int, float)) else str(value)
    return text + ("?" if _doubt(row, field) else "")


def _dollars(row: Item, field: str, *, cents: bool | None = None) -> str:
    value = getattr(row, field)
    return "–" if value is None else dollars(value, cents=cents) + ("?" if _doubt(row, field) else "")


def _name(row: Item, text: str) -> str:
    return f"{text} *" if row.origin == "user" else text


def _accelerator_cells(row: Accelerator) -> tuple[str, ...]:
    return (
        _name(row, row.name), row.kind, _figure(row, "memory_gib", 1), _figure(row, "bandwidth_gbs"),
        _figure(row, "fp16_tflops", 0 if row.fp16_tflops >= 30 else 1), _figure(row, "tdp_w"),
        _dollars(row, "price_usd"),
    )  # fmt: skip


def _model_cells(row: OpenModel) -> tuple[str, ...]:
    sellers = len({sold.partition("/")[0] for sold in row.hosted})
    active = "" if row.active_b == row.params_b else _figure(row, "active_b", 1)
    return (
        _name(row, match.short(row.name)), _figure(row, "params_b", 1), active, f"{row.max_context // 1024}k",
        _figure(row, "capability"), _figure(row, "score", 1), str(sellers),
    )  # fmt: skip


def _offer_cells(row: Offer) -> tuple[str, ...]:
    return (
        row.cloud, _name(row, row.instance), f"{row.count} × {row.accelerator}", row.region,
        _dollars(row, "usd_per_hour", cents=True), _dollars(row, "spot_usd_per_hour", cents=True), f"{row.as_of or ''}",
    )  # fmt: skip


def _quantisation_cells(row: Quantisation) -> tuple[str, ...]:
    change = "–" if row.perplexity_change is None else f"{row.perplexity_change:+.1%}"
    elsewhere = "" if row.embedding_bits is None else _figure(row, "embedding_bits", 2)
    return (
        _name(row, row.name), _figure(row, "bits", 2), elsewhere, row.compute, change, ", ".join(row.engines),
    )  # fmt: skip


def _hosted_cells(row: HostedFacts) -> tuple[str, ...]:
    return (
        _name(row, row.id), _figure(row, "capability"), _figure(row, "score", 1), match.lifecycle(row, dt.date.today()),
        f"{row.ends_on or ''}", row.replacement,
    )  # fmt: skip


_FIRST_WIDTH = {"accelerators": 16, "models": 20, "hosted": 22}
_COLUMNS: dict[str, tuple[str, ...]] = {
    "accelerators": ("Device", "Kind", ">GiB", ">GB/s", ">TFLOPS 16 bit", ">W", ">Price"),
    "models": ("Model", ">Billion", ">Active", ">Context", "Class", ">Score", ">Sellers"),
    "offers": ("Cloud", "Instance", "Devices", "Region", ">$/h", ">Spot", "As of"),
    "quantisations": ("Stored as", ">Bits", ">Embedding", "Computes", ">Perplexity", "Engines"),
    "hosted": ("Model", "Class", ">Score", "State", "Ends", "Replacement"),
}


def _cells(row: Item) -> tuple[str, ...]:
    if isinstance(row, Accelerator):
        return _accelerator_cells(row)
    if isinstance(row, OpenModel):
        return _model_cells(row)
    if isinstance(row, Offer):
        return _offer_cells(row)
    return _quantisation_cells(row) if isinstance(row, Quantisation) else _hosted_cells(row)


def _print_table(console: Console, kind: str, rows: Iterable[Item]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(_COLUMNS[kind]):
        right = name.startswith(">")
        table.add_column(name.removeprefix(">"), justify="right" if right else "left", no_wrap=right, overflow="fold",
                         min_width=_FIRST_WIDTH.get(kind) if number == 0 else None)  # fmt: skip
    for row in rows:
        table.add_row(*(Text(cell) for cell in _cells(row)))
    console.print(table)


def _print_legend(console: Console, catalog: Catalog, rows: Sequence[Item]) -> None:
    lines = ["1 row." if len(rows) == 1 else f"{len(rows)} rows."]
    if any("?" in cell for row in rows for cell in _cells(row)):
        lines.append("? not yet compared with the maker's own figure; `crossover catalog show NAME` gives the sources.")
    if any(row.origin == "user" for row in rows):
        lines.append("* your own row.")
    if any(isinstance(row, (OpenModel, HostedFacts)) for row in rows):
        lines.append(f"Score: {catalog.rules.benchmark} as published; the class follows from it where there is one.")
    if stale := stale_summary(catalog, dt.date.today()):
        lines.append(stale + ".")
    for line in lines:
        console.print(line, markup=False)


def _print_row(console: Console, catalog: Catalog, row: Item) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    numbers: dict[Source, int] = {}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
    table.add_column("Fact", no_wrap=True)
    table.add_column("Value", overflow="fold")
    table.add_column("Source", justify="right", no_wrap=True)
    for field in msgspec.structs.fields(row):
        value = getattr(row, field.name)
        if field.name in _BOOKKEEPING or value is None or value in ((), "", 0, False):
            continue
        source = row.price_source if field.name == "price_usd" and isinstance(row, Accelerator) else None
        source = source or source_of(row, field.name)
        number = numbers.setdefault(source, len(numbers) + 1)
        table.add_row(field.name, Text(_show(value)), f"[{number}]{'' if source.verified else ' ?'}", style="")
    console.print(f"\n{_title(row)}{'  (your own row)' if row.origin == 'user' else ''}", style="bold", markup=False)
    console.print(table)
    for source, number in numbers.items():
        doubt = "" if source.verified else "; not yet compared with the maker's own (?)"
        place = f" {source.url}" if source.url else ""
        when = f"{'checked' if source.verified else 'read'} {source.checked}"
        console.print(f"[{number}] {source.text}{place}, {when}{doubt}", markup=False, soft_wrap=True)
    _print_related(console, catalog, row)


def _print_related(console: Console, catalog: Catalog, row: Item) -> None:
    """What hangs on the row: who rents a device, every dated price of an offer, what stands in for a hosted model."""
    if isinstance(row, Accelerator):
        offers = sorted(
            (o for o in catalog.offers if o.accelerator == row.name), key=lambda o: o.usd_per_hour / o.count
        )
        if offers:
            console.print(f"\nRented by the hour, cheapest per device first ({len(offers)} offers)", style="bold")
            _print_table(console, "offers", offers[:6])
    elif isinstance(row, Offer):
        same = (row.cloud, row.instance, row.region)
        history = [o for o in catalog.offer_history if (o.cloud, o.instance, o.region) == same]
        if len(history) > 1:
            console.print("\nEvery price on record", style="bold")
            _print_table(console, "offers", history)
    elif isinstance(row, HostedFacts):
        names = [match.short(model.name) for model in match.substitutes(catalog, row.id)]
        if names:
            console.print(f"\nOpen models of its class or one above: {', '.join(names)}", markup=False)


def _show(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _base(kind: str, like: str | None) -> dict[str, user.Value]:
    """The fields of the row that the new one resembles, as a user would write them."""
    if like is None:
        return {}
    catalog = _load()
    finders: dict[str, Callable[[Catalog, str], Item]] = {
        "accelerator": match.accelerator,
        "model": match.model,
        "quantisation": match.quantisation,
    }
    if kind not in finders:
        raise InputError(f"--like does not work for {kind}", hint=f"For {', '.join(finders)}", field="--like")
    row = finders[kind](catalog, like)
    facts: dict[str, user.Value] = msgspec.to_builtins(row)
    must, _ = user.field_names(kind)
    defaults = {field.name: field.default for field in msgspec.structs.fields(row)}
    keep = [
        name for name in facts
        if name not in _BOOKKEEPING | {"aliases", "hosted", "name"} and (name in must or facts[name] != defaults[name])
        and facts[name] not in (None, [])
    ]  # fmt: skip
    return {name: facts[name] for name in keep} | {"source": f"like {_title(row)}"}


def _value(name: str, text: str) -> user.Value:
    """A number, a date, a boolean or a list where the text is one in TOML; else the text itself."""
    if name in {"aliases", "engines", "hosted"} and not text.startswith("["):
        return [each.strip() for each in text.split(",") if each.strip()]
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, (int, float, bool, list, dt.date)) and name != "name" else text
