"""A step simulator of continuous batching: what requests feel when they share replicas.

How one replica behaves, in the manner of engines with chunked prefill:

* One FIFO queue per replica. A request is admitted when its *final* tokens (prompt and answer) fit in the free cache
  and a sequence slot is free. Reserving the final tokens means that nothing is ever pre-empted; an engine that lets
  sequences grow and recomputes on overflow can hold more of them, at most (n + o) / (n + o/2) times as many for
  prompts of n and answers of o tokens, so the simulator is on the careful side where the cache is the bottleneck.
* Every step first decodes one token of each sequence that has its first token; what is left of ``chunk_tokens`` goes
  to prompts in order of arrival, several in a step if they fit. The first token appears when the last chunk ends.
* Time of a step: see ``Serving``. A chunk from token a to token b adds ``(b - a) * prefill_s_per_token + (b**2 -
  a**2) * prefill_s_per_token2``; cached tokens are skipped, but at least one token is always computed.

Requests go to replicas in turn (round robin). That needs no knowledge of the replicas' state, is what a plain load
balancer does, and makes replicas independent and alike: each sees every R-th request, so any few of them are a fair
sample of all (``simulated``). A router that looks at the queues does somewhat better with few replicas and long tails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from crossover.capacity.percentiles import percentile, summary, weighted_percentile, weighted_summary
from crossover.capacity.replica import NEVER, Gate, Load, Log, replay
from crossover.capacity.words import Serving, SimResult
from crossover.errors import InputError
from crossover.workload import Slo

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# A queue is growing if the median wait of the last quarter of the requests exceeds both that of the second quarter by
# half and this share of the time: offering 1 / (1 - share) times what a replica can serve reaches it by the end.
_GROWTH = 1.5
_GROWTH_SHARE = 0.01
_PIECES = 16  # a run of steps whose duration grows is drawn as at most this many pieces


class _Served(NamedTuple):
    """Seconds per served request, and per run of decode steps the gap between tokens and how often it occurs."""

    ttft: NDArray[np.float64]
    tpot: NDArray[np.float64]  # only of answers with more than one token
    e2e: NDArray[np.float64]
    wait: NDArray[np.float64]
    itl: NDArray[np.float64]
    itl_count: NDArray[np.float64]


def simulate(
    arrival_s: ArrayLike,
    input_tokens: ArrayLike,
    output_tokens: ArrayLike,
    serving: Serving,
    *,
    replicas: int = 1,
    slo: Slo | None = None,
    cached_tokens: ArrayLike | None = None,
    overflow_wait_s: float | None = None,
    max_queue: int | None = None,
    simulated: int | None = None,
) -> SimResult:
    """Replay requests through ``replicas`` copies of ``serving``.

    Columns of equal length: ``arrival_s`` in seconds (any order), whole prompts, answers, and the part of each prompt
    that a prefix cache holds. A request that can never fit in the cache is sent elsewhere. With ``overflow_wait_s``, so
    is one whose wait, estimated on arrival from the work and the cache queued before it, exceeds it, and one that has
    waited that long without being admitted; with ``max_queue``, one that cannot start at once and finds that many
    requests waiting at its replica. ``replicas`` may be 0: everything is sent elsewhere.

    ``simulated`` replays only that many of the replicas, which round robin makes a fair sample; counts are then those
    of the sample, rates (tokens and goodput per second) are scaled to all replicas.

    TTFT and e2e run from arrival and hold ``fixed_s``; ITL counts every gap between two tokens; TPOT is (e2e - ttft) /
    (tokens - 1) of each answer with more than one token. A request counts towards goodput if its own TTFT, TPOT and e2e
    meet the targets (a target on ITL is held against its TPOT). ``mean_batch`` is the mean over the time spent
    stepping. ``stable`` is False if the queue kept growing over the whole time. Latencies are zero, with an empty
    curve, where nothing was measured. Raises ``InputError`` for columns that make no sense.
    """
    table = _table(arrival_s, input_tokens, output_tokens, cached_tokens)
    if replicas < 0 or (simulated is not None and not 0 < simulated <= max(replicas, 1)):
        raise InputError(f"cannot simulate {simulated} of {replicas} replicas", field="replicas")
    if not 0 <= (overflow_wait_s or 0.0) < NEVER:
        raise InputError(f"an overflow wait of {overflow_wait_s} s makes no sense", field="overflow_wait_s")
    if serving.max_sequences < 1 or serving.chunk_tokens < 1 or len(serving.step_s) <= serving.max_sequences:
        raise InputError("a replica needs a sequence, a prompt token a step, and step_s for every number of sequences")
    shown = min(simulated or replicas, replicas)
    turns = np.arange(table.shape[1]) % max(replicas, 1)
    table = table[:, turns < shown] if replicas else table
    turns = turns[turns < shown] if replicas else np.full(table.shape[1], -1)
    fits = np.maximum(table[1], 1) + np.maximum(table[3], 1) <= serving.kv_capacity_tokens
    moments = np.full((3, table.shape[1]), -1.0)
    logs: list[Log] = []
    for replica in range(shown):
        mine = np.flatnonzero(fits & (turns == replica))
        load = _load(table[:, mine])
        gate = None
        if overflow_wait_s is not None or max_queue is not None:
            gate = Gate(load, serving, NEVER if overflow_wait_s is None else overflow_wait_s, max_queue)
        log = replay(load, serving, gate)
        moments[:, mine] = log.start, log.first, log.done
        logs.append(log)
    return _result(table, moments, logs, serving, replicas, slo or Slo())


class ClosedLoop(NamedTuple):
    """What clients that ask again at once see on one replica: means over requests in seconds, tokens per second."""

    ttft_s: float
    tpot_s: float
    output_tokens_per_s: float
    mean_batch: float


def simulate_closed_loop(
    serving: Serving,
    concurrency: int,
    input_tokens: float,
    output_tokens: float,
    *,
    spread: float = 0.0,
    rounds: int = 8,
    warm_up: int = 1,
    rng_seed: int = 0,
) -> ClosedLoop:
    """``concurrency`` clients, each asking again as soon as it has its answer, on one replica.

    Lengths in tokens are drawn evenly from mean * (1 - spread) to mean * (1 + spread). All clients ask at once at the
    start, as load generators do. The first ``warm_up`` rounds and the last one are not counted; with ``warm_up`` 0 the
    rush at the start counts, as it does in most published tables. Raises ``InputError`` for a request that does not
    fit in the cache.
    """
    if concurrency < 1 or warm_up < 0 or rounds < warm_up + 2 or not 0 <= spread < 1:
        raise InputError("a closed loop needs a client, two rounds to count and a spread below 1", field="concurrency")
    rng = np.random.default_rng(rng_seed)
    count = concurrency * rounds
    drawn = 1 + spread * rng.uniform(-1, 1, (2, count))
    table = _table(np.zeros(count), np.round(drawn[0] * input_tokens), np.round(drawn[1] * output_tokens), None)
    if float((np.maximum(table[1], 1) + np.maximum(table[3], 1)).max()) > serving.kv_capacity_tokens:
        raise InputError(f"a request does not fit in a cache of {serving.kv_capacity_tokens:,} tokens")
    # Clients in a queue that never empties are a closed loop: request k is asked when answer k - concurrency is there.
    log = replay(_load(table), msgspec.structs.replace(serving, max_sequences=min(concurrency, serving.max_sequences)))
    first, done = np.array(log.first), np.array(log.done)
    ended = np.sort(done)
    asked = np.concatenate([np.zeros(concurrency), ended[:-concurrency]])
    counted = slice(warm_up * concurrency, count - concurrency)
    answers = np.maximum(table[3], 1)
    several = answers[counted] > 1
    pace = (done - first)[counted][several] / (answers[counted][several] - 1)
    seconds, _, batch = _runs([log])
    begin = ended[warm_up * concurrency - 1] if warm_up else 0.0
    clock = np.cumsum(seconds)
    steady = (clock > begin) & (clock <= ended[-concurrency - 1])
    busy = float(seconds[steady].sum())
    return ClosedLoop(
        ttft_s=float((first - asked)[counted].mean()) + serving.fixed_s,
        tpot_s=float(pace.mean()) if pace.size else 0.0,
        output_tokens_per_s=float(answers[np.argsort(done)][counted].sum() / (ended[-concurrency - 1] - begin)),
        mean_batch=float((seconds * batch)[steady].sum() / busy) if busy > 0 else 0.0,
    )


def _table(arrival: ArrayLike, prompt: ArrayLike, output: ArrayLike, cached: ArrayLike | None) -> NDArray[np.float64]:
    """Rows arrival, prompt, fresh prompt tokens and answer; columns in order of arrival."""
    times = np.asarray(arrival, dtype=np.float64).ravel()
    prompts = np.asarray(prompt, dtype=np.float64).ravel()
    outputs = np.asarray(output, dtype=np.float64).ravel()
    hits = np.zeros_like(prompts) if cached is None else np.asarray(cached, dtype=np.float64).ravel()
    if not len(times) == len(prompts) == len(outputs) == len(hits):
        raise InputError(
            f"columns differ in length: {len(times)} arrivals, {len(prompts)} prompts, {len(outputs)} answers,"
            f" {len(hits)} cached"
        )
    table = np.stack([times, prompts, hits, outputs])
    if not np.isfinite(table).all() or (table[1:] < 0).any():
        raise InputError("arrivals and tokens must be finite, and tokens not negative")
    table[1:] = np.floor(table[1:])
    table[2] = np.maximum(table[1] - table[2], 1.0)
    if (np.diff(times) < 0).any():
        table = table[:, np.argsort(times, kind="stable")]
    return table


def _load(table: NDArray[np.float64]) -> Load:
    whole = np.maximum(table[1:], 1).astype(np.int64)
    prompt, fresh, output = whole.tolist()
    # One entry more than requests: a sentinel that never arrives.
    return Load(
        [*table[0].tolist(), NEVER], [*prompt, 0], [*fresh, 0], [*output, 0], [*(whole[0] + whole[2]).tolist(), 0]
    )


def _result(
    table: NDArray[np.float64],
    moments: NDArray[np.float64],
    logs: list[Log],
    serving: Serving,
    replicas: int,
    slo: Slo,
) -> SimResult:
    arrival, output = table[0], table[3]
    kept = moments[2] >= 0
    begin = float(arrival[0]) if arrival.size else 0.0
    end = max((log.end for log in logs), default=begin)
    span = max(end, float(arrival[-1]) if arrival.size else end) - begin
    seconds, steps, batch = _runs(logs)
    busy = float(seconds.sum())
    ttft = moments[1, kept] - arrival[kept] + serving.fixed_s
    e2e = moments[2, kept] - arrival[kept] + serving.fixed_s
    several = output[kept] > 1
    pace = np.zeros_like(e2e)
    pace[several] = (e2e - ttft)[several] / (output[kept][several] - 1)
    wait = moments[0, kept] - arrival[kept]
    itl, itl_count = _gaps(seconds, steps, batch, serving.kv_s_per_token)
    served = _Served(ttft, pace[several], e2e, wait, itl, itl_count)
    reached = tuple(_reached(served, target.metric, target.percentile / 100) for target in slo.targets)
    good = _good(ttft, pace, e2e, slo)
    scale = replicas / len(logs) if logs else 0.0
    requests, completed = arrival.size, int(kept.sum())
    return SimResult(
        requests=requests,
        completed=completed,
        span_s=span,
        replicas=replicas,
        ttft=summary(ttft),
        itl=weighted_summary(itl, itl_count),
        tpot=summary(served.tpot),
        e2e=summary(e2e),
        queue_s=summary(wait),
        utilisation=min(busy / (span * len(logs)), 1.0) if span > 0 and logs else 0.0,
        mean_batch=float((seconds * batch).sum() / busy) if busy > 0 else 0.0,
        output_tokens_per_s=scale * float(output[kept].sum()) / span if span > 0 else 0.0,
        goodput_rps=scale * good / span if span > 0 else 0.0,
        overflow_share=(requests - completed) / requests if requests else 0.0,
        overflow_requests=requests - completed,
        overflow_input_tokens=int(table[1, ~kept].sum()),
        overflow_output_tokens=int(output[~kept].sum()),
        slo_met=tuple(value <= target.limit_s for value, target in zip(reached, slo.targets, strict=True)),
        slo_reached_s=reached,
        stable=not _growing(arrival[kept], wait),
    )


def _runs(logs: list[Log]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Seconds, steps and decoding sequences of every run of steps."""
    columns = zip(*((log.run_s, log.run_steps, log.run_batch) for log in logs), strict=True)
    found = [np.concatenate([np.array(part, dtype=np.float64) for part in column]) for column in columns]
    empty = np.zeros(0)
    return (found[0], found[1], found[2]) if found else (empty, empty, empty)


