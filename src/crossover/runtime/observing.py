"""A workload read from the ledger: what was observed becomes the facts of a workload, a record to show, and evidence.

What is not in the record stays with the flags (an SLO, what may wait for a batch); flags win over the record.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossover.catalog.prices import resolve
from crossover.errors import InputError, UnknownNameError
from crossover.evidence import STALE_AFTER_DAYS, Evidence
from crossover.ledger.files import no_ledger
from crossover.ledger.observed import HOUR, Observed, Sample, Slice, Who, names, observed
from crossover.ledger.store import open_ledger
from crossover.ledger.words import PICO
from crossover.money import DAYS_PER_MONTH
from crossover.planner.draws import read_ranges
from crossover.planner.drift import Day, against, halves
from crossover.planner.words import Part, Plan, Recorded
from crossover.providers.registry import providers
from crossover.traffic.facts import Facts
from crossover.traffic.lengths import recorded as lengths_of
from crossover.traffic.profiles import from_weights, peak_of

HOURS_PER_WEEK, HOURS_PER_DAY = 168, 24
THURSDAY = 72  # hours from Monday 0 h to the hour 0 of 1970
FEWEST = 30  # requests behind a figure that a plan may stand on
FEWEST_LATENCIES = 100  # answers behind a latency that is held against a promise
PERCENTILES = (50.0, 90.0, 95.0, 99.0)
SHOWN = 8  # routes, keys and deployments that are shown each
THIN_HOUR = 30.0  # requests an hour below which a profile is mostly chance
DAY_HOURS = 24


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger says: the facts of a workload, the record to show, measured latencies, and the days behind it."""

    facts: Facts
    record: Recorded
    evidence: tuple[Evidence, ...]
    days: tuple[Day, ...]


def seen(
    file: Path,
    since: float,
    until: float,
    *,
    key: str | None,
    route: str | None,
    today: dt.date,
    earlier: Plan | None = None,
) -> Seen:
    """The traffic of a period, held against an earlier plan where there is one.

    Raises StoreError where there is no ledger, UnknownNameError for a key or route that it does not hold, InputError
    where it holds too little.
    """
    if not file.exists():
        raise no_ledger(file)
    with open_ledger(file, readonly=True) as ledger:
        if key is not None:
            named = {row.name: row.id for row in ledger.load_keys().values()}
            key = named.get(key, key)
        for column, name in (("key", key), ("asked", route)):
            if name is not None and name not in (known := names(ledger, column)):
                what = "key" if column == "key" else "route"
                raise UnknownNameError(what, name, known, field=f"--{what}")
        found = observed(ledger, since, until, key=key, route=route)
    if len(found.sample.time) < FEWEST or found.requests < FEWEST or found.span <= 0:
        raise InputError(
            f"the ledger holds {found.requests:,.0f} answered requests of this kind in that time, and a workload takes "
            f"{FEWEST}",
            hint="Serve more traffic, or name a longer time with --since",
            field="--from-ledger",
        )
    days = tuple(_days(found))
    record = _record(found, days, key, route)
    if earlier is not None:
        after = [day for day, begin in zip(days, _begins(found, len(days)), strict=True) if begin >= earlier.made_on]
        if not after:
            raise InputError(
                f"no whole day has been recorded since that plan of {earlier.made_on}",
                hint="Wait, or name a later end with --until",
                field="--against",
            )
        record = msgspec.structs.replace(record, drift=against(earlier, after, read_ranges()))
    return Seen(
        facts=_facts(found, record, file), record=record, evidence=tuple(_latencies(found.sample, today)), days=days
    )


def _facts(found: Observed, record: Recorded, file: Path) -> Facts:
    sample, hours = found.sample, found.span
    notes = list(_notes(found, record))
    profile = _profile(found)
    if profile is None:
        watched = f"{hours:.0f} hours" if hours >= 2 else _long(hours)
        notes.append(f"{watched} of record are not a day: the hours they do not hold are taken as alike")
    elif found.requests / hours < THIN_HOUR:
        notes.append(
            f"an hour holds {found.requests / hours:.1f} requests: the busiest hour, {peak_of(profile):.1f} times the "
            "mean, is partly chance (--peak-factor sets your own)"
        )
    models, said = _models(found)
    hard = dict(record.tiers).get("hard", 0.0)
    name = " ".join(part for part in (record.route, f"by {record.key}" if record.key else "") if part)
    return Facts(
        name=name or "recorded traffic",
        requests_per_day=found.requests / hours * HOURS_PER_DAY,
        input=lengths_of(sample.input),
        output=lengths_of(sample.output),
        models=models or None,
        cached_share=_cached(found),
        sensitive_share=hard * (1 - record.unseen),
        profile=profile,
        burstiness=_burstiness(sample),
        source=f"ledger {file.name}, {record.since} to {record.until}",
        notes=(*notes, *said),
    )


