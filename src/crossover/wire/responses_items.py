"""The items of OpenAI's Responses API: what a conversation and an answer are made of, read and written.

Neighbouring items of the model (thinking, text, calls) are one message of the assistant. Thinking that another dialect
sealed goes out as a reasoning item with an id of ours; only such an item is read back with its seal, because no other
service can open it, and OpenAI's own seal means nothing to others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crossover.chat import (
    ChatRequest,
    Media,
    Message,
    Part,
    Refused,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Unknown,
)
from crossover.errors import RequestError
from crossover.wire import checks, tree
from crossover.wire import openai_parts as parts
from crossover.wire.words import Profile

OURS = "_crossover_"  # in the ids of items that were built here
_ROLES = ("user", "assistant", "system", "developer")

# ------------------------------------------------------------------------------------------------------------ reading


def read_input(body: dict[str, Any]) -> tuple[Message, ...]:
    """``instructions`` and ``input`` as messages; RequestError names what is wrong by its path."""
    found: list[Message] = []
    instructions = checks.optional_text(body.get("instructions"), "instructions")
    if instructions:
        found.append(Message("system", (Text(instructions),)))
    given = body.get("input")
    if type(given) is str:
        found.append(Message("user", (Text(given),)))
        return tuple(found)
    if type(given) is not list or not given:
        raise checks.wrong("input", "a string or a list of at least one item")
    names: dict[str, str] = {}
    for index, item in enumerate(given):
        message = _item(checks.table(item, f"input[{index}]"), f"input[{index}]", names)
        if found and message.role == found[-1].role == "assistant":
            message = Message("assistant", found.pop().parts + message.parts)
        found.append(message)
    return tuple(found)


def _item(item: dict[str, Any], at: str, names: dict[str, str]) -> Message:
    kind = item.get("type", "message")
    if kind == "message":
        role: Role = checks.one_of(item.get("role"), f"{at}.role", _ROLES)  # type: ignore[assignment]
        return Message(role, _content(item.get("content"), f"{at}.content"))
    if kind == "function_call":
        call = checks.name(item.get("call_id"), f"{at}.call_id")
        names[call] = checks.name(item.get("name"), f"{at}.name")
        arguments = checks.text(item.get("arguments", ""), f"{at}.arguments")
        return Message("assistant", (ToolCall(call, names[call], arguments or "{}"),))
    if kind == "function_call_output":
        call = checks.name(item.get("call_id"), f"{at}.call_id")
        result = ToolResult(call, _content(item.get("output"), f"{at}.output"), names.get(call))
        return Message("tool", (result,))
    if kind == "reasoning":
        return Message("assistant", (read_reasoning(item),))
    if kind == "item_reference":
        raise RequestError(
            f"{at} refers to an item that was kept from an earlier answer, and none is kept here",
            code="unsupported",
            field=at,
            hint="Send the item itself",
        )
    checks.name(kind, f"{at}.type")
    return Message("tool" if kind.endswith("_output") else "assistant", (Unknown(kind, item),))


def read_reasoning(item: dict[str, Any]) -> Thinking:
    """Thinking: its summary, or its text where there is none."""
    pieces = tree.rows(item.get("summary")) or tree.rows(item.get("content"))
    text = "\n\n".join(tree.text(tree.table(piece).get("text")) for piece in pieces)
    sealed = tree.text(item.get("encrypted_content")) or None
    if sealed is None or OURS not in tree.text(item.get("id")):
        return Thinking(text)
    return Thinking(text, signature=sealed) if text else Thinking(redacted=sealed)


def _content(value: Any, at: str) -> tuple[Part, ...]:
    if type(value) is str:
        return (Text(value),)
    if type(value) is not list:
        raise checks.wrong(at, "a string or a list of parts")
    return tuple([_part(checks.table(part, f"{at}[{index}]"), f"{at}[{index}]") for index, part in enumerate(value)])


def _part(part: dict[str, Any], at: str) -> Part:
    kind = checks.name(part.get("type"), f"{at}.type")
    if kind in {"input_text", "output_text", "text"}:
        return Text(checks.text(part.get("text"), f"{at}.text"), parts.read_cache(part))
    if kind == "refusal":
        return Refused(checks.text(part.get("refusal"), f"{at}.refusal"))
    if kind == "input_image" and part.get("image_url") is not None:
        url = checks.name(part["image_url"], f"{at}.image_url")
        detail = checks.optional_text(part.get("detail"), f"{at}.detail")
        return parts.media_of("image", url, detail=detail, cache=parts.read_cache(part))
    if kind == "input_file" and (part.get("file_data") or part.get("file_url")):
        field = "file_data" if part.get("file_data") else "file_url"
        name = checks.optional_text(part.get("filename"), f"{at}.filename")
        return parts.media_of("file", checks.name(part[field], f"{at}.{field}"), name=name)
    if kind == "input_audio":
        return parts.read_audio(part, at)
    return Unknown(kind, part)  # also what is named by an id that only its own service knows


def read_tools(value: Any) -> tuple[tuple[Tool, ...], list[Any]]:
    """The functions among the tools, and the tools of other types as they came."""
    tools: list[Tool] = []
    others: list[Any] = []
    for index, found in enumerate(checks.rows(value, "tools")):
        row = checks.table(found, f"tools[{index}]")
        if row.get("type") == "function":
            tools.append(parts.read_function(row, f"tools[{index}]"))
        else:
            checks.name(row.get("type"), f"tools[{index}].type")
            others.append(row)
    return tuple(tools), others


def read_output(items: list[Any]) -> tuple[tuple[Part, ...], list[Any]]:
    """The parts of an answer, and the log probabilities of its text where there are any."""
    found: list[Part] = []
    logprobs: list[Any] = []
    for item in items:
        row = tree.table(item)
        kind = tree.text(row.get("type"))
        if kind == "message":
            for piece in map(tree.table, tree.rows(row.get("content"))):
                if piece.get("type") == "output_text":
                    found.append(Text(tree.text(piece.get("text"))))
                    logprobs += tree.rows(piece.get("logprobs"))
                elif piece.get("type") == "refusal":
                    found.append(Refused(tree.text(piece.get("refusal"))))
        elif kind == "function_call":
            arguments = tree.text_of_arguments(row.get("arguments"))
            found.append(ToolCall(tree.text(row.get("call_id")), tree.text(row.get("name")), arguments))
        elif kind == "reasoning":
            thought = read_reasoning(row)
            if thought != Thinking():
                found.append(thought)
        else:
            found.append(Unknown(kind, item))
    return tuple(found), logprobs


# ------------------------------------------------------------------------------------------------------------ writing


def write_input(messages: Iterable[Message], profile: Profile) -> list[dict[str, Any]]:
    """A conversation as items. Thinking of other services stays behind: OpenAI takes only its own."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "assistant":
            found += [item for part in message.parts if (item := _spoken(part)) is not None]
            continue
        rest: list[dict[str, Any]] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                output = _result(part)
                found.append({"type": "function_call_output", "call_id": part.id, "output": output})
            else:
                rest.append(write_part(part))
        if rest:
            role = "system" if message.role == "developer" and not profile.developer_role else message.role
            found.append({"type": "message", "role": "user" if role == "tool" else role, "content": rest})
    return found


