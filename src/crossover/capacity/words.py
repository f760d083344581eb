"""The words of capacity: does it fit, how fast is one step, what one replica looks like to the simulator."""

from __future__ import annotations

import msgspec

from crossover.evidence import Band


class MemoryFit(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of one replica over all its devices, in GiB (2^30 bytes).

    ``max_context`` is the longest single sequence that fits (capped by the model's own limit), ``kv_capacity_tokens``
    how many tokens of cache fit in all, ``max_sequences`` how many sequences of the asked context fit at once.
    """

    fits: bool
    weights_gib: float
    kv_gib: float
    overhead_gib: float
    usable_gib: float
    kv_bytes_per_token: float
    kv_capacity_tokens: int
    max_context: int
    max_sequences: int
    reason: str


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """One replica as the simulator sees it; all times in seconds.

    A step that decodes ``c`` sequences holding ``k`` cached tokens in all, and that also prefills ``p`` prompt tokens,
    takes ``step_s[c] + kv_s_per_token * k + p * prefill_s_per_token``, and ``prefill_step_s`` more where ``p > 0``
    (such steps run without captured graphs). Prefilling a prompt of ``n`` tokens costs ``n * prefill_s_per_token +
    n**2 * prefill_s_per_token2`` in all, spread over its chunks. ``fixed_s`` is added once
    to the first token (tokenising, scheduling, HTTP). ``step_s[0]`` is the overhead of a step that only prefills.

    ``step_s`` has ``max_sequences + 1`` entries. ``kv_capacity_tokens`` bounds admission, ``chunk_tokens`` is the
    prefill budget of one step. ``decode_log_sd`` and ``prefill_log_sd`` are standard deviations of
    ln(measured / predicted) for decode and prefill; ``calibrated`` is False where the prediction is extrapolated.
    ``points`` measured figures of this very deployment refit it, which made a step ``factor`` times as long (the
    geometric mean over all batches) as it was predicted.
    """

    step_s: tuple[float, ...]
    kv_s_per_token: float
    prefill_s_per_token: float
    prefill_s_per_token2: float
    fixed_s: float
    kv_capacity_tokens: int
    max_sequences: int
    chunk_tokens: int
    decode_log_sd: float
    prefill_log_sd: float
    calibrated: bool
    note: str = ""
    prefill_step_s: float = 0.0
    points: int = 0
    factor: float = 1.0


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """Predicted closed-loop speed at a fixed number of concurrent sequences, each with an 80 % interval.

    ``ttft_s`` and ``tpot_s`` in seconds; ``output_tokens_per_s`` and ``input_tokens_per_s`` over the whole replica.
    """

    concurrency: int
    ttft_s: Band
    tpot_s: Band
    output_tokens_per_s: Band
    input_tokens_per_s: Band
    calibrated: bool
    note: str = ""


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """One latency in seconds over all requests (or tokens) of a run: mean and percentiles, and a histogram for plots.

    ``shares`` (0..1) and ``values`` are a fine quantile curve, so that any percentile an SLO names can be read off.
    """

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    shares: tuple[float, ...]
    values: tuple[float, ...]


class SimResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the step simulator measured for a number of replicas.

    ``utilisation`` is the share of time a replica is stepping, ``goodput_rps`` requests per second that meet every
    SLO target (all, if none), ``overflow_share`` the share of requests sent elsewhere, ``overflow_*_tokens`` what they
    carry.
    ``slo_met`` has one entry per target of the SLO, in its order, with the value reached.
    """

    requests: int
    completed: int
    span_s: float
    replicas: int
    ttft: Percentiles
    itl: Percentiles
    tpot: Percentiles
    e2e: Percentiles
    queue_s: Percentiles
    utilisation: float
    mean_batch: float
    output_tokens_per_s: float
    goodput_rps: float
    overflow_share: float
    overflow_requests: int
    overflow_input_tokens: int
    overflow_output_tokens: int
    slo_met: tuple[bool, ...]
    slo_reached_s: tuple[float, ...]
    stable: bool
