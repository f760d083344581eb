"""Workload: what arrives (a profile or a trace), how long prompts and answers are; and Slo: what must hold.

Plain words only: reading files is the work of ``traffic``.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from crossover.errors import InputError
from crossover.stats import normal_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOURS_PER_WEEK = 168
FLAT_PROFILE: tuple[float, ...] = (1.0,) * HOURS_PER_WEEK

SloMetric = Literal["ttft", "itl", "tpot", "e2e"]
Kind = Literal["constant", "lognormal", "quantiles"]


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution of token counts.

    ``constant``: every request has ``mean`` tokens. ``lognormal``: with this ``mean`` and ``sigma`` of the logarithm.
    ``quantiles``: pairs (share in 0..1, tokens), rising; between two pairs tokens rise linearly, and the first and last
    pair are the ends. ``mean`` is always the true mean in tokens.
    """

    kind: Kind
    mean: float
    sigma: float = 0.0
    points: tuple[tuple[float, float], ...] = ()


def constant(tokens: float) -> Lengths:
    """Every request has ``tokens`` tokens."""
    return Lengths(kind="constant", mean=_sane(tokens))


def lognormal(mean: float, sigma: float) -> Lengths:
    """Log-normal lengths with this mean in tokens and this standard deviation of the logarithm."""
    if not 0 <= sigma <= 5:
        raise InputError(f"sigma {sigma} of a length distribution must lie in 0..5", field="sigma")
    return Lengths(kind="lognormal", mean=_sane(mean), sigma=sigma)


def quantiles(points: tuple[tuple[float, float], ...]) -> Lengths:
    """Lengths through pairs (share in 0..1, tokens), both rising."""
    shares = [share for share, _ in points]
    rising = len(points) >= 2 and all(low < high for low, high in pairwise(shares))  # False with NaN
    if not rising or shares[0] < 0 or shares[-1] > 1:
        raise InputError(
            "quantiles need at least two pairs (share, tokens) with shares rising within 0..1", field="quantiles"
        )
    tokens = [_sane(value) for _, value in points]
    if tokens != sorted(tokens):
        raise InputError("tokens of quantiles must not fall as the share rises", field="quantiles")
    ends = [(0.0, tokens[0]), *zip(shares, tokens, strict=True), (1.0, tokens[-1])]
    mean = sum((b - a) * (x + y) / 2 for (a, x), (b, y) in pairwise(ends))
    return Lengths(kind="quantiles", mean=mean, points=tuple(zip(shares, tokens, strict=True)))


def length_at(lengths: Lengths, share: float) -> float:
    """Tokens at this share (0..1) of the distribution."""
    if lengths.kind == "constant":
        return lengths.mean
    if lengths.kind == "lognormal":
        clipped = min(max(share, 1e-6), 1 - 1e-6)
        return lengths.mean * math.exp(lengths.sigma * normal_quantile(clipped) - lengths.sigma**2 / 2)
    before = lengths.points[0]
    for point in lengths.points:
        if share <= point[0]:
            width = point[0] - before[0]
            return point[1] if width <= 0 else before[1] + (point[1] - before[1]) * (share - before[0]) / width
        before = point
    return lengths.points[-1][1]


def scaled(lengths: Lengths, factor: float) -> Lengths:
    """The same shape with every length times ``factor``."""
    points = tuple((share, tokens * factor) for share, tokens in lengths.points)
    return Lengths(kind=lengths.kind, mean=_sane(lengths.mean * factor), sigma=lengths.sigma, points=points)


