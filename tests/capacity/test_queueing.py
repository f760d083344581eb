from __future__ import annotations

import math

import numpy as np
import pytest

from crossover.capacity.queueing import busy_share, many_servers_wait, single_server_wait
from crossover.capacity.simulate import simulate, simulate_closed_loop
from crossover.errors import InputError
from tests.capacity.test_simulate import serving

STEP = 0.01
REQUESTS = 20_000


def mean_wait(slots: int, load: float, length: np.ndarray, seed: int) -> float:
    """Simulated: Poisson arrivals, one step a token whatever the batch, no prefill."""
    replica = serving(base=STEP, per_sequence=0, kv=0, prefill=0, square=0, slots=slots, capacity=10**9, chunk=10**6)
    rng = np.random.default_rng(seed)
    arrival = np.cumsum(rng.exponential(length.mean() * STEP / (load * slots), length.size))
    return simulate(arrival, np.ones(length.size), length, replica).queue_s.mean


def test_known_values() -> None:
    assert single_server_wait(0.5, 1.0, 1.0) == pytest.approx(1.0)  # M/M/1: load / (1 - load)
    assert single_server_wait(0.5, 1.0, 0.0) == pytest.approx(0.5)
    assert many_servers_wait(0.5, 1.0, 1) == pytest.approx(1.0)
    # Erlang C for 2 servers and a load of 1: a third waits, for half a second on average.
    assert many_servers_wait(1.0, 1.0, 2) == pytest.approx(1 / 3)
    assert busy_share(1.0, 1.0) == pytest.approx(1 - math.exp(-1))


def test_overload_never_ends_and_nonsense_is_refused() -> None:
    assert single_server_wait(1.0, 1.0, 0.0) == math.inf
    assert many_servers_wait(3.0, 1.0, 3) == math.inf
    assert many_servers_wait(0.0, 1.0, 3) == 0
    for rate, mean in ((-1.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)):
        with pytest.raises(InputError):
            busy_share(rate, mean)
    with pytest.raises(InputError):
        many_servers_wait(1.0, 1.0, 0)


def test_the_simulator_agrees_with_the_limit_cases() -> None:
    rng = np.random.default_rng(3)
    varied = np.maximum(np.rint(rng.lognormal(4.3, 0.8, REQUESTS)), 1)
    mean, spread = varied.mean() * STEP, varied.std() / varied.mean()
    exponential = np.maximum(np.rint(rng.exponential(500, REQUESTS)), 1)
    errors = []
    for load in (0.3, 0.6, 0.8):
        expected = single_server_wait(load, 1.0, 0.0)
        errors.append(mean_wait(1, load, np.full(REQUESTS, 100), 1) / expected - 1)
        errors.append(mean_wait(1, load, varied, 2) / single_server_wait(load / mean, mean, spread) - 1)
    for slots in (4, 16):
        seconds = exponential.mean() * STEP
        expected = many_servers_wait(0.8 * slots / seconds, seconds, slots)
        errors.append(mean_wait(slots, 0.8, exponential, 3) / expected - 1)
    assert np.median(np.abs(errors)) < 0.1


@pytest.mark.parametrize("load", [0.2, 1.0, 3.0])
def test_unlimited_servers_are_busy_as_poisson_says(load: float) -> None:
    replica = serving(base=STEP, per_sequence=0, kv=0, prefill=0, square=0, slots=200, capacity=10**9)
    rng = np.random.default_rng(4)
    arrival = np.cumsum(rng.exponential(200 * STEP / load, 8000))
    result = simulate(arrival, np.ones(8000), np.full(8000, 200), replica)
    assert result.utilisation == pytest.approx(busy_share(load, 1.0), rel=0.05)
    assert result.mean_batch * result.utilisation == pytest.approx(load, rel=0.05)


def test_a_closed_loop_reaches_the_throughput_bound() -> None:
    replica = serving(kv=0.0, square=0.0, slots=64)
    loop = simulate_closed_loop(replica, 32, 500, 200, spread=0.2)
    cycle = 200 * replica.step_s[32] + 32 * 500 * 5e-5
    assert loop.output_tokens_per_s == pytest.approx(32 * 200 / cycle, rel=0.05)
    assert loop.tpot_s == pytest.approx(cycle / 200, rel=0.05)
    assert loop.mean_batch == pytest.approx(32, rel=0.05)


def test_clients_beyond_the_slots_wait_for_a_turn() -> None:
    replica = serving(kv=0.0, square=0.0, slots=8)
    few, many = (simulate_closed_loop(replica, clients, 500, 200, spread=0.2) for clients in (8, 16))
    assert many.tpot_s == pytest.approx(few.tpot_s, rel=0.05)
    # Twice the clients at the same throughput: a whole answer's time is spent waiting.
    assert many.ttft_s - few.ttft_s == pytest.approx(few.ttft_s + 199 * few.tpot_s, rel=0.1)


def test_one_client_never_waits() -> None:
    loop = simulate_closed_loop(serving(kv=0.0, square=0.0, fixed=0.1), 1, 1000, 50)
    assert loop.ttft_s == pytest.approx(0.1 + 0.010 + 1000 * 5e-5)
    assert loop.tpot_s == pytest.approx(0.0101)


def test_closed_loops_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError):
        simulate_closed_loop(serving(), 0, 10, 10)
    with pytest.raises(InputError):
        simulate_closed_loop(serving(capacity=100), 2, 1000, 10)
