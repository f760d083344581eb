"""Scorers that compare words: equal, equal but for case and punctuation, containing, beginning with, matching."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from crossover.errors import InputError
from crossover.evaluation.scorers.words import Given, Score, ScoringError, verdict

_SPACES = re.compile(r"\s+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[.,:/](?=\d)")
_MARK = "\ue000"  # stands for a sign between digits while punctuation goes


def exact(given: Given) -> Score:
    """The answer is one of the right ones; space before and after does not count."""
    said = given.answer.text.strip()
    return verdict(any(said == right.strip() for right in given.expected))


def normalised(given: Given) -> Score:
    """The same without case, punctuation, accents' encoding and extra space; signs inside numbers stay."""
    said = plain(given.answer.text)
    return verdict(any(said == plain(right) for right in given.expected))


def equals(given: Given) -> Score:
    """promptfoo's ``equals``: the same text, or the same JSON value."""
    wanted = given.value
    if isinstance(wanted, dict | list):
        try:
            return verdict(json.loads(given.answer.text) == wanted)
        except (ValueError, RecursionError):
            return verdict(False, "no JSON")
    return verdict(given.answer.text == as_text(wanted))


def contains(given: Given) -> Score:
    """One of the right answers stands in the answer."""
    return verdict(any(right in given.answer.text for right in wanted(given)))


def contains_all(given: Given) -> Score:
    """All of them stand in the answer."""
    return _all(given, given.answer.text, lambda word: word)


def icontains(given: Given) -> Score:
    """One of the right answers stands in the answer; case does not count."""
    said = given.answer.text.casefold()
    return verdict(any(right.casefold() in said for right in wanted(given)))


def icontains_all(given: Given) -> Score:
    """All of them stand in the answer; case does not count."""
    return _all(given, given.answer.text.casefold(), str.casefold)


def starts_with(given: Given) -> Score:
    """The answer begins with one of the right answers."""
    return verdict(any(given.answer.text.startswith(right) for right in wanted(given)))


def regex(given: Given) -> Score:
    """The pattern (of the scorer, of the check, or each expected answer) is found in the answer."""
    said = [given.argument] if given.argument else wanted(given)
    return verdict(any(pattern(one).search(given.answer.text) is not None for one in said))


@lru_cache(maxsize=4096)
def pattern(text: str) -> Any:
    """A pattern in RE2's syntax, which cannot run away. Raises InputError for what it does not know."""
    import re2  # type: ignore[import-untyped]

    quiet = re2.Options()
    quiet.log_errors = False
    try:
        return re2.compile(text, quiet)
    except re2.error as error:
        said = error.args[0]
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise InputError(
            f"{text!r} is no pattern: {reason}", hint="RE2 has no lookaround and no back references; write a scorer"
        ) from None


def wanted(given: Given) -> tuple[str, ...]:
    """What a check compares with: its own value or values, else the sample's right answers. ScoringError: nothing."""
    if given.value is not None:
        values = given.value if isinstance(given.value, list) else [given.value]
        return tuple(as_text(value) for value in values)
    if not given.expected:
        raise ScoringError("the sample has no expected answer")
    return given.expected


def as_text(value: Any) -> str:
    """A value as it would be written in an answer."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def plain(text: str) -> str:
    """A text without case, punctuation and extra space; ``1,234.5`` keeps its signs."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = _BETWEEN_DIGITS.sub(lambda sign: _MARK + sign[0], folded)
    out: list[str] = []
    marked = False
    for char in kept:
        if char == _MARK:
            marked = True
            continue
        out.append(char if marked or not unicodedata.category(char).startswith("P") else " ")
        marked = False
    return _SPACES.sub(" ", "".join(out)).strip()


def _all(given: Given, text: str, fold: Callable[[str], str]) -> Score:
    missing = [word for word in wanted(given) if fold(word) not in text]
    return verdict(not missing, f"without {missing[0]!r}" if missing else "")
