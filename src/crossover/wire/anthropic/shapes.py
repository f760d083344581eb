"""What both faces of the Anthropic dialect share: content blocks, reasons to stop, and the counting of tokens.

Facts: types of the official SDK (``anthropic`` 2.14) and the Messages API's reference, checked 2026-11-27.
"""

from __future__ import annotations

import re
from typing import Any

from crossover.chat import CacheTtl, Finish, Media, Part, Refused, Text, Thinking, ToolCall, ToolResult, Unknown
from crossover.usage import Usage
from crossover.wire import counts, media, tree
from crossover.wire.failure import failure, looks_like_error, unsupported

ANSWER_TOOL = "answer_in_json"  # the tool a model is made to call where it has no structured output of its own

FINISH_OF: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "pause",
}
REASON_OF: dict[Finish, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
}
STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")


def finish_of(reason: str, usage: Usage | None) -> Finish:
    """How an answer ended; UpstreamError where an unknown reason speaks of a failure, else it may not be whole."""
    known = FINISH_OF.get(reason)
    if known is not None:
        return known
    if not reason or looks_like_error(reason):
        raise failure("server_error", f"the answer ended with {reason or 'no reason'}", usage=usage, accepted=True)
    return "length"


class Tokens:
    """The usage of one answer: every figure said later replaces the earlier one of its name, nothing is added.

    ``message_delta`` is cumulative and has the last word; the few output tokens that ``message_start`` names are a
    beginning, so until then the output counts as estimated.
    """

    def __init__(self) -> None:
        self._said: dict[str, int] = {}
        self._final = False

    def take(self, fields: dict[str, Any], *, final: bool) -> Usage | None:
        """The usage with ``fields`` known; ``final`` where they come with the end of the answer."""
        nested = (
            fields,
            tree.table(fields.get("cache_creation")),
            tree.table(fields.get("output_tokens_details")),
        )
        for table in nested:
            for name, value in table.items():
                known = tree.count(value)
                if known is not None:
                    self._said[name] = known
        self._final = self._final or (final and tree.count(fields.get("output_tokens")) is not None)
        return self.usage()

    def usage(self) -> Usage | None:
        """What is known so far; None where nothing was said."""
        said = self._said
        if "input_tokens" not in said and "output_tokens" not in said:
            return None
        read = counts.count(said, "cache_read_input_tokens")
        hour = counts.count(said, "ephemeral_1h_input_tokens")
        # The total may be larger than its parts or the parts than the total: the larger is what is billed.
        parts = counts.count(said, "ephemeral_5m_input_tokens") + hour
        written = max(counts.count(said, "cache_creation_input_tokens"), parts)
        return counts.usage(
            prompt=counts.count(said, "input_tokens") + read + written,
            output=counts.count(said, "output_tokens"),
            cached_read=read,
            cache_write_5m=written - hour,
            cache_write_1h=hour,
            reasoning=min(counts.count(said, "thinking_tokens"), counts.count(said, "output_tokens")),
            output_basis="measured" if self._final else "estimated",
        )


