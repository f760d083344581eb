"""The matrix: what was found × where it would go → what happens."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from crossover.privacy.policy import (
    ACTIONS,
    ALLOWED,
    PROFILES,
    Action,
    Known,
    Place,
    Profile,
    chosen,
    knowing,
    profile,
    strictest,
    verdict,
)
from crossover.privacy.words import NOTHING_FOUND, Classified, Finding
from crossover.sensitivity import CATEGORIES, NOT_SENSITIVE, Category, Sensitivity, Tier, label, of, stricter

OUTSIDE, HOME = Place("api", local=False), Place("own", local=True)
STRICT, BALANCED, OPEN = (PROFILES[name] for name in ("strict", "balanced", "open"))


def found(*rows: tuple[Category, str, Tier], opaque: str = "") -> Classified:
    tiers: list[Tier] = [tier for *_, tier in rows]
    tier: Tier = "hard" if "hard" in tiers else "soft" if tiers else "none"
    counts = tuple((category, kind, one, 1) for category, kind, one in rows)
    return Classified(sensitivity=Sensitivity(tier, frozenset(row[0] for row in rows)), counts=counts, opaque=opaque)


def known(*profiles: Profile, what: Classified = NOTHING_FOUND, labels: Sensitivity = NOT_SENSITIVE) -> Known:
    return knowing(what, labels, profiles)


CARD = found(("financial", "payment_card", "hard"))
NAME = found(("personal", "person", "soft"))
KEY = found(("secrets", "aws_key", "hard"))
STORY = found(("health", "health", "soft"))
PHI = found(("health", "health", "hard"), ("personal", "person", "soft"))
PICTURE = found(opaque="an image")


@pytest.mark.parametrize(
    ("one", "what", "action"),
    [
        (STRICT, CARD, "local_only"),
        (BALANCED, CARD, "local_only"),
        (OPEN, CARD, "local_only"),
        (STRICT, NAME, "local_only"),
        (BALANCED, NAME, "redact"),
        (OPEN, NAME, "allow"),
        (STRICT, KEY, "local_only"),
        (OPEN, KEY, "local_only"),
        (STRICT, STORY, "local_only"),
        (BALANCED, STORY, "local_only"),  # a story has no value that could be replaced
        (OPEN, STORY, "allow"),
        (OPEN, PHI, "local_only"),
        (STRICT, PICTURE, "local_only"),
        (BALANCED, PICTURE, "local_only"),
        (OPEN, PICTURE, "allow"),
        (STRICT, NOTHING_FOUND, "allow"),
    ],
)
def test_the_profiles_that_ship(one: Profile, what: Classified, action: Action) -> None:
    assert verdict(known(one, what=what), OUTSIDE).action == action
    assert verdict(known(one, what=what), HOME).action == "allow"


def test_where_the_detector_failed_nothing_leaves_whatever_the_row_of_pictures_says() -> None:
    unseen = Classified(opaque="the detector failed", failed=True)
    for one in (STRICT, BALANCED, OPEN, profile("mine", OPEN, {"opaque": "redact"}, {"api": {"opaque": "allow"}})):
        assert verdict(known(one, what=unseen), OUTSIDE).action == "local_only"
        assert verdict(known(one, what=unseen), HOME).action == "allow"
    blocked = profile("mine", OPEN, {"opaque": "block"}, {})
    assert verdict(known(blocked, what=unseen), HOME).action == "block"


def test_a_refusal_names_the_profile_the_row_and_what_was_found() -> None:
    said = verdict(known(BALANCED, what=CARD), OUTSIDE)
    assert said.rule == "balanced: financial/payment_card local_only"
    assert said.why == "payment card ×1 found"


def test_what_is_clean_costs_nothing() -> None:
    assert known(BALANCED).clean
    assert verdict(known(BALANCED), OUTSIDE) is ALLOWED
    assert known(what=CARD).clean, "privacy is off: nobody judges"


@pytest.mark.parametrize("name", [*CATEGORIES, "hard", "soft"])
def test_a_label_cannot_be_redacted_so_it_stays(name: str) -> None:
    for one in (STRICT, BALANCED):
        assert verdict(known(one, labels=label(name)), OUTSIDE).action == "local_only"
        assert verdict(known(one, labels=label(name)), HOME).action == "allow"


def test_a_label_without_a_category_is_not_lost_beside_one_with() -> None:
    """Something hard may be anything: a place that may have health data may not have it for that."""
    mine = profile("mine", BALANCED, {}, {"hospital": {"health": "allow"}})
    hospital = Place("hospital", local=False)
    assert verdict(known(mine, labels=label("health")), hospital).action == "allow"
    assert verdict(known(mine, labels=stricter(label("health"), label("hard"))), hospital).action == "local_only"


def test_a_label_of_a_category_that_was_also_found_stays_too() -> None:
    assert verdict(known(BALANCED, what=NAME, labels=of(["personal"])), OUTSIDE).action == "local_only"


def test_a_tier_without_a_name_counts_beside_a_category() -> None:
    ward = profile("ward", BALANCED, {"health": "allow", "personal": "allow"}, {})
    for words, action in (("health", "allow"), ("hard", "local_only"), ("soft", "allow")):
        assert verdict(known(ward, labels=label(words)), OUTSIDE).action == action
    both = stricter(label("health"), label("hard"))
    assert verdict(known(ward, labels=both), OUTSIDE).action == "local_only", "more labels never make it laxer"


def test_an_own_profile_stands_on_another_and_rows_of_kinds_win() -> None:
    mine = profile("mine", BALANCED, {"email": "redact", "secrets": "block"}, {})
    mail = found(("identifiers", "email", "hard"))
    assert verdict(known(mine, what=mail), OUTSIDE).action == "redact"
    assert verdict(known(mine, what=found(("identifiers", "phone", "hard"))), OUTSIDE).action == "local_only"
    assert verdict(known(mine, what=KEY), OUTSIDE).action == "block"
    assert verdict(known(mine, what=KEY), HOME).action == "block", "block means nobody"


def test_a_zone_may_have_rows_of_its_own() -> None:
    mine = profile(
        "mine", BALANCED, {}, {"hospital": {"health": "allow", "identifiers": "allow"}, "own": {"secrets": "block"}}
    )
    both = found(("health", "health", "hard"), ("identifiers", "medical_record_number", "hard"))
    assert verdict(known(mine, what=both), Place("hospital", local=False)).action == "allow"
    assert verdict(known(mine, what=both), OUTSIDE).action == "local_only"
    assert verdict(known(mine, what=KEY), HOME).action == "block"
    assert verdict(known(mine, what=KEY), Place("other", local=True)).action == "allow"


def test_what_a_zone_says_of_a_category_stands_above_what_the_profile_says_of_a_kind() -> None:
    mine = profile("mine", BALANCED, {"aws_key": "allow"}, {"west": {"secrets": "block"}})
    assert verdict(known(mine, what=KEY), Place("west", local=False)).action == "block"
    assert verdict(known(mine, what=KEY), OUTSIDE).action == "allow"


def test_profiles_stand_on_each_other_zone_by_zone() -> None:
    first = profile("first", BALANCED, {}, {"eu": {"personal": "allow", "health": "allow"}})
    second = profile("second", first, {}, {"eu": {"health": "local_only"}})
    eu = Place("eu", local=False)
    assert verdict(known(second, what=NAME), eu).action == "allow"
    assert verdict(known(second, what=PHI), eu).action == "local_only"


def test_of_several_profiles_the_strictest_counts() -> None:
    for first, second in itertools.permutations((STRICT, BALANCED, OPEN), 2):
        for what in (CARD, NAME, KEY, STORY, PHI, PICTURE):
            alone = [verdict(known(one, what=what), OUTSIDE).action for one in (first, second)]
            assert verdict(known(first, second, what=what), OUTSIDE).action == strictest(alone)


def test_more_findings_or_labels_never_make_it_laxer() -> None:
    rows = (("financial", "payment_card", "hard"), ("personal", "person", "soft"), ("health", "health", "soft"))
    for one in (STRICT, BALANCED, OPEN):
        for size in range(len(rows)):
            less = verdict(known(one, what=found(*rows[:size])), OUTSIDE).action  # type: ignore[arg-type]
            more = verdict(known(one, what=found(*rows[: size + 1])), OUTSIDE).action  # type: ignore[arg-type]
            assert ACTIONS.index(more) >= ACTIONS.index(less)
            labelled = known(one, what=found(*rows[:size]), labels=label("hard"))  # type: ignore[arg-type]
            assert ACTIONS.index(verdict(labelled, OUTSIDE).action) >= ACTIONS.index(less)


def finding(category: Category, kind: str, tier: Tier) -> Finding:
    return Finding(category=category, kind=kind, tier=tier, start=0, end=1)


def test_what_redaction_does_with_each_finding() -> None:
    person, secret = finding("personal", "person", "soft"), finding("secrets", "password", "hard")
    assert chosen((BALANCED,), OUTSIDE, person) == "placeholder"
    assert chosen((OPEN,), OUTSIDE, person) == "keep"
    assert chosen((profile("mine", OPEN, {"secrets": "redact"}, {}),), OUTSIDE, secret) == "blank"
    assert chosen((OPEN, BALANCED), OUTSIDE, person) == "placeholder"


def test_actions_go_from_lax_to_strict() -> None:
    assert get_args(Action) == ACTIONS == ("allow", "redact", "local_only", "block")
