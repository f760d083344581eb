"""Numbers of documents whose form differs from issuer to issuer: what any of them has, beside the word for it."""

from __future__ import annotations

import re

from crossover.privacy.verify.arithmetic import bare

_DATE = re.compile(
    r"(?:19|20)\d{2}[-/. ]?[01]\d[-/. ]?[0-3]\d|[0-3]?\d[-/. ][0-3]?\d[-/. ](?:(?:19|20)\d{2}|\d{2})", re.ASCII
)
_LETTERS = re.compile("[A-Z]+")
_YEARS = re.compile(r"(?:19|20)\d{2}[-/ ](?:(?:19|20)\d{2}|\d{2})", re.ASCII)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?: \d{3})*(?: 000)|[1-9]\d{0,2}0{3,}", re.ASCII)
_DECIMAL = re.compile(r"\d+\.\d+", re.ASCII)
_ZIP = re.compile(r"(?:[A-Za-z]{2} )?\d{5}-\d{4}", re.ASCII)
_UNIT = re.compile(
    r"[0-9]+(?:st|nd|rd|th|ml|mg|kg|km|cm|mm|px|gb|mb|kb|hz|khz|mhz|ghz|kw|kwh|min|am|pm|usd|eur)", re.IGNORECASE
)


def _digits(value: str) -> int:
    return sum(character.isdigit() for character in value)


def _in_a_row(value: str) -> int:
    """How many digits the longest row holds, with nothing but marks between them."""
    return max((len(row) for row in _LETTERS.split(bare(value))), default=0)


def plain(value: str) -> bool:
    """Whether the value is a date, a span of years, a decimal, a round figure or a measure: no number of a document."""
    return any(form.fullmatch(value) is not None for form in (_DATE, _YEARS, _THOUSANDS, _DECIMAL, _UNIT))


def number(value: str) -> bool:
    """A number of a record, a member or a licence: five digits or more in a row, and no date."""
    return _in_a_row(value) >= 5 and len(bare(value)) <= 20 and not plain(value)


def passport(value: str) -> bool:
    """Six to ten letters and digits, five digits in a row at least, and no date."""
    return 6 <= len(bare(value)) <= 10 and _in_a_row(value) >= 5 and not plain(value)


def identity(value: str) -> bool:
    """A number that a state gave somebody: six to twenty letters and digits, five in a row; no date or ZIP code."""
    if plain(value) or _ZIP.fullmatch(value) is not None:
        return False
    return 6 <= len(bare(value)) <= 20 and _in_a_row(value) >= 5


def plate(value: str) -> bool:
    """A registration plate: letters and digits, four to ten."""
    mark = bare(value)
    return 4 <= len(mark) <= 10 and 1 <= _digits(mark) < len(mark)


def vin(value: str) -> bool:
    """A vehicle identification number: letters and digits."""
    return 3 <= _digits(value) < len(value)
