"""A load test in a terminal: the result in one sentence, the loads as a table, one in full, then what it means."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from crossover.loadtest.words import Figures, Spread
from crossover.reports import loadtest as words
from crossover.reports.loadtest import Report, Shown, number, seconds
from crossover.reports.paper import Paper, joined, plain_table

MOST_NOTES = 12


def render(found: Report, console: Console, *, quiet: bool = False) -> None:
    """Print the report; ``quiet`` leaves out definitions and notes."""
    paper = Paper(console)
    paper.blank()
    paper.line(joined([("Load test", "bold"), *((one, "dim") for one in words.facts(found))]))
    paper.blank()
    missed = words.missed(found)
    colour = "red" if missed or not _answered(found) else "green"
    paper.line(Text(words.headline(found), style="bold"), lead=Text(" ▌ ", style=f"bold {colour}"), bar=True)
    if missed:
        paper.line(f"Not met: {', '.join(missed)}", lead=Text(" ▌ ", style="bold red"), bar=True)
    if len(found.stages) > 1:
        _stages(found, paper)
    main = words.main_stage(found)
    if main is not None and main.figures.requests:
        _full(main, found, paper)
    _beside(found, paper)
    if not quiet:
        _definitions(paper)
        _notes(found, main, paper)


def _answered(found: Report) -> bool:
    main = words.main_stage(found)
    return main is not None and main.figures.ok > 0


def _stages(found: Report, paper: Paper) -> None:
    """One line for each load; a narrow terminal gets the columns that decide."""
    wide = not paper.narrow
    paper.section("Loads", "first token: p50, p95; the other times p50")
    columns = [
        ("", "left"), *([("answers/s", "right")] if wide else []), ("tokens/s", "right"), ("first token", "right"),
        ("between", "right"), ("end to end", "right"), ("failed", "right"), ("", "left"),
    ]  # fmt: skip
    table = plain_table(*columns)
    table.columns[0].no_wrap = table.columns[-1].no_wrap = True
    for one in found.stages:
        made, mark = one.figures, _mark(one, found)
        cells = [
            words.short_label(one.stage.run.load),
            *([number(made.requests_per_s.value)] if wide else []),
            number(made.output_tokens_per_s.value),
            _two(made.ttft),
            words.time_at(made.itl, 0.5),
            words.time_at(made.e2e, 0.5),
            f"{made.failed:,}" if made.failed else words.NONE,
        ]
        table.add_row(*cells, mark)
    paper.indented(table)


def _two(found: Spread | None) -> str:
    """The median and the p95 in one unit."""
    if found is None:
        return words.NONE
    one, other = found.at(0.5).value, found.at(0.95).value
    return f"{one:.3g}, {other:.3g} s" if other >= 1 else f"{one * 1000:.3g}, {other * 1000:.3g} ms"


def _mark(one: Shown, found: Report) -> Text:
    load = one.stage.run.load
    if one.stage.run.stop:
        return Text({"saturated": "too much", "errors": "fails"}.get(one.stage.run.stop, "ended early"), style="yellow")
    if found.sought and not load.closed:
        return Text("holds", style="green") if one.figures.met else Text("missed", style="red")
    if found.best is not None and load.concurrency == found.best.concurrency:
        return Text("knee" if found.bent else "best", style="bold green")
    return Text("")


def _full(main: Shown, found: Report, paper: Paper) -> None:
    made = main.figures
    paper.section(main.stage.run.load.label, f"{words.answers(made)}; {made.warmup:,} to warm up")
    table = plain_table(("", "left"), ("p50", "right"), ("", "left"), ("p95", "right"), ("", "left"), ("p99", "right"))
    for key, spread in words.latencies(made):
        middle, high = spread.at(0.5), spread.at(0.95)
        table.add_row(
            words.TITLES[key], seconds(middle.value), Text(f"({words.interval(middle)})", style="dim"),
            seconds(high.value), Text(f"({words.interval(high)})", style="dim"), words.time_at(spread, 0.99),
        )  # fmt: skip
    paper.indented(table)
    paper.blank()
    for line in _rates(made):
        paper.line(line)
    for check in made.slo:
        mark, style = ("holds", "green") if check.met else ("missed", "red")
        reached = "never, too often" if check.reached_s is None else seconds(check.reached_s)
        paper.line(Text.assemble((f"{check.label} ", ""), (mark, style), (f": reached {reached}", "dim")))
    if made.good is not None and made.goodput_rps is not None:
        total = made.ok + made.failed
        paper.line(f"Goodput: {number(made.goodput_rps)} requests/s met every limit ({made.good:,} of {total:,})")
    for line in words.network(made, found.session):
        paper.line(f"{line[0].upper()}{line[1:]}.", style="dim")
    rows = words.server_rows(main)
    if rows:
        paper.section("What the engine counted", main.stage.server.engine if main.stage.server else "")
        for metric, value in rows:
            paper.line(f"{metric.title}: {words.measured(metric, value)}")


def _rates(made: Figures) -> list[str]:
    """Throughput, and what was asked and answered."""

    def rate(name: str) -> str:
        found = getattr(made, name)
        bounds = "" if found.low is None or found.high is None else f" ({number(found.low)}–{number(found.high)})"
        return f"{number(found.value)}{bounds}"

    cached = f", {made.cached_share * 100:.0f} % of it cached" if made.cached_share >= 0.005 else ""
    return [
        f"Per second: {rate('requests_per_s')} answers, {rate('output_tokens_per_s')} output tokens, "
        f"{rate('input_tokens_per_s')} input tokens; counted over {seconds(made.window_s)}, "
        f"{number(made.in_flight)} under way on average",
        f"A request on average: {number(made.input_tokens)} tokens in{cached}, {number(made.output_tokens)} out",
    ]


def _beside(found: Report, paper: Paper) -> None:
    for one in found.beside:
        paper.section(f"Against {one.name}", one.label)
        pair = words.main_pair(one, found)
        if pair is None:
            paper.line("It holds no stage to compare with.")
            continue
        if not pair.alike:
            loads = f"{pair.before.run.load.label} there, {pair.after.run.load.label} here"
            paper.line(f"The loads differ ({loads}): so may everything else.", style="yellow")
        columns = (pair.after.run.load.label, "left"), ("before", "right"), ("now", "right"), ("now / before", "left")
        table = plain_table(*columns, ("", "left"))
        for row in pair.rows:
            style = {"better": "green", "worse": "red"}.get(row.change, "dim")
            table.add_row(
                words.name_of(row), words.value_of(row, row.before), words.value_of(row, row.after),
                words.change_of(row), Text(words.CHANGES[row.change], style=style),
            )  # fmt: skip
        paper.indented(table)
        if len(one.pairs) > 1:
            paper.line(f"{len(one.pairs) - 1:,} more loads are compared in --html and --json.", style="dim")


def _definitions(paper: Paper) -> None:
    paper.section("What the figures mean")
    for name, text in words.definitions():
        paper.line(Text.assemble((f"{name}: ", "bold"), (text, "")), lead=" • ")


def _notes(found: Report, main: Shown | None, paper: Paper) -> None:
    notes = list(main.figures.notes) if main is not None else []
    if found.evidence is not None:
        names = " and ".join(filter(None, (found.session.subject.id, found.session.subject.known_as)))
        if found.evidence:
            notes.append(f"{found.evidence:,} figures about {names} are in the ledger now, for the planner.")
        else:
            notes.append("Nothing was written into the ledger: too few answers to stand for anything.")
    if notes:
        paper.section("Notes")
        for note in notes[:MOST_NOTES]:
            paper.line(note, lead=" • ")
