"""How rules are read, tried and judged: edges, words near and before, the field, rows, what is given up at the end."""

from __future__ import annotations

from typing import Any

import pytest

from crossover.errors import FileError, InputError
from crossover.privacy import rules
from crossover.privacy.context import Scan, folded, lowered
from crossover.privacy.words import Rule

ENGINES = ("re2", "stdlib")


def rule(pattern: str = r"\d{4}", **more: Any) -> Rule:
    facts: dict[str, Any] = {"id": "it", "kind": "it", "category": "identifiers", "tier": "hard", "example": "", **more}
    return Rule(pattern=pattern, **facts)


def found(one: Rule, text: str, field: str = "") -> list[str]:
    answers = []
    for engine in ENGINES:
        book = rules.rulebook([one], engine=engine)
        answers.append([text[hit.start : hit.end] for hit in rules.find(book, text, field)])
    assert answers[0] == answers[1]
    return answers[0]


def test_a_value_is_no_piece_of_a_word() -> None:
    assert found(rule(), "1234, x1234 1234y _1234 12345 (1234) é1234") == ["1234", "1234", "1234"]
    assert found(rule(edges=False), "x1234y") == ["1234"]


def test_the_places_behind_a_decimal_point_are_no_value() -> None:
    assert found(rule(), "0.1234, 1234.5 and 12,1234. No.1234 1234.") == ["1234", "1234", "1234"]


def test_after_a_shape_that_is_none_the_search_goes_on_inside_it() -> None:
    card = rule(r"\d{2,4}(?:[ -]?\d{4}){3}", verify="cards.payment_card", category="financial")
    assert found(card, "12 4556 7375 8689 9855") == ["4556 7375 8689 9855"]


def test_what_follows_a_value_is_given_up_in_groups() -> None:
    card = rule(r"\d{4}(?:[ -]?\d{2,4}){3,6}", verify="cards.payment_card", category="financial")
    assert found(card, "4556 7375 8689 9855 12-27") == ["4556 7375 8689 9855"]
    assert (
        found(
            rule(card.pattern, verify=card.verify, needs_context=True, context=("no",)), "no 4556 7375 8689 9855 12 12"
        )
        == []
    )


def test_the_value_is_the_group() -> None:
    named = rule(r"(?:pin|code): ?(\d{4})", group=1)
    assert found(named, "code: 1234 pin:9876 code: 12345x") == ["1234", "9876"]
    assert found(rule(r"a(\d{4})?b", group=1), "ab a1234b", "") == []


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("my badge is 1234", ["1234"]),
        ("BADGES: 1234", ["1234"]),
        ("1234 is my badge", ["1234"]),
        ("staff_badge=1234", ["1234"]),
        ("staffBadge 1234 badgeNumber 5678", ["1234", "5678"]),
        ("the number 1234", []),
        ("badger 1234", []),
        ("subbadge 1234", []),
        ("badge" + " " * 60 + "1234", []),
        ("badges 3456, 1234", ["3456", "1234"]),
        ("1234" + " " * 30 + "badge", []),
        ("my id\tcard 1234", ["1234"]),
        ("reisepassnummer 1234", ["1234"]),
        ("여권번호는 1234", ["1234"]),
        ("EIN 1234", ["1234"]),
        ("ein 1234", []),
    ],
)
def test_a_rule_may_need_a_word_near(text: str, hits: list[str]) -> None:
    near = rule(context=("badge", "id card", "reisepass*", "여권", "EIN"), needs_context=True)
    assert found(near, text) == hits


@pytest.mark.parametrize("field", ["badge", "staff_badge", "badgeNumber", "STAFF-BADGE", "ein"])
def test_the_name_of_a_field_is_a_word_near(field: str) -> None:
    near = rule(context=("badge", "EIN"), needs_context=True)
    assert found(near, "1234", field) == ["1234"]
    assert found(near, "1234", "order") == []


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        (
            "id,name,badge,note\n9999,Ann of the long corridor,1234,x\n9998,Ben of the long corridor,5678,y",
            ["1234", "5678"],
        ),
        ("badge,id,note\nnone,9999,x\nnone,9998,y", []),
        ("badge,id\n1234,x", ["1234"]),
        ("the badge,\nand behind it, said Ann of the long and dark corridor, 1234", []),
    ],
)
def test_a_word_at_the_head_of_a_column_is_near_all_of_it_and_nothing_else(text: str, hits: list[str]) -> None:
    assert found(rule(context=("badge",), needs_context=True), text) == hits