def _notes(found: Observed, record: Recorded) -> Iterator[str]:
    sample = found.sample
    yield (
        f"read from {found.requests:,.0f} answered requests in {_long(found.span)}; lengths, bursts and tiers from "
        f"a sample of {record.sampled:,} of them, in blocks of neighbours; which prompt had which answer is not kept"
    )
    if found.failed:
        yield f"{found.failed:,} requests were refused, failed or were broken off: they are in no figure"
    if sample.aside and not found.exact:
        share = sample.aside / max(sample.read, 1)
        yield f"about {share:.1%} of the requests (by the sample) were Crossover's own or embeddings: left out"
    elif sample.aside:
        yield "what Crossover asked by itself to measure, and embeddings, are left out"
    if record.unseen >= 0.005:
        yield f"nobody looked for sensitive data in {record.unseen:.0%} of them: these count as not sensitive"
    soft = dict(record.tiers).get("soft", 0.0)
    if soft > 0:
        yield f"{soft:.1%} hold personal data of the soft tier, which may leave by most rules: not counted as sensitive"
    if record.drift and any(row.outside for row in record.drift):
        yield "the record drifts: " + "; ".join(row.sentence for row in record.drift if row.outside)


def _long(hours: float) -> str:
    return f"{hours / HOURS_PER_DAY:.1f} days" if hours >= 2 else f"{max(hours * 60, 1):.0f} minutes"


def _profile(found: Observed) -> tuple[float, ...] | None:
    """The relative load of the hours of a week (of a day below a week of record), each by how often it was there."""
    hours = found.end - found.begin
    if hours < HOURS_PER_DAY:
        return None
    length = HOURS_PER_WEEK if hours >= HOURS_PER_WEEK else HOURS_PER_DAY
    sums, there = [0.0] * length, [0] * length
    for hour in range(found.begin, found.end):
        there[(hour + THURSDAY) % length] += 1
    for row in found.hours:
        sums[(row.hour + THURSDAY) % length] += max(row.requests, 0.0)
    return from_weights([total / max(count, 1) for total, count in zip(sums, there, strict=True)])


def _cached(found: Observed) -> float:
    """The share of input that providers read from their caches; of all answers where no provider answered."""
    sample = found.sample
    paid = np.array([not who.local for who in sample.answered_by], dtype=bool)
    chosen = paid[sample.who] if paid.any() else np.ones(len(sample.who), dtype=bool)
    total = int(sample.input[chosen].sum())
    return min(1.0, float(sample.cached[chosen].sum() / total)) if total else 0.0


def _burstiness(sample: Sample) -> float:
    """Variation of the gaps between arrivals, each over the mean gap of its block; jumps between blocks are no gaps."""
    same = np.diff(sample.block) == 0
    gaps, block = np.diff(sample.time)[same], sample.block[1:][same]
    _, place, counts = np.unique(block, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=gaps) / counts if len(gaps) else gaps
    fair = (counts[place] >= FEWEST) & (mean[place] > 0)
    if np.count_nonzero(fair) < FEWEST:
        return 1.0
    relative = gaps[fair] / mean[place[fair]]
    return float(relative.std() / relative.mean())


def _models(found: Observed) -> tuple[tuple[str, ...], list[str]]:
    """The model that providers answered most requests with, as the price list names it, and what else there was."""
    counts = np.bincount(found.sample.who, minlength=len(found.sample.answered_by))
    order = np.argsort(-counts)
    total, notes = int(counts.sum()), []
    for place in order:
        who = found.sample.answered_by[int(place)]
        name = None if who.local else sold_as(who)
        if name is not None:
            share = counts[place] / total
            if share < 0.995:
                notes.append(
                    f"{share:.0%} of the requests were answered by {who.model} on {who.provider}: the plan compares "
                    "with all of them there (--model names another)"
                )
            return (name,), notes
    return (), ["own machines answered, or models without a price: name the model to compare with (--model)"]


def sold_as(who: Who) -> str | None:
    """``provider/model`` of the price list; None for a model that it does not hold."""
    row = providers().get(who.provider)
    if row is None or not row.price_provider:
        return None
    try:
        sold = resolve(who.model, row.price_provider)
    except InputError:
        return None
    return f"{sold.provider}/{sold.model}"


