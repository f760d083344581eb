"""A period of the ledger as one HTML file: works offline, asks the network for nothing, runs no script.

A Content-Security-Policy in the page allows exactly its own style sheet. Names come from clients: all is escaped.
"""

from __future__ import annotations

import datetime as dt

from crossover.ledger.week import Week
from crossover.reports import html, week
from crossover.reports.markup import Column, Markup, items, join, table, tag
from crossover.reports.week import Table, usd


def page(found: Week, made_on: dt.date) -> str:
    """The whole report as one HTML document."""
    return html.still(f"Crossover, {week.title(found)}", _body(found, made_on), "report.css", "week.css")


def _body(found: Week, made_on: dt.date) -> Markup:
    top = tag(
        "header",
        tag("p", f"Crossover ledger · {week.title(found)} · made {made_on}", cls="eyebrow"),
        tag("h1", week.headline(found)),
        _cards(found) if found.total.requests else None,
        cls="top",
    )
    if not found.total.requests:
        return join([top, tag("main", tag("p", "Send a request through the gateway, and it is here."))])
    sections = [
        _section("next", "What to change next", tag("div", items(week.changes(found), name="ol", cls="reasons"),
                                                    cls="panel")),
        _section("compared", "Everything one way, or the other", _compared(found)),
        *(_section(f"t{number}", one.title, _table(one)) for number, one in enumerate(week.tables(found))),
    ]  # fmt: skip
    return join([top, tag("main", *sections), _footer()])


def _section(anchor: str, title: str, content: Markup) -> Markup:
    return tag("section", tag("h2", title, id=f"{anchor}-title"), content, aria_labelledby=f"{anchor}-title")


def _cards(found: Week) -> Markup:
    total = found.total
    machines = f" + {usd(found.machines_paid)} machines" if found.machines else ""
    missed = sum(one.amount for one in found.missed)
    answered = found.local.requests + found.api.requests
    cards = [
        ("Spent", usd(found.paid), f"{usd(total.marginal)} to APIs{machines}", "api"),
        ("Realised", usd(total.saved) if total.compared else "–", "against the cheapest permitted API", "hosted"),
        ("Missed", usd(missed), "at cheaper deployments of the same route", "self"),
        ("Local", f"{found.local.requests / answered:.0%}" if answered else "–",
         f"of {answered:,} answered requests; {usd(found.idle)} of hours stood idle", "hybrid"),
    ]  # fmt: skip
    made = [
        tag("div", tag("p", name, cls=f"kind {cls}"), tag("p", figure, cls="money"), tag("p", small, cls="small"),
            cls=f"card {cls}")
        for name, figure, small, cls in cards
    ]  # fmt: skip
    return tag("div", *made, cls="cards")


def _compared(found: Week) -> Markup:
    """Bars of what was paid against all-API and all-local; widths are attributes, since the policy forbids styles."""
    bars = [("As it was", found.paid, found.total.marginal), ("All API", found.all_api, found.all_api)]
    if found.all_local is not None:
        bars.append(("All local", found.all_local, found.home.others_paid))
    most = max((amount for _, amount, _ in bars), default=0) or 1
    rows = []
    for name, amount, api in bars:
        wide, paid = 100 * max(0, amount) / most, 100 * max(0, min(api, amount)) / most
        bar = tag(
            "svg",
            tag("rect", x="0", y="0", width=f"{paid:.2f}", height="10", cls="api"),
            tag("rect", x=f"{paid:.2f}", y="0", width=f"{wide - paid:.2f}", height="10", cls="own"),
            viewBox="0 0 100 10", preserveAspectRatio="none", cls="bar", aria_hidden="true",
        )  # fmt: skip
        rows.append([name, usd(amount), bar])
    keys = tag(
        "ul",
        tag("li", tag("i", cls="box api", aria_hidden="true"), "bills of APIs"),
        tag("li", tag("i", cls="box own", aria_hidden="true"), "hours of machines"),
        cls="keys",
    )
    columns = [Column(""), Column("Cost", number=True), Column("", wide=True)]
    said = [tag("p", tag("b", f"{name}: "), text) for name, text in week.lines(found)]
    return tag("div", keys, table("What this traffic cost, and would have cost", columns, rows), *said, cls="panel")


def _table(one: Table) -> Markup:
    columns = [Column(head.removeprefix(">"), number=head.startswith(">")) for head in one.heads]
    note = tag("p", one.note, cls="small") if one.note else None
    return tag("div", table(one.title, columns, one.rows), note, cls="panel")


def _footer() -> Markup:
    return tag(
        "footer",
        tag("p", "All API: every request at its cheapest permitted API, without any machine. All local: "
            "idle hours take what APIs answered, at the machines' own price of tokens, and hours are added where that "
            "does not fit; it says nothing of peaks or quality. How each figure is made: docs/ledger.md."),
    )  # fmt: skip
