"""A detector for tests: ``CARD12`` is a hard finding, ``Name-…`` a soft one, ``ill`` a health story, ``BOOM`` fails."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path

from crossover.errors import DetectionError
from crossover.privacy.policy import PROFILES
from crossover.privacy.words import Finding
from crossover.sensitivity import Category, Tier
from crossover.traffic.scan.sources import gather
from crossover.traffic.scan.survey import Surveyor
from crossover.traffic.scan.words import Hit, Survey

_SHAPES: tuple[tuple[str, Category, str, Tier], ...] = (
    (r"CARD[\d\n]*\d", "financial", "card", "hard"),
    (r"Name-\w+", "personal", "person", "soft"),
    (r"\bill\b", "health", "health", "soft"),
    (r"\b4242424242\b", "financial", "account", "hard"),
)


def look(text: str, field: str) -> tuple[Finding, ...]:
    """The findings of a text; a field called ``owner`` makes a person of every word in capitals."""
    if "BOOM" in text:
        raise DetectionError("the test said so")
    shapes = [*_SHAPES, (r"\b[A-Z]{3,}\b", "personal", "person", "soft")] if field == "owner" else _SHAPES
    return tuple(
        Finding(category=category, kind=kind, tier=tier, start=match.start(), end=match.end(), score=0.9, rule=kind)
        for pattern, category, kind, tier in shapes
        for match in re.finditer(pattern, text)
    )


def scan(
    *paths: Path | str, stdin: bytes = b"", by_line: bool = False, most: int | None = None
) -> tuple[Survey, list[Hit]]:
    """A whole scan with the detector above."""
    hits: list[Hit] = []
    gathered = gather([str(path) for path in paths])
    surveyor = Surveyor(
        look, PROFILES, keep=lambda _name, hit: hits.append(hit), per_file=most, by_line=by_line,
        skipped=gathered.skipped,
    )  # fmt: skip
    for _ in surveyor.run(gathered.sources, io.BytesIO(stdin)):
        pass
    return surveyor.survey(), hits


def file(folder: Path, name: str, content: str | bytes) -> Path:
    """A file with this content; packed where its name says so."""
    data = content if isinstance(content, bytes) else content.encode()
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return place


def at(place: Path, hit: Hit) -> str:
    """What stands in the file where the hit points, as long as its value."""
    lines = place.read_text(encoding="utf-8").split("\n")
    rest = "\n".join([lines[hit.spot.line - 1][hit.spot.column - 1 :], *lines[hit.spot.line :]])
    return rest[: len(hit.value)]
