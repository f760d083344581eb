from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossover.ledger import audit, care, queries
from crossover.ledger.rows import best_of, decision_id, decision_of, mend
from crossover.ledger.words import Alternative, AttemptRow, Privacy, Record
from tests.ledger.parts import DAY, HOUR, NOON, RECORDS, local, opened, record, write


@settings(max_examples=15)
@given(st.lists(RECORDS, max_size=25, unique_by=lambda each: each.id))
def test_what_is_written_is_read_back_and_sums_agree(records: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "ledger.db") as ledger:
        write(ledger, records)
        found = list(queries.records(ledger, 0, NOON + 400 * DAY))
        assert sorted(found, key=lambda each: each.id) == sorted(records, key=lambda each: each.id)
        assert care.check(ledger) == []  # the sums made in memory are those that SQL takes from the rows
        assert audit.verify(ledger).good
        total = queries.total(ledger, 0, NOON + 400 * DAY)
        assert total.requests == len(records)
        assert total.cost == sum(each.cost for each in records)
        assert total.marginal == sum(each.marginal for each in records)
        assert total.output_tokens == sum(each.output_tokens for each in records)
        assert total.attempts == sum(len(each.attempts) for each in records)
        bests = [(best, each.marginal) for each in records if (best := best_of(each)) is not None]
        assert total.compared == len(bests)
        assert total.saved == sum(best - marginal for best, marginal in bests)
        for each in records:
            assert queries.one(ledger, each.id) == each
        before = ledger.rows("SELECT * FROM rollups ORDER BY hour, key, asked, deployment, provider, zone, local")
        care.mend_sums(ledger)
        assert before == ledger.rows(
            "SELECT * FROM rollups ORDER BY hour, key, asked, deployment, provider, zone, local"
        )


@pytest.mark.parametrize(
    ("facts", "best"),
    [
        ({}, None),
        ({"alternatives": (Alternative("a", 5), Alternative("b", 3))}, 3),
        ({"alternatives": (Alternative("a", 5), Alternative("b", 3, permitted=False))}, 5),
        ({"alternatives": (Alternative("other-box", 1, local=True), Alternative("a", 5))}, 5),
        ({"alternatives": (Alternative("other-box", 1, local=True),)}, None),
    ],
)
def test_a_local_answer_is_compared_with_the_cheapest_permitted_api(facts: dict[str, Any], best: int | None) -> None:
    assert best_of(local(**({"alternatives": ()} | facts))) == best


def test_a_paid_answer_is_compared_with_itself_too() -> None:
    assert best_of(record(cost=7)) == 7
    assert best_of(record(cost=7, alternatives=(Alternative("a", 3),))) == 3
    assert best_of(record(cost=7, cost_known=False)) is None
    assert best_of(record(cost=0, deployment="")) is None  # nothing answered


def test_one_decision_is_kept_once(tmp_path: Path) -> None:
    refused = (("big", "it is full"),)
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record(f"a{n}", refused=refused) for n in range(50)])
        write(ledger, [record(f"b{n}", refused=refused) for n in range(50)])  # another writer, another process's id
        assert ledger.rows("SELECT count(*) FROM decisions_2026_11") == [(1,)]
        found = queries.one(ledger, "b7")
    assert found is not None
    assert found.refused == refused
    assert found.codes == ()


def test_a_refusal_keeps_its_code(tmp_path: Path) -> None:
    refused = (("big", "it is full"), ("far", "abroad"))
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("a", refused=refused, codes=("busy", "law")), record("b", refused=refused)])
        noted, plain = queries.one(ledger, "a"), queries.one(ledger, "b")
        assert care.check(ledger) == []
    assert noted is not None
    assert plain is not None
    assert (noted.refused, noted.codes) == (refused, ("busy", "law"))
    assert (plain.refused, plain.codes) == (refused, ())


def test_the_id_of_a_decision_is_its_content() -> None:
    first, second = decision_of(record("a")), decision_of(record("b", time=NOON + HOUR, cost=1))
    assert decision_id(first) == decision_id(second)
    assert 0 <= decision_id(first) < 2**63
    assert decision_id(decision_of(record(decision="another"))) != decision_id(first)


