"""How fast a scan is: 20 MB of JSON lines, of which every text is new, with and without the models.

    python benchmarks/privacy_scan.py [MEGABYTES]

Requests are those of docs/examples/requests.jsonl, each with a piece of this repository's pages behind its prompt, so
that no text comes twice. Processor time of one thread, and the memory at the end. ``reading`` is a scan whose detector
finds nothing: what files, JSON and counting cost.
"""

from __future__ import annotations

import io
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from crossover.privacy.classify import Classifier
from crossover.privacy.detector import shipped
from crossover.privacy.policy import PROFILES
from crossover.traffic.scan.sources import gather
from crossover.traffic.scan.survey import Surveyor
from crossover.traffic.scan.words import Look

ROOT = Path(__file__).resolve().parents[1]


def write(place: Path, size: int) -> None:
    """Requests until the file holds ``size`` bytes."""
    chance = random.Random(4)
    rows = (ROOT / "docs" / "examples" / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    prose = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
    with place.open("w", encoding="utf-8") as file:
        number = 0
        while file.tell() < size:
            row = json.loads(chance.choice(rows))
            start, number = chance.randrange(len(prose) - 2_000), number + 1
            extra = f" {prose[start : start + chance.randint(100, 2_000)]} {number}"
            messages = row.get("messages", [{}])
            if type(messages[0].get("content")) is str:
                messages[0]["content"] += extra
            else:
                row["note"] = extra
            file.write(json.dumps(row) + "\n")


def measure(name: str, look: Look, place: Path) -> None:
    """One scan, in a line."""
    gathered = gather([str(place)])
    surveyor = Surveyor(look, PROFILES, keep=lambda _name, _hit: None, per_file=20)
    begun = time.thread_time()
    for _ in surveyor.run(gathered.sources, io.BytesIO()):
        pass
    seconds = time.thread_time() - begun
    found = surveyor.survey()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:<28} {found.bytes / 1e6 / seconds:6.2f} MB/s {found.records / seconds:8,.0f} records/s "
        f"{found.findings:8,} findings {found.failed:4} failed {memory:6.0f} MB"
    )


def main() -> None:
    """All of it."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "requests.jsonl"
        write(place, size * 10**6)
        measure("reading", lambda _text, _field: (), place)
        for name, models in (("rules and secrets", False), ("rules, secrets and models", True)):
            classifier = Classifier(shipped(names=models, health=models), secret=b"benchmark" * 4)
            measure(name, classifier.findings, place)


if __name__ == "__main__":
    main()
