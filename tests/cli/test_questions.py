"""Small texts that flags take: prices, agreements, reserved throughput, and numbers as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from crossover.cli.questions import agreements, plain, price_override, provisioned, regimes
from crossover.errors import InputError


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.1, "0.1"), (1e-6, "0.000001"), (24, "24"), (1e6, "1,000,000"), (1e12, "1,000,000,000,000")],
)
def test_numbers_without_exponents(number: float, text: str) -> None:
    assert plain(number) == text


def test_prices_of_ones_own() -> None:
    row = price_override("gpt-4o = 2.5, $10")
    assert (row.model, row.input, row.output) == ("openai/gpt-4o", Decimal("2.5"), Decimal(10))
    assert price_override("openai/gpt-4o=0,0").output == 0


def test_agreements_with_one_party_add_up() -> None:
    assert agreements(["OpenAI = BAA", "openai=dpa, scc", "aws=baa"]) == (
        ("openai", frozenset({"baa", "dpa", "scc"})),
        ("aws", frozenset({"baa"})),
    )
    assert agreements([]) == ()


@pytest.mark.parametrize("row", ["openai", "=baa", "openai=", " = ", ""])
def test_agreements_that_say_nothing(row: str) -> None:
    with pytest.raises(InputError, match="names no agreement"):
        agreements([row])


def test_regimes_by_the_names_people_type() -> None:
    assert regimes(["HIPAA", "PCI", "hipaa", "SOC 2"]) == ("hipaa", "pci-dss", "soc2")


def test_reserved_throughput() -> None:
    row = provisioned(" usd_per_unit_hour = 10, tokens_per_minute=50000 ,units=2")
    assert (row.usd_per_unit_hour, row.tokens_per_minute, row.output_weight, row.units) == (Decimal(10), 50_000, 1, 2)
    assert provisioned("usd_per_unit_hour=0.5,tokens_per_minute=1,output_weight=3").units is None


@pytest.mark.parametrize(
    "text", ["", "x=1", "usd_per_unit_hour", "tokens_per_minute=5", "usd_per_unit_hour=-1,tokens_per_minute=5"]
)
def test_reserved_throughput_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError):
        provisioned(text)
