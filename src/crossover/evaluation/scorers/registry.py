"""Scorers by name, and how several checks of one sample become one score.

A scorer is written as its name, or as ``name:argument``: ``numeric:1%``, ``regex:^\\d+$``, ``embedding:MODEL``,
``python:module:function``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from crossover.errors import InputError, UnknownNameError
from crossover.evaluation.samples.words import Check, Sample
from crossover.evaluation.scorers import code, embedding, overlap, rubric, structured, text, values
from crossover.evaluation.scorers.function import Function
from crossover.evaluation.scorers.words import Answered, Asking, Given, Rule, Score, ScoringError, Work

JUDGE = "judge"  # compares two answers with each other, so it runs once both are there: see crossover.evaluation.judge


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A scorer that needs nothing but the answer: its rule, whether it needs right answers, and what it does."""

    rule: Rule
    expects: bool
    means: str


RULES: Mapping[str, Row] = {
    "exact": Row(rule=text.exact, expects=True, means="equal, but for space around it"),
    "normalised": Row(rule=text.normalised, expects=True, means="equal, but for case, punctuation and space"),
    "equals": Row(rule=text.equals, expects=False, means="equal to the check's value"),
    "contains": Row(rule=text.contains, expects=False, means="one right answer is in it"),
    "contains-all": Row(rule=text.contains_all, expects=False, means="all of them are in it"),
    "icontains": Row(rule=text.icontains, expects=False, means="one is in it, whatever the case"),
    "icontains-all": Row(rule=text.icontains_all, expects=False, means="all are in it, whatever the case"),
    "starts-with": Row(rule=text.starts_with, expects=False, means="it begins with one of them"),
    "regex": Row(rule=text.regex, expects=False, means="the pattern (RE2) is found in it"),
    "numeric": Row(rule=values.numeric, expects=True, means="its number is right, within a tolerance"),
    "choice": Row(rule=values.choice, expects=True, means="its letter is right"),
    "json-schema": Row(rule=structured.json_schema, expects=False, means="it is JSON, of the schema if there is one"),
    "contains-json": Row(rule=structured.contains_json, expects=False, means="JSON is in it"),
    "json-fields": Row(rule=structured.json_fields, expects=True, means="share of the right fields"),
    "tool-calls": Row(rule=structured.tool_calls, expects=True, means="share of the right tool calls"),
    "bleu": Row(rule=overlap.bleu, expects=False, means="sentence BLEU"),
    "chrf": Row(rule=overlap.chrf, expects=False, means="sentence chrF2"),
    "edit": Row(rule=overlap.edit, expects=False, means="1 − edit distance over the longer length"),
    "levenshtein": Row(rule=overlap.levenshtein, expects=False, means="a small edit distance"),
}
OTHERS: Mapping[str, str] = {
    "rouge-1": "ROUGE-1 (also rouge-2 … rouge-9, rouge-l), F-measure",
    "code": "the program passes the sample's tests (needs --allow-code)",
    "embedding": "cosine to a right answer, by embedding:MODEL",
    "rubric": "a model's grade by the sample's rubric, rubric:MODEL",
    JUDGE: "a model prefers one of both answers, judge:MODEL",
    "python": "your own function, python:module:function",
}
NAMES = (*RULES, *OTHERS)


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What scorers may use: calls to models, programs of models, the model of ``rubric`` and ``embedding`` checks."""

    asking: Asking | None = None
    allow_code: bool = False
    limits: code.Limits = code.Limits()
    patience_s: float = 30.0
    judge: str = ""
    embedder: str = ""


class Scorers:
    """The scorers of one run, made when first needed. ``default`` judges samples that bring no checks along."""

    def __init__(self, default: Sequence[Check], means: Means) -> None:
        self.default = tuple(default)
        self._means = means
        self._made: dict[str, tuple[Work, bool, str]] = {}
        self._functions: list[Function] = []

    def check(self, samples: Sequence[Sample]) -> None:
        """Make every scorer that these samples need, so that a mistake costs no call. Raises InputError."""
        for name in sorted({check.scorer for sample in samples for check in self.checks(sample)}):
            self._scorer(name)

    async def open(self, samples: Sequence[Sample]) -> None:
        """The same, and start the processes of users' functions. Raises InputError where there is no such function."""
        self.check(samples)
        for function in self._functions:
            await function.open()

    async def aclose(self) -> None:
        """End the processes of users' functions."""
        for function in self._functions:
            await function.aclose()

    def checks(self, sample: Sample) -> tuple[Check, ...]:
        """How this sample is judged."""
        return sample.checks or self.default

    def missing(self, sample: Sample) -> str | None:
        """Why this sample cannot be judged whatever is answered; None where it can."""
        for check in self.checks(sample):
            _, expects, name = self._scorer(check.scorer)
            if expects and check.value is None and not sample.expected:
                return f"it has no expected answer, and {name} needs one"
            if name == "code" and not (sample.tests or check.value):
                return "it has no tests, and code needs some"
        return None if self.checks(sample) else "nothing says how to judge it"

    async def score(self, sample: Sample, answer: Answered) -> Score:
        """The score of an answer. Raises ScoringError where a scorer fails."""
        checks = self.checks(sample)
        found = [await self._checked(check, sample, answer) for check in checks]
        if len(found) == 1:
            return found[0]
        return combined(checks, found, sample)

    async def _checked(self, check: Check, sample: Sample, answer: Answered) -> Score:
        work, _, _ = self._scorer(check.scorer)
        _, _, argument = check.scorer.partition(":")
        expected = sample.expected
        if check.value is not None:
            listed = check.value if isinstance(check.value, list) else [check.value]
            expected = tuple(text.as_text(one) for one in listed)
        given = Given(sample=sample, answer=answer, expected=expected, argument=argument, value=check.value)
        score = await work(given)
        if check.threshold is not None:
            score = Score(float(score.value >= check.threshold), score.detail or f"{score.value:.2f}")
        if check.negated:
            score = Score(1.0 - score.value, score.detail)
        return score

    def _scorer(self, spec: str) -> tuple[Work, bool, str]:
        made = self._made.get(spec)
        if made is None:
            made = self._made[spec] = self._make(spec)
        return made

    def _make(self, spec: str) -> tuple[Work, bool, str]:
        name, _, argument = spec.partition(":")
        row = RULES.get(name)
        if row is not None:
            if name == "numeric":
                values.tolerance(argument)
            if name == "regex" and argument:
                text.pattern(argument)
            return _at_once(row.rule), row.expects, name
        if name.startswith("rouge"):
            return _at_once(partial(overlap.rouge, kind=overlap.rouge_kind(name))), False, name
        return self._other(name, argument, spec), False, name

    def _other(self, name: str, argument: str, spec: str) -> Work:
        if name == "code":
            if not self._means.allow_code:
                raise code.refused()
            return partial(code.code, limits=self._means.limits)
        if name == "python" or (name not in OTHERS and argument):
            function = Function(argument if name == "python" else spec, self._means.patience_s)
            self._functions.append(function)
            return function.score
        if name in ("embedding", "rubric"):
            asking = self._means.asking
            if asking is None:
                raise InputError(f"{name} asks a model, and none can be asked here", field="--scorer")
            return self._asker(name, asking, argument)
        if name == JUDGE:
            raise InputError("judge compares whole answers: it is the run's scorer, not a sample's", field="scorer")
        raise UnknownNameError("scorer", name, NAMES, field="--scorer")

    def _asker(self, name: str, asking: Asking, argument: str) -> Work:
        """A scorer that asks a model: its own, or the one the run names for it."""
        usual = self._means.embedder if name == "embedding" else self._means.judge
        model = argument or usual
        if not model:
            flag = "--embedder" if name == "embedding" else "--judge"
            raise InputError(f"{name} needs a model", hint=f"Write {name}:MODEL, or {flag} MODEL", field="--scorer")
        asked: Callable[[Given, Asking], object] = embedding.embedding if name == "embedding" else rubric.rubric

        async def work(given: Given) -> Score:
            found = await asked(msgspec.structs.replace(given, argument=model), asking)  # type: ignore[misc]
            assert isinstance(found, Score)
            return found

        return work


def combined(checks: Sequence[Check], found: Sequence[Score], sample: Sample) -> Score:
    """One score of several: right where ``all`` are, else their weighted mean (right or wrong by a threshold)."""
    details = "; ".join(score.detail for score in found if score.detail and score.value < 1)
    if sample.combine == "all" and sample.threshold is None:
        return Score(float(all(score.value >= 1 for score in found)), details)
    weights = [check.weight for check in checks]
    total = sum(weights)
    if total <= 0:
        raise ScoringError("the weights of its checks add up to nothing")
    mean = sum(weight * score.value for weight, score in zip(weights, found, strict=True)) / total
    if sample.threshold is not None:
        mean = float(mean >= sample.threshold)
    return Score(min(max(mean, 0.0), 1.0), details)


def _at_once(rule: Rule) -> Work:
    """A rule that waits for nothing, as work."""

    async def work(given: Given) -> Score:
        return rule(given)

    return work
