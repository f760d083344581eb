from __future__ import annotations

import re
from pathlib import Path

from crossover.ledger import queries, savings
from crossover.ledger.savings import REASONS, AtHome, Missed, why_not
from crossover.ledger.words import Alternative
from crossover.routing.eligibility import FOR_GOOD
from tests.ledger.parts import DAY, HOUR, NOON, local, opened, record, write

SPAN = (NOON - HOUR, NOON + DAY)
BOX = Alternative("box", 9_000_000, local=True)


def test_every_lasting_refusal_has_a_reason() -> None:
    assert set(REASONS) >= FOR_GOOD


def test_every_refusal_in_the_code_has_a_reason() -> None:
    """A code that is new in routing or dispatch would silently count as the policy's choice."""
    source = Path(savings.__file__).parents[1]
    text = "".join(path.read_text(encoding="utf-8") for path in source.rglob("*.py") if "ledger" not in path.parts)
    codes = set(re.findall(r'Refusal\([\w.]+, "(\w+)"', text)) | set(re.findall(r'^DEADLINE = "(\w+)"', text, re.M))
    assert {"privacy", "busy", "budget", "resting", "deadline"} <= codes
    assert codes <= set(REASONS)


def test_what_a_cheaper_deployment_would_have_taken_is_missed(tmp_path: Path) -> None:
    busy = {"refused": (("box", "it is busy"),), "codes": ("busy",)}
    barred = {"refused": (("box", "health data"),), "codes": ("privacy",)}
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [
            record("policy-1", alternatives=(BOX, Alternative("tiny", 20_000_000))),
            record("policy-2", alternatives=(BOX,)),
            record("busy", alternatives=(BOX,), **busy),
            record("barred", alternatives=(Alternative("box", 9, permitted=False, local=True),), **barred),
            record("cheaper", asked="chat", alternatives=(Alternative("tiny", 20_000_000),)),
            record("dearer", alternatives=(Alternative("big", 90_000_000),)),
            record("alone"),
            local("own"),
            record("late", time=NOON + 2 * DAY, alternatives=(BOX,)),
        ])  # fmt: skip
        found = savings.missed(ledger, *SPAN)
        assert found == [
            Missed(reason="policy", asked="support", deployment="box", local=True, requests=2, amount=54_000_000),
            Missed(reason="capacity", asked="support", deployment="box", local=True, requests=1, amount=27_000_000),
            Missed(reason="sensitivity", asked="support", deployment="box", local=True, requests=1, amount=27_000_000),
            Missed(reason="policy", asked="chat", deployment="tiny", local=False, requests=1, amount=7_000_000),
        ]


def test_a_permitted_cheaper_one_counts_before_a_forbidden_one(tmp_path: Path) -> None:
    others = (Alternative("box", 1, permitted=False, local=True), Alternative("tiny", 20_000_000))
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("a", alternatives=others, refused=(("box", "no"),), codes=("law",))])
        (found,) = savings.missed(ledger, *SPAN)
    assert (found.reason, found.deployment, found.amount) == ("policy", "tiny", 7_000_000)


def test_reasons_of_rows_without_codes_are_not_guessed() -> None:
    assert why_not((("box", "it is busy"),), "box") == "unknown"
    assert why_not((("other", "it is busy", "busy"),), "box") == "policy"
    assert why_not((("box", "new", "a code of tomorrow"),), "box") == "policy"


def test_sums_beyond_a_bigint_are_exact(tmp_path: Path) -> None:
    most = 9 * 10**18
    with opened(tmp_path / "ledger.db") as ledger:
        rows = [record(f"r{n}", time=NOON + n * HOUR, cost=most, marginal=most, alternatives=(BOX,)) for n in range(4)]
        write(ledger, rows)
        assert savings.missed(ledger, *SPAN)[0].amount == 4 * most
        home = savings.at_home(ledger, *SPAN)
    assert home == AtHome(could=4, paid=4 * most, share=4 * BOX.cost)


def test_what_own_machines_would_have_taken(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [record("a", alternatives=(BOX,)), record("b"), local("c")])
        home = savings.at_home(ledger, *SPAN)
        assert savings.at_home(ledger, NOON + 2 * DAY, NOON + 3 * DAY) == AtHome()
    assert home == AtHome(could=1, paid=27_000_000, share=9_000_000, others=1, others_paid=27_000_000)


def test_parts_are_the_rows_added_up(tmp_path: Path) -> None:
    rows = [record("a"), record("b", time=NOON + 40 * DAY), local("c", tier="hard", categories=("health",))]
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, rows)
        found = savings.parts(ledger, NOON - HOUR, NOON + 50 * DAY)
        whole = queries.total(ledger, NOON - HOUR, NOON + 50 * DAY)
    assert sum(part.requests for part in found) == 3
    assert sum(part.marginal for part in found) == whole.marginal
    assert sum(part.input_tokens for part in found) == whole.input_tokens
    assert {(part.told.model, part.told.tier, part.told.categories) for part in found} == {
        ("gpt-4o-mini", "none", ()), ("qwen", "hard", ("health",)),
    }  # fmt: skip
