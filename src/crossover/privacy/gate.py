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

from crossover.privacy.coarse import coarse_pattern, coarse_text, required_run
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
)
from crossover.privacy.words import Rule

Engine: TypeAlias = Literal["re2", "stdlib"]

# Both are bounds on a cache that is emptied when full: smaller is slower on strange texts, never wrong.
MOST_MEMORY = 24 << 20
_ALONE_MEMORY = 2 << 20
_ALWAYS = r"\A"  # matches every text, at its very beginning
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGITS = re.compile(r"[0-9](?:[^0-9A-Za-z]{0,3}[0-9])*")
_TOKENS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
# A letter, a digit, \d, \w or a class of such; not optional.
_WORD_FIRST = re.compile(
    r"(?:[0-9A-Za-z_]|\\[dw]|\[(?:[0-9A-Za-z]-[0-9A-Za-z]|[0-9A-Za-z_]|\\d)+\])(?![?*]|\{0?,|\{0\})"
)
_SHORTEST_LITERAL = 3  # a shorter one stands in half of all texts
_CAMEL = -1  # stands for "a capital behind a small letter" among the rules
_ALONE = -1  # stands for "the text may be nothing but the value" among the numbers of lists
_LONG_ROW = 5  # digits; a shorter row stands in half of all texts, and the shape is asked instead
_LONG_RUN = 16  # characters of one class in a row: rarer than a common literal
_COMMON_MEMORY = 12 << 20
_FOLD = folded("".join(map(chr, range(128)))).encode() + bytes(range(128, 256))  # as context.folded, for ASCII
# What texts are full of and rules are not meant for. Rules that the sets bring up for two of these lines are
# asked together; not more, for a set of many has very many states.
_ORDINARY = """Compared with 12 of the 2,400 rows (10:45, 2024-01-31), index-heavy user_id costs $3,500 -- or 0.25%.
for (let i = 0; i < items.length; i++) { total_price += rows[i].score * 10.5; } // see app/main.py:12, line 120
<a href="https://docs.example.com/a-b/page_1.html?x=1&y=2#top">Read v2.3.1</a> | {"a": 1, "b": ["x"], "c": true}
docker run --rm -p 8080:80 image/name:1.25 --verbose; color: #3a12ff; 2024-01-31T10:45:00Z INFO [main] a::b::c
Traceback (most recent call last): KeyError: 'x' at 0x7f3a SELECT COUNT(*) FROM t WHERE d > '2024-01-02'; 3-4 a.b.c
e83c5163316f89bfbde7d9ab23ca2e25604af290 some-long-kebab-case-name-of-a-branch AN_ENVIRONMENT_VARIABLE_OF_OURS=1
"""
_PHRASES_IN_SET = 500  # a dictionary of more goes past the gate to its own index


class GateError(Exception):
    """RE2 is not installed, or cannot hold these patterns. The plain gate is the answer."""


class Gate(Protocol):
    """Tells which rules may match; ``engine`` names how."""

    engine: Engine

    def fired(self, text: str, field: str = "") -> Sequence[int]:
        """Indices of the rules that may match the text: never one too few."""
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

    def fired(self, text: str, field: str = "") -> Sequence[int]:
        """Indices of the rules that may match the text."""
        scan = Scan(text, field)
        low, pieces = text.lower(), scan.pieces
        digits = longest_row(text)
        return [
            index
            for index, needs in enumerate(self._needs)
            if digits >= needs.digits
            and (
                not needs.keywords
                or (not needs.keyword_heads.isdisjoint(pieces) and any(word in low for word in needs.keywords))
            )
            and (
                not needs.context
                or (needs.alone and len(text) <= LONGEST)
                or ((field or not needs.context_heads.isdisjoint(pieces)) and scan.anywhere(needs.context))
            )
        ]


