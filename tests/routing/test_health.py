from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.routing.health import LONGEST_PAUSE, Breaker, Health
from crossover.routing.words import BreakerRule

RULE = BreakerRule(failures=3, window=30.0, share=0.5, minimum=10, rest=5.0, rest_max=60.0, probes=1)


def opened(now: float = 0.0, rule: BreakerRule = RULE) -> Breaker:
    breaker = Breaker(rule)
    for _ in range(rule.failures):
        breaker.failed(now, "refused")
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_starts_anew() -> None:
    breaker = Breaker(RULE)
    for _ in range(2):
        breaker.failed(0.0, "refused")
        breaker.failed(0.0, "refused")
        breaker.succeeded(0.0)
    assert breaker.allows(0.0)
    for _ in range(3):
        breaker.failed(0.0, "refused")
    assert not breaker.allows(4.9)
    assert breaker.state(4.9) == "open"
    assert breaker.why == "refused"
    assert breaker.rests_for(1.0) == 4.0


def test_half_of_at_least_ten_calls_opens_it() -> None:
    breaker = Breaker(RULE)
    for _ in range(4):
        breaker.succeeded(0.0)
        breaker.failed(0.0, "reset")
    assert breaker.allows(0.0), "only eight calls"
    breaker.succeeded(0.0)
    assert breaker.allows(0.0)
    breaker.failed(0.0, "reset")
    assert breaker.state(0.0) == "open"


def test_successes_before_the_first_failure_count() -> None:
    breaker = Breaker(RULE)
    for _ in range(100):
        breaker.succeeded(0.0)
    for _ in range(10):
        breaker.failed(1.0, "reset")
        breaker.succeeded(1.0)
    assert breaker.allows(1.0), "10 of 120 failed"


def test_old_failures_are_forgotten() -> None:
    breaker = Breaker(RULE)
    for _ in range(4):
        breaker.failed(0.0, "reset")
        breaker.succeeded(0.0)
    for _ in range(4):
        breaker.failed(31.0, "reset")
        breaker.succeeded(31.0)
    assert breaker.allows(31.0)


@pytest.mark.parametrize("probes", [1, 3])
def test_after_its_rest_exactly_so_many_probes_pass_at_a_time(probes: int) -> None:
    breaker = opened(rule=BreakerRule(failures=3, rest=5.0, probes=probes))
    for _ in range(probes):
        assert breaker.allows(5.0)
        assert breaker.start(5.0)
    assert not breaker.allows(5.0)
    assert not breaker.allows(500.0), "a probe that hangs is still a probe"
    breaker.abandoned(probe=True)
    assert breaker.allows(5.0)


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    assert breaker.start(5.0)
    breaker.succeeded(6.0, probe=True)
    assert breaker.state(6.0) == "closed"
    assert not breaker.start(6.0)
    assert breaker.rests == 0
    breaker.failed(6.0, "reset")
    assert breaker.allows(6.0), "the failures from before are forgotten"


def test_each_failed_probe_doubles_the_rest_up_to_its_maximum() -> None:
    breaker, now, rests = opened(), 5.0, []
    for _ in range(6):
        breaker.start(now)
        breaker.failed(now, "reset", probe=True)
        rests.append(breaker.rests_for(now))
        now += rests[-1]
    assert rests == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


def test_calls_from_before_the_failures_decide_nothing() -> None:
    breaker = opened()
    breaker.succeeded(1.0)  # a long answer that began before: it closes nothing
    assert breaker.state(1.0) == "open"
    breaker.succeeded(5.0)
    assert breaker.state(5.0) == "half_open"
    breaker.failed(5.0, "gap_timeout")
    assert breaker.allows(5.0), "and it lengthens nothing"


def test_a_probe_that_ends_after_another_one_decided_is_counted_out() -> None:
    breaker = opened(rule=BreakerRule(failures=3, rest=5.0, probes=2))
    breaker.start(5.0)
    breaker.start(5.0)
    breaker.failed(5.0, "reset", probe=True)
    assert breaker.state(5.0) == "open"
    breaker.succeeded(6.0, probe=True)
    assert breaker.state(6.0) == "open"
    breaker.start(15.0)
    assert breaker.allows(15.0)
    breaker.start(15.0)
    assert not breaker.allows(15.0)


