"""The same text as a reader would see it, where somebody or something wrote it another way.

What is undone: other shapes of letters and digits (NFKC, mathematical, full-width, enclosed, digits of any script),
look-alikes of other scripts, accents, invisible characters (zero width, direction, soft hyphens, variation selectors,
tags, controls); entities, percent signs (twice as well), backslash escapes of JSON, JavaScript, Python and C,
quoted-printable, ``[at]`` and ``(dot)``; base64 and base64url (also over several lines, in data URLs, of UTF-16),
base32, hex, and characters by their codes; digits and letters one by one, odd separators, line ends, HTML tags and
Markdown in the middle of a value, digits as words. One inside the other, three deep.

What is not: ciphers (ROT13, XOR, encryption), words spelt backwards, compression, base85, Morse, Braille, punycode,
leet, values in pieces over several messages, acrostics, pictures of text. Who means to smuggle will; these views are
for what formats and editors do to a value, and for the tricks that are known.

A view costs nothing where nothing triggers it: one pass of RE2 over the text asks for all sorts at once. It holds only
the neighbourhood of what was changed, so a single odd character in a long text costs a look at one line.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from crossover.privacy.decoding import SORTS
from crossover.privacy.folding import Edit, Folds, load
from crossover.privacy.gate import library, options
from crossover.privacy.joining import JOINS

DEPTH = 3  # how often what was decoded is decoded again
BUDGET = 4  # the views of a text hold at most so many times its characters together
_BEFORE, _BEHIND = 64, 32  # characters around a change that tell what it is: a rule looks 48 back and 24 ahead
_SHORT = 400  # a text of so many characters is looked at whole
_WORD = 256  # characters of a word that may follow or precede, however far it goes
_APART = "\n\n\x00\n\n"  # between two neighbourhoods: no value goes over it
_SLACK = 2048  # beyond the budget: a short text may well be decoded into a longer neighbourhood
_PROSE = 12  # decoded characters from which on a model of names or of health is asked
_MEMORY = 48 << 20
_FOLD = len(SORTS) + len(JOINS)  # the place of the last trigger


class View(msgspec.Struct, frozen=True):
    """A text that stands for a part of another. ``joined``: something was put together that nobody wrote together.

    ``prose``: enough was decoded to be read as prose. ``starts`` are where its pieces begin, ``pieces`` from where to
    where they come in the text before, and whether they stand there as they are (1), changed character by character
    (0), as a whole (-1), or not at all (-2). ``parent`` is the view that this is a view of.
    """

    text: str
    joined: bool
    prose: bool
    starts: tuple[int, ...]
    pieces: tuple[tuple[int, int, int], ...]
    parent: View | None = None

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Where in the original text this stands; None where nothing in it was changed, or it never stood together."""
        first, last = bisect_right(self.starts, start) - 1, bisect_left(self.starts, end) - 1
        shapes = [shape for _, _, shape in self.pieces[first : last + 1]]
        return None if -2 in shapes or all(shape == 1 for shape in shapes) else self.where(start, end)

    def where(self, start: int, end: int) -> tuple[int, int]:
        """Where in the original text it stands, changed or not."""
        first, last = bisect_right(self.starts, start) - 1, bisect_left(self.starts, end) - 1
        low, _, shape = self.pieces[first]
        begin = low if shape < 0 else low + start - self.starts[first]
        low, high, shape = self.pieces[last]
        stop = high if shape < 0 else low + end - self.starts[last]
        return (begin, stop) if self.parent is None else self.parent.where(begin, stop)