class SetGate:
    """The gate of RE2. Raises GateError where RE2 is not installed or a pattern does not fit.

    Some small sets cost less than one large one, whose automaton would have a state for every combination: shapes
    without their details; longer ones; literals; what users wrote, so that a strange pattern slows nobody else's; and
    words of context, asked only where a rule that needs one could match.
    """

    engine: Engine = "re2"

    def __init__(self, rules: Sequence[Rule], *, memory: int = MOST_MEMORY) -> None:
        re2 = library()
        if re2 is None:
            raise GateError("google-re2 is not installed")
        self._re2 = re2
        self._rules = rules
        self._always = tuple(index for index, rule in enumerate(rules) if len(rule.words) > _PHRASES_IN_SET)
        shapes, long, fixed, exact, phrases = _Parts(), _Parts(), _Parts(), _Parts(), _Parts()
        shapes.add("aA", _CAMEL)
        contexts: dict[tuple[str, ...], int] = {}
        self._needs: dict[int, frozenset[int]] = {}  # rule → number of its list of context words
        self._whole: dict[int, Rule] = {}  # rules whose own shape is asked last
        self._alone: dict[int, _Set] = {}  # rule → a set of that shape, made when the rule first gets so far
        for index, rule in enumerate(rules):
            if len(rule.words) > _PHRASES_IN_SET:
                continue
            coarse = coarse_pattern(shape(rule))
            if rule.words:
                phrases.add(shape(rule), index)
            elif rule.untrusted or coarse is None:
                exact.add(shape(rule), index)
            elif _telling(rule.keywords) and not rule.gate:
                fixed.add(literals(sorted(rule.keywords)), index)
            elif rule.needs_context and rule.digits >= _LONG_ROW and not rule.gate:
                shapes.add(row(rule.digits), index)
            elif rule.keywords and not rule.gate:
                run = None if rule.ignore_case else required_run(rule.pattern, _LONG_RUN)
                (long if run else fixed).add(run or literals(sorted(rule.keywords)), index)
            else:
                shapes.add(coarse, index)
            if rule.example and not rule.words:
                self._whole[index] = rule
            if rule.needs_context:
                number = contexts.setdefault(rule.context, len(contexts))
                self._needs[index] = frozenset((number, _ALONE) if rule.alone else (number,))
        self._contexts = contexts
        plain, foreign = _word_parts(contexts)
        self._memory = memory
        self._coarse = [_Set(re2, parts, memory) for parts in (shapes, long) if parts.patterns]
        self._sets = [_Set(re2, parts, memory) for parts in (fixed, exact) if parts.patterns]
        self._phrases = [_Set(re2, phrases, memory)] if phrases.patterns else []
        self._words, self._foreign = _Set(re2, plain, memory), _Set(re2, foreign, memory)
        self._common, self._together = self._asked_together()

    def _asked_together(self) -> tuple[frozenset[int], _Set | None]:
        """Rules that ordinary texts bring up again and again, and one set of their own shapes: one pass for all."""
        counts: dict[int, int] = {}
        for line in _ORDINARY.encode().splitlines():
            for index in {one for hits in self._hits(line) for one in hits or ()}:
                counts[index] = counts.get(index, 0) + 1
        some = {index for index, count in counts.items() if count > 1 and index in self._whole}
        some.difference_update(self._needs)
        if len(some) < 2:
            return frozenset(), None
        parts = _Parts()
        for index in sorted(some):
            parts.add(shape(self._rules[index], whole=True), index)
        together = _Set(self._re2, parts, _COMMON_MEMORY)
        proved = (index for index in some if index in (together.match(_example(self._rules[index])) or ()))
        return frozenset(proved), together

    def fired(self, text: str, field: str = "") -> Sequence[int]:
        """Indices of the rules that may match the text."""
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = readable(text).encode()
        found = [*self._always]
        parts = self._hits(data)
        parts += [part.match(readable(folded(text)).encode()) for part in self._phrases]
        for some in parts:
            if some is None:
                return self._plain.fired(text, field)
            found += some
        if not found:
            return found
        camel = _CAMEL in found
        if camel:
            found.remove(_CAMEL)
        needs = self._needs
        if not needs.keys().isdisjoint(found):
            near = self._near(text, data, field, camel=camel)
            if near is None:
                return self._plain.fired(text, field)
            found = [index for index in found if index not in needs or not needs[index].isdisjoint(near)]
        return self._likely(found, data)

    def _likely(self, found: list[int], data: bytes) -> list[int]:
        """Those rules whose own shape stands in the text: a tenth of a try, and most end here."""
        common = self._common
        some = common.intersection(found)
        hits = self._together.match(data) if self._together is not None and len(some) > 1 else None
        if hits is None:
            return [index for index in found if self._may(index, data)]
        return [index for index in found if (index in hits if index in common else self._may(index, data))]

    def _hits(self, data: bytes) -> list[list[Any] | None]:
        """What each set of shapes brings up; None where its memory ran out."""
        simple = coarse_text(data)
        return [part.match(simple) for part in self._coarse] + [part.match(data) for part in self._sets]

    def lets(self, index: int, text: str) -> bool:
        """Self-test: whether the rule passes the gate with this text. Asks only the sets that hold the rule."""
        data = text.encode()
        places = [(part, coarse_text(data)) for part in self._coarse] + [(part, data) for part in self._sets]
        places += [(part, folded(text).encode()) for part in self._phrases]
        found = index in self._always or any(
            index in (part.match(it) or ()) for part, it in places if part.holds(index)
        )
        if found and index in self._needs:
            found = not self._needs[index].isdisjoint(self._near(text, data, "", camel=False) or ())
        return found

    def _may(self, index: int, data: bytes) -> bool:
        """Whether the rule's own shape stands in the text."""
        rule = self._whole.get(index)
        if rule is None:
            return True
        alone = self._alone.get(index)
        if alone is None:
            parts = _Parts()
            parts.add(shape(rule, whole=True), index)
            alone = self._alone[index] = _Set(self._re2, parts, _ALONE_MEMORY)
            if alone.match(_example(rule)) == []:  # cannot be: then it says nothing
                self._whole.pop(index, None)
                return True
        return alone.match(data) != []

    def _near(self, text: str, data: bytes, field: str, *, camel: bool = True) -> set[int] | None:
        """The numbers of the lists of context words of which one stands somewhere; None where memory ran out.

        ``data`` is the text in UTF-8. ``camel``: whether a capital may stand behind a small letter: it begins a word.
        """
        near = {_ALONE} if len(text) <= LONGEST else set()
        asked: list[tuple[_Set, str | bytes]] = []
        plain = len(data) == len(text)  # in ASCII
        for written in (text, field) if field else (text,):
            low = data.translate(_FOLD) if plain and written is text else readable(folded(written)).encode()
            asked.append((self._words, low))
            if len(low) != len(written):
                asked.append((self._foreign, low))
        if camel and self._any_camel.match(data) != []:
            asked.append((self._words, humps(data).translate(_FOLD)))
        if field:
            asked.append((self._words, folded(spaced(readable(field)))))
        for words, where in asked:
            lists = words.match(where)
            if lists is None:
                return None
            near.update(*lists)
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


