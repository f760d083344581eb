"""The gate: which of some hundred rules could match a text, told in microseconds. Only those are tried.

RE2 runs all patterns at once over the text (a *set*). Two things make it safe to believe. A pattern that every text
matches rides along: a set that ran out of memory says "no match" without a word, but then that one is missing too, and
the plain gate answers instead. And the plain gate, which needs nothing but the standard library, gives equal decisions:
either gate may let a rule through in vain, neither may hold one back, and what is tried is tried in one way.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from crossover.privacy.coarse import coarse_pattern, coarse_text, required_literal, required_run
from crossover.privacy.context import (
    LONGEST,
    Scan,
    alternatives,
    camels,
    folded,
    head,
    humps,
    in_ascii,
    literals,
    spaced,
    tails,
)
from crossover.privacy.late import Late
from crossover.privacy.words import Rule

Engine: TypeAlias = Literal["re2", "stdlib"]

# Both are bounds on a cache that is emptied when full: smaller is slower on strange texts, never wrong.
MOST_MEMORY = 24 << 20
_ALONE_MEMORY = 2 << 20
_ALWAYS = r"\A"  # matches every text, at its very beginning
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGITS = re.compile(r"[0-9](?:[^0-9A-Za-z]{0,3}[0-9])*")
_DIGITED = re.compile(r"\S*[0-9](?:.*[0-9])?\S*", re.DOTALL)
_TOKENS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
# A letter, a digit, \d, \w or a class of such; not optional.
_WORD_FIRST = re.compile(
    r"(?:[0-9A-Za-z_]|\\[dw]|\[(?:[0-9A-Za-z]-[0-9A-Za-z]|[0-9A-Za-z_]|\\d)+\])(?![?*]|\{0?,|\{0\})"
)
_SHORTEST_LITERAL = 3  # a shorter one stands in half of all texts
_CAMEL = -1  # stands for "a capital behind a small letter" among the rules
_ALONE, _FIRST_LIST = 1, 2  # bits: "the text may be nothing but the value", and the first list of context words
_LONG_ROW = 5  # digits; a shorter row stands in half of all texts, and the shape is asked instead
_LONG_RUN = 16  # characters of one class in a row: rarer than a common literal
_FOLD = folded("".join(map(chr, range(128)))).encode() + bytes(range(128, 256))  # as context.folded, for ASCII
_PHRASES_IN_SET = 500  # a dictionary of more goes past the gate to its own index


class GateError(Exception):
    """RE2 is not installed, or cannot hold these patterns. The plain gate is the answer."""


class Gate(Protocol):
    """Tells which rules may match; ``engine`` names how."""

    engine: Engine

    def fired(self, text: str, field: str = "", scan: Scan | None = None) -> Sequence[int]:
        """Indices of the rules that may match the text: never one too few. ``scan``: what was looked up in it."""
        ...


def readable(text: str) -> str:
    """The text without lone surrogates, which no encoding can carry; each becomes one replacement character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


def library() -> Any:
    """The module ``re2``, or None where google-re2 is not installed."""
    try:
        return importlib.import_module("re2")
    except ImportError:
        return None


def options(re2: Any, memory: int) -> Any:
    """How RE2 reads a pattern: as UTF-8, with ``\\d``, ``\\s`` and ``\\w`` in ASCII, in ``memory`` bytes at most."""
    chosen = re2.Options()
    chosen.max_mem = memory
    chosen.never_nl = False
    chosen.log_errors = False
    return chosen


class PlainGate:
    """The gate of the standard library: literals, rows of digits and context words that a rule cannot do without."""

    engine: Engine = "stdlib"

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._needs = [_Needs.of(rule) for rule in rules]
        self._keywords = {word: head(word) for needs in self._needs for word in needs.keywords}
        self._shapes = frozenset(one for needs in self._needs for one in needs.shapes)
        self._last = {
            index: Late(rule.gate, re.ASCII) for index, rule in enumerate(rules) if rule.gate and _by_row(rule)
        }

    def fired(self, text: str, field: str = "", scan: Scan | None = None) -> Sequence[int]:
        """Indices of the rules that may match the text."""
        scan = scan or Scan(text, field)
        low, pieces = text.lower(), scan.pieces
        digits = longest_row(text)
        simple = coarse_text(text.encode("utf-8", "surrogatepass"))
        forms = simple, simple.lower()
        stand = {one for one in self._shapes if one[0] in forms[one[1]]}
        said = {word for word, first in self._keywords.items() if first in pieces and word in low}
        near: dict[tuple[str, ...], bool] = {}
        found = []
        for index, needs in enumerate(self._needs):
            if digits < needs.digits or (needs.shapes and stand.isdisjoint(needs.shapes)):
                continue
            if needs.keywords and said.isdisjoint(needs.keywords):
                continue
            if needs.context and not (needs.alone and len(text) <= LONGEST):
                stands = near.get(needs.context)
                if stands is None:
                    stands = near[needs.context] = scan.anywhere(needs.context)
                if not stands:
                    continue
            found.append(index)
        return [index for index in found if index not in self._last or self._last[index].search(text)]


