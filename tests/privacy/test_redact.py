from __future__ import annotations

import json
from typing import Any

import msgspec
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
    ToolChoice,
    ToolResult,
    Unknown,
)
from crossover.errors import DetectionError, InputError
from crossover.privacy import jsontext
from crossover.privacy import redact as redaction
from crossover.privacy.extract import read as read_again
from crossover.privacy.redact import Redacted, leftover, redact
from crossover.privacy.words import Find, Finding
from crossover.wire import anthropic, gemini, ollama, openai, responses
from tests.privacy.redact_parts import BARE_CARD, CARD, KEY, KINDS, MAIL, NAME, SECRET, chosen, finding, finds

FIND = finds()


def done(request: ChatRequest | EmbedRequest, find: Find = FIND) -> Redacted:
    return redact(request, find, chosen, SECRET)


def asked(*parts: Part, role: Any = "user", **more: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message(role, parts),), **more)


def said(request: Any) -> str:
    """All that a request says, as one text."""
    words = {name: getattr(request, name) for name in request.__struct_fields__ if name != "caller"}
    return json.dumps(msgspec.to_builtins(words), ensure_ascii=False)


def code(of: str, redacted: Redacted) -> str:
    """The placeholder of a value, without brackets."""
    assert redacted.restorer is not None
    found = [one for one in redacted.restorer.spellings if one.value == of]
    assert len(found) == 1
    return found[0].bare


# ------------------------------------------------------------------------------------------------------------- places


def test_a_text_holds_placeholders_and_a_secret_is_gone_for_good() -> None:
    redacted = done(asked(Text(f"I am {NAME}, {MAIL}; card {CARD}, key {KEY}.")))
    text = redacted.request.messages[0].text
    name, mail, card = (code(value, redacted) for value in (NAME, MAIL, CARD))
    assert text == f"I am [{name}], [{mail}]; card [{card}], key [APIKEY_REMOVED]."
    assert [word.partition("_")[0] for word in (name, mail, card)] == ["PERSON", "EMAIL", "CARD"]
    assert (redacted.count, redacted.left) == (4, ())
    assert redacted.restorer is not None
    assert redacted.restorer.text(text) == f"I am {NAME}, {MAIL}; card {CARD}, key [APIKEY_REMOVED]."


def test_a_request_without_findings_is_the_very_same() -> None:
    request = asked(Text("Hello"))
    redacted = done(request)
    assert redacted.request is request
    assert (redacted.restorer, redacted.count, redacted.values) == (None, 0, frozenset())


def test_what_is_kept_by_policy_stays() -> None:
    request = asked(Text(f"{NAME} {MAIL}"))
    redacted = redact(request, FIND, lambda one: "keep" if one.kind == "person" else "placeholder", SECRET)
    assert redacted.request.messages[0].text.startswith(f"{NAME} [EMAIL_")


@pytest.mark.parametrize(
    "part",
    [
        Text(NAME),
        Thinking(NAME, signature="c2lnbmVk"),
        Refused(NAME),
        ToolCall("1", "look", json.dumps({"who": NAME})),
        ToolCall("1", "look", f"not JSON, {NAME}"),
        ToolResult("1", (Text(NAME),)),
        ToolResult("1", (Text(json.dumps([{"rows": json.dumps({NAME: 1})}])),)),
        ToolResult("1", (ToolResult("2", (Text(NAME),)),)),
        Unknown("odd", {"deep": [{"er": NAME}]}),
        Media("file", data="aGk=", name=MAIL),
    ],
)
def test_every_kind_of_part_is_redacted(part: Part) -> None:
    redacted = done(asked(part))
    assert NAME not in said(redacted.request)
    assert MAIL not in said(redacted.request)
    assert (redacted.count, redacted.left) == (1, ())


