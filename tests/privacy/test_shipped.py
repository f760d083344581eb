"""The shipped detector with all its parts: built once for this file."""

from __future__ import annotations

import asyncio
import json

import pytest

from crossover.chat import ChatRequest
from crossover.errors import DetectionError
from crossover.privacy.classify import Classifier
from crossover.privacy.detector import Detector, kinds, shipped
from crossover.privacy.user_rules import user_rule
from crossover.privacy.words import Classified, Finding

NOTE = (
    "45-year-old woman with a history of type 2 diabetes and hypertension, admitted with chest pain. "
    "Started on metformin 500 mg twice daily; blood pressure 150/95, HbA1c 8.1. Follow-up in two weeks."
)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return shipped(clock=lambda: 0.0)


def found(detector: Detector, text: str, field: str = "") -> dict[str, str]:
    return {one.kind: text[one.start : one.end] for one in detector.scan(text, field)}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Pay with 4111 1111 1111 1111 please", "payment_card", "4111 1111 1111 1111"),
        ("IBAN DE89 3704 0044 0532 0130 00", "iban", "DE89 3704 0044 0532 0130 00"),
        ("write to mia.keller@acme-corp.com today", "email", "mia.keller@acme-corp.com"),
        ("the password is hunter2!x", "password", "hunter2!x"),
        ("Dear Sarah Johnson, thank you for coming", "person", "Sarah Johnson"),
        ("card 4\u200b111 1111\u200b 1111 1111", "payment_card", "4\u200b111 1111\u200b 1111 1111"),
        ("NDExMSAxMTExIDExMTEgMTExMQ==", "payment_card", "NDExMSAxMTExIDExMTEgMTExMQ=="),
    ],
)
def test_every_part_is_asked(detector: Detector, text: str, kind: str, value: str) -> None:
    assert found(detector, text)[kind] == value


def test_health_is_found(detector: Detector) -> None:
    assert "health" in found(detector, NOTE)


def test_an_ordinary_prompt_holds_nothing(detector: Detector) -> None:
    assert detector.scan("Write a haiku about the sea in autumn, and explain how a binary search works.") == ()


def test_parts_can_be_left_out_and_added() -> None:
    def find(text: str, field: str = "") -> list[Finding]:
        return [Finding(category="custom", kind="mine", tier="hard", start=0, end=1)]

    rule = user_rule("project", words=["Bluebird"])
    small = shipped(names=False, health=False, rules=[rule], more={"mine": find}, clock=lambda: 0.0)
    assert set(found(small, f"Sarah Johnson works on bluebird. {NOTE}")) == {"project", "mine"}


def test_the_version_names_what_looks(detector: Detector) -> None:
    assert detector.version == shipped(clock=lambda: 0.0).version
    others = {
        shipped(names=False, health=False).version,
        shipped(names=False).version,
        shipped(names=False, health=False, rules=[user_rule("project", words=["Bluebird"])]).version,
    }
    assert len({detector.version, *others}) == 4
    assert detector.version.startswith("d-")


def test_the_kinds_are_those_that_can_be_found() -> None:
    assert {"payment_card", "email", "person", "address", "health", "password", "iban"} <= kinds()


def classified(detector: Detector, *texts: str) -> Classified:
    tree = {"messages": [{"role": "user", "content": text} for text in texts]}
    request = ChatRequest(model="m", messages=(), dialect="openai", tree=tree)
    return asyncio.run(Classifier(detector, secret=b"key").classify(request))


def test_a_health_story_beside_a_name_is_health_information(detector: Detector) -> None:
    assert classified(detector, NOTE).sensitivity.tier == "soft"
    result = classified(detector, NOTE, "Her name is Sarah Johnson.")
    assert result.sensitivity.tier == "hard"
    assert ("health", "health", "hard") in {row[:3] for row in result.counts}


def test_arguments_of_tools_are_read_with_their_fields(detector: Detector) -> None:
    result = classified(detector, json.dumps({"customer": {"email": "mia@acme-corp.com", "card": 4111111111111111}}))
    assert {"email", "payment_card"} <= {kind for _, kind, _, _ in result.counts}


@pytest.mark.parametrize(
    "text",
    [
        "\ud800 lone",
        "\x00\x01\x02" * 4000,
        "".join(map(chr, range(1, 0x3000))),
        "0123456789" * 3000,
        "a@" * 9000,
        "password = " * 2000,
        "Mia Keller, " * 2000,
        "{" * 20_000,
        "1-2-3 " * 5000,
        "\n" * 30_000,
    ],
    ids=lambda text: ascii(text[:6]),
)
def test_no_text_is_an_error(detector: Detector, text: str) -> None:
    for one in detector.scan(text):
        assert 0 <= one.start < one.end <= len(text)


def test_a_text_that_is_too_long_is_one_error(detector: Detector) -> None:
    with pytest.raises(DetectionError):
        detector.scan("x" * 2_000_000)
