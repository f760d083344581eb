"""Messages, parts, tools and formats of OpenAI's chat completions, read from a parsed body and written to one.

Beyond OpenAI's own shapes, those of the servers that speak its dialect are read: ``video_url`` and ``audio_url``
(vLLM), ``cache_control`` (Anthropic's mark, as OpenRouter takes it), ``reasoning_content``, ``reasoning`` and
``reasoning_details`` (thinking of earlier turns), ``extra_content.google.thought_signature`` (Gemini's own door).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from crossover.chat import (
    CacheTtl,
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
from crossover.errors import UpstreamError
from crossover.wire import checks, failure, media, tree
from crossover.wire.words import Profile

_PLAIN = frozenset({"system", "developer", "user", "assistant"})
_ROLES = ("system", "developer", "user", "assistant", "tool")
_AUDIO = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_AUDIO_FORMATS = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/x-wav": "wav", "audio/wave": "wav"}
REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details")

# ------------------------------------------------------------------------------------------------------------ reading


def read_messages(value: Any) -> tuple[Message, ...]:
    """The messages of a request; RequestError names what is wrong by its path."""
    if type(value) is not list or not value:
        raise checks.wrong("messages", "a list of at least one message")
    found: list[Message] = []
    names: dict[str, str] = {}  # of tools by the id of their call
    for index, row in enumerate(value):
        # Nearly every message is a role and a string.
        if type(row) is dict and len(row) == 2:
            content = row.get("content")
            role = row.get("role")
            if type(content) is str and type(role) is str and role in _PLAIN:
                found.append(Message(role, (Text(content),)))  # type: ignore[arg-type]
                continue
        found.append(_message(row, f"messages[{index}]", names))
    return tuple(found)


def _message(row: Any, at: str, names: dict[str, str]) -> Message:
    row = checks.table(row, at)
    role = row.get("role")
    name = checks.optional_text(row.get("name"), f"{at}.name")
    if role == "assistant":
        parts = _assistant(row, at)
        names.update({part.id: part.name for part in parts if isinstance(part, ToolCall)})
        return Message("assistant", parts, name)
    if role == "tool":
        call = checks.name(row.get("tool_call_id"), f"{at}.tool_call_id")
        content = read_content(row.get("content"), f"{at}.content")
        return Message("tool", (ToolResult(call, content, name or names.get(call), cache=read_cache(row)),))
    if role == "function":  # the shape before tools: kept for targets of this dialect
        return Message("tool", (Unknown("function message", row),), name)
    checks.one_of(role, f"{at}.role", _ROLES)
    return Message(role, read_content(row.get("content"), f"{at}.content"), name)


def _assistant(row: dict[str, Any], at: str) -> tuple[Part, ...]:
    parts: list[Part] = read_thinking(row)
    content = row.get("content")
    if content not in (None, ""):
        parts += read_content(content, f"{at}.content")
    refusal = checks.optional_text(row.get("refusal"), f"{at}.refusal")
    if refusal:
        parts.append(Refused(refusal))
    if row.get("tool_calls") is not None:
        calls = checks.rows(row["tool_calls"], f"{at}.tool_calls")
        parts += [_call(call, f"{at}.tool_calls[{index}]") for index, call in enumerate(calls)]
    parts += [Unknown(kind, row[kind]) for kind in ("function_call", "audio") if row.get(kind) is not None]
    return tuple(parts)


def read_thinking(row: dict[str, Any]) -> list[Part]:
    """Thinking that a message carries; ``reasoning_details`` say more than the plain text and win."""
    details = row.get("reasoning_details")
    parts: list[Part] = []
    for detail in details if type(details) is list else ():
        if type(detail) is not dict:
            continue
        if detail.get("type") == "reasoning.encrypted" and type(detail.get("data")) is str:
            parts.append(Thinking(redacted=detail["data"]))
        elif detail.get("type") in {"reasoning.text", "reasoning.summary"}:
            text = detail.get("text") or detail.get("summary")
            signature = detail.get("signature")
            parts.append(
                Thinking(text if type(text) is str else "", signature if type(signature) is str and signature else None)
            )
    if not parts:
        text = row.get("reasoning_content") or row.get("reasoning")
        if type(text) is str and text:
            parts.append(Thinking(text))
    return parts


def _call(call: Any, at: str) -> Part:
    call = checks.table(call, at)
    if call.get("type", "function") != "function":
        return Unknown(str(call["type"]), call)
    function = checks.table(call.get("function"), f"{at}.function")
    arguments = function.get("arguments")
    if type(arguments) is dict:
        arguments = tree.dump_text(arguments)
    elif arguments is not None:
        checks.text(arguments, f"{at}.function.arguments")
    return ToolCall(
        checks.name(call.get("id"), f"{at}.id"),
        checks.name(function.get("name"), f"{at}.function.name"),
        arguments or "{}",
        google_signature(call),
    )


def google_signature(call: dict[str, Any]) -> str | None:
    """Gemini's thought signature of a tool call, where Google's own OpenAI door puts it."""
    found: Any = call.get("extra_content")
    for key in ("google", "thought_signature"):
        found = found.get(key) if type(found) is dict else None
    return found if type(found) is str else None


def read_content(value: Any, at: str) -> tuple[Part, ...]:
    """The parts of a message's content: a string, or a list of parts."""
    if type(value) is str:
        return (Text(value),)
    if type(value) is not list:
        raise checks.wrong(at, "a string or a list of parts")
    return tuple([_part(part, f"{at}[{index}]") for index, part in enumerate(value)])


