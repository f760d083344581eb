"""Observed traffic: sums by the hour are exact, samples are fair, and what Crossover asked itself is no traffic."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossover.ledger import observed as module
from crossover.ledger.observed import Observed, names, observed
from crossover.ledger.store import open_ledger
from crossover.ledger.words import Privacy, Record
from tests.ledger.parts import DAY, HOUR, NOON, local, record

BEGIN = NOON - 2 * DAY
LOOKED = Privacy(profile="balanced", detector="1", rule="balanced")


def kept(path: Path, rows: Iterable[Record]) -> Path:
    with open_ledger(path, clock=lambda: NOON) as ledger:
        writer = ledger.writer(flush_s=0.0, capacity=10**6)
        for row in rows:
            writer.append(row)
        writer.close()
    return path


def seen(path: Path, since: float = BEGIN, until: float = NOON, **narrowed: str) -> Observed:
    with open_ledger(path, readonly=True) as ledger:
        return observed(ledger, since, until, **narrowed)


def every(minutes: float, hours: float = 48, *, start: float = BEGIN, **facts: Any) -> list[Record]:
    """One request every so many minutes."""
    count = int(hours * 60 / minutes)
    tag = "".join(str(value)[:8] for value in facts.values())
    return [
        record(f"r{tag}{minutes}{start}_{n}", time=start + n * minutes * 60 + 1, privacy=LOOKED, **facts)
        for n in range(count)
    ]  # fmt: skip


def test_hours_hold_what_was_answered(tmp_path: Path) -> None:
    found = seen(kept(tmp_path / "l.db", every(6)))
    assert found.end - found.begin == 47  # the first hour that holds a request may be a part of one
    assert [hour.requests for hour in found.hours] == [10.0] * 47
    assert found.requests == 470
    assert found.hours[0].input_tokens == 1000
    assert found.hours[0].marginal == pytest.approx(10 * 27_000_000)
    assert len(found.sample.time) == 470
    assert set(found.sample.input.tolist()) == {100}
    assert found.exact


def test_what_failed_is_counted_apart(tmp_path: Path) -> None:
    rows = [*every(6), *every(30, status="error"), *every(60, status="refused")]
    found = seen(kept(tmp_path / "l.db", rows))
    assert found.requests == 470
    assert found.failed == 2 * 47 + 47
    assert len(found.sample.time) == 470


@pytest.mark.parametrize("facts", [{"door": "eval"}, {"door": "loadtest"}, {"door": "shadow"}, {"kind": "embed"}])
@pytest.mark.parametrize("scanned", [module.SCANNED, 0])
def test_what_is_no_traffic_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], scanned: int
) -> None:
    monkeypatch.setattr(module, "SCANNED", scanned)
    rows = [*every(6), *every(6, **facts)]
    found = seen(kept(tmp_path / "l.db", rows))
    assert found.requests == pytest.approx(470)
    assert len(found.sample.time) == 470
    assert found.sample.aside == 470
    assert found.exact == bool(scanned)


def test_one_key_and_one_route(tmp_path: Path) -> None:
    rows = [*every(6, key="a"), *every(12, key="b", asked="search"), *every(20, key="a", asked="search")]
    path = kept(tmp_path / "l.db", rows)
    both = seen(path)
    assert [(row.name, row.requests) for row in both.keys] == [("a", 470 + 141), ("b", 235)]
    assert [(row.name, row.requests) for row in both.routes] == [("support", 470), ("search", 376)]
    assert seen(path, key="b").requests == 235
    assert seen(path, key="a", route="search").requests == 141
    assert len(seen(path, key="a", route="search").sample.time) == 141
    assert [row.name for row in seen(path, route="search").keys] == ["b", "a"]


def test_names_are_listed(tmp_path: Path) -> None:
    with open_ledger(kept(tmp_path / "l.db", every(60, key="a")), readonly=True) as ledger:
        assert names(ledger, "asked") == ["support"]
        assert names(ledger, "key") == ["a"]


def test_who_answered_and_how_sensitive_it_was(tmp_path: Path) -> None:
    rows = [
        *every(6, tier="hard", streamed=True),
        *(local(f"own_{n}", time=BEGIN + n * 360 + 2, privacy=LOOKED) for n in range(480)),
        *(record(f"blind_{n}", time=BEGIN + n * 360 + 3) for n in range(480)),
        *(record(f"off_{n}", time=BEGIN + n * 360 + 4, privacy=Privacy(profile="off")) for n in range(480)),
    ]
    sample = seen(kept(tmp_path / "l.db", rows)).sample
    assert np.bincount(sample.tier, minlength=4).tolist() == [940, 470, 0, 470]
    by_name = {who.deployment: who for who in sample.answered_by}
    assert by_name["box"].local
    assert not by_name["mini"].local
    assert (sample.ttft_ms > 0).sum() == 470  # nobody notes a first token of an answer in one piece


def test_a_sample_is_spread_over_the_period(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 200)
    monkeypatch.setattr(module, "BLOCK", 20)
    found = seen(kept(tmp_path / "l.db", every(1)))
    sample = found.sample
    assert found.requests == 47 * 60
    assert len(sample.time) == 200
    assert len(np.unique(sample.block)) == 10
    assert len(np.unique(sample.time // (6 * HOUR))) >= 7
    for block in np.unique(sample.block):  # neighbours
        assert np.diff(sample.time[sample.block == block]) == pytest.approx(60.0)


def test_a_rare_route_is_looked_for_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 100)
    monkeypatch.setattr(module, "BLOCK", 20)
    rows = sorted([*every(1), *every(10, asked="rare")], key=lambda row: row.time)
    assert len(seen(kept(tmp_path / "l.db", rows), route="rare").sample.time) >= 50


def test_two_months_are_one_period(tmp_path: Path) -> None:
    found = seen(kept(tmp_path / "l.db", every(60, hours=40 * 24, start=NOON - 40 * DAY)), since=NOON - 40 * DAY)
    assert found.requests == 40 * 24 - 1
    assert len(found.sample.time) == 40 * 24 - 1


@pytest.mark.parametrize("rows", [[], every(6, hours=1)])
def test_too_little_is_little(tmp_path: Path, rows: list[Record]) -> None:
    found = seen(kept(tmp_path / "l.db", rows))
    assert found.requests in (0, 10)
    assert found.end - found.begin <= 48


def test_a_record_of_minutes_is_taken_as_it_is(tmp_path: Path) -> None:
    found = seen(kept(tmp_path / "l.db", every(1, hours=0.5, start=NOON - 1800)), until=NOON - 600)
    assert found.requests == 30, "roll-ups know hours only"
    assert found.span == pytest.approx(1199 / 3600), "from the first request to the end asked for"
    assert seen(tmp_path / "l.db", since=NOON - 3 * HOUR, until=NOON - 2 * HOUR).requests == 0


def test_only_the_period_counts(tmp_path: Path) -> None:
    found = seen(kept(tmp_path / "l.db", every(6)), since=NOON - 10 * HOUR + 60, until=NOON - 2 * HOUR + 60)
    assert found.end - found.begin == 6  # of ten hours those that are whole, and the first of them left out
    assert found.requests == 60
    assert found.sample.time.min() >= found.begin * HOUR
    assert found.sample.time.max() < found.end * HOUR
