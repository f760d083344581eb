"""The audit as a file for somebody else: JSON lines that can be verified without the ledger.

The first line says from which hash on the entries follow, the last one how many there are. Between them stands one
entry a line: its number, its time (UTC), the hash before it, its own hash, and ``entry``, whose text is hashed byte for
byte. Who writes the file anew with another program must not reorder or reformat it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from crossover.errors import FileError, ThresholdError
from crossover.ledger.audit import Checked, Fault, Mark, Walk, begin_walk, follow, rows_of, settle_end
from crossover.ledger.chain import MICRO, Row, action_of, read_entry
from crossover.ledger.store import Ledger
from crossover.ledger.survey import section

VERSION = 1
MOST_BYTES = 1024 * 1024  # of a line: an entry has a few hundred
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NO_EXPORT = "this is no export of the audit"
_HINT = "`crossover audit export FILE` writes one; a ledger is named with --ledger"


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line. ``since`` and ``until`` are the period that was asked for, empty for everything."""

    crossover_audit: int
    begin: Mark
    since: str = ""
    until: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry."""

    number: int
    time: str
    previous: str
    hash: str
    entry: msgspec.Raw


class End(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last line: how many entries there were, and where they end."""

    entries: int
    end: Mark


_ENCODE = msgspec.json.Encoder().encode
_HEAD = msgspec.json.Decoder(Head).decode
_LINE = msgspec.json.Decoder(Line).decode
_END = msgspec.json.Decoder(End).decode


# ------------------------------------------------------------------------------------------------------------ writing


def export_lines(ledger: Ledger, since: float | None = None, until: float | None = None) -> Iterator[bytes]:
    """The lines of an export. A period (Unix seconds) takes what stands between its entries too, and the one behind.

    Raises ThresholdError where the chain is broken: what does not hold is not handed out.
    """
    if since is None and until is None:
        end = ledger.rows("SELECT coalesce(max(number), 0) FROM audit")[0][0]
        walk, rows = begin_walk(ledger), rows_of(ledger, until=end)
        head = Head(crossover_audit=VERSION, begin=walk.begin)
    else:
        begin, stop = since or 0.0, 4e9 if until is None else until
        walk, rows = section(ledger, round(begin * MICRO), round(stop * MICRO))
        said = (_iso(round(begin * MICRO)), _iso(round(stop * MICRO)))
        head = Head(crossover_audit=VERSION, begin=walk.begin, since=said[0], until=said[1])
    yield _ENCODE(head) + b"\n"
    for number, at, previous, digest, text in follow(rows, walk):
        if not action_of(text) or "\n" in text:
            walk.fault = Fault(kind="unreadable", number=number, text="it is not what Crossover writes")
            break
        line = Line(number=number, time=_iso(at), previous=previous, hash=digest, entry=msgspec.Raw(text.encode()))
        yield _ENCODE(line) + b"\n"
    if walk.fault is not None:
        raise ThresholdError(
            f"the chain of the audit is broken: {walk.fault.sentence()}",
            hint="Nothing was exported; `crossover ledger backup` copies the ledger as it is",
        )
    yield _ENCODE(End(entries=walk.entries, end=walk.at)) + b"\n"


def write(path: Path, lines: Iterator[bytes]) -> int:
    """Write a new file whole or not at all; how many entries. Raises FileError where it exists or cannot be written."""
    if path.exists():
        raise FileError("a file of this name exists", hint="Name a new file", file=str(path))
    part = path.with_name(path.name + ".part")
    count = -2  # the first and the last line are no entries
    try:
        with part.open("wb") as file:
            for line in lines:
                file.write(line)
                count += 1
        part.replace(path)
    except OSError as error:
        raise FileError(f"it cannot be written: {error.strerror or error}", file=str(path)) from error
    finally:
        part.unlink(missing_ok=True)
    return count


def _iso(at: int) -> str:
    return (_EPOCH + dt.timedelta(microseconds=at)).isoformat(timespec="microseconds").replace("+00:00", "Z")


