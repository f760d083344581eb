"""Answering clients that speak the Anthropic dialect: ``POST /v1/messages``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crossover.chat import (
    Caller,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Delta,
    Finish,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Served,
    Text,
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
from crossover.wire.anthropic import shapes

_KNOWN = frozenset(
    {
        "model",
        "messages",
        "system",
        "max_tokens",
        "tools",
        "tool_choice",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        "metadata",
        "thinking",
        "output_config",
        "output_format",
        "stream",
    }
)
# What a block must hold: its kind, the field, and whether the field may be empty.
_NEEDED = {
    "text": ("text",),
    "tool_use": ("id", "name"),
    "tool_result": ("tool_use_id",),
    "thinking": ("thinking",),
    "redacted_thinking": ("data",),
}
_TYPE_OF_STATUS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


# -------------------------------------------------------------------------------------------------------------- read


def read_request(tree: dict[str, Any], caller: Caller) -> ChatRequest:
    """The request of a parsed body. RequestError 400 names the field that is wrong."""
    checks.table(tree, "the body")
    metadata = checks.table(tree.get("metadata") or {}, "metadata")
    config = checks.table(tree.get("output_config") or {}, "output_config")
    tools, server_tools = _tools(tree.get("tools"))
    choice, parallel = _choice(tree.get("tool_choice"))
    most = tree.get("max_tokens")
    extra = {name: value for name, value in tree.items() if name not in _KNOWN}
    if server_tools:
        extra["server_tools"] = server_tools
    return ChatRequest(
        model=checks.name(tree.get("model"), "model"),
        messages=(*_system(tree.get("system")), *_messages(tree.get("messages"))),
        tools=tools,
        tool_choice=choice,
        parallel_tools=parallel,
        output=_output(config.get("format") or tree.get("output_format")),
        reasoning=_reasoning(tree.get("thinking"), config.get("effort")),
        max_tokens=None if most is None else checks.whole(most, "max_tokens", 1),
        temperature=_number(tree, "temperature"),
        top_p=_number(tree, "top_p"),
        top_k=None if tree.get("top_k") is None else checks.whole(tree["top_k"], "top_k"),
        stop=_stop(tree.get("stop_sequences")),
        user=checks.optional_text(metadata.get("user_id"), "metadata.user_id"),
        stream=checks.flag(tree.get("stream") or False, "stream"),
        include_usage=True,
        extra=extra or None,
        dialect="anthropic",
        tree=tree,
        caller=caller,
    )


def _number(tree: dict[str, Any], name: str) -> float | None:
    return None if tree.get(name) is None else checks.number(tree[name], name)


def _stop(said: Any) -> tuple[str, ...]:
    stops = checks.rows(said or [], "stop_sequences")
    return tuple(checks.text(stop, f"stop_sequences[{index}]") for index, stop in enumerate(stops))


def _system(said: Any) -> Iterable[Message]:
    if not said:
        return
    if type(said) is str:
        yield Message("system", (Text(said),))
        return
    yield Message("system", tuple(_blocks(said, "system")))


def _messages(said: Any) -> Iterable[Message]:
    rows = checks.rows(said, "messages")
    if not rows:
        raise checks.wrong("messages", "a list with a message in it")
    calls = turns.Calls()
    for index, said_row in enumerate(rows):
        at = f"messages[{index}]"
        row = checks.table(said_row, at)
        role = checks.one_of(row.get("role"), f"{at}.role", ("user", "assistant", "system"))
        content = row.get("content")
        parts = (Text(content),) if type(content) is str else tuple(_blocks(content, f"{at}.content"))
        if role == "user":
            yield from _user(parts, calls)
        else:
            for part in parts:
                if isinstance(part, ToolCall):
                    calls.call(part.name, part.id)
            yield Message("assistant" if role == "assistant" else "system", parts)


def _user(parts: tuple[Part, ...], calls: turns.Calls) -> Iterable[Message]:
    """A user's turn: first the results of tools, as a message of their own, then what the user says."""
    results = tuple(_named(part, calls) for part in parts if isinstance(part, ToolResult))
    others = tuple(part for part in parts if not isinstance(part, ToolResult))
    if results:
        yield Message("tool", results)
    if others or not results:
        yield Message("user", others)


def _named(part: ToolResult, calls: turns.Calls) -> ToolResult:
    id, name = calls.result(part.id, None)  # noqa: A001
    return ToolResult(id, part.parts, name, part.is_error, part.cache)