def _sane(tokens: float) -> float:
    if not (math.isfinite(tokens) and 0 <= tokens <= 1e8):
        raise InputError(f"a request cannot have {tokens} tokens", hint="Write a number from 0 to 100,000,000")
    return float(tokens)


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Recorded requests, in order of arrival, as columns of equal length.

    ``arrival_s`` seconds since the first request (rising), ``input_tokens`` whole prompts, ``output_tokens``,
    ``cached_tokens`` the part of each prompt read from a cache (None: not recorded). ``start`` is the ISO time of the
    first request where the trace has one.
    """

    name: str
    arrival_s: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    cached_tokens: NDArray[np.int64] | None = None
    start: str | None = None
    bad_rows: int = 0
    notes: tuple[str, ...] = ()

    @property
    def requests(self) -> int:
        """How many requests the trace holds."""
        return len(self.arrival_s)

    @property
    def span_s(self) -> float:
        """Seconds from the first to the last arrival."""
        return float(self.arrival_s[-1]) if len(self.arrival_s) else 0.0


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What the user brings: how much, when, how long, how sensitive, and what answers it today.

    ``requests_per_day`` is the daily mean. ``profile`` gives the relative load of the 168 hours of a week (Monday 0 h
    first), with mean 1; ``peak_factor`` is the load in the busiest hour over the mean hour. ``cached_share`` is the
    share of *input tokens* read from a provider's cache, ``batch_share`` the share of *requests* that can wait for a
    batch, ``sensitive_share`` the share of requests that must not leave. ``burstiness`` is the coefficient of variation
    of the gaps between arrivals within an hour (1 = Poisson); a trace brings its own arrivals. ``growth_per_month`` is
    the expected growth of the volume (0.05 = 5 %).
    """

    name: str
    requests_per_day: float
    input: Lengths
    output: Lengths
    models: tuple[str, ...] = ()
    cached_share: float = 0.0
    batch_share: float = 0.0
    sensitive_share: float = 0.0
    peak_factor: float = 1.0
    profile: tuple[float, ...] = FLAT_PROFILE
    burstiness: float = 1.0
    growth_per_month: float = 0.0
    trace: Trace | None = None
    source: str = "flags"
    notes: tuple[str, ...] = ()


class SloTarget(msgspec.Struct, frozen=True):
    """One promise: ``metric`` at ``percentile`` (0..100) stays below ``limit_s`` seconds."""

    metric: SloMetric
    percentile: float
    limit_s: float

    @property
    def label(self) -> str:
        """The target as a user writes it: ``ttft_p95<1s``."""
        limit = f"{self.limit_s * 1000:.10g}ms" if self.limit_s < 1 else f"{self.limit_s:.10g}s"
        return f"{self.metric}_p{self.percentile:g}<{limit}"


class Slo(msgspec.Struct, frozen=True):
    """All promises that must hold together; empty when the user asks for none."""

    targets: tuple[SloTarget, ...] = ()


_TARGET = re.compile(r"\s*([a-z0-9]+)_p([0-9.]+)\s*<=?\s*([0-9.]+)\s*(ms|s)\s*", re.IGNORECASE)
SLO_METRICS: tuple[SloMetric, ...] = get_args(SloMetric)


def parse_slo(text: str) -> Slo:
    """Read ``ttft_p95<1s,itl_p95<50ms``; an empty text promises nothing."""
    targets: list[SloTarget] = []
    for part in filter(str.strip, text.split(",")):
        match = _TARGET.fullmatch(part)
        if match is None:
            raise InputError(
                f"{part.strip()!r} is not an SLO", hint="Write it like ttft_p95<1s or itl_p99<50ms", field="slo"
            )
        metric = next((known for known in SLO_METRICS if known == match[1].lower()), None)
        if metric is None:
            raise InputError(f"unknown SLO metric {match[1]!r}", hint=f"Known: {', '.join(SLO_METRICS)}", field="slo")
        try:
            percentile, limit = float(match[2]), float(match[3]) / (1000 if match[4].lower() == "ms" else 1)
        except ValueError:
            raise InputError(f"{part.strip()!r} holds no readable number", field="slo") from None
        if not 0 < percentile < 100:
            raise InputError(
                f"percentile {percentile:g} must lie between 0 and 100", hint="Write p50, p95 or p99", field="slo"
            )
        if limit <= 0:
            raise InputError(f"a limit of {limit:g} s cannot be met", hint="Write a time above zero", field="slo")
        targets.append(SloTarget(metric, percentile, limit))
    if len({(target.metric, target.percentile) for target in targets}) < len(targets):
        raise InputError("the same metric and percentile has two limits", hint="Keep one", field="slo")
    return Slo(tuple(targets))
