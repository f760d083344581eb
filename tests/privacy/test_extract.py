from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.chat import (
    Caller,
    ChatRequest,
    EmbedRequest,
    Media,
    Message,
    OutputFormat,
    Part,
    Refused,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Unknown,
)
from crossover.privacy.extract import leaves, strings

SECRET = "4111-1111-1111-1111"
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def naive(tree: Any) -> list[str]:
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, dict):
        return [text for key, value in tree.items() for text in (key, *naive(value))]
    if isinstance(tree, list):
        return [text for value in tree for text in naive(value)]
    if isinstance(tree, int) and not isinstance(tree, bool) and abs(tree) >= 10**6:
        return [str(tree)]
    return []


@given(TREES)
def test_every_string_once_per_place_keys_included(tree: Any) -> None:
    assert sorted(leaves(tree)) == sorted(naive(tree))


def test_a_number_that_may_be_a_card_is_text_too() -> None:
    assert list(leaves({"card": 4111111111111111, "n": 3, "ok": True})) == ["card", "n", "ok", "4111111111111111"]


def test_a_number_of_thousands_of_digits_is_no_text_and_no_error() -> None:
    assert list(leaves([10**5000, -(10**9)])) == ["-1000000000"]


def test_no_depth_exhausts_it() -> None:
    tree: Any = SECRET
    for _ in range(100_000):
        tree = [tree]
    assert list(leaves(tree)) == [SECRET]


@pytest.mark.parametrize(
    "part",
    [
        Text(SECRET),
        Media("image", url=SECRET),
        Media("file", data="", name=SECRET),
        Thinking(SECRET),
        Thinking(redacted=SECRET),
        ToolCall("1", "look", SECRET),
        ToolCall(SECRET, "look"),
        ToolResult("1", (Text(SECRET),)),
        ToolResult("1", (ToolResult("2", (Text(SECRET),)),)),
        Refused(SECRET),
        Unknown("odd", {"deep": [{"er": SECRET}]}),
    ],
)
def test_every_kind_of_part_is_seen(part: Part) -> None:
    assert SECRET in strings(ChatRequest(model="m", messages=(Message("user", (part,)),)))


@pytest.mark.parametrize(
    "more",
    [
        {"tools": (Tool(name="look", description=SECRET),)},
        {"tools": (Tool(name="look", parameters={"properties": {SECRET: {}}}),)},
        {"output": OutputFormat(kind="schema", schema={"enum": [SECRET]})},
        {"metadata": {"note": SECRET}},
        {"metadata": {SECRET: "note"}},
        {"user": SECRET},
        {"stop": (SECRET,)},
        {"extra": {"anything": [SECRET]}},
    ],
)
def test_every_field_is_seen(more: dict[str, Any]) -> None:
    assert SECRET in strings(ChatRequest(model="m", messages=(), **more))


def test_a_name_on_a_message_is_seen() -> None:
    assert SECRET in strings(ChatRequest(model="m", messages=(Message("user", (), name=SECRET),)))


def test_of_a_request_from_a_wire_the_body_as_it_came_is_seen() -> None:
    tree = json.loads(json.dumps({"model": "m", "messages": [], "unheard_of": {"x": [{"y": SECRET}]}}))
    assert SECRET in strings(ChatRequest(model="m", messages=(), dialect="openai", tree=tree))


def test_who_asks_is_not_what_is_asked() -> None:
    request = ChatRequest(model="m", messages=(), caller=Caller(key="key-1", request_id="r-1"))
    assert not {"key-1", "r-1"} & set(strings(request))


def test_texts_to_embed_are_seen() -> None:
    assert SECRET in strings(EmbedRequest(model="m", inputs=("a", SECRET, (1, 2))))
