"""What the gate and the rules cost on texts that hold nothing: prose, code, logs and tables, none seen before.

    python benchmarks/privacy_gate.py

Texts are drawn from the source of this repository and of the standard library, and made up for logs and tables; every
text is looked at once. Processor time of one thread. The first texts of a sort cost more: RE2 builds the states of its
automata when it first needs them.
"""

from __future__ import annotations

import random
import resource
import sysconfig
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

CHARACTERS = 2_000
TEXTS = 1_500


def source_texts(size: int, chance: random.Random) -> Iterator[str]:
    """Pieces of Python and Markdown files, never the same piece twice."""
    here = Path(__file__).resolve().parents[1]
    folders = (here / "src", here / "docs", Path(sysconfig.get_paths()["stdlib"]))
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".md")]
    files = [path for path in sorted(files) if "site-packages" not in path.parts and "privacy" not in str(path)]
    while True:
        text = chance.choice(files).read_text(encoding="utf-8", errors="ignore")
        if len(text) > size:
            start = chance.randrange(len(text) - size)
            yield text[start : start + size]


def log_texts(size: int, chance: random.Random) -> Iterator[str]:
    """Lines of logs with times, ids, digests and counts."""
    while True:
        lines: list[str] = []
        while sum(map(len, lines)) < size:
            day = f"2026-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d} {chance.randint(0, 23):02d}:10:59"
            lines.append(
                chance.choice(
                    (
                        f"{day},{chance.randint(0, 999):03d} {chance.random():.4f} ms id={chance.randint(1, 10**12)}",
                        f"{day} GET /items/{uuid.UUID(int=chance.getrandbits(128))} 200 {chance.randint(1, 99999)}",
                        f"{day} commit {chance.getrandbits(160):040x} size={chance.randint(1, 10**9)}",
                    )
                )
            )
        yield "\n".join(lines)[:size]


def table_texts(size: int, chance: random.Random) -> Iterator[str]:
    """Rows of numbers, as people paste them."""
    while True:
        rows = [
            f"{chance.randint(1, 10**9)},{chance.gauss(0, 90):.6f},{chance.random() * 1000:.2f}" for _ in range(120)
        ]
        yield "\n".join(rows)[:size]


def quantiles(times: Sequence[float]) -> str:
    """The 50th, 90th and 99th percentile in microseconds."""
    ordered = sorted(times)
    return "  ".join(f"{ordered[int(share * (len(ordered) - 1))] * 1e6:6.0f}" for share in (0.5, 0.9, 0.99))


def measured(find: Callable[[str], object], texts: Iterator[str], count: int) -> list[float]:
    times = []
    for _ in range(count):
        text = next(texts)
        begun = time.thread_time()
        find(text)
        times.append(time.thread_time() - begun)
    return times


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    before = memory_mb()
    begun = time.thread_time()
    from crossover.privacy import rules
    from crossover.privacy.user_rules import user_rule

    chosen = rules.load("identifiers", "secrets")
    book = rules.rulebook(chosen)
    ready = (time.thread_time() - begun) * 1e3
    print(f"{len(chosen)} rules behind {book.gate.engine}: ready after {ready:.0f} ms, {memory_mb() - before:.0f} MB")
    print(f"{'microseconds of CPU':36}     p50     p90     p99")
    chance = random.Random(1)
    own = rules.rulebook(rules.load("identifiers"))
    plain = rules.rulebook(chosen, engine="stdlib")
    words = rules.rulebook([user_rule("names", words=[f"word{number} of {number % 97}" for number in range(100_000)])])
    short, source = source_texts(100, chance), source_texts(CHARACTERS, chance)
    for name, it, texts, count in (
        ("identifiers, source, first texts", own, source, TEXTS),
        ("identifiers, source, later texts", own, source, TEXTS),
        ("identifiers, source, 100 characters", own, short, TEXTS),
        ("identifiers, logs", own, log_texts(CHARACTERS, chance), TEXTS // 3),
        ("identifiers, tables", own, table_texts(CHARACTERS, chance), TEXTS // 3),
        ("all rules, source, first texts", book, source, TEXTS),
        ("all rules, source, later texts", book, source, TEXTS),
        ("all rules, source, 100 characters", book, short, TEXTS),
        ("all rules without RE2, source", plain, source, TEXTS // 5),
        ("dictionary of 100,000 phrases, source", words, source, TEXTS // 5),
    ):
        print(f"{name:36}  {quantiles(measured(lambda text, it=it: rules.find(it, text), texts, count))}")  # type: ignore[misc]
    print(f"{memory_mb() - before:.0f} MB in the end, with the standard library's files and the dictionary")


if __name__ == "__main__":
    main()
