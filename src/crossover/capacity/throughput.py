"""How fast one replica steps: the time of a decode step by batch, of a prompt token, and closed-loop speed from both.

A step of ``c`` sequences reads the weights it touches (for a mixture of experts ``E·(1 − (1 − k/E)^c)`` experts),
multiplies them for every sequence, reads the cache, launches every layer, and sums over the devices. ``Shape`` holds
what of that follows from model, device and count; ``StepConstants`` what was fitted. All formulas are plain arithmetic,
so that the fit evaluates them on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from crossover.capacity import llamacpp, memory
from crossover.capacity.calibration import (
    LLAMACPP_ENGINES,
    ServingCalibration,
    Spread,
    StepConstants,
    deployment_key,
    llamacpp_calibration,
    relevant,
    serving_calibration,
)
from crossover.capacity.words import Serving, Speed
from crossover.catalog.items import Accelerator, OpenModel, Quantisation
from crossover.deployment import Engine
from crossover.errors import InputError
from crossover.evidence import Band, Evidence
from crossover.stats import Z80

_ROOFLINE_ORDER = 4.0  # how sharply a step turns from bandwidth-bound to compute-bound
_CHUNK_TOKENS = 8192


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a step moves and computes, from model, device and count. Bytes and FLOP are per device.

    ``shared_bytes`` is read in every step, ``expert_bytes`` is all experts, ``expert_share`` the share of them one
    token takes (0 for dense). ``kv_bytes`` is read per cached token of a sequence. ``flop`` and ``attention_flop`` (per
    squared token) are for one token. ``reduce_bytes`` crosses the link per token and layer, ``hops`` is the depth of
    the collectives of one layer.
    """

    layers: float
    shared_bytes: float
    expert_bytes: float
    expert_share: float
    kv_bytes: float
    flop: float
    attention_flop: float
    reduce_bytes: float
    hops: float
    bandwidth: float
    peak: float
    peak_fp16: float
    link: float
    devices: float
    moe: float
    mla: float
    engine_scale: float
    precision_scale: float


def shape(
    model: OpenModel,
    quantisation: Quantisation,
    accelerator: Accelerator,
    count: int,
    *,
    engine: str,
    context: int,
    kv_bits: float = 16.0,
    constants: StepConstants,
) -> Shape:
    """What one step of this replica moves and computes. ``context`` decides how much of a sliding window is in use."""
    embedding = 0.0 if model.tied_embeddings else model.vocab * model.hidden / 1e9
    total, active = model.params_b - embedding, model.active_b - embedding
    expert = (total - active) / (model.experts - model.experts_per_token) if model.experts else 0.0
    shared = active - model.experts_per_token * expert
    bytes_each = 1e9 * quantisation.bits / 8.0
    split = count / memory.kv_shards(model, count)
    full, _ = memory.growing_layers(model)
    return Shape(
        layers=float(model.layers),
        shared_bytes=shared * bytes_each / count,
        expert_bytes=model.experts * expert * bytes_each / count,
        expert_share=model.experts_per_token / model.experts if model.experts else 0.0,
        kv_bytes=memory.kv_bytes(model, context, kv_bits) / context * split / count,
        flop=2.0 * active * 1e9 / count,
        attention_flop=2.0 * full * model.heads * (model.head_dim or 192) / count,
        reduce_bytes=4.0 * model.hidden * (count - 1) / count,
        hops=2.0 * math.log2(count),
        bandwidth=accelerator.bandwidth_gbs * 1e9,
        peak=peak_flops(accelerator, quantisation),
        peak_fp16=accelerator.fp16_tflops * 1e12,
        link=max(accelerator.interconnect_gbs, 1.0) * 1e9,
        devices=float(count),
        moe=1.0 if model.experts else 0.0,
        mla=1.0 if model.attention == "mla" else 0.0,
        engine_scale=constants.engine_scale.get(engine, 1.0),
        precision_scale=constants.precision_scale.get(quantisation.compute, 1.0),
    )


