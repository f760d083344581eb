"""The sections of the HTML report, each from the plan to markup. Every figure has its numbers as a table beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crossover.planner.words import KIND_TITLES, LineKind, Option, OptionKind, Plan, VolumeCurve
from crossover.reports import figures, measured, phrases, recorded, tables
from crossover.reports.markup import Child, Markup, items, join, tag

Section = Callable[[Plan], "Markup | None"]
BARS = 14
LINE_TITLES: dict[LineKind, str] = {
    "tokens": "tokens",
    "compute": "machines",
    "power": "power",
    "people": "people",
    "operations": "operations",
    "overflow": "overflow to an API",
}


def drawn(plan: Plan) -> dict[str, object]:
    """Which options the figures show: ranked bars, the latency curves, the breakdown of the bill."""
    latency = latency_option(plan)
    rows = phrases.shown(plan, BARS)
    return {
        "ranked": [[rank, option.id] for rank, option in rows],
        "full": phrases.full_scale(rows, plan),
        "latency": latency.id if latency else None,
        "tco": [option.id for option in bills(plan)],
        "curves": [_curve_name(curve) for curve in plan.curves],
        "tornado": [f"{bar.name}:  {phrases.span(bar.low_label, bar.high_label)}" for bar in plan.tornado],
    }


def latency_option(plan: Plan) -> Option | None:
    """The best option on own machines that was replayed; only those have latency curves."""
    return next((option for option in plan.options if option.kind in ("self", "hybrid") and option.peak), None)


def bills(plan: Plan) -> list[Option]:
    """The best option of each class, and today's."""
    found = list(phrases.best_of_each_kind(plan).values())
    today = next((option for option in plan.options if option.id == plan.today), None)
    return found if today is None or today in found else [*found, today]


def body(plan: Plan) -> Markup:
    """Everything between the body tags."""
    made = [(anchor, title, build(plan)) for anchor, title, build in _SECTIONS]
    kept = [(anchor, title, content) for anchor, title, content in made if content is not None]
    links = items((tag("a", title, href=f"#{anchor}") for anchor, title, _ in kept), cls="")
    nav = tag("nav", links, aria_label="Sections")
    parts = [
        tag("section", tag("h2", title, id=f"{anchor}-title"), content, id=anchor, aria_labelledby=f"{anchor}-title")
        for anchor, title, content in kept
    ]
    script = "The figures are drawn by a script; the tables hold the same numbers."
    return join([_top(plan, nav), tag("noscript", tag("p", script, cls="top")), tag("main", *parts), _footer(plan)])


def _top(plan: Plan, nav: Markup) -> Markup:
    verdict = plan.verdict
    eyebrow = f"Crossover plan · {plan.workload.name} · made {plan.made_on} · prices as of {plan.prices_as_of}"
    return tag(
        "header",
        tag("p", eyebrow, cls="eyebrow"),
        tag("h1", verdict.headline),
        tag("p", verdict.action, cls="action") if verdict.action != verdict.headline else None,
        items(phrases.workload_line(plan.workload).split(" · "), cls="workload"),
        items(verdict.reasons, name="ol", cls="reasons"),
        tag("p", tag("strong", "Before you act. "), verdict.caveat, cls="caveat") if verdict.caveat else None,
        _cards(plan),
        nav,
        cls="top",
    )


def _cards(plan: Plan) -> Markup:
    cards = []
    for kind, option in phrases.best_of_each_kind(plan).items():
        spread = f"80 %: {figures.usd_range(option.usd_band.p10, option.usd_band.p90)}"
        chance = f"cheapest: {figures.share(option.p_cheapest)} of draws"
        pays = phrases.payback(option)
        cards.append(
            tag(
                "div",
                tag("p", KIND_TITLES[kind], cls=f"kind {kind}"),
                tag("p", figures.usd(option.usd_month), tag("span", " /month"), cls="money"),
                tag("p", spread, cls="small"),
                tag("p", option.title, cls="name"),
                tag("p", chance, cls="small"),
                tag("p", f"payback: {pays}", cls="small") if pays != figures.NONE else None,
                tag("span", "recommended", cls="flag good") if option.id == plan.verdict.option else None,
                tag("span", "used today", cls="flag") if option.id == plan.today else None,
                cls=f"card {kind}",
            )
        )
    return join([tag("h2", "The best of each class", cls="hidden"), tag("div", *cards, cls="cards")])


