"""The tables of the HTML report; each holds every number of the figure it stands beside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from crossover.planner.words import KIND_TITLES, BreakEven, Option, Plan, ReplicaCurve
from crossover.reports import figures, measured, phrases
from crossover.reports.explanation import billing_words
from crossover.reports.markup import Child, Column, Markup, items, join, link, table, tag

CURVE_ROWS = 16
PAIRS = 400
MATRIX_ROWS, MATRIX_COLUMNS = 8, 4
Rows = Sequence[tuple[int, Option]]
WARNINGS = ("SLO missed", "extrapolated", "demoted", "bounded only")


def options(rows: Rows, plan: Plan, caption: str) -> Markup:
    """Ranked options with their figures and flags."""
    columns = [
        Column("option", wide=True),
        Column("$/month", number=True),
        Column("P10 / P50 / P90", number=True),
        Column("cheapest", number=True),
        Column("$/request", number=True),
        Column("replicas", number=True),
        Column("TTFT p95", number=True),
        Column("SLO"),
        Column("payback", number=True),
    ]
    cells = [
        (
            _name(rank, option, plan),
            figures.usd(option.usd_month),
            figures.usd_band(option.usd_band),
            figures.share(option.p_cheapest),
            figures.usd(option.usd_per_request),
            figures.replicas(option.replicas, option.spare_replicas).replace(" spare", ""),
            phrases.first_token(option),
            phrases.slo_word(option).replace("not measured", "unknown"),
            phrases.payback(option).replace(" months", " mo").replace(" years", " yr"),
        )
        for rank, option in rows
    ]
    chosen = next((number for number, (_, option) in enumerate(rows) if option.id == plan.verdict.option), None)
    return table(caption, columns, cells, chosen=chosen)


def _name(rank: int, option: Option, plan: Plan) -> Markup:
    kind = tag("span", KIND_TITLES[option.kind], cls=f"word {option.kind}")
    said = (tag("span", remark, cls="flag good") for remark in measured.said(option))
    flags = (_flag(text) for text in phrases.flags(option, plan))
    return join([f"{rank}. {option.title} ", tag("br"), kind, " ", *said, *flags])


def _flag(text: str) -> Markup:
    return tag("span", text, cls="flag bad" if text.startswith(WARNINGS) else "flag")


def costs(rows: Rows) -> Markup:
    """The figures behind the ranked bars."""
    columns = [Column("option", wide=True), *(Column(name, number=True) for name in ("$/month", "P10", "P50", "P90"))]
    cells = [
        (
            f"{rank}. {option.title}",
            figures.usd(option.usd_month),
            *map(figures.rough_usd, (option.usd_band.p10, option.usd_band.p50, option.usd_band.p90)),
        )
        for rank, option in rows
    ]
    return table("Dollars a month", columns, cells)


def details(option: Option, plan: Plan) -> Markup:
    """Everything behind one option: reasons, bill, place, promises."""
    facts: list[Child] = [f"ranked below cheaper ones by the rule: {rule}" for rule in option.demoted_by]
    facts += [*option.reasons, *option.caveats, billing_words(option.deployment.billing)]
    zone = option.deployment.zone
    agreements = ", ".join(sorted(zone.agreements)) or "none declared"
    facts.append(f"zone {zone.name} ({zone.operator}, {zone.party}); agreements: {agreements}")
    if option.replicas:
        serving = figures.replicas(option.replicas, option.spare_replicas)
        busy = f", busy {figures.share(option.utilisation)} of the paid time" if option.utilisation is not None else ""
        machines = figures.plural(option.machines, "machine")
        facts.append(f"replicas: {serving}; {machines} paid; {figures.rate(option.replica_rps)} each{busy}")
    if option.overflow_to:
        target = phrases.titles(plan).get(option.overflow_to, option.overflow_to)
        facts.append(f"{figures.share(option.overflow_share)} of requests overflow to {target}")
    if option.one_off_usd:
        facts.append(f"one-off {figures.usd(option.one_off_usd)}; payback {phrases.payback(option)}")
    if option.tco_cross_check_usd is not None:
        low, high = option.tco_cross_check_usd
        facts.append(f"cross-check: the popular 1.5–2 × compute would say {figures.usd_range(low, high)}")
    for check in option.slo:
        word = {True: "met", False: "missed", None: "not measured"}[check.met]
        reached = f", reached {figures.seconds(check.reached_s)}" if check.reached_s is not None else ""
        facts.append(f"{check.label}: {word}{reached}{f' ({check.note})' if check.note else ''}")
    columns = [Column("line", wide=True), Column("$/month", number=True), Column("basis"), Column("note")]
    lines = [(line.name, figures.usd(line.usd_month), line.basis, line.note) for line in option.lines]
    total = ("total", figures.usd(option.usd_month), "", "")
    bill = table(f"The bill of {option.title}", columns, lines, foot=total)
    return join([bill, items(facts), measured.facts(option), tag("p", f"id: {option.id}", cls="small")])


def curves(plan: Plan) -> Markup:
    """Medians and bands of the classes at some of the volumes drawn."""
    volumes = [point.requests_per_day for point in plan.curves[0].points]
    step = max(1, -(-len(volumes) // CURVE_ROWS))
    columns = [Column("requests/day"), *(Column(KIND_TITLES[curve.kind], number=True) for curve in plan.curves)]
    rows: list[Sequence[Child]] = []
    for at in range(0, len(volumes), step):
        cells: list[Child] = [figures.count(volumes[at])]
        for curve in plan.curves:
            point = curve.points[at] if at < len(curve.points) else None
            cells.append(_banded(point.p50, point.p10, point.p90) if point else figures.NONE)
        rows.append(cells)
    return table("Dollars a month: P50 (P10–P90)", columns, rows)


def _banded(middle: float, low: float, high: float) -> str:
    return f"{figures.short_usd(middle)} ({figures.short_usd_range(low, high)})"


def break_evens(plan: Plan) -> Markup:
    """Every pair with its crossings."""
    names = phrases.titles(plan)
    columns = [Column("own machines", wide=True), Column("instead of"), Column("cost less"), Column("80 % interval")]
    rows = [
        (
            names.get(item.own, item.own),
            names.get(item.api, item.api),
            tag("strong", phrases.crossings(item)) if item.crossings else phrases.crossings(item),
            join([phrases.break_even_range(item), f" · {item.note}" if item.note and item.crossings else None]),
        )
        for item in plan.break_evens[:PAIRS]
    ]
    caption = "At which volume own machines cost less"
    more = len(plan.break_evens) - PAIRS
    if more > 0:
        caption += f"; {more:,} more pairs of dearer options are in the plan inside this file (break_evens)"
    return table(caption, columns, rows)


def break_even_matrix(plan: Plan) -> Markup:
    """The best own options against today's, the best API and hosted ones: from which volume own machines cost less."""
    names = phrases.titles(plan)
    order = {option.id: rank for rank, option in enumerate(plan.options)}
    best = phrases.best_of_each_kind(plan)
    first = [plan.today or "", *(best[kind].id for kind in ("api", "hosted") if kind in best)]
    found = {(item.api, item.own): item for item in plan.break_evens}
    known = dict.fromkeys(api for api, _ in found)
    sellers = [name for name in dict.fromkeys([*first, *known]) if name in known][:MATRIX_COLUMNS]
    owners = sorted(dict.fromkeys(own for _, own in found), key=lambda own: order.get(own, len(order)))[:MATRIX_ROWS]
    columns = [Column("own machines", wide=True), *(Column(names.get(api, api)) for api in sellers)]
    rows = [[names.get(own, own), *(_volumes(found.get((api, own))) for api in sellers)] for own in owners]
    return table("Volumes at which own machines cost less than …", columns, rows)


