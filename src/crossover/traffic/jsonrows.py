"""JSONL blocks as columns of numbers: lines are decoded into the few fields that count, then handled as arrays.

Like the CSV reader, it never reports an error: a line it does not understand is left to the row reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from crossover.traffic.csvrows import MAX_REQUEST_TOKENS, Bools, Ints, broken_times, times, whole_times
from crossover.traffic.formats import BLOCK_TOKENS, Mapping
from crossover.traffic.times import Form, Unit

# Ids of prompt blocks remembered by the prefix cache: 2 million blocks of 512 tokens are 10^9 tokens of cache.
MAX_KNOWN_BLOCKS = 2_000_000
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MAX_REQUEST_TOKENS)]
_TWO_OBJECTS = re.compile(rb"\}[ \t\r]*\{")  # on one line, or inside a text: then every line is decoded alone
Lookup = Callable[[object], Any]


class Part(NamedTuple):
    """Columns of one block of lines. ``ok`` is False where a line must be read alone; without such, ``lines`` is empty.

    ``blocks`` are the ids of prompt blocks of every line (none where the trace has none).
    """

    lines: list[bytes]
    ok: Bools
    ns: Ints
    input: Ints
    output: Ints
    cached: Ints
    blocks: list[Sequence[object]]


class LineReader:
    """Decodes blocks of lines with one mapping and one form of time."""

    def __init__(self, mapping: Mapping, form: Form, unit: Unit | None) -> None:
        self._form, self._unit = form, unit
        wanted = {
            "time": _Field(tuple(mapping.time.split(".")), int | float | str, True),
            "input": _Field(tuple(mapping.input.split(".")), _Tokens, True),
            "output": _Field(tuple(mapping.output.split(".")), _Tokens, True),
        }
        if mapping.cached:
            wanted["cached"] = _Field(tuple(mapping.cached.split(".")), _Tokens, False)
        if mapping.blocks:
            wanted["blocks"] = _Field(tuple(mapping.blocks.split(".")), list[int | str], False)
        fields = list(wanted.values())
        decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(_row_type(fields))
        self._decode: Callable[[bytes], object] = decoder.decode
        self._decode_lines: Callable[[bytes], list[object]] = decoder.decode_lines
        getters = {role: _getter(fields, field) for role, field in wanted.items()}
        self._time, self._input, self._output = getters["time"], getters["input"], getters["output"]
        self._cached, self._blocks = getters.get("cached"), getters.get("blocks")

    def parse(self, data: bytes) -> Part:
        """All lines of a block, each ended by a newline."""
        count = data.count(b"\n")
        rows = self._at_once(data, count)
        places = np.arange(count)
        if rows is None:
            found = list(self._one_by_one(data.split(b"\n")[:-1]))
            rows = [row for _, row in found]
            places = np.array([index for index, _ in found], dtype=np.int64)
        ok, ns = self._times([self._time(row) for row in rows])
        prompt = np.fromiter(map(self._input, rows), np.int64, len(rows))
        answer = np.fromiter(map(self._output, rows), np.int64, len(rows))
        cached = np.zeros(len(rows), np.int64)
        if self._cached is not None:
            read = self._cached
            cached = np.fromiter((read(row) or 0 for row in rows), np.int64, len(rows))
            ok &= cached <= prompt
        blocks: list[Sequence[object]] = [()] * count
        if self._blocks is not None:
            read_blocks = self._blocks
            for place, row in zip(places.tolist(), rows, strict=True):
                blocks[place] = read_blocks(row) or ()
        spread = [np.zeros(count, np.int64) for _ in range(4)]
        for column, values in zip(spread, (ns, prompt, answer, cached), strict=True):
            column[places] = values
        all_ok = np.zeros(count, np.bool_)
        all_ok[places] = ok
        lines = [] if all_ok.all() else data.split(b"\n")[:-1]
        return Part(lines, all_ok, spread[0], spread[1], spread[2], spread[3], blocks)

    def unread(self, data: bytes) -> Part:
        """The lines of a block with nothing read: every one is left to the row reader."""
        lines = data.split(b"\n")[:-1]
        ns, prompt, answer, cached = (np.zeros(len(lines), np.int64) for _ in range(4))
        return Part(lines, np.zeros(len(lines), np.bool_), ns, prompt, answer, cached, [()] * len(lines))

    def _at_once(self, data: bytes, count: int) -> list[object] | None:
        """One row per line, or None where a line holds no such row, none at all, or more than one."""
        if _TWO_OBJECTS.search(data):
            return None
        try:
            rows: list[object] = self._decode_lines(data)
        except (msgspec.DecodeError, RecursionError):
            return None
        return rows if len(rows) == count else None

    def _one_by_one(self, lines: list[bytes]) -> Iterator[tuple[int, object]]:
        for index, line in enumerate(lines):
            try:
                yield index, self._decode(line)
            except (msgspec.DecodeError, RecursionError):
                continue

    def _times(self, values: list[object]) -> tuple[Bools, Ints]:
        """Times of any one kind at once; a block of several kinds is left to the row reader."""
        kinds = set(map(type, values))
        dated = self._form in ("iso", "iso_zone")
        if dated and kinds != {str}:
            return _none(len(values))  # numbers in a column of dates
        try:
            if kinds == {int}:
                return whole_times(np.array(values, dtype=np.int64), self._form, self._unit)
            if kinds == {float}:
                return broken_times(np.array(values, dtype=np.float64), self._form, self._unit)
        except OverflowError:
            return _none(len(values))
        if kinds == {str}:
            joined = "\n".join(map(str, values)).encode() + b"\n"
            text = np.frombuffer(joined, dtype=np.uint8)
            ends = np.flatnonzero(text == 10)
            if ends.size == len(values):
                begins = np.concatenate(([0], ends[:-1] + 1))
                return times(text, begins, ends, self._form, self._unit)
        return _none(len(values))


class PrefixCache:
    """Cached tokens of a prompt from the ids of its blocks, by a cache that forgets nothing (up to a stated size).

    An id stands for a block *and* all before it, so the longest known prefix is the leading run of known ids.
    """

    def __init__(self) -> None:
        self._known: set[object] = set()
        self.full = False

    def cached(self, prompts: Iterable[Sequence[object]]) -> list[int]:
        """Tokens in the leading blocks known already, for each prompt in its turn; then all its blocks are known."""
        known, found = self._known, []
        for ids in prompts:
            hits = 0
            for block in ids:
                if block not in known:
                    if not self.full:
                        known.update(ids[hits:])
                        self.full = len(known) >= MAX_KNOWN_BLOCKS
                    break
                hits += 1
            found.append(hits * BLOCK_TOKENS)
        return found


def _none(size: int) -> tuple[Bools, Ints]:
    return np.zeros(size, np.bool_), np.zeros(size, np.int64)


class _Field(NamedTuple):
    """One field of the lines: the keys on the way to it, its type, and whether every line must hold it."""

    keys: tuple[str, ...]
    kind: object
    needed: bool


def _row_type(fields: list[_Field], depth: int = 0) -> type:
    """A struct type that decodes only these fields; attribute ``f0`` is the first key of this depth, and so on."""
    heads = list(dict.fromkeys(field.keys[depth] for field in fields))
    members: list[tuple[str, object] | tuple[str, object, None]] = []
    for index, head in enumerate(heads):
        below = [field for field in fields if field.keys[depth] == head]
        is_leaf = len(below[0].keys) == depth + 1
        kind: object = below[0].kind if is_leaf else _row_type(below, depth + 1)
        if any(field.needed for field in below):
            members.append((f"f{index}", kind))
        else:
            members.append((f"f{index}", kind | None, None))  # type: ignore[operator]
    rename = {f"f{index}": head for index, head in enumerate(heads)}
    return msgspec.defstruct("Row", members, rename=rename, gc=False, kw_only=True)


def _getter(fields: list[_Field], wanted: _Field) -> Lookup:
    """A function from a row to one field; None where an optional part on the way is absent."""
    names: list[str] = []
    group = fields
    for depth, key in enumerate(wanted.keys):
        names.append(f"f{list(dict.fromkeys(field.keys[depth] for field in group)).index(key)}")
        group = [field for field in group if field.keys[depth] == key]
    if wanted.needed or len(names) == 1:
        return attrgetter(".".join(names))
    steps = [attrgetter(name) for name in names]

    def lookup(row: object) -> object:
        for step in steps:
            if row is None:
                return None
            row = step(row)
        return row

    return lookup
