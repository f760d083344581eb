from __future__ import annotations

import base64
import json
import zlib
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
from crossover.privacy.extract import MOST, Joint, leaves, read
from crossover.privacy.fields import WORDS

SECRET = "4111-1111-1111-1111"
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def strings(request: ChatRequest | EmbedRequest) -> list[str]:
    return [text for text, _ in read(request).texts]


def said(*parts: Part) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message("user", parts),))


def from_wire(tree: dict[str, Any]) -> ChatRequest:
    return ChatRequest(model="m", messages=(), dialect="openai", tree=tree)


def naive(tree: Any) -> list[str]:
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, dict):
        return [text for key, value in tree.items() for text in (key, *naive(value))]
    if isinstance(tree, list):
        return [text for value in tree for text in naive(value)]
    if isinstance(tree, int | float) and not isinstance(tree, bool) and 10**6 <= abs(tree) < 10**100:
        return [str(int(tree))] if tree == int(tree) else []
    return []


@given(TREES)
def test_every_string_once_per_place_keys_included(tree: Any) -> None:
    assert sorted(text for text, _ in leaves(tree) if text not in WORDS) == sorted(
        text for text in naive(tree) if text not in WORDS
    )


def test_a_number_that_may_be_a_card_is_text_too() -> None:
    found = [("card", ""), ("ok", ""), ("4111111111111111", "card")]
    assert sorted(leaves({"card": 4111111111111111, "n": 3, "ok": True})) == sorted(found)
    assert leaves([4111111111111111.0, 1.5e7 + 0.5]) == [("4111111111111111", "")]


def test_a_number_of_thousands_of_digits_is_no_text_and_no_error() -> None:
    assert leaves([10**5000, -(10**9), float("nan"), float("inf")]) == [("-1000000000", "")]


def test_short_numbers_are_texts_where_somebody_asks_for_fields() -> None:
    request = from_wire({"metadata": {"case_id": 4711}, "messages": [{"content": '{"case": 12}'}]})
    assert {("4711", "case_id"), ("12", "case")} <= set(read(request, numbers=True).texts)
    assert not {"4711", "12"} & set(strings(request))


def test_no_depth_exhausts_it() -> None:
    tree: Any = SECRET
    for _ in range(100_000):
        tree = [tree]
    assert leaves(tree) == [(SECRET, "")]


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
    assert SECRET in strings(said(part))


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
    assert (SECRET, "y") in read(from_wire(tree)).texts


def test_the_model_asked_for_is_not_sent_and_not_read() -> None:
    assert "gpt-9" not in strings(from_wire({"model": "gpt-9", "messages": []}))
    assert "gpt-9" in strings(from_wire({"model": "m", "messages": [], "extra_body": {"model": "gpt-9"}}))


def test_who_asks_is_not_what_is_asked() -> None:
    request = ChatRequest(model="m", messages=(), caller=Caller(key="key-1", request_id="r-1"))
    assert not {"key-1", "r-1"} & set(strings(request))


def test_texts_to_embed_are_seen_and_token_ids_cannot_be() -> None:
    assert SECRET in strings(EmbedRequest(model="m", inputs=("a", SECRET)))
    assert read(EmbedRequest(model="m", inputs=("a", (1, 2)))).opaque == "it holds token ids"


# ------------------------------------------------------------------------------------------------------ JSON in strings

BODIES: dict[str, dict[str, Any]] = {
    "openai": {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "ARGS"}}]}]},
    "openai tool": {"messages": [{"role": "tool", "tool_call_id": "1", "content": "ARGS"}]},
    "responses": {"input": [{"type": "function_call", "name": "f", "arguments": "ARGS", "call_id": "1"}]},
    "responses output": {"input": [{"type": "function_call_output", "call_id": "1", "output": "ARGS"}]},
    "anthropic": {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "ARGS"}]}]},
    "gemini": {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": {"result": "ARGS"}}}]}]},
    "ollama": {"messages": [{"role": "tool", "content": "ARGS"}]},
}


def with_args(tree: Any, args: str) -> Any:
    return json.loads(json.dumps(tree).replace('"ARGS"', json.dumps(args)))