def _volumes(item: BreakEven | None) -> Child:
    if item is None:
        return figures.NONE
    text = phrases.crossings(item)
    return tag("strong", text) if item.crossings else text


def flips(plan: Plan) -> Markup:
    """Where one input alone turns the answer."""
    names = phrases.titles(plan)
    columns = [
        Column("input"),
        Column("now", number=True),
        Column("flips at", number=True),
        Column("unit"),
        Column("then"),
    ]
    rows = [
        (
            flip.name,
            figures.count(flip.now, exact=True),
            _plain(flip.flips_at),
            flip.unit,
            names.get(flip.winner, flip.winner),
        )
        for flip in plan.flips
    ]
    return table("One input at a time", columns, rows)


def _plain(value: float) -> str:
    return figures.count(value) if abs(value) >= 100 else f"{value:.3g}"


def replicas(curve: ReplicaCurve) -> Markup:
    """Own replicas against overflow."""
    names = ("own machines", "overflow", "requests that overflow", "busy")
    columns = [Column("replicas"), *(Column(name, number=True) for name in names)]
    rows = [
        (
            str(point.replicas),
            figures.rough_usd(point.own_usd_month),
            figures.rough_usd(point.overflow_usd_month),
            figures.share(point.overflow_share),
            figures.share(point.utilisation),
        )
        for point in curve.points
    ]
    chosen = next((number for number, point in enumerate(curve.points) if point.replicas == curve.best), None)
    return table("Dollars a month", columns, rows, chosen=chosen)


