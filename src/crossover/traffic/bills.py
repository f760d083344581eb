"""Bills as files: usage and cost exports of providers, any CSV with days and models, hours of machines.

Beside the usage exports of :mod:`crossover.traffic.exports`, these shapes are known (looked up 2026-11-27):

- OpenAI, ``GET /v1/organization/costs``: buckets with ``results`` of ``amount`` (``value`` in dollars) and
  ``line_item``. developers.openai.com/api/docs/api-reference/usage
- OpenAI, dashboard export of costs: CSV with ``start_time``, ``amount_value``, ``amount_currency``, ``line_item``.
- Anthropic, ``GET /v1/organizations/cost_report``: ``results`` of ``amount``, a decimal text in *cents*, ``currency``,
  ``model``. platform.claude.com/docs/en/api/admin/cost_report
- Anthropic, Console export of costs: CSV with ``usage_date_utc``, ``model``, ``token_type``, ``cost_usd``.

Any other CSV says by its header, or by ``columns``, which column is the day, the model, the tokens, the cost.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from crossover.bill import Basis, Bill, Hours, Line
from crossover.errors import FileError, InputError, UnknownNameError
from crossover.money import usd
from crossover.traffic import exports
from crossover.traffic.formats import listed
from crossover.traffic.rows import RowError

DAY_S = exports.DAY_S
_CENTS = Decimal(100)
_MOST_HOURS = 24.0 * 366
# What a column is called, in the order in which names are tried.
NAMES: dict[str, tuple[str, ...]] = {
    "day": ("day", "date", "usage_date_utc", "usage_date", "start_time", "starting_at", "timestamp"),
    "end": ("end", "end_time", "ending_at"),
    "model": ("model", "model_version", "model_name", "line_item", "sku"),
    "requests": ("requests", "num_model_requests", "request_count", "calls"),
    "input": ("input_tokens", "prompt_tokens", "input"),
    "cached": ("cached_tokens", "input_cached_tokens", "cached_input_tokens", "cached"),
    "output": ("output_tokens", "completion_tokens", "output"),
    "cost": ("cost_usd", "amount_value", "amount_usd", "cost", "amount", "usd"),
    "currency": ("currency", "amount_currency"),
    "machine": ("machine", "deployment", "instance", "resource"),
    "hours": ("hours", "gpu_hours", "instance_hours"),
    "rate": ("usd_per_hour", "rate", "hourly_rate", "price_per_hour"),
}


def read_bill(path: str | Path, columns: Mapping[str, str] | None = None) -> Bill:
    """A usage or cost export, a CSV of days and models, or of machines and hours. Raises FileError and InputError.

    ``columns`` maps what (a key of ``NAMES``) to the name of a column, for CSV of one's own.
    """
    place = Path(path)
    data = exports.whole(place)
    if data.lstrip()[:1] in (b"{", b"["):
        return _from_json(data, place)
    return _from_csv(data, place, dict(columns or {}))


# ----------------------------------------------------------------------------------------------------------------- JSON


def _from_json(data: bytes, place: Path) -> Bill:
    notes: list[str] = []
    raw = exports.pages(data, str(place), notes)
    provider = "anthropic" if "starting_at" in raw[0] else "openai"
    if any("amount" in result for item in raw for result in _results(item)):
        lines = [line for index, item in enumerate(raw) for line in _costs(item, index, str(place))]
        return Bill(provider=provider, title=f"cost export {place.name}", lines=tuple(lines), notes=tuple(notes))
    _, buckets = exports.from_json(data, str(place), [])
    return _usage(provider, buckets, place, notes)


def _results(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    results = item.get("results")
    return [result for result in results if isinstance(result, dict)] if isinstance(results, list) else []


def _costs(item: Mapping[str, Any], index: int, file: str) -> Iterator[Line]:
    try:
        start = exports.seconds(item.get("start_time", item.get("starting_at")), "start of the bucket")
        end = exports.seconds(item.get("end_time", item.get("ending_at")), "end of the bucket")
        for result in _results(item):
            amount = result.get("amount")
            if isinstance(amount, dict):
                paid, currency = _amount(amount.get("value"), "amount.value"), amount.get("currency")
            else:
                paid, currency = _amount(amount, "amount") / _CENTS, result.get("currency")
            _dollars(currency)
            model = result.get("model") or result.get("line_item") or result.get("description") or ""
            yield Line(start=start, end=end, model=_model(str(model)), usd=paid, batch=_is_batch(result))
    except RowError as error:
        raise FileError(f"bucket {index + 1}: {error.what}", file=file, field=error.field) from None


def _is_batch(result: Mapping[str, Any]) -> bool:
    return result.get("service_tier") == "batch" or "batch" in str(result.get("line_item") or "").lower()


def _usage(provider: str, buckets: list[exports.Bucket], place: Path, notes: list[str]) -> Bill:
    lines = [
        Line(
            start=one.start, end=one.end, model=one.model, requests=one.requests, input=one.input, cached=one.cached,
            output=one.output, batch=one.batch,
        )
        for one in buckets
        if one.input or one.output or one.requests
    ]  # fmt: skip
    if not lines:
        raise FileError("holds no usage", file=str(place), hint="Choose days with usage before exporting")
    return Bill(provider=provider, title=f"usage export {place.name}", lines=tuple(lines), notes=tuple(notes))


# ------------------------------------------------------------------------------------------------------------------ CSV


def _from_csv(data: bytes, place: Path, columns: dict[str, str]) -> Bill:
    text = data.decode(errors="replace")
    first = text.split("\n", 1)[0]
    reader = csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count))
    header = [name.strip() for name in next((row for row in reader if row), [])]
    known = None if columns else exports.csv_kind(header)
    if known in ("OpenAI", "Anthropic"):
        name, buckets = exports.from_csv(data, str(place))
        return _usage(name.lower(), buckets, place, [])
    roles = _roles(header, columns, str(place))
    lines: list[Line] = []
    hours: list[Hours] = []
    for row in reader:
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        if not any(cells.values()):
            continue
        try:
            if len(row) < len(header):
                raise RowError("", f"has {len(row)} fields where the header has {len(header)}")
            if "hours" in roles:
                hours.append(_hours(cells, roles))
            elif (line := _line(cells, roles)) is not None:
                lines.append(line)
        except RowError as error:
            raise FileError(error.what, file=str(place), line=reader.line_num, field=error.field or None) from None
    if not lines and not hours:
        raise FileError("holds a header and nothing billed", file=str(place))
    title = f"machine hours {place.name}" if hours else f"bill {place.name}"
    return Bill(provider=_provider(header), title=title, lines=tuple(lines), hours=tuple(hours))


def _provider(header: list[str]) -> str:
    if {"amount_value", "line_item"} <= set(header):
        return "openai"
    return "anthropic" if {"usage_date_utc", "token_type"} <= set(header) else ""


def _roles(header: list[str], columns: dict[str, str], file: str) -> dict[str, str]:
    """Which column holds what. Raises FileError where there is too little, InputError for a name that is no column."""
    for what, name in columns.items():
        if what not in NAMES:
            raise UnknownNameError("column", what, NAMES, field="--columns")
        if name not in header:
            raise InputError(f"{name!r} is no column; they are {listed(header)}", field="--columns", file=file)
    folded = {name.lower().replace(" ", "_"): name for name in header}
    found = dict(columns)
    for what, names in NAMES.items():
        column = next((folded[each] for each in names if each in folded), None)
        if what not in found and column is not None:
            found[what] = column
    wanted = ("day", "machine") if "hours" in found and "machine" in found else ("day",)
    missing = [what for what in wanted if what not in found]
    if "hours" not in found and not {"cost", "input", "output", "requests"} & set(found):
        missing.append("cost or input and output")
    if missing:
        raise FileError(
            f"no column for {' and '.join(missing)}; they are {listed(header)}", file=file,
            hint="Say it with --columns day=COLUMN,model=COLUMN,cost=COLUMN",
        )  # fmt: skip
    if "hours" in found and "machine" not in found:
        del found["hours"]
    return found


def _line(cells: Mapping[str, str], roles: Mapping[str, str]) -> Line | None:
    """One row of a bill; None where it names no cost and no usage."""
    start, end, basis = _window(cells, roles)
    counts = {
        what: None if not cells.get(roles.get(what, ""), "") else exports.counted(cells, roles[what])
        for what in ("requests", "input", "cached", "output")
    }
    said = cells.get(roles.get("cost", ""), "")
    if not said and not any(counts.values()):
        return None
    if "currency" in roles:
        _dollars(cells[roles["currency"]] or "usd")
    return Line(
        start=start, end=end, basis=basis, model=_model(cells.get(roles.get("model", ""), "")),
        usd=_amount(said, roles["cost"]) if said else None,
        batch="batch" in cells.get("usage_type", "").lower() or "batch" in cells.get("line_item", "").lower(), **counts,
    )  # fmt: skip


def _hours(cells: Mapping[str, str], roles: Mapping[str, str]) -> Hours:
    start, end, _ = _window(cells, roles)
    said = cells[roles["hours"]]
    try:
        hours = float(said)
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= _MOST_HOURS:
        raise RowError(roles["hours"], f"is {said!r}, not a number of hours")
    rate = cells.get(roles.get("rate", ""), "")
    return Hours(
        start=start, end=end, machine=cells[roles["machine"]], hours=hours,
        usd_per_hour=_amount(rate, roles["rate"]) if rate else None,
    )  # fmt: skip


def _window(cells: Mapping[str, str], roles: Mapping[str, str]) -> tuple[float, float, Basis]:
    """The window of a row: from its two moments, or the day that is written."""
    said, field = cells[roles["day"]], roles["day"]
    try:
        day = dt.date.fromisoformat(said)
    except ValueError:
        start = exports.seconds(said, field)
        end = cells.get(roles.get("end", ""), "")
        return start, exports.seconds(end, roles["end"]) if end else start + DAY_S, "bucket"
    start = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()
    return start, start + DAY_S, "bucket" if field == "usage_date_utc" else "day"


def _model(text: str) -> str:
    """The model of a line item: ``gpt-4o-2024-08-06, cached input`` is the model up to the comma."""
    return text.split(",", 1)[0].strip()


def _amount(value: object, field: str) -> Decimal:
    try:
        return usd(value if isinstance(value, int | float | str) and not isinstance(value, bool) else str(value))
    except InputError:
        raise RowError(field, f"is {str(value)[:40]!r}, not an amount") from None


def _dollars(currency: object) -> None:
    if currency is not None and str(currency).lower() != "usd":
        raise RowError("currency", f"is {str(currency)[:10]!r}; bills are compared in dollars")
