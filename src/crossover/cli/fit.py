"""``crossover fit``: what this machine, or one that is named, can run, and how fast."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, cast, get_args

import msgspec
import typer

from crossover.capacity import memory, throughput
from crossover.capacity.words import MemoryFit
from crossover.catalog import match
from crossover.catalog.items import Accelerator, Catalog, OpenModel, Quantisation
from crossover.catalog.load import load
from crossover.config import colour_wanted, paths
from crossover.deployment import Engine
from crossover.errors import ContradictionError, InputError
from crossover.evidence import Band
from crossover.hardware import Found, Machine, detect, devices, unknown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

app = typer.Typer(add_completion=False, rich_markup_mode=None)

ENGINES = tuple(engine for engine in get_args(Engine) if engine != "hosted")
DEFAULT_CONTEXT = 8192
OUTPUT_TOKENS = 256
MAX_PROMPT = 2048
MOST_DEVICES = 128  # more than any one replica is spread over; a larger number is a typing error
DEFAULT_QUANTISATIONS = {True: ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"), False: ("bf16", "fp8", "awq-int4")}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the answer. Speeds are tokens a second of one request alone, with an 80 % interval."""

    device: str
    count: int
    model: str
    quantisation: str
    engine: str
    context: int
    fits: bool
    needed_gib: float
    usable_gib: float
    max_context: int
    reason: str
    prefill_tokens_per_s: Band | None = None
    decode_tokens_per_s: Band | None = None
    extrapolated: bool = True
    note: str = ""


