"""Findings that overlap: the stronger keeps its place, and nothing that was found goes uncovered."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crossover.privacy.merge import merge
from crossover.privacy.words import Finding
from crossover.sensitivity import CATEGORIES


def one(kind: str, start: int, end: int, score: float = 0.9, **more: Any) -> Finding:
    facts: dict[str, Any] = {"category": "identifiers", "tier": "hard", "rule": kind, **more}
    return Finding(kind=kind, start=start, end=end, score=score, **facts)


def places(found: list[Finding]) -> list[tuple[str, int, int]]:
    return [(each.kind, each.start, each.end) for each in found]


def test_a_card_beats_the_phone_that_its_digits_could_be() -> None:
    card = one("card", 5, 24, 0.98, category="financial")
    assert merge([one("phone", 5, 24), card, one("phone", 10, 20)]) == [card]


def test_of_equals_the_longer_stays_and_what_is_left_of_the_other() -> None:
    assert places(merge([one("a", 0, 10), one("b", 8, 20)])) == [("a", 0, 8), ("b", 8, 20)]
    assert places(merge([one("a", 0, 10), one("b", 1, 9)])) == [("a", 0, 10)]


def test_hard_beats_soft_and_the_rest_of_an_address_stays() -> None:
    address = one("address", 0, 40, 0.99, tier="soft", category="personal")
    mail = one("email", 20, 30, 0.8)
    assert places(merge([address, mail])) == [("address", 0, 20), ("email", 20, 30), ("address", 30, 40)]


def test_a_crumb_is_dropped() -> None:
    assert places(merge([one("a", 0, 10, 0.99), one("b", 0, 12)])) == [("a", 0, 10)]


def test_health_and_the_users_own_stay_whole_beside_the_others() -> None:
    story = one("health", 0, 50, 0.7, category="health")
    own = one("badge", 10, 16, 1.0, category="custom")
    card = one("card", 10, 16)
    assert places(merge([card, own, story, story])) == [("health", 0, 50), ("badge", 10, 16), ("card", 10, 16)]


def test_nothing_and_one_are_as_they_were() -> None:
    assert merge([]) == []
    assert merge([one("a", 3, 9)]) == [one("a", 3, 9)]


FINDINGS = st.builds(
    lambda start, size, score, category, tier: one(category, start, start + size, score, category=category, tier=tier),
    st.integers(0, 40), st.integers(1, 20), st.sampled_from([0.5, 0.9, 0.99]), st.sampled_from(CATEGORIES),
    st.sampled_from(["hard", "soft"]),
)  # fmt: skip


@given(st.lists(FINDINGS, max_size=8))
def test_what_is_merged_is_disjoint_and_covers_what_was_found(found: list[Finding]) -> None:
    merged = merge(found)
    kin = [each for each in merged if each.category not in ("health", "custom")]
    for before, after in itertools.pairwise(kin):
        assert before.end <= after.start
    covered = {place for each in merged for place in range(each.start, each.end)}
    for each in found:  # of one finding no more than two places in a row; where two end at each other it may be more
        gaps = set(range(each.start, each.end)) - covered
        assert all(not {place, place + 1, place + 2} <= gaps for place in gaps)
    assert {each.category for each in merged if each.tier == "hard"} <= {each.category for each in found}
    assert merge(merged) == merged
