"""What a user names for a scan: files, folders and standard input, opened as text of bounded memory.

What a file is, is read from its first bytes and never from its name: gzip is unpacked, UTF-16 with a mark is read as
such, binary content is no text. A byte that is no UTF-8 becomes U+FFFD and is counted; nothing else is changed.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from crossover.errors import FileError
from crossover.textfile import open_file

STDIN = "-"
_GZIP = b"\x1f\x8b"
_HEAD = 65_536  # bytes that tell what a file is
_NOT_ENTERED = frozenset({".git", ".hg", ".svn"})
_BAD = re.compile("[\udc80-\udcff]+")  # bytes that were no UTF-8, as ``surrogateescape`` reads them
_CONTROL = bytes((*range(9), *range(14, 27), *range(28, 32)))  # without tab, line ends and escape (colours of a log)
_MAGIC = (
    (b"%PDF-", "a PDF"), (b"PK\x03\x04", "a ZIP archive or an Office document"), (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"), (b"GIF8", "a picture"), (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"), (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\xfd7zXZ\x00", "compressed with xz"), (b"BZh", "compressed with bzip2"),
)  # fmt: skip


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to read: its ``name`` for people, its path (None: standard input), its size in bytes where known.

    ``named``: the user named this very file, so that not being able to read it is worth a sentence.
    """

    name: str
    path: Path | None = None
    size: int = 0
    named: bool = True


class Gathered(msgspec.Struct, frozen=True):
    """What is to be read, in order, and how many files of folders were left out by reason."""

    sources: tuple[Source, ...]
    skipped: dict[str, int]


class NotTextError(Exception):
    """What was opened is no text. The message says what it is."""


class Stream:
    """A text that is being read: ``head`` is its beginning. Reading raises FileError where the file is damaged."""

    def __init__(
        self, name: str, raw: BinaryIO, text: io.TextIOWrapper, head: str, unpacked: _Unpacked | None = None
    ) -> None:
        self._name = name
        self._unpacked = unpacked
        self._raw = raw
        self._text = text
        self.head = head
        self.line = 1  # of what comes next
        self.bad_line: int | None = None  # the first line that is no UTF-8
        self.bad = 0  # places that were no UTF-8

    @property
    def done(self) -> int:
        """Bytes of the file read so far; 0 of a pipe."""
        try:
            return self._raw.tell()
        except (OSError, ValueError):
            return 0

    def readline(self, most: int) -> str:
        """The next line with its end, or its first ``most`` characters; empty at the end of the text."""
        with _damage(self._name):
            return self._kept(self._text.readline(most))

    def read(self, most: int) -> str:
        """The next ``most`` characters; empty at the end of the text."""
        with _damage(self._name):
            return self._kept(self._text.read(most))

    def _kept(self, text: str) -> str:
        if not text and self._unpacked is not None and self._unpacked.damaged:
            raise FileError("the gzip data ends in the middle or is damaged", file=self._name, line=self.line)
        if not text.isascii():
            bad = _BAD.search(text)
            if bad is not None:
                if self.bad_line is None:
                    self.bad_line = self.line + text.count("\n", 0, bad.start())
                text, count = _BAD.subn("\ufffd", text)
                self.bad += count
        self.line += text.count("\n")
        return text


@contextmanager
def opened(source: Source, stdin: BinaryIO) -> Iterator[Stream]:
    """The text of a source. Raises FileError where it cannot be read, and NotTextError where it is none."""
    if source.path is None:
        yield _stream(source.name, cast(BinaryIO, io.BufferedReader(_Unclosed(stdin), _HEAD)))
        return
    with open_file(source.path) as file:
        yield _stream(source.name, cast(BinaryIO, io.BufferedReader(file.raw, _HEAD)))


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """Turns what reading raises into one sentence."""
    try:
        yield
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", file=name) from None


