"""Bills of providers and of machines: every shape, and broken ones."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest

from crossover.bill import Bill
from crossover.errors import FileError, InputError
from crossover.traffic.bills import read_bill

MONDAY = int(dt.datetime(2026, 1, 5, tzinfo=dt.UTC).timestamp())
DAY = 86_400


def read(folder: Path, content: object, name: str = "bill", **columns: str) -> Bill:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_bill(path, columns)


def openai_costs(*results: object) -> dict[str, object]:
    bucket = {"object": "bucket", "start_time": MONDAY, "end_time": MONDAY + DAY, "results": list(results)}
    return {"object": "page", "data": [bucket], "has_more": True}


def cost(value: object, currency: str = "usd", line: str | None = "gpt-4o-2024-08-06, cached input") -> object:
    return {"object": "organization.costs.result", "amount": {"value": value, "currency": currency}, "line_item": line}


def test_openai_costs_are_dollars_by_line_item(tmp_path: Path) -> None:
    bill = read(tmp_path, openai_costs(cost(0.06), cost("1.25", line="gpt-4o-2024-08-06, batch output")))
    assert (bill.provider, bill.title) == ("openai", "cost export bill")
    first, second = bill.lines
    assert (first.model, first.usd, first.start, first.end) == (
        "gpt-4o-2024-08-06", Decimal("0.06"), MONDAY, MONDAY + DAY
    )  # fmt: skip
    assert (second.usd, first.batch, second.batch, first.input) == (Decimal("1.25"), False, True, None)
    assert any("has_more" in note for note in bill.notes)


def test_anthropic_costs_are_cents(tmp_path: Path) -> None:
    result = {"amount": "123.45", "currency": "USD", "model": "claude-haiku-4-5", "service_tier": "batch"}
    page = {"data": [{"starting_at": "2026-01-05T00:00:00Z", "ending_at": "2026-01-06T00:00:00Z", "results": [result]}]}
    bill = read(tmp_path, page)
    assert bill.provider == "anthropic"
    (line,) = bill.lines
    assert (line.usd, line.model, line.batch) == (Decimal("1.2345"), "claude-haiku-4-5", True)


def test_a_usage_export_is_a_bill_of_tokens(tmp_path: Path) -> None:
    used = {"input_tokens": 900, "output_tokens": 100, "input_cached_tokens": 400, "num_model_requests": 3,
            "model": "gpt-4o", "batch": False}  # fmt: skip
    bill = read(tmp_path, openai_costs(used))
    (line,) = bill.lines
    assert (line.requests, line.input, line.cached, line.output, line.usd) == (3, 900, 400, 100, None)
    with pytest.raises(FileError, match="holds no usage"):
        read(tmp_path, openai_costs({"input_tokens": 0, "output_tokens": 0}))


def test_csv_of_providers(tmp_path: Path) -> None:
    openai = (
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id\n"
        f"{MONDAY},{MONDAY + DAY},2026-01-05T00:00:00+00:00,2026-01-06T00:00:00+00:00,0.895874,usd,gpt-4o,\n"
        f"{MONDAY + DAY},{MONDAY + 2 * DAY},2026-01-06T00:00:00+00:00,2026-01-07T00:00:00+00:00,,,,\n"
    )
    bill = read(tmp_path, openai)
    assert bill.provider == "openai"
    assert [(line.usd, line.basis, line.end - line.start) for line in bill.lines] == [
        (Decimal("0.895874"), "bucket", DAY)
    ]  # a day without costs has no line
    anthropic = (
        "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,cost_type\n"
        "2026-01-05,Claude Haiku 4.5,Default,key,batch,≤ 200k,output,0.13,token\n"
    )
    (line,) = read(tmp_path, anthropic).lines
    assert (line.model, line.usd, line.batch, line.basis, line.start) == (
        "Claude Haiku 4.5", Decimal("0.13"), True, "bucket", MONDAY
    )  # fmt: skip


def test_any_csv_by_its_header_or_by_names(tmp_path: Path) -> None:
    (line,) = read(tmp_path, "date;model;cost;input_tokens\n2026-01-05;gpt-4o;1.50;1200\n").lines
    assert (line.usd, line.input, line.output, line.basis) == (Decimal("1.50"), 1200, None, "day")
    (line,) = read(tmp_path, "Tag,Was,Betrag\n2026-01-05,gpt-4o,2\n", day="Tag", model="Was", cost="Betrag").lines
    assert (line.model, line.usd) == ("gpt-4o", Decimal(2))


def test_hours_of_machines(tmp_path: Path) -> None:
    bill = read(tmp_path, "machine,start_time,end_time,hours,usd_per_hour\nbox,1767571200,1767657600,23.5,1.99\n")
    (hours,) = bill.hours
    assert (hours.machine, hours.hours, hours.usd_per_hour, bill.lines) == ("box", 23.5, Decimal("1.99"), ())
    (hours,) = read(tmp_path, "date,instance,gpu_hours\n2026-01-05,box,24\n").hours
    assert hours.usd_per_hour is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1,2\n", "no column for day and cost or input and output; they are 'a', 'b'"),
        ("day,model\n2026-01-05,x\n", "no column for cost or input and output"),
        ("day,cost\n2026-13-05,1\n", "bill:2, field day: is '2026-13-05', not a time"),
        ("day,cost\n2026-01-05,much\n", "is 'much', not an amount"),
        ("day,cost\n2026-01-05,nan\n", "not an amount"),
        ("day,cost,currency\n2026-01-05,1,eur\n", "bills are compared in dollars"),
        ("day,cost,model\n2026-01-05,1\n", "has 2 fields where the header has 3"),
        ("day,cost\n\n", "holds a header and nothing billed"),
        ("day,machine,hours\n2026-01-05,box,-2\n", "not a number of hours"),
        ("day,machine,hours\n2026-01-05,box,1e9\n", "not a number of hours"),
        ("{", "is no JSON"),
        ("[]", "holds no bucket of usage"),
        (json.dumps(openai_costs(cost("x"))), "bucket 1: is 'x', not an amount"),
        (json.dumps(openai_costs(cost(True))), "not an amount"),
        (json.dumps(openai_costs(cost(1, "eur"))), "bills are compared in dollars"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(FileError) as caught:
        read(tmp_path, content)
    assert says in caught.value.sentence()
    assert "\n" not in caught.value.sentence()


def test_names_of_columns_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown column 'dya'"):
        read(tmp_path, "a,b\n1,2\n", dya="a")
    with pytest.raises(InputError, match="'c' is no column; they are 'a', 'b'"):
        read(tmp_path, "a,b\n1,2\n", day="c")
