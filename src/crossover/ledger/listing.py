"""Requests as a list: the latest that fit a filter, page by page, at a cost that does not grow with the ledger.

Rows are looked through backwards, at most LOOK of them for one page; a filter that finds too little in so many says how
far it came and can go on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from crossover.errors import InputError
from crossover.ledger.places import SLACK_S, Stretch, stretches
from crossover.ledger.rows import MICRO
from crossover.ledger.schema import CHILDREN, STREAMED
from crossover.ledger.store import Ledger

LOOK = 40_000  # rows looked through for one page
PAGE = 50


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests are wanted; an empty field takes all. ``status`` is one of the ledger's, or ``bad``: not ok.

    ``where``: ``local`` (an own machine answered), ``api``, ``nobody``, or ``left`` (something left for outside).
    """

    since: float = 0.0
    until: float = 4e9
    status: str = ""
    deployment: str = ""
    asked: str = ""
    key: str = ""
    where: str = ""
    category: str = ""

    @property
    def narrow(self) -> bool:
        """Whether it leaves anything out beside a period."""
        return any((self.status, self.deployment, self.asked, self.key, self.where, self.category))


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a list."""

    id: str
    time: float
    asked: str
    deployment: str
    local: bool
    status: str
    http_status: int
    error: str
    key: str
    streamed: bool
    ttft_ms: float
    total_ms: float
    input_tokens: int
    output_tokens: int
    marginal: int
    tier: str
    left: int
    attempts: int


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A page. ``after`` is where the next one begins ("": there is no older row), ``looked`` rows were looked through.

    ``reached`` is the time of the last of them.
    """

    lines: tuple[Line, ...]
    after: str
    looked: int
    reached: float | None = None


_WHERE: dict[str, str] = {
    "local": "d.local = 1 AND d.deployment <> ''",
    "api": "d.local = 0 AND d.deployment <> ''",
    "nobody": "coalesce(d.deployment, '') = ''",
    "left": "d.away > 0",
}
_COLUMNS = (
    "r.number, r.id, r.time, r.key, r.status, r.http_status, r.error, r.flags, r.ttft_ms, r.total_ms, r.input_tokens, "
    "r.output_tokens, r.marginal, coalesce(d.asked, ''), coalesce(d.deployment, ''), coalesce(d.local, 0), "
    "coalesce(d.tier, 'none'), coalesce(d.away, 0)"
)


def listing(ledger: Ledger, wanted: Filter, after: str = "", most: int = PAGE, look: int = LOOK) -> Listing:
    """The latest requests that fit, or those behind ``after``. Raises InputError for a place that is none."""
    condition, values = _condition(wanted)
    places = stretches(ledger, wanted.since - SLACK_S, wanted.until + SLACK_S)
    left, looked, lines = _before(places, after), 0, list[Line]()
    reached: float | None = None
    for place in reversed(left):
        low = max(place.low, place.high - (look - looked))
        found = _found(ledger, Stretch(place.month, low, place.high), condition, values, most - len(lines))
        lines += [_line(row, _attempts(ledger, place.month, row[0])) for row in found]
        if len(lines) == most:  # the rows before the last one shown have not been looked at
            low = found[-1][0]
        looked += place.high - low
        if len(lines) == most or looked >= look:
            reached = _time(ledger, place.month, low)
            older = low > place.low or place is not left[0]
            return Listing(
                lines=tuple(lines), after=f"{place.month}.{low}" if older else "", looked=looked, reached=reached
            )
    return Listing(lines=tuple(lines), after="", looked=looked)


def names(ledger: Ledger) -> dict[str, list[str]]:
    """What a filter can name: the deployments and names asked for in the latest month that has any, in order."""
    for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month DESC"):
        found = {
            column: [row[0] for row in ledger.rows(
                f"SELECT DISTINCT {column} FROM (SELECT {column} FROM decisions_{month} ORDER BY rowid DESC "
                f"LIMIT {LOOK}) WHERE {column} <> '' ORDER BY {column} LIMIT 200"
            )]
            for column in ("deployment", "asked")
        }  # fmt: skip
        if any(found.values()):
            return found
    return {"deployment": [], "asked": []}


def _condition(wanted: Filter) -> tuple[str, list[Any]]:
    parts = ["r.time >= ?", "r.time < ?"]
    values: list[Any] = [round(wanted.since * MICRO), round(wanted.until * MICRO)]
    if wanted.status:
        parts.append("r.status <> 'ok'" if wanted.status == "bad" else "r.status = ?")
        values += [] if wanted.status == "bad" else [wanted.status]
    for column, value in (("d.deployment", wanted.deployment), ("d.asked", wanted.asked), ("r.key", wanted.key)):
        if value:
            parts.append(f"{column} = ?")
            values.append(value)
    if wanted.where:
        if wanted.where not in _WHERE:
            raise InputError(f"unknown place {wanted.where!r}", hint=f"One of {', '.join(_WHERE)}", field="where")
        parts.append(_WHERE[wanted.where])
    if wanted.category:
        parts.append("instr(coalesce(d.categories, ''), ?) > 0")
        values.append(f'"{wanted.category}"')
    return " AND ".join(parts), values


def _before(places: list[Stretch], after: str) -> list[Stretch]:
    """What is left behind a place that an earlier page gave."""
    if not after:
        return places
    month, _, number = after.partition(".")
    if len(month) != 7 or not number.isdecimal() or len(number) > 18:
        raise InputError(f"{after!r} is no place in the list", field="after")
    kept = [place for place in places if place.month <= month]
    return [
        Stretch(place.month, place.low, min(place.high, int(number))) if place.month == month else place
        for place in kept
    ]


def _found(ledger: Ledger, place: Stretch, condition: str, values: Sequence[Any], most: int) -> list[tuple[Any, ...]]:
    return ledger.rows(
        f"SELECT {_COLUMNS} FROM records_{place.month} r LEFT JOIN decisions_{place.month} d ON d.id = r.decision "
        f"WHERE r.number >= ? AND r.number < ? AND {condition} ORDER BY r.number DESC LIMIT ?",
        (place.low, place.high, *values, most),
    )


def _attempts(ledger: Ledger, month: str, number: int) -> int:
    found = ledger.rows(
        f"SELECT count(*) FROM attempts_{month} WHERE number >= ? AND number < ?",
        (number * CHILDREN, (number + 1) * CHILDREN),
    )
    return int(found[0][0])


def _time(ledger: Ledger, month: str, number: int) -> float | None:
    found = ledger.rows(f"SELECT time FROM records_{month} WHERE number >= ? ORDER BY number LIMIT 1", (number,))
    return float(found[0][0]) / MICRO if found else None


def _line(row: Sequence[Any], attempts: int) -> Line:
    (_, id_, time, key, status, http_status, error, flags, ttft, total, read, wrote, marginal, asked, deployment, local,
     tier, away) = row  # fmt: skip
    return Line(
        id=id_, time=time / MICRO, asked=asked, deployment=deployment, local=bool(local), status=status,
        http_status=http_status, error=error, key=key, streamed=bool(flags & STREAMED), ttft_ms=ttft, total_ms=total,
        input_tokens=read, output_tokens=wrote, marginal=marginal, tier=tier, left=away, attempts=attempts,
    )  # fmt: skip
