"""How far two answers to one question say the same: 1 the same, 0 something else."""

from __future__ import annotations

import re

from crossover.learning.shape import parsed
from crossover.learning.texts import MOST, numbers_of, tables, words_of

AGREES = 0.8  # from here on two answers count as the same
_SHORT = 60  # characters of an answer that is nothing but the answer
_LETTER = re.compile(r"\(?([A-Z])\)?(?![A-Za-z'’])")
_EDGE = " \t\r\n.!?:;,*_`'\"()[]{}$"


def agreement(one: str, other: str) -> float:
    """From 0 to 1; symmetric. Short answers agree or not; long ones by what they conclude, else by common words.

    Two empty answers agree; an empty one and another do not.
    """
    a, b = one.strip(_EDGE), other.strip(_EDGE)
    if a.casefold() == b.casefold():
        return 1.0
    if not a or not b:
        return 0.0
    if a[0] in "{[" or b[0] in "{[" or one.lstrip()[:1] in ("{", "["):
        first, second = parsed(one), parsed(other)
        if first[0] and second[0]:
            return float(first[1] == second[1])
    mine, theirs = final(one), final(other)
    if mine and theirs:
        return float(mine == theirs)
    if len(a) <= _SHORT and len(b) <= _SHORT:
        return float(_plain(a) == _plain(b))
    return _overlap(a, b)


def final(text: str) -> str:
    """What an answer ends in, made comparable: a letter of a choice, a number; empty where nothing is marked final."""
    body = text.strip()[-MOST:]
    low = body.lower()
    at = max((low.rfind(mark) + len(mark) if mark in low else -1 for mark in tables().finals), default=-1)
    if at >= 0 and len(low) == len(body):
        return _value(body[at : at + 200].lstrip(_EDGE))
    return _value(body) if len(body) <= _SHORT else ""


def _value(text: str) -> str:
    letter = _LETTER.match(text.strip(_EDGE))
    if letter:
        return letter[1]
    numbers = numbers_of(text)
    if len(numbers) >= 1:
        number = numbers[0] if len(text) > _SHORT else numbers[-1]
        return number.rstrip("0").rstrip(".") if "." in number else number
    return ""


def _plain(text: str) -> str:
    return " ".join(words_of(text)) or text.casefold()


def _overlap(one: str, other: str) -> float:
    """The common share of two bags of words (F1)."""
    first, second = words_of(one[:MOST]), words_of(other[:MOST])
    if not first or not second:
        return 0.0
    counts: dict[str, int] = {}
    for word in first:
        counts[word] = counts.get(word, 0) + 1
    common = 0
    for word in second:
        left = counts.get(word, 0)
        if left:
            counts[word] = left - 1
            common += 1
    return 2 * common / (len(first) + len(second))
