"""Usage exports that providers let their users download, as facts about a workload.

Shapes, each as its provider documents it or as published downloads show it (all looked up 2026-11-23):

- OpenAI, organisation usage API, ``GET /v1/organization/usage/completions``: pages of buckets with ``start_time``,
  ``end_time`` (Unix seconds) and ``results`` (``input_tokens`` with cached ones inside, ``input_cached_tokens``,
  ``output_tokens``, ``num_model_requests``, ``model``, ``batch``). developers.openai.com/api/docs/api-reference/usage
- OpenAI, dashboard export ``completions_usage_*.csv``: the same names as columns, one row per bucket and group.
- Anthropic, ``GET /v1/organizations/usage_report/messages``: buckets with ``starting_at``, ``ending_at`` (RFC 3339) and
  ``results`` (``uncached_input_tokens``, ``cache_read_input_tokens``, ``cache_creation``, ``output_tokens``, ``model``,
  ``service_tier``); no count of requests. platform.claude.com/docs/en/api/admin-api/usage-cost
- Anthropic, Console export: CSV with ``usage_date_utc``, ``model_version``, ``usage_input_tokens_no_cache``,
  ``usage_input_tokens_cache_write_5m`` and ``_1h``, ``usage_input_tokens_cache_read``, ``usage_output_tokens``.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from crossover.errors import FileError
from crossover.traffic.blocks import read_blocks
from crossover.traffic.facts import Facts
from crossover.traffic.formats import listed
from crossover.traffic.lengths import assumed_input, assumed_note, assumed_output
from crossover.traffic.profiles import from_weights, peak_of
from crossover.traffic.rows import RowError, token_count
from crossover.traffic.times import TimeError, form_of, shown, to_ns

MAX_FILE_BYTES = 256 * 2**20  # a year of minutes for a hundred groups is far below this
MAX_BUCKET_TOKENS = 10**15
HOUR_S, DAY_S, WEEK_S = 3600.0, 86_400.0, 604_800.0
_OPENAI_CSV = ("start_time", "end_time", "input_tokens", "output_tokens")
_ANTHROPIC_CSV = ("usage_date_utc", "usage_input_tokens_no_cache", "usage_output_tokens")
_OPENAI_EMPTY = ("start_time", "end_time", "start_time_iso", "end_time_iso")
_EXPORT_KEYS = (b'"start_time"', b'"starting_at"')


class Bucket(NamedTuple):
    """Usage of one group in one span of time (seconds since 1970, UTC); ``requests`` is None where nobody counted."""

    start: float
    end: float
    requests: int | None = None
    input: int = 0
    cached: int = 0
    output: int = 0
    model: str = ""
    batch: bool = False


Weights = list[tuple[Bucket, int]]  # with requests where they are counted, else tokens


def is_export(path: Path) -> bool:
    """Whether the file is a usage export: told from its first block. Raises FileError when it cannot be read."""
    first = next(read_blocks(path), None)
    if first is None:
        return False
    head = first.data.lstrip()[:65536]
    if head[:1] in (b"{", b"["):
        return b'"results"' in head and any(key in head for key in _EXPORT_KEYS)
    header = _cells(head.split(b"\n", 1)[0].decode(errors="replace"))
    return csv_kind(header) is not None


def read_export(path: str | Path) -> Facts:
    """What a usage export says: volume, mean lengths, cached and batch share, models, profile. Raises FileError."""
    provider, buckets, notes = read_buckets(path)
    return _facts(buckets, provider, Path(path), notes)


def read_buckets(path: str | Path) -> tuple[str, list[Bucket], list[str]]:
    """The provider of a usage export, its buckets as they stand, and notes on what may be missing. Raises FileError."""
    place = Path(path)
    data = whole(place)
    notes: list[str] = []
    if data.lstrip()[:1] in (b"{", b"["):
        return (*from_json(data, str(place), notes), notes)
    return (*from_csv(data, str(place)), notes)


def whole(place: Path) -> bytes:
    """A file at once, unpacked where it is packed. Raises FileError where it is too large for an export."""
    parts, size = [], 0
    for block in read_blocks(place):
        size += len(block.data)
        if size > MAX_FILE_BYTES:
            raise FileError(
                "is over 256 MiB, too large for a usage export", file=str(place), hint="Use --trace for requests"
            )
        parts.append(block.data)
    return b"".join(parts)


def from_json(data: bytes, file: str, notes: list[str]) -> tuple[str, list[Bucket]]:
    """Pages of usage: the provider, and the buckets. Raises FileError."""
    raw = pages(data, file, notes)
    buckets = [bucket for index, item in enumerate(raw) for bucket in _json_results(item, index, file)]
    return ("Anthropic" if "starting_at" in raw[0] else "OpenAI"), buckets


def pages(data: bytes, file: str, notes: list[str]) -> list[dict[str, Any]]:
    """Buckets as they stand: of one page, a list of pages, a list of buckets, or one page per line. At least one."""
    try:
        found: list[Any] = [msgspec.json.decode(data)]
    except msgspec.DecodeError as error:
        found = []
        for number, line in enumerate(data.split(b"\n"), start=1):
            try:
                if line.strip():
                    found.append(msgspec.json.decode(line))
            except msgspec.DecodeError:
                what = str(error).removeprefix("JSON is malformed: ")
                raise FileError(f"is no JSON: {what}", file=file, line=number if found else None) from None
    raw = [bucket for item in found for bucket in _json_buckets(item, notes)]
    if not raw:
        raise FileError("holds no bucket of usage", file=file, hint="A usage export has buckets with results")
    return raw


def _json_buckets(item: object, notes: list[str]) -> Iterator[dict[str, Any]]:
    if isinstance(item, list):
        for part in item:
            yield from _json_buckets(part, notes)
    elif isinstance(item, dict) and "results" in item:
        yield item
    elif isinstance(item, dict):
        if item.get("has_more") is True:
            notes.append("a page of the export says has_more: true; if the next page is missing, so is its usage")
        yield from _json_buckets(item.get("data", []), notes)


def _json_results(item: dict[str, Any], index: int, file: str) -> Iterator[Bucket]:
    where = f"bucket {index + 1}"
    try:
        start = seconds(item.get("start_time", item.get("starting_at")), "start of the bucket")
        end = seconds(item.get("end_time", item.get("ending_at")), "end of the bucket")
        results = item["results"]
        if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
            raise RowError("results", "is not a list of objects")
        yield Bucket(start, end)  # the span counts, even where nothing was used in it
        for result in results:
            yield _group(start, end, result)
    except RowError as error:
        raise FileError(f"{where}: {error.what}", file=file, field=error.field) from None


def _group(start: float, end: float, result: Mapping[str, Any]) -> Bucket:
    """One group of a bucket, OpenAI or Anthropic by its names."""
    if "uncached_input_tokens" in result:
        cached = counted(result, "cache_read_input_tokens")
        written = result.get("cache_creation") or {}
        wrote = sum(counted(written, name) for name in written) if isinstance(written, dict) else 0
        wrote += sum(counted(result, name) for name in result if name.startswith("cache_creation_"))
        prompt = counted(result, "uncached_input_tokens") + cached + wrote
        batch = result.get("service_tier") == "batch"
        return Bucket(
            start, end, None, prompt, cached, counted(result, "output_tokens"), str(result.get("model") or ""), batch
        )
    if "input_tokens" not in result:
        raise RowError("results", f"have no input_tokens; the fields are {listed(list(result))}")
    requests = None if result.get("num_model_requests") in (None, "") else counted(result, "num_model_requests")
    return Bucket(
        start,
        end,
        requests,
        counted(result, "input_tokens"),
        counted(result, "input_cached_tokens"),
        counted(result, "output_tokens"),
        str(result.get("model") or ""),
        str(result.get("batch")).lower() == "true",
    )


def from_csv(data: bytes, file: str) -> tuple[str, list[Bucket]]:
    """A usage export as CSV: the provider, and the buckets. Raises FileError."""
    lines = data.decode(errors="replace").splitlines()
    reader = csv.reader(lines)
    header = [name.strip() for name in next((row for row in reader if row), [])]
    kind = csv_kind(header)
    if kind is None:
        raise FileError(
            f"is no usage export that is known; the columns are {listed(header)}",
            file=file,
            hint="Known: OpenAI completions usage and Anthropic Console usage; requests one by one go with --trace",
        )
    if kind == "empty":
        raise FileError(
            "is an OpenAI export without any usage in it", file=file, hint="Choose days with usage before exporting"
        )
    buckets = []
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        try:
            if len(row) < len(header):
                raise RowError("", f"has {len(row)} fields where the header has {len(header)}")
            buckets.append(_console_row(cells) if kind == "Anthropic" else _openai_row(cells))
        except RowError as error:
            raise FileError(error.what, file=file, line=reader.line_num, field=error.field or None) from None
    if not buckets:
        raise FileError("holds a header and no usage", file=file)
    return kind, buckets


def _openai_row(cells: Mapping[str, str]) -> Bucket:
    start, end = seconds(cells["start_time"], "start_time"), seconds(cells["end_time"], "end_time")
    if not cells["input_tokens"] and not cells["output_tokens"]:
        return Bucket(start, end)  # a bucket without usage
    return _group(start, end, cells)


def _console_row(cells: Mapping[str, str]) -> Bucket:
    text = cells["usage_date_utc"]
    start = seconds(f"{text} 00:00:00" if len(text) == 10 else text, "usage_date_utc")
    hourly = len(text) > 10 and not text.replace("T", " ").rstrip("Z").endswith(" 00:00")
    cached = counted(cells, "usage_input_tokens_cache_read")
    wrote = sum(counted(cells, name) for name in cells if name.startswith("usage_input_tokens_cache_write"))
    return Bucket(
        start,
        start + (HOUR_S if hourly else DAY_S),
        None,
        counted(cells, "usage_input_tokens_no_cache") + cached + wrote,
        cached,
        counted(cells, "usage_output_tokens"),
        cells.get("model_version", ""),
        "batch" in cells.get("usage_type", "").lower(),
    )


def csv_kind(header: Iterable[str]) -> str | None:
    """Whose usage export has these columns; ``empty``: one of OpenAI's without usage; None: nobody's that is known."""
    names = set(header)
    if names.issuperset(_ANTHROPIC_CSV):
        return "Anthropic"
    if names.issuperset(_OPENAI_CSV):
        return "OpenAI"
    return "empty" if names == set(_OPENAI_EMPTY) else None


def _cells(line: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line]), [])]
    except csv.Error:
        return []


def counted(values: Mapping[str, Any], field: str) -> int:
    """A count of tokens or requests; 0 where there is none. Raises RowError."""
    value = values.get(field)
    return 0 if value in (None, "") else token_count(value, field, MAX_BUCKET_TOKENS)


def seconds(value: object, field: str) -> float:
    """Seconds since 1970 of a time in any form but elapsed. Raises RowError."""
    form = form_of(value)
    if form is None or form == "elapsed":
        raise RowError(field, f"is {shown(value)}, not a time")
    try:
        return to_ns(value, form) / 1e9
    except TimeError as error:
        raise RowError(field, str(error)) from None


def _facts(buckets: list[Bucket], provider: str, place: Path, notes: list[str]) -> Facts:
    """Buckets added up. Days without usage between the first and the last bucket count as quiet days."""
    begin, end = min(bucket.start for bucket in buckets), max(bucket.end for bucket in buckets)
    days = (end - begin) / DAY_S
    used = [bucket for bucket in buckets if bucket.input or bucket.output or bucket.requests]
    if days <= 0 or not used:
        raise FileError("holds no usage", file=str(place), hint="Choose days with usage before exporting")
    prompt, answer = sum(bucket.input for bucket in used), sum(bucket.output for bucket in used)
    counted = all(bucket.requests is not None for bucket in used)
    requests = sum(bucket.requests or 0 for bucket in used) if counted else 0
    first, last = (dt.datetime.fromtimestamp(moment, dt.UTC).date() for moment in (begin, end - 1))
    notes.insert(0, f"{provider} usage export {place.name}: {days:.3g} days, {first} to {last} (UTC)")
    weights = [(bucket, (bucket.requests or 0) if counted else bucket.input + bucket.output) for bucket in used]
    total = sum(weight for _, weight in weights) or 1
    base = Facts(
        name=place.name,
        models=_models(weights, total, counted, notes),
        cached_share=min(sum(bucket.cached for bucket in used) / prompt, 1.0) if prompt else 0.0,
        batch_share=sum(weight for bucket, weight in weights if bucket.batch) / total,
        profile=_profile(buckets, weights, notes),
        source=f"usage export {place.name}",
    )
    if not counted or requests == 0:
        notes.append("the export counts tokens but no requests: one of the two figures is yours")
        return replace(base, notes=tuple(notes), input_per_day=prompt / days, output_per_day=answer / days)
    mean_input, mean_output = max(prompt / requests, 1.0), max(answer / requests, 1.0)
    notes.append(assumed_note(mean_input, mean_output))
    return replace(
        base,
        notes=tuple(notes),
        requests_per_day=requests / days,
        input=assumed_input(mean_input),
        output=assumed_output(mean_output),
    )


def _models(weights: Weights, total: int, counted: bool, notes: list[str]) -> tuple[str, ...] | None:
    """The models of the export, the most used first, with their shares as a note."""
    shares = Counter[str]()
    for bucket, weight in weights:
        shares[bucket.model] += weight
    models = tuple(name for name, _ in shares.most_common() if name)
    if models:
        split = ", ".join(f"{name} {shares[name] / total:.0%}" for name in models[:8])
        notes.append(f"share of {'requests' if counted else 'tokens'} by model: {split}")
    return models or None


def _profile(buckets: list[Bucket], weights: Weights, notes: list[str]) -> tuple[float, ...] | None:
    """The week by hour where buckets are hourly, by weekday where they are daily; None where they cover too little."""
    begin, end = min(bucket.start for bucket in buckets), max(bucket.end for bucket in buckets)
    width, span = max(bucket.end - bucket.start for bucket in buckets), end - begin
    hourly = width <= HOUR_S
    if span < (DAY_S if hourly else WEEK_S):
        notes.append(f"the export covers too little for a profile ({span / DAY_S:.2g} days): the load is taken as even")
        return None
    step = HOUR_S if hourly else DAY_S
    slots = (168 if span >= WEEK_S else 24) if hourly else 7
    # 1970-01-01 was a Thursday: three days after a Monday.
    load, covered = [0.0] * slots, [0.0] * slots
    for bucket, weight in weights:
        load[int((bucket.start + 3 * DAY_S) // step) % slots] += weight
    for index in range(max(int(span // step), 1)):
        covered[int((begin + index * step + 3 * DAY_S) // step) % slots] += 1
    rates = [amount / times if times else 0.0 for amount, times in zip(load, covered, strict=True)]
    if hourly:
        profile = from_weights(rates)
        kind = "hour of the week" if slots == 168 else "hour of the day"
    else:
        profile = from_weights([rate for rate in rates for _ in range(24)])
        kind = "day of the week, with hours taken as even (daily buckets do not show them)"
    notes.append(f"profile by {kind}, UTC; the busiest hour carries {peak_of(profile):.1f} times the mean")
    return profile
