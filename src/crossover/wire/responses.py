"""OpenAI's Responses API: as a door and towards a target.

Nothing is kept between requests here: what refers to an earlier answer (``previous_response_id``, ``conversation``, an
item reference) and what is fetched later (``background``) is refused at the door with a sentence that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from crossover.chat import (
    NOBODY,
    Caller,
    ChatRequest,
    ChatResponse,
    Choice,
    Finish,
    Message,
    OutputFormat,
    Reasoning,
    ToolCall,
    ToolChoice,
)
from crossover.errors import RequestError, UpstreamError
from crossover.wire import checks, failure, fit, tree
from crossover.wire import openai_parts as parts
from crossover.wire import responses_items as items
from crossover.wire.openai import effort_of
from crossover.wire.openai_errors import error_inside, read_error, write_error
from crossover.wire.openai_usage import read_usage, write_responses_usage
from crossover.wire.responses_stream import StreamReader, StreamWriter, envelope, finish_of
from crossover.wire.words import Outgoing, Profile

__all__ = [
    "StreamReader",
    "StreamWriter",
    "read_error",
    "read_request",
    "read_response",
    "write_error",
    "write_request",
    "write_response",
]

# --------------------------------------------------------------------------------------------------------------- door

_STATEFUL = {
    "previous_response_id": "Send the whole conversation in input",
    "conversation": "Send the whole conversation in input",
    "background": "Wait for the answer, or stream it",
}
_LOGPROBS = "message.output_text.logprobs"
# What is asked for by ``include`` and given here anyway, or needs no word.
_PLAIN_INCLUDES = frozenset({"reasoning.encrypted_content", _LOGPROBS})


def _effort(value: Any, at: str) -> Reasoning | None:
    effort = checks.optional_text(checks.table(value, at).get("effort"), f"{at}.effort")
    return Reasoning(effort=effort)


def _format(value: Any, at: str) -> OutputFormat | None:
    form = checks.table(value, at).get("format")
    return OutputFormat(kind="text") if form is None else parts.read_format(form, f"{at}.format")


# Field of the body: the word for it, and how it is read. A reader gives None for a shape that no word fits.
_FIELDS: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "model": ("model", checks.name),
    "tools": ("tools", lambda value, _: items.read_tools(value)),
    "tool_choice": ("tool_choice", lambda value, _: parts.read_choice(value)),
    "parallel_tool_calls": ("parallel_tools", checks.flag),
    "text": ("output", _format),
    "reasoning": ("reasoning", _effort),
    "max_output_tokens": ("max_tokens", lambda value, at: checks.whole(value, at, 1)),
    "temperature": ("temperature", checks.number),
    "top_p": ("top_p", checks.number),
    "top_logprobs": ("top_logprobs", lambda value, at: checks.whole(value, at, 0)),
    "user": ("user", checks.text),
    "metadata": ("metadata", checks.table),
    "stream": ("stream", checks.flag),
}
# Read elsewhere, or without a meaning beyond this API.
_READ = frozenset({"input", "instructions", "include", "stream_options"})


def read_request(body: Any, caller: Caller = NOBODY) -> ChatRequest:
    """A parsed body as a request. RequestError 400 names the field that is wrong, or what would need a memory."""
    if type(body) is not dict:
        raise RequestError("the body must be a JSON object", code="invalid_body")
    words: dict[str, Any] = {"dialect": "responses", "tree": body, "caller": caller, "include_usage": True}
    extra: dict[str, Any] = {}
    for name, value in body.items():
        if value is None or name in _READ:
            continue
        if name in _STATEFUL and value is not False:
            raise _stateful(name)
        row = _FIELDS.get(name)
        found = None if row is None else row[1](value, name)
        if row is None or found is None:
            extra[name] = value
        else:
            words[row[0]] = found
    if "model" not in words:
        raise RequestError("model is missing", code="missing_field", field="model")
    words["messages"] = items.read_input(body)
    if "tools" in words:
        words["tools"], others = words["tools"]
        if others:
            extra["tools"] = others
    if tree.table(body.get("text")).get("verbosity") is not None:
        extra["verbosity"] = body["text"]["verbosity"]
    _includes(body, words, extra)
    extra.pop("background", None)
    if extra.get("truncation") == "disabled":  # its default
        del extra["truncation"]
    if extra:
        words["extra"] = extra
    return ChatRequest(**words)


def _stateful(name: str) -> RequestError:
    return RequestError(
        f"{name} needs answers that are kept between requests, and none are kept here",
        code="unsupported",
        field=name,
        hint=_STATEFUL[name],
    )


def _includes(body: dict[str, Any], words: dict[str, Any], extra: dict[str, Any]) -> None:
    asked = body.get("include")
    if asked is None:
        return
    names = [checks.text(name, f"include[{index}]") for index, name in enumerate(checks.rows(asked, "include"))]
    if _LOGPROBS in names:
        words["logprobs"] = True
    if not _PLAIN_INCLUDES.issuperset(names):
        extra["include"] = names


def write_response(response: ChatResponse, request: ChatRequest) -> bytes:
    """The body of an answer: a target's own bytes where it spoke this dialect."""
    if response.dialect == "responses" and response.raw is not None:
        return response.raw
    choice = response.choices[0] if response.choices else Choice(message=Message("assistant", ()), finish="stop")
    logprobs = tree.rows(tree.table(choice.logprobs).get("content"))
    status = "incomplete" if choice.finish in {"length", "content_filter", "pause"} else "completed"
    stem = items.stem_of(request, response.id)
    body = envelope(request, f"resp_{stem}", response.created, response.model)
    body["status"] = status
    body["output"] = items.write_output(choice.message, stem, logprobs, status)
    if status == "incomplete":
        reason = "content_filter" if choice.finish == "content_filter" else "max_output_tokens"
        body["incomplete_details"] = {"reason": reason}
    if response.usage is not None:
        body["usage"] = write_responses_usage(response.usage)
    return tree.dump(body)


