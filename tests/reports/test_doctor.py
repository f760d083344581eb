"""A check-up in a terminal of any width and as JSON; hostile names steer nothing."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from rich.console import Console

from crossover.doctor.checks import findings
from crossover.doctor.words import House, Quick
from crossover.reports.doctor import as_json, headline, render
from tests.doctor_parts import QUICK, house, place
from tests.reports.loadtests import HOSTILE

BAD = house(
    place(quick=Quick(failed=HOSTILE)), place(name=HOSTILE, title=HOSTILE, logprobs=False),
    place(name="slow", quick=msgspec.structs.replace(QUICK, tokens_per_s=1.0)),
)  # fmt: skip


def shown(one: House, width: int = 100, *, quiet: bool = False) -> str:
    out = io.StringIO()
    render(one, findings(one), Console(file=out, width=width, force_terminal=False), quiet=quiet)
    return out.getvalue()


def test_a_healthy_house_is_said_to_be_well() -> None:
    assert headline(findings(house())) == "All is well"
    assert "first token after 40 ms" in shown(house())
    assert "This machine" not in shown(house(), quiet=True)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_it_fits_and_hides_nothing(width: int) -> None:
    text = shown(BAD, width)
    assert max(map(len, text.splitlines())) <= width
    assert "1 thing is broken" in " ".join(text.split())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "→ Start it, or" in text


def test_one_broken_thing_is_counted_with_the_warnings() -> None:
    assert headline(findings(BAD)) == "1 thing is broken, and 1 warning"


def test_json_says_the_worst_and_every_check() -> None:
    found = as_json(BAD, findings(BAD))
    assert json.loads(msgspec.json.encode(found)) == json.loads(json.dumps(found))
    assert (found["state"], found["counts"]["broken"]) == ("broken", 1)
    assert [one["name"] for one in found["places"]] == ["llama", HOSTILE, "slow"]
    assert {"check", "state", "subject", "says", "fix"} == set(found["checks"][0])
