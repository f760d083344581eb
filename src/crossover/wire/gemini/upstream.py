"""Speaking the Gemini dialect to a target: generateContent, relative to a base URL that ends with ``/v1beta``."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from crossover.chat import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    Media,
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
from crossover.wire import fit, tree, turns
from crossover.wire.failure import cut, failure, kind_of, retry_after, unsupported
from crossover.wire.gemini import shapes
from crossover.wire.gemini.framing import Framer
from crossover.wire.sse import Event
from crossover.wire.words import Headers, Outgoing, Profile

_LACKS = frozenset({"logit_bias", "parallel_tool_calls", "user", "metadata"})
# OpenAI's names of parameters and the fields of generationConfig that carry them.
_CONFIG = {
    "max_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
    "n": "candidateCount",
    "stop": "stopSequences",
    "reasoning_effort": "thinkingConfig",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
# Google's own door for OpenAI clients turns efforts into these budgets (ai.google.dev/gemini-api/docs/openai).
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
_LEVELS = {"none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
# Gemini 3 refuses a call in the history without a signature; Google documents this one for calls of other models.
_FOREIGN = "skip_thought_signature_validator"
_OLD = re.compile(r"gemini-[12]\b|gemini-[12]\.")
_BAD_KEY = re.compile(r"API key (?:not valid|expired|not found)|API_KEY_INVALID", re.IGNORECASE)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")


# ------------------------------------------------------------------------------------------------------------- write


def write_request(request: ChatRequest, profile: Profile) -> Outgoing:
    """The request for one target. UpstreamError ``unsupported`` where it says what this dialect cannot."""
    own = request.dialect == "gemini" and request.tree is not None
    body, dropped = _same(request, profile) if own else _built(request, profile)
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return Outgoing(path=path_of(profile, method), body=tree.dump({**profile.options, **body}), dropped=dropped)


def path_of(profile: Profile, method: str) -> str:
    """The path of a method of the target's model; a model with a slash (tuned, or of a publisher) is whole."""
    if profile.path is not None:
        return profile.path.replace("{model}", profile.model).replace("{method}", method)
    model = profile.model if "/" in profile.model else f"models/{profile.model}"
    return f"/{quote(model, safe='/')}:{method}"


