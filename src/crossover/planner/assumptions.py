"""Assumptions: every figure a plan stands on, with its source, the day it was checked, and its range."""

from __future__ import annotations

from collections.abc import Sequence

from crossover.capacity.arrivals import COMPRESSION
from crossover.catalog import match
from crossover.catalog.items import Catalog
from crossover.catalog.load import stale_summary
from crossover.cost.lines import assumptions as cost_assumptions
from crossover.deployment import Owned, PerHour, PerToken
from crossover.evidence import Source
from crossover.money import DAYS_PER_MONTH, HOURS_PER_MONTH
from crossover.planner.draws import Range
from crossover.planner.question import Question
from crossover.planner.words import Assumption, Option

TOP = 12
NAMES = {
    "fte": "share of an engineer",
    "fte_cost_month": "cost of an engineer",
    "wage_share": "share of wages in the cost of an engineer",
    "monitoring_usd_machine_month": "monitoring of a machine",
    "updates_per_year": "model updates",
    "update_parallel_hours": "old and new model side by side, per update",
    "egress_usd_gb": "data sent to clients",
    "egress_free_gb": "data sent free of charge",
    "wire_bytes_per_output_token": "bytes on the wire per output token",
    "storage_usd_gb_month": "storage",
    "storage_gb_machine": "storage of a machine",
    "load_balancer_usd_month": "load balancer",
    "cross_check_low": "popular rule for total cost, low",
    "cross_check_high": "popular rule for total cost, high",
    "usd_per_kwh": "electricity",
    "pue": "power usage effectiveness",
    "host_share": "server around bought cards",
    "idle_power_share": "draw of a waiting machine",
    "residual_share": "worth of a machine at its end",
    "spare_parts_share_year": "spare parts",
}


def assumptions(
    question: Question, catalog: Catalog, ranking: Sequence[Option], ranges: dict[str, Range]
) -> tuple[Assumption, ...]:
    """What the plan stands on: conventions, prices of the leading options, devices, models, and the ranges drawn."""
    leading = _leading(ranking)
    rows: list[Assumption] = [
        Assumption(
            name="a month",
            value=f"{DAYS_PER_MONTH} days = {HOURS_PER_MONTH} h",
            kind="assumed",
            source="convention of this product",
        )
    ]
    for option in leading:
        rows.extend(_of_option(question, catalog, option))
        rows.extend(_measured(option))
    rows.extend(_defaults(question, leading))
    rows.extend(
        Assumption(
            name=f"range of {row.name.replace('_', ' ')}",
            value="× 1",
            kind=row.kind,
            source=row.note,
            checked=row.checked,
            range=f"× {row.low:g} to × {row.high:g} (80 %)",
        )
        for row in ranges.values()
        if row.name != "volume_from_short_trace"
    )
    seen: dict[tuple[str, str], Assumption] = {(row.name, row.value): row for row in rows}
    return tuple(seen.values())


def _leading(ranking: Sequence[Option]) -> list[Option]:
    """The first options, the best of each class, and what was measured."""
    chosen = {option.id: option for option in ranking[:TOP]}
    chosen |= {option.id: option for option in ranking if option.measured}
    for kind in ("api", "hosted", "self", "hybrid"):
        first = next((option for option in ranking if option.kind == kind), None)
        if first is not None:
            chosen[first.id] = first
    return list(chosen.values())


def _of_option(question: Question, catalog: Catalog, option: Option) -> list[Assumption]:
    billing = option.deployment.billing
    rows: list[Assumption] = []
    if isinstance(billing, PerToken):
        from crossover.catalog.prices import price_vector, resolve

        vector = price_vector(
            resolve(billing.model, billing.provider), question.as_of, input_tokens=round(question.workload.input.mean)
        )
        value = f"${vector.input}/Mtok in, ${vector.cached_read} cached, ${vector.output} out"
        dated = f"as of {vector.as_of}" if vector.dated and vector.as_of else "the library holds no dated price"
        rows.append(
            Assumption(
                name=f"price of {billing.provider}/{billing.model}",
                value=value,
                kind="published",
                source=vector.source,
                note=dated,
            )
        )
        return rows
    device = match.accelerator(catalog, option.deployment.accelerator)
    rows.append(
        _sourced(
            f"{device.name}",
            f"{device.memory_gib:g} GiB, {device.bandwidth_gbs:g} GB/s, {device.fp16_tflops:g} TFLOPS 16 bit",
            device.source,
        )
    )
    model = match.model(catalog, option.model)
    size = f"{model.params_b:g} billion parameters, {model.layers} layers, {model.kv_heads} KV heads"
    rows.append(_sourced(match.short(model.name), size, model.source))
    if isinstance(billing, PerHour):
        offer = next(
            (
                row
                for row in catalog.offers
                if (row.cloud, row.instance, row.region) == (billing.cloud, billing.instance, billing.region)
            ),
            None,
        )
        if offer is not None:
            name = f"{billing.cloud} {billing.instance} {billing.region} ({billing.purchase.replace('_', ' ')})"
            rows.append(_sourced(name, f"${billing.usd_per_hour}/h for {offer.count} × {device.name}", offer.source))
    if isinstance(billing, Owned) and device.price_source is not None:
        value = f"${billing.price_usd:,.0f} with its server, over {billing.life_months} months"
        count = option.deployment.accelerators
        cards = f"{count} × {device.name}" if count > 1 else device.name
        rows.append(_sourced(f"price of a machine with {cards}", value, device.price_source))
    return rows


