"""A period of the ledger in words: the lines of its summary, for the terminal and for the page."""

from __future__ import annotations

import datetime as dt

import msgspec

from crossover.ledger import queries
from crossover.ledger.queries import Group
from crossover.ledger.savings import TITLES
from crossover.ledger.week import Week, advice
from crossover.money import show
from crossover.reports import figures

TOP = 8  # rows of a table; the rest is one row


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table in words; a heading that begins with ``>`` is of figures."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def usd(picodollars: int) -> str:
    """Picodollars for people."""
    return show(queries.usd(picodollars))


def title(week: Week) -> str:
    """The period: ``2026-11-20 to 2026-11-27 UTC``."""
    begin, end = (dt.datetime.fromtimestamp(time, dt.UTC) for time in (week.since, week.until))
    whole = begin.time() == end.time() == dt.time()
    form = "%Y-%m-%d" if whole else "%Y-%m-%d %H:%M"
    return f"{begin:{form}} to {end:{form}} UTC"


def headline(week: Week) -> str:
    """The period in one sentence."""
    if not week.total.requests:
        return "No request in this period"
    saved = week.all_api - week.paid
    if not week.total.compared:
        return f"{usd(week.paid)} for {week.total.requests:,} requests; no API with a price to compare with"
    verb = "less" if saved >= 0 else "more"
    return f"{usd(week.paid)} for {week.total.requests:,} requests: {usd(abs(saved))} {verb} than all API"


def lines(week: Week) -> list[tuple[str, str]]:
    """The summary: a word and a text each."""
    total = week.total
    machines = f" + {usd(week.machines_paid)} for the hours of machines" if week.machines else ""
    found = [
        ("Requests", f"{total.requests:,}{_change(total.requests, week.before.requests)}{_ends(week)}"),
        ("Tokens", f"{total.input_tokens:,} in ({total.cached_read:,} cached), {total.output_tokens:,} out"),
        ("Spent", f"{usd(week.paid)}: {usd(total.marginal)} to APIs{_change(total.marginal, week.before.marginal)}"
         + machines),
        ("Realised", _realised(week)),
        ("Missed", _missed(week)),
        ("All API", _all_api(week)),
        ("All local", _all_local(week)),
    ]  # fmt: skip
    found += [
        ("Idle", f"{one.deployment}: {usd(one.idle)} of {usd(one.paid)} for {_hours(one.hours)} hours was for no token")
        for one in week.machines
    ]
    found.append(("Privacy", _privacy(week)))
    if total.unpriced:
        found.append(("Unpriced", f"{figures.plural(total.unpriced, 'request')} without a known price: not in any sum"))
    if week.rows < total.requests:
        forgotten = f"rows of {total.requests - week.rows:,} requests are forgotten"
        found.append(("Partly", f"{forgotten}: models, flows, missed savings and privacy are of the others"))
    if week.measuring:
        found.append(("Measured", f"{figures.plural(week.measuring, 'request')} of it for evaluations and load tests"))
    return found


def _change(now: int, before: int) -> str:
    """Against the period before: `` (+12 %)``."""
    if not before or abs(now - before) / before < 0.005:
        return ""
    return f" ({(now - before) / before * 100:+,.0f} %)".replace("-", "−")


def _ends(week: Week) -> str:
    total = week.total
    rest = [(name, getattr(total, name)) for name in ("errors", "truncated", "cancelled", "refused")]
    said = ", ".join(f"{count:,} {name}" for name, count in rest if count)
    return f"; {said}" if said else ""


def _realised(week: Week) -> str:
    total = week.total
    if not total.compared:
        return "nothing to compare: no request had a permitted API with a known price"
    text = f"{usd(total.saved)} against the cheapest permitted API of each request ({usd(total.all_api)})"
    left = total.requests - total.compared
    return text + (f"; {figures.plural(left, 'request')} had none" if left else "")


def _missed(week: Week) -> str:
    if not week.missed:
        return "nothing: no request was paid for that a cheaper deployment of its route could have answered"
    sums: dict[str, int] = {}
    for one in week.missed:
        sums[one.reason] = sums.get(one.reason, 0) + one.amount
    parts = ", ".join(f"{reason} {usd(amount)}" for reason, amount in sorted(sums.items(), key=lambda row: -row[1]))
    return f"{usd(sum(sums.values()))}: {parts}"


def _all_api(week: Week) -> str:
    if not week.total.compared:
        return "not known"
    saved = week.all_api - week.paid
    return f"{usd(week.all_api)} without any machine: the split {_saved(saved)}"


def _all_local(week: Week) -> str:
    if week.all_local is None:
        return "not known: no machine's hour has a price (price.per_hour or --machine)"
    text = f"{usd(week.all_local)} with the machines' hours, idle ones included: the split "
    text += _saved(week.all_local - week.paid)
    if week.home.others:
        text += f"; {figures.plural(week.home.others, 'paid request')} had no priced machine and stay at an API"
    return text


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:,.1f}"


