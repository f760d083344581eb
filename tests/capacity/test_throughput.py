from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.capacity import throughput
from crossover.capacity.calibration import deployment_key, serving_calibration
from crossover.catalog.items import OpenModel
from crossover.deployment import Engine
from crossover.errors import InputError
from crossover.evidence import Band
from tests.capacity.parts import BF16, DENSE, EXPERTS, FP8, H100, HYBRID, L4, LATENT, SLIDING, measured

BATCHING: tuple[Engine, ...] = ("vllm", "sglang", "trtllm")
batching = st.sampled_from(BATCHING)
models = st.sampled_from([DENSE, EXPERTS, LATENT, SLIDING, HYBRID])


@settings(max_examples=30)
@given(models, batching, st.sampled_from([1, 2, 4, 8]))
def test_a_step_is_longer_with_more_sequences(model: OpenModel, engine: Engine, count: int) -> None:
    replica = throughput.serving(model, FP8, H100, count, engine=engine, context=2048, max_sequences=64)
    assert len(replica.step_s) == 65
    assert all(0 < one < two for one, two in pairwise(replica.step_s))
    assert replica.kv_s_per_token > 0
    assert replica.prefill_s_per_token > 0
    assert replica.prefill_step_s > 0


@settings(max_examples=30)
@given(models, batching, st.integers(1, 128), st.integers(16, 8000), st.integers(2, 2000))
def test_more_clients_never_get_their_tokens_sooner(
    model: OpenModel, engine: Engine, clients: int, prompt: int, answer: int
) -> None:
    one, more = (
        throughput.speed(
            model, FP8, H100, 8, engine=engine, concurrency=number, input_tokens=prompt, output_tokens=answer
        )
        for number in (clients, clients + 8)
    )
    assert more.ttft_s.p50 >= one.ttft_s.p50 * (1 - 1e-9)
    assert 0 < one.tpot_s.p10 < one.tpot_s.p50 < one.tpot_s.p90


def test_speed_is_the_closed_loop_of_its_serving() -> None:
    found = throughput.speed(DENSE, BF16, H100, 2, engine="vllm", concurrency=16, input_tokens=1024, output_tokens=256)
    replica = throughput.serving(DENSE, BF16, H100, 2, engine="vllm", context=1280, max_sequences=16)
    profile = throughput.profile_of(DENSE, "vllm")
    ttft, tpot = throughput.closed_loop(replica, 16, 1024, 256, engine=profile)
    assert (found.ttft_s.p50, found.tpot_s.p50) == (ttft, tpot)
    assert found.output_tokens_per_s.p50 == pytest.approx(16 * 256 / (ttft + 255 * tpot))


def test_times_of_a_cycle_add_up() -> None:
    replica = throughput.serving(DENSE, BF16, H100, 1, engine="vllm", context=1536, max_sequences=8)
    steady = throughput.closed_loop(replica, 8, 1024, 512)
    burst = throughput.closed_loop(replica, 8, 1024, 512, one_round=True)
    assert burst[0] > steady[0]
    assert burst[1] < steady[1]
    step = replica.step_s[8] + replica.kv_s_per_token * 8 * (1024 + 256)
    prompts = 8 * (1024 * replica.prefill_s_per_token + 1024**2 * replica.prefill_s_per_token2)
    extra = 512 * (1 - math.exp(-8 / 512)) * replica.prefill_step_s
    assert steady[0] + 511 * steady[1] == pytest.approx(512 * step + prompts + extra)


def test_what_the_cache_does_not_admit_waits() -> None:
    few = throughput.serving(DENSE, BF16, L4, 1, engine="vllm", context=8192, max_sequences=64)
    active = throughput.active_sequences(few, 64, 8000, 192)
    assert active < 8
    alone, _ = throughput.closed_loop(few, active, 8000, 192)
    queued, _ = throughput.closed_loop(few, 64, 8000, 192)
    assert queued > 5 * alone


def test_only_measured_devices_are_called_calibrated() -> None:
    known = throughput.serving(DENSE, BF16, H100, 1, engine="vllm", context=2048)
    unknown = throughput.serving(DENSE, BF16, L4, 1, engine="vllm", context=2048)
    hybrid = throughput.serving(HYBRID, BF16, H100, 1, engine="vllm", context=2048)
    assert known.calibrated
    assert known.note == ""
    assert not unknown.calibrated
    assert "extrapolated: no measurement of dense models on L4" in unknown.note
    packed = throughput.serving(DENSE, msgspec.structs.replace(BF16, name="int3"), H100, 1, engine="vllm", context=2048)
    assert "no measurement of dense models as int3 (measured: fp8, bf16)" in packed.note
    assert unknown.decode_log_sd > known.decode_log_sd
    assert unknown.prefill_log_sd > known.prefill_log_sd
    assert "linear layers" in hybrid.note


