"""A dictionary of words and phrases, up to a hundred thousand of them, found in one pass over the words of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from crossover.privacy.context import lowered

_WORD = re.compile(r"[^\W_]+")
_PLURAL = 4  # letters of a word or phrase that is known with an s behind it too
_GLUED = "\u0e00"  # scripts from here on do not put spaces between words (Thai, Chinese, Japanese, Korean)


class Phrases:
    """Finds whole words and phrases, whatever their case; blanks, ``-`` and ``_`` are one and the same."""

    def __init__(self, words: Iterable[str]) -> None:
        self._phrases = frozenset(lowered(" ".join(word.split())) for word in words) - {""}
        by_word: dict[str, set[tuple[int, int]]] = {}
        by_letter: dict[str, set[int]] = {}
        for phrase in self._phrases:
            first = _WORD.search(phrase)
            if first is None or first[0] >= _GLUED:
                by_letter.setdefault(phrase[0], set()).add(len(phrase))
            else:
                by_word.setdefault(first[0], set()).add((first.start(), len(phrase)))
        # by its first word: what stands before that word, and how long the phrase is; the longest first
        shapes: dict[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]] = {}
        self._by_word: dict[str, tuple[tuple[int, int], ...]] = {}
        for word, sizes in by_word.items():
            ordered = tuple(sorted(sizes, key=lambda size: (-size[1], size[0])))
            self._by_word[word] = shapes.setdefault(ordered, ordered)  # most are alike: kept once
        self._by_letter = {letter: tuple(sorted(sizes, reverse=True)) for letter, sizes in by_letter.items()}

    def spans(self, low: str) -> Iterator[tuple[int, int]]:
        """Start and end of each phrase in a lowered text: the longest at each place, none inside another.

        Several blanks count as one.
        """
        if "  " not in low:
            yield from self._spans(low)
            return
        narrow, places = _narrowed(low)
        for start, end in self._spans(narrow):
            yield places[start], places[end - 1] + 1

    def _spans(self, low: str) -> Iterator[tuple[int, int]]:
        end = 0
        by_word, phrases = self._by_word, self._phrases
        for word in _WORD.finditer(low):
            sizes = by_word.get(word[0]) or (by_word.get(word[0][:-1]) if word[0][-1] == "s" else None)
            if sizes is None:
                continue
            for before, length in sizes:
                start, last = word.start() - before, word.start() - before + length
                if start >= end and last <= len(low) and low[start:last] in phrases and _whole(low, start, last):
                    end = last
                    yield start, end
                    break
        yield from self._glued(low)

    def _glued(self, low: str) -> Iterator[tuple[int, int]]:
        if not self._by_letter or (low.isascii() and not any(letter.isascii() for letter in self._by_letter)):
            return
        end = 0
        for start, letter in enumerate(low):
            for length in self._by_letter.get(letter, ()):
                last = start + length
                if start >= end and last <= len(low) and low[start:last] in self._phrases:
                    end = last
                    yield start, end
                    break


def _narrowed(low: str) -> tuple[str, list[int]]:
    """The text with one blank for several, and where each of its characters stands in it."""
    places = [at for at, char in enumerate(low) if char != " " or not at or low[at - 1] != " "]
    return "".join([low[at] for at in places]), places


def _whole(low: str, start: int, end: int) -> bool:
    """Whether no letter or digit goes on at either end."""
    left = start > 0 and low[start].isalnum() and low[start - 1].isalnum()
    last = end + 1 if low[end : end + 1] == "s" and end - start >= _PLURAL and low[end - 1].isalpha() else end
    right = last < len(low) and low[end - 1].isalnum() and low[last].isalnum()
    return not left and not right
