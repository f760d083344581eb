"""Recompute the popular claims about API against own machines with the product's own code.

    python benchmarks/claims.py            print the page
    python benchmarks/claims.py --write    write docs/claims.md

Token and machine prices are those of ``DATE``; a test compares the page with what this file computes.
"""

# ruff: noqa: E501 - the sentences of the page are easier to read unbroken

from __future__ import annotations

import datetime as dt
import math
import re
import sys
from decimal import Decimal
from pathlib import Path

import msgspec

from crossover import compliance, sensitivity, stats
from crossover import workload as words
from crossover.capacity import memory, throughput
from crossover.catalog import load, match, prices
from crossover.catalog.items import Catalog, OpenModel, weight_bytes
from crossover.compliance import Permit
from crossover.cost import tokens
from crossover.cost.break_even import step_crossings
from crossover.cost.hosting import HostingCost, hosting, machines_for
from crossover.cost.lines import assumed
from crossover.deployment import Owned, PerHour, Zone
from crossover.money import HOURS_PER_MONTH, SECONDS_PER_DAY, show

DATE = dt.date(2026, 11, 23)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "claims.md"
INPUT, OUTPUT, PEAK = 500, 300, 3
PEOPLE = 0.25 * 15_000
RESELLERS = re.compile(r"^(openrouter|huggingface_.*|github-copilot|quicksilverpro)$")
LLAMA_70B = re.compile(r"llama[-_]?v?3[.p-]3[-_]70b(?!.*(free|lite|distill|guard))", re.IGNORECASE)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    claim: str
    answer: str


def bill(model: str, per_day: float, into: float = INPUT, out: float = OUTPUT) -> Decimal:
    """Dollars a month on an API."""
    load_ = words.Workload(
        name="claim", requests_per_day=per_day, input=words.constant(into), output=words.constant(out)
    )
    return tokens.monthly(load_, prices.resolve(model), DATE).usd_month


def each(model: str) -> float:
    """Dollars for one request of 500 + 300 tokens."""
    return float(tokens.per_request(prices.resolve(model), DATE, input_tokens=INPUT, output_tokens=OUTPUT))


def a10g(catalog: Catalog) -> HostingCost:
    """A month of the cheapest machine with one A10G at a large cloud."""
    offers = [o for o in catalog.offers if o.accelerator == "A10G" and o.count == 1]
    offer = min(offers, key=lambda o: o.usd_per_hour)
    return hosting(PerHour(cloud=offer.cloud, instance=offer.instance, usd_per_hour=offer.usd_per_hour), 1)


def even(usd_month: float, model: str) -> str:
    """Requests a day at which a machine without any limit costs as much as the API."""
    (crossing,) = step_crossings(each(model), 0, usd_month, 1e12, max_replicas=1)
    return f"{crossing.requests_per_day:,.0f}"


def plain(amount: Decimal | float) -> str:
    """Dollars, with cents only where they are not zero."""
    value = Decimal(str(amount))
    return show(value, cents=True) if value < 1000 and value != round(value) else show(value, cents=False)


def api_claims() -> list[Claim]:
    per_day = (1000, 500_000)
    mini, large = ([plain(bill(m, n)) for n in per_day] for m in ("gpt-4o-mini", "gpt-4o"))
    return [
        Claim(
            claim="gpt-4o-mini, 10,000 requests a day × (500 in + 300 out): about $225 a month",
            answer=f"{plain(bill('gpt-4o-mini', 10_000))}. ({plain(bill('gpt-4o-mini', 10_000, 1000, 1000))} is the price "
            "of 1,000 + 1,000 tokens.)",
        ),
        Claim(
            claim="gpt-4o, the same: about $3,750 a month",
            answer=f"{plain(bill('gpt-4o', 10_000))}. ({plain(bill('gpt-4o', 10_000, 1000, 1000))} is the price of "
            "1,000 + 1,000 tokens.)",
        ),
        Claim(
            claim="1,000 a day: $22.50 and $375; 500,000 a day: $11,250 and $187,500",
            answer=f"{mini[0]} and {large[0]}; {mini[1]} and {large[1]}",
        ),
    ]


