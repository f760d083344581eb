"""What the catalog holds, as words: accelerators, offers, open models, quantisations, and facts about hosted models.

Every row carries ``source`` (where it was read and when it was checked). Memory is in GiB as the driver reports it,
bandwidth in GB/s and arithmetic in TFLOPS (10^12), dense, without sparsity.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

from crossover.evidence import Source

DeviceKind = Literal["datacenter", "workstation", "consumer", "unified", "apple", "cpu"]
Attention = Literal["mha", "gqa", "mla", "hybrid"]
CapabilityClass = Literal["small", "medium", "large", "frontier"]
Lifecycle = Literal["active", "deprecated", "retired"]


class Accelerator(msgspec.Struct, frozen=True, kw_only=True):
    """One device model. ``memory_gib`` is what the driver reports for one device (ECC taken off), in GiB.

    ``fp16_tflops``, ``fp8_tflops``, ``int8_tops``, ``fp4_tflops``: dense peak; None where the format is lacking.
    ``interconnect_gbs``: GB/s per direction between devices of one node (NVLink, PCIe, fabric). ``usable_share``: the
    part of memory an engine may use. ``price_usd``: street or list price of one device or machine, for buying.
    """

    name: str
    vendor: str
    kind: DeviceKind
    memory_gib: float
    bandwidth_gbs: float
    fp16_tflops: float
    tdp_w: float
    usable_share: float
    source: Source
    aliases: tuple[str, ...] = ()
    fp8_tflops: float | None = None
    int8_tops: float | None = None
    fp4_tflops: float | None = None
    interconnect_gbs: float = 0.0
    host_watts: float = 0.0
    max_per_node: int = 8
    price_usd: Decimal | None = None
    price_source: Source | None = None
    note: str = ""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """An hourly price: ``usd_per_hour`` for the whole instance with ``count`` accelerators."""

    cloud: str
    instance: str
    accelerator: str
    count: int
    region: str
    usd_per_hour: Decimal
    source: Source
    spot_usd_per_hour: Decimal | None = None
    reserved_1y_usd_per_hour: Decimal | None = None
    reserved_3y_usd_per_hour: Decimal | None = None
    note: str = ""


class OpenModel(msgspec.Struct, frozen=True, kw_only=True):
    """An open-weight model: the architecture that decides memory and speed. Parameters in 10^9.

    ``experts`` 0 for dense models. ``kv_lora_rank`` and ``rope_dim`` for MLA. ``sliding_window`` tokens, with
    ``full_attention_layers`` layers that see everything (equal to ``layers`` where there is no window).
    ``linear_layers`` of hybrid models keep no growing cache. ``hosted`` lists ``provider/model`` ids of the price
    library that sell these weights per token.
    """

    name: str
    family: str
    params_b: float
    active_b: float
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    max_context: int
    attention: Attention
    capability: CapabilityClass
    licence: str
    source: Source
    aliases: tuple[str, ...] = ()
    ffn: int = 0
    experts: int = 0
    experts_per_token: int = 0
    expert_ffn: int = 0
    shared_experts: int = 0
    kv_lora_rank: int = 0
    rope_dim: int = 0
    sliding_window: int = 0
    full_attention_layers: int = 0
    linear_layers: int = 0
    tied_embeddings: bool = False
    native_bits: float = 16.0
    reasoning: bool = False
    hosted: tuple[str, ...] = ()
    note: str = ""


class Quantisation(msgspec.Struct, frozen=True, kw_only=True):
    """How weights are stored. ``bits`` per weight over the whole model; ``compute`` is the arithmetic format used.

    ``engines`` are those that run it. ``perplexity_change`` (0.05 = 5 % worse) where somebody measured it.
    """

    name: str
    bits: float
    compute: Literal["fp16", "fp8", "int8", "fp4"]
    engines: tuple[str, ...]
    source: Source
    perplexity_change: float | None = None
    note: str = ""


class HostedFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the price library does not hold about a hosted model: capability, lifecycle, published scores.

    ``id`` is ``provider/model``. ``capability`` is this project's reading of published scores, and is shown as assumed.
    ``score`` is a published benchmark result in 0..100 with the benchmark's name.
    """

    id: str
    source: Source
    capability: CapabilityClass | None = None
    lifecycle: Lifecycle = "active"
    ends_on: dt.date | None = None
    replacement: str = ""
    score: float | None = None
    benchmark: str = ""
    note: str = ""
