"""A value that goes on from one part of a message into the next cannot be replaced, so the request says so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from crossover.chat import ChatRequest
from crossover.privacy.policy import Chosen
from crossover.privacy.redact import redact
from crossover.privacy.words import Finding
from crossover.wire import openai
from tests.privacy.redact_parts import CARD, MAIL, SECRET, chosen, finding, finds

FIND = finds()


def of(*texts: str, words: bool = False) -> ChatRequest:
    content = [{"type": "text", "text": text} for text in texts]
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    request = openai.read_request(body)
    return ChatRequest(model="m", messages=request.messages) if words else request


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("cut", [1, 4, 9, len(CARD) - 1])
def test_a_value_in_two_parts_is_left_and_said(cut: int, words: bool) -> None:
    request = of(f"Charge {CARD[:cut]}", f"{CARD[cut:]} now", words=words)
    done = redact(request, FIND, chosen, SECRET)
    assert [one.kind for one in done.left] == ["card"]


def test_a_part_that_would_be_a_value_by_itself_does_not_hide_the_rest() -> None:
    def find(text: str, field: str = "") -> Sequence[Finding]:
        del field
        start = text.find("tok_")
        return [finding(start, len(text), "token", "secrets", "hard")] if start >= 0 else []

    done = redact(of("It is tok_8Zk3", "Qp91xY"), find, chosen, SECRET)
    assert [one.kind for one in done.left] == ["token"]


def test_whole_values_in_parts_are_replaced_as_ever() -> None:
    done = redact(of(f"Charge {CARD}.", f"Then tell {MAIL}."), FIND, chosen, SECRET)
    assert not done.left
    assert done.count == 2


def test_what_may_stay_may_stay_in_pieces() -> None:
    def keep(_found: Finding) -> Chosen:
        return "keep"

    assert not redact(of(CARD[:7], CARD[7:]), FIND, keep, SECRET).left


def test_many_values_beside_each_other_are_all_replaced() -> None:
    names = [f"{letter}{other}o" for letter in "ABCDEFGHIJKLMNOPQRST" for other in "abcdefghijklmnopqrst"]
    text = " ".join(f"{name}{names[place - 7]}" if place % 9 == 0 else name for place, name in enumerate(names))

    def find(text: str, field: str = "") -> Sequence[Finding]:
        del field
        return [finding(at, at + 3) for name in names if (at := text.find(name)) >= 0]

    done = redact(of(text), find, chosen, SECRET)
    assert not done.left
    assert done.restorer is not None
    assert len(done.values) == len(names)
    sent = done.request.tree["messages"][0]["content"][0]["text"]
    assert not [name for name in names if name in sent]
