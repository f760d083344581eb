"""Estimates: boils a candidate down to ``Facts`` with the calculators of ``cost``, and keeps its itemised bill.

The facts and the bill come from the same calculators, so the lines of an option add up to its point estimate.
"""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec

from crossover.catalog import match
from crossover.catalog.items import Accelerator, OpenModel
from crossover.cost import hosting as hosting_cost
from crossover.cost import tco as ownership
from crossover.cost import tokens as token_cost
from crossover.cost.lines import assumed
from crossover.deployment import Billing, Deployment, ModelId, Owned, PerHour, PerToken, Purchase, Zone
from crossover.evidence import best
from crossover.money import DAYS_PER_MONTH, HOURS_PER_MONTH
from crossover.planner.candidates import ApiCandidate, Purchasing, offer_price
from crossover.planner.costing import Facts, MachineFacts, PriceRange, TokenFacts, Writer
from crossover.planner.question import Question
from crossover.stats import Z80

WHOLE_MACHINES = frozenset({"apple", "unified", "cpu"})
RENT_RANGES: dict[Purchase, PriceRange] = {
    "on_demand": "rent_on_demand",
    "reserved": "rent_reserved",
    "spot": "rent_spot",
}
TERM_MONTHS = 12


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate billed by the token, with its facts and its bill."""

    candidate: ApiCandidate
    facts: Facts
    cost: token_cost.TokenCost
    reasoning_factor: float


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What machines of one kind cost: per machine, and once. ``billing`` is that of one machine."""

    billing: PerHour | Owned
    machine_usd_month: float
    operations_usd_machine: float
    operations_usd: float
    operations_log_sd: float
    people_usd: float
    people_log_sd: float
    fallback: Decimal | None


def peak_rps(question: Question) -> float:
    """Requests per second in the busiest hour of the week."""
    load = question.workload
    return load.requests_per_day / 86_400 * load.peak_factor


def output_factor(question: Question, name: str, *, reasons: bool) -> float:
    """How many tokens a model writes for one token of the stated answers.

    Measured (evidence ``output_token_ratio`` about the model's name) before assumed: more than one where it thinks
    before it answers, else one.
    """
    measured = best(question.evidence, name, "output_token_ratio", question.today)
    if measured is not None and measured.value > 0:
        return measured.value
    return token_cost.assumed_ratio(same_family=False, reasoning=True).output if reasons else 1.0


def writer_of(question: Question, name: str) -> Writer:
    """Who writes, seen from the model the workload was counted with (the first one stated)."""
    first = question.workload.models[0] if question.workload.models else ""
    base = first.rsplit("/", 1)[-1].casefold()
    if name.rsplit("/", 1)[-1].casefold() == base:
        return Writer()
    measured = best(question.evidence, name, "output_token_ratio", question.today)
    if measured is not None:
        low, high = measured.low, measured.high
        known = low is not None and high is not None and 0 < low < high
        spread = math.log(high / low) / (2 * Z80) if known and low is not None and high is not None else 0.0
        return Writer(name=name, ratio="token_ratio_same_family", measured_log_sd=spread)
    family = base.split("-")[0] if base else ""
    same = bool(family) and name.rsplit("/", 1)[-1].casefold().split("-")[0] == family
    return Writer(name=name, ratio="token_ratio_same_family" if same else "token_ratio_other_family")


def own_factor(question: Question, model: OpenModel) -> float:
    """The same for an open model on own machines."""
    return (
        output_factor(question, model.name, reasons=model.reasoning) if writer_of(question, model.name).ratio else 1.0
    )


def priced(question: Question, candidate: ApiCandidate) -> Priced:
    """What a model sold per token costs for this workload, exact, and as facts."""
    own_name = candidate.open_model.name if candidate.open_model else candidate.priced.model
    writer = writer_of(question, own_name)
    factor = 1.0 if not writer.ratio else output_factor(question, own_name, reasons=candidate.reasons)
    cost = token_cost.monthly(
        question.workload,
        candidate.priced,
        question.as_of,
        ratio=token_cost.TokenRatio(output=factor),
        overrides=question.costs.price_overrides,
        contract=question.costs.contract if candidate.stated else None,
        service_tier=question.costs.service_tier if candidate.stated else "default",
    )
    requests = float(cost.requests_month)
    reserved = 0.0 if cost.linear else float(cost.usd_month) - requests * float(cost.usd_per_request)
    output_usd = float(cost.usd_per_output_mtok) * float(cost.output_tokens_month) / 1e6 / requests
    tokens = TokenFacts(
        input_usd=float(cost.usd_per_request) - output_usd,
        output_usd=output_usd,
        seller=f"{candidate.priced.provider}/{candidate.priced.model}",
        price_range="api_price" if candidate.kind == "api" else "hosted_price",
        writer=writer,
        minimum_usd_month=float(cost.minimum_usd_month),
    )
    facts = Facts(
        id=candidate.id,
        kind=candidate.kind,
        requests_per_day=question.workload.requests_per_day,
        peak_rps=peak_rps(question),
        tokens=tokens,
        operations_usd=reserved,
    )
    return Priced(candidate=candidate, facts=facts, cost=cost, reasoning_factor=factor)


