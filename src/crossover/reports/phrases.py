"""Sentences and choices that every report shares: which options are shown, how a break-even reads, what flags say."""

from __future__ import annotations

from collections.abc import Sequence

from crossover.deployment import Owned
from crossover.evidence import STALE_AFTER_DAYS
from crossover.planner.words import (
    KIND_TITLES,
    Assumption,
    BreakEven,
    Option,
    OptionKind,
    Plan,
    Refused,
    WorkloadView,
)
from crossover.reports import figures

KIND_LABELS: dict[OptionKind, str] = {"api": "API", "hosted": "hosted", "self": "self", "hybrid": "hybrid"}
MOST_RIVALS = 2
STAGES: dict[str, str] = {
    "memory": "does not fit in memory",
    "slo": "misses the SLO",
    "compliance": "a rule or agreement stands against it",
    "capability": "not able enough",
    "lifecycle": "retired or deprecated",
    "price": "no price known",
    "limits": "over a stated limit",
    "quality": "no proof that it is good enough",
}


def titles(plan: Plan) -> dict[str, str]:
    """Title of every ranked option by its id."""
    return {option.id: option.title for option in plan.options}


def best_of_each_kind(plan: Plan) -> dict[OptionKind, Option]:
    """The first ranked option of every class that has one, in the order of the classes."""
    found: dict[OptionKind, Option] = {}
    for kind in KIND_TITLES:
        best = next((option for option in plan.options if option.kind == kind), None)
        if best is not None:
            found[kind] = best
    return found


def shown(plan: Plan, top: int) -> list[tuple[int, Option]]:
    """Rank and option of the best ``top`` models; always the best of each class, today's and the recommended one.

    Of a model that several sellers or machines offer, only the cheapest is listed (see :func:`sellers`). Where those
    that are always shown stand further down, they take the last places, so that the list stays near ``top``.
    """
    always = {option.id for option in best_of_each_kind(plan).values()} | {plan.today or "", plan.verdict.option}
    always |= {option.id for option in _rented_and_bought(plan)}
    always |= {option.id for option in plan.options if option.kind == "self" and option.speed == "measured"}
    judged = next((option.id for option in plan.options if option.quality and option.kind == "self"), None)
    always |= {judged} if judged else set()
    ranked = list(enumerate(plan.options, start=1))
    forced = [pair for pair in ranked if pair[1].id in always]
    room = max(top - len(forced), 0)
    seen = {_model_place(option) for _, option in forced}
    filling: list[tuple[int, Option]] = []
    for pair in ranked:
        place = _model_place(pair[1])
        if pair[1].id in always or place in seen or len(filling) == room:
            continue
        if pair[1].kind == "api" and sum(other.kind == "api" for _, other in filling) == MOST_RIVALS:
            continue  # a list of APIs alone would hide what this is about
        seen.add(place)
        filling.append(pair)
    return sorted(forced + filling)


def _rented_and_bought(plan: Plan) -> list[Option]:
    """The best self-hosted option on rented machines, and the best on bought ones."""
    found: dict[bool, Option] = {}
    for option in plan.options:
        if option.kind == "self":
            found.setdefault(isinstance(option.deployment.billing, Owned), option)
    return list(found.values())


def _model_place(option: Option) -> tuple[str, str, bool]:
    """What a reader takes for one choice: class, model, and whether machines are bought."""
    return option.kind, option.model, isinstance(option.deployment.billing, Owned)


def sellers(option: Option, plan: Plan) -> str:
    """How many sell the same open weights per token, and for how much a month; empty for other classes."""
    costs = [row.usd_month for row in plan.options if row.kind == "hosted" and row.model == option.model]
    if option.kind != "hosted" or len(costs) < 2:
        return ""
    return f"{len(costs)} sellers, {figures.short_usd_range(min(costs), max(costs))}"


