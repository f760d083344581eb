"""JSON inside a string, read in place: where its strings, keys and numbers stand, so that one can be replaced alone.

Tool arguments and tool results are text that is JSON, and that JSON may hold JSON again. A value in it is written with
escapes, at each depth one more. Here such a text is read by its tokens, not parsed: depth of nesting costs nothing, the
rest of the text keeps every byte, and what is JSON but for its end (a stream) or several documents (JSON lines) counts.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

# White space and commas, then a string (with the colon that makes it a key), a number, a bracket or a word.
_TOKEN = re.compile(
    r'[\s,]*+(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"(\s*+:)?|(-?[0-9][0-9.eE+\-]*+)|([\[{])|([\]}])|(?:true|false|null)(?!\w))',
    re.DOTALL,
)
_OPEN_STRING = re.compile(r'[\s,]*+"([^"\\]*+(?:\\.[^"\\]*+)*+)', re.DOTALL)
_GAP = re.compile(r"[\s,]*+\Z")
_UNIT = re.compile(r"[^\\]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL)
_DECODER = json.JSONDecoder(strict=False)
_OPENS = frozenset('{["')


class Token(NamedTuple):
    """A string, key or number. ``text`` is what it says; it stands from ``start`` to ``end``, quotes not included.

    ``field`` is the key under which it stands (its own for none); ``escaped``: its writing differs from what it says.
    """

    text: str
    start: int
    end: int
    field: str
    kind: str  # string | key | number
    escaped: bool


def tokens(text: str, field: str = "") -> list[Token] | None:
    """The strings, keys and numbers of a text that is JSON, in order; None where it is anything else.

    ``field`` is the name under which the text itself stands.
    """
    if text[:1] not in _OPENS and (not text[:1].isspace() or text.lstrip()[:1] not in _OPENS):
        return None
    found: list[Token] = []
    outer: list[str] = []
    key, place, after = field, 0, -1  # where a number ended, if that was the last thing
    while (match := _TOKEN.match(text, place)) is not None:
        begin, place = place, match.end()
        if match.lastindex is None:
            continue
        string, colon, number, opens, closes = match.groups()
        if number is not None and begin == after and "," not in text[begin : match.start(3)]:
            return None  # numbers side by side: a value in groups of digits, which only the whole text says
        after = place if number is not None else -1
        if string is not None:
            said = _said(string) if "\\" in string else string
            kind = "string" if colon is None else "key"
            found.append(Token(said, match.start(1), match.end(1), key, kind, said != string))
            key = key if colon is None else said
        elif number is not None:
            found.append(Token(number, match.start(3), match.end(3), key, "number", False))
        elif opens is not None:
            outer.append(key)
        elif closes is not None and outer:
            key = outer.pop()
    if _GAP.match(text, place) is None or all(token.kind == "number" for token in found):
        return None  # ``[1]`` may be JSON, and is no less a note in brackets
    return found


def _said(string: str) -> str:
    """What a string between its quotes says; as it is written where its escapes are none."""
    try:
        return str(_DECODER.decode(f'"{string}"'))
    except ValueError:
        return string


def places(text: str, token: Token) -> list[int]:
    """Where each character that the token says begins in ``text``, and where the last one ends."""
    if not token.escaped:
        return list(range(token.start, token.end + 1))
    return [token.start + unit.start() for unit in _UNIT.finditer(text[token.start : token.end])] + [token.end]


def needs_escapes(text: str) -> bool:
    """Whether a text is perhaps written otherwise inside a JSON string."""
    return '"' in text or "\\" in text or not text.isprintable()


def escape(text: str, times: int = 1) -> str:
    """A text as it is written inside a JSON string, at any depth."""
    for _ in range(times):
        text = json.dumps(text, ensure_ascii=False)[1:-1]
    return text


def depth(text: str) -> int:
    """How deep inside strings of JSON the end of ``text`` is: how often what comes next there has to be escaped.

    ``text`` is the beginning of a JSON text. 0: outside of a string, or no JSON.
    """
    outer: list[str] = []
    place, last = 0, ""
    while (match := _TOKEN.match(text, place)) is not None:
        string, colon, _number, opens, closes = match.groups()
        comma = "," in text[place : match.start(1) if string is not None else match.end()]
        place = match.end()
        if closes is not None:
            if not outer or last == ":" or _PAIRS[outer.pop()] != closes:
                return 0
            last = "value"
            continue
        if not _may_follow(outer, last, comma, key=colon is not None):
            return 0
        if opens is not None:
            outer.append(opens)
        last = opens or (":" if colon is not None else "value")
    rest = _OPEN_STRING.fullmatch(text, place)
    if rest is None or not _may_follow(
        outer, last, "," in text[place : rest.start(1)], key=outer[-1:] == ["{"] and last != ":"
    ):
        return 0
    said = _said(rest[1]) if "\\" in rest[1] else ""
    return 1 + depth(said) if said.lstrip()[:1] in ("{", "[") else 1


_PAIRS = {"{": "}", "[": "]"}


def _may_follow(outer: list[str], last: str, comma: bool, key: bool) -> bool:
    """Whether a value or a key may stand here: what lies in ``outer`` brackets, behind ``last``."""
    if key != (outer[-1:] == ["{"] and last != ":"):
        return False
    return not last if not outer else comma == (last == "value")
