"""Recorded requests from a file: CSV or JSONL, plain or gzip, streamed, in bounded memory.

A row that cannot be read is counted and named by its line; more than 1 % of them stops the reading. At most
``MAX_ROWS`` requests are kept, the first ones of the file, with a note: a window in one piece keeps the gaps between
arrivals true, which a sample would not.
"""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import chain, compress, islice
from operator import itemgetter
from pathlib import Path

import msgspec
import numpy as np

from crossover.errors import FileError
from crossover.traffic import csvrows
from crossover.traffic.blocks import MAX_LINE_BYTES, Block, read_blocks
from crossover.traffic.csvrows import Ints, Layout
from crossover.traffic.formats import Mapping, check, detect, parse_columns
from crossover.traffic.jsonrows import LineReader, Part, PrefixCache
from crossover.traffic.rows import Row, RowError, Table, read_row
from crossover.traffic.times import ELAPSED_BELOW, FORM_WORDS, NS_PER_UNIT, Form, Unit, form_of, iso_start, shown
from crossover.workload import Trace

MAX_ROWS = 4_000_000  # about 40 bytes each and as much again while they are sorted: below 500 MB in all
MAX_QUOTED_CHARS = 4 * 2**20  # a quoted prompt of a million tokens fits; an open quote swallows no more than this
_HEAD_ROWS = 64  # rows that decide the form of the time column
_HEAD_LINES = 1000  # lines looked at to find them
_DELIMITERS = ",;\t|"


def read_trace(
    path: str | Path,
    *,
    columns: str | None = None,
    name: str | None = None,
    fast: bool = True,
    max_rows: int = MAX_ROWS,
) -> Trace:
    """Read a CSV or JSONL trace, plain or gzip.

    ``columns`` maps columns that have no known name (``time=ts,input=in,output=out,cached=hit``). ``fast=False`` reads
    row by row, with the same result. Arrivals are sorted; what was repaired, left out or assumed stands in ``notes``.
    Raises FileError with file, line and field.
    """
    place = Path(path)
    mapping = None if columns is None else parse_columns(columns)
    blocks = read_blocks(place)
    first = next(blocks, None)
    while first is not None and not first.data.strip():
        first = next(blocks, None)
    if first is None:
        raise FileError("holds no request", file=str(place), hint="A trace has one request per line")
    stream = chain([first], blocks)
    table = Table(str(place), max_rows)
    if first.data.lstrip()[:1] in (b"{", b"["):
        found, form, notes = _read_json(stream, first, mapping, table, fast)
    else:
        found, form, notes = _read_csv(stream, mapping, table, fast)
    return _assembled(name or place.name, table, found, form, notes)


def _read_csv(
    blocks: Iterator[Block], mapping: Mapping | None, table: Table, fast: bool
) -> tuple[Mapping, Form, list[str]]:
    """Fill the table from CSV; gives the mapping, the form of the times and what to note."""
    header, delimiter, first = _header(next(blocks), table.file)
    found = detect(header, table.file) if mapping is None else check(mapping, header, table.file)
    if found.blocks is not None:
        raise FileError("block ids are read from JSONL only", file=table.file, field="--columns")
    while not first.data.strip() and (following := next(blocks, None)) is not None:
        first = following
    index = {column: place for place, column in reversed(list(enumerate(header)))}
    head = _rows_of(first.data.split(b"\n", _HEAD_LINES)[:_HEAD_LINES], delimiter)
    values = [row[index[found.time]] for row in head if len(row) > index[found.time]]
    form, unit = _time_form(values, found, table.file)
    layout = Layout(
        delimiter=delimiter,
        width=len(header),
        time=index[found.time],
        input=index[found.input],
        output=index[found.output],
        cached=-1 if found.cached is None else index[found.cached],
        form=form,
        unit=unit,
    )
    reader = _CsvReader(header, found, layout, table)
    stream = chain([first], blocks)
    limit = csv.field_size_limit(MAX_QUOTED_CHARS)
    try:
        for block in stream:
            reader.block(block, stream, fast)
            if table.full:
                break
    finally:
        csv.field_size_limit(limit)
    return found, form, []


