"""Values of a TOML file into frozen structs: every key known, every type right, every number within its bounds.

The shapes are the structs themselves; what a field may hold beyond its type is its row in ``fields``. The first thing
that is wrong is a FileError with file, line and field, and what would be right.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import inspect

from crossover.config.fields import FIELDS, Field
from crossover.config.secrets import Finder
from crossover.config.settings import Secret
from crossover.errors import FileError, InputError, nearest
from crossover.money import usd
from crossover.textfile import Document

Shape = TypeVar("Shape", bound=msgspec.Struct)
_Path: TypeAlias = tuple[str, ...]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_OURS = frozenset({"host", "connection", "content-length", "content-type", "transfer-encoding", "accept-encoding"})
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")
SECONDS: Mapping[str, float] = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
BYTES: Mapping[str, int] = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_HUGE = 10**18  # whole numbers beyond have no place in any field, and no float close to them


class Reading(msgspec.Struct, frozen=True):
    """What a reader needs beside the values: the text for lines, the folder of the file, and where secrets are."""

    document: Document
    folder: Path
    secrets: Finder


def read(shape: type[Shape], data: object, path: _Path, reading: Reading) -> Shape:
    """The struct that a table says. Raises FileError at the first thing that is wrong."""
    if not isinstance(data, dict):
        raise _wrong(reading, path, "a table", data)
    for key in data:
        if key not in shape.__struct_fields__:
            raise reading.document.unknown_key((*path, key), shape.__struct_fields__)
    if missing := [name for name in required_of(shape) if name not in data]:
        raise reading.document.error(f"lacks {', '.join(missing)}", path, hint=_lacking(shape, missing[0]))
    awake = data.get("enabled") is not False
    types = types_of(shape)
    return shape(
        **{
            key: _value(types[key], value, (*path, key), FIELDS[shape][key], reading, awake)
            for key, value in data.items()
        }
    )


@cache
def types_of(shape: type[msgspec.Struct]) -> Mapping[str, inspect.Type]:
    """The types of a struct's fields. Kept: working them out takes milliseconds, and tables of a kind are many."""
    known = inspect.type_info(shape)
    assert isinstance(known, inspect.StructType)
    return {field.name: field.type for field in known.fields}


