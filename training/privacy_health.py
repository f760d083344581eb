"""Trains the health model in half a minute: ``PYTHONPATH=src python training/privacy_health.py [FILE]``.

Learns from ``training/health`` alone, with fixed seeds, and prints how good it is on templates that were left out.
More in docs/models/privacy.md.
"""

from __future__ import annotations

import argparse
import array
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from health.texts import Text, texts

from crossover.privacy import health, health_terms
from crossover.privacy.health import Health, Weights

SEED = 20261127
FOLDS = 5
KEPT = 13_000  # features kept
RATE = 0.02  # of the texts of nobody's health that may be taken for somebody's
TEMPLATES = 2  # templates in which a word or a feature has to occur
PLACE = Path(__file__).parent.parent / "src" / "crossover" / "privacy" / "models" / "health.msgpack"
Floats = npt.NDArray[np.float64]


def say(text: object) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Read(msgspec.Struct):
    """Texts as sentences with features: of each sentence its text, of each text whether it is told."""

    keys: list[set[int]]
    owner: list[int]


def vocabulary(data: Sequence[Text], terms: health_terms.Terms) -> list[str]:
    """The words that occur in several templates, most common first."""
    seen: dict[str, set[str]] = {}
    for one in data:
        for token in health_terms.tokens(one.text):
            seen.setdefault(token, set()).add(one.template)
    drugs = {word for word, kind in terms.words.items() if terms.classes[kind] in ("drug", "given_name")}
    kept = [word for word, where in seen.items() if len(where) >= TEMPLATES and word not in drugs and word.isalpha()]
    return sorted(kept, key=lambda word: (-len(seen[word]), word))


def read(data: Sequence[Text], reader: health_terms.Reader) -> Read:
    """Every sentence with a telling word."""
    keys: list[set[int]] = []
    owner: list[int] = []
    for number, one in enumerate(data):
        for found in health.features(reader.sentences(one.text), one.text).values():
            keys.append(found)
            owner.append(number)
    return Read(keys, owner)


def columns(found: Read, data: Sequence[Text], chosen: npt.NDArray[np.bool_]) -> dict[int, int]:
    """The features that occur in several templates of the chosen texts, numbered."""
    seen: dict[int, set[str]] = {}
    for keys, owner in zip(found.keys, found.owner, strict=True):
        if chosen[owner]:
            for key in keys:
                where = seen.setdefault(key, set())
                if len(where) < TEMPLATES:
                    where.add(data[owner].template)
    return {
        key: number for number, key in enumerate(sorted(key for key, where in seen.items() if len(where) >= TEMPLATES))
    }


def fitted(
    rows: list[npt.NDArray[np.int64]], labels: Floats, worth: Floats, size: int, *, epochs: int = 12
) -> tuple[Floats, float]:
    """Logistic regression by Adagrad with a little decay."""
    weights, bias = np.zeros(size), 0.0
    past, past_bias = np.full(size, 0.1), 0.1
    chance = np.random.default_rng(SEED)
    lengths = np.array([len(row) for row in rows])
    starts = np.concatenate(([0], np.cumsum(lengths)))
    flat = np.concatenate(rows)
    for _ in range(epochs):
        order = chance.permutation(len(rows))
        for at in range(0, len(order), 256):
            batch = order[at : at + 256]
            counts = lengths[batch]
            ends = np.cumsum(counts)
            index = flat[np.repeat(starts[batch] - (ends - counts), counts) + np.arange(ends[-1])]
            kept = chance.random(len(index)) > 0.25  # no single feature may be needed
            which = np.repeat(np.arange(len(batch)), counts)
            scores = bias + np.bincount(which, weights[index] * kept, len(batch)) / 0.75
            error = (1 / (1 + np.exp(-np.clip(scores, -30, 30))) - labels[batch]) * worth[batch]
            slope = np.bincount(index, error[which] * kept, size) / 0.75 / len(batch) + 2e-5 * weights
            past += slope * slope * 256
            weights -= 0.15 * slope * 16 / np.sqrt(past)
            mean = error.mean()
            past_bias += mean * mean * 256
            bias -= 0.15 * mean * 16 / np.sqrt(past_bias)
    return weights, bias


