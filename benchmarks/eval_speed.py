"""What an evaluation adds to the model's own time: CPU per sample at 64 concurrent. Bar: 2 ms.

Two candidates answer every sample from memory, after 20 ms and in 40 pieces; each answer is scored, written to the log
with its checksum and compared in the end. The same calls made bare are subtracted. Run it on a quiet machine:

    python benchmarks/eval_speed.py [samples]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path

from crossover.chat import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Delta,
    EmbedRequest,
    EmbedResponse,
    Message,
    Served,
    Text,
)
from crossover.evaluation.calls import Candidate
from crossover.evaluation.declared import Declared
from crossover.evaluation.heard import hear
from crossover.evaluation.log import open_log
from crossover.evaluation.results import write_results
from crossover.evaluation.samples.words import Sample
from crossover.evaluation.session import Manner, session
from crossover.usage import Usage

AT_ONCE = 64
PIECES = tuple(f"word{number} " for number in range(40))
DELAY_S = 0.02
BAR_MS = 2.0
SERVED = Served(
    request_id="r", deployment="d", model="m", zone="z", policy="p", reason="the only one", cost=Decimal("0.0001")
)


class Memory:
    """A model that answers from memory, after a while and in pieces."""

    async def complete(self, request: ChatRequest) -> ChatResponse:
        raise NotImplementedError

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        raise NotImplementedError

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        del request
        await asyncio.sleep(DELAY_S)
        for piece in PIECES:
            yield ChatChunk(deltas=(Delta(text=piece),))
        yield ChatChunk(deltas=(Delta(finish="stop"),), usage=Usage(input=300, output=40), served=SERVED, last=True)


def samples(count: int) -> list[Sample]:
    """Prompts of about 300 tokens."""
    text = "a sentence of an ordinary prompt that somebody wrote. " * 20
    return [
        Sample(
            id=f"s{n}", messages=(Message("user", (Text(f"{n}: {text}"),)),), expected=(f"word{n % 80}",), line=n + 1
        )
        for n in range(count)
    ]


async def bare(rows: list[Sample]) -> None:
    """The calls alone."""
    model, places = Memory(), asyncio.Semaphore(2 * AT_ONCE)

    async def one(row: Sample) -> None:
        async with places:
            await hear(model.stream(row.request("m")), time.perf_counter)

    await asyncio.gather(*(one(row) for row in rows for _ in range(2)))


async def evaluated(rows: list[Sample], folder: Path, scorer: str) -> None:
    """The whole evaluation."""
    candidates = [Candidate(name=name, backend=Memory(), model=name, identity=name) for name in ("a", "r")]
    declared = Declared(
        file="f", candidates=("a",), reference="r", scorer=scorer, margin=0.05, errors="as-wrong", options={}
    )
    with open_log(folder, resume=False) as log:
        done = await session(
            declared, rows, candidates, log, lookup=lambda _name: candidates[0], manner=Manner(concurrency=AT_ONCE)
        )
    assert done.made == 2 * len(rows)
    write_results(folder, done)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rows = samples(count)
    began = time.process_time()
    asyncio.run(bare(rows))
    alone = time.process_time() - began
    print(f"{count} samples, 2 candidates, {AT_ONCE} calls of each at once, {len(PIECES)} pieces an answer")
    print(f"{'the calls alone':<24} {alone / count * 1000:6.3f} ms CPU a sample")
    for scorer in ("icontains", "normalised", "json-fields"):
        wanted = rows if scorer != "json-fields" else json_rows(rows)
        with tempfile.TemporaryDirectory() as folder:
            began, start = time.process_time(), time.perf_counter()
            asyncio.run(evaluated(wanted, Path(folder), scorer))
            used, took = time.process_time() - began, time.perf_counter() - start
        added = (used - alone) / count * 1000
        verdict = "within" if added <= BAR_MS else "OVER"
        print(f"{'evaluated, ' + scorer:<24} {used / count * 1000:6.3f} ms; added {added:.3f} ms ({verdict} the bar of "
              f"{BAR_MS:g} ms); {count / took:,.0f} samples/s")  # fmt: skip


def json_rows(rows: list[Sample]) -> list[Sample]:
    import msgspec

    return [msgspec.structs.replace(row, expected=('{"a": 1, "b": {"c": "x"}}',)) for row in rows]


if __name__ == "__main__":
    main()
