"""From findings in a text to hits: where each stands, and what stands around it, with every other finding marked."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from crossover.privacy.policy import NARRATIVE
from crossover.privacy.words import Classified, Finding
from crossover.sensitivity import Tier
from crossover.traffic.scan.words import Hit, Piece, Role, Spot

_NEWLINE = re.compile("\n")
AROUND = 60  # characters kept on each side of a value
PlaceOf = Callable[[int], tuple[int, int]]  # of a character of the text: its line and column in the file


class Lines:
    """Lines and columns of a text that begins at ``line`` and ``column`` of a file."""

    def __init__(self, text: str, line: int = 1, column: int = 1) -> None:
        self._starts = [match.end() for match in _NEWLINE.finditer(text)]
        self._line, self._column = line, column

    def __call__(self, at: int) -> tuple[int, int]:
        """Line and column of a character."""
        below = bisect_right(self._starts, at)
        if not below:
            return self._line, self._column + at
        return self._line + below, at - self._starts[below - 1] + 1


def hits(
    text: str,
    found: Sequence[Finding],
    place: PlaceOf,
    path: str = "",
    known: Classified | None = None,
    beside: Sequence[Finding] = (),
) -> Iterator[Hit]:
    """A hit for each of ``found``, which stand in ``text``. ``known`` is what the whole record holds.

    ``beside`` are findings of other records that stand near and must not be shown either.
    """
    own = frozenset(found) if beside else None
    ordered = sorted(found if own is None else own.union(beside), key=lambda one: (one.start, one.end))
    reach = list(accumulate((_end(one) for one in ordered), max))
    for at, one in enumerate(ordered):
        if own is not None and one not in own:
            continue
        line, column = place(one.start)
        yield Hit(
            spot=Spot(line, column, path),
            category=one.category,
            kind=one.kind,
            tier=_tier(one, known),
            score=one.score,
            rule=one.rule,
            context=tuple(_pieces(text, ordered, reach, at)),
        )


def _end(one: Finding) -> int:
    """Where a value that must not be shown beside others ends: a story is no value."""
    return 0 if one.kind in NARRATIVE else one.end


def _tier(one: Finding, known: Classified | None) -> Tier:
    """A health story beside something that says whose it is counts as hard: as the whole record does."""
    if (
        known is not None
        and one.tier == "soft"
        and (one.category, one.kind, "hard") in {row[:3] for row in known.counts}
    ):
        return "hard"
    return one.tier


def _pieces(text: str, ordered: Sequence[Finding], reach: Sequence[int], at: int) -> Iterator[Piece]:
    """What stands around finding number ``at``."""
    one = ordered[at]
    begin, end = max(one.start - AROUND, 0), min(one.end + AROUND, len(text))
    spans: list[tuple[int, int, Role]] = []
    before = at - 1
    while before >= 0 and reach[before] > begin:
        spans.append((ordered[before].start, min(_end(ordered[before]), one.start), "other"))
        if _end(ordered[before]) > one.end:
            spans.append((one.end, _end(ordered[before]), "other"))
        before -= 1
    for other in ordered[at + 1 :]:
        if other.start >= end:
            break
        spans.append((max(other.start, one.end), _end(other), "other"))
    spans.append((one.start, one.end, "value"))
    here = begin
    if begin:
        yield Piece("…", "plain")
    for first, last, role in sorted(spans):
        start, stop = max(first, here), min(last, end) if role == "other" else last
        if stop <= start:
            continue
        if start > here:
            yield Piece(text[here:start], "plain")
        yield Piece(text[start:stop], role)
        here = stop
    if here < end:
        yield Piece(text[here:end], "plain")
    if end < len(text):
        yield Piece("…", "plain")
