"""How fast the dashboard's pages are over large ledgers, and what browsing costs the gateway beside them.

    python benchmarks/dashboard_speed.py [--rows 1000000] [--ledger FILE] [--visits 20] [--gateway]

The ledger is made through the product: the writer writes one day with its roll-ups and its audit; the days before it
are copies of the same rows in the same tables, 90 days in all. Nothing that a page asks for is remembered between
visits. "Server time" is from the request to the last byte of the answer, in one process; its CPU stands beside,
because on a busy machine the wall clock says how busy that is. ``--gateway`` serves the ledger with a mock of an API
behind it, asks at a fixed rate, and compares the 99th percentile of answers with and without somebody who walks
through all pages, in turns. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from crossover.dashboard.session import new_lock
from crossover.dashboard.words import House
from crossover.ledger.schema import (
    CHILDREN,
    GROUP_COLUMNS,
    SHORT_COLUMNS,
    SUM_COLUMNS,
    add_segment,
    month_of,
    segments_of,
)
from crossover.ledger.store import Ledger, open_ledger
from crossover.ledger.words import PICO, Alternative, AttemptRow, Privacy, Record
from crossover.runtime.dashboard import Book, NoGate, pages
from gateway_load import SETTINGS, paced, process, request

NOON = 1_795_780_800.0  # 2026-11-27 12:00 UTC
DAY, DAYS = 86_400.0, 90
BARS = {1_000_000: 300.0, 10_000_000: 1000.0}  # ms at the 95th percentile
MOVED_BAR = 2.0  # ms of the gateway's 99th percentile
KEYS, NAMES = 20, ("support", "drafts", "code", "search")
VISITED = (
    "/", "/?period=24h", "/?period=30d", "/?period=all", "/overview/now", "/requests", "/requests?period=all",
    "/requests?status=bad", "/requests?deployment=mini&key=key_3&period=30d", "/deployments", "/deployments?period=90d",
    "/quality", "/plan", "/privacy", "/privacy?period=all", "/keys", "STORY",
)  # fmt: skip
ROUNDS, TURN_S, RATE = 12, 3.0, 100.0


# ---------------------------------------------------------------------------------------------------------- the ledger


def day_of(count: int) -> Iterator[Record]:
    """One day of requests, in the order of time."""
    chance = random.Random(7)
    begin = NOON - DAY
    for number in range(count):
        yield record(number, begin + number * DAY / count, chance)


def record(number: int, at: float, chance: random.Random) -> Record:
    read, wrote = int(chance.lognormvariate(6.5, 0.8)), int(chance.lognormvariate(5, 0.6))
    mini, box, local = read * 150_000 + wrote * 600_000, (read + wrote) * 60_000, chance.random() < 0.7
    name, first = ("box" if local else "mini"), chance.lognormvariate(4.6, 0.5)
    failed = chance.random() < 0.01
    found = (("personal", "person", "soft", 2),) if chance.random() < 0.1 else ()
    attempt = AttemptRow(
        deployment=name, outcome="reset" if failed else "ok", start_ms=0.4, duration_ms=first * 8,
        cost=0 if local else mini, left=not local, zone="cellar" if local else "openai-eu",
        provider="vllm" if local else "openai", party="own" if local else "openai",
        action="" if local else "redact" if found else "allow",
        redacted=2 if found and not local else 0,
    )  # fmt: skip
    others = (
        Alternative("large", mini * 16),
        Alternative("mini", mini) if local else Alternative("box", box, local=True),
    )
    return Record(
        id=f"req_{number:012x}{chance.randrange(16**8):08x}", time=at, door="openai", asked=chance.choice(NAMES),
        policy="local_first", status="error" if failed else "ok", error="reset" if failed else "",
        http_status=502 if failed else 200, key=f"key_{chance.randrange(KEYS)}", deployment=name, provider="vllm",
        model="qwen", zone=attempt.zone, local=local, streamed=True, queue_ms=0.4, ttft_ms=first, total_ms=first * 8,
        input_tokens=read, output_tokens=wrote, cost=box if local else mini, marginal=0 if local else mini,
        price_source="list", decision=f"local_first: {name}", attempts=(attempt,), alternatives=others,
        tier="soft" if found else "none", categories=("personal",) if found else (),
        privacy=Privacy(
            profile="balanced", detector="2026.11.1", counts=found, rule="balanced",
            action="redact" if found and not local else "allow",
        ),
    )  # fmt: skip


def fill(path: Path, rows: int) -> None:
    """A ledger with so many rows over 90 days."""
    a_day = -(-rows // DAYS)
    with open_ledger(path, clock=lambda: NOON) as ledger:
        copies(ledger, path.with_name("day.db"), a_day)
        writer = ledger.writer(flush_s=0.0, capacity=a_day + 1)
        for each in day_of(a_day):
            writer.append(each)
        writer.close()


def copies(ledger: Ledger, place: Path, a_day: int) -> None:
    """The days before the last one: the same rows, earlier."""
    with open_ledger(place, clock=lambda: NOON) as day:
        writer = day.writer(flush_s=0.0, capacity=a_day + 1)
        for each in day_of(a_day):
            writer.append(each)
        writer.close()
        months = segments_of(day._connection)
    connection = ledger._connection
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("ATTACH DATABASE ? AS day", (str(place),))
    for back in range(DAYS - 1, 0, -1):
        with ledger.change():
            for source in months:
                copy_day(ledger, source, back)
    connection.execute("DETACH DATABASE day")
    place.unlink()


def copy_day(ledger: Ledger, source: str, back: int) -> None:
    """One month's part of the day, so many days earlier."""
    connection, shift = ledger._connection, int(back * DAY)
    bounds = connection.execute(f"SELECT min(time), max(time), max(number) FROM day.records_{source}").fetchone()
    if bounds[0] is None:
        return
    for month in sorted({month_of(at / 1e6 - shift) for at in bounds[:2]}):
        if month not in segments_of(connection):
            add_segment(connection, month)
    month = month_of(bounds[0] / 1e6 - shift)  # a day that crosses the end of a month stands in the first
    after = connection.execute(f"SELECT coalesce(max(number), 0) FROM main.records_{month}").fetchone()[0]
    columns = [name for _, name, *_ in connection.execute(f"PRAGMA day.table_info(records_{source})")]
    changed = {"number": f"number + {after}", "id": f"'req_{DAYS - back:02d}' || substr(id, 5)",
               "time": f"time - {shift}000000", "audit": "0"}  # fmt: skip
    connection.execute(
        f"INSERT INTO main.records_{month} SELECT {', '.join(changed.get(name, name) for name in columns)} "
        f"FROM day.records_{source} ORDER BY number"
    )
    connection.execute(f"INSERT OR IGNORE INTO main.decisions_{month} SELECT * FROM day.decisions_{source}")
    for table in ("attempts", "alternatives"):
        rest = [name for _, name, *_ in connection.execute(f"PRAGMA day.table_info({table}_{source})")][1:]
        connection.execute(
            f"INSERT INTO main.{table}_{month} SELECT number + {after * CHILDREN}, {', '.join(rest)} "
            f"FROM day.{table}_{source} ORDER BY number"
        )
    for table, groups in {"rollups": GROUP_COLUMNS, **SHORT_COLUMNS}.items():
        names = ", ".join((*groups[1:], *SUM_COLUMNS))
        earlier = shift // (86_400 if groups[0] == "day" else 3600)
        connection.execute(
            f"INSERT OR IGNORE INTO main.{table} ({groups[0]}, {names}) "
            f"SELECT {groups[0]} - {earlier}, {names} FROM day.{table}"
        )


