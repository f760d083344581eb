"""Generate ``names_mixed.jsonl``: people's names of 46 cultures in 52 forms, hand-written lines, and lines with nobody.

python benchmarks/privacy_sets/make_names.py
"""

from __future__ import annotations

import random
import re

import set_rows
from set_name_words import CULTURES, FORMS, HAND, NOBODY

PATH = set_rows.HERE / "names_mixed.jsonl"
SEED = 5_150
ROUNDS = 6
SLOT = re.compile(r"\{(n|f|l|low|lowf|lf|i|UP|FIRST|arrow)\}")
FAMILY_FIRST = {"chinese", "japanese", "korean", "vietnamese", "hungarian"}


def full(culture: str, given: str, family: str, rng: random.Random) -> str:
    """A full name; where the family name stands first at home, it does in half of the rows."""
    if culture == "vietnamese" or (culture in FAMILY_FIRST and rng.random() < 0.5):
        return f"{family} {given}"
    return f"{given} {family}"


def written(slot: str, rng: random.Random) -> str:
    """A marked name for a slot, of a random culture."""
    culture = rng.choice(tuple(CULTURES))
    given, family = (rng.choice(names) for names in CULTURES[culture])
    name = full(culture, given, family, rng)
    forms = {
        "n": name, "f": given, "l": family, "low": name.lower(), "lowf": given.split()[0].lower(),
        "lf": f"{family}, {given}", "UP": family.upper(), "FIRST": given.upper(),
    }  # fmt: skip
    return f"[[PERSON|{forms[slot]}]]"


def positives(rng: random.Random) -> list[set_rows.Row]:
    """Each form ``ROUNDS`` times; an initial belongs to the name beside it."""
    rows = []
    for group, form in FORMS:
        for _ in range(ROUNDS):
            text = form.replace("{arrow}", rng.choice(("->", "→", ":")))
            text = SLOT.sub(lambda found: found[0] if found[1] == "i" else written(found[1], rng), text)
            text = re.sub(
                r"\[\[PERSON\|([^]]*)\]\], \{i\}\.", lambda m: f"[[PERSON|{m[1]}, {rng.choice('ABDEJKLMRST')}.]]", text
            )
            text = re.sub(r"\{i\}\. \[\[PERSON\|", lambda _: f"[[PERSON|{rng.choice('ABDEJKLMRST')}. ", text)
            text = re.sub(r"(\[\[PERSON\|[^]]*)\]\] \[\[PERSON\|(.\. )", r"\1 \2", text)
            rows.append(set_rows.row("", text, "generated", group=group))
    return rows


def build() -> list[set_rows.Row]:
    """The whole set."""
    rows = positives(random.Random(SEED))
    rows += [set_rows.row("", text, "hand", group="hand") for text in HAND]
    rows += [set_rows.row("", text, "hand", group="nobody") for text in NOBODY]
    for at, each in enumerate(rows, 1):
        each["id"] = f"names-{at:04d}"
    return rows


def main() -> None:
    """Write the set."""
    rows = build()
    set_rows.write(PATH, rows)
    named = sum(bool(row["spans"]) for row in rows)
    print(f"{PATH.name}: {named} with, {len(rows) - named} without, sha256 {set_rows.digest(rows)}")


if __name__ == "__main__":
    main()
