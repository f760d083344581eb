from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from crossover.reports import schema
from tests.reports import plans

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "plan.schema.json"
REFRESH = "write crossover.reports.schema.plan_schema_text() to docs/schemas/plan.schema.json"


def test_the_published_schema_is_the_schema_of_the_code() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema.plan_schema_text(), REFRESH


@pytest.mark.parametrize(
    "plan", [plans.sample(), plans.hostile(), plans.smallest()], ids=["sample", "hostile", "smallest"]
)
def test_plans_keep_the_schema(plan: object) -> None:
    rules = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(rules)
    jsonschema.validate(json.loads(msgspec.json.encode(plan)), rules, jsonschema.Draft202012Validator)


def test_a_missing_field_breaks_the_schema() -> None:
    data = json.loads(msgspec.json.encode(plans.sample()))
    del data["verdict"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema.plan_schema())
