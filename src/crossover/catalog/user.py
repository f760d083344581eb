"""The user's own catalog rows, in ``*.toml`` files.

The tables are ``[[accelerator]]``, ``[[offer]]``, ``[[model]]`` and ``[[quantisation]]``. A user's row wins over a
shipped row of the same name and is marked as the user's. Typos, NaN, negative and absurd values are refused with the
file, the row and the field. A row may say where its figures come from (``source``, ``url``) and when they were checked
(``checked = 2026-01-31``); otherwise the file's own date counts.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import msgspec

from crossover.catalog.items import Accelerator, Offer, OpenModel, Quantisation
from crossover.errors import FileError, InputError, nearest
from crossover.evidence import Source

UserRow: TypeAlias = Accelerator | Offer | OpenModel | Quantisation
Value: TypeAlias = str | int | float | bool | dt.date | list[str]

KINDS: Mapping[str, type[UserRow]] = {
    "accelerator": Accelerator,
    "offer": Offer,
    "model": OpenModel,
    "quantisation": Quantisation,
}
OWN_FILE = "own.toml"
_SOURCE_FIELDS = ("source", "url", "checked")
_HIDDEN = frozenset({"origin", "field_sources", "price_source"})

# What no device, price or model of this world exceeds; a typing slip (a unit too large, a digit too many) does.
_LIMITS: Mapping[str, tuple[float, float]] = {
    "memory_gib": (0.25, 16_384),
    "bandwidth_gbs": (1, 100_000),
    "fp16_tflops": (0.01, 100_000),
    "fp8_tflops": (0.01, 100_000),
    "int8_tops": (0.01, 100_000),
    "fp4_tflops": (0.01, 200_000),
    "tdp_w": (1, 20_000),
    "usable_share": (0.05, 1),
    "interconnect_gbs": (0, 10_000),
    "host_watts": (0, 20_000),
    "max_per_node": (1, 1_024),
    "price_usd": (0, 10_000_000),
    "count": (1, 1_024),
    "usd_per_hour": (0, 100_000),
    "spot_usd_per_hour": (0, 100_000),
    "reserved_1y_usd_per_hour": (0, 100_000),
    "reserved_3y_usd_per_hour": (0, 100_000),
    "params_b": (0.0001, 100_000),
    "active_b": (0.0001, 100_000),
    "layers": (1, 10_000),
    "hidden": (1, 1_000_000),
    "heads": (1, 10_000),
    "kv_heads": (1, 10_000),
    "head_dim": (1, 10_000),
    "vocab": (1, 10_000_000),
    "max_context": (1, 1_000_000_000),
    "bits": (0.5, 64),
    "embedding_bits": (0.5, 64),
    "native_bits": (0.5, 64),
    "score": (0, 100),
    "perplexity_change": (-1, 1_000),
}
_OTHER = (0.0, 1e12)


class UserRows(msgspec.Struct, frozen=True, kw_only=True):
    """What the user's files hold."""

    accelerators: tuple[Accelerator, ...] = ()
    offers: tuple[Offer, ...] = ()
    models: tuple[OpenModel, ...] = ()
    quantisations: tuple[Quantisation, ...] = ()


def load(folder: Path) -> UserRows:
    """All rows of ``folder/*.toml`` in the order of the file names; a folder that does not exist holds none.

    Raises FileError with file and field where a row is wrong.
    """
    rows: list[UserRow] = []
    for path in sorted(folder.glob("*.toml")) if folder.is_dir() else ():
        rows.extend(_read(path))
    return UserRows(
        accelerators=tuple(row for row in rows if isinstance(row, Accelerator)),
        offers=tuple(row for row in rows if isinstance(row, Offer)),
        models=tuple(row for row in rows if isinstance(row, OpenModel)),
        quantisations=tuple(row for row in rows if isinstance(row, Quantisation)),
    )


def add(folder: Path, kind: str, fields: Mapping[str, Value]) -> tuple[Path, UserRow]:
    """Checks one row and appends it to ``folder/own.toml``, which is made if need be. Returns the file and the row.

    Raises InputError for an unknown table or a wrong field, FileError where the file cannot be written.
    """
    if kind not in KINDS:
        raise InputError(f"unknown table {kind!r}", hint=f"One of: {', '.join(KINDS)}")
    path = folder / OWN_FILE
    row = _row(kind, dict(fields), path, dt.date.today(), place=kind)
    text = f"\n[[{kind}]]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in fields.items())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise FileError(f"cannot be written: {error.strerror}", file=str(path)) from None
    return path, row


