"""How OpenAI's dialect counts tokens and names the end of an answer: one reading for streams and whole answers.

OpenAI counts cached tokens inside the prompt and reasoning inside the completion. What other servers say otherwise is
read too: ``prompt_cache_hit_tokens`` (DeepSeek), ``x_groq.usage`` (Groq), ``cached_tokens`` beside the prompt and
usage inside a choice (Moonshot), ``timings`` (llama.cpp), reasoning counted beside the completion (xAI).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isnan
from typing import Any

import msgspec

from crossover.chat import Finish
from crossover.errors import UpstreamKind
from crossover.usage import MAX_TOKENS, Usage
from crossover.wire import counts, failure, tree

# Reasons with a documented meaning. "eos", "eos_token", "stop_sequence" (Together, TGI) and "end_turn" are natural
# ends, "model_length" (Mistral) is the end of the context, "sensitive" (Zhipu) a filter.
_FINISH: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "sensitive": "content_filter",
}
# DeepSeek ends an answer so when its machines are full; other failures ("error", "network_error", "abort" …) say so.
_OVERLOADED = frozenset({"insufficient_system_resource"})


def read_finish(reason: Any, called: bool = False) -> Finish | None:
    """Why an answer ended. ``called``: it asked for tools, which some servers end with ``stop``.

    None and empty are "not yet". A reason that nobody documented counts as ``length``: the answer may not be whole.
    A reason that says "failed" is UpstreamError ``server_error``.
    """
    if not reason:
        return None
    if type(reason) is not str:
        reason = str(reason)
    finish = _FINISH.get(reason)
    if finish is None:
        if reason in _OVERLOADED or failure.looks_like_error(reason):
            kind: UpstreamKind = "overloaded" if reason in _OVERLOADED else "server_error"
            raise failure.failure(kind, f"the answer ended with {reason[:40]!r}", code="failed_finish")
        finish = _FINISH.get(reason.lower(), "length")
    return "tool_calls" if called and finish == "stop" else finish


def write_finish(finish: Finish) -> str:
    """OpenAI's word for an end; a paused answer is not whole, which only ``length`` says there."""
    return "length" if finish == "pause" else finish


def read_usage(usage: Any, timings: Any = None) -> Usage | None:
    """What was consumed; None where the target did not say. Absurd figures are brought within bounds, never raised."""
    if usage is None and timings is None:
        return None
    usage = tree.table(usage)
    if timings is None and len(usage) == 3 and (plain := _plain(usage)) is not None:
        return plain
    timings = tree.table(timings)
    into = _count(usage, "prompt_tokens", "input_tokens")
    out = _count(usage, "completion_tokens", "output_tokens")
    total = _count(usage, "total_tokens")
    if timings:
        if into is None and _count(timings, "prompt_n") is not None:
            into = (_count(timings, "prompt_n") or 0) + (_count(timings, "cache_n") or 0)
        if out is None:
            out = _count(timings, "predicted_n")
    if out is None and into is not None and total is not None:
        out = max(0, total - into)
    if not into and not out:
        return None  # some servers send zeros where they do not count
    read = _inner(usage, "prompt_tokens_details", "input_tokens_details")
    made = _inner(usage, "completion_tokens_details", "output_tokens_details")
    reasoning = _count(made, "reasoning_tokens") or _count(usage, "reasoning_tokens") or 0
    output = out or 0
    # The total tells whether reasoning was counted beside the completion.
    if reasoning and total == (into or 0) + output + reasoning:
        output += reasoning
    return counts.usage(
        prompt=into or 0,
        output=output,
        cached_read=_cached(usage, read, timings),
        cache_write_5m=_count(read, "cache_write_tokens", "cache_creation_tokens") or 0,
        reasoning=reasoning,
        input_basis="estimated" if into is None else "measured",
        output_basis="estimated" if out is None else "measured",
    )


def of_one_choice(usage: Usage, timings: Any) -> bool:
    """Whether the output is that of one choice, however many there are.

    llama.cpp counts so: its ``timings`` are of one choice, and its ``usage`` says the same (its server of 2026-11,
    asked for three choices). A server that adds its choices up says another figure than its timings do.
    """
    return usage.output == _count(tree.table(timings), "predicted_n")


def of_all_choices(usage: Usage, written: Sequence[int]) -> Usage:
    """The usage of a whole answer where only its first choice was counted; ``written`` is the length of each choice.

    The other choices are taken to have as many tokens for their length as the first: an estimate, and marked as one.
    """
    first, whole = written[0], sum(written)
    output = ceil(usage.output * whole / first) if first else usage.output * len(written)
    return msgspec.structs.replace(usage, output=min(output, MAX_TOKENS), output_basis="estimated")


def _plain(usage: dict[str, Any]) -> Usage | None:
    """The three sums and nothing else, as most servers send them: read without further questions."""
    into, out, total = usage.get("prompt_tokens"), usage.get("completion_tokens"), usage.get("total_tokens")
    if type(into) is int and type(out) is int and into > 0 and out > 0 and total == into + out <= MAX_TOKENS:
        return Usage(input=into, output=out)
    return None


def _cached(usage: dict[str, Any], details: dict[str, Any], timings: dict[str, Any]) -> int:
    found = _count(details, "cached_tokens")
    if found is None:
        found = _count(usage, "prompt_cache_hit_tokens", "cached_tokens")
    if found is None:
        found = _count(timings, "cache_n")
    return found or 0


def _inner(row: dict[str, Any], name: str, other: str) -> dict[str, Any]:
    found = row.get(name)
    if found is None:
        found = row.get(other)
    return found if type(found) is dict else {}


def _count(row: dict[str, Any], name: str, other: str = "") -> int | None:
    """A count of tokens under one of two names; below 0 is 0, absurdly many are as many as a count can be."""
    value = row.get(name)
    if type(value) is int and 0 <= value <= MAX_TOKENS:
        return value
    if value is None and other:
        return _count(row, other)
    if type(value) is int or (type(value) is float and not isnan(value)):
        return int(min(max(value, 0), MAX_TOKENS))
    return None


def write_usage(usage: Usage) -> dict[str, Any]:
    """Usage as chat completions give it."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_read,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def write_responses_usage(usage: Usage) -> dict[str, Any]:
    """Usage as the Responses API gives it."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached_read,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
