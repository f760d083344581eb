"""The tables of the ledger and their numbered migrations, in the SQL that SQLite and PostgreSQL share.

One word differs between the two engines: the type of a row's own number (``_NUMBER``; ``bigint primary key`` in
PostgreSQL). Money is picodollars and times are microseconds, both as bigint; truth is 0 or 1.

Rows of requests live in *segments*, one set of tables per month (UTC), so that forgetting a month is dropping its
tables. The views ``records``, ``attempts``, ``alternatives`` and ``bodies`` show all segments as one. What repeats from
request to request (names, reason, refusals) is kept once per segment in ``decisions`` under the hash of its content,
which makes a record narrow; the view joins them again.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterable

from crossover.errors import StoreError
from crossover.ledger.files import transaction

_NUMBER = "integer primary key"
CHILDREN = 1024  # numbers kept for the attempts (and alternatives) of one record: number of the record * 1024 + place

# What a record has beside its decision, in the order of the columns. NUMBERS of the roll-ups are summed from these.
# New columns stand at the end: that is where a migration puts them.
RECORD_COLUMNS = (
    "number", "id", "time", "decision", "key", "status", "http_status", "error", "flags", "queue_ms", "ttft_ms",
    "total_ms", "input_tokens", "cached_read", "cache_write_5m", "cache_write_1h", "output_tokens", "reasoning",
    "images", "cost", "marginal", "best", "counts", "audit",
)  # fmt: skip
DECISION_COLUMNS = (
    "id", "kind", "door", "asked", "policy", "deployment", "provider", "model", "zone", "local", "tier", "categories",
    "price_source", "reason", "refused", "dropped", "privacy", "went",
    "away",
)  # fmt: skip
ATTEMPT_COLUMNS = (
    "number", "deployment", "outcome", "start_ms", "duration_ms", "upstream_status", "accepted", "input_tokens",
    "output_tokens", "cost",
)  # fmt: skip
ALTERNATIVE_COLUMNS = ("number", "deployment", "cost", "permitted", "local")
BODY_COLUMNS = ("id", "time", "question", "answer")
STREAMED, INPUT_ESTIMATED, OUTPUT_ESTIMATED, UNPRICED, RESERVED = 1, 2, 4, 8, 16  # bits of ``flags``

SEGMENT_TABLES: dict[str, tuple[str, ...]] = {
    "records": RECORD_COLUMNS,
    "decisions": DECISION_COLUMNS,
    "attempts": ATTEMPT_COLUMNS,
    "alternatives": ALTERNATIVE_COLUMNS,
    "bodies": BODY_COLUMNS,
}
_TYPES = {
    "queue_ms": "double precision not null", "ttft_ms": "double precision not null",
    "total_ms": "double precision not null", "start_ms": "double precision not null",
    "duration_ms": "double precision not null", "best": "bigint",
} | dict.fromkeys(
    ("time", "decision", "http_status", "flags", "input_tokens", "cached_read", "cache_write_5m", "cache_write_1h",
     "output_tokens", "reasoning", "images", "cost", "marginal", "local", "upstream_status", "accepted", "permitted"),
    "bigint not null",
)  # fmt: skip
# What migration 2 added: rows of before have the default, which stands in new months too, so that all are alike.
_AUDITED: dict[str, dict[str, str]] = {
    "records": {  # findings as JSON; number of the entry in the audit (0: it has none)
        "counts": "text not null default ''",
        "audit": "bigint not null default 0",
    },
    "decisions": {
        "privacy": "text not null default ''",  # profile, detector, what was opaque, rule, action
        "went": "text not null default ''",  # of each attempt: left, zone, provider, party, action, redacted
        "away": "bigint not null default 0",  # how many attempts left
    },
}

GROUP_COLUMNS = ("hour", "key", "asked", "deployment", "provider", "zone", "local")
SUM_COLUMNS = (
    "requests", "ok", "errors", "refused", "cancelled", "truncated", "attempts", "estimated", "unpriced",
    "input_tokens", "cached_read", "cache_written", "output_tokens", "reasoning", "cost", "marginal",
    "compared", "all_api", "compared_marginal",
)  # fmt: skip
# Roll-ups of roll-ups, for pages that show a year: few rows, because what makes most groups (keys, names) is left out.
SHORT_COLUMNS: dict[str, tuple[str, ...]] = {
    "hours": ("hour", "deployment", "provider", "zone", "local"), "days": ("day", "key")
}  # fmt: skip
UNKNOWN_NAME = "(unknown)"  # names nobody configured share one roll-up: a caller who makes up names fills no table

# The same sums as :func:`crossover.ledger.rows.batch_of`, taken from the rows: for check and repair.
ROLL_UP_FROM_ROWS = f"""
SELECT r.time_us / 3600000000 AS hour, r.key,
  CASE WHEN r.deployment = '' AND r.http_status = 404 THEN '{UNKNOWN_NAME}' ELSE r.asked END AS asked_name,
  r.deployment, r.provider, r.zone, r.local,
  count(*), sum(CASE WHEN r.status = 'ok' THEN 1 ELSE 0 END), sum(CASE WHEN r.status = 'error' THEN 1 ELSE 0 END),
  sum(CASE WHEN r.status = 'refused' THEN 1 ELSE 0 END), sum(CASE WHEN r.status = 'cancelled' THEN 1 ELSE 0 END),
  sum(CASE WHEN r.status = 'truncated' THEN 1 ELSE 0 END), sum(r.attempts),
  sum(CASE WHEN r.flags & {INPUT_ESTIMATED | OUTPUT_ESTIMATED} > 0 THEN 1 ELSE 0 END),
  sum(CASE WHEN r.flags & {UNPRICED} > 0 THEN 1 ELSE 0 END),
  sum(r.input_tokens), sum(r.cached_read), sum(r.cache_write_5m + r.cache_write_1h), sum(r.output_tokens),
  sum(r.reasoning), sum(r.cost), sum(r.marginal),
  sum(CASE WHEN r.best IS NULL THEN 0 ELSE 1 END), sum(coalesce(r.best, 0)),
  sum(CASE WHEN r.best IS NULL THEN 0 ELSE r.marginal END)
