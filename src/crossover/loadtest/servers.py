"""What an engine counts itself while it is under load: its metrics read before, during and after a stage.

Counters and histograms are differences over the stage, gauges the highest value that was seen (they are looked at once
a second). An engine that serves others at the same time counts them too. Which metrics an engine has is in
``data/servers.csv``, with the source of every name; an engine without metrics has no server side, which is no error.
"""

from __future__ import annotations

import asyncio
import csv
import functools
from collections.abc import Awaitable, Callable, Iterable
from importlib import resources
from typing import Literal, TypeAlias

import msgspec

from crossover.deployment import Timeouts
from crossover.engines.answers import metrics
from crossover.errors import InputError, UpstreamError
from crossover.loadtest.words import ServerSide
from crossover.transport import Endpoint, Transport, head

PATIENCE_S = 2.0
EVERY_S = 1.0
MOST_BYTES = 4 * 2**20
Samples: TypeAlias = dict[str, float]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one engine. ``ratio`` divides the growth of ``name`` by that of ``other``."""

    engine: str
    key: str
    title: str
    unit: Literal["s", "tokens", "requests", "steps", "share"]
    how: Literal["counter", "histogram", "ratio", "gauge"]
    name: str
    other: str
    source: str
    checked: str


@functools.cache
def known() -> tuple[Metric, ...]:
    """All figures of all engines."""
    text = resources.files("crossover.loadtest").joinpath("data/servers.csv").read_text(encoding="utf-8")
    return tuple(msgspec.convert(row, Metric) for row in csv.DictReader(text.splitlines()))


def rows_of(engine: str) -> tuple[Metric, ...]:
    """The figures of one engine, in the order in which they are shown."""
    return tuple(row for row in known() if row.engine == engine)


def _names(rows: Iterable[Metric]) -> list[str]:
    found: list[str] = []
    for row in rows:
        found += [f"{row.name}_sum", f"{row.name}_count"] if row.how == "histogram" else [row.name]
        found += [row.other] if row.other else []
    return found


def engine_of(text: str) -> str:
    """Which engine's metrics these are; "" where it is none known."""
    return next((row.engine for row in known() if f"{row.name.partition(':')[0]}:" in text), "")


def read(text: str, engine: str) -> Samples:
    """The samples of one engine from a Prometheus text."""
    return metrics(text, _names(rows_of(engine)))


def server_side(engine: str, before: Samples, after: Samples, peaks: Samples) -> ServerSide | None:
    """What the engine did between two readings; None where nothing of it can be told.

    A counter that fell was set to zero by a restart: then nothing is said of it.
    """
    values: dict[str, float] = {}
    for row in rows_of(engine):
        value: float | None
        if row.how == "gauge":
            value = peaks.get(row.name)
        elif row.how == "histogram":
            value = _over(_grown(before, after, f"{row.name}_sum"), _grown(before, after, f"{row.name}_count"))
        elif row.how == "ratio":
            value = _over(_grown(before, after, row.name), _grown(before, after, row.other))
        else:
            value = _grown(before, after, row.name)
        if value is not None:
            values[row.key] = value
    return ServerSide(engine=engine, values=values) if values else None


def _grown(before: Samples, after: Samples, name: str) -> float | None:
    if name not in after or after[name] < before.get(name, 0.0):
        return None
    return after[name] - before.get(name, 0.0)


def _over(sum_: float | None, count: float | None) -> float | None:
    return None if sum_ is None or not count else sum_ / count


class Watch:
    """Reads the metrics of the server at ``endpoint`` (its root, without a path), with the headers of its API."""

    def __init__(
        self, transport: Transport, endpoint: Endpoint, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:  # fmt: skip
        self._transport = transport
        self._endpoint = endpoint
        self._headers = headers
        self._engine = ""
        self._before: Samples = {}
        self._peaks: Samples = {}
        self._task: asyncio.Task[None] | None = None

    async def begin(self, sleep: Sleep = asyncio.sleep) -> None:
        """The first reading; where there are metrics, more of them until ``end``."""
        text = await self._text()
        self._engine = engine_of(text)
        self._before, self._peaks = read(text, self._engine), {}
        if self._engine:
            self._task = asyncio.get_running_loop().create_task(self._again(sleep))

    async def end(self) -> ServerSide | None:
        """The last reading, and what happened since the first."""
        if self._task is None:
            return None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        after = read(await self._text(), self._engine)
        return server_side(self._engine, self._before, after, self._peaks)

    async def _again(self, sleep: Sleep) -> None:
        while True:
            self._see(read(await self._text(), self._engine))
            await sleep(EVERY_S)

    def _see(self, samples: Samples) -> None:
        for row in rows_of(self._engine):
            if row.how == "gauge" and row.name in samples:
                self._peaks[row.name] = max(self._peaks.get(row.name, 0.0), samples[row.name])

    async def _text(self) -> str:
        """The metrics as text; "" where there are none."""
        waits = Timeouts(connect=PATIENCE_S, first_byte=PATIENCE_S, gap=PATIENCE_S, total=PATIENCE_S)
        try:
            start = head(self._endpoint, "GET", "/metrics", self._headers)
            with await self._transport.send(self._endpoint, start, b"", waits) as reply:
                body = await reply.read(MOST_BYTES)
                return body.decode(errors="replace") if reply.status == 200 else ""
        except (UpstreamError, InputError):
            return ""
