"""What a request says that a target has no word for: harmless parameters are left out and named, others refuse.

The names are those of OpenAI's chat completions, whatever dialect the request came in, so that one list of a target's
limits and one report to the caller serve every dialect.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

from crossover.chat import ChatRequest, OutputFormat, ToolChoice
from crossover.errors import UpstreamError
from crossover.wire.words import HARMLESS

# Name at OpenAI, field of ChatRequest, and the value that says no more than leaving it out.
_NAMES: tuple[tuple[str, str, Any], ...] = (
    ("tools", "tools", ()),
    ("tool_choice", "tool_choice", ToolChoice(mode="auto")),
    ("parallel_tool_calls", "parallel_tools", None),
    ("response_format", "output", OutputFormat(kind="text")),
    ("reasoning_effort", "reasoning", None),
    ("max_tokens", "max_tokens", None),
    ("temperature", "temperature", None),
    ("top_p", "top_p", None),
    ("top_k", "top_k", None),
    ("presence_penalty", "presence_penalty", 0),
    ("frequency_penalty", "frequency_penalty", 0),
    ("seed", "seed", None),
    ("stop", "stop", ()),
    ("n", "n", 1),
    ("logprobs", "logprobs", False),
    ("top_logprobs", "top_logprobs", 0),
    ("logit_bias", "logit_bias", {}),
    ("user", "user", None),
    ("metadata", "metadata", {}),
)
# The same for a parsed body of OpenAI's chat completions; null, an empty list and an empty object say nothing either.
_NEUTRAL: dict[str, Any] = {
    "tool_choice": "auto",
    "response_format": {"type": "text"},
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "n": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "store": False,
}


def said(request: ChatRequest) -> tuple[str, ...]:
    """OpenAI's names of all parameters that a request sets, those in ``extra`` last."""
    names = [
        name
        for name, field, neutral in _NAMES
        if (value := getattr(request, field)) is not None and (neutral is None or value != neutral)
    ]
    return (*names, *(name for name in request.extra or () if name not in names))


def neutral(name: str, value: Any) -> bool:
    """Whether a parameter of a parsed body says no more than leaving it out."""
    if value is None or value in ([], {}):
        return True
    return name in _NEUTRAL and value == _NEUTRAL[name]


def dropped(present: Iterable[str], refused: Container[str], model: str = "the target") -> tuple[str, ...]:
    """The names of ``present`` that a target does not accept (``refused``) and that are harmless to leave out.

    UpstreamError ``unsupported``, not accepted, where one is the point of the call: see
    :data:`crossover.wire.words.HARMLESS`.
    """
    absent = tuple(name for name in present if name in refused)
    for name in absent:
        if name not in HARMLESS:
            raise UpstreamError(
                f"{model} does not support {name}, and leaving it out would change the answer",
                upstream="unsupported",
                accepted=False,
                code="unsupported_parameter",
            )
    return absent
