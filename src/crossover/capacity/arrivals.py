"""Arrivals: requests drawn from a workload for a stretch of time at a stated load, and the loads of a week.

Assumptions, each of which moves the answer and is shown with it:

* Within an hour the gaps between requests are independent, gamma distributed, with the workload's coefficient of
  variation (1: Poisson). The clock is scaled so that the volume of the stretch is exact; what varies over hours belongs
  to the profile. Prompts and answers are independent of each other unless a trace pairs them.
* A trace is replayed as recorded where the stated volume is the recorded one. For another volume its clock is
  compressed or stretched, which keeps the shape of bursts but shortens or lengthens them; beyond a factor of
  ``COMPRESSION`` several copies, each with its own shift, are laid over each other, as independent users would be.
  Copies even out bursts; compressing alone would overstate them. A stretched trace has longer, shallower bursts.
* A peak that the profile does not show gets a shape: the profile is sharpened (or, if it is flat, a smooth daily swing
  is assumed) until its busiest hour has the stated factor. The volume of the week stays what it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from crossover.errors import InputError
from crossover.workload import HOURS_PER_WEEK, Lengths, Trace, Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECONDS_PER_DAY = 86_400.0
COMPRESSION = 4.0  # how far one copy of a trace is compressed before another is laid over it
_MOST_COPIES = 32  # beyond, copies hardly change the shape of the sum, only the work
_SHARPEST = 60.0  # exponent at which a profile is all but its busiest hours


class Arrivals(msgspec.Struct, frozen=True, kw_only=True):
    """Requests in order of arrival, as columns of equal length: seconds from 0, and tokens.

    ``duration_s`` is the stretch of time they were drawn for, ``cached_tokens`` the part of each prompt that a prefix
    cache would hold.
    """

    arrival_s: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    cached_tokens: NDArray[np.int64]
    duration_s: float

    @property
    def requests(self) -> int:
        """How many requests there are."""
        return len(self.arrival_s)

    @property
    def rate_rps(self) -> float:
        """Requests per second."""
        return self.requests / self.duration_s if self.duration_s > 0 else 0.0

    @property
    def fresh_tokens(self) -> NDArray[np.int64]:
        """The part of each prompt that must be computed."""
        return self.input_tokens - self.cached_tokens


def sample(workload: Workload, rng: np.random.Generator, *, hours_level: float, duration_s: float) -> Arrivals:
    """Draw ``duration_s`` seconds of requests at ``hours_level`` times the workload's mean rate.

    A trace gives arrivals and token counts (pairs stay together); otherwise both are drawn. Cached tokens are the
    trace's own, or the workload's share of every prompt. Raises ``InputError`` for a level or time that is no number.
    """
    for name, value in (("hours_level", hours_level), ("duration_s", duration_s)):
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{value} must be a number of 0 or more", field=name)
    rate = request_rate(workload, hours_level)
    trace = workload.trace
    if trace is not None and trace.requests > 1 and trace.span_s > 0:
        return _replayed(trace, rng, rate, duration_s, workload.cached_share)
    count = _whole(rate * duration_s, rng)
    arrival = _clock(rng, count, duration_s, workload.burstiness)
    if trace is not None and trace.requests:
        return _rows(trace, arrival, rng.integers(0, trace.requests, count), duration_s, workload.cached_share)
    prompt = draw_tokens(workload.input, rng, count)
    output = draw_tokens(workload.output, rng, count)
    return Arrivals(
        arrival_s=arrival,
        input_tokens=prompt,
        output_tokens=output,
        cached_tokens=_cached(prompt, workload.cached_share),
        duration_s=duration_s,
    )


def request_rate(workload: Workload, level: float = 1.0) -> float:
    """Requests per second at ``level`` times the mean."""
    return workload.requests_per_day / SECONDS_PER_DAY * level


def draw_tokens(lengths: Lengths, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """``count`` whole token counts of 1 or more; drawn evenly over the distribution, so that their mean is close."""
    if lengths.kind == "lognormal":
        half = rng.standard_normal((count + 1) // 2)
        normal = np.concatenate([half, -half])[:count]
        tokens = lengths.mean * np.exp(lengths.sigma * normal - lengths.sigma**2 / 2)
    elif lengths.kind == "quantiles":
        shares = (np.arange(count) + rng.random(count)) / max(count, 1)
        tokens = np.interp(shares, [share for share, _ in lengths.points], [value for _, value in lengths.points])
    else:
        tokens = np.full(count, lengths.mean)
    rng.shuffle(tokens)
    # Rounded up or down by chance, so that a mean of 1.5 stays 1.5.
    whole: NDArray[np.int64] = np.maximum(np.floor(tokens + rng.random(count)), 1).astype(np.int64)
    return whole


def hourly_levels(workload: Workload) -> NDArray[np.float64]:
    """Load of the 168 hours of a week over the mean load: mean 1, the busiest hour at the peak factor.

    A peak factor below what the profile itself shows changes nothing. Raises ``InputError`` for one above 168: one hour
    cannot hold more than the whole week.
    """
    profile: NDArray[np.float64] = np.asarray(workload.profile, dtype=np.float64)
    if profile.size != HOURS_PER_WEEK or not np.isfinite(profile).all() or (profile < 0).any() or profile.sum() <= 0:
        raise InputError("a profile needs 168 hourly loads, none negative and not all zero", field="profile")
    peak = workload.peak_factor
    if not 0 < peak <= HOURS_PER_WEEK:
        raise InputError(f"a peak factor of {peak:g} cannot be", hint="Write 1 to 168", field="peak_factor")
    profile = profile / float(profile.mean())
    if peak <= profile.max() * (1 + 1e-9):
        return profile
    if np.ptp(profile) <= 1e-9:
        profile = np.array([math.exp(math.cos(math.tau * (hour - 12) / 24)) for hour in range(HOURS_PER_WEEK)])
    relative = np.log(np.maximum(profile / profile.max(), 1e-12))
    if _sharpened(relative, _SHARPEST).max() < peak:
        # A peak higher than any daily shape gives: one hour of the week, and the rest shared evenly.
        level = np.full(HOURS_PER_WEEK, (HOURS_PER_WEEK - peak) / (HOURS_PER_WEEK - 1))
        level[int(np.argmax(profile))] = peak
        return level
    low, high = 0.0, _SHARPEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _sharpened(relative, middle).max() < peak else (low, middle)
    return _sharpened(relative, high)


def peak_level(workload: Workload) -> float:
    """Load of the busiest hour over the mean load."""
    return float(hourly_levels(workload).max())


def load_levels(workload: Workload, k: int) -> tuple[tuple[float, float], ...]:
    """The week as at most ``k`` pairs (hours per week, load over the mean), busiest first.

    The busiest hours are a level of their own; the others are grouped by rank, each group at its mean, so that hours
    sum to 168 and the volume is exact.
    """
    if k < 1:
        raise InputError(f"{k} load levels cannot describe a week", field="k")
    levels = np.sort(hourly_levels(workload))[::-1]
    if k == 1:
        return ((float(HOURS_PER_WEEK), 1.0),)
    busiest = int((levels >= levels[0] * (1 - 1e-9)).sum())
    groups = [levels[:busiest]]
    if busiest < HOURS_PER_WEEK:
        rest = levels[busiest:]
        groups += [group for group in np.array_split(rest, min(k - 1, rest.size)) if group.size]
    merged: list[tuple[float, float]] = []
    for group in groups:
        hours, level = float(group.size), float(group.mean())
        if merged and abs(merged[-1][1] - level) <= 1e-9:
            hours += merged.pop()[0]
        merged.append((hours, level))
    return tuple(merged)


def _sharpened(relative: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    shape = np.exp(relative * exponent)
    level: NDArray[np.float64] = shape / shape.mean()
    return level


def _whole(expected: float, rng: np.random.Generator) -> int:
    """A whole number with this expectation."""
    return int(expected) + int(rng.random() < expected - int(expected))


def _clock(rng: np.random.Generator, count: int, duration_s: float, variation: float) -> NDArray[np.float64]:
    """``count`` arrivals within the time, gaps with this coefficient of variation."""
    if not (math.isfinite(variation) and variation >= 0):
        raise InputError(f"a burstiness of {variation} must be a number of 0 or more", field="burstiness")
    gaps = rng.gamma(max(variation, 1e-3) ** -2, size=count + 1)
    total = float(gaps.sum())
    if total <= 0:
        return np.sort(rng.random(count)) * duration_s
    arrival: NDArray[np.float64] = np.cumsum(gaps[:count]) / total * duration_s
    return arrival


def _replayed(trace: Trace, rng: np.random.Generator, rate: float, duration_s: float, cached_share: float) -> Arrivals:
    period = trace.span_s * trace.requests / (trace.requests - 1)  # a mean gap after the last request
    factor = rate / (trace.requests / period)
    copies = min(max(math.ceil(factor / COMPRESSION - 1e-9), 1), _MOST_COPIES)
    factor /= copies
    length = duration_s * factor  # seconds of the recorded clock
    times: list[NDArray[np.float64]] = []
    rows: list[NDArray[np.int64]] = []
    for copy in range(copies):
        whole = copy == 0 and length >= 0.999 * period
        begin = 0.0 if whole else float(rng.random()) * period
        laps, rest = divmod(begin + length, period)
        first = int(np.searchsorted(trace.arrival_s, begin))
        last = int(laps) * trace.requests + int(np.searchsorted(trace.arrival_s, rest))
        turn, row = np.divmod(np.arange(first, max(last, first)), trace.requests)
        times.append((trace.arrival_s[row] + turn * period - begin) / max(factor, 1e-300))
        rows.append(row)
    arrival, row = np.concatenate(times), np.concatenate(rows)
    order = np.argsort(arrival, kind="stable")
    return _rows(trace, arrival[order], row[order], duration_s, cached_share)


def _rows(
    trace: Trace, arrival: NDArray[np.float64], row: NDArray[np.int64], duration_s: float, cached_share: float
) -> Arrivals:
    prompt = trace.input_tokens[row]
    return Arrivals(
        arrival_s=arrival,
        input_tokens=prompt,
        output_tokens=trace.output_tokens[row],
        cached_tokens=_cached(prompt, cached_share) if trace.cached_tokens is None else trace.cached_tokens[row],
        duration_s=duration_s,
    )


def _cached(prompt: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    cached: NDArray[np.int64] = np.floor(prompt * share).astype(np.int64)
    return cached
