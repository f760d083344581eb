"""Records that are rows of a table: each cell is looked at under the name of its column and found again in its row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from crossover.chat import ChatRequest
from crossover.errors import DetectionError
from crossover.privacy import extract
from crossover.privacy.classify import Tally
from crossover.privacy.fields import WORDS
from crossover.privacy.words import NOTHING_FOUND, Classified, Finding
from crossover.traffic.scan.context import Lines, hits
from crossover.traffic.scan.words import Hit, Look, Seen

DELIMITERS = (",", ";", "\t", "|")
MOST_LINES = 10_000  # of one row: a quote that is open for longer was no quote
MOST_CHARACTERS = 32 * 2**20  # of one row
_LONGEST_NAME = 80


class Cell(NamedTuple):
    """A cell: what it says, where that begins in the row, and whether it is quoted."""

    text: str
    start: int
    quoted: bool


def delimiter_of(line: str) -> str:
    """The character that parts the cells of a first line: the most frequent one outside of quotes."""
    bare = re.sub(r'"(?:[^"]|"")*"', "", line)
    return max(DELIMITERS, key=bare.count)


def cells(row: str, delimiter: str) -> list[Cell]:
    """The cells of a row (without its line end)."""
    found: list[Cell] = []
    at, apart = 0, re.escape(delimiter)
    pattern = re.compile(rf'[ ]*"((?:[^"]|"")*+)"[^{apart}]*|([^{apart}]*)')
    while True:
        match = pattern.match(row, at)
        assert match is not None
        quoted = match[1] is not None
        text = match[1].replace('""', '"') if quoted else match[2]
        found.append(Cell(text, match.start(1) if quoted else match.start(2), quoted))
        at = match.end() + 1
        if at > len(row):
            return found


class Row(NamedTuple):
    """A row as it stands in the file, from ``line`` on. ``open``: a quote in it never closes."""

    text: str
    line: int
    open: bool = False


def rows(readline: Callable[[int], str]) -> Iterator[Row]:
    """Rows, which may run over several lines inside of quotes."""
    number, line = 0, 1
    while text := readline(MOST_CHARACTERS):
        number += 1
        first = number
        parts = [text]
        quotes, size = text.count('"'), len(text)
        while quotes % 2 and len(parts) < MOST_LINES and size < MOST_CHARACTERS and (more := readline(MOST_CHARACTERS)):
            parts.append(more)
            quotes += more.count('"')
            size += len(more)
            number += 1
        line = first
        yield Row("".join(parts).rstrip("\r\n"), line, bool(quotes % 2))


def header_of(row: Sequence[Cell]) -> bool:
    """Whether a first row names columns: short words, none twice, no bare number."""
    names = [cell.text.strip() for cell in row]
    return len(set(names)) == len(names) and all(
        0 < len(name) <= _LONGEST_NAME and any(map(str.isalpha, name)) and "@" not in name for name in names
    )


def record(row: Row, parts: Sequence[Cell], columns: Sequence[str], look: Look) -> Seen:
    """A row that was looked at cell by cell. Columns without a name are numbered."""
    names = [columns[at] if at < len(columns) else f"column {at + 1}" for at in range(len(parts))]
    tally = Tally()
    found: list[tuple[int, str, Sequence[Finding]]] = []
    opaque = ""
    try:
        for at, (name, cell) in enumerate(zip(names, parts, strict=True)):
            if not cell.text or cell.text.isspace():
                continue
            texts, _, riddle = extract.read(ChatRequest(model="", messages=(), tree={"input": {name: cell.text}}))
            opaque = opaque or riddle
            for text, field in texts[0 if name in WORDS else 1 :]:  # the name of the column stands first
                some = tuple(look(text, "" if field in extract.SILENT else field))
                if some:
                    tally.add(some)
                    found.append((at, text, some))
    except DetectionError as error:
        return Seen(row.line, Classified(opaque=error.message, failed=True), trouble=error.message)
    known = tally.classified(opaque)
    if not found:
        return Seen(row.line, known if opaque else NOTHING_FOUND)
    return Seen(row.line, known, _hits(row, parts, names, found, known))


def _hits(
    row: Row,
    parts: Sequence[Cell],
    names: Sequence[str],
    found: Sequence[tuple[int, str, Sequence[Finding]]],
    known: Classified,
) -> Iterator[Hit]:
    lines = Lines(row.text, row.line)
    for at, text, some in found:
        cell = parts[at]
        inside = cell.text.find(text)  # else it is JSON with escapes: then its cell is the place
        yield from hits(text, some, _PlaceOf(cell, max(inside, 0), inside >= 0, lines), names[at], known)


class _PlaceOf:
    """Places of the characters of a text that begins ``offset`` characters into a cell."""

    __slots__ = ("_cell", "_exact", "_lines", "_offset")

    def __init__(self, cell: Cell, offset: int, exact: bool, lines: Lines) -> None:
        self._cell, self._offset, self._exact, self._lines = cell, offset, exact, lines

    def __call__(self, at: int) -> tuple[int, int]:
        inside = self._offset + at if self._exact else 0
        doubled = self._cell.text.count('"', 0, inside) if self._cell.quoted else 0
        return self._lines(self._cell.start + inside + doubled)
