"""The recorded traffic behind a plan, forecast against actual, and what would be said if one thing were different."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crossover.planner.words import Drift, Part, Plan, Recorded, Scenario
from crossover.reports import figures
from crossover.reports.markup import Child, Column, Markup, join, table, tag

SHOWN = 3  # of routes, keys and deployments each, in a terminal


def lines(record: Recorded) -> Iterator[tuple[str, str]]:
    """The record in a few lines: (what, what is said of it)."""
    yield "traffic", period(record)
    for what, rows in (("routes", record.routes), ("keys", record.keys), ("answered by", record.deployments)):
        if len(rows) > 1 or what == "answered by":
            more = f", {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
            yield what, ", ".join(_part(row) for row in rows[:SHOWN]) + more
    yield "sensitive", tiers(record)
    yield "paid", f"{figures.usd(record.paid_usd_month)} a month, by the record"


def period(record: Recorded) -> str:
    """When it was, and how much."""
    only = "".join(f", only {what} {name}" for what, name in (("route", record.route), ("key", record.key)) if name)
    failed = f", {record.failed:,} not" if record.failed else ""
    count = f"{record.requests:,.0f} requests answered{failed}"
    long = f"{record.days:.1f} days" if record.days >= 0.1 else f"{max(record.days * 1440, 1):.0f} minutes"
    return f"{record.since} to {record.until} ({long}){only}: {count}"


def _part(row: Part) -> str:
    return f"{row.name} {figures.share(row.share)}"


def tiers(record: Recorded) -> str:
    """What was found in it."""
    if record.unseen >= 0.995:
        return "nobody looked"
    said = ", ".join(f"{name} {figures.share(share)}" for name, share in record.tiers)
    return f"{said} of what was looked at ({figures.share(1 - record.unseen)})"


def amount(value: float, unit: str) -> str:
    """A figure of a drift in its unit."""
    if unit == "share":
        return figures.share(value)
    if unit == "USD":
        return figures.usd(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def drift_line(row: Drift) -> str:
    """Forecast and actual in one line."""
    expected = f"{amount(row.forecast, row.unit)} ({amount(row.low, row.unit)}–{amount(row.high, row.unit)})"
    if row.outside is None:
        expected = amount(row.forecast, row.unit)
    return f"expected {expected}, came {amount(row.actual, row.unit)} · {row.sentence.partition(': ')[2]}"


def scenario_line(row: Scenario) -> str:
    """What the plan would say then."""
    money = f"{figures.usd(row.usd_month)} a month" if row.usd_month is not None else "no option passes"
    before = ""
    if row.today_usd_month is not None and row.today_usd_month != row.usd_month:
        before = f"; today's option {figures.usd(row.today_usd_month)}"
    return f"{row.title}, {money}{before}"


# ---------------------------------------------------------------------------------------------------------------- HTML


def section(plan: Plan) -> Markup | None:
    """The record as tables; None where the workload came from elsewhere."""
    record = plan.recorded
    if record is None:
        return None
    parts: list[Child] = [tag("p", f"{period(record)}. Paid: {figures.usd(record.paid_usd_month)} a month.")]
    parts.append(tag("p", f"Sensitive data: {tiers(record)}."))
    for title, rows in (("Routes", record.routes), ("Keys", record.keys), ("Answered by", record.deployments)):
        parts.append(_parts(title, rows))
    if record.drift:
        parts.append(_drift(record.drift))
    return tag("div", *parts, cls="panel")


def _parts(title: str, rows: Sequence[Part]) -> Markup:
    columns = [
        Column("name", wide=True),
        Column("requests/day", number=True),
        Column("share", number=True),
        Column("on own machines", number=True),
        Column("tokens in", number=True),
        Column("tokens out", number=True),
        Column("cached", number=True),
        Column("paid $/month", number=True),
    ]
    cells = [
        (
            row.name,
            figures.count(row.requests_per_day),
            figures.share(row.share),
            figures.share(row.local_share),
            figures.tokens(row.input_tokens_mean),
            figures.tokens(row.output_tokens_mean),
            figures.share(row.cached_share),
            figures.usd(row.paid_usd_month),
        )
        for row in rows
    ]
    return table(title, columns, cells)


def _drift(rows: Sequence[Drift]) -> Markup:
    columns = [
        Column("figure", wide=True),
        Column("forecast", number=True),
        Column("80 %", number=True),
        Column("actual", number=True),
        Column("verdict", wide=True),
    ]
    cells = [
        (
            row.name,
            amount(row.forecast, row.unit),
            "" if row.outside is None else f"{amount(row.low, row.unit)}–{amount(row.high, row.unit)}",
            amount(row.actual, row.unit),
            tag("span", row.sentence.partition(": ")[2], cls="flag bad" if row.outside else "flag good"),
        )
        for row in rows
    ]
    return table(f"Forecast by {rows[0].basis}, against what came", columns, cells)


def what_if(plan: Plan) -> Markup | None:
    """The scenarios as a table; None where nobody asked."""
    if not plan.scenarios:
        return None
    columns = [
        Column("if"),
        Column("then", wide=True),
        Column("$/month", number=True),
        Column("today's option $/month", number=True),
    ]
    rows = [
        (
            row.change,
            join([f"{row.headline} ", tag("span", "another answer", cls="flag bad") if row.differs else None]),
            figures.NONE if row.usd_month is None else figures.usd(row.usd_month),
            figures.NONE if row.today_usd_month is None else figures.usd(row.today_usd_month),
        )
        for row in plan.scenarios
    ]
    return tag("div", table("The same question with one thing different", columns, rows), cls="panel")
