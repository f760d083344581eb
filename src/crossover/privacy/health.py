"""Health stories: whether a text tells of one person's health, by a small linear model over sentences.

A gate (one pattern of RE2) passes texts that hold a word of medicine; each sentence with such a word is scored from its
words, their order, and what stands around it (:mod:`crossover.privacy.health_terms`); the scores of the sentences give
one for the text. :func:`load` gives the shipped model, :func:`train` one refitted on a user's own texts. What it knows
and what it misses is told in ``docs/models/privacy.md``.
"""

from __future__ import annotations

import array
import functools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec

from crossover.errors import FileError, InputError
from crossover.privacy import health_terms
from crossover.privacy.gate import library, options
from crossover.privacy.health_terms import FIRST_WORD, UNKNOWN, Reader, Sentence, Span, Terms
from crossover.privacy.words import Finding

_FORMAT = 1
_AROUND = 3  # sentences on each side whose classes count as what stands around
_WIDE = 1 << 13  # more than there are meanings and words with a number of their own
_PAIR, _CHAIN, _THREE, _NEAR, _COUNT = (number << 26 for number in range(1, 6))
_BYTES = [
    [[_NEAR + 8 * byte + bit for bit in range(8) if bits >> bit & 1] for bits in range(256)] for byte in range(8)
]  # of each byte of a row of bits, the features of those that are set
_CODE = ("{", "_", "=", ";", "<", "()")  # a sentence with one of them may be code
# Marks of a question with several answers: its second and its third.
_CHOICES = (("B)", "C)"), ("b)", "c)"), ("\nB.", "\nC."), (" B. ", " C. "), ("B:", "C:"))
_HEALTH_FIELD = re.compile(
    r"diagnos|medicat|prescri|symptom|allerg|condition|illness|disease|disabilit|sick|health|medical|clinical|patient"
    r"|complaint|icd|drug|treatment",
    re.I,
)
_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_OWN = ("self", "my")  # words that say whose a story is
_MANY = 3  # telling sentences from which on all of a text is read
_WEAK = 1.5  # how far below the bar a sentence may lie and still belong to a story
_MEMORY = 16 << 20  # bytes for the states of the gate; half of it is too little, and slow
_PULL, _PACE = 0.02, 0.05  # of refitting: how strongly towards the shipped weights, how fast
Engine = Literal["re2", "stdlib"]


class Weights(msgspec.Struct, frozen=True):
    """What was learnt. ``keys`` and ``values`` are the features of a sentence and what they add, in 1/``scale``.

    ``whole`` turns the scores of a text's sentences into one for the text: how much each part of :func:`summed` counts,
    and a constant. A text with more than ``bar`` is a story.
    """

    format: int
    words: list[str]
    keys: bytes
    values: bytes
    scale: float
    bias: float
    whole: tuple[float, float, float, float, float]
    bar: float
    made: str = ""

    def features(self) -> dict[int, int]:
        """The features with what they add."""
        keys = array.array("I")
        keys.frombytes(self.keys)
        values = array.array("b")
        values.frombytes(self.values)
        return dict(zip(keys, values, strict=True))


class Health:
    """Finds health stories. One object may be used by several threads."""

    def __init__(self, weights: Weights, terms: Terms, engine: Engine = "re2") -> None:
        self.weights = weights
        self.terms = terms
        self._own, self._kin = (sum(1 << terms.number(name) for name in names) for names in (_OWN, ("kin",)))
        self._gate = _gate(terms) if engine == "re2" else None

    @functools.cached_property
    def reader(self) -> Reader:
        """What reads sentences; made when the first text gets past the gate."""
        return Reader(self.terms, self.weights.words)

    @functools.cached_property
    def _features(self) -> dict[int, int]:
        return self.weights.features()

    def find(self, text: str, field: str = "") -> list[Finding]:
        """The sentences that tell of somebody's health, neighbours merged; mostly none.

        ``field`` is the name under which the text stood; ``diagnosis`` makes a story of what might be none.
        """
        if self._gate is not None and not self._gate(_folded(text)):
            return []
        lead = ""
        if field and _HEALTH_FIELD.search(field) is not None:
            if not any(sentence.telling for sentence in self.reader.sentences(text)):
                return []
            lead = " ".join(_PIECES.findall(field)).lower() + ": "
            text = lead + text
        sentences = self.reader.sentences(text, self._near(text))
        scores = self.scores(sentences, text)
        if not scores:
            return []
        sure = self.whole(list(scores.values())) - self.weights.bar
        return self._told(sentences, scores, sure, len(lead)) if sure > 0 else []

    def _told(self, sentences: Sequence[Sentence], scores: dict[int, float], sure: float, lead: int) -> list[Finding]:
        """The findings of a story. Hard where its words, or those right beside, say whose it is: mine, my mother's."""
        score = round(1 / (1 + math.exp(-min(sure, 30.0))), 3)
        runs = _runs(scores)
        near = [one for first, last in runs for one in sentences[max(first - 1, 0) : last + 2]]
        whose = any(one.classes & self._own or (self._kin >> one.means[1] & 1) for one in near if one.classes)
        return [
            Finding(
                category="health", kind="health", tier="hard" if whose else "soft", start=start, end=end, score=score,
                rule="health",
            )
            for start, end in ((max(sentences[a].start - lead, 0), sentences[b].end - lead) for a, b in runs)
            if end > start
        ]  # fmt: skip

    def _near(self, text: str) -> Callable[[Sequence[Span]], Iterable[int]] | None:
        """Which sentences are worth reading, where that can be told cheaply: the telling ones and those around."""
        gate = self._gate
        if gate is None or not text.isascii():
            return None
        raw = _folded(text)

        def wanted(spans: Sequence[Span]) -> Iterable[int]:
            near = {0, len(spans) - 1}
            hits = 0
            for place, (start, end) in enumerate(spans):
                if gate(raw[start:end]):
                    near.update(range(place - _AROUND, place + _AROUND + 1))
                    hits += 1
                    if hits > _MANY:  # asking costs more than reading
                        return range(len(spans))
            return near

        return wanted

    def scores(self, sentences: Sequence[Sentence], text: str) -> dict[int, float]:
        """The score of each sentence that holds a telling word, by its place."""
        get, scale, bias = self._features.get, self.weights.scale, self.weights.bias
        return {
            place: bias + sum([get(key, 0) for key in keys]) / scale
            for place, keys in features(sentences, text).items()
        }

    def whole(self, scores: Sequence[float]) -> float:
        """The score of a text from those of its sentences."""
        best, mean, total, count, constant = self.weights.whole
        one, two, three, four = summed(scores)
        return best * one + mean * two + total * three + count * four + constant

    def save(self, path: Path) -> None:
        """Writes the model. Raises FileError where it cannot be written."""
        try:
            path.write_bytes(msgspec.msgpack.encode(self.weights))
        except OSError as error:
            raise FileError(f"cannot be written: {error.strerror}", file=str(path)) from None


