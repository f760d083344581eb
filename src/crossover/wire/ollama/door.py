"""Answering clients that speak Ollama's native dialect: ``POST /api/chat`` and ``POST /api/embed``.

A stream is the default there. Times of day come in as arguments: ``created`` is Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from crossover.chat import (
    Caller,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Delta,
    EmbedRequest,
    EmbedResponse,
    Finish,
    Media,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Refused,
    Served,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolDelta,
    ToolResult,
)
from crossover.errors import CrossoverError, InputError
from crossover.usage import Usage
from crossover.wire import checks, tree, turns, vectors
from crossover.wire.ollama import shapes

_KNOWN = frozenset({"model", "messages", "tools", "format", "options", "stream", "think", "logprobs", "top_logprobs"})
# What says how Ollama itself is to run: no other target has it, and no answer depends on it.
_RUNTIME = frozenset({"keep_alive", "truncate", "shift"})
_OPTIONS_KNOWN = frozenset(
    {
        "num_predict",
        "temperature",
        "top_p",
        "top_k",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "stop",
        # how the machine is used, not what is answered
        "num_ctx",
        "num_gpu",
        "main_gpu",
        "num_thread",
        "num_batch",
        "num_keep",
        "numa",
        "low_vram",
        "use_mmap",
        "use_mlock",
    }
)


# -------------------------------------------------------------------------------------------------------------- read


def read_request(tree: dict[str, Any], caller: Caller) -> ChatRequest:
    """The request of a parsed body. RequestError 400 names the field that is wrong."""
    checks.table(tree, "the body")
    options = checks.table(tree.get("options") or {}, "options")
    extra = {name: value for name, value in tree.items() if name not in _KNOWN | _RUNTIME}
    extra.update({name: value for name, value in options.items() if name not in _OPTIONS_KNOWN})
    most = _whole(options, "num_predict")
    stream = tree.get("stream")
    return ChatRequest(
        model=checks.name(tree.get("model"), "model"),
        messages=tuple(_messages(tree.get("messages"))),
        tools=tuple(_tools(tree.get("tools"))),
        output=_output(tree.get("format")),
        reasoning=_reasoning(tree.get("think")),
        max_tokens=most if most is not None and most > 0 else None,  # -1: without end
        temperature=_number(options, "temperature"),
        top_p=_number(options, "top_p"),
        top_k=_whole(options, "top_k"),
        presence_penalty=_number(options, "presence_penalty"),
        frequency_penalty=_number(options, "frequency_penalty"),
        seed=_whole(options, "seed"),
        stop=_stop(options.get("stop")),
        logprobs=checks.flag(tree.get("logprobs") or False, "logprobs"),
        top_logprobs=None if tree.get("top_logprobs") is None else checks.whole(tree["top_logprobs"], "top_logprobs"),
        stream=True if stream is None else checks.flag(stream, "stream"),
        include_usage=True,
        extra=extra or None,
        dialect="ollama",
        tree=tree,
        caller=caller,
    )


def _number(options: dict[str, Any], name: str) -> float | None:
    return None if options.get(name) is None else checks.number(options[name], f"options.{name}")


def _whole(options: dict[str, Any], name: str) -> int | None:
    value = options.get(name)
    if type(value) is float and value.is_integer():
        value = int(value)
    return None if value is None else checks.whole(value, f"options.{name}")


def _stop(said: Any) -> tuple[str, ...]:
    if type(said) is str:
        return (said,)
    rows = checks.rows(said or [], "options.stop")
    return tuple(checks.text(stop, f"options.stop[{place}]") for place, stop in enumerate(rows))


def _messages(said: Any) -> Iterable[Message]:
    rows = checks.rows(said, "messages")
    if not rows:
        raise checks.wrong("messages", "a list with a message in it")
    calls = turns.Calls()
    for place, row in enumerate(rows):
        at = f"messages[{place}]"
        role = checks.one_of(checks.table(row, at).get("role"), f"{at}.role", ("system", "user", "assistant", "tool"))
        parts = tuple(_parts(row, at, calls))
        if role == "tool":
            id = checks.optional_text(row.get("tool_call_id"), f"{at}.tool_call_id")  # noqa: A001
            name = checks.optional_text(row.get("tool_name") or row.get("name"), f"{at}.tool_name")
            known, called = calls.result(id, name)
            parts = (ToolResult(known, parts, called),)
        yield Message(role, parts)  # type: ignore[arg-type]


def _parts(row: dict[str, Any], at: str, calls: turns.Calls) -> Iterable[Part]:
    thinking = checks.optional_text(row.get("thinking"), f"{at}.thinking")
    if thinking:
        yield Thinking(thinking)
    content = checks.optional_text(row.get("content"), f"{at}.content")
    if content:
        yield Text(content)
    for place, image in enumerate(checks.rows(row.get("images") or [], f"{at}.images")):
        yield Media("image", data=checks.text(image, f"{at}.images[{place}]"))
    for place, call in enumerate(checks.rows(row.get("tool_calls") or [], f"{at}.tool_calls")):
        here = f"{at}.tool_calls[{place}]"
        function = checks.table(checks.table(call, here).get("function"), f"{here}.function")
        checks.name(function.get("name"), f"{here}.function.name")
        yield shapes.call_of(call, calls)


def _tools(said: Any) -> Iterable[Tool]:
    for place, row in enumerate(checks.rows(said or [], "tools")):
        at = f"tools[{place}].function"
        function = checks.table(checks.table(row, f"tools[{place}]").get("function"), at)
        yield Tool(
            name=checks.name(function.get("name"), f"{at}.name"),
            description=checks.text(function.get("description") or "", f"{at}.description"),
            parameters=checks.table(function.get("parameters") or {}, f"{at}.parameters"),
        )


def _output(said: Any) -> OutputFormat | None:
    if said in (None, ""):
        return None
    if said == "json":
        return OutputFormat(kind="json")
    return OutputFormat(kind="schema", schema=checks.table(said, "format"))


def _reasoning(said: Any) -> Reasoning | None:
    if said is None:
        return None
    if type(said) is bool:
        return Reasoning() if said else Reasoning(budget_tokens=0)
    return Reasoning(effort=checks.text(said, "think"))


# ------------------------------------------------------------------------------------------------------------- write


def _time(created: int) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")


def write_response(response: ChatResponse, request: ChatRequest) -> bytes:
    """The body of a whole answer: the target's own bytes where it speaks this dialect."""
    if response.raw is not None and response.dialect == "ollama":
        return response.raw
    choice = response.choices[0]
    kept = tuple(part for part in choice.message.parts if _sayable(part))
    body: dict[str, Any] = {
        "model": response.model or request.model,
        "created_at": _time(response.created),
        "message": shapes.message_row("assistant", kept),
        "done": True,
        "done_reason": shapes.REASON_OF[choice.finish],
        **_counts(response.usage),
    }
    if choice.logprobs is not None:
        body["logprobs"] = shapes.logprob_rows(choice.logprobs)
    return tree.dump(body)


