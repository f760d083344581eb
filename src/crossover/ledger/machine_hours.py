"""Hours of machines that somebody bills, held against the ledger: what they cost, and what they were needed for.

The ledger takes a machine with a price by the hour as running all the time from its first request on; a bill knows when
it ran. Money is picodollars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from crossover.bill import Hours
from crossover.errors import InputError
from crossover.ledger import queries
from crossover.ledger.store import Ledger
from crossover.ledger.words import PICO
from crossover.money import show

Cause = Literal["unknown_machine", "missing_in_bill", "rate", "fewer_hours", "more_hours", "busier_than_billed"]
_HOUR = 3600
_HALF = 0.5  # hours that a bill may round away


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One machine in one window of the bill. ``busy`` hours had requests; ``priced`` is the share of its tokens.

    ``own_hours`` and ``own`` are what the ledger takes for granted; ``idle`` is what was billed and no token paid for.
    """

    machine: str
    start: float
    end: float
    hours: float
    billed: int
    own_hours: float
    own: int
    busy: int
    tokens: int
    priced: int
    causes: tuple[tuple[Cause, str], ...] = ()

    @property
    def idle(self) -> int:
        """Picodollars billed for hours that no token paid for."""
        return self.billed - self.priced


class FoundHours(msgspec.Struct, frozen=True, kw_only=True):
    """A bill of hours held against the ledger; ``share`` is what differs as a share of what was billed."""

    since: float
    until: float
    spans: tuple[Span, ...]
    billed: int
    own: int
    share: float


def hours_against(ledger: Ledger, billed: Sequence[Hours], hourly: Mapping[str, int], now: float) -> FoundHours:
    """Hold billed hours against the ledger. ``hourly``: picodollars an hour by deployment, where somebody stated it.

    Raises InputError where neither the bill nor ``hourly`` has a rate for a machine.
    """
    since, until = min(one.start for one in billed), max(one.end for one in billed)
    began = queries.began(ledger)
    spans = [_span(ledger, one, hourly, began, now) for one in billed]
    named = {one.machine for one in billed}
    for name, worth in sorted(hourly.items()):
        if name not in named and name in began:
            span = _own_alone(ledger, name, worth, began, since, min(until, now))
            spans += [span] if span.busy else []
    total, own = sum(one.billed for one in spans), sum(one.own for one in spans)
    apart = sum(abs(one.billed - one.own) for one in spans)
    return FoundHours(
        since=since, until=until, spans=tuple(spans), billed=total, own=own,
        share=apart / total if total else float(bool(apart)),
    )  # fmt: skip


def _span(ledger: Ledger, one: Hours, hourly: Mapping[str, int], began: Mapping[str, int], now: float) -> Span:
    stated = hourly.get(one.machine)
    rate = int(one.usd_per_hour * PICO) if one.usd_per_hour is not None else stated
    if rate is None:
        raise InputError(
            f"nobody says what an hour of {one.machine} costs",
            hint=f"Write a column usd_per_hour, or --machine {one.machine}=DOLLARS",
        )
    known = one.machine in began
    busy, tokens, priced = _used(ledger, one.machine, one.start, one.end)
    begin = max(one.start, began.get(one.machine, 0) * float(_HOUR)) if known else one.end
    own_hours = max(0.0, (min(one.end, now) - begin) / _HOUR)
    own_rate = rate if stated is None else stated
    return Span(
        machine=one.machine, start=one.start, end=one.end, hours=one.hours, billed=round(one.hours * rate),
        own_hours=own_hours, own=round(own_hours * own_rate), busy=busy, tokens=tokens, priced=priced,
        causes=tuple(_causes(one, known, busy, own_hours, rate, own_rate)),
    )  # fmt: skip


def _causes(one: Hours, known: bool, busy: int, own_hours: float, rate: int, own_rate: int) -> list[tuple[Cause, str]]:
    if not known:
        return [("unknown_machine", "no deployment of the ledger has this name")]
    found: list[tuple[Cause, str]] = []
    if one.hours + _HALF < busy:
        found.append(("busier_than_billed", f"it answered in {busy:,} hours: the bill misses some"))
    elif one.hours + _HALF < own_hours:
        found.append(("fewer_hours", "it did not run all the time, as the ledger takes for granted"))
    elif one.hours > own_hours + _HALF:
        found.append(("more_hours", "billed before its first request, or for more than one machine"))
    if rate != own_rate:
        found.append(("rate", f"billed at {_usd(rate)} an hour, stated as {_usd(own_rate)}"))
    return found


def _own_alone(ledger: Ledger, name: str, worth: int, began: Mapping[str, int], since: float, until: float) -> Span:
    """A machine that the ledger knows and the bill does not name."""
    busy, tokens, priced = _used(ledger, name, since, until)
    hours = max(0.0, (until - max(since, began[name] * float(_HOUR))) / _HOUR)
    return Span(
        machine=name, start=since, end=until, hours=0.0, billed=0, own_hours=hours, own=round(hours * worth),
        busy=busy, tokens=tokens, priced=priced,
        causes=(("missing_in_bill", f"it answered in {busy:,} hours, and the bill does not name it"),),
    )  # fmt: skip


def _used(ledger: Ledger, name: str, start: float, end: float) -> tuple[int, int, int]:
    """Hours with requests, tokens, and what they were priced at."""
    row = ledger.rows(
        "SELECT count(DISTINCT hour), coalesce(sum(input_tokens + output_tokens), 0), coalesce(sum(cost), 0) "
        "FROM rollups WHERE deployment = ? AND hour >= ? AND hour < ?",
        (name, *queries.hours_of(start, end)),
    )[0]
    return int(row[0]), int(row[1]), int(row[2])


def _usd(picodollars: int) -> str:
    return show(queries.usd(picodollars))