def _measured(option: Option) -> list[Assumption]:
    """The measured figures that one option stands on."""
    return [
        Assumption(
            name=f"{row.metric} of {row.subject}",
            value=f"{row.value:.4g} {row.unit}",
            kind=row.kind,
            source=row.source,
            checked=row.when,
            range=f"{row.low:.4g} to {row.high:.4g}" if row.low is not None and row.high is not None else "",
            note="; ".join(part for part in (row.load, f"n = {row.n:,}" if row.n else "", row.method) if part),
        )
        for row in option.measured
    ]


def _sourced(name: str, value: str, source: Source) -> Assumption:
    return Assumption(
        name=name,
        value=value,
        kind="published",
        source=f"{source.text} {source.url}".strip(),
        checked=source.checked,
        verified=source.verified,
    )


def _defaults(question: Question, leading: Sequence[Option]) -> list[Assumption]:
    """Defaults of the cost calculators that some leading option uses and the user did not state."""
    stated = {
        "fte": question.costs.fte,
        "fte_cost_month": question.costs.fte_cost_month,
        "monitoring_usd_machine_month": question.costs.monitoring_usd_month,
        "usd_per_kwh": question.costs.usd_per_kwh,
        "pue": question.costs.pue,
        "residual_share": question.costs.residual_share,
    }
    own = any(option.kind in {"self", "hybrid"} for option in leading)
    owned = any(isinstance(option.deployment.billing, Owned) for option in leading)
    skipped = {"usd_per_kwh", "pue", "host_share", "residual_share", "idle_power_share", "spare_parts_share_year"}
    rows: list[Assumption] = []
    for row in cost_assumptions():
        if stated.get(row.name) is not None:
            value = f"{stated[row.name]:g} {row.unit}"
            rows.append(
                Assumption(
                    name=NAMES.get(row.name, row.name.replace("_", " ")),
                    value=value,
                    kind="assumed",
                    source="stated by the user",
                )
            )
        elif own and (owned or row.name not in skipped) and not row.name.startswith("token_ratio"):
            rows.append(
                Assumption(
                    name=NAMES.get(row.name, row.name.replace("_", " ")),
                    value=f"{row.value:g} {row.unit}",
                    kind=row.kind,
                    source=f"{row.source.text} {row.source.url}".strip(),
                    checked=row.source.checked,
                    range=f"{row.low:g} to {row.high:g}",
                    verified=row.source.verified,
                    note=row.note,
                )
            )
    return rows


def notes(question: Question, catalog: Catalog) -> tuple[str, ...]:
    """Lines that belong under every page of this plan."""
    rows = [f"A month is {DAYS_PER_MONTH} days ({HOURS_PER_MONTH} h). Prices as of {question.as_of}."]
    trace = question.workload.trace
    if trace is not None and trace.span_s < 86_400:
        rows.append(
            f"The trace holds {trace.span_s / 3600:.1f} h. An hour of trace is not a month: its volume and shape are "
            f"scaled to {question.workload.requests_per_day:,.0f} requests a day (its clock compressed at most "
            f"{COMPRESSION:g} ×, then copies laid over each other), and the range of the volume is widened."
        )
    stale = stale_summary(catalog, question.today)
    if stale:
        rows.append(stale + ".")
    if question.workload.cached_share > 0:
        rows.append(
            "Own machines are taken to reuse the same share of prompts from their prefix cache as the API does."
        )
    return tuple(rows)
