"""The list of requests, and one request's whole story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from crossover.dashboard.periods import CHOICES, USUAL, span
from crossover.dashboard.words import Source
from crossover.ledger.listing import Filter
from crossover.ledger.words import AttemptRow, Record
from crossover.sensitivity import CATEGORIES

STATUSES = ("ok", "bad", "error", "truncated", "cancelled", "refused")
PLACES = {"local": "own machines", "api": "APIs", "nobody": "nobody answered", "left": "something left"}
FIELDS = ("status", "deployment", "asked", "key", "where", "category")
PAGE = 50
_SHORTEST = 12  # characters of an id's beginning that are looked for


def requests(source: Source, asked: Mapping[str, str]) -> dict[str, Any]:
    """The page of a filter."""
    now = source.now()
    chosen = asked.get("period", "")
    period = span(chosen, now, source.begin())
    wanted = {name: asked.get(name, "").strip()[:200] for name in FIELDS}
    if wanted["status"] not in STATUSES:
        wanted["status"] = ""
    if wanted["where"] not in PLACES:
        wanted["where"] = ""
    filtered = Filter(since=period.since, until=now + 60.0, **wanted)
    found = source.listing(filtered, asked.get("after", "")[:40], PAGE)
    names = source.names()
    return {
        "period": period,
        "wanted": wanted,
        "narrow": filtered.narrow,
        "found": found,
        "now": now,
        "paged": bool(asked.get("after")),
        "kept": {"period": period.name if chosen in CHOICES and chosen != USUAL else "", **wanted},
        "names": {
            "deployment": _with(names["deployment"], wanted["deployment"]),
            "asked": _with(names["asked"], wanted["asked"]),
            "key": [(key.id, f"{key.name} ({key.id})") for key in source.every_key()],
        },
        "statuses": STATUSES,
        "places": PLACES,
        "categories": CATEGORIES,
        "id": asked.get("id", "").strip()[:100],
    }


def _with(names: Sequence[str], one: str) -> list[str]:
    return [*names, one] if one and one not in names else list(names)


def found_id(source: Source, asked: str) -> tuple[str | None, list[str]]:
    """The id that was meant by what somebody typed, or several that begin so."""
    typed = asked.strip().lower()
    if source.request(typed) is not None:
        return typed, []
    ids = source.near(typed) if len(typed) >= _SHORTEST else []
    return (ids[0], []) if len(ids) == 1 else (None, ids)


# ------------------------------------------------------------------------------------------------------------ one story


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a request's life on the drawing, in percent of its width."""

    name: str
    kind: str  # queue, wait, answer or bad
    at: float
    width: float
    title: str


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, and its stretches."""

    name: str
    steps: tuple[Step, ...]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What the same tokens cost somewhere; ``width`` in percent of the dearest."""

    name: str
    cost: int
    width: float
    kind: str
    note: str


def story(source: Source, record: Record) -> dict[str, Any]:
    """Everything that is known of a request."""
    asked = {row.deployment for row in record.attempts}
    return {
        "record": record,
        "now": source.now(),
        "lanes": lanes(record),
        "marks": marks(whole_ms(record)),
        "refused": [(name, reason) for name, reason in record.refused if name not in asked],
        "again": {name: reason for name, reason in record.refused if name in asked},
        "prices": prices(record),
        "why": why(record),
        "privacy": private(record),
        "bodies": source.bodies(record.id),
        "bodies_shown": source.house.bodies,
    }


def whole_ms(record: Record) -> float:
    """How long the drawing is."""
    ends = [row.start_ms + row.duration_ms for row in record.attempts]
    return max([record.total_ms, record.queue_ms, *ends, 0.001])


def lanes(record: Record) -> list[Lane]:
    """Every attempt on the line of time; the last one in two parts where its answer was streamed."""
    whole = whole_ms(record)
    found = []
    for number, row in enumerate(record.attempts):
        last = number == len(record.attempts) - 1
        found.append(Lane(name=row.deployment, steps=tuple(_steps(record, row, whole, last=last))))
    return found


