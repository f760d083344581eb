"""What is heard of a streamed answer: its words, its calls, how fast it came, how sure the model was."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from crossover.chat import ChatChunk, Served
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

    ``mean``, ``min``, the 10 % and 25 % quantiles, the mean and the least distance of the best two (``margin``,
    ``margin_min``) and the number of ``tokens``.
    """
    rows = said.get("content") if isinstance(said, dict) else None
    if not isinstance(rows, list):
        return {}
    values = sorted(float(row["logprob"]) for row in rows if isinstance(row, dict) and _number(row.get("logprob")))
    if not values:
        return {}
    margins = [margin for row in rows if (margin := _margin(row)) is not None]
    found = {
        "tokens": float(len(values)),
        "mean": sum(values) / len(values),
        "min": values[0],
        "q10": values[len(values) // 10],
        "q25": values[len(values) // 4],
    }
    if margins:
        found |= {"margin": sum(margins) / len(margins), "margin_min": min(margins)}
    return {name: round(value, 6) for name, value in found.items()}


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _margin(row: Any) -> float | None:
    """How far the best token was ahead of the second."""
    tops = row.get("top_logprobs") if isinstance(row, dict) else None
    if not isinstance(tops, list):
        return None
    values = sorted(float(top["logprob"]) for top in tops if isinstance(top, dict) and _number(top.get("logprob")))
    return values[-1] - values[-2] if len(values) > 1 else None
