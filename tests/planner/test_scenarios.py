"""What if: one thing different, the rest of the question as it was."""

from __future__ import annotations

from decimal import Decimal

import pytest

from crossover.catalog.items import Catalog
from crossover.cli.what_if import change
from crossover.errors import InputError, UnknownNameError
from crossover.planner.question import Change, Scope
from crossover.planner.scenarios import changed_by, planned
from crossover.planner.words import Plan
from tests.planner.conftest import small_question

HOSTED = Scope(kinds=("api", "hosted"), models=("llama 3.3 70b",))


def asked(catalog: Catalog, *texts: str) -> Plan:
    return planned(
        small_question(what_if=tuple(map(change, texts)), scope=HOSTED, draws=20), catalog
    )  # fmt: skip


def test_nothing_asked_is_the_plan(catalog: Catalog) -> None:
    assert asked(catalog).scenarios == ()


def test_the_volume_moves_the_bill(catalog: Catalog) -> None:
    rows = asked(catalog, "volume=x2", "volume=-50%", "volume=1000").scenarios
    assert [row.change for row in rows] == ["as it is", "volume=x2", "volume=-50%", "volume=1000"]
    base = rows[0].today_usd_month
    assert base is not None
    assert rows[1].today_usd_month == pytest.approx(2 * base)
    assert rows[2].today_usd_month == pytest.approx(base / 2)
    assert rows[3].today_usd_month == pytest.approx(base * 1000 / 313_725)


def test_a_price_moves_one_seller_or_one_model(catalog: Catalog) -> None:
    rows = asked(catalog, "price:openai=-50%", "price:openai/gpt-4o=2.5,10", "price:anthropic=x2").scenarios
    base = rows[0].today_usd_month
    assert base is not None
    assert rows[1].today_usd_month == pytest.approx(base / 2)
    assert rows[2].today_usd_month == pytest.approx(base)
    assert rows[3].today_usd_month == pytest.approx(base)


def test_an_answer_that_changes_is_marked(catalog: Catalog) -> None:
    rows = asked(catalog, "price:openai/gpt-4o=0.0001,0.0001", "volume=x1").scenarios
    assert [row.differs for row in rows] == [False, True, False]
    assert rows[1].option == "api:openai/gpt-4o"


def test_a_cloud_is_a_seller_too(catalog: Catalog) -> None:
    question = small_question()
    _, dearer = changed_by(change("price:runpod=+100%"), question, catalog)
    before, after = (
        {(offer.instance, offer.region): offer.usd_per_hour for offer in rows.offers if offer.cloud == "runpod"}
        for rows in (catalog, dearer)
    )
    assert before
    assert all(after[key] == 2 * price for key, price in before.items())
    others = [offer for offer in dearer.offers if offer.cloud != "runpod"]
    assert others == [offer for offer in catalog.offers if offer.cloud != "runpod"]


def test_growth_and_a_new_model(catalog: Catalog) -> None:
    question = small_question()
    assert changed_by(change("growth=5%"), question, catalog)[0].workload.growth_per_month == 0.05
    sold = changed_by(change("model=gpt-4o-mini"), question, catalog)[0]
    assert sold.workload.models == ("gpt-4o", "gpt-4o-mini")
    open_weights = changed_by(change("model=phi 4"), question, catalog)[0]
    assert open_weights.scope.models[-1] == "microsoft/phi-4"


def test_a_stated_price_is_what_changes(catalog: Catalog) -> None:
    from crossover.catalog.prices import PriceOverride
    from crossover.planner.question import Costs

    mine = PriceOverride(model="openai/gpt-4o", input=Decimal(1), output=Decimal(2))
    question = small_question(costs=Costs(price_overrides=(mine,)))
    rows = changed_by(change("price:openai/gpt-4o=-50%"), question, catalog)[0].costs.price_overrides
    assert [(row.input, row.output) for row in rows if row.model == "openai/gpt-4o"] == [(Decimal("0.5"), Decimal(1))]


@pytest.mark.parametrize("name", ["opnai", "openai/gpt-4p"])
def test_a_seller_that_nobody_knows(catalog: Catalog, name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean|unknown"):
        asked(catalog, f"price:{name}=-10%")


def test_a_model_that_nobody_knows(catalog: Catalog) -> None:
    with pytest.raises(UnknownNameError):
        asked(catalog, "model=zzzzqqq")


@pytest.mark.parametrize(
    ("text", "kind", "factor", "value"),
    [
        ("volume=x2", "volume", 2.0, None),
        ("volume=+50%", "volume", 1.5, None),
        ("volume=200000", "volume", None, 200_000.0),
        ("growth=5%", "growth", None, 0.05),
        ("growth=0.05", "growth", None, 0.05),
        ("price:openai=-30%", "price", 0.7, None),
        ("price:openai=x0.5", "price", 0.5, None),
    ],
)
def test_words(text: str, kind: str, factor: float | None, value: float | None) -> None:
    found = change(text)
    assert (found.kind, found.value) == (kind, value)
    assert found.factor == (pytest.approx(factor) if factor is not None else None)


def test_a_price_in_dollars() -> None:
    found = change("price:openai/gpt-4o=1,4")
    assert isinstance(found, Change)
    assert found.prices == (Decimal(1), Decimal(4))


@pytest.mark.parametrize(
    "text",
    ["", "volume", "volume=", "volume=many", "volume=x0", "volume=-100%", "volume=nan", "price=-30%", "price:=5%",
     "price:openai=5", "price:openai=1,2,3", "price:openai=-1,2", "price:openai=1e30,1", "speed=x2", "volume:x=2",
     "growth=many", "model="],
)  # fmt: skip
def test_words_that_change_nothing(text: str) -> None:
    with pytest.raises(InputError, match=r"--what-if|number|amount|range"):
        change(text)
