"""llama.cpp (and Ollama, which runs the same code): one stream at a time, layers dealt out over the devices.

A decoded token reads every weight it touches once; several devices work one after the other, so that a second device
adds memory, not speed. Prompts longer than a micro-batch do run through the devices as through a pipeline. What share
of the peak is reached depends on the class of memory.
"""

from __future__ import annotations

import msgspec

from crossover.capacity import memory
from crossover.capacity.calibration import ClassConstants, LlamaCppCalibration, llamacpp_calibration
from crossover.capacity.words import Serving
from crossover.catalog.items import Accelerator, OpenModel, Quantisation

MAX_SLOTS = 8  # llama.cpp's server batches few slots: beyond, each gets a context too short to use
MICRO_BATCH = 512  # n_ubatch: tokens computed at once
_BATCH = 2048  # n_batch: tokens handed over in one call
_PACKED_BELOW_BITS = 15.0
_HBM_GBS = 1300.0  # up to 2023 no card with GDDR memory reached this, and no card with HBM2e or later stays below


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """What one token moves and computes, over all devices; rates are of one device."""

    layers: float
    bytes_per_weight: float
    flop: float
    packed: float
    kv_bytes: float
    attention_flop: float
    bandwidth: float
    peak: float
    devices: float


def memory_class(accelerator: Accelerator) -> str:
    """``apple``, ``cpu``, ``unified``, ``hbm`` or ``gddr``."""
    if accelerator.kind in {"apple", "cpu", "unified"}:
        return accelerator.kind
    if accelerator.kind == "datacenter" and accelerator.bandwidth_gbs >= _HBM_GBS:
        return "hbm"
    return "gddr"


def form(
    model: OpenModel,
    quantisation: Quantisation,
    accelerator: Accelerator,
    count: int,
    *,
    context: int,
    kv_bits: float = 16.0,
) -> Form:
    """What one token of this model moves and computes here."""
    full, _ = memory.growing_layers(model)
    weights = memory.weights_bytes(model, quantisation) / (model.params_b * 1e9)
    # Consumer cards are listed with 32-bit accumulation, at half the rate that llama.cpp's kernels use.
    double = 2.0 if accelerator.kind == "consumer" and accelerator.vendor == "NVIDIA" else 1.0
    return Form(
        layers=float(model.layers),
        bytes_per_weight=weights,
        flop=2.0 * active_weights(model, 1.0),
        packed=1.0 if quantisation.bits < _PACKED_BELOW_BITS else 0.0,
        kv_bytes=memory.kv_bytes(model, context, kv_bits) / context,
        attention_flop=2.0 * full * model.heads * model.head_dim,
        bandwidth=accelerator.bandwidth_gbs * 1e9,
        peak=accelerator.fp16_tflops * 1e12 * double,
        devices=float(count),
    )


def active_weights(model: OpenModel, sequences: float) -> float:
    """How many weights a step of so many tokens reads; the embedding is looked up, not read."""
    embedding = 0.0 if model.tied_embeddings else model.vocab * model.hidden / 1e9
    active = model.active_b - embedding
    if model.experts:
        expert = (model.params_b - model.active_b) / (model.experts - model.experts_per_token)
        chosen = model.experts * (1.0 - (1.0 - model.experts_per_token / model.experts) ** sequences)
        active += (chosen - model.experts_per_token) * expert
    return active * 1e9


def step_seconds(shape: Form, weights: float, fitted: ClassConstants, hop_us: float) -> float:
    """Seconds to decode one token per sequence without the cache: ``weights`` are read, one device after another."""
    reading = weights * shape.bytes_per_weight / (shape.bandwidth * fitted.decode_efficiency)
    unpacking = weights * shape.packed * fitted.unpack_flop / shape.peak
    return reading + unpacking + (shape.layers * fitted.layer_us + (shape.devices - 1.0) * hop_us) * 1e-6


def kv_seconds(shape: Form, fitted: ClassConstants) -> float:
    """Seconds per step and cached token of a sequence."""
    return shape.kv_bytes / (shape.bandwidth * fitted.kv_efficiency)


def prefill_seconds(
    shape: Form, fitted: ClassConstants, ceiling_tflops: float, packed_prefill: float, pipelining: float
) -> tuple[float, float, float]:
    """Seconds per prompt token, per squared token, and once per prompt until the pipeline of devices is full."""
    slower = 1.0 + shape.packed * (1.0 / packed_prefill - 1.0)
    per_flop = 1.0 / (shape.peak * fitted.prefill_efficiency) + 1.0 / (ceiling_tflops * 1e12)
    alone = shape.flop * per_flop * slower
    gain = 1.0 + (shape.devices - 1.0) * pipelining
    square = shape.attention_flop * per_flop * fitted.attention_cost / gain
    return alone / gain, square, MICRO_BATCH * (alone - alone / gain)


def serving(
    model: OpenModel,
    quantisation: Quantisation,
    accelerator: Accelerator,
    count: int,
    *,
    context: int,
    max_sequences: int,
    kv_bits: float,
    kv_capacity_tokens: int,
) -> Serving:
    """One llama.cpp server as the simulator sees it, with at most ``MAX_SLOTS`` slots that are decoded together."""
    known = llamacpp_calibration()
    fitted = known.classes[memory_class(accelerator)]
    shape = form(model, quantisation, accelerator, count, context=context, kv_bits=kv_bits)
    linear, square, filling = prefill_seconds(
        shape, fitted, known.prefill_ceiling_tflops, known.packed_prefill, known.pipelining
    )
    slots = min(max_sequences, MAX_SLOTS)
    beyond = outside(known, model, quantisation, accelerator)
    return Serving(
        step_s=(
            shape.layers * fitted.layer_us * 1e-6,
            *(
                step_seconds(shape, active_weights(model, float(c)), fitted, known.hop_us)
                + (c - 1) * (linear + filling / MICRO_BATCH)  # further sequences ride along at the speed of a prompt
                for c in range(1, slots + 1)
            ),
        ),
        kv_s_per_token=kv_seconds(shape, fitted),
        prefill_s_per_token=linear,
        prefill_s_per_token2=square,
        prefill_step_s=filling,
        fixed_s=0.0,
        kv_capacity_tokens=kv_capacity_tokens,
        max_sequences=slots,
        chunk_tokens=_BATCH,
        decode_log_sd=known.spread.decode_extrapolated if beyond else known.spread.decode,
        prefill_log_sd=known.spread.prefill_extrapolated if beyond else known.spread.prefill,
        calibrated=not beyond,
        note=f"extrapolated: {'; '.join(beyond)}" if beyond else "",
    )


def outside(
    known: LlamaCppCalibration, model: OpenModel, quantisation: Quantisation, accelerator: Accelerator
) -> tuple[str, ...]:
    """What of a deployment no measurement behind the constants covers, in words; empty inside the calibration."""
    reasons = []
    kind = memory_class(accelerator)
    if kind not in known.measured_classes:
        reasons.append(f"no measurement on memory of class {kind}")
    elif accelerator.name not in known.devices:
        reasons.append(f"no measurement on {accelerator.name}, only on others with {kind} memory")
    if quantisation.name not in known.formats:
        reasons.append(f"no measurement of {quantisation.name} (measured: {', '.join(known.formats)})")
    if model.experts:
        reasons.append("no measurement of a mixture of experts under llama.cpp")
    if model.attention == "mla" or model.linear_layers:
        reasons.append(f"no measurement of {model.attention} attention under llama.cpp")
    return tuple(reasons)