def field_names(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of a table that a user must give, and those that may be left out."""
    fields = [field for field in msgspec.structs.fields(KINDS[kind]) if field.name not in {*_HIDDEN, "source"}]
    must = tuple(field.name for field in fields if field.required)
    return must, (*(field.name for field in fields if not field.required), *_SOURCE_FIELDS)


def _read(path: Path) -> list[UserRow]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        changed = dt.date.fromtimestamp(path.stat().st_mtime)
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FileError(f"is not a TOML file: {error}", file=str(path)) from None
    rows: list[UserRow] = []
    for kind, tables in document.items():
        if kind not in KINDS:
            raise FileError(f"unknown table [[{kind}]]", hint=_did_you_mean(kind, KINDS), file=str(path), field=kind)
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise FileError(f"{kind} must be a list of tables", hint=f"Write [[{kind}]]", file=str(path), field=kind)
        rows.extend(
            _row(kind, table, path, changed, place=f"{kind}[{number}]") for number, table in enumerate(tables, start=1)
        )
    return rows


def _row(kind: str, table: dict[str, object], path: Path, changed: dt.date, *, place: str) -> UserRow:
    must, may = field_names(kind)
    for name, value in table.items():
        if name not in must and name not in may:
            hint = _did_you_mean(name, (*must, *may))
            raise FileError(f"unknown field {name!r}", hint=hint, file=str(path), field=f"{place}.{name}")
        _check_size(name, value, str(path), f"{place}.{name}")
    if missing := [name for name in must if name not in table]:
        raise FileError(f"lacks {', '.join(missing)}", file=str(path), field=place)
    values = {name: _exact(value) for name, value in table.items() if name not in _SOURCE_FIELDS}
    values["origin"] = "user"
    values["source"] = msgspec.to_builtins(_source(table, path, changed, place))
    try:
        row: UserRow = msgspec.convert(values, KINDS[kind], strict=True)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise FileError(what, file=str(path), field=f"{place}.{where.rstrip('`')}" if where else place) from None
    for field in msgspec.structs.fields(row):  # a price written as text has become a number only now
        value = getattr(row, field.name)
        if isinstance(value, Decimal):
            _check_size(field.name, float(value), str(path), f"{place}.{field.name}")
    _check_sense(row, str(path), place)
    return row


def _check_sense(row: UserRow, file: str, place: str) -> None:
    """Refuses figures that are fine alone but not together, and names that are empty."""
    for field in ("name", "cloud", "instance", "accelerator"):
        if getattr(row, field, "filled").strip() == "":
            raise FileError("is empty", file=file, field=f"{place}.{field}")
    if isinstance(row, OpenModel):
        if row.active_b > row.params_b:
            raise FileError("more parameters are active than there are", file=file, field=f"{place}.active_b")
        if row.kv_heads > row.heads:
            raise FileError("more KV heads than heads", file=file, field=f"{place}.kv_heads")
        if row.experts_per_token > row.experts:
            raise FileError("more experts per token than experts", file=file, field=f"{place}.experts_per_token")
    if isinstance(row, Quantisation) and not row.engines:
        raise FileError("names no engine", file=file, field=f"{place}.engines")


def _source(table: Mapping[str, object], path: Path, changed: dt.date, place: str) -> Source:
    checked = table.get("checked", changed)
    if isinstance(checked, str):
        try:
            checked = dt.date.fromisoformat(checked)
        except ValueError:
            checked = None
    if not isinstance(checked, dt.date):
        raise FileError("is not a date", hint="Write it like 2026-01-31", file=str(path), field=f"{place}.checked")
    said = table.get("source")
    text = f"your own row in {path.name}" + (f": {said}" if said else "")
    return Source(text=text, url=str(table.get("url", "")), checked=checked)


def _check_size(name: str, value: object, file: str, field: str) -> None:
    """Refuses a number that is not finite, negative or absurd."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    low, high = _LIMITS.get(name, _OTHER)
    if not math.isfinite(value):
        raise FileError(f"{value} is not a finite number", file=file, field=field)
    if not low <= value <= high:
        raise FileError(f"{value:g} is out of range", hint=f"Between {low:g} and {high:g}", file=file, field=field)


def _exact(value: object) -> object:
    """Dates and floats in the form that the structs are read from; a price keeps its decimal text."""
    return value.isoformat() if isinstance(value, dt.date) else value


def _did_you_mean(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    close = nearest(name, known)
    return f"Did you mean {' or '.join(close)}?" if close else f"One of: {', '.join(known)}"


def _toml(value: Value) -> str:
    """One value as TOML; JSON text is valid TOML for strings, numbers, booleans and lists of strings."""
    if isinstance(value, dt.date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)
