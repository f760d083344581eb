"""The load test beside an independent tool, guidellm, on one server in one run: do the two say the same?

    CROSSOVER_PEER_PYTHON=/path/to/venv/bin/python python benchmarks/loadtest_peer.py [--streams 1] [--words 6]

The embedded llama.cpp runs as a process of its own. Both tools ask it the same prompts at the same concurrency, in
turns, and their medians are compared: time to first token, and the mean gap between an answer's tokens (guidellm's
"inter token latency": one figure an answer). The peer needs an environment of its own, for it brings several GB:

    python3 -m venv peer && peer/bin/pip install guidellm
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from crossover.engines import embedded
from crossover.loadtest.conduct import calibrated
from crossover.loadtest.drive import Limits, Log, drive
from crossover.loadtest.prompts import Own, Synthetic, drawn, read_prompts
from crossover.loadtest.targets import Direct
from crossover.loadtest.words import Load, Run, Shot
from crossover.providers.http import HttpBackend
from crossover.providers.registry import profile, provider
from crossover.transport import Transport, endpoint
from crossover.workload import constant

OUTPUT, REQUESTS, WARMUP = 96, 200, 20
PEER = "CROSSOVER_PEER_PYTHON"
FIGURES = ("TTFT", "gap between tokens")


@contextmanager
def engine(streams: int) -> Iterator[tuple[str, str]]:
    """Address and model name of an embedded engine in a process of its own."""
    words = [sys.executable, __file__, "engine", str(streams)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url, model = process.stdout.readline().split()
        yield url, model
        process.terminate()


def serve(streams: int) -> None:
    with embedded.start(embedded.sandbox_model(), embedded.Options(parallel=streams)) as running:
        print(running.url, running.model, flush=True)
        sys.stdin.read()


def prompts(place: Path, count: int, words: int) -> None:
    """Prompts that nobody has seen, as both tools read them."""
    made = Synthetic(drawn(constant(words), constant(OUTPUT), np.random.default_rng(1), count=8), seed=time.time_ns())
    rows = [{"prompt": made.ask(n).messages[0][1], "output_tokens_count": OUTPUT} for n in range(count)]
    place.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


async def ours(url: str, model: str, streams: int, place: Path) -> Run:
    transport, row, load = Transport(), provider("llamacpp"), Load(concurrency=streams)
    target = Direct(
        HttpBackend(row, profile(row, model), endpoint(f"{url}/v1"), transport), extra={"ignore_eos": True}
    )  # fmt: skip
    asks = read_prompts(place, OUTPUT).asks
    try:
        await calibrated(target, Own(asks[-1:]))
        return await drive(target, Own(asks), load, Limits(requests=REQUESTS, warmup=WARMUP), Log(load))
    finally:
        await transport.aclose()


def medians(run: Run) -> tuple[float, float]:
    rows = [shot for shot in run.shots if shot.ok and not shot.warmup]
    assert len(rows) == REQUESTS, run.why

    def gap(shot: Shot) -> float:
        return (shot.times[-1] - shot.times[0]) / (shot.output - 1)

    return statistics.median(shot.ttft for shot in rows) * 1000, statistics.median(map(gap, rows)) * 1000


def peer(python: str, url: str, model: str, streams: int, place: Path) -> tuple[float, float]:
    out = place.with_suffix(".out.json")
    words = [
        *(python, "-m", "guidellm", "run", "--disable-console"),
        *("--backend", f"kind=openai_http,target={url},model={model},request_format=/v1/chat/completions,"
          "extras.body.ignore_eos=true"),
        *("--profile", f"kind=concurrent,streams={streams}"),
        *("--constraint", f"kind=max_requests,count={REQUESTS + WARMUP}"),
        *("--data", f"kind=json_file,path={place}"),
        *("--output", f"kind=json,path={out}"),
    ]  # fmt: skip
    done = subprocess.run(words, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False)
    if done.returncode or not out.exists():
        raise SystemExit(f"guidellm failed: {done.stderr[-2000:]}")
    rows: list[dict[str, Any]] = json.loads(out.read_text())["benchmarks"][0]["requests"]["successful"]
    rows = sorted(rows, key=lambda row: float(row["request_start_time"]))[WARMUP:]
    names = ("time_to_first_token_ms", "inter_token_latency_ms")
    first, gap = (statistics.median(float(row[name]) for row in rows) for name in names)
    return first, gap


def main(streams: int, rounds: int, words: int) -> None:
    python = os.environ.get(PEER, "")
    if not python:
        print(f"{PEER} names no Python with guidellm: skipped.", __doc__, sep="\n\n")
        return
    gc.collect()
    gc.freeze()
    print(f"load averages of the machine: {', '.join(f'{one:.1f}' for one in os.getloadavg())}; {os.cpu_count()} cores")
    mine: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder, engine(streams) as (url, model):
        for number in range(rounds):
            for kind in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
                place = Path(folder) / f"{number}-{kind}.jsonl"
                prompts(place, REQUESTS + WARMUP + 1, words)
                if kind == "ours":
                    mine.append(medians(uvloop.run(ours(url, model, streams, place))))
                else:
                    theirs.append(peer(python, url, model, streams, place))
    for at, name in enumerate(FIGURES):
        one, other = (statistics.median(row[at] for row in rows) for rows in (mine, theirs))
        off = abs(one - other)
        held = off <= 2.0 or off <= 0.05 * other
        every = "; ".join(f"{a[at]:.2f} and {b[at]:.2f}" for a, b in zip(mine, theirs, strict=True))
        word = "held" if held else "NOT held"
        print(f"{name:<20} ours {one:7.2f} ms, guidellm {other:7.2f} ms (5 % or 2 ms: {word}; rounds: {every})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["engine"]:
        serve(int(sys.argv[2]))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--streams", type=int, default=1)
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--words", type=int, default=6, help="of a prompt, about three tokens each")
        stated = parser.parse_args()
        main(stated.streams, stated.rounds, stated.words)
