"""``crossover ledger``: what was asked, paid and saved; export, check, repair, backup, pruning, unsettled requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from crossover.cli import ledger_reconcile, ledger_replica, ledger_week
from crossover.cli.ledger_parts import (
    Config,
    File,
    Json,
    Machine,
    Since,
    Until,
    day,
    machines,
    minute,
    money,
    place,
    plain_console,
    print_json,
    print_table,
    requests,
    share,
    write_lines,
)
from crossover.errors import InputError, ThresholdError
from crossover.ledger import care, export, focus, periods, queries, rescue
from crossover.ledger.store import Ledger, open_ledger
from crossover.ledger.words import PICO
from crossover.money import show as dollars
from crossover.money import usd

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="What was asked, paid and saved, and where it went; care for the ledger.",
)

KEEP_DAYS = 400
FORMATS: dict[str, Callable[[Ledger, float, float], Iterator[str]]] = {
    "csv": partial(export.lines, form="csv"),
    "jsonl": partial(export.lines, form="jsonl"),
    "focus": focus.lines,
}
app.command("week")(ledger_week.week)
app.command("reconcile")(ledger_reconcile.reconcile)
app.command("replica")(ledger_replica.replica)
Totals = queries.Totals


@app.callback(invoke_without_command=True)
def summary(
    ctx: typer.Context,
    since: Since = "30d",
    until: Until = "now",
    by: Annotated[str, typer.Option(help=f"One row per {', '.join(queries.GROUPS)}.")] = "deployment",
    machine: Machine = None,
    config: Config = None,
    ledger: File = None,
    as_json: Json = False,
) -> None:
    """Summarise a period: spend, savings, where traffic went, latencies, errors, budgets."""
    ctx.obj = ledger
    if ctx.invoked_subcommand is not None:
        return
    if by not in queries.GROUPS:
        raise InputError(
            f"{by!r} is not something to group by", hint=f"One of {', '.join(queries.GROUPS)}", field="--by"
        )
    now = time.time()
    begin, end = periods.period(since, until, now)
    with open_ledger(place(ledger), readonly=True) as book:
        facts = _facts(book, begin, end, cast(queries.By, by), machines(book, machine, config))
    if as_json:
        print_json(facts)
    else:
        _print_summary(facts)


@app.command("export")
def export_rows(
    ctx: typer.Context,
    form: Annotated[
        str,
        typer.Option("--format", help="csv (one line per request), jsonl (everything) or focus (charges for FinOps)."),
    ] = "csv",
    out: Annotated[Path | None, typer.Option(help="A new file; without it the rows are printed.")] = None,
    since: Since = "all",
    until: Until = "now",
    ledger: File = None,
) -> None:
    """Write the rows of a period as CSV or JSON lines."""
    if form not in FORMATS:
        raise InputError(f"unknown format {form!r}", hint=f"One of {', '.join(FORMATS)}", field="--format")
    begin, end = periods.period(since, until, time.time())
    with open_ledger(place(ledger, ctx), readonly=True) as book:
        rows = FORMATS[form]
        lines = rows(book, begin, end)
        if out is None:
            for line in lines:
                typer.echo(line, nl=False)
            return
        count = write_lines(out, lines) - (form != "jsonl")
    noun = "charge" if form == "focus" else "request"
    typer.echo(f"Wrote {count:,} {noun}{'s' * (count != 1)} to {out}", err=True)


@app.command()
def check(ctx: typer.Context, ledger: File = None, as_json: Json = False) -> None:
    """Check the file, roll-ups against rows, budgets against reservations, the chain of the audit."""
    with open_ledger(place(ledger, ctx), readonly=True) as book:
        found = care.check(book)
        rows = book.rows("SELECT count(*) FROM records")[0][0] if not any(one.kind == "file" for one in found) else None
    if as_json:
        facts = [{"kind": one.kind, "text": one.text, "repairable": one.repairable} for one in found]
        print_json({"requests": rows, "findings": facts})
    else:
        for one in found:
            typer.echo(f"{one.kind}: {one.text}")
        if not found:
            typer.echo(f"All is well: {rows:,} requests, and every sum agrees with its rows")
    if found:
        raise ThresholdError(
            f"the ledger has {len(found)} finding{'s' if len(found) > 1 else ''}",
            hint="`crossover ledger repair` puts right what can be put right",
            told=True,
        )


@app.command()
def repair(ctx: typer.Context, ledger: File = None, as_json: Json = False) -> None:
    """Make sums anew from the rows; a damaged file is read into a new one first and kept."""
    done = rescue.repair(place(ledger, ctx))
    if as_json:
        print_json(
            {
                "kept": None if done.kept is None else str(done.kept),
                "roll_ups": done.roll_ups,
                "rows": done.rows,
                "unread": list(done.unread),
                "periods": list(done.periods),
                "findings": [one.text for one in done.left],
            }
        )
        return
    if done.kept is not None:
        typer.echo(f"The file was damaged; it is kept as {done.kept}")
        requests = sum(count for table, count in done.rows.items() if table.startswith("records_"))
        typer.echo(f"Read {requests:,} requests from it into a new ledger")
        if done.unread:
            typer.echo(f"Only a part could be read of: {', '.join(done.unread)}")
    typer.echo(f"Made {done.roll_ups:,} roll-ups anew from the rows")
    for name in done.periods:
        typer.echo(f"Budget {name}: a period that a clock gone wrong opened in the future was taken back")
    for one in done.left:
        typer.echo(f"Left: {one.kind}: {one.text}")


@app.command()
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file.")],
    ledger: File = None,
) -> None:
    """Copy the ledger to a new file; a gateway may run meanwhile."""
    with open_ledger(place(ledger, ctx), readonly=True) as book:
        size = care.backup(book, file)
    typer.echo(f"Wrote {file} ({size / 2**20:,.1f} MiB)")


@app.command()
def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file that `crossover ledger backup` wrote.")],
    ledger: File = None,
) -> None:
    """Put a backup in the place of the ledger; the ledger that was there is kept."""
    target = place(ledger, ctx)
    kept = rescue.restore(target, file)
    typer.echo(f"Restored {target} from {file}" + (f"; the ledger before it is kept as {kept}" if kept else ""))


@app.command()
def prune(
    ctx: typer.Context,
    keep_days: Annotated[int, typer.Option(min=1, help="Keep requests of at least so many days.")] = KEEP_DAYS,
    bodies_days: Annotated[
        int, typer.Option(min=0, help="Keep prompts and answers of at least so many days (0: as long as their rows).")
    ] = 0,
    audit_days: Annotated[
        int, typer.Option(min=0, help="Keep entries of the audit of at least so many days (0: for ever).")
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and leave it.")] = False,
    ledger: File = None,
    as_json: Json = False,
) -> None:
    """Forget whole months that ended long ago; their sums stay."""
    with open_ledger(place(ledger, ctx, must_exist=True), readonly=dry_run) as book:
        found = care.prune(book, keep_days, bodies_days, audit_days, dry_run=dry_run)
    if as_json:
        print_json({"months": found.months, "bodies": found.bodies, "audit": found.audit, "dry_run": dry_run})
        return
    verb = "Would forget" if dry_run else "Forgot"
    for month, count in found.months.items():
        typer.echo(f"{verb} {month.replace('_', '-')}: {count:,} requests")
    for month, count in found.bodies.items():
        typer.echo(f"{verb} prompts and answers of {month.replace('_', '-')}: {count:,} requests")
    if found.audit:
        typer.echo(f"{verb} the beginning of the audit: {found.audit:,} {'entry' if found.audit == 1 else 'entries'}")
    if not found.months and not found.bodies and not found.audit:
        typer.echo(f"No month ended more than {keep_days} days ago")


@app.command("unsettled")
def list_unsettled(ctx: typer.Context, ledger: File = None, as_json: Json = False) -> None:
    """List requests whose gateway died before their row was written; they stay charged to their budgets."""
    with open_ledger(place(ledger, ctx, must_exist=True)) as book:
        care.mark_dead(book)
        found = queries.unsettled(book)
    if as_json:
        print_json(
            [
                {
                    "id": one.id,
                    "budget": one.budget,
                    "period": one.period,
                    "since": day(one.since),
                    "amount_usd": queries.usd_text(one.amount),
                    "time": export.iso(one.time),
                }
                for one in found
            ]
        )
        return
    if not found:
        typer.echo("No request is unsettled")
        return
    cells = [(one.id, one.budget, money(one.amount), minute(one.time)) for one in found]
    print_table(plain_console(), ("Request", "Budget", ">Set aside", "Since (UTC)"), cells)
    typer.echo("Settle one with what was really spent: crossover ledger settle ID DOLLARS (0 gives it back)")


@app.command("settle")
def settle(
    ctx: typer.Context,
    request: Annotated[str, typer.Argument(metavar="ID", help="A request that `crossover ledger unsettled` lists.")],
    amount: Annotated[str, typer.Argument(metavar="DOLLARS", help="What was really spent; 0 gives it all back.")],
    ledger: File = None,
) -> None:
    """Settle an unsettled request with what was really spent."""
    spent = usd(amount, field="DOLLARS")
    if not 0 <= spent <= 10**6:
        raise InputError(f"{amount} is out of range", hint="Write dollars from 0 to 1,000,000", field="DOLLARS")
    with open_ledger(place(ledger, ctx, must_exist=True)) as book:
        aside = care.settle_by_hand(book, request, int(spent * PICO))
    typer.echo(f"Settled {request}: {money(aside)} was set aside, {money(int(spent * PICO))} was spent")


# ------------------------------------------------------------------------------------------------------------ helpers


def _facts(book: Ledger, since: float, until: float, by: queries.By, hourly: dict[str, int]) -> dict[str, Any]:
    """Everything a summary says, as plain data."""
    first, last = queries.hours_of(since, until)
    names = {str(id_): str(name) for id_, name in book.rows("SELECT id, name FROM keys")} if by == "key" else {}
    where = queries.where(book, since, until)
    latencies, read = queries.latencies(book, since, until)
    return {
        "ledger": str(book.path),
        "since": export.iso(first * 3600.0),
        "until": export.iso(last * 3600.0),
        "total": _plain(queries.total(book, since, until)),
        "local": _plain(where[True]),
        "api": _plain(where[False]),
        "by": by,
        "groups": [
            {"name": day(int(group.name) * 86_400) if by == "day" else group.name, "label": names.get(group.name)}
            | _plain(group.totals)
            for group in queries.spend(book, since, until, by)
        ],
        "idle": [
            {
                "deployment": one.deployment,
                "hours": round(one.hours, 2),
                "paid_usd": queries.usd_text(one.paid),
                "priced_usd": queries.usd_text(one.priced),
                "idle_usd": queries.usd_text(one.idle),
            }
            for one in queries.idle(book, hourly, since, until)
        ],
        "latency_ms": [
            {
                "deployment": one.deployment,
                "requests": one.requests,
                "first_token": None if one.first_token is None else _shares(one.first_token),
                "total": _shares(one.total),
                "queue": _shares(one.queue),
            }
            for one in latencies
        ],
        "latency_rows": read,
        "errors": [
            {"deployment": one.deployment, "error": one.error, "requests": one.requests}
            for one in queries.faults(book, since, until)
        ],
        "budgets": [
            {
                "name": one.name,
                "period": one.period,
                "since": day(one.since),
                "limit_usd": queries.usd_text(one.limit),
                "spent_usd": queries.usd_text(one.spent),
                "reserved_usd": queries.usd_text(one.reserved),
            }
            for one in queries.standings(book)
        ],
        "unsettled": len(queries.unsettled(book)),
    }


def _shares(found: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("p50", "p95", "p99"), found, strict=True))


_EXACT = ("cost", "marginal", "all_api", "compared_marginal")


def _plain(totals: Totals) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(totals, name) for name in totals.__struct_fields__ if name not in _EXACT}
    facts["priced_usd"] = queries.usd_text(totals.cost)
    facts["paid_usd"] = queries.usd_text(totals.marginal)
    facts["all_api_usd"] = queries.usd_text(totals.all_api)
    facts["saved_usd"] = queries.usd_text(totals.saved)
    return facts


def _print_summary(facts: dict[str, Any]) -> None:
    console = plain_console()
    total, local, api = facts["total"], facts["local"], facts["api"]
    console.print(
        f"{facts['since'][:16]} to {facts['until'][:16]} UTC  ({facts['ledger']})", soft_wrap=True, markup=False
    )
    if not total["requests"]:
        console.print("No request in this period.")
        _print_budgets(console, facts)
        return
    answered = local["requests"] + api["requests"]
    rest = [f"{total[name]:,} {name}" for name in ("errors", "truncated", "cancelled", "refused") if total[name]]
    lines = [
        ("Requests", f"{total['requests']:,}" + (f"  ({', '.join(rest)})" if rest else "")),
        ("Tokens", f"{total['input_tokens']:,} in ({total['cached_read']:,} cached), {total['output_tokens']:,} out"
         + (f"; estimated for {requests(total['estimated'])}" if total["estimated"] else "")),
        ("Paid", dollars(Decimal(total["paid_usd"])) + (f"; no price is stated for {requests(total['unpriced'])}"
         if total["unpriced"] else "")),
        ("Saved", _saved(total)),
        ("Local", f"{share(local['requests'], answered)} of requests, "
         f"{share(_tokens(local), _tokens(local) + _tokens(api))} of tokens"
         + (f", {dollars(Decimal(local['priced_usd']))} as a share of the machines" if local["requests"] else "")),
    ]  # fmt: skip
    for one in facts["idle"]:
        text = f"{one['deployment']}: {dollars(Decimal(one['idle_usd']))} of {dollars(Decimal(one['paid_usd']))}"
        lines.append(("Idle", f"{text} for {one['hours']:,.0f} hours was for no token"))
    for name, text in lines:
        console.print(f"{name:9} {text}", markup=False, soft_wrap=True)
    _print_groups(console, facts)
    _print_latencies(console, facts)
    if facts["errors"]:
        cells = [(one["deployment"] or "–", one["error"], f"{one['requests']:,}") for one in facts["errors"][:10]]
        print_table(console, ("Not answered", "Why", ">Requests"), cells)
    _print_budgets(console, facts)


def _saved(total: dict[str, Any]) -> str:
    if not total["compared"]:
        return "nothing to compare: no request had a permitted API with a known price"
    saved, all_api = dollars(Decimal(total["saved_usd"])), dollars(Decimal(total["all_api_usd"]))
    text = f"{saved} against the cheapest permitted API ({all_api})"
    left = total["requests"] - total["compared"]
    return text + (f"; {requests(left)} had none to compare" if left else "")


def _print_groups(console: Console, facts: dict[str, Any]) -> None:
    heads = (facts["by"].capitalize(), ">Requests", ">Errors", ">Input", ">Output", ">Paid", ">Saved")
    cells = [
        (
            one["label"] or one["name"] or "–", f"{one['requests']:,}", f"{one['errors']:,}",
            f"{one['input_tokens']:,}", f"{one['output_tokens']:,}", dollars(Decimal(one["paid_usd"])),
            dollars(Decimal(one["saved_usd"])) if one["compared"] else "–",
        )
        for one in facts["groups"]
    ]  # fmt: skip
    print_table(console, heads, cells)


def _print_latencies(console: Console, facts: dict[str, Any]) -> None:
    if not facts["latency_ms"]:
        return
    heads = ("Milliseconds", ">Requests", ">First p50", ">p95", ">Whole p50", ">p95", ">Queue p95")
    cells = []
    for one in facts["latency_ms"]:
        first = one["first_token"]
        cells.append((
            one["deployment"] or "–", f"{one['requests']:,}", "–" if first is None else f"{first['p50']:,.0f}",
            "–" if first is None else f"{first['p95']:,.0f}", f"{one['total']['p50']:,.0f}",
            f"{one['total']['p95']:,.0f}", f"{one['queue']['p95']:,.0f}",
        ))  # fmt: skip
    print_table(console, heads, cells)


def _print_budgets(console: Console, facts: dict[str, Any]) -> None:
    if facts["budgets"]:
        cells = [
            (
                one["name"], one["period"], "–" if one["period"] == "total" else one["since"],
                dollars(Decimal(one["spent_usd"])), dollars(Decimal(one["reserved_usd"])),
                dollars(Decimal(one["limit_usd"])),
            )
            for one in facts["budgets"]
        ]  # fmt: skip
        print_table(console, ("Budget", "Period", "Since", ">Spent", ">Set aside", ">Limit"), cells)
    if facts["unsettled"]:
        console.print(f"{facts['unsettled']:,} unsettled: `crossover ledger unsettled` lists them.", markup=False)


def _tokens(facts: dict[str, Any]) -> int:
    return int(facts["input_tokens"]) + int(facts["output_tokens"])
