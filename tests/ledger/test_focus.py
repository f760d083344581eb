from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from decimal import Decimal
from pathlib import Path

from crossover.ledger import focus, queries
from tests.ledger.parts import DAY, HOUR, NOON, local, opened, record, stopped, write


def rows_of(path: Path) -> list[dict[str, str]]:
    with opened(path) as ledger:
        text = "".join(focus.lines(ledger, 0.0, NOON + 40 * DAY))
    return list(csv.DictReader(io.StringIO(text)))


def filled(tmp_path: Path) -> Path:
    path = tmp_path / "l.db"
    with opened(path) as ledger:
        write(ledger, [
            record("a", key="key_1", cached_read=40), record("b", key="key_1", time=NOON + HOUR),
            record("c", time=NOON + DAY), local("own", key="key_1"), stopped("nobody", cost=0, marginal=0),
        ])  # fmt: skip
    return path


def test_every_mandatory_column_of_the_version_is_there(tmp_path: Path) -> None:
    assert focus.VERSION == "1.2"
    assert len(focus.MANDATORY) == 21
    assert list(focus.MANDATORY) == sorted(focus.MANDATORY)
    for row in rows_of(filled(tmp_path)):
        assert list(row) == list(focus.COLUMNS)
        empty = {name for name in focus.MANDATORY if not row[name]}
        assert empty <= {"ChargeClass"}  # null: no correction of an earlier invoice
        own = [name for name in row if name not in (*focus.MANDATORY, *focus.MORE)]
        assert all(name.startswith("x_") for name in own)


def test_charges_are_sums_of_a_day(tmp_path: Path) -> None:
    path = filled(tmp_path)
    paid, own, later = sorted(rows_of(path), key=lambda row: (row["ChargePeriodStart"], row["x_Local"]))
    assert (paid["BilledCost"], paid["EffectiveCost"], paid["x_Requests"]) == ("0.000054", "0.000054", "2")
    assert (paid["PricingQuantity"], paid["PricingUnit"], paid["x_CachedInputTokens"]) == ("240", "Tokens", "40")
    assert (paid["ProviderName"], paid["SkuId"], paid["SubAccountId"]) == ("openai", "openai/gpt-4o-mini", "key_1")
    assert (own["BilledCost"], own["EffectiveCost"], own["ProviderName"]) == ("0", "0.000009", "home")
    assert json.loads(later["Tags"]) == {"route": "support"}
    with opened(path) as ledger:
        whole = queries.total(ledger, 0.0, NOON + 40 * DAY)
    assert sum(Decimal(row["BilledCost"]) for row in rows_of(path)) == queries.usd(whole.marginal)
    assert sum(Decimal(row["EffectiveCost"]) for row in rows_of(path)) == queries.usd(whole.cost)


def test_values_have_the_forms_that_the_specification_asks_for(tmp_path: Path) -> None:
    for row in rows_of(filled(tmp_path)):
        for name in ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "PricingQuantity"):
            assert re.fullmatch(r"-?\d+(\.\d+)?", row[name])
        moments = {name: dt.datetime.strptime(row[name], "%Y-%m-%dT%H:%M:%S%z") for name in row if "Period" in name}
        assert moments["BillingPeriodStart"] <= moments["ChargePeriodStart"] < moments["ChargePeriodEnd"]
        assert moments["ChargePeriodEnd"] <= moments["BillingPeriodEnd"]
        assert (row["ChargeCategory"], row["BillingCurrency"]) == ("Usage", "USD")
        assert (row["ServiceCategory"], row["ServiceSubcategory"]) == ("AI and Machine Learning", "Generative AI")


def test_the_last_month_of_a_year_ends_in_the_next(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with opened(path, now=NOON + 40 * DAY) as ledger:
        write(ledger, [record("a", time=NOON + 40 * DAY)])
        (row,) = csv.DictReader(io.StringIO("".join(focus.lines(ledger, 0.0, NOON + 50 * DAY))))
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z")


def test_names_of_clients_are_no_formulas(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with opened(path) as ledger:
        write(ledger, [record("a", key="=cmd()")])
    (row,) = rows_of(path)
    assert row["SubAccountId"] == "'=cmd()"
