from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from crossover.errors import StoreError
from crossover.ledger import care, queries
from crossover.ledger.schema import MIGRATIONS, Migration, bounds_of, month_of
from crossover.ledger.store import open_ledger
from tests.ledger.parts import DAY, NOON, opened, record, ticking, write

NAMES = [(number, name) for number, (name, _) in enumerate(MIGRATIONS, 1)]

# The tables as version 1 made them, and rows that it wrote. Never changed: files like this one are out there.
VERSION_1 = """
CREATE TABLE migrations (number bigint primary key, name text not null, applied bigint not null);
CREATE TABLE meta (name text primary key, value text not null);
CREATE TABLE segments (month text primary key);
CREATE TABLE rollups (hour bigint not null, key text not null, asked text not null, deployment text not null,
  provider text not null, zone text not null, local bigint not null, requests bigint not null, ok bigint not null,
  errors bigint not null, refused bigint not null, cancelled bigint not null, truncated bigint not null,
  attempts bigint not null, estimated bigint not null, unpriced bigint not null, input_tokens bigint not null,
  cached_read bigint not null, cache_written bigint not null, output_tokens bigint not null, reasoning bigint not null,
  cost bigint not null, marginal bigint not null, compared bigint not null, all_api bigint not null,
  compared_marginal bigint not null, primary key (hour, key, asked, deployment, provider, zone, local));
CREATE TABLE budgets (name text not null, period text not null, since bigint not null, spent bigint not null,
  reserved bigint not null, ceiling bigint not null, primary key (name, period, since));
CREATE TABLE reservations (id text not null, budget text not null, period text not null, since bigint not null,
  amount bigint not null, time bigint not null, owner text not null, unsettled bigint not null,
  primary key (id, budget, period, since));
CREATE TABLE keys (id text primary key, name text not null, hash text not null unique,
  created double precision not null, revoked double precision, expires double precision, rpm bigint not null,
  tpm bigint not null, aliases text not null, policy text, sensitivity text, budget bigint not null,
  budget_period text not null);
CREATE TABLE evidence (number integer primary key, subject text not null, metric text not null,
  value double precision not null, unit text not null, kind text not null, source text not null, day text not null,
  method text not null, low double precision, high double precision, n bigint, expires text, verified bigint not null,
  context text not null);
CREATE INDEX evidence_subject ON evidence (subject, metric);
CREATE TABLE propensities (request text not null, deployment text not null, time bigint not null, policy text not null,
  probability double precision not null, chosen bigint not null, primary key (request, deployment));
CREATE TABLE audit (number integer primary key, time bigint not null, previous text not null, hash text not null,
  entry text not null);
CREATE TABLE records_2026_11 (number integer primary key, id text not null unique, time bigint not null,
  decision bigint not null, key text not null, status text not null, http_status bigint not null, error text not null,
  flags bigint not null, queue_ms double precision not null, ttft_ms double precision not null,
  total_ms double precision not null, input_tokens bigint not null, cached_read bigint not null,
  cache_write_5m bigint not null, cache_write_1h bigint not null, output_tokens bigint not null,
  reasoning bigint not null, images bigint not null, cost bigint not null, marginal bigint not null, best bigint);
CREATE TABLE decisions_2026_11 (id integer primary key, kind text not null, door text not null, asked text not null,
  policy text not null, deployment text not null, provider text not null, model text not null, zone text not null,
  local bigint not null, tier text not null, categories text not null, price_source text not null, reason text not null,
  refused text not null, dropped text not null);
CREATE TABLE attempts_2026_11 (number integer primary key, deployment text not null, outcome text not null,
  start_ms double precision not null, duration_ms double precision not null, upstream_status bigint not null,
  accepted bigint not null, input_tokens bigint not null, output_tokens bigint not null, cost bigint not null);
CREATE TABLE alternatives_2026_11 (number integer primary key, deployment text not null, cost bigint not null,
  permitted bigint not null, local bigint not null);
CREATE TABLE bodies_2026_11 (id text primary key, time bigint not null, question text not null, answer text not null);
CREATE VIEW records AS SELECT r.time AS time_us, r.number, r.id, r.key, r.status, r.http_status, r.error, r.flags,
  r.queue_ms, r.ttft_ms, r.total_ms, r.input_tokens, r.cached_read, r.cache_write_5m, r.cache_write_1h, r.output_tokens,
  r.reasoning, r.images, r.cost, r.marginal, r.best,
  coalesce(d.kind, 'chat') AS kind, coalesce(d.door, '') AS door, coalesce(d.asked, '') AS asked,
  coalesce(d.policy, '') AS policy, coalesce(d.deployment, '') AS deployment, coalesce(d.provider, '') AS
  provider, coalesce(d.model, '') AS model, coalesce(d.zone, '') AS zone, coalesce(d.local, 0) AS local,
  coalesce(d.tier, '') AS tier, coalesce(d.categories, '[]') AS categories, coalesce(d.price_source, '') AS
  price_source, coalesce(d.reason, '') AS reason, coalesce(d.refused, '[]') AS refused, coalesce(d.dropped,
  '[]') AS dropped,
  (SELECT count(*) FROM attempts_2026_11 a WHERE a.number BETWEEN r.number * 1024 AND r.number * 1024 + 1023)
  AS attempts FROM records_2026_11 r LEFT JOIN decisions_2026_11 d ON d.id = r.decision;
CREATE VIEW attempts AS SELECT r.id AS request, r.time AS time_us, a.number, a.deployment, a.outcome, a.start_ms,
  a.duration_ms, a.upstream_status, a.accepted, a.input_tokens, a.output_tokens, a.cost FROM records_2026_11 r
  JOIN attempts_2026_11 a ON a.number BETWEEN r.number * 1024 AND r.number * 1024 + 1023;
CREATE VIEW alternatives AS SELECT r.id AS request, r.time AS time_us, a.number, a.deployment, a.cost, a.permitted,
  a.local FROM records_2026_11 r
  JOIN alternatives_2026_11 a ON a.number BETWEEN r.number * 1024 AND r.number * 1024 + 1023;
CREATE VIEW bodies AS SELECT id AS request, time AS time_us, question, answer FROM bodies_2026_11;
INSERT INTO migrations VALUES (1, 'tables', 1794916800);
INSERT INTO segments VALUES ('2026_11');
INSERT INTO rollups VALUES (498588, '', 'support', 'mini', 'openai', 'us', 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 100, 0, 0, 20,
  0, 27000000, 27000000, 1, 27000000, 27000000);
INSERT INTO budgets VALUES ('team', 'day', 1794873600, 5, 7, 1000);
INSERT INTO reservations VALUES ('open', 'team', 'day', 1794873600, 7, 1794916800, 'gone', 0);
INSERT INTO records_2026_11 VALUES (1, 'req_1', 1794916800000000, 858919281775617333, '', 'ok', 200, '', 0, 0.0,
  90.0, 800.0, 100, 0, 0,
  0, 20, 0, 0, 27000000, 27000000, 27000000);
INSERT INTO decisions_2026_11 VALUES (858919281775617333, 'chat', 'openai', 'support', 'cheapest', 'mini', 'openai',
  'gpt-4o-mini',
  'us', 0, 'none', '[]', 'list', 'the cheapest of two', '[]', '[]');
INSERT INTO attempts_2026_11 VALUES (1024, 'mini', 'ok', 1.0, 799.0, 0, 1, 0, 0, 27000000);
"""