def learnt(data: Sequence[Text], found: Read, chosen: npt.NDArray[np.bool_], words: list[str]) -> Weights:
    """A model of the chosen texts: first every sentence of a told text counts as told, then those that look like it."""
    numbers = columns(found, data, chosen)
    inside = [place for place, owner in enumerate(found.owner) if chosen[owner] and data[owner].weight]
    rows = [np.array([numbers[key] for key in found.keys[place] if key in numbers], np.int64) for place in inside]
    told = np.array([data[found.owner[place]].told for place in inside], float)
    owners = np.array([found.owner[place] for place in inside])
    amount = np.bincount(owners, minlength=len(data))[owners]
    worth = np.array([data[owner].weight for owner in owners]) / np.sqrt(amount)
    weights, bias = fitted(rows, told, worth, len(numbers))
    scores = np.array([bias + weights[row].sum() for row in rows])
    best = np.full(len(data), -np.inf)
    np.maximum.at(best, owners, scores)
    doubtful = (told == 1) & (scores < -0.5) & (scores < best[owners])
    worth = np.where(doubtful, 0.0, worth)
    weights, bias = fitted(rows, told, worth, len(numbers))
    strongest = np.argsort(-np.abs(weights))[:KEPT]
    keys = np.array(sorted(numbers, key=lambda key: numbers[key]))
    scale = 127 / max(np.abs(weights).max(), 1e-9)
    order = strongest[np.argsort(keys[strongest])]
    values = np.rint(weights[order] * scale).astype(np.int8)
    order, values = order[values != 0], values[values != 0]
    return Weights(
        format=1, words=words, keys=array.array("I", keys[order].tolist()).tobytes(), values=values.tobytes(),
        scale=float(scale), bias=float(bias), whole=(1.0, 0.0, 0.0, 0.0, 0.0), bar=0.0,
    )  # fmt: skip


def sums(
    model: Health, data: Sequence[Text], wanted: npt.NDArray[np.bool_]
) -> list[tuple[float, float, float, float] | None]:
    """What the score of each wanted text is made of; None where no word tells."""
    made: list[tuple[float, float, float, float] | None] = []
    for number, one in enumerate(data):
        scores = model.scores(model.reader.sentences(one.text), one.text) if wanted[number] else {}
        made.append(health.summed(list(scores.values())) if scores else None)
    return made


def whole_of(made: list[Any], data: Sequence[Text]) -> tuple[float, float, float, float, float]:
    """How sentences make a text: logistic regression with the best sentence's share held at one."""
    rows = np.array([one for one in made if one is not None])
    labels = np.array([text.told for text, one in zip(data, made, strict=True) if one is not None], float)
    times = Counter(text.template for text in data)
    worth = np.array([1 / times[text.template] for text, one in zip(data, made, strict=True) if one is not None])
    worth *= np.where(labels == 1, 1 / (worth * labels).sum(), 1 / (worth * (1 - labels)).sum())
    inputs = np.column_stack((np.clip(rows, -12, 12), np.ones(len(rows))))
    weights = np.zeros(5)
    for _ in range(60):  # Newton's steps with a little ridge
        share = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (worth * (share - labels)) + 1e-3 * weights
        curve = (inputs * (worth * share * (1 - share))[:, None]).T @ inputs + 1e-3 * np.eye(5)
        weights -= np.linalg.solve(curve, slope)
    one, two, three, four, five = (float(round(weight, 4)) for weight in weights)
    return one, two, three, four, five


def bar_of(scores: Sequence[float], worth: Sequence[float], rate: float) -> float:
    """The least score that at most ``rate`` of the others reach."""
    order = np.argsort(-np.array(scores))
    over = np.cumsum(np.array(worth)[order]) / np.sum(worth)
    return float(np.array(scores)[order][np.searchsorted(over, rate, side="right")])


