"""Answering clients that speak the Gemini dialect: ``POST /v1beta/models/MODEL:generateContent`` and its stream.

The model's name and whether to stream are parts of the URL; the gateway hands them over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crossover.chat import (
    Caller,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Delta,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Served,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolDelta,
    ToolResult,
    Unknown,
)
from crossover.errors import CrossoverError, InputError
from crossover.usage import Usage
from crossover.wire import checks, tree, turns
from crossover.wire.gemini import shapes

_KNOWN = frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "model"})
_CONFIG_KNOWN = frozenset(
    {
        "temperature",
        "topP",
        "topK",
        "candidateCount",
        "maxOutputTokens",
        "stopSequences",
        "presencePenalty",
        "frequencyPenalty",
        "seed",
        "responseLogprobs",
        "logprobs",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "thinkingConfig",
    }
)
_STATUS_NAME = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


# -------------------------------------------------------------------------------------------------------------- read


def read_request(tree: dict[str, Any], caller: Caller, *, model: str, stream: bool) -> ChatRequest:
    """The request of a parsed body. RequestError 400 names the field that is wrong."""
    checks.table(tree, "the body")
    said = _named(tree, _KNOWN)
    config = _named(checks.table(said.get("generationConfig") or {}, "generationConfig"), _CONFIG_KNOWN)
    tools, server_tools = _tools(said.get("tools"))
    choice, allowed = _choice(said.get("toolConfig"))
    extra = {name: value for name, value in said.items() if name not in _KNOWN}
    extra.update({name: value for name, value in config.items() if name not in _CONFIG_KNOWN})
    if server_tools:
        extra["server_tools"] = server_tools
    return ChatRequest(
        model=checks.name(model, "model"),
        messages=(*_system(said.get("systemInstruction")), *_messages(said.get("contents"))),
        tools=tuple(tool for tool in tools if not allowed or tool.name in allowed),
        tool_choice=choice,
        output=_output(config),
        reasoning=_reasoning(config.get("thinkingConfig")),
        max_tokens=_whole(config, "maxOutputTokens"),
        temperature=_number(config, "temperature"),
        top_p=_number(config, "topP"),
        top_k=_whole(config, "topK"),
        presence_penalty=_number(config, "presencePenalty"),
        frequency_penalty=_number(config, "frequencyPenalty"),
        seed=_whole(config, "seed"),
        stop=_stop(config.get("stopSequences")),
        n=_whole(config, "candidateCount") or 1,
        logprobs=checks.flag(config.get("responseLogprobs") or False, "generationConfig.responseLogprobs"),
        top_logprobs=_whole(config, "logprobs"),
        stream=stream,
        include_usage=True,
        extra=extra or None,
        dialect="gemini",
        tree=tree,
        caller=caller,
    )


def _named(table: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The table with the known names in camel case, however they were written."""
    found = dict(table)
    for name in known:
        value = shapes.field(found, name)
        if value is not None:
            found.pop(shapes.underscored(name), None)
            found[name] = value
    return found


def _number(config: dict[str, Any], name: str) -> float | None:
    return None if config.get(name) is None else checks.number(config[name], f"generationConfig.{name}")


def _whole(config: dict[str, Any], name: str) -> int | None:
    value = config.get(name)
    if type(value) is float and value.is_integer():
        value = int(value)  # the official SDK writes topK as 40.0
    return None if value is None else checks.whole(value, f"generationConfig.{name}")


def _stop(said: Any) -> tuple[str, ...]:
    at = "generationConfig.stopSequences"
    return tuple(checks.text(stop, f"{at}[{place}]") for place, stop in enumerate(checks.rows(said or [], at)))


def _system(said: Any) -> Iterable[Message]:
    if not said:
        return
    parts: tuple[Part, ...]
    if type(said) is str:
        parts = (Text(said),)
    else:
        rows = checks.rows(checks.table(said, "systemInstruction").get("parts"), "systemInstruction.parts")
        parts = shapes.parts_of(rows, turns.Calls())
    yield Message("system", parts)


