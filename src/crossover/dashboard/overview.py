"""The first page: what was paid and saved, what stayed at home, how fast and how well it went, what it does now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from crossover.dashboard import charts
from crossover.dashboard.periods import Span, span
from crossover.dashboard.render import count, usd
from crossover.dashboard.words import Live, Source
from crossover.ledger.budgets import Standing
from crossover.ledger.hours import Sums
from crossover.ledger.listing import Filter
from crossover.ledger.pace import Pace
from crossover.reports.figures import share

LATEST = 8
_LENGTH = {"day": 86_400.0, "week": 7 * 86_400.0, "month": 30.44 * 86_400.0}


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which the period's requests could have been served: what it costs, in parts that are drawn."""

    name: str
    parts: tuple[tuple[str, float], ...]  # (class of the colour, picodollars)
    note: str
    known: bool = True

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(part for _, part in self.parts)


class Burn(msgspec.Struct, frozen=True, kw_only=True):
    """A budget in its period in force. ``projected`` is what is spent at its end if it goes on like this."""

    name: str
    period: str
    limit: int
    spent: int
    reserved: int
    passed: float | None  # share of the period that is over
    projected: float | None

    @property
    def used(self) -> float:
        """The share of the limit that is spent or set aside."""
        return (self.spent + self.reserved) / self.limit if self.limit else 0.0

    @property
    def state(self) -> str:
        """In a word: ``good``, ``close`` or ``bad``."""
        if self.used >= 1:
            return "bad"
        return "close" if self.used >= 0.8 or (self.projected or 0) > self.limit else "good"


def overview(source: Source, asked: Mapping[str, str], live: Live | None) -> dict[str, Any]:
    """Everything the page shows."""
    now = source.now()
    period = span(asked.get("period", ""), now, source.begin())
    hours = source.hours(period.since, period.until, period.step)
    end = hours.since + hours.step * len(hours.spans)
    pace = source.pace(hours.since, end, len(hours.spans))
    whole, local, nobody = hours.whole(), hours.whole("local"), hours.whole("nobody")
    machines = sum(one.paid for one in source.idle(period.since, period.until, hourly(source, live)))
    answered = whole.requests - nobody.requests
    return {
        "period": period,
        "empty": not whole.requests,
        "whole": whole,
        "local": local,
        "answered": answered,
        "machines": machines,
        "share_local": local.requests / answered if answered else None,
        "share_bad": whole.failed / whole.requests if whole.requests else None,
        "pace": pace,
        "ways": ways(whole, answered, machines, pace),
        "sentence": sentence(period, whole, local, answered),
        "faults": sorted(pace.faults.items(), key=lambda item: (-item[1], item[0]))[:6],
        "charts": (
            charts.requests(hours),
            charts.money(hours),
            charts.first_tokens(pace.parts, hours.since, hours.step),
        ),
        "burns": burns(source.standings(), live, now),
        **now_of(source, live),
    }


def now_of(source: Source, live: Live | None) -> dict[str, Any]:
    """What changes from second to second: the gateway, and the latest requests."""
    return {"live": live, "lines": source.listing(Filter(), "", LATEST).lines, "now": source.now()}


def hourly(source: Source, live: Live | None) -> dict[str, int]:
    """What machines cost an hour, by deployment: of the gateway that runs, else of the configuration."""
    if live is None:
        return source.house.hourly
    return {place.name: place.per_hour for place in live.places if place.per_hour}


def sentence(period: Span, whole: Sums, local: Sums, answered: int) -> str:
    """The period in one sentence."""
    when = "Since the ledger began" if period.name == "all" else f"In the last {period.title}"
    if not whole.requests:
        return f"{when} nothing was asked."
    if not answered:
        return f"{when} {count(whole.requests)} requests came, and nobody could answer one."
    stayed = share(local.requests / answered)
    paid = usd(whole.marginal)
    text = f"{when} own machines answered {stayed} of {count(answered)} requests. You paid {paid} to APIs"
    if not whole.compared:
        return f"{text}; what APIs alone would have cost is not known."
    alone = whole.all_api + whole.marginal - whole.compared_marginal
    return f"{text}; APIs alone would have cost {usd(alone)}."


def ways(whole: Sums, answered: int, machines: int, pace: Pace) -> list[Way]:
    """Three ways to have served the same requests."""
    alone = whole.all_api + whole.marginal - whole.compared_marginal
    left_out = answered - whole.compared
    found = [
        Way(
            name="As it went",
            parts=(("api", whole.marginal), ("self", machines)),
            note="API bills"
            + (" and your machines' hours" if machines else "; no price an hour is stated for own machines"),
        ),
        Way(
            name="APIs alone",
            parts=(("api", alone),),
            note="the cheapest permitted API for each request"
            + (f"; {count(left_out)} had none and are left out" if left_out > 0 else ""),
            known=whole.compared > 0,
        ),
    ]
    if pace.own_known:
        known = pace.own_known / max(1, pace.read)
        price = pace.own / max(1, pace.read) * whole.requests
        note = f"your machines' price per token, known for {share(known)} of requests"
        if price < machines:  # more tokens go into idle hours first, and those are paid anyway
            price, note = machines, "the hours your machines had, idle ones included: the rest would have fitted in"
        found.append(Way(name="Own machines alone", parts=(("self", price),), note=note))
    else:
        note = "no own machine has a price per token: state price.per_hour and tokens_per_hour"
        found.append(Way(name="Own machines alone", parts=(), note=note, known=False))
    return found


def burns(standings: list[Standing], live: Live | None, now: float) -> list[Burn]:
    """The budgets, fullest first. Those of the configuration that nobody used yet are shown too."""
    found: dict[tuple[str, str], Burn] = {
        (one.name, one.period): burn(one.name, one.period, one.limit, one.spent, one.reserved, one.since, now)
        for one in standings
    }
    for one in () if live is None else live.budgets:
        found.setdefault((one.name, one.period), burn(one.name, one.period, one.limit, 0, 0, None, now))
    return sorted(found.values(), key=lambda each: (-each.used, each.name))


def burn(name: str, period: str, limit: int, spent: int, reserved: int, since: int | None, now: float) -> Burn:
    """A budget and where it leads. A projection needs a twentieth of the period behind it."""
    length = _LENGTH.get(period)
    passed = None if length is None or since is None else min(1.0, max(0.0, (now - since) / length))
    projected = spent / passed if passed is not None and passed >= 0.05 else None
    return Burn(
        name=name, period=period, limit=limit, spent=spent, reserved=reserved, passed=passed, projected=projected
    )
