"""Postal addresses: put together from what the network said of words, the numbers beside them, and fixed forms.

A town or a country alone is no address, nor is a street word alone. What counts: a street with a number, a post-office
box, a military post office, a postal code that is named as one, the corner of two streets, a street's name that the
network is sure of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossover.privacy import tokens
from crossover.privacy.network import PERSON, PLACE, STREET

if TYPE_CHECKING:
    from crossover.privacy.names import Seen

Span = tuple[int, int, float]

_ROAD, _TOWN, _NUMBER, _PART, _CODE, _LINK = 1, 2, 4, 8, 16, 32  # what a word does in an address
_THROUGH = frozenset((tokens.SPACE, tokens.COMMA, tokens.POINT, tokens.LINE, tokens.HYPHEN, tokens.APOSTROPHE))
_WIDE = _THROUGH | {tokens.TIGHT, tokens.SLASH, tokens.HASH, tokens.COMMA_LINE, tokens.BLANK_LINE}
_LINKS = frozenset(b"de la las los del der den du des da do dos di van von el le of the st".split())
_UNITS = frozenset(b"apt apartment suite ste unit flat floor room box # no nr bldg building".split())
_MILITARY = frozenset(b"apo fpo dpo".split())
_CODE_CUES = frozenset(b"zip zipcode postcode postal plz cap pincode".split())
_FAR = 24  # words of an address at most


def find(seen: Seen, shares: dict[int, list[float]]) -> list[Span]:
    """Addresses in the order in which they stand: first word, last word, how sure."""
    seeds = [(at, share[STREET]) for at, share in shares.items() if share[STREET] >= 0.35]
    seeds = [(at, sure) for at, sure in seeds if sure + shares[at][PLACE] / 2 >= 0.5]
    fixed = _fixed(seen) if seen.streets else []
    if not seeds and not fixed:
        return []
    roles = _Roles(seen, shares)
    found: list[Span] = []
    done = -1
    for at, sure in seeds:
        if at <= done:
            continue
        first, last = roles.grown(at, at)
        done = last
        parts = [roles.of(other) for other in range(first, last + 1)]
        best = max(sure, *(shares[other][STREET] for other in range(first, last + 1) if other in shares))
        named = sum(1 for part in parts if part & _ROAD)
        with_word = any(part & _PART for part in parts)
        numbered = any(part & _NUMBER for part in parts)
        sure_road = (named > 1 and with_word and best >= 0.6) or (best >= 0.85 and (with_word or named > 1))
        if numbered or sure_road:
            found.append((first, last, best))
    found += [(*roles.grown(first, last), sure) if sure == 1.0 else (first, last, sure) for first, last, sure in fixed]
    return _merged(found)


class _Roles:
    """What each word does in an address; worked out once."""

    def __init__(self, seen: Seen, shares: dict[int, list[float]]) -> None:
        self._seen = seen
        self._shares = shares
        self._known: dict[int, int] = {}

    def of(self, at: int) -> int:
        """The role of a word; 0 where it has none."""
        role = self._known.get(at)
        if role is None:
            role = self._known[at] = _role(self._seen, self._shares, at)
        return role

    def grown(self, first: int, last: int) -> tuple[int, int]:
        """The span with all that belongs to it on both sides."""
        seen, low, high = self._seen, max(first - _FAR, 0), min(last + _FAR, len(self._seen.words) - 1)
        edge = first
        while edge > low and seen.gap(edge) in _WIDE and (role := self.of(edge - 1)):
            edge -= 1
            if role & (_ROAD | _TOWN | _NUMBER | _PART):
                first = edge
        edge = last
        while edge < high and seen.gap(edge + 1) in _WIDE and (role := self.of(edge + 1)):
            edge += 1
            if not role & _LINK:
                last = edge
        return first, last


def _role(seen: Seen, shares: dict[int, list[float]], at: int) -> int:
    word = seen.words[at]
    if word[:1].isdigit() or word[-1:].isdigit():
        digits = sum(48 <= byte <= 57 for byte in word)
        short = len(word) <= 7 and word[:2] != b"0x"
        return _NUMBER if short and (digits * 2 >= len(word) or (len(word) <= 4 and word.isupper())) else 0
    part = _PART if seen.kinds.get(word, 0) & tokens.STREET else 0
    share = shares.get(at)
    if share is not None:
        if share[PERSON] >= 0.5:
            return 0
        if share[STREET] >= 0.35:
            return _ROAD | part
        if share[PLACE] + share[STREET] >= 0.5:
            return _TOWN | part
    lower = tokens.lowered(word)
    if lower in _UNITS:
        return _PART
    if len(word) <= 3 and (word.isupper() or lower == b"nan"):
        return _CODE
    if part and word[:1].isupper():
        return part
    return _LINK if lower in _LINKS else 0


def _number(seen: Seen, at: int, most: int = 6) -> bool:
    return 0 <= at < len(seen.words) and seen.words[at].isdigit() and len(seen.words[at]) <= most


def _fixed(seen: Seen) -> list[Span]:
    """Boxes, military post offices, postal codes that are named as such."""
    words, found = seen.words, []
    for at in seen.streets:
        lower = words[at].lower()
        if lower in (b"box", b"pobox", b"postfach", b"pob") and _number(seen, at + 1):
            before = b" ".join(words[max(at - 2, 0) : at]).lower()
            if lower != b"box":
                found.append((at, at + 1, 1.0))
            elif before.endswith((b"p o", b"post office")):
                found.append((at - 2, at + 1, 1.0))
            elif before.endswith(b"po"):
                found.append((at - 1, at + 1, 1.0))
            elif at > 1 and words[at - 2].lower() in (b"psc", b"unit", b"cmr") and _number(seen, at - 1):
                found.append((at - 2, at + 1, 1.0))
        elif lower in _MILITARY and at + 1 < len(words) and words[at + 1].lower() in (b"aa", b"ae", b"ap"):
            found.append((at, min(at + 2, len(words) - 1) if _number(seen, at + 2) else at + 1, 1.0))
        elif lower in _CODE_CUES:
            found += _code(seen, at)
    return found


def _code(seen: Seen, at: int) -> list[Span]:
    """The postal code behind (or right before) a word that says so."""
    words = seen.words
    for near in range(at + 1, min(at + 5, len(words))):
        if seen.gap(near) not in _NAMES_IT:
            return []
        word = words[near]
        if _number(seen, near) and len(word) >= 4:
            last = near + 1 if seen.gap(near + 1) == tokens.HYPHEN and _number(seen, near + 1, 4) else near
            return [(near, last, 0.9)]
        digits = sum(48 <= byte <= 57 for byte in word)
        if digits and len(word) <= 4 and near + 1 < len(words) and 3 <= len(words[near + 1]) <= 3:
            return [(near, near + 1, 0.9)]
        if word.lower() not in _BETWEEN:
            return []
    return []


_NAMES_IT = frozenset((tokens.SPACE, 5, 12, 19, 20, 21, 25, 27, 3, 11))  # colon, quote, equals, brackets, bar
_BETWEEN = frozenset(b"code is s was number no my our the in for".split())


def _merged(found: list[Span]) -> list[Span]:
    """Overlapping and touching spans as one."""
    kept: list[Span] = []
    for first, last, sure in sorted(found):
        if kept and first <= kept[-1][1]:
            start, end, before = kept[-1]
            kept[-1] = (start, max(end, last), max(before, sure))
        else:
            kept.append((first, last, sure))
    return kept
