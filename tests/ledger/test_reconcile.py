from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crossover.bill import Bill, Line
from crossover.ledger.billed import canonical, used
from crossover.ledger.reconcile import Found, against
from crossover.ledger.words import PICO, Alternative, AttemptRow, Record
from tests.ledger.parts import DAY, HOUR, NOON, local, opened, record, write

MIDNIGHT = NOON - 12 * HOUR
CENT = PICO // 100


def asked(id_: str, hours: float = 12.0, cost: int = CENT, **facts: Any) -> Record:
    """A request of 100 and 20 tokens at so many hours after midnight."""
    attempt = AttemptRow(
        deployment="mini", outcome="ok", start_ms=1.0, duration_ms=9.0, input_tokens=100, output_tokens=20, cost=cost
    )
    attempts = facts.pop("attempts", (attempt,))
    return record(id_, time=MIDNIGHT + hours * HOUR, cost=cost, marginal=cost, attempts=attempts, **facts)


def failed(outcome: str = "first_byte_timeout", cost: int = CENT, *, accepted: bool = True) -> AttemptRow:
    return AttemptRow(
        deployment="mini", outcome=outcome, start_ms=1.0, duration_ms=9.0, input_tokens=100 if cost else 0, cost=cost,
        accepted=accepted,
    )  # fmt: skip


def line(day: int = 0, **facts: Any) -> Line:
    start = MIDNIGHT + day * DAY
    usual: dict[str, Any] = {"start": start, "end": start + DAY, "model": "gpt-4o-mini-2024-07-18"}
    return Line(**usual | facts)


def held(path: Path, rows: list[Record], *lines: Line, provider: str = "openai") -> Found:
    with opened(path / "ledger.db") as ledger:
        write(ledger, rows)
        return against(ledger, [Bill(provider=provider, title="bill", lines=lines)])


