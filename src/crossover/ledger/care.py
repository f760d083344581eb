"""Care for the ledger: check it, prune it, settle by hand, back it up.  ``rescue`` repairs and restores."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from crossover.errors import FileError, InputError, StoreError, UnknownNameError
from crossover.ledger import audit
from crossover.ledger.budgets import MOST_AT_ONCE, mark_unsettled, settle
from crossover.ledger.files import lives, told, transaction, writers
from crossover.ledger.queries import unsettled
from crossover.ledger.rows import MICRO, decision_holds
from crossover.ledger.schema import (
    CHILDREN,
    DECISION_COLUMNS,
    GROUP_COLUMNS,
    ROLL_UP_FROM_ROWS,
    SHORT_COLUMNS,
    SUM_COLUMNS,
    add_segment,
    bounds_of,
    drop_segments,
    migrate,
    month_of,
    segments_of,
    short_from_roll_ups,
    show_segments,
    sum_short,
)
from crossover.ledger.spill import spills
from crossover.ledger.store import Ledger

HOUR_US = 3600 * MICRO
_MOST_SHOWN = 10
MONTH = re.compile(r"\d{4}_\d{2}")
_NAMES = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND sql IS NOT NULL"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a check found. ``repairable``: ``crossover ledger repair`` puts it right and loses nothing."""

    kind: Literal["file", "roll-ups", "rows", "budgets", "audit", "spill"]
    text: str
    repairable: bool = False


def pruned_until(ledger: Ledger) -> int:
    """The Unix second before which rows were dropped and only roll-ups are left."""
    found = ledger.rows("SELECT value FROM meta WHERE name = 'pruned_until'")
    return int(found[0][0]) if found else 0


# -------------------------------------------------------------------------------------------------------------- check


def check(ledger: Ledger) -> list[Finding]:
    """Everything that is not as it must be: the file itself, roll-ups against rows, children, budgets, the audit."""
    damage = [str(row[0]) for row in ledger.rows("PRAGMA integrity_check")]
    damage = _shapes(ledger) if damage == ["ok"] else damage
    if damage:
        return [Finding(kind="file", text=text) for text in damage[:_MOST_SHOWN]]
    found = [*_roll_ups(ledger), *_children(ledger), *_budgets(ledger), *_audit(ledger)]
    waiting = [path.name for path in spills(ledger.path).values()]
    if waiting:
        text = f"rows wait in {', '.join(waiting)}; they are read back when the ledger is next opened to be written"
        found.append(Finding(kind="spill", text=text, repairable=True))
    return found


