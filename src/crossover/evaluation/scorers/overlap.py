"""Scorers that measure how much of a right answer is in the answer: BLEU, chrF, ROUGE, edit similarity.

BLEU and chrF are sacrebleu's of one sentence, divided by 100: their mean over samples is not the corpus figure that
papers report. ROUGE is Google's definition (words of ASCII letters and digits, no stemming), as an F-measure.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Any

from crossover.errors import InputError, MissingExtraError
from crossover.evaluation.scorers.text import wanted
from crossover.evaluation.scorers.words import Given, Score

_NO_WORD = re.compile(r"[^a-z0-9]+")
_MOST_N = 9


def bleu(given: Given) -> Score:
    """Sentence BLEU against all right answers (sacrebleu: 13a tokens, exponential smoothing, effective order)."""
    found = _sacrebleu().sentence_score(given.answer.text, list(wanted(given)))
    return Score(min(found.score / 100, 1.0))


def chrf(given: Given) -> Score:
    """Sentence chrF2 against all right answers (sacrebleu's defaults: six characters, no words)."""
    return Score(min(_chrf().sentence_score(given.answer.text, list(wanted(given))).score / 100, 1.0))


def rouge(given: Given, kind: str) -> Score:
    """ROUGE-1 … ROUGE-9 or ROUGE-L; the best over the right answers."""
    said = words_of(given.answer.text)
    return Score(max(f_measure(said, words_of(right), kind) for right in wanted(given)))


def edit(given: Given) -> Score:
    """1 less the Levenshtein distance over the longer length; the best over the right answers."""
    distance = _rapidfuzz().Levenshtein
    return Score(max(distance.normalized_similarity(given.answer.text, right) for right in wanted(given)))


def levenshtein(given: Given) -> Score:
    """promptfoo's ``levenshtein``: right where the distance in characters is small enough."""
    value = given.value
    if not isinstance(value, dict):
        raise InputError("levenshtein needs a text and a distance", field="scorer")
    distance = _rapidfuzz().Levenshtein.distance(given.answer.text, value["text"])
    return Score(float(distance <= value["most"]), f"distance {distance}")


def words_of(text: str) -> list[str]:
    """Lower-case words of ASCII letters and digits."""
    return _NO_WORD.sub(" ", text.lower()).split()


def f_measure(said: list[str], right: list[str], kind: str) -> float:
    """The harmonic mean of precision and recall of n-grams (``1``…), or of the longest common row of words (``l``)."""
    if kind == "l":
        common, of_said, of_right = _rapidfuzz().LCSseq.similarity(said, right), len(said), len(right)
    else:
        n = int(kind)
        one, other = _grams(said, n), _grams(right, n)
        common, of_said, of_right = (one & other).total(), one.total(), other.total()
    if not common:
        return 0.0
    precision, recall = float(common) / of_said, float(common) / of_right
    return 2 * precision * recall / (precision + recall)


def rouge_kind(name: str) -> str:
    """``1`` of ``rouge-1``, ``l`` of ``rouge-l``. Raises InputError."""
    kind = name.removeprefix("rouge").lstrip("-").lower()
    if kind == "l" or (kind.isdigit() and 1 <= int(kind) <= _MOST_N):
        return kind
    raise InputError(f"there is no {name}", hint="Write rouge-1, rouge-2 or rouge-l", field="scorer")


def _grams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[at:] for at in range(n)), strict=False))


@lru_cache(maxsize=1)
def _sacrebleu() -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ModuleNotFoundError:
        raise MissingExtraError("eval", "the scorer bleu") from None
    return BLEU(effective_order=True)


@lru_cache(maxsize=1)
def _chrf() -> Any:
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ModuleNotFoundError:
        raise MissingExtraError("eval", "the scorer chrf") from None
    return CHRF()


def _rapidfuzz() -> Any:
    try:
        from rapidfuzz import distance
    except ModuleNotFoundError:
        raise MissingExtraError("eval", "this scorer") from None
    return distance
