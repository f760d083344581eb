"""Draws: one set of multipliers per imagined future, shared by all options so that they are compared like for like.

Every range is a row of ``data/ranges.csv``: an 80 % interval around 1, drawn log-normally. What two options share (the
volume, the price of people) is drawn once; what is an option's own (its cloud's price, its speed residual) is drawn
from a stream seeded by its name, so that adding an option never changes the draws of another.
"""

from __future__ import annotations

import csv
import datetime as dt
import math
import zlib
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.cost.lines import assumed
from crossover.evidence import SourceKind
from crossover.stats import Z80

Floats = NDArray[np.float64]
DATA = Path(__file__).with_name("data") / "ranges.csv"
SHARED = ("volume", "lengths", "peak", "api_price", "token_ratio_input")
SAME_FAMILY, OTHER_FAMILY = "token_ratio_same_family", "token_ratio_other_family"
COMMON_SPEED_SHARE = 0.5  # half of the variance of the speed residual is the model's own bias, shared by all replicas


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """An 80 % interval around 1 for one multiplier, and why it is that wide."""

    name: str
    low: float
    high: float
    note: str
    kind: SourceKind = "assumed"
    checked: dt.date | None = None

    @property
    def log_sd(self) -> float:
        """Standard deviation of the logarithm."""
        return math.log(self.high / self.low) / (2 * Z80)

    @property
    def log_mean(self) -> float:
        """Mean of the logarithm."""
        return math.log(self.high * self.low) / 2


class Draws(msgspec.Struct, frozen=True, kw_only=True):
    """``count`` imagined futures. ``shared`` maps a name of SHARED to multipliers of shape (count,)."""

    count: int
    seed: int
    shared: dict[str, Floats]
    ranges: dict[str, Range]
    fixed: dict[str, Floats] = msgspec.field(default_factory=dict)
    certain: bool = False

    def of(self, name: str, key: str = "") -> Floats:
        """The shared multipliers of that name, shape (count,); in a future without chance one owner's may be moved."""
        if self.certain and f"{name}:{key}" in self.fixed:
            return self.fixed[f"{name}:{key}"]
        return self.shared[name]

    def own(self, name: str, key: str) -> Floats:
        """Multipliers of the range ``name`` for one owner ``key`` (a cloud, a seller), shape (count,)."""
        if self.certain:  # "rent_on_demand:runpod/H100" moves one price, "rent_on_demand" all of them
            still = np.ones(self.count)
            return self.fixed.get(f"{name}:{key}", self.fixed.get(name, still))
        row = self.ranges[name]
        return np.exp(row.log_mean + row.log_sd * self._normal(f"{name}:{key}"))

    def speed(self, key: str, log_sd: float) -> Floats:
        """Multipliers of a replica's capacity from the throughput model's residual, shape (count,)."""
        if self.certain:
            return self.fixed.get("speed", np.ones(self.count))
        common = self._normal("speed") * math.sqrt(COMMON_SPEED_SHARE)
        own = self._normal(f"speed:{key}") * math.sqrt(1 - COMMON_SPEED_SHARE)
        return np.exp(-log_sd * (common + own)) * self.own("pooling", key)

    def scaled(self, name: str, log_sd: float) -> Floats:
        """Multipliers of a figure with its own spread, drawn once for all options (what an engineer really costs)."""
        if self.certain:
            return self.fixed.get(name, np.ones(self.count))
        spread: Floats = np.exp(log_sd * self._normal(name))
        return spread

    def _normal(self, key: str) -> Floats:
        return np.random.default_rng([self.seed, zlib.crc32(key.encode())]).standard_normal(self.count)


def read_ranges() -> dict[str, Range]:
    """The shipped ranges by name; those of the token ratios stand with the cost of tokens."""
    with DATA.open(newline="", encoding="utf-8") as file:
        rows = [msgspec.convert(row, Range, strict=False) for row in csv.DictReader(file)]
    for name in (SAME_FAMILY, OTHER_FAMILY):
        row = assumed(name)
        low, high = float(row.low / row.value), float(row.high / row.value)
        rows.append(Range(name=name, low=low, high=high, note=row.source.text, checked=row.source.checked))
    return {row.name: row for row in rows}


def draw(count: int, seed: int, ranges: dict[str, Range], growth: Floats | None = None) -> Draws:
    """``count`` futures; ``growth`` (shape (count,)) multiplies the volume where the user expects it to grow."""
    rng = np.random.default_rng([seed, 1])
    shared: dict[str, Floats] = {}
    for name in SHARED:
        row = ranges[name]
        shared[name] = np.exp(row.log_mean + row.log_sd * rng.standard_normal(count))
    if growth is not None:
        shared["volume"] = shared["volume"] * growth
    return Draws(count=count, seed=seed, shared=shared, ranges=ranges)


def certain(ranges: dict[str, Range], **fixed: Floats | float) -> Draws:
    """Futures without chance: every multiplier is 1 but those given (scalars, or arrays of one shape).

    Without any this is the point estimate; with one array it walks one input and holds all others still.
    """
    rows = {name: np.atleast_1d(np.asarray(value, dtype=np.float64)) for name, value in fixed.items()}
    count = max((row.size for row in rows.values()), default=1)
    full = {name: np.broadcast_to(row, (count,)) for name, row in rows.items()}
    shared = {name: full.get(name, np.ones(count)) for name in SHARED}
    return Draws(count=count, seed=0, shared=shared, ranges=ranges, fixed=full, certain=True)