def test_a_measurement_moves_the_prediction_onto_itself() -> None:
    plain = throughput.serving(EXPERTS, FP8, H100, 4, engine="vllm", context=2048)
    profile = throughput.profile_of(EXPERTS, "vllm")
    _, before = throughput.closed_loop(plain, 32, 1024, 1024, engine=profile)
    key = deployment_key(EXPERTS, FP8, H100, 4, "vllm")
    point = measured(key, "tpot_s", before * 1.5, concurrency=32, input_tokens=1024, output_tokens=1024)
    other = measured("another", "tpot_s", 9.9, concurrency=32, input_tokens=1024, output_tokens=1024)
    moved = throughput.serving(EXPERTS, FP8, H100, 4, engine="vllm", context=2048, measured=[point, other])
    _, after = throughput.closed_loop(moved, 32, 1024, 1024, engine=profile)
    assert after == pytest.approx(before * 1.5, rel=0.03)
    assert moved.decode_log_sd < plain.decode_log_sd
    assert "rescaled by 1 measured" in moved.note


def test_rates_and_first_tokens_anchor_too() -> None:
    key = deployment_key(DENSE, BF16, H100, 1, "vllm")
    load = {"concurrency": 8.0, "input_tokens": 512.0, "output_tokens": 256.0}
    plain = throughput.speed(DENSE, BF16, H100, 1, engine="vllm", concurrency=8, input_tokens=512, output_tokens=256)
    slow = measured(key, "output_tokens_per_s", plain.output_tokens_per_s.p50 / 2, **load)
    late = measured(key, "ttft_s", plain.ttft_s.p50 * 2, **load)
    found = throughput.speed(
        DENSE, BF16, H100, 1, engine="vllm", concurrency=8, input_tokens=512, output_tokens=256, measured=[slow, late]
    )
    assert found.output_tokens_per_s.p50 == pytest.approx(plain.output_tokens_per_s.p50 / 2, rel=0.1)
    assert found.ttft_s.p50 > 1.5 * plain.ttft_s.p50


def test_a_measurement_without_its_load_is_refused() -> None:
    key = deployment_key(DENSE, BF16, H100, 1, "vllm")
    with pytest.raises(InputError, match="needs a positive concurrency"):
        throughput.serving(DENSE, BF16, H100, 1, engine="vllm", context=2048, measured=[measured(key, "tpot_s", 0.01)])


def test_bad_figures_are_refused() -> None:
    with pytest.raises(InputError, match="max_sequences"):
        throughput.serving(DENSE, BF16, H100, 1, engine="vllm", context=2048, max_sequences=0)
    with pytest.raises(InputError, match="output_tokens"):
        throughput.speed(DENSE, BF16, H100, 1, engine="vllm", concurrency=1, input_tokens=1, output_tokens=0)


def test_constants_are_shipped_and_physical() -> None:
    known = serving_calibration()
    for kind in (known.dense, known.moe):
        assert kind.rows > 400
        assert set(kind.engines) == set(BATCHING)
        assert 0.4 < kind.constants.weight_efficiency < 1
        assert 0 < kind.spread.decode < kind.spread.decode_extrapolated
        assert 0 < kind.spread.prefill < kind.spread.prefill_extrapolated


def test_interval_holds_eighty_per_cent() -> None:
    band = throughput.interval(1.0, 0.1)
    assert isinstance(band, Band)
    assert math.log(band.p90) == pytest.approx(0.12816, abs=1e-4)
    assert band.p10 * band.p90 == pytest.approx(1.0)


def test_no_heavy_library_is_needed() -> None:
    code = (
        "import sys; from crossover.capacity import throughput; "
        "sys.exit(any(name in sys.modules for name in ('numpy', 'scipy', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_does_not_fit_says_so_and_absurd_loads_end() -> None:
    small = throughput.serving(EXPERTS, BF16, L4, 1, engine="vllm", context=2048)
    assert small.note.startswith("does not fit: the weights alone take")
    assert small.kv_capacity_tokens == 0
    busy = throughput.speed(DENSE, BF16, H100, 1, engine="vllm", concurrency=10**7, input_tokens=100, output_tokens=100)
    assert busy.ttft_s.p50 > 1000
