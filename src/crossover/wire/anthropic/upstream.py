"""Speaking the Anthropic dialect to a target: Messages API, relative to a base URL that ends with ``/v1``.

The provider's row sends the header ``anthropic-version`` (2023-06-01: later versions refuse sampling parameters).
"""

from __future__ import annotations

from typing import Any

from crossover.chat import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    Message,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolDelta,
    Unknown,
)
from crossover.errors import UpstreamError
from crossover.usage import Usage
from crossover.wire import fit, sse, tree, turns
from crossover.wire.anthropic import schema, shapes
from crossover.wire.failure import cut, failure, kind_of, retry_after, unsupported
from crossover.wire.words import Headers, Outgoing, Profile

PATH = "/messages"
DEFAULT_MAX_TOKENS = 4096  # where neither the request nor the deployment says a maximum and the API demands one
LEAST_BUDGET = 1024  # the smallest budget of thinking tokens that the API takes
_LACKS = frozenset(
    {"presence_penalty", "frequency_penalty", "seed", "logprobs", "top_logprobs", "logit_bias", "n", "metadata"}
)
# OpenAI's names of parameters and the fields of this dialect that carry them.
_FIELDS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop": "stop_sequences",
    "user": "metadata",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "reasoning_effort": "thinking",
    "response_format": "output_config",
}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
# Shares of the maximum that OpenRouter documents for turning an effort into a budget (and back: the nearest).
_SHARES = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.95, "max": 0.95}
_LIMIT_RESETS = (
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-output-tokens-reset",
)


# ------------------------------------------------------------------------------------------------------------- write


def write_request(request: ChatRequest, profile: Profile) -> Outgoing:
    """The request for one target. UpstreamError ``unsupported`` where it says what this dialect cannot."""
    own = request.dialect == "anthropic" and request.tree is not None
    body, dropped = _same(request, profile) if own else _built(request, profile)
    return Outgoing(path=profile.path or PATH, body=tree.dump({**profile.options, **body}), dropped=dropped)


