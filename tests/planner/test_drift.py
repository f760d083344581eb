"""Forecast against actual: days differ, and only what exceeds that is drift."""

from __future__ import annotations

import random

import msgspec
import pytest

from crossover.planner.draws import read_ranges
from crossover.planner.drift import Day, against, halves
from crossover.planner.words import Drift, Plan


def day(requests: float = 1000.0, **facts: float | None) -> Day:
    usual: dict[str, float | None] = {
        "input_tokens": 500.0, "output_tokens": 300.0, "cached_share": 0.2, "sensitive_share": 0.1,
        "usd_per_thousand": 2.0,
    }  # fmt: skip
    return Day(requests=requests, **{**usual, **facts})


def by_name(rows: tuple[Drift, ...]) -> dict[str, Drift]:
    return {row.name: row for row in rows}


def test_what_stays_is_as_forecast() -> None:
    rows = by_name(halves([day()] * 10))
    assert len(rows) == 6
    assert {row.outside for row in rows.values()} == {False}
    assert rows["requests a day"].forecast == rows["requests a day"].actual == 1000
    assert "as forecast" in rows["requests a day"].sentence


def test_what_doubles_has_drifted() -> None:
    days = [day(1000 + n % 3) for n in range(5)] + [day(2000 + n % 3) for n in range(5)]
    found = by_name(halves(days))["requests a day"]
    assert found.outside
    assert "+100%" in found.sentence
    assert found.low <= found.forecast <= found.high < found.actual


def test_ups_and_downs_of_days_are_no_drift() -> None:
    chance = random.Random(5)
    flagged = sum(
        bool(halves([day(chance.gauss(1000, 200)) for _ in range(14)])[0].outside) for _ in range(300)
    )  # fmt: skip
    assert flagged <= 300 * 0.03


def test_the_interval_holds_four_of_five() -> None:
    chance = random.Random(6)
    inside = 0
    for _ in range(400):
        row = halves([day(chance.gauss(1000, 200)) for _ in range(14)])[0]
        inside += row.low <= row.actual <= row.high
    assert inside / 400 == pytest.approx(0.8, abs=0.07)


def test_a_change_that_is_sure_and_tiny_is_none() -> None:
    days = [day(input_tokens=500.0)] * 5 + [day(input_tokens=505.0)] * 5
    assert not by_name(halves(days))["tokens of a prompt"].outside


def test_whole_weeks_are_compared() -> None:
    week = [day(1000)] * 5 + [day(100)] * 2
    found = by_name(halves(week * 2 + [day(1000)] * 3))["requests a day"]  # three more days would tilt halves
    assert found.forecast == pytest.approx(found.actual)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_too_few_days_say_so(count: int) -> None:
    rows = halves([day()] * count)
    assert {row.outside for row in rows} == {None}
    assert "too few days" in rows[0].sentence


def test_nothing_is_nothing() -> None:
    assert halves([]) == halves([day()]) == ()
    empty = day(0.0, input_tokens=None, output_tokens=None, cached_share=None, sensitive_share=None)
    assert halves([msgspec.structs.replace(empty, usd_per_thousand=None)] * 8) == ()


def test_an_earlier_plan_is_held_to_its_word(small_plan: Plan) -> None:
    view = small_plan.workload
    as_said = day(view.requests_per_day, input_tokens=view.input_tokens_mean, output_tokens=view.output_tokens_mean)
    rows = by_name(against(small_plan, [as_said] * 3, read_ranges()))
    assert not rows["requests a day"].outside
    assert f"the plan of {small_plan.made_on}" == rows["requests a day"].basis
    today = next(option for option in small_plan.options if option.id == small_plan.today)
    assert rows["paid for 1,000 requests"].forecast == pytest.approx(today.usd_per_request * 1000)
    assert rows["paid for 1,000 requests"].outside
    busier = msgspec.structs.replace(as_said, requests=view.requests_per_day * 1.5)
    assert by_name(against(small_plan, [busier], read_ranges()))["requests a day"].outside