@pytest.mark.parametrize("dialect", BODIES)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_json_in_strings_is_read_in_every_dialect(dialect: str, depth: int) -> None:
    args = json.dumps({"customer": {"ssn": 123456789, "notes": ["a \u00e9\n4"]}})
    for _ in range(depth - 1):
        args = json.dumps({"more": args})
    texts = read(from_wire(with_args(BODIES[dialect], args))).texts
    assert ("123456789", "ssn") in texts
    assert ("a \u00e9\n4", "notes") in texts


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
def test_arguments_that_are_objects_are_read(dialect: str) -> None:
    block = {"type": "tool_use", "name": "f", "input": {"ssn": "1", "deep": [{"er": SECRET}]}}
    part = {"functionCall": {"name": "f", "args": {"deep": [{"er": SECRET}]}}}
    anthropic = {"messages": [{"role": "assistant", "content": [block]}]}
    tree = anthropic if dialect == "anthropic" else {"contents": [{"parts": [part]}]}
    assert (SECRET, "er") in read(from_wire(tree)).texts


@pytest.mark.parametrize("text", ["{not json}", "[see above] and more", '{"a": "b"} trailing', '["unfinished'])
def test_what_is_no_json_is_read_as_it_is_written(text: str) -> None:
    assert (text, "note") in leaves({"note": text})


def test_of_two_equal_keys_both_are_read() -> None:
    texts = [text for text, _ in leaves(['{"card": "4111 1111 1111 1111", "card": "x"}'])]
    assert "4111 1111 1111 1111" in texts


def test_json_deeper_than_its_limit_is_read_as_it_is_written() -> None:
    text = SECRET
    for _ in range(12):
        text = json.dumps([text])
    ((deep, _),) = leaves(text)
    assert SECRET in deep


def test_lines_of_json_are_read() -> None:
    assert ("123456789", "ssn") in leaves('{"ssn": 123456789}\n{"ssn": 2}\n')


# --------------------------------------------------------------------------------------------------------------- joints


def test_neighbouring_parts_are_put_together_where_they_meet() -> None:
    ((text, edges),) = read(said(Text("card 4111 1111"), Text(" 1111 1111, thanks"))).joints
    assert (text, edges) == ("card 4111 1111 1111 1111, thanks", (14,))


def test_of_long_parts_only_the_ends_are_put_together() -> None:
    ((text, edges),) = read(said(Text("x" * 5000), Text("y" * 5000))).joints
    assert len(text) < 600
    assert text[edges[0] - 1 : edges[0] + 1] == "xy"


def test_many_parts_stay_many_joints() -> None:
    joints = read(said(*(Text("ab" * 60) for _ in range(1000)))).joints
    assert all(len(joint.text) < 9000 for joint in joints)
    assert sum(len(joint.edges) for joint in joints) == 999


@pytest.mark.parametrize(
    "tree",
    [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]},
        {"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"contents": [{"parts": [{"text": "a"}, {"text": "b"}]}]},
        {"input": [{"content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]}]},
    ],
)
def test_joints_of_every_dialect(tree: dict[str, Any]) -> None:
    assert read(from_wire(tree)).joints == [Joint("ab", (1,))]


# ------------------------------------------------------------------------------------------------- what nobody can read


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8).decode()
PAPER = b"%PDF-1.4\n" + b"7 0 obj\n<< /Type /Page /Parent 1 0 R >>\nendobj\n" * 200
LETTER = base64.b64encode(b"Dear Ms Keller, your card 4111 1111 1111 1111 was charged. " * 20).decode()


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (Media("image", url="https://example.com/a.png"), "it holds an image"),
        (Media("audio", data="UklGRgAAAABXQVZF"), "it holds an audio"),
        (Media("file", data=PNG, name="a.pdf"), "it holds a file"),
        (Media("file", data=b64(PAPER + zlib.compress(bytes(5000)))), "it holds a file"),  # words first
        (Media("file", data=b64(PAPER)), "it holds a file"),  # letters only, each in its place on a page
        (Media("file", data=b64("Müller, Käse\n".encode("latin-1") * 99)), "it holds a file"),
        (Media("image", data=LETTER), "it holds an image"),
        (Media("audio", url="data:audio/wav;base64," + LETTER), "it holds an audio"),
        (Text(b64(PAPER + zlib.compress(bytes(5000)))), "it holds encoded data that is no text"),
        (Text(PNG * 2000), "it holds encoded data that is no text"),
        (Unknown("odd_part", {}), "it holds a part of an unknown kind (odd_part)"),
        (Unknown("Mia Keller 4111", {}), "it holds a part of an unknown kind"),
        (ToolResult("1", (Text("see"), Media("image", data=PNG))), "it holds an image"),
        (Text(PNG), "it holds encoded data that is no text"),
        (Text("data:application/pdf;base64," + PNG), "it holds encoded data that is no text"),
        (ToolCall("1", "save", json.dumps({"file": PNG})), "it holds encoded data that is no text"),
    ],
)
def test_what_cannot_be_read_is_said(part: Part, why: str) -> None:
    assert read(said(part)).opaque == why


