"""Prompts and answers that the ledger was told to keep, beside the few facts of their requests."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from crossover.ledger.rows import MICRO
from crossover.ledger.store import Ledger


class Kept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A chat request that was answered and whose body is there. ``tier`` is how sensitive it was, time Unix seconds."""

    request: str
    time: float
    asked: str
    tier: str
    input_tokens: int


def kept(ledger: Ledger, since: float, until: float, *, asked: str | None = None, door: str = "") -> Iterator[Kept]:
    """Every such request of the period, in the order of their arrival; ``asked`` is an alias, ``door`` one left out."""
    found = ledger.rows(
        "SELECT b.request, b.time_us, r.asked, r.tier, r.input_tokens FROM bodies b JOIN records r ON r.id = b.request "
        "WHERE b.time_us >= ? AND b.time_us < ? AND r.status = 'ok' AND r.kind = 'chat' AND r.door <> ? "
        "AND (? IS NULL OR r.asked = ?) ORDER BY b.time_us, b.request",
        (round(since * MICRO), round(until * MICRO), door, asked, asked),
    )
    for request, time, name, tier, tokens in found:
        yield Kept(request=request, time=time / MICRO, asked=name, tier=tier, input_tokens=tokens)
