from __future__ import annotations

from typing import Any

import pytest

from crossover.chat import (
    ChatRequest,
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
from crossover.routing.needs import needs

HELLO = Message("user", (Text("hello"),))


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, set()),
        ({"tools": (Tool(name="look"),)}, {"tools"}),
        ({"output": OutputFormat(kind="text")}, set()),
        ({"output": OutputFormat(kind="json")}, {"json"}),
        ({"output": OutputFormat(kind="schema", schema={})}, {"schema"}),
        ({"n": 1}, set()),
        ({"n": 2}, {"n"}),
        ({"logprobs": True}, {"logprobs"}),
        ({"logit_bias": {"5": 1.0}}, {"logit_bias"}),
        ({"logit_bias": {}}, set()),
        ({"n": 2, "logprobs": True, "tools": (Tool(name="look"),)}, {"n", "logprobs", "tools"}),
    ],
)
def test_needs_of_fields(more: dict[str, Any], found: set[str]) -> None:
    assert needs(ChatRequest(model="m", messages=(HELLO,), **more)) == {"chat", *found}


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ((), set()),
        ((Text("a"), Text("b")), set()),
        ((Thinking("hm"), Text("b")), set()),
        ((Refused("no"),), set()),
        ((Media("image", url="u"),), {"images"}),
        ((Text("see"), Media("audio", data="")), {"audio"}),
        ((Media("video"), Media("file")), {"video", "files"}),
        ((Unknown("odd", {}),), {"unknown"}),
        ((ToolCall("1", "look"),), {"tools"}),
        ((ToolResult("1", (Text("seen"),)),), {"tools"}),
        ((ToolResult("1", (Media("image"),)),), {"tools", "images"}),
    ],
)
def test_needs_of_parts(parts: tuple[Part, ...], found: set[str]) -> None:
    request = ChatRequest(model="m", messages=(HELLO, Message("user", parts), HELLO))
    assert needs(request) == {"chat", *found}
