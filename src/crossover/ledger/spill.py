"""Where rows wait while the ledger cannot be written: one file of JSON lines per writer, beside the ledger.

A line is a record, whole. The file is read back when the ledger can be written again, and by whoever opens the ledger
next; a row that is committed already is not written twice, so reading back may be cut at any point.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from crossover.ledger.words import Record

_ENCODE = msgspec.json.Encoder(enc_hook=str).encode
_DECODE = msgspec.json.Decoder(Record).decode


def spill_of(ledger: Path, token: str) -> Path:
    """The file in which the writer with this token leaves rows."""
    return ledger.with_name(f"{ledger.name}-spill-{token}.jsonl")


def spills(ledger: Path) -> dict[str, Path]:
    """Token → file, of every writer that left rows."""
    start, end = f"{ledger.name}-spill-", ".jsonl"
    if not ledger.parent.is_dir():
        return {}
    names = sorted(path.name for path in ledger.parent.iterdir())
    names = [name for name in names if name.startswith(start) and name.endswith(end)]
    return {name[len(start) : -len(end)]: ledger.parent / name for name in names}


def spill(path: Path, records: Iterable[Record]) -> None:
    """Append records durably, all or none. Raises OSError, and ValueError for text that is no text."""
    lines = b"".join(_ENCODE(record) + b"\n" for record in records)
    handle = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        size = os.fstat(handle).st_size
        try:
            while lines:
                lines = lines[os.write(handle, lines) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def read_back(path: Path, at_once: int = 500) -> Iterator[list[Record]]:
    """The records of a spill file in portions; a line cut short by a crash is left out."""
    portion: list[Record] = []
    with path.open("rb") as lines:
        for line in lines:
            with contextlib.suppress(msgspec.MsgspecError):
                portion.append(_DECODE(line))
            if len(portion) >= at_once:
                yield portion
                portion = []
    if portion:
        yield portion
