"""GGUF heads: real ones are read, hostile ones are refused with a sentence and without reading past a bound."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossover.engines import embedded, gguf
from crossover.errors import FileError

U32, F32, BOOL, TEXT, LIST, U64 = 4, 6, 7, 8, 9, 10
F32_TENSOR, Q8_TENSOR = 0, 8


def text(words: str) -> bytes:
    raw = words.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str, kind: int, value: Any) -> bytes:
    head = text(key) + struct.pack("<I", kind)
    if kind == TEXT:
        return head + text(value)
    if kind == LIST:
        return head + bytes(value)
    return head + struct.pack("<" + {U32: "I", F32: "f", BOOL: "?", U64: "Q"}[kind], value)


def texts(*words: str) -> bytes:
    return struct.pack("<IQ", TEXT, len(words)) + b"".join(text(word) for word in words)


def tensor(name: str, dimensions: tuple[int, ...], kind: int, offset: int) -> bytes:
    sizes = b"".join(struct.pack("<Q", size) for size in dimensions)
    return text(name) + struct.pack("<I", len(dimensions)) + sizes + struct.pack("<IQ", kind, offset)


PAIRS = (
    pair("general.architecture", TEXT, "qwen2"),
    pair("general.name", TEXT, "Small One"),
    pair("general.file_type", U32, 15),
    pair("qwen2.context_length", U32, 32768),
    pair("qwen2.block_count", U32, 2),
    pair("tokenizer.ggml.tokens", LIST, texts("a", "b", "c")),
)


def file(
    pairs: tuple[bytes, ...] = PAIRS,
    tensors: tuple[bytes, ...] = (tensor("w", (64, 2), F32_TENSOR, 0),),
    weights: int = 512,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    tensor_count, pair_count = counts or (len(tensors), len(pairs))
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, pair_count) + b"".join(pairs) + b"".join(tensors)
    return head + b"\0" * (-len(head) % 32 + weights)


def refused(tmp_path: Path, raw: bytes) -> str:
    path = tmp_path / "m.gguf"
    path.write_bytes(raw)
    with pytest.raises(FileError) as caught:
        gguf.read(path)
    assert caught.value.file == str(path)
    return caught.value.message


def test_the_shipped_models_say_what_they_are() -> None:
    small, large = gguf.read(embedded.default_model()), gguf.read(embedded.sandbox_model())
    assert (small.architecture, small.quantisation, small.context) == ("llama", "Q8_0", 512)
    assert small.name == "crossover-tiny-small"
    assert small.chat_template
    assert small.parameters < large.parameters
    assert 2000 < small.vocabulary < 4000


@pytest.mark.parametrize("version", [2, 3])
def test_facts_of_a_made_file(tmp_path: Path, version: int) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(file(version=version))
    facts = gguf.read(path)
    assert (facts.architecture, facts.name, facts.quantisation) == ("qwen2", "Small One", "Q4_K_M")
    assert (facts.context, facts.layers, facts.vocabulary) == (32768, 2, 3)
    assert (facts.parameters, facts.weight_bytes, facts.tensors) == (128, 512, 1)
    assert not facts.chat_template
    assert gguf.is_gguf(path)


def test_without_a_file_type_the_commonest_tensor_names_it(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    tensors = (tensor("a", (32,), F32_TENSOR, 0), tensor("b", (32, 64), Q8_TENSOR, 128))
    path.write_bytes(file((), tensors, weights=128 + 34 * 64))
    assert gguf.read(path).quantisation == "Q8_0"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "cut short"),
        (b"GGU", "cut short"),
        (b"<!DOCTYPE html><html></html>", "no GGUF"),
        (file(version=1), "version 1"),
        (file(version=3 << 24), "versions 2 and 3"),  # big-endian
        (file(counts=(2**40, 0)), "no real file"),
        (file(counts=(0, 2**40)), "no real file"),
        (file(counts=(1, 7)), ""),  # one fact more than there is: whatever comes next is no fact
        (file((pair("k", TEXT, "v")[:-1] + b"",)), ""),
        (file((text("k") + struct.pack("<IQ", TEXT, 2**62),)), "text of"),
        (file((struct.pack("<Q", 2**63),)), "text of"),
        (file((text("k") + struct.pack("<IIQ", LIST, U64, 2**60),)), "longer or deeper"),
        (file((text("k") + struct.pack("<IIQ", LIST, U64, 40_000_000),)), "cut short"),
        (file((text("k") + struct.pack("<IIQ", LIST, TEXT, 1) + struct.pack("<Q", 2**50),)), "cut short"),
        (file((text("k") + struct.pack("<I", 99),)), "unknown type"),
        (file((text("k") + struct.pack("<IIQ", LIST, 99, 1),)), "unknown type"),
        (file(tensors=(tensor("w", (1,) * 5, F32_TENSOR, 0),)), "dimensions"),
        (file(tensors=(tensor("w", (4,), 77, 0),)), "unknown type"),
        (file(tensors=(tensor("w", (2**40, 2**40), F32_TENSOR, 0),)), "cut short"),
        (file(tensors=(tensor("w", (4,), F32_TENSOR, 2**60),)), "cut short"),
        (file(weights=511), "cut short"),
    ],
)
def test_hostile_and_broken_files_are_refused(tmp_path: Path, raw: bytes, why: str) -> None:
    assert why in refused(tmp_path, raw)


def test_lists_in_lists_end_somewhere(tmp_path: Path) -> None:
    nested = struct.pack("<IQ", LIST, 1) * 50
    assert "deeper" in refused(tmp_path, file((text("k") + struct.pack("<I", LIST) + nested,)))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(FileError) as caught:
            gguf.read(path)
        assert str(path) in caught.value.sentence()
        assert not gguf.is_gguf(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_bytes_bring_anything_but_facts_or_a_sentence(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(file())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "m.gguf"
    path.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    try:
        assert gguf.read(path).bytes == path.stat().st_size
    except FileError as error:
        assert error.message  # noqa: PT017


def test_nothing_of_the_weights_is_read(tmp_path: Path) -> None:
    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            raw = super().read(size)
            Counting.taken += len(raw)
            return raw

    raw = file(weights=10 * 2**20)
    gguf._Head(Counting(raw), "x", len(raw)).facts()
    assert Counting.taken < 1000
