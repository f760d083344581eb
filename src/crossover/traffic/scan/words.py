"""The words of a scan: where something was found, what it was, and what all records together hold.

Values live in :class:`Hit` alone. Who writes one down decides what of it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias, get_args

import msgspec

from crossover.privacy.policy import Action
from crossover.privacy.words import Classified, Finding
from crossover.sensitivity import Category, Tier

State = Literal["hard", "soft", "unread", "clean"]
STATES: tuple[State, ...] = get_args(State)
Form = Literal["jsonl", "json", "csv", "text"]
Look: TypeAlias = Callable[[str, str], Iterable[Finding]]  # a text and its field → findings; raises DetectionError
Role = Literal["plain", "other", "value"]


class Spot(NamedTuple):
    """A place in a file. ``line`` and ``column`` count from 1, in characters; ``path`` is a JSON path or a column."""

    line: int
    column: int
    path: str = ""


class Piece(NamedTuple):
    """A part of a text: ``value`` is what was found, ``other`` something else that was, ``plain`` all around."""

    text: str
    role: Role


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One finding at its place, with what stands around it."""

    spot: Spot
    category: Category
    kind: str
    tier: Tier
    score: float
    rule: str
    context: tuple[Piece, ...]

    @property
    def value(self) -> str:
        """What was found, as it is written."""
        return "".join(piece.text for piece in self.context if piece.role == "value")


class Seen(NamedTuple):
    """A record that was looked at, or ``records`` of them that are alike and hold nothing.

    ``known`` None: more of the same record follows. ``hits`` are made when they are asked for. ``trouble`` says why the
    record, or a part of it, could not be looked at.
    """

    line: int
    known: Classified | None
    hits: Iterable[Hit] = ()
    records: int = 1
    trouble: str = ""


class Note(NamedTuple):
    """What whoever reads the figures should know of a file: one sentence, and how often it holds."""

    file: str
    text: str
    line: int | None = None
    times: int = 1


class KindCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often a kind was found, and in how many records."""

    category: Category
    kind: str
    tier: Tier
    findings: int
    records: int


class FileCount(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its form, its records by state, its findings. ``bytes`` as they were read."""

    name: str
    form: Form
    bytes: int
    records: int
    findings: int
    states: Mapping[State, int]


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What all records hold together. ``profiles`` counts records by what a place outside would get of them.

    ``categories`` counts records by category, ``opaque`` those of which not all can be read by why not, ``failed``
    those at which the detector failed. ``unreadable`` files could not be read (to their end), ``skipped`` counts files
    that are no text or no plain file, by reason. ``complete`` is False where the scan was interrupted.
    """

    files: int
    records: int
    findings: int
    bytes: int
    states: Mapping[State, int]
    categories: Mapping[Category, int]
    kinds: tuple[KindCount, ...]
    profiles: Mapping[str, Mapping[Action, int]]
    failed: int = 0
    unreadable: int = 0
    opaque: Mapping[str, int] = {}
    notes: tuple[Note, ...] = ()
    skipped: Mapping[str, int] = {}
    complete: bool = True

    def kept_inside(self, profile: str) -> int:
        """Records that may not leave as they are and cannot be redacted, under a profile: local only and blocked."""
        counts = self.profiles[profile]
        return counts.get("local_only", 0) + counts.get("block", 0)
