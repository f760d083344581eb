"""Pairs of answers that were compared: what a weaker model said beside a stronger one, while rules were in use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from crossover.ledger.rows import MICRO
from crossover.ledger.store import Ledger

COLUMNS = (
    "request", "time", "route", "kind", "weak", "strong", "probability", "kept", "score", "loss", "grader",
    "weak_cost", "strong_cost", "weak_ms", "strong_ms",
)  # fmt: skip


class Grade(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison. Neither the question nor an answer is kept.

    ``kind``: ``audit`` (chance drew the request with ``probability``, whatever the rule of ``route`` said of it) or
    ``shadow``. ``kept``: the rule would have let the weaker model answer; ``score`` is what it went by, where it has
    one. ``loss`` is 1 where the weaker answer is worse, 0 where it is not. Times are Unix seconds, costs picodollars.
    """

    request: str
    time: float
    route: str
    kind: Literal["audit", "shadow"]
    weak: str
    strong: str
    probability: float
    kept: bool
    loss: float
    grader: str
    score: float | None = None
    weak_cost: int = 0
    strong_cost: int = 0
    weak_ms: float = 0.0
    strong_ms: float = 0.0


def add_grades(ledger: Ledger, found: Iterable[Grade]) -> None:
    """Append comparisons. Raises StoreError."""
    values = [
        (
            one.request, round(one.time * MICRO), one.route, one.kind, one.weak, one.strong, one.probability,
            int(one.kept), one.score, one.loss, one.grader, one.weak_cost, one.strong_cost, one.weak_ms, one.strong_ms,
        )
        for one in found
    ]  # fmt: skip
    with ledger.change() as connection:
        connection.executemany(
            f"INSERT INTO grades ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})", values
        )


def grades(ledger: Ledger, route: str | None = None, since: float = 0.0) -> list[Grade]:
    """The comparisons of a route (None: of all) since a moment, in the order in which they were made."""
    found = ledger.rows(
        f"SELECT {', '.join(COLUMNS)} FROM grades WHERE (? IS NULL OR route = ?) AND time >= ? ORDER BY number",
        (route, route, round(since * MICRO)),
    )
    rows = []
    for row in found:
        facts = dict(zip(COLUMNS, row, strict=True))
        facts |= {"time": facts["time"] / MICRO, "kept": bool(facts["kept"])}
        rows.append(Grade(**facts))
    return rows