def peak_flops(accelerator: Accelerator, quantisation: Quantisation) -> float:
    """The dense peak in FLOP/s of the arithmetic format; a device without it computes in 16 bit."""
    rates = {"fp8": accelerator.fp8_tflops, "int8": accelerator.int8_tops, "fp4": accelerator.fp4_tflops}
    return (rates.get(quantisation.compute) or accelerator.fp16_tflops) * 1e12


def step_seconds(form: Shape, constants: StepConstants, sequences: float) -> float:
    """Seconds of a step that decodes ``sequences`` sequences, without reading their cache."""
    touched = form.shared_bytes + form.expert_bytes * (
        1.0 - (1.0 - form.expert_share) ** (sequences * constants.moe_spread)
    )
    tiles = form.layers * constants.tile_mb * 1e6
    moving = (touched + tiles) / (form.bandwidth * constants.weight_efficiency)
    computing = form.flop * sequences / (form.peak * constants.compute_efficiency)
    busy: float = (moving**_ROOFLINE_ORDER + computing**_ROOFLINE_ORDER) ** (1.0 / _ROOFLINE_ORDER)
    waiting = idle_seconds(form, constants) + sequences * constants.token_us * 1e-6
    linking = form.layers * 2.0 * form.reduce_bytes * sequences / (form.link * constants.link_efficiency)
    return (busy + waiting + linking) * form.engine_scale * form.precision_scale


def idle_seconds(form: Shape, constants: StepConstants) -> float:
    """Seconds of a step that nothing of the batch explains: launching layers and synchronising devices."""
    launch = constants.layer_us + form.moe * constants.moe_layer_us + form.hops * constants.collective_us
    return form.layers * launch * 1e-6


def kv_seconds(form: Shape, constants: StepConstants) -> float:
    """Seconds per step and cached token of a sequence."""
    efficiency = constants.kv_efficiency * (1.0 - form.mla) + constants.mla_kv_efficiency * form.mla
    return form.kv_bytes / (form.bandwidth * efficiency) * form.engine_scale


def prefill_seconds(form: Shape, constants: StepConstants) -> tuple[float, float]:
    """Seconds per prompt token, and per squared token of one prompt."""
    slower = 1.0 + constants.prefill_tile * form.hops / 2.0
    linear = form.flop * slower / (form.peak * constants.prefill_efficiency)
    linking = form.layers * 2.0 * form.reduce_bytes / (form.link * constants.link_efficiency)
    square = form.attention_flop / (form.peak_fp16 * constants.attention_efficiency)
    return (linear + linking) * form.engine_scale, square * form.engine_scale


def serving(
    model: OpenModel,
    quantisation: Quantisation,
    accelerator: Accelerator,
    count: int,
    *,
    engine: Engine,
    context: int,
    max_sequences: int = 256,
    kv_bits: float = 16.0,
    measured: Sequence[Evidence] = (),
) -> Serving:
    """One replica as the simulator sees it. ``context`` is the typical length of a sequence (prompt and answer).

    ``measured`` holds measurements of this deployment (see ``deployment_key``); they rescale the prediction. Raises
    InputError where a figure is not positive or the engine does not run on own devices. A deployment that does not fit
    gets ``kv_capacity_tokens`` 0.
    """
    room = memory.fit(model, quantisation, accelerator, count, engine=engine, context=context, kv_bits=kv_bits)
    memory.check_positive(max_sequences=max_sequences)
    if engine in LLAMACPP_ENGINES:
        plain = llamacpp.serving(
            model, quantisation, accelerator, count, context=context, max_sequences=max_sequences,
            kv_bits=kv_bits, kv_capacity_tokens=room.kv_capacity_tokens,
        )  # fmt: skip
    else:
        plain = _batched(
            model, quantisation, accelerator, count, engine=engine, context=context,
            max_sequences=max_sequences, kv_bits=kv_bits, kv_capacity_tokens=room.kv_capacity_tokens,
        )  # fmt: skip
    if not measured:
        return plain
    if engine in LLAMACPP_ENGINES:
        spread = llamacpp_calibration().spread
    else:
        spread = serving_calibration().spread["moe" if model.experts else "dense"]
    return anchored(plain, measured, deployment_key(model, quantisation, accelerator, count, engine), spread)


