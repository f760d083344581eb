"""When requests are sent in an open loop: schedules as arrays of seconds, made before the first one is sent.

Every schedule is a stream of gaps with mean 1 (all 1: constant; exponential: Poisson; gamma with a coefficient of
variation) whose running sum is read through the rate: after *t* seconds of a ramp from *a* to *b* requests a second
over *T* seconds, a·t + (b − a)·t²/2T requests are due, and the n-th is sent when that reaches the n-th sum. A trace is
replayed as recorded, its clock run faster or slower.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from crossover.errors import InputError
from crossover.loadtest.words import Load
from crossover.workload import Trace

MOST_REQUESTS = 1_000_000  # of one stage
MOST_RATE = 10_000.0  # requests a second; more than one process could send
MOST_BURSTINESS = 30.0


def schedule(
    load: Load,
    rng: np.random.Generator,
    *,
    requests: int | None,
    duration_s: float | None,
    trace: Trace | None = None,
) -> NDArray[np.float64]:
    """The times at which the requests of an open loop are due, rising, from 0.

    At most ``requests`` of them and none at or after ``duration_s``; one of the two must be given, for a ramp
    ``duration_s``. Raises InputError for rates that are none, and where nothing at all would be sent.
    """
    if requests is None and duration_s is None and load.style != "trace":
        raise InputError("an open loop needs an end", hint="Say how many requests, or how long", field="--duration")
    most = min(requests or MOST_REQUESTS, MOST_REQUESTS)
    due = _replayed(load, trace) if load.style == "trace" else _drawn(load, rng, most, duration_s)
    if duration_s is not None:
        due = due[due < duration_s]
    due = due[:most]
    if not due.size:
        raise InputError("no request is due in this time", hint="Raise the rate or the duration", field="--rate")
    return due


def _drawn(load: Load, rng: np.random.Generator, most: int, duration_s: float | None) -> NDArray[np.float64]:
    first, last = load.rate_rps, load.rate_rps if load.to_rate_rps is None else load.to_rate_rps
    for rate in (first, last):
        if not 0 <= rate <= MOST_RATE or first + last <= 0:
            raise InputError(
                f"a rate of {rate:g} requests a second cannot be sent",
                hint=f"Write a number above 0, to {MOST_RATE:,.0f}",
                field="--rate",
            )
    if load.to_rate_rps is not None and duration_s is None:
        raise InputError("a ramp needs its length", hint="Add --duration", field="--ramp")
    expected = math.inf if duration_s is None else (first + last) / 2 * duration_s
    # Room for chance: six standard deviations of the number of requests.
    count = int(min(most, expected + 6 * load_variation(load) * math.sqrt(expected) + 6)) if expected < 1e9 else most
    sums = np.cumsum(gaps(load, rng, max(count, 1)))
    if load.style == "constant":
        sums = sums - 1.0  # the first is due at once
    if load.to_rate_rps is None or duration_s is None or first == last:
        return sums / first
    slope = (last - first) / duration_s
    # first·t + slope·t²/2 = sum, solved without cancellation for a small slope; beyond a ramp down to 0 nothing is due
    room = first**2 + 2 * slope * sums
    kept = room[room >= 0]
    return 2 * sums[: kept.size] / (first + np.sqrt(kept)) if first > 0 else np.sqrt(2 * sums[: kept.size] / slope)


def load_variation(load: Load) -> float:
    """The coefficient of variation of the gaps between requests."""
    return {"constant": 0.0, "poisson": 1.0, "gamma": load.burstiness, "trace": math.nan}[load.style]


def gaps(load: Load, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """``count`` gaps with mean 1 in the style of the load. Raises InputError for a burstiness out of bounds."""
    if load.style == "constant":
        return np.ones(count)
    if load.style == "poisson":
        return rng.exponential(size=count)
    if not 0 < load.burstiness <= MOST_BURSTINESS:
        raise InputError(
            f"a burstiness of {load.burstiness:g} is out of range",
            hint=f"Write a number above 0, to {MOST_BURSTINESS:g}; 1 is Poisson",
            field="--burstiness",
        )
    shape = load.burstiness**-2
    return rng.gamma(shape, 1 / shape, size=count)


def _replayed(load: Load, trace: Trace | None) -> NDArray[np.float64]:
    if trace is None or not trace.requests:
        raise InputError("there is no trace to replay", field="--trace")
    if not (math.isfinite(load.time_scale) and load.time_scale > 0):
        raise InputError(
            f"a time scale of {load.time_scale:g} cannot be", hint="Write 2 for twice as fast", field="--time-scale"
        )
    due: NDArray[np.float64] = trace.arrival_s / load.time_scale
    return due
