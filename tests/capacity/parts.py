"""Models, devices and formats for the capacity tests: round figures, so that sizes can be checked by hand."""

from __future__ import annotations

import datetime as dt

import msgspec

from crossover.catalog.items import Accelerator, OpenModel, Quantisation
from crossover.evidence import Evidence, Source

SOURCE = Source(text="a test", checked=dt.date(2026, 11, 23))

DENSE = OpenModel(
    name="dense-8b",
    family="test",
    params_b=8.0,
    active_b=8.0,
    layers=32,
    hidden=4096,
    heads=32,
    kv_heads=8,
    head_dim=128,
    vocab=128_000,
    max_context=131_072,
    attention="gqa",
    capability="small",
    licence="test",
    source=SOURCE,
    ffn=14_336,
    full_attention_layers=32,
)
EXPERTS = msgspec.structs.replace(
    DENSE, name="experts-120b", params_b=120.0, active_b=10.0, experts=128, experts_per_token=8, expert_ffn=1536
)
LATENT = msgspec.structs.replace(
    EXPERTS, name="latent", attention="mla", kv_heads=128, heads=128, head_dim=56, kv_lora_rank=512, rope_dim=64
)
SLIDING = msgspec.structs.replace(DENSE, name="sliding", sliding_window=1024, full_attention_layers=8)
HYBRID = msgspec.structs.replace(DENSE, name="hybrid", attention="hybrid", linear_layers=24, full_attention_layers=32)

BF16 = Quantisation(name="bf16", bits=16.0, compute="fp16", engines=("vllm", "llamacpp"), source=SOURCE)
FP8 = Quantisation(name="fp8", bits=8.0, compute="fp8", engines=("vllm",), source=SOURCE, embedding_bits=16.0)
Q4 = Quantisation(name="Q4_K_M", bits=4.8, compute="fp16", engines=("llamacpp",), source=SOURCE)

H100 = Accelerator(
    name="H100 SXM",
    vendor="NVIDIA",
    kind="datacenter",
    memory_gib=79.65,
    bandwidth_gbs=3350.0,
    fp16_tflops=989.0,
    fp8_tflops=1979.0,
    tdp_w=700.0,
    usable_share=0.92,
    interconnect_gbs=450.0,
    source=SOURCE,
)
L4 = msgspec.structs.replace(
    H100, name="L4", memory_gib=22.5, bandwidth_gbs=300.0, fp16_tflops=121.0, fp8_tflops=242.0, interconnect_gbs=0.0
)
RTX_4090 = msgspec.structs.replace(
    H100, name="RTX 4090", kind="consumer", memory_gib=24.0, bandwidth_gbs=1008.0, fp16_tflops=165.0
)
MAC = msgspec.structs.replace(
    H100, name="a Mac", vendor="Apple", kind="apple", memory_gib=64.0, bandwidth_gbs=400.0, fp16_tflops=14.0,
    fp8_tflops=None, usable_share=0.75,
)  # fmt: skip


def measured(subject: str, metric: str, value: float, **context: float) -> Evidence:
    """One measurement of a deployment."""
    return Evidence(
        subject=subject,
        metric=metric,
        value=value,
        unit="s",
        kind="measured",
        source="a test",
        when=dt.date(2026, 11, 23),
        context=dict(context),
    )
