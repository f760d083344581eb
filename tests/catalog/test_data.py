"""The shipped rows: enough of them, each with source and date, without doubles, and physically possible."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter

import msgspec
import pytest
from genai_prices.data import providers

from crossover.catalog import load as loader
from crossover.catalog import match
from crossover.catalog.items import Catalog, Item, OpenModel, source_of, weight_bytes
from crossover.catalog.load import load

CATALOG = load()
SOLD = {f"{provider.id}/{model.id}" for provider in providers for model in provider.models}
ROWS: tuple[Item, ...] = (
    *CATALOG.accelerators, *CATALOG.offer_history, *CATALOG.models, *CATALOG.quantisations, *CATALOG.hosted,
)  # fmt: skip
DENSE = [
    model
    for model in CATALOG.models
    if not model.experts and model.attention in {"gqa", "mha"} and model.ffn and model.source.verified
]


@pytest.fixture
def catalog() -> Catalog:
    return CATALOG


def test_there_is_enough(catalog: Catalog) -> None:
    assert len(catalog.accelerators) >= 40
    assert len(catalog.models) >= 40
    assert len(catalog.hosted) >= 40
    assert len({offer.cloud for offer in catalog.offers}) >= 5
    assert sum(offer.spot_usd_per_hour is not None for offer in catalog.offers) >= 10


DEVICES = """T4|A10G|L4|L40S|A100 40GB|A100 80GB|H100|H100 PCIe|H100 NVL|H200|B200|B300|GB200|MI300X|RTX 3090|RTX 4090
RTX 5090|M2 Ultra|M3 Ultra|M4 Max|CPU EPYC Genoa"""
MODELS = """Llama 3.1 8B|Llama 3.1 70B|Llama 3.1 405B|Llama 3.2 3B|Llama 3.3 70B|Mistral 7B|Mistral Small|Mistral Large
Mixtral 8x7B|Qwen2.5 72B|Qwen3 32B|Qwen3-30B-A3B|DeepSeek R1|DeepSeek V3|DeepSeek-R1-Distill-Qwen-32B|Gemma 2 9B
Gemma 3 27B|Phi 4|gpt-oss-20b|gpt-oss-120b|Kimi K2|GLM-4.5|Phi-3.5-mini"""


def names(text: str) -> list[str]:
    return text.replace("\n", "|").split("|")


@pytest.mark.parametrize("name", names(DEVICES))
def test_devices_everybody_asks_for(catalog: Catalog, name: str) -> None:
    assert match.accelerator(catalog, name).memory_gib > 0


@pytest.mark.parametrize("name", names(MODELS))
def test_models_everybody_asks_for(catalog: Catalog, name: str) -> None:
    assert match.model(catalog, name).params_b > 0


def test_every_figure_has_a_source_and_a_day() -> None:
    for row in ROWS:
        for field in msgspec.structs.fields(row):
            source = source_of(row, field.name)
            assert source.text
            assert dt.date(2025, 1, 1) <= source.checked <= dt.date(2027, 12, 31)
        names = {field.name for field in msgspec.structs.fields(row)}
        assert {field for field, _ in row.field_sources} <= names, row


def test_prices_to_buy_have_a_source(catalog: Catalog) -> None:
    for device in catalog.accelerators:
        assert (device.price_usd is None) == (device.price_source is None)


def test_verified_sources_can_be_looked_up(catalog: Catalog) -> None:
    for source in catalog.sources:
        assert source.url or not source.verified or "public logs" in source.text, source


def test_no_source_is_unused() -> None:
    with (loader.DATA / "sources.csv").open(encoding="utf-8") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    text = "\n".join(path.read_text() for path in loader.DATA.glob("*.csv") if path.name != "sources.csv")
    assert len(ids) == len(set(ids))
    assert [name for name in ids if name not in text] == []


def test_no_doubles(catalog: Catalog) -> None:
    tables: tuple[tuple[Item, ...], ...] = (
        catalog.accelerators, catalog.offers, catalog.models, catalog.quantisations, catalog.hosted,
    )  # fmt: skip
    for table in tables:
        keys = [loader.key(row) for row in table]
        assert len(keys) == len(set(keys))
    dated = Counter((*loader.key(offer), offer.as_of) for offer in catalog.offer_history)
    assert dated.most_common(1)[0][1] == 1


def test_offers_name_known_devices_and_a_day(catalog: Catalog) -> None:
    names = {device.name for device in catalog.accelerators}
    for offer in catalog.offer_history:
        assert offer.accelerator in names
        assert offer.as_of is not None
        assert offer.as_of <= offer.source.checked
        assert 0.05 < offer.usd_per_hour / offer.count < 40
        if offer.spot_usd_per_hour is not None:
            assert 0 < offer.spot_usd_per_hour < offer.usd_per_hour
        for reserved in (offer.reserved_1y_usd_per_hour, offer.reserved_3y_usd_per_hour):
            assert reserved is None or 0 < reserved < offer.usd_per_hour
    assert any(offer.reserved_3y_usd_per_hour for offer in catalog.offers)


def test_devices_are_physically_possible(catalog: Catalog) -> None:
    for device in catalog.accelerators:
        assert 4 <= device.memory_gib <= 1024
        assert 20 <= device.bandwidth_gbs <= 10_000
        assert 0.5 <= device.fp16_tflops <= 5000
        assert 15 <= device.tdp_w <= 1500
        assert 0.5 <= device.usable_share <= 1
        if device.fp8_tflops and device.fp4_tflops:
            assert device.fp4_tflops >= device.fp8_tflops
        if device.fp8_tflops:
            assert 1 <= device.fp8_tflops / device.fp16_tflops <= 2.3


def test_memory_is_what_drivers_report(catalog: Catalog) -> None:
    for name, mib in (("A10G", 23028), ("L4", 23034), ("L40S", 46068), ("H100", 81559), ("H200", 143771)):
        assert match.accelerator(catalog, name).memory_gib == pytest.approx(mib / 1024, rel=1e-4)


@pytest.mark.parametrize("model", DENSE, ids=lambda model: model.name)
def test_parameters_follow_from_the_architecture(model: OpenModel) -> None:
    embedding = model.vocab * model.hidden * (1 if model.tied_embeddings else 2)
    attention = 2 * model.hidden * model.head_dim * (model.heads + model.kv_heads)
    per_layer = attention + 3 * model.hidden * model.ffn + 2 * model.hidden
    recomputed = (embedding + model.layers * per_layer + model.hidden) / 1e9
    assert recomputed == pytest.approx(model.params_b, rel=0.03)


def test_models_make_sense(catalog: Catalog) -> None:
    for model in catalog.models:
        assert 0 < model.active_b <= model.params_b
        assert model.kv_heads <= model.heads
        assert model.full_attention_layers + model.linear_layers <= model.layers
        assert bool(model.experts) == bool(model.experts_per_token) == (model.active_b < model.params_b)
        assert bool(model.kv_lora_rank) == (model.attention == "mla")
        assert model.score is None or model.benchmark == catalog.rules.benchmark


def test_classes_follow_from_scores(catalog: Catalog) -> None:
    scored = [(row.score, row.capability) for row in catalog.models]
    scored += [(facts.score, facts.capability or "small") for facts in catalog.hosted]
    for score, capability in scored:
        assert score is None or capability == match.capability_of(catalog, score)


def test_sold_ids_exist_in_the_price_library(catalog: Catalog) -> None:
    for model in catalog.models:
        assert set(model.hosted) <= SOLD, set(model.hosted) - SOLD
    assert {facts.id for facts in catalog.hosted} <= SOLD
    everyone = [sold for model in catalog.models for sold in model.hosted]
    assert len(everyone) == len(set(everyone)), "one id sells the weights of one model"


def test_lifecycle_has_days(catalog: Catalog) -> None:
    by_id = {facts.id: facts for facts in catalog.hosted}
    sonnet = by_id["anthropic/claude-3-5-sonnet"]
    assert (sonnet.lifecycle, sonnet.ends_on) == ("retired", dt.date(2025, 10, 28))
    written = max(source.checked for source in catalog.sources)
    for facts in catalog.hosted:
        assert match.lifecycle(facts, written) == facts.lifecycle, facts


def test_an_announced_end_comes(catalog: Catalog) -> None:
    gpt = next(facts for facts in catalog.hosted if facts.id == "openai/gpt-4o")
    assert gpt.ends_on is not None
    assert match.lifecycle(gpt, gpt.ends_on - dt.timedelta(days=1)) == "deprecated"
    assert match.lifecycle(gpt, gpt.ends_on) == "retired"


def test_file_sizes_of_llama_come_out(catalog: Catalog) -> None:
    sizes = {("8b", "Q4_K_M"): 4.58, ("8b", "Q8_0"): 7.95, ("70b", "Q4_K_M"): 39.6, ("70b", "IQ2_S"): 20.71}
    for (size, quantisation), gib in sizes.items():
        model = match.model(catalog, f"llama 3.1 {size}")
        stored = weight_bytes(model, match.quantisation(catalog, quantisation)) / 2**30
        assert stored == pytest.approx(gib, rel=0.005)


def test_awq_keeps_embedding_and_output_at_16_bit(catalog: Catalog) -> None:
    model = match.model(catalog, "llama 3.1 8b")
    assert weight_bytes(model, match.quantisation(catalog, "awq")) / 1e9 == pytest.approx(5.73, rel=0.01)


def test_every_gguf_type_has_bits_and_engines(catalog: Catalog) -> None:
    gguf = [row for row in catalog.quantisations if row.name.startswith(("Q", "IQ"))]
    assert len(gguf) >= 25
    assert all("llamacpp" in row.engines for row in gguf)
    assert sum(row.perplexity_change is not None for row in gguf) >= 20
    for row in catalog.quantisations:
        assert 1 <= row.bits <= 16
