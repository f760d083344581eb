"""Errors in OpenAI's shape: what hosts answer, what we answer, and what must never be in either."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import CrossoverError, InputError, NoTargetError, RequestError, UpstreamError
from crossover.wire.openai_errors import error_inside, read_error, retry_after, span, write_error
from tests.wire.sdk import sdk


def body(message: str = "no", **fields: Any) -> bytes:
    return json.dumps({"error": {"message": message, **fields}}).encode()


@pytest.mark.parametrize(
    ("status", "data", "kind", "accepted"),
    [
        (400, body(code="context_length_exceeded"), "context_length", False),
        (400, body(type="exceed_context_size_error", code=400), "context_length", False),
        (400, body("This model's maximum context length is 8192 tokens"), "context_length", False),
        (400, body("no such field", type="invalid_request_error"), "bad_request", False),
        (400, body("API key not valid. Please pass a valid API key."), "auth", False),
        (
            400,
            b'[{"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}]',
            "auth",
            False,
        ),
        (401, body(code="invalid_api_key"), "auth", False),
        (402, body("Insufficient Balance"), "quota", False),
        (403, body(), "auth", False),
        (403, body(code="model_not_found"), "not_found", False),
        (403, body("flagged", metadata={"flagged_input": "secret words"}), "bad_request", False),
        (404, body("no model"), "not_found", False),
        (404, b'{"detail": "Not Found"}', "not_found", False),
        (413, b"<html><title>413 Request Entity Too Large</title></html>", "bad_request", False),
        (422, b'{"detail": [{"loc": ["body"], "msg": "Extra inputs are not permitted"}]}', "bad_request", False),
        (429, body(type="requests"), "rate_limited", False),
        (429, body(code="insufficient_quota", type="insufficient_quota"), "quota", False),
        (429, body("You exceeded your current quota, please check your plan"), "quota", False),
        (498, body("capacity exceeded"), "overloaded", False),
        (500, body("boom"), "server_error", True),
        (502, b"<html><head><title>502 Bad Gateway</title></head></html>", "server_error", True),
        (503, body("Loading model", type="unavailable_error", code=503), "overloaded", False),
        (504, b"", "server_error", True),
        (529, b"overloaded", "overloaded", False),
    ],
)
def test_what_an_answer_means(status: int, data: bytes, kind: str, accepted: bool) -> None:
    error = read_error(status, {}, data)
    assert (error.upstream, error.accepted, error.upstream_status) == (kind, accepted, status)


def test_a_page_of_html_gives_its_title() -> None:
    error = read_error(502, {}, b"<!DOCTYPE html><html><head><title>\n 502 Bad Gateway </title>" + b"<p>x</p>" * 9999)
    assert error.message == "the target answered 502: 502 Bad Gateway"


@given(st.integers(300, 599), st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_body_is_an_error_and_never_an_exception(status: int, data: bytes) -> None:
    assert len(read_error(status, {}, data).message) < 350


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["error", "message", "code", "type", "detail", "metadata"]), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_an_error_and_never_an_exception(tree: Any) -> None:
    assert isinstance(read_error(500, {}, json.dumps(tree).encode()), UpstreamError)
    assert isinstance(error_inside(tree), UpstreamError)


def test_a_prompt_that_comes_back_is_cut_short() -> None:
    error = read_error(400, {}, body("cannot parse: " + "my secret prompt " * 1000))
    assert len(error.message) <= 330


@pytest.mark.parametrize(
    "key",
    ["sk-proj-abcdefghijklmnop1234", "sk-ab*****************wxyz", "gsk_abcdefghijkl1234", "AIzaSyA1234567890abc"],
)
def test_a_key_that_comes_back_is_hidden(key: str) -> None:
    error = read_error(401, {}, body(f"Incorrect API key provided: {key}. Find yours at https://example.com"))
    assert key not in error.message
    assert "[key]" in error.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "boom", "code": 429}, "rate_limited"),
        ({"message": "boom", "code": 502}, "server_error"),
        ({"message": "Provider returned error", "code": "503"}, "overloaded"),
        ({"message": "boom", "type": "rate_limit_exceeded"}, "rate_limited"),
        ({"message": "boom", "code": "insufficient_quota"}, "quota"),
        ({"message": "bad", "type": "invalid_request_error"}, "bad_request"),
        ({"message": "maximum context length is 5"}, "context_length"),
        ("CUDA out of memory", "server_error"),
        ({}, "server_error"),
    ],
)
def test_an_error_inside_an_answer(error: Any, kind: str) -> None:
    assert error_inside(error).upstream == kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "5",
                "x-ratelimit-reset-tokens": "120ms",
                "x-ratelimit-remaining-tokens": "0",
            },
            0.12,
        ),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-remaining-requests": "5"}, None),
        ({"x-ratelimit-reset": "1792567710000", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == (pytest.approx(seconds) if seconds is not None else None)
    assert read_error(429, headers, b"").retry_after_s == retry_after(headers)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h2m3s", 3723.0), ("7.66s", 7.66), ("2m59.56s", 179.56), ("12", 12.0), ("x", None), ("", None), ("5 s", None)],
)
def test_spans(text: str, seconds: float | None) -> None:
    assert span(text) == (pytest.approx(seconds) if seconds is not None else None)


@given(st.text(max_size=30))
def test_any_header_is_read(text: str) -> None:
    for name in ("retry-after", "retry-after-ms", "x-ratelimit-reset", "date"):
        found = retry_after({name: text, "x-ratelimit-reset-requests": text})
        assert found is None or found >= 0


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "raised"),
    [
        (
            RequestError("no", field="messages[0]"),
            400,
            "invalid_request_error",
            "invalid_request",
            openai.BadRequestError,
        ),
        (RequestError("no", status=401), 401, "authentication_error", "invalid_request", openai.AuthenticationError),
        (RequestError("no", status=403), 403, "permission_error", "invalid_request", openai.PermissionDeniedError),
        (
            RequestError("no", status=404, code="unknown_model"),
            404,
            "not_found_error",
            "unknown_model",
            openai.NotFoundError,
        ),
        (RequestError("no", status=429), 429, "rate_limit_error", "invalid_request", openai.RateLimitError),
        (NoTargetError("none", status=422), 422, "invalid_request_error", "no_target", openai.UnprocessableEntityError),
        (NoTargetError("none"), 503, "server_error", "no_target", openai.InternalServerError),
        (UpstreamError("x", upstream="auth"), 502, "server_error", "auth", openai.InternalServerError),
        (UpstreamError("x", upstream="gap_timeout"), 504, "timeout_error", "gap_timeout", openai.InternalServerError),
        (InputError("bad", hint="Write a number"), 400, "invalid_request_error", "bad_input", openai.BadRequestError),
        (CrossoverError("bad"), 500, "server_error", "error", openai.InternalServerError),
    ],
)
def test_what_is_answered(
    error: CrossoverError, status: int, kind: str, code: str, raised: type[openai.APIStatusError]
) -> None:
    found, data = write_error(error)
    row = json.loads(data)["error"]
    assert found == status
    assert (row["type"], row["code"], row["param"]) == (kind, code, error.field)
    assert set(row) == {"message", "type", "param", "code"}
    with sdk(found, data) as client, pytest.raises(raised):
        client.models.list()


def test_a_hint_is_part_of_the_message() -> None:
    assert (
        json.loads(write_error(InputError("bad", hint="Write a number"))[1])["error"]["message"]
        == "bad. Write a number"
    )
