from __future__ import annotations

import pytest

from crossover.errors import InputError
from crossover.ledger.periods import moment, period
from tests.ledger.parts import DAY, HOUR, NOON


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", NOON),
        ("24h", NOON - DAY),
        ("7d", NOON - 7 * DAY),
        ("2 w", NOON - 14 * DAY),
        ("today", NOON - 12 * HOUR),
        ("WEEK", NOON - 36 * HOUR),
        ("month", NOON - 16.5 * DAY),
        ("all", 0.0),
        ("2026-11-17", NOON - 12 * HOUR),
        ("2026-11-17T12:00", NOON),
        ("2026-11-17T13:00+01:00", NOON),
        ("999999d", 0.0),
    ],
)
def test_moments(text: str, seconds: float) -> None:
    assert moment(text, NOON, "--since") == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7y", "-1d", "1e3d", "2026-13-01", "1812-01-01", "9999-01-01"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InputError, match="--since") as caught:
        moment(text, NOON, "--since")
    assert "Write 24h" in caught.value.sentence()


def test_a_period_ends_after_it_begins() -> None:
    assert period("24h", "now", NOON) == (NOON - DAY, NOON)
    with pytest.raises(InputError, match="later than --since"):
        period("now", "now", NOON)
