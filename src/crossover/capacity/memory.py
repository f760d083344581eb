"""Does it fit: weights, cache and what the engine holds besides, against the memory of one replica.

Sizes follow from the architecture: weights are all parameters × bits / 8 (a mixture of experts holds every expert),
the cache of a token is 2 × KV heads × head dim per layer (grouped queries), ``kv_lora_rank + rope_dim`` per layer
(multi-head latent attention), nothing in a linear layer, and at most the window in a sliding one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from crossover.capacity.calibration import EngineMemory, memory_calibration
from crossover.capacity.words import MemoryFit
from crossover.catalog.items import Accelerator, OpenModel, Quantisation, weight_bytes
from crossover.deployment import Engine
from crossover.errors import InputError

GIB = 1024.0**3
_SHARED_MEMORY = frozenset({"apple", "unified", "cpu"})  # device memory is main memory
_MANY_TOKENS = 1 << 40
_MANY_SEQUENCES = 1 << 20


def weights_bytes(model: OpenModel, quantisation: Quantisation) -> float:
    """Bytes of all weights: every parameter, every expert; embedding and output matrix at their own bits."""
    return weight_bytes(model, quantisation)


def growing_layers(model: OpenModel) -> tuple[int, int]:
    """Layers whose cache grows with the whole context, and layers that hold at most the window."""
    caching = model.layers - model.linear_layers
    if not model.sliding_window:
        return caching, 0
    full = min(model.full_attention_layers, caching)
    return full, caching - full


def layer_token_bytes(model: OpenModel, kv_bits: float = 16.0) -> float:
    """Bytes one token takes in the cache of one attention layer."""
    if model.attention == "mla" and model.kv_lora_rank:
        return (model.kv_lora_rank + model.rope_dim) * kv_bits / 8.0
    return 2.0 * model.kv_heads * model.head_dim * kv_bits / 8.0


def kv_bytes(model: OpenModel, tokens: int, kv_bits: float = 16.0) -> float:
    """Bytes of the cache of one sequence of ``tokens`` tokens, over all layers and unsharded."""
    full, windowed = growing_layers(model)
    held = full * tokens + windowed * min(tokens, model.sliding_window)
    return layer_token_bytes(model, kv_bits) * held


def kv_shards(model: OpenModel, count: int, *, layer_split: bool = False) -> int:
    """Into how many different parts the cache falls over ``count`` devices.

    Tensor parallelism splits by KV head and copies beyond that; the latent of MLA has one head. A split by layers
    copies nothing.
    """
    if layer_split:
        return count
    if model.attention == "mla":
        return 1
    return max(1, min(count, model.kv_heads))


def fit(
    model: OpenModel,
    quantisation: Quantisation,
    accelerator: Accelerator,
    count: int,
    *,
    engine: Engine,
    context: int,
    sequences: int = 1,
    kv_bits: float = 16.0,
) -> MemoryFit:
    """Whether ``sequences`` sequences of ``context`` tokens fit on ``count`` devices, and what is the most that fits.

    Raises InputError where a figure is not positive or the engine does not run on own devices.
    """
    rules = engine_memory(engine)
    check_positive(count=count, context=context, sequences=sequences, kv_bits=kv_bits)
    weights = device_weights_bytes(model, quantisation, accelerator, rules)
    usable = usable_bytes(accelerator, count, rules)
    copies = count / kv_shards(model, count, layer_split=rules.layer_split)
    imbalance = _imbalance(model, count, rules)

    # the overhead is a straight line in the context: two points of it save the planner most of its time
    base = overhead_bytes(model, accelerator, count, rules, 0)
    slope = (overhead_bytes(model, accelerator, count, rules, _MANY_TOKENS) - base) / _MANY_TOKENS
    room = usable - weights * imbalance - base

    def needed_by(tokens: int, parallel: int) -> float:
        cache = kv_bytes(model, tokens, kv_bits) * copies * parallel
        return (weights + cache) * imbalance + base + slope * tokens * parallel

    cache = kv_bytes(model, context, kv_bits) * copies * sequences
    per_token = cache / (context * sequences)
    total = needed_by(context, sequences)
    return MemoryFit(
        fits=total <= usable and context <= model.max_context,
        weights_gib=weights / GIB,
        kv_gib=cache / GIB,
        overhead_gib=(total - weights - cache) / GIB,
        usable_gib=usable / GIB,
        kv_bytes_per_token=per_token,
        kv_capacity_tokens=_most(room, per_token * imbalance + slope, _MANY_TOKENS),
        max_context=(
            _largest(lambda tokens: needed_by(tokens, 1) <= usable, model.max_context)
            if model.sliding_window
            else _most(room, per_token * imbalance + slope, model.max_context)
        ),
        max_sequences=_most(room, cache / sequences * imbalance + slope * context, _MANY_SEQUENCES),
        reason=_reason(model, context, total, usable, weights),
    )


def engine_memory(engine: Engine) -> EngineMemory:
    """The memory rules of an engine; InputError for one that runs on nobody's own devices."""
    rules = memory_calibration().engines.get(engine)
    if rules is None:
        raise InputError(f"engine {engine!r} does not run on own devices", field="engine")
    return rules


