"""The embedded pair: a cascade trained on tickets against asking the API every time, measured through the dispatcher.

The weaker model is the embedded one, the stronger one the sandbox at gpt-4o-mini's list price. A rule is trained on
tickets that both answered, promised at most 5 % loss, and then used on tickets that nothing was learned from; the costs
are those of the ledger. Bars: the accuracy lost is within the promise; what is saved is printed, whatever it is.

    python benchmarks/cascade_pair.py [tickets]
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from crossover.chat import ChatRequest, ChatResponse, Message, Text
from crossover.config import Paths
from crossover.config.load import load
from crossover.engines.tickets import Ticket, tickets
from crossover.learning.artifact import save
from crossover.learning.signals import of_answer, of_request
from crossover.learning.train import Examples, Origin, Wish, train
from crossover.ledger import queries
from crossover.ledger.store import open_ledger
from crossover.runtime.station import Station, open_station
from crossover.stats import clopper_pearson

AT_ONCE, LOSS = 16, 0.05
CPU_HOUR = 0.08925  # dollars: two cores on demand (AWS c7i.large, Linux, us-east-1; AWS Price List API of 2026-10-05)
SEED = 20_261_127
CONFIG = """
[zones.home]
operator = "own"
[zones.api]
operator = "provider"
party = "sandbox"
[deployments.small]
provider = "embedded"
model = "crossover-tiny"
zone = "home"
price = {{ per_hour = {hour}, tokens_per_hour = {tokens} }}
[deployments.big]
provider = "sandbox"
model = "sandbox-large"
zone = "api"
price = {{ like = "openai/gpt-4o-mini" }}
[aliases.api]
deployments = ["big"]
{cascade}
"""
CASCADE = """
[aliases.auto]
deployments = ["small", "big"]
policy = "cascade"
learned = "{learned}"
"""


async def answers(station: Station, model: str, asked: list[Ticket], *, logprobs: bool) -> list[ChatResponse]:
    """Everybody's answer to every ticket."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(ticket: Ticket) -> ChatResponse:
        async with places:
            return await station.dispatcher.complete(request(model, ticket, logprobs=logprobs))

    return list(await asyncio.gather(*map(one, asked)))


def request(model: str, ticket: Ticket, *, logprobs: bool = False) -> ChatRequest:
    messages = (Message("user", (Text(ticket.classify),)),)
    return ChatRequest(model=model, messages=messages, logprobs=logprobs, top_logprobs=2 if logprobs else None)


def right(asked: list[Ticket], said: list[ChatResponse]) -> np.ndarray:
    return np.array([response.text.strip() == ticket.label for ticket, response in zip(asked, said, strict=True)])


async def learn(folder: Path, asked: list[Ticket]) -> tuple[str, float]:
    """Train on what both answered; the words of the promise, and the tokens the own model does in a busy hour."""
    paths = Paths(config=folder, data=folder / "before", models=folder)
    station = await open_station(load(CONFIG.format(cascade="", hour=CPU_HOUR, tokens=1e6), {}), paths)
    try:
        began = time.perf_counter()
        weak = await answers(station, "small", asked, logprobs=True)
        seconds = time.perf_counter() - began
        strong = await answers(station, "big", asked, logprobs=False)
    finally:
        await station.aclose()
    signals = []
    for ticket, response in zip(asked, weak, strict=True):
        question = request("small", ticket)
        signals.append(of_answer(question, response.choices[0], asked=of_request(question)))
    examples = Examples(
        signals=tuple(signals), weak=right(asked, weak).astype(float), strong=right(asked, strong).astype(float)
    )
    origin = Origin(
        made=dt.date.today().isoformat(), source="tickets", weak="crossover-tiny", strong="sandbox-large", digest=""
    )
    learned = train(examples, Wish(kind="cascade", loss=LOSS, shares=(0.3, 0.5)), origin)
    save(learned, folder / "cascade.json")
    used = sum(one.usage.input + one.usage.output for one in weak if one.usage is not None)
    return learned.card.words, used / seconds * 3600


async def use(folder: Path, tokens: float, asked: list[Ticket]) -> tuple[list[ChatResponse], list[ChatResponse], Path]:
    """The same tickets through the cascade and to the API alone."""
    text = CONFIG.format(cascade=CASCADE.format(learned=folder / "cascade.json"), hour=CPU_HOUR, tokens=f"{tokens:.0f}")
    paths = Paths(config=folder, data=folder / "after", models=folder)
    station = await open_station(load(text, {}), paths)
    try:
        return (
            await answers(station, "auto", asked, logprobs=False),
            await answers(station, "api", asked, logprobs=False),
            station.ledger.path,
        )
    finally:
        await station.aclose()


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    drawn = tickets(SEED, 2 * count, "heldout")
    before, after = list(drawn[:count]), list(drawn[count:])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        promise, tokens = asyncio.run(learn(folder, before))
        cascade, api, ledger = asyncio.run(use(folder, tokens, after))
        with open_ledger(ledger, readonly=True) as book:
            day = dt.datetime.now(dt.UTC).timestamp()
            rows = {row.name: row.totals for row in queries.spend(book, day - 86_400, day + 3600, "alias")}
        paid = {name: totals.marginal / 10**12 for name, totals in rows.items()}
        shares = {name: totals.cost / 10**12 for name, totals in rows.items()}
    mine, theirs = right(after, cascade), right(after, api)
    lost = int((theirs & ~mine).sum())
    low, high = clopper_pearson(lost, count, 0.95)
    local = sum(response.served is not None and response.served.local for response in cascade)
    fine = low <= LOSS
    print(f"promise       {promise}")
    print(f"accuracy      cascade {mine.mean():.1%}, API alone {theirs.mean():.1%}, on {count} tickets never seen")
    bar = "pass" if fine else "FALLS SHORT"
    print(f"lost          {lost / count:.1%} [{low:.1%}, {high:.1%}], promised at most {LOSS:.0%}  {bar}")
    print(f"kept local    {local / count:.1%}")
    saved = 1 - paid["auto"] / paid["api"]
    print(f"paid          cascade ${paid['auto']:.6f}, API alone ${paid['api']:.6f}: {saved:.1%} saved")
    print(f"with the CPU  cascade ${shares['auto']:.6f}, own tokens at ${CPU_HOUR} an hour of {tokens:,.0f} tokens")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