def _blocks(said: Any, at: str) -> Iterable[Part]:
    if type(said) is not list:
        raise checks.wrong(at, "a string or a list of content blocks")
    for index, block in enumerate(said):
        here = f"{at}[{index}]"
        kind = checks.name(checks.table(block, here).get("type"), f"{here}.type")
        for field in _NEEDED.get(kind, ()):
            checks.text(block.get(field), f"{here}.{field}")
        if kind == "tool_result":
            content = block.get("content") or []
            parts = (Text(content),) if type(content) is str else tuple(_blocks(content, f"{here}.content"))
            failed = block.get("is_error") is True
            yield ToolResult(block["tool_use_id"], parts, None, failed, shapes.cache_of(block))
        else:
            yield shapes.part_of(block)


def _tools(said: Any) -> tuple[tuple[Tool, ...], list[dict[str, Any]]]:
    """Functions of the client, and the tools that only Anthropic runs."""
    own: list[Tool] = []
    server: list[dict[str, Any]] = []
    for index, row in enumerate(checks.rows(said or [], "tools")):
        at = f"tools[{index}]"
        if checks.table(row, at).get("type") not in (None, "custom"):
            server.append(row)
            continue
        own.append(
            Tool(
                name=checks.name(row.get("name"), f"{at}.name"),
                description=checks.text(row.get("description") or "", f"{at}.description"),
                parameters=checks.table(row.get("input_schema"), f"{at}.input_schema"),
                strict=None if row.get("strict") is None else checks.flag(row["strict"], f"{at}.strict"),
                cache=shapes.cache_of(row),
            )
        )
    return tuple(own), server


def _choice(said: Any) -> tuple[ToolChoice | None, bool | None]:
    if said is None:
        return None, None
    choice = checks.table(said, "tool_choice")
    kind = checks.one_of(choice.get("type"), "tool_choice.type", ("auto", "any", "tool", "none"))
    parallel = False if choice.get("disable_parallel_tool_use") is True else None
    if kind == "tool":
        return ToolChoice(mode="named", name=checks.name(choice.get("name"), "tool_choice.name")), parallel
    if kind == "any":
        return ToolChoice(mode="required"), parallel
    return ToolChoice(mode="none" if kind == "none" else "auto"), parallel


def _output(said: Any) -> OutputFormat | None:
    if said is None:
        return None
    form = checks.table(said, "output_config.format")
    checks.one_of(form.get("type"), "output_config.format.type", ("json_schema",))
    return OutputFormat(kind="schema", schema=checks.table(form.get("schema"), "output_config.format.schema"))


def _reasoning(said: Any, effort: Any) -> Reasoning | None:
    effort = checks.optional_text(effort, "output_config.effort")
    if said is None:
        return None if effort is None else Reasoning(effort=effort)
    thinking = checks.table(said, "thinking")
    match checks.name(thinking.get("type"), "thinking.type"):
        case "disabled":
            return Reasoning(effort=effort, budget_tokens=0)
        case "enabled":
            budget = checks.whole(thinking.get("budget_tokens"), "thinking.budget_tokens", 1)
            return Reasoning(effort=effort, budget_tokens=budget)
        case _:
            return Reasoning(effort=effort)


# ------------------------------------------------------------------------------------------------------------- write


def write_response(response: ChatResponse, request: ChatRequest) -> bytes:
    """The body of a whole answer: the target's own bytes where it speaks this dialect."""
    if response.raw is not None and response.dialect == "anthropic":
        return response.raw
    choice = response.choices[0]
    parts = [part for part in choice.message.parts if not isinstance(part, Unknown)]
    return tree.dump(
        {
            "id": message_id(response.id, request),
            "type": "message",
            "role": "assistant",
            "model": response.model or request.model,
            "content": [block for block in map(shapes.block_of, parts) if block is not None],
            "stop_reason": shapes.REASON_OF[choice.finish],
            "stop_sequence": None,
            "usage": shapes.usage_fields(response.usage),
        }
    )


def message_id(id: str, request: ChatRequest) -> str:  # noqa: A002
    """An answer's id: the target's own, else made of the request's."""
    return id or f"msg_{request.caller.request_id or 'crossover'}"


