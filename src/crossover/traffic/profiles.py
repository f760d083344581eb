"""When requests come: the relative load of the 168 hours of a week, Monday 0 h first, with mean 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crossover.errors import InputError
from crossover.workload import HOURS_PER_WEEK

HOURS_PER_DAY = 24
BUSIEST_HOUR = 14  # of the raised cosine that stands for a day when only its peak is known


def daily_peak(factor: float) -> tuple[float, ...]:
    """A week whose busiest hour is ``factor`` times its mean hour, as a smooth hill around 14 h on every day.

    The hill is a raised cosine to a power, ((1 + cos(2π(h - 14)/24)) / 2)^k, mixed with a flat line so that the peak is
    exact. A day holds at most a factor of 24 (everything within one hour); above it the days of the week are weighted
    in the same way, up to 168. Raises InputError outside 1..168.
    """
    if not 1 <= factor <= HOURS_PER_WEEK:  # also refuses NaN
        raise InputError(
            f"the busiest hour cannot be {factor:g} times the mean hour",
            hint="Write a number from 1 (even load) to 168 (the whole week within one hour)",
            field="peak_factor",
        )
    if factor <= HOURS_PER_DAY:
        return _hill(HOURS_PER_DAY, BUSIEST_HOUR, factor) * 7
    day = _hill(HOURS_PER_DAY, BUSIEST_HOUR, float(HOURS_PER_DAY))
    return tuple(weight * hour for weight in _hill(7, 2, factor / HOURS_PER_DAY) for hour in day)


def _hill(count: int, centre: int, peak: float) -> tuple[float, ...]:
    """``count`` weights with mean 1 around ``centre``, the greatest of them ``peak`` (1..count)."""
    if peak <= 1:
        return (1.0,) * count
    if peak >= count:
        return tuple(float(count) if index == centre else 0.0 for index in range(count))
    base = [(1 + math.cos(2 * math.pi * (index - centre) / count)) / 2 for index in range(count)]
    power = 1.0
    while count / sum(weight**power for weight in base) < peak:
        power *= 2
    weights = [weight**power for weight in base]
    mean = sum(weights) / count
    share = (peak - 1) / (1 / mean - 1)  # of the hill in its mix with a flat line
    return tuple(1 + share * (weight / mean - 1) for weight in weights)


def from_weights(weights: Sequence[float], *, field: str = "profile", file: str | None = None) -> tuple[float, ...]:
    """A profile from 24 hours of a day or 168 hours of a week in any unit; InputError says what is wrong."""
    if len(weights) not in (HOURS_PER_DAY, HOURS_PER_WEEK):
        raise InputError(
            f"a profile of {len(weights)} numbers fits no day and no week",
            hint="Write 24 numbers (hours of a day) or 168 (hours of a week, Monday 0 h first)",
            field=field,
            file=file,
        )
    for place, weight in enumerate(weights):
        if not (math.isfinite(weight) and 0 <= weight <= 1e15):
            raise InputError(f"number {place + 1} is {weight}", hint="Write numbers from 0 up", field=field, file=file)
    mean = math.fsum(weights) / len(weights)
    if mean <= 0:
        raise InputError(
            "a profile of zeros holds no traffic", hint="Write at least one above 0", field=field, file=file
        )
    week = tuple(weight / mean for weight in weights)
    return week * (HOURS_PER_WEEK // len(week))


def peak_of(profile: Sequence[float]) -> float:
    """The busiest hour over the mean hour."""
    return max(profile) / (math.fsum(profile) / len(profile))
