"""What both faces of Ollama's native dialect share: messages, reasons to stop, token counts, log probabilities.

Facts: Ollama's OpenAPI description and server (``docs/openapi.yaml``, ``server/routes.go``) and the official client
(``ollama`` 0.6), checked 2026-11-27.
"""

from __future__ import annotations

from typing import Any

from crossover.chat import Finish, Media, Message, Part, Refused, Text, Thinking, ToolCall, ToolResult, Unknown
from crossover.usage import Usage
from crossover.wire import counts, media, tree, turns
from crossover.wire.failure import failure, looks_like_error, unsupported

FINISH_OF: dict[str, Finish] = {"stop": "stop", "length": "length"}
REASON_OF: dict[Finish, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "content_filter": "content_filter",
    "pause": "pause",
}
_NOTHING_DONE = frozenset({"load", "unload"})  # the model was loaded or unloaded, and nothing was asked of it


def finish_of(reason: str, *, called: bool, usage: Usage | None) -> Finish:
    """How an answer ended. Servers before ``done_reason`` say nothing at the end of a whole answer."""
    if reason in _NOTHING_DONE:
        raise failure("empty", f"the answer ended with {reason}: nothing was generated", usage=usage)
    if reason not in FINISH_OF and looks_like_error(reason):
        raise failure("server_error", f"the answer ended with {reason}", usage=usage, accepted=True)
    if called and reason in ("stop", "tool_calls", ""):
        return "tool_calls"
    return FINISH_OF.get(reason, "length" if reason else "stop")


def usage_of(fields: dict[str, Any]) -> Usage | None:
    """The counts at the end of an answer; a missing one is estimated later, and both missing say nothing."""
    read, written = tree.count(fields.get("prompt_eval_count")), tree.count(fields.get("eval_count"))
    if read is None and written is None:
        return None
    return counts.usage(
        prompt=read or 0,
        output=written or 0,
        input_basis="estimated" if read is None else "measured",
        output_basis="estimated" if written is None else "measured",
    )


def call_of(row: dict[str, Any], calls: turns.Calls) -> ToolCall:
    """A call with its id, or a new one: older servers give none."""
    function = tree.table(row.get("function"))
    name = tree.text(function.get("name"))
    id = calls.call(name, tree.text(row.get("id")) or None)  # noqa: A001
    return ToolCall(id, name, tree.text_of_arguments(function.get("arguments")))


def call_row(part: ToolCall) -> dict[str, Any]:
    """A call as the dialect writes it, its arguments an object."""
    row: dict[str, Any] = {"function": {"name": part.name, "arguments": tree.arguments_of(part.arguments)}}
    return row if part.id.startswith(turns.SYNTHETIC) or not part.id else {"id": part.id, **row}


def message_row(role: str, parts: tuple[Part, ...]) -> dict[str, Any]:
    """A message of texts, thinking, images and calls. UpstreamError ``unsupported`` for what the dialect lacks."""
    row: dict[str, Any] = {"role": role, "content": "\n".join(_texts(parts))}
    thinking = "".join(part.text for part in parts if isinstance(part, Thinking))
    images = [_image(part) for part in parts if isinstance(part, Media)]
    calls = [call_row(part) for part in parts if isinstance(part, ToolCall)]
    more = {"thinking": thinking, "images": images, "tool_calls": calls}
    row.update({name: value for name, value in more.items() if value})
    unknown = next((part for part in parts if isinstance(part, Unknown)), None)
    if unknown is not None:
        raise unsupported(f"a part of the kind {unknown.kind!r} cannot be put into the Ollama dialect")
    return row


def message_rows(message: Message, names: dict[str, str]) -> list[dict[str, Any]]:
    """A message; every tool result is one of its own."""
    parts = message.parts
    if len(parts) == 1 and type(parts[0]) is Text:  # the usual message
        return [{"role": "system" if message.role == "developer" else message.role, "content": parts[0].text}]
    if message.role == "developer":
        return [message_row("system", message.parts)]
    others = tuple(part for part in message.parts if not isinstance(part, ToolResult))
    rows = [_result(part, names) for part in message.parts if isinstance(part, ToolResult)]
    if others or not rows:
        rows.append(message_row(message.role if message.role != "tool" else "user", others))
    return rows


def _result(part: ToolResult, names: dict[str, str]) -> dict[str, Any]:
    row = message_row("tool", part.parts)
    name = part.name or names.get(part.id)
    if name:
        row["tool_name"] = name
    if part.id and not part.id.startswith(turns.SYNTHETIC):
        row["tool_call_id"] = part.id
    return row


def _texts(parts: tuple[Part, ...]) -> list[str]:
    return [part.text for part in parts if isinstance(part, Text | Refused) and part.text]


def _image(part: Media) -> str:
    held = media.inline(part)
    if part.kind != "image":
        raise unsupported(f"the Ollama dialect takes no {part.kind}")
    if held is None:
        raise unsupported("the Ollama dialect takes images as data, not by URL")
    return held[1]


def logprobs_of(rows: Any) -> Any:
    """Log probabilities in the shape of the OpenAI dialect; None where there are none."""
    content = [
        {**_token(row), "top_logprobs": [_token(top) for top in tree.rows(tree.table(row).get("top_logprobs"))]}
        for row in tree.rows(rows)
    ]
    return {"content": content} if content else None


def _token(row: Any) -> dict[str, Any]:
    fields = tree.table(row)
    word = tree.text(fields.get("token"))
    return {"token": word, "logprob": fields.get("logprob", 0.0), "bytes": fields.get("bytes") or list(word.encode())}


def logprob_rows(logprobs: Any) -> list[Any]:
    """Log probabilities from the shape of the OpenAI dialect, which is nearly this one's."""
    return tree.rows(tree.table(logprobs).get("content"))