@pytest.mark.parametrize(
    "more",
    [
        {"tools": (Tool(name="look", description=NAME),)},
        {"tools": (Tool(name="look", parameters={"properties": {"who": {"enum": [NAME]}}}),)},
        {"tools": (Tool(name="look", parameters={"properties": {NAME: {"type": "string"}}}),)},
        {"output": OutputFormat(kind="schema", schema={"const": NAME})},
        {"metadata": {"note": NAME}},
        {"metadata": {NAME: "note"}},
        {"user": NAME},
        {"stop": (NAME,)},
        {"extra": {"anything": [NAME]}},
    ],
)
def test_every_field_is_redacted(more: dict[str, Any]) -> None:
    redacted = done(ChatRequest(model="m", messages=(), **more))
    assert NAME not in said(redacted.request)
    assert (redacted.count, redacted.left) == (1, ())


def test_a_value_found_once_is_replaced_wherever_it_stands() -> None:
    def find(text: str, field: str = "") -> list[Finding]:
        return [finding(8, 20)] if text.startswith("My name") else []

    request = ChatRequest(
        model="m",
        messages=(
            Message("user", (Text(f"My name {NAME} is."),)),
            Message("assistant", (ToolCall("1", "look", json.dumps({"who": [NAME], NAME: 1})),)),
            Message("tool", (ToolResult("1", (Text(f"{NAME}s Konto, {NAME}"),)),)),
        ),
    )
    redacted = done(request, find)
    name = code(NAME, redacted)
    assert redacted.request.messages[0].text == f"My name [{name}] is."
    assert redacted.request.messages[1].parts[0].arguments == f'{{"who": ["[{name}]"], "{name}": 1}}'
    assert redacted.request.messages[2].parts[0].parts[0].text == f"[{name}]s Konto, [{name}]"


def test_a_short_word_is_replaced_as_a_word_only() -> None:
    find = finds({"Anna": KINDS[NAME]})

    def first(text: str, field: str = "") -> list[Finding]:
        return [one for one in find(text) if one.start == 0][:1]

    redacted = done(asked(Text("Anna lives in Annapolis (Anna_1, ANNA)")), first)
    name = code("Anna", redacted)
    assert redacted.request.messages[0].text == f"[{name}] lives in Annapolis ([{name}]_1, ANNA)"


def test_a_short_word_beside_a_placeholder_is_a_word() -> None:
    find = finds({CARD: KINDS[CARD], "Anna": KINDS[NAME], "Bo": KINDS[NAME]})

    def alone(text: str, field: str = "") -> list[Finding]:
        return [one for one in find(text) if text in ("Anna", "Bo") or one.kind == "card"]

    redacted = done(asked(Text("Anna"), Text("Bo"), Text(f"{CARD}Anna{CARD} AnnaBo")), alone)
    card, name = code(CARD, redacted), code("Anna", redacted)
    assert redacted.request.messages[0].parts[2].text == f"[{card}][{name}][{card}] AnnaBo"


def test_findings_that_overlap_are_replaced_as_one() -> None:
    text = "at Anna Schmidt Street 5 now"

    def find(text: str, field: str = "") -> list[Finding]:
        return [finding(3, 15), finding(8, 24, "address")] if text.startswith("at") else []

    redacted = done(asked(Text(text)), find)
    new = redacted.request.messages[0].text
    assert new.startswith("at [")
    assert new.endswith("] now")
    assert redacted.count == 1
    assert redacted.restorer is not None
    assert redacted.restorer.text(new) == text


def test_a_secret_inside_a_larger_finding_takes_it_along_for_good() -> None:
    values = {f"{NAME} {KEY}": KINDS[NAME], KEY: KINDS[KEY]}
    redacted = done(asked(Text(f"x {NAME} {KEY} y")), finds(values))
    assert redacted.request.messages[0].text == "x [PERSON_REMOVED] y"
    assert redacted.restorer is None


def test_white_space_around_a_finding_stays() -> None:
    redacted = done(asked(Text(f"a\n{NAME} \nb")), lambda text, field="": [finding(1, 15)])
    assert redacted.request.messages[0].text == f"a\n[{code(NAME, redacted)}] \nb"


# ----------------------------------------------------------------------------------------------------- JSON in strings


def test_in_json_inside_strings_everything_else_keeps_its_bytes() -> None:
    arguments = f'{{ "to" : "{MAIL}",\n\t"note":"a \\"b\\" \\u00fc {NAME}\\/" , "n": 1.50e+3, "l":[true,null ] }}'
    redacted = done(asked(ToolCall("1", "look", arguments)))
    new = redacted.request.messages[0].parts[0].arguments
    assert new == arguments.replace(MAIL, f"[{code(MAIL, redacted)}]").replace(NAME, f"[{code(NAME, redacted)}]")