def _same(request: ChatRequest, profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    body = dict(request.tree or {})
    dropped = fit.dropped(fit.said(request), profile.drops, profile.model)
    for place in ("generationConfig", "generation_config"):
        if dropped and type(body.get(place)) is dict:
            gone = {_CONFIG.get(name, name) for name in dropped}
            body[place] = {name: value for name, value in body[place].items() if name not in gone}
    for name in dropped:
        body.pop(name, None)
    return body, dropped


def _built(request: ChatRequest, profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    own = request.dialect in (None, "gemini")
    foreign = frozenset() if own else frozenset(request.extra or ())
    dropped = fit.dropped(fit.said(request), _LACKS | profile.drops | foreign, profile.model)
    body: dict[str, Any] = {"contents": _contents(request, profile)}
    system = [{"text": part.text} for part in turns.system_texts(request.messages)]
    if system:
        body["systemInstruction"] = {"parts": system}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
        choice = _choice(request)
        if choice is not None:
            body["toolConfig"] = {"functionCallingConfig": choice}
    config = _config(request, profile, dropped)
    if config:
        body["generationConfig"] = config
    if own:
        body.update(request.extra or {})
    return body, dropped


def _contents(request: ChatRequest, profile: Profile) -> list[dict[str, Any]]:
    names = turns.names_of(request.messages)
    strict = _OLD.search(profile.model) is None
    contents: list[dict[str, Any]] = []
    for side, parts in turns.alternating(request.messages):
        rows: list[dict[str, Any]] = []
        if len(parts) == 1 and type(parts[0]) is Text:  # the usual turn
            contents.append({"role": "model" if side == "assistant" else "user", "parts": [{"text": parts[0].text}]})
            continue
        for part in parts:
            if isinstance(part, Unknown) and request.dialect not in (None, "gemini"):
                raise unsupported(f"a part of the kind {part.kind!r} cannot be put into the Gemini dialect")
            row = shapes.row_of(part, names)
            if row is not None:
                rows.append(row)
        if side == "assistant" and strict:
            _sign(rows)
        if rows:
            contents.append({"role": "model" if side == "assistant" else "user", "parts": rows})
    return contents


def _sign(rows: list[dict[str, Any]]) -> None:
    """The first call of a turn bears a signature: its own, or the one documented for calls of other models."""
    calls = [row for row in rows if "functionCall" in row]
    if calls and not any("thoughtSignature" in row for row in rows):
        calls[0]["thoughtSignature"] = _FOREIGN


def _declaration(tool: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"name": tool.name}
    if tool.description:
        row["description"] = tool.description
    if tool.parameters:
        row["parametersJsonSchema"] = tool.parameters
    return row


def _choice(request: ChatRequest) -> dict[str, Any] | None:
    said = request.tool_choice
    if said is None:
        return None
    choice: dict[str, Any] = {"mode": {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}[said.mode]}
    if said.mode == "named":
        choice["allowedFunctionNames"] = [said.name]
    return choice


def _config(request: ChatRequest, profile: Profile, dropped: tuple[str, ...]) -> dict[str, Any]:
    said = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "seed": request.seed,
        "n": request.n if request.n > 1 else None,
        "stop": list(request.stop) or None,
        "reasoning_effort": _thinking(request, profile),
        "logprobs": request.logprobs or None,
        "top_logprobs": request.top_logprobs if request.logprobs else None,
    }
    config: dict[str, Any] = {
        _CONFIG[name]: value for name, value in said.items() if value is not None and name not in dropped
    }
    output = request.output
    if output is not None and output.kind != "text":
        config["responseMimeType"] = "application/json"
        if output.kind == "schema" and profile.json_schema != "json" and output.schema is not None:
            config["responseJsonSchema"] = output.schema
    return config


def _thinking(request: ChatRequest, profile: Profile) -> dict[str, Any] | None:
    """Thinking by level from Gemini 3 on, by budget before; a budget that the caller names is written as it is."""
    said = request.reasoning
    if said is None:
        return None
    if said.budget_tokens is not None:
        return {"thinkingBudget": said.budget_tokens, "includeThoughts": said.budget_tokens != 0}
    if said.effort is None:
        return {"includeThoughts": True}
    budgets = profile.reasoning_field == "thinking_budget" or _OLD.search(profile.model) is not None
    if budgets and profile.reasoning_field != "thinking_level":
        budget = _BUDGETS.get(said.effort, 8192)
        return {"thinkingBudget": budget, "includeThoughts": budget != 0}
    return {"thinkingLevel": _LEVELS.get(said.effort, "HIGH"), "includeThoughts": said.effort != "none"}


# -------------------------------------------------------------------------------------------------------------- read


def read_response(body: bytes) -> ChatResponse:
    """A whole answer. A prompt that was blocked is an answer that ends with ``content_filter``.

    UpstreamError where it is an error, ended in a failure, or holds no candidate.
    """
    found = tree.body_of(body)
    if "error" in found:
        raise _error_of(found, None)
    usage = shapes.usage_of(shapes.field(found, "usageMetadata"))
    candidates = [row for row in tree.rows(found.get("candidates")) if type(row) is dict]
    if not candidates and not _blocked(found):
        raise failure("empty", "the answer has no candidates", usage=usage)
    choices = tuple(_choice_of(row, place, usage) for place, row in enumerate(candidates))
    return ChatResponse(
        choices=choices or (Choice(message=Message("assistant", ()), finish="content_filter"),),
        model=tree.text(shapes.field(found, "modelVersion")),
        id=tree.text(shapes.field(found, "responseId")),
        usage=usage,
        raw=body,
        dialect="gemini",
    )


def _blocked(found: dict[str, Any]) -> bool:
    return bool(shapes.field(tree.table(shapes.field(found, "promptFeedback")), "blockReason"))


def _choice_of(row: dict[str, Any], place: int, usage: Usage | None) -> Choice:
    parts = shapes.parts_of(tree.table(row.get("content")).get("parts"), turns.Calls())
    reason = tree.text(shapes.field(row, "finishReason")) or "missing"
    called = any(isinstance(part, ToolCall) for part in parts)
    index = tree.count(row.get("index"))
    return Choice(
        message=Message("assistant", parts),
        finish=shapes.finish_of(reason, called=called, usage=usage),
        index=place if index is None else index,
        logprobs=shapes.logprobs_of(shapes.field(row, "logprobsResult")),
    )


class StreamReader:
    """Bytes of a streamed answer in, chunks out. ``malformed`` counts pieces that are no JSON.

    The dialect has no mark at its end: an answer is whole when every candidate has a reason to stop and the stream
    ends. An error after chunks of the same read waits in ``failed`` and is raised by the next call.
    """

    def __init__(self) -> None:
        self.malformed = 0
        self.failed: UpstreamError | None = None
        self._framer = Framer()
        self._calls: dict[int, int] = {}  # calls so far of each candidate
        self._ids = turns.Calls()
        self._finished: dict[int, bool] = {}
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> list[ChatChunk]:
        """The chunks that ``data`` completes. Raises UpstreamError where the target says that it failed."""
        return self._take(self._framer.feed(data))

    def eof(self) -> list[ChatChunk]:
        """The last chunks; UpstreamError ``cut`` where a candidate has no reason to stop."""
        chunks = self._take(self._framer.eof())
        if self.failed is not None:
            raise self.failed
        if not self._finished or not all(self._finished.values()):
            raise cut(self.usage)
        return [*chunks, ChatChunk(usage=self.usage, dialect="gemini", last=True)]

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
        if not event.data:
            return None
        found = tree.parse(event.data)
        if type(found) is list and found:
            found = found[0]  # an error may come as the only element of a list
        if type(found) is not dict:
            self.malformed += 1
            return None
        if "error" in found:
            raise _error_of(found, self.usage, begun=bool(self._finished))
        usage = shapes.usage_of(shapes.field(found, "usageMetadata"))
        self.usage = usage or self.usage
        deltas: list[Delta] = []
        for row in tree.rows(found.get("candidates")):
            deltas += self._candidate(tree.table(row))
        if _blocked(found) and not self._finished:
            self._finished[0] = True
            deltas.append(Delta(finish="content_filter"))
        return ChatChunk(
            deltas=tuple(deltas),
            usage=usage,
            raw=event.raw,
            dialect="gemini",
            id=tree.text(shapes.field(found, "responseId")),
            model=tree.text(shapes.field(found, "modelVersion")),
        )

    def _candidate(self, row: dict[str, Any]) -> list[Delta]:
        choice = tree.count(row.get("index")) or 0
        self._finished.setdefault(choice, False)
        deltas: list[Delta] = []
        for part in shapes.parts_of(tree.table(row.get("content")).get("parts"), self._ids):
            delta = self._delta(choice, part)
            if delta is not None:
                deltas.append(delta)
        logprobs = shapes.logprobs_of(shapes.field(row, "logprobsResult"))
        reason = tree.text(shapes.field(row, "finishReason"))
        finish = None
        if reason:
            finish = shapes.finish_of(reason, called=bool(self._calls.get(choice)), usage=self.usage)
            self._finished[choice] = True
        if finish is not None or logprobs is not None:
            deltas.append(Delta(choice=choice, finish=finish, logprobs=logprobs))
        return deltas

    def _delta(self, choice: int, part: Part) -> Delta | None:
        match part:
            case Text():
                return Delta(choice=choice, text=part.text)
            case Thinking():
                return Delta(choice=choice, thinking=part.text, signature=part.signature)
            case ToolCall():
                index = self._calls.get(choice, 0)
                self._calls[choice] = index + 1
                whole = ToolDelta(
                    index=index, id=part.id, name=part.name, arguments=part.arguments, signature=part.signature
                )
                return Delta(choice=choice, tool=whole)
            case Media():
                return Delta(choice=choice, media=part)
            case _:
                return None


def read_error(status: int, headers: Headers, body: bytes) -> UpstreamError:
    """Why a request was refused. A wrong key is said with status 400."""
    found = tree.parse(body)
    if type(found) is list and found:
        found = found[0]
    error = tree.table(tree.table(found).get("error"))
    words = tree.text(error.get("message")) or body[:2000].decode("utf-8", "replace")
    kind = "auth" if _wrong_key(error, words) else kind_of(status, words)
    wait = _delay(error)
    return failure(
        kind,
        words,
        status=status,
        retry_after_s=retry_after(headers) if wait is None else wait,
        code=tree.text(error.get("status")) or None,
    )


def _error_of(found: dict[str, Any], usage: Usage | None, *, begun: bool = True) -> UpstreamError:
    """An error inside an answer of status 200."""
    error = tree.table(found.get("error"))
    words = tree.text(error.get("message")) or tree.text(found.get("error"))
    kind = "auth" if _wrong_key(error, words) else kind_of(tree.count(error.get("code")) or 500, words)
    code = tree.text(error.get("status")) or None
    return failure(kind, words, code=code, usage=usage, retry_after_s=_delay(error), accepted=begun)


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in tree.rows(error.get("details")) if type(row) is dict]


def _wrong_key(error: dict[str, Any], words: str) -> bool:
    reasons = " ".join(tree.text(row.get("reason")) for row in _details(error))
    return _BAD_KEY.search(f"{words} {reasons}") is not None


def _delay(error: dict[str, Any]) -> float | None:
    """Seconds to wait by RetryInfo: ``37s``, ``1.5s``."""
    for row in _details(error):
        match = _DELAY.fullmatch(tree.text(row.get("retryDelay")))
        if match is not None:
            return float(match[1])
    return None