@cache
def required_of(shape: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields that a table must say."""
    return tuple(field.name for field in msgspec.structs.fields(shape) if field.required)


def _lacking(shape: type[msgspec.Struct], name: str) -> str:
    return f"{name}: {FIELDS[shape][name].meaning}"


def options_of(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    """The types a field may have, without None."""
    parts = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return tuple(part for part in parts if not isinstance(part, inspect.NoneType))


def _value(kind: inspect.Type, value: object, path: _Path, row: Field, reading: Reading, awake: bool) -> Any:
    kinds = options_of(kind)
    if len(kinds) > 1:
        return _scalar(value, path, reading)
    kind = kinds[0]
    if isinstance(kind, inspect.StructType):
        return read(kind.cls, value, path, reading)
    if isinstance(kind, inspect.DictType):
        return _named(kind.value_type, value, path, reading, awake)
    if isinstance(kind, inspect.VarTupleType):
        return _list(value, path, reading)
    if isinstance(kind, inspect.CustomType) and kind.cls is Secret:
        return _secret(value, path, reading, awake)
    if isinstance(kind, inspect.BoolType):
        if not isinstance(value, bool):
            raise _wrong(reading, path, "true or false", value)
        return value
    if isinstance(kind, inspect.LiteralType):
        return _choice(kind, value, path, reading)
    if isinstance(kind, inspect.StrType):
        if row.unit in ("file", "folder"):
            return _place(value, path, reading, folder=row.unit == "folder")
        return _text(value, path, reading)
    return _number(kind, value, path, row, reading)


def _named(kind: inspect.Type, value: object, path: _Path, reading: Reading, awake: bool) -> dict[str, Any]:
    """A table whose keys are names that the user chose."""
    if not isinstance(value, dict):
        raise _wrong(reading, path, "a table", value)
    if isinstance(kind, inspect.CustomType):
        return {name: _header(name, text, (*path, name), reading, awake) for name, text in value.items()}
    if isinstance(kind, inspect.LiteralType):
        return {name: _choice(kind, each, (*path, name), reading, "action") for name, each in value.items()}
    if isinstance(kind, inspect.DictType):
        return {name: _named(kind.value_type, each, (*path, name), reading, awake) for name, each in value.items()}
    if not isinstance(kind, inspect.StructType):
        return {name: _scalar(each, (*path, name), reading) for name, each in value.items()}
    for name in value:
        if not NAME.fullmatch(name):
            hint = "Letters, digits and . _ : / @ + - after the first, at most 128"
            raise reading.document.error(f"{name!r} is no name", (*path, name), hint=hint)
    return {name: read(kind.cls, each, (*path, name), reading) for name, each in value.items()}


def _list(value: object, path: _Path, reading: Reading) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong(
            reading, path, "a list", value, hint=f"Write [{json.dumps(value)}]" if isinstance(value, str) else None
        )
    items = []
    for number, each in enumerate(value):
        here = (*path, str(number))
        item = _text(each, here, reading)
        if item in items:
            raise _at(reading, here, f"{item!r} stands there twice")
        items.append(item)
    return tuple(items)


def _choice(kind: inspect.LiteralType, value: object, path: _Path, reading: Reading, what: str = "") -> str:
    text = _text(value, path, reading)
    if text not in kind.values:
        known = [str(each) for each in kind.values]
        near = nearest(text, known)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known)}"
        raise _at(reading, path, f"unknown {what or path[-1]} {text!r}", hint=hint)
    return text


def _scalar(value: object, path: _Path, reading: Reading) -> str | int | float | bool:
    if isinstance(value, str):
        return _text(value, path, reading)
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise _wrong(reading, path, "a text, a finite number, or true or false", value)


def _text(value: object, path: _Path, reading: Reading) -> str:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    if not isinstance(value, str):
        raise _wrong(reading, path, "a text", value)
    if "${" in value:
        raise _at(reading, path, "variables are read in api_key and headers only", hint="Write the value itself")
    if not value.strip():
        raise _at(reading, path, "is empty", hint="Leave the line out where there is nothing to say")
    if any(char < " " or char == "\x7f" for char in value):
        raise _at(reading, path, "holds a line break or a control character")
    return value


def _place(value: object, path: _Path, reading: Reading, *, folder: bool) -> str:
    place = reading.folder / _text(value, path, reading)
    if not (place.is_dir() if folder else place.is_file()):
        what = "folder" if folder else "file"
        raise _at(
            reading, path, f"there is no {what} {place}", hint="Write its path, absolute or beside crossover.toml"
        )
    return str(place)


def _secret(value: object, path: _Path, reading: Reading, awake: bool) -> Secret:
    if not isinstance(value, str):
        raise _wrong(reading, path, "a text", value)
    try:
        return reading.secrets.api_key(value, read=awake)
    except InputError as error:
        raise _secret_error(reading, path, error) from None


def _header(name: str, value: object, path: _Path, reading: Reading, awake: bool) -> Secret:
    if not _HEADER.fullmatch(name) or name.casefold() in _OURS:
        what = "is written by the gateway itself" if name.casefold() in _OURS else "is no name of a header"
        raise reading.document.error(f"{name!r} {what}", path)
    if not isinstance(value, str):
        raise _wrong(reading, path, "a text", value)
    try:
        return reading.secrets.header(name, value, read=awake)
    except InputError as error:
        raise _secret_error(reading, path, error) from None


def _secret_error(reading: Reading, path: _Path, error: InputError) -> FileError:
    """The same error at its line of the configuration; a file with a secret in it is named in the words."""
    words = f"{error.file}: {error.message}" if error.file else error.message
    return reading.document.error(words, path, hint=error.hint)


def _number(kind: inspect.Type, value: object, path: _Path, row: Field, reading: Reading) -> Any:
    if isinstance(value, str) and row.unit in ("seconds", "bytes"):
        value = _with_unit(value, path, row, reading)
    if isinstance(value, bool) or not isinstance(value, int | float):
        wanted = {"seconds": 'seconds, such as 30 or "30s"', "bytes": 'bytes, such as 1048576 or "1MiB"'}
        raise _wrong(reading, path, wanted.get(row.unit, "a number"), value)
    if isinstance(value, int) and abs(value) > _HUGE:
        raise _at(reading, path, "is out of range: no such number is meant")
    if not math.isfinite(value):
        raise _at(reading, path, f"{value} is not a finite number")
    if isinstance(kind, inspect.IntType) and value != int(value):
        raise _at(reading, path, f"{value:g} is not a whole number")
    if not row.low <= value <= row.high:
        hint = f"Write {amount(row.low)} to {amount(row.high)}{' ' + row.unit if row.unit else ''}"
        raise _at(reading, path, f"{amount(value)} is out of range", hint=hint)
    if isinstance(kind, inspect.DecimalType):
        return usd(value)
    return int(value) if isinstance(kind, inspect.IntType) else float(value)


def _with_unit(text: str, path: _Path, row: Field, reading: Reading) -> float:
    units: Mapping[str, float] = SECONDS if row.unit == "seconds" else BYTES
    found = _AMOUNT.fullmatch(text)
    if found is None or found[2] not in units:
        raise _at(reading, path, f"{text!r} is no number of {row.unit}", hint=f"Units: {', '.join(units)}")
    return float(Decimal(found[1]) * Decimal(str(units[found[2]])))


def amount(number: float) -> str:
    """A number as people write it: ``0.01``, ``1,000,000``."""
    return f"{number:,.6f}".rstrip("0").rstrip(".")


def _wrong(reading: Reading, path: _Path, wanted: str, value: object, *, hint: str | None = None) -> FileError:
    return _at(reading, path, f"must be {wanted}, not {_kind(value)}", hint=hint)


def _at(reading: Reading, path: _Path, message: str, *, hint: str | None = None) -> FileError:
    return reading.document.error(message, path, hint=hint)


def _kind(value: object) -> str:
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "true or false"), (dict, "a table"), (list, "a list"), (str, "a text"), (int, "a number"),
        (float, "a number"),
    )  # fmt: skip
    return next((words for kind, words in kinds if isinstance(value, kind)), "a date or a time")
