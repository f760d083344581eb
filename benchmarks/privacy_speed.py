"""What looking at a request costs, each figure beside its bar: processor time on one core, one thread.

    python benchmarks/privacy_speed.py [--profile]

Texts are never seen before (unless it says so) and made of the words and code below, drawn anew for each: prompts as
people write them, half prose, half with code. The p99 is over single texts. Start-up and memory are those of a fresh
process in which a gateway's other parts are loaded already. With ``CROSSOVER_PRESIDIO_PYTHON`` naming a Python that has
``presidio-analyzer``, its patterns look at the same texts.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import os
import pstats
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from crossover.chat import ChatRequest
from crossover.privacy.classify import Classifier
from crossover.privacy.detector import Detector, shipped
from crossover.wire import openai

PRESIDIO = "CROSSOVER_PRESIDIO_PYTHON"
SUBJECTS = [
    "the team",
    "our landlord",
    "a new colleague",
    "my manager",
    "the vendor",
    "the marketing department",
    "everyone in the office",
    "the second reviewer",
    "a customer in Lyon",
    "the board",
    "my sister",
    "nobody at Contoso",
    "the city council",
    "our French partner",
]
VERBS = [
    "asked for",
    "has postponed",
    "wants to rewrite",
    "did not understand",
    "praised",
    "will present",
    "keeps confusing",
    "forgot about",
    "is still waiting for",
    "compared",
    "would rather cancel",
    "finally approved",
    "measured",
]
OBJECTS = [
    "the quarterly report",
    "a slower migration plan",
    "the 2024 budget",
    "three of the seven slides",
    "the onboarding guide",
    "version 2.3.1 of the API",
    "the roof above the garage",
    "a recipe for 12 people",
    "the train at 10:45",
    "the summary of chapter 4",
    "the index on order_id",
    "the German translation",
    "a meeting on Tuesday, 14 May",
    "roughly $3,500 in costs",
    "our unit tests",
]
ENDS = [
    "before the end of the week",
    "because nobody had time",
    "and I need a polite answer",
    "although it was in the minutes",
    "so please list the pros and cons",
    "in two or three sentences",
    "while the server was down",
    "as agreed last spring",
    "without touching the database",
    "and explain it to a beginner",
    "using bullet points",
    "for a general audience",
]
CODE = (
    "def {a}_{b}(rows, limit={n}):\n    return [row for row in rows if row.{a} > limit]\n",
    "for (let i = 0; i < {a}.length; i++) {{\n  total += {a}[i].{b} * {n};\n}}\n",
    "SELECT {a}, COUNT(*) FROM {b} WHERE created_at > '2024-01-{n:02}' GROUP BY {a};\n",
    '{{"{a}": {n}, "{b}": ["x", "y"], "enabled": true}}\n',
    ".{a} {{ margin: {n}px auto; color: #3a{n:02}ff; transition: {b} 0.{n}s; }}\n",
    "Traceback (most recent call last):\n  File \"app/{a}.py\", line {n}, in {b}\nKeyError: '{a}'\n",
    "docker run --rm -p 80{n:02}:80 {a}/{b}:1.{n} --verbose\n",
)
NAMES = [
    "orders",
    "items",
    "total",
    "price",
    "queue",
    "worker",
    "cache",
    "user_id",
    "region",
    "score",
    "status",
    "batch",
    "index",
    "offset",
    "retry",
]


def prompt(chance: random.Random, size: int, *, code: bool) -> str:
    """A text of about ``size`` characters that holds nothing sensitive."""
    parts: list[str] = []
    length = 0
    while length < size:
        if code and chance.random() < 0.4:
            a, b = chance.sample(NAMES, 2)
            part = f"```\n{chance.choice(CODE).format(a=a, b=b, n=chance.randrange(1, 60))}```\n"
        else:
            words = (chance.choice(row) for row in (SUBJECTS, VERBS, OBJECTS, ENDS))
            part = " ".join(words).capitalize() + chance.choice((". ", ". ", "? ", ".\n\n"))
        parts.append(part)
        length += len(part)
    return "".join(parts)[:size]


def prompts(count: int, size: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [prompt(chance, size, code=bool(number % 2)) for number in range(count)]


def single(work: Callable[[str], object], texts: list[str]) -> list[float]:
    """Microseconds of processor time for each text."""
    took = []
    gc.disable()
    for text in texts:
        before = time.thread_time_ns()
        work(text)
        took.append((time.thread_time_ns() - before) / 1000)
    gc.enable()
    return took


def least(work: Callable[[str], object], size: int, count: int, rounds: int = 7) -> float:
    """Microseconds a text, the best of several rounds, each of new texts."""
    best = float("inf")
    for seed in range(rounds):
        texts = prompts(count, size, 1000 + seed)
        before = time.thread_time()
        for text in texts:
            work(text)
        best = min(best, (time.thread_time() - before) / count * 1e6)
    return best


def row(name: str, value: float, unit: str, bar: float | None = None) -> None:
    """One line of the table."""
    said = "" if bar is None else f"  bar ≤ {bar:,.0f} {unit}  {'met' if value <= bar else 'MISSED'}"
    print(f"{name:62}{value:10,.1f} {unit}{said}", flush=True)


# ------------------------------------------------------------------------------------------------------------- requests


def request(*texts: str) -> ChatRequest:
    """A request as the gateway hands it over."""
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": text} for number, text in enumerate(texts)]
    body = {"model": "gpt-4o", "messages": [{"role": "system", "content": "You are a helpful assistant."}, *messages]}
    return openai.read_request(json.loads(json.dumps({**body, "temperature": 0.2, "max_tokens": 300})))


def classify(detector: Detector, requests: list[ChatRequest], *, warm: list[ChatRequest]) -> float:
    """Microseconds of processor time for each request, with ``warm`` seen before."""
    classifier = Classifier(detector, secret=b"benchmark")

    async def run() -> float:
        for one in warm:
            await classifier.classify(one)
        before = time.thread_time()
        for one in requests:
            await classifier.classify(one)
        return (time.thread_time() - before) / len(requests) * 1e6

    return asyncio.run(run())


def conversation(detector: Detector, size: int) -> tuple[float, float]:
    """Microseconds for the newest of 64 messages with its history, and for the same message alone."""
    history = prompts(63, size, 5)
    ones: list[float] = []
    alls: list[float] = []
    for seed in range(40):
        (last,) = prompts(1, size, 9_000 + seed)
        ones.append(classify(detector, [request(last)], warm=[request("hi")]))
        alls.append(classify(detector, [request(*history, last)], warm=[request(*history)]))
    return statistics.median(alls), statistics.median(ones)


# ------------------------------------------------------------------------------------------------------------- start-up

FRESH = """
import resource, time
import numpy, msgspec, httptools, asyncio, crossover.runtime.serve, crossover.wire.openai, crossover.dispatch
def resident():
    return int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize() / 2**20
