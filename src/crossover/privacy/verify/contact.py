"""E-mail addresses, phone numbers and dates of birth."""

from __future__ import annotations

import re

from crossover.privacy.verify.arithmetic import digits, is_date
from crossover.privacy.verify.facts import calling_codes, numbers, top_level_domains

_EXTENSION = re.compile(r"(?:x|ext\.?|extension)[ .:#]*[0-9]{1,6}$", re.IGNORECASE)
_GROUPS = re.compile(r"[0-9]+")
_PICTURES = re.compile(r"[0-9]x\.[a-z]+")  # logo@2x.png
_DATE = re.compile(
    r"(?:(?:19|20)[0-9]{2}([-./ ])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-./])[0-9]{1,2}\2(?:19|20)[0-9]{2})(?:\D.*)?"
)
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_ZIP = re.compile(r"[0-9]{5}-[0-9]{4}")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?: 000)+|[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
_NUMERIC_DATE = re.compile(r"([0-9]{1,4})[-/. ]{1,2}([0-9]{1,2})[-/. ]{1,2}([0-9]{2,4})\.?")
_MACHINES = frozenset(
    {"git", "svn", "hg", "noreply", "no-reply", "donotreply", "do-not-reply", "postmaster", "mailer-daemon"}
)
_COMPACT_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_OLDEST = 1905  # nobody born before is alive


def email(value: str) -> bool:
    """An address at which a person may be reached: a domain that exists, and none that stands for any domain."""
    local, _, domain = value.lower().rpartition("@")
    labels = domain.split(".")
    facts = numbers()["mail"]
    if labels[-1] not in top_level_domains() or _PICTURES.fullmatch(domain):
        return False
    if labels[-1] in facts["top_level"] or any(not label or label.startswith("-") for label in labels):
        return False
    placeholder = any(domain == name or domain.endswith("." + name) for name in facts["placeholders"])
    return not placeholder and local not in _MACHINES and ".." not in local


def international_phone(value: str) -> bool:
    """A number with a calling code (``+`` or ``00``) and as many digits as that country's numbers have."""
    number = digits(_EXTENSION.sub("", value).replace("(0)", "").replace("+", ""))
    number = number.removeprefix("00")
    return any(len(number) - size in calling_codes().get(number[:size], ()) for size in (1, 2, 3))


def american_phone(value: str) -> bool:
    """A number of the North American plan: area and exchange begin with 2 to 9, neither is x11."""
    number = digits(_EXTENSION.sub("", value))[-10:]
    return len(number) == 10 and number[0] > "1" and number[3] > "1" and number[1:3] != "11" and number[4:6] != "11"


def national_phone(value: str) -> bool:
    """A number with the trunk prefix 0: ten to twelve digits (nine, where the area stands in brackets); no date."""
    number = digits(value)
    return (9 if value.startswith("(") else 10) <= len(number) <= 12 and number[1] != "0" and not _DATE.fullmatch(value)


def phone_beside_word(value: str) -> bool:
    """Six to fifteen digits that are no date, no address of a computer, no decimal."""
    core = _EXTENSION.sub("", value).strip()
    number = digits(core)
    if not 6 <= len(number) <= 15 or _DATE.fullmatch(core) or _ADDRESS.fullmatch(core) or _DECIMAL.fullmatch(core):
        return False
    return not _years(core)


def grouped_phone(value: str) -> bool:
    """As beside a word, in groups as phone numbers have them (two are of seven digits), not thousands or versions."""
    core = _EXTENSION.sub("", value).strip()
    groups = _GROUPS.findall(core)
    if len(groups) < 2 or max(map(len, groups)) > 8 or (len(groups) == 2 and len(digits(core)) < 7):
        return False
    if _THOUSANDS.fullmatch(core) or _ZIP.fullmatch(core) or (" " in core and "." in core):
        return False
    return phone_beside_word(value) and ("." not in core or len(digits(core)) >= 8)


_NEXT = re.compile(r"(.*[0-9]) ([0-9]{1,6})")


def next_number(value: str) -> int:
    """How many characters at the end of a phone number are a number of their own behind it; 0 where none is.

    That is one digit behind a longer group (``… 1234567 5 items``), or what a space parts from a number in which other
    marks stand (``555-0142 4111``).
    """
    found = _NEXT.fullmatch(value)
    if found is None or len(digits(found[1])) < 7:
        return 0
    core, last = found.groups()
    before = _GROUPS.findall(core)
    marked = " " not in core.strip("+()") and len(before) > 1
    return len(value) - len(core) if marked or (len(last) == 1 and len(before[-1]) > 2) else 0


def birth_date(value: str) -> bool:
    """A day on which somebody who is alive may have been born; day and month in either order."""
    numeric = _NUMERIC_DATE.fullmatch(value) or _COMPACT_DATE.fullmatch(value)
    if numeric is None:
        year = re.search(r"(?:19|20)[0-9]{2}", value)
        return year is None or int(year[0]) >= _OLDEST
    first, middle, last = numeric.groups()
    if len(first) == 4:
        year_of, orders = first, ((int(middle), int(last)),)
    else:
        year_of, orders = last, ((int(first), int(middle)), (int(middle), int(first)))  # type: ignore[assignment]
    if len(year_of) == 4 and int(year_of) < _OLDEST:
        return False
    return len(year_of) in (2, 4) and any(is_date(int(year_of), month, day) for month, day in orders)


def _years(core: str) -> bool:
    """Whether a range of years or a month stands there (``2019-2024``, ``2024-05``)."""
    groups = _GROUPS.findall(core)
    if len(groups) != 2 or len(groups[0]) != 4 or groups[0][:2] not in ("18", "19", "20"):
        return False
    return groups[1][:2] in ("18", "19", "20") if len(groups[1]) == 4 else 1 <= int(groups[1]) <= 12
