"""Scorers that look for one value in the answer: a number, the letter of a choice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from crossover.errors import InputError
from crossover.evaluation.scorers.words import Given, Score, ScoringError, verdict

_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[-+−–]?)\s?[$€£¥]?\s?"
    r"(?:(?P<over>\d{1,12})\s?/\s?(?P<under>\d{1,12})(?!/|\.\d)"
    r"|(?P<dotted>\d{1,3}(?:\.\d{3})+,\d{1,400})"  # 1.234,50
    r"|(?:(?P<whole>\d{1,3}(?:[,\u00a0\u202f'’]\d{3})+|\d{1,400})(?P<part>[.,]\d{1,400})?|(?P<bare>\.\d{1,400}))"
    r"(?P<power>[eE][-+]?\d{1,3})?)"
    r"(?!\d|(?:st|nd|rd|th)\b)"
)
_SEPARATORS = re.compile(r"[,\u00a0\u202f'’]")
_ANNOUNCED = re.compile(r"(?:####|\\boxed\{|answer\s*(?:is|:|=)+)\s*", re.IGNORECASE)
_EXACT = 1e-9  # relative: what decimals lose on their way through a float

_MARKS = re.compile(r"[\s*_`\"'.():\[\]{}$\\]+")
_SAID = re.compile(
    r"(?i:answer|choice|option)(?i:\s+is|\s*:)*[\s*_(\[:\"'`$\\]*(?:boxed\{|text\{)*"
    r"(?:([A-Z])(?![\w'’])|([a-z])(?=[\s*_]*(?:[).:\]},;\"'`$]|$)))",
    re.MULTILINE,
)
_BOXED = re.compile(r"\\boxed\{\s*(?:\\text\{)?\(?([A-Za-z])\)?\}?\s*\}")
_FIRST = re.compile(r"^[\s*_(\[]*([A-Z])\s*[).:\]]")
_BRACKETED = re.compile(r"\(([A-Z])\)")
_ALONE = re.compile(r"(?<![\w'’])([A-Z])(?![\w'’])")
_WORDS = re.compile(r"\b(?:A (?!or\b|and\b|is\b|because\b|since\b)[a-z]|I (?!or\b|and\b|is\b)[a-z])")  # no letters
_MOST_LETTERS = "ABCDEFGHIJ"  # where nobody said how many choices there are


def numeric(given: Given) -> Score:
    """The answer's number is the right one, within the tolerance (``numeric:0.01`` or ``numeric:1%``).

    Its number is the one behind ``####``, ``\\boxed{``, "answer is" or "answer:", else the last one.
    """
    least, relative = tolerance(given.argument)
    found = number_in(given.answer.text)
    if found is None:
        return verdict(False, "no number in it")
    rights = [number_in(right) for right in given.expected]
    if None in rights:
        raise ScoringError("an expected answer holds no number")
    for right in rights:
        assert right is not None
        room = max(least, abs(float(right)) * relative)
        if found == right or abs(float(found - right)) <= room:
            return verdict(True)
    return verdict(False, f"it says {float(found):g}")


def tolerance(text: str) -> tuple[float, float]:
    """(absolute, relative) of ``0.01`` or ``1%``. Raises InputError."""
    word = text.strip()
    if not word:
        return 0.0, _EXACT
    try:
        value = float(word.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"{text!r} is no tolerance", hint="Write numeric:0.01 or numeric:1%", field="scorer")
    return (0.0, value / 100) if word.endswith("%") else (value, _EXACT)


def number_in(text: str) -> Fraction | None:
    """The number that a text announces as its answer, else its last one; None where there is none."""
    announced = list(_ANNOUNCED.finditer(text))
    for mark in reversed(announced):
        first = next((one for one in _found(text[mark.end() : mark.end() + 200])), None)
        if first is not None:
            return first
    last = None
    for value in _found(text[-20_000:]):
        last = value
    return last


def _found(text: str) -> Iterator[Fraction]:
    for match in _NUMBER.finditer(text):
        value = _value(match)
        if value is not None:
            yield value


def _value(match: re.Match[str]) -> Fraction | None:
    if match["over"] is not None:
        under = int(match["under"])
        if not under:
            return None
        value = Fraction(int(match["over"]), under)
    elif match["dotted"] is not None:
        value = Fraction(match["dotted"].replace(".", "").replace(",", "."))
    else:
        whole, part = match["whole"] or "", match["part"] or match["bare"] or ""
        if part.startswith(",") and len(part) == 4 and whole.isdigit() and len(whole) <= 3:
            whole, part = whole + part[1:], ""  # 1,234 has thousands
        power = (match["power"] or "").lower()
        value = Fraction(f"{_SEPARATORS.sub('', whole) or '0'}{part.replace(',', '.')}{power}")
    return -value if match["sign"] in ("-", "−", "–") else value


def choice(given: Given) -> Score:
    """The letter that the answer settles on is the right one."""
    letters = _MOST_LETTERS if not given.sample.choices else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(given.sample.choices)]
    rights = {_right(right, given) for right in given.expected}
    found = letter_in(given.answer.text, letters)
    if found is None:
        said = given.answer.text.strip().rstrip(".").casefold()
        found = next(
            (letters[at] for at, option in enumerate(given.sample.choices) if option.strip().casefold() == said), None
        )
    return verdict(
        found in rights, "" if found in rights else "no letter in it" if found is None else f"it says {found}"
    )


def letter_in(text: str, letters: str) -> str | None:
    """The one letter that a text settles on; None where it names none, or several alike."""
    bare = _MARKS.sub("", text)
    if len(bare) == 1:
        return bare.upper() if bare.upper() in letters else None
    for finder in (_BOXED, _SAID):
        said = ["".join(found.groups(default="")).upper() for found in finder.finditer(text)]
        if said := [letter for letter in said if letter in letters]:
            return said[-1]
    if (first := _FIRST.match(text)) is not None and first[1] in letters:
        return first[1]
    for finder in (_BRACKETED, _ALONE):
        named: set[str] = {letter for letter in finder.findall(_WORDS.sub(" ", text)) if letter in letters}
        if len(named) == 1:
            return named.pop()
    return None


def _right(text: str, given: Given) -> str:
    """The letter of an expected answer, which may be the option's words."""
    bare = _MARKS.sub("", text)
    if len(bare) == 1 and bare.isalpha():
        return bare.upper()
    for at, option in enumerate(given.sample.choices):
        if option.strip() == text.strip():
            return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[at]
    raise ScoringError(f"the expected answer {text[:40]!r} is no letter")
