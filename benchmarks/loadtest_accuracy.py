"""The load test against a server of known latency: how true its figures are, and what it costs itself.

    python benchmarks/loadtest_accuracy.py [--rounds 3]

The exact server (TTFT 100 ms, ITL 20 ms) runs as a process of its own; the load comes from this one, on one core. CPU
is this process's own, read from the kernel, so that a busy machine changes it little; delays and accuracies it does
change, so the best of a few rounds is printed beside all of them.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import uvloop

from crossover.loadtest.arrivals import schedule
from crossover.loadtest.drive import Limits, Log, drive
from crossover.loadtest.measure import figures
from crossover.loadtest.prompts import Synthetic, drawn
from crossover.loadtest.targets import Direct, Target, Through
from crossover.loadtest.words import Figures, Load, Run
from crossover.providers.http import HttpBackend
from crossover.providers.registry import profile, provider
from crossover.transport import Transport, endpoint
from crossover.workload import constant

TTFT_MS, ITL_MS, STREAMS, TOKENS = 100.0, 20.0, 64, 100


@contextmanager
def exact_server() -> Iterator[str]:
    """The address of an exact server in a process of its own."""
    words = ["-m", "crossover.loadtest.exact", "--ttft-ms", str(TTFT_MS), "--itl-ms", str(ITL_MS)]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def target_of(kind: str, url: str, transport: Transport) -> Target:
    row = provider("openai-compatible")
    backend = HttpBackend(row, profile(row, "exact"), endpoint(f"{url}/v1"), transport)
    return Direct(backend) if kind == "direct" else Through(backend, "exact", limit_s=60)


def source(output: int) -> Synthetic:
    return Synthetic(drawn(constant(100), constant(output), np.random.default_rng(1), count=64), seed=time.time_ns())


async def closed(kind: str, url: str) -> tuple[Run, float]:
    """64 streams; the run, and seconds of CPU."""
    transport, load = Transport(), Load(concurrency=STREAMS)
    try:
        target = target_of(kind, url, transport)
        before = time.process_time()
        limits = Limits(requests=3 * STREAMS, warmup=STREAMS)
        run = await drive(target, source(TOKENS), load, limits, Log(load))
        return run, time.process_time() - before
    finally:
        await transport.aclose()


async def open_loop(url: str, rate: float, requests: int, output: int) -> tuple[Run, float]:
    """So many a second, Poisson."""
    transport, load = Transport(), Load(rate_rps=rate)
    due = schedule(load, np.random.default_rng(2), requests=requests, duration_s=None).tolist()
    try:
        target = target_of("direct", url, transport)
        before = time.process_time()
        warmup = int(rate)
        run = await drive(target, source(output), load, Limits(requests=requests, warmup=warmup), Log(load), due=due)
        return run, time.process_time() - before
    finally:
        await transport.aclose()


def pieces(run: Run) -> int:
    return sum(len(shot.times) for shot in run.shots)


def off(made: Figures) -> tuple[float, float]:
    """How far the medians are off, in milliseconds."""
    assert made.ttft is not None
    assert made.itl is not None
    return made.ttft.at(0.5).value * 1000 - TTFT_MS, made.itl.at(0.5).value * 1000 - ITL_MS


def shown(name: str, values: list[float], bar: str, unit: str) -> None:
    best = min(values, key=abs)
    every = ", ".join(f"{value:.2f}" for value in values)
    print(f"{name:<58} {best:7.2f} {unit:<3} (bar {bar}; rounds: {every})")


def main(rounds: int) -> None:
    gc.collect()
    gc.freeze()
    print(f"load averages of the machine: {', '.join(f'{one:.1f}' for one in os.getloadavg())}; {os.cpu_count()} cores")
    with exact_server() as url:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # this process alone: the server is another
        for kind in ("direct", "through"):
            found = [uvloop.run(closed(kind, url)) for _ in range(rounds)]
            made = [figures(run) for run, _ in found]
            assert all(not one.failed for one in made)
            title = "read lean" if kind == "direct" else "through a Backend"
            shown(f"TTFT p50 − {TTFT_MS:.0f} ms, {STREAMS} streams, {title}", [off(one)[0] for one in made], "5", "ms")
            shown(f"ITL p50 − {ITL_MS:.0f} ms, {STREAMS} streams, {title}", [off(one)[1] for one in made], "1", "ms")
            cpu = [spent / pieces(run) * 1e6 for run, spent in found]
            shown(f"CPU a chunk, {STREAMS} streams, {title}", cpu, "25", "µs")
        opened = [uvloop.run(open_loop(url, 500, 4000, 8)) for _ in range(rounds)]
        made = [figures(run) for run, _ in opened]
        for share in (0.5, 0.99):
            late = [one.send_delay.at(share).value * 1000 for one in made if one.send_delay is not None]
            shown(f"send delay p{share * 100:g} at 500 requests/s", late, "5" if share > 0.9 else "–", "ms")
        asked = [spent / len(run.shots) * 1e6 for run, spent in opened]
        shown("CPU a request of 8 chunks at 500 requests/s", asked, "–", "µs")
        rate = [one.requests_per_s.value for one in made]
        print(f"{'answers a second at 500 requests/s':<58} {statistics.median(rate):7.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    main(parser.parse_args().rounds)
