"""Rows of a trace read one by one: the rule for every value, and the columns and problems gathered on the way."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping as AnyMapping
from typing import NamedTuple

import numpy as np

from crossover.errors import FileError
from crossover.traffic.csvrows import MAX_REQUEST_TOKENS, Bools, Ints
from crossover.traffic.formats import Mapping
from crossover.traffic.times import Form, TimeError, Unit, shown, to_ns

MAX_BAD_SHARE = 0.01
LISTED_BAD_ROWS = 20
_NUMBER = re.compile(r"[+-]?(\d+)(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)


class RowError(ValueError):
    """A row that is no request: which field, and what is wrong with it."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(what)
        self.field = field
        self.what = what


class Row(NamedTuple):
    """One request; ``blocks`` are the ids of its prompt's blocks where the trace has them."""

    ns: int
    input: int
    output: int
    cached: int
    blocks: tuple[object, ...] = ()


def read_row(values: AnyMapping[str, object], mapping: Mapping, form: Form, unit: Unit | None) -> Row:
    """One request from the values of its columns by name. Raises RowError."""
    for name in mapping.needed:
        if name not in values:
            raise RowError(name, "is missing")
    try:
        ns = to_ns(values[mapping.time], form, unit)
    except TimeError as error:
        raise RowError(mapping.time, str(error)) from None
    prompt = _tokens(values, mapping.input)
    answer = _tokens(values, mapping.output)
    cached = 0
    if mapping.cached is not None and values.get(mapping.cached) not in (None, ""):
        cached = _tokens(values, mapping.cached)
        if cached > prompt:
            raise RowError(mapping.cached, f"is {cached}, more than the whole prompt of {prompt}")
    return Row(ns, prompt, answer, cached, _blocks(values, mapping))


def _blocks(values: AnyMapping[str, object], mapping: Mapping) -> tuple[object, ...]:
    found = None if mapping.blocks is None else values.get(mapping.blocks)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, (int, str)) for item in found):
        raise RowError(mapping.blocks or "", "is not a list of ids")
    return tuple(found)


def _tokens(values: AnyMapping[str, object], field: str) -> int:
    return token_count(values[field], field)


def token_count(value: object, field: str, most: int = MAX_REQUEST_TOKENS) -> int:
    """A count of tokens from text or a number: a whole number from 0 to ``most``. Raises RowError."""
    if isinstance(value, str):
        text = value.strip()
        match = _NUMBER.fullmatch(text)
        if not text:
            raise RowError(field, "is empty")
        if match is None:
            raise RowError(field, f"is {shown(text)}, not a whole number of tokens")
        value = int(text) if match[2] is None and match[3] is None and len(text) < 30 else float(text)
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RowError(field, f"is {shown(value)}, not a whole number of tokens")
    if value < 0:
        raise RowError(field, f"is {value}: a count of tokens cannot be negative")
    if value > most:
        place = "one request" if most == MAX_REQUEST_TOKENS else "one bucket"
        raise RowError(field, f"is {value:.3g}: more than {most:,} tokens in {place}")
    if value != int(value):
        raise RowError(field, f"is {value}, not a whole number of tokens")
    return int(value)


class Table:
    """Columns and bad rows, gathered block by block; keeps at most ``most`` requests."""

    def __init__(self, file: str, most: int) -> None:
        self.file, self._most = file, most
        self._columns: tuple[list[Ints], ...] = ([], [], [], [])
        self.rows = 0
        self.bad = 0
        self.problems: list[tuple[int, RowError]] = []

    @property
    def full(self) -> bool:
        """Whether enough requests were read."""
        return self.rows >= self._most

    def add(self, ok: Bools, ns: Ints, prompt: Ints, answer: Ints, cached: Ints) -> None:
        """The rows of a block that are ``ok``; rows over the limit are left out."""
        chosen = np.flatnonzero(ok)[: self._most - self.rows]
        for column, values in zip(self._columns, (ns, prompt, answer, cached), strict=True):
            column.append(values[chosen])
        self.rows += chosen.size

    def problem(self, line: int, error: RowError) -> None:
        """Count a bad row; stop when there are too many for any good file of the greatest length."""
        self.bad += 1
        if len(self.problems) < LISTED_BAD_ROWS:
            self.problems.append((line, error))
        if self.bad > MAX_BAD_SHARE * self._most:
            raise self._too_many()

    def finish(self) -> tuple[Ints, Ints, Ints, Ints]:
        """All columns. Raises FileError with no request, or with more than 1 % bad rows."""
        if self.bad > MAX_BAD_SHARE * (self.rows + self.bad):
            raise self._too_many()
        if self.rows == 0:
            raise FileError("holds no request", file=self.file, hint="A trace has one request per line")
        ns, prompt, answer, cached = (_joined(column) for column in self._columns)
        return ns, prompt, answer, cached

    def bad_note(self) -> str:
        """The bad rows as one sentence; lists the first 20 by line number."""
        listed = "; ".join(
            f"line {line}{f' {error.field}' if error.field else ''} {error.what}" for line, error in self.problems
        )
        more = f"; and {self.bad - len(self.problems):,} more" if self.bad > len(self.problems) else ""
        return f"{self.bad:,} bad row{'s' if self.bad > 1 else ''} left out: {listed}{more}"

    def _too_many(self) -> FileError:
        line, first = self.problems[0]
        total = self.rows + self.bad
        lines = ", ".join(str(number) for number, _ in self.problems)
        which = f"line{'s' if len(self.problems) > 1 else ''} {lines}{' …' if self.bad > len(self.problems) else ''}"
        share = f"{self.bad:,} of {total:,} rows ({self.bad / total:.1%})"
        return FileError(
            f"{first.what}; {share} cannot be read, more than 1 %: {which}",
            file=self.file,
            line=line,
            field=first.field or None,
            hint="Repair these rows, or map other columns with --columns",
        )


def _joined(parts: list[Ints]) -> Ints:
    """One column from its parts, which are given up on the way: both together would double the memory."""
    whole: Ints = np.concatenate(parts)
    parts.clear()
    return whole
