"""The file that every paid call goes into the moment it is answered: JSON lines, each with its checksum, only appended.

The first line says what the run is. Whatever ends the process, a line is whole or it is not there: half a line at the
end is cut off when the file is opened again, a damaged one in the middle is named and its call is made again. One
process writes at a time.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec

from crossover.errors import FileError, StoreError
from crossover.usage import Usage

NAME = "answers.jsonl"
VERSION = 1
_SUM = b',"sum":"'
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
_TAIL = len(_SUM) + 8 + 2  # the checksum's eight digits, its quote and the brace


class Header(msgspec.Struct, frozen=True, kw_only=True, tag_field="row", tag="run"):
    """What a run is: declared before the first call, and the same when it is resumed.

    ``samples`` maps ids to fingerprints. ``margin`` and ``errors`` are what the verdict was declared to be judged by.
    """

    version: int
    started: str
    file: str
    samples: dict[str, str]
    candidates: tuple[str, ...]
    reference: str
    scorer: str
    margin: float
    errors: str
    seed: int
    options: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="row", tag="answer", omit_defaults=True):
    """An answer that was paid for. ``key`` is what was asked of whom; ``sample`` and ``asked`` say for what it was.

    Seconds are those of the call: to the first piece that says something (``ttft_s``; None: it came in one piece), to
    the end (``seconds``), and between pieces in the mean (``itl_s``). ``cost`` is in dollars, None where nobody knows.
    ``logprobs`` sums up the token log-probabilities where the target gave some: mean, minimum, quantiles, top-two
    margin. ``reused``: it was paid for in another run, whose file it was taken from.
    """

    key: str
    asked: str
    sample: str = ""
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: str = "stop"
    deployment: str = ""
    model: str = ""
    local: bool = False
    usage: Usage | None = None
    cost: Decimal | None = None
    seconds: float = 0.0
    ttft_s: float | None = None
    itl_s: float | None = None
    attempts: int = 1
    redacted: int = 0
    logprobs: dict[str, float] = {}
    vectors: tuple[tuple[float, ...], ...] = ()
    reused: bool = False
    at: str = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag_field="row", tag="failure", omit_defaults=True):
    """A call that was not answered. It is made again when the run is resumed.

    ``withheld``: the rules let no deployment answer it, however long one waits. ``cost``: what it may have cost.
    """

    key: str
    asked: str
    sample: str
    code: str
    message: str
    withheld: bool = False
    cost: Decimal | None = None
    at: str = ""


Row = Header | Answer | Failure
Purpose = Literal["answer", "judge", "embed"]
_DECODER = msgspec.json.Decoder(Row)
_ENCODER = msgspec.json.Encoder(decimal_format="string")


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds: its header (None: it has none), answers by key, failures in order, lines that are damaged.

    ``good`` is the size of the whole lines in bytes: behind it stands half a line or nothing.
    """

    header: Header | None
    answers: dict[str, Answer]
    failures: tuple[Failure, ...]
    damaged: tuple[int, ...]
    good: int


def line_of(row: Row) -> bytes:
    """A row as a line with its checksum."""
    body = _ENCODER.encode(row)[:-1]
    return b'%s%s%08x"}\n' % (body, _SUM, zlib.crc32(body))


def row_of(line: bytes) -> Row | None:
    """The row of a line without its line break; None where it is not what was written."""
    body, mark, checksum = line[:-_TAIL], line[-_TAIL:-10], line[-10:-2]
    if mark != _SUM or line[-2:] != b'"}' or checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        row: Row = _DECODER.decode(body + b"}")
    except (msgspec.DecodeError, ValueError):
        return None
    return row


