"""Token counts of an answer as :class:`~crossover.usage.Usage`, whatever figures a server sends.

A bill must not fail because a server contradicts itself: parts larger than their whole make the whole as large as its
parts, so that nothing counted goes unpaid.
"""

from __future__ import annotations

from typing import Any

from crossover.usage import MAX_TOKENS, Basis, Usage
from crossover.wire import tree


def count(fields: dict[str, Any], name: str) -> int:
    """A count of a usage object; 0 where it is absent or no count."""
    return min(tree.count(fields.get(name)) or 0, MAX_TOKENS)


def usage(
    *,
    prompt: int,
    output: int,
    cached_read: int = 0,
    cache_write_5m: int = 0,
    cache_write_1h: int = 0,
    reasoning: int = 0,
    input_basis: Basis = "measured",
    output_basis: Basis = "measured",
) -> Usage:
    """``prompt`` is the whole prompt, cached parts included; ``output`` everything generated, reasoning included."""
    cached = min(cached_read + cache_write_5m + cache_write_1h, MAX_TOKENS)
    return Usage(
        input=min(max(prompt, cached), MAX_TOKENS),
        output=min(max(output, reasoning), MAX_TOKENS),
        cached_read=min(cached_read, MAX_TOKENS),
        cache_write_5m=min(cache_write_5m, MAX_TOKENS - min(cached_read, MAX_TOKENS)),
        cache_write_1h=min(cache_write_1h, max(0, MAX_TOKENS - cached_read - cache_write_5m)),
        reasoning=min(reasoning, MAX_TOKENS),
        input_basis=input_basis,
        output_basis=output_basis,
    )
