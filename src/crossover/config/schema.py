"""The JSON Schema of ``crossover.toml`` for editors, made from the structs and their rows; and words for types."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import inspect

from crossover.config.check import ABILITIES, LABELS
from crossover.config.fields import FIELDS, Field
from crossover.config.read import BYTES, NAME, SECONDS, options_of
from crossover.config.settings import Settings

_REFERENCE = r"^(none|\$\{[A-Za-z_][A-Za-z0-9_]*\}|file:.+)$"
_SCALARS: dict[type[inspect.Type], str] = {
    inspect.StrType: "string", inspect.IntType: "integer", inspect.FloatType: "number", inspect.DecimalType: "number",
    inspect.BoolType: "boolean",
}  # fmt: skip


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the file."""
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Crossover: what the gateway serves, to whom, by which rules",
        **_table(Settings),
    }
    made["$defs"] = {shape.__name__: _table(shape) for shape in FIELDS if shape is not Settings}
    return made


def schema_text() -> str:
    """The schema as the file ``docs/schemas/crossover.schema.json`` holds it."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


def _table(shape: type[msgspec.Struct]) -> dict[str, Any]:
    known = inspect.type_info(shape)
    assert isinstance(known, inspect.StructType)
    made: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: _field(field, FIELDS[shape][field.name]) for field in known.fields},
        "additionalProperties": False,
    }
    required = [field.name for field in known.fields if field.required]
    return made | ({"required": required} if required else {})


def _field(field: inspect.Field, row: Field) -> dict[str, Any]:
    made = {"description": row.meaning, **_shape(field.type, row)}
    if field.name in ("can", "cannot"):
        made["items"] = {"enum": list(ABILITIES)}
    if field.name == "sensitivity":
        one = f"({'|'.join(LABELS)})"
        del made["type"]
        made["anyOf"] = [{"enum": list(LABELS)}, {"type": "string", "pattern": rf"^\s*{one}(\s*,\s*{one})*\s*$"}]
    default = _plain_default(field)
    return made if default is None else made | {"default": default}


def _plain_default(field: inspect.Field) -> Any:
    """The default as JSON; None where there is none or where it is a whole table."""
    value = field.default
    if value is msgspec.NODEFAULT or value is None or isinstance(value, msgspec.Struct):
        return None
    return list(value) if isinstance(value, tuple) else value


def _shape(kind: inspect.Type, row: Field) -> dict[str, Any]:
    kinds = options_of(kind)
    if len(kinds) > 1:
        return {"type": [_SCALARS[type(each)] for each in kinds if not isinstance(each, inspect.IntType)]}
    kind = kinds[0]
    if isinstance(kind, inspect.StructType):
        return {"$ref": f"#/$defs/{kind.cls.__name__}"}
    if isinstance(kind, inspect.VarTupleType):
        return {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    if isinstance(kind, inspect.LiteralType):
        return {"type": "string", "enum": list(kind.values)}
    if isinstance(kind, inspect.CustomType):
        return {"type": "string", "pattern": _REFERENCE}
    if isinstance(kind, inspect.DictType):
        return _names(kind.value_type, row)
    made: dict[str, Any] = {"type": _SCALARS[type(kind)]}
    if made["type"] in ("integer", "number"):
        made |= {"minimum": _whole(row.low), "maximum": _whole(row.high)}
    if row.unit in ("seconds", "bytes"):
        units = "|".join(SECONDS if row.unit == "seconds" else BYTES)
        return {"anyOf": [made, {"type": "string", "pattern": rf"^\s*\d+(\.\d+)?\s*({units})\s*$"}]}
    return made


def _names(kind: inspect.Type, row: Field) -> dict[str, Any]:
    if isinstance(kind, inspect.StructType):
        names = {"propertyNames": {"pattern": f"^{NAME.pattern}$"}}
        return {"type": "object", "additionalProperties": _shape(kind, row), **names}
    value = {"type": "string"} if isinstance(kind, inspect.CustomType) else _shape(kind, row)
    return {"type": "object", "additionalProperties": value}


def _whole(number: float) -> float | int:
    return int(number) if number == math.floor(number) else number


def type_words(field: inspect.Field, row: Field) -> str:
    """The type of a field for people: ``text``, ``seconds``, ``list of texts``, ``tables by name`` …"""
    kinds = options_of(field.type)
    if len(kinds) > 1:
        return "text, number or true/false"
    kind = kinds[0]
    if isinstance(kind, inspect.VarTupleType):
        return "list of abilities" if field.name in ("can", "cannot") else "list of texts"
    if isinstance(kind, inspect.DictType):
        return "tables by name" if isinstance(kind.value_type, inspect.StructType) else "table"
    words: dict[type[inspect.Type], str] = {
        inspect.StructType: "table", inspect.BoolType: "true/false", inspect.LiteralType: "text",
        inspect.CustomType: "secret", inspect.StrType: row.unit if row.unit in ("file", "folder") else "text",
    }  # fmt: skip
    return words.get(type(kind), row.unit or "number")


def default_words(field: inspect.Field) -> str:
    """The default of a field as the file would say it; ``needed`` where there is none, a dash for "not said"."""
    if field.required:
        return "needed"
    value = _plain_default(field)
    if value is None or value == []:
        return "–"
    if isinstance(value, str | bool | list):
        return f"`{msgspec.json.encode(value).decode()}`"
    return f"`{Decimal(str(value)).normalize():f}`" if isinstance(value, float) else f"`{value}`"


def rows(shape: type[msgspec.Struct]) -> tuple[tuple[str, str, str, str], ...]:
    """(field, type, default, meaning) of every field of a table, for the page that explains them."""
    known = inspect.type_info(shape)
    assert isinstance(known, inspect.StructType)
    return tuple(
        (
            field.name,
            type_words(field, FIELDS[shape][field.name]),
            default_words(field),
            FIELDS[shape][field.name].meaning,
        )
        for field in known.fields
    )
