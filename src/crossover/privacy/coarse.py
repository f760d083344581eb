"""Patterns and texts with the details taken out: every digit is ``0``, every capital ``A``, every small letter ``a``.

An automaton over many patterns for numbers has a state for every way in which digits can agree with some of them, and
a log is full of new numbers. Without the details there are a few hundred states, whatever the text. What matches a
pattern still matches its coarse form, place by place; the opposite need not hold, so this is for a gate only.
"""

from __future__ import annotations

import functools
import itertools
import re

_DIGITS, _CAPITALS, _SMALL = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_TABLE = bytes.maketrans((_DIGITS + _CAPITALS + _SMALL).encode(), b"0" * 10 + b"A" * 26 + b"a" * 26)
_ASCII = [chr(code) for code in range(128)]
_IMAGE = {character: chr(_TABLE[ord(character)]) for character in _ASCII}
_SETS = {
    "d": frozenset(_DIGITS),
    "s": frozenset("\t\n\f\r\v "),
    "w": frozenset(_DIGITS + _CAPITALS + _SMALL + "_"),
}
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_TOKEN = re.compile(
    r"(?P<kept>\(\?[A-Za-z]*:|\(\?P<\w+>|[()|*+?^$]|\{[0-9]*,?[0-9]*\}|\\[bB])"
    r"|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<escape>\\.)|(?P<any>\.)|(?P<literal>.)",
    re.DOTALL,
)
_REPEAT = re.compile(r"\{([0-9]+)(?:,[0-9]*)?\}")
_MEMBER = re.compile(r"(?P<first>\\.|[^\\])(?:-(?P<last>\\.|[^\\]))?", re.DOTALL)


def coarse_text(data: bytes) -> bytes:
    """A text in UTF-8 without the details."""
    return data.translate(_TABLE)


def coarse_pattern(pattern: str, *, ignore_case: bool = False) -> str | None:
    """The pattern without the details; None where it holds something this cannot read (flags in its middle)."""
    parts: list[str] = []
    insensitive = [ignore_case]  # by depth of groups
    for token in _TOKEN.finditer(pattern):
        text, sort = token[0], token.lastgroup
        if sort == "kept":
            flags = re.fullmatch(r"\(\?([a-z]*):", text)
            if text.startswith("("):
                if text == "(" and pattern.startswith("(?", token.start()):
                    return None  # look-around and other things that RE2 does not know
                insensitive.append(insensitive[-1] or (flags is not None and "i" in flags[1]))
            elif text == ")":
                insensitive.pop()
            parts.append(text)
        else:
            written = _image_of(text, sort or "", insensitive[-1])
            if written is None:
                return None
            parts.append(written)
    return "".join(parts)


def required_run(pattern: str, least: int) -> str | None:
    """The longest run of one class that every match holds, without the details: ``[0Aa]{20}``.

    None where no class of the pattern's own sequence must stand at least ``least`` times, or it has alternatives.
    """
    tokens = list(_TOKEN.finditer(pattern))
    depth, best, longest = 0, None, least - 1
    for token, behind in itertools.pairwise(tokens):
        text, sort = token[0], token.lastgroup or ""
        if sort == "kept":
            depth += text.startswith("(") - (text == ")")
            if text == "|" and depth == 0:
                return None
        elif depth == 0 and (repeat := _REPEAT.fullmatch(behind[0])) and int(repeat[1]) > longest:
            image = _image_of(text, sort, False)
            if image is not None:
                best, longest = f"{image}{{{repeat[1]}}}", int(repeat[1])
    return best


