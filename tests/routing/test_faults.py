from __future__ import annotations

from typing import get_args

from crossover.errors import UpstreamKind
from crossover.routing.faults import FAULTS


def test_every_way_to_fail_has_its_row() -> None:
    assert set(FAULTS) == set(get_args(UpstreamKind))


def test_what_was_done_is_not_done_again() -> None:
    """A reset is in between: whether the request had been accepted is known for each error."""
    assert [kind for kind, fault in FAULTS.items() if fault.retry and fault.billed] == ["reset"]


def test_a_wrong_request_speaks_against_nobody_and_goes_nowhere_else() -> None:
    assert not FAULTS["bad_request"].counts
    assert not FAULTS["bad_request"].fallback
    assert all(fault.fallback for kind, fault in FAULTS.items() if kind != "bad_request")


def test_no_credit_left_is_for_another_deployment_and_not_for_a_retry() -> None:
    assert FAULTS["quota"].fallback
    assert not FAULTS["quota"].retry


def test_refused_connections_count() -> None:
    assert FAULTS["refused"].counts