def _same(request: ChatRequest, profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body as the client wrote it, with the target's model and what the target needs or cannot take."""
    body = {**(request.tree or {}), "model": profile.model}
    dropped = fit.dropped(fit.said(request), profile.drops, profile.model)
    for name in dropped:
        body.pop(_FIELDS.get(name, name), None)
    if body.get("max_tokens") is None:
        body["max_tokens"] = profile.max_output or DEFAULT_MAX_TOKENS
    return body, dropped


def _built(request: ChatRequest, profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    own = request.dialect in (None, "anthropic")
    foreign = frozenset() if own else frozenset(request.extra or ())
    dropped = list(fit.dropped(fit.said(request), _LACKS | profile.drops | foreign, profile.model))
    body: dict[str, Any] = {"model": profile.model, "max_tokens": request.max_tokens or _most(profile)}
    system = [block for block in map(shapes.block_of, turns.system_texts(request.messages)) if block]
    if system:
        body["system"] = system
    body["messages"] = _messages(request)
    sampling = (("temperature", request.temperature), ("top_p", request.top_p), ("top_k", request.top_k))
    body.update({name: value for name, value in sampling if value is not None and name not in dropped})
    if (request.temperature or 0) > 1:
        raise unsupported("the Anthropic dialect takes temperatures from 0 to 1")
    if request.stop:
        body["stop_sequences"] = [stop for stop in request.stop if stop.strip()]
    if request.user is not None and "user" not in dropped:
        body["metadata"] = {"user_id": request.user}
    _tools(request, profile, body)
    _reasoning(request, profile, body, dropped)
    if request.stream:
        body["stream"] = True
    if own:
        body.update(request.extra or {})
    return body, tuple(dropped)


def _most(profile: Profile) -> int:
    return profile.max_output or DEFAULT_MAX_TOKENS


def _messages(request: ChatRequest) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for side, parts in turns.alternating(request.messages):
        first = parts[0]
        if len(parts) == 1 and type(first) is Text and first.cache is None:  # the usual turn
            messages.append({"role": side, "content": [{"type": "text", "text": first.text}]})
            continue
        sent = [part for part in _folded(parts) if _sendable(part, request)]
        blocks = [block for block in map(shapes.block_of, sent) if block is not None]
        if blocks:
            messages.append({"role": side, "content": blocks})
    last = messages[-1]["content"][-1]
    # The API refuses an answer begun for the model that ends in white space.
    if messages[-1]["role"] == "assistant" and last["type"] == "text":
        last["text"] = last["text"].rstrip() or turns.OPENING
    return messages


def _folded(parts: list[Part]) -> list[Part]:
    """Thoughts that came in pieces as one: the signature of the last piece is that of them all."""
    found: list[Part] = []
    for part in parts:
        last = found[-1] if found else None
        open_thought = isinstance(last, Thinking) and last.signature is None and last.redacted is None
        if isinstance(part, Thinking) and isinstance(last, Thinking) and open_thought and part.redacted is None:
            found[-1] = Thinking(last.text + part.text, part.signature)
        else:
            found.append(part)
    return found


def _sendable(part: Part, request: ChatRequest) -> bool:
    """Thinking goes back only with its signature: the API refuses any other, and the answer does not need it."""
    if isinstance(part, Unknown) and request.dialect not in (None, "anthropic"):
        raise unsupported(f"a part of the kind {part.kind!r} cannot be put into the Anthropic dialect")
    return not isinstance(part, Thinking) or part.signature is not None or part.redacted is not None


def _tools(request: ChatRequest, profile: Profile, body: dict[str, Any]) -> None:
    tools: list[dict[str, Any]] = []
    for tool in request.tools:
        row: dict[str, Any] = {"name": tool.name, "input_schema": schema.for_tool(tool.parameters)}
        if tool.description:
            row["description"] = tool.description
        if tool.strict:
            row["strict"] = True
        tools.append(shapes.tool_cache(row, tool.cache))
    choice = _choice(request) if tools else None
    output = request.output
    if output is not None and output.kind == "schema" and profile.json_schema == "native":
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema.strict(output.schema or {})}}
    elif output is not None and output.kind != "text":
        choice = {"type": "any"} if tools else {"type": "tool", "name": shapes.ANSWER_TOOL}
        words = output.description or "Give the answer: call this tool with the answer as its arguments."
        made = schema.for_tool(output.schema or {})
        tools.append({"name": shapes.ANSWER_TOOL, "description": words, "input_schema": made})
    if tools:
        body["tools"] = tools
    if choice is not None:
        body["tool_choice"] = choice


def _choice(request: ChatRequest) -> dict[str, Any] | None:
    said = request.tool_choice
    choice: dict[str, Any] | None = None
    if said is not None:
        kinds = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}
        choice = {"type": kinds[said.mode]}
        if said.mode == "named":
            choice["name"] = said.name
    if request.parallel_tools is False and (choice is None or choice["type"] != "none"):
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return choice


def _reasoning(request: ChatRequest, profile: Profile, body: dict[str, Any], dropped: list[str]) -> None:
    """Thinking by effort, or by budget where the target's profile (``reasoning_field`` budget_tokens) or caller says.

    Models up to Claude 4.5 take budgets only, later ones take efforts and refuse budgets. A forced tool forbids it.
    """
    said = request.reasoning
    if said is None or "reasoning_effort" in dropped:
        return
    if said.effort == "none" or said.budget_tokens == 0:
        body["thinking"] = {"type": "disabled"}
        return
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        dropped.append("reasoning_effort")
        return
    if profile.reasoning_field != "budget_tokens" and (said.budget_tokens is None or profile.reasoning_field):
        effort = _EFFORTS.get(said.effort or "") or _nearest(said.budget_tokens, body["max_tokens"])
        body["thinking"] = {"type": "adaptive"}
        if effort:
            body["output_config"] = {**body.get("output_config", {}), "effort": effort}
        return
    budget = said.budget_tokens or int(_SHARES.get(said.effort or "", 0.5) * body["max_tokens"])
    budget = max(budget, LEAST_BUDGET)
    if budget >= body["max_tokens"]:
        if request.max_tokens is not None and request.max_tokens <= LEAST_BUDGET:
            dropped.append("reasoning_effort")
            return
        if request.max_tokens is None:
            body["max_tokens"] = budget + DEFAULT_MAX_TOKENS
        budget = min(budget, body["max_tokens"] - 1)
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _nearest(budget: int | None, most: int) -> str | None:
    if budget is None:
        return None
    share = budget / max(most, 1)
    return min(("low", "medium", "high"), key=lambda effort: abs(_SHARES[effort] - share))