@pytest.mark.parametrize("levels", [1, 2, 3, 5])
def test_json_in_json_in_json(levels: int) -> None:
    name = 'Ann "Q" Müller\\x'
    find = finds({name: KINDS[NAME]})
    text = json.dumps({"who": name, "n": 1}, ensure_ascii=levels % 2 == 0)
    for _ in range(levels - 1):
        text = json.dumps({"in": text})
    redacted = done(asked(ToolResult("1", (Text(text),))), find)
    new = redacted.request.messages[0].parts[0].parts[0].text
    for _ in range(levels - 1):
        new = json.loads(new)["in"]
    assert json.loads(new) == {"who": f"[{code(name, redacted)}]", "n": 1}


def test_json_lines_and_broken_json_are_redacted_too() -> None:
    redacted = done(asked(Text(f'{{"a": "{NAME}"}}\n{{"b": "{MAIL}"}}'), Text(f'{{"a": "{NAME}", ')))
    assert redacted.left == ()
    name, mail = code(NAME, redacted), code(MAIL, redacted)
    parts = redacted.request.messages[0].parts
    assert parts[0].text == f'{{"a": "[{name}]"}}\n{{"b": "[{mail}]"}}'
    assert parts[1].text == f'{{"a": "[{name}]", '


def test_a_number_in_free_json_becomes_a_string() -> None:
    tree = {"model": "m", "messages": [{"role": "user", "content": "x"}], "metadata": {"card": int(BARE_CARD)}}
    request = openai.read_request(tree)
    redacted = done(request)
    card = f"[{code(BARE_CARD, redacted)}]"
    assert redacted.request.tree["metadata"] == redacted.request.metadata == {"card": card}
    redacted = done(asked(ToolCall("1", "pay", f'{{"card": {BARE_CARD} }}')))
    assert redacted.request.messages[0].parts[0].arguments == f'{{"card": "{card}" }}'.replace(
        card, f"[{code(BARE_CARD, redacted)}]"
    )


def test_a_number_inside_json_in_json_becomes_a_string() -> None:
    redacted = done(asked(ToolCall("1", "pay", json.dumps({"body": json.dumps({"card": int(BARE_CARD)})}))))
    body = json.loads(redacted.request.messages[0].parts[0].arguments)["body"]
    assert json.loads(body) == {"card": f"[{code(BARE_CARD, redacted)}]"}


@pytest.mark.parametrize("number", [1234, 4111111111111111.0, -int(BARE_CARD)])
def test_whatever_number_was_found_is_replaced(number: float) -> None:
    find = finds({str(abs(int(number))): KINDS[CARD]})
    redacted = done(ChatRequest(model="m", messages=(), metadata={"pin": number, "ratio": 0.5}), find)
    assert redacted.request.metadata["pin"].lstrip("-").startswith("[CARD_")
    assert redacted.request.metadata["ratio"] == 0.5
    redacted = done(asked(ToolCall("1", "pay", json.dumps({"pin": number}))), find)
    assert str(abs(int(number))) not in said(redacted.request)


def test_the_name_of_the_model_is_not_looked_at_for_another_is_sent() -> None:
    tree = {"model": MAIL, "messages": [{"role": "user", "content": f"{MAIL}"}]}
    redacted = done(openai.read_request(tree))
    assert (redacted.left, redacted.count) == ((), 1)
    assert redacted.request.model == redacted.request.tree["model"] == MAIL


def test_json_nested_too_deep_to_be_read_as_such_is_text() -> None:
    text = f"I am {NAME}"
    for _ in range(12):
        text = json.dumps([text])
    redacted = done(asked(Text(text)))
    assert redacted.left == ()
    new = redacted.request.messages[0].text
    for _ in range(12):
        new = json.loads(new)[0]
    assert new == f"I am [{code(NAME, redacted)}]"