def latency(option: Option) -> Markup:
    """Percentiles of the replay."""
    run = option.peak
    if run is None:
        return Markup("")
    columns = [
        Column("latency", wide=True),
        *(Column(name, number=True) for name in ("mean", "p50", "p90", "p95", "p99")),
    ]
    named = (
        ("time to first token", run.ttft),
        ("between tokens (ITL)", run.itl),
        ("per output token (TPOT)", run.tpot),
        ("end to end", run.e2e),
        ("waiting in the queue", run.queue_s),
    )
    rows = [(name, *map(figures.seconds, (row.mean, row.p50, row.p90, row.p95, row.p99))) for name, row in named]
    return table(f"Latency of {option.title} at the peak", columns, rows)


def bills(rows: Sequence[Option]) -> Markup:
    """Lines of several bills, one below the other."""
    columns = [
        Column("option", wide=True),
        Column("line"),
        Column("kind"),
        Column("$/month", number=True),
        Column("basis"),
    ]
    cells = [
        (option.title, line.name, line.kind, figures.usd(line.usd_month), line.basis)
        for option in rows
        for line in option.lines
    ]
    return table("Dollars a month by line", columns, cells)


def tornado(plan: Plan) -> Markup:
    """What each input does to the saving."""
    columns = [
        Column("input", wide=True),
        Column("low"),
        Column("saving at low", number=True),
        Column("high"),
        Column("saving at high", number=True),
    ]
    rows = [
        (bar.name, bar.low_label, figures.rough_usd(bar.at_low_usd), bar.high_label, figures.rough_usd(bar.at_high_usd))
        for bar in plan.tornado
    ]
    return table(f"Dollars a month: {phrases.tornado_pair(plan)}", columns, rows)


def _date(day: dt.date | None) -> Child:
    return tag("span", str(day), cls="date") if day else ""


def rules(plan: Plan) -> Markup:
    """Rules of the decision framework, as the user stated them."""
    columns = [Column("rule"), Column("stated"), Column("effect"), Column("touches")]
    rows = [
        (rule.rule, rule.stated, rule.effect, ", ".join(KIND_TITLES[kind] for kind in rule.touches))
        for rule in plan.rules
    ]
    return table("What you stated, and what it did to the ranking", columns, rows)


def refused(plan: Plan) -> Markup:
    """Refusals with rule, source and date."""
    columns = [
        Column("refused, for example", wide=True),
        Column("options", number=True),
        Column("because"),
        Column("reason", wide=True),
        Column("rule"),
        Column("source", wide=True),
        Column("checked"),
    ]
    rows = [
        (
            item.example,
            f"{item.count:,}",
            phrases.STAGES.get(stage, stage),
            item.reason,
            item.rule,
            link(item.source),
            _date(item.checked),
        )
        for stage, _, entries in phrases.refused_by_stage(plan)
        for item in entries
    ]
    return table("Options that were not ranked", columns, rows)


def assumptions(plan: Plan) -> Markup:
    """What the plan stands on, with sources and dates; doubtful rows are marked."""
    columns = [
        Column("assumption", wide=True),
        Column("value"),
        Column("range"),
        Column("basis"),
        Column("checked"),
        Column("source", wide=True),
    ]
    rows = [
        (
            join([item.name, " ", *(tag("span", mark, cls="flag bad") for mark in phrases.marks(item, plan))]),
            item.value,
            item.range,
            item.kind,
            _date(item.checked),
            join([link(item.source), tag("span", item.note, cls="note") if item.note else None]),
        )
        for item in plan.assumptions
    ]
    return table("Measured is preferred to published, published to assumed", columns, rows)


def workload(plan: Plan) -> Markup:
    """The workload as the plan understood it."""
    view = plan.workload
    rows = [
        ("source", view.source),
        ("requests a day", figures.count(view.requests_per_day, exact=True)),
        (
            "input tokens: mean, p95",
            f"{figures.tokens(view.input_tokens_mean)}, {figures.tokens(view.input_tokens_p95)}",
        ),
        (
            "output tokens: mean, p95",
            f"{figures.tokens(view.output_tokens_mean)}, {figures.tokens(view.output_tokens_p95)}",
        ),
        ("peak", f"×{view.peak_factor:.3g}, {figures.rate(view.peak_rps)}"),
        ("cached share of input", figures.share(view.cached_share)),
        ("share that can wait for a batch", figures.share(view.batch_share)),
        ("share that is sensitive", figures.share(view.sensitive_share)),
        ("burstiness (1 = Poisson)", f"{view.burstiness:.3g}"),
        ("SLO", ", ".join(view.slo) or "none"),
        ("regimes", ", ".join(view.regimes) or "none"),
    ]
    return table("The workload as it was understood", [Column("what"), Column("value")], rows)