text = open(0).read()
before, began = resident(), time.perf_counter()
from crossover.privacy.detector import shipped
detector = shipped()
took = (time.perf_counter() - began) * 1e3
cpu = time.process_time()
detector.scan(text[:1000])
first = (time.process_time() - cpu) * 1e3
for at in range(0, 200_000, 2000):
    detector.scan(text[at:at + 2000])
print(took, first, resident() - before)
"""


WITHOUT_RE2 = """
import json, sys, time
sys.modules["re2"] = None
from crossover.privacy.detector import shipped
detector = shipped()
texts = json.load(sys.stdin)
best = 1e9
for part in range(0, len(texts), 50):
    before = time.thread_time()
    for text in texts[part:part + 50]:
        detector.scan(text)
    if part:
        best = min(best, (time.thread_time() - before) / 50 * 1e6)
print(best)
"""


def without_re2() -> float:
    """Microseconds for 2 kB where google-re2 is not installed."""
    texts = json.dumps(prompts(300, 2000, 6))
    done = subprocess.run([sys.executable, "-c", WITHOUT_RE2], input=texts, capture_output=True, text=True, check=True)
    return float(done.stdout)


def fresh() -> tuple[float, float, float]:
    """Milliseconds to build the detector, milliseconds of its first scan, MiB it takes after some hundred texts."""
    text = "".join(prompts(100, 2000, 77))
    best = (float("inf"),) * 3
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # for the bytecode, which an installed package has; the first writes it
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = folder
        for _ in range(5):
            command = [sys.executable, "-c", FRESH]
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, env=env)
            took, first, memory = map(float, done.stdout.split())
            best = (min(best[0], took), min(best[1], first), min(best[2], memory))
    return best


def presidio(texts: list[str]) -> float | None:
    """Microseconds a text by Presidio's patterns; None where they are not installed."""
    python = os.environ.get(PRESIDIO, "")
    if not python:
        return None

    def seconds(some: list[str]) -> float:
        began = time.perf_counter()
        script = str(Path(__file__).with_name("presidio_patterns.py"))
        subprocess.run([python, script], input=json.dumps(some), capture_output=True, text=True, check=True)
        return time.perf_counter() - began

    alone = min(seconds(texts[:1]) for _ in range(3))
    return (min(seconds(texts) for _ in range(3)) - alone) / (len(texts) - 1) * 1e6


