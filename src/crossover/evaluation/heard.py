"""What is heard of a streamed answer: its words, its calls, how fast it came, how sure the model was."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from crossover.chat import ChatChunk, Served
from crossover.learning import signals
from crossover.usage import Usage


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. ``first_at`` is when its first piece came, by the clock that was handed in; ``gap_s`` the mean gap."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: str = "stop"
    usage: Usage | None = None
    model: str = ""
    served: Served | None = None
    first_at: float | None = None
    gap_s: float | None = None
    logprobs: dict[str, float] = {}
    vectors: tuple[tuple[float, ...], ...] = ()


async def hear(source: AsyncGenerator[ChatChunk, None], tick: Callable[[], float]) -> Heard:
    """Listen to the end. What the source raises is raised; the source is closed in any case."""
    words: list[str] = []
    names: dict[int, str] = {}
    arguments: dict[int, list[str]] = {}
    tokens: list[Any] = []
    first = last = 0.0
    pieces = 0
    usage, served, finish, model = None, None, "stop", ""
    try:
        async for chunk in source:
            if chunk.semantic:
                last = tick()
                first = first or last
                pieces += 1
            usage, served, model = chunk.usage or usage, chunk.served or served, chunk.model or model
            for delta in chunk.deltas:
                if delta.choice:
                    continue
                if delta.text:
                    words.append(delta.text)
                finish = delta.finish or finish
                if delta.tool is not None:
                    index = delta.tool.index
                    names[index] = names.get(index, "") + (delta.tool.name or "")
                    arguments.setdefault(index, []).append(delta.tool.arguments)
                if isinstance(delta.logprobs, dict):
                    tokens += delta.logprobs.get("content") or ()
    finally:
        await source.aclose()
    return Heard(
        text="".join(words),
        calls=tuple((names[index], "".join(arguments[index]) or "{}") for index in sorted(names)),
        finish=finish,
        usage=usage,
        model=model,
        served=served,
        first_at=first if pieces else None,
        gap_s=round((last - first) / (pieces - 1), 6) if pieces > 1 else None,
        logprobs=summed_up({"content": tokens}) if tokens else {},
    )


def summed_up(said: Any) -> dict[str, float]:
    """Token log-probabilities (OpenAI's shape) as a few figures; empty where there are none.

    Those of :func:`crossover.learning.signals.summed_up`, so that what is learned from results holds in service.
    """
    return {name: round(value, 6) for name, value in signals.summed_up(signals.token_logprobs(said)).items()}
