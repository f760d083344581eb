"""Whole tests in virtual time: one load, a sweep to the knee, the highest rate; and the evidence they leave."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from crossover.errors import InputError, UpstreamError
from crossover.evidence import Evidence
from crossover.loadtest.conduct import Course, calibrated, closed_limits, conduct, open_limits, point_of
from crossover.loadtest.drive import Limits, Purse
from crossover.loadtest.evidence import evidence
from crossover.loadtest.measure import figures
from crossover.loadtest.prompts import Own, Scale, Source, Synthetic
from crossover.loadtest.sweep import knee
from crossover.loadtest.targets import Tape
from crossover.loadtest.words import Ask, Load, ServerSide, Session, Stage
from crossover.usage import Usage
from crossover.workload import Slo, Trace, parse_slo
from tests.loadtest.test_prompts import tokens
from tests.loadtest.test_records import SESSION
from tests.loadtest.virtual import Model, Plain, run

Clock = Callable[[], float]


def course(kind: str = "one", load: Load | None = None, **more: object) -> Course:
    facts = {"kind": kind, "load": load or Load(concurrency=2), "limits": Limits(), **more}
    return Course(**facts)  # type: ignore[arg-type]


def conducted(asked: Course, model: Callable[[], Model] = Model, **more: int) -> Session:
    stages: list[Stage] = []

    async def whole(clock: Clock) -> None:
        await conduct(asked, model(), Plain(**more), keep=stages.append, clock=clock, wall=lambda: 1_790_000_000.0)

    run(whole)
    return msgspec.structs.replace(SESSION, stages=tuple(stages))


def test_one_closed_load() -> None:
    (stage,) = conducted(course(requests=30)).stages
    made = figures(stage.run)
    assert (made.ok, made.warmup, stage.begun) == (30, 2, 1_790_000_000.0)


def test_one_open_load_with_its_warm_up_before() -> None:
    (stage,) = conducted(course(load=Load(rate_rps=5), duration_s=20)).stages
    made = figures(stage.run)
    assert made.warmup == 5
    first = next(shot for shot in stage.run.shots if not shot.warmup)
    assert stage.run.load_end - first.sent == pytest.approx(20, abs=1.5)
    assert made.requests_per_s.value == pytest.approx(5, rel=0.4)


def test_a_sweep_goes_to_the_knee_and_a_little_beyond() -> None:
    session = conducted(course("sweep"), lambda: Model(slots=6), out=10)
    loads = [stage.run.load.concurrency for stage in session.stages]
    assert loads[:5] == [1, 2, 4, 8, 16]
    best = knee([point_of(stage.run) for stage in session.stages])
    assert best is not None
    assert best.concurrency == 6


def test_the_highest_rate_under_an_slo_is_found() -> None:
    """One slot of a tenth of a second at an even rate: below ten a second nobody waits, above everybody does."""
    slo = parse_slo("ttft_p95<250ms")
    session = conducted(
        course("max_rate", Load(style="constant"), slo=slo), lambda: Model(ttft_s=0.1, itl_s=0, slots=1), out=1
    )
    first, *trials = session.stages
    assert first.run.load.concurrency == 1
    assert trials[0].run.load.rate_rps == pytest.approx(10, rel=0.01)
    (row,) = [one for one in evidence(session, slo) if one.metric == "max_rate_rps"]
    assert 9.0 <= row.value <= 10.01
    assert row.high is not None
    assert 10.0 < row.high <= 11.1
    assert (row.context["slo"], row.context["input_tokens"]) == ("ttft_p95<250ms", 10.0)


def test_a_target_that_does_not_answer_alone_gets_no_load() -> None:
    session = conducted(course("max_rate", Load(rate_rps=1)), lambda: Model(fails=lambda _n: "refused"))
    assert len(session.stages) == 1


@pytest.mark.parametrize(("kind", "stages"), [("one", 1), ("sweep", 2), ("max_rate", 2)])
def test_a_budget_ends_the_whole_test(kind: str, stages: int) -> None:
    kept: list[Stage] = []
    purse = Purse(1.0, lambda shot: 0.03 if shot.ok else 0.0)
    load = Load(concurrency=1) if kind == "one" else Load()

    asked = course(kind, load, slo=Slo(), requests=25 if kind == "sweep" else None)

    async def whole(clock: Clock) -> None:
        await conduct(asked, Model(), Plain(), keep=kept.append, purse=purse, clock=clock)

    run(whole)
    assert [stage.run.stop for stage in kept] == [""] * (stages - 1) + ["budget"]
    assert 1.0 <= purse.spent_usd < 1.3
    assert "$1" in kept[-1].run.why


def test_a_cancelled_stage_is_kept() -> None:
    stages: list[Stage] = []

    async def whole(clock: Clock) -> None:
        task = asyncio.create_task(
            conduct(course(requests=1000), Model(), Plain(), keep=stages.append, clock=clock, wall=lambda: 0.0)
        )
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(whole)
    assert [stage.run.stop for stage in stages] == ["interrupted"]
    assert figures(stages[0].run).ok > 5


def test_the_engine_is_asked_around_every_stage() -> None:
    class Watcher:
        def __init__(self) -> None:
            self.calls: list[str] = []

        async def begin(self) -> None:
            self.calls.append("begin")

        async def end(self) -> ServerSide:
            self.calls.append("end")
            return ServerSide(engine="vllm", values={"ttft_s": 1.0})

    watch, stages = Watcher(), list[Stage]()

    async def whole(clock: Clock) -> None:
        await conduct(course(requests=3), Model(), Plain(), keep=stages.append, watch=watch, clock=clock)

    run(whole)
    assert watch.calls == ["begin", "end"]
    assert stages[0].server is not None


def test_bounds_where_nothing_is_said() -> None:
    limits = closed_limits(course(), 8)
    assert (limits.requests, limits.duration_s, limits.least, limits.warmup) == (None, 10.0, 100, 8)
    assert closed_limits(course(), 50).least == 400
    timed = closed_limits(course(duration_s=5.0), 8)
    assert (timed.requests, timed.duration_s, timed.least) == (None, 5.0, 0)
    stated = closed_limits(course(requests=7, warmup=0), 8)
    assert (stated.requests, stated.duration_s, stated.least, stated.warmup) == (7, 60.0, 0, 0)
    opened, due = open_limits(course(), Load(rate_rps=2, style="constant"))
    assert (opened.duration_s, opened.warmup, len(due)) == (30.0, 2, 66)
    ramp, times = open_limits(course(duration_s=10.0), Load(rate_rps=1, to_rate_rps=3))
    assert ramp.warmup == 0
    assert max(times) < 10
    recorded = Trace(
        name="t", arrival_s=np.array([0.0, 5.0, 700.0]), input_tokens=np.ones(3, int), output_tokens=np.ones(3, int)
    )
    _, replayed = open_limits(course(trace=recorded), Load(style="trace"))
    assert replayed == [0.0, 5.0]  # ten minutes are enough where nobody says otherwise
    with pytest.raises(InputError):
        open_limits(course(), Load(rate_rps=0))


# --------------------------------------------------------------------------------------------------------- calibration


class Counting(Model):
    """Counts two tokens a word, and nine beside them."""

    async def answer(self, ask: Ask, tape: Tape, number: int) -> None:
        if self.fails(number):
            await super().answer(ask, tape, number)
        tape.usage = Usage(input=9 + 2 * len(ask.messages[0][1].split()), output=1)


def asked(model: Model, source: Source) -> tuple[Source, Scale]:
    return run(lambda _clock: calibrated(model, source))


def test_a_target_is_asked_twice_how_it_counts() -> None:
    source, scale = asked(Counting(), Synthetic(tokens(101), seed=1))
    assert scale == Scale(per_word=2.0, beside=9.0, measured=True)
    assert len(source.ask(0).messages[0][1].split()) == 46


def test_one_that_does_not_count_is_left_uncalibrated() -> None:
    source = Synthetic(tokens(10), seed=1)
    assert asked(Model(fails=lambda number: "context_length" if number else ""), source)[1] == Scale()
    assert asked(Model(counts=False), source) == (source, Scale())


def test_a_target_that_does_not_work_is_known_at_once() -> None:
    for source in (Synthetic(tokens(10), seed=1), Own([Plain().ask(0)])):
        with pytest.raises(UpstreamError):
            asked(Model(fails=lambda _n: "auth"), source)
    assert asked(Model(), Own([Plain().ask(0)]))[1] == Scale()


def test_a_connection_that_ended_is_no_failure_of_the_target_before_the_load() -> None:
    once = Counting(fails=lambda number: "reset" if number == 1 else "")
    assert asked(once, Synthetic(tokens(101), seed=1))[1].measured
    with pytest.raises(UpstreamError, match="as told"):
        asked(Counting(fails=lambda _n: "reset"), Synthetic(tokens(101), seed=1))


# ------------------------------------------------------------------------------------------------------------ evidence


def by_metric(rows: tuple[Evidence, ...]) -> dict[str, Evidence]:
    return {row.metric: row for row in rows}


def test_a_closed_loop_leaves_what_the_capacity_model_needs() -> None:
    rows = by_metric(evidence(conducted(course(load=Load(concurrency=4), requests=80))))
    assert {"tpot_s", "ttft_s", "output_tokens_per_s", "ttft_p50_s", "ttft_p95_s", "itl_p95_s", "e2e_p95_s"} <= set(
        rows
    )
    row = rows["tpot_s"]
    assert row.value == pytest.approx(0.02)
    assert row.low is not None
    assert row.low <= row.value
    assert (row.subject, row.kind, row.unit, row.n) == ("tiny", "measured", "s", 80)
    assert row.when == dt.date(2026, 9, 21)
    assert row.expires == row.when + dt.timedelta(days=90)
    assert {name: row.context[name] for name in ("concurrency", "input_tokens", "output_tokens")} == {
        "concurrency": 4, "input_tokens": 10, "output_tokens": 5,
    }  # fmt: skip
    assert row.context["engine"] == "llamacpp"
    assert "4 at once" in row.method
    assert rows["output_tokens_per_s"].value == pytest.approx(4 * 5 / 0.18, rel=0.02)


def test_an_open_loop_leaves_percentiles_and_no_anchor() -> None:
    rows = by_metric(evidence(conducted(course(load=Load(rate_rps=10), requests=60))))
    assert "ttft_p95_s" in rows
    assert "tpot_s" not in rows
    assert rows["ttft_p95_s"].context["rate_rps"] == 10


def test_little_is_left_of_little() -> None:
    assert evidence(conducted(course(requests=5))) == ()
    assert "ttft_p95_s" not in by_metric(evidence(conducted(course(requests=12))))
    failing = conducted(course(requests=100), lambda: Model(fails=lambda n: "reset" if n % 2 else ""))
    assert evidence(failing) == ()
    assert evidence(conducted(course(load=Load(rate_rps=1, to_rate_rps=9), duration_s=20))) == ()


def test_what_the_planner_calls_it_is_written_too() -> None:
    session = conducted(course(requests=40))
    named = msgspec.structs.replace(session, subject=msgspec.structs.replace(session.subject, known_as="api:a/b"))
    rows = evidence(named)
    assert [row.subject for row in rows] == ["tiny"] * (len(rows) // 2) + ["api:a/b"] * (len(rows) // 2)
    assert rows[0].value == rows[len(rows) // 2].value


def test_a_sweep_leaves_its_knee() -> None:
    rows = [
        one
        for one in evidence(conducted(course("sweep"), lambda: Model(slots=6), out=10))
        if one.metric == "knee_concurrency"
    ]
    assert [row.value for row in rows] == [6]
    unbent = conducted(course("sweep", most=8), out=10)
    assert not [one for one in evidence(unbent, Slo()) if one.metric == "knee_concurrency"]
    assert math.isfinite(sum(one.value for one in evidence(unbent)))


def test_the_knee_says_at_which_lengths_and_times_it_was() -> None:
    session = conducted(course("sweep"), lambda: Model(slots=6), out=10)
    (row,) = [one for one in evidence(session) if one.metric == "knee_concurrency"]
    assert row.value == 6
    assert (row.context["output_tokens"], row.context["concurrency"], row.context["engine"]) == (10.0, 6, "llamacpp")
    assert row.context["ttft_p50_s"] == pytest.approx(0.1, abs=0.01)
