"""Privacy at the door: what is found decides where a request goes, over real sockets."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crossover.errors import DetectionError
from crossover.ledger import audit
from crossover.ledger.store import open_ledger
from crossover.privacy.words import Classified
from crossover.providers.answers import Answer as Said
from crossover.providers.faulty import FaultyServer, Script, Seen
from tests.gateway.house import House, chat, house, records, run

CARD, MAIL, PROJECT = "4111 1111 1111 1111", "erika.mueller@muster-ag.de", "Project Falcon"
KEY = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
CONFIG = """
[server]
port = 0
[zones.here]
operator = "own"
[zones.api]
operator = "provider"
party = "somebody"
[deployments.own]
provider = "vllm"
base_url = "{own}/v1"
model = "m"
zone = "here"
[deployments.api]
provider = "openai-compatible"
base_url = "{api}/v1"
api_key = "${{KEY}}"
model = "m"
zone = "api"
quality = 9
[deployments.api.price]
input = 1
output = 2
[aliases.best]
deployments = ["api", "own"]
policy = "quality_first"
[aliases.api-only]
deployments = ["api"]
[aliases.open]
deployments = ["api", "own"]
policy = "quality_first"
privacy = "mine"
[aliases.open-api]
deployments = ["api"]
privacy = "mine"
[privacy]
profile = "balanced"
names = false
health = false
[privacy.profiles.mine]
base = "balanced"
actions = {{ falcon = "redact", email = "redact", secrets = "redact" }}
[privacy.rules.falcon]
words = ["Project Falcon"]
[privacy.rules.legal]
header = "x-department"
value = "^legal$"
[privacy.rules.case]
field = "case_id"
"""


@contextlib.asynccontextmanager
async def standing(
    folder: Path, *, script: Script = (), api_script: Script = ()
) -> AsyncIterator[tuple[House, FaultyServer, FaultyServer]]:  # fmt: skip
    """A gateway before a model of one's own and an API."""
    async with FaultyServer(script=script) as own, FaultyServer(script=api_script) as api:
        text = CONFIG.format(own=own.url, api=api.url)
        async with house(text, folder, environ={"KEY": "k"}) as home:
            yield home, own, api


def echo(seen: Seen) -> Said:
    """Says what it was told, in several pieces."""
    return Said(text=seen.tree["messages"][-1]["content"])


def test_a_card_number_stays_at_home_and_nothing_of_it_reaches_the_api(tmp_path: Path) -> None:
    async def work() -> None:
        async with standing(tmp_path) as (home, own, api):
            plain = await home.chat(chat("best", said="What is the capital of France?"))
            card = await home.chat(chat("best", said=f"Please charge {CARD} now"))
            streamed = await home.chat(chat("best", stream=True, said=f"Please charge {CARD} now"))
            told = await home.chat(chat("best", said="hello"), x_department="legal")
            other = await home.chat(chat("best", said="hello"), x_department="sales")
            case = await home.chat(chat("best", said="hello", metadata={"case_id": "C-1"}))
        assert [one.headers["x-crossover-deployment"] for one in (plain, card, streamed, told, other, case)] == [
            "api", "own", "own", "own", "api", "own",
        ]  # fmt: skip
        assert "payment card x1 found: api is not local" in card.headers["x-crossover-decision"]  # a header is ASCII
        assert all(CARD.encode() not in seen.body and b"C-1" not in seen.body for seen in api.journal)
        assert sum(CARD.encode() in seen.body for seen in own.journal) == 2

    run(work())
    rows = {row.id: row for row in records(tmp_path / "ledger.db")}
    (first, *_) = [row for row in rows.values() if row.privacy is not None and row.privacy.counts]
    assert (first.deployment, first.tier, first.categories) == ("own", "hard", ("financial",))
    assert first.refused == (
        ("api", "payment card ×1 found: api is not local (balanced: financial/payment_card local_only)"),
    )


def test_what_cannot_be_replaced_stays_and_the_row_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        async with standing(tmp_path) as (home, _own, api):
            never = await home.chat(chat("open-api", said="hello", service_tier=MAIL))
        assert never.status == 422
        assert "email ×1 found where it cannot be replaced" in never.error["message"]
        assert not api.journal

    run(work())
    (row,) = records(tmp_path / "ledger.db")
    assert row.privacy is not None
    assert (row.privacy.action, row.privacy.rule) == ("local_only", "mine: identifiers/email redact")


