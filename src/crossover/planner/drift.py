"""Forecast against actual: what earlier days (or an earlier plan) said of a figure, and what later days brought.

A forecast from days is their mean; its 80 % interval is the prediction interval of the mean of the later days, from the
spread between days (Student's t): days differ among themselves. Drift is what lies outside of a 99 % interval, so that
six figures looked at together seldom cry wolf, and what is also large enough to matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from crossover.planner.draws import Range
from crossover.planner.words import Drift, Plan
from crossover.stats import student_quantile

LARGE = 0.03  # a change below this matters to no plan
FEWEST_DAYS = 3  # on each side, to tell drift from the ups and downs of days
EARLIER = "the days before"


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One whole day of traffic (UTC); None where it says nothing. Shares from 0 to 1, dollars a thousand requests."""

    requests: float
    input_tokens: float | None
    output_tokens: float | None
    cached_share: float | None
    sensitive_share: float | None
    usd_per_thousand: float | None


# Field of a day, its title, its unit, and how it is written.
FIGURES: tuple[tuple[str, str, str], ...] = (
    ("requests", "requests a day", "requests"),
    ("input_tokens", "tokens of a prompt", "tokens"),
    ("output_tokens", "tokens of an answer", "tokens"),
    ("cached_share", "share of input read from a cache", "share"),
    ("sensitive_share", "share that is sensitive", "share"),
    ("usd_per_thousand", "paid for 1,000 requests", "USD"),
)


def halves(days: Sequence[Day]) -> tuple[Drift, ...]:
    """The later half of the days against what the earlier half forecasts; whole weeks where there are two or more."""
    half = len(days) // 2
    if half >= 7:
        half -= half % 7
    if not half:
        return ()
    earlier, later = days[len(days) - 2 * half : len(days) - half], days[len(days) - half :]
    rows = []
    for field, name, unit in FIGURES:
        before, after = (
            [value for day in part if (value := getattr(day, field)) is not None] for part in (earlier, later)
        )
        if before and after and (max(before) > 0 or max(after) > 0):
            rows.append(_of_days(name, unit, before, after))
    return tuple(rows)


def _of_days(name: str, unit: str, before: Sequence[float], after: Sequence[float]) -> Drift:
    forecast, actual = (math.fsum(part) / len(part) for part in (before, after))
    if min(len(before), len(after)) < FEWEST_DAYS:
        return _row(name, unit, EARLIER, forecast, forecast, forecast, actual, None)
    freedom = len(before) + len(after) - 2
    squares = math.fsum((value - forecast) ** 2 for value in before)
    squares += math.fsum((value - actual) ** 2 for value in after)
    error = math.sqrt(squares / freedom * (1 / len(before) + 1 / len(after)))
    width, sure = (student_quantile(share, freedom) * error for share in (0.9, 0.995))
    outside = abs(actual - forecast) > max(sure, LARGE * forecast)
    return _row(name, unit, EARLIER, forecast, max(0.0, forecast - width), forecast + width, actual, outside)


def against(earlier: Plan, days: Sequence[Day], ranges: dict[str, Range]) -> tuple[Drift, ...]:
    """What came after an earlier plan against what it assumed, within the ranges that it drew its futures from."""
    view, basis = earlier.workload, f"the plan of {earlier.made_on}"
    assumed: dict[str, tuple[float, str]] = {
        "requests": (view.requests_per_day, "volume"),
        "input_tokens": (view.input_tokens_mean, "lengths"),
        "output_tokens": (view.output_tokens_mean, "lengths"),
        "cached_share": (view.cached_share, ""),
        "sensitive_share": (view.sensitive_share, ""),
    }
    today = next((option for option in earlier.options if option.id == earlier.today), None)
    if today is not None:
        assumed["usd_per_thousand"] = (today.usd_per_request * 1000, "api_price")
    rows = []
    for field, name, unit in FIGURES:
        values = [value for day in days if (value := getattr(day, field)) is not None]
        if field not in assumed or not values:
            continue
        forecast, range_name = assumed[field]
        spread = ranges.get(range_name)
        low, high = (forecast * spread.low, forecast * spread.high) if spread else (forecast - 0.05, forecast + 0.05)
        actual = math.fsum(values) / len(values)
        outside = not low <= actual <= high
        rows.append(_row(name, unit, basis, forecast, max(0.0, low), high, actual, outside))
    return tuple(rows)


def _row(
    name: str, unit: str, basis: str, forecast: float, low: float, high: float, actual: float, outside: bool | None
) -> Drift:  # fmt: skip
    change = (actual - forecast) / forecast if forecast else math.inf
    moved = f"{change:+.0%}" if math.isfinite(change) else "from nothing"
    said = {
        True: f"{moved}, outside of what was expected",
        False: "as forecast",
        None: f"{moved}, too few days to tell",
    }
    return Drift(
        name=name, unit=unit, basis=basis, forecast=forecast, low=low, high=high, actual=actual, outside=outside,
        sentence=f"{name}: {said[outside]}",
    )  # fmt: skip