class _CsvReader:
    """Reads blocks of CSV into a table: at once where it can, row by row where it must."""

    def __init__(self, header: list[str], mapping: Mapping, layout: Layout, table: Table) -> None:
        self._header, self._mapping, self._layout, self._table = header, mapping, layout, table

    def block(self, block: Block, stream: Iterator[Block], fast: bool) -> None:
        """Read one block; a quoted field that runs over its end draws the next one from the stream."""
        for line in block.too_long:
            self._table.problem(line, _too_long())
        part = csvrows.parse(block.data, self._layout) if block.data and (fast or b'"' not in block.data) else None
        if part is None:
            self._rows(block, stream, fast)
            return
        if not fast:
            part.ok[:] = False
        for place in np.flatnonzero(~part.ok & ~part.blank).tolist():
            line = block.line + place
            text = block.data[int(part.starts[place]) : int(part.ends[place])].decode(errors="replace")
            self._read(part, place, line, next(csv.reader([text], delimiter=self._layout.delimiter), []))
        self._table.add(part.ok, part.ns, part.input, part.output, part.cached)

    def _rows(self, block: Block, stream: Iterator[Block], fast: bool) -> None:
        """Rows with quotes: cut all at once, or line by line where a field runs over several lines."""
        texts = block.data.decode(errors="replace").split("\n")[:-1]
        if not block.too_long and block.data.count(b'"') % 2 == 0:
            try:
                cut = list(csv.reader(texts, delimiter=self._layout.delimiter))
            except csv.Error:
                cut = []
            if len(cut) == len(texts):  # no line break inside quotes
                self._cut(range(block.line, block.line + len(cut)), cut, fast)
                return
        found = self._lines(block, stream)
        self._cut([line for line, _ in found], [fields for _, fields in found], fast)

    def _lines(self, block: Block, stream: Iterator[Block]) -> list[tuple[int, list[str]]]:
        """Rows with the number of their first line; draws on the stream while a quote is open."""
        pending = deque(block.data.split(b"\n")[:-1])
        start = line = block.line
        skip = set(block.too_long)

        def lines() -> Iterator[str]:
            nonlocal line
            while True:
                if not pending:
                    following = next(stream, None)
                    if following is None:
                        return
                    pending.extend(following.data.split(b"\n")[:-1])
                line += 1
                yield pending.popleft().decode(errors="replace") + "\n"

        source = lines()
        found: list[tuple[int, list[str]]] = []
        reader = csv.reader(source, delimiter=self._layout.delimiter)
        while pending:
            start = line
            try:
                fields = next(reader, None)
            except csv.Error:
                self._table.problem(start, RowError("", "opens a quote that never closes"))
                reader = csv.reader(source, delimiter=self._layout.delimiter)
                continue
            if fields and start not in skip:
                found.append((start, fields))
        return found

    def _cut(self, lines: Sequence[int], rows: list[list[str]], fast: bool) -> None:
        """Add rows whose fields are cut already."""
        part = self._compact(rows, fast)
        for place in np.flatnonzero(~part.ok).tolist():
            self._read(part, place, lines[place], rows[place])
        self._table.add(part.ok, part.ns, part.input, part.output, part.cached)

    def _compact(self, rows: list[list[str]], fast: bool) -> csvrows.Part:
        """Rows whose fields are cut already: only the columns that count, written again as plain CSV and parsed."""
        layout = self._layout
        wanted = [place for place in (layout.time, layout.input, layout.output, layout.cached) if place >= 0]
        pick, join = itemgetter(*wanted), layout.delimiter.join
        if not fast:
            text = [""] * len(rows)
        elif set(map(len, rows)) == {layout.width}:
            text = list(map(join, map(pick, rows)))
        else:
            text = [join(pick(fields)) if len(fields) == layout.width else "" for fields in rows]
        data = ("\n".join(text) + "\n").encode() if text else b""
        cached = 3 if layout.cached >= 0 else -1
        plain = layout._replace(width=len(wanted), time=0, input=1, output=2, cached=cached)
        part = csvrows.parse(data, plain) if data.count(b"\n") == len(rows) else None
        if part is None:  # a line break or a quote inside a field that counts: none of them is a number
            part = csvrows.parse(b"\n" * len(rows), plain)
        assert part is not None
        return part

    def _read(self, part: csvrows.Part, place: int, line: int, fields: list[str]) -> None:
        row = self._row(line, fields)
        if row is not None:
            part.ok[place] = True
            part.ns[place], part.input[place], part.output[place], part.cached[place] = row[:4]

    def _row(self, line: int, fields: list[str]) -> Row | None:
        """One row, or None when it is blank or bad (then it is counted)."""
        if not any(field.strip() for field in fields):
            return None
        width = self._layout.width
        if len(fields) < width or any(field.strip() for field in fields[width:]):
            what = f"has {len(fields)} field{'s' if len(fields) > 1 else ''} where the header has {width}"
            self._table.problem(line, RowError("", what))
            return None
        values = dict(zip(reversed(self._header), reversed(fields[:width]), strict=True))
        try:
            return read_row(values, self._mapping, self._layout.form, self._layout.unit)
        except RowError as error:
            self._table.problem(line, error)
            return None


