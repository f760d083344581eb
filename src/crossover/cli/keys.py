"""``crossover keys``: API keys of the gateway: create, list, revoke."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from crossover.config import colour_wanted, paths
from crossover.dispatch import LOCAL_ONLY
from crossover.errors import InputError, UnknownNameError
from crossover.ledger import export, keys, periods, queries
from crossover.ledger.files import no_ledger
from crossover.ledger.store import open_ledger
from crossover.ledger.words import PICO, Key, Period
from crossover.money import show as dollars
from crossover.money import usd
from crossover.routing.words import PolicyName
from crossover.sensitivity import label

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="API keys of the gateway: create, list, revoke.",
)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
File = Annotated[
    Path | None, typer.Option("--ledger", help="The file of the ledger.", show_default="in the data folder")
]
_PERIODS = get_args(Period)
_POLICIES = get_args(PolicyName)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What you will know it by.")],
    expires: Annotated[str | None, typer.Option(help="When it ends (UTC): a day, a moment, or 90d from now.")] = None,
    rpm: Annotated[int, typer.Option(min=0, help="Requests a minute (0: no limit).")] = 0,
    tpm: Annotated[int, typer.Option(min=0, help="Tokens a minute (0: no limit).")] = 0,
    alias: Annotated[
        list[str] | None, typer.Option(help="A name it may ask for; may be repeated (none: all names).")
    ] = None,
    policy: Annotated[str | None, typer.Option(help=f"Its policy: {', '.join(_POLICIES)}.")] = None,
    sensitivity: Annotated[
        str | None, typer.Option(help="Labels that everything asked with it has, separated by commas.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Dollars it may spend per period (0: no budget of its own).")] = "0",
    period: Annotated[str, typer.Option(help=f"Period of the budget: {', '.join(_PERIODS)}.")] = "month",
    ledger: File = None,
    as_json: Json = False,
) -> None:
    """Create a key and show it, once: only its hash is kept."""
    amount = usd(budget, field="--budget")
    if not 0 <= amount <= 4 * 10**6:
        raise InputError(f"{budget} is out of range", hint="Write dollars from 0 to 4 million", field="--budget")
    if policy is not None and policy not in _POLICIES:
        raise UnknownNameError("policy", policy, _POLICIES, field="--policy")
    if period not in _PERIODS:
        raise UnknownNameError("period", period, _PERIODS, field="--period")
    with open_ledger(_place(ledger)) as book:
        key, secret = keys.create(
            book,
            name,
            expires=None if expires is None else _end(expires, time.time()),
            rpm=rpm,
            tpm=tpm,
            aliases=[word.strip() for word in alias or [] if word.strip()],
            policy=policy,
            sensitivity=None if sensitivity is None else _labels(sensitivity),
            budget=int(amount * PICO),
            budget_period=cast(Period, period),
        )
    if as_json:
        typer.echo(json.dumps({**_plain(key), "key": secret}, ensure_ascii=False))
        return
    typer.echo(secret)
    typer.echo(f"This is {key.id} ({key.name}). Keep it now: only its hash is kept here.", err=True)


@app.command("list")
def list_keys(
    everything: Annotated[bool, typer.Option("--all", help="Revoked and expired keys too.")] = False,
    ledger: File = None,
    as_json: Json = False,
) -> None:
    """List keys with their limits; the keys themselves are not kept."""
    found = _keys(_place(ledger))
    now = time.time()
    shown = [key for key in found if everything or _state(key, now) == "in force"]
    if as_json:
        typer.echo(json.dumps([{**_plain(key), "state": _state(key, now)} for key in shown], ensure_ascii=False))
        return
    if not shown:
        hidden = f" ({len(found)} revoked or expired: --all)" if found else ""
        typer.echo(f"No key is in force{hidden}; create one: crossover keys create NAME")
        return
    _print_table(_console(), shown, now)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, or its name where only one key has it.")],
    ledger: File = None,
) -> None:
    """Revoke a key: a gateway that runs refuses it within two seconds."""
    place = _place(ledger)
    if not place.is_file():
        raise no_ledger(place)
    with open_ledger(place) as book:
        done = keys.revoke(book, key)
    typer.echo(f"Revoked {done.id} ({done.name})")


def _keys(place: Path) -> list[Key]:
    """All keys; none where there is no ledger yet."""
    if not place.is_file():
        return []
    with open_ledger(place, readonly=True) as book:
        return keys.listed(book)


def _place(ledger: Path | None) -> Path:
    return ledger or paths().data / "ledger.db"


def _end(text: str, now: float) -> float:
    """When a key ends: ``90d`` counts forward from now."""
    word = text.strip().lower()
    if word[:-1].isdigit() and word[-1:] in ("h", "d", "w"):
        return now + (now - periods.moment(word, now, "--expires"))
    return periods.moment(text, now, "--expires")


def _labels(text: str) -> str:
    """The labels in their spelling, separated by commas. Raises UnknownNameError."""
    words = [word.strip().casefold() for word in text.split(",") if word.strip()]
    for word in words:
        if word != LOCAL_ONLY:
            label(word, field="--sensitivity")
    return ",".join(words)


def _state(key: Key, now: float) -> str:
    if key.revoked is not None:
        return "revoked"
    return "expired" if key.expires is not None and now >= key.expires else "in force"


def _plain(key: Key) -> dict[str, Any]:
    """A key as plain data, without its hash."""
    return {
        "id": key.id,
        "name": key.name,
        "created": export.iso(key.created),
        "revoked": None if key.revoked is None else export.iso(key.revoked),
        "expires": None if key.expires is None else export.iso(key.expires),
        "rpm": key.rpm,
        "tpm": key.tpm,
        "aliases": list(key.aliases),
        "policy": key.policy,
        "sensitivity": key.sensitivity,
        "budget_usd": queries.usd_text(key.budget),
        "budget_period": key.budget_period,
    }


def _console() -> Console:
    from rich.console import Console

    return Console(no_color=not colour_wanted(), highlight=False)


def _print_table(console: Console, shown: list[Key], now: float) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("Id", "Name", "State", "Created", "Limits"):
        table.add_column(head, no_wrap=head in ("Id", "Created"), overflow="fold")
    for key in shown:
        created = dt.datetime.fromtimestamp(key.created, dt.UTC).date().isoformat()
        table.add_row(*map(Text, (key.id, key.name, _state(key, now), created, _limits(key))))
    console.print(table)


def _limits(key: Key) -> str:
    parts = [
        f"{key.rpm:,} requests/min" if key.rpm else "",
        f"{key.tpm:,} tokens/min" if key.tpm else "",
        f"{dollars(queries.usd(key.budget))} per {key.budget_period}" if key.budget else "",
        f"only {', '.join(key.aliases)}" if key.aliases else "",
        f"policy {key.policy}" if key.policy else "",
        f"sensitivity {key.sensitivity}" if key.sensitivity else "",
        f"until {dt.datetime.fromtimestamp(key.expires, dt.UTC):%Y-%m-%d %H:%M}" if key.expires else "",
    ]
    return "; ".join(filter(None, parts)) or "none"