def causes(found: Found) -> set[str]:
    return {cause for pair in (*found.days, *found.models) for cause, _ in pair.causes}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4o-2024-08-06", "GPT-4o"), ("gpt-4-0613", "openai/gpt-4"),
        ("claude-3-5-haiku-20241022", "Claude Haiku 3.5"),
        ("claude-sonnet-4-5@20250929", "anthropic/claude-sonnet-4.5"), ("gpt-4o-latest", "gpt-4o"),
    ],
)  # fmt: skip
def test_names_of_one_model_are_one(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


def test_names_of_different_models_are_different() -> None:
    names = [
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-4.1",
        "gpt-4.1-mini",
        "claude-haiku-4-5",
        "claude-3-5-haiku",
        "llama-3.1-405b",
    ]
    assert len({canonical(name) for name in names}) == len(names)


def test_a_bill_that_agrees_has_nothing_to_explain(tmp_path: Path) -> None:
    found = held(tmp_path, [asked("a"), asked("b")], line(requests=2, input=200, output=40, usd=Decimal("0.02")))
    assert (found.bill, found.own, found.share, found.unit) == (2 * CENT, 2 * CENT, 0.0, "usd")
    assert causes(found) == set()
    assert [pair.model for pair in found.models] == ["gpt-4o-mini"]


def test_usage_and_costs_stand_beside_each_other(tmp_path: Path) -> None:
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, [asked("a")])
        usage = Bill(provider="openai", title="usage", lines=(line(requests=1, input=100, output=20),))
        costs = Bill(provider="openai", title="costs", lines=(line(usd=Decimal("0.005")),))
        found = against(ledger, [usage, costs])
    (pair,) = found.models
    assert (pair.bill.tokens, pair.bill.cost) == (120, CENT // 2)
    assert causes(found) == {"batch_price"}


def test_traffic_beside_the_gateway(tmp_path: Path) -> None:
    more = line(requests=5, input=500, output=100, usd=Decimal("0.05"))
    found = held(tmp_path, [asked("a")], more)
    assert causes(found) == {"beside_the_gateway"}
    assert "4 requests more than the ledger knows" in found.days[0].causes[0][1]
    assert found.share == pytest.approx(0.8)


def test_days_that_one_side_does_not_know(tmp_path: Path) -> None:
    rows = [asked("a"), asked("b", 36.0, deployment="large", model="gpt-4o")]
    rows[1] = asked("b", 36.0)
    found = held(
        tmp_path, rows, line(usd=Decimal("0.01")), line(-1, usd=Decimal("1")), line(1, model="o3", usd=Decimal(1))
    )
    said = {(pair.model, int((pair.start - MIDNIGHT) // DAY)): pair.causes[0] for pair in found.days}
    assert said["gpt-4o-mini", -1] == ("missing_in_ledger", "the ledger began later")
    assert said["o3", 1][0] == "missing_in_ledger"
    assert said["gpt-4o-mini", 1][0] == "missing_in_bill"


def test_days_of_another_time_zone_are_found(tmp_path: Path) -> None:
    """A bill whose days begin at 08:00 UTC, as in California; only dates are written."""
    rows = [asked(f"r{hour}", hour, cost=CENT * (1 + (hour * hour * 31 + hour * 7) % 97)) for hour in range(24 * 6)]
    lines = []
    for day in range(1, 5):
        inside = [each for each in rows if 8 <= (each.time - MIDNIGHT) / HOUR - day * 24 < 32]
        usd = Decimal(sum(each.cost for each in inside)).scaleb(-12)
        lines.append(line(day, usd=usd, basis="day"))
    found = held(tmp_path, rows, *lines)
    assert found.shift == 8
    assert found.share == 0.0
    assert causes(found) <= {"time_zone", "rounding"}
    assert ("time_zone", "the bill's days begin at 08:00 UTC") in found.days[0].causes
    stated = held(tmp_path / "moments", rows, *(line(day, usd=each.usd) for day, each in enumerate(lines, 1)))
    assert stated.shift == 0  # moments are no guess


def test_days_that_begin_at_another_hour_are_compared_with_those_hours(tmp_path: Path) -> None:
    shifted = Line(start=MIDNIGHT + 8 * HOUR, end=MIDNIGHT + 32 * HOUR, model="gpt-4o-mini", usd=Decimal("0.01"))
    found = held(tmp_path, [asked("before", 7.0), asked("in", 31.0), asked("after", 32.5)], shifted)
    assert (found.own, causes(found)) == (CENT, set())


def test_cached_tokens(tmp_path: Path) -> None:
    rows = [asked("a", cached_read=60)]
    without = held(tmp_path, rows, line(requests=1, input=40, output=20, cached=60, usd=Decimal("0.008")))
    assert without.days[0].causes[0] == ("cached_tokens", "the bill's input leaves out cached tokens")
    found = held(tmp_path / "b", rows, line(requests=1, input=100, output=20, cached=90, usd=Decimal("0.004")))
    assert found.days[0].causes[0] == ("cached_tokens", "the bill counts 90 cached tokens, the ledger 60")


def test_failed_attempts_that_were_not_billed(tmp_path: Path) -> None:
    good = asked("ok").attempts[0]
    rows = [asked(f"r{n}") for n in range(40)]
    rows += [asked("retried", cost=4 * CENT, attempts=(failed(cost=3 * CENT), good))]
    found = held(tmp_path, rows, line(requests=41, input=4100, output=820, usd=Decimal("0.41")))
    assert ("retries", "1 failed attempts were taken as billed, and were not") in found.days[0].causes


def test_failed_attempts_that_were_billed_all_the_same(tmp_path: Path) -> None:
    good = asked("ok").attempts[0]
    rows = [asked(f"r{n}", attempts=(failed("rate_limited", cost=0), good)) for n in range(3)]
    found = held(tmp_path, rows, line(requests=6, input=600, output=60, usd=Decimal("0.06")))
    assert found.days[0].causes[0] == ("retries", "3 attempts without an answer were billed all the same")


def test_rounding_price_and_estimates(tmp_path: Path) -> None:
    rounded = held(tmp_path / "r", [asked("a", cost=CENT + 7)], line(usd=Decimal("0.01")))
    assert causes(rounded) == {"rounding"}
    price = held(tmp_path / "p", [asked("a", cost=9 * CENT)], line(input=100, output=20, usd=Decimal("0.072")))
    assert price.days[0].causes[0][1].startswith("the same tokens at 80% of the ledger's price")
    guess = [asked("a", output_basis="estimated")]
    estimated = held(tmp_path / "e", guess, line(requests=1, input=100, output=10, usd=Decimal("0.002")))
    assert causes(estimated) == {"estimated"}


def test_a_bill_without_models_is_compared_as_one(tmp_path: Path) -> None:
    rows = [asked("a"), asked("b", model="gpt-4o", deployment="large", attempts=())]
    found = held(tmp_path, rows, line(model="", usd=Decimal("0.01")))
    (pair,) = found.models
    assert (pair.model, pair.difference) == ("all models", 0)


def test_own_machines_and_other_providers_are_left_out(tmp_path: Path) -> None:
    rows = [
        asked("a"),
        local("own", attempts=(AttemptRow(deployment="box", outcome="ok", start_ms=0.0, duration_ms=1.0, cost=CENT),)),
        asked("other", provider="anthropic", deployment="haiku", model="claude-haiku-4-5",
              attempts=(AttemptRow(deployment="haiku", outcome="ok", start_ms=0.0, duration_ms=1.0, cost=CENT),)),
        asked("never", alternatives=(Alternative("spare", 1, local=True),),
              attempts=(AttemptRow(deployment="spare", outcome="refused", start_ms=0.0, duration_ms=1.0),)),
    ]  # fmt: skip
    with opened(tmp_path / "ledger.db") as ledger:
        write(ledger, rows)
        hours, names, began = used(ledger, MIDNIGHT, MIDNIGHT + DAY, {"openai"})
    assert list(names.values()) == ["gpt-4o-mini"]
    assert (list(hours), began) == ([canonical("gpt-4o-mini")], NOON)


def test_tokens_alone_are_compared_where_nobody_says_a_price(tmp_path: Path) -> None:
    found = held(tmp_path, [asked("a")], line(requests=1, input=100, output=20))
    assert (found.unit, found.bill, found.own) == ("tokens", 120, 120)
