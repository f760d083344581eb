from __future__ import annotations

import importlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.capacity import memory
from crossover.capacity.calibration import memory_calibration
from crossover.catalog.items import Accelerator, OpenModel
from crossover.deployment import Engine
from crossover.errors import InputError
from tests.capacity.parts import BF16, DENSE, EXPERTS, FP8, H100, HYBRID, L4, LATENT, MAC, Q4, RTX_4090, SLIDING

ENGINES: tuple[Engine, ...] = ("vllm", "sglang", "trtllm", "llamacpp", "ollama")
engines = st.sampled_from(ENGINES)
models = st.sampled_from([DENSE, EXPERTS, LATENT, SLIDING, HYBRID])


def test_every_expert_counts() -> None:
    assert memory.weights_bytes(EXPERTS, BF16) == pytest.approx(240e9)


def test_embedding_keeps_its_own_bits() -> None:
    embedding = 2 * 128_000 * 4096
    assert memory.weights_bytes(DENSE, FP8) == pytest.approx(8e9 + embedding)


@pytest.mark.parametrize(
    ("model", "tokens", "expected"),
    [
        (DENSE, 1000, 32 * 2 * 8 * 128 * 2 * 1000),
        (LATENT, 1000, 32 * (512 + 64) * 2 * 1000),
        (SLIDING, 1000, 32 * 2 * 8 * 128 * 2 * 1000),
        (SLIDING, 5000, 2 * 8 * 128 * 2 * (8 * 5000 + 24 * 1024)),
        (HYBRID, 1000, 8 * 2 * 8 * 128 * 2 * 1000),
    ],
)
def test_cache_of_a_sequence(model: OpenModel, tokens: int, expected: int) -> None:
    assert memory.kv_bytes(model, tokens) == expected
    assert memory.kv_bytes(model, tokens, kv_bits=8.0) == expected / 2


def test_cache_heads_are_copied_beyond_their_number_and_a_latent_at_once() -> None:
    assert [memory.kv_shards(DENSE, count) for count in (1, 2, 8, 16)] == [1, 2, 8, 8]
    assert memory.kv_shards(LATENT, 8) == 1
    assert memory.kv_shards(LATENT, 8, layer_split=True) == 8
    alone = memory.fit(LATENT, FP8, H100, 4, engine="vllm", context=8192)
    split = memory.fit(DENSE, FP8, H100, 4, engine="vllm", context=8192)
    assert alone.kv_gib * memory.GIB == pytest.approx(4 * memory.kv_bytes(LATENT, 8192))
    assert split.kv_gib * memory.GIB == pytest.approx(memory.kv_bytes(DENSE, 8192))


@settings(max_examples=60)
@given(models, engines, st.floats(8, 200), st.floats(0.1, 100), st.integers(1, 8), st.integers(256, 65_536))
def test_more_memory_never_makes_a_model_not_fit(
    model: OpenModel, engine: Engine, size: float, more: float, count: int, context: int
) -> None:
    small, large = (
        memory.fit(model, FP8, msgspec.structs.replace(H100, memory_gib=gib), count, engine=engine, context=context)
        for gib in (size, size + more)
    )
    assert large.fits or not small.fits
    assert large.max_context >= small.max_context
    assert large.max_sequences >= small.max_sequences
    assert large.kv_capacity_tokens >= small.kv_capacity_tokens


@settings(max_examples=60)
@given(models, engines, st.sampled_from([H100, L4, RTX_4090, MAC]), st.integers(128, 60_000), st.integers(1, 60_000))
def test_more_context_never_frees_memory(
    model: OpenModel, engine: Engine, device: Accelerator, context: int, more: int
) -> None:
    short = memory.fit(model, Q4, device, 2, engine=engine, context=context)
    long = memory.fit(model, Q4, device, 2, engine=engine, context=context + more)
    assert short.kv_gib + short.overhead_gib <= long.kv_gib + long.overhead_gib
    assert short.fits or not long.fits
    assert short.max_sequences >= long.max_sequences


@settings(max_examples=40)
@given(models, engines, st.integers(1, 8))
def test_the_longest_context_is_where_fitting_ends(model: OpenModel, engine: Engine, count: int) -> None:
    longest = memory.fit(model, Q4, RTX_4090, count, engine=engine, context=1024).max_context
    if longest:
        assert memory.fit(model, Q4, RTX_4090, count, engine=engine, context=longest).fits
    if longest < model.max_context:
        assert not memory.fit(model, Q4, RTX_4090, count, engine=engine, context=longest + 1).fits


def test_reasons_say_what_is_short() -> None:
    assert "weights alone take" in memory.fit(EXPERTS, BF16, L4, 1, engine="vllm", context=1024).reason
    assert "at most 131,072 tokens" in memory.fit(DENSE, BF16, H100, 1, engine="vllm", context=200_000).reason
    assert "to spare" in memory.fit(DENSE, BF16, H100, 1, engine="vllm", context=1024).reason
    tight = memory.fit(DENSE, BF16, L4, 1, engine="vllm", context=1024, sequences=500)
    assert not tight.fits
    assert "too large" in tight.reason


def test_bad_figures_and_hosted_engines_are_refused() -> None:
    with pytest.raises(InputError, match="count must be a positive number"):
        memory.fit(DENSE, BF16, H100, 0, engine="vllm", context=1024)
    with pytest.raises(InputError, match="kv_bits"):
        memory.fit(DENSE, BF16, H100, 1, engine="vllm", context=1024, kv_bits=float("nan"))
    with pytest.raises(InputError, match="does not run on own devices"):
        memory.fit(DENSE, BF16, H100, 1, engine="hosted", context=1024)


def test_every_engine_has_its_rules() -> None:
    assert set(memory_calibration().engines) == set(ENGINES)


def test_cells_of_real_devices(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    capacity_accuracy = importlib.import_module("capacity_accuracy")
    report = capacity_accuracy.Report()
    capacity_accuracy.memory_report(shared_data / "planner", report)
    assert not [line for line in report.bars if "FALLS SHORT" in line]