def _part(part: Any, at: str) -> Part:
    part = checks.table(part, at)
    kind = checks.name(part.get("type"), f"{at}.type")
    reader = _PARTS.get(kind)
    return Unknown(kind, part) if reader is None else reader(part, at)


def _text(part: dict[str, Any], at: str) -> Part:
    return Text(checks.text(part.get("text"), f"{at}.text"), read_cache(part))


def _url(part: dict[str, Any], at: str) -> Part:
    field: str = part["type"]
    inner = checks.table(part.get(field), f"{at}.{field}")
    url = checks.name(inner.get("url"), f"{at}.{field}.url")
    detail = checks.optional_text(inner.get("detail"), f"{at}.{field}.detail")
    kind: Literal["image", "audio", "video"] = field.removesuffix("_url")  # type: ignore[assignment]
    return media_of(kind, url, detail=detail, cache=read_cache(part))


def read_audio(part: dict[str, Any], at: str) -> Part:
    """A sound in base64."""
    inner = checks.table(part.get("input_audio"), f"{at}.input_audio")
    data = checks.name(inner.get("data"), f"{at}.input_audio.data")
    kind = checks.name(inner.get("format"), f"{at}.input_audio.format")
    return Media("audio", data=data, mime=_AUDIO.get(kind, f"audio/{kind}"), cache=read_cache(part))


def _file(part: dict[str, Any], at: str) -> Part:
    inner = checks.table(part.get("file"), f"{at}.file")
    if inner.get("file_data") is None:
        return Unknown("file", part)  # an id of a file that only its own service knows
    data = checks.name(inner["file_data"], f"{at}.file.file_data")
    return media_of("file", data, name=checks.optional_text(inner.get("filename"), f"{at}.file.filename"))


def _refusal(part: dict[str, Any], at: str) -> Part:
    return Refused(checks.text(part.get("refusal"), f"{at}.refusal"))


_PARTS: dict[str, Callable[[dict[str, Any], str], Part]] = {
    "text": _text,
    "image_url": _url,
    "video_url": _url,
    "audio_url": _url,
    "input_audio": read_audio,
    "file": _file,
    "refusal": _refusal,
}


