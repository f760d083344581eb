from __future__ import annotations

import re
from importlib import resources

import pytest

from crossover.privacy import rules
from crossover.privacy.context import Scan
from crossover.privacy.gate import PlainGate, SetGate, library
from crossover.privacy.words import Rule

RULES = rules.load("secrets")
NAMED = [pytest.param(rule, id=rule.id) for rule in RULES]


def found(rule: Rule, text: str) -> list[str]:
    return [text[one.start : one.end] for one in rules.found(rules.Matcher(rule), Scan(text))]


def test_more_than_sixty_vendors_have_a_rule_with_a_source() -> None:
    assert len({rule.vendor for rule in RULES if rule.vendor}) >= 60
    for rule in RULES:
        assert rule.url.startswith("https://")
        assert rule.source
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", rule.checked)
        assert (rule.category, rule.tier) == ("secrets", "hard")


@pytest.mark.parametrize("rule", NAMED)
def test_each_rule_finds_its_example_in_the_middle_of_a_text(rule: Rule) -> None:
    assert found(rule, f"see below\n{rule.example}\nand thanks")


@pytest.mark.parametrize("rule", NAMED)
def test_each_keyword_stands_in_lower_case_in_what_is_matched(rule: Rule) -> None:
    assert rule.keywords
    assert all(keyword == keyword.lower() for keyword in rule.keywords)
    assert any(keyword in rule.example.lower() for keyword in rule.keywords)


@pytest.mark.skipif(library() is None, reason="google-re2 is not installed")
def test_both_gates_let_every_example_through() -> None:
    quick, plain = SetGate(RULES), PlainGate(RULES)
    for index, rule in enumerate(RULES):
        assert index in quick.fired(rule.example), rule.id
        assert index in plain.fired(rule.example), rule.id


def test_the_file_holds_no_example_that_a_scanner_would_take_for_a_key() -> None:
    text = resources.files("crossover.privacy").joinpath("data", "secrets.toml").read_text(encoding="utf-8")
    for rule in RULES:
        assert rule.example not in text, rule.id


@pytest.mark.parametrize(
    "value",
    [
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ghp_1234567890abcdefghijklmnopqrstuvwxyz",
        "sk-proj-your-api-key-goes-here-and-not-anywhere-else",
        "AKIAIOSFODNN7EXAMPLE",
        "AKIAXXXXXXXXXXXXXXXX",
        "npm_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "https://user:password@example.com/",
        "https://user:${PASSWORD}@example.com/",
        "postgres://user:<password>@host/db",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
        "call_8Fh3kLmN2Qx7RtW9vB4sD6gJ",
        "cus_NffrFeUfNV2HibAbCdEfGh12",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "Authorization: Bearer YOUR_ACCESS_TOKEN",
        "Server=db;User Id=app;Password=YourPassword;",
    ],
)
def test_placeholders_and_identifiers_pass(value: str) -> None:
    assert [rule.id for rule in RULES for _ in found(rule, value)] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("postgres://app:Kj8sd7fG@db:5432/app", "Kj8sd7fG"),
        ("mongodb+srv://app:br1a@pass!@h.example.net/x", "br1a@pass!"),
        ("Data Source=h;User ID=app;Password=Kj8sd7fG;", "Kj8sd7fG"),
        ("curl -u app:Kj8sd7fG https://h", "Kj8sd7fG"),
        ('new NetworkCredential("app", "Kj8sd7fG")', "Kj8sd7fG"),
        ("machine h.example.net login app password Kj8sd7fG", "Kj8sd7fG"),
        ("acme_live_8Fh3kLmN2Qx7RtW9vB4sD6gJ", "acme_live_8Fh3kLmN2Qx7RtW9vB4sD6gJ"),
    ],
)
def test_exactly_the_secret_is_marked(text: str, value: str) -> None:
    assert value in [one for rule in RULES if not rule.vendor for one in found(rule, text)]
