"""What others leave in the ledger beside requests: evidence that was measured."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import msgspec

from crossover.evidence import Evidence
from crossover.ledger.store import Ledger

_EVIDENCE = (
    "subject", "metric", "value", "unit", "kind", "source", "day", "method", "low", "high", "n", "expires", "verified",
    "context",
)  # fmt: skip


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