def _shapes(ledger: Ledger) -> list[str]:
    """What of the tables and views is not as this version makes them: damage that leaves the file well-formed."""
    months = [str(month) for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month")]
    if not all(MONTH.fullmatch(month) for month in months):
        return ["the list of months is damaged"]
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        migrate(fresh, ":memory:", 0.0)
        with transaction(fresh):
            for month in months:
                if month not in segments_of(fresh):
                    add_segment(fresh, month)
            drop_segments(fresh, set(segments_of(fresh)) - set(months))
        wanted = {name: _shape(fresh.execute, name) for (name,) in fresh.execute(_NAMES).fetchall()}
    there = {name: _shape(ledger.rows, name) for (name,) in ledger.rows(_NAMES)}
    return [f"table {name} is not as it must be" for name in sorted(wanted) if wanted[name] != there.get(name)]


def _shape(ask: Callable[[str], Iterable[tuple[Any, ...]]], name: str) -> list[tuple[Any, ...]]:
    """Name, type, whether it must be there, and place in the primary key, of each column."""
    try:
        return [(*row[1:4], row[5]) for row in ask(f"PRAGMA table_info({name})")]
    except StoreError:
        return []  # a view over what is not there


def _roll_ups(ledger: Ledger) -> Iterator[Finding]:
    begin = pruned_until(ledger)
    wanted = {row[:7]: row[7:] for row in ledger.rows(ROLL_UP_FROM_ROWS, (begin * MICRO,))}
    columns = ", ".join((*GROUP_COLUMNS, *SUM_COLUMNS))
    there = {
        row[:7]: row[7:] for row in ledger.rows(f"SELECT {columns} FROM rollups WHERE hour >= ?", (begin // 3600,))
    }
    wrong = sum(wanted.get(group) != there.get(group) for group in wanted.keys() | there.keys())
    if wrong:
        text = f"{wrong} of {len(wanted)} roll-ups differ from the sums of their rows"
        yield Finding(kind="roll-ups", text=text, repairable=True)
    for table, groups in SHORT_COLUMNS.items():
        columns = ", ".join((*groups, *SUM_COLUMNS))
        differing = set(ledger.rows(short_from_roll_ups(table))) ^ set(ledger.rows(f"SELECT {columns} FROM {table}"))
        if differing:
            text = f"the roll-ups by {' and '.join(groups[:2])} differ from those they are made of"
            yield Finding(kind="roll-ups", text=text, repairable=True)


def _children(ledger: Ledger) -> Iterator[Finding]:
    for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month"):
        begin, end = bounds_of(month)
        counts = {
            "rows lie in the wrong month": (
                f"SELECT count(*) FROM records_{month} WHERE time < ? OR time >= ?",
                (begin * MICRO, end * MICRO),
            ),
            "records name a decision that is not there": (
                f"SELECT count(*) FROM records_{month} r LEFT JOIN decisions_{month} d ON d.id = r.decision "
                "WHERE d.id IS NULL",
                (),
            ),
            "attempts belong to no record": (
                f"SELECT count(*) FROM attempts_{month} a LEFT JOIN records_{month} r "
                f"ON r.number = a.number / {CHILDREN} WHERE r.number IS NULL",
                (),
            ),
            "alternatives belong to no record": (
                f"SELECT count(*) FROM alternatives_{month} a LEFT JOIN records_{month} r "
                f"ON r.number = a.number / {CHILDREN} WHERE r.number IS NULL",
                (),
            ),
        }
        for text, (statement, values) in counts.items():
            count = ledger.rows(statement, values)[0][0]
            if count:
                yield Finding(kind="rows", text=f"{month.replace('_', '-')}: {count} {text}")
        decisions = ledger.rows(f"SELECT {', '.join(DECISION_COLUMNS)} FROM decisions_{month}")
        wrong = sum(not decision_holds(row) for row in decisions)
        if wrong:
            yield Finding(kind="rows", text=f"{month.replace('_', '-')}: {wrong} decisions are not what they were")


def _budgets(ledger: Ledger) -> Iterator[Finding]:
    wrong = ledger.rows(
        "SELECT b.name FROM budgets b WHERE b.reserved <> (SELECT coalesce(sum(r.amount), 0) FROM reservations r "
        "WHERE r.budget = b.name AND r.period = b.period AND r.since = b.since) OR b.spent < 0 ORDER BY b.name"
    )
    for (name,) in wrong[:_MOST_SHOWN]:
        text = f"budget {name}: what is set aside differs from its reservations"
        yield Finding(kind="budgets", text=text, repairable=True)


def _audit(ledger: Ledger) -> Iterator[Finding]:
    fault = audit.walk_all(ledger).fault
    if fault is not None:
        yield Finding(kind="audit", text=f"the chain of the audit breaks: {fault.sentence()}")


# ------------------------------------------------------------------------------------------------------------ mending


def mend_sums(ledger: Ledger) -> int:
    """Make roll-ups anew from the rows there are, and set-aside sums from the reservations; how many roll-ups."""
    begin = pruned_until(ledger)
    with ledger.change() as connection:
        show_segments(connection)
        connection.execute("DELETE FROM rollups WHERE hour >= ?", (begin // 3600,))
        done = connection.execute(f"INSERT INTO rollups {ROLL_UP_FROM_ROWS}", (begin * MICRO,))
        sum_short(connection)
        connection.execute(
            "UPDATE budgets SET reserved = (SELECT coalesce(sum(r.amount), 0) FROM reservations r "
            "WHERE r.budget = budgets.name AND r.period = budgets.period AND r.since = budgets.since)"
        )
        return max(0, done.rowcount)


def renew_periods(ledger: Ledger) -> list[str]:
    """Take back periods of budgets that begin in the future, which a clock gone wrong opened; the budgets' names.

    What they hold is charged to the latest period before them, so that nothing becomes free.
    """
    now = int(ledger.clock())
    names: list[str] = []
    with ledger.change() as connection:
        ahead = connection.execute(
            "SELECT name, period, since, spent, reserved FROM budgets WHERE since > ? ORDER BY since", (now,)
        ).fetchall()
        for name, period, since, spent, reserved in ahead:
            before = connection.execute(
                "SELECT max(since) FROM budgets WHERE name = ? AND period = ? AND since <= ?", (name, period, now)
            ).fetchone()[0]
            if before is None:
                continue
            connection.execute(
                "UPDATE budgets SET spent = spent + ?, reserved = reserved + ? "
                "WHERE name = ? AND period = ? AND since = ?",
                (spent, reserved, name, period, before),
            )
            connection.execute(
                "UPDATE reservations SET since = ? WHERE budget = ? AND period = ? AND since = ?",
                (before, name, period, since),
            )
            connection.execute("DELETE FROM budgets WHERE name = ? AND period = ? AND since = ?", (name, period, since))
            names.append(name)
    return names


def mark_dead(ledger: Ledger) -> int:
    """Mark the reservations of writers that have died since; how many."""
    with ledger.change() as connection:
        return mark_unsettled(connection, lambda token: lives(ledger.path, token))


def settle_by_hand(ledger: Ledger, request_id: str, amount: int) -> int:
    """Settle an unsettled reservation with what was really spent (picodollars; 0 gives it back); what was set aside.

    Raises UnknownNameError for an id without one, InputError where its gateway still runs, or for a wrong amount.
    """
    if amount < 0:
        raise InputError("an amount cannot be below 0", hint="Write dollars like 0.0125", field="AMOUNT")
    mark_dead(ledger)
    own = ledger.rows("SELECT sum(amount), min(unsettled) FROM reservations WHERE id = ?", (request_id,))[0]
    if own[0] is None:
        known = [row.id for row in unsettled(ledger)[: MOST_AT_ONCE * 5]]
        raise UnknownNameError("unsettled request", request_id, known)
    if not own[1]:
        raise InputError(
            f"request {request_id} is still under way", hint="Its gateway settles it; wait, or stop the gateway"
        )
    with ledger.change() as connection:
        settle(connection, {request_id: amount})
    ledger.audit("reservation settled", {"request": request_id})
    return int(own[0])


# ------------------------------------------------------------------------------------------------------------ pruning


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """Months that go: whole (``months``), or only their prompts and answers (``bodies``), with their rows.

    ``audit`` counts the entries at the beginning of the audit that go.
    """

    months: dict[str, int]
    bodies: dict[str, int]
    audit: int = 0


def prune(
    ledger: Ledger, keep_days: int, bodies_days: int = 0, audit_days: int = 0, *, dry_run: bool = False
) -> Pruned:
    """Forget months that ended more than ``keep_days`` ago (0: none), and bodies that did ``bodies_days`` ago.

    The audit outlives the months; its entries go after ``audit_days`` (0: never). A month goes whole: its tables are
    dropped, which takes no time per row. Roll-ups stay. The month of the clock never goes. A gateway may run meanwhile.
    """
    now = ledger.clock()
    months = [str(month) for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month")]
    past = [month for month in months if month < month_of(now)]
    whole = [month for month in past if keep_days > 0 and bounds_of(month)[1] <= now - keep_days * 86_400]
    only = [
        month
        for month in past
        if month not in whole and bodies_days > 0 and bounds_of(month)[1] <= now - bodies_days * 86_400
    ]
    found = Pruned(
        months={month: _count(ledger, f"records_{month}") for month in whole},
        bodies={month: count for month in only if (count := _count(ledger, f"bodies_{month}"))},
        audit=audit.cut(ledger, audit_days, dry_run=True),
    )
    if dry_run:
        return found
    for month in found.months:  # one transaction each: nobody has to wait for all of them
        with ledger.change() as connection:
            if month_of(now) not in segments_of(connection):
                add_segment(connection, month_of(now))  # the views need one
            _wipe_bodies(connection, month)
            drop_segments(connection, [month])
            connection.execute(
                "INSERT INTO meta VALUES ('pruned_until', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (str(max(pruned_until(ledger), bounds_of(month)[1])),),
            )
    for month in found.bodies:
        with ledger.change() as connection:
            _wipe_bodies(connection, month)
    if found.months:
        ledger.audit("months pruned", {"months": ", ".join(found.months)})
    return msgspec.structs.replace(found, audit=audit.cut(ledger, audit_days))


def _wipe_bodies(connection: sqlite3.Connection, month: str) -> None:
    """Overwrite what was asked and answered; free pages of other tables keep names and figures until used again."""
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"DELETE FROM bodies_{month}")
    connection.execute("PRAGMA secure_delete = FAST")


def _count(ledger: Ledger, table: str) -> int:
    return int(ledger.rows(f"SELECT count(*) FROM {table}")[0][0])


# ------------------------------------------------------------------------------------------------------------- backup


def backup(ledger: Ledger, target: Path) -> int:
    """Copy the ledger as of now, while it is written to; bytes of the copy. An existing file is not overwritten."""
    if target.exists():
        raise FileError("a file of this name exists", hint="Name a new file", file=str(target))
    part = target.with_name(target.name + ".part")
    with told(ledger.path):
        try:
            ledger.copy_to(part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return target.stat().st_size


def refuse_while_written(path: Path) -> None:
    """StoreError where a gateway or a client has the ledger open to write."""
    count = len(writers(path))
    if count:
        raise StoreError(f"{count} gateway or client has the ledger open", hint="Stop it first", file=str(path))
