"""What a plan from a large ledger costs: seconds and memory of ``crossover plan --from-ledger``, the whole command.

    python benchmarks/plan_from_ledger.py [--rows 1000000] [--folder FOLDER] [--keep]

Makes a ledger of so many requests over thirty days in a scratch folder, through the tables of the product, and asks it
for a plan in a process of its own, three times. Requests are those of six names, twenty keys and four deployments with
a daily hill and a quieter weekend; attempts and alternatives are left out, which a plan does not read. 1,000 rows take
about 0.15 MB. The bar: 10 million rows in 10 s and 800 MB.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from crossover.ledger.rows import decision_id, decision_row
from crossover.ledger.schema import (
    GROUP_COLUMNS,
    RECORD_COLUMNS,
    SUM_COLUMNS,
    add_segment,
    bounds_of,
    month_of,
    segments_of,
)
from crossover.ledger.store import open_ledger

NOW = time.time()
DAYS = 30
SECONDS_BAR, MEMORY_BAR = 10.0, 800.0
PORTION = 100_000
NAMES = ("support", "search", "extract", "chat", "code", "draft")
PLACES = (
    ("mini", "openai", "gpt-4o-mini", "us", False), ("large", "openai", "gpt-4o", "us", False),
    ("flash", "gemini", "gemini-2.5-flash", "eu", False), ("box", "ollama", "qwen3:8b", "home", True),
)  # fmt: skip
TIERS = ("none", "soft", "hard")
PRICES = np.array(
    [(150_000, 600_000), (2_500_000, 10_000_000), (300_000, 2_500_000), (20_000, 200_000)]
)  # pico a token


def contents() -> list[tuple[object, ...]]:
    """Every decision: name, deployment, tier."""
    return [
        ("chat", "openai", name, "cheapest", *place[:4], int(place[4]), tier, (), "list", "the cheapest", (), (),
         ("balanced", "1", "", "balanced", "allow"), (), 0)
        for name in NAMES for place in PLACES for tier in TIERS
    ]  # fmt: skip


def arrivals(rows: int) -> np.ndarray:
    """Unix seconds, rising: a hill on every day, quieter at weekends."""
    hours = np.arange(DAYS * 24)
    begin = (int(NOW) // 3600 - DAYS * 24) * 3600
    clock = begin // 3600 + hours
    weights = 1 + 0.8 * np.cos(2 * np.pi * (clock % 24 - 14) / 24)
    weights *= np.where((clock // 24 + 3) % 7 >= 5, 0.6, 1.0)
    random = np.random.default_rng(1)
    counts = random.multinomial(rows, weights / weights.sum())
    return np.sort(begin + 3600 * (np.repeat(hours, counts) + random.random(rows)))


def make(path: Path, rows: int) -> None:
    """The ledger."""
    with open_ledger(path):
        pass
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    times, random = arrivals(rows), np.random.default_rng(2)
    decisions = contents()
    ids = np.array([decision_id(content) for content in decisions])
    for month in sorted({month_of(float(moment)) for moment in (*times[:: max(1, rows // 10_000)], times[-1])}):
        if month not in segments_of(connection):
            add_segment(connection, month)
        table = [decision_row(int(number), content) for number, content in zip(ids, decisions, strict=True)]
        marks = ", ".join("?" * len(table[0]))
        connection.executemany(f"INSERT INTO decisions_{month} VALUES ({marks})", table)
        low, high = np.searchsorted(times, bounds_of(month))
        _fill(connection, month, times[low:high], int(low), ids, random)
        _roll_up(connection, month)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _fill(
    connection: sqlite3.Connection,
    month: str,
    times: np.ndarray,
    before: int,
    ids: np.ndarray,
    random: np.random.Generator,
) -> None:
    marks = ", ".join("?" * len(RECORD_COLUMNS))
    for start in range(0, len(times), PORTION):
        part = times[start : start + PORTION]
        count = len(part)
        prompts = np.minimum(random.lognormal(6.0, 1.0, count), 100_000).astype(int) + 1
        answers = np.minimum(random.lognormal(5.0, 0.8, count), 8_000).astype(int) + 1
        cached = np.where(random.random(count) < 0.4, prompts // 2, 0)
        chosen = random.choice(len(ids), count, p=_shares())
        first = random.lognormal(5.5, 0.5, count)
        place = chosen // len(TIERS) % len(PLACES)
        cost = prompts * PRICES[place, 0] + answers * PRICES[place, 1]
        columns = {
            "number": range(start + 1, start + count + 1),
            "id": [f"req_{before + start + number:012x}" for number in range(count)],
            "time": (part * 1e6).astype(np.int64).tolist(),
            "decision": ids[chosen].tolist(),
            "key": [f"key_{number}" for number in random.integers(0, 20, count).tolist()],
            "status": np.where(random.random(count) < 0.98, "ok", "error").tolist(),
            "http_status": [200] * count, "error": [""] * count, "flags": [1] * count, "queue_ms": [0.1] * count,
            "ttft_ms": first.tolist(), "total_ms": (first + answers * 12.0).tolist(),
            "input_tokens": prompts.tolist(), "cached_read": cached.tolist(), "output_tokens": answers.tolist(),
            "cost": cost.tolist(), "marginal": np.where(place == len(PLACES) - 1, 0, cost).tolist(),
            "best": np.minimum(cost, prompts * 150_000 + answers * 600_000).tolist(),
            "counts": [""] * count,
        }  # fmt: skip
        rows = zip(*(columns.get(name, [0] * count) for name in RECORD_COLUMNS), strict=True)
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO records_{month} VALUES ({marks})", rows)
        connection.execute("COMMIT")


def _shares() -> np.ndarray:
    weights = np.outer(np.outer([6, 4, 3, 3, 2, 1], [5, 2, 1, 2]).ravel(), [8, 1, 1]).ravel().astype(float)
    shares: np.ndarray = weights / weights.sum()
    return shares


def _roll_up(connection: sqlite3.Connection, month: str) -> None:
    """The same sums as the writer keeps, from the rows."""
    sums = {
        "requests": "count(*)", "ok": "sum(r.status = 'ok')", "errors": "sum(r.status = 'error')",
        "attempts": "count(*)", "input_tokens": "sum(r.input_tokens)", "cached_read": "sum(r.cached_read)",
        "output_tokens": "sum(r.output_tokens)", "cost": "sum(r.cost)", "marginal": "sum(r.marginal)",
        "compared": "count(*)", "all_api": "sum(r.best)", "compared_marginal": "sum(r.marginal)",
    }  # fmt: skip
    values = ", ".join(sums.get(name, "0") for name in SUM_COLUMNS)
    connection.execute(
        f"INSERT INTO rollups ({', '.join(GROUP_COLUMNS)}, {', '.join(SUM_COLUMNS)}) "
        f"SELECT r.time / 3600000000, r.key, d.asked, d.deployment, d.provider, d.zone, d.local, {values} "
        f"FROM records_{month} r JOIN decisions_{month} d ON d.id = r.decision GROUP BY 1, 2, 3, 4, 5, 6, 7"
    )


def ask(path: Path) -> tuple[float, float, float]:
    """Seconds, seconds of CPU and MB of one plan."""
    words = ["plan", "--from-ledger", "--ledger", str(path), "--since", f"{DAYS}d"]
    code = "import sys; from crossover.cli.main import run; sys.exit(run(sys.argv[1:]))"
    home = path.parent / "home"
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False,
        env={**os.environ, "CROSSOVER_HOME": str(home), "COLUMNS": "100", "NO_COLOR": "1"},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    took, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took, spent, after.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--keep", action="store_true", help="leave the ledger, and use the one that is there")
    asked = parser.parse_args()
    folder = asked.folder / f"crossover-plan-{asked.rows}"
    path = folder / "ledger.db"
    needed = asked.rows * 200
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < 2 * needed:
            raise SystemExit(f"{folder} has less than {2 * needed / 1e9:.1f} GB left")
        started = time.monotonic()
        make(path, asked.rows)
        print(f"made {asked.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB, in {time.monotonic() - started:.0f} s")
    try:
        found = [ask(path) for _ in range(3)]
    finally:
        if not asked.keep:
            shutil.rmtree(folder)
    seconds, cpu = (sorted(one[place] for one in found)[1] for place in (0, 1))
    memory = max(peak for _, _, peak in found)
    print(
        f"{asked.rows:,} rows, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores: a plan takes "
        f"{seconds:.1f} s, {cpu:.1f} s of CPU (medians of 3), {memory:.0f} MB at most"
    )
    for name, value, bar, unit in (("time", seconds, SECONDS_BAR, "s"), ("memory", memory, MEMORY_BAR, "MB")):
        print(f"{name}: {value:.1f} {unit}, bar {bar:.0f} {unit}: {'pass' if value <= bar else 'FALLS SHORT'}")


if __name__ == "__main__":
    main()