def main() -> None:
    """Print the table."""
    detector = shipped()
    warm = prompts(300, 1000, 1)
    for text in warm:
        detector.scan(text)
    if "--profile" in sys.argv:
        profile(detector)
        return
    took = single(detector.scan, prompts(2000, 2000, 2))
    quantiles = statistics.quantiles(took, n=100)
    row("2 kB prompt, clean: p50", quantiles[49], "µs", 300)
    row("2 kB prompt, clean: p99", quantiles[98], "µs", 1000)
    row("100 characters", least(detector.scan, 100, 500), "µs", 30)
    row("1 kB", least(detector.scan, 1000, 200), "µs")
    row("32 kB", least(detector.scan, 32_000, 20), "µs")
    for name, more in (("names", {"names": False}), ("health", {"health": False})):
        row(f"2 kB without {name}", least(shipped(**more).scan, 2000, 200), "µs")  # type: ignore[arg-type]
    row("2 kB without RE2", without_re2(), "µs", 3000)
    unseen = [request(*prompts(2, 480, 100 + seed)) for seed in range(1500)]
    batches = [unseen[at : at + 200] for at in range(0, 1000, 200)]
    new = min(classify(detector, batch, warm=unseen[1000:]) for batch in batches)
    row("request of 1 kB, never seen, whole", new, "µs", 150)
    row("request of 1 kB, seen before", classify(detector, unseen[:500], warm=unseen[:500]), "µs", 15)
    shares(detector)
    for size in (200, 1000):
        last, alone = conversation(detector, size)
        name = f"64 messages of {size} characters, the last one new"
        row(name, last, "µs", 2 * alone)
        row("  that message alone", alone, "µs")
    start, first, memory = fresh()
    row("start-up", start, "ms", 150)
    row("  first scan after it", first, "ms")
    row("memory added", memory, "MiB", 40)
    texts = prompts(400, 2000, 3)
    theirs = presidio(texts)
    if theirs is None:
        print(f"Presidio's patterns: not run ({PRESIDIO} names no Python)")
    else:
        ours = statistics.median(single(detector.scan, texts))
        met = "met" if theirs >= 20 * ours else "MISSED"
        row("2 kB by Presidio's patterns", theirs, "µs")
        print(f"{'  times this detector':62}{theirs / ours:10,.1f} ×  bar ≥ 20 ×  {met}")


def shares(detector: Detector) -> None:
    """Lines with what each part takes of a 2 kB prompt, one after the other as a scan does."""
    parts: list[tuple[str, Callable[[str], object]]] = [(part.name, part.find) for part in detector._parts]
    parts.append(("views", detector._views))
    took: dict[str, list[float]] = {name: [] for name, _ in parts}
    for text in prompts(500, 2000, 8):
        for name, look in parts:
            before = time.thread_time_ns()
            look(text)
            took[name].append((time.thread_time_ns() - before) / 1000)
    for name, times in took.items():
        row(f"  of 2 kB, p50: {name}", statistics.median(times), "µs")


def profile(detector: Detector) -> None:
    """Where the time of 2 kB prompts goes."""
    texts = prompts(1500, 2000, 4)
    profiler = cProfile.Profile()
    profiler.enable()
    for text in texts:
        detector.scan(text)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    main()
