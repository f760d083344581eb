"""Usage: what one request consumed, in tokens, and whether each figure was measured or estimated."""

from __future__ import annotations

from typing import Literal

import msgspec

from crossover.errors import InputError

Basis = Literal["measured", "estimated"]
MAX_TOKENS = 10**15  # more than any bill; larger figures are typing errors


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Token counts of one request, or of many added up.

    ``input`` is the *whole* prompt: cached reads and cache writes are parts of it, never beside it. ``output`` is all
    that was generated: ``reasoning`` is a part of it. ``images`` counts images in the prompt. Dialects that count
    otherwise (Anthropic reports cached tokens outside its input) are translated where they are read.
    """

    input: int = 0
    output: int = 0
    cached_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    images: int = 0
    input_basis: Basis = "measured"
    output_basis: Basis = "measured"

    def __post_init__(self) -> None:
        if (
            not (self.cached_read or self.cache_write_5m or self.cache_write_1h or self.reasoning or self.images)
            and 0 <= self.input <= MAX_TOKENS
            and 0 <= self.output <= MAX_TOKENS
        ):
            return  # two sums and nothing else, as most answers have: this is made for every request
        cached = self.cached_read + self.cache_write_5m + self.cache_write_1h
        fine = (
            0 <= self.input <= MAX_TOKENS
            and 0 <= self.output <= MAX_TOKENS
            and min(self.cached_read, self.cache_write_5m, self.cache_write_1h, self.reasoning, self.images) >= 0
            and self.images <= MAX_TOKENS
            and cached <= self.input
            and self.reasoning <= self.output
        )
        if not fine:
            self._complain(cached)

    def _complain(self, cached: int) -> None:
        for name in ("input", "output", "cached_read", "cache_write_5m", "cache_write_1h", "reasoning", "images"):
            value = getattr(self, name)
            if not 0 <= value <= MAX_TOKENS:
                raise InputError(
                    f"a count of tokens cannot be {value}", hint="Write a whole number from 0 to 10^15", field=name
                )
        if cached > self.input:
            raise InputError("cached reads and cache writes are parts of the input and cannot exceed it", field="input")
        raise InputError("reasoning is a part of the output and cannot exceed it", field="reasoning")


def add(first: Usage, second: Usage) -> Usage:
    """Two usages added; a figure with an estimated part is estimated."""

    def basis(a: Basis, b: Basis) -> Basis:
        return "estimated" if "estimated" in (a, b) else "measured"

    return Usage(
        input=first.input + second.input,
        output=first.output + second.output,
        cached_read=first.cached_read + second.cached_read,
        cache_write_5m=first.cache_write_5m + second.cache_write_5m,
        cache_write_1h=first.cache_write_1h + second.cache_write_1h,
        reasoning=first.reasoning + second.reasoning,
        images=first.images + second.images,
        input_basis=basis(first.input_basis, second.input_basis),
        output_basis=basis(first.output_basis, second.output_basis),
    )
