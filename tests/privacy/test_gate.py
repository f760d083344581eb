"""The gate: never one rule too few, whichever library it runs on, and never silently."""

from __future__ import annotations

import gzip
import importlib
import json
import logging
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import re2  # type: ignore[import-untyped]
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossover.privacy import gate, rules, verify
from crossover.privacy.coarse import coarse_pattern, coarse_text, required_literal, required_run
from crossover.privacy.gate import (
    GateError,
    PlainGate,
    SetGate,
    begins_with_word,
    longest_row,
    readable,
    required_shapes,
    row,
    shape,
)
from crossover.privacy.words import Finding, Rule

# The standard library's own reading of a pattern, to make texts that match it.
const: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")

RULES = rules.load("identifiers", "secrets")
FAST, PLAIN = rules.rulebook(RULES), rules.rulebook(RULES, engine="stdlib")
PIECES = st.one_of(
    st.sampled_from([rule.example for rule in RULES]),
    st.sampled_from(sorted({word for rule in RULES for word in rule.context})),
    st.text(alphabet="0123456789 -./():+", max_size=24),
    st.text(max_size=12),
    st.sampled_from([" ", "\n", ": ", ", ", "SSN ", "call me at ", "x", "_", "İ", "\ud800", "é", "patientDob "]),
)
SETS = {
    const.CATEGORY_DIGIT: "0123456789", const.CATEGORY_SPACE: " \t\n", const.CATEGORY_WORD: "azAZ09_",
    const.CATEGORY_NOT_SPACE: "aZ0.-$", const.CATEGORY_NOT_WORD: " .-", const.CATEGORY_NOT_DIGIT: "aZ ",
}  # fmt: skip
TEXTS = st.lists(PIECES, max_size=8).map("".join)


def samples(pattern: str, count: int) -> list[str]:
    """Texts that match a pattern, always the same ones."""
    chance = random.Random(pattern)
    tree = parser.parse(pattern)
    return [_sample(tree, chance) for _ in range(count)]


def _sample(nodes: Any, chance: random.Random) -> str:
    parts: list[str] = []
    for name, what in nodes:
        if name is const.LITERAL:
            parts.append(chr(what))
        elif name is const.IN:
            parts.append(_member(what, chance))
        elif name in (const.MAX_REPEAT, const.MIN_REPEAT):
            times = chance.randint(what[0], min(what[1], what[0] + 6))
            parts.extend(_sample(what[2], chance) for _ in range(times))
        elif name is const.SUBPATTERN:
            parts.append(_sample(what[3], chance))
        elif name is const.BRANCH:
            parts.append(_sample(chance.choice(what[1]), chance))
        elif name in (const.ANY, const.NOT_LITERAL):
            parts.append(" " if what != 32 else "x")
    return "".join(parts)


def _member(items: Any, chance: random.Random) -> str:
    members: set[str] = set()
    for name, what in items:
        if name is const.LITERAL:
            members.add(chr(what))
        elif name is const.RANGE:
            members |= {chr(code) for code in range(what[0], what[1] + 1)}
        elif name is const.CATEGORY:
            members |= set(SETS[what])
    if items[0][0] is const.NEGATE:
        members = {chr(code) for code in range(32, 127)} - members
    return chance.choice(sorted(members))


def key(finding: Finding) -> tuple[str, int, int]:
    return finding.rule, finding.start, finding.end


def same(text: str, field: str = "") -> None:
    fast = sorted(map(key, rules.find(FAST, text, field)))
    assert fast == sorted(map(key, rules.find(PLAIN, text, field)))


def test_a_vertical_tab_is_a_space_to_both() -> None:
    same("\vAre_OdvMV7PC_qygQaFksJnR1hCVnLlpmR3ZE")


@given(TEXTS, st.sampled_from(["", "content", "ssn", "passportNumber", "bank_account", "iban", "phoneİ"]))
@settings(max_examples=150)
@example("mySsn 536904399 and userPassport C01X00T41, KİMLİK NO 17291716060", "")
@example("06 nummerMyKad 770305021234", "")
@example("my\u00a0SSN_is_536904399, ＳＳＮ 536-90-4399", "")
def test_both_gates_find_the_same(text: str, field: str) -> None:
    same(text, field)


