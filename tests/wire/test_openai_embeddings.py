"""Embeddings and the list of models, checked against the SDK."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.chat import EmbedRequest, EmbedResponse
from crossover.errors import RequestError, UpstreamError
from crossover.usage import Usage
from crossover.wire import openai
from crossover.wire.words import Profile
from tests.wire.sdk import sdk


def read(**fields: Any) -> EmbedRequest:
    return openai.read_embed({"model": "m", "input": "a", **fields})


@pytest.mark.parametrize(
    ("given_input", "inputs"),
    [
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
    ],
)
def test_every_shape_of_input(given_input: Any, inputs: Any) -> None:
    assert read(input=given_input).inputs == inputs


def test_every_field() -> None:
    request = read(dimensions=5, encoding_format="base64", user="u", task="search", nothing=None)
    assert (request.dimensions, request.encoding, request.user, request.extra) == (5, "base64", "u", {"task": "search"})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": {}}, "input"),
        ({"input": ["a", 5]}, "input[1]"),
        ({"input": [1, "a"]}, "input[1]"),
        ({"input": [[1], [True]]}, "input[1][0]"),
        ({"input": [[]]}, "input[0]"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"encoding_format": []}, "encoding_format"),
        ({"user": 5}, "user"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(**fields)
    assert caught.value.field == field


def test_a_body_that_is_no_object() -> None:
    with pytest.raises(RequestError, match="JSON object"):
        openai.read_embed([])


def test_the_same_dialect_gets_what_the_client_sent() -> None:
    outgoing = openai.write_embed(read(task="search"), Profile(model="t"))
    assert outgoing.path == "/embeddings"
    assert json.loads(outgoing.body) == {"model": "t", "input": "a", "task": "search"}


def test_a_request_from_words() -> None:
    request = EmbedRequest(model="m", inputs=("a", (1, 2)), dimensions=5, encoding="base64", extra={"task": "x"})
    body = json.loads(openai.write_embed(request, Profile(model="t")).body)
    expected = {"model": "t", "input": ["a", [1, 2]], "dimensions": 5, "encoding_format": "base64", "task": "x"}
    assert body == expected


def test_what_a_target_does_not_accept() -> None:
    profile = Profile(model="t", drops=frozenset({"user", "dimensions"}))
    outgoing = openai.write_embed(read(user="u"), profile)
    assert outgoing.dropped == ("user",)
    with pytest.raises(UpstreamError, match="dimensions"):
        openai.write_embed(read(dimensions=5), profile)


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    body = json.dumps(
        {
            "object": "list",
            "data": [{"index": 1, "embedding": [3, 4.5]}, {"index": 0, "embedding": [1, 2]}],
            "model": "m1",
            "usage": {"prompt_tokens": 4, "total_tokens": 4},
        }
    ).encode()
    response = openai.read_embedded(body)
    assert response == EmbedResponse(
        vectors=((1.0, 2.0), (3.0, 4.5)), model="m1", usage=Usage(input=4), raw=body, dialect="openai"
    )
    assert openai.write_embedded(response, read()) is body


def test_base64_stays_base64() -> None:
    text = base64.b64encode(struct.pack("<2f", 1.0, 2.0)).decode()
    body = json.dumps({"data": [{"embedding": text}]}).encode()
    assert openai.read_embedded(body).vectors == (text,)
    assert openai.read_embedded(body).usage is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "malformed"),
        (b"{}", "empty"),
        (b'{"data": []}', "empty"),
        (b'{"data": [{"embedding": {}}]}', "malformed"),
        (b'{"data": 5, "error": {"message": "boom"}}', "server_error"),
        (b'{"error": {"message": "slow", "code": 429}}', "rate_limited"),
        (b"<html>", "malformed"),
    ],
)
def test_answers_that_are_none(body: bytes, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        openai.read_embedded(body)
    assert caught.value.upstream == kind


@pytest.mark.parametrize("as_text", [True, False])
@settings(max_examples=10)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_vectors_of_another_dialect_are_what_the_sdk_reads(as_text: bool, vector: list[float]) -> None:
    packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    response = EmbedResponse(vectors=(packed if as_text else tuple(vector),), usage=Usage(input=3), dialect="ollama")
    for encoding in ("float", "base64"):
        body = openai.write_embedded(response, read(encoding_format=encoding))
        with sdk(200, body) as client:
            found = client.embeddings.create(model="m", input="a")  # the SDK asks for base64 and decodes it
        assert found.data[0].embedding == vector
        assert (found.model, found.usage.total_tokens) == ("m", 3)


def test_the_list_of_models_is_what_the_sdk_reads() -> None:
    body = openai.write_models([{"id": "fast"}, {"id": "good", "owned_by": "me", "created": 5, "context_length": 8192}])
    with sdk(200, body) as client:
        found = list(client.models.list())
    assert [(row.id, row.owned_by, row.created, row.object) for row in found] == [
        ("fast", "crossover", 0, "model"),
        ("good", "me", 5, "model"),
    ]
