"""Whether a value meets a JSON schema, as far as a small part of JSON Schema tells, without a library.

This is a signal, not a proof: keywords that are not known here are met by everything. Known are ``type``, ``enum``,
``const``, ``properties``, ``required``, ``additionalProperties: false``, ``items``, ``minItems``, ``maxItems``,
``minimum``, ``maximum``, ``minLength``, ``maxLength``, ``anyOf``, ``oneOf`` and ``allOf``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_DEEPEST = 32
_MOST_TEXT = 1_000_000
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def parsed(text: str) -> tuple[bool, Any]:
    """Whether a text is JSON, and its value. Fences around it are no part of it."""
    body = text.strip()
    if body.startswith("```"):
        body = body.partition("\n")[2].rpartition("```")[0].strip()
    if len(body) > _MOST_TEXT:
        return False, None
    try:
        return True, json.loads(body)
    except (ValueError, RecursionError):
        return False, None


def fits(value: Any, schema: Any, depth: int = 0) -> bool:
    """Whether the value meets the schema, as far as is looked at."""
    if depth > _DEEPEST or not isinstance(schema, Mapping):
        return schema is not False
    if "enum" in schema and isinstance(schema["enum"], list) and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    return (
        _typed(value, schema.get("type"))
        and _bounded(value, schema)
        and _combined(value, schema, depth + 1)
        and _inside(value, schema, depth + 1)
    )


def call_fits(name: str, arguments: str, tools: Mapping[str, Any]) -> bool:
    """Whether a tool call names a tool that there is, with arguments that its schema (by name) accepts."""
    if name not in tools:
        return False
    good, value = parsed(arguments or "{}")
    return good and isinstance(value, dict) and fits(value, tools[name])


def _typed(value: Any, wanted: Any) -> bool:
    names = wanted if isinstance(wanted, list) else [wanted] if isinstance(wanted, str) else []
    if not names:
        return True
    for name in names:
        if isinstance(value, bool) and name != "boolean":
            continue
        if isinstance(value, _TYPES.get(str(name), (object,))):
            return True
        if name == "integer" and isinstance(value, float) and value.is_integer():
            return True
    return False


def _bounded(value: Any, schema: Mapping[str, Any]) -> bool:
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        measure, low, high = float(value), "minimum", "maximum"
    elif isinstance(value, str):
        measure, low, high = float(len(value)), "minLength", "maxLength"
    elif isinstance(value, list):
        measure, low, high = float(len(value)), "minItems", "maxItems"
    else:
        return True
    least, most = schema.get(low), schema.get(high)
    above = not isinstance(least, int | float) or measure >= least
    return above and (not isinstance(most, int | float) or measure <= most)


def _combined(value: Any, schema: Mapping[str, Any], depth: int) -> bool:
    rules = {"allOf": all, "anyOf": any, "oneOf": any}
    for name, rule in rules.items():
        several = schema.get(name)
        if isinstance(several, list) and several and not rule(fits(value, one, depth) for one in several):
            return False
    return True


def _inside(value: Any, schema: Mapping[str, Any], depth: int) -> bool:
    if isinstance(value, dict):
        listed, required = schema.get("properties"), schema.get("required")
        properties = listed if isinstance(listed, Mapping) else {}
        if isinstance(required, list) and any(isinstance(name, str) and name not in value for name in required):
            return False
        if schema.get("additionalProperties") is False and any(name not in properties for name in value):
            return False
        return all(fits(inner, properties[name], depth) for name, inner in value.items() if name in properties)
    if isinstance(value, list) and "items" in schema:
        return all(fits(inner, schema["items"], depth) for inner in value)
    return True
