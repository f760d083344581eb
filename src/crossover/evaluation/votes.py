"""Which of two answers people prefer: what is put to a vote, and the file that every vote goes into.

Blind and shuffled: nobody is told whose an answer is, the order of the samples and the side of each answer are drawn by
the seed for every rater. What needs no eye is settled without one: the same words twice are a tie, and where that was
declared, who failed to answer loses. The file is JSON lines, only appended, one write and one sync each: whatever ends
the process, no vote is lost, and two people may vote into one file at once.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

import msgspec

from crossover.errors import FileError, InputError, StoreError, UnknownNameError
from crossover.evaluation.findings import Rule
from crossover.evaluation.run import Outcome
from crossover.evaluation.samples.words import Sample

NAME = "votes.jsonl"
Choice = Literal["first", "second", "tie", "bad"]
Settled = Literal["first", "second", "tie"]
_MOST_BYTES = 256 * 2**20
_LONGEST_RATER = 80
SAME = "the same words twice"
FAILED = "one of them failed"
BOTH_FAILED = "both failed"


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """Two answers to one question. ``first`` and ``second`` name whose they are; ``left`` says whose is shown left.

    ``key`` stands for the question and both answers: a vote counts for what was seen, and for nothing else. ``place``
    is where it stands in the order of its rater. ``settled`` is the outcome where nobody has to look, ``why`` the
    reason.
    """

    key: str
    place: int
    sample: str
    question: str
    expected: tuple[str, ...]
    first: str
    second: str
    first_text: str
    second_text: str
    left: Literal["first", "second"]
    group: str
    settled: Settled | None = None
    why: str = ""


class Cast(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One vote as the file holds it. A later row for the same key by the same rater replaces it.

    ``bad``: neither answer is good enough, which counts as a tie. ``choice`` None takes the vote back. ``left`` says
    whose answer was shown left.
    """

    key: str
    rater: str
    sample: str
    first: str
    second: str
    choice: Choice | None
    left: Literal["first", "second"]
    at: str = ""


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one rater is asked, in order, the settled ones among it; and why other samples are left out."""

    rater: str
    ballots: tuple[Ballot, ...]
    left_out: Mapping[str, int]

    @property
    def asked(self) -> tuple[Ballot, ...]:
        """The ballots that a person has to look at."""
        return tuple(ballot for ballot in self.ballots if ballot.settled is None)


class Votes(msgspec.Struct, frozen=True, kw_only=True):
    """The votes in force, by (rater, key), and the lines that are damaged and do not count."""

    cast: Mapping[tuple[str, str], Cast]
    damaged: tuple[int, ...] = ()

    @property
    def raters(self) -> tuple[str, ...]:
        """Who voted, in order of the alphabet."""
        return tuple(sorted({rater for rater, _ in self.cast}))


def poll(
    samples: Sequence[Sample],
    outcomes: Mapping[tuple[str, str], Outcome],
    candidates: Sequence[str],
    reference: str,
    *,
    rater: str = "",
    seed: int = 0,
    errors: Rule = "as-wrong",
    every_pair: bool = False,
    most: int | None = None,
) -> Poll:
    """What is put to ``rater``: each candidate against the reference, or ``every_pair`` of them.

    ``most`` samples at most, drawn by the seed alone, so that all raters see the same ones. Raises InputError where
    there is nothing to compare, UnknownNameError for a reference that is none of the candidates.
    """
    _check(candidates, reference, rater)
    met = combinations(candidates, 2) if every_pair else ((name, reference) for name in candidates if name != reference)
    pairs = [tuple(sorted(pair)) for pair in met]  # one order, so that votes stay valid whichever way they are asked
    made: list[Ballot] = []
    left_out: Counter[str] = Counter()
    for sample in _drawn(samples, seed, most):
        for first, second in pairs:
            found = _ballot(sample, outcomes.get((sample.id, first)), outcomes.get((sample.id, second)), errors)
            if isinstance(found, str):
                left_out[found] += 1
            else:
                made.append(msgspec.structs.replace(found, first=first, second=second))
    chance = random.Random(f"votes {seed} {rater}")  # noqa: S311 - an order, not a secret
    chance.shuffle(made)
    keyed = [msgspec.structs.replace(one, key=_key(one), place=place) for place, one in enumerate(made)]
    sided = [one if chance.random() < 0.5 else msgspec.structs.replace(one, left="second") for one in keyed]
    return Poll(rater=rater, ballots=tuple(sided), left_out=dict(left_out))


def _check(candidates: Sequence[str], reference: str, rater: str) -> None:
    if reference not in candidates:
        raise UnknownNameError("candidate", reference, candidates, field="reference")
    if len(candidates) < 2:
        raise InputError("there is one candidate alone, and nothing to prefer", field="candidates")
    if len(rater) > _LONGEST_RATER or any(not char.isprintable() for char in rater):
        raise InputError(f"a rater's name has at most {_LONGEST_RATER} printable characters", field="rater")


def _drawn(samples: Sequence[Sample], seed: int, most: int | None) -> list[Sample]:
    """The samples that are put to a vote: each question once, ``most`` of them, in an order that the seed draws."""
    single = list({sample.asked(): sample for sample in reversed(samples)}.values())[::-1]
    random.Random(f"samples {seed}").shuffle(single)  # noqa: S311 - a draw, not a secret
    return single if most is None else single[:most]


def _ballot(sample: Sample, ours: Outcome | None, theirs: Outcome | None, errors: Rule) -> Ballot | str:
    """A ballot without names, or why there is none."""
    if ours is None or theirs is None or "missing" in (ours.state, theirs.state):
        return "not asked yet"
    if "withheld" in (ours.state, theirs.state):
        return "may not go to one of them"
    first, second = _said(ours), _said(theirs)
    settled: Settled | None = None
    why = ""
    if first is None or second is None:
        if errors == "exclude":
            return "failed"
        settled = "tie" if first == second else "second" if first is None else "first"
        why = BOTH_FAILED if first == second else FAILED
    elif first == second:
        settled, why = "tie", SAME
    return Ballot(
        key="", place=0, sample=sample.id, question=sample.question, expected=sample.expected, first="", second="",
        first_text=first or "", second_text=second or "", left="first", settled=settled, why=why,
        group=f"group {sample.group}" if sample.group is not None else f"sample {sample.id}",
    )  # fmt: skip


def _said(outcome: Outcome) -> str | None:
    """What was answered, calls of tools included; None where nobody answered."""
    if outcome.answer is None:
        return None
    calls = "".join(f"\n{name}({arguments})" for name, arguments in outcome.answer.calls)
    return f"{outcome.answer.text}{calls}".strip()


def _key(ballot: Ballot) -> str:
    shown = (ballot.question, ballot.first, ballot.first_text, ballot.second, ballot.second_text)
    return hashlib.blake2b(msgspec.json.encode(shown), digest_size=12).hexdigest()


# ---------------------------------------------------------------------------------------------------------------- file

_DECODER = msgspec.json.Decoder(Cast)


def read_votes(path: Path) -> Votes:
    """The votes of a file; none where there is no file. Raises FileError where it cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return Votes(cast={})
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", file=str(path)) from None
    if len(raw) > _MOST_BYTES:
        raise FileError(f"is larger than {_MOST_BYTES // 2**20} MB: these are no votes", file=str(path))
    found: dict[tuple[str, str], Cast] = {}
    damaged: list[int] = []
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            vote = _DECODER.decode(line)
        except (msgspec.DecodeError, ValueError):
            damaged.append(number)
            continue
        if vote.choice is None:
            found.pop((vote.rater, vote.key), None)
        else:
            found[vote.rater, vote.key] = vote
    return Votes(cast=found, damaged=tuple(damaged))


def append_vote(path: Path, vote: Cast) -> None:
    """Write a vote down at once. Raises StoreError where it cannot be written; what was there stays."""
    line = msgspec.json.encode(vote) + b"\n"
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(number).st_size
            if size and os.pread(number, 1, size - 1) != b"\n":  # half a line of a process that was ended
                line = b"\n" + line
            if os.write(number, line) < len(line):
                os.ftruncate(number, size)
                raise OSError(28, "the disk is full")
            os.fsync(number)
        finally:
            os.close(number)
    except OSError as error:
        hint = "Every vote before this one is kept"
        raise StoreError(f"cannot be written: {error.strerror or error}", file=str(path), hint=hint) from None


def votes_of(cast: Iterable[Cast]) -> Votes:
    """Votes that come from elsewhere than a file, in the order in which they were cast."""
    found: dict[tuple[str, str], Cast] = {}
    for vote in cast:
        if vote.choice is None:
            found.pop((vote.rater, vote.key), None)
        else:
            found[vote.rater, vote.key] = vote
    return Votes(cast=found)
