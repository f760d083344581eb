"""The step simulator against closed forms of queueing theory, and against measured closed loops.

Run: ``python benchmarks/simulator_accuracy.py [measured rows]``. Bar: median error of at most 10 % in each part. The
second part needs the measured rows (``CROSSOVER_TEST_DATA``) and splits the error: how far the simulator is from the
throughput model's own formula for the same figures, and how far either is from the measurement.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from capacity_rows import ServingRow, data_folder, serving_rows
from crossover.capacity import throughput
from crossover.capacity.queueing import busy_share, many_servers_wait, single_server_wait
from crossover.capacity.simulate import simulate, simulate_closed_loop
from crossover.capacity.words import Serving

BAR = 0.10
REQUESTS = 60_000
DEFAULT_ROWS = 200
Case = tuple[str, float, float]


def plain(*, slots: int, step: float, per_sequence: float = 0.0, prefill: float = 0.0, fixed: float = 0.0) -> Serving:
    """A replica whose parts can be switched off one by one."""
    return Serving(
        step_s=tuple(step + per_sequence * count for count in range(slots + 1)),
        kv_s_per_token=0.0,
        prefill_s_per_token=prefill,
        prefill_s_per_token2=0.0,
        fixed_s=fixed,
        kv_capacity_tokens=10**9,
        max_sequences=slots,
        chunk_tokens=10**6,
        decode_log_sd=0.0,
        prefill_log_sd=0.0,
        calibrated=True,
    )


def limit_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Name, simulated, expected."""
    step = 0.01
    alone = simulate(
        np.arange(50) * 60.0, np.full(50, 800), np.full(50, 100), plain(slots=8, step=step, prefill=1e-4, fixed=0.1)
    )
    yield "no load: time to first token", alone.ttft.mean, 0.1 + 800 * 1e-4 + step
    yield "no load: time per token", alone.tpot.mean, step
    for load in (0.3, 0.6, 0.8, 0.9):
        length = np.full(REQUESTS, 100)
        yield waiting(rng, f"M/D/1, load {load}", 1, step, length, load, single_server_wait(load, 1.0, 0.0))
        length = np.maximum(np.rint(rng.lognormal(np.log(100) - 0.32, 0.8, REQUESTS)), 1)
        mean, varied = length.mean() * step, length.std() / length.mean()
        yield waiting(rng, f"M/G/1, load {load}", 1, step, length, load, single_server_wait(load / mean, mean, varied))
    for slots, load in ((4, 0.7), (4, 0.9), (16, 0.9), (64, 0.9)):
        length = np.maximum(np.rint(rng.exponential(1000, REQUESTS)), 1)
        mean = length.mean() * step
        expected = many_servers_wait(load * slots / mean, mean, slots)
        yield waiting(rng, f"M/M/{slots}, load {load}", slots, step, length, load, expected)
    for load in (0.2, 1.0, 3.0):
        length = np.full(REQUESTS, 200)
        arrival = np.cumsum(rng.exponential(200 * step / load, REQUESTS))
        result = simulate(arrival, np.ones(REQUESTS), length, plain(slots=500, step=step))
        share = busy_share(load, 1.0)
        yield f"M/G/inf, load {load}: busy share", result.utilisation, share
        yield f"M/G/inf, load {load}: mean batch", result.mean_batch, load / share
    for slots in (1, 16, 256):
        replica = plain(slots=slots, step=step, per_sequence=1e-4, prefill=2e-5)
        count = slots * 20
        result = simulate(np.zeros(count), np.full(count, 500), np.full(count, 200), replica)
        cycle = 200 * replica.step_s[slots] + slots * 500 * 2e-5
        yield f"saturated, {slots} sequences: tokens/s", result.output_tokens_per_s, slots * 200 / cycle


