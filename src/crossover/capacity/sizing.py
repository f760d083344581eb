"""Sizing: the fewest replicas that keep every promise in the busiest hour, and what overflows with fewer.

Arithmetic gives a lower bound, then the simulator decides, at the percentile that each target names. The simulator
sees a stretch of the busiest load that is long against the time one request takes. With many replicas it replays only
some of them, which round robin makes a fair sample, so the work depends on the number of requests asked for, not on the
volume.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from crossover.capacity.arrivals import Arrivals, peak_level, request_rate, sample
from crossover.capacity.percentiles import percentile, weighted_percentile
from crossover.capacity.simulate import simulate
from crossover.capacity.words import Serving, SimResult
from crossover.workload import Slo, SloTarget, Workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOUR_S = 3600.0
MOST_REPLICAS = 10_000
_MOST_DRAWN = 200_000  # requests drawn at once; larger fleets are sized as a part and scaled
_DEEP = 4.0  # overload, in what replicas can carry at most, beyond which they are surely full
_LIVES = 20.0  # a run lasts at least this many times what a request takes alone
_SHORTEST_S = 120.0
_FEWEST = 1000  # requests that a percentile needs; a quiet hour is drawn for longer to reach them
_FINE = 100  # large fleets are sized to within a hundredth, which is less than the simulator knows
_GROWTH = 1.3  # step of the search upwards before it is bisected
_SURE = 2.0  # standard errors by which a lower bound stays below the work of the requests drawn


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests a simulation replays: while searching, and for the figures shown.

    The standard error of a share p from n requests is about sqrt(p * (1 - p) / n) times 1 to 2, since neighbours share
    their queue: 3,000 requests know a 95th percentile's rank within 0.4 to 0.8 points, 20,000 within 0.15 to 0.3.
    """

    search: int = 3000
    final: int = 20_000


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """What fails with fewer replicas: one less, or a hundredth less for large fleets.

    Without a target the queue keeps growing, or arithmetic rules the number out.
    """

    replicas: int
    target: SloTarget | None
    reached_s: float
    reason: str


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """The fewest replicas that meet every target in the busiest hour, and the same with ``spare`` in reserve.

    ``peak`` is the busiest hour on ``replicas``; ``peak_rps`` its load. ``hour`` replays it at other
    loads. ``too_large_share`` is the share of requests that fit in no replica's cache.
    """

    replicas: int
    spare: int
    with_spare: int
    lower_bound: int
    peak: SimResult
    peak_rps: float
    hour: Hour
    too_large_share: float
    fewer: Shortfall
    simulations: int


class Unmeetable(msgspec.Struct, frozen=True, kw_only=True):
    """No number of replicas is enough. ``best_possible_s`` is what an idle replica reaches for ``target``.

    Without a target, nothing fits in the cache or more than the allowed number of replicas would be needed.
    """

    target: SloTarget | None
    best_possible_s: float
    reason: str
    simulations: int = 0


