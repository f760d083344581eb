"""OpenAI's chat completions, embeddings and list of models: as a door and towards a target.

A request that came in this dialect goes to a target of it as it came: the parsed body with the target's own model,
its own name for the maximum of tokens, and what its :class:`~crossover.wire.words.Profile` says. Answers keep their
bytes. Everything else is built from the words of :mod:`crossover.chat`.
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
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Refused,
    Text,
    Thinking,
    ToolCall,
    Unknown,
)
from crossover.errors import RequestError, UpstreamError
from crossover.wire import checks, failure, fit, tree
from crossover.wire import openai_parts as parts
from crossover.wire.openai_embeddings import read_embed, read_embedded, write_embed, write_embedded, write_models
from crossover.wire.openai_errors import error_inside, read_error, write_error
from crossover.wire.openai_stream import StreamReader, StreamWriter
from crossover.wire.openai_usage import (
    of_all_choices,
    of_one_choice,
    read_finish,
    read_usage,
    write_finish,
    write_usage,
)
from crossover.wire.words import Outgoing, Profile

__all__ = [
    "StreamReader",
    "StreamWriter",
    "read_embed",
    "read_embedded",
    "read_error",
    "read_request",
    "read_response",
    "write_embed",
    "write_embedded",
    "write_error",
    "write_models",
    "write_request",
    "write_response",
]

# --------------------------------------------------------------------------------------------------------------- door


def _whole_from_0(value: Any, at: str) -> int:
    return checks.whole(value, at, 0)


def _whole_from_1(value: Any, at: str) -> int:
    return checks.whole(value, at, 1)


def _stop(value: Any, at: str) -> tuple[str, ...]:
    if type(value) is str:
        return (value,)
    if type(value) is not list:
        raise checks.wrong(at, "a string or a list of strings")
    return tuple([checks.text(word, f"{at}[{index}]") for index, word in enumerate(value)])


def _include_usage(value: Any, at: str) -> bool:
    return checks.flag(checks.table(value, at).get("include_usage") or False, f"{at}.include_usage")


# Field of the body: the word for it, and how it is read. A reader gives None for a shape that no word fits.
_FIELDS: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "model": ("model", checks.name),
    "messages": ("messages", lambda value, _: parts.read_messages(value)),
    "tools": ("tools", lambda value, _: parts.read_tools(value)),
    "tool_choice": ("tool_choice", lambda value, _: parts.read_choice(value)),
    "parallel_tool_calls": ("parallel_tools", checks.flag),
    "response_format": ("output", parts.read_format),
    "reasoning_effort": ("reasoning", lambda value, at: Reasoning(effort=checks.name(value, at))),
    "max_tokens": ("max_tokens", _whole_from_1),
    "max_completion_tokens": ("max_completion_tokens", _whole_from_1),
    "temperature": ("temperature", checks.number),
    "top_p": ("top_p", checks.number),
    "top_k": ("top_k", checks.whole),
    "presence_penalty": ("presence_penalty", checks.number),
    "frequency_penalty": ("frequency_penalty", checks.number),
    "seed": ("seed", checks.whole),
    "stop": ("stop", _stop),
    "n": ("n", _whole_from_1),
    "logprobs": ("logprobs", checks.flag),
    "top_logprobs": ("top_logprobs", _whole_from_0),
    "logit_bias": ("logit_bias", checks.table),
    "user": ("user", checks.text),
    "metadata": ("metadata", checks.table),
    "stream": ("stream", checks.flag),
    "stream_options": ("include_usage", _include_usage),
}


def read_request(body: Any, caller: Caller = NOBODY) -> ChatRequest:
    """A parsed body as a request. RequestError 400 names the field that is wrong; unknown fields stay in ``extra``."""
    if type(body) is not dict:
        raise RequestError("the body must be a JSON object", code="invalid_body")
    words: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in body.items():
        if value is None:
            continue
        row = _FIELDS.get(name)
        found = None if row is None else row[1](value, name)
        if row is None or found is None:
            extra[name] = value
        else:
            words[row[0]] = found
    for name in ("model", "messages"):
        if name not in words:
            raise RequestError(f"{name} is missing", code="missing_field", field=name)
    if "max_completion_tokens" in words:  # the younger name of the two
        words["max_tokens"] = words.pop("max_completion_tokens")
    if "tools" in words:
        words["tools"], others = words["tools"]
        if others:
            extra["tools"] = others
    if extra:
        words["extra"] = extra
    return ChatRequest(dialect="openai", tree=body, caller=caller, **words)


def write_response(response: ChatResponse, request: ChatRequest) -> bytes:
    """The body of an answer: a target's own bytes where it spoke this dialect."""
    if response.dialect == "openai" and response.raw is not None:
        return response.raw
    body: dict[str, Any] = {
        "id": response.id or f"chatcmpl-{request.caller.request_id}",
        "object": "chat.completion",
        "created": response.created,
        "model": response.model or request.model,
        "choices": [
            {
                "index": choice.index,
                "message": _write_message(choice.message),
                "logprobs": choice.logprobs,
                "finish_reason": write_finish(choice.finish),
            }
            for choice in response.choices
        ],
    }
    if response.usage is not None:
        body["usage"] = write_usage(response.usage)
    return tree.dump(body)