class SetGate:
    """The gate of RE2. Raises GateError where RE2 is not installed or a pattern does not fit.

    Few passes over a text, each with one automaton that stays small: shapes without their details; literals; what users
    wrote, so that a strange pattern slows nobody else's; and words of context, asked only where a rule that needs one
    could match.
    """

    engine: Engine = "re2"

    def __init__(self, rules: Sequence[Rule], *, memory: int = MOST_MEMORY) -> None:
        re2 = library()
        if re2 is None:
            raise GateError("google-re2 is not installed")
        self._re2 = re2
        self._rules = rules
        self._always = tuple(index for index, rule in enumerate(rules) if len(rule.words) > _PHRASES_IN_SET)
        shapes, fixed, exact, phrases = _Parts(), _Parts(), _Parts(), _Parts()
        shapes.add("aA", _CAMEL)
        contexts: dict[tuple[str, ...], int] = {}
        needs: dict[int, int] = {}  # rule → bits of what it needs one of
        self._whole: dict[int, str] = {}  # rule → its own shape, for those that are asked for it last
        self._alone: dict[int, _Set] = {}  # rule → a set of that shape, made when the rule first gets so far
        for index, rule in enumerate(rules):
            if len(rule.words) > _PHRASES_IN_SET:
                continue
            if rule.words:
                phrases.add(shape(rule), index)
            elif rule.untrusted:
                exact.add(shape(rule), index)
            elif _telling(rule.keywords) and not rule.gate:
                fixed.add(literals(sorted(rule.keywords)), index)
            elif _by_row(rule):
                run = required_run(rule.pattern, _LONG_ROW)
                shapes.add(run if run and run.startswith("0") else row(rule.digits), index)
            elif rule.keywords and not rule.gate and not _common(rule.keywords):
                run = None if rule.ignore_case else required_run(rule.pattern, _LONG_RUN)
                (shapes if run else fixed).add(run or literals(sorted(rule.keywords)), index)
            elif (coarse := coarse_pattern(shape(rule))) is not None:
                shapes.add(coarse, index)
            else:
                exact.add(shape(rule), index)
            if rule.example and not rule.words:
                self._whole[index] = rule.gate if rule.gate and _by_row(rule) else shape(rule, whole=True)
            if rule.needs_context:
                bit = contexts.setdefault(rule.context, _FIRST_LIST << len(contexts))
                needs[index] = bit | _ALONE if rule.alone else bit
        self._contexts = contexts
        self._needs = needs
        plain, foreign = _word_parts(contexts)
        self._memory = memory
        self._coarse = _Set(re2, shapes, memory)
        self._sets = [_Set(re2, parts, memory) for parts in (fixed, exact) if parts.patterns]
        self._phrases = [_Set(re2, phrases, memory)] if phrases.patterns else []
        self._words, self._foreign = _Set(re2, plain, memory), _Set(re2, foreign, memory)

    def fired(self, text: str, field: str = "", scan: Scan | None = None) -> Sequence[int]:
        """Indices of the rules that may match the text."""
        if "\v" in text:
            text = text.replace("\v", "\f")  # to RE2 a vertical tab is no space, and to what verifies it is
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = readable(text).encode()
        found = [*self._always]
        asked = [(self._coarse, coarse_text(data)), *[(part, data) for part in self._sets]]
        if self._phrases:
            asked += [(part, readable(folded(text)).encode()) for part in self._phrases]
        for part, shown in asked:
            hits = part.match(shown)
            if hits is None:
                return self._plain.fired(text, field, scan)
            found += hits
        if not found:
            return found
        camel = _CAMEL in found
        if camel:
            found.remove(_CAMEL)
        needs = self._needs
        if not needs.keys().isdisjoint(found):
            near = self._near(text, data, field, camel=camel)
            if near is None:
                return self._plain.fired(text, field, scan)
            found = [index for index in found if needs.get(index, near) & near or index not in needs]
        return [index for index in found if self._may(index, data)]

    def lets(self, index: int, text: str) -> bool:
        """Self-test: whether the rule passes the gate with this text. Asks only the sets that hold the rule.

        A piece of the text is shown first, as short as what is asked for: what else stands there costs time only.
        """
        rule = self._rules[index]
        pieces = (piece for piece in (_piece(rule, text), text) if piece)
        if index not in self._always and not any(self._brings_up(index, piece) for piece in pieces):
            return False
        if index not in self._needs:
            return True
        low = folded(text)
        word = next((said for word in rule.context if (said := word.lower().removesuffix("*")) in low), "")
        near = (self._near(said, said.encode(), "", camel=False) or 0 for said in (word, text) if said)
        return any(self._needs[index] & bits for bits in near)

    def _brings_up(self, index: int, text: str) -> bool:
        data = text.encode()
        asked = [(self._coarse, coarse_text(data)), *[(part, data) for part in self._sets]]
        asked += [(part, folded(text).encode()) for part in self._phrases]
        return any(part.holds(index) and index in (part.match(it) or ()) for part, it in asked)

    def _may(self, index: int, data: bytes) -> bool:
        """Whether the rule's own shape stands in the text: a tenth of a try, and most end here."""
        alone = self._alone.get(index)
        if alone is None:
            whole = self._whole.get(index)
            if whole is None:
                return True
            parts = _Parts()
            parts.add(whole, index)
            alone = self._alone[index] = _Set(self._re2, parts, _ALONE_MEMORY)
            if alone.match(readable(self._rules[index].example).encode()) == []:  # cannot be: then it says nothing
                self._whole.pop(index)
                self._alone.pop(index)
                return True
        return alone.match(data) != []

    def _near(self, text: str, data: bytes, field: str, *, camel: bool = True) -> int | None:
        """The bits of the lists of context words of which one stands somewhere; None where memory ran out.

        ``data`` is the text in UTF-8. ``camel``: whether a capital may stand behind a small letter: it begins a word.
        """
        near = _ALONE if len(text) <= LONGEST else 0
        asked: list[tuple[_Set, str | bytes]] = []
        plain = len(data) == len(text)  # in ASCII
        for written in (text, field) if field else (text,):
            low = data.translate(_FOLD) if plain and written is text else readable(folded(written)).encode()
            asked.append((self._words, low))
            if len(low) != len(written):
                asked.append((self._foreign, low))
        if camel and self._any_camel.match(data) != []:
            asked += [(self._words, seen.translate(_FOLD)) for seen in (humps(data), tails(data))]
        if field:
            asked.append((self._words, folded(spaced(readable(field)))))
        for words, where in asked:
            lists = words.match(where)
            if lists is None:
                return None
            for bits in lists:
                near |= bits
        return near

    @functools.cached_property
    def _plain(self) -> PlainGate:
        """What answers where memory ran out."""
        return PlainGate(self._rules)

    @functools.cached_property
    def _any_camel(self) -> _Set:
        """Whether a word could stand inside of a name: few names are such, so the words are asked only then."""
        parts = _Parts()
        parts.add(camels({word for words in self._contexts for word in words}), True)
        return _Set(self._re2, parts, self._memory)


