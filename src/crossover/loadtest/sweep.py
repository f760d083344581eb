"""Which loads to try next: concurrency up to the knee, and the highest rate under an SLO. Decisions only, no sockets.

The knee is where *power* is highest: throughput over response time (Kleinrock). In a closed loop of *c* clients
response time is c over throughput *x* (Little's law), so power is x²/c: it rises while more clients bring nearly as
much more throughput, and falls once they only wait for each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

MOST_CONCURRENCY = 4096
GAIN = 1.05  # a doubling that brings less than this is no gain
NO_GAINS = 2  # so many doublings without gain, and what lies beyond is known
RATE_WITHIN = 0.1  # how closely the highest rate is bracketed
MOST_TRIALS = 16
LOWEST_RATE = 0.01


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One load of a closed loop and what it brought. ``failed``: it broke down, so nothing beyond is tried."""

    concurrency: int
    throughput: float
    failed: bool = False

    @property
    def power(self) -> float:
        """Throughput over response time, up to a constant."""
        return self.throughput**2 / self.concurrency


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One rate and whether the SLO held under it."""

    rate_rps: float
    met: bool


def next_concurrency(points: Sequence[Point], most: int = MOST_CONCURRENCY) -> int | None:
    """What to try next: doublings from 1 until they gain nothing, then one between, on each side of the knee."""
    if not points:
        return 1
    rising = sorted(points, key=lambda point: point.concurrency)
    doublings = [point for point in rising if point.concurrency.bit_count() == 1]
    last = doublings[-1]
    if not _ended(doublings) and last.concurrency * 2 <= most:
        return last.concurrency * 2
    tried = {point.concurrency for point in points}
    best = knee(doublings)
    if best is None:
        return None
    beside = (best.concurrency * 3 // 2, best.concurrency * 3 // 4)
    fitting = [one for one in beside if one not in tried and 1 < one < last.concurrency and one != best.concurrency]
    return fitting[0] if fitting else None


def _ended(doublings: Sequence[Point]) -> bool:
    if doublings[-1].failed:
        return True
    if len(doublings) <= NO_GAINS:
        return False
    before = max(point.throughput for point in doublings[:-NO_GAINS])
    return max(point.throughput for point in doublings[-NO_GAINS:]) < GAIN * before


def knee(points: Sequence[Point]) -> Point | None:
    """The point with the highest power; None where none carried anything."""
    sound = [point for point in points if not point.failed and point.throughput > 0]
    return max(sound, key=lambda point: point.power, default=None)


def bent(points: Sequence[Point]) -> bool:
    """Whether the curve was followed beyond its knee: else the highest load tried is only the best so far."""
    best = knee(points)
    return best is not None and best.concurrency < max(point.concurrency for point in points)


def next_rate(trials: Sequence[Trial], start: float, most: float = math.inf) -> float | None:
    """The rate to try next: doubled until the SLO is missed (halved from ``start`` until it holds), then bisected.

    None: the highest rate is known to a tenth, or as closely as ``MOST_TRIALS`` tell.
    """
    if not trials:
        return min(start, most)
    low, high = bracket(trials)
    if len(trials) >= MOST_TRIALS:
        return None
    if high is None:
        assert low is not None
        return None if low >= most else min(low * 2, most)
    if low is None:
        return None if high / 2 < LOWEST_RATE else high / 2
    return None if high <= low * (1 + RATE_WITHIN) else math.sqrt(low * high)


def bracket(trials: Sequence[Trial]) -> tuple[float | None, float | None]:
    """The highest rate that held below the lowest that did not, and the latter; None where there is none.

    A rate that held above one that was missed is chance, and does not count.
    """
    missed = [trial.rate_rps for trial in trials if not trial.met]
    high = min(missed, default=None)
    held = [trial.rate_rps for trial in trials if trial.met and (high is None or trial.rate_rps < high)]
    return max(held, default=None), high