# -------------------------------------------------------------------------------------------------------------- read


def read_response(body: bytes) -> ChatResponse:
    """A whole answer. UpstreamError where it is an error or no answer at all."""
    found = tree.body_of(body)
    if found.get("type") == "error":
        raise _error_of(found, None, accepted=True)
    if type(found.get("content")) is not list:
        raise UpstreamError("the answer has no content", upstream="malformed")
    usage = shapes.Tokens().take(tree.table(found.get("usage")), final=True)
    finish = shapes.finish_of(tree.text(found.get("stop_reason")), usage)
    parts = tuple(_answer(part) for part in shapes.parts_of(found["content"]))
    if finish == "tool_calls" and not any(isinstance(part, ToolCall) for part in parts):
        finish = "stop"
    return ChatResponse(
        choices=(Choice(message=Message("assistant", parts), finish=finish),),
        model=tree.text(found.get("model")),
        id=tree.text(found.get("id")),
        usage=usage,
        raw=body,
        dialect="anthropic",
    )


def _answer(part: Part) -> Part:
    """A call of the tool that stands for structured output is the answer's text."""
    if isinstance(part, ToolCall) and part.name == shapes.ANSWER_TOOL:
        return Text(part.arguments)
    return part


class _Block:
    """An open content block: what it is, the number of its tool call, and whether arguments came."""

    __slots__ = ("given", "index", "kind", "started")

    def __init__(self, kind: str, index: int, given: str) -> None:
        self.kind = kind
        self.index = index
        self.given = given
        self.started = False


