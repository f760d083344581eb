"""CSV blocks as columns of numbers: vectorised for plain rows, row by row for the rest, with the same result.

The vectorised reader never reports an error: a row it does not understand is handed to the row reader, which either
reads it or says what is wrong. So the two can differ only where both accept a row, and a test holds them to it.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from crossover.traffic.times import (
    ELAPSED_BELOW,
    EPOCH_MS_BELOW,
    EPOCH_S_BELOW,
    EPOCH_US_BELOW,
    FIRST_YEAR,
    FORM_UNIT,
    LAST_YEAR,
    MAX_NS,
    NS_PER_UNIT,
    Form,
    Unit,
)

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_Scalar = TypeVar("_Scalar", np.bool_, np.int64)

MAX_REQUEST_TOKENS = 10**8  # the bound of Lengths
_EXACT_DIGITS = 15  # an integer of 15 digits is exact as a float, so mantissa / 10^k is rounded once, like float(text)
_RANGES: dict[Form, tuple[int, int]] = {
    "elapsed": (0, ELAPSED_BELOW),
    "epoch_s": (ELAPSED_BELOW, EPOCH_S_BELOW),
    "epoch_ms": (EPOCH_S_BELOW, EPOCH_MS_BELOW),
    "epoch_us": (EPOCH_MS_BELOW, EPOCH_US_BELOW),
    "epoch_ns": (EPOCH_US_BELOW, MAX_NS),
}


class Layout(NamedTuple):
    """How rows are cut: the delimiter, how many columns, and the position of each role (cached -1: none)."""

    delimiter: str
    width: int
    time: int
    input: int
    output: int
    cached: int
    form: Form
    unit: Unit | None


class Part(NamedTuple):
    """Columns of one block. ``ok`` is False where a line must be read row by row; ``blank`` lines are no rows."""

    ok: Bools
    blank: Bools
    starts: Ints
    ends: Ints
    ns: Ints
    input: Ints
    output: Ints
    cached: Ints


def parse(data: bytes, layout: Layout) -> Part | None:
    """All lines of a block at once; None when quotes make lines and rows differ."""
    text = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(text == 10)
    starts = np.concatenate(([0], newlines[:-1] + 1)).astype(np.int64)
    ends = newlines.astype(np.int64)
    ends = ends - ((ends > starts) & (text[np.maximum(ends - 1, 0)] == 13))
    delimiters = np.flatnonzero(text == ord(layout.delimiter))
    quoted = b'"' in data
    if quoted and not _plainly_quoted(text, delimiters, newlines, ord(layout.delimiter)):
        return None
    first = np.searchsorted(delimiters, starts)
    full = np.searchsorted(delimiters, ends) - first == layout.width - 1
    rows = np.flatnonzero(full)
    columns = _Columns(text, starts[rows], ends[rows], delimiters, first[rows], layout.width, quoted)
    ok, ns = times(text, *columns.bounds(layout.time), layout.form, layout.unit)
    ok_input, prompt = _tokens(text, *columns.bounds(layout.input))
    ok_output, answer = _tokens(text, *columns.bounds(layout.output))
    ok &= ok_input & ok_output
    cached = np.zeros(len(rows), np.int64)
    if layout.cached >= 0:
        begin, end = columns.bounds(layout.cached)
        ok_cached, cached = _tokens(text, begin, end)
        ok &= (ok_cached | (end == begin)) & (cached <= prompt)
    return Part(
        ok=_spread(ok, rows, starts.size),
        blank=ends == starts,
        starts=starts,
        ends=ends,
        ns=_spread(ns, rows, starts.size),
        input=_spread(prompt, rows, starts.size),
        output=_spread(answer, rows, starts.size),
        cached=_spread(cached, rows, starts.size),
    )


class _Columns(NamedTuple):
    text: Bytes
    starts: Ints
    ends: Ints
    delimiters: Ints
    first: Ints
    width: int
    quoted: bool

    def bounds(self, column: int) -> tuple[Ints, Ints]:
        """First and last position (exclusive) of one column in every row, without plain quotes."""
        begin = self.starts if column == 0 else self.delimiters[self.first + column - 1] + 1
        end = self.ends if column == self.width - 1 else self.delimiters[self.first + column]
        if self.quoted and begin.size:
            inside = (end - begin >= 2) & (self.text[np.minimum(begin, self.text.size - 1)] == 34)
            begin, end = begin + inside, end - inside
        return begin, end


def _plainly_quoted(text: Bytes, delimiters: Ints, newlines: Ints, delimiter: int) -> bool:
    """Whether every quoted field is a whole field without delimiter, line break or quote inside."""
    quotes = np.flatnonzero(text == 34)
    if quotes.size % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    before = text[opening - 1]
    after = text[np.minimum(closing + 1, text.size - 1)]
    starts_field = (opening == 0) | (before == delimiter) | (before == 10)
    ends_field = (after == delimiter) | (after == 10) | (after == 13)
    cuts = np.sort(np.concatenate((delimiters, newlines)))
    whole = np.searchsorted(cuts, opening) == np.searchsorted(cuts, closing)
    return bool(np.all(starts_field & ends_field & whole))


def _spread(values: NDArray[_Scalar], rows: Ints, size: int) -> NDArray[_Scalar]:
    out = np.zeros(size, values.dtype)
    out[rows] = values
    return out


def _digits(text: Bytes, begin: Ints, end: Ints, most: int) -> tuple[Bools, Ints]:
    """Whole numbers of 1 to ``most`` digits."""
    width = end - begin
    ok = (width >= 1) & (width <= most)
    value = np.zeros(begin.size, np.int64)
    last = text.size - 1
    for place in range(int(width[ok].max(initial=0))):
        digit = text[np.minimum(begin + place, last)].astype(np.int64) - 48
        inside = place < width
        ok &= ~inside | ((digit >= 0) & (digit <= 9))
        value = np.where(inside & ok, value * 10 + digit, value)
    return ok, np.where(ok, value, 0)


def _tokens(text: Bytes, begin: Ints, end: Ints) -> tuple[Bools, Ints]:
    ok, value = _digits(text, begin, end, 9)
    return ok & (value <= MAX_REQUEST_TOKENS), value


def times(text: Bytes, begin: Ints, end: Ints, form: Form, unit: Unit | None) -> tuple[Bools, Ints]:
    """Times between these positions as nanoseconds; not ok where the row reader must look."""
    if form in ("iso", "iso_zone"):
        return _iso(text, begin, end, zoned=form == "iso_zone")
    ok, whole = _digits(text, begin, end, 18)
    if not np.all(ok):
        return _decimals(text, begin, end, ok, whole, form, unit)
    return whole_times(whole, form, unit)


def whole_times(value: Ints, form: Form, unit: Unit | None) -> tuple[Bools, Ints]:
    """Times written as whole numbers."""
    low, high = (0, MAX_NS) if unit else _RANGES[form]
    scale = NS_PER_UNIT[unit or FORM_UNIT[form]]
    ok = (value >= low) & (value < high) & (value <= MAX_NS // scale)
    return ok, np.where(ok, value, 0) * scale


def broken_times(value: NDArray[np.float64], form: Form, unit: Unit | None) -> tuple[Bools, Ints]:
    """Times written with a decimal point, rounded to a microsecond."""
    low, high = (0, MAX_NS) if unit else _RANGES[form]
    scale = NS_PER_UNIT[unit or FORM_UNIT[form]]
    with np.errstate(invalid="ignore", over="ignore"):
        ok = (value >= low) & (value < high) & (value * scale <= MAX_NS)
    return ok, np.rint(np.where(ok, value, 0.0) * (scale / 1000)).astype(np.int64) * 1000


def _decimals(
    text: Bytes, begin: Ints, end: Ints, is_whole: Bools, whole: Ints, form: Form, unit: Unit | None
) -> tuple[Bools, Ints]:
    """Numbers with at most one decimal point and 15 digits; whole numbers keep their own rule."""
    width = end - begin
    ok = (width >= 2) & (width <= _EXACT_DIGITS + 1) & ~is_whole
    mantissa = np.zeros(begin.size, np.int64)
    point = np.full(begin.size, -1)
    last = text.size - 1
    for place in range(int(width[ok].max(initial=0))):
        char = text[np.minimum(begin + place, last)].astype(np.int64)
        inside = ok & (place < width)
        is_point = inside & (char == 46) & (point < 0) & (place > 0)
        digit = inside & (char >= 48) & (char <= 57)
        ok &= ~inside | is_point | digit
        point = np.where(is_point, place, point)
        mantissa = np.where(digit, mantissa * 10 + char - 48, mantissa)
    ok &= point >= 0
    places = np.where(ok, width - 1 - point, 0)
    value = mantissa / np.power(10.0, places)
    ok_whole, ns_whole = whole_times(whole, form, unit)
    ok_broken, ns_broken = broken_times(np.where(ok, value, 0.0), form, unit)
    return (is_whole & ok_whole) | (ok & ok_broken), np.where(is_whole, ns_whole, ns_broken)


def _iso(text: Bytes, begin: Ints, end: Ints, *, zoned: bool) -> tuple[Bools, Ints]:
    """``YYYY-MM-DD[T ]HH:MM:SS[.fraction]`` with ``Z`` or ``±HH:MM`` where the column has a zone."""
    width = end - begin
    ok = width >= 19
    last = text.size - 1
    chars = text[np.minimum(begin[:, None] + np.arange(19), last)].astype(np.int64)
    for place, allowed in ((4, b"-"), (7, b"-"), (10, b"T "), (13, b":"), (16, b":")):
        ok &= np.isin(chars[:, place], list(allowed))
    digits = chars - 48
    places = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]
    ok &= np.all((digits[:, places] >= 0) & (digits[:, places] <= 9), axis=1)
    year = digits[:, 0] * 1000 + digits[:, 1] * 100 + digits[:, 2] * 10 + digits[:, 3]
    month, day, hour, minute, second = (digits[:, p] * 10 + digits[:, p + 1] for p in (5, 8, 11, 14, 17))
    ok &= (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12)
    ok &= (day >= 1) & (day <= _days_in_month(year, month)) & (hour <= 23) & (minute <= 59) & (second <= 59)
    fraction, at = _fraction(text, begin + 19, end)
    left = end - at
    offset = np.zeros(begin.size, np.int64)
    if zoned:
        mark = text[np.minimum(at, last)]
        tail = text[np.minimum(at[:, None] + np.arange(6), last)].astype(np.int64)
        zone = tail[:, [1, 2, 4, 5]] - 48
        numeric = (left == 6) & np.isin(mark, list(b"+-")) & (tail[:, 3] == 58)
        numeric &= np.all((zone >= 0) & (zone <= 9), axis=1)
        hours, minutes = zone[:, 0] * 10 + zone[:, 1], zone[:, 2] * 10 + zone[:, 3]
        numeric &= (hours <= 18) & (minutes <= 59)
        ok &= numeric | ((left == 1) & (mark == 90))
        offset = np.where(numeric, (hours * 3600 + minutes * 60) * np.where(mark == 45, -1, 1), 0)
    else:
        ok &= left == 0
    seconds = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
    return ok, np.where(ok, seconds, 0) * 10**9 + np.where(ok, fraction, 0)


def _fraction(text: Bytes, begin: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Up to nine digits after a point at ``begin`` as nanoseconds, and the position after them."""
    last = text.size - 1
    has_point = (begin < end) & np.isin(text[np.minimum(begin, last)], list(b".,"))
    value = np.zeros(begin.size, np.int64)
    at = begin + has_point
    active = has_point
    for place in range(9):
        char = text[np.minimum(begin + 1 + place, last)].astype(np.int64)
        active = active & (begin + 1 + place < end) & (char >= 48) & (char <= 57)
        value = np.where(active, value + (char - 48) * 10 ** (8 - place), value)
        at = at + active
        if not np.any(active):
            break
    # A point without a digit is no fraction: stay before it, so that the rest is not accepted.
    return value, np.where(has_point & (at == begin + 1), begin, at)


def _days_in_month(year: Ints, month: Ints) -> Ints:
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    found: Ints = lengths[np.clip(month, 0, 12)] + (leap & (month == 2))
    return found


def _days(year: Ints, month: Ints, day: Ints) -> Ints:
    """Days since 1970-01-01 in the Gregorian calendar, with March as the first month of the year."""
    shifted = year - (month <= 2)
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    found: Ints = era * 146097 + day_of_era - 719468
    return found
