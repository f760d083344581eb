"""What an evaluation leaves in the ledger, for plans to prefer over what is published or assumed."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping

from crossover.evaluation.advice import points
from crossover.evaluation.controls import FEWEST_LABELS
from crossover.evaluation.findings import Findings, Side, Versus
from crossover.evidence import STALE_AFTER_DAYS, Evidence
from crossover.stats import wilson


def evidence_of(
    found: Findings, today: dt.date, *, source: str, identities: Mapping[str, str], models: Mapping[str, str],
) -> list[Evidence]:  # fmt: skip
    """The figures of a run: ``quality`` of every side, ``quality_gap`` of every candidate against the reference.

    ``identities`` says what answered behind a name: where that changes, the figure is about something else. A run that
    a judge decided leaves nothing unless its controls passed; ``verified`` is False until people agreed with it.
    """
    if found.judge is not None and not found.judge.passed:
        return []
    rows = [
        _quality(side, found, today, source, identities, models) for side in found.sides if side.mean is not None
    ]  # fmt: skip
    rows += [
        _gap(one, found, today, source, identities, models) for one in found.versus if one.comparison.gap is not None
    ]
    return rows


def mark_of(identity: str) -> str:
    """A short fingerprint of what answers behind a name."""
    return hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()


def _quality(
    side: Side, found: Findings, today: dt.date, source: str, identities: Mapping[str, str], models: Mapping[str, str]
) -> Evidence:
    n = side.scored + (side.failed + side.unscored if found.errors == "as-wrong" else 0)
    assert side.mean is not None
    low, high = wilson(round(side.mean * n), n, 0.8)
    context: dict[str, float | str] = {
        "scorer": found.scorer,
        "samples": found.file,
        **_who(side.name, identities, models),
    }
    if side.per_thousand is not None:
        context["usd_per_1000"] = side.per_thousand
    if side.seconds_p50 is not None:
        context["seconds_p50"] = side.seconds_p50
    return Evidence(
        subject=side.name, metric="quality", value=side.mean, unit="score", kind="measured", source=source, when=today,
        method=f"mean of {found.scorer}, Wilson 80 %", low=low, high=high, n=n,
        expires=today + dt.timedelta(days=STALE_AFTER_DAYS), context=context,
    )  # fmt: skip


def _gap(
    one: Versus, found: Findings, today: dt.date, source: str, identities: Mapping[str, str],
    models: Mapping[str, str],
) -> Evidence:  # fmt: skip
    comparison = one.comparison
    assert comparison.gap is not None
    agreed = None if found.judge is None else found.judge.agreement.get(one.candidate)
    context: dict[str, float | str] = {
        "reference": found.reference,
        "verdict": comparison.verdict,
        "margin": comparison.margin,
        "alpha": comparison.alpha,
        "low": comparison.interval.low,
        "high": comparison.interval.high,
        "scorer": found.scorer,
        "errors": found.errors,
        "samples": found.file,
        **_who(one.candidate, identities, models),
    }
    if models.get(found.reference):
        context["reference_model"] = models[found.reference]
    if found.judge is not None:
        context["judge"] = found.judge.model
        context["labels"] = f"{0 if agreed is None else agreed.n} of {FEWEST_LABELS}"
    return Evidence(
        subject=one.candidate,
        metric="quality_gap",
        value=comparison.gap,
        unit="score",
        kind="measured",
        source=source,
        when=today,
        method=f"{comparison.method}, margin {points(comparison.margin)}",
        low=one.eighty.low,
        high=one.eighty.high,
        n=comparison.n,
        expires=today + dt.timedelta(days=STALE_AFTER_DAYS),
        verified=found.judge is None or (agreed is not None and agreed.enough),
        context=context,
    )


def _who(name: str, identities: Mapping[str, str], models: Mapping[str, str]) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    if name in identities:
        found["identity"] = mark_of(identities[name])
    if models.get(name):
        found["model"] = models[name]
    return found