def test_names_nobody_configured_share_one_roll_up(tmp_path: Path) -> None:
    made_up = [record(f"r{n}", asked=f"guess-{n}", deployment="", http_status=404, status="refused") for n in range(30)]
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, made_up)
        assert [group.name for group in queries.spend(ledger, 0, NOON + DAY, "alias")] == ["(unknown)"]
        assert care.check(ledger) == []


def test_long_names_from_outside_are_cut(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record(asked="x" * 10**6, error="y" * 10**6)])
        found = queries.one(ledger, "req_1")
    assert found is not None
    assert (len(found.asked), len(found.error)) == (200, 500)


BAD: list[dict[str, Any]] = [
    {"asked": "\ud800"},
    {"cost": 2**70, "marginal": -(2**70)},
    {"total_ms": math.nan},
    {"time": math.inf},
    {"time": -5.0},
    {"time": 1e18},
    {"input_tokens": None},
    {"key": None},
    {"status": "odd"},
    {"alternatives": (Alternative("\udfff", 2**64),)},
    {"refused": (("\ud800", "why"),)},
    {"privacy": Privacy(opaque="\ud800", counts=(("health", "\ud800", "hard", 2**70),), action="block")},
    {"attempts": (AttemptRow(deployment="mini", outcome="ok", start_ms=0, duration_ms=0, zone="\ud800", left=True),)},
]


@pytest.mark.parametrize("facts", BAD, ids=[str(next(iter(facts))) for facts in BAD])
def test_a_row_no_database_takes_is_mended_and_takes_no_other_with_it(tmp_path: Path, facts: dict[str, Any]) -> None:
    rows = [record("before"), record("bad", **facts), record("after")]
    with opened(tmp_path / "ledger.db") as ledger:
        writer = ledger.writer()
        for each in rows:
            writer.append(each)
        writer.close()
        assert writer.health().lost == 0
        assert writer.health().mended >= 1
        assert ledger.rows("SELECT count(*) FROM records") == [(3,)]
        assert queries.one(ledger, "before") == rows[0]
        assert queries.one(ledger, "after") == rows[2]
        assert care.check(ledger) == []


def test_mending_leaves_good_rows_as_they_are() -> None:
    assert mend(record(), 0.0) == record()
    assert mend(local(reserved=True), 0.0) == local(reserved=True)


def test_two_rows_of_one_id_are_both_kept(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("twin"), record("twin", cost=5), record("other")])
        write(ledger, [record("twin", cost=6)])
        ids = [row[0] for row in ledger.rows("SELECT id FROM records ORDER BY number")]
        assert ids == ["twin", "twin~2", "other", "twin~3"]
        assert queries.total(ledger, 0, NOON + DAY).requests == 4
        assert care.check(ledger) == []


def test_a_sum_of_money_may_exceed_what_one_number_holds(tmp_path: Path) -> None:
    most = 2**62
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record(f"r{n}", time=NOON + n * HOUR, cost=most, marginal=most) for n in range(4)])
        assert queries.total(ledger, 0, NOON + DAY).cost == 4 * most
        assert queries.spend(ledger, 0, NOON + DAY, "key")[0].totals.marginal == 4 * most


def test_a_record_needs_every_field_of_the_word() -> None:
    """Who adds a field to Record must add a column: what is not written is lost."""
    written = {*decision_fields(), *RECORD_FIELDS}
    assert {field.name for field in msgspec.structs.fields(Record)} == written


RECORD_FIELDS = {
    "id", "time", "key", "status", "http_status", "error", "streamed", "queue_ms", "ttft_ms", "total_ms",
    "input_tokens", "cached_read", "cache_write_5m", "cache_write_1h", "output_tokens", "reasoning", "images",
    "input_basis", "output_basis", "cost", "cost_known", "marginal", "attempts", "alternatives", "reserved",
    "privacy", "codes",
}  # fmt: skip


def decision_fields() -> set[str]:
    from crossover.ledger.schema import DECISION_COLUMNS

    return set(DECISION_COLUMNS[1:]) - {"reason", "went", "away"} | {"decision"}
