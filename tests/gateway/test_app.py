"""What a client of the gateway sees: routes, keys, headers, errors in the dialect's shape, metrics, models."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from crossover.gateway.app import Gateway
from crossover.gateway.metrics import Metrics
from crossover.ledger.keys import create, listed, revoke
from crossover.ledger.store import open_ledger
from crossover.ledger.words import Key, Record
from crossover.providers.answers import Answer as Said
from crossover.providers.answers import Call, FakeDialect
from crossover.providers.faulty import Fault, FaultyServer, Script
from crossover.runtime.serve import access
from crossover.runtime.station import Station
from crossover.usage import Usage
from tests.gateway.house import (
    Answer,
    House,
    chat,
    configured,
    connected,
    deployed,
    handed,
    house,
    records,
    request,
    run,
)

ENV = {"KEY": "upstream-secret"}
KEYS = "require_keys = true"


@contextlib.asynccontextmanager
async def gate(
    folder: Path,
    script: Script = (),
    *,
    top: str = "",
    alias: str = "",
    more: str = "",
    zone: str = "away",
    dialect: FakeDialect = "openai",
) -> AsyncIterator[tuple[House, FaultyServer]]:
    """A gateway before one fake, with the alias ``auto`` and the deployment ``a``."""
    async with FaultyServer(dialect, script) as server:
        text = configured(deployed("a", server, zone=zone, more=more), top=top, alias=alias)
        async with house(text, folder, environ=ENV) as made:
            yield made, server


def keyed(folder: Path, **facts: Any) -> str:
    """A key in the ledger of this folder; its secret."""
    with open_ledger(folder / "ledger.db") as ledger:
        return create(ledger, "somebody", **facts)[1]


def gateway_of(station: Station, keys: Mapping[str, Key] | None = None) -> Gateway:
    """Another door to the same station, without a socket."""
    if keys is not None:
        station.keys = dict(keys)
    return Gateway(
        station.dispatcher, access(station.settings, station), metrics=Metrics(), tick=time.monotonic,
        ready=station.ready, started=1_800_000_000,
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- routes


def test_what_can_be_got(tmp_path: Path) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, _):
            assert (await at.ask("GET", "/health")).tree == {"status": "ok"}
            ready = (await at.ask("GET", "/ready")).tree
            assert ready == {
                "status": "ready", "deployments": {"a": "up"},
                "ledger": {"healthy": True, "queued": 0, "lost": 0},
            }  # fmt: skip
            models = (await at.ask("GET", "/v1/models")).tree
            assert models["object"] == "list"
            assert [row["id"] for row in models["data"]] == ["auto", "a", "model-of-a"]
            assert {row["object"] for row in models["data"]} == {"model"}
            one = (await at.ask("GET", "/v1/models/auto")).tree
            assert one in models["data"]
            assert (await at.ask("GET", "/v1/models/%61uto?x=y")).tree == one
            missing = await at.ask("GET", "/v1/models/%ff%0d%0a")
            assert (missing.status, missing.error["code"]) == (404, "model_not_found")
            description = (await at.ask("GET", "/openapi.json")).tree
            assert description["openapi"].startswith("3.1")
            for path in ("/health", "/ready", "/v1/models", "/v1/models/auto", "/metrics", "/openapi.json"):
                got, head = await at.ask("GET", path), await at.ask("HEAD", path)
                assert head.status == 200
                assert head.headers["content-type"] == got.headers["content-type"]
                assert head.headers["content-length"] == got.headers["content-length"] or path == "/metrics"

    run(work())


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("HEAD", "/v1/chat/completions", "POST"),
        ("OPTIONS", "/v1/embeddings", "POST"),
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("POST", "/v1/models/auto", "GET, HEAD"),
        ("PUT", "/health", "GET, HEAD"),
    ],
)
def test_the_wrong_method_is_told_the_right_one(tmp_path: Path, method: str, path: str, allow: str) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, _):
            answer = await at.ask(method, path)
            assert (answer.status, answer.headers["allow"]) == (405, allow)
            assert method == "HEAD" or answer.error["code"] == "method_not_allowed"

    run(work())


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/completions", "/v1/chat/completions/", "/V1/models", "//v1/models"])
def test_nothing_is_served_elsewhere(tmp_path: Path, path: str) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, server):
            answer = await at.ask("POST", path, chat())
            assert (answer.status, answer.error["type"]) == (404, "not_found_error")
            assert not server.journal

    run(work())


# ------------------------------------------------------------------------------------------------------------- answers


def test_an_answer_says_where_it_comes_from_and_what_it_cost(tmp_path: Path) -> None:
    async def work() -> None:
        async with gate(tmp_path, Said(text="All good.", usage=Usage(input=1000, output=500))) as (at, server):
            answer = await at.chat(chat(metadata={"who": "test"}))
            assert (answer.status, answer.text) == (200, "All good.")
            assert answer.headers["x-crossover-deployment"] == "a"
            assert answer.headers["x-crossover-zone"] == "away"
            assert answer.headers["x-crossover-cost-usd"] == "0.002"
            assert "local_first" in answer.headers["x-crossover-decision"]
            assert "x-crossover-local" not in answer.headers
            assert "x-crossover-attempts" not in answer.headers
            asked = server.journal[0]
            assert asked.headers["authorization"] == "Bearer upstream-secret"
            assert asked.tree["model"] == "model-of-a"
            assert not [name for name in asked.headers if name.startswith("x-crossover")]
        (row,) = records(at.ledger)
        assert row.id == answer.headers["x-crossover-request-id"]
        assert (row.status, row.cost, row.door, row.asked) == ("ok", 2_000_000_000, "openai", "auto")

    run(work())


def test_an_own_machine_without_a_stated_hour_claims_no_price(tmp_path: Path) -> None:
    async def work() -> None:
        async with gate(tmp_path, zone="here") as (at, _):
            answer = await at.chat(chat())
            assert answer.headers["x-crossover-local"] == "1"
            assert "x-crossover-cost-usd" not in answer.headers
        (row,) = records(at.ledger)
        assert (row.cost_known, row.cost, row.marginal, row.local) == (False, 0, 0, True)
        assert row.price_source == "own machine: no hourly price stated"

    run(work())


def test_an_own_machine_with_a_stated_hour_costs_its_share_of_it(tmp_path: Path) -> None:
    more = "price.per_hour = 3.6\nprice.tokens_per_hour = 1_800_000"  # two microdollars a token

    async def work() -> None:
        said = Said(usage=Usage(input=90, output=10))
        async with gate(tmp_path, said, zone="here", more=more) as (at, _):
            assert (await at.chat(chat())).headers["x-crossover-cost-usd"] == "0.0002"
        (row,) = records(at.ledger)
        assert (row.cost_known, row.cost, row.marginal) == (True, 200_000_000, 0)

    run(work())


@pytest.mark.parametrize("wanted", [True, False, None])
def test_usage_of_a_stream_goes_to_whoever_asked_for_it(tmp_path: Path, wanted: bool | None) -> None:
    async def work() -> None:
        more: dict[str, Any] = {} if wanted is None else {"stream_options": {"include_usage": wanted}}
        async with gate(tmp_path, Said(text="one two three", usage=Usage(input=7, output=3))) as (at, server):
            answer = await at.chat(chat(stream=True, **more))
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.text == "one two three"
            assert answer.events[-1] == "[DONE]"
            usages = [row["usage"] for row in answer.events[:-1] if row.get("usage")]
            assert len(usages) == (1 if wanted else 0)
            if wanted:
                assert usages[0]["completion_tokens"] == 3
                assert answer.events[-2]["choices"] == []
            assert server.journal[0].tree["stream_options"]["include_usage"] is True  # it is always counted
            assert b": crossover cost_usd=0.000013 attempts=1\n\n" in answer.body
        (row,) = records(at.ledger)
        assert (row.streamed, row.input_tokens, row.output_tokens) == (True, 7, 3)

    run(work())


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "ollama"])
@pytest.mark.parametrize("stream", [True, False])
def test_answers_of_other_dialects_look_like_openai_ones(tmp_path: Path, dialect: FakeDialect, stream: bool) -> None:
    said = Said(text="It rains.", calls=(Call(name="look", arguments='{"at": "sky"}'),), finish="tool_calls")

    async def work() -> None:
        async with gate(tmp_path, said, dialect=dialect) as (at, _):
            tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
            answer = await at.chat(chat(stream=stream, tools=tools, stream_options={"include_usage": True}))
            assert answer.text == "It rains."
            if stream:
                rows = answer.events[:-1]
                assert {row["object"] for row in rows} == {"chat.completion.chunk"}
                assert len({row["id"] for row in rows}) == 1
                calls = [c for r in rows for x in r["choices"] for c in x["delta"].get("tool_calls") or ()]
                arguments = "".join(call["function"].get("arguments") or "" for call in calls)
                assert msgspec.json.decode(arguments) == {"at": "sky"}
                finishes = [x["finish_reason"] for r in rows for x in r["choices"] if x["finish_reason"]]
                assert finishes == ["tool_calls"]
            else:
                rows = [answer.tree]
                assert rows[0]["object"] == "chat.completion"
                assert rows[0]["choices"][0]["finish_reason"] == "tool_calls"
            assert all(abs(row["created"] - time.time()) < 3600 for row in rows)
            assert rows[-1]["usage"]["prompt_tokens"] == 12

    run(work())


def test_embeddings(tmp_path: Path) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, _):
            body = msgspec.json.encode({"model": "auto", "input": ["one", "two"]})
            answer = await at.ask("POST", "/v1/embeddings", body)
            assert [row["embedding"] for row in answer.tree["data"]] == [[0.25, -0.5, 1.0]] * 2
            assert answer.headers["x-crossover-cost-usd"] == "0.000012"
        (row,) = records(at.ledger)
        assert (row.kind, row.input_tokens) == ("embed", 12)

    run(work())


def test_a_parameter_that_was_dropped_is_named(tmp_path: Path) -> None:
    async def work() -> None:
        async with gate(tmp_path, dialect="anthropic") as (at, _):
            answer = await at.chat(chat(seed=7, presence_penalty=0.5))
            named = answer.headers["x-crossover-dropped-params"].split(",")
            assert sorted(named) == ["presence_penalty", "seed"]
            refused = await at.chat(chat(logit_bias={"50256": -100}))
            assert refused.status == 422
            assert "logit_bias" in refused.error["message"]

    run(work())


def test_a_part_that_nobody_here_knows_reaches_a_target_of_the_same_dialect_only(tmp_path: Path) -> None:
    strange = {"type": "hologram", "hologram": {"depth": 3}}
    body = msgspec.json.encode({"model": "auto", "messages": [{"role": "user", "content": [strange]}]})

    async def work() -> None:
        async with FaultyServer("openai") as same, FaultyServer("anthropic") as other:
            text = configured(deployed("other", other), deployed("same", same))
            async with house(text, tmp_path, environ=ENV) as at:
                unreadable = await at.chat(body)
                assert unreadable.status == 422
                assert "balanced: opaque local_only" in unreadable.error["message"]
            text += "[privacy]\nprofile = 'open'\n"
            async with house(text, tmp_path, environ=ENV) as at:
                answer = await at.chat(body)
                assert answer.headers["x-crossover-deployment"] == "same"
                assert same.journal[0].tree["messages"][0]["content"] == [strange]
                refused = await at.chat(body.replace(b'"auto"', b'"other"'))
                assert refused.status == 422
                assert "dialect" in refused.error["message"]
                assert not other.journal

    run(work())


# -------------------------------------------------------------------------------------------------------------- errors

NESTED = b'{"model":"auto","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        (b"", 400, None, "invalid_json"),
        (b"{", 400, None, "invalid_json"),
        (b"\xff\xfe{}", 400, None, "invalid_json"),
        (b'{"model":"auto","messages":[{"role":"user","content":"\xc3\x28"}]}', 400, None, "invalid_json"),
        (b"[]", 400, None, "invalid_json"),
        (b'"auto"', 400, None, "invalid_json"),
        (b'{"model":"auto","temperature":NaN}', 400, None, "invalid_json"),
        (NESTED, 400, None, "invalid_json"),
        (b"{}", 400, "model", "missing_field"),
        (b'{"model":"auto"}', 400, "messages", "missing_field"),
        (b'{"model":7,"messages":[]}', 400, "model", None),
        (b'{"model":"auto","messages":[]}', 400, "messages", None),
        (b'{"model":"auto","messages":{}}', 400, "messages", None),
        (b'{"model":"auto","messages":[{"role":"wizard","content":"x"}]}', 400, "messages[0].role", None),
        (b'{"model":"auto","messages":[{"role":"user","content":"x"}],"n":0}', 400, "n", None),
        (b'{"model":"auto","messages":[{"role":"user","content":"x"}],"max_tokens":1e99}', 400, "max_tokens", None),
        (b'{"model":"auto","messages":[{"role":"user","content":"x"}],"temperature":1e999}', 400, None, None),
        (b'{"model":"auto","messages":[{"role":"user","content":"x"}],"stream":"yes"}', 400, "stream", None),
        (b'{"model":"autto","messages":[{"role":"user","content":"x"}]}', 404, "model", "model_not_found"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, body: bytes, status: int, param: str | None, code: str | None) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, server):
            answer = await at.chat(body)
            assert (answer.status, answer.error["param"]) == (status, param), answer.error
            assert code is None or answer.error["code"] == code
            assert answer.error["type"] == ("invalid_request_error" if status == 400 else "not_found_error")
            assert len(answer.error["message"]) < 500
            assert not server.journal

    run(work())


def test_an_unknown_name_is_offered_the_nearest(tmp_path: Path) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, _):
            assert "Did you mean auto" in (await at.chat(chat("atuo"))).error["message"]
            long = await at.chat(chat("x" * 100_000))
            assert long.status == 404
            assert len(long.body) < 2000
        rows = records(at.ledger)
        assert [row.status for row in rows] == ["refused", "refused"]

    run(work())


def test_strings_that_are_no_text_break_nothing(tmp_path: Path) -> None:
    """Half a surrogate pair is JSON and no Unicode."""

    async def work() -> None:
        async with gate(tmp_path) as (at, _):
            for said in (r"\ud800", r"\u0000", r"\udfff\ud800"):
                for field in ("content", "name"):
                    rest = ',"content":"x"' if field == "name" else ""
                    body = f'{{"model":"auto","messages":[{{"role":"user","{field}":"{said}"{rest}}}]}}'
                    assert (await at.chat(body.encode())).status in (200, 400)
                assert (await at.chat(f'{{"model":"{said}","messages":[]}}'.encode())).status in (400, 404)
                body = f'{{"model":"auto","{said}":1,"messages":[{{"role":"user","content":"x"}}]}}'
                assert (await at.chat(body.encode())).status in (200, 400)

    run(work())


@pytest.mark.parametrize("streamed", [True, False])
def test_failures_of_a_model_are_not_tried_again_by_the_client_as_well(tmp_path: Path, streamed: bool) -> None:
    async def work() -> None:
        async with gate(tmp_path, "server_error") as (at, server):
            answer = await at.chat(chat(stream=streamed))
            assert (answer.status, answer.headers["x-should-retry"]) == (502, "false")
            assert answer.error["type"] == "server_error"
            assert answer.headers["x-crossover-request-id"].startswith("req_")
            assert len(server.journal) == 1
        async with gate(tmp_path / "second", Fault(kind="rate_limited", retry_after="17")) as (at, server):
            answer = await at.chat(chat(stream=streamed))
            assert (answer.status, answer.headers["retry-after"]) == (429, "17")
            assert "x-should-retry" not in answer.headers
            resting = await at.chat(chat(stream=streamed))
            assert resting.status == 503
            assert 1 <= int(resting.headers["retry-after"]) <= 17
            assert len(server.journal) == 1

    (tmp_path / "second").mkdir()
    run(work())


def test_a_client_that_tries_again_is_not_multiplied(tmp_path: Path) -> None:
    """Its first try may be tried twice here; its own second try comes with the header of its SDK and is tried once."""

    async def work() -> None:
        top = "[retries]\nbackoff = 0.01"
        async with gate(tmp_path, "unavailable", top=top) as (at, server):
            await at.chat(chat())
            assert len(server.journal) == 2
            await at.chat(chat(), x_stainless_retry_count="1")
            assert len(server.journal) == 3

    run(work())


@pytest.mark.parametrize("streamed", [True, False])
def test_what_nobody_expected_is_a_500_that_tells_nothing(
    tmp_path: Path, streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, _):
            backends = dict(at.station.dispatcher.plant.backends)
            backends["a"] = Broken()
            plant = msgspec.structs.replace(at.station.dispatcher.plant, backends=backends)
            at.station.dispatcher.plant = plant
            answer = await at.chat(chat(stream=streamed, said="my secret"))
            assert (answer.status, answer.error["type"]) == (500, "server_error")
            assert b"secret" not in answer.body
            assert plant.places["a"].busy == (0, 0)
        (row,) = records(at.ledger)
        assert (row.status, row.http_status, row.error) == ("error", 500, "internal")

    class Broken:
        async def complete(self, request: Any) -> Any:
            raise ValueError(f"secret: {request.messages}")

        async def stream(self, request: Any) -> Any:
            if request.messages:
                raise ValueError(f"secret: {request.messages}")
            yield

        async def embed(self, request: Any) -> Any:
            raise ValueError("secret")

    with caplog.at_level(logging.DEBUG):
        run(work())
    assert "unexpected ValueError at" in caplog.text
    assert "test_app.py" in caplog.text, "where it happened"
    assert "secret" not in caplog.text


# ---------------------------------------------------------------------------------------------------------------- keys


def test_without_keys_only_this_machine_is_served(tmp_path: Path) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, server):
            door = gateway_of(at.station)
            for client in ("127.0.0.1", "127.9.9.9", "::1"):
                assert (await handed(door, "POST", "/v1/chat/completions", chat(), client=client)).status == 200
            for client in ("10.0.0.7", "192.168.1.5", "2001:db8::1", "", "localhost", "::ffff:10.0.0.7"):
                asked = await handed(door, "POST", "/v1/chat/completions", chat(), client=client)
                assert (asked.status, asked.error["code"]) == (403, "keys_required")
                assert (await handed(door, "GET", "/metrics", client=client)).status == 403
                assert (await handed(door, "GET", "/v1/models", client=client)).status == 403
                assert (await handed(door, "GET", "/health", client=client)).status == 200
                ready = await handed(door, "GET", "/ready", client=client)
                assert (ready.status, ready.tree) == (200, {"status": "ready"})
            assert len(server.journal) == 3

    run(work())


@pytest.mark.parametrize("header", ["authorization", "x_api_key", "api_key", "x_goog_api_key"])
def test_with_keys_a_key_is_needed(tmp_path: Path, header: str) -> None:
    secret = keyed(tmp_path)
    good: dict[str, Any] = {header: f"Bearer {secret}" if header == "authorization" else secret}

    async def work() -> None:
        async with gate(tmp_path) as (at, server):
            for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/metrics")):
                none = await at.ask(method, path, chat() if method == "POST" else b"")
                assert (none.status, none.error["code"]) == (401, "missing_api_key")
                assert none.error["type"] == "authentication_error"
                for wrong in ("xo-wrong", secret[:-1], secret + "x", secret.upper(), "'; DROP TABLE keys"):
                    asked = await at.ask(method, path, chat(), authorization=f"Bearer {wrong}")
                    assert (asked.status, asked.error["code"]) == (401, "invalid_api_key")
                    assert wrong not in asked.body.decode()
            assert (await at.ask("GET", "/health")).status == 200
            assert (await at.ask("GET", "/ready")).tree == {"status": "ready"}
            assert "deployments" in (await at.ask("GET", "/ready", **good)).tree
            assert not server.journal
            answer = await at.chat(chat(), **good)
            assert answer.status == 200
            assert secret not in str(server.journal[0].headers), "it is for the gateway alone"
        (row,) = records(at.ledger)
        assert row.key.startswith("key_")

    run(work())


def test_keys_that_ended_open_nothing(tmp_path: Path) -> None:
    revoked = keyed(tmp_path)
    with open_ledger(tmp_path / "ledger.db", clock=lambda: time.time() - 1000) as ledger:
        revoke(ledger, listed(ledger)[0].id)
        expired = create(ledger, "of old", expires=time.time() - 1)[1]

    async def work() -> None:
        async with gate(tmp_path) as (at, _):
            assert (await at.chat(chat())).status == 401, "there was a key once: the door stays shut"
            for secret in (revoked, expired):
                answer = await at.chat(chat(), authorization=f"Bearer {secret}")
                assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")

    run(work())


def test_a_key_made_while_it_runs_counts(tmp_path: Path) -> None:
    async def work() -> None:
        async with gate(tmp_path, top=KEYS) as (at, _):
            assert (await at.chat(chat())).status == 401
            secret = keyed(tmp_path)
            while (await at.chat(chat(), authorization=f"Bearer {secret}")).status == 401:
                pass

    run(work())


def test_a_key_may_ask_for_its_aliases_only(tmp_path: Path) -> None:
    secret = keyed(tmp_path, aliases=("auto",))

    async def work() -> None:
        async with gate(tmp_path) as (at, server):
            mine: dict[str, Any] = {"authorization": f"Bearer {secret}"}
            models = (await at.ask("GET", "/v1/models", **mine)).tree["data"]
            assert [row["id"] for row in models] == ["auto"]
            assert (await at.ask("GET", "/v1/models/a", **mine)).status == 404
            for name in ("a", "model-of-a", "nothing"):
                asked = await at.chat(chat(name), **mine)
                assert (asked.status, asked.error["code"], asked.error["param"]) == (403, "model_forbidden", "model")
                body = msgspec.json.encode({"model": name, "input": "x"})
                assert (await at.ask("POST", "/v1/embeddings", body, **mine)).status == 403
            assert not server.journal
            assert (await at.chat(chat(), **mine)).status == 200

    run(work())


def test_requests_a_minute(tmp_path: Path) -> None:
    secret = keyed(tmp_path, rpm=2)

    async def work() -> None:
        async with gate(tmp_path) as (at, server):
            mine = {"authorization": f"Bearer {secret}"}
            answers = [await at.chat(chat(), **mine) for _ in range(4)]
            assert [answer.status for answer in answers] == [200, 200, 429, 429]
            assert answers[2].error["code"] == "rate_limit_exceeded"
            assert answers[2].error["type"] == "rate_limit_error"
            assert 1 <= int(answers[2].headers["retry-after"]) <= 30
            assert len(server.journal) == 2

    run(work())


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    "script", [Said(usage=Usage(input=600, output=600)), Said(usage=None), Fault(kind="cut", after=2)]
)
def test_tokens_a_minute(tmp_path: Path, streamed: bool, script: Script) -> None:
    """What an answer turned out to need counts against the next request, also where nobody says how much it was."""
    broken = isinstance(script, Fault)
    secret = keyed(tmp_path, tpm=1000 if isinstance(script, Said) and script.usage else 30)

    async def work() -> None:
        async with gate(tmp_path, script) as (at, _):
            mine = {"authorization": f"Bearer {secret}"}
            first = await at.chat(chat(stream=streamed, said="word " * 30), **mine)
            if broken and not streamed:
                assert first.status == 502  # nothing was given, nothing counts
                return
            assert first.status == 200
            second = await at.chat(chat(stream=streamed), **mine)
            assert second.status == 429
            assert "tokens" in second.error["message"]

    run(work())


# ------------------------------------------------------------------------------------------------- pages from elsewhere


def test_only_known_hosts_are_served(tmp_path: Path) -> None:
    async def work() -> None:
        async with FaultyServer("openai") as server:
            text = configured(deployed("a", server)).replace("port = 0", 'port = 0\nhosts = ["ai.example.org"]')
            text = f"require_keys = false\n{text}"
            async with house(text, tmp_path, environ=ENV) as at:
                for host in ("localhost", "localhost:4000", "127.0.0.1:1", "[::1]:80", "[::1]", "AI.example.org:443"):
                    assert (await at.chat(chat(), host=host)).status == 200, host
                for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "::1", "evil:"):
                    answer = await at.chat(chat(), host=host)
                    assert (answer.status, answer.error["code"]) == (421, "invalid_host"), host
                    assert (await at.ask("GET", "/v1/models", host=host)).status == 421
                    assert (await at.ask("GET", "/metrics", host=host)).status == 421
                    assert (await at.ask("GET", "/health", host=host)).status == 200
                    assert (await at.ask("GET", "/ready", host=host)).tree == {"status": "ready"}
                async with connected(at.url) as client:
                    client.send(b"GET /v1/models HTTP/1.1\r\n\r\n")
                    assert (await client.answer()).status == 400
                assert len(server.journal) == 6

    run(work())


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1", 200),
        ("http://evil.example", 403),
        ("https://localhost.evil.example", 403),
        ("null", 403),
        ("", 403),
        ("localhost", 403),
        ("chrome-extension://abcdef", 403),
    ],
)
def test_pages_from_elsewhere_reach_nothing(tmp_path: Path, origin: str, status: int) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, server):
            assert (await at.chat(chat(), origin=origin)).status == status
            assert len(server.journal) == (1 if status == 200 else 0)

    run(work())


# --------------------------------------------------------------------------------------------------- what headers say


def two_zones(own: FaultyServer, paid: FaultyServer, top: str = "", alias: str = "") -> str:
    return configured(deployed("own", own, zone="here"), deployed("paid", paid), top=top, alias=alias)


@pytest.mark.parametrize(
    ("headers", "body", "goes"),
    [
        ({}, {}, "paid"),
        ({"x_crossover_policy": "local_first"}, {}, "own"),
        ({"x_crossover_policy": "quality_first"}, {}, "paid"),
        ({"x_crossover_sensitivity": "local_only"}, {}, "own"),
        ({"x_crossover_sensitivity": " LOCAL_ONLY ,soft"}, {}, "own"),
        ({"x_crossover_sensitivity": "none," * 60 + "local_only"}, {}, "own"),
        ({"x_crossover_sensitivity": "health"}, {}, "own"),
        ({"x_crossover_sensitivity": "none"}, {}, "paid"),
        ({}, {"metadata": {"sensitivity": "local_only"}}, "own"),
        ({"x_crossover_sensitivity": "none"}, {"metadata": {"sensitivity": "hard"}}, "own"),
        ({"x_crossover_sensitivity": "hard", "x_crossover_policy": "quality_first"}, {}, "own"),
    ],
)
def test_policy_and_label(tmp_path: Path, headers: dict[str, str], body: dict[str, Any], goes: str) -> None:
    async def work() -> None:
        async with FaultyServer("openai") as own, FaultyServer("openai") as paid:
            text = configured(
                deployed("own", own, zone="here", more="quality = 1"), deployed("paid", paid, more="quality = 2"),
                alias='policy = "quality_first"',
            )  # fmt: skip
            async with house(text, tmp_path, environ=ENV) as at:
                answer = await at.chat(chat(**body), **headers)
                assert answer.headers["x-crossover-deployment"] == goes
                assert (len(own.journal), len(paid.journal)) == ((1, 0) if goes == "own" else (0, 1))

    run(work())


def test_a_label_sent_twice_counts_twice(tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            FaultyServer("openai") as own,
            FaultyServer("openai") as paid,
            house(two_zones(own, paid, alias='policy = "quality_first"'), tmp_path, environ=ENV) as at,
        ):
            start = request("POST", "/v1/chat/completions", chat(), x_crossover_sensitivity="none")
            twice = start.replace(b"\r\n\r\n", b"\r\nX-Crossover-Sensitivity: local_only\r\n\r\n", 1)
            async with connected(at.url) as client:
                client.send(twice)
                assert (await client.answer()).headers["x-crossover-deployment"] == "own"

    run(work())


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"x_crossover_policy": "cheepest"}, "cheapest"),
        ({"x_crossover_policy": "x" * 5000}, "policy"),
        ({"x_crossover_sensitivity": "helth"}, "health"),
        ({"x_crossover_sensitivity": "local-only"}, "Did you mean local_only?"),
        ({"x_crossover_sensitivity": "bogus"}, "custom, local_only"),
        ({"x_crossover_sensitivity": "öffentlich"}, "label"),
        ({"x_crossover_deadline": "soon"}, "deadline"),
        ({"x_crossover_deadline": "-1"}, "deadline"),
        ({"x_crossover_deadline": "nan"}, "deadline"),
        ({"x_crossover_deadline": "inf"}, "deadline"),
    ],
)
def test_a_header_that_cannot_be_read_counts_as_a_mistake(tmp_path: Path, headers: dict[str, str], said: str) -> None:
    """A label with a typing error must not count as none."""

    async def work() -> None:
        async with gate(tmp_path) as (at, server):
            answer = await at.chat(chat(), **headers)
            assert answer.status == 400
            assert said in answer.error["message"]
            assert not server.journal

    run(work())


def test_headers_can_be_closed_to_clients(tmp_path: Path) -> None:
    async def work() -> None:
        async with FaultyServer("openai") as own, FaultyServer("openai") as paid:
            top = "policy_header = false\nsensitivity_header = false"
            async with house(two_zones(own, paid, top=top), tmp_path, environ=ENV) as at:
                answer = await at.chat(chat(), x_crossover_policy="nonsense", x_crossover_sensitivity="nonsense")
                assert answer.headers["x-crossover-deployment"] == "own"

    run(work())


def test_the_label_of_a_key_can_only_be_raised(tmp_path: Path) -> None:
    secret = keyed(tmp_path, sensitivity="local_only", policy="quality_first")

    async def work() -> None:
        async with FaultyServer("openai") as own, FaultyServer("openai") as paid:
            text = configured(
                deployed("own", own, zone="here", more="quality = 1"), deployed("paid", paid, more="quality = 2")
            )
            async with house(text, tmp_path, environ=ENV) as at:
                mine = {"authorization": f"Bearer {secret}"}
                for label in ("none", "soft", "hard"):
                    answer = await at.chat(chat(), x_crossover_sensitivity=label, **mine)
                    assert answer.headers["x-crossover-deployment"] == "own"
                assert (await at.chat(chat("paid"), x_crossover_sensitivity="none", **mine)).status == 422
                assert not paid.journal

    run(work())


@pytest.mark.parametrize("streamed", [True, False])
def test_a_deadline_ends_the_wait(tmp_path: Path, streamed: bool) -> None:
    async def work() -> None:
        async with gate(tmp_path, "hang") as (at, server):
            answer = await at.chat(chat(stream=streamed), x_crossover_deadline="0.05")
            assert (answer.status, answer.error["type"]) == (504, "timeout_error")
            for seen in server.journal:  # unless the time was up before it could be asked
                await seen.gone.wait()

    run(work())


def test_no_header_of_an_answer_can_be_split(tmp_path: Path) -> None:
    """Whatever a client writes, it never comes back as a line of its own."""

    async def work() -> None:
        async with gate(tmp_path, dialect="anthropic") as (at, _):
            evil = "x\r\nset-cookie: a=b"
            odd: dict[str, Any] = {evil: 1}
            for body in (chat(evil), chat(**odd), chat(user=evil, seed=1), chat(metadata={evil: evil})):
                answer = await at.chat(body)
                assert "set-cookie" not in answer.headers

    run(work())


# ------------------------------------------------------------------------------------------------------------- metrics


async def metrics_of(at: House) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Samples by name and labels, read by Prometheus's own parser."""
    page = await at.ask("GET", "/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(page.body.decode()):
        assert family.documentation
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {})
            found[sample.name][labels] = sample.value
    return found


