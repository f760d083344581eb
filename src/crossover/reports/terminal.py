"""The plan in a terminal: the first screen says what to do and why; everything below shows how that was found."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossover.planner.words import BreakEven, Option, Plan, Refused
from crossover.reports import figures, measured, phrases, recorded
from crossover.reports.explanation import explain
from crossover.reports.paper import COLOURS, Paper, cost_bar, joined, plain_table, span_bar

__all__ = ["brief", "console", "explain", "render"]

BREAK_EVENS = 6
TORNADO_BARS = 6
ASSUMPTIONS = 6
NARROW_BAR = 22
WIDE_BAR = 16
REASONS_OF_STAGE = 2


def console() -> Console:
    """A console on stdout: as wide as the terminal (80 columns in a pipe), in colour only where that is wanted."""
    return Console(highlight=False, soft_wrap=False)


def render(plan: Plan, console: Console, *, top: int = 8) -> None:
    """Print the plan: the verdict, the best ``top`` options (and the best of each class), then what stands behind it.

    Never raises for odd text or a narrow console: long lines wrap, characters that the encoding lacks are replaced.
    """
    paper = Paper(console)
    _head(plan, paper)
    _verdict(plan, paper)
    _recorded(plan, paper)
    rows = phrases.shown(plan, top)
    paper.section("Options", "dollars a month, bar = P50 with P10–P90")
    (_narrow_options if paper.narrow else _wide_options)(rows, plan, paper)
    _under_options(rows, plan, paper)
    _measured(plan, paper)
    _break_evens(plan, paper)
    _flips(plan, paper)
    _what_if(plan, paper)
    _reach(plan, paper)
    _refused(plan, paper)
    _rules(plan, paper)
    _tornado(plan, paper)
    _assumptions(plan, paper)
    _notes(plan, paper)


def brief(plan: Plan, console: Console) -> None:
    """Print the first screen alone: the verdict, its reasons, and what would change it."""
    paper = Paper(console)
    _head(plan, paper)
    _verdict(plan, paper)
    _flips(plan, paper)


def _head(plan: Plan, paper: Paper) -> None:
    paper.blank()
    paper.line(
        joined([("Crossover plan", "bold"), (plan.workload.name, "dim"), (f"prices as of {plan.prices_as_of}", "dim")])
    )
    paper.line(phrases.workload_line(plan.workload), style="dim")


def _verdict(plan: Plan, paper: Paper) -> None:
    paper.blank()
    best = next((option for option in plan.options if option.id == plan.verdict.option), None)
    colour = COLOURS[best.kind] if best else "white"
    bar = Text(" ▌ ", style=f"bold {colour}")
    paper.line(Text(plan.verdict.headline, style="bold"), lead=bar, bar=True)
    if plan.verdict.action and plan.verdict.action != plan.verdict.headline:
        paper.line(Text(plan.verdict.action), lead=bar, bar=True)
    paper.blank()
    for number, reason in enumerate(plan.verdict.reasons, start=1):
        paper.line(reason, lead=Text(f" {number}. ", style=f"bold {colour}"))
    if plan.verdict.caveat:
        paper.line(plan.verdict.caveat, lead=Text(" !  ", style="bold red"))


def _narrow_options(rows: list[tuple[int, Option]], plan: Plan, paper: Paper) -> None:
    full = phrases.full_scale(rows, plan)
    bar = NARROW_BAR if paper.width >= 72 else 10
    money = max([7, *(len(figures.usd(option.usd_month)) for _, option in rows)])
    widths = (4, max(paper.width - 1 - 4 - money - bar - 8 - 4, 10), money, bar, 8)

    def put(*cells: Text) -> None:
        table = Table.grid(padding=(0, 1, 0, 0))
        for width, justify in zip(widths, ("right", "left", "right", "left", "right"), strict=True):
            table.add_column(width=width, justify="right" if justify == "right" else "left", overflow="fold")
        table.add_row(*cells)
        paper.put(table)

    put(Text("#", "dim"), Text("option", "dim"), Text("$/month", "dim"), Text(), Text("cheapest", "dim"))
    before = 0
    for rank, option in rows:
        if rank > before + 1:
            paper.line(f"{rank - before - 1:,} more between", lead="   · ", style="dim")
        before = rank
        colour = COLOURS[option.kind]
        put(
            Text(f"{rank}", style=f"bold {colour}"),
            Text(option.title, style="bold" if option.id == plan.verdict.option else ""),
            Text(figures.usd(option.usd_month), style="bold"),
            cost_bar(option.usd_band, full, bar, colour),
            Text(figures.share(option.p_cheapest)),
        )
        paper.line(_details(option, plan), lead=" " * 5)


def _details(option: Option, plan: Plan) -> Text:
    serving = figures.plural(option.replicas, "replica") if option.replicas else ""
    serving += f" + {option.spare_replicas} spare" if option.spare_replicas else ""
    overflow = f"{figures.share(option.overflow_share)} overflows" if option.overflow_share else ""
    token = phrases.first_token(option)
    verdict = phrases.slo_word(option)
    latency = f"TTFT p95 {token}" if token != figures.NONE else ""
    pays = phrases.payback(option)
    parts = [
        (phrases.KIND_LABELS[option.kind], COLOURS[option.kind]),
        (figures.usd_range(option.usd_band.p10, option.usd_band.p90), "dim"),
        (f"{figures.usd(option.usd_per_request)}/request", "dim"),
        (phrases.sellers(option, plan), "dim"),
        (serving, "dim"),
        (overflow, "dim"),
        (latency, "dim"),
        (f"SLO {verdict}" if verdict == "met" else "", "dim"),
        (f"payback {pays}" if pays != figures.NONE else "", "dim"),
        *((remark, "green") for remark in measured.said(option)),
        *((flag, "italic yellow") for flag in phrases.flags(option, plan)),
    ]
    return joined(parts)


def _wide_options(rows: list[tuple[int, Option]], plan: Plan, paper: Paper) -> None:
    full = phrases.full_scale(rows, plan)
    bar = WIDE_BAR if paper.width < 140 else 24
    table = plain_table(
        ("#", "right"),
        ("option", "left"),
        ("class", "left"),
        ("$/month", "right"),
        ("P10–P90", "right"),
        ("", "left"),
        ("cheapest", "right"),
        ("$/request", "right"),
        ("repl.", "right"),
        ("TTFT p95", "right"),
        ("payback", "right"),
        ratio="option",
    )
    table.padding = (0, 1, 0, 0)
    table.width = paper.width - 2
    before = 0
    for rank, option in rows:
        if rank > before + 1:
            table.add_row(Text("·", "dim"), Text(f"{rank - before - 1:,} more between", "dim"))
        before = rank
        colour = COLOURS[option.kind]
        name = Text(option.title, style="bold" if option.id == plan.verdict.option else "")
        if others := phrases.sellers(option, plan):
            name.append(f" · {others}", style="dim")
        for remark in measured.said(option):
            name.append(f" · {remark}", style="green")
        for flag in phrases.flags(option, plan):
            name.append(f" · {flag}", style="italic yellow")
        table.add_row(
            Text(f"{rank}", style=f"bold {colour}"),
            name,
            Text(phrases.KIND_LABELS[option.kind], style=colour),
            Text(figures.usd(option.usd_month), style="bold"),
            figures.short_usd_range(option.usd_band.p10, option.usd_band.p90),
            cost_bar(option.usd_band, full, bar, colour),
            figures.share(option.p_cheapest),
            figures.usd(option.usd_per_request),
            figures.replicas(option.replicas, option.spare_replicas).replace(" spare", "").replace(" ", ""),
            phrases.first_token(option),
            phrases.payback(option).replace(" months", " mo").replace(" years", " yr"),
        )
    paper.indented(table)


def _under_options(rows: list[tuple[int, Option]], plan: Plan, paper: Paper) -> None:
    hidden = len(plan.options) - len(rows)
    remarks = [f"{hidden:,} more ranked options in --json and --html" if hidden > 0 else ""]
    remarks.append("--explain RANK or ID shows every line of a bill")
    if any(phrases.slo_word(option) == "not measured" for _, option in rows):
        remarks.append("latency of an API is measured, not predicted")
    paper.line(joined([(remark, "dim") for remark in remarks]))


def _recorded(plan: Plan, paper: Paper) -> None:
    record = plan.recorded
    if record is None:
        return
    paper.section("From the record")
    for what, text in recorded.lines(record):
        paper.line(Text(f"{what}: ").append(text, style="dim"), lead=" • ")
    if record.drift:
        paper.section("Forecast against actual", f"by {record.drift[0].basis}, 80 % interval")
        for row in record.drift:
            style = "yellow" if row.outside else "dim"
            paper.line(Text(f"{row.name}: ").append(recorded.drift_line(row), style=style), lead=" • ")


def _what_if(plan: Plan, paper: Paper) -> None:
    if not plan.scenarios:
        return
    paper.section("What if")
    for row in plan.scenarios:
        text = Text(f"{row.change}: ").append(recorded.scenario_line(row), style="dim")
        if row.differs:
            text.append("  another answer", style="yellow")
        paper.line(text, lead=" → ")


def _measured(plan: Plan, paper: Paper) -> None:
    rows = measured.summary(plan)
    if not rows:
        return
    paper.section("Measured", "before published, before assumed")
    for subject, text in rows:
        paper.line(Text(f"{subject}: ").append(text, style="dim"), lead=" • ")


def _break_evens(plan: Plan, paper: Paper) -> None:
    if not plan.break_evens:
        return
    paper.section("Break-even", "own machines cost less than the API …")
    names = phrases.titles(plan)
    first = phrases.reference_pairs(plan, BREAK_EVENS)
    for item in first:
        _break_even(item, names, paper)
    more = len(plan.break_evens) - len(first)
    if more > 0:
        paper.line(f"{more:,} more pairs in --json and --html", style="dim")


def _break_even(item: BreakEven, names: dict[str, str], paper: Paper) -> None:
    pair = joined([(names.get(item.own, item.own), ""), (names.get(item.api, item.api), "")], " instead of ")
    answer = Text(phrases.crossings(item), style="bold" if item.crossings else "dim")
    spread = phrases.break_even_range(item)
    if spread != figures.NONE:
        answer.append(f"  (80 %: {spread})" if item.band else f"  ({spread})", style="dim not bold")
    paper.line(pair, lead=" • ")
    paper.line(answer, lead="     ")


def _flips(plan: Plan, paper: Paper) -> None:
    if not plan.flips:
        return
    paper.section("What would change the answer")
    for flip in plan.flips:
        paper.line(flip.sentence, lead=" → ")


def _reach(plan: Plan, paper: Paper) -> None:
    if not plan.reach:
        return
    paper.section("Budgets in reach")
    for row in plan.reach:
        paper.line(row.sentence, lead=" • ")


def _refused(plan: Plan, paper: Paper) -> None:
    if not plan.refused:
        return
    paper.section("Refused", f"{plan.counts.refused:,} option{'s' if plan.counts.refused != 1 else ''}, and why")
    for stage, count, items in phrases.refused_by_stage(plan):
        lead = Text(f" {count:>5,}  ", style="bold")
        paper.line(Text(phrases.STAGES.get(stage, stage), style="bold"), lead=lead)
        for item in sorted(items, key=lambda entry: -entry.count)[:REASONS_OF_STAGE]:
            paper.line(_refusal(item), lead=" " * 8)
        more = len(items) - REASONS_OF_STAGE
        if more > 0:
            paper.line(f"and {more:,} more reasons", lead=" " * 8, style="dim")


def _refusal(item: Refused) -> Text:
    text = Text(item.example)
    if item.count > 1:
        text.append(f" (+{item.count - 1:,} like it)")
    if item.reason not in item.example:
        text.append(f": {item.reason}", style="dim")
    basis = phrases.sentence([item.rule, item.source, f"checked {item.checked}" if item.checked else ""])
    return text.append(f" [{basis}]", style="dim") if basis else text


def _rules(plan: Plan, paper: Paper) -> None:
    if not plan.rules:
        return
    paper.section("Rules applied")
    for rule in plan.rules:
        paper.line(Text(f"{rule.stated}: ").append(rule.effect, style="dim"), lead=" • ")


def _tornado(plan: Plan, paper: Paper) -> None:
    bars = plan.tornado[:TORNADO_BARS]
    if not bars:
        return
    paper.section("Biggest uncertainties", phrases.tornado_pair(plan))
    ends = [value for bar in bars for value in (bar.at_low_usd, bar.at_high_usd)]
    low, high = min(ends), max(ends)
    width = 18 if paper.narrow else 36
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(ratio=1, overflow="fold")
    table.add_column(width=width, no_wrap=True)
    table.add_column(no_wrap=True)
    table.width = paper.width - 2
    for bar in bars:
        label = Text(bar.name).append(f"  {phrases.span(bar.low_label, bar.high_label)}", style="dim")
        ends_text = f"{figures.short_usd(bar.at_low_usd)} … {figures.short_usd(bar.at_high_usd)}"
        table.add_row(label, span_bar(bar.at_low_usd, bar.at_high_usd, low, high, width), ends_text)
    paper.indented(table)
    if low < 0 < high:
        paper.line("left of │ the API is cheaper, right of it own machines are", style="dim")
    else:
        always = "own machines stay" if low >= 0 else "the API stays"
        paper.line(f"{always} cheaper at every one of these values", style="dim")


def _assumptions(plan: Plan, paper: Paper) -> None:
    marked = [(item, phrases.marks(item, plan)) for item in plan.assumptions]
    guessed = [(item, ["assumed"]) for item, marks in marked if not marks and item.kind == "assumed" and item.range]
    doubtful = [pair for pair in marked if pair[1]] + guessed
    if not doubtful:
        return
    paper.section("Assumptions to check first", f"{len(plan.assumptions):,} in all; the rest with sources in --html")
    for item, marks in doubtful[:ASSUMPTIONS]:
        text = Text(f"{item.name}: {item.value}")
        if item.range:
            text.append(f" ({item.range})")
        dated = f"checked {item.checked}" if item.checked else ""
        text.append(f"  {phrases.sentence([', '.join(marks), item.source, dated])}", style="dim")
        paper.line(text, lead=" • ")
    if len(doubtful) > ASSUMPTIONS:
        paper.line(f"{len(doubtful) - ASSUMPTIONS:,} more assumed, unverified or stale", style="dim")


def _notes(plan: Plan, paper: Paper) -> None:
    paper.section("Notes")
    for note in (*plan.notes, *plan.workload.notes):
        paper.line(note, lead=" • ")
    paper.line(phrases.conventions(plan), lead=" • ")
    seed = f"; seed {plan.seed}" if plan.counts.draws else ""
    paper.line(f"{phrases.counts_line(plan)}{seed}.", lead=" • ", style="dim")
    paper.blank()