def event(kind: str, fields: dict[str, Any]) -> bytes:
    """One named event."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), tree.dump({"type": kind, **fields}))


class StreamWriter:
    """Chunks in, events out. What is written after the target's own bytes were passed on once is passed on too."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._passed = False
        self._begun = False
        self._open: tuple[int, str] | None = None  # place and kind of the open content block
        self._blocks = 0
        self._tools: dict[int, int] = {}  # the block of each tool call
        self._waiting: dict[int, ToolDelta] = {}  # calls whose name has not come
        self._finish: Finish | None = None
        self._usage: Usage | None = None

    def write(self, chunk: ChatChunk) -> bytes:
        """The bytes of one chunk."""
        if chunk.raw is not None and chunk.dialect == "anthropic":
            self._passed = True
            return chunk.raw
        if self._passed:
            return b""
        self._usage = chunk.usage or self._usage
        out = [] if self._begun else [self._start(chunk)]
        for delta in chunk.deltas:
            if delta.choice == 0:
                out += self._delta(delta)
        return b"".join(out)

    def end(self, served: Served | None = None) -> bytes:  # noqa: ARG002
        """The end of an answer that is whole."""
        if self._passed:
            return b""
        out = [] if self._begun else [self._start(ChatChunk())]
        out += [piece for index in list(self._waiting) for piece in self._tool(ToolDelta(index=index, name="unknown"))]
        out.append(self._close())
        delta = {"stop_reason": shapes.REASON_OF[self._finish or "stop"], "stop_sequence": None}
        out.append(event("message_delta", {"delta": delta, "usage": shapes.usage_fields(self._usage)}))
        out.append(event("message_stop", {}))
        return b"".join(out)

    def error(self, error: CrossoverError) -> bytes:
        """The end of an answer that failed: an error event and no ``message_stop``."""
        return event("error", {"error": error_fields(error)[1]})

    def _start(self, chunk: ChatChunk) -> bytes:
        self._begun = True
        message: dict[str, Any] = {
            "id": message_id(chunk.id, self._request),
            "type": "message",
            "role": "assistant",
            "model": chunk.model or self._request.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": shapes.usage_fields(self._usage),
        }
        return event("message_start", {"message": message})

    def _delta(self, delta: Delta) -> Iterable[bytes]:
        if delta.thinking:
            yield from self._piece("thinking", {"type": "thinking_delta", "thinking": delta.thinking})
        if delta.signature:
            yield from self._piece("thinking", {"type": "signature_delta", "signature": delta.signature})
        if delta.redacted is not None:
            yield self._close()
            yield self._block("redacted_thinking", {"data": delta.redacted})
            yield self._close()
        if delta.text:
            yield from self._piece("text", {"type": "text_delta", "text": delta.text})
        if delta.refusal:
            yield from self._piece("text", {"type": "text_delta", "text": delta.refusal})
            self._finish = "content_filter"
        if delta.media is not None:
            yield self._close()
            yield self._block("image", shapes.block_of(delta.media) or {})
            yield self._close()
        if delta.tool is not None:
            yield from self._tool(delta.tool)
        # A refusal in words stays one, whatever word the target ends with.
        if delta.finish is not None and self._finish != "content_filter":
            self._finish = delta.finish

    def _piece(self, kind: str, delta: dict[str, Any]) -> Iterable[bytes]:
        if self._open is None or self._open[1] != kind:
            yield self._close()
            yield self._block(kind, {"text": ""} if kind == "text" else {"thinking": "", "signature": ""})
        yield event("content_block_delta", {"index": self._blocks - 1, "delta": delta})

    def _tool(self, tool: ToolDelta) -> Iterable[bytes]:
        place = self._tools.get(tool.index)
        if place is None:
            # A block starts with its name, which some servers send late.
            held = self._waiting.pop(tool.index, ToolDelta(index=tool.index))
            name, id = held.name or tool.name, held.id or tool.id  # noqa: A001
            arguments = held.arguments + tool.arguments
            if not name:
                self._waiting[tool.index] = ToolDelta(index=tool.index, id=id, arguments=arguments)
                return
            yield self._close()
            place = self._tools[tool.index] = self._blocks
            safe = shapes.safe_id(id or f"{turns.SYNTHETIC}{tool.index}")
            yield self._block("tool_use", {"id": safe, "name": name, "input": {}})
        else:
            arguments = tool.arguments
        if arguments:
            yield event("content_block_delta", {"index": place, "delta": _fragment(arguments)})

    def _block(self, kind: str, fields: dict[str, Any]) -> bytes:
        place = self._blocks
        self._blocks += 1
        self._open = (place, kind)
        return event("content_block_start", {"index": place, "content_block": {"type": kind, **fields}})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        place, self._open = self._open[0], None
        return event("content_block_stop", {"index": place})


def _fragment(arguments: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": arguments}


def write_error(error: CrossoverError) -> tuple[int, bytes]:
    """Status and body of an error."""
    status, fields = error_fields(error)
    return status, tree.dump({"type": "error", "error": fields})


def error_fields(error: CrossoverError) -> tuple[int, dict[str, Any]]:
    """Status of an error, and its type and message."""
    status = int(getattr(error, "status", 400 if isinstance(error, InputError) else 500))
    kind = _TYPE_OF_STATUS.get(status, "invalid_request_error" if status < 500 else "api_error")
    message = error.message if error.hint is None else f"{error.message.rstrip('.')}. {error.hint}"
    return status, {"type": kind, "message": message}
