from __future__ import annotations

import io

import pytest
from rich.console import Console

from crossover.evaluation.tally import Tally, labels, tally
from crossover.evaluation.votes import Ballot, Cast, Choice, Poll, Votes, poll, votes_of
from crossover.evaluation.words import PHRASES
from crossover.reports import votes as shown
from tests.evaluation.answered import run

NAMES = ("small", "large")


def polled(count: int, rater: str = "ada", *, same: int = 0) -> Poll:
    """``count`` ballots, of which the last ``same`` have the same words twice."""
    said = {n: [f"{n} {at}" if at < count - same else f"both {at}" for at in range(count)] for n in NAMES}
    samples, outcomes = run(said)
    return poll(samples, outcomes, NAMES, "large", rater=rater)


def vote(rater: str, one: Ballot, winner: str) -> Cast:
    """A vote for the name ``winner``, or ``tie`` or ``bad``."""
    choice: Choice = "tie"
    if winner in NAMES:
        choice = "first" if one.first == winner else "second"
    elif winner == "bad":
        choice = "bad"
    return Cast(
        key=one.key, rater=rater, sample=one.sample, first=one.first, second=one.second, choice=choice, left=one.left
    )


def test_a_clear_preference_is_a_verdict_and_a_place_on_the_scale() -> None:
    made = polled(200)
    winners = ["small"] * 160 + ["large"] * 20 + ["tie"] * 15 + ["bad"] * 5
    cast = [vote("ada", one, winner) for one, winner in zip(made.asked, winners, strict=True)]
    found = tally([made], votes_of(cast), "large")
    (one,) = found.preferences
    assert (one.won, one.lost, one.tied, one.bad) == (160, 20, 15, 5)
    assert one.comparison.verdict == "better"
    assert one.comparison.gap == pytest.approx((160 - 20) / 200)
    assert found.ranking is not None
    assert [row.name for row in found.ranking.strengths] == ["small", "large"]
    strength = found.ranking.strengths[0]
    assert strength.share_low < strength.share < strength.share_high
    assert strength.share == pytest.approx((160 + 10) / 200, abs=0.01)
    said = " ".join(shown.sentences(found))
    assert "preferred in 160 of 200 votes, the other one in 20; 15 equally good, 5 both bad" in said
    assert "Better: the gap is +70 points" in said


def test_few_votes_are_inconclusive_and_say_how_many_more() -> None:
    made = polled(100)
    cast = [vote("ada", one, NAMES[number % 2]) for number, one in enumerate(made.asked[:10])]
    found = tally([made], votes_of(cast), "large")
    assert found.preferences[0].comparison.verdict == "inconclusive"
    assert found.votes == 10
    assert "more prompts settle it" in shown.sentences(found)[0]


def test_what_needed_no_vote_counts_as_far_as_the_rater_came() -> None:
    made = polled(100, same=40)
    asked = made.asked
    assert len(asked) == 60
    half = [vote("ada", one, "small") for one in asked[:30]]
    found = tally([made], votes_of(half), "large")
    reach = asked[29].place
    passed = sum(one.settled is not None and one.place <= reach for one in made.ballots)
    assert 0 < passed < 40
    assert found.preferences[0].comparison.n == 30 + passed
    assert sum(found.preferences[0].settled.values()) == passed
    whole = tally([made], votes_of([vote("ada", one, "small") for one in asked]), "large")
    assert whole.preferences[0].comparison.n == 100


def test_raters_of_the_same_answers_are_one_observation_and_their_agreement_is_known() -> None:
    polls = [polled(60), polled(60, "bob")]
    cast = [vote("ada", one, "small") for one in polls[0].asked]
    cast += [vote("bob", one, "large" if int(one.sample[1:]) < 15 else "small") for one in polls[1].asked]
    found = tally(polls, votes_of(cast), "large")
    comparison = found.preferences[0].comparison
    assert (comparison.n, comparison.units, comparison.unit) == (120, 60, "groups")
    assert found.agreed is not None
    assert (found.agreed.count, found.agreed.n) == (45, 60)
    assert found.raters == {"ada": 60, "bob": 60}
    assert "Two raters who saw the same answers agreed in 75 %" in " ".join(shown.sentences(found))


