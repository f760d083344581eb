"""What a load goes to: an endpoint read with the least work, or any Backend. Both write the same on a :class:`Tape`.

An answer is stamped piece by piece as its bytes are handed over. Of OpenAI's dialect only what is measured is read
(:class:`Direct`), which costs a third of reading it into words; every other dialect, the dispatcher with its whole
policy and a gateway are Backends like any other (:class:`Through`).

What may leave: a place outside is called with a pass of this room's own guard, which is given for synthetic text only.
A user's own prompts go outside through the dispatcher, whose desk looks at them first.
"""

from __future__ import annotations

import asyncio
import re
from array import array
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from crossover.chat import Backend, ChatRequest, Message, Text, substance
from crossover.egress import Guard
from crossover.errors import EgressError, UpstreamError
from crossover.loadtest.words import Ask
from crossover.providers.http import HttpBackend
from crossover.transport import Reply
from crossover.usage import Usage
from crossover.wire import sse
from crossover.wire.openai_errors import error_inside
from crossover.wire.openai_usage import read_usage

RULE = "loadtest: synthetic text"  # under which rule synthetic prompts may leave
_LINGER_S = 0.25  # for a server to end the response after the answer's own end, so that its connection is used again
_MS = re.compile(r"\d{1,9}(?:\.\d{1,9})?")


class Tape:
    """What is noted of one request while it is under way; ``clock`` gives seconds since the start of the stage."""

    __slots__ = (
        *("clock", "connect_s", "deployment", "ended", "finish", "sent", "server_s", "thought", "times", "usage"),
        "visible",
    )

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.sent = clock()
        self.times = array("d")
        self.visible: float | None = None
        self.thought = False
        self.ended: float | None = None
        self.usage: Usage | None = None
        self.finish = ""
        self.connect_s = 0.0
        self.server_s: float | None = None
        self.deployment = ""

    def piece(self, now: float, *, visible: bool) -> None:
        """A piece that carries tokens arrived."""
        self.times.append(now)
        if not visible:
            self.thought = True
        elif self.visible is None:
            self.visible = now


class Target(Protocol):
    """Answers one request after the other, many at a time."""

    async def ask(self, ask: Ask, tape: Tape) -> None:
        """Ask, and note what comes until the answer is complete. Raises ServingError where it is not."""
        ...


def request_of(ask: Ask, model: str, extra: dict[str, Any] | None) -> ChatRequest:
    """The request in words. ``extra``: fields of an engine's own, such as ``ignore_eos``."""
    return ChatRequest(
        model=model,
        messages=tuple([Message(role, (Text(text),)) for role, text in ask.messages]),  # type: ignore[arg-type]
        max_tokens=ask.output_tokens,
        stream=True,
        include_usage=True,
        extra=extra,
    )


def passed(request: ChatRequest, ask: Ask, guard: Guard | None, place: str) -> ChatRequest:
    """The request with this room's pass for a place outside. Raises EgressError for text that is somebody's own."""
    if guard is None:
        return request
    if not ask.synthetic:
        raise EgressError(
            f"own prompts do not go to {place} directly, because nobody would look at them first",
            hint="Name an alias of crossover.toml: its requests go through the privacy gate",
        )
    clearance = guard.permit(place, RULE, substance(request))
    return msgspec.structs.replace(request, clearance=clearance)


# ------------------------------------------------------------------------------------------------------------ direct


class _Delta(msgspec.Struct, gc=False):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    tool_calls: Any = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Any = None
    timings: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class Direct:
    """One model at one address of OpenAI's dialect. ``backend`` writes and sends, its guard (if any) is ``guard``."""

    def __init__(
        self, backend: HttpBackend, *, guard: Guard | None = None, extra: dict[str, Any] | None = None
    ) -> None:  # fmt: skip
        self.backend = backend
        self._guard = guard
        self._extra = extra

    async def ask(self, ask: Ask, tape: Tape) -> None:
        """Ask, and note what comes."""
        backend = self.backend
        request = passed(request_of(ask, backend.profile.model, self._extra), ask, self._guard, backend.place)
        tape.sent = tape.clock()
        reply = await backend.open(request)
        try:
            tape.connect_s = reply.connect_s
            tape.server_s = said_s(reply)
            tape.deployment = reply.header(b"x-crossover-deployment")
            reading = Reading(tape)
            if await reply.pour(reading.take):
                reading.check()
                await _drain(reply)
            else:
                reading.eof()
        finally:
            reply.close()


