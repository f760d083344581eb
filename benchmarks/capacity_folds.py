"""Leaving out: whole models, whole devices, whole generations; and what one measured point changes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from capacity_fit import Fit, Floats, Priors, Table, predict, solve
from capacity_rows import ServingRow

Label = Callable[[ServingRow], str]
COVERED = 0.82  # share of left-out rows the printed 80 % interval is made to hold: a little above, for other data
Z80 = 1.2815515655446004


@dataclass(frozen=True)
class Fold:
    """Log errors (predicted / measured) on rows that the fit had not seen."""

    name: str
    rows: list[ServingRow]
    tpot: Floats
    throughput: Floats
    ttft: Floats


def model_of(row: ServingRow) -> str:
    return row.family


def device_of(row: ServingRow) -> str:
    return row.accelerator.name


def generation_of(row: ServingRow) -> str:
    return "Hopper" if row.accelerator.name.startswith("H") else "Blackwell"


def errors(data: Table, fit: Fit, name: str = "all") -> Fold:
    """Log errors of a fit on rows. Throughput counts a whole answer: time to first token and all further ones."""
    first, each = predict(data, fit)
    more = data.output_tokens - 1.0
    return Fold(
        name=name,
        rows=data.rows,
        tpot=np.log(each / data.tpot_s),
        throughput=np.log((data.ttft_s + more * data.tpot_s) / (first + more * each)),
        ttft=np.log(first / data.ttft_s),
    )


def joined(folds: list[Fold]) -> Fold:
    """All folds as one."""
    return Fold(
        name="pooled",
        rows=[row for fold in folds for row in fold.rows],
        tpot=np.concatenate([fold.tpot for fold in folds]),
        throughput=np.concatenate([fold.throughput for fold in folds]),
        ttft=np.concatenate([fold.ttft for fold in folds]),
    )


def leave_out(data: Table, priors: Priors, label: Label) -> Iterator[Fold]:
    """One fold for each value of the label, predicted by a fit on all other rows."""
    labels = np.array([label(row) for row in data.rows])
    for name in sorted(set(labels.tolist())):
        mask = labels == name
        yield errors(data.take(mask), solve(data.take(~mask), priors), name)


def leave_out_both(data: Table, priors: Priors, first: Label, second: Label) -> Iterator[Fold]:
    """One fold for each pair of values, predicted by rows that share neither (at least 30 of them)."""
    one = np.array([first(row) for row in data.rows])
    two = np.array([second(row) for row in data.rows])
    for pair in sorted(set(zip(one.tolist(), two.tolist(), strict=True))):
        test = (one == pair[0]) & (two == pair[1])
        train = (one != pair[0]) & (two != pair[1])
        if train.sum() >= 30:
            yield errors(data.take(test), solve(data.take(train), priors), " on ".join(pair))


def anchored(fold: Fold, group: Callable[[ServingRow], tuple[object, ...]]) -> tuple[Floats, Floats]:
    """Left-out errors after one measured point of each group has rescaled it: (TPOT, TTFT).

    The point is the row of middle concurrency; it is not judged. Groups of one row are left out.
    """
    members: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, row in enumerate(fold.rows):
        members[group(row)].append(index)
    tpot, ttft = [], []
    for indices in members.values():
        ordered = sorted(indices, key=lambda index: (fold.rows[index].concurrency, fold.rows[index].nominal))
        point = ordered[len(ordered) // 2]
        for index in ordered:
            if index != point:
                tpot.append(fold.tpot[index] - fold.tpot[point])
                ttft.append(fold.ttft[index] - fold.ttft[point])
    return np.array(tpot), np.array(ttft)


def deployment_of(row: ServingRow) -> tuple[object, ...]:
    return row.model.name, row.precision, row.count, row.accelerator.name, row.engine


def model_and_engine_of(row: ServingRow) -> tuple[object, ...]:
    return row.model.name, row.engine, row.precision


def log_sd(residuals: Floats) -> float:
    """The standard deviation with which an 80 % interval of a normal holds a little more than 80 % of these."""
    return float(np.quantile(np.abs(residuals), COVERED)) / Z80


def median_percent(residuals: Floats) -> float:
    """Median absolute error in per cent of the measured value."""
    return float(100.0 * np.median(np.abs(np.expm1(residuals)))) if residuals.size else math.nan


def p90_percent(residuals: Floats) -> float:
    """90th percentile of the absolute error in per cent of the measured value."""
    return float(100.0 * np.quantile(np.abs(np.expm1(residuals)), 0.9)) if residuals.size else math.nan
