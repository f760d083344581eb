"""The rows of the ledger for other programs: CSV with one line per request, or JSON lines with everything.

Money is exact dollars as decimal text, times are ISO 8601 in UTC with microseconds.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from crossover.ledger import queries
from crossover.ledger.rows import best_of
from crossover.ledger.store import Ledger
from crossover.ledger.words import Record

Format = Literal["csv", "jsonl"]
COLUMNS = (
    "id", "time", "kind", "door", "key", "asked", "policy", "status", "http_status", "error", "deployment", "provider",
    "model", "zone", "local", "tier", "categories", "streamed", "queue_ms", "ttft_ms", "total_ms", "input_tokens",
    "cached_read", "cache_write_5m", "cache_write_1h", "output_tokens", "reasoning", "images", "input_basis",
    "output_basis", "cost_usd", "cost_known", "marginal_usd", "best_api_usd", "price_source", "attempts", "decision",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def lines(ledger: Ledger, since: float, until: float, form: Format) -> Iterator[str]:
    """The text of an export, line by line with line ends."""
    if form == "csv":
        yield _line(COLUMNS)
    for record in queries.records(ledger, since, until):
        yield _line(_cells(record)) if form == "csv" else msgspec.json.encode(plain(record)).decode() + "\n"


def plain(record: Record) -> dict[str, Any]:
    """A record as plain data: every field, money as exact dollars in text."""
    facts: dict[str, Any] = msgspec.to_builtins(record)
    facts["time"] = iso(record.time)
    facts["best_api_usd"] = _usd_or_none(best_of(record))
    for name in ("cost", "marginal"):
        facts[f"{name}_usd"] = queries.usd_text(facts.pop(name))
    for row in (*facts["attempts"], *facts["alternatives"]):
        row["cost_usd"] = queries.usd_text(row.pop("cost"))
    facts["refused"] = [{"deployment": name, "reason": reason} for name, reason in record.refused]
    for row, code in zip(facts["refused"], facts.pop("codes"), strict=False):
        row["code"] = code
    return facts


def iso(time: float) -> str:
    """A moment as ISO 8601 in UTC: ``2026-11-05T12:00:00.250000Z``."""
    return dt.datetime.fromtimestamp(time, dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _usd_or_none(picodollars: int | None) -> str | None:
    return None if picodollars is None else queries.usd_text(picodollars)


def _cells(record: Record) -> tuple[str, ...]:
    facts = plain(record)
    facts["attempts"] = len(record.attempts)
    facts["categories"] = " ".join(record.categories)
    return tuple(_cell(facts[name]) for name in COLUMNS)


def _cell(value: object) -> str:
    """One cell. A spreadsheet takes text that begins like a formula for one, and clients choose some of the text."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) and not _number(value) else value
    return "" if value is None else str(value)


def _number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def _line(cells: tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
