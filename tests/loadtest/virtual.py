"""Time that only moves when everybody waits, and a model with exact latency in it: minutes of load in no time."""

from __future__ import annotations

import asyncio
import selectors
from array import array
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from crossover.errors import UpstreamError, UpstreamKind
from crossover.loadtest.targets import Tape
from crossover.loadtest.words import Ask, Load, Run, Shot
from crossover.usage import Usage

T = TypeVar("T")


class _Selector:
    """Sockets are looked at; waiting moves the clock instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> Any:
        found = self._real.select(0)
        if not found and timeout != 0:
            assert timeout is not None, "everybody waits, and nothing will ever happen"
            self._loop.now += timeout
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock begins at 0."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))  # type: ignore[arg-type]

    def time(self) -> float:
        return self.now


def run(work: Callable[[Callable[[], float]], Coroutine[Any, Any, T]]) -> T:
    """Run ``work(clock)`` in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work(loop.time))
    finally:
        loop.close()


class Model:
    """A target with exact latency: ``slots`` at a time (0: all), the others wait in order.

    ``fails`` gives the kind of failure of a request by its number, "" for none.
    """

    def __init__(
        self,
        *,
        ttft_s: float = 0.1,
        itl_s: float = 0.02,
        slots: int = 0,
        thoughts: int = 0,
        counts: bool = True,
        fails: Callable[[int], UpstreamKind | str] = lambda _number: "",
    ) -> None:
        self.ttft_s, self.itl_s, self.thoughts, self.counts, self.fails = ttft_s, itl_s, thoughts, counts, fails
        self.gate = asyncio.Semaphore(slots) if slots else None
        self.asked = 0
        self.at_once = self.most_at_once = 0
        self.left = 0

    async def ask(self, ask: Ask, tape: Tape) -> None:
        number, self.asked = self.asked, self.asked + 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        done = False
        try:
            if self.gate is None:
                await self.answer(ask, tape, number)
            else:
                async with self.gate:
                    await self.answer(ask, tape, number)
            done = True
        finally:
            self.at_once -= 1
            self.left += not done

    async def answer(self, ask: Ask, tape: Tape, number: int) -> None:
        await asyncio.sleep(self.ttft_s)
        kind = self.fails(number)
        if kind:
            raise UpstreamError("as told", upstream=kind)  # type: ignore[arg-type]
        for token in range(ask.output_tokens):
            if token:
                await asyncio.sleep(self.itl_s)
            tape.piece(tape.clock(), visible=token >= self.thoughts)
        if self.counts:
            tape.usage = Usage(input=ask.input_tokens, output=ask.output_tokens)
        tape.finish = "length"
        tape.ended = tape.clock()


class Plain:
    """A source whose requests are all alike."""

    def __init__(self, *, into: int = 10, out: int = 5) -> None:
        self._ask = Ask(messages=(("user", "x"),), input_tokens=into, output_tokens=out)

    def ask(self, number: int) -> Ask:
        return self._ask


def shot(number: int = 0, *, sent: float = 0.0, times: Sequence[float] = (0.1, 0.12), **more: Any) -> Shot:
    """A row made by hand: an answer whose every piece is a token."""
    facts: dict[str, Any] = {
        "number": number, "warmup": False, "scheduled": sent, "sent": sent, "times": array("d", times),
        "ended": times[-1] if times else sent, "visible": times[0] if times else None, "input": 10, "asked_input": 10,
        "output": len(times), "asked_output": len(times), "output_basis": "measured", "input_basis": "measured",
    }  # fmt: skip
    return Shot(**{**facts, **more})


def made(*shots: Shot, load: Load | None = None, load_end: float | None = None) -> Run:
    """A run of these rows."""
    end = max((one.sent for one in shots), default=0.0) if load_end is None else load_end
    return Run(load=load or Load(concurrency=1), shots=shots, load_end=end)
