"""A user's own patterns and dictionaries, and what is said of those that cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from crossover.errors import InputError
from crossover.privacy import gate, rules, user_rules
from crossover.privacy.phrases import Phrases
from crossover.privacy.user_rules import user_rule
from crossover.privacy.words import Rule


def found(rule: Rule, text: str, engine: str = "re2") -> list[str]:
    book = rules.rulebook([rule], engine=engine)
    return [text[hit.start : hit.end] for hit in rules.find(book, text)]


def both(rule: Rule, text: str) -> list[str]:
    fast = found(rule, text)
    assert found(rule, text, "stdlib") == fast
    return fast


def test_a_pattern_is_found() -> None:
    badge = user_rule("badge", pattern=r"EMP-\d{6}", example="EMP-123456")
    assert both(badge, "ask EMP-004711 or xEMP-1234567") == ["EMP-004711", "EMP-123456"]
    assert (badge.category, badge.tier, badge.kind, badge.score) == ("custom", "hard", "badge", 1.0)


def test_a_pattern_may_have_edges_a_group_and_a_word_near() -> None:
    assert both(user_rule("a", pattern=r"\d{6}", edges=True), "123456 x123456") == ["123456"]
    assert both(user_rule("a", pattern=r"case (\d+)", group=1), "case 77, case 8") == ["77", "8"]
    near = user_rule("a", pattern=r"\d{6}", context=["badge"], category="personal")
    assert both(near, "badge 123456") == ["123456"]
    assert both(near, "number 123456") == []
    assert near.tier == "soft"
    assert both(user_rule("a", pattern="straße", ignore_case=True), "STRAßE") == ["STRAßE"]


def test_a_pattern_that_takes_forever_elsewhere_takes_no_time() -> None:
    slow = user_rule("slow", pattern=r"(?:a|a)*(?:a|a)*(?:a|a)*b")
    assert found(slow, "a" * 20_000) == []
    assert found(slow, "\ud800 aab") == ["aab"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"(?<=x)\d", r"look-around \(\(\?<=\)"),
        (r"a(?!b)", "look-around"),
        (r"(a)\1", r"back reference \(\\1\)"),
        (r"(?P<x>a)(?P=x)", "back reference"),
        (r"(?>ab)c", "atomic"),
        (r"a++", "possessive"),
        (r"abc\Z", r"\\z"),
        (r"(?(1)a|b)", "conditional"),
        (r"(abc", "no regular expression"),
        (r"[z-a]", "no regular expression"),
        (r"a*", "empty string"),
        (r"\b", "empty string"),
        (r"x|", "empty string"),
        (r"(?:\w{100}){100}", "too large"),
        (r"a{1001}", "too large"),
        ("a" * 5001, "longer than 5,000"),
        ("\ud800", "no regular expression"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_explained(pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        user_rule("it", pattern=pattern)
    assert caught.value.field == "pattern"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({}, "either a pattern or words"),
        ({"pattern": "a", "words": ["b"]}, "either a pattern or words"),
        ({"pattern": "a", "category": "nothing"}, "no category"),
        ({"pattern": "a", "group": 1}, "none is number 1"),
        ({"words": ["ok", "..."]}, "entry 2 has no letter"),
        ({"words": ["x" * 201]}, "entry 1 is longer"),
    ],
)
def test_a_rule_that_cannot_be_is_explained(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        user_rule("it", **facts)


def test_a_dictionary_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_rules, "MOST_WORDS", 2)
    with pytest.raises(InputError, match="2 words at most, not 3"):
        user_rule("it", words=["a", "b", "c"])


def test_an_example_that_is_not_found_is_said_at_the_start() -> None:
    with pytest.raises(InputError, match="own example"):
        rules.rulebook([user_rule("it", pattern="abc", example="xyz")])


WORDS = [
    "Project Bluebird",
    "bluebird",
    "Ärger GmbH",
    "C++",
    ".NET",
    "R&D",
    "Falke",
    "機密",
    "proyecto  águila",
    "Ops-Team 7",
]


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("the PROJECT bluebird plan", ["PROJECT bluebird"]),
        ("Bluebird, bluebirds and ablubird", ["Bluebird", "bluebird"]),
        ("project  bluebird, Project\n\n  Bluebirds", ["project  bluebird", "Project\n\n  Bluebird"]),
        ("project\nbluebird", ["project\nbluebird"]),
        ("ärger gmbh", ["ärger gmbh"]),
        ("we use C++ and .net, not c or net", ["C++", ".net"]),
        ("the R&D budget", ["R&D"]),
        ("das 機密文書", ["機密"]),
        ("Proyecto Águila", ["Proyecto Águila"]),
        ("ops_team 7 and ops team 77", ["ops_team 7"]),
        ("falken Falke, falke-nest", ["Falke", "falke"]),
        ("nothing here", []),
    ],
)
def test_words_and_phrases_are_found_whole(text: str, hits: list[str]) -> None:
    assert both(user_rule("names", words=WORDS), text) == hits
    many = user_rule("names", words=[*WORDS, *(f"filler{number}" for number in range(600))])
    assert both(many, text) == hits


def test_a_word_of_a_dictionary_may_need_a_word_near() -> None:
    near = user_rule("names", words=["falke"], context=["project"])
    assert both(near, "project falke") == ["falke"]
    assert both(near, "the bird falke") == []


def test_the_longest_phrase_wins_and_none_stands_in_another() -> None:
    phrases = Phrases(["new york", "new york city", "york city hall", "city"])
    assert list(phrases.spans("in new york city hall")) == [(3, 16)]
    assert list(phrases.spans("new york")) == [(0, 8)]


@pytest.fixture
def no_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "library", lambda: None)
    monkeypatch.setattr(user_rules, "library", lambda: None)
    monkeypatch.setattr(rules, "library", lambda: None)


@pytest.mark.usefixtures("no_re2")
@pytest.mark.parametrize("pattern", [r"EMP-\d{6}", r"[A-Z]{2,4}-\d{1,6}", r"colou?r \d{4}", r"a[*+]b"])
def test_without_re2_bounded_patterns_still_work(pattern: str) -> None:
    rule = user_rule("it", pattern=pattern)
    book = rules.rulebook([rule], engine="stdlib")
    text = "EMP-123456 AB-12 colour 1234 a+b"
    assert len(rules.find(book, text)) >= 1


@pytest.mark.usefixtures("no_re2")
@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"pattern": r"\d+"}, "without an upper bound"),
        ({"pattern": r"a*b"}, "without an upper bound"),
        ({"pattern": r"a{2,}"}, "without an upper bound"),
        ({"pattern": r"(?:ab){2}"}, "too many ways"),
        ({"pattern": r"\d{0,500}x\d{0,500}"}, "too many ways"),
        ({"pattern": "a?" * 20 + "a"}, "too many ways"),
        ({"pattern": r"(?=a)b"}, "look-around"),
        ({"pattern": "(a"}, "no regular expression"),
        ({"pattern": "a?"}, "empty string"),
        ({"pattern": "ä", "ignore_case": True}, "beyond ASCII"),
    ],
)
def test_without_re2_other_patterns_are_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        user_rule("it", **facts)