def _sayable(part: Part) -> bool:
    """What an answer of this dialect can hold: words, thoughts, calls, and images as data."""
    if isinstance(part, Media):
        return part.kind == "image" and part.data is not None
    return isinstance(part, Text | Thinking | ToolCall | Refused)


def _counts(usage: Usage | None) -> dict[str, int]:
    return {} if usage is None else {"prompt_eval_count": usage.input, "eval_count": usage.output}


class StreamWriter:
    """Chunks in, lines of JSON out. The dialect has no fragments of calls: a call is written when it is whole."""

    def __init__(self, request: ChatRequest, *, created: int = 0) -> None:
        self._request = request
        self._time = _time(created)
        self._passed = False
        self._calls: dict[int, ToolDelta] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._model = request.model

    def write(self, chunk: ChatChunk) -> bytes:
        """The bytes of one chunk."""
        if chunk.raw is not None and chunk.dialect == "ollama":
            self._passed = True
            return chunk.raw
        if self._passed:
            return b""
        self._usage = chunk.usage or self._usage
        self._model = chunk.model or self._model
        return b"".join(self._line(row) for delta in chunk.deltas if delta.choice == 0 for row in self._rows(delta))

    def end(self, served: Served | None = None) -> bytes:  # noqa: ARG002
        """The end of an answer that is whole: calls not yet written, the reason to stop, and usage."""
        if self._passed:
            return b""
        lines = [self._line(row) for index in list(self._calls) for row in self._flush(index)]
        last = {
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": shapes.REASON_OF[self._finish or "stop"],
            **_counts(self._usage),
        }
        return b"".join(lines) + self._line(last)

    def error(self, error: CrossoverError) -> bytes:
        """The end of an answer that failed: a line with the error and no ``done``."""
        return write_error(error)[1] + b"\n"

    def _line(self, row: dict[str, Any]) -> bytes:
        return tree.dump({"model": self._model, "created_at": self._time, "done": False, **row}) + b"\n"

    def _rows(self, delta: Delta) -> Iterable[dict[str, Any]]:
        message: dict[str, Any] = {"role": "assistant", "content": delta.text + delta.refusal}
        if delta.thinking:
            message["thinking"] = delta.thinking
        if delta.media is not None and _sayable(delta.media):
            message["images"] = [delta.media.data]
        row: dict[str, Any] = {"message": message}
        if delta.logprobs is not None:
            row["logprobs"] = shapes.logprob_rows(delta.logprobs)
        if message["content"] or len(message) > 2 or len(row) > 1:
            yield row
        if delta.tool is not None:
            yield from self._tool(delta.tool)
        self._finish = delta.finish or self._finish

    def _tool(self, tool: ToolDelta) -> Iterable[dict[str, Any]]:
        held = self._calls.get(tool.index)
        if held is None:
            # The calls before it are whole now.
            yield from (row for before in list(self._calls) for row in self._flush(before))
            held = ToolDelta(index=tool.index)
        self._calls[tool.index] = ToolDelta(
            index=tool.index,
            id=held.id or tool.id,
            name=held.name or tool.name,
            arguments=held.arguments + tool.arguments,
        )

    def _flush(self, index: int) -> Iterable[dict[str, Any]]:
        call = self._calls.pop(index)
        made = ToolCall(call.id or "", call.name or "unknown", call.arguments)
        yield {"message": {"role": "assistant", "content": "", "tool_calls": [shapes.call_row(made)]}}