def features(sentences: Sequence[Sentence], text: str) -> dict[int, set[int]]:
    """For each sentence that holds a telling word, by its place: the features it has."""
    told = [place for place, sentence in enumerate(sentences) if sentence.telling]
    if not told:
        return {}
    classes_of = [sentence.classes for sentence in sentences]
    ends = classes_of[0] | classes_of[-1]
    shared = [_COUNT | 16 | min(len(told), 12).bit_length(), _COUNT | 80 | min(len(sentences), 63).bit_length()]
    if any(second in text and third in text for second, third in _CHOICES):
        shared.append(_COUNT | 65)
    around: dict[int, list[int]] = {}
    found: dict[int, set[int]] = {}
    for place in told:
        start, end, means, words, _, telling = sentences[place]
        near = ends
        first = place - _AROUND if place > _AROUND else 0
        for classes in classes_of[first:place] + classes_of[place + 1 : place + _AROUND + 1]:
            near |= classes
        if near not in around:
            around[near] = _near(near)
        kinds = [mean for mean in means if mean < FIRST_WORD and mean != UNKNOWN]
        pairs = [_PAIR + a * _WIDE + b for a, b in pairwise(means)]
        chain = [a * 64 + b for a, b in pairwise(kinds)]
        threes = [_THREE + a * 64 + b for a, b in zip(chain, kinds[2:], strict=False)]
        size = [_COUNT | 32 | min(telling, 7), _COUNT | 48 | min(len(means), 63) // 4]
        piece = text[start:end]
        if any(mark in piece for mark in _CODE):
            size.append(_COUNT | 64)
        found[place] = {
            *means,
            *words,
            *pairs,
            *[_CHAIN + two for two in chain],
            *threes,
            *around[near],
            *shared,
            *size,
        }
    return found


def _near(classes: int) -> list[int]:
    """The features of what stands around, from its classes as bits."""
    found: list[int] = []
    for byte in _BYTES:
        found += byte[classes & 255]
        classes >>= 8
    return found


def _folded(text: str) -> bytes:
    """A text as the gate looks at it."""
    low = text.lower()
    return low.encode() if low.isascii() else low.replace("’", "'").encode("utf-8", "replace")


def summed(scores: Sequence[float]) -> tuple[float, float, float, float]:
    """What the score of a text is made of: its best sentence, the mean of the best three, the sum, how many."""
    best = sorted(scores, reverse=True)
    three = best[:3]
    total = sum([max(-3.0, min(score, 3.0)) for score in best])
    return best[0], sum(three) / len(three), max(-20.0, min(total, 20.0)), math.log2(len(best))


def _gate(terms: Terms) -> Callable[[bytes], Any] | None:
    """Looks for a telling word in a text in lower case, as bytes: more often than there is one, never less.

    None without RE2: then every text is read.
    """
    re2 = library()
    if re2 is None:
        return None
    words, phrases, endings = terms.tells()
    whole = [word.lower() for word in words if len(word) < 7 or not (word.isalpha() and word.endswith(endings))]
    parts = [*sorted(whole), *(" ".join(phrase) for phrase in phrases)]
    # Crohns stands for Crohn's, too, and cant for can't.
    parts = [f"{part[:-1]}'*s" if part[-1] == "s" and part[:-1] not in words else part for part in parts]
    body = "|".join(parts).replace("s ", "'*s ").replace("nt ", "n'*t ").replace(" ", "[^0-9a-z]+")
    pattern = f"(?:^|[^0-9a-z])(?:{body}|[a-z\\x80-\\xff]*(?:{'|'.join(endings)}))s?(?:$|[^a-z])"
    flags = options(re2, _MEMORY)
    flags.encoding = re2.Options.Encoding.LATIN1  # bytes as they are: half the time to build it
    search: Callable[[bytes], Any] = re2.compile(pattern.encode(), flags).search
    return search


def _runs(scores: dict[int, float]) -> list[tuple[int, int]]:
    """The sentences that make the story, neighbours (one sentence between them, at most) as one: first and last."""
    bar = min(max(scores.values()), 0.0) - _WEAK
    runs: list[tuple[int, int]] = []
    for place in sorted(place for place, score in scores.items() if score >= bar):
        if runs and place - runs[-1][1] <= 2:
            runs[-1] = runs[-1][0], place
        else:
            runs.append((place, place))
    return runs


def load(path: Path | None = None, *, engine: Engine = "re2") -> Health:
    """The shipped model, or one that :meth:`Health.save` wrote. Raises FileError where the file is none."""
    place = path or Path(__file__).parent / "models" / "health.msgpack"
    try:
        weights = msgspec.msgpack.decode(place.read_bytes(), type=Weights)
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}", file=str(place)) from None
    except msgspec.DecodeError as error:
        raise FileError(f"is no health model: {error}", file=str(place)) from None
    if weights.format != _FORMAT or len(weights.keys) != 4 * len(weights.values):
        raise FileError("is no health model of this version", file=str(place))
    return Health(weights, health_terms.load(), engine)