def _example(rule: Rule) -> bytes:
    return readable(rule.example).encode()


class _Parts:
    """Patterns for one set, each once, with what each of them stands for."""

    def __init__(self) -> None:
        self.patterns: dict[str, list[Any]] = {}

    def add(self, pattern: str, stands_for: Any) -> None:
        self.patterns.setdefault(pattern, []).append(stands_for)


def _word_groups(contexts: dict[tuple[str, ...], int]) -> dict[tuple[bool, tuple[int, ...]], list[str]]:
    """Each word once, with those that stand in the same lists, those in ASCII apart from others."""
    lists: dict[str, set[int]] = {}
    for words, number in contexts.items():
        for word in words:
            lists.setdefault(word, set()).add(number)
    groups: dict[tuple[bool, tuple[int, ...]], list[str]] = {}
    for word, numbers in lists.items():
        groups.setdefault((in_ascii(word), tuple(sorted(numbers))), []).append(word)
    return groups


def _word_parts(contexts: dict[tuple[str, ...], int]) -> tuple[_Parts, _Parts]:
    """Words of context in ASCII, and others."""
    plain, foreign = _Parts(), _Parts()
    for (ascii_only, ordered), group in _word_groups(contexts).items():
        (plain if ascii_only else foreign).add(alternatives(group), ordered)
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
    """What a text must hold for a rule to match, where the rule says so. Heads are how words begin in a folded text."""

    digits: int
    keywords: tuple[str, ...]
    context: tuple[str, ...]
    alone: bool
    keyword_heads: frozenset[str]
    context_heads: frozenset[str]

    @classmethod
    def of(cls, rule: Rule) -> _Needs:
        keywords = tuple(word.lower() for word in rule.keywords)
        context = rule.context if rule.needs_context else ()
        heads = [frozenset(map(head, words)) for words in (keywords, context)]
        return cls(rule.digits, keywords, context, rule.alone, *heads)


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


def row(count: int) -> str:
    """A pattern of RE2 for a row of at least so many digits, as :func:`longest_row` counts them."""
    return f"[0-9](?:[^0-9A-Za-z]{{0,3}}[0-9]){{{count - 1}}}" if count > 1 else "[0-9]" if count else _ALWAYS


def longest_row(text: str) -> int:
    """How many digits the longest row holds; up to three marks or spaces may stand between two of them."""
    rows = _DIGITS.findall(text)
    return max((sum(row.count(digit) for digit in "0123456789") for row in rows), default=0)