def _write_message(message: Message) -> dict[str, Any]:
    """An answer. Thinking is ``reasoning_content``; what a signature seals is in ``reasoning_details`` as well."""
    texts: list[str] = []
    thoughts: list[Thinking] = []
    calls: list[dict[str, Any]] = []
    refusal = ""
    for part in message.parts:
        if isinstance(part, Text):
            texts.append(part.text)
        elif isinstance(part, Thinking):
            thoughts.append(part)
        elif isinstance(part, ToolCall):
            calls.append(parts.write_answered_call(part))
        elif isinstance(part, Refused):
            refusal += part.text
    row: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None}
    row["refusal"] = refusal or None
    shown = "".join(thought.text for thought in thoughts)
    if shown:
        row["reasoning_content"] = shown
    if any(thought.signature or thought.redacted for thought in thoughts):
        row["reasoning_details"] = [parts.write_thought(thought, index) for index, thought in enumerate(thoughts)]
    if calls:
        row["tool_calls"] = calls
    elif not texts and not refusal:
        row["content"] = ""
    return row


# ----------------------------------------------------------------------------------------------------------- upstream


def write_request(request: ChatRequest, profile: Profile) -> Outgoing:
    """A request for a target of this dialect. UpstreamError ``unsupported`` names what it cannot do."""
    if request.dialect == "openai" and request.tree is not None:
        body, dropped = _fitted(request.tree, profile)
    else:
        body, dropped = _built(request, profile)
    body["model"] = profile.model
    _limit(body, request, profile)
    dropped += _flags(body, request, profile)
    if request.output is not None and request.output.kind == "schema" and profile.json_schema != "native":
        _spell_schema(body, request.output, profile)
    if profile.options:
        body = {**profile.options, **body}
    return Outgoing(path=profile.path or "/chat/completions", body=tree.dump(body), dropped=dropped)


