"""One option from top to bottom: every line of its bill, its latency, its promises, and why it ranks where it does."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from crossover.deployment import Billing, Owned, PerHour
from crossover.errors import UnknownNameError, fold
from crossover.planner.words import KIND_TITLES, Option, Plan
from crossover.reports import figures, measured, phrases
from crossover.reports.paper import COLOURS, Paper, joined, plain_table

MOST_BREAK_EVENS = 8


def find(plan: Plan, wanted: str) -> tuple[int, Option]:
    """Rank and option that ``wanted`` names: an id, a title, or a rank such as ``3`` or ``#3``.

    Raises UnknownNameError with the nearest ids.
    """
    number = wanted.strip().removeprefix("#")
    if number.isascii() and number.isdigit() and 1 <= int(number) <= len(plan.options):
        return int(number), plan.options[int(number) - 1]
    key = fold(wanted)
    for rank, option in enumerate(plan.options, start=1):
        if key and key in (fold(option.id), fold(option.title)):
            return rank, option
    error = UnknownNameError("option", wanted, [option.id for option in plan.options], field="--explain")
    if plan.options:
        error.hint = error.hint or f"Write a rank from 1 to {len(plan.options)}, or an id as --json lists them"
    raise error


def explain(plan: Plan, option_id: str, console: Console) -> None:
    """Print everything behind one option. Raises UnknownNameError where no option has this id, title or rank."""
    rank, option = find(plan, option_id)
    paper = Paper(console)
    _head(rank, option, plan, paper)
    _why(option, plan, paper)
    _bill(option, plan, paper)
    _serving(option, plan, paper)
    _latency(option, paper)
    _measured(option, paper)
    _break_evens(option, plan, paper)
    _assumptions(plan, paper)
    paper.blank()
    paper.line(phrases.conventions(plan), style="dim")
    paper.blank()


def _head(rank: int, option: Option, plan: Plan, paper: Paper) -> None:
    paper.blank()
    bar = Text(" ▌ ", style=f"bold {COLOURS[option.kind]}")
    paper.line(Text(option.title, style="bold"), lead=bar, bar=True)
    place = f"rank {rank} of {len(plan.options)}"
    paper.line(
        joined([(KIND_TITLES[option.kind], COLOURS[option.kind]), (place, ""), (option.model, "dim")]),
        lead=bar,
        bar=True,
    )
    paper.line(option.id, lead=bar, bar=True, style="dim")


def _why(option: Option, plan: Plan, paper: Paper) -> None:
    paper.section("Why it ranks where it ranks")
    paper.line(
        f"{figures.usd(option.usd_month)} a month (P10 / P50 / P90: {figures.usd_band(option.usd_band)}); "
        f"cheapest of all in {figures.share(option.p_cheapest)} of draws",
        lead=" • ",
    )
    best = plan.options[0]
    if best.id != option.id:
        paper.line(f"rank 1 is {best.title} at {figures.usd(best.usd_month)} a month", lead=" • ")
    for rule in option.demoted_by:
        paper.line(f"ranked below cheaper ones by the rule: {rule}", lead=" • ")
    for reason in option.reasons:
        paper.line(reason, lead=" • ")
    flags = [flag for flag in phrases.flags(option, plan) if not flag.startswith("demoted")]
    if flags:
        paper.line(f"flags: {', '.join(flags)}", lead=" • ")
    if option.capability:
        paper.line(f"capability: {option.capability}", lead=" • ")
    for caveat in option.caveats:
        paper.line(caveat, lead=Text(" ! ", style="bold red"))


def _measured(option: Option, paper: Paper) -> None:
    if not option.measured and not option.quality:
        return
    paper.section("Measured")
    for row in option.measured:
        paper.line(measured.line(row), lead=" • ")
    for proof in option.quality:
        text = f"{proof.candidate}: {proof.words}"
        paper.line(f"{text}; {proof.note}" if proof.note else text, lead=" • ")


def _bill(option: Option, plan: Plan, paper: Paper) -> None:
    paper.section("The bill", "dollars a month")
    table = plain_table(
        ("line", "left"), ("kind", "left"), ("$/month", "right"), ("basis", "left"), ("note", "left"), ratio="note"
    )
    table.width = paper.width - 2
    for line in option.lines:
        table.add_row(
            Text(line.name),
            Text(line.kind, style="dim"),
            figures.usd(line.usd_month),
            Text(line.basis),
            Text(line.note, style="dim"),
        )
    table.add_row(Text("total", style="bold"), "", Text(figures.usd(option.usd_month), style="bold"), "", "")
    paper.indented(table)
    paper.line(
        f"{figures.usd(option.usd_per_request)} a request, {figures.usd(option.usd_per_mtok)} per million tokens",
        lead=" • ",
    )
    if option.one_off_usd:
        pays = phrases.payback(option)
        spread = ""
        if option.payback_band is not None:
            spread = (
                f" (P10–P90: {figures.months(option.payback_band.p10)} to {figures.months(option.payback_band.p90)})"
            )
        paper.line(f"one-off {figures.usd(option.one_off_usd)}; payback {pays}{spread}", lead=" • ")
    saving = option.saving_usd_month
    if saving is not None and option.id != plan.today:
        words = f"saves {figures.usd(saving)} a month" if saving >= 0 else f"costs {figures.usd(-saving)} a month more"
        paper.line(f"{words} than today's option" if saving < 0 else f"{words} against today's option", lead=" • ")
    if option.tco_cross_check_usd is not None:
        low, high = option.tco_cross_check_usd
        paper.line(f"cross-check: the popular 1.5–2 × compute would say {figures.usd_range(low, high)}", lead=" • ")


def billing_words(billing: Billing) -> str:
    """How a deployment is billed, in words."""
    if isinstance(billing, PerHour):
        terms = billing.purchase.replace("_", " ") + (f", {billing.term_months} months" if billing.term_months else "")
        hours = f", {billing.hours_per_day:g} h a day" if billing.hours_per_day != 24 else ""
        place = f" in {billing.region}" if billing.region else ""
        price = figures.usd(float(billing.usd_per_hour))
        return f"{billing.instance} at {billing.cloud}{place}: {price}/h ({terms}{hours})"
    if isinstance(billing, Owned):
        return (
            f"bought for {figures.usd(float(billing.price_usd))}, written off over {billing.life_months} months, "
            f"{billing.watts:g} W at {figures.usd(float(billing.usd_per_kwh))}/kWh × PUE {billing.pue:g}"
        )
    tier = f", {billing.processing}" if billing.processing != "standard" else ""
    return f"by the token: {billing.model} at {billing.provider}{tier}"


def _serving(option: Option, plan: Plan, paper: Paper) -> None:
    paper.section("Where and how it runs")
    zone = option.deployment.zone
    agreements = ", ".join(sorted(zone.agreements)) or "none declared"
    country = f" in {zone.country}" if zone.country else ""
    rows = [
        ("billing", billing_words(option.deployment.billing)),
        ("zone", f"{zone.name} ({zone.operator}, {zone.party}{country}); agreements: {agreements}"),
    ]
    if option.deployment.accelerator:
        rows.append(("a replica", f"{option.deployment.accelerators} × {option.deployment.accelerator}"))
    if option.replicas:
        serving = figures.replicas(option.replicas, option.spare_replicas)
        machines = figures.plural(option.machines, "machine")
        rows.append(("replicas", f"{serving}; {machines} paid; {figures.rate(option.replica_rps)} each"))
    if option.utilisation is not None:
        rows.append(("utilisation", f"{figures.share(option.utilisation)} of the paid time"))
    if option.overflow_to:
        target = phrases.titles(plan).get(option.overflow_to, option.overflow_to)
        rows.append(("overflow", f"{figures.share(option.overflow_share)} of requests to {target}"))
    table = plain_table(("", "left"), ("", "left"), ratio="")
    table.show_header = False
    table.columns[0].ratio, table.columns[0].no_wrap = None, True
    table.width = paper.width - 2
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(value))
    paper.indented(table)


def _latency(option: Option, paper: Paper) -> None:
    run = option.peak
    if run is not None:
        paper.section("Latency at the peak", f"{run.requests:,} requests replayed")
        table = plain_table(*[("", "left"), *((name, "right") for name in ("mean", "p50", "p90", "p95", "p99"))])
        for name, row in (
            ("time to first token", run.ttft),
            ("between tokens (ITL)", run.itl),
            ("per output token (TPOT)", run.tpot),
            ("end to end", run.e2e),
            ("waiting in the queue", run.queue_s),
        ):
            table.add_row(Text(name), *map(figures.seconds, (row.mean, row.p50, row.p90, row.p95, row.p99)))
        paper.indented(table)
        paper.line(
            f"busy {figures.share(run.utilisation)} of the time, {run.mean_batch:.3g} requests in a batch, "
            f"{figures.count(run.output_tokens_per_s)} output tokens/s, goodput {figures.rate(run.goodput_rps)}"
            + ("" if run.stable else "; the queue grows without end"),
            lead=" • ",
        )
    if option.slo:
        paper.section("SLO")
    for check in option.slo:
        word, style = {True: ("met", "green"), False: ("MISSED", "bold red"), None: ("not measured", "yellow")}[
            check.met
        ]
        reached = f", reached {figures.seconds(check.reached_s)}" if check.reached_s is not None else ""
        note = f" ({check.note})" if check.note not in ("", word) else ""
        paper.line(Text(f"{check.label}: ").append(word, style=style).append(f"{reached}{note}"), lead=" • ")


def _break_evens(option: Option, plan: Plan, paper: Paper) -> None:
    mine = [item for item in plan.break_evens if option.id in (item.api, item.own)]
    if not mine:
        return
    paper.section("Break-even", "own machines cost less …")
    names = phrases.titles(plan)
    flat = [item for item in mine if not item.crossings]
    shown = [item for item in mine if item.crossings][:MOST_BREAK_EVENS] or flat[:1]
    for item in shown:
        other = item.api if item.own == option.id else item.own
        paper.line(
            Text(f"against {names.get(other, other)}: ").append(phrases.crossings(item), style="bold"), lead=" • "
        )
    if len(mine) > len(shown):
        never = len(flat) - sum(not item.crossings for item in shown)
        crossing = len(mine) - len(shown) - never
        parts = [f"{crossing} more that cross" if crossing else "", f"{never} that never cross" if never else ""]
        paper.line(f"{' and '.join(part for part in parts if part)}: see --json", lead=" • ")


def _assumptions(plan: Plan, paper: Paper) -> None:
    if not plan.assumptions:
        return
    paper.section("What the plan stands on", "measured before published before assumed")
    for item in plan.assumptions:
        marks = phrases.marks(item, plan)
        text = Text(f"{item.name}: ").append(item.value, style="bold")
        if item.range:
            text.append(f" ({item.range})")
        dated = f"checked {item.checked}" if item.checked else ""
        text.append(f"  {phrases.sentence([item.kind, item.source, dated, item.note])}", style="dim")
        if marks:
            text.append(f" [{', '.join(marks)}]", style="yellow")
        paper.line(text, lead=" • ")