def _messages(said: Any) -> Iterable[Message]:
    contents = checks.rows([said] if type(said) is dict else said, "contents")
    if not contents:
        raise checks.wrong("contents", "a list with a content in it")
    calls = turns.Calls()
    for place, content in enumerate(contents):
        at = f"contents[{place}]"
        role = checks.one_of(checks.table(content, at).get("role") or "user", f"{at}.role", _ROLES)
        rows = checks.rows(content.get("parts") or [], f"{at}.parts")
        for index, row in enumerate(rows):
            checks.table(row, f"{at}.parts[{index}]")
        parts = shapes.parts_of(rows, calls)
        if role == "model":
            yield Message("assistant", parts)
            continue
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        others = tuple(part for part in parts if not isinstance(part, ToolResult))
        if results:
            yield Message("tool", results)
        if others or not results:
            yield Message("user", others)


_ROLES = ("user", "model", "function", "tool")


def _tools(said: Any) -> tuple[list[Tool], list[dict[str, Any]]]:
    """Functions of the client, and the tools that only Google runs."""
    own: list[Tool] = []
    server: list[dict[str, Any]] = []
    for place, row in enumerate(checks.rows(said or [], "tools")):
        at = f"tools[{place}]"
        declared = shapes.field(checks.table(row, at), "functionDeclarations")
        others = {name: value for name, value in row.items() if not name.startswith("function")}
        if others:
            server.append(others)
        for index, declaration in enumerate(checks.rows(declared or [], f"{at}.functionDeclarations")):
            own.append(_tool(declaration, f"{at}.functionDeclarations[{index}]"))
    return own, server


def _tool(said: Any, at: str) -> Tool:
    row = checks.table(said, at)
    schema = shapes.field(row, "parametersJsonSchema")
    if schema is None:
        schema = json_schema(row.get("parameters") or {})
    return Tool(
        name=checks.name(row.get("name"), f"{at}.name"),
        description=checks.text(row.get("description") or "", f"{at}.description"),
        parameters=checks.table(schema, f"{at}.parameters"),
    )


def json_schema(schema: Any, depth: int = 0) -> Any:
    """A schema of Google's own kind (types in capitals, ``nullable``) as JSON Schema."""
    if depth > 64:
        return schema
    if type(schema) is list:
        return [json_schema(each, depth + 1) for each in schema]
    if type(schema) is not dict:
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        name = str(_SCHEMA_NAMES.get(key, key))
        if name == "type" and type(value) is str:
            made[name] = value.lower()
        elif name == "properties" and type(value) is dict:
            made[name] = {each: json_schema(child, depth + 1) for each, child in value.items()}
        elif name in _WHOLE and type(value) is str and value.isdecimal():
            made[name] = int(value)  # 64-bit numbers travel as text
        elif name in ("items", "anyOf", "prefixItems"):
            made[name] = json_schema(value, depth + 1)
        elif name not in ("nullable", "propertyOrdering"):
            made[name] = value
    if schema.get("nullable") is True and type(made.get("type")) is str:
        made["type"] = [made["type"], "null"]
    return made


_SCHEMA_NAMES = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "property_ordering": "propertyOrdering",
}
_WHOLE = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})


def _choice(said: Any) -> tuple[ToolChoice | None, list[str]]:
    """The choice, and the names it is limited to where it is limited to more than one."""
    if said is None:
        return None, []
    at = "toolConfig.functionCallingConfig"
    calling = checks.table(shapes.field(checks.table(said, "toolConfig"), "functionCallingConfig") or {}, at)
    mode = checks.text(calling.get("mode") or "AUTO", f"{at}.mode").upper()
    allowed = [name for name in tree.rows(shapes.field(calling, "allowedFunctionNames")) if type(name) is str]
    checks.one_of(mode, f"{at}.mode", ("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED"))
    if mode == "NONE":
        return ToolChoice(mode="none"), []
    if mode == "ANY" and len(allowed) == 1:
        return ToolChoice(mode="named", name=allowed[0]), []
    return ToolChoice(mode="required" if mode == "ANY" else "auto"), allowed