def write_error(error: CrossoverError) -> tuple[int, bytes]:
    """Status and body of an error."""
    status = int(getattr(error, "status", 400 if isinstance(error, InputError) else 500))
    message = error.message if error.hint is None else f"{error.message.rstrip('.')}. {error.hint}"
    return status, tree.dump({"error": message})


# -------------------------------------------------------------------------------------------------------- embeddings


def read_embed(tree: dict[str, Any], caller: Caller) -> EmbedRequest:
    """The request for vectors of a parsed body. RequestError 400 names the field that is wrong."""
    checks.table(tree, "the body")
    said = tree.get("input")
    rows = [said] if type(said) is str else checks.rows(said, "input")
    if not rows:
        raise checks.wrong("input", "a text or a list of texts")
    known = _RUNTIME | {"model", "input", "dimensions", "options"}
    extra = {name: value for name, value in tree.items() if name not in known}
    return EmbedRequest(
        model=checks.name(tree.get("model"), "model"),
        inputs=tuple(checks.text(row, f"input[{place}]") for place, row in enumerate(rows)),
        dimensions=None if tree.get("dimensions") is None else checks.whole(tree["dimensions"], "dimensions", 1),
        extra=extra or None,
        dialect="ollama",
        tree=tree,
        caller=caller,
    )


def write_embedded(response: EmbedResponse, request: EmbedRequest) -> bytes:
    """The body of an answer: the target's own bytes where it speaks this dialect."""
    if response.raw is not None and response.dialect == "ollama":
        return response.raw
    body: dict[str, Any] = {
        "model": response.model or request.model,
        "embeddings": [vectors.floats_of(vector) for vector in response.vectors],
    }
    if response.usage is not None:
        body["prompt_eval_count"] = response.usage.input
    return tree.dump(body)