def _spoken(part: Part) -> dict[str, Any] | None:
    if isinstance(part, Text | Refused):
        return {"type": "message", "role": "assistant", "content": part.text}
    if isinstance(part, ToolCall):
        return {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments}
    if isinstance(part, Thinking):
        return None
    raise parts.unsupported(f"a part of type {parts.kind_of(part)} in an answer of the model")


def _result(result: ToolResult) -> str | list[dict[str, Any]]:
    if all(isinstance(part, Text) for part in result.parts):
        return "\n".join(part.text for part in result.parts if isinstance(part, Text))
    return [write_part(part) for part in result.parts]


def write_part(part: Part) -> dict[str, Any]:
    """A part of a message of the user, or of what a tool gave back."""
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if not isinstance(part, Media):
        raise parts.unsupported(f"a part of type {parts.kind_of(part)}")
    if part.kind == "image":
        return {"type": "input_image", "image_url": parts.url_of(part), "detail": part.detail or "auto"}
    if part.kind == "file" and part.data is None:
        return {"type": "input_file", "file_url": part.url}
    if part.kind == "file":
        return {"type": "input_file", "filename": part.name or "file", "file_data": parts.url_of(part)}
    if part.kind == "audio" and part.data is not None:
        return parts.write_audio(part)
    raise parts.unsupported(f"{part.kind} in this form")


def write_tools(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """Functions; ``strict`` is always said, since its default differs from chat completions."""
    return [{"type": "function", "strict": False, **parts.write_function(tool)} for tool in tools]


def message_item(item_id: str, content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    """The item of what the model says."""
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": content}


def text_part(text: str, logprobs: list[Any]) -> dict[str, Any]:
    """The part of an answer that is text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def call_item(item_id: str, call: str, name: str, arguments: str, status: str) -> dict[str, Any]:
    """The item of one function call."""
    row = {"id": item_id, "type": "function_call", "call_id": call, "name": name, "arguments": arguments}
    return {**row, "status": status}


def reasoning_item(item_id: str, text: str, sealed: str | None, status: str) -> dict[str, Any]:
    """The item of thinking: shown as a summary, its seal as encrypted content."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    row: dict[str, Any] = {"id": item_id, "type": "reasoning", "summary": summary, "status": status}
    return row if sealed is None else {**row, "encrypted_content": sealed}


def write_output(message: Message, stem: str, logprobs: list[Any], status: str) -> list[dict[str, Any]]:
    """The items of an answer. ``stem`` makes their ids unique."""
    found: list[dict[str, Any]] = []
    for part in message.parts:
        number = len(found)
        if isinstance(part, Text | Refused):
            if isinstance(part, Text):
                piece = text_part(part.text, logprobs)
            else:
                piece = {"type": "refusal", "refusal": part.text}
            if found and found[-1]["type"] == "message":
                found[-1]["content"].append(piece)
            else:
                found.append(message_item(item_id("msg", stem, number), [piece], status))
        elif isinstance(part, ToolCall):
            found.append(call_item(item_id("fc", stem, number), part.id, part.name, part.arguments, status))
        elif isinstance(part, Thinking):
            sealed = part.redacted or part.signature
            found.append(reasoning_item(item_id("rs", stem, number), part.text, sealed, status))
    return found


def item_id(kind: str, stem: str, number: int) -> str:
    """The id of an item that was built here."""
    return f"{kind}{OURS}{stem}_{number}"


def fit_input(items: Any, profile: Profile) -> Any:
    """The input of a body in this dialect as a target takes it: without what was built here for other seals."""
    if type(items) is not list:
        return items
    found: list[Any] = []
    for item in items:
        new = item
        if OURS in tree.text(item.get("id")):
            if item.get("type") == "reasoning":
                continue
            new = {name: value for name, value in item.items() if name != "id"}
        if item.get("role") == "developer" and not profile.developer_role:
            new = {**new, "role": "system"}
        found.append(new)
    return found


def stem_of(request: ChatRequest, answer: str = "") -> str:
    """What makes the ids of one answer unique: the id of the request, or of the target's answer."""
    return request.caller.request_id or answer or "0"
