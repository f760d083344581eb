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

from crossover.capacity import sizing, throughput
from crossover.capacity.arrivals import Arrivals, hourly_levels, peak_level, request_rate, sample
from crossover.capacity.words import Serving, SimResult
from crossover.evidence import Evidence
from crossover.planner.candidates import ServingSpec
from crossover.workload import Slo, SloTarget, Workload, scaled

Floats = NDArray[np.float64]
LOADS = (0.5, 0.8, 1.0, 1.3, 2.0, 4.0)
DEFAULT_WAIT_S = 2.0  # without a promise on the first token, an overflow is due after this long in the queue
WAIT_OF_LIMIT = 0.6  # with one, the queue may use this part of it; the rest is the prompt's own work
REFINEMENTS = 2  # replays at other rates; the middle of what is left is off by about a tenth, less than the speed is
USUAL = 0.6  # the share of what arithmetic allows that a replica usually carries within an SLO
CLOSE_ENOUGH = 1.03
FEW = 4  # replicas up to which the capacity of one is refined further
TRIAL = 2000  # requests from which means are read


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What simulation says about one configuration at the user's busiest hour.

    ``replicas`` is the smallest number that meets the SLO; ``why_not_fewer`` says what fails with fewer.
    ``capacity_rps`` is the rate one of them carries within the SLO, ``input_weight`` the share of a request's work that
    its prompt causes, ``too_large_share`` the share of requests that fit in no replica's cache. ``hour`` replays the
    busiest hour on other loads.
    """

    spec: ServingSpec
    serving: Serving
    replicas: int
    capacity_rps: float
    peak: SimResult
    input_weight: float
    too_large_share: float
    why_not_fewer: str
    simulations: int
    hour: sizing.Hour


class Unmet(msgspec.Struct, frozen=True, kw_only=True):
    """No number of replicas meets the SLO: which target fails even without load, and by how much."""

    spec: ServingSpec
    target: SloTarget | None
    best_s: float
    reason: str
    simulations: int


def busiest(workload: Workload, seed: int) -> Arrivals:
    """Some requests of the busiest hour, for the means and bounds that all configurations share."""
    level = peak_level(workload)
    duration = TRIAL / request_rate(workload, level)
    return sample(workload, np.random.default_rng([seed, 2]), hours_level=level, duration_s=duration)


def with_answers(arrivals: Arrivals, factor: float) -> Arrivals:
    """The same requests with answers ``factor`` times as long."""
    longer = np.maximum(np.rint(arrivals.output_tokens * factor), 1).astype(np.int64)
    return msgspec.structs.replace(arrivals, output_tokens=longer)


def with_longer(workload: Workload, factor: float) -> Workload:
    """The same workload with answers ``factor`` times as long."""
    if factor == 1.0:
        return workload
    trace = workload.trace
    if trace is not None:
        longer = np.maximum(np.rint(trace.output_tokens * factor), 1).astype(np.int64)
        trace = msgspec.structs.replace(trace, output_tokens=longer)
    return msgspec.structs.replace(workload, output=scaled(workload.output, factor), trace=trace)


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


def serving_beside(spec: ServingSpec, other: ServingSpec, context: int, measured: Sequence[Evidence]) -> Serving:
    """The configuration scaled like another one of its model, device and engine that was measured."""
    from crossover.capacity.refit import carried

    before, after = serving_of(other, context, ()), serving_of(other, context, measured)
    return carried(serving_of(spec, context, ()), before, after, throughput.one_off(spec.model, spec.engine))


def physical_rps(spec: ServingSpec, tokens: float) -> float:
    """More requests per second than the arithmetic of the devices allows at their dense peak, whatever the engine.

    ``tokens`` of a mean request must be computed: fresh prompt and answer.
    """
    peak = throughput.peak_flops(spec.accelerator, spec.quantisation) * spec.count
    return peak / (2e9 * spec.model.active_b * max(tokens, 1.0))


def ceiling_rps(serving: Serving, arrivals: Arrivals) -> float:
    """More requests per second than one replica can serve: the least work of a request, no waiting, no bursts."""
    work = sizing.work_per_request(arrivals, serving)
    mean = float(work.mean()) if work.size else math.inf
    return 1.0 / mean if mean > 0 else math.inf


def search(
    spec: ServingSpec, serving: Serving, workload: Workload, slo: Slo, effort: sizing.Effort, most: int, seed: int
) -> Fleet | Unmet:
    """The smallest number of replicas that meets the SLO in the busiest hour; more than ``most`` are not looked at."""
    found = sizing.size(workload, serving, slo, rng_seed=seed, spare=0, most=most, effort=effort)
    if isinstance(found, sizing.Unmeetable):
        return Unmet(
            spec=spec,
            target=found.target,
            best_s=found.best_possible_s,
            reason=found.reason,
            simulations=found.simulations,
        )
    capacity = _room(found.hour, serving, found.replicas) / found.replicas
    return Fleet(
        spec=spec,
        serving=serving,
        replicas=found.replicas,
        capacity_rps=capacity,
        peak=found.peak,
        input_weight=_input_weight(serving, found.hour.arrivals, found.peak),
        too_large_share=found.too_large_share,
        why_not_fewer=found.fewer.reason,
        simulations=found.simulations,
        hour=found.hour,
    )


def overflow(fleet: Fleet, workload: Workload, wait_s: float) -> tuple[tuple[float, float, float, float], ...]:
    """Shares of the month's traffic that overflow, against the load of the busiest hour.

    Each hour of the week overflows as a simulated hour of its load does; the month is their sum weighted by their
    traffic. Rows are (load, share of requests, of input tokens, of output tokens).
    """
    rows = [(0.0, 0.0, 0.0, 0.0)]
    full = fleet.capacity_rps * fleet.replicas
    for load in LOADS:
        _, shares = fleet.hour.spill(fleet.replicas, wait_s, faster=load * full / fleet.hour.rate)
        requests, prompts, answers = (min(1.0, max(0.0, share)) for share in shares)
        rows.append((load, requests, prompts, answers))
    hourly = np.asarray(rows)
    levels = hourly_levels(workload)
    shape, weights = levels / levels.max(), levels / levels.sum()
    month = [(0.0, 0.0, 0.0, 0.0)]
    for load in (*LOADS, 8.0, 16.0):
        sums = [float((weights * _at(hourly, shape * load, column)).sum()) for column in (1, 2, 3)]
        month.append((load, sums[0], sums[1], sums[2]))
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


def _room(hour: sizing.Hour, serving: Serving, replicas: int) -> float:
    """The rate this many replicas carry within the SLO; that of the busiest hour is known to be carried.

    One replica fewer does not carry it, so with many replicas the answer is known to a few percent already.
    """
    low = hour.rate
    high = low * replicas / (replicas - 1) if replicas > 1 else max(low, ceiling_rps(serving, hour.arrivals))
    for turn in range(REFINEMENTS if replicas <= FEW else 1):
        if high / low < CLOSE_ENOUGH:
            break
        usual = high * USUAL
        middle = usual if turn == 0 and usual > low else math.sqrt(low * high)
        if sizing.good(hour.at(replicas, faster=middle / hour.rate)):
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)  # the middle of what is known to be carried and what is known not to be


def _input_weight(serving: Serving, arrivals: Arrivals, peak: SimResult) -> float:
    """The share of a request's work that its prompt causes, at the batch size seen in the busiest hour."""
    batch = max(1, min(serving.max_sequences, round(peak.mean_batch)))
    prompt = float(arrivals.fresh_tokens.mean()) * serving.prefill_s_per_token
    held = float((arrivals.input_tokens + arrivals.output_tokens / 2).mean())
    answer = float(arrivals.output_tokens.mean()) * (serving.step_s[batch] / batch + serving.kv_s_per_token * held)
    return prompt / (prompt + answer) if prompt + answer > 0 else 0.5
