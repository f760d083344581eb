from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.privacy import jsontext
from crossover.privacy.jsontext import depth, escape, needs_escapes, places, tokens

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, min_size=1) | st.dictionaries(st.text(), inner, min_size=1),
    max_leaves=20,
)


def strings(tree: Any) -> list[str]:
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, dict):
        return [text for key, value in tree.items() for text in (key, *strings(value))]
    return [text for value in tree for text in strings(value)] if isinstance(tree, list) else []


@given(TREES, st.booleans(), st.sampled_from([None, 2]))
def test_every_string_and_key_is_read_where_it_stands(tree: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps({"root": tree}, ensure_ascii=ascii_only, indent=indent)
    found = tokens(text)
    assert found is not None
    assert [one.text for one in found if one.kind != "number"] == ["root", *strings(tree)]
    for one in found:
        at = places(text, one)
        assert (at[0], at[-1], len(at)) == (one.start, one.end, len(one.text) + 1)
        written = [text[start:end] for start, end in pairwise(at)]
        said = "".join(written) if one.kind == "number" else "".join(json.loads(f'"{unit}"') for unit in written)
        assert said == one.text


def test_strings_stand_under_the_name_of_their_field() -> None:
    found = tokens('{"a": {"b": ["x", {"c": 1}, "y"]}, "d": "z"}', "outer")
    assert found is not None
    assert [(one.text, one.field) for one in found if one.kind != "key"] == [
        ("x", "b"), ("1", "c"), ("y", "b"), ("z", "d")
    ]  # fmt: skip
    assert [one.field for one in tokens('["x"]', "outer") or ()] == ["outer"]


@pytest.mark.parametrize(
    "text",
    ["x", "Hello", "[see below]", '"Hello" she said', "{x: 1}", "[1]", "[1, 2]", '{"a": tru}', '{"a": "x', "[truey]"],
)  # fmt: skip
def test_other_text_is_no_json(text: str) -> None:
    assert tokens(text) is None


@pytest.mark.parametrize("card", ["4111 1111 1111 1111", "4111\n1111\t1111  1111"])
@pytest.mark.parametrize("text", ['"Anna" %s', '{"a": "x"}\n%s', '["x"] %s', '{"a": %s}', '{"a": 1, "b": "x"} %s'])
def test_a_value_in_groups_of_digits_is_no_row_of_numbers(text: str, card: str) -> None:
    assert tokens(text % card) is None


@pytest.mark.parametrize("text", ['{"a": "x"}\n{"b": "x"}', ' ["x",\t', '"x"', '{"a": ["x"', '["x", 1e5, -2.5, null]'])
def test_json_lines_and_json_without_its_end_count(text: str) -> None:
    assert "x" in [one.text for one in tokens(text) or ()]


def test_an_escape_that_is_none_is_read_as_it_is_written() -> None:
    assert [one.text for one in tokens(r'["a\qb"]') or ()] == [r"a\qb"]


def test_depth_of_nesting_and_length_cost_no_recursion() -> None:
    text = "[" * 50_000 + '"x"' + "]" * 50_000
    assert [one.text for one in tokens(text) or ()] == ["x"]
    assert tokens('["' + "\\" * 100_001) is None


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        ("", 0),
        ('{"a": ', 0),
        ("plain", 0),
        ('"', 1),
        ('{"', 1),
        ('{"a": "x', 1),
        ('{"a": 1, "b": ["x", {"c": null}, "', 1),
        (r'{"a": "{\"b\": \"', 2),
        (r'{"a": "{\"b\": 1, \"', 2),
        (r'{"a": "{\"b\": \"[\\\"x\\\", \\\"', 3),
        (r'{"a": "[see \"', 1),  # begins like JSON and is none
        (r'{"a": "[1] \"', 1),
        (r'{"a": "{0\"', 1),
        (r'{"a": "[\"x\" \"', 1),
        (r'{"a": "[} \"', 1),
        ('[1] "', 0),
    ],
)
def test_how_deep_the_end_of_a_text_stands(text: str, deep: int) -> None:
    assert depth(text) == deep


@given(st.text(), st.integers(0, 3))
def test_what_is_escaped_is_read_again(text: str, times: int) -> None:
    said = escape(text, times)
    for _ in range(times):
        said = json.loads(f'"{said}"')
    assert said == text
    assert needs_escapes(text) or escape(text) == text


def test_the_gap_pattern_is_not_exponential() -> None:
    assert jsontext.tokens('["a"' + " ," * 100_000 + "x") is None
