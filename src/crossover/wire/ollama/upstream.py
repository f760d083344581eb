"""Speaking Ollama's native dialect to a target, relative to a base URL that ends with ``/api``.

Ollama cuts a conversation that is longer than its context silently, at either end. So the context is always stated and
the same for a model (another size would load the model anew), and cutting is forbidden: ``truncate`` false makes a
prompt that is too long an error, ``shift`` false ends an answer that reaches the end of the context with ``length``.
"""

from __future__ import annotations

from typing import Any

from crossover.chat import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    EmbedRequest,
    EmbedResponse,
    Message,
    Part,
    Text,
    Thinking,
    ToolDelta,
)
from crossover.errors import UpstreamError
from crossover.usage import Usage
from crossover.wire import fit, ndjson, tree, turns, vectors
from crossover.wire.failure import cut, failure, kind_of, retry_after, unsupported
from crossover.wire.ollama import shapes
from crossover.wire.sse import Event
from crossover.wire.words import Headers, Outgoing, Profile

_LACKS = frozenset({"logit_bias", "parallel_tool_calls", "user", "metadata", "n"})
# OpenAI's names of parameters and the fields of options that carry them.
_OPTIONS = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "stop": "stop",
}
_FIELDS = {"reasoning_effort": "think", "response_format": "format"}
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}


# ------------------------------------------------------------------------------------------------------------- write


def write_request(request: ChatRequest, profile: Profile) -> Outgoing:
    """The request for one target. UpstreamError ``unsupported`` where it says what this dialect cannot."""
    own = request.dialect == "ollama" and request.tree is not None
    body, dropped = _same(request, profile) if own else _built(request, profile)
    options = {**profile.options, **tree.table(body.get("options"))}
    if profile.context is not None:
        if options.get("num_ctx", profile.context) != profile.context:
            dropped = (*dropped, "num_ctx")
        options["num_ctx"] = profile.context
    if options:
        body["options"] = options
    body.setdefault("truncate", False)
    body.setdefault("shift", False)
    if profile.keep_alive is not None:
        body.setdefault("keep_alive", keep_alive(profile.keep_alive))
    return Outgoing(path=profile.path or "/chat", body=tree.dump(body), dropped=dropped)


def keep_alive(said: str) -> str | int:
    """How long a model stays loaded: a duration (``5m``), or seconds, which the server takes only as a number."""
    try:
        return int(said)
    except ValueError:
        return said


def _same(request: ChatRequest, profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    body = {**(request.tree or {}), "model": profile.model, "stream": request.stream}
    dropped = fit.dropped(fit.said(request), profile.drops, profile.model)
    gone = {_OPTIONS.get(name, name) for name in dropped}
    if gone and type(body.get("options")) is dict:
        body["options"] = {name: value for name, value in body["options"].items() if name not in gone}
    for name in dropped:
        body.pop(_FIELDS.get(name, name), None)
    return body, dropped


def _built(request: ChatRequest, profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    own = request.dialect in (None, "ollama")
    foreign = frozenset() if own else frozenset(request.extra or ())
    dropped = fit.dropped(fit.said(request), _LACKS | profile.drops | foreign, profile.model)
    names = turns.names_of(request.messages)
    body: dict[str, Any] = {
        "model": profile.model,
        "messages": [row for message in request.messages for row in shapes.message_rows(message, names)],
        "stream": request.stream,
    }
    tools = _tools(request)
    if tools:
        body["tools"] = tools
    if request.output is not None and request.output.kind != "text":
        schema = request.output.schema if request.output.kind == "schema" and profile.json_schema != "json" else None
        body["format"] = schema or "json"
    think = _think(request, profile)
    if think is not None and "reasoning_effort" not in dropped:
        body["think"] = think
    if request.logprobs:
        body["logprobs"] = True
        if request.top_logprobs is not None:
            body["top_logprobs"] = request.top_logprobs
    options = _options(request, profile.drops.union(dropped))
    if options:
        body["options"] = options
    if own:
        body.update(request.extra or {})
    return body, dropped


def _options(request: ChatRequest, gone: frozenset[str]) -> dict[str, Any]:
    said = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "seed": request.seed,
        "stop": list(request.stop) or None,
    }
    return {_OPTIONS[name]: value for name, value in said.items() if value is not None and name not in gone}


def _tools(request: ChatRequest) -> list[dict[str, Any]]:
    """The tools to offer; none where none may be called. The dialect cannot make a model call one."""
    mode = request.tool_choice.mode if request.tool_choice is not None else "auto"
    if mode in ("required", "named") and request.tools:
        raise unsupported("the Ollama dialect cannot make a model call a tool (tool_choice)")
    if mode == "none":
        return []
    empty = {"type": "object", "properties": {}}
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters or empty,
            },
        }
        for tool in request.tools
    ]


