"""Fleet: how many replicas of a serving configuration the busiest hour needs, by simulation, and what overflows.

One configuration is simulated once, whoever rents it out. What comes back are the figures that costing moves along:
requests per second of one replica within the SLO, and the share of traffic that overflows at any load.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.capacity import throughput
from crossover.capacity.arrivals import Arrivals, hourly_levels, peak_level, request_rate, sample
from crossover.capacity.simulate import simulate
from crossover.capacity.words import Serving, SimResult
from crossover.evidence import Evidence
from crossover.planner.candidates import ServingSpec
from crossover.workload import Slo, SloTarget, Workload

Floats = NDArray[np.float64]
LOADS = (0.4, 0.7, 0.9, 1.1, 1.4, 2.0, 4.0)
DEFAULT_WAIT_S = 2.0  # without a promise on the first token, an overflow is due after this long in the queue
WAIT_OF_LIMIT = 0.6  # with one, the queue may use this part of it; the rest is the prompt's own work
REFINEMENTS = 4
CLOSE_ENOUGH = 1.03
FEW = 4  # replicas among which overflow is measured


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests one simulation replays while searching, and for the figures that are shown."""

    search: int
    final: int


def busiest(workload: Workload, requests: int, seed: int) -> Arrivals:
    """About ``requests`` requests at the rate of the busiest hour, as the workload brings them."""
    level = peak_level(workload)
    duration = requests / request_rate(workload, level)
    return sample(workload, np.random.default_rng([seed, 2]), hours_level=level, duration_s=duration)


def with_answers(arrivals: Arrivals, factor: float) -> Arrivals:
    """The same requests with answers ``factor`` times as long."""
    longer = np.maximum(np.rint(arrivals.output_tokens * factor), 1).astype(np.int64)
    return msgspec.structs.replace(arrivals, output_tokens=longer)