def usable_bytes(accelerator: Accelerator, count: int, rules: EngineMemory) -> float:
    """Memory of all devices that the engine may take."""
    if rules.share == 0 or accelerator.kind in _SHARED_MEMORY:
        return accelerator.memory_gib * GIB * accelerator.usable_share * count
    return max(accelerator.memory_gib - rules.reserved_gib, 0.0) * GIB * rules.share * count


def device_weights_bytes(
    model: OpenModel, quantisation: Quantisation, accelerator: Accelerator, rules: EngineMemory
) -> float:
    """Bytes of the weights that stand in device memory: llama.cpp looks tokens up in main memory."""
    weights = weights_bytes(model, quantisation)
    if rules.embedding_on_host and accelerator.kind not in _SHARED_MEMORY and not model.tied_embeddings:
        weights -= model.vocab * model.hidden * (quantisation.embedding_bits or quantisation.bits) / 8.0
    return weights


def overhead_bytes(model: OpenModel, accelerator: Accelerator, count: int, rules: EngineMemory, context: int) -> float:
    """Bytes over all devices that are neither weights nor cache.

    These are kernels and workspaces, and the larger of a step's activations and its sampling (they do not coincide).
    The residual stream is held about ten times over, of matrices split over the devices three times their width; a
    mixture of experts holds every token for each chosen expert, with the workspaces of its kernels.
    """
    split = 1 if rules.layer_split else count
    tokens, rows = _by_size(rules.batched_tokens, accelerator, rules), _by_size(rules.logit_rows, accelerator, rules)
    if model.experts:
        wide = model.experts_per_token * (6.0 * model.hidden + 9.0 * model.expert_ffn / split)
    else:
        wide = 3.0 * max(model.ffn, model.heads * model.head_dim) / split
    activations = tokens * 2.0 * (10.0 * model.hidden + wide)
    sampling = rows * model.vocab * rules.logit_bytes
    mask = tokens * rules.mask_bytes * context
    context_gib = 0.0 if accelerator.kind in _SHARED_MEMORY else rules.context_gib
    context_gib += rules.parallel_gib if count > 1 else 0.0
    return count * (context_gib * GIB + max(activations, sampling) + mask)


def _by_size(pair: tuple[int, int], accelerator: Accelerator, rules: EngineMemory) -> float:
    """The value for this device: engines provide for larger batches on large devices of recent generations.

    Between the two sizes it rises slowly, so that a little more memory never leaves less for the cache.
    """
    if accelerator.fp8_tflops is None:  # how the engine's exception for the A100 shows in a datasheet
        return float(pair[0])
    part = (accelerator.memory_gib - rules.small_gib) / (rules.large_gib - rules.small_gib)
    return pair[0] + (pair[1] - pair[0]) * min(max(part, 0.0), 1.0)


def _imbalance(model: OpenModel, count: int, rules: EngineMemory) -> float:
    """How much the fullest device holds above an even share where whole layers are dealt out."""
    if not rules.layer_split or count == 1:
        return 1.0
    parts = model.layers + 1  # the output matrix counts as one more layer
    return count * -(-parts // count) / parts


def _most(room: float, each: float, limit: int) -> int:
    """How many pieces of ``each`` bytes go into ``room`` bytes, at most ``limit``."""
    if room < 0:
        return 0
    return limit if each * limit <= room else int(room / each)


def _largest(fits: Callable[[int], bool], limit: int) -> int:
    """The largest whole number in 0..limit for which a test that never turns true again holds; 0 where none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def check_positive(**values: float) -> None:
    """InputError naming the first value that is not a positive, finite number."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise InputError(f"{name} must be a positive number, not {value}", field=name)


def _reason(model: OpenModel, context: int, total: float, usable: float, weights: float) -> str:
    if context > model.max_context:
        return f"{model.name} takes at most {model.max_context:,} tokens of context"
    spare = (usable - total) / GIB
    if spare >= 0:
        return f"fits with {spare:.1f} GiB to spare"
    if weights > usable:
        return f"the weights alone take {weights / GIB:.1f} of {usable / GIB:.1f} GiB"
    return f"{-spare:.1f} GiB too large for {usable / GIB:.1f} GiB"
