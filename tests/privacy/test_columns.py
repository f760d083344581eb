"""Which cells of a table stand below a word."""

from __future__ import annotations

import pytest

from crossover.privacy.columns import column


def below(text: str, word: str = "key") -> list[str]:
    start = text.index(word)
    return [text[first:last] for first, last in column(text, start, start + len(word))]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("a,key,b\n1,2,3\n4,5,6\n", ["2", "5"]),
        ("a;b;the key no\n1;2;3\n\n4;5;6", ["3"]),
        ("key\tb\n1\t2\n3\t4", ["1", "3"]),
        ("| a | key |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |\n", [" 2 ", " 4 "]),
        ('a,"b, c",key\n"x, y",2,3\n4,5,"6, 7"', ["3", '"6, 7"']),
        ("text before\na,key,b\n1,2,3\ntext behind", ["2"]),
        ("a,b\nkey,c,d\n1,2,3", ["1"]),
        ("the key, it is\nin the house, yes", []),
        ("a key\n1 2", []),
        ("a,key1,b\n1,2,3", []),
        ("a,key,b", []),
        ("a,key,b\n1,2", []),
        ("x,a very long heading that goes on and on about the key,b\n1,2,3", []),
        ("", []),
    ],
)
def test_a_word_at_the_head_of_a_column_stands_for_its_cells(text: str, cells: list[str]) -> None:
    assert below(text if "key" in text else "key") == cells


def test_a_long_table_is_read_to_some_length() -> None:
    assert len(below("a,key,b\n" + "1,2,3\n" * 9_000)) == 2_000
    assert below("a," * 2_000 + "key,b\n" + "1," * 2_000 + "2,3") == []