def size(
    workload: Workload,
    serving: Serving,
    slo: Slo,
    *,
    rng_seed: int = 0,
    spare: int = 1,
    most: int = MOST_REPLICAS,
    effort: Effort | None = None,
) -> Sizing | Unmeetable:
    """Find the fewest replicas of ``serving`` for the workload's busiest hour.

    Every target of ``slo`` must hold at its percentile, and the queue must not keep growing; without targets the latter
    is all. Requests too large for the cache are left out and counted. A workload without requests needs no replica.
    """
    effort = effort or Effort()
    level = peak_level(workload)
    hour = Hour(workload, serving, slo, rng_seed, level, effort.search)
    if not hour.arrivals.requests:
        return _nothing(serving, hour)
    impossible = unmeetable(hour.arrivals, serving, slo)
    if impossible is not None:
        return impossible
    bound = bound_of(hour.arrivals, serving, hour.rate, min(hour.arrivals.requests, effort.search))
    found, fewer = search(hour, bound, most)
    final = hour if effort.final <= effort.search else Hour(workload, serving, slo, rng_seed, level, effort.final)
    peak = final.at(found) if found else None
    while found and peak is not None and not good(peak):  # the longer replay holds bursts the search did not see
        fewer = shortfall(found, peak, slo)
        found = found + max(1, found // 100) if found < most else 0
        peak = final.at(found) if found else None
    if peak is None:
        reason = f"more than {most} replicas would be needed: {fewer.reason}"
        made = hour.count + (final.count if final is not hour else 0)
        return Unmeetable(target=fewer.target, best_possible_s=fewer.reached_s, reason=reason, simulations=made)
    return Sizing(
        replicas=found,
        spare=spare,
        with_spare=found + spare,
        lower_bound=bound,
        peak=peak,
        peak_rps=hour.rate,
        hour=hour,
        too_large_share=1.0 - float(_serviceable(hour.arrivals, serving)[3].mean()),
        fewer=fewer,
        simulations=hour.count + (final.count if final is not hour else 0),
    )


def work_per_request(arrivals: Arrivals, serving: Serving) -> NDArray[np.float64]:
    """Seconds of one replica that each request that fits in the cache costs at the very least.

    Prompts cannot overlap with decoding in time. Of decoding, T tokens with needs n_i (final cache) take at least
    sum(n_i) / capacity steps, so at most c = capacity * T / sum(n_i) tokens a step on average; with step_s[x] >= a +
    b * x for all x, they take at least T * (a / c + b) seconds, for every such line below the curve. Steps that only
    compute prompts are left out, so the true work is higher.
    """
    prompt, fresh, output, _ = _serviceable(arrivals, serving)
    tokens = output - 1
    prefill = fresh * serving.prefill_s_per_token
    prefill = prefill + (prompt**2 - (prompt - fresh) ** 2) * serving.prefill_s_per_token2
    needed = float((tokens * (prompt + output)).sum())
    most = serving.kv_capacity_tokens * float(tokens.sum()) / needed if needed else 1.0
    decode = tokens * _decode_floor(serving, min(float(serving.max_sequences), most))
    held = tokens * (prompt + 1) + tokens * (tokens - 1) / 2
    work: NDArray[np.float64] = prefill + decode + held * serving.kv_s_per_token
    return work


def bound_of(arrivals: Arrivals, serving: Serving, rate: float, draws: int) -> int:
    """Replicas that the work alone fills, less what ``draws`` requests leave unsure."""
    work = work_per_request(arrivals, serving)
    share = work.size / arrivals.requests  # requests that fit
    sure = float(work.mean()) - _SURE * float(work.std()) / math.sqrt(max(draws, 1))
    return max(1, math.ceil(rate * share * sure))


def unmeetable(arrivals: Arrivals, serving: Serving, slo: Slo) -> Unmeetable | None:
    """The target that misses by most even if every request has a replica of its own; None if all can be met."""
    *rows, kept = _serviceable(arrivals, serving)
    if not kept.any():
        capacity = serving.kv_capacity_tokens
        return Unmeetable(target=None, best_possible_s=0.0, reason=f"no request fits in a cache of {capacity:,} tokens")
    output = rows[2]
    ttft, gap, e2e = _alone(rows[0], rows[1], output, serving)
    several = output > 1
    failing: list[tuple[float, Unmeetable]] = []
    for target in slo.targets:
        share = target.percentile / 100
        if target.metric == "itl":
            best = weighted_percentile(gap[several], (output - 1)[several], share)
        else:
            best = percentile({"ttft": ttft, "tpot": gap[several], "e2e": e2e}[target.metric], share)
        if best > target.limit_s:
            over = best - target.limit_s
            text = f"{target.label} cannot be met: {best:.3g} s on an idle replica, {over:.3g} s too long"
            failing.append((best / target.limit_s, Unmeetable(target=target, best_possible_s=best, reason=text)))
    return max(failing, key=lambda row: row[0])[1] if failing else None


class Hour:
    """A stretch of one load, replayed on any number of replicas; simulations are counted.

    The stretch is long enough that a busy replica serves about ``requests`` in it, and not longer than an hour unless a
    quiet one holds too few requests for a percentile. The clock of a very large load is drawn at a part of its rate,
    and stands for the same part of the replicas.
    """

    def __init__(
        self, workload: Workload, serving: Serving, slo: Slo, rng_seed: int, level: float, requests: int
    ) -> None:
        self.serving, self.slo, self.requests = serving, slo, requests
        self.rate = request_rate(workload, level)
        self.count = 0
        self.seen: dict[tuple[int, float], SimResult] = {}
        rng = np.random.default_rng(rng_seed)
        few = min(requests, _FEWEST)
        trial = sample(workload, rng, hours_level=level, duration_s=few / self.rate if self.rate > 0 else 0.0)
        fitting = _serviceable(trial, serving)
        self.work = float(work_per_request(trial, serving).mean()) if fitting[3].any() else 0.0
        alone = float(np.mean(_alone(*fitting[:3], serving)[2])) if fitting[3].any() else 0.0
        shortest = max(_SHORTEST_S, _LIVES * alone)
        duration = min(max(requests * self.work, shortest), max(HOUR_S, shortest))
        duration = max(duration, trial.duration_s)
        self.part = max(1.0, self.rate * duration / _MOST_DRAWN)
        self.arrivals = sample(workload, rng, hours_level=level / self.part, duration_s=duration)

    def at(self, replicas: int, faster: float = 1.0) -> SimResult:
        """The load on this many replicas, of which as many are replayed as ``requests`` asks for.

        ``faster`` multiplies the load by compressing its clock.
        """
        known = self.seen.get((replicas, faster))
        if known is None:
            known = self.seen[replicas, faster] = self._replay(replicas, replicas, None, faster)[0]
        return known

    def spill(
        self, replicas: int, overflow_wait_s: float, faster: float = 1.0
    ) -> tuple[SimResult, tuple[float, float, float]]:
        """The load on so many replicas, and the shares of requests, input and output tokens that overflow.

        ``faster`` multiplies the load. Beyond ``_DEEP`` times what the replicas can carry at most, they carry no more:
        such a load is replayed at that depth, on a larger fleet of which ``replicas`` are a part, and what is beyond it
        overflows too.
        """
        depth = self.rate * faster * self.work / max(replicas, 1)
        deep = replicas > 0 and depth > _DEEP
        fleet = max(replicas, int(replicas * depth / _DEEP)) if deep else replicas
        result, total_in, total_out = self._replay(fleet, replicas, overflow_wait_s, faster)
        more = fleet / replicas if deep else 1.0
        result = msgspec.structs.replace(
            result,
            requests=round(result.requests * more),
            overflow_requests=round(result.requests * more) - result.completed,
            overflow_input_tokens=result.overflow_input_tokens + round(total_in * (more - 1)),
            overflow_output_tokens=result.overflow_output_tokens + round(total_out * (more - 1)),
            overflow_share=1 - result.completed / (result.requests * more) if result.requests else 0.0,
        )
        return result, (
            result.overflow_share,
            result.overflow_input_tokens / (total_in * more) if total_in else 0.0,
            result.overflow_output_tokens / (total_out * more) if total_out else 0.0,
        )

    def _replay(self, fleet: int, replicas: int, wait_s: float | None, faster: float) -> tuple[SimResult, float, float]:
        """Replay some replicas of the fleet, with rates scaled to ``replicas``; and the tokens sent to them."""
        self.count += 1
        drawn = self.arrivals
        turns = max(1, round(fleet / self.part))  # replicas that the drawn clock stands for
        shown = min(turns, math.ceil(self.requests * turns / max(drawn.requests, 1))) if fleet else 0
        rows: slice | NDArray[np.bool_] = slice(None, None, turns)
        if shown != 1 and fleet:
            rows = np.arange(drawn.requests) % turns < shown
        stretch = fleet / (turns * self.part) if fleet else 1.0
        prompt, output = drawn.input_tokens[rows], drawn.output_tokens[rows]
        result = simulate(
            drawn.arrival_s[rows] * (stretch / faster),
            prompt,
            output,
            self.serving,
            replicas=shown,
            slo=self.slo,
            cached_tokens=drawn.cached_tokens[rows],
            overflow_wait_s=wait_s,
        )
        scale = replicas / max(shown, 1)
        rates = {"output_tokens_per_s": result.output_tokens_per_s * scale, "goodput_rps": result.goodput_rps * scale}
        result = msgspec.structs.replace(result, replicas=replicas, **rates)
        return result, float(prompt.sum()), float(output.sum())


def search(hour: Hour, bound: int, most: int) -> tuple[int, Shortfall]:
    """The fewest replicas that are good enough (0: not even ``most``), and what fails with fewer."""
    reason = "no replica serves nothing" if bound == 1 else f"the work of the busiest hour alone fills {bound}"
    fewer = Shortfall(replicas=bound - 1, target=None, reached_s=0.0, reason=reason)
    low, high = bound - 1, bound
    while high <= most and not good(result := hour.at(high)):
        fewer = shortfall(high, result, hour.slo)
        low = high
        high = max(high + 1, min(most, math.ceil(high * _GROWTH)))
    if high > most:
        return 0, fewer
    while high - low > max(1, high // _FINE):
        middle = (low + high) // 2
        result = hour.at(middle)
        if good(result):
            high = middle
        else:
            low, fewer = middle, shortfall(middle, result, hour.slo)
    return high, fewer


def good(result: SimResult) -> bool:
    """Whether the queue does not keep growing and every target is met."""
    return result.stable and all(result.slo_met)


def shortfall(replicas: int, result: SimResult, slo: Slo) -> Shortfall:
    """The target that misses by most; a queue that keeps growing comes first, since it breaks every target in time."""
    if not result.stable:
        wait = result.queue_s.p95
        reason = f"the queue keeps growing: 5 % wait longer than {wait:.3g} s already"
        return Shortfall(replicas=replicas, target=None, reached_s=wait, reason=reason)
    ratio, target, reached = max(
        (
            (reached / target.limit_s, target, reached)
            for target, reached in zip(slo.targets, result.slo_reached_s, strict=True)
        ),
        key=lambda row: row[0],
    )
    reason = f"{target.label} fails: {reached:.3g} s, {ratio:.3g} × the limit"
    return Shortfall(replicas=replicas, target=target, reached_s=reached, reason=reason)


def _nothing(serving: Serving, hour: Hour) -> Sizing:
    return Sizing(
        replicas=0,
        spare=0,
        with_spare=0,
        lower_bound=0,
        peak=simulate([], [], [], serving, replicas=0),
        peak_rps=0.0,
        hour=hour,
        too_large_share=0.0,
        fewer=Shortfall(replicas=0, target=None, reached_s=0.0, reason="no request arrives"),
        simulations=0,
    )


def _serviceable(
    arrivals: Arrivals, serving: Serving
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Prompt, fresh and answer tokens of the requests that fit in the cache, and which of all they are."""
    prompt = np.maximum(arrivals.input_tokens, 1).astype(np.float64)
    fresh = np.maximum(prompt - arrivals.cached_tokens, 1.0)
    output = np.maximum(arrivals.output_tokens, 1).astype(np.float64)
    kept: NDArray[np.bool_] = prompt + output <= serving.kv_capacity_tokens
    return prompt[kept], fresh[kept], output[kept], kept


def _alone(
    prompt: NDArray[np.float64], fresh: NDArray[np.float64], output: NDArray[np.float64], serving: Serving
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """TTFT, mean gap between tokens and e2e of every request that has an idle replica of its own, in seconds."""
    chunks = np.ceil(fresh / serving.chunk_tokens)
    ttft = serving.fixed_s + chunks * (serving.step_s[0] + serving.prefill_step_s) + fresh * serving.prefill_s_per_token
    ttft = ttft + (prompt**2 - (prompt - fresh) ** 2) * serving.prefill_s_per_token2
    gap = serving.step_s[1] + serving.kv_s_per_token * (prompt + output / 2)
    return ttft, gap, ttft + (output - 1) * gap


def _decode_floor(serving: Serving, most: float) -> float:
    """The least seconds a token can take in steps that hold at most ``most`` sequences on average, cache not counted.

    For every slope b the line a + b * x with a = min(step_s[x] - b * x) lies below the curve and gives the bound a /
    most + b, where a is not negative; the best of some slopes.
    """
    size = np.arange(1, len(serving.step_s))
    step = np.asarray(serving.step_s[1:])
    slopes = np.unique(np.concatenate([[0.0], (step[1:] - step[0]) / (size[1:] - 1)]))[:: max(1, size.size // 12)]
    offsets = (step[None, :] - slopes[:, None] * size[None, :]).min(axis=1)
    usable = (slopes >= 0) & (offsets >= 0)
    return float((offsets[usable] / most + slopes[usable]).max())
