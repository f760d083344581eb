"""What a text is (JSON lines, JSON, a table, plain text), and its records, whatever is wrong with it.

What cannot be read as what it is, is looked at as plain text and noted: nothing of a file goes unseen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import PurePath
from typing import Any

from crossover.traffic.scan import jsonrecords, passages, tables
from crossover.traffic.scan.context import Lines, hits
from crossover.traffic.scan.passages import reader_of
from crossover.traffic.scan.sources import Stream
from crossover.traffic.scan.words import Form, Look, Note, Seen

MOST_LINE = 32 * 2**20  # characters of a line of JSON that are read as JSON
MOST_JSON = 64 * 2**20  # characters of a JSON document that are read as JSON
_LINES = frozenset({".jsonl", ".ndjson", ".ldjson"})
_TABLES = frozenset({".csv", ".tsv", ".tab"})
_LOGS = frozenset({".log"})
_NUMBERED = 3  # lines named in a note


class Reader:
    """Reads one file. ``form`` is what it is, :meth:`records` yields what it holds, ``notes`` are for the user then."""

    def __init__(self, name: str, stream: Stream, look: Look, *, by_line: bool = False) -> None:
        """``by_line``: every line of plain text is a record; else a file is one, and lines are only in logs."""
        self._name = name
        self._stream = stream
        self._look = look
        suffix = PurePath(name.removesuffix(".gz")).suffix.lower()
        self.form: Form = _form(suffix, stream.head)
        self._by_line = by_line or suffix in _LOGS
        self._wrong: dict[str, list[int]] = {}
        self._times: Counter[str] = Counter()

    def records(self) -> Iterator[Seen]:
        """The records, looked at. Raises FileError where the file is damaged, once all before that has been given."""
        readers: dict[Form, Callable[[], Iterator[Seen]]] = {
            "jsonl": self._json_lines, "json": self._json, "csv": self._table, "text": self._plain,
        }  # fmt: skip
        yield from readers[self.form]()

    @property
    def notes(self) -> list[Note]:
        """What was wrong, a sentence for each sort of mistake."""
        found = []
        for what, lines in self._wrong.items():
            more = self._times[what] - len(lines)
            named = ", ".join(f"{line:,}" for line in lines)
            many = f"lines {named} and {more:,} more" if more else f"line{'s' * (len(lines) > 1)} {named}"
            found.append(Note(self._name, f"{many}: {what}", lines[0], self._times[what]))
        bad = self._stream.bad_line
        if bad is not None:
            places = f"{self._stream.bad:,} place{'s' * (self._stream.bad > 1)}"
            found.append(Note(self._name, f"line {bad:,}: no UTF-8 at {places}, read as �", bad, self._stream.bad))
        return found

    def _note(self, what: str, line: int) -> None:
        self._times[what] += 1
        if len(lines := self._wrong.setdefault(what, [])) < _NUMBERED:
            lines.append(line)

    # ---------------------------------------------------------------------------------------------------------- JSON

    def _json_lines(self) -> Iterator[Seen]:
        line = 0
        while text := self._stream.readline(MOST_LINE):
            line += 1
            if len(text) >= MOST_LINE and not text.endswith("\n"):
                self._note("longer than 32 million characters, read as plain text", line)
                yield from passages.whole(self._rest_of_line(text), self._look, line)
                continue
            if not text or text.isspace():
                continue
            try:
                tree = jsonrecords.parse(text)
            except ValueError:
                half = not text.endswith("\n")
                self._note("ends in the middle, read as plain text" if half else "no JSON, read as plain text", line)
                yield from passages.whole(reader_of(text), self._look, line)
                continue
            yield jsonrecords.record(text, tree, self._look, Lines(text, line))

    def _rest_of_line(self, begun: str) -> Callable[[int], str]:
        """Reads on to the end of a line of which the beginning is known."""
        waiting, ended = begun, False

        def read(most: int) -> str:
            nonlocal waiting, ended
            while len(waiting) < most and not ended:
                more = self._stream.readline(most)
                ended = not more or more.endswith("\n")
                waiting += more
            piece, waiting = waiting[:most], waiting[most:]
            return piece

        return read

    def _json(self) -> Iterator[Seen]:
        """A document: each item of a list at its top is a record, several documents are several records."""
        text = self._stream.read(MOST_JSON)
        if len(text) >= MOST_JSON:
            self._note("longer than 64 million characters, read as plain text", 1)
            yield from passages.whole(_joined(text, self._stream.read), self._look)
            return
        lines = Lines(text)
        end = 0
        for start, stop, tree in _documents(text):
            end = stop
            part = text[start:stop]
            yield jsonrecords.record(part, tree, self._look, _Below(lines, start))
        rest = text[end:].strip(" \t\r\n,]")
        if rest:
            self._note("no JSON from here on, read as plain text", lines(text.index(rest, end))[0])
            yield from passages.whole(reader_of(text[end:]), self._look, lines(end)[0])

    # --------------------------------------------------------------------------------------------------------- others

    def _table(self) -> Iterator[Seen]:
        found = tables.rows(self._stream.readline)
        first = next(found, None)
        if first is None:
            return
        apart = "\t" if self._name.lower().endswith((".tsv", ".tab")) else tables.delimiter_of(first.text)
        head = tables.cells(first.text, apart)
        columns: list[str] = []
        if tables.header_of(head) and not first.open:
            columns = [cell.text.strip() for cell in head]
            some = tuple(self._look(first.text, ""))
            if some:  # somebody's name as the name of a column: no record, but seen
                yield Seen(1, None, hits(first.text, some, Lines(first.text)))
        else:
            found = chain((first,), found)
        for row in found:
            if not row.text.strip():
                continue
            if row.open:
                self._note("a quote is never closed, read as plain text", row.line)
                yield from passages.whole(reader_of(row.text), self._look, row.line)
                continue
            yield tables.record(row, tables.cells(row.text, apart), columns, self._look)

    def _plain(self) -> Iterator[Seen]:
        reader = passages.by_line if self._by_line else passages.whole
        yield from reader(self._stream.read, self._look)


class _Below:
    """Lines and columns of a part of a text."""

    def __init__(self, lines: Lines, start: int) -> None:
        self._lines, self._start = lines, start

    def __call__(self, at: int) -> tuple[int, int]:
        return self._lines(self._start + at)


def _form(suffix: str, head: str) -> Form:
    """What a text is, by its beginning; the name only decides between a table and plain text."""
    if suffix in _TABLES:
        return "csv"
    if suffix in _LINES:
        return "jsonl"
    begun = head.lstrip("\ufeff \t\r\n")
    if begun[:1] not in ("{", "["):
        return "text"
    first, newline, _ = begun.partition("\n")
    if newline or len(begun) < len(head):
        try:
            if type(jsonrecords.parse(first)) is dict and begun[len(first) :].strip():
                return "jsonl"
        except ValueError:
            pass
    if suffix == ".json":
        return "json"
    return "json" if _is_json(begun) else "text"


def _is_json(text: str) -> bool:
    """Whether a text, or the whole file of which it is the beginning, is JSON: ``[1] see below`` is none."""
    try:
        json.loads(text)
    except ValueError as error:
        at = error.pos if isinstance(error, json.JSONDecodeError) else 0
        return len(text) > 1024 and at >= len(text) - 1024  # cut off at the end of the sample
    except RecursionError:
        return True
    return True


def _documents(text: str) -> Iterator[tuple[int, int, Any]]:
    """(start, end, value) of every document; of one that is a list at the top, of each item."""
    decoder = json.JSONDecoder()
    at = _after(text, 0, " \t\r\n\ufeff")
    if text[at : at + 1] == "[":
        at = _after(text, at + 1, " \t\r\n")
    while at < len(text):
        try:
            tree, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield at, end, tree
        at = _after(text, end, " \t\r\n,")


def _after(text: str, at: int, blanks: str) -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _joined(begun: str, more: Callable[[int], str]) -> Callable[[int], str]:
    """Reads what is there, then on."""
    first = reader_of(begun)

    def read(most: int) -> str:
        piece = first(most)
        return piece if len(piece) == most else piece + more(most - len(piece))

    return read