def test_a_rater_who_always_takes_the_left_one_is_seen() -> None:
    made = polled(80)
    cast = [
        Cast(
            key=one.key,
            rater="ada",
            sample=one.sample,
            first=one.first,
            second=one.second,
            choice=one.left,
            left=one.left,
        )
        for one in made.asked
    ]
    found = tally([made], votes_of(cast), "large")
    assert found.left is not None
    assert found.left.count == found.left.n == 80
    assert any("the side decided" in row for row in shown.remarks(found))
    assert found.preferences[0].comparison.verdict != "better"


def test_votes_for_other_answers_do_not_count() -> None:
    made = polled(10)
    stray = Cast(key="old", rater="ada", sample="s1", first="large", second="small", choice="first", left="first")
    found = tally([made], votes_of([stray, vote("ada", made.asked[0], "small")]), "large")
    assert (found.votes, found.void) == (1, 1)
    assert any("not among these" in row for row in shown.remarks(found))


def test_nobody_voted() -> None:
    found = tally([polled(5)], Votes(cast={}), "large")
    assert found.votes == 0
    assert found.ranking is None
    assert shown.sentences(found) == ["Nobody has voted yet."]


def test_where_all_answers_are_the_same_nobody_has_to_vote() -> None:
    found = tally([polled(120, same=120)], Votes(cast={}), "large")
    assert found.asked == 0
    assert found.preferences[0].comparison.verdict == "equivalent"
    assert "Settled without a vote: 120 the same words twice" in shown.sentences(found)[0]


def test_three_names_on_one_scale() -> None:
    names = ("a", "b", "c")
    samples, outcomes = run({name: [f"{name} {at}" for at in range(40)] for name in names})
    made = poll(samples, outcomes, names, "c", every_pair=True)
    cast = []
    for number, one in enumerate(made.asked):  # a beats b beats c in three of four
        better: Choice = "first" if number % 4 else "second"
        cast.append(
            Cast(
                key=one.key,
                rater="",
                sample=one.sample,
                first=one.first,
                second=one.second,
                choice=better,
                left="first",
            )
        )
    found = tally([made], votes_of(cast), "c")
    assert found.ranking is not None
    assert [row.name for row in found.ranking.strengths] == ["a", "b", "c"]
    assert [one.candidate for one in found.preferences] == ["a", "b"]
    assert found.preferences[0].comparison.family == 2


@pytest.mark.parametrize(
    ("winners", "half"),
    [
        ("small small tie", True),  # never lost: the strengths could be drawn apart for ever
        ("small large tie", False),
        ("tie tie tie", True),
        ("small small small", True),
    ],
)
def test_the_scale_says_where_votes_alone_have_no_estimate(winners: str, *, half: bool) -> None:
    made = polled(3)
    cast = [vote("ada", one, winner) for one, winner in zip(made.asked, winners.split(), strict=True)]
    found = tally([made], votes_of(cast), "large")
    assert found.ranking is not None
    assert found.ranking.half_votes is half
    assert ("half a vote each way" in " ".join(shown.sentences(found))) is half


def test_the_majority_is_the_label() -> None:
    polls = [polled(3, rater) for rater in ("ada", "bob", "cyd")]
    said = {"s0": ["small", "small", "large"], "s1": ["large", "large", "tie"], "s2": ["small", "large", "tie"]}
    cast = [vote(made.rater, one, said[one.sample][number]) for number, made in enumerate(polls) for one in made.asked]
    assert labels(polls, votes_of(cast), "small", "large") == {"s0": "candidate", "s1": "reference", "s2": "tie"}


def printed(found: Tally, width: int) -> str:
    console = Console(width=width, record=True, color_system=None, file=io.StringIO())
    shown.render(found, console)
    return console.export_text()


@pytest.mark.parametrize("width", [60, 110])
def test_the_terminal_says_the_verdict_first(width: int) -> None:
    made = polled(200)
    cast = [vote("ada", one, "small" if number % 4 else "large") for number, one in enumerate(made.asked)]
    found = tally([made], votes_of(cast), "large")
    text = printed(found, width)
    assert f"small against large: {PHRASES[found.preferences[0].comparison.verdict]}" in " ".join(text.split())
    assert max(len(line) for line in text.splitlines()) <= width
