from __future__ import annotations

from typing import Any

import pytest

from crossover.wire.anthropic import schema


def test_objects_hold_nothing_unnamed_at_any_depth() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "string"}}}
    found = schema.strict(
        {"type": "object", "properties": {"a": {"type": "array", "items": inner}}, "$defs": {"D": inner}}
    )
    assert found["additionalProperties"] is False
    assert found["properties"]["a"]["items"]["additionalProperties"] is False
    assert found["$defs"]["D"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("given", "description"),
    [
        ({"type": "string", "maxLength": 5}, "{maxLength: 5}"),
        ({"type": "number", "minimum": 0, "maximum": 1, "description": "share"}, "share\n\n{minimum: 0, maximum: 1}"),
        ({"type": "string", "format": "color"}, '{format: "color"}'),
        ({"type": "array", "items": {"type": "string"}, "minItems": 3}, "{minItems: 3}"),
    ],
)
def test_limits_that_are_not_enforced_are_told(given: dict[str, Any], description: str) -> None:
    assert schema.strict(given)["description"] == description


@pytest.mark.parametrize(
    "given",
    [
        {"type": "string", "format": "date-time"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        {"enum": ["a", "b"]},
        {"$ref": "#/$defs/D"},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
    ],
)
def test_what_is_enforced_stays(given: dict[str, Any]) -> None:
    assert schema.strict(given) == given


def test_one_of_is_any_of() -> None:
    assert schema.strict({"oneOf": [{"type": "string"}]}) == {"anyOf": [{"type": "string"}]}


def test_a_schema_without_bottom_ends() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        deep = {"type": "array", "items": deep}
    schema.strict(deep)


def test_a_tools_parameters_are_an_object() -> None:
    assert schema.for_tool({}) == {"type": "object", "properties": {}}
    assert schema.for_tool({"type": "object"}) == {"type": "object"}
