"""Every error Crossover raises on purpose, drawn as one tree.

::

    CrossoverError            something went wrong that the user can act on          exit 1
    ├── InputError            a value, a file or a flag is wrong                     exit 2
    │   ├── UnknownNameError  a name that no list holds; carries the nearest names
    │   ├── FileError         a file cannot be read, or its content is wrong; carries file, line, field
    │   └── ContradictionError two values that cannot both hold
    ├── MissingExtraError     an optional part is not installed; carries the install line
    └── ThresholdError        everything ran, and a threshold the user set is not met  exit 3

Errors carry their facts as fields, so that no caller parses text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CrossoverError(Exception):
    """Something went wrong that the user can act on: one sentence, and where possible what would be right."""

    exit_code = 1
    kind = "error"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        file: str | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line
        self.field = field

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self) -> str:
        """The whole error as one line: where, what, and what would be right."""
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}" if place else f"line {self.line}"
        if self.field is not None:
            place += f", field {self.field}" if place else self.field
        text = f"{place}: {self.message}" if place else self.message
        return f"{text.rstrip('.')}. {self.hint}" if self.hint else text

    def as_dict(self) -> dict[str, object]:
        """The error as plain data for ``--json``; absent facts are left out."""
        facts: dict[str, object] = {"error": self.kind, "message": self.message, "exit_code": self.exit_code}
        for name in ("hint", "file", "line", "field"):
            value = getattr(self, name)
            if value is not None:
                facts[name] = value
        return facts


class InputError(CrossoverError):
    """A value, a file or a flag that the user gave is wrong."""

    exit_code = 2
    kind = "bad_input"


class UnknownNameError(InputError):
    """A name that no list holds; the nearest names are offered."""

    kind = "unknown_name"

    def __init__(self, what: str, name: str, known: Iterable[str], *, field: str | None = None) -> None:
        self.what = what
        self.name = name
        self.nearest = nearest(name, known)
        hint = f"Did you mean {' or '.join(self.nearest)}?" if self.nearest else None
        super().__init__(f"unknown {what} {name!r}", hint=hint, field=field)

    def as_dict(self) -> dict[str, object]:
        """The error as plain data, with the nearest names."""
        return {**super().as_dict(), "name": self.name, "nearest": list(self.nearest)}


class FileError(InputError):
    """A file cannot be read or written, or what it holds is wrong."""

    kind = "bad_file"


class ContradictionError(InputError):
    """Two values that cannot both hold."""

    kind = "contradiction"


class MissingExtraError(CrossoverError):
    """An optional part of Crossover is not installed."""

    kind = "missing_extra"

    def __init__(self, extra: str, needed_for: str) -> None:
        self.extra = extra
        super().__init__(
            f"{needed_for} needs the extra {extra!r}", hint=f"Install it: pip install 'crossover-llm[{extra}]'"
        )


class ThresholdError(CrossoverError):
    """Everything ran, and a threshold that the user set is not met."""

    exit_code = 3
    kind = "threshold_not_met"


def nearest(name: str, known: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """The up to ``count`` names of ``known`` most like ``name``, best first; case and separators do not count."""
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(fold(candidate), candidate)
    wanted = fold(name)
    matches = difflib.get_close_matches(wanted, folded, n=count, cutoff=0.6)
    if not matches:
        matches = sorted((key for key in folded if wanted and wanted in key), key=len)[:count]
    return tuple(folded[key] for key in matches)


def fold(name: str) -> str:
    """A name without case and separators, so that ``RTX 4090``, ``rtx-4090`` and ``RTX4090`` are one."""
    return "".join(char for char in name.casefold() if char.isalnum() or char in "./+")
