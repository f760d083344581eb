"""Errors in OpenAI's shape: what a target answered, read into UpstreamError; what we answer, written.

The bodies of the servers that speak the dialect differ: ``{"error": {...}}``, ``{"error": "text"}``, a list around it
(Google), ``{"detail": ...}`` (FastAPI), ``{"object": "error", "message": ...}`` (vLLM), a page of HTML (proxies).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from crossover.errors import (
    CrossoverError,
    InputError,
    NoTargetError,
    RequestError,
    UpstreamError,
    UpstreamKind,
)
from crossover.wire import failure, tree
from crossover.wire.words import Headers

MOST_TEXT = 300  # characters of a target's own words: enough to act on, too few to carry a prompt around
_READ = 65536  # bytes of an error's body that are looked at

# ------------------------------------------------------------------------------------------------------------ reading

# Codes and types that say more than the status beside them.
_BY_WORD: dict[str, UpstreamKind] = {
    "context_length_exceeded": "context_length",
    "exceed_context_size_error": "context_length",  # llama.cpp
    "string_above_max_length": "context_length",
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "exceeded_current_quota_error": "quota",  # Moonshot
    "model_not_found": "not_found",  # OpenAI answers 403 with it
    "DeploymentNotFound": "not_found",  # Azure
    "invalid_api_key": "auth",
    "API_KEY_INVALID": "auth",  # Google answers 400 with it
    "authentication_error": "auth",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "overloaded_error": "overloaded",
    "engine_overloaded": "overloaded",
    "engine_overloaded_error": "overloaded",
    "unavailable_error": "overloaded",  # llama.cpp while it loads a model
}
# What only counts where no status speaks: inside an answer of status 200.
_BY_WORD_INSIDE: dict[str, UpstreamKind] = {
    "invalid_request_error": "bad_request",
    "invalid_prompt": "bad_request",
    "BadRequestError": "bad_request",  # vLLM
}
_KEY_WORDS = re.compile(r"api[ _]key not valid|invalid api[ _]key|incorrect api key", re.IGNORECASE)
_QUOTA_WORDS = re.compile(r"exceeded your current quota|insufficient (?:balance|funds)", re.IGNORECASE)
_CONTEXT_WORDS = re.compile(r"reduce the length of the messages|context size|too many (?:input|prompt) tokens", re.I)
_MASKED = re.compile(r"[\w-]*\*{3,}[\w-]*")  # a key whose middle is hidden, as OpenAI repeats it
_TITLE = re.compile(r"<title[^>]*>\s*([^<]{1,200})", re.IGNORECASE)


def read_error(status: int, headers: Headers, body: bytes) -> UpstreamError:
    """What a target's answer other than 200 means. Header names are lower-case.

    The message is the target's own, at most 300 characters, without anything that looks like a key. Not accepted are
    all 4xx, 503 and 529; of other 5xx nobody knows whether the work was done.
    """
    fault = _fault(tree.parse(body[:_READ]))
    return _build(fault, fault.message or _page(body), status, retry_after(headers))


def error_inside(error: Any) -> UpstreamError:
    """What an ``error`` inside an answer of status 200, whole or streamed, means."""
    fault = _fault({"error": error})
    status = fault.status if fault.status and 400 <= fault.status < 600 else 200
    return _build(fault, fault.message, status, None)


class _Fault(msgspec.Struct):
    message: str = ""
    words: tuple[str, ...] = ()  # its code, type and status
    code: str | None = None
    status: int | None = None
    moderated: bool = False


def _build(fault: _Fault, message: str, status: int, wait: float | None) -> UpstreamError:
    said = failure.short(_MASKED.sub("[key]", message))[:MOST_TEXT]
    text = f"the target answered {status}" if status != 200 else "the target answered with an error"
    return failure.failure(
        _kind(fault, message, status),
        f"{text}: {said}" if said else text,
        status=status,
        retry_after_s=wait,
        code=fault.code,
    )


def _kind(fault: _Fault, message: str, status: int) -> UpstreamKind:
    for word in fault.words:
        if word in _BY_WORD:
            return _BY_WORD[word]
    if fault.moderated:
        return "bad_request"
    if status in {200, 402, 403, 429} and _QUOTA_WORDS.search(message):
        return "quota"
    if status in {200, 400, 413, 422, 500} and _CONTEXT_WORDS.search(message):
        return "context_length"
    if status == 400 and _KEY_WORDS.search(message):
        return "auth"
    if status == 498:  # Groq: the flexible tier is full
        return "overloaded"
    if status != 200:
        return failure.kind_of(status, message)
    for word in fault.words:
        if word in _BY_WORD_INSIDE:
            return _BY_WORD_INSIDE[word]
    kind = failure.kind_of(400, message)  # the words of a refusal, where they say more
    return "server_error" if kind == "bad_request" else kind


def _fault(found: Any) -> _Fault:
    """Message and words of an error's body, whatever its shape."""
    outer = found[0] if type(found) is list and found else found
    if type(outer) is not dict:
        return _Fault()
    found = outer.get("error", outer)
    if type(found) is not dict:
        found = {"message": found, "code": outer.get("code"), "type": outer.get("type")}
    message = next((text for text in _texts(found) if text), "")
    code = found.get("code")
    words = tuple(str(found[key]) for key in ("code", "type", "status") if type(found.get(key)) in {str, int})
    metadata = found.get("metadata")
    return _Fault(
        message=message,
        words=words,
        code=tree.text(code) or tree.text(found.get("type")) or None,
        status=code if type(code) is int else int(code) if type(code) is str and re.fullmatch("[45]..", code) else None,
        moderated=type(metadata) is dict and "flagged_input" in metadata,  # OpenRouter: 403 for the words, not the key
    )