def machine_claims(catalog: Catalog) -> list[Claim]:
    machine = a10g(catalog)
    claimed = PerHour(cloud="claim", instance="claim", usd_per_hour=Decimal("3.50"))
    eight = hosting(msgspec.structs.replace(claimed, hours_per_day=8.0), 1).usd_month
    four, whole = _four_a100(catalog, whole=False), _four_a100(catalog, whole=True)
    return [
        Claim(
            claim="A10G: $3.50 an hour, $2,520 a month always on; spot 8 hours a day $840",
            answer=f"{machine.lines[0].note} = {plain(machine.usd_month)} a month on demand. "
            f"{plain(round(eight))} is $3.50 × 8 × 30: there is no spot discount in it.",
        ),
        Claim(
            claim="4 × A100 on demand: about $35,000 a month; reserved about $22,000",
            answer=f"{four[0][1]} ({four[0][0]}) to {four[-1][1]} ({four[-1][0]}) a month on demand, where four can be "
            f"rented. Where only eight are sold, whole machines are paid: {whole[0][1]} ({whole[0][0]}) to {whole[-1][1]} "
            f"({whole[-1][0]}).",
        ),
        Claim(
            claim="self-hosting is 60–80 % cheaper than gpt-4o-mini at 500,000 requests a day",
            answer=f"The claim's own table says {35_000 / 11_250:.1f} × dearer on demand and {22_000 / 11_250:.1f} × dearer "
            f"reserved. Corrected, the API costs {plain(bill('gpt-4o-mini', 500_000))}: the price of "
            f"{float(bill('gpt-4o-mini', 500_000) / machine.usd_month):.1f} A10G without people, of "
            f"{max(0.0, (float(bill('gpt-4o-mini', 500_000)) - PEOPLE) / float(machine.usd_month)):.1f} with a quarter of an "
            f"engineer ({plain(PEOPLE)}).",
        ),
        _mac_studio(catalog),
    ]


def _four_a100(catalog: Catalog, *, whole: bool) -> list[tuple[str, str]]:
    """(cloud, dollars a month) for four A100 on demand, rising; ``whole``: where only machines of eight are sold."""
    rows: dict[str, Decimal] = {}
    offers = [o for o in catalog.offers if o.accelerator.startswith("A100")]
    divisible = {o.cloud for o in offers if o.count <= 4}
    for offer in offers:
        if (offer.cloud in divisible) == whole or (offer.count > 4) != whole:
            continue
        billing = PerHour(cloud=offer.cloud, instance=offer.instance, usd_per_hour=offer.usd_per_hour)
        month = hosting(billing, machines_for(4, 1, offer.count)).usd_month
        rows[f"{offer.cloud} {offer.instance}"] = min(month, rows.get(f"{offer.cloud} {offer.instance}", month))
    return [(name, plain(round(month))) for name, month in sorted(rows.items(), key=lambda row: row[1])]


def _mac_studio(catalog: Catalog) -> Claim:
    device = match.accelerator(catalog, "Mac Studio M2 Ultra")
    assert device.price_usd is not None
    owned = Owned(price_usd=device.price_usd, watts=device.tdp_w, usd_per_kwh=assumed("usd_per_kwh").value)
    cost = hosting(owned, 1, utilisation=0.1)
    named = {row.name: row.usd_month for row in cost.lines}
    return Claim(
        claim="a Mac Studio at $150 a month amortised loses to the API at low traffic",
        answer=f"Against gpt-4o at 1,000 requests a day ({plain(bill('gpt-4o', 1000))}) it is about level: "
        f"{plain(device.price_usd)} over 36 months is {plain(round(named['machines over their life']))} a month and "
        f"{plain(round(named['power'], 2))} of power at 10 % load; with spare parts {plain(round(cost.usd_month))}. Against "
        f"gpt-4o-mini ({plain(bill('gpt-4o-mini', 1000))}) it loses by far.",
    )


def volume_claims(catalog: Catalog) -> list[Claim]:
    month = float(a10g(catalog).usd_month)
    hosted = _hosted_70b(40_000 / 30 / each("gpt-4o"))
    same = 2500 / 30 / each("gpt-4o-mini")
    return [
        Claim(
            claim="the API always wins below 50,000 requests a day (elsewhere in the same article: 5,000–10,000, and 100,000)",
            answer=f"It depends on the model that is replaced. One A10G's price equals gpt-4o at {even(month, 'gpt-4o')} a "
            f"day ({even(month * 1.75, 'gpt-4o')} at 1.75 × the machine), gpt-4o-mini at {even(month, 'gpt-4o-mini')}, and "
            f"Llama 3.1 8B sold per token by Groq at {even(month, 'groq/llama-3.1-8b-instant')}. A quarter of an engineer at "
            f"$15,000 a month moves gpt-4o to {even(month + PEOPLE, 'gpt-4o')}. Whether one A10G carries that load is a second "
            f"question: {_peak_share(catalog, month / 30 / each('gpt-4o-mini'))}.",
        ),
        Claim(
            claim="a $40,000 API bill runs on $8,000 of GPUs",
            answer=f"$40,000 of gpt-4o is {40_000 / 30 / each('gpt-4o'):,.0f} requests a day. An open 70B (Llama 3.3) sold per token costs for it, by seller: "
            + ", ".join(f"{seller} {cost}" for seller, cost in hosted)
            + f". That is less than the GPUs of the claim. The same bill in gpt-4o-mini is {40_000 / 30 / each('gpt-4o-mini') / 1e6:.1f} million requests a day.",
        ),
        Claim(
            claim="a $2,500 bill: take one A10G",
            answer=f"In gpt-4o-mini that bill is {same:,.0f} requests a day, "
            f"{same * OUTPUT * PEAK / SECONDS_PER_DAY:,.0f} output tokens a second at 3 × peak: "
            f"{_peak_share(catalog, same)}.",
        ),
    ]