def test_metrics_say_what_happened(tmp_path: Path) -> None:
    async def work() -> None:
        said = Said(usage=Usage(input=1000, output=500, cached_read=100))
        async with gate(tmp_path, [said, said, "server_error"]) as (at, _):
            await at.chat(chat())
            await at.chat(chat(stream=True))
            await at.chat(chat("a"))
            await at.chat(b"{")
            found = await metrics_of(at)
            ok = (("deployment", "a"), ("model", "auto"), ("status", "ok"))
            assert found["crossover_requests_total"][ok] == 2
            assert found["crossover_attempts_total"][("deployment", "a"), ("outcome", "server_error")] == 1
            assert found["crossover_tokens_total"][("deployment", "a"), ("kind", "output")] == 1000
            assert found["crossover_cost_usd_total"][(("deployment", "a"),)] == pytest.approx(0.004)
            assert found["crossover_errors_total"] == {(("status", "400"),): 1.0, (("status", "502"),): 1.0}
            assert found["crossover_request_seconds_count"][(("deployment", "a"),)] == 3
            assert found["crossover_first_token_seconds_count"][(("deployment", "a"),)] == 1
            assert found["crossover_request_seconds_bucket"][("deployment", "a"), ("le", "+Inf")] == 3
            assert found["crossover_in_flight"] == {(("deployment", "a"),): 0.0}
            assert found["crossover_resting"] == {(("deployment", "a"),): 0.0}

    run(work())