def read(path: Path) -> Read:
    """Everything in a file. Raises FileError where it cannot be read or is of another kind."""
    header: Header | None = None
    answers: dict[str, Answer] = {}
    failures: list[Failure] = []
    damaged: list[int] = []
    good = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                good += len(line)
                row = row_of(line[:-1])
                if isinstance(row, Answer):
                    answers.setdefault(row.key, row)
                elif isinstance(row, Failure):
                    failures.append(row)
                elif isinstance(row, Header):
                    header = header or row
                else:
                    damaged.append(number)
    except FileNotFoundError:
        raise FileError("there are no results here", file=str(path)) from None
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", file=str(path)) from None
    if header is not None and header.version != VERSION:
        raise FileError(f"was written by version {header.version} of this format", file=str(path))
    left = tuple(failure for failure in failures if failure.key not in answers)
    return Read(header=header, answers=answers, failures=left, damaged=tuple(damaged), good=good)


class Log:
    """The open file. ``answers`` holds all of it by key; ``append`` writes at once. Use it as a context manager."""

    def __init__(self, path: Path, found: Read, number: int) -> None:
        self.path = path
        self.header = found.header
        self.answers = found.answers
        self.damaged = found.damaged
        self._spent: list[Answer | Failure] = [*found.answers.values(), *found.failures]
        self._number = number

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def spent(self) -> Decimal:
        """What all calls cost that were in the file when it was opened, as far as anybody knows, in dollars."""
        paid = [row for row in self._spent if isinstance(row, Failure) or not (row.reused or row.local)]
        return sum((row.cost for row in paid if row.cost is not None), Decimal(0))

    def append(self, row: Row) -> None:
        """Write a row. Raises StoreError where it cannot be written whole; what was there stays readable."""
        if isinstance(row, Answer):
            if row.key in self.answers:
                return  # no result twice
            self.answers[row.key] = row
        elif isinstance(row, Header):
            self.header = row
        line = line_of(row)
        before = os.fstat(self._number).st_size
        try:
            written = os.write(self._number, line)
            if written < len(line):
                os.ftruncate(self._number, before)
                raise OSError(28, "the disk is full")
        except OSError as error:
            raise StoreError(
                f"cannot be written: {error.strerror or error}", file=str(self.path),
                hint="Every answer before this one is kept; make room and go on with --resume",
            ) from None  # fmt: skip

    def flush(self) -> None:
        """Bring everything to the disk itself, where it outlives a loss of power."""
        os.fsync(self._number)

    def close(self) -> None:
        """End it; may be called twice."""
        if self._number >= 0:
            with contextlib.suppress(OSError):  # a full disk: the lines that were accepted are in the system's hands
                os.fsync(self._number)
            os.close(self._number)
            self._number = -1


def open_log(folder: Path, *, resume: bool) -> Log:
    """Open the file of a run in its folder, which is made.

    Raises FileError where there are results and nobody said ``resume``, StoreError where another process has it or it
    cannot be written.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(path, _FLAGS, 0o600)
    except OSError as error:
        raise StoreError(f"cannot be written: {error.strerror or error}", file=str(path)) from None
    try:
        _lock(number, path)
        found = read(path)
        if found.header is not None and not resume:
            hint = "--resume goes on with them, another --out begins anew"
            raise FileError(f"it holds {len(found.answers):,} answers already", file=str(folder), hint=hint)
        if found.header is None and (found.answers or found.damaged):
            raise FileError("this is no file of results, or its first line is lost", file=str(path))
        os.ftruncate(number, found.good)
    except (FileError, StoreError):
        os.close(number)
        raise
    return Log(path, found, number)


def _lock(number: int, path: Path) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows: nobody is kept out
        return
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        hint = "Wait for it, or name another folder with --out"
        raise StoreError("another process writes to it", file=str(path), hint=hint) from None


def changed(before: Mapping[str, str], now: Sequence[tuple[str, str]]) -> tuple[list[str], list[str], list[str]]:
    """Ids of samples that (changed, are new, are gone) since a run began, by their fingerprints."""
    current = dict(now)
    return (
        [name for name, mark in now if name in before and before[name] != mark],
        [name for name, _ in now if name not in before],
        [name for name in before if name not in current],
    )
