"""Load tests for the tests of reports: one load, a sweep, a search, hostile names, and nothing at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from crossover.loadtest.compare import pairs
from crossover.loadtest.conduct import Course, conduct
from crossover.loadtest.drive import Limits
from crossover.loadtest.words import Load, ServerSide, Session, Stage
from crossover.reports.loadtest import Beside, Report, report
from crossover.workload import Slo, parse_slo
from tests.loadtest.test_records import SESSION
from tests.loadtest.virtual import Model, Plain, run

HOSTILE = "</style><script>alert(1)</script>\x1b[31m\u202e[red]{x|y}\"'"
SLO = parse_slo("ttft_p95<250ms,itl_p99<30ms")


def session(kind: str, model: Callable[[], Model], load: Load | None = None, **more: Any) -> Session:
    """A session in virtual time."""
    stages: list[Stage] = []
    course = Course(kind=kind, load=load or Load(concurrency=4), limits=Limits(drain_s=1), slo=SLO, **more)  # type: ignore[arg-type]

    async def whole(clock: Callable[[], float]) -> None:
        await conduct(course, model(), Plain(out=12), keep=stages.append, clock=clock, wall=lambda: 1_790_000_000.0)

    thread = threading.Thread(target=run, args=(whole,))  # a browser's driver has a loop in this one
    thread.start()
    thread.join()
    server = ServerSide(engine="vllm", values={"ttft_s": 0.09, "cache_hits": 0.25, "running": 4.0})
    stages = [msgspec.structs.replace(stage, server=server) for stage in stages]
    return msgspec.structs.replace(SESSION, stages=tuple(stages))


@cache
def one() -> Report:
    """One closed load under an SLO, beside an earlier run of a quicker server."""
    quick = session("one", lambda: Model(ttft_s=0.05), requests=60)
    now = session("one", Model, requests=60)
    beside = Beside(name="before.jsonl", label="the same", pairs=pairs(quick, now))
    return report(now, SLO, beside=[beside], evidence=11, made_on="2026-11-27")


@cache
def sweep() -> Report:
    """A sweep with a knee at six."""
    return report(session("sweep", lambda: Model(slots=6)), Slo(), spent_usd=0.1234, made_on="2026-11-27")


@cache
def search() -> Report:
    """The highest rate of one slot."""
    found = session("max_rate", lambda: Model(itl_s=0, slots=1), Load(style="constant"))
    return report(found, SLO, evidence=0, made_on="2026-11-27")


@cache
def failing() -> Report:
    """Nothing but failures."""
    return report(session("one", lambda: Model(fails=lambda _n: "auth"), requests=20), SLO, made_on="2026-11-27")


@cache
def hostile() -> Report:
    """Names that would like to be markup."""
    found = session("one", Model, requests=30)
    subject = msgspec.structs.replace(found.subject, label=HOSTILE, id=HOSTILE)
    named = msgspec.structs.replace(found, subject=subject, asked=HOSTILE)
    beside = Beside(name=HOSTILE, label=HOSTILE, pairs=pairs(named, named))
    return report(named, SLO, beside=[beside], evidence=3, made_on="2026-11-27")


@cache
def smallest() -> Report:
    """A session without a stage."""
    return report(msgspec.structs.replace(SESSION, stages=()), Slo(), made_on="2026-11-27")
