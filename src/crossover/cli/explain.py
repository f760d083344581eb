"""``crossover explain``: one request's whole story, from the ledger."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from crossover.ledger.words import Record

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def explain(
    request_id: Annotated[str, typer.Argument(help="The id in x-crossover-request-id; its beginning is enough.")],
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="The file of the ledger.", show_default="in the data folder")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Say where a request went and why: the decision, who was refused, each attempt, and what it cost elsewhere."""
    import msgspec

    from crossover.config import paths
    from crossover.ledger import queries
    from crossover.ledger.store import open_ledger

    place = ledger or paths().data / "ledger.db"
    with open_ledger(place, readonly=True) as opened:
        found = queries.one(opened, request_id)
        ids = queries.near(opened, request_id) if found is None else []
        if found is None and len(ids) == 1:
            found = queries.one(opened, ids[0])
    if found is None:
        raise _not_found(request_id, ids, place)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    _show(found)


def _not_found(request_id: str, ids: list[str], place: Path) -> Exception:
    from crossover.errors import InputError

    if ids:
        return InputError(f"several requests begin with {request_id!r}", hint=f"The latest: {', '.join(ids)}")
    return InputError(
        f"no request {request_id!r} in {place}",
        hint="A row is there a quarter of a second after its answer; the id stands in x-crossover-request-id",
    )


def _show(record: Record) -> None:
    from rich.console import Console

    from crossover.config import colour_wanted

    console = Console(no_color=not colour_wanted(), highlight=False, soft_wrap=False)
    for name, text in _story(record):
        console.print(f"[bold]{name:<13}[/bold]", end=" ")
        console.print(text, markup=False)
    _table(console, "Attempts", ("Deployment", "Outcome", "Began ms", "Took ms", "Tokens", "Price"), _attempts(record))
    _table(console, "Not asked", ("Deployment", "Reason"), list(record.refused))
    _table(console, "Elsewhere it would have cost", ("Deployment", "Price", "Permitted"), _others(record))


def _story(record: Record) -> list[tuple[str, str]]:
    """The request in words, line by line."""
    from crossover.sensitivity import NOT_SENSITIVE

    when = dt.datetime.fromtimestamp(record.time, dt.UTC)
    sensitivity = record.tier if record.tier != NOT_SENSITIVE.tier else "none was found or stated"
    if record.categories:
        sensitivity += f" ({', '.join(record.categories)})"
    lines = [
        ("Request", f"{record.id}, {when:%Y-%m-%d %H:%M:%S} UTC, through the {record.door} door"),
        ("Asked for", record.asked + (" (streamed)" if record.streamed else "")),
        ("Key", record.key or "none"),
        ("Sensitivity", sensitivity),
        ("Decision", record.decision or "none was made"),
        ("Answered by", _where(record)),
        ("Result", _result(record)),
        ("Times", f"{record.queue_ms:.0f} ms waiting, first token after {record.ttft_ms:.0f} ms, "
                  f"whole after {record.total_ms:.0f} ms"),
        ("Tokens", _tokens(record)),
        ("Price", _price(record)),
    ]  # fmt: skip
    if record.dropped:
        lines.append(("Left out", f"{', '.join(record.dropped)}: the deployment has no word for it"))
    return lines


def _where(record: Record) -> str:
    if not record.deployment:
        return "nobody"
    place = "own machine" if record.local else "paid by the token"
    return f"{record.deployment} ({record.provider}, {record.model}) in zone {record.zone}, {place}"


def _result(record: Record) -> str:
    if record.status == "ok":
        return "ok"
    return f"{record.status} {record.error} (HTTP {record.http_status})".replace("  ", " ")


def _tokens(record: Record) -> str:
    def basis(word: str) -> str:
        return "" if word == "measured" else f" ({word})"

    text = f"{record.input_tokens:,} in{basis(record.input_basis)}"
    if record.cached_read:
        text += f", {record.cached_read:,} of them cached"
    text += f"; {record.output_tokens:,} out{basis(record.output_basis)}"
    return text + (f", {record.reasoning:,} of them reasoning" if record.reasoning else "")


def _price(record: Record) -> str:
    if not record.cost_known:
        return f"not known ({record.price_source or 'nobody answered'})"
    paid = "" if record.cost == record.marginal else f"; {_usd(record.marginal)} had to be paid for it"
    return f"{_usd(record.cost)} ({record.price_source}){paid}"


def _usd(picodollars: int) -> str:
    from crossover.ledger.queries import usd
    from crossover.money import show

    return show(usd(picodollars))


def _attempts(record: Record) -> list[tuple[str, ...]]:
    return [
        (
            row.deployment,
            f"{row.outcome} {row.upstream_status or ''}".strip(),
            f"{row.start_ms:.0f}",
            f"{row.duration_ms:.0f}",
            f"{row.input_tokens:,} + {row.output_tokens:,}",
            _usd(row.cost) if record.cost_known else "–",
        )
        for row in record.attempts
    ]


def _others(record: Record) -> list[tuple[str, ...]]:
    return [(row.deployment, _usd(row.cost), "yes" if row.permitted else "no") for row in record.alternatives]


def _table(console: Console, title: str, heads: tuple[str, ...], rows: list[Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number < 2 or head == "Reason" else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
