"""Verdict: the answer in plain words, from figures that are already there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crossover.money import show
from crossover.planner.candidates import WITHDRAWN
from crossover.planner.words import KIND_TITLES, BreakEven, Option, OptionKind, Reach, Refused, Verdict

WORTH_MOVING = 0.10  # a saving below a tenth of today's bill is not worth a migration
ENGINEER_DAYS = 20  # working days a month: a saving below one of an engineer's days a month pays for no move
SURE_ENOUGH = 0.80  # and it must be there in four of five imagined futures
POPULAR_CLAIM = 0.20  # "own machines cost a fifth of the API bill" is what articles promise
CAVEAT = (
    "This compares money, speed and rules, not quality: before you move, run your own prompts through both models "
    "and compare the answers."
)


PROVED = "Your own evaluation found it {words}. It says so of the prompts it was given: keep watching."
FAILED = "Your own evaluation found it {words}: think twice."


def caveat(chosen: Option) -> str:
    """What the plan cannot know of its advice: quality without an evaluation, the latency of what nobody measured."""
    unknown = [check.label for check in chosen.slo if check.met is None]
    missed = [check.label for check in chosen.slo if check.met is False]
    said = next((proof for proof in chosen.quality if proof.standing == "used"), None)
    worse = said is not None and said.verdict.startswith("worse")
    rows = [CAVEAT]
    if said is not None and (said.passed or worse):
        rows = [(PROVED if said.passed else FAILED).format(words=said.words)]
    if missed:
        rows.append(f"Your measurement of it misses {', '.join(missed)}.")
    if unknown:
        rows.append(f"Whether it keeps {', '.join(unknown)} is not known either: measure that endpoint.")
    return " ".join(rows)


def decide(
    ranked: Sequence[Option],
    today: Option | None,
    saving_chance: dict[str, float],
    break_evens: Sequence[BreakEven],
    refused: Sequence[Refused],
    reach: Sequence[Reach],
    engineer_day_usd: float,
    in_use: str | None = None,
) -> Verdict:
    """What to do and why.

    ``saving_chance`` is the share of futures in which an option is cheaper than today's; ``in_use`` the id of today's
    model, which ``today`` lacks where it was refused.
    """
    if not ranked:
        return _nothing_left(refused)
    best = ranked[0]
    if today is None:
        headline = f"Start with {best.title}: about {show(best.usd_month)} a month"
        action = f"Use {best.title} ({KIND_TITLES[best.kind]})."
        lost = [f"{row.example}, in use today, is refused: {row.reason}." for row in refused if row.example == in_use]
        reasons = (*lost[:1], *_reasons(ranked, best, None, break_evens, reach))[:3]
        return Verdict(headline=headline, action=action, reasons=reasons, caveat=caveat(best), option=best.id)
    saving = today.usd_month - best.usd_month
    chance = saving_chance.get(best.id, 0.0)
    least = max(WORTH_MOVING * today.usd_month, engineer_day_usd)
    pushed = tuple(rule for rule in today.demoted_by if rule not in best.demoted_by)  # what the user stated counts more
    stays = best.id == today.id or (not pushed and (saving < least or chance < SURE_ENOUGH))
    if stays:
        headline = f"Stay on {today.title}: {show(today.usd_month)} a month"
        action = f"Keep {today.title} and plan again when the volume or a price changes."
        ending = next((row for row in today.caveats if row.startswith(WITHDRAWN)), "")
        if ending:  # advice to stay must not hide that there is an end
            action = f"Keep {today.title} only for now: it is {ending.partition(' (')[0]}."
        why = _why_stay(ranked, today, saving, chance, engineer_day_usd)
        reasons = (why, *_reasons(ranked, today, None, break_evens, reach))[:3]
        return Verdict(headline=headline, action=action, reasons=reasons, caveat=caveat(today), option=today.id)
    costs = f"about {show(best.usd_month)} a month instead of {show(today.usd_month)}"
    headline = f"Move from {today.title} to {best.title}: {costs}"
    proved = any(proof.passed for proof in best.quality)
    once = "" if proved else " once its answers are proved good enough"
    action = f"Move to {best.title} ({KIND_TITLES[best.kind]}){once}."
    reasons = _reasons(ranked, best, today, break_evens, reach)
    if pushed:
        why = f"The rule on {' and '.join(pushed)}, which you stated, ranks {today.title} below {best.title}."
        reasons = (why, *reasons)[:3]
    return Verdict(headline=headline, action=action, reasons=reasons, caveat=caveat(best), option=best.id)


def _why_stay(ranked: Sequence[Option], today: Option, saving: float, chance: float, engineer_day_usd: float) -> str:
    best = ranked[0]
    if best.id == today.id:
        return (
            f"No other option is cheaper: the next costs {show(ranked[1].usd_month)} a month."
            if len(ranked) > 1
            else "Nothing else passes every filter."
        )
    if saving < WORTH_MOVING * today.usd_month:
        return (
            f"The cheapest other option, {best.title}, saves {show(saving)} a month ({saving / today.usd_month:.0%}): "
            "too little to pay for a move."
        )
    if saving < engineer_day_usd:
        return (
            f"{best.title} would save {show(saving)} a month, less than one day of an engineer "
            f"({show(engineer_day_usd)}): a move does not pay yet."
        )
    return f"{best.title} looks cheaper by {show(saving)} a month, but only in {chance:.0%} of the futures drawn."


def _reasons(
    ranked: Sequence[Option],
    chosen: Option,
    today: Option | None,
    break_evens: Sequence[BreakEven],
    reach: Sequence[Reach],
) -> tuple[str, ...]:
    """Three reasons: the money, the rival of the other class, and where the answer changes."""
    rows: list[str] = []
    low, high = chosen.usd_band.p10, chosen.usd_band.p90
    text = f"{chosen.title} costs {show(chosen.usd_month)} a month, 80 % between {show(low)} and {show(high)}"
    if today is not None:
        saving = today.usd_month - chosen.usd_month
        text += f"; that saves {show(saving)} a month" if saving >= 0 else f"; that is {show(-saving)} a month more"
        if chosen.payback_months is not None and chosen.one_off_usd > 0:
            text += f" and pays back {show(chosen.one_off_usd)} in {chosen.payback_months:.1f} months"
    rows.append(text + ".")
    own_chosen = chosen.kind in {"self", "hybrid"}
    rival = next((option for option in ranked if (option.kind in {"self", "hybrid"}) != own_chosen), None)
    if rival is not None:
        rows.append(_against(rival, chosen))
    rows.extend(row.sentence for row in reach[:1])
    crossing = _crossing_sentence(break_evens, ranked, chosen)
    if crossing:
        rows.append(crossing)
    return tuple(rows[:3])


def _against(rival: Option, chosen: Option) -> str:
    people = sum(line.usd_month for line in rival.lines if line.kind == "people")
    machines = sum(line.usd_month for line in rival.lines if line.kind in {"compute", "power"})
    text = f"The best {KIND_TITLES[rival.kind]} option, {rival.title}, costs {show(rival.usd_month)} a month"
    if rival.kind in {"self", "hybrid"}:
        spare = f" with {rival.spare_replicas} in reserve" if rival.spare_replicas else ""
        count = f"{rival.replicas} replica{'s' if rival.replicas != 1 else ''}{spare}"
        text += f": {show(machines)} for machines ({count}) and {show(people)} for people"
    if rival.usd_month < chosen.usd_month and rival.demoted_by:
        text += f", but the rule on {', '.join(rival.demoted_by)} ranks it lower"
    return text + "."


def _crossing_sentence(break_evens: Sequence[BreakEven], ranked: Sequence[Option], chosen: Option) -> str:
    """The first crossing of the chosen option; of any other pair where it has none."""
    crossing = [row for row in break_evens if row.crossings]
    if not crossing:
        return ""
    row = next((row for row in crossing if chosen.id in (row.api, row.own)), crossing[0])
    names = {option.id: option.title for option in ranked}
    first = row.crossings[0]
    direction = "above" if first.cheaper_above == "own" else "below"
    own, seller = names.get(row.own, row.own), names.get(row.api, row.api.split(":", 1)[-1])
    volume = float(f"{first.requests_per_day:.3g}")
    return f"{own} costs less than {seller} {direction} about {volume:,.0f} requests a day."


def reach_of(target: float, label: str, options: Sequence[Option], costs: NDArray[np.float64]) -> Reach:
    """The chance, per class, that its best option stays within ``target`` dollars a month.

    ``costs`` has shape (options, draws), in the order of ``options``.
    """
    best: dict[OptionKind, tuple[str, float, float]] = {}
    for option, row in zip(options, costs, strict=True):
        chance = float((row <= target).mean())
        if option.kind not in best or (chance, -option.usd_month) > (best[option.kind][1], -best[option.kind][2]):
            best[option.kind] = (option.id, chance, option.usd_month)
    parts: list[str] = []
    for kind, (_, chance, cost) in best.items():
        word = "yes" if chance >= SURE_ENOUGH else "no" if chance <= 1 - SURE_ENOUGH else "perhaps"
        parts.append(f"{KIND_TITLES[kind]} {word} ({show(cost)}, {chance:.0%} of futures)")
    sentence = f"Is {show(target)} a month ({label}) reachable? " + "; ".join(parts) + "."
    chances = tuple((kind, identity, chance) for kind, (identity, chance, _) in best.items())
    return Reach(target_usd=target, label=label, chances=chances, sentence=sentence)


def _nothing_left(refused: Sequence[Refused]) -> Verdict:
    stages = sorted({row.stage for row in refused})
    strictest = max(refused, key=lambda row: row.count, default=None)
    reasons = tuple(
        f"{row.count} × {row.stage}: {row.reason}" for row in sorted(refused, key=lambda row: -row.count)[:3]
    )
    action = f"Loosen {' or '.join(stages)}" if stages else "Widen the scope"
    if strictest is not None and strictest.stage == "compliance":
        action = "Declare the agreements that are signed (--agreement PARTY=baa,dpa), or allow own machines"
    return Verdict(
        headline="No option passes every filter", action=action + ".", reasons=reasons, caveat=CAVEAT, option=""
    )
