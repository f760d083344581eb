"""Writes ``privacy/data/lookalikes.txt``: what each character outside ASCII looks like or stands for.

Run with the confusables of Unicode as the package confusable-homoglyphs ships them (its ``confusables.json``):

    python scripts/lookalikes.py confusables.json > src/crossover/privacy/data/lookalikes.txt
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path

HEAD = """\
# What characters outside ASCII stand for, for the views against evasion. Made by scripts/lookalikes.py and
# changed from the sources: what ends as one ASCII character is kept, and capital look-alikes of "l" count as "I".
# Sources: Unicode Character Database {ucd} (NFKC, digit values, names) and confusables.txt of UTS #39
# (https://www.unicode.org/Public/security/), as the package confusable-homoglyphs 3.3.1 of January 2024 ships it.
# Copyright (c) 1991-2024 Unicode, Inc. Unicode License v3, see LICENSE-unicode beside this file. Checked: 2026-11-27.
#
# A line: the character it stands for, then those that stand for it (hexadecimal; a-b is a range).
# [same] is the character itself in another shape, [accented] with an accent; [alike] a letter of another script that
# looks like it, or whose capital does; [mark] is punctuation and spaces; [nothing] takes no room on a page: zero width,
# direction, variation, combining, tags.
"""
LAST = 0x110000
EMPTY = (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10))
EMPTY += (0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180E, 0x180F, 0x3164, 0xFEFF)
EMPTY += (0xFFA0, 0xFFF9, 0xFFFA, 0xFFFB, 0xFFFC, 0xFFFD, *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B))
EMPTY += (*range(0xE0001, 0xE0080), *range(0xE0100, 0xE01F0), *range(0x0300, 0x0370), *range(0x1AB0, 0x1AFF))
EMPTY += (*range(0x1DC0, 0x1E00), *range(0x20D0, 0x2100), *range(0xFE20, 0xFE30))
NAMED = ("NEGATIVE CIRCLED LATIN CAPITAL LETTER ", "NEGATIVE SQUARED LATIN CAPITAL LETTER ")


def itself(char: str) -> str:
    """The one letter or digit that it is in another shape; empty for anything else."""
    value = unicodedata.digit(char, None)
    if value is not None:
        return str(value)
    plain = unicodedata.normalize("NFKC", char)
    alone = plain.strip("().,")
    if alone.isascii() and len(alone) == 1 and alone.isalnum():
        return alone
    for start in NAMED:
        if unicodedata.name(char, "").startswith(start) and len(unicodedata.name(char)) == len(start) + 1:
            return unicodedata.name(char)[-1]
    return ""


def bare(char: str) -> str:
    """The ASCII letter under its accents."""
    rest = [one for one in unicodedata.normalize("NFKD", char) if not unicodedata.combining(one)]
    return rest[0] if len(rest) == 1 and rest[0].isascii() and rest[0].isalnum() else ""


def mark(char: str) -> str:
    """The ASCII punctuation or space that it is in another shape."""
    if unicodedata.category(char) in ("Zs", "Zl", "Zp"):
        return " "
    if unicodedata.category(char) == "Pd":
        return "-"
    plain = unicodedata.normalize("NFKC", char)
    return plain if len(plain) == 1 and plain.isascii() and not plain.isalnum() and plain.isprintable() else ""


def alike(rows: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    """From characters to the ASCII character they look like."""
    found: dict[str, str] = {}
    for target, others in rows.items():
        if not (len(target) == 1 and target.isascii() and target.isprintable()):
            continue
        for row in others:
            char = row["c"]
            if len(char) == 1 and not char.isascii():
                capital = target == "l" and unicodedata.category(char) == "Lu"
                found.setdefault(char, "I" if capital else target)
    for char, target in list(found.items()):  # a small letter of which only the capital looks like one: к, т, ε
        if target.isupper() and unicodedata.category(char) == "Lu" and len(char.lower()) == 1:
            found.setdefault(char.lower(), target.lower())
    return found


def row(target: str, codes: list[int]) -> str:
    """One line, with neighbours as ranges."""
    parts: list[str] = []
    start = last = -2
    for code in [*sorted(codes), LAST + 1]:
        if code != last + 1:
            if start >= 0:
                parts.append(f"{start:X}" if start == last else f"{start:X}-{last:X}")
            start = code
        last = code
    return " ".join((f"{ord(target):X}" if target else "-", *parts))


def main() -> None:
    rows = alike(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    names = ("same", "accented", "alike", "mark")
    sections: dict[str, dict[str, list[int]]] = {name: defaultdict(list) for name in names}
    for code in range(0x80, LAST):
        char = chr(code)
        if code in EMPTY or unicodedata.category(char) in ("Cs", "Co"):
            continue
        if target := itself(char):
            sections["same"][target].append(code)
        elif target := bare(char):
            sections["accented"][target].append(code)
        elif target := mark(char):
            sections["mark"][target].append(code)
        elif target := rows.get(char, ""):
            sections["alike" if target.isalnum() else "mark"][target].append(code)
    print(HEAD.format(ucd=unicodedata.unidata_version), end="")
    for name, section in sections.items():
        print(f"[{name}]")
        for target, codes in sorted(section.items()):
            print(row(target, codes))
    print("[nothing]")
    print(row("", sorted(set(EMPTY))))


if __name__ == "__main__":
    main()
