"""A text file that a user wrote: open it, read it, and find the line of what is wrong in a TOML one.

Every way in which a file cannot be read is one sentence (FileError). The parser of the standard library gives values
without lines; :func:`key_lines` walks the text once more for the line of every key.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeAlias

from crossover.errors import FileError, InputError, nearest

_TOKEN = re.compile(
    r'(?P<string>"""(?:\\.|[^\\])*?"""+|\'\'\'.*?\'\'\'+|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<comment>#[^\n]*)|(?P<newline>\n)|(?P<mark>[\[\]{}=,.])|(?P<bare>[^\s\[\]{}=,.#\"']+)",
    re.DOTALL,
)
_Path: TypeAlias = tuple[str, ...]


def open_file(path: Path) -> BufferedReader:
    """The open file; absent, a folder or not readable is one clear sentence."""
    name = str(path)
    try:
        return path.open("rb")
    except FileNotFoundError:
        siblings = nearest(path.name, (item.name for item in path.parent.iterdir())) if path.parent.is_dir() else ()
        hint = f"Did you mean {' or '.join(siblings)}?" if siblings else None
        raise FileError("there is no such file", file=name, hint=hint) from None
    except IsADirectoryError:
        raise FileError("is a folder", file=name, hint="Name one file in it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise FileError(f"cannot be read: {reason}", file=name) from None


def read_text(path: Path, most_bytes: int, *, too_long: str | None = None) -> str:
    """The file as text without a byte-order mark; ``too_long`` is the hint where it holds more than ``most_bytes``."""
    with open_file(path) as file:
        raw = file.read(most_bytes + 1)
    if len(raw) > most_bytes:
        raise FileError(f"is over {most_bytes // 2**20} MiB", file=str(path), hint=too_long)
    return decode(raw, str(path))


def decode(raw: bytes, file: str) -> str:
    """Bytes of a file as text without a byte-order mark. Raises FileError with the line that is no UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise FileError("is not UTF-8 text", file=file, line=line, hint="Save it as UTF-8") from None


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """The values of a TOML text. Raises FileError with the line where it is none."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        line = re.search(r"at line (\d+)", str(error))
        at_end = text.count("\n") + 1 if "at end of document" in str(error) else None
        what = re.sub(r" \(at .*\)$", "", str(error)) if isinstance(error, ValueError) else "it is nested too deeply"
        raise FileError(f"is no TOML: {what}", file=file, line=int(line[1]) if line else at_end) from None


class Document:
    """The text of a TOML file, for finding the line of a key and saying what is wrong there."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._keys = key_lines(text)

    def line(self, path: tuple[str, ...]) -> int | None:
        """The line of a key, or of the nearest key above it."""
        while path and path not in self._keys:
            path = path[:-1]
        return self._keys.get(path)

    def error(self, message: str, path: tuple[str, ...], *, hint: str | None = None) -> FileError:
        """What is wrong with the value at ``path``."""
        return FileError(message, file=self.file, line=self.line(path), field=dotted(path) or None, hint=hint)

    def unknown_key(self, path: tuple[str, ...], known: Iterable[str]) -> FileError:
        """The last key of ``path`` is none that the file's shape has."""
        names = tuple(known)
        near = nearest(path[-1], names)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(names)}"
        return FileError(f"unknown key {dotted(path)!r}", file=self.file, line=self.line(path), hint=hint)

    def at(self, error: InputError) -> FileError:
        """The same error with file and line."""
        path = tuple((error.field or "").removeprefix("--").split("."))
        return FileError(error.message, hint=error.hint, file=self.file, line=self.line(path), field=error.field)


def dotted(path: tuple[str, ...]) -> str:
    """A path as TOML writes it: ``deployments."gpt-4.1".queue``."""
    bare = re.compile(r"[A-Za-z0-9_-]+")
    return ".".join(key if bare.fullmatch(key) else json.dumps(key, ensure_ascii=False) for key in path)


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line of every key of a TOML text, also inside inline tables and lists (whose keys are ``"0"``, ``"1"`` …).

    The text has been parsed already: what is no TOML gives lines that mean nothing, and never an error.
    """
    return _Lines().walk(text)


class _Lines:
    """One walk over the tokens of a text. ``stack`` holds the open lists and inline tables: mark, path, index."""

    def __init__(self) -> None:
        self.found: dict[_Path, int] = {}
        self.rows: dict[_Path, int] = {}  # how many [[tables]] of a name there were
        self.stack: list[tuple[str, _Path, int]] = []
        self.table: _Path = ()
        self.path: _Path = ()
        self.parts: list[str] = []
        self.mode = "start"

    def walk(self, text: str) -> dict[_Path, int]:
        line, end = 1, 0
        for token in _TOKEN.finditer(text):
            line += text.count("\n", end, token.start())
            end = token.start()
            if token.lastgroup == "newline":
                self.mode = self.mode if self.stack else "start"
            elif token.lastgroup != "comment":
                self.take(token[0], line)
        return self.found

    def take(self, word: str, line: int) -> None:
        if self.mode == "start":
            self.parts = []
            self.mode = "header" if word == "[" else "key"
            if word == "[":
                self.stack.append(("[", (), 0))
                return
        if self.mode == "header":
            self.header(word, line)
        elif self.mode == "key":
            self.key(word, line)
        else:
            self.value(word, line)

    def header(self, word: str, line: int) -> None:
        if word == "[":
            self.stack.append(("[", (), 0))
        elif word == "]":
            if self.parts:
                self.table = self.resolved(tuple(self.parts), again=len(self.stack) > 1)
                self.note(self.table, line)
                self.parts = []
            self.stack = self.stack[:-1]
        elif word != ".":
            self.parts.append(_unquoted(word))

    def resolved(self, path: _Path, *, again: bool) -> _Path:
        """The path of a header; where it runs through ``[[tables]]``, through the newest of them."""
        if again:
            self.rows[path] = self.rows.get(path, 0) + 1
        whole: _Path = ()
        for number, part in enumerate(path, start=1):
            whole = (*whole, part)
            if path[:number] in self.rows:
                whole = (*whole, str(self.rows[path[:number]] - 1))
        return whole

    def key(self, word: str, line: int) -> None:
        if word == "=":
            above = self.stack[-1][1] if self.stack else self.table
            self.path = (*above, *self.parts)
            self.note(self.path, line)
            self.parts, self.mode = [], "value"
        elif word == "}":
            self.close()
        elif word not in (".", ","):
            self.parts.append(_unquoted(word))

    def value(self, word: str, line: int) -> None:
        if word in "]}":
            self.close()
        elif word == "," and self.stack:
            mark, path, index = self.stack.pop()
            self.stack.append((mark, path, index + 1))
            self.path = (*path, str(index + 1))
            self.mode = "value" if mark == "[" else "key"
        elif word != ",":
            self.note(self.path, line)
            if word in "[{":
                self.stack.append((word, self.path, 0))
                self.path = (*self.path, "0")
                self.mode = "value" if word == "[" else "key"

    def close(self) -> None:
        if self.stack:
            self.path = self.stack.pop()[1]
        self.mode = "value"

    def note(self, path: _Path, line: int) -> None:
        for size in range(1, len(path) + 1):
            self.found.setdefault(path[:size], line)


def _unquoted(word: str) -> str:
    if word[0] not in "\"'":
        return word
    try:
        return str(tomllib.loads(f"key = {word}")["key"])
    except tomllib.TOMLDecodeError:
        return word.strip("\"'")
