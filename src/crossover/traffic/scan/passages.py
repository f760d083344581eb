"""Plain text, however long: looked at passage by passage, so that what runs over several lines is found too.

Each passage is seen with what stands before and behind it, and a finding counts in the passage in which it begins: so
each is found once, and none is cut by an edge.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

import msgspec

from crossover.errors import DetectionError
from crossover.privacy.classify import Tally
from crossover.privacy.policy import NARRATIVE
from crossover.privacy.words import NOTHING_FOUND, Classified, Finding
from crossover.traffic.scan.context import AROUND, Lines, hits
from crossover.traffic.scan.words import Look, Seen

PASSAGE = 131_072  # characters
LEAD, TAIL = 2_048, 8_192  # characters seen before and behind a passage; a private key has up to six thousand


class Passage:
    """A piece of a text with what stands around it: from ``begin`` to ``end`` it is this passage's own."""

    def __init__(self, text: str, begin: int, end: int, lines: Lines) -> None:
        self.text = text
        self.begin = begin
        self.end = end
        self.lines = lines


def passages(read: Callable[[int], str], line: int = 1) -> Iterator[Passage]:
    """A text in passages that end with a line where they can; ``line`` is the number of its first.

    ``read`` gives as many characters as it is asked for; fewer are the last.
    """
    lead, waiting, column = "", "", 1
    while True:
        fresh = read(PASSAGE)
        text = lead + waiting + fresh
        begin, end = len(lead), len(text)
        last = len(fresh) < PASSAGE
        if not last:
            end = text.rfind("\n", begin, max(begin, len(text) - TAIL)) + 1
            if end <= begin:
                end = max(begin, len(text) - TAIL)
        if end > begin:
            places = Lines(text, line, column)
            yield Passage(text, begin, end, places)
            kept = max(end - LEAD, 0)
            line, column = places(kept)
            lead, waiting = text[kept:end], text[end:]
        else:
            waiting = text[begin:]
        if last:
            return


def reader_of(text: str) -> Callable[[int], str]:
    """A text as something to read from."""
    at = 0

    def read(most: int) -> str:
        nonlocal at
        piece = text[at : at + most]
        at += len(piece)
        return piece

    return read


def whole(read: Callable[[int], str], look: Look, line: int = 1) -> Iterator[Seen]:
    """The text as one record. Nothing at all where it holds only white space."""
    tally = Tally()
    first, trouble, blank = line, "", True
    for passage in passages(read, line):
        blank = blank and passage.text.isspace()
        try:
            found = list(look(passage.text, ""))
        except DetectionError as error:
            if not trouble:
                first, trouble = passage.lines(passage.begin)[0], error.message
            continue
        if own := _own(passage, found):
            tally.add(own)
            yield Seen(line, None, hits(passage.text, own, passage.lines, known=tally.classified(), beside=found))
    if not blank:
        known = tally.classified(trouble)
        yield Seen(first, msgspec.structs.replace(known, failed=True) if trouble else known, trouble=trouble)


def by_line(read: Callable[[int], str], look: Look) -> Iterator[Seen]:
    """Every line that is not empty as a record; what runs over several lines belongs to the one where it begins.

    A story is told by a whole text, so each line is asked for its own.
    """
    for passage in passages(read):
        try:
            found = [one for one in look(passage.text, "") if one.kind not in NARRATIVE]
            own = [*_own(passage, found), *_stories(passage, look)]
        except DetectionError as error:
            count = _lines(passage.text, passage.begin, passage.end)
            failed = Classified(opaque=error.message, failed=True)
            yield Seen(passage.lines(passage.begin)[0], failed, records=count, trouble=error.message)
            continue
        here = passage.begin
        near = _Near(found)
        for start, stop, some in _by_line(passage, own):
            if clean := _lines(passage.text, here, start):
                yield Seen(passage.lines(here)[0], NOTHING_FOUND, records=clean)
            tally = Tally()
            tally.add(some)
            known = tally.classified()
            others = near(start - AROUND, stop + AROUND)
            yield Seen(
                passage.lines(start)[0], known, hits(passage.text, some, passage.lines, known=known, beside=others)
            )
            here = stop
        if clean := _lines(passage.text, here, passage.end):
            yield Seen(passage.lines(here)[0], NOTHING_FOUND, records=clean)


def _own(passage: Passage, found: Iterable[Finding]) -> list[Finding]:
    """What begins in the passage's own part."""
    return [one for one in found if passage.begin <= one.start < passage.end]


class _Near:
    """The findings of a text that stand between two places of it, however far they go beyond."""

    def __init__(self, found: Iterable[Finding]) -> None:
        self._found = sorted(found, key=lambda one: one.start)
        self._starts = [one.start for one in self._found]
        self._reach = list(accumulate((one.end for one in self._found), max))

    def __call__(self, begin: int, end: int) -> list[Finding]:
        return self._found[bisect_right(self._reach, begin) : bisect_left(self._starts, end)]


def _stories(passage: Passage, look: Look) -> Iterator[Finding]:
    """The stories of single lines."""
    start = passage.begin
    for line in passage.text[passage.begin : passage.end].split("\n"):
        if " " in line:
            for one in look(line, ""):
                if one.kind in NARRATIVE:
                    yield msgspec.structs.replace(one, start=one.start + start, end=one.end + start)
        start += len(line) + 1


def _by_line(passage: Passage, found: Sequence[Finding]) -> Iterator[tuple[int, int, list[Finding]]]:
    """Begin and end of each line in which something begins, with what does."""
    waiting = sorted(found, key=lambda one: one.start)
    at = 0
    while at < len(waiting):
        start = max(passage.text.rfind("\n", 0, waiting[at].start) + 1, passage.begin)
        stop = passage.text.find("\n", waiting[at].start, passage.end) + 1 or passage.end
        last = at
        while last < len(waiting) and waiting[last].start < stop:
            last += 1
        yield start, stop, waiting[at:last]
        at = last


def _lines(text: str, begin: int, end: int) -> int:
    """Lines from ``begin`` to ``end`` that hold something."""
    return sum(1 for line in text[begin:end].split("\n") if line and not line.isspace())