def _batched(
    model: OpenModel,
    quantisation: Quantisation,
    accelerator: Accelerator,
    count: int,
    *,
    engine: Engine,
    context: int,
    max_sequences: int,
    kv_bits: float,
    kv_capacity_tokens: int,
) -> Serving:
    known = serving_calibration()
    fitted = known.constants
    form = shape(
        model, quantisation, accelerator, count, engine=engine, context=context, kv_bits=kv_bits, constants=fitted
    )
    beyond = outside(known, model, accelerator, count, engine)
    spread = known.spread["moe" if model.experts else "dense"]
    per_token, per_square = prefill_seconds(form, fitted)
    first = (idle_seconds(form, fitted) + fitted.prefill_fixed_us * 1e-6) * form.engine_scale
    return Serving(
        step_s=(first, *(step_seconds(form, fitted, float(c)) for c in range(1, max_sequences + 1))),
        kv_s_per_token=kv_seconds(form, fitted),
        prefill_s_per_token=per_token,
        prefill_s_per_token2=per_square,
        fixed_s=fitted.first_token_us * 1e-6,
        kv_capacity_tokens=kv_capacity_tokens,
        max_sequences=max_sequences,
        chunk_tokens=_CHUNK_TOKENS,
        decode_log_sd=spread.decode_extrapolated if beyond else spread.decode,
        prefill_log_sd=spread.prefill_extrapolated if beyond else spread.prefill,
        calibrated=not beyond,
        note=f"extrapolated: {'; '.join(beyond)}" if beyond else "",
    )


def outside(
    known: ServingCalibration, model: OpenModel, accelerator: Accelerator, count: int, engine: str
) -> tuple[str, ...]:
    """What of a deployment no measurement behind the constants covers, in words; empty inside the calibration."""
    reasons = []
    if accelerator.name not in known.devices and not set(accelerator.aliases) & set(known.devices):
        reasons.append(f"no measurement on {accelerator.name} (measured: {', '.join(known.devices)})")
    if engine not in known.engines:
        reasons.append(f"no measurement of {engine}")
    if count > known.max_devices:
        reasons.append(f"measured up to {known.max_devices} devices")
    if model.linear_layers:
        reasons.append("no measurement of a model with linear layers")
    return tuple(reasons)


def closed_loop(replica: Serving, concurrency: int, input_tokens: float, output_tokens: float) -> tuple[float, float]:
    """Mean time to first token and time per output token (s) with ``concurrency`` clients that ask again at once.

    In the steady state one cycle of a sequence takes ``output_tokens`` decode steps with all sequences in flight plus
    everybody's prefill. A prompt that arrives waits for half a step and for the prompts that happen to arrive with it.
    Sequences beyond what the cache or the batch admits wait for a whole turn.
    """
    tokens = input_tokens + output_tokens / 2.0
    room = replica.kv_capacity_tokens / max(tokens, 1.0)
    active = max(1, int(min(concurrency, replica.max_sequences, max(room, 1.0))))
    step = replica.step_s[active] + replica.kv_s_per_token * active * tokens
    prompt = input_tokens * replica.prefill_s_per_token + input_tokens**2 * replica.prefill_s_per_token2
    chunks = max(1.0, math.ceil(input_tokens / replica.chunk_tokens))
    own = prompt + replica.step_s[0] * chunks
    cycle = output_tokens * step + active * own
    tpot = step + (active - 1) * own / output_tokens
    waiting = (concurrency - active) / active * cycle
    ttft = replica.fixed_s + own + tpot / 2.0 + own * (active - 1) * own / cycle + waiting
    return ttft, tpot