def train(rows: Iterable[tuple[str, bool]], base: Health, *, rounds: int = 8) -> Health:
    """The model refitted on a user's own texts: each with whether it tells of somebody's health.

    The weights begin as the base's and are drawn back to them, so a few rows change little and many change much; words
    that two rows share are learnt, too. A text without any word of medicine teaches nothing. The same rows in the same
    order give the same model. Raises InputError where there are no rows, or none that teaches anything.
    """
    held = list(rows)
    if not held:
        raise InputError("there are no rows to train on")
    words = [*base.weights.words, *_new_words(held, base.terms, set(base.weights.words))]
    reader = Reader(base.terms, words)
    read = [(features(reader.sentences(text), text), told) for text, told in held]
    read = [(found, told) for found, told in read if found]
    if not read:
        raise InputError("no row holds a word of medicine, so nothing can be learnt from them")
    scale = base.weights.scale
    prior = {key: value / scale for key, value in base.weights.features().items()}
    weights = _refitted(read, prior, base.weights.bias, rounds)
    scale = 127 / max(abs(weight) for weight in weights.values())
    rounded = {key: round(weight * scale) for key, weight in sorted(weights.items())}
    rounded = {key: value for key, value in rounded.items() if value}
    changed = msgspec.structs.replace(
        base.weights,
        words=words,
        keys=array.array("I", rounded.keys()).tobytes(),
        values=array.array("b", rounded.values()).tobytes(),
        scale=scale,
        made=f"{base.weights.made}, refitted on {len(read)} texts",
    )
    return Health(changed, base.terms, "stdlib" if base._gate is None else "re2")


def _new_words(rows: Sequence[tuple[str, bool]], terms: Terms, known: set[str]) -> list[str]:
    """Words of at least two rows that the model has no number for, most common first."""
    counts: dict[str, int] = {}
    for text, _ in rows:
        for word in set(health_terms.tokens(text)):
            if word.isalpha() and word not in known and word not in terms.words:
                counts[word] = counts.get(word, 0) + 1
    new = sorted((word for word, count in counts.items() if count > 1), key=lambda word: (-counts[word], word))
    return new[: max(_WIDE - FIRST_WORD - len(known), 0)]


def _refitted(
    read: Sequence[tuple[dict[int, set[int]], bool]], prior: dict[int, float], bias: float, rounds: int
) -> dict[int, float]:
    """Logistic regression by Adagrad from the prior on. Of a text that tells, its most telling sentence is taught."""
    weights = dict(prior)
    past: dict[int, float] = {}
    for _ in range(rounds):
        for found, told in read:
            scored = [(bias + sum([weights.get(key, 0.0) for key in keys]), keys) for keys in found.values()]
            for score, keys in [max(scored, key=lambda one: one[0])] if told else scored:
                error = 1 / (1 + math.exp(-max(-30.0, min(score, 30.0)))) - told
                for key in keys:
                    weight = weights.get(key, 0.0)
                    slope = error + _PULL * (weight - prior.get(key, 0.0))
                    past[key] = past.get(key, 1.0) + slope * slope
                    weights[key] = weight - _PACE * slope / math.sqrt(past[key])
    return weights
