"""Conversations as Anthropic and Gemini want them: user and assistant in turn, tool results first and complete.

Also how calls and results find each other in dialects whose calls have no ids (Gemini, Ollama).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from crossover.chat import Message, Part, Text, ToolCall, ToolResult
from crossover.errors import RequestError

SYNTHETIC = "call_crossover_"  # begins the ids of calls that came without one; never sent where ids are optional
OPENING = "."  # the user's first words where a conversation begins with the assistant and its dialect forbids that

Turn = tuple[Literal["user", "assistant"], list[Part]]


class Calls:
    """The calls and results of one conversation, while it is read: ids for calls without, names for results without."""

    def __init__(self) -> None:
        self._name_of: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        self._made = 0

    def call(self, name: str, id: str | None) -> str:  # noqa: A002
        """The id of a call: its own, or a new one."""
        known = id or f"{SYNTHETIC}{self._made}"
        self._made += 1
        self._name_of[known] = name
        self._open.append((known, name))
        return known

    def result(self, id: str | None, name: str | None) -> tuple[str, str | None]:  # noqa: A002
        """(id, name) of a result: by id, else the first call of that name without a result, else the first of any."""
        found = next((row for row in self._open if row[0] == id), None)
        if found is None and not id:
            found = next((row for row in self._open if name in (None, "", row[1])), None)
        if found is not None:
            self._open.remove(found)
            return found
        return id or f"{SYNTHETIC}{name or 'unknown'}", name or self._name_of.get(id or "")


def system_texts(messages: Iterable[Message]) -> list[Text]:
    """The texts of all system and developer messages, wherever they stand, in order; empty ones are left out."""
    return [
        part
        for message in messages
        if message.role in ("system", "developer")
        for part in message.parts
        if isinstance(part, Text) and part.text
    ]


def alternating(messages: Sequence[Message]) -> list[Turn]:
    """The conversation without its system messages, neighbours of one side merged, starting with the user.

    In a user's turn the results of the turn before come first, in the order of the calls. RequestError where a result
    has no call or a call no result. Empty texts say nothing and are left out.
    """
    turns: list[Turn] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        side: Literal["user", "assistant"] = "assistant" if message.role == "assistant" else "user"
        parts = [part for part in message.parts if type(part) is not Text or part.text]
        if not parts:
            continue
        if turns and turns[-1][0] == side:
            turns[-1][1].extend(parts)
        else:
            turns.append((side, parts))
    if not turns or turns[0][0] == "assistant":
        turns.insert(0, ("user", [Text(OPENING)]))
    return [
        (side, _results_first(turns, index) if side == "user" else parts) for index, (side, parts) in _checked(turns)
    ]


def _checked(turns: list[Turn]) -> Iterable[tuple[int, Turn]]:
    """The same turns, numbered, once every call has its result."""
    for index, (side, parts) in enumerate(turns):
        if side != "assistant":
            continue
        after = turns[index + 1][1] if index + 1 < len(turns) else []
        given = {part.id for part in after if isinstance(part, ToolResult)}
        for part in parts:
            if isinstance(part, ToolCall) and part.id not in given:
                raise RequestError(
                    f"messages: the call {part.id!r} of the tool {part.name!r} has no result",
                    code="missing_tool_result",
                    field="messages",
                    hint="A message with the result of every call comes right after the calls",
                )
    return enumerate(turns)


def _results_first(turns: list[Turn], index: int) -> list[Part]:
    parts = turns[index][1]
    results = [part for part in parts if isinstance(part, ToolResult)]
    if not results:
        return parts
    before = turns[index - 1][1] if index else []
    order = {part.id: place for place, part in enumerate(before) if isinstance(part, ToolCall)}
    for result in results:
        if result.id not in order:
            raise RequestError(
                f"messages: the tool result {result.id!r} has no call in the message before it",
                code="unknown_tool_call",
                field="messages",
            )
    results.sort(key=lambda result: order[result.id])
    return [*results, *(part for part in parts if not isinstance(part, ToolResult))]


def names_of(messages: Iterable[Message]) -> dict[str, str]:
    """The tool's name of every call of a conversation, by the call's id."""
    return {part.id: part.name for message in messages for part in message.parts if isinstance(part, ToolCall)}
