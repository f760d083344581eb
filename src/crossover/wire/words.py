"""What every dialect file gives, and the facts about a target that shape what is written to it.

A dialect file has two faces, each a set of plain functions with these names:

*door* (a client speaks it to us)
    ``read_request(tree, caller) -> ChatRequest`` · ``write_response(response, request) -> bytes`` ·
    ``StreamWriter(request)`` with ``write(chunk)``, ``end(served)``, ``error(error)`` -> bytes ·
    ``write_error(error) -> (status, body)``

*upstream* (we speak it to a target)
    ``write_request(request, profile) -> Outgoing`` · ``read_response(body) -> ChatResponse`` ·
    ``StreamReader()`` with ``feed(data)`` and ``eof()`` -> list of chunks · ``read_error(status, headers, body)``
    -> UpstreamError

and, where the dialect has embeddings, ``read_embed``, ``write_embed`` (upstream request), ``read_embedded``,
``write_embedded`` (door answer). Nothing here does IO, keeps state beyond one stream, or looks at a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

# Parameters that shape nothing the caller relies on: dropped where a target has no word for them, and always named.
HARMLESS = frozenset(
    {
        "user",
        "metadata",
        "store",
        "service_tier",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "parallel_tool_calls",
        "reasoning_effort",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "verbosity",
        "prediction",
        "stream_options",
        "top_k",
    }
)


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one target model: its own id and how its dialect deviates.

    ``drops`` names parameters it does not accept (OpenAI's names); harmless ones are left out and reported, others
    refuse. ``max_output`` is written where the dialect demands a maximum and none was said. ``flatten_text``: content
    must be one string. ``developer_role`` False: ``developer`` is written as ``system``. ``stream_usage``: how usage
    is asked for in a stream.
    """

    model: str
    drops: frozenset[str] = frozenset()
    max_tokens_field: str = "max_tokens"
    max_output: int | None = None
    flatten_text: bool = False
    developer_role: bool = False
    stream_usage: str = "include_usage"  # include_usage | continuous | none
    reasoning_field: str | None = None
    json_schema: str = "native"  # native | tool | json
    context: int | None = None
    keep_alive: str | None = None
    options: dict[str, Any] = {}
    path: str | None = None


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request ready to send: its path below the provider's base URL, its body, and what was dropped."""

    path: str
    body: bytes
    dropped: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


Headers = Mapping[str, str]  # lower-case names