def anchored(replica: Serving, measured: Sequence[Evidence], subject: str, spread: Spread) -> Serving:
    """The replica rescaled so that it reproduces the measurements of this subject (geometric mean of their ratios).

    Metrics: ``tpot_s``, ``output_tokens_per_s`` (both decode) and ``ttft_s`` (prefill); ``context`` of each must hold
    concurrency, input_tokens and output_tokens. Raises InputError where one is missing or not positive.
    """
    decode = [ratio for row in relevant(measured, subject, "tpot_s") for ratio in [_ratio(replica, row)]]
    decode += [1.0 / _ratio(replica, row) for row in relevant(measured, subject, "output_tokens_per_s")]
    if decode:
        scale = math.exp(math.fsum(map(math.log, decode)) / len(decode))
        replica = msgspec.structs.replace(
            replica,
            step_s=tuple(step * scale for step in replica.step_s),
            kv_s_per_token=replica.kv_s_per_token * scale,
            prefill_s_per_token=replica.prefill_s_per_token * scale,
            prefill_s_per_token2=replica.prefill_s_per_token2 * scale,
            decode_log_sd=min(replica.decode_log_sd, spread.decode_anchored),
            calibrated=True,
            note=_joined(replica.note, f"rescaled by {len(decode)} measured decode speed(s)"),
        )
    prefill = [_ratio(replica, row) for row in relevant(measured, subject, "ttft_s")]
    if prefill:
        scale = math.exp(math.fsum(map(math.log, prefill)) / len(prefill))
        replica = msgspec.structs.replace(
            replica,
            prefill_s_per_token=replica.prefill_s_per_token * scale,
            prefill_s_per_token2=replica.prefill_s_per_token2 * scale,
            fixed_s=replica.fixed_s * scale,
            prefill_log_sd=min(replica.prefill_log_sd, spread.prefill_anchored),
            note=_joined(replica.note, f"rescaled by {len(prefill)} measured time(s) to first token"),
        )
    return replica


def _ratio(replica: Serving, row: Evidence) -> float:
    """Measured over predicted, for one measurement."""
    figures = {}
    for name in ("concurrency", "input_tokens", "output_tokens"):
        value = row.context.get(name)
        if not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise InputError(f"a measured {row.metric} needs a positive {name} in its context", field=name)
        figures[name] = float(value)
    memory.check_positive(**{row.metric: row.value})
    concurrency = int(figures["concurrency"])
    ttft, tpot = closed_loop(replica, concurrency, figures["input_tokens"], figures["output_tokens"])
    if row.metric == "ttft_s":
        return row.value / ttft
    if row.metric == "tpot_s":
        return row.value / tpot
    return row.value / _output_rate(concurrency, figures["output_tokens"], ttft, tpot)


def _output_rate(concurrency: int, output_tokens: float, ttft: float, tpot: float) -> float:
    """Output tokens per second of a closed loop: every client gets its answer in ttft + (n − 1)·tpot."""
    return concurrency * output_tokens / (ttft + (output_tokens - 1.0) * tpot)


def speed(
    model: OpenModel,
    quantisation: Quantisation,
    accelerator: Accelerator,
    count: int,
    *,
    engine: Engine,
    concurrency: int,
    input_tokens: int,
    output_tokens: int,
    kv_bits: float = 16.0,
    measured: Sequence[Evidence] = (),
) -> Speed:
    """Closed-loop speed at a fixed number of clients, each with an 80 % interval from rows left out of the fit.

    Raises InputError where a figure is not positive or the engine does not run on own devices.
    """
    memory.check_positive(concurrency=concurrency, input_tokens=input_tokens, output_tokens=output_tokens)
    replica = serving(
        model, quantisation, accelerator, count, engine=engine, context=input_tokens + output_tokens,
        max_sequences=concurrency, kv_bits=kv_bits, measured=measured,
    )  # fmt: skip
    ttft, tpot = closed_loop(replica, concurrency, input_tokens, output_tokens)
    rate = _output_rate(concurrency, output_tokens, ttft, tpot)
    return Speed(
        concurrency=concurrency,
        ttft_s=interval(ttft, replica.prefill_log_sd),
        tpot_s=interval(tpot, replica.decode_log_sd),
        output_tokens_per_s=interval(rate, replica.decode_log_sd),
        input_tokens_per_s=interval(rate * input_tokens / output_tokens, replica.decode_log_sd),
        calibrated=replica.calibrated,
        note=replica.note,
    )


def interval(middle: float, log_sd: float) -> Band:
    """The 80 % interval around a prediction whose ln(measured / predicted) has this standard deviation."""
    factor = math.exp(Z80 * log_sd)
    return Band(middle / factor, middle, middle * factor)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
