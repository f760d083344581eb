"""Periods as people write them: ``24h``, ``7d``, ``today``, ``month``, a month, a day, or a moment. All in UTC."""

from __future__ import annotations

import datetime as dt
import re

from crossover.errors import InputError
from crossover.ledger.budgets import since_of
from crossover.ledger.words import Period

_AGO = re.compile(r"(\d{1,6})\s*([hdw])")
_MONTH = re.compile(r"\d{4}-\d{2}")
_SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
_BEGUN: dict[str, Period] = {"today": "day", "week": "week", "month": "month", "all": "total"}
_HINT = "Write 24h, 7d, today, week, month, all, 2026-11, 2026-11-05 or 2026-11-05T12:30"
_WHOLE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


def moment(text: str, now: float, field: str) -> float:
    """Unix seconds of what a user wrote, seen from ``now``. Raises InputError."""
    word = text.strip().lower()
    if word in _BEGUN:
        return float(since_of(_BEGUN[word], now))
    if word == "now":
        return now
    if found := _AGO.fullmatch(word):
        return max(0.0, now - int(found[1]) * _SECONDS[found[2]])
    try:
        read = dt.datetime.fromisoformat(f"{text.strip()}-01" if _MONTH.fullmatch(word) else text.strip())
    except ValueError:
        raise InputError(f"{text!r} is not a time", hint=_HINT, field=field) from None
    if read.tzinfo is None:
        read = read.replace(tzinfo=dt.UTC)
    if not 1970 <= read.year <= 2095:
        raise InputError(f"{text!r} is out of range", hint=_HINT, field=field)
    return max(0.0, read.timestamp())


def period(since: str, until: str, now: float) -> tuple[float, float]:
    """Begin and end of a period, the end after the begin. Raises InputError."""
    begin, end = moment(since, now, "--since"), moment(until, now, "--until")
    if end <= begin:
        raise InputError("--until must be later than --since", hint=_HINT, field="--until")
    return begin, end


def whole(text: str, field: str) -> tuple[float, float]:
    """Begin and end of a whole year, month or day: ``2026``, ``2026-03``, ``2026-03-05``. Raises InputError."""
    found = _WHOLE.fullmatch(text.strip())
    hint = "Write 2026, 2026-11 or 2026-11-05"
    if found is None:
        raise InputError(f"{text!r} is not a year, a month or a day", hint=hint, field=field)
    year, month, day = (None if part is None else int(part) for part in found.groups())
    try:
        begin = dt.datetime(year or 1, month or 1, day or 1, tzinfo=dt.UTC)
    except ValueError:
        raise InputError(f"there is no {text}", hint=hint, field=field) from None
    if not 1970 <= begin.year <= 2095:
        raise InputError(f"{text!r} is out of range", hint=hint, field=field)
    span = dt.timedelta(days=1) if day else dt.timedelta(days=32) if month else dt.timedelta(days=367)
    end = begin + span
    if not day:
        end = end.replace(day=1, month=end.month if month else 1)
    return begin.timestamp(), end.timestamp()
