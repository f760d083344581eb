"""Signals as numbers: one table of features, each with words for a high and a low value; and hashed words.

A feature is None where nobody knows the fact. Counts and lengths go in as logarithms, so that the tenth thousand of
characters weighs less than the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any
from zlib import crc32

import msgspec

from crossover.learning.signals import AnswerSignals, PromptSignals

Signals = PromptSignals | AnswerSignals
BUCKETS = 4096  # hashed words share so many weights: small enough for a text file, large enough for a thousand labels
_LOWEST = -50.0  # a log probability below this says no more than this one


class Feature(msgspec.Struct, frozen=True):
    """A number of a request or (``of_answer``) an answer: ``how`` reads it off the one or the other's signals.

    ``high`` and ``low`` say in words what a large and a small value means.
    """

    name: str
    of_answer: bool
    how: Callable[[Any], float | None]
    high: str
    low: str

    def read(self, signals: Signals) -> float | None:
        """The number of these signals; None where nobody knows it. An answer's know the request's where it was told."""
        prompt, answer = sources(signals)
        source = answer if self.of_answer else prompt
        return None if source is None else self.how(source)


def sources(signals: Signals) -> tuple[PromptSignals | None, AnswerSignals | None]:
    """The signals of the request and of the answer, as far as there are some."""
    return (signals, None) if isinstance(signals, PromptSignals) else (signals.asked, signals)


def _log(value: float | None) -> float | None:
    return None if value is None else math.log1p(value)


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or whole is None else part / max(whole, 1)


def _flag(value: bool | None) -> float | None:
    return None if value is None else float(value)


def _low(value: float | None) -> float | None:
    return None if value is None else max(value, _LOWEST)


def _cut(answer: AnswerSignals) -> float | None:
    return None if answer.finish is None else float(answer.finish not in ("stop", "tool_calls"))


def _stretch(answer: AnswerSignals) -> float | None:
    if answer.chars is None or answer.asked is None:
        return None
    return math.log1p(answer.chars) - math.log1p(answer.asked.chars)


_PROMPT: tuple[tuple[str, Callable[[PromptSignals], float], str, str], ...] = (
    ("prompt.length", lambda p: math.log1p(p.chars), "a long question", "a short question"),
    ("prompt.talk", lambda p: math.log1p(max(p.total_chars - p.chars, 0)), "much said before", "little said before"),
    ("prompt.messages", lambda p: math.log1p(p.messages), "many messages", "few messages"),
    ("prompt.tools", lambda p: math.log1p(p.tools), "many tools", "few tools"),
    ("prompt.media", lambda p: math.log1p(p.media), "images or files", "no images or files"),
    ("prompt.schema", lambda p: float(p.schema), "a schema to meet", "no schema to meet"),
    ("prompt.lines", lambda p: math.log1p(p.lines), "many lines", "few lines"),
    ("prompt.sentences", lambda p: math.log1p(p.sentences), "many sentences", "few sentences"),
    ("prompt.questions", lambda p: math.log1p(p.questions), "question marks", "no question mark"),
    ("prompt.asks", lambda p: float(p.asks), "begins as a question", "does not begin as a question"),
    ("prompt.numbers", lambda p: math.log1p(p.numbers), "many numbers", "few numbers"),
    ("prompt.digits", lambda p: p.digits / max(p.chars, 1), "many digits", "few digits"),
    ("prompt.capitals", lambda p: p.capitals / max(p.chars, 1), "many capitals", "few capitals"),
    ("prompt.formulas", lambda p: math.log1p(p.formulas), "formulas", "no formulas"),
    ("prompt.options", lambda p: math.log1p(p.options), "many choices or items", "few choices or items"),
    ("prompt.code", lambda p: float(p.code), "code in it", "no code in it"),
    ("prompt.foreign", lambda p: float(p.foreign), "not in English", "in English"),
    ("prompt.instructions", lambda p: math.log1p(p.instructions), "many instructions", "few instructions"),
    ("prompt.reasoning", lambda p: math.log1p(p.reasoning), "asks for reasons or steps", "asks for no reasons"),
    ("prompt.negations", lambda p: math.log1p(p.negations), "negations", "no negations"),
    ("prompt.word_length", lambda p: p.word_chars / max(p.word_count, 1), "long words", "short words"),
)
_ANSWER: tuple[tuple[str, Callable[[AnswerSignals], float | None], str, str], ...] = (
    ("answer.length", lambda a: _log(a.chars), "a long answer", "a short answer"),
    ("answer.stretch", _stretch, "an answer long for its question", "an answer short for its question"),
    ("answer.lines", lambda a: _log(a.lines), "an answer of many lines", "an answer of few lines"),
    ("answer.sentences", lambda a: _log(a.sentences), "many sentences", "few sentences"),
    ("answer.distinct", lambda a: a.distinct, "an answer of ever new words", "an answer that repeats itself"),
    ("answer.numbers", lambda a: _log(a.numbers), "many numbers in the answer", "few numbers in the answer"),
    ("answer.digits", lambda a: _share(a.digits, a.chars), "an answer of digits", "an answer of few digits"),
    ("answer.sums", lambda a: _log(a.sums), "many calculations", "few calculations"),
    ("answer.wrong_sums", lambda a: _log(a.wrong_sums), "a calculation that is wrong", "no wrong calculation"),
    ("answer.hedges", lambda a: _log(a.hedges), "words of doubt", "no words of doubt"),
    ("answer.refuses", lambda a: _flag(a.refuses), "it declines", "it does not decline"),
    ("answer.concludes", lambda a: _flag(a.concludes), "it comes to a conclusion", "it comes to no conclusion"),
    ("answer.whole_end", lambda a: _flag(a.whole_end), "it ends in a whole number", "it ends in no whole number"),
    ("answer.echoed_end", lambda a: _flag(a.echoed_end), "its end follows from its steps", "its end is a new number"),
    ("answer.last_line", lambda a: _log(a.last_line), "a long last line", "a short last line"),
    ("answer.long_decimals", lambda a: _log(a.long_decimals), "numbers of many decimals", "no long decimals"),
    ("answer.line_length", lambda a: _log(_share(a.chars, a.lines)), "long lines", "short lines"),
    ("answer.ends_well", lambda a: _flag(a.ends_well), "it ends as sentences do", "it breaks off"),
    ("answer.new_numbers", lambda a: _log(a.new_numbers), "many new numbers", "few new numbers"),
    ("answer.unused_numbers", lambda a: _log(a.unused_numbers), "numbers left unused", "all numbers used"),
    ("answer.cut", _cut, "it was cut off", "it was not cut off"),
    ("answer.tokens", lambda a: _log(a.tokens), "many tokens", "few tokens"),
    ("answer.logprob_mean", lambda a: _low(a.logprob_mean), "a model sure of its words", "a model unsure of its words"),
    ("answer.logprob_min", lambda a: _low(a.logprob_min), "no word unlikely", "a very unlikely word"),
    ("answer.logprob_q10", lambda a: _low(a.logprob_q10), "few unlikely words", "many unlikely words"),
    ("answer.logprob_q25", lambda a: _low(a.logprob_q25), "few unlikely words", "many unlikely words"),
    ("answer.margin", lambda a: a.margin, "no close choices of words", "close choices of words"),
    ("answer.margin_min", lambda a: a.margin_min, "no close choice of a word", "a close choice of a word"),
    ("answer.schema", lambda a: _flag(a.schema_valid), "it meets the schema", "it does not meet the schema"),
    ("answer.calls", lambda a: _flag(a.calls_valid), "its tool calls are valid", "a tool call is not valid"),
    ("answer.agreement", lambda a: a.agreement, "another model agrees", "another model disagrees"),
)
FEATURES: dict[str, Feature] = {
    **{name: Feature(name, False, how, high, low) for name, how, high, low in _PROMPT},
    **{name: Feature(name, True, hear, high, low) for name, hear, high, low in _ANSWER},
}
LENGTH_RULE = "prompt.length"  # the rule without training: the longer the question, the more the larger model gains


def hashed(words: Sequence[str], buckets: int = BUCKETS) -> set[int]:
    """The buckets of all words and of all pairs of words in a row; the same on every machine."""
    sums = {word: crc32(word.encode("utf-8", "surrogatepass")) for word in set(words)}
    found = {each % buckets for each in sums.values()}
    row = [sums[word] for word in words]
    found.update((31 * one + two) % buckets for one, two in pairwise(row))  # an odd factor: the order counts
    return found