def test_depth_costs_nothing() -> None:
    tree: Any = NAME
    for _ in range(20_000):
        tree = [tree]
    text = "[" * 20_000 + f'"{NAME}"' + "]" * 20_000
    request = ChatRequest(
        model="m",
        messages=(),
        dialect="openai",
        tree={"model": "m", "messages": [{"role": "user", "content": text}]},
    )
    assert done(request).count == 1
    root, slots = redaction._copied(tree, "", "text")
    assert [slot.text for slot in slots] == [NAME]
    while isinstance(root, list):
        root = root[0]
    assert root == NAME


def test_words_nested_beyond_every_limit_are_an_error_and_not_a_crash() -> None:
    part: Part = Text(NAME)
    for _ in range(20_000):
        part = ToolResult("1", (part,))
    with pytest.raises(DetectionError, match="nested too deep"):
        done(asked(part))
    while isinstance(part, ToolResult):  # taken apart by hand: its own destructor would recurse
        part = part.parts[0]


def test_half_a_surrogate_pair_is_an_error_and_not_a_crash() -> None:
    with pytest.raises(DetectionError, match="not valid Unicode"):
        done(asked(Text(f"{NAME} \ud800")))


# ------------------------------------------------------------------------------------------------------ names and left


def test_names_and_schemas_hold_the_bare_form() -> None:
    tool = f"mail_{MAIL.partition('@')[0]}schmidt"
    find = finds({"annaschmidt": KINDS[NAME]})
    request = asked(
        ToolCall("1", tool, "{}"),
        role="assistant",
        tools=(
            Tool(
                name=tool,
                description="writes to annaschmidt",
                parameters={
                    "type": "object",
                    "properties": {"annaschmidt": {"type": "string", "enum": ["annaschmidt"]}},
                    "required": ["annaschmidt"],
                },
            ),
        ),
        tool_choice=ToolChoice(mode="named", name=tool),
    )
    redacted = done(request, find)
    bare = code("annaschmidt", redacted)
    new = redacted.request
    assert new.tools[0].name == new.tool_choice.name == new.messages[0].parts[0].name == f"mail_{bare}"
    assert new.tools[0].description == f"writes to [{bare}]"
    assert new.tools[0].parameters == {
        "type": "object",
        "properties": {bare: {"type": "string", "enum": [bare]}},
        "required": [bare],
    }


@pytest.mark.parametrize(
    "request_",
    [
        asked(Media("image", url=f"https://example.org/?who={MAIL}")),
        asked(Media("file", data=BARE_CARD)),
        asked(Thinking("x", signature=BARE_CARD)),
        ChatRequest(model="m", messages=(), extra={"max_score": int(BARE_CARD)}),
        asked(Text("x"), tools=(Tool(name="look", parameters={"properties": {"n": {"maximum": int(BARE_CARD)}}}),)),
        asked(Text("x"), tools=(Tool(name="look", parameters={"properties": {"n": {"pattern": MAIL}}}),)),
        asked(Text("x"), extra={MAIL: 1}),
    ],
)
def test_what_cannot_be_replaced_is_left(request_: ChatRequest) -> None:
    redacted = done(request_)
    assert redacted.left
    assert leftover(redacted.request, redacted.values)


def test_a_name_that_would_be_longer_than_the_services_take_is_left() -> None:
    find = finds({"Anna": KINDS[NAME]})
    assert not done(asked(Text("x"), tools=(Tool(name="Anna_" + "n" * 50),)), find).left
    assert done(asked(Text("x"), tools=(Tool(name="Anna_" + "n" * 57),)), find).left


def test_a_value_found_elsewhere_that_also_stands_where_it_cannot_be_replaced_is_left() -> None:
    def find(text: str, field: str = "") -> list[Finding]:
        return [one for one in FIND(text) if text.startswith("I am")]

    request = asked(Text(f"I am {MAIL}"), Media("image", url=f"https://example.org/{MAIL}"))
    redacted = done(request, find)
    assert [one.kind for one in redacted.left] == ["email"]
    assert redacted.request.messages[0].parts[0].text == f"I am [{code(MAIL, redacted)}]"


def test_a_story_cannot_be_replaced() -> None:
    text = "For weeks now she has had chest pain."
    story = Finding(category="health", kind="health", tier="hard", start=0, end=len(text))
    redacted = done(asked(Text(text)), lambda said, field="": [story] if said == text else [])
    assert redacted.left == (story,)
    assert redacted.values == frozenset()


