"""Where a pattern stands in a text: by RE2 in one pass where it is installed, by ``re`` otherwise, at equal places.

For detectors that look closer only where something speaks for it: a text without costs about 3 µs for each kilobyte. A
pattern is in the syntax that both share, in lower case, and ignores case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from crossover.privacy.gate import library, options
from crossover.privacy.secret_values import lowered

Span: TypeAlias = tuple[int, int]
Seek: TypeAlias = Callable[[str], Iterator[Span]]

Sieve: TypeAlias = Callable[[str], Sequence[int]]

_SIEVE_MEMORY = 48 << 20
_MEMORY = 32 << 20  # bytes for the states of one pattern; where they do not do, RE2 is slower and not wrong


def seeker(pattern: str, first: str, *, engine: str = "re2") -> Seek:
    """A function that gives the span of the first group that took part, for one match after the other.

    The next match begins behind that group, so matches may overlap beyond it. ``first`` is how every match begins, as
    alternatives of literals: only ``re`` looks at it, which is slow where a pattern has none. ``engine`` ``stdlib``
    leaves RE2 out.
    """
    re2 = library() if engine == "re2" else None
    if re2 is None:
        return _by_re(re.compile(pattern, re.IGNORECASE | re.ASCII), re.compile(first))
    flags = options(re2, _MEMORY)
    flags.case_sensitive = False
    return _by_re2(re2.compile(pattern, flags))


def sieve(patterns: Sequence[str], *, engine: str = "re2") -> Sieve:
    """A function that says which of several patterns a text may hold, by their places: RE2 asks for all at once.

    Without RE2, and where its memory ran out, all of them: to seek is as quick then.
    """
    re2 = library() if engine == "re2" else None
    everything = tuple(range(len(patterns)))
    if re2 is None:
        return lambda _text: everything
    flags = options(re2, _SIEVE_MEMORY)
    flags.case_sensitive = False
    some = re2.Set.SearchSet(flags)
    for pattern in (*patterns, r"\A"):  # the last one matches always, unless memory ran out
        some.Add(pattern)
    some.Compile()

    def sift(text: str) -> Sequence[int]:
        hits = some.Match(text.encode("utf-8", "replace"))
        if not hits:
            return everything
        return sorted(hits)[:-1] if len(hits) > 1 else ()

    return sift


def _by_re(regex: re.Pattern[str], first: re.Pattern[str]) -> Seek:
    def seek(text: str) -> Iterator[Span]:
        text = lowered(text).replace("ſ", "s")  # re folds what is not ASCII only with a \w that is not ASCII
        at = 0
        while (begin := first.search(text, at)) is not None:
            match = regex.match(text, begin.start())
            if match is None:
                at = begin.start() + 1
                continue
            span = _group(match.regs)
            yield span
            at = max(span[1], at + 1)

    return seek


def _by_re2(regex: Any) -> Seek:
    search = regex.search

    def seek(text: str) -> Iterator[Span]:
        raw = text.encode("utf-8", "replace")  # one question mark for each lone surrogate
        plain = len(raw) == len(text)
        at = known = counted = 0  # from which byte to search; up to which byte characters are counted, and how many
        while (match := search(raw, at)) is not None:
            start, end = _group([match.span(group) for group in range(regex.groups + 1)])
            at = max(end, at + 1)
            if not plain:
                counted += len(raw[known:start].decode("utf-8", "ignore"))
                known = start
                start, end = counted, counted + len(raw[start:end].decode("utf-8", "ignore"))
            yield start, end

    return seek


def _group(spans: Sequence[Span]) -> Span:
    return next((span for span in spans[1:] if span[0] >= 0), spans[0])