def _think(request: ChatRequest, profile: Profile) -> bool | str | None:
    """Thinking on or off; by level where the profile says that the model knows levels (``reasoning_field`` levels)."""
    said = request.reasoning
    if said is None:
        return None
    if said.effort == "none" or said.budget_tokens == 0:
        return False
    if profile.reasoning_field == "levels":
        return _LEVELS.get(said.effort or "medium", "medium")
    return True


# -------------------------------------------------------------------------------------------------------------- read


def read_response(body: bytes) -> ChatResponse:
    """A whole answer. UpstreamError where it is an error or not at its end."""
    found = tree.body_of(body)
    if "error" in found:
        raise error_of(found, None)
    usage = shapes.usage_of(found)
    if found.get("done") is not True:
        raise cut(usage)
    message = tree.table(found.get("message"))
    calls = turns.Calls()
    parts: list[Part] = []
    if tree.text(message.get("thinking")):
        parts.append(Thinking(message["thinking"]))
    if tree.text(message.get("content")):
        parts.append(Text(message["content"]))
    made = [shapes.call_of(tree.table(row), calls) for row in tree.rows(message.get("tool_calls"))]
    finish = shapes.finish_of(tree.text(found.get("done_reason")), called=bool(made), usage=usage)
    logprobs = shapes.logprobs_of(found.get("logprobs"))
    return ChatResponse(
        choices=(Choice(message=Message("assistant", (*parts, *made)), finish=finish, logprobs=logprobs),),
        model=tree.text(found.get("model")),
        usage=usage,
        raw=body,
        dialect="ollama",
    )


class StreamReader:
    """Bytes of a streamed answer in, chunks out. ``malformed`` counts lines that are no JSON.

    An error after chunks of the same read waits in ``failed`` and is raised by the next call.
    """

    def __init__(self) -> None:
        self.malformed = 0
        self.failed: UpstreamError | None = None
        self._framer = ndjson.Framer()
        self._ids = turns.Calls()
        self._calls = 0
        self._begun = False
        self._ended = False
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> list[ChatChunk]:
        """The chunks that ``data`` completes. Raises UpstreamError where the target says that it failed."""
        return self._take(self._framer.feed(data))

    def eof(self) -> list[ChatChunk]:
        """The last chunks; UpstreamError ``cut`` where the stream ended without ``done``."""
        chunks = self._take(self._framer.eof())
        if self.failed is not None:
            raise self.failed
        if not self._ended:
            raise cut(self.usage)
        return chunks

    def _take(self, events: list[Event]) -> list[ChatChunk]:
        if self.failed is not None:
            raise self.failed
        chunks: list[ChatChunk] = []
        for event in events:
            try:
                chunk = self._read(event)
            except UpstreamError as error:
                self.failed = error
                if not chunks:
                    raise
                return chunks
            if chunk is not None:
                chunks.append(chunk)
        return chunks

    def _read(self, event: Event) -> ChatChunk | None:
        if self._ended or not event.data:
            return None
        found = tree.parse(event.data)
        if type(found) is not dict:
            self.malformed += 1
            return None
        if "error" in found:
            raise error_of(found, self.usage, begun=self._begun)
        self._begun = True
        deltas = self._deltas(tree.table(found.get("message")), shapes.logprobs_of(found.get("logprobs")))
        usage = shapes.usage_of(found)
        self.usage = usage or self.usage
        if found.get("done") is True:
            reason = tree.text(found.get("done_reason"))
            deltas.append(Delta(finish=shapes.finish_of(reason, called=self._calls > 0, usage=usage)))
            self._ended = True
        return ChatChunk(
            deltas=tuple(deltas),
            usage=usage,
            raw=event.raw,
            dialect="ollama",
            model=tree.text(found.get("model")),
            last=self._ended,
        )

    def _deltas(self, message: dict[str, Any], logprobs: Any) -> list[Delta]:
        deltas: list[Delta] = []
        words, thinking = tree.text(message.get("content")), tree.text(message.get("thinking"))
        if words or thinking or logprobs is not None:
            deltas.append(Delta(text=words, thinking=thinking, logprobs=logprobs))
        for row in tree.rows(message.get("tool_calls")):
            call = shapes.call_of(tree.table(row), self._ids)
            tool = ToolDelta(index=self._calls, id=call.id, name=call.name, arguments=call.arguments)
            self._calls += 1
            deltas.append(Delta(tool=tool))
        return deltas


