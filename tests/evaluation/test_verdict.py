"""Verdicts: what they say of samples that demand one, of strange samples, of groups, and of many candidates."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.errors import InputError
from crossover.evaluation.advice import points
from crossover.evaluation.units import preference, units_of
from crossover.evaluation.verdict import compare, compare_all
from crossover.evaluation.words import PHRASES, Comparison, Pair, Verdict
from crossover.stats import mcnemar, tango


def sample(wins: int, losses: int, ties: int) -> list[Pair]:
    return (
        [Pair(candidate=1, reference=0)] * wins
        + [Pair(candidate=0, reference=1)] * losses
        + [Pair(candidate=1, reference=1)] * ties
    )


@pytest.mark.parametrize(
    ("wins", "losses", "ties", "verdict"),
    [
        (100, 20, 300, "better"),
        (60, 60, 880, "equivalent"),
        (150, 110, 740, "not_worse"),
        (100, 160, 740, "worse"),
        (20, 100, 300, "worse_than_margin"),
        (10, 10, 80, "inconclusive"),
        (0, 0, 100, "equivalent"),  # all equal
        (0, 0, 59, "inconclusive"),  # so few could hide one total failure in twenty
        (0, 50, 0, "worse_than_margin"),  # all wrong
        (1, 0, 0, "inconclusive"),
        (0, 0, 0, "inconclusive"),
    ],
)
def test_samples_that_demand_a_verdict(wins: int, losses: int, ties: int, verdict: Verdict) -> None:
    found = compare(sample(wins, losses, ties))
    assert found.verdict == verdict
    assert (found.wins, found.losses, found.ties, found.n) == (wins, losses, ties, wins + losses + ties)
    assert (found.need is not None) == (verdict == "inconclusive")
    assert found.phrase.startswith(PHRASES[verdict])


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=40),
    st.sampled_from([1, 30]),
    st.sampled_from([0.0, 0.05, 0.5]),
)
def test_a_verdict_is_what_its_interval_says(scores: list[tuple[float, float]], copies: int, margin: float) -> None:
    found = compare([Pair(candidate=a, reference=b) for a, b in scores] * copies, margin=margin)
    low, high = found.interval.low, found.interval.high
    near = any(math.isclose(bound, mark, abs_tol=1e-5) for bound in (low, high) for mark in (-margin, 0, margin))
    expected: Verdict = "inconclusive"
    if low > 0:
        expected = "better"
    elif low > -margin:
        expected = "equivalent" if high < margin else "not_worse"
    elif high < 0:
        expected = "worse_than_margin" if high < -margin else "worse"
    assert near or found.verdict == expected
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found


@settings(max_examples=40)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_swapping_both_sides_mirrors_everything(wins: int, losses: int, ties: int) -> None:
    one, other = compare(sample(wins, losses, ties)), compare(sample(losses, wins, ties))
    assert (other.interval.low, other.interval.high) == pytest.approx((-one.interval.high, -one.interval.low), abs=1e-6)
    assert (other.claims.ahead, other.claims.within) == pytest.approx((one.claims.behind, one.claims.above))


def test_order_does_not_matter() -> None:
    pairs = sample(30, 25, 100)
    shuffled = [pairs[place] for place in np.random.default_rng(1).permutation(len(pairs))]
    assert compare(shuffled) == compare(pairs)


def test_the_usual_figures_stand_beside() -> None:
    found = compare(sample(10, 25, 100))
    assert found.at_this_look is not None
    assert (found.at_this_look.low, found.at_this_look.high) == tango(10, 25, 135, 0.9)
    assert found.at_this_look.promise == "estimated"
    assert found.mcnemar == mcnemar(10, 25)
    assert found.discordance == pytest.approx(35 / 135)
    assert (found.candidate, found.reference) == pytest.approx((110 / 135, 125 / 135))
    assert found.interval.promise == "guaranteed"
    assert found.interval.low < found.at_this_look.low < found.at_this_look.high < found.interval.high


def test_graded_scores_have_a_bootstrap_and_no_mcnemar() -> None:
    chance = np.random.default_rng(2)
    pairs = [Pair(candidate=a, reference=b) for a, b in chance.beta(8, 2, (400, 2))]
    found = compare(pairs)
    assert found.verdict == "equivalent"
    assert found.mcnemar is None
    assert found.at_this_look is not None
    assert found.at_this_look.method == "paired bootstrap"
    assert compare(pairs, seed=7).verdict == found.verdict


def test_nothing_at_all_is_inconclusive() -> None:
    found = compare([])
    assert (found.gap, found.candidate, found.discordance, found.at_this_look) == (None, None, None, None)
    assert (found.interval.low, found.interval.high) == (-1.0, 1.0)
    assert "nothing was compared yet" in found.advice
    assert found.need is not None
    assert found.need.more is not None


@pytest.mark.parametrize("score", [math.nan, -0.1, 1.5, math.inf])
def test_a_score_is_a_number_from_0_to_1(score: float) -> None:
    with pytest.raises(InputError, match="candidate's score of pair 2") as caught:
        compare([*sample(1, 0, 0), Pair(candidate=score, reference=0)])
    assert caught.value.hint is not None
    with pytest.raises(InputError, match="reference's score of pair 1"):
        compare([Pair(candidate=0, reference=score)])


@pytest.mark.parametrize("margin", [-0.01, 1.0, 5, math.nan])
def test_a_margin_is_a_share_below_1(margin: float) -> None:
    with pytest.raises(InputError, match="margin"):
        compare(sample(1, 1, 1), margin=margin)


@pytest.mark.parametrize("share", [0.0, 1.0, math.nan])
def test_alpha_and_power_are_shares(share: float) -> None:
    with pytest.raises(InputError, match="alpha"):
        compare(sample(1, 1, 1), alpha=share)
    with pytest.raises(InputError, match="power"):
        compare(sample(1, 1, 1), power=share)


def test_margins_at_the_edge() -> None:
    assert compare(sample(0, 0, 500), margin=0.0).verdict == "inconclusive"
    assert "declare a margin above 0" in compare(sample(0, 0, 500_000), margin=0.0).advice
    assert compare(sample(60, 10, 0), margin=0.0).verdict == "better"
    assert compare(sample(10, 60, 0), margin=0.0).verdict == "worse_than_margin"
    assert compare(sample(10, 10, 10), margin=0.999).verdict == "equivalent"


def test_a_group_is_one_observation() -> None:
    grouped = [
        Pair(candidate=row.candidate, reference=row.reference, group=str(n))
        for n, row in enumerate(sample(30, 10, 60))
        for _ in range(8)
    ]
    found, alone = compare(grouped), compare(sample(30, 10, 60))
    assert (found.units, found.unit, found.n) == (100, "groups", 800)
    assert found.claims == alone.claims
    assert found.mcnemar is None
    assert found.at_this_look is not None
    assert found.at_this_look.method == "bootstrap of whole groups"
    assert "whole new groups" in found.advice
    assert compare([Pair(candidate=p.candidate, reference=p.reference) for p in grouped]).verdict == "better"


def test_groups_count_alike_and_a_prompt_without_one_stands_alone() -> None:
    rows = [Pair(candidate=1, reference=0, group="a")] * 3 + [Pair(candidate=0, reference=1, group="a")]
    units = units_of([*rows, Pair(candidate=0, reference=1), Pair(candidate=1, reference=1)])
    assert units.values.tolist() == [-1.0, 0.0, 0.5]
    assert units.counts.tolist() == [1, 1, 1]
    single = units_of([Pair(candidate=1, reference=0, group=str(n)) for n in range(5)])
    assert single.unit == "prompts"


@pytest.mark.parametrize(
    ("first", "second", "gap"), [(1, 1, 1), (0, 0, -1), (0.5, 0.5, 0), (1, 0, 0), (0, 1, 0), (1, 0.5, 0)]
)
def test_a_preference_counts_where_both_orders_agree(first: float, second: float, gap: float) -> None:
    pair = preference(first, second)
    assert pair.candidate - pair.reference == gap
    assert compare([pair] * 3).mcnemar is not None
    with pytest.raises(InputError):
        preference(0.7, 1)


def test_many_candidates_share_one_chance_of_a_false_word() -> None:
    weak, strong = sample(28, 10, 200), sample(100, 10, 200)
    assert compare(weak).verdict == "better"
    crowd = {f"c{n}": sample(10, 10, 100) for n in range(8)}
    together = compare_all({"weak": weak, "strong": strong, **crowd})
    assert together["strong"].verdict == "better"
    assert together["weak"].verdict != "better"
    assert together["strong"].family == 10
    assert "among 10 candidates" in together["strong"].advice
    assert together["weak"].interval.low < compare(weak).interval.low
    assert compare_all({"only": weak})["only"] == compare(weak)
    with pytest.raises(InputError):
        compare_all({})


@pytest.mark.parametrize(
    ("gap", "text"),
    [(0.05, "5 points"), (-0.01, "-1 point"), (0.012, "1.2 points"), (0.0, "0 points"), (-1e-9, "0 points")],
)
def test_gaps_are_said_in_points(gap: float, text: str) -> None:
    assert points(gap) == text


def test_advice_says_what_is_promised_and_what_to_do() -> None:
    open_ = compare(sample(10, 10, 80))
    assert open_.need is not None
    assert f"need {open_.need.more:,} more prompts" in open_.phrase
    assert "Inconclusive after 100 prompts: the gap is 0 points (-13.7 to +13.7)." in open_.advice
    assert "estimated" in open_.advice
    sure = compare(sample(60, 60, 880))
    assert sure.advice.startswith("Equivalent within 5 points: the gap is 0 points")
    assert "Guaranteed: a false word of this kind comes up in at most 5 % of evaluations" in sure.advice
    assert "More prompts can tell which." in compare(sample(100, 160, 740)).advice


def answers(place: Path, name: str) -> list[dict[str, str]]:
    csv.field_size_limit(1 << 30)
    with (place / "routing" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_real_answers_get_the_verdict_that_they_demand(shared_data: Path) -> None:
    rows = answers(shared_data, "routellm_mmlu.csv")
    pairs = [Pair(candidate=float(row["weak_correct"]), reference=float(row["strong_correct"])) for row in rows]
    found = compare(pairs)
    assert found.verdict == "worse_than_margin"
    assert found.mcnemar is not None
    assert found.mcnemar < 1e-50
    some = compare(pairs[::41])
    assert some.n == 102
    assert some.verdict in ("inconclusive", "worse")


def test_real_models_of_one_size_are_equivalent_and_larger_ones_better(shared_data: Path) -> None:
    rows = answers(shared_data, "mmlupro.csv")
    names = [name.removesuffix("|pred") for name in rows[0] if name.endswith("|pred")]
    right = {name: np.array([row[f"{name}|pred"] == row["answer"] for row in rows], dtype=float) for name in names}
    reference = right.pop("gemini-1.5-pro-002")
    found = compare_all(
        {
            name: [Pair(candidate=a, reference=b) for a, b in zip(scores, reference, strict=True)]
            for name, scores in right.items()
        }
    )
    for name, row in found.items():
        wins, losses = int((right[name] > reference).sum()), int((right[name] < reference).sum())
        high = tango(wins, losses, len(rows), 0.9999)[1]
        assert row.verdict == ("worse_than_margin" if high < -0.05 else "worse"), name
        assert row.interval.low < (wins - losses) / len(rows) < row.interval.high
    small = [
        Pair(candidate=a, reference=b)
        for a, b in zip(right["Phi-3-mini-4k-instruct"], right["mathstral-7B"], strict=True)
    ]
    assert compare(small).verdict == "equivalent"
