"""``crossover audit``: what left, to whom, under which rule; and whether the chain that says so still holds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossover.config import colour_wanted, paths
from crossover.errors import ContradictionError, InputError, ThresholdError, UnknownNameError, nearest
from crossover.ledger import audit, audit_file, export, keys, periods, survey
from crossover.ledger.chain import Entry
from crossover.ledger.files import no_ledger
from crossover.ledger.store import Ledger, open_ledger
from crossover.sensitivity import CATEGORIES

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="What left, to whom, under which rule; and whether the chain that says so still holds.",
)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
File = Annotated[
    Path | None, typer.Option("--ledger", help="The file of the ledger.", show_default="in the data folder")
]
Since = Annotated[str | None, typer.Option(help="Begin (UTC): 24h, 7d, today, month, all, a month, a day or a moment.")]
Until = Annotated[str | None, typer.Option(help="End (UTC), not included, written like --since, or now.")]
Within = Annotated[str | None, typer.Option("--in", help="A whole year, month or day instead: 2026, 2026-03.")]


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Option(help="Verify a file that `crossover audit export` wrote; no ledger is needed.")
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option(metavar="HASH@NUMBER", help="A head noted earlier: nothing before it may have changed."),
    ] = None,
    ledger: File = None,
    as_json: Json = False,
) -> None:
    """Walk the chain, name the first bad entry, compare it with the records. Exit code 3 where it does not hold."""
    mark = None if expect is None else audit.expected(expect)
    if file is not None and ledger is not None:
        raise ContradictionError("--file and --ledger name two things to verify", hint="Leave one out")
    if file is not None:
        done = audit_file.verify_file(file, mark)
    else:
        with open_ledger(_place(ledger), readonly=True) as book:
            done = audit.verify(book, mark)
    if as_json:
        _print_json(_checked(done))
    else:
        _print_checked(done, alone=file is not None)
    if done.fault is not None:
        broken = done.fault.sentence()
        if file is not None:
            raise ThresholdError(f"the export does not hold: {broken}", file=str(file), told=True)
        raise ThresholdError(f"the chain of the audit does not hold: {broken}", told=True)
    if done.differing:
        raise ThresholdError(f"the audit and the records disagree in {_many(done.differing, 'place')}", told=True)


@app.command()
def show(
    left: Annotated[bool, typer.Option("--left", help="List only requests that left.")] = False,
    blocked: Annotated[
        bool, typer.Option("--blocked", help="List only requests that were stopped, or whose detection failed.")
    ] = False,
    category: Annotated[
        str | None, typer.Option(help=f"List only requests that held it: {', '.join(CATEGORIES)}.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Only requests of one key: its id or its name.")] = None,
    to: Annotated[
        str | None, typer.Option(help="Only requests that left to this party, zone, provider or deployment.")
    ] = None,
    since: Since = None,
    until: Until = None,
    within: Within = None,
    each: Annotated[bool, typer.Option("--each", help="List single requests too, the latest of them.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many single requests.")] = 50,
    ledger: File = None,
    as_json: Json = False,
) -> None:
    """Say what left, to whom, under which rule, and what was found in it."""
    if left and blocked:
        raise ContradictionError("what was blocked did not leave", hint="Give --left or --blocked")
    if category is not None and category not in CATEGORIES:
        raise UnknownNameError("category", category, CATEGORIES, field="--category")
    now = time.time()
    begin, end = _period(since, until, within, now) or periods.period("30d", "now", now)
    with open_ledger(_place(ledger), readonly=True) as book:
        who = "" if key is None else _key(book, key)
        wanted = survey.Wanted(
            since=begin, until=end, left=left, stopped=blocked, category=category or "", key=who, to=to or "",
            latest=limit if each else 0,
        )  # fmt: skip
        found = survey.survey(book, wanted)
        names = {one.id: one.name for one in keys.listed(book)}
    if key is not None and who not in names and who not in found.keys:
        raise UnknownNameError("key", key, {*names, *names.values()} | (found.keys - {""}), field="--key")
    scope = "" if key is None else f", key {names.get(who) or who}"
    said = survey.sentence(found, wanted, now, scope)
    remarks = survey.remarks(found, wanted)
    if to is not None and to not in found.names:
        remarks.insert(0, ("No such name", _strange(to, found.names)))
    if as_json:
        _print_json(_surveyed(found, wanted, said, remarks))
    else:
        _print_survey(found, wanted, said, remarks)
    if found.walk.fault is not None:
        raise ThresholdError(f"the chain of the audit does not hold: {found.walk.fault.sentence()}", told=True)


@app.command("export")
def export_entries(
    file: Annotated[Path, typer.Argument(help="A new file.")],
    since: Since = None,
    until: Until = None,
    within: Within = None,
    ledger: File = None,
) -> None:
    """Write the chain, or a period of it, as JSON lines that can be verified without the ledger."""
    period = _period(since, until, within, time.time())
    with open_ledger(_place(ledger), readonly=True) as book:
        count = audit_file.write(file, audit_file.export_lines(book, *(period or (None, None))))
    typer.echo(f"Wrote {_many(count, 'entry', 'entries')} to {file}: crossover audit verify --file {file}", err=True)


# ------------------------------------------------------------------------------------------------------------ helpers


def _place(ledger: Path | None) -> Path:
    found = ledger or paths().data / "ledger.db"
    if not found.is_file():
        raise no_ledger(found)
    return found


def _period(since: str | None, until: str | None, within: str | None, now: float) -> tuple[float, float] | None:
    """The period that was asked for; None where none was."""
    if within is not None:
        if since is not None or until is not None:
            raise ContradictionError("--in is a period of its own", hint="Leave out --since and --until")
        return periods.whole(within, "--in")
    if since is None and until is None:
        return None
    return periods.period(since or "all", until or "now", now)


def _key(book: Ledger, text: str) -> str:
    """The id of a key by its id or name; a text that is neither may be the id of a key that is gone."""
    named = [one.id for one in keys.listed(book) if text in (one.id, one.name)]
    if len(named) > 1:
        raise InputError(f"{len(named)} keys are named {text!r}", hint="Name it by its id", field="--key")
    return named[0] if named else text


def _strange(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    seen = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(known)) or 'none'}"
    return f"nothing left to a party, zone, provider or deployment named {name!r} in this period; {seen}"


def _mark(mark: audit.Mark) -> dict[str, Any]:
    return {"number": mark.number, "hash": mark.hash}


def _iso(time: float | None) -> str | None:
    return None if time is None else export.iso(time)


def _fault(fault: audit.Fault | None) -> dict[str, Any] | None:
    if fault is None:
        return None
    return {
        "kind": fault.kind,
        "number": fault.number,
        "time": _iso(fault.time),
        "line": fault.line,
        "text": fault.text,
    }


def _checked(done: audit.Checked) -> dict[str, Any]:
    """A verification as plain data."""
    return {
        "good": done.good,
        "entries": done.entries,
        "requests": done.requests,
        "left": done.left,
        "first": _iso(done.first),
        "last": _iso(done.last),
        "begin": _mark(done.begin),
        "head": _mark(done.head),
        "fault": _fault(done.fault),
        "differing": done.differing,
        "differences": list(done.differences),
        "months": [month.replace("_", "-") for month in done.months],
        "repaired": _iso(done.repaired),
    }


def _print_checked(done: audit.Checked, *, alone: bool) -> None:
    if not done.entries:
        typer.echo("The audit holds no entry" + (" before the one that is wrong" if done.fault is not None else ""))
        return
    assert done.first is not None
    assert done.last is not None
    good = "Good up to there: " if done.fault is not None else ""
    behind = f", behind entry {done.begin.number:,}" if done.begin.number else ""
    typer.echo(
        f"{good}{_many(done.entries, 'entry', 'entries')} follow from each other{behind}, "
        f"{audit.iso(done.first)} to {audit.iso(done.last)}"
    )
    typer.echo(f"{_many(done.requests, 'request')}, of which {done.left:,} left")
    if done.fault is not None:
        return
    if not alone:
        months = ", ".join(month.replace("_", "-") for month in done.months)
        if not done.differing:
            typer.echo(f"The records still held ({months}) say the same")
        for text in done.differences:
            typer.echo(f"  {text}")
        if done.differing > len(done.differences):
            typer.echo(f"  … and {done.differing - len(done.differences):,} more")
        if done.repaired is not None:
            typer.echo(f"The file was damaged and repaired {audit.iso(done.repaired)}: records may have been lost then")
    typer.echo(f"Head: {done.head}")
    typer.echo("Note the head elsewhere; --expect with it proves later that nothing up to it was changed or cut off")


def _surveyed(
    found: survey.Survey, wanted: survey.Wanted, said: str, remarks: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """A survey as plain data."""
    return {
        "since": _iso(wanted.since),
        "until": _iso(wanted.until),
        "answer": said,
        "remarks": [{"about": name, "text": text} for name, text in remarks],
        "requests": found.requests,
        "left": found.left,
        "parties": found.parties,
        "held": {
            name: {"left": held.left, "replaced": held.replaced, "stayed": held.stayed, "stopped": held.stopped}
            for name, held in sorted(found.held.items())
        },
        "unclassified": found.unclassified,
        "opaque": found.opaque,
        "redacted": found.redacted,
        "stayed": found.stayed,
        "stopped": found.stopped,
        "all_requests": found.all_requests,
        "unknown_answers": found.unknown,
        "judged_by": [
            {"profile": profile, "detector": detector, "requests": count}
            for (profile, detector), count in sorted(found.looks.items())
        ],
        "kept_since": _iso(found.kept_since),
        "forgotten_until": _iso(found.cut_until),
        "groups": [
            {
                "party": group.party, "zone": group.zone, "found": group.found, "done": group.done, "rule": group.rule,
                "requests": group.requests, "redacted": group.redacted, "first": _iso(group.first),
                "last": _iso(group.last),
            }
            for group in found.groups
        ],
        "latest": [{"number": number, "time": _iso(at), **_entry(entry)} for at, number, entry in found.latest],
        "verified": {
            "entries": found.walk.entries, "begin": _mark(found.walk.begin), "end": _mark(found.walk.at),
            "fault": _fault(found.walk.fault),
        },
    }  # fmt: skip


def _entry(entry: Entry) -> dict[str, Any]:
    import msgspec

    facts: dict[str, Any] = msgspec.to_builtins(entry)
    facts.pop("action")
    return facts


def _print_survey(found: survey.Survey, wanted: survey.Wanted, said: str, remarks: Sequence[tuple[str, str]]) -> None:
    console = _console()
    console.print(said, markup=False, soft_wrap=True)
    console.print()
    width = max((len(name) for name, _ in remarks), default=0)
    for name, text in remarks:
        console.print(f"{name:<{width}}  {text}", markup=False, soft_wrap=True)
    if found.groups:
        cells = [
            (group.party or "–", group.zone or "–", group.found, group.done, group.rule or "–", f"{group.requests:,}",
             f"{group.redacted:,}" if group.redacted else "–")
            for group in found.groups
        ]  # fmt: skip
        _print_table(console, ("To", "Zone", "Found", "Done", "Rule", ">Requests", ">Replaced"), cells)
    elif found.requests:
        console.print("\nNo request in this period is of this kind.", markup=False)
    if found.latest:
        _print_table(console, ("Time (UTC)", "Request", "Key", "To", "Found", "Done"), map(_one, found.latest))
    if wanted.latest and len(found.latest) == wanted.latest:
        console.print(f"Only the latest {wanted.latest:,} are listed (--limit).", markup=False)


def _one(shown: tuple[float, int, Entry]) -> tuple[str, ...]:
    at, _, entry = shown
    gone = [went for went in entry.to if went.left]
    done = dict.fromkeys(survey.done_with(entry, went) for went in gone) or {survey.done_with(entry): None}
    to = ", ".join(dict.fromkeys(went.party or went.deployment for went in gone)) or "–"
    return (audit.iso(at)[:-4], entry.request, entry.key or "–", to, survey.found_in(entry), ", ".join(done))


def _many(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _print_json(facts: object) -> None:
    typer.echo(json.dumps(facts, ensure_ascii=False))


def _console() -> Console:
    from rich.console import Console

    return Console(no_color=not colour_wanted(), highlight=False)


def _print_table(console: Console, heads: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in heads:
        right = head.startswith(">")
        table.add_column(head.removeprefix(">"), justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
