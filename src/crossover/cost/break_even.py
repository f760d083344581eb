"""Break-even: at which volumes the order of two costs changes.

Own machines come in whole steps, so there may be several crossings: own machines win as a step fills up and lose again
where the next machine is needed. All of them are found: in closed form for a price per request against a staircase,
by bisection between the known steps for any two functions.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import msgspec

from crossover.errors import InputError
from crossover.money import DAYS_PER_MONTH

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SAMPLES = 16  # looks between two steps, for functions that are not straight there
_BISECTIONS = 200


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """At ``requests_per_day`` the order of two costs changes; just above it ``cheaper_above`` costs less."""

    requests_per_day: float
    cheaper_above: Literal["own", "api"]


def crossings(
    api_cost: Callable[[float], float],
    own_cost: Callable[[float], float],
    low: float,
    high: float,
    *,
    steps: Iterable[float] = (),
) -> tuple[Crossing, ...]:
    """Every volume in ``low..high`` (requests/day) at which the cheaper of two monthly costs changes, rising.

    ``steps`` are the volumes at which a cost jumps (up to and including a step the old machines do). Between steps
    both costs must be continuous; crossings closer together than a sixteenth of such an interval may be missed.
    """
    if not (math.isfinite(low) and math.isfinite(high) and 0 <= low < high):
        raise InputError(f"{low}..{high} is not a range of volumes", field="requests_per_day")

    def gap(volume: float) -> float:
        return own_cost(volume) - api_cost(volume)

    edges = [low, *sorted({step for step in steps if low < step < high}), high]
    found: list[Crossing] = []
    before = 0.0  # the last sign seen
    for start, end in pairwise(edges):
        first = start if start == low else math.nextafter(start, math.inf)
        grid = [first + (end - first) * index / _SAMPLES for index in range(_SAMPLES)] + [end]
        previous = first
        for volume in grid:
            sign = math.copysign(1.0, difference) if (difference := gap(volume)) else 0.0
            if sign and before and sign != before:
                at = start if volume == first else _bisect(gap, previous, volume)
                found.append(Crossing(requests_per_day=at, cheaper_above="own" if sign < 0 else "api"))
            if sign:
                before = sign
            previous = volume
    return tuple(found)


def _bisect(gap: Callable[[float], float], low: float, high: float) -> float:
    below = gap(low) < 0
    if gap(low) == 0:
        return low
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if (gap(middle) < 0) == below:
            low = middle
        else:
            high = middle
    return high


def step_crossings(
    api_usd_per_request: float,
    own_fixed_usd_month: float,
    own_usd_month_per_replica: float,
    requests_per_day_per_replica: float,
    *,
    own_usd_per_request: float = 0.0,
    api_fixed_usd_month: float = 0.0,
    api_minimum_usd_month: float = 0.0,
    spare: int = 0,
    max_replicas: int = 512,
    days: float = DAYS_PER_MONTH,
) -> tuple[Crossing, ...]:
    """Every crossing of a price per request with replicas that are bought one by one.

    Own cost at n requests/day: fixed + (max(1, ceil(n / capacity)) + spare) × replica + n × days × own_usd_per_request.
    The search ends where ``max_replicas`` are full.
    """
    import numpy as np

    if not requests_per_day_per_replica > 0 or max_replicas < 1:
        raise InputError("a replica must carry some requests", field="requests_per_day_per_replica")
    replicas = np.arange(1, max_replicas + 1, dtype=np.float64)
    return staircase_crossings(
        api_usd_per_request,
        replicas * requests_per_day_per_replica,
        own_fixed_usd_month + (replicas + spare) * own_usd_month_per_replica,
        own_usd_per_request=own_usd_per_request,
        api_fixed_usd_month=api_fixed_usd_month,
        api_minimum_usd_month=api_minimum_usd_month,
        days=days,
    )


def staircase_crossings(
    api_usd_per_request: float,
    edges: Sequence[float] | NDArray[np.float64],
    own_usd_month: Sequence[float] | NDArray[np.float64],
    *,
    own_usd_per_request: float = 0.0,
    api_fixed_usd_month: float = 0.0,
    api_minimum_usd_month: float = 0.0,
    days: float = DAYS_PER_MONTH,
) -> tuple[Crossing, ...]:
    """Every crossing of a price per request with a staircase, in closed form.

    Up to and including ``edges[i]`` requests/day (rising), own machines cost ``own_usd_month[i]`` plus
    ``own_usd_per_request`` each. Whole machines that hold several replicas, a spare one and volume discounts are all
    staircases. The API costs its fixed part plus its price, and never less than ``api_minimum_usd_month``. Raises
    InputError where the two lists differ in length, are empty, or edges do not rise.
    """
    # plain floats: for the few dozen steps of a staircase they are ten times faster than arrays
    ends, own = [float(edge) for edge in edges], [float(cost) for cost in own_usd_month]
    rising = bool(ends) and ends[0] > 0 and all(a < b for a, b in pairwise(ends))
    if len(ends) != len(own) or not rising or not all(map(math.isfinite, own)):
        raise InputError("a staircase needs one cost per edge, and edges that rise", field="edges")
    each, own_each = api_usd_per_request * days, own_usd_per_request * days
    if not all(map(math.isfinite, (each, own_each, api_fixed_usd_month, api_minimum_usd_month))):
        raise InputError("prices must be finite numbers", field="api_usd_per_request")
    spent = (api_minimum_usd_month - api_fixed_usd_month) / each if each > 0 else 0.0  # where the minimum is used up
    if 0 < spent < ends[-1] and spent not in ends:
        at = bisect.bisect_left(ends, spent)
        ends.insert(at, spent)
        own.insert(at, own[at])
    found: list[Crossing] = []
    before, start = 0.0, 0.0  # the last sign of own minus API that was not zero, and where the step begins
    for end, cost in zip(ends, own, strict=True):
        first = cost + own_each * start - max(api_fixed_usd_month + each * start, api_minimum_usd_month)
        last = cost + own_each * end - max(api_fixed_usd_month + each * end, api_minimum_usd_month)
        for gap, inside in ((first, False), (last, True)):
            if gap and before and (gap < 0) != (before < 0):
                volume = start + (end - start) * first / (first - last) if inside else start
                found.append(Crossing(requests_per_day=volume, cheaper_above="own" if gap < 0 else "api"))
            before = gap or before
        start = end
    return tuple(found)
