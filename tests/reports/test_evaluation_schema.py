from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from crossover.evaluation.summary import Summary
from crossover.reports import evaluation_schema
from tests.reports import evaluations

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "eval.schema.json"
REFRESH = (
    "write crossover.reports.evaluation_schema.evaluation_schema_text() to docs/schemas/eval.schema.json; fields are "
    "added, never renamed or removed"
)


def test_the_published_schema_is_the_schema_of_the_code() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == evaluation_schema.evaluation_schema_text(), REFRESH


@pytest.mark.parametrize("summary", [evaluations.two(60), evaluations.judged(), evaluations.nothing()])
def test_findings_keep_the_schema(summary: Summary) -> None:
    rules = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(rules)
    jsonschema.validate(json.loads(msgspec.json.encode(summary.findings)), rules, jsonschema.Draft202012Validator)


def test_a_missing_field_breaks_the_schema() -> None:
    data = json.loads(msgspec.json.encode(evaluations.two(60).findings))
    del data["versus"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, evaluation_schema.evaluation_schema())