@pytest.mark.parametrize(
    "text",
    [
        "taxFileNumber: 1234", "customerTaxFileId 1234", "taxfileno 1234", "taxfile=1234", "TaxFile 1234",
        "TAXFILE 1234", "TAX_FILE 1234", '"taxFileNr":"1234"', "tax file 1234", "Tax-File-No 1234",
    ],
)  # fmt: skip
def test_several_words_may_be_written_as_one(text: str) -> None:
    assert found(rule(context=("tax file",), needs_context=True), text) == ["1234"]


@pytest.mark.parametrize(
    "text", ["syntaxfile 1234", "syntaxFile 1234", "taxfiles1 1234", "tax, file 1234", "taxfilet 1234"]
)
def test_a_piece_of_another_word_is_none(text: str) -> None:
    assert found(rule(context=("tax file",), needs_context=True), text) == []


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("sécurité sociale", "SECURITE SOCIALE 1234"), ("securite", "sécurité 1234"), ("ΑΜΚΑ", "ΑΜΚΆ 1234"),
        ("dowód", "DOWOD 1234"), ("løn", "lon 1234"), ("driver's pass", "driver’s pass 1234"), ("DIČ", "DIC 1234"),
        ("doğum", "DOĞUM 1234"),
    ],
)  # fmt: skip
def test_accents_may_be_left_out(word: str, text: str) -> None:
    assert found(rule(context=(word,), needs_context=True), text) == ["1234"]
    assert found(rule(context=("DIČ",), needs_context=True), "dic 1234") == []


@pytest.mark.parametrize(
    ("word", "text", "hits"),
    [
        ("דרכון", "הדרכון שלי 1234", ["1234"]),
        ("דרכון", "ובדרכון 1234", ["1234"]),
        ("דרכון", "דרכוני 1234", []),
        ("جواز", "الجواز 1234", ["1234"]),
        ("جواز", "وبالجواز 1234", ["1234"]),
        ("паспорт", "загранпаспорт 1234", []),
    ],
)
def test_hebrew_and_arabic_write_small_words_in_one_with_the_next(word: str, text: str, hits: list[str]) -> None:
    assert found(rule(context=(word,), needs_context=True), text) == hits


def test_tables_of_words_take_no_time() -> None:
    near = rule(context=("badge",), needs_context=True)
    assert found(near, "badge,badge,badge\n" * 1_500) == []
    assert found(near, "badge," * 300 + "\n" + ("1234," * 300 + "\n") * 10) == ["1234"] * 3_000


def test_a_word_that_is_not_needed_raises_the_score() -> None:
    near = rules.rulebook([rule(context=("badge",), score=0.8)])
    assert [round(hit.score, 2) for hit in rules.find(near, "badge 1234")] == [0.9]
    assert [round(hit.score, 2) for hit in rules.find(near, "number 1234")] == [0.8]


