"""A user's own rules: a pattern or a dictionary, checked when it is read, so that no request meets a bad one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crossover.errors import FileError, InputError
from crossover.privacy.gate import library, options
from crossover.privacy.words import Rule
from crossover.sensitivity import CATEGORIES, DEFAULT_TIER, Category, Tier
from crossover.textfile import read_text

MOST_WORDS = 100_000
_MOST_BYTES = 8 * 2**20  # of a file of words
LONGEST_PATTERN = 5_000  # characters
_LARGEST_PROGRAM = 20_000  # instructions of RE2; a pattern of more slows every text
_MEMORY = 8 << 20
_LONGEST_WORD = 200
_NOT_IN_RE2 = (
    (re.compile(r"\(\?<?[=!]"), "look-around ({})"),
    (re.compile(r"\(\?>"), "an atomic group ({})"),
    (re.compile(r"\(\?\("), "a conditional group ({})"),
    (re.compile(r"\(\?P="), "a back reference ({}…)"),
    (re.compile(r"(?<!\\)(?:\\\\)*\\[1-9]"), "a back reference ({})"),
    (re.compile(r"(?<!\\)(?:\\\\)*\\Z"), "{} (write \\z)"),
    (re.compile(r"[*+?}]\+"), "a possessive repeat ({})"),
)
_MOST_WAYS = 10_000  # in which bounded repeats can share a text
_BOUNDED = re.compile(r"\{\d*,(\d+)\}")
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}")
_CLASS = re.compile(r"(?<!\\)\[(?:\\.|[^\]\\])*\]")
_NOT_PLAIN = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]")


def user_rule(
    name: str,
    *,
    pattern: str = "",
    words: Iterable[str] = (),
    category: Category = "custom",
    tier: Tier | None = None,
    ignore_case: bool = False,
    edges: bool = False,
    group: int = 0,
    context: Iterable[str] = (),
    example: str = "",
) -> Rule:
    """A rule of the user's own: either ``pattern`` (a regular expression of RE2) or ``words`` (a dictionary).

    Words and phrases are found whole and whatever their case. ``tier`` is the category's own where it is left out.
    With ``context`` one of those words must stand near. An ``example`` is tried at each start. Raises InputError, with
    the field, where the pattern cannot be expressed, matches nothing at all, is too large, or names no group.
    """
    if bool(pattern) == bool(words):
        raise InputError("a rule needs either a pattern or words", field=name)
    if category not in CATEGORIES:
        raise InputError(f"there is no category {category!r}", field="category", hint=f"Known: {', '.join(CATEGORIES)}")
    listed = _words(words)
    if pattern:
        _checked(pattern, group, ignore_case=ignore_case)
    near = tuple(context)
    return Rule(
        id=name, kind=name, category=category, tier=tier or DEFAULT_TIER[category], title=name,
        pattern=pattern, words=listed, group=group, ignore_case=ignore_case, edges=edges and not listed,
        context=near, needs_context=bool(near), score=1.0, untrusted=bool(pattern),
        example=example or (listed[0] if listed and not near else ""),
    )  # fmt: skip


def words_of(file: Path) -> list[str]:
    """The words and phrases of a file, one a line; lines that begin with ``#`` are remarks.

    Raises FileError, with the line, where it cannot be read, is no UTF-8, or holds what is no word or none at all.
    """
    found = []
    for number, line in enumerate(read_text(file, _MOST_BYTES).splitlines(), start=1):
        word = " ".join(line.split())
        if not word or word.startswith("#"):
            continue
        if wrong := _no_word(word):
            raise FileError(wrong, file=str(file), line=number, hint="Write one word or phrase a line")
        found.append(word)
    if not found:
        raise FileError("holds no word", file=str(file), hint="Write one word or phrase a line")
    if len(found) > MOST_WORDS:
        raise FileError(f"holds {len(found):,} words, of {MOST_WORDS:,} at most", file=str(file))
    return found


def _words(words: Iterable[str]) -> tuple[str, ...]:
    listed = tuple(" ".join(word.split()) for word in words)
    if len(listed) > MOST_WORDS:
        raise InputError(f"a dictionary holds {MOST_WORDS:,} words at most, not {len(listed):,}", field="words")
    for number, word in enumerate(listed, start=1):
        if wrong := _no_word(word):
            raise InputError(f"entry {number} {wrong}", field="words")
    return listed


def _no_word(word: str) -> str:
    """Why nothing could be found by this word; empty where something can."""
    if not any(character.isalnum() for character in word):
        return "has no letter or digit"
    return f"is longer than {_LONGEST_WORD} characters" if len(word) > _LONGEST_WORD else ""


def _checked(pattern: str, group: int, *, ignore_case: bool) -> None:
    if len(pattern) > LONGEST_PATTERN:
        raise InputError(f"is longer than {LONGEST_PATTERN:,} characters", field="pattern", hint="Use words for a list")
    re2 = library()
    if re2 is None:
        groups = _without_re2(pattern, ignore_case=ignore_case)
    else:
        compiled = _compiled(re2, pattern, ignore_case=ignore_case)
        groups = compiled.groups
        if any(match.start() == match.end() for text in ("", "a 0") for match in compiled.finditer(text)):
            raise InputError("matches the empty string, so it would match everywhere", field="pattern")
    if not 0 <= group <= groups:
        raise InputError(f"the pattern has {groups} groups, so none is number {group}", field="group")


def _compiled(re2: Any, pattern: str, *, ignore_case: bool) -> Any:
    flags = options(re2, _MEMORY)
    flags.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(pattern, flags)
    except (re2.error, UnicodeEncodeError) as error:
        foreign = _foreign(pattern)
        if foreign:
            raise InputError(f"uses {foreign}, which RE2 cannot express", field="pattern") from None
        reason = error.args[0] if error.args else ""
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        if "too large" in reason or "repetition size" in reason:
            raise InputError(f"is too large: {reason}", field="pattern", hint="Repeat fewer times") from None
        raise InputError(f"is no regular expression: {reason}", field="pattern") from None
    if compiled.programsize > _LARGEST_PROGRAM:
        raise InputError(
            f"is too large: {compiled.programsize:,} steps, of {_LARGEST_PROGRAM:,} at most",
            field="pattern", hint="Repeat fewer times, or use words for a list",
        )  # fmt: skip
    return compiled


def _foreign(pattern: str) -> str:
    """What of the pattern RE2 does not know, in words; empty where it is something else."""
    outside = _CLASS.sub("x", pattern)
    for construct, words in _NOT_IN_RE2:
        match = construct.search(outside)
        if match is not None:
            return words.format(match[0])
    return ""


def _without_re2(pattern: str, *, ignore_case: bool) -> int:
    """Where RE2 is absent only patterns pass that cannot take long: each repeat is bounded and stands alone."""
    install = "Install google-re2"
    foreign = _foreign(pattern)
    if foreign:
        raise InputError(f"uses {foreign}, which RE2 cannot express", field="pattern")
    bare = _NOT_PLAIN.sub("x", pattern)
    if _UNBOUNDED.search(bare):
        raise InputError("repeats without an upper bound, which is safe with RE2 only", field="pattern", hint=install)
    ways = bare.count("?") - bare.count("(?")
    most = 2**ways
    for repeat in _BOUNDED.finditer(bare):
        most *= max(int(repeat[1]), 1)
    if re.search(r"\)[?{]", bare) or most > _MOST_WAYS:
        raise InputError("repeats in too many ways, which is safe with RE2 only", field="pattern", hint=install)
    if ignore_case and not pattern.isascii():
        raise InputError("ignores the case of letters beyond ASCII, which needs RE2", field="pattern", hint=install)
    try:
        compiled = re.compile(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"is no regular expression: {error}", field="pattern") from None
    if any(match.start() == match.end() for text in ("", "a 0") for match in compiled.finditer(text)):
        raise InputError("matches the empty string, so it would match everywhere", field="pattern")
    return compiled.groups
