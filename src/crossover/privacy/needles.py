"""Many exact values in a text: where each stands.

Not a regular expression: values would live on in its cache, and for a handful of values plain search is faster.
"""

from __future__ import annotations

from collections.abc import Iterable

FEW = 48  # values up to which each is searched by itself; more are looked up by how they begin
_HEAD = 4
_UNSPACED = 0x0E00  # scripts from Thai on write no spaces between words
Span = tuple[int, int]


class Needles:
    """Values to search for. Upper and lower case differ.

    A short word (``Anna``) counts only where no letter or digit stands beside it, so that it is not found in
    ``Annapolis``; what is longer, of several words, or has digits counts anywhere.
    """

    __slots__ = ("_bounded", "_heads", "_single", "_sizes", "values")

    def __init__(self, values: Iterable[str]) -> None:
        self.values = frozenset(filter(None, values))
        self._bounded = frozenset(value for value in self.values if not _anywhere(value))  # for whom neighbours matter
        self._sizes = tuple({len(value) for value in self._bounded})
        many = len(self.values) > FEW
        self._single = sorted(value for value in self.values if not many or len(value) < _HEAD)
        self._heads: dict[str, list[str]] = {}
        if many:
            for value in self.values:
                if len(value) >= _HEAD:
                    self._heads.setdefault(value[:_HEAD], []).append(value)

    def find(self, text: str, begin: int = 0, stop: int | None = None) -> list[Span]:
        """Every place of every value from ``begin`` to ``stop``, in no order; they may overlap.

        What lies beyond these two counts as no letter.
        """
        stop = len(text) if stop is None else stop
        found: list[Span] = []
        for value in self._single:
            start = text.find(value, begin, stop)
            while start >= 0:
                end = start + len(value)
                if _counts(text, start, end, begin, stop):
                    found.append((start, end))
                start = text.find(value, start + 1, stop)
        if self._heads:
            self._by_heads(text, begin, stop, found)
        return found

    def touch(self, text: str, begin: int, stop: int) -> bool:
        """Whether a value for which neighbours matter stands right behind ``begin`` or right before ``stop``."""
        bounded = self._bounded
        return any(
            size <= stop - begin and (text[begin : begin + size] in bounded or text[stop - size : stop] in bounded)
            for size in self._sizes
        )

    def _by_heads(self, text: str, begin: int, stop: int, found: list[Span]) -> None:
        heads = self._heads
        for start in range(begin, stop - _HEAD + 1):
            for value in heads.get(text[start : start + _HEAD], ()):
                end = start + len(value)
                if end <= stop and text.startswith(value, start) and _counts(text, start, end, begin, stop):
                    found.append((start, end))


def _counts(text: str, start: int, end: int, begin: int, stop: int) -> bool:
    """Whether a value counts where it stands."""
    if (start > begin and _joined(text[start - 1], text[start])) or (
        end < stop and _joined(text[end - 1], text[end])
    ):  # fmt: skip
        return _anywhere(text[start:end])
    return True


def _anywhere(value: str) -> bool:
    """Whether a value counts inside a word too."""
    return len(value) >= 8 or " " in value or (len(value) >= 6 and any(map(str.isdigit, value)))


def _joined(first: str, second: str) -> bool:
    """Whether two neighbours are of one word."""
    return first.isalnum() and second.isalnum() and ord(first) < _UNSPACED and ord(second) < _UNSPACED


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that overlap as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
