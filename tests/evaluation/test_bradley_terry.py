"""Rankings from votes: closed forms for two names, a general optimiser for more, and votes without an estimate."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize

from crossover.errors import InputError, UnknownNameError
from crossover.evaluation.bradley_terry import bradley_terry
from crossover.evaluation.words import Vote


def votes(first: str, second: str, wins: int, ties: int, losses: int) -> list[Vote]:
    outcomes = ["first"] * wins + ["tie"] * ties + ["second"] * losses
    return [Vote(first=first, second=second, winner=word) for word in outcomes]  # type: ignore[arg-type]


TOURNAMENT = [
    *votes("a", "b", 20, 10, 15),
    *votes("b", "c", 12, 20, 9),
    *votes("c", "a", 3, 8, 30),
    *votes("d", "c", 16, 2, 7),
    *votes("a", "d", 11, 5, 12),
]


def negative_likelihood(rows: list[Vote], names: str) -> Callable[[np.ndarray], float]:
    def value(parameters: np.ndarray) -> float:
        strength = dict(zip(names, [0.0, *parameters[:-1]], strict=True))
        total = 0.0
        for row in rows:
            a, b = strength[row.first], strength[row.second]
            odds = {"first": a, "tie": (a + b) / 2 + parameters[-1], "second": b}
            total -= odds[row.winner] - math.log(sum(math.exp(one) for one in odds.values()))
        return total

    return value


def curvature(value: Callable[[np.ndarray], float], place: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """The matrix of second derivatives, by differences."""
    moves = np.eye(place.size) * step
    return np.array(
        [
            [
                (value(place + a + b) - value(place + a - b) - value(place - a + b) + value(place - a - b))
                / (4 * step**2)
                for b in moves
            ]
            for a in moves
        ]
    )


def test_two_names_have_a_closed_form() -> None:
    ranking = bradley_terry(votes("a", "b", 30, 20, 10), reference="b")
    first, second = ranking.strengths
    assert first.strength == pytest.approx(math.log(3), abs=1e-9)
    assert ranking.ties == pytest.approx(20 / math.sqrt(30 * 10), abs=1e-9)
    assert first.share == pytest.approx((30 + 20 / 2) / 60, abs=1e-9)
    assert (second.name, second.strength, second.low, second.high) == ("b", 0.0, 0.0, 0.0)
    assert first.share_low < first.share < first.share_high


def test_without_ties_the_interval_is_that_of_a_logit() -> None:
    first = bradley_terry(votes("a", "b", 30, 0, 10), reference="b", confidence=0.95).strengths[0]
    half = 1.959963984540054 * math.sqrt(1 / 30 + 1 / 10)
    assert (first.low, first.high) == pytest.approx((math.log(3) - half, math.log(3) + half), abs=1e-9)


def test_many_names_are_where_a_general_optimiser_finds_them() -> None:
    ranking = bradley_terry(TOURNAMENT, reference="a", confidence=0.9)
    value = negative_likelihood(TOURNAMENT, "abcd")
    found = optimize.minimize(value, np.zeros(4), method="BFGS", options={"gtol": 1e-9})
    ours = {row.name: row for row in ranking.strengths}
    assert [ours[name].strength for name in "bcd"] == pytest.approx(found.x[:3], abs=1e-5)
    assert math.log(ranking.ties) == pytest.approx(found.x[3], abs=1e-5)
    exact = np.array([ours[name].strength for name in "bcd"] + [math.log(ranking.ties)])
    assert value(exact) <= found.fun + 1e-12
    error = np.array([(ours[name].high - ours[name].low) / 2 / 1.6448536 for name in "bcd"])
    assert error == pytest.approx(np.sqrt(np.diag(np.linalg.inv(curvature(value, exact))))[:3], rel=1e-3)
    assert [row.strength for row in ranking.strengths] == sorted((s.strength for s in ranking.strengths), reverse=True)
    assert {row.name: row.votes for row in ranking.strengths} == {"a": 114, "b": 86, "c": 107, "d": 53}


def test_votes_of_one_group_count_together() -> None:
    alone = votes("a", "b", 12, 4, 8)
    tenfold = [
        Vote(first=row.first, second=row.second, winner=row.winner, group=str(n))
        for n, row in enumerate(alone)
        for _ in range(10)
    ]
    one = bradley_terry(alone, reference="b").strengths[0]
    ten = bradley_terry(tenfold, reference="b").strengths[0]
    assert ten.strength == pytest.approx(one.strength, abs=1e-9)
    assert ten.high - ten.low == pytest.approx(one.high - one.low, rel=0.05)
    unaware = bradley_terry([Vote(first=v.first, second=v.second, winner=v.winner) for v in tenfold], reference="b")
    assert unaware.strengths[0].high < ten.high


@pytest.mark.parametrize(
    ("rows", "above"),
    [
        (votes("a", "b", 5, 0, 0), True),
        (votes("a", "b", 0, 5, 0), False),
        (votes("a", "b", 1, 0, 0), True),
        (votes("a", "b", 0, 1, 0), False),
        (votes("a", "b", 3, 2, 0), True),  # never lost: a larger share of ties explains them as well
    ],
)
def test_votes_without_an_estimate_get_half_a_vote_each_way(rows: list[Vote], above: bool) -> None:
    ranking = bradley_terry(rows, reference="b")
    strength = {row.name: row for row in ranking.strengths}["a"]
    assert ranking.half_votes
    assert math.isfinite(strength.low)
    assert math.isfinite(strength.high)
    assert (strength.strength > 1e-9) == above
    assert strength.low < 0 < strength.high


def test_a_name_that_ever_lost_needs_no_half_vote() -> None:
    assert not bradley_terry(TOURNAMENT, reference="a").half_votes
    assert bradley_terry([*TOURNAMENT, *votes("e", "a", 3, 0, 0)], reference="a").half_votes


@pytest.mark.parametrize(
    ("rows", "half"),
    [
        # a circle of two wins and a tie: no strengths explain all three
        ([*votes("a", "b", 2, 0, 0), *votes("b", "c", 2, 0, 0), *votes("c", "a", 0, 2, 0)], False),
        ([*votes("a", "b", 2, 0, 0), *votes("b", "c", 0, 2, 0), *votes("c", "a", 0, 2, 0)], True),
        # the circle of a and b bounds the ties, and d, who never lost, is still unbounded
        ([*votes("a", "b", 2, 1, 2), *votes("d", "a", 2, 0, 0)], True),
    ],
)
def test_ties_bound_the_strengths_only_where_wins_outnumber_them_in_a_circle(rows: list[Vote], *, half: bool) -> None:
    ranking = bradley_terry(rows, reference="a")
    assert ranking.half_votes is half
    assert all(math.isfinite(row.low) and math.isfinite(row.high) for row in ranking.strengths)
    assert all(abs(row.strength) < 5 for row in ranking.strengths)


def test_votes_that_cannot_be_ranked_are_refused() -> None:
    with pytest.raises(UnknownNameError):
        bradley_terry(TOURNAMENT, reference="gpt")
    with pytest.raises(UnknownNameError):
        bradley_terry([], reference="a")
    with pytest.raises(InputError, match="no chain of votes leads from 'x' to 'a'"):
        bradley_terry([*TOURNAMENT, *votes("x", "y", 1, 1, 1)], reference="a")
    with pytest.raises(InputError, match="vote 1 sets 'a' against itself"):
        bradley_terry(votes("a", "a", 1, 0, 0), reference="a")