def _gaps(
    seconds: NDArray[np.float64], steps: NDArray[np.float64], batch: NDArray[np.float64], kv_s_per_token: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gaps between tokens and how often each occurs, from runs of steps.

    Each step is longer than the one before by the cache that it added. A run whose steps grow by more than a hundredth
    is cut into pieces, each with its own mean.
    """
    decoding = batch > 0
    seconds, steps, batch = seconds[decoding], steps[decoding], batch[decoding]
    growth = kv_s_per_token * batch
    mean = np.maximum(seconds / steps, 1e-12)
    pieces = np.clip(np.ceil(growth * steps / (0.01 * mean)), 1, np.minimum(steps, _PIECES)).astype(np.int64)
    owner = np.repeat(np.arange(steps.size), pieces)
    number = np.arange(owner.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    centre = (number + 0.5) / pieces[owner] - 0.5  # -0.5..0.5 within the run
    gap = mean[owner] + growth[owner] * steps[owner] * centre
    return gap, steps[owner] * batch[owner] / pieces[owner]


def _reached(served: _Served, metric: str, share: float) -> float:
    if metric == "itl":
        return weighted_percentile(served.itl, served.itl_count, share)
    return percentile({"ttft": served.ttft, "tpot": served.tpot, "e2e": served.e2e}[metric], share)


def _good(ttft: NDArray[np.float64], pace: NDArray[np.float64], e2e: NDArray[np.float64], slo: Slo) -> int:
    """Requests that meet every target on their own."""
    good = np.ones(ttft.size, dtype=np.bool_)
    for target in slo.targets:
        good &= {"ttft": ttft, "e2e": e2e}.get(target.metric, pace) <= target.limit_s
    return int(good.sum())


def _growing(arrival: NDArray[np.float64], wait: NDArray[np.float64]) -> bool:
    """Whether the queue kept growing: the last quarter of the requests waited long, and longer than the second."""
    quarter = arrival.size // 4
    if quarter < 1:
        return False
    last = float(np.median(wait[-quarter:]))
    second = float(np.median(wait[quarter : 2 * quarter]))
    return last > _GROWTH_SHARE * float(arrival[-1] - arrival[0]) and last > _GROWTH * second