def _texts(row: dict[str, Any]) -> Iterator[str]:
    for key in ("message", "detail", "msg", "error"):
        value = row.get(key)
        if type(value) is list and value:
            value = value[0]
        if type(value) is dict:
            value = value.get("msg") or value.get("message")
        if type(value) is str:
            yield value


def _page(body: bytes) -> str:
    """What a body that is not JSON says: the title of a page, or its first words."""
    text = body[:_READ].decode("utf-8", "replace").strip()
    if "<" in text[:1] or "<html" in text[:1000].lower():
        title = _TITLE.search(text)
        return title.group(1).strip() if title else "a page of HTML"
    return text if text[:1] not in {"{", "["} else ""


# ------------------------------------------------------------------------------------------------------ time to wait

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
_SECONDS = {"ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PAIRS = (
    ("x-ratelimit-reset-requests", "x-ratelimit-remaining-requests"),
    ("x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"),
    ("x-ratelimit-reset", "x-ratelimit-remaining"),
    ("ratelimit-reset", "ratelimit-remaining"),
)


def retry_after(headers: Headers) -> float | None:
    """Seconds that a target asks to wait: ``retry-after-ms``, ``retry-after``, or the reset of an exhausted limit.

    Dates are read against the answer's own ``date``, so that no clock of ours matters.
    """
    stated = failure.retry_after(headers)
    if stated is not None:
        return stated
    waits = [
        span(headers[reset], _date(headers.get("date")))
        for reset, left in _PAIRS
        if reset in headers and _number(headers.get(left, "0")) == 0
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def span(text: str, now: float | None = None) -> float | None:
    """Seconds of ``6m0s``, ``120ms``, ``1.5`` or a Unix time in seconds or milliseconds (against ``now``)."""
    text = text.strip()
    value = _number(text)
    if value is not None:
        if value < 1e9:
            return value
        return None if now is None else max(0.0, value / (1000 if value > 1e11 else 1) - now)
    pieces = _SPAN.findall(text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        return None
    return float(sum(float(number) * _SECONDS[unit] for number, unit in pieces))


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\s*\d{1,15}(?:\.\d{1,9})?\s*", text) else None


def _date(text: str | None) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):  # no date
        return None


# ------------------------------------------------------------------------------------------------------------ writing

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    504: "timeout_error",
}


def write_error(error: CrossoverError) -> tuple[int, bytes]:
    """HTTP status and body of an error, in OpenAI's shape."""
    status, row = error_row(error)
    return status, msgspec.json.encode({"error": row})


def error_row(error: CrossoverError) -> tuple[int, dict[str, Any]]:
    """HTTP status, and message, type, param and code of an error."""
    status = int(getattr(error, "status", 400 if isinstance(error, InputError) else 500))
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    if isinstance(error, RequestError):
        code: str | None = error.code
    elif isinstance(error, NoTargetError):
        code = "no_target"
    elif isinstance(error, UpstreamError):
        code = error.code or error.upstream
    else:
        code = error.kind
    message = error.message if error.hint is None else f"{error.message.rstrip('.')}. {error.hint}"
    return status, {"message": message, "type": kind, "param": error.field, "code": code}
