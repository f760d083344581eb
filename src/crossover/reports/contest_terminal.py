"""A comparison of targets in a terminal: who is better in a sentence, one line for each target, then how far apart."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from crossover.reports import contest as words
from crossover.reports.contest import Report
from crossover.reports.loadtest import NONE
from crossover.reports.paper import Paper, joined, plain_table


def render(found: Report, console: Console, *, quiet: bool = False) -> None:
    """Print the report; ``quiet`` leaves the definitions out."""
    paper = Paper(console)
    paper.blank()
    paper.line(joined([("Comparison", "bold"), *((one, "dim") for one in words.facts(found))]))
    paper.blank()
    for line in words.headlines(found):
        paper.line(Text(line, style="bold"), lead=Text(" ▌ ", style="bold green"), bar=True)
    _targets(found, paper)
    _figures(found, paper)
    paper.section("How far apart", "mean of the rounds (95 %); then the others' ratio to the best")
    for name, text in words.differences(found):
        paper.line(Text.assemble((f"{name}: ", "bold"), (text, "")), lead=" • ")
    if not quiet:
        paper.section("What the figures mean")
        for name, text in words.definitions():
            paper.line(Text.assemble((f"{name}: ", "bold"), (text, "")), lead=" • ")
    remarks = words.remarks(found)
    if remarks:
        paper.section("Notes")
        for line in remarks:
            paper.line(line, lead=" • ")


def _targets(found: Report, paper: Paper) -> None:
    paper.section("Who was compared")
    for number, side in enumerate(found.sides):
        said = f"{side.session.subject.label}, {words.answers(found, number)}"
        paper.line(Text.assemble((f"{side.name}: ", "bold"), (said, "")), lead=" • ")


def _figures(found: Report, paper: Paper) -> None:
    """A line for each target; the best of a column, and what is not told apart from it, is green."""
    shown = (key for key in words.SHOWN if not (paper.narrow and key in (("ttft", 0.95), ("e2e", 0.5))))
    rows = [row for key in shown if (row := words.row_of(found, key)) is not None]
    rows += [row for row in found.rows if row.metric == "goodput_rps"]
    paper.section("Figures", "green: best, or not told apart from the best")
    headings = {"first token p50": "first token", "first token p95": "p95", "output tokens/s": "tokens/s"}
    columns = [(headings.get(words.name_of(row), words.name_of(row).removesuffix(" p50")), "right") for row in rows]
    table = plain_table(("", "left"), *columns)
    table.columns[0].no_wrap, table.columns[0].max_width = True, 32
    for number, side in enumerate(found.sides):
        cells = [Text(side.name)]
        for row in rows:
            mean = row.means[number]
            text = NONE if mean is None else words.value_of(row, mean.value)
            cells.append(Text(text, style="green" if number in row.best else ""))
        table.add_row(*cells)
    paper.indented(table)
