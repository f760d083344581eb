"""What stands around a value and says that it is something else: a sum of money, a version, a piece of a longer row.

A rule names a function in ``around``. Each takes the text and where the value stands in it, and says whether the value
may be what the rule looks for.
"""

from __future__ import annotations

import functools
import re

from crossover.privacy.verify.facts import numbers

_REACH = 48  # characters before a value in which a word tells what it is, within its line
_BEHIND = 28
_DECIMALS = re.compile(r",[0-9]{1,2}(?![0-9,;])|\.[0-9]{1,2}(?![0-9.])")
_QUAD = re.compile(r"(?<![0-9A-Za-z.])[0-9]{1,5}(?:\.[0-9]{1,5}){3}(?![0-9A-Za-z]|\.[0-9])")
_SUFFIX = re.compile(
    r"[-+~_.]?(?:rc|alpha|beta|pre|preview|dev|snapshot|nightly|hotfix|fix|patch|build|final|ga|sp|post|release|stable|lts"
    r"|el[0-9]|fc[0-9]|deb[0-9]|ubuntu|alpine|slim|debian|bullseye|bookworm|jammy|focal)(?![a-z])",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(?<![a-z])(?:on|at) \Z")
_EXPONENT = re.compile(r" ?(?:[eE][+-]?[0-9]|[x×] ?10)")
_GROUPS = re.compile(r"[0-9]+")
_ROW_BEFORE = re.compile(r"(?:[A-Z]{2}[0-9]{2}(?: [A-Z0-9]{4})*|[0-9A-Z]*[0-9][0-9A-Z]*[0-9][0-9A-Z]*) ?\Z")


_OWNED = re.compile(
    r"[^\W\d_][\"'`*]{0,3}[ ]?[:=#]{0,2}[ ]?(?:is |ist |es )?[\"'`*]{0,3}[0-9]{3,4}[\"'`*]{0,3}[\s,;./]{1,4}\Z"
)


def no_second(text: str, start: int, end: int) -> bool:
    """Not the second of two short numbers behind a word: ``cvv 417`` and a year in the next line."""
    return not text[start:end].isdigit() or _OWNED.search(text, max(0, start - _REACH), start) is None


def no_amount(text: str, start: int, end: int) -> bool:
    """No figure of a calculation: no sign of a currency and no per cent beside it, no decimals behind it."""
    money = _money()
    if (
        text[max(0, start - 2) : start].strip(" ")[-1:] in money.signs
        or text[end : end + 2].strip(" ")[:1] in money.signs_behind
    ):
        return False
    return text[start - 1 : start] == "," or _DECIMALS.match(text, end) is None


def no_sum(text: str, start: int, end: int) -> bool:
    """No sum of money and no measure: as :func:`no_amount`, and no name of a currency or of a unit behind it."""
    return no_amount(text, start, end) and _money().words.match(text, end) is None


def no_version(text: str, start: int, end: int) -> bool:
    """No version of a program: none of the words for one is nearer than one for an address, and no suffix follows."""
    if _SUFFIX.match(text, end) is not None:
        return False
    first = max(text.rfind("\n", max(0, start - _REACH), start) + 1, start - _REACH, 0)
    last = text.find("\n", end, end + _REACH)
    last = min(len(text), end + _REACH) if last < 0 else last
    words = _versions()
    before, behind = text[first:start].lower(), text[end:last].lower()
    version, address = words.last(words.version, before), words.last(words.address, before)
    if address > version or _PLACE.search(before) is not None or words.address.search(behind[:_BEHIND]) is not None:
        return True
    if version >= 0 or words.version.search(behind[:_BEHIND]) is not None:
        return False
    return not any(_is_no_address(quad.group()) for quad in _QUAD.finditer(text, first, last))


def no_measure(text: str, start: int, end: int) -> bool:
    """No figure of physics and no clause of a law: one separator in the number, and no exponent behind it."""
    marks = {mark for mark in " .-" if re.search(rf"[0-9]{re.escape(mark)}[0-9]", _local(text[start:end]))}
    if "." in marks and len(marks) > 1:
        return False
    return _EXPONENT.match(text, end) is None


def no_piece(text: str, start: int, end: int) -> bool:
    """No piece of a longer row of groups (an account, a table of characters by their codes)."""
    before = text[max(0, start - _REACH) : start]
    if before[-1:] == " " and _ROW_BEFORE.search(before) is not None:
        return False
    groups: list[str] = _GROUPS.findall(text[start:end])
    return sum(len(group) == 4 and group[0] == "0" for group in groups[1:]) < 2


def _local(value: str) -> str:
    """A number of the North American plan without its calling code."""
    return re.sub(r"\A\+?1[ .-]", "", value)


def _is_no_address(quad: str) -> bool:
    """Whether four numbers with points are no address: one is too large, or begins with a zero."""
    return any(int(part) > 255 or (len(part) > 1 and part[0] == "0") for part in quad.split("."))


class _Money:
    """How a sum of money is written."""

    def __init__(self) -> None:
        facts = numbers()["money"]
        self.signs = frozenset(facts["signs"])
        self.signs_behind = self.signs | {"%", "‰"}
        codes, names, units = ("|".join(map(re.escape, facts[name].split())) for name in ("codes", "names", "units"))
        self.words = re.compile(rf" ?(?:{codes}|(?i:{names}|{units}))(?![^\W_])")


class _Versions:
    """Words for versions, and for addresses of computers."""

    def __init__(self) -> None:
        facts = numbers()["versions"]
        self.version, self.address = (self._words(facts[name]) for name in ("words", "addresses"))

    @staticmethod
    def _words(words: list[str]) -> re.Pattern[str]:
        parts = [re.escape(word.removesuffix("*")) + ("" if word.endswith("*") else r"s?(?![^\W_])") for word in words]
        return re.compile(rf"(?<![^\W_])(?:{'|'.join(parts)})")

    @staticmethod
    def last(words: re.Pattern[str], text: str) -> int:
        """Where the last of the words begins; -1 where there is none."""
        return max((match.start() for match in words.finditer(text)), default=-1)


@functools.cache
def _money() -> _Money:
    return _Money()


@functools.cache
def _versions() -> _Versions:
    return _Versions()