def test_some_words_right_before_forbid() -> None:
    order = rule(unless=("order", "order no"))
    assert found(order, "order 1234, Order No. 5678, order of 4321, 8765 order") == ["4321", "8765"]


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("badge: none; order 1234", []),
        ("badge order 1234", ["1234"]),
        ("badge. Order 1234", []),
        ("order 1234? that is the badge", ["1234"]),
        ("badge: none, order 1234, 5678", ["5678"]),
        ("badge: none, order AB 1234", []),
    ],
)
def test_a_number_with_a_name_of_its_own_is_none_of_another_word(text: str, hits: list[str]) -> None:
    near = rule(r"(?:[A-Z]{2} )?\d{4}", context=("badge",), unless=("order", "AB"), needs_context=True)
    assert found(near, text) == hits


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("1234, said the man who came in this morning, his badge", ["1234"]),
        ("1234, said the man who came in this morning to ask about a badge", []),
        ("1234, said the man who wrote 77 123 on his badge", []),
        ("1234, said the man who came in, his badge 98765", []),
        ("1234, said the man who came in, his badge no. is A 98765", []),
        ("1234, said the man who came in, his badge of brass", ["1234"]),
        ("his badge was in the car all day long, and yet he says 1234", ["1234"]),
        ("his badge was in the car, he says he bought it for 98765 and 1234", []),
        ("his badge was in the car all day long, and that day was a hot one, but he says 1234", []),
    ],
)
def test_a_word_further_off_counts_for_a_value_that_a_check_vouches_for(text: str, hits: list[str]) -> None:
    near = rule(context=("badge",), needs_context=True, window=30, reach=50)
    assert found(near, text) == hits


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("1234 is what the screen shows. It is a badge", ["1234"]),
        ("1234 is what the screen shows. That's one of her badges", ["1234"]),
        ("1234 steht da überall. Das ist eine badge", ["1234"]),
        ("1234 is what the screen shows. Bring a badge", []),
        ("1234 is what the screen shows 98765. It is a badge", []),
        ("1234 is what the screen shows, and the clock too. Now wait for the door. It is a badge", []),
        ("I lost my badge at the fair last week, I think; the number on it is 1234", ["1234"]),
        ("I lost my badge at the fair last week, I think; the order number is 1234", []),
        ("badge verloren, und zwar gestern am Bahnhof; die Nummer lautet 1234", ["1234"]),
    ],
)
def test_a_sentence_may_point_from_a_value_to_its_word_and_back(text: str, hits: list[str]) -> None:
    assert found(rule(context=("badge",), needs_context=True, window=24), text) == hits


@pytest.mark.parametrize(
    "text",
    [
        "ein: 1234", "ein=1234", '"ein": "1234"', '{\\"ein\\":\\"1234\\"}', "<ein>1234</ein>", "| ein | 1234 |",
        "ein no. 1234", "ein nr 1234", "einno 1234", "EINnumber 1234", "ein_number=1234", "ein is 1234",
        "Ein # 1234", "x_ein_id: 1234",
    ],
)  # fmt: skip
def test_an_abbreviation_counts_in_any_case_where_it_names_a_field(text: str) -> None:
    assert found(rule(context=("EIN",), needs_context=True), text) == ["1234"]


@pytest.mark.parametrize(
    "text", ["ein 1234", "ein Haus, 1234", "ein: das Haus 1234", "ein notice 1234", "einnot 1234", "klein: 1234"]
)
def test_an_abbreviation_that_names_no_field_counts_in_capitals_only(text: str) -> None:
    assert found(rule(context=("EIN",), needs_context=True), text) == []


@pytest.mark.parametrize("text", ["badgeno 1234", "badgenumber: 1234", "badgenr=1234", "id cardnumber 1234"])
def test_a_word_may_have_no_glued_to_it(text: str) -> None:
    near = rule(context=("badge", "id card"), needs_context=True)
    assert found(near, text) == ["1234"]
    assert found(near, "badgenorm 1234, badgenon 1234") == []


@pytest.mark.parametrize(
    ("text", "field", "hits"),
    [
        ("1234", "", ["1234"]), (" 1234.\n", "content", ["1234"]), ("1234", "order", []), ("no 1234", "", []),
        ("1234" + " " * 80, "", []),
    ],
)  # fmt: skip
def test_an_answer_needs_no_word(text: str, field: str, hits: list[str]) -> None:
    assert found(rule(context=("badge",), needs_context=True, alone=True), text, field) == hits


def test_a_value_may_have_to_stand_apart_from_a_row() -> None:
    apart = rule(r"\d{3} \d{3}", apart=True)
    assert found(apart, "12 345 678 and 345 678, 345 678-1 345 678 9") == ["345 678", "345 678"]


@pytest.mark.parametrize(
    "around",
    ["%s 12/27 418", "%s 1227 418", "%s 5 items", "order 12 %s ok", "user=%s 200 12ms", "1 %s", "%s-1", "2026 11 %s"],
)
def test_shorter_numbers_beside_a_row_of_groups_are_no_part_of_it(around: str) -> None:
    row = rule(r"4\d{3}(?: \d{4}){3}", apart=True)
    assert found(row, around % "4111 1111 1111 1111") == ["4111 1111 1111 1111"]
    for more in ("%s 9921", "8812 %s", "%s 1427 3"):
        assert found(row, more % "4111 1111 1111 1111") == []
    uneven = rule(r"\d{3}-\d{2}-\d{4}", apart=True)
    assert found(uneven, "163-90-2024-03-02 and 7-163-90-2024 but 163-90-2024 03") == ["163-90-2024"]
    amex = rule(r"3\d{3} \d{6} \d{5}", apart=True)
    assert found(amex, "3782 822463 10005 12/27, 3782 822463 10005 12") == ["3782 822463 10005"]


