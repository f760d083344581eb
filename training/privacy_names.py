"""Trains the names model of ``crossover.privacy`` again: ``python privacy_names.py OUT.npz`` (a minute, one core).

``--measure`` scores the model of that name instead, on what is held out.

Needs what ``privacy/requirements.txt`` lists, Debian's word lists unpacked (``--dictionaries``) and the folder with the
public labelled texts (``--data``). What comes out, and how good it is, is told in ``docs/models/privacy.md``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from privacy.names_text import Maker, Sentence, held_out, load_lists
from privacy.sources import Sources

from crossover.privacy import network, tokens
from crossover.privacy.learning import Examples
from crossover.privacy.names import Names, load, save
from crossover.privacy.network import ORGANISATION, PERSON, PLACE, STREET

LABEL_OF = {
    "PERSON": PERSON, "PER": PERSON, "person": PERSON, "ADDRESS": STREET, "LOCATION": PLACE, "LOC": PLACE,
    "location": PLACE, "ORGANIZATION": ORGANISATION, "ORG": ORGANISATION, "corporation": ORGANISATION,
    "group": ORGANISATION,
}  # fmt: skip
_COMPANY = ("people", "places", "ordinary", "ordinary", "forms", "everyday")  # files of which a sentence is added


def say(text: str) -> None:
    """One line for whoever waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(sources: Sources, never: Iterable[str], unknown: frozenset[str] = frozenset()) -> tokens.Words:
    """What is known of words, without the names that are held out for tests and without those ``unknown``."""
    bits: dict[bytes, int] = {}

    def add(words: Iterable[str], bit: int) -> None:
        for word in words:
            key = word.lower().encode()
            bits[key] = bits.get(key, 0) | bit

    add(sources.given, tokens.GIVEN)
    add(sources.family, tokens.FAMILY)
    add(sources.rare_family, tokens.RARE_FAMILY)
    add(sources.places, tokens.PLACE)
    add(sources.words, tokens.WORD)
    add((sources.rare_words | sources.tools) - unknown, tokens.WORD)
    add(sources.common, tokens.COMMON)
    add(sources.proper, tokens.PROPER)
    add(never, tokens.NEVER)
    return tokens.words_of(bits)


def read(path: Path) -> list[Sentence]:
    """A file of labelled texts."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Sentence(
            row["text"],
            [(s["start"], s["end"], LABEL_OF[s["label"]]) for s in row["spans"] if s["label"] in LABEL_OF],
            str(row.get("template", "")),
        )
        for row in rows
    ]


def templates(name: str) -> list[str]:
    """The sentences of a file of ``privacy/``, still with their slots."""
    lines = (Path(__file__).parent / "privacy" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.replace("\\n", "\n") for line in lines if not line.startswith("#")]


def made(maker: Maker, chance: random.Random, size: float) -> Iterator[Sentence]:
    """Sentences from templates, some in the company of others."""
    files = {"people": 40, "places": 50, "ordinary": 30, "code": 20, "forms": 60, "everyday": 40}
    every = [line for name in _COMPANY for line in templates(name)]
    for name, each in files.items():
        for template in templates(name):
            times = each if "{" in template else 6  # what never varies would be learned by heart
            for _ in range(int(times * size)):
                filled = template
                if chance.random() < 0.35:
                    pair = [template, chance.choice(every)]
                    chance.shuffle(pair)
                    filled = chance.choice((" ", " ", "\n", "\n\n")).join(pair)
                yield maker.case(maker.fill(filled))


def labelled(maker: Maker, data: Path, left: set[str]) -> Iterator[Sentence]:
    """Public texts with labels, again and again with other names; never a template or a name that is held out."""
    for name, times in (("wnut17_train", 10), ("btc_train", 6)):
        for sentence in read(data / f"{name}.jsonl.gz"):
            for _ in range(times):
                yield maker.renamed(sentence, 0.35)
    for sentence in read(data / "presidio_gen_large.jsonl.gz"):
        if not held_out(sentence.template) and sentence.template not in left:
            yield maker.renamed(sentence, 0.0)
            for _ in range(8):
                yield maker.case(maker.renamed(sentence, 1.0))


def nameless(maker: Maker, chance: random.Random) -> Iterator[Sentence]:
    """Code and messages of programs in many languages."""
    for text in library():
        yield Sentence(text, [])
    for text in maker.sources.foreign:
        if chance.random() < 0.4:
            yield maker.case(Sentence(text, []))


def library() -> Iterator[str]:
    """Pieces of Python's own library, without the lines on which somebody could be named."""
    named = re.compile(
        r"[A-Z][a-z]+ [A-Z]|[Aa]uthor|[Cc]opyright|[Cc]ontrib|[Ww]ritten|[Tt]hanks|@|\\bby [A-Z]|[Nn]ame"
    )
    for path in sorted(Path(os.__file__).parent.glob("[a-z]*.py")):
        lines = [
            line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if not named.search(line)
        ]
        for at in range(20, min(len(lines), 420), 20):
            yield "\n".join(lines[at : at + 20])


