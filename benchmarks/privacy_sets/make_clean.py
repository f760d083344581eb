"""Compose longer clean prompts from the hand-written ones in ``clean_prompts.jsonl`` and write both back.

    python benchmarks/privacy_sets/make_clean.py

People paste: a question with two blocks below it, a second thought, a quoted answer. The hand-written rows are the
source and stay as they are; the composed ones follow them and are the same at every run.
"""

from __future__ import annotations

import random

import set_rows

PATH = set_rows.HERE / "clean_prompts.jsonl"
SEED = 20261127
COMPOSED = 165
LONGEST = 4_000
OPENERS = (
    "Two things today.", "Please answer each part separately.", "Sorry for the wall of text.", "From my notes:",
    "Work through these in order:", "Context first, question after.", "Here is what I have so far.",
    "Keep the answer under 300 words in total.", "I collected these over the week:", "", "", "",
)  # fmt: skip
JOINS = (
    "And then:", "Second question:", "Also,", "---", "***", "Unrelated:", "Next item:", "PS:", "Another one:",
    "For comparison:", "## Part two", "Then look at this one too.", "Same treatment for the following:", "> quoted:",
)  # fmt: skip
CLOSERS = (
    "Thanks!", "No preamble please.", "Answer in English.", "Use bullet points.", "Explain your reasoning briefly.",
    "If something is unclear, ask.", "Return Markdown.", "", "", "", "",
)  # fmt: skip


def composed(hand: list[set_rows.Row]) -> list[set_rows.Row]:
    """Prompts of two to seven hand-written pieces, at most ``LONGEST`` characters."""
    rng = random.Random(SEED)
    rows = []
    for number in range(1, COMPOSED + 1):
        pieces = rng.sample(hand, rng.choice((2, 2, 2, 3, 3, 4, 5, 7)))
        text = rng.choice(OPENERS)
        used: list[set_rows.Row] = []
        for piece in pieces:
            added = f"{text}\n\n{rng.choice(JOINS)}\n{piece['text']}" if used else f"{text}\n\n{piece['text']}".strip()
            if len(added) > LONGEST - 40:
                break
            text = added
            used.append(piece)
        clean = [label for label in ("hard", "secrets", "health", "soft") if all(label in p["clean_of"] for p in used)]
        name, source = f"clean-c{number:03d}", "composed:" + "+".join(piece["id"] for piece in used)
        text = f"{text}\n\n{rng.choice(CLOSERS)}".strip()
        rows.append(set_rows.row(name, text, source, kind="composed", clean_of=clean))
    return rows


def main() -> None:
    """Write the hand-written rows followed by the composed ones."""
    hand = [row for row in set_rows.read(PATH) if row["source"] == "hand"]
    rows = hand + composed(hand)
    set_rows.write(PATH, rows)
    print(f"{PATH.name}: {len(hand)} by hand, {len(rows) - len(hand)} composed, sha256 {set_rows.digest(rows)}")


if __name__ == "__main__":
    main()
