"""One rater at work: which ballot is shown next, what was voted, what is taken back. No socket and no page here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import msgspec

from crossover.errors import InputError
from crossover.evaluation.votes import Ballot, Cast, Choice, Poll, append_vote, read_votes

Press = Literal["left", "right", "tie", "bad", "skip"]
PRESSES: dict[str, Press] = {press: press for press in get_args(Press)}


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What the page is told: never whose an answer is. ``ballot`` is None once nothing is left."""

    rater: str
    done: int
    total: int
    skipped: int
    undo: bool
    key: str | None = None
    question: str = ""
    expected: tuple[str, ...] = ()
    left: str = ""
    right: str = ""


class Booth:
    """The ballots of one rater, begun where the file of votes ends."""

    def __init__(self, poll: Poll, path: Path, now: Callable[[], str]) -> None:
        self._poll = poll
        self._path = path
        self._now = now
        cast = read_votes(path).cast
        asked = poll.asked
        self._total = len(asked)
        self._waiting = deque(ballot for ballot in asked if (poll.rater, ballot.key) not in cast)
        self._skipped: deque[Ballot] = deque()
        self._history: list[Ballot] = [ballot for ballot in asked if (poll.rater, ballot.key) in cast]

    def shown(self) -> Shown:
        """What is to be seen now."""
        if not self._waiting and self._skipped:  # what was skipped comes again
            self._waiting, self._skipped = self._skipped, deque()
        now = self._waiting[0] if self._waiting else None
        plain = Shown(
            rater=self._poll.rater, done=len(self._history), total=self._total, skipped=len(self._skipped),
            undo=bool(self._history),
        )  # fmt: skip
        if now is None:
            return plain
        left, right = now.first_text, now.second_text
        if now.left == "second":
            left, right = right, left
        return msgspec.structs.replace(
            plain, key=now.key, question=now.question, expected=now.expected, left=left, right=right
        )

    def press(self, key: str, pressed: Press) -> bool:
        """Vote on the ballot that is shown; False where another one is (two windows, a key pressed twice).

        Raises StoreError where the vote cannot be written down; then it does not count and is shown again.
        """
        if self.shown().key != key:
            return False
        now = self._waiting[0]
        if pressed != "skip":
            append_vote(self._path, self._cast(now, _choice(now, pressed)))
            self._history.append(now)
        else:
            self._skipped.append(now)
        self._waiting.popleft()
        return True

    def undo(self) -> None:
        """Take the last vote back and show it again; also one of an earlier sitting. Nothing happens without one."""
        if self._history:
            append_vote(self._path, self._cast(self._history[-1], None))
            self._waiting.appendleft(self._history.pop())

    def _cast(self, ballot: Ballot, choice: Choice | None) -> Cast:
        return Cast(
            key=ballot.key, rater=self._poll.rater, sample=ballot.sample, first=ballot.first, second=ballot.second,
            choice=choice, left=ballot.left, at=self._now(),
        )  # fmt: skip


def _choice(ballot: Ballot, pressed: Press) -> Choice:
    """What a key means for this ballot. Raises InputError for one that is no vote."""
    other: Choice = "second" if ballot.left == "first" else "first"
    meant: dict[str, Choice] = {"left": ballot.left, "right": other, "tie": "tie", "bad": "bad"}
    if pressed not in meant:
        raise InputError(f"{pressed!r} is no vote", field="choice")
    return meant[pressed]
