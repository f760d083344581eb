"""The last parts of ``crossover demo``: what was proved trains a rule, the rule serves, its record plans again.

Nothing here is staged: the promise is what the proof supports, the savings are what the ledger holds.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from crossover.reports.paper import Paper, plain_table

if TYPE_CHECKING:
    from crossover.chat import ChatResponse
    from crossover.engines.tickets import Ticket
    from crossover.learning.model import Learned
    from crossover.ledger.queries import Totals

POLICY, CONFIG, ALIAS, ALL_API = "cascade.json", "learned.toml", "smart", "sandbox"
PAGE, MODEL = "replan.html", "gpt-4o-mini"
LOSS, CONFIDENCE = 0.05, 0.95
TICKETS, SEED, AT_ONCE = 120, 2, 8
_WITH_POLICY = """
[aliases.{alias}]                  # the tiny model first; what is not good enough is passed on
deployments = ["tiny", "sandbox"]
policy = "cascade"
learned = "{policy}"
"""


def learn(paper: Paper, out: Path, results: Path) -> Path | None:
    """Train a cascade on the proof's answers; the configuration that uses it. None where nothing can be promised."""
    from crossover.cli.route_data import Asked
    from crossover.cli.routing import Training
    from crossover.cli.routing import learn as train
    from crossover.cli.tour import CONFIG as SERVED
    from crossover.learning.artifact import save

    paper.section("Learn", "which answers of the tiny model may stay, with a promise")
    policy = out / POLICY
    paper.line(f"crossover route train {results} --loss {LOSS} --out {policy}", lead=" $ ", style="dim")
    learned = train(
        Training(
            asked=Asked(results=(results,), kind="cascade"), loss=LOSS, confidence=CONFIDENCE, calibrations=1,
            after=None, method=None, seed=0, now=dt.datetime.now(dt.UTC), book=None,
        )
    )  # fmt: skip
    save(learned, policy)
    _promise(paper, learned, policy)
    if learned.threshold is None:
        return None
    config = out / CONFIG
    text = SERVED.read_text(encoding="utf-8") + _WITH_POLICY.format(alias=ALIAS, policy=POLICY)
    config.write_text(text, encoding="utf-8")
    return config


def _promise(paper: Paper, learned: Learned, policy: Path) -> None:
    card = learned.card
    paper.blank()
    paper.line(f"{card.words[:1].upper()}{card.words[1:]}.", style="bold")
    paper.line(
        f"Learned from {card.trained} tickets, the threshold chosen on {card.calibrated} others by exact risk control, "
        f"the curve drawn on {card.reported} more: crossover route show {policy}"
    )


def serve(paper: Paper, config: Path, ledger: Path, results: Path) -> None:
    """New tickets through the cascade and, for comparison, to the API alone; what was kept, right and saved.

    The evidence beside the ``results`` of the proof goes into the ledger, where plans and pages look for it.
    """
    from crossover.engines.tickets import tickets
    from crossover.ledger.facts import add_evidence, evidence
    from crossover.ledger.store import open_ledger

    with open_ledger(results / "ledger.db", readonly=True) as proof, open_ledger(ledger) as book:
        add_evidence(book, evidence(proof))
    paper.section("Serve what was learned", f'{TICKETS} new tickets to model "{ALIAS}", and the same to the API alone')
    paper.line(f"crossover serve --config {config} --ledger {ledger}", lead=" $ ", style="dim")
    asked = list({ticket.text: ticket for ticket in tickets(SEED, TICKETS + 20, "heldout")}.values())[:TICKETS]
    smart, alone = asyncio.run(_both(config, ledger, asked))
    kept = sum(answer.served is not None and answer.served.local for answer in smart)
    passed = next((answer.served for answer in smart if answer.served is not None and not answer.served.local), None)
    paper.blank()
    paper.line(f"{kept} of {len(asked)} stayed on the own machine, {len(asked) - kept} were passed on.")
    if passed is not None:
        paper.line(f"why: {passed.reason}", lead="   ", style="dim")
    _saved(paper, ledger, _right(asked, smart), _right(asked, alone), len(asked))


