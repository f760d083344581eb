"""One row of a table or of JSON as a sample.

Names are those of several tools: ``prompt``, ``input`` or ``messages`` is what is asked; ``expected``, ``ideal``
(OpenAI's evals), ``target`` (inspect) or ``answer`` is what would be right. A name that is nearly one of them is a
mistake; other names are ignored, and a note says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from crossover.chat import ChatRequest, Message, Text
from crossover.errors import CrossoverError, InputError, nearest
from crossover.evaluation.samples.words import Check, Sample
from crossover.wire import openai

_ASKED = ("messages", "prompt", "input", "question")
_EXPECTED = ("expected", "ideal", "target", "answer", "reference")
_OWN = ("id", "system", "tags", "group", "tools", "response_format", "scorer", "tests", "choices", "sensitivity")
# Parameters of a request that a sample may set, as OpenAI's chat completions name them, and our words for them.
OPTIONS = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "tool_choice": "tool_choice",
    "reasoning_effort": "reasoning",
}
_UNSUPPORTED = {
    "sandbox": "inspect's sandboxes are not supported",
    "files": "inspect's sandbox files are not supported",
    "setup": "inspect's set-up scripts are not supported",
}
_KNOWN = frozenset({*_ASKED, *_EXPECTED, *_OWN, *OPTIONS, *_UNSUPPORTED, "metadata", "recorded"})
_CLOSE = {"expected", "prompt", "messages", "input", "ideal", "target", "scorer", "group", "tags", "choices"}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHOWN = 6


class Ignored:
    """Names of rows that mean nothing here, and how often each was there."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """A name that is ignored."""
        self._times[name] += 1

    def notes(self) -> tuple[str, ...]:
        """A sentence where there were any."""
        if not self._times:
            return ()
        named = ", ".join(name for name, _ in self._times.most_common(_SHOWN))
        more = f" and {len(self._times) - _SHOWN} more" if len(self._times) > _SHOWN else ""
        return (f"fields that mean nothing here are ignored: {named}{more}",)


def sample_of(row: Any, line: int, ignored: Ignored, *, cells: bool = False) -> Sample:
    """A row as a sample; ``cells``: every value is a table's cell, so lists and objects are written in text.

    Raises InputError that names the field.
    """
    if not isinstance(row, dict):
        raise InputError("a sample is an object", hint='Write {"prompt": …, "expected": …}')
    for name in row:
        _look_at(name, row, ignored)
    values = {name: value for name, value in row.items() if value is not None}
    choices = _texts(values.get("choices"), "choices", cells=cells)
    request = _request(values, choices, cells=cells)
    expected = _expected(values, cells=cells)
    checks = _checks(values.get("scorer"))
    if choices and not checks:
        checks = (Check(scorer="choice"),)
    options = {word: getattr(request, word) for name, word in OPTIONS.items() if name in values}
    return Sample(
        id=_id(values.get("id"), line),
        messages=request.messages,
        expected=expected,
        checks=checks,
        tags=_tags(values, cells=cells),
        group=_name(values.get("group"), "group"),
        tools=request.tools,
        output=request.output,
        options=options,
        tests=_text(values.get("tests"), "tests"),
        choices=choices,
        sensitivity=_name(values.get("sensitivity"), "sensitivity"),
        line=line,
    )


def _look_at(name: str, row: Mapping[str, Any], ignored: Ignored) -> None:
    if name in _UNSUPPORTED and row[name]:
        raise InputError(_UNSUPPORTED[name], field=name, hint="--skip-broken leaves such samples out")
    if name in _KNOWN:
        return
    meant = nearest(name, _CLOSE, 1)
    if meant and meant[0] not in row and _slip(name, meant[0]):
        raise InputError(f"unknown field {name!r}", hint=f"Did you mean {meant[0]}?", field=name)
    ignored.add(name)


def _slip(name: str, meant: str) -> bool:
    """Whether a name is a slip of the pen and not a longer name that holds the right one."""
    return abs(len(name) - len(meant)) <= 1 and name[:1] == meant[:1]


def _id(value: Any, line: int) -> str:
    if value is None or value == "":
        return str(line)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError("an id is a text or a number", field="id")
    return str(value)


def _request(values: Mapping[str, Any], choices: tuple[str, ...], *, cells: bool) -> ChatRequest:
    """What is asked, read by the same reader as a client's request."""
    named = [name for name in _ASKED if values.get(name) not in (None, "", [])]
    if not named:
        empty = next((name for name in _ASKED if name in values), None)
        if empty is not None:
            raise InputError("there is nothing asked in it", field=empty)
        raise InputError("it asks nothing", hint=f"A sample has one of {', '.join(_ASKED)}")
    if len(named) > 1 and "messages" in named:
        raise InputError(f"it has {' and '.join(named)}", hint="Keep one of them", field=named[1])
    asked = values[named[0]]
    if cells and named[0] == "messages":
        asked = _json(asked, "messages")
    if isinstance(asked, str):
        asked = [{"role": "user", "content": asked}]
    elif not isinstance(asked, list):
        raise InputError("what is asked is a text or a list of messages", field=named[0])
    if choices:
        asked = _with_choices(asked, choices)
    if system := _text(values.get("system"), "system"):
        asked = [{"role": "system", "content": system}, *asked]
    body: dict[str, Any] = {"model": "-", "messages": asked}
    for name in ("tools", "response_format", *OPTIONS):
        if name in values:
            body[name] = _json(values[name], name) if cells else values[name]
    try:
        request = openai.read_request(body)
    except CrossoverError as error:
        field = (error.field or "").replace("messages", named[0], 1) or named[0]
        raise InputError(error.message.replace("messages", named[0], 1), field=field) from None
    if not any(_says_something(message) for message in request.messages):
        raise InputError("there is nothing asked in it", field=named[0])
    return request