# ------------------------------------------------------------------------------------------------------------ the pages


async def measure(path: Path, now: float, visits: int) -> dict[str, list[tuple[float, float]]]:
    """(wall, CPU) milliseconds of each visit to each page."""
    house = House(ledger=path.name, hourly={"box": 2 * PICO})
    book = Book(path, house, clock=lambda: now, kept_s=0.0)
    lock, token = new_lock()
    app = pages(book, NoGate(), lambda: lock, 1)
    found: dict[str, list[tuple[float, float]]] = {path: [] for path in VISITED}
    base = "http://127.0.0.1"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
        await client.post("/login", data={"token": token}, headers={"origin": base})
        ids = re.findall(r'href="(/requests/req_\w+)"', (await client.get("/requests")).text)
        for visit in range(visits + 1):
            for place in VISITED:
                wall, cpu = time.perf_counter(), time.process_time()
                answer = await client.get(ids[visit % len(ids)] if place == "STORY" else place)
                assert answer.status_code == 200, (place, answer.text)
                if visit:  # the first one reads the file into memory
                    spent = (time.perf_counter() - wall, time.process_time() - cpu)
                    found[place].append((spent[0] * 1000, spent[1] * 1000))
    return found


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def show_pages(found: dict[str, list[tuple[float, float]]], rows: int) -> None:
    bar = next((bar for count, bar in sorted(BARS.items()) if rows <= count * 1.1), BARS[max(BARS)])
    print(f"{'page':52} {'median':>8} {'p95':>8} {'CPU p95':>8}   ms")
    for place, times in found.items():
        walls, cpus = [wall for wall, _ in times], [cpu for _, cpu in times]
        print(f"{place:52} {statistics.median(walls):8.0f} {p95(walls):8.0f} {p95(cpus):8.0f}")
    walls = [wall for times in found.values() for wall, _ in times]
    print(f"{f'{rows:,} rows: all pages':52} {statistics.median(walls):8.0f} {p95(walls):8.0f}")
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)  # then the wall clock measures the others
    worst = max(p95([cpu if busy else wall for wall, cpu in times]) for times in found.values())
    verdict = "ok" if worst <= bar else "FALLS SHORT"
    what = "CPU of the slowest page, p95 (the machine is busy)" if busy else "the slowest page, p95"
    print(f"{what:52} {worst:17.0f}   bar {bar:g} ms  {verdict}")


