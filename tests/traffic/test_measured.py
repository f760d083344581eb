"""Measured figures of a user: every line is read, or named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crossover.errors import FileError
from crossover.traffic.measured import read_evidence

ROW = {"subject": "a", "metric": "tpot_s", "value": 0.02, "unit": "s", "kind": "measured", "source": "b"}


def file_of(folder: Path, *rows: object) -> Path:
    path = folder / "measured.jsonl"
    path.write_bytes(b"\n".join(row if isinstance(row, bytes) else msgspec.json.encode(row) for row in rows))
    return path


def test_figures_are_read_and_empty_lines_skipped(tmp_path: Path) -> None:
    row = {**ROW, "when": "2026-11-20", "context": {"concurrency": 32}}
    first, second = read_evidence(file_of(tmp_path, row, b"", b"  ", {**row, "value": 0.03}))
    assert (first.value, second.value, first.context) == (0.02, 0.03, {"concurrency": 32})
    assert read_evidence(file_of(tmp_path)) == ()


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (ROW, None),  # the day is missing
        ({**ROW, "when": "soon"}, None),
        ({**ROW, "when": "2026-11-20", "kind": "felt"}, None),
        ({**ROW, "when": "2026-11-20", "value": -1}, "value"),
        ({**ROW, "when": "2026-11-20", "value": 1e13}, "value"),
        (b'{"value": NaN}', None),
        (b"\xff\x00", None),
        ([], None),
    ],
)
def test_a_line_that_cannot_be_is_named(tmp_path: Path, row: object, field: str | None) -> None:
    with pytest.raises(FileError) as caught:
        read_evidence(file_of(tmp_path, {**ROW, "when": "2026-11-20"}, row))
    assert (caught.value.line, caught.value.field) == (2, field)
    assert caught.value.hint


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileError, match="cannot be read"):
            read_evidence(place)
