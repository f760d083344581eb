"""Deployment: when two models are one, and that every kind of billing survives JSON."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from crossover.deployment import Billing, Deployment, ModelId, Owned, PerHour, PerToken, Zone, same_quality

LLAMA = ModelId(name="meta-llama/Llama-3.1-8B-Instruct", quantisation="fp8", engine="vllm", digest="a1")


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"engine": "llamacpp"}, True),
        ({"digest": None}, True),
        ({"digest": "b2"}, False),
        ({"quantisation": "bf16"}, False),
        ({"quantisation": None}, False),
        ({"name": "meta-llama/Llama-3.1-70B-Instruct"}, False),
    ],
)
def test_when_a_quality_speaks_for_another_model(change: dict[str, str | None], same: bool) -> None:
    other = msgspec.structs.replace(LLAMA, **change)
    assert same_quality(LLAMA, other) is same
    assert same_quality(other, LLAMA) is same


BILLINGS: list[Billing] = [
    PerToken(provider="openai", model="gpt-4o", processing="batch"),
    PerHour(cloud="aws", instance="g6.xlarge", usd_per_hour=Decimal("0.8048"), purchase="spot", hours_per_day=12.0),
    Owned(price_usd=Decimal("5599.99"), watts=480.0, pue=1.2),
]


@pytest.mark.parametrize("billing", BILLINGS, ids=lambda billing: type(billing).__name__)
def test_a_deployment_survives_json(billing: Billing) -> None:
    zone = Zone(name="eu", operator="rented", party="aws", country="DE", agreements=frozenset({"dpa"}))
    here = Deployment(id="x", model=LLAMA, zone=zone, billing=billing, accelerator="L4", accelerators=2)
    assert msgspec.json.decode(msgspec.json.encode(here), type=Deployment) == here


def test_nothing_is_signed_until_the_user_says_so() -> None:
    assert Zone(name="openai", operator="provider", party="openai").agreements == frozenset()


def test_words_do_not_change() -> None:
    with pytest.raises(AttributeError):
        LLAMA.name = "other"  # type: ignore[misc]