def main() -> None:
    """Trains, measures on what was left out, writes the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=PLACE)
    parser.add_argument("--quick", action="store_true", help="no folds: the bar and the whole of the model before")
    parser.add_argument("--show", type=int, default=0, help="print so many mistakes of the folds")
    asked = parser.parse_args()
    begun = time.perf_counter()
    data = texts(SEED)
    terms = health_terms.load()
    words = vocabulary(data, terms)
    found = read(data, health_terms.Reader(terms, words))
    say(f"{len(data)} texts, {len(found.keys)} sentences, {len(words)} words, {time.perf_counter() - begun:.0f} s")
    every = np.ones(len(data), bool)
    fold = np.array(
        [int.from_bytes(hashlib.blake2b(one.template.encode(), digest_size=4).digest()) % FOLDS for one in data]
    )
    made: list[Any] = [None] * len(data)
    for number in range(0 if asked.quick else FOLDS):
        model = Health(learnt(data, found, fold != number, words), terms, "stdlib")
        for place, one in enumerate(sums(model, data, fold == number)):
            made[place] = one or made[place]
    if asked.quick:
        before = health.load(asked.file).weights
        whole, bar = before.whole, before.bar
    else:
        whole = whole_of(made, data)
        score = [sum(a * b for a, b in zip(whole, (*one, 1.0), strict=True)) if one else -99.0 for one in made]
        bar = chosen_bar(data, score)
        report(data, score, bar, asked.show)
    final = msgspec.structs.replace(
        learnt(data, found, every, words), whole=whole, bar=bar, made="training/privacy_health.py"
    )
    asked.file.parent.mkdir(exist_ok=True)
    Health(final, terms, "stdlib").save(asked.file)
    say(f"{asked.file.stat().st_size} bytes, {len(final.values)} features, {time.perf_counter() - begun:.0f} s")


def chosen_bar(data: Sequence[Text], score: Sequence[float], rate: float = RATE) -> float:
    """The bar that half of a hundredth of the texts of nobody's health reach, with each template counted alike."""
    others = [number for number, one in enumerate(data) if not one.told]
    times = Counter(data[number].template for number in others)
    return round(
        bar_of([score[number] for number in others], [1 / times[data[number].template] for number in others], rate), 4
    )


def report(data: Sequence[Text], score: Sequence[float], bar: float, show: int) -> None:
    """Recall and false positives by group, on templates that were left out."""
    groups: dict[tuple[bool, str], list[bool]] = {}
    for one, got in zip(data, score, strict=True):
        groups.setdefault((one.told, one.group), []).append(got > bar)
    say(f"bar {bar}")
    for (told, group), hits in sorted(groups.items()):
        say(f"  {'told' if told else 'general':8}{group:24}{len(hits):6}  {sum(hits) / len(hits):.3f}")
    for told in (True, False):
        hits = [hit for (side, _), found in groups.items() if side == told for hit in found]
        say(f"{'recall' if told else 'false positives'} {sum(hits) / len(hits):.4f}")
    shares = [
        (rate, round(float(np.mean([got > level for one, got in zip(data, score, strict=True) if one.told])), 3))
        for rate in (0.002, 0.005, 0.01, 0.02, 0.03)
        for level in [chosen_bar(data, score, rate)]
    ]
    say(f"recall by share of false positives: {shares}")
    wrong = sorted(
        {
            one.template: (one.told, got, one.text)
            for one, got in zip(data, score, strict=True)
            if (got > bar) != one.told
        }.values(),
        key=str,
    )
    worst = sorted(
        {one.template: (-got, one.text) for one, got in zip(data, score, strict=True) if not one.told}.values()
    )
    for got, text in worst[:show]:
        say(f"general {-got - bar:6.1f} {text[:150]!r}")
    for told, got, text in wrong[:: max(1, len(wrong) // show)] if show else []:
        say(f"{'missed' if told else 'false '} {got - bar:6.1f} {text[:150]!r}")


if __name__ == "__main__":
    sys.exit(main())
