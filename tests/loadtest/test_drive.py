"""Loads carried out in virtual time: paces, bounds, ends, and that no slow server hides its queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from crossover.errors import EgressError
from crossover.loadtest.drive import Limits, Log, drive
from crossover.loadtest.measure import figures
from crossover.loadtest.targets import Tape, Target
from crossover.loadtest.words import UNFINISHED, Ask, Load, Run
from tests.loadtest.virtual import Model, Plain, run

Clock = Callable[[], float]


def driven(
    target: Callable[[], Target],
    load: Load,
    limits: Limits,
    *,
    due: Sequence[float] | None = None,
    source: Plain | None = None,
) -> Run:
    async def work(clock: Clock) -> Run:
        return await drive(target(), source or Plain(), load, limits, Log(load), due=due, clock=clock)

    return run(work)


def test_a_closed_loop_keeps_so_many_under_way() -> None:
    model: list[Model] = []

    def target() -> Model:
        model.append(Model())
        return model[0]

    found = driven(target, Load(concurrency=4), Limits(requests=20, warmup=4))
    assert len(found.shots) == 24
    assert [shot.number for shot in found.shots] == list(range(24))
    assert sum(shot.warmup for shot in found.shots) == 4
    assert model[0].most_at_once == 4
    assert found.stop == ""
    assert {round(shot.ttft, 6) for shot in found.shots} == {0.1}
    assert {round(shot.tpot, 6) for shot in found.shots} == {0.02}
    assert {round(shot.e2e, 6) for shot in found.shots} == {0.18}


def test_time_ends_a_closed_loop_and_its_last_answers_are_waited_for() -> None:
    found = driven(Model, Load(concurrency=2), Limits(duration_s=1.0))
    assert all(shot.ok for shot in found.shots)
    assert max(shot.sent for shot in found.shots) < 1.0
    assert len(found.shots) == 12  # 0.18 s each: six rounds begin within a second


def test_time_waits_for_so_many_requests_but_not_for_ever() -> None:
    slow = Limits(duration_s=1.0, least=20)
    assert len(driven(Model, Load(concurrency=1), slow).shots) == 20
    assert len(driven(lambda: Model(ttft_s=8), Load(concurrency=1), slow).shots) == 8  # a minute is over
    quick = driven(lambda: Model(ttft_s=0.01, itl_s=0), Load(concurrency=1), slow)
    assert len(quick.shots) == pytest.approx(100, abs=1)  # and it goes on for the whole time


def test_the_time_begins_after_the_warm_up() -> None:
    found = driven(Model, Load(concurrency=1), Limits(duration_s=1.0, warmup=10))
    assert sum(not shot.warmup for shot in found.shots) == 6


def test_an_open_loop_asks_when_it_is_due_however_slow_the_answers_are() -> None:
    """One slot, half a second an answer, ten requests a second: the queue is in the times, not hidden by waiting."""
    due = [number / 10 for number in range(20)]
    found = driven(lambda: Model(ttft_s=0.5, itl_s=0, slots=1), Load(rate_rps=10), Limits(), due=due)
    assert [round(shot.sent, 3) for shot in found.shots] == [round(at, 3) for at in due]
    assert [round(shot.ttft, 3) for shot in found.shots] == [round(0.5 * (n + 1) - n / 10, 3) for n in range(20)]


def test_a_closed_loop_at_the_same_server_sees_no_queue() -> None:
    """Coordinated omission, shown: one at a time the same server looks fast."""
    found = driven(lambda: Model(ttft_s=0.5, itl_s=0, slots=1), Load(concurrency=1), Limits(requests=20))
    assert {round(shot.ttft, 3) for shot in found.shots} == {0.5}


def test_more_than_is_answered_ends_an_open_loop() -> None:
    due = [number / 20 for number in range(4000)]
    found = driven(lambda: Model(ttft_s=0.1, itl_s=0, slots=1), Load(rate_rps=20), Limits(), due=due)
    assert found.stop == "saturated"
    assert found.load_end < 30
    assert "were answered" in found.why
    assert any(shot.error == UNFINISHED for shot in found.shots)


def test_a_load_that_is_just_carried_is_let_run() -> None:
    due = [number / 9 for number in range(600)]
    found = driven(lambda: Model(ttft_s=0.1, itl_s=0, slots=1), Load(rate_rps=9), Limits(), due=due)
    assert found.stop == ""
    assert len(found.shots) == 600


def test_long_answers_at_the_start_are_no_growth() -> None:
    """Nothing is answered for 20 s, and all is well."""
    due = [number / 10 for number in range(600)]
    found = driven(lambda: Model(ttft_s=20, itl_s=0), Load(rate_rps=10), Limits(), due=due)
    assert found.stop == ""


def test_too_many_under_way_end_an_open_loop() -> None:
    due = [number / 1000 for number in range(5000)]
    found = driven(lambda: Model(ttft_s=50, itl_s=0), Load(rate_rps=1000), Limits(in_flight=100, drain_s=1), due=due)
    assert found.stop == "saturated"
    assert len(found.shots) == 100
    assert {shot.error for shot in found.shots} == {UNFINISHED}


def test_a_target_that_never_answers_is_given_up_soon() -> None:
    found = driven(lambda: Model(fails=lambda _n: "refused"), Load(concurrency=1), Limits(requests=1000))
    assert found.stop == "errors"
    assert len(found.shots) == 5
    assert found.why == "5 of 5 requests failed (refused)"


def test_a_share_of_failures_ends_it_and_a_few_do_not() -> None:
    def some(every: int) -> Run:
        failing = lambda number: "server_error" if number % every == 0 else ""  # noqa: E731
        return driven(lambda: Model(fails=failing), Load(concurrency=2), Limits(requests=100))

    assert some(20).stop == ""
    assert some(4).stop == "errors"
    assert figures(some(20)).errors == {"server_error": 5}


def test_what_hangs_at_the_end_is_ended_and_counted() -> None:
    class Hangs(Model):
        async def answer(self, ask: Ask, tape: Tape, number: int) -> None:
            if number == 3:
                await asyncio.sleep(1e9)
            await super().answer(ask, tape, number)

    found = driven(Hangs, Load(concurrency=2), Limits(requests=10, drain_s=5))
    assert [shot.error for shot in found.shots].count(UNFINISHED) == 1
    assert figures(found).unfinished == 1
    assert figures(found).failed == 0


def test_cancelling_ends_every_request_and_keeps_what_was_measured() -> None:
    async def work(clock: Clock) -> tuple[Log, Model]:
        load, model = Load(concurrency=3), Model()
        log = Log(load)
        task = asyncio.get_running_loop().create_task(
            drive(model, Plain(), load, Limits(requests=1000), log, clock=clock)
        )
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return log, model

    log, model = run(work)
    found = log.run()
    assert model.at_once == 0
    assert found.stop == "interrupted"
    assert sum(shot.ok for shot in found.shots) == 6
    assert sum(shot.error == UNFINISHED for shot in found.shots) == 3
    assert log.under_way == 0


@pytest.mark.parametrize("load", [Load(concurrency=3), Load(rate_rps=10)])
def test_a_mistake_of_ours_is_no_failure_of_the_target(load: Load) -> None:
    class Locked(Model):
        async def answer(self, ask: Ask, tape: Tape, number: int) -> None:
            raise EgressError("nothing permits this")

    with pytest.raises(EgressError):
        driven(Locked, load, Limits(requests=10), due=[0.0, 0.1, 0.2])


def test_a_stream_without_an_end_is_cut() -> None:
    class Stops(Model):
        async def answer(self, ask: Ask, tape: Tape, number: int) -> None:
            tape.piece(tape.clock(), visible=True)

    found = driven(Stops, Load(concurrency=1), Limits(requests=2))
    assert [shot.error for shot in found.shots] == ["cut", "cut"]


def test_what_nobody_counts_is_estimated_and_says_so() -> None:
    (shot,) = driven(lambda: Model(counts=False), Load(concurrency=1), Limits(requests=1)).shots
    assert (shot.input, shot.output) == (10, 5)
    assert (shot.input_basis, shot.output_basis) == ("estimated", "estimated")


def test_reasoning_is_told_from_what_is_shown() -> None:
    (shot,) = driven(lambda: Model(thoughts=3), Load(concurrency=1), Limits(requests=1)).shots
    assert shot.ttft == pytest.approx(0.1)
    assert shot.visible == pytest.approx(0.16)
    (silent,) = driven(lambda: Model(thoughts=9), Load(concurrency=1), Limits(requests=1)).shots
    assert silent.visible is None


def test_progress_is_told() -> None:
    heard: list[tuple[int, int]] = []

    async def work(clock: Clock) -> Run:
        load = Load(concurrency=1)
        limits = Limits(requests=3, warmup=1)
        return await drive(
            Model(), Plain(), load, limits, Log(load), clock=clock, heard=lambda *told: heard.append(told)
        )

    run(work)
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
