"""A realistic plan, built by hand, for tests of rendering. Its figures are plausible, not computed by the product."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from itertools import pairwise
from statistics import NormalDist

import msgspec

from crossover.capacity.words import Percentiles, SimResult
from crossover.deployment import Deployment, ModelId, Owned, PerHour, PerToken, Zone
from crossover.evidence import Band
from crossover.planner.words import (
    Assumption,
    BreakEven,
    CostLine,
    Counts,
    Crossing,
    CurvePoint,
    Flip,
    LineKind,
    Option,
    OptionKind,
    Plan,
    Reach,
    Refused,
    ReplicaCurve,
    ReplicaPoint,
    RuleEffect,
    SloCheck,
    TornadoBar,
    Verdict,
    VolumeCurve,
    WorkloadView,
)

MADE_ON = dt.date(2026, 11, 23)
PER_DAY = 313_725.0
TODAY = "openai/gpt-4o"
HOSTED = "groq/llama-3.3-70b"
OWN = "self/llama-3.3-70b/fp8/2xh100/vllm/on_demand/runpod"
HYBRID = "hybrid/llama-3.3-70b/fp8/2xh100+groq/llama-3.3-70b"
_NORMAL = NormalDist()


def band(middle: float, spread: float = 0.15) -> Band:
    return Band(middle * (1 - spread), middle * 1.01, middle * (1 + 1.2 * spread))


def percentiles(median: float, sigma: float) -> Percentiles:
    shares = (0.0001, *(step / 100 for step in range(1, 100)), 0.999, 0.9999)
    values = tuple(median * math.exp(sigma * _NORMAL.inv_cdf(share)) for share in shares)

    def at(share: float) -> float:
        return median * math.exp(sigma * _NORMAL.inv_cdf(share))

    mean = median * math.exp(sigma**2 / 2)
    return Percentiles(mean=mean, p50=at(0.5), p90=at(0.9), p95=at(0.95), p99=at(0.99), shares=shares, values=values)


def peak(replicas: int, *, ttft: float = 0.21, overflow: float = 0.0) -> SimResult:
    return SimResult(
        requests=39_215,
        completed=39_215,
        span_s=3600.0,
        replicas=replicas,
        ttft=percentiles(ttft, 0.62),
        itl=percentiles(0.027, 0.25),
        tpot=percentiles(0.029, 0.2),
        e2e=percentiles(8.9, 0.55),
        queue_s=percentiles(0.03, 0.9),
        utilisation=0.71,
        mean_batch=46.2,
        output_tokens_per_s=3270.0,
        goodput_rps=10.7,
        overflow_share=overflow,
        overflow_requests=int(39_215 * overflow),
        overflow_input_tokens=int(39_215 * overflow * 500),
        overflow_output_tokens=int(39_215 * overflow * 300),
        slo_met=(ttft < 0.36,),
        slo_reached_s=(ttft * 2.77,),
        stable=True,
    )


def token_option(
    option_id: str, kind: OptionKind, title: str, usd: float, p_cheapest: float, *, demoted: tuple[str, ...] = ()
) -> Option:
    provider, model = option_id.split("/", 1)
    return Option(
        id=option_id,
        kind=kind,
        title=title,
        model=model,
        deployment=Deployment(
            id=option_id,
            model=ModelId(name=option_id, engine="hosted"),
            zone=Zone(name=provider, operator="provider", party=provider, country="US"),
            billing=PerToken(provider=provider, model=model),
        ),
        usd_month=usd,
        usd_band=band(usd, 0.1),
        p_cheapest=p_cheapest,
        usd_per_request=usd / (PER_DAY * 30),
        usd_per_mtok=usd / (PER_DAY * 30) / 800 * 1e6,
        lines=(
            CostLine(name="input tokens", kind="tokens", usd_month=usd * 0.3, note="4,706 Mtok", basis="published"),
            CostLine(name="output tokens", kind="tokens", usd_month=usd * 0.7, note="2,824 Mtok", basis="published"),
        ),
        one_off_usd=0.0 if option_id == TODAY else 60_000.0,
        payback_months=None if option_id == TODAY else 60_000 / max(40_000 - usd, 1),
        payback_band=None if option_id == TODAY else Band(1.4, 1.8, 2.3),
        saving_usd_month=40_000 - usd,
        slo=(SloCheck(label="ttft_p95<1s", limit_s=1.0, reached_s=None, met=None, note="nobody measured it"),),
        capability="frontier" if kind == "api" else "strong open model",
        demoted_by=demoted,
        reasons=("priced from the price list as of the day of the plan",),
        caveats=("latency of an API is not predicted: measure it",),
    )


def own_option(
    option_id: str,
    title: str,
    usd: float,
    *,
    kind: OptionKind = "self",
    replicas: int = 6,
    overflow: float = 0.0,
    calibrated: bool = True,
    owned: bool = False,
    p_cheapest: float = 0.0,
) -> Option:
    bill: list[tuple[str, LineKind, float, str]] = [
        ("instances", "compute", usd * 0.72, f"{replicas} × 2 × H100 SXM at $3.98/h × 720 h"),
        ("one replica in reserve", "compute", usd * 0.08, "redundancy asked for by the SLO"),
        ("engineers", "people", usd * 0.15, "0.5 of an engineer at $15,000 a month"),
        ("monitoring and network", "operations", usd * 0.03, ""),
        ("model updates", "operations", usd * 0.02, "two a year"),
    ]
    if overflow:
        bill.append(("overflow", "overflow", usd * 0.06, "to Llama 3.3 70B on Groq"))
        bill[0] = (bill[0][0], bill[0][1], usd * 0.66, bill[0][3])
    return Option(
        id=option_id,
        kind=kind,
        title=title,
        model="meta-llama/Llama-3.3-70B-Instruct",
        deployment=Deployment(
            id=option_id,
            model=ModelId(name="meta-llama/Llama-3.3-70B-Instruct", quantisation="fp8", engine="vllm"),
            zone=Zone(name="eu", operator="rented", party="runpod", country="NL", agreements=frozenset({"dpa"})),
            billing=Owned(price_usd=Decimal(62_000), watts=2_400)
            if owned
            else PerHour(cloud="runpod", instance="2x H100 SXM", usd_per_hour=Decimal("7.96")),
            accelerator="H100 SXM",
            accelerators=2,
        ),
        usd_month=usd,
        usd_band=band(usd, 0.22 if calibrated else 0.4),
        p_cheapest=p_cheapest,
        usd_per_request=usd / (PER_DAY * 30),
        usd_per_mtok=usd / (PER_DAY * 30) / 800 * 1e6,
        lines=tuple(
            CostLine(
                name=name, kind=line_kind, usd_month=value, note=note, basis="assumed" if "eng" in name else "published"
            )
            for name, line_kind, value, note in bill
        ),
        one_off_usd=60_000.0,
        payback_months=60_000 / (40_000 - usd) if usd < 40_000 else None,
        payback_band=Band(1.9, 3.1, 8.8) if usd < 40_000 else None,
        saving_usd_month=40_000 - usd,
        replicas=replicas,
        spare_replicas=1,
        machines=replicas + 1,
        replica_rps=1.9,
        overflow_share=overflow,
        overflow_to=HOSTED if overflow else "",
        peak=peak(replicas, overflow=overflow),
        slo=(
            SloCheck(label="ttft_p95<1s", limit_s=1.0, reached_s=0.58, met=True),
            SloCheck(label="itl_p95<50ms", limit_s=0.05, reached_s=0.041, met=True),
        ),
        utilisation=0.34,
        tco_cross_check_usd=(usd * 1.1, usd * 1.5),
        capability="strong open model",
        calibrated=calibrated,
        reasons=("six replicas carry the peak of 10.9 requests/s within the SLO", "the second-fastest card per dollar"),
        caveats=("speed is predicted, not measured on your machine",) if calibrated else ("speed is extrapolated",),
    )


def options() -> tuple[Option, ...]:
    return (
        token_option(HOSTED, "hosted", "Llama 3.3 70B on Groq", 5_007.0, 0.61),
        token_option("fireworks/llama-3.3-70b", "hosted", "Llama 3.3 70B on Fireworks", 5_912.0, 0.21),
        token_option("together/llama-3.3-70b", "hosted", "Llama 3.3 70B on Together", 6_626.0, 0.11),
        own_option(
            HYBRID,
            "Llama 3.3 70B fp8, 2 × H100 × 3, overflow to Groq",
            19_800.0,
            kind="hybrid",
            replicas=3,
            overflow=0.11,
        ),
        own_option(OWN, "Llama 3.3 70B fp8 on 2 × H100 (RunPod, on demand)", 28_400.0, p_cheapest=0.04),
        own_option("self/owned", "Llama 3.3 70B fp8 on 2 × H100 bought", 31_900.0, owned=True, p_cheapest=0.03),
        own_option(
            "self/mi300x", "Llama 3.3 70B fp8 on 1 × MI300X (on demand)", 33_050.0, calibrated=False, replicas=9
        ),
        token_option("google/gemini-2.5-pro", "api", "Gemini 2.5 Pro (Google)", 34_100.0, 0.0),
        token_option(TODAY, "api", "GPT-4o (OpenAI)", 40_000.0, 0.0),
        token_option("anthropic/claude-sonnet-4-5", "api", "Claude Sonnet 4.5 (Anthropic)", 56_471.0, 0.0),
        token_option("openai/gpt-4o-mini", "api", "GPT-4o mini (OpenAI)", 2_400.0, 0.0, demoted=("frontier needed",)),
    )


def volume_curves() -> tuple[VolumeCurve, ...]:
    volumes = [10 ** (step / 8) for step in range(16, 61)]

    def tokens(per_request: float) -> list[float]:
        return [volume * 30 * per_request for volume in volumes]

    def machines(replica_per_day: float, usd_each: float, fixed: float) -> list[float]:
        return [(math.ceil(volume / replica_per_day) + 1) * usd_each + fixed for volume in volumes]

    rows: list[tuple[OptionKind, str, str, list[float], float]] = [
        ("api", TODAY, "GPT-4o (OpenAI)", tokens(0.00425), 0.1),
        ("hosted", HOSTED, "Llama 3.3 70B on Groq", tokens(0.000532), 0.1),
        ("self", OWN, "Llama 3.3 70B fp8 on 2 × H100", machines(55_000, 3_000, 8_500), 0.25),
        ("hybrid", HYBRID, "2 × H100, overflow to Groq", [volume * 0.012 + 11_500 for volume in volumes], 0.2),
    ]
    return tuple(
        VolumeCurve(
            kind=kind,
            option=option,
            title=title,
            points=tuple(
                CurvePoint(volume, cost * (1 - spread), cost, cost * (1 + 1.3 * spread))
                for volume, cost in zip(volumes, costs, strict=True)
            ),
        )
        for kind, option, title, costs, spread in rows
    )


def break_evens() -> tuple[BreakEven, ...]:
    return (
        BreakEven(
            api=TODAY,
            own=OWN,
            crossings=(Crossing(requests_per_day=113_700.0, cheaper_above="own"),),
            band=Band(88_000, 113_700, 151_000),
            share_crossing=1.0,
        ),
        BreakEven(
            api=TODAY,
            own=HYBRID,
            crossings=(Crossing(requests_per_day=93_500.0, cheaper_above="own"),),
            band=Band(74_000, 93_500, 128_000),
            share_crossing=1.0,
        ),
        BreakEven(
            api=HOSTED,
            own=OWN,
            crossings=(
                Crossing(requests_per_day=1_000_000.0, cheaper_above="own"),
                Crossing(requests_per_day=1_100_000.0, cheaper_above="api"),
                Crossing(requests_per_day=1_240_000.0, cheaper_above="own"),
            ),
            band=Band(700_000, 1_000_000, 2_300_000),
            share_crossing=0.62,
        ),
        BreakEven(
            api="openai/gpt-4o-mini",
            own="self/owned",
            crossings=(
                Crossing(requests_per_day=900_000.0, cheaper_above="own"),
                Crossing(requests_per_day=1_010_000.0, cheaper_above="api"),
            ),
            band=Band(800_000, 900_000, 1_200_000),
            share_crossing=0.35,
        ),
        BreakEven(api="openai/gpt-4o-mini", own="self/mi300x", crossings=(), note="the API is cheaper at every volume"),
    )


def refused() -> tuple[Refused, ...]:
    return (
        Refused(
            kind="self",
            example="Llama 3.1 405B bf16 on 8 × A100 40 GB",
            count=18,
            stage="memory",
            reason="756 GiB of weights do not fit into 276 GiB",
            rule="weights + KV cache + overhead ≤ usable memory",
        ),
        Refused(
            kind="self",
            example="Llama 3.3 70B q4_k_m on Mac Studio M3 Ultra",
            count=14,
            stage="slo",
            reason="ttft_p95 is 6.3 s at the peak with 64 replicas, the SLO asks for 1 s",
        ),
        Refused(
            kind="hosted",
            example="Llama 3.3 70B on DeepInfra",
            count=6,
            stage="compliance",
            reason="HIPAA asks for a BAA with deepinfra; none is declared",
            rule="hipaa.baa",
            source="45 CFR 164.504(e)",
            checked=dt.date(2026, 10, 2),
        ),
        Refused(
            kind="api",
            example="Claude 3.5 Sonnet (Anthropic)",
            count=3,
            stage="lifecycle",
            reason="retired on 2025-10-28",
            source="https://docs.anthropic.com/en/docs/about-claude/model-deprecations",
            checked=dt.date(2026, 5, 4),
        ),
    )


def assumptions() -> tuple[Assumption, ...]:
    rows = [
        Assumption(
            name="price of openai/gpt-4o",
            value="$2.50 in, $10.00 out per million tokens",
            kind="published",
            source="genai-prices 0.2.3",
            checked=dt.date(2026, 11, 20),
        ),
        Assumption(
            name="H100 SXM on RunPod",
            value="$3.98/h for one",
            kind="published",
            source="https://www.runpod.io/pricing",
            checked=dt.date(2026, 7, 1),
            range="$2.90–4.20/h",
            note="on demand, secure cloud",
        ),
        Assumption(
            name="decode speed of Llama 3.3 70B fp8 on 2 × H100",
            value="1.9 requests/s a replica",
            kind="assumed",
            source="throughput model, calibration of 2026-07",
            range="1.5–2.4",
        ),
        Assumption(
            name="output tokens of Llama 3.3 70B against GPT-4o",
            value="1.00",
            kind="assumed",
            source="no measurement yet",
            range="0.85–1.25",
            note="measure with your own prompts",
        ),
        Assumption(
            name="interruptions of spot instances",
            value="0.3 a day",
            kind="published",
            source="a blog article",
            checked=dt.date(2026, 2, 11),
            verified=False,
        ),
        Assumption(
            name="share of an engineer", value="0.5 at $15,000 a month", kind="assumed", source="--fte, --fte-cost"
        ),
        Assumption(
            name="time to first token of one replica",
            value="210 ms",
            kind="measured",
            source="ledger, 4,120 requests",
            checked=dt.date(2026, 11, 22),
        ),
    ]
    return tuple(rows)


def replica_curve() -> ReplicaCurve:
    shares = (1.0, 0.62, 0.31, 0.11, 0.03, 0.008, 0.0)
    points = tuple(
        ReplicaPoint(
            replicas=count,
            own_usd_month=8_500 + count * 3_300 if count else 0,
            overflow_usd_month=5_007 * 7 * part,
            overflow_share=part,
            utilisation=0.92 - 0.1 * count if count else 0.0,
        )
        for count, part in enumerate(shares)
    )
    assert all(a.overflow_share > b.overflow_share for a, b in pairwise(points))
    return ReplicaCurve(
        option=HYBRID, title="Llama 3.3 70B fp8 on 2 × H100", overflow_to="GPT-4o (OpenAI)", best=3, points=points
    )


def sample() -> Plan:
    """Today's API, hosted open weights, own machines with replicas and hybrid; every field of a plan is in use."""
    return Plan(
        schema_version=1,
        product_version="0.1.0",
        made_on=MADE_ON,
        prices_as_of=MADE_ON,
        hours_per_month=720,
        workload=WorkloadView(
            name="flags",
            source="flags",
            requests_per_day=PER_DAY,
            input_tokens_mean=500.0,
            output_tokens_mean=300.0,
            input_tokens_p95=1_180.0,
            output_tokens_p95=705.0,
            peak_factor=3.0,
            peak_rps=10.9,
            cached_share=0.0,
            batch_share=0.0,
            sensitive_share=0.2,
            burstiness=1.0,
            slo=("ttft_p95<1s", "itl_p95<50ms"),
            regimes=("hipaa",),
            profile=tuple(1 + 0.9 * math.sin((hour % 24 - 8) / 24 * 2 * math.pi) for hour in range(168)),
            notes=("lengths are lognormal around the means you gave",),
        ),
        today=TODAY,
        verdict=Verdict(
            headline="Move to Llama 3.3 70B hosted by Groq: about $5,007 a month instead of $40,000",
            action="Send the traffic to Groq first; own machines pay off against GPT-4o, not against Groq.",
            reasons=(
                "The same open model costs $5,007 a month per token, at least $28,400 on own machines with people.",
                "At 313,725 requests/day six replicas are busy a third of the time: idle hours are paid for.",
                "Own machines undercut Groq above 1,000,000 requests/day; $8,000 of GPUs do not carry this load.",
            ),
            caveat="Nobody has shown that Llama 3.3 70B is good enough for your task: prove it on your own prompts.",
            option=HOSTED,
        ),
        options=options(),
        refused=refused(),
        break_evens=break_evens(),
        tornado_pair=(TODAY, OWN),
        tornado=(
            TornadoBar(
                name="H100 price", low_label="$1.90/h", high_label="$4.20/h", at_low_usd=21_300, at_high_usd=9_900
            ),
            TornadoBar(
                name="decode speed", low_label="−25 %", high_label="+25 %", at_low_usd=6_100, at_high_usd=15_200
            ),
            TornadoBar(
                name="share of an engineer", low_label="0.25", high_label="1.5", at_low_usd=15_400, at_high_usd=-3_300
            ),
            TornadoBar(
                name="output length", low_label="0.85 ×", high_label="1.25 ×", at_low_usd=13_400, at_high_usd=8_700
            ),
            TornadoBar(
                name="volume", low_label="250,000/day", high_label="400,000/day", at_low_usd=3_400, at_high_usd=20_100
            ),
        ),
        flips=(
            Flip(
                name="H100 price",
                now=3.98,
                flips_at=0.61,
                unit="$/h",
                winner=OWN,
                sentence="Own machines win if an H100 falls from $3.98/h to under $0.61/h.",
            ),
            Flip(
                name="volume",
                now=PER_DAY,
                flips_at=1_000_000.0,
                unit="requests/day",
                winner=OWN,
                sentence="Own machines win above 1,000,000 requests/day (now 313,725).",
            ),
        ),
        rules=(
            RuleEffect(
                rule="frontier needed",
                stated="capability: at least a strong open model",
                effect="GPT-4o mini ranks last although it is the cheapest",
                touches=("api",),
            ),
            RuleEffect(
                rule="privacy",
                stated="20 % of requests are sensitive",
                effect="needs a BAA at every provider",
                touches=("api", "hosted"),
            ),
        ),
        curves=volume_curves(),
        replica_curve=replica_curve(),
        assumptions=assumptions(),
        counts=Counts(enumerated=312, refused=41, bounded=205, simulated=66, servings_simulated=24, draws=2_000),
        notes=("17 of 96 catalog prices were last checked more than 90 days ago (oldest 2026-02-11).",),
        reach=(
            Reach(
                target_usd=8_000.0,
                label="a fifth of today's bill",
                chances=(("hosted", HOSTED, 0.99), ("self", OWN, 0.0)),
                sentence="Is $8,000 a month (a fifth of today's bill) reachable? Hosted yes; self-hosted no.",
            ),
        ),
        seed=7,
    )


