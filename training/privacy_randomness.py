"""Trains the small model that tells a random token from a name: log-odds of neighbouring characters.

    python training/privacy_randomness.py [--measure]

Natural text is the source of Python's own standard library (identifiers, words, file names; kept are counts only) and
names joined from its words in the styles of other languages; random text is drawn from the alphabets that keys are made
of. Writes ``src/crossover/privacy/data/randomness.txt``: 64 rows of 64 letters, one for each pair of characters.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import string
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

ALPHABET = string.ascii_lowercase + string.ascii_uppercase + string.digits + "_-"
OUT = Path(__file__).resolve().parents[1] / "src" / "crossover" / "privacy" / "data" / "randomness.txt"
STEP = 0.25  # one letter of the file is a quarter of a nat
CENTRE = ord("P")  # the letter for log-odds of zero
KINDS = {
    "base62": string.ascii_letters + string.digits,
    "base64url": string.ascii_letters + string.digits + "-_",
    "lower alphanumeric": string.ascii_lowercase + string.digits,
    "upper alphanumeric": string.ascii_uppercase + string.digits,
    "hex": "0123456789abcdef",
    "upper hex": "0123456789ABCDEF",
    "base32": string.ascii_uppercase + "234567",
    "letters": string.ascii_letters,
    "lower letters": string.ascii_lowercase,
}


def sources() -> Iterator[str]:
    """The text of the standard library's modules, in a fixed order."""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("**/*.py")):
        if not {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(path.parts):
            yield path.read_text(encoding="utf-8", errors="replace")


def natural(chance: random.Random) -> tuple[list[str], list[str]]:
    """Names as people write them, for training and for measuring: split by word, so that none is in both."""
    words: Counter[str] = Counter()
    for text in sources():
        words.update(re.findall(r"[A-Za-z0-9_\-]{2,60}", text))
    halves: tuple[list[str], list[str]] = ([], [])
    plain: tuple[list[str], list[str]] = ([], [])
    for word, count in sorted(words.items()):
        half = 0 if chance.random() < 0.8 else 1
        halves[half].extend([word] * min(count, 3))
        if count >= 5 and word.isalpha() and 3 <= len(word) <= 12:
            plain[half].append(word.lower())
    for half, names in enumerate(halves):
        names.extend(joined(plain[half], chance, 60_000 if half == 0 else 20_000))
    return halves


def joined(words: list[str], chance: random.Random, count: int) -> Iterator[str]:
    """Names of several words: snake, kebab and camel case, constants, numbered and dated ones."""
    for _ in range(count):
        parts = chance.sample(words, chance.randint(2, 5))
        style = chance.randrange(7)
        if style == 0:
            yield "_".join(parts)
        elif style == 1:
            yield "-".join(parts)
        elif style == 2:
            yield parts[0] + "".join(part.title() for part in parts[1:])
        elif style == 3:
            yield "".join(part.title() for part in parts)
        elif style == 4:
            yield "_".join(parts).upper()
        elif style == 5:
            yield "-".join([*parts[:2], str(chance.randrange(10 ** chance.randint(1, 4)))])
        else:
            yield f"{parts[0]}_{chance.randint(1990, 2029)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"


def drawn(chance: random.Random, kind: str, length: int) -> str:
    """A random token of an alphabet."""
    return "".join(chance.choices(KINDS[kind], k=length))


def pairs(names: Iterable[str]) -> Counter[str]:
    """How often each pair of characters stands side by side."""
    count: Counter[str] = Counter()
    for name in names:
        count.update(map("".join, pairwise(name)))
    return count


def likelihoods(names: Iterable[str]) -> dict[str, float]:
    """log P(second | first), smoothed by half a count."""
    seen = pairs(names)
    table: dict[str, float] = {}
    for first in ALPHABET:
        row = [seen[first + second] + 0.5 for second in ALPHABET]
        total = math.log(sum(row))
        table.update({first + second: math.log(value) - total for second, value in zip(ALPHABET, row, strict=True)})
    return table


def train(chance: random.Random, names: list[str]) -> dict[str, float]:
    """The log-odds of each pair: above zero speaks for a random token."""
    tokens = [drawn(chance, kind, 40) for kind in KINDS for _ in range(4_000)]
    noise, text = likelihoods(tokens), likelihoods(names)
    return {pair: noise[pair] - text[pair] for pair in noise}


def letter(value: float) -> str:
    """One log-odds as one printable letter."""
    return chr(CENTRE + max(-31, min(31, round(value / STEP))))


def mean(table: dict[str, float], token: str) -> float:
    """The mean log-odds of a token's pairs."""
    values = [table[a + b] for a, b in pairwise(token) if a + b in table]
    return sum(values) / max(len(values), 1)


def measure(table: dict[str, float], names: list[str], chance: random.Random) -> None:
    """Prints, for names that were not trained on, how often each threshold is wrong; and what each alphabet loses."""
    long = [name for name in names if len(name) >= 16]
    for threshold in (0.0, 0.2, 0.4, 0.6, 0.8):
        wrong = sum(mean(table, name) > threshold for name in long) / len(long)
        say(f"above {threshold:.1f}: {wrong:8.4%} of {len(long)} names of 16 characters or more are taken for tokens")
        for length in (12, 16, 20, 32, 40):
            found = {
                kind: sum(mean(table, drawn(chance, kind, length)) > threshold for _ in range(1_000)) / 1_000
                for kind in KINDS
            }
            say(f"    {length} characters: " + ", ".join(f"{kind} {share:.1%}" for kind, share in found.items()))


def say(line: str) -> None:
    """One line for who runs the script."""
    sys.stdout.write(line + "\n")


def main() -> None:
    """Train, and write or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="print error rates instead of writing the file")
    chance = random.Random(20_261_127)  # noqa: S311 - no secret is made with it
    names, held_out = natural(chance)
    table = train(chance, names)
    if parser.parse_args().measure:
        measure(table, held_out, chance)
        return
    rows = ["".join(letter(table[first + second]) for second in ALPHABET) for first in ALPHABET]
    version = ".".join(map(str, sys.version_info[:2]))
    head = [
        "# Log-odds of neighbouring characters: random token against name. Row: first, column: second, in the order",
        f"# a-z A-Z 0-9 _ -; one letter is {STEP} nat, {chr(CENTRE)} is zero.",
        f"# Made by training/privacy_randomness.py from the standard library of Python {version}.",
    ]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join([*head, *rows]) + "\n", encoding="ascii")
    say(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
