"""Quality: what was proved of each candidate, how wide the interval is, and whether it moved since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from crossover.dashboard.words import Live, Source
from crossover.evidence import Evidence
from crossover.ledger.grades import Grade
from crossover.stats import wilson

PHRASES = {
    "better": "better", "equivalent": "equivalent", "not_worse": "not worse by more than the margin",
    "worse_than_margin": "worse by more than the margin", "worse": "worse, but of open size",
    "inconclusive": "inconclusive",
}  # fmt: skip
COLOURS = {
    "better": "right", "equivalent": "right", "not_worse": "right", "worse": "wrong", "worse_than_margin": "wrong",
    "inconclusive": "open",
}  # fmt: skip
_EDGE = 3.0  # percent left free at both ends of a drawing
MOST_LOOKS = 8
WEEKS = 12
_WEEK = 7 * 86_400.0


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One proof: the gap with its interval (the verdict's), in shares; places are percent of a drawing's width."""

    when: dt.date
    gap: float
    low: float
    high: float
    n: int | None
    verdict: str
    source: str
    low_at: float
    gap_at: float
    high_at: float

    @property
    def phrase(self) -> str:
        """The verdict in words."""
        return PHRASES.get(self.verdict, self.verdict)

    @property
    def colour(self) -> str:
        """The class of its colour."""
        return COLOURS.get(self.verdict, "open")


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """All proofs of one candidate against one reference on the same samples, the latest first."""

    candidate: str
    reference: str
    samples: str
    scorer: str
    judge: str
    labels: str
    margin: float
    verified: bool
    expires: dt.date | None
    old: bool
    looks: tuple[Look, ...]
    drift: str
    zero_at: float
    margin_low_at: float
    margin_high_at: float
    reach: float

    @property
    def latest(self) -> Look:
        """The proof that counts."""
        return self.looks[0]


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """The mean score of one name on its samples, with its 80 % interval."""

    name: str
    value: float
    low: float | None
    high: float | None
    n: int | None
    scorer: str
    when: dt.date
    source: str
    per_thousand: float | None
    seconds: float | None


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """How the rule of one name does while it is used. ``kept`` of ``n`` comparisons the rule would have kept; of a
    shadow all, for it asks what would be lost if the own model answered everything.

    ``loss`` is the share of those whose answer was worse, with its 95 % interval; ``weeks`` are (begin, share, count)
    of the latest weeks. ``doubt`` is why the rule is not trusted now. ``saved`` is picodollars a kept request.
    """

    route: str
    kind: str
    weak: str
    strong: str
    grader: str
    n: int
    kept: int
    loss: float | None
    low: float
    high: float
    saved: float
    weeks: tuple[tuple[str, float, int], ...]
    doubt: str


def watched(rows: Sequence[Grade], now: float, doubts: Mapping[str, str]) -> list[Watched]:
    """The rules that are checked while they are used: those in doubt first, then by what was compared."""
    groups: dict[tuple[str, str], list[Grade]] = {}
    for row in rows:
        groups.setdefault((row.route, row.kind), []).append(row)
    doubt = {(route, "audit"): why for route, why in doubts.items()}
    found = [_watched(place, each, now, doubt.get(place, "")) for place, each in groups.items()]
    return sorted(found, key=lambda one: (not one.doubt, -one.n, one.route))


def _watched(place: tuple[str, str], rows: list[Grade], now: float, doubt: str) -> Watched:
    kept = [row for row in rows if row.kept or place[1] == "shadow"]
    lost = sum(row.loss for row in kept)
    low, high = wilson(round(lost), len(kept), 0.95) if kept else (0.0, 1.0)
    weeks = []
    for back in reversed(range(WEEKS)):
        begin, end = now - (back + 1) * _WEEK, now - back * _WEEK
        losses = [row.loss for row in kept if begin <= row.time < end]
        if losses:
            day = dt.datetime.fromtimestamp(begin, dt.UTC).date().isoformat()
            weeks.append((day, sum(losses) / len(losses), len(losses)))
    latest = rows[-1]
    return Watched(
        route=place[0], kind=place[1], weak=latest.weak, strong=latest.strong, grader=latest.grader, n=len(rows),
        kept=len(kept), loss=lost / len(kept) if kept else None, low=low, high=high,
        saved=sum(row.strong_cost - row.weak_cost for row in kept) / len(kept) if kept else 0.0,
        weeks=tuple(weeks), doubt=doubt,
    )  # fmt: skip