# ------------------------------------------------------------------------------------------------------------ reading


class _Reader(msgspec.Struct):
    """Where the reading of a file is; ``fault`` is what is wrong with the file itself."""

    line: int = 1
    end: End | None = None
    fault: Fault | None = None


def verify_file(path: Path, expect: Mark | None = None) -> Checked:
    """Walk the entries of an export, in constant memory. A fault names its line.

    Raises FileError for a file that cannot be read or is no export.
    """
    try:
        with path.open("rb") as file:
            begin = _head(file, path).begin
            walk, reader = Walk(at=begin, begin=begin, expect=expect), _Reader()
            requests = left = 0
            for _, _, _, _, text in follow(_rows(file, reader, walk), walk):
                entry = read_entry(text)
                requests += entry is not None
                left += entry is not None and entry.left
    except OSError as error:
        raise FileError(f"it cannot be read: {error.strerror or error}", hint=_HINT, file=str(path)) from error
    if walk.fault is not None:
        walk.fault = msgspec.structs.replace(walk.fault, line=reader.line)
    elif reader.fault is not None:
        walk.fault = reader.fault
    elif reader.end is not None and (reader.end.end != walk.at or reader.end.entries != walk.entries):
        text = f"the last line speaks of {reader.end.entries:,} entries up to {reader.end.end.number:,}"
        walk.fault = Fault(kind="cut", number=walk.at.number + 1, text=text, line=reader.line)
    settle_end(walk)
    return Checked(
        entries=walk.entries, requests=requests, left=left, first=walk.first, last=walk.last, begin=walk.begin,
        head=walk.at, fault=walk.fault,
    )  # fmt: skip


def _head(file: BinaryIO, path: Path) -> Head:
    line = file.readline(MOST_BYTES)
    try:
        head = _HEAD(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = " (it is a database)" if line.startswith(b"SQLite format 3") else " (it is empty)" if not line else ""
        raise FileError(_NO_EXPORT + found, hint=_HINT, file=str(path), line=1) from None
    if head.crossover_audit > VERSION:
        raise FileError(
            f"the export has format {head.crossover_audit} and this Crossover knows {VERSION}",
            hint="A newer Crossover wrote it: use that one",
            file=str(path),
            line=1,
        )
    return head


def _rows(file: BinaryIO, reader: _Reader, walk: Walk) -> Iterator[Row]:
    """Rows of the chain from the lines after the first, up to the last line or to what is no entry."""
    while (line := file.readline(MOST_BYTES)) and reader.fault is None:
        reader.line += 1
        row = _read(line)
        if reader.end is not None:
            reader.fault = _fault(reader, walk, "it stands after the line that ends the export")
        elif not line.endswith(b"\n"):
            reader.fault = _fault(reader, walk, "it is half a line: the file was cut off", "cut")
        elif isinstance(row, End):
            reader.end = row
        elif row is None:
            reader.fault = _fault(reader, walk, "it is no entry")
        else:
            yield row
    if reader.end is None and reader.fault is None:
        reader.fault = _fault(reader, walk, "the line that ends the export is missing: the file was cut off", "cut")


def _fault(reader: _Reader, walk: Walk, text: str, kind: Literal["cut", "unreadable"] = "unreadable") -> Fault:
    return Fault(kind=kind, number=walk.at.number + 1, text=text, line=reader.line)


def _read(line: bytes) -> Row | End | None:
    """What a line is: an entry as a row of the chain, the end, or neither."""
    try:
        found = _LINE(line)
        at = (dt.datetime.fromisoformat(found.time) - _EPOCH) // dt.timedelta(microseconds=1)
        if _iso(at) != found.time:
            return None
        return found.number, at, found.previous, found.hash, bytes(found.entry).decode()
    except msgspec.MsgspecError:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            return _END(line)
    except (ValueError, TypeError, OverflowError):  # text that is no text, a time that is none
        pass
    return None
