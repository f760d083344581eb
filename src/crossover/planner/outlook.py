"""Outlook: what the answer hangs on. Bands, the chance of being cheapest, tornado, flip conditions, curves over volume.

Everything is read off ``costing.bill``; nothing here knows a price.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.evidence import Band
from crossover.planner.costing import Facts, bill
from crossover.planner.draws import Draws, Range, certain
from crossover.planner.words import CurvePoint, Flip, OptionKind, TornadoBar, VolumeCurve
from crossover.stats import Z80

Floats = NDArray[np.float64]
SHARES = (0.1, 0.5, 0.9)
VOLUME_POINTS = 49
VOLUME_SPAN = (0.01, 30.0)
GRID = 49


class Lever(msgspec.Struct, frozen=True, kw_only=True):
    """One input that can move: its multiplier's name, how people name it, today's value and its unit."""

    name: str
    title: str
    now: float
    unit: str
    span: tuple[float, float] = (0.2, 5.0)


def band(values: Floats) -> Band:
    """The 10th, 50th and 90th percentile."""
    low, middle, high = np.quantile(values, SHARES)
    return Band(float(low), float(middle), float(high))


def totals(options: Sequence[Facts], draws: Draws) -> Floats:
    """Dollars a month, shape (options, draws)."""
    return np.stack([np.broadcast_to(bill(facts, draws).total, (draws.count,)) for facts in options])


def chance_cheapest(costs: Floats) -> Floats:
    """The share of futures in which each option is the cheapest, shape (options,); ties go to the first."""
    winners = np.argmin(costs, axis=0)
    shares: Floats = np.bincount(winners, minlength=costs.shape[0]) / costs.shape[1]
    return shares


def tornado(api: Facts, own: Facts, ranges: dict[str, Range], levers: Sequence[Lever]) -> tuple[TornadoBar, ...]:
    """How each input alone moves the saving of ``own`` over ``api``; widest first."""
    bars: list[TornadoBar] = []
    for lever in levers:
        low, high = _ends(lever, ranges, own)
        draws = certain(ranges, **{lever.name: np.array([low, high])})
        saving = bill(api, draws).total - bill(own, draws).total
        bars.append(
            TornadoBar(
                name=lever.title,
                low_label=quantity(lever.now * low, lever.unit),
                high_label=quantity(lever.now * high, lever.unit),
                at_low_usd=float(saving[0]),
                at_high_usd=float(saving[1]),
            )
        )
    return tuple(sorted(bars, key=lambda bar: -abs(bar.at_high_usd - bar.at_low_usd)))


def _ends(lever: Lever, ranges: dict[str, Range], own: Facts) -> tuple[float, float]:
    """The 80 % range of an input; three of them depend on the option."""
    spreads = {"people": own.people_log_sd, "operations": own.operations_log_sd}
    if own.machines is not None:
        spreads["speed"] = own.machines.log_sd
    if lever.name in spreads:
        reach = Z80 * spreads[lever.name]
        return float(np.exp(-reach)), float(np.exp(reach))
    row = ranges[lever.name.partition(":")[0]]
    return row.low, row.high


def flips(
    options: Sequence[Facts], titles: dict[str, str], ranges: dict[str, Range], levers: Sequence[Lever]
) -> tuple[Flip, ...]:
    """For each input the nearest value, below and above today's, at which another class becomes the cheapest."""
    found: list[Flip] = []
    for lever in levers:
        for direction in (-1, 1):
            flip = _nearest_flip(options, titles, ranges, lever, direction)
            if flip is not None:
                found.append(flip)
    return tuple(found)


def _nearest_flip(
    options: Sequence[Facts], titles: dict[str, str], ranges: dict[str, Range], lever: Lever, direction: int
) -> Flip | None:
    edge = lever.span[0] if direction < 0 else lever.span[1]
    grid = np.geomspace(1.0, edge, GRID)
    changed = _first_change(options, ranges, lever.name, grid)
    if changed is None:
        return None
    fine = np.linspace(grid[changed - 1], grid[changed], GRID)
    within = _first_change(options, ranges, lever.name, fine)
    factor = float(fine[within if within is not None else -1])
    winner = options[int(np.argmin(totals(options, certain(ranges, **{lever.name: factor}))[:, 0]))]
    value = lever.now * factor
    side = "above" if direction > 0 else "under"
    text = f"{titles[winner.id]} is cheapest with {lever.title} {side} {quantity(value, lever.unit, rounded=True)}"
    return Flip(
        name=lever.title,
        now=lever.now,
        flips_at=value,
        unit=lever.unit,
        winner=winner.id,
        sentence=f"{text} (now {quantity(lever.now, lever.unit)})",
    )


def _first_change(options: Sequence[Facts], ranges: dict[str, Range], name: str, grid: Floats) -> int | None:
    """The first index at which the class of the cheapest option differs from that at index 0."""
    kinds = np.array([facts.kind for facts in options])
    winners = kinds[np.argmin(totals(options, certain(ranges, **{name: grid})), axis=0)]
    different = np.flatnonzero(winners != winners[0])
    return int(different[0]) if different.size else None


def volumes(requests_per_day: float) -> Floats:
    """Volumes for the curves: evenly spaced on a log scale around today's, today's included."""
    low, high = VOLUME_SPAN
    grid = np.geomspace(max(1.0, requests_per_day * low), max(requests_per_day * high, 1000.0), VOLUME_POINTS)
    return np.unique(np.append(grid, requests_per_day))


def curve(
    kind: OptionKind, members: Sequence[Facts], title: str, option: str, grid: Floats, draws: Draws
) -> VolumeCurve:
    """Cost against volume of a class: at each volume the member with the lowest median, with its band."""
    rows = np.stack(
        [np.quantile(np.broadcast_to(bill(facts, draws, grid).total, (grid.size, draws.count)), SHARES, axis=1)
         for facts in members]
    )  # fmt: skip
    best = np.argmin(rows[:, 1, :], axis=0)
    chosen = rows[best, :, np.arange(grid.size)]
    points = tuple(
        CurvePoint(float(volume), float(row[0]), float(row[1]), float(row[2]))
        for volume, row in zip(grid, chosen, strict=True)
    )
    return VolumeCurve(kind=kind, option=option, title=title, points=points)


def quantity(value: float, unit: str, *, rounded: bool = False) -> str:
    """A figure with its unit for people: ``94,683 requests/day``, ``$1.90/h``; ``rounded`` to three digits."""
    shown = float(f"{value:.3g}") if rounded else value
    if unit.startswith("$"):
        return f"${shown:,.2f}{unit[1:]}" if shown < 1000 else f"${shown:,.0f}{unit[1:]}"
    if unit == "×":
        return f"{shown:.2f} ×"
    digits = f"{shown:,.0f}" if shown >= 100 else f"{shown:.3g}"
    return f"{digits} {unit}"
