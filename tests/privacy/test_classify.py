from __future__ import annotations

import asyncio
import json
import re
import threading
import types
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from crossover.chat import ChatRequest, EmbedRequest, Media, Message, Text, ToolCall
from crossover.errors import DetectionError
from crossover.privacy import extract, jsontext, memory
from crossover.privacy.classify import IN_PIECES, MOST_OF_ALL, Classifier, Tally
from crossover.privacy.detector import WINDOW, Detector, Part
from crossover.privacy.extract import MOST
from crossover.privacy.memory import Memory
from crossover.privacy.views import shipped
from crossover.privacy.words import NOTHING_FOUND, Classified, Finding
from crossover.sensitivity import Category, Sensitivity, Tier

CARD = "4111 1111 1111 1111"
VIEWS = shipped()
SHAPES: tuple[tuple[str, Category, Tier, str], ...] = (
    ("card", "financial", "hard", r"\b4\d{3}(?:[ -]?\d{4}){3}\b"),
    ("ssn", "identifiers", "hard", r"\b\d{3}-\d\d-\d{4}\b"),
    ("person", "personal", "soft", r"\bMia Keller\b"),
    ("health", "health", "soft", r"\bdiabetes\b"),
)


class Counting:
    """A stand-in detector that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.threads: set[int] = set()

    def __call__(self, text: str, field: str = "") -> Sequence[Finding]:
        self.asked.append((text, field))
        self.threads.add(threading.get_ident())
        return [
            Finding(category=category, kind=kind, tier=tier, start=hit.start(), end=hit.end(), rule=kind)
            for kind, category, tier, shape in SHAPES
            for hit in re.finditer(shape, text)
        ]


def classifier(find: Callable[..., Sequence[Finding]] | None = None, **more: Any) -> Classifier:
    parts = [Part("rules", find or Counting())]
    detector = Detector(parts, views=VIEWS, joinable={"card": 0.0}, clock=lambda: 0.0)
    return Classifier(detector, secret=b"key", **more)


def said(*texts: str) -> ChatRequest:
    return ChatRequest(model="m", messages=tuple(Message("user", (Text(text),)) for text in texts))


def from_wire(*texts: str) -> ChatRequest:
    tree = {"model": "m", "messages": [{"role": "user", "content": text} for text in texts]}
    return ChatRequest(model="m", messages=(), dialect="openai", tree=tree)


def known(request: ChatRequest | EmbedRequest, which: Classifier | None = None) -> Classified:
    return asyncio.run((which or classifier()).classify(request))


def test_nothing_is_known_of_an_ordinary_request() -> None:
    assert known(said("What is the capital of France?")) is NOTHING_FOUND
    assert known(from_wire("What is the capital of France?")) is NOTHING_FOUND


def test_findings_are_counted_by_category_kind_and_tier() -> None:
    result = known(from_wire(f"{CARD} and 123-45-6789", f"Mia Keller: {CARD}"))
    assert result.counts == (
        ("financial", "card", "hard", 2),
        ("identifiers", "ssn", "hard", 1),
        ("personal", "person", "soft", 1),
    )
    assert result.sensitivity == Sensitivity("hard", frozenset({"financial", "identifiers", "personal"}))


def test_soft_findings_alone_are_soft() -> None:
    assert known(said("Mia Keller wrote")).sensitivity == Sensitivity("soft", frozenset({"personal"}))


@pytest.mark.parametrize("other", ["123-45-6789", "Mia Keller", CARD])
def test_health_beside_an_identity_anywhere_is_health_information(other: str) -> None:
    result = known(said("he has diabetes", f"it is {other}"))
    assert ("health", "health", "hard", 1) in result.counts
    assert result.sensitivity.tier == "hard"
    assert "health" in result.sensitivity.categories


def test_a_health_story_of_nobody_is_soft() -> None:
    assert known(said("what is diabetes?")).counts == (("health", "health", "soft", 1),)


def test_arguments_of_tools_are_read_as_json_with_their_fields() -> None:
    find = Counting()
    args = json.dumps({"note": "x", "card": 4111111111111111, "more": json.dumps({"deep": "Mia Keller"})})
    result = known(
        ChatRequest(model="m", messages=(Message("assistant", (ToolCall("1", "f", args),)),)), classifier(find)
    )
    assert {kind for _, kind, _, _ in result.counts} == {"card", "person"}
    assert ("4111111111111111", "card") in find.asked
    assert ("Mia Keller", "deep") in find.asked


def test_a_value_in_two_parts_is_found_and_makes_the_request_opaque() -> None:
    result = known(
        ChatRequest(model="m", messages=(Message("user", (Text("it is 4111 1111 "), Text("1111 1111 ok"))),))
    )
    assert result.counts == (("financial", "card", "hard", 1),)
    assert result.opaque == IN_PIECES


def test_a_value_in_one_of_two_parts_is_counted_once() -> None:
    result = known(ChatRequest(model="m", messages=(Message("user", (Text(f"it is {CARD}"), Text("thank you"))),)))
    assert result.counts == (("financial", "card", "hard", 1),)
    assert result.opaque == ""


def test_what_nobody_can_read_is_opaque() -> None:
    request = ChatRequest(model="m", messages=(Message("user", (Text(CARD), Media("image", url="https://a.b/c"))),))
    result = known(request)
    assert result.opaque == "it holds an image"
    assert result.counts == (("financial", "card", "hard", 1),)
    assert known(EmbedRequest(model="m", inputs=("a", (1, 2, 3)))).opaque == "it holds token ids"


# --------------------------------------------------------------------------------------------------------------- memory


def test_a_text_is_looked_at_once() -> None:
    find = Counting()
    which = classifier(find)
    history = [f"message {number}" for number in range(10)]
    known(from_wire(*history), which)
    asked = len(find.asked)
    result = known(from_wire(*history, CARD, CARD), which)
    assert len(find.asked) == asked + 1
    assert result.counts == (("financial", "card", "hard", 2),)
    assert which.findings(CARD)[0].kind == "card"
    assert which.findings(CARD, "content")[0].kind == "card"
    assert len(find.asked) == asked + 1


def test_the_field_counts_where_it_says_something() -> None:
    find = Counting()
    which = classifier(find)
    which.findings("123456789", "ssn")
    which.findings("123456789", "phone")
    which.findings("123456789", "text")
    which.findings("ssn", "ssn")
    assert find.asked == [("123456789", "ssn"), ("123456789", "phone"), ("123456789", ""), ("ssn", "")]


def test_with_a_part_that_finds_by_fields_no_field_is_silent_and_no_number_too_short() -> None:
    find = Counting()
    which = Classifier(Detector([Part("rules", find)], by_field=True), secret=b"")
    tree = {"messages": [{"role": "user", "content": "hello"}], "metadata": {"case": 4711}}
    known(ChatRequest(model="m", messages=(), dialect="openai", tree=tree), which)
    assert {("hello", "content"), ("4711", "case")} <= set(find.asked)


def test_memory_is_bounded_and_forgets_what_was_not_used_for_longest() -> None:
    store = Memory(b"", entries=8, size=10**6)
    for number in range(100):
        store.put(number, ())
        assert store.get(0) == ()
        assert len(store) <= 8
    assert store.get(99) == ()
    assert store.get(1) is None


def test_memory_is_bounded_in_bytes() -> None:
    finding = Finding(category="custom", kind="k", tier="hard", start=0, end=1)
    store = Memory(b"", entries=10**6, size=100_000)
    for number in range(1000):
        store.put(number, (finding,) * 10)
    assert 10 < len(store) < 100


def test_memory_holds_no_text() -> None:
    which = classifier()
    known(from_wire(f"the secret word {CARD}"), which)
    assert len(which._memory) > 0
    assert "secret" not in repr(vars(which._memory))


@pytest.mark.parametrize("keyed", [True, False])
def test_keys_tell_texts_and_fields_apart(keyed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "interpreter_keys", lambda: keyed)
    one, other = Memory(b"one", entries=9, size=999), Memory(b"other", entries=9, size=999)
    keys = {
        one.key_of(*pair) for pair in [("a", ""), ("", "a"), ("ab", "c"), ("a", "bc"), ("\ud800", ""), ("a", "\ud800")]
    }
    assert len(keys) == 6
    assert keyed or one.key_of("a", "") != other.key_of("a", "")
    assert one.key_of("a", "b") == one.key_of("a", "b")


# -------------------------------------------------------------------------------------------------- large and bad input


def test_large_texts_are_looked_at_in_a_worker() -> None:
    find = Counting()
    text = f"{'word ' * 15_000}{CARD}{' word' * 10}"
    result = known(from_wire(text), classifier(find))
    assert result.counts == (("financial", "card", "hard", 1),)
    assert threading.get_ident() not in find.threads
    assert max(len(one) for one, _ in find.asked) <= WINDOW


def test_many_small_texts_are_looked_at_in_a_worker_too() -> None:
    find = Counting()
    result = known(
        from_wire(*(f"message {number} {CARD if number == 9_000 else ''}" for number in range(10_000))),
        classifier(find),
    )
    assert result.counts == (("financial", "card", "hard", 1),)
    assert threading.get_ident() not in find.threads


def test_a_text_that_stands_there_often_is_looked_at_once_and_counts_each_time() -> None:
    find = Counting()
    assert known(from_wire(*[CARD] * 5_000), classifier(find)).counts == (("financial", "card", "hard", 5_000),)
    assert len(find.asked) == 1


@pytest.mark.parametrize("text", ['"' * 100_000 + CARD, "[" * 100_000 + CARD, '{"a":' * 20_000 + f'"{CARD}"'])
def test_what_is_long_and_may_be_json_is_read_in_a_worker(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()

    def tokens(text: str, field: str = "") -> Any:
        threads.add(threading.get_ident())
        return jsontext.tokens(text, field)

    monkeypatch.setattr(extract, "jsontext", types.SimpleNamespace(tokens=tokens))
    assert known(from_wire(text)).counts == (("financial", "card", "hard", 1),)
    assert threads
    assert threading.get_ident() not in threads


def test_others_are_served_meanwhile() -> None:
    async def both() -> list[str]:
        order: list[str] = []
        which = classifier()

        async def run(name: str, request: ChatRequest) -> None:
            await which.classify(request)
            order.append(name)

        await asyncio.gather(run("large", from_wire("word " * 100_000)), run("small", from_wire("hello")))
        return order

    assert asyncio.run(both()) == ["small", "large"]


def test_a_request_that_is_left_harms_no_other() -> None:
    async def leave() -> Classified:
        which = classifier()
        text = f"{'word ' * 60_000}{CARD}"
        task = asyncio.create_task(which.classify(from_wire(text)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await which.classify(from_wire(text))

    assert asyncio.run(leave()).counts == (("financial", "card", "hard", 1),)


def test_one_classifier_serves_one_loop_after_another() -> None:
    which = classifier()

    async def several(name: str) -> None:
        requests = [from_wire(f"{name} {number} {'word ' * 20_000}") for number in range(5)]
        await asyncio.gather(*map(which.classify, requests))

    asyncio.run(several("first"))
    asyncio.run(several("second"))


def test_a_request_beyond_every_limit_is_not_looked_at_and_counts_as_a_failure() -> None:
    find = Counting()
    many = [f"{number} {'x' * 1_000_000}" for number in range(MOST_OF_ALL // 1_000_000 + 1)]
    for texts in (many, ["word " * (MOST // 5 + 1)], ['["' + "word " * (MOST // 5 + 1) + '"]', "hello"]):
        with pytest.raises(DetectionError, match="more than are looked at"):
            known(from_wire(*texts), classifier(find))
    with pytest.raises(DetectionError, match="120,000 texts, more than are looked at"):
        known(ChatRequest(model="m", messages=(), tree={"n": list(range(10**8, 10**8 + 120_000))}), classifier(find))
    assert find.asked == []


def test_a_detector_that_fails_is_said_and_nothing_is_remembered() -> None:
    fails = [True]

    def find(text: str, field: str = "") -> Sequence[Finding]:
        if fails:
            raise ValueError(text)
        return Counting()(text)

    which = classifier(find)
    for request in (from_wire(CARD), from_wire("word " * 20_000 + CARD)):
        with pytest.raises(DetectionError):
            known(request, which)
    fails.clear()
    assert known(from_wire(CARD), which).counts == (("financial", "card", "hard", 1),)


@pytest.mark.parametrize(
    "text",
    [
        "\ud800 lone",
        "\x00\x01\x02" * 1000,
        "[" * 50_000,
        '{"a":' * 20_000,
        '"' * 9_999,
        "\\" * 9_999,
        json.dumps(json.dumps(json.dumps({"a": [CARD] * 3}))),
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_no_text_is_an_error(text: str) -> None:
    result = known(from_wire(text))
    assert (result.counts != ()) == (CARD in text)


def test_a_tally_of_nothing_with_a_reason() -> None:
    assert Tally().classified("why") == Classified(opaque="why")
