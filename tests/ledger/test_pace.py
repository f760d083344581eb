"""Latencies from a sample: exact where all rows are read, spread evenly where they are not."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from crossover.ledger.pace import CLUSTER, Quantiles, clusters, pace, quantiles
from crossover.ledger.places import Stretch
from crossover.ledger.words import Alternative
from tests.ledger.parts import HOUR, NOON, local, opened, record, stopped, write


def test_all_rows_are_read_where_they_are_few(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [record(f"r{n:03}", time=NOON + n, ttft_ms=n + 1.0, total_ms=10.0 * n) for n in range(100)])
        found = pace(ledger, NOON, NOON + HOUR)
        assert not found.estimated
        assert (found.read, found.rows) == (100, 100)
        assert found.all is not None
        assert found.all.first == Quantiles(50.0, 95.0, 100)
        assert found.by["mini"].total == Quantiles(490.0, 940.0, 100)


def test_a_period_takes_its_own_rows_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [record(f"r{n:03}", time=NOON + n * 60, ttft_ms=1.0 + (n >= 30)) for n in range(60)])
        found = pace(ledger, NOON, NOON + 30 * 60)
        assert found.all is not None
        assert found.all.first == Quantiles(1.0, 1.0, 30)
        assert pace(ledger, NOON - HOUR, NOON).all is None


def test_parts_have_first_tokens_of_their_own_where_there_are_enough(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        rows = [record(f"a{n}", time=NOON + n, ttft_ms=5.0) for n in range(20)]
        rows += [record(f"b{n}", time=NOON + HOUR + n, ttft_ms=7.0) for n in range(3)]
        write(ledger, rows)
        assert pace(ledger, NOON, NOON + 2 * HOUR, 2).parts == (Quantiles(5.0, 5.0, 20), None)


def test_a_sample_of_many_rows_is_small_and_near(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [record(f"r{n:05}", time=NOON + n, ttft_ms=1.0 + n * 7919 % 1000) for n in range(5000)])
        found = pace(ledger, NOON, NOON + 2 * HOUR, sample=1000)
        assert found.estimated
        assert (found.read, found.rows) == (1000, 5000)
        assert found.all is not None
        assert found.all.first is not None
        assert abs(found.all.first.p50 - 500) < 60
        assert abs(found.all.first.p95 - 950) < 60


def test_faults_are_counted_by_deployment_and_code(tmp_path: Path) -> None:
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [stopped("a"), stopped("b"), record("c", status="truncated"), record("d")])
        assert pace(ledger, NOON, NOON + HOUR).faults == {("", "no_target"): 2, ("mini", "truncated"): 1}


def test_own_machines_alone_are_priced_where_a_price_is_known(tmp_path: Path) -> None:
    api = record("a", alternatives=(Alternative("box", 7, local=True), Alternative("old", 9, local=True)))
    with opened(tmp_path / "l.db") as ledger:
        write(ledger, [api, local("b", cost=5), record("c"), stopped("d")])
        found = pace(ledger, NOON, NOON + HOUR)
        assert (found.own, found.own_known, found.read) == (12, 2, 4)


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=4), st.integers(CLUSTER, 300)
)  # fmt: skip
def test_clusters_lie_within_the_stretches_and_do_not_exceed_the_sample(sizes: list[int], sample: int) -> None:
    places = [Stretch(f"2026_{number:02}", 10, 10 + size) for number, size in enumerate(sizes)]
    found = list(clusters(places, sample))
    bounds = {place.month: place for place in places}
    assert all(bounds[one.month].low <= one.low <= one.high <= bounds[one.month].high for one in found)
    assert sum(map(len, found)) <= sample


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_quantiles_are_values_that_occurred(values: list[float]) -> None:
    found = quantiles(values)
    assert found.p50 in values
    assert found.p95 in values
    assert found.p50 <= found.p95
