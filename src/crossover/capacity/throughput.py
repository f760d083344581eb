"""How fast one replica steps: the time of a decode step by batch, of a prompt token, and closed-loop speed from both.

A step of ``c`` sequences reads the weights it touches (for a mixture of experts ``E·(1 − (1 − k/E)^c)`` experts),
multiplies them for every sequence, reads the cache, launches every layer, and sums over the devices. ``Shape`` holds
what of that follows from model, device and count; ``StepConstants`` what was fitted. All formulas are plain arithmetic,
so that the fit evaluates them on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from crossover.capacity import llamacpp, memory
from crossover.capacity.calibration import (
    LLAMACPP_ENGINES,
    EngineConstants,
    KindCalibration,
    ServingCalibration,
    StepConstants,
    deployment_key,
    llamacpp_calibration,
    serving_calibration,
)
from crossover.capacity.measured import PREFILL, Point, output_rate, points_of
from crossover.capacity.words import Serving, Speed
from crossover.catalog.items import Accelerator, OpenModel, Quantisation
from crossover.deployment import Engine
from crossover.evidence import Band, Evidence
from crossover.stats import Z80

_SHARPNESS = 4.0  # how sharply a step turns from bandwidth-bound to compute-bound
_CHUNK_TOKENS = 8192
MOST_SEQUENCES = 8192  # far above what any engine batches on one replica; more clients wait
_TYPICAL_BATCH = 8.0  # sequences in flight beside which a prompt's reading of experts is counted
_LATENT_HEAD = 160  # mean of the query (192) and value (128) head sizes of latent attention
_E = math.e
_HOST_LINK_GBS = 16.0  # PCIe 4 ×8: what devices without a stated link have at least


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a step moves and computes, from model, device and count. Bytes and FLOP are per device.

    ``shared_bytes`` is read in every step, ``expert_bytes`` is all experts, ``expert_share`` the share of them one
    token takes (0 for dense). ``kv_bytes`` is read per cached token of a sequence. ``flop`` and ``attention_flop`` (per
    squared token) are for one token. ``hidden_bytes`` is the hidden state of a token in all layers, ``reduce_bytes``
    what of it crosses the link, ``doublings`` the logarithm of the number of devices.
    """

    layers: float
    shared_bytes: float
    expert_bytes: float
    expert_share: float
    kv_bytes: float
    flop: float
    attention_flop: float
    hidden_bytes: float
    reduce_bytes: float
    doublings: float
    devices: float
    bandwidth: float
    peak: float
    peak_fp16: float
    link: float
    mla: float


STEADY = EngineConstants(scale=1.0, prefill_step=1.0, first_s=0.0, first_steps=1.0, first_burst=0.0)


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """The seconds from which a closed loop follows: see ``Serving`` for each of them."""

    step: float
    kv_per_token: float
    prefill_per_token: float
    prefill_per_token2: float
    prefill_step: float


def shape(
    model: OpenModel,
    quantisation: Quantisation,
    accelerator: Accelerator,
    count: int,
    *,
    context: int,
    kv_bits: float = 16.0,
) -> Shape:
    """What one step of this replica moves and computes. ``context`` decides how much of a sliding window is in use."""
    head = model.vocab * model.hidden / 1e9  # the embedding is looked up, the output matrix is read
    body = model.active_b - (head if model.tied_embeddings else 2.0 * head)
    expert = (model.params_b - model.active_b) / (model.experts - model.experts_per_token) if model.experts else 0.0
    bytes_each = 1e9 * quantisation.bits / 8.0
    head_bytes = head * 1e9 * (quantisation.embedding_bits or quantisation.bits) / 8.0
    full, _ = memory.growing_layers(model)
    width = _LATENT_HEAD if model.attention == "mla" else model.head_dim
    hidden_bytes = 2.0 * model.hidden * model.layers
    return Shape(
        layers=float(model.layers),
        shared_bytes=((body - model.experts_per_token * expert) * bytes_each + head_bytes) / count,
        expert_bytes=model.experts * expert * bytes_each / count,
        expert_share=model.experts_per_token / model.experts if model.experts else 0.0,
        kv_bytes=memory.kv_bytes(model, context, kv_bits) / context / memory.kv_shards(model, count),
        flop=2.0 * (body + head) * 1e9 / count,
        attention_flop=2.0 * full * model.heads * width / count,
        hidden_bytes=hidden_bytes,
        reduce_bytes=4.0 * hidden_bytes * (count - 1) / count,
        doublings=math.log2(count),
        devices=float(count),
        bandwidth=accelerator.bandwidth_gbs * 1e9,
        peak=peak_flops(accelerator, quantisation),
        peak_fp16=accelerator.fp16_tflops * 1e12,
        link=max(accelerator.interconnect_gbs, _HOST_LINK_GBS) * 1e9,
        mla=1.0 if model.attention == "mla" else 0.0,
    )


