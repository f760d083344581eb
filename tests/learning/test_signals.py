"""Facts of prompts and answers: what is counted, what stays unknown, and that no text breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.chat import ChatRequest, Choice, Media, Message, OutputFormat, Text, Tool, ToolCall, ToolResult
from crossover.learning.agreement import agreement
from crossover.learning.features import FEATURES, hashed
from crossover.learning.shape import fits
from crossover.learning.signals import answer_signals, of_answer, of_request, prompt_signals, summed_up, token_logprobs
from crossover.learning.texts import equations, has_code, language, words_of


def test_a_prompt_is_counted() -> None:
    signals = prompt_signals("Which of these is not true?\nA. 12 > 3\nB. 4 = 5", messages=3, tools=2)
    assert (signals.messages, signals.tools, signals.lines, signals.options) == (3, 2, 3, 2)
    assert (signals.questions, signals.asks, signals.numbers, signals.negations) == (1, True, 4, 1)
    assert signals.language == "en"
    assert not signals.foreign
    assert "true" not in repr(signals)  # words of people do not show up in a print


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Wie viele Tage hat ein Jahr und was ist der Grund für die Zahl?", "de"),
        ("Quel est le plus grand pays et pour quoi dans le monde", "fr"),
        ("Сколько дней в году?", "cyrillic"),
        ("法国的首都是哪里？", "chinese"),
        ("What is the capital of that country?", "en"),
        ("42", ""),
        ("", ""),
    ],
)
def test_languages(text: str, name: str) -> None:
    assert prompt_signals(text).language == name
    assert language(text, text.lower().split()) in (name, "")


def test_code_is_known_by_two_marks_or_a_fence() -> None:
    for text, code in (
        ("```\nx\n```", True),
        ("def f(x):\n    return x", True),
        ("if (a == b) { x += 1; }", True),
        ("The return of the king", False),
        ("Let x be a class of functions", False),
        ("", False),
    ):
        assert has_code(text, words_of(text)) is code, text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12 + 3 = 15 and 2*3=7", (2, 1)),
        ("$80,000 + $50,000 = $130,000", (1, 0)),
        ("10 / 3 = 3.33", (1, 0)),
        ("10 / 0 = 0", (1, 1)),
        ("80 x 25% = 20", (1, 0)),
        ("1 + 2 + 3 = 6", (0, 0)),  # more than two numbers are not looked at
        ("5 - 2 = 3", (1, 0)),
        ("x = 5", (0, 0)),
        ("9" * 5000 + " + 1 = 2", (0, 0)),
        ("1" + "=" * 5000 + "1", (0, 0)),
    ],
)
def test_arithmetic_is_checked(text: str, found: tuple[int, int]) -> None:
    assert equations(text) == found


def test_an_answer_says_only_what_is_known() -> None:
    signals = answer_signals("I think it is 42.")
    assert signals.logprob_mean is None
    assert signals.agreement is None
    assert signals.finish is None
    assert signals.new_numbers is None
    assert FEATURES["answer.agreement"].read(signals) is None
    assert FEATURES["prompt.length"].read(signals) is None
    assert FEATURES["answer.length"].read(signals) is not None


def test_log_probabilities_are_summed_up() -> None:
    said = {
        "content": [
            {"logprob": -0.1 * n, "top_logprobs": [{"logprob": -0.1 * n}, {"logprob": -0.1 * n - 1}]} for n in range(9)
        ]
    }
    found = summed_up(token_logprobs(said))
    assert found == pytest.approx(
        {"tokens": 9, "mean": -0.4, "min": -0.8, "q10": -0.8, "q25": -0.6, "margin": 1, "margin_min": 1}
    )
    signals = answer_signals("x", logprobs=token_logprobs(said))
    assert signals.margin == pytest.approx(1)
    assert signals.logprob_min == pytest.approx(-0.8)
    assert summed_up([]) == {}


@pytest.mark.parametrize("said", [None, 5, {}, {"content": 5}, {"content": [5, {"logprob": "x"}, {"logprob": True}]}])
def test_log_probabilities_that_are_none(said: object) -> None:
    assert token_logprobs(said) == []


def test_a_request_is_read_like_its_question() -> None:
    request = ChatRequest(
        model="m",
        messages=(
            Message("system", (Text("Be short."),)),
            Message("user", (Text("What is this?"), Media("image", data="AA=="))),
            Message("tool", (ToolResult("1", (Text("result"),)),)),
        ),
        tools=(Tool(name="look"),),
        output=OutputFormat(kind="json"),
    )
    signals = of_request(request)
    assert (signals.chars, signals.total_chars) == (13, 28)
    assert (signals.messages, signals.tools, signals.tool_results, signals.media) == (3, 1, 1, 1)
    assert signals.schema


def test_schema_and_calls_are_checked() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 1}}}
    request = ChatRequest(
        model="m",
        messages=(Message("user", (Text("?"),)),),
        tools=(Tool(name="look", parameters=schema),),
        output=OutputFormat(kind="schema", schema=schema),
    )

    def answered(text: str, *calls: ToolCall) -> tuple[bool | None, bool | None]:
        choice = Choice(message=Message("assistant", (Text(text), *calls)), finish="stop")
        found = of_answer(request, choice)
        return found.schema_valid, found.calls_valid

    assert answered('{"a": 2}') == (True, None)
    assert answered('```json\n{"a": 2}\n```') == (True, None)
    assert answered('{"a": 0}') == (False, None)
    assert answered("a: 2", ToolCall("1", "look", '{"a": 3}')) == (False, True)
    assert answered("", ToolCall("1", "look", '{"b": 3}')) == (False, False)
    assert answered("", ToolCall("1", "leap", '{"a": 3}')) == (False, False)


@pytest.mark.parametrize(
    ("value", "schema", "good"),
    [
        (1, {"type": ["string", "integer"]}, True),
        (True, {"type": "integer"}, False),
        (1.0, {"type": "integer"}, True),
        ("x", {"enum": ["a"]}, False),
        ([1, "a"], {"items": {"type": "integer"}}, False),
        ({"b": 1}, {"properties": {"a": {}}, "additionalProperties": False}, False),
        (3, {"anyOf": [{"type": "string"}, {"maximum": 4}]}, True),
        (5, {"allOf": [{"type": "integer"}, {"maximum": 4}]}, False),
        ("ab", {"minLength": 3}, False),
        ([1], {"maxItems": 0}, False),
        (1, False, False),
        (1, {"type": 7, "enum": 3, "required": 5, "unknown": 1}, True),
    ],
)
def test_a_small_part_of_json_schema(value: object, schema: object, good: bool) -> None:
    assert fits(value, schema) is good


def test_a_schema_within_itself_ends() -> None:
    schema: dict[str, object] = {"type": "object"}
    schema["properties"] = {"a": schema}
    value: dict[str, object] = {}
    value["a"] = value
    assert fits(value, schema)


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("B", "(b)", 0, 1),
        ("B", "B.", 1, 1),
        ("The answer is (C).", "C", 1, 1),
        ("The answer is (C).", "D", 0, 0),
        ("so we get 4.\n#### 1,200", "Therefore it is 1200 dollars.", 1, 1),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', 1, 1),
        ('{"a": 1}', '{"a": 2}', 0, 0),
        ("Paris", "paris.", 1, 1),
        ("Paris", "Rome", 0, 0),
        ("", "", 1, 1),
        ("", "x", 0, 0),
        ("a cat sat on the mat " * 9, "a cat sat on a chair " * 9, 0.5, 0.9),
    ],
)
def test_agreement(one: str, other: str, least: float, most: float) -> None:
    assert least <= agreement(one, other) <= most
    assert agreement(one, other) == agreement(other, one)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_breaks_it(one: str, other: str) -> None:
    asked = prompt_signals(one)
    signals = answer_signals(other, asked=asked, question=one, finish="stop")
    for feature in FEATURES.values():
        value = feature.read(signals)
        assert value is None or value == value  # no NaN
    assert 0 <= agreement(one, other) <= 1
    hashed(asked.words)


def test_deciding_needs_no_numpy() -> None:
    """A gateway without a learned policy does not pay for one, and with one it pays for no library."""
    import subprocess
    import sys

    rooms = "signals, complexity, model, artifact, agreement, features, shape"
    code = f"import sys; from crossover.learning import {rooms}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_real_answers_teach_more_than_the_length_of_a_question(shared_data: Path) -> None:
    import json

    import numpy as np

    from crossover.learning.train import Examples, Origin, Wish, train

    text = (shared_data / "routing" / "routellm_gsm8k.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    signals = tuple(
        answer_signals(row["weak_response"], asked=prompt_signals(row["prompt"]), question=row["prompt"])
        for row in rows
    )
    weak = np.array([float(row["weak_correct"]) for row in rows])
    strong = np.array([float(row["strong_correct"]) for row in rows])
    origin = Origin(made="2026-11-27", source="public", weak="weak", strong="strong", digest="")
    found = train(Examples(signals=signals, weak=weak, strong=strong), Wish(kind="cascade", loss=0.1), origin)
    assert found.card.learned
    assert found.card.gain_over_length is not None
    assert found.card.gain_over_length[0] > 0.02
    assert found.card.promise is not None