def mean(models: list[network.Network]) -> network.Network:
    """The mean of the weights of trainings from one start: it knows what they have in common, and less by chance."""
    arrays = [model.arrays() for model in models]
    return network.Network(**{name: np.mean([held[name] for held in arrays], axis=0) for name in arrays[0]})


def overlapping(spans: Iterable[tuple[int, int]], start: int, end: int) -> bool:
    """Whether any span touches the one from ``start`` to ``end``."""
    return any(first < end and start < last for first, last in spans)


def measure(names: Names, data: Path) -> None:
    """Prints recall and precision by spans (any overlap) on templates held out and on noisy texts."""
    generated = [one for one in read(data / "presidio_gen_large.jsonl.gz") if held_out(one.template)]
    for title, texts in (("templates held out", generated), ("wnut17_dev", read(data / "wnut17_dev.jsonl.gz"))):
        wanted = hit = found = right = unseen = unseen_hit = addresses = addresses_hit = 0
        for one in texts:
            all_found = names.find(one.text)
            some = [(each.start, each.end) for each in all_found if each.kind == "person"]
            people = [(start, end) for start, end, label in one.spans if label == PERSON]
            streets = [(start, end) for start, end, label in one.spans if label == STREET]
            wanted, found = wanted + len(people), found + len(some)
            hits = [span for span in people if overlapping(some, *span)]
            hit += len(hits)
            right += sum(overlapping(people, *span) for span in some)
            unseen += sum(held_out(one.text[start:end]) for start, end in people)
            unseen_hit += sum(held_out(one.text[start:end]) for start, end in hits)
            addresses += len(streets)
            addresses_hit += sum(overlapping([(each.start, each.end) for each in all_found], *span) for span in streets)
        say(f"{title}, {len(texts)} texts: people recall {hit / wanted:.3f} ({hit} of {wanted}), precision")
        say(f"  {right / found:.3f} ({right} of {found}); names held out too: {unseen_hit} of {unseen};")
        say(f"  spans of addresses touched by a finding: {addresses_hit} of {addresses}")


def main() -> None:
    """What the command does."""
    ask = argparse.ArgumentParser()
    ask.add_argument("out", type=Path)
    ask.add_argument("--data", type=Path, default=Path("../../shared/data/privacy"))
    ask.add_argument("--dictionaries", type=Path, default=Path("/usr/share/dict"))
    ask.add_argument("--packages", type=Path, default=Path("packages.txt"), help="apt-cache pkgnames | sort")
    ask.add_argument("--names", type=Path, default=Path("names.json"), help="node privacy/faker_names.mjs")
    ask.add_argument("--size", type=float, default=1.0)
    ask.add_argument("--epochs", type=int, default=6)
    ask.add_argument("--rate", type=float, default=0.004)
    ask.add_argument("--seeds", type=int, nargs="+", default=[3, 11], help="one training each; their mean is saved")
    ask.add_argument("--leave", action="store_true", help="leave a fifth of the sentences' templates out, to tune on")
    ask.add_argument("--measure", action="store_true", help="score the model OUT instead")
    asked = ask.parse_args()
    if asked.measure:
        measure(load(asked.out), asked.data)
        return
    chance = random.Random(7)  # noqa: S311 - chance for data
    lists = load_lists(Path(__file__).parent / "privacy" / "lists.toml")
    sources = Sources.gathered(asked.dictionaries, asked.packages, asked.names)
    maker = Maker(sources, lists, chance)
    names = Names(network.fresh(1), table(sources, lists["never"], sources.unknown()))
    left = {str(number) for number in range(200) if held_out(f"dev{number}")} if asked.leave else set()
    begun = time.time()
    examples = Examples(names)
    count = 0
    for sentence, weight in chain(
        zip(made(maker, chance, asked.size), repeat(1.0)),
        zip(nameless(maker, chance), repeat(0.7)),
        zip(labelled(maker, asked.data, left), repeat(1.0)),
    ):
        blind = 0.25 if chance.random() < 0.7 else 0.9  # names made to look unknown, so that the rest counts too
        examples.add(sentence.text, sentence.spans, weight, lambda: chance.random() < blind)  # noqa: B023 - used at once
        count += 1
    data = examples.windows()
    say(f"{count} sentences, {len(data.labels)} windows, {time.time() - begun:.0f} s")
    say(f"labels {np.bincount(data.labels)}, {len(names.table.hashes)} words known")
    trained: list[network.Network] = []
    for seed in asked.seeds:
        model = names.model
        for model, loss in network.train(names.model, data, epochs=asked.epochs, rate=asked.rate, seed=seed):  # noqa: B007
            say(f"loss {loss:.4f}, {time.time() - begun:.0f} s")
        trained.append(model)
    model = mean(trained)
    save(Names(model, table(sources, lists["never"])), asked.out)
    say(f"{asked.out.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
