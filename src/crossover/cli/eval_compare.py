"""The work behind ``crossover eval compare``: recorded answers, compared as a run's are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import typer

from crossover.cli.evaluating import USUAL_SCORER, check_gates, dumped, gate
from crossover.errors import ContradictionError, InputError, UnknownNameError
from crossover.evaluation.findings import ERRORS, Findings, findings
from crossover.evaluation.log import NAME as ANSWERS
from crossover.evaluation.power import check_margin, check_share
from crossover.evaluation.recorded import Columns, Recorded, from_runs, from_table
from crossover.evaluation.results import REPORT, SCORES

_OF_A_RUN = (SCORES, REPORT, ANSWERS)  # files of a folder of results: whoever names one means the folder


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    results: tuple[Path, ...]
    candidates: tuple[str, ...]
    reference: str
    scorer: str | None
    columns: Columns
    margin: float
    errors: str
    seed: int
    power: float = 0.8
    fail_if: tuple[str, ...] = ()
    html: Path | None = None
    as_json: bool = False


def compare(flags: Flags) -> None:
    """Compare, print, and say by the exit code what the user wanted to know."""
    if flags.html is not None:
        from crossover.reports.files import check

        check(flags.html)  # before the work, not after it
    found = compared(flags)
    if flags.html is not None:
        from crossover.evaluation.summary import Summary
        from crossover.reports import evaluation_html

        typer.echo(f"Report: {evaluation_html.write(Summary(findings=found, seed=flags.seed), flags.html)}", err=True)
    if flags.as_json:
        typer.echo(dumped(found))
    else:
        from crossover.reports.evaluation import render
        from crossover.reports.terminal import console

        render(found, console())
    gate(found, flags.fail_if)


def compared(flags: Flags) -> Findings:
    """The findings of recorded answers. Raises InputError and FileError for all that is wrong."""
    check_margin(flags.margin)
    check_share("--power", flags.power)
    check_gates(flags.fail_if)
    errors = next((rule for rule in ERRORS if rule == flags.errors), None)
    if errors is None:
        raise UnknownNameError("rule", flags.errors, ERRORS, field="--errors")
    if flags.reference in flags.candidates:
        raise ContradictionError(f"{flags.reference} is the reference and a candidate", field="--candidate")
    names = (*flags.candidates, flags.reference)
    recorded, scorer = _recorded(flags, names)
    if not recorded.samples:
        raise InputError("no sample is in all of these results")
    file = ", ".join(str(path) for path in flags.results)
    return findings(
        recorded.samples, recorded.outcomes, names, flags.reference, file=file,
        scorer=scorer, margin=flags.margin, errors=errors, seed=flags.seed, notes=recorded.notes, power=flags.power,
    )  # fmt: skip


def _recorded(flags: Flags, names: tuple[str, ...]) -> tuple[Recorded, str]:
    """The answers, and what scored them."""
    runs = [path.is_dir() or path.name in _OF_A_RUN for path in flags.results]
    if all(runs):
        if flags.columns.expected is not None or flags.scorer is not None:
            said = "results of a run are scored already"
            raise ContradictionError(said, hint="Score them anew: crossover eval run … --resume --scorer …")
        folders = [path if path.is_dir() else path.parent for path in flags.results]
        return from_runs(folders, names), "the runs"
    if any(runs) or len(flags.results) > 1:
        raise InputError("tables are compared one at a time, and not with folders of results")
    scorer = flags.scorer or (None if flags.columns.expected is None else USUAL_SCORER)
    recorded = asyncio.run(from_table(flags.results[0], flags.columns, scorer))
    return recorded, scorer or "the recorded scores"