def full_scale(rows: Sequence[tuple[int, Option]], plan: Plan) -> float:
    """Dollars at the right end of ranked bars: today's bill and the recommended one fit, a far dearer one need not."""
    costs = sorted(option.usd_band.p90 for _, option in rows)
    if not costs:
        return 1.0
    kept = {plan.today, plan.verdict.option}
    must = max((option.usd_band.p90 for _, option in rows if option.id in kept), default=0.0)
    return max(must, min(costs[-1], 4 * costs[len(costs) // 2]))


def workload_line(view: WorkloadView) -> str:
    """The workload in one line."""
    parts = [
        f"{figures.count(view.requests_per_day, exact=True)} requests/day",
        f"{figures.tokens(view.input_tokens_mean)} in + {figures.tokens(view.output_tokens_mean)} out tokens",
        f"peak ×{view.peak_factor:.3g} = {figures.rate(view.peak_rps)}",
    ]
    for name, value in (
        ("cached", view.cached_share),
        ("batch", view.batch_share),
        ("sensitive", view.sensitive_share),
    ):
        if value:
            parts.append(f"{figures.share(value)} {name}")
    parts.append(f"SLO {', '.join(view.slo)}" if view.slo else "no SLO")
    if view.regimes:
        parts.append(", ".join(view.regimes))
    return " · ".join(parts)


def conventions(plan: Plan) -> str:
    """What every figure of the report assumes."""
    month = (
        f"A month is {plan.hours_per_month / 24:.3g} days ({plan.hours_per_month} h). Prices as of {plan.prices_as_of}."
    )
    ranges = "Ranges are 80 % intervals (P10–P90)."
    return ranges if any(note.startswith("A month is") for note in plan.notes) else f"{month} {ranges}"


def counts_line(plan: Plan) -> str:
    """How the work was spent."""
    c = plan.counts
    line = f"{c.enumerated:,} options: {c.refused:,} refused, {c.bounded:,} bounded by arithmetic, "
    line += f"{c.simulated:,} simulated"
    extra = [f"{c.servings_simulated:,} replicas replayed"] if c.servings_simulated else []
    extra += [f"{c.draws:,} draws"] if c.draws else []
    return f"{line} ({', '.join(extra)})" if extra else line


def flags(option: Option, plan: Plan) -> list[str]:
    """Short warnings about an option."""
    found = ["used today"] if option.id == plan.today else []
    if not option.calibrated:
        found.append("extrapolated")
    if not option.simulated:
        found.append("bounded only")
    if slo_word(option) == "missed":
        found.append("SLO missed")
    if option.demoted_by:
        found.append(f"demoted: {', '.join(option.demoted_by)}")
    return found


def slo_word(option: Option) -> str:
    """Whether the SLO holds: ``met``, ``missed``, ``not measured``; empty where nothing is promised."""
    if not option.slo:
        return ""
    if any(check.met is False for check in option.slo):
        return "missed"
    return "not measured" if any(check.met is None for check in option.slo) else "met"


def first_token(option: Option) -> str:
    """Time to first token at p95: replayed, or as an SLO check states it."""
    if option.peak is not None:
        return figures.seconds(option.peak.ttft.p95)
    for check in option.slo:
        if check.label.startswith("ttft_p95") and check.reached_s is not None:
            return figures.seconds(check.reached_s)
    return figures.NONE


def payback(option: Option) -> str:
    """Payback time in words: ``1.8 months``, ``never``, a dash where there is nothing to pay back."""
    if option.payback_months is not None:
        return figures.months(option.payback_months)
    return "never" if option.one_off_usd > 0 and (option.saving_usd_month or 0) <= 0 else figures.NONE


def crossings(item: BreakEven) -> str:
    """In which ranges of volume own machines are cheaper, from the crossings in rising order."""
    if not item.crossings:
        return item.note or "no crossing: the order does not change with volume"
    ranges: list[str] = []
    rising = sorted(item.crossings, key=lambda crossing: crossing.requests_per_day)
    start: float | None = None if rising[0].cheaper_above == "own" else 0.0
    for crossing in rising:
        if crossing.cheaper_above == "own":
            start = crossing.requests_per_day
        elif start is not None:
            high = crossing.requests_per_day
            ranges.append(f"{figures.count_range(start, high)}/day" if start else f"below {figures.per_day(high)}")
            start = None
    if start is not None:
        ranges.append(f"above {figures.per_day(start)}")
    if len(ranges) > 2:
        first, last = rising[0].requests_per_day, rising[-1].requests_per_day
        if start is None:
            return f"in {len(ranges)} ranges, the last below {figures.per_day(last)}"
        return f"in steps from {figures.per_day(first)}, always above {figures.per_day(last)}"
    return ", ".join(ranges[:-1]) + (" and " if len(ranges) > 1 else "") + ranges[-1]


def break_even_range(item: BreakEven) -> str:
    """The 80 % interval of the first crossing, and how sure it is that there is one at all."""
    if not item.crossings:
        return figures.NONE
    text = ""
    if item.band is not None:
        text = f"{figures.count_range(item.band.p10, item.band.p90)}/day"
    if (item.band is not None or item.share_crossing > 0) and item.share_crossing < 0.995:
        text += f"{'; ' if text else ''}crosses in {figures.share(item.share_crossing)} of draws"
    return text or figures.NONE


def reference_pairs(plan: Plan, most: int) -> list[BreakEven]:
    """The break-evens that matter first: the best own options against today's, the best API and the best hosted one."""
    best = best_of_each_kind(plan)
    sellers = [plan.today, *(best[kind].id for kind in ("api", "hosted") if kind in best)]
    owners = [best[kind].id for kind in ("self", "hybrid") if kind in best]
    wanted = [(api, own) for api in dict.fromkeys(sellers) for own in owners]
    found = {(item.api, item.own): item for item in plan.break_evens}
    first = [found[pair] for pair in wanted if pair in found]
    return (first or list(plan.break_evens))[:most]


def tornado_pair(plan: Plan) -> str:
    """Whose saving over whom the tornado shows."""
    names = titles(plan)
    if plan.tornado_pair is None:
        return "monthly saving of own machines over the API"
    api, own = plan.tornado_pair
    return f"monthly saving of {names.get(own, own)} over {names.get(api, api)}"


def span(low: str, high: str) -> str:
    """Two labels as a range; a unit that both end in is written once: ``$4,623 … $12,167/month``."""
    start = next((at for at, char in enumerate(low) if char in "/ "), len(low))
    shared = high.endswith(low[start:]) and len(high) > len(low) - start
    return f"{low[:start]} … {high}" if shared else f"{low} … {high}"


def refused_by_stage(plan: Plan) -> list[tuple[str, int, list[Refused]]]:
    """What was refused: stage, number of options, the entries; the largest stage first."""
    groups: dict[str, list[Refused]] = {}
    for item in plan.refused:
        groups.setdefault(item.stage, []).append(item)
    counted = [(stage, sum(item.count for item in items), items) for stage, items in groups.items()]
    return sorted(counted, key=lambda group: -group[1])


def marks(assumption: Assumption, plan: Plan) -> list[str]:
    """What a reader must know about a figure: nobody checked it, or the check is old."""
    found = [] if assumption.verified else ["unverified"]
    if assumption.checked is not None and (plan.made_on - assumption.checked).days > STALE_AFTER_DAYS:
        found.append("stale")
    return found


def sentence(parts: Sequence[str]) -> str:
    """Parts on one line, empty ones left out."""
    return " · ".join(part for part in parts if part and part != figures.NONE)
