"""The refit to measurements: what was measured comes out again, error bars say what they stand on, batches end."""

from __future__ import annotations

import msgspec
import pytest

from crossover.capacity import refit, throughput
from crossover.capacity.calibration import deployment_key, llamacpp_calibration
from crossover.capacity.measured import Point, points_of
from crossover.capacity.words import Serving
from crossover.errors import InputError
from crossover.evidence import Evidence
from tests.capacity.parts import BF16, DENSE, FP8, H100, Q4, RTX_4090, measured

KEY = deployment_key(DENSE, Q4, RTX_4090, 1, "llamacpp")
LOAD = {"input_tokens": 100.0, "output_tokens": 50.0}


def llama(*rows: Evidence) -> Serving:
    return throughput.serving(DENSE, Q4, RTX_4090, 1, engine="llamacpp", context=2048, max_sequences=8, measured=rows)


def sweep(*rates: tuple[int, float]) -> list[Evidence]:
    return [measured(KEY, "output_tokens_per_s", rate, concurrency=clients, **LOAD) for clients, rate in rates]


def test_every_point_of_a_sweep_comes_out_again() -> None:
    points = {1: 0.010, 2: 0.013, 4: 0.021, 8: 0.040}
    rows = [measured(KEY, "tpot_s", tpot, concurrency=clients, **LOAD) for clients, tpot in points.items()]
    found = llama(*rows)
    for clients, tpot in points.items():
        assert throughput.closed_loop(found, clients, 100, 50)[1] == pytest.approx(tpot, rel=0.05)
    assert found.points == 4
    assert found.calibrated


def test_prompts_are_told_from_steps() -> None:
    rows = [
        measured(KEY, "tpot_s", 0.010, concurrency=1, **LOAD),
        measured(KEY, "ttft_s", 0.500, concurrency=1, **LOAD),
    ]
    ttft, tpot = throughput.closed_loop(llama(*rows), 1, 100, 50)
    assert tpot == pytest.approx(0.010, rel=0.05)
    assert ttft == pytest.approx(0.500, rel=0.1)


def test_only_first_tokens_leave_the_steps_alone() -> None:
    plain = llama()
    found = llama(measured(KEY, "ttft_s", 0.5, concurrency=1, **LOAD))
    assert found.step_s == pytest.approx(plain.step_s)
    assert found.prefill_s_per_token > 2 * plain.prefill_s_per_token
    assert found.decode_log_sd == plain.decode_log_sd
    assert found.prefill_log_sd < plain.prefill_log_sd


def test_a_batch_ends_where_more_brought_nothing() -> None:
    found = llama(*sweep((1, 100.0), (2, 160.0), (4, 210.0), (8, 205.0)))
    assert found.max_sequences == 4
    assert len(found.step_s) == 5
    assert "more than 4 at once brought nothing" in found.note
    assert llama(*sweep((1, 100.0), (2, 160.0), (4, 210.0))).max_sequences == 8  # nobody looked beyond


def test_a_measurement_with_more_clients_than_are_asked_about() -> None:
    """The point was taken at 64 at once, the question is about 2: the factor is the same as when asked about 64."""
    key = deployment_key(DENSE, BF16, H100, 1, "vllm")
    point = measured(key, "tpot_s", 0.03, concurrency=64, **LOAD)

    def steps(most: int) -> tuple[float, ...]:
        return throughput.serving(
            DENSE, BF16, H100, 1, engine="vllm", context=2048, max_sequences=most, measured=[point]
        ).step_s

    assert len(steps(2)) == 3
    assert steps(2) == pytest.approx(steps(64)[:3], rel=1e-6)


def test_an_interval_of_the_measurement_widens_the_bars() -> None:
    exact = measured(KEY, "tpot_s", 0.010, concurrency=8, **LOAD)
    loose = msgspec.structs.replace(exact, low=0.0085, high=0.0118)
    assert llama(exact).decode_log_sd < llama(loose).decode_log_sd <= llama().decode_log_sd


def test_batches_that_nobody_measured_stay_less_certain() -> None:
    one = llama(measured(KEY, "tpot_s", 0.010, concurrency=1, **LOAD))
    eight = llama(measured(KEY, "tpot_s", 0.010, concurrency=8, **LOAD))
    assert eight.decode_log_sd < one.decode_log_sd < llama().decode_log_sd


def test_measurements_that_contradict_each_other_are_not_certain() -> None:
    rows = [measured(KEY, "tpot_s", tpot, concurrency=1, **LOAD) for tpot in (0.005, 0.02)]
    assert llama(*rows).decode_log_sd > 0.5


def test_other_deployments_are_left_alone() -> None:
    other = deployment_key(DENSE, Q4, RTX_4090, 2, "llamacpp")
    assert llama(measured(other, "tpot_s", 0.5, concurrency=1, **LOAD)) == llama()


def test_what_was_measured_in_one_format_scales_another() -> None:
    """Same model, device and engine: the factor carries over, the certainty does not."""

    def batched(quantisation: object, *rows: Evidence) -> Serving:
        return throughput.serving(DENSE, quantisation, H100, 1, engine="vllm", context=2048, measured=rows)  # type: ignore[arg-type]

    key = deployment_key(DENSE, BF16, H100, 1, "vllm")
    before = batched(BF16)
    after = batched(BF16, measured(key, "tpot_s", 0.05, concurrency=16, **LOAD))
    plain = batched(FP8)
    found = refit.carried(plain, before, after, 0.1)
    factor = after.step_s[16] / before.step_s[16]
    assert found.step_s[16] == pytest.approx(plain.step_s[16] * factor)
    assert after.decode_log_sd < found.decode_log_sd <= plain.decode_log_sd
    assert refit.CARRIED in found.note
    assert found.points == 0


@pytest.mark.parametrize(("name", "value"), [("concurrency", 0.0), ("input_tokens", "many"), ("output_tokens", -1.0)])
def test_a_load_that_is_none_is_refused(name: str, value: object) -> None:
    row = measured(KEY, "tpot_s", 0.01, **{"concurrency": 1.0, **LOAD, name: value})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"needs a positive {name}"):
        points_of([row], KEY)


def test_no_measurement_is_no_refit() -> None:
    plain = llama()
    assert refit.anchored(plain, [], llamacpp_calibration().spread, [], batches_vary=True) is plain
    assert refit.most_useful([]) is None
    lone = Point(
        metric="output_tokens_per_s", value=9, concurrency=1, input_tokens=1, output_tokens=1, log_sd=0
    )  # fmt: skip
    assert refit.most_useful([lone]) is None
