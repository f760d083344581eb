"""The fault wall: every way a model server fails, whole and streamed, with another deployment behind it and without.

Each fault happens on a real socket behind a real gateway. With a fallback, and nothing said yet, the client gets the
other's whole answer and sees no failure. Once a word was said, the client gets an error inside the stream and never a
clean end. The ledger tells each attempt by its name.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from crossover.ledger.words import Record
from crossover.providers.answers import Answer as Said
from crossover.providers.answers import FakeDialect
from crossover.providers.faulty import Fault, FaultKind, FaultyServer, Script
from tests.gateway.house import (
    Answer,
    House,
    chat,
    configured,
    connected,
    deployed,
    house,
    records,
    request,
    run,
    until,
)

ENV = {"KEY": "upstream-secret"}
TOP = """
[timeouts]
first_byte = 15.0
whole = 15.0
gap = 15.0
[retries]
backoff = 0.001
[breaker]
failures = 1000
minimum = 1000
"""
# Only where silence is the fault is anything waited for: a busy machine must not make another failure of a good one.
SHORT: dict[str, str] = {
    "hang": "timeouts.first_byte = 0.05\ntimeouts.whole = 0.05",
    "slow_first_byte": "timeouts.first_byte = 0.05\ntimeouts.whole = 0.05",
    "stall": "timeouts.first_byte = 0.4\ntimeouts.gap = 0.05",
}
SPOILT = Said(text="spoilt words which must never mix")
GOOD = Said(text="From the other one.")


class Case(msgspec.Struct, frozen=True):
    """A fault, and what becomes of it: the name of the failure and the status without a fallback, or ``ok``.

    ``tries`` is how often the only deployment is asked; a stream ``said`` something before it broke.
    """

    step: Fault
    outcome: str
    status: int
    tries: int = 1
    said: bool = False

    @property
    def name(self) -> str:
        """For the list of tests."""
        more = "".join([" asking to wait" * bool(self.step.retry_after), " in the middle" * self.said])
        return f"{self.step.kind}{more}"


def fault(kind: FaultKind, after: int = 0, retry_after: str | None = None) -> Fault:
    return Fault(kind=kind, after=after, retry_after=retry_after, answer=SPOILT)


SAME = (  # whether streamed or not
    Case(fault("refuse"), "refused", 502, 2),
    Case(fault("tls"), "tls", 502),
    Case(fault("reset"), "reset", 502),
    Case(fault("close"), "reset", 502),
    Case(fault("hang"), "first_byte_timeout", 504),
    Case(fault("slow_first_byte"), "first_byte_timeout", 504),
    Case(fault("empty"), "empty", 502),
    Case(fault("oversized"), "malformed", 502),
    Case(fault("html"), "malformed", 502),
    Case(fault("redirect"), "malformed", 502),
    Case(fault("context_length"), "context_length", 400),
    Case(fault("auth"), "auth", 502),
    Case(fault("forbidden"), "auth", 502),
    Case(fault("quota"), "quota", 502),
    Case(fault("not_found"), "not_found", 502),
    Case(fault("rate_limited"), "rate_limited", 429, 2),
    Case(fault("rate_limited", retry_after="30"), "rate_limited", 429),
    Case(fault("server_error"), "server_error", 502),
    Case(fault("bad_gateway"), "server_error", 502),
    Case(fault("unavailable"), "overloaded", 503, 2),
    Case(fault("overloaded"), "overloaded", 503, 2),
)
WHOLE = (
    *SAME,
    Case(fault("stall"), "gap_timeout", 504),
    Case(fault("cut"), "cut", 502),
    Case(fault("malformed"), "malformed", 502),
    Case(fault("inband_error"), "server_error", 502),
)
STREAMED = (
    *SAME,
    Case(fault("stall"), "gap_timeout", 504),
    Case(fault("cut"), "cut", 502),
    Case(fault("inband_error"), "server_error", 502),
    Case(fault("malformed"), "ok", 200),  # one event that cannot be read, and then a good answer
    Case(fault("stall", 2), "gap_timeout", 200, said=True),
    Case(fault("cut", 2), "cut", 200, said=True),
    Case(fault("inband_error", 2), "server_error", 200, said=True),
    Case(fault("unfinished"), "cut", 200, said=True),
)
OTHERS = {"reset", "hang", "empty", "stall", "cut", "inband_error", "unfinished", "rate_limited", "overloaded", "html"}
ALL = [
    *[pytest.param("openai", case, False, id=f"openai whole {case.name}") for case in WHOLE],
    *[pytest.param("openai", case, True, id=f"openai streamed {case.name}") for case in STREAMED],
    *[
        pytest.param(dialect, case, streamed, id=f"{dialect} {'streamed' if streamed else 'whole'} {case.name}")
        for dialect in ("anthropic", "gemini", "ollama")
        for streamed, cases in ((False, WHOLE), (True, STREAMED))
        for case in cases
        if case.step.kind in OTHERS
    ],
]


@contextlib.asynccontextmanager
async def wall(
    folder: Path, script: Script, dialect: FakeDialect = "openai", good: Script = GOOD, more: str = ""
) -> AsyncIterator[tuple[House, FaultyServer, FaultyServer]]:
    """A gateway before a server that fails and one that does not: alias ``auto`` has both, ``alone`` the first."""
    async with FaultyServer(dialect, script) as bad, FaultyServer("openai", good) as other:
        rows = deployed("bad", bad, more=more), deployed("good", other)
        text = configured(*rows, top=TOP, alias='policy = "quality_first"') + deployed("alone", bad, more=more)
        async with house(text, folder, environ=ENV) as at:
            yield at, bad, other


def outcomes(row: Record) -> list[tuple[str, str]]:
    return [(attempt.deployment, attempt.outcome) for attempt in row.attempts]


def outcome_of(case: Case, dialect: FakeDialect, streamed: bool) -> str:
    """Its name; Gemini and Ollama announce nothing before the first word, so silence there is one from the start."""
    silent = streamed and not case.said and dialect in ("gemini", "ollama")
    return "first_byte_timeout" if silent and case.outcome == "gap_timeout" else case.outcome


def row_of(rows: Mapping[str, Record], answer: Answer) -> Record:
    return rows[answer.headers["x-crossover-request-id"]]


def broken_stream(answer: Answer) -> dict[str, Any]:
    """The error at the end of a stream that had begun; nothing comes after it, and no ``[DONE]``."""
    assert "spoilt words which must never mix".startswith(answer.text)
    assert answer.text
    error: dict[str, Any] = answer.events[-1]["error"]
    assert "[DONE]" not in answer.events
    assert error["message"]
    return error


@pytest.mark.parametrize(("dialect", "case", "streamed"), ALL)
def test_the_wall(tmp_path: Path, dialect: FakeDialect, case: Case, streamed: bool) -> None:
    outcome = outcome_of(case, dialect, streamed)
    whole_server = case.step.kind in ("refuse", "tls")
    script: Script = case.step.kind if whole_server else (lambda _seen: case.step)

    async def work() -> None:
        async with wall(tmp_path, script, dialect, more=SHORT.get(case.step.kind, "")) as (at, bad, good):
            behind = await at.chat(chat("auto", stream=streamed))
            asked_first = len(bad.journal)
            alone = await at.chat(chat("alone", stream=streamed))
            assert len(good.journal) == (0 if case.said or outcome == "ok" else 1)
            if not whole_server:
                assert len(bad.journal) - asked_first == case.tries
        rows = {row.id: row for row in records(at.ledger)}
        if outcome == "ok":
            assert behind.text == alone.text == SPOILT.text
            assert {row.status for row in rows.values()} == {"ok"}
            return
        if case.said:
            for answer in (behind, alone):
                broken_stream(answer)
                row = row_of(rows, answer)
                assert (row.status, row.error, row.http_status) == ("truncated", outcome, 200)
                assert outcomes(row) == [(row.deployment, outcome)]
                assert row.attempts[0].output_tokens > 0, "what was said was paid for"
            return
        assert (behind.status, behind.text) == (200, GOOD.text)
        assert behind.headers["x-crossover-deployment"] == "good"
        assert behind.headers["x-crossover-attempts"] == "2"
        row = row_of(rows, behind)
        assert (row.status, row.deployment) == ("ok", "good")
        assert outcomes(row) == [("bad", outcome), ("good", "ok")]
        assert (alone.status, alone.headers["content-type"]) == (case.status, "application/json")
        assert "upstream-secret" not in alone.body.decode()
        row = row_of(rows, alone)
        assert (row.status, row.error, row.http_status) == ("error", outcome, case.status)
        assert outcomes(row) == [("alone", outcome)] * case.tries

    run(work())


@pytest.mark.parametrize("streamed", [True, False])
def test_a_request_that_is_wrong_is_wrong_everywhere(tmp_path: Path, streamed: bool) -> None:
    """No other deployment is asked, and none is blamed."""

    async def work() -> None:
        async with wall(tmp_path, "bad_request") as (at, bad, good):
            answer = await at.chat(chat(stream=streamed))
            assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
            assert "temperature must be between 0 and 2" in answer.error["message"]
            assert (len(bad.journal), len(good.journal)) == (1, 0)

    run(work())


@pytest.mark.parametrize("streamed", [True, False])
def test_where_everybody_fails_the_last_failure_is_told(tmp_path: Path, streamed: bool) -> None:
    async def work() -> None:
        async with wall(tmp_path, "hang", good="server_error", more=SHORT["hang"]) as (at, _, _other):
            answer = await at.chat(chat(stream=streamed))
            assert answer.status == 502
            assert answer.headers["x-should-retry"] == "false"
        (row,) = records(at.ledger)
        assert outcomes(row) == [("bad", "first_byte_timeout"), ("good", "server_error")]
        assert row.attempts[0].accepted, "it may have done the work: its prompt is paid for"
        assert row.cost > 0

    run(work())


@pytest.mark.parametrize("kind", ["reset", "hang", "malformed", "empty", "cut", "rate_limited", "server_error", "html"])
def test_embeddings_fall_back_as_well(tmp_path: Path, kind: FaultKind) -> None:
    async def work() -> None:
        async with wall(tmp_path, lambda _seen: fault(kind), more=SHORT.get(kind, "")) as (at, bad, good):
            body = msgspec.json.encode({"model": "auto", "input": "some words"})
            answer = await at.ask("POST", "/v1/embeddings", body)
            assert (answer.status, answer.headers["x-crossover-deployment"]) == (200, "good")
            assert answer.tree["data"][0]["embedding"] == [0.25, -0.5, 1.0]
            alone = await at.ask("POST", "/v1/embeddings", body.replace(b"auto", b"alone"))
            assert alone.status in (429, 502, 504)
            assert alone.error
            assert bad.journal
            assert len(good.journal) == 1

    run(work())


def test_a_certificate_that_nobody_trusts_is_no_answer(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def work() -> None:
        async with FaultyServer("openai", tls=context) as bad, FaultyServer("openai", GOOD) as good:
            text = configured(deployed("bad", bad), deployed("good", good), top=TOP, alias='policy = "quality_first"')
            async with house(text, tmp_path, environ=ENV) as at:
                assert (await at.chat(chat())).text == GOOD.text
                alone = await at.chat(chat("bad"))
                assert (alone.status, alone.error["code"]) == (502, "tls")
            assert not bad.journal
            assert outcomes(records(at.ledger)[0]) == [("bad", "tls"), ("good", "ok")]

    run(work())


def test_who_keeps_failing_rests_and_is_tried_again(tmp_path: Path) -> None:
    top = TOP.replace("failures = 1000", "failures = 2\nrest = 0.1")

    async def work() -> None:
        steps: list[Any] = ["server_error", "server_error"]
        async with FaultyServer("openai", steps) as bad, FaultyServer("openai", GOOD) as good:
            text = configured(deployed("bad", bad), deployed("good", good), top=top, alias='policy = "quality_first"')
            async with house(text, tmp_path, environ=ENV) as at:
                for _ in range(4):
                    assert (await at.chat(chat())).text == GOOD.text
                assert len(bad.journal) == 2, "after two failures it rests"
                alone = await at.chat(chat("bad"))
                assert (alone.status, alone.headers["retry-after"]) == (503, "1")
                assert "rests: server_error" in alone.error["message"]
                while (await at.chat(chat())).headers["x-crossover-deployment"] != "bad":
                    pass
                assert len(bad.journal) == 3

    run(work())


# --------------------------------------------------------------------------------------------------- who leaves early


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini", "ollama"])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_ends_the_call_to_the_model(tmp_path: Path, dialect: FakeDialect, streamed: bool) -> None:
    step = Fault(kind="stall" if streamed else "hang")

    async def work() -> None:
        async with (
            FaultyServer(dialect, step) as server,
            house(configured(deployed("a", server), top=TOP), tmp_path, environ=ENV) as at,
        ):
            async with connected(at.url) as client:
                client.send(request("POST", "/v1/chat/completions", chat(stream=streamed)))
                (seen,) = await server.arrived(1)
                if streamed:
                    await client.reader.readuntil(b"All")
            await seen.gone.wait()
            plant = at.station.dispatcher.plant
            await until(lambda: plant.places["a"].busy == (0, 0))
            assert plant.health.breakers["a"].state(0.0) == "closed", "it is no failure of the model"
        (row,) = records(at.ledger)
        assert (row.status, row.http_status) == ("cancelled", 499)
        assert outcomes(row) == [("a", "cancelled")]

    run(work())


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_client_that_reads_slowly_slows_the_model_and_gets_everything(tmp_path: Path, dialect: FakeDialect) -> None:
    """Twenty megabytes stay where they are made until somebody reads them."""
    words = ["x" * 10_000] * 2000

    async def work() -> None:
        async with (
            FaultyServer(dialect, Said(text=" ".join(words))) as server,
            house(configured(deployed("a", server), top=TOP), tmp_path, environ=ENV) as at,
            connected(at.url) as client,
        ):
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(request("POST", "/v1/chat/completions", chat(stream=True)))
            await server.arrived(1)
            await until(lambda: any(not one.drained.is_set() for one in server._open))
            assert not server.journal[0].answered
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            answer = await client.answer()
            assert len(answer.text) == sum(map(len, words)) + len(words) - 1
            assert answer.events[-1] == "[DONE]"

    run(work())


def test_the_end_of_the_gateway_ends_calls_and_writes_their_rows(tmp_path: Path) -> None:
    """A drain of nothing: what is under way is broken off, and still in the ledger."""

    async def work() -> None:
        async with FaultyServer("openai", Fault(kind="stall")) as server:
            text = configured(deployed("a", server), top=TOP, drain=0.0)
            async with contextlib.AsyncExitStack() as clients:
                async with house(text, tmp_path, environ=ENV) as at:
                    for number in range(10):
                        client = await clients.enter_async_context(connected(at.url))
                        client.send(request("POST", "/v1/chat/completions", chat(stream=number % 2 == 0)))
                    await server.arrived(10)
                assert all([await seen.gone.wait() for seen in server.journal])
        rows = records(at.ledger)
        assert [row.status for row in rows] == ["cancelled"] * 10

    run(work())
