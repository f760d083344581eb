"""The calculators of ``crossover plan`` as plain functions, for notebooks and other programs.

Names are those people type (``"llama 3.1 70b"``, ``"RTX 4090"``, ``"gpt-4o"``); an unknown one raises UnknownNameError
with the nearest names. Results are frozen structs: ``as_dict`` turns any of them into plain data, ``as_frame`` turns a
plan into a DataFrame, and a plan shows itself in a notebook through ``as_html``.

>>> from crossover import api_cost
>>> cost = api_cost("gpt-4o", requests_per_day=10_000, input_tokens=500, output_tokens=300, date="2026-11-01")
>>> f"${cost.usd_month:,.2f}"
'$1,275.00'
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import msgspec

from crossover.capacity import memory as memory_model
from crossover.capacity import throughput as throughput_model
from crossover.capacity.arrivals import peak_level, request_rate, sample
from crossover.capacity.simulate import simulate as replay
from crossover.capacity.words import MemoryFit, SimResult, Speed
from crossover.catalog import match
from crossover.catalog.prices import resolve
from crossover.cost import hosting as hosting_model
from crossover.cost import tco as ownership
from crossover.cost import tokens as token_model
from crossover.cost.break_even import Crossing, step_crossings
from crossover.deployment import Engine, Owned, PerHour, Purchase
from crossover.errors import InputError
from crossover.evidence import Evidence
from crossover.money import usd
from crossover.planner.question import Costs, Preferences, Question, Scope
from crossover.planner.words import Plan
from crossover.runtime import catalog_for, plan_for
from crossover.traffic.flags import workload_from_flags
from crossover.workload import Slo, Workload, parse_slo


def api_cost(
    model: str,
    *,
    requests_per_day: float,
    input_tokens: float,
    output_tokens: float,
    cached_share: float = 0.0,
    batch_share: float = 0.0,
    date: dt.date | str | None = None,
) -> token_model.TokenCost:
    """What a model sold per token costs a month (30 days), exact, at the prices of ``date`` (default: today).

    ``input_tokens`` and ``output_tokens`` are means per request.

    >>> cost = api_cost("gpt-4o-mini", requests_per_day=1000, input_tokens=500, output_tokens=300, date="2026-11-01")
    >>> round(cost.usd_month, 2)
    Decimal('7.65')
    """
    load = make_workload(
        requests_per_day=requests_per_day,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_share=cached_share,
        batch_share=batch_share,
    )
    return token_model.monthly(load, resolve(model), _day(date))


def make_workload(**stated: Any) -> Workload:
    """A workload from the same values that ``crossover plan`` takes as flags, with underscores.

    ``requests_per_day``, ``input_tokens``, ``output_tokens``, ``peak_factor``, ``cached_share``, ``batch_share``,
    ``sensitive_share``, ``burstiness``, ``growth``, ``models``; or ``trace``, ``preset``, ``workload`` (a TOML file).

    >>> make_workload(requests_per_day=86_400, input_tokens=500, output_tokens=300).requests_per_day
    86400.0
    """
    return workload_from_flags(**stated)


def hosting_cost(
    usd_per_hour: float | str,
    *,
    machines: int = 1,
    purchase: str = "on_demand",
    hours_per_day: float = 24.0,
    term_months: int = 12,
    interruptions_per_day: float = 0.0,
) -> hosting_model.HostingCost:
    """What rented machines cost a month (720 h); idle hours are paid for.

    >>> round(hosting_cost(1.006).usd_month, 2)
    Decimal('724.32')
    """
    known = {row: row for row in get_args(Purchase)}
    if purchase not in known:
        raise InputError(f"unknown purchase {purchase!r}", hint=f"Known: {', '.join(sorted(known))}", field="purchase")
    billing = PerHour(
        cloud="stated",
        instance="machine",
        usd_per_hour=usd(usd_per_hour, field="usd_per_hour"),
        purchase=known[purchase],
        hours_per_day=hours_per_day,
        term_months=term_months if purchase == "reserved" else 0,
        interruptions_per_day=interruptions_per_day,
    )
    return hosting_model.hosting(billing, machines)


def owning_cost(
    price_usd: float | str,
    *,
    machines: int = 1,
    life_months: int = 36,
    residual_share: float = 0.0,
    watts: float = 0.0,
    idle_watts: float = 0.0,
    usd_per_kwh: float = 0.15,
    pue: float = 1.0,
    utilisation: float = 1.0,
) -> hosting_model.HostingCost:
    """What bought machines cost a month: their price over their life, and power.

    >>> round(owning_cost(5599, life_months=36).usd_month)
    170
    """
    billing = Owned(
        price_usd=usd(price_usd, field="price_usd"),
        life_months=life_months,
        residual_share=residual_share,
        watts=watts,
        idle_watts=idle_watts,
        usd_per_kwh=Decimal(str(usd_per_kwh)),
        pue=pue,
    )
    return hosting_model.hosting(billing, machines, utilisation=utilisation)


def tco(
    machines: hosting_model.HostingCost,
    *,
    fte: float | None = None,
    fte_cost_month: float | None = None,
    migration_usd: float = 0.0,
    **more: Any,
) -> ownership.Tco:
    """Total cost of ownership of machines: people, monitoring, updates, networking and storage, itemised.

    People are a fixed cost, not a multiple of the machines. ``more`` takes the other arguments of ``cost.tco.tco``.

    >>> bill = tco(hosting_cost(1.006), fte=0.25, fte_cost_month=15000)
    >>> [line.name for line in bill.lines][:2]
    ['machines on demand', 'people']
    """
    return ownership.tco(machines, fte=fte, fte_cost_month=fte_cost_month, migration_usd=migration_usd, **more)


def memory(
    model: str,
    device: str,
    *,
    quantisation: str = "bf16",
    count: int = 1,
    engine: Engine = "vllm",
    context: int = 4096,
    sequences: int = 1,
    kv_bits: float = 16.0,
) -> MemoryFit:
    """Whether an open model fits devices, and how much context and how many sequences do. Memory in GiB.

    >>> memory("llama 3.1 70b", "RTX 4090", quantisation="Q4_K_M", engine="llamacpp").fits
    False
    """
    catalog = catalog_for()
    return memory_model.fit(
        match.model(catalog, model),
        match.quantisation(catalog, quantisation),
        match.accelerator(catalog, device),
        count,
        engine=engine,
        context=context,
        sequences=sequences,
        kv_bits=kv_bits,
    )


def throughput(
    model: str,
    device: str,
    *,
    concurrency: int,
    input_tokens: int,
    output_tokens: int,
    quantisation: str = "bf16",
    count: int = 1,
    engine: Engine = "vllm",
    measured: Sequence[Evidence] = (),
) -> Speed:
    """Predicted speed at a fixed number of concurrent sequences, each figure with an 80 % interval.

    >>> speed = throughput("llama 3.1 8b", "H100 SXM", concurrency=16, input_tokens=500, output_tokens=300)
    >>> speed.tpot_s.p10 < speed.tpot_s.p50 < speed.tpot_s.p90
    True
    """
    catalog = catalog_for()
    return throughput_model.speed(
        match.model(catalog, model),
        match.quantisation(catalog, quantisation),
        match.accelerator(catalog, device),
        count,
        engine=engine,
        concurrency=concurrency,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        measured=measured,
    )


def simulate(
    load: Workload,
    model: str,
    device: str,
    *,
    replicas: int = 1,
    quantisation: str = "bf16",
    count: int = 1,
    engine: Engine = "vllm",
    context: int = 8192,
    slo: str | Slo = Slo(),
    requests: int = 5000,
    seed: int = 0,
) -> SimResult:
    """Replay about ``requests`` requests of the workload's busiest hour through replicas of a model on a device.

    >>> load = make_workload(requests_per_day=20_000, input_tokens=500, output_tokens=300, peak_factor=2)
    >>> result = simulate(load, "llama 3.1 8b", "H100 SXM", requests=500)
    >>> result.completed == result.requests
    True
    """
    import numpy as np

    if requests < 1:
        raise InputError(f"{requests} requests cannot be replayed", hint="Write 1 or more", field="requests")
    catalog = catalog_for()
    serving = throughput_model.serving(
        match.model(catalog, model),
        match.quantisation(catalog, quantisation),
        match.accelerator(catalog, device),
        count,
        engine=engine,
        context=context,
    )
    level = peak_level(load)
    duration = requests / request_rate(load, level)
    rows = sample(load, np.random.default_rng([seed, 2]), hours_level=level, duration_s=duration)
    return replay(
        rows.arrival_s,
        rows.input_tokens,
        rows.output_tokens,
        serving,
        replicas=replicas,
        slo=parse_slo(slo) if isinstance(slo, str) else slo,
        cached_tokens=rows.cached_tokens,
    )


def break_even(
    api_usd_per_request: float,
    own_usd_month_per_replica: float,
    requests_per_day_per_replica: float,
    *,
    own_fixed_usd_month: float = 0.0,
    spare: int = 0,
) -> tuple[Crossing, ...]:
    """Every volume (requests/day) at which own replicas and a price per request change places.

    There may be several, because replicas come whole. Raises InputError for a negative or endless figure.

    >>> found = break_even(0.00425, 724.32, 1e9)
    >>> round(found[0].requests_per_day)
    5681
    """
    for name, value in (
        ("api_usd_per_request", api_usd_per_request),
        ("own_usd_month_per_replica", own_usd_month_per_replica),
        ("requests_per_day_per_replica", requests_per_day_per_replica),
        ("own_fixed_usd_month", own_fixed_usd_month),
        ("spare", spare),
    ):
        if not 0 <= value < math.inf:
            raise InputError(f"{value} is out of range", hint="Write a finite number of 0 or more", field=name)
    return step_crossings(
        api_usd_per_request,
        own_fixed_usd_month,
        own_usd_month_per_replica,
        requests_per_day_per_replica,
        spare=spare,
    )


def plan(
    load: Workload,
    *,
    slo: str | Slo = Slo(),
    regimes: Sequence[str] = (),
    agreements: dict[str, Sequence[str]] | None = None,
    date: dt.date | str | None = None,
    costs: Costs = Costs(),
    preferences: Preferences = Preferences(),
    scope: Scope = Scope(),
    evidence: Sequence[Evidence] = (),
    reserve: int = 1,
    draws: int = 2000,
    seed: int = 0,
) -> Plan:
    """The ranked decision that ``crossover plan`` prints.

    >>> load = make_workload(requests_per_day=10_000, input_tokens=500, output_tokens=300, models=("gpt-4o-mini",))
    >>> plan(load, draws=200).today
    'api:openai/gpt-4o-mini'
    """
    today = dt.datetime.now(dt.UTC).date()
    signed = tuple((party, frozenset(names)) for party, names in (agreements or {}).items())
    return plan_for(
        Question(
            workload=load,
            today=today,
            as_of=today if date is None else _day(date),
            slo=parse_slo(slo) if isinstance(slo, str) else slo,
            regimes=tuple(regimes),
            agreements=signed,
            costs=costs,
            preferences=preferences,
            scope=scope,
            evidence=tuple(evidence),
            spare=reserve,
            draws=draws,
            seed=seed,
        )
    )


def as_dict(result: msgspec.Struct) -> Any:
    """Any result as plain dicts, lists, numbers and text; exact dollars become text so that no digit is lost.

    >>> float(as_dict(hosting_cost(1.006))["usd_month"])
    724.32
    """
    return msgspec.to_builtins(result)


def as_frame(result: Plan) -> Any:
    """The options of a plan as a pandas DataFrame, best first. Needs the extra ``notebook``."""
    from crossover.reports.notebook import as_frame as frame

    return frame(result)


def as_html(result: Plan) -> str:
    """A plan as a small table for a notebook: ``IPython.display.HTML(as_html(plan))``."""
    from crossover.reports.notebook import as_html_fragment

    return as_html_fragment(result)


def write_report(result: Plan, path: str | Path) -> None:
    """Write the self-contained HTML report of a plan."""
    from crossover.reports.html import write

    write(result, Path(path))


def _day(date: dt.date | str | None) -> dt.date:
    if date is None:
        return dt.datetime.now(dt.UTC).date()
    if isinstance(date, dt.date):
        return date
    try:
        return dt.date.fromisoformat(date)
    except ValueError:
        raise InputError(f"{date!r} is not a day", hint="Write it like 2026-11-23", field="date") from None
