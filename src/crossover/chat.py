"""The words of a conversation with a model, and the one shape of everything that answers: :class:`Backend`.

Neutral between dialects: ``wire`` reads every dialect into these words and writes them out again. A message is a role
and parts; a streamed answer is a row of :class:`ChatChunk`. What a dialect says beyond these words rides along:
``ChatRequest.tree`` is the request as it came (parsed, every field kept), ``ChatResponse.raw`` and ``ChatChunk.raw``
are the bytes of the answer, so that a target of the same dialect gets and gives exactly what it understands.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import msgspec

from crossover.usage import Usage

if TYPE_CHECKING:
    from decimal import Decimal

Role = Literal["system", "developer", "user", "assistant", "tool"]
Dialect = Literal["openai", "anthropic", "gemini", "ollama", "responses"]
Finish = Literal["stop", "length", "tool_calls", "content_filter", "pause"]
CacheTtl = Literal["5m", "1h"]

# ------------------------------------------------------------------------------------------------------------- parts


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Words. ``cache`` marks the end of a prefix that the caller wants cached, for so long."""

    text: str
    cache: CacheTtl | None = None


class Media(msgspec.Struct, frozen=True, tag="media"):
    """An image, a sound, a video or a file: by ``url`` or as ``data`` (base64 text, never decoded on the way)."""

    kind: Literal["image", "audio", "video", "file"]
    url: str | None = None
    data: str | None = None
    mime: str | None = None
    name: str | None = None
    detail: str | None = None
    cache: CacheTtl | None = None


class Thinking(msgspec.Struct, frozen=True, tag="thinking"):
    """Reasoning shown. ``signature`` and ``redacted`` are opaque and travel byte for byte."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """The model asks for a tool. ``arguments`` is JSON text as the model wrote it (``{}`` for none)."""

    id: str
    name: str
    arguments: str = "{}"
    signature: str | None = None  # Gemini's thoughtSignature


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    """What a tool gave back for the call ``id``; ``name`` where it is known."""

    id: str
    parts: tuple[Part, ...]
    name: str | None = None
    is_error: bool = False
    cache: CacheTtl | None = None


class Refused(msgspec.Struct, frozen=True, tag="refusal"):
    """The model declined, in words (OpenAI's ``refusal``)."""

    text: str


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """A part that no word fits: kept as it came; it can only go to a target of the same dialect."""

    kind: str
    data: Any = None


Part: TypeAlias = Text | Media | Thinking | ToolCall | ToolResult | Refused | Unknown


class Message(msgspec.Struct, frozen=True):
    """One message. Tool results are parts of a message with role ``tool``."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None

    @property
    def text(self) -> str:
        """All its text parts in one."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


# ----------------------------------------------------------------------------------------------------------- request


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function the model may call. ``parameters`` is a JSON Schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)
    strict: bool | None = None
    cache: CacheTtl | None = None


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether tools may, must or must not be called; ``name`` is set with mode ``named``."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None


class OutputFormat(msgspec.Struct, frozen=True, kw_only=True):
    """Plain text, any JSON object, or JSON of a schema."""

    kind: Literal["text", "json", "schema"]
    name: str = "answer"
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str = ""


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """How much the model should think. ``effort`` as in OpenAI; ``budget_tokens`` as in Anthropic; 0 tokens: off."""

    effort: str | None = None
    budget_tokens: int | None = None


class Caller(msgspec.Struct, frozen=True):
    """Who asks, and what was said beside the request itself (headers, key, route). Labels may only raise.

    ``key`` is the id of the key, never the key. ``deadline_s`` is how long the caller waits, in seconds. ``under`` are
    names that the same words were asked under before: what holds for those names holds here as well.
    """

    request_id: str = ""
    key: str = ""
    policy: str | None = None
    sensitivity: str | None = None
    regimes: tuple[str, ...] = ()
    deadline_s: float | None = None
    retries_by_client: int = 0
    idempotency_key: str | None = None
    door: str = "python"
    under: tuple[str, ...] = ()


NOBODY = Caller()


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One question. None and empty mean "not said"; a target's own default then counts.

    ``extra`` holds top-level fields that no word fits. ``dialect`` and ``tree`` are set where the request was read
    from a wire: the dialect and the whole parsed body. ``include_usage`` says whether a streaming client asked for
    usage. ``clearance`` is the pass without which no backend outside is called. Timestamps and prices are not here: a
    request is only what was asked.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    output: OutputFormat | None = None
    reasoning: Reasoning | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    logprobs: bool = False
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    stream: bool = False
    include_usage: bool = False
    extra: dict[str, Any] | None = None
    dialect: Dialect | None = None
    tree: dict[str, Any] | None = None
    caller: Caller = NOBODY
    clearance: Any = None  # a Pass of crossover.egress


class EmbedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Texts (or lists of token ids) to embed."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    encoding: Literal["float", "base64"] = "float"
    user: str | None = None
    extra: dict[str, Any] | None = None
    dialect: Dialect | None = None
    tree: dict[str, Any] | None = None
    caller: Caller = NOBODY
    clearance: Any = None  # a Pass of crossover.egress


_EMBEDDED = attrgetter("inputs", "tree", "extra", "user")
_ASKED = attrgetter(
    "messages", "tree", "tools", "output", "metadata", "extra", "user", "stop", "tool_choice", "logit_bias"
)


def substance(request: ChatRequest | EmbedRequest) -> tuple[object, ...]:
    """Everything of a request that is sent and may hold words of a person: the objects themselves, for a pass."""
    return _EMBEDDED(request) if isinstance(request, EmbedRequest) else _ASKED(request)


# ------------------------------------------------------------------------------------------------------------ answer


class Served(msgspec.Struct, frozen=True):
    """Which deployment answered, why, and at what price: what the answer's headers and ``crossover explain`` say.

    ``cost`` is exact dollars, None until the answer is complete. ``dropped`` names parameters that the target could
    not honour and that were harmless to drop. ``attempts`` counts calls to models, the answering one included;
    ``redacted`` the values that were replaced before the request left.
    """

    request_id: str
    deployment: str
    model: str
    zone: str
    policy: str
    reason: str
    attempts: int = 1
    cost: Decimal | None = None
    dropped: tuple[str, ...] = ()
    local: bool = False
    redacted: int = 0


class Choice(msgspec.Struct, frozen=True):
    """One answer. ``logprobs`` stays in the shape of the OpenAI dialect."""

    message: Message
    finish: Finish
    index: int = 0
    logprobs: Any = None


class ChatResponse(msgspec.Struct, frozen=True):
    """A complete answer. ``usage`` None: the target did not say. ``raw`` is the answer's body in ``dialect``.

    ``dropped`` names parameters that the target could not honour and that were harmless to leave out.
    """

    choices: tuple[Choice, ...]
    model: str = ""
    id: str = ""
    created: int = 0
    usage: Usage | None = None
    raw: bytes | None = None
    dialect: Dialect | None = None
    served: Served | None = None
    dropped: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text of the first choice."""
        return self.choices[0].message.text if self.choices else ""


class ToolDelta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A piece of tool call number ``index``; ``id`` and ``name`` come once, ``arguments`` in fragments."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    signature: str | None = None


class Delta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A piece of one choice. Everything may be empty (a role announcement, a keep-alive)."""

    choice: int = 0
    text: str = ""
    thinking: str = ""
    signature: str | None = None
    redacted: str | None = None
    refusal: str = ""
    tool: ToolDelta | None = None
    finish: Finish | None = None
    logprobs: Any = None
    media: Media | None = None


class ChatChunk(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a streamed answer. ``raw`` is the event as it came, framing included, in ``dialect``.

    ``usage`` is cumulative: the last one counts, whole. ``served`` is set on the first chunk that leaves a dispatcher
    and, with the cost, on its last. ``last`` marks the end that the target announced; a stream that stops without one
    was cut. ``dropped`` (on the first chunk) names parameters that were left out.
    """

    deltas: tuple[Delta, ...] = ()
    usage: Usage | None = None
    raw: bytes | None = None
    dialect: Dialect | None = None
    id: str = ""
    model: str = ""
    last: bool = False
    served: Served | None = None
    dropped: tuple[str, ...] = ()

    @property
    def semantic(self) -> bool:
        """Whether it says something of the answer; role announcements, pings and usage alone do not."""
        for delta in self.deltas:
            if delta.text or delta.thinking or delta.tool is not None or delta.refusal or delta.redacted:
                return True
            if delta.media is not None:
                return True
        return False


class EmbedResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors in the order of the inputs; base64 text where the caller asked for it."""

    vectors: tuple[tuple[float, ...] | str, ...]
    model: str = ""
    usage: Usage | None = None
    raw: bytes | None = None
    dialect: Dialect | None = None
    served: Served | None = None
    dropped: tuple[str, ...] = ()


class Backend(Protocol):
    """Anything that answers: a provider, a fake, the dispatcher with its whole policy, a remote gateway.

    Errors are ``RequestError`` (what was asked is wrong), ``NoTargetError`` (nothing permitted can answer) and
    ``UpstreamError`` (the target failed). A stream is an async generator: closing it (``aclose``, cancellation)
    cancels the call upstream.
    """

    async def complete(self, request: ChatRequest) -> ChatResponse:
        """The whole answer."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """The answer in pieces; ends with a chunk marked ``last`` or raises UpstreamError."""
        ...

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        """Vectors for texts."""
        ...