def _output(config: dict[str, Any]) -> OutputFormat | None:
    schema = config.get("responseJsonSchema")
    if schema is None and config.get("responseSchema") is not None:
        schema = json_schema(config["responseSchema"])
    if schema is not None:
        return OutputFormat(kind="schema", schema=checks.table(schema, "generationConfig.responseSchema"))
    return OutputFormat(kind="json") if config.get("responseMimeType") == "application/json" else None


def _reasoning(said: Any) -> Reasoning | None:
    if said is None:
        return None
    at = "generationConfig.thinkingConfig"
    thinking = checks.table(said, at)
    level, budget = shapes.field(thinking, "thinkingLevel"), shapes.field(thinking, "thinkingBudget")
    if level is not None:
        return Reasoning(effort=checks.text(level, f"{at}.thinkingLevel").lower())
    if budget is not None and checks.whole(budget, f"{at}.thinkingBudget") >= 0:
        return Reasoning(budget_tokens=budget)
    return Reasoning()  # -1: as the model likes


# ------------------------------------------------------------------------------------------------------------- write


def write_response(response: ChatResponse, request: ChatRequest) -> bytes:
    """The body of a whole answer: the target's own bytes where it speaks this dialect."""
    if response.raw is not None and response.dialect == "gemini":
        return response.raw
    candidates = []
    for choice in response.choices:
        parts = [part for part in choice.message.parts if not isinstance(part, Unknown)]
        rows = [row for part in parts if (row := shapes.row_of(part, {})) is not None]
        candidate = _candidate(choice.index, rows, shapes.REASON_OF[choice.finish])
        logprobs = shapes.logprob_fields(choice.logprobs)
        if logprobs is not None:
            candidate["logprobsResult"] = logprobs
        candidates.append(candidate)
    return tree.dump(_body(candidates, response.usage, response.model or request.model, response.id))


