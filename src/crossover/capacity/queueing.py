"""Closed forms of queueing theory: limit cases in which the simulator's answer is known.

They serve as cross-checks only; real traffic is bursty and batches change the service time. Formulas: L. Kleinrock,
Queueing Systems, volume 1 (Pollaczek-Khinchine, Erlang C, M/G/infinity).
"""

from __future__ import annotations

import math

from crossover.errors import InputError


def single_server_wait(rate: float, mean_s: float, variation: float) -> float:
    """Mean wait (s) before one server with Poisson arrivals (Pollaczek-Khinchine).

    ``rate`` per second, service of mean ``mean_s`` seconds and coefficient of variation ``variation`` (0: always the
    same). Infinite where the server cannot keep up.
    """
    load = _load(rate, mean_s)
    return math.inf if load >= 1 else load * mean_s * (1 + variation**2) / (2 * (1 - load))


def many_servers_wait(rate: float, mean_s: float, servers: int) -> float:
    """Mean wait (s) before ``servers`` servers with Poisson arrivals and exponential service times (Erlang C)."""
    load = _load(rate, mean_s)
    if servers < 1:
        raise InputError(f"{servers} servers cannot serve", field="servers")
    if load >= servers:
        return math.inf
    # Erlang B by its recursion, which neither overflows nor cancels; from it Erlang C.
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    waits = blocked / (1 - load / servers * (1 - blocked))
    return waits * mean_s / (servers - load)


def busy_share(rate: float, mean_s: float) -> float:
    """Share of time in which at least one of unlimited servers is busy, with Poisson arrivals: 1 - exp(-load)."""
    return -math.expm1(-_load(rate, mean_s))


def _load(rate: float, mean_s: float) -> float:
    load = rate * mean_s
    if not (rate >= 0 and mean_s >= 0 and math.isfinite(load)):
        raise InputError(f"a rate of {rate:g}/s and a service of {mean_s:g} s must not be negative")
    return load
