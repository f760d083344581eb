from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossover.routing.limits import Bucket, Limits


def test_a_key_may_ask_as_often_as_its_limit_and_then_waits() -> None:
    limits = Limits()
    assert [limits.admit("k", 60, 0, 5, 10.0) for _ in range(60)] == [0.0] * 60
    assert limits.admit("k", 60, 0, 5, 10.0) == 1.0
    assert limits.admit("other", 60, 0, 5, 10.0) == 0.0


def test_no_limit_is_no_limit() -> None:
    limits = Limits()
    assert all(limits.admit("k", 0, 0, 10**9, 0.0) == 0.0 for _ in range(1000))
    limits.correct("k", 10**9, 0.0)


def test_whoever_is_refused_has_taken_nothing() -> None:
    limits = Limits()
    assert limits.admit("k", 2, 100, 100, 0.0) == 0.0
    assert limits.admit("k", 2, 100, 60, 0.0) == 36.0  # tokens are short: no request is counted
    assert limits.admit("k", 2, 100, 0, 0.0) == 0.0
    assert limits.admit("k", 2, 100, 0, 0.0) == 30.0


def test_an_answer_longer_than_expected_delays_the_next_request() -> None:
    limits = Limits()
    limits.admit("k", 0, 600, 10, 0.0)
    limits.correct("k", 890, 0.0)
    assert limits.admit("k", 0, 600, 10, 0.0) == 31.0


def test_what_was_not_used_comes_back_but_never_more_than_the_limit() -> None:
    limits = Limits()
    limits.admit("k", 0, 100, 50, 0.0)
    limits.correct("k", -10_000, 0.0)
    assert limits.admit("k", 0, 100, 100, 0.0) == 0.0
    assert limits.admit("k", 0, 100, 100, 0.0) > 0


def test_a_request_larger_than_the_limit_is_let_through_by_a_full_bucket() -> None:
    assert Bucket(100, 0.0).wait(5000, 0.0) == 0.0


def test_a_changed_limit_counts_at_once() -> None:
    limits = Limits()
    limits.admit("k", 1, 0, 0, 0.0)
    assert limits.admit("k", 1, 0, 0, 0.0) > 0
    assert limits.admit("k", 5, 0, 0, 0.0) == 0.0


@given(st.integers(1, 10_000), st.lists(st.tuples(st.floats(0, 30), st.integers(0, 3000)), max_size=40))
def test_waiting_as_long_as_was_said_is_enough(per_minute: int, asked: list[tuple[float, int]]) -> None:
    bucket, now = Bucket(per_minute, 0.0), 0.0
    for pause, amount in asked:
        now += pause
        now += bucket.wait(amount, now)
        assert bucket.wait(amount, now) == 0.0
        bucket.take(amount, now)


@given(st.integers(1, 1000), st.lists(st.floats(0, 20), min_size=1, max_size=100))
def test_never_more_than_a_full_bucket_and_what_flowed_in(per_minute: int, pauses: list[float]) -> None:
    bucket, now, admitted = Bucket(per_minute, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        while bucket.wait(1, now) == 0.0:
            bucket.take(1, now)
            admitted += 1
    assert admitted <= per_minute + now * per_minute / 60 + 1


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(60, 1000.0)
    bucket.take(60, 1000.0)
    assert bucket.wait(1, 10.0) == 1.0