def test_both_gates_find_the_same_in_shared_data(shared_data: Path) -> None:
    for name in ("presidio_recognizer_tests", "presidio_gen_small", "secrets_noseyparker"):
        with gzip.open(shared_data / "privacy" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            for line in file:
                same(json.loads(line)["text"])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_passes_both_gates_with_its_example(rule: Rule) -> None:
    index = RULES.index(rule)
    assert index in FAST.gate.fired(rule.example)
    assert index in PLAIN.gate.fired(rule.example)


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (r"[A-Z]{2}\d{2}[A-Z0-9]{4}", "AA00"),
        (r"(?:x|y)?ab-?\d+", "aa"),
        (r"\d{1,3}\.\d{2,}[A-Z]", "0.00"),
        (r"\d{3}(?:-\d{2}){0,2}Z", "000"),
        (r"AB\d|C", ""),
        (r"\x41\d\d", ""),
        (r"(?=x)abc", ""),
    ],
)
def test_what_stands_in_every_match_without_its_details(pattern: str, literal: str) -> None:
    assert required_literal(pattern) == literal
    assert required_literal(pattern, ignore_case=True) == literal.lower()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_what_the_gate_asks_for_stands_in_every_finding(rule: Rule) -> None:
    coarse, run = coarse_pattern(shape(rule)), required_run(rule.pattern, 8)
    regex = re.compile(rule.pattern, re.ASCII | (re.IGNORECASE if rule.ignore_case else 0))
    for match in samples(rule.pattern, 60):
        whole = regex.fullmatch(match)
        if whole is None or (rule.verify and not verify.function(rule.verify)(whole[rule.group])):
            continue
        data = match.encode()
        assert coarse is None or re2.compile(coarse).search(coarse_text(data)), match
        assert run is None or rule.ignore_case or re2.compile(run).search(coarse_text(data)), match
        assert not rule.keywords or any(word in match.lower() for word in rule.keywords), match
        assert not rule.gate or re2.compile(rule.gate).search(data), match
        forms = coarse_text(data), coarse_text(data).lower()
        held = required_shapes(rule)
        assert not held or any(one in forms[form] for one, form in held), match
        assert longest_row(match) >= rule.digits, match
        assert rule.digits == 0 or re2.compile(row(rule.digits)).search(data), match


class Dumb:
    """A set that ran out of memory: it says that nothing matches."""

    def match(self, data: bytes) -> None:
        return None


@pytest.mark.parametrize("part", ["_words", "_sets", "_coarse"])
def test_a_set_out_of_memory_never_opens_the_gate(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = SetGate(RULES)
    whole = getattr(broken, part)
    monkeypatch.setattr(broken, part, [Dumb(), *whole[1:]] if isinstance(whole, list) else Dumb())
    text = "card 4556 7375 8689 9855, SSN 536904399, write to a@posteo.de"
    assert sorted(broken.fired(text)) == sorted(PlainGate(RULES).fired(text))


def test_patterns_that_do_not_fit_are_no_gate() -> None:
    with pytest.raises(GateError, match="memory"):
        SetGate(RULES, memory=4096)


def warned(caplog: pytest.LogCaptureFixture, reason: str) -> bool:
    return any(reason in record.getMessage() and record.levelno == logging.WARNING for record in caplog.records)


def test_without_re2_the_plain_gate_stands_in_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gate, "library", lambda: None)
    book = rules.rulebook(RULES)
    assert book.gate.engine == "stdlib"
    assert warned(caplog, "google-re2 is not installed")
    assert rules.find(book, "card 4556 7375 8689 9855")


def test_a_gate_that_holds_back_an_example_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(SetGate, "lets", lambda self, index, text: index != 3)
    book = rules.rulebook(RULES)
    assert book.gate.engine == "stdlib"
    assert warned(caplog, RULES[3].id)


def test_the_module_re2_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    assert gate.library() is re2
    monkeypatch.setattr(importlib, "import_module", absent)
    assert gate.library() is None


@pytest.mark.parametrize(
    "text", ["\ud800", "a\udfffb", "SSN \ud83d 536904399", "x" * 50_000, "\x00" * 100, "7" * 20_000]
)
def test_no_text_is_too_strange(text: str) -> None:
    same(text)
    assert len(readable(text)) == len(text)
    readable(text).encode()


