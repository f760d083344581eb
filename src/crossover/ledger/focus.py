"""The ledger for FinOps tools: charges by day in the columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification).

One row a day, key, name asked for and deployment. All 21 columns that version 1.2 makes mandatory are there, those of
its conditional ones that the ledger can fill, and columns of its own, which begin with ``x_`` as the specification asks
(focus.finops.org/focus-specification/v1-2, looked up 2026-11-27). ``BilledCost`` is what an API bills; the hours of own
machines are billed elsewhere, so their tokens have an ``EffectiveCost`` alone: their share of the hour.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from crossover.ledger import queries
from crossover.ledger.queries import usd_text
from crossover.ledger.store import Ledger

VERSION = "1.2"
MANDATORY = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart",
    "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "ServiceCategory", "ServiceName",
)  # fmt: skip
MORE = (
    "ChargeFrequency", "ConsumedQuantity", "ConsumedUnit", "ResourceId", "ResourceName", "ResourceType",
    "ServiceSubcategory", "SkuId", "SubAccountId", "SubAccountName", "Tags",
)  # fmt: skip
OWN = (
    "x_Requests", "x_Errors", "x_InputTokens", "x_CachedInputTokens", "x_OutputTokens", "x_Zone", "x_Local",
    "x_CheapestApiCost",
)  # fmt: skip
COLUMNS = (*MANDATORY, *MORE, *OWN)
_DAY = 86_400
_MONEY = ("cost", "marginal", "all_api")  # summed in two parts: a bigint ends at 9.2 million dollars
_SUMS = ("requests", "errors", "input_tokens", "cached_read", "output_tokens")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def lines(ledger: Ledger, since: float, until: float) -> Iterator[str]:
    """The charges of a period as CSV, line by line, the header first. Days in UTC; both ends are whole hours."""
    yield _line(COLUMNS)
    names = {str(id_): str(name) for id_, name in ledger.rows("SELECT id, name FROM keys")}
    models = _models(ledger)
    groups = "hour / 24, key, asked, deployment, provider, zone, local"
    sums = ", ".join(
        [*(f"sum({name})" for name in _SUMS),
         *(f"sum({name} / 1000000), sum({name} % 1000000)" for name in _MONEY)]
    )  # fmt: skip
    for row in ledger.rows(
        f"SELECT {groups}, {sums} FROM rollups WHERE hour >= ? AND hour < ? AND deployment <> '' "
        f"GROUP BY {groups} ORDER BY {groups}",
        queries.hours_of(since, until),
    ):
        facts = dict(zip(("day", "key", "asked", "deployment", "provider", "zone", "local", *_SUMS), row, strict=False))
        money = row[-2 * len(_MONEY) :]
        for number, name in enumerate(_MONEY):
            facts[name] = money[2 * number] * 1_000_000 + money[2 * number + 1]
        yield _line(tuple(charge(facts, models.get(facts["deployment"], ""), names).values()))


def charge(facts: Mapping[str, Any], model: str, names: Mapping[str, str]) -> dict[str, str]:
    """One row of the file, by column. ``facts`` are the sums of a group, ``names`` those of keys."""
    begin = dt.datetime.fromtimestamp(facts["day"] * _DAY, dt.UTC)
    month = begin.replace(day=1)
    local, tokens = bool(facts["local"]), facts["input_tokens"] + facts["output_tokens"]
    seller = facts["zone"] if local else facts["provider"]
    priced = usd_text(facts["cost"])
    found = {
        "BilledCost": usd_text(facts["marginal"]),
        "BillingAccountId": seller,
        "BillingAccountName": seller,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _moment((month + dt.timedelta(days=32)).replace(day=1)),
        "BillingPeriodStart": _moment(month),
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": f"{facts['requests']:,} requests to {facts['asked']}, answered by {facts['deployment']}",
        "ChargePeriodEnd": _moment(begin + dt.timedelta(days=1)),
        "ChargePeriodStart": _moment(begin),
        "ContractedCost": priced,
        "EffectiveCost": priced,
        "InvoiceIssuerName": seller,
        "ListCost": priced,
        "PricingQuantity": str(tokens),
        "PricingUnit": "Tokens",
        "ProviderName": seller,
        "PublisherName": facts["provider"],
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Own models" if local else f"{facts['provider']} API",
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": str(tokens),
        "ConsumedUnit": "Tokens",
        "ResourceId": facts["deployment"],
        "ResourceName": facts["deployment"],
        "ResourceType": "Model deployment",
        "ServiceSubcategory": "Generative AI",
        "SkuId": f"{facts['provider']}/{model}" if model else "",
        "SubAccountId": facts["key"],
        "SubAccountName": names.get(facts["key"], ""),
        "Tags": json.dumps({"route": facts["asked"]}, ensure_ascii=False),
        "x_Requests": str(facts["requests"]),
        "x_Errors": str(facts["errors"]),
        "x_InputTokens": str(facts["input_tokens"]),
        "x_CachedInputTokens": str(facts["cached_read"]),
        "x_OutputTokens": str(facts["output_tokens"]),
        "x_Zone": facts["zone"],
        "x_Local": "true" if local else "false",
        "x_CheapestApiCost": usd_text(facts["all_api"]),
    }
    return {name: _text(value) for name, value in found.items()}


def _models(ledger: Ledger) -> dict[str, str]:
    """Deployment → the model that answered there last, as far as rows are kept."""
    found: dict[str, str] = {}
    for (month,) in ledger.rows("SELECT month FROM segments ORDER BY month"):
        found |= dict(ledger.rows(f"SELECT DISTINCT deployment, model FROM decisions_{month} WHERE deployment <> ''"))
    return found


def _moment(time: dt.datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: str) -> str:
    """A cell; text that a spreadsheet would take for a formula begins with an apostrophe, a negative number stays."""
    number = value.removeprefix("-").replace(".", "", 1).isdigit()
    return f"'{value}" if value.startswith(_FORMULA) and not number else value


def _line(cells: tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
