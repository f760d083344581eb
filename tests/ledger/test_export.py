from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from crossover.ledger import export
from crossover.ledger.words import Alternative
from tests.ledger.parts import DAY, NOON, local, opened, record, write


def text_of(path: Path, form: export.Format) -> str:
    with opened(path) as ledger:
        return "".join(export.lines(ledger, 0, NOON + DAY, form))


def test_csv_has_one_line_per_request(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        write(ledger, [
            record("a", decision='said "yes", twice\nover', categories=("health", "secrets"), time=NOON + 0.25),
            local("b", cost=1, alternatives=(Alternative("mini", 10**12),)),
        ])  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(text_of(path, "csv"))))
    assert [row["id"] for row in rows] == ["a", "b"]
    assert rows[0]["time"] == "2026-11-17T12:00:00.250000Z"
    assert rows[0]["decision"] == 'said "yes", twice\nover'
    assert rows[0]["categories"] == "health secrets"
    assert (rows[1]["cost_usd"], rows[1]["best_api_usd"], rows[1]["marginal_usd"]) == ("0.000000000001", "1", "0")
    assert (rows[0]["local"], rows[1]["local"], rows[0]["attempts"]) == ("0", "1", "1")


def test_a_spreadsheet_takes_no_text_for_a_formula(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        write(ledger, [record("a", asked='=HYPERLINK("http://evil")', error="-1+2", key="@x", model="+1")])
    (row,) = csv.DictReader(io.StringIO(text_of(path, "csv")))
    assert [row[name] for name in ("asked", "error", "key")] == ['\'=HYPERLINK("http://evil")', "'-1+2", "'@x"]


def test_json_lines_hold_everything(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as ledger:
        write(ledger, [local("a", refused=(("far", "abroad"),), dropped=("seed",))])
    (line,) = text_of(path, "jsonl").splitlines()
    row = json.loads(line)
    assert row["alternatives"] == [
        {"deployment": "mini", "permitted": True, "local": False, "cost_usd": "0.000027"}
    ]  # fmt: skip
    assert row["refused"] == [{"deployment": "far", "reason": "abroad"}]
    assert row["attempts"][0]["cost_usd"] == "0.000027"
    assert (row["cost_usd"], row["marginal_usd"], row["dropped"]) == ("0.000009", "0", ["seed"])
    assert "cost" not in row


def test_an_empty_export(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    assert text_of(path, "csv") == ",".join(export.COLUMNS) + "\n"
    assert text_of(path, "jsonl") == ""
