"""A ledger becomes a workload: volume, week, lengths, bursts, cache, tiers, the model in use, and how fast it was."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from crossover.errors import InputError, StoreError, UnknownNameError
from crossover.ledger.observed import Sample
from crossover.ledger.words import Privacy, Record
from crossover.planner.words import Plan
from crossover.runtime.observing import Seen, _burstiness, seen
from crossover.traffic.facts import Demand, finish
from tests.ledger.parts import DAY, HOUR, NOON, local, record
from tests.ledger.test_observed import kept
from tests.planner.conftest import catalog, small_plan

__all__ = ["catalog", "small_plan"]  # fixtures

LOOKED = Privacy(profile="balanced", detector="1", rule="balanced")
TODAY = dt.datetime.fromtimestamp(NOON, dt.UTC).date()


def traffic(days: float, per_hour: int = 40, **facts: object) -> list[Record]:
    """A busier hour at noon (UTC) than at any other time; prompts of 50 to 149 tokens, answers of 10 to 29."""
    rows: list[Record] = []
    begin = NOON - days * DAY
    chance = random.Random(3)
    for hour in range(int(days * 24)):
        start = begin + hour * HOUR
        count = per_hour * (3 if dt.datetime.fromtimestamp(start, dt.UTC).hour == 12 else 1)
        for n in sorted(chance.random() for _ in range(count)):
            number = len(rows)
            usual: dict[str, object] = {
                "time": start + n * 3599, "input_tokens": 50 + number % 100, "output_tokens": 10 + number % 20,
                "cached_read": 25, "privacy": LOOKED, "tier": "hard" if number % 10 == 0 else "none",
                "streamed": True, "ttft_ms": 100.0 + number % 100, "key": f"key_{number % 3}",
            }  # fmt: skip
            rows.append(record(f"t{number}", **{**usual, **facts}))
    return rows


def read(path: Path, rows: Iterable[Record] | None = None, **options: object) -> Seen:
    place = path / "l.db"
    if rows is not None:
        kept(place, rows)
    usual: dict[str, object] = {"key": None, "route": None, "today": TODAY}
    return seen(place, NOON - 60 * DAY, NOON, **{**usual, **options})  # type: ignore[arg-type]


def test_a_workload_comes_out(tmp_path: Path) -> None:
    found = read(tmp_path, traffic(10))
    made: Demand = finish(found.facts)
    load = made.workload
    assert load.requests_per_day == pytest.approx(40 * 26, rel=0.02)
    assert load.input.mean == pytest.approx(99.5, rel=0.01)
    assert load.output.mean == pytest.approx(19.5, rel=0.01)
    assert load.models == ("openai/gpt-4o-mini",)
    assert load.cached_share == pytest.approx(25 / 99.5, rel=0.01)
    assert load.sensitive_share == pytest.approx(0.1, abs=0.01)
    assert load.profile.index(max(load.profile)) % 24 == 12
    assert load.peak_factor == pytest.approx(3 * 24 / 26, rel=0.02)
    assert load.burstiness == pytest.approx(1.0, abs=0.15)  # random moments within the hour
    assert load.trace is None
    assert "ledger l.db" in load.source
    assert any("a sample of" in note for note in load.notes)


def test_the_record_is_shown_by_route_key_and_deployment(tmp_path: Path) -> None:
    record_ = read(tmp_path, traffic(3)).record
    assert [part.name for part in record_.routes] == ["support"]
    assert sorted(part.name for part in record_.keys) == ["key_0", "key_1", "key_2"]
    assert sum(part.share for part in record_.keys) == pytest.approx(1)
    assert record_.deployments[0].name == "mini"
    assert record_.deployments[0].local_share == 0
    per_day = record_.deployments[0].requests_per_day
    assert record_.paid_usd_month == pytest.approx(per_day * 30 * 27e-6, rel=0.02)
    assert dict(record_.tiers)["hard"] == pytest.approx(0.1, abs=0.01)
    assert record_.unseen == 0


def test_how_fast_the_api_was_is_evidence(tmp_path: Path) -> None:
    rows = {row.metric: row for row in read(tmp_path, traffic(3)).evidence}
    assert {row.subject for row in rows.values()} == {"api:openai/gpt-4o-mini"}
    assert rows["ttft_p95_s"].value == pytest.approx(0.194, abs=0.003)
    assert rows["e2e_p50_s"].value == pytest.approx(0.8)
    assert rows["ttft_p95_s"].kind == "measured"
    assert (rows["ttft_p95_s"].n or 0) > 1000


def test_own_machines_are_no_model_in_use(tmp_path: Path) -> None:
    found = read(tmp_path, [local(f"o{n}", time=NOON - 2 * DAY + n * 600) for n in range(280)])
    assert found.facts.models is None
    assert any("--model" in note for note in found.facts.notes)
    assert found.evidence == ()
    assert any("nobody looked" in note for note in found.facts.notes)


def test_an_hour_is_not_a_week(tmp_path: Path) -> None:
    found = read(tmp_path, traffic(0.25))
    assert found.facts.profile is None
    assert any("are not a day" in note for note in found.facts.notes)
    assert found.facts.requests_per_day == pytest.approx(960, rel=0.1)


def test_minutes_are_enough(tmp_path: Path) -> None:
    found = read(tmp_path, traffic(0.05, per_hour=240))
    assert found.facts.profile is None
    assert any("minutes of record are not a day" in note for note in found.facts.notes)
    assert (found.facts.requests_per_day or 0) > 1000


def test_one_key(tmp_path: Path) -> None:
    whole, one = read(tmp_path, traffic(3)), read(tmp_path, key="key_1")
    assert one.facts.requests_per_day == pytest.approx((whole.facts.requests_per_day or 0) / 3, rel=0.01)
    assert one.facts.name == "by key_1"


@pytest.mark.parametrize(
    ("options", "says"), [({"key": "kex_1"}, "Did you mean key_1"), ({"route": "suport"}, "Did you mean support")]
)
def test_a_name_that_is_not_there(tmp_path: Path, options: dict[str, object], says: str) -> None:
    with pytest.raises(UnknownNameError, match=says):
        read(tmp_path, traffic(0.5), **options)


def test_too_little_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Serve more traffic"):
        read(tmp_path, traffic(0.25, per_hour=1))


def test_no_ledger_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no ledger here yet"):
        read(tmp_path)


def test_growing_traffic_drifts(tmp_path: Path) -> None:
    rows = traffic(12, per_hour=10)
    more = [record(f"m{n}", time=NOON - 5 * DAY + n * 250, privacy=LOOKED) for n in range(1700)]
    found = read(tmp_path, [*rows, *more])
    first = found.record.drift[0]
    assert first.name == "requests a day"
    assert first.outside
    assert any("drifts: requests a day" in note for note in found.facts.notes)


def test_an_earlier_plan_is_compared(tmp_path: Path, small_plan: Plan) -> None:
    import msgspec

    earlier = msgspec.structs.replace(small_plan, made_on=TODAY - dt.timedelta(days=4))
    found = read(tmp_path, traffic(8), earlier=earlier)
    assert {row.basis for row in found.record.drift} == {f"the plan of {earlier.made_on}"}
    assert found.record.drift[0].forecast == 313_725
    with pytest.raises(InputError, match="no whole day"):
        read(tmp_path, earlier=msgspec.structs.replace(small_plan, made_on=TODAY))


def _sample(time: np.ndarray, block: np.ndarray) -> Sample:
    none = np.zeros(len(time), dtype=np.int64)
    return Sample(
        time=time, block=block, input=none, output=none, cached=none, tier=none.astype(np.int8),
        ttft_ms=none.astype(float), total_ms=none.astype(float), who=none, answered_by=(), of=0, read=0, aside=0,
    )  # fmt: skip


@pytest.mark.parametrize(("shape", "expected"), [(1.0, 1.0), (0.25, 2.0), (100.0, 0.1)])
def test_bursts_are_those_within_a_block(shape: float, expected: float) -> None:
    """Gamma gaps of coefficient of variation 1/sqrt(shape), in blocks of very different pace."""
    chance = np.random.default_rng(4)
    blocks = []
    for number in range(60):
        gaps = chance.gamma(shape, 1 / shape, 300) * (1 + number)
        blocks.append(number * 1e6 + np.cumsum(gaps))
    found = _burstiness(_sample(np.concatenate(blocks), np.repeat(np.arange(60), 300)))
    assert found == pytest.approx(expected, rel=0.08)


def test_a_few_arrivals_say_nothing_of_bursts() -> None:
    assert _burstiness(_sample(np.arange(5.0), np.zeros(5, dtype=np.int64))) == 1.0
    assert _burstiness(_sample(np.zeros(0), np.zeros(0, dtype=np.int64))) == 1.0