def _peak_share(catalog: Catalog, per_day: float) -> str:
    """How much of an A10G's peak arithmetic an 8B model in 16 bit needs for this load at its peak."""
    model, device = match.model(catalog, "Llama-3.1-8B"), match.accelerator(catalog, "A10G")
    rate = throughput.peak_flops(device, match.quantisation(catalog, "bf16")) / (2 * model.active_b * 1e9)
    share = per_day * (INPUT + OUTPUT) * PEAK / SECONDS_PER_DAY / rate
    text = f"an 8B model in 16 bit would need {share:.0%} of the device's peak arithmetic at 3 × peak"
    return text + (", which no device gives" if share > 1 else ", and real engines reach about half of the peak")


def _hosted_70b(per_day: float) -> list[tuple[str, str]]:
    sold: dict[str, Decimal] = {}
    for model in prices.list_models():
        if model.per_token and LLAMA_70B.search(model.model) and not RESELLERS.match(model.provider):
            month = bill(model.id, per_day)
            sold[model.provider] = min(month, sold.get(model.provider, month))
    return [(name, plain(round(month))) for name, month in sorted(sold.items(), key=lambda row: row[1])]


def capacity_claims(catalog: Catalog) -> list[Claim]:
    eight, seventy = match.model(catalog, "Llama-3.1-8B"), match.model(catalog, "Llama-3.1-70B")
    device, bf16 = match.accelerator(catalog, "A10G"), match.quantisation(catalog, "bf16")
    weights = weight_bytes(eight, bf16)
    prefill = 2 * eight.active_b * 1e9 * INPUT / throughput.peak_flops(device, bf16)
    offered = 10_000 * 6 / SECONDS_PER_DAY
    return [
        Claim(
            claim="10,000 requests a day × 6 s = 69 % GPU utilisation",
            answer=f"{offered:.2f} is the offered load of a server that takes one request at a time; at a 3 × peak it is "
            f"{offered * PEAK:.2f}, and such a server is overloaded. With continuous batching the GPU is busy "
            f"{1 - math.exp(-offered):.0%} of the time (1 − e^−{offered:.2f}) at a few percent of its throughput: on average "
            f"{10_000 * OUTPUT / SECONDS_PER_DAY:.0f} output tokens a second. Say which of the two is meant.",
        ),
        _seventy(catalog, seventy),
        Claim(
            claim="8B at 50 tokens a second on an A10G",
            answer=f"One stream of 16-bit weights cannot pass {device.bandwidth_gbs:.0f} GB/s ÷ {weights / 1e9:.1f} GB = "
            f"{device.bandwidth_gbs * 1e9 / weights:.0f} tokens a second. A batch gives far more in all.",
        ),
        Claim(
            claim="local gives a first token in under 100 ms",
            answer=f"Prefill of 500 tokens of an 8B takes at least {prefill * 1000:.0f} ms at an A10G's peak arithmetic rate.",
        ),
    ]


def _seventy(catalog: Catalog, model: OpenModel) -> Claim:
    card = match.accelerator(catalog, "RTX 4090")
    four = match.quantisation(catalog, "Q4_K_M")
    weights = weight_bytes(model, four)
    fits = memory.fit(model, four, card, 1, engine="llamacpp", context=4096).fits
    inside = [
        row
        for row in catalog.quantisations
        if "llamacpp" in row.engines and memory.fit(model, row, card, 1, engine="llamacpp", context=4096).fits
    ]
    best = min((row for row in inside if row.perplexity_change is not None), key=lambda row: row.perplexity_change or 0)
    assert not fits
    assert four.perplexity_change is not None
    assert best.perplexity_change is not None
    return Claim(
        claim="70B at 4 bit runs in 24 GB, with minimal loss",
        answer=f"No: {weights / memory.GIB:.1f} GiB ({weights / 1e9:.1f} GB) of weights before any KV cache. The best that fits "
        f"a 24 GB card with 4,096 tokens is {best.name}, at {best.perplexity_change:.0%} more perplexity; 4 bit "
        f"({four.name}) costs {four.perplexity_change:.0%}.",
    )


