"""Add the generated halves of ``health_notes``, ``health_lines`` and ``health_clean`` to the hand-written ones.

    python benchmarks/privacy_sets/make_health.py

The hand-written rows stand first in each file and stay as they are.
"""

from __future__ import annotations

import random

import set_rows
from set_health_words import CLEAN, LINES, NOTES, WORDS

SEED = 1_948
WANTED = {"health_notes": (NOTES, 98), "health_lines": (LINES, 110), "health_clean": (CLEAN, 154)}


def generated(name: str, forms: tuple[tuple[str, str], ...], count: int) -> list[set_rows.Row]:
    """Rows from the forms in turn, no text twice."""
    rng = random.Random(f"{SEED} {name}")
    rows: list[set_rows.Row] = []
    seen: set[str] = set()
    while len(rows) < count:
        group, form = forms[len(rows) % len(forms)]
        text = set_rows.fill(form, WORDS, rng)
        if text not in seen:
            seen.add(text)
            more = {"identified": "[[PERSON|" in text} if name == "health_notes" else {}
            rows.append(set_rows.row(f"{name}-g{len(rows) + 1:03d}", text, "generated", group=group, **more))
    return rows


def main() -> None:
    """Write the three files."""
    for name, (forms, count) in WANTED.items():
        path = set_rows.HERE / f"{name}.jsonl"
        hand = [row for row in set_rows.read(path) if row["source"] == "hand"]
        rows = hand + generated(name, forms, count)
        set_rows.write(path, rows)
        print(f"{path.name}: {len(hand)} by hand, {count} generated, sha256 {set_rows.digest(rows)}")


if __name__ == "__main__":
    main()