@app.command()
def fit(
    device: Annotated[str | None, typer.Option(help="A device of the catalog; default: what this machine has.")] = None,
    count: Annotated[int, typer.Option(help="How many of them, used together.")] = 1,
    model: Annotated[list[str] | None, typer.Option(help="Open model (repeatable); default: all.")] = None,
    quantisation: Annotated[
        list[str] | None, typer.Option("--quantisation", "--quant", help="bf16, fp8, awq, Q4_K_M … (repeatable).")
    ] = None,
    context: Annotated[list[int] | None, typer.Option(help="Tokens of prompt and answer (repeatable).")] = None,
    engine: Annotated[str | None, typer.Option(help=f"One of {', '.join(ENGINES)}; default: what suits it.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what does not fit, and every quantisation.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show which models fit this machine (or --device) at a context length, and how fast they would answer."""
    catalog = load(paths().config / "catalog")
    contexts = tuple(dict.fromkeys(context or (DEFAULT_CONTEXT,)))
    models = tuple(match.model(catalog, name) for name in model) if model else match.in_use(catalog)
    _check(device, count, contexts, engine)
    machine = None if device else detect()
    found = _wanted(catalog, device, count, machine)
    rows = [
        row
        for each in found
        for row in rows_for(catalog, each, models, quantisation or (), contexts, engine, wide=bool(model) or everything)
    ]
    if as_json:
        facts = {"machine": machine, "rows": rows, "notes": _notes(catalog, found, machine)}
        typer.echo(json.dumps(msgspec.to_builtins(facts), ensure_ascii=False))
        return
    _print(catalog, found, machine, rows, wide=bool(model) or everything)


def rows_for(
    catalog: Catalog,
    found: Found,
    models: tuple[OpenModel, ...],
    quantisations: list[str] | tuple[str, ...],
    contexts: tuple[int, ...],
    engine: str | None,
    *,
    wide: bool,
) -> list[Row]:
    """All lines for one device. Unless ``wide``, each model is shown once: its finest quantisation that fits.

    Raises UnknownNameError for a quantisation that the catalog lacks, InputError for one the engine does not run.
    """
    runs = cast(Engine, engine or _natural(found.accelerator))
    chosen = _quantisations(catalog, found.accelerator, runs, quantisations)
    rows: list[Row] = []
    for model in models:
        stored = chosen if quantisations else _sensible(catalog, model, runs, chosen)
        for context in contexts:
            options = [_fit(model, each, found, runs, context) for each in stored]
            if not wide:
                fitting = [option for option in options if option[1].fits]
                options = fitting[:1] or options[-1:]
            rows.extend(_row(model, each, found, runs, context, room) for each, room in options)
    return rows


def _check(device: str | None, count: int, contexts: tuple[int, ...], engine: str | None) -> None:
    if count < 1:
        raise InputError(f"{count} devices cannot run anything", hint="At least 1", field="--count")
    if count > MOST_DEVICES:
        message = f"{count:,} devices are more than one replica runs on"
        raise InputError(message, hint=f"At most {MOST_DEVICES}", field="--count")
    if count > 1 and not device:
        raise ContradictionError("--count needs --device", hint="Without it, the devices of this machine are counted")
    for tokens in contexts:
        if not 1 <= tokens <= 100_000_000:
            raise InputError(f"{tokens} is no context length", hint="Between 1 and 100,000,000", field="--context")
    if engine is not None and engine not in ENGINES:
        raise InputError(f"unknown engine {engine!r}", hint=f"One of {', '.join(ENGINES)}", field="--engine")


def _wanted(catalog: Catalog, device: str | None, count: int, machine: Machine | None) -> tuple[Found, ...]:
    if machine is not None:
        return devices(catalog, machine)
    return (Found(accelerator=match.accelerator(catalog, device or ""), count=count),)


def _natural(device: Accelerator) -> Engine:
    """vLLM on server GPUs; llama.cpp on everything a person has under the desk."""
    return "vllm" if device.kind == "datacenter" else "llamacpp"


def _quantisations(
    catalog: Catalog, device: Accelerator, engine: Engine, names: list[str] | tuple[str, ...]
) -> tuple[Quantisation, ...]:
    """What was asked for, else the usual ones of the engine that the device computes; finest first."""
    usual = DEFAULT_QUANTISATIONS[engine in {"llamacpp", "ollama"}]
    rows = [match.quantisation(catalog, name) for name in names or usual]
    for row in rows:
        if engine not in row.engines:
            runs = ", ".join(each.name for each in catalog.quantisations if engine in each.engines)
            raise InputError(f"{engine} does not run {row.name}", hint=f"It runs {runs}", field="--quantisation")
    if not names:
        rows = [row for row in rows if row.compute != "fp8" or device.fp8_tflops]
    return tuple(sorted(rows, key=lambda row: -row.bits))


def _sensible(
    catalog: Catalog, model: OpenModel, engine: Engine, usual: tuple[Quantisation, ...]
) -> tuple[Quantisation, ...]:
    """The usual ways to store this model that are not wider than how it was published, or else the nearest to that."""
    rows = tuple(row for row in usual if row.bits <= model.native_bits + 1)
    if rows and model.native_bits >= 8:
        return rows
    able = [row for row in catalog.quantisations if engine in row.engines]
    return (min(able, key=lambda row: abs(row.bits - model.native_bits)),)


def _fit(
    model: OpenModel, quantisation: Quantisation, found: Found, engine: Engine, context: int
) -> tuple[Quantisation, MemoryFit]:
    room = memory.fit(model, quantisation, found.accelerator, found.count, engine=engine, context=context)
    return quantisation, room


def _row(
    model: OpenModel, quantisation: Quantisation, found: Found, engine: Engine, context: int, room: MemoryFit
) -> Row:
    row = Row(
        device=found.accelerator.name, count=found.count, model=model.name, quantisation=quantisation.name,
        engine=engine, context=context, fits=room.fits, max_context=room.max_context, reason=room.reason,
        needed_gib=room.weights_gib + room.kv_gib + room.overhead_gib, usable_gib=room.usable_gib,
    )  # fmt: skip
    if not room.fits:
        return row
    prompt = max(1, min(MAX_PROMPT, context - 1, context * 3 // 4))
    speed = throughput.speed(
        model, quantisation, found.accelerator, found.count, engine=engine, concurrency=1,
        input_tokens=prompt, output_tokens=max(1, min(OUTPUT_TOKENS, context - prompt)),
    )  # fmt: skip
    return msgspec.structs.replace(
        row,
        prefill_tokens_per_s=_inverse(prompt, speed.ttft_s),
        decode_tokens_per_s=_inverse(1, speed.tpot_s),
        extrapolated=not speed.calibrated,
        note=speed.note,
    )


def _inverse(amount: float, seconds: Band) -> Band:
    """Tokens a second from seconds: the slow end of one is the fast end of the other."""
    return Band(amount / seconds.p90, amount / seconds.p50, amount / seconds.p10)


def _notes(catalog: Catalog, found: tuple[Found, ...], machine: Machine | None) -> list[str]:
    notes = [each.note for each in found if each.note]
    if machine is not None:
        notes += machine.notes
        notes += [f"{name} is not in the catalog (crossover catalog add)" for name in unknown(catalog, machine)]
    return notes


def _print(catalog: Catalog, found: tuple[Found, ...], machine: Machine | None, rows: list[Row], *, wide: bool) -> None:
    from rich.console import Console

    console = Console(no_color=not colour_wanted(), highlight=False)
    if machine is not None:
        console.print(f"{machine.cpu}, {machine.cores} cores, {machine.memory_gib:.1f} GiB memory", markup=False)
    for note in _notes(catalog, found, machine):
        console.print(f"Note: {note}", markup=False)
    for each in found:
        mine = [row for row in rows if (row.device, row.count) == (each.accelerator.name, each.count)]
        _print_device(console, each, mine, wide=wide)
    if any(row.fits for row in rows):
        text = f"Tokens a second of one request alone, with an 80 % interval; a prompt of up to {MAX_PROMPT} tokens."
        if any(row.fits and row.extrapolated for row in rows):
            text += "\n~ extrapolated: the fit rests on other devices or engines, so the interval is wider."
        console.print(text, markup=False)


def _print_device(console: Console, found: Found, rows: list[Row], *, wide: bool) -> None:
    device = found.accelerator
    engine = rows[0].engine if rows else ""
    title = f"{found.count} × {device.name}" if found.count > 1 else device.name
    each = " each" if found.count > 1 else ""
    console.print(f"\n{title}, {device.memory_gib:.1f} GiB{each}, {engine}", style="bold", markup=False)
    shown = [row for row in rows if wide or row.fits]
    if shown:
        console.print(_table(shown, several=len({row.context for row in rows}) > 1))
    hidden = [row for row in rows if not wide and not row.fits]
    brief = sorted({match.short(row.model) for row in hidden if row.needed_gib <= row.usable_gib}, key=str.casefold)
    large = [row for row in hidden if row.needed_gib > row.usable_gib]
    if brief:
        console.print(f"Made for shorter contexts than this: {', '.join(brief)}", markup=False)
    if large:
        least = min(large, key=lambda row: row.needed_gib)
        console.print(
            f"Models that do not fit: {len({row.model for row in large})}. The smallest of them is "
            f"{match.short(least.model)} {least.quantisation}, {least.needed_gib:.1f} of {least.usable_gib:.1f} GiB. "
            "--all shows them.",
            markup=False,
        )


def _table(rows: list[Row], *, several: bool) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Model", overflow="fold", min_width=18)
    table.add_column("Stored as", no_wrap=True)
    for name in ("Context" if several else "", "GiB", "" if several else "Longest", "Prefill", "Decode"):
        if name:
            table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        longest = _short(row.max_context) if row.max_context else "–"
        cells = [match.short(row.model), row.quantisation]
        cells += [_short(row.context), f"{row.needed_gib:.1f}"] if several else [f"{row.needed_gib:.1f}", longest]
        if row.fits:
            cells += [_speed(row.prefill_tokens_per_s, row), _speed(row.decode_tokens_per_s, row)]
        else:
            cells += ["does not fit" if row.needed_gib > row.usable_gib else "too long for it", ""]
        table.add_row(*cells, style="" if row.fits else "dim")
    return table


def _speed(band: Band | None, row: Row) -> str:
    if band is None:
        return ""
    mark = "~" if row.extrapolated else ""
    low, high = _short(band.p10), _short(band.p90)
    if low.endswith("k") and high.endswith("k"):
        low = low.removesuffix("k")
    return f"{mark}{_short(band.p50)} ({low}–{high})"


def _short(value: float) -> str:
    """A few figures: 131,072 → 131k, 9,840 → 9.8k, 84.3 → 84, 3.14 → 3.1."""
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    if value >= 1000:
        return f"{value / 1000:.1f}k"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
