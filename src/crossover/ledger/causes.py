"""Why a bill and the ledger differ: rules that each know one likely cause, asked in the order of the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from crossover.ledger.billed import Used
from crossover.ledger.words import PICO

Cause = Literal[
    "missing_in_ledger", "missing_in_bill", "time_zone", "rounding", "batch_price", "cached_tokens", "retries",
    "estimated", "price", "beside_the_gateway", "not_billed",
]  # fmt: skip
Unit = Literal["usd", "tokens", "requests"]
SHIFT_EXPLAINS = 0.7  # share of the differences that a shift of the days must take away
_SAME = 0.01  # share by which two counts may differ and be the same
_NEAR = 0.02  # around the half price of a batch
_ROUND = PICO // 200  # half a cent for each line of a bill


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule sees."""

    bill: Used
    own: Used
    start: float
    unit: Unit
    difference: int
    began: float | None
    shift: int
    moved: Used | None


Rule = Callable[[Case], tuple[Cause, str] | None]


def explained(case: Case) -> tuple[tuple[Cause, str], ...]:
    """The likely causes, two at most; empty where nothing differs."""
    if not _differs(case):
        return ()
    found = tuple(said for rule in RULES if (said := rule(case)) is not None)
    strong = [said for said in found if said[0] not in _WEAK]
    return tuple(strong[:2]) or found[:1]


def compared(bill: Used, own: Used) -> tuple[Unit, int]:
    """What both sides can be compared by, and the bill less the ledger."""
    if bill.cost is not None and own.cost is not None:
        return "usd", bill.cost - own.cost
    if bill.tokens is not None and own.tokens is not None:
        return "tokens", bill.tokens - own.tokens
    return "requests", (bill.requests or 0) - (own.requests or 0)


def measure(side: Used, unit: Unit) -> int:
    """One side in a unit."""
    return {"usd": side.cost, "tokens": side.tokens, "requests": side.requests}[unit] or 0


def _differs(case: Case) -> bool:
    """Whether there is anything to explain: counts of requests, tokens or money that are not exactly the same."""
    return (
        bool(case.difference) or _off(case.bill.requests, case.own.requests) or _off(case.bill.cached, case.own.cached)
    )


def _off(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one != other


def _near(one: float, other: float, share: float = _SAME) -> bool:
    return abs(one - other) <= share * max(abs(one), abs(other), 1)


def _same_tokens(case: Case) -> bool:
    """The same tokens, or no counts of them and the same requests, or nothing but money."""
    for one, other in ((case.bill.tokens, case.own.tokens), (case.bill.requests, case.own.requests)):
        if one is not None and other is not None:
            return _near(one, other)
    return True


def _absent(case: Case) -> tuple[Cause, str] | None:
    if not (case.own.requests or case.own.cost):
        if case.began is not None and case.start < case.began:
            return "missing_in_ledger", "the ledger began later"
        return "missing_in_ledger", "nothing in the ledger: asked beside the gateway, by another key or program"
    if not (case.bill.lines or case.bill.cost or case.bill.tokens):
        return "missing_in_bill", "nothing in the bill: another project or account, a filter, or not billed yet"
    return None


def _zone(case: Case) -> tuple[Cause, str] | None:
    if not case.shift or case.moved is None:
        return None
    if abs(compared(case.bill, case.moved)[1]) > (1 - SHIFT_EXPLAINS) * abs(case.difference):
        return None
    return "time_zone", f"the bill's days begin at {case.shift % 24:02}:00 UTC"


def _rounding(case: Case) -> tuple[Cause, str] | None:
    if case.unit == "usd" and case.difference and abs(case.difference) <= _ROUND * max(1, case.bill.lines):
        return "rounding", "less than half a cent for each line of the bill"
    return None


def _batch(case: Case) -> tuple[Cause, str] | None:
    if case.unit != "usd" or not case.own.cost or not _same_tokens(case):
        return None
    if case.bill.batch or abs((case.bill.cost or 0) / case.own.cost - 0.5) <= _NEAR:
        return "batch_price", "half the price: billed as a batch"
    return None


def _cached(case: Case) -> tuple[Cause, str] | None:
    bill, own = case.bill, case.own
    if bill.input is not None and own.input and own.cached and not _near(bill.input, own.input):
        if _near(bill.input, own.input - own.cached):
            return "cached_tokens", "the bill's input leaves out cached tokens"
        return None
    if bill.cached is not None and own.cached is not None and not _near(bill.cached, own.cached) and _same_tokens(case):
        return "cached_tokens", f"the bill counts {bill.cached:,} cached tokens, the ledger {own.cached:,}"
    return None


def _retries(case: Case) -> tuple[Cause, str] | None:
    own = case.own
    if case.unit == "usd" and own.retried and _near(-case.difference, own.retried, 0.1):
        return "retries", f"{own.failed:,} failed attempts were taken as billed, and were not"
    if case.bill.requests is None or own.requests is None:
        return None
    if own.failed and not _near(case.bill.requests, own.requests, 0.001) and _near(
        case.bill.requests, own.requests - own.failed, 0.001
    ):  # fmt: skip
        return "retries", f"{own.failed:,} failed attempts were taken as billed, and were not"
    if own.unpriced and case.difference > 0 and _near(case.bill.requests, own.requests + own.unpriced, 0.001):
        return "retries", f"{own.unpriced:,} attempts without an answer were billed all the same"
    return None


def _estimated(case: Case) -> tuple[Cause, str] | None:
    own = case.own
    if (
        own.estimated
        and own.requests
        and abs(case.difference) <= measure(own, case.unit) * own.estimated / own.requests
    ):
        return "estimated", f"tokens of {own.estimated:,} requests were estimated"
    return None


def _price(case: Case) -> tuple[Cause, str] | None:
    if case.unit != "usd" or not case.own.cost or case.bill.tokens is None or not _same_tokens(case):
        return None
    ratio = (case.bill.cost or 0) / case.own.cost
    return "price", f"the same tokens at {ratio:.0%} of the ledger's price: a discount, a tier or a change of price"


def _rest(case: Case) -> tuple[Cause, str] | None:
    for name in ("requests", "tokens"):
        more = (getattr(case.bill, name) or 0) - (getattr(case.own, name) or 0)
        if case.difference > 0 and more > 0 and getattr(case.bill, name) is not None:
            return "beside_the_gateway", f"{more:,} {name} more than the ledger knows: asked beside the gateway"
    if case.difference > 0:
        return "beside_the_gateway", "more than the ledger knows: asked beside the gateway, or at another price"
    if case.difference < 0:
        return "not_billed", "less than the ledger knows: a discount, credits, another project, or not billed yet"
    return None


RULES: tuple[Rule, ...] = (
    _absent, _zone, _batch, _cached, _retries, _rounding, _estimated, _price, _rest,
)  # fmt: skip
_WEAK = frozenset({"rounding", "estimated", "price", "beside_the_gateway", "not_billed"})  # where nothing else explains