def test_who_left_while_it_waited_for_a_place_is_nobodys_time() -> None:
    metrics = Metrics()
    left = Record(id="a", time=0.0, door="openai", asked="auto", policy="cheapest", status="cancelled", total_ms=9.0)
    metrics.count(left, known=True)
    assert metrics.deployments == {}
    assert metrics.requests == {("auto", "", "cancelled"): 1}


def test_no_client_makes_a_series(tmp_path: Path) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, _):
            for number in range(20):
                await at.chat(chat(f"made-up-{number}"))
                await at.chat(chat(), x_crossover_policy=f"policy-{number}")
                await at.ask("GET", f"/nothing/{number}")
            page = (await at.ask("GET", "/metrics")).body.decode()
            assert "made-up" not in page
            assert "policy-1" not in page
            found = await metrics_of(at)
            assert found["crossover_requests_total"][
                ("deployment", ""), ("model", "(unknown)"), ("status", "refused")
            ] == 20  # fmt: skip

    run(work())


# --------------------------------------------------------------------------------------------------------- description


def test_the_description_describes_what_is_answered(tmp_path: Path) -> None:
    async def work() -> None:
        async with gate(tmp_path) as (at, _):
            description = (await at.ask("GET", "/openapi.json")).tree
            served = {"/v1/chat/completions", "/v1/embeddings", "/v1/models", "/v1/models/{model}", "/health", "/ready"}
            assert served | {"/metrics", "/openapi.json"} == set(description["paths"])
            answers: list[tuple[str, str, Answer]] = [
                ("/v1/chat/completions", "post", await at.chat(chat())),
                ("/v1/chat/completions", "post", await at.chat(b"{")),
                ("/v1/models", "get", await at.ask("GET", "/v1/models")),
                ("/v1/models/{model}", "get", await at.ask("GET", "/v1/models/none")),
                ("/ready", "get", await at.ask("GET", "/ready")),
            ]
            for path, method, answer in answers:
                told = description["paths"][path][method]["responses"][str(answer.status)]
                schema = told["content"]["application/json"]["schema"]
                jsonschema.validate(answer.tree, schema)

    run(work())