def _figure(name: str, caption: str, label: str, keys: Sequence[Markup], numbers: Markup, *extra: Child) -> Markup:
    rows = name in ("ranked", "tco", "tornado")
    return tag(
        "figure",
        tag("figcaption", caption),
        tag("ul", *keys, cls="keys") if keys else None,
        tag("div", role="img", aria_label=label, data_chart=name, cls="plot rows" if rows else "plot"),
        *extra,
        tag("details", tag("summary", "The same figures as a table"), numbers),
    )


def _key(text: str, cls: str) -> Markup:
    return tag("li", tag("i", cls=cls, aria_hidden="true"), text)


def _kind_keys(kinds: Sequence[OptionKind], shape: str = "") -> list[Markup]:
    return [_key(KIND_TITLES[kind], f"{shape} {kind}".strip()) for kind in kinds]


def _curve_name(curve: VolumeCurve) -> str:
    named = KIND_TITLES[curve.kind].casefold() in curve.title.casefold() or curve.title.startswith("today")
    return curve.title if named else f"{KIND_TITLES[curve.kind]}: {curve.title}"


def _volume(plan: Plan) -> Markup | None:
    if not plan.curves:
        return None
    caption = (
        "What each class costs at every volume, both axes logarithmic. Lines are medians, bands hold 80 % "
        "of the draws. Numbered rings mark where the order of an API and of own machines changes."
    )
    keys = [_key(_curve_name(curve), curve.kind) for curve in plan.curves]
    keys += [_key("today's bill", "dot")] if plan.today else []
    numbers = tag("ol", id="crossings", cls="crossings", aria_label="Crossings of the medians")
    label = f"Cost against volume for {len(plan.curves)} classes; the table below has the same figures"
    return _figure("volume", caption, label, keys, tables.curves(plan), numbers)


def _options(plan: Plan) -> Markup | None:
    if not plan.options:
        return tag("p", "No option passes every filter; see what was refused and why.", cls="panel")
    kinds = list(phrases.best_of_each_kind(plan))
    caption = (
        "Dollars a month. Bars are the bill counted line by line; the dot is P50, whiskers reach from P10 to P90. "
    )
    caption += "A bar that ends in › goes on beyond the figure."
    rows = phrases.shown(plan, BARS)
    figure = _figure(
        "ranked",
        caption,
        f"Ranked bars of the monthly cost of {len(rows)} options with error bars",
        _kind_keys(kinds, "box"),
        tables.costs(rows),
    )
    shown = {option.id for _, option in rows}
    rest = [(rank, option) for rank, option in enumerate(plan.options, start=1) if option.id not in shown]
    more = None
    if rest:
        summary = tag("summary", f"{len(rest):,} more ranked options")
        more = tag("details", summary, tables.options(rest, plan, "The other ranked options"))
    table = tables.options(rows, plan, "The best options, the best of each class, and the one in use today")
    return join([figure, tag("div", table, more, cls="panel"), _details(plan, rows)])


def _details(plan: Plan, rows: Sequence[tuple[int, Option]]) -> Markup:
    parts: list[Child] = [tag("h3", "Every line of the bills")]
    for rank, option in rows:
        place = tag("span", f"rank {rank} · {figures.usd(option.usd_month)} a month", cls="small")
        parts.append(
            tag("details", tag("summary", option.title, " ", place), tables.details(option, plan), cls="option")
        )
    return tag("div", *parts, cls="panel")


def _break_even(plan: Plan) -> Markup | None:
    parts: list[Child] = []
    if plan.break_evens:
        every = tag("details", tag("summary", f"Pair by pair ({len(plan.break_evens):,})"), tables.break_evens(plan))
        parts.append(tag("div", tables.break_even_matrix(plan), every, cls="panel"))
    if plan.flips:
        flips = items(flip.sentence for flip in plan.flips)
        parts += [tag("h3", "What would change the answer"), tag("div", flips, tables.flips(plan), cls="panel")]
    if plan.reach:
        parts += [tag("h3", "Budgets in reach"), tag("div", items(row.sentence for row in plan.reach), cls="panel")]
    return join(parts) if parts else None


