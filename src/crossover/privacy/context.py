"""Words near a value: "passport", "ssn", "geboren am" beside what could be any number.

A text is folded once (lower case, every character in its place) and each word is looked up in it once.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from crossover.privacy.columns import column

BEHIND = 24  # characters behind a value in which a word still counts
LONGEST = 64  # of a value in front of its word
POINTED = 64  # characters over which a sentence may point from a value to its word, or back
_MOST_CELLS = 5_000
_SHORTEST_CAMEL = 3  # letters of a word inside of a name; two meet by chance
_SHORTEST_SQUEEZED = 5  # letters of several words in one
_FEW = 6  # words that are looked up faster one by one
_MEMORY = 8 << 20  # bytes for the states of one list
_ANYTHING = frozenset(
    {"", "answer", "body", "content", "input", "message", "output", "prompt", "query", "text", "value"}
)
_SPACES = "\t\n\r\x0b\x0c_-\xa0"
_ACCENTED = ((0xC0, 0x250), (0x370, 0x400), (0x450, 0x452), (0x1E00, 0x2000))  # Latin, Greek, the Russian yo
_PREFIXES = {"א": "והבלמכש", "ا": "وفبكلا"}  # what Hebrew and Arabic write in one with the word behind it
_MOST_PREFIXES = 4
_BITS = 21  # of a character; three of them are one number
_ANY, _FOREIGN = -1, -2  # heads and tails of fewer characters, in ASCII or not
_CAMEL = re.compile("([a-z])([A-Z])")
_HUMP = re.compile(b"[A-Z](?<=[a-z].)")  # capitals first: they are rarer, and searched for faster
_SEVERAL = re.compile(b"[A-Z](?<=[a-z].)[a-z]+[A-Z][A-Za-z]{0,40}")  # no word for a context is longer
_NUMBER = "no|nr|num|number|nummer"  # what is glued to a word: ``taxno``, ``passportnumber``
_GLUED = re.compile(f"(?:{_NUMBER})(?![^\\W_])")
# Behind an abbreviation: what shows that it names a field whose value follows (``nif=``, ``<inn>``, ``ird no. 49-``).
_NAMES_VALUE = re.compile(
    rf"(?: ?(?:(?:{_NUMBER}|id|code)(?![a-z])|[#№]|n[°º])[\"'`\\*]{{0,4}} ?[.:=>|]{{0,2}}"
    r"|[\"'`\\*]{0,4} ?[:=>|]{1,2}| (?:is|est|ist|es)\b)[*]{0,2} ?[\"'`\\(\[]{0,4}(?:[a-z]{1,2} )?[a-z]{0,6}[0-9]"
)
_RIVAL = re.compile(r"[0-9](?:[ .-]?[0-9]){4}")  # another number, which the word may belong to
_ITS_OWN = re.compile(
    rf"[^0-9a-z]{{0,4}}(?:(?:{_NUMBER}|is|was|id|code)[^0-9a-z]{{1,4}}){{0,2}}[a-z]{{0,3}} ?[0-9](?:[ .-]?[0-9]){{4}}"
)
# "… 8845123? that is her passport", "passport … and the number on it is 8845123", in the languages of most texts.
_POINTS = re.compile(
    r"(?:\b(?:it|that|this|which|these|those)(?:[’'] ?s| is| was| are| should be| must be| may be| looks like)\b"
    r"|\b(?:das|dies|es|sie) (?:ist|war|sollte)\b|\bc[’'] ?est\b|\bto (?:jest )?(?:mój|jej|jego|nr|numer)\b"
    r"|\b(?:es|era|è|é|sería|sarebbe|dat|het|dit) (?:is |was )?(?:el|la|mi|su|tu|il|lo|o|a|mijn|zijn|haar|een|un|una)"
    r"\b|\bé (?:um|uma|meu|minha)\b)[^0-9.?!]{0,24}$"
)
_TELLS = re.compile(
    r"(?:(?:\b(?:the|its|this|that|my|his|her|their|our) (?:number|one|no)\b|\b(?:it|this|that)\b)[^0-9.?!:]{0,24}"
    r"(?:\bis|[’'] ?s|\breads?|\bsays|:)"
    r"|\b(?:nummer|numéro|número|numero|numer)\b[^0-9.?!:]{0,24}(?:\b(?:ist|lautet|est|es|is|jest)|\b[èé]|:))"
    r"[ :\"'(]{0,3}$"
)
_FOLD = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + _SPACES[:-1], "abcdefghijklmnopqrstuvwxyz" + " " * (len(_SPACES) - 1)
)


def lowered(text: str) -> str:
    """The text in lower case with spaces for every blank, ``_`` and ``-``; each character stays in its place."""
    if text.isascii():
        return text.translate(_FOLD)
    low = text.lower()
    if len(low) != len(text):  # one letter (I with a dot) becomes two
        low = "".join(character.lower()[0] for character in text)
    for blank in _SPACES:
        if blank in low:
            low = low.replace(blank, " ")
    return low


def folded(text: str) -> str:
    """As :func:`lowered`, and without accents: people leave them out, and capitals often have none."""
    low = lowered(text)
    return low if low.isascii() else _MARKED.sub(_unmarked, low)


def _bases() -> dict[str, str]:
    """What letters with accents are without, one for one."""
    found = dict(zip("łøđħŧıς’‘ʼ", "lodhtiσ'''", strict=True))
    for first, last in _ACCENTED:
        for letter in map(chr, range(first, last)):
            parts = unicodedata.normalize("NFD", letter)
            if letter == letter.lower() and len(parts) > 1 and all(map(unicodedata.combining, parts[1:])):
                found[letter] = parts[0]
    return found


_BASES = _bases()
_MARKED = re.compile(f"[{''.join(_BASES)}]")


def _unmarked(match: re.Match[str]) -> str:
    return _BASES[match[0]]


def spaced(field: str) -> str:
    """The name of a field as words: ``passportNumber`` as ``passport Number``."""
    return _CAMEL.sub(r"\1 \2", field)


def literals(words: Iterable[str]) -> str:
    """A pattern of RE2 that matches wherever one of the literals stands, whatever its case."""
    # RE2 does not know that Python lowers a dotted I to i
    return "(?i:" + "|".join(re.escape(word).replace("i", "[iİ]") for word in words) + ")"


def alternatives(words: Iterable[str]) -> str:
    """A pattern of RE2 that matches wherever one of the words might stand in a folded text: more often, never less.

    A word in ASCII begins where no letter or digit stands before it, and ends where no letter follows (but for a
    plural, and ``no`` or ``number``). The rest is left to :class:`Scan`.
    """
    inside: list[str] = []
    open_ended: list[str] = []
    whole: list[str] = []
    for word in sorted(words, key=_stem):  # neighbours share their beginning
        stem = _pattern(word)
        (inside if not in_ascii(word) else whole if _ends(word) else open_ended).append(stem)
    parts = ["|".join(inside)] if inside else []
    if whole:
        open_ended.append(f"(?:{'|'.join(whole)})(?:$|[^a-mo-rt-z])")  # no letter, or one of a plural, "no"
    if open_ended:
        parts.append(f"(?:^|[^0-9a-z])(?:{'|'.join(open_ended)})")
    return "|".join(parts)


def camels(words: Iterable[str]) -> str:
    """As :func:`alternatives`, for names in a text with its capitals: ``userSsn``, ``userSSN``, ``passportNumber``.

    Of several words the first and the next one's capital: ``taxFile``. Words in ASCII only; empty where there is none.
    """
    behind: list[str] = []
    before: list[str] = []
    humped: set[str] = set()  # the first of several words and the next one's capital
    for word in sorted(words, key=_stem):
        stem = _stem(word)
        first, rest = stem[:1].upper(), stem[1:]
        if in_ascii(word) and stem.isalpha() and len(stem) >= _SHORTEST_CAMEL:
            end = "s?(?:$|[^a-z])" if _ends(word) else ""
            behind.append(f"{first}(?i:{rest}){end}")
            before.append(f"[{first}{stem[0]}]{rest}")
        elif squeezed := _squeezed(word):
            head_of, _, other = rest.partition(" ")
            behind += (first + squeezed[1:], squeezed.upper())
            before.append(f"[{first}{stem[0]}]{squeezed[1:]}")
            last = stem.rpartition(" ")[2]
            before.append(f"[{last[0].upper()}{last[0]}]{last[1:]}" if last[1:] else last)
            humped.add(stem[0] + head_of + other[0].upper())
            if head_of:  # else two capitals meet
                humped.add(first + head_of + other[0].upper())
                behind.append(first + head_of + other[0].upper())
    parts: list[str] = []
    if behind:
        parts.append(f"[a-z](?:{'|'.join(behind)})|(?:^|[^0-9A-Za-z])(?:{'|'.join(before)})s?[A-Z]")
    if humped:
        parts.append(f"(?:^|[^0-9A-Za-z])(?:{'|'.join(sorted(humped))})")
    return "|".join(parts)


def humps(data: bytes) -> bytes:
    """A text in UTF-8 with a space before each capital behind a small letter: ``taxFile`` as ``tax File``."""
    return _HUMP.sub(rb" \g<0>", data)


def tails(data: bytes) -> bytes:
    """Words of several humps that stand behind a small letter: ``MyKad`` of ``theMyKad``, which :func:`humps` parts."""
    words = _SEVERAL.findall(data)
    return b" ".join([*words, *(word[hump.start() :] for word in words for hump in _HUMP.finditer(word))])


def in_ascii(word: str) -> bool:
    """Whether a folded word is in ASCII and begins with a letter or digit."""
    stem = _stem(word)
    return stem.isascii() and stem[:1].isalnum()


def _ends(word: str) -> bool:
    return not word.endswith("*") and word[-1:].isalpha()


def _unspaced(word: str) -> bool:
    """Whether the word is of a script that puts no spaces between words (Thai, Chinese, Japanese) or glues endings."""
    return any(character >= "\u0e00" for character in word)


class Nearby:
    """Where any of some words stands in a text. ``in_field``: one of them is in the name of its field."""

    __slots__ = ("_cells", "_ends", "_heads", "_low", "_pairs", "_starts", "_text", "in_field")

    def __init__(self, text: str, low: str, places: Iterable[tuple[int, int]], *, in_field: bool) -> None:
        self._text = text
        self._low = low
        self._pairs = sorted(places)
        self._starts = [start for start, _ in self._pairs]
        self._ends = sorted(end for _, end in self._pairs)
        self._cells: list[tuple[int, int]] | None = None
        self._heads: dict[int, int] = {}  # where a word at the head of a column ends, and the last row
        self.in_field = in_field

    def __bool__(self) -> bool:
        return self.in_field or bool(self._starts)

    def near(self, start: int, end: int, window: int) -> bool:
        """Whether a word stands up to ``window`` characters before ``start``, close behind ``end``, or in the field.

        A word at the head of a column says nothing of the others.
        """
        if self.in_field:
            return True
        before = bisect_right(self._ends, start) - 1
        if before >= 0 and start - self._ends[before] <= window:
            return self._last_row(self._ends[before]) <= start or self.in_column(start)
        behind = bisect_left(self._starts, end)
        return behind < len(self._starts) and self._starts[behind] - end <= BEHIND

    @property
    def cells(self) -> list[tuple[int, int]]:
        """Where the cells stand that have one of the words at the head of their column, in order."""
        if self._cells is None:
            spans: set[tuple[int, int]] = set()
            first = last = 0  # of the rows of the table before: no head stands in them
            for start, end in self._pairs if "\n" in self._text else ():
                below = list(column(self._text, start, end)) if not first < start < last else []
                if below and len(spans) < _MOST_CELLS:
                    first, last = self._text.index("\n", end), self._text.find("\n", below[-1][1])
                    last = last if last >= 0 else len(self._text)
                    self._heads[end] = last
                    spans.update(below)
            self._cells = sorted(spans)
        return self._cells

    def _last_row(self, end: int) -> int:
        """Where the last row of the table ends that the word is at the head of; -1 where it is at none."""
        return self._heads.get(end, -1) if self.cells else -1

    def in_column(self, start: int) -> bool:
        """Whether a value begins in one of those cells."""
        place = bisect_right(self.cells, (start, len(self._text) + 1)) - 1
        return place >= 0 and self.cells[place][1] > start

    def meant(self, start: int, end: int, reach: int) -> bool:
        """Whether a word further off means the value: no other number lies between, and none follows it as its own.

        Up to ``reach`` characters to either side; where a sentence points from one to the other, up to ``POINTED``.
        """
        low, most = self._low, max(reach, POINTED)
        place = bisect_right(self._ends, start) - 1
        if place >= 0 and start - self._ends[place] <= most:
            gap = low[self._ends[place] : start]
            if _RIVAL.search(gap) is None and (len(gap) <= reach or _TELLS.search(gap) is not None):
                return True
        place = bisect_left(self._starts, end)
        if place < len(self._starts) and self._starts[place] - end <= most:
            first, last = self._pairs[place]
            gap = low[end:first]
            if _RIVAL.search(gap) is None and _ITS_OWN.match(low, last) is None:
                return len(gap) <= reach or _POINTS.search(gap) is not None
        return False

    def right_before(self, start: int) -> int:
        """Where the word begins that ends right before ``start``, with nothing but marks and spaces between; or -1."""
        before = bisect_right(self._ends, start) - 1
        if before < 0 or start - self._ends[before] > 4 or _has_word(self._low[self._ends[before] : start]):
            return -1
        return min(first for first, last in self._pairs if last == self._ends[before])

    def adjoins(self, start: int) -> bool:
        """Whether one of the words is the one before that which begins at ``start``."""
        before = bisect_right(self._ends, start) - 1
        return before >= 0 and not self._low[self._ends[before] : start].strip(" ")

    def points_at(self, end: int) -> bool:
        """Whether a sentence behind the value says that it is one of the words: ``…? it is a passport number``."""
        place = bisect_left(self._starts, end)
        if place == len(self._starts) or self._starts[place] - end > POINTED:
            return False
        return _POINTS.search(self._low[end : self._starts[place]]) is not None

    def stretches(self, window: int, reach: int, *, columns: bool = False) -> list[tuple[int, int]]:
        """Where a value that needs one of the words may begin, as disjoint stretches in order."""
        if self.in_field:
            return [(0, len(self._low))]
        merged: list[tuple[int, int]] = []
        most = max(reach, POINTED)
        spans = [
            (max(0, begin - most - LONGEST), finish + max(window, most))
            for begin, finish in zip(self._starts, self._ends, strict=True)
        ]
        if columns and self.cells:
            spans = sorted(spans + self.cells)
        for first, last in spans:
            if merged and first <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return merged


class Scan:
    """One text under examination, with what was looked up in it. ``field`` is the name under which it stood."""

    __slots__ = ("_any_case", "_field", "_folded", "_lowered", "_nearby", "_pieces", "_places", "field", "text")

    def __init__(self, text: str, field: str = "", *, any_case: bool = False) -> None:
        self._any_case = any_case  # in names of fields capitals say nothing
        self.text = text
        self.field = field
        self._folded: str | None = None
        self._lowered: str | None = None
        self._pieces: frozenset[int] | None = None
        self._field: Scan | None = None
        self._places: dict[str, tuple[tuple[int, int], ...]] = {}
        self._nearby: dict[tuple[str, ...], Nearby] = {}

    @property
    def folded(self) -> str:
        """The text folded, once."""
        if self._folded is None:
            self._folded = folded(self.text)
        return self._folded

    @property
    def lowered(self) -> str:
        """The text in lower case with its accents, once."""
        if self._lowered is None:
            self._lowered = lowered(self.text)
        return self._lowered

    @property
    def pieces(self) -> frozenset[int]:
        """All of three characters that stand together in the folded text, as :func:`head` and :func:`tail` give them.

        Among them what a head or tail is that may stand in any text, or in any that is not all ASCII.
        """
        if self._pieces is None:
            low = self.folded
            codes = np.frombuffer(low.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
            threes = codes[:-2] | codes[1:-1] << _BITS | codes[2:] << 2 * _BITS
            self._pieces = frozenset((_ANY, _ANY if low.isascii() else _FOREIGN, *threes.tolist()))
        return self._pieces

    def nearby(self, words: tuple[str, ...]) -> Nearby:
        """Where the words stand, looked up once."""
        known = self._nearby.get(words)
        if known is None:
            known = self._nearby[words] = Nearby(
                self.text, self.folded, self._all(words), in_field=self.in_field(words)
            )
        return known

    def is_all(self, start: int, end: int) -> bool:
        """Whether the text holds nothing else: no letter or digit, and its field says nothing of it."""
        return self.may_be_all() and not _has_word(self.text[:start]) and not _has_word(self.text[end:])

    def may_be_all(self) -> bool:
        """Whether the text is short enough to hold one value, under a field that anything may stand in."""
        return len(self.text) <= LONGEST and self.field.lower() in _ANYTHING

    def anywhere(self, words: tuple[str, ...]) -> bool:
        """Whether one of the words stands in the text or in the name of the field."""
        return next(self._all(words), None) is not None or self.in_field(words)

    def in_field(self, words: tuple[str, ...]) -> bool:
        """Whether one of the words stands in the name of the field."""
        if not self.field:
            return False
        if self._field is None:
            self._field = Scan(spaced(self.field), any_case=True)
        return self._field.anywhere(words)

    def places(self, word: str) -> tuple[tuple[int, int], ...]:
        """Where a word stands in the text, looked up once: its starts and ends, in order."""
        known = self._places.get(word)
        if known is None:
            stem = _stem(word)
            known = tuple(self._find(word, stem)) if stem in self.folded else ()
            if " " in stem and "  " in self.folded and any(f"{part}  " in self.folded for part in stem.split(" ")[:-1]):
                known = tuple(sorted((*known, *self._spread(word, stem))))
            squeezed = _squeezed(word)
            if squeezed and squeezed in self.folded:
                known = tuple(sorted((*known, *self._find(word, squeezed))))
            self._places[word] = known
        return known

    def _all(self, words: tuple[str, ...]) -> Iterator[tuple[int, int]]:
        """Where the words stand in the text, word by word."""
        for word in _sifted(words)(self):
            yield from self.places(word)

    def _spread(self, word: str, stem: str) -> Iterator[tuple[int, int]]:
        """Where several words stand with more than one blank between two of them."""
        for found in {hit[0] for hit in re.finditer(re.escape(stem).replace(r"\ ", " {1,8}"), self.folded)} - {stem}:
            yield from self._find(word, found)

    def _find(self, word: str, stem: str) -> Iterator[tuple[int, int]]:
        prefix, capitals = word.endswith("*"), len(word) > 1 and stem.isascii() and word.isupper()
        low, size = self.folded, len(stem)
        at = low.find(stem)
        while at >= 0:
            as_written = not capitals or self._any_case or self.text[at : at + size].isupper()
            if (as_written or _NAMES_VALUE.match(low, at + size)) and self._whole(at, at + size, prefix=prefix):
                yield at, at + size
            at = low.find(stem, at + size)

    def _whole(self, start: int, end: int, *, prefix: bool) -> bool:
        """Whether a word and not a piece of one stands from ``start`` to ``end``."""
        low = self.folded
        if _unspaced(low[start:end]):
            return True
        glued = _GLUED.match(low, end)
        last = glued.end() if glued else end + 1 if low[end : end + 1] == "s" else end  # a plural
        camel = end - start >= _SHORTEST_CAMEL
        start = _before_prefixes(low, start)
        if start and low[start - 1].isalnum() and not (camel and self._camel(start - 1, start + 1, end)):
            return False
        if prefix or low[end - 1] in "#№":
            return True
        return not low[last : last + 1].isalnum() or (camel and self._camel(last - 1, start + 1, last))

    def _camel(self, at: int, start: int, end: int) -> bool:
        """Whether a small letter and a capital meet at ``at``, and the word's rest is one word or several in one."""
        rest = self.text[start:end]
        if _CAMEL.match(self.text, at) is None:
            return False
        return rest == "" or (rest.isascii() and rest.isalpha() and (rest.isupper() or rest[0].islower()))