def _saved(amount: int) -> str:
    return f"saved {usd(amount)}" if amount >= 0 else f"cost {usd(-amount)} more"


def _privacy(week: Week) -> str:
    hard = next((one for one in week.tiers if one.tier == "hard"), None)
    left, stayed = sum(one.left for one in week.tiers), sum(one.stayed for one in week.tiers)
    text = f"{left:,} requests left, {stayed:,} stayed on own machines"
    if hard is None:
        return text + "; none held hard findings"
    return text + f"; of {hard.requests:,} with hard findings {hard.left:,} left"


# ----------------------------------------------------------------------------------------------------------- as tables


def tables(week: Week) -> list[Table]:
    """Everything that is a table, empty ones left out."""
    made = [
        _groups("Route", "By route", week.routes),
        _groups("Key", "By key", week.keys, week.key_names),
        _models(week),
        _flows(week),
        _missed_rows(week),
        _machines(week),
        _tiers(week),
        _faults(week),
    ]
    return [one for one in made if one.rows]


def _groups(head: str, heading: str, groups: tuple[Group, ...], names: dict[str, str] | None = None) -> Table:
    heads = (head, ">Requests", ">Errors", ">Tokens in", ">Tokens out", ">Paid", ">Saved")
    rows = [
        (
            (names or {}).get(one.name) or one.name or "–", f"{one.totals.requests:,}", f"{one.totals.errors:,}",
            f"{one.totals.input_tokens:,}", f"{one.totals.output_tokens:,}", usd(one.totals.marginal),
            usd(one.totals.saved) if one.totals.compared else "–",
        )
        for one in groups[:TOP]
    ]  # fmt: skip
    return Table(title=heading, heads=heads, rows=tuple(rows), note=_more(len(groups)))


def _models(week: Week) -> Table:
    heads = ("Model", "Where", ">Requests", ">Tokens in", ">Tokens out", ">Paid", ">Share of hours")
    rows = [
        (
            one.name or "–", "own" if one.local else "API", f"{one.requests:,}", f"{one.input_tokens:,}",
            f"{one.output_tokens:,}", usd(one.marginal), usd(one.cost) if one.local else "–",
        )
        for one in week.models[:TOP]
    ]  # fmt: skip
    return Table(title="By model", heads=heads, rows=tuple(rows), note=_more(len(week.models)))


def _flows(week: Week) -> Table:
    whole: dict[str, int] = {}
    for one in week.flows:
        whole[one.asked] = whole.get(one.asked, 0) + one.requests
    heads = ("Asked", "Answered by", "Zone", ">Requests", ">Share", ">Tokens", ">Paid")
    rows = [
        (
            one.asked, one.deployment or "nobody", one.zone or "–", f"{one.requests:,}",
            figures.share(one.requests / whole[one.asked]), f"{one.tokens:,}", usd(one.marginal),
        )
        for one in week.flows[: 2 * TOP]
    ]  # fmt: skip
    return Table(title="What went where", heads=heads, rows=tuple(rows), note=_more(len(week.flows), 2 * TOP))


def _missed_rows(week: Week) -> Table:
    heads = ("Why", "Asked", "Cheaper", ">Requests", ">Missed")
    rows = [
        (TITLES[one.reason], one.asked, one.deployment, f"{one.requests:,}", usd(one.amount))
        for one in week.missed[:TOP]
    ]
    return Table(title="Savings missed, and why", heads=heads, rows=tuple(rows), note=_more(len(week.missed)))


def _machines(week: Week) -> Table:
    heads = ("Machine", ">Hours", ">Cost", ">For tokens", ">Idle", ">Idle share")
    rows = [
        (
            one.deployment, _hours(one.hours), usd(one.paid), usd(one.priced), usd(one.idle),
            figures.share(max(0.0, one.idle / one.paid)) if one.paid else "–",
        )
        for one in week.machines
    ]  # fmt: skip
    return Table(title="Machines", heads=heads, rows=tuple(rows))


def _tiers(week: Week) -> Table:
    heads = ("Findings", ">Requests", ">Left", ">Stayed", ">Went nowhere", "Held")
    rows = [
        (one.tier, f"{one.requests:,}", f"{one.left:,}", f"{one.stayed:,}", f"{one.nowhere:,}",
         ", ".join(one.categories) or "–")
        for one in week.tiers
    ]  # fmt: skip
    note = "What left under which rule, and what was replaced: crossover audit"
    return Table(title="Privacy", heads=heads, rows=tuple(rows), note=note)


def _faults(week: Week) -> Table:
    rows = [(one.deployment or "–", one.error, f"{one.requests:,}") for one in week.faults[:TOP]]
    return Table(title="Not answered", heads=("At", "Why", ">Requests"), rows=tuple(rows), note=_more(len(week.faults)))


def _more(count: int, top: int = TOP) -> str:
    return f"{count - top:,} more with --json" if count > top else ""


def changes(week: Week) -> list[str]:
    """What to change next, one sentence each."""
    return advice(week) or ["Nothing stands out."]