def frozen(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(f"BEGIN;{VERSION_1}COMMIT;")
    connection.close()
    return path


def tables_of(path: Path) -> dict[str, str]:
    """Names of tables and columns with their declared types."""
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {
        name: ", ".join(
            f"{row[1]} {row[2]} {row[3]} {row[5]}" for row in connection.execute(f"PRAGMA table_info({name})")
        )
        for name in names
    }
    connection.close()
    return found


def test_a_file_of_version_1_is_read_and_written_on(tmp_path: Path) -> None:
    path = frozen(tmp_path / "ledger.db")
    with opened(path, NOON + DAY) as ledger:
        assert queries.one(ledger, "req_1") == record()
        write(ledger, [record("req_2")])
        assert queries.one(ledger, "req_2") == record("req_2")
        assert [each.id for each in queries.unsettled(ledger)] == ["open"]
        assert queries.total(ledger, 0, NOON + DAY).requests == 2
        assert care.check(ledger) == []


def test_a_new_file_has_the_tables_of_an_old_one_brought_up_to_date(tmp_path: Path) -> None:
    with opened(frozen(tmp_path / "old.db")), opened(tmp_path / "new.db"):
        pass
    assert tables_of(tmp_path / "old.db") == tables_of(tmp_path / "new.db")


def test_opening_twice_migrates_once(tmp_path: Path) -> None:
    for _ in range(2):
        with opened(tmp_path / "ledger.db") as ledger:
            assert ledger.rows("SELECT number, name FROM migrations") == NAMES


def note(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE notes (text text)")


def break_off(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE halves (text text)")
    raise sqlite3.OperationalError("no more")


NEWER: tuple[Migration, ...] = (*MIGRATIONS, ("notes", note))


def test_migrations_are_applied_in_order_and_recorded(tmp_path: Path) -> None:
    path = frozen(tmp_path / "ledger.db")
    for _ in range(2):
        with open_ledger(path, clock=ticking(), migrations=NEWER) as ledger:
            names = ledger.rows("SELECT number, name FROM migrations ORDER BY number")
            assert names == [*NAMES, (len(NAMES) + 1, "notes")]
            assert ledger.rows("SELECT * FROM notes") == []


def test_a_migration_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = frozen(tmp_path / "ledger.db")
    before = tables_of(path)
    with pytest.raises(StoreError, match="no more"):
        open_ledger(path, clock=ticking(), migrations=(*NEWER, ("halves", break_off)))
    assert tables_of(path) == before
    with opened(path) as ledger:
        assert care.check(ledger) == []


def test_a_file_of_a_newer_crossover_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(path, clock=ticking(), migrations=NEWER):
        pass
    for readonly in (False, True):
        with pytest.raises(
            StoreError,
            match=rf"has format {len(NEWER)} and this Crossover knows {len(NAMES)}.*A newer Crossover wrote it",
        ):
            open_ledger(path, readonly=readonly)


def test_reading_alone_changes_no_format(tmp_path: Path) -> None:
    path = frozen(tmp_path / "ledger.db")
    with pytest.raises(StoreError, match="older format"):
        open_ledger(path, readonly=True, migrations=NEWER)
    assert "notes" not in tables_of(path)


@pytest.mark.parametrize(
    ("time", "month"), [(0.0, "1970_01"), (NOON, "2026_11"), (1_798_761_599.9, "2026_12"), (1_798_761_600.0, "2027_01")]
)
def test_months_are_in_utc(time: float, month: str) -> None:
    assert month_of(time) == month
    begin, end = bounds_of(month)
    assert begin <= time < end
    assert month_of(end) > month


def test_statements_are_in_the_sql_both_engines_share() -> None:
    folder = Path(care.__file__).parent
    text = "\n".join(path.read_text(encoding="utf-8").upper() for path in folder.glob("*.py"))
    for word in ("INSERT OR ", "REPLACE INTO", "AUTOINCREMENT", "WITHOUT ROWID", "IFNULL(", "GLOB "):
        assert word not in text, f"only SQLite knows {word}"