def test_ignore_case_is_of_ascii_letters() -> None:
    assert found(rule(r"[A-Z]{2}\d", ignore_case=True), "ab1 AB2 Ab3") == ["ab1", "AB2", "Ab3"]


def test_a_text_is_folded_in_place() -> None:
    for text in ("ABC\tdef_g", "KİMLİK-NO", "ΑΜΚΑΣ", "Straße\u00a0X"):
        assert len(folded(text)) == len(text) == len(lowered(text))
    assert folded("KİMLİK-NO\n") == "kimlik no "


def test_one_word_is_looked_up_once() -> None:
    scan = Scan("badge badge", "")
    assert scan.places("badge") is scan.places("badge")
    assert scan.places("badge") == ((0, 5), (6, 11))


TREE: dict[str, Any] = {
    "words": {"near": ["badge", "card"]},
    "defaults": {"category": "custom", "tier": "soft"},
    "rule": [
        {"id": "a", "kind": "k", "pattern": "x", "example": "x", "context": ["@near", "own"]},
        {"id": "b", "kind": "k", "pattern": "y", "example": "y", "tier": "hard"},
    ],
}


def test_rows_have_defaults_and_lists_of_words() -> None:
    first, second = rules.rows(TREE, "x.toml")
    assert first.context == ("badge", "card", "own")
    assert (first.category, first.tier, second.tier) == ("custom", "soft", "hard")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": 7}, "rule 'b'.*kind"),
        ({"categroy": "custom"}, "rule 'b'.*categroy"),
        ({"category": "nothing"}, "rule 'b'.*category"),
        ({"context": ["@far"]}, "rule 'b'.*no list of words 'far'"),
        ({"id": "a"}, "rule 'a'.*two of that id"),
    ],
)
def test_a_wrong_row_is_named(change: dict[str, Any], message: str) -> None:
    tree = {**TREE, "rule": [TREE["rule"][0], {**TREE["rule"][1], **change}]}
    with pytest.raises(FileError, match=message) as caught:
        list(rules.rows(tree, "x.toml"))
    assert caught.value.file == "x.toml"


def test_a_row_that_is_no_table_is_named() -> None:
    with pytest.raises(FileError, match="rule 1"):
        list(rules.rows({"rule": ["x"]}, "x.toml"))


def test_a_rule_that_does_not_find_its_example_says_so_when_it_is_needed() -> None:
    book = rules.rulebook([rule(example="1234", verify="cards.payment_card")], engine="stdlib")
    with pytest.raises(InputError, match="own example"):
        rules.find(book, "1234")


def test_a_pattern_that_cannot_be_read_says_so() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        found(rule("(x"), "x")
    with pytest.raises(InputError, match="cannot be read"):
        rules.rulebook([rule("(x", untrusted=True)])


def test_no_rules_find_nothing() -> None:
    for engine in ENGINES:
        assert rules.find(rules.rulebook([], engine=engine), "SSN 536-90-4399") == []


def test_a_rulebook_is_a_detector() -> None:
    look = rules.finder(rules.rulebook([rule()]))
    assert [(hit.rule, hit.kind, hit.category, hit.tier) for hit in look("1234")] == [
        ("it", "it", "identifiers", "hard")
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("call me at 555-0142 4111", "555-0142"),
        ("my phone is (030) 12345678 5 pieces", "(030) 12345678"),
        ("phone 030 1234567 88", "030 1234567 88"),
        ("phone: 785 8949", "785 8949"),
    ],
)
def test_a_phone_number_does_not_take_the_number_behind_it(text: str, number: str) -> None:
    hits = [text[one.start : one.end] for one in rules.find(rules.rulebook(rules.load("identifiers")), text)]
    assert max(hits, key=len, default="") == number


def test_of_two_short_numbers_behind_a_word_the_first_is_its_own() -> None:
    code = rule(r"\d{3,4}", context=("cvv",), needs_context=True, window=16, around="no_second")
    assert found(code, "CVV: 417\n2025 was good") == ["417"]
    assert found(code, "417 cvv, cvv 4171") == ["417", "4171"]
