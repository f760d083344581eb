from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec

from crossover.ledger import week
from crossover.ledger.week import Week
from crossover.reports import week as words
from crossover.reports import week_html
from tests.ledger.parts import DAY, NOON, local, opened, record, stopped, write

NASTY = "<script>alert(1)</script>"


def made(tmp_path: Path, *rows: object, hourly: dict[str, int] | None = None) -> Week:
    with opened(tmp_path / "l.db", now=NOON + DAY) as ledger:
        write(ledger, rows)  # type: ignore[arg-type]
        return week.gather(ledger, NOON, NOON + DAY, hourly or {})


def said(found: Week) -> dict[str, str]:
    return dict(words.lines(found))


def test_an_empty_period_teaches(tmp_path: Path) -> None:
    found = made(tmp_path)
    assert words.headline(found) == "No request in this period"
    page = week_html.page(found, dt.date(2026, 11, 27))
    assert "Send a request through the gateway" in page


def test_lines_say_what_is_not_known(tmp_path: Path) -> None:
    found = made(tmp_path, stopped("a"), record("b", cost_known=False, cost=0, marginal=0))
    lines = said(found)
    assert lines["Realised"].startswith("nothing to compare")
    assert lines["All API"] == "not known"
    assert lines["All local"].startswith("not known: no machine's hour has a price")
    assert lines["Unpriced"].startswith("1 request")
    assert "no API with a price" in words.headline(found)


def test_savings_and_losses_are_words(tmp_path: Path) -> None:
    found = made(tmp_path, *(local(f"o{n}") for n in range(3)), hourly={"box": 1_000})
    assert said(found)["All API"].endswith("the split saved $0.000081")
    assert "less than all API" in words.headline(found)
    lost = made(tmp_path, local("more"), hourly={"box": 10**12})
    assert "the split cost $24.00 more" in said(lost)["All API"]
    assert "of $24.00 for 24 hours" in said(lost)["Idle"]


def test_long_tables_say_what_they_leave_out(tmp_path: Path) -> None:
    found = made(tmp_path, *(record(f"r{n}", asked=f"route-{n:02}") for n in range(20)))
    tables = {one.title: one for one in words.tables(found)}
    assert len(tables["By route"].rows) == words.TOP
    assert tables["By route"].note == "12 more with --json"
    assert "Machines" not in tables


def test_names_of_clients_are_no_markup_and_nothing_runs(tmp_path: Path) -> None:
    page = week_html.page(made(tmp_path, record("a", asked=NASTY, model=NASTY)), dt.date(2026, 11, 27))
    assert NASTY not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "style=" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_forgotten_rows_are_told(tmp_path: Path) -> None:
    found = made(tmp_path, record("a"), record("b"))
    assert "Partly" not in said(found)
    assert "Partly" in said(msgspec.structs.replace(found, rows=1))
