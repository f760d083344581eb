"""Costing: what an option costs in any imagined future, as arithmetic on whole arrays.

An option is boiled down to ``Facts``: what it pays per request, per machine and per month, and what one replica
carries. The same function then gives the point estimate, the Monte Carlo, the tornado, the curves over volume and the
flip conditions, so that these can never disagree.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.money import DAYS_PER_MONTH
from crossover.planner.draws import Draws
from crossover.planner.words import OptionKind

Floats = NDArray[np.float64]


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """Who writes the answers, when it is not the model the workload was counted with.

    ``ratio`` names the range of its tokens for one token of the workload; empty for the same model. Two deployments of
    one model share ``name`` and so are exactly as wordy in every future. ``measured_log_sd`` is the spread left after
    somebody measured both models on the same prompts.
    """

    name: str = ""
    ratio: Literal["", "token_ratio_same_family", "token_ratio_other_family"] = ""
    measured_log_sd: float | None = None


class TokenFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one request costs by the token: dollars for its input and for its output.

    ``price_range`` names the range of the price, ``seller`` who sets it. ``writer`` says whose answers these are.
    """

    input_usd: float
    output_usd: float
    seller: str
    price_range: Literal["api_price", "hosted_price"]
    writer: Writer = Writer()
    minimum_usd_month: float = 0.0


PriceRange = Literal["rent_on_demand", "rent_reserved", "rent_spot", "owned"]


class MachineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What own machines cost and carry.

    ``machine_usd_month`` is one machine (an instance or a bought box), ``operations_usd_machine`` what running one more
    adds; ``replicas_per_machine`` fit on it. ``replica_rps``: requests per second of one replica in the busiest hour
    within the SLO. ``input_weight`` is the share of a request's work that its input causes. ``fixed_replicas`` is set
    for a hybrid: the number that is bought whatever comes. ``overflow`` holds points (load, share of requests, of input
    tokens, of output tokens), load being the demand of the busiest hour over the capacity of all own replicas.
    """

    key: str
    machine_usd_month: float
    replicas_per_machine: int
    replica_rps: float
    log_sd: float
    price_range: PriceRange
    seller: str
    input_weight: float
    operations_usd_machine: float = 0.0
    writer: Writer = Writer()
    spare: int = 0
    fixed_replicas: int | None = None
    overflow: tuple[tuple[float, float, float, float], ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One option for costing. ``peak_rps`` and ``requests_per_day`` are the workload's as stated.

    ``local_share`` is the share of requests that may only be answered by own machines (a split by sensitivity);
    ``people_usd`` and ``operations_usd`` are fixed dollars a month.
    """

    id: str
    kind: OptionKind
    requests_per_day: float
    peak_rps: float
    tokens: TokenFacts | None = None
    machines: MachineFacts | None = None
    people_usd: float = 0.0
    people_log_sd: float = 0.0
    operations_usd: float = 0.0
    operations_log_sd: float = 0.0
    local_share: float | None = None


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of a monthly bill as arrays of one shape."""

    tokens: Floats
    machines: Floats
    people: Floats
    operations: Floats
    replicas: Floats
    paid_machines: Floats
    overflow_share: Floats

    @property
    def total(self) -> Floats:
        """Dollars a month."""
        return self.tokens + self.machines + self.people + self.operations


def bill(facts: Facts, draws: Draws, volume: Floats | float | None = None) -> Bill:
    """The bill of an option for every future (last axis) at each ``volume`` (requests/day; first axis if an array)."""
    stated = facts.requests_per_day if volume is None else volume
    factor = np.asarray(stated, dtype=np.float64) / facts.requests_per_day
    if factor.ndim:
        factor = factor[:, np.newaxis]
    demand = factor * draws.of("volume")
    monthly = demand * facts.requests_per_day * DAYS_PER_MONTH
    zero = np.zeros_like(demand)
    tokens, machines, replicas, paid, spill = zero, zero, zero, zero, zero
    by_token = np.ones_like(demand)
    input_share = output_share = by_token
    if facts.machines is not None:
        own = demand if facts.local_share is None else demand * facts.local_share
        replicas, paid = _machines(facts, facts.machines, own, draws)
        machines = (
            paid * facts.machines.machine_usd_month * draws.own(facts.machines.price_range, facts.machines.seller)
        )
        spill, input_share, output_share = _overflow(facts, facts.machines, own, replicas, draws)
        if facts.local_share is not None:
            spill = input_share = output_share = np.full_like(demand, 1.0 - facts.local_share)
    each = facts.machines.operations_usd_machine if facts.machines is not None else 0.0
    if facts.tokens is not None:
        tokens = _tokens(facts.tokens, monthly, input_share, output_share, draws)
    return Bill(
        tokens=tokens,
        machines=machines,
        people=zero + facts.people_usd * draws.scaled("people", facts.people_log_sd),
        operations=(zero + facts.operations_usd + paid * each) * draws.scaled("operations", facts.operations_log_sd),
        replicas=replicas,
        paid_machines=paid,
        overflow_share=spill,
    )


def _tokens(facts: TokenFacts, monthly: Floats, input_share: Floats, output_share: Floats, draws: Draws) -> Floats:
    lengths = draws.of("lengths")
    price = (
        draws.of("api_price", facts.seller)
        if facts.price_range == "api_price"
        else draws.own("hosted_price", facts.seller)
    )
    ratio_in, ratio_out = _ratios(facts.writer, draws)
    each = facts.input_usd * input_share * ratio_in + facts.output_usd * output_share * ratio_out
    spent: Floats = monthly * each * lengths * price
    return np.maximum(spent, facts.minimum_usd_month) if facts.minimum_usd_month else spent


def _ratios(writer: Writer, draws: Draws) -> tuple[Floats, Floats]:
    """Tokens of this writer's model per token of the workload, for input and output, each of shape (count,)."""
    if not writer.ratio:
        same = np.ones(draws.count)
        return same, same
    if writer.measured_log_sd is not None:
        return draws.of("token_ratio_input"), draws.scaled(f"written:{writer.name}", writer.measured_log_sd)
    return draws.of("token_ratio_input"), draws.own(writer.ratio, writer.name)


