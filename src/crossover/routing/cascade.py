"""The gate of a cascade: what a weaker model's answer shows while it comes, and whether the client gets it.

A gate reads; it decides by the rule of its route and carries nothing out. It looks at the first choice only.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any, TypeVar

import msgspec

from crossover.chat import ChatChunk, ChatRequest, ChatResponse, EmbedResponse, Finish, Text, ToolCall, ToolDelta
from crossover.learning.signals import token_logprobs
from crossover.routing.words import Cascade, Judged, Route, Shown, Target

Answer = TypeVar("Answer", ChatResponse, EmbedResponse)
_MOST_PIECES = 65_536  # of a stream that is held back: longer than any answer a weaker model should give
_SECOND_BEST = 2  # log probabilities asked for: the chosen one and the next, for the margin between them


class Gate:
    """One answer of a weaker model, as far as it was seen. ``spoke``: something of the answer has come."""

    __slots__ = ("_calls", "_finish", "_logprobs", "_pieces", "_quiet", "_request", "_rule", "_text", "spoke")

    def __init__(self, rule: Cascade, request: ChatRequest, *, quiet: bool) -> None:
        self._rule = rule
        self._request = request
        self._quiet = quiet  # the client did not ask for log probabilities: they stay here
        self._text: list[str] = []
        self._logprobs: list[tuple[float, float | None]] = []
        self._calls: dict[int, list[str]] = {}
        self._finish: Finish | None = None
        self._pieces = 0
        self.spoke = False

    @property
    def text(self) -> str:
        """The words of the answer so far."""
        return "".join(self._text)

    @property
    def ripe(self) -> bool:
        """Whether enough of a stream was seen to judge it before its end."""
        enough = self._rule.first_tokens if self._rule.stream == "first" else _MOST_PIECES
        return self._pieces >= enough

    def whole(self, response: Answer) -> Answer:
        """Read an answer in one piece; the answer as the client may have it."""
        if not isinstance(response, ChatResponse):  # a gate stands before chats only
            return response
        for choice in response.choices:
            if choice.index:
                continue
            self._finish = choice.finish
            self._logprobs += token_logprobs(choice.logprobs)
            for part in choice.message.parts:
                if isinstance(part, Text):
                    self._text.append(part.text)
                elif isinstance(part, ToolCall):
                    self._calls[len(self._calls)] = [part.name, part.arguments]
        if not self._quiet:
            return response
        bare = tuple(msgspec.structs.replace(choice, logprobs=None) for choice in response.choices)
        return msgspec.structs.replace(response, choices=bare, raw=None)

    async def stream(self, source: AsyncGenerator[ChatChunk, None]) -> AsyncGenerator[ChatChunk, None]:
        """The pieces as the client may have them, each read first. Closing it closes the source."""
        try:
            async for chunk in source:
                yield self._piece(chunk)
        finally:
            await source.aclose()

    def _piece(self, chunk: ChatChunk) -> ChatChunk:
        self.spoke = self.spoke or chunk.semantic
        loud = False
        for delta in chunk.deltas:
            loud = loud or delta.logprobs is not None
            if delta.choice:
                continue
            self._finish = delta.finish or self._finish
            if delta.text:
                self._text.append(delta.text)
                self._pieces += 1
            if delta.logprobs is not None:
                self._logprobs += token_logprobs(delta.logprobs)
            if delta.tool is not None:
                self._call(delta.tool)
        if not (self._quiet and loud):
            return chunk
        bare = tuple(msgspec.structs.replace(delta, logprobs=None) for delta in chunk.deltas)
        # Without its bytes it is of no dialect any more: whoever writes it for the client writes its deltas.
        return msgspec.structs.replace(chunk, deltas=bare, raw=None, dialect=None)

    def _call(self, tool: ToolDelta) -> None:
        name, arguments = self._calls.setdefault(tool.index, ["", ""])
        self._calls[tool.index] = [name or tool.name or "", arguments + tool.arguments]

    def judge(self, *, whole: bool, second: str | None = None) -> Judged:
        """What the route's rule says of it. ``whole`` False: this is only its beginning."""
        calls = tuple((name, arguments) for name, arguments in self._calls.values())
        return self._rule.judge(
            Shown(
                request=self._request,
                text=self.text,
                finish=self._finish,
                logprobs=tuple(self._logprobs),
                calls=calls,
                whole=whole,
                second=second,
            )
        )


def gate_of(route: Route, target: Target, left: Iterable[str], request: Any, *, streamed: bool) -> Gate | None:
    """The gate of an attempt at this deployment; None where its answer counts as it is.

    That is where no stronger model is left to ask, where the route is no cascade, where several answers were asked
    for, and for streams where the rule says so.
    """
    rule = route.cascade
    if route.policy != "cascade" or rule is None or target.id in route.strong or not isinstance(request, ChatRequest):
        return None
    if request.n > 1 or (streamed and rule.stream == "never") or route.strong.isdisjoint(left):
        return None
    return Gate(rule, request, quiet=not request.logprobs)


def telling(request: ChatRequest, target: Target) -> ChatRequest:
    """The request that also asks for log probabilities, where this deployment gives them.

    Only for own machines: what leaves is what was cleared.
    """
    if request.logprobs or not target.local or "logprobs" not in target.can:
        return request
    tree = request.tree
    if tree is not None and request.dialect == target.dialect:
        if target.dialect != "openai":
            return request
        tree = {**tree, "logprobs": True, "top_logprobs": _SECOND_BEST}
    return msgspec.structs.replace(request, logprobs=True, top_logprobs=_SECOND_BEST, tree=tree)