FROM records r WHERE r.time_us >= ?
GROUP BY r.time_us / 3600000000, r.key, CASE WHEN r.deployment = '' AND r.http_status = 404 THEN '{UNKNOWN_NAME}'
  ELSE r.asked END, r.deployment, r.provider, r.zone, r.local
"""


def create_first(connection: sqlite3.Connection) -> None:
    """Migration 1: everything that lives longer than a month; segments come with their first row."""
    sums = ", ".join(f"{name} bigint not null" for name in SUM_COLUMNS)
    for statement in (
        "CREATE TABLE meta (name text primary key, value text not null)",
        "CREATE TABLE segments (month text primary key)",
        f"CREATE TABLE rollups (hour bigint not null, key text not null, asked text not null, "
        f"deployment text not null, provider text not null, zone text not null, local bigint not null, {sums}, "
        f"primary key ({', '.join(GROUP_COLUMNS)}))",
        # since: Unix second at which the period began; a budget is charged in the latest period that ever began
        "CREATE TABLE budgets (name text not null, period text not null, since bigint not null, "
        "spent bigint not null, reserved bigint not null, ceiling bigint not null, primary key (name, period, since))",
        "CREATE TABLE reservations (id text not null, budget text not null, period text not null, "
        "since bigint not null, amount bigint not null, time bigint not null, owner text not null, "
        "unsettled bigint not null, primary key (id, budget, period, since))",
        "CREATE TABLE keys (id text primary key, name text not null, hash text not null unique, "
        "created double precision not null, revoked double precision, expires double precision, rpm bigint not null, "
        "tpm bigint not null, aliases text not null, policy text, sensitivity text, budget bigint not null, "
        "budget_period text not null)",
        f"CREATE TABLE evidence (number {_NUMBER}, subject text not null, metric text not null, "
        "value double precision not null, unit text not null, kind text not null, source text not null, "
        "day text not null, method text not null, low double precision, high double precision, n bigint, "
        "expires text, verified bigint not null, context text not null)",
        "CREATE INDEX evidence_subject ON evidence (subject, metric)",
        "CREATE TABLE propensities (request text not null, deployment text not null, time bigint not null, "
        "policy text not null, probability double precision not null, chosen bigint not null, "
        "primary key (request, deployment))",
        f"CREATE TABLE audit (number {_NUMBER}, time bigint not null, previous text not null, hash text not null, "
        "entry text not null)",
    ):
        connection.execute(statement)


def add_privacy(connection: sqlite3.Connection) -> None:
    """Migration 2: what privacy found and decided, what left to whom, and the audit found by time."""
    hide_segments(connection)
    for month in segments_of(connection):
        for table, columns in _AUDITED.items():
            for name, kind in columns.items():
                connection.execute(f"ALTER TABLE {table}_{month} ADD COLUMN {name} {kind}")
    if segments_of(connection):
        show_segments(connection)
    connection.execute("CREATE INDEX audit_time ON audit (time)")


def add_grades(connection: sqlite3.Connection) -> None:
    """Migration 3: comparisons of a weaker model's answers with a stronger one's.

    They hold the probability with which chance drew them, so nothing ever wrote the table made for that.
    """
    connection.execute("DROP TABLE propensities")
    connection.execute(
        f"CREATE TABLE grades (number {_NUMBER}, request text not null, time bigint not null, route text not null, "
        "kind text not null, weak text not null, strong text not null, probability double precision not null, "
        "kept bigint not null, score double precision, loss double precision not null, grader text not null, "
        "weak_cost bigint not null, strong_cost bigint not null, weak_ms double precision not null, "
        "strong_ms double precision not null)"
    )
    connection.execute("CREATE INDEX grades_route ON grades (route, time)")


def add_short(connection: sqlite3.Connection) -> None:
    """Migration 4: the roll-ups by hour and deployment, and by day and key, summed from those there are."""
    kinds = dict.fromkeys(("deployment", "provider", "zone", "key"), "text not null")
    for table, columns in SHORT_COLUMNS.items():
        parts = [f"{name} {kinds.get(name, 'bigint not null')}" for name in (*columns, *SUM_COLUMNS)]
        connection.execute(f"CREATE TABLE {table} ({', '.join(parts)}, primary key ({', '.join(columns)}))")
    sum_short(connection)


def sum_short(connection: sqlite3.Connection) -> None:
    """Make the short roll-ups anew; inside the caller's transaction."""
    for table in SHORT_COLUMNS:
        connection.execute(f"DELETE FROM {table}")
        connection.execute(f"INSERT INTO {table} {short_from_roll_ups(table)}")


