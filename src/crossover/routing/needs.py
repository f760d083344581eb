"""What a request asks of a model beyond plain chat: tools, images, a schema, log probabilities …"""

from __future__ import annotations

from crossover.chat import ChatRequest, Media, Part, Text, ToolCall, ToolResult, Unknown
from crossover.routing.words import Need

_PLAIN: frozenset[Need] = frozenset({"chat"})
EMBEDDINGS: frozenset[Need] = frozenset({"embeddings"})
_MEDIA: dict[str, Need] = {"image": "images", "audio": "audio", "video": "video", "file": "files"}
_OUTPUT: dict[str, Need] = {"json": "json", "schema": "schema"}


def needs(request: ChatRequest) -> frozenset[Need]:
    """The abilities without which a deployment cannot answer this request as it was asked."""
    found: set[Need] | None = None
    for message in request.messages:
        parts = message.parts
        if len(parts) == 1 and type(parts[0]) is Text:  # nearly every message
            continue
        found = _of_parts(parts, found)
    asked: list[Need] = []
    if request.tools:
        asked.append("tools")
    if request.output is not None and request.output.kind != "text":
        asked.append(_OUTPUT[request.output.kind])
    if request.n > 1:
        asked.append("n")
    if request.logprobs:
        asked.append("logprobs")
    if request.logit_bias:
        asked.append("logit_bias")
    if found is None and not asked:
        return _PLAIN
    return _PLAIN.union(asked, found or ())


def _of_parts(parts: tuple[Part, ...], found: set[Need] | None) -> set[Need] | None:
    for part in parts:
        need: Need | None = None
        if isinstance(part, Media):
            need = _MEDIA[part.kind]
        elif isinstance(part, Unknown):
            need = "unknown"
        elif isinstance(part, ToolCall):
            need = "tools"  # a history with tool calls means nothing to a model that knows none
        elif isinstance(part, ToolResult):
            need = "tools"
            found = _of_parts(part.parts, found)
        if need is not None:
            found = {need} if found is None else found | {need}
    return found
