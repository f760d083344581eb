"""Presidio plugged in: its results as findings. The library itself stands for itself; here an engine of its shape."""

from __future__ import annotations

import importlib.util
from typing import Any, NamedTuple

import pytest

from crossover.errors import InputError
from crossover.privacy.presidio import finder


class Result(NamedTuple):
    entity_type: str
    start: int
    end: int
    score: float


class Engine:
    """What Presidio's AnalyzerEngine is called with, and what it gives."""

    def analyze(self, *, text: str, language: str) -> list[Any]:
        assert language == "en"
        return [
            Result("PERSON", 0, 4, 0.85),
            Result("CREDIT_CARD", 5, 9, 1.0),
            Result("PL_PESEL", 5, 9, 0.6),
            Result("DATE_TIME", 0, 2, 0.9),
            Result("US_SSN", 0, len(text), 0.05),
        ]


def test_its_entities_become_findings_and_weak_ones_do_not() -> None:
    found = finder(Engine())("Anna 4111", "note")
    assert [(one.category, one.kind, one.tier) for one in found] == [
        ("personal", "person", "soft"),
        ("financial", "payment_card", "hard"),
        ("identifiers", "pl_pesel", "hard"),
    ]
    assert found[0].rule == "presidio PERSON"


@pytest.mark.skipif(importlib.util.find_spec("presidio_analyzer") is not None, reason="Presidio is installed here")
def test_where_it_is_not_installed_that_is_said() -> None:
    with pytest.raises(InputError, match="Presidio is not installed"):
        finder()
