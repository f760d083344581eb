"""A writer is killed under load again and again: what it acknowledged is there, what it reserved stays charged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crossover.ledger import audit, care, queries
from tests.ledger.parts import opened, writing

ROUNDS = 10

# A process that loads the program once and then has children, one after the other. Each writes as fast as it can and
# says what is committed: rows in portions of 32, and every reservation that was granted.
LOAD = """
import asyncio, os, sys
from pathlib import Path
from crossover.ledger.store import open_ledger
from crossover.ledger.words import AttemptRow, Budget, Record

BUDGET = (Budget(name="team", limit=10**15, period="total"),)
TRIED = (AttemptRow(deployment="box", outcome="ok", start_ms=1.0, duration_ms=799.0),)

def say(*words):  # so short a line goes out whole or not at all
    os.write(1, (" ".join(words) + "\\n").encode())

async def load(name):
    writer = open_ledger(Path(sys.argv[1])).writer(flush_s=0.0)
    number = 0
    while True:
        rows = [f"{name}-{number + n}" for n in range(32)]
        for row in rows:
            writer.append(Record(id=row, time=1794916800.0 + number, door="openai", asked="support", policy="cheapest",
                                 status="ok", deployment="box", cost=5, attempts=TRIED))
        number += 32
        if await writer.reserve(f"{name}-{number}-open", BUDGET, 7, 1794916800.0) is None:
            say("reserved", f"{name}-{number}-open")
        while writer.health().written < number:
            await asyncio.sleep(0)
        say("committed", *rows)

for round in range(int(sys.argv[2])):
    child = os.fork()
    if child == 0:
        say("child", str(os.getpid()))
        asyncio.run(load(f"round{round}"))
    os.waitpid(child, 0)
    say("dead")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_no_committed_row_is_lost_and_reservations_stay_charged(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    said: dict[str, set[str]] = {"committed": set(), "reserved": set()}
    command = [sys.executable, "-c", LOAD, str(path), str(ROUNDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as nest:
        assert nest.stdout is not None
        for number in range(ROUNDS):
            kind, child = nest.stdout.readline().split()
            assert kind == "child"
            before_kill = 2 + number % 5  # it is killed at ever other places
            while (line := nest.stdout.readline()) != "dead\n":
                assert line, "the load ended by itself"
                kind, *ids = line.split()
                said[kind] |= set(ids)
                before_kill -= 1
                if before_kill == 0:
                    os.kill(int(child), signal.SIGKILL)
    with opened(path) as ledger:
        with writing(ledger):
            pass
        there = {row[0] for row in ledger.rows("SELECT id FROM records")}
        assert len(said["committed"]) >= 32 * ROUNDS
        assert said["committed"] <= there
        left = queries.unsettled(ledger)
        assert said["reserved"] <= {each.id for each in left}
        assert queries.standings(ledger)[0].reserved == 7 * len(left)
        assert care.check(ledger) == []
        assert audit.verify(ledger).good
    assert [each.name for each in tmp_path.iterdir() if "-writer-" in each.name] == []  # the dead leave no sign
