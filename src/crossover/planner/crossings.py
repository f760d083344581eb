"""Break-even: at which volumes own machines and a price per token change places, for every pair."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from crossover.cost.break_even import staircase_crossings
from crossover.money import DAYS_PER_MONTH
from crossover.planner.costing import Facts, TokenFacts, bill
from crossover.planner.draws import Draws, Range, certain
from crossover.planner.outlook import band
from crossover.planner.words import BreakEven, Crossing

GRID_POINTS = 181
SEARCH = (1.0, 1e9)  # requests/day


class Staircase(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of own machines against volume: up to ``edges[i]`` requests/day they cost ``costs[i]`` dollars a month.

    ``at_end[i]`` and ``at_start[i]`` are the cost of one daily request where step ``i`` is full, and where it begins.
    """

    edges: list[float]
    costs: list[float]
    at_end: list[float]
    at_start: list[float]


def between(api: Facts, own: Facts, steps: Staircase) -> BreakEven:
    """Every crossing of one option billed by the token with one of own machines (its ``staircase``), in closed form."""
    tokens = api.tokens
    if tokens is None:
        raise ValueError("a break-even needs an option billed by the token")
    each = _each(tokens)
    edges, costs = steps.edges, steps.costs
    if not tokens.minimum_usd_month:
        # before the first step that can win own machines lose, after the last that can lose they win: look between
        daily = each * DAYS_PER_MONTH
        first = next((index for index, cost in enumerate(steps.at_end) if cost < daily), None)
        if first is None:
            return BreakEven(api=api.id, own=own.id, crossings=(), note=_note(tokens, (), edges[-1]))
        last = max((index for index, cost in enumerate(steps.at_start) if cost >= daily), default=first)
        edges, costs = edges[first : last + 1], costs[first : last + 1]
    found = staircase_crossings(each, edges, costs, api_minimum_usd_month=tokens.minimum_usd_month)
    return BreakEven(api=api.id, own=own.id, crossings=found, note=_note(tokens, found, steps.edges[-1]))


def staircase(own: Facts, max_replicas: int) -> Staircase:
    """Up to which volume (requests/day) each number of machines carries the traffic, and what it costs a month."""
    machines = own.machines
    if machines is None:
        raise ValueError("only own machines are a staircase")
    per_replica = machines.replica_rps / own.peak_rps * own.requests_per_day
    fixed = own.people_usd + own.operations_usd
    each = machines.machine_usd_month + machines.operations_usd_machine
    edges: list[float] = []
    costs: list[float] = []
    for replicas in range(1, max_replicas + 1):
        paid = -(-(replicas + machines.spare) // machines.replicas_per_machine)
        cost = fixed + paid * each
        if costs and costs[-1] == cost:
            edges[-1] = replicas * per_replica
        else:
            edges.append(replicas * per_replica)
            costs.append(cost)
    at_start = [math.inf, *(cost / edge for cost, edge in zip(costs[1:], edges[:-1], strict=True))]
    at_end = [cost / edge for cost, edge in zip(costs, edges, strict=True)]
    return Staircase(edges=edges, costs=costs, at_end=at_end, at_start=at_start)


def _each(tokens: TokenFacts) -> float:
    return tokens.input_usd + tokens.output_usd


def _note(tokens: TokenFacts, found: Sequence[Crossing], last: float) -> str:
    if tokens.minimum_usd_month:
        return "the minimum spend of the contract is left out of the break-even"
    if not found:
        return f"no crossing up to {float(f'{last:.3g}'):,.0f} requests a day"
    if len(found) > 1:
        return "several crossings: each further machine must be filled before it pays"
    return ""


def with_band(row: BreakEven, api: Facts, own: Facts, draws: Draws) -> BreakEven:
    """The same break-even with the 80 % interval of its first crossing, over all draws in which there is one."""
    grid = np.geomspace(*SEARCH, GRID_POINTS)
    gap = bill(own, draws, grid).total - bill(api, draws, grid).total
    cheaper = gap < 0
    has = cheaper.any(axis=0)
    share = float(has.mean())
    if not has.any():
        return BreakEven(api=row.api, own=row.own, crossings=row.crossings, share_crossing=0.0, note=row.note)
    first = np.argmax(cheaper[:, has], axis=0)
    volumes = grid[first]
    return BreakEven(
        api=row.api,
        own=row.own,
        crossings=row.crossings,
        band=band(volumes),
        share_crossing=share,
        note=row.note,
    )


def gap_at(api: Facts, own: Facts, volume: float, ranges: dict[str, Range]) -> float:
    """Own cost minus the other at this volume without any chance: a crossing recomputed must change its sign."""
    still = certain(ranges)
    return float((bill(own, still, volume).total - bill(api, still, volume).total)[0])