def billing_of(question: Question, way: Purchasing) -> PerHour | Owned:
    """How one machine is paid."""
    if way.offer is not None and way.purchase is not None:
        price = {
            "on_demand": way.offer.usd_per_hour,
            "spot": way.offer.spot_usd_per_hour,
            "reserved": way.offer.reserved_1y_usd_per_hour,
        }[way.purchase]
        spot = way.purchase == "spot"
        return PerHour(
            cloud=way.offer.cloud,
            instance=way.offer.instance,
            region=way.offer.region,
            usd_per_hour=price if price is not None else way.offer.usd_per_hour,
            purchase=way.purchase,
            term_months=TERM_MONTHS if way.purchase == "reserved" else 0,
            hours_per_day=question.scope.spot_hours_per_day if spot else 24.0,
            interruptions_per_day=(question.scope.spot_interruptions_per_day or 0.0) if spot else 0.0,
        )
    return _bought(question, way.spec.accelerator, way.spec.count)


def _bought(question: Question, device: Accelerator, count: int) -> Owned:
    whole = device.kind in WHOLE_MACHINES
    cards = (device.price_usd or Decimal(0)) * count
    watts = device.tdp_w * count + device.host_watts
    power = question.costs.usd_per_kwh
    return Owned(
        price_usd=cards if whole else cards * (1 + assumed("host_share").value),
        life_months=question.costs.life_months,
        residual_share=_stated(question.costs.residual_share, "residual_share"),
        watts=watts,
        idle_watts=watts * float(assumed("idle_power_share").value),
        usd_per_kwh=assumed("usd_per_kwh").value if power is None else Decimal(str(power)),
        pue=1.0 if whole and question.costs.pue is None else _stated(question.costs.pue, "pue"),
        colocation_usd_month=Decimal(str(question.costs.colocation_usd_month)),
    )


def _stated(value: float | None, name: str) -> float:
    """What the user stated, else the shipped default of that name."""
    return float(assumed(name).value) if value is None else value


def least_machine_usd(question: Question, way: Purchasing) -> float:
    """Less than one machine can cost a month in this way, in floats and in no time: for bounds only."""
    if way.offer is None or way.purchase is None:
        device = way.spec.accelerator
        cards = float(device.price_usd or 0) * way.spec.count
        return cards * (1 - _stated(question.costs.residual_share, "residual_share")) / question.costs.life_months
    month = (offer_price(way.offer, way.purchase) or 0.0) * HOURS_PER_MONTH
    if way.purchase == "spot":
        return month * question.scope.spot_hours_per_day / 24 * (1 - float(assumed("spot_unavailable_share").high))
    return month


def itemised(
    question: Question, way: Purchasing, machines: int, utilisation: float, output_tokens: float
) -> ownership.Tco:
    """Everything ``machines`` machines cost a month, people and operations included."""
    billing = billing_of(question, way)
    fallback = way.offer.usd_per_hour if way.offer is not None and way.purchase == "spot" else None
    requests = question.workload.requests_per_day * DAYS_PER_MONTH
    return ownership.tco(
        hosting_cost.hosting(billing, machines, utilisation=utilisation, fallback_usd_per_hour=fallback),
        fte=question.costs.fte,
        fte_cost_month=question.costs.fte_cost_month,
        migration_usd=question.costs.migration_usd,
        monitoring_usd_month=question.costs.monitoring_usd_month,
        egress_gb_month=ownership.egress_gb(requests, output_tokens),
    )


