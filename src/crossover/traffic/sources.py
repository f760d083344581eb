"""A file with traffic, whatever it holds: a usage export is told from a trace by its content."""

from __future__ import annotations

from pathlib import Path

from crossover.traffic.exports import is_export, read_export
from crossover.traffic.facts import Facts
from crossover.traffic.observed import facts_of
from crossover.traffic.trace import read_trace


def facts_of_file(path: str | Path, columns: str | None = None) -> Facts:
    """What a trace or a usage export says. With ``columns`` it is a trace. Raises FileError."""
    place = Path(path)
    # A pipe can be read once, so it is never looked at first; an absent file is reported by the reader.
    if columns is None and (place.is_file() or not place.exists()) and is_export(place):
        return read_export(path)
    return facts_of(read_trace(path, columns=columns))
