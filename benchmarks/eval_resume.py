"""kill -9 at random moments of a real ``crossover eval run``: what is lost, what is there twice, what is paid twice.

Bar: after 20 kills no result twice, none lost, and no more extra paid calls than calls were in flight at the kills.

    python benchmarks/eval_resume.py [kills] [seed]
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from crossover.evaluation.log import NAME, read
from crossover.providers.answers import Answer
from crossover.providers.faulty import FaultyServer, Seen

SAMPLES, AT_ONCE, CANDIDATES = 600, 8, ("one", "two")
START = "from crossover.cli.main import main; main()"
CONFIG = """
[zones.cloud]
operator = "provider"
party = "someone"
[privacy]
profile = "off"
"""
DEPLOYMENT = """
[deployments.{name}]
provider = "openai-compatible"
model = "{name}"
zone = "cloud"
base_url = "{url}/v1"
price = {{ input = 1, output = 1 }}
"""


def answer(seen: Seen) -> Answer:
    """Says the prompt again."""
    return Answer(text=seen.tree["messages"][-1]["content"])


def prepare(folder: Path, url: str) -> list[str]:
    """The samples, the configuration and the command line."""
    rows = (json.dumps({"prompt": f"number {n}", "expected": f"number {n}"}) for n in range(SAMPLES))
    (folder / "samples.jsonl").write_text("\n".join(rows))
    (folder / "crossover.toml").write_text(CONFIG + "".join(DEPLOYMENT.format(name=n, url=url) for n in CANDIDATES))
    one, two = CANDIDATES
    words = ["eval", "run", "samples.jsonl", "--candidate", one, "--reference", two, "--concurrency", str(AT_ONCE)]
    return [sys.executable, "-c", START, *words, "--resume", "--json"]


def killed(server: FaultyServer, words: list[str], folder: Path, after: int) -> tuple[int, int]:
    """Start, kill after so many new calls; (answers kept, calls that were in flight)."""
    begun = len(server.journal)
    env = {"CROSSOVER_HOME": str(folder / "home"), "PATH": ""}
    with subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.DEVNULL) as process:
        while len(server.journal) < begun + after and process.poll() is None:
            time.sleep(0.0005)
        process.kill()
    kept = len(read(folder / "samples-eval" / NAME).answers)
    return kept, len(server.journal)


def serve(ready: threading.Event, found: list[FaultyServer]) -> None:
    async def work() -> None:
        async with FaultyServer("openai", answer) as server:
            found.append(server)
            ready.set()
            await asyncio.Event().wait()

    asyncio.run(work())


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    ready, found = threading.Event(), list[FaultyServer]()
    threading.Thread(target=serve, args=(ready, found), daemon=True).start()
    ready.wait()
    server = found[0]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        words = prepare(folder, server.url)
        before = 0
        for number in range(kills):
            kept, paid = killed(server, words, folder, chance.randrange(1, 2 * SAMPLES * 2 // (kills + 4)))
            assert kept >= before, "an answer was lost"
            print(
                f"kill {number + 1:>2}: {kept:>5} answers kept, {paid:>5} calls paid, {paid - kept:>3} of them in vain"
            )
            before = kept
        last = subprocess.run(words, cwd=folder, env={"CROSSOVER_HOME": str(folder / "home"), "PATH": ""},
                              capture_output=True, text=True, check=True)  # fmt: skip
        read_ = read(folder / "samples-eval" / NAME)
        wanted = SAMPLES * len(CANDIDATES)
        twice = len(read_.answers) - len({(one.sample, one.asked) for one in read_.answers.values()})
        extra = len(server.journal) - wanted
        most = kills * AT_ONCE * len(CANDIDATES)
        verdict = json.loads(last.stdout)["versus"][0]["comparison"]["verdict"]
        fine = len(read_.answers) == wanted and not twice and extra <= most
        bar = "within" if fine else "OVER"
        print(f"{len(read_.answers)} of {wanted} answers, {twice} twice, {len(read_.damaged)} damaged lines")
        print(f"{extra} calls paid in vain, at most {most} in flight: {bar} the bar; verdict {verdict}")


if __name__ == "__main__":
    main()