def short_from_roll_ups(table: str) -> str:
    """The SELECT that gives a table of short roll-ups. A sum beyond a bigint is no error; its last digits are lost."""
    groups = ", ".join("hour / 24" if name == "day" else name for name in SHORT_COLUMNS[table])
    sums = ", ".join(f"sum({name} / 1000000) * 1000000 + sum({name} % 1000000)" for name in SUM_COLUMNS)
    return f"SELECT {groups}, {sums} FROM rollups GROUP BY {groups}"


Migration = tuple[str, Callable[[sqlite3.Connection], None]]
MIGRATIONS: tuple[Migration, ...] = (
    ("tables", create_first),
    ("privacy", add_privacy),
    ("grades", add_grades),
    ("short roll-ups", add_short),
)
AUDITED_SINCE = 2  # the number of the migration from which on requests that leave are in the audit


def version_of(connection: sqlite3.Connection) -> int | None:
    """The number of the last migration applied; 0 in an empty file, None in a database that is no ledger."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "migrations" not in names:
        return None if names else 0
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()[0])


def refuse_strange(version: int | None, known: int, path: str) -> None:
    """StoreError for a file that is no ledger, or one that a newer Crossover wrote."""
    if version is None:
        raise StoreError("this is a database, but not a ledger of Crossover", hint="Name another file", file=path)
    if version > known:
        raise StoreError(
            f"the ledger has format {version} and this Crossover knows {known}",
            hint="A newer Crossover wrote it: use that one, or restore a backup made before",
            file=path,
        )


def migrate(
    connection: sqlite3.Connection, path: str, now: float, migrations: tuple[Migration, ...] = MIGRATIONS
) -> None:
    """Apply what is missing, all or nothing. Two processes that open one file at once do it once."""
    version = version_of(connection)
    refuse_strange(version, len(migrations), path)
    if version == len(migrations):
        return
    with transaction(connection):
        version = version_of(connection) or 0
        if version == 0:
            connection.execute(
                "CREATE TABLE migrations (number bigint primary key, name text not null, applied bigint not null)"
            )
        for number, (name, apply) in enumerate(migrations[version:], version + 1):
            apply(connection)
            connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", (number, name, int(now)))
        if not segments_of(connection):
            add_segment(connection, month_of(now))


def month_of(time: float) -> str:
    """The segment of a moment: ``2026_11``, in UTC."""
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y_%m")


def bounds_of(month: str) -> tuple[int, int]:
    """The Unix second at which a segment's month begins, and the one at which the next begins."""
    year, number = int(month[:4]), int(month[5:7])
    begin = dt.datetime(year, number, 1, tzinfo=dt.UTC)
    end = dt.datetime(year + number // 12, number % 12 + 1, 1, tzinfo=dt.UTC)
    return int(begin.timestamp()), int(end.timestamp())


def segments_of(connection: sqlite3.Connection) -> list[str]:
    """The months that have tables, oldest first."""
    return [month for (month,) in connection.execute("SELECT month FROM segments ORDER BY month")]


def add_segment(connection: sqlite3.Connection, month: str) -> None:
    """Make the tables of a month and show them in the views; inside the caller's transaction."""
    for table, columns in SEGMENT_TABLES.items():
        parts = [f"{name} {_type(table, name)}" for name in columns]
        connection.execute(f"CREATE TABLE {table}_{month} ({', '.join(parts)})")
    connection.execute("INSERT INTO segments VALUES (?)", (month,))
    show_segments(connection)


def drop_segments(connection: sqlite3.Connection, months: Iterable[str]) -> None:
    """Forget whole months; inside the caller's transaction."""
    hide_segments(connection)
    for month in months:
        for table in SEGMENT_TABLES:
            connection.execute(f"DROP TABLE {table}_{month}")
        connection.execute("DELETE FROM segments WHERE month = ?", (month,))
    show_segments(connection)


def hide_segments(connection: sqlite3.Connection) -> None:
    """Take the views away, so that tables below them may go."""
    for view in ("records", "attempts", "alternatives", "bodies"):
        connection.execute(f"DROP VIEW IF EXISTS {view}")


def show_segments(connection: sqlite3.Connection) -> None:
    """Make the views anew over the segments there are."""
    hide_segments(connection)
    months = segments_of(connection)
    for view, select in _VIEWS.items():
        union = " UNION ALL ".join(select.replace("$", month) for month in months)
        connection.execute(f"CREATE VIEW {view} AS {union}")


def _type(table: str, column: str) -> str:
    if column in _AUDITED.get(table, ()):
        return _AUDITED[table][column]
    if column == "number" or (table, column) == ("decisions", "id"):
        return _NUMBER
    if column == "id":
        return "text primary key" if table == "bodies" else "text not null unique"
    return _TYPES.get(column, "text not null")


_OWN = ", ".join(f"r.{name}" for name in RECORD_COLUMNS if name not in ("time", "decision"))
# What stands for a decision that damage took: records outlive it.
_EMPTY = "''"
_LOST = {"kind": "'chat'", "local": "0", "away": "0", "categories": "'[]'", "refused": "'[]'", "dropped": "'[]'"}
_JOINED = ", ".join(
    f"coalesce(d.{name}, {_LOST.get(name, _EMPTY)}) AS {name}" for name in DECISION_COLUMNS if name != "id"
)
_RANGE = f"BETWEEN r.number * {CHILDREN} AND r.number * {CHILDREN} + {CHILDREN - 1}"
_VIEWS = {
    "records": f"SELECT r.time AS time_us, {_OWN}, {_JOINED}, "
    f"(SELECT count(*) FROM attempts_$ a WHERE a.number {_RANGE}) AS attempts "
    "FROM records_$ r LEFT JOIN decisions_$ d ON d.id = r.decision",
    "attempts": "SELECT r.id AS request, r.time AS time_us, "
    + ", ".join(f"a.{name}" for name in ATTEMPT_COLUMNS)
    + f" FROM records_$ r JOIN attempts_$ a ON a.number {_RANGE}",
    "alternatives": "SELECT r.id AS request, r.time AS time_us, "
    + ", ".join(f"a.{name}" for name in ALTERNATIVE_COLUMNS)
    + f" FROM records_$ r JOIN alternatives_$ a ON a.number {_RANGE}",
    "bodies": "SELECT id AS request, time AS time_us, question, answer FROM bodies_$",
}  # ``number`` counts within one segment only