def _steps(record: Record, row: AttemptRow, whole: float, *, last: bool) -> list[Step]:
    end = row.start_ms + row.duration_ms
    if row.outcome != "ok":
        return [_step("failed", "bad", row.start_ms, end, whole)]
    first = record.ttft_ms
    if last and row.start_ms < first < end:
        return [
            _step("until the first token", "wait", row.start_ms, first, whole),
            _step("answer", "answer", first, end, whole),
        ]
    return [_step("answer", "answer", row.start_ms, end, whole)]


def _step(name: str, kind: str, begin: float, end: float, whole: float) -> Step:
    return Step(
        name=name,
        kind=kind,
        at=round(begin / whole * 100, 3),
        width=round(max(0.4, (end - begin) / whole * 100), 3),
        title=f"{name}: {begin:,.0f} to {end:,.0f} ms",
    )


def marks(whole: float) -> list[tuple[float, str]]:
    """(percent, text) of the marks below the line of time."""
    step = next(
        size * unit
        for unit in (0.001, 0.01, 0.1, 1, 10, 100, 1000, 10_000, 100_000, 1e6, 1e7, 1e8)
        for size in (1, 2, 5)
        if whole / (size * unit) <= 5
    )
    found = []
    at = 0.0
    while at <= whole * 0.93:
        found.append((round(at / whole * 100, 3), f"{at / 1000:g} s" if step >= 1000 else f"{at:g} ms"))
        at += step
    return found


def prices(record: Record) -> list[Price]:
    """What it cost and what the same tokens would have cost elsewhere, cheapest first."""
    rows = []
    if record.deployment and record.cost_known:
        rows.append((record.deployment, record.cost, "chosen", "local" if record.local else ""))
    rows += [
        (other.deployment, other.cost, "" if other.permitted else "barred", "local" if other.local else "")
        for other in record.alternatives
    ]
    top = max([cost for _, cost, _, _ in rows] or [0]) or 1
    words = {"chosen": "answered", "barred": "was not permitted", "": ""}
    return [
        Price(
            name=name, cost=cost, width=round(max(0.5, cost / top * 100), 2), kind=f"{kind} {side}".strip(),
            note=", ".join(filter(None, (words[kind], "a share of the machine's hour" if side else ""))),
        )
        for name, cost, kind, side in sorted(rows, key=lambda row: (row[1], row[0]))
    ]  # fmt: skip


def why(record: Record) -> list[str]:
    """The story in sentences."""
    found = [record.decision] if record.decision else []
    failed = [row for row in record.attempts if row.outcome != "ok"]
    if failed and record.status == "ok":
        names = ", ".join(f"{row.deployment} ({row.outcome})" for row in failed)
        found.append(f"Before the answer it failed at {names}; nobody outside the decision's order was asked.")
    if record.status != "ok":
        found.append(f"It ended as {record.status}: {record.error or f'HTTP {record.http_status}'}.")
    if record.dropped:
        found.append(f"Left out because the deployment has no word for it: {', '.join(record.dropped)}.")
    return found


class Private(msgspec.Struct, frozen=True, kw_only=True):
    """What privacy knew of a request and did."""

    looked: bool
    profile: str
    detector: str
    rule: str
    action: str
    opaque: str
    findings: tuple[tuple[str, str, str, int], ...]
    went: tuple[AttemptRow, ...]


def private(record: Record) -> Private:
    """What was found by category, what was decided by which rule, and where it went."""
    known = record.privacy
    return Private(
        looked=known is not None and known.profile not in ("", "off") and known.action != "failed",
        profile=known.profile if known else "",
        detector=known.detector if known else "",
        rule=known.rule if known else "",
        action=known.action if known else "",
        opaque=known.opaque if known else "",
        findings=tuple(sorted(known.counts)) if known else (),
        went=tuple(row for row in record.attempts if row.left),
    )