# ----------------------------------------------------------------------------------------------------------- upstream

# Fields of this API by the names of chat completions, which a target's limits are written in.
_CHAT_NAMES = {"reasoning": "reasoning_effort", "text": "response_format", "max_output_tokens": "max_tokens"}
# What chat completions have and this API does not.
_ABSENT = frozenset({"n", "stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias", "top_k"})
# Fields of chat completions that this API has by the same name and meaning.
_SHARED = frozenset({"store", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"})


def write_request(request: ChatRequest, profile: Profile) -> Outgoing:
    """A request for a target of this API. UpstreamError ``unsupported`` names what it cannot do."""
    if request.output is not None and request.output.kind == "schema" and profile.json_schema != "native":
        raise failure.unsupported(f"{profile.model} does not take a JSON schema for its answer")
    if request.dialect == "responses" and request.tree is not None:
        body, dropped = _fitted(request.tree, profile)
    else:
        body, dropped = _built(request, profile)
    body["model"] = profile.model
    body.pop("max_output_tokens", None)
    if request.max_tokens is not None:
        body["max_output_tokens"] = request.max_tokens
    body.pop("stream", None)
    if request.stream:
        body["stream"] = True
    else:
        body.pop("stream_options", None)
    return Outgoing(path=profile.path or "/responses", body=tree.dump({**profile.options, **body}), dropped=dropped)


def _fitted(found: dict[str, Any], profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body that the client sent, without what the target does not accept."""
    body = dict(found)
    if profile.drops:
        names = {_CHAT_NAMES.get(name, name): name for name in body if name != "text"}
        for name in [name for name in names if name in profile.drops and fit.neutral(name, body[names[name]])]:
            del body[names.pop(name)]
        text = tree.table(body.get("text"))
        if not fit.neutral("response_format", text.get("format")):
            names["response_format"] = "text"
        if text.get("verbosity") is not None:
            names["verbosity"] = "text"
        dropped = fit.dropped(names, profile.drops, profile.model)
        for name in dropped:
            if name == "verbosity":
                body["text"] = {field: value for field, value in text.items() if field != "verbosity"}
            else:
                del body[names[name]]
    else:
        dropped = ()
    if "input" in body:
        body["input"] = items.fit_input(body["input"], profile)
    return body, dropped


def _built(request: ChatRequest, profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A body from the words; nothing of it is to be kept by the target."""
    extra = request.extra or {}
    if request.dialect is not None:
        shared = _SHARED if request.dialect == "openai" else frozenset()
        extra = {name: value for name, value in extra.items() if name in shared}
    refused = profile.drops.union(_ABSENT, (name for name in request.extra or () if name not in extra))
    dropped = fit.dropped(fit.said(request), refused, profile.model)
    effort = effort_of(request.reasoning)
    fields: dict[str, Any] = {
        "tools": items.write_tools(request.tools) or None,
        "tool_choice": None if request.tool_choice is None else _write_choice(request.tool_choice),
        "parallel_tool_calls": request.parallel_tools,
        "text": None if request.output is None else {"format": _write_format(request.output)},
        "reasoning": None if effort is None else {"effort": effort},
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_logprobs": request.top_logprobs,
        "include": [_LOGPROBS] if request.logprobs else None,
        "user": request.user,
        "metadata": request.metadata,
    }
    body = {"model": "", "input": items.write_input(request.messages, profile), "store": False, **extra}
    names = [name for name in fields if fields[name] is not None and _CHAT_NAMES.get(name, name) not in refused]
    return {**body, **{name: fields[name] for name in names}}, dropped


def _write_choice(choice: ToolChoice) -> str | dict[str, Any]:
    return {"type": "function", "name": choice.name} if choice.mode == "named" else choice.mode


def _write_format(output: OutputFormat) -> dict[str, Any]:
    if output.kind != "schema":
        return {"type": "json_object" if output.kind == "json" else "text"}
    return {"type": "json_schema", **parts.write_schema(output)}


class _Body(msgspec.Struct):
    id: Any = None
    status: Any = None
    created_at: Any = None
    model: Any = None
    output: list[Any] | None = None
    usage: Any = None
    error: Any = None
    incomplete_details: Any = None


_DECODER = msgspec.json.Decoder(_Body)


def read_response(body: bytes) -> ChatResponse:
    """A whole answer. UpstreamError: it failed, is not JSON or another shape (``malformed``), or has nothing in it."""
    try:
        answer = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = tree.table(tree.parse(body)).get("error")
        if found:
            raise error_inside(found) from None
        if not body.strip():
            raise UpstreamError("the target answered with nothing", upstream="empty") from None
        raise UpstreamError("the answer is no response", upstream="malformed") from None
    usage = read_usage(answer.usage)
    if answer.error or answer.status in {"failed", "cancelled"}:
        error = error_inside(answer.error or {"message": f"the response is {answer.status}"})
        error.usage = usage
        raise error
    if answer.output is None or answer.status in {"queued", "in_progress"}:
        raise UpstreamError("the answer is no finished response", upstream="malformed", usage=usage)
    found_parts, logprobs = items.read_output(answer.output)
    called = any(isinstance(part, ToolCall) for part in found_parts)
    finish: Finish = finish_of(answer.status, answer.incomplete_details, called)
    if not found_parts and finish == "stop":
        raise UpstreamError("the target answered without a word", upstream="empty", usage=usage)
    choice = Choice(
        message=Message("assistant", found_parts),
        finish=finish,
        logprobs={"content": logprobs, "refusal": None} if logprobs else None,
    )
    return ChatResponse(
        choices=(choice,),
        model=tree.text(answer.model),
        id=tree.text(answer.id),
        created=int(answer.created_at) if type(answer.created_at) in {int, float} else 0,
        usage=usage,
        raw=body,
        dialect="responses",
    )