def _before_prefixes(low: str, start: int) -> int:
    """Where a word of Hebrew or Arabic begins together with what is written in one with it ("the", "in", "and")."""
    letter = low[start]
    if not "\u0590" <= letter < "\u0700":
        return start
    prefixes = _PREFIXES["א" if letter < "\u0600" else "ا"]
    first = start
    while first and start - first < _MOST_PREFIXES and low[first - 1] in prefixes:
        first -= 1
    return first if not first or not low[first - 1].isalnum() else start


@functools.lru_cache(8192)
def _stem(word: str) -> str:
    """What of a word of context stands in a folded text."""
    return folded(word.removesuffix("*"))


@functools.lru_cache(8192)
def _squeezed(word: str) -> str:
    """Several words written as one, as names of fields are (``passportnumber``, ``taxFileNo``); empty where none is."""
    squeezed = _stem(word).replace(" ", "")
    several = " " in word and squeezed.isascii() and squeezed.isalpha() and len(squeezed) >= _SHORTEST_SQUEEZED
    return squeezed if several else ""


def _pattern(word: str) -> str:
    """A pattern for a word in a folded text, also where it is squeezed."""
    stem = _stem(word)
    if stem.isalnum():
        return stem
    literal = re.escape(stem)
    return literal.replace(r"\ ", " *" if _squeezed(word) else " +")


