"""Plans to deploy, made from the hand-built one: options of every kind, as ``crossover plan --json`` holds them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from crossover.catalog.load import load
from crossover.deploy.site import site_of
from crossover.deploy.words import Site, Wishes
from crossover.deployment import Deployment, ModelId, Owned, PerHour, PerToken, Zone
from crossover.evidence import Band
from crossover.planner.words import CostLine, Launch, Option, Plan, SloCheck
from crossover.providers.registry import providers
from tests.reports import plans

LAUNCH = Launch(context=8192, sequences=64, step_tokens=8192, cache_tokens=400_000)
RENTED = Zone(name="runpod", operator="rented", party="runpod", country="US", agreements=frozenset({"dpa"}))
OPENAI = Zone(name="openai", operator="provider", party="openai")


def own(id_: str = "self:one", **facts: Any) -> Option:
    """Own machines: two replicas and one in reserve, each on two H100."""
    deployment = Deployment(
        id=id_,
        model=ModelId(
            name=facts.pop("model", "meta-llama/Llama-3.1-70B-Instruct"),
            quantisation=facts.pop("quantisation", "fp8"),
            engine=facts.pop("engine", "vllm"),
        ),
        zone=facts.pop("zone", RENTED),
        billing=facts.pop("billing", PerHour(cloud="runpod", instance="2x_H100", usd_per_hour=Decimal("4.18"))),
        accelerator=facts.pop("accelerator", "H100 SXM"),
        accelerators=facts.pop("accelerators", 2),
    )
    usual: dict[str, Any] = {
        "kind": "self", "title": "Llama-3.1-70B fp8 on 2 × H100 SXM", "replicas": 2, "spare_replicas": 1, "machines": 3,
        "replica_rps": 8.0, "launch": LAUNCH, "lines": (CostLine(name="machines", kind="compute", usd_month=9028.8),),
        "slo": (SloCheck(label="ttft_p95<1s", limit_s=1.0, reached_s=0.3, met=True),),
    }  # fmt: skip
    return option(id_, deployment, **usual | facts)


def sold(id_: str = "api:openai/gpt-4o-mini", provider: str = "openai", model: str = "gpt-4o-mini") -> Option:
    """A model sold per token."""
    deployment = Deployment(
        id=id_, model=ModelId(name=f"{provider}/{model}", engine="hosted"),
        zone=msgspec.structs.replace(OPENAI, name=provider, party=provider),
        billing=PerToken(provider=provider, model=model),
    )  # fmt: skip
    return option(id_, deployment, kind="api", title=f"{model} ({provider})", lines=())


def hybrid(rest: str = "overflow", **facts: Any) -> Option:
    """Own machines with an API beside them: for its peaks, or (``rest``) for what may leave."""
    lines = (
        CostLine(name="machines", kind="compute", usd_month=9028.8),
        CostLine(name=f"{rest} to gpt-4o-mini", kind="overflow", usd_month=100.0),
    )
    usual = {"kind": "hybrid", "lines": lines, "overflow_share": 0.1, "overflow_to": "api:openai/gpt-4o-mini"}
    return own("hybrid:one", **usual | facts)


def option(id_: str, deployment: Deployment, **facts: Any) -> Option:
    return Option(
        id=id_, model=deployment.model.name, deployment=deployment, usd_month=1.0, usd_band=Band(1.0, 1.0, 1.0),
        p_cheapest=0.5, usd_per_request=0.1, usd_per_mtok=0.1, **facts,
    )  # fmt: skip


def plan_of(*options: Option, regimes: tuple[str, ...] = ()) -> Plan:
    sample = plans.sample()
    return msgspec.structs.replace(
        sample,
        options=options,
        verdict=msgspec.structs.replace(sample.verdict, option=options[0].id if options else ""),
        workload=msgspec.structs.replace(sample.workload, regimes=regimes),
    )


def site(chosen: Option, *others: Option, regimes: tuple[str, ...] = (), **facts: Any) -> Site:
    accelerators = {row.name: row for row in load().accelerators}
    return site_of(plan_of(chosen, *others, regimes=regimes), chosen, accelerators, providers(), **facts)


def wishes(target: Any = "kubernetes", **facts: Any) -> Wishes:
    usual: dict[str, Any] = {"gateway_image": "crossover:1", "python_image": "python:3.13-slim", "version": "0.1.0"}
    return Wishes(target=target, **usual | facts)


OWNED = Owned(price_usd=Decimal(5000), watts=900.0)
CASES: dict[str, Option] = {
    "vllm": own(),
    "one replica": own(replicas=1, spare_replicas=0, machines=1, accelerators=1),
    "amd": own(accelerator="MI300X", accelerators=1, zone=Zone(name="own", operator="own"), billing=OWNED),
    "llamacpp": own(engine="llamacpp", quantisation="Q4_K_M", accelerator="RTX 4090", accelerators=1,
                    launch=msgspec.structs.replace(LAUNCH, sequences=8), zone=Zone(name="own", operator="own")),
    "llamacpp split": own(engine="llamacpp", quantisation="Q4_K_M", accelerator="RTX 4090"),
    "peaks": hybrid(),
    "rest": hybrid("rest"),
    "api": sold(),
    "google": sold("api:google/gemini-2.5-flash", "google", "gemini-2.5-flash"),
    "router": sold("hosted:huggingface_together/x", "huggingface_together", "meta-llama/Llama-3.3-70B-Instruct"),
}  # fmt: skip