# ---------------------------------------------------------------------------------------------------------- the gateway


async def beside(path: Path, folder: Path) -> None:
    """The gateway's 99th percentile in turns with and without a visitor."""
    async with process("upstream") as (_, up):
        (folder / "crossover.toml").write_text(SETTINGS.format(up=up))
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "crossover", "serve", "-c", str(folder / "crossover.toml"), "--port", "0",
            "--ledger", str(path), stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "KEY": "sk-mock", "CROSSOVER_HOME": str(folder)},
        )  # fmt: skip
        assert started.stdout is not None
        try:
            port, url, token = 0, "", ""
            while not url:
                line = (await started.stdout.readline()).decode()
                assert line, "the gateway did not start"
                if line.startswith("Crossover serves"):
                    port = int(line.rpartition(":")[2].split("/")[0])
                if shown := re.search(r"(http://\S+)/login#(\S+)", line):
                    url, token = shown[1], shown[2]
            await turns(port, url, token)
        finally:
            started.terminate()
            await started.wait()


async def turns(port: int, url: str, token: str) -> None:
    """Turns alone and beside a visitor, who is a process of his own, so that his reading delays no measured answer."""
    visitor = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--visitor", url, token, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert visitor.stdin is not None
    assert visitor.stdout is not None
    assert await visitor.stdout.readline() == b"ready\n"
    alone: list[list[float]] = []
    browsed: list[list[float]] = []
    await paced(port, request("mock"), RATE, 2.0)
    for turn in range(ROUNDS * 2):
        visitor.stdin.write(b"walk\n" if turn % 2 else b"rest\n")
        await asyncio.sleep(0.5)
        times = await paced(port, request("mock"), RATE, TURN_S)
        (browsed if turn % 2 else alone).append(sorted(seconds * 1000 for _, seconds in times))
    visitor.stdin.close()
    seen = int(await visitor.stdout.readline())
    await visitor.wait()
    p99 = {}
    for name, each in (("alone", alone), ("while somebody browses", browsed)):
        p99[name] = [one[len(one) * 99 // 100] for one in each]
        middle = statistics.median(one[len(one) // 2] for one in each)
        print(
            f"{f'gateway {name}, {sum(map(len, each)):,} requests':52} p50 {middle:6.2f}   p99 of a turn: median "
            f"{statistics.median(p99[name]):6.2f}, least {min(p99[name]):6.2f} ms"
        )
    moved = statistics.median(p99["while somebody browses"]) - statistics.median(p99["alone"])
    verdict = "ok" if moved <= MOVED_BAR else "FALLS SHORT"
    print(f"{f'p99 moved by {seen} pages seen':52} {moved:+17.2f}   bar {MOVED_BAR:g} ms  {verdict}")


def visit(url: str, token: str) -> None:
    """Walk through all pages while told to: one after the other, with a moment to read at each."""
    os.nice(10)
    walking, seen = threading.Event(), 0
    ended = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            walking.set() if line == "walk\n" else walking.clear()
        ended.set()
        walking.set()

    with httpx.Client(base_url=url, timeout=60) as client:
        client.post("/login", data={"token": token}, headers={"origin": url})
        client.get("/")
        print("ready", flush=True)
        threading.Thread(target=listen, daemon=True).start()
        while not ended.is_set():
            for place in VISITED:
                walking.wait()
                if place != "STORY" and not ended.is_set():
                    assert client.get(place).status_code == 200
                    seen += 1
                    time.sleep(0.2)
    print(seen, flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--visitor"]:
        visit(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--ledger", type=Path, help="keep the ledger here, and use it again")
    parser.add_argument("--visits", type=int, default=20)
    parser.add_argument("--gateway", action="store_true", help="measure the gateway too")
    stated = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = stated.ledger or Path(folder) / "ledger.db"
        if not path.exists():
            started = time.perf_counter()
            fill(path, stated.rows)
            size = sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*")) / 2**20
            print(f"made in {time.perf_counter() - started:.0f} s, {size:,.0f} MiB")
        with open_ledger(path, readonly=True) as ledger:
            rows = sum(ledger.rows(f"SELECT count(*) FROM records_{m}")[0][0] for m in segments_of(ledger._connection))
            sums = ledger.rows("SELECT count(*) FROM rollups")[0][0]
            last = segments_of(ledger._connection)[-1]  # a gateway may have added rows to a ledger that was kept
            newest = ledger.rows(f"SELECT time FROM records_{last} ORDER BY number DESC LIMIT 1")[0][0]
            now = max(NOON, newest / 1e6 + 1)
        print(f"{rows:,} rows, {sums:,} roll-ups, load of the machine {os.getloadavg()[0]:.1f}")
        show_pages(asyncio.run(measure(path, now, stated.visits)), rows)
        if stated.gateway:
            asyncio.run(beside(path, Path(folder)))


if __name__ == "__main__":
    main()