def test_words_of_the_protocol_are_not_replaced() -> None:
    find = finds(dict.fromkeys(("user", "text", "content", "messages", "function", "string"), KINDS[NAME]))
    tree = {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "the user sent a text"}]}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}],
    }
    redacted = redact(openai.read_request(tree), find, chosen, SECRET)
    assert redacted.left == ()
    assert redacted.request.tree["tools"] == tree["tools"]
    part = redacted.request.tree["messages"][0]["content"][0]
    assert part == {
        "type": "text",
        "text": f"the [{code('user', redacted)}] sent a [{code('text', redacted)}]",
    }


# -------------------------------------------------------------------------------------------------------- all dialects

SAYS = f"{NAME} <{MAIL}> {CARD} ü"
BODIES: dict[str, Any] = {
    "openai": {
        "model": "m",
        "messages": [
            {"role": "system", "content": SAYS},
            {"role": "user", "content": [{"type": "text", "text": SAYS}], "name": "user_1"},
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": SAYS,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": SAYS})}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": json.dumps({"a": [SAYS, int(BARE_CARD)]})},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": SAYS, "parameters": {"title": SAYS}}}],
        "metadata": {"who": NAME},
        "prediction": {"type": "content", "content": SAYS},
        "user": MAIL,
    },
    "responses": {
        "model": "m",
        "instructions": SAYS,
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": SAYS}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": json.dumps({"a": SAYS})},
            {"type": "function_call_output", "call_id": "c1", "output": SAYS},
            {"type": "reasoning", "id": "r1", "summary": [{"type": "summary_text", "text": SAYS}]},
        ],
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object", "description": SAYS}}},
    },
    "anthropic": {
        "model": "m",
        "max_tokens": 5,
        "system": [{"type": "text", "text": SAYS, "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": SAYS},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": SAYS, "signature": "c2ln"},
                    {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": SAYS, NAME: int(BARE_CARD)}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": SAYS}]},
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": SAYS}},
                ],
            },
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {"a": {"description": SAYS}}}}],
        "metadata": {"user_id": MAIL},
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": SAYS}]},
        "contents": [
            {"role": "user", "parts": [{"text": SAYS}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": SAYS, "n": int(BARE_CARD)}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"a": [SAYS]}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "description": SAYS}]}],
    },
    "ollama": {
        "model": "m",
        "messages": [
            {"role": "user", "content": SAYS},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": SAYS}}}]},
            {"role": "tool", "tool_name": "f", "content": SAYS},
        ],
        "format": {"type": "object", "description": SAYS},
    },
}


def read(dialect: str) -> ChatRequest:
    body = json.loads(json.dumps(BODIES[dialect]))
    match dialect:
        case "openai":
            return openai.read_request(body)
        case "responses":
            return responses.read_request(body)
        case "anthropic":
            return anthropic.read_request(body, Caller())
        case "gemini":
            return gemini.read_request(body, Caller(), model="m", stream=False)
        case _:
            return ollama.read_request(body, Caller())


def reread(dialect: str, tree: Any) -> ChatRequest:
    match dialect:
        case "openai":
            return openai.read_request(tree)
        case "responses":
            return responses.read_request(tree)
        case "anthropic":
            return anthropic.read_request(tree, Caller())
        case "gemini":
            return gemini.read_request(tree, Caller(), model="m", stream=False)
        case _:
            return ollama.read_request(tree, Caller())


@pytest.mark.parametrize("dialect", BODIES)
def test_body_and_words_of_every_dialect_say_the_same_without_the_values(dialect: str) -> None:
    request = read(dialect)
    redacted = done(request)
    assert redacted.left == ()
    new = redacted.request
    assert leftover(request, redacted.values)
    assert not leftover(new, redacted.values)
    for value in (NAME, MAIL, CARD, BARE_CARD):
        assert value not in said(new)
    assert request == read(dialect)  # nothing of the client's own request has changed
    again = reread(dialect, new.tree)
    assert (again.messages, again.tools, again.metadata) == (new.messages, new.tools, new.metadata)
    assert (again.output, again.user, again.extra) == (new.output, new.user, new.extra)


def strung(node: Any) -> Any:
    """The same with the card's number as a string, also in JSON inside strings."""
    if isinstance(node, dict):
        return {key: strung(value) for key, value in node.items()}
    if isinstance(node, list):
        return [strung(value) for value in node]
    return (
        node.replace(f" {BARE_CARD}", f' "{BARE_CARD}"')
        if isinstance(node, str)
        else [node, str(node)][node == int(BARE_CARD)]
    )


@pytest.mark.parametrize("dialect", BODIES)
def test_what_is_put_back_is_what_was_there(dialect: str) -> None:
    request = read(dialect)
    redacted = done(request)
    assert redacted.restorer is not None
    text = json.dumps(redacted.request.tree, ensure_ascii=False)
    back = json.loads(redacted.restorer.text(text, inside_json=True))
    assert back == strung(request.tree)


def test_texts_to_embed() -> None:
    request = EmbedRequest(model="m", inputs=(SAYS, "b", (1, 2)))
    redacted = done(request)
    assert redacted.restorer is None
    assert redacted.count == 3
    assert redacted.request.inputs[1:] == ("b", (1, 2))
    assert not leftover(redacted.request, redacted.values)
    body = {"model": "m", "input": [SAYS]}
    other = done(openai.read_embed(body))
    assert other.request.tree["input"] == [redacted.request.inputs[0]]  # the same in every text: else nothing is found
    assert other.request.inputs == tuple(other.request.tree["input"])


# ------------------------------------------------------------------------------------------------------- conversations


def conversation(*texts: str, caller: str = "k") -> ChatRequest:
    roles = ("user", "assistant")
    messages = [Message(roles[index % 2], (Text(text),)) for index, text in enumerate(texts)]  # type: ignore[arg-type]
    return ChatRequest(model="m", messages=tuple(messages), caller=Caller(key=caller))


def test_a_value_keeps_its_placeholder_through_a_conversation() -> None:
    first = done(conversation(f"I am {NAME}"))
    later = done(conversation(f"I am {NAME}", f"Hello {NAME}", f"{MAIL} and {NAME}"))
    assert later.request.messages[0] == first.request.messages[0]
    assert code(NAME, first) == code(NAME, later)
    assert later.request.messages[1].text == f"Hello [{code(NAME, first)}]"


@pytest.mark.parametrize(
    "other",
    [conversation(f"I'm {NAME}"), conversation(f"I am {NAME}", caller="other")],
)
def test_and_another_in_every_other(other: ChatRequest) -> None:
    assert code(NAME, done(conversation(f"I am {NAME}"))) != code(NAME, done(other))


def test_another_installation_gives_other_placeholders() -> None:
    request = conversation(f"I am {NAME}")
    other = redact(request, FIND, chosen, b"another key")
    assert code(NAME, done(request)) != code(NAME, other)
    with pytest.raises(InputError, match="key of the placeholders is empty"):
        redact(request, FIND, chosen, b"")


def test_other_spellings_of_a_value_are_alike_and_come_back_as_they_were() -> None:
    text = f"{CARD}, {BARE_CARD}"
    redacted = done(asked(Text(text)))
    first, second = code(CARD, redacted), code(BARE_CARD, redacted)
    assert first != second
    assert first[:-1] == second[:-1]
    assert redacted.restorer is not None
    assert redacted.restorer.text(redacted.request.messages[0].text) == text


def test_a_code_that_the_request_already_holds_is_not_given_out() -> None:
    plain = code(NAME, done(conversation(f"I am {NAME}")))
    quoted = conversation(f"I am {NAME}", f"You are [{plain.lower()}].")
    redacted = done(quoted)
    assert code(NAME, redacted) != plain
    assert redacted.request.messages[1].text == f"You are [{plain.lower()}]."
    assert redacted.restorer is not None
    assert redacted.restorer.text(f"[{plain}]") == f"[{plain}]"


def test_a_placeholder_found_by_the_detector_is_no_value() -> None:
    redacted = done(asked(Text("x [PERSON_7KQX3] [APIKEY_REMOVED]")), lambda text, field="": [finding(2, 16)])
    assert redacted.count == 0


# -------------------------------------------------------------------------------------------------------- the last look


def test_a_value_that_is_still_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_words", lambda node, *_: node)
    with pytest.raises(DetectionError, match="still in the request"):
        done(openai.read_request({"model": "m", "messages": [{"role": "user", "content": NAME}]}))


def test_leftovers_are_seen_in_body_and_words_and_in_json_at_any_depth() -> None:
    name = 'Ann "Q" Müller'
    for text in (name, json.dumps({"a": name}), json.dumps({"a": json.dumps([name])}), json.dumps({name: 1})):
        assert leftover(asked(Text(text)), [name]) == 1
        tree = {"model": "m", "messages": [{"role": "user", "content": text}]}
        assert leftover(ChatRequest(model="m", messages=(), dialect="openai", tree=tree), [name]) == 1
    assert leftover(asked(Text("Annapolis")), ["Anna"]) == 0
    assert leftover(asked(Text("x\nAnna")), ["Anna"]) == 1
    assert leftover(ChatRequest(model="m", messages=(), metadata={"n": int(BARE_CARD)}), [BARE_CARD]) == 1
    assert leftover(asked(Text("x")), []) == 0


def test_nothing_shows_a_value() -> None:
    redacted = done(asked(Text(SAYS)))
    assert redacted.restorer is not None
    shown = repr(redacted) + repr(redacted.restorer) + repr(list(redacted.restorer.spellings))
    shown += repr(redacted.__rich_repr__())
    assert not any(value in shown for value in redacted.values)


def test_a_failing_detector_is_not_hidden() -> None:
    def find(text: str, field: str = "") -> list[Finding]:
        raise DetectionError("too slow")

    with pytest.raises(DetectionError, match="too slow"):
        done(asked(Text("x")), find)


# ---------------------------------------------------------------------------------------------------------- properties

VALUES = st.lists(
    st.text(st.characters(codec="utf-8"), min_size=2, max_size=12)
    .map(str.strip)
    .filter(lambda value: sum(map(str.isalnum, value)) > 1),
    min_size=1,
    max_size=6,
    unique=True,
)
FILLER = st.text('aZ ß.,\n"\\[]{}(:日1_', max_size=8)


@given(VALUES, st.lists(st.tuples(FILLER, st.integers(0, 5)), max_size=8), st.booleans())
def test_what_a_model_repeats_is_restored_to_the_letter(
    values: list[str], rows: list[tuple[str, int]], as_json: bool
) -> None:
    plain = "".join(filler + values[index % len(values)] for filler, index in rows)
    tokens = jsontext.tokens(plain)
    if any(token.kind == "number" for token in tokens or ()):
        return  # a number in JSON becomes a string
    if as_json and tokens is None and plain.lstrip()[:1] in ("{", "["):
        return  # begins like JSON inside JSON and is none: nobody can tell how deep its end stands
    text = json.dumps({"a": [plain]}, ensure_ascii=False) if as_json else plain
    find = finds(dict.fromkeys(values, KINDS[NAME]))
    redacted = done(asked(Text(text), Text("END")), find)
    if redacted.left or redacted.restorer is None:
        return
    new = redacted.request.messages[0].parts[0].text
    assert not leftover(redacted.request, redacted.values)
    back = redacted.restorer.text(new, inside_json=as_json)
    assert (json.loads(back) if as_json else back) == (json.loads(text) if as_json else text)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([NAME, SAYS, int(BARE_CARD)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just(NAME), inner, max_size=3),
    max_leaves=20,
), st.sampled_from(["metadata", "extra_body", "messages", "tools", "response_format", "input"]))  # fmt: skip
def test_nothing_that_was_chosen_is_left_unless_it_is_said(tree: Any, field: str) -> None:
    request = ChatRequest(model="m", messages=(), dialect="openai", tree={"model": "m", field: tree})
    redacted = done(request)
    assert bool(leftover(redacted.request, redacted.values)) <= bool(redacted.left)
    again = [one for text, field in read_again(redacted.request).texts for one in FIND(text, field)]
    assert bool(again) <= bool(redacted.left)
    assert request.tree == {"model": "m", field: tree}
