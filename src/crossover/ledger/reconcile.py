"""The ledger against a bill: differences by model and day, each with its likely cause.

Both sides are summed over the bill's own windows, so a bill whose days begin at another hour is compared with those
hours; where only dates are written, the hour at which its days seem to begin is looked for. Money is picodollars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from crossover.bill import Bill, Line
from crossover.ledger.billed import HOUR, Hourly, Used, canonical, used
from crossover.ledger.causes import SHIFT_EXPLAINS, Case, Cause, Unit, compared, explained, measure
from crossover.ledger.store import Ledger
from crossover.ledger.words import PICO

DAY = 24 * HOUR
ALL = ""  # the name of every model together, where a bill names none
_SUMS = ("requests", "input", "cached", "output", "cost", "retried", "failed", "unpriced", "estimated")


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One model in one window: the bill, the ledger, and why they differ. ``difference`` is the bill less the ledger,
    in picodollars where both have a price, else in tokens, else in requests (``unit``).
    """

    model: str
    start: float
    end: float
    bill: Used
    own: Used
    unit: Unit
    difference: int
    causes: tuple[tuple[Cause, str], ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A bill held against the ledger. ``share`` is the sum over models of what differs in the whole period, as a share
    of the bill. ``shift`` hours: the bill's days seem to begin so much after midnight UTC. ``days`` are those that
    differ. ``began``: the ledger's first hour.
    """

    provider: str
    since: float
    until: float
    models: tuple[Pair, ...]
    days: tuple[Pair, ...]
    bill: int
    own: int
    unit: Unit
    share: float
    shift: int = 0
    began: float | None = None
    notes: tuple[str, ...] = ()


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides, ready to be compared. ``shown``: names of models as people know them, by canonical name."""

    billed: Mapping[tuple[str, float], Used]  # by model and begin of a window
    hours: Hourly
    windows: tuple[tuple[float, float], ...]
    shown: Mapping[str, str]
    began: float | None
    shift: int = 0


def against(ledger: Ledger, bills: Sequence[Bill]) -> Found:
    """Hold bills of one period against the ledger; usage and costs of one provider may stand beside each other."""
    lines = [line for bill in bills for line in bill.lines]
    providers = {bill.provider for bill in bills if bill.provider}
    margin = 15 * HOUR  # a shift of the days is looked for on both sides
    windows = _windows(lines)
    since, until = windows[0][0], windows[-1][1]
    hours, names, began = used(ledger, since - margin, until + margin, providers)
    if any(not line.model for line in lines):
        hours, names = _together(hours), {}
    books = _books(lines, hours, names, windows, began)
    if all(line.basis == "day" for line in lines):
        books = msgspec.structs.replace(books, shift=_shift(books))
    whole = _models(books, min(line.start for line in lines), max(line.end for line in lines))
    days = _days(books)
    whole = tuple(_from_days(pair, days) for pair in whole)
    unit = _unit_of(whole)
    billed, own = (sum(measure(side, unit) for side in sides) for sides in _sides(whole, unit))
    apart = sum(abs(pair.difference) for pair in whole if pair.unit == unit)
    return Found(
        provider=", ".join(sorted(providers)), since=since, until=until, models=whole,
        days=tuple(pair for pair in days if pair.causes), bill=billed, own=own, unit=unit,
        share=apart / billed if billed else float(bool(apart)), shift=books.shift, began=began,
        notes=tuple(note for bill in bills for note in bill.notes),
    )  # fmt: skip


def _windows(lines: Sequence[Line]) -> tuple[tuple[float, float], ...]:
    """Days as the bill cuts them: from its first moment on, in steps of a day."""
    start, end = min(line.start for line in lines), max(line.end for line in lines)
    return tuple((start + DAY * n, start + DAY * (n + 1)) for n in range(max(1, -int(-(end - start) // DAY))))


def _together(hours: Hourly) -> Hourly:
    """Every model as one."""
    whole: dict[int, Used] = {}
    for each in hours.values():
        for hour, side in each.items():
            _add(whole.setdefault(hour, _nothing()), side)
    return {ALL: whole}


def _books(
    lines: Sequence[Line], hours: Hourly, names: Mapping[str, str], windows: tuple[tuple[float, float], ...],
    began: float | None,
) -> Books:  # fmt: skip
    billed: dict[tuple[str, float], Used] = {}
    shown = dict(names)
    for line in lines:
        model = canonical(line.model) if ALL not in hours else ALL
        window = windows[int((line.start - windows[0][0]) // DAY)][0]
        _add_line(billed.setdefault((model, window), Used()), line)
        shown.setdefault(model, line.model or "all models")
    return Books(billed=billed, hours=hours, windows=windows, shown=shown, began=began)


def _add_line(side: Used, line: Line) -> None:
    for name in ("requests", "input", "cached", "output"):
        value = getattr(line, name)
        if value is not None:
            setattr(side, name, (getattr(side, name) or 0) + value)
    if line.usd is not None:
        side.cost = (side.cost or 0) + int(line.usd * PICO)
    side.batch = side.batch or line.batch
    side.lines += 1


def _nothing() -> Used:
    return Used(requests=0, input=0, cached=0, output=0, cost=0)


def _add(whole: Used, side: Used) -> None:
    for name in _SUMS:
        value = getattr(side, name)
        if value is not None:
            setattr(whole, name, (getattr(whole, name) or 0) + value)
    whole.batch = whole.batch or side.batch
    whole.lines += side.lines


def _over(hours: Mapping[int, Used], start: float, end: float, shift: int = 0) -> Used:
    """The hours of a window, moved by so many hours, added up."""
    whole = _nothing()
    for hour in range(int(start // HOUR) + shift, -int(-end // HOUR) + shift):
        side = hours.get(hour)
        if side is not None:
            _add(whole, side)
    return whole


# -------------------------------------------------------------------------------------------------------- both together


def _days(books: Books) -> list[Pair]:
    """By model and day of the bill, where either side knows something."""
    found = []
    for start, end in books.windows:
        for model in sorted({*books.hours, *(model for model, _ in books.billed)}):
            own = _over(books.hours.get(model, {}), start, end)
            bill = books.billed.get((model, start))
            if bill is not None or own.requests or own.cost:
                moved = _over(books.hours.get(model, {}), start, end, books.shift) if books.shift else None
                found.append(_pair(books, model, (start, end), bill, own, moved))
    return found


def _models(books: Books, since: float, until: float) -> tuple[Pair, ...]:
    """By model over the whole period, the largest first; the ledger's hours are those of the bill's days."""
    billed: dict[str, Used] = {}
    for (model, _), side in books.billed.items():
        _add(billed.setdefault(model, Used()), side)
    found = []
    for model in {*books.hours, *billed}:
        own = _over(books.hours.get(model, {}), since, until, books.shift)
        if model in billed or own.requests or own.cost:
            found.append(_pair(books, model, (since, until), billed.get(model), own, None))
    return tuple(sorted(found, key=lambda pair: (-(pair.bill.cost or pair.bill.tokens or 0), pair.model)))


def _pair(
    books: Books, model: str, span: tuple[float, float], billed: Used | None, own: Used, moved: Used | None
) -> Pair:
    known = any(side.cost is not None for side in books.billed.values())
    bill = billed or Used(requests=0, input=0, output=0, cost=0 if known else None)
    unit, difference = compared(bill, own)
    case = Case(
        bill=bill, own=own, start=span[0], unit=unit, difference=difference, began=books.began, shift=books.shift,
        moved=moved,
    )  # fmt: skip
    return Pair(
        model=books.shown.get(model, model), start=span[0], end=span[1], bill=bill, own=own, unit=unit,
        difference=difference, causes=explained(case),
    )  # fmt: skip


def _from_days(whole: Pair, days: Sequence[Pair]) -> Pair:
    """A model with the causes of its days, those that explain most first; two at most."""
    sums: dict[tuple[Cause, str], int] = {}
    for day in days:
        if day.model == whole.model:
            for said in day.causes[:1]:
                sums[said] = sums.get(said, 0) + max(1, abs(day.difference))
    causes = sorted((said for said in sums if said[0] not in ("rounding", "time_zone")), key=lambda said: -sums[said])
    return msgspec.structs.replace(whole, causes=tuple(causes[:2])) if causes else whole


def _shift(books: Books) -> int:
    """By how many hours the bill's days seem to begin after midnight UTC; 0 where UTC explains as much."""
    if len(books.windows) < 2:
        return 0

    def apart(shift: int) -> int:
        return sum(
            abs(compared(side, _over(books.hours.get(model, {}), start, start + DAY, shift))[1])
            for (model, start), side in books.billed.items()
        )

    at_utc = apart(0)
    if not at_utc:
        return 0
    found = {shift: apart(shift) for shift in range(-14, 13)}
    best = min(found, key=lambda shift: (found[shift], abs(shift)))
    return best if found[best] <= (1 - SHIFT_EXPLAINS) * at_utc else 0


def _unit_of(pairs: Sequence[Pair]) -> Unit:
    """Money where any model has it on both sides; a model without is not in the sum."""
    units = {pair.unit for pair in pairs if pair.bill.lines}
    return "usd" if "usd" in units else "tokens" if "tokens" in units else "requests"


def _sides(pairs: Sequence[Pair], unit: Unit) -> tuple[list[Used], list[Used]]:
    chosen = [pair for pair in pairs if pair.unit == unit]
    return [pair.bill for pair in chosen], [pair.own for pair in chosen]
