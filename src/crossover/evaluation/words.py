"""The words of a comparison: pairs of scores go in, a verdict with everything behind it comes out.

A gap is the candidate's mean score less the reference's, from -1 to 1; 0.05 are five points. Scores lie between 0 (bad)
and 1 (good). The margin is the loss that the user would accept, declared before the first answer.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["better", "equivalent", "not_worse", "worse_than_margin", "worse", "inconclusive"]

PHRASES: dict[Verdict, str] = {
    "better": "better",
    "equivalent": "equivalent",
    "not_worse": "not worse by more than the margin",
    "worse_than_margin": "worse by more than the margin",
    "worse": "worse but of open size",
    "inconclusive": "inconclusive",
}

# Guaranteed: a bound that holds for every sample size. Estimated: one that holds nearly, in large samples.
Promise = Literal["guaranteed", "estimated"]


class Pair(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Both scores of one prompt. Prompts of one ``group`` (a document, a user, a template) count as one observation."""

    candidate: float
    reference: float
    group: str | None = None


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """How many more it takes until a look is conclusive: with the chance ``power``, with an even one, with 95 %.

    A forecast, rounded up. None: not even a million would do.
    """

    power: float
    more: int | None
    even: int | None
    safe: int | None


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """A p-value for each thing a verdict can say of the gap; valid at every look, and after any number of them."""

    ahead: float  # gap > 0
    above: float  # gap > -margin
    within: float  # gap < margin
    behind: float  # gap < 0
    below: float  # gap < -margin


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """Two bounds of the gap, each of them missed with a chance of ``alpha``."""

    low: float
    high: float
    alpha: float
    method: str
    promise: Promise


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a sample says about a candidate against a reference.

    ``gap`` is the mean difference of the scores over all units (None of nothing): prompts, or groups where prompts come
    in groups, each group counting alike. ``interval`` is the one the verdict rests on: it holds at every look.
    ``at_this_look`` is the usual one (Tango's for right and wrong, else the paired bootstrap over whole units), which
    holds only for somebody who looks once. ``wins`` are prompts on which the candidate scored higher; ``discordance``
    is the share of prompts with different scores. ``mcnemar`` is the exact two-sided p-value for one look, where all
    differences are -1, 0 or 1 and prompts stand alone. ``spread`` is the mean square of the units' differences.
    ``need`` says how many more units it takes; None once nothing is open. ``family`` is the number of candidates that
    were judged together (Holm). ``advice`` is the sentence for people.
    """

    verdict: Verdict
    margin: float
    alpha: float
    n: int
    units: int
    unit: Literal["prompts", "groups"]
    gap: float | None
    candidate: float | None
    reference: float | None
    wins: int
    losses: int
    ties: int
    discordance: float | None
    spread: float | None
    interval: Interval
    at_this_look: Interval | None
    mcnemar: float | None
    claims: Claims
    need: Need | None
    family: int
    method: str
    advice: str

    @property
    def phrase(self) -> str:
        """The verdict in words, with what is missing where it is inconclusive."""
        if self.verdict != "inconclusive":
            return PHRASES[self.verdict]
        if self.need is None or self.need.more is None:
            return "inconclusive, and no number of further ones will do"
        return f"inconclusive, need {self.need.more:,} more {self.unit}"


class PowerRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many prompts a verdict takes where the truth is known: ``gap`` and ``discordance`` at a ``margin``.

    ``n``: one look at so many is conclusive with the chance ``power``; ``even``: with an even chance, which is about
    where somebody who looks all the time ends. ``fixed``: what the textbook asks of a test that is looked at once.
    None: more than a million.
    """

    margin: float
    discordance: float
    gap: float
    power: float
    likely: Verdict
    n: int | None
    even: int | None
    fixed: int | None


class Vote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Somebody preferred the answer of ``first`` or ``second``, or neither. Votes of one ``group`` hang together."""

    first: str
    second: str
    winner: Literal["first", "second", "tie"]
    group: str | None = None


class Strength(msgspec.Struct, frozen=True, kw_only=True):
    """One name of a ranking: ``strength`` is its log-odds of beating the reference, with bounds; the reference has 0.

    ``share`` is the predicted share of votes against the reference, a tie counting half.
    """

    name: str
    strength: float
    low: float
    high: float
    share: float
    share_low: float
    share_high: float
    votes: int


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """Names by strength, best first, as Davidson's extension of the Bradley-Terry model estimates them.

    ``ties`` is its parameter: between equals, a tie has ``ties`` times the chance of a win. ``half_votes``: the votes
    alone have no finite estimate (somebody never lost), so half a vote each way was added to every pair that met.
    """

    reference: str
    strengths: tuple[Strength, ...]
    ties: float
    votes: int
    half_votes: bool
    confidence: float
    promise: Promise = "estimated"
