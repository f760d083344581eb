"""How models spell placeholders: where one is in a text, and whether the end of a text may be the beginning of one.

A model does not always repeat ``[PERSON_7KQX3]`` letter by letter. Other brackets or none, capitals or not, a space, a
hyphen or an escaped underscore between type and code, emphasis inside the brackets: all of it is read. One pair of
brackets belongs to the placeholder where both stand around it, with the backslashes that escape both. Round ones never
do: they are punctuation. What was there before (``<[EMAIL_7KQX3]>``, ``C:\\\\[PERSON_7KQX3]``) stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from crossover.privacy.placeholders import FORM, LONGEST_TYPE, SIZE, STEM, Placeholder

# Brackets that a model puts where square ones were: they go with the placeholder.
_CLOSES = {
    "[": "]",
    "<": ">",
    "{": "}",
    "［": "］",
    "【": "】",
    "〔": "〕",
    "⟨": "⟩",
    "〈": "〉",
    "「": "」",
    "｛": "｝",
}
_EMPHASIS = frozenset("*_~`")
_MOST_EMPHASIS = 3
_BETWEEN = frozenset("_- \u00a0\u2010\u2011\u2013＿")  # between type and code; what a markdown writer escapes
_MOST_ESCAPES = 4  # backslashes before either: one, doubled once or twice by JSON
_BEFORE = _EMPHASIS.union(_CLOSES, "\\")
_LETTERS = frozenset(STEM.lower())
# Codes wherever they may begin, also inside each other; lower case, as all that is searched.
_CODES = re.compile(rf"(?=[{STEM.lower()}]{{{SIZE - 1}}}[{FORM}])")
_WIDE = "\u0130\u212a"  # beyond ASCII, with lower case in it: I with a dot, the sign of kelvin
_DIGIT = re.compile(f"[{FORM}]")


class Found(NamedTuple):
    """What stands from ``start`` to ``stop``: a placeholder for ``value``, in emphasis or none.

    ``value`` None: it looks like one of ours and is none. ``stop`` -1: it cannot be told yet where it ends.
    """

    start: int
    stop: int
    before: str = ""
    value: str | None = None
    after: str = ""


class Spellings:
    """The placeholders of one request, however they are spelled."""

    __slots__ = ("_codes", "_heads", "_hot", "_types")

    def __init__(self, issued: Iterable[Placeholder]) -> None:
        self._codes = {one.code.lower(): (one.type.lower(), one.value) for one in issued}
        self._types, self._heads, self._hot = _types(frozenset([kind for kind, _ in self._codes.values()]))

    def __len__(self) -> int:
        return len(self._codes)

    def __iter__(self) -> Iterator[Placeholder]:
        return (Placeholder(kind.upper(), code.upper(), value) for code, (kind, value) in self._codes.items())

    def find(self, text: str, *, whole: bool) -> list[Found]:
        """The placeholders of a text in order, and what looks like one. ``whole``: nothing follows it.

        The last may be one that cannot be told yet.
        """
        if _DIGIT.search(text) is None:  # every code ends with one
            return []
        found: list[Found] = []
        low = _lower(text)
        floor = 0
        for match in _CODES.finditer(low):
            one = self._read(text, low, match.start(), floor, whole) if match.start() >= floor else None
            if one is None:
                continue
            found.append(one)
            if one.stop < 0:
                break
            floor = one.stop
        return found

    def sure(self, text: str, floor: int) -> int:
        """Where the end of a text begins that may become a placeholder; its length where there is none.

        ``floor`` is where the last placeholder in it ends.
        """
        size = len(text)
        if size <= floor or text[-1] not in self._hot:
            return size
        low = _lower(text[max(floor, size - _REACH) :])
        start = end = len(low)
        for kind in self._types:
            if kind in low:
                start = self._type_and_code(low)
                break
        for head in self._heads.get(low[-1:], ()):
            if low.endswith(head):
                start = min(start, end - len(head))
                break
        if start == end:
            if low[-1] not in _BEFORE:
                return size
            if low[-1] == "\\":  # the escape of a bracket
                return size - end + _before_escapes(low, start, 0)
        return size - end + _opened(low, start, 0)

    def _type_and_code(self, low: str) -> int:
        """Where a whole type begins that is followed by no more than the beginning of a code."""
        size = start = len(low)
        for letters in range(min(SIZE, size)):
            if letters and low[size - letters] not in _LETTERS:
                break
            end = _before_code(low, size - letters, 0) if letters else _before_escapes(low, size, 0)
            if not letters and end == size:
                end = _before_code(low, size, 0)
            kind = self._type_before(low, end, 0)
            if kind is not None:
                start = min(start, end - len(kind))
        return start

    def _type_before(self, low: str, end: int, floor: int) -> str | None:
        return next((kind for kind in self._types if low.endswith(kind, floor, end)), None)

    def _read(self, text: str, low: str, at: int, floor: int, whole: bool) -> Found | None:
        """What the code at ``at`` is a part of."""
        kind, value = self._codes.get(low[at : at + SIZE], (None, None))
        end = _before_code(low, at, floor)
        if kind is None or not low.endswith(kind, floor, end):
            kind, value = self._type_before(low, end, floor), None
        if kind is None:
            return None
        start, stop = end - len(kind), at + SIZE
        if value is None and not (low[at - 1] == "_" and text[start:end].isupper()):
            return None  # ``person 22223`` is no placeholder that somebody made up
        opened = _opened(low, start, floor)
        if opened == start:
            return Found(start, stop, value=value)
        bracket = _bracket(low, start, floor)
        end = stop
        while end < len(text) and text[end] in _EMPHASIS and end - stop < _MOST_EMPHASIS:
            end += 1
        place = end
        while text[place : place + 1] == "\\" and place - end < _MOST_ESCAPES:
            place += 1
        if place >= len(text) and not whole:
            return Found(opened, -1)
        escapes = place - end
        if text[place : place + 1] != _CLOSES[low[bracket]] or escapes > bracket - opened:
            return Found(start, stop, value=value)
        return Found(bracket - escapes, place + 1, text[bracket + 1 : start], value, text[stop:end])


@lru_cache(maxsize=128)
def _types(types: frozenset[str]) -> tuple[tuple[str, ...], dict[str, list[str]], frozenset[str]]:
    """Types, the longest first; their beginnings by the last letter, the longest first; letters that may be held."""
    heads: dict[str, list[str]] = {}
    for size in range(max(map(len, types), default=0), 0, -1):
        for head in {kind[:size] for kind in types if len(kind) >= size}:
            heads.setdefault(head[-1], []).append(head)
    letters = "".join(types) + STEM.lower()
    hot = _BETWEEN | _BEFORE | frozenset(letters + letters.upper() + _WIDE)
    return tuple(sorted(types, key=len, reverse=True)), heads, hot


# From its beginning to the last letter that is held back, at most: escapes, bracket, emphasis, type, escapes, what is
# between, code.
_REACH = _MOST_ESCAPES + 1 + _MOST_EMPHASIS + LONGEST_TYPE + _MOST_ESCAPES + 1 + SIZE


def _bracket(low: str, start: int, floor: int) -> int:
    """Where the bracket stands that opens before ``start``, emphasis between; -1 for none."""
    place = start
    while place > floor and low[place - 1] in _EMPHASIS and start - place < _MOST_EMPHASIS:
        place -= 1
    return place - 1 if place > floor and low[place - 1] in _CLOSES else -1


def _opened(low: str, start: int, floor: int) -> int:
    """Where the escapes of the bracket before ``start`` begin; ``start`` itself where there is no bracket."""
    bracket = _bracket(low, start, floor)
    return start if bracket < 0 else _before_escapes(low, bracket, floor)


def _before_code(low: str, at: int, floor: int) -> int:
    """Where what may stand between a type and the code at ``at`` begins."""
    if at > floor and low[at - 1] in _BETWEEN:
        return _before_escapes(low, at - 1, floor)
    return at


def _before_escapes(low: str, at: int, floor: int) -> int:
    place = at
    while place > floor and low[place - 1] == "\\" and at - place < _MOST_ESCAPES:
        place -= 1
    return place


def _lower(text: str) -> str:
    """Lower case of the same length: only one letter has a lower case of two."""
    return text.lower() if text.isascii() else text.replace("\u0130", "I").lower()
