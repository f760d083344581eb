"""What others leave in the ledger beside requests: evidence that was measured, and how a choice was drawn."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import msgspec

from crossover.evidence import Evidence
from crossover.ledger.rows import MICRO
from crossover.ledger.store import Ledger

_EVIDENCE = (
    "subject", "metric", "value", "unit", "kind", "source", "day", "method", "low", "high", "n", "expires", "verified",
    "context",
)  # fmt: skip


class Propensity(msgspec.Struct, frozen=True, kw_only=True):
    """That a policy drew: with which probability it would have chosen this deployment, and whether it did.

    What was not chosen is written too, so that another policy can be judged on the same requests later.
    """

    request: str
    time: float
    policy: str
    deployment: str
    probability: float
    chosen: bool


def add_evidence(ledger: Ledger, found: Iterable[Evidence]) -> None:
    """Append figures; a figure is never changed, a newer one is written after it. Raises StoreError."""
    values = [
        (
            row.subject, row.metric, row.value, row.unit, row.kind, row.source, row.when.isoformat(), row.method,
            row.low, row.high, row.n, None if row.expires is None else row.expires.isoformat(), int(row.verified),
            msgspec.json.encode(row.context).decode(),
        )
        for row in found
    ]  # fmt: skip
    with ledger.change() as connection:
        connection.executemany(
            f"INSERT INTO evidence ({', '.join(_EVIDENCE)}) VALUES ({', '.join('?' * len(_EVIDENCE))})", values
        )


def evidence(ledger: Ledger, subject: str | None = None, metric: str | None = None) -> list[Evidence]:
    """The figures about a subject and a metric (None: all), in the order in which they were written."""
    found = ledger.rows(
        f"SELECT {', '.join(_EVIDENCE)} FROM evidence WHERE (? IS NULL OR subject = ?) AND (? IS NULL OR metric = ?) "
        "ORDER BY number",
        (subject, subject, metric, metric),
    )
    rows = []
    for row in found:
        facts = dict(zip(_EVIDENCE, row, strict=True))
        facts["when"] = dt.date.fromisoformat(facts.pop("day"))
        facts["expires"] = None if facts["expires"] is None else dt.date.fromisoformat(facts["expires"])
        facts["verified"] = bool(facts["verified"])
        facts["context"] = msgspec.json.decode(facts["context"])
        rows.append(Evidence(**facts))
    return rows


def add_propensities(ledger: Ledger, found: Iterable[Propensity]) -> None:
    """Append how choices were drawn. Raises StoreError, also for a second draw of one request and deployment."""
    values = [
        (row.request, row.deployment, round(row.time * MICRO), row.policy, row.probability, int(row.chosen))
        for row in found
    ]
    with ledger.change() as connection:
        connection.executemany("INSERT INTO propensities VALUES (?, ?, ?, ?, ?, ?)", values)


def propensities(ledger: Ledger, request: str) -> list[Propensity]:
    """How the choice for one request was drawn."""
    found = ledger.rows(
        "SELECT request, time, policy, deployment, probability, chosen FROM propensities WHERE request = ? "
        "ORDER BY deployment",
        (request,),
    )
    return [
        Propensity(
            request=row[0], time=row[1] / MICRO, policy=row[2], deployment=row[3], probability=row[4],
            chosen=bool(row[5]),
        )
        for row in found
    ]  # fmt: skip
