"""The last part of ``crossover demo``: a gateway in this process, real requests through its door, and their bill.

Nothing here is staged: which deployment answers, why, and at what price is what the gateway says and what its ledger
holds. The two models are tiny, and what they are priced like is said beside them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from rich.text import Text

from crossover.errors import CrossoverError, MissingExtraError
from crossover.reports.paper import Paper, plain_table

if TYPE_CHECKING:
    from crossover.chat import Served
    from crossover.config.settings import Settings
    from crossover.engines.tickets import Ticket
    from crossover.ledger.queries import Totals
    from crossover.ledger.words import Record
    from crossover.runtime.serve import Open

CONFIG = Path(__file__).with_name("demo.toml")
BUDGET = 10**10  # picodollars a day for the demo's key: one cent
COMMIT_S = 10.0  # a row is in the ledger a quarter of a second after its answer; a busy disk may take longer
MOST_WIDTH = 110


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request: the label of a ticket, or the facts in it. ``text`` and ``label``: this ticket and no other."""

    what: Literal["classify", "extract"] = "classify"
    streamed: bool = False
    text: str = ""
    label: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Requests to one name, and what they show."""

    alias: str
    shows: str
    asks: tuple[Ask, ...]


STEPS = (
    Step(alias="auto", shows="own machines first", asks=(*(Ask() for _ in range(4)), Ask(what="extract"))),
    Step(alias="best", shows="the API first", asks=(Ask(), Ask(what="extract", streamed=True))),
    Step(
        alias="best",
        shows="the same name, but what these hold stays at home",
        asks=(
            Ask(text="I was charged twice on my card 4111 1111 1111 1111, please refund it.", label="billing"),
            Ask(text="My son was diagnosed with diabetes, and the cooler for his insulin broke.", label="technical"),
        ),
    ),
    Step(
        alias="best",
        shows="a name leaves as a placeholder",
        asks=(Ask(text="My name is Maria Keller and my parcel has not arrived yet.", label="delivery"),),
    ),
    Step(
        alias="outage",
        shows="what is preferred is down, and no client notices",
        asks=(Ask(), Ask(), Ask()),
    ),
)


def tour(paper: Paper, out: Path) -> Path:
    """Serve, ask, show, end; the ledger of all that.

    Raises MissingExtraError where there is no model to serve, KeyboardInterrupt on Ctrl-C.
    """
    from crossover.cli.serve import loop_factory

    if find_spec("xllamacpp") is None:
        raise MissingExtraError("embedded", "the embedded llama.cpp")
    ledger = new_ledger(out)
    configured(out)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        interrupted = runner.run(_serve_and_ask(paper, ledger))
    if interrupted:
        raise KeyboardInterrupt
    _bill(paper, ledger)
    return ledger


def configured(out: Path) -> None:
    """Leave the configuration in the folder, to be tried and changed; one that is there stays."""
    config = out / CONFIG.name
    if not config.exists():
        config.write_bytes(CONFIG.read_bytes())


def new_ledger(out: Path) -> Path:
    """A new file for the ledger: what another run left is not touched."""
    names = ("ledger.db", *(f"ledger-{number}.db" for number in range(2, 10_000)))
    for name in names:
        with suppress(FileExistsError):
            (out / name).touch(mode=0o600, exist_ok=False)
            return out / name
    raise CrossoverError(f"{out} is full of ledgers", hint="Name another folder with --out")


async def _serve_and_ask(paper: Paper, ledger: Path) -> bool:
    """The gateway and its guest, side by side; whoever ends first ends the other. True where a signal ended them."""
    from crossover.cli.serve import at_address
    from crossover.config import paths
    from crossover.config.load import load
    from crossover.runtime.serve import serve

    loaded = at_address(load(CONFIG, {}), None, 0)
    secret = _key(ledger)
    stop = asyncio.Event()
    opened: asyncio.Future[Open] = asyncio.get_running_loop().create_future()
    gateway = asyncio.create_task(serve(loaded, paths(), ledger=ledger, on_open=opened.set_result, stop=stop))
    guest = asyncio.create_task(_ask_all(paper, loaded.settings, opened, secret, ledger))
    try:
        await asyncio.wait({gateway, guest}, return_when=asyncio.FIRST_COMPLETED)
        if not guest.done():
            return gateway.result() is not None  # or raises why it could not serve
        stop.set()
        heard = await gateway
        if heard is None:
            guest.result()
        return heard is not None
    finally:
        for task in (guest, gateway):
            task.cancel()
        await asyncio.gather(guest, gateway, return_exceptions=True)


def _key(ledger: Path) -> str:
    """A key with a budget of its own, as ``crossover keys create`` makes it."""
    from crossover.ledger import keys
    from crossover.ledger.store import open_ledger

    with open_ledger(ledger) as book:
        return keys.create(book, "demo", budget=BUDGET, budget_period="day")[1]


async def _ask_all(paper: Paper, settings: Settings, opened: asyncio.Future[Open], secret: str, ledger: Path) -> None:
    """Every step of the tour; each ends with what the ledger says of its decisions."""
    from crossover.ledger.store import open_ledger

    url = (await opened).url
    _introduce(paper, settings, url)
    tickets = _tickets()
    right: list[bool] = []
    with open_ledger(ledger, readonly=True) as book:
        for step in STEPS:
            paper.blank()
            paper.line(Text().append(f'model "{step.alias}"', style="bold").append(f" · {step.shows}"))
            guest = Guest(paper, url, secret, step)
            asked = [await guest.ask(ask, _own(ask) or next(tickets[ask.what])) for ask in step.asks]
            right += [fine for _, fine in asked]
            rows = [await _row(book, request_id) for request_id, _ in asked]
            for line in dict.fromkeys(line for row in rows for line in _why(row)):
                paper.line(line, lead="   ", style="dim")
    paper.blank()
    paper.line(
        f"{sum(right)} of {len(right)} answers are what the author of the ticket meant. Both models are tiny: whether "
        "one is good enough for a task is a question of its own. Every request was answered."
    )


def _introduce(paper: Paper, settings: Settings, url: str) -> None:
    """The address and what is behind it."""
    own, api = settings.deployments["tiny"].price, settings.deployments["sandbox"].price
    listed = f"priced like {(api.like or '').rpartition('/')[2]}"
    paper.line(Text().append(f"{url}/v1", style="bold").append(" speaks OpenAI's dialect. Behind it:"))
    paper.blank()
    rows = (
        ("tiny", "own machine", "in this process", f"${own.per_hour:.3f} an hour, two rented cores"),
        ("sandbox", "hosted API", "stands in for one", listed),
        ("down", "hosted API", "is down", listed),
    )
    table = plain_table(("", "left"), ("", "left"), ("", "left"), ("", "left"))
    table.show_header = False
    for name, *facts in rows:
        table.add_row(Text(name, style="bold"), *facts)
    paper.indented(table, left=3)


def _tickets() -> dict[str, Iterator[Ticket]]:
    """Support tickets written by hand: for the label any, for the facts those that hold two at least."""
    from crossover.engines.tickets import handwritten

    found = handwritten()
    rich = [one for one in found if (one.order, one.product, one.amount).count(None) < 2]
    return {"classify": iter([one for one in found if one not in rich[:3]]), "extract": iter(rich)}


def _own(ask: Ask) -> Ticket | None:
    """The ticket that the step brings along."""
    from crossover.engines.tickets import Ticket

    return Ticket(text=ask.text, label=ask.label) if ask.text else None


class Guest:
    """Who asks, as any client would: over HTTP, with a key."""

    def __init__(self, paper: Paper, url: str, secret: str, step: Step) -> None:
        self._paper = paper
        self._url = url
        self._secret = secret
        self._step = step
        self._width = min(paper.width, MOST_WIDTH) - 1

    async def ask(self, ask: Ask, ticket: Ticket) -> tuple[str, bool]:
        """One request: the question, the answer, who gave it, how fast, at what price. Its id, and if it is right."""
        question, meant = (ticket.classify, ticket.label) if ask.what == "classify" else (ticket.extract, ticket.facts)
        shown = Text(f"   {question}")
        shown.truncate(self._width, overflow="ellipsis")
        self._paper.put(shown)
        began = time.monotonic()
        answer, served = await (self._streamed if ask.streamed else self._whole)(question, _options(ask))
        took = time.monotonic() - began
        wrong = _wrong(answer, meant)
        self._say(Text() if ask.streamed else Text(f"     {answer}", style="bold"), wrong, _told(served, took))
        return served.request_id, not wrong

    async def _whole(self, question: str, options: dict[str, Any]) -> tuple[str, Served]:
        from crossover.client import AsyncClient

        async with AsyncClient(self._url, api_key=self._secret) as client:
            answer = await client.chat(self._step.alias, question, **options)
        assert answer.served is not None
        return answer.text, answer.served

    async def _streamed(self, question: str, options: dict[str, Any]) -> tuple[str, Served]:
        """Shown as it comes."""
        from crossover.client import AsyncClient

        said, served = "", None
        self._paper.piece("     ")
        async with AsyncClient(self._url, api_key=self._secret) as client:
            async for chunk in client.stream(self._step.alias, question, **options):
                served = chunk.served or served
                for delta in chunk.deltas:
                    said += delta.text
                    self._paper.piece(delta.text, style="bold")
        self._paper.blank()
        assert served is not None
        return said, served

    def _say(self, said: Text, wrong: str, told: str) -> None:
        """The answer at the left, who gave it at the right; below each other where the line is too short."""
        meant = Text(f"(meant: {wrong})" if wrong else "", style="dim")
        if said and said.cell_len + meant.cell_len + len(told) + 5 > self._width:
            self._paper.put(said)
            said = Text()
        line = Text().append_text(said or Text(" " * 3)).append("  ").append_text(meant)
        room = max(self._width - line.cell_len - len(told), 2)
        self._paper.put(line.append(" " * room).append(told, style="cyan"))


def _options(ask: Ask) -> dict[str, Any]:
    from crossover.engines.tickets import extract_schema

    if ask.what == "classify":
        return {"max_tokens": 8}
    form = {"name": "facts", "schema": extract_schema(), "strict": True}
    return {"max_tokens": 64, "response_format": {"type": "json_schema", "json_schema": form}}


def _told(served: Served, took: float) -> str:
    """Who answered, how fast, at what price."""
    parts = [served.deployment, f"{took * 1000:,.0f} ms"]
    parts += [] if served.cost is None else [_money(served.cost)]
    parts += [f"{served.redacted} replaced"] if served.redacted else []
    parts += [f"{served.attempts} attempts"] if served.attempts > 1 else []
    return " · ".join(parts)


def _wrong(said: str, meant: str) -> str:
    """What would have been right where the answer is not: the label, or the facts that differ."""
    if not meant.startswith("{"):
        return "" if said.strip() == meant else meant
    facts = msgspec.json.decode(meant)
    try:
        found = msgspec.json.decode(said, type=dict[str, Any])
    except msgspec.DecodeError:
        return meant
    return ", ".join(f"{name} {value or 'none'}" for name, value in facts.items() if found.get(name) != value)


async def _row(book: Any, request_id: str) -> Record:
    """The row of an answered request, as soon as it is committed."""
    from crossover.ledger import queries

    until = time.monotonic() + COMMIT_S
    while (row := queries.one(book, request_id)) is None:
        if time.monotonic() > until:
            raise CrossoverError(f"the ledger has no row of {request_id} after {COMMIT_S:.0f} s", file=str(book.path))
        await asyncio.sleep(0.02)
    return row


def _why(row: Record) -> list[str]:
    """The decision as the ledger has it: the reason, who was asked in vain, who was not asked and why."""
    failed = {one.deployment: one.outcome for one in row.attempts if one.outcome != "ok"}
    return [
        f"why: {row.decision}",
        *(f"asked in vain: {name} ({outcome}); {row.deployment} answered instead" for name, outcome in failed.items()),
        *(
            f"not asked: {_named(name, reason)}"
            for name, reason in row.refused
            if name not in failed and reason not in row.decision
        ),
    ]


def _named(name: str, reason: str) -> str:
    return reason if reason.startswith(f"{name} ") else f"{name}: {reason}"


def _bill(paper: Paper, ledger: Path) -> None:
    """What it cost, from the ledger, by the queries of ``crossover ledger``."""
    from crossover.ledger import audit, queries, survey
    from crossover.ledger.store import open_ledger

    paper.section("The bill", "from the ledger; the gateway has ended")
    now = time.time()
    with open_ledger(ledger, readonly=True) as book:
        total = queries.total(book, now - 3600, now)
        groups = queries.spend(book, now - 3600, now, "deployment")
        standing = queries.standings(book)
    table = plain_table(
        ("answered by", "left"), ("requests", "right"), ("tokens in", "right"), ("out", "right"), ("paid", "right"),
        ("share of the machine", "right"),
    )  # fmt: skip
    for group in groups:
        one = group.totals
        share = usd(one.cost) if one.cost != one.marginal else "–"
        table.add_row(
            Text(group.name, style="bold"), f"{one.requests}", f"{one.input_tokens:,}", f"{one.output_tokens:,}",
            usd(one.marginal), share,
        )  # fmt: skip
    paper.indented(table, left=3)
    paper.blank()
    for line in _sums(total):
        paper.line(line)
    for row in standing:
        paper.line(f"The key had {usd(row.limit)} for the {row.period}, and has spent {usd(row.spent)} of it.")
    with open_ledger(ledger, readonly=True) as book:
        checked = audit.verify(book)
        left = survey.survey(book, survey.Wanted(since=now - 3600, until=now))
    paper.blank()
    paper.line(
        f"The audit: of {total.requests} requests {left.left} left, to {', '.join(left.parties)}, with {left.redacted} "
        f"value replaced; {left.stayed} in which something was found stayed. Its chain of {checked.entries} entries "
        f"{'holds' if checked.good else 'does NOT hold'}."
    )
    paper.blank()
    paper.line(f"crossover audit show --ledger {ledger}", lead=" $ ", style="dim")
    paper.line(f"crossover ledger --ledger {ledger}", lead=" $ ", style="dim")
    with open_ledger(ledger, readonly=True) as book:
        fallback = next((row for row in queries.records(book, now - 3600, now) if len(row.attempts) > 1), None)
    if fallback is not None:
        paper.line(f"crossover explain {fallback.id} --ledger {ledger}", lead=" $ ", style="dim")


def _sums(total: Totals) -> Iterator[str]:
    yield f"{total.requests} requests, {total.ok} answered, with {total.attempts} calls to models."
    if total.compared:
        yield (
            f"{total.compared} of them could have gone to a hosted API, for {usd(total.all_api)}. The split paid "
            f"{usd(total.compared_marginal)} for them and saved {usd(total.saved)}, at the list price of gpt-4o-mini."
        )
    if left := total.requests - total.compared:
        yield f"{left} {'was' if left == 1 else 'were'} not allowed to leave: there is nothing to compare."


def usd(picodollars: int) -> str:
    """Picodollars as dollars, with all their places."""
    from crossover.ledger.queries import usd as dollars

    return _money(dollars(picodollars))


def _money(amount: Decimal) -> str:
    """Dollars with all the places that such small amounts need, so that columns align."""
    return f"${amount:.7f}" if amount and amount < Decimal("0.001") else f"${amount.normalize():f}"
