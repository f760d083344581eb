"""Question: everything a plan is asked with. Plain values; the defaults suit a user who states nothing more."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

from crossover.catalog.prices import Contract, PriceOverride
from crossover.deployment import Purchase
from crossover.evidence import Evidence
from crossover.planner.words import OptionKind, Recorded
from crossover.workload import Slo, SloTarget, Workload

Team = Literal["none", "some", "strong"]
Capability = Literal["small", "medium", "large", "frontier"]
DEFAULT_SLO = Slo((SloTarget("ttft", 95.0, 10.0),))  # what own machines are sized for where nothing is promised
ALL_KINDS: tuple[OptionKind, ...] = ("api", "hosted", "self", "hybrid")


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """What the user states beside money and latency; each is one visible rule.

    ``capability`` is the least class of model that will do (None: the class of today's model). ``quality_floor`` is a
    published score below which a model is not considered. ``team`` is the experience with operating models.
    ``proof`` asks for an evaluation that found a model not worse than today's.
    """

    capability: Capability | None = None
    quality_floor: float | None = None
    team: Team = "some"
    fine_tuning: bool = False
    colocate: bool = False
    proof: bool = False


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says about money beside prices; None takes the shipped default with its range.

    ``contract`` and ``service_tier`` hold with the seller of the models in use. ``life_months`` and
    ``colocation_usd_month`` (per machine) are those of bought machines. ``target_usd_month`` is a budget the
    plan is asked to reach. ``here_usd_hour`` is what an hour of the machine at hand costs (None: it is not considered).
    """

    fte: float | None = None
    fte_cost_month: float | None = None
    migration_usd: float = 0.0
    target_usd_month: float | None = None
    monitoring_usd_month: float | None = None
    usd_per_kwh: float | None = None
    price_overrides: tuple[PriceOverride, ...] = ()
    contract: Contract | None = None
    service_tier: str = "default"
    life_months: int = 36
    colocation_usd_month: float = 0.0
    pue: float | None = None
    residual_share: float | None = None
    here_usd_hour: float | None = None


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider lets the user send; None: not stated."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which options are looked at; an empty tuple means all."""

    kinds: tuple[OptionKind, ...] = ALL_KINDS
    models: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ()
    quantisations: tuple[str, ...] = ()
    purchases: tuple[Purchase, ...] = ("on_demand", "reserved", "spot")
    owned: bool = True
    spot_hours_per_day: float = 24.0
    spot_interruptions_per_day: float | None = None
    max_replicas: int = 512


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that could be different: ``words`` as the user wrote it.

    ``volume`` and ``growth``: ``factor`` times the requests, or so many a day (``value``); growth a month (``value``).
    ``price``: of ``name`` (a seller, ``seller/model``, or a cloud) ``factor`` times as high, or dollars per million
    tokens (``prices``: input, output). ``model``: ``name`` is looked at too.
    """

    words: str
    kind: Literal["volume", "growth", "price", "model"]
    name: str = ""
    factor: float | None = None
    value: float | None = None
    prices: tuple[Decimal, Decimal] | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question to the planner. ``agreements`` maps a party (``openai``, ``aws``) to what is signed with it.

    ``evidence`` are figures of the user's own file, ``recorded`` those of the ledger; ``identities`` says what answers
    now behind the names that the latter are about (``identity:NAME`` or ``digest:NAME`` to a fingerprint; where one is
    missing, nobody looked). ``notes`` are said with the plan, ``record`` (the traffic that the workload was read from)
    is shown with it, ``what_if`` is answered beside it. ``spare`` replicas stand by beside those that serve a
    self-hosted option. ``today`` is the day the plan is made, ``as_of`` the day of the prices. ``seed`` fixes every
    draw: same question, same plan.
    """

    workload: Workload
    today: dt.date
    as_of: dt.date
    slo: Slo = Slo()
    regimes: tuple[str, ...] = ()
    agreements: tuple[tuple[str, frozenset[str]], ...] = ()
    preferences: Preferences = Preferences()
    costs: Costs = Costs()
    limits: RateLimits = RateLimits()
    scope: Scope = Scope()
    evidence: tuple[Evidence, ...] = ()
    recorded: tuple[Evidence, ...] = ()
    identities: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    record: Recorded | None = None
    what_if: tuple[Change, ...] = ()
    rules_confirmed: dt.date | None = None
    spare: int = 1
    draws: int = 2000
    seed: int = 0