@pytest.mark.parametrize(
    "part",
    [
        Text("hello"),
        Text("data:text/plain;base64," + LETTER),
        Text(LETTER),
        Text("See <img src='data:image/png;base64," + PNG + "'> in this page"),
        Text("\n".join(f"Customer{n}" for n in range(200))),
        Text("-" * 2000),
        Text("0123456789abcdef" * 100),
        Media("file", data=LETTER, mime="text/plain"),
        Media("file", url="data:text/plain;base64," + LETTER),
        Media("file", data=b64("\ufeffnom\u00a0: Zoë\n".encode() * 99)),
        Media("file", data=b64("Omega\r\n".encode("utf-16-le") * 99)),
        Text(base64.encodebytes(LETTER.encode()).decode() + "\nSo much for the letter"),
        Thinking("so", signature=PNG),
        Thinking(redacted=PNG),
        ToolCall("1", "look", "{}", signature=PNG),
        Refused("no"),
    ],
)
def test_what_can_be_read_or_was_sealed_by_a_provider_is_not_opaque(part: Part) -> None:
    assert read(said(part)).opaque == ""


def test_a_text_beyond_every_limit_is_left_to_the_detector_which_refuses_it() -> None:
    for text in ("word " * (MOST // 5 + 1), '["' + "word " * (MOST // 5 + 1) + '"]'):
        assert read(said(Text(text))).texts[-1] == (text, "text")


def test_no_words_hide_behind_what_nobody_can_read() -> None:
    data = PNG + PNG[:3000]
    behind = f"{data} my card is 4111 1111 1111 1111"
    for one, other in ((Thinking("so", signature=data), Thinking("so", signature=behind)), (Text(data), Text(behind))):
        assert data not in strings(said(one))
        assert behind in strings(said(other))
        assert bool(read(said(other)).opaque) == isinstance(other, Text)


def test_text_in_a_file_is_read() -> None:
    assert LETTER in strings(said(Media("file", data=LETTER, mime="text/plain")))


@pytest.mark.parametrize("value", [{1: b"abc"}, {1, 2}, object()])
def test_what_no_wire_gives_is_no_error(value: Any) -> None:
    assert isinstance(read(from_wire({"extra": value})).opaque, str)


# ------------------------------------------------------------------------------------------------------------ bad input


def test_ten_thousand_messages_are_read() -> None:
    tree = {"messages": [{"role": "user", "content": f"message {n}"} for n in range(10_000)]}
    assert len(read(from_wire(tree)).texts) == 10_000


def test_lone_surrogates_and_binary_are_no_error() -> None:
    odd = "\ud800 \udfff \x00\x01\ufffd"
    assert (odd, "content") in read(from_wire({"messages": [{"role": "user", "content": odd}]})).texts


def test_deep_arguments_are_no_error() -> None:
    text = "[" * 200_000 + '"4111"' + "]" * 200_000
    assert ("4111", "arguments") in leaves({"arguments": text})


@pytest.mark.parametrize(
    "body",
    [
        {"a": ["4556", "7375", "8689", "9855"]},
        {"a": [4556, 7375, 8689, 9855]},
        {"a": list("4556737586899855")},
        {"arguments": '{"parts": ["4556", "7375", "8689", "9855"], "n": [1, 2, 3]}'},
    ],
)
def test_a_number_in_pieces_in_a_list_is_put_together(body: dict[str, Any]) -> None:
    assert [joint.text for joint in read(from_wire(body)).joints] == ["4556737586899855"]


@pytest.mark.parametrize("row", [[1, 2, 3], ["4556"], [45567375, "x", 86899855], [10**60, 1], list("455673") * 9])
def test_other_lists_are_none(row: list[Any]) -> None:
    assert read(from_wire({"a": row})).joints == []


def test_a_key_that_is_json_is_read_as_such() -> None:
    texts = strings(from_wire({json.dumps({"card": "4556", "in": json.dumps({"é": "ü"})}): 1}))
    assert texts == ["card", "4556", "in", "é", "ü"]


@pytest.mark.parametrize("how", [("latin-1", "strict"), ("utf-8", "replace"), ("utf-8", "surrogateescape")])
def test_bytes_that_were_never_text_are_said(how: tuple[str, str]) -> None:
    data = b"".join(zlib.crc32(bytes([at % 251, at // 251])).to_bytes(4, "big") for at in range(1250))
    answer = read(from_wire({"content": data.decode(*how)}))
    assert answer.opaque == "it holds binary data"
    assert read(from_wire({"content": "\x1b[31mÜberlauf\x1b[0m \ufffd " * 60})).opaque == ""