def _candidate(index: int, rows: list[dict[str, Any]], reason: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": rows}, "index": index}
    if reason is not None:
        candidate["finishReason"] = reason
    return candidate


def _body(candidates: list[dict[str, Any]], usage: Usage | None, model: str, id: str) -> dict[str, Any]:  # noqa: A002
    body: dict[str, Any] = {"candidates": candidates, "modelVersion": model}
    if usage is not None:
        body["usageMetadata"] = shapes.usage_fields(usage)
    if id:
        body["responseId"] = id
    return body


class StreamWriter:
    """Chunks in, server-sent events out; ``array`` writes one JSON array, as for clients that left out ``alt=sse``.

    The dialect has no fragments of calls: a call is written when it is whole.
    """

    def __init__(self, request: ChatRequest, *, array: bool = False) -> None:
        self._request = request
        self._array = array
        self._passed = False
        self._pieces = 0
        self._calls: dict[tuple[int, int], ToolDelta] = {}
        self._finish: dict[int, str] = {}
        self._thinking = False  # whether the last words were thoughts: a signature alone belongs to them
        self._usage: Usage | None = None
        self._model = request.model
        self._id = ""

    def write(self, chunk: ChatChunk) -> bytes:
        """The bytes of one chunk."""
        if chunk.raw is not None and chunk.dialect == "gemini":
            self._passed = True
            return self._again(chunk.raw) if self._array else chunk.raw
        if self._passed:
            return b""
        self._usage = chunk.usage or self._usage
        self._model = chunk.model or self._model
        self._id = chunk.id or self._id
        rows: dict[int, list[dict[str, Any]]] = {}
        logprobs: dict[int, Any] = {}
        for delta in chunk.deltas:
            rows.setdefault(delta.choice, []).extend(self._rows(delta))
            if delta.logprobs is not None:
                logprobs[delta.choice] = shapes.logprob_fields(delta.logprobs)
        candidates = [_candidate(choice, found, None) for choice, found in rows.items() if found or choice in logprobs]
        for candidate in candidates:
            if logprobs.get(candidate["index"]) is not None:
                candidate["logprobsResult"] = logprobs[candidate["index"]]
        return self._piece(_body(candidates, self._usage, self._model, self._id)) if candidates else b""

    def end(self, served: Served | None = None) -> bytes:  # noqa: ARG002
        """The end of an answer that is whole: calls not yet written, reasons to stop, and usage."""
        if self._passed:
            return self._close()
        choices = sorted({0, *self._finish, *(choice for choice, _ in self._calls)})
        candidates = []
        for choice in choices:
            rows = [row for key in list(self._calls) if key[0] == choice for row in self._flush(key)]
            candidates.append(_candidate(choice, rows, self._finish.get(choice, "STOP")))
        return self._piece(_body(candidates, self._usage, self._model, self._id)) + self._close()

    def error(self, error: CrossoverError) -> bytes:
        """The end of an answer that failed."""
        return self._piece({"error": error_fields(error)[1]}) + self._close()

    def _rows(self, delta: Delta) -> Iterable[dict[str, Any]]:
        if delta.tool is not None:
            yield from self._tool(delta.choice, delta.tool)
        parts: list[Part] = []
        if delta.thinking or delta.signature:
            parts.append(Thinking(delta.thinking, delta.signature))
        if delta.text or delta.refusal:
            parts.append(Text(delta.text + delta.refusal))
        if delta.media is not None:
            parts.append(delta.media)
        for part in parts:
            row = shapes.row_of(part, {})
            if row is not None:
                if self._thinking and row.get("text") == "":
                    row["thought"] = True
                self._thinking = row.get("thought") is True
                yield row
        if delta.finish is not None:
            self._finish[delta.choice] = shapes.REASON_OF[delta.finish]

    def _tool(self, choice: int, tool: ToolDelta) -> Iterable[dict[str, Any]]:
        key = (choice, tool.index)
        held = self._calls.get(key)
        if held is None:
            # The calls before it are whole now.
            yield from (row for before in list(self._calls) if before[0] == choice for row in self._flush(before))
            held = ToolDelta(index=tool.index)
        self._calls[key] = ToolDelta(
            index=tool.index,
            id=held.id or tool.id,
            name=held.name or tool.name,
            arguments=held.arguments + tool.arguments,
            signature=held.signature or tool.signature,
        )

    def _flush(self, key: tuple[int, int]) -> Iterable[dict[str, Any]]:
        call = self._calls.pop(key)
        part = ToolCall(call.id or "", call.name or "unknown", call.arguments, call.signature)
        row = shapes.row_of(part, {})
        if row is not None:
            yield row

    def _piece(self, body: dict[str, Any]) -> bytes:
        return self._put(tree.dump(body))

    def _put(self, text: bytes) -> bytes:
        if not self._array:
            return b"data: " + text + b"\r\n\r\n"
        self._pieces += 1
        return (b"[" if self._pieces == 1 else b",\r\n") + text

    def _again(self, raw: bytes) -> bytes:
        """A server-sent event of the target as an element of the array."""
        lines = (line.removeprefix(b"data:").strip() for line in raw.splitlines() if line.startswith(b"data:"))
        text = b"".join(lines)
        return self._put(text) if text else b""

    def _close(self) -> bytes:
        if not self._array:
            return b""
        return b"]" if self._pieces else b"[]"


def write_error(error: CrossoverError) -> tuple[int, bytes]:
    """Status and body of an error."""
    status, fields = error_fields(error)
    return status, tree.dump({"error": fields})


def error_fields(error: CrossoverError) -> tuple[int, dict[str, Any]]:
    """Status of an error, and its code, message, status name and how long to wait."""
    status = int(getattr(error, "status", 400 if isinstance(error, InputError) else 500))
    message = error.message if error.hint is None else f"{error.message.rstrip('.')}. {error.hint}"
    name = _STATUS_NAME.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    fields: dict[str, Any] = {"code": status, "message": message, "status": name}
    wait = getattr(error, "retry_after_s", None)
    if wait is not None:
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        fields["details"] = [{"@type": kind, "retryDelay": f"{max(0.0, wait):g}s"}]
    return status, fields
