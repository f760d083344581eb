"""Fitting the gain: weighted sums of features and hashed words, drawn towards the length rule where labels are few.

A ridge regression is a prior belief: every weight is as large (in units of the gain's spread, per spread of the
feature) as its group usually is, and no larger without evidence. The groups' sizes are below. The weight of the
question's length is believed to be that of the length rule: with few labels the fit is nearly that rule, with many it
departs from it, and what was known before need not be learned again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.learning.features import FEATURES, LENGTH_RULE, Signals, hashed
from crossover.learning.model import MOST_SPREADS
from crossover.learning.signals import PromptSignals

Floats = NDArray[np.float64]
Matrix = NDArray[np.float64]

# How many labels the belief about a weight is worth, by group: sigma²/tau² of the usual Bayesian reading. Signals of an
# answer say more than signals of a prompt, so their weights may grow sooner. Chosen on development splits of public
# results (MMLU, GSM8K, MMLU-Pro, AlpacaEval); results hardly change within a factor of three.
PROMPT_LABELS, ANSWER_LABELS, WORD_LABELS = 1_800.0, 100.0, 30.0
LENGTH_WEIGHT = 0.05  # of the length rule: the gain's spreads per spread of the length
KNOWN_SHARE = 0.95  # a feature that is known for fewer of the prompts is left out
NEWTON_STEPS = 25
MOST_ROWS = 4_000  # of a fit; its time grows with the third power


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Features of prompts or answers: ``values`` has a row each and a column for each of ``names``; NaN: not known.

    ``words`` holds the buckets of each row's words; empty where no words are used.
    """

    names: tuple[str, ...]
    values: Matrix
    words: tuple[frozenset[int], ...] = ()

    def rows(self, index: Sequence[int] | NDArray[np.intp]) -> Table:
        """Some of the rows."""
        chosen = np.asarray(index, dtype=np.intp)
        words = tuple(self.words[number] for number in chosen) if self.words else ()
        return Table(names=self.names, values=self.values[chosen], words=words)


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """Weights of the features (of the size 1: less ``centre``, by ``spread``) and of buckets of words."""

    names: tuple[str, ...]
    centre: Floats
    spread: Floats
    weights: Floats
    words: Floats | None
    bias: float


def table_of(signals: Sequence[Signals], names: Sequence[str], *, words: bool, buckets: int) -> Table:
    """The features of several signals, one row each."""
    reads = [FEATURES[name].read for name in names]
    values = np.array([[_number(read(one)) for read in reads] for one in signals], dtype=np.float64)
    found: list[frozenset[int]] = []
    if words:
        for one in signals:
            prompt = one if isinstance(one, PromptSignals) else one.asked
            found.append(frozenset(hashed(prompt.words, buckets)) if prompt is not None else frozenset())
    return Table(names=tuple(names), values=values.reshape(len(signals), len(names)), words=tuple(found))


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def usable(table: Table) -> tuple[str, ...]:
    """The features that are known nearly always and are not always the same."""
    kept = []
    for column, name in enumerate(table.names):
        values = table.values[:, column]
        known = values[~np.isnan(values)]
        if len(known) >= KNOWN_SHARE * len(values) and len(known) > 1 and float(known.std()) > 1e-9:
            kept.append(name)
    return tuple(kept)


def columns(table: Table, names: Sequence[str]) -> Table:
    """Some of the features."""
    places = [table.names.index(name) for name in names]
    return Table(names=tuple(names), values=table.values[:, places], words=table.words)


def spread_words(table: Table, buckets: int) -> NDArray[np.float32]:
    """A row of unit length for each row's words."""
    matrix = np.zeros((len(table.words), buckets), dtype=np.float32)
    for number, found in enumerate(table.words):
        if found:
            matrix[number, list(found)] = 1 / math.sqrt(len(found))
    return matrix