def test_a_lone_surrogate_hides_nothing() -> None:
    assert {one.kind for one in rules.find(FAST, "\ud800 card 4556 7375 8689 9855\udc00")} == {"payment_card"}


@pytest.mark.parametrize(
    ("text", "most"),
    [("", 0), ("abc", 0), ("1", 1), ("12-34", 4), ("12 - 34", 4), ("12 ... 34", 2), ("1a2", 1), ("12345\n67", 7)],
)
def test_a_row_of_digits_is_counted_alike(text: str, most: int) -> None:
    assert longest_row(text) == most
    for count in range(1, 9):
        assert bool(re2.compile(row(count)).search(text)) == (count <= most)


@pytest.mark.parametrize(
    ("pattern", "coarse"),
    [
        (r"\d{3}-[A-F]x", r"0{3}\-Aa"),
        (r"[2-9A-Z]{4}", r"[0A]{4}"),
        (r"(?i:ab)[^0-9]", None),
        (r"(?:AKIA|ASIA)[A-Z0-9]{16}", r"(?:AAAA|AAAA)[0A]{16}"),
        (r"a{2,3}\.\w+", None),
    ],
)
def test_a_pattern_without_its_details(pattern: str, coarse: str | None) -> None:
    written = coarse_pattern(pattern)
    assert written is not None
    re2.compile(written)
    assert coarse is None or written == coarse


def test_what_cannot_be_made_coarse_is_left_alone() -> None:
    assert coarse_pattern(r"(?!a)b") is None
    assert coarse_pattern(r"\Qabc") is None


@given(st.text(max_size=40))
def test_a_coarse_text_keeps_every_place(text: str) -> None:
    data = text.encode(errors="replace")
    assert len(coarse_text(data)) == len(data)


@pytest.mark.parametrize(
    ("pattern", "run"),
    [
        (r"sk-[a-z0-9]{28,}", "[0a]{28}"),
        (r"[A-Z]{8}-[0-9]{20}", "0{20}"),
        (r"[A-Z]{8}|[0-9]{20}", None),
        (r"(?:[A-Z]{30})?x", None),
        (r"abc", None),
    ],
)
def test_the_run_that_every_match_holds(pattern: str, run: str | None) -> None:
    assert required_run(pattern, 8) == run


@pytest.mark.parametrize(
    ("pattern", "begins"),
    [
        (r"\d{3}", True), (r"[A-Z]x|0", True), (r"(?:a|b)c", True), (r"\w+", True), (r"(?i:ab)", True),
        (r"(?:a|\+)c", False), (r"\(0", False), (r"a?b", False), (r"[A-Z]{0,3}\d", False), (r"(?:\d)?\+", False),
        (r"[^a]", False), (r"[+-]1", False),
    ],
)  # fmt: skip
def test_whether_a_match_begins_with_a_word(pattern: str, begins: bool) -> None:
    assert begins_with_word(pattern) is begins


@pytest.mark.parametrize("word", ["ssn", "passport", "tax file", "hk id card", "blz", "numero de documento"])
def test_a_word_inside_of_a_name_passes_both_gates(word: str) -> None:
    title = word.title().replace(" ", "")
    shapes = (word, title, title[0].lower() + title[1:], title.capitalize(), title.upper(), word.replace(" ", "_"))
    rule = Rule(
        id="x", kind="x", category="identifiers", tier="hard", pattern="[0-9]{8}", example=f"{word} 12345678",
        context=(word,), needs_context=True, digits=8,
    )  # fmt: skip
    fast, plain = SetGate([rule]), PlainGate([rule])
    for name in shapes:
        for before, behind in (("", ""), ("my", ""), ("My", "Value"), ("user_", "Number"), ("é", "s"), ("A", "X")):
            text = f"{'of ' * 30}{before}{name}{behind} = 12345678"
            assert set(plain.fired(text)) <= set(fast.fired(text)), text


def test_only_rules_that_may_match_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def noted(matcher: rules.Matcher, scan: Any) -> Sequence[Finding]:
        tried.append(matcher.rule.id)
        return []

    monkeypatch.setattr(rules, "found", noted)
    rules.find(FAST, "Nothing in these plain words asks for a rule, not in 2024 and not at 10:45.")
    assert tried == []
    rules.find(FAST, "It is 756.9217.0769.85")
    assert "ch-ahv" in tried
    assert len(tried) < 6