def _header(block: Block, file: str) -> tuple[list[str], str, Block]:
    """Column names, delimiter, and the block after the header line."""
    data, line = block.data, block.line
    while True:
        text, _, data = data.partition(b"\n")
        line += 1
        if text.strip():
            break
    first = text.decode(errors="replace").rstrip("\r")
    delimiter = max(_DELIMITERS, key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    while len(header) > 1 and not header[-1]:
        header.pop()
    if len(header) < 3:
        raise FileError(
            f"the first line has {len(header)} column{'s' if len(header) > 1 else ''}: {shown(first)}",
            file=file,
            line=line - 1,
            hint="A CSV trace begins with the names of its columns, at least time, input and output tokens",
        )
    return header, delimiter, Block(data, line, block.too_long)


def _rows_of(lines: list[bytes], delimiter: str) -> list[list[str]]:
    reader = csv.reader((line.decode(errors="replace") for line in lines if line.strip()), delimiter=delimiter)
    try:
        return list(islice(reader, _HEAD_ROWS))
    except csv.Error:
        return []


def _read_json(
    blocks: Iterator[Block], first: Block, mapping: Mapping | None, table: Table, fast: bool
) -> tuple[Mapping, Form, list[str]]:
    """Fill the table from JSONL; gives the mapping, the form of the times and what to note."""
    if first.data.lstrip()[:1] == b"[":
        raise FileError("is one JSON array", file=table.file, hint="Write one object per line (jq -c '.[]' does this)")
    head = _head_objects(first, table.file)
    names = list(dict.fromkeys(chain.from_iterable(_paths(item) for item in head)))
    found = detect(names, table.file) if mapping is None else check(mapping, names, table.file)
    values = [value for item in head if (value := _at(item, found.time)) is not None]
    form, unit = _time_form(values, found, table.file)
    reader = LineReader(found, form, unit)
    cache = PrefixCache() if found.blocks else None
    for block in blocks:
        for line in block.too_long:
            table.problem(line, _too_long())
        part = reader.parse(block.data) if fast else reader.unread(block.data)
        _slow_lines(part, block, found, form, unit, table)
        if cache is not None:
            good = np.flatnonzero(part.ok)
            hits = cache.cached(compress(part.blocks, part.ok.tolist()))
            part.cached[good] = np.minimum(hits, part.input[good])
        table.add(part.ok, part.ns, part.input, part.output, part.cached)
        if table.full:
            break
    notes = []
    if cache is not None:
        notes.append(
            "cached tokens are computed from the block ids with a prefix cache that never forgets: an upper bound"
        )
        if cache.full:
            notes.append("the prefix cache was full before the end, so later prompts may find less than they would")
    return found, form, notes


def _slow_lines(part: Part, block: Block, mapping: Mapping, form: Form, unit: Unit | None, table: Table) -> None:
    """Read the lines of a block that the decoder left, one by one."""
    for place in np.flatnonzero(~part.ok).tolist():
        text = part.lines[place]
        if not text.strip():
            continue
        try:
            row = read_row(_flat(_object(text), mapping), mapping, form, unit)
        except RowError as error:
            table.problem(block.line + place, error)
            continue
        part.ok[place] = True
        part.ns[place], part.input[place], part.output[place], part.cached[place] = row[:4]
        part.blocks[place] = row.blocks


def _object(text: bytes) -> dict[str, object]:
    try:
        found = msgspec.json.decode(text.decode(errors="replace"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise RowError("", f"is no JSON: {str(error).removeprefix('JSON is malformed: ')}") from None
    if not isinstance(found, dict):
        raise RowError("", "is no JSON object")
    return found


def _head_objects(block: Block, file: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for text in islice(block.data.split(b"\n"), _HEAD_LINES):
        try:
            found.append(_object(text))
        except RowError:
            continue
        if len(found) == _HEAD_ROWS:
            break
    if not found:
        raise FileError(
            "no line is a whole JSON object", file=file, line=block.line, hint="JSONL holds one object per line"
        )
    return found


def _paths(item: dict[str, object], prefix: str = "", depth: int = 6) -> Iterator[str]:
    """The dotted names of all fields of an object that are not objects themselves."""
    for key, value in item.items():
        if isinstance(value, dict) and depth > 1:
            yield from _paths(value, f"{prefix}{key}.", depth - 1)
        else:
            yield prefix + key


def _at(item: object, path: str) -> object:
    for key in path.split("."):
        if not isinstance(item, dict):
            return None
        item = item.get(key)
    return item


def _flat(item: dict[str, object], mapping: Mapping) -> dict[str, object]:
    paths = (*mapping.needed, mapping.cached, mapping.blocks)
    return {path: value for path in paths if path is not None and (value := _at(item, path)) is not None}


def _time_form(values: list[object] | list[str], mapping: Mapping, file: str) -> tuple[Form, Unit | None]:
    """The form that most of the first rows have, and the unit where it is not told by the size of the number."""
    forms = Counter(form for value in values if (form := form_of(value)) is not None)
    if not forms:
        if not values:
            raise FileError("holds no request", file=file, hint="A trace has one request per line")
        raise FileError(
            f"{shown(values[0])} is not a time",
            file=file,
            field=mapping.time,
            hint="Times are seconds, milliseconds or ISO 8601 (2026-01-31T14:00:00Z); --columns maps another column",
        )
    form = forms.most_common(1)[0][0]
    if mapping.unit is None or form in ("iso", "iso_zone"):
        return form, None
    # With a unit, a column counts from the start of the trace if it once lies below any date of this century.
    first = next(value for value in values if form_of(value) not in (None, "iso", "iso_zone"))
    if "elapsed" in forms or float(str(first)) * NS_PER_UNIT[mapping.unit] < ELAPSED_BELOW * 10**9:
        return "elapsed", mapping.unit
    return form, None


def _too_long() -> RowError:
    return RowError("", f"is longer than {MAX_LINE_BYTES // 2**20} MiB")


def _assembled(name: str, table: Table, mapping: Mapping, form: Form, notes: list[str]) -> Trace:
    """The trace in order of arrival, with a note on everything that was done to it."""
    ns, prompt, answer, cached = table.finish()
    has_cached = mapping.cached is not None or mapping.blocks is not None
    said = [
        f"{mapping.shape}: time={mapping.time} ({FORM_WORDS[form]}), input={mapping.input}, output={mapping.output}"
    ]
    backward = int(np.count_nonzero(np.diff(ns) < 0))
    if backward:
        order = np.argsort(ns, kind="stable")
        for column in (ns, prompt, answer, cached):
            column[:] = column[order]
        said.append(f"{_rows(backward)} earlier than the row above; all were sorted by time")
    repeated = _repeated(ns, prompt, answer)
    if repeated:
        said.append(f"{_rows(repeated)} the same as another one; kept, since two requests can be alike")
    silent = int(np.count_nonzero(answer == 0))
    if silent:
        said.append(f"{_rows(silent)} without any output token (a failure, or only a prompt); kept")
    if table.bad:
        said.append(table.bad_note())
    if table.full:
        said.append(
            f"only the first {table.rows:,} requests were read: that many are kept in memory, more were not read"
        )
    return Trace(
        name=name,
        arrival_s=(ns - ns[0]) / 1e9,
        input_tokens=prompt,
        output_tokens=answer,
        cached_tokens=cached if has_cached else None,
        start=iso_start(int(ns[0]), form),
        bad_rows=table.bad,
        notes=(*said, *notes),
    )


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"


def _repeated(ns: Ints, prompt: Ints, answer: Ints) -> int:
    """How many rows equal another one in all columns; ``ns`` is sorted, so only rows of one moment are compared."""
    same = ns[1:] == ns[:-1]
    moment = np.flatnonzero(np.concatenate((same, [False])) | np.concatenate(([False], same)))
    if moment.size == 0:
        return 0
    order = moment[np.lexsort((answer[moment], prompt[moment], ns[moment]))]
    alike = np.ones(order.size - 1, np.bool_)
    for column in (ns, prompt, answer):
        values = column[order]
        alike &= values[1:] == values[:-1]
    return int(np.count_nonzero(alike))