@functools.lru_cache(1024)
def _sifted(words: tuple[str, ...]) -> Callable[[Scan], Iterable[str]]:
    """Which of many words a text may hold: told by RE2 in one pass, or without it by how they begin."""
    from crossover.privacy.gate import library, options

    if len(words) <= _FEW:
        return lambda _scan: words
    re2 = library()
    if re2 is None:
        begin = [(word, head(word), tail(word)) for word in words]

        def by_head(scan: Scan) -> Iterable[str]:
            pieces = scan.pieces
            return [word for word, first, last in begin if first in pieces and last in pieces]

        return by_head
    some = re2.Set.SearchSet(options(re2, _MEMORY))
    for word in words:
        some.Add(_pattern(word))
    some.Add(r"\A")  # always there, unless memory ran out
    some.Compile()

    def sift(scan: Scan) -> Iterable[str]:
        hits = some.Match(scan.folded.encode("utf-8", "replace"))
        return [words[hit] for hit in sorted(hits)[:-1]] if hits else words

    return sift


def head(word: str) -> int:
    """How a word begins in a folded text: one of the text's pieces, where it holds the word."""
    stem = _stem(word)
    first = stem[:3] if stem[:3].startswith(" ") else stem[:3].partition(" ")[0]
    return _code(first)


def tail(word: str) -> int:
    """As :func:`head`, how it ends."""
    return _code(_stem(word).rpartition(" ")[2][-3:])


def _code(piece: str) -> int:
    if len(piece) < 3:
        return _ANY if piece.isascii() else _FOREIGN
    one, two, three = map(ord, piece)
    return one | two << _BITS | three << 2 * _BITS


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)