class _Unclosed(io.RawIOBase):
    """Standard input, which is not ours to close; its place is how many bytes came."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self._count = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._count

    def readinto(self, buffer: object) -> int:
        target = memoryview(cast(bytearray, buffer))
        inner = self._inner
        data = inner.read1(len(target)) if isinstance(inner, io.BufferedReader) else inner.read(len(target))
        target[: len(data)] = data
        self._count += len(data)
        return len(data)


class _Unpacked(io.RawIOBase):
    """The content of a gzip file, of a damaged one all that can be unpacked: ``damaged`` says so at its end."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._member = zlib.decompressobj(wbits=31)
        self._waiting = b""
        self.damaged = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(cast(bytearray, buffer))
        data = b""
        while not data and not self.damaged:
            self._waiting = self._waiting or self._packed.read(_HEAD)
            if self._member.eof:  # gzip files may be joined end to end; zeros may fill up the last one
                self._waiting = self._waiting.lstrip(b"\0")
                if not self._waiting:
                    break
                self._member = zlib.decompressobj(wbits=31)
            if not self._waiting:
                self.damaged = True
                break
            try:
                data = self._member.decompress(self._waiting, len(target))
            except zlib.error:
                self.damaged = True
                break
            self._waiting = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        target[: len(data)] = data
        return len(data)


def _stream(name: str, raw: BinaryIO) -> Stream:
    content: BinaryIO = raw
    unpacked: _Unpacked | None = None
    with _damage(name):
        head = cast(io.BufferedReader, raw).peek(_HEAD)[:_HEAD]
        if head.startswith(_GZIP):
            unpacked = _Unpacked(raw)
            buffered = io.BufferedReader(unpacked, _HEAD)
            head = buffered.peek(_HEAD)[:_HEAD]
            content = cast(BinaryIO, buffered)
    encoding, errors = "utf-8", "surrogateescape"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not head.startswith(codecs.BOM_UTF32_LE):
        encoding, errors = "utf-16", "replace"
    else:
        _check(head)
        if head.startswith(codecs.BOM_UTF8):
            encoding = "utf-8-sig"
    text = io.TextIOWrapper(content, encoding=encoding, errors=errors, newline="\n")
    return Stream(name, raw, text, head.decode(encoding, "replace"), unpacked)


def _check(head: bytes) -> None:
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise NotTextError(what)
    if b"\0" in head[:8192] or len(head.translate(None, _CONTROL)) < len(head) * 0.9:
        raise NotTextError("binary")


def gather(paths: Iterable[str]) -> Gathered:
    """The files that are to be read. Folders are walked in the order of names; links in them are not followed.

    Raises FileError where a path that was named does not exist, or is neither a file nor a folder.
    """
    found: dict[tuple[int, int] | str, Source] = {}
    skipped: Counter[str] = Counter()
    for name in paths:
        if name == STDIN:
            found.setdefault(STDIN, Source(name="standard input"))
            continue
        place = Path(name).expanduser()
        try:
            facts = place.stat()
        except (OSError, ValueError):
            open_file(place).close()  # which says what is wrong, and what was meant
            raise FileError("cannot be read", file=name) from None
        if stat.S_ISDIR(facts.st_mode):
            for path, status in _below(place, skipped):
                key = (status.st_dev, status.st_ino)
                found.setdefault(key, Source(name=str(path), path=path, size=status.st_size, named=False))
        else:
            size = facts.st_size if stat.S_ISREG(facts.st_mode) else 0
            found.setdefault((facts.st_dev, facts.st_ino), Source(name=name, path=place, size=size))
    return Gathered(tuple(found.values()), dict(skipped))


def _below(folder: Path, skipped: Counter[str]) -> Iterator[tuple[Path, os.stat_result]]:
    """The regular files below a folder."""

    def unreadable(_error: OSError) -> None:
        skipped["folder that cannot be read"] += 1

    for place, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(set(folders) - _NOT_ENTERED)
        for name in sorted(files):
            path = Path(place, name)
            try:
                facts = path.lstat()
            except OSError:
                skipped["that cannot be read"] += 1
                continue
            if stat.S_ISREG(facts.st_mode):
                yield path, facts
            else:
                skipped["link" if stat.S_ISLNK(facts.st_mode) else "no plain file"] += 1
