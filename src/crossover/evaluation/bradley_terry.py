"""Votes between answers, as one scale: the Bradley-Terry model with Davidson's extension for ties.

Between two names of strengths a and b (on a logarithmic scale) a win of the first, a tie and a win of the second stand
to each other as exp(a), ties × exp((a + b) / 2) and exp(b). R. A. Bradley and M. E. Terry, Rank analysis of incomplete
block designs, Biometrika 39 (1952); R. R. Davidson, On extending the Bradley-Terry model to accommodate ties in paired
comparison experiments, Journal of the American Statistical Association 65 (1970).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from crossover.errors import InputError, UnknownNameError
from crossover.evaluation.sequential import Floats, log_sum
from crossover.evaluation.words import Ranking, Strength, Vote
from crossover.stats import normal_quantile

_STEPS = 200
_SMALL = 1e-11


def bradley_terry(votes: Iterable[Vote], *, reference: str, confidence: float = 0.9) -> Ranking:
    """The ranking that makes the votes likeliest, with an interval of each strength against the reference.

    Votes of one group (the same prompt, the same person) count together in the intervals. These are estimated: they
    hold in large samples, and for one look. Raises UnknownNameError where the reference got no vote, InputError where a
    name is set against itself or where no chain of votes leads from a name to the reference.
    """
    rows = list(votes)
    names = _names(rows, reference)
    places = np.array([[names.index(row.first), names.index(row.second)] for row in rows])
    outcomes = np.array([[row.winner == word for word in ("first", "tie", "second")] for row in rows], dtype=np.float64)
    _check_connected(places, names)
    half = not _finite(places, outcomes, len(names))
    weights = outcomes + _half_votes(places) if half else outcomes
    design = _design(places, len(names))
    if not weights[:, 1].any():  # without a tie their parameter is 0
        design, weights, outcomes = design[:, ::2, :-1], weights[:, ::2], outcomes[:, ::2]
    estimate, information = _fit(design, weights)
    slopes = _slopes(design, outcomes, estimate)
    covariance = _covariance(slopes, [row.group for row in rows], information)
    ties = math.exp(estimate[-1]) if estimate.size == len(names) else 0.0
    strengths = _strengths(names, places, estimate, covariance, ties, normal_quantile((1 + confidence) / 2))
    return Ranking(
        reference=reference,
        strengths=tuple(sorted(strengths, key=lambda row: -row.strength)),
        ties=ties,
        votes=len(rows),
        half_votes=half,
        confidence=confidence,
    )


def _names(rows: Sequence[Vote], reference: str) -> list[str]:
    """All names, the reference first."""
    names = sorted({name for row in rows for name in (row.first, row.second)})
    if reference not in names:
        raise UnknownNameError("name among the votes", reference, names, field="reference")
    for number, row in enumerate(rows, start=1):
        if row.first == row.second:
            raise InputError(f"vote {number} sets {row.first!r} against itself", field="votes")
    return [reference, *(name for name in names if name != reference)]


def _design(places: NDArray[np.int64], count: int) -> Floats:
    """The log-odds of win, tie and loss of every vote, as forms of the strengths (but the reference's) and of ties."""
    design = np.zeros((len(places), 3, count + 1))
    each = np.arange(len(places))
    for side, outcome in ((0, 0), (1, 2)):
        design[each, outcome, places[:, side]] = 1
        design[each, 1, places[:, side]] = 0.5
    design[:, 1, -1] = 1
    return design[:, :, 1:]


def _fit(design: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The parameters of greatest likelihood by Newton's method, and the information there.

    The likelihood is concave; a step that does not raise it is halved.
    """
    estimate = np.zeros(design.shape[2])
    for _ in range(_STEPS):
        slope, information = _slopes(design, weights, estimate).sum(axis=0), _information(design, weights, estimate)
        step = np.linalg.solve(information, slope)
        if np.abs(step).max(initial=0.0) < _SMALL:
            break
        value, reach = _likelihood(design, weights, estimate), 1.0
        while _likelihood(design, weights, estimate + reach * step) < value and reach > _SMALL:
            reach /= 2
        estimate = estimate + reach * step
    return estimate, _information(design, weights, estimate)


def _likelihood(design: Floats, weights: Floats, estimate: Floats) -> float:
    odds = design @ estimate
    return float((weights * (odds - log_sum(odds)[:, None])).sum())


def _chances(design: Floats, estimate: Floats) -> Floats:
    odds = design @ estimate
    chances: Floats = np.exp(odds - log_sum(odds)[:, None])
    return chances


def _slopes(design: Floats, weights: Floats, estimate: Floats) -> Floats:
    """Per vote, the gradient of its logarithmic likelihood."""
    surprise = weights - weights.sum(axis=1, keepdims=True) * _chances(design, estimate)
    slopes: Floats = np.einsum("vo,vop->vp", surprise, design)
    return slopes


def _information(design: Floats, weights: Floats, estimate: Floats) -> Floats:
    chances = _chances(design, estimate)
    centred = design - np.einsum("vo,vop->vp", chances, design)[:, None, :]
    scaled = centred * np.sqrt(weights.sum(axis=1)[:, None] * chances)[:, :, None]
    flat = scaled.reshape(-1, design.shape[2])
    information: Floats = flat.T @ flat
    return information


def _covariance(slopes: Floats, groups: Sequence[str | None], information: Floats) -> Floats:
    """The inverse of the information; where votes come in groups, the sandwich estimate over whole groups."""
    inverse = np.asarray(np.linalg.inv(information), dtype=np.float64)
    named = [group for group in groups if group is not None]
    if len(set(named)) == len(named):
        return inverse
    places: dict[str | int, int] = {}
    index = [places.setdefault(n if group is None else group, len(places)) for n, group in enumerate(groups)]
    sums = np.zeros((len(places), slopes.shape[1]))
    np.add.at(sums, index, slopes)
    together: Floats = inverse @ (sums.T @ sums) @ inverse * (len(places) / max(len(places) - 1, 1))
    return together


def _strengths(
    names: Sequence[str], places: NDArray[np.int64], estimate: Floats, covariance: Floats, ties: float, z: float
) -> list[Strength]:
    middles = np.concatenate([[0.0], estimate[: len(names) - 1]])
    errors = np.concatenate([[0.0], np.sqrt(np.diag(covariance)[: len(names) - 1])])
    votes = np.bincount(places.ravel(), minlength=len(names))
    return [
        Strength(
            name=name,
            strength=float(middle),
            low=float(middle - z * error),
            high=float(middle + z * error),
            share=_share(middle, ties),
            share_low=_share(middle - z * error, ties),
            share_high=_share(middle + z * error, ties),
            votes=int(count),
        )
        for name, middle, error, count in zip(names, middles, errors, votes, strict=True)
    ]


def _share(strength: float, ties: float) -> float:
    """The expected share of votes against a strength of 0, a tie counting half."""
    if strength < 0:
        return 1 - _share(-strength, ties)
    lost, tied = math.exp(-strength), ties * math.exp(-strength / 2)
    return (1 + tied / 2) / (1 + tied + lost)


def _check_connected(places: NDArray[np.int64], names: Sequence[str]) -> None:
    links = np.eye(len(names), dtype=bool)
    links[places[:, 0], places[:, 1]] = links[places[:, 1], places[:, 0]] = True
    reached = _reach(links)[0]
    if not reached.all():
        stranger = names[int(np.flatnonzero(~reached)[0])]
        raise InputError(f"no chain of votes leads from {stranger!r} to {names[0]!r}", field="votes")


def _finite(places: NDArray[np.int64], outcomes: Floats, count: int) -> bool:
    """Whether an estimate exists: from every name a chain of wins or ties to every other, not ties alone, and where
    there are both, wins that ties cannot explain away (:func:`_bounded`).
    """
    links = np.eye(count, dtype=bool)
    first, tied, second = (outcomes[:, place] > 0 for place in range(3))
    for won, lost, which in ((0, 1, first | tied), (1, 0, second | tied)):
        links[places[which, won], places[which, lost]] = True
    if not _reach(links).all() or tied.all():
        return False
    return not tied.any() or _bounded(places, outcomes, count)


def _bounded(places: NDArray[np.int64], outcomes: Floats, count: int) -> bool:
    """Whether wins and ties together keep the strengths from being drawn apart for ever.

    They could be, without a vote speaking against it, by at least one step for every win and by at most one for every
    tie, while ties become the commoner: unless some circle of votes holds more wins than ties.
    """
    apart = np.full((count, count), np.inf)
    first, tied, second = (outcomes[:, place] > 0 for place in range(3))
    apart[places[tied, 0], places[tied, 1]] = apart[places[tied, 1], places[tied, 0]] = 1.0
    apart[places[first, 0], places[first, 1]] = apart[places[second, 1], places[second, 0]] = -1.0
    for middle in range(count):
        apart = np.minimum(apart, apart[:, middle, None] + apart[None, middle, :])
    return bool((np.diag(apart) < 0).any())


def _reach(links: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which name is reached from which, over any number of links."""
    for _ in range(len(links)):
        links = links @ links
    return links


def _half_votes(places: NDArray[np.int64]) -> Floats:
    """Half a win each way for every pair that met, spread over its votes."""
    pairs, index = np.unique(np.sort(places, axis=1), axis=0, return_inverse=True)
    each = 0.5 / np.bincount(index.ravel(), minlength=len(pairs))[index.ravel()]
    return np.stack([each, np.zeros_like(each), each], axis=1)