def hostile() -> Plan:
    """The same plan with text that tries to break out of every report."""
    nasty = "</script><script>alert(1)</script>\u2028<img src=x onerror=alert(2)> [bold red]x[/] \x1b[31m & "
    nasty += '"quoted" {a|b} <!--'
    plan = sample()
    first = msgspec.structs.replace(
        plan.options[0], title=nasty, lines=(CostLine(name=nasty, kind="tokens", usd_month=2_400.0, note=nasty),)
    )
    return msgspec.structs.replace(
        plan,
        options=(first, *plan.options[1:]),
        notes=(nasty,),
        verdict=msgspec.structs.replace(plan.verdict, headline=nasty, caveat=nasty),
        curves=tuple(msgspec.structs.replace(curve, title=nasty) for curve in plan.curves),
        assumptions=(Assumption(name=nasty, value=nasty, kind="assumed", source="javascript:alert(3)"),),
    )


def smallest() -> Plan:
    """A plan with nothing but one option: every list that may be empty is empty."""
    plan = sample()
    return msgspec.structs.replace(
        plan,
        today=None,
        options=(plan.options[0],),
        refused=(),
        break_evens=(),
        tornado=(),
        tornado_pair=None,
        flips=(),
        rules=(),
        curves=(),
        replica_curve=None,
        assumptions=(),
        notes=(),
        reach=(),
    )