def capacity(facts: MachineFacts, draws: Draws) -> Floats:
    """Requests per second of one replica in every future, shape (count,)."""
    weight = facts.input_weight
    ratio_in, ratio_out = _ratios(facts.writer, draws)
    heavier = draws.of("lengths") * (weight * ratio_in + (1 - weight) * ratio_out)
    return facts.replica_rps * draws.speed(facts.key, facts.log_sd) / heavier


def _machines(facts: Facts, own: MachineFacts, demand: Floats, draws: Draws) -> tuple[Floats, Floats]:
    if own.fixed_replicas is not None:
        replicas = np.full_like(demand, float(own.fixed_replicas))
    else:
        peak = facts.peak_rps * demand * draws.of("peak")
        replicas = np.maximum(np.ceil(peak / capacity(own, draws) - 1e-9), 1.0)
    paid = np.ceil((replicas + own.spare) / own.replicas_per_machine - 1e-9)
    return replicas, paid


def _overflow(
    facts: Facts, own: MachineFacts, demand: Floats, replicas: Floats, draws: Draws
) -> tuple[Floats, Floats, Floats]:
    """Shares of requests, input and output tokens that own replicas cannot take."""
    if not own.overflow:
        zero = np.zeros_like(demand)
        return zero, zero, zero
    load = facts.peak_rps * demand * draws.of("peak") / (capacity(own, draws) * np.maximum(replicas, 1e-9))
    points = np.asarray(own.overflow)
    last = points[-1]
    shares: list[Floats] = []
    for column in (1, 2, 3):
        inside = np.interp(load, points[:, 0], points[:, column])
        # beyond the last simulated load the machines keep carrying what they carry there
        beyond = 1.0 - (1.0 - last[column]) * last[0] / np.maximum(load, 1e-9)
        shares.append(np.clip(np.where(load > last[0], beyond, inside), 0.0, 1.0))
    return shares[0], shares[1], shares[2]


def with_replicas(facts: Facts, replicas: int) -> Facts:
    """The same hybrid with another number of own replicas."""
    if facts.machines is None:
        raise ValueError("only an option with machines has replicas")
    machines = msgspec.structs.replace(facts.machines, fixed_replicas=replicas)
    return msgspec.structs.replace(facts, machines=machines)
