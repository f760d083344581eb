"""``crossover ledger reconcile``: the ledger against bills of providers, and against the hours of machines."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossover.bill import Bill
from crossover.cli.ledger_parts import (
    Config,
    File,
    Json,
    Machine,
    machines,
    money,
    place,
    plain_console,
    print_json,
    print_table,
)
from crossover.errors import InputError, ThresholdError
from crossover.ledger.billed import Used
from crossover.ledger.export import iso
from crossover.ledger.machine_hours import FoundHours, Span, hours_against
from crossover.ledger.queries import usd_text
from crossover.ledger.reconcile import Found, Pair, against
from crossover.ledger.store import open_ledger

if TYPE_CHECKING:
    from rich.console import Console

TOP = 20  # differing days that are printed


def reconcile(
    ctx: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Usage or cost exports of one provider, a CSV, or hours.")
    ],
    columns: Annotated[
        str, typer.Option(help="Which column is what, in a CSV of your own: day=Date,model=Model,cost=Total.")
    ] = "",
    threshold: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="Exit code 3 where more percent of the bill differ.")
    ] = 2.0,
    machine: Machine = None,
    config: Config = None,
    ledger: File = None,
    as_json: Json = False,
) -> None:
    """Hold the ledger against bills: what differs by model and day, with the likely cause."""
    from crossover.traffic.bills import read_bill

    bills = [read_bill(file, _columns(columns)) for file in files]
    _one_kind(bills)
    with open_ledger(place(ledger, ctx), readonly=True) as book:
        if bills[0].hours:
            billed = [each for bill in bills for each in bill.hours]
            hours = hours_against(book, billed, machines(book, machine, config), time.time())
            share = hours.share
            print_json(_plain_hours(hours)) if as_json else _print_hours(hours)
        else:
            found = against(book, bills)
            share = found.share
            print_json(_plain(found)) if as_json else _print(found, bills)
    if share * 100 > threshold:
        raise ThresholdError(
            f"{share:.1%} of the bill differ, more than {threshold:g} %",
            hint="The causes above say where to look; --threshold allows more",
            told=True,
        )


def _columns(text: str) -> dict[str, str]:
    """``day=Date,cost=Total`` as a mapping. Raises InputError."""
    found = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        what, equals, name = part.partition("=")
        if not equals or not name:
            raise InputError(f"{part!r} is not WHAT=COLUMN", hint="For instance cost=Total", field="--columns")
        found[what.strip()] = name.strip()
    return found


def _one_kind(bills: Sequence[Bill]) -> None:
    """Bills of tokens of one provider, or bills of hours: everything else is two questions. Raises InputError."""
    if any(bill.hours for bill in bills) and any(bill.lines for bill in bills):
        raise InputError("hours of machines and bills of tokens are two questions", hint="Give them one by one")
    providers = sorted({bill.provider for bill in bills if bill.provider})
    if len(providers) > 1:
        raise InputError(f"these are bills of {' and '.join(providers)}", hint="Give those of one provider at a time")


# ---------------------------------------------------------------------------------------------------- for people


def _print(found: Found, bills: Sequence[Bill]) -> None:
    console = plain_console()
    names = ", ".join(bill.title for bill in bills)
    console.print(f"{names}: {_moment(found.since)} to {_moment(found.until)} UTC", markup=False, soft_wrap=True)
    whole = f"Bill {_amount(found.bill, found.unit)}, ledger {_amount(found.own, found.unit)}"
    console.print(f"{whole}: {found.share:.1%} of the bill differ by model", markup=False, soft_wrap=True)
    for note in found.notes:
        console.print(f"Note: {note}", markup=False, soft_wrap=True)
    if found.shift:
        start = f"{found.shift % 24:02}:00 UTC"
        console.print(f"The bill's days seem to begin at {start}; sums by model are over those", markup=False)
    _print_models(console, found)
    days = [pair for pair in found.days if any(cause != "rounding" for cause, _ in pair.causes)]
    left = [f"{len(days) - TOP:,} more with --json"] if len(days) > TOP else []
    if len(found.days) > len(days):
        left.append(f"{len(found.days) - len(days):,} days of models differ by rounding alone")
    rows = [
        (_moment(pair.start), pair.model or "–", *_difference(pair), _causes(pair.causes))
        for pair in sorted(days, key=lambda pair: -abs(pair.difference))[:TOP]
    ]
    heads = ("Day", "Model", ">Bill", ">Ledger", ">Difference", "Likely cause")
    if rows:
        print_table(console, heads, rows, title="Days that differ, the most first", note="; ".join(left))
    elif left:
        console.print("; ".join(left), markup=False)


_MEASURES = {"requests": "Requests", "tokens": "Tokens", "cost": "Cost"}


def _print_models(console: Console, found: Found) -> None:
    """One row a model, with what the bill says at all."""
    measures = [name for name in _MEASURES if any(getattr(pair.bill, name) is not None for pair in found.models)]
    heads = ["Model", *(head for name in measures for head in (f">{_MEASURES[name]}", ">(ledger)")), "Likely cause"]
    cells = [
        [
            pair.model or "–",
            *(_value(getattr(side, name), name) for name in measures for side in (pair.bill, pair.own)),
            _causes(pair.causes),
        ]
        for pair in found.models
    ]
    print_table(console, heads, cells, title="By model: the bill, and the ledger beside it")


def _value(value: int | None, name: str) -> str:
    if value is None:
        return "–"
    return money(value) if name == "cost" else f"{value:,}"


def _print_hours(found: FoundHours) -> None:
    console = plain_console()
    console.print(f"Machine hours: {_moment(found.since)} to {_moment(found.until)} UTC", markup=False)
    whole = f"Billed {money(found.billed)}, ledger {money(found.own)}"
    console.print(f"{whole}: {found.share:.1%} of the bill differ", markup=False)
    heads = (
        "Machine",
        "From",
        ">Hours",
        ">(ledger)",
        ">Busy",
        ">Cost",
        ">(ledger)",
        ">Idle",
        ">$/Mtok",
        "Likely cause",
    )
    rows = sorted(found.spans, key=lambda one: -abs(one.billed - one.own))
    cells = [
        (
            one.machine,
            _moment(one.start),
            f"{one.hours:,.1f}",
            f"{one.own_hours:,.1f}",
            f"{one.busy:,}",
            money(one.billed),
            money(one.own),
            money(one.idle),
            _per_mtok(one),
            _causes(one.causes),
        )
        for one in rows[:TOP]
    ]
    more = f"{len(rows) - TOP:,} more with --json" if len(rows) > TOP else ""
    print_table(console, heads, cells, note=more)


def _per_mtok(one: Span) -> str:
    return money(one.billed * 10**6 // one.tokens) if one.tokens else "–"


def _difference(pair: Pair) -> tuple[str, str, str]:
    name = {"usd": "cost", "tokens": "tokens", "requests": "requests"}[pair.unit]
    bill, own = (getattr(side, name) or 0 for side in (pair.bill, pair.own))
    return _amount(bill, pair.unit), _amount(own, pair.unit), _amount(pair.difference, pair.unit)


def _amount(value: int, unit: str) -> str:
    return money(value) if unit == "usd" else f"{value:,} {unit}".replace("-", "−")


def _causes(causes: Sequence[tuple[str, str]]) -> str:
    return "; ".join(text for _, text in causes) or "–"


def _moment(time_: float) -> str:
    read = dt.datetime.fromtimestamp(time_, dt.UTC)
    return read.date().isoformat() if read.time() == dt.time() else read.strftime("%Y-%m-%d %H:%M")


# ---------------------------------------------------------------------------------------------------- as plain data


def _plain(found: Found) -> dict[str, Any]:
    money_ = found.unit == "usd"
    return {
        "provider": found.provider,
        "since": iso(found.since),
        "until": iso(found.until),
        "unit": found.unit,
        "bill": usd_text(found.bill) if money_ else found.bill,
        "ledger": usd_text(found.own) if money_ else found.own,
        "share": found.share,
        "shift_hours": found.shift,
        "models": [_plain_pair(pair) for pair in found.models],
        "days": [_plain_pair(pair) for pair in found.days],
        "notes": list(found.notes),
    }


def _plain_pair(pair: Pair) -> dict[str, Any]:
    return {
        "model": pair.model,
        "since": iso(pair.start),
        "until": iso(pair.end),
        "bill": _plain_side(pair.bill),
        "ledger": _plain_side(pair.own),
        "unit": pair.unit,
        "difference": usd_text(pair.difference) if pair.unit == "usd" else pair.difference,
        "causes": [{"cause": cause, "text": text} for cause, text in pair.causes],
    }


def _plain_side(side: Used) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(side, name) for name in ("requests", "input", "cached", "output")}
    return facts | {"cost_usd": None if side.cost is None else usd_text(side.cost)}


def _plain_hours(found: FoundHours) -> dict[str, Any]:
    return {
        "since": iso(found.since),
        "until": iso(found.until),
        "bill_usd": usd_text(found.billed),
        "ledger_usd": usd_text(found.own),
        "share": found.share,
        "machines": [
            {
                "machine": one.machine,
                "since": iso(one.start),
                "until": iso(one.end),
                "hours": one.hours,
                "ledger_hours": round(one.own_hours, 3),
                "busy_hours": one.busy,
                "bill_usd": usd_text(one.billed),
                "ledger_usd": usd_text(one.own),
                "priced_usd": usd_text(one.priced),
                "idle_usd": usd_text(one.idle),
                "tokens": one.tokens,
                "causes": [{"cause": cause, "text": text} for cause, text in one.causes],
            }
            for one in found.spans
        ],
    }
