"""Budgets: what is set aside before a request and settled after it. The rules, and the statements that keep them.

A budget is charged in a period (day, week from Monday, month, or for ever), in UTC. Each of its periods is one row; a
reservation remembers the row that it was taken from, so that a request that ends after midnight is settled in the day
in which it began. The period in force is the latest that ever began: a clock that jumps back opens no old one.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from crossover.ledger.words import Budget, Period

LARGEST_AMOUNT = 10**18  # a million dollars a request
LARGEST_LIMIT = 4 * 10**18  # four million dollars a period; sums stay within a bigint
_DAY = 86_400
_MONDAY = 4 * _DAY  # the first Monday after 1970-01-01, a Thursday
MOST_AT_ONCE = 200  # ids in one statement


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """An amount (picodollars) set aside in one budget for one request. ``unsettled``: its process died."""

    id: str
    budget: str
    period: Period
    since: int
    amount: int
    time: float
    owner: str
    unsettled: bool


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One period of a budget: what is spent and set aside, and its limit when it was last asked (picodollars)."""

    name: str
    period: Period
    since: int
    spent: int
    reserved: int
    limit: int


def since_of(period: Period, now: float) -> int:
    """The Unix second at which the period that holds ``now`` began."""
    if period == "total":
        return 0
    day = int(now // _DAY) * _DAY
    if period == "day":
        return day
    if period == "week":
        return day - (day - _MONDAY) % (7 * _DAY)
    moment = dt.datetime.fromtimestamp(day, dt.UTC)
    return int(moment.replace(day=1).timestamp())


def amount_of(amount: int) -> int:
    """An amount within what a row can hold, never below nothing."""
    return max(0, min(amount, LARGEST_AMOUNT))


def limit_of(budget: Budget) -> int:
    """A limit within what a row can hold."""
    return max(0, min(budget.limit, LARGEST_LIMIT))


def reserve(
    connection: sqlite3.Connection, request_id: str, budgets: Sequence[Budget], amount: int, now: float, owner: str
) -> Budget | None:
    """Set ``amount`` aside in all budgets or in none, inside the caller's transaction; the first that is too small.

    Nothing set aside always fits: a request that costs nothing passes an exhausted budget. A second reservation
    under the same id adds to the first.
    """
    amount = amount_of(amount)
    if amount == 0:
        return None
    taken: list[tuple[str, Period, int]] = []
    for budget in budgets:
        begun = since_of(budget.period, now)
        taken_from = begun if _take(connection, budget, amount, begun) else None
        if taken_from is None:
            taken_from = _take_in_force(connection, budget, amount, begun)
        if taken_from is None:
            connection.executemany(
                "UPDATE budgets SET reserved = reserved - ? WHERE name = ? AND period = ? AND since = ?",
                [(amount, *place) for place in taken],
            )
            return budget
        taken.append((budget.name, budget.period, taken_from))
    connection.executemany(
        "INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (id, budget, period, since) "
        "DO UPDATE SET amount = reservations.amount + excluded.amount",
        [(request_id, *place, amount, int(now), owner) for place in taken],
    )
    return None


def _take(connection: sqlite3.Connection, budget: Budget, amount: int, since: int) -> bool:
    """Set the amount aside if this is the latest period and has as much left; one statement: nobody comes between."""
    limit = limit_of(budget)
    done = connection.execute(
        "UPDATE budgets SET reserved = reserved + ?, ceiling = ? "
        "WHERE name = ? AND period = ? AND since = ? AND spent + reserved + ? <= ? "
        "AND NOT EXISTS (SELECT 1 FROM budgets later WHERE later.name = budgets.name "
        "AND later.period = budgets.period AND later.since > budgets.since)",
        (amount, limit, budget.name, budget.period, since, amount, limit),
    )
    return done.rowcount == 1


def _take_in_force(connection: sqlite3.Connection, budget: Budget, amount: int, since: int) -> int | None:
    """Set the amount aside in the period in force, which is opened where it is new; its beginning, None: too small."""
    latest = connection.execute(
        "SELECT max(since) FROM budgets WHERE name = ? AND period = ?", (budget.name, budget.period)
    ).fetchone()[0]
    if latest == since:
        return None  # it was tried
    if latest is None or latest < since:
        connection.execute(
            "INSERT INTO budgets VALUES (?, ?, ?, 0, 0, ?)", (budget.name, budget.period, since, limit_of(budget))
        )
        latest = since
    return int(latest) if _take(connection, budget, amount, int(latest)) else None


def settle(connection: sqlite3.Connection, spent: dict[str, int]) -> int:
    """Turn the reservations of these requests into what was spent (0: given back); how many requests had one.

    Inside the caller's transaction. What no reservation covers is charged to nothing: it was never under a budget.
    """
    changes: dict[tuple[str, str, int], list[int]] = {}
    settled: set[str] = set()
    charged: set[tuple[str, str, str]] = set()  # a request that reserved twice, around midnight, is spent once
    for ids in _portions(list(spent)):
        marks = ", ".join("?" * len(ids))
        for name, budget, period, since, amount in connection.execute(
            f"SELECT id, budget, period, since, amount FROM reservations WHERE id IN ({marks}) ORDER BY since",
            ids,
        ):
            change = changes.setdefault((budget, period, since), [0, 0])
            if (name, budget, period) not in charged:
                charged.add((name, budget, period))
                change[0] += amount_of(spent[name])
            change[1] += amount
            settled.add(name)
    if settled:
        connection.executemany(
            "UPDATE budgets SET spent = spent + ?, reserved = reserved - ? WHERE name = ? AND period = ? AND since = ?",
            [(*change, *place) for place, change in sorted(changes.items())],
        )
        for ids in _portions(sorted(settled)):
            marks = ", ".join("?" * len(ids))
            connection.execute(f"DELETE FROM reservations WHERE id IN ({marks})", ids)
    return len(settled)


def take_back(connection: sqlite3.Connection, request_id: str, amount: int) -> None:
    """Undo the latest reservation of this request, of ``amount``; what was set aside under its id before stays.

    Inside the caller's transaction, and only after a :func:`reserve` of that amount.
    """
    amount = amount_of(amount)
    rows = connection.execute(
        "SELECT budget, period, since FROM reservations WHERE id = ? ORDER BY since", (request_id,)
    )
    places = list({(budget, period): (budget, period, since) for budget, period, since in rows}.values())
    connection.executemany(
        "UPDATE budgets SET reserved = reserved - ? WHERE name = ? AND period = ? AND since = ?",
        [(amount, *place) for place in places],
    )
    connection.executemany(
        "UPDATE reservations SET amount = amount - ? WHERE id = ? AND budget = ? AND period = ? AND since = ?",
        [(amount, request_id, *place) for place in places],
    )
    connection.execute("DELETE FROM reservations WHERE id = ? AND amount <= 0", (request_id,))


def _portions(ids: list[str]) -> Iterable[list[str]]:
    for start in range(0, len(ids), MOST_AT_ONCE):
        yield ids[start : start + MOST_AT_ONCE]


def reservations_of(rows: Iterable[Sequence[Any]]) -> list[Reservation]:
    """Rows of table ``reservations`` as words."""
    return [
        Reservation(
            id=row[0], budget=row[1], period=row[2], since=row[3], amount=row[4], time=float(row[5]), owner=row[6],
            unsettled=bool(row[7]),
        )
        for row in rows
    ]  # fmt: skip


def mark_unsettled(connection: sqlite3.Connection, runs: Callable[[str], bool]) -> int:
    """Mark the reservations of writers that no longer run: they stay charged until somebody settles them.

    Inside the caller's transaction. ``runs`` says of a writer's token whether it does. How many were marked.
    """
    marked = 0
    for (owner,) in connection.execute("SELECT DISTINCT owner FROM reservations WHERE unsettled = 0").fetchall():
        if not runs(owner):
            done = connection.execute("UPDATE reservations SET unsettled = 1 WHERE owner = ?", (owner,))
            marked += done.rowcount
    return marked