def media_of(
    kind: Literal["image", "audio", "video", "file"],
    url: str,
    *,
    name: str | None = None,
    detail: str | None = None,
    cache: CacheTtl | None = None,
) -> Media:
    """A medium by its URL; a ``data:`` URL in base64 is taken apart (never decoded), a file's bare base64 is data."""
    if url.startswith("data:"):
        head, comma, data = url.partition(",")
        if comma and head.endswith(";base64"):
            mime = head[5:-7].partition(";")[0]
            return Media(kind, data=data, mime=mime or None, name=name, detail=detail, cache=cache)
    if kind == "file" and "://" not in url[:16]:
        return Media(kind, data=url, name=name, cache=cache)
    return Media(kind, url=url, name=name, detail=detail, cache=cache)


def read_cache(part: dict[str, Any]) -> CacheTtl | None:
    """How long a client wants the prompt cached up to this part."""
    mark = part.get("cache_control")
    if type(mark) is dict and mark.get("type") == "ephemeral":
        return "1h" if mark.get("ttl") == "1h" else "5m"
    # OpenAI's own mark counts in other terms (30 minutes, 12 hours); the shortest is the cheapest to write elsewhere.
    return "5m" if type(part.get("prompt_cache_breakpoint")) is dict else None


def read_tools(value: Any) -> tuple[tuple[Tool, ...], list[Any]]:
    """The functions among the tools of a request, and the tools of other types as they came."""
    tools: list[Tool] = []
    others: list[Any] = []
    for index, found in enumerate(checks.rows(value, "tools")):
        at = f"tools[{index}]"
        row = checks.table(found, at)
        if row.get("type") != "function":
            checks.name(row.get("type"), f"{at}.type")
            others.append(row)
            continue
        tools.append(
            read_function(checks.table(row.get("function"), f"{at}.function"), f"{at}.function", read_cache(row))
        )
    return tuple(tools), others


def read_function(row: dict[str, Any], at: str, cache: CacheTtl | None = None) -> Tool:
    """One function: name, description, JSON Schema of its parameters."""
    parameters = row.get("parameters")
    strict = row.get("strict")
    return Tool(
        name=checks.name(row.get("name"), f"{at}.name"),
        description=checks.optional_text(row.get("description"), f"{at}.description") or "",
        parameters={} if parameters is None else checks.table(parameters, f"{at}.parameters"),
        strict=None if strict is None else checks.flag(strict, f"{at}.strict"),
        cache=cache,
    )


def read_choice(value: Any) -> ToolChoice | None:
    """Which tools may be called; None for a shape that only OpenAI knows (``allowed_tools``, ``custom``)."""
    if type(value) is str:
        mode = checks.one_of(value, "tool_choice", ("auto", "none", "required"))
        return ToolChoice(mode=mode)  # type: ignore[arg-type]
    if checks.table(value, "tool_choice").get("type") != "function":
        return None
    inner = value.get("function", value)  # the Responses API has the name beside the type
    name = checks.name(checks.table(inner, "tool_choice.function").get("name"), "tool_choice.function.name")
    return ToolChoice(mode="named", name=name)


def read_format(value: Any, at: str = "response_format") -> OutputFormat | None:
    """The format of the answer; None for a shape that only some servers know (grammars)."""
    value = checks.table(value, at)
    kind = value.get("type")
    if kind == "text":
        return OutputFormat(kind="text")
    if kind == "json_object":
        return OutputFormat(kind="json")
    if kind != "json_schema":
        checks.name(kind, f"{at}.type")
        return None
    if "json_schema" in value or "schema" not in value:  # the Responses API has the schema beside the type
        at += ".json_schema"
        value = checks.table(value.get("json_schema"), at)
    strict = value.get("strict")
    return OutputFormat(
        kind="schema",
        name=checks.name(value.get("name"), f"{at}.name"),
        schema=checks.table(value.get("schema", {}), f"{at}.schema"),
        strict=None if strict is None else checks.flag(strict, f"{at}.strict"),
        description=checks.optional_text(value.get("description"), f"{at}.description") or "",
    )


