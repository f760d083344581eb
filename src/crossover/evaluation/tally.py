"""What votes say: a verdict for each candidate, the Bradley-Terry scale, and whether the voting can be trusted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

import msgspec

from crossover.evaluation.bradley_terry import bradley_terry
from crossover.evaluation.controls import Winner
from crossover.evaluation.units import preference
from crossover.evaluation.verdict import compare_all
from crossover.evaluation.votes import Ballot, Cast, Choice, Poll, Votes
from crossover.evaluation.words import Comparison, Pair, Ranking, Vote
from crossover.stats import wilson

_FEWEST_SIDES = 20  # votes for a side before anything is said about sides


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """``count`` of ``n``, with Wilson's 95 % interval."""

    count: int
    n: int
    low: float
    high: float


class Preference(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate against the reference. ``won``, ``lost``, ``tied`` and ``bad`` were voted on by people.

    ``settled`` counts what nobody had to look at, by reason; it is in the comparison too.
    """

    candidate: str
    comparison: Comparison
    won: int
    lost: int
    tied: int
    bad: int
    settled: Mapping[str, int]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The votes counted. ``void`` votes are for answers that are no longer the ones compared.

    ``left`` is the share of votes for a side that went to the left one; ``agreed`` the share of pairs of votes by two
    raters on the same answers that are equal (None: nobody saw the same). ``ranking`` is None without votes,
    and where they have no finite estimate.
    """

    reference: str
    raters: Mapping[str, int]
    asked: int
    votes: int
    void: int
    left_out: Mapping[str, int]
    preferences: tuple[Preference, ...]
    ranking: Ranking | None
    left: Share | None
    agreed: Share | None
    damaged: tuple[int, ...] = ()


def tally(polls: Sequence[Poll], votes: Votes, reference: str, *, margin: float = 0.05, seed: int = 0) -> Tally:
    """Count the votes. ``polls`` holds one for each rater.

    The order of each poll is random, so all that stands before a rater's last vote is a fair sample: so far, and no
    farther, what needed no eye counts too.
    """
    counted = [row for poll in polls for row in _counted(poll, votes)]
    names = sorted({name for poll in polls for one in poll.ballots for name in (one.first, one.second)} - {reference})
    pairs = {name: [_pair(one, choice) for one, choice in _between(counted, name, reference)] for name in names}
    compared = compare_all(pairs, margin=margin, seed=seed) if names else {}
    seen = {(poll.rater, one.key) for poll in polls for one in poll.asked}
    cast = [vote for at, vote in votes.cast.items() if at in seen]
    left_out = Counter(polls[0].left_out) if polls else Counter[str]()
    return Tally(
        reference=reference,
        raters=dict(Counter(vote.rater for vote in cast)),
        asked=max((len(poll.asked) for poll in polls), default=0),
        votes=len(cast),
        void=len(votes.cast) - len(cast),
        left_out=dict(left_out),
        preferences=tuple(_preference(name, reference, compared[name], counted) for name in names),
        ranking=_ranking(counted, reference),
        left=_left(cast),
        agreed=_agreed(cast),
        damaged=votes.damaged,
    )


def labels(polls: Sequence[Poll], votes: Votes, candidate: str, reference: str) -> dict[str, Winner]:
    """What people preferred of each sample, as a judge is held against it; where raters differ, the majority's."""
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for poll in polls:
        for one in poll.asked:
            vote = votes.cast.get((poll.rater, one.key))
            if vote is not None and vote.choice is not None and {one.first, one.second} == {candidate, reference}:
                sign = {"first": 1, "second": -1}.get(vote.choice, 0)
                found[one.sample][sign if one.first == candidate else -sign] += 1
    words: dict[int, Winner] = {1: "candidate", 0: "tie", -1: "reference"}
    made = {}
    for sample, counts in found.items():
        balance = counts[1] - counts[-1]
        made[sample] = words[0 if counts[0] > max(counts[1], counts[-1]) else (balance > 0) - (balance < 0)]
    return made


_Counted: TypeAlias = tuple[Ballot, Choice]


def _counted(poll: Poll, votes: Votes) -> list[_Counted]:
    """The ballots that count, with their outcome."""
    cast = {one.key: votes.cast.get((poll.rater, one.key)) for one in poll.asked}
    places = [one.place for one in poll.asked if cast[one.key] is not None]
    whole = bool(places) and len(places) == len(cast)
    reach = len(poll.ballots) if whole or not cast else max(places, default=-1)
    rows: list[_Counted] = []
    for one in poll.ballots:
        if one.settled is not None:
            if one.place <= reach:
                rows.append((one, one.settled))
        elif (vote := cast[one.key]) is not None and vote.choice is not None:
            rows.append((one, vote.choice))
    return rows


def _between(counted: Sequence[_Counted], name: str, reference: str) -> list[_Counted]:
    """The ballots between two names, the candidate first."""
    rows: list[_Counted] = []
    turned: dict[Choice, Choice] = {"first": "second", "second": "first", "tie": "tie", "bad": "bad"}
    for one, choice in counted:
        if (one.first, one.second) == (name, reference):
            rows.append((one, choice))
        elif (one.second, one.first) == (name, reference):
            rows.append((one, turned[choice]))
    return rows


def _pair(ballot: Ballot, choice: Choice) -> Pair:
    won = {"first": 1.0, "second": 0.0}.get(choice, 0.5)
    return msgspec.structs.replace(preference(won, won), group=ballot.group)


def _preference(name: str, reference: str, comparison: Comparison, counted: Sequence[_Counted]) -> Preference:
    rows = _between(counted, name, reference)
    said = Counter(choice for one, choice in rows if one.settled is None)
    return Preference(
        candidate=name,
        comparison=comparison,
        won=said["first"],
        lost=said["second"],
        tied=said["tie"],
        bad=said["bad"],
        settled=dict(Counter(one.why for one, _ in rows if one.settled is not None)),
    )


def _ranking(counted: Sequence[_Counted], reference: str) -> Ranking | None:
    """All names that a chain of votes leads to from the reference; None where there is none."""
    reached, rows = {reference}, list(counted)
    for _ in range(len(rows)):
        more = {name for one, _ in rows for name in (one.first, one.second) if {one.first, one.second} & reached}
        if more <= reached:
            break
        reached |= more
    made = [
        Vote(first=one.first, second=one.second, winner="tie" if choice == "bad" else choice, group=one.group)
        for one, choice in rows
        if one.first in reached
    ]
    return bradley_terry(made, reference=reference) if made else None


def _share(count: int, n: int) -> Share:
    low, high = wilson(count, n)
    return Share(count=count, n=n, low=low, high=high)


def _left(cast: Sequence[Cast]) -> Share | None:
    sides = [vote for vote in cast if vote.choice in ("first", "second")]
    if len(sides) < _FEWEST_SIDES:
        return None
    return _share(sum(vote.choice == vote.left for vote in sides), len(sides))


def _agreed(cast: Sequence[Cast]) -> Share | None:
    by_key: dict[str, list[str]] = defaultdict(list)
    for vote in cast:
        by_key[vote.key].append("tie" if vote.choice == "bad" else str(vote.choice))
    both = [first == second for said in by_key.values() for first, second in combinations(said, 2)]
    return _share(sum(both), len(both)) if both else None
