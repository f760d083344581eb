"""Samples, candidates and a run of them, without a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

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
    Served,
    Text,
)
from crossover.errors import CrossoverError
from crossover.evaluation.calls import Calls, Candidate, Clock, Patience, Purse
from crossover.evaluation.log import VERSION, Header, Log, open_log
from crossover.evaluation.samples.words import Check, Sample
from crossover.evaluation.scorers.registry import Means, Scorers
from crossover.usage import Usage


def sample(name: str, prompt: str = "", *expected: str, **more: Any) -> Sample:
    text = prompt or f"question {name}"
    return Sample(id=name, messages=(Message("user", (Text(text),)),), expected=expected or ("right",), **more)


def samples(count: int) -> list[Sample]:
    return [sample(f"s{number}", line=number + 1) for number in range(count)]


Said = str | CrossoverError


class Model:
    """A backend that says what a function of the prompt says; each call costs a cent. ``held``: it waits for that."""

    def __init__(
        self, say: Callable[[str], Said] | str = "right", *, cost: str | None = "0.01", local: bool = False,
        held: asyncio.Event | None = None, vector: Callable[[str], tuple[float, ...]] | None = None,
    ) -> None:  # fmt: skip
        self.say = say if callable(say) else lambda _prompt, text=say: text
        self.cost = None if cost is None else Decimal(cost)
        self.local = local
        self.held = held
        self.vector = vector
        self.prompts: list[str] = []
        self.requests: list[ChatRequest] = []
        self.most_at_once = self._at_once = 0

    async def _said(self, request: ChatRequest) -> str:
        prompt = request.messages[-1].text
        self.prompts.append(prompt)
        self.requests.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await (asyncio.sleep(0) if self.held is None else self.held.wait())
            said = self.say(prompt)
        finally:
            self._at_once -= 1
        if isinstance(said, CrossoverError):
            raise said
        return said

    def _served(self) -> Served:
        return Served(
            request_id="r", deployment="d", model="the-model", zone="z", policy="p", reason="", cost=self.cost,
            local=self.local,
        )  # fmt: skip

    async def complete(self, request: ChatRequest) -> ChatResponse:
        text = await self._said(request)
        choice = Choice(message=Message("assistant", (Text(text),)), finish="stop")
        return ChatResponse(choices=(choice,), usage=Usage(input=10, output=2), served=self._served())

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        text = await self._said(request)
        for word in text.split(" "):
            yield ChatChunk(deltas=(Delta(text=word if word == text.split(" ")[0] else f" {word}"),))
        done = Delta(finish="stop")
        yield ChatChunk(deltas=(done,), usage=Usage(input=10, output=2), served=self._served(), last=True)

    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        assert self.vector is not None
        text = request.inputs[0]
        assert isinstance(text, str)
        self.prompts.append(text)
        return EmbedResponse(vectors=(self.vector(text),), served=self._served())


def candidate(name: str, model: Model, **more: Any) -> Candidate:
    facts: dict[str, Any] = {"identity": name, "model": name, "paid": True, "highest": lambda _request: Decimal("0.01")}
    return Candidate(name=name, backend=model, **{**facts, **more})


class NoTime:
    """A clock that counts instead of passing; what was waited for is kept."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self._now = 0.0

    def tick(self) -> float:
        self._now += 0.001
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(tick=self.tick, sleep=self.sleep, now=lambda: "2026-01-01T00:00:00+00:00")


def calls(log: Log, budget: str | None = None, *, time: NoTime | None = None, **more: Any) -> Calls:
    purse = Purse(None if budget is None else Decimal(budget), log.spent())
    return Calls(log, purse, clock=(time or NoTime()).clock(), patience=more.pop("patience", Patience()), **more)


HEADER = Header(
    version=VERSION, started="now", file="f", samples={}, candidates=("c",), reference="r", scorer="exact", margin=0.05,
    errors="as-wrong", seed=0,
)  # fmt: skip


def log(folder: Path, *, resume: bool = True) -> Log:
    opened = open_log(folder, resume=resume)
    if opened.header is None:
        opened.append(HEADER)
    return opened


def exactly(**means: Any) -> Scorers:
    return Scorers((Check(scorer="exact"),), Means(**means))


def scored(outcomes: Mapping[tuple[str, str], Any], name: str) -> dict[str, Any]:
    """The score of every sample at a candidate, or its state where it has none."""
    return {
        sample_: one.state if one.score is None else one.score.value
        for (sample_, candidate_), one in outcomes.items()
        if candidate_ == name
    }


def changed(row: Any, **facts: Any) -> Any:
    return msgspec.structs.replace(row, **facts)
