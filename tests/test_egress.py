"""No pass, no call."""

from __future__ import annotations

import pytest

from crossover.egress import Guard, Pass
from crossover.errors import EgressError


def test_a_pass_opens_one_place_for_one_content() -> None:
    guard, words, tree = Guard(), ("a",), {"b": 1}
    shown = guard.permit("api", "balanced", (words, tree))
    guard.check(shown, "api", (words, tree))
    with pytest.raises(EgressError, match="not for other"):
        guard.check(shown, "other", (words, tree))
    with pytest.raises(EgressError, match="for other content"):
        guard.check(shown, "api", (("a", "c"), tree))
    with pytest.raises(EgressError, match="for other content"):
        guard.check(shown, "api", (words, {"b": 1}))  # equal, and not the same: somebody may have changed it since


def test_nobody_else_can_make_one() -> None:
    guard, words = Guard(), ("a",)
    for shown in (None, Guard().permit("api", "", (words, None)), Pass(object(), "api", "", (words, None))):
        with pytest.raises(EgressError):
            guard.check(shown, "api", (words, None))