def read_error(status: int, headers: Headers, body: bytes) -> UpstreamError:
    """Why a request was refused."""
    found = tree.table(tree.parse(body))
    words = _words(found) or body[:2000].decode("utf-8", "replace")
    return failure(kind_of(status, words), words, status=status, retry_after_s=retry_after(headers))


def error_of(found: dict[str, Any], usage: Usage | None, *, begun: bool = True) -> UpstreamError:
    """An error inside an answer of status 200; it may name the status it would have had."""
    words = _words(found)
    status = tree.count(found.get("status")) or 500
    kind = kind_of(status, words)
    return failure(kind, words, usage=usage, accepted=begun)


def _words(found: dict[str, Any]) -> str:
    error = found.get("error")
    return tree.text(error) or tree.text(tree.table(error).get("message"))


# -------------------------------------------------------------------------------------------------------- embeddings


def write_embed(request: EmbedRequest, profile: Profile) -> Outgoing:
    """A request for vectors; a text that is too long is an error, never cut."""
    own = request.dialect == "ollama" and request.tree is not None
    foreign = frozenset() if request.dialect in (None, "ollama") else frozenset(request.extra or ())
    said = [name for name, value in (("user", request.user), ("dimensions", request.dimensions)) if value is not None]
    extra = request.extra or {}
    dropped = fit.dropped([*said, *extra], frozenset({"user"}) | profile.drops | foreign, profile.model)
    if any(type(text) is not str for text in request.inputs):
        raise unsupported("the Ollama dialect embeds texts, not lists of tokens")
    body = dict(request.tree or {}) if own else {"input": list(request.inputs), **_kept(extra, foreign)}
    body["model"] = profile.model
    if request.dimensions is not None and "dimensions" not in dropped:
        body["dimensions"] = request.dimensions
    options = {**profile.options, **tree.table(body.get("options"))}
    if profile.context is not None:
        options["num_ctx"] = profile.context
    if options:
        body["options"] = options
    body.setdefault("truncate", False)
    if profile.keep_alive is not None:
        body.setdefault("keep_alive", keep_alive(profile.keep_alive))
    return Outgoing(path=profile.path or "/embed", body=tree.dump(body), dropped=tuple(dropped))


def _kept(extra: dict[str, Any], foreign: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in extra.items() if name not in foreign}


def read_embedded(body: bytes) -> EmbedResponse:
    """The vectors of an answer, in the order of the inputs."""
    found = tree.body_of(body)
    if "error" in found:
        raise error_of(found, None)
    made = tuple(vectors.floats(row) for row in tree.rows(found.get("embeddings")))
    if not made or any(not vector for vector in made):
        raise UpstreamError("the answer has no vectors", upstream="malformed")
    tokens = tree.count(found.get("prompt_eval_count"))
    return EmbedResponse(
        vectors=made,
        model=tree.text(found.get("model")),
        usage=None if tokens is None else Usage(input=tokens),
        raw=body,
        dialect="ollama",
    )
