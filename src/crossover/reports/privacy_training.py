"""What a refit of a model gained on texts that it did not learn from: two lines with intervals, and plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from crossover.privacy.labelled import Tally, What
from crossover.reports import figures
from crossover.reports.paper import Paper, plain_table
from crossover.stats import wilson

UNITS = {"names": "names and addresses", "health": "texts that tell of somebody's health"}


class Refit(msgspec.Struct, frozen=True, kw_only=True):
    """A refit: ``learnt`` and ``held`` texts, what the model did before and after on the held ones."""

    what: What
    learnt: int
    held: int
    before: Tally
    after: Tally
    seconds: float
    left_out: Mapping[str, int] = {}

    @property
    def worse(self) -> bool:
        """Whether the refitted model does worse than the one before (by F1)."""
        return self.after.f1 < self.before.f1


def render(refit: Refit, console: Console) -> None:
    """Print both models' figures."""
    paper = Paper(console)
    paper.blank()
    paper.line(
        f"Learnt from {figures.plural(refit.learnt, 'text')} in {figures.seconds(refit.seconds)}; "
        f"measured on {refit.held:,} held out, which hold {refit.before.wanted:,} {UNITS[refit.what]}"
    )
    if refit.left_out:
        said = ", ".join(f"{name} ({count:,})" for name, count in refit.left_out.items())
        paper.line(f"Labels left out, which are no names: {said}", style="dim")
    paper.blank()
    table = plain_table(
        ("model", "left"), ("recall", "right"), ("95 %", "right"), ("precision", "right"), ("95 %", "right"),
        ("F1", "right"),
    )  # fmt: skip
    for name, tally in (("before", refit.before), ("refitted", refit.after)):
        table.add_row(
            Text(name, style="bold"),
            f"{tally.recall:.3f}",
            Text(_interval(tally.hit, tally.wanted), style="dim"),
            f"{tally.precision:.3f}",
            Text(_interval(tally.right, tally.found), style="dim"),
            Text(f"{tally.f1:.3f}", style="bold"),
        )
    paper.indented(table)
    paper.blank()


def facts(refit: Refit) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "what": refit.what,
        "learnt_from": refit.learnt,
        "held_out": refit.held,
        "labels_left_out": dict(refit.left_out),
        "before": _tally(refit.before),
        "after": _tally(refit.after),
        "worse": refit.worse,
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "wanted": tally.wanted, "hit": tally.hit, "found": tally.found, "right": tally.right,
        "recall": tally.recall, "recall_95": list(wilson(tally.hit, tally.wanted)),
        "precision": tally.precision, "precision_95": list(wilson(tally.right, tally.found)),
        "f1": tally.f1,
    }  # fmt: skip


def _interval(count: int, total: int) -> str:
    low, high = wilson(count, total)
    return f"{low:.2f}–{high:.2f}"
