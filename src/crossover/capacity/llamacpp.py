"""llama.cpp (and Ollama, which runs the same code): one stream at a time, layers dealt out over the devices.

A decoded token reads every weight it touches once; several devices work one after the other, so that a second device
adds memory, not speed. What share of the peak bandwidth is reached depends on the class of memory.
"""

from __future__ import annotations

from crossover.capacity import memory
from crossover.capacity.calibration import ClassConstants, LlamaCppCalibration, llamacpp_calibration
from crossover.capacity.words import Serving
from crossover.catalog.items import Accelerator, OpenModel, Quantisation

MAX_SLOTS = 8  # llama.cpp's server batches few slots: beyond, each gets a context too short to use
_UBATCH = 512
_HBM_GBS = 1300.0  # no GDDR card of one chip reaches this with 2020-2024 memory, no HBM2e card stays below


def memory_class(accelerator: Accelerator) -> str:
    """``apple``, ``cpu``, ``unified``, ``hbm`` or ``gddr``."""
    if accelerator.kind in {"apple", "cpu", "unified"}:
        return accelerator.kind
    if accelerator.kind == "datacenter" and accelerator.bandwidth_gbs >= _HBM_GBS:
        return "hbm"
    return "gddr"


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
    slots = min(max_sequences, MAX_SLOTS)
    flop = 2.0 * model.active_b * 1e9
    peak = accelerator.fp16_tflops * 1e12 * fitted.prefill_efficiency
    if quantisation.bits < 15.0:
        peak *= known.quantised_prefill
    beyond = outside(known, model, accelerator)
    cache = memory.kv_bytes(model, context, kv_bits) / context
    full, _ = memory.growing_layers(model)
    return Serving(
        step_s=(
            model.layers * fitted.layer_us * 1e-6,
            *(
                step_seconds(model, quantisation, accelerator, count, c, known, fitted) + (c - 1) * flop / peak
                for c in range(1, slots + 1)
            ),
        ),
        kv_s_per_token=cache / (accelerator.bandwidth_gbs * 1e9 * fitted.kv_efficiency),
        prefill_s_per_token=flop / peak,
        prefill_s_per_token2=2.0 * full * model.heads * (model.head_dim or 192) / peak,
        fixed_s=0.0,
        kv_capacity_tokens=kv_capacity_tokens,
        max_sequences=slots,
        chunk_tokens=_UBATCH,
        decode_log_sd=known.spread.decode_extrapolated if beyond else known.spread.decode,
        prefill_log_sd=known.spread.prefill_extrapolated if beyond else known.spread.prefill,
        calibrated=not beyond,
        note=f"extrapolated: {'; '.join(beyond)}" if beyond else "",
    )


def step_seconds(
    model: OpenModel,
    quantisation: Quantisation,
    accelerator: Accelerator,
    count: int,
    sequences: int,
    known: LlamaCppCalibration,
    fitted: ClassConstants,
) -> float:
    """Seconds to decode one token per sequence without the cache: weights touched once, one device after another."""
    efficiency = fitted.decode_efficiency
    if quantisation.bits < 15.0:
        efficiency *= known.quantised_decode
    moved = touched_bytes(model, quantisation, sequences)
    hops = (count - 1) * known.hop_us * 1e-6
    return moved / (accelerator.bandwidth_gbs * 1e9 * efficiency) + model.layers * fitted.layer_us * 1e-6 + hops


def touched_bytes(model: OpenModel, quantisation: Quantisation, sequences: int) -> float:
    """Bytes of weights that one step of ``sequences`` tokens reads; the embedding table is looked up, not read."""
    embedding = 0.0 if model.tied_embeddings else model.vocab * model.hidden / 1e9
    active = model.active_b - embedding
    if not model.experts:
        return active * 1e9 * quantisation.bits / 8.0
    expert = (model.params_b - model.active_b) / (model.experts - model.experts_per_token)
    chosen = model.experts * (1.0 - (1.0 - model.experts_per_token / model.experts) ** sequences)
    shared = active - model.experts_per_token * expert
    return (shared + chosen * expert) * 1e9 * quantisation.bits / 8.0


def outside(known: LlamaCppCalibration, model: OpenModel, accelerator: Accelerator) -> tuple[str, ...]:
    """What of a deployment no measurement behind the constants covers, in words; empty inside the calibration."""
    reasons = []
    kind = memory_class(accelerator)
    if kind not in known.measured_classes:
        reasons.append(f"no measurement on memory of class {kind}")
    elif accelerator.name not in known.devices and not set(accelerator.aliases) & set(known.devices):
        reasons.append(f"no measurement on {accelerator.name}, only on others with the same class of memory ({kind})")
    if model.experts:
        reasons.append("no measurement of a mixture of experts under llama.cpp")
    if model.attention == "mla" or model.linear_layers:
        reasons.append(f"no measurement of {model.attention} attention under llama.cpp")
    return tuple(reasons)