def _piece(rule: Rule, text: str) -> str:
    """A literal of the rule, or all from the first digit to the last with what is glued to them; or nothing."""
    low = text.lower()
    literal = next((word for word in rule.keywords if word in low), "")
    if literal and not rule.gate and len(low) == len(text):
        return text[low.index(literal) :][: len(literal)]
    digits = _DIGITED.search(text)
    return digits[0] if digits is not None and not rule.words else ""


class _Parts:
    """Patterns for one set, each once, with what each of them stands for."""

    def __init__(self) -> None:
        self.patterns: dict[str, list[Any]] = {}

    def add(self, pattern: str, stands_for: Any) -> None:
        self.patterns.setdefault(pattern, []).append(stands_for)


def _word_parts(contexts: dict[tuple[str, ...], int]) -> tuple[_Parts, _Parts]:
    """Words of context in ASCII, and others; those of the same lists as one pattern for the bits of these lists."""
    lists: dict[str, int] = {}
    for words, bit in contexts.items():
        for word in words:
            lists[word] = lists.get(word, 0) | bit
    groups: dict[tuple[bool, int], list[str]] = {}
    for word, bits in lists.items():
        groups.setdefault((in_ascii(word), bits), []).append(word)
    plain, foreign = _Parts(), _Parts()
    for (ascii_only, bits), group in groups.items():
        (plain if ascii_only else foreign).add(alternatives(group), bits)
    return plain, foreign


class _Set:
    """One set of RE2, with the sentinel in its first place."""

    def __init__(self, re2: Any, parts: _Parts, memory: int) -> None:
        self._set = re2.Set.SearchSet(options(re2, memory))
        self._stand_for: list[list[Any]] = [[], *parts.patterns.values()]
        for pattern in (_ALWAYS, *parts.patterns):
            try:
                self._set.Add(pattern)
            except re2.error:
                raise GateError(f"RE2 cannot read the pattern {pattern!r}") from None
        try:
            self._set.Compile()
        except re2.error:
            raise GateError("the patterns do not fit into memory") from None
        if not self._set.Match(b""):
            raise GateError("the patterns leave no memory to match with")

    @functools.cached_property
    def _all(self) -> frozenset[Any]:
        return frozenset(one for some in self._stand_for for one in some)

    def holds(self, one: Any) -> bool:
        """Whether a pattern in here stands for it."""
        return one in self._all

    def match(self, data: bytes | str) -> list[Any] | None:
        """What the patterns that match stand for; None where the set ran out of memory."""
        places = self._set.Match(data)
        if not places:
            return None
        if len(places) == 1:
            return []
        return [one for place in places for one in self._stand_for[place]]