def _fitted(body: dict[str, Any], profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body that the client sent, without what the target does not accept."""
    body = dict(body)
    if not profile.drops.isdisjoint(body):
        for name in [name for name in body if name in profile.drops and fit.neutral(name, body[name])]:
            del body[name]
        dropped = fit.dropped(body, profile.drops, profile.model)
        for name in dropped:
            del body[name]
    else:
        dropped = ()
    body["messages"] = parts.fit_messages(body["messages"], profile)
    return body, dropped


def _built(request: ChatRequest, profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A body from the words. Fields without a word go along from Python and, where OpenAI shares them, Responses."""
    extra = request.extra or {}
    if request.dialect is not None:
        shared = _SHARED if request.dialect == "responses" else frozenset()
        extra = {name: value for name, value in extra.items() if name in shared}
    refused = profile.drops.union(name for name in request.extra or () if name not in extra)
    dropped = fit.dropped(fit.said(request), refused, profile.model)
    body: dict[str, Any] = {"model": "", "messages": parts.write_messages(request.messages, profile), **extra}
    fields: dict[str, Any] = {
        "tools": parts.write_tools(request.tools) or None,
        "tool_choice": None if request.tool_choice is None else parts.write_choice(request.tool_choice),
        "parallel_tool_calls": request.parallel_tools,
        "response_format": None if request.output is None else parts.write_format(request.output),
        "reasoning_effort": effort_of(request.reasoning),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "n": request.n if request.n > 1 else None,
        "logprobs": request.logprobs or None,
        "top_logprobs": request.top_logprobs,
        "logit_bias": request.logit_bias,
        "user": request.user,
        "metadata": request.metadata,
    }
    # What is in ``drops`` and still here says no more than leaving it out.
    body.update({name: value for name, value in fields.items() if value is not None and name not in profile.drops})
    for name in dropped:
        body.pop(name, None)
    return body, dropped


# Fields of the Responses API that chat completions have by the same name and meaning.
_SHARED = frozenset(
    {
        "store",
        "service_tier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "verbosity",
    }
)


def effort_of(reasoning: Reasoning | None) -> str | None:
    """How much to think, in OpenAI's words. A budget of tokens is turned into the nearest word: 0 is ``none``."""
    if reasoning is None or reasoning.effort is not None or reasoning.budget_tokens is None:
        return None if reasoning is None else reasoning.effort
    budget = reasoning.budget_tokens
    return "none" if budget <= 0 else "low" if budget < 4096 else "medium" if budget < 16384 else "high"


def _limit(body: dict[str, Any], request: ChatRequest, profile: Profile) -> None:
    body.pop("max_tokens", None)
    body.pop("max_completion_tokens", None)
    if request.max_tokens is not None:
        body[profile.max_tokens_field] = request.max_tokens


def _flags(body: dict[str, Any], request: ChatRequest, profile: Profile) -> tuple[str, ...]:
    """Streaming and its usage, which is always asked for: the door takes out what the client did not want."""
    options = body.pop("stream_options", None)
    if not request.stream:
        body.pop("stream", None)
        return ()
    body["stream"] = True
    if "stream_options" in profile.drops or profile.stream_usage == "none":
        return ("stream_options",) if options else ()
    asked: dict[str, Any] = {**(options or {}), "include_usage": True}
    if profile.stream_usage == "continuous":
        asked["continuous_usage_stats"] = True
    body["stream_options"] = asked
    return ()


def _spell_schema(body: dict[str, Any], output: OutputFormat, profile: Profile) -> None:
    """A schema for a target that only promises JSON: the schema in words, for the model to follow."""
    if profile.json_schema != "json":
        raise failure.unsupported(f"{profile.model} does not take a JSON schema for its answer")
    body["response_format"] = {"type": "json_object"}
    schema = tree.dump_text(output.schema or {})
    words = f"Answer with one JSON object that conforms to this JSON Schema, and with nothing else:\n{schema}"
    messages = list(body["messages"])
    first = messages[0]
    if first.get("role") == "system" and type(first.get("content")) is str:
        messages[0] = {**first, "content": f"{first['content']}\n\n{words}"}
    else:
        messages.insert(0, {"role": "system", "content": words})
    body["messages"] = messages


class _Function(msgspec.Struct):
    name: Any = None
    arguments: Any = None


class _Call(msgspec.Struct):
    id: Any = None
    type: Any = None
    function: _Function | None = None
    extra_content: Any = None


class _Message(msgspec.Struct):
    content: Any = None
    refusal: Any = None
    tool_calls: list[_Call] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    function_call: Any = None
    audio: Any = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    index: Any = 0
    finish_reason: Any = None
    logprobs: Any = None
    usage: Any = None


class _Body(msgspec.Struct):
    id: Any = None
    object: Any = None
    created: Any = None
    model: Any = None
    choices: list[_Choice] | None = None
    usage: Any = None
    x_groq: Any = None
    timings: Any = None
    error: Any = None
    message: Any = None


_DECODER = msgspec.json.Decoder(_Body)


def read_response(body: bytes) -> ChatResponse:
    """A whole answer. UpstreamError: an ``error`` inside, not JSON or another shape (``malformed``), no choices."""
    try:
        answer = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _not_an_answer(body) from None
    if answer.error:
        raise error_inside(answer.error)
    if answer.object == "error":  # vLLM, of old
        raise error_inside({"message": answer.message})
    usage = read_usage(answer.usage, answer.timings)
    if usage is None:
        usage = read_usage(tree.table(answer.x_groq).get("usage"))
    if not answer.choices:
        raise UpstreamError("the target answered without a choice", upstream="empty", usage=usage)
    choices = tuple([_choice(choice, number) for number, choice in enumerate(answer.choices)])
    if len(choices) > 1 and usage is not None and of_one_choice(usage, answer.timings):
        usage = of_all_choices(usage, [_written(choice.message) for choice in choices])
    if usage is None:
        usage = read_usage(answer.choices[0].usage)
    made = answer.created if type(answer.created) is int and answer.created > 0 else tree.count(answer.created) or 0
    return ChatResponse(choices, tree.text(answer.model), tree.text(answer.id), made, usage, body, "openai")


def _written(message: Message) -> int:
    """The characters of an answer that a model wrote."""
    texts = (part.text for part in message.parts if isinstance(part, Text | Thinking | Refused))
    calls = (part.name + part.arguments for part in message.parts if isinstance(part, ToolCall))
    return sum(map(len, (*texts, *calls)))


def _not_an_answer(body: bytes) -> UpstreamError:
    if not body.strip():
        return UpstreamError("the target answered with nothing", upstream="empty")
    found = tree.parse(body)
    error = found.get("error") if type(found) is dict else None
    return error_inside(error) if error else UpstreamError("the answer is no chat completion", upstream="malformed")


def _choice(choice: _Choice, number: int) -> Choice:
    message = choice.message
    if message is None:
        raise UpstreamError("a choice of the answer has no message", upstream="malformed")
    found: list[Part] = []
    if message.reasoning_content or message.reasoning or message.reasoning_details:
        found += parts.read_thinking(
            {
                "reasoning_content": message.reasoning_content,
                "reasoning": message.reasoning,
                "reasoning_details": message.reasoning_details,
            }
        )
    if type(message.content) is str:
        if message.content:
            found.append(Text(message.content))
    elif message.content is not None:
        text, thinking = parts.read_chunks(message.content)
        found += [Thinking(thinking)] if thinking else []
        found += [Text(text)] if text else []
    if type(message.refusal) is str and message.refusal:
        found.append(Refused(message.refusal))
    if message.tool_calls:
        found += [_tool_call(call, index) for index, call in enumerate(message.tool_calls)]
    if message.function_call is not None:
        found.append(Unknown("function_call", message.function_call))
    if message.audio is not None:
        found.append(Unknown("audio", message.audio))
    finish = read_finish(choice.finish_reason, called=bool(message.tool_calls))
    if finish is None:  # a whole body without a reason: whole all the same, where it says something
        if not found:
            raise UpstreamError("the answer says nothing, not even why it ended", upstream="empty")
        finish = "tool_calls" if message.tool_calls else "stop"
    index = choice.index if type(choice.index) is int else number
    return Choice(Message("assistant", tuple(found)), finish, index, choice.logprobs)


def _tool_call(call: _Call, index: int) -> Part:
    function = call.function
    if function is None:
        return Unknown(tree.text(call.type) or "tool_call", msgspec.to_builtins(call))
    return ToolCall(
        tree.text(call.id) or f"call_{index}",
        tree.text(function.name),
        tree.text_of_arguments(function.arguments),
        parts.google_signature({"extra_content": call.extra_content}),
    )
