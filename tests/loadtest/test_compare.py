"""Two runs compared: differences that are there are found, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from crossover.loadtest.compare import Compared, compare, pairs
from crossover.loadtest.words import Load, Run, Session, Stage
from tests.loadtest.test_records import SESSION
from tests.loadtest.virtual import made, shot


def drawn(seed: int, *, slower: float = 1.0, count: int = 300, load: Load | None = None) -> Run:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        sent = number * 0.1
        first = sent + slower * rng.lognormal(-2, 0.3)
        times = first + np.concatenate([[0], np.cumsum(slower * rng.lognormal(-4, 0.3, 20))])
        rows.append(shot(number, sent=sent, times=tuple(times.tolist())))
    return made(*rows, load=load)


def by_name(rows: tuple[Compared, ...]) -> dict[str, Compared]:
    return {f"{row.metric}{row.share or ''}": row for row in rows}


def test_a_slower_run_is_found_slower() -> None:
    rows = by_name(compare(drawn(1), drawn(2, slower=1.2), np.random.default_rng(0)))
    for name in ("ttft0.5", "ttft0.95", "itl0.5", "itl0.95", "tpot0.5", "e2e0.5"):
        row = rows[name]
        assert row.change == "worse", name
        assert row.low is not None
        assert row.high is not None
        assert row.low < 1.2 < row.high
        assert row.low < row.ratio < row.high
    back = by_name(compare(drawn(2, slower=1.2), drawn(1), np.random.default_rng(0)))
    assert back["ttft0.5"].change == "better"


def test_alike_runs_show_no_difference() -> None:
    shown = sum(
        row.change != "none shown"
        for seed in range(6)
        for row in compare(drawn(seed, count=120), drawn(seed + 100, count=120), np.random.default_rng(0))
    )
    assert shown <= 8  # of 60; one in twenty is what the intervals promise


def test_rates_are_better_when_they_are_higher() -> None:
    slow = drawn(1)
    rows = [shot(n, sent=n * 0.05, times=tuple(n * 0.05 + 0.1 + k * 0.01 for k in range(21))) for n in range(600)]
    found = by_name(compare(slow, made(*rows), np.random.default_rng(0)))
    assert found["requests_per_s"].change == "better"
    assert found["requests_per_s"].ratio == pytest.approx(2.0, rel=0.05)


def test_what_one_side_lacks_is_left_out() -> None:
    one = made(shot(0, times=(0.1,)))
    names = set(by_name(compare(one, drawn(1), np.random.default_rng(0))))
    assert names == {"ttft0.5", "ttft0.95", "e2e0.5", "e2e0.95", "output_tokens_per_s", "requests_per_s"}
    assert {row.change for row in compare(made(), made(), np.random.default_rng(0))} == {"none shown"}


def session(*loads: Load) -> Session:
    stages = tuple(Stage(run=drawn(seed, count=20, load=load), begun=0.0) for seed, load in enumerate(loads))
    return Session(**{name: getattr(SESSION, name) for name in ("subject", "asked", "seed", "product")}, stages=stages)


def test_stages_under_equal_loads_are_paired() -> None:
    before = session(Load(concurrency=1), Load(concurrency=2), Load(concurrency=4))
    found = pairs(before, session(Load(concurrency=4), Load(concurrency=1), Load(concurrency=9)))
    assert [pair.after.run.load.concurrency for pair in found] == [4, 1]
    assert all(pair.alike for pair in found)
    (other,) = pairs(before, session(Load(concurrency=9)))
    assert not other.alike
    assert other.before.run.load.concurrency == 4
    assert pairs(before, session()) == ()
