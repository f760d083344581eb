"""What both faces of the Gemini dialect share: parts, reasons to stop, and the counting of tokens.

Facts: types of the official SDK (``google-genai`` 3.6) and the Gemini API's reference, checked 2026-11-27. Servers and
clients write field names in camel case or with underscores; both are read, camel case is written.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from crossover.chat import Finish, Media, Part, Refused, Text, Thinking, ToolCall, ToolResult, Unknown
from crossover.errors import UpstreamKind
from crossover.usage import Usage
from crossover.wire import counts, media, tree, turns
from crossover.wire.failure import failure, looks_like_error, unsupported

FINISH_OF: dict[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "OTHER": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "JAILBREAK": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
# Ends that are failures though their names do not say so; the others (MALFORMED_FUNCTION_CALL,
# UNEXPECTED_TOOL_CALL, TOO_MANY_TOOL_CALLS, MISSING_THOUGHT_SIGNATURE, MALFORMED_RESPONSE,
# FINISH_REASON_UNSPECIFIED …) do.
FAILED = frozenset({"NO_IMAGE", "IMAGE_OTHER", "PUP_LIMITED_DISABLED"})
REASON_OF: dict[Finish, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "pause": "OTHER",
}
# A signature is a field of bytes: the official client refuses a whole answer over one that is no base64.
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}(?:==)?|[A-Za-z0-9+/_-]{3}=?)?")
_UNDERSCORE = re.compile(r"(?<!^)(?=[A-Z])")


def field(table: dict[str, Any], name: str) -> Any:
    """A field by its name in camel case, or as it is written with underscores."""
    found = table.get(name)
    return table.get(underscored(name)) if found is None else found


@lru_cache(maxsize=256)
def underscored(name: str) -> str:
    """A name in camel case as it is written with underscores."""
    return _UNDERSCORE.sub("_", name).lower()


def finish_of(reason: str, *, called: bool, usage: Usage | None) -> Finish:
    """How an answer ended; UpstreamError where it failed, ``length`` (may not be whole) where nobody knows."""
    if reason in FAILED or (reason not in FINISH_OF and looks_like_error(reason)):
        kind: UpstreamKind = "bad_request" if reason == "MISSING_THOUGHT_SIGNATURE" else "server_error"
        raise failure(kind, f"the answer ended with {reason}", usage=usage, code=reason, accepted=True)
    known = FINISH_OF.get(reason)
    if called and known in (None, "stop"):
        return "tool_calls"
    return known or "length"


def usage_of(said: Any) -> Usage | None:
    """The usage of an answer so far; every piece of a stream carries all of it, so the last one counts.

    Cached tokens are inside the prompt, thoughts beside the candidates, results of tools beside the prompt.
    """
    fields = tree.table(said)
    if not fields:
        return None
    read = {name: counts.count({name: field(fields, name)}, name) for name in _COUNTED}
    thoughts = read["thoughtsTokenCount"]
    return counts.usage(
        prompt=read["promptTokenCount"] + read["toolUsePromptTokenCount"],
        output=read["candidatesTokenCount"] + thoughts,
        cached_read=read["cachedContentTokenCount"],
        reasoning=thoughts,
    )


_COUNTED = (
    "promptTokenCount",
    "toolUsePromptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
)


def usage_fields(usage: Usage) -> dict[str, Any]:
    """The usage as an answer says it."""
    fields: dict[str, Any] = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": usage.input + usage.output,
    }
    if usage.reasoning:
        fields["thoughtsTokenCount"] = usage.reasoning
    if usage.cached_read:
        fields["cachedContentTokenCount"] = usage.cached_read
    return fields


# -------------------------------------------------------------------------------------------------------- parts read


def parts_of(said: Any, calls: turns.Calls) -> tuple[Part, ...]:
    """The parts of a content. A signature stays with its call; on words it becomes a thinking part of its own."""
    parts: list[Part] = []
    for row in tree.rows(said):
        if type(row) is dict:
            parts += part_of(row, calls)
    return tuple(parts)


def part_of(row: dict[str, Any], calls: turns.Calls) -> list[Part]:
    """One part of the dialect in words; what no word fits is kept as it came."""
    signature = tree.text(field(row, "thoughtSignature")) or None
    if type(row.get("text")) is str:
        if row.get("thought") is True:
            return [Thinking(row["text"], signature=signature)] if row["text"] or signature else []
        said: list[Part] = [Text(row["text"])] if row["text"] else []
        return [*said, Thinking(signature=signature)] if signature else said
    call = field(row, "functionCall")
    if type(call) is dict:
        name = tree.text(call.get("name"))
        id = calls.call(name, tree.text(call.get("id")) or None)  # noqa: A001
        return [ToolCall(id, name, tree.text_of_arguments(call.get("args")), signature)]
    given = field(row, "functionResponse")
    if type(given) is dict:
        return [_result(given, calls)]
    held = _media(row)
    if held is not None:
        return [held, Thinking(signature=signature)] if signature else [held]
    return [Unknown(next((name for name in row if name not in ("thought", "thoughtSignature")), "part"), row)]


def _result(given: dict[str, Any], calls: turns.Calls) -> ToolResult:
    id, name = calls.result(tree.text(given.get("id")) or None, tree.text(given.get("name")) or None)  # noqa: A001
    response = given.get("response")
    fields = tree.table(response)
    failed = list(fields) == ["error"]
    only = fields.get("error") if failed else fields.get("output") if list(fields) == ["output"] else response
    said = only if type(only) is str else tree.dump_text(only)
    parts: list[Part] = [Text(said)]
    parts += [held for row in tree.rows(given.get("parts")) if (held := _media(tree.table(row))) is not None]
    return ToolResult(id, tuple(parts), name, failed)


def _media(row: dict[str, Any]) -> Media | None:
    inline, file = field(row, "inlineData"), field(row, "fileData")
    if type(inline) is dict:
        mime = tree.text(field(inline, "mimeType"))
        return Media(media.kind_of(mime), data=tree.text(inline.get("data")), mime=mime or None, name=_name(inline))
    if type(file) is dict:
        mime = tree.text(field(file, "mimeType"))
        return Media(media.kind_of(mime), url=tree.text(field(file, "fileUri")), mime=mime or None, name=_name(file))
    return None


def _name(table: dict[str, Any]) -> str | None:
    return tree.text(field(table, "displayName")) or None


# ----------------------------------------------------------------------------------------------------- parts written


def row_of(part: Part, names: dict[str, str]) -> dict[str, Any] | None:
    """One part in the dialect; ``names`` of tools by the ids of their calls. None for what says nothing here."""
    match part:
        case Text():
            return {"text": part.text} if part.text else None
        case Thinking():
            return _thought(part)
        case ToolCall():
            call: dict[str, Any] = {"name": part.name, "args": tree.arguments_of(part.arguments)}
            return _signed({"functionCall": _with_id(call, part.id)}, part.signature)
        case ToolResult():
            return {"functionResponse": _response(part, names)}
        case Media():
            return _media_row(part)
        case Refused():
            return {"text": part.text} if part.text else None
        case Unknown():
            return dict(part.data) if type(part.data) is dict else None


def _thought(part: Thinking) -> dict[str, Any] | None:
    if part.text:
        return _signed({"text": part.text, "thought": True}, part.signature)
    row = _signed({"text": ""}, part.signature)
    return row if len(row) > 1 else None


def _signed(row: dict[str, Any], signature: str | None) -> dict[str, Any]:
    if signature and _BASE64.fullmatch(signature) is not None:
        row["thoughtSignature"] = signature
    return row


def _response(part: ToolResult, names: dict[str, str]) -> dict[str, Any]:
    """The words travel as one text: an object of the dialect would turn long numbers into rounded ones."""
    said = "\n".join(each.text for each in part.parts if isinstance(each, Text))
    given: dict[str, Any] = {"name": part.name or names.get(part.id, ""), "response": {"output": said}}
    if part.is_error:
        given["response"] = {"error": said}
    held = [_media_row(each) for each in part.parts if isinstance(each, Media)]
    if held:
        given["parts"] = held
    return _with_id(given, part.id)


def _with_id(table: dict[str, Any], id: str) -> dict[str, Any]:  # noqa: A002
    return table if id.startswith(turns.SYNTHETIC) or not id else {"id": id, **table}


def _media_row(part: Media) -> dict[str, Any]:
    held = media.inline(part)
    if held is not None:
        return {"inlineData": {"mimeType": held[0], "data": held[1]}}
    mime = media.mime_of_url(part)
    if mime is None:
        raise unsupported("the Gemini dialect takes a URL only with its MIME type")
    return {"fileData": {"mimeType": mime, "fileUri": part.url or ""}}


def logprobs_of(said: Any) -> Any:
    """Log probabilities in the shape of the OpenAI dialect; None where there are none."""
    fields = tree.table(said)
    chosen = tree.rows(field(fields, "chosenCandidates"))
    tops = tree.rows(field(fields, "topCandidates"))
    if not chosen:
        return None
    content = []
    for index, row in enumerate(chosen):
        top = tree.rows(tree.table(tops[index]).get("candidates")) if index < len(tops) else []
        content.append({**_token(row), "top_logprobs": [_token(each) for each in top]})
    return {"content": content}


def _token(row: Any) -> dict[str, Any]:
    fields = tree.table(row)
    word = tree.text(fields.get("token"))
    return {"token": word, "logprob": field(fields, "logProbability") or 0.0, "bytes": list(word.encode())}


def logprob_fields(logprobs: Any) -> dict[str, Any] | None:
    """Log probabilities from the shape of the OpenAI dialect."""
    rows = [tree.table(row) for row in tree.rows(tree.table(logprobs).get("content"))]
    if not rows:
        return None
    tops = [[_candidate(tree.table(each)) for each in tree.rows(row.get("top_logprobs"))] for row in rows]
    return {
        "chosenCandidates": [_candidate(row) for row in rows],
        "topCandidates": [{"candidates": top} for top in tops],
    }


def _candidate(row: dict[str, Any]) -> dict[str, Any]:
    return {"token": row.get("token"), "logProbability": row.get("logprob")}
