"""What the catalog holds, as words: accelerators, offers, open models, quantisations, and facts about hosted models.

Every row carries ``source`` (where it was read and when it was checked); ``field_sources`` names the fields that were
read elsewhere or that nobody has compared yet, and :func:`source_of` resolves one field. ``origin`` is ``user`` for a
row from the user's own catalog. Memory is in GiB as the driver reports it, bandwidth in GB/s and arithmetic in TFLOPS
(10^12), dense, without sparsity.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

from crossover.evidence import Source

DeviceKind = Literal["datacenter", "workstation", "consumer", "unified", "apple", "cpu"]
Attention = Literal["mha", "gqa", "mla", "hybrid"]
CapabilityClass = Literal["small", "medium", "large", "frontier"]
Lifecycle = Literal["active", "deprecated", "retired"]
Origin = Literal["shipped", "user"]
FieldSources = tuple[tuple[str, Source], ...]


class Accelerator(msgspec.Struct, frozen=True, kw_only=True):
    """One device model. ``memory_gib`` is what the driver reports for one device (ECC taken off), in GiB.

    ``fp16_tflops``, ``fp8_tflops``, ``int8_tops``, ``fp4_tflops``: dense peak; None where the format is lacking.
    ``interconnect_gbs``: GB/s per direction between devices of one node (NVLink, PCIe, fabric). ``usable_share``: the
    part of memory an engine may use. ``host_watts``: draw of the rest of the machine (processor, memory, fans), per
    device. ``price_usd``: street or list price of one device or machine, for buying.
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
    field_sources: FieldSources = ()
    origin: Origin = "shipped"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """An hourly price: ``usd_per_hour`` for the whole instance with ``count`` accelerators.

    ``as_of`` is the day of the price list it was read from. The reserved prices are per hour of the term.
    """

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
    as_of: dt.date | None = None
    note: str = ""
    field_sources: FieldSources = ()
    origin: Origin = "shipped"


class OpenModel(msgspec.Struct, frozen=True, kw_only=True):
    """An open-weight model: the architecture that decides memory and speed. Parameters in 10^9.

    ``experts`` 0 for dense models. ``kv_lora_rank`` and ``rope_dim`` for MLA. ``sliding_window`` tokens, with
    ``full_attention_layers`` layers that see everything (equal to ``layers`` where there is no window).
    ``linear_layers`` of hybrid models keep no growing cache. ``hosted`` lists ``provider/model`` ids of the price
    library that sell these weights per token. ``score`` is a published result in 0..100 of ``benchmark``.
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
    score: float | None = None
    benchmark: str = ""
    note: str = ""
    field_sources: FieldSources = ()
    origin: Origin = "shipped"


class Quantisation(msgspec.Struct, frozen=True, kw_only=True):
    """How weights are stored; ``compute`` is the arithmetic format used.

    ``bits`` per weight, scales included, of all matrices but the embedding and the output matrix, which many formats
    keep at ``embedding_bits`` (None: the same bits). :func:`weight_bytes` puts both together. ``engines`` are those
    that run it. ``perplexity_change`` (0.05 = 5 % worse) where somebody measured it.
    """

    name: str
    bits: float
    compute: Literal["fp16", "fp8", "int8", "fp4"]
    engines: tuple[str, ...]
    source: Source
    aliases: tuple[str, ...] = ()
    embedding_bits: float | None = None
    perplexity_change: float | None = None
    note: str = ""
    field_sources: FieldSources = ()
    origin: Origin = "shipped"


def weight_bytes(model: OpenModel, quantisation: Quantisation) -> float:
    """Bytes of all weights (every expert) of ``model`` stored as ``quantisation``."""
    matrices = 1 if model.tied_embeddings else 2
    embedding = min(matrices * model.vocab * model.hidden, model.params_b * 1e9)
    bits = quantisation.bits if quantisation.embedding_bits is None else quantisation.embedding_bits
    return ((model.params_b * 1e9 - embedding) * quantisation.bits + embedding * bits) / 8


class HostedFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the price library does not hold about a hosted model: capability, lifecycle, published scores.

    ``id`` is ``provider/model``. ``capability`` is this project's reading of published scores, and is shown as assumed.
    ``score`` is a published benchmark result in 0..100 with the benchmark's name. ``reasoning``: it thinks before it
    answers, and its thoughts are billed as output.
    """

    id: str
    source: Source
    capability: CapabilityClass | None = None
    lifecycle: Lifecycle = "active"
    ends_on: dt.date | None = None
    replacement: str = ""
    score: float | None = None
    benchmark: str = ""
    reasoning: bool = False
    note: str = ""
    field_sources: FieldSources = ()
    origin: Origin = "shipped"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How capability classes and default stand-ins are derived; the reasons are in ``data/rules.csv``.

    A model's class follows from its score on ``benchmark``: below ``medium_from`` it is small, and so on upwards.
    """

    benchmark: str
    medium_from: float
    large_from: float
    frontier_from: float
    steps_above: int
    points_below: float
    points_below_from_medium: float
    min_params_b: float
    min_params_b_from_medium: float
    min_sellers: int


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """All rows at one date.

    ``offers`` holds the newest price of each instance and region, ``offer_history`` every dated price.
    """

    accelerators: tuple[Accelerator, ...]
    offers: tuple[Offer, ...]
    offer_history: tuple[Offer, ...]
    models: tuple[OpenModel, ...]
    quantisations: tuple[Quantisation, ...]
    hosted: tuple[HostedFacts, ...]
    rules: Rules
    sources: tuple[Source, ...]


Item: TypeAlias = Accelerator | Offer | OpenModel | Quantisation | HostedFacts


def source_of(item: Item, field: str) -> Source:
    """Where one field of a row was read: its own source where it has one, else the row's."""
    return dict(item.field_sources).get(field, item.source)
