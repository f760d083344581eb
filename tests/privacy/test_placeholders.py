from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.chat import Caller, ChatRequest, EmbedRequest, Message, Text
from crossover.privacy.needles import Needles, merged
from crossover.privacy.placeholders import (
    FORM,
    SIZE,
    STEM,
    Mint,
    Placeholder,
    conversation,
    is_placeholder,
    removed,
    type_of,
    without,
)

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("person", "PERSON"),
        ("date_of_birth", "DATEOFBIRTH"),
        ("medical-record number", "MEDICALRECOR"),
        ("Geburtsjahr (ä)", "GEBURTSJAHRA"),
        ("2fa code", "FACODE"),
        ("顧客番号", "VALUE"),
        ("x", "VALUE"),
        ("", "VALUE"),
    ],
)
def test_a_type_is_short_and_plain(kind: str, name: str) -> None:
    assert type_of(kind) == name


@given(st.text(min_size=1), st.text())
def test_a_placeholder_is_read_as_one(value: str, kind: str) -> None:
    one = Mint(KEY, ()).issue(kind, value)
    assert re.fullmatch(rf"[A-Z][A-Z0-9]{{1,11}}_[{STEM}]{{{SIZE - 1}}}[{FORM}]", one.bare)
    assert is_placeholder(one.bare)
    assert is_placeholder(one.bracketed)
    assert is_placeholder(removed(kind, value).bracketed)
    assert one == Mint(KEY, ("other",)).issue(kind, value)
    assert without(f"a{one.bracketed}b", "|") == "a|b"


def test_codes_of_one_request_are_all_different_and_none_is_said_in_it() -> None:
    first = Mint(KEY, ())
    codes = [first.issue("person", f"p{number}").code for number in range(3000)]
    assert len(set(codes)) == 3000
    second = Mint(KEY, [f"x {codes[0].lower()} y"])
    assert second.issue("person", "p0").code != codes[0]


def test_a_value_that_is_no_text_of_unicode_has_a_placeholder() -> None:
    assert Mint(KEY, ()).issue("person", "a\ud800b").code


def chat(text: str, key: str = "k", role: str = "user") -> ChatRequest:
    message = Message(role, (Text(text),))  # type: ignore[arg-type]
    return ChatRequest(model="m", messages=(message,), caller=Caller(key=key))


def test_a_conversation_is_who_asks_and_how_it_began() -> None:
    assert conversation(chat("a"), KEY) == conversation(chat("a"), KEY)
    assert (
        len({conversation(one, KEY) for one in (chat("a"), chat("b"), chat("a", "l"), chat("a", role="system"))}) == 4
    )
    texts = [EmbedRequest(model="m", inputs=(text,), caller=Caller(key="k")) for text in "ab"]
    assert conversation(texts[0], KEY) == conversation(texts[1], KEY) != conversation(chat(""), KEY)


def test_nothing_shows_a_value() -> None:
    assert repr(Placeholder("PERSON", "7KQX3", "Anna")) == "Placeholder(PERSON_7KQX3)"


# ------------------------------------------------------------------------------------------------------------- needles


def found(text: str, *values: str) -> list[str]:
    return sorted(text[start:end] for start, end in Needles(values).find(text))


@pytest.mark.parametrize(
    ("text", "value", "counts"),
    [
        ("Anna, (Anna) Anna_1 Anna's", "Anna", 4),
        ("Annapolis Joanna Anna1", "Anna", 0),
        ("Anna Schmidts", "Anna Schmidt", 1),
        ("Alexanderplatz", "Alexander", 1),
        ("x123456789y", "123456789", 1),
        ("12345678901", "4567", 0),
        ("我叫王小明。", "王小明", 1),
        ("김철수는", "김철수", 1),
        ("anna", "Anna", 0),
        ("aaaa-aaaa", "aaaa-aaaa", 1),
        ("", "Anna", 0),
        ("Anna", "", 0),
    ],
)
def test_where_a_value_counts(text: str, value: str, counts: int) -> None:
    assert len(found(text, value)) == counts


@given(st.lists(st.text("abc1 ", min_size=1, max_size=6), min_size=50, max_size=80, unique=True), st.text("abc1 "))
def test_many_values_are_found_like_few(values: list[str], text: str) -> None:
    each = sorted(span for value in values for span in Needles([value]).find(text))
    assert sorted(Needles(values).find(text)) == each


def test_spans_that_overlap_are_one() -> None:
    assert merged([(5, 9), (0, 3), (3, 4), (8, 12), (20, 21)]) == [(0, 3), (3, 4), (5, 12), (20, 21)]
