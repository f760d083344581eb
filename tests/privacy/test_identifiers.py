"""Every rule of identifiers.toml: two texts or more that it finds, two or more that come close."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from crossover.privacy import rules, verify
from crossover.privacy.context import Scan
from crossover.privacy.words import Rule
from crossover.sensitivity import CATEGORIES

RULES = rules.load("identifiers")
CASES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("identifier_cases.toml").read_text(encoding="utf-8"))


def hits(rule: Rule, text: str, field: str = "") -> list[str]:
    return [text[one.start : one.end] for one in rules.found(rules.Matcher(rule), Scan(text, field))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_finds_what_it_names_and_nothing_close_to_it(rule: Rule) -> None:
    case = CASES[rule.id]
    assert len(case["found"]) >= 2
    assert len(case["missed"]) >= 2
    assert [text for text in case["found"] if not hits(rule, text)] == []
    assert [text for text in case["missed"] if hits(rule, text)] == []
    assert hits(rule, rule.example)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_where_its_form_was_looked_up(rule: Rule) -> None:
    assert rule.source
    assert rule.url.startswith(("https://", "http://"))
    assert rule.checked
    assert rule.title
    assert rule.category in CATEGORIES
    assert rule.tier == "hard"
    assert 0 < rule.score < 1
    assert not rule.verify or callable(verify.function(rule.verify))


def test_every_case_is_of_a_rule_and_there_are_enough() -> None:
    assert set(CASES) == {rule.id for rule in RULES}
    assert len(RULES) >= 60
    assert len({rule.country for rule in RULES if rule.kind in ("national_id", "social_security_number")}) > 30


CLEAN = """\
Where is my order 4029357733? It was shipped on 2024-11-03 with tracking number 1Z999AA10123456784.
Order #112-4837265-9938271 has not arrived; invoice INV-2024-000123 over 1,234,567.89 EUR is due in 30 days.
The ISBN is 978-3-16-148410-0, the older edition 0-306-40615-2, the EAN 4006381333931, the ISSN 2049-3630.
Unix time 1700000000 is 2023-11-14T22:13:20Z; in milliseconds 1700000000123, in microseconds 1700000000123456.
The coordinates are 40.748817, -73.985428 (40°44'55.7"N 73°59'07.6"W).
Upgrade from 1.2.3.4 to version 10.0.19041.1; Chrome/120.0.0.0, OID 1.3.6.1.4.1.311.21.7, section 4.2.1.3.
id 550e8400-e29b-41d4-a716-446655440000, sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
git commit 3f786850e387550fdab836ed7e6dc881de23001b, md5 d41d8cd98f00b204e9800998ecf8427e
What is 4839201 * 77342? Multiply 123456789 by 987654321; is 2305843009213693951 prime?
pi = 3.14159265358979323846264338327950288419716939937510
The population rose from 83 240 525 to 84 358 845; revenue was 1 234 567 890 dollars.
The API call took 1234567 ns; call stack depth 100000 exceeded at line 20480.
2026-03-04 12:30:45,123 INFO [worker-17] request 8472634 finished in 532 ms, 204800 bytes
Allow 10.0.0.0/8 and 192.168.0.0/16, netmask 255.255.255.0; ping 8.8.8.8; the router is 192.168.1.1.
SHA1 fingerprint 3A:5B:C0:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:12
std::vector<int>::iterator it = map::find(key); ab::cd::ef; ::1 and 2001:db8::1
logo@2x.png, @app.route("/"), x = a@b.T, git@github.com:torvalds/linux.git, user@example.com
My credit card has a limit of 5000 dollars and 19.99% interest; the card costs 120000 points.
My savings account earned 1234.56 in interest; open an account within 10 minutes, minimum deposit 100000.
VAT of 20% on 45000 is 9000; the tax office closed 2024-05-31; form 1040, tax year 2023/2024.
The patient received 500 mg at 08:00 and 250 mg at 20:00; a patient aged 65 with visits in 2019-2023.
A passport costs 130 dollars and takes 6-8 weeks; apply before 2025-03-01.
Mozart was born in 1756; Einstein, born 14 March 1879, published in 1905.
My driver's license expires in 2027; the graphics driver 535.129.03 needs kernel 5.15.0-91.
License plate recognition on an RTX 4090; serial ports use 115200 baud, 8N1.
The phone has 128 GB and 8 GB RAM, battery 5000 mAh, screen 1080 x 2400.
Contact us within 30 days. Reach 1 000 000 users by 2025. We called it 10 000 times.
{"id": 123456789, "price": 19.99, "sku": "AB-1234-CD", "created": 1700000000, "seed": 1234567890}
Meeting ID: 123 456 789; UPC 036000291452, ASIN B08N5WRWNW, ISIN US0378331005, LEI 213800KUD8LAJWSQ9D15
nit: rename 12345678 to a constant; run 20240115 failed; PAN-OS 10.1.6; cc -O2 main.c; 30 dni 12345678
0x00007ffff7dd1b78 <+24>: mov %rax,0x10(%rbx); 00000010  7f 45 4c 46 02 01 01 00 00 00
""".splitlines()


@pytest.fixture(scope="module")
def book() -> rules.Rulebook:
    return rules.rulebook(RULES, engine="stdlib")


@pytest.mark.parametrize("text", CLEAN)
def test_what_names_nobody_stays_quiet(text: str, book: rules.Rulebook) -> None:
    assert [(one.rule, text[one.start : one.end]) for one in rules.find(book, text)] == []
