"""What a trace says about the workload it was cut from: volume, profile, burstiness, lengths, cached share."""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from crossover.traffic.facts import Facts
from crossover.traffic.lengths import recorded
from crossover.traffic.profiles import from_weights, peak_of
from crossover.workload import Trace

DAY_S = 86_400.0
WEEK_S = 7 * DAY_S


def facts_of(trace: Trace) -> Facts:
    """Everything the trace says. A trace without any span has no rate, so its volume stays open."""
    notes = list(trace.notes)
    per_day: float | None = None
    profile: tuple[float, ...] | None = None
    if trace.span_s >= DAY_S:
        rates, clock = _rate_by_hour(trace)
        per_day = float(rates.sum()) * 24 / len(rates)
        profile = from_weights([float(rate) for rate in rates])
        days = trace.span_s / DAY_S
        notes.append(
            f"the trace spans {days:.1f} days: its own profile by hour of the {'week' if len(rates) == 168 else 'day'}"
            f" ({clock}) is used, the busiest hour {peak_of(profile):.1f} times the mean"
        )
    elif trace.span_s > 0:
        per_day = (trace.requests - 1) / trace.span_s * DAY_S
        notes.append(
            f"{_duration(trace.span_s)} of trace is not a month: at its rate a day has {per_day:,.0f} requests, and the"
            " hours it did not see are taken as alike unless you state --requests-per-day and --peak-factor"
        )
    cached = None
    if trace.cached_tokens is not None and trace.input_tokens.sum() > 0:
        cached = float(trace.cached_tokens.sum() / trace.input_tokens.sum())
    return Facts(
        name=trace.name,
        requests_per_day=per_day,
        input=recorded(trace.input_tokens),
        output=recorded(trace.output_tokens),
        cached_share=cached,
        profile=profile,
        burstiness=burstiness(trace),
        trace=trace,
        source=f"trace {trace.name}",
        notes=tuple(notes),
    )


def burstiness(trace: Trace) -> float:
    """Coefficient of variation of the gaps between arrivals, every gap over the mean gap of its own hour.

    So a day's rise and fall does not count as bursts. 1.0 where there are fewer than three requests or no span.
    """
    gaps = np.diff(trace.arrival_s)
    if gaps.size < 2 or trace.span_s <= 0:
        return 1.0
    hour = (trace.arrival_s[:-1] // 3600).astype(np.int64)
    _, hour = np.unique(hour, return_inverse=True)
    count = np.bincount(hour)
    mean = np.bincount(hour, weights=gaps) / count
    fair = (count[hour] >= 30) & (mean[hour] > 0)  # an hour of a few requests says nothing about bursts
    if np.count_nonzero(fair) < 30:
        return float(gaps.std() / gaps.mean())
    relative = gaps[fair] / mean[hour[fair]]
    return float(relative.std() / relative.mean())


def _rate_by_hour(trace: Trace) -> tuple[NDArray[np.float64], str]:
    """Requests per hour in each hour of the day (or of the week, from seven days on), and which clock that is."""
    start, clock = _monday_offset(trace.start)
    length = 168 if trace.span_s >= WEEK_S else 24
    hour = ((trace.arrival_s + start) // 3600).astype(np.int64)
    counts = np.bincount(hour % length, minlength=length).astype(np.float64)
    edges = np.arange(int(start // 3600), int((start + trace.span_s) // 3600) + 1)
    covered = np.minimum((edges + 1) * 3600.0, start + trace.span_s) - np.maximum(edges * 3600.0, start)
    exposure = np.bincount(edges % length, weights=covered, minlength=length)
    return counts / np.maximum(exposure / 3600, 1e-9), clock


def _monday_offset(start: str | None) -> tuple[float, str]:
    """Seconds from Monday 0 h to the start of the trace, and the clock."""
    if start is None:
        return 0.0, "hours counted from its start, since it has no date"
    moment = dt.datetime.fromisoformat(start)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    clock = "UTC" if moment.tzinfo else "the clock of the trace"
    return moment.weekday() * DAY_S + (moment - midnight).total_seconds(), clock


def _duration(seconds: float) -> str:
    if seconds >= 3600 * 0.9:
        hours = seconds / 3600
        return "An hour" if round(hours, 1) == 1 else f"{hours:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
