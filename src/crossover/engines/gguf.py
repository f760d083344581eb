"""What a GGUF file says of itself: the head of the file, read with bounds, nothing of its weights.

The file is not trusted: every length is checked against the file and against a limit before anything is read, text
that is kept is bounded, long lists (the vocabulary) are stepped over. Layout: the GGUF specification, versions 2 and 3,
little-endian.
"""

from __future__ import annotations

import csv
import functools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from crossover.errors import FileError

MAGIC = b"GGUF"
MAX_HEAD = 256 * 2**20  # bytes before the weights; the largest vocabularies of 2026 take about 20 MB
MAX_PAIRS = 100_000
MAX_TENSORS = 1_000_000
MAX_KEY = 65_535  # the specification's own limit
MAX_TEXT = 2**20  # of one text that is kept, a chat template for instance
MAX_LIST = 50_000_000
MAX_DIMENSIONS = 4
DATA = Path(__file__).with_name("data")

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
Value: TypeAlias = str | int | float | bool


class Gguf(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one file. Counts are 0 and names empty where the file does not say.

    ``context`` is the longest the model was trained for, in tokens; ``parameters`` counts weights; ``quantisation`` is
    llama.cpp's name (``Q4_K_M``). ``bytes`` is the file's size, ``weight_bytes`` what its tensors take.
    """

    path: str
    version: int
    architecture: str
    name: str
    context: int
    embedding: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    parameters: int
    quantisation: str
    bytes: int
    weight_bytes: int
    tensors: int
    license: str = ""
    chat_template: bool = False


def is_gguf(path: Path) -> bool:
    """Whether a file begins as a GGUF does."""
    try:
        with path.open("rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def read(path: str | Path) -> Gguf:
    """The facts of a GGUF file. Raises FileError where it is none, is cut short, or contradicts itself."""
    place = Path(path)
    try:
        with place.open("rb") as file:
            return _Head(file, str(place), place.stat().st_size).facts()
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", file=str(place)) from None


class TensorKind(msgspec.Struct, frozen=True):
    """How one type of tensor is stored: ``weights`` in a block of ``bytes``."""

    name: str
    weights: int
    bytes: int


class _Head:
    """Reads one head from front to back and never past its bounds."""

    def __init__(self, file: BinaryIO, name: str, size: int) -> None:
        self._file = file
        self._name = name
        self._size = size
        self._at = 0

    def facts(self) -> Gguf:
        if self._take(4) != MAGIC:
            raise self._wrong("is no GGUF file")
        version = self._number("I")
        if version not in (2, 3):
            raise self._wrong(f"is GGUF version {version}; versions 2 and 3 are read")
        tensors, pairs = self._number("Q"), self._number("Q")
        if tensors > MAX_TENSORS or pairs > MAX_PAIRS:
            raise self._wrong(f"claims {tensors} tensors and {pairs} facts, which no real file has")
        said = dict(self._pairs(pairs))
        counted, weight_bytes, kinds = self._tensors(tensors, said)
        architecture = _text(said, "general.architecture")
        listed = _whole(said, f"{architecture}.vocab_size") or _whole(said, "tokenizer.ggml.tokens")
        return Gguf(
            path=self._name,
            version=version,
            architecture=architecture,
            name=_text(said, "general.name"),
            context=_whole(said, f"{architecture}.context_length"),
            embedding=_whole(said, f"{architecture}.embedding_length"),
            layers=_whole(said, f"{architecture}.block_count"),
            heads=_whole(said, f"{architecture}.attention.head_count"),
            kv_heads=_whole(said, f"{architecture}.attention.head_count_kv"),
            vocabulary=listed,
            parameters=counted,
            quantisation=_file_types().get(_whole(said, "general.file_type", -1)) or _commonest(kinds),
            bytes=self._size,
            weight_bytes=weight_bytes,
            tensors=tensors,
            license=_text(said, "general.license"),
            chat_template=bool(_text(said, "tokenizer.chat_template")),
        )

    def _pairs(self, count: int) -> Iterator[tuple[str, Value]]:
        """Keys with their values; a list is given as its length."""
        for _ in range(count):
            key = self._string(MAX_KEY)
            kind = self._number("I")
            if kind == _LIST:
                yield key, self._list(0)
            elif kind == _TEXT:
                yield key, self._string(MAX_TEXT)
            else:
                yield key, self._scalar(kind)

    def _list(self, depth: int) -> int:
        """Step over a list; its length."""
        kind, count = self._number("I"), self._number("Q")
        if count > MAX_LIST or depth > 2:
            raise self._wrong("holds a list longer or deeper than any real file's")
        if kind in _SCALARS:
            self._skip(struct.calcsize("<" + _SCALARS[kind]) * count)
        elif kind == _TEXT:
            for _ in range(count):
                self._skip(self._number("Q"))
        elif kind == _LIST:
            for _ in range(count):
                self._list(depth + 1)
        else:
            raise self._wrong(f"holds a list of an unknown type ({kind})")
        return count

    def _tensors(self, count: int, said: dict[str, Value]) -> tuple[int, int, dict[str, int]]:
        """Weights, bytes, and bytes by type; every tensor must lie within the file."""
        weights, end, kinds = 0, 0, dict[str, int]()
        total = 0
        for _ in range(count):
            self._string(MAX_KEY)
            dimensions = self._number("I")
            if dimensions > MAX_DIMENSIONS:
                raise self._wrong(f"holds a tensor of {dimensions} dimensions")
            elements = 1
            for _ in range(dimensions):
                elements *= self._number("Q")
            number, offset = self._number("I"), self._number("Q")
            kind = _tensor_types().get(number)
            if kind is None:
                raise self._wrong(f"holds a tensor of an unknown type ({number})")
            size = -(-elements // kind.weights) * kind.bytes
            weights, end, total = weights + elements, max(end, offset + size), total + size
            kinds[kind.name] = kinds.get(kind.name, 0) + size
        alignment = max(1, _whole(said, "general.alignment", 32))
        start = -(-self._at // alignment) * alignment
        if start + end > self._size:
            raise self._wrong(f"is cut short: its weights end at byte {start + end}, the file at {self._size}")
        return weights, total, kinds

    def _scalar(self, kind: int) -> Value:
        if kind not in _SCALARS:
            raise self._wrong(f"holds a fact of an unknown type ({kind})")
        found: Value = self._number(_SCALARS[kind])
        return found

    def _number(self, code: str) -> int:
        found: int = struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))[0]
        return found

    def _string(self, most: int) -> str:
        length = self._number("Q")
        if length > most:
            raise self._wrong(f"holds a text of {length} bytes where {most} is the most")
        return self._take(length).decode(errors="replace")

    def _take(self, count: int) -> bytes:
        self._advance(count)
        data = self._file.read(count)
        if len(data) < count:
            raise self._wrong("is cut short")
        return data

    def _skip(self, count: int) -> None:
        self._advance(count)
        self._file.seek(count, 1)

    def _advance(self, count: int) -> None:
        self._at += count
        if self._at > self._size:
            raise self._wrong("is cut short")
        if self._at > MAX_HEAD:
            raise self._wrong(f"has a head of more than {MAX_HEAD // 2**20} MiB")

    def _wrong(self, what: str) -> FileError:
        return FileError(what, file=self._name)


def _text(said: dict[str, Value], key: str) -> str:
    value = said.get(key)
    return value if isinstance(value, str) else ""


def _whole(said: dict[str, Value], key: str, default: int = 0) -> int:
    value = said.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _commonest(kinds: dict[str, int]) -> str:
    return max(kinds, key=lambda kind: kinds[kind]) if kinds else ""


def _rows(kind: str) -> list[dict[str, str]]:
    text = (DATA / "gguf_types.csv").read_text(encoding="utf-8")
    return [row for row in csv.DictReader(text.splitlines()) if row["kind"] == kind]


@functools.cache
def _file_types() -> dict[int, str]:
    """llama.cpp's numbers of file types and their names."""
    return {int(row["number"]): row["name"] for row in _rows("file")}


@functools.cache
def _tensor_types() -> dict[int, TensorKind]:
    """ggml's numbers of tensor types and how they are stored."""
    return {
        int(row["number"]): TensorKind(row["name"], int(row["block_weights"]), int(row["block_bytes"]))
        for row in _rows("tensor")
    }
