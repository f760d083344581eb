"""Targets in turns: the order is fair, differences that are there are told, and noise between rounds is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from crossover.loadtest.conduct import Course
from crossover.loadtest.contest import Ready, Row, Side, bounded, contest, order, rows
from crossover.loadtest.drive import Limits
from crossover.loadtest.evidence import of_rounds
from crossover.loadtest.prompts import Synthetic, drawn
from crossover.loadtest.words import Ask, Load, Stage
from crossover.workload import constant, parse_slo
from tests.loadtest.test_compare import drawn as run_of
from tests.loadtest.test_records import SESSION
from tests.loadtest.virtual import Model, Plain, run


def side(name: str, factors: Sequence[float], seed: int = 0) -> Side:
    """A target whose rounds are slower by these factors."""
    stages = tuple(
        Stage(run=run_of(seed * 1000 + number, slower=factor, count=60, load=Load(concurrency=2)), begun=0.0)
        for number, factor in enumerate(factors)
    )
    return Side(name=name, session=msgspec.structs.replace(SESSION, stages=stages))


def named(found: Sequence[Row]) -> dict[str, Row]:
    return {f"{row.metric}{row.share or ''}": row for row in found}


def test_a_slower_target_is_told_apart() -> None:
    found = named(rows([side("a", [1] * 5), side("b", [1.3] * 5, seed=2)]))
    for name in ("ttft0.5", "itl0.5", "e2e0.5"):
        row = found[name]
        (edge,) = row.edges
        assert edge.told, name
        assert edge.low is not None
        assert edge.high is not None
        assert edge.low < 1.3 < edge.high
        assert (row.leader, row.best) == (0, (0,))


def test_what_differs_between_rounds_is_noise() -> None:
    """Each target is 1.3 times slower in some rounds: pooled answers would tell them apart, rounds do not."""
    found = named(rows([side("a", [1, 1.3, 1, 1.3, 1]), side("b", [1.3, 1, 1.3, 1, 1.3], seed=1)]))
    assert not found["ttft0.5"].edges[0].told
    assert found["ttft0.5"].best == (0, 1)


def test_what_changes_for_both_in_a_round_is_no_noise() -> None:
    weather = np.array([1.0, 2.0, 0.7, 3.0, 1.5])
    found = named(rows([side("a", weather.tolist()), side("b", (1.3 * weather).tolist(), seed=1)]))
    assert found["ttft0.5"].edges[0].told
    mean = found["ttft0.5"].means[0]
    assert mean is not None
    assert mean.low is not None
    assert mean.high is not None
    assert mean.high > 1.5 * mean.value > 1.5 * mean.low


def test_equal_targets_are_rarely_told_apart() -> None:
    """All pairs of three together: at most one family in twenty, whatever the rounds do."""
    told = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        factors = rng.lognormal(0, 0.2, (3, 5))
        found = named(rows([side(name, factors[place].tolist(), seed * 3 + place) for place, name in enumerate("abc")]))
        told += any(edge.told for edge in found["ttft0.5"].edges)
    assert told <= 6  # of 40; two are expected, and seven or more come once in a hundred times


def test_goodput_may_be_nothing() -> None:
    slo = parse_slo("ttft_p95<180ms")
    found = named(rows([side("a", [1] * 5), side("b", [4] * 5, seed=1)], slo))
    row = found["goodput_rps"]
    assert row.edges[0].told
    assert (row.leader, row.best) == (0, (0,))
    assert row.means[1] is not None
    assert row.means[1].value < row.means[0].value if row.means[0] else False
    none = named(rows([side("a", [9] * 5), side("b", [9] * 5, seed=1)], parse_slo("ttft_p95<1ms")))
    assert not none["goodput_rps"].edges[0].told
    assert none["goodput_rps"].edges[0].ratio is None


def test_too_few_rounds_say_nothing_about_chance() -> None:
    found = named(rows([side("a", [1, 1]), side("b", [3, 3], seed=1)]))
    (edge,) = found["ttft0.5"].edges
    assert (edge.low, edge.high, edge.told) == (None, None, False)
    assert rows([]) == ()
    assert rows([side("a", [])]) == ()


def test_nobody_is_always_first() -> None:
    for count in (2, 3, 4):
        turns = [order(count, number) for number in range(2 * count)]
        assert all(sorted(turn) == list(range(count)) for turn in turns)
        places = Counter((turn.index(side), side) for turn in turns for side in range(count))
        assert set(places.values()) == {2}


def carried(*models: Model, rounds: int = 3) -> tuple[list[Ready], list[tuple[int, Stage]]]:
    sides = [Ready(name=str(place), target=model, source=Plain(out=4)) for place, model in enumerate(models)]
    kept: list[tuple[int, Stage]] = []
    course = Course(kind="one", load=Load(concurrency=2), limits=Limits(drain_s=1), requests=8)

    async def whole(_clock: Callable[[], float]) -> None:
        await contest(course, sides, rounds=rounds, keep=lambda number, stage: kept.append((number, stage)))

    run(whole)
    return sides, kept


def test_rounds_take_turns_and_who_fails_leaves() -> None:
    sides, kept = carried(Model(), Model(fails=lambda _number: "auth"), rounds=3)
    assert [number for number, _ in kept] == [0, 1, 0, 0]
    assert not sides[0].gone
    assert "failed" in sides[1].gone


def test_a_round_is_short_where_nothing_is_said() -> None:
    course = Course(kind="one", load=Load(concurrency=2), limits=Limits())
    assert bounded(course).usual_s == 3.0
    assert bounded(msgspec.structs.replace(course, requests=7)).usual_s == 10.0
    assert bounded(msgspec.structs.replace(course, load=Load(rate_rps=3))).duration_s == 6.0


def test_no_round_asks_what_another_asked() -> None:
    tokens = drawn(constant(40), constant(5), np.random.default_rng(0), count=96)
    source = Synthetic(tokens, seed=3)

    def text(ask: Ask) -> str:
        return ask.messages[0][1]

    asked = [text(source.later(load).ask(number)) for load in range(4) for number in range(50)]
    assert len({one[:30] for one in asked}) == 200
    assert text(source.later(0).ask(5)) == text(source.ask(5))
    lengths = msgspec.structs.replace(tokens, output=np.arange(1, 97))
    later = Synthetic(lengths, seed=3).later(7)
    assert [later.ask(number).output_tokens for number in range(100)] == [number % 96 + 1 for number in range(100)]


def test_evidence_holds_what_changes_between_rounds() -> None:
    found = {row.metric: row for row in of_rounds(side("a", [1, 2, 1, 2, 1]).session)}
    row = found["ttft_p50_s"]
    assert row.low is not None
    assert row.high is not None
    assert row.high / row.low > 1.3
    assert found["ttft_s"].value == row.value
    assert (row.n, row.context["rounds"], row.context["concurrency"]) == (300, 5, 2)
    assert found["output_tokens_per_s"].unit == "tokens/s"
    assert of_rounds(side("a", [1, 1]).session) == ()


@pytest.mark.parametrize("count", [1, 2])
def test_one_side_has_figures_and_no_pairs(count: int) -> None:
    found = rows([side(str(place), [1] * 3) for place in range(count)])
    assert all(len(row.edges) == count - 1 for row in found)