def test_the_metrics_count_what_was_found_and_decided(tmp_path: Path) -> None:
    async def work() -> None:
        async with standing(tmp_path) as (home, _own, _api):
            for said in ("hello", f"Please charge {CARD} now", f"Write to {MAIL} about Project Falcon"):
                await home.chat(chat("open", said=said))
            await home.chat(chat("api-only", said=f"Please charge {CARD} now"))
            page = (await home.ask("GET", "/metrics")).body.decode()
        found = [line.removeprefix("crossover_") for line in page.splitlines() if line.startswith("crossover_privacy_")]
        assert found == [
            'privacy_total{category="custom",action="redact"} 1',
            'privacy_total{category="financial",action="local_only"} 2',
            'privacy_total{category="identifiers",action="redact"} 1',
            'privacy_total{category="none",action="allow"} 1',
        ]
        assert "crossover_replaced_total 2" in page
        assert CARD not in page

    run(work())


def test_without_a_healthy_local_model_it_is_refused_and_with_no_local_model_for_good(tmp_path: Path) -> None:
    async def work() -> None:
        async with standing(tmp_path, script="refuse") as (home, _own, api):
            down = await home.chat(chat("best", said=f"Please charge {CARD} now"))
            never = await home.chat(chat("api-only", said=f"Please charge {CARD} now"))
        assert (down.status, never.status) == (503, 422)
        assert "payment card" in never.error["message"]
        assert CARD not in never.error["message"]
        assert not api.journal

    run(work())


@pytest.mark.parametrize("stream", [False, True])
def test_what_may_not_leave_is_replaced_and_comes_back_in_the_answer(tmp_path: Path, stream: bool) -> None:
    said = f"Tell {MAIL} that {PROJECT} is late, and again: {PROJECT}! The key is {KEY}"

    async def work() -> None:
        async with standing(tmp_path, api_script=echo) as (home, _own, api):
            answer = await home.chat(chat("open", stream=stream, said=said))
        assert answer.headers["x-crossover-deployment"] == "api"
        assert answer.headers["x-crossover-redacted"] == "4"
        (seen,) = api.journal
        for value in (MAIL, PROJECT, KEY):
            assert value.encode() not in seen.body
        expected = said.partition(" The key is")[0]
        assert answer.text.startswith(expected)
        assert KEY not in answer.text, "a secret does not come back"

    run(work())
    (row,) = records(tmp_path / "ledger.db")
    (attempt,) = row.attempts
    assert (attempt.left, attempt.action, attempt.redacted, attempt.party) == (True, "redact", 4, "somebody")
    assert row.privacy is not None
    assert (row.privacy.action, row.privacy.profile) == ("redact", "mine")


def test_a_detector_that_fails_lets_nothing_out(tmp_path: Path) -> None:
    async def late(_request: Any) -> Classified:
        raise DetectionError("looking at a text took too long")

    async def broken(_request: Any) -> Classified:
        raise ZeroDivisionError("the text itself")

    async def work() -> None:
        async with standing(tmp_path) as (home, _own, api):
            dispatcher = home.station.dispatcher
            plant = dispatcher.plant
            assert plant.desk is not None
            for fault, status, alone in ((late, 200, 422), (broken, 500, 500)):
                dispatcher.plant = msgspec.structs.replace(
                    plant, desk=msgspec.structs.replace(plant.desk, classify=fault)
                )  # fmt: skip
                answer = await home.chat(chat("best"))
                refused = await home.chat(chat("api-only"))
                assert (answer.status, refused.status) == (status, alone)
                assert b"the text itself" not in answer.body + refused.body
        assert not api.journal

    run(work())
    told = [row.privacy for row in records(tmp_path / "ledger.db")]
    assert [one.action for one in told if one is not None] == ["failed", "failed"]


def test_the_audit_holds_what_left_and_what_did_not(tmp_path: Path) -> None:
    async def work() -> None:
        async with standing(tmp_path) as (home, _own, _api):
            for said in ("hello", f"Charge {CARD}", f"About {PROJECT}"):
                assert (await home.chat(chat("open", said=said))).status == 200

    run(work())
    with open_ledger(tmp_path / "ledger.db", readonly=True) as ledger:
        checked = audit.verify(ledger)
        everything = str(ledger.rows("SELECT entry FROM audit"))
    assert checked.fault is None
    assert not checked.differing
    for value in (CARD, PROJECT, "4111"):
        assert value not in everything
    assert "payment_card" in everything
