"""A user's own labelled texts: read with the line of every mistake, parted in two, and a model scored on them.

A line is a JSON object: ``{"text": …, "spans": [{"start", "end", "label"}]}`` for names (offsets in characters, as the
scan shows them), ``{"text": …, "label": true}`` for health (whether the text tells of somebody's health). No message
holds any of a text.
"""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import msgspec

from crossover.errors import FileError, InputError
from crossover.privacy.words import Finding
from crossover.textfile import open_file

What = Literal["names", "health"]
WHAT: tuple[What, ...] = get_args(What)
SpanLabel = Literal["person", "address", "place", "organisation"]
# What corpora call them. Places and organisations teach the model what is no person.
LABELS: dict[str, SpanLabel] = {
    **dict.fromkeys(("person", "per", "name", "names", "people", "person_name"), "person"),
    **dict.fromkeys(("address", "street_address", "street", "addr"), "address"),
    **dict.fromkeys(("place", "location", "loc", "gpe", "city", "country"), "place"),
    **dict.fromkeys(("organisation", "organization", "org", "company", "corporation", "group"), "organisation"),
}  # fmt: skip
LEAST = 20  # texts, below which a held-out fifth says nothing
MOST_TEXT = 100_000  # characters of one text
MOST_BYTES = 64 * 2**20  # of one line
_MOST_MISTAKES = 20
_FIFTH = 5
_LIKE = 0.8  # how like a known label a word is that was meant to be one

Find: TypeAlias = Callable[[str], Iterable[Finding]]


class Span(NamedTuple):
    """From ``start`` to ``end`` of a text, in characters, stands a ``label``."""

    start: int
    end: int
    label: SpanLabel


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A labelled text: its spans (names) or whether it tells of somebody's health (health)."""

    text: str
    spans: tuple[Span, ...] = ()
    told: bool = False


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds. ``left_out`` counts spans with labels that say nothing here (a product, a date)."""

    examples: list[Example]
    left_out: dict[str, int] = {}


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How a model did: ``hit`` of ``wanted`` were found, and ``right`` of ``found`` were wanted."""

    wanted: int
    hit: int
    found: int
    right: int

    @property
    def recall(self) -> float:
        """The share that was found; 1 where nothing was wanted."""
        return self.hit / self.wanted if self.wanted else 1.0

    @property
    def precision(self) -> float:
        """The share that is right; 1 where nothing was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both else 0.0


def read(path: Path, what: What) -> Labelled:
    """The labelled texts of a file of JSON lines. Labels that say nothing here are left out, and counted.

    Raises FileError with the line of the first mistake, the others (twenty at most) in ``more``; also where there are
    too few texts, or all say the same.
    """
    found: list[Example] = []
    wrong: list[FileError] = []
    left_out: Counter[str] = Counter()
    for number, line in _lines(path):
        try:
            found.append(_example(line, what, left_out))
        except InputError as error:
            wrong.append(FileError(error.message, file=str(path), line=number, field=error.field, hint=error.hint))
            if len(wrong) > _MOST_MISTAKES:
                break
    if wrong:
        first, *more = wrong
        first.more = tuple(more)
        raise first
    if len(found) < LEAST:
        raise FileError(f"holds {len(found)} labelled texts, of {LEAST} at least", file=str(path))
    labels = {one.told for one in found} if what == "health" else {bool(_wanted(one)) for one in found}
    if what == "health" and len(labels) < 2:
        raise FileError("every text has the same label", file=str(path), hint="Add texts of the other sort")
    if what == "names" and True not in labels:
        raise FileError("no span is a person or an address", file=str(path), hint="Label some")
    return Labelled(examples=found, left_out=dict(left_out.most_common()))


def parted(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """(to learn from, held out): a fifth, chosen by the texts alone, so always the same; equal texts stay together."""

    def place(one: Example) -> bytes:
        return hashlib.blake2b(one.text.encode("utf-8", "surrogatepass"), digest_size=8).digest()

    ordered = sorted(examples, key=place)
    cut = max(len(ordered) // _FIFTH, 1)
    while cut < len(ordered) - 1 and ordered[cut].text == ordered[cut - 1].text:
        cut += 1
    return ordered[cut:], ordered[:cut]


def score(find: Find, examples: Iterable[Example], what: What) -> Tally:
    """How a model does: for names by spans of which any part is found, for health by whole texts."""
    wanted = hit = found = right = 0
    for one in examples:
        some = list(find(one.text))
        if what == "health":
            wanted += one.told
            found += bool(some)
            hit += one.told and bool(some)
            right += one.told and bool(some)
            continue
        spans = _wanted(one)
        wanted += len(spans)
        found += len(some)
        hit += sum(any(span.start < each.end and each.start < span.end for each in some) for span in spans)
        right += sum(any(span.start < each.end and each.start < span.end for span in spans) for each in some)
    return Tally(wanted=wanted, hit=hit, found=found, right=right)


def _wanted(one: Example) -> list[Span]:
    return [span for span in one.spans if span.label in ("person", "address")]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every line that holds something, with its number."""
    with open_file(path) as file:
        number = 0
        while line := file.readline(MOST_BYTES):
            number += 1
            if len(line) >= MOST_BYTES:
                raise FileError("is longer than 64 MiB", file=str(path), line=number)
            if line.strip():
                yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _example(line: bytes, what: What, left_out: Counter[str]) -> Example:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InputError("is no JSON", hint='Write one object a line: {"text": "…", …}') from None
    if type(row) is not dict or type(row.get("text")) is not str:
        raise InputError("has no text", field="text", hint='Write {"text": "…", …}')
    text = row["text"]
    if not text.strip():
        raise InputError("is empty", field="text")
    if len(text) > MOST_TEXT:
        raise InputError(f"is longer than {MOST_TEXT:,} characters", field="text", hint="Cut it into several")
    if what == "health":
        told = row.get("label")
        if type(told) is not bool:
            raise InputError("is neither true nor false", field="label", hint="true: it tells of somebody's health")
        return Example(text=text, told=told)
    spans = row.get("spans")
    if type(spans) is not list:
        raise InputError("is no list", field="spans", hint='Write [{"start": 0, "end": 3, "label": "person"}] or []')
    found = (_span(one, f"spans[{at}]", text, left_out) for at, one in enumerate(spans))
    return Example(text=text, spans=tuple(span for span in found if span is not None))


def _span(row: Any, at: str, text: str, left_out: Counter[str]) -> Span | None:
    if type(row) is not dict:
        raise InputError("is no object", field=at, hint='Write {"start": 0, "end": 3, "label": "person"}')
    start, end, said = row.get("start"), row.get("end"), row.get("label")
    if type(start) is not int or type(end) is not int:
        raise InputError("start and end are whole numbers", field=at)
    if not 0 <= start < end <= len(text):
        raise InputError(
            f"{start} to {end} is no part of a text of {len(text):,} characters", field=at,
            hint="Offsets count characters from 0, the end is not included",
        )  # fmt: skip
    if type(said) is not str or not said.strip():
        raise InputError("has no label", field=at, hint="person, address, place, organisation, or another")
    word = said.strip().lower()
    label = LABELS.get(word)
    if label is None:
        close = difflib.get_close_matches(word, LABELS, n=1, cutoff=_LIKE)
        if close:
            raise InputError(f"unknown label {said!r}", field=f"{at}.label", hint=f"Did you mean {close[0]}?")
        left_out[said.strip()] += 1
        return None
    return Span(start, end, label)