class Views:
    """Makes the views of texts. ``engine`` is ``re2`` or ``stdlib``: the triggers are the same."""

    def __init__(self, folds: Folds, engine: str = "re2") -> None:
        self._folds = folds
        patterns = [*(sort.trigger for sort in SORTS), *(join.trigger for join in JOINS), folds.trigger]
        re2 = library() if engine == "re2" else None
        self._set: Any = None
        if re2 is not None:
            self._set = re2.Set.SearchSet(options(re2, _MEMORY))
            for pattern in (*patterns, r"\A"):
                self._set.Add(pattern)
            self._set.Compile()
        literals = [*(sort.literal for sort in SORTS), *(join.literal for join in JOINS), ""]
        self._all = tuple(enumerate(literals))

    def __call__(self, text: str) -> Iterable[View]:
        """Every view of the text, what was decoded first. ``text`` holds no lone surrogates."""
        hits = self.triggers(text)
        return self._all_of(text, hits) if hits else ()

    def _all_of(self, text: str, hits: Sequence[int]) -> Iterator[View]:
        left = BUDGET * len(text) + _SLACK
        waiting: list[tuple[str, View | None, int]] = [(text, None, 0)]
        while waiting and left > 0:
            said, parent, depth = waiting.pop(0)
            for view in self._of(said, hits if parent is None else self.triggers(said), parent, depth, left):
                left -= len(view.text)
                yield view
                if not view.joined:
                    waiting.append((view.text, view, depth + 1))

    def triggers(self, text: str) -> Sequence[int]:
        """Which sorts the text may hold: places in SORTS, then in JOINS, then that of folding. Never one too few."""
        hits = None if self._set is None else self._set.Match(text)
        if hits:
            return () if len(hits) == 1 else sorted(hits)[:-1]
        return [place for place, literal in self._all if not literal or literal in text]  # also where memory ran out

    def _of(
        self, text: str, hits: Sequence[int], parent: View | None, depth: int, left: int
    ) -> Iterator[View]:  # fmt: skip
        """The views of one text, of about ``left`` characters together: what is changed further behind is left out."""
        if depth < DEPTH:
            edits = [edit for place in hits if place < len(SORTS) for edit in SORTS[place].edits(text)]
            if _FOLD in hits:
                edits.extend(self._folds.edits(text))
            if edits:
                view = _view(text, _neighbourhoods(edits), parent, left, joined=False)
                left -= len(view.text)
                yield view
        joins = [JOINS[place - len(SORTS)] for place in hits if len(SORTS) <= place < _FOLD]
        places = [edits for join in joins for edits in join.places(text)]
        if places and left > 0:
            yield _view(text, places, parent, left, joined=True)


def _neighbourhoods(edits: list[Edit]) -> Iterator[Sequence[Edit]]:
    """Edits in order, none over another (the one that begins first, the longer one), those near each other together."""
    edits.sort(key=lambda edit: (edit[0], -edit[1]))
    near: list[Edit] = []
    for edit in edits:
        if near and edit[0] < near[-1][1]:
            continue
        if near and edit[0] - near[-1][1] > _BEFORE + _BEHIND:
            yield near
            near = []
        near.append(edit)
    if near:
        yield near


def _view(text: str, places: Iterable[Sequence[Edit]], parent: View | None, left: int, *, joined: bool) -> View:
    """The changed places of a text with what stands around them, one after the other, up to ``left`` characters."""
    parts: list[str] = []
    starts: list[int] = []
    pieces: list[tuple[int, int, int]] = []
    size = decoded = 0

    def put(said: str, low: int, high: int, shape: int) -> None:
        nonlocal size
        parts.append(said)
        starts.append(size)
        pieces.append((low, high, shape))
        size += len(said)

    for edits in places:
        at = _word_start(text, edits[0][0] - _BEFORE)
        for start, end, said in edits:
            if start > at:
                put(text[at:start], at, start, 1)
            put(said, start, end, 0 if len(said) == end - start else -1)
            decoded += len(said)
            at = end
        stop = _word_end(text, at + _BEHIND)
        put(text[at:stop], at, stop, 1)
        put(_APART, stop, stop, -2)
        if size > left:
            break
    return View("".join(parts), joined, decoded >= _PROSE and not joined, tuple(starts), tuple(pieces), parent)


def _word_start(text: str, at: int) -> int:
    """The same place, or where the word begins that it is in."""
    if at <= 0 or len(text) <= _SHORT:
        return 0
    low = max(0, at - _WORD)
    return max(at if text[at - 1].isspace() else low, *(text.rfind(blank, low, at) + 1 for blank in " \n"))


def _word_end(text: str, at: int) -> int:
    """The same place, or where the word ends that it is in."""
    if at >= len(text) or len(text) <= _SHORT:
        return len(text)
    high = min(len(text), at + _WORD)
    return min((found for blank in " \n" if (found := text.find(blank, at, high)) >= 0), default=high)


def shipped(engine: str = "re2") -> Views:
    """The views with the shipped table of look-alikes. Raises FileError where it is broken."""
    return Views(load(), engine)