# ------------------------------------------------------------------------------------------------------------ writing


def write_messages(messages: Iterable[Message], profile: Profile) -> list[dict[str, Any]]:
    """Messages for a target. Media in tool results follow the results in a message of the user, as OpenAI wants it."""
    found: list[dict[str, Any]] = []
    carried: list[dict[str, Any]] = []
    for message in messages:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        rest = [part for part in message.parts if not isinstance(part, ToolResult)]
        if carried and not results:
            found.append({"role": "user", "content": carried})
            carried = []
        for result in results:
            found.append({"role": "tool", "tool_call_id": result.id, "content": _result_text(result)})
            carried += [write_part(part, profile) for part in result.parts if isinstance(part, Media)]
        if message.role == "assistant":
            found.append(_write_assistant(rest, profile))
        elif rest or not results:
            role = "system" if message.role == "developer" and not profile.developer_role else message.role
            row: dict[str, Any] = {"role": "user" if role == "tool" else role, "content": _write_content(rest, profile)}
            if message.name is not None:
                row["name"] = message.name
            found.append(row)
    if carried:
        found.append({"role": "user", "content": carried})
    return found


def _result_text(result: ToolResult) -> str:
    for part in result.parts:
        if not isinstance(part, Text | Media):
            raise unsupported(f"a part of type {kind_of(part)} in a tool result")
    texts = [part.text for part in result.parts if isinstance(part, Text)]
    # A tool message must have content; what it gave back is in the message that follows.
    return "\n".join(texts) if texts or not result.parts else "The result follows."


def _write_assistant(parts: Sequence[Part], profile: Profile) -> dict[str, Any]:
    row: dict[str, Any] = {"role": "assistant", "content": None}
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Text | Refused):
            texts.append(part.text)
        elif isinstance(part, Thinking):
            thoughts.append(part.text)
        elif isinstance(part, ToolCall):
            calls.append(write_call(part))
        else:
            raise unsupported(f"a part of type {kind_of(part)} in an answer of the model")
    if texts or not calls:
        row["content"] = "".join(texts)
    if profile.reasoning_field is not None and any(thoughts):
        row[profile.reasoning_field] = "".join(thoughts)
    if calls:
        row["tool_calls"] = calls
    return row


def write_call(part: ToolCall) -> dict[str, Any]:
    """A tool call of an answer or of history."""
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}


def _write_content(parts: Sequence[Part], profile: Profile) -> str | list[dict[str, Any]]:
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) == len(parts):
        if len(texts) == 1:
            return texts[0]
        if profile.flatten_text or not texts:
            return "\n".join(texts)
    elif profile.flatten_text:
        raise unsupported("content other than text")
    return [write_part(part, profile) for part in parts]


def write_part(part: Part, profile: Profile) -> dict[str, Any]:
    """One part of a user's message."""
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if not isinstance(part, Media):
        raise unsupported(f"a part of type {kind_of(part)}")
    if profile.flatten_text:
        raise unsupported("content other than text")
    if part.kind == "audio" and part.data is not None:
        return write_audio(part)
    if part.kind == "file":
        if part.data is None:
            raise unsupported("a file by its URL")
        data = url_of(part)
        return {"type": "file", "file": {"filename": part.name or "file", "file_data": data}}
    field = f"{part.kind}_url"
    inner = {"url": url_of(part)}
    if part.detail is not None:
        inner["detail"] = part.detail
    return {"type": field, field: inner}


def write_audio(part: Media) -> dict[str, Any]:
    """A sound, in bare base64 as OpenAI wants it."""
    mime = part.mime or "audio/wav"
    kind = _AUDIO_FORMATS.get(mime, mime.partition("/")[2])
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": kind}}


def url_of(part: Media) -> str:
    """A medium as one URL."""
    found = media.inline(part)
    return f"data:{found[0]};base64,{found[1]}" if found is not None else str(part.url)


