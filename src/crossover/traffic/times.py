"""Times of a trace: which form a column has, and each value as nanoseconds.

One column has one form. ISO 8601 with and without zone, elapsed seconds and epoch times in seconds, milli-, micro- and
nanoseconds are told apart by their size, so that a row in another form is a bad row and not a request in 1970.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Literal, get_args

Form = Literal["iso", "iso_zone", "elapsed", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"]
FORMS: tuple[Form, ...] = get_args(Form)
Unit = Literal["s", "ms", "us", "ns"]

NS_PER_UNIT: dict[Unit, int] = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
# The first value (in its own unit) that is read as the next form. 1e9 s is September 2001, 1e11 s the year 5138.
ELAPSED_BELOW, EPOCH_S_BELOW, EPOCH_MS_BELOW, EPOCH_US_BELOW = 10**9, 10**11, 10**14, 10**17
MAX_NS = 9 * 10**18  # year 2255; keeps sums inside 64 bits
FIRST_YEAR, LAST_YEAR = 1970, 2199

FORM_WORDS: dict[Form, str] = {
    "iso": "ISO 8601 without zone",
    "iso_zone": "ISO 8601 with zone",
    "elapsed": "elapsed time",
    "epoch_s": "seconds since 1970",
    "epoch_ms": "milliseconds since 1970",
    "epoch_us": "microseconds since 1970",
    "epoch_ns": "nanoseconds since 1970",
}
FORM_UNIT: dict[Form, Unit] = {
    "elapsed": "s",
    "epoch_s": "s",
    "epoch_ms": "ms",
    "epoch_us": "us",
    "epoch_ns": "ns",
}

_NUMBER = re.compile(r"[+-]?(\d+)(\.\d*)?([eE][+-]?\d{1,3})?|[+-]?\.\d+([eE][+-]?\d{1,3})?", re.ASCII)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)


class TimeError(ValueError):
    """A value that is no time; says why in the words of a bad row."""


def number_form(value: float) -> Form:
    """The form of a time written as a number."""
    if value < ELAPSED_BELOW:
        return "elapsed"
    if value < EPOCH_S_BELOW:
        return "epoch_s"
    if value < EPOCH_MS_BELOW:
        return "epoch_ms"
    return "epoch_us" if value < EPOCH_US_BELOW else "epoch_ns"


def form_of(value: object) -> Form | None:
    """The form of one value, or None when it is no time."""
    try:
        if isinstance(value, str) and (match := _ISO.fullmatch(value.strip())):
            return "iso_zone" if match[8] else "iso"
        return number_form(_number(value))
    except TimeError:
        return None


def to_ns(value: object, form: Form, unit: Unit | None = None) -> int:
    """One value as nanoseconds (since 1970 where the form has a date, else since an unknown start).

    ``unit`` replaces the unit of a column of elapsed times and switches off telling numbers apart by size. Whole
    numbers are exact; broken ones are rounded to a microsecond. Raises TimeError.
    """
    if form in ("iso", "iso_zone"):
        return _iso_ns(value, form)
    if isinstance(value, str) and _ISO.fullmatch(value.strip()):
        raise TimeError(f"is a date where the column holds {FORM_WORDS[form]}")
    number = _number(value)
    found = form if unit is not None else number_form(number)
    if found != form:
        raise TimeError(f"is in {FORM_WORDS[found]} where the column holds {FORM_WORDS[form]}")
    if number < 0:
        raise TimeError("is a negative time")
    scale = NS_PER_UNIT[unit or FORM_UNIT[form]]
    if isinstance(number, int):
        result = number * scale
    else:
        result = round(number * (scale / 1000)) * 1000 if number * scale <= MAX_NS else MAX_NS + 1
    if result > MAX_NS:
        raise TimeError("is after the year 2255")
    return result


def _number(value: object) -> int | float:
    if isinstance(value, bool) or value is None:
        raise TimeError(f"is {str(value).lower()}, not a time")
    if isinstance(value, str):
        text = value.strip()
        match = _NUMBER.fullmatch(text)
        if not text:
            raise TimeError("is empty")
        if match is None:
            raise TimeError(f"{shown(text)} is not a time")
        is_whole = match[1] is not None and match[2] is None and match[3] is None
        value = int(text) if is_whole and len(text) < 30 else float(text)
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TimeError(f"{shown(value)} is not a time")
    return value


def _iso_ns(value: object, form: Form) -> int:
    match = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        _number(value)  # says empty, null or not a time
        raise TimeError(f"is a number where the column holds {FORM_WORDS[form]}")
    found: Form = "iso_zone" if match[8] else "iso"
    if found != form:
        raise TimeError(f"is {FORM_WORDS[found]} where the column holds {FORM_WORDS[form]}")
    year, month, day, hour, minute = (int(match[group]) for group in range(1, 6))
    try:
        moment = dt.datetime(year, month, day, hour, minute, int(match[6] or 0), tzinfo=dt.UTC)
    except ValueError as error:
        raise TimeError(f"{shown(value)} is no date: {error}") from None
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise TimeError(f"the year {year} is outside {FIRST_YEAR}–{LAST_YEAR}")
    fraction = int((match[7] or "0")[:9].ljust(9, "0"))
    return int(moment.timestamp()) * 10**9 + fraction - _offset_s(match[8]) * 10**9


def _offset_s(zone: str | None) -> int:
    if zone is None or zone in ("Z", "z", "UTC"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:]) if len(zone) > 3 else 0
    if hours > 18 or minutes > 59:
        raise TimeError(f"{zone} is no zone")
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


def iso_start(ns: int, form: Form) -> str | None:
    """The first time of a trace as ISO text (UTC where the column says so); None for elapsed times."""
    if form == "elapsed":
        return None
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=ns // 1000)
    return (moment.replace(tzinfo=None) if form == "iso" else moment).isoformat()


def shown(value: object) -> str:
    """A bad value as it may stand in a sentence: short and printable."""
    text = repr(value)
    return text if len(text) <= 40 else text[:36] + "…" + text[-1]