def held_tokens(arrivals: Arrivals) -> float:
    """Tokens a request holds in the cache, on average over its life."""
    return float((arrivals.input_tokens + arrivals.output_tokens / 2).mean())


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What simulation says about one configuration at the user's busiest hour.

    ``replicas`` is the smallest number that meets the SLO; ``why_not_fewer`` says what fails with one less.
    ``capacity_rps`` is the rate one of them carries within the SLO. ``overflow`` holds (load of the busiest hour, share
    of requests, of input tokens, of output tokens over the whole month).
    """

    spec: ServingSpec
    serving: Serving
    replicas: int
    capacity_rps: float
    peak: SimResult
    input_weight: float
    why_not_fewer: str
    simulations: int


class Unmet(msgspec.Struct, frozen=True, kw_only=True):
    """No number of replicas meets the SLO: which target fails even without load, and by how much."""

    spec: ServingSpec
    target: SloTarget | None
    best_s: float
    reason: str
    simulations: int


def serving_of(spec: ServingSpec, context: int, measured: Sequence[Evidence]) -> Serving:
    """The configuration as the simulator sees it."""
    slots = 256 if spec.engine == "vllm" else 8
    return throughput.serving(
        spec.model,
        spec.quantisation,
        spec.accelerator,
        spec.count,
        engine=spec.engine,
        context=min(context, spec.model.max_context),
        max_sequences=slots,
        measured=measured,
    )


def physical_rps(spec: ServingSpec, arrivals: Arrivals) -> float:
    """More requests per second than the arithmetic of the devices allows at their dense peak, whatever the engine."""
    peak = throughput.peak_flops(spec.accelerator, spec.quantisation) * spec.count
    tokens = float(arrivals.fresh_tokens.mean()) + float(arrivals.output_tokens.mean())
    return peak / (2e9 * spec.model.active_b * max(tokens, 1.0))


def ceiling_rps(serving: Serving, arrivals: Arrivals) -> float:
    """More requests per second than one replica can ever serve: full batch, no waiting, no bursts."""
    prompt, answer = float(arrivals.fresh_tokens.mean()), float(arrivals.output_tokens.mean())
    held = held_tokens(arrivals)
    prefill = prompt * serving.prefill_s_per_token
    best = math.inf
    batch = min(serving.max_sequences, max(1, int(serving.kv_capacity_tokens / max(held, 1.0))))
    for size in {1, 2, 4, 8, 16, 32, 64, 128, batch}:
        if size <= batch:
            step = serving.step_s[size] + serving.kv_s_per_token * held * size
            best = min(best, prefill + answer * step / size)
    return 1.0 / best if best > 0 else math.inf


def out_of_reach(serving: Serving, arrivals: Arrivals, slo: Slo) -> tuple[SloTarget, float] | None:
    """The first target that fails even if every request had a replica to itself, and the value reached then."""
    fresh, answer = arrivals.fresh_tokens, arrivals.output_tokens
    first = (
        serving.fixed_s
        + fresh * serving.prefill_s_per_token
        + fresh.astype(np.float64) ** 2 * (serving.prefill_s_per_token2)
    )
    gap = serving.step_s[1] + serving.kv_s_per_token * (arrivals.input_tokens + answer / 2)
    best = {"ttft": first, "itl": gap, "tpot": gap, "e2e": first + gap * np.maximum(answer - 1, 0)}
    for target in slo.targets:
        reached = float(np.quantile(best[target.metric], target.percentile / 100))
        if reached >= target.limit_s:
            return target, reached
    return None


def search(
    spec: ServingSpec, serving: Serving, arrivals: Arrivals, rate: float, slo: Slo, effort: Effort, most: int
) -> Fleet | Unmet:
    """The smallest number of replicas that meets the SLO at ``rate`` requests per second.

    ``arrivals`` is the busiest hour at any rate; its clock is stretched to ``rate``. More than ``most`` replicas are
    not looked at.
    """
    runs = _Runs(serving, arrivals, slo)
    failing = out_of_reach(serving, arrivals, slo)
    if failing is not None:
        target, reached = failing
        text = f"{target.label} cannot be met: {reached:.2f} s even without load"
        return Unmet(spec=spec, target=target, best_s=reached, reason=text, simulations=runs.count)
    low = max(0, math.ceil(rate / ceiling_rps(serving, arrivals)) - 1)
    if low >= most:
        text = f"more than {most} replicas would be needed"
        return Unmet(spec=spec, target=None, best_s=math.nan, reason=text, simulations=runs.count)
    high = low + 1
    result = runs.at(rate, high, effort.search)
    worse = ""
    while not _good(result):
        low, worse = high, _why(result, slo)
        high = min(most, max(high + 1, math.ceil(high * 1.3)))
        if low == high:
            text = f"{worse} with {most} replicas"
            return Unmet(spec=spec, target=None, best_s=math.nan, reason=text, simulations=runs.count)
        result = runs.at(rate, high, effort.search)
    while high - low > 1:
        middle = (low + high) // 2
        trial = runs.at(rate, middle, effort.search)
        if _good(trial):
            high, result = middle, trial
        else:
            low, worse = middle, _why(trial, slo)
    peak = runs.at(rate, high, effort.final) if effort.final > effort.search else result
    while not _good(peak) and high < most:  # the longer replay holds bursts that the search did not see
        worse = _why(peak, slo)
        high += max(1, high // 20)
        peak = runs.at(rate, high, effort.final)
    return Fleet(
        spec=spec,
        serving=serving,
        replicas=high,
        capacity_rps=_room(runs, rate, high, effort) / high,
        peak=peak,
        input_weight=_input_weight(serving, arrivals, peak),
        why_not_fewer=worse or "one replica is the least",
        simulations=runs.count,
    )


def overflow(
    fleet: Fleet, arrivals: Arrivals, workload: Workload, wait_s: float, effort: Effort
) -> tuple[tuple[float, float, float, float], ...]:
    """Shares of the month's traffic that overflow, against the load of the busiest hour.

    Each hour of the week overflows as a simulated hour of its load does; the month is their sum weighted by their
    traffic. Rows are (load, share of requests, of input tokens, of output tokens).
    """
    runs = _Runs(fleet.serving, arrivals, Slo())
    replicas = min(fleet.replicas, FEW)
    rows = [(0.0, 0.0, 0.0, 0.0)]
    for load in LOADS:
        result = runs.at(load * fleet.capacity_rps * replicas, replicas, effort.search, wait_s)
        total = max(result.requests, 1)
        tokens_in = result.overflow_input_tokens / max(runs.input_mean * total, 1.0)
        tokens_out = result.overflow_output_tokens / max(runs.output_mean * total, 1.0)
        rows.append((load, result.overflow_share, min(1.0, tokens_in), min(1.0, tokens_out)))
    hourly = np.asarray(rows)
    levels = hourly_levels(workload)
    shape, weights = levels / levels.max(), levels / levels.sum()
    month = [(0.0, 0.0, 0.0, 0.0)]
    for load in (*LOADS, 12.0, 24.0):
        shares = [float((weights * _at(hourly, shape * load, column)).sum()) for column in (1, 2, 3)]
        month.append((load, shares[0], shares[1], shares[2]))
    return tuple(month)


def _at(table: Floats, loads: Floats, column: int) -> Floats:
    """The share at each load; beyond the table the machines keep carrying what they carry at its end."""
    last = table[-1]
    inside = np.interp(loads, table[:, 0], table[:, column])
    beyond = 1.0 - (1.0 - last[column]) * last[0] / np.maximum(loads, 1e-9)
    shares: Floats = np.where(loads > last[0], beyond, inside)
    return shares


def overflow_wait_s(slo: Slo) -> float:
    """How long a request may wait for own machines before it goes elsewhere."""
    limits = [target.limit_s for target in slo.targets if target.metric == "ttft"]
    return min(limits) * WAIT_OF_LIMIT if limits else DEFAULT_WAIT_S


class _Runs:
    """Simulations of one configuration, counted. The same arrivals are replayed on a clock stretched to any rate."""

    def __init__(self, serving: Serving, arrivals: Arrivals, slo: Slo) -> None:
        self.serving, self.arrivals, self.slo = serving, arrivals, slo
        self.input_mean = float(arrivals.input_tokens.mean())
        self.output_mean = float(arrivals.output_tokens.mean())
        self.count = 0

    def at(self, rate: float, replicas: int, requests: int, wait_s: float | None = None) -> SimResult:
        """Replay ``requests`` requests, on as many replicas as that takes, at ``rate`` per second in all."""
        self.count += 1
        rows = self.arrivals
        have = len(rows.arrival_s)
        shown = max(1, min(replicas, math.ceil(requests * replicas / have)))
        keep = min(have, max(requests, math.ceil(requests * replicas / shown)))
        stretch = self.arrivals.rate_rps / rate
        return simulate(
            rows.arrival_s[:keep] * stretch,
            rows.input_tokens[:keep],
            rows.output_tokens[:keep],
            self.serving,
            replicas=replicas,
            slo=self.slo,
            cached_tokens=rows.cached_tokens[:keep],
            overflow_wait_s=wait_s,
            simulated=shown,
        )


def _good(result: SimResult) -> bool:
    return result.stable and all(result.slo_met) and result.completed + result.overflow_requests >= result.requests


def _failing(result: SimResult, slo: Slo) -> tuple[SloTarget, float] | None:
    for target, met, reached in zip(slo.targets, result.slo_met, result.slo_reached_s, strict=True):
        if not met:
            return target, reached
    return None


def _why(result: SimResult, slo: Slo) -> str:
    if not result.stable:
        return "the queue keeps growing"
    failing = _failing(result, slo)
    if failing is None:
        return "some requests are never answered"
    target, reached = failing
    return f"{target.label} fails with {reached:.3g} s"


def _room(runs: _Runs, rate: float, replicas: int, effort: Effort) -> float:
    """The rate this many replicas carry within the SLO; ``rate`` is known to be carried.

    One replica fewer does not carry it, so with many replicas the answer is known to a few percent already.
    """
    low, high = rate, rate * replicas / (replicas - 1) if replicas > 1 else ceiling_rps(runs.serving, runs.arrivals)
    high = max(high, low)
    for _ in range(REFINEMENTS if replicas <= FEW else 1):
        if high / low < CLOSE_ENOUGH:
            break
        middle = math.sqrt(low * high)
        if _good(runs.at(middle, replicas, effort.search)):
            low = middle
        else:
            high = middle
    return math.sqrt(low * high) if replicas > FEW else low


def _input_weight(serving: Serving, arrivals: Arrivals, peak: SimResult) -> float:
    """The share of a request's work that its prompt causes, at the batch size seen in the busiest hour."""
    batch = max(1, min(serving.max_sequences, round(peak.mean_batch)))
    prompt = float(arrivals.fresh_tokens.mean()) * serving.prefill_s_per_token
    held = held_tokens(arrivals)
    answer = float(arrivals.output_tokens.mean()) * (serving.step_s[batch] / batch + serving.kv_s_per_token * held)
    return prompt / (prompt + answer) if prompt + answer > 0 else 0.5
