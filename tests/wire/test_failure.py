from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.wire import failure

NOW = "Fri, 27 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Fri, 27 Nov 2026 10:01:00 GMT", "date": NOW}, 60.0),
        ({"retry-after": "Fri, 27 Nov 2026 09:00:00 GMT", "date": NOW}, 0.0),
        ({"retry-after": "Fri, 27 Nov 2026 10:01:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"date": NOW, "reset": "2026-11-27T10:00:05Z"}, 5.0),
        ({"date": NOW, "reset": "2026-11-27T12:00:05+02:00"}, 5.0),
        ({"date": NOW, "reset": "tomorrow"}, None),
        ({"date": NOW, "reset": "2026-11-27T10:00:05"}, None),
    ],
)
def test_how_long_to_wait_by_the_answers_own_clock(headers: dict[str, str], wait: float | None) -> None:
    assert failure.retry_after(headers, ("reset",)) == wait


@given(st.text(), st.text())
def test_odd_headers_are_never_an_error(first: str, second: str) -> None:
    wait = failure.retry_after({"retry-after": first, "date": second, "reset": first}, ("reset",))
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    "key",
    [
        "sk-ant-api03-abcdefghijklmnop",
        "sk-proj-abcdefgh12345678",
        "AIzaSyA-1234567890abcdef",
        "gsk_abcdefghijkl1234",
        "Bearer abcdef123456",
    ],
)
def test_a_target_that_repeats_our_key_does_not_spread_it(key: str) -> None:
    said = failure.short(f"Incorrect API key provided: {key}. See the docs")
    assert key not in said
    assert "See the docs" in said


@given(st.text())
def test_an_error_is_one_short_line(words: str) -> None:
    said = failure.short(words)
    assert len(said) <= failure.MOST_CHARACTERS
    assert "\n" not in said


@pytest.mark.parametrize("word", ["error", "network_error", "ERROR", "MALFORMED_FUNCTION_CALL", "timeout", "aborted"])
def test_words_for_failure(word: str) -> None:
    assert failure.looks_like_error(word)


@pytest.mark.parametrize("word", ["stop", "end_turn", "STOP", "max_tokens", "tool_use", "length", "eos"])
def test_words_for_an_end(word: str) -> None:
    assert not failure.looks_like_error(word)


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_is_some_failure_and_only_work_that_may_be_done_counts_as_accepted(status: int) -> None:
    error = failure.failure(failure.kind_of(status, ""), "", status=status)
    assert error.message
    if status < 500 and status not in (408, 499):
        assert not error.accepted
    if status in (500, 502, 504):
        assert error.accepted