class _Needs(msgspec.Struct, frozen=True):
    """What a text must hold for a rule to match, where the rule says so.

    One of ``shapes`` in the coarse form of the text (0) or in that in small letters (1).
    """

    digits: int
    keywords: frozenset[str]
    context: tuple[str, ...]
    alone: bool
    shapes: frozenset[tuple[bytes, int]]

    @classmethod
    def of(cls, rule: Rule) -> _Needs:
        keywords = frozenset(word.lower() for word in rule.keywords)
        context = rule.context if rule.needs_context else ()
        return cls(rule.digits, keywords, context, rule.alone, required_shapes(rule))


def required_shapes(rule: Rule) -> frozenset[tuple[bytes, int]]:
    """One of them stands in the coarse form of every match (0), or in that in small letters (1); none: who knows."""
    if rule.words or rule.untrusted:
        return frozenset()
    shapes = [required_literal(part, ignore_case=rule.ignore_case) for part in _alternatives(rule.pattern)]
    return frozenset((one.encode(), int(rule.ignore_case)) for one in shapes) if all(shapes) else frozenset()


def shape(rule: Rule, *, whole: bool = False) -> str:
    """What a match of the rule looks like, as one pattern of RE2; ``whole``: not what its ``gate`` says instead."""
    if rule.words:
        return alternatives(rule.words)
    if rule.gate and not whole:
        return rule.gate
    pattern = f"(?i:{rule.pattern})" if rule.ignore_case else f"(?:{rule.pattern})"
    if not rule.edges or rule.group:
        return pattern
    if whole:
        return f"(?:^|[^0-9A-Za-z_]){pattern}(?:$|[^0-9A-Za-z_])"
    return rf"\b{pattern}" if begins_with_word(rule.pattern) else pattern


def begins_with_word(pattern: str) -> bool:
    """Whether every match begins with an ASCII letter, digit or ``_``, as far as a glance can tell."""
    return all(_first_is_word(part) for part in _alternatives(pattern))


def _first_is_word(part: str) -> bool:
    opening = re.match(r"\((?:\?i?:)?", part)
    if opening is None:
        return _WORD_FIRST.match(part) is not None
    inner = next(iter(_groups(part, opening.end())), None)
    if inner is None or re.match(r"[?*]|\{0?,|\{0\}", part[len(opening[0]) + len(inner) + 1 :]):
        return False
    return begins_with_word(inner)


def _groups(part: str, start: int) -> Iterator[str]:
    """What stands from ``start`` to the bracket that closes it."""
    depth = 1
    for token in _TOKENS.finditer(part, start):
        depth += (token[0] == "(") - (token[0] == ")")
        if depth == 0:
            yield part[start : token.start()]
            return


def _alternatives(pattern: str) -> list[str]:
    """The parts of a pattern between those ``|`` that stand in no group and no class."""
    parts, depth, start = [], 0, 0
    for token in _TOKENS.finditer(pattern):
        depth += (token[0] == "(") - (token[0] == ")")
        if token[0] == "|" and depth == 0:
            parts.append(pattern[start : token.start()])
            start = token.end()
    return [*parts, pattern[start:]]


def _telling(keywords: Sequence[str]) -> bool:
    """Whether literals are rare enough to be looked for instead of the shape."""
    return bool(keywords) and all(len(keyword) >= _SHORTEST_LITERAL or keyword == "@" for keyword in keywords)


def _common(keywords: Sequence[str]) -> bool:
    """Whether literals stand in so many texts that the shape is looked for, however few they are."""
    return all(len(keyword) < _SHORTEST_LITERAL for keyword in keywords)


def _by_row(rule: Rule) -> bool:
    """Whether a row of digits is looked for first: its shape costs more, and tells less before a word is there."""
    return rule.needs_context and rule.digits >= _LONG_ROW


def row(count: int) -> str:
    """A pattern of RE2 for a row of at least so many digits, as :func:`longest_row` counts them."""
    return f"[0-9](?:[^0-9A-Za-z]{{0,3}}[0-9]){{{count - 1}}}" if count > 1 else "[0-9]" if count else _ALWAYS


def longest_row(text: str) -> int:
    """How many digits the longest row holds; up to three marks or spaces may stand between two of them."""
    rows = _DIGITS.findall(text)
    return max((sum(row.count(digit) for digit in "0123456789") for row in rows), default=0)