def waiting(
    rng: np.random.Generator,
    name: str,
    slots: int,
    step: float,
    length: NDArray[np.float64] | NDArray[np.int64],
    load: float,
    expected: float,
) -> Case:
    """Mean wait of requests without prompts: their service takes one step a token."""
    mean = float(length.mean()) * step
    arrival = np.cumsum(rng.exponential(mean / (load * slots), length.size))
    result = simulate(arrival, np.ones(length.size), length, plain(slots=slots, step=step))
    # With several servers a request also waits for the step in progress to end, half a step on average.
    lag = 0.0 if slots == 1 else step / 2
    return f"{name}: mean wait", result.queue_s.mean - lag, expected


def closed_loops(rows: list[ServingRow]) -> Iterator[tuple[ServingRow, NDArray[np.float64], NDArray[np.float64]]]:
    """Per row: TPOT and TTFT, each simulated, by formula, measured."""
    for row in rows:
        context = int(row.input_tokens + row.output_tokens)
        replica = throughput.serving(
            row.model, row.quantisation, row.accelerator, row.count, engine=row.engine, context=context,
            max_sequences=max(row.concurrency, 1), kv_bits=row.kv_bits,
        )  # fmt: skip
        if replica.kv_capacity_tokens < 1.2 * context:
            continue
        result = simulate_closed_loop(
            replica, row.concurrency, row.input_tokens, row.output_tokens, spread=0.1, rounds=10, warm_up=0
        )
        ttft, tpot = throughput.closed_loop(
            replica, row.concurrency, row.input_tokens, row.output_tokens,
            engine=throughput.profile_of(row.model, row.engine),
        )  # fmt: skip
        # Load generators count the rush at the start, and ask about ten times a client.
        yield row, np.array([result.tpot_s, tpot, row.tpot_s]), np.array([result.ttft_s, ttft, row.ttft_s])


def report_limits() -> None:
    errors = []
    for name, simulated, expected in limit_cases(np.random.default_rng(1)):
        error = abs(simulated / expected - 1)
        errors.append(error)
        print(f"  {name:42s} simulated {simulated:10.4f}  expected {expected:10.4f}  {error:6.1%}")
    median = float(np.median(errors))
    print(f"closed forms: {len(errors)} cases, median error {median:.1%}, worst {max(errors):.1%}: {verdict(median)}")


def report_measured(limit: int) -> None:
    folder = data_folder()
    if folder is None:
        print("measured closed loops: skipped, no data folder (set CROSSOVER_TEST_DATA)")
        return
    rows, _ = serving_rows(folder)
    rows = [row for row in rows if not row.one_round]
    chosen = np.random.default_rng(0).permutation(len(rows))[:limit]
    found = list(closed_loops([rows[index] for index in sorted(chosen)]))
    print("measured closed loops (these rows are part of the fit; rows left out are in capacity_accuracy.py)")
    for kind in ("dense", "mixture of experts", "all"):
        part = [
            entry for entry in found if kind in {"all", "mixture of experts" if entry[0].model.experts else "dense"}
        ]
        for name, place in (("TPOT", 1), ("TTFT", 2)):
            table = np.array([entry[place] for entry in part])
            pairs = (("simulator to formula", 0, 1), ("formula to measured", 1, 2), ("simulator to measured", 0, 2))
            for label, one, other in pairs:
                error = np.abs(table[:, one] / table[:, other] - 1)
                shown = f"median {np.median(error):6.1%}  p90 {np.percentile(error, 90):7.1%}"
                mark = verdict(float(np.median(error))) if name == "TPOT" and label == "simulator to measured" else ""
                print(f"  {kind:18s} {name}  {label:22s} {shown}  ({len(part)} rows) {mark}")


def verdict(median: float) -> str:
    return "within the bar" if median <= BAR else f"above the bar of {BAR:.0%}"


def main() -> None:
    warnings.simplefilter("error")
    report_limits()
    report_measured(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_ROWS)


if __name__ == "__main__":
    main()
