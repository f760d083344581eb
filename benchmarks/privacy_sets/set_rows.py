"""What the makers of the evaluation sets share: marked text, rows, and one way to write them.

Marked text carries its own labels: ``call [[PHONE|+43 1 2345678]] today`` is the text ``call +43 1 2345678 today``
with one span. So no offset in these sets was ever counted by hand.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MARK = re.compile(r"\[\[([A-Z_]*)\|(.*?)\]\]", re.DOTALL)
SLOT = re.compile(r"\{([a-z_0-9]+)\}")
Row = dict[str, Any]


def parse(marked: str) -> tuple[str, list[dict[str, Any]]]:
    """The text without its marks and the spans they stood for (offsets in characters)."""
    text, spans, last = "", [], 0
    for found in MARK.finditer(marked):
        text += marked[last : found.start()]
        start = len(text)
        text += found[2]
        if found[1]:
            spans.append({"start": start, "end": len(text), "label": found[1]})
        last = found.end()
    return text + marked[last:], spans


def row(name: str, marked: str, source: str, **more: Any) -> Row:
    """One row of a set from marked text."""
    text, spans = parse(marked)
    return {"id": name, "text": text, "spans": spans, "source": source, **more}


def fill(template: str, words: dict[str, tuple[str, ...]], rng: random.Random, **fixed: str) -> str:
    """Each ``{slot}`` by its fixed value, or by a random one of its list; every use of a slot draws again."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return fixed[name] if name in fixed else rng.choice(words[name])

    for _ in range(4):  # words may hold slots themselves
        template = SLOT.sub(value, template)
    return template


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """The rows as JSON lines."""
    for each in rows:
        yield json.dumps(each, ensure_ascii=False, separators=(",", ":")) + "\n"


def digest(rows: Iterable[Row]) -> str:
    """SHA-256 of the rows as they would be written."""
    return hashlib.sha256("".join(lines(rows)).encode()).hexdigest()


def read(path: Path) -> list[Row]:
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows of a set."""
    path.write_text("".join(lines(rows)), encoding="utf-8", newline="\n")
