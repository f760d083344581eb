"""What the ledger costs: CPU per row beside a reader, the audit, latency of reservations, forgetting a month.

    python benchmarks/ledger_speed.py [--rows 40000]

Every figure stands beside plain SQLite in the same run (the same columns by executemany, without roll-ups), because
machines differ; compare ratios. CPU is that of the whole process. Rows have one attempt and two alternatives.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sqlite3
import statistics
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from crossover.ledger import audit, care, queries
from crossover.ledger.rows import batch_of
from crossover.ledger.schema import ALTERNATIVE_COLUMNS, ATTEMPT_COLUMNS, RECORD_COLUMNS
from crossover.ledger.store import Ledger, open_ledger
from crossover.ledger.words import Alternative, AttemptRow, Budget, Privacy, Record
from crossover.ledger.writer import Writer

NOON = 1_794_916_800.0
ROW_BAR, IDLE_BAR = 10.0, 0.3  # µs of CPU a row; ms of a reservation while nothing else happens
AUDIT_BAR = 8.0  # µs of CPU that the entry of a request adds
BATCH = 500  # rows of 100 ms at 5,000 requests a second
REPEATS = 3


def record(number: int) -> Record:
    cost = 150_000 * (number % 900) + 600_000 * (number % 200)
    return Record(
        id=f"req_{number:08x}{number * 7919 % 65536:04x}", time=NOON + number * 0.002, door="openai", asked="support",
        policy="local_first", status="ok", key=f"key_{number % 20}", deployment="box", provider="ollama", model="qwen",
        zone="home", local=True, streamed=True, queue_ms=0.1, ttft_ms=80.0 + number % 50, total_ms=900.0,
        input_tokens=number % 900, output_tokens=number % 200, cost=cost, price_source="$1.99/h",
        decision="first local",
        alternatives=(Alternative("mini", cost), Alternative("large", cost * 9)),
        attempts=(
            AttemptRow(
                deployment="box", outcome="ok", start_ms=0.1, duration_ms=899.0, zone="home", provider="ollama",
                party="own",
            ),
        ),
        privacy=Privacy(profile="balanced", detector="2026.11.1", rule="balanced"),
    )  # fmt: skip


def that_left(number: int) -> Record:
    """The same request, answered by an API; in every second one two names and an address were replaced."""
    found = number % 2 == 1
    counts = (("personal", "person", "soft", 2), ("identifiers", "email", "hard", 1)) if found else ()
    action: Literal["allow", "redact"] = "redact" if found else "allow"
    attempt = AttemptRow(
        deployment="mini", outcome="ok", start_ms=0.1, duration_ms=899.0, zone="openai-eu", provider="openai",
        party="openai", left=True, action=action, redacted=3 if found else 0,
    )  # fmt: skip
    return msgspec.structs.replace(
        record(number), deployment="mini", provider="openai", model="gpt-4o-mini", zone="openai-eu", local=False,
        attempts=(attempt,), tier="hard" if found else "none", categories=("identifiers", "personal") if found else (),
        privacy=Privacy(
            profile="balanced", detector="2026.11.1", counts=counts, action=action,
            rule="balanced: identifiers/email redact" if found else "balanced",
        ),
    )  # fmt: skip


@contextlib.contextmanager
def writing(path: Path, flush_s: float = 0.1) -> Iterator[tuple[Ledger, Writer]]:
    with open_ledger(path) as ledger:
        writer = ledger.writer(flush_s=flush_s, capacity=10**7)
        yield ledger, writer
        writer.close()


def ours(path: Path, records: list[Record]) -> float:
    """CPU µs a row: appended in bursts, flushed by the thread."""
    with writing(path, flush_s=0.0) as (_, writer):
        started = time.process_time()
        for start in range(0, len(records), BATCH):
            for each in records[start : start + BATCH]:
                writer.append(each)
            time.sleep(0.01)
        while writer.health().written < len(records):
            time.sleep(0.01)
        return (time.process_time() - started) / len(records) * 1e6


def plain(path: Path, records: list[Record]) -> float:
    """CPU µs a row of executemany into the same columns, rows made before."""
    tables = {"records": RECORD_COLUMNS, "attempts": ATTEMPT_COLUMNS, "alternatives": ALTERNATIVE_COLUMNS}
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    for table, columns in tables.items():
        kinds = ["integer primary key", *("text unique" if name == "id" else "bigint" for name in columns[1:])]
        made = ", ".join(f"{name} {kind}" for name, kind in zip(columns, kinds, strict=True))
        connection.execute(f"CREATE TABLE {table} ({made})")
    (rows,) = batch_of(records, lambda _: 0, {}).months.values()
    per = {"records": (rows.records, 1), "attempts": (rows.attempts, 1), "alternatives": (rows.alternatives, 2)}
    started = time.process_time()
    for start in range(0, len(records), BATCH):
        connection.execute("BEGIN IMMEDIATE")
        for table, (found, times) in per.items():
            marks = ", ".join("?" * len(tables[table]))
            portion = found[start * times : (start + BATCH) * times]
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", portion)
        connection.execute("COMMIT")
    spent = time.process_time() - started
    connection.close()
    return spent / len(records) * 1e6


def show_audit(folder: Path, count: int, without: float) -> None:
    """What an entry of the audit costs beside its row, on disk, and when the chain is verified."""
    records = [that_left(number) for number in range(count)]
    added = min(ours(folder / f"a{n}.db", records) for n in range(REPEATS)) - without
    verdict = "ok" if added <= AUDIT_BAR else "FALLS SHORT"
    print(f"{'entry of the audit with its hash, CPU a request':52} {added:7.2f} µs  bar {AUDIT_BAR:g} µs  {verdict}")
    with open_ledger(folder / "a0.db", readonly=True) as ledger:
        text, whole = ledger.rows("SELECT avg(length(entry)), count(*) FROM audit")[0]
        size = ((folder / "a0.db").stat().st_size - (folder / "o0.db").stat().st_size) / whole
        print(f"{f'bytes an entry on disk ({text:.0f} of them text)':52} {size:7.0f}")
        started = time.process_time()
        checked = audit.verify(ledger)
        spent = (time.process_time() - started) / whole * 1e6
        tracemalloc.start()
        checked = audit.verify(ledger)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    what = f"verifying {whole:,} entries with their records, each"
    print(f"{what:52} {spent:7.2f} µs  {'good' if checked.good else 'BROKEN'}, at most {peak / 2**20:.1f} MiB")


def rate_beside_readers(path: Path, records: list[Record]) -> tuple[float, int]:
    """Rows a second by the clock while a thread keeps asking for a summary, and how often it was answered."""
    answered, stop = 0, threading.Event()

    def read() -> None:
        nonlocal answered
        with open_ledger(path, readonly=True) as ledger:
            while not stop.is_set():
                queries.spend(ledger, 0.0, NOON + 10**6, "deployment")
                queries.one(ledger, records[answered % len(records)].id)
                answered += 1

    with writing(path) as (_, writer):
        reader = threading.Thread(target=read)
        reader.start()
        started = time.perf_counter()
        for each in records:
            writer.append(each)
        while writer.health().written < len(records):
            time.sleep(0.001)
        seconds = time.perf_counter() - started
        stop.set()
        reader.join()
    return len(records) / seconds, answered


async def reserve_idle(writer: Writer, count: int = 400) -> list[float]:
    budget = (Budget(name="team", limit=10**17, period="month"),)
    found = []
    for number in range(count):
        started = time.perf_counter()
        await writer.reserve(f"idle{number}", budget, 1, NOON)
        found.append((time.perf_counter() - started) * 1e3)
        await asyncio.sleep(0.0005)
    return sorted(found)


async def reserve_together(writer: Writer, clients: int = 32, each: int = 50) -> tuple[list[float], float]:
    budget = (Budget(name="team", limit=10**17, period="month"),)
    found: list[float] = []

    async def client(name: int) -> None:
        for number in range(each):
            started = time.perf_counter()
            await writer.reserve(f"c{name}-{number}", budget, 1, NOON)
            found.append((time.perf_counter() - started) * 1e3)

    started = time.perf_counter()
    await asyncio.gather(*(client(name) for name in range(clients)))
    return sorted(found), clients * each / (time.perf_counter() - started)


async def reserve_beside_work(writer: Writer, count: int = 100) -> list[float]:
    """While the event loop is busy for 1 ms at a time: what a reservation takes beyond its share of that."""
    budget = (Budget(name="team", limit=10**17, period="month"),)
    stop = False

    async def work() -> None:
        while not stop:
            end = time.perf_counter() + 0.001
            while time.perf_counter() < end:
                pass
            await asyncio.sleep(0)

    busy = asyncio.ensure_future(work())
    found = []
    for number in range(count):
        started = time.perf_counter()
        await writer.reserve(f"busy{number}", budget, 1, NOON)
        found.append((time.perf_counter() - started) * 1e3)
    stop = True
    await busy
    return sorted(found)


def show(name: str, found: list[float], bar: float | None = None) -> None:
    p50, p99 = statistics.median(found), found[int(len(found) * 0.99)]
    verdict = "" if bar is None else f"  bar {bar:g} ms at p50  {'ok' if p50 <= bar else 'FALLS SHORT'}"
    print(f"{name:52} p50 {p50:7.3f} ms  p99 {p99:7.3f} ms{verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40_000)
    records = [record(number) for number in range(parser.parse_args().rows)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs = [(ours(folder / f"o{n}.db", records), plain(folder / f"p{n}.db", records)) for n in range(REPEATS)]
        best, floor = min(cost for cost, _ in costs), min(cost for _, cost in costs)
        verdict = "ok" if best <= ROW_BAR else "FALLS SHORT"
        print(f"{'append and flush, CPU a row (best of 3)':52} {best:7.2f} µs  bar {ROW_BAR:g} µs  {verdict}")
        print(f"{'  plain executemany of the same columns':52} {floor:7.2f} µs  ratio {best / floor:.2f}")
        rate, answered = rate_beside_readers(folder / "readers.db", records)
        print(f"{'rows a second beside a reader that never rests':52} {rate:7,.0f}     ({answered:,} summaries read)")
        size = (folder / "o0.db").stat().st_size / len(records)
        print(f"{'bytes a row on disk, children and index included':52} {size:7.0f}")
        show_audit(folder, len(records), best)
        with writing(folder / "reserve.db") as (_, writer):
            show("reservation while idle", asyncio.run(reserve_idle(writer)), IDLE_BAR)
            together, a_second = asyncio.run(reserve_together(writer))
            show(f"reservation, 32 at once ({a_second:,.0f} a second)", together)
            show("reservation beside a loop busy 1 ms at a time", asyncio.run(reserve_beside_work(writer)))
        with open_ledger(folder / "o0.db", clock=lambda: NOON + 90 * 86_400) as ledger:
            started = time.perf_counter()
            count = sum(care.prune(ledger, 30).months.values())
            print(f"{f'forgetting a month of {count:,} rows':52} {(time.perf_counter() - started) * 1e3:7.1f} ms")


if __name__ == "__main__":
    main()