async def _both(config: Path, ledger: Path, asked: Sequence[Ticket]) -> tuple[list[ChatResponse], list[ChatResponse]]:
    from crossover.config import environment, paths
    from crossover.config.load import load
    from crossover.runtime.station import open_station

    station = await open_station(load(config, environment()), paths(), ledger=ledger)
    try:
        places = asyncio.Semaphore(AT_ONCE)

        async def ask(model: str, ticket: Ticket) -> ChatResponse:
            from crossover.chat import ChatRequest, Message, Text

            messages = (Message("user", (Text(ticket.classify),)),)
            async with places:
                return await station.dispatcher.complete(ChatRequest(model=model, messages=messages, max_tokens=8))

        smart = await asyncio.gather(*(ask(ALIAS, ticket) for ticket in asked))
        alone = await asyncio.gather(*(ask(ALL_API, ticket) for ticket in asked))
        return list(smart), list(alone)
    finally:
        await station.aclose()


def _right(asked: Sequence[Ticket], answers: Sequence[ChatResponse]) -> int:
    return sum(answer.text.strip() == ticket.label for ticket, answer in zip(asked, answers, strict=True))


def _saved(paper: Paper, ledger: Path, right: int, alone: int, count: int) -> None:
    """What the ledger says that both have cost."""
    from crossover.cli.tour import usd
    from crossover.ledger import queries
    from crossover.ledger.store import open_ledger

    now = time.time()
    with open_ledger(ledger, readonly=True) as book:
        rows = {group.name: group.totals for group in queries.spend(book, now - 3600, now, "alias")}
    table = plain_table(
        ("asked for", "left"), ("right", "right"), ("paid", "right"), ("share of the machine", "right"),
    )  # fmt: skip
    for name, good in ((ALIAS, right), (ALL_API, alone)):
        totals = rows[name]
        share = usd(totals.cost - totals.marginal) if totals.cost != totals.marginal else "–"
        table.add_row(name, f"{good} of {count}", usd(totals.marginal), share)
    paper.indented(table, left=3)
    paper.blank()
    paper.line(f"{_share(rows[ALIAS], rows[ALL_API])} of the API's bill saved, from the ledger.")
    paper.line(f"crossover ledger week --ledger {ledger}", lead=" $ ", style="dim")


def replan(paper: Paper, out: Path, ledger: Path) -> Path:
    """Plan again, from what was just served; the page's place."""
    from crossover.cli.plan import ask, report
    from crossover.planner.question import Question
    from crossover.reports import terminal
    from crossover.runtime.observing import seen
    from crossover.runtime.planning import with_recorded
    from crossover.traffic.flags import demand_from_flags

    paper.section("Plan again", "from the record: that traffic, held all day")
    page = out / PAGE
    paper.line(
        f"crossover plan --from-ledger --route {ALIAS} --model {MODEL} --ledger {ledger} --html {page}",
        lead=" $ ",
        style="dim",
    )
    today, now = dt.datetime.now(dt.UTC).date(), time.time()
    found = seen(ledger, now - 86_400, now, key=None, route=ALIAS, today=today)
    demand = demand_from_flags(record=found.facts, models=(MODEL,))
    question = Question(
        workload=demand.workload, today=today, as_of=today, slo=demand.slo, recorded=found.evidence, record=found.record
    )
    plan = ask(with_recorded(question, ledger), quiet=False)
    terminal.brief(plan, paper.console)
    report(plan, page)
    return page


def dashboard(paper: Paper, config: Path, ledger: Path, *, stay: bool) -> None:
    """The pages over the ledger: left open until Ctrl-C where ``stay``, else the line that opens them."""
    from crossover.cli.dashboard import show
    from crossover.errors import MissingExtraError

    paper.section("See it", "every request, its price and why, savings, privacy, quality")
    paper.line(f"crossover dashboard --ledger {ledger} --config {config}", lead=" $ ", style="dim")
    if not stay:
        return
    try:
        with suppress(KeyboardInterrupt):
            show(ledger, 0, config, None)
    except MissingExtraError as error:
        paper.line(f"Left out: {error.message}.")
        paper.line(error.hint or "")


def _share(mine: Totals, api: Totals) -> str:
    saved = 1 - Decimal(mine.marginal) / Decimal(api.marginal) if api.marginal else Decimal(0)
    return f"{saved:.0%}"