def peak_flops(accelerator: Accelerator, quantisation: Quantisation) -> float:
    """The dense peak in FLOP/s of the arithmetic format; a device without it computes in 16 bit."""
    rates = {"fp8": accelerator.fp8_tflops, "int8": accelerator.int8_tops, "fp4": accelerator.fp4_tflops}
    return (rates.get(quantisation.compute) or accelerator.fp16_tflops) * 1e12


class StepParts(NamedTuple):
    """Seconds of a step by cause: weights always read, all experts, arithmetic per sequence, idle, rest of each."""

    shared: float
    experts: float
    expert_share: float
    computing: float
    idle: float
    each: float


def step_parts(form: Shape, fitted: StepConstants) -> StepParts:
    """What a decode step is made of, before ``scale`` and without reading the cache."""
    shared = form.shared_bytes + form.layers * fitted.tile_mb * 1e6
    copies = fitted.copied_activations + fitted.split_activations / form.devices
    return StepParts(
        shared=shared / (form.bandwidth * fitted.weight_efficiency),
        experts=form.expert_bytes / (form.bandwidth * fitted.expert_efficiency),
        expert_share=form.expert_share,
        computing=form.flop / (form.peak * fitted.compute_efficiency),
        idle=idle_seconds(form, fitted),
        each=fitted.token_us * 1e-6
        + form.hidden_bytes * copies / form.bandwidth
        + form.reduce_bytes / (form.link * fitted.decode_link_efficiency),
    )


def step_seconds(parts: StepParts, sequences: float) -> float:
    """Seconds to decode one token of ``sequences`` sequences: the slower of moving and computing, and what is added."""
    moving = parts.shared + parts.experts * (1.0 - (1.0 - parts.expert_share) ** sequences)
    computing = parts.computing * sequences
    busy: float = (moving**_SHARPNESS + computing**_SHARPNESS) ** (1.0 / _SHARPNESS)
    return busy + parts.idle + sequences * parts.each


def idle_seconds(form: Shape, fitted: StepConstants) -> float:
    """Seconds of a step that nothing of the batch explains: scheduling, launching layers, synchronising devices."""
    layer = fitted.layer_us + fitted.moe_layer_us + form.mla * fitted.mla_layer_us
    return (fitted.step_us + form.layers * (layer + 2.0 * form.doublings * fitted.collective_us)) * 1e-6


def costs(form: Shape, fitted: StepConstants, engine: EngineConstants, sequences: float) -> Costs:
    """All seconds of one engine at ``sequences`` sequences. The fit calls this on arrays."""
    kv_share = fitted.kv_efficiency * (1.0 - form.mla) + fitted.latent_efficiency * form.mla
    slower = 1.0 + fitted.prefill_slowdown * form.doublings
    linear = form.flop * slower / (form.peak * fitted.prefill_efficiency)
    linking = form.reduce_bytes / (form.link * fitted.prefill_link_efficiency)
    parts = step_parts(form, fitted)
    # A prompt reads nearly all experts: in a step that holds one, also those that the decoding sequences leave out.
    launching = form.layers * fitted.prefill_layer_us * 1e-6 * engine.prefill_step
    return Costs(
        step=step_seconds(parts, sequences) * engine.scale,
        kv_per_token=form.kv_bytes / (form.bandwidth * kv_share) * engine.scale,
        prefill_per_token=(linear + linking) * engine.scale,
        prefill_per_token2=form.attention_flop / (form.peak_fp16 * fitted.attention_efficiency) * engine.scale,
        prefill_step=(launching + parts.experts * (1.0 - form.expert_share) ** _TYPICAL_BATCH) * engine.scale,
    )


