"""Evidence: which figure is believed, and until when."""

from __future__ import annotations

import datetime as dt
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.evidence import PREFERENCE, STALE_AFTER_DAYS, Evidence, Source, SourceKind, best

TODAY = dt.date(2026, 11, 23)


def row(kind: SourceKind = "published", days: int = 0, value: float = 1.0, **more: object) -> Evidence:
    facts: dict[str, object] = {
        "subject": "H100",
        "metric": "tpot_s",
        "value": value,
        "unit": "s",
        "kind": kind,
        "source": "a test",
        "when": TODAY - dt.timedelta(days=days),
        **more,
    }
    return Evidence(**facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("days", "stale"), [(0, False), (STALE_AFTER_DAYS, False), (STALE_AFTER_DAYS + 1, True)])
def test_a_source_goes_stale_after_90_days(days: int, stale: bool) -> None:
    assert Source(text="t", checked=TODAY - dt.timedelta(days=days)).stale(TODAY) is stale


def test_measured_before_published_before_assumed() -> None:
    rows = [row("assumed"), row("measured", days=80), row("published", days=1)]
    assert best(rows, "H100", "tpot_s", TODAY) is rows[1]
    assert best(rows[::2], "H100", "tpot_s", TODAY) is rows[2]


def test_the_newest_of_equal_kind() -> None:
    rows = [row(days=9), row(days=2), row(days=5)]
    assert best(rows, "H100", "tpot_s", TODAY) is rows[1]


def test_an_expired_figure_is_not_believed() -> None:
    old = row("measured", expires=TODAY - dt.timedelta(days=1))
    assert not old.valid(TODAY)
    assert row(expires=TODAY).valid(TODAY)
    assert best([old], "H100", "tpot_s", TODAY) is None
    other = row("assumed")
    assert best([old, other], "H100", "tpot_s", TODAY) is other


def test_another_subject_or_metric_says_nothing() -> None:
    assert best([row()], "H200", "tpot_s", TODAY) is None
    assert best([row()], "H100", "ttft_s", TODAY) is None
    assert best([], "H100", "tpot_s", TODAY) is None


@given(
    st.lists(st.tuples(st.sampled_from(sorted(PREFERENCE)), st.integers(0, 400)), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(facts: list[tuple[SourceKind, int]], chance: random.Random) -> None:
    rows = [row(kind, days) for kind, days in facts]
    shuffled = chance.sample(rows, len(rows))
    first, second = best(rows, "H100", "tpot_s", TODAY), best(shuffled, "H100", "tpot_s", TODAY)
    assert first is not None
    assert second is not None
    assert (first.kind, first.when) == (second.kind, second.when)
    assert all(PREFERENCE[first.kind] <= PREFERENCE[other.kind] for other in rows)


def test_a_row_survives_json() -> None:
    full = row("measured", low=0.9, high=1.2, n=40, expires=TODAY, context={"engine": "vllm", "concurrency": 16.0})
    assert msgspec.json.decode(msgspec.json.encode(full), type=Evidence) == full
