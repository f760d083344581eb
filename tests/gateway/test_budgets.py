"""Budgets through the real door and the real ledger: no requests at once exceed them, no crash frees them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crossover.ledger import care, queries
from crossover.ledger.keys import create
from crossover.ledger.store import open_ledger
from crossover.ledger.words import PICO
from crossover.providers.answers import Answer as Said
from crossover.providers.estimate import estimate_text
from crossover.providers.faulty import Fault, FaultyServer, Seen, Step
from crossover.usage import Usage
from tests.cli.process import Process, running
from tests.gateway.house import Answer, asked, chat, configured, deployed, house, records, run, until

ENV = {"KEY": "k"}
OUTPUT = 1000  # tokens each request may have at most
PROMPT = 3 + 4 + estimate_text("hello")  # tokens as they are estimated before the call
MOST = int(PROMPT * 1.25) * 1_000_000 + OUTPUT * 2_000_000  # picodollars that are set aside for one
FULL = Said(usage=Usage(input=int(PROMPT * 1.25), output=OUTPUT))  # a model that uses all of it


def slowly(seen: Seen) -> Step:
    """An answer as long as was asked for, when the test says so."""
    usage = Usage(input=PROMPT, output=1) if seen.tree["max_tokens"] == 1 else FULL.usage
    return Fault(kind="slow_first_byte", answer=Said(usage=usage))


def budget(picodollars: int, more: str = "") -> str:
    return f'\n[budgets.all]\nusd = {picodollars / PICO:.12f}\nperiod = "total"\n{more}\n'


async def flood(
    url: str, server: FaultyServer, count: int, headers: Callable[[int], dict[str, str]] = lambda _number: {}
) -> list[Answer]:
    """So many requests at once. The model keeps all that reach it until every other one is answered."""
    ended: list[Answer] = []

    async def one(number: int) -> Answer:
        body = chat(max_tokens=OUTPUT, stream=number % 2 == 0)
        answer = await asked(url, "POST", "/v1/chat/completions", body, **headers(number))
        ended.append(answer)
        return answer

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    await until(lambda: len(server.journal) + len(ended) == count)
    server.release()
    return [await task for task in tasks]


def statuses(answers: list[Answer]) -> dict[int, int]:
    found = [answer.status for answer in answers]
    return {status: found.count(status) for status in sorted(set(found))}


@pytest.mark.parametrize("places", [17, 1, 0])
def test_two_hundred_at_once_do_not_overshoot(tmp_path: Path, places: int) -> None:
    limit = MOST * places + MOST // 2  # half a request more than fits

    async def work() -> None:
        async with FaultyServer("openai", slowly) as server:
            text = configured(deployed("a", server)) + budget(limit)
            async with house(text, tmp_path, environ=ENV) as at:
                answers = await flood(at.url, server, 200)
                assert statuses(answers) == ({200: places, 429: 200 - places} if places else {429: 200})
                for answer in answers:
                    if answer.status == 429:
                        assert answer.error["code"] == "budget_exceeded"
                        assert answer.headers["x-should-retry"] == "false"
                again = await asked(at.url, "POST", "/v1/chat/completions", chat(max_tokens=OUTPUT))
                assert again.status == 429, "it is spent, not only set aside"
                less = await asked(at.url, "POST", "/v1/chat/completions", chat(max_tokens=1))
                assert less.status == 200, "what is left may still be spent"
        with open_ledger(tmp_path / "ledger.db", readonly=True) as ledger:
            (standing,) = queries.standings(ledger)
            assert standing.reserved == 0
            assert MOST * places < standing.spent <= limit
            assert not queries.unsettled(ledger)
        rows = records(tmp_path / "ledger.db")
        assert sum(row.marginal for row in rows) == standing.spent
        assert len(rows) == 202

    run(work())


def test_what_was_set_aside_and_not_spent_comes_back(tmp_path: Path) -> None:
    async def work() -> None:
        steps: list[Step] = ["server_error", "hang", Said(usage=Usage(input=1, output=1)), "bad_request"]
        async with FaultyServer("openai", steps) as server:
            more = "timeouts.first_byte = 0.05\ntimeouts.whole = 0.05"
            text = configured(deployed("a", server, more=more)) + budget(
                5 * MOST
            )  # what is settled comes back with its row
            async with house(text, tmp_path, environ=ENV) as at:
                found = [(await at.chat(chat(max_tokens=OUTPUT))).status for _ in range(4)]
                assert found == [502, 504, 200, 400]
                with open_ledger(tmp_path / "ledger.db", readonly=True) as ledger:
                    await until(lambda: not queries.standings(ledger)[0].reserved)
        with open_ledger(tmp_path / "ledger.db", readonly=True) as ledger:
            (standing,) = queries.standings(ledger)
        spent = [row.marginal for row in records(tmp_path / "ledger.db")]
        assert spent == [0, PROMPT * 1_000_000, 3_000_000, 0], "a model that fell silent may have read the prompt"
        assert (standing.spent, standing.reserved) == (sum(spent), 0)

    run(work())


def test_a_client_that_leaves_pays_for_what_it_saw(tmp_path: Path) -> None:
    async def work() -> None:
        async with FaultyServer("openai", Fault(kind="stall", after=2)) as server:
            text = configured(deployed("a", server)) + budget(5 * MOST)
            async with house(text, tmp_path, environ=ENV) as at:
                task = asyncio.create_task(at.chat(chat(stream=True, max_tokens=OUTPUT)))
                (seen,) = await server.arrived(1)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await seen.gone.wait()
        with open_ledger(tmp_path / "ledger.db", readonly=True) as ledger:
            (standing,) = queries.standings(ledger)
        (row,) = records(tmp_path / "ledger.db")
        assert (row.status, standing.reserved) == ("cancelled", 0)
        assert standing.spent == row.marginal >= PROMPT * 1_000_000

    run(work())


def test_an_own_machine_answers_where_the_budget_is_spent(tmp_path: Path) -> None:
    async def work() -> None:
        async with FaultyServer("openai", lambda _seen: FULL) as paid, FaultyServer("openai") as own:
            rows = deployed("paid", paid, more="quality = 2"), deployed("own", own, zone="here", more="quality = 1")
            text = configured(*rows, alias='policy = "quality_first"') + budget(2 * MOST)
            async with house(text, tmp_path, environ=ENV) as at:
                headers = [(await at.chat(chat(max_tokens=OUTPUT))).headers for _ in range(5)]
                went = [each["x-crossover-deployment"] for each in headers]
                assert went == ["paid", "paid", "own", "own", "own"]

    run(work())


def test_every_budget_concerned_must_have_enough(tmp_path: Path) -> None:
    """A key has its own, a team has one, and all have one together."""

    async def work() -> None:
        with open_ledger(tmp_path / "ledger.db") as ledger:
            own, rich = create(ledger, "own", budget=3 * MOST, budget_period="total"), create(ledger, "rich")
        async with FaultyServer("openai", slowly) as server:
            team = f'[budgets.team]\nusd = {8 * MOST / PICO:.12f}\nperiod = "total"\nkeys = ["{rich[0].id}"]\n'
            text = configured(deployed("a", server)) + budget(10 * MOST) + team
            async with house(text, tmp_path, environ=ENV) as at:
                keys = [{"authorization": f"Bearer {secret}"} for _, secret in (own, rich)]
                answers = await flood(at.url, server, 60, lambda number: keys[number % 2])
                served = [sum(answer.status == 200 for answer in answers[half::2]) for half in (0, 1)]
                assert served[0] <= 3
                assert served[1] <= 8
                assert sum(served) == 10
        with open_ledger(tmp_path / "ledger.db", readonly=True) as ledger:
            standing = {row.name: row.spent for row in queries.standings(ledger)}
        assert standing == {
            "all": 10 * MOST, "team": served[1] * MOST, f"key:{own[0].id}": served[0] * MOST
        }  # fmt: skip

    run(work())


def test_a_price_that_nobody_knows_fits_no_budget(tmp_path: Path) -> None:
    async def work() -> None:
        async with FaultyServer("openai") as server:
            row = deployed("a", server).replace("price.input = 1.0\nprice.output = 2.0\n", "")
            async with house(configured(row) + budget(100 * MOST), tmp_path, environ=ENV) as at:
                answer = await at.chat(chat())
                assert answer.status == 422
                assert "price" in answer.error["message"]
                assert not server.journal

    run(work())


# -------------------------------------------------------------------------------------------------------------- kill -9


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_gateway_that_is_killed_loses_nothing_committed_and_frees_no_budget(tmp_path: Path) -> None:
    """Three lives on one ledger, each ended by kill -9 under load. What was read as committed is still there, and the
    requests that were under way stay charged."""
    file, ledger = tmp_path / "crossover.toml", tmp_path / "ledger.db"
    rounds, done, hanging = 3, 20, 15

    def step(seen: Seen) -> Step:
        return "hang" if "hang" in seen.body.decode() else FULL

    async def one_life(number: int, url: str, server: FaultyServer, process: Process, kept: set[str]) -> None:
        async def ask(said: str) -> Answer:
            return await asked(url, "POST", "/v1/chat/completions", chat(max_tokens=OUTPUT, said=said))

        answers = await asyncio.gather(*(ask("hello") for _ in range(done)))
        assert statuses(answers) == {200: done}
        committed = {answer.headers["x-crossover-request-id"] for answer in answers}
        with open_ledger(ledger, readonly=True) as reader:
            await until(lambda: committed <= {row[0] for row in reader.rows("SELECT id FROM records")})
        kept |= committed
        under_way = [asyncio.create_task(ask("hang")) for _ in range(hanging)]
        load = [asyncio.create_task(ask("hello")) for _ in range(50)]
        await until(lambda: sum("hang" in seen.body.decode() for seen in server.journal) == hanging * (number + 1))
        process.signal(signal.SIGKILL)
        for task in (*under_way, *load):
            await asyncio.gather(task, return_exceptions=True)

    async def work() -> None:
        kept: set[str] = set()
        async with FaultyServer("openai", step) as server:
            file.write_text(configured(deployed("a", server)) + budget(10_000 * MOST))
            for number in range(rounds):
                words = ("serve", "--config", str(file), "--ledger", str(ledger))
                with running(*words, folder=tmp_path, environ=ENV) as process:
                    line = await asyncio.to_thread(process.until, "Crossover serves")
                    await one_life(number, line.split()[2].removesuffix("/v1"), server, process, kept)
                    await asyncio.to_thread(process.done)
        check(kept)

    def check(kept: set[str]) -> None:
        with open_ledger(ledger) as opened:
            opened.writer().close()
            assert not care.check(opened)
            there = {row[0] for row in opened.rows("SELECT id FROM records")}
            assert len(kept) == rounds * done
            assert kept <= there
            left = queries.unsettled(opened)
            assert len(left) >= rounds * hanging
            (standing,) = queries.standings(opened)
            assert standing.reserved == sum(row.amount for row in left)
            assert standing.spent == sum(row.marginal for row in queries.records(opened, 0, 4e9))

    run(work())
