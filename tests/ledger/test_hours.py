"""Sums over time: the same as the sums of a period, span by span."""

from __future__ import annotations

from pathlib import Path

from crossover.ledger import hours, queries
from crossover.ledger.schema import SHORT_COLUMNS, add_short
from tests.ledger.parts import DAY, HOUR, NOON, local, opened, record, stopped, write


def rows() -> list[object]:
    return [
        record("a", time=NOON - 2 * HOUR), local("b", time=NOON - 2 * HOUR), local("c", time=NOON - HOUR),
        stopped("d", time=NOON), record("e", time=NOON + 1), record("f", time=NOON - DAY),
    ]  # fmt: skip


def test_spans_hold_who_answered(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, rows())  # type: ignore[arg-type]
        found = hours.hours(ledger, NOON - 2 * HOUR, NOON + HOUR)
        assert (found.since, found.step, len(found.spans)) == (NOON - 2 * HOUR, 3600, 3)
        assert [sorted(span) for span in found.spans] == [["api", "local"], ["local"], ["api", "nobody"]]
        assert [one.requests for one in found.each()] == [2, 1, 2]
        assert [one.requests for one in found.each("local")] == [1, 1, 0]


def test_the_whole_is_what_the_totals_say(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, rows())  # type: ignore[arg-type]
        totals = queries.total(ledger, NOON - 3 * DAY, NOON + DAY)
        for span in hours.SPANS:
            whole = hours.hours(ledger, NOON - 3 * DAY, NOON + DAY, span).whole()
            assert all(getattr(whole, name) == getattr(totals, name) for name in hours.Sums.__struct_fields__)
            assert whole.saved == totals.saved


def test_spans_begin_at_whole_spans_and_are_few_enough(tmp_path: Path) -> None:
    assert hours.span_of(NOON, NOON + DAY, 60) == 1
    assert hours.span_of(NOON, NOON + 30 * DAY, 60) == 12
    assert hours.span_of(0, 4e9, 60) == hours.SPANS[-1]
    with opened(tmp_path / "l.db") as ledger:
        found = hours.hours(ledger, NOON - 5 * HOUR, NOON, 24)
        assert (found.since % DAY, len(found.spans)) == (0, 1)
        assert hours.begin(ledger) is None


def test_sums_beyond_a_bigint_are_no_error(tmp_path: Path) -> None:
    most = 9 * 10**18
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [record(f"r{number}", cost=most, marginal=most, key=f"k{number}") for number in range(3)])
        assert abs(hours.hours(ledger, NOON, NOON + HOUR).whole().cost - 3 * most) < 10**9
        assert ledger.rows("SELECT count(*) FROM records WHERE cost = ?", (most,)) == [(3,)]  # none had to be mended


def test_zones_say_whose_they_are(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, rows())  # type: ignore[arg-type]
        assert hours.zones(ledger, NOON - 3 * DAY, NOON + DAY) == [("us", False, 3), ("home", True, 2)]


def test_deployments_and_keys_have_sums_of_their_own(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, rows())  # type: ignore[arg-type]
        found = hours.by_deployment(ledger, NOON - 2 * HOUR, NOON + HOUR)
        assert {name: sums.requests for name, sums in found.items()} == {"box": 2, "mini": 2, "": 1}
        assert {name: sums.requests for name, sums in hours.by_key(ledger, NOON, NOON).items()} == {"": 4, "key_1": 1}


def test_what_stood_idle_is_what_the_queries_say(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, rows())  # type: ignore[arg-type]
        hourly = {"box": 10**12, "unused": 5 * 10**11}
        for since in (NOON - 3 * DAY, NOON - HOUR):
            assert hours.idle(ledger, hourly, since, NOON + HOUR) == queries.idle(ledger, hourly, since, NOON + HOUR)


def test_a_ledger_of_before_gets_its_short_roll_ups(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, rows())  # type: ignore[arg-type]
        before = [ledger.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in SHORT_COLUMNS]
        with ledger.change() as connection:
            for table in SHORT_COLUMNS:
                connection.execute(f"DROP TABLE {table}")
            add_short(connection)
        assert [ledger.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in SHORT_COLUMNS] == before
