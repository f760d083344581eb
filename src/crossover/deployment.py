"""Deployment: a place where a model answers, where that place is, and how it is billed.

A hosted API is a deployment billed per token; an own machine is one billed per hour (rented) or over its life
(bought). PLAN, PROVE and RUN all speak of deployments; only the billing differs.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec

Engine = Literal["vllm", "sglang", "trtllm", "llamacpp", "ollama", "hosted"]
Operator = Literal["own", "rented", "provider"]
Purchase = Literal["on_demand", "reserved", "spot"]


class ModelId(msgspec.Struct, frozen=True, kw_only=True):
    """Which model exactly.

    ``name`` is the maker's own (``meta-llama/Llama-3.1-8B-Instruct``) for open weights and ``provider/model`` for a
    hosted API. Two ids are the same model for *evidence of quality* where name, quantisation and (if both carry one)
    digest agree; for *evidence of speed* the engine must agree too; for *price* only provider and model count.
    """

    name: str
    quantisation: str | None = None
    engine: Engine | None = None
    digest: str | None = None


def same_quality(first: ModelId, second: ModelId) -> bool:
    """Whether a quality measured on one id speaks for the other."""
    digests_agree = first.digest is None or second.digest is None or first.digest == second.digest
    return first.name == second.name and first.quantisation == second.quantisation and digests_agree


class Zone(msgspec.Struct, frozen=True, kw_only=True):
    """Where a deployment runs and under which agreements; declared by the user, never inferred from an address.

    ``party`` is who operates the place (``aws``, ``openai``, ``own``). ``agreements`` holds what the user declared as
    signed or in force with that party (``baa``, ``dpa`` …): undeclared means not signed.
    """

    name: str
    operator: Operator
    party: str = "own"
    country: str | None = None
    agreements: frozenset[str] = frozenset()


class PerToken(msgspec.Struct, frozen=True, kw_only=True, tag="per_token"):
    """Billed by the token by ``provider`` for its own id ``model``."""

    provider: str
    model: str
    processing: Literal["standard", "batch"] = "standard"
    service_tier: str = "default"


class PerHour(msgspec.Struct, frozen=True, kw_only=True, tag="per_hour"):
    """A rented instance. ``usd_per_hour`` is the whole instance, not one accelerator of it."""

    cloud: str
    instance: str
    usd_per_hour: Decimal
    region: str = ""
    purchase: Purchase = "on_demand"
    term_months: int = 0
    hours_per_day: float = 24.0
    interruptions_per_day: float = 0.0


class Owned(msgspec.Struct, frozen=True, kw_only=True, tag="owned"):
    """A bought machine, paid over its life, with its power and its place.

    ``watts`` is the draw of the whole machine under load, ``idle_watts`` without, ``pue`` the power usage
    effectiveness of the room, ``colocation_usd_month`` rent for space and network.
    """

    price_usd: Decimal
    life_months: int = 36
    residual_share: float = 0.0
    watts: float = 0.0
    idle_watts: float = 0.0
    usd_per_kwh: Decimal = Decimal("0.15")
    pue: float = 1.0
    colocation_usd_month: Decimal = Decimal(0)


Billing: TypeAlias = PerToken | PerHour | Owned


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a model answers. ``accelerator`` and ``accelerators`` are empty for a hosted API."""

    id: str
    model: ModelId
    zone: Zone
    billing: Billing
    accelerator: str = ""
    accelerators: int = 0


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to wait: for a connection, the first byte of a stream, between two pieces, and in all.

    ``whole`` is the wait for the first byte of an answer in one piece: models send it only when all is written.
    ``cold`` replaces ``first_byte`` while a local engine still has to load the model.
    """

    connect: float = 5.0
    first_byte: float = 60.0
    whole: float = 600.0
    gap: float = 30.0
    total: float = 600.0
    cold: float = 300.0