def required_literal(pattern: str, *, ignore_case: bool = False) -> str:
    """The longest row of characters that stands in the coarse form of every match: ``AA00`` of an IBAN.

    Looked for in the pattern's own sequence; empty where that has alternatives or tells nothing. With ``ignore_case``
    it is in small letters and stands in the coarse form in small letters.
    """
    tokens = list(_TOKEN.finditer(pattern))
    depth, best, row = 0, "", ""
    for at, token in enumerate(tokens):
        text, sort = token[0], token.lastgroup or ""
        if sort == "kept":
            depth += text.startswith("(") - (text == ")")
            if text in "()" or text.startswith("(?"):
                if pattern.startswith("(?", token.start()) and text == "(":
                    return ""  # look-around, flags
                row = ""
            elif text == "|" and depth == 0:
                return ""
            continue
        image = _one_image(text, sort, ignore_case)
        if image is None:
            return ""
        if depth:
            continue
        least, most = _repeats(tokens[at + 1][0] if at + 1 < len(tokens) else "")
        if image and least:
            row += image * least
            best = max(best, row, key=len)
            row = row if least == most else image * least
        else:
            row = ""
    return best


def _repeats(quantifier: str) -> tuple[int, int]:
    """How often the token before it stands at least, and at most (-1: as often as you like)."""
    if quantifier in ("*", "+", "?"):
        return int(quantifier == "+"), 1 if quantifier == "?" else -1
    if not quantifier.startswith("{"):
        return 1, 1
    low, comma, high = quantifier[1:-1].partition(",")
    return int(low or 0), int(high or -1) if comma else int(low or 0)


def _one_image(text: str, sort: str, insensitive: bool) -> str | None:
    """The one character that a token always is without the details; empty: one of several, None: nobody knows."""
    members, beyond = _members(text, sort)
    if members is None:
        return None
    if beyond:
        return ""
    image = {_IMAGE[one.lower() if insensitive else one] for one in members}
    return image.pop() if len(image) == 1 else ""


@functools.lru_cache(maxsize=1024)  # the same few classes stand in every pattern
def _image_of(text: str, sort: str, insensitive: bool) -> str | None:
    """One token without the details; None where it is not known here."""
    members, beyond = _members(text, sort)
    return None if members is None else _written(members, beyond, insensitive)


def _members(text: str, sort: str) -> tuple[frozenset[str] | None, str]:
    """The ASCII characters that a token matches, and what it matches beyond ASCII, as it is written in a class."""
    if sort == "any":
        return frozenset(_ASCII) - {"\n"}, r"\x{80}-\x{10FFFF}"
    if sort == "set":
        return _class(text)
    if sort == "escape":
        named = _named(text)
        return named, r"\x{80}-\x{10FFFF}" if text[1] in "DSW" else ""
    return (frozenset(text), "") if text.isascii() else (frozenset(), text)


def _named(text: str) -> frozenset[str] | None:
    """What an escape stands for; None where it is not known here."""
    name = text[1]
    if name.lower() in _SETS and name in "dswDSW":
        members = _SETS[name.lower()]
        return members if name.islower() else frozenset(_ASCII) - members
    if name in _ESCAPED:
        return frozenset(_ESCAPED[name])
    return None if name.isalnum() else frozenset(name)


def _class(text: str) -> tuple[frozenset[str] | None, str]:
    negated = text.startswith("[^")
    members: set[str] = set()
    beyond = ""
    for member in _MEMBER.finditer(text[2 if negated else 1 : -1]):
        first, last = member["first"], member["last"]
        if first.startswith("\\") and first[1] in "dswDSW":
            named = _named(first)
            members |= named or set()
            members |= {"-"} if last is not None else set()
            members |= (_named(last) or set() if last.startswith("\\") else {last}) if last else set()
            continue
        ends = [_named(end) if end.startswith("\\") else frozenset(end) for end in (first, last or first)]
        if None in ends:
            return None, ""
        low, high = (next(iter(end or ())) for end in ends)
        if not (low.isascii() and high.isascii()):
            beyond += low if low == high else f"{low}-{high}"
        members |= {chr(code) for code in range(ord(low), min(ord(high), 127) + 1)}
    if not negated:
        return frozenset(members), beyond
    return frozenset(_ASCII) - members, r"\x{80}-\x{10FFFF}"


def _written(members: frozenset[str], beyond: str, insensitive: bool) -> str:
    if insensitive:
        members = members | {one.swapcase() for one in members}
    image = sorted({_IMAGE[character] for character in members})
    if len(image) == 1 and not beyond:
        return re.escape(image[0])
    return "[" + "".join(re.escape(character) for character in image) + beyond + "]"
