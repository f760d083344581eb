"""The words of a plan: options with their figures and reasons, what was refused, what would flip the answer.

Money here is an *estimate*: dollars a month (30 days, 720 h) as floats with 80 % intervals. Times are in seconds.
This is also the published shape of ``crossover plan --json``; fields are added, never renamed or removed.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from crossover.capacity.words import SimResult
from crossover.cost.break_even import Crossing as Crossing  # noqa: PLC0414 - a word of the plan too
from crossover.deployment import Deployment
from crossover.evidence import Band, SourceKind

OptionKind = Literal["api", "hosted", "self", "hybrid"]
RefusalStage = Literal["memory", "slo", "compliance", "capability", "lifecycle", "price", "limits", "quality"]
# What became of a figure that was brought: it counts; it is shown, and nothing is computed from it; it is too old;
# something else answers under that name now; a newer one counts; too few people agreed with the judge behind it.
Standing = Literal["used", "shown", "expired", "changed", "superseded", "unverified"]
LineKind = Literal["tokens", "compute", "power", "people", "operations", "overflow"]
KIND_TITLES: dict[OptionKind, str] = {
    "api": "API",
    "hosted": "hosted open weights",
    "self": "self-hosted",
    "hybrid": "hybrid",
}


class CostLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a monthly bill: what, how much, why, and what kind of source the price behind it has."""

    name: str
    kind: LineKind
    usd_month: float
    note: str = ""
    basis: SourceKind = "published"


class SloCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One target of the SLO: ``reached_s`` is the value predicted; ``met`` is None where nobody measured (an API).

    ``basis``: of an API its own measured latency; of own machines the speed that was simulated with.
    """

    label: str
    limit_s: float
    reached_s: float | None
    met: bool | None
    note: str = ""
    basis: SourceKind = "assumed"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that was brought (by the ledger or a file), and what became of it.

    ``low`` and ``high`` are its 80 % interval, ``n`` the observations behind it, ``load`` what it was measured at.
    """

    subject: str
    metric: str
    value: float
    unit: str
    kind: SourceKind
    source: str
    when: dt.date
    standing: Standing
    why: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    load: str = ""
    method: str = ""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What an evaluation said of a model against another: ``words`` is the verdict with its margin, number and day.

    ``passed``: better, equivalent, or not worse by more than the margin, and still standing (``used``).
    """

    candidate: str
    reference: str
    verdict: str
    words: str
    passed: bool
    standing: Standing
    gap: float
    margin: float
    n: int
    when: dt.date
    note: str = ""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What one replica is started with, as it was simulated, in tokens and sequences.

    ``context`` is the longest sequence, ``sequences`` how many are decoded together, ``step_tokens`` the budget of a
    step, ``cache_tokens`` what the cache holds in all.
    """

    context: int
    sequences: int
    step_tokens: int
    cache_tokens: int


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One way to answer the whole workload, with everything counted.

    ``usd_month`` is the point estimate and the sum of ``lines``; ``usd_band`` the 80 % interval over prices, speed,
    volume and running costs; ``p_cheapest`` the probability of being the cheapest of all options ranked.
    ``replicas`` serve, ``spare_replicas`` stand by, ``machines`` are paid. ``payback_months`` is the time in which the
    saving against today's option pays the one-off cost (None: never, or nothing to pay back).
    ``score`` is a published result in 0..100 of ``benchmark``, where there is one. ``demoted_by`` names the rules that
    rank it below cheaper ones. ``simulated`` False: bounded only. ``speed`` says where the speed of own machines comes
    from, ``measured`` holds the figures behind it (or behind the latency of an API), ``quality`` what evaluations said.
    """

    id: str
    kind: OptionKind
    title: str
    model: str
    deployment: Deployment
    usd_month: float
    usd_band: Band
    p_cheapest: float
    usd_per_request: float
    usd_per_mtok: float
    lines: tuple[CostLine, ...]
    one_off_usd: float = 0.0
    payback_months: float | None = None
    payback_band: Band | None = None
    saving_usd_month: float | None = None
    replicas: int = 0
    spare_replicas: int = 0
    machines: int = 0
    replica_rps: float = 0.0
    overflow_share: float = 0.0
    overflow_to: str = ""
    peak: SimResult | None = None
    slo: tuple[SloCheck, ...] = ()
    utilisation: float | None = None
    tco_cross_check_usd: tuple[float, float] | None = None
    capability: str = ""
    score: float | None = None
    benchmark: str = ""
    calibrated: bool = True
    simulated: bool = True
    demoted_by: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    speed: SourceKind = "assumed"
    measured: tuple[Figure, ...] = ()
    quality: tuple[Proof, ...] = ()
    launch: Launch | None = None


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """An option that was not ranked, and why; ``count`` options share the reason, ``example`` names one of them."""

    kind: OptionKind
    example: str
    count: int
    stage: RefusalStage
    reason: str
    rule: str = ""
    source: str = ""
    checked: dt.date | None = None


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """All crossings of one API (or hosted) option with one self-hosted option; ``band`` is that of the first crossing.

    ``share_crossing`` is the share of draws in which there is a crossing at all.
    """

    api: str
    own: str
    crossings: tuple[Crossing, ...]
    band: Band | None = None
    share_crossing: float = 0.0
    note: str = ""


class TornadoBar(msgspec.Struct, frozen=True, kw_only=True):
    """How far one input moves the saving of ``own`` over ``api`` in dollars a month, from its low to its high value."""

    name: str
    low_label: str
    high_label: str
    at_low_usd: float
    at_high_usd: float


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A value of one input at which another option becomes the cheapest, in words and figures."""

    name: str
    now: float
    flips_at: float
    unit: str
    winner: str
    sentence: str


