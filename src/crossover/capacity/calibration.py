"""Fitted constants, as data: what the memory, throughput and llama.cpp models multiply their physics with.

``benchmarks/fit_capacity.py`` writes the files in ``data``; nothing here is typed by hand except their shape. A fit
is dated and carries the spread of ln(measured / predicted) on rows of models and devices it had not seen.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import resources

import msgspec

from crossover.catalog.items import Accelerator, OpenModel, Quantisation
from crossover.evidence import Evidence

LLAMACPP_ENGINES = frozenset({"llamacpp", "ollama"})


class StepConstants(msgspec.Struct, frozen=True, kw_only=True):
    """What a tensor-parallel engine reaches of the peak, and what a step costs besides. Times in microseconds.

    Efficiencies are shares of the peak figure of the device. ``tile_mb`` is the size of one layer's weights per
    device (in MB, 10^6 bytes) at which half of the reachable bandwidth is lost. ``engine_scale`` and
    ``precision_scale`` multiply the step time of an engine and of an arithmetic format, ``moe_scale`` that of
    mixtures of experts.
    """

    weight_efficiency: float
    tile_mb: float
    compute_efficiency: float
    kv_efficiency: float
    layer_us: float
    token_us: float
    collective_us: float
    link_efficiency: float
    prefill_efficiency: float
    prefill_tile: float
    attention_efficiency: float
    prefill_fixed_us: float
    first_token_us: float
    moe_spread: float
    moe_layer_us: float
    mla_kv_efficiency: float
    engine_scale: dict[str, float]
    precision_scale: dict[str, float]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Standard deviations of ln(measured / predicted) on rows left out of the fit, and how much wider elsewhere."""

    decode: float
    prefill: float
    decode_extrapolated: float
    prefill_extrapolated: float
    decode_anchored: float
    prefill_anchored: float


class ServingCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """The constants of engines that batch under tensor parallelism, and where they were measured."""

    fitted: str
    rows: int
    source: str
    constants: StepConstants
    spread: dict[str, Spread]
    devices: tuple[str, ...]
    engines: tuple[str, ...]
    max_devices: int


class ClassConstants(msgspec.Struct, frozen=True, kw_only=True):
    """llama.cpp on one class of memory: shares of the peak reached, and time per layer in microseconds."""

    decode_efficiency: float
    layer_us: float
    kv_efficiency: float
    prefill_efficiency: float


class LlamaCppCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """The constants of llama.cpp by memory class (``gddr``, ``hbm``, ``apple``, ``cpu``, ``unified``)."""

    fitted: str
    rows: int
    source: str
    classes: dict[str, ClassConstants]
    quantised_decode: float
    quantised_prefill: float
    hop_us: float
    spread: Spread
    measured_classes: tuple[str, ...]
    devices: tuple[str, ...]


class EngineMemory(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine uses the memory of a device.

    ``share``: the part of the memory the engine takes at most, 0 for the device's own ``usable_share``.
    ``context_gib``: driver context, kernels and communication buffers per device. ``batched_tokens``: tokens of one
    step for which activations are held. ``activation_factor``: live activation bytes per token, in multiples of
    2 × (hidden + widest matrix) bytes. ``logit_rows``: rows of logits held in 32 bit. ``attention_matrix``: whether a
    score matrix (heads × context × batched tokens) is held, which is the case without flash attention.
    """

    share: float
    context_gib: float
    batched_tokens: int
    activation_factor: float
    logit_rows: int
    attention_matrix: bool
    layer_split: bool


class MemoryCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Memory constants by engine, with where they were read."""

    checked: str
    source: str
    engines: dict[str, EngineMemory]


def _load(name: str) -> bytes:
    return resources.files("crossover.capacity").joinpath("data", name).read_bytes()


@functools.cache
def serving_calibration() -> ServingCalibration:
    """The constants of vLLM, SGLang and TensorRT-LLM."""
    return msgspec.json.decode(_load("serving.json"), type=ServingCalibration)


@functools.cache
def llamacpp_calibration() -> LlamaCppCalibration:
    """The constants of llama.cpp (Ollama runs the same code)."""
    return msgspec.json.decode(_load("llamacpp.json"), type=LlamaCppCalibration)


@functools.cache
def memory_calibration() -> MemoryCalibration:
    """What each engine holds besides weights and cache."""
    return msgspec.json.decode(_load("memory.json"), type=MemoryCalibration)


def deployment_key(
    model: OpenModel, quantisation: Quantisation, accelerator: Accelerator, count: int, engine: str
) -> str:
    """The subject of speed measurements of one deployment: ``model|quantisation|2xdevice|engine``."""
    return f"{model.name}|{quantisation.name}|{count}x{accelerator.name}|{engine}"


def relevant(measured: Iterable[Evidence], subject: str, metric: str) -> list[Evidence]:
    """The measurements of one metric of one deployment; other subjects and unmeasured rows are left out."""
    return [row for row in measured if row.subject == subject and row.metric == metric and row.kind == "measured"]
