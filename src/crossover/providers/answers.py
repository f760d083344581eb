"""What hosted APIs and engines say on the wire, written down once more for the fakes.

Independent of :mod:`crossover.wire` on purpose: a mistake there must not be answered by the same mistake here.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from crossover.usage import Usage

FakeDialect = Literal["openai", "anthropic", "gemini", "ollama"]
_encode = msgspec.json.encode


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call in a scripted answer; ``arguments`` is JSON text of an object."""

    name: str
    arguments: str = "{}"
    id: str = "call_1"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a fake says. ``text`` is streamed word by word; ``usage`` None: the target says no usage.

    ``vector`` is given back for every input of an embedding request.
    """

    text: str = "All is well."
    thinking: str = ""
    calls: tuple[Call, ...] = ()
    finish: Literal["stop", "length", "tool_calls", "content_filter"] = "stop"
    usage: Usage | None = Usage(input=12, output=4)
    vector: tuple[float, ...] = (0.25, -0.5, 1.0)

    @property
    def words(self) -> list[str]:
        """The text in the pieces in which it is streamed."""
        parts = self.text.split(" ")
        return [part + (" " if index < len(parts) - 1 else "") for index, part in enumerate(parts)] if self.text else []


class Streamed(msgspec.Struct, frozen=True):
    """Events of a streamed answer as bytes: before the first words, the words, and the end with its marker."""

    head: list[bytes]
    pieces: list[bytes]
    tail: list[bytes]


def buffered(dialect: FakeDialect, answer: Answer, model: str) -> bytes:
    """A whole answer as the body of one response."""
    return _encode(_BUFFERED[dialect](answer, model))


def streamed(dialect: FakeDialect, answer: Answer, model: str, include_usage: bool) -> Streamed:
    """The same answer as events. ``include_usage`` matters in the OpenAI dialect only: others always say it."""
    if dialect == "openai":
        return _openai_events(answer, model, include_usage)
    if dialect == "anthropic":
        return _anthropic_events(answer, model)
    return _gemini_events(answer, model) if dialect == "gemini" else _ollama_events(answer, model)


def embedded(dialect: FakeDialect, answer: Answer, model: str, count: int) -> bytes:
    """``count`` vectors. Anthropic has no embeddings: its fake answers as OpenAI does."""
    vector, tokens = list(answer.vector), answer.usage.input if answer.usage else 0
    if dialect == "gemini":
        return _encode({"embeddings": [{"values": vector}] * count})
    if dialect == "ollama":
        return _encode({"model": model, "embeddings": [vector] * count, "prompt_eval_count": tokens})
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return _encode({"object": "list", "data": data, "model": model, "usage": usage})


def error_body(dialect: FakeDialect, status: int, kind: str, message: str) -> bytes:
    """An error as each dialect writes it. ``kind`` is the short word it gives (``rate_limit_error`` …)."""
    return _encode(error_tree(dialect, status, kind, message))


def error_event(dialect: FakeDialect, status: int, kind: str, message: str) -> bytes:
    """An error in the middle of a stream."""
    tree = error_tree(dialect, status, kind, message)
    return _named("error", tree) if dialect == "anthropic" else event(dialect, tree)


def error_tree(dialect: FakeDialect, status: int, kind: str, message: str) -> dict[str, Any]:
    """The tree of :func:`error_body`."""
    if dialect == "anthropic":
        return {"type": "error", "error": {"type": kind, "message": message}}
    if dialect == "gemini":
        return {"error": {"code": status, "message": message, "status": kind.upper()}}
    if dialect == "ollama":
        return {"error": message}
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def event(dialect: FakeDialect, tree: object) -> bytes:
    """One event of a stream: a line of JSON for Ollama, server-sent data otherwise."""
    return _encode(tree) + b"\n" if dialect == "ollama" else b"data: " + _encode(tree) + b"\n\n"


def _named(name: str, tree: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + _encode(tree) + b"\n\n"


# ------------------------------------------------------------------------------------------------------------ OpenAI


def _openai(answer: Answer, model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = [_openai_call(call) for call in answer.calls]
    choice = {"index": 0, "message": message, "finish_reason": answer.finish}
    tree = {"id": "chatcmpl-fake", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
    return tree if answer.usage is None else {**tree, "usage": _openai_usage(answer.usage)}


def _openai_call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _openai_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached_read},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def _openai_events(answer: Answer, model: str, include_usage: bool) -> Streamed:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return event("openai", {**frame, "choices": choices})

    frame = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": model}
    pieces = [chunk({"reasoning_content": answer.thinking})] if answer.thinking else []
    pieces += [chunk({"content": word}) for word in answer.words]
    for index, call in enumerate(answer.calls):
        pieces.append(chunk({"tool_calls": [{"index": index, **_openai_call(call)}]}))
    tail = [chunk({}, answer.finish)]
    if include_usage and answer.usage is not None:
        tail.append(event("openai", {**frame, "choices": [], "usage": _openai_usage(answer.usage)}))
    return Streamed([chunk({"role": "assistant", "content": ""})], pieces, [*tail, b"data: [DONE]\n\n"])


# --------------------------------------------------------------------------------------------------------- Anthropic

_STOP = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def _anthropic_blocks(answer: Answer) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.thinking:
        blocks.append({"type": "thinking", "thinking": answer.thinking, "signature": "c2ln"})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    return blocks + [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": msgspec.json.decode(call.arguments)}
        for call in answer.calls
    ]


def _anthropic_usage(usage: Usage) -> dict[str, Any]:
    written = usage.cache_write_5m + usage.cache_write_1h
    return {
        "input_tokens": usage.input - usage.cached_read - written,
        "cache_read_input_tokens": usage.cached_read,
        "cache_creation_input_tokens": written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
    }


def _anthropic(answer: Answer, model: str) -> dict[str, Any]:
    tree = {
        "id": "msg_fake", "type": "message", "role": "assistant", "model": model, "stop_sequence": None,
        "content": _anthropic_blocks(answer), "stop_reason": _STOP[answer.finish],
    }  # fmt: skip
    return tree if answer.usage is None else {**tree, "usage": _anthropic_usage(answer.usage)}


def _anthropic_events(answer: Answer, model: str) -> Streamed:
    start = {**_anthropic(answer, model), "content": [], "stop_reason": None}
    if answer.usage is not None:
        start["usage"] = {**_anthropic_usage(answer.usage), "output_tokens": 1}
    head = [_named("message_start", {"type": "message_start", "message": start}), _named("ping", {"type": "ping"})]
    pieces: list[bytes] = []
    for index, block in enumerate(_anthropic_blocks(answer)):
        pieces += _anthropic_block(index, block, answer)
    delta: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": _STOP[answer.finish]}}
    if answer.usage is not None:
        delta["usage"] = {"output_tokens": answer.usage.output}
    return Streamed(head, pieces, [_named("message_delta", delta), _named("message_stop", {"type": "message_stop"})])


def _anthropic_block(index: int, block: dict[str, Any], answer: Answer) -> list[bytes]:
    """One block as events; its start travels with its first words, so that a piece always says something."""
    if block["type"] == "text":
        empty: dict[str, Any] = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": word} for word in answer.words]
    elif block["type"] == "thinking":
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    else:
        empty = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": _encode(block["input"]).decode()}]
    start = _named("content_block_start", {"type": "content_block_start", "index": index, "content_block": empty})
    events = [
        _named("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})
        for delta in deltas
    ]
    stop = _named("content_block_stop", {"type": "content_block_stop", "index": index})
    if len(events) == 1:
        return [start + events[0] + stop]
    return [start + events[0], *events[1:-1], events[-1] + stop]


# ------------------------------------------------------------------------------------------------------------ Gemini

_REASON = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}


def _gemini_usage(usage: Usage) -> dict[str, Any]:
    return {
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cached_read,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "thoughtsTokenCount": usage.reasoning,
        "totalTokenCount": usage.input + usage.output,
    }


def _gemini_parts(answer: Answer) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"text": answer.thinking, "thought": True}] if answer.thinking else []
    if answer.text:
        parts.append({"text": answer.text})
    calls = [{"name": call.name, "args": msgspec.json.decode(call.arguments)} for call in answer.calls]
    return parts + [{"functionCall": call} for call in calls]


def _gemini_tree(parts: list[dict[str, Any]], model: str, answer: Answer, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
    if last:
        candidate["finishReason"] = _REASON[answer.finish]
    tree: dict[str, Any] = {"candidates": [candidate], "modelVersion": model, "responseId": "fake"}
    if last and answer.usage is not None:
        tree["usageMetadata"] = _gemini_usage(answer.usage)
    return tree


def _gemini(answer: Answer, model: str) -> dict[str, Any]:
    return _gemini_tree(_gemini_parts(answer), model, answer, last=True)


def _gemini_events(answer: Answer, model: str) -> Streamed:
    parts = [part for part in _gemini_parts(answer) if "functionCall" in part or part.get("thought")]
    parts[bool(answer.thinking) : bool(answer.thinking)] = [{"text": word} for word in answer.words]
    pieces = [event("gemini", _gemini_tree([part], model, answer, last=False)) for part in parts]
    return Streamed([], pieces, [event("gemini", _gemini_tree([{"text": ""}], model, answer, last=True))])


# ------------------------------------------------------------------------------------------------------------ Ollama


def _ollama_call(call: Call) -> dict[str, Any]:
    return {"function": {"name": call.name, "arguments": msgspec.json.decode(call.arguments)}}


def _ollama_end(answer: Answer) -> dict[str, Any]:
    end: dict[str, Any] = {"done": True, "done_reason": "length" if answer.finish == "length" else "stop"}
    if answer.usage is not None:
        end.update(prompt_eval_count=answer.usage.input, eval_count=answer.usage.output)
    return end


def _ollama(answer: Answer, model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.thinking:
        message["thinking"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = [_ollama_call(call) for call in answer.calls]
    return {"model": model, "created_at": "2026-01-01T00:00:00Z", "message": message, **_ollama_end(answer)}


def _ollama_events(answer: Answer, model: str) -> Streamed:
    def line(message: dict[str, Any], **more: Any) -> bytes:
        frame = {"model": model, "created_at": "2026-01-01T00:00:00Z"}
        return event("ollama", {**frame, "message": {"role": "assistant", "content": "", **message}, **more})

    pieces = [line({"thinking": answer.thinking}, done=False)] if answer.thinking else []
    pieces += [line({"content": word}, done=False) for word in answer.words]
    if answer.calls:
        pieces.append(line({"tool_calls": [_ollama_call(call) for call in answer.calls]}, done=False))
    return Streamed([], pieces, [line({}, **_ollama_end(answer))])


_BUFFERED = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini, "ollama": _ollama}