class CurvePoint(msgspec.Struct, frozen=True):
    """Dollars a month at a volume: the 80 % interval and its middle."""

    requests_per_day: float
    p10: float
    p50: float
    p90: float


class VolumeCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Cost against volume of the best option of one class."""

    kind: OptionKind
    option: str
    title: str
    points: tuple[CurvePoint, ...]


class ReplicaPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Hybrid with this many own replicas: what they cost, what overflows, what that costs."""

    replicas: int
    own_usd_month: float
    overflow_usd_month: float
    overflow_share: float
    utilisation: float


class ReplicaCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Total cost against the number of own replicas; ``best`` is the cheapest number."""

    option: str
    title: str
    overflow_to: str
    best: int
    points: tuple[ReplicaPoint, ...]


class Assumption(msgspec.Struct, frozen=True, kw_only=True):
    """One figure the plan stands on: its value and range, where it comes from and when that was checked."""

    name: str
    value: str
    kind: SourceKind
    source: str
    checked: dt.date | None = None
    range: str = ""
    verified: bool = True
    note: str = ""


class RuleEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of the decision framework: what the user stated, and what it did to the ranking."""

    rule: str
    stated: str
    effect: str
    touches: tuple[OptionKind, ...] = ()


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a monthly budget can be reached, per class: the best option's chance of staying within ``target_usd``."""

    target_usd: float
    label: str
    chances: tuple[tuple[OptionKind, str, float], ...]
    sentence: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer in plain words: what to do, three reasons, and what must still be proved."""

    headline: str
    action: str
    reasons: tuple[str, ...]
    caveat: str
    option: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of recorded traffic: what one route, key or deployment had. ``share`` is that of all requests."""

    name: str
    requests_per_day: float
    share: float
    local_share: float
    input_tokens_mean: float
    output_tokens_mean: float
    cached_share: float
    paid_usd_month: float


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One figure as it was forecast (``low`` to ``high``: 80 %) and as it came. ``basis`` says who forecast it.

    ``outside`` is None where too few days lie behind it to tell.
    """

    name: str
    unit: str
    basis: str
    forecast: float
    low: float
    high: float
    actual: float
    outside: bool | None
    sentence: str


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The traffic that a workload was read from: whole hours from ``since`` to ``until`` (UTC, ISO 8601).

    ``requests`` were answered, ``failed`` were not and are in no figure. Lengths, bursts and tiers are those of
    ``sampled`` rows. ``tiers`` are shares of what was looked at, ``unseen`` the share that nobody looked at.
    ``paid_usd_month`` is what had to be paid for it, scaled to a month.
    """

    since: str
    until: str
    days: float
    requests: float
    failed: int
    sampled: int
    route: str
    key: str
    routes: tuple[Part, ...]
    keys: tuple[Part, ...]
    deployments: tuple[Part, ...]
    tiers: tuple[tuple[str, float], ...]
    unseen: float
    paid_usd_month: float
    drift: tuple[Drift, ...] = ()


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan would say if one thing were different; the first row is the plan as it is.

    ``today_usd_month`` is what today's option would cost then.
    """

    change: str
    headline: str
    option: str
    title: str
    usd_month: float | None
    today_usd_month: float | None
    differs: bool


class WorkloadView(msgspec.Struct, frozen=True, kw_only=True):
    """The workload as the plan understood it."""

    name: str
    source: str
    requests_per_day: float
    input_tokens_mean: float
    output_tokens_mean: float
    input_tokens_p95: float
    output_tokens_p95: float
    peak_factor: float
    peak_rps: float
    cached_share: float
    batch_share: float
    sensitive_share: float
    burstiness: float
    slo: tuple[str, ...]
    regimes: tuple[str, ...]
    profile: tuple[float, ...]
    notes: tuple[str, ...]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How the work was spent: options enumerated, refused, bounded by arithmetic alone, simulated; draws made."""

    enumerated: int
    refused: int
    bounded: int
    simulated: int
    servings_simulated: int
    draws: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A ranked decision: the best option first. ``today`` is the id of the option in use now, if the user named one."""

    schema_version: int
    product_version: str
    made_on: dt.date
    prices_as_of: dt.date
    hours_per_month: int
    workload: WorkloadView
    today: str | None
    verdict: Verdict
    options: tuple[Option, ...]
    refused: tuple[Refused, ...]
    break_evens: tuple[BreakEven, ...]
    tornado: tuple[TornadoBar, ...]
    flips: tuple[Flip, ...]
    rules: tuple[RuleEffect, ...]
    curves: tuple[VolumeCurve, ...]
    replica_curve: ReplicaCurve | None
    assumptions: tuple[Assumption, ...]
    counts: Counts
    notes: tuple[str, ...]
    reach: tuple[Reach, ...] = ()
    tornado_pair: tuple[str, str] | None = None
    seed: int = 0
    evidence: tuple[Figure, ...] = ()
    proofs: tuple[Proof, ...] = ()
    recorded: Recorded | None = None
    scenarios: tuple[Scenario, ...] = ()
