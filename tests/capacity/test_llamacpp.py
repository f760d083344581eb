from __future__ import annotations

import pytest

from crossover.capacity import llamacpp, throughput
from crossover.capacity.calibration import deployment_key, llamacpp_calibration
from tests.capacity.parts import BF16, DENSE, EXPERTS, H100, L4, MAC, Q4, RTX_4090, measured


def test_classes_of_memory() -> None:
    assert [llamacpp.memory_class(device) for device in (H100, L4, RTX_4090, MAC)] == ["hbm", "gddr", "gddr", "apple"]


def test_few_slots() -> None:
    replica = throughput.serving(DENSE, Q4, RTX_4090, 1, engine="llamacpp", context=2048)
    assert replica.max_sequences == llamacpp.MAX_SLOTS
    assert len(replica.step_s) == llamacpp.MAX_SLOTS + 1
    assert replica.calibrated


def test_a_second_device_adds_memory_but_no_speed_to_an_answer() -> None:
    one, two = (throughput.serving(DENSE, Q4, RTX_4090, count, engine="llamacpp", context=2048) for count in (1, 2))
    assert two.step_s[1] > one.step_s[1]
    assert two.kv_capacity_tokens > one.kv_capacity_tokens
    assert two.prefill_s_per_token < one.prefill_s_per_token
    assert two.prefill_step_s > one.prefill_step_s == 0.0


def test_packed_weights_decode_faster() -> None:
    packed, plain = (throughput.serving(DENSE, form, RTX_4090, 1, engine="ollama", context=2048) for form in (Q4, BF16))
    assert packed.step_s[1] < plain.step_s[1]


def test_experts_read_few_weights_alone_and_most_together() -> None:
    assert llamacpp.active_weights(EXPERTS, 1.0) == pytest.approx(10e9 - 128_000 * 4096)
    assert llamacpp.active_weights(EXPERTS, 8.0) > 4 * llamacpp.active_weights(EXPERTS, 1.0)
    assert "mixture of experts" in throughput.serving(EXPERTS, Q4, H100, 2, engine="llamacpp", context=2048).note


def test_unmeasured_devices_say_so() -> None:
    unknown = throughput.serving(DENSE, Q4, MAC, 1, engine="llamacpp", context=2048)
    known = throughput.serving(DENSE, Q4, RTX_4090, 1, engine="llamacpp", context=2048)
    assert not unknown.calibrated
    assert "no measurement on a Mac, only on others with apple memory" in unknown.note
    assert unknown.decode_log_sd > known.decode_log_sd


def test_a_measurement_anchors() -> None:
    key = deployment_key(DENSE, Q4, RTX_4090, 1, "llamacpp")
    point = measured(key, "tpot_s", 0.02, concurrency=1, input_tokens=512, output_tokens=256)
    found = throughput.speed(
        DENSE, Q4, RTX_4090, 1, engine="llamacpp", concurrency=1, input_tokens=512, output_tokens=256, measured=[point]
    )
    assert found.tpot_s.p50 == pytest.approx(0.02, rel=0.02)


def test_constants_are_shipped() -> None:
    known = llamacpp_calibration()
    assert set(known.classes) == {"gddr", "hbm", "apple", "unified", "cpu"}
    assert "RTX 3090" in known.devices
    assert known.rows > 400