def test_a_pause_is_kept_and_then_over() -> None:
    breaker = Breaker(RULE)
    breaker.pause(0.0, "rate_limited", 20.0)
    breaker.succeeded(1.0)  # an answer that was under way
    assert breaker.state(19.9) == "open"
    assert breaker.rests_for(5.0) == 15.0
    assert breaker.state(20.0) == "closed"
    assert not breaker.start(20.0), "it failed nothing: no probes"


def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    breaker = Breaker(RULE)
    breaker.pause(0.0, "rate_limited", 20.0)
    breaker.pause(1.0, "rate_limited", 2.0)
    assert not breaker.allows(19.0)


def test_no_target_locks_itself_out_for_ever() -> None:
    breaker = Breaker(RULE)
    breaker.pause(0.0, "rate_limited", 10.0**12)
    assert breaker.allows(LONGEST_PAUSE)


def test_a_pause_and_a_rest_both_count() -> None:
    breaker = opened()
    breaker.pause(0.0, "overloaded", 30.0)
    assert breaker.state(10.0) == "open"
    assert breaker.state(30.0) == "half_open"


def test_a_health_check_rests_it_and_brings_it_back() -> None:
    breaker = Breaker(RULE)
    breaker.trip(0.0, "dead")
    assert not breaker.allows(1.0)
    breaker.recovered()
    assert breaker.allows(1.0)


def test_a_clock_that_jumps_ahead_ends_the_rest() -> None:
    assert opened().state(1e9) == "half_open"


def test_a_clock_that_jumps_back_does_not_lengthen_it() -> None:
    breaker = opened(now=1000.0)
    assert breaker.rests_for(10.0) == 5.0
    assert breaker.state(15.0) == "half_open"
    breaker = Breaker(RULE)
    breaker.pause(1000.0, "rate_limited", 7.0)
    assert breaker.rests_for(10.0) == 7.0
    assert breaker.allows(17.0)


WHAT = st.sampled_from(["start", "succeeded", "failed", "abandoned", "pause", "trip", "recovered"])


@given(st.lists(st.tuples(WHAT, st.floats(-20, 40))), st.integers(1, 3))
def test_never_more_probes_than_allowed_and_each_comes_back(steps: list[tuple[str, float]], probes: int) -> None:
    breaker = Breaker(BreakerRule(failures=2, rest=5.0, probes=probes))
    now, calls = 1000.0, list[bool]()
    for what, pause in steps:
        now += pause
        if what == "start" and breaker.allows(now):
            calls.append(breaker.start(now))
        elif what == "pause":
            breaker.pause(now, "rate_limited", abs(pause))
        elif what == "trip":
            breaker.trip(now, "dead")
        elif what == "recovered":
            breaker.recovered()
        elif calls and what == "succeeded":
            breaker.succeeded(now, probe=calls.pop())
        elif calls and what == "failed":
            breaker.failed(now, "reset", probe=calls.pop(0))
        elif calls and what == "abandoned":
            breaker.abandoned(probe=calls.pop())
        assert breaker._probing == sum(calls) <= probes
        assert 0 <= breaker._failed <= len(breaker._calls)
        assert breaker.rests_for(now) <= 120.0
    for probe in calls:
        breaker.abandoned(probe=probe)
    assert breaker.allows(now + 10_000), "it never locks for good"


def test_speed_is_smoothed_per_kind_of_answer_and_forgotten() -> None:
    health = Health(["a"], RULE)
    assert health.seconds("a", 0.0, streamed=True) is None
    health.took("a", 0.0, 1.0, streamed=True)
    health.took("a", 1.0, 2.0, streamed=True)
    assert health.seconds("a", 2.0, streamed=True) == 1.2
    assert health.seconds("a", 2.0, streamed=False) is None
    assert health.seconds("a", 602.0, streamed=True) is None


def test_a_reload_forgets_nothing_but_the_old_rule() -> None:
    before = Health(["a", "b"], RULE)
    before.of("a").pause(0.0, "rate_limited", 50.0)
    before.took("a", 0.0, 1.0, streamed=True)
    before.took("b", 0.0, 1.0, streamed=True)
    after = Health(["a", "c"], BreakerRule(failures=7))
    after.keep(before)
    assert not after.of("a").allows(1.0)
    assert after.of("a") is before.of("a"), "calls under way tell both"
    assert after.of("a").rule.failures == 7
    assert after.seconds("a", 1.0, streamed=True) == 1.0
    assert after.seconds("b", 1.0, streamed=True) is None
    assert after.of("c").allows(0.0)
