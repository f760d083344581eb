"""How fast a million-row trace loads, and how much memory that takes: CSV, CSV in gzip, JSONL.

Run: ``python benchmarks/trace_speed.py [rows]``. Bar: below 5 s and 500 MB for each. Every file is written to a
temporary folder and read in a process of its own, so that the peak of memory is that file's.
To compare two revisions run both on the same quiet machine; nothing here gates a build.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

BAR_S, BAR_MB = 5.0, 500.0


def rows(count: int) -> Iterator[tuple[dt.datetime, int, int]]:
    """Requests with exponential gaps and log-normal lengths."""
    chance = random.Random(1)
    moment = dt.datetime(2026, 1, 5)
    for _ in range(count):
        moment += dt.timedelta(seconds=chance.expovariate(2.0))
        yield moment, int(chance.lognormvariate(6.5, 1.0)) + 1, int(chance.lognormvariate(5.0, 0.8)) + 1


def write(folder: Path, count: int) -> list[Path]:
    """The same requests in every shape."""
    azure, packed = folder / "azure.csv", folder / "azure.csv.gz"
    seconds, mooncake, log = folder / "seconds.csv", folder / "mooncake.jsonl", folder / "openai.jsonl"
    quoted = folder / "quoted.csv"
    with (
        azure.open("w") as a,
        seconds.open("w") as s,
        mooncake.open("w") as m,
        log.open("w") as o,
        quoted.open("w") as q,
    ):
        a.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        s.write("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n")
        q.write("ts,prompt,input_tokens,output_tokens\n")
        start = dt.datetime(2026, 1, 5)
        for index, (moment, prompt, answer) in enumerate(rows(count)):
            elapsed = (moment - start).total_seconds()
            a.write(f"{moment:%Y-%m-%d %H:%M:%S.%f}0,{prompt},{answer}\n")
            s.write(f"{elapsed:.3f},ChatGPT,{prompt},{answer},{prompt + answer},API log\n")
            blocks = list(range(index // 4 * 8, index // 4 * 8 + prompt // 512 + 1))
            line = {"timestamp": int(elapsed * 1000), "input_length": prompt, "output_length": answer}
            m.write(json.dumps({**line, "hash_ids": blocks}) + "\n")
            usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
            entry = {"id": f"chatcmpl-{index}", "created": 1767571200 + int(elapsed), "model": "gpt-4o-mini"}
            details = {"prompt_tokens_details": {"cached_tokens": prompt // 3}}
            o.write(json.dumps({**entry, "usage": usage | details}) + "\n")
            q.write(f'{moment.isoformat()}Z,"Hello, ""{index}""",{prompt},{answer}\n')
    packed.write_bytes(gzip.compress(azure.read_bytes(), 6))
    return [azure, packed, seconds, quoted, mooncake, log]


def read(path: Path) -> None:
    """Read one file and print what it took."""
    from crossover.traffic.trace import read_trace

    begin, used = time.perf_counter(), time.process_time()
    trace = read_trace(path)
    taken, used = time.perf_counter() - begin, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    verdict = "ok" if taken < BAR_S and peak < BAR_MB else "OVER THE BAR"
    size = path.stat().st_size / 1e6
    cost = f"{taken:6.2f} s ({used:.2f} s CPU)  {peak:5.0f} MB peak"
    print(f"{path.name:16s} {trace.requests:>9,} rows {size:7.1f} MB  {cost}  {verdict}")


def main() -> None:
    """Write, then read each file in a fresh process."""
    if len(sys.argv) == 3 and sys.argv[1] == "--read":
        read(Path(sys.argv[2]))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        for path in write(Path(folder), count):
            subprocess.run([sys.executable, __file__, "--read", str(path)], check=True)


if __name__ == "__main__":
    main()
