"""A backend that answers from memory: scripted answers, failures and silence, without a socket.

::

    backend = FakeBackend("hello", UpstreamError("gone", upstream="refused", accepted=False), Answer(text="again"))

Each call takes the next step of the script; when the script is used up, the last step is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal, TypeAlias

import msgspec

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
    ToolCall,
    ToolDelta,
)
from crossover.errors import CrossoverError
from crossover.providers.answers import Answer


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """An answer whose stream ends in ``error`` after so many words; a whole answer just fails."""

    error: CrossoverError
    after: int = 1
    answer: Answer = Answer()


Step: TypeAlias = Answer | Broken | CrossoverError | str | Literal["hang"]


class FakeBackend:
    """Implements :class:`crossover.chat.Backend`.

    A step is an answer (or just its text), an error to raise, a :class:`Broken` stream, or ``hang``: nothing until
    :meth:`release` or until the caller gives up. ``requests`` holds what was asked, ``cancelled`` counts callers that
    left before their answer was complete.
    """

    def __init__(self, *steps: Step, model: str = "fake") -> None:
        self.steps: list[Step] = list(steps) or [Answer()]
        self.model = model
        self.requests: list[ChatRequest | EmbedRequest] = []
        self.cancelled = 0
        self._released = asyncio.Event()

    def release(self) -> None:
        """Lets everything go on that hangs."""
        self._released.set()

    async def complete(self, request: ChatRequest) -> ChatResponse:
        """The whole answer."""
        step = await self._step(request)
        if isinstance(step, Broken):
            raise step.error
        parts: list[Part] = [Thinking(text=step.thinking)] if step.thinking else []
        parts += [Text(step.text)] if step.text else []
        parts += [ToolCall(id=call.id, name=call.name, arguments=call.arguments) for call in step.calls]
        choice = Choice(message=Message("assistant", tuple(parts)), finish=step.finish)
        return ChatResponse(choices=(choice,), model=self.model, id="fake", usage=step.usage)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """The same answer word by word."""
        step = await self._step(request)
        answer, error = (step.answer, step.error) if isinstance(step, Broken) else (step, None)
        deltas = [Delta(thinking=answer.thinking)] if answer.thinking else []
        deltas += [Delta(text=word) for word in answer.words]
        for index, call in enumerate(answer.calls):
            deltas.append(Delta(tool=ToolDelta(index=index, id=call.id, name=call.name, arguments=call.arguments)))
        if isinstance(step, Broken):
            deltas = deltas[: step.after]
        done = False
        try:
            for delta in deltas:
                yield ChatChunk(deltas=(delta,), model=self.model, id="fake")
            done = True
        finally:
            self.cancelled += not done
        if error is not None:
            raise error
        yield ChatChunk(deltas=(Delta(finish=answer.finish),), usage=answer.usage, model=self.model, last=True)

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        """The answer's vector for each input."""
        step = await self._step(request)
        if isinstance(step, Broken):
            raise step.error
        return EmbedResponse(vectors=(step.vector,) * len(request.inputs), model=self.model, usage=step.usage)

    async def aclose(self) -> None:
        """Nothing to close; here because real backends have it."""

    async def _step(self, request: ChatRequest | EmbedRequest) -> Answer | Broken:
        self.requests.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if step == "hang":
            try:
                await self._released.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            return Answer()
        if isinstance(step, CrossoverError):
            raise step
        return Answer(text=step) if isinstance(step, str) else step
