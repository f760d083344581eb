"""Charts as plain values: what a script of the page draws, and the same figures for a table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from crossover.dashboard.render import PICO, count, ms, usd
from crossover.ledger.hours import Hours
from crossover.ledger.pace import Quantiles


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One row of figures over time. ``draw``: bar (stacked) or line; ``colour`` is a name of the style sheet."""

    name: str
    colour: str
    values: tuple[float | None, ...]
    draw: str = "bar"


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart over time. ``unit``: usd, count or ms. ``label`` says in words what it shows."""

    id: str
    label: str
    unit: str
    begin: int
    step: int
    lines: tuple[Line, ...]
    nothing: str = ""  # what is said where there is nothing to draw

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value for one in self.lines for value in one.values)

    def drawn(self) -> dict[str, Any]:
        """What the script draws."""
        return {
            "kind": "time", "unit": self.unit, "begin": self.begin, "step": self.step,
            "lines": [
                {"name": one.name, "colour": one.colour, "draw": one.draw, "values": one.values} for one in self.lines
            ],
        }  # fmt: skip

    def rows(self) -> list[tuple[str, list[str]]]:
        """The same figures as rows of a table, the latest first; spans in which nothing was are left out."""
        said = {"usd": lambda value: usd(value * PICO), "count": count, "ms": ms}[self.unit]
        found = []
        for number in reversed(range(len(self.lines[0].values))):
            values = [one.values[number] for one in self.lines]
            if any(values):
                cells = ["–" if value is None else said(value) for value in values]
                found.append((stamp(self.begin + number * self.step, self.step), cells))
        return found


def stamp(time: float, step: int) -> str:
    """When a span begins: the day, and the hour where spans are shorter."""
    form = "%Y-%m-%d" if step >= 86_400 else "%m-%d %H:%M"
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime(form)


def money(hours: Hours) -> Chart:
    """What was paid, and what APIs alone would have cost for the same requests."""
    paid = tuple(one.marginal / PICO for one in hours.each())
    return Chart(
        id="money", label="Dollars over time: what was paid, and what APIs alone would have cost", unit="usd",
        begin=hours.since, step=hours.step,
        nothing="Nothing was paid, and no request had a permitted API with a known price.",
        lines=(
            Line(name="paid to APIs", colour="api", values=paid),
            Line(
                name="APIs alone would have cost", colour="ink", draw="line",
                values=tuple((one.all_api + one.marginal - one.compared_marginal) / PICO for one in hours.each()),
            ),
        ),
    )  # fmt: skip


def requests(hours: Hours) -> Chart:
    """How many requests, by who answered."""
    names = (("own machines", "self", "local"), ("APIs", "api", "api"), ("nobody", "warn", "nobody"))
    return Chart(
        id="requests", label="Requests over time, by who answered them", unit="count", begin=hours.since,
        step=hours.step,
        lines=tuple(
            Line(name=name, colour=colour, values=tuple(float(one.requests) for one in hours.each(who)))  # type: ignore[arg-type]
            for name, colour, who in names
        ),
    )  # fmt: skip


def first_tokens(parts: Sequence[Quantiles | None], begin: int, step: int) -> Chart:
    """Time to the first token over time."""
    return Chart(
        id="ttft", label="Time to the first token over time: median and 95th percentile", unit="ms", begin=begin,
        step=step,
        nothing="Too few streamed answers for a curve: it takes eight in one part of this time.",
        lines=tuple(
            Line(name=name, colour=colour, draw="line", values=_of(parts, name))
            for name, colour in (("p50", "hosted"), ("p95", "hybrid"))
        ),
    )  # fmt: skip


def _of(parts: Sequence[Quantiles | None], name: str) -> tuple[float | None, ...]:
    return tuple(None if one is None else getattr(one, name) for one in parts)