def usage_fields(usage: Usage | None) -> dict[str, Any]:
    """The usage object of an answer; the dialect has no way to leave it out."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    written = usage.cache_write_5m + usage.cache_write_1h
    fields: dict[str, Any] = {
        "input_tokens": usage.input - usage.cached_read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cached_read,
        "output_tokens": usage.output,
    }
    if written:
        fields["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
    if usage.reasoning:
        fields["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return fields


# ------------------------------------------------------------------------------------------------------- blocks read


def part_of(block: dict[str, Any]) -> Part:
    """One content block as a part; what no word fits is kept as it came."""
    kind = tree.text(block.get("type"))
    match kind:
        case "text":
            return Text(tree.text(block.get("text")), cache_of(block))
        case "thinking":
            return Thinking(tree.text(block.get("thinking")), signature=tree.text(block.get("signature")) or None)
        case "redacted_thinking":
            return Thinking(redacted=tree.text(block.get("data")))
        case "tool_use":
            arguments = tree.text_of_arguments(block.get("input"))
            return ToolCall(tree.text(block.get("id")), tree.text(block.get("name")), arguments)
        case "image" | "document":
            return _media(block, kind) or Unknown(kind, block)
        case _:
            return Unknown(kind, block)


def parts_of(content: Any) -> tuple[Part, ...]:
    """The parts of a content field: text, or a list of blocks."""
    if type(content) is str:
        return (Text(content),) if content else ()
    return tuple(part_of(block) for block in tree.rows(content) if type(block) is dict)


def cache_of(block: dict[str, Any]) -> CacheTtl | None:
    """How long the prefix that ends here is to be cached; five minutes where it is not said."""
    control = tree.table(block.get("cache_control"))
    if control.get("type") != "ephemeral":
        return None
    return "1h" if control.get("ttl") == "1h" else "5m"


def _media(block: dict[str, Any], kind: str) -> Part | None:
    """An image or a document by URL or as data; None for what only Anthropic knows (its files, citations)."""
    source = tree.table(block.get("source"))
    if tree.table(block.get("citations")).get("enabled") is True:
        return None
    cache, title = cache_of(block), tree.text(block.get("title")) or None
    shape: media.Kind = "image" if kind == "image" else "file"
    mime = tree.text(source.get("media_type")) or None
    match source.get("type"):
        case "base64":
            return Media(shape, data=tree.text(source.get("data")), mime=mime, name=title, cache=cache)
        case "url":
            default = None if kind == "image" else "application/pdf"
            return Media(shape, url=tree.text(source.get("url")), mime=default, name=title, cache=cache)
        case "text":  # a document of plain text is text to every other model, and to whoever scans what leaves
            return Text(f"{title}\n{source.get('data')}" if title else tree.text(source.get("data")), cache)
        case _:
            return None


# ---------------------------------------------------------------------------------------------------- blocks written


def safe_id(id: str) -> str:  # noqa: A002
    """A call's id in the letters that the API takes; others are written as numbers, so different ids stay different."""
    return _UNSAFE.sub(lambda match: f"_{ord(match[0]):x}_", id) or "call"


def block_of(part: Part) -> dict[str, Any] | None:
    """One part as a content block; None for what says nothing here. UpstreamError where the dialect has no block."""
    match part:
        case Text():
            return _cached({"type": "text", "text": part.text}, part.cache) if part.text else None
        case Thinking():
            if part.redacted is not None:
                return {"type": "redacted_thinking", "data": part.redacted}
            return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
        case ToolCall():
            arguments = tree.arguments_of(part.arguments)
            return {"type": "tool_use", "id": safe_id(part.id), "name": part.name, "input": arguments}
        case ToolResult():
            return _result(part)
        case Media():
            return _cached(_media_block(part), part.cache)
        case Refused():
            return {"type": "text", "text": part.text} if part.text else None
        case Unknown():
            return dict(part.data) if type(part.data) is dict else None


def _result(part: ToolResult) -> dict[str, Any]:
    blocks = [block for block in map(block_of, part.parts) if block is not None]
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": safe_id(part.id)}
    if blocks:
        block["content"] = blocks
    if part.is_error:
        block["is_error"] = True
    return _cached(block, part.cache)


def _media_block(part: Media) -> dict[str, Any]:
    held = media.inline(part)
    if part.kind == "image":
        if held is None:
            return {"type": "image", "source": {"type": "url", "url": part.url or ""}}
        return {"type": "image", "source": {"type": "base64", "media_type": held[0], "data": held[1]}}
    if part.kind != "file":
        raise unsupported(f"the Anthropic dialect takes no {part.kind}")
    title = {"title": part.name} if part.name else {}
    if held is None:
        return {"type": "document", "source": {"type": "url", "url": part.url or ""}, **title}
    if held[0] != "application/pdf":
        raise unsupported(f"the Anthropic dialect takes PDF files, not {held[0]}")
    return {"type": "document", "source": {"type": "base64", "media_type": held[0], "data": held[1]}, **title}


def _cached(block: dict[str, Any], cache: CacheTtl | None) -> dict[str, Any]:
    if cache is not None:
        block["cache_control"] = {"type": "ephemeral"} if cache == "5m" else {"type": "ephemeral", "ttl": cache}
    return block


def tool_cache(tool: dict[str, Any], cache: CacheTtl | None) -> dict[str, Any]:
    """A tool's declaration with its mark for the cache."""
    return _cached(tool, cache)