def fit_messages(messages: list[Any], profile: Profile) -> list[Any]:
    """The messages of a body in this dialect as a target takes them; the very same list where nothing must change."""
    found = messages
    for index, row in enumerate(messages):
        role = row["role"]
        new = row
        if role == "developer" and not profile.developer_role:
            new = {**row, "role": "system"}
        elif role == "assistant" and len(row) > 2:
            new = _fit_thoughts(row, profile)
        if profile.flatten_text and type(row.get("content")) is list:
            content = read_content(row["content"], f"messages[{index}].content")
            new = {**new, "content": _write_content(content, profile)}
        if new is not row:
            if found is messages:
                found = list(messages)
            found[index] = new
    return found


def _fit_thoughts(row: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """Thinking of earlier turns under the target's own name for it, or left out: some refuse what they do not know."""
    if not any(field in row for field in REASONING_FIELDS):
        return row
    new = {name: value for name, value in row.items() if name not in REASONING_FIELDS}
    if profile.reasoning_field is not None:
        text = row.get("reasoning_content") or row.get("reasoning")
        if text:
            new[profile.reasoning_field] = text
        if row.get("reasoning_details"):
            new["reasoning_details"] = row["reasoning_details"]
    return new


def read_chunks(value: Any) -> tuple[str, str]:
    """Text and thinking of content that is a list, as Mistral's reasoning models answer; other pieces are left out."""
    texts: list[str] = []
    thoughts: list[str] = []
    for piece in tree.rows(value):
        row = tree.table(piece)
        if row.get("type") == "text":
            texts.append(tree.text(row.get("text")))
        elif row.get("type") == "thinking":
            inner = row.get("thinking")
            thoughts += [inner] if type(inner) is str else [read_chunks(inner)[0]]
    return "".join(texts), "".join(thoughts)


def write_answered_call(part: ToolCall) -> dict[str, Any]:
    """A tool call of an answer; Gemini's signature goes where Google's own OpenAI door puts it."""
    row = write_call(part)
    if part.signature is not None:
        row["extra_content"] = {"google": {"thought_signature": part.signature}}
    return row


def write_thought(part: Thinking, index: int) -> dict[str, Any]:
    """Thinking with its seal, in the shape OpenRouter made common; a client sends it back as it came."""
    if part.redacted is not None:
        return {"type": "reasoning.encrypted", "data": part.redacted, "index": index}
    return {"type": "reasoning.text", "text": part.text, "signature": part.signature, "index": index}


def write_tools(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """Tools as OpenAI's chat completions take them."""
    return [{"type": "function", "function": write_function(tool)} for tool in tools]


def write_function(tool: Tool) -> dict[str, Any]:
    """One function."""
    row: dict[str, Any] = {"name": tool.name}
    if tool.description:
        row["description"] = tool.description
    row["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict is not None:
        row["strict"] = tool.strict
    return row


def write_choice(choice: ToolChoice) -> str | dict[str, Any]:
    """Which tools may be called."""
    return {"type": "function", "function": {"name": choice.name}} if choice.mode == "named" else choice.mode


def write_format(output: OutputFormat) -> dict[str, Any]:
    """The format of the answer."""
    if output.kind != "schema":
        return {"type": "json_object" if output.kind == "json" else "text"}
    return {"type": "json_schema", "json_schema": write_schema(output)}


def write_schema(output: OutputFormat) -> dict[str, Any]:
    """The schema of an answer with its name."""
    row: dict[str, Any] = {"name": output.name, "schema": output.schema or {}}
    if output.strict is not None:
        row["strict"] = output.strict
    if output.description:
        row["description"] = output.description
    return row


def unsupported(what: str) -> UpstreamError:
    """The error that the dialect of a target has no word for something of the request."""
    return failure.unsupported(f"the target does not take {what}")


def kind_of(part: Part) -> str:
    """A word for a part, for messages."""
    return part.kind if isinstance(part, Unknown) else type(part).__name__.lower()
