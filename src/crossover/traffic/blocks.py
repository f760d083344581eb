"""Bytes of a trace file as blocks of whole lines: plain or gzip, UTF-8 or UTF-16, in bounded memory.

What a file is, is read from its first bytes and never from its name.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from crossover.errors import FileError
from crossover.textfile import open_file

BLOCK_BYTES = 2**18  # what is made of one block stays in the processor's cache: half the time of 4 MiB
_FIRST_BLOCKS = 16  # the first block is so many times larger, since the shape of the file is read from it
MAX_LINE_BYTES = 32 * 2**20  # a prompt of eight million tokens still fits; a longer line is a bad row
_GZIP = b"\x1f\x8b"
# First bytes of what people hand over by mistake, and what to do with it.
_MISTAKEN = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "Unpack it, or save the sheet as CSV"),
    (b"(\xb5/\xfd", "compressed with zstd", "Unpack it, or compress it with gzip"),
    (b"\xfd7zXZ\x00", "compressed with xz", "Unpack it, or compress it with gzip"),
    (b"BZh", "compressed with bzip2", "Unpack it, or compress it with gzip"),
    (b"PAR1", "a Parquet file", "Write it as CSV or JSONL"),
    (b"SQLite format 3", "an SQLite database", "Write the table as CSV or JSONL"),
)


class Block(NamedTuple):
    """Whole lines of a file, each ended by a newline; ``line`` is the number of the first one (1-based).

    ``too_long`` lists the numbers of lines over the limit; such a line stands in ``data`` as an empty one.
    """

    data: bytes
    line: int
    too_long: tuple[int, ...] = ()


def read_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield the file as blocks of whole lines of about ``block_bytes``.

    A UTF-8 byte-order mark is taken off and UTF-16 with one becomes UTF-8. Binary content, a damaged gzip and an empty
    file raise FileError; a gzip that ends in the middle says after which line.
    """
    line = 1
    rest = b""
    skipping = False  # inside a line that is longer than the limit
    with open_file(path) as file:
        for chunk in _as_utf8(_unpacked(path, file, block_bytes), path):
            text = chunk
            if skipping:
                _, newline, text = chunk.partition(b"\n")
                if not newline:
                    continue
                yield Block(b"\n", line, (line,))
                line, skipping = line + 1, False
            data, newline, rest_of_text = text.rpartition(b"\n")
            if newline:
                block = _checked(rest + data + newline, line)
                yield block
                line += block.data.count(b"\n")
                rest = rest_of_text
            else:
                rest += text
            if len(rest) > MAX_LINE_BYTES:
                rest, skipping = b"", True
    if skipping:
        yield Block(b"\n", line, (line,))
    elif rest:
        yield Block(rest + b"\n", line)


def _checked(data: bytes, line: int) -> Block:
    """The block, with lines over the limit emptied (only a block over the limit can hold one)."""
    if len(data) <= MAX_LINE_BYTES:
        return Block(data, line)
    lines = data.split(b"\n")
    too_long = tuple(line + index for index, text in enumerate(lines) if len(text) > MAX_LINE_BYTES)
    return Block(b"\n".join(b"" if len(text) > MAX_LINE_BYTES else text for text in lines), line, too_long)


def _unpacked(path: Path, file: BufferedReader, size: int) -> Iterator[bytes]:
    """The content in chunks, unpacked when it is gzip."""
    head = file.peek(16)[:16]  # works on a pipe, which cannot go back
    if not head:
        raise FileError("the file is empty", file=str(path), hint="A trace holds one request per line")
    for magic, what, hint in _MISTAKEN:
        if head.startswith(magic):
            raise FileError(f"is {what}, not text", file=str(path), hint=hint)
    if not head.startswith(_GZIP):
        chunk = file.read(size * _FIRST_BLOCKS)
        while chunk:
            yield chunk
            chunk = file.read(size)
        return
    yield from _gunzipped(path, file, size)


def _gunzipped(path: Path, file: BufferedReader, size: int) -> Iterator[bytes]:
    """Unpacked chunks of at most ``size`` bytes; all that can be unpacked is given before an error is raised."""
    lines, empty = 0, True
    member = zlib.decompressobj(wbits=31)
    packed = b""
    try:
        while True:
            packed = packed or file.read(size)
            if member.eof:  # gzip files may be joined end to end; zeros may fill up the last one
                packed = packed.lstrip(b"\0")
                if not packed:
                    packed = file.read(size)
                    if not packed:
                        break
                    continue
                member = zlib.decompressobj(wbits=31)
            chunk = member.decompress(packed, size * _FIRST_BLOCKS if empty else size)
            if not packed and not chunk:
                message = f"the gzip data ends in the middle, after line {lines:,}"
                raise FileError(message, file=str(path), line=lines, hint="Copy or download the file again")
            packed = member.unused_data if member.eof else member.unconsumed_tail
            if chunk:
                lines, empty = lines + chunk.count(b"\n"), False
                yield chunk
    except zlib.error as error:
        message = f"the gzip data is damaged after line {lines:,} ({error})"
        raise FileError(message, file=str(path), line=lines, hint="Copy or download the file again") from None
    if empty:
        raise FileError("the gzip holds an empty file", file=str(path), hint="A trace holds one request per line")


def _as_utf8(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """The chunks as UTF-8 without a byte-order mark; binary content is refused at the first chunk."""
    first = next(chunks, b"")
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        yield decoder.decode(first).encode()
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        return
    sample = first[:65536]
    control = sum(sample.count(bytes([code])) for code in (*range(9), *range(14, 32)))
    if control > len(sample) // 20:
        raise FileError("is binary, not text", file=str(path), hint="A trace is CSV or JSONL, plain or gzip")
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from chunks
