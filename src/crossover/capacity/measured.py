"""Measured speeds of one deployment, as points with the load they were measured at."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from crossover.capacity.calibration import relevant
from crossover.errors import InputError
from crossover.evidence import Evidence
from crossover.stats import Z80

DECODE = ("tpot_s", "output_tokens_per_s")
PREFILL = "ttft_s"


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One measured figure with its load. ``log_sd`` is that of its own interval (0: none was given)."""

    metric: str
    value: float
    concurrency: int
    input_tokens: float
    output_tokens: float
    log_sd: float


def points_of(measured: Sequence[Evidence], subject: str) -> list[Point]:
    """The speeds of one deployment. Raises InputError where a load is missing or a figure is not positive."""
    return [_point(row) for metric in (*DECODE, PREFILL) for row in relevant(measured, subject, metric)]


def _point(row: Evidence) -> Point:
    figures = {}
    for name in ("concurrency", "input_tokens", "output_tokens"):
        value = row.context.get(name)
        if not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise InputError(f"a measured {row.metric} needs a positive {name} in its context", field=name)
        figures[name] = float(value)
    if not 0 < row.value < math.inf:
        raise InputError(f"{row.value:g} is no measured {row.metric}", hint="It must be above 0", field=row.metric)
    known = row.low is not None and row.high is not None and 0 < row.low < row.high
    return Point(
        metric=row.metric,
        value=row.value,
        concurrency=max(1, int(figures["concurrency"])),
        input_tokens=figures["input_tokens"],
        output_tokens=figures["output_tokens"],
        log_sd=math.log(row.high / row.low) / (2 * Z80) if known and row.low and row.high else 0.0,
    )


def output_rate(concurrency: int, output_tokens: float, ttft: float, tpot: float) -> float:
    """Output tokens per second of a closed loop: every client gets its answer in ttft + (n − 1)·tpot."""
    return concurrency * output_tokens / (ttft + (output_tokens - 1.0) * tpot)
