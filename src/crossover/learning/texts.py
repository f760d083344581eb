"""Cheap facts of a text: its words, language, numbers, code, and whether the arithmetic in it is right."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from operator import add, mul, sub, truediv
from pathlib import Path

import msgspec

_DATA = Path(__file__).with_name("data") / "signals.toml"
MOST = 16_000  # characters that are looked at; what is longer is known by its length
# Whole tables at once instead of patterns: a prompt is read in a fifth of the time.
_NO_WORD = str.maketrans(
    dict.fromkeys("0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~“”„‘’«»–—…¿¡·。，、？！（）：；「」", " ")
)
_NO_NUMBER = bytes(byte if chr(byte) in "0123456789,." else 32 for byte in range(256))
_DIGITS, _CAPITALS = b"0123456789", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LEFT = re.compile(r"(\d[\d,]*(?:\.\d+)?) ?([-+*/×÷x]) ?\$?(\d[\d,]*(?:\.\d+)?)%? ?$")
_RIGHT = re.compile(r" ?\$?(-?\d[\d,]*(?:\.\d+)?)(?!\d)")
_WIDE = 40  # characters before an equals sign that are looked at
_DONE = {"+": add, "-": sub, "*": mul, "×": mul, "x": mul, "/": truediv, "÷": truediv}
_SIGNS = tuple("+-*/×÷x=.,0123456789")  # a tuple: no text at all is none of them
_MOST_EQUATIONS = 50


class Tables(msgspec.Struct, frozen=True):
    """The lists of ``data/signals.toml``."""

    languages: dict[str, frozenset[str]]
    scripts: dict[str, tuple[int, int]]
    prompt: dict[str, frozenset[str]]
    code: tuple[str, ...]
    code_words: frozenset[str]
    hedges: frozenset[str]
    refusals: tuple[str, ...]
    finals: tuple[str, ...]


@cache
def tables() -> Tables:
    """The lists, read once."""
    data = tomllib.loads(_DATA.read_text(encoding="utf-8"))
    prompt = {name: frozenset(words) for name, words in data["prompt"].items() if not name.startswith("code")}
    return Tables(
        {name: frozenset(words) for name, words in data["languages"].items()},
        {name: (ends[0], ends[1]) for name, ends in data["scripts"].items()},
        prompt,
        tuple(data["prompt"]["code"]),
        frozenset(data["prompt"]["code_words"]),
        frozenset(data["answer"]["hedges"]),
        tuple(data["answer"]["refusals"]),
        tuple(data["answer"]["finals"]),
    )


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, in order."""
    return text.lower().translate(_NO_WORD).split()


def numbers_of(text: str) -> list[str]:
    """The numbers of a text as written, without separators of thousands."""
    parts = text.encode("ascii", "replace").translate(_NO_NUMBER).decode().replace(",", "").split()
    return [number for part in parts if (number := part.strip("."))]


def characters(text: str) -> tuple[int, int]:
    """How many digits and how many capital letters (of ASCII) a text has."""
    data = text.encode("ascii", "replace")
    size = len(data)
    return size - len(data.translate(None, _DIGITS)), size - len(data.translate(None, _CAPITALS))


def language(text: str, words: Iterable[str]) -> str:
    """``en``, ``de`` … or the name of a script; empty where nobody can tell (too short, only symbols)."""
    known = tables()
    if not text.isascii():
        script = _script(text, known.scripts)
        if script:
            return script
    several = set(words)
    found = {name: len(several & hints) for name, hints in known.languages.items()}
    best = max(found, key=lambda name: found[name])
    second = max(count for name, count in found.items() if name != best)
    return best if found[best] >= 2 and found[best] > second else ""


def _script(text: str, scripts: dict[str, tuple[int, int]]) -> str:
    """The script of most letters that are not Latin, where they are a fifth of the text or more."""
    letters = [ord(char) for char in text if char > "\u024f" and char.isalpha()]
    if len(letters) * 5 < len(text):
        return ""
    counted: dict[str, int] = {}
    for name, (low, high) in scripts.items():
        counted[name] = sum(low <= letter <= high for letter in letters)
    best = max(counted, key=lambda name: counted[name])
    return best if counted[best] else "other"


def has_code(text: str, words: Iterable[str]) -> bool:
    """Whether a text (with these words) holds code: a fence, two marks of code, or a mark and a word of code."""
    if "```" in text:
        return True
    known = tables()
    marks = sum(mark in text for mark in known.code)
    return marks > 1 or (marks == 1 and not known.code_words.isdisjoint(words))


def equations(text: str) -> tuple[int, int]:
    """How many equations of two numbers a text states, and how many of them are wrong (rounding is not)."""
    stated = wrong = 0
    at = text.find("=")
    while at >= 0 and stated < _MOST_EQUATIONS:
        found = _LEFT.search(text, max(at - _WIDE, 0), at)
        said = _RIGHT.match(text, at + 1) if found else None
        if found and said and not _longer(text, found.start(), said.end()):
            stated += 1
            wrong += not _holds(found[1], found[2], found[3], said[1])
        at = text.find("=", at + 1)
    return stated, wrong


def _longer(text: str, begin: int, end: int) -> bool:
    """Whether another sign stands before or behind: then it is a part of a longer calculation."""
    before = text[max(begin - 2, 0) : begin].rstrip(" $")[-1:]
    return before in _SIGNS or text[end : end + 1] in _SIGNS[:6]


def _holds(left: str, sign: str, right: str, said: str) -> bool:
    if len(left) + len(right) + len(said) > 60:
        return True  # nobody counts so far; digits without end are no reason to calculate
    a, b, result = float(left.replace(",", "")), float(right.replace(",", "")), float(said.replace(",", ""))
    if b == 0 and _DONE[sign] is truediv:
        return False
    value = _DONE[sign](a, b)
    if abs(value - result) <= 1e-9:
        return True
    decimals = len(said.partition(".")[2])
    return abs(value - result) <= max(0.5 * 10.0**-decimals + 1e-9, 1e-6 * abs(value)) or _percent(sign, a, b, result)


def _percent(sign: str, a: float, b: float, result: float) -> bool:
    """``80 × 25 % = 20`` is right as well."""
    return sign in "*×x" and (abs(a * b / 100 - result) < 0.01 or abs(a * b / 10_000 - result) < 0.01)