def scale(table: Table) -> tuple[Floats, Floats]:
    """Centre and spread of each feature, over the rows where it is known."""
    centre = np.nanmean(table.values, axis=0)
    spread = np.nanstd(table.values, axis=0)
    return centre, np.where(spread > 1e-9, spread, 1.0)


def scaled(table: Table, centre: Floats, spread: Floats) -> Matrix:
    """The features of the size 1; what is not known is in the middle."""
    values = np.clip((table.values - centre) / spread, -MOST_SPREADS, MOST_SPREADS)
    return np.asarray(np.nan_to_num(values, nan=0.0), dtype=np.float64)


def ridge(table: Table, gains: Floats, buckets: int) -> Fit:
    """Weights for the gain. Needs two rows or more."""
    centre, spread = scale(table)
    x = scaled(table, centre, spread)
    believed, labels = _belief(table.names, float(gains.std()) or 1.0)
    middle = float(gains.mean())
    rest = gains - middle - x @ believed
    kernel = (x / labels) @ x.T
    h = None
    if table.words:
        h = spread_words(table, buckets)
        h_centre = h.mean(axis=0)
        h = h - h_centre
        kernel = kernel + (h @ h.T) / WORD_LABELS
    dual = np.linalg.solve(kernel + np.eye(len(gains)), rest)
    weights = believed + (x.T @ dual) / labels
    words = None
    bias = middle
    if h is not None:
        words = np.asarray(h.T @ dual, dtype=np.float64) / WORD_LABELS
        bias -= float(h_centre @ words)
    return Fit(names=table.names, centre=centre, spread=spread, weights=weights, words=words, bias=bias)


def logistic(table: Table, wrong: Floats) -> Fit:
    """Weights for the chance that the local answer is wrong (``wrong`` from 0 to 1), by the same belief.

    What an answer shows is how good it is itself; whether the stronger model would do better is chance added to it. So
    for signals of an answer this target has less noise than the gain. Newton's method; the penalty makes it concave.
    """
    centre, spread = scale(table)
    x = np.hstack([scaled(table, centre, spread), np.ones((len(wrong), 1))])
    believed, labels = _belief(table.names, 1.0)
    # a unit of log odds is four of chance at the middle: the same belief in the other unit
    start, pull = np.append(4 * believed, 0.0), np.append(labels / 4, 1e-3)
    weights = start.copy()
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        curvature = (x * (chance * (1 - chance))[:, None]).T @ x + np.diag(pull)
        step = np.linalg.solve(curvature, x.T @ (wrong - chance) - pull * (weights - start))
        weights = weights + step
        if float(np.abs(step).max()) < 1e-8:
            break
    return Fit(
        names=table.names, centre=centre, spread=spread, weights=weights[:-1], words=None, bias=float(weights[-1])
    )


def length_rule(table: Table) -> Fit:
    """The rule without training, of the same shape: the longer the question, the larger the sum."""
    centre, spread = scale(table)
    weights = np.array([LENGTH_WEIGHT if name == LENGTH_RULE else 0.0 for name in table.names])
    return Fit(names=table.names, centre=centre, spread=spread, weights=weights, words=None, bias=0.0)


def _belief(names: Sequence[str], size: float) -> tuple[Floats, Floats]:
    """The weights that are believed before anything is seen, and how many labels each belief is worth."""
    believed = np.array([LENGTH_WEIGHT * size if name == LENGTH_RULE else 0.0 for name in names])
    labels = np.array([PROMPT_LABELS if name.startswith("prompt.") else ANSWER_LABELS for name in names])
    return believed, labels


def predicted(fit: Fit, table: Table) -> Floats:
    """The fit's sums for rows of a table."""
    found = scaled(table, fit.centre, fit.spread) @ fit.weights + fit.bias
    if fit.words is not None and table.words:
        found = found + spread_words(table, len(fit.words)) @ fit.words
    return np.asarray(found, dtype=np.float64)