def loop_seconds(
    cost: Costs,
    engine: EngineConstants,
    clients: float,
    active: float,
    input_tokens: float,
    output_tokens: float,
    one_round: float = 0.0,
) -> tuple[float, float]:
    """Mean time to first token and time per output token (s) of a closed loop, from its seconds; also on arrays.

    All times of a cycle add up: it holds ``output_tokens`` decode steps, every sequence's prompt, and the extra time of
    the steps that hold prompt tokens (of n prompts at random moments, ``1 − exp(−n / steps)`` of the steps do). What is
    not time to first token is decoding. ``active`` of ``clients`` sequences run at a time, the others wait a turn.
    ``one_round`` is 1 for a test in which every client asks once and all at the same moment.
    """
    chunks = 1.0 + input_tokens / _CHUNK_TOKENS * (input_tokens > _CHUNK_TOKENS)
    prompt = input_tokens * cost.prefill_per_token + input_tokens**2 * cost.prefill_per_token2
    step = cost.step + cost.kv_per_token * active * (input_tokens + output_tokens / 2.0)
    spread = output_tokens * (1.0 - _E ** (-active * chunks / output_tokens))
    packed = 1.0 + active * input_tokens / _CHUNK_TOKENS
    prefilling = spread * (1.0 - one_round) + packed * one_round
    cycle = output_tokens * step + active * prompt + prefilling * cost.prefill_step
    own = prompt + cost.prefill_step * prefilling / active
    burst = engine.first_burst * (1.0 - one_round) + one_round
    first = engine.first_s + own * (1.0 + burst * (active - 1.0) / 2.0) + engine.first_steps * step
    first = (first**-8.0 + (0.9 * cycle) ** -8.0) ** -0.125  # the first token comes within the cycle
    waiting = (clients - active) / active * cycle
    return first + waiting, (cycle - first) / (output_tokens - 1.0 + (output_tokens <= 1.0))


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

    ``measured`` holds measurements of this deployment (see ``deployment_key``); they refit the prediction. Raises
    InputError where a figure is not positive or the engine does not run on own devices. Where not even one
    sequence of ``context`` fits, the note says so and ``kv_capacity_tokens`` is what there is.
    """
    room = memory.fit(model, quantisation, accelerator, count, engine=engine, context=context, kv_bits=kv_bits)
    memory.check_positive(max_sequences=max_sequences)
    points = points_of(measured, deployment_key(model, quantisation, accelerator, count, engine)) if measured else []
    asked = min(max_sequences, MOST_SEQUENCES)
    # What was measured with more clients than are asked about is only understood with as many.
    max_sequences = min(max([asked, *(point.concurrency for point in points)]), MOST_SEQUENCES)
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
    if room.max_sequences == 0:
        plain = msgspec.structs.replace(plain, note=_joined(f"does not fit: {room.reason}", plain.note))
    if not points:
        return plain
    from crossover.capacity.refit import anchored  # least squares; a prediction needs none

    batches_vary = engine in LLAMACPP_ENGINES  # its calibration holds single streams only
    spread = llamacpp_calibration().spread if batches_vary else kind_of(serving_calibration(), model).spread
    profile = profile_of(model, engine)
    bursts = _bursts(points) if profile is STEADY else (profile.first_burst,)
    loops = [_asked(msgspec.structs.replace(profile, first_burst=burst)) for burst in bursts]
    found = anchored(plain, points, spread, loops, batches_vary=batches_vary)
    most = min(asked, found.max_sequences)
    return msgspec.structs.replace(found, max_sequences=most, step_s=found.step_s[: most + 1])


def _bursts(points: Sequence[Point]) -> tuple[float, ...]:
    """Which share of the clients of a closed loop may have asked together, where no calibration says so.

    Only first tokens at several concurrencies tell it: they grow with it.
    """
    loads = {point.concurrency for point in points if point.metric == PREFILL}
    return (0.0, 0.5, 1.0) if len(loads) > 1 else (0.0,)


def _asked(profile: EngineConstants) -> Callable[[Serving, int, float, float], tuple[float, float]]:
    def loop(replica: Serving, clients: int, prompt: float, answer: float) -> tuple[float, float]:
        return closed_loop(replica, clients, prompt, answer, engine=profile)

    return loop


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
    kind = kind_of(known, model)
    special = kind.engines[engine]
    form = shape(model, quantisation, accelerator, count, context=context, kv_bits=kv_bits)
    beyond = outside(known, model, quantisation, accelerator, count)
    cost, parts = costs(form, kind.constants, special, 1.0), step_parts(form, kind.constants)
    return Serving(
        step_s=(
            parts.idle * special.scale,
            *(step_seconds(parts, c) * special.scale for c in range(1, max_sequences + 1)),
        ),
        kv_s_per_token=cost.kv_per_token,
        prefill_s_per_token=cost.prefill_per_token,
        prefill_s_per_token2=cost.prefill_per_token2,
        prefill_step_s=cost.prefill_step,
        fixed_s=special.first_s,
        kv_capacity_tokens=kv_capacity_tokens,
        max_sequences=max_sequences,
        chunk_tokens=_CHUNK_TOKENS,
        decode_log_sd=kind.spread.decode_extrapolated if beyond else kind.spread.decode,
        prefill_log_sd=kind.spread.prefill_extrapolated if beyond else kind.spread.prefill,
        calibrated=not beyond,
        note=f"extrapolated: {'; '.join(beyond)}" if beyond else "",
    )


def profile_of(model: OpenModel, engine: Engine) -> EngineConstants:
    """How the first token of this engine comes; llama.cpp has no profile of its own."""
    return kind_of(serving_calibration(), model).engines.get(engine, STEADY)


def one_off(model: OpenModel, engine: Engine) -> float:
    """The log sd by which decode speeds of configurations differ from a prediction inside its calibration."""
    if engine in LLAMACPP_ENGINES:
        return llamacpp_calibration().spread.decode
    return kind_of(serving_calibration(), model).spread.decode


def kind_of(known: ServingCalibration, model: OpenModel) -> KindCalibration:
    """The fit that speaks for this model: of dense models or of mixtures of experts."""
    return known.moe if model.experts else known.dense


def outside(
    known: ServingCalibration, model: OpenModel, quantisation: Quantisation, accelerator: Accelerator, count: int
) -> tuple[str, ...]:
    """What of a deployment no measurement behind the constants covers, in words; empty inside the calibration."""
    kind = kind_of(known, model)
    models = "mixtures of experts" if model.experts else "dense models"
    reasons = []
    if accelerator.name not in kind.devices:
        reasons.append(f"no measurement of {models} on {accelerator.name} (measured: {', '.join(kind.devices)})")
    if quantisation.name not in kind.formats:
        reasons.append(f"no measurement of {models} as {quantisation.name} (measured: {', '.join(kind.formats)})")
    if count > known.max_devices:
        reasons.append(f"measured up to {known.max_devices} devices")
    if model.linear_layers:
        reasons.append("no measurement of a model with linear layers")
    return tuple(reasons)


def closed_loop(
    replica: Serving,
    clients: int,
    input_tokens: float,
    output_tokens: float,
    *,
    engine: EngineConstants = STEADY,
    one_round: bool = False,
) -> tuple[float, float]:
    """Mean time to first token and time per output token (s) with ``clients`` that ask again at once.

    Sequences beyond what the cache or the batch admits wait for a turn. See ``loop_seconds`` for the formula.
    """
    active = active_sequences(replica, clients, input_tokens, output_tokens)
    cost = Costs(
        step=replica.step_s[active],
        kv_per_token=replica.kv_s_per_token,
        prefill_per_token=replica.prefill_s_per_token,
        prefill_per_token2=replica.prefill_s_per_token2,
        prefill_step=replica.prefill_step_s,
    )
    profile = msgspec.structs.replace(engine, first_s=replica.fixed_s)
    return loop_seconds(cost, profile, clients, active, input_tokens, output_tokens, float(one_round))


def active_sequences(replica: Serving, clients: int, input_tokens: float, output_tokens: float) -> int:
    """How many of the clients' sequences run at a time: as many as the batch and the cache, half grown, admit."""
    room = replica.kv_capacity_tokens / (input_tokens + output_tokens / 2.0)
    return max(1, int(min(clients, replica.max_sequences, room)))


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

    Where not even one such sequence fits, the note says so and the figures are those of a larger memory. Raises
    InputError where a figure is not positive or the engine does not run on own devices.
    """
    memory.check_positive(concurrency=concurrency, input_tokens=input_tokens, output_tokens=output_tokens)
    replica = serving(
        model, quantisation, accelerator, count, engine=engine, context=input_tokens + output_tokens,
        max_sequences=concurrency, kv_bits=kv_bits, measured=measured,
    )  # fmt: skip
    ttft, tpot = closed_loop(replica, concurrency, input_tokens, output_tokens, engine=profile_of(model, engine))
    rate = output_rate(concurrency, output_tokens, ttft, tpot)
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
