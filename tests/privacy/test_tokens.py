"""Words are cut by bytes of the same length, looked up by hash, and gated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.privacy import tokens
from crossover.privacy.tokens import CANDIDATE, CUE, NAMER, QUIET, SHOUTED, STRANGE, STREET


@given(st.text())
def test_a_blanked_text_keeps_the_place_of_every_word(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    flat = tokens.blank(raw)
    assert len(flat) == len(raw)
    at = 0
    for word in flat.split():
        at = flat.index(word, at)
        assert raw[at : at + len(word)] == word
        at += len(word)


def test_typographic_marks_and_emoji_belong_to_no_word() -> None:
    assert tokens.blank("“Zoë’s”—plan😂x".encode()).split() == ["Zoë".encode(), b"s", b"plan", b"x"]


def test_a_table_knows_its_words_and_no_others() -> None:
    table = tokens.words_of({b"ann": tokens.GIVEN, b"paris": tokens.PLACE | tokens.GIVEN})
    assert table.known(b"ann") == tokens.GIVEN
    assert table.known(b"paris") == tokens.PLACE | tokens.GIVEN
    assert table.known(b"nobody") == 0
    assert tokens.words_of({}).known(b"ann") == 0


TABLE = tokens.words_of(
    {
        b"ann": tokens.GIVEN,
        b"mark": tokens.GIVEN | tokens.WORD | tokens.COMMON,
        b"report": tokens.WORD | tokens.COMMON,
        b"docker": tokens.NEVER,
        b"lyon": tokens.PLACE,
    }
)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Ann", CANDIDATE),
        ("ann", CANDIDATE),
        ("ANN", CANDIDATE),
        ("Zorblax", CANDIDATE),
        ("zorblax", STRANGE),
        ("ZORBLAX", SHOUTED | STRANGE),
        ("ZRB", SHOUTED),
        ("Mark", CANDIDATE),
        ("mark", QUIET),
        ("Report", 0),
        ("report", 0),
        ("REPORT", 0),
        ("Docker", 0),
        ("lyon", 0),
        ("McCann", CANDIDATE),
        ("openFile", 0),
        ("HTTPServer2", 0),
        ("MAX_PATH", 0),
        ("A", 0),
        ("2024", 0),
        ("Mr", CANDIDATE | CUE | NAMER),
        ("Street", CANDIDATE | STREET),
        ("x" * 60, 0),
    ],
)
def test_the_gate(word: str, kind: int) -> None:
    assert tokens.gate(word.encode(), TABLE) == kind


@pytest.mark.parametrize(
    ("gap", "found"),
    [
        (" ", tokens.SPACE), (", ", tokens.COMMA), (". ", tokens.POINT), (".", tokens.TIGHT), ("\n", tokens.LINE),
        ("\n\n", tokens.BLANK_LINE), (",\n", tokens.COMMA_LINE), ("-", tokens.HYPHEN), ("'", tokens.APOSTROPHE),
        ("’", tokens.APOSTROPHE), ("/", tokens.SLASH), (" #", tokens.HASH),
    ],
)  # fmt: skip
def test_what_stands_between_words(gap: str, found: int) -> None:
    assert tokens.gap_class(gap.encode()) == found


@given(st.binary())
def test_every_gap_and_word_has_a_class_within_bounds(raw: bytes) -> None:
    assert 0 <= tokens.gap_class(raw) < tokens.GAPS
    for word in tokens.blank(raw).split():
        assert 0 <= tokens.shape(word) < 32
        assert all(0 <= row < tokens.ROWS for row in tokens.features(word, TABLE))


def test_a_name_made_to_look_unknown_loses_what_is_known_of_it() -> None:
    known, blind = (set(tokens.features(b"Ann", TABLE, blind=blind)) for blind in (False, True))
    assert tokens.BUCKETS + tokens.GIVEN in known
    assert tokens.BUCKETS in blind
    assert tokens.BUCKETS + tokens.GIVEN not in blind
