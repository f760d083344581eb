"""Clearance of large requests: what comes out is as from small ones, and it is made in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from crossover.chat import ChatRequest
from crossover.egress import Guard
from crossover.privacy.clearance import Desk, Withheld, clear, clear_in_turn
from crossover.privacy.policy import PROFILES, Known, Place, knowing
from crossover.privacy.words import NOTHING_FOUND, Classified, Finding
from crossover.sensitivity import NOT_SENSITIVE, Sensitivity
from crossover.wire import openai
from tests.privacy.redact_parts import CARD, NAME, SECRET, finds

OUTSIDE = Place("api", False)
LONG = f"{NAME} asks. " + "Nothing else is said of anybody here. " * 600


def known(*categories: str) -> Known:
    sensitivity = Sensitivity("hard" if "financial" in categories else "soft", frozenset(categories))  # type: ignore[arg-type]
    counts = {"personal": ("personal", "person", "soft", 1), "financial": ("financial", "payment_card", "hard", 1)}
    found = Classified(sensitivity=sensitivity, counts=tuple(counts[name] for name in categories))  # type: ignore[misc]
    return knowing(found, NOT_SENSITIVE, (PROFILES["balanced"],))


def request(text: str) -> ChatRequest:
    return openai.read_request({"model": "m", "messages": [{"role": "user", "content": text}]})


class Looked:
    """A desk that notes in which threads it was asked."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.desk = Desk(
            classify=self.classify, findings=self.find, profiles=lambda _key, _name: (PROFILES["balanced"],),
            version="d", secret=SECRET,
        )  # fmt: skip

    async def classify(self, _request: object) -> Classified:
        return NOTHING_FOUND

    def find(self, text: str, field: str = "") -> Sequence[Finding]:
        self.threads.add(threading.get_ident())
        return finds()(text, field)


@pytest.mark.parametrize(("text", "aside"), [(f"Call {NAME}.", False), (LONG, True)])
def test_only_large_requests_are_redacted_in_a_thread_of_their_own(text: str, aside: bool) -> None:
    looked, guard = Looked(), Guard()
    asked = request(text)
    cleared = asyncio.run(clear_in_turn(looked.desk, guard, asked, known("personal"), OUTSIDE, "api"))
    assert (threading.get_ident() in looked.threads) is not aside
    same = clear(looked.desk, guard, asked, known("personal"), OUTSIDE, "api")
    assert cleared.request.tree == same.request.tree
    assert NAME not in str(cleared.request.tree)
    assert cleared.redacted == same.redacted == 1
    assert cleared.restorer is not None
    assert cleared.request.clearance is not None


def test_what_is_withheld_or_clean_is_not_looked_at_again() -> None:
    looked, guard = Looked(), Guard()
    with pytest.raises(Withheld, match="not for api"):
        asyncio.run(clear_in_turn(looked.desk, guard, request(LONG + CARD), known("financial"), OUTSIDE, "api"))
    clean = asyncio.run(clear_in_turn(looked.desk, guard, request(LONG), Known(), OUTSIDE, "api"))
    assert clean.redacted == 0
    assert not looked.threads


def test_a_large_request_from_python_is_seen_to_be_large() -> None:
    looked = Looked()
    asked = request(LONG)
    bare = ChatRequest(model="m", messages=asked.messages)
    cleared = asyncio.run(clear_in_turn(looked.desk, Guard(), bare, known("personal"), OUTSIDE, "api"))
    assert threading.get_ident() not in looked.threads
    assert NAME not in cleared.request.messages[0].text
