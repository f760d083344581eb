"""Runs: pairs wherever they end, failures kept apart, resumed without paying twice."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest

from crossover.errors import BudgetSpentError, RequestError, StoppedError, StoreError, UpstreamError
from crossover.evaluation.calls import Candidate, Patience
from crossover.evaluation.log import Log
from crossover.evaluation.run import LOOK_EVERY, Progress, Ran, in_order, judgeable, run
from crossover.evaluation.samples.words import Check, Sample
from crossover.evaluation.scorers.registry import Means, Scorers
from crossover.evaluation.words import Verdict
from tests.evaluation.parts import Model, calls, candidate, exactly, log, sample, samples, scored


def finished(work: Coroutine[Any, Any, Ran]) -> Ran:
    return asyncio.run(asyncio.wait_for(work, 60))


def ran(folder: Path, rows: Sequence[Sample], *candidates: Candidate, budget: str | None = None, **more: Any) -> Ran:
    async def work() -> Ran:
        with log(folder) as open_:
            return await run(rows, candidates, calls(open_, budget, **more), exactly(), concurrency=4)

    return finished(work())


def odd_wrong(prompt: str) -> str:
    return "wrong" if int(prompt.rpartition("s")[2]) % 2 else "right"


def test_every_sample_at_every_candidate(tmp_path: Path) -> None:
    done = ran(tmp_path, samples(10), candidate("a", Model()), candidate("b", Model(odd_wrong)))
    assert done.ended is None
    assert set(scored(done.outcomes, "a").values()) == {1.0}
    assert scored(done.outcomes, "b") == {f"s{number}": float(number % 2 == 0) for number in range(10)}


def test_one_sample(tmp_path: Path) -> None:
    done = ran(tmp_path, samples(1), candidate("a", Model()))
    assert scored(done.outcomes, "a") == {"s0": 1.0}


def test_failures_and_what_is_withheld_are_kept_apart(tmp_path: Path) -> None:
    from crossover.errors import NoTargetError

    def say(prompt: str) -> Any:
        if "s1" in prompt:
            return RequestError("no", code="model_not_found")
        return NoTargetError("a card number may not leave", status=422) if "s2" in prompt else "right"

    done = ran(tmp_path, samples(4), candidate("a", Model(say)))
    assert scored(done.outcomes, "a") == {"s0": 1.0, "s1": "failed", "s2": "withheld", "s3": 1.0}
    assert done.outcomes["s1", "a"].why == "model_not_found: no"


def test_a_scorer_that_fails_is_an_error_and_no_bad_answer(tmp_path: Path) -> None:
    rows = [sample("s0"), sample("s1", checks=(Check(scorer="numeric"),))]
    done = ran(tmp_path, rows, candidate("a", Model("right 4")))
    assert scored(done.outcomes, "a") == {"s0": 0.0, "s1": "unscored"}
    assert done.outcomes["s1", "a"].answer is not None


def test_nobody_runs_ahead(tmp_path: Path) -> None:
    async def work() -> Ran:
        held = asyncio.Event()
        fast, slow = Model(), Model(held=held)
        with log(tmp_path) as open_:
            made = calls(open_)
            task = asyncio.ensure_future(
                run(samples(100), [candidate("a", fast), candidate("b", slow)], made, exactly(), concurrency=2)
            )
            for _ in range(200):
                await asyncio.sleep(0)
            assert len(slow.prompts) == 2
            assert len(fast.prompts) <= 4
            held.set()
            return await task

    assert len(finished(work()).outcomes) == 200


def test_a_spent_budget_leaves_pairs(tmp_path: Path) -> None:
    done = ran(tmp_path, samples(20), candidate("a", Model()), candidate("b", Model()), budget="0.10")
    assert isinstance(done.ended, BudgetSpentError)
    states = {name: scored(done.outcomes, name) for name in "ab"}
    both = [key for key in states["a"] if states["a"][key] == states["b"][key] == 1.0]
    assert len(both) >= 3
    assert sum(value == 1.0 for one in states.values() for value in one.values()) == 10
    assert len(done.outcomes) == 40


def test_a_free_candidate_still_answers_from_the_log_when_the_budget_is_spent(tmp_path: Path) -> None:
    ran(tmp_path, samples(5), candidate("a", Model()))
    done = ran(tmp_path, samples(10), candidate("a", Model()), budget="0.05")
    assert isinstance(done.ended, BudgetSpentError)
    assert sum(one == 1.0 for one in scored(done.outcomes, "a").values()) <= 5


def test_a_candidate_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    broken = Model(lambda _prompt: UpstreamError("no key", upstream="auth"))
    good = Model()
    done = ran(tmp_path, samples(200), candidate("a", good), candidate("b", broken))
    assert isinstance(done.ended, StoppedError)
    assert len(broken.prompts) < 20
    assert len(good.prompts) < 40


def test_it_goes_on_where_it_ended_and_pays_nothing_twice(tmp_path: Path) -> None:
    first, second = Model(), Model()
    ran(tmp_path, samples(20), candidate("a", first), budget="0.10")
    done = ran(tmp_path, samples(20), candidate("a", second))
    assert done.ended is None
    assert len(first.prompts) == len(second.prompts) == 10
    assert set(first.prompts).isdisjoint(second.prompts)
    assert set(scored(done.outcomes, "a").values()) == {1.0}


def test_ctrl_c_keeps_what_was_answered(tmp_path: Path) -> None:
    async def work() -> None:
        held = asyncio.Event()
        model = Model(held=held)
        with log(tmp_path) as open_:
            task = asyncio.ensure_future(
                run(samples(50), [candidate("a", model)], calls(open_), exactly(), concurrency=3)
            )
            while len(model.prompts) < 3:
                await asyncio.sleep(0)
            model.held = None
            held.set()
            while len(open_.answers) < 12:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            kept = len(open_.answers)
            assert len(model.prompts) - kept <= 3
        again = Model()
        with log(tmp_path) as open_:
            await run(samples(50), [candidate("a", again)], calls(open_), exactly(), concurrency=3)
        assert len(again.prompts) == 50 - kept

    asyncio.run(asyncio.wait_for(work(), 30))


def test_a_full_disk_stops_the_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model()

    def full(_log: Log, _row: object) -> None:
        raise StoreError("cannot be written: no space left")

    async def work() -> Ran:
        with log(tmp_path) as open_:
            monkeypatch.setattr(Log, "append", full)
            return await run(samples(100), [candidate("a", model)], calls(open_), exactly(), concurrency=4)

    with pytest.raises(StoreError, match="no space"):
        finished(work())
    assert len(model.prompts) <= 8


def looked(
    folder: Path, rows: Sequence[Sample], settles_at: int, *, stop: bool, seed: int = 0
) -> tuple[Ran, list[int]]:
    """A run of two names that is looked at; there is a verdict from so many samples on. Ends of looks come back."""
    ends: list[int] = []

    def verdicts(part: Sequence[Sample], _outcomes: object) -> dict[str, Verdict]:
        ends.append(len(part))
        assert part == in_order(rows, seed)[: len(part)], "in the order of the run, from its beginning"
        return {"a": "better" if len(part) >= settles_at else "inconclusive"}

    async def work() -> Ran:
        with log(folder) as open_:
            return await run(
                rows, [candidate("a", Model()), candidate("r", Model())], calls(open_), exactly(), concurrency=4,
                seed=seed, verdicts=verdicts, stop=stop,
            )  # fmt: skip

    return finished(work()), ends


def test_a_run_is_looked_at_and_goes_on(tmp_path: Path) -> None:
    done, ends = looked(tmp_path, samples(200), 60, stop=False)
    assert (done.stopped, done.ended) == (False, None)
    assert all(later - earlier >= LOOK_EVERY for earlier, later in pairwise(ends))
    assert done.settled is not None
    assert 60 <= done.settled.samples < 100
    assert len(scored(done.outcomes, "a")) == 200
    assert "missing" not in scored(done.outcomes, "a").values()


def test_a_run_ends_where_everything_is_settled(tmp_path: Path) -> None:
    done, ends = looked(tmp_path, samples(200), 60, stop=True)
    assert done.stopped
    answered = [name for name, score in scored(done.outcomes, "a").items() if score != "missing"]
    assert set(answered) == {one.id for one in in_order(samples(200), 0)[: len(answered)]}, "a part without holes"
    assert 60 <= len(answered) <= 100
    assert ends[-1] == len(answered), "what was under way at the look counts too"


def test_a_verdict_that_does_not_last_ends_nothing(tmp_path: Path) -> None:
    seen: list[int] = []

    def verdicts(part: Sequence[Sample], _outcomes: object) -> dict[str, Verdict]:
        seen.append(len(part))
        return {"a": "better" if len(seen) == 1 else "inconclusive"}

    async def work() -> Ran:
        with log(tmp_path) as open_:
            both = [candidate("a", Model()), candidate("r", Model())]
            return await run(samples(60), both, calls(open_), exactly(), concurrency=4, verdicts=verdicts, stop=True)

    done = finished(work())
    assert not done.stopped
    assert "missing" not in scored(done.outcomes, "a").values()
    assert len(seen) >= 2


def test_groups_are_taken_whole_and_looked_at_whole(tmp_path: Path) -> None:
    rows = [sample(f"s{number}", group=f"g{number // 7}") for number in range(140)]
    order = in_order(rows, 3)
    assert [one.group for one in order] == [name for name, part in groupby(one.group for one in order) for _ in part]
    assert len({one.group for one in order}) == sum(1 for _ in groupby(one.group for one in order))
    done, ends = looked(tmp_path, rows, 10**9, stop=True, seed=3)
    assert not done.stopped
    assert all(end % 7 == 0 for end in ends)


def test_progress_counts_failures_and_dollars(tmp_path: Path) -> None:
    said: list[Progress] = []

    async def work() -> Ran:
        model = Model(lambda prompt: RequestError("no") if "s1" in prompt else "right")
        with log(tmp_path) as open_:
            return await run(samples(3), [candidate("a", model)], calls(open_), exactly(), tell=said.append)

    finished(work())
    assert [(one.done, one.total) for one in said] == [(1, 3), (2, 3), (3, 3)]
    assert said[-1].failed == 1
    assert said[-1].spent == pytest.approx(0.02)


def test_429_for_ever_ends(tmp_path: Path) -> None:
    model = Model(lambda _prompt: UpstreamError("slow down", upstream="rate_limited", accepted=False))
    done = ran(tmp_path, samples(500), candidate("a", model), patience=Patience(tries=2))
    assert isinstance(done.ended, StoppedError)
    assert "rate_limited" in done.ended.message
    assert len(model.prompts) < 60


def test_options_of_the_run_and_of_a_sample(tmp_path: Path) -> None:
    model = Model()
    rows = [sample("s0"), sample("s1", options={"max_tokens": 5})]
    ran(tmp_path, rows, candidate("a", model, options={"max_tokens": 9, "temperature": 0.0}))
    assert sorted((one.max_tokens, one.temperature) for one in model.requests) == [(5, 0.0), (9, 0.0)]


def test_samples_that_cannot_be_judged(tmp_path: Path) -> None:
    rows = [sample("s0"), sample("s1", line=7), sample("s2", checks=(Check(scorer="regex:x"),))]
    rows[1] = Sample(id="s1", messages=rows[1].messages, line=7)
    fine, wrong = judgeable(rows, Scorers((Check(scorer="exact"),), Means()), "f.jsonl")
    assert [one.id for one in fine] == ["s0", "s2"]
    assert (
        wrong[0].sentence()
        == "f.jsonl:7: the sample 's1' cannot be judged: it has no expected answer, and exact needs one"
    )
