"""JSON Schemas as the Anthropic API takes them.

Structured output takes a part of JSON Schema: objects name all their properties and no others, and limits on numbers,
lengths and patterns are not enforced. The official SDK tells the model of them in the description; so do we.
"""

from __future__ import annotations

from typing import Any

from crossover.wire import tree

MOST_DEPTH = 64
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_KEPT = frozenset(
    {"type", "description", "title", "enum", "const", "$ref", "$schema", "required", "default", "additionalProperties"}
)
_TABLES = frozenset({"properties", "$defs", "definitions"})
_LISTS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}


def for_tool(parameters: dict[str, Any]) -> dict[str, Any]:
    """A tool's parameters: the API demands an object."""
    if parameters.get("type") == "object":
        return parameters
    return {"type": "object", "properties": {}, **parameters}


def strict(schema: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """The schema in the part of JSON Schema that the API enforces; what it does not is said in the description."""
    if depth > MOST_DEPTH:
        return schema
    made: dict[str, Any] = {}
    told: list[str] = []
    for name, value in schema.items():
        if name in _TABLES and type(value) is dict:
            made[name] = {key: strict(tree.table(child), depth + 1) for key, child in value.items()}
        elif name in _LISTS and type(value) is list:
            made[_LISTS[name]] = [strict(tree.table(child), depth + 1) for child in value]
        elif name == "items" and type(value) is dict:
            made[name] = strict(value, depth + 1)
        elif name in _KEPT or (name == "format" and value in _FORMATS) or (name == "minItems" and value in (0, 1)):
            made[name] = value
        else:
            told.append(f"{name}: {tree.dump_text(value)}")
    if made.get("type") == "object" or "properties" in made:
        made["additionalProperties"] = False
    if told:
        words = made.get("description")
        made["description"] = f"{words}\n\n{{{', '.join(told)}}}" if words else f"{{{', '.join(told)}}}"
    return made
