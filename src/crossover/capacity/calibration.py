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


class EngineConstants(msgspec.Struct, frozen=True, kw_only=True):
    """How one engine differs from the common formula.

    ``scale`` multiplies every step, ``prefill_step`` the extra time of a step that holds prompt tokens. The first
    token comes ``first_s`` seconds and ``first_steps`` decode steps after the prompt is computed; ``first_burst`` the
    share of requests that arrive together with all others, as at the start of a load test.
    """

    scale: float
    prefill_step: float
    first_s: float
    first_steps: float
    first_burst: float


class StepConstants(msgspec.Struct, frozen=True, kw_only=True):
    """What a tensor-parallel engine reaches of the peak, and what a step costs besides.

    ``*_efficiency``: share of the peak figure of the device that is reached. ``tile_mb``: MB (10^6 bytes) by which a
    layer's weights appear larger, since small matrices do not reach full bandwidth. ``layer_us``, ``moe_layer_us``,
    ``mla_layer_us``: microseconds per layer and step (all models, mixtures of experts, latent attention);
    ``collective_us``: per layer and doubling of devices, twice. ``step_us``, ``token_us``: microseconds per step and
    per sequence. ``copied_activations`` and ``split_activations``: how often a sequence's hidden state is read or
    written per layer, on every device and in all. ``prefill_slowdown``: loss of prefill per doubling of devices.
    ``prefill_layer_us``: microseconds per layer by which a step is longer that holds prompt tokens.
    """

    weight_efficiency: float
    expert_efficiency: float
    tile_mb: float
    compute_efficiency: float
    kv_efficiency: float
    latent_efficiency: float
    layer_us: float
    moe_layer_us: float
    mla_layer_us: float
    collective_us: float
    step_us: float
    token_us: float
    copied_activations: float
    split_activations: float
    decode_link_efficiency: float
    prefill_link_efficiency: float
    prefill_efficiency: float
    prefill_slowdown: float
    attention_efficiency: float
    prefill_layer_us: float


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Standard deviations of ln(measured / predicted) on rows left out of the fit, and how much wider elsewhere."""

    decode: float
    prefill: float
    decode_extrapolated: float
    prefill_extrapolated: float
    decode_anchored: float
    prefill_anchored: float


class KindCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """The fit of one kind of model (``dense`` or ``moe``): on which rows, with what error on rows left out."""

    rows: int
    devices: tuple[str, ...]
    formats: tuple[str, ...]
    constants: StepConstants
    engines: dict[str, EngineConstants]
    spread: Spread


class ServingCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """The constants of engines that batch under tensor parallelism, and where they were measured."""

    fitted: str
    source: str
    dense: KindCalibration
    moe: KindCalibration
    max_devices: int


class ClassConstants(msgspec.Struct, frozen=True, kw_only=True):
    """llama.cpp on one class of memory.

    ``decode_efficiency``, ``kv_efficiency``: shares of the bandwidth reached on weights and on the cache.
    ``unpack_flop``: operations by which a packed weight costs more than a plain one, against the peak. ``layer_us``:
    microseconds per layer and token. ``prefill_efficiency``: share of the peak reached on prompts, before the ceiling.
    ``attention_cost``: how many times its plain operations attention over the prompt takes.
    """

    decode_efficiency: float
    kv_efficiency: float
    unpack_flop: float
    layer_us: float
    prefill_efficiency: float
    attention_cost: float


class LlamaCppCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """The constants of llama.cpp by memory class (``gddr``, ``hbm``, ``apple``, ``cpu``, ``unified``).

    ``prefill_ceiling_tflops``: what its kernels reach at most on any device. ``packed_prefill``: speed of prompts on
    packed weights against plain ones. ``hop_us``: microseconds to hand a token to the next device.
    ``pipelining``: share of the ideal gain that several devices bring on long prompts.
    """

    fitted: str
    rows: int
    source: str
    classes: dict[str, ClassConstants]
    prefill_ceiling_tflops: float
    packed_prefill: float
    hop_us: float
    pipelining: float
    spread: Spread
    measured_classes: tuple[str, ...]
    devices: tuple[str, ...]
    formats: tuple[str, ...]


class EngineMemory(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine uses the memory of a device; sizes in GiB per device.

    ``share``: the part of what the driver hands out that the engine takes, 0 for the device's own ``usable_share``.
    ``reserved_gib``: kept by the driver. ``context_gib``: kernels and workspaces; ``parallel_gib``: more of them where
    several devices work on one layer. A step of ``batched_tokens`` and sampling from ``logit_rows`` rows of
    ``logit_bytes`` per vocabulary entry are provided for, whichever is larger; each has a value for small devices and
    one for large ones, between ``small_gib`` and ``large_gib`` of memory in between. ``mask_bytes`` is held per token
    of context and of the step. ``embedding_on_host``: the embedding stays in main memory.
    """

    share: float
    reserved_gib: float
    context_gib: float
    parallel_gib: float
    small_gib: float
    large_gib: float
    batched_tokens: tuple[int, int]
    logit_rows: tuple[int, int]
    logit_bytes: float
    mask_bytes: float
    embedding_on_host: bool
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
