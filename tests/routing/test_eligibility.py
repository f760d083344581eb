from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from crossover.compliance import shipped_rules
from crossover.errors import UnknownNameError
from crossover.privacy.policy import knowing
from crossover.privacy.words import NOTHING_FOUND
from crossover.routing.eligibility import FOR_GOOD, Ask, Law, Laws, refusal
from crossover.routing.health import Health
from crossover.routing.words import BreakerRule, Need, Target
from crossover.sensitivity import label
from tests.dispatch_parts import anything_goes, local, target

CHECKED = max(rule.source.checked for rule in shipped_rules())
CHAT: frozenset[Need] = frozenset({"chat"})


def code_of(row: Target, ask: Ask, law: Law = anything_goes, health: Health | None = None) -> str | None:
    found = refusal(row, ask, law, health or Health([row.id], BreakerRule()), 0.0)
    assert found is None or (found.target == row.id and found.reason)
    return None if found is None else found.code


@pytest.mark.parametrize(
    ("row", "ask", "code"),
    [
        (target("a"), {}, None),
        (target("a"), {"local_only": True}, "local_only"),
        (local("a"), {"local_only": True}, None),
        (target("a", operator="rented"), {"local_only": True}, None),
        (target("a", can=CHAT), {"needs": frozenset({"chat", "tools"})}, "ability"),
        (target("a", context=1000), {"input_tokens": 1250}, None),
        (target("a", context=1000), {"input_tokens": 1251}, "context"),
        (target("a", max_output=100), {"output_tokens": 100}, None),
        (target("a", max_output=100), {"output_tokens": 101}, "max_output"),
        (target("a", max_output=100), {"output_tokens": None}, None),
    ],
)
def test_each_rule(row: Target, ask: dict[str, Any], code: str | None) -> None:
    assert code_of(row, Ask(**{"needs": CHAT, **ask})) == code


def test_a_part_that_no_word_fits_goes_to_a_target_of_its_own_dialect_only() -> None:
    strange: frozenset[Need] = frozenset({"chat", "unknown"})
    same, other = target("same", dialect="openai"), target("other", dialect="gemini")
    assert code_of(same, Ask(needs=strange, dialect="openai")) is None
    assert code_of(other, Ask(needs=strange, dialect="openai")) == "dialect"
    assert code_of(same, Ask(needs=strange)) == "dialect", "made in Python: it has no dialect"
    assert code_of(same, Ask(needs=strange | {"video"}, dialect="openai")) == "ability"
    assert "dialect" in FOR_GOOD


def test_the_law_comes_before_everything_that_may_pass() -> None:
    """Else one would wait for a deployment that may never answer."""
    row = target("a")
    health = Health(["a"], BreakerRule())
    health.of("a").trip(0.0, "dead")
    assert code_of(row, Ask(needs=CHAT), lambda *_: "no", health) == "law"
    assert code_of(row, Ask(needs=CHAT), anything_goes, health) == "resting"
    assert "law" in FOR_GOOD
    assert "resting" not in FOR_GOOD


def test_sensitive_data_goes_to_no_paid_deployment_without_an_agreement() -> None:
    laws = Laws(CHECKED, lambda: CHECKED)
    sensitive = Ask(needs=CHAT, known=knowing(NOTHING_FOUND, label("health"), ()))
    assert laws(local("own"), sensitive) is None
    assert laws(target("cloud"), Ask(needs=CHAT)) is None
    against = laws(target("cloud"), sensitive)
    assert against is not None
    assert "blocked by" in against


def test_the_law_is_asked_again_on_another_day() -> None:
    """A rule that nobody checked for 90 days permits nothing any more."""
    today = [CHECKED]
    laws = Laws(None, lambda: today[0])
    row, about_health = target("cloud", agreements=("baa",)), knowing(NOTHING_FOUND, label("health"), ())
    ask = Ask(needs=CHAT, known=about_health, regimes=("hipaa",))
    assert laws(row, ask) is None
    today[0] = CHECKED + dt.timedelta(days=400)
    assert "unknown" in (laws(row, ask) or "")
    today[0] = CHECKED
    assert laws(row, ask) is None


def test_what_a_place_is_barred_for_counts_before_any_rule() -> None:
    laws = Laws(CHECKED, lambda: CHECKED)
    laws.barred = {"own": "it sends elsewhere"}
    assert laws(local("own"), Ask(needs=CHAT)) == "it sends elsewhere"
    assert laws(local("other"), Ask(needs=CHAT)) is None


def test_an_unknown_regime_is_an_error_and_never_a_permit() -> None:
    laws = Laws(CHECKED, lambda: CHECKED)
    for _ in range(2):
        with pytest.raises(UnknownNameError):
            laws(target("cloud"), Ask(needs=CHAT, regimes=("hipaaa",)))


def test_answers_are_remembered_within_bounds() -> None:
    laws = Laws(CHECKED, lambda: CHECKED)
    for count in range(5000):
        laws(target(f"t{count}"), Ask(needs=CHAT))
    assert len(laws._known) <= 4096
    assert laws(target("t0"), Ask(needs=CHAT)) is None
