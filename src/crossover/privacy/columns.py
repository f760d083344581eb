"""Columns of a table in a text (CSV, tabs, Markdown): a word at the head of one tells what its values are."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MARKS = ",;\t|"
_QUOTED = re.compile(r"\"[^\"\n]*\"")
_RULE = re.compile(r"[ \t|:+\-=]*")  # between the head and the rows of a table in Markdown
_LONGEST_HEAD = 2_000  # characters of a line
_LONGEST_NAME = 40  # characters of the head of a column
_MOST_ROWS = 2_000


def column(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the cells stand below the word from ``start`` to ``end``; none where it is at the head of no column."""
    first = text.rfind("\n", max(0, start - _LONGEST_HEAD), start) + 1
    last = text.find("\n", end, end + _LONGEST_HEAD)
    if last < 0 or start - first >= _LONGEST_HEAD:
        return
    head = _plain(text[first:last])
    mark = max(_MARKS, key=head.count)
    count = head.count(mark)
    if count == 0 or (count == 1 and mark in ",|"):
        return
    place = head.count(mark, 0, start - first)
    cell = head.split(mark)[place].strip()
    if len(cell) > _LONGEST_NAME or any(map(str.isdigit, cell)):
        return
    yield from _below(text, last + 1, mark, count, place)


def _below(text: str, at: int, mark: str, count: int, place: int) -> Iterator[tuple[int, int]]:
    """The cells at one place in the lines from ``at`` on, as long as those have as many marks."""
    for _ in range(_MOST_ROWS):
        if at >= len(text):
            return
        last = text.find("\n", at)
        last = len(text) if last < 0 else last
        line = _plain(text[at:last])
        if line.count(mark) != count:
            return
        if _RULE.fullmatch(line) is None:
            begin = at + sum(len(cell) + 1 for cell in line.split(mark)[:place])
            yield begin, begin + len(line.split(mark)[place])
        at = last + 1


def _plain(line: str) -> str:
    """A line in which no quoted cell holds a mark, every character in its place."""
    if '"' not in line:
        return line
    return _QUOTED.sub(lambda cell: re.sub(f"[{_MARKS}]", " ", cell[0]), line)