def quality(source: Source, asked: Mapping[str, str], live: Live | None) -> dict[str, Any]:
    """Everything the page shows."""
    del asked
    now = source.now()
    checked = watched(source.grades(now - WEEKS * _WEEK), now, {} if live is None else live.doubts)
    rows = source.evidence()
    today = dt.datetime.fromtimestamp(source.now(), dt.UTC).date()
    found = proofs(rows, today)
    return {
        "proofs": found,
        "checked": checked,
        "scores": scores(rows),
        "reports": sorted({proof.latest.source for proof in found}),
        "bodies_shown": source.house.bodies,
        "today": today,
        "now": source.now(),
    }


def proofs(rows: Sequence[Evidence], today: dt.date) -> list[Proof]:
    """The verdicts by candidate and reference, those proved last first."""
    groups: dict[tuple[str, str, str], list[Evidence]] = {}
    for row in rows:
        if row.metric == "quality_gap":
            place = (row.subject, str(row.context.get("reference", "")), str(row.context.get("samples", "")))
            groups.setdefault(place, []).append(row)
    made = [_proof(place, list(reversed(each))[:MOST_LOOKS], today) for place, each in groups.items()]
    return sorted(made, key=lambda proof: (-proof.latest.when.toordinal(), proof.candidate))


def _proof(place: tuple[str, str, str], rows: list[Evidence], today: dt.date) -> Proof:
    latest = rows[0]
    margin = _figure(latest, "margin") or 0.0
    ends = [end for row in rows for end in (_figure(row, "low"), _figure(row, "high"), row.value)]
    reach = min(1.0, max([*(abs(end) for end in ends if end is not None), margin * 1.6, 0.02]) * 1.06)
    return Proof(
        candidate=place[0],
        reference=place[1],
        samples=place[2],
        scorer=str(latest.context.get("scorer", "")),
        judge=str(latest.context.get("judge", "")),
        labels=str(latest.context.get("labels", "")),
        margin=margin,
        verified=latest.verified,
        expires=latest.expires,
        old=not latest.valid(today),
        looks=tuple(_look(row, reach) for row in rows),
        drift=drift(rows),
        zero_at=_at(0.0, reach),
        margin_low_at=_at(-margin, reach),
        margin_high_at=_at(margin, reach),
        reach=reach,
    )


def drift(rows: Sequence[Evidence]) -> str:
    """How the newest proof stands to the one before it, in words; "" where there is only one."""
    if len(rows) < 2:
        return ""
    new, old = rows[0], rows[1]
    if new.context.get("identity") != old.context.get("identity"):
        return f"something else answers under this name than on {old.when}: the proof was made anew"
    low, high, old_low, old_high = (_figure(row, name) for row in (new, old) for name in ("low", "high"))
    if low is None or high is None or old_low is None or old_high is None:
        return f"moved by {abs(new.value - old.value) * 100:.1f} points since {old.when}"
    if high < old_low:
        return f"worse than on {old.when}, beyond what chance explains"
    if low > old_high:
        return f"better than on {old.when}, beyond what chance explains"
    return f"no drift since {old.when}: the intervals overlap"


def scores(rows: Sequence[Evidence]) -> list[Score]:
    """The latest score of every name and scorer, best first."""
    latest: dict[tuple[str, str], Evidence] = {}
    for row in rows:
        if row.metric == "quality":
            latest[row.subject, str(row.context.get("samples", ""))] = row
    found = [
        Score(
            name=row.subject, value=row.value, low=row.low, high=row.high, n=row.n,
            scorer=str(row.context.get("scorer", "")), when=row.when, source=row.source,
            per_thousand=_figure(row, "usd_per_1000"), seconds=_figure(row, "seconds_p50"),
        )
        for row in latest.values()
    ]  # fmt: skip
    return sorted(found, key=lambda score: (-score.value, score.name))


def _look(row: Evidence, reach: float) -> Look:
    low, high = _figure(row, "low"), _figure(row, "high")
    low, high = row.value if low is None else low, row.value if high is None else high
    return Look(
        when=row.when, gap=row.value, low=low, high=high, n=row.n, verdict=str(row.context.get("verdict", "")),
        source=row.source, low_at=_at(low, reach), gap_at=_at(row.value, reach), high_at=_at(high, reach),
    )  # fmt: skip


def _figure(row: Evidence, name: str) -> float | None:
    value = row.context.get(name)
    return float(value) if isinstance(value, int | float) else None


def _at(gap: float, reach: float) -> float:
    held = min(max(gap, -reach), reach)
    return round(_EDGE + (held + reach) / (2 * reach) * (100 - 2 * _EDGE), 3)
