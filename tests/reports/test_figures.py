from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.evidence import Band
from crossover.reports import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1275.0, "$1,275"),
        (7.65, "$7.65"),
        (0.0043, "$0.0043"),
        (0.0, "$0"),
        (-1500.0, "−$1,500"),
        (math.inf, "–"),
        (None, "–"),
        (3.2e9, "$3.2B"),
    ],
)
def test_dollars(value: float | None, text: str) -> None:
    assert figures.usd(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(950, "$950"), (12_345, "$12.3k"), (999_999, "$1M"), (4.5e6, "$4.5M"), (2e9, "$2B"), (5e15, "$5e+03T")],
)
def test_short_dollars(value: float, text: str) -> None:
    assert figures.short_usd(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.24, "1.2 s"), (0.045, "45 ms"), (0.0004, "0.4 ms"), (12.3, "12 s"), (720, "12 min"), (0, "0 s"), (None, "–")],
)
def test_times(value: float | None, text: str) -> None:
    assert figures.seconds(value) == text


def test_volumes() -> None:
    assert figures.per_day(94_682.3) == "94,700/day"
    assert figures.per_day(313_725, exact=True) == "313,725/day"
    assert figures.per_day(477_803.786, exact=True) == "477,804/day"
    assert figures.per_day(12.345, exact=True) == "12.3/day"
    assert figures.per_day(5_200_000) == "5.2 million/day"
    assert figures.count_range(1e6, 1.1e6) == "1–1.1 million"
    assert figures.count_range(900_000, 1.01e6) == "900,000–1.01 million"


def test_shares_keep_the_ends_apart_from_almost() -> None:
    assert [figures.share(value) for value in (0, 0.004, 0.62, 0.999, 1.0, None)] == [
        "0 %",
        "<1 %",
        "62 %",
        ">99 %",
        "100 %",
        "–",
    ]


def test_ranges_are_rounded_to_what_an_estimate_can_say() -> None:
    assert figures.usd_range(15_444, 25_027) == "$15,400–25,000"
    assert figures.usd_range(-1_200, 300) == "−$1,200 to $300"
    assert figures.usd_band(Band(4_390.2, 5_023.9, 5_711.0)) == "$4,390 / 5,020 / 5,710"
    assert figures.short_usd_range(4_390, 5_710) == "$4.39k–5.71k"


def test_months_and_replicas() -> None:
    assert [figures.months(value) for value in (1.84, 14.2, 60.0, None)] == ["1.8 months", "14 months", "5 years", "–"]
    assert [figures.replicas(*pair) for pair in ((0, 0), (6, 0), (6, 1))] == ["–", "6", "6 + 1 spare"]


@settings(max_examples=100)
@given(st.floats())
def test_every_float_becomes_a_short_text(value: float) -> None:
    for write in (figures.usd, figures.seconds, figures.share, figures.months, figures.short_usd, figures.rate):
        assert 0 < len(write(value)) < 400
