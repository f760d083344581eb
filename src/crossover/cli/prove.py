"""The middle of ``crossover demo``: is the tiny local model good enough in the place of the API it stands beside?

Nothing here is staged: 200 tickets that neither model was trained on go through the dispatcher to both, and the verdict
is what the answers support, whatever that is.
"""

from __future__ import annotations

import asyncio
import json
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from crossover.errors import CrossoverError, MissingExtraError

if TYPE_CHECKING:
    from crossover.evaluation.session import Session
    from crossover.reports.paper import Paper

CANDIDATE, REFERENCE = "tiny", "sandbox"
TICKETS, SEED = 200, 1
MOST_TOKENS = 8
AT_ONCE = 16
SAMPLES = "tickets.jsonl"


def prove(paper: Paper, out: Path, page: Path) -> Path:
    """Evaluate, print the verdict, write results below ``out`` (their folder comes back) and the report to ``page``.

    Calls and evidence go into a ledger beside the results. Raises MissingExtraError where there is no model to ask.
    """
    from crossover.cli.tour import CONFIG, configured
    from crossover.evaluation.results import write_results
    from crossover.evaluation.summary import read_summary
    from crossover.reports import evaluation, evaluation_html

    if find_spec("xllamacpp") is None:
        raise MissingExtraError("embedded", "the embedded llama.cpp")
    configured(out)
    samples, folder = out / SAMPLES, _folder(out)
    samples.write_text(tickets(), encoding="utf-8")
    paper.line(
        f"crossover eval run {samples} --candidate {CANDIDATE} --reference {REFERENCE} --max-tokens {MOST_TOKENS} "
        f"--config {out / CONFIG.name} --html {page}",
        lead=" $ ",
        style="dim",
    )
    began = time.monotonic()
    done = asyncio.run(_evaluated(samples, folder, folder / "ledger.db"))
    took = time.monotonic() - began
    write_results(folder, done)
    evaluation.brief(done.findings, paper)
    evaluation_html.write(read_summary(folder), page)
    paper.blank()
    paper.line(
        f"{TICKETS} tickets that neither was trained on, {done.made} calls in {took:.1f} s. Both models are tiny, the "
        "API is a sandbox in this process, priced like gpt-4o-mini; the statistics are real."
    )
    paper.line(f"Every answer, tag and disagreement: {page}", style="dim")
    return folder


def tickets() -> str:
    """Different tickets as a file of samples: the question for the label, the label as a tag."""
    from crossover.engines import tickets as made

    several = {ticket.text: ticket for ticket in made.tickets(SEED, TICKETS + TICKETS // 10, "heldout")}
    rows = (
        {"id": f"ticket-{number}", "prompt": ticket.classify, "expected": ticket.label, "tags": [ticket.label]}
        for number, ticket in enumerate(list(several.values())[:TICKETS], start=1)
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _folder(out: Path) -> Path:
    """A new folder for the results: what another run left is not touched."""
    for name in ("eval", *(f"eval-{number}" for number in range(2, 10_000))):
        try:
            (out / name).mkdir()
        except FileExistsError:
            continue
        return out / name
    raise CrossoverError(f"{out} is full of results", hint="Name another folder with --out")


async def _evaluated(samples: Path, folder: Path, ledger: Path) -> Session:
    from crossover.cli.evaluating import leave_evidence
    from crossover.cli.tour import CONFIG
    from crossover.config import paths
    from crossover.config.load import load
    from crossover.evaluation.declared import Declared
    from crossover.evaluation.log import open_log
    from crossover.evaluation.samples.read import read_samples, with_groups
    from crossover.evaluation.session import Manner, session
    from crossover.runtime.evaluating import open_room

    declared = Declared(
        file=str(samples), candidates=(CANDIDATE,), reference=REFERENCE, scorer="normalised", margin=0.05,
        errors="as-wrong", options={"max_tokens": MOST_TOKENS},
    )  # fmt: skip
    async with open_room(load(CONFIG, {}), paths(), ledger=ledger) as room:
        candidates = [room.candidate(name, declared.options) for name in (CANDIDATE, REFERENCE)]
        with open_log(folder, resume=False) as log:
            done = await session(
                declared, with_groups(read_samples(samples).samples), candidates, log,
                lookup=lambda name: room.candidate(name, {}), manner=Manner(concurrency=AT_ONCE),
            )  # fmt: skip
        leave_evidence(done, room, candidates, f"crossover demo {folder}")
    return done