def _latencies(sample: Sample, today: dt.date) -> Iterator[Evidence]:
    """How fast providers answered: percentiles of first tokens and whole answers, for the promises of an SLO."""
    for place, who in enumerate(sample.answered_by):
        name = None if who.local else sold_as(who)
        if name is None:
            continue
        mine = sample.who == place
        for metric, values in (("ttft", sample.ttft_ms[mine & (sample.ttft_ms > 0)]), ("e2e", sample.total_ms[mine])):
            if len(values) >= FEWEST_LATENCIES:
                yield from _percentiles(f"api:{name}", metric, values, today)


def _percentiles(subject: str, metric: str, values: NDArray[np.float64], today: dt.date) -> Iterator[Evidence]:
    for percentile, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True):
        yield Evidence(
            subject=subject, metric=f"{metric}_p{percentile:g}_s", value=float(value) / 1000, unit="s", kind="measured",
            source="requests in the ledger", when=today, n=len(values), method="sample of recorded requests",
            expires=today + dt.timedelta(days=STALE_AFTER_DAYS),
        )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- to be shown


def _record(found: Observed, days: Sequence[Day], key: str | None, route: str | None) -> Recorded:
    hours = found.span
    tiers = np.bincount(found.sample.tier.astype(np.int64), minlength=4) / len(found.sample.tier)
    looked = 1 - float(tiers[0])
    month = HOURS_PER_DAY * DAYS_PER_MONTH / hours
    paid = sum(row.marginal for row in found.hours) / PICO * month
    return Recorded(
        since=_iso(found.begin),
        until=_iso(found.end),
        days=hours / HOURS_PER_DAY,
        requests=found.requests,
        failed=found.failed,
        sampled=len(found.sample.time),
        route=route or "",
        key=key or "",
        routes=_parts(found.routes, hours),
        keys=_parts(found.keys, hours),
        deployments=_parts(found.deployments, hours),
        tiers=tuple(
            (name, float(share) / looked if looked else 0.0)
            for name, share in zip(("none", "soft", "hard"), tiers[1:], strict=True)
        ),
        unseen=float(tiers[0]),
        paid_usd_month=paid,
        drift=halves(days),
    )


def _parts(rows: Sequence[Slice], hours: float) -> tuple[Part, ...]:
    total = sum(row.requests for row in rows)
    return tuple(
        Part(
            name=row.name or "(none)",
            requests_per_day=row.requests / hours * HOURS_PER_DAY,
            share=row.requests / total,
            local_share=row.local / row.requests,
            input_tokens_mean=row.input_tokens / row.requests,
            output_tokens_mean=row.output_tokens / row.requests,
            cached_share=min(1.0, row.cached_read / row.input_tokens) if row.input_tokens else 0.0,
            paid_usd_month=row.marginal / PICO / hours * HOURS_PER_DAY * DAYS_PER_MONTH,
        )
        for row in rows[:SHOWN]
    )


def _days(found: Observed) -> Iterator[Day]:
    """Whole days, counted back from the last whole hour, oldest first."""
    count = (found.end - found.begin) // DAY_HOURS
    begin = found.end - count * DAY_HOURS
    sample = found.sample
    place = np.floor((sample.time / HOUR - begin) / DAY_HOURS).astype(np.int64)
    sums = np.zeros((count, 2))
    for row in found.hours:
        if row.hour >= begin:
            sums[(row.hour - begin) // DAY_HOURS] += (row.requests, row.marginal)
    for day in range(count):
        mine = place == day
        requests, marginal = (float(value) for value in sums[day])
        rows = int(mine.sum())
        prompts = int(sample.input[mine].sum())
        looked = int((mine & (sample.tier > 0)).sum())
        yield Day(
            requests=requests,
            input_tokens=prompts / rows if rows else None,
            output_tokens=float(sample.output[mine].mean()) if rows else None,
            cached_share=float(sample.cached[mine].sum()) / prompts if prompts else None,
            sensitive_share=float((sample.tier[mine] == 3).sum()) / looked if looked else None,
            usd_per_thousand=marginal / PICO / requests * 1000 if requests else None,
        )


def _begins(found: Observed, count: int) -> list[dt.date]:
    """The date on which each day began."""
    first = found.end - count * DAY_HOURS
    moments = (dt.datetime.fromtimestamp((first + DAY_HOURS * day) * HOUR, dt.UTC) for day in range(count))
    return [moment.date() for moment in moments]


def _iso(hour: int) -> str:
    return dt.datetime.fromtimestamp(hour * HOUR, dt.UTC).strftime("%Y-%m-%dT%H:%MZ")