def _says_something(message: Message) -> bool:
    return any(not isinstance(part, Text) or part.text.strip() for part in message.parts)


def _with_choices(asked: list[Any], choices: tuple[str, ...]) -> list[Any]:
    """The question with its options below it, lettered, and what is wanted as an answer."""
    if len(choices) > len(_LETTERS):
        raise InputError(f"{len(choices)} choices are more than there are letters", field="choices")
    last = asked[-1]
    if not isinstance(last, dict) or not isinstance(last.get("content"), str):
        raise InputError("choices need a question in words as the last message", field="choices")
    lettered = "\n".join(f"{_LETTERS[number]}. {choice}" for number, choice in enumerate(choices))
    content = f"{last['content']}\n\n{lettered}\n\nAnswer with the letter of the right choice."
    return [*asked[:-1], {**last, "content": content}]


def _expected(values: Mapping[str, Any], *, cells: bool) -> tuple[str, ...]:
    """Every answer that counts as right: a text, a list of them, or an object (kept as JSON)."""
    named = [name for name in _EXPECTED if values.get(name) not in (None, "")]
    if not named:
        return ()
    if len({json.dumps(values[name], sort_keys=True, default=str) for name in named}) > 1:
        raise InputError(f"{' and '.join(named)} say different things", hint="Keep one of them", field=named[1])
    value = values[named[0]]
    if cells or isinstance(value, str):
        return (str(value),)
    if isinstance(value, list):
        if not all(isinstance(one, str | int | float | dict) for one in value):
            raise InputError("each right answer is a text, a number or an object", field=named[0])
        return tuple(_written(one) for one in value)
    if isinstance(value, dict | int | float):
        return (_written(value),)
    raise InputError("what is expected is a text, a number, an object or a list of them", field=named[0])


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _checks(value: Any) -> tuple[Check, ...]:
    """The sample's own scorers: a name, an object with its parts, or a list of either."""
    if value is None:
        return ()
    rows = value if isinstance(value, list) else [value]
    checks = []
    for row in rows:
        if isinstance(row, str) and row.strip():
            checks.append(Check(scorer=row.strip()))
        elif isinstance(row, dict) and isinstance(row.get("name"), str):
            unknown = sorted(row.keys() - {"name", "value", "threshold", "weight", "negated"})
            if unknown:
                raise InputError(f"unknown part {unknown[0]!r} of a scorer", field=f"scorer.{unknown[0]}")
            checks.append(
                Check(
                    scorer=row["name"],
                    value=row.get("value"),
                    threshold=share(row.get("threshold"), "scorer.threshold"),
                    negated=row.get("negated") is True,
                    weight=weight(row.get("weight"), "scorer.weight"),
                )
            )
        else:
            raise InputError("a scorer is a name, or an object with a name", field="scorer")
    return tuple(checks)


def share(value: Any, field: str) -> float | None:
    """A number from 0 to 1, or nothing. Raises InputError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{value!r} is no number from 0 to 1", field=field)
    return float(value)


def weight(value: Any, field: str) -> float:
    """A number of 0 or more; 1 where nothing is said. Raises InputError."""
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise InputError(f"{value!r} is no weight", hint="Write a number of 0 or more", field=field)
    return float(value)


def _tags(values: Mapping[str, Any], *, cells: bool) -> tuple[str, ...]:
    """Tags of the row, and what inspect's ``metadata`` says in single words."""
    tags = list(_texts(values.get("tags"), "tags", cells=cells))
    metadata = values.get("metadata")
    if isinstance(metadata, dict):
        tags += [f"{name}={value}" for name, value in metadata.items() if isinstance(value, str) and len(value) <= 60]
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def _texts(value: Any, field: str, *, cells: bool) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        if cells and value.lstrip().startswith("["):
            value = _json(value, field)
        else:
            return tuple(part.strip() for part in value.replace(";", ",").split(",") if part.strip())
    if not isinstance(value, list) or not all(isinstance(one, str | int | float) for one in value):
        raise InputError(f"{field} is a text, or a list of texts", field=field)
    return tuple(str(one) for one in value)


def _json(value: Any, field: str) -> Any:
    """A cell that holds JSON, a number or a plain word."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        if field in ("messages", "tools", "response_format") or value.lstrip().startswith(("[", "{")):
            raise InputError("is no JSON", field=field) from None
        return value


def _name(value: Any, field: str) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{field} is a text or a number", field=field)
    return str(value)


def _text(value: Any, field: str) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    if not isinstance(value, str):
        raise InputError(f"{field} is a text", field=field)
    return value
