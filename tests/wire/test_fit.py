"""What a target has no word for: the harmless is named, the rest refuses."""

from __future__ import annotations

import pytest

from crossover.chat import ChatRequest, Message, OutputFormat, Reasoning, Text, Tool, ToolChoice
from crossover.errors import UpstreamError
from crossover.wire.fit import dropped, neutral, said

ASKED = ChatRequest(model="m", messages=(Message("user", (Text("hi"),)),))


def test_a_bare_request_sets_nothing() -> None:
    assert said(ASKED) == ()


def test_zero_and_false_are_values() -> None:
    request = ChatRequest(model="m", messages=ASKED.messages, temperature=0.0, seed=0, parallel_tools=False)
    assert said(request) == ("parallel_tool_calls", "temperature", "seed")


def test_what_says_no_more_than_leaving_it_out_is_not_set() -> None:
    request = ChatRequest(
        model="m",
        messages=ASKED.messages,
        tool_choice=ToolChoice(mode="auto"),
        output=OutputFormat(kind="text"),
        presence_penalty=0.0,
        n=1,
        stop=(),
        metadata={},
    )
    assert said(request) == ()


def test_every_name_is_openai_s_and_extras_come_last() -> None:
    request = ChatRequest(
        model="m",
        messages=ASKED.messages,
        tools=(Tool(name="f"),),
        output=OutputFormat(kind="json"),
        reasoning=Reasoning(effort="low"),
        n=2,
        extra={"verbosity": "low", "tools": []},
    )
    assert said(request) == ("tools", "response_format", "reasoning_effort", "n", "verbosity")


def test_harmless_parameters_are_dropped_and_named() -> None:
    assert dropped(["temperature", "seed", "user"], {"seed", "user", "stop"}) == ("seed", "user")


def test_a_parameter_that_is_the_point_of_the_call_refuses() -> None:
    with pytest.raises(UpstreamError, match="gpt-x does not support tools") as caught:
        dropped(["seed", "tools"], {"seed", "tools"}, "gpt-x")
    assert (caught.value.upstream, caught.value.accepted, caught.value.status) == ("unsupported", False, 400)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("stop", None, True),
        ("tools", [], True),
        ("n", 1, True),
        ("n", 2, False),
        ("logprobs", False, True),
        ("temperature", 0, False),
        ("seed", 0, False),
        ("response_format", {"type": "text"}, True),
        ("response_format", {"type": "json_object"}, False),
    ],
)
def test_neutral_values(name: str, value: object, expected: bool) -> None:
    assert neutral(name, value) is expected
