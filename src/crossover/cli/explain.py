"""``crossover explain``: one request's whole story, from the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crossover.ledger.words import Record
    from crossover.reports.paper import Paper

LATEST = "latest"  # no id begins so

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def explain(
    request_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The id in x-crossover-request-id; its beginning is enough. Left out: the latest."
        ),
    ] = LATEST,
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
        if request_id == LATEST:
            request_id = queries.latest(opened) or LATEST
        found = queries.one(opened, request_id)
        ids = queries.near(opened, request_id) if found is None else []
        if found is None and len(ids) == 1:
            found = queries.one(opened, ids[0])
        kept = None if found is None else queries.bodies(opened, found.id)
    if found is None:
        raise _not_found(request_id, ids, place)
    if as_json:
        bodies = {} if kept is None else {"question": kept[0], "answer": kept[1]}
        typer.echo(msgspec.json.encode({**msgspec.to_builtins(found), **bodies}).decode())
        return
    _show(found, kept)


def _not_found(request_id: str, ids: list[str], place: Path) -> Exception:
    from crossover.errors import InputError

    if request_id == LATEST:
        return InputError(f"no request is in {place}", hint="Ask something: crossover chat hello")
    if ids:
        return InputError(f"several requests begin with {request_id!r}", hint=f"The latest: {', '.join(ids)}")
    return InputError(
        f"no request {request_id!r} in {place}",
        hint="A row is there a quarter of a second after its answer; the id stands in x-crossover-request-id",
    )


def _show(record: Record, kept: tuple[str, str] | None = None) -> None:
    from rich.text import Text

    from crossover.reports.paper import Paper
    from crossover.reports.terminal import console

    paper = Paper(console())
    for name, text in _story(record):
        paper.line(text, lead=Text(f" {name:<12} ", style="bold"))
    asked = {row.deployment for row in record.attempts}
    left_out = [(name, reason) for name, reason in record.refused if name not in asked]
    _table(
        paper, "Attempts", ("deployment", "outcome", ">began ms", ">took ms", ">tokens", ">price"), _attempts(record)
    )
    _table(paper, "Not asked", ("deployment", "reason"), left_out)
    _table(paper, "Elsewhere it would have cost", ("deployment", ">price", "permitted"), _others(record))
    if kept is not None:  # only where the configuration keeps bodies
        for name, text in zip(("Question", "Answer"), kept, strict=True):
            paper.line(text, lead=Text(f" {name:<12} ", style="bold"))


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
        *_privacy(record),
        ("Decision", record.decision or "none was made"),
        ("Answered by", _where(record)),
        ("Result", _result(record)),
        ("Times", _times(record)),
        ("Tokens", _tokens(record)),
        ("Price", _price(record)),
    ]  # fmt: skip
    if record.dropped:
        lines.append(("Left out", f"{', '.join(record.dropped)}: the deployment has no word for it"))
    return lines


def _privacy(record: Record) -> list[tuple[str, str]]:
    """What was found, and what the matrix did about it."""
    seen = record.privacy
    if seen is None:
        return [("Privacy", "nobody looked: it is off")]
    found = ", ".join(f"{kind.replace('_', ' ')} ×{count}" for _, kind, _, count in seen.counts)
    said = [found or ("nothing found" if not seen.opaque else "")]
    if seen.opaque:
        said.append(seen.opaque)
    text = "; ".join(filter(None, said))
    if replaced := sum(row.redacted for row in record.attempts if row.left):
        text += f"; {replaced} replaced before it left"
    elif seen.rule:
        text += f"; {seen.rule}"
    else:
        text += f" (profile {seen.profile})"
    return [("Privacy", text)]


def _where(record: Record) -> str:
    if not record.deployment:
        return "nobody"
    place = "own machine" if record.local else "paid by the token"
    return f"{record.deployment} ({record.provider}, {record.model}) in zone {record.zone}, {place}"


def _result(record: Record) -> str:
    if record.status == "ok":
        return "ok"
    return f"{record.status} {record.error} (HTTP {record.http_status})".replace("  ", " ")


def _times(record: Record) -> str:
    first = f"first token after {record.ttft_ms:.0f} ms, " if record.ttft_ms else ""
    return f"{record.queue_ms:.0f} ms waiting, {first}whole after {record.total_ms:.0f} ms"


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
    paid = ""
    if record.cost != record.marginal:
        paid = f"; {_usd(record.marginal) if record.marginal else 'nothing'} had to be paid for it"
    source = f" ({record.price_source})" if record.price_source else ""  # none where nobody was asked
    return f"{_usd(record.cost)}{source}{paid}"


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


def _table(paper: Paper, title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A small table below its title; heads with ``>`` stand right. Nothing where there is no row."""
    from rich.text import Text

    from crossover.reports.paper import plain_table

    if not rows:
        return
    paper.blank()
    paper.line(Text(title, style="bold"))
    columns = ((head.removeprefix(">"), "right" if head.startswith(">") else "left") for head in heads)
    table = plain_table(*columns, ratio="reason")
    for row in rows:
        table.add_row(*map(Text, row))
    paper.indented(table, left=3)
