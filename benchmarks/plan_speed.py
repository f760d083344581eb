"""How fast a plan is: the whole process from flags, and the full plan on a recorded trace, with peak memory.

    python benchmarks/plan_speed.py [--data ../shared/data]

Figures are printed beside a floor measured in the same run (a Python that imports numpy), because machines differ.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

FLAGS = ["--requests-per-day", "10000", "--input-tokens", "500", "--output-tokens", "300", "--model", "gpt-4o-mini"]
TRACE_REQUESTS = 19_366
BARS = {"simulate": 0.2, "flags": 2.0, "full_s": 20.0, "full_mb": 600.0}


def child(*command: str) -> tuple[float, float, str]:
    """Wall seconds, peak MB and output of a process."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, done.stdout


def best(times: int, *command: str) -> float:
    """The least wall time of a warm process over several runs."""
    child(*command)
    return min(child(*command)[0] for _ in range(times))


def report(name: str, value: float, unit: str, bar: float) -> None:
    print(f"{name:58} {value:8.2f} {unit:3} bar {bar:g} {unit}  {'ok' if value <= bar else 'FALLS SHORT'}")


def simulate_trace(trace: Path) -> float:
    """Seconds to replay the whole trace through one deployment, with all percentiles."""
    from crossover.capacity.simulate import simulate
    from crossover.capacity.throughput import serving
    from crossover.catalog import match
    from crossover.catalog.load import load
    from crossover.traffic.trace import read_trace

    rows = read_trace(trace)
    catalog = load()
    replica = serving(
        match.model(catalog, "llama 3.1 8b"),
        match.quantisation(catalog, "fp8"),
        match.accelerator(catalog, "H100 SXM"),
        1,
        engine="vllm",
        context=8192,
    )
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        result = simulate(rows.arrival_s, rows.input_tokens, rows.output_tokens, replica)
        seconds.append(time.perf_counter() - started)
    print(
        f"  {result.requests} requests, utilisation {result.utilisation:.0%}, TTFT p95 {result.ttft.p95 * 1000:.0f} ms"
    )
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CROSSOVER_TEST_DATA") or default))
    trace = parser.parse_args().data / "traces" / "azure2023_conv.csv"
    command = str(Path(sys.executable).with_name("crossover"))
    floor = best(3, sys.executable, "-c", "import numpy")
    print(f"{'floor: a Python that imports numpy':58} {floor:8.2f} s")
    report("crossover --help, whole process", best(3, command, "--help"), "s", 0.3)
    flags = best(3, command, "plan", *FLAGS)
    report("flags-only plan, whole process", flags, "s", BARS["flags"])
    if not trace.exists():
        print(f"no trace at {trace}: the rest is skipped (--data names the folder)")
        return
    report("simulate the 19,366-request trace, one deployment", simulate_trace(trace), "s", BARS["simulate"])
    seconds, memory, text = child(command, "plan", "--trace", str(trace), "--model", "gpt-4o-mini")
    counts = next((line.strip() for line in text.splitlines() if "bounded by arithmetic" in line), "")
    print(f"  {counts}")
    report("full plan on the trace, hybrids and futures", seconds, "s", BARS["full_s"])
    report("  its peak memory", memory, "MB", BARS["full_mb"])


if __name__ == "__main__":
    main()