class Reading:
    """The least that must be read of one stream: whether an event carries tokens, the end, usage, errors."""

    __slots__ = ("_error", "_framer", "_tape", "done")

    def __init__(self, tape: Tape) -> None:
        self._framer = sse.Framer()
        self._tape = tape
        self._error: UpstreamError | None = None
        self.done = False

    def take(self, data: bytes) -> bool:
        """Bytes that came now. True where there is nothing more to be read: the answer's end, or an error."""
        now = self._tape.clock()
        try:
            for event in self._framer.feed(data):
                if event.data and not self.done:
                    self._event(event.data, now)
        except UpstreamError as error:
            self._error, self.done = error, True
        return self.done

    def eof(self) -> None:
        """The connection ended without ``[DONE]``, as some hosts do. Raises UpstreamError where the answer is cut."""
        if not self.done:
            self.take(b"\n\n")  # completes a last event whose blank line is missing
        tape = self._tape
        if tape.ended is None and self._error is None:
            if tape.times and not tape.finish:
                raise UpstreamError("the stream ended before its answer did", upstream="cut")
            tape.ended = tape.clock()
        self.check()

    def check(self) -> None:
        """Raise UpstreamError for an error in the stream, or where there was no answer in it."""
        tape = self._tape
        if self._error is not None:
            raise self._error
        if not tape.times and not (tape.usage is not None and tape.usage.output):
            raise UpstreamError("the stream ended without an answer", upstream="empty")

    def _event(self, data: bytes, now: float) -> None:
        tape = self._tape
        if data.startswith(b"[DONE]"):
            self.done = True
            tape.ended = now
            return
        try:
            chunk = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # not a chunk: nothing that could be counted
        if chunk.error:
            raise error_inside(chunk.error)
        if chunk.choices:
            choice = chunk.choices[0]
            delta = choice.delta
            if delta is not None:
                if delta.content or delta.tool_calls or delta.refusal:
                    tape.piece(now, visible=True)
                elif delta.reasoning_content or delta.reasoning:
                    tape.piece(now, visible=False)
            if choice.finish_reason:
                tape.finish = str(choice.finish_reason)
        if chunk.usage is not None or chunk.timings is not None:
            tape.usage = read_usage(chunk.usage, chunk.timings) or tape.usage


def said_s(reply: Reply) -> float | None:
    """Seconds that the server says it worked until it began to answer; None where it says nothing of the kind."""
    said = reply.header(b"openai-processing-ms")  # also sent by servers that copy OpenAI's headers
    return float(said) / 1000 if _MS.fullmatch(said) else None


async def _drain(reply: Reply) -> None:
    """The end of the response behind the end of the answer."""
    try:
        async with asyncio.timeout(_LINGER_S):
            while await reply.piece():
                pass
    except (UpstreamError, TimeoutError):
        pass  # the answer is complete: how its connection ends is nobody's loss


# ----------------------------------------------------------------------------------------------------------- through


class Through:
    """Any Backend: another dialect, the dispatcher with its policy, a gateway. ``name`` is what is asked for.

    ``guard`` is the guard of a backend outside; ``limit_s`` ends what the backend itself would wait for longer.
    """

    def __init__(
        self,
        backend: Backend,
        name: str,
        *,
        limit_s: float,
        guard: Guard | None = None,
        place: str = "",
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.backend = backend
        self._name = name
        self._limit_s = limit_s
        self._guard = guard
        self._place = place
        self._extra = extra

    async def ask(self, ask: Ask, tape: Tape) -> None:
        """Ask, and note what comes."""
        request = passed(request_of(ask, self._name, self._extra), ask, self._guard, self._place)
        tape.sent = tape.clock()
        source = self.backend.stream(request)
        try:
            async with asyncio.timeout(self._limit_s):
                async for chunk in source:
                    now = tape.clock()
                    for delta in chunk.deltas:
                        if delta.text or delta.tool is not None or delta.refusal or delta.media is not None:
                            tape.piece(now, visible=True)
                        elif delta.thinking or delta.redacted:
                            tape.piece(now, visible=False)
                        if delta.finish is not None:
                            tape.finish = delta.finish
                    if chunk.usage is not None:
                        tape.usage = chunk.usage
                    if chunk.served is not None:
                        tape.deployment = chunk.served.deployment
                    if chunk.last:
                        tape.ended = now
        except TimeoutError:
            raise UpstreamError("the answer was not complete in time", upstream="total_timeout") from None
        finally:
            await source.aclose()
