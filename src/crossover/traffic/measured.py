"""Measured figures that a user brings: one Evidence per line of a JSONL file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from crossover.errors import FileError
from crossover.evidence import Evidence

MAX_VALUE = 1e12  # more than any speed, time or count of this trade


def read_evidence(path: Path) -> tuple[Evidence, ...]:
    """Every figure of the file. Raises FileError with the line of the first that cannot be read."""
    decoder = msgspec.json.Decoder(Evidence)
    rows: list[Evidence] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}", file=str(path)) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
        except msgspec.DecodeError as error:
            hint = 'Write one object a line: {"subject": …, "metric": "tpot_s", "value": …, "unit": "s", …}'
            raise FileError(str(error), hint=hint, file=str(path), line=number) from None
        if not 0 <= row.value <= MAX_VALUE:
            raise FileError(
                f"{row.value:g} is no measured figure",
                hint=f"Write a number from 0 to {MAX_VALUE:g}",
                file=str(path),
                line=number,
                field="value",
            )
        rows.append(row)
    return tuple(rows)
