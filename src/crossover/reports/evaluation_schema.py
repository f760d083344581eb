"""The published shape of ``crossover eval … --json``, as JSON Schema (draft 2020-12)."""

from __future__ import annotations

from typing import Any

import msgspec

from crossover.evaluation.findings import Findings

SCHEMA_VERSION = 1


def evaluation_schema() -> dict[str, Any]:
    """The JSON Schema of findings; fields are added, never renamed or removed."""
    made = msgspec.json.schema(Findings)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"crossover eval, schema version {SCHEMA_VERSION}",
        **made,
    }


def evaluation_schema_text() -> str:
    """The schema as the file ``docs/schemas/eval.schema.json`` holds it."""
    text = msgspec.json.format(msgspec.json.encode(evaluation_schema(), order="deterministic"), indent=2).decode()
    return text + "\n"
