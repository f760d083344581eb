"""The sandbox through the official client: OpenAI's format, its refusals, and a label on everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from crossover.engines import sandbox
from crossover.engines.sandbox import MODEL, PRICE, Latency, Sandbox
from crossover.engines.tickets import extract_schema
from crossover.usage import Usage

ASK: Any = [{"role": "user", "content": "classify: My parcel has not arrived yet."}]


@pytest.fixture(scope="module")
def api() -> Iterator[Sandbox]:
    pytest.importorskip("xllamacpp", reason="the extra 'embedded' is not installed")
    with sandbox.start(latency=Latency(first_token=0, per_token=0)) as running:
        yield running


@pytest.fixture
def client(api: Sandbox) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.url}/v1", api_key="any", max_retries=0) as found:
        yield found


def test_a_whole_answer(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
    assert raw.headers["x-crossover-sandbox"] == "1"
    assert raw.headers["x-request-id"].startswith("req_sandbox_")
    said = raw.parse()
    assert (said.model, said.system_fingerprint, said.object) == (MODEL, "sandbox", "chat.completion")
    assert said.choices[0].message.content == "delivery"
    assert said.choices[0].finish_reason == "stop"
    assert said.usage is not None
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens
    assert "timings" not in json.loads(raw.text)


def test_a_stream_with_and_without_usage(client: openai.OpenAI) -> None:
    def stream(**more: Any) -> list[Any]:
        with client.chat.completions.create(model=MODEL, messages=ASK, stream=True, **more) as events:
            return list(events)

    plain, counted = stream(), stream(stream_options={"include_usage": True})
    assert "".join(chunk.choices[0].delta.content or "" for chunk in plain) == "delivery"
    assert all(chunk.usage is None and chunk.choices for chunk in plain)
    assert counted[-1].usage.completion_tokens > 0
    assert counted[-1].choices == []
    assert {chunk.system_fingerprint for chunk in counted} == {"sandbox"}
    assert {chunk.model for chunk in counted} == {MODEL}


def test_logprobs_as_many_as_asked_for(client: openai.OpenAI) -> None:
    said = client.chat.completions.create(model=MODEL, messages=ASK, logprobs=True, top_logprobs=3)
    content = said.choices[0].logprobs.content if said.choices[0].logprobs else None
    assert content is not None
    assert content[0].token == "delivery"
    assert len(content[0].top_logprobs) == 3
    few = client.chat.completions.create(model=MODEL, messages=ASK, logprobs=True)
    assert few.choices[0].logprobs is not None
    assert few.choices[0].logprobs.content is not None
    assert few.choices[0].logprobs.content[0].top_logprobs == []


def test_a_schema_holds(client: openai.OpenAI) -> None:
    kind: Any = {"type": "json_schema", "json_schema": {"name": "facts", "schema": extract_schema(), "strict": True}}
    asked: Any = [{"role": "user", "content": "extract: Order 48213 was charged twice, 19.99 euros each."}]
    said = client.chat.completions.create(
        model=MODEL, messages=asked, response_format=kind, max_completion_tokens=80, user="u", store=False
    )
    assert set(json.loads(said.choices[0].message.content or "")) == {"order", "product", "amount"}


def test_a_limit_of_tokens_is_kept_and_said(client: openai.OpenAI) -> None:
    said = client.chat.completions.create(model=MODEL, messages=ASK, max_completion_tokens=1)
    assert said.choices[0].finish_reason == "length"
    assert said.usage is not None
    assert said.usage.completion_tokens == 1


def test_vectors_and_the_list_of_models(client: openai.OpenAI) -> None:
    said = client.embeddings.create(model=MODEL, input=["a", "b"], encoding_format="float")
    assert [row.index for row in said.data] == [0, 1]
    assert said.model == MODEL
    assert [model.id for model in client.models.list()] == [MODEL]


@pytest.mark.parametrize(
    ("more", "status", "code", "words"),
    [
        ({"model": "gpt-4o"}, 404, "model_not_found", "gpt-4o"),
        ({"extra_body": {"grammar": "root ::= x"}}, 400, None, "grammar"),
        ({"messages": [{"role": "user", "content": "a " * 900}]}, 400, "context_length_exceeded", "512"),
        ({"messages": "hello"}, 400, None, ""),
        ({"temperature": "hot"}, 400, None, ""),
    ],
)
def test_refusals_in_the_words_of_the_api(
    client: openai.OpenAI, more: dict[str, Any], status: int, code: str | None, words: str
) -> None:
    asked: dict[str, Any] = {"model": MODEL, "messages": ASK, **more}
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**asked)
    assert caught.value.status_code == status
    body: Any = caught.value.body
    assert (body["code"], words in body["message"]) == (code, True)
    with pytest.raises(openai.APIStatusError) as caught, client.chat.completions.create(**asked, stream=True) as events:
        list(events)
    assert caught.value.status_code == status


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", b"{", 400),
        ("/v1/chat/completions", b"[1]", 400),
        ("/v1/chat/completions", b"[" * 20_000, 400),
        ("/v1/chat/completions", b" " * (sandbox.BODY_LIMIT + 1), 413),
        ("/v1/responses", b"{}", 404),
        ("/", b"", 404),
    ],
)
def test_what_is_no_request(api: Sandbox, path: str, body: bytes, status: int) -> None:
    answer = httpx.post(api.url + path, content=body)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-crossover-sandbox"] == "1"


def test_a_caller_that_leaves_does_no_harm(api: Sandbox, client: openai.OpenAI) -> None:
    before = api.requests
    events = client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
    next(iter(events))
    events.close()
    assert client.chat.completions.create(model=MODEL, messages=ASK).choices[0].message.content == "delivery"
    assert api.requests == before + 2


def test_latency_is_waited_for_and_stop_does_not_wait_for_it() -> None:
    with (
        sandbox.start(latency=Latency(first_token=30)) as slow,
        httpx.Client() as caller,
        pytest.raises(httpx.ReadTimeout),
    ):
        caller.post(f"{slow.url}/v1/chat/completions", json={"model": MODEL, "messages": ASK}, timeout=0.3)
    slow.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(slow.url)


def test_it_has_a_price_and_says_that_it_is_made_up() -> None:
    assert PRICE.cost(Usage(input=1_000_000, output=0)) == 400_000_000_000  # picodollars: 0.40 dollars
    assert PRICE.cost(Usage(input=0, output=1_000_000)) == 1_600_000_000_000
    assert "made up" in PRICE.source
