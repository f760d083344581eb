"""How fast the replica is filled from the ledger, and whether a killed filling goes on.

    python benchmarks/replica_fill.py [--rows 200000]

Rows are requests with one attempt and two alternatives each, so every one is four rows of the replica and a share of a
decision. The child process is killed with SIGKILL behind a committed batch; what is there then, and after the filling
that goes on, is compared with the ledger. Wall time and the CPU time of the process are printed: on a machine that is
busy with other things, only the second says what the filling costs.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from crossover.ledger.replica import open_replica
from crossover.ledger.store import open_ledger
from crossover.ledger.words import Alternative, AttemptRow, Record

NOON = 1_794_916_800.0
BAR = 50_000  # rows a second


def record(number: int) -> Record:
    cost = 150_000 * (number % 900) + 600_000 * (number % 200)
    attempt = AttemptRow(deployment="box", outcome="ok", start_ms=0.1, duration_ms=899.0 + number % 7, cost=cost)
    return Record(
        id=f"req_{number:08x}{number * 7919 % 65536:04x}", time=NOON + number * 0.002, door="openai",
        asked=f"route-{number % 5}", policy="local_first", status="ok", key=f"key_{number % 20}", deployment="box",
        provider="vllm", model="qwen", zone="home", local=True, streamed=True, queue_ms=0.1, ttft_ms=80.0 + number % 50,
        total_ms=900.0, input_tokens=number % 900, output_tokens=number % 200, cost=cost, price_source="$1.99/h",
        decision="first local", alternatives=(Alternative("mini", cost), Alternative("large", cost * 9)),
        attempts=(attempt,),
    )  # fmt: skip


def fill_ledger(path: Path, count: int) -> None:
    with open_ledger(path) as ledger:
        writer = ledger.writer(capacity=count)
        for number in range(count):
            writer.append(record(number))
        writer.close()


def filling(folder: Path, target: str, stop_after: int = 0) -> tuple[int, float, float]:
    """Rows, wall seconds and CPU seconds; ``stop_after`` committed batches the process kills itself."""
    committed = 0

    def told(_month: str, _rows: int) -> None:
        nonlocal committed
        committed += 1
        if committed == stop_after:
            os.kill(os.getpid(), signal.SIGKILL)

    gc.set_threshold(100_000)  # as the command does
    began = time.process_time()
    with open_ledger(folder / "ledger.db", readonly=True) as ledger, open_replica(folder / target) as copy:
        done = copy.fill(ledger, told=told)
    return done.rows, done.seconds, time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        filling(Path(given.child), "killed.duckdb", stop_after=2)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill_ledger(folder / "ledger.db", given.rows)
        runs = [filling(folder, f"run{number}.duckdb") for number in range(3)]
        rows, wall, cpu = min(runs, key=lambda run: run[1])
        rate = rows / wall
        print(f"filled {rows:,} requests (and {3 * rows:,} rows of theirs) in {wall:.2f} s, the best of three")
        print(f"  {rate:,.0f} requests/s by the clock, {rows / cpu:,.0f} per second of CPU")
        print(f"  {4 * rate:,.0f} rows/s of the replica; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"  bar: {BAR:,} requests/s by the clock  {'pass' if rate >= BAR else 'FALLS SHORT'}")
        child = subprocess.run([sys.executable, __file__, "--child", name], check=False)
        with open_replica(folder / "killed.duckdb", readonly=True) as copy:
            (left,) = copy.rows("SELECT count(*) FROM records")[0]
        rest, _, _ = filling(folder, "killed.duckdb")
        with open_replica(folder / "killed.duckdb", readonly=True) as copy:
            found = copy.rows("SELECT count(*), count(DISTINCT id), sum(cost) FROM records")
        with open_ledger(folder / "ledger.db", readonly=True) as ledger:
            expected = ledger.rows("SELECT count(*), count(DISTINCT id), sum(cost) FROM records")
        good = child.returncode == -signal.SIGKILL and 0 < left < rows and found == expected
        print(f"killed (SIGKILL) at {left:,} rows, went on with {rest:,}: {'pass' if good else 'FALLS SHORT'}")


if __name__ == "__main__":
    main()