def terms(question: Question, way: Purchasing, utilisation: float, output_tokens: float) -> Terms:
    """What one more machine costs, and what is paid whatever their number: read off the bills of one and of two."""
    one = itemised(question, way, 1, utilisation, output_tokens)
    two = itemised(question, way, 2, utilisation, output_tokens)
    billing = billing_of(question, way)
    fallback = way.offer.usd_per_hour if way.offer is not None and way.purchase == "spot" else None

    def part(bill: ownership.Tco, *kinds: str) -> tuple[float, float, float]:
        rows = [row for row in bill.lines if row.kind in kinds]
        return (
            sum(float(row.usd_month) for row in rows),
            math.fsum(float(row.low) for row in rows),
            math.fsum(float(row.high) for row in rows),
        )

    machine = part(one, "compute", "power")[0]
    operations, low, high = part(one, "operations")
    each = part(two, "operations")[0] - operations
    people, people_low, people_high = part(one, "people")
    return Terms(
        billing=billing,
        machine_usd_month=machine,
        operations_usd_machine=each,
        operations_usd=operations - each,
        operations_log_sd=_log_sd(low, high),
        people_usd=people,
        people_log_sd=_log_sd(people_low, people_high),
        fallback=fallback,
    )


def _log_sd(low: float, high: float) -> float:
    return math.log(high / low) / (2 * Z80) if 0 < low < high else 0.0


def own_facts(
    question: Question,
    way: Purchasing,
    paid: Terms,
    *,
    replica_rps: float,
    input_weight: float,
    log_sd: float,
    spare: int,
) -> Facts:
    """A self-hosted option as facts."""
    seller = way.party
    machines = MachineFacts(
        key=way.spec.key,
        machine_usd_month=paid.machine_usd_month,
        operations_usd_machine=paid.operations_usd_machine,
        replicas_per_machine=way.replicas_per_machine,
        replica_rps=replica_rps,
        log_sd=log_sd,
        price_range=RENT_RANGES[way.purchase] if way.purchase is not None else "owned",
        seller=f"{seller}/{way.spec.accelerator.name}",
        input_weight=input_weight,
        writer=writer_of(question, way.spec.model.name),
        spare=spare,
    )
    return Facts(
        id=way.id,
        kind="self",
        requests_per_day=question.workload.requests_per_day,
        peak_rps=peak_rps(question),
        machines=machines,
        people_usd=paid.people_usd,
        people_log_sd=paid.people_log_sd,
        operations_usd=paid.operations_usd,
        operations_log_sd=paid.operations_log_sd,
    )


def api_deployment(question: Question, candidate: ApiCandidate) -> Deployment:
    """The deployment of a model sold per token, in the zone of its provider with what the user declared."""
    provider, model = candidate.priced.provider, candidate.priced.model
    return Deployment(
        id=candidate.id,
        model=ModelId(name=f"{provider}/{model}", engine="hosted"),
        zone=Zone(name=provider, operator="provider", party=provider, agreements=signed(question, provider)),
        billing=PerToken(provider=provider, model=model),
    )


def own_deployment(question: Question, way: Purchasing, billing: Billing) -> Deployment:
    """The deployment of own machines: rented ones stand in the cloud's zone, bought ones in the user's own."""
    party = way.party
    return Deployment(
        id=way.id,
        model=ModelId(name=way.spec.model.name, quantisation=way.spec.quantisation.name, engine=way.spec.engine),
        zone=Zone(
            name=party,
            operator=way.operator,
            party=party,
            agreements=signed(question, party),
        ),
        billing=billing,
        accelerator=way.spec.accelerator.name,
        accelerators=way.spec.count,
    )


def signed(question: Question, party: str) -> frozenset[str]:
    """What the user declared as signed with a party; undeclared is not signed."""
    return dict(question.agreements).get(party, frozenset())


def own_title(way: Purchasing) -> str:
    """A self-hosted option as people name it."""
    spec = way.spec
    where = (
        "bought"
        if way.offer is None or way.purchase is None
        else "this machine"
        if way.operator == "own"
        else f"{way.offer.cloud}, {way.purchase.replace('_', ' ')}"
    )
    return (
        f"{match.short(spec.model.name)} {spec.quantisation.name} on {spec.count} × {spec.accelerator.name} ({where})"
    )


def api_title(candidate: ApiCandidate) -> str:
    """An option billed by the token as people name it."""
    if candidate.open_model is not None:
        return f"{match.short(candidate.open_model.name)} on {candidate.priced.provider}"
    return f"{candidate.priced.model} ({candidate.priced.provider})"