def law_claims() -> list[Claim]:
    health = sensitivity.of(["health"])
    api = Zone(name="api", operator="provider", party="a provider", country="DE")
    signed = {"hipaa": "baa", "gdpr": "dpa", "fedramp": "fedramp", "soc2": "soc2", "pci-dss": "pci_aoc;pci_agreement"}
    names = []
    for regime, needs in signed.items():
        agreements = frozenset(needs.split(";")) | {"zero_retention"}
        allowed = compliance.permit(
            msgspec.structs.replace(api, agreements=agreements), health, [regime], DATE, confirmed=DATE
        )
        bare = compliance.permit(api, health, [regime], DATE, confirmed=DATE)
        assert isinstance(allowed, Permit)
        assert not isinstance(bare, Permit)
        title = next(rule.title for rule in compliance.shipped_rules() if rule.regime == regime)
        names.append(f"{title}: {' and '.join(compliance.agreement_names()[n] for n in needs.split(';'))}")
    rented = compliance.permit(
        Zone(name="gpu", operator="rented", party="a cloud"), health, ["hipaa"], DATE, confirmed=DATE
    )
    cloud = compliance.permit(Zone(name="localhost", operator="provider", party="ollama"), health, [], DATE)
    assert not isinstance(rented, Permit)
    assert not isinstance(cloud, Permit)
    return [
        Claim(
            claim="HIPAA, GDPR, FedRAMP and SOC 2 mandate local",
            answer="No. A hosted API is permitted once this is declared (verify with counsel) — "
            + "; ".join(names)
            + ". GDPR also asks where the data goes. Law narrows the list of deployments; it does not name one.",
        ),
        Claim(
            claim="local is truly private: yes",
            answer=f"Not on rented GPUs without agreements ({rented.rule}: {rented.reason}), and not for an Ollama *cloud* "
            "model, which is served through localhost and runs elsewhere: its zone is the provider's, and a sensitive request "
            "without an agreement is refused.",
        ),
    ]


def other_claims(catalog: Catalog) -> list[Claim]:
    sonnet = match.hosted(catalog, "anthropic/claude-3-5-sonnet")
    assert sonnet is not None
    assert sonnet.ends_on is not None
    share, margin = 0.2, 0.05
    z = stats.normal_quantile(0.975)
    return [
        Claim(
            claim="collect 100 inputs, compare, switch",
            answer=f"Two models that are equally good and differ on {share:.0%} of prompts are known to ± "
            f"{z * math.sqrt(share / 100):.1%} (95 %) after 100 prompts, which decides nothing at a margin of {margin:.0%}; "
            f"that takes about {math.ceil(share * (z / margin) ** 2)}.",
        ),
        Claim(
            claim="Claude 3.5 Sonnet as the frontier choice (article dated March 2026)",
            answer=f"Retired on {sonnet.ends_on.isoformat()}; the catalog names {sonnet.replacement} as its replacement. A "
            "model's life is data too.",
        ),
    ]


def page() -> str:
    """The whole page as Markdown."""
    catalog = load.load(as_of=DATE)
    claims = [
        *api_claims(),
        *machine_claims(catalog),
        *volume_claims(catalog),
        *capacity_claims(catalog),
        *law_claims(),
        *other_claims(catalog),
    ]
    rows = "\n".join(f"| {row.claim} | {row.answer} |" for row in claims)
    return f"""# Popular claims, recomputed

Articles on "API or own machines" repeat the same figures. This page recomputes them with Crossover's own code: prices of
{DATE.isoformat()} (genai-prices for tokens, the shipped catalog for machines), a month of 30 days ({HOURS_PER_MONTH} hours),
requests of {INPUT} input and {OUTPUT} output tokens where nothing else is said. `python benchmarks/claims.py --write` writes
it again; a test fails when page and code disagree.

| popular claim | what correct arithmetic says |
|---|---|
{rows}

Not recomputed here, because it takes a router and public answers of real models: "a fallback captures most of the savings
at full quality". Ask for the quality you promise, then measure how much stays local.
"""


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())