def _replicas(plan: Plan) -> Markup | None:
    curve = plan.replica_curve
    if curve is None:
        return None
    target = phrases.titles(plan).get(curve.overflow_to, curve.overflow_to)
    caption = (
        f"{curve.title}: own machines carry the base load, what they cannot take in time goes to {target}. "
        f"{curve.best} {'replica is' if curve.best == 1 else 'replicas are'} cheapest."
    )
    keys = [_key("own machines", "box compute"), _key("overflow", "box overflow"), _key("total", "dot")]
    label = f"Total cost against the number of own replicas; {curve.best} is cheapest"
    return _figure("replicas", caption, label, keys, tables.replicas(curve))


def _latency(plan: Plan) -> Markup | None:
    option = latency_option(plan)
    if option is None or option.peak is None:
        return None
    through = figures.plural(option.peak.replicas, "replica")
    replayed = f"{option.peak.requests:,} requests replayed at the peak through {through}"
    caption = (
        f"{option.title}: {replayed}. Each curve says which share of requests (of tokens, for the time between tokens) "
        "was served within a time. Vertical lines are your SLO; a curve must pass its square on the left."
    )
    keys = [_key("time to first token", "ttft"), _key("between tokens", "itl"), _key("end to end", "e2e")]
    label = f"Distribution of latencies of {option.title}"
    return _figure("latency", caption, label, keys, tables.latency(option))


def _tco(plan: Plan) -> Markup | None:
    rows = bills(plan)
    if not rows:
        return None
    kinds = [kind for kind in LINE_TITLES if any(line.kind == kind for option in rows for line in option.lines)]
    keys = [_key(LINE_TITLES[kind], f"box {kind}") for kind in kinds]
    caption = "What the bill of the best option of each class is made of, in dollars a month."
    label = "Stacked bars of the monthly bill by kind of line"
    return _figure("tco", caption, label, keys, tables.bills(rows))


def _tornado(plan: Plan) -> Markup | None:
    if not plan.tornado:
        return None
    caption = (
        f"How far each input alone moves the {phrases.tornado_pair(plan)}, from its low to its high value. "
        "Left of zero the API is cheaper."
    )
    keys = [_key("at the low value", "ring"), _key("at the high value", "dot")]
    label = "Tornado of the inputs that move the answer most"
    return _figure("tornado", caption, label, keys, tables.tornado(plan))


def _rules(plan: Plan) -> Markup | None:
    return tag("div", tables.rules(plan), cls="panel") if plan.rules else None


def _refused(plan: Plan) -> Markup | None:
    return tag("div", tables.refused(plan), cls="panel") if plan.refused else None


def _assumptions(plan: Plan) -> Markup | None:
    return tag("div", tables.assumptions(plan), cls="panel") if plan.assumptions else None


def _notes(plan: Plan) -> Markup | None:
    notes = [*plan.notes, *plan.workload.notes, phrases.conventions(plan)]
    return tag("div", items(notes), tables.workload(plan), cls="panel")


def _footer(plan: Plan) -> Markup:
    made = f"Crossover {plan.product_version} · schema {plan.schema_version} · seed {plan.seed}"
    privacy = "This file asks the network for nothing; the whole plan is inside it as JSON."
    return tag("footer", tag("p", f"{phrases.counts_line(plan)}."), tag("p", f"{made}. {privacy}"))


_SECTIONS: tuple[tuple[str, str, Section], ...] = (
    ("volume", "Cost against volume", _volume),
    ("record", "From the record", recorded.section),
    ("options", "Options", _options),
    ("measured", "What was measured", measured.section),
    ("break-even", "Break-even", _break_even),
    ("what-if", "What if", recorded.what_if),
    ("replicas", "Own replicas and overflow", _replicas),
    ("latency", "Latency", _latency),
    ("tco", "Where the money goes", _tco),
    ("uncertainty", "Biggest uncertainties", _tornado),
    ("rules", "Rules applied", _rules),
    ("refused", "Refused, and why", _refused),
    ("assumptions", "Assumptions and sources", _assumptions),
    ("notes", "Notes and workload", _notes),
)
