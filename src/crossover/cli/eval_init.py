"""The work behind ``crossover eval init``: a first file of samples."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from crossover.errors import CrossoverError, FileError
from crossover.evaluation import starter

_KEEP = (
    "Bodies are kept where crossover.toml says [retention] bodies = true; sensitive ones stay local in an evaluation"
)


def write(
    file: Path, *, from_ledger: bool, count: int, alias: str | None, since: str, until: str, seed: int,
    ledger: Path | None, force: bool,
) -> None:  # fmt: skip
    """Write the file and say what is in it. Raises FileError where it is there already."""
    from crossover.reports import files

    files.check(file)
    if file.exists() and not force:
        raise FileError("is there already", file=str(file), hint="--force writes over it")
    if not from_ledger:
        files.write(file, starter.template())
        typer.echo(f"Wrote {file}: {len(starter.TEMPLATE)} samples to learn from. Replace them with your own.")
        typer.echo(f"Next: crossover eval run {file} --candidate NAME --reference NAME --dry-run")
        return
    drawn = _drawn(ledger, alias, since, until, count, seed)
    files.write(file, starter.lines(drawn.rows))
    file.chmod(0o600)
    typer.echo(f"Wrote {file}: {len(drawn.rows):,} of {drawn.of:,} questions, drawn by name, sensitivity and length.")
    if drawn.local:
        typer.echo(f"{drawn.local:,} of them were sensitive and are marked local_only: only own machines are asked.")
    if drawn.unusable:
        typer.echo(f"{drawn.unusable:,} could not be read and were passed over.")
    typer.echo("What is right is yours to say: fill in expected (recorded is what was answered then), or let a judge")
    typer.echo(f"compare: crossover eval run {file} --scorer judge:MODEL --candidate NAME --reference NAME")


def _drawn(ledger: Path | None, alias: str | None, since: str, until: str, count: int, seed: int) -> starter.Drawn:
    from crossover.config import paths
    from crossover.ledger import queries
    from crossover.ledger.kept import kept
    from crossover.ledger.periods import period
    from crossover.ledger.store import open_ledger

    begin, end = period(since, until, time.time())
    with open_ledger(ledger or paths().data / "ledger.db", readonly=True) as book:
        found = list(kept(book, begin, end, asked=alias, door="eval"))
        if not found:
            of = "" if alias is None else f" of {alias}"
            raise CrossoverError(f"the ledger holds no prompts{of} from that time", hint=_KEEP)
        return starter.draw(found, lambda request: queries.bodies(book, request), count, seed)
