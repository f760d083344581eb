"""Compared answers: kept as they were written, read by route and time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crossover.errors import StoreError
from crossover.ledger.grades import Grade, add_grades, grades
from crossover.ledger.store import open_ledger
from tests.ledger.parts import NOON, opened

ONE = Grade(
    request="r1", time=NOON, route="chat", kind="audit", weak="own", strong="api", probability=0.02, kept=True,
    loss=1.0, grader="agreement", score=0.25, weak_cost=3, strong_cost=900, weak_ms=12.5, strong_ms=400.0,
)  # fmt: skip


def test_comparisons_are_read_as_they_were_written(tmp_path: Path) -> None:
    shadow = msgspec.structs.replace(ONE, request="r2", kind="shadow", kept=False, score=None, time=NOON + 60)
    other = msgspec.structs.replace(ONE, request="r3", route="other")
    with opened(tmp_path / "ledger.db") as ledger:
        add_grades(ledger, [ONE, shadow])
        add_grades(ledger, [other])
        assert grades(ledger) == [ONE, shadow, other]
        assert grades(ledger, "chat") == [ONE, shadow]
        assert grades(ledger, "chat", NOON + 1) == [shadow]
        assert grades(ledger, "nobody") == []


def test_a_ledger_to_be_read_takes_none(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db"):
        pass
    with open_ledger(tmp_path / "ledger.db", readonly=True) as ledger, pytest.raises(StoreError, match="read only"):
        add_grades(ledger, [ONE])
