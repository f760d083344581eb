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
_NAMED_YEAR = re.compile(
    r"(?:ISO|ICAO|RFC|IEC|IEEE|DIN|EN|ANSI|NIST|FIPS)-?\d+|(?:[A-Z]{1,6}|Q[1-4])(?:19|20)\d\d|\d{1,2}[A-Z]{3}\d{4}",
    re.ASCII,
)
_PRESSURE = re.compile(r"(?:[A-Z]+ )?\d{2,3}/\d{2,3}", re.ASCII)  # of blood
_SHORT = re.compile(r"\d\d[- ]\d\d[- ]\d\d", re.ASCII)
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
    return (
        6 <= len(bare(value)) <= 10 and _in_a_row(value) >= 5 and not plain(value) and not _NAMED_YEAR.fullmatch(value)
    )


def capitals(value: str) -> bool:
    """Capitals and digits as a passport mixes them: six to ten, four digits at least, no word with a year or a norm."""
    return len(value) <= 10 and capitals_long(value)


def capitals_long(value: str) -> bool:
    """As :func:`capitals`, of any length: identity cards."""
    if _digits(value) < 4 or value.isdigit() or plain(value):
        return False
    return _NAMED_YEAR.fullmatch(value) is None


def grouped(value: str) -> bool:
    """What the word for a number promises: letters and digits, perhaps in groups, four digits at least, no date.

    Each group holds a digit or is of capitals: no words of the sentence.
    """
    groups = re.split("[ -]", value)
    if not all(_digits(group) or (group.isupper() and len(group) <= 3) for group in groups):
        return False
    return 6 <= len(bare(value)) <= 12 and _digits(value) >= 4 and (len(groups) > 1 or not plain(value))


def record(value: str) -> bool:
    """The number of a record, right behind its word: groups of digits and capitals, four digits at least, no sum.

    Two digits thrice may be a date, and are a number where the word is so near; with a year of four they are none.
    """
    groups = re.split("[-. /]", value)
    if len(groups) == 1 and value.isdigit():
        return False  # left to the rule for numbers without groups
    if not all(group.isdigit() or (_digits(group) and group.isupper()) or _is_prefix(group) for group in groups):
        return False
    if any(form.fullmatch(value) is not None for form in (_DECIMAL, _THOUSANDS, _YEARS, _UNIT, _PRESSURE)):
        return False
    if _DATE.fullmatch(value) is not None and _SHORT.fullmatch(value) is None:
        return False
    return _digits(value) >= (5 if _digits(value) == len(bare(value)) else 4) and len(bare(value)) <= 16


def _is_prefix(group: str) -> bool:
    return group.isalpha() and group.isupper() and len(group) <= 4


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
