"""Reading what a model's server sent: JSON of any shape, where a field of the wrong type counts as not said.

A client's request is checked field by field (``checks``); an answer is taken as it comes, because half an answer that
was paid for is worth more than an error about a field that nobody reads.
"""

from __future__ import annotations

from typing import Any

import msgspec

from crossover.errors import UpstreamError

INVALID_JSON = "INVALID_JSON"  # the key under which Anthropic's documentation wraps arguments that are no JSON object


def table(value: Any) -> dict[str, Any]:
    """An object; empty for anything else."""
    return value if type(value) is dict else {}


def rows(value: Any) -> list[Any]:
    """A list; empty for anything else."""
    return value if type(value) is list else []


def text(value: Any) -> str:
    """A string; empty for anything else."""
    return value if type(value) is str else ""


def count(value: Any) -> int | None:
    """A whole number from 0 on; None for anything else."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 else None


def parse(data: bytes | str) -> Any:
    """The value of a JSON text; None where it is none."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def body_of(body: bytes) -> dict[str, Any]:
    """The object that is the whole body of an answer. Raises UpstreamError ``malformed``."""
    found = parse(body)
    if type(found) is not dict:
        what = "nothing" if not body.strip() else "no JSON object"
        raise UpstreamError(f"the answer's body is {what}", upstream="malformed" if body.strip() else "empty")
    return found


def dump(value: Any) -> bytes:
    """Compact JSON."""
    return msgspec.json.encode(value)


def dump_text(value: Any) -> str:
    """Compact JSON as text."""
    return msgspec.json.encode(value).decode()


def arguments_of(text: str) -> dict[str, Any]:
    """The arguments of a tool call as an object: what is no JSON object is wrapped, so that nothing is lost."""
    if not text.strip():
        return {}
    found = parse(text)
    return found if type(found) is dict else {INVALID_JSON: text}


def text_of_arguments(value: Any) -> str:
    """The arguments of a tool call as JSON text, unwrapped where :func:`arguments_of` wrapped them."""
    if type(value) is str:
        return value or "{}"
    if type(value) is not dict:
        return "{}"
    if len(value) == 1 and type(value.get(INVALID_JSON)) is str:
        return str(value[INVALID_JSON])
    return dump_text(value)