class StreamReader:
    """Bytes of a streamed answer in, chunks out. ``malformed`` counts events that are no JSON, ``unknown`` new kinds.

    An error after chunks of the same read waits in ``failed`` (nothing read is lost) and is raised by the next call.
    """

    def __init__(self) -> None:
        self.malformed = 0
        self.unknown = 0
        self.failed: UpstreamError | None = None
        self._framer = sse.Framer()
        self._blocks: dict[int, _Block] = {}
        self._tokens = shapes.Tokens()
        self._tools = 0
        self._answered = False
        self._begun = False
        self._ended = False

    @property
    def usage(self) -> Usage | None:
        """What was counted so far."""
        return self._tokens.usage()

    def feed(self, data: bytes) -> list[ChatChunk]:
        """The chunks that ``data`` completes. Raises UpstreamError where the target says that it failed."""
        return self._take(self._framer.feed(data))

    def eof(self) -> list[ChatChunk]:
        """The last chunks; UpstreamError ``cut`` where the stream ended without ``message_stop``."""
        chunks = self._take(self._framer.eof())
        if self.failed is not None:
            raise self.failed
        if not self._ended:
            raise cut(self.usage)
        return chunks

    def _take(self, events: list[sse.Event]) -> list[ChatChunk]:
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

    def _read(self, event: sse.Event) -> ChatChunk | None:
        if self._ended or not event.data:
            return None
        found = tree.parse(event.data)
        if type(found) is not dict:
            self.malformed += 1
            return None
        match found.get("type"):
            case "content_block_delta":
                return self._chunk(event, self._delta(found))
            case "content_block_start":
                return self._chunk(event, self._start(found))
            case "content_block_stop":
                return self._chunk(event, self._stop(found))
            case "message_start":
                return self._message(event, found)
            case "message_delta":
                return self._end(event, found)
            case "message_stop":
                self._ended = True
                return ChatChunk(raw=event.raw, dialect="anthropic", usage=self.usage, last=True)
            case "error":
                raise _error_of(found, self.usage, accepted=self._begun)
            case "ping":
                return self._chunk(event, None)
            case _:
                self.unknown += 1
                return self._chunk(event, None)

    def _chunk(self, event: sse.Event, delta: Delta | None) -> ChatChunk:
        return ChatChunk(deltas=() if delta is None else (delta,), raw=event.raw, dialect="anthropic")

    def _message(self, event: sse.Event, found: dict[str, Any]) -> ChatChunk:
        self._begun = True
        message = tree.table(found.get("message"))
        return ChatChunk(
            usage=self._tokens.take(tree.table(message.get("usage")), final=False),
            raw=event.raw,
            dialect="anthropic",
            id=tree.text(message.get("id")),
            model=tree.text(message.get("model")),
        )

    def _end(self, event: sse.Event, found: dict[str, Any]) -> ChatChunk:
        usage = self._tokens.take(tree.table(found.get("usage")), final=True)
        reason = tree.table(found.get("delta")).get("stop_reason")
        if reason is None:
            return ChatChunk(usage=usage, raw=event.raw, dialect="anthropic")
        finish = shapes.finish_of(tree.text(reason), usage)
        if finish == "tool_calls" and self._answered and not self._tools:
            finish = "stop"
        return ChatChunk(deltas=(Delta(finish=finish),), usage=usage, raw=event.raw, dialect="anthropic")

    def _start(self, found: dict[str, Any]) -> Delta | None:
        block = tree.table(found.get("content_block"))
        place = tree.count(found.get("index")) or 0
        match block.get("type"):
            case "text":
                self._blocks[place] = _Block("text", 0, "")
                return Delta(text=tree.text(block.get("text")))
            case "thinking":
                self._blocks[place] = _Block("thinking", 0, "")
                signature = tree.text(block.get("signature")) or None
                return Delta(thinking=tree.text(block.get("thinking")), signature=signature)
            case "redacted_thinking":
                return Delta(redacted=tree.text(block.get("data")))
            case "tool_use":
                return self._tool(place, block)
            case _:
                return None

    def _tool(self, place: int, block: dict[str, Any]) -> Delta | None:
        given = tree.text_of_arguments(block.get("input"))
        if block.get("name") == shapes.ANSWER_TOOL:
            self._answered = True
            self._blocks[place] = _Block("answer", 0, given)
            return None
        self._blocks[place] = _Block("tool", self._tools, given)
        self._tools += 1
        name, known = tree.text(block.get("name")), tree.text(block.get("id"))
        return Delta(tool=ToolDelta(index=self._tools - 1, id=known, name=name))

    def _delta(self, found: dict[str, Any]) -> Delta | None:
        delta = tree.table(found.get("delta"))
        match delta.get("type"):
            case "text_delta":
                return Delta(text=tree.text(delta.get("text")))
            case "thinking_delta":
                return Delta(thinking=tree.text(delta.get("thinking")))
            case "signature_delta":
                return Delta(signature=tree.text(delta.get("signature")))
            case "input_json_delta":
                block = self._blocks.get(tree.count(found.get("index")) or 0)
                return self._fragment(block, tree.text(delta.get("partial_json")))
            case _:
                return None

    def _fragment(self, block: _Block | None, text: str) -> Delta | None:
        if block is None or not text:
            return None
        block.started = True
        if block.kind == "answer":
            return Delta(text=text)
        return Delta(tool=ToolDelta(index=block.index, arguments=text)) if block.kind == "tool" else None

    def _stop(self, found: dict[str, Any]) -> Delta | None:
        block = self._blocks.pop(tree.count(found.get("index")) or 0, None)
        if block is None or block.started:
            return None
        # A call without arguments sends no fragment; some servers send them whole with the start.
        return self._fragment(block, block.given)


def read_error(status: int, headers: Headers, body: bytes) -> UpstreamError:
    """Why a request was refused."""
    found = tree.table(tree.parse(body))
    error = tree.table(found.get("error"))
    words = tree.text(error.get("message")) or body[:2000].decode("utf-8", "replace")
    kind = kind_of(shapes.STATUS_OF_TYPE.get(tree.text(error.get("type")), status), words)
    return failure(
        kind,
        words,
        status=status,
        retry_after_s=retry_after(headers, _LIMIT_RESETS if kind == "rate_limited" else ()),
        code=tree.text(error.get("type")) or None,
    )


def _error_of(found: dict[str, Any], usage: Usage | None, *, accepted: bool) -> UpstreamError:
    """An error inside an answer of status 200."""
    error = tree.table(found.get("error"))
    kind_name, words = tree.text(error.get("type")), tree.text(error.get("message"))
    kind = kind_of(shapes.STATUS_OF_TYPE.get(kind_name, 500), words)
    return failure(kind, words or kind_name, code=kind_name or None, usage=usage, accepted=accepted)
